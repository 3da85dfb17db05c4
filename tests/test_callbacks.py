"""Callbacks, history and net behave as in skorch."""

import io
import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
    ProgressBar,
)

from sklearn_ae import Autoencoder, DenoisingAutoencoder


@pytest.fixture
def table():
    """60 rows of 7 columns."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((60, 3))
    return np.hstack([latent, latent**2, np.sin(latent[:, :1])]) * 3 + 5


def autoencoder(**params):
    # More patience than epochs, and a random start, which every epoch improves.
    defaults = {
        "init": "random",
        "hidden_layer_sizes": 8,
        "batch_size": 10,
        "validation": 0.5,  # 30 rows here and there
        "max_epochs": 4,
        "n_iter_no_change": 10,
        "random_state": 0,
    }
    return Autoencoder(2, **(defaults | params))


class Recorder(Callback):
    """Records every event and its arguments."""

    def initialize(self):
        self.events = []
        return self

    def on_train_begin(self, net, **kwargs):
        self.events.append(("on_train_begin", kwargs))

    def on_train_end(self, net, **kwargs):
        self.events.append(("on_train_end", kwargs))

    def on_epoch_begin(self, net, **kwargs):
        self.events.append(("on_epoch_begin", kwargs))

    def on_epoch_end(self, net, **kwargs):
        self.events.append(("on_epoch_end", kwargs))

    def on_batch_begin(self, net, **kwargs):
        self.events.append(("on_batch_begin", kwargs))

    def on_batch_end(self, net, **kwargs):
        self.events.append(("on_batch_end", kwargs))

    def on_grad_computed(self, net, **kwargs):
        self.events.append(("on_grad_computed", kwargs))


class EpochCounter(Callback):
    """Counts epochs."""

    def initialize(self):
        self.begun = self.ended = 0
        return self

    def on_epoch_begin(self, net, **kwargs):
        self.begun += 1

    def on_epoch_end(self, net, **kwargs):
        self.ended += 1


# -- events ----------------------------------------------------------------------------


def test_events_come_in_order(table):
    """30 rows in batches of 10, 30 held out in one."""
    recorder = Recorder()
    autoencoder(callbacks=[recorder], max_epochs=2).fit(table)
    training = ["on_batch_begin", "on_grad_computed", "on_batch_end"] * 3
    validation = ["on_batch_begin", "on_batch_end"]
    epoch = ["on_epoch_begin", *training, *validation, "on_epoch_end"]
    expected = ["on_train_begin", *epoch, *epoch, "on_train_end"]
    assert [name for name, _ in recorder.events] == expected


def test_what_a_batch_brings(table):
    recorder = Recorder()
    autoencoder(callbacks=[recorder], max_epochs=1).fit(table)
    ends = [kwargs for name, kwargs in recorder.events if name == "on_batch_end"]
    assert [end["training"] for end in ends] == [True] * 3 + [False]
    for end in ends:
        x = end["batch"][0]
        assert end["y_pred"].shape == x.shape
        assert end["loss"].ndim == 0
        residual = (end["y_pred"] - x).detach()
        # In network coordinates, as the batch is.
        expected = 0.5 * residual.square().sum(1).mean().item()
        assert end["loss"].item() == pytest.approx(expected, rel=1e-5)
    begins = [kwargs for name, kwargs in recorder.events if name == "on_batch_begin"]
    for begin, end in zip(begins, ends, strict=True):
        assert torch.equal(begin["batch"][0], end["batch"][0])


def test_gradients_come_with_their_names(table):
    seen = []

    class Gradients(Callback):
        def on_grad_computed(self, net, named_parameters, **kwargs):
            seen.append({n: p.grad.abs().sum().item() for n, p in named_parameters})

    est = autoencoder(callbacks=[Gradients()], max_epochs=1).fit(table)
    assert set(seen[0]) == {n for n, _ in est.net_.module_.named_parameters()}
    assert sum(seen[-1].values()) > 0


def test_callbacks_as_classes_and_with_names(table):
    est = autoencoder(callbacks=[EpochCounter, ("mine", EpochCounter())]).fit(table)
    callbacks = dict(est.net_.callbacks_)
    assert callbacks["mine"].ended == callbacks["EpochCounter"].ended == 4


def test_listening_does_not_change_the_result(table):
    a = autoencoder().fit(table)
    b = autoencoder(callbacks=[Recorder()]).fit(table)
    np.testing.assert_array_equal(a.reconstruct(table), b.reconstruct(table))
    np.testing.assert_array_equal(a.loss_curve_, b.loss_curve_)


def test_every_epoch_ends_also_the_last_of_an_early_stop(table):
    """A callback that stops the training does not keep the others from being called."""
    counter = EpochCounter()
    est = autoencoder(
        callbacks=[counter], n_iter_no_change=1, tol=0.9, max_epochs=50
    ).fit(table)
    assert est.n_iter_ < 50
    assert counter.begun == counter.ended == est.n_iter_


# -- the history -----------------------------------------------------------------------


@pytest.mark.parametrize("callbacks", [None, []], ids=["none", "empty"])
def test_no_batch_rows_without_callbacks(callbacks, table):
    est = autoencoder(callbacks=callbacks).fit(table)
    assert len(est.net_.history) == 4
    assert all(row["batches"] == [] for row in est.net_.history)


def test_batch_rows_with_callbacks(table):
    est = autoencoder(callbacks=[Recorder()]).fit(table)
    history = est.net_.history
    for prefix, n_batches, n_rows in [("train", 3, 30), ("valid", 1, 30)]:
        for epoch in range(4):
            rows = [r for r in history[epoch, "batches"] if f"{prefix}_loss" in r]
            assert len(rows) == n_batches
            values = [row[f"{prefix}_loss"] for row in rows]
            weights = [row[f"{prefix}_batch_size"] for row in rows]
            assert sum(weights) == n_rows
            assert np.average(values, weights=weights) == pytest.approx(
                history[epoch, f"{prefix}_loss"], rel=1e-5
            )


@pytest.mark.parametrize("validation", [None, 0.5])
def test_history_is_a_table(validation, table):
    """One row an epoch, one column a term."""
    est = autoencoder(validation=validation, l1_penalty=0.1, l2_penalty=0.2).fit(table)
    frame = pd.DataFrame(est.history_)
    assert len(frame) == est.n_iter_ == 4
    assert frame["epoch"].tolist() == [1, 2, 3, 4]
    expected = {"epoch", "learning_rate"}
    for prefix in ["train", "valid"] if validation else ["train"]:
        terms = [f"{prefix}_{term}" for term in ("reconstruction", "l1", "l2")]
        np.testing.assert_allclose(frame[terms].sum(axis=1), frame[f"{prefix}_loss"])
        expected |= {f"{prefix}_loss", *terms}
    assert expected <= set(frame.columns)
    assert not any("valid" in name for name in frame.columns) or validation
    assert frame.notna().all(axis=None)
    assert all(dtype.kind in "if" for dtype in frame.dtypes)
    np.testing.assert_array_equal(est.loss_curve_, frame["train_loss"])
    if validation:
        np.testing.assert_array_equal(est.validation_loss_curve_, frame["valid_loss"])
    else:
        assert est.validation_loss_curve_ is None


def test_no_epochs(table):
    est = autoencoder(max_epochs=0).fit(table)
    assert est.n_iter_ == 0
    assert len(est.loss_curve_) == 0
    assert len(pd.DataFrame(est.history_)) == 0


# -- skorch's own callbacks ------------------------------------------------------------


@pytest.mark.parametrize("on_train", [False, True])
def test_epoch_scoring_with_caching(on_train, table):
    """As in skorch the target comes as one array, beside the cached prediction."""
    shapes = []

    def mean_error(net, X, y):
        prediction = net.predict(X)
        shapes.append((prediction.shape, np.shape(y)))
        return float(((prediction - y) ** 2).sum(axis=1).mean() / 2)

    scoring = EpochScoring(mean_error, name="mine", on_train=on_train)
    est = autoencoder(callbacks=[scoring]).fit(table)
    assert shapes == [((30, 7), (30, 7))] * 4
    expected = est.history_["train_loss" if on_train else "valid_loss"]
    np.testing.assert_allclose(
        est.history_["mine"] * est.scale_**2, expected, rtol=1e-4
    )
    assert est.net_.history[0, "mine_best"]


def test_epoch_scoring_without_caching(table):
    def mean_output(net, X, y=None):
        return float(net.predict(X).mean())

    scoring = EpochScoring(mean_output, name="mine", use_caching=False)
    est = autoencoder(callbacks=[scoring]).fit(table)
    assert np.isfinite(est.history_["mine"]).all()


def test_epoch_scoring_with_weights(table):
    def rows(net, X, y):
        return float(len(net.predict(X)))

    scoring = EpochScoring(rows, name="mine", on_train=True)
    est = autoencoder(callbacks=[scoring])
    est.fit(table, sample_weight=np.linspace(1, 2, 60))
    assert est.history_["mine"].tolist() == [30] * 4


def test_batch_scoring(table):
    def error(net, X, y):
        return 1.0

    scoring = BatchScoring(error, name="mine", on_train=True)
    est = autoencoder(callbacks=[scoring]).fit(table)
    assert est.history_["mine"].tolist() == [1] * 4


def test_passthrough_scoring(table):
    """It averages what was recorded batch by batch."""

    class Own(Callback):
        def on_batch_end(self, net, training, **kwargs):
            if training:
                net.history.record_batch("own", 3.0)

    scoring = PassthroughScoring("own", on_train=True)
    est = autoencoder(callbacks=[Own(), scoring]).fit(table)
    assert est.history_["own"].tolist() == [3] * 4
    assert est.net_.history[0, "own_best"]


def test_lr_scheduler(table):
    """skorch's own scheduler beside a constant schedule."""
    scheduler = LRScheduler(policy="StepLR", step_size=1, gamma=0.5)
    est = autoencoder(
        callbacks=[scheduler], learning_rate=0.01, learning_rate_schedule="constant"
    ).fit(table)
    np.testing.assert_allclose(
        est.history_["learning_rate"], 0.01 * 0.5 ** np.arange(4)
    )


