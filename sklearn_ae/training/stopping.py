"""The weights to keep: the best on rows held out, or those that training began with."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor


class BestWeights:
    """Keeps the weights with the lowest loss, and counts epochs without improvement.

    Parameters
    ----------
    module : torch.nn.Module
        Whose weights are kept, as they are now to begin with.
    loss : float
        Its loss now.
    tol : float
        A loss counts as an improvement if it falls below the lowest by this share of
        it. Relative, since losses come in the units of the data.

    Attributes
    ----------
    n_without_improvement : int
        Epochs in a row.
    """

    def __init__(self, module: Any, loss: float, tol: float) -> None:
        self.module, self.tol = module, tol
        self.first_loss = self.loss = loss
        self.first = self.weights = self._copy()
        self.n_without_improvement = 0

    def update(self, loss: float) -> None:
        """Compare the weights as they are now."""
        improved = loss < self.loss - self.tol * abs(self.loss)
        self.n_without_improvement = 0 if improved else self.n_without_improvement + 1
        if loss < self.loss:
            self.loss, self.weights = loss, self._copy()

    def keep_first_unless(
        self, accepts: Callable[[float, np.ndarray], bool], net: Any, dataset: Any
    ) -> None:
        """Go back to the first weights unless the gain over them is accepted."""
        if self.weights is self.first:
            return
        rows = []
        for weights in (self.first, self.weights):
            self.module.load_state_dict(weights)
            rows.append(net.row_losses(dataset))
        if not accepts(self.first_loss - self.loss, rows[0] - rows[1]):
            self.weights, self.loss = self.first, self.first_loss

    def restore(self) -> bool:
        """Give the module the weights that are kept; whether they are not the first."""
        self.module.load_state_dict(self.weights)
        return self.weights is not self.first

    def _copy(self) -> dict[str, Tensor]:
        return {name: w.clone() for name, w in self.module.state_dict().items()}
