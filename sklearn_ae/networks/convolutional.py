"""The convolutional autoencoder: images in, images out, both as flat rows."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_ae.networks._layered import LayeredNetwork, hidden_stack, uninitialized

STRIDE = 2


class Bias(nn.Module):
    """Adds a bias to each output; a convolution has one for each channel only."""

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_outputs))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class Convolutions(LayeredNetwork):
    """Strided convolutions down to a code, and the mirrored decoder.

    Each layer halves height and width, rounding up; the transposed convolutions of
    the decoder restore the sizes that the encoder saw.

    Parameters
    ----------
    n_features, n_components : int
        Widths of the flat input and of the code.

    image_shape : tuple of int
        Channels, height and width of the input, with `n_features` as product.

    channels : sequence of int
        Channels of the encoder's layers, at least one; the decoder mirrors them.

    kernel_size : int
        Side of the kernels, odd.

    activation, code_activation, output_activation : str
        Names in `ACTIVATIONS`. The output may also have what `BlockSoftmax` takes.

    dropout : float
        Share of the hidden units that is dropped in training, in [0, 1).

    linear_path : bool
        Add the linear path.

    n_outputs : int or None
        Width of the output, a multiple of height times width; None means
        `n_features`.
    """

    input_layer = 1  # after the rows have become images
    output_layer, output_bias = -3, -1

    def __init__(
        self,
        n_features: int,
        n_components: int,
        *,
        image_shape: tuple[int, int, int],
        channels: Sequence[int],
        kernel_size: int = 3,
        activation: str = "silu",
        code_activation: str = "identity",
        output_activation: str | Sequence[int] = "identity",
        dropout: float = 0.0,
        linear_path: bool = False,
        n_outputs: int | None = None,
    ) -> None:
        super().__init__(code_activation, output_activation)
        n_outputs = n_features if n_outputs is None else n_outputs
        size: tuple[int, ...] = image_shape[1:]
        widths = [image_shape[0], *channels]
        settings: dict[str, Any] = {"stride": STRIDE, "padding": kernel_size // 2}
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for width, next_width in pairwise(widths):
            down.append(
                uninitialized(nn.Conv2d, width, next_width, kernel_size, **settings)
            )
            # The row or column that a transposed convolution of an even side lacks.
            padding = tuple((side - 1) % STRIDE for side in size)
            is_output = not up
            if is_output:
                width = n_outputs // prod(size)
            layer = uninitialized(
                nn.ConvTranspose2d,
                next_width,
                width,
                kernel_size,
                output_padding=padding,
                bias=not is_output,
                **settings,
            )
            up.insert(0, layer)
            size = tuple(-(-side // STRIDE) for side in size)
        n_flat = widths[-1] * prod(size)
        self.encoder = nn.Sequential(
            nn.Unflatten(1, image_shape),
            *hidden_stack([*down, nn.Flatten()], activation, dropout),
            uninitialized(nn.Linear, n_flat, n_components),
        )
        unflatten = nn.Unflatten(1, (widths[-1], *size))
        self.decoder = nn.Sequential(
            uninitialized(nn.Linear, n_components, n_flat),
            *hidden_stack([unflatten, *up], activation, dropout),
            nn.Flatten(),
            Bias(n_outputs),
        )
        self.encoder_path = None
        self.decoder_path = None
        if linear_path:
            self.encoder_path = uninitialized(
                nn.Linear, n_features, n_components, bias=False
            )
            self.decoder_path = uninitialized(
                nn.Linear, n_components, n_outputs, bias=False
            )
