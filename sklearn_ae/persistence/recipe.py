"""How a net is made, in plain values: what is pickled instead of the net."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from torch import nn
from torch.optim import Optimizer

from sklearn_ae._units import Affine
from sklearn_ae.networks.completing import Gaps
from sklearn_ae.objectives._part import Part
from sklearn_ae.objectives.losses import Loss
from sklearn_ae.objectives.objective import Objective
from sklearn_ae.objectives.terms import Penalty
from sklearn_ae.persistence.checks import check_shape
from sklearn_ae.training.settings import OPTIMIZERS, TrainingSettings

_AFFINE = ("standardize", "standardize_target")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that makes a net, except the device and the callbacks.

    Parameters
    ----------
    module, module_params : type or partial, dict
        The class of the network and its arguments.
    standardize, standardize_target : Affine
        From the units of the data to those of the network.
    objective, objective_params : type, dict
        The class of the objective and its arguments beyond those that follow.
    loss : Loss
    penalties : dict of str to Penalty
        By column in the history, in units of the data.
    corruption : callable or None
        Corruption of the inputs during training, in units of the data.
    settings : TrainingSettings
    gaps : Gaps or None
        How missing entries are dealt with.
    """

    module: Any
    module_params: dict[str, Any]
    standardize: Affine
    standardize_target: Affine
    objective: type
    objective_params: dict[str, Any]
    loss: Loss
    penalties: dict[str, Penalty]
    corruption: Any
    settings: TrainingSettings
    gaps: Gaps | None = None

    def to_plain(self) -> dict[str, Any]:
        """Dictionaries, tuples, arrays, scalars and parts that make the same recipe."""
        # Not `asdict` for all, which would also take apart what a user's object holds.
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain |= {name: tuple(getattr(self, name)) for name in _AFFINE}
        gaps = None if self.gaps is None else tuple(self.gaps)
        return plain | {"settings": asdict(self.settings), "gaps": gaps}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Recipe":
        """The inverse of `to_plain`.

        Raises a ValueError if a part is of another kind than the ones that `fit` makes.
        """
        affine = {name: Affine(*plain[name]) for name in _AFFINE}
        settings = TrainingSettings(**plain["settings"])
        # Missing in files of versions that took no gaps.
        gaps = None if plain.get("gaps") is None else Gaps(*plain["gaps"])
        recipe = cls(**plain | affine | {"settings": settings, "gaps": gaps})
        recipe._check()
        return recipe

    def _check(self) -> None:
        # Before anything is made of it: a file may name any type that is trusted.
        _check_network("module", self.module)
        if "network" in self.module_params:
            _check_network("module_params['network']", self.module_params["network"])
        _check_class("objective", self.objective, Objective)
        _check_kind("loss", self.loss, Loss)
        for name, penalty in self.penalties.items():
            _check_kind(f"penalties[{name!r}]", penalty, Penalty)
        if not (self.corruption is None or callable(self.corruption)):
            raise ValueError(f"corruption is {self.corruption!r}, not a callable")
        for part in (self.loss, *self.penalties.values(), self.corruption):
            if isinstance(part, Part):
                part.check()
        for name in _AFFINE:
            mean, scale = getattr(self, name)
            check_shape(f"{name}.mean", mean, np.shape(mean)[:1])
            if not 0 < scale < np.inf:
                raise ValueError(f"{name}.scale is {scale!r}, not a positive number")
        optimizer = self.settings.optimizer
        if not (isinstance(optimizer, str) and optimizer in OPTIMIZERS):
            _check_class("settings.optimizer", optimizer, Optimizer)


def _check_network(name: str, value: Any) -> None:
    # A user's specification may also give a function that makes the network.
    if isinstance(value, type) or not callable(value):
        _check_class(name, value, nn.Module)


def _check_kind(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {value!r}, not a {kind.__name__}")


def _check_class(name: str, value: Any, base: type) -> None:
    if not (isinstance(value, type) and issubclass(value, base)):
        raise ValueError(f"{name} is {value!r}, not a class of {base.__name__}")
