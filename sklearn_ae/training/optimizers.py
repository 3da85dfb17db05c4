"""Optimizers and learning-rate schedules by name, built from torch's own."""

import inspect
from typing import Any

import torch
from torch.optim import Optimizer, lr_scheduler

from sklearn_ae.training import eager_optimizers

# Where a network starts as PCA, some gradients consist of rounding errors, which Adam
# with its usual eps of 1e-8 turns into full steps that differ from machine to machine.
# The shorter memory of the squares suits fits of a few thousand steps.
_ADAM = {"eps": 1e-5, "betas": (0.9, 0.99)}

# Name -> (class, its settings, default learning rate). The rates suit losses summed
# over standardised features.
OPTIMIZERS: dict[str, tuple[type[Any], dict[str, Any], float]] = {
    "sgd": (eager_optimizers.SGD, {}, 1e-2),
    "momentum": (eager_optimizers.SGD, {"momentum": 0.9}, 2e-3),
    "nesterov": (eager_optimizers.SGD, {"momentum": 0.9, "nesterov": True}, 2e-3),
    "adagrad": (eager_optimizers.Adagrad, {}, 1e-2),
    "rmsprop": (eager_optimizers.RMSprop, {}, 1e-3),
    "adam": (eager_optimizers.Adam, _ADAM, 5e-3),
    "adamw": (eager_optimizers.AdamW, _ADAM | {"weight_decay": 0.3}, 5e-3),
}

SCHEDULES = ("constant", "one_cycle", "cosine", "reduce_on_plateau")

# Share of the steps in which the learning rate of "one_cycle" rises.
WARM_UP = 0.1


def resolve_optimizer(
    optimizer: str | type[Any],
    params: dict[str, Any] | None,
    learning_rate: float | None,
) -> tuple[type[Any], dict[str, Any], float]:
    """The class, its settings and the learning rate; the fused kernel if there is one.

    A class that is passed in gets its own default learning rate. Settings that do not
    suit the class are a ValueError.
    """
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
        cls([torch.zeros(1, requires_grad=True)], lr=rate, **settings)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"optimizer_params={params!r} do not suit optimizer={optimizer!r}: {error}"
        ) from error
    return cls, settings, rate


class Schedule:
    """Moves the learning rate of `optimizer` over `n_epochs` of `n_batches` steps.

    "one_cycle" [1]_ and "cosine" [2]_ move after every step,
    "reduce_on_plateau" after every epoch whose loss is no improvement.

    References
    ----------
    .. [1] Smith and Topin (2019). "Super-convergence".
       :doi:`10.1117/12.2520589`
    .. [2] Loshchilov and Hutter (2017). "SGDR: stochastic gradient descent with
       warm restarts". ICLR.
    """

    def __init__(
        self, name: str, optimizer: Optimizer, n_epochs: int, n_batches: int
    ) -> None:
        n_steps = max(1, n_epochs * n_batches)
        self._every_step: Any = None
        self._every_epoch: Any = None
        if name == "one_cycle":
            self._every_step = lr_scheduler.OneCycleLR(
                optimizer,
                max_lr=[group["lr"] for group in optimizer.param_groups],
                total_steps=n_steps + 1,
                # Two steps at least: torch divides by the rise's length less one.
                pct_start=max(WARM_UP, 2 / (n_steps + 1)),
                cycle_momentum=False,
            )
        elif name == "cosine":
            self._every_step = lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
        elif name == "reduce_on_plateau":
            self._every_epoch = lr_scheduler.ReduceLROnPlateau(optimizer, patience=5)

    def after_step(self) -> None:
        if self._every_step is not None:
            self._every_step.step()

    def after_epoch(self, loss: float) -> None:
        if self._every_epoch is not None:
            self._every_epoch.step(loss)
