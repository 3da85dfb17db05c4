"""The course of a training: rows held out, interrupts, failures, and what goes in."""

import copy
import os
import signal
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    Freezer,
    GradientNormClipping,
    TrainEndCheckpoint,
)
from torch import nn

from sklearn_ae import Autoencoder
from sklearn_ae.networks.standardized import Standardized


def autoencoder(**params):
    """Small and fast; training improves on the random start."""
    defaults = {
        "hidden_layer_sizes": 16,
        "init": "random",
        "learning_rate": 0.01,
        "batch_size": 20,
        "max_epochs": 6,
        "random_state": 0,
    }
    return Autoencoder(2, **(defaults | params))


@pytest.fixture
def small_table():
    """60 rows of 7 columns, for tests that do not depend on the values."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((60, 3))
    return np.hstack([latent, latent**2, np.sin(latent[:, :1])]) * 3 + 5


def half_squared_error(est, X, target=None):
    target = X if target is None else target
    return 0.5 * ((target - est.reconstruct(X)) ** 2).sum(axis=1)


class PCAModel:
    """PCA with our method `reconstruct`."""

    def __init__(self, n_components, X):
        self.mean = X.mean(axis=0)
        self.axes = np.linalg.svd(X - self.mean)[2][:n_components]

    def reconstruct(self, X):
        return self.mean + (X - self.mean) @ self.axes.T @ self.axes


class BatchSpy(Callback):
    """Records the inputs of all batches, epoch by epoch."""

    def initialize(self):
        self.train, self.valid = [], []
        return self

    def on_epoch_begin(self, net, **kwargs):
        self.train.append([])
        self.valid.append([])

    def on_batch_begin(self, net, batch, training, **kwargs):
        (self.train if training else self.valid)[-1].append(batch[0].numpy())

    def rows(self, which, epoch, X, est):
        """Indices of the rows of `X` that were seen."""
        seen = np.concatenate(getattr(self, which)[epoch]) * est.scale_ + est.mean_
        distances = np.abs(seen[:, np.newaxis] - X[np.newaxis]).max(axis=2)
        assert distances.min(axis=1).max() < 1e-4
        return distances.argmin(axis=1)


# -- rows held out ---------------------------------------------------------------------


@pytest.mark.parametrize("patience", [1, 3])
def test_stops_after_patience(patience, table):
    """No epoch lowers the loss by 99 %, so none counts as an improvement."""
    est = autoencoder(n_iter_no_change=patience, tol=0.99, max_epochs=50).fit(table)
    assert est.n_iter_ == patience
    assert len(est.loss_curve_) == len(est.validation_loss_curve_) == patience


@pytest.mark.parametrize("patience", [1, 3])
def test_stops_after_patience_without_held_out_rows(patience, table):
    """The training loss counts, of which the first has none before it."""
    params = {"n_iter_no_change": patience, "tol": 0.99, "max_epochs": 50}
    est = autoencoder(validation=None, **params).fit(table)
    assert patience <= est.n_iter_ <= patience + 1


def test_patience_starts_anew_with_every_improvement(table):
    est = autoencoder(n_iter_no_change=2, tol=0.0, max_epochs=60, learning_rate=0.1)
    curve = est.fit(table).validation_loss_curve_
    best = np.minimum.accumulate(curve)
    improved = np.append(True, curve[1:] < best[:-1])
    if est.n_iter_ < 60:
        assert not improved[-2:].any()
    # Of two epochs in a row before the last two one is an improvement.
    assert all(a or b for a, b in pairwise(improved[:-1]))


def test_tolerance_is_relative(table):
    """Data in other units stop at the same epoch.

    The units are powers of two, which change no digit.
    """
    epochs = [
        autoencoder(n_iter_no_change=2, tol=0.05, max_epochs=60).fit(c * table).n_iter_
        for c in (2**-10, 1, 2**10)
    ]
    assert epochs[0] == epochs[1] == epochs[2] < 60


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_best_weights_come_back(rate, table):
    """The loss of the fitted model on the held-out rows is the lowest of all."""
    spy = BatchSpy()
    est = autoencoder(callbacks=[spy], learning_rate=rate, max_epochs=30).fit(table)
    held_out = spy.rows("valid", 0, table, est)
    found = half_squared_error(est, table[held_out]).mean()
    assert found == pytest.approx(est.best_loss_, rel=1e-4)
    assert est.best_loss_ == est.validation_loss_curve_.min()


@pytest.mark.filterwarnings("ignore:Training did not lower the loss")
@pytest.mark.parametrize("init", ["pca", "random"])
def test_the_start_takes_part(init, table):
    """Training that only increases the loss leaves the initial weights."""
    spy = BatchSpy()
    harmful = {"optimizer": "adam", "learning_rate": 30.0, "n_iter_no_change": 3}
    harmful |= {"validation": 0.1, "max_epochs": 6}
    est = autoencoder(init=init, callbacks=[spy], **harmful).fit(table)
    start = autoencoder(init=init, max_epochs=0, validation=0.1).fit(table)
    held_out = spy.rows("valid", 0, table, est)
    assert est.n_iter_ == 3
    assert (est.validation_loss_curve_ > est.best_loss_).all()
    unseen = start
    if init == "pca":
        # The fitted model is PCA of all rows, but this loss is on unseen ones.
        assert est.best_candidate_ == 0
        seen = np.delete(table, held_out, axis=0)
        unseen = PCAModel(2, seen)
    loss = half_squared_error(unseen, table[held_out]).mean()
    assert est.best_loss_ == pytest.approx(loss, rel=1e-4)
    np.testing.assert_array_equal(est.reconstruct(table), start.reconstruct(table))
    np.testing.assert_array_equal(est.transform(table), start.transform(table))


@pytest.mark.parametrize("validation", [None, 0.1])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_best_loss_without_epochs(init, validation, table):
    """It is the loss of the start, which is kept."""
    params = {"init": init, "validation": validation}
    est = autoencoder(max_epochs=0, **params).fit(table)
    assert np.isfinite(est.best_loss_)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_never_worse_than_pca_on_the_held_out_rows(loss, table):
    """Than PCA of the other rows."""
    spy = BatchSpy()
    params = {"loss": loss, "max_epochs": 20, "validation": 0.1}
    est = autoencoder(init="pca", callbacks=[spy], **params).fit(table)
    held_out = spy.rows("valid", 0, table, est)
    pca = PCAModel(2, np.delete(table, held_out, axis=0))
    unseen = table[held_out]
    bound = losses_of(loss, pca.reconstruct(unseen), unseen)
    assert est.best_loss_ <= bound * (1 + 1e-5)


HARMFUL = {
    "sgd": 10.0,
    "momentum": 1.0,
    "nesterov": 1.0,
    "adagrad": 30.0,
    "rmsprop": 3.0,
    "adam": 30.0,
    "adamw": 30.0,
}


@pytest.mark.filterwarnings("ignore:Training did not lower the loss")
@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize("optimizer", HARMFUL)
def test_never_ends_worse_than_it_began(optimizer, init, seed, table):
    """On its own objective, which is penalised here."""
    params = {
        "init": init,
        "validation": None,
        "l2_penalty": 0.1,
        "code_activation": "identity" if init == "pca" else "tanh",
        "random_state": seed,
    }
    steps = {
        "optimizer": optimizer,
        "learning_rate": HARMFUL[optimizer],
        "learning_rate_schedule": "constant",
        "max_epochs": 3,
    }
    start = autoencoder(**params, max_epochs=0).fit(table)
    before = objective_of(start, table)
    try:
        est = autoencoder(**params, **steps).fit(table)
    except ValueError as error:  # it has left the range of single precision
        assert "learning_rate" in str(error)  # noqa: PT017
        return
    assert est.loss_curve_[-1] > before  # the rate is too large indeed
    assert objective_of(est, table) <= before * (1 + 1e-5)


def objective_of(est, X):
    """Half the squared error and the penalty on the weights, by skorch's own way."""
    dataset = est.net_.get_dataset(X.astype(np.float32))
    return est.net_.evaluate(dataset)["loss"]


