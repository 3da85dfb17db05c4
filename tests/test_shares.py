"""Searches whose fits are shared out to other processes."""

import os
import pickle
import threading
import warnings
from concurrent.futures import CancelledError
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_digits
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from sklearn_ae import SparseAutoencoder
from sklearn_ae.model_selection import (
    BatchedGridSearchCV,
    BatchedHalvingGridSearchCV,
    BatchedHalvingRandomSearchCV,
    BatchedRandomizedSearchCV,
)
from sklearn_ae.model_selection._joblib_compat import (
    GatheringBackend,
    runs_in_other_processes,
)
from sklearn_ae.model_selection._shares import shared_out

# Trainings are as short as their claims allow, some too short to gain anything.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Training did not lower the loss"),
    pytest.mark.filterwarnings("ignore:The reconstructions are little more"),
]

DIGITS, LABELS = load_digits(return_X_y=True)
X, Y = DIGITS[:120] / 16, LABELS[:120]
GRID = {"rho": [0.05, 0.1, 0.2], "lambd": [0.1, 1.0]}

# Scores are shares of the variance, of size one. Single precision rounds to 6e-8; a
# training of a few steps multiplies that by far less than a hundred.
ROUNDING = 1e-5


def sparsely(**params):
    return SparseAutoencoder(20, max_epochs=2, random_state=0, **params)


class Elsewhere(GatheringBackend):
    """Does what backends of other processes do, in this one: tasks travel as pickles.

    Attributes
    ----------
    sizes : list of int
        Bytes of the tasks.
    calls : list of int
        How many tasks were sent at a time.
    """

    supports_sharedmem = False
    uses_threads = False

    def __init__(self, n_workers=2):
        super().__init__(self._run)
        self.n_workers = n_workers
        self.sizes, self.calls = [], []

    def effective_n_jobs(self, n_jobs):
        return 1 if n_jobs is None else self.n_workers

    def _run(self, tasks):
        sent = [pickle.dumps(task) for task in tasks]
        self.sizes += map(len, sent)
        self.calls.append(len(sent))
        return [pickle.loads(pickle.dumps(pickle.loads(task)())) for task in sent]


@pytest.fixture
def elsewhere():
    backend = Elsewhere()
    with joblib.parallel_config(backend, n_jobs=-1):
        yield backend


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """On which the sizes of groups depend."""
    with threadpool_limits(1):
        yield


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("sklearn_ae")]


def assert_same_results(ours, theirs):
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    for name, values in theirs.cv_results_.items():
        if "_score" in name and "rank" not in name and "time" not in name:
            np.testing.assert_allclose(
                ours.cv_results_[name], values, rtol=0, atol=ROUNDING, err_msg=name
            )
    assert ours.best_params_ == theirs.best_params_


# -- who goes where --------------------------------------------------------------------


def fits_of(candidates, n_folds, n_rows=80):
    """Tasks as scikit-learn makes them: the folds of a candidate, then the next."""
    return [
        SimpleNamespace(
            items=[
                (
                    None,
                    (),
                    {
                        "parameters": parameters,
                        "train": np.arange(n_rows),
                        "split_progress": (fold, n_folds),
                    },
                )
            ]
        )
        for parameters in candidates
        for fold in range(n_folds)
    ]


SAME = [{"lambd": i} for i in range(12)]
SMALL = [{"ae__n_components": i} for i in range(1, 8)]


