"""The optimizers of several nets whose parameters lie side by side."""

from collections.abc import Iterable, Sequence

from torch import Tensor

from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.schedules import Schedule


def as_stored(stacked: Tensor) -> Tensor:
    """A view as it lies in memory: matrices of shape (m, out, in) are transposed.

    As batched products want the weights, and as they give their gradients. Optimizers,
    which treat entries one by one, are fastest on what lies there in one piece.
    """
    return stacked.mT if stacked.ndim == 3 else stacked


class Settings:
    """How a net is optimized, to be compared with others.

    Parameters
    ----------
    net : AutoencoderNet
    n_epochs, n_batches : int
        The length of the training and of an epoch.
    """

    def __init__(self, net: AutoencoderNet, n_epochs: int, n_batches: int) -> None:
        names = {id(p): name for name, p in net.module_.named_parameters()}
        self.groups = [
            {
                **{key: value for key, value in group.items() if key != "params"},
                "params": [names[id(p)] for p in group["params"]],
            }
            for group in net.optimizer_.param_groups
        ]
        self.optimizer = type(net.optimizer_)
        self.schedule = net.schedule
        self.n_epochs, self.n_batches = n_epochs, n_batches
        # A schedule that looks at the losses is each net's own.
        self.own = net if net.schedule == "reduce_on_plateau" else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and vars(self) == vars(other)


class Updater:
    """Optimizer and schedule of neighbours in a stack that share all their settings.

    Parameters
    ----------
    settings : Settings
    where : slice
        Which nets of the stack these are.
    parameters : dict of str to tensor
        All of the stack's by name, `as_stored`.
    """

    def __init__(
        self, settings: Settings, where: slice, parameters: dict[str, Tensor]
    ) -> None:
        self.where = where
        self._names = [group["params"] for group in settings.groups]
        groups = [
            {**group, "params": [parameters[name][where] for name in group["params"]]}
            for group in settings.groups
        ]
        self.optimizer = settings.optimizer(groups)
        self.schedule = Schedule(
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
                # Fused kernels take the order in memory for granted.
                gradient = as_stored(gradient).contiguous()[self.where]
            params[i].grad = gradient
        self.optimizer.step()
        self.schedule.after_step()

    def keep(
        self, staying: Sequence[int], start: int, parameters: dict[str, Tensor]
    ) -> None:
        """Go on with some of the nets, which now follow `start` others in the stack."""
        self.where = slice(start, start + len(staying))
        for params, i, name in self._parameters():
            old, new = params[i], parameters[name][self.where]
            params[i] = new
            # Moments have the shape of the parameter, the number of steps has none.
            self.optimizer.state[new] = {
                key: value[list(staying)] if value.ndim else value
                for key, value in self.optimizer.state.pop(old, {}).items()
                if isinstance(value, Tensor)
            }

    @property
    def learning_rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]


def in_runs(settings: Sequence[Settings]) -> list[list[int]]:
    """Which of them are equal, as lists of their numbers."""
    runs: list[list[int]] = []
    for i, own in enumerate(settings):
        for run in runs:
            if settings[run[0]] == own:
                run.append(i)
                break
        else:
            runs.append([i])
    return runs