def test_held_out_rows_are_never_trained_on(table):
    spy = BatchSpy()
    est = autoencoder(callbacks=[spy], validation=0.5).fit(table)
    held_out = set(spy.rows("valid", 0, table, est))
    assert len(held_out) == 30
    for epoch in range(6):
        trained = spy.rows("train", epoch, table, est)
        assert set(spy.rows("valid", epoch, table, est)) == held_out
        # Every other row once.
        assert sorted(trained) == sorted(set(range(60)) - held_out)


def test_without_held_out_rows_all_rows_are_trained_on(table):
    spy = BatchSpy()
    est = autoencoder(callbacks=[spy], validation=None).fit(table)
    for epoch in range(6):
        assert sorted(spy.rows("train", epoch, table, est)) == list(range(60))
        assert spy.valid[epoch] == []
    assert est.best_loss_ == est.loss_curve_[-1]


@pytest.mark.parametrize("n", [2, 3, 5, 11])
@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_tables_of_a_few_rows(n, fraction):
    """Training and validation rows are never empty, however the share is rounded."""
    X = np.random.default_rng(0).standard_normal((n, 4))
    est = Autoencoder(1, validation=fraction, max_epochs=2).fit(X)
    assert np.isfinite(est.transform(X)).all()
    assert np.isfinite(est.loss_curve_).all()


@pytest.mark.parametrize("validation", [None, 0.5])
def test_rows_of_weight_are_too_few(validation, table):
    """One row of weight is one row: scikit-learn's minimum for a first fit is two."""
    weight = np.zeros(60)
    weight[7] = 2.0
    est = Autoencoder(1, validation=validation, max_epochs=2)
    with pytest.raises(ValueError, match=r"sample_weight.*1 row"):
        est.fit(table, sample_weight=weight)
    weight[8] = 1.0
    est.fit(table, sample_weight=weight)
    assert np.isfinite(est.transform(table)).all()
    # Two rows span a line, on which the start as PCA keeps them.
    est.set_params(max_epochs=0).fit(table, sample_weight=weight)
    np.testing.assert_allclose(est.reconstruct(table[7:9]), table[7:9], atol=1e-3)


# -- interrupts ------------------------------------------------------------------------


EVENTS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_batch_begin",
    "on_grad_computed",
    "on_batch_end",
    "on_epoch_end",
    "on_train_end",
)


class Interrupt(Callback):
    """Asks for the end of training at an event in the given epoch, counted from 0."""

    n_fits = 0

    def __init__(self, event="on_epoch_end", epoch=3, how="signal"):
        self.event = event
        self.epoch = epoch
        self.how = how

    def on_train_begin(self, net, **kwargs):
        type(self).n_fits += 1
        self._strike("on_train_begin", 0)

    def on_epoch_begin(self, net, **kwargs):
        self._strike("on_epoch_begin", len(net.history) - 1)

    def on_batch_begin(self, net, **kwargs):
        self._strike("on_batch_begin", len(net.history) - 1)

    def on_grad_computed(self, net, **kwargs):
        self._strike("on_grad_computed", len(net.history) - 1)

    def on_batch_end(self, net, **kwargs):
        self._strike("on_batch_end", len(net.history) - 1)

    def on_epoch_end(self, net, **kwargs):
        self._strike("on_epoch_end", len(net.history) - 1)

    def on_train_end(self, net, **kwargs):
        self._strike("on_train_end", len(net.history) - 1)

    def _strike(self, event, epoch):
        if event == self.event and epoch == self.epoch:
            if self.how == "raise":
                raise KeyboardInterrupt
            signal.raise_signal(signal.SIGINT)


