"""Few labels, many images: the gain from pretraining on all images.

    python -m benchmarks.semi_supervised [--mnist PATH] [--labels N] [--seeds N]
        [--write-docs]

600 of MNIST's 60,000 training images (1 %) are labelled; each seed draws different
ones. All networks are 784-256-256-10. "Not pretrained" starts from random weights, the
others from an autoencoder of all images. If MNIST is unavailable, the digits are used
instead, half of them held out and 10 % labelled, with codes of 64 columns.
"""

import argparse

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from benchmarks._data import add_mnist_argument, load_labelled_mnist
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
    AutoencoderClassifier,
    DenoisingAutoencoder,
    StackedAutoencoder,
)

NETWORK = {"hidden_layer_sizes": (256,), "code_activation": "silu"}
RANDOM = {"init": "random", **NETWORK}
MASKING = DenoisingAutoencoder(corruption="masking")
AUTOENCODERS = {
    "plain": Autoencoder(**RANDOM),
    "denoising": DenoisingAutoencoder(corruption="masking", **RANDOM),
    # The classical procedure: layer by layer, and end to end only with the labels.
    "stacked denoising": StackedAutoencoder(layer=MASKING, max_epochs=0, **NETWORK),
}
# All labels are needed for training, so none are held out.
TUNING = {"validation": None, "max_epochs": 50}


def digits():
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.5, random_state=0)
    return X, y, X_test, y_test


def measure(data, n_labels, epochs, seed):
    """{method: (test accuracy, CPU seconds of its fit)} for one draw of labels."""
    X, y, X_test, y_test = data
    rows = np.random.RandomState(seed).permutation(len(X))[:n_labels]
    few, labels = X[rows], y[rows]
    results = {}

    def add(name, model, X=few, X_test=X_test, seconds=0.0):
        seconds += cpu_seconds(model.fit, X, labels)
        results[name] = model.score(X_test, y_test), seconds

    linear = LogisticRegression(max_iter=1000)
    add("logistic regression, pixels", linear)
    pca = PCA(64, whiten=True, random_state=seed)
    seconds = cpu_seconds(pca.fit, X)
    codes = pca.transform(few), pca.transform(X_test)
    add("logistic regression, 64 PCA codes", clone(linear), *codes, seconds)

    for name, autoencoder in AUTOENCODERS.items():
        autoencoder = clone(autoencoder).set_params(
            n_components=min(256, X.shape[1]), random_state=seed
        )
        if name == "plain":
            untrained = clone(autoencoder).set_params(max_epochs=0).fit(X[:1000])
            model = AutoencoderClassifier(untrained, random_state=seed, **TUNING)
            add("not pretrained", model)
        if epochs is not None:
            stacked = name.startswith("stacked")
            which = "pretrain_epochs" if stacked else "max_epochs"
            autoencoder.set_params(**{which: epochs})
        # Fitted here so that several classifiers can share it.
        seconds = cpu_seconds(autoencoder.fit, X)
        model = AutoencoderClassifier(autoencoder, random_state=seed)
        for what, params in {
            "frozen": {"freeze": True},
            "fine-tuned": TUNING,
            "fine-tuned, 10 % held out": TUNING | {"validation": 0.1},
        }.items():
            tuned = clone(model).set_params(**params)
            add(f"{name}, {what}", tuned, seconds=seconds)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    parser.add_argument("--labels", type=int, help="how many (default 1 %% of MNIST)")
    parser.add_argument("--seeds", type=int, default=5, help="how many (default 5)")
    parser.add_argument("--write-docs", action="store_true", help="fill in the page")
    args = parser.parse_args()

    data, name, epochs = load_labelled_mnist(args.mnist), "MNIST", 4
    if data is None:
        data, name, epochs = digits(), "digits", None
    n_labels = args.labels or (600 if name == "MNIST" else len(data[0]) // 10)
    runs = []
    with one_thread():
        for seed in range(args.seeds):
            runs.append(measure(data, n_labels, epochs, seed))
            print(seed, {k: round(v[0], 4) for k, v in runs[-1].items()}, flush=True)
    rows = []
    for method in runs[0]:
        accuracy, seconds = np.array([run[method] for run in runs]).T
        rows.append(
            [
                method,
                f"{np.median(accuracy):.3f}",
                f"{accuracy.min():.3f} to {accuracy.max():.3f}",
                f"{np.median(seconds):.1f}",
            ]
        )
    header = ["method", "test accuracy", "range", "fit, s"]
    block = "\n".join(
        [
            markdown_table(header, rows),
            "",
            f"{name}: {n_labels} of {len(data[0]):,} rows are labelled. Medians over "
            f"{args.seeds} seeds.",
            "",
            f"Measured by `python -m benchmarks.semi_supervised` on {machine()}.",
        ]
    )
    print(f"\n{block}")
    if args.write_docs:
        fill(VARIANTS_PAGE, block, "labels")


if __name__ == "__main__":
    main()
