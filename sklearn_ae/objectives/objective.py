"""What is minimised: a reconstruction loss plus weighted penalties, term by term."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklearn_ae._draws import Generators, each_with_generator
from sklearn_ae.objectives.losses import (
    HEAD_LOSSES,
    LOSSES,
    Loss,
    gaussian_surprise,
)
from sklearn_ae.objectives.penalties import gaussian_kl
from sklearn_ae.objectives._terms import TERMS, Pass, stack_numbers

# Column of the history -> (name in `TERMS`, coefficient, parameters of the term).
Penalties = Mapping[str, tuple[str, float, Mapping[str, Any]]]


class Objective(nn.Module):
    """Reconstruction loss, averaged over rows, plus weighted penalties.

    Parameters
    ----------
    loss : str
        One of `losses`, by default those of reconstructions.

    penalties : mapping of str to (str, float, mapping)
        By the name of its column in the history: a term in `TERMS`, its coefficient
        in units of the data, and its parameters. A penalty of weight zero does not
        take part.

    scale : float
        Length of one network unit in units of the data.

    Attributes
    ----------
    unit : float
        What one unit of the optimised objective is worth in units of the data.
        The penalties are divided by it, not the loss multiplied: a constant factor
        moves no minimum, and the optimiser meets losses of order one whatever the
        units of the data are.
    """

    # By name, and what they are called in the history.
    losses: ClassVar[Mapping[str, Loss]] = LOSSES
    loss_column: ClassVar[str] = "reconstruction"

    def __init__(self, loss: str, penalties: Penalties, scale: float = 1.0) -> None:
        super().__init__()
        function, degree = self.losses[loss]
        self.loss = partial(function, delta=1 / scale) if loss == "huber" else function
        self.unit = scale ** (degree or 0)
        self.coefficients: dict[str, Any] = {
            name: coefficient / self.unit
            for name, (_, coefficient, _) in penalties.items()
            if coefficient > 0
        }
        self.penalties = nn.ModuleDict(
            {
                name: TERMS[penalties[name][0]](**penalties[name][2])
                for name in self.coefficients
            }
        )

    def forward(
        self,
        module: Any,
        x: Tensor,
        target: Tensor,
        weight: Tensor | None,
        generator: Generators = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The terms by name, whose sum is minimised, and the reconstruction."""
        code = module.encode(x)
        # Before the reconstruction, so that their gradients join its own in place.
        penalties = self._penalty_terms(Pass(module, x, code, weight, generator))
        reconstruction = module.decode(code)
        if weight is None:
            total = self.loss(reconstruction, target, total=True)
        else:
            total = (self.loss(reconstruction, target) * weight).sum(-1)
        return {self.loss_column: total / target.shape[-2], **penalties}, reconstruction

    def _penalty_terms(self, batch: Pass) -> dict[str, Tensor]:
        return {
            name: self.coefficients[name] * penalty(batch)
            for name, penalty in self.penalties.items()
        }

    def stack_numbers(self, parts: Sequence["Objective"], device: torch.device) -> None:
        """Let the numbers of this copy of one of `parts` be those of all of them."""
        for name, penalty in self.penalties.items():
            values = [part.coefficients[name] for part in parts]
            self.coefficients[name] = torch.tensor(values, device=device)
            stack_numbers(penalty, [part.penalties[name] for part in parts], device)

    def row_losses(
        self,
        module: Any,
        x: Tensor,
        target: Tensor,
        generator: Generators = None,
    ) -> Tensor:
        """The loss of each row, without penalties, shape (n,)."""
        return self.loss(module.decode(module.encode(x)), target)


class PredictionObjective(Objective):
    """The same where the module's outputs are predictions of a target."""

    losses = HEAD_LOSSES
    loss_column = "prediction"


class VariationalObjective(Objective):
    """A lower bound of the log-likelihood, negated, plus weighted penalties.

    The terms are "reconstruction", ``-log p(x | z)`` at one draw of the codes, and
    "kl", `beta` times the divergence of their posterior from the prior; both in nats.
    The loss "mse" stands for Gaussian outputs with the variance that the module has
    learned, "bce" for Bernoulli outputs.
    """

    numbers: ClassVar[tuple[str, ...]] = ("beta",)

    def __init__(
        self, loss: str, penalties: Penalties, scale: float = 1.0, beta: float = 1.0
    ) -> None:
        super().__init__(loss, penalties, scale)
        self.is_gaussian = loss == "mse"
        self.scale = scale
        self.beta = beta
        # The likelihood is that of the data in their own units already.
        self.coefficients = {k: v * self.unit for k, v in self.coefficients.items()}
        self.unit = 1.0

    def stack_numbers(self, parts: Sequence[Objective], device: torch.device) -> None:
        super().stack_numbers(parts, device)
        stack_numbers(self, parts, device)

    def surprise(self, module: Any, reconstruction: Tensor, target: Tensor) -> Tensor:
        """``-log p(x | z)`` of each row, in nats, shape (n,)."""
        if not self.is_gaussian:
            return self.loss(reconstruction, target)
        return gaussian_surprise(
            reconstruction,
            target,
            log_variance=module.log_noise_variance,
            scale=self.scale,
        )

    def _rows(
        self, module: Any, x: Tensor, target: Tensor, generator: Generators
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Terms of each row, the mean codes, and the reconstructions of the draws."""
        mean, log_variance = module.posterior(x)
        noise = torch.empty_like(mean)
        for part, own in each_with_generator(noise, generator):
            part.normal_(generator=own)
        reconstruction = module.decode(mean + noise * (log_variance / 2).exp())
        terms = {
            "reconstruction": self.surprise(module, reconstruction, target),
            "kl": self.beta * gaussian_kl(mean, log_variance),
        }
        return terms, mean, reconstruction

    def forward(
        self,
        module: Any,
        x: Tensor,
        target: Tensor,
        weight: Tensor | None,
        generator: Generators = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        rows, mean, reconstruction = self._rows(module, x, target, generator)
        batch = Pass(module, x, mean, weight, generator)
        terms = {name: batch.mean(values) for name, values in rows.items()}
        return terms | self._penalty_terms(batch), reconstruction

    def row_losses(
        self,
        module: Any,
        x: Tensor,
        target: Tensor,
        generator: Generators = None,
    ) -> Tensor:
        rows, _, _ = self._rows(module, x, target, generator)
        return rows["reconstruction"] + rows["kl"]
