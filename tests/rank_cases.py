"""What `test_ranks.py` runs in two processes: ``python rank_cases.py STORE RANK OUT``.

Rank 0 has the first 130 rows of each table, rank 1 the rest. Before the processes meet,
rank 0 does the same alone, with all rows.
"""

import os
import pickle
import signal
import sys
import warnings
from datetime import timedelta

import numpy as np
import torch
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from skorch.callbacks import Callback
from torch import distributed, nn

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.data import from_array
from sklearn_ae.data.ranks import current_ranks
from sklearn_ae.data.shards import Shard
from sklearn_ae.estimators._splits import chosen_splits
from sklearn_ae.estimators._unseen_errors import _checked_splits
from sklearn_ae.model_selection import BatchedGridSearchCV

X, y = load_digits(return_X_y=True)
X, y = X[:303] / 16, y[:303]
WIDE = np.random.RandomState(0).standard_normal((40, 2100)) @ np.diag(
    np.linspace(3, 1, 2100)
)
MANY_COLUMNS = np.hstack([X, X[:, ::-1] ** 2])
MANY_ROWS = np.tile(MANY_COLUMNS, (17, 1))
# Steps that are proportional to gradients: those of Adam turn a rounding error of a
# tiny gradient into a full step.
SGD = {"optimizer": "sgd", "max_epochs": 5, "random_state": 0, "batch_size": 32}
# Bounded codes are not rotated, which would magnify rounding.
PLAIN = {"init": "random", "code_activation": "tanh", **SGD}
AUTOENCODER = Autoencoder(5, **PLAIN)


class OwnNetwork(nn.Module):
    """Batch normalisation learns of the rows of a rank."""

    fails_at = None

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Linear(n_features, n_components)
        self.norm = nn.BatchNorm1d(n_components)
        self.decoder = nn.Linear(n_components, n_features)
        self.n_steps = 0

    def encode(self, x):
        self.n_steps += self.training
        if self.training and self.n_steps == self.fails_at:
            raise ArithmeticError("no such number")
        return self.norm(self.encoder(x))

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


