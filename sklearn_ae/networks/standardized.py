"""A network in standardised coordinates, seen from the units of the data."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_ae._units import Units
from sklearn_ae.networks.contract import offers


class Standardized(nn.Module):
    """Standardise the input of `network`, and undo the scaling on its output.

    Parameters
    ----------
    network : torch.nn.Module
        With ``encode`` and ``decode``; sees ``(x - mean) / scale``.

    units : Units
        From the units of the data to those of the network.
    """

    input_mean: Tensor
    input_scale: Tensor
    output_mean: Tensor
    output_scale: Tensor
    code_scale: Tensor

    def __init__(self, network: Any, units: Units) -> None:
        super().__init__()
        self.network: Any = network
        # Buffers, so that a `state_dict` is complete, each with memory of its own, and
        # in double precision, which keeps small differences from a large mean.
        for name, value in (
            ("input_mean", units.input.mean),
            ("input_scale", units.input.scale),
            ("output_mean", units.output.mean),
            ("output_scale", units.output.scale),
            ("code_scale", units.code_scale),
        ):
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))
        self._copy: tuple[Any, Standardized] | None = None

    def standardize(self, x: Tensor) -> Tensor:
        """Convert `x` to units of the network."""
        rounded = self.input_mean.to(x.dtype)
        centred = x - rounded
        if rounded.dtype != self.input_mean.dtype:
            centred = centred - (self.input_mean - rounded).to(x.dtype)
        return centred / self.input_scale

    def encode(self, x: Tensor) -> Tensor:
        return self.network.encode(self.standardize(x)) * self.code_scale

    def decode(self, z: Tensor) -> Tensor:
        output = self.network.decode(z / self.code_scale) * self.output_scale
        return output + self.output_mean.to(output.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def hidden_activations(self, x: Tensor) -> list[Tensor]:
        """The hidden layers from input to output, for networks that give them."""
        x = self.standardize(x)
        offered = offers(self.network)
        layers = list(offered.encoder_activations(x))
        if offered.decoder_activations is not None:
            layers += offered.decoder_activations(self.network.encode(x))
        return layers

    def in_double_precision(self) -> "Standardized":
        """A copy in double precision, kept until a weight changes."""
        # Where tensors are and how often they have been written to. Neither fused
        # optimizers nor changes of `weight.data` count as writing, but the sums change.
        own, network = self.buffers(recurse=False), _tensors(self.network)
        state = [(t.data_ptr(), t._version) for t in (*own, *network)]
        with torch.no_grad():
            sums = [t.sum().item() for t in network]
        # Looked up once, since another thread may do the same.
        kept = self._copy
        if kept is None or kept[0] != (state, sums):
            self._copy = None  # not copied along
            kept = self._copy = (state, sums), copy.deepcopy(self).double()
        return kept[1]


def _tensors(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers; torch's methods spend most of their time on names."""
    tensors: list[Tensor | None] = []
    modules: list[nn.Module | None] = [module]
    while modules:
        if (part := modules.pop()) is not None:
            tensors += part._parameters.values()
            tensors += part._buffers.values()
            modules += part._modules.values()
    return [tensor for tensor in tensors if tensor is not None]
