"""Searches that train candidates together, against those of scikit-learn."""

import inspect
import os
import re
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpydoc.docscrape import ClassDoc
from scipy import sparse
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RandomizedSearchCV,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from skorch.callbacks import Callback

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae._sklearn_compat import HalvingGridSearchCV, HalvingRandomSearchCV
from sklearn_ae.batched import fits
from sklearn_ae.batched.cancellation import Cancellation
from sklearn_ae.batched.identical import sets_of_identical
from sklearn_ae.batched.networks import StackedNetworks
from sklearn_ae.batched.training import train_stacked
from sklearn_ae.model_selection import (
    BatchedGridSearchCV,
    BatchedHalvingGridSearchCV,
    BatchedHalvingRandomSearchCV,
    BatchedRandomizedSearchCV,
)
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.objectives import Penalty
from sklearn_ae.objectives.losses import SquaredError
from sklearn_ae.persistence.state import dump_state
from sklearn_ae.training.loop import train, trained_by

# Trainings are as short as their claims allow, some too short to gain anything.
pytestmark = pytest.mark.filterwarnings("ignore:Training did not lower the loss")

SEEDS = [0, 1, 42]
DIGITS, LABELS = load_digits(return_X_y=True)
X, Y = DIGITS[:120] / 16, LABELS[:120]

# Scores are shares of the variance, of size one. Single precision rounds to 6e-8; a
# training of a few steps multiplies that by far less than a hundred.
ROUNDING = 1e-5


def briefly(estimator, **params):
    """The random start: few epochs change it, and each fit trains one network."""
    if estimator in (Autoencoder, DenoisingAutoencoder):
        params = {"init": "random", **params}
    return estimator(
        5, max_epochs=2, random_state=0, hidden_layer_sizes=(12,), **params
    )


def sparsely(**params):
    return SparseAutoencoder(20, max_epochs=2, random_state=0, **params)


@dataclass(eq=False)
class PullToTarget(Penalty):
    """A user-defined penalty that computes for several networks at once."""

    weight: float = 1.0
    target: float = 0.0
    uses_own_generator: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ("target",)

    def __call__(self, batch):
        return (batch.code.mean(-2) - self.target).square().sum(-1)


