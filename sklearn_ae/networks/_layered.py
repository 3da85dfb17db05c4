"""What the package's own networks share: layers, a linear path, initialisation.

Dense networks also compute as several at once: where the parameters of ``m`` of them
are stacked along a first axis, inputs of shape (m, n, p) give outputs (m, n, q).
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_ae._draws import Generators, each_with_generator
from sklearn_ae._units import Affine
from sklearn_ae.networks.block_softmax import BlockSoftmax
from sklearn_ae.networks.contract import Network

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


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x W^T + b``, or that of each of several networks."""
    if weight.ndim == 2:
        return F.linear(x, weight, bias)
    if bias is None:
        return torch.bmm(x, weight.mT)
    return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)


Layer = TypeVar("Layer", bound=nn.Module)


def uninitialized(layer: Callable[..., Layer], *args: Any, **kwargs: Any) -> Layer:
    """A layer whose weights and biases hold arbitrary values.

    As `torch.nn.utils.skip_init` makes it, which for this imports SymPy: a third of a
    second in the first fit of a process.

    Parameters
    ----------
    layer : type
        A class of torch's that takes `device`, and has no buffers.
    *args, **kwargs
        Its arguments.
    """
    made = layer(*args, **kwargs, device="meta")
    for name, parameter in list(made.named_parameters()):
        values = torch.empty(parameter.shape, dtype=parameter.dtype, device="cpu")
        setattr(made, name, nn.Parameter(values))
    return made


class Linear(nn.Linear):
    """A linear layer, also of several networks at once."""

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.ndim == 2:
            return F.linear(x, self.weight, self.bias)
        return affine(x, self.weight, self.bias)


