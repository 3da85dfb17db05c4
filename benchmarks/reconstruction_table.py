"""Held-out reconstruction error and fit time: PCA, Autoencoder, MLPRegressor(X, X).

    python -m benchmarks.reconstruction_table [--mnist PATH] [--write-docs]

Every method gets the same number of components. Each seed splits the tables into
halves, which are standardised by the training half, except digits / 16 and MNIST, whose
pixels are in [0, 1]. Errors are mean squared errors over held-out entries; every figure
is the median over the seeds. CPU seconds are those of ``fit`` on one thread.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from benchmarks._data import add_mnist_argument, bundled_tables, mnist_table
from benchmarks._report import (
    BENCHMARKS_PAGE,
    README,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder
from sklearn_ae.inspection import compare


class RegressorOfItself(TransformerMixin, BaseEstimator):
    """MLPRegressor(X, X) as an autoencoder: the hidden layer in the middle is the code.

    ``inverse_transform(transform(X))`` is ``predict(X)``.
    """

    def __init__(self, n_components, random_state=None):
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X, y=None):
        network = MLPRegressor(
            hidden_layer_sizes=(128, self.n_components, 128),
            random_state=self.random_state,
        )
        network.fit(X, X)
        self.layers_ = list(zip(network.coefs_, network.intercepts_, strict=True))
        return self

    def transform(self, X):
        return np.maximum(_forward(X, self.layers_[:2]), 0)

    def inverse_transform(self, X):
        return _forward(X, self.layers_[2:])


def _forward(X, layers):
    """Through some layers, with a ReLU between any two of them."""
    for i, (weight, bias) in enumerate(layers):
        X = (X if i == 0 else np.maximum(X, 0)) @ weight + bias
    return X


METHODS = {
    "PCA": PCA,
    "Autoencoder": Autoencoder,
    "MLPRegressor": RegressorOfItself,
}


def measure(table, seeds):
    """Medians over the seeds: {method: (error, ratio to PCA's error, CPU seconds)}."""
    runs = []
    for seed in seeds:
        train, test = table.split(seed)
        rows = np.arange(len(train) + len(test))
        comparison = compare(
            {
                name: make(table.n_components, random_state=seed)
                for name, make in METHODS.items()
            },
            np.concatenate([train, test]),
            cv=[(rows[: len(train)], rows[len(train) :])],
            clock=time.process_time,
        )
        runs.append(comparison[["error", "ratio", "fit_time"]])
    return {
        name: np.median([run.loc[name] for run in runs], axis=0) for name in METHODS
    }


# What the README shows of the table.
SHORT = (
    "data",
    "features",
    "code",
    "PCA: error",
    "Autoencoder: error",
    "Autoencoder / PCA",
    "Autoencoder: s",
)


def report(tables, seeds):
    """The reports in Markdown for the page and for the README, which is shorter."""
    header = ["data", "features", "code"]
    header += [f"{name}: error" for name in METHODS]
    header += [f"{name} / PCA" for name in METHODS if name != "PCA"]
    header += [f"{name}: s" for name in METHODS]
    rows, ratios = [], []
    for table in tables:
        results = measure(table, seeds)
        ratios.append([result[1] for result in results.values()][1:])
        row = [table.name, table.split(0)[0].shape[1], table.n_components]
        row += [f"{error:.4f}" for error, _, _ in results.values()]
        row += [f"{ratio:.2f}" for ratio in ratios[-1]]
        row += [f"{seconds:.2g}" for _, _, seconds in results.values()]
        rows.append(row)
        print(*row, flush=True)
    blank = [""] * len(METHODS)
    means = [f"{ratio:.2f}" for ratio in np.mean(ratios, axis=0)]
    rows.append(["mean", "", "", *blank, *means, *blank])
    kept = [header.index(name) for name in SHORT]
    short_rows = [[row[i] for i in kept] for row in rows]
    errors = (
        "Mean squared error per entry on held-out rows and CPU seconds of `fit`, "
        f"medians over {len(seeds)} seeds; ratios are medians of those of the seeds, "
        "and their mean is the arithmetic one. All settings are defaults"
    )
    peer = (
        "`MLPRegressor(X, X)` has the hidden layers (128, code, 128) and its default "
        "of at most 200 epochs"
    )
    measured = (
        f"Measured by `python -m benchmarks.reconstruction_table` on {machine()}."
    )
    page = [markdown_table(header, rows), f"{errors}; {peer}.", measured]
    short = [markdown_table(SHORT, short_rows), f"{errors}.", measured]
    return "\n\n".join(page), "\n\n".join(short)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    parser.add_argument("--seeds", type=int, default=5, help="how many (default 5)")
    parser.add_argument("--only", metavar="TEXT", help="data sets whose name has TEXT")
    parser.add_argument("--write-docs", action="store_true", help="fill in the docs")
    args = parser.parse_args()

    tables = bundled_tables() + mnist_table(args.mnist)
    tables = [table for table in tables if not args.only or args.only in table.name]
    # MLPRegressor warns when it reaches its default of 200 epochs.
    warnings.simplefilter("ignore", ConvergenceWarning)
    with one_thread():
        X = np.random.default_rng(0).normal(size=(100, 10))
        for make in METHODS.values():  # the first fit includes late imports
            make(2, random_state=0).fit(X)
        page, short = report(tables, range(args.seeds))
    print(f"\n{page}")
    if args.write_docs:
        fill(BENCHMARKS_PAGE, page, "reconstruction")
        fill(README, short)


if __name__ == "__main__":
    main()
