"""What is minimised: a reconstruction loss plus weighted penalties, term by term."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from sklearn_ae.objectives.losses import LOSSES
from sklearn_ae.objectives.penalties import PENALTIES


class Objective(nn.Module):
    """Reconstruction loss, averaged over rows, plus weighted penalties.

    Parameters
    ----------
    loss : str
        One of `LOSSES`.

    penalties : mapping of str to float
        Coefficients of `PENALTIES`, in units of the data. A penalty of weight
        zero does not take part.

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

    def __init__(
        self, loss: str, penalties: Mapping[str, float], scale: float = 1.0
    ) -> None:
        super().__init__()
        function, degree = LOSSES[loss]
        self.loss = partial(function, delta=1 / scale) if loss == "huber" else function
        self.unit = scale ** (degree or 0)
        self.penalties = {
            name: (coefficient / self.unit, PENALTIES[name])
            for name, coefficient in penalties.items()
            if coefficient > 0
        }

    def row_losses(
        self, reconstruction: Tensor, target: Tensor, weight: Tensor | None
    ) -> Tensor:
        """The weighted reconstruction loss of each row, shape (n,)."""
        losses = self.loss(reconstruction, target)
        return losses if weight is None else losses * weight

    def forward(
        self,
        module: nn.Module,
        reconstruction: Tensor,
        target: Tensor,
        weight: Tensor | None,
    ) -> dict[str, Tensor]:
        """The terms of the objective by name; their sum is what is minimised."""
        if weight is None:
            total = self.loss(reconstruction, target, total=True)
        else:
            total = self.row_losses(reconstruction, target, weight).sum()
        terms = {"reconstruction": total / len(target)}
        if self.penalties:
            weights = [p for p in module.parameters() if p.ndim > 1]
            for name, (coefficient, penalty) in self.penalties.items():
                terms[name] = coefficient * penalty(weights)
        return terms