def interrupted_fit(est, X, how):
    """Fit, and check that the user's interrupt comes out and a callback's does not."""
    try:
        est.fit(X)
    except KeyboardInterrupt as error:
        came_out = error
    else:
        came_out = None
    # An assertion, since an interrupt that comes out of a test ends all tests.
    if how == "raise":
        assert came_out is None
    else:
        assert type(came_out) is KeyboardInterrupt


def assert_fitted_with_the_best_so_far(est, X, n_epochs):
    """The same state as after a training of as many whole epochs."""
    assert est.n_iter_ == n_epochs
    assert len(est.loss_curve_) == n_epochs
    assert all(len(column) == n_epochs for column in est.history_.values())
    assert np.isfinite(est.loss_curve_).all()
    assert np.isfinite(est.best_loss_) or n_epochs == 0
    assert np.isfinite(est.transform(X)).all()
    assert not est.module_.training


@pytest.mark.filterwarnings("ignore:Training did not lower the loss")
@pytest.mark.parametrize("how", ["raise", "signal"])
@pytest.mark.parametrize("validation", [None, 0.5])
@pytest.mark.parametrize(
    ("event", "epoch", "n_epochs"),
    [
        ("on_epoch_end", 0, 1),
        ("on_epoch_end", 3, 4),
        ("on_batch_end", 0, 0),  # in the middle of the first
        ("on_batch_end", 3, 3),
    ],
)
def test_interrupt_keeps_the_best_weights_so_far(
    event, epoch, n_epochs, validation, how, small_table
):
    """An interrupt of the user comes out of fit, the wish of a callback does not."""
    params = {
        "learning_rate_schedule": "constant",
        "validation": validation,
    }
    est = autoencoder(callbacks=[Interrupt(event, epoch, how)], **params)
    interrupted_fit(est, small_table, how)
    assert_fitted_with_the_best_so_far(est, small_table, n_epochs)
    if validation and n_epochs:
        # The rest of an epoch has no validation loss, and leaves no trace.
        whole = autoencoder(max_epochs=n_epochs, **params).fit(small_table)
        assert est.best_loss_ == whole.best_loss_
        np.testing.assert_array_equal(
            est.transform(small_table), whole.transform(small_table)
        )
    # The estimator can still be trained.
    est.set_params(callbacks=None)
    assert est.partial_fit(small_table).n_iter_ == n_epochs + 1


@pytest.mark.filterwarnings("ignore:Training did not lower the loss")
@pytest.mark.parametrize("how", ["raise", "signal"])
@pytest.mark.parametrize("event", EVENTS)
def test_interrupt_at_every_event(event, how, small_table):
    epoch = {"on_train_begin": 0, "on_train_end": 5}.get(event, 2)
    est = autoencoder(callbacks=[Interrupt(event, epoch, how)])
    handler = signal.getsignal(signal.SIGINT)
    interrupted_fit(est, small_table, how)
    assert signal.getsignal(signal.SIGINT) is handler
    whole_epochs = {"on_train_begin": 0, "on_epoch_end": 3, "on_train_end": 6}
    if how == "raise" or hasattr(est, "net_"):
        n_epochs = whole_epochs.get(event, 2)
        assert_fitted_with_the_best_so_far(est, small_table, n_epochs)
    else:  # before the first step or after the last, there may be nothing to keep
        assert event in ("on_train_begin", "on_train_end")
        assert vars(est) == est.get_params(deep=False)


@pytest.mark.parametrize("how", ["raise", "signal"])
def test_interrupt_of_partial_fit(how, small_table):
    est = autoencoder(callbacks=[Interrupt(epoch=0, how=how)])
    if how == "raise":
        est.partial_fit(small_table)
    else:
        with pytest.raises(KeyboardInterrupt):
            est.partial_fit(small_table)
    assert_fitted_with_the_best_so_far(est, small_table, 1)


def test_interrupt_stops_a_grid_search(small_table):
    Interrupt.n_fits = 0
    search = GridSearchCV(
        autoencoder(callbacks=[Interrupt()]), {"n_components": [1, 2, 3]}
    )
    with pytest.raises(KeyboardInterrupt):
        search.fit(small_table)
    assert Interrupt.n_fits == 1


def test_callback_that_stops_does_not_stop_a_grid_search(small_table):
    Interrupt.n_fits = 0
    est = autoencoder(callbacks=[Interrupt(epoch=1, how="raise")])
    search = GridSearchCV(est, {"n_components": [1, 2]}, cv=2).fit(small_table)
    assert Interrupt.n_fits == 5
    assert search.best_estimator_.n_iter_ == 2


# Windows ends a process that `os.kill` sends SIGINT to.
takes_signals = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