# Name: estimator, grid, and how many networks train together at once, at most.
CASES = {
    "plain": (briefly(Autoencoder), {"learning_rate": [1e-3, 5e-3]}, 4),
    "start as PCA": (
        briefly(Autoencoder, init="pca", optimizer="momentum"),
        {"tol": [0, 0.1]},
        4,
    ),
    "weight penalties": (
        briefly(Autoencoder),
        {"l1_penalty": [0.01, 0.1], "l2_penalty": [0.1, 1.0]},
        8,
    ),
    "penalty or none": (briefly(Autoencoder), {"l2_penalty": [0.0, 0.1, 1.0]}, 4),
    "tied": (
        briefly(Autoencoder, init="pca", tied_weights=True),
        {"learning_rate": [1e-3, 5e-3]},
        4,
    ),
    "dropout": (briefly(Autoencoder, dropout=0.2), {"random_state": [0, 1]}, 4),
    "shapes": (
        briefly(Autoencoder),
        {"hidden_layer_sizes": [(), (9,), (12, 9)], "n_components": [2, 3]},
        2,
    ),
    "batch sizes": (briefly(Autoencoder), {"batch_size": [16, 50]}, 2),
    "epochs": (briefly(Autoencoder), {"max_epochs": [0, 1, 2, 4]}, 8),
    "patience": (
        briefly(Autoencoder).set_params(max_epochs=8),
        {"n_iter_no_change": [1, 8], "learning_rate": [2e-3, 1e-2]},
        8,
    ),
    "nothing held out": (
        briefly(Autoencoder, validation=None),
        {"learning_rate": [1e-3, 5e-3]},
        4,
    ),
    "optimizers": (
        briefly(Autoencoder, learning_rate=1e-3),
        {"optimizer": ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"]},
        12,
    ),
    "classes of optimizers": (
        briefly(Autoencoder, learning_rate=1e-3),
        {"optimizer": [torch.optim.SGD, torch.optim.Adam]},
        4,
    ),
    "adamw": (
        briefly(Autoencoder),
        {"optimizer_params": [{"weight_decay": 0.1}, {"weight_decay": 1.0}]},
        4,
    ),
    "schedules": (
        briefly(Autoencoder),
        {
            "learning_rate_schedule": [
                "constant",
                "one_cycle",
                "cosine",
                "reduce_on_plateau",
            ]
        },
        8,
    ),
    "huber": (briefly(Autoencoder, loss="huber"), {"learning_rate": [1e-3, 5e-3]}, 2),
    "bce": (
        briefly(Autoencoder, init="pca", loss="bce"),
        {"learning_rate": [1e-3, 5e-3]},
        4,
    ),
    "kl": (sparsely(), {"rho": [0.05, 0.2], "lambd": [0.1, 1.0]}, 8),
    "l1": (sparsely(sparsity="l1"), {"lambd": [0.01, 0.1]}, 4),
    "l2": (sparsely(sparsity="l2"), {"lambd": [0.01, 0.1]}, 4),
    "topk": (sparsely(sparsity="topk", k=4), {"learning_rate": [1e-3, 5e-3]}, 4),
    "gaussian noise": (
        briefly(DenoisingAutoencoder),
        {"corruption_level": [0.1, 0.5]},
        4,
    ),
    "kinds of noise": (
        briefly(DenoisingAutoencoder),
        {"corruption": ["gaussian", "masking", "salt_and_pepper"]},
        6,
    ),
    "contractive": (
        ContractiveAutoencoder(5, max_epochs=3, random_state=0),
        {"lambd": [0.01, 1.0]},
        4,
    ),
    "contractive, deep": (
        briefly(
            ContractiveAutoencoder,
            tied_weights=False,
            init="pca",
            code_activation="identity",
        ),
        {"lambd": [0.01, 1.0]},
        4,
    ),
    "variational": (briefly(VariationalAutoencoder), {"beta": [0.5, 1.0]}, 2),
    "user-defined penalty": (
        briefly(Autoencoder, init="pca", penalties=[PullToTarget()]),
        {"penalties__0__weight": [0.1, 1.0], "penalties__0__target": [0.0, 1.0]},
        8,
    ),
}


def searches(estimator, grid, **params):
    """A fitted search of scikit-learn's, and one of ours, which prints its groups."""
    params = {"cv": KFold(2), "refit": False, **params}
    fit_params = params.pop("fit_params", {})
    data = params.pop("data", (X,))
    own = {"n_jobs": params.pop("n_jobs", None), "verbose": 1}
    theirs = GridSearchCV(clone(estimator), grid, **params)
    ours = BatchedGridSearchCV(clone(estimator), grid, **params, **own)
    return theirs.fit(*data, **fit_params), ours.fit(*data, **fit_params)


def own_threads():
    """Threads that a search has started and that have not ended."""
    threads = threading.enumerate()
    return [thread for thread in threads if thread.name.startswith("sklearn_ae")]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """On which the sizes of groups depend."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert own_threads() == []


def assert_same_scores(one, other, tolerance=ROUNDING):
    assert one.cv_results_.keys() == other.cv_results_.keys()
    assert one.cv_results_["params"] == other.cv_results_["params"]
    for name, values in one.cv_results_.items():
        if "_score" in name and "rank" not in name and "time" not in name:
            np.testing.assert_allclose(
                other.cv_results_[name], values, rtol=0, atol=tolerance, err_msg=name
            )
    assert one.n_splits_ == other.n_splits_
    if one.refit or not one.multimetric_:
        assert one.best_params_ == other.best_params_


class Groups:
    """How many networks trained at once, as the searches have printed it."""

    def __init__(self, capsys):
        self._capsys = capsys

    @property
    def sizes(self):
        printed = self._capsys.readouterr().out
        together = re.findall(r"Training (\d+) networks together", printed)
        alone = re.findall(r"Training (\d+) networks one at a time", printed)
        return [int(n) for n in together] + [1] * sum(map(int, alone))


@pytest.fixture
def groups(capsys):
    return Groups(capsys)


# -- the same scores -------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_scores_are_those_of_grid_search(name, groups):
    estimator, grid, n_together = CASES[name]
    theirs, ours = searches(estimator, grid)
    assert_same_scores(theirs, ours)
    sizes = groups.sizes
    assert max(sizes) == n_together
    assert sum(sizes) == 2 * len(ours.cv_results_["params"])


@pytest.mark.pinned
@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (Autoencoder(8, validation=2), {"learning_rate": [2e-3, 5e-3]}),
        (SparseAutoencoder(50), {"rho": [0.05, 0.2]}),
        (SparseAutoencoder(50, sparsity="l1"), {"lambd": [0.01, 0.1]}),
        (SparseAutoencoder(50, sparsity="topk"), {"learning_rate": [2e-3, 5e-3]}),
        (DenoisingAutoencoder(8, validation=None), {"corruption_level": [0.1, 0.4]}),
        (ContractiveAutoencoder(16), {"lambd": [0.01, 0.1]}),
    ],
    ids=["plain", "kl", "l1", "topk", "denoising", "contractive"],
)
def test_scores_agree_after_many_steps(estimator, grid):
    """Training multiplies rounding errors, though not without limit."""
    estimator = clone(estimator).set_params(random_state=0, max_epochs=25)
    theirs, ours = searches(estimator, grid, data=(DIGITS[:200] / 16,), cv=2)
    assert_same_scores(theirs, ours, tolerance=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_nets_end_as_they_would_alone(seed):
    four_epochs = {"random_state": seed, "corruption_level": 0.2, "max_epochs": 4}

    def trainings():
        collected = []

        class Collected(Exception):
            pass

        def collect(trainings):
            collected.extend(trainings)
            raise Collected

        settings = [
            # The first stops after an epoch, and the second goes on in its slot.
            {"n_iter_no_change": 1, "tol": 0.9, **four_epochs},
            four_epochs,
            {"random_state": seed, "corruption_level": 0.4, "max_epochs": 2},
            {"random_state": seed + 1, "corruption_level": 0.4, "max_epochs": 3},
        ]
        with trained_by(collect):
            for params in settings:
                params = {"init": "random", "dropout": 0.1, **params}
                denoiser = DenoisingAutoencoder(3, **params)
                with pytest.raises(Collected):
                    denoiser.fit(X)
        return collected

    alone, joint = trainings(), trainings()
    slots = [[joint[i] for i in slot] for slot in sets_of_identical(joint)]
    assert list(map(len, slots)) == [2, 1, 1]
    results = train_stacked(slots, Cancellation())
    for one, other in zip(alone, joint, strict=True):
        expected, got = train(one), results[other]
        assert got.has_changed == expected.has_changed
        assert got.best_loss == pytest.approx(expected.best_loss, rel=1e-4)
    assert len(joint[0].net.history) == 1
    for one, other in zip(alone, joint, strict=True):
        expected, got = dump_state(one.net), dump_state(other.net)
        for name, weight in expected["weights"].items():
            np.testing.assert_allclose(got["weights"][name], weight, atol=1e-5)
        for name, (_, state) in expected["generators"].items():
            np.testing.assert_array_equal(got["generators"][name][1], state)
        assert len(one.net.history) == len(other.net.history)
        for theirs, ours in zip(one.net.history, other.net.history, strict=True):
            assert theirs.keys() == ours.keys()
            for name in theirs.keys() - {"batches"}:
                np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4)
        # No memory of the other networks is kept alive.
        assert all(weight.is_contiguous() for weight in other.net.module_.parameters())
        for weight in (*other.net.module_.parameters(), *other.best.weights.values()):
            assert weight.untyped_storage().nbytes() == 4 * weight.numel()


@pytest.fixture(scope="module")
def fitted_by_grid_search():
    estimator, grid, _ = CASES["kl"]
    return GridSearchCV(estimator, grid, cv=KFold(2), refit=False).fit(X)


@pytest.mark.parametrize(
    ("n_jobs", "pre_dispatch"),
    [(None, "2*n_jobs"), (2, "all"), (-1, 2), (2, 7), (None, "n_jobs")],
)
def test_any_number_of_jobs(n_jobs, pre_dispatch, groups, fitted_by_grid_search):
    estimator, grid, _ = CASES["kl"]
    params = {"n_jobs": n_jobs, "pre_dispatch": pre_dispatch}
    ours = BatchedGridSearchCV(
        estimator, grid, cv=KFold(2), refit=False, verbose=1, **params
    ).fit(X)
    assert_same_scores(fitted_by_grid_search, ours)
    assert max(groups.sizes) == (pre_dispatch if pre_dispatch in (2, 7) else 8)


LARGE_GRID = {"rho": [0.02, 0.05, 0.1, 0.2], "lambd": [0.1, 1.0]}


@pytest.fixture(scope="module")
def fitted_on_large_grid():
    """With one thread, whatever the tests are about."""
    return GridSearchCV(CASES["kl"][0], LARGE_GRID, cv=2, refit=False).fit(X)


def test_groups_are_shared_out_to_threads(fitted_on_large_grid, two_threads, groups):
    params = {"cv": 2, "refit": False, "verbose": 1}
    ours = BatchedGridSearchCV(CASES["kl"][0], LARGE_GRID, **params).fit(X)
    assert_same_scores(fitted_on_large_grid, ours)
    assert groups.sizes == [8, 8]
    assert torch.get_num_threads() == 2


def test_an_error_in_one_group_ends_the_others(two_threads, monkeypatch):
    train, calls = StackedNetworks.train, []

    def broken(self):
        calls.append(self)
        if len(calls) == 3:
            raise MemoryError("no more")
        return train(self)

    monkeypatch.setattr(StackedNetworks, "train", broken)
    estimator, _, _ = CASES["kl"]
    estimator = clone(estimator).set_params(max_epochs=500)
    search = BatchedGridSearchCV(estimator, LARGE_GRID, cv=2)
    with pytest.raises(MemoryError, match="no more"):
        search.fit(X)
    assert len(calls) < 100


@pytest.mark.parametrize("budget", [0, 300_000])
def test_memory_budget_cuts_groups(budget, groups, monkeypatch, fitted_by_grid_search):
    estimator, grid, n_together = CASES["kl"]
    monkeypatch.setattr(fits, "MEMORY_BUDGET", budget)
    search = BatchedGridSearchCV(estimator, grid, cv=KFold(2), refit=False, verbose=1)
    assert_same_scores(fitted_by_grid_search, search.fit(X))
    sizes = groups.sizes
    assert sum(sizes) == n_together > max(sizes)
    if budget == 0:
        assert max(sizes) == 1


def test_large_networks_train_alone(groups):
    estimator = briefly(Autoencoder).set_params(
        max_epochs=1, hidden_layer_sizes=(1100, 1100)
    )
    theirs, ours = searches(estimator, {"tol": [0]}, cv=KFold(2))
    assert_same_scores(theirs, ours)
    assert groups.sizes == [1, 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_randomized_search(seed, groups):
    settings = {"rho": loguniform(0.01, 0.3), "lambd": loguniform(0.01, 10)}
    params = {"n_iter": 3, "cv": 2, "random_state": seed}
    theirs = RandomizedSearchCV(sparsely(), settings, **params).fit(X)
    ours = BatchedRandomizedSearchCV(sparsely(), settings, verbose=1, **params).fit(X)
    assert_same_scores(theirs, ours)
    assert groups.sizes == [6]
    np.testing.assert_allclose(
        ours.best_estimator_.transform(X), theirs.best_estimator_.transform(X)
    )


def test_global_generators_stay_as_they_are():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    estimator, grid, _ = CASES["dropout"]
    BatchedGridSearchCV(estimator, grid, cv=2).fit(X)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def worst_case(estimator, X, y=None):
    return -estimator.reconstruction_error(X).max()


# -- everything a search of scikit-learn can do ----------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"return_train_score": True},
        {"cv": ShuffleSplit(2, random_state=0)},
        {"cv": [(np.arange(60), np.arange(60, 120)), (np.arange(20, 80), [1, 2])]},
        {"cv": 4},
        {"scoring": worst_case},
    ],
    ids=["train score", "splitter", "iterable", "int", "callable"],
)
def test_options(params):
    estimator, grid, _ = CASES["plain"]
    assert_same_scores(*searches(estimator, grid, **params))


def test_several_scorers():
    scoring = {
        "share": lambda estimator, X, y=None: estimator.score(X),
        "worst": worst_case,
    }
    estimator, grid, _ = CASES["plain"]
    theirs, ours = searches(estimator, grid, scoring=scoring, refit="worst")
    assert_same_scores(theirs, ours)
    assert ours.multimetric_
    assert ours.scorer_.keys() == scoring.keys()
    assert ours.best_score_ == pytest.approx(theirs.best_score_)


def rank_of(name):
    """A `refit` that chooses by ranks."""
    return lambda results: int(results[f"rank_test_{name}"].argmin())


def scored(search, scores, refit=False):
    """A search over networks that train together, whose scores are given."""

    def scorer(estimator, X, y=None):
        return scores[estimator.tol]

    return search(
        briefly(Autoencoder).set_params(max_epochs=0),
        {"tol": range(len(scores))},
        scoring=scorer if isinstance(refit, bool) else {"one": scorer},
        refit=refit,
        cv=2,
    ).fit(X)


@pytest.mark.parametrize(
    ("scale", "refit"),
    [(1.0, True), (-1.0, False), (1e-8, "one"), (-1e6, rank_of("one"))],
)
def test_ties_up_to_rounding_are_ties(scale, refit):
    """The first of the grid wins, as it does if scores are equal to the last bit."""
    exact = np.array([0.5, 0.7, 0.7, 0.7, 0.6, 0.7])
    exact = scale * (exact if scale > 0 else 1 - exact)
    noisy = exact * (1 + 2e-8 * np.array([0, 1, 3, 2, 0, -1]))
    theirs = scored(GridSearchCV, exact, refit)
    ours = scored(BatchedGridSearchCV, noisy, refit)
    (rank,) = [name for name in theirs.cv_results_ if name.startswith("rank_test")]
    expected, got = theirs.cv_results_[rank], ours.cv_results_[rank]
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype
    assert ours.best_index_ == theirs.best_index_ == 1
    assert ours.best_params_ == theirs.best_params_
    if not callable(refit):
        assert ours.best_score_ == noisy[1]


@pytest.mark.pinned
def test_accuracies_that_change_places():
    """Their means differ in the last bit, and no rounding of networks explains it."""
    rng = np.random.default_rng(0)
    accuracies = rng.permuted(np.tile([0.1, 0.2, 0.3], (12, 1)), axis=1)
    starts = [X[start].tolist() for start in (0, 40, 80)]

    def scorer(estimator, X, y=None):
        return accuracies[estimator.tol, starts.index(X[0].tolist())]

    theirs, ours = searches(
        briefly(Autoencoder).set_params(max_epochs=0),
        {"tol": range(12)},
        scoring=scorer,
        cv=KFold(3),
    )
    expected, got = (one.cv_results_["rank_test_score"] for one in (theirs, ours))
    assert len(set(expected)) > 1
    np.testing.assert_array_equal(got, expected)
    assert ours.best_index_ == theirs.best_index_


@pytest.mark.pinned
@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (briefly(Autoencoder, dropout=0.1), X),
        (sparsely(), sparse.csr_array(X)),
        (briefly(DenoisingAutoencoder), X),
        (
            briefly(VariationalAutoencoder, init="random", output_activation="sigmoid"),
            X,
        ),
        (
            briefly(
                Autoencoder,
                learning_rate_schedule="reduce_on_plateau",
                optimizer="sgd",
                optimizer_params={"momentum": 0.99},
            ).set_params(max_epochs=15),
            X,
        ),
    ],
    ids=["dropout", "sparse", "denoising", "variational", "plateau"],
)
def test_candidates_that_compute_the_same_are_equal(estimator, data, groups, request):
    """To the last bit on any machine, whatever trains beside them."""
    grid = [
        {"tol": [0, 1e-9], "learning_rate": [1e-3]},
        {"learning_rate": np.geomspace(1e-4, 1e-2, 4)},
        {"n_iter_no_change": [100, None], "learning_rate": [1e-3]},
    ]
    params = {"cv": KFold(2), "refit": False}
    theirs = GridSearchCV(estimator, grid, **params).fit(data)
    request.getfixturevalue("two_threads")
    ours = BatchedGridSearchCV(estimator, grid, verbose=1, **params).fit(data)
    assert_same_scores(theirs, ours, tolerance=1e-4)
    sizes = groups.sizes
    assert len(sizes) == 2
    assert sum(sizes) == 16
    for name in ("rank_test_score", "split0_test_score", "split1_test_score"):
        assert len(set(ours.cv_results_[name][[0, 1, 6, 7]])) == 1


def test_candidates_of_later_steps_share_a_training():
    pipeline = make_pipeline(briefly(Autoencoder), LogisticRegression())
    grid = {"logisticregression__C": [1.0, 2.0, 1.0]}
    theirs, ours = searches(pipeline, grid, data=(X, Y))
    assert_same_scores(theirs, ours)
    scores = ours.cv_results_["mean_test_score"]
    assert scores[0] == scores[2]


@pytest.mark.parametrize(
    "values",
    [
        [np.nan, 0.5, np.nan, 0.7],
        [np.nan, np.nan],
        [-np.inf, 0.5],
        [0.5, 0.5 + 1e-6],
        [0.0, 0.0, 1e-9],
    ],
)
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.filterwarnings("ignore:invalid value encountered in subtract")
def test_ranks_are_otherwise_those_of_grid_search(values):
    theirs, ours = (scored(one, values) for one in (GridSearchCV, BatchedGridSearchCV))
    expected, got = (one.cv_results_["rank_test_score"] for one in (theirs, ours))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_arguments_of_fit_are_split(seed, groups):
    rng = np.random.default_rng(seed)
    fit_params = {
        "sample_weight": rng.uniform(0.5, 2, size=len(X)),
        "X_target": X + 0.1 * rng.normal(size=X.shape),
    }
    estimator, grid, _ = CASES["plain"]
    assert_same_scores(*searches(estimator, grid, fit_params=fit_params))
    assert groups.sizes == [4]


def test_groups_of_rows():
    fit_params = {"groups": np.arange(len(X)) // 25}
    estimator, grid, _ = CASES["plain"]
    assert_same_scores(
        *searches(estimator, grid, cv=GroupKFold(2), fit_params=fit_params)
    )


@pytest.mark.parametrize(
    "convert",
    [
        lambda X: X.astype(np.float32),
        lambda X: (16 * X).astype(int),
        lambda X: X.tolist(),
        sparse.csr_matrix,
        sparse.csr_array,
    ],
    ids=["float32", "int", "list", "csr_matrix", "csr_array"],
)
def test_any_table(convert):
    estimator, grid, _ = CASES["plain"]
    assert_same_scores(*searches(estimator, grid, data=(convert(X),)))


def test_data_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(X.shape[1])])
    estimator, grid, _ = CASES["plain"]
    theirs, ours = searches(estimator, grid, data=(frame,), refit=True)
    assert_same_scores(theirs, ours)
    np.testing.assert_array_equal(ours.feature_names_in_, frame.columns)


def test_list_of_grids(groups):
    grid = [{"rho": [0.1, 0.2]}, {"sparsity": ["l1"], "lambd": [0.01, 0.1]}]
    assert_same_scores(*searches(sparsely(), grid))
    assert sorted(groups.sizes) == [4, 4]


def test_estimators_as_values():
    grid = {"ae": [briefly(Autoencoder), sparsely(sparsity="l1")]}
    pipeline = Pipeline([("scale", StandardScaler()), ("ae", Autoencoder())])
    assert_same_scores(*searches(pipeline, grid))


def test_best_estimator_is_fitted_on_all_rows():
    estimator, grid, _ = CASES["plain"]
    theirs, ours = searches(estimator, grid, refit=True)
    np.testing.assert_array_equal(ours.transform(X), theirs.transform(X))
    assert ours.score(X) == theirs.score(X)
    assert ours.refit_time_ > 0


def test_fit_times_are_shares_of_the_training():
    estimator, grid, _ = CASES["kl"]
    search = BatchedGridSearchCV(estimator, grid, cv=3, refit=False).fit(X)
    assert (search.cv_results_["mean_fit_time"] > 0).all()
    # Waiting for the others is no part of them.
    spread = search.cv_results_["mean_fit_time"]
    assert spread.max() < 12 * spread.min()


def test_unfitted_search_is_like_any_estimator():
    search = BatchedGridSearchCV(Autoencoder(), {"n_components": [1, 2]}, cv=3)
    assert repr(search).startswith("BatchedGridSearchCV(cv=3")
    copy = clone(search)
    assert type(copy) is BatchedGridSearchCV
    assert copy.param_grid == search.param_grid
    for ours, theirs in (
        (BatchedGridSearchCV, GridSearchCV),
        (BatchedRandomizedSearchCV, RandomizedSearchCV),
        (BatchedHalvingGridSearchCV, HalvingGridSearchCV),
        (BatchedHalvingRandomSearchCV, HalvingRandomSearchCV),
    ):
        # As strings: no nan equals another.
        assert str(inspect.signature(ours)) == str(inspect.signature(theirs))


@pytest.mark.parametrize(
    ("search", "params"),
    [
        (BatchedGridSearchCV, {}),
        (BatchedRandomizedSearchCV, {"n_iter": 2}),
        (BatchedHalvingGridSearchCV, {}),
        (BatchedHalvingRandomSearchCV, {"n_candidates": 2}),
    ],
)
def test_documentation(search, params):
    doc = ClassDoc(search)
    documented = {parameter.name: parameter.type for parameter in doc["Parameters"]}
    signature = inspect.signature(search).parameters
    assert documented.keys() == signature.keys()
    for name, parameter in signature.items():
        if parameter.default is not inspect.Parameter.empty:
            default = str(parameter.default)
            assert documented[name].replace('"', "").endswith(f"default={default}")
    documented = {attribute.name for attribute in doc["Attributes"]}
    fitted = search(
        make_pipeline(Autoencoder(2, max_epochs=0), LogisticRegression()),
        {"autoencoder__tol": [0, 1]},
        cv=2,
        **params,
    )
    fitted.fit(X, Y)
    assert {name for name in vars(fitted) if name.endswith("_")} <= documented


def test_search_inside_of_a_cross_validation():
    estimator, grid, _ = CASES["plain"]
    scores = [
        cross_val_score(search(estimator, grid, cv=2), X, cv=2)
        for search in (GridSearchCV, BatchedGridSearchCV)
    ]
    np.testing.assert_allclose(*scores, atol=1e-5)


# -- pipelines -------------------------------------------------------------------------


class CountedScaler(StandardScaler):
    n_fits = 0

    def fit(self, X, y=None, sample_weight=None):
        CountedScaler.n_fits += 1
        return super().fit(X, y, sample_weight)


class Recorder(TransformerMixin, BaseEstimator):
    """Notes what it is fitted to."""

    seen: list = []  # noqa: RUF012 - shared by all clones on purpose

    def fit(self, X, y=None):
        Recorder.seen.append(len(X))
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("with_mean", [False, True])
def test_pipeline(with_mean, groups):
    CountedScaler.n_fits = 0
    Recorder.seen.clear()
    pipeline = Pipeline(
        [
            ("scale", CountedScaler()),
            ("codes", sparsely()),
            ("record", Recorder()),
            ("classify", LogisticRegression()),
        ]
    )
    grid = {"codes__lambd": [0.1, 1.0]}
    if with_mean:
        grid["scale__with_mean"] = [False, True]
    n_candidates = 2 * (1 + with_mean)
    params = {"cv": 2, "refit": False}
    ours = BatchedGridSearchCV(pipeline, grid, verbose=1, **params).fit(X, Y)
    assert CountedScaler.n_fits == 2 * (1 + with_mean)
    assert len(Recorder.seen) == 2 * n_candidates
    assert sum(groups.sizes) == 2 * n_candidates
    theirs = GridSearchCV(pipeline, grid, **params).fit(X, Y)
    assert_same_scores(theirs, ours)


@pytest.mark.parametrize("scoring", ["accuracy", ["accuracy", "f1_macro"]])
def test_scoring_by_name(scoring):
    pipeline = make_pipeline(briefly(Autoencoder), LogisticRegression())
    grid = {"autoencoder__learning_rate": [1e-3, 5e-3]}
    assert_same_scores(*searches(pipeline, grid, data=(X, Y), scoring=scoring))


def test_pipeline_is_given_back_as_it_was():
    pipeline = make_pipeline(StandardScaler(), briefly(Autoencoder))
    grid = {"autoencoder__learning_rate": [1e-3, 5e-3]}
    search = BatchedGridSearchCV(pipeline, grid, cv=2).fit(X)
    assert search.estimator is pipeline
    assert pipeline.memory is None
    assert search.best_estimator_.memory is None
    with pytest.raises(ValueError, match="no_such"):
        BatchedGridSearchCV(pipeline, {"no_such": [1]}, cv=2).fit(X)
    assert search.estimator is pipeline


def add_one_in_place(X):
    X += 1
    return X


def center_in_place(X):
    X -= X.mean(axis=0)
    return X


class KeepsItsOutput(TransformerMixin, BaseEstimator):
    """Hands out what it keeps, and computes with it later."""

    def fit_transform(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self.kept_ = X - X.mean(axis=0)
        return self.kept_

    def fit(self, X, y=None):
        self.fit_transform(X)
        return self

    def transform(self, X):
        return X - X.mean(axis=0) + self.kept_.mean()


class CountsItsCalls(TransformerMixin, BaseEstimator):
    """Whose output depends on how often it was called."""

    def fit(self, X, y=None):
        self.n_features_in_, self.n_calls_ = X.shape[1], 0
        return self

    def transform(self, X):
        self.n_calls_ += 1
        return X * self.n_calls_


class CannotBeCopied(TransformerMixin, BaseEstimator):
    """Holds what is its own, such as an open file."""

    def fit(self, X, y=None):
        self.n_features_in_, self.lock_ = X.shape[1], threading.Lock()
        return self

    def transform(self, X):
        return X - 1


class ScalesSparseInPlace(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        X.data *= 2
        return X


PCA_10 = PCA(10, random_state=0)
STEPS = {
    "scaler": [PCA_10, StandardScaler(copy=False)],
    "scaler first": [StandardScaler(copy=False), PCA_10],
    "scaler only": [StandardScaler(copy=False)],
    "function": [PCA_10, FunctionTransformer(add_one_in_place)],
    "function first": [FunctionTransformer(add_one_in_place), PCA_10],
    "identity": [FunctionTransformer(), StandardScaler(copy=False)],
    "view": [FunctionTransformer(lambda X: X[:, 5:]), StandardScaler(copy=False)],
    "kept": [KeepsItsOutput(), FunctionTransformer(center_in_place)],
    "kept, scaled": [KeepsItsOutput(), StandardScaler(copy=False)],
    "lock": [CannotBeCopied(), StandardScaler(copy=False)],
    "state": [CountsItsCalls(), StandardScaler(copy=False)],
    "sparse": [FunctionTransformer(sparse.csr_matrix), ScalesSparseInPlace()],
    "sparse array": [FunctionTransformer(sparse.csr_array), ScalesSparseInPlace()],
}


@pytest.mark.parametrize(
    ("name", "n_jobs"), [("scaler", None), *((name, 2) for name in STEPS)]
)
def test_candidates_do_not_see_what_others_write(name, n_jobs):
    pipeline = make_pipeline(
        *STEPS[name],
        SparseAutoencoder(12, max_epochs=1, random_state=0),
    )
    grid = {"sparseautoencoder__learning_rate": [1e-3, 1e-2, 5e-2]}
    params = {"n_jobs": n_jobs, "return_train_score": True}
    before = X.copy()
    assert_same_scores(*searches(pipeline, grid, **params))
    np.testing.assert_array_equal(X, before)


def test_candidates_do_not_see_what_others_write_into_frames():
    pd = pytest.importorskip("pandas")

    def double_in_place(frame):
        frame[:] = 2 * frame.to_numpy()
        return frame

    pipeline = make_pipeline(
        StandardScaler().set_output(transform="pandas"),
        FunctionTransformer(double_in_place),
        sparsely(),
    )
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(X.shape[1])])
    grid = {"sparseautoencoder__lambd": [0.01, 0.1, 1.0]}
    params = {"cv": 2, "data": (frame,), "return_train_score": True}
    assert_same_scores(*searches(pipeline, grid, **params))


def test_memory_of_the_user_is_used(tmp_path):
    CountedScaler.n_fits = 0
    pipeline = make_pipeline(
        CountedScaler(), briefly(Autoencoder), memory=str(tmp_path)
    )
    grid = {"autoencoder__learning_rate": [1e-3, 5e-3]}
    search = BatchedGridSearchCV(pipeline, grid, cv=2).fit(X)
    assert search.best_estimator_.memory == str(tmp_path)
    # Two folds, and all rows.
    assert CountedScaler.n_fits == 3
    assert any(tmp_path.iterdir())


# -- what trains by itself -------------------------------------------------------------


class OwnNetwork(torch.nn.Module):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = torch.nn.Linear(n_features, n_components)
        self.decoder = torch.nn.Linear(n_components, n_features)

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)


def hide_a_half(x, generator):
    return x * (torch.rand(x.shape, generator=generator) < 0.5)


class OwnAdam(torch.optim.Adam):
    pass


class OwnSGD(torch.optim.SGD):
    pass


class OwnDense(DenseNetwork):
    """It may compute otherwise than its base class."""


class OwnLoss(SquaredError):
    pass


@dataclass(eq=False)
class OwnPenalty(Penalty):
    weight: float = 1.0

    def __call__(self, batch):
        return batch.mean(batch.code.square().sum(-1))


ALONE = {
    "Convolutions is not stackable": ConvolutionalAutoencoder(
        5, image_shape=(1, 8, 8), channels=(2,)
    ),
    "OwnNetwork is not stackable": Autoencoder(5, network=OwnNetwork),
    "OwnDense is not stackable": Autoencoder(5, network=OwnDense),
    "a user-defined part": DenoisingAutoencoder(
        5, corruption=hide_a_half, init="random"
    ),
    "JacobianPenalty is not batchable": ContractiveAutoencoder(5, n_projections=2),
    "OwnAdam": Autoencoder(5, optimizer=OwnAdam, learning_rate=1e-3),
    "OwnLoss is not stackable": Autoencoder(5, loss=OwnLoss(), init="random"),
    "OwnPenalty is not batchable": Autoencoder(5, penalties=[OwnPenalty(0.1)]),
    "callbacks": Autoencoder(5, callbacks=[Callback()], init="random"),
}


@pytest.mark.parametrize("reason", ALONE)
def test_what_trains_alone_says_why(reason, capsys):
    estimator = clone(ALONE[reason]).set_params(random_state=0)
    theirs, ours = searches(estimator, {"max_epochs": [1, 2]}, cv=2)
    assert_same_scores(theirs, ours)
    printed = capsys.readouterr().out.splitlines()
    (line,) = [line for line in printed if reason in line]
    assert "4 networks one at a time" in line


def test_nothing_is_printed_by_default(capsys):
    estimator, grid, _ = CASES["plain"]
    BatchedGridSearchCV(estimator, grid, cv=2).fit(X)
    assert capsys.readouterr().out == ""


def test_callbacks_hear_of_their_own_training(groups):
    heard = []

    class Listener(Callback):
        def on_epoch_end(self, net, **kwargs):
            heard.append(len(net.history))

    estimator = briefly(Autoencoder, callbacks=[("listener", Listener())])
    grid = {"tol": [0, 0.1]}
    BatchedGridSearchCV(estimator, grid, cv=2, refit=False, verbose=1).fit(X)
    assert groups.sizes == [1] * 4
    assert heard == [1, 2] * 4


def test_verbose_says_what_trains_together(capsys):
    estimator, grid, _ = CASES["penalty or none"]
    BatchedGridSearchCV(estimator, grid, cv=3, refit=False, verbose=1).fit(X)
    printed = capsys.readouterr().out
    assert "9 fits" in printed
    assert "3 networks together" in printed
    assert "6 networks together" in printed


@pytest.mark.pinned
@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (
            StackedAutoencoder(
                Autoencoder(validation=2, random_state=0),
                hidden_layer_sizes=(9,),
                max_epochs=2,
            ).set_params(n_components=3, pretrain_epochs=2, random_state=0),
            {"learning_rate": [1e-3, 5e-3]},
        ),
        (
            StackedAutoencoder(
                3,
                hidden_layer_sizes=(9,),
                layer=[DenoisingAutoencoder(), None],
                max_epochs=1,
                pretrain_epochs=1,
                random_state=0,
            ),
            {"layer__0__corruption_level": [0.1, 0.5]},
        ),
        (
            AutoencoderOutlierDetector(
                Autoencoder(2, max_epochs=2, init="random"), cv=2, random_state=0
            ),
            {"autoencoder__learning_rate": [1e-3, 5e-3]},
        ),
        (
            AutoencoderClassifier(
                Autoencoder(3, max_epochs=2, validation=2),
                max_epochs=2,
                random_state=0,
            ),
            {"autoencoder__learning_rate": [1e-3, 5e-3]},
        ),
    ],
    ids=["stacked", "stacked_prototypes", "outliers", "classifier"],
)
def test_estimators_that_train_several_times(estimator, grid, groups):
    """What is inside of them trains together, stage by stage."""
    params = {"data": (X, Y), "cv": KFold(2)}
    if isinstance(estimator, AutoencoderOutlierDetector):
        params["scoring"] = lambda detector, X, y=None: detector.score_samples(X).mean()
    assert_same_scores(*searches(estimator, grid, **params))
    assert max(groups.sizes) > 1


# -- when something goes wrong ---------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        # The loss is still finite before the one step.
        {"validation": None, "batch_size": 200, "max_epochs": 1},
        {"optimizer": OwnSGD},
    ],
    ids=["in training", "after the last step", "alone"],
)
@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_candidates_that_fail_take_no_others_along(params):
    estimator = briefly(Autoencoder, learning_rate_schedule="constant", optimizer="sgd")
    estimator.set_params(**params)
    grid = {"learning_rate": [1e-3, 1e30, 5e-3]}
    with pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 6"):
        theirs, ours = searches(estimator, grid, refit=True)
    assert_same_scores(theirs, ours)
    failed = np.isnan(ours.cv_results_["mean_test_score"])
    assert failed.tolist() == [False, True, False]


def test_candidates_that_cannot_begin():
    grid = {"n_components": [2, 1000]}
    with pytest.warns(FitFailedWarning, match="n_components=1000"):
        ours = BatchedGridSearchCV(
            briefly(Autoencoder, init="pca"), grid, cv=2, error_score=-7.0
        ).fit(X)
    assert ours.cv_results_["mean_test_score"][1] == -7.0
    assert ours.best_params_ == {"n_components": 2}


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_errors_can_be_raised(n_jobs):
    estimator = briefly(Autoencoder, learning_rate_schedule="constant", optimizer="sgd")
    grid = {"learning_rate": [1e-3, 1e30, 5e-3]}
    search = BatchedGridSearchCV(estimator, grid, error_score="raise", n_jobs=n_jobs)
    with pytest.raises(ValueError, match="The training loss became"):
        search.fit(X)
    assert not hasattr(search, "cv_results_")


# -- interrupts ------------------------------------------------------------------------

# Windows ends a process that `os.kill` sends SIGINT to.
takes_signals = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


@pytest.fixture
def sigint_raises():
    """Python's usual handler, also where the shell has had SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


class InterruptsAt(TransformerMixin, BaseEstimator):
    """Sends an interrupt when a method of its has been called so many times."""

    calls: list = []  # noqa: RUF012 - shared by all clones on purpose

    def __init__(self, method="fit", after=1):
        self.method = method
        self.after = after

    def _called(self, method):
        if method == self.method:
            InterruptsAt.calls.append(method)
            if len(InterruptsAt.calls) == self.after:
                interrupt()

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self._called("fit")
        return self

    def transform(self, X):
        self._called("transform")
        return X.copy()


class InterruptsTraining(Callback):
    """Sends an interrupt in the second batch of a network that trains by itself."""

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        if training and len(net.history) == 2:
            interrupt()


def interrupting_scorer(estimator, X, y=None):
    if not InterruptsAt.calls:
        InterruptsAt.calls.append("score")
        interrupt()
    return 0.0


def interrupting_refit(results):
    interrupt()
    return 0


LONG = 10**6  # epochs: it is interrupted, or pytest's limit ends it
# 2 candidates in 2 folds: the first steps are fitted once a fold, the last ones four
# times.
MOMENTS = {
    "first step": (InterruptsAt("fit", 1), sparsely(), {}),
    "transform": (InterruptsAt("transform", 2), sparsely(), {}),
    "lone training": (
        "passthrough",
        sparsely(callbacks=[("interrupts", InterruptsTraining())]),
        {},
    ),
    "scoring": ("passthrough", sparsely(), {"scoring": interrupting_scorer}),
    "choice": ("passthrough", sparsely(), {"refit": interrupting_refit}),
    "refit": (InterruptsAt("fit", 3), sparsely(), {}),
}


@takes_signals
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupts_end_the_search(moment, n_jobs, sigint_raises):
    step, autoencoder, params = MOMENTS[moment]
    if moment in ("lone training", "first step", "transform"):
        autoencoder = clone(autoencoder).set_params(max_epochs=LONG)
    pipeline = Pipeline([("step", step), ("codes", autoencoder)])
    grid = {"codes__lambd": [0.1, 1.0]}
    search = BatchedGridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs, **params)
    before = dict(vars(search))
    InterruptsAt.calls.clear()
    with pytest.raises(KeyboardInterrupt):
        search.fit(X)
    assert own_threads() == []
    assert vars(search) == before
    # Nothing is left behind that would disturb the next one.
    autoencoder = clone(autoencoder).set_params(max_epochs=1, callbacks=None)
    pipeline.set_params(step="passthrough", codes=autoencoder)
    search.set_params(scoring=None, refit=True).fit(X)
    assert np.isfinite(search.best_score_)


