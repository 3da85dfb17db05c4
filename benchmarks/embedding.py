"""Codes as embeddings: Autoencoder beside PCA, UMAP and t-SNE.

    python -m benchmarks.embedding [--mnist PATH] [--only TEXT] [--runs FILE]
                                   [--write-docs]

The data are digits / 16 (a half of them for training, codes of 2 and 16 numbers) and
MNIST (the first 10,000 training images and all test images, codes of 2 and 64). All
settings are defaults, except for the number of components, the seed and one thread.

Every figure is of test rows:

- *trustworthiness* (`sklearn.manifold.trustworthiness`, 15 neighbours): whether rows
  that are neighbours in the embedding are neighbours in the data. *Continuity* is the
  same with the two exchanged: whether neighbours in the data stay neighbours. Both need
  the distances of all pairs, and are of the first 5,000 test images of MNIST.
- *1-NN*: accuracy of the label of the nearest training row.
- *error*: mean squared error per pixel of ``inverse_transform``. That of UMAP takes
  long, above all with many components: it is measured with two, and for the first 50
  rows.
- CPU seconds of ``fit`` and of ``transform``, the latter for 1,000 rows. Numba's
  compilation is not counted.

t-SNE has no ``transform``: it embeds the test rows themselves (of MNIST the first
5,000), in two dimensions. The nearest row of its 1-NN is another test row, and so it is
no measure of unseen rows. UMAP is skipped if it is not installed; see the extra
``bench``. With ``--runs`` an interrupted benchmark continues where it stopped.

The published figures are those of the notebooks of Sainburg, McInnes and Gentner
(2021), "Parametric UMAP embeddings for representation and semisupervised learning",
:doi:`10.1162/neco_a_01434`: MNIST with 50,000 training images and a convolutional
network. Their trustworthiness is that of training images, with 5 neighbours.
"""

