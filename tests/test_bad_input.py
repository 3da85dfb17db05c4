"""Bad parameters and data: errors name the fault and leave the estimator unchanged."""

import copy
import math
import re
import warnings
from functools import cache

import numpy as np
import pytest
import torch
from registry import OwnNetwork
from scipy import sparse
from sklearn.base import clone
from torch import nn

import sklearn_ae
from sklearn_ae import Autoencoder, VariationalAutoencoder
from sklearn_ae.objectives import L1Penalty
from sklearn_ae.persistence import Checkpoint

INF, NAN = math.inf, math.nan
# Estimators of tables: those with a `fit`.
ESTIMATORS = [
    name for name in sklearn_ae.__all__ if hasattr(getattr(sklearn_ae, name), "fit")
]


class NoEncode(nn.Module):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.layer = nn.Linear(n_features, n_components)

    def forward(self, x):
        return self.layer(x)


class NoArguments(nn.Module):
    def encode(self, x):
        return x

    decode = encode


class WrongWidth(OwnNetwork):
    """Codes have one column too many."""

    def __init__(self, n_features, n_components):
        super().__init__(n_features, n_components + 1)


class LayersAsMethods(nn.Module):
    """`encode` and `decode` are attributes of instances, not methods of the class."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encode = nn.Linear(n_features, n_components)
        self.decode = nn.Linear(n_components, n_features)


# Parameter -> values of a wrong type and values out of range.
WRONG_TYPE = {
    "n_components": [None, "two", [2], (2,), 2 + 0j],
    "hidden_layer_sizes": ["big", None, 2.5, {4}, (2.5,), ("a",), (4, None)],
    "activation": [None, 1, nn.ReLU],
    "code_activation": [None, 1, nn.Sigmoid],
    "output_activation": [None, 1, nn.Sigmoid],
    "network": ["dense", 3, nn.Linear(7, 2), int, dict, (OwnNetwork,)],
    "loss": [None, 2, nn.MSELoss],
    "dropout": [None, "half", [0.1]],
    "l1_penalty": [None, "small", [0.1]],
    "l2_penalty": [None, "small", [0.1]],
    "optimizer": [None, 1, int, nn.Linear, torch.optim.lr_scheduler.StepLR],
    "optimizer_params": ["weight_decay", 1, [("weight_decay", 0.1)]],
    "learning_rate": [None, "fast", [1e-3]],
    "learning_rate_schedule": [None, 1, torch.optim.lr_scheduler.OneCycleLR],
    "batch_size": [None, "big", 16.0, [16]],
    "max_epochs": [None, "many", 3.0, [3]],
    "validation": ["tenth", [0.1]],
    "n_iter_no_change": ["auto", "long", 3.0],
    "tol": [None, "small", [1e-3]],
    "warm_start": ["yes", 2, None],
    "device": [None, 0, 1.5],
    "callbacks": ["early_stopping", 3, [3], ["early_stopping"], [None]],
    "penalties": ["l1", 0.1, [0.1], ["l1"], [L1Penalty]],
    "random_state": ["zero", 1.5, [1]],
    "verbose": ["loud", None, 0.5],
    "checkpoint": [1, True, ["fit.npz"], b"fit.npz", Checkpoint],
    "init": [None, 1, True],
    "tied_weights": ["yes", 2, None],
    "missing_values": [None, 0, [NAN]],
    "missing_indicator": ["yes", 2, None],
}
WRONG_RANGE = {
    "n_components": [0, -1, 0.0, 1.0, -0.5, 1.5, NAN, INF],
    "hidden_layer_sizes": [0, -3, (0,), (8, -1), [8, 0]],
    "activation": ["cube", "ReLU", ""],
    "code_activation": ["cube", "auto"],
    "output_activation": ["cube", ""],
    "network": [NoEncode, NoArguments, nn.Linear, nn.Module, WrongWidth],
    "loss": ["squared", "MSE", ""],
    "dropout": [-0.1, 1.0, 1.5, NAN],
    "l1_penalty": [-1e-9, NAN, INF],
    "l2_penalty": [-1e-9, NAN, INF],
    "optimizer": ["adamax", "Adam", ""],
    "optimizer_params": [{"bogus": 1}, {"betas": 3}, {"lr": 0.1}, {1: 2}],
    "learning_rate": [0, -1e-3, NAN, INF],
    "learning_rate_schedule": ["step", ""],
    "batch_size": [0, -5],
    "max_epochs": [-1],
    "validation": [0, 1, -0.1, 1.5, NAN],
    "n_iter_no_change": [0, -1],
    "tol": [-1e-4, NAN, INF],
    "device": ["gpu", "cuda:99", "", "cpu0", "meta"],
    "random_state": [-1, 2**32],
    "verbose": [-1],
    "checkpoint": [Checkpoint("fit.npz", every_seconds=-1), Checkpoint(0)],
    "init": ["svd", "PCA", ""],
    "missing_values": ["nan", "ignore", INF],
}
# Values that are valid alone but not together, or not for a table of shape (60, 7),
# and words that the message must contain.
WRONG_COMBINATION = [
    ({"n_components": 8}, ["n_components=8", "7"]),
    ({"code_activation": "sigmoid"}, ["code_activation='sigmoid'", "init='random'"]),
    ({"loss": "bce"}, ["loss='bce'", "[0, 1]", "MinMaxScaler"]),
    (
        {"loss": "bce", "output_activation": "identity"},
        ["output_activation='identity'", "loss='bce'"],
    ),
    ({"tied_weights": True, "network": OwnNetwork}, ["tied_weights=True", "network"]),
    (
        {"optimizer": "sgd", "optimizer_params": {"betas": (0.9, 0.99)}},
        ["optimizer_params", "betas", "SGD"],
    ),
    (
        {"optimizer": "adam", "optimizer_params": {"weight_decay": -1}},
        ["optimizer_params", "weight_decay"],
    ),
    ({"missing_indicator": True}, ["missing_indicator=True", "missing_values"]),
]


def cases(table):
    """Each parameter with each of its values, under a readable name."""
    return [
        pytest.param(name, value, id=f"{name}={value!r}"[:60])
        for name, values in table.items()
        for value in values
    ]


def unit_table(n_rows=60):
    return np.random.RandomState(0).standard_normal((n_rows, 7))


@pytest.fixture(scope="module")
def X():
    return unit_table()


def assert_error_leaves_estimator(model, X, errors, patterns):
    """`fit` and `partial_fit` raise and change nothing."""
    before = dict(vars(model))
    for method in ("fit", "partial_fit"):
        with pytest.raises(errors) as caught:
            getattr(model, method)(X)
        for pattern in patterns:
            assert re.search(pattern, str(caught.value)), (
                f"{method}: {pattern!r} is not in the message {str(caught.value)!r}"
            )
        assert vars(model).keys() == before.keys()
        changed = [n for n, value in before.items() if vars(model)[n] is not value]
        assert not changed, f"{method} changed {changed}"


def named_value(value):
    """Pattern of how a message may show the value: its repr, or its name."""
    name = getattr(value, "__name__", None)
    shown = [re.escape(repr(value))] + ([re.escape(name)] if name else [])
    if isinstance(value, list | tuple | dict) and len(value):
        items = value.items() if isinstance(value, dict) else [(v,) for v in value]
        shown += [re.escape(str(part)) for item in items for part in item]
    if isinstance(value, nn.Module):
        shown.append("Linear")
    return "|".join(shown)


CHEAP = {"max_epochs": 1, "random_state": 0}


@cache
def _fitted(cls):
    return cls(**CHEAP).fit(unit_table())


def fitted_copy(cls=Autoencoder):
    """A copy of an estimator with default settings that is fitted once."""
    return copy.deepcopy(_fitted(cls))


@pytest.mark.parametrize(("name", "value"), cases(WRONG_TYPE) + cases(WRONG_RANGE))
def test_wrong_parameter_of_an_unfitted_estimator(X, name, value):
    model = Autoencoder(**CHEAP | {name: value})
    assert_error_leaves_estimator(
        model, X, (ValueError, TypeError), [rf"\b{name}\b", named_value(value)]
    )


def assert_error_leaves_fitted(model, X, name, value):
    """`fit` raises, and the fitted estimator still works as before."""
    codes, error = model.transform(X), model.reconstruction_error(X)
    model.set_params(**{name: value})
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b"):
        model.fit(X)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[n] is value for n, value in before.items())
    np.testing.assert_array_equal(model.transform(X), codes)
    np.testing.assert_array_equal(model.reconstruction_error(X), error)


@pytest.mark.parametrize(("name", "value"), cases(WRONG_TYPE) + cases(WRONG_RANGE))
def test_wrong_parameter_of_a_fitted_estimator(X, name, value):
    assert_error_leaves_fitted(fitted_copy(), X, name, value)


def combination_id(case):
    return ",".join(f"{k}={v!r}" for k, v in case.items())[:70] if case else None


@pytest.mark.parametrize(
    ("params", "words"),
    WRONG_COMBINATION,
    ids=[combination_id(params) for params, _ in WRONG_COMBINATION],
)
@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
def test_wrong_combination(X, params, words, fitted):
    model = fitted_copy() if fitted else Autoencoder(**CHEAP)
    if fitted:
        codes = model.transform(X)
    model.set_params(**params)
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError)) as caught:
        model.fit(X)
    for word in words:
        assert word in str(caught.value)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[n] is value for n, value in before.items())
    if fitted:
        np.testing.assert_array_equal(model.transform(X), codes)


def test_more_components_than_rows(X):
    with pytest.raises(ValueError, match=r"n_components=5.*n_samples.*4"):
        Autoencoder(5).fit(X[:4])
    model = Autoencoder(5, init="random", **CHEAP).fit(X[:4])
    assert model.transform(X).shape == (60, 5)


def test_later_batches_may_have_fewer_rows_than_components(X):
    model = Autoencoder(5, **CHEAP).partial_fit(X).partial_fit(X[:3])
    assert model.n_iter_ == 2
    model.set_params(warm_start=True).fit(X[:4])
    assert model.transform(X).shape == (60, 5)


@pytest.mark.parametrize("weight", [-1e-9, NAN, INF, "small", None])
def test_wrong_weight_of_a_penalty(X, weight):
    model = Autoencoder(penalties=[L1Penalty(weight)], **CHEAP)
    patterns = ["'weight'.*L1Penalty", re.escape(repr(weight))]
    assert_error_leaves_estimator(model, X, (ValueError, TypeError), patterns)


def test_every_parameter_is_in_the_table():
    names = Autoencoder().get_params().keys()
    assert WRONG_TYPE.keys() == names
    # Any value of the right type is valid.
    free = {"penalties", "warm_start", "callbacks", "tied_weights", "missing_indicator"}
    assert WRONG_RANGE.keys() == names - free


def test_every_listed_value_is_wrong_by_itself():
    # Otherwise the tests above might pass because of an unrelated error.
    Autoencoder(**CHEAP).fit(unit_table())


def test_constructor_neither_validates_nor_converts():
    values = {name: values[0] for name, values in WRONG_TYPE.items()}
    model = Autoencoder(**values)
    assert all(getattr(model, name) is value for name, value in values.items())
    with pytest.raises(TypeError, match="bogus"):
        Autoencoder(bogus=1)
    with pytest.raises(ValueError, match="bogus"):
        Autoencoder().set_params(bogus=1)


# -- bad data --------------------------------------------------------------------------

# Arguments of fit beside parameters, and words of the message.
BAD_DATA = {
    "one_dimension": (lambda X: {"X": X[0]}, ["2D array"]),
    "three_dimensions": (lambda X: {"X": X[None]}, ["X has the shape", "reshape"]),
    "one_row": (lambda X: {"X": X[:1]}, ["sample", "minimum of 2"]),
    "no_row": (lambda X: {"X": X[:0]}, ["0 sample"]),
    "no_column": (lambda X: {"X": X[:, :0]}, ["0 feature"]),
    "complex": (lambda X: {"X": X + 0j}, ["Complex data not supported"]),
    "strings": (lambda X: {"X": np.full((5, 7), "a")}, ["could not convert", "OneHot"]),
    "none": (lambda X: {"X": None}, ["2D array"]),
    "complex_sparse": (
        lambda X: {"X": sparse.csr_array(X + 0j)},
        ["Complex data not supported"],
    ),
    "target_too_short": (
        lambda X: {"X": X, "X_target": X[:20]},
        ["X_target", "20", "60"],
    ),
    "target_not_finite": (
        lambda X: {"X": X, "X_target": np.where(X > 0, np.nan, X)},
        ["X_target", "NaN"],
    ),
    "target_one_dimension": (lambda X: {"X": X, "X_target": X[:, 0]}, ["2D array"]),
    "weight_too_short": (
        lambda X: {"X": X, "sample_weight": np.ones(20)},
        ["sample_weight", "20", "60"],
    ),
    "weight_two_dimensions": (
        lambda X: {"X": X, "sample_weight": np.ones((60, 2))},
        ["[Ss]ample.weight", "1D"],
    ),
    "weight_zero": (
        lambda X: {"X": X, "sample_weight": np.zeros(60)},
        ["weight", "zero"],
    ),
    "weight_negative": (
        lambda X: {"X": X, "sample_weight": np.linspace(-1, 1, 60)},
        ["[Nn]egative", "sample_weight"],
    ),
    "weight_not_finite": (
        lambda X: {"X": X, "sample_weight": np.full(60, np.nan)},
        ["sample_weight", "NaN"],
    ),
}


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data(X, case, method, fitted):
    arguments, patterns = BAD_DATA[case]
    if case == "one_row" and method == "partial_fit" and fitted:
        pytest.skip(reason="one row more is welcome in a later partial_fit")
    model = fitted_copy() if fitted else Autoencoder(**CHEAP)
    if fitted:
        codes = model.transform(X)
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError)) as caught:
        getattr(model, method)(**arguments(X))
    for pattern in patterns:
        assert re.search(pattern, str(caught.value))
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[n] is value for n, value in before.items())
    if fitted:
        np.testing.assert_array_equal(model.transform(X), codes)


def test_infinities_of_both_signs_give_an_error_and_no_warning(X):
    model = fitted_copy()
    X = X.copy()
    X[:2, 0] = INF, -INF
    for method in (model.fit, model.partial_fit, model.transform, model.score):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ValueError, match="infinity"):
                method(X)


def test_one_positive_weight_is_not_enough(X):
    weight = np.zeros(60)
    weight[3] = 1
    with pytest.raises(ValueError, match="weight"):
        Autoencoder(1).fit(X, sample_weight=weight)


def test_tied_weights_need_outputs_like_inputs(X):
    with pytest.raises(ValueError, match=r"tied_weights=True.*7.*X_target has 3"):
        Autoencoder(2, tied_weights=True).fit(X, X_target=X[:, :3])


@pytest.mark.parametrize("value", [-0.01, 1.01])
@pytest.mark.parametrize("make", [np.array, sparse.csr_array], ids=["dense", "csr"])
def test_cross_entropy_names_the_range_it_was_given(value, make):
    X = np.random.RandomState(0).uniform(size=(20, 3))
    X[4, 1] = value
    with pytest.raises(ValueError, match=re.escape(f"{value:g}")):
        Autoencoder(2, loss="bce").fit(make(X))
    with pytest.raises(ValueError, match=re.escape(f"{value:g}")):
        Autoencoder(2, loss="bce").fit(np.clip(X, 0, 1), X_target=make(X))
    # Only targets of the reconstruction must be in [0, 1].
    target = make(np.clip(X, 0, 1))
    Autoencoder(2, loss="bce", max_epochs=1).fit(make(X), X_target=target)


@pytest.mark.parametrize(
    "model", [Autoencoder(2, loss="bce"), VariationalAutoencoder(2, loss="bernoulli")]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_may_leave_the_unit_interval_by_rounding(model, dtype):
    """MinMaxScaler's results do."""
    X = np.random.RandomState(0).uniform(size=(40, 5)).astype(dtype)
    X[0], X[1] = 0, 1
    beyond = X.copy()
    beyond[0], beyond[1] = -np.finfo(dtype).eps, 1 + np.finfo(dtype).eps
    model = clone(model).set_params(max_epochs=2, validation=None, random_state=0)
    expected = clone(model).fit(X).reconstruct(X)
    model.fit(beyond)
    np.testing.assert_allclose(model.reconstruct(X), expected, atol=1e-4)
    model.partial_fit(beyond)
    beyond[1] = 1.00002
    with pytest.raises(ValueError, match=r"1\.00002\]"):
        model.fit(beyond)


