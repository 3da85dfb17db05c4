"""Training that is killed at random moments: does it end with the same bits?

    python -m benchmarks.kills [--kills N] [--seed S]

Runs the loop of the page "Reliability" of the user guide in a process that gets a
SIGKILL at a random moment and is started again, so many times, and then once without a
signal. Prints how many epochs were done at each signal, and whether the result is that
of a training that was never killed.
"""

import argparse
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from benchmarks._report import machine
from sklearn_ae import Autoencoder

N_EPOCHS = 60


def train_in_file(path, X):
    if path.exists():
        autoencoder = pickle.loads(path.read_bytes())
    else:
        autoencoder = Autoencoder(4, random_state=0)
    while getattr(autoencoder, "n_iter_", 0) < N_EPOCHS:
        autoencoder.partial_fit(X)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(pickle.dumps(autoencoder))
        os.replace(unfinished, path)
    return autoencoder


def start(path):
    """A process that says when it begins to train."""
    command = [sys.executable, "-m", "benchmarks.kills", "--run", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    X = load_digits().data[:200] / 16
    if args.run:
        print("begins", flush=True)
        train_in_file(args.run, X)
        return
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        whole = train_in_file(Path(folder) / "whole.pickle", X)
        seconds = (time.perf_counter() - began) / args.kills
        path, done = Path(folder) / "killed.pickle", []
        for _ in range(args.kills):
            process = start(path)
            time.sleep(rng.uniform(0, 1.5 * seconds))
            process.send_signal(signal.SIGKILL)
            process.wait()
            done.append(pickle.loads(path.read_bytes()).n_iter_ if path.exists() else 0)
        start(path).wait()
        resumed = pickle.loads(path.read_bytes())
    is_same = np.array_equal(resumed.transform(X), whole.transform(X))
    print(f"epochs done after each signal: {done}", f"same bits: {is_same}", sep="\n")
    print("", machine("all used"), sep="\n")


if __name__ == "__main__":
    main()
