"""Groups of parameters that autoencoders share: fields, constraints, documentation.

How a network is trained stands in `sklearn_ae.training.settings`.
"""

from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn_ae._sklearn_compat import HasMethods, Interval, RealNotInt, StrOptions
from sklearn_ae.networks._layered import ACTIVATIONS
from sklearn_ae.objectives.losses import NAMED_LOSSES, Loss
from sklearn_ae.objectives.terms import Penalty


@dataclass(kw_only=True, eq=False, repr=False)
class HiddenLayers:
    """The layers of a dense network.

    Parameters
    ----------
    hidden_layer_sizes : "auto", int or tuple of int, default="auto"
        Widths of the encoder's hidden layers; the decoder mirrors them. ``()`` is
        a network without hidden layers. "auto" is one layer of 256 units.
    """

    hidden_layer_sizes: str | int | tuple[int, ...] = "auto"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            tuple,
            list,
        ]
    }


@dataclass(kw_only=True, eq=False, repr=False)
class AnyNetwork:
    """The choice of another network than the dense one.

    Parameters
    ----------
    network : ConvolutionalNetwork, type, partial or None, default=None
        None is the dense network that `hidden_layer_sizes` and the activations
        describe. A `ConvolutionalNetwork`, or another specification with the method
        ``module_and_params``, has its own layers in place of `hidden_layer_sizes`. A
        subclass of `torch.nn.Module` that takes ``(n_features, n_components)`` and has
        ``encode`` and ``decode`` is used as it is, and the parameters that describe
        the dense network are ignored; `functools.partial` gives it further arguments.
        `sklearn_ae.networks.Network` says what a network may offer besides.
    """

    network: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "network": [type, callable, HasMethods("module_and_params"), None]
    }


@dataclass(kw_only=True, eq=False, repr=False)
class Start:
    """How a network starts.

    Parameters
    ----------
    init : {"pca", "random"}, default="random"
        Start as PCA, with linear maps beside the hidden layers from input to code and
        from code to output, or with random weights and without these maps, as the
        classical network does. A class given as `network` starts as it is.
    """

    init: str = "random"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "init": [StrOptions({"pca", "random"})]
    }


@dataclass(kw_only=True, eq=False, repr=False)
class TiedWeights:
    """Weights that encoder and decoder share.

    Parameters
    ----------
    tied_weights : bool, default=False
        Use the encoder's weights, transposed, in the dense network's decoder. The data
        are then centred, but not scaled, inside the network.
    """

    tied_weights: bool = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "tied_weights": ["boolean"]
    }


@dataclass(kw_only=True, eq=False, repr=False)
class CodeActivation:
    """The activation of the code.

    Parameters
    ----------
    code_activation : str, default="identity"
        Activation of the code: "identity", "relu", "leaky_relu", "elu", "gelu",
        "silu", "softplus", "tanh" or "sigmoid".
    """

    code_activation: str = "identity"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "code_activation": [StrOptions(set(ACTIVATIONS))]
    }


@dataclass(kw_only=True, eq=False, repr=False)
class ObjectiveParameters:
    """The code, the activations and the objective of every autoencoder.

    Parameters
    ----------
    n_components : int or float, default=2
        Width of the code. A share of the variance in (0, 1) takes as many
        components as PCA needs to explain more than it.

    activation : str, default="silu"
        Activation of the hidden layers: "identity", "relu", "leaky_relu", "elu",
        "gelu", "silu", "softplus", "tanh" or "sigmoid".

    output_activation : str, default="auto"
        Activation of the output, from the same names. "auto" is "sigmoid" for
        ``loss="bce"``, else "identity". With any but "identity" the data are
        neither centred nor scaled inside the network.

    loss : {"mse", "mae", "huber", "bce"} or Loss, default="mse"
        Reconstruction loss of a row, summed over its features:
        ``1/2 ||x - xhat||^2``, ``sum_j |x_j - xhat_j|``, the Huber loss with a
        threshold of 1 in the units of `X`, or the binary cross-entropy, which
        needs values in [0, 1]. A `sklearn_ae.objectives.Loss` is used as it is.

    dropout : float, default=0.0
        Share of the hidden units dropped in training, in [0, 1).

    l1_penalty : float, default=0.0
        Weight of ``sum |W|`` over all weight matrices, biases left out. Codes are
        not rotated then, since the penalty depends on their axes.

    l2_penalty : float, default=0.0
        Weight of ``1/2 sum W^2`` over all weight matrices, biases left out.

    penalties : list of Penalty or None, default=None
        Further penalties, `sklearn_ae.objectives.Penalty` objects such as
        ``ActivationL1(0.1)``. A grid search reaches the fields of the first one as
        ``penalties__0__weight`` and so on.
    """

    n_components: int | float = field(default=2, kw_only=False)
    activation: str = "silu"
    output_activation: str = "auto"
    loss: str | Loss = "mse"
    dropout: float = 0.0
    l1_penalty: float = 0.0
    l2_penalty: float = 0.0
    penalties: list[Penalty] | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "output_activation": [StrOptions({"auto", *ACTIVATIONS})],
        "loss": [StrOptions(set(NAMED_LOSSES)), Loss],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "l1_penalty": [Interval(Real, 0, None, closed="left")],
        "l2_penalty": [Interval(Real, 0, None, closed="left")],
        "penalties": [list, tuple, None],
    }


class MergedConstraints:
    """Gives a class the constraints of all its bases, beside its own."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._parameter_constraints = {
            name: constraint
            for base in reversed(cls.__mro__)
            for name, constraint in vars(base).get("_parameter_constraints", {}).items()
        }
