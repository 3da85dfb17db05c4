"""Successive halving whose candidates train together, against scikit-learn's."""

import re

import numpy as np
import pytest
import torch
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    KFold,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import Autoencoder, DenoisingAutoencoder, SparseAutoencoder
from sklearn_ae.model_selection import (
    BatchedHalvingGridSearchCV,
    BatchedHalvingRandomSearchCV,
)

# Trainings are as short as their claims allow, some too short to gain anything.
pytestmark = pytest.mark.filterwarnings("ignore:Training did not lower the loss")

DIGITS, LABELS = load_digits(return_X_y=True)
X, Y = DIGITS[:120] / 16, LABELS[:120] % 2

# Scores are shares, of size one. Single precision rounds to 6e-8; a training of a few
# steps multiplies that by far less than a hundred.
ROUNDING = 1e-5

SPARSE = SparseAutoencoder(20, max_epochs=2, random_state=0)
SPARSE_GRID = {"rho": [0.02, 0.05, 0.2], "lambd": [0.1, 1.0]}
EPOCHS = {"resource": "max_epochs", "max_resources": 8, "factor": 2}
ROWS = {"resource": "n_samples", "factor": 2}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """On which the sizes of groups depend."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def assert_same_search(theirs, ours):
    """The same candidates with the same scores, in the same order."""
    expected, got = theirs.cv_results_, ours.cv_results_
    assert got.keys() == expected.keys()
    assert got["params"] == expected["params"]
    for name, values in expected.items():
        if name in ("iter", "n_resources"):
            np.testing.assert_array_equal(got[name], values, err_msg=name)
        elif "_score" in name and "rank" not in name and "time" not in name:
            np.testing.assert_allclose(
                got[name], values, rtol=0, atol=ROUNDING, err_msg=name
            )
    for name, value in vars(theirs).items():
        if name.startswith(("n_", "min_", "max_")) and name != "n_jobs":
            assert getattr(ours, name) == value
    assert ours.best_index_ == theirs.best_index_
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=ROUNDING)
    assert ours.multimetric_ == theirs.multimetric_


def searches(estimator, grid, *data, n_jobs=(None,), **params):
    """A search of scikit-learn's, and ours, which print their groups; all fitted."""
    params = {"cv": KFold(2), "refit": False, "random_state": 0, **params}
    yield HalvingGridSearchCV(clone(estimator), grid, **params).fit(*data)
    for n in n_jobs:
        yield BatchedHalvingGridSearchCV(
            clone(estimator), grid, **params, n_jobs=n, verbose=1
        ).fit(*data)


def sizes_of_groups(capsys):
    printed = capsys.readouterr().out
    return [int(n) for n in re.findall(r"Training (\d+) networks together", printed)]


# -- the same search -------------------------------------------------------------------


def test_epochs_as_the_resource(capsys):
    params = {"n_jobs": (1, 2), **EPOCHS}
    theirs, *both = searches(SPARSE, SPARSE_GRID, X, **params)
    for ours in both:
        assert_same_search(theirs, ours)
        assert ours.n_resources_ == [2, 4, 8]
    # All candidates and folds of an iteration at once.
    assert sizes_of_groups(capsys) == 2 * [2 * n for n in theirs.n_candidates_]


def test_rows_as_the_resource(capsys):
    """Which rows are drawn depends on the seed."""
    params = {"random_state": 42, "n_jobs": (1, 2), **ROWS}
    theirs, *both = searches(SPARSE, SPARSE_GRID, X, **params)
    for ours in both:
        assert_same_search(theirs, ours)
        assert ours.n_resources_ == [30, 60, 120]
    assert sizes_of_groups(capsys) == 2 * [12, 6, 4]


