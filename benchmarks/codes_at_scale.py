"""Rows per second of `transform` on Dask, Ray, Spark and polars, and of PCA's there.

    python -m benchmarks.codes_at_scale [--rows N] [--hidden 256 128] [--repeats N]
        [--write-docs]

Needs the extra `cluster`. Each engine has two workers of one thread and a table that is
in its memory already. A first run, in which workers import what they need, is left out;
then the two estimators take turns, and the fastest run is shown, since other processes
only ever slow it down. The codes come back to this process. "Loads" is how often the
model is loaded in a run, in whatever process.
"""

import argparse
import contextlib
import os
import pickle
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA

from benchmarks._report import (
    BENCHMARKS_PAGE,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import Autoencoder

N_FEATURES, N_COMPONENTS, N_PARTS = 64, 8, 16


def thread_count(_=None):
    return torch.get_num_threads()


class Noted:
    """A model that appends a line to a file whenever it is loaded."""

    def __init__(self, model, notes):
        self.model, self.notes = model, notes

    def __setstate__(self, state):
        vars(self).update(state)
        with open(self.notes, "a", encoding="utf-8") as file:
            file.write("x\n")

    def __call__(self, part):
        return self.model.transform(part)


@contextlib.contextmanager
def plain(frame):
    with one_thread():
        yield lambda model: model(frame), thread_count()


@contextlib.contextmanager
def polars(frame):
    import polars as pl

    table = pl.from_pandas(frame).lazy()

    def run(model):
        schema = dict.fromkeys(model.model.get_feature_names_out(), pl.Float32)
        encode = lambda part: pl.from_pandas(model(part.to_pandas()))  # noqa: E731
        return table.map_batches(encode, schema=schema).collect()

    with one_thread():
        yield run, thread_count()


def dask(delayed):
    @contextlib.contextmanager
    def engine(frame):
        import dask
        import dask.dataframe as dd
        from dask.distributed import Client, LocalCluster

        workers = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1"}
        with (
            LocalCluster(**workers, dashboard_address="127.0.0.1:0") as cluster,
            Client(cluster) as client,
        ):
            table = dd.from_pandas(frame, npartitions=N_PARTS).persist()

            def run(model):
                meta = model.model.transform(frame.head(1)).head(0)
                sent = dask.delayed(model) if delayed else model
                encode = lambda part, model: model(part)  # noqa: E731
                return table.map_partitions(encode, sent, meta=meta).compute()

            threads = max(client.run(thread_count).values())
            yield run, threads

    return engine


@contextlib.contextmanager
def ray(frame):
    import ray

    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error"
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    step = -(-len(frame) // N_PARTS)
    parts = [frame[start : start + step] for start in range(0, len(frame), step)]
    table = ray.data.from_pandas(parts).materialize()

    class Encode:
        def __init__(self, model):
            self.model = model

        def __call__(self, part):
            return self.model(part)

    def run(model):
        pool = ray.data.ActorPoolStrategy(size=2)
        how = {"batch_format": "pandas", "batch_size": None, "compute": pool}
        return table.map_batches(Encode, fn_constructor_args=[model], **how).to_pandas()

    threads = ray.get(ray.remote(thread_count).remote())
    try:
        yield run, threads
    finally:
        ray.shutdown()


def spark(broadcast):
    @contextlib.contextmanager
    def engine(frame):
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[2]")
        for name, value in {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.execution.arrow.pyspark.enabled": "true",
        }.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        context = session.sparkContext
        context.setLogLevel("ERROR")
        table = session.createDataFrame(frame).repartition(N_PARTS).cache()
        table.count()

        def run(model):
            shared = context.broadcast(model) if broadcast else None
            names = model.model.get_feature_names_out()

            def encode(parts):
                own = model if shared is None else shared.value
                yield from map(own, parts)

            schema = ", ".join(f"{name} float" for name in names)
            if shared is not None:
                model = None  # not in the closure as well
            return table.mapInPandas(encode, schema).toPandas()

        threads = max(context.parallelize(range(2), 2).map(thread_count).collect())
        try:
            yield run, threads
        finally:
            session.stop()

    return engine


ENGINES = {
    "`transform`, this process": plain,
    "polars, this process": polars,
    "Dask, `dask.delayed(model)`": dask(delayed=True),
    "Dask, model in each task": dask(delayed=False),
    "Ray": ray,
    "Spark, broadcast": spark(broadcast=True),
    "Spark, model in each task": spark(broadcast=False),
}


def sizes(model, frame):
    """Rows of a table of pickles: bytes, and milliseconds to load."""
    more = pickle.loads(pickle.dumps(model)).partial_fit(frame[:1000])
    rows = []
    for name, estimator in {"after fit": model, "after partial_fit": more}.items():
        saved = pickle.dumps(estimator)
        weights = 4 * sum(p.numel() for p in estimator.module_.parameters())
        times = []
        for _ in range(10):
            start = time.perf_counter()
            pickle.loads(saved)
            times.append(time.perf_counter() - start)
        ratio = f"{len(saved) / weights:.2f}"
        rows.append([name, f"{len(saved):,}", ratio, f"{1e3 * np.median(times):.1f}"])
    return markdown_table(["pickle", "bytes", "of the weights", "ms to load"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 128])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray's workers would give way to all other processes.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # For the workers.
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)

    rng = np.random.default_rng(0)
    X = rng.standard_normal((args.rows, N_FEATURES), np.float32)
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(N_FEATURES)])
    hidden = tuple(args.hidden)
    estimators = [
        Autoencoder(
            N_COMPONENTS, hidden_layer_sizes=hidden, max_epochs=1, random_state=0
        ),
        PCA(N_COMPONENTS),
    ]
    models = [e.set_output(transform="pandas").fit(frame[:2000]) for e in estimators]
    pickles = sizes(models[0], frame)
    print(pickles, flush=True)

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "loads"
        noted = [Noted(model, str(notes)) for model in models]
        for name, engine in ENGINES.items():
            with engine(frame) as (run, threads):
                times = [[] for _ in models]
                for repeat in range(args.repeats + 1):
                    for model, taken in zip(noted, times, strict=True):
                        notes.write_text("")
                        start = time.perf_counter()
                        codes = run(model)
                        taken.append(time.perf_counter() - start)
                        if model is noted[0]:
                            loads = len(notes.read_text().split())
                    assert len(codes) == args.rows, repeat
            speeds = [args.rows / min(taken[1:]) for taken in times]
            rows.append([name, *(f"{s:,.0f}" for s in speeds), loads, threads])
            print(name, flush=True)
    header = ["", "rows / s", "rows / s, PCA", "loads", "threads of a worker"]
    table = markdown_table(header, rows)
    where = (
        f"{args.rows:,} rows of {N_FEATURES} float32, hidden layers {hidden}; the "
        f"fastest of {args.repeats} runs. Measured by `python -m "
        f"benchmarks.codes_at_scale` on {machine('one thread a worker')}."
    )
    print(f"{table}\n\n{where}")
    if args.write_docs:
        fill(BENCHMARKS_PAGE, f"{table}\n\n{where}", "codes")
        fill(BENCHMARKS_PAGE, pickles, "codes pickle")


if __name__ == "__main__":
    # Under the name by which workers import it.
    from benchmarks import codes_at_scale

    codes_at_scale.main()
