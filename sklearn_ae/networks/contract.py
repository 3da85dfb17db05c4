"""The contract between an autoencoder and its network."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

REQUIRED = ("encode", "decode")


class Offers:
    """Optional attributes and methods of a network, documented in `Network`.

    None or False means that a network does not have them.
    """

    has_linear_code: bool = False
    uses_own_generator: bool = False
    is_stackable: ClassVar[bool] = False
    adjustable: ClassVar[tuple[str, ...]] = ()
    reset_parameters_from: Any = None
    set_code_bias: Any = None
    start_linear: Any = None
    corrections: Any = None
    transform_code: Any = None
    squared_jacobian_norm: Any = None
    hidden: Any = None
    code: Any = None
    n_hidden: Any = None
    encoder_activations: Any = None
    decoder_activations: Any = None
    weight_scales: Any = None


class Network(nn.Module, Offers, ABC):
    """Base class of networks: what an autoencoder expects of its network.

    A subclass defines `encode` and `decode`. Its constructor takes ``(n_features,
    n_components)`` or, if a specification such as `ConvolutionalNetwork` returns it,
    also the keyword arguments `n_outputs`, `activation`, `code_activation`,
    `output_activation`, `dropout` and `linear_path`. Rows are tensors of single
    precision, which are centred and scaled as `mean_` and `scale_` of the autoencoder
    say.

    Any `torch.nn.Module` with methods `encode` and `decode` can be a network, too. A
    subclass of this class can do more: it overrides some of the attributes and methods
    below, which are None or False by default. Their names cannot be used for anything
    else, such as submodules. All other names are free.

    Attributes
    ----------
    has_linear_code : bool
        Whether the code is a linear map of the last hidden layer, without an activation
        after it, so that the code can be scaled and rotated by way of the weights.

    uses_own_generator : bool
        Whether all random numbers come from generators that the network is given, by
        `reset_parameters_from` and in `SeededDropout`. If False, torch's global
        generator is seeded before training and restored afterwards.

    is_stackable : bool
        Whether the network can compute as several networks at once, if its parameters
        are stacked along a first axis and its inputs have the shape (m, n, p). A
        subclass does not inherit it.

    adjustable : tuple of str
        Arguments of the constructor on which no weights depend. With `warm_start` a fit
        may change them; with other arguments it needs a new network.

    reset_parameters_from : callable or None
        ``reset_parameters_from(generator)`` initialises all weights with random numbers
        from a `torch.Generator`. None keeps the weights of the constructor.

    set_code_bias : callable or None
        ``set_code_bias(value)`` sets all biases of the code, before its activation.
        `SparseAutoencoder` uses it to start with the target activation.

    start_linear : callable or None
        ``start_linear(encoder, decoder, input_mean, output_mean)`` makes the network
        the linear map ``x -> output_mean + decoder @ encoder @ (x - input_mean)``, with
        tensors of shape (k, p), (q, k), (p,) and (q,). A network from a specification
        needs it for ``init="pca"``.

    corrections : tuple of two torch.nn.Linear, or None
        For networks with `start_linear`: the last layers of encoder and decoder, whose
        outputs are added to the linear map. `Autoencoder` and `DenoisingAutoencoder`
        use them to train the dense network in whitened codes. Other networks need not
        declare them.

    transform_code : callable or None
        ``transform_code(matrix, decoder=True)`` changes the weights so that the code
        becomes ``matrix @ z`` and the outputs stay the same; with ``decoder=False`` the
        decoder is not changed. It is used if `has_linear_code` is True, to rotate the
        codes into uncorrelated columns, and by ``init="pca"`` of
        `VariationalAutoencoder`.

    squared_jacobian_norm : callable or None
        ``squared_jacobian_norm(x)`` returns ``||dh/dx||_F^2`` of the encoder for each
        row, shape (n,). None uses automatic differentiation.

    hidden : callable or None
        ``hidden(x)`` returns the last hidden layer of the encoder, shape
        (n, n_hidden). `VariationalAutoencoder` computes the variances from it.

    code : callable or None
        ``code(hidden, x)`` returns the code from the last hidden layer and the input.

    n_hidden : int or None
        Width of the last hidden layer, for networks with `hidden` and `code`.

    encoder_activations, decoder_activations : callable or None
        ``encoder_activations(x)`` and ``decoder_activations(z)`` return the activations
        of the hidden layers, as a list of tensors of shape (n, n_units).
        `hidden_activations` of the estimators needs them.

    weight_scales : callable or None
        ``weight_scales(input, output, code_scale)`` returns a dict with a factor for
        each weight matrix, by the name of the parameter, that converts its entries to
        the units of the data. ``input.scale`` and ``output.scale`` are the divisors of
        inputs and outputs, and `code_scale` is the factor of the codes. Penalties on
        the weights use it. Weights that are not in the dict have a factor of 1.

    See Also
    --------
    sklearn_ae.ConvolutionalNetwork : A specification of a network with parameters.
    sklearn_ae.networks.dense.DenseNetwork : The default network.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.networks import Network
    >>> class TwoLayers(Network):
    ...     def __init__(self, n_features, n_components):
    ...         super().__init__()
    ...         self.encoder = torch.nn.Linear(n_features, n_components)
    ...         self.decoder = torch.nn.Linear(n_components, n_features)
    ...
    ...     def encode(self, x):
    ...         return self.encoder(x).relu()
    ...
    ...     def decode(self, z):
    ...         return self.decoder(z)
    >>> X = load_digits().data / 16
    >>> autoencoder = Autoencoder(8, network=TwoLayers, max_epochs=2, random_state=0)
    >>> autoencoder.fit_transform(X).shape
    (1797, 8)
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, nn.Module) and hasattr(Offers, name):
            raise AttributeError(
                f"{name!r} cannot be the name of a submodule: it is reserved by "
                "sklearn_ae.networks.Network."
            )
        super().__setattr__(name, value)

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Compute the codes of rows.

        Parameters
        ----------
        x : tensor of shape (n, n_features)
            Rows in the units of the network.

        Returns
        -------
        code : tensor of shape (n, n_components)
            The codes.
        """

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Compute the outputs for codes.

        Parameters
        ----------
        z : tensor of shape (n, n_components)
            The codes.

        Returns
        -------
        output : tensor of shape (n, n_outputs)
            The reconstructions, in the units of the network.
        """

    def forward(self, x: Tensor) -> Tensor:
        """Encode and decode rows.

        Parameters
        ----------
        x : tensor of shape (n, n_features)
            Rows in the units of the network.

        Returns
        -------
        output : tensor of shape (n, n_outputs)
            ``decode(encode(x))``.
        """
        return self.decode(self.encode(x))


