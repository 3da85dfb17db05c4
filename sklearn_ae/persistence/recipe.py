"""How a net is made, in plain values: what is pickled instead of the net."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from sklearn_ae._units import Affine
from sklearn_ae.objectives.losses import Loss
from sklearn_ae.objectives.terms import Penalty
from sklearn_ae.training.settings import TrainingSettings

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

    def to_plain(self) -> dict[str, Any]:
        """Dictionaries, tuples, arrays, scalars and parts that make the same recipe."""
        # Not `asdict` for all, which would also take apart what a user's object holds.
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain |= {name: tuple(getattr(self, name)) for name in _AFFINE}
        return plain | {"settings": asdict(self.settings)}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Recipe":
        """The inverse of `to_plain`."""
        affine = {name: Affine(*plain[name]) for name in _AFFINE}
        settings = TrainingSettings(**plain["settings"])
        return cls(**plain | affine | {"settings": settings})
