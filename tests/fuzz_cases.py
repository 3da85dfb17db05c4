"""What `test_fuzz` draws from: tables of every kind, and values of every parameter."""

import tempfile
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import torch
from registry import OwnCorruption, OwnNetwork
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from skorch.callbacks import Callback, EpochTimer, LRScheduler
from test_bad_input import WRONG_RANGE, WRONG_TYPE
from test_bad_input_variants import WRONG as WRONG_OF_VARIANTS
from test_supervised import WRONG as WRONG_OF_SUPERVISED

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
from sklearn_ae.objectives import (
    AbsoluteError,
    ActivationL1,
    GaussianNoise,
    Huber,
    KLSparsity,
    L1Penalty,
    L2Penalty,
    MixedLoss,
    SquaredError,
    SwapNoise,
)
from sklearn_ae.persistence import Checkpoint

AUTOENCODERS = (
    Autoencoder,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
OTHERS = (AutoencoderClassifier, AutoencoderRegressor, AutoencoderOutlierDetector)

# -- tables ----------------------------------------------------------------------------

# Where results must be those of a table of scale 1.
MODERATE = (1e-25, 1e-15, 1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9, 1e15, 1e25)
EXTREME = (1e-300, 1e-100, 1e-45, 1e-38, 1e-30, 1e30, 1e38, 1e100, 1e300)

INTEGERS = [int, bool, np.uint8, np.int8]
OTHER_DTYPES = [object, np.longdouble, np.float16, *INTEGERS]

# What an array may be: name -> function of the array. Results are the same as for it.
CONTAINERS = {
    "fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "negative strides": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda X: _read_only(X.copy()),
    "memory map": lambda X: _memory_map(X),
    "swapped bytes": lambda X: X.astype(X.dtype.newbyteorder()),
    "masked array": np.ma.array,
    "list": lambda X: X.astype(np.float64).tolist(),
    "tuple of rows": lambda X: tuple(X.astype(np.float64)),
    "pandas": lambda X: pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])]),
    "pandas numbers": pd.DataFrame,
    "pandas nullable": lambda X: pd.DataFrame(X).astype("Float64"),
    "polars": lambda X: pl.DataFrame(X.astype(np.float64)),
    "torch": lambda X: torch.from_numpy(X.astype(np.float64)),
    "torch with gradients": lambda X: torch.tensor(
        X, dtype=torch.float32, requires_grad=True
    ),
    **{
        f"{kind} {form}": getattr(sparse, f"{form}_{kind}")
        for kind in ("array", "matrix")
        for form in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
    },
    "unsorted csr": lambda X: _unsorted(X),
}


def _read_only(X):
    X.setflags(write=False)
    return X


def _memory_map(X):
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, X)
        return np.load(file.name, mmap_mode="r")


def _unsorted(X):
    """Columns in falling order, each entry in two halves."""
    rows, columns = (index[::-1] for index in np.nonzero(np.ones(X.shape)))
    halves = X[rows, columns] / 2
    table = sparse.coo_array(
        (np.r_[halves, halves], (np.r_[rows, rows], np.r_[columns, columns])), X.shape
    )
    return table.tocsr(copy=True)


# Not tables of numbers: name -> function of an array.
FAULTS = {
    "one dimension": lambda X: X.ravel(),
    "three dimensions": lambda X: X[np.newaxis],
    "complex": lambda X: X + 1j,
    "words": lambda X: np.full(X.shape, "word"),
    "objects": lambda X: np.full(X.shape, object()),
    "nothing": lambda X: None,
    "a number": lambda X: 3.0,
    "ragged": lambda X: [[1.0, 2.0], [3.0]],
    "NaN": lambda X: np.where(np.arange(X.size).reshape(X.shape) == 1, np.nan, X),
    "infinite": lambda X: np.where(np.arange(X.size).reshape(X.shape) == 1, np.inf, X),
    "sparse NaN": lambda X: sparse.csr_array(X * np.nan),
    "three-dimensional tensor": lambda X: torch.zeros(3, 2, 2),
    "words in a frame": lambda X: pd.DataFrame({"a": ["x"] * 9, "b": 1.0}),
}


