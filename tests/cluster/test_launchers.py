"""Ranks that train one model, started by torchrun, Dask, Ray Train and Spark."""

import subprocess
import sys

import numpy as np
import pytest
import rank_fits
from numpy.testing import assert_array_equal


@pytest.fixture(scope="module")
def alone():
    """Weights of a single process that has all rows."""
    return rank_fits.weights(rank_fits.fitted(rank_fits.table()))


def assert_trained_as_one(folder, alone):
    """The ranks agree to the bit, and with a single process up to rounding."""
    first, second = (dict(np.load(folder / f"rank{rank}.npz")) for rank in range(2))
    assert first.keys() == second.keys() == alone.keys()
    largest = max(np.abs(weight).max() for weight in alone.values())
    for name, weight in alone.items():
        assert_array_equal(first[name], second[name])
        assert np.abs(first[name] - weight).max() <= 1e-6 * largest


def test_torchrun(tmp_path, alone):
    subprocess.run(
        [
            sys.executable,
            *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            rank_fits.__file__,
            tmp_path,
        ],
        check=True,
        timeout=100,
    )
    assert_trained_as_one(tmp_path, alone)


def test_dask(tmp_path, alone, dask_client):
    workers = list(dask_client.scheduler_info()["workers"])
    store = (tmp_path / "store").as_uri()
    futures = [
        dask_client.submit(
            rank_fits.train_in_group,
            tmp_path,
            init_method=store,
            rank=rank,
            world_size=2,
            workers=worker,  # one rank each: they wait for each other
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        for rank, worker in enumerate(workers)
    ]
    dask_client.gather(futures)
    assert_trained_as_one(tmp_path, alone)


# Ray sets options of its own that it calls deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ray_train(tmp_path, alone, local_ray):
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    TorchTrainer(
        lambda settings: rank_fits.train(settings["folder"]),
        train_loop_config={"folder": tmp_path},
        torch_config=TorchConfig(backend="gloo"),
        scaling_config=ScalingConfig(num_workers=2, use_gpu=False),
        run_config=RunConfig(storage_path=str(tmp_path / "ray")),
    ).fit()
    assert_trained_as_one(tmp_path, alone)


# Spark's own: it does not know all of the newest pandas, which is not used here.
@pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning")
def test_spark(tmp_path, alone, spark):
    from pyspark.ml.torch.distributor import TorchDistributor

    distributor = TorchDistributor(num_processes=2, local_mode=False, use_gpu=False)
    distributor.run(rank_fits.train_in_group, str(tmp_path))
    assert_trained_as_one(tmp_path, alone)
