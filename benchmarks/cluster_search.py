"""Searches whose fits are done by the workers of Dask, Ray, Spark and loky.

    python -m benchmarks.cluster_search [--engines NAME ...] [--repeats N]
        [--write-docs]

in an environment with the engines, such as that of ``scripts/cluster.sh``. Searches
over 5 values of `rho` and 6 of `lambd` of `SparseAutoencoder(100, max_epochs=10)` on
the digits / 16, with three folds: each of scikit-learn's and of ours, alone and with
one and two workers on this machine, each of one thread. Workers have imported the
package before the clock (wall time) starts, except for Ray's, which start anew in every
search. Figures are those of the fastest run, since other processes only ever slow it
down; the largest difference of a fold's score from the search
alone is shown, too.

A second table shows what a batched search sends, from tasks that are pickled here: the
bytes of all shares, in multiples of the bytes of the table, and the groups that train
together in workers of one thread. Both are the same for all engines.
"""

import argparse
import io
import os
import pickle
import re
import sys
import time
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

from benchmarks._report import (
    BENCHMARKS_PAGE,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from sklearn_ae import SparseAutoencoder
from sklearn_ae._sklearn_compat import HalvingGridSearchCV
from sklearn_ae.model_selection import (
    BatchedGridSearchCV,
    BatchedHalvingGridSearchCV,
    BatchedRandomizedSearchCV,
)
from sklearn_ae.model_selection._joblib_compat import GatheringBackend

X = load_digits().data / 16
GRID = {
    "rho": [0.01, 0.02, 0.05, 0.1, 0.2],
    "lambd": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
}
RANDOM = {"n_iter": 10, "random_state": 0}
HALVING = {"resource": "max_epochs", "max_resources": 9}
SEARCHES = {
    "GridSearchCV": (GridSearchCV, {}),
    "RandomizedSearchCV": (RandomizedSearchCV, RANDOM),
    "HalvingGridSearchCV": (HalvingGridSearchCV, HALVING),
    "BatchedGridSearchCV": (BatchedGridSearchCV, {}),
    "BatchedRandomizedSearchCV": (BatchedRandomizedSearchCV, RANDOM),
    "BatchedHalvingGridSearchCV": (BatchedHalvingGridSearchCV, HALVING),
}


def search(name, grid=GRID, **params):
    cls, own = SEARCHES[name]
    estimator = SparseAutoencoder(100, max_epochs=10, random_state=0)
    return cls(estimator, grid, cv=3, refit=False, **own, **params)


@contextmanager
def alone(n_workers):
    yield


@contextmanager
def loky(n_workers):
    with joblib.parallel_config("loky", n_jobs=n_workers):
        yield


@contextmanager
def dask(n_workers):
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
        ) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        yield


@contextmanager
def ray(n_workers):
    import ray
    from ray.util.joblib import register_ray

    ray.init(
        num_cpus=n_workers,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
        _node_ip_address="127.0.0.1",
    )
    register_ray()
    with joblib.parallel_config("ray", n_jobs=-1):
        yield
    ray.shutdown()


@contextmanager
def spark(n_workers):
    from joblibspark import register_spark
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master(f"local[{n_workers}]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    register_spark()
    with joblib.parallel_config("spark", n_jobs=n_workers):
        yield
    session.stop()


ENGINES = {"loky": loky, "dask": dask, "ray": ray, "spark": spark}


def fold_scores(fitted):
    results = fitted.cv_results_
    names = [name for name in results if re.fullmatch(r"split\d+_test_score", name)]
    return np.stack([results[name] for name in sorted(names)])


def timed(name, repeats):
    """Seconds of the fastest run of a search, and its scores."""
    seconds = []
    for _ in range(repeats):
        one = search(name)
        start = time.perf_counter()
        one.fit(X)
        seconds.append(time.perf_counter() - start)
    return min(seconds), fold_scores(one)


def rows_of(engine, n_workers, names, repeats, reference):
    context = ENGINES.get(engine, alone)
    with context(n_workers):
        search("GridSearchCV", {"max_epochs": [0, 0]}).fit(X)
        for name in names:
            seconds, scores = timed(name, repeats)
            expected, scores_alone = reference.setdefault(name, (seconds, scores))
            yield [
                engine,
                n_workers,
                name,
                f"{seconds:.1f}",
                f"{expected / seconds:.2f}",
                f"{np.abs(scores - scores_alone).max():.0e}",
            ]


class Counted(GatheringBackend):
    """Runs tasks here, as other processes would, and counts their bytes."""

    supports_sharedmem = False
    uses_threads = False

    def __init__(self, n_workers):
        super().__init__(self._run)
        self._n_workers = n_workers
        self.n_bytes = 0

    def effective_n_jobs(self, n_jobs):
        return self._n_workers

    def _run(self, tasks):
        sent = [pickle.dumps(task) for task in tasks]
        self.n_bytes += sum(map(len, sent))
        return [pickle.loads(task)() for task in sent]


def sent_by(name, grid, n_workers):
    """What a batched search sends to so many workers: a row of the table."""
    backend = Counted(n_workers)
    with (
        one_thread(),
        redirect_stdout(io.StringIO()) as printed,
        open(os.devnull, "w") as nowhere,
        joblib.parallel_config(backend),
    ):
        sys.stderr, before = nowhere, sys.stderr  # the bars of the epochs
        try:
            search(name, grid, verbose=1).fit(X)
        finally:
            sys.stderr = before
    groups = re.findall(r"Training (\d+) networks together", printed.getvalue())
    kinds = " x ".join(str(len(values)) for values in grid.values())
    return [
        f"{name}, {kinds}",
        n_workers,
        f"{backend.n_bytes / 2**20:.2f}",
        f"{backend.n_bytes / X.nbytes:.1f}",
        ", ".join(groups),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--searches", nargs="*", default=list(SEARCHES))
    parser.add_argument("--repeats", type=int, default=3, help="default 3")
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()
    # Workers import this script and the package.
    root = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    reference = {}
    rows = list(rows_of("alone", 1, args.searches, args.repeats, reference))
    for engine in args.engines:
        # With one worker joblib does without loky and Dask.
        for n_workers in (1, 2) if engine in ("ray", "spark") else (2,):
            for row in rows_of(
                engine, n_workers, args.searches, args.repeats, reference
            ):
                print(*row, flush=True)
                rows.append(row)
    header = ["engine", "workers", "search", "s", "times as fast as alone"]
    header += ["largest difference of scores"]
    searches = markdown_table(header, rows)
    print("", searches, "", sep="\n")
    shapes = {**GRID, "n_components": [20, 50, 100]}
    rows = [
        sent_by(name, grid, n_workers)
        for name, grid in (
            ("BatchedGridSearchCV", GRID),
            ("BatchedGridSearchCV", shapes),
        )
        for n_workers in (2, 4, 8)
    ]
    header = ["search", "workers", "MB sent", "tables", "groups"]
    sent = markdown_table(header, rows)
    where = f"Wall time of `fit`, the fastest of {args.repeats} runs. Measured "
    where += f"by `python -m benchmarks.cluster_search` on {machine('all used')}."
    print(sent, "", where, sep="\n")
    if args.write_docs:
        fill(BENCHMARKS_PAGE, f"{searches}\n\n{where}", "cluster search")
        fill(BENCHMARKS_PAGE, sent, "cluster search sent")


if __name__ == "__main__":
    main()