@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
def test_diverging_training_says_where_and_leaves_the_estimator(X, fitted):
    model = Autoencoder(2, random_state=0, max_epochs=3)
    if fitted:
        codes = model.fit(X).transform(X)
    model.set_params(
        optimizer="sgd", learning_rate=1e20, learning_rate_schedule="constant"
    )
    before = dict(vars(model))
    with pytest.raises(ValueError, match=r"epoch \d+.*learning_rate=1e\+20") as caught:
        model.fit(X)
    assert re.search("[Ll]ower", str(caught.value))  # what to change
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[n] is value for n, value in before.items())
    if fitted:
        np.testing.assert_array_equal(model.transform(X), codes)


def test_diverging_partial_fit_leaves_the_weights(X):
    params = {"optimizer": "sgd", "learning_rate": 1e20, "batch_size": 5}
    model = Autoencoder(2, random_state=0, max_epochs=0, **params).fit(X)
    codes = model.transform(X)
    with pytest.raises(ValueError, match="learning_rate"):
        model.partial_fit(X)
    np.testing.assert_array_equal(model.transform(X), codes)
    assert model.n_iter_ == 0


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_training_that_diverges_in_its_last_step_is_noticed(X, method):
    # The loss was finite before this step, the only one.
    model = Autoencoder(
        2,
        init="random",
        validation=None,
        batch_size=60,
        optimizer="sgd",
        learning_rate=1e38,
        learning_rate_schedule="constant",
        **CHEAP,
    )
    with pytest.raises(ValueError, match="learning_rate"):
        getattr(model, method)(X)