# Name -> estimator, its table, other arguments of `fit` with an entry for each row.
WEIGHTS = np.arange(len(X)) % 3
EQUAL = {
    "random start": (AUTOENCODER, X, {}),
    "weights": (AUTOENCODER, X, {"sample_weight": WEIGHTS}),
    "no weights on rank 1": (
        AUTOENCODER,
        X,
        {"sample_weight": (np.arange(len(X)) < 110) * 2.0},
    ),
    "single precision": (AUTOENCODER, X.astype(np.float32), {}),
    "sparse table": (AUTOENCODER, sparse.csr_array(X), {}),
    "targets": (AUTOENCODER, X, {"X_target": X[:, ::-1]}),
    "validation data": (AUTOENCODER, X, {"X_val": X[::-1]}),
    "groups": (
        Autoencoder(5, validation=GroupKFold(3), **PLAIN),
        X,
        {"groups": np.arange(len(X)) % 7},
    ),
    "constant rate, no validation": (
        Autoencoder(
            5,
            validation=None,
            learning_rate_schedule="constant",
            l2_penalty=0.1,
            **PLAIN,
        ),
        X,
        {},
    ),
    "mean activations": (SparseAutoencoder(5, rho=0.1, lambd=0.1, **SGD), X, {}),
    "weighted mean activations": (
        SparseAutoencoder(5, rho=0.1, lambd=0.1, **SGD),
        X,
        {"sample_weight": WEIGHTS},
    ),
    "categories": (
        Autoencoder(5, loss="mixed", **PLAIN),
        np.hstack([X, y[:, None] == np.arange(10)]),
        {},
    ),
    "sparsity l1": (SparseAutoencoder(5, sparsity="l1", **SGD), X, {}),
    "jacobian": (ContractiveAutoencoder(5, lambd=0.1, **PLAIN), X, {}),
    "images": (
        ConvolutionalAutoencoder(5, image_shape=(1, 8, 8), channels=(4,), **PLAIN),
        X,
        {},
    ),
    "unit interval": (
        Autoencoder(5, loss="bce", output_activation="sigmoid", **PLAIN),
        X,
        {},
    ),
    "classifier": (
        AutoencoderClassifier(AUTOENCODER, class_weight="balanced", **SGD),
        X,
        {"y": np.where(np.arange(len(y)) % 4 == 0, -1, y)},
    ),
    "regressor": (
        AutoencoderRegressor(AUTOENCODER, **SGD),
        X,
        {"y": y.astype(float), "sample_weight": 1.0 + WEIGHTS},
    ),
    "stack": (
        StackedAutoencoder(
            5,
            hidden_layer_sizes=(12,),
            code_activation="tanh",
            layer=Autoencoder(**PLAIN),
            pretrain_epochs=3,
            **SGD,
        ),
        X,
        {},
    ),
    # With all held-out rows on rank 1.
    "stack, splits": (
        StackedAutoencoder(
            5,
            hidden_layer_sizes=(12,),
            code_activation="tanh",
            layer=Autoencoder(**PLAIN),
            pretrain_epochs=3,
            validation=KFold(3),
            **SGD,
        ),
        X,
        {},
    ),
    "no rows, batch normalisation": (
        Autoencoder(5, network=OwnNetwork, **SGD),
        X[:120],
        {},
    ),
    "no rows, weights": (
        StackedAutoencoder(
            5,
            hidden_layer_sizes=(12,),
            code_activation="tanh",
            layer=Autoencoder(**PLAIN),
            pretrain_epochs=3,
            **SGD,
        ),
        X[:120],
        {"sample_weight": WEIGHTS[:120]},
    ),
    "no rows, regressor": (
        AutoencoderRegressor(AUTOENCODER, **SGD),
        X[:120],
        {"y": np.column_stack([y, y % 3])[:120].astype(float)},
    ),
    "detector": (
        AutoencoderOutlierDetector(
            AUTOENCODER, cv=3, trimming=0.1, contamination=0.1, random_state=0
        ),
        X,
        {"sample_weight": WEIGHTS},
    ),
    # Without noise, which large tables of many columns do not get.
    "candidates": (Autoencoder(5, max_epochs=1, random_state=0), MANY_ROWS, {}),
    "candidates on folds": (
        Autoencoder(5, max_epochs=3, validation=3, random_state=0),
        MANY_COLUMNS,
        {"sample_weight": 1 + WEIGHTS},
    ),
    "median": (AutoencoderOutlierDetector(random_state=0), X[:, 10:11], {}),
}
# Conditions of a line search hold or do not, so that rounding can change the steps.
LINE_SEARCH = {
    "lbfgs": (
        Autoencoder(5, optimizer="lbfgs", max_epochs=5, random_state=0),
        X,
        {},
    ),
}
# PCA of wide tables: by products with all rows, and by products of pairs of rows.
PCA = {
    "covariance": (Autoencoder(6, max_epochs=0, random_state=0), X, {}),
    "share": (Autoencoder(0.8, max_epochs=0, random_state=0), X, {}),
    "subspace": (Autoencoder(4, max_epochs=0, random_state=0), WIDE, {}),
    "pairs": (Autoencoder(20, max_epochs=0, random_state=0), WIDE, {}),
    "pairs on a disk": (
        Autoencoder(20, max_epochs=0, random_state=0),
        from_array(WIDE, buffer_bytes=60_000),
        {},
    ),
    "share of pairs": (Autoencoder(0.5, max_epochs=0, random_state=0), WIDE, {}),
}
# Each rank draws its own noise: no process alone gets the same.
NOISY = {
    "default": (Autoencoder(5, max_epochs=3, random_state=0), X, {}),
    "no seed": (Autoencoder(5, max_epochs=2, random_state=None), X, {}),
    "dropout": (Autoencoder(5, dropout=0.2, **PLAIN), X, {}),
    "denoising": (
        DenoisingAutoencoder(5, corruption="salt_and_pepper", **PLAIN),
        X,
        {},
    ),
    "swap noise": (DenoisingAutoencoder(5, corruption="swap", **PLAIN), X, {}),
    "variational": (VariationalAutoencoder(5, **SGD), X, {}),
    "batch normalisation": (Autoencoder(5, network=OwnNetwork, **SGD), X, {}),
    "on a disk": (AUTOENCODER, from_array(X, buffer_bytes=20_000), {"X_val": X}),
    "on a disk, default": (
        Autoencoder(5, max_epochs=2, random_state=0),
        from_array(X, buffer_bytes=70_000),  # which the rows of rank 0 fit into
        {},
    ),
    "on a disk, detector": (
        AutoencoderOutlierDetector(AUTOENCODER, cv=2, trimming=0.1, random_state=0),
        from_array(X, buffer_bytes=20_000),
        {},
    ),
    "no rows": (AUTOENCODER, X[:120], {}),
    "no rows, images": (
        ConvolutionalAutoencoder(5, image_shape=(1, 8, 8), channels=(4,), **SGD),
        X[:120],
        {},
    ),
}


