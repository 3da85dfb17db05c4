"""Time and memory of ``Autoencoder.fit`` against the size of the data.

    python -m benchmarks.scale [--only rows|columns|tables|map] [--write-docs]

Every figure comes from a separate process, on one thread, with one epoch of batches of
256 rows, the default network, initialisation and validation split. The data are
generated: a nonlinear function of 8 latent variables, with noise.

- Time is the CPU time of the fit, after a fit of 50 rows: the first fit of a process
  includes what is set up once, and is reported separately.
- Memory is the peak resident size up to the end of the fit (``VmHWM``) minus the
  resident size after the imports and minus the data.
- The slope is that of log time over log size; 1 is linear.
- The memory map is a file of 1.5 GB. The process is limited to 1 GB of private memory
  (``RLIMIT_DATA``: the heap, tables and data of libraries, touched or not, but no
  read-only maps of files).

Linux only, because of ``/proc``.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks._report import (
    BENCHMARKS_PAGE,
    cpu_seconds,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder

MB = 2**20
MAP_LIMIT = 2**30

# kind, rows, columns
CASES = {
    "rows": [("float32", 10**power, 64) for power in (3, 4, 5, 6)],
    "columns": [("float32", 10_000, p) for p in (10, 100, 1000, 2000, 5000)],
    "tables": [
        (kind, 100_000, 500)
        for kind in ("float32", "float64", "float32, Fortran order", "CSR, 5 % filled")
    ],
    "map": [("memory map", 400_000, 1000)],
}


def write_rows(X, seed=0):
    """Fill a table block by block."""
    rng = np.random.default_rng(seed)
    n_columns = X.shape[1]
    inner, outer = (
        rng.standard_normal(shape, dtype=np.float32)
        for shape in ((8, 32), (32, n_columns))
    )
    step = max(1, MB // n_columns)
    for start in range(0, len(X), step):
        rows = X[start : start + step]
        hidden = rng.standard_normal((len(rows), 8), dtype=np.float32)
        noise = rng.standard_normal(rows.shape, dtype=np.float32)
        rows[...] = np.tanh(hidden @ inner) @ outer + noise


def make_table(kind, n_rows, n_columns):
    shape = n_rows, n_columns
    if kind.startswith("CSR"):
        rng = np.random.default_rng(0)
        filled = n_columns // 20
        data = rng.standard_normal(n_rows * filled, dtype=np.float32)
        columns = np.arange(filled) * 20 + rng.integers(20, size=(n_rows, filled))
        starts = np.arange(n_rows + 1) * filled
        return sparse.csr_array((data, columns.ravel(), starts), shape=shape)
    dtype, order = kind.split(",")[0], "F" if "Fortran" in kind else "C"
    X = np.empty(shape, dtype, order=order)
    write_rows(X)
    return X


def n_bytes(X):
    parts = (X.data, X.indices, X.indptr) if sparse.issparse(X) else (X,)
    return sum(part.nbytes for part in parts)


def kilobytes(key):
    """An entry of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise KeyError(key)


def autoencoder():
    return Autoencoder(8, max_epochs=1, batch_size=256, random_state=0)


def measure(kind, n_rows, n_columns, path=None):
    """Figures of one fit in this process."""
    limit = None
    if path is not None:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (MAP_LIMIT, hard))
        limit = MAP_LIMIT
    with one_thread():
        before = kilobytes("VmRSS")
        X = make_table(kind, n_rows, n_columns) if path is None else np.load(path, "r")
        small = np.random.default_rng(0).random((50, 10), dtype=np.float32)
        first = cpu_seconds(autoencoder().fit, small)
        estimator = autoencoder()
        wall = time.perf_counter()
        fit = cpu_seconds(estimator.fit, X)
        wall = time.perf_counter() - wall
        peak = kilobytes("VmHWM")
        transform = cpu_seconds(estimator.transform, X)
    memory = (peak - before) * 1024 - n_bytes(X)
    return {
        "data": n_bytes(X) / MB,
        "first": first,
        "fit": fit,
        "wall": wall,
        "transform": transform,
        # The system decides how many pages of a map it keeps in memory.
        "memory": memory / MB if limit is None else None,
    }


def measured(*case):
    """`measure` in a separate process."""
    command = [sys.executable, "-m", "benchmarks.scale", "--case", json.dumps(case)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def measured_map(kind, n_rows, n_columns):
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "table.npy")
        shape = n_rows, n_columns
        X = np.lib.format.open_memmap(path, "w+", np.float32, shape=shape)
        write_rows(X)
        X.flush()
        del X
        return measured(kind, n_rows, n_columns, path)


def slopes(sizes, seconds):
    """Slope over all sizes, and the steepest between neighbours."""
    logs = np.log(sizes), np.log(seconds)
    return np.polyfit(*logs, 1)[0], (np.diff(logs[1]) / np.diff(logs[0])).max()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--repeats", type=int, default=3, help="default 3")
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        print(json.dumps(measure(*json.loads(args.case))))
        return

    rows, notes, first = [], [], []
    for group, cases in CASES.items():
        if args.only not in (None, group):
            continue
        medians = []
        for case in cases:
            kind, n_rows, n_columns = case
            run = measured_map if group == "map" else measured
            # One run is enough to show that it trains within the memory limit.
            runs = [run(*case) for _ in range(1 if group == "map" else args.repeats)]
            first += [found["first"] for found in runs]
            medians.append(float(np.median([found["fit"] for found in runs])))
            memory = "within the limit"
            if group != "map":
                memory = f"{max(found['memory'] for found in runs):.0f} MB"
            transform = np.median([found["transform"] for found in runs])
            row = [kind, f"{n_rows:,}", f"{n_columns:,}", f"{runs[0]['data']:.0f} MB"]
            row += [f"{medians[-1]:.2f}", f"{1e6 * medians[-1] / n_rows:.0f}"]
            rows.append([*row, f"{1e6 * transform / n_rows:.1f}", memory])
            print(*rows[-1], sep=" | ", flush=True)
        if group in ("rows", "columns"):
            sizes = [case[1 if group == "rows" else 2] for case in cases]
            overall, steepest = slopes(sizes, medians)
            notes.append(
                f"Slope of log CPU time over log {group}: {overall:.2f} overall, at "
                f"most {steepest:.2f} between neighbouring sizes."
            )
    notes.append(
        f"The first fit of a process, of 50 rows, takes {np.median(first):.2f} CPU "
        "seconds."
    )
    header = ["table", "rows", "columns", "data", "fit: CPU s"]
    header += ["fit: µs per row", "transform: µs per row", "memory besides the data"]
    if args.only in (None, "map"):
        notes.append(
            f"The process with the memory map is limited to {MAP_LIMIT / MB:,.0f} MB "
            "of private memory (`RLIMIT_DATA`), imports included."
        )
    notes.append(f"Measured by `python -m benchmarks.scale` on {machine()}.")
    block = "\n\n".join([markdown_table(header, rows), *notes])
    print("", block, sep="\n")
    if args.write_docs:
        fill(BENCHMARKS_PAGE, block, "scale")


if __name__ == "__main__":
    main()