class Failing(OwnNetwork):
    """Fails in its third training pass."""

    passes = 0

    def encode(self, x):
        Failing.passes += self.training
        if self.training and Failing.passes == 3:
            raise RuntimeError("no more")
        return super().encode(x)


def test_failing_network_leaves_a_fitted_estimator(X, monkeypatch):
    monkeypatch.setattr(Failing, "passes", 10)
    model = Autoencoder(2, network=Failing, batch_size=10, **CHEAP).fit(X)
    codes, history = model.transform(X), model.n_iter_
    for method in ("fit", "partial_fit"):
        for warm_start in (False, True):
            Failing.passes = 0
            model.set_params(warm_start=warm_start)
            with pytest.raises(ValueError, match=r"Failing.*no more"):
                getattr(model, method)(X)
            np.testing.assert_array_equal(model.transform(X), codes)
            assert model.n_iter_ == len(model.net_.history) == history
    # What comes next is what would have come without the failure.
    Failing.passes = 10
    expected = clone(model).set_params(warm_start=False).fit(X).partial_fit(X)
    model.partial_fit(X)
    np.testing.assert_array_equal(model.transform(X), expected.transform(X))


BAD_QUERIES = {
    "width": (lambda X: X[:, :3], "features"),
    "one_dimension": (lambda X: X[0], "2D array"),
    "not_finite": (lambda X: np.where(X > 0, np.nan, X), "NaN"),
    "no_row": (lambda X: X[:0], "0 sample"),
    "complex": (lambda X: X + 0j, "Complex"),
}


