"""`components_`: the decoder's local linear map, against PCA and finite differences."""

import pickle

import numpy as np
import pytest
import torch
from registry import OwnNetwork
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectFromModel
from torch import nn

import sklearn_ae.data.inference
from sklearn_ae import (
    Autoencoder,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)

# Data in units in which means and scales matter.
UNIT, ORIGIN = 30.0, 500.0


def curved(seed, n_features=9):
    """Rows near a curved surface of two dimensions."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(120, 2))
    mixed = np.tanh(z @ rng.normal(size=(2, 6))) @ rng.normal(size=(6, n_features))
    return ORIGIN + UNIT * (mixed + 0.05 * rng.normal(size=mixed.shape))


def differences(model, mean):
    """Central differences of the reconstruction along each code."""
    steps = 1e-4 * np.sqrt(model.explained_variance_.max()) * np.eye(len(mean))
    ahead, behind = (model.inverse_transform(mean + s) for s in (steps, -steps))
    return (ahead - behind) / (2 * steps.max())


@pytest.mark.parametrize("seed", range(3))
def test_components_of_pca(seed):
    X = curved(seed)
    expected = PCA(4).fit(X).components_
    for settings in (
        {"max_epochs": 0},  # the start as PCA, with hidden layers
        {"max_epochs": 0, "activation": "tanh", "hidden_layer_sizes": (7, 5)},
        {"max_epochs": 0, "tied_weights": True},
        {"max_epochs": 3, "hidden_layer_sizes": (), "validation": 0.1},
    ):
        components = Autoencoder(4, random_state=seed, **settings).fit(X).components_
        assert components.dtype == np.float64
        np.testing.assert_allclose(components, expected, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        Autoencoder(3, max_epochs=20, validation=0.1),
        Autoencoder(2, max_epochs=20, init="random", loss="mae"),
        Autoencoder(3, max_epochs=20, network=OwnNetwork),
        SparseAutoencoder(12, max_epochs=20, hidden_layer_sizes=8),
        SparseAutoencoder(12, max_epochs=20, sparsity="topk", rho=0.3),
        DenoisingAutoencoder(3, max_epochs=20, init="random"),
        ContractiveAutoencoder(5, max_epochs=20),
        VariationalAutoencoder(3, max_epochs=20),
        ConvolutionalAutoencoder(3, max_epochs=5, channels=(4,), image_shape=(1, 3, 3)),
        StackedAutoencoder(3, max_epochs=20, pretrain_epochs=40),
    ],
    ids=lambda model: type(model).__name__,
)
def test_components_are_derivatives_of_the_decoder(model):
    for seed in range(2):
        X = curved(seed)
        fitted = clone(model).set_params(random_state=seed).fit(X)
        expected = differences(fitted, fitted.transform(X).mean(axis=0))
        assert np.abs(expected).max() > 1e-3
        tolerance = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(fitted.components_, expected, atol=tolerance)


def test_components_of_sigmoid_outputs(digits):
    X = digits[0][:100]
    fitted = Autoencoder(3, loss="bce", max_epochs=20, random_state=0).fit(X)
    expected = differences(fitted, fitted.transform(X).mean(axis=0))
    np.testing.assert_allclose(fitted.components_, expected, atol=1e-5)


def test_components_are_taken_at_the_weighted_mean():
    X = curved(0)
    weight = np.where(X[:, 0] > np.median(X[:, 0]), 5.0, 1.0)
    fitted = Autoencoder(2, init="random", max_epochs=30, random_state=0)
    fitted.fit(X, sample_weight=weight)
    codes = fitted.transform(X)
    expected = differences(fitted, np.average(codes, axis=0, weights=weight))
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(fitted.components_, expected, atol=tolerance)
    elsewhere = differences(fitted, codes.mean(axis=0))
    assert np.abs(elsewhere - expected).max() > 100 * tolerance


def test_components_have_a_column_per_output(monkeypatch):
    X = curved(0).astype(np.float32)
    target = X[:, 4:] - X[:, :5] / 2
    fitted = Autoencoder(3, init="random", max_epochs=20, random_state=0)
    fitted.fit(X, X_target=target)
    components = fitted.components_
    assert (components.shape, components.dtype) == ((3, 5), np.float64)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(fitted)).components_, components
    )
    # A few codes at a time give the same.
    monkeypatch.setattr(sklearn_ae.data.inference, "ROWS", 2)
    np.testing.assert_allclose(fitted.components_, components, rtol=1e-12)


def test_components_leave_the_network_alone():
    fitted = Autoencoder(3, max_epochs=0).fit(curved(0))
    before = pickle.dumps(fitted)
    with torch.no_grad():
        components = fitted.components_
    np.testing.assert_array_equal(fitted.components_, components)
    assert pickle.dumps(fitted) == before
    assert all(weight.grad is None for weight in fitted.module_.parameters())


def test_components_need_a_fit():
    assert not hasattr(Autoencoder(), "components_")
    with pytest.raises(NotFittedError, match="not fitted yet"):
        _ = Autoencoder().components_


class Once(torch.autograd.Function):
    """A step that torch cannot differentiate twice."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return gradient


class OnceDifferentiable(nn.Module):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Linear(n_features, n_components)
        self.decoder = nn.Linear(n_components, n_features)

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return Once.apply(self.decoder(z))


def test_decoders_that_are_not_differentiable_twice_have_no_components():
    fitted = Autoencoder(2, network=OnceDifferentiable, max_epochs=0).fit(curved(0))
    with pytest.raises(AttributeError, match="cannot differentiate the decoder twice"):
        _ = fitted.components_
    assert "module_" in fitted._repr_html_()  # which reads all attributes


def test_tools_that_look_for_components_find_them():
    X = curved(0)
    autoencoder = Autoencoder(2, max_epochs=0)
    selector = SelectFromModel(
        autoencoder, importance_getter="components_", max_features=3, threshold=-np.inf
    ).fit(X)
    sizes = np.abs(selector.estimator_.components_).sum(axis=0)
    np.testing.assert_array_equal(
        selector.get_support(indices=True), np.sort(np.argsort(sizes)[-3:])
    )