@pytest.mark.parametrize("monitor", ["valid_loss_best", None])
def test_checkpoint(monitor, table, tmp_path):
    """The default monitor looks for the epochs that were the best so far."""
    checkpoint = Checkpoint(dirname=str(tmp_path), monitor=monitor)
    est = autoencoder(callbacks=[checkpoint]).fit(table)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"params.pt", "optimizer.pt", "history.json"} <= names
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    assert saved.keys() == est.net_.module_.state_dict().keys()
    rows = json.loads((tmp_path / "history.json").read_text(encoding="utf-8"))
    assert rows[0]["train_loss"] == est.loss_curve_[0]


def test_valid_loss_best(table):
    """The flag by which skorch marks the best epoch so far."""
    est = autoencoder().fit(table)
    curve = est.validation_loss_curve_
    expected = [curve[i] < min(curve[:i], default=np.inf) for i in range(4)]
    assert est.net_.history[:, "valid_loss_best"] == expected


def test_early_stopping_of_skorch_ends_the_training_only(table):
    """It raises KeyboardInterrupt itself, which must not come out of fit."""
    stopper = EarlyStopping(monitor="train_loss", patience=2, threshold=0.99)
    est = autoencoder(callbacks=[stopper], max_epochs=50).fit(table)
    assert est.n_iter_ == 3
    assert np.isfinite(est.transform(table)).all()