@pytest.mark.parametrize(
    ("candidates", "n_folds", "n_workers", "sizes", "most_kinds"),
    [
        (SAME, 5, 1, [60], 1),
        (SAME, 5, 2, [30, 30], 1),
        (SAME, 5, 4, [15] * 4, 1),
        (SAME[:3], 2, 6, [1] * 6, 1),  # fewer fits than would fill the workers
        (SAME[:1], 2, 6, [1] * 2, 1),
        (SMALL[:2], 4, 2, [4, 4], 1),  # small kinds stay whole
        (SMALL[:6], 3, 2, [9, 9], 3),
        ([*SAME[:8], {"n_components": 3}, {"n_components": 4}], 5, 2, [25, 25], 2),
        ([{"ae": SparseAutoencoder(k)} for k in (2, 3)], 3, 2, [3, 3], 1),
        ([None], 6, 3, [2, 2, 2], 1),
    ],
)
def test_shares(candidates, n_folds, n_workers, sizes, most_kinds):
    tasks = fits_of(candidates, n_folds)
    shares = shared_out(tasks, n_workers)
    assert sorted(map(len, shares), reverse=True) == sizes
    assert sorted(i for share in shares for i in share) == list(range(len(tasks)))
    kinds = [
        {
            str(
                [v for k, v in (candidates[i // n_folds] or {}).items() if k != "lambd"]
            )
            for i in share
        }
        for share in shares
    ]
    assert max(map(len, kinds)) == most_kinds


def test_folds_of_a_kind_are_divided_last():
    """What the candidates of a fold have in common is needed in one place."""
    shares = shared_out(fits_of(SAME, 4), 2)
    assert [{i % 4 for i in share} for share in shares] == [{0, 1}, {2, 3}]


def test_folds_of_one_size_stay_together():
    tasks = fits_of(SAME[:4], 2, 80) + fits_of(SAME[:4], 2, 81)
    assert sorted(map(sorted, shared_out(tasks, 2))) == [
        list(range(8)),
        list(range(8, 16)),
    ]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, False),
        ({"n_jobs": 2}, False),
        ({"backend": "threading"}, False),
        ({"backend": "sequential"}, False),
        ({"backend": "loky", "n_jobs": 2}, True),
        ({"backend": "loky", "require": "sharedmem"}, False),
        ({"backend": "multiprocessing", "n_jobs": 2}, True),
        ({"backend": Elsewhere()}, True),
    ],
)
def test_which_backends_are_other_processes(config, expected):
    with joblib.parallel_config(**config):
        assert runs_in_other_processes() == expected


# -- the same results ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "params"),
    [
        (BatchedGridSearchCV, {}),
        (BatchedGridSearchCV, {"pre_dispatch": 7}),
        (BatchedRandomizedSearchCV, {"n_iter": 4, "random_state": 0}),
        (
            BatchedHalvingGridSearchCV,
            {"resource": "max_epochs", "max_resources": 4, "factor": 2},
        ),
        (
            BatchedHalvingRandomSearchCV,
            {"resource": "max_epochs", "max_resources": 4, "random_state": 0},
        ),
    ],
)
def test_results_are_those_of_the_search_alone(search, params, elsewhere):
    with joblib.parallel_config("sequential"):
        alone = search(sparsely(), GRID, cv=KFold(2), **params).fit(X)
    assert not elsewhere.calls
    shared = search(sparsely(), GRID, cv=KFold(2), **params).fit(X)
    assert set(elsewhere.calls) == {2}
    assert_same_results(shared, alone)
    # Shares of a group's time, and their sum not more than that.
    assert (shared.cv_results_["mean_fit_time"] > 0).all()


def test_the_data_are_sent_once_to_a_worker(elsewhere):
    rows = np.random.default_rng(0).random((2000, 40))
    estimator = sparsely().set_params(max_epochs=0)
    search = BatchedGridSearchCV(estimator, GRID, cv=2, refit=False)
    search.fit(rows)
    # Rows, two folds with the positions of rows, and the settings of six fits.
    indices = 2 * len(rows) * 8
    fits = 6 * 10_000
    assert len(elsewhere.sizes) == 2
    assert max(elsewhere.sizes) < rows.nbytes + indices + fits


def test_one_worker_is_this_process(elsewhere):
    """Without a number of jobs joblib has one, as for any search of scikit-learn."""
    elsewhere.n_workers = 1
    search = BatchedGridSearchCV(sparsely(), GRID, cv=2, refit=False).fit(X)
    assert elsewhere.calls == []
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_verbose(elsewhere, capsys):
    BatchedGridSearchCV(sparsely(), GRID, cv=2, refit=False, verbose=1).fit(X)
    printed = capsys.readouterr().out
    assert "shares that train together: 6, 6" in printed
    assert printed.count("Training 6 networks together") == 2