class _AtTheEnd(Callback):
    def __init__(self, action):
        self.action = action

    def on_train_end(self, net, **kwargs):
        self.action()


class _AtEpoch3(Callback):
    def __init__(self, action):
        self.action = action

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            self.action()


def _described(estimator, X):
    """What ranks are compared by: outputs for all rows, weights, attributes."""
    net = getattr(getattr(estimator, "autoencoder_", estimator), "net_", None)
    weights = [np.zeros(1)]
    if net is not None:
        weights = [weight.numpy() for weight in net.module_.state_dict().values()]
    found = {"weights": np.concatenate([weight.ravel() for weight in weights])}
    for name in ("transform", "decision_function", "predict"):
        if hasattr(estimator, name):
            found["outputs"] = np.asarray(getattr(estimator, name)(X))
            break
    for name in ("history_", "best_loss_", "explained_variance_", "mean_", "scale_"):
        if hasattr(estimator, name):
            found[name] = getattr(estimator, name)
    return found


def _fit(case, rows):
    estimator, table, others = case
    with warnings.catch_warnings():
        # A few epochs explain little.
        warnings.simplefilter("ignore")
        own = {name: values[rows] for name, values in others.items()}
        return _described(estimator.fit(table[rows], **own), table)


def _stream(rank):
    """Five chunks of rank 1, and three of rank 0, whose stream is shorter."""
    estimator = Autoencoder(5, **PLAIN)
    for i in range(5):
        rows = slice(rank * 150 + 30 * i, rank * 150 + 30 * (i + 1))
        estimator.partial_fit(X[rows] if rank == 1 or i < 3 else X[:0])
    return _described(estimator, X)


def _stream_alone():
    estimator = Autoencoder(5, **PLAIN)
    for i in range(5):
        parts = [X[30 * i : 30 * (i + 1)]] if i < 3 else []
        estimator.partial_fit(
            np.concatenate([*parts, X[150 + 30 * i : 150 + 30 * (i + 1)]])
        )
    return _described(estimator, X)


def _error(attempt):
    try:
        attempt()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _errors(rank, rows, fitted, other):
    """What fits raise if one rank differs, and what is left of the estimator."""

    def params(**others):
        return Autoencoder(5, **{**PLAIN, **others})

    bad = X[rows].copy()
    if rank == 1:
        bad[3, 3] = np.nan
        OwnNetwork.fails_at = 4
    attempts = {
        "NaN on rank 1": lambda: params().fit(bad),
        "other width": lambda: params().fit(X[rows, : 64 - rank]),
        "other dtype": lambda: params().fit(X[rows].astype(["f8", "f4"][rank])),
        "other parameter": lambda: params(max_epochs=5 + rank).fit(X[rows]),
        "other parameter of an autoencoder": lambda: AutoencoderClassifier(
            params(device=["cpu", "cpu:0"][rank], max_epochs=5 + rank), **SGD
        ).fit(X[rows], y[rows]),
        "other seed": lambda: params(random_state=rank).fit(X[rows]),
        "weights on rank 1": lambda: params().fit(
            X[rows], sample_weight=[None, WEIGHTS[rows]][rank]
        ),
        "validation data on rank 1": lambda: params().fit(
            X[rows], X_val=[None, X][rank]
        ),
        "groups of other length": lambda: params(validation=GroupKFold(3)).fit(
            X[rows], groups=np.zeros(130)
        ),
        "NaN on rank 1, on a disk": lambda: params().fit(
            from_array(bad, buffer_bytes=20_000)
        ),
        "groups on rank 1": lambda: params().fit(
            X[rows], groups=[None, np.zeros(173)][rank]
        ),
        "device of rank 1": lambda: params(device=["cpu", "absent"][rank]).fit(X[rows]),
        "no y_val on rank 1": lambda: AutoencoderClassifier(AUTOENCODER, **SGD).fit(
            X[rows], y[rows], X_val=X, y_val=[y, None][rank]
        ),
        "another kind of seed": lambda: params(
            random_state=[0, np.random.RandomState(0)][rank]
        ).fit(X[rows]),
        "fitted on rank 1": lambda: [params(), fitted][rank].partial_fit(X[rows]),
        "other fitted model": lambda: other.partial_fit(X[rows]),
        "other fitted autoencoder": lambda: AutoencoderRegressor(other).fit(
            X[rows], y[rows]
        ),
        "no rows anywhere": lambda: params().fit(X[:0]),
        "checkpoint": lambda: params(checkpoint="unused").fit(X[rows]),
        "side by side": lambda: BatchedGridSearchCV(params(), {"max_epochs": [1]}).fit(
            X[rows]
        ),
        "y of other shape": lambda: AutoencoderRegressor(AUTOENCODER, **SGD).fit(
            X[rows], [y, y[:, np.newaxis]][rank][rows]
        ),
        "callback fails on rank 1": lambda: params(
            callbacks=[_AtEpoch3([lambda: None, lambda: 1 / 0][rank])]
        ).fit(X[rows]),
        "step fails on rank 1": lambda: Autoencoder(5, network=OwnNetwork, **SGD).fit(
            X[rows]
        ),
        "other prototype": lambda: AutoencoderOutlierDetector(
            __import__("sklearn.decomposition").decomposition.PCA(2)
        ).fit(X[rows]),
    }
    found = {name: _error(attempt) for name, attempt in attempts.items()}
    OwnNetwork.fails_at = None
    return found


