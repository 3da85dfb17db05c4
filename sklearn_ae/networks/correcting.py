"""A network that predicts what a guess at missing entries lacks."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ae.networks._layered import Linear, uninitialized
from sklearn_ae.networks.contract import Network


class CorrectingNetwork(Network):
    """A denoising autoencoder with a skip connection: it starts as the identity.

    The code is ``[x, u]`` with the hidden units ``u = gelu(W [x, m] + b)``, where x is
    a row whose gaps have been filled and m says which entries were missing. The output
    is ``x + V u + c``.

    Parameters
    ----------
    n_features : int
        Width of the input, twice that of the output.

    n_components : int
        Width of the code: that of the output, and the number of hidden units.
    """

    is_stackable: ClassVar[bool] = True
    uses_own_generator = True

    def __init__(self, n_features: int, n_components: int) -> None:
        super().__init__()
        self.n_outputs = n_features // 2
        n_units = n_components - self.n_outputs
        self.units = uninitialized(Linear, n_features, n_units)
        self.correction = uninitialized(Linear, n_units, self.n_outputs)

    @torch.no_grad()
    def reset_parameters_from(self, generator: torch.Generator) -> None:
        """Draw the weights of the hidden units; the correction starts at zero."""
        nn.init.xavier_uniform_(self.units.weight, generator=generator)
        for parameter in (self.units.bias, *self.correction.parameters()):
            parameter.zero_()

    def encode(self, x: Tensor) -> Tensor:
        return torch.cat([x[..., : self.n_outputs], F.gelu(self.units(x))], dim=-1)

    def decode(self, z: Tensor) -> Tensor:
        return z[..., : self.n_outputs] + self.correction(z[..., self.n_outputs :])