class NotesItsFits(TransformerMixin, BaseEstimator):
    fits = 0

    def fit(self, X, y=None):
        type(self).fits += 1
        return self

    def transform(self, X):
        return X * 1.0


def test_steps_of_pipelines_are_fitted_once_for_each_fold(elsewhere):
    pipeline = make_pipeline(NotesItsFits(), sparsely(), LogisticRegression())
    grid = {f"sparseautoencoder__{name}": values for name, values in GRID.items()}
    NotesItsFits.fits = 0
    search = BatchedGridSearchCV(pipeline, grid, cv=KFold(2)).fit(X, Y)
    assert NotesItsFits.fits == 2 + 1
    assert search.best_estimator_.memory is None
    with joblib.parallel_config("sequential"):
        assert_same_results(search, GridSearchCV(pipeline, grid, cv=KFold(2)).fit(X, Y))


def test_candidates_that_fail(elsewhere):
    grid = {"rho": [0.1, 2.0]}
    search = BatchedGridSearchCV(sparsely(), grid, cv=2, refit=False)
    with pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 4"):
        search.fit(X)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    search.set_params(error_score="raise")
    before = dict(vars(search))
    with pytest.raises(ValueError, match="rho"):
        search.fit(X)
    assert vars(search) == before


def test_lost_fits_are_explained(elsewhere, monkeypatch):
    def run(tasks):
        raise CancelledError("forgotten")

    monkeypatch.setattr(elsewhere, "_run_all", run)
    with pytest.raises(RuntimeError, match="cluster has cancelled") as caught:
        BatchedGridSearchCV(sparsely(), GRID, cv=2).fit(X)
    assert "forgotten" in str(caught.value.__cause__)


def test_interrupts_leave_the_search_as_it_was(elsewhere, monkeypatch):
    def run(tasks):
        raise KeyboardInterrupt

    monkeypatch.setattr(elsewhere, "_run_all", run)
    search = BatchedGridSearchCV(sparsely(), GRID, cv=2)
    before = dict(vars(search))
    with pytest.raises(KeyboardInterrupt):
        search.fit(X)
    assert vars(search) == before
    assert runs_in_other_processes()  # the user's backend is still the active one


class Warns(NotesItsFits):
    def fit(self, X, y=None):
        warnings.warn("from a step", UserWarning, stacklevel=2)
        return self


def test_warnings_come_through(elsewhere):
    search = BatchedGridSearchCV(
        make_pipeline(Warns(), sparsely()), {"sparseautoencoder__rho": [0.1]}, cv=2
    )
    with pytest.warns(UserWarning, match="from a step"):
        search.fit(X)


class KnowsItsProcess(NotesItsFits):
    """Has the number of its process as a feature."""

    def transform(self, X):
        return np.hstack([X, np.full((len(X), 1), os.getpid())])


def process_of(estimator, X, y=None):
    return estimator[0].transform(X)[0, -1]


@pytest.mark.slow
def test_processes():
    """For real: networks of a search train in two other processes, as they do here."""
    pipeline = make_pipeline(KnowsItsProcess(), sparsely())
    grid = {f"sparseautoencoder__{name}": values for name, values in GRID.items()}
    search = BatchedGridSearchCV(
        pipeline, grid, cv=KFold(2), scoring={"process": process_of}, refit=False
    )
    with joblib.parallel_config("loky", n_jobs=2):
        search.fit(X)
        shared = BatchedGridSearchCV(sparsely(), GRID, cv=KFold(2)).fit(X)
    processes = {
        int(process)
        for fold in range(2)
        for process in search.cv_results_[f"split{fold}_test_process"]
    }
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert_same_results(shared, GridSearchCV(sparsely(), GRID, cv=KFold(2)).fit(X))
