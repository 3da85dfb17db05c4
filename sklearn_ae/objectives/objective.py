"""The objective: a reconstruction loss plus weighted penalties, term by term."""

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_ae._draws import Generators, each_with_generator
from sklearn_ae._units import Affine, Units
from sklearn_ae.objectives.losses import (
    Loss,
    SquaredError,
    gaussian_negative_log_likelihood,
)
from sklearn_ae.objectives.penalties import gaussian_kl
from sklearn_ae.objectives.terms import Batch, Penalty, with_fields_of

# How many rows back the running mean of the activations reaches.
MEMORY = 1000.0


class Spread(Protocol):
    """A batch whose rows are spread over several processes."""

    n_total: int

    def mean(self, values: Tensor) -> Tensor:
        """Of a mean over the rows of this process, that over all; no gradient."""


class MeanActivation(nn.Module):
    """The mean activations over the training set, as training goes along.

    A batch has only its own mean, and the divergence at that mean is biased upwards,
    the more so the smaller the batch. In training the value is a running mean, which
    forgets with a time constant of `memory` rows, and its gradient is that of the mean
    of the batch. Outside training it is the mean of the batch, as with a `memory` of 0,
    for steps on all rows.
    """

    weighted_sum: Tensor
    mass: Tensor

    def __init__(self, n_components: int, memory: float = MEMORY) -> None:
        super().__init__()
        self.memory = memory
        self.register_buffer("weighted_sum", torch.zeros(n_components))
        self.register_buffer("mass", torch.zeros(()))

    def forward(
        self, code: Tensor, row_weight: Tensor | None, spread: Spread | None = None
    ) -> Tensor:
        n_rows = code.shape[-2]
        weighted = code if row_weight is None else row_weight.unsqueeze(-1) * code
        # Not `mean`, whose gradient is written out for every row.
        mean = weighted.sum(-2) / n_rows
        mass = mean.new_ones(()) if row_weight is None else row_weight.mean(-1)
        if spread is not None:
            n_rows = spread.n_total
            whole = spread.mean(torch.cat([mean, mass[None]]))
            # The gradient is that of these rows, and added to that of the others.
            mean, mass = mean + (whole[:-1] - mean).detach(), whole[-1]
        if not (self.training and self.memory):
            return mean / mass.unsqueeze(-1)
        keep = exp(-n_rows / self.memory)
        current = mean.detach()
        self.weighted_sum.mul_(keep).add_(current, alpha=1 - keep)
        self.mass.mul_(keep).add_(mass, alpha=1 - keep)
        return self.weighted_sum / self.mass.unsqueeze(-1) + (mean - current)


