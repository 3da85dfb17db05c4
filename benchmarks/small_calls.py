"""Time of calls with few rows, against the bare module and against PCA.

    python -m benchmarks.small_calls [--repeats N] [--write-docs]

The bare module encodes a tensor of the right precision under ``torch.inference_mode``
and returns an array; it checks nothing. `transform` of the estimator and of PCA check
their input: type, finite numbers, names and number of features. One thread, wall time;
the calls take turns, so that all of them find the caches of the processor as the others
left them. The difference is the median of those of single turns.
"""

import argparse
import copy
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from benchmarks._report import (
    BENCHMARKS_PAGE,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    ConvolutionalAutoencoder,
)

CODE = 8
SHORT = {"max_epochs": 2, "validation": None, "random_state": 0}


def milliseconds(calls, repeats):
    """Times of the calls, which take turns; of shape (repeats, number of calls)."""
    times = np.empty((repeats, len(calls)))
    for turn in range(-repeats // 10, repeats):
        for i, call in enumerate(calls):
            start = time.perf_counter()
            call()
            times[turn, i] = 1e3 * (time.perf_counter() - start)
    return times


def bare(method, X):
    """A function that calls the method of a module with the rows, without checks."""
    rows = torch.from_numpy(X)

    def call():
        with torch.inference_mode():
            return method(rows).numpy()

    return call


def transforms(repeats):
    """Table of `transform` by network, precision and number of rows."""
    X = load_digits().data / 16
    lines = []
    for dtype in (np.float32, np.float64):
        table = X.astype(dtype)
        pca = PCA(CODE).fit(table)
        for name, estimator in {
            "dense": Autoencoder(CODE, **SHORT),
            "convolutional": ConvolutionalAutoencoder(CODE, **SHORT),
        }.items():
            estimator.fit(table)
            module = copy.deepcopy(estimator.module_).to(torch.from_numpy(table).dtype)
            for n_rows in (1, 100):
                rows = table[:n_rows].copy()
                calls = [
                    lambda pca=pca, rows=rows: pca.transform(rows),
                    bare(module.encode, rows),
                    lambda estimator=estimator, rows=rows: estimator.transform(rows),
                ]
                times = milliseconds(calls, repeats)
                beyond = np.median(times[:, 2] - times[:, 1])
                figures = [*np.median(times, axis=0), beyond]
                ratio = np.median(times[:, 2] / times[:, 0])
                case = f"{name}, {np.dtype(dtype).name}, {n_rows} row" + "s" * (
                    n_rows > 1
                )
                lines.append([case, *(f"{one:.3f}" for one in figures), f"{ratio:.1f}"])
    header = ["", "PCA", "bare module", "`transform`", "beyond module", "/ PCA"]
    return markdown_table(header, lines)


def methods(repeats):
    """Table of the other methods, for one row in double precision."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    row = X[:1].copy()
    autoencoder = Autoencoder(CODE, **SHORT).fit(X)
    code = autoencoder.transform(row)
    heads = {"autoencoder": Autoencoder(CODE, **SHORT), **SHORT}
    classifier = AutoencoderClassifier(**heads).fit(X, y)
    regressor = AutoencoderRegressor(**heads).fit(X, y)
    detector = AutoencoderOutlierDetector(Autoencoder(CODE, **SHORT)).fit(X)

    def double(estimator):
        return copy.deepcopy(estimator.module_).double()

    both = double(autoencoder)
    cases = {
        "`inverse_transform`": (autoencoder.inverse_transform, both.decode, code),
        "`reconstruct`": (autoencoder.reconstruct, both, row),
        "`reconstruction_error`": (autoencoder.reconstruction_error, both, row),
        "`predict` of a classifier": (classifier.predict, double(classifier), row),
        "`predict` of a regressor": (regressor.predict, double(regressor), row),
        "`score_samples` of an outlier detector": (
            detector.score_samples,
            double(detector.autoencoder_),
            row,
        ),
    }
    lines = []
    for name, (method, module, rows) in cases.items():
        calls = [bare(module, rows), lambda method=method, rows=rows: method(rows)]
        times = milliseconds(calls, repeats)
        figures = [*np.median(times, axis=0), np.median(times[:, 1] - times[:, 0])]
        lines.append([name, *(f"{one:.3f}" for one in figures)])
    header = ["one row, float64", "bare module", "method", "beyond module"]
    return markdown_table(header, lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()
    with one_thread():
        tables = [part(args.repeats) for part in (transforms, methods)]
    note = (
        f"Milliseconds, medians of {args.repeats} turns: digits, 64 features to "
        f"{CODE} components."
    )
    block = "\n\n".join([*tables, note, machine()])
    print(block)
    if args.write_docs:
        fill(BENCHMARKS_PAGE, block, "small-calls")


if __name__ == "__main__":
    main()