class SignalSoon(Callback):
    """Sends SIGINT to the process, from another thread, after the first epoch."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 1:
            self.timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
            self.timer.start()


@takes_signals
def test_interrupt_from_outside(small_table):
    """As from the keyboard, at no point in particular."""
    callback = SignalSoon()
    est = autoencoder(callbacks=[callback], max_epochs=10**6)
    with pytest.raises(KeyboardInterrupt):
        est.fit(small_table)
    callback.timer.join()
    assert_fitted_with_the_best_so_far(est, small_table, est.n_iter_)


@pytest.mark.parametrize("how", ["raise", "signal"])
@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL], ids=str)
def test_handlers_that_are_not_functions_stay(handler, how, small_table):
    """As in a job that a script starts in the background."""
    signal.signal(signal.SIGINT, handler)
    how = "raise" if handler == signal.SIG_DFL else how  # which ends the process
    autoencoder(callbacks=[Interrupt(epoch=1, how=how)]).fit(small_table)
    assert signal.getsignal(signal.SIGINT) == handler


def test_handler_of_the_user_is_called_and_restored(small_table):
    received = []

    def handler(signum, frame):
        received.append(signum)

    signal.signal(signal.SIGINT, handler)
    est = autoencoder(callbacks=[Interrupt(epoch=1)]).fit(small_table)
    assert received == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is handler
    assert est.n_iter_ == 6


def test_handler_of_the_user_that_asks_a_callback_to_stop(small_table):
    """A handler that does not raise has dealt with the interrupt."""
    signal.signal(signal.SIGINT, lambda signum, frame: None)
    callbacks = [Interrupt(epoch=1), Interrupt(epoch=2, how="raise")]
    est = autoencoder(callbacks=callbacks)
    interrupted_fit(est, small_table, "raise")
    assert_fitted_with_the_best_so_far(est, small_table, 3)


def test_callback_that_stops_in_another_thread(small_table):
    est = autoencoder(callbacks=[Interrupt(epoch=1, how="raise")])
    thread = threading.Thread(target=est.fit, args=(small_table,))
    thread.start()
    thread.join()
    assert_fitted_with_the_best_so_far(est, small_table, 2)


def test_handler_is_restored_after_an_error(small_table):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="learning_rate"):
        autoencoder(**DIVERGING).fit(small_table)
    assert signal.getsignal(signal.SIGINT) is handler


# -- losses that blow up ---------------------------------------------------------------

DIVERGING = {
    "optimizer": "sgd",
    "learning_rate": 1e8,
    "learning_rate_schedule": "constant",
}
REMEDY = r"epoch \d+.*learning_rate=1e\+08.*[Ll]ower"


@pytest.mark.parametrize("validation", [None, 0.5])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_diverging_loss_says_what_to_do(init, validation, small_table):
    est = autoencoder(init=init, validation=validation, **DIVERGING)
    with pytest.raises(ValueError, match=REMEDY):
        est.fit(small_table)
    assert not hasattr(est, "module_")
    assert not hasattr(est, "n_features_in_")


@pytest.mark.parametrize("rate", [1e8, 1e30, 1e38])
def test_last_step_diverges(rate, small_table):
    """No loss is computed after it, but the weights are useless."""
    params = {**DIVERGING, "learning_rate": rate}
    est = autoencoder(max_epochs=1, batch_size=60, validation=None, **params)
    try:
        est.fit(small_table)
    except ValueError as error:
        assert "learning_rate" in str(error)  # noqa: PT017
    else:
        assert np.isfinite(est.reconstruct(small_table)).all()
        assert np.isfinite(est.explained_variance_).all()


def state_of(est, X):
    """Copies of everything a user can see."""
    return copy.deepcopy(
        {
            "codes": est.transform(X),
            "output": est.reconstruct(X),
            "history": est.history_,
            "rows": [dict(row) for row in est.net_.history],
            "optimizer": est.net_.optimizer_.state_dict(),
            "generators": {k: g.get_state() for k, g in est.net_.generators_.items()},
            "rest": {
                k: v
                for k, v in vars(est).items()
                if isinstance(v, int | float | str | np.ndarray)
            },
        }
    )


def assert_same(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("warm_start", [False, True])
def test_failed_fit_leaves_the_former_state(warm_start, small_table):
    est = autoencoder().fit(small_table)
    est.set_params(warm_start=warm_start, **DIVERGING)
    before = state_of(est, small_table)
    with pytest.raises(ValueError, match="learning_rate"):
        est.fit(small_table + 1)
    assert_same(state_of(est, small_table), before)


def test_failed_partial_fit_leaves_the_former_state(small_table):
    """Including the state from which the next call continues."""
    est, twin = autoencoder().fit(small_table), autoencoder().fit(small_table)
    before = state_of(est, small_table)
    with pytest.raises(ValueError, match="loss became"):
        est.partial_fit(small_table * 1e25)
    assert_same(state_of(est, small_table), before)
    assert_same(
        state_of(est.partial_fit(small_table), small_table),
        state_of(twin.partial_fit(small_table), small_table),
    )


def test_failing_callback_leaves_the_former_state(small_table):
    class Failing(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 3:
                raise RuntimeError("mine")

    est = autoencoder().fit(small_table)
    before = state_of(est, small_table)
    est.set_params(callbacks=[Failing()])
    with pytest.raises(RuntimeError, match="mine"):
        est.fit(small_table)
    assert_same(state_of(est, small_table), before)


# -- partial_fit -----------------------------------------------------------------------


def test_partial_fit_keeps_the_first_scale(table):
    est = autoencoder().partial_fit(table)
    mean, scale = est.mean_.copy(), est.scale_
    np.testing.assert_allclose(mean, table.mean(axis=0))
    assert scale == pytest.approx(np.sqrt(table.var(axis=0).mean()))
    est.partial_fit(10 * table + 3)
    np.testing.assert_array_equal(est.mean_, mean)
    assert est.scale_ == scale


def test_partial_fit_passes_once(table):
    spy = BatchSpy()
    est = autoencoder(callbacks=[spy])
    for call in range(3):
        est.partial_fit(table)
        assert est.n_iter_ == call + 1
        assert sorted(spy.rows("train", call, table, est)) == list(range(60))
        assert spy.valid[call] == []


def test_partial_fit_lowers_the_loss(table):
    est = autoencoder()
    for _ in range(15):
        est.partial_fit(table)
    assert (np.diff(est.loss_curve_[::5]) < 0).all()
    assert est.loss_curve_[-1] < 0.7 * est.loss_curve_[0]


def test_partial_fit_keeps_the_state_of_the_optimizer(table):
    est = autoencoder()
    for call in (1, 2, 3):
        est.partial_fit(table)
        states = est.net_.optimizer_.state_dict()["state"].values()
        assert {float(state["step"]) for state in states} == {3.0 * call}


def test_partial_fit_is_an_epoch_of_fit(table):
    """Three calls are three epochs at a constant rate, up to the axes of the codes."""
    params = {"learning_rate_schedule": "constant", "validation": None}
    whole = autoencoder(max_epochs=3, **params).fit(table)
    parts = autoencoder(**params)
    for _ in range(3):
        parts.partial_fit(table)
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(
        parts.reconstruct(table), whole.reconstruct(table), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("code_activation", ["identity", "tanh"])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_partial_fit_after_fit_has_the_full_rate(schedule, code_activation, table):
    """What the schedule of the fit has left of it is next to nothing."""
    est = autoencoder(
        code_activation=code_activation, learning_rate_schedule=schedule
    ).fit(table)
    est.partial_fit(table)
    assert est.history_["learning_rate"][-1] == pytest.approx(0.01)
    assert est.net_.optimizer_.param_groups[0]["lr"] == pytest.approx(0.01)


@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_partial_fit_appends_to_the_history(first, table):
    """Columns are those that all rows of the net's history give."""
    est = autoencoder(validation=0.2, l2_penalty=1e-3)
    getattr(est, first)(table).partial_fit(table)
    n_epochs = est.n_iter_
    stopping = Interrupt(event="on_batch_end", epoch=n_epochs, how="raise")
    est.set_params(callbacks=[stopping]).partial_fit(table)
    assert est.n_iter_ == n_epochs  # the epoch was broken off
    est.set_params(callbacks=None).partial_fit(table)
    rows = est.net_.history
    assert est.n_iter_ == len(rows) == (8 if first == "fit" else 3)
    assert ("valid_loss" in est.history_) == (first == "fit")
    for name, column in est.history_.items():
        expected = np.array([row.get(name, np.nan) for row in rows])
        np.testing.assert_array_equal(column, expected)
        assert column.dtype == expected.dtype


