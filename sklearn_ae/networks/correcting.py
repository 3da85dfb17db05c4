"""A network that predicts what a guess at missing entries lacks."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ae.networks._layered import Linear, uninitialized
from sklearn_ae.networks.contract import Network


class CorrectingNetwork(Network):
    """A denoising autoencoder with a skip connection: it starts as the identity.

    The code is ``[x, u]``, a row and the hidden units
    ``u = gelu(W2 gelu(W1 x + b1) + b2)``. The output is ``x + V u + c``.

    Parameters
    ----------
    n_features : int
        Width of input and output.

    n_components : int
        Width of the code: `n_features`, and the number of units in each hidden layer.
    """

    is_stackable: ClassVar[bool] = True
    uses_own_generator = True

    def __init__(self, n_features: int, n_components: int) -> None:
        super().__init__()
        self.n_features, n_units = n_features, n_components - n_features
        self.first = uninitialized(Linear, n_features, n_units)
        self.second = uninitialized(Linear, n_units, n_units)
        self.correction = uninitialized(Linear, n_units, n_features)

    @torch.no_grad()
    def reset_parameters_from(self, generator: torch.Generator) -> None:
        """Draw the weights of the hidden units; the correction starts at zero."""
        for layer in (self.first, self.second):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
        for parameter in (
            self.first.bias,
            self.second.bias,
            *self.correction.parameters(),
        ):
            parameter.zero_()

    def encode(self, x: Tensor) -> Tensor:
        units = F.gelu(self.second(F.gelu(self.first(x))))
        return torch.cat([x, units], dim=-1)

    def decode(self, z: Tensor) -> Tensor:
        return z[..., : self.n_features] + self.correction(z[..., self.n_features :])
