"""All variants on the digits: reconstruction error, usefulness of the codes, time.

    python -m benchmarks.variants [--write-docs]

Digits / 16, split into halves by each seed. The table shows, for every variant, the
mean squared error per pixel of held-out reconstructions, its ratio to that of PCA with
a code of the same width, the held-out accuracy of a logistic regression on the codes,
and the CPU seconds of ``fit`` on one thread. Every figure is the median over the seeds.
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._report import (
    VARIANTS_PAGE,
    cpu_seconds,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import (
    Autoencoder,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    ConvolutionalNetwork,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)

# In the order of the table; all other settings are defaults.
VARIANTS = [
    PCA(8),
    Autoencoder(8),
    Autoencoder(8, init="random"),
    Autoencoder(8, hidden_layer_sizes=(128, 64)),
    DenoisingAutoencoder(8),
    PCA(32),
    DenoisingAutoencoder(32),
    DenoisingAutoencoder(32, corruption="masking"),
    ContractiveAutoencoder(8),
    ContractiveAutoencoder(32),
    VariationalAutoencoder(8),
    VariationalAutoencoder(8, beta=4),
    ConvolutionalAutoencoder(8),
    DenoisingAutoencoder(32, network=ConvolutionalNetwork()),
    VariationalAutoencoder(8, network=ConvolutionalNetwork()),
    StackedAutoencoder(8),
    PCA(64),
    SparseAutoencoder(),
    SparseAutoencoder(sparsity="l1", lambd=0.01, tied_weights=True),
    SparseAutoencoder(sparsity="l2", lambd=0.01, tied_weights=True),
    SparseAutoencoder(sparsity="topk"),
    SparseAutoencoder(sparsity="topk", network=ConvolutionalNetwork()),
]


def measure(estimator, X, y, seed):
    """Held-out error, its ratio to PCA's, accuracy on the codes, CPU seconds of fit."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.5, random_state=seed
    )
    estimator.set_params(random_state=seed)
    seconds = cpu_seconds(estimator.fit, X_train)
    codes = estimator.transform(X_train), estimator.transform(X_test)
    error = np.mean((X_test - estimator.inverse_transform(codes[1])) ** 2)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    accuracy = classifier.fit(codes[0], y_train).score(codes[1], y_test)
    ratio = np.nan
    if codes[0].shape[1] < X.shape[1]:
        pca = PCA(codes[0].shape[1]).fit(X_train)
        projected = pca.inverse_transform(pca.transform(X_test))
        ratio = error / np.mean((X_test - projected) ** 2)
    return error, ratio, accuracy, seconds


def report(seeds):
    X, y = load_digits(return_X_y=True)
    X = X / 16
    header = ["estimator", "code", "error", "error / PCA", "accuracy", "fit: s"]
    rows = []
    for estimator in VARIANTS:
        name = " ".join(repr(estimator).split())
        figures = [measure(estimator, X, y, seed) for seed in seeds]
        error, ratio, accuracy, seconds = np.median(figures, axis=0)
        width = estimator.transform(X[:1]).shape[1]
        rows.append(
            [
                f"`{name}`",
                width,
                f"{error:.4f}",
                "" if np.isnan(ratio) else f"{ratio:.2f}",
                f"{accuracy:.3f}",
                f"{seconds:.2g}",
            ]
        )
        print(*rows[-1], flush=True)
    return "\n".join(
        [
            markdown_table(header, rows),
            "",
            "Mean squared error per pixel of held-out images, its ratio to that of PCA "
            "with as many components, accuracy of a logistic regression on the "
            f"standardised codes, and CPU seconds of `fit`. Medians over {len(seeds)} "
            "seeds.",
            "",
            f"Measured by `python -m benchmarks.variants` on {machine()}.",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many (default 5)")
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    args = parser.parse_args()
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        # The first fit includes late imports.
        Autoencoder(2, max_epochs=1).fit(np.random.default_rng(0).normal(size=(100, 9)))
        block = report(range(args.seeds))
    print(f"\n{block}")
    if args.write_docs:
        fill(VARIANTS_PAGE, block, "variants")


if __name__ == "__main__":
    main()