PIPELINE = Pipeline(
    [
        ("scale", StandardScaler()),
        (
            "codes",
            Autoencoder(5, hidden_layer_sizes=(12,), init="random", random_state=0),
        ),
        ("classify", GaussianNB()),
    ]
)
# Of the accuracies many are equal.
PIPELINE_GRID = {
    "scale__with_mean": [False, True],
    "codes__learning_rate": [1e-3, 5e-3],
    "classify__var_smoothing": [1e-9, 1e-9],
}


@pytest.mark.parametrize(
    "params",
    [
        {"n_jobs": (1,), **EPOCHS, "resource": "codes__max_epochs"},
        {"n_jobs": (2,), **ROWS},
    ],
    ids=["epochs", "rows"],
)
def test_pipelines(params):
    pipeline = clone(PIPELINE).set_params(codes__max_epochs=2)
    theirs, ours = searches(pipeline, PIPELINE_GRID, X, Y, cv=2, **params)
    assert_same_search(theirs, ours)
    np.testing.assert_array_equal(
        ours.cv_results_["rank_test_score"], theirs.cv_results_["rank_test_score"]
    )
    first = theirs.cv_results_["mean_test_score"][: theirs.n_candidates_[0]]
    assert len(set(first)) < len(first)


@pytest.mark.parametrize(
    "params",
    [
        {"factor": 1.5},
        {"min_resources": "smallest"},
        {"min_resources": 3, "factor": 3},
        {"min_resources": 4, "aggressive_elimination": True},
        {"return_train_score": False},
        # A single fit in the last iteration.
        {"factor": 3, "cv": [(np.arange(80), np.arange(80, 120))]},
        {"scoring": lambda est, X, y=None: -est.reconstruction_error(X).max()},
    ],
    ids=lambda params: "-".join(params),
)
def test_options(params):
    estimator = DenoisingAutoencoder(
        4, hidden_layer_sizes=(9,), init="random", dropout=0.1, random_state=0
    )
    grid = {"corruption_level": [0.1, 0.3, 0.9], "learning_rate": [1e-3, 5e-3]}
    assert_same_search(*searches(estimator, grid, X, **EPOCHS | params))


def test_best_estimator_is_fitted_on_all_rows():
    theirs, ours = searches(SPARSE, SPARSE_GRID, X, refit=True, **EPOCHS)
    assert_same_search(theirs, ours)
    np.testing.assert_array_equal(ours.transform(X), theirs.transform(X))
    assert ours.best_estimator_.max_epochs == 8
    assert ours.n_features_in_ == X.shape[1]


def test_random_settings():
    settings = {"rho": loguniform(0.01, 0.3), "lambd": loguniform(0.01, 10)}
    for resource in (EPOCHS | {"n_candidates": 5}, ROWS | {"min_resources": 30}):
        params = {"cv": 2, "random_state": 42, **resource}
        theirs = HalvingRandomSearchCV(SPARSE, settings, **params).fit(X)
        ours = BatchedHalvingRandomSearchCV(SPARSE, settings, n_jobs=2, **params)
        assert_same_search(theirs, ours.fit(X))
        np.testing.assert_array_equal(ours.transform(X), theirs.transform(X))


# -- ties ------------------------------------------------------------------------------


def scored(search, scores):
    """A search over networks that train together, whose scores are given."""

    def scorer(estimator, X, y=None):
        return scores[int(estimator.tol)]

    return search(
        Autoencoder(2, hidden_layer_sizes=(4,), init="random", random_state=0),
        {"tol": range(len(scores))},
        resource="max_epochs",
        max_resources=4,
        factor=2,
        return_train_score=False,
        scoring=scorer,
        refit=False,
        cv=[(np.arange(20), np.arange(20, 40))],
    ).fit(X[:40, :8])


