"""How a net is made, in plain values: what is pickled instead of the net."""

from dataclasses import dataclass, fields
from typing import Any

from sklearn_ae.data.batches import Affine
from sklearn_ae.training.corruption import Corruption
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.optimizers import resolve_optimizer

_AFFINE = ("standardize", "standardize_target")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that makes a net, but where it runs and who listens.

    Parameters
    ----------
    module, module_params : type, dict
        The class of the network and its arguments.
    standardize, standardize_target : Affine
        From the units of the data to those of the network.
    objective, loss, penalties, objective_params : type, str, dict, dict
        The class of the objective and its arguments, in units of the data.
    corruption : tuple of (str or callable, dict) or None
        As `Corruption` takes it.
    is_foreign : bool
        As `AutoencoderNet` takes it.
    optimizer, optimizer_params, learning_rate : str or type, dict or None, \
float or None
        As `resolve_optimizer` takes them.
    batch_size, schedule, patience, tol, seed
        As `AutoencoderNet` takes them.
    """

    module: type
    module_params: dict[str, Any]
    standardize: Affine
    standardize_target: Affine
    objective: type
    loss: str
    penalties: dict[str, tuple[str, float, dict[str, Any]]]
    objective_params: dict[str, Any]
    corruption: tuple[Any, dict[str, Any]] | None
    is_foreign: bool
    optimizer: Any
    optimizer_params: dict[str, Any] | None
    learning_rate: float | None
    batch_size: int
    schedule: str
    patience: int
    tol: float
    seed: int

    def to_plain(self) -> dict[str, Any]:
        """Dictionaries, tuples, arrays and scalars that make the same recipe."""
        # Not `asdict`, which would also take apart what a user's callable holds.
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {name: tuple(getattr(self, name)) for name in _AFFINE}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Recipe":
        return cls(**plain | {name: Affine(*plain[name]) for name in _AFFINE})

    def make_net(self, *, callbacks: Any, device: str, verbose: int) -> AutoencoderNet:
        """An initialised, untrained net."""
        optimizer, optimizer_params, learning_rate = resolve_optimizer(
            self.optimizer, self.optimizer_params, self.learning_rate
        )
        corruption = None
        if self.corruption is not None:
            corruption = Corruption(*self.corruption, self.standardize)
        net = AutoencoderNet(
            self.module,
            self.objective,
            criterion__loss=self.loss,
            criterion__penalties=self.penalties,
            criterion__scale=self.standardize_target.scale,
            optimizer=optimizer,
            lr=learning_rate,
            batch_size=self.batch_size,
            corruption=corruption,
            is_foreign=self.is_foreign,
            standardize=self.standardize,
            standardize_target=self.standardize_target,
            schedule=self.schedule,
            patience=self.patience,
            tol=self.tol,
            seed=self.seed,
            callbacks=callbacks,
            device=device,
            verbose=verbose,
            **{f"module__{key}": value for key, value in self.module_params.items()},
            **{f"criterion__{key}": v for key, v in self.objective_params.items()},
            **{f"optimizer__{key}": value for key, value in optimizer_params.items()},
        )
        return net.initialize()
