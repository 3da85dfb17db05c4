"""The variational autoencoder on MNIST, compared with PyTorch's VAE example.

    python -m benchmarks.variational [--mnist PATH]

The example trains 784-400-20 networks with ReLU for 10 epochs with batches of 128 on
all 60,000 images. It reports the binary cross-entropy of the grey pixels plus the KL
divergence, in nats per image, on the test set: 105.59. Here the same network is trained
with the settings of the example (Adam at a constant 1e-3, random weights) and with the
initialisation and schedule of this package. The figure is the negative evidence lower
bound. For grey pixels it is not a likelihood, and about 45.5 nats of it are the entropy
of the pixels themselves.
"""

import argparse

import numpy as np

from benchmarks._data import add_mnist_argument, load_labelled_mnist
from benchmarks._report import cpu_seconds, machine, markdown_table, one_thread
from sklearn_ae import VariationalAutoencoder

NETWORK = {
    "hidden_layer_sizes": 400,
    "activation": "relu",
    "loss": "bernoulli",
    "batch_size": 128,
    "max_epochs": 10,
    "validation": None,
}
SETTINGS = {
    "as in PyTorch's example": {
        "init": "random",
        "learning_rate": 1e-3,
        "learning_rate_schedule": "constant",
    },
    "initialisation and schedule of this package": {},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    parser.add_argument("--seeds", type=int, default=3, help="how many (default 3)")
    args = parser.parse_args()
    arrays = load_labelled_mnist(args.mnist)
    if arrays is None:
        return
    train, _, test, _ = arrays
    rows = []
    with one_thread():
        for name, settings in SETTINGS.items():
            figures = []
            for seed in range(args.seeds):
                vae = VariationalAutoencoder(
                    20, random_state=seed, **NETWORK | settings
                )
                seconds = cpu_seconds(vae.fit, train)
                figures.append((-vae.score_samples(test).mean(), seconds))
            loss, seconds = np.median(figures, axis=0)
            rows.append([name, f"{loss:.2f}", f"{seconds:.0f}"])
            print(*rows[-1], flush=True)
    print(markdown_table(["training", "test loss, nats", "fit: s"], rows))
    print(f"\nMedians over {args.seeds} seeds; PyTorch's example reports 105.59.")
    print(f"Measured by `python -m benchmarks.variational` on {machine()}.")


if __name__ == "__main__":
    main()
