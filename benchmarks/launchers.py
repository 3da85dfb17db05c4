"""The same ranks started by torchrun, Ray Train, Spark and Dask.

    python -m benchmarks.launchers [--ranks 2 4] [--write-docs]

Needs the extra `cluster`. Prints the largest difference of a weight to that of a single
process, divided by the largest weight, after five epochs on uneven parts of a table:
the networks and tables are those of `benchmarks/distributed.py`. That all ranks end
with the same bits is checked. All engines run on this machine.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from torch import distributed

from benchmarks._report import (
    BENCHMARKS_PAGE,
    fill,
    machine,
    markdown_table,
    one_thread,
)
from benchmarks.distributed import CASES, parity_weights

ROOT = Path(__file__).parents[1]


def train(folder):
    """What each rank runs within the process group; rank 0 leaves the weights."""
    rank, size = distributed.get_rank(), distributed.get_world_size()
    with one_thread():
        found = {case.name: parity_weights(case, rank, size) for case in CASES}
    everyone = [None] * size
    distributed.all_gather_object(everyone, found)
    for name, weights in found.items():
        for other in everyone:
            np.testing.assert_array_equal(other[name], weights)
    if rank == 0:
        (Path(folder) / "found.pickle").write_bytes(pickle.dumps(found))


def train_in_group(folder, **group):
    distributed.init_process_group("gloo", **group)
    try:
        train(folder)
    finally:
        distributed.destroy_process_group()


def torchrun(folder, size):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(size), "-m", "benchmarks.launchers"]
    subprocess.run([*command, "--folder", folder], check=True, cwd=ROOT)


def ray_train(folder, size):
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    ray.init(
        num_cpus=size,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
        _node_ip_address="127.0.0.1",
    )
    TorchTrainer(
        lambda settings: train(settings["folder"]),
        train_loop_config={"folder": folder},
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ScalingConfig(num_workers=size, use_gpu=False),
        run_config=RunConfig(storage_path=f"{folder}/ray"),
    ).fit()
    ray.shutdown()


def spark(folder, size):
    from pyspark.ml.torch.distributor import TorchDistributor
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master(f"local[{size}]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    distributor = TorchDistributor(num_processes=size, local_mode=False, use_gpu=False)
    distributor.run(train_in_group, folder)
    session.stop()


def dask(folder, size):
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=size,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,
    ):
        futures = [
            client.submit(
                train_in_group,
                folder,
                init_method=f"file://{folder}/store",
                rank=rank,
                world_size=size,
                workers=worker,
                allow_other_workers=False,
                retries=0,
                pure=False,
            )
            for rank, worker in enumerate(client.nthreads())
        ]
        client.gather(futures)


LAUNCHERS = {
    "torchrun": torchrun,
    "Ray Train": ray_train,
    "Spark": spark,
    "Dask": dask,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--write-docs", action="store_true")
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder:
        train_in_group(args.folder)
        return
    # Workers import this script and the package.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if sys.platform == "linux":
        # Without it, gloo looks up the name of the host, which need not have one.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    with one_thread():
        alone = {case.name: parity_weights(case, 0, 1) for case in CASES}
    found = {}
    for name, launch in LAUNCHERS.items():
        for size in args.ranks:
            with tempfile.TemporaryDirectory() as folder:
                launch(folder, size)
                weights = pickle.loads((Path(folder) / "found.pickle").read_bytes())
            found[name, size] = weights
            print(name, size, flush=True)
    rows = []
    for case in CASES:
        largest = np.abs(alone[case.name]).max()
        for size in args.ranks:
            rows.append([f"{case.name}, {size} ranks"])
            for name in LAUNCHERS:
                difference = found[name, size][case.name] - alone[case.name]
                rows[-1].append(f"{np.abs(difference).max() / largest:.0e}")
    table = markdown_table(["network", *LAUNCHERS], rows)
    where = machine("one thread per rank")
    print(f"\n{table}\n\n{where}")
    if args.write_docs:
        fill(BENCHMARKS_PAGE, table, "launchers")
        fill(BENCHMARKS_PAGE, where, "launchers machine")


if __name__ == "__main__":
    # Under the name by which workers import it.
    from benchmarks import launchers

    launchers.main()
