"""Searches that train candidates together, against those of scikit-learn."""

import inspect
import threading
import warnings

import numpy as np
import pytest
import torch
from numpydoc.docscrape import ClassDoc
from scipy import sparse
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_digits
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
from sklearn.preprocessing import StandardScaler

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
from sklearn_ae.model_selection import (
    BatchedGridSearchCV,
    BatchedRandomizedSearchCV,
    _backend,
)
from sklearn_ae.batched import together
from sklearn_ae.training.stopping import BestWeights
from sklearn_ae.training.collecting import collecting
from sklearn_ae.batched.stack import Stack
from sklearn_ae.persistence.state import dump_state

SEEDS = [0, 1, 42]
DIGITS, LABELS = load_digits(return_X_y=True)
X, Y = DIGITS[:240] / 16, LABELS[:240]


def briefly(estimator, **params):
    return estimator(
        5, max_epochs=3, random_state=0, hidden_layer_sizes=(12,), **params
    )


def sparsely(**params):
    return SparseAutoencoder(20, max_epochs=3, random_state=0, **params)


# Name: estimator, grid, and how many networks train together at once, at most.
CASES = {
    "plain": (briefly(Autoencoder), {"learning_rate": [1e-3, 5e-3]}, 6),
    "random start": (briefly(Autoencoder, init="random"), {"tol": [0, 0.1]}, 6),
    "weight penalties": (
        briefly(Autoencoder, init="random"),
        {"l1_penalty": [0.01, 0.1], "l2_penalty": [0.1, 1.0]},
        12,
    ),
    "penalty or none": (briefly(Autoencoder), {"l2_penalty": [0.0, 0.1, 1.0]}, 6),
    "tied": (
        briefly(Autoencoder, tied_weights=True),
        {"learning_rate": [1e-3, 5e-3]},
        6,
    ),
    "dropout": (briefly(Autoencoder, dropout=0.2), {"random_state": [0, 1]}, 6),
    "shapes": (
        briefly(Autoencoder),
        {"hidden_layer_sizes": [(), (9,), (12, 9)], "n_components": [2, 3]},
        3,
    ),
    "batch sizes": (briefly(Autoencoder), {"batch_size": [16, 50]}, 3),
    "epochs": (briefly(Autoencoder), {"max_epochs": [0, 1, 2, 4]}, 12),
    "patience": (
        briefly(Autoencoder, init="random").set_params(max_epochs=8),
        {"n_iter_no_change": [1, 8], "learning_rate": [2e-3, 1e-2]},
        12,
    ),
    "no early stopping": (
        briefly(Autoencoder, early_stopping=False),
        {"learning_rate": [1e-3, 5e-3]},
        6,
    ),
    "optimizers": (
        briefly(Autoencoder, learning_rate=1e-3),
        {"optimizer": ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"]},
        18,
    ),
    "adamw": (
        briefly(Autoencoder),
        {"optimizer_params": [{"weight_decay": 0.1}, {"weight_decay": 1.0}]},
        6,
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
        12,
    ),
    "huber": (briefly(Autoencoder, loss="huber"), {"learning_rate": [1e-3, 5e-3]}, 2),
    "bce": (briefly(Autoencoder, loss="bce"), {"learning_rate": [1e-3, 5e-3]}, 6),
    "kl": (sparsely(), {"rho": [0.05, 0.2], "lambd": [0.1, 1.0]}, 12),
    "l1": (sparsely(sparsity="l1"), {"lambd": [0.01, 0.1]}, 6),
    "l2": (sparsely(sparsity="l2"), {"lambd": [0.01, 0.1]}, 6),
    "topk": (sparsely(sparsity="topk", k=4), {"learning_rate": [1e-3, 5e-3]}, 6),
    "gaussian noise": (
        briefly(DenoisingAutoencoder),
        {"corruption_level": [0.1, 0.5]},
        6,
    ),
    "kinds of noise": (
        briefly(DenoisingAutoencoder),
        {"corruption": ["gaussian", "masking", "salt_and_pepper"]},
        9,
    ),
    "contractive": (
        ContractiveAutoencoder(5, max_epochs=3, random_state=0),
        {"lambd": [0.01, 1.0]},
        6,
    ),
    "contractive, deep": (
        briefly(
            ContractiveAutoencoder,
            tied_weights=False,
            init="pca",
            code_activation="identity",
        ),
        {"lambd": [0.01, 1.0]},
        6,
    ),
    "variational": (briefly(VariationalAutoencoder), {"beta": [0.5, 1.0]}, 2),
}


def searches(estimator, grid, **params):
    """A fitted search of scikit-learn's, and one of ours."""
    params = {"cv": KFold(3), "refit": False, **params}
    fit_params = params.pop("fit_params", {})
    data = params.pop("data", (X,))
    both = []
    for search in (GridSearchCV, BatchedGridSearchCV):
        both.append(search(clone(estimator), grid, **params).fit(*data, **fit_params))
    return both


def assert_same_scores(one, other, tolerance=1e-5):
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


@pytest.fixture
def group_sizes(monkeypatch):
    """How many networks were trained at once, call by call."""
    sizes = []

    def train_together(trainings, stop):
        sizes.append(len(trainings))
        return together.train_together(trainings, stop)

    monkeypatch.setattr(_backend, "train_together", train_together)
    return sizes


# -- the same scores -------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_scores_are_those_of_grid_search(name, group_sizes):
    estimator, grid, n_together = CASES[name]
    theirs, ours = searches(estimator, grid)
    assert_same_scores(theirs, ours)
    assert max(group_sizes) == n_together
    assert sum(group_sizes) == 3 * len(ours.cv_results_["params"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (Autoencoder(8), {"learning_rate": [2e-3, 5e-3]}),
        (SparseAutoencoder(50), {"rho": [0.05, 0.2], "lambd": [0.1, 1.0]}),
        (SparseAutoencoder(50, sparsity="l1"), {"lambd": [0.01, 0.1]}),
        (SparseAutoencoder(50, sparsity="topk"), {"learning_rate": [2e-3, 5e-3]}),
        (DenoisingAutoencoder(8), {"corruption_level": [0.1, 0.4]}),
        (ContractiveAutoencoder(16), {"lambd": [0.01, 0.1]}),
    ],
    ids=["plain", "kl", "l1", "topk", "denoising", "contractive"],
)
def test_scores_agree_after_a_full_training(estimator, grid):
    data = DIGITS[:900] / 16
    theirs, ours = searches(estimator.set_params(random_state=0), grid, data=(data,))
    assert_same_scores(theirs, ours, tolerance=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_nets_end_as_they_would_alone(seed):
    def trainings():
        collected = []

        class Collected(Exception):
            pass

        def collect(training):
            collected.append(training)
            raise Collected

        settings = [
            {"random_state": seed, "corruption_level": 0.2, "max_epochs": 4},
            {"random_state": seed, "corruption_level": 0.4, "max_epochs": 2},
            {"random_state": seed + 1, "corruption_level": 0.4, "max_epochs": 3},
        ]
        with collecting(collect):
            for params in settings:
                denoiser = DenoisingAutoencoder(3, dropout=0.1, **params)
                with pytest.raises(Collected):
                    denoiser.fit(X)
        return collected

    alone, joint = trainings(), trainings()
    for training in alone:
        training.do()
    assert together.train_together(joint) == {}
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
        assert one.net.best_loss_ == pytest.approx(other.net.best_loss_, rel=1e-4)
        assert one.net.moved_ == other.net.moved_
        # Nobody else's memory is held on to.
        for weight in other.net.module_.parameters():
            assert weight.is_contiguous()
            assert weight.untyped_storage().nbytes() == 4 * weight.numel()


@pytest.mark.parametrize("n_jobs", [None, 2, -1])
@pytest.mark.parametrize("pre_dispatch", ["2*n_jobs", "all", 2, 7])
def test_any_number_of_jobs(n_jobs, pre_dispatch, group_sizes):
    before = threading.active_count()
    estimator, grid, _ = CASES["kl"]
    params = {"n_jobs": n_jobs, "pre_dispatch": pre_dispatch}
    ours = BatchedGridSearchCV(estimator, grid, cv=KFold(3), **params).fit(X)
    theirs = GridSearchCV(estimator, grid, cv=KFold(3)).fit(X)
    assert_same_scores(theirs, ours)
    assert max(group_sizes) == (pre_dispatch if pre_dispatch in (2, 7) else 12)
    assert threading.active_count() == before


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_groups_are_shared_out_to_threads(two_threads, group_sizes):
    estimator, _, _ = CASES["kl"]
    grid = {"rho": [0.02, 0.05, 0.1, 0.2], "lambd": [0.1, 1.0]}
    theirs, ours = searches(estimator, grid)
    assert_same_scores(theirs, ours)
    assert group_sizes == [12, 12]
    assert torch.get_num_threads() == 2


def test_an_error_in_one_thread_ends_the_others(two_threads, monkeypatch):
    before = threading.active_count()
    train, calls = Stack.train, []

    def broken(self):
        calls.append(self)
        if len(calls) == 3:
            raise MemoryError("no more")
        return train(self)

    monkeypatch.setattr(Stack, "train", broken)
    estimator, _, _ = CASES["kl"]
    grid = {"rho": [0.02, 0.05, 0.1, 0.2], "lambd": [0.1, 1.0]}
    estimator = clone(estimator).set_params(max_epochs=500)
    search = BatchedGridSearchCV(estimator, grid, cv=3)
    with pytest.raises(MemoryError, match="no more"):
        search.fit(X)
    assert len(calls) < 100
    assert threading.active_count() == before


@pytest.mark.parametrize("budget", [0, 300_000])
def test_memory_budget_cuts_groups(budget, group_sizes, monkeypatch):
    estimator, grid, n_together = CASES["kl"]
    monkeypatch.setattr(_backend, "BUDGET", budget)
    theirs, ours = searches(estimator, grid)
    assert_same_scores(theirs, ours)
    assert sum(group_sizes) == n_together > max(group_sizes)
    if budget == 0:
        assert max(group_sizes) == 1


def test_large_networks_train_alone(group_sizes, monkeypatch):
    estimator, grid, _ = CASES["kl"]
    monkeypatch.setattr(together, "WORKING_SET", 1)
    theirs, ours = searches(estimator, grid)
    assert_same_scores(theirs, ours)
    assert set(group_sizes) == {1}


@pytest.mark.parametrize("seed", SEEDS)
def test_randomized_search(seed, group_sizes):
    settings = {"rho": loguniform(0.01, 0.3), "lambd": loguniform(0.01, 10)}
    params = {"n_iter": 3, "cv": 2, "random_state": seed}
    theirs = RandomizedSearchCV(sparsely(), settings, **params).fit(X)
    ours = BatchedRandomizedSearchCV(sparsely(), settings, **params).fit(X)
    assert_same_scores(theirs, ours)
    assert group_sizes == [6]
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
        {"cv": [(np.arange(100), np.arange(100, 240)), (np.arange(60, 200), [1, 2])]},
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


@pytest.mark.parametrize("seed", SEEDS)
def test_arguments_of_fit_are_split(seed, group_sizes):
    rng = np.random.default_rng(seed)
    fit_params = {
        "sample_weight": rng.uniform(0.5, 2, size=len(X)),
        "X_target": X + 0.1 * rng.normal(size=X.shape),
    }
    estimator, grid, _ = CASES["plain"]
    assert_same_scores(*searches(estimator, grid, fit_params=fit_params))
    assert group_sizes == [6]


def test_groups_of_rows():
    fit_params = {"groups": np.arange(len(X)) // 50}
    estimator, grid, _ = CASES["plain"]
    assert_same_scores(
        *searches(estimator, grid, cv=GroupKFold(3), fit_params=fit_params)
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


def test_list_of_grids(group_sizes):
    grid = [{"rho": [0.1, 0.2]}, {"sparsity": ["l1"], "lambd": [0.01, 0.1]}]
    assert_same_scores(*searches(sparsely(), grid))
    assert sorted(group_sizes) == [6, 6]


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
    ):
        # As strings: no nan equals another.
        assert str(inspect.signature(ours)) == str(inspect.signature(theirs))


@pytest.mark.parametrize("search", [BatchedGridSearchCV, BatchedRandomizedSearchCV])
def test_documentation(search):
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
        **({"n_iter": 2} if "n_iter" in signature else {}),
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
def test_pipeline(with_mean, group_sizes):
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
    grid = {"codes__rho": [0.05, 0.2], "codes__lambd": [0.1, 1.0]}
    if with_mean:
        grid["scale__with_mean"] = [False, True]
    n_candidates = 4 * (1 + with_mean)
    ours = BatchedGridSearchCV(pipeline, grid, cv=3, refit=False).fit(X, Y)
    assert CountedScaler.n_fits == 3 * (1 + with_mean)
    assert len(Recorder.seen) == 3 * n_candidates
    assert sum(group_sizes) == 3 * n_candidates
    theirs = GridSearchCV(pipeline, grid, cv=3, refit=False).fit(X, Y)
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


class Silent(BestWeights):
    """A callback of the user's, whatever it does."""


class OwnAdam(torch.optim.Adam):
    pass


ALONE = {
    "Convolutions is no dense network": ConvolutionalAutoencoder(
        5, image_shape=(1, 8, 8), channels=(2,), max_epochs=2, random_state=0
    ),
    "OwnNetwork is no dense network": Autoencoder(
        5, network=OwnNetwork, max_epochs=2, random_state=0
    ),
    "a corruption of the user's": DenoisingAutoencoder(
        5, corruption=hide_a_half, max_epochs=2, random_state=0
    ),
    "random projections": ContractiveAutoencoder(
        5, n_projections=2, max_epochs=2, random_state=0
    ),
    "OwnAdam": Autoencoder(
        5, optimizer=OwnAdam, max_epochs=2, random_state=0, learning_rate=1e-3
    ),
}


@pytest.mark.parametrize("reason", ALONE)
def test_what_trains_alone_says_why(reason, group_sizes, capsys):
    grid = {"max_epochs": [1, 2]}
    theirs, ours = searches(ALONE[reason], grid)
    assert_same_scores(theirs, ours)
    assert group_sizes == [1] * 6
    assert capsys.readouterr().out == ""
    BatchedGridSearchCV(ALONE[reason], grid, cv=3, refit=False, verbose=1).fit(X)
    printed = capsys.readouterr().out.splitlines()
    assert len([line for line in printed if reason in line]) == 1
    assert "6" in next(line for line in printed if reason in line)


def test_callbacks_hear_of_their_own_training(group_sizes):
    heard = []

    class Listener(BestWeights):
        def on_epoch_end(self, net, **kwargs):
            heard.append(len(net.history))

    estimator = briefly(Autoencoder, callbacks=[("listener", Listener())])
    BatchedGridSearchCV(estimator, {"tol": [0, 0.1]}, cv=2, refit=False).fit(X)
    assert group_sizes == [1] * 4
    assert heard == [1, 2, 3] * 4


def test_verbose_says_what_trains_together(capsys):
    estimator, grid, _ = CASES["penalty or none"]
    BatchedGridSearchCV(estimator, grid, cv=3, refit=False, verbose=1).fit(X)
    printed = capsys.readouterr().out
    assert "9 fits" in printed
    assert "3 networks together" in printed
    assert "6 networks together" in printed


@pytest.mark.parametrize(
    ("estimator", "grid"),
    [
        (
            StackedAutoencoder(
                Autoencoder(random_state=0), hidden_layer_sizes=(9,), max_epochs=2
            ).set_params(n_components=3, pretrain_epochs=2, random_state=0),
            {"learning_rate": [1e-3, 5e-3]},
        ),
        (
            AutoencoderOutlierDetector(Autoencoder(2, max_epochs=2), random_state=0),
            {"autoencoder__learning_rate": [1e-3, 5e-3]},
        ),
        (
            AutoencoderClassifier(
                Autoencoder(3, max_epochs=2), max_epochs=2, random_state=0
            ),
            {"autoencoder__learning_rate": [1e-3, 5e-3]},
        ),
    ],
    ids=["stacked", "outliers", "classifier"],
)
def test_estimators_that_train_several_times(estimator, grid, group_sizes):
    """What is inside of them trains together, stage by stage."""
    params = {"data": (X, Y)}
    if isinstance(estimator, AutoencoderOutlierDetector):
        params["scoring"] = lambda detector, X, y=None: detector.score_samples(X).mean()
    assert_same_scores(*searches(estimator, grid, **params))
    assert max(group_sizes) > 1


# -- when something goes wrong ---------------------------------------------------------


def test_candidates_that_fail_take_no_others_along():
    estimator = briefly(Autoencoder, learning_rate_schedule="constant", optimizer="sgd")
    grid = {"learning_rate": [1e-3, 1e30, 5e-3]}
    with pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 9"):
        ours = BatchedGridSearchCV(estimator, grid, cv=3).fit(X)
    with pytest.warns(FitFailedWarning):
        theirs = GridSearchCV(estimator, grid, cv=3).fit(X)
    assert_same_scores(theirs, ours)
    assert np.isnan(ours.cv_results_["mean_test_score"]).tolist() == [
        False,
        True,
        False,
    ]


def test_candidates_that_cannot_begin():
    grid = {"n_components": [2, 1000]}
    with pytest.warns(FitFailedWarning, match="n_components=1000"):
        ours = BatchedGridSearchCV(
            briefly(Autoencoder), grid, cv=2, error_score=-7.0
        ).fit(X)
    assert ours.cv_results_["mean_test_score"][1] == -7.0
    assert ours.best_params_ == {"n_components": 2}


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_errors_can_be_raised(n_jobs):
    before = threading.active_count()
    estimator = briefly(Autoencoder, learning_rate_schedule="constant", optimizer="sgd")
    grid = {"learning_rate": [1e-3, 1e30, 5e-3]}
    search = BatchedGridSearchCV(estimator, grid, error_score="raise", n_jobs=n_jobs)
    with pytest.raises(ValueError, match="The training loss became"):
        search.fit(X)
    assert not hasattr(search, "cv_results_")
    assert threading.active_count() == before


@pytest.mark.parametrize("where", ["training", "scoring"])
def test_interrupts_end_the_search(where, monkeypatch):
    before = threading.active_count()
    estimator, grid, _ = CASES["kl"]
    scoring = None
    if where == "scoring":

        def scoring(estimator, X, y=None):
            raise KeyboardInterrupt
    else:
        train = Stack.train

        def interrupted(self):
            if len(self.nets[0].history) > 1:
                raise KeyboardInterrupt
            return train(self)

        monkeypatch.setattr(Stack, "train", interrupted)
    search = BatchedGridSearchCV(estimator, grid, cv=3, scoring=scoring)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X)
    assert not hasattr(search, "cv_results_")
    assert threading.active_count() == before
    monkeypatch.undo()
    # Nothing is left behind that would disturb the next one.
    search.set_params(scoring=None).fit(X)
    assert np.isfinite(search.best_score_)


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
