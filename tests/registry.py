"""Configured estimators that the common checks run over."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

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


class OwnNetwork(nn.Module):
    """A user's network: torch's layers, which draw from the global generator."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(n_features, 8), nn.Tanh(), nn.Dropout(0.2)
        )
        self.code = nn.Linear(8, n_components)
        self.decoder = nn.Linear(n_components, n_features)

    def encode(self, x):
        return self.code(self.encoder(x))

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


# Why fits with integer weights differ from fits with repeated rows: all three draw
# something for every row, and the two tables have different numbers of rows.
MINI_BATCHES = "batches or dropout masks are drawn over the rows"
NOISE = "noise, a corruption, a projection or codes are drawn over the rows"
HELD_OUT_ROWS = "the held-out rows are drawn: a repeated row may be on both sides"

# Few epochs: the checks are about conventions, not quality. One component, because
# some checks use tables with one column.
CHEAP = {"n_components": 1, "max_epochs": 3, "random_state": 0}
# One batch of all rows and none held out: only the initial weights are random.
FULL_BATCH = {"validation": None, "batch_size": 1000}


# Small, because convolutions are slow; the checks' tables are images of one row.
NETWORK = ConvolutionalNetwork(channels=(2, 3))


@dataclass(frozen=True)
class OwnCorruption:
    """A user's corruption; its repr is the same in every process, as xdist needs."""

    level: float

    def __call__(self, x, generator):
        return x + self.level * torch.empty_like(x).normal_(generator=generator)


STACK = {"hidden_layer_sizes": (4, 3), "pretrain_epochs": 2}
PLAIN_LAYER = Autoencoder(optimizer="momentum", **FULL_BATCH)
MASKING_LAYER = DenoisingAutoencoder(corruption="masking", **FULL_BATCH)


def _entry(reason=None, cls=Autoencoder, **params):
    return cls(**(CHEAP | params)), reason


SUPERVISED_CODES = {
    "max_epochs": 0,
    "random_state": 0,
    **FULL_BATCH,
}


def _supervised(reason, cls, **params):
    defaults = {
        # Enough components for the accuracy that the checks ask for.
        "autoencoder": Autoencoder(0.99, **SUPERVISED_CODES),
        "max_epochs": 3,
        "optimizer": "momentum",
        "random_state": 0,
        **FULL_BATCH,
    }
    return cls(**defaults | params), reason