def _interrupted(rank, rows):
    """Rank 1 gets a signal in the third epoch of 1000."""
    actions = [lambda: None, lambda: signal.raise_signal(signal.SIGINT)]
    estimator = Autoencoder(
        5, callbacks=[_AtEpoch3(actions[rank])], **{**PLAIN, "max_epochs": 1000}
    )
    try:
        estimator.fit(X[rows])
    except KeyboardInterrupt:
        return _described(estimator, X)


def _interrupted_late(rank, rows):
    """Rank 1 gets a signal after the last step, where the others have finished."""
    actions = [lambda: None, lambda: signal.raise_signal(signal.SIGINT)]
    estimator = Autoencoder(5, callbacks=[_AtTheEnd(actions[rank])], **PLAIN)
    try:
        estimator.fit(X[rows])
    except KeyboardInterrupt:
        return True, _described(estimator, X)
    return False, _described(estimator, X)


def _random_splits(rows):
    """Of splitters without a seed."""
    spread = Shard(X[rows], current_ranks())
    return [
        *chosen_splits(ShuffleSplit(1), spread, np.arange(len(X))),
        *_checked_splits(KFold(2, shuffle=True), spread, None),
    ]


def _left(rank, rows):
    """Rank 1 ends without a word in the third epoch of 1000."""
    actions = [lambda: None, lambda: os._exit(9)]
    estimator = Autoencoder(
        5, callbacks=[_AtEpoch3(actions[rank])], **{**PLAIN, "max_epochs": 1000}
    )
    before = dict(vars(estimator))
    try:
        estimator.fit(X[rows])
    except Exception as error:
        return f"{type(error).__name__}: {error}", vars(estimator) == before


def main(store, rank, out):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    found = {}
    if rank == 0:
        found["alone"] = {
            name: _fit(case, slice(None))
            for name, case in {**EQUAL, **LINE_SEARCH, **PCA}.items()
        }
        found["stream alone"] = _stream_alone()
    fitted = Autoencoder(5, **PLAIN).partial_fit(X)
    other = Autoencoder(5, **PLAIN).partial_fit(X + rank)
    distributed.init_process_group(
        "gloo",
        store=distributed.FileStore(store, 2),
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    rows = [slice(0, 130), slice(130, None)][rank]
    cases = {**EQUAL, **LINE_SEARCH, **PCA, **NOISY}
    found["joint"] = {
        name: _fit(case, rows if len(case[2]) or case[1].shape[0] > 40 else _half(rank))
        for name, case in cases.items()
    }
    found["stream"] = _stream(rank)
    found["errors"] = _errors(rank, rows, fitted, other)
    found["interrupted"] = _interrupted(rank, rows)
    autoencoder = Autoencoder(5, **PLAIN).fit(X[rows])
    found["no rows"] = (
        autoencoder.transform(X[:0]),
        _error(lambda: autoencoder.score(X[:0])),
    )
    found["interrupted late"] = _interrupted_late(rank, rows)
    found["random splits"] = _random_splits(rows)
    found["after"] = _fit(EQUAL["random start"], rows)
    with open(f"{out}.{rank}", "wb") as file:
        pickle.dump(found, file)
    left = _left(rank, rows)
    with open(f"{out}.left", "wb") as file:
        pickle.dump(left, file)


def _half(rank):
    return [slice(0, 11), slice(11, None)][rank]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
