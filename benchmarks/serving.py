"""Latency of one row: `transform`, PCA's, torch.export's module, and ONNX Runtime.

    python -m benchmarks.serving [--repeats N]

All encode the same row of 64 values in single precision. One thread, wall-clock time,
medians of calls that take turns.
"""

import argparse
import io
import time
from importlib.metadata import version

import numpy as np
import onnxruntime
import torch
from sklearn.decomposition import PCA
from torch import nn

from benchmarks._report import (
    BENCHMARKS_PAGE,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder
from sklearn_ae.onnx import to_onnx

N_FEATURES, N_COMPONENTS = 64, 8


class Encoder(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module.encode(x)


def exported(module, rows):
    """The encoder as it comes back from a file of torch.export."""
    program = torch.export.export(
        Encoder(module).eval(),
        (rows,),
        dynamic_shapes=({0: torch.export.Dim("n_rows")},),
    )
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    return torch.export.load(file).module()


def session_of(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()

    with one_thread():
        X = np.random.default_rng(0).standard_normal((1000, N_FEATURES), np.float32)
        row = X[:1].copy()
        estimator = Autoencoder(N_COMPONENTS, max_epochs=3, random_state=0).fit(X)
        pca = PCA(N_COMPONENTS).fit(X)
        program = exported(estimator.module_, torch.from_numpy(X[:2]))
        session = session_of(to_onnx(estimator, X))

        def encode():
            with torch.inference_mode():
                return program(torch.from_numpy(row)).numpy()

        calls = {
            "`transform`": lambda: estimator.transform(row),
            "`transform` of PCA": lambda: pca.transform(row),
            "module of `torch.export`": encode,
            "ONNX Runtime": lambda: session.run(None, {"X": row})[0],
        }
        codes = estimator.transform(row)
        for name, call in calls.items():
            if "PCA" not in name:
                np.testing.assert_allclose(call(), codes, atol=1e-5 * abs(codes).max())
        times = {name: [] for name in calls}
        for _ in range(args.repeats):
            for name, call in calls.items():
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)

    rows = [[name, f"{1000 * np.median(taken):.3f}"] for name, taken in times.items()]
    table = markdown_table(["", "ms / row"], rows)
    note = (
        f"One row of {N_FEATURES} float32 to {N_COMPONENTS} components; medians of "
        f"{args.repeats:,} calls. ONNX Runtime {version('onnxruntime')}."
    )
    block = "\n\n".join([table, note, machine()])
    print(block)
    if args.write_docs:
        fill(BENCHMARKS_PAGE, block, "serving")


if __name__ == "__main__":
    main()
