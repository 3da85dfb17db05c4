"""Slips of users: numpy scalars work, and errors say what to change."""

import copy
import pickle
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
from registry import OwnNetwork
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, EpochTimer
from torch import nn

import sklearn_ae
from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    ConvolutionalNetwork,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.model_selection import BatchedGridSearchCV

CHEAP = {"max_epochs": 1, "random_state": 0, "validation": None}
SMALL = CHEAP | {"init": "random", "hidden_layer_sizes": 4}
rng = np.random.RandomState(0)
X = rng.standard_normal((40, 6))
y = (X[:, 0] > 0).astype(int)


# -- numpy scalars ---------------------------------------------------------------------

# Values that single precision holds exactly; every number and word of each estimator.
NUMBERS = {
    Autoencoder: {
        "n_components": [2, 0.5],
        "hidden_layer_sizes": [3],
        "dropout": [0.5],
        "l1_penalty": [0.5],
        "l2_penalty": [0.5],
        "learning_rate": [0.125],
        "batch_size": [8],
        "max_epochs": [2],
        "validation": [0.25, None],
        "n_iter_no_change": [1],
        "tol": [0.5],
        "random_state": [3],
        "verbose": [0],
        "warm_start": [True],
        "tied_weights": [True],
        "init": ["random"],
        "activation": ["relu"],
        "code_activation": ["tanh"],
        "output_activation": ["identity"],
        "loss": ["mae"],
        "optimizer": ["adam"],
        "learning_rate_schedule": ["cosine"],
        "device": ["cpu"],
    },
    SparseAutoencoder: {"rho": [0.125], "lambd": [0.5], "sparsity": ["l1"]},
    DenoisingAutoencoder: {"corruption": ["masking"], "corruption_level": [0.25]},
    ContractiveAutoencoder: {"lambd": [0.5], "n_projections": [1]},
    VariationalAutoencoder: {"beta": [0.5]},
    StackedAutoencoder: {"pretrain_epochs": [1]},
    ConvolutionalAutoencoder: {"kernel_size": [1]},
    AutoencoderClassifier: {"head_penalty": [0.5], "freeze": [True]},
    AutoencoderRegressor: {"pretrain": [False], "max_epochs": [2]},
    AutoencoderOutlierDetector: {"contamination": [0.25], "trimming": [0.25]},
}
NUMPY = {
    bool: [np.bool_],
    int: [np.int64, np.int32],
    float: [np.float64, np.float32],
    str: [np.str_],
}


def small(cls):
    if cls in (AutoencoderClassifier, AutoencoderRegressor):
        return cls(Autoencoder(2, **SMALL), **CHEAP)
    if cls is AutoencoderOutlierDetector:
        return cls(Autoencoder(2, **SMALL), cv=2, random_state=0)
    if cls is ConvolutionalAutoencoder:
        return cls(2, channels=(2,), **CHEAP)
    if cls is StackedAutoencoder:
        return cls(2, hidden_layer_sizes=(3,), pretrain_epochs=1, **CHEAP)
    return cls(2, **SMALL)


