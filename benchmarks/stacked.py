"""The gain from layer-wise pretraining: StackedAutoencoder against random weights.

    python -m benchmarks.stacked [--mnist PATH] [--seeds N] [--write-docs]

The same deep network is trained from random weights, from random weights for three
times as many epochs (about the time of a stack), and from pretrained layers. All of
this is done with the default activation and with the sigmoid, for which pretraining was
invented. PCA and the default `Autoencoder`, a shallow network that starts as PCA, are
the baselines. Errors are mean squared errors over the pixels of held-out images, CPU
seconds are those of ``fit`` on one thread, and every figure is the median over the
seeds.
"""

import argparse

import numpy as np
from sklearn.decomposition import PCA

from benchmarks._data import (
    add_mnist_argument,
    default_epochs,
    digits_table,
    mnist_table,
)
from benchmarks._report import (
    VARIANTS_PAGE,
    cpu_seconds,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder, DenoisingAutoencoder, StackedAutoencoder

HIDDEN = (256, 128)


def _random(k, seed, **params):
    return Autoencoder(
        k, init="random", hidden_layer_sizes=HIDDEN, random_state=seed, **params
    )


def _stacked(k, seed, layer, **params):
    return StackedAutoencoder(
        k, hidden_layer_sizes=HIDDEN, layer=layer, random_state=seed, **params
    )


def _long(n_rows):
    return {"max_epochs": 3 * default_epochs(n_rows)}


NOISE = DenoisingAutoencoder(corruption="masking", corruption_level=0.3)
SIGMOID = {"activation": "sigmoid"}

# {name: function of (code size, number of training rows, seed)}
METHODS = {
    "PCA": lambda k, n, seed: PCA(k, random_state=seed),
    "Autoencoder, default": lambda k, n, seed: Autoencoder(k, random_state=seed),
    "deep, random": lambda k, n, seed: _random(k, seed),
    "deep, random, 3 x epochs": lambda k, n, seed: _random(k, seed, **_long(n)),
    "stacked, plain": lambda k, n, seed: _stacked(k, seed, None),
    "stacked, denoising": lambda k, n, seed: _stacked(k, seed, NOISE),
    "sigmoid, random": lambda k, n, seed: _random(k, seed, **SIGMOID),
    "sigmoid, random, 3 x epochs": lambda k, n, seed: _random(
        k, seed, **SIGMOID, **_long(n)
    ),
    "sigmoid, stacked, plain": lambda k, n, seed: _stacked(k, seed, None, **SIGMOID),
    "sigmoid, stacked, denoising": lambda k, n, seed: _stacked(
        k, seed, NOISE, **SIGMOID
    ),
}


def measure(table, make, seed):
    """Held-out error without and with fine-tuning, and CPU seconds."""
    train, test = table.split(seed)
    estimator = make(table.n_components, len(train), seed)
    seconds = cpu_seconds(estimator.fit, train)
    layers = getattr(estimator, "layers_", [])
    before = error(layers, test) if layers else np.nan
    return before, error([estimator], test), seconds


def error(steps, X):
    """Mean squared error after encoding and decoding by all steps."""
    codes = X
    for step in steps:
        codes = step.transform(codes)
    for step in reversed(steps):
        codes = step.inverse_transform(codes)
    return np.mean((codes - X) ** 2, dtype=float)


def report(tables, n_seeds):
    """The report in Markdown: the table, and how it was measured."""
    header = ["data", "method", "pretrained only", "error", "/ PCA", "fit: s"]
    rows = []
    for table in tables:
        pca = np.nan
        for name, make in METHODS.items():
            runs = [measure(table, make, seed) for seed in range(n_seeds)]
            before, after, seconds = np.median(runs, axis=0)
            pca = after if name == "PCA" else pca
            shown = "" if np.isnan(before) else f"{before:.5f}"
            rows.append(
                [table.name, name, shown, f"{after:.5f}", f"{after / pca:.2f}"]
                + [f"{seconds:.2g}"]
            )
            print(*rows[-1], flush=True)
    return "\n".join(
        [
            markdown_table(header, rows),
            "",
            "Mean squared error per pixel of held-out images and CPU seconds of `fit`, "
            f"medians over {n_seeds} seeds. Codes have 8 columns for the digits and 32 "
            f"for MNIST. Deep networks have the hidden layers {HIDDEN}. All other "
            "settings are defaults. Denoising layers mask 30 % of their inputs.",
            "",
            f"Measured by `python -m benchmarks.stacked` on {machine()}.",
        ]
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    parser.add_argument("--seeds", type=int, default=3, help="how many (default 3)")
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    args = parser.parse_args()
    with one_thread():
        Autoencoder(1).fit(np.eye(9))  # the first fit includes late imports
        block = report([digits_table(), *mnist_table(args.mnist)], args.seeds)
    print(f"\n{block}")
    if args.write_docs:
        fill(VARIANTS_PAGE, block, "stacked")


if __name__ == "__main__":
    main()
