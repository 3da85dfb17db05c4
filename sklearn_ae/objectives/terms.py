"""Penalties as objects: a weight, plain fields, and what they measure on a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sklearn_ae._draws import Generators
from sklearn_ae._units import Units
from sklearn_ae.networks.contract import offers
from sklearn_ae.objectives._part import Part
from sklearn_ae.objectives.penalties import (
    activation_l1,
    activation_l2,
    half_squared_l2_norm,
    kl_sparsity,
    l1_norm,
    projected_jacobian_norm,
    squared_jacobian_norm,
)


class Batch(NamedTuple):
    """A batch on its way through a network, as penalties see it.

    What penalties use is in the units of the data: `code`, `weights`, `jacobian_scale`.
    Where several networks are trained as one, each tensor has one axis more in front.

    Parameters
    ----------
    network : torch.nn.Module
        In units of its own.
    network_input, network_code : tensor of shape (n, p), (n, k)
        In units of the network.
    row_weight : tensor of shape (n,) or None
        Weights of the rows, with mean one over the training rows.
    generator : torch.Generator or list of it
        Draws random numbers, on the device of the batch.
    units : Units
        From the units of the network to those of the data.
    mean_activation : tensor of shape (k,) or None
        Mean of each code over the training set, where a penalty needs it.
    """

    network: Any
    network_input: Tensor
    network_code: Tensor
    row_weight: Tensor | None
    generator: Generators
    units: Units
    mean_activation: Tensor | None = None

    @property
    def code(self) -> Tensor:
        """What `transform` returns for the rows, shape (n, k)."""
        scale = self.units.code_scale
        unscaled = isinstance(scale, float) and scale == 1
        return self.network_code if unscaled else self.network_code * scale

    @property
    def x(self) -> Tensor:
        """The rows as the encoder gets them, corrupted if at all, shape (n, p)."""
        mean, scale = self.units.input
        x = self.network_input
        return x * scale + torch.from_numpy(mean).to(x.device, x.dtype)

    @property
    def weights(self) -> list[Tensor]:
        """All weight matrices and kernels, without biases."""
        scales = self.units.weight_scales
        return [
            weight * scales[name] if name in scales else weight
            for name, weight in self.network.named_parameters()
            if weight.ndim >= self.network_input.ndim
        ]

    @property
    def is_stacked(self) -> bool:
        """Whether the first axis counts networks."""
        return self.network_input.ndim > 2

    @property
    def jacobian_scale(self) -> float | Tensor:
        """What turns ``dh/dx`` of the network into that of `transform`."""
        scale = self.units.code_scale / self.units.input.scale
        return scale.flatten() if isinstance(scale, Tensor) else scale

    def mean(self, values: Tensor) -> Tensor:
        """The weighted mean over rows of values of shape (n,)."""
        weight = self.row_weight
        return (values if weight is None else weight * values).mean(-1)


class Penalty(Part):
    """A penalty on codes, weights or the encoder. Derive from it to write your own.

    A subclass has a field `weight` and defines ``__call__(batch)``, which returns the
    penalty, a tensor without axes, before it is multiplied by the weight; `batch` is a
    `Batch`. The objective is the loss plus ``weight * penalty(batch)``, all in units of
    the data. A penalty of weight 0 is not evaluated.
    """

    weight: float
    # The column of `history_`, with "train_" or "valid_" before it.
    name: ClassVar[str] = "penalty"
    # Whether it keeps its value when the codes are rotated.
    is_rotation_invariant: ClassVar[bool] = False
    # Whether it looks at `Batch.mean_activation`.
    needs_mean_activation: ClassVar[bool] = False
    # Fields, beside the weight, that may differ between networks that are trained as
    # one; None if it cannot be evaluated for several networks at once.
    batchable_fields: ClassVar[tuple[str, ...] | None] = None

    def __call__(self, batch: Batch) -> Tensor:
        raise TypeError(
            f"{type(self).__name__} must define __call__(batch), which returns the "
            "penalty as a tensor without axes."
        )


@dataclass(eq=False)
class L1Penalty(Penalty):
    """``sum |W|`` over all weight matrices, biases left out.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.
    """

    weight: float
    name: ClassVar[str] = "l1"
    uses_own_generator: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ()

    def __call__(self, batch: Batch) -> Tensor:
        return l1_norm(batch.weights, stacked=batch.is_stacked)


@dataclass(eq=False)
class L2Penalty(Penalty):
    """``1/2 sum W^2`` over all weight matrices, biases left out.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.
    """

    weight: float
    name: ClassVar[str] = "l2"
    is_rotation_invariant: ClassVar[bool] = True
    uses_own_generator: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ()

    def __call__(self, batch: Batch) -> Tensor:
        return half_squared_l2_norm(batch.weights, stacked=batch.is_stacked)


@dataclass(eq=False)
class ActivationL1(Penalty):
    """``mean_i sum_j |h_j(x_i)|`` over the codes.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.
    """

    weight: float
    name: ClassVar[str] = "sparsity"
    uses_own_generator: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ()

    def __call__(self, batch: Batch) -> Tensor:
        return batch.mean(activation_l1(batch.code))


@dataclass(eq=False)
class ActivationL2(Penalty):
    """``mean_i sum_j h_j(x_i)^2`` over the codes.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.
    """

    weight: float
    name: ClassVar[str] = "sparsity"
    is_rotation_invariant: ClassVar[bool] = True
    uses_own_generator: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ()

    def __call__(self, batch: Batch) -> Tensor:
        return batch.mean(activation_l2(batch.code))


@dataclass(eq=False)
class KLSparsity(Penalty):
    """Divergence of the mean activations from their target; see `kl_sparsity`.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.

    rho : float, default=0.05
        Target of the mean activations, in (0, 1).
    """

    weight: float
    rho: float = 0.05
    name: ClassVar[str] = "sparsity"
    uses_own_generator: ClassVar[bool] = True
    needs_mean_activation: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ("rho",)

    def __call__(self, batch: Batch) -> Tensor:
        assert batch.mean_activation is not None
        return kl_sparsity(batch.mean_activation, self.rho)


@dataclass(eq=False)
class JacobianPenalty(Penalty):
    """The mean over rows of the squared Frobenius norm of the encoder's Jacobian.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.

    n_projections : int or None, default=None
        Estimate it from that many random projections; None computes it.
    """

    weight: float
    n_projections: int | None = None
    name: ClassVar[str] = "contraction"
    is_rotation_invariant: ClassVar[bool] = True
    uses_own_generator: ClassVar[bool] = True

    @property
    def batchable_fields(self) -> tuple[str, ...] | None:  # type: ignore[override]
        # Random projections draw for one network.
        return () if self.n_projections is None else None

    def __call__(self, batch: Batch) -> Tensor:
        if self.n_projections is None:
            squares = exact_contraction(batch.network, batch.network_input)
        else:
            generator = batch.generator
            assert not isinstance(generator, list)
            squares = projected_jacobian_norm(
                batch.network.encode,
                batch.network_input,
                self.n_projections,
                generator,
            )
        return batch.mean(squares) * batch.jacobian_scale**2


def exact_contraction(network: Any, x: Tensor) -> Tensor:
    """``||dh/dx||_F^2`` of each row, by the network's own formula if it has one."""
    formula = offers(network).squared_jacobian_norm
    return squared_jacobian_norm(network.encode, x) if formula is None else formula(x)


def with_fields_of(
    penalty: Penalty, penalties: Sequence[Penalty], device: torch.device
) -> Penalty:
    """The penalty of several networks at once, each with its own fields.

    A field that differs becomes a tensor of shape (m, 1), to stand beside codes.
    """
    fields = penalty.get_params(deep=False)
    for field in penalty.batchable_fields or ():
        values = [getattr(one, field) for one in penalties]
        if any(value != values[0] for value in values):
            fields[field] = torch.tensor(values, device=device).unsqueeze(1)
    return type(penalty)(**fields)