@dataclass(frozen=True)
class Table:
    """A table as it is passed, the plain array that it stands for, and its faults."""

    given: Any
    plain: np.ndarray
    container: str
    scale: float
    faults: tuple[str, ...]

    def __repr__(self):
        kind = f"{self.container} of {self.plain.dtype}{self.plain.shape}"
        return f"Table({kind}, scale={self.scale:g}, faults={self.faults})"


def draw_table(random: Random) -> Table:
    """Any size, scale, precision and container; a fault in every tenth table."""
    rng, faults = np.random.RandomState(random.randrange(2**32)), []
    n_rows = random.choice([0, 1, 2, 3] + 12 * [4, 7, 12, 25])
    n_columns = random.choice([0, 1, 2] + 8 * [3, 4, 6])
    X = rng.standard_normal((n_rows, 2)) @ rng.standard_normal((2, n_columns))
    X += 0.1 * rng.standard_normal(X.shape)
    if n_rows < 4 or n_columns < 3:
        faults.append("small")
    shape = random.choice(
        8 * ["normal"] + ["constant", "idle", "equal", "offset", "unit", "one-hot"]
    )
    if shape in ("constant", "equal", "one-hot"):
        faults.append(shape)  # the true number of components is too small
    X = {
        "normal": lambda: X,
        "constant": lambda: np.full(X.shape, 0.1),
        "idle": lambda: X * (np.arange(n_columns) > 0) + 7.3,
        "equal": lambda: X[rng.randint(2, size=n_rows) * (n_rows > 1)],
        "offset": lambda: X + 1e4,
        "unit": lambda: 1 / (1 + np.exp(-X)),
        "one-hot": lambda: np.eye(max(1, n_columns))[
            rng.randint(max(1, n_columns), size=n_rows), :n_columns
        ],
    }[shape]()
    scale = random.choice(30 * [1.0] + 2 * [*MODERATE] + [*EXTREME])
    if scale in EXTREME:
        faults.append("scale")
    dtype = random.choice(6 * [np.float64] + 3 * [np.float32] + OTHER_DTYPES)
    if dtype in INTEGERS:
        X, scale = np.rint(3 * X), 1.0
    with np.errstate(all="ignore"):
        X = (X * scale).astype(dtype)
        plain = X.astype(dtype if dtype == np.float32 else np.float64)
    if dtype == np.float16 and scale != 1:
        faults.append("scale")
    container = random.choice(6 * ["array"] + list(CONTAINERS))
    if random.random() < 0.1:
        container = random.choice(list(FAULTS))
        return Table(FAULTS[container](plain), plain, container, scale, (container,))
    if container == "array":
        return Table(X, plain, container, scale, tuple(faults))
    if dtype in (np.float16, np.longdouble, object, bool):
        X = plain  # not every container holds these
    doubles = ("list", "tuple of rows", "polars", "torch", "pandas nullable")
    if container in (*doubles, "swapped bytes"):
        plain = plain.astype(np.float64)
    if container == "torch with gradients":
        plain = plain.astype(np.float32)
    if container == "unsorted csr":
        X = plain
    if not X.size:
        faults.append("small")
    return Table(CONTAINERS[container](X), plain, container, scale, tuple(faults))


# -- parameters ------------------------------------------------------------------------

