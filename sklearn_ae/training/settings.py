"""How a network is trained: the parameters with their constraints, and their values.

`TrainingParameters` is the one place where such a parameter is declared, constrained
and documented. `TrainingSettings` are the values of one fit, with numbers in place of
"auto".
"""

import inspect
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch.optim import Optimizer

from sklearn_ae._sklearn_compat import HasMethods, Interval, StrOptions
from sklearn_ae.training import eager_optimizers, sizes
from sklearn_ae.training.hardware import resolve_device
from sklearn_ae.training.recording import resolve_checkpoint
from sklearn_ae.training.seeding import drawn_seed

# Where a network starts as PCA, some gradients consist of rounding errors, which Adam
# with its usual eps of 1e-8 turns into full steps that differ from machine to machine.
# The shorter memory of the squares suits fits of a few thousand steps.
_ADAM = {"eps": 1e-5, "betas": (0.9, 0.99)}

# One iteration a step, and a step an epoch.
_LBFGS = {
    "max_iter": 1,
    "max_eval": 26,
    "history_size": 20,
    "line_search_fn": "strong_wolfe",
}

# Name -> (class, its settings, default learning rate). The rates suit losses summed
# over standardised features.
OPTIMIZERS: dict[str, tuple[type[Any], dict[str, Any], float]] = {
    "sgd": (eager_optimizers.SGD, {}, 1e-2),
    "momentum": (eager_optimizers.SGD, {"momentum": 0.9}, 2e-3),
    "nesterov": (eager_optimizers.SGD, {"momentum": 0.9, "nesterov": True}, 2e-3),
    "adagrad": (eager_optimizers.Adagrad, {}, 1e-2),
    "rmsprop": (eager_optimizers.RMSprop, {}, 5e-3),
    "adam": (eager_optimizers.Adam, _ADAM, 5e-3),
    "adamw": (eager_optimizers.AdamW, _ADAM | {"weight_decay": 0.3}, 5e-3),
    "lbfgs": (eager_optimizers.LBFGS, _LBFGS, 1.0),
}

# Their steps do not depend on the size of the gradients.
_SCALE_FREE = frozenset({"adagrad", "adam", "adamw", "rmsprop"})

SCHEDULES = ("constant", "one_cycle", "cosine", "reduce_on_plateau")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What `TrainingParameters` mean for a fit to so many rows.

    Parameters
    ----------
    optimizer, learning_rate_schedule, tol
        As in `TrainingParameters`.
    optimizer_params : dict
        All arguments of the optimizer besides the learning rate.
    learning_rate : float
        Largest learning rate of the schedule.
    batch_size, max_epochs : int
        Rows in a step, and passes over the rows, at most.
    n_held_out : int
        How many random rows are held out.
    n_folds : int
        Number of folds of a cross-validation, or 0.
    patience : int or None
        Epochs without an improvement after which training stops.
    seed : int
        Determines all random numbers.
    """

    optimizer: str | type[Any]
    optimizer_params: dict[str, Any]
    learning_rate: float
    learning_rate_schedule: str
    batch_size: int
    max_epochs: int
    n_held_out: int
    n_folds: int
    patience: int | None
    tol: float
    seed: int

    def held_out(
        self, rows: np.ndarray, strata: np.ndarray | None = None
    ) -> np.ndarray:
        """The rows to hold out, in random order.

        Parameters
        ----------
        rows : ndarray of int
            Rows to choose from.
        strata : ndarray of int or None
            Groups whose proportions are kept, one for each of `rows`.
        """
        rng = np.random.RandomState(self.seed)
        if strata is None or self.n_held_out == 0:
            return rng.permutation(rows)[: self.n_held_out]
        return rows[_stratified(strata, self.n_held_out, rng)]

    def splits(self, rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Random pairs of rows to train on and of unseen rows: one per fold, or one.

        All parts to train on are of one size, so that they can be trained on at once.
        """
        if self.n_folds == 0:
            unseen = np.sort(self.held_out(rows))
            # They are increasing. Sets would take several copies.
            return [(np.delete(rows, np.searchsorted(rows, unseen)), unseen)]
        order = np.random.RandomState(self.seed).permutation(rows)
        folds = [np.sort(order[i :: self.n_folds]) for i in range(self.n_folds)]
        n_train = len(rows) - len(folds[0])
        return [(np.setdiff1d(order, fold)[:n_train], fold) for fold in folds]

    @property
    def is_full_batch(self) -> bool:
        """Whether every step uses all rows."""
        return self.optimizer == "lbfgs"

    def of_few_iterations(self, n_rows: int) -> "TrainingSettings":
        """The settings of L-BFGS, ended early, on so many rows."""
        _, params, rate = OPTIMIZERS["lbfgs"]
        return replace(
            self,
            optimizer="lbfgs",
            optimizer_params=params,
            learning_rate=rate,
            learning_rate_schedule="constant",
            batch_size=n_rows,
            max_epochs=sizes.FEW_LBFGS_ITERATIONS,
        )

    def of_one_epoch(self) -> "TrainingSettings":
        """The settings of `partial_fit`: one epoch at a constant rate."""
        return replace(self, max_epochs=1, learning_rate_schedule="constant")


