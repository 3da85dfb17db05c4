"""What an autoencoder needs of a network, and what a network may offer besides."""

import inspect
from abc import ABC, abstractmethod
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

REQUIRED = ("encode", "decode")


class Offers:
    """What a network may offer beside `encode` and `decode`; here, nothing.

    Attributes that are None or False are not offered.
    """

    # Whether scaling or rotating the code can be undone by scaling or rotating weights:
    # no activation follows the code's linear layer.
    has_linear_code: bool = False

    # Whether all random numbers come from generators that the network is given:
    # `reset_parameters_from`, `SeededDropout`. If not, torch's global generator is
    # seeded for the network and restored afterwards.
    uses_own_generator: bool = False

    # Whether it computes as several networks at once, where its parameters are stacked
    # along a first axis and inputs have the shape (m, n, p).
    is_stackable: ClassVar[bool] = False

    # (generator) -> None. Draw all weights anew from the generator.
    reset_parameters_from: Any = None

    # (value) -> None. Set all biases of the code, before its activation.
    set_code_bias: Any = None

    # (encoder, decoder, input_mean, output_mean) -> None. Become the linear map
    # x -> output_mean + decoder encoder (x - input_mean): what init="pca" needs.
    start_linear: Any = None

    # (matrix) -> None. Replace the code z by matrix @ z, and leave outputs unchanged:
    # what ordered codes need, if `has_linear_code`.
    transform_code: Any = None

    # (x) -> tensor of shape (n,). ||dh/dx||_F^2 of the encoder by a formula that is
    # faster than automatic differentiation.
    squared_jacobian_norm: Any = None

    # (x) -> tensor of shape (n, n_hidden), (hidden, x) -> code: `encode` in two steps,
    # the last hidden layer and the code. `n_hidden` is the width of that layer.
    hidden: Any = None
    code: Any = None
    n_hidden: Any = None

    # (input, output, code_scale) -> dict. By name of parameter, the factors that turn
    # weights into weights of the network in units of the data; see `Units`.
    weight_scales: Any = None


class Network(nn.Module, Offers, ABC):
    """Base class of networks: the contract between a network and an autoencoder.

    A network maps rows to codes by `encode` and codes to rows by `decode`. Both work on
    tensors of single precision with one row a sample; rows are centred and scaled. Any
    `torch.nn.Module` that has the two methods and takes ``(n_features, n_components)``
    serves as a network. One that derives from this class may offer more, by overriding
    attributes and methods of `Offers`. Nothing else of a network is looked at, so that
    submodules and attributes may have any names.

    Parameters of a specification (see `ConvolutionalNetwork`) come as keyword
    arguments of the constructor.
    """

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """The codes of rows, shape (n, p) to (n, k)."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """The outputs for codes, shape (n, k) to (n, q)."""

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def offers(network: Any) -> Offers:
    """What a network offers; nothing if it does not derive from `Network`."""
    return network if isinstance(network, Network) else Offers()


def is_network_class(network: Any) -> bool:
    """Whether it is a class, or a partial of one, that makes networks."""
    return isinstance(network.func if isinstance(network, partial) else network, type)


def check_network_class(network: Any) -> None:
    """Raise a ValueError that says what a class lacks to be a network."""
    cls = network.func if isinstance(network, partial) else network
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise ValueError(
            f"network={network!r} must be a subclass of torch.nn.Module that takes "
            "(n_features, n_components) and has encode and decode."
        )
    if issubclass(cls, Network) and inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise ValueError(f"network={network!r} must define {missing}.")


def check_network(network: Any, x: Tensor, n_components: int, n_outputs: int) -> Tensor:
    """The codes of some rows, if a network does what the contract asks for.

    Raises
    ------
    ValueError
        If a method is missing, or codes or outputs have another shape than they should.
    """
    for name in REQUIRED:
        if not callable(getattr(network, name, None)):
            raise ValueError(f"it has no method {name!r}")
    network.eval()
    with torch.no_grad():
        code = network.encode(x)
        output = network.decode(code)
    for name, tensor, width in (
        ("encode", code, n_components),
        ("decode", output, n_outputs),
    ):
        if tensor.shape != (len(x), width):
            raise ValueError(
                f"{name} gives shape {tuple(tensor.shape)} for {len(x)} rows, not "
                f"({len(x)}, {width})"
            )
    return code