def offers(network: Any) -> Offers:
    """The optional methods of a network, which has none if it is not a `Network`."""
    return network if isinstance(network, Network) else Offers()


def check_network_class(network: Any) -> None:
    """Raise a ValueError if a class is not a class of networks."""
    cls = network.func if isinstance(network, partial) else network
    widths = {"n_features", "n_components"}
    if isinstance(network, partial) and (network.args or widths & {*network.keywords}):
        raise ValueError(
            f"network={network!r} must have keyword arguments only, and neither "
            "n_features nor n_components, which come first."
        )
    if isinstance(network, nn.Module):
        name = type(network).__name__
        raise ValueError(
            f"network={name}(...) must be a class, not an instance, since fit makes "
            f"the network. Pass network={name} or, for further arguments, "
            f"functools.partial({name}, ...)."
        )
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise ValueError(
            f"network={network!r} must be a subclass of torch.nn.Module that takes "
            "(n_features, n_components) and has encode and decode, a functools.partial "
            "of one, a specification such as ConvolutionalNetwork(), or None."
        )
    if issubclass(cls, Network) and inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise ValueError(f"network={network!r} must define {missing}.")


def check_network(
    network: Any,
    x: Tensor,
    n_components: int,
    n_outputs: int,
    *,
    needs_unit_interval: bool = False,
    probabilities: Sequence[int] = (),
) -> Tensor:
    """Check a network on some rows, and return their codes.

    Raises
    ------
    ValueError
        If a method is missing, if codes or outputs have a wrong shape or, with
        `needs_unit_interval` or in the columns `probabilities`, if outputs are not in
        [0, 1].
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
    if needs_unit_interval and not ((output >= 0) & (output <= 1)).all():
        raise ValueError(
            f"decode gives values in [{output.min():.3g}, {output.max():.3g}], but the "
            "loss needs outputs in [0, 1]; end decode with a sigmoid"
        )
    shares = output[:, list(probabilities)]
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(
            f"decode gives values in [{shares.min():.3g}, {shares.max():.3g}] in the "
            "categories of the loss, which needs probabilities there; end decode with "
            "a softmax over each of them"
        )
    return code
