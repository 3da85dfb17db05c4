"""Torch's ambient modes: what the caller has set changes no result, and stays set."""

import pickle
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.model_selection import BatchedGridSearchCV

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 16)) + 0.1 * RNG.normal(
    size=(60, 16)
)
Y = (X[:, 0] > 0).astype(int)
SHORT = {"max_epochs": 2, "random_state": 0, "validation": None}


class Own(torch.nn.Module):
    """A network that draws from the global generator."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = torch.nn.Linear(n_features, n_components)
        self.decoder = torch.nn.Linear(n_components, n_features)
        self.dropout = torch.nn.Dropout(0.1)

    def encode(self, x):
        return self.dropout(torch.tanh(self.encoder(x)))

    def decode(self, z):
        return self.decoder(z)


ESTIMATORS = {
    "plain": Autoencoder(2, **SHORT),
    "compared": Autoencoder(2, max_epochs=2, random_state=0),
    "dropout": Autoencoder(2, dropout=0.2, init="random", **SHORT),
    "sparse": SparseAutoencoder(8, **SHORT),
    "contractive": ContractiveAutoencoder(3, hidden_layer_sizes=(8,), **SHORT),
    "variational": VariationalAutoencoder(2, **SHORT),
    "denoising": DenoisingAutoencoder(2, **SHORT),
    "stacked": StackedAutoencoder(
        2, hidden_layer_sizes=(6,), pretrain_epochs=2, **SHORT
    ),
    "convolutional": ConvolutionalAutoencoder(2, channels=(4,), **SHORT),
    "own network": Autoencoder(2, network=Own, **SHORT),
    "classifier": AutoencoderClassifier(Autoencoder(4, **SHORT), **SHORT),
    "search": BatchedGridSearchCV(
        VariationalAutoencoder(2, **SHORT), {"beta": [0.5, 1.0]}, cv=2
    ),
}


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device():
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def matmul_precision():
    torch.set_float32_matmul_precision("medium")
    try:
        yield
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@contextmanager
def deterministic_algorithms():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def gradients_off():
    torch.set_grad_enabled(False)
    try:
        yield
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


@contextmanager
def all_at_once():
    autocast = torch.autocast("cpu", dtype=torch.bfloat16)
    with autocast, default_dtype(torch.float64), matmul_precision(), default_device():
        with np.errstate(all="raise"), torch.inference_mode():
            yield
            assert torch.is_inference_mode_enabled()
            assert torch.is_autocast_enabled("cpu")
            assert torch.get_default_dtype() == torch.float64
            assert torch.get_default_device() == torch.device("meta")


MODES = {
    "float64": partial(default_dtype, torch.float64),
    "bfloat16": partial(default_dtype, torch.bfloat16),
    "default device": default_device,
    "device context": partial(torch.device, "meta"),
    "autocast": partial(torch.autocast, "cpu", dtype=torch.bfloat16),
    "products": matmul_precision,
    "inference mode": torch.inference_mode,
    "gradients off": gradients_off,
    "deterministic": deterministic_algorithms,
    "NumPy's errors": partial(np.errstate, all="raise"),
    "all": all_at_once,
}


def results(estimator):
    """Outputs of a new fit, of a copy that was saved, and of more training."""
    fitted = clone(estimator).fit(X, Y)
    loaded = pickle.loads(pickle.dumps(fitted))
    outputs = [loaded.transform(X)]
    for table in (X, X.astype(np.float32)):
        for name in ("transform", "predict_proba", "reconstruct", "score_samples"):
            if hasattr(fitted, name):
                outputs.append(getattr(fitted, name)(table))
    if hasattr(estimator, "partial_fit"):
        outputs.append(loaded.partial_fit(X).transform(X))
    return outputs, [fitted, loaded]


@pytest.fixture(scope="module")
def expected():
    """Results outside of all modes, each computed once."""
    known = {}

    def of(name):
        if name not in known:
            known[name] = results(ESTIMATORS[name])[0]
        return known[name]

    return of


# Every estimator in all modes at once, and two of them in each mode.
@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, "all") for name in ESTIMATORS]
    + [
        (n, mode) for mode in MODES if mode != "all" for n in ("dropout", "own network")
    ],
)
def test_modes_change_no_bit(name, mode, expected):
    outside = expected(name)
    with MODES[mode]():
        inside, estimators = results(ESTIMATORS[name])
    for one, other in zip(outside, inside, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    # What was made inside goes on outside.
    for estimator in estimators:
        if hasattr(estimator, "partial_fit"):
            estimator.partial_fit(X)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", ["fit", "partial_fit", "transform", "score"])
def test_gradients_stay_enabled_after_an_interrupt(name, monkeypatch):
    """It strikes when `torch.no_grad` has disabled them and the block has not begun."""
    autoencoder = Autoencoder(2, **SHORT).fit(X)
    strikes = [True]
    enter = torch.no_grad.__enter__

    def interrupted(self):
        enter(self)
        if strikes:
            strikes.clear()
            raise KeyboardInterrupt

    monkeypatch.setattr(torch.no_grad, "__enter__", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            getattr(autoencoder, name)(X)
        assert torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)


def test_state_of_the_module_is_complete():
    """Its scales are part of it, and no two tensors share memory."""
    autoencoder = Autoencoder(2, **SHORT).fit(5 * X + 3)
    other = Autoencoder(2, **SHORT).fit(X).module_
    state = autoencoder.module_.state_dict()
    own = {"input_mean", "input_scale", "output_mean", "output_scale", "code_scale"}
    assert own <= state.keys()
    pointers = [tensor.data_ptr() for tensor in state.values()]
    assert len(set(pointers)) == len(pointers)
    other.load_state_dict(state)
    x = torch.from_numpy(X).float()
    with torch.no_grad():
        torch.testing.assert_close(other(x), autoencoder.module_(x), rtol=0, atol=0)
