"""One training from its first epoch to the weights that are kept."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from sklearn_ae.data.batches import ArrayDataset
from sklearn_ae.training.hardware import suitable_threads
from sklearn_ae.training.interrupts import watched_interrupts
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.optimizers import Schedule

# Where no rows are held out, start and end are compared on this many training rows.
COMPARED_ROWS = 2**14


class BestWeights:
    """Keeps the weights with the lowest loss, and counts epochs without improvement.

    Parameters
    ----------
    module : torch.nn.Module
        Whose weights are kept, as they are now to begin with.
    loss : float
        Its loss now.
    tol : float
        A loss counts as an improvement if it falls below the lowest by this share of
        it. Relative, since losses come in the units of the data.

    Attributes
    ----------
    n_without_improvement : int
        Epochs in a row.
    """

    def __init__(self, module: Any, loss: float, tol: float) -> None:
        self.module, self.tol = module, tol
        self.first_loss = self.loss = loss
        self.first = self.weights = copy.deepcopy(module.state_dict())
        self.n_without_improvement = 0

    def update(self, loss: float) -> None:
        """Compare the weights as they are now."""
        improved = loss < self.loss - self.tol * abs(self.loss)
        self.n_without_improvement = 0 if improved else self.n_without_improvement + 1
        if loss < self.loss:
            self.loss = loss
            self.weights = copy.deepcopy(self.module.state_dict())

    def restore(
        self,
        accepts: Callable[[float, np.ndarray], bool] | None,
        row_losses: Callable[[], np.ndarray],
    ) -> bool:
        """Give the module the weights to keep; whether they are not the first.

        The first ones are kept unless the gain over them is accepted.
        """
        if accepts is not None and self.weights is not self.first:
            rows = []
            for weights in (self.first, self.weights):
                self.module.load_state_dict(weights)
                rows.append(row_losses())
            if not accepts(self.first_loss - self.loss, rows[0] - rows[1]):
                self.weights, self.loss = self.first, self.first_loss
        self.module.load_state_dict(self.weights)
        return self.weights is not self.first


class TrainingResult(NamedTuple):
    """What came of a training.

    Parameters
    ----------
    has_changed : bool
        Whether the weights kept are others than those that training began with.
    best_loss : float
        Loss of the weights kept: on the rows held out or, without any, the last
        training loss.
    interrupt : KeyboardInterrupt or None
        What the user ended the training with.
    """

    has_changed: bool
    best_loss: float
    interrupt: BaseException | None


class Training:
    """A net, the data and the length of its training, and how far it has come.

    Parameters
    ----------
    net : AutoencoderNet
    train : ArrayDataset
    valid : ArrayDataset or None
        Rows held out; None compares the losses on training rows before and after.
    n_epochs : int
    schedule : str
        One of `SCHEDULES`.
    patience : int or None
        Epochs without an improvement after which training stops.
    tol : float
        Relative improvement of the validation loss that counts as one.
    keeps_best : bool
        Keep the weights at the start unless the training finds better ones; False keeps
        the last weights.
    accepts : callable or None
        Whether a gain on the rows held out is enough to depart from the weights at the
        start, by the gain and the gains of the rows; None accepts every gain.
    """

    def __init__(
        self,
        net: AutoencoderNet,
        train: ArrayDataset,
        valid: ArrayDataset | None,
        *,
        n_epochs: int,
        schedule: str = "constant",
        patience: int | None = None,
        tol: float = 0.0,
        keeps_best: bool = True,
        accepts: Callable[[float, np.ndarray], bool] | None = None,
    ) -> None:
        self.net, self.train, self.valid = net, train, valid
        self.n_epochs, self.schedule_name = n_epochs, schedule
        self.patience, self.tol = patience, tol
        self.keeps_best, self.accepts = keeps_best, accepts
        # Weights are compared on the rows held out or, without any, on training rows.
        self.compared = train.thinned(COMPARED_ROWS) if valid is None else valid
        self.datasets = {"dataset_train": train, "dataset_valid": valid}
        self.n_epochs_begun = 0
        self._n_rows_before = len(net.history)
        self.best: BestWeights | None = None

    def begin(self) -> None:
        """Tell the callbacks, and remember the weights as they are."""
        net = self.net
        self.train_batches = net.get_iterator(self.train, training=True)
        self.schedule = Schedule(
            self.schedule_name, net.optimizer_, self.n_epochs, len(self.train_batches)
        )
        net.max_epochs = self.n_epochs
        net.notify("on_train_begin", X=self.train, y=None)
        if self.n_epochs > 0 and self.keeps_best:
            loss = net.evaluate(self.compared)["loss"]
            self.best = BestWeights(net.module_, loss, self.tol)

    def step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """One step of the optimizer, and of the learning rate."""
        step = self.net.train_step(batch, **fit_params)
        self.schedule.after_step()
        return step

    def begin_epoch(self) -> None:
        """Tell the callbacks."""
        self.n_epochs_begun += 1
        self.net.notify("on_epoch_begin", **self.datasets)

    def end_epoch(self) -> bool:
        """Look at the losses in the history; whether there is to be another epoch."""
        row = self.net.history[-1]
        loss = row.get("valid_loss", row["train_loss"])
        if self.valid is not None and self.best is not None:
            self.best.update(loss)
        self.schedule.after_epoch(loss)
        self._n_rows_before = len(self.net.history)
        self.net.notify("on_epoch_end", **self.datasets)
        is_out_of_patience = (
            self.patience is not None
            and self.best is not None
            and self.best.n_without_improvement >= self.patience
        )
        return self.n_epochs_begun < self.n_epochs and not is_out_of_patience

    def finish(self, interrupt: BaseException | None = None) -> TrainingResult:
        """Choose the weights to keep, and tell the callbacks."""
        best, net = self.best, self.net
        has_changed = self.n_epochs_begun > 0
        # Without an epoch that was broken off.
        del net.history[self._n_rows_before :]
        best_loss = net.history[-1].get("train_loss", np.inf) if net.history else np.inf
        if has_changed and self.valid is None:
            # After the last step no training loss has been computed yet.
            loss = net.evaluate(self.compared)["loss"]
            if not np.isfinite(loss):
                raise net.diverged(loss)
            if best is not None:
                best.update(loss)
        if has_changed and best is not None:
            accepts = None if self.valid is None else self.accepts
            has_changed = best.restore(accepts, lambda: net.row_losses(self.compared))
            if self.valid is not None or not has_changed:
                best_loss = best.loss
        self.close()
        return TrainingResult(has_changed, float(best_loss), interrupt)

    def close(self) -> None:
        """Tell the callbacks that it has ended; all there is to do after an error."""
        del self.net.history[self._n_rows_before :]
        self.net.notify("on_train_end", X=self.train, y=None)
        self.net.switch_training(False)


def train_alone(training: Training) -> TrainingResult:
    """Train a net; the best weights are kept, also when the user interrupts.

    An interrupt is part of the result: the caller puts things in order and raises it.
    A callback that raises `KeyboardInterrupt` ends the training, as in skorch.
    """
    net, interrupt = training.net, None
    threads = suitable_threads(net.module_, net.batch_size)
    with (
        watched_interrupts() as interrupts,
        net.isolated(net.needs_isolation_),
        threads,
    ):
        try:
            training.begin()
            goes_on = training.n_epochs > 0
            while goes_on:
                training.begin_epoch()
                batches = training.train_batches
                net.run_single_epoch(batches, True, "train", training.step)
                if training.valid is not None:
                    batches = net.get_iterator(training.valid)
                    net.run_single_epoch(batches, False, "valid", net.validation_step)
                goes_on = training.end_epoch()
        except KeyboardInterrupt as error:
            interrupt = interrupts.of_user(error)
        except BaseException:
            training.close()
            raise
        return training.finish(interrupt)


_trainer: ContextVar[Callable[[Training], TrainingResult]] = ContextVar(
    "trainer", default=train_alone
)


def train(training: Training) -> TrainingResult:
    """Train a net, alone or by whatever `trained_by` is in force."""
    return _trainer.get()(training)


@contextmanager
def trained_by(trainer: Callable[[Training], TrainingResult]) -> Iterator[None]:
    """Let another function do the trainings of this block, in this thread."""
    token = _trainer.set(trainer)
    try:
        yield
    finally:
        _trainer.reset(token)
