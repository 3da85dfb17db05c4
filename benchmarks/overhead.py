"""CPU time per epoch of ``Autoencoder.fit`` compared with three other loops.

    python -m benchmarks.overhead [--mnist PATH] [--repeats N] [--write-docs]

All train for a fixed number of epochs with the same batches and one thread, without
validation rows, early stopping or a schedule:

- ``torch loop``: a hand-written loop around a copy of the network of ``module_``, with
  prepared float32 tensors, one random permutation per epoch, one indexing operation per
  batch, the loss ``mean 1/2 ||x - xhat||^2`` and fused AdamW;
- ``skorch``: ``NeuralNet`` around a copy of the same network with the same optimizer,
  with shuffling, and without its default validation split and printing;
- ``MLPRegressor(X, X)``: hidden layers of the same widths, relu, Adam.

The time of an epoch is the difference between a long and a short fit divided by the
difference in epochs, so that setup and cleanup do not count. Repeats are interleaved.
Figures are medians; ratios are medians of the ratios within a repeat.
"""

import argparse
import copy
import gc
import warnings

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from skorch import NeuralNet
from torch.nn import functional as F

from benchmarks._data import N_MNIST, add_mnist_argument, load_mnist
from benchmarks._report import (
    BENCHMARKS_PAGE,
    cpu_seconds,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder

LEARNING_RATE = 1e-3


def autoencoder_fit(X, k, hidden, batch_size):
    def fit(epochs):
        estimator = Autoencoder(
            k,
            hidden_layer_sizes=hidden,
            init="random",
            learning_rate=LEARNING_RATE,
            learning_rate_schedule="constant",
            batch_size=batch_size,
            max_epochs=epochs,
            validation=None,
            random_state=0,
        ).fit(X)
        assert estimator.n_iter_ == epochs
        return estimator

    return fit


def bare_network(module):
    """A trainable copy of the network, without the standardisation around it."""
    network = copy.deepcopy(module.network)
    return network.train().requires_grad_(True)


def torch_loop(X, network, batch_size):
    X = torch.from_numpy(X)

    def fit(epochs):
        module = copy.deepcopy(network)
        optimizer = torch.optim.AdamW(module.parameters(), LEARNING_RATE, fused=True)
        for _ in range(epochs):
            order = torch.randperm(len(X))
            for rows in order.split(batch_size):
                x = X[rows]
                loss = F.mse_loss(module(x), x, reduction="sum") / (2 * len(x))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    return fit


class Copy(torch.nn.Module):
    """A module class, as skorch requires, whose instances copy `network`."""

    def __init__(self, network):
        super().__init__()
        self.network = copy.deepcopy(network)

    def forward(self, x):
        return self.network(x)


class HalfSquaredError(torch.nn.Module):
    def forward(self, output, x):
        return F.mse_loss(output, x, reduction="sum") / (2 * len(x))


def skorch_fit(X, network, batch_size):
    def fit(epochs):
        NeuralNet(
            Copy,
            HalfSquaredError,
            module__network=network,
            optimizer=torch.optim.AdamW,
            optimizer__fused=True,
            lr=LEARNING_RATE,
            batch_size=batch_size,
            max_epochs=epochs,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        ).fit(X, X)

    return fit


def mlp_fit(X, k, hidden, batch_size):
    def fit(epochs):
        estimator = MLPRegressor(
            hidden_layer_sizes=(*hidden, k, *reversed(hidden)),
            learning_rate_init=LEARNING_RATE,
            batch_size=batch_size,
            max_iter=epochs,
            n_iter_no_change=epochs + 1,
            random_state=0,
        ).fit(X, X)
        assert estimator.n_iter_ == epochs

    return fit


def measure(X, k, hidden, batch_size, epochs, repeats):
    """{loop: CPU seconds per epoch, one value per repeat}."""
    short, long = epochs
    fit = autoencoder_fit(X, k, hidden, batch_size)
    network = bare_network(fit(1).module_)
    fits = {
        "torch loop": torch_loop(X, network, batch_size),
        "Autoencoder": fit,
        "skorch": skorch_fit(X, network, batch_size),
        "MLPRegressor(X, X)": mlp_fit(X, k, hidden, batch_size),
    }
    for fit in fits.values():
        fit(1)
    seconds = {name: [] for name in fits}
    for _ in range(repeats):
        for name, fit in fits.items():
            gc.collect()
            difference = cpu_seconds(fit, long) - cpu_seconds(fit, short)
            seconds[name].append(difference / (long - short))
    return {name: np.array(times) for name, times in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    parser.add_argument("--repeats", type=int, default=7, help="default 7")
    parser.add_argument("--only", metavar="TEXT", help="cases whose name has TEXT")
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()

    digits = (load_digits().data / 16).astype(np.float32)
    mnist = load_mnist(args.mnist)
    if mnist is None:
        large_name, shape = "random data of MNIST's shape", (N_MNIST, 784)
        large = np.random.default_rng(0).random(shape, dtype=np.float32)
    else:
        large_name, large = "MNIST 10k", mnist[0]
    # name: data, code, hidden layers, batch size, epochs of the short and the long fit
    cases = {
        "digits, batch 32": (digits, 8, (128,), 32, (5, 35)),
        "digits, batch 200": (digits, 8, (128,), 200, (10, 130)),
        f"{large_name}, batch 128": (large, 32, (256,), 128, (1, 5)),
    }

    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = []
    with one_thread():
        for name, case in cases.items():
            if args.only and args.only not in name:
                continue
            seconds = measure(*case, args.repeats)
            for loop, times in seconds.items():
                ratio = np.median(times / seconds["torch loop"])
                row = [name, loop, f"{1e3 * np.median(times):.2f}", f"{ratio:.2f}"]
                rows.append([*row, f"{1e3 * times.min():.2f}-{1e3 * times.max():.2f}"])
                print(*rows[-1], flush=True)
    header = ["case", "loop", "CPU ms / epoch", "ratio to the torch loop", "range"]
    block = f"{markdown_table(header, rows)}\n\n{machine()}"
    print("", block, sep="\n\n")
    if args.write_docs:
        fill(BENCHMARKS_PAGE, block, "overhead")


if __name__ == "__main__":
    main()
