"""A network in standardised coordinates, seen from the units of the data."""

from typing import Any

from torch import Tensor, nn


class Standardized(nn.Module):
    """Shift and scale what goes into `network` and undo it for what comes out.

    Parameters
    ----------
    network : torch.nn.Module
        With ``encode`` and ``decode``; sees ``(x - input_mean) / input_scale``.

    input_mean, output_mean : tensor of shape (n_features,), (n_outputs,)
        What is subtracted from the input and added to the output; in double
        precision, lest a large offset should swallow the digits that matter.

    input_scale, output_scale, code_scale : float
        Numbers by which input, output and code are divided on the network's side.
    """

    input_mean: Tensor
    output_mean: Tensor

    def __init__(
        self,
        network: Any,
        *,
        input_mean: Tensor,
        output_mean: Tensor,
        input_scale: float = 1.0,
        output_scale: float = 1.0,
        code_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.network: Any = network
        self.register_buffer("input_mean", input_mean)
        self.register_buffer("output_mean", output_mean)
        self.input_scale = input_scale
        self.output_scale = output_scale
        self.code_scale = code_scale

    def standardize(self, x: Tensor) -> Tensor:
        """What the network sees of `x`."""
        return (x - self.input_mean.to(x.dtype)) / self.input_scale

    def encode(self, x: Tensor) -> Tensor:
        return self.network.encode(self.standardize(x)) * self.code_scale

    def decode(self, z: Tensor) -> Tensor:
        output = self.network.decode(z / self.code_scale) * self.output_scale
        return output + self.output_mean.to(output.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))