ACTIVATIONS = ["identity", "relu", "elu", "gelu", "softplus", "tanh", "sigmoid"]
LAYERS = [
    None,
    Autoencoder(max_epochs=1),
    SparseAutoencoder(max_epochs=1),
    DenoisingAutoencoder(max_epochs=1, corruption="masking"),
    ContractiveAutoencoder(max_epochs=1),
    [None, DenoisingAutoencoder(max_epochs=1)],
]
# Each fit has a file of its own; all are short, so that nothing is written. The folder
# is removed at the end of the process.
FOLDER = tempfile.TemporaryDirectory()
CHECKPOINT = Checkpoint(FOLDER.name, per_fit=True)
# Values that suit some tables and some other values.
RIGHT = {
    "activation": ACTIVATIONS,
    "batch_size": ["auto", 1, 5, 10**9, np.int64(4)],
    "beta": [0, 0.1, 1, np.float32(0.5), 100],
    "callbacks": [None, [], [Callback()], [("a", EpochTimer)], [LRScheduler()]],
    "channels": [(2,), [2, 3], (np.int64(1),)],
    "checkpoint": [None, CHECKPOINT],
    "code_activation": ACTIVATIONS,
    "corruption": ["gaussian", "masking", "salt_and_pepper", "swap"]
    + [GaussianNoise(0.1), OwnCorruption(0.1), SwapNoise(0.5, [[0, 1]])],
    "corruption_level": [0, 0.1, np.float32(0.5), 1],
    "device": ["cpu", "auto"],
    "dropout": [0, 0.5, np.float32(0.25), 0.999],
    "hidden_layer_sizes": ["auto", (), 3, (4,), [4, 3], np.int64(4), (np.int32(5),)],
    "image_shape": [None, (1, 1, 3), (1, 2, 2), [1, 2, 3], (3, 1, 2)],
    "init": ["pca", "random"],
    "k": [None, 1, 2, np.int64(2)],
    "kernel_size": [1, 3, np.int64(3), 5],
    "l1_penalty": [0, 1e-3, np.float32(1.0), 1e3],
    "l2_penalty": [0, 1e-3, np.float64(1.0), 1e3, np.int64(1)],
    "lambd": [0, 1e-3, np.float32(1.0), 1e3],
    "layer": LAYERS,
    "learning_rate": ["auto", 1e-3, np.float32(0.01), 1, 1e10, 1e-300],
    "learning_rate_schedule": ["constant", "one_cycle", "cosine", "reduce_on_plateau"],
    "loss": ["mse", "mae", "huber", "bce", "mixed", SquaredError(), AbsoluteError()]
    + [Huber(2.0), MixedLoss([[0], slice(1, 3)])],
    "max_epochs": [0, 1, 2, 3, np.int64(2)],
    "missing_indicator": [False, np.bool_(False)],
    "missing_values": ["error", np.nan],
    "n_components": [1, 2, 3, 5, np.int64(2), np.uint8(1), 0.5, 0.99, np.float32(0.9)],
    "n_iter_no_change": [None, 1, np.int16(2)],
    "n_projections": [None, 1, np.int64(2)],
    "network": [None, OwnNetwork, partial(OwnNetwork)]
    + [ConvolutionalNetwork(channels=(2,))],
    "optimizer": ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]
    + [torch.optim.NAdam, torch.optim.LBFGS, torch.optim.SparseAdam, torch.optim.Rprop],
    "optimizer_params": [None, {}, {"weight_decay": 0.1}, {"weight_decay": np.int64(1)}]
    + [{"differentiable": True}, {"foreach": True}, {"maximize": True}],
    "output_activation": ["auto", *ACTIVATIONS],
    "penalties": [None, (), [L2Penalty(0.1)], [ActivationL1(np.float32(0.1))]]
    + [[L1Penalty(1.0), KLSparsity(0.1)]],
    "pretrain_epochs": [0, 1, np.int64(2)],
    "random_state": [0, np.int64(1), np.random.RandomState(0)],
    "rho": [0.05, np.float32(0.5), 0.999],
    "sparsity": ["kl", "l1", "l2", "topk"],
    "tied_weights": [True, False, np.bool_(True)],
    "tol": [0, 1e-4, np.float32(0.1), 1e300],
    "validation": ["auto", None, 0.2, 2, np.int64(3), np.float32(0.5), 0.999]
    + [KFold(3), TimeSeriesSplit(2), [(range(9), [9, 10])]],
    "verbose": [0, np.int64(0), False],
    "warm_start": [True, False, np.bool_(True)],
}
# Those of estimators that hold others.
RIGHT_OF_SUPERVISED = {
    "autoencoder": [
        Autoencoder(1, max_epochs=1, validation=None),
        Autoencoder(2, init="random", max_epochs=1),
        SparseAutoencoder(3, max_epochs=1),
        StackedAutoencoder(2, hidden_layer_sizes=3, max_epochs=1),
        VariationalAutoencoder(1, max_epochs=1),
        ConvolutionalAutoencoder(1, channels=(2,), max_epochs=1),
    ],
    "class_weight": [None, "balanced", {0: 2, 1: 1.0}],
    "freeze": [True, False],
    "head_penalty": [0, 1, np.float32(0.1), 1e6],
    "pretrain": [True, np.bool_(False)],
}
RIGHT_OF = {
    AutoencoderOutlierDetector: {
        "autoencoder": [
            Autoencoder(1, max_epochs=1, validation=None),
            Autoencoder(1, max_epochs=1, init="random"),
            SparseAutoencoder(3, max_epochs=1),
            make_pipeline(MaxAbsScaler(), Autoencoder(1, max_epochs=0)),
        ],
        "contamination": ["auto", 0.1, np.float32(0.25), 0.5],
        "criterion": ["neighbors", "error"],
        "n_neighbors": [1, np.int64(3), 500],
        "cv": [2, np.int64(3), KFold(2)],
        "trimming": [0, 0.25, np.float32(0.1), 0.49],
    },
    AutoencoderClassifier: RIGHT_OF_SUPERVISED,
    AutoencoderRegressor: RIGHT_OF_SUPERVISED,
}
WRONG_OF = WRONG_OF_VARIANTS | {
    AutoencoderClassifier: WRONG_OF_SUPERVISED,
    AutoencoderRegressor: WRONG_OF_SUPERVISED,
    AutoencoderOutlierDetector: {
        "autoencoder": ["pca", 3, LinearRegression()],
        "contamination": [None, 0.0, 0.6, "none"],
        "criterion": [None, "density", 1],
        "n_neighbors": [None, 0, 2.5, "five"],
        "cv": [None, 1, 0.5, "two"],
        "trimming": [None, 0.5, -0.1, "a quarter"],
    },
}
# Values for any parameter, mostly of a wrong type.
ODD = [None, True, 0, -1, 1.5, float("nan"), float("inf"), 2 + 1j, "", "auto", "word"]
ODD += [(), [], {}, [None], ((3, 2),), ("a",), [("a",)], object(), print, int]
ODD += [np.nan, np.float16(0.5), np.array(2), np.array([1, 2]), np.array([]), pd.NA]
ODD += [np.str_("auto"), np.datetime64("2020-01-01"), sparse.eye(2), Callback]
ODD += [torch.tensor(1.0), Autoencoder, Autoencoder(), SquaredError, L2Penalty(-1.0)]
LARGE = 1e300
# Parameters that memory and patience limit.
SIZES = {"channels", "hidden_layer_sizes", "max_epochs", "n_components"}
SIZES |= {"n_projections", "pretrain_epochs"}
CHEAP = {"max_epochs": 2, "random_state": 0, "pretrain_epochs": 1, "n_components": 2}
CHEAP |= {"channels": (2,)}


