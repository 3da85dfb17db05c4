"""Penalties, losses, corruptions and networks that a user writes and passes."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from torch import nn

from sklearn_ae import (
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.networks import Network
from sklearn_ae.objectives import (
    ActivationL1,
    GaussianNoise,
    Huber,
    JacobianPenalty,
    L2Penalty,
    Penalty,
)

CHEAP = {"max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def X():
    return np.random.RandomState(0).standard_normal((60, 6))


class TwoLayers(Network):
    def __init__(self, n_features, n_components, **shared):
        super().__init__()
        self.first = nn.Linear(n_features, 4)
        self.second = nn.Linear(4, n_components)
        self.back = nn.Linear(n_components, n_features)

    def encode(self, x):
        return self.second(self.first(x).relu())

    def decode(self, z):
        return self.back(z)


class OddNames(TwoLayers):
    """Submodules and attributes with names that mean something elsewhere."""

    def __init__(self, n_features, n_components, **shared):
        super().__init__(n_features, n_components)
        self.generator, self.head = self.first, self.second
        self.n_hidden = 3
        self.linear_code = True


class WithoutTransform(TwoLayers):
    def start_linear(self, encoder, decoder, input_mean, output_mean):
        pass


class WithoutDecode(nn.Module):
    def __init__(self, n_features, n_components, **shared):
        super().__init__()
        self.encode = nn.Linear(n_features, n_components)


class TakesNothing(TwoLayers):
    def __init__(self, n_features, n_components):
        super().__init__(n_features, n_components)


@dataclass
class Specification(BaseEstimator):
    module: type = TwoLayers

    def module_and_params(self, n_features, n_outputs):
        return self.module, {}


@pytest.mark.parametrize("cls", [Autoencoder, VariationalAutoencoder])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_names_are_free(X, cls, init):
    model = cls(2, network=OddNames, init=init, **CHEAP).fit(X)
    assert model.transform(X).shape == (60, 2)
    model = cls(2, network=Specification(OddNames), init="random", **CHEAP)
    assert model.fit(X).transform(X).shape == (60, 2)


class ReservedName(TwoLayers):
    def __init__(self, n_features, n_components):
        super().__init__(n_features, n_components)
        self.hidden = self.first


def test_reserved_names_are_named(X):
    with pytest.raises(ValueError, match="'hidden' cannot be the name"):
        Autoencoder(2, network=ReservedName, **CHEAP).fit(X)


WRONG = [
    (Autoencoder, TwoLayers, ["init='pca'", "TwoLayers", "start_linear"]),
    (VariationalAutoencoder, WithoutTransform, ["init='pca'", "transform_code"]),
    (partial(Autoencoder, init="random"), WithoutDecode, ["network=", "'decode'"]),
    (partial(Autoencoder, init="random"), TakesNothing, ["network=", "n_outputs"]),
    (SparseAutoencoder, TwoLayers, ["network=", "sparsity='kl'", "sigmoid"]),
]


@pytest.mark.parametrize(("make", "module", "words"), WRONG)
def test_what_a_specified_network_lacks_is_named(X, make, module, words):
    with pytest.raises(ValueError) as caught:
        make(n_components=2, network=Specification(module), **CHEAP).fit(X)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("cls", "penalty", "column"),
    [
        (SparseAutoencoder, ActivationL1(0.5), "sparsity"),
        (ContractiveAutoencoder, JacobianPenalty(0.5), "contraction"),
        (Autoencoder, L2Penalty(0.5), "l2"),
    ],
)
def test_penalties_of_one_name_are_all_there(X, cls, penalty, column):
    own = {"l2_penalty": 0.1} if cls is Autoencoder else {}
    history = cls(2, penalties=[penalty], **own, **CHEAP).fit(X).history_
    assert (history[f"train_{column}"] > 0).all()
    assert (history[f"train_{column}_2"] > 0).all()
    total = sum(
        history[f"train_{n}"] for n in ("reconstruction", column, f"{column}_2")
    )
    np.testing.assert_allclose(history["train_loss"], total, rtol=1e-6)


class Weightless(Penalty):
    def __call__(self, batch):
        return batch.code.sum()


@pytest.mark.parametrize(
    "penalty",
    [Weightless(), *(L2Penalty(weight) for weight in ("a", None, -1, np.nan, np.inf))],
    ids=str,
)
def test_weights_of_penalties_are_checked(X, penalty):
    with pytest.raises(ValueError, match="'weight'"):
        Autoencoder(2, penalties=[penalty], **CHEAP).fit(X)


@pytest.mark.parametrize("penalty", [L2Penalty, "l2", None])
def test_what_is_no_penalty(X, penalty):
    with pytest.raises(ValueError, match=r"penalties\[0\]="):
        Autoencoder(2, penalties=[penalty], **CHEAP).fit(X)


def test_new_parameters_do_not_change_a_fitted_model(X):
    model = DenoisingAutoencoder(
        2,
        corruption=GaussianNoise(0.1),
        loss=Huber(),
        penalties=[L2Penalty(0.1)],
        **CHEAP,
    ).fit(X)
    model.set_params(corruption__level=1.0, loss__delta=2.0, penalties__0__weight=3.0)
    recipe = model._recipe
    assert recipe.corruption == GaussianNoise(0.1)
    assert recipe.loss == Huber(1.0)
    assert L2Penalty(3.0) not in recipe.penalties.values()
    model.fit(X)
    assert L2Penalty(3.0) in model._recipe.penalties.values()
