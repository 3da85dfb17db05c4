"""The fully connected autoencoder, with an optional linear path beside it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class SeededDropout(nn.Module):
    """Dropout that draws from a generator of its own, not from the global one.

    `generator` lives on the device of the input and is set by whoever trains.
    """

    generator: torch.Generator | None = None

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)
        return x * keep.div_(1 - self.p)


class TransposedLinear(nn.Module):
    """A linear layer whose weight is that of `source`, transposed."""

    def __init__(self, source: nn.Linear, bias: bool = True) -> None:
        super().__init__()
        # In a tuple, lest torch should register the layer a second time.
        self._source = (source,)
        self.bias = nn.Parameter(torch.zeros(source.in_features)) if bias else None

    @property
    def weight(self) -> Tensor:
        return self._source[0].weight.t()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class DenseNetwork(nn.Module):
    """Encoder and mirrored decoder of fully connected layers.

    With ``linear_path=True`` the code is ``W x + MLP(x)`` and the output
    ``V z + MLP(z)``, so that `start_linear` can turn the network into any given
    linear map from which training then departs.

    Parameters
    ----------
    n_features, n_components : int
        Widths of the input and of the code.

    hidden_layer_sizes : sequence of int
        Widths of the encoder's hidden layers; the decoder mirrors them.

    activation, code_activation, output_activation : str
        Names in `ACTIVATIONS`.

    dropout : float
        Share of the hidden units that is dropped in training, in [0, 1).

    linear_path : bool
        Add the linear path. Without hidden layers the layers are one already.

    tied_weights : bool
        The decoder's weights are the encoder's, transposed; biases stay free.

    n_outputs : int or None
        Width of the output; None means `n_features`.
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        *,
        hidden_layer_sizes: Sequence[int] = (),
        activation: str = "silu",
        code_activation: str = "identity",
        output_activation: str = "identity",
        dropout: float = 0.0,
        linear_path: bool = False,
        tied_weights: bool = False,
        n_outputs: int | None = None,
    ) -> None:
        super().__init__()
        n_outputs = n_features if n_outputs is None else n_outputs
        encoder_widths = [n_features, *hidden_layer_sizes, n_components]
        decoder_widths = [n_components, *reversed(hidden_layer_sizes), n_outputs]
        encoder = [skip_init(nn.Linear, *pair) for pair in pairwise(encoder_widths)]
        decoder: list[nn.Module]
        if tied_weights:
            decoder = [TransposedLinear(layer) for layer in reversed(encoder)]
        else:
            decoder = [skip_init(nn.Linear, *pair) for pair in pairwise(decoder_widths)]

        def hidden_stack(layers: Sequence[nn.Module]) -> nn.Sequential:
            stack: list[nn.Module] = [layers[0]]
            for layer in layers[1:]:
                stack.append(ACTIVATIONS[activation]())
                if dropout > 0:
                    stack.append(SeededDropout(dropout))
                stack.append(layer)
            return nn.Sequential(*stack)

        # Any: layers are nn.Linear or TransposedLinear, of which mypy sees nn.Module.
        self.encoder: Any = hidden_stack(encoder)
        self.decoder: Any = hidden_stack(decoder)
        self.encoder_path: Any = None
        self.decoder_path: Any = None
        if linear_path and len(hidden_layer_sizes) > 0:
            path = skip_init(nn.Linear, n_features, n_components, bias=False)
            self.encoder_path = path
            self.decoder_path = (
                TransposedLinear(path, bias=False)
                if tied_weights
                else skip_init(nn.Linear, n_components, n_outputs, bias=False)
            )
        self.tied_weights = tied_weights
        self.code_activation = ACTIVATIONS[code_activation]()
        self.output_activation = ACTIVATIONS[output_activation]()
        self.linear_code = code_activation == "identity"

    def encode(self, x: Tensor) -> Tensor:
        code = self.encoder(x)
        if self.encoder_path is not None:
            code = code + self.encoder_path(x)
        return self.code_activation(code)

    def decode(self, z: Tensor) -> Tensor:
        output = self.decoder(z)
        if self.decoder_path is not None:
            output = output + self.decoder_path(z)
        return self.output_activation(output)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    @torch.no_grad()
    def reset_parameters_from(self, generator: torch.Generator) -> None:
        """Draw the weights uniformly after Glorot and Bengio; biases are zero."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter, generator=generator)
            else:
                parameter.zero_()

    @torch.no_grad()
    def start_linear(
        self, encoder: Tensor, decoder: Tensor, input_mean: Tensor, output_mean: Tensor
    ) -> None:
        """Make the network the map x -> output_mean + decoder encoder (x - input_mean).

        Holds exactly for identity code and output activations. `encoder` has the
        shape (n_components, n_features), `decoder` (n_outputs, n_components).
        The hidden layers stay as they are, their last layer starts at zero.
        """
        last_encoder, last_decoder = self.encoder[-1], self.decoder[-1]
        if self.encoder_path is None or self.decoder_path is None:
            encoder_target, decoder_target = last_encoder, last_decoder
        else:
            encoder_target, decoder_target = self.encoder_path, self.decoder_path
            last_encoder.weight.zero_()
            if not self.tied_weights:
                last_decoder.weight.zero_()
        encoder_target.weight.copy_(encoder)
        if not self.tied_weights:
            decoder_target.weight.copy_(decoder)
        last_encoder.bias.copy_(-encoder @ input_mean)
        # With tied weights hidden units of value act(0) != 0 reach the output.
        last_decoder.bias.zero_()
        origin = torch.zeros_like(last_encoder.bias).unsqueeze(0)
        offset = self.decoder(origin)[0] if self.decoder_path is not None else 0.0
        last_decoder.bias.copy_(output_mean - offset)

    @torch.no_grad()
    def transform_code(self, matrix: Tensor) -> None:
        """Replace the code z by ``matrix @ z`` and leave the outputs unchanged.

        Needs an identity code activation and, with tied weights, an orthogonal
        matrix.
        """
        inverse = torch.linalg.inv(matrix)
        encoders = [self.encoder[-1], self.encoder_path]
        decoders = [self.decoder[0], self.decoder_path]
        for layer in filter(None, encoders):
            layer.weight.copy_(matrix @ layer.weight)
            if layer.bias is not None:
                layer.bias.copy_(matrix @ layer.bias)
        if not self.tied_weights:
            for layer in filter(None, decoders):
                layer.weight.copy_(layer.weight @ inverse)
