"""Errors of filled-in entries: AutoencoderImputer compared with other imputers.

    python -m benchmarks.imputation [--seeds 5] [--only TEXT] [--methods NAME ...]
                                    [--runs FILE]

A share of the entries of a standardised table is hidden, the table is given to
``fit_transform``, and the root mean square of the errors of the hidden entries is
measured: 1 is about the error of the mean. With ``--runs`` an interrupted benchmark
continues where it stopped. Most of the time is that of ExtraTrees on the digits.

Entries are missing "at random" or "by a column". At random, each is hidden with the
same probability. In the other mechanism one column, drawn by the seed, is observed in
all rows, and the probabilities of the other entries of a row grow linearly with the
rank of the row in that column, from a fifth of the share to nine fifths of it. Each row
keeps at least one entry.

Tables:

- scikit-learn's, without constant columns; of the digits, 600 rows drawn by the seed.
- ``swiss roll``: 600 rows of a swiss roll, rotated into 10 columns, with noise.
- ``manifold``: 600 rows of two normal variables, mapped to 20 columns by a random
  network with 30 tanh units, with noise.

Settings were not chosen with these tables, nor with these draws of made-up ones.

The other imputers:

- ``KNNImputer`` has its defaults, as has ``IterativeImputer`` with ``BayesianRidge``.
- With ``ExtraTreesRegressor`` it has 10 trees a column (``n_jobs=1``) and 5 rounds
  instead of 10: it is the slowest one anyway.
- ``PPCA`` is probabilistic PCA, fitted to observed entries by an EM algorithm; hidden
  entries choose its rank. It is the model that AutoencoderImputer starts with.
- ``MIDAS`` is ``midas2.MIDAS`` of the PyPI package midasverse-midas, in pure Python,
  with its defaults and the mean of 10 imputations. It seeds the global generators of
  torch and NumPy. Without the package it is left out.

CPU seconds are those of ``fit_transform`` on one thread.
"""

import argparse
import json
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn import datasets
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

import sklearn_ae
from benchmarks._report import machine, markdown_table, one_thread
from sklearn_ae.data.gaps import choose_rank, completed, fit_gaussian

SHARES = (0.1, 0.3, 0.5)
MECHANISMS = ("at random", "by a column")
N_ROWS = 600  # of made-up tables, and at most of the digits
NOISE = 0.1
OURS = "AutoencoderImputer"
CLOSE = 1.02  # within 2 % of the best


# -- methods ---------------------------------------------------------------------------


class PPCA:
    """Probabilistic PCA of standardised columns."""

    def __init__(self, seed):
        self.seed = seed

    def fit_transform(self, X):
        rows, rng = np.arange(len(X)), np.random.RandomState(self.seed)
        scaler = StandardScaler().fit(X)
        X = scaler.transform(X)
        gaussian = fit_gaussian(X, rows, None, choose_rank(X, rows, None, 64, rng))
        return scaler.inverse_transform(completed(X, rows, gaussian))


class Midas:
    """The mean of imputations of MIDAS."""

    def __init__(self, seed):
        self.seed = seed

    def fit_transform(self, X):
        import pandas as pd
        from midas2.model import MIDAS

        frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
        model = MIDAS(device="cpu")
        model.fit(frame, verbose=False, seed=self.seed)
        return np.mean([np.asarray(m) for m in model.transform(m=10)], axis=0)


def trees(seed):
    return IterativeImputer(
        ExtraTreesRegressor(n_estimators=10, n_jobs=1, random_state=seed),
        max_iter=5,
        random_state=seed,
    )


def methods():
    """{name: a function of the seed that makes an imputer}, of those there are."""
    found = {
        "SimpleImputer": lambda seed: SimpleImputer(),
        "KNNImputer": lambda seed: KNNImputer(),
        "BayesianRidge": lambda seed: IterativeImputer(random_state=seed),
        "ExtraTrees": trees,
        "PPCA": PPCA,
    }
    if find_spec("midas2") is not None:
        found["MIDAS"] = Midas
    if hasattr(sklearn_ae, OURS):
        imputer = getattr(sklearn_ae, OURS)
        found[OURS] = lambda seed: imputer(random_state=seed)
    return found


# -- tables ----------------------------------------------------------------------------


def bundled(load):
    def draw(rng):
        X = load().data
        return X[np.sort(rng.permutation(len(X))[:N_ROWS])]

    return draw


def swiss_roll(rng):
    roll, _ = datasets.make_swiss_roll(N_ROWS, random_state=rng)
    roll = StandardScaler().fit_transform(roll)
    directions, _ = np.linalg.qr(rng.normal(size=(10, 3)))
    X = roll @ directions.T
    return X + NOISE * X.std() * rng.normal(size=X.shape)


def manifold(rng):
    hidden = np.tanh(rng.normal(size=(N_ROWS, 2)) @ rng.normal(size=(2, 30)))
    X = hidden @ rng.normal(size=(30, 20))
    return X + NOISE * X.std() * rng.normal(size=X.shape)


TABLES = {
    "iris": bundled(datasets.load_iris),
    "wine": bundled(datasets.load_wine),
    "breast cancer": bundled(datasets.load_breast_cancer),
    "diabetes": bundled(datasets.load_diabetes),
    "digits": bundled(datasets.load_digits),
    "swiss roll": swiss_roll,
    "manifold": manifold,
}


def standardised(X):
    varies = X.std(axis=0) > 0
    return StandardScaler().fit_transform(X[:, varies])