@pytest.mark.parametrize("case", BAD_QUERIES)
@pytest.mark.parametrize(
    "method",
    ["transform", "reconstruct", "reconstruction_error", "score_samples", "score"],
)
def test_bad_queries(X, case, method):
    make, message = BAD_QUERIES[case]
    with pytest.raises(ValueError, match=message):
        getattr(fitted_copy(), method)(make(X))


def test_bad_codes(X):
    model = Autoencoder(2, **CHEAP).fit(X)
    with pytest.raises(ValueError, match=r"3 columns.*n_components_=2"):
        model.inverse_transform(X[:, :3])
    with pytest.raises(ValueError, match="NaN"):
        model.inverse_transform(np.full((4, 2), np.nan))


def test_errors_of_unlike_outputs_are_not_computed(X):
    model = Autoencoder(2, **CHEAP).fit(X, X_target=X[:, :3])
    for method in ("reconstruction_error", "score", "score_samples"):
        with pytest.raises(ValueError, match=r"3 columns .* have 7"):
            getattr(model, method)(X)


def test_network_may_have_layers_for_methods(X):
    model = Autoencoder(2, network=LayersAsMethods, **CHEAP).fit(X)
    assert model.reconstruct(X).shape == X.shape


# -- images ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTIMATORS)
def test_images_are_to_be_flattened(name):
    """Every estimator says how, and `X.reshape(...)` is what it takes."""
    rng = np.random.default_rng(0)
    X, y = rng.uniform(size=(12, 4, 5)), np.arange(12) % 2
    estimator = getattr(sklearn_ae, name)()
    match = r"X has the shape \(12, 4, 5\).*X\.reshape\(len\(X\), -1\).*\(12, 20\)"
    for images in (X, X.tolist(), torch.from_numpy(X)):
        with pytest.raises(ValueError, match=match):
            estimator.fit(images, y)
    if hasattr(estimator, "partial_fit"):
        with pytest.raises(ValueError, match=match):
            estimator.partial_fit(X)
    colors = rng.uniform(size=(12, 8, 6, 3))
    with pytest.raises(ValueError, match=r"X\.transpose\(0, 3, 1, 2\)\.reshape"):
        estimator.fit(colors, y)


def test_images_are_to_be_flattened_for_a_fitted_one():
    X = np.random.default_rng(0).uniform(size=(12, 4, 5))
    flat = X.reshape(len(X), -1)
    estimator = Autoencoder(2, max_epochs=1).fit(flat)
    for method in ("transform", "reconstruct", "reconstruction_error", "score"):
        with pytest.raises(ValueError, match=r"X\.reshape\(len\(X\), -1\)"):
            getattr(estimator, method)(X)
    with pytest.raises(ValueError, match=r"X_target\.reshape\(len\(X_target\), -1\)"):
        estimator.fit(flat, X_target=X)