def outputs(model):
    model.fit(X, y)
    if isinstance(model, AutoencoderOutlierDetector):
        return model.decision_function(X)
    return model.predict(X) if hasattr(model, "predict") else model.transform(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (cls, name, value)
        for cls, params in NUMBERS.items()
        for name, values in params.items()
        for value in values
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_numpy_scalars_are_numbers(cls, name, value):
    expected = outputs(small(cls).set_params(**{name: value}))
    for convert in NUMPY.get(type(value), []):
        model = small(cls).set_params(**{name: convert(value)})
        assert_array_equal(outputs(model), expected)


def test_sizes_may_be_numpy_integers():
    expected = Autoencoder(2, **SMALL | {"hidden_layer_sizes": (4, 3)}).fit(X)
    sizes = tuple(np.array([4, 3], dtype=np.int32))
    model = Autoencoder(2, **SMALL | {"hidden_layer_sizes": sizes}).fit(X)
    assert_array_equal(model.transform(X), expected.transform(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("search_class", [GridSearchCV, BatchedGridSearchCV])
@pytest.mark.parametrize(
    ("model", "name", "values"),
    [
        (Autoencoder(2, **SMALL), "max_epochs", np.arange(1, 3)),
        (Autoencoder(2, **SMALL), "learning_rate", np.logspace(-3, -2, 2)),
        (small(StackedAutoencoder), "pretrain_epochs", np.arange(2)),
        (small(AutoencoderClassifier), "max_epochs", np.arange(2)),
    ],
    ids=["max_epochs", "learning_rate", "pretrain_epochs", "classifier"],
)
def test_grids_of_numpy_numbers(search_class, model, name, values):
    scores = [
        search_class(model, {name: grid}, cv=2, error_score="raise", refit=False)
        .fit(X, y)
        .cv_results_["mean_test_score"]
        for grid in (values, values.tolist())
    ]
    assert_array_equal(*scores)


# -- malformed values ------------------------------------------------------------------


class TakesWidth(OwnNetwork):
    def __init__(self, n_features, n_components, width=3):
        super().__init__(n_features, n_components)


class WithoutWeights(nn.Module):
    def __init__(self, n_features, n_components):
        super().__init__()

    def encode(self, x):
        return x[:, :2]

    def decode(self, z):
        return z.repeat(1, 3)


FIRST_HALF = [(np.arange(20), np.arange(20, 40))]
NAMESAKES = [("a", EpochTimer()), ("a", EpochTimer())]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        *(
            (
                Autoencoder(hidden_layer_sizes=sizes),
                ["hidden_layer_sizes=", repr(sizes)],
            )
            for sizes in [((3, 2),), [[3]], (3, (2,)), ((),), (True,), (2.0,)]
        ),
        (Autoencoder(callbacks=[("a",)]), ["callbacks=", "('a',)"]),
        (Autoencoder(callbacks=[(1, EpochTimer())]), ["callbacks=", "strings", "[1]"]),
        (Autoencoder(callbacks=NAMESAKES), ["callbacks=", "['a', 'a']"]),
        (Autoencoder(network=OwnNetwork(6, 2)), ["network=OwnNetwork(", "an instance"]),
        (Autoencoder(network=ConvolutionalNetwork), ["network=", "Network()"]),
        (Autoencoder(network=lambda n, k: None), ["network=", "partial"]),
        (
            Autoencoder(network=partial(TakesWidth, n_features=6)),
            ["n_features", "first"],
        ),
        (Autoencoder(network=WithoutWeights), ["network=", "no parameters to train"]),
        (AutoencoderOutlierDetector(cv=[]), ["cv=[]", "every row once"]),
        (AutoencoderOutlierDetector(cv=[1, 2]), ["cv=[1, 2]", "pairs"]),
        (AutoencoderOutlierDetector(cv=[(1, 2)]), ["cv=[(1, 2)]", "pairs"]),
        (AutoencoderOutlierDetector(cv=FIRST_HALF), ["cv=", "every row once"]),
        (AutoencoderOutlierDetector(Autoencoder), ["autoencoder=", "Autoencoder()"]),
        (
            small(AutoencoderClassifier).set_params(class_weight={0: "a"}),
            ["class_weight={0: 'a'}"],
        ),
        (VariationalAutoencoder(loss=()), ["'loss'", "()"]),
    ],
)
def test_malformed_values_are_named(model, words):
    with pytest.raises(ValueError) as caught:
        clone(model, safe=False).fit(X, y)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("optimizer", "params", "word"),
    [
        ("adam", {"differentiable": True}, "in-place"),
        ("adamw", {"fused": True, "foreach": True}, "together"),
        ("adam", {"betas": (0.9,)}, "range"),
        ("sgd", {"maximize": True}, "minimised"),
        (torch.optim.SparseAdam, None, "dense gradients"),
        (torch.optim.Optimizer, None, "lr"),
    ],
    ids=str,
)
def test_optimizers_that_cannot_train(optimizer, params, word):
    model = Autoencoder(2, optimizer=optimizer, optimizer_params=params, **SMALL)
    with pytest.raises(ValueError, match=word) as caught:
        model.fit(X)
    assert f"optimizer_params={params!r}" in str(caught.value)


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "bogus"},
        {"optimizer_params": {"bogus": 1}},
        {"batch_size": -1},
        {"callbacks": 3},
        {"callbacks": [3]},
        {"hidden_layer_sizes": ((3, 2),)},
        {"penalties": [3]},
        {"network": 3},
    ],
    ids=str,
)
def test_later_partial_fit_validates(params):
    model = Autoencoder(2, **SMALL).fit(X).set_params(**params)
    codes = model.transform(X)
    with pytest.raises(ValueError, match=next(iter(params))):
        model.partial_fit(X)
    assert_array_equal(model.transform(X), codes)


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (AutoencoderClassifier(), "autoencoder__max_epochs"),
        (AutoencoderRegressor(), "autoencoder__max_epochs"),
        (AutoencoderOutlierDetector(), "autoencoder__max_epochs"),
        (StackedAutoencoder(), "layer__max_epochs"),
        (Autoencoder(), "network__width"),
        (Autoencoder(network=OwnNetwork), "network__width"),
        (Autoencoder(network=partial(TakesWidth, width=2)), "network__width"),
        (Autoencoder(), "loss__delta"),
        (Autoencoder(), "optimizer__betas"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_parameters_of_what_has_none(model, key):
    with pytest.raises(ValueError, match=rf"{key}=3 .*{key.split('__')[0]}=.* has no"):
        model.set_params(**{key: 3})


@pytest.mark.parametrize("callback", [EarlyStopping(), Checkpoint()])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_callbacks_that_need_held_out_rows(callback, method):
    model = Autoencoder(2, callbacks=[callback], **SMALL)
    with pytest.raises(ValueError, match=r"validation is None.*train_loss"):
        getattr(model, method)(X)


# -- own networks ----------------------------------------------------------------------


class Failing(OwnNetwork):
    """Fails in `encode` or `decode`, once it is told to."""

    where = None
    error = KeyError

    def encode(self, x):
        if Failing.where == "encode":
            raise Failing.error("my message")
        return super().encode(x)

    def decode(this, z):
        if Failing.where == "decode":
            raise Failing.error("my message")
        return OwnNetwork.decode(this, z)


@pytest.mark.parametrize("where", ["encode", "decode"])
@pytest.mark.parametrize("error", [KeyError, RuntimeError, StopIteration])
def test_failing_network_is_named(monkeypatch, where, error):
    model = Autoencoder(2, network=Failing, **CHEAP).fit(X)
    codes = model.transform(X)
    monkeypatch.setattr(Failing, "where", where)
    monkeypatch.setattr(Failing, "error", error)
    calls = [partial(method, X) for method in (model.fit, model.partial_fit)]
    calls += [partial(getattr(model, name), X) for name in ("reconstruct", "score")]
    calls += [
        partial(model.transform, X)
        if where == "encode"
        else partial(model.inverse_transform, codes)
    ]
    for call in calls:
        with pytest.raises(
            ValueError, match=r"network=.*Failing.*my message"
        ) as caught:
            call()
        assert isinstance(caught.value.__cause__, error)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_memory_that_runs_out_is_no_fault_of_the_network(monkeypatch, error):
    monkeypatch.setattr(Failing, "where", "encode")
    monkeypatch.setattr(Failing, "error", error)
    model = Autoencoder(2, network=Failing, **CHEAP)
    with pytest.raises(error):
        model.fit(X)
    monkeypatch.setattr(Failing, "where", None)
    model.fit(X)
    monkeypatch.setattr(Failing, "where", "encode")
    with pytest.raises(error):
        model.transform(X)


class FailingWithoutSelf(Failing):
    def encode(this, x):
        raise KeyError("my message")


def test_failing_network_is_named_whatever_its_first_argument_is_called():
    model = Autoencoder(2, network=Failing, **CHEAP).fit(X)
    model.module_.network.__class__ = FailingWithoutSelf
    with pytest.raises(ValueError, match=r"FailingWithoutSelf.*my message"):
        model.transform(X)


def test_binary_losses_need_networks_with_outputs_between_0_and_1():
    shares = rng.uniform(size=(20, 6))
    for model in (
        Autoencoder(2, network=OwnNetwork, loss="bce", **CHEAP),
        VariationalAutoencoder(2, network=OwnNetwork, loss="bernoulli", **CHEAP),
    ):
        with pytest.raises(ValueError, match=r"network=.*OwnNetwork.*sigmoid"):
            model.fit(shares)


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": (3,)},
        {"activation": "relu"},
        {"code_activation": "tanh"},
        {"output_activation": "sigmoid"},
        {"dropout": 0.5},
    ],
    ids=str,
)
def test_parameters_that_an_own_network_does_not_get(params):
    model = Autoencoder(2, network=OwnNetwork, **CHEAP, **params)
    with pytest.warns(UserWarning, match=f"{next(iter(params))}=.*ignored.*partial"):
        model.fit(X)