@pytest.mark.parametrize(("scale", "seed"), [(1.0, 0), (-1e-8, 1), (1e6, 42)])
def test_ties_up_to_rounding_are_ties(scale, seed):
    """Which of equal candidates go on is up to numpy's sorting: the same ones do."""
    rng = np.random.default_rng(seed)
    # More than sixteen, for which numpy's sort is not stable.
    exact = scale * rng.choice([0.5, 0.6, 0.7], size=21)
    noisy = exact * (1 + 2e-8 * rng.uniform(-1, 1, size=exact.shape))
    theirs = scored(HalvingGridSearchCV, exact)
    ours = scored(BatchedHalvingGridSearchCV, noisy)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    assert ours.best_index_ == theirs.best_index_
    expected, got = (one.cv_results_["rank_test_score"] for one in (theirs, ours))
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype
    for name in ("mean_test_score", "split0_test_score"):
        np.testing.assert_allclose(
            ours.cv_results_[name], theirs.cv_results_[name], rtol=1e-7
        )
    assert ours.best_score_ == ours.cv_results_["mean_test_score"][ours.best_index_]


def test_scores_further_apart_are_no_ties():
    rng = np.random.default_rng(0)
    scores = 0.5 + 1e-6 * rng.permutation(9)
    theirs, ours = (
        scored(search, scores)
        for search in (HalvingGridSearchCV, BatchedHalvingGridSearchCV)
    )
    assert_same_search(theirs, ours)
    assert ours.best_params_["tol"] == np.argmax(scores)


def test_candidates_that_compute_the_same():
    """To the last bit, whatever trains beside them."""
    grid = [
        {"tol": [0, 1e-9, 0], "learning_rate": [1e-3]},
        {"learning_rate": np.geomspace(1e-4, 1e-2, 6)},
        {"n_iter_no_change": [100, None], "learning_rate": [1e-3]},
    ]
    theirs, ours = searches(SPARSE, grid, X, **EPOCHS)
    assert_same_search(theirs, ours)
    np.testing.assert_array_equal(
        ours.cv_results_["rank_test_score"], theirs.cv_results_["rank_test_score"]
    )


# -- what goes wrong -------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:One or more of the t.* scores are non-finite")
def test_candidates_that_fail():
    estimator = Autoencoder(
        4, learning_rate_schedule="constant", optimizer="sgd", random_state=0
    )
    grid = {"learning_rate": [1e30, 1e-3, 1e30, 5e-3, 1e-4]}
    with pytest.warns(FitFailedWarning, match="4 fits failed out of a total of 10"):
        theirs, ours = searches(estimator, grid, X, **EPOCHS)
    assert_same_search(theirs, ours)
    assert np.isnan(ours.cv_results_["mean_test_score"]).any()
    assert np.isfinite(ours.best_score_)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"resource": "max_epochs"}, "max_resources='auto'"),
        (EPOCHS | {"resource": "epochs"}, "Cannot use resource=epochs"),
        (EPOCHS | {"resource": "lambd"}, "part of the searched parameters"),
        (ROWS | {"cv": KFold(2, shuffle=True)}, "consistent folds"),
        (EPOCHS | {"factor": 0}, "The 'factor' parameter"),
    ],
    ids=["no limit", "unknown", "searched", "folds", "factor"],
)
def test_errors_are_those_of_scikit_learn(params, message):
    search = BatchedHalvingGridSearchCV(SPARSE, SPARSE_GRID, **params)
    before = dict(vars(search))
    with pytest.raises(ValueError, match=message):
        search.fit(X)
    assert vars(search) == before


def test_an_error_in_a_later_iteration_leaves_the_search_as_it_was():
    def scorer(estimator, X, y=None):
        if estimator.max_epochs > 2:
            raise RuntimeError("no more")
        return 0.0

    search = BatchedHalvingGridSearchCV(
        SPARSE, SPARSE_GRID, scoring=scorer, error_score="raise", **EPOCHS
    )
    before = dict(vars(search))
    with pytest.raises(RuntimeError, match="no more"):
        search.fit(X)
    assert vars(search) == before
    search.set_params(scoring=None, n_jobs=2).fit(X)
    assert search.n_iterations_ == 3