@takes_signals
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("delay", [0.0, 0.002, 0.01, 0.03, 0.1, 0.2])
def test_interrupts_at_any_time(delay, n_jobs, sigint_raises):
    search = BatchedGridSearchCV(
        sparsely().set_params(max_epochs=LONG, validation=0.2),
        {"lambd": [0.1, 1.0]},
        cv=2,
        n_jobs=n_jobs,
        refit=False,
    )
    timer = threading.Timer(delay, interrupt)

    def fit_interrupted():
        timer.start()
        search.fit(X)

    with pytest.raises(KeyboardInterrupt):
        fit_interrupted()
    timer.join()
    assert own_threads() == []
    assert not hasattr(search, "cv_results_")


@pytest.mark.pinned
def test_interrupts_at_any_line_of_what_waits():
    """Wherever in the waiting thread they strike, all threads end."""
    search = BatchedGridSearchCV(
        sparsely().set_params(max_epochs=0),
        {"lambd": [0.1]},
        cv=2,
        n_jobs=2,
        refit=False,
    )

    few = X[:12, :6]

    def fit_interrupted_at(n):
        seen = 0

        def trace(frame, event, arg):
            nonlocal seen
            if frame.f_code.co_filename not in (fits.__file__, threading.__file__):
                return None
            if event == "line":
                seen += 1
                if seen == n:
                    raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            search.fit(few)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False

    n = 1
    while fit_interrupted_at(n):
        assert own_threads() == []
        assert not hasattr(search, "cv_results_")
        n += 1
    assert n > 20
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@takes_signals
def test_a_second_interrupt_does_not_wait(sigint_raises):
    """Neither for ever nor for a step that takes long; the threads end after it."""
    go_on = threading.Event()

    class Slow(Recorder):
        def fit(self, X, y=None):
            threading.Timer(0.05, interrupt).start()
            threading.Timer(0.15, interrupt).start()
            go_on.wait(20)
            return super().fit(X)

    search = BatchedGridSearchCV(
        make_pipeline(Slow(), sparsely()), {"sparseautoencoder__rho": [0.1]}, cv=2
    )
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        search.fit(X)
    assert time.perf_counter() - start < 10
    threads = own_threads()
    go_on.set()
    for thread in threads:
        thread.join(20)


def test_warnings_of_candidates_come_through():
    class Warns(Recorder):
        def fit(self, X, y=None):
            warnings.warn("from a step", UserWarning, stacklevel=2)
            return super().fit(X)

    pipeline = make_pipeline(Warns(), briefly(Autoencoder))
    filters = warnings.filters.copy()
    search = BatchedGridSearchCV(pipeline, {"autoencoder__tol": [0, 1]}, cv=2)
    with pytest.warns(UserWarning, match="from a step"):
        search.fit(X)
    assert warnings.filters == filters
