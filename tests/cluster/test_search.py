"""Searches whose fits are done by the workers of an engine."""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError
from recipes import run_recipe
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from sklearn_ae import SparseAutoencoder
from sklearn_ae._sklearn_compat import HalvingGridSearchCV
from sklearn_ae.model_selection import BatchedGridSearchCV, BatchedHalvingGridSearchCV

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore:Training did not lower the loss"),
    pytest.mark.filterwarnings("ignore:The reconstructions are little more"),
    pytest.mark.filterwarnings("ignore::UserWarning:joblibspark"),
    pytest.mark.filterwarnings("ignore::UserWarning:pyspark"),
]

X, y = load_digits(return_X_y=True)
X, y = X[:300] / 16, y[:300]
GRID = {"rho": [0.05, 0.2], "lambd": [0.1, 1.0]}
HALVING = {"resource": "max_epochs", "max_resources": 4, "factor": 2}

# Scores are shares of the variance. Networks that train alone have the same bits where
# the processor is the same; stacks of other sizes round otherwise.
ROUNDING = 1e-5


@contextmanager
def on_dask(client):
    with joblib.parallel_config("dask", client=client):
        yield


@contextmanager
def on_ray(ray, **options):
    from ray.util.joblib import register_ray

    register_ray()
    with joblib.parallel_config("ray", n_jobs=-1, **options):
        yield


@contextmanager
def on_spark(session):
    from joblibspark import register_spark

    register_spark()
    with joblib.parallel_config("spark", n_jobs=2):
        yield


ENGINES = {
    "dask": ("dask_client", on_dask),
    "ray": ("local_ray", on_ray),
    "spark": ("spark", on_spark),
}


@pytest.fixture(params=ENGINES)
def engine(request):
    """A context in which joblib uses the engine."""
    name, context = ENGINES[request.param]
    return lambda: context(request.getfixturevalue(name))


def sparsely():
    return SparseAutoencoder(20, max_epochs=2, random_state=0)


def assert_results_are_those_alone(search, params, context):
    alone = search(sparsely(), GRID, cv=KFold(2), **params).fit(X)
    with context:
        shared = search(sparsely(), GRID, cv=KFold(2), **params).fit(X)
    assert_same_results(shared, alone)


def assert_same_results(shared, alone):
    for name, values in alone.cv_results_.items():
        if name.startswith("split"):
            np.testing.assert_allclose(
                shared.cv_results_[name], values, rtol=0, atol=ROUNDING, err_msg=name
            )
    assert shared.cv_results_["params"] == alone.cv_results_["params"]
    assert shared.best_params_ == alone.best_params_


def test_scores_are_those_of_the_search_alone(engine):
    assert_results_are_those_alone(GridSearchCV, {}, engine())


def assert_recipe_gives_the_scores_alone(marked, replace=None):
    """A recipe of the page, docs/user_guide/search_on_a_cluster.rst; its names."""
    alone, shared = (
        BatchedGridSearchCV(sparsely(), GRID, cv=KFold(2)) for _ in range(2)
    )
    names = {"search": shared, "X": X, "y": y}
    names = run_recipe("search_on_a_cluster", marked, replace, **names)
    assert_same_results(shared, alone.fit(X))
    return names


def test_recipe_of_loky():
    assert_recipe_gives_the_scores_alone('"loky"')


def test_recipe_of_dask(dask_client):
    here = {"scheduler:8786": dask_client.scheduler.address}
    assert_recipe_gives_the_scores_alone('"dask"', here)["client"].close()


@pytest.mark.usefixtures("local_ray")
def test_recipe_of_ray():
    here = {'address="auto"': "ignore_reinit_error=True"}
    assert_recipe_gives_the_scores_alone("register_ray", here)


@pytest.mark.usefixtures("spark")
def test_recipe_of_spark():
    assert_recipe_gives_the_scores_alone("register_spark", {"n_jobs=8": "n_jobs=2"})


# On Dask only, whose workers stay from one iteration to the next.
@pytest.mark.parametrize("search", [HalvingGridSearchCV, BatchedHalvingGridSearchCV])
def test_halving(search, dask_client):
    assert_results_are_those_alone(search, HALVING, on_dask(dask_client))


class KillsItsWorker(TransformerMixin, BaseEstimator):
    """Kills its process once, when the other worker has begun, too."""

    def __init__(self, folder, caller):
        self.folder = folder
        self.caller = caller

    def fit(self, X, y=None):
        assert os.getpid() != self.caller
        folder = Path(self.folder)
        (folder / str(os.getpid())).touch()
        give_up = time.monotonic() + 20
        while len(list(folder.iterdir())) < 2 and time.monotonic() < give_up:
            time.sleep(0.01)
        try:
            (folder / "killed").touch(exist_ok=False)
        except FileExistsError:
            return self
        os.kill(os.getpid(), signal.SIGKILL)

    def transform(self, X):
        return X * 1.0


def killing(folder):
    pipeline = make_pipeline(KillsItsWorker(str(folder), os.getpid()), sparsely())
    grid = {f"sparseautoencoder__{name}": values for name, values in GRID.items()}
    return BatchedGridSearchCV(pipeline, grid, cv=KFold(2), refit=False)


def assert_scores_as_alone(search):
    alone = BatchedGridSearchCV(sparsely(), GRID, cv=KFold(2)).fit(X)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"],
        alone.cv_results_["mean_test_score"],
        rtol=0,
        atol=ROUNDING,
    )


@pytest.mark.parametrize("scattered", [False, True])
def test_dask_does_the_fits_of_a_lost_worker_again(scattered, dask_client, tmp_path):
    scatter = [X] if scattered else None
    search = killing(tmp_path)
    with joblib.parallel_config("dask", client=dask_client, scatter=scatter):
        search.fit(X)
    assert (tmp_path / "killed").exists()
    # The next test needs both; with a single one joblib would do without Dask.
    dask_client.wait_for_workers(2, timeout=60)
    assert_scores_as_alone(search)


def test_ray_does_the_fits_of_a_lost_worker_again_if_told_to(local_ray, tmp_path):
    search = killing(tmp_path)
    again = {"max_restarts": 2, "max_task_retries": 2}
    with on_ray(local_ray, ray_remote_args=again):
        search.fit(X)
    assert (tmp_path / "killed").exists()
    assert_scores_as_alone(search)


def test_spark_says_that_a_worker_is_lost(spark, tmp_path):
    """A local Spark does nothing again; a cluster does, four times by default."""
    search = killing(tmp_path)
    with on_spark(spark), pytest.raises(RuntimeError, match="worker was lost"):
        search.fit(X)
    assert not hasattr(search, "cv_results_")


def test_loky_says_that_a_worker_is_lost(tmp_path):
    search = killing(tmp_path)
    with (
        joblib.parallel_config("loky", n_jobs=2),
        pytest.raises(TerminatedWorkerError, match="SIGKILL"),
    ):
        search.fit(X)
    assert not hasattr(search, "cv_results_")


def test_workers_have_one_thread_each(engine):
    """Or as many as the engine gives them: no more than there are processors."""
    with engine():
        threads = joblib.Parallel(n_jobs=2)(
            joblib.delayed(threads_of_torch)() for _ in range(2)
        )
    assert threads == [1, 1]


def threads_of_torch():
    import torch

    return torch.get_num_threads()