def hidden_entries(X, share, mechanism, rng):
    """Which entries are hidden; at least one of each row is not."""
    n_rows, n_columns = X.shape
    probability = np.full((n_rows, n_columns), share)
    if mechanism == "by a column":
        column = rng.randint(n_columns)
        ranks = (rankdata(X[:, column]) - 0.5) / n_rows
        probability *= (0.2 + 1.6 * ranks)[:, np.newaxis]
        probability[:, column] = 0
    hidden = rng.uniform(size=X.shape) < probability
    empty = np.flatnonzero(hidden.all(axis=1))
    hidden[empty, rng.randint(n_columns, size=len(empty))] = False
    return hidden


# -- measuring -------------------------------------------------------------------------


def rmse(a, b):
    return float(np.sqrt(np.mean((a - b) ** 2)))


class Runs:
    """Errors and CPU seconds of single runs, also kept in a file if one is given."""

    def __init__(self, path=None):
        self.path = None if path is None else Path(path)
        exists = self.path is not None and self.path.exists()
        self.done = json.loads(self.path.read_text()) if exists else {}

    def of(self, case, seed, makers):
        """{method: (error, CPU seconds)}"""
        table, share, mechanism = case
        figures = self.done.setdefault(f"{table}, {share}, {mechanism}, {seed}", {})
        # Far from the seeds with which settings were chosen.
        rng = np.random.RandomState(1000 + seed)
        X = standardised(TABLES[table](rng))
        hidden = hidden_entries(X, share, mechanism, rng)
        known = np.where(hidden, np.nan, X)
        for name in [name for name in makers if name not in figures]:
            start = time.process_time()
            filled = makers[name](seed).fit_transform(known)
            seconds = time.process_time() - start
            figures[name] = rmse(filled[hidden], X[hidden]), seconds
            if self.path is not None:
                self.path.write_text(json.dumps(self.done, indent=0))
        return {name: figures[name] for name in makers}


# -- reporting -------------------------------------------------------------------------


def summary(errors):
    """Rows with figures over all cases, of errors of shape (cases, methods)."""
    best = errors.min(axis=1, keepdims=True)
    ranks = rankdata(errors, axis=1).mean(axis=0)
    close = (errors <= CLOSE * best).mean(axis=0)
    return [
        ["**mean rank**", "", "", *(f"{rank:.2f}" for rank in ranks)],
        ["**best or within 2 %**", "", "", *(f"{share:.0%}" for share in close)],
    ]


def worse_than_linear(errors, names):
    """One sentence: how often our imputer is worse than PPCA, seed by seed."""
    if OURS not in names or "PPCA" not in names:
        return []
    ours, linear = (errors[..., names.index(name)] for name in (OURS, "PPCA"))
    ratios = np.median(ours / linear, axis=1)
    return [
        f"{OURS} / PPCA: medians of the ratio of errors go from {ratios.min():.3f} to "
        f"{ratios.max():.3f} over the cases; "
        f"{np.mean(ours <= 1.001 * linear):.0%} of single runs are not worse."
    ]


def cell(value, best):
    text = f"{value:.3f}"
    return f"**{text}**" if value <= CLOSE * best else text


def report(runs, makers, n_seeds, only=None):
    """The report in Markdown."""
    names, rows, every, seconds = list(makers), [], [], []
    cases = [
        (table, share, mechanism)
        for table in TABLES
        for share in SHARES
        for mechanism in MECHANISMS
        if only is None or only in f"{table}, {share}, {mechanism}"
    ]
    for case in cases:
        found = [runs.of(case, seed, makers) for seed in range(n_seeds)]
        figures = np.array([[run[name] for name in names] for run in found])
        every.append(figures[..., 0])
        seconds.append(np.median(figures[..., 1], axis=0))
        medians = np.median(figures[..., 0], axis=0)
        table, share, mechanism = case
        cells = [cell(error, medians.min()) for error in medians]
        rows.append([table, f"{share:.0%}", mechanism, *cells])
        print(*rows[-1], flush=True)
    errors = np.array(every)
    rows += summary(np.median(errors, axis=1))
    times = np.array(seconds)
    for label, value in (
        ("median", np.median(times, axis=0)),
        ("largest", times.max(axis=0)),
    ):
        rows.append([f"CPU seconds, {label}", "", "", *(f"{t:.2g}" for t in value)])
    return "\n\n".join(
        [
            markdown_table(["table", "missing", "which", *names], rows),
            "Root mean square errors of hidden entries of standardised tables, medians "
            f"over {n_seeds} seeds; bold: best or within 2 % of the best.",
            *worse_than_linear(errors, names),
            f"Measured by `python -m benchmarks.imputation` on {machine()}.",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many (default 5)")
    parser.add_argument("--only", metavar="TEXT", help="cases whose name has TEXT")
    parser.add_argument("--methods", nargs="+", choices=methods(), help="these ones")
    parser.add_argument("--runs", metavar="FILE", help="JSON file of finished runs")
    args = parser.parse_args()
    makers = methods()
    if args.methods:
        makers = {name: makers[name] for name in args.methods}
    # Rounds of IterativeImputer end before they settle; pandas warns inside of MIDAS.
    warnings.simplefilter("ignore")
    with one_thread():
        X = np.random.default_rng(0).normal(size=(50, 4))
        X[0, 0] = np.nan
        for make in makers.values():  # the first fit includes late imports
            make(0).fit_transform(X)
        block = report(Runs(args.runs), makers, args.seeds, args.only)
    print(f"\n{block}")


if __name__ == "__main__":
    main()
