"""Kinds of input, seeds, state and other conventions of scikit-learn."""

import copy
import gc
import os
import pickle
import pickletools
import sys
import threading
import tracemalloc
import warnings
import weakref

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from joblib import Parallel, delayed, parallel_config
from registry import OwnNetwork, instances
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

import sklearn_ae
from sklearn_ae import Autoencoder
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.objectives import ActivationL1, L2Penalty, Loss, Penalty

AUTOENCODERS = sorted(
    {
        type(model)
        for model in instances().values()
        if isinstance(model, BaseAutoencoder)
    },
    key=str,
)

# Everything random: weights, order of rows, dropout, held-out rows.
RANDOM = {"init": "random", "dropout": 0.2, "max_epochs": 3, "batch_size": 16}
OWN = {"network": OwnNetwork, "max_epochs": 3, "batch_size": 16}


def assert_same_bits(first, second, X):
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    np.testing.assert_array_equal(first.reconstruct(X), second.reconstruct(X))
    np.testing.assert_array_equal(first.loss_curve_, second.loss_curve_)
    np.testing.assert_array_equal(first.explained_variance_, second.explained_variance_)


# -- input -----------------------------------------------------------------------------


def _read_only_memory_map(X, path):
    np.save(path / "X.npy", X)
    X = np.load(path / "X.npy", mmap_mode="r")
    assert isinstance(X, np.memmap)
    assert not X.flags.writeable
    return X


def _named_columns(X):
    return {f"c{i}": column for i, column in enumerate(X.T)}


INPUTS = {
    "list": lambda X, path: X.tolist(),
    "pandas": lambda X, path: pd.DataFrame(_named_columns(X)),
    "polars": lambda X, path: pl.DataFrame(_named_columns(X)),
    "csr_array": lambda X, path: sparse.csr_array(X),
    "csr_matrix": lambda X, path: sparse.csr_matrix(X),
    "csc_array": lambda X, path: sparse.csc_array(X),
    "csc_matrix": lambda X, path: sparse.csc_matrix(X),
    "coo_array": lambda X, path: sparse.coo_array(X),
    "memory_map": _read_only_memory_map,
    "fortran": lambda X, path: np.asfortranarray(X),
    "strided": lambda X, path: np.repeat(X, 2, axis=0)[::2],
    "reversed": lambda X, path: X[:, ::-1].copy()[:, ::-1],
    "float32": lambda X, path: X.astype(np.float32),
    "int64": lambda X, path: X.astype(np.int64),
    "int8": lambda X, path: X.astype(np.int8),
    "uint8": lambda X, path: X.astype(np.uint8),
    "object": lambda X, path: X.astype(object),
}


@pytest.fixture(scope="module")
def whole_numbers():
    """Small whole numbers, many of them zero: exact in every kind of input."""
    rng = np.random.RandomState(0)
    X = rng.poisson(2, (50, 1)) * rng.poisson(1, (50, 6)).astype(np.float64)
    X.setflags(write=False)  # one test must not change another's data
    return X


# Few folds, in each of which the candidates learn from the table.
OF_WHOLE_NUMBERS = {
    "max_epochs": 2,
    "dropout": 0.1,
    "random_state": 0,
    "batch_size": 16,
    "validation": 2,
}


@pytest.fixture(scope="module", params=["fit", "partial_fit"])
def method_and_model(request, whole_numbers):
    """A method of fitting, and the model that it makes of an array."""
    model = Autoencoder(2, **OF_WHOLE_NUMBERS)
    return request.param, getattr(model, request.param)(whole_numbers)


@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_of_input_gives_the_same_model(
    whole_numbers, kind, method_and_model, tmp_path
):
    X = INPUTS[kind](whole_numbers, tmp_path)
    method, expected = method_and_model
    model = getattr(Autoencoder(2, **OF_WHOLE_NUMBERS), method)(X)
    rtol = 1e-3 if kind == "float32" else 1e-10
    with warnings.catch_warnings():  # names of columns belong to another test
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        np.testing.assert_allclose(
            model.transform(whole_numbers),
            expected.transform(whole_numbers),
            rtol=rtol,
            atol=rtol,
        )


@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_of_input_is_transformed_alike(
    whole_numbers, kind, method_and_model, tmp_path
):
    _, model = method_and_model
    X = INPUTS[kind](whole_numbers, tmp_path)
    rtol = 1e-4 if kind == "float32" else 1e-12
    methods = "transform", "reconstruct", "reconstruction_error", "score"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X has feature names")
        for method in methods:
            np.testing.assert_allclose(
                getattr(model, method)(X),
                getattr(model, method)(whole_numbers),
                rtol=rtol,
                atol=rtol,
                err_msg=method,
            )