def test_timer_and_log(table, capfd):
    est = autoencoder(callbacks=[EpochTimer(), PrintLog()], verbose=1).fit(table)
    assert (est.history_["dur"] > 0).all()
    assert "train_loss" in capfd.readouterr().out


@pytest.mark.parametrize("verbose", [0, 1, 2])
@pytest.mark.parametrize("log", [PrintLog(), PrintLog, ("mine", PrintLog())])
def test_logs_print_whatever_verbose_is(log, verbose, table, capfd):
    """And no progress bar comes between their lines."""
    autoencoder(callbacks=[log], verbose=verbose).fit(table)
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert len(lines) == 6  # two of the header, one for each epoch
    assert "train_loss" in lines[0]


def test_logs_continue_in_partial_fit(table, capfd):
    est = autoencoder(callbacks=[PrintLog()])
    for _ in range(3):
        est.partial_fit(table)
    out, err = capfd.readouterr()
    assert (len(out.splitlines()), err) == (5, "")


def test_other_callbacks_print_only_if_asked(table, capfd):
    stopper = EarlyStopping(monitor="train_loss", patience=2, threshold=0.99)
    autoencoder(callbacks=[stopper], max_epochs=50).fit(table)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_progress_bar_of_skorch(verbose, table, capfd):
    """It counts batches, which it gets as it listens."""
    bar = ProgressBar(detect_notebook=False)
    autoencoder(callbacks=[bar], verbose=verbose).fit(table)
    out, err = capfd.readouterr()
    assert "it/s" in err
    assert "epoch/s" not in err
    assert out == ""


# -- the net ---------------------------------------------------------------------------


def test_predict_in_network_coordinates(table):
    est = autoencoder().fit(table)
    expected = (est.reconstruct(table) - est.mean_) / est.scale_
    found = est.net_.predict(table)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


class Reconstructions(Callback):
    """Reconstructs rows after every epoch and in the middle of it."""

    def __init__(self, X):
        self.X = X

    def on_batch_end(self, net, training, **kwargs):
        net.reconstruct(self.X[:3])
        assert net.module_.training == training

    def on_epoch_end(self, net, **kwargs):
        self.last_ = net.reconstruct(self.X)