def test_partial_fit_takes_another_learning_rate(table):
    """A step of plain gradient descent is proportional to it."""
    est = autoencoder(optimizer="sgd", batch_size=60).partial_fit(table)
    steps = []
    for rate in (1e-2, 1e-3):
        twin = copy.deepcopy(est).set_params(learning_rate=rate)
        before = twin.net_.module_.decoder[-1].weight.detach().clone()
        twin.partial_fit(table)
        steps.append(twin.net_.module_.decoder[-1].weight.detach() - before)
        assert twin.history_["learning_rate"][-1] == pytest.approx(rate)
    torch.testing.assert_close(steps[0], 10 * steps[1], rtol=1e-3, atol=1e-6)


def test_partial_fit_keeps_a_learning_rate(table):
    """In copies and with "auto", which asks for no other."""
    est = autoencoder().partial_fit(table)
    est.set_params(learning_rate=1e-3).partial_fit(table)
    est.set_params(learning_rate="auto").partial_fit(table)
    copied = copy.deepcopy(est).partial_fit(table)
    np.testing.assert_allclose(copied.history_["learning_rate"], [1e-2] + 3 * [1e-3])
    states = copied.net_.optimizer_.state_dict()["state"].values()
    assert {float(state["step"]) for state in states} == {12.0}


def test_failed_partial_fit_leaves_the_learning_rate(small_table):
    est = autoencoder().partial_fit(small_table)
    twin = copy.deepcopy(est)
    with pytest.raises(ValueError, match="loss became"):
        est.set_params(learning_rate=1e-3).partial_fit(small_table * 1e25)
    est.set_params(learning_rate="auto")
    twin.set_params(learning_rate="auto")
    assert est.net_.lr == twin.net_.lr
    assert_same(
        state_of(est.partial_fit(small_table), small_table),
        state_of(twin.partial_fit(small_table), small_table),
    )


def test_callback_lowers_the_learning_rate_from_call_to_call(table):
    """Until the parameter asks for another one."""

    class Halving(Callback):
        def on_epoch_end(self, net, **kwargs):
            for group in net.optimizer_.param_groups:
                group["lr"] /= 2

    est = autoencoder(callbacks=[Halving()])
    for rate in (0.01, 0.01, 0.01, 0.04, 0.04):
        est.set_params(learning_rate=rate).partial_fit(table)
    np.testing.assert_allclose(
        est.history_["learning_rate"], [0.01, 0.005, 0.0025, 0.04, 0.02]
    )


def test_partial_fit_of_parts_starts_as_pca_of_the_first(table):
    est = autoencoder(init="pca", learning_rate=1e-12).partial_fit(table[:30])
    pca = PCA(2).fit(table[:30])
    expected = pca.inverse_transform(pca.transform(table))
    np.testing.assert_allclose(est.reconstruct(table), expected, atol=1e-4)


def test_partial_fit_of_a_row_keeps_the_statistics_of_all(table):
    est = autoencoder().fit(table)
    codes = [est.transform(table)]
    for rows in (table[:1], table[7:9], table[3:4]):
        est.partial_fit(rows)
        codes.append(est.transform(rows))
        # Each row with its code at the end of its call.
        expected = np.vstack(codes).var(axis=0, ddof=1)
        np.testing.assert_allclose(est.explained_variance_, expected, rtol=1e-4)


class Described(Autoencoder):
    """Keeps what variants are told of the codes."""

    def _describe_codes(self, mean, variances):
        self.described_ = mean, variances


@pytest.mark.parametrize("validation", [None, 0.1])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_moments_are_those_of_the_rotated_codes(init, validation, table):
    params = {"init": init, "validation": validation}
    est = Described(3, max_epochs=5, learning_rate=0.01, random_state=0, **params)
    for method in (est.fit, est.partial_fit):
        method(table)
        codes = est.transform(table)
        mean, variances = est.described_
        if method == est.fit:
            np.testing.assert_allclose(mean, codes.mean(axis=0), rtol=1e-3, atol=1e-3)
            np.testing.assert_allclose(variances, codes.var(axis=0, ddof=1), rtol=1e-3)
        np.testing.assert_array_equal(variances, est.explained_variance_)


def missing_device():
    return f"cuda:{torch.cuda.device_count() + 7}"


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_missing_device_leaves_the_former_state(method, small_table):
    est = autoencoder(warm_start=True).fit(small_table)
    before = state_of(est, small_table)
    net = est.net_
    est.set_params(device=missing_device())
    with pytest.raises(ValueError, match="device"):
        getattr(est, method)(small_table)
    assert est.net_ is net
    after = state_of(est, small_table)
    assert after["rest"].pop("device") == missing_device()
    assert before["rest"].pop("device") == "cpu"
    assert_same(after, before)


