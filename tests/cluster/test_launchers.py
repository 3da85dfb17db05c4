"""The recipes of docs/user_guide/beyond_one_machine.rst: ranks that train one model.

torchrun, Dask, Ray Train and Spark start them.
"""

import subprocess
import sys

import numpy as np
import pytest
import rank_fits
from numpy.testing import assert_array_equal
from recipes import recipe, run_recipe

PAGE = "beyond_one_machine"


@pytest.fixture(scope="module")
def alone():
    """Weights of a single process that has all rows."""
    return rank_fits.weights(rank_fits.fitted(rank_fits.table()))


@pytest.fixture
def fit_here(tmp_path):
    """What is replaced on the page: the fit is that of the tests."""
    own = f"fitted_and_saved(X, {str(tmp_path)!r})"
    return {"Autoencoder(16, random_state=0).fit(X)": own}


@pytest.fixture
def start(fit_here):
    """`train` and `train_in_group` of the page."""
    return run_recipe(PAGE, "def train_in_group", fit_here, **vars(rank_fits))


def assert_trained_as_one(folder, alone, returned=None):
    """The ranks agree to the bit, and with a single process up to rounding."""
    first, second = (dict(np.load(folder / f"rank{rank}.npz")) for rank in range(2))
    assert first.keys() == second.keys() == alone.keys()
    largest = max(np.abs(weight).max() for weight in alone.values())
    for name, weight in alone.items():
        assert_array_equal(first[name], second[name])
        assert np.abs(first[name] - weight).max() <= 1e-6 * largest
    if returned is not None:
        for name, weight in rank_fits.weights(returned).items():
            assert_array_equal(weight, first[name])


def test_torchrun(tmp_path, alone, fit_here):
    functions = recipe(PAGE, "def train_in_group", fit_here)
    program = tmp_path / "train.py"
    program.write_text(f"from rank_fits import *\n{functions}\ntrain_in_group()\n")
    subprocess.run(
        [
            sys.executable,
            *("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            program,
        ],
        check=True,
        timeout=100,
    )
    assert_trained_as_one(tmp_path, alone)


def test_dask(tmp_path, alone, dask_client, start):
    address = dask_client.scheduler.address
    here = {
        "scheduler:8786": address,
        "file:///shared/store": (tmp_path / "store").as_uri(),
    }
    names = run_recipe(PAGE, "client.submit", here, **start)
    names["client"].close()
    assert_trained_as_one(tmp_path, alone, names["autoencoder"])


# Ray sets options of its own that it calls deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("local_ray")
def test_ray_train(tmp_path, alone, start):
    from ray.train import RunConfig

    config = RunConfig(storage_path=str(tmp_path / "ray"))
    here = {"    train,\n": "    train,\n    run_config=config,\n"}
    names = run_recipe(PAGE, "TorchTrainer", here, **start, config=config)
    assert_trained_as_one(tmp_path, alone, names["autoencoder"])


# Spark's own: it does not know all of the newest pandas, which is not used here.
@pytest.mark.filterwarnings("ignore:PySpark does not yet:FutureWarning")
@pytest.mark.usefixtures("spark")
def test_spark(tmp_path, alone, start):
    names = run_recipe(PAGE, "TorchDistributor", **start)
    assert_trained_as_one(tmp_path, alone, names["autoencoder"])
