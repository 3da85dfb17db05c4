"""Tables larger than memory: quality, memory and time.

    python -m benchmarks.out_of_memory [--only quality|memory|limit] [--write-docs]

Needs pyarrow, zarr and h5py.

- *quality*: rows of a source are shuffled within a buffer only. Tables that are sorted
  are the hard case. The loss on other rows is compared with that of the same fit with
  all rows in memory, for some numbers of blocks in the buffer; all fits see the same
  validation data. The ratio of the losses is a median over seeds.
- *memory*: each fit and transform is a process of its own, with one thread. Its private
  memory (``RssAnon``) is read every 10 ms; what is reported is the peak, minus that
  after the imports. Pages of a memory map belong to the system's cache and are not
  counted. The CPU time is that of a fit of one epoch with all passes over the table
  before and after it, whose number is reported: how often a row is read. Files are in
  the cache of the system, since they have just been written.
- *limit*: a table of 4 GB in a process that is limited to 1 GB of private memory
  (``RLIMIT_DATA``: the heap, stacks and all private memory that can be written, touched
  or not, and imports as well; no read-only maps of files).

Linux only, because of ``/proc``.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.utils import shuffle

from benchmarks._report import (
    BENCHMARKS_PAGE,
    cpu_seconds,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from benchmarks.scale import kilobytes, write_rows
from sklearn_ae import Autoencoder
from sklearn_ae.data import RowSource, from_array, from_parquet

MB = 2**20
LIMIT = 2**30

# -- quality ---------------------------------------------------------------------------

BLOCKS = (1, 2, 4, 8, 16, 32, 128)
# As many buffers make a table.
BUFFERS = 8


class Chunked:
    """An array in chunks of rows, as zarr and h5py have them."""

    def __init__(self, array, n_rows):
        self.array, self.chunks = array, (n_rows, array.shape[1])
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        return self.array[rows]


def sorted_tables():
    """Name, sorted rows to train on, and other rows in random order."""
    X, y = shuffle(*load_digits(return_X_y=True), random_state=0)
    X = (X / 16).astype(np.float32)
    train, other = X[:1200], X[1200:]
    yield "digits, by class", train[np.argsort(y[:1200], kind="stable")], other
    yield "digits, by their mean", train[np.argsort(train.mean(axis=1))], other
    X = np.empty((40_000, 32), np.float32)
    write_rows(X)
    train, other = X[:30_000], X[30_000:]
    widest = X.var(axis=0).argmax()
    yield "generated, by a column", train[np.argsort(train[:, widest])], other
    rng = np.random.default_rng(0)
    centres = 4 * rng.standard_normal((10, 32), dtype=np.float32)
    group = rng.integers(10, size=len(X))
    X += centres[group]
    order = np.argsort(group[:30_000], kind="stable")
    yield "generated, by group", X[:30_000][order], X[30_000:]


def quality(n_seeds):
    rows = []
    for name, train, other in sorted_tables():
        half = len(other) // 2
        losses = {blocks: [] for blocks in (None, *BLOCKS)}
        for seed in range(n_seeds):
            for blocks, found in losses.items():
                X = train
                if blocks is not None:
                    step = len(train) // (BUFFERS * blocks)
                    n_bytes = step * blocks * train[:1].nbytes
                    X = from_array(Chunked(train, step), buffer_bytes=n_bytes)
                estimator = Autoencoder(6, random_state=seed)
                estimator.fit(X, X_val=other[:half])
                found.append(estimator.reconstruction_error(other[half:]).mean())
        whole = np.array(losses.pop(None))
        # What another seed changes.
        spread = whole.std(ddof=1) / whole.mean()
        ratios = [np.median(np.array(found) / whole) for found in losses.values()]
        rows.append([name, *(f"{ratio:.3f}" for ratio in ratios), f"{spread:.3f}"])
        print(*rows[-1], sep=" | ", flush=True)
    return markdown_table(["table", *BLOCKS, "spread over seeds"], rows)


# -- memory and time -------------------------------------------------------------------

FORMATS = ("memmap", "zarr", "h5py", "Parquet")
# Rows of 1,000 columns in single precision: 0.25, 0.5 and 1 GB.
SIZES = (62_500, 125_000, 250_000)
N_COLUMNS = 1_000
# Rows of a chunk or a row group: 8 MB, two blocks of `write_rows`.
CHUNK = 2 * (MB // N_COLUMNS)


def write_table(kind, folder, n_rows):
    """Write a table in one of the formats, block by block; its path."""
    path, shape = str(Path(folder) / kind), (n_rows, N_COLUMNS)
    if kind == "memmap":
        X = np.lib.format.open_memmap(path, "w+", np.float32, shape=shape)
        write_rows(X)
        X.flush()
    elif kind == "zarr":
        import zarr

        chunks = CHUNK, N_COLUMNS
        X = zarr.create_array(path, shape=shape, chunks=chunks, dtype=np.float32)
        write_rows(_BySlices(X))
    elif kind == "h5py":
        import h5py

        with h5py.File(path, "w") as file:
            X = file.create_dataset("X", shape, np.float32, chunks=(CHUNK, N_COLUMNS))
            write_rows(_BySlices(X))
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = [f"x{i}" for i in range(N_COLUMNS)]
        schema = pa.schema([(name, pa.float32()) for name in names])
        Path(path).mkdir()
        # Not one file for all: its metadata would be large.
        for part, start in enumerate(range(0, n_rows, 50_000)):
            X = np.empty((min(50_000, n_rows - start), N_COLUMNS), np.float32)
            write_rows(X, seed=part)
            table = pa.table(list(X.T), schema=schema)
            name = f"{path}/{part:04}.parquet"
            pq.write_table(table, name, row_group_size=CHUNK, compression="none")
    return path


class _BySlices:
    """Takes the blocks of `write_rows`, which writes into views of an array."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        return _Block(self.array, slice(start, stop))


