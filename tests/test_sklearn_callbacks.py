"""Callbacks of scikit-learn, and the log of epochs."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    SparseAutoencoder,
    StackedAutoencoder,
)
from sklearn_ae.callbacks import EpochLog
from sklearn_ae.model_selection import BatchedGridSearchCV

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # three epochs
)
needs_callbacks = pytest.mark.skipif(
    not hasattr(Autoencoder, "set_callbacks"), reason="scikit-learn before 1.9"
)

SHORT = {"max_epochs": 3, "random_state": 0}
SINGLE = {"hidden_layer_sizes": 4, "init": "random", **SHORT}


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    t = rng.uniform(-1, 1, (60, 1))
    return np.hstack([t, t**2, np.sin(3 * t), -t]) + 0.1 * rng.normal(size=(60, 4))


class Recorder:
    """Notes the tasks that begin and end; stops after some epochs."""

    def __init__(self, stop_after=np.inf):
        self.stop_after = stop_after
        self.begun, self.ended, self.torn_down = [], [], 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.torn_down += 1

    def on_fit_task_begin(self, estimator, context):
        self.begun.append((context.estimator_name, context.task_name))

    def on_fit_task_end(self, estimator, context):
        self.ended.append((context.estimator_name, context.task_name))
        return context.task_name == "epoch" and context.task_id + 1 >= self.stop_after

    def epochs(self):
        return [name for name, task in self.ended if task == "epoch"]


class Propagated(Recorder):
    """The same, for estimators inside of others."""

    max_propagation_depth = None


class Scores(Recorder):
    """Notes the scores of the estimator as it is at the end of each task."""

    def __init__(self):
        super().__init__()
        self.scores = {}

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        super().on_fit_task_end(estimator, context)
        if fitted_estimator is not None:
            key = context.task_name, context.task_id
            self.scores[key] = fitted_estimator.score(X)
            self.fitted, self.given = fitted_estimator, (X, y, metadata)


TREES = {
    "single": (Autoencoder(2, **SINGLE), ["training"], 3),
    "compared": (
        Autoencoder(2, hidden_layer_sizes=4, **SHORT),
        ["comparison", "training"],
        3,
    ),
    "validation None": (
        Autoencoder(2, hidden_layer_sizes=4, validation=None, **SHORT),
        ["comparison", "training"],
        3,
    ),
    "stack": (
        StackedAutoencoder(2, hidden_layer_sizes=(3,), pretrain_epochs=2, **SHORT),
        ["training", "fit", "training", "fit", "training"],
        2 + 2 + 3,
    ),
    "classifier": (
        AutoencoderClassifier(Autoencoder(2, **SINGLE), max_epochs=2),
        ["training", "fit", "training"],
        3 + 2,
    ),
    "regressor": (
        AutoencoderRegressor(Autoencoder(2, **SINGLE), max_epochs=2),
        ["training", "fit", "training"],
        3 + 2,
    ),
    "detector": (
        AutoencoderOutlierDetector(Autoencoder(2, **SINGLE), cv=2),
        ["cross-fit", "training", "fit"],
        3,
    ),
}


@needs_callbacks
@pytest.mark.parametrize(("model", "tasks", "n_epochs"), TREES.values(), ids=TREES)
def test_callbacks_see_stages_and_epochs(model, tasks, n_epochs, X):
    seen = Propagated()
    fitted = clone(model).set_callbacks(seen).fit(X, np.arange(60) % 2)
    others = [task for _, task in seen.ended if task != "epoch"]
    assert others == [*tasks, "fit"]
    assert len(seen.epochs()) == n_epochs
    assert sorted(seen.begun) == sorted(seen.ended)
    assert seen.torn_down == 1
    assert not [name for name in vars(fitted) if "ctx" in name]


@needs_callbacks
@pytest.mark.parametrize("name", ["single", "compared", "stack"])
def test_callbacks_do_not_change_the_model(name, X):
    model = TREES[name][0]
    plain = clone(model).fit(X).transform(X)
    heard = clone(model).set_callbacks(Recorder()).fit(X).transform(X)
    np.testing.assert_allclose(heard, plain, atol=1e-5)


@needs_callbacks
@pytest.mark.parametrize("model", [TREES["single"][0], TREES["compared"][0]])
def test_a_callback_stops_training(model, X):
    model = clone(model).set_params(max_epochs=50).set_callbacks(Recorder(4))
    assert model.fit(X).n_iter_ == 4


@needs_callbacks
def test_estimators_of_an_epoch_are_fitted(X):
    scores = Scores()
    weight = np.ones(60)
    model = Autoencoder(2, validation=None, **SINGLE).set_callbacks(scores)
    model.fit(X, sample_weight=weight)
    assert scores.given[0] is X
    assert scores.given[1] is X
    assert scores.given[2] == {"sample_weight": weight}
    assert scores.scores["epoch", 2] == pytest.approx(model.score(X), rel=1e-5)
    assert scores.scores["fit", 0] == pytest.approx(model.score(X), rel=1e-5)
    # A net of its own, which later training does not change.
    before = model.score(X)
    scores.fitted.partial_fit(X)
    assert model.score(X) == before
    # A later fit, too, and one that goes on.
    model.set_params(n_components=1).fit(X)
    assert scores.scores["epoch", 2] == pytest.approx(model.score(X), rel=1e-5)
    model.set_params(warm_start=True).fit(X)
    assert scores.scores["fit", 0] == pytest.approx(model.score(X), rel=1e-5)


def _explained(estimator, X, y):
    return estimator.score(X)


@needs_callbacks
def test_scoring_monitor(X):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring={"explained": _explained})
    model = Autoencoder(2, validation=None, **SINGLE).set_callbacks(monitor).fit(X)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in rows] == [0, 1, 2]
    assert rows[-1]["explained"] == pytest.approx(model.score(X), rel=1e-5)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(X), model.transform(X))


@needs_callbacks
@pytest.mark.parametrize("kind", [GridSearchCV, BatchedGridSearchCV])
def test_callbacks_of_a_search_in_which_networks_train_together(kind, X, capsys):
    seen = Propagated()
    pipeline = make_pipeline(StandardScaler(), SparseAutoencoder(3, **SHORT))
    grid = {"sparseautoencoder__lambd": [0.1, 0.2]}
    search = kind(pipeline, grid, cv=2, verbose=1).set_callbacks(seen).fit(X)
    # Four fits and the last one.
    assert seen.epochs() == 15 * ["SparseAutoencoder"]
    assert seen.torn_down == 1
    if kind is BatchedGridSearchCV:
        assert "Training 4 networks together" in capsys.readouterr().out
    assert hasattr(search, "best_estimator_")


@needs_callbacks
def test_batched_networks_have_the_scores_that_they_have_alone(X):
    found = []
    for kind in (GridSearchCV, BatchedGridSearchCV):
        scores = _AllScores()
        model = Autoencoder(2, **SINGLE).set_callbacks(scores)
        kind(model, {"learning_rate": [0.01, 0.02]}, cv=2, refit=False).fit(X)
        found.append(sorted(scores.all))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5)
    assert len(found[0]) == 12


class _AllScores(Recorder):
    def __init__(self):
        super().__init__()
        self.all = []

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        if context.task_name == "epoch":
            self.all.append(fitted_estimator.score(X))


class Fails(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise RuntimeError("failed")


@needs_callbacks
@pytest.mark.parametrize(
    "model",
    [
        Autoencoder(2, callbacks=[Fails()], **SINGLE),
        AutoencoderOutlierDetector(Autoencoder(2, callbacks=[Fails()], **SINGLE)),
    ],
    ids=["autoencoder", "detector"],
)
def test_callbacks_are_torn_down_after_an_error(model, X):
    seen = Propagated()
    model = clone(model).set_callbacks(seen)
    with pytest.raises(RuntimeError, match="failed"):
        model.fit(X)
    assert seen.torn_down == 1
    assert not [name for name in vars(model) if "ctx" in name or "teardown" in name]


def test_a_shallow_copy_has_a_net_of_its_own(X):
    model = Autoencoder(2, **SINGLE).fit(X)
    before = model.transform(X)
    copy.copy(model).partial_fit(X)
    np.testing.assert_array_equal(model.transform(X), before)


# -- EpochLog --------------------------------------------------------------------------


def test_log_has_the_history(tmp_path, X):
    path = tmp_path / "losses.jsonl"
    model = Autoencoder(2, callbacks=[EpochLog(path)], l2_penalty=1e-3, **SINGLE)
    model.fit(X)
    table = pd.read_json(path, lines=True)
    assert table["fit"].nunique() == 1
    assert set(table) == {"fit", "time", *model.history_}
    for name, column in model.history_.items():
        np.testing.assert_allclose(table[name], column, rtol=1e-9)
    assert pd.to_datetime(table["time"]).is_monotonic_increasing


def test_log_makes_missing_folders(tmp_path, X):
    path = tmp_path / "a" / "b" / "losses.jsonl"
    Autoencoder(2, callbacks=[EpochLog(path)], **SINGLE).fit(X)
    assert pd.read_json(path, lines=True)["epoch"].tolist() == [1, 2, 3]


def test_log_goes_on(tmp_path, X):
    path = tmp_path / "losses.jsonl"
    model = Autoencoder(2, callbacks=[EpochLog(str(path))], warm_start=True, **SINGLE)
    model.fit(X).fit(X)
    model.set_params(warm_start=False).fit(X)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    first, second = lines[0]["fit"], lines[-1]["fit"]
    assert [line["fit"] for line in lines] == 6 * [first] + 3 * [second]
    assert first != second
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6, 1, 2, 3]


@pytest.mark.parametrize("kind", [GridSearchCV, BatchedGridSearchCV])
def test_log_tells_the_fits_of_a_search_apart(kind, tmp_path, X):
    path = tmp_path / "losses.jsonl"
    model = Autoencoder(2, callbacks=[EpochLog(path)], **SINGLE)
    kind(model, {"dropout": [0, 0.1]}, cv=2).fit(X)
    assert pd.read_json(path, lines=True).groupby("fit").size().tolist() == 5 * [3]


class Interrupts(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_log_survives_an_interrupt(tmp_path, X):
    path = tmp_path / "losses.jsonl"
    callbacks = [EpochLog(path), Interrupts()]
    Autoencoder(2, callbacks=callbacks, **SINGLE).fit(X)
    assert pd.read_json(path, lines=True)["epoch"].tolist() == [1, 2]


def test_log_is_a_parameter_like_others(tmp_path, X):
    log = EpochLog(tmp_path / "losses.jsonl")
    model = Autoencoder(2, callbacks=[log], **SINGLE).fit(X)
    again = pickle.loads(pickle.dumps(clone(model).fit(X)))
    assert again.callbacks[0].path == log.path
    assert again.callbacks[0].fit_ != log.fit_


# -- searches --------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [None, 1])
def test_batched_search_shows_how_far_it_is(patience, X, capsys):
    model = SparseAutoencoder(3, n_iter_no_change=patience, tol=0.5, **SHORT)
    grid = {"lambd": [0.1, 0.2]}
    BatchedGridSearchCV(model, grid, cv=2, refit=False, verbose=1).fit(X)
    shown = capsys.readouterr().err
    assert "4 networks: 100%" in shown
    assert "12/12" in shown
    BatchedGridSearchCV(model, grid, cv=2, refit=False).fit(X)
    assert capsys.readouterr().err == ""
