"""Optimizers of networks whose parameters are stacked."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from sklearn_ae.training.loop import Training, schedulers


def as_stored(stacked: Tensor) -> Tensor:
    """A view as it lies in memory: matrices of shape (m, out, in) are transposed.

    Batched products want the weights so, and give their gradients so. Optimizers, which
    treat entries one by one, are fastest on contiguous memory.
    """
    return stacked.mT if stacked.ndim == 3 else stacked


class OptimizerSettings:
    """How a network is optimised, to be compared with others.

    Parameters
    ----------
    training : Training
        It must not have begun, since schedules change settings of the optimizer.
    """

    def __init__(self, training: Training) -> None:
        net = training.net
        names = {id(p): name for name, p in net.module_.named_parameters()}
        self.groups = [
            {
                **{key: value for key, value in group.items() if key != "params"},
                "params": [names[id(p)] for p in group["params"]],
            }
            for group in net.optimizer_.param_groups
        ]
        self.optimizer = type(net.optimizer_)
        self.schedule = training.settings.learning_rate_schedule
        self.n_epochs = training.n_epochs
        self.n_batches = len(net.get_iterator(training.train, training=True))
        # Not shared, since it depends on the network's losses.
        self.own = net if self.schedule == "reduce_on_plateau" else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OptimizerSettings) and vars(self) == vars(other)

    def is_like(self, other: "OptimizerSettings") -> bool:
        """Whether they are equal but for what depends on losses."""
        return vars(self) | {"own": None} == vars(other) | {"own": None}


class SharedOptimizer:
    """Optimizer and schedulers of stacked networks that share all their settings.

    Parameters
    ----------
    settings : OptimizerSettings
    where : slice
        Which networks of the stack; they are neighbours.
    parameters : dict of str to tensor
        The stack's by name, as given by `as_stored`.
    """

    def __init__(
        self, settings: OptimizerSettings, where: slice, parameters: dict[str, Tensor]
    ) -> None:
        self.where = where
        self._names = [group["params"] for group in settings.groups]
        groups = [
            {**group, "params": [parameters[name][where] for name in group["params"]]}
            for group in settings.groups
        ]
        self.optimizer = settings.optimizer(groups)
        self._step_scheduler, self.epoch_scheduler = schedulers(
            settings.schedule, self.optimizer, settings.n_epochs, settings.n_batches
        )

    def _parameters(self) -> Iterable[tuple[list[Tensor], int, str]]:
        groups = self.optimizer.param_groups
        for group, names in zip(groups, self._names, strict=True):
            for i, name in enumerate(names):
                yield group["params"], i, name

    def step(self, gradients: dict[str, Tensor | None]) -> None:
        for params, i, name in self._parameters():
            gradient = gradients[name]
            if gradient is not None:
                # Fused kernels assume equal memory layouts.
                gradient = as_stored(gradient).contiguous()[self.where]
            params[i].grad = gradient
        self.optimizer.step()
        if self._step_scheduler is not None:
            self._step_scheduler.step()

    def keep(
        self, staying: Sequence[int], start: int, parameters: dict[str, Tensor]
    ) -> None:
        """Go on with some of the networks, the first of which is now at `start`."""
        self.where = slice(start, start + len(staying))
        for params, i, name in self._parameters():
            old, new = params[i], parameters[name][self.where]
            params[i] = new
            # Moments have the shape of the parameter; the step count is a scalar.
            self.optimizer.state[new] = {
                key: value[list(staying)] if value.ndim else value
                for key, value in self.optimizer.state.pop(old, {}).items()
                if isinstance(value, Tensor)
            }

    def state(self) -> dict[str, Any]:
        """Moments, settings that change, and schedules."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "schedules": [
                None if scheduler is None else scheduler.state_dict()
                for scheduler in (self._step_scheduler, self.epoch_scheduler)
            ],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` has returned for the same networks."""
        self.optimizer.load_state_dict(state["optimizer"])
        schedulers = self._step_scheduler, self.epoch_scheduler
        for scheduler, own in zip(schedulers, state["schedules"], strict=True):
            if own is not None:
                scheduler.load_state_dict(own)

    @property
    def learning_rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]


def positions_by_settings(settings: Sequence[OptimizerSettings]) -> list[list[int]]:
    """Positions of equal settings, one list for each of them."""
    runs: list[list[int]] = []
    for i, own in enumerate(settings):
        for run in runs:
            if settings[run[0]] == own:
                run.append(i)
                break
        else:
            runs.append([i])
    return runs
