"""Interrupts of BatchedGridSearchCV at random moments: does each end the search?

    python -m benchmarks.interrupts [--signals N] [--jobs 1 2] [--own-process]

A search over `Pipeline(PCA, SparseAutoencoder)` on digits, whose networks train
together, or one at a time (``lone``), gets a SIGINT at a moment drawn uniformly from
the time that the search takes without one. By default the signals of a row share one
process, where whatever one leaves behind disturbs the next; with ``--own-process`` each
has its own. A process that does not come back is ended after 20 seconds and counts as
hung.

The table counts the searches that raised `KeyboardInterrupt` and those that finished
first. Of the former it counts those that took more than a second to end, those that
left a thread, and those whose search was changed; these, and the hung, should be 0. Its
last column is the longest time from signal to end, which grows with the load of the
machine. The handler of SIGINT is Python's usual one, whatever the shell has set.
"""

import argparse
import faulthandler
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from benchmarks._report import machine, markdown_table
from sklearn_ae import SparseAutoencoder
from sklearn_ae.model_selection import BatchedGridSearchCV

COUNTS = ("interrupted", "finished first", "over 1 s", "thread left", "changed")
LONGEST = "longest: s"
LIMIT = 20  # seconds for a search that takes a fraction of one


class OwnAdam(torch.optim.Adam):
    """A user-defined optimizer, whose networks are trained one at a time."""


def make_search(kind, n_jobs):
    autoencoder = SparseAutoencoder(20, max_epochs=8, random_state=0)
    if kind == "lone":
        autoencoder.set_params(optimizer=OwnAdam, learning_rate=1e-3)
    pipeline = make_pipeline(PCA(20, random_state=0), autoencoder)
    grid = {"sparseautoencoder__lambd": [0.1, 1.0], "pca__n_components": [20, 30]}
    return BatchedGridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs)


def own_threads():
    return [t for t in threading.enumerate() if t.name.startswith("sklearn_ae")]


def interrupt_after(seconds, sent):
    time.sleep(seconds)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)


def one(kind, n_jobs, delay, X):
    """Which of `COUNTS` hold for a search with a signal after `delay` seconds."""
    search = make_search(kind, n_jobs)
    before = dict(vars(search))
    sent, outcome, raised, done = [], dict.fromkeys((*COUNTS, LONGEST), 0), False, None
    sender = threading.Thread(target=interrupt_after, args=(delay, sent), daemon=True)
    try:
        sender.start()
        search.fit(X)
        done = time.perf_counter()
        # A signal that comes late must not strike in what follows.
        sender.join()
        time.sleep(0.01)
    except KeyboardInterrupt:
        raised = done is None
        done = done or time.perf_counter()
    sender.join()
    if not raised:
        outcome["finished first"] = 1
        return outcome
    outcome["interrupted"] = 1
    outcome[LONGEST] = done - sent[0]
    outcome["over 1 s"] = int(outcome[LONGEST] > 1)
    outcome["thread left"] = int(bool(own_threads()))
    outcome["changed"] = int(vars(search) != before)
    return outcome


def merged(one, other):
    """Counts of both, and the longer time."""
    sums = {name: one[name] + other[name] for name in COUNTS}
    return sums | {LONGEST: max(one[LONGEST], other[LONGEST])}


def run(kind, n_jobs, n_signals, seed):
    """Send signals in this process, and print what came of them as JSON."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    X = load_digits().data[:150] / 16
    make_search(kind, n_jobs).fit(X)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        make_search(kind, n_jobs).fit(X)
        seconds.append(time.perf_counter() - start)
    rng = np.random.default_rng(seed)
    total = dict.fromkeys((*COUNTS, LONGEST), 0)
    for _ in range(n_signals):
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        outcome = one(kind, n_jobs, rng.uniform(0, min(seconds)), X)
        faulthandler.cancel_dump_traceback_later()
        total = merged(total, outcome)
    print(json.dumps(total))


def measure(kind, n_jobs, n_signals, seed, limit):
    command = [sys.executable, "-m", "benchmarks.interrupts", "--run", kind]
    command += [str(n_jobs), str(n_signals), str(seed)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, check=True
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        print(error.stderr, file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def row(kind, n_jobs, args):
    total, n_hung = dict.fromkeys((*COUNTS, LONGEST), 0), 0
    each = 1 if args.own_process else args.signals
    for i in range(args.signals // each):
        seed = args.seed + 1000 * i
        outcome = measure(kind, n_jobs, each, seed, LIMIT * (each + 4))
        if outcome is None:
            n_hung += 1
            continue
        total = merged(total, outcome)
    counts = [total[name] for name in COUNTS]
    return [kind, n_jobs, args.signals, *counts, n_hung, f"{total[LONGEST]:.2f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signals", type=int, default=125, help="a row, default 125")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--own-process", action="store_true")
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        kind, *numbers = args.run
        run(kind, *map(int, numbers))
        return
    rows = [
        row(kind, n_jobs, args) for kind in ("together", "lone") for n_jobs in args.jobs
    ]
    header = ["training", "n_jobs", "signals", *COUNTS, "hung", LONGEST]
    print(markdown_table(header, rows), "", machine("all used"), sep="\n")


if __name__ == "__main__":
    main()