class _Block:
    def __init__(self, array, rows):
        self.array, self.rows = array, rows
        self.shape = rows.stop - rows.start, array.shape[1]

    def __len__(self):
        return self.shape[0]

    def __setitem__(self, all_of_it, values):
        self.array[self.rows] = values


def open_table(kind, path):
    if kind == "memmap":
        return from_array(np.load(path, mmap_mode="r"))
    if kind == "zarr":
        import zarr

        return zarr.open_array(path, mode="r")
    if kind == "h5py":
        import h5py

        return h5py.File(path, "r")["X"]
    return from_parquet(path)


class Peak:
    """The largest private memory of the process within a block, in MB."""

    def __enter__(self):
        self.value, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self):
        while not self._stop.wait(0.01):
            self.value = max(self.value, kilobytes("RssAnon") / 1024)

    def __exit__(self, *args):
        self._stop.set()
        self._thread.join()


class Counting(RowSource):
    """Counts the rows that are read from a source."""

    def __init__(self, source):
        vars(self).update(vars(source))
        self.source, self.n_read = source, 0

    def read_block(self, i):
        self.n_read += int(self.edges[i + 1] - self.edges[i])
        return self.source.read_block(i)


def measure(kind, path, n_epochs, limited):
    """Figures of one fit and transform in this process."""
    if limited:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, hard))
    with one_thread():
        estimator = Autoencoder(8, max_epochs=n_epochs, random_state=0)
        small = np.random.default_rng(0).random((50, 10), dtype=np.float32)
        Autoencoder(2, max_epochs=1).fit(small)
        before = kilobytes("RssAnon") / 1024
        table = open_table(kind, path)
        source = table if isinstance(table, RowSource) else from_array(table)
        counting = Counting(source)
        with Peak() as fit_peak:
            seconds = cpu_seconds(estimator.fit, counting)
        with Peak() as transform_peak:
            for rows in source.slices():
                estimator.transform(source[rows])
    return {
        "size": source.nbytes / MB,
        "fit peak": fit_peak.value - before,
        "transform peak": transform_peak.value - before,
        "fit": 1e6 * seconds / len(source),
        "passes": counting.n_read / len(source),
    }


def measured(*case):
    """`measure` in a separate process."""
    command = [sys.executable, "-m", "benchmarks.out_of_memory"]
    command += ["--case", json.dumps(case)]
    # glibc then returns large freed blocks to the system at once.
    env = os.environ | {"MALLOC_MMAP_THRESHOLD_": "1000000"}
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=env
    )
    return json.loads(done.stdout)


HEADER = ["table", "MB", "fit: peak MB", "transform: peak MB", "fit: CPU µs per row"]
HEADER += ["passes of fit"]


def memory(sizes, kinds, *, limited):
    rows = []
    for kind in kinds:
        for n_rows in sizes:
            with tempfile.TemporaryDirectory() as folder:
                path = write_table(kind, folder, n_rows)
                found = measured(kind, path, 1, limited)
            names = ("size", "fit peak", "transform peak", "fit")
            row = [f"{found[name]:.0f}" for name in names]
            rows.append([kind, *row, f"{found['passes']:.1f}"])
            print(*rows[-1], sep=" | ", flush=True)
    return markdown_table(HEADER, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("quality", "memory", "limit"))
    parser.add_argument("--format", choices=FORMATS, action="append")
    parser.add_argument("--seeds", type=int, default=5, help="default 5")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        print(json.dumps(measure(*json.loads(args.case))))
        return
    kinds, tables = args.format or FORMATS, {}
    if args.only in (None, "quality"):
        title = "Error on other rows, relative to all rows in memory, by blocks in the "
        title += f"buffer ({args.seeds} seeds):"
        tables["quality"] = f"{title}\n\n{quality(args.seeds)}"
    if args.only in (None, "memory"):
        tables["memory"] = memory(SIZES, kinds, limited=False)
    if args.only in (None, "limit"):
        tables["limit"] = memory([1_000_000], kinds, limited=True)
    where = f"Measured by `python -m benchmarks.out_of_memory` on {machine()}."
    for name, table in tables.items():
        print(f"\n{name}\n\n{table}\n\n{where}")
        if args.write_docs:
            fill(BENCHMARKS_PAGE, f"{table}\n\n{where}", f"out of memory {name}")


if __name__ == "__main__":
    main()
