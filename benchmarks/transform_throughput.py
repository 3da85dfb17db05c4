"""Speed and memory of ``transform`` for a million rows, against the bare module.

    python -m benchmarks.transform_throughput [--rows N] [--batch-size N]

The bare module encodes batches of the same size under ``torch.inference_mode`` into a
preallocated array. One thread, CPU time, interleaved repeats. The extra memory is the
peak resident size during ``transform``, minus the resident size before it and the size
of the output.
"""

import argparse
import threading
import time

import numpy as np
import torch

from benchmarks._report import (
    BENCHMARKS_PAGE,
    cpu_seconds,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder

N_FEATURES = 64


def encode(module, X, output, batch_size):
    with torch.inference_mode():
        for start in range(0, len(X), batch_size):
            rows = slice(start, start + batch_size)
            output[rows] = module.encode(torch.from_numpy(X[rows])).numpy()


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def highest_resident_bytes(call, *args):
    """Result of ``call(*args)``, resident size before it, and peak during it."""
    before = highest = resident_bytes()
    done = threading.Event()

    def watch():
        nonlocal highest
        while not done.is_set():
            highest = max(highest, resident_bytes())
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = call(*args)
    finally:
        done.set()
        watcher.join()
    return result, before, highest


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--components", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=1024, help="of the bare loop")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()

    with one_thread():
        rng = np.random.default_rng(0)
        X = rng.standard_normal((args.rows, N_FEATURES), dtype=np.float32)
        estimator = Autoencoder(args.components, max_epochs=1, random_state=0)
        estimator.fit(X[:10_000])
        module = estimator.module_.eval()
        output = np.empty((len(X), args.components), dtype=np.float32)
        estimator.transform(X[:1000])  # exclude one-time setup from the timing

        try:
            codes, before, highest = highest_resident_bytes(estimator.transform, X)
            extra = f"{max(0, highest - before - codes.nbytes) / 2**20:.0f} MB"
        except FileNotFoundError:
            codes, extra = estimator.transform(X), "not measured (no /proc)"

        encode(module, X, output, args.batch_size)
        times = []
        for _ in range(args.repeats):
            bare = cpu_seconds(encode, module, X, output, args.batch_size)
            times.append((bare, cpu_seconds(estimator.transform, X)))
        np.testing.assert_allclose(codes, output, rtol=1e-4, atol=1e-5)

    bare, ours = np.median(times, axis=0)
    ratio = np.median([bare / ours for bare, ours in times])
    rows = [
        ["bare module", f"{len(X) / bare / 1e6:.2f}", "1.000"],
        ["`transform`", f"{len(X) / ours / 1e6:.2f}", f"{ratio:.3f}"],
    ]
    table = markdown_table(["", "million rows / CPU s", "ratio"], rows)
    note = (
        f"{len(X):,} rows x {N_FEATURES} float32 to {args.components} components; "
        f"medians of {args.repeats}. Memory of `transform` besides its output: {extra}."
    )
    block = "\n\n".join([table, note, machine()])
    print(block)
    if args.write_docs:
        fill(BENCHMARKS_PAGE, block, "throughput")


if __name__ == "__main__":
    main()
