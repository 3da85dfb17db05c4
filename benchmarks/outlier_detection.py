"""ROC AUC: AutoencoderOutlierDetector compared with scikit-learn's detectors.

    python -m benchmarks.outlier_detection [--seeds 5] [--only TEXT] [--write-docs]

Detectors are fitted to half of the inliers, and once more with outliers added that make
up a tenth of the training rows. The other half of the inliers and all remaining
outliers are scored. In the digits, one digit is the inlier class and the other nine are
outliers; in the breast cancer data, benign tumours are the inliers. Pixels are divided
by 16; the other table is standardised by its training rows. Every figure is the median
over the seeds. CPU seconds are those of ``fit`` on one thread.
"""

import argparse

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
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

METHODS = {
    "AutoencoderOutlierDetector": lambda seed: AutoencoderOutlierDetector(
        random_state=seed
    ),
    "without trimming": lambda seed: AutoencoderOutlierDetector(
        trimming=0, random_state=seed
    ),
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
    "LocalOutlierFactor": lambda seed: LocalOutlierFactor(novelty=True),
    "OneClassSVM": lambda seed: OneClassSVM(),
}
DIGITS = (1, 4, 8)
CONTAMINATIONS = (0.0, 0.1)


def data_sets():
    """(name, table, mask of the inliers, whether to standardise)."""
    X, y = load_digits(return_X_y=True)
    for digit in DIGITS:
        yield f"digit {digit}", X / 16, y == digit, False
    X, y = load_breast_cancer(return_X_y=True)
    yield "breast cancer", X, y == 1, True


def split(X, is_usual, contamination, standardise, seed):
    """Training rows, test rows, and the mask of the inliers in the test rows."""
    rng = np.random.default_rng(seed)
    usual = rng.permutation(np.flatnonzero(is_usual))
    outliers = rng.permutation(np.flatnonzero(~is_usual))
    n_usual = len(usual) // 2
    n_outliers = round(contamination / (1 - contamination) * n_usual)
    train = X[np.concatenate([usual[:n_usual], outliers[:n_outliers]])]
    rows = np.concatenate([usual[n_usual:], outliers[n_outliers:]])
    test = X[rows]
    if standardise:
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    return train, test, is_usual[rows]


def measure(X, is_usual, contamination, standardise, seeds):
    """Medians over the seeds: {method: (area under the curve, CPU seconds)}."""
    runs = {name: [] for name in METHODS}
    for seed in seeds:
        train, test, labels = split(X, is_usual, contamination, standardise, seed)
        for name, make in METHODS.items():
            detector = make(seed)
            seconds = cpu_seconds(detector.fit, train)
            auc = roc_auc_score(labels, detector.score_samples(test))
            runs[name].append((auc, seconds))
    return {name: np.median(figures, axis=0) for name, figures in runs.items()}


def report(seeds, only=None):
    """The report in Markdown: table, means, and how it was measured."""
    rows, found = [], {contamination: [] for contamination in CONTAMINATIONS}
    seconds = []
    for name, X, is_usual, standardise in data_sets():
        if only and only not in name:
            continue
        for contamination in CONTAMINATIONS:
            results = measure(X, is_usual, contamination, standardise, seeds)
            areas, times = zip(*results.values(), strict=True)
            found[contamination].append(areas)
            seconds.append(times)
            rows.append([name, f"{contamination:.0%}", *(f"{a:.3f}" for a in areas)])
            print(*rows[-1], flush=True)
    for contamination, areas in found.items():
        means = np.mean(areas, axis=0)
        rows.append(["mean", f"{contamination:.0%}", *(f"{a:.3f}" for a in means)])
    times = np.median(seconds, axis=0)
    rows.append(["seconds of `fit`", "", *(f"{time:.2g}" for time in times)])
    return "\n".join(
        [
            markdown_table(["inliers", "outliers in training", *METHODS], rows),
            "",
            f"Area under the ROC curve, medians over {len(seeds)} seeds. All settings "
            "are defaults.",
            "",
            f"Measured by `python -m benchmarks.outlier_detection` on {machine()}.",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many (default 5)")
    parser.add_argument("--only", metavar="TEXT", help="data sets whose name has TEXT")
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    args = parser.parse_args()
    with one_thread():
        X = np.random.default_rng(0).normal(size=(100, 10))
        for make in METHODS.values():  # the first fit includes late imports
            make(0).fit(X)
        block = report(range(args.seeds), args.only)
    print(f"\n{block}")
    if args.write_docs:
        fill(VARIANTS_PAGE, block, "outliers")


if __name__ == "__main__":
    main()