def draw_params(
    random: Random, cls: type, *, is_changed: bool = True
) -> tuple[dict, set, set]:
    """Cheap parameters with a few changes; which ones were changed, and are wrong."""
    names = list(cls().get_params(deep=False))
    params = {name: value for name, value in CHEAP.items() if name in names}
    if cls in (SparseAutoencoder, DenoisingAutoencoder):
        params["n_components"] = random.choice([2, 3, 0.9])
    right = RIGHT | RIGHT_OF.get(cls, {})
    if cls in RIGHT_OF:
        params["autoencoder"] = right["autoencoder"][random.randrange(3)]
    if "validation" in names:
        # Most fits hold no rows out, since they are faster.
        params["validation"] = random.choice([None, None, 0.3, "auto"])
    drawn, wrong = set(), set()
    if not is_changed:
        return params, drawn, wrong
    for name in random.sample(names, random.choice([0, 1, 1, 2, 3, 5])):
        params[name] = random.choice(right[name])
        drawn.add(name)
    if random.random() < 0.3:
        name = random.choice(names)
        bad = WRONG_OF.get(cls, {}).get(name)
        if bad is None:
            bad = WRONG_TYPE.get(name, []) + WRONG_RANGE.get(name, [])
        params[name] = random.choice(bad)
        drawn, wrong = drawn | {name}, {name}
    elif random.random() < 0.3:
        name = random.choice(names)
        params[name] = random.choice(ODD + [LARGE] * (name not in SIZES))
        drawn.add(name)
    return params, drawn, wrong