@dataclass(kw_only=True, eq=False, repr=False)
class TrainingParameters:
    """The parameters of every estimator that trains a network.

    Parameters
    ----------
    optimizer : str or type, default="adamw"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lbfgs",
        or a subclass of `torch.optim.Optimizer`. "adamw" is Adam with a weight decay of
        0.3, which is not part of the objective and does not act on biases; where
        candidates are compared (see `validation`), it is 0.1 and acts on biases, too.
        The others have no weight decay by default.

        "adam" and "adamw" have ``betas=(0.9, 0.99)`` and ``eps=1e-5``, where torch has
        ``(0.9, 0.999)`` and ``1e-8``: in networks that start as PCA some gradients are
        rounding errors, which so small an ``eps`` turns into full steps, and the
        shorter memory suits fits of a few thousand steps. For torch's values pass them
        as `optimizer_params`, or a class such as `torch.optim.Adam`.

        "lbfgs" is L-BFGS with a line search, for tables of up to some ten thousand
        rows. An epoch is one iteration on all training rows; it stops when ten of them
        gain next to nothing. `learning_rate` and `learning_rate_schedule` are ignored.
        The objective must not contain random numbers such as a corruption or dropout.

    optimizer_params : dict or None, default=None
        Further arguments of the optimizer, such as ``{"weight_decay": 0.1}``.

    learning_rate : "auto" or float, default="auto"
        Largest learning rate of the schedule. "auto" is a rate that suits the
        optimizer and the scale of the data inside the network.

    learning_rate_schedule : str, default="one_cycle"
        How the learning rate changes during a fit. "one_cycle" raises it in the first
        tenth of the steps and then lowers it to zero, "cosine" lowers it along a
        cosine, "reduce_on_plateau" divides it by 10 after 5 epochs without an
        improvement, and "constant" keeps it. `partial_fit` always keeps it constant.

    batch_size : "auto" or int, default="auto"
        Largest number of rows in a step. "auto" is 64 for less than 5,000 rows, 128 for
        less than 50,000, and 256 for more. Where candidates are compared (see
        `validation`), it is 32 for less than 250 rows, 64 for less than 500, 128 for
        less than 1,000 (50,000 with more than 100 columns), and 256 for more.

    max_epochs : "auto" or int, default="auto"
        Number of passes over the training rows. "auto" is 100,000 divided by the number
        of rows, but at least 10 and at most 300. Where candidates are compared (see
        `validation`), it is 150 for less than 100 rows, else 200,000 (120,000 with more
        than 100 columns) divided by the number of rows, but at least 10 and at most
        100. Sparse and contractive autoencoders train for 3,000 divided by the root of
        the number of rows if that is more, and with "lbfgs" it is 400. 0 keeps the
        initial network.

    validation : "auto", int, float, splitter, list of pairs or None, default="auto"
        How the loss on unseen rows is estimated. A float in (0, 1) is the share of the
        rows that is held out, at least 30 rows or a third of a small table; the weights
        with the lowest loss on them are kept. An int of at least 2 is a number of
        folds: candidates are compared by cross-validation, and the final network is
        trained on all rows. None trains on all rows and keeps the last weights, unless
        the loss was lower before training. "auto" is 0.1.

        A splitter of scikit-learn, such as ``TimeSeriesSplit()`` or ``GroupKFold()``
        with `groups` in `fit`, chooses rows that are not random; so does a list of
        pairs of arrays, the indices of training and of unseen rows. Several splits are
        folds where candidates are compared; otherwise the last split is held out.
        Validation data can also be passed to `fit`, as `X_val`; this parameter must
        then be "auto".

        `Autoencoder` and `DenoisingAutoencoder` compare candidates, unless parameters
        prevent it; only then are folds possible. For them "auto" is 5 folds for less
        than 300 rows and 3 for less than 500. With more rows, or more than 100
        columns, it is 0.1 and holds out at least 100 rows or a third. With None they
        train the first candidate only.

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
        Called with the skorch net during training. Its ``net.reconstruct(X)`` takes
        and returns rows in the units of `X`.

    random_state : int, RandomState instance or None, default=None
        Controls weight initialisation, shuffling, the validation split, dropout and
        other noise. Pass an int for reproducible results. Global generators do not
        change.

    verbose : int, default=0
        1 shows a progress bar with the losses, 2 or more prints them as a table, one
        line per epoch. A `PrintLog` or a `ProgressBar` in `callbacks` replaces both; a
        `PrintLog` prints even at 0.

    checkpoint : path, Checkpoint or None, default=None
        File in which `fit` saves its state once a minute. After a crash or an
        interrupt, the same `fit` on the same data goes on from there and ends with
        exactly the same result; the file is then removed. A file of other data,
        parameters or versions is an error. It works on a step of a pipeline; inside
        another estimator of this package with a `checkpoint` it is ignored. See
        `sklearn_ae.persistence.Checkpoint` for other intervals, and for searches.
    """

    optimizer: str | type = "adamw"
    optimizer_params: dict[str, Any] | None = None
    learning_rate: float | str = "auto"
    learning_rate_schedule: str = "one_cycle"
    batch_size: int | str = "auto"
    max_epochs: int | str = "auto"
    validation: Any = "auto"
    n_iter_no_change: int | None = None
    tol: float = 1e-4
    device: str = "cpu"
    callbacks: list | None = None
    random_state: Any = None
    verbose: int = 0
    checkpoint: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any] | str]] = {
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
        "validation": [
            StrOptions({"auto"}),
            Interval(Integral, 2, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            HasMethods(["split", "get_n_splits"]),
            list,
            tuple,
            None,
        ],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "device": [str],
        "callbacks": [list, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        # By `resolve_checkpoint`.
        "checkpoint": "no_validation",
    }

    def _check_training(self, device: str) -> tuple[dict[str, Any], float]:
        """Arguments and learning rate of the optimizer.

        Raises a ValueError if callbacks, checkpoint or optimizer cannot be used.
        """
        _check_callbacks(self.callbacks)
        resolve_checkpoint(self.checkpoint)
        given = None if self.learning_rate == "auto" else float(self.learning_rate)
        _, params, rate = resolve_optimizer(
            self.optimizer, self.optimizer_params, given, device
        )
        return params, rate

    def _resolve_training(
        self,
        n_rows: int,
        *,
        n_columns: int | None = None,
        is_penalised: bool = False,
        n_splits: int | None = None,
        most_held_out: float = np.inf,
    ) -> TrainingSettings:
        """The settings of a fit to so many rows; sets `device_`, too.

        `n_columns` is the width of the table, or None where no candidates are compared
        with PCA. `is_penalised` is as in `Parts`. `n_splits` is the number of splits by
        the user, 0 for validation data, and None without both. "auto" holds out at most
        `most_held_out` rows.

        Raises a ValueError if parameters contradict each other.
        """
        self.device_ = resolve_device(self.device)
        optimizer_params, learning_rate = self._check_training(self.device_)
        schedule = self.learning_rate_schedule
        batch_size, max_epochs = self.batch_size, self.max_epochs
        if self.optimizer == "lbfgs":
            # The line search tries the full step first.
            schedule, learning_rate = "constant", 1.0
            if batch_size != "auto":
                raise ValueError(
                    f"batch_size={batch_size!r} must be 'auto' with "
                    "optimizer='lbfgs', which uses all rows in every step."
                )
            batch_size = n_rows
            if max_epochs == "auto":
                max_epochs = sizes.LBFGS_ITERATIONS
        if batch_size == "auto":
            batch_size = sizes.batch_size(n_rows, n_columns)
        is_scaled = is_penalised and self.optimizer in _SCALE_FREE
        if is_scaled and self.learning_rate == "auto":
            learning_rate *= sizes.rate_of_penalised(int(batch_size))
        if max_epochs == "auto":
            max_epochs = sizes.max_epochs(n_rows, n_columns, is_penalised)
        n_folds, n_held_out = self._unseen_rows(
            n_rows, n_columns, n_splits, most_held_out
        )
        return TrainingSettings(
            optimizer=self.optimizer,
            optimizer_params=optimizer_params,
            learning_rate=learning_rate,
            learning_rate_schedule=schedule,
            batch_size=int(batch_size),
            max_epochs=int(max_epochs),
            n_held_out=n_held_out,
            n_folds=n_folds,
            patience=self.n_iter_no_change,
            tol=float(self.tol),
            seed=drawn_seed(self.random_state),
        )

    def _unseen_rows(
        self,
        n_rows: int,
        n_columns: int | None,
        n_splits: int | None,
        most_held_out: float,
    ) -> tuple[int, int]:
        """Number of folds, or 0, and of rows held out; as in `_resolve_training`."""
        validation = self.validation
        _check_pairs(validation)
        if n_splits is not None or not isinstance(validation, str | Real | None):
            # Chosen rows are unseen, or none at all in `partial_fit`.
            if n_columns is not None and n_splits is not None and n_splits > 1:
                return n_splits, 0
            return 0, 0
        is_auto = validation == "auto"
        if is_auto:
            n_folds = 0 if n_columns is None else sizes.n_folds(n_rows, n_columns)
            validation = n_folds or 0.1
        if validation is None:
            return 0, 0
        if isinstance(validation, Integral):
            if n_columns is None:
                raise ValueError(
                    f"validation={validation!r} folds are for comparing candidates "
                    "with PCA, which needs an Autoencoder or a DenoisingAutoencoder "
                    "with init='pca', hidden layers and optimizer='adam' or 'adamw', "
                    "and without a network of your own, penalties, tied weights, "
                    "loss='bce' or an output_activation. Set validation to a share in "
                    "(0, 1), or None."
                )
            return min(int(validation), n_rows), 0
        share = round(validation * n_rows)
        if is_auto:
            share = int(min(share, most_held_out))
        # At least 30 or, for a choice, 100 rows, but not more than a third.
        least = 100 if n_columns is not None and is_auto else 30
        return 0, min(max(1, share, min(least, n_rows // 3)), n_rows - 1)


def check_not_random(optimizer: Any, random_parts: dict[str, Any]) -> None:
    """Raise a ValueError if a line search would compare random numbers.

    `random_parts` are those of the objective, by the names of their parameters.
    """
    if optimizer != "lbfgs":
        return
    for name, value in random_parts.items():
        raise ValueError(
            f"optimizer='lbfgs' needs an objective without random numbers, but "
            f"{name}={value!r} draws some in every step. Use optimizer='adam'."
        )


def _check_callbacks(callbacks: list[Any] | None) -> None:
    names = []
    for callback in callbacks or ():
        named = callback
        if isinstance(callback, tuple) and len(callback) == 2:
            name, named = callback
            names.append(name)
        if not hasattr(named, "on_train_begin"):
            raise ValueError(
                f"callbacks={callbacks!r} must hold skorch callbacks or pairs of a "
                f"name and a callback, but {callback!r} is neither. Callbacks of "
                "sklearn.callback are set by set_callbacks."
            )
    if not all(isinstance(name, str) for name in names) or len({*names}) < len(names):
        raise ValueError(
            f"callbacks={callbacks!r} must have different strings as names, not "
            f"{names!r}."
        )


def _check_pairs(validation: Any) -> None:
    if isinstance(validation, list | tuple) and not all(
        hasattr(pair, "__len__") and len(pair) == 2 for pair in validation
    ):
        raise ValueError(
            f"validation={validation!r} must be a list of pairs of arrays: indices of "
            "training and of unseen rows."
        )


def resolve_optimizer(
    optimizer: str | type[Any],
    params: dict[str, Any] | None,
    learning_rate: float | None,
    device: str = "cpu",
) -> tuple[type[Any], dict[str, Any], float]:
    """The class, its settings and the learning rate; the fused kernel if there is one.

    A class that is passed in gets its own default learning rate. An optimizer that
    cannot take a step with these settings is a ValueError.
    """
    if params and "lr" in params:
        raise ValueError(
            f"optimizer_params={params!r} must not hold 'lr'; set learning_rate "
            "instead."
        )
    if params and params.get("maximize"):
        raise ValueError(
            f"optimizer_params={params!r} must not maximize: losses are minimised."
        )
    if isinstance(optimizer, type) and not issubclass(optimizer, Optimizer):
        raise ValueError(
            f"optimizer={optimizer!r} must be a subclass of torch.optim.Optimizer or "
            f"one of {sorted(OPTIMIZERS)}."
        )
    if isinstance(optimizer, str):
        cls, settings, default_rate = OPTIMIZERS[optimizer]
    else:
        cls, settings, default_rate = optimizer, {}, 1e-3
        lr = inspect.signature(optimizer).parameters.get("lr")
        if lr is not None and isinstance(lr.default, float):
            default_rate = lr.default
    settings = settings | (params or {})
    rate = default_rate if learning_rate is None else learning_rate
    if "fused" in inspect.signature(cls).parameters and not settings.keys() & {
        "fused",
        "foreach",
        "differentiable",
    }:
        settings["fused"] = True
    try:
        _try_optimizer(cls, settings | {"lr": rate}, device)
    except Exception as error:
        raise ValueError(
            f"optimizer={optimizer!r} with optimizer_params={params!r} cannot train a "
            f"network: {error}"
        ) from error
    return cls, settings, rate


def _try_optimizer(cls: type[Any], settings: dict[str, Any], device: str) -> None:
    """Take a step for a weight matrix and a bias."""
    params = [torch.zeros(shape, device=device) for shape in ((2, 2), (2,))]
    for param in params:
        param.requires_grad_().grad = torch.ones_like(param)
    loss = torch.zeros((), device=device)
    cls(params, **settings).step(lambda: loss)


def _stratified(
    strata: np.ndarray, n_chosen: int, rng: np.random.RandomState
) -> np.ndarray:
    """At most `n_chosen` positions, a share of each stratum but never all of it."""
    place = np.empty(len(strata))
    strata_names, counts = np.unique(strata, return_counts=True)
    for stratum, count in zip(strata_names, counts, strict=True):
        where = rng.permutation(np.flatnonzero(strata == stratum))
        place[where] = (np.arange(count) + rng.uniform()) / count
        place[where[-1]] = np.inf
    order = np.argsort(place, kind="stable")
    return order[: min(n_chosen, len(strata) - len(counts))]
