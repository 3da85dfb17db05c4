"""How a network is trained: the parameters with their constraints, and their values.

`TrainingParameters` is the one place where such a parameter is declared, constrained
and documented. `TrainingSettings` are the values of one fit, with numbers in place of
"auto".
"""

from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils import check_random_state

from sklearn_ae._sklearn_compat import Interval, StrOptions
from sklearn_ae.training.optimizers import OPTIMIZERS, SCHEDULES, resolve_optimizer


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What `TrainingParameters` mean for a fit to so many rows.

    Parameters
    ----------
    optimizer, optimizer_params, learning_rate_schedule, tol
        As in `TrainingParameters`.
    learning_rate : float or None
        None stands for the rate that suits the optimizer.
    batch_size, max_epochs : int
        Rows in a step, and passes over the rows, at most.
    n_held_out : int
        How many rows are held out.
    patience : int or None
        Epochs without an improvement after which training stops.
    seed : int
        Determines all random numbers.
    """

    optimizer: str | type
    optimizer_params: dict[str, Any] | None
    learning_rate: float | None
    learning_rate_schedule: str
    batch_size: int
    max_epochs: int
    n_held_out: int
    patience: int | None
    tol: float
    seed: int

    def of_one_epoch(self) -> "TrainingSettings":
        """The settings of `partial_fit`: one epoch at a constant rate."""
        return replace(self, max_epochs=1, learning_rate_schedule="constant")


@dataclass(kw_only=True, eq=False, repr=False)
class TrainingParameters:
    """The parameters of every estimator that trains a network.

    Parameters
    ----------
    optimizer : str or type, default="adamw"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", or a
        subclass of `torch.optim.Optimizer`. "adamw" is Adam with a weight decay of 0.3,
        which is not part of the objective and does not act on biases. The others have
        no weight decay by default.

    optimizer_params : dict or None, default=None
        Further arguments of the optimizer, such as ``{"weight_decay": 0.1}``.

    learning_rate : "auto" or float, default="auto"
        Largest learning rate of the schedule. "auto" is a rate that suits the
        optimizer.

    learning_rate_schedule : {"one_cycle", "constant", "cosine", \
"reduce_on_plateau"}, default="one_cycle"
        How the learning rate changes during a fit. "one_cycle" raises it in the first
        tenth of the steps and then lowers it to zero, "cosine" lowers it along a
        cosine, and "reduce_on_plateau" divides it by 10 after 5 epochs without an
        improvement. `partial_fit` always keeps it constant.

    batch_size : "auto" or int, default="auto"
        Largest number of rows in a step. "auto" is 64 for less than 5,000 rows, 128 for
        less than 50,000, and 256 for more.

    max_epochs : "auto" or int, default="auto"
        Number of passes over the training rows. "auto" is 100,000 divided by the number
        of rows, but at least 10 and at most 300. 0 keeps the initial network.

    validation_fraction : float or None, default=0.1
        Share of the rows that is held out, in (0, 1). The weights with the lowest
        loss on these rows are kept. Small tables hold out 30 rows, but at most a third.
        None trains on all rows and keeps the last weights, unless the loss was lower
        before training.

    n_iter_no_change : int or None, default=None
        Number of epochs without an improvement after which training stops: of the loss
        on the held-out rows or, without any, of the training loss. None trains to the
        end of the schedule.

    tol : float, default=0.0001
        Smallest relative decrease of the lowest loss that counts as an improvement.

    device : str, default="cpu"
        Where to compute: "cpu", "cuda", "cuda:1", "mps", or "auto" for a GPU if
        there is one.

    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called with the skorch net during training.

    random_state : int, RandomState instance or None, default=None
        Controls weight initialisation, shuffling, the validation split, dropout and
        other noise. Pass an int for reproducible results. Global generators do not
        change.

    verbose : int, default=0
        1 shows a progress bar with the losses.
    """

    optimizer: str | type = "adamw"
    optimizer_params: dict[str, Any] | None = None
    learning_rate: float | str = "auto"
    learning_rate_schedule: str = "one_cycle"
    batch_size: int | str = "auto"
    max_epochs: int | str = "auto"
    validation_fraction: float | None = 0.1
    n_iter_no_change: int | None = None
    tol: float = 1e-4
    device: str = "cpu"
    callbacks: list | None = None
    random_state: Any = None
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "optimizer": [StrOptions(set(OPTIMIZERS)), type],
        "optimizer_params": [dict, None],
        "learning_rate": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "max_epochs": [
            StrOptions({"auto"}),
            Interval(Integral, 0, None, closed="left"),
        ],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "device": [str],
        "callbacks": [list, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def _resolve_training(self, n_rows: int) -> TrainingSettings:
        """The settings of a fit to so many rows; a ValueError if they contradict."""
        self._check_training()
        rate = None if self.learning_rate == "auto" else float(self.learning_rate)
        # Only to raise its errors early.
        resolve_optimizer(self.optimizer, self.optimizer_params, rate)
        batch_size, max_epochs = self.batch_size, self.max_epochs
        if batch_size == "auto":
            batch_size = 64 if n_rows < 5_000 else 128 if n_rows < 50_000 else 256
        if max_epochs == "auto":
            # About 100,000 rows in all.
            max_epochs = min(300, max(10, 100_000 // max(1, n_rows)))
        n_held_out = 0
        if self.validation_fraction is not None:
            share = round(self.validation_fraction * n_rows)
            # At least 30 rows, unless that is more than a third of them.
            n_held_out = min(max(1, share, min(30, n_rows // 3)), n_rows - 1)
        random_state = self.random_state
        if random_state is None:
            # Not numpy's global generator, which stays as it is.
            random_state = np.random.RandomState()
        return TrainingSettings(
            optimizer=self.optimizer,
            optimizer_params=self.optimizer_params,
            learning_rate=rate,
            learning_rate_schedule=self.learning_rate_schedule,
            batch_size=int(batch_size),
            max_epochs=int(max_epochs),
            n_held_out=n_held_out,
            patience=self.n_iter_no_change,
            tol=float(self.tol),
            seed=int(check_random_state(random_state).randint(2**31 - 1)),
        )

    def _check_training(self) -> None:
        for callback in self.callbacks or ():
            is_named = isinstance(callback, tuple) and len(callback) == 2
            named = callback[1] if is_named else callback
            if not hasattr(named, "on_train_begin"):
                raise ValueError(
                    f"callbacks={self.callbacks!r} must hold skorch callbacks, but "
                    f"{named!r} is not one."
                )
        if self.optimizer_params and "lr" in self.optimizer_params:
            raise ValueError(
                f"optimizer_params={self.optimizer_params!r} must not hold 'lr'; set "
                "learning_rate instead."
            )
        optimizer = self.optimizer
        if isinstance(optimizer, type) and not issubclass(
            optimizer, torch.optim.Optimizer
        ):
            raise ValueError(
                f"optimizer={optimizer!r} must be a subclass of torch.optim.Optimizer "
                f"or one of {sorted(OPTIMIZERS)}."
            )
