"""One model trained by 1, 2 and 4 processes of this machine, and what 100 would do.

    python -m benchmarks.distributed [--ranks 2 4] [--write-docs]

Prints four tables:

- *Parity*: the largest difference of a weight to that of a single process, divided by
  the largest weight, after five epochs on uneven parts of a table. For comparison, the
  same for a single process whose table is rounded in another way.
- *Time*: per row and epoch, bytes that a rank hands to ``all_reduce`` in a step, and
  the share of the time inside of it, in which a rank also waits for slower ones.
- *On paper*: what a small model says of the same steps. It knows the steps of a single
  process with the whole batch and with a quarter of it, and what it takes so many ranks
  to add up gradients of one number and of 4 MB, and nothing else.
- *100 machines*: what the same model says of them, with the flops of this machine.

Each rank has one thread. Ranks beyond the number of cores share them, which the model
takes into account. The times are those of the fastest epoch and the fastest call, since
other processes only ever slow them down.
"""

import argparse
import itertools
import os
import pickle
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
from torch import distributed, multiprocessing

from benchmarks._report import (
    BENCHMARKS_PAGE,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder
from sklearn_ae.data.ranks import Ranks
from sklearn_ae.training.net import AutoencoderNet

# Numbers that an all_reduce sums up to measure the bandwidth: 4 MB.
LARGE = 2**20

# Between machines of one switch; half of a round trip and what the software needs.
LATENCY = 30e-6


@dataclass(frozen=True)
class Case:
    """A network with its table and its batches."""

    name: str
    n_features: int
    hidden: tuple[int, ...]
    n_components: int
    batch_size: int
    n_rows: int
    epochs: int

    def table(self):
        rng = np.random.default_rng(0)
        causes = rng.standard_normal((self.n_rows, 10), np.float32)
        loads = rng.standard_normal((10, self.n_features), np.float32)
        return np.tanh(causes @ loads)

    def estimator(self, epochs, batch_size=None):
        return Autoencoder(
            self.n_components,
            hidden_layer_sizes=self.hidden,
            init="random",
            learning_rate=1e-3,
            learning_rate_schedule="constant",
            validation=None,
            batch_size=batch_size or self.batch_size,
            max_epochs=epochs,
            random_state=0,
        )

    @property
    def n_weights(self):
        return n_weights(self.n_features, *self.hidden, self.n_components)


CASES = (
    Case("small", 64, (128,), 8, 256, 25_600, 20),
    Case("wide", 784, (1024, 256), 32, 1024, 8_192, 8),
)


def n_weights(*widths):
    """Weights and biases of an encoder with these widths and of its mirror image."""
    products = sum(a * b for a, b in itertools.pairwise(widths))
    biases = sum(widths[1:]) + sum(widths[:-1])
    return 2 * products + biases


# -- what is measured ------------------------------------------------------------------


def weights_of(estimator):
    parts = estimator.module_.state_dict().values()
    return torch.cat([part.reshape(-1).double() for part in parts]).numpy()


def parity_rows(case, rank, size):
    """Uneven parts of a table: rank 0 has as many rows as all others together."""
    X = case.table()
    n_rows = len(X) // 8 + 3
    if size == 1:
        return X[:n_rows]
    edges = np.linspace(n_rows // 2, n_rows, size).astype(int)
    start, stop = np.append(0, edges)[rank : rank + 2]
    return X[start:stop]


def parity_weights(case, rank, size):
    """The weights after five epochs on these parts."""
    return weights_of(case.estimator(5).fit(parity_rows(case, rank, size)))


class TimedReduce:
    """Stands in for ``torch.distributed.all_reduce``, and counts what it costs."""

    def __init__(self):
        self.reduce = distributed.all_reduce
        self.seconds, self.n_bytes = 0.0, 0

    def __call__(self, tensor, *args, **kwargs):
        start = time.perf_counter()
        done = self.reduce(tensor, *args, **kwargs)
        self.seconds += time.perf_counter() - start
        self.n_bytes = max(self.n_bytes, tensor.numel() * tensor.element_size())
        return done


class Epoch(NamedTuple):
    """The time of a step in an epoch, and how much of it is communication."""

    step: float
    share: float
    n_bytes: int


def fastest_epoch(estimator, rows):
    """The fastest epoch of a fit to the rows of this rank, but for the first."""
    epochs, run = [], AutoencoderNet.run_single_epoch

    def timed(net, iterator, training, *args, **kwargs):
        counter = TimedReduce()
        start = time.perf_counter()
        with mock.patch.object(distributed, "all_reduce", counter):
            losses = run(net, iterator, training, *args, **kwargs)
        seconds = time.perf_counter() - start
        if training:
            share, n_bytes = counter.seconds / seconds, counter.n_bytes
            epochs.append(Epoch(seconds / len(iterator), share, n_bytes))
        return losses

    with mock.patch.object(AutoencoderNet, "run_single_epoch", timed):
        estimator.fit(rows)
    return min(epochs[1:])


def reduce_seconds(n_numbers, n_calls):
    """Time that a step takes to add up gradients of so many numbers."""
    ranks, seconds = Ranks(), []
    weight = torch.zeros(n_numbers, requires_grad=True)
    for _ in range(n_calls):
        weight.grad = torch.zeros(n_numbers)
        distributed.barrier()
        start = time.perf_counter()
        ranks.sum_gradients([weight], torch.zeros(()), 1 / ranks.size, None)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measured(case, rank, size):
    """What one rank measures of a case."""
    own = np.ascontiguousarray(case.table()[rank::size])
    found = {
        "weights": parity_weights(case, rank, size),
        "epoch": fastest_epoch(case.estimator(case.epochs), own),
    }
    if size == 1:
        quarter = case.estimator(case.epochs, case.batch_size // 4)
        found["quarter"] = fastest_epoch(quarter, own)
        X = parity_rows(case, 0, 1)
        signs = np.random.default_rng(1).choice([-1, 1], X.shape)
        rounded = (X * (1 + 2.0**-24 * signs)).astype(np.float32)
        found["rounded"] = weights_of(case.estimator(5).fit(rounded))
    return found


def run_rank(rank, size, folder):
    """Measure all cases, as one rank; the first one leaves the results in a file."""
    torch.set_num_threads(1)
    if size > 1:
        store = f"file://{folder}/store"
        distributed.init_process_group(
            "gloo", init_method=store, rank=rank, world_size=size
        )
    with one_thread():
        found = {case.name: measured(case, rank, size) for case in CASES}
        if size > 1:
            small, large = reduce_seconds(1, 300), reduce_seconds(LARGE, 30)
            found["latency"] = small
            found["bandwidth"] = 4 * LARGE / max(large - small, 1e-9)
    if rank == 0:
        (Path(folder) / "found.pickle").write_bytes(pickle.dumps(found))
    if size > 1:
        distributed.destroy_process_group()


def run_ranks(size):
    """What so many processes have measured together."""
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(run_rank, (size, folder), nprocs=size)
        return pickle.loads((Path(folder) / "found.pickle").read_bytes())


# -- what is computed ------------------------------------------------------------------


@dataclass(frozen=True)
class StepModel:
    """Time of a step of a single process: ``fixed + per_row * n_rows``."""

    fixed: float
    per_row: float

    @classmethod
    def from_steps(cls, n_rows, seconds, fewer_rows, fewer_seconds):
        """From the steps with a batch and with a smaller one."""
        per_row = (seconds - fewer_seconds) / (n_rows - fewer_rows)
        return cls(max(seconds - per_row * n_rows, 0.0), per_row)

    def step(self, n_rows, ranks, n_bytes, latency, bandwidth, crowding=1.0):
        """Time of a step of so many ranks together.

        Parameters
        ----------
        n_rows : int
            Rows in a batch, of all ranks together.
        ranks : int
        n_bytes : int
            Bytes of the gradient.
        latency, bandwidth : float
            An all_reduce of n bytes takes ``latency + n / bandwidth`` seconds.
        crowding : float
            Ranks per core, at least 1.
        """
        compute = crowding * (self.fixed + self.per_row * n_rows / ranks)
        return compute + (latency + n_bytes / bandwidth if ranks > 1 else 0.0)


def ring(ranks, latency, bandwidth):
    """Latency and bandwidth of an all_reduce around a ring of machines.

    Each machine sends ``2 (ranks - 1)`` messages, one after another, each a share
    ``1 / ranks`` of the whole. `latency` and `bandwidth` are those of a message.
    """
    n_messages = 2 * (ranks - 1)
    return n_messages * latency, bandwidth * ranks / n_messages


def parity_table(found, sizes):
    rows = []
    for case in CASES:
        alone = found[1][case.name]["weights"]
        others = [found[n][case.name]["weights"] for n in sizes[1:]]
        others.append(found[1][case.name]["rounded"])
        largest = np.abs(alone).max()
        cells = [f"{np.abs(one - alone).max() / largest:.0e}" for one in others]
        rows.append([case.name, *cells])
    names = [f"{n} ranks" for n in sizes[1:]]
    return markdown_table(["network", *names, "rounded"], rows)


def time_table(found, sizes):
    rows = []
    for case in CASES:
        alone = found[1][case.name]["epoch"]
        for n in sizes:
            epoch = found[n][case.name]["epoch"]
            row = [
                f"{case.name}, {n} {'rank' if n == 1 else 'ranks'}",
                f"{1e6 * epoch.step / case.batch_size:.2f} µs",
                f"{alone.step / epoch.step:.2f}",
            ]
            if n > 1:
                row += [f"{epoch.n_bytes / 1e6:.2f} MB", f"{epoch.share:.0%}"]
            rows.append(row + [""] * (5 - len(row)))
    header = ["network", "row and epoch", "speed-up", "bytes a step", "in all_reduce"]
    return markdown_table(header, rows)


def models(found):
    """The step of a single process, by the name of the case."""
    return {
        case.name: StepModel.from_steps(
            case.batch_size,
            found[1][case.name]["epoch"].step,
            case.batch_size // 4,
            found[1][case.name]["quarter"].step,
        )
        for case in CASES
    }


def paper_table(found, sizes, cores):
    rows = []
    for case in CASES:
        model = models(found)[case.name]
        for n in sizes[1:]:
            line = found[n]
            predicted = model.step(
                case.batch_size,
                n,
                4 * case.n_weights,
                line["latency"],
                line["bandwidth"],
                crowding=max(1.0, n / cores),
            )
            step = line[case.name]["epoch"].step
            rows.append(
                [
                    f"{case.name}, {n} ranks",
                    f"{1e3 * predicted:.2f} ms",
                    f"{1e3 * step:.2f} ms",
                    f"{step / predicted:.2f}",
                ]
            )
    return markdown_table(["network", "predicted", "measured", "ratio"], rows)


def machines_table(found, ranks=100):
    """Speed-up of 100 machines, with one core like this one each."""
    by_name = models(found)
    small, wide = CASES
    # Each weight takes part in a product in three passes: forward, and two backward.
    rate = 6 * wide.n_weights / by_name["wide"].per_row
    per_weight = (by_name["wide"].fixed - by_name["small"].fixed) / (
        wide.n_weights - small.n_weights
    )
    per_weight = max(per_weight, 0.0)
    rows = []
    for widths in ((64, 128, 8), (784, 1024, 256, 32), (4096, 4096, 1024)):
        n = n_weights(*widths)
        fixed = by_name["small"].fixed + per_weight * (n - small.n_weights)
        model = StepModel(fixed, 6 * n / rate)
        for batch in (256, 25_600):
            alone = model.step(batch, 1, 0, 0.0, 1.0)
            cells = []
            for gigabits in (1, 10):
                latency, bandwidth = ring(ranks, LATENCY, gigabits * 1e9 / 8)
                together = model.step(batch, ranks, 4 * n, latency, bandwidth)
                cells += [f"{1e3 * together:,.1f} ms", f"{alone / together:.2g}"]
            name = "-".join(map(str, widths))
            line = [name, f"{batch:,}", f"{4e-6 * n:,.2f} MB", f"{1e3 * alone:,.1f} ms"]
            rows.append([*line, *cells])
    header = ["layers", "batch", "gradient", "alone"]
    header += ["1 Gbit/s", "speed-up", "10 Gbit/s", "speed-up"]
    table = markdown_table(header, rows)
    return f"{table}\n\nA core computes {rate / 1e9:.0f} Gflop/s."


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--write-docs", action="store_true")
    options = parser.parse_args()
    sizes = sorted({1, *options.ranks})
    if sys.platform == "linux":
        # Without it, gloo looks up the name of the host, which need not have one.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    found = {size: run_ranks(size) for size in sizes}
    tables = {
        "Parity": parity_table(found, sizes),
        "Time": time_table(found, sizes),
        "On paper": paper_table(found, sizes, cores),
        "100 machines": machines_table(found),
    }
    for name, table in tables.items():
        print(f"{name}\n\n{table}\n")
    about = [
        f"all_reduce of {size} ranks: {1e6 * found[size]['latency']:.0f} µs and "
        f"{found[size]['bandwidth'] / 1e9:.2f} GB/s."
        for size in sizes[1:]
    ]
    about.append(machine(f"one thread per rank, {cores} usable"))
    print("\n".join(about))
    if options.write_docs:
        tables["machine"] = " ".join(about)
        for name, table in tables.items():
            fill(BENCHMARKS_PAGE, table, f"distributed {name.lower()}")


if __name__ == "__main__":
    main()