class SeededDropout(nn.Module):
    """Dropout with a generator of its own, instead of torch's global generator.

    Training sets `generator` in all layers of this kind.

    Parameters
    ----------
    p : float
        Probability that an entry is set to zero in training, in [0, 1).

    Attributes
    ----------
    generator : torch.Generator, list of torch.Generator or None
        Generator on the device of the input. A list, with one generator per network, if
        several networks are trained as one. None uses torch's global generator.

    See Also
    --------
    torch.nn.Dropout : Dropout with the global generator.
    """

    generator: Generators = None

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Set random entries to zero in training, and scale the others.

        Parameters
        ----------
        x : tensor
            Hidden units.

        Returns
        -------
        output : tensor
            The input itself outside of training.
        """
        if not self.training:
            return x
        keep = torch.empty_like(x)
        for part, generator in each_with_generator(keep, self.generator):
            part.bernoulli_(1 - self.p, generator=generator)
        return x * keep.div_(1 - self.p)


def hidden_stack(
    layers: Sequence[nn.Module], activation: str, dropout: float
) -> nn.Sequential:
    """The layers with an activation, and dropout if any, between each two."""
    stack: list[nn.Module] = [layers[0]]
    for layer in layers[1:]:
        stack.append(ACTIVATIONS[activation]())
        if dropout > 0:
            stack.append(SeededDropout(dropout))
        stack.append(layer)
    return nn.Sequential(*stack)


def _activations(stack: nn.Sequential, x: Tensor) -> list[Tensor]:
    found = []
    for layer in stack:
        x = layer(x)
        if isinstance(layer, tuple(ACTIVATIONS.values())):
            found.append(x.flatten(1))
    return found


class LayeredNetwork(Network):
    """Encoder and decoder, each a stack of layers with an optional linear path beside.

    With the path the code is ``W x + stack(x)`` and the output ``V z + stack(z)``, so
    that `start_linear` can turn the network into any given linear map, from which
    training then departs.

    A subclass sets `encoder`, whose last layer is linear, and `decoder`, whose first
    layer is, both `nn.Sequential`, and the paths, or None. It says which layers take
    the input and make the output, and which bias has an entry for every output.
    """

    uses_own_generator = True
    # Any: mypy sees in the layers of a Sequential no more than nn.Module.
    encoder: Any
    decoder: Any
    encoder_path: Any
    decoder_path: Any
    tied_weights = False

    def __init__(
        self, code_activation: str, output_activation: str | Sequence[int]
    ) -> None:
        super().__init__()
        self.code_activation = ACTIVATIONS[code_activation]()
        self.output_activation: nn.Module = (
            ACTIVATIONS[output_activation]()
            if isinstance(output_activation, str)
            else BlockSoftmax(output_activation)
        )
        self.has_linear_code = code_activation == "identity"

    # The names of the layers in `encoder` that take the input, and in `decoder` that
    # make the output, and where the bias of the output is.
    input_layer: int
    output_layer: int
    output_bias: int

    @property
    def n_hidden(self) -> int | None:
        """Width of the last hidden layer, or None where there is none."""
        return int(self.encoder[-1].in_features) if len(self.encoder) > 1 else None

    def hidden(self, x: Tensor) -> Tensor:
        """Input of the code layer: the last hidden layer, or `x` itself."""
        # Not a slice, which would be a new nn.Sequential in every pass.
        *layers, _ = self.encoder
        for layer in layers:
            x = layer(x)
        return x

    def code(self, hidden: Tensor, x: Tensor) -> Tensor:
        """The code from the last hidden layer and the input."""
        code = self.encoder[-1](hidden)
        if self.encoder_path is not None:
            code = code + self.encoder_path(x)
        return self.code_activation(code)

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

    def encoder_activations(self, x: Tensor) -> list[Tensor]:
        """Outputs of the encoder's hidden layers after their activations, flat."""
        return _activations(self.encoder, x)

    def decoder_activations(self, z: Tensor) -> list[Tensor]:
        """Outputs of the decoder's hidden layers after their activations, flat."""
        return _activations(self.decoder, z)

    @torch.no_grad()
    def reset_parameters_from(self, generator: torch.Generator) -> None:
        """Draw the weights uniformly after Glorot and Bengio; biases are zero."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter, generator=generator)
            else:
                parameter.zero_()

    @torch.no_grad()
    def set_code_bias(self, value: float) -> None:
        """Set all biases of the code, before its activation."""
        self.encoder[-1].bias.fill_(value)

    @torch.no_grad()
    def start_linear(
        self, encoder: Tensor, decoder: Tensor, input_mean: Tensor, output_mean: Tensor
    ) -> None:
        """Make the network the map x -> output_mean + decoder encoder (x - input_mean).

        Holds exactly for identity code and output activations. `encoder` has the
        shape (n_components, n_features), `decoder` (n_outputs, n_components).
        The hidden layers stay as they are, their last layer starts at zero.
        """
        last_encoder, last_decoder = self.encoder[-1], self.decoder[self.output_layer]
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
        output_bias = self.decoder[self.output_bias].bias
        output_bias.zero_()
        origin = torch.zeros_like(last_encoder.bias).unsqueeze(0)
        offset = self.decoder(origin)[0] if self.decoder_path is not None else 0.0
        output_bias.copy_(output_mean - offset)

    @torch.no_grad()
    def transform_code(self, matrix: Tensor, decoder: bool = True) -> None:
        """Replace the code z by ``matrix @ z`` and leave the outputs unchanged.

        Needs an identity code activation and, with tied weights, an orthogonal
        matrix. With ``decoder=False`` the decoder does not follow.
        """
        for layer in filter(None, [self.encoder[-1], self.encoder_path]):
            layer.weight.copy_(matrix @ layer.weight)
            if layer.bias is not None:
                layer.bias.copy_(matrix @ layer.bias)
        if self.tied_weights or not decoder:
            return
        inverse = torch.linalg.inv(matrix)
        for layer in filter(None, [self.decoder[0], self.decoder_path]):
            layer.weight.copy_(layer.weight @ inverse)

    def weight_scales(
        self, input: Affine, output: Affine, code_scale: float
    ) -> dict[str, float]:
        """Factors by parameter name that convert weights to units of the data."""
        factors: dict[int, float] = {}
        for layer, factor in (
            (self.encoder[self.input_layer], 1 / input.scale),
            (self.encoder[-1], code_scale),
            (self.encoder_path, code_scale / input.scale),
            (self.decoder[0], 1 / code_scale),
            (self.decoder[self.output_layer], output.scale),
            (self.decoder_path, output.scale / code_scale),
        ):
            if layer is not None:
                key = id(layer)
                factors[key] = factors.get(key, 1.0) * factor
        # Tied layers have no weights of their own, and are scaled by none.
        return {
            f"{name}.weight": factors[id(part)]
            for name, part in self.named_modules()
            if factors.get(id(part), 1.0) != 1.0 and "weight" in part._parameters
        }