@pytest.mark.parametrize("kind", ["csr_array", "memory_map", "pandas", "fortran"])
def test_input_is_never_written_to(whole_numbers, kind, tmp_path):
    X = INPUTS[kind](whole_numbers, tmp_path)
    model = Autoencoder(2, max_epochs=1, validation=2).fit(X)
    model.transform(X)
    model.partial_fit(X)
    values = X.toarray() if sparse.issparse(X) else np.asarray(X)
    np.testing.assert_array_equal(values, whole_numbers)


def test_read_only_input_gives_no_warning(whole_numbers, tmp_path):
    X = _read_only_memory_map(whole_numbers, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Autoencoder(2, max_epochs=1).fit(X)
        model.transform(X)
        codes = model.transform(X)
        codes.setflags(write=False)
        model.inverse_transform(codes)


def test_paired_targets_of_every_kind(whole_numbers):
    target = whole_numbers[:, :4] + 1
    params = {"max_epochs": 2, "validation": None, "random_state": 0}
    expected = Autoencoder(2, **params).fit(whole_numbers, X_target=target)
    assert expected.reconstruct(whole_numbers).shape == (50, 4)
    for container in (sparse.csr_array, sparse.csc_matrix, pd.DataFrame, list):
        model = Autoencoder(2, **params).fit(whole_numbers, X_target=container(target))
        assert_same_bits(model, expected, whole_numbers)


def random_sparse(n_rows, n_columns, density, dtype=np.float64):
    # By hand: scipy's own takes its seed under another name in every other version.
    rng = np.random.RandomState(0)
    size = int(n_rows * n_columns * density)
    where = rng.randint(n_rows, size=size), rng.randint(n_columns, size=size)
    values = rng.uniform(size=size).astype(dtype)
    return sparse.csr_array((values, where), shape=(n_rows, n_columns))


@pytest.fixture(scope="module")
def large_sparse():
    """40 MB if it were dense; its first column has most of the variance."""
    X = random_sparse(10_000, 1000, density=1e-3, dtype=np.float32)
    first = sparse.csr_array(np.linspace(0, 50, 10_000, dtype=np.float32)[:, None])
    return sparse.hstack([first, X[:, 1:]], format="csr")


@pytest.mark.pinned
@pytest.mark.parametrize(
    ("method", "n_components", "container"),
    [
        ("fit", 2, sparse.csr_array),
        ("fit", 0.5, sparse.csr_array),
        ("partial_fit", 2, sparse.csr_array),
        ("fit", 2, sparse.csc_matrix),
        ("transform", 2, sparse.csr_array),
        ("score", 2, sparse.csr_array),
        ("reconstruction_error", 2, sparse.csr_array),
    ],
)
def test_memory_does_not_grow_with_the_dense_size(
    large_sparse, method, n_components, container
):
    params = {"max_epochs": 1, "hidden_layer_sizes": (8,), "random_state": 0}
    model = Autoencoder(n_components, **params)
    if "fit" not in method:
        model.set_params(max_epochs=0).fit(large_sparse[:100])
    peaks = []
    for n_rows in (5_000, 10_000):  # more than a block both
        X = container(large_sparse[:n_rows])
        tracemalloc.start()
        getattr(model, method)(X)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The dense rows between them take 20 MB in single precision.
    assert peaks[1] < peaks[0] + 5e6


class CountingMatrix(sparse.csr_array):
    """Records the largest number of rows that were made dense at once."""

    most = 0

    def toarray(self, *args, **kwargs):
        CountingMatrix.most = max(CountingMatrix.most, self.shape[0])
        return super().toarray(*args, **kwargs)

    todense = toarray


@pytest.mark.pinned
def test_sparse_rows_are_made_dense_a_block_at_a_time(monkeypatch):
    monkeypatch.setattr(CountingMatrix, "most", 0)
    X = CountingMatrix(random_sparse(30_000, 300, density=0.01))
    model = Autoencoder(2, max_epochs=1, hidden_layer_sizes=(8,)).fit(X)
    model.score(X)
    model.reconstruct(X)
    assert 0 < CountingMatrix.most < 15_000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [np.array, sparse.csr_array], ids=["dense", "csr"])