# -- interrupts ------------------------------------------------------------------------


class Quiet(Callback):
    """Fails at the end of a training whose begin it has not seen."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.has_begun_ = True

    def on_train_end(self, net, X=None, y=None, **kwargs):
        del self.has_begun_


def interrupted_at(position, call):
    """Call with a Ctrl-C at a line of the package; what comes out, and lines run."""
    package, n_lines = str(Path(sklearn_ae.__file__).parent), 0

    def on_line(frame, event, arg):
        nonlocal n_lines
        if event == "line":
            n_lines += 1
            if n_lines == position:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return on_line

    before = sys.gettrace()
    sys.settrace(
        lambda frame, event, arg: (
            on_line if frame.f_code.co_filename.startswith(package) else None
        )
    )
    try:
        call()
    except BaseException as error:
        return type(error), n_lines
    finally:
        sys.settrace(before)
    return None, n_lines


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (Autoencoder(2, callbacks=[Quiet()], **SMALL), "fit"),
        (Autoencoder(2, verbose=1, **SMALL), "partial_fit"),
        (Autoencoder(2, network=OwnNetwork, **CHEAP), "fit"),
        (small(AutoencoderClassifier), "fit"),
    ],
    ids=["callback", "progress_bar", "own_network", "classifier"],
)
def test_interrupts_come_out_wherever_they_strike(model, method):
    def call():
        getattr(copy.deepcopy(model), method)(X, y)

    _, n_lines = interrupted_at(0, call)
    for position in np.linspace(1, 0.98 * n_lines, 12, dtype=int):
        raised, _ = interrupted_at(position, call)
        assert raised is KeyboardInterrupt, position
        assert torch.is_grad_enabled()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("hook", ["begin", "begin_epoch"])
def test_interrupt_before_the_first_epoch_ends_a_search(monkeypatch, hook):
    from sklearn_ae.training.loop import Training

    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, hook, interrupt)
    model = Autoencoder(2, verbose=1, callbacks=[Quiet()], **SMALL)
    search = GridSearchCV(model, {"max_epochs": [1, 2]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X)


# -- pickles and nets ------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["_recipe"].update(bogus=1),
        lambda state: state["_recipe"].pop("loss"),
        lambda state: state["_recipe"]["settings"].pop("tol"),
        lambda state: state["_net_state"]["weights"].popitem(),
        lambda state: state["_net_state"].pop("generators"),
        lambda state: state.pop("_net_state"),
        lambda state: state.pop("_recipe"),
        lambda state: state.pop("device_"),
        lambda state: state.pop("n_components_"),
    ],
)
def test_pickles_with_other_fields(change):
    state = copy.deepcopy(Autoencoder(2, **SMALL).fit(X).__getstate__())
    change(state)
    with pytest.raises(pickle.UnpicklingError, match=r"(?s)Autoencoder .*fit it again"):
        Autoencoder().__setstate__(state)


@pytest.mark.parametrize(
    "name", ["module__hidden_layer_sizes", "criterion__loss", "optimizer"]
)
def test_network_of_a_fitted_estimator_is_not_replaced(name):
    model = Autoencoder(2, **SMALL).fit(X)
    with pytest.raises(ValueError, match=f"{name}=.*fitted estimator"):
        model.net_.set_params(**{name: (3,)})
    # Settings of the optimizer, which callbacks may change, belong to its state.
    model.net_.set_params(optimizer__weight_decay=0.1)
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.net_.optimizer_.param_groups[0]["weight_decay"] == 0.1
    assert_array_equal(loaded.transform(X), model.transform(X))


# -- labels ----------------------------------------------------------------------------


def test_score_leaves_out_rows_without_a_label():
    labels = np.where(np.arange(40) % 3 == 0, -1, y)
    labels[1] = 2
    model = small(AutoencoderClassifier).fit(X, labels)
    known = labels != -1
    expected = np.mean(model.predict(X)[known] == labels[known])
    assert model.score(X, labels) == expected
    weight = np.arange(40.0)
    hits = model.predict(X[known]) == labels[known]
    expected = np.average(hits, weights=weight[known])
    assert model.score(X, labels, weight) == pytest.approx(expected)
    with pytest.raises(ValueError, match="all of them are -1"):
        model.score(X, np.full(40, -1))


def test_score_with_minus_one_as_a_class():
    labels = np.where(y == 0, -1, 1)
    model = small(AutoencoderClassifier).fit(X, labels)
    assert model.score(X, labels) == np.mean(model.predict(X) == labels)


def test_score_with_strings_and_gaps():
    names = np.array(["a", "b"], dtype=object)[y]
    gaps = names.copy()
    gaps[::4] = -1
    model = small(AutoencoderClassifier).fit(X, gaps)
    known = np.arange(40) % 4 > 0
    assert model.score(X, gaps) == np.mean(model.predict(X)[known] == names[known])


@pytest.mark.parametrize("gap", [None, np.nan, pd.NA], ids=str)
def test_gaps_in_labels_get_advice(gap):
    labels = np.array(["a", "b"], dtype=object)[y]
    labels[::4] = gap
    model = small(AutoencoderClassifier)
    for given in (labels, pd.Series(labels, dtype="category")):
        with pytest.raises(ValueError, match=r"y contains NaN: 10 labels.*-1"):
            model.fit(X, given)
    with pytest.raises(ValueError, match=r"y contains NaN: 10 labels.*-1"):
        model.fit(X, np.where(np.arange(40) % 4 == 0, np.nan, y))