@pytest.mark.parametrize(
    "params",
    [
        {"init": "random", "dropout": 0.5},
        # Trained with whitened codes and noise on the inputs.
        {"init": "pca", "max_epochs": 10},
    ],
    ids=["random", "pca"],
)
def test_reconstructions_in_units_of_the_data(params, table):
    """Without held-out rows the last weights are those of the estimator."""
    listener = Reconstructions(table)
    fit = [
        autoencoder(validation=None, callbacks=callbacks, **params).fit(table)
        for callbacks in ([listener], None)
    ]
    if params["init"] == "pca":
        assert fit[0].best_candidate_ == 1
    expected = fit[0].reconstruct(table)
    np.testing.assert_allclose(listener.last_, expected, rtol=1e-3, atol=1e-3)
    # Far from units of the network, and nothing was changed by looking.
    assert np.abs(expected.mean(axis=0) - table.mean(axis=0)).max() < 2
    np.testing.assert_array_equal(expected, fit[1].reconstruct(table))


def test_reconstructions_of_other_targets(table):
    """Outputs have the units of the target, here another one."""
    denoiser = DenoisingAutoencoder(
        2, init="random", corruption_level=0.5, validation=None, max_epochs=3
    )
    listener, target = Reconstructions(table), 1000 + 50 * table[:, :2]
    denoiser.set_params(callbacks=[listener]).fit(table, X_target=target)
    np.testing.assert_allclose(listener.last_, denoiser.reconstruct(table), rtol=1e-4)
    assert listener.last_.shape == (60, 2)
    frame = pd.DataFrame(table.astype(np.float32))
    single = denoiser.net_.reconstruct(frame)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, listener.last_, rtol=1e-4)
    tensor = torch.tensor(table, requires_grad=True)
    np.testing.assert_allclose(denoiser.net_.reconstruct(tensor), listener.last_)
    with pytest.raises(ValueError, match=r"X has 3 features, but .* on 7"):
        denoiser.net_.reconstruct(table[:, :3])


def test_save_and_load(table, tmp_path):
    a = autoencoder().fit(table)
    b = autoencoder(max_epochs=0, random_state=1).fit(table)
    assert not np.allclose(a.reconstruct(table), b.reconstruct(table))
    files = {
        "f_params": tmp_path / "params.pt",
        "f_optimizer": tmp_path / "optimizer.pt",
        "f_history": tmp_path / "history.json",
    }
    a.net_.save_params(**files)
    b.net_.load_params(**files)
    np.testing.assert_array_equal(a.reconstruct(table), b.reconstruct(table))
    assert b.net_.history[:, "train_loss"] == a.loss_curve_.tolist()


def test_load_into_memory(table):
    est = autoencoder().fit(table)
    before = est.reconstruct(table)
    buffer = io.BytesIO()
    est.net_.save_params(f_params=buffer)
    est.partial_fit(table)
    buffer.seek(0)
    est.net_.load_params(f_params=buffer)
    np.testing.assert_array_equal(est.reconstruct(table), before)


def test_training_goes_on_through_the_net(table):
    """skorch's own way to train further, on arrays in units of the data."""
    est = autoencoder(learning_rate_schedule="constant").fit(table)
    est.net_.partial_fit(table)
    assert len(est.net_.history) > 4
    assert np.isfinite(est.net_.history[-1, "train_loss"])


@pytest.mark.parametrize("loaded", [False, True])
def test_training_goes_on_through_the_net_after_an_early_stop(loaded, table):
    """The stop is over, also for a net that was built anew."""
    est = autoencoder(n_iter_no_change=1, tol=0.9, max_epochs=50).fit(table)
    if loaded:
        est = pickle.loads(pickle.dumps(est))
    est.net_.partial_fit(table, epochs=2)
    assert len(est.net_.history) == est.n_iter_ + 2


# -- the progress bar ------------------------------------------------------------------


@pytest.mark.parametrize("validation", [None, 0.5])
def test_verbose_shows_one_bar(validation, table, capfd):
    autoencoder(verbose=1, validation=validation).fit(table)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.strip().count("\n") == 0  # one line, redrawn
    last = err.strip().split("\r")[-1]
    assert "4/4" in last
    assert "train_loss=" in last
    assert ("valid_loss=" in last) == (validation is not None)


def test_more_verbose_prints_a_table(table, capfd):
    autoencoder(verbose=2).fit(table)
    out, err = capfd.readouterr()
    assert err == ""
    header, _, *lines = out.splitlines()
    assert header.split()[0] == "epoch"
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4"]


def test_nothing_is_printed_otherwise(table, capfd):
    est = autoencoder().fit(table)
    est.partial_fit(table).transform(table)
    assert capfd.readouterr() == ("", "")
