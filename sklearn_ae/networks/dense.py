"""The fully connected autoencoder."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from sklearn_ae.networks._layered import (
    LayeredNetwork,
    Linear,
    SeededDropout,
    affine,
    hidden_stack,
    uninitialized,
)


class TransposedLinear(nn.Module):
    """A linear layer whose weight is that of `source`, transposed."""

    def __init__(self, source: nn.Linear, bias: bool = True) -> None:
        super().__init__()
        # In a tuple, so that torch does not register the layer a second time.
        self._source = (source,)
        self.bias = nn.Parameter(torch.zeros(source.in_features)) if bias else None

    @property
    def weight(self) -> Tensor:
        return self._source[0].weight.mT

    def forward(self, x: Tensor) -> Tensor:
        return affine(x, self.weight, self.bias)


class DenseNetwork(LayeredNetwork):
    """Encoder and mirrored decoder of fully connected layers.

    Parameters
    ----------
    n_features, n_components : int
        Widths of the input and of the code.

    hidden_layer_sizes : sequence of int
        Widths of the encoder's hidden layers; the decoder mirrors them.

    activation, code_activation, output_activation : str
        Names in `ACTIVATIONS`. The output may also have what `BlockSoftmax` takes.

    dropout : float
        Share of the hidden units that is dropped in training, in [0, 1).

    linear_path : bool
        Add the linear path. Without hidden layers the layers are one already.

    tied_weights : bool
        The decoder's weights are the encoder's, transposed; biases stay free.

    n_outputs : int or None
        Width of the output; None means `n_features`.
    """

    is_stackable: ClassVar[bool] = True
    input_layer = 0
    output_layer = output_bias = -1

    def __init__(
        self,
        n_features: int,
        n_components: int,
        *,
        hidden_layer_sizes: Sequence[int] = (),
        activation: str = "silu",
        code_activation: str = "identity",
        output_activation: str | Sequence[int] = "identity",
        dropout: float = 0.0,
        linear_path: bool = False,
        tied_weights: bool = False,
        n_outputs: int | None = None,
    ) -> None:
        super().__init__(code_activation, output_activation)
        n_outputs = n_features if n_outputs is None else n_outputs
        encoder_widths = [n_features, *hidden_layer_sizes, n_components]
        decoder_widths = [n_components, *reversed(hidden_layer_sizes), n_outputs]
        encoder = [uninitialized(Linear, *pair) for pair in pairwise(encoder_widths)]
        decoder: list[nn.Module]
        if tied_weights:
            decoder = [TransposedLinear(layer) for layer in reversed(encoder)]
        else:
            decoder = [
                uninitialized(Linear, *pair) for pair in pairwise(decoder_widths)
            ]
        self.encoder = hidden_stack(encoder, activation, dropout)
        self.decoder = hidden_stack(decoder, activation, dropout)
        self.encoder_path = None
        self.decoder_path = None
        if linear_path and len(hidden_layer_sizes) > 0:
            path = uninitialized(Linear, n_features, n_components, bias=False)
            self.encoder_path = path
            self.decoder_path = (
                TransposedLinear(path, bias=False)
                if tied_weights
                else uninitialized(Linear, n_components, n_outputs, bias=False)
            )
        self.tied_weights = tied_weights

    @property
    def corrections(self) -> tuple[nn.Linear, nn.Linear] | None:
        """The layers whose outputs are added to the linear path, if they are free."""
        if self.encoder_path is None or self.tied_weights:
            return None
        return self.encoder[-1], self.decoder[-1]

    def squared_jacobian_norm(self, x: Tensor) -> Tensor:
        """``||dh/dx||_F^2`` of the encoder without dropout, shape (n,).

        One product of matrices a layer, from the code down to the input. Without
        hidden layers it is ``sum_j a'_j^2 ||W_j||^2``, with ``a'_j`` the derivative of
        the code's activation.
        """
        slopes = []
        hidden = x
        *stack, code_layer = self.encoder
        weights = []
        for layer in stack:
            if isinstance(layer, nn.Linear):
                weights.append(layer.weight)
                hidden = layer(hidden)
            elif not isinstance(layer, SeededDropout):
                slopes.append(_slope(layer, hidden))
                hidden = layer(hidden)
        code = code_layer(hidden)
        if self.encoder_path is not None:
            code = code + self.encoder_path(x)
        # Factors of whole rows of the Jacobian are multiplied in at the end.
        code_slope = _slope(self.code_activation, code).square()
        if not weights:
            squares = code_layer.weight.square().sum(-1, keepdim=True)
            return (code_slope @ squares).squeeze(-1)
        # The Jacobian by the last hidden layer, then by the one before it, and so on.
        product = code_layer.weight.unsqueeze(-3) * slopes.pop().unsqueeze(-2)
        while slopes:
            product = _times(product, weights.pop()) * slopes.pop().unsqueeze(-2)
        first = weights.pop()
        squares = (_times(product, first @ first.mT) * product).sum(-1)
        if self.encoder_path is not None:
            path = self.encoder_path.weight
            cross = (path @ first.mT).unsqueeze(-3)
            squares = squares + 2 * (product * cross).sum(-1)
            squares = squares + path.square().sum(-1).unsqueeze(-2)
        return (code_slope * squares).sum(-1)


def _times(rows: Tensor, matrix: Tensor) -> Tensor:
    """``rows @ matrix`` of shape (..., n, k, h) as one product of n k rows."""
    product = rows.flatten(-3, -2) @ matrix
    return product.unflatten(-2, rows.shape[-3:-1])


def _slope(activation: nn.Module, x: Tensor) -> Tensor:
    """The derivative of an elementwise activation, itself differentiable."""
    with torch.enable_grad():
        if not x.requires_grad:
            x = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(activation(x).sum(), x, create_graph=True)
    return slope