# -- what skorch's users expect --------------------------------------------------------


@pytest.mark.parametrize("validation", [None, 0.5])
def test_train_end_checkpoint(validation, small_table, tmp_path):
    checkpoint = TrainEndCheckpoint(dirname=str(tmp_path))
    params = {"callbacks": [checkpoint], "validation": validation}
    est = autoencoder(code_activation="tanh", **params).fit(small_table)
    saved = torch.load(tmp_path / "train_end_params.pt", weights_only=True)
    # The weights that are kept, not the last ones.
    assert_same(saved, dict(est.net_.module_.state_dict()))
    assert (tmp_path / "train_end_history.json").exists()


def test_early_stopping_of_skorch_brings_its_best_weights_back(small_table):
    params = {"validation": None, "optimizer": "sgd", "learning_rate": 0.05}
    stopper = EarlyStopping("train_loss", patience=2, load_best=True, threshold=0.5)
    est = autoencoder(
        callbacks=[stopper], max_epochs=50, code_activation="tanh", **params
    ).fit(small_table)
    assert est.n_iter_ < 50
    assert stopper.best_epoch_ < est.n_iter_
    best = stopper.best_model_weights_
    assert_same(best, dict(est.net_.module_.state_dict()))


def test_gradients_can_be_clipped(small_table):
    params = {"optimizer": "sgd", "learning_rate_schedule": "constant", "max_epochs": 1}
    # Codes with an activation, which are not rotated after training.
    start = autoencoder(max_epochs=0, code_activation="tanh").fit(small_table)
    norms = []
    for callbacks in ([], [GradientNormClipping(1e-3)]):
        est = autoencoder(
            code_activation="tanh",
            callbacks=callbacks,
            validation=None,
            batch_size=60,
            **params,
        ).fit(small_table)
        norms.append(distance(est, start))
    # One step of a gradient of this norm.
    assert norms[1] == pytest.approx(0.01 * 1e-3, rel=1e-2)
    assert norms[1] < 0.1 * norms[0]


def distance(a, b):
    first, second = (list(est.net_.module_.parameters()) for est in (a, b))
    squares = [
        (p - q).square().sum().item() for p, q in zip(first, second, strict=True)
    ]
    return np.sqrt(sum(squares))


def test_freezer_keeps_weights(small_table):
    frozen = autoencoder(callbacks=[Freezer("encoder*")], code_activation="tanh")
    start = autoencoder(max_epochs=0, code_activation="tanh").fit(small_table)
    frozen.fit(small_table)
    before = start.net_.module_.state_dict()
    n_frozen = 0
    for name, value in frozen.net_.module_.state_dict().items():
        is_frozen = name.startswith("encoder")
        n_frozen += is_frozen
        assert torch.equal(value, before[name]) == is_frozen, name
    assert n_frozen > 0


def test_net_goes_on_after_a_default_fit(table):
    """Also what has been computed in double precision before is computed anew."""
    est = Autoencoder(2, max_epochs=3, random_state=0).fit(table)
    before = est.transform(table)
    est.net_.partial_fit(table)
    assert len(est.net_.history) > 3
    after = est.transform(table)
    assert (after != before).any()
    with torch.no_grad():
        codes = est.module_.encode(torch.from_numpy(table).float()).numpy()
    np.testing.assert_allclose(after, codes, rtol=1e-4, atol=1e-4)


def test_one_copy_in_double_precision_serves_until_weights_change(table):
    est = autoencoder().fit(table)
    est.transform(table[:1])
    first = est.module_.in_double_precision()
    est.transform(table[:1])
    est.reconstruct(table)
    assert est.module_.in_double_precision() is first
    est.partial_fit(table)
    assert est.module_.in_double_precision() is not first


def test_a_copy_in_double_precision_can_be_dropped_by_another_thread(table):
    est = autoencoder().fit(table)

    class Dropping(Standardized):
        def __setattr__(self, name, value):
            super().__setattr__(name, None if name == "_copy" else value)

    # As by a thread that has found no copy just before.
    module = Dropping(est.net_.module_, est.net_.units_)
    x = torch.from_numpy(table)
    codes = module.in_double_precision().encode(x).detach()
    np.testing.assert_allclose(codes, est.transform(table), rtol=1e-6, atol=1e-9)


def written(layer):
    with torch.no_grad():
        layer.weight.add_(1.0)


def written_as_data(layer):
    layer.weight.data.add_(1.0)


def replaced(layer):
    layer.weight = torch.nn.Parameter(layer.weight.detach() + 1.0)


@pytest.mark.parametrize("change", [written, written_as_data, replaced])
def test_changes_of_weights_count_in_double_precision(change, table):
    est = autoencoder().fit(table)
    before = est.transform(table)
    change(est.net_.module_.encoder[-1])
    after = est.transform(table)
    assert np.abs(after - before).max() > 0.1
    single = est.transform(table.astype(np.float32))
    np.testing.assert_allclose(after, single, rtol=1e-3, atol=1e-3)


def test_another_layer_counts_in_double_precision(table):
    est = autoencoder().fit(table)
    est.transform(table)
    encoder = est.net_.module_.encoder
    encoder[-1] = copy.deepcopy(encoder[-1])
    with torch.no_grad():
        encoder[-1].bias.add_(1.0)
    single = est.transform(table.astype(np.float32))
    np.testing.assert_allclose(est.transform(table), single, rtol=1e-3, atol=1e-3)


# -- separate targets ------------------------------------------------------------------


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("n_outputs", [3, 7])
def test_target_start_is_the_regression_on_pca(n_outputs, make, table):
    target = np.cos(table @ np.ones((7, n_outputs)) + np.arange(n_outputs)) * 4 + 9
    est = autoencoder(init="pca", max_epochs=0).fit(table, X_target=make(target))
    codes = PCA(2).fit_transform(table)
    expected = LinearRegression().fit(codes, target).predict(codes)
    np.testing.assert_allclose(est.reconstruct(table), expected, atol=1e-4)


