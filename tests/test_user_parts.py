"""Penalties, losses, corruptions and networks that a user writes and passes."""

import copy
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal
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


class WithoutDecode(Network):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.layer = nn.Linear(n_features, n_components)

    def encode(self, x):
        return self.layer(x)


class WithBatchNorm(nn.Module):
    """Has a buffer that an encoder changes in training."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.norm = nn.BatchNorm1d(n_features)
        self.to_code = nn.Linear(n_features, n_components)
        self.back = nn.Linear(n_components, n_features)

    def encode(self, x):
        return self.to_code(self.norm(x))

    def decode(self, z):
        return self.back(z)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (WithoutDecode, "must define decode"),
        (partial(TwoLayers, 6), "keyword arguments only"),
        (partial(print), "must be a subclass of torch.nn.Module"),
    ],
)
def test_what_is_no_class_of_networks(X, network, words):
    with pytest.raises(ValueError, match=words):
        Autoencoder(2, network=network, **CHEAP).fit(X)


def test_classifier_starts_from_the_running_means_of_the_encoder(X):
    """Trying the encoder in training mode leaves no trace in its buffers."""
    y = np.arange(len(X)) % 2
    autoencoder = Autoencoder(2, network=WithBatchNorm, **CHEAP).fit(X + 5)
    frozen = AutoencoderClassifier(autoencoder, freeze=True).fit(X + 5, y)
    assert_array_equal(frozen.transform(X + 5), autoencoder.transform(X + 5))


class ByNothing(Penalty):
    def __init__(self, weight):
        self.weight = weight


class ByFloat(ByNothing):
    def __call__(self, batch):
        return 1.0


class ByRow(ByNothing):
    def __call__(self, batch):
        return batch.code.sum(-1)


@pytest.mark.parametrize("penalty", [ByNothing(1.0), ByFloat(1.0), ByRow(1.0)])
def test_penalties_return_a_tensor_without_axes(X, penalty):
    with pytest.raises((TypeError, ValueError), match="tensor without axes"):
        Autoencoder(2, penalties=[penalty], **CHEAP).fit(X)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_batch_holds_the_rows_in_units_of_the_data(X, scale):
    seen = []

    class Spy(ByNothing):
        def __call__(self, batch):
            seen.append(batch.x.detach().numpy())
            return batch.code.sum() * 0

    table = scale * (X + 3)
    Autoencoder(2, penalties=[Spy(1.0)], **CHEAP).fit(table)
    rows = np.concatenate(seen)
    nearest = np.abs(rows[:, None] - table[None]).max(-1).min(-1)
    # Rows come and go in single precision.
    assert nearest.max() < 1e-5 * np.abs(table).max()


class MeanLoss(Loss):
    def __call__(self, reconstruction, target, total=False):
        return (reconstruction - target).square().mean()


class WithoutTotal(Loss):
    def __call__(self, reconstruction, target):
        return (reconstruction - target).square().sum(-1)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (MeanLoss(), "one value for each row"),
        (WithoutTotal(), "total=False"),
        (Huber(-1.0), "'delta' parameter of Huber"),
    ],
)
def test_losses_are_tried(X, loss, words):
    with pytest.raises(ValueError, match=words):
        Autoencoder(2, loss=loss, **CHEAP).fit(X)


def test_class_of_a_corruption_is_no_corruption(X):
    with pytest.raises(ValueError, match="an object, not a class"):
        DenoisingAutoencoder(2, corruption=GaussianNoise, **CHEAP).fit(X)


def test_divergence_needs_codes_between_0_and_1(X):
    penalties = [KLSparsity(0.1)]
    with pytest.raises(ValueError, match="code_activation='identity'"):
        Autoencoder(2, penalties=penalties, **CHEAP).fit(X)
    # A penalty of weight 0 takes no part.
    Autoencoder(2, penalties=[KLSparsity(0.0)], **CHEAP).fit(X)


class Towards(Penalty):
    """A penalty with an array in a field."""

    def __init__(self, weight, target):
        self.weight, self.target = weight, target

    def __call__(self, batch):
        target = torch.as_tensor(self.target, dtype=batch.code.dtype)
        return batch.mean((batch.code - target).square().sum(-1))


def test_parts_are_equal_if_their_fields_are():
    target = np.arange(2.0)
    assert Towards(1.0, target) == Towards(1.0, target.copy())
    assert Towards(1.0, target) != Towards(1.0, target + 1)
    assert Towards(1.0, target) != L2Penalty(1.0)
    # What cannot be compared is not equal, but for the same object.
    table = pd.DataFrame({"a": [1.0, 2.0]})
    assert Towards(1.0, table) != Towards(1.0, table.copy())


def test_penalties_of_a_variational_autoencoder(X):
    history = VariationalAutoencoder(2, l2_penalty=0.1, **CHEAP).fit(X).history_
    terms = sum(history[f"train_{name}"] for name in ("reconstruction", "kl", "l2"))
    np.testing.assert_allclose(history["train_loss"], terms, rtol=1e-6)
    assert (history["train_l2"] > 0).all()


def test_warm_start_with_an_equal_penalty_that_holds_an_array(X):
    penalties = [Towards(0.1, np.arange(2.0))]
    model = Autoencoder(2, penalties=penalties, warm_start=True, **CHEAP).fit(X)
    model.set_params(penalties=[Towards(0.1, np.arange(2.0))]).fit(X)
    assert model.n_iter_ == 4


def test_index_of_a_penalty_beyond_the_list(X):
    model = Autoencoder(2, penalties=[L2Penalty(0.1)])
    with pytest.raises(ValueError, match="penalties__1__weight"):
        model.set_params(penalties__1__weight=2.0)


def test_partial_fit_moves_to_another_device(X):
    model = Autoencoder(2, **CHEAP).fit(X)
    moved = copy.deepcopy(model).set_params(device="cpu:0")
    assert_array_equal(
        moved.partial_fit(X).transform(X), model.partial_fit(X).transform(X)
    )
    assert moved.device_ == "cpu:0"


def test_later_rows_are_probabilities_too():
    shares = np.random.RandomState(0).uniform(size=(40, 4))
    model = Autoencoder(2, loss="bce", **CHEAP).partial_fit(shares)
    codes = model.transform(shares)
    with pytest.raises(ValueError, match=r"values in \[0, 1\]"):
        model.partial_fit(3 * shares)
    assert_array_equal(model.transform(shares), codes)


# -- numbers of numpy ------------------------------------------------------------------


def test_precision_of_a_field_does_not_matter(table):
    """Single precision has no room for the square of a small unit."""
    codes = []
    for weight in (np.float32(0.25), 0.25):
        X, penalties = table * 1e-25, [L2Penalty(weight)]
        model = Autoencoder(2, penalties=penalties, max_epochs=0, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            codes.append(model.fit(X).transform(X))
        assert model.penalties[0].weight is weight
    np.testing.assert_array_equal(*codes)
