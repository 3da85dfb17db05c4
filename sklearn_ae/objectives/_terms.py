"""Penalties as terms of an objective: what each of them looks at.

Of several networks at once, stacked along a first axis, each term gives one value a
network. Numbers that these do not share are tensors with that axis; `stack_numbers`
makes them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import exp
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sklearn_ae._draws import Generators
from sklearn_ae.objectives.penalties import (
    activation_l1,
    activation_l2,
    half_squared_l2_norm,
    kl_sparsity,
    l1_norm,
    projected_jacobian_norm,
    squared_jacobian_norm,
)

# How many rows back the mean activations reach.
MEMORY = 1000


class Pass(NamedTuple):
    """A batch on its way through a module, or through several at once."""

    module: Any
    x: Tensor  # (n, p)
    code: Tensor  # (n, k)
    weight: Tensor | None  # (n,), with mean one over the training rows
    generator: Generators

    @property
    def is_stacked(self) -> bool:
        return self.x.ndim > 2

    def mean(self, values: Tensor) -> Tensor:
        """The weighted mean over rows of values of shape (n,)."""
        return (values if self.weight is None else self.weight * values).mean(-1)

    def mean_code(self) -> Tensor:
        """The weighted mean of the codes over rows, shape (k,)."""
        code = self.code
        if self.weight is not None:
            code = self.weight.unsqueeze(-1) * code
        # Not `mean`, whose gradient is written out for every row.
        return code.sum(-2) / code.shape[-2]


def stack_numbers(part: Any, parts: Sequence[Any], device: torch.device) -> None:
    """Let numbers of `part`, a copy of one of `parts`, be those of all of them.

    The numbers are those named in ``part.numbers``. Where they differ a tensor takes
    their place, of shape (m, 1) to be beside codes or rows.
    """
    for name in getattr(part, "numbers", ()):
        values = [getattr(one, name) for one in parts]
        if any(value != values[0] for value in values):
            setattr(part, name, torch.tensor(values, device=device).unsqueeze(1))


class WeightPenalty(nn.Module):
    """A function of all weight matrices, biases left out."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, batch: Pass) -> Tensor:
        weights = [p for p in batch.module.parameters() if p.ndim >= batch.x.ndim]
        return self.function(weights, stacked=batch.is_stacked)


class ActivationPenalty(nn.Module):
    """The mean over rows of a function of the codes."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, batch: Pass) -> Tensor:
        return batch.mean(self.function(batch.code))


class KLSparsity(nn.Module):
    """`kl_sparsity` of the mean activations over the training set.

    A batch knows only its own mean. In training the divergence is taken at a running
    mean, which forgets with a time constant of `MEMORY` rows, and its gradient passes
    through the mean of the batch: ``d KL(r) / dr`` at the running mean, times
    ``d rbatch / dW``. Of a divergence at the batch's own mean, expectation and gradient
    would be too large by terms that grow as batches shrink. Outside training a batch's
    own mean is used.

    Parameters
    ----------
    rho : float
        Target of the mean activation, in (0, 1).

    n_components : int
        Width of the code.
    """

    numbers: ClassVar[tuple[str, ...]] = ("rho",)
    weighted_sum: Tensor
    mass: Tensor

    def __init__(self, rho: float, n_components: int) -> None:
        super().__init__()
        self.rho = rho
        self.register_buffer("weighted_sum", torch.zeros(n_components))
        self.register_buffer("mass", torch.zeros(()))

    def forward(self, batch: Pass) -> Tensor:
        mean = batch.mean_code()
        mass = mean.new_ones(()) if batch.weight is None else batch.weight.mean(-1)
        if not self.training:
            return kl_sparsity(mean / mass.unsqueeze(-1), self.rho)
        keep = exp(-batch.code.shape[-2] / MEMORY)
        current = mean.detach()
        self.weighted_sum.mul_(keep).add_(current, alpha=1 - keep)
        self.mass.mul_(keep).add_(mass, alpha=1 - keep)
        # Worth the running mean, with the gradient of the batch's.
        running = self.weighted_sum / self.mass.unsqueeze(-1) + (mean - current)
        return kl_sparsity(running, self.rho)


def exact_contraction(module: Any, x: Tensor) -> Tensor:
    """``||dh/dx||_F^2`` of each row, by the module's own formula if it has one."""
    if hasattr(module, "squared_jacobian_norm"):
        return module.squared_jacobian_norm(x)
    return squared_jacobian_norm(module.encode, x)


class Contraction(nn.Module):
    """The mean over rows of the squared Frobenius norm of the encoder's Jacobian.

    Parameters
    ----------
    n_projections : int or None
        Estimate it from that many random projections; None computes it.
    """

    def __init__(self, n_projections: int | None) -> None:
        super().__init__()
        self.n_projections = n_projections

    def forward(self, batch: Pass) -> Tensor:
        return batch.mean(self._of_rows(batch))

    def _of_rows(self, batch: Pass) -> Tensor:
        encode = batch.module.encode
        if self.n_projections is not None:
            generator = batch.generator
            assert not isinstance(generator, list)  # never stacked
            return projected_jacobian_norm(
                encode, batch.x, self.n_projections, generator
            )
        return exact_contraction(batch.module, batch.x)


# By name: classes, or what makes them, that take the parameters of the term.
TERMS: dict[str, Callable[..., nn.Module]] = {
    "l1": partial(WeightPenalty, l1_norm),
    "l2": partial(WeightPenalty, half_squared_l2_norm),
    "activation_l1": partial(ActivationPenalty, activation_l1),
    "activation_l2": partial(ActivationPenalty, activation_l2),
    "kl_sparsity": KLSparsity,
    "contraction": Contraction,
}