def test_weighted_target_start(table):
    """Integer weights are equivalent to repeated rows."""
    target = np.cos(table[:, :3])
    counts = np.random.default_rng(0).integers(1, 4, 60)
    weighted = autoencoder(init="pca", max_epochs=0)
    weighted.fit(table, X_target=target, sample_weight=counts)
    repeated = np.repeat(table, counts, axis=0)
    codes = PCA(2).fit(repeated)
    regression = LinearRegression().fit(
        codes.transform(repeated), np.repeat(target, counts, axis=0)
    )
    expected = regression.predict(codes.transform(table))
    np.testing.assert_allclose(weighted.reconstruct(table), expected, atol=1e-4)


def test_target_is_what_is_learned(table):
    """A pair of corrupted and clean rows; the loss is that to the clean ones."""
    noisy = table + np.random.default_rng(0).normal(scale=2, size=table.shape)
    est = autoencoder(init="pca", max_epochs=30, validation=None)
    est.fit(noisy, X_target=table)
    found = half_squared_error(est, noisy, table).mean()
    assert found == pytest.approx(est.loss_curve_[-1], rel=0.1)
    plain = copy.copy(est).fit(noisy)
    assert found < half_squared_error(plain, noisy, table).mean()


def test_target_equal_to_the_input_is_the_plain_autoencoder(table):
    a, b = autoencoder().fit(table), autoencoder().fit(table, X_target=table)
    np.testing.assert_allclose(
        a.reconstruct(table), b.reconstruct(table), rtol=1e-4, atol=1e-4
    )


def test_target_of_another_width(table):
    est = autoencoder().fit(table, X_target=table[:, :3])
    assert est.reconstruct(table).shape == (60, 3)
    assert est.inverse_transform(est.transform(table)).shape == (60, 3)
    with pytest.raises(ValueError, match=r"3 columns.*7"):
        est.score(table)
    with pytest.raises(ValueError, match=r"3 columns.*7"):
        est.reconstruction_error(table)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.ones((59, 7)), "X_target has 59 rows"),
        (np.full((60, 7), np.nan), "X_target contains NaN"),
        (np.ones(60), "2D array"),
        (np.ones((60, 2, 2)), r"X_target has the shape .*reshape"),
    ],
)
def test_bad_targets(target, message, table):
    with pytest.raises(ValueError, match=message):
        autoencoder().fit(table, X_target=target)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_target_must_keep_its_width(method, table):
    est = autoencoder(warm_start=True).fit(table, X_target=table[:, :3])
    before = est.reconstruct(table)
    for other in (table[:, :2], None):
        with pytest.raises(ValueError, match="3 outputs"):
            getattr(est, method)(table, X_target=other)
    np.testing.assert_array_equal(est.reconstruct(table), before)
    getattr(est, method)(table, X_target=table[:, :3])


# -- weights of rows -------------------------------------------------------------------