import argparse
import importlib.util
import json
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from benchmarks._data import N_MNIST, add_mnist_argument, load_labelled_mnist
from benchmarks._report import (
    VARIANTS_PAGE,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder

N_NEIGHBORS = 15
N_PAIRS = 5_000  # rows whose pairwise distances are compared
N_INVERTED = 50  # rows of UMAP's inverse_transform


@dataclass(frozen=True)
class Labelled:
    """Training and test rows with their labels, sizes of codes, number of seeds."""

    name: str
    n_components: tuple[int, ...]
    n_seeds: int
    X_train: np.ndarray
    X_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray


def digits():
    X, y = load_digits(return_X_y=True)
    split = train_test_split(X / 16, y, test_size=0.5, random_state=0)
    return Labelled("digits / 16", (2, 16), 3, *split)


def mnist(path):
    """A list with MNIST, or empty if it is not available."""
    arrays = load_labelled_mnist(path)
    if arrays is None:
        return []
    X_train, y_train, X_test, y_test = arrays
    train = slice(N_MNIST)
    return [
        Labelled(
            "MNIST 10k", (2, 64), 1, X_train[train], X_test, y_train[train], y_test
        )
    ]


def make_umap(k, seed):
    from umap import UMAP

    return UMAP(n_components=k, random_state=seed, n_jobs=1)


# {name: function of (number of components, seed)}
METHODS = {
    "PCA": lambda k, seed: PCA(k, random_state=seed),
    "Autoencoder": lambda k, seed: Autoencoder(k, random_state=seed),
    "UMAP": make_umap,
}
PIXELS, T_SNE = "pixels", "t-SNE, of the test rows"


# -- figures ---------------------------------------------------------------------------


def neighbourhoods(X, Z):
    """Trustworthiness and continuity of the first rows."""
    X, Z = X[:N_PAIRS], Z[:N_PAIRS]
    return {
        "trustworthiness": trustworthiness(X, Z, n_neighbors=N_NEIGHBORS),
        "continuity": trustworthiness(Z, X, n_neighbors=N_NEIGHBORS),
    }


def measure(data, name, k, seed):
    """The figures of a method that embeds unseen rows."""
    estimator = METHODS[name](k, seed)
    start = time.process_time()
    estimator.fit(data.X_train)
    fitted = time.process_time()
    codes = estimator.transform(data.X_test)
    transformed = time.process_time()
    # UMAP has moved its training rows to where it wants them.
    known = getattr(estimator, "embedding_", None)
    if known is None:
        known = estimator.transform(data.X_train)
    nearest = KNeighborsClassifier(1).fit(known, data.y_train)
    return {
        **neighbourhoods(data.X_test, codes),
        "1-NN": nearest.score(codes, data.y_test),
        "error": error(estimator, name, data.X_test, codes),
        "fit: s": fitted - start,
        "transform: s / 1,000": 1_000 * (transformed - fitted) / len(codes),
    }


def error(estimator, name, X, codes):
    """Mean squared error per pixel of the reconstructions, or None."""
    if name == "UMAP":
        if codes.shape[1] > 2:
            return None
        X, codes = X[:N_INVERTED], codes[:N_INVERTED]
    return float(np.mean((estimator.inverse_transform(codes) - X) ** 2, dtype=float))


def measure_tsne(data, name, k, seed):
    """The figures of t-SNE, which embeds the test rows themselves."""
    X, y = data.X_test[:N_PAIRS], data.y_test[:N_PAIRS]
    start = time.process_time()
    codes = TSNE(k, random_state=seed, n_jobs=1).fit_transform(X)
    seconds = time.process_time() - start
    # Without rows, `kneighbors` leaves out the row itself.
    others = KNeighborsClassifier(1).fit(codes, y).kneighbors(return_distance=False)
    return {
        **neighbourhoods(X, codes),
        "1-NN": float(np.mean(y[others[:, 0]] == y)),
        "fit: s": seconds,
    }


def measure_pixels(data, name, k, seed):
    """What the 1-NN accuracy is without an embedding."""
    nearest = KNeighborsClassifier(1).fit(data.X_train, data.y_train)
    return {"1-NN": nearest.score(data.X_test, data.y_test)}


def warm_up():
    """Let numba compile, and import what is imported late."""
    X = np.random.default_rng(0).random((4_500, 8))  # many rows take another way
    y = np.zeros(len(X))
    for name in installed():
        for rows in (200, len(X)):
            data = Labelled("", (2,), 1, X[:rows], X[:40], y[:rows], y[:40])
            measure(data, name, 2, 0)


def installed():
    """The methods whose packages are installed."""
    has_umap = importlib.util.find_spec("umap") is not None
    return [name for name in METHODS if name != "UMAP" or has_umap]


class Runs:
    """Figures of single runs, also kept in the file `path`, if one is given."""

    def __init__(self, path=None):
        self.path = path
        self.found = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                key, figures = json.loads(line)
                self.found[tuple(key)] = figures

    def get(self, data, name, k, seed):
        key = data.name, name, k, seed
        if key not in self.found:
            function = {PIXELS: measure_pixels, T_SNE: measure_tsne}.get(name, measure)
            self.found[key] = function(data, name, k, seed)
            print(*key, self.found[key], flush=True)
            if self.path is not None:
                with self.path.open("a") as file:
                    file.write(json.dumps([key, self.found[key]]) + "\n")
        return self.found[key]

    def median(self, data, name, k):
        """The median of each figure over the seeds; what is missing stays so."""
        found = [self.get(data, name, k, seed) for seed in range(data.n_seeds)]
        return {
            key: None if value is None else float(np.median([f[key] for f in found]))
            for key, value in found[0].items()
        }


def figures_of(data, runs):
    """[(code, method, figures)] of a table."""
    n_features = data.X_train.shape[1]
    found = [(n_features, PIXELS, runs.get(data, PIXELS, n_features, 0))]
    for k in data.n_components:
        names = [*installed(), T_SNE] if k == 2 else installed()
        found += [(k, name, runs.median(data, name, k)) for name in names]
    return found


# -- report ----------------------------------------------------------------------------

COLUMNS = {
    "trustworthiness": ".3f",
    "continuity": ".3f",
    "1-NN": ".3f",
    "error": ".4f",
    "fit: s": ".2g",
    "transform: s / 1,000": ".2g",
}
# [(code, method, figures)]. The trustworthiness and the 1-NN accuracy of the
# autoencoder of two components are in mnist-ae-only-embedding.ipynb.
PUBLISHED = [
    (2, "PCA", {"trustworthiness": 0.743, "error": 0.0557}),
    (2, "autoencoder", {"trustworthiness": 0.966, "1-NN": 0.765, "error": 0.0369}),
    (64, "PCA", {"1-NN": 0.9707, "error": 0.0090}),
    (64, "autoencoder", {"1-NN": 0.9748, "error": 0.00162}),
    (64, "variational autoencoder", {"1-NN": 0.9785}),
]


def cells(figures):
    values = {name: figures.get(name) for name in COLUMNS}
    return [
        "" if value is None else f"{value:{COLUMNS[name]}}"
        for name, value in values.items()
    ]


def report(results):
    """The block of the page; `results` is {table: [(code, method, figures)]}."""
    results = {**results, "MNIST 50k, published": PUBLISHED}
    rows = [
        [table, code, method, *cells(figures)]
        for table, found in results.items()
        for code, method, figures in found
    ]
    header = ["data", "code", "method", *COLUMNS]
    explained = (
        "Trustworthiness and continuity with 15 neighbours, accuracy of the nearest "
        "training row, mean squared error per pixel, CPU seconds of `fit`, and of "
        "`transform` for 1,000 rows. All but the seconds of `fit` are of test rows, "
        "those of MNIST's trustworthiness and continuity the first 5,000, those of "
        "UMAP's error the first 50. t-SNE embeds the test rows themselves. Medians "
        "over 3 seeds for the digits; one seed for MNIST. What every method was given "
        "is said at the top of the script. The published figures are those of a "
        "convolutional network; its trustworthiness is that of training images, with 5 "
        "neighbours."
    )
    versions = "".join(
        f", {package} {version(package)}"
        for package in ("umap-learn", "numba")
        if importlib.util.find_spec(package.split("-")[0]) is not None
    )
    measured = f"Measured by `python -m benchmarks.embedding` on {machine()}{versions}."
    return "\n\n".join([markdown_table(header, rows), explained, measured])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    parser.add_argument("--only", metavar="TEXT", help="data sets whose name has TEXT")
    parser.add_argument("--runs", type=Path, metavar="FILE", help="keep results there")
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    args = parser.parse_args()
    # UMAP says that a seed makes it run on one thread.
    warnings.filterwarnings("ignore", message="n_jobs value")
    tables = [digits(), *mnist(args.mnist)]
    runs = Runs(args.runs)
    with one_thread():
        warm_up()
        results = {
            table.name: figures_of(table, runs)
            for table in tables
            if not args.only or args.only in table.name
        }
    block = report(results)
    print(f"\n{block}")
    if args.write_docs:
        fill(VARIANTS_PAGE, block, "embedding")


if __name__ == "__main__":
    main()
