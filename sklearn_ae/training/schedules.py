"""Learning-rate schedules by name, built from torch's own."""

from typing import Any

from torch.optim import Optimizer, lr_scheduler

SCHEDULES = ("constant", "one_cycle", "cosine", "reduce_on_plateau")

# Share of the steps in which the learning rate of "one_cycle" rises.
WARM_UP = 0.1


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