@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, np.asfortranarray])
def test_weight_zero_removes_the_row(make, init, table):
    """To the bit: the rows are not looked at."""
    keep = np.random.default_rng(0).uniform(size=60) < 0.7
    weight = np.where(keep, 2.0, 0.0)
    dirty = np.where(keep[:, np.newaxis], table, 1e6)
    a = autoencoder(init=init).fit(make(dirty), sample_weight=weight)
    b = autoencoder(init=init).fit(make(table[keep]))
    for name in ("mean_", "scale_", "explained_variance_", "loss_curve_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_array_equal(a.transform(table), b.transform(table))


@pytest.mark.parametrize("loss", ["mse", "mae"])
@pytest.mark.parametrize("init", ["pca", "random"])
def test_integer_weights_are_repeated_rows(loss, init, table):
    """In the value of the objective; the batches are others."""
    counts = np.random.default_rng(0).integers(1, 4, 60)
    params = {
        "init": init,
        "loss": loss,
        "learning_rate": 1e-9,
        "max_epochs": 1,
        "validation": None,
        "l2_penalty": 0.1,
    }
    a = autoencoder(**params).fit(table, sample_weight=counts)
    b = autoencoder(**params).fit(np.repeat(table, counts, axis=0))
    np.testing.assert_allclose(a.mean_, b.mean_)
    for name in ("train_loss", "train_reconstruction", "train_l2"):
        np.testing.assert_allclose(a.history_[name], b.history_[name], rtol=1e-4)
    np.testing.assert_allclose(
        a.reconstruct(table), b.reconstruct(table), rtol=1e-3, atol=1e-4
    )


def test_only_the_proportions_of_weights_matter(table):
    weight = np.random.default_rng(0).uniform(1, 2, 60)
    a = autoencoder().fit(table, sample_weight=weight)
    b = autoencoder().fit(table, sample_weight=1024 * weight)
    np.testing.assert_array_equal(a.transform(table), b.transform(table))


def test_equal_weights_are_no_weights(table):
    a, b = autoencoder().fit(table), autoencoder().fit(table, sample_weight=np.ones(60))
    np.testing.assert_allclose(a.transform(table), b.transform(table), rtol=1e-4)


@pytest.mark.pinned
def test_heavy_rows_are_fitted_better(table):
    heavy = np.where(np.arange(60) < 15, 50.0, 1.0)
    params = {"max_epochs": 100, "learning_rate": 0.02, "batch_size": 30}
    params |= {"validation": None}
    errors = [
        half_squared_error(
            autoencoder(**params).fit(table, sample_weight=w), table[:15]
        ).mean()
        for w in (None, heavy)
    ]
    assert errors[1] < 0.8 * errors[0]


# -- user-defined networks -------------------------------------------------------------


class Mine(nn.Module):
    """Draws from torch's global generator, in making and in training."""

    def __init__(self, n_features, n_components):
        super().__init__()
        self.inner = nn.Sequential(
            nn.Linear(n_features, 12), nn.Dropout(0.1), nn.Tanh()
        )
        self.code = nn.Linear(12, n_components)
        self.outer = nn.Sequential(
            nn.Linear(n_components, 12), nn.BatchNorm1d(12), nn.Linear(12, n_features)
        )

    def encode(self, x):
        return self.code(self.inner(x))

    def decode(self, z):
        return self.outer(z)


def test_own_network_learns(table):
    est = autoencoder(network=Mine, init="pca", max_epochs=40).fit(table)
    assert isinstance(est.net_.module_, Mine)
    assert est.score(table) > 0.5
    assert est.transform(table).shape == (60, 2)
    codes = est.transform(table)
    np.testing.assert_allclose(
        est.inverse_transform(codes), est.reconstruct(table), rtol=1e-6
    )


def test_own_network_is_reproducible(table, untouched_generators):
    def fit(random_state):
        return autoencoder(network=Mine, random_state=random_state).fit(table)

    a, b, other = fit(0), fit(0), fit(1)
    np.testing.assert_array_equal(a.transform(table), b.transform(table))
    np.testing.assert_array_equal(a.loss_curve_, b.loss_curve_)
    assert not np.allclose(a.transform(table), other.transform(table))
    # Drawing more from the global generator in between changes nothing.
    a.partial_fit(table)
    b.partial_fit(table)
    np.testing.assert_array_equal(a.transform(table), b.transform(table))


def test_own_network_with_a_target(table):
    """The network determines the number of outputs."""

    class Narrow(Mine):
        def __init__(self, n_features, n_components):
            super().__init__(n_features, n_components)
            self.outer[2] = nn.Linear(12, 3)

    est = autoencoder(network=Narrow).fit(table, X_target=table[:, :3])
    assert est.reconstruct(table).shape == (60, 3)


# -- dropout ---------------------------------------------------------------------------


def test_dropout_in_training_only(table, untouched_generators):
    a = autoencoder(dropout=0.5).fit(table)
    b = autoencoder(dropout=0.5).fit(table)
    np.testing.assert_array_equal(a.loss_curve_, b.loss_curve_)
    np.testing.assert_array_equal(a.transform(table), a.transform(table))
    plain = autoencoder().fit(table)
    assert not np.allclose(a.loss_curve_, plain.loss_curve_)


# -- each loss, on real data -----------------------------------------------------------


def losses_of(name, output, X):
    r = np.abs(X - output)
    if name == "mse":
        rows = 0.5 * r**2
    elif name == "mae":
        rows = r
    elif name == "huber":
        rows = np.where(r <= 1, r**2 / 2, r - 0.5)
    else:
        p = np.clip(output, 1e-7, 1 - 1e-7)
        rows = -(X * np.log(p) + (1 - X) * np.log(1 - p))
    return rows.sum(axis=1).mean()


@pytest.mark.pinned
@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "bce"])
def test_loss_on_held_out_digits(loss, digits):
    """Below the one of the mean and, clipped to the range of the data, of PCA."""
    train, test = digits
    est = Autoencoder(8, loss=loss, max_epochs=25, random_state=0).fit(train)
    found = losses_of(loss, est.reconstruct(test), test)
    mean = np.broadcast_to(train.mean(axis=0), test.shape)
    pca = PCA(8).fit(train)
    linear = np.clip(pca.inverse_transform(pca.transform(test)), 0.001, 0.999)
    # Even the best cross-entropy is far from zero where pixels are grey.
    assert found < (0.8 if loss == "bce" else 0.6) * losses_of(loss, mean, test)
    assert found < 0.95 * losses_of(loss, linear, test)
    # The history holds this very loss, on other rows.
    assert found == pytest.approx(est.best_loss_, rel=0.3)


def test_bce_stays_in_the_unit_interval(digits):
    est = Autoencoder(8, loss="bce", max_epochs=3, random_state=0).fit(digits[0])
    output = est.reconstruct(digits[1])
    assert output.min() >= 0
    assert output.max() <= 1
    # The input is standardised; the loss has units of its own.
    np.testing.assert_allclose(est.mean_, digits[0].mean(axis=0), atol=1e-6)
    assert est.scale_ == pytest.approx((digits[0] - est.mean_).std(), rel=1e-4)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("value", [-0.01, 1.5])
def test_bce_outside_of_the_unit_interval(value, make, digits):
    X = digits[0].copy()
    X[3, 4] = value
    with pytest.raises(ValueError, match=r"bce.*\[0, 1\]"):
        Autoencoder(2, loss="bce").fit(make(X))
    with pytest.raises(ValueError, match=r"bce.*\[0, 1\]"):
        Autoencoder(2, loss="bce").fit(digits[0], X_target=make(X))
    # The target must be in [0, 1], not the input.
    est = Autoencoder(2, loss="bce", max_epochs=1).fit(make(X), X_target=digits[0])
    assert np.isfinite(est.loss_curve_).all()


def test_global_generators_are_left_alone(table, untouched_generators):
    est = autoencoder(dropout=0.2).fit(table)
    est.partial_fit(table).transform(table)
    with pytest.raises(ValueError, match="loss became"):
        autoencoder(**DIVERGING).fit(table)
    for how in ("raise", "signal"):
        interrupted_fit(
            autoencoder(callbacks=[Interrupt(how=how)], network=Mine), table, how
        )
    assert torch.is_grad_enabled()


def test_a_warm_start_that_does_not_lower_the_loss_says_so(table):
    X = table
    model = Autoencoder(2, max_epochs=5, warm_start=True, random_state=0).fit(X)
    before = model.reconstruct(X)
    model.set_params(max_epochs=1, learning_rate=1.0)
    with pytest.warns(ConvergenceWarning, match="weights of the previous fit are kept"):
        model.fit(X)
    np.testing.assert_array_equal(model.reconstruct(X), before)