def test_values_that_are_not_finite_get_scikit_learns_message(table, bad, make):
    broken = table.copy()
    broken[3, 2] = bad
    message = "Input X contains NaN" if np.isnan(bad) else "contains infinity"
    model = Autoencoder(2, max_epochs=1, validation=None).fit(table)
    for method in (
        Autoencoder(2).fit,
        Autoencoder(2).partial_fit,
        model.transform,
        model.score,
        model.reconstruct,
    ):
        with pytest.raises(ValueError, match=message):
            method(make(broken))
    with pytest.raises(ValueError, match="X_target contains"):
        Autoencoder(2).fit(table, X_target=make(broken))


def test_names_of_columns_are_remembered_and_compared(table):
    frame = pd.DataFrame(_named_columns(table))
    model = Autoencoder(2, max_epochs=1).fit(frame)
    assert model.feature_names_in_.tolist() == list(frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        model.transform(frame.rename(columns={"c0": "other"}))
    with pytest.raises(ValueError, match="now missing"):
        model.transform(frame[["c0", "c1"]])


# -- output ----------------------------------------------------------------------------


def test_set_output_pandas(table):
    frame = pd.DataFrame(_named_columns(table), index=np.arange(60)[::-1])
    model = Autoencoder(2, max_epochs=1).set_output(transform="pandas")
    codes = model.fit_transform(frame)
    assert isinstance(codes, pd.DataFrame)
    assert codes.columns.tolist() == ["autoencoder0", "autoencoder1"]
    assert codes.columns.tolist() == model.get_feature_names_out().tolist()
    assert (codes.index == frame.index).all()
    np.testing.assert_array_equal(
        codes, model.set_output(transform="default").transform(frame)
    )


def test_set_output_polars(table):
    model = Autoencoder(2, max_epochs=1).set_output(transform="polars")
    codes = model.fit(table).transform(table)
    assert isinstance(codes, pl.DataFrame)
    assert codes.columns == ["autoencoder0", "autoencoder1"]
    # Its output is valid input.
    assert model.inverse_transform(codes).shape == table.shape


FRAMES = {
    "pandas": pd.DataFrame,
    "pandas, nullable": lambda X: pd.DataFrame(X).convert_dtypes(),
    "polars": pl.DataFrame,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_frames_keep_their_precision(make, dtype, table):
    frame = make(_named_columns(table.astype(dtype)))
    model = Autoencoder(2, max_epochs=1, validation=None).fit(frame)
    codes = model.transform(frame)
    assert codes.dtype == model.reconstruct(frame).dtype == dtype
    codes = make(_named_columns(codes))
    assert model.inverse_transform(codes).dtype == dtype


def test_html_representation(table):
    model = Autoencoder(2, max_epochs=1)
    assert "Autoencoder" in model._repr_html_()
    assert "Autoencoder" in model.fit(table)._repr_html_()
    assert "max_epochs=1" in repr(model)


def test_tags():
    tags = sklearn.utils.get_tags(Autoencoder())
    assert tags.input_tags.sparse
    assert not tags.input_tags.allow_nan
    assert tags.transformer_tags.preserves_dtype == ["float64", "float32"]
    assert not tags.target_tags.required
    assert tags.requires_fit
    assert not tags.non_deterministic
    assert tags.estimator_type is None


# -- metadata routing ------------------------------------------------------------------


def test_sample_weight_is_routed_through_a_pipeline(table):
    y = (table[:, 0] > table[:, 0].mean()).astype(int)
    weight = np.arange(60) % 3 + 0.5
    with config_context(enable_metadata_routing=True):
        autoencoder = Autoencoder(2, max_epochs=0).set_fit_request(sample_weight=True)
        classifier = LogisticRegression().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(autoencoder, classifier)
        pipeline.fit(table, y, sample_weight=weight)
    expected = np.average(table, axis=0, weights=weight)
    np.testing.assert_allclose(pipeline[0].mean_, expected)


def test_sample_weight_is_routed_through_a_grid_search(table):
    weight = np.r_[np.ones(30), np.zeros(30)]
    with config_context(enable_metadata_routing=True):
        autoencoder = Autoencoder(2, max_epochs=0).set_fit_request(sample_weight=True)
        autoencoder.set_score_request(sample_weight=False)
        search = GridSearchCV(autoencoder, {"n_components": [1, 2]}, cv=2)
        rows = np.arange(60).reshape(2, 30).T.ravel()  # some weight in both halves
        search.fit(table[rows], sample_weight=weight[rows])
    np.testing.assert_allclose(
        search.best_estimator_.mean_, table[:30].mean(axis=0), rtol=1e-10
    )


def test_fit_can_request_targets_and_weights():
    with config_context(enable_metadata_routing=True):
        model = Autoencoder().set_fit_request(sample_weight=True, X_target="clean")
        model.set_partial_fit_request(sample_weight=True)
        assert model.get_metadata_routing().fit.requests == {
            "sample_weight": True,
            "X_target": "clean",
            "groups": False,
            "X_val": None,
            "X_target_val": None,
            "sample_weight_val": None,
        }


# -- random numbers --------------------------------------------------------------------


@pytest.mark.pinned
@pytest.mark.parametrize(
    "params", [RANDOM, OWN, {"max_epochs": 3, "validation": 2}], ids=str
)
def test_same_seed_same_bits(table, seed, params):
    fits = [Autoencoder(2, **params, random_state=seed).fit(table) for _ in range(2)]
    assert_same_bits(*fits, table)
    other = Autoencoder(2, **params, random_state=seed + 1).fit(table)
    assert (other.loss_curve_ != fits[0].loss_curve_).any()


@pytest.mark.parametrize("params", [RANDOM, OWN], ids=["dense", "own"])
def test_random_state_instance(table, seed, params):
    def fit_twice():
        rng = np.random.RandomState(seed)
        model = Autoencoder(2, **params, random_state=rng)
        return model.fit(table).transform(table), model.fit(table).transform(table)

    first, second = fit_twice()
    for once, again in zip((first, second), fit_twice(), strict=True):
        np.testing.assert_array_equal(once, again)
    # The generator advances, as everywhere in scikit-learn.
    assert (first != second).any()


@pytest.mark.parametrize("params", [RANDOM, OWN], ids=["dense", "own"])
def test_random_state_none_differs_from_fit_to_fit(table, params):
    # Also under one state of the global generators, which fitting must not move.
    first, second = (
        Autoencoder(2, **params, random_state=None).fit_transform(table)
        for _ in range(2)
    )
    assert (first != second).any()


@pytest.mark.parametrize("random_state", [0, None], ids=["seeded", "unseeded"])
@pytest.mark.parametrize(
    "params", [RANDOM, OWN, {"max_epochs": 2, "validation": 2}], ids=str
)
def test_global_generators_are_untouched(
    table, untouched_generators, params, random_state
):
    model = Autoencoder(2, **params, random_state=random_state)
    model.fit(table)
    model.set_params(warm_start=True).fit(table)
    model.partial_fit(table)
    model.transform(table)
    model.reconstruct(table)
    model.score(table)
    pickle.loads(pickle.dumps(model)).partial_fit(table)
    Autoencoder(2, **params, random_state=random_state).partial_fit(table)


@pytest.mark.parametrize("random_state", [0, None], ids=["seeded", "unseeded"])
@pytest.mark.parametrize("params", [RANDOM, OWN], ids=["dense", "own"])
def test_global_generators_are_untouched_by_a_failing_fit(
    table, untouched_generators, params, random_state
):
    params = params | {"learning_rate": 1e30, "max_epochs": 10, "optimizer": "sgd"}
    model = Autoencoder(2, **params, random_state=random_state)
    with pytest.raises(ValueError, match="learning_rate"):
        model.fit(table)
    assert vars(model) == vars(clone(model)) | {"random_state": random_state}


# -- not fitted, cloned ----------------------------------------------------------------


@pytest.mark.parametrize(
    "method",
    [
        "transform",
        "inverse_transform",
        "reconstruct",
        "reconstruction_error",
        "score_samples",
        "score",
    ],
)
def test_unfitted(table, method):
    with pytest.raises(NotFittedError, match="Autoencoder instance is not fitted"):
        getattr(Autoencoder(), method)(table)
    with pytest.raises(NotFittedError):
        Autoencoder().get_feature_names_out()


def test_unfitted_has_no_fitted_attributes(table):
    model = Autoencoder()
    fitted = [name for name in dir(model) if name.endswith("_") and name[0] != "_"]
    # A property may be listed, but is not there before the fit.
    assert not [name for name in fitted if hasattr(model, name)]
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    check_is_fitted(model.set_params(max_epochs=1).fit(table))


def test_fitted_attributes(table):
    model = Autoencoder(2, init="random", max_epochs=4, random_state=0).fit(table)
    assert model.n_components_ == 2
    assert model.n_features_in_ == 7
    assert model.mean_.shape == (7,)
    assert np.ndim(model.scale_) == 0
    assert model.explained_variance_.shape == (2,)
    assert isinstance(model.module_, torch.nn.Module)
    assert model.n_iter_ == 4
    assert model.device_ == "cpu"
    assert len(model.loss_curve_) == len(model.validation_loss_curve_) == 4
    assert {len(column) for column in model.history_.values()} == {4}
    np.testing.assert_array_equal(model.history_["train_loss"], model.loss_curve_)
    assert model.best_loss_ <= model.validation_loss_curve_.min()
    # The module works in the units of the data.
    with torch.no_grad():
        codes = model.module_.encode(torch.from_numpy(table).float())
    np.testing.assert_allclose(codes, model.transform(table), rtol=1e-4, atol=1e-4)


def test_clone(table):
    params = {"dropout": 0.1, "hidden_layer_sizes": (4, 4), "max_epochs": 1}
    model = Autoencoder(3, **params).fit(table)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert vars(copied) == copied.get_params()


@pytest.mark.parametrize("cls", AUTOENCODERS)
def test_parameters_are_those_of_the_constructor(cls):
    model = cls(3)
    names = set(model.get_params())
    assert vars(model).keys() == names
    assert names == set(cls._parameter_constraints)
    assert model.n_components == 3
    assert model.set_params(dropout=0.5).dropout == 0.5
    with pytest.raises(TypeError):
        cls(3, (4,))  # only n_components is positional


# -- pickle and deepcopy ---------------------------------------------------------------

ROUND_TRIPS = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
}
TRAINED_ON = {
    "adam": {"optimizer": "adam"},
    "adamw_pca_start": {"init": "pca"},
    "momentum": {"optimizer": "momentum"},
    "adagrad": {"optimizer": "adagrad"},
    "rmsprop": {"optimizer": "rmsprop"},
    "tied": {"tied_weights": True},
    "plateau": {"learning_rate_schedule": "reduce_on_plateau"},
    "own_network": {"network": OwnNetwork, "dropout": 0.0, "init": "random"},
    "no_seed": {"random_state": None},
    "parts": {
        "loss": "huber",
        "penalties": [ActivationL1(0.1), L2Penalty(0.2)],
        "l1_penalty": 0.1,
    },
    "torch_class": {
        "optimizer": torch.optim.NAdam,
        "optimizer_params": {"weight_decay": 0.01},
    },
}


@pytest.fixture(params=TRAINED_ON, ids=str)
def trained(request, table):
    params = RANDOM | {"random_state": 0} | TRAINED_ON[request.param]
    return Autoencoder(2, **params).fit(table)


@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
def test_round_trip_keeps_every_output(trained, table, round_trip):
    loaded = ROUND_TRIPS[round_trip](trained)
    assert_same_bits(loaded, trained, table)
    codes = trained.transform(table)
    np.testing.assert_array_equal(
        loaded.inverse_transform(codes), trained.inverse_transform(codes)
    )
    assert loaded.score(table) == trained.score(table)
    assert vars(loaded).keys() == vars(trained).keys()
    assert loaded.get_params().keys() == trained.get_params().keys()
    for name in ("n_iter_", "best_loss_", "n_components_", "n_features_in_"):
        assert getattr(loaded, name) == getattr(trained, name)


@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
def test_partial_fit_resumes_to_the_bit(trained, table, round_trip):
    trained.partial_fit(table)  # so that the optimizer has something to remember
    loaded = ROUND_TRIPS[round_trip](trained)
    for model in (trained, loaded):
        model.partial_fit(table).partial_fit(table[:20])
    assert_same_bits(loaded, trained, table)


@pytest.mark.pinned
@pytest.mark.parametrize("round_trip", ROUND_TRIPS)
def test_warm_start_resumes_to_the_bit(trained, table, round_trip):
    trained.set_params(warm_start=True, random_state=3)
    loaded = ROUND_TRIPS[round_trip](trained)
    for model in (trained, loaded):
        model.fit(table)
    assert_same_bits(loaded, trained, table)
    assert trained.n_iter_ == 6


@pytest.mark.pinned
def test_copies_are_independent(trained, table):
    before = trained.transform(table)
    for round_trip in ROUND_TRIPS.values():
        round_trip(trained).partial_fit(table)
        round_trip(trained).fit(table)
    np.testing.assert_array_equal(trained.transform(table), before)


def _leaves(value, where="state"):
    """All leaves of a state, with their paths."""
    if isinstance(value, dict):
        for key, item in value.items():
            assert isinstance(key, str | int), f"{where} has the key {key!r}"
            yield from _leaves(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple | set):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{where}[{i}]")
    elif isinstance(value, Loss | Penalty):
        yield from _leaves(vars(value), where)
    else:
        yield where, value


PLAIN = (str, bytes, bool, int, float, np.generic, type(None), type)


def test_state_is_arrays_and_scalars(trained):
    """And the losses and penalties, which are made of such."""
    trained.set_params(random_state=0)
    for where, value in _leaves(trained.__getstate__()):
        assert isinstance(value, (*PLAIN, np.ndarray)), f"{where} is {type(value)}"
        if isinstance(value, np.ndarray):
            assert value.dtype != object, where


def test_pickle_refers_to_no_torch_object(table):
    model = Autoencoder(2, **RANDOM, random_state=0).fit(table)
    names = [
        argument
        for opcode, argument, _ in pickletools.genops(pickle.dumps(model, protocol=2))
        if opcode.name == "GLOBAL"
    ]
    assert names
    assert not [name for name in names if name.startswith(("torch", "skorch"))]


def test_state_of_a_fit_does_not_hold_the_data(seed):
    rng = np.random.RandomState(seed)
    few, many = rng.standard_normal((100, 5)), rng.standard_normal((20_000, 5))
    params = {"max_epochs": 1, "hidden_layer_sizes": (8,), "random_state": seed}
    sizes = [len(pickle.dumps(Autoencoder(2, **params).fit(X))) for X in (few, many)]
    assert sizes[1] < sizes[0] + 500
    # A few hundred weights, the optimizer's moments, three generators.
    assert sizes[1] < 40_000


def test_fitted_estimator_does_not_keep_the_data_alive(table):
    X = table.copy()
    alive = weakref.ref(X)
    model = Autoencoder(2, max_epochs=2, validation=2).fit(X)
    model.partial_fit(X)
    del X
    gc.collect()
    assert alive() is None
    assert model.n_iter_ == 3


def test_unfitted_estimator_is_pickled(table):
    model = pickle.loads(pickle.dumps(Autoencoder(3, loss="huber")))
    assert repr(model) == repr(Autoencoder(3, loss="huber"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_model_of_a_missing_device_is_loaded(table, device):
    model = Autoencoder(2, **RANDOM, random_state=0).fit(table)
    state = model.__getstate__()
    state["device"] = state["device_"] = device
    kind = device.partition(":")[0]
    generators = state["_net_state"]["generators"]
    generators["noise"] = (kind, np.zeros(16, dtype=np.uint8))
    loaded = Autoencoder.__new__(Autoencoder)
    loaded.__setstate__(state)
    assert loaded.device_ == "cpu"
    np.testing.assert_array_equal(loaded.transform(table), model.transform(table))
    # The parameter still asks for the device that is missing.
    with pytest.raises(ValueError, match=f"device='{device}' is not available"):
        loaded.partial_fit(table)
    np.testing.assert_array_equal(loaded.transform(table), model.transform(table))
    loaded.set_params(device="cpu").partial_fit(table)
    assert loaded.n_iter_ == model.n_iter_ + 1


def test_loading_under_another_version_warns(table, monkeypatch):
    model = Autoencoder(2, max_epochs=1).fit(table)
    saved = pickle.dumps(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(saved)
    monkeypatch.setattr(sklearn_ae, "__version__", "99.0")
    with pytest.warns(UserWarning, match=r"99\.0"):
        loaded = pickle.loads(saved)
    np.testing.assert_array_equal(loaded.transform(table), model.transform(table))


ESTIMATORS_OF_0_1 = {
    "_autoencoder": "Autoencoder",
    "_contractive": "ContractiveAutoencoder",
    "_convolutional": "ConvolutionalAutoencoder",
    "_denoising": "DenoisingAutoencoder",
    "_outlier": "AutoencoderOutlierDetector",
    "_sparse": "SparseAutoencoder",
    "_stacked": "StackedAutoencoder",
    "_supervised": "AutoencoderClassifier",
    "_variational": "VariationalAutoencoder",
}


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize(("module", "name"), ESTIMATORS_OF_0_1.items())
def test_pickles_of_version_0_1_say_what_to_do(module, name, protocol):
    """By hand: the name of the class as that version wrote it, and an empty state."""
    module = f"sklearn_ae.{module}"
    if protocol == 2:
        cls = f"c{module}\n{name}\n".encode()
    else:
        words = (word.encode() for word in (module, name))
        cls = b"".join(b"\x8c" + bytes([len(word)]) + word for word in words) + b"\x93"
    saved = b"\x80" + bytes([protocol]) + cls + b")\x81}b."
    assert [op.name for op, _, _ in pickletools.genops(saved)][-1] == "STOP"
    with pytest.raises(pickle.UnpicklingError, match=rf"{name}.*0\.1.*fit it again"):
        pickle.loads(saved)


def test_modules_of_version_0_1_do_not_disturb_searches_for_functions():
    """pickle looks for a function without ``__module__`` in all modules."""
    for module in ESTIMATORS_OF_0_1:
        assert not hasattr(sys.modules[f"sklearn_ae.{module}"], "some_function")


# -- warm start and partial fit --------------------------------------------------------


def test_warm_start_continues(table, seed):
    model = Autoencoder(
        2, init="random", max_epochs=10, warm_start=True, random_state=seed
    )
    first = model.fit(table).loss_curve_.copy()
    error = model.reconstruction_error(table).mean()
    model.fit(table)
    assert model.n_iter_ == len(model.loss_curve_) == 20
    np.testing.assert_array_equal(model.loss_curve_[:10], first)
    assert model.loss_curve_[10] < first[0]
    assert model.loss_curve_[-1] < first[-1]
    assert model.reconstruction_error(table).mean() < error


def test_without_warm_start_fit_starts_anew(table):
    model = Autoencoder(2, max_epochs=3, random_state=0).fit(table)
    codes = model.transform(table)
    model.fit(table)
    assert model.n_iter_ == 3
    np.testing.assert_array_equal(model.transform(table), codes)


@pytest.mark.parametrize(
    "change",
    [
        {"n_components": 3},
        {"hidden_layer_sizes": (5,)},
        {"activation": "tanh"},
        {"code_activation": "tanh", "init": "random"},
        {"output_activation": "softplus"},
        {"init": "random"},
        {"tied_weights": True},
        {"network": OwnNetwork},
    ],
    ids=str,
)
def test_warm_start_refuses_another_architecture(table, change):
    params = {"max_epochs": 2, "validation": None, "random_state": 0}
    model = Autoencoder(2, warm_start=True, **params).fit(table)
    codes = model.transform(table)
    model.set_params(**change)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="warm_start=True"):
        model.fit(table)
    assert all(vars(model)[name] is value for name, value in before.items())
    assert vars(model).keys() == before.keys()
    np.testing.assert_array_equal(model.transform(table), codes)


def test_warm_start_refuses_another_width(table):
    model = Autoencoder(2, max_epochs=2, warm_start=True, random_state=0).fit(table)
    codes = model.transform(table)
    with pytest.raises(ValueError, match="features"):
        model.fit(table[:, :4])
    with pytest.raises(ValueError, match="target"):
        model.fit(table, X_target=table[:, :4])
    np.testing.assert_array_equal(model.transform(table), codes)


def test_warm_start_may_change_how_it_is_trained(table):
    model = Autoencoder(2, max_epochs=2, warm_start=True, random_state=0).fit(table)
    model.set_params(
        optimizer="momentum",
        learning_rate=1e-4,
        learning_rate_schedule="constant",
        batch_size=5,
        max_epochs=3,
    )
    assert model.fit(table).n_iter_ == 5
    np.testing.assert_allclose(model.history_["learning_rate"][-3:], 1e-4)


def test_partial_fit_is_one_pass(table, seed):
    model = Autoencoder(2, random_state=seed, init="random", learning_rate=1e-2)
    model.partial_fit(table[:30])
    mean, scale = model.mean_.copy(), model.scale_
    np.testing.assert_allclose(mean, table[:30].mean(axis=0))
    first = model.reconstruction_error(table).mean()
    for _ in range(30):
        model.partial_fit(table[30:]).partial_fit(table[:30])
    assert model.n_iter_ == len(model.loss_curve_) == 61
    # Mean and scale are those of the first call.
    np.testing.assert_array_equal(model.mean_, mean)
    assert model.scale_ == scale
    assert model.reconstruction_error(table).mean() < 0.5 * first


# -- processes and threads -------------------------------------------------------------

# These tests stand next to each other because joblib keeps its processes for a while:
# only the first one waits until they have imported torch.


def _fit_and_count_threads(params, X, seed):
    model = Autoencoder(2, **params, random_state=seed).fit(X)
    return os.getpid(), torch.get_num_threads(), model.transform(X)


@pytest.mark.parametrize("params", [RANDOM, OWN], ids=["dense", "own"])
def test_two_processes_give_the_same_as_one(table, params):
    alone = [_fit_and_count_threads(params, table, seed) for seed in range(4)]
    with parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        together = Parallel()(
            delayed(_fit_and_count_threads)(params, table, seed) for seed in range(4)
        )
    for (_, _, first), (pid, n_threads, second) in zip(alone, together, strict=True):
        assert pid != os.getpid()
        assert n_threads == 1
        np.testing.assert_array_equal(first, second)


def test_cross_validation_in_two_processes(table):
    model = Autoencoder(2, **RANDOM, random_state=0)
    scores = [cross_val_score(model, table, cv=2, n_jobs=n_jobs) for n_jobs in (1, 2)]
    np.testing.assert_array_equal(*scores)


def test_grid_search_over_a_pipeline_in_two_processes():
    X, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(
        StandardScaler(),
        Autoencoder(max_epochs=1, validation=None, random_state=0),
        LogisticRegression(),
    )
    grid = {
        "autoencoder__n_components": [1, 4],
        "autoencoder__learning_rate": [1e-4, 1e-3],
    }
    searches = [
        GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert searches[0].best_params_["autoencoder__n_components"] == 4
    # `y` reaches the classifier and is ignored by the transformer.
    assert searches[0].score(X, y) > 0.9


def test_fit_leaves_the_number_of_threads(table):
    before = torch.get_num_threads()
    Autoencoder(2, max_epochs=1).fit(table).transform(table)
    assert torch.get_num_threads() == before


MIXES = {"dense": (RANDOM, RANDOM), "own": (OWN, OWN), "mixed": (RANDOM, OWN)}


@pytest.mark.pinned
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("random_state", [0, 1])
def test_two_threads_give_the_same_as_one(
    table, mix, random_state, untouched_generators
):
    def fit(params):
        params = params | {"max_epochs": 10}
        model = Autoencoder(2, **params, random_state=random_state).fit(table)
        model.partial_fit(table)
        return model.transform(table)

    alone = [fit(params) for params in MIXES[mix]]
    with parallel_config("threading", n_jobs=2):
        together = Parallel()(delayed(fit)(params) for params in 2 * MIXES[mix])
    for expected, codes in zip(2 * alone, together, strict=True):
        np.testing.assert_array_equal(codes, expected)


def test_one_model_transforms_in_many_threads(table):
    model = Autoencoder(2, **OWN, random_state=0).fit(table)
    expected = model.transform(table)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(model.transform(table)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for codes in results:
        np.testing.assert_array_equal(codes, expected)


# -- interruptions ---------------------------------------------------------------------


class InterruptedNetwork(OwnNetwork):
    """Ctrl-C arrives in the given training pass."""

    countdown = 0

    def encode(self, x):
        if self.training:
            type(self).countdown -= 1
            if type(self).countdown == 0:
                raise KeyboardInterrupt
        return super().encode(x)


@pytest.mark.usefixtures("untouched_generators")
def test_keyboard_interrupt_comes_out_and_leaves_the_best_weights(table, monkeypatch):
    monkeypatch.setattr(InterruptedNetwork, "countdown", 9)
    params = {"network": InterruptedNetwork, "max_epochs": 50, "batch_size": 18}
    model = Autoencoder(2, **params, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(table)  # 54 rows in 3 batches: in the third epoch
    assert 2 <= model.n_iter_ <= 3
    assert np.isfinite(model.transform(table)).all()
    assert model.best_loss_ <= model.validation_loss_curve_[:2].min()
    pickle.loads(pickle.dumps(model))


def test_keyboard_interrupt_ends_a_grid_search(table, monkeypatch):
    monkeypatch.setattr(InterruptedNetwork, "countdown", 5)
    model = Autoencoder(2, network=InterruptedNetwork, max_epochs=2)
    grid = GridSearchCV(model, {"learning_rate": [1e-3, 1e-2, 1e-1]}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        grid.fit(table)
    assert InterruptedNetwork.countdown == 0  # no further pass was begun


def test_nothing_is_printed_unless_asked(table, capfd):
    Autoencoder(2, max_epochs=2, validation=2).fit(table)
    assert capfd.readouterr() == ("", "")
    Autoencoder(2, max_epochs=2, validation=2, verbose=1).fit(table)
    shown = "".join(capfd.readouterr())
    assert "train_loss" in shown
    assert "2/2" in shown
    # One bar, that of the last training.
    assert shown.count("2/2") == 1
    Autoencoder(2, max_epochs=2, verbose=1, validation=0.1).fit(table)
    assert "valid_loss" in "".join(capfd.readouterr())
