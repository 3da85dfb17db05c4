"""Penalties, losses, corruptions and networks that a user writes and passes."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from torch import nn

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
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
    KLSparsity,
    L2Penalty,
    Loss,
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


# -- parts that do what they should ----------------------------------------------------


@dataclass(eq=False)
class DistanceToMean(Penalty):
    """The mean squared distance of the codes from a row of the data, by its columns."""

    weight: float
    centre: np.ndarray
    name = "distance"

    def __call__(self, batch):
        centre = torch.from_numpy(self.centre).to(batch.x.dtype)
        squares = (batch.x - centre).square().sum(1)
        return batch.mean(squares + 0 * batch.code.sum(1))


def test_penalties_see_rows_and_codes_in_units_of_the_data(X):
    X = 30 * X + 5
    penalty = DistanceToMean(0.5, X[3])
    history = Autoencoder(2, penalties=[penalty], **CHEAP).fit(X).history_
    held_out = 20
    sums = [
        n * history[f"{rows}_distance"][0]
        for rows, n in (("train", 60 - held_out), ("valid", held_out))
    ]
    expected = 0.5 * np.square(X - X[3]).sum()
    assert sum(sums) == pytest.approx(expected, rel=1e-5)


def test_parts_are_equal_if_their_fields_are(X):
    assert DistanceToMean(1.0, X[0]) == DistanceToMean(1.0, X[0].copy())
    assert DistanceToMean(1.0, X[0]) != DistanceToMean(1.0, X[1])
    assert DistanceToMean(1.0, X[0]) != L2Penalty(1.0)
    assert Huber(1.0) != L2Penalty(1.0)


def test_penalties_of_a_variational_autoencoder(X):
    history = VariationalAutoencoder(2, l2_penalty=0.1, **CHEAP).fit(X).history_
    terms = sum(history[f"train_{name}"] for name in ("reconstruction", "kl", "l2"))
    np.testing.assert_allclose(history["train_loss"], terms, rtol=1e-6)
    assert (history["train_l2"] > 0).all()


class Normalized(TwoLayers):
    """Has buffers, which batches in training change."""

    def __init__(self, n_features, n_components, **shared):
        super().__init__(n_features, n_components)
        self.first = nn.Sequential(self.first, nn.BatchNorm1d(4))


def test_classifier_on_a_network_with_buffers(X):
    y = (X[:, 0] > 0).astype(int)
    autoencoder = Autoencoder(2, network=Normalized, **CHEAP)
    frozen = AutoencoderClassifier(autoencoder, freeze=True, random_state=0).fit(X, y)
    np.testing.assert_array_equal(frozen.transform(X), frozen.autoencoder_.transform(X))
    tuned = AutoencoderClassifier(autoencoder, max_epochs=2, random_state=0).fit(X, y)
    assert (tuned.transform(X) != frozen.transform(X)).any()


# -- parts that do not -----------------------------------------------------------------


class RowPenalty(Penalty):
    def __init__(self, weight=1.0):
        self.weight = weight

    def __call__(self, batch):
        return batch.code.sum(1)


class WithoutCall(Penalty):
    def __init__(self, weight=1.0):
        self.weight = weight


class RowlessLoss(Loss):
    def __call__(self, reconstruction, target, total=False):
        return (reconstruction - target).square().sum()


class FailingLoss(Loss):
    def __call__(self, reconstruction, target):
        return (reconstruction - target).square().sum(1)


class OnlyEncodes(Network):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.layer = nn.Linear(n_features, n_components)

    def encode(self, x):
        return self.layer(x)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"penalties": [RowPenalty()]}, "RowPenalty.*without axes"),
        ({"penalties": [WithoutCall()]}, "WithoutCall must define __call__"),
        ({"penalties": [KLSparsity(1.0)]}, r"KLSparsity.*\(0, 1\).*'sigmoid'"),
        ({"loss": RowlessLoss()}, "RowlessLoss.*one value for each row"),
        ({"loss": FailingLoss()}, "FailingLoss.*total=False"),
        ({"network": OnlyEncodes}, "network=.*must define decode"),
        ({"network": partial(TwoLayers, 6)}, "network=.*keyword arguments only"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_parts_that_do_not_suit(X, params, words):
    model = Autoencoder(2, **params, **CHEAP)
    with pytest.raises((ValueError, TypeError), match=words):
        model.fit(X)
    assert not hasattr(model, "net_")


def test_corruption_must_not_be_a_class(X):
    with pytest.raises(ValueError, match=r"GaussianNoise.*must be an object"):
        DenoisingAutoencoder(2, corruption=GaussianNoise, **CHEAP).fit(X)


def test_there_is_no_such_penalty(X):
    model = Autoencoder(2, penalties=[L2Penalty(0.1)])
    with pytest.raises(ValueError, match="there are 1 penalties"):
        model.set_params(penalties__1__weight=2.0)
    with pytest.raises(ValueError, match="penalties__first__weight"):
        model.set_params(penalties__first__weight=2.0)