# Name -> (estimator, why integer weights differ from repeated rows, or None).
_REGISTRY = {
    "as_it_comes": (Autoencoder(max_epochs=5, random_state=0), None),
    "plain": _entry(validation=2),
    "untrained": _entry(max_epochs=0),
    "untrained_2": _entry(n_components=2, max_epochs=0),
    "random": _entry(
        init="random", learning_rate=0.05, **FULL_BATCH | {"max_epochs": 20}
    ),
    "random_deep": _entry(
        init="random", hidden_layer_sizes=(8, 4), optimizer="sgd", **FULL_BATCH
    ),
    "random_held_out": _entry(HELD_OUT_ROWS, init="random", activation="relu"),
    "tied": _entry(tied_weights=True, **FULL_BATCH),
    "tied_deep": _entry(
        init="random",
        tied_weights=True,
        hidden_layer_sizes=(8, 4),
        optimizer="sgd",
        **FULL_BATCH,
    ),
    "linear": _entry(activation="identity", **FULL_BATCH),
    "share_of_variance": _entry(n_components=0.5, **FULL_BATCH),
    "mini_batches": _entry(
        MINI_BATCHES,
        init="random",
        hidden_layer_sizes=8,
        batch_size=4,
        validation=None,
    ),
    "mae": _entry(loss="mae", optimizer="sgd", learning_rate=1e-3, **FULL_BATCH),
    "huber": _entry(loss="huber", hidden_layer_sizes=(), **FULL_BATCH),
    "sigmoid_code": _entry(
        init="random", code_activation="sigmoid", optimizer="momentum", **FULL_BATCH
    ),
    "penalties": _entry(
        MINI_BATCHES,
        init="random",
        l1_penalty=1e-3,
        l2_penalty=1e-2,
        dropout=0.2,
        validation=None,
    ),
    "own_network": _entry(
        MINI_BATCHES, network=OwnNetwork, learning_rate=1e-2, validation=None
    ),
    "momentum": _entry(
        optimizer="momentum", learning_rate_schedule="cosine", **FULL_BATCH
    ),
    "nesterov": _entry(optimizer="nesterov", loss="huber", **FULL_BATCH),
    "rmsprop": _entry(
        optimizer="rmsprop",
        learning_rate_schedule="constant",
        **FULL_BATCH,
    ),
    "adagrad": _entry(optimizer="adagrad", **FULL_BATCH),
    "torch_optimizer": _entry(
        optimizer=torch.optim.RAdam,
        optimizer_params={"weight_decay": 1e-3},
        learning_rate_schedule="reduce_on_plateau",
        **FULL_BATCH,
    ),
    "convolutional_network": _entry(network=NETWORK, optimizer="sgd", **FULL_BATCH),
    "gaps": _entry(missing_values=np.nan, missing_indicator=True, **FULL_BATCH),
    "sparse_as_it_comes": _entry(
        HELD_OUT_ROWS, SparseAutoencoder, n_components=256, max_epochs=20
    ),
    "sparse_kl": _entry(
        None, SparseAutoencoder, n_components=4, optimizer="momentum", **FULL_BATCH
    ),
    "sparse_kl_mini_batches": _entry(
        MINI_BATCHES,
        SparseAutoencoder,
        n_components=4,
        batch_size=4,
        validation=None,
    ),
    "sparse_l1": _entry(
        None, SparseAutoencoder, sparsity="l1", tied_weights=True, **FULL_BATCH
    ),
    "sparse_l2": _entry(
        None,
        SparseAutoencoder,
        sparsity="l2",
        hidden_layer_sizes=8,
        optimizer="momentum",
        **FULL_BATCH,
    ),
    "sparse_topk": _entry(
        None, SparseAutoencoder, n_components=4, sparsity="topk", rho=0.5, **FULL_BATCH
    ),
    "sparse_convolutional": _entry(
        None,
        SparseAutoencoder,
        n_components=3,
        network=NETWORK,
        optimizer="momentum",
        **FULL_BATCH,
    ),
    "sparse_topk_convolutional": _entry(
        None,
        SparseAutoencoder,
        n_components=4,
        sparsity="topk",
        rho=0.5,
        network=NETWORK,
        **FULL_BATCH,
    ),
    "denoising_few_epochs": _entry(None, DenoisingAutoencoder),
    "denoising_gaussian": _entry(
        NOISE, DenoisingAutoencoder, init="random", **FULL_BATCH
    ),
    "denoising_masking": _entry(
        NOISE,
        DenoisingAutoencoder,
        corruption="masking",
        init="random",
        **FULL_BATCH,
    ),
    "denoising_salt_and_pepper": _entry(
        NOISE,
        DenoisingAutoencoder,
        corruption="salt_and_pepper",
        n_components=3,
        init="random",
        **FULL_BATCH,
    ),
    "denoising_callable": _entry(
        NOISE,
        DenoisingAutoencoder,
        corruption=OwnCorruption(2.0),
        init="random",
        **FULL_BATCH,
    ),
    "denoising_convolutional": _entry(
        NOISE, DenoisingAutoencoder, network=NETWORK, **FULL_BATCH
    ),
    "contractive_as_it_comes": _entry(
        HELD_OUT_ROWS, ContractiveAutoencoder, max_epochs=20
    ),
    "contractive": _entry(None, ContractiveAutoencoder, **FULL_BATCH),
    "contractive_deep": _entry(
        None,
        ContractiveAutoencoder,
        n_components=3,
        hidden_layer_sizes=(5, 4),
        optimizer="momentum",
        **FULL_BATCH,
    ),
    "contractive_linear_path": _entry(
        None,
        ContractiveAutoencoder,
        hidden_layer_sizes=5,
        code_activation="identity",
        init="pca",
        optimizer="sgd",
        **FULL_BATCH,
    ),
    "contractive_projections": _entry(
        NOISE,
        ContractiveAutoencoder,
        n_components=4,
        n_projections=2,
        lambd=10.0,
        learning_rate=0.1,
        **FULL_BATCH,
    ),
    "contractive_convolutional": _entry(
        None,
        ContractiveAutoencoder,
        n_components=2,
        tied_weights=False,
        network=NETWORK,
        **FULL_BATCH,
    ),
    "variational_few_epochs": _entry(None, VariationalAutoencoder),
    "variational": _entry(NOISE, VariationalAutoencoder, **FULL_BATCH),
    "variational_random": _entry(
        NOISE, VariationalAutoencoder, init="random", beta=0.1, **FULL_BATCH
    ),
    "variational_convolutional": _entry(
        NOISE, VariationalAutoencoder, network=NETWORK, beta=0.1, **FULL_BATCH
    ),
    "variational_own_network": _entry(
        NOISE, VariationalAutoencoder, network=OwnNetwork, beta=0.1, **FULL_BATCH
    ),
    "convolutional_few_epochs": _entry(None, ConvolutionalAutoencoder),
    "convolutional": _entry(
        None,
        ConvolutionalAutoencoder,
        channels=(2, 3),
        optimizer="momentum",
        **FULL_BATCH,
    ),
    "convolutional_random": _entry(
        None,
        ConvolutionalAutoencoder,
        channels=(4,),
        init="random",
        optimizer="momentum",
        **FULL_BATCH,
    ),
    "stacked_plain": _entry(
        None,
        StackedAutoencoder,
        layer=PLAIN_LAYER,
        optimizer="momentum",
        **STACK | FULL_BATCH,
    ),
    "stacked_sparse": _entry(
        None,
        StackedAutoencoder,
        activation="sigmoid",
        code_activation="sigmoid",
        layer=SparseAutoencoder(**FULL_BATCH),
        **STACK | FULL_BATCH,
    ),
    "stacked_contractive": _entry(
        None,
        StackedAutoencoder,
        n_components=2,
        activation="sigmoid",
        code_activation="sigmoid",
        layer=ContractiveAutoencoder(**FULL_BATCH),
        **STACK | FULL_BATCH,
    ),
    "stacked_denoising": _entry(
        NOISE, StackedAutoencoder, layer=MASKING_LAYER, **STACK | FULL_BATCH
    ),
    "stacked_held_out": _entry(
        HELD_OUT_ROWS, StackedAutoencoder, layer=MASKING_LAYER, **STACK
    ),
    "stacked_mini_batches": _entry(
        MINI_BATCHES,
        StackedAutoencoder,
        layer=PLAIN_LAYER,
        batch_size=4,
        validation=None,
        **STACK,
    ),
    "classifier": _supervised(None, AutoencoderClassifier),
    "classifier_frozen": _supervised(
        None, AutoencoderClassifier, freeze=True, class_weight="balanced"
    ),
    "classifier_held_out": _supervised(
        HELD_OUT_ROWS,
        AutoencoderClassifier,
        validation=0.1,
        max_epochs=10,
        learning_rate=2e-2,
    ),
    "regressor": _supervised(None, AutoencoderRegressor),
    "regressor_convolutional": _supervised(
        None,
        AutoencoderRegressor,
        autoencoder=ConvolutionalAutoencoder(0.99, channels=(2, 3), **SUPERVISED_CODES),
    ),
    "outlier_detector": (
        AutoencoderOutlierDetector(
            Autoencoder(optimizer="momentum", **CHEAP), random_state=0
        ),
        None,
    ),
    "outlier_detector_share": (
        AutoencoderOutlierDetector(
            # Trains one network per fit.
            Autoencoder(1, max_epochs=3, optimizer="momentum"),
            contamination=0.1,
            trimming=0,
            cv=2,
        ),
        None,
    ),
}


# Cheap instances that take every path between a method's arguments and what is
# computed: each class, gaps, penalties, mini-batches, all three kinds of network.
_ALL_CHECKS = (
    "share_of_variance",
    "penalties",
    "own_network",
    "gaps",
    "sparse_kl_mini_batches",
    "sparse_topk_convolutional",
    "denoising_masking",
    "contractive",
    "variational",
    "convolutional",
    "stacked_held_out",
    "classifier",
    "regressor",
    "outlier_detector_share",
)


def instances():
    """Name -> estimator, for all of them."""
    return {name: estimator for name, (estimator, _) in _REGISTRY.items()}


def representatives():
    """The estimators that take all of scikit-learn's checks."""
    return {name: _REGISTRY[name][0] for name in _ALL_CHECKS}


def draws_over_rows():
    """Name -> reason, for all whose fit depends on the number of rows."""
    return {name: reason for name, (_, reason) in _REGISTRY.items() if reason}
