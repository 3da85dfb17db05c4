"""Fits with a checkpoint that are killed at random moments: the same bits in the end?

    python -m benchmarks.resumption [--kills N] [--seed S] [--overhead]

Each row is a fit in a process that gets a SIGKILL at a random moment in the first third
of the time that a fit takes, is started again, gets the next one, and so on. A fit that
ends in spite of them is compared with one that was never killed, and the next one
begins. The fits save after every epoch, so that many signals strike while they write.
"Epochs" are those of all networks that were saved at each signal. "While writing"
counts the signals that left a half-written file.

With ``--overhead`` it measures instead what a checkpoint costs: seconds of fits
without one, with the default of one file a minute, and with a file every epoch.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits

from benchmarks._report import machine, markdown_table
from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    StackedAutoencoder,
)
from sklearn_ae.persistence import Checkpoint, files

PLAIN = Autoencoder(8, init="random", max_epochs=30, random_state=0)
FITS = {
    "one training": PLAIN,
    "comparison of candidates": Autoencoder(4, max_epochs=15, random_state=0),
    "stacked": StackedAutoencoder(
        4, hidden_layer_sizes=16, max_epochs=15, pretrain_epochs=15, random_state=0
    ),
    "classifier": AutoencoderClassifier(PLAIN, max_epochs=30, random_state=0),
    "detector": AutoencoderOutlierDetector(PLAIN, random_state=0),
}


def data():
    X, y = load_digits(return_X_y=True)
    return X[:250] / 16, y[:250]


def result(estimator):
    X, _ = data()
    name = "transform" if hasattr(estimator, "transform") else "score_samples"
    return getattr(estimator, name)(X)


def run(name, path):
    """Fit, and write the result beside the checkpoint."""
    print("begins", flush=True)
    checkpoint = Checkpoint(path, every_seconds=0)
    fitted = clone(FITS[name]).set_params(checkpoint=checkpoint).fit(*data())
    np.save(path.with_suffix(".npy"), result(fitted))


def start(name, path):
    command = [sys.executable, "-m", "benchmarks.resumption", "--run", name, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def saved_epochs(path):
    """How many epochs of networks the checkpoint has."""
    if not path.exists():
        return 0
    records = [one.value() for name, one in files.read(path).items() if name != "head"]
    return sum(
        max(len(training["net"]["history"]) for training in record["trainings"])
        for record in records
    )


def killed(name, n_kills, rng, folder):
    """A row of the table."""
    path = Path(folder) / f"{name}.npz"
    began = time.perf_counter()
    checkpoint = Checkpoint(path, every_seconds=0)
    whole = clone(FITS[name]).set_params(checkpoint=checkpoint).fit(*data())
    seconds = time.perf_counter() - began
    epochs, n_torn, n_ended, n_same = [], 0, 0, 0
    while len(epochs) < n_kills or n_ended == 0:
        process = start(name, path)
        if len(epochs) < n_kills:
            # A third of the fit at most, so that several signals meet most fits.
            with suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0, seconds / 3))
        if len(epochs) == n_kills:
            process.wait()
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            torn = list(path.parent.glob(f"{path.name}.*.unfinished"))
            n_torn += bool(torn)
            epochs.append(saved_epochs(path))
        else:
            n_ended += 1
            same = np.array_equal(np.load(path.with_suffix(".npy")), result(whole))
            left = list(path.parent.glob(f"{path.name}*"))
            n_same += bool(same and not left)
            path.with_suffix(".npy").unlink()
    return {
        "fit": name,
        "signals": n_kills,
        "epochs saved at each": " ".join(map(str, epochs)),
        "while writing": n_torn,
        "fits that ended": n_ended,
        "with the same bits, file removed": n_same,
    }


def overhead(folder):
    """Least seconds of fits without and with a checkpoint, in turns."""
    X, _ = load_digits(return_X_y=True)
    rng = np.random.RandomState(0)
    wide = Autoencoder(32, init="random", hidden_layer_sizes=(512, 256), max_epochs=5)
    path = Path(folder) / "fit.npz"
    ways = {
        "without": None,
        "once a minute": Checkpoint(path),
        "every epoch": Checkpoint(path, every_n_epochs=1),
    }
    for name, estimator, table, n_times in (
        ("one training, 250 x 64", PLAIN, X[:250] / 16, 15),
        ("comparison, 250 x 64", FITS["comparison of candidates"], X[:250] / 16, 15),
        ("comparison, 1797 x 64", Autoencoder(8, random_state=0), X / 16, 3),
        ("512 and 256 units, 6000 x 784", wide, rng.rand(6000, 784), 5),
    ):
        times = {way: [] for way in ways}
        for _ in range(n_times):
            for way, checkpoint in ways.items():
                fit = clone(estimator).set_params(checkpoint=checkpoint, random_state=0)
                began = time.perf_counter()
                fit.fit(table)
                times[way].append(time.perf_counter() - began)
        yield {"fit": name} | {way: f"{min(some):.3f} s" for way, some in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="signals to each fit")
    parser.add_argument("--fits", nargs="+", choices=FITS, default=list(FITS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overhead", action="store_true")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        name, path = args.run
        run(name, Path(path))
        return
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        if args.overhead:
            rows = list(overhead(folder))
        else:
            rows = [killed(name, args.kills, rng, folder) for name in args.fits]
    table = markdown_table(list(rows[0]), [list(row.values()) for row in rows])
    print(table, "", machine("all used"), sep="\n")


if __name__ == "__main__":
    main()