class Objective(nn.Module):
    """Reconstruction loss, averaged over rows, plus weighted penalties.

    Parameters
    ----------
    loss : Loss
        In the units of the data.

    penalties : mapping of str to Penalty
        By the name of the column in the history. In the units of the data. A penalty
        of weight zero is left out.

    units : Units
        From the units of the network to those of the data.

    n_components : int
        Width of the code.

    loss_column : str
        Name of the loss in the history.

    memory : float
        How many rows back the mean activations reach; 0 is the present batch.

    has_gaps : bool
        Whether entries of the target may be missing, which is NaN. The loss is then
        that of the observed entries.

    Attributes
    ----------
    unit : float
        Factor from the optimised objective to units of the data. Penalties are divided
        by it instead of multiplying the loss, so that the optimizer sees losses of
        order one whatever the units of the data are.
    """

    def __init__(
        self,
        loss: Loss,
        penalties: Mapping[str, Penalty],
        units: Units,
        n_components: int,
        loss_column: str = "reconstruction",
        memory: float = MEMORY,
        has_gaps: bool = False,
    ) -> None:
        super().__init__()
        self.has_gaps = has_gaps
        self.loss = loss.for_scaled_data(units.output.scale)
        self.unit = units.output.scale ** (loss.degree or 0)
        self.units = units
        self.loss_column = loss_column
        self.penalties = {
            name: penalty for name, penalty in penalties.items() if penalty.weight > 0
        }
        self.mean_activation = None
        if any(penalty.needs_mean_activation for penalty in self.penalties.values()):
            self.mean_activation = MeanActivation(n_components, memory)

    def forward(
        self,
        network: Any,
        x: Tensor,
        target: Tensor,
        weight: Tensor | None,
        generator: Generators = None,
        spread: Spread | None = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The terms by name, whose sum is minimised, and the reconstruction."""
        code = network.encode(x)
        penalties = {}
        if self.penalties:
            # Before the reconstruction, so that gradients add up in place.
            penalties = self.penalty_terms(network, x, code, weight, generator, spread)
        reconstruction = network.decode(code)
        compared = self.observed(reconstruction, target)
        if weight is None:
            total = self.loss(*compared, total=True)
        else:
            total = (self.loss(*compared) * weight).sum(-1)
        return {self.loss_column: total / target.shape[-2], **penalties}, reconstruction

    def observed(self, reconstruction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Both with zeros where the target is missing: no loss, and no gradient."""
        if not self.has_gaps:
            return reconstruction, target
        missing = target.isnan()
        return reconstruction.masked_fill(missing, 0.0), target.nan_to_num(0.0)

    def penalty_terms(
        self,
        network: Any,
        x: Tensor,
        code: Tensor,
        weight: Tensor | None,
        generator: Generators,
        spread: Spread | None = None,
    ) -> dict[str, Tensor]:
        """The penalties by name, weighted, in units of the optimised objective."""
        batch = Batch(network, x, code, weight, generator, self.units)
        if self.mean_activation is not None:
            mean = self.mean_activation(batch.code, weight, spread)
            batch = batch._replace(mean_activation=mean)
        terms = {}
        for name, penalty in self.penalties.items():
            value = penalty(batch)
            if not isinstance(value, Tensor) or value.ndim != x.ndim - 2:
                raise ValueError(
                    f"{penalty!r} must return a tensor without axes, not {value!r}."
                )
            terms[name] = value * (penalty.weight / self.unit)
        return terms

    def take_fields_of(
        self, objectives: Sequence["Objective"], device: torch.device
    ) -> None:
        """Stand for several objectives at once, each with weights of its own."""
        for name in self.penalties:
            parts = [objective.penalties[name] for objective in objectives]
            penalty = with_fields_of(self.penalties[name], parts, device)
            # In units of the optimised objective, which differ between them.
            weights = [
                objective.penalties[name].weight / objective.unit * self.unit
                for objective in objectives
            ]
            penalty.weight = torch.tensor(  # type: ignore[assignment]
                weights, dtype=torch.float32, device=device
            )
            self.penalties[name] = penalty
        self.units = stacked_units([one.units for one in objectives], device)

    def row_losses(
        self,
        network: Any,
        x: Tensor,
        target: Tensor,
        generator: Generators = None,
    ) -> Tensor:
        """The loss of each row, without penalties, shape (n,)."""
        reconstruction = network.decode(network.encode(x))
        return self.loss(*self.observed(reconstruction, target))


class VariationalObjective(Objective):
    """A lower bound of the log-likelihood, negated, plus weighted penalties.

    The terms are "reconstruction", ``-log p(x | z)`` at one draw of the codes, and
    "kl", `beta` times the divergence of their posterior from the prior; both in nats.
    The loss `SquaredError` stands for Gaussian outputs with the variance that the
    network has learned, `BinaryCrossEntropy` for Bernoulli outputs.
    """

    def __init__(
        self, loss: Loss, *args: Any, beta: float = 1.0, **params: Any
    ) -> None:
        super().__init__(loss, *args, **params)
        self.is_gaussian = isinstance(loss, SquaredError)
        self.beta: Any = beta
        # The likelihood is that of the data in their own units already.
        self.unit = 1.0

    def take_fields_of(
        self, objectives: Sequence[Objective], device: torch.device
    ) -> None:
        super().take_fields_of(objectives, device)
        betas = [objective.beta for objective in objectives]
        self.beta = torch.tensor(betas, dtype=torch.float32, device=device)
        self.beta = self.beta.unsqueeze(1)

    def negative_log_likelihood(
        self, network: Any, reconstruction: Tensor, target: Tensor
    ) -> Tensor:
        """``-log p(x | z)`` of each row, in nats, shape (n,)."""
        n_entries = target.isnan().logical_not().sum(-1) if self.has_gaps else None
        reconstruction, target = self.observed(reconstruction, target)
        if not self.is_gaussian:
            return self.loss(reconstruction, target)
        return gaussian_negative_log_likelihood(
            reconstruction,
            target,
            n_entries=n_entries,
            log_variance=network.log_noise_variance,
            scale=self.units.output.scale,
        )

    def row_terms(
        self, network: Any, x: Tensor, target: Tensor, generator: Generators
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Terms of each row, the mean codes, and the reconstructions of the draws."""
        mean, log_variance = network.posterior(x)
        noise = torch.empty_like(mean)
        for part, own in each_with_generator(noise, generator):
            part.normal_(generator=own)
        reconstruction = network.decode(mean + noise * (log_variance / 2).exp())
        loss = self.negative_log_likelihood(network, reconstruction, target)
        terms = {
            "reconstruction": loss,
            "kl": self.beta * gaussian_kl(mean, log_variance),
        }
        return terms, mean, reconstruction

    def forward(
        self,
        network: Any,
        x: Tensor,
        target: Tensor,
        weight: Tensor | None,
        generator: Generators = None,
        spread: Spread | None = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        rows, mean, reconstruction = self.row_terms(network, x, target, generator)
        terms = {
            name: (values if weight is None else weight * values).mean(-1)
            for name, values in rows.items()
        }
        if self.penalties:
            terms |= self.penalty_terms(network, x, mean, weight, generator, spread)
        return terms, reconstruction

    def row_losses(
        self,
        network: Any,
        x: Tensor,
        target: Tensor,
        generator: Generators = None,
    ) -> Tensor:
        rows, _, _ = self.row_terms(network, x, target, generator)
        return rows["reconstruction"] + rows["kl"]


def stacked_units(units: Sequence[Units], device: torch.device) -> Units:
    """The units of several networks at once, with the shapes of stacked tensors."""

    def stacked(scales: Sequence[float]) -> Any:
        if len(set(scales)) == 1:
            return scales[0]
        stack = torch.tensor(scales, dtype=torch.float32, device=device)
        return stack[:, None, None]

    names = dict.fromkeys(name for own in units for name in own.weight_scales)

    def together(sides: Sequence[Affine]) -> Affine:
        means = np.stack([side.mean for side in sides])[:, None]
        return Affine(means, stacked([side.scale for side in sides]))

    return Units(
        together([own.input for own in units]),
        together([own.output for own in units]),
        stacked([own.code_scale for own in units]),
        {
            name: stacked([own.weight_scales.get(name, 1.0) for own in units])
            for name in names
        },
    )
