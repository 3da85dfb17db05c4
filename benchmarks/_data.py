"""The data sets of the benchmarks."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_ae import Autoencoder

N_MNIST = 10_000  # training rows; the test set is the standard one


@dataclass(frozen=True)
class Table:
    """A data set, the size of its code, and a function that splits it by seed."""

    name: str
    n_components: int
    split: Callable[[int], tuple[np.ndarray, np.ndarray]]


def _halves(X, seed, standardize):
    halves = train_test_split(X, test_size=0.5, random_state=seed)
    if standardize:
        scaler = StandardScaler().fit(halves[0])
        halves = [scaler.transform(half) for half in halves]
    return tuple(halves)


def _half_split(name, X, n_components, standardize=True):
    return Table(name, n_components, lambda seed: _halves(X, seed, standardize))


def digits_table():
    """Digits / 16 with a code of 8: pixels in [0, 1], not standardised."""
    return _half_split("digits / 16", datasets.load_digits().data / 16, 8, False)


def bundled_tables():
    """Data sets bundled with scikit-learn; the code is a quarter of the features."""
    loaders = {
        "digits": datasets.load_digits,
        "breast cancer": datasets.load_breast_cancer,
        "wine": datasets.load_wine,
        "diabetes": datasets.load_diabetes,
        "iris": datasets.load_iris,
    }
    tables = [digits_table()]
    for name, load in loaders.items():
        X = load().data
        tables.append(_half_split(f"{name}, standardised", X, max(1, X.shape[1] // 4)))
    return tables


def default_epochs(n_rows, n_columns=None):
    """The number of epochs of ``Autoencoder(max_epochs="auto")``.

    `n_columns` is None for a network that does not start as PCA. Where folds decide,
    this is the number of the first candidate.
    """
    settings = Autoencoder()._resolve_training(n_rows, n_columns=n_columns)
    return settings.max_epochs


def add_mnist_argument(parser):
    parser.add_argument(
        "--mnist",
        metavar="PATH",
        default=os.environ.get("SKLEARN_AE_MNIST"),
        help="npz file with X_train and X_test of shape (n, 784), values from 0 to 255 "
        "(default: the environment variable SKLEARN_AE_MNIST, then fetch_openml)",
    )


def load_mnist(path=None):
    """The first 10,000 training rows and all test rows, in [0, 1], or None.

    None is returned if there is no file and the download fails.
    """
    if path:
        with np.load(path) as archive:
            train, test = archive["X_train"], archive["X_test"]
    else:
        try:
            X = datasets.fetch_openml("mnist_784", as_frame=False).data
        except Exception as error:  # many kinds, from URLError to parser errors
            print(f"MNIST skipped: no --mnist given, download failed ({error!r})\n")
            return None
        train, test = X[:60_000], X[60_000:]
    return train[:N_MNIST] / np.float32(255), test / np.float32(255)


def load_labelled_mnist(path=None):
    """All of MNIST as X_train, y_train, X_test, y_test with pixels in [0, 1], or None.

    A file at `path` must also contain `y_train` and `y_test`.
    """
    if path:
        with np.load(path) as archive:
            X = np.concatenate([archive["X_train"], archive["X_test"]])
            y = np.concatenate([archive["y_train"], archive["y_test"]])
    else:
        try:
            X, y = datasets.fetch_openml("mnist_784", as_frame=False, return_X_y=True)
        except Exception as error:  # many kinds, from URLError to parser errors
            print(f"MNIST skipped: no --mnist given, download failed ({error!r})\n")
            return None
    X, y = X / np.float32(255), y.astype(int)
    return X[:60_000], y[:60_000], X[60_000:], y[60_000:]


def mnist_table(path=None):
    """A list with the MNIST table (code of 32), or empty if MNIST is unavailable."""
    arrays = load_mnist(path)
    return [] if arrays is None else [Table("MNIST 10k", 32, lambda seed: arrays)]
