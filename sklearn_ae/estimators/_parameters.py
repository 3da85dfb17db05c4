"""Groups of parameters that autoencoders share: fields, constraints, documentation.

Training parameters are in `sklearn_ae.training.settings`. `scripts/docstrings.py`
copies the documentation into the estimators.
"""

from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator

from sklearn_ae._sklearn_compat import Interval, StrOptions
from sklearn_ae.estimators._tokens import DaskTokenMixin
from sklearn_ae.networks._layered import ACTIVATIONS
from sklearn_ae.objectives.losses import NAMED_LOSSES, Loss
from sklearn_ae.objectives.terms import Penalty


@dataclass(kw_only=True, eq=False, repr=False)
class HiddenLayers:
    """The layers of a dense network.

    Parameters
    ----------
    hidden_layer_sizes : "auto", int or tuple of int, default="auto"
        Widths of the encoder's hidden layers; the decoder mirrors them. ``()`` means
        no hidden layers, "auto" one layer of 256 units.
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
    """The network, if it is not the dense one.

    Parameters
    ----------
    network : ConvolutionalNetwork, type, partial or None, default=None
        None builds a dense network from `hidden_layer_sizes` and the activations. A
        `ConvolutionalNetwork`, or any other object with a method
        ``module_and_params``, replaces `hidden_layer_sizes` and keeps the activations
        and `dropout`. A subclass of `torch.nn.Module` with methods ``encode`` and
        ``decode`` is called with ``(n_features, n_components)`` and used as is; the
        parameters of the dense network and `init` are ignored, with a warning. Use
        `functools.partial` to pass it further arguments. See
        `sklearn_ae.networks.Network` for what else a network can implement.
    """

    network: Any = None

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        # `check_network_class` says more than a list of types.
        "network": "no_validation"
    }


@dataclass(kw_only=True, eq=False, repr=False)
class Start:
    """The starting point of a network.

    Parameters
    ----------
    init : {"pca", "random"}, default="random"
        "pca" adds linear maps from input to code and from code to output, in parallel
        with the hidden layers, and starts the network as PCA. "random" starts a
        classical network, without these maps, from random weights. Ignored if
        `network` is a class.
    """

    init: str = "random"

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "init": [StrOptions({"pca", "random"})]
    }


@dataclass(kw_only=True, eq=False, repr=False)
class TiedWeights:
    """Weights shared by encoder and decoder.

    Parameters
    ----------
    tied_weights : bool, default=False
        Use the transposed weights of the encoder in the decoder. Dense networks only.
        The weights are equal in the units of the network, so that the scale of `X` does
        not matter. In the units of `X`, the weights of the decoder have a constant
        factor.
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
class NetworkParameters(TiedWeights, Start, AnyNetwork, CodeActivation, HiddenLayers):
    """All groups above, for estimators that take any network."""


@dataclass(kw_only=True, eq=False, repr=False)
class ChosenStart(NetworkParameters):
    """The network of estimators that choose start and regularisation in `fit`.

    Parameters
    ----------
    hidden_layer_sizes : "auto", int or tuple of int, default="auto"
        Widths of the encoder's hidden layers; the decoder mirrors them. ``()`` means
        no hidden layers. "auto" is 256 for more than 100 columns. Otherwise it is
        (128, 128) for at least 5,000 rows, or 500 if there are more than 32 columns,
        and (64, 64) for smaller tables. Where nothing is compared with PCA it is 256.

    init : {"pca", "random"}, default="pca"
        "pca" adds linear maps from input to code and from code to output, in parallel
        with the hidden layers, and starts the network as PCA. If `fit` compares
        candidates, some of them start with these maps at zero and random weights in
        the hidden layers. "random" starts a classical network, without these maps, from
        random weights, and nothing is compared. Ignored if `network` is a class.

    Attributes
    ----------
    candidates_ : dict of str to ndarray of shape (n_candidates + 1,)
        What was compared; entry 0 is PCA. "start" is "pca" or "random". "input_noise"
        is the standard deviation of the noise added to the inputs during training, in
        units of PCA's root mean square error. "is_lbfgs" says whether it was L-BFGS
        that trained. `Autoencoder` tries it on small tables if the gain of the others
        is not certain, unless the optimizer, its parameters, `batch_size`, `max_epochs`
        or `n_iter_no_change` is set. "loss" is the mean loss of unseen rows in the
        units of the data, and NaN if the candidate was not tried. Only if `fit`
        compares candidates.

    best_candidate_ : int
        Position in `candidates_` of the fitted model; 0 means that it is PCA. Only if
        `fit` compares candidates.
    """

    init: str = "pca"


@dataclass(kw_only=True, eq=False, repr=False)
class ObjectiveParameters:
    """The code, the activations and the objective of every autoencoder.

    Parameters
    ----------
    n_components : int or float, default=2
        Width of the code. A float in (0, 1) is a share of the variance: the code is
        as wide as PCA needs to explain more than this share.

    activation : str, default="silu"
        Activation of the hidden layers: "identity", "relu", "leaky_relu", "elu",
        "gelu", "silu", "softplus", "tanh" or "sigmoid".

    output_activation : str, default="auto"
        Activation of the output, with the same choices as `activation`. "auto" is
        "sigmoid" if the loss needs values in [0, 1], a softmax over each category if
        the loss has any, else "identity". If it is not "identity", the network returns
        values in the units of the data.

    loss : {"mse", "mae", "huber", "bce", "mixed"} or Loss, default="mse"
        Reconstruction loss of a row, summed over its features:
        ``1/2 ||x - xhat||^2``, ``sum_j |x_j - xhat_j|``, the Huber loss with a
        threshold of 1 in the units of `X`, or the binary cross-entropy, which
        needs values in [0, 1]. "mixed" is the squared error for numbers and the
        cross-entropy for indicators of categories, which it finds: see
        `sklearn_ae.objectives.MixedLoss`. Other losses are
        `sklearn_ae.objectives.Loss` objects.

    dropout : float, default=0.0
        Share of the hidden units that is dropped during training, in [0, 1).

    l1_penalty : float, default=0.0
        Weight of ``sum |W|`` over all weight matrices, without biases. If positive,
        codes are not rotated, since the penalty depends on their axes.

    l2_penalty : float, default=0.0
        Weight of ``1/2 sum W^2`` over all weight matrices, without biases.

    penalties : list of Penalty or None, default=None
        Further penalties: `sklearn_ae.objectives.Penalty` objects such as
        ``ActivationL1(0.1)``. Their fields are parameters, too: the weight of the
        first one is ``penalties__0__weight``.
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
            Interval(Real, 0, 1, closed="neither"),
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "output_activation": [StrOptions({"auto", *ACTIVATIONS})],
        "loss": [StrOptions(set(NAMED_LOSSES)), Loss],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "l1_penalty": [Interval(Real, 0, None, closed="left")],
        "l2_penalty": [Interval(Real, 0, None, closed="left")],
        "penalties": [list, tuple, None],
    }


class NestedParameters(DaskTokenMixin, BaseEstimator):
    """Estimators whose `set_params` explains why a nested parameter cannot be set."""

    def set_params(self, **params: Any) -> Self:
        """Set the parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Parameter values by name; ``<name>__<nested>`` is a parameter of the object
            in ``<name>``.

        Returns
        -------
        self : object
            The estimator.
        """
        own = self.get_params(deep=False)
        for key, value in params.items():
            name, is_nested, _ = key.partition("__")
            holder = params.get(name, own.get(name))
            if is_nested and name in own and not _has_params(holder):
                raise ValueError(
                    f"{key}={value!r} cannot be set, since {name}={holder!r} has no "
                    f"parameters. Set {name} to an object that has them first, or set "
                    f"{name} itself."
                )
        return super().set_params(**params)


class NestedLists(NestedParameters):
    """Estimators with parameters nested in lists, by their positions there."""

    _lists_of_parts: ClassVar[tuple[str, ...]] = ("penalties",)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Include the parameters of nested objects. The weight of the first penalty
            is ``penalties__0__weight``.

        Returns
        -------
        params : dict
            Parameter values by name.
        """
        params = super().get_params(deep)
        if deep:
            for name in self._lists_of_parts:
                given = params[name]
                for i, part in enumerate(given if _is_list(given) else ()):
                    if _has_params(part):
                        for key, value in part.get_params().items():
                            params[f"{name}__{i}__{key}"] = value
        return params

    def set_params(self, **params: Any) -> Self:
        """Set the parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Parameter values by name. ``penalties__0__weight`` is the weight of the
            first penalty.

        Returns
        -------
        self : object
            The estimator.
        """
        held = self.get_params(deep=False) | params
        in_lists, own = {}, {}
        for key, value in params.items():
            name, is_nested, _ = key.partition("__")
            is_in_list = (
                is_nested and name in self._lists_of_parts and _is_list(held[name])
            )
            (in_lists if is_in_list else own)[key] = value
        super().set_params(**own)
        for key, value in in_lists.items():
            name, _, rest = key.partition("__")
            index, _, nested = rest.partition("__")
            parts = held[name]
            if not (index.isdecimal() and int(index) < len(parts) and nested):
                hint = (
                    f"To replace an entry, set {name} to another list."
                    if index.isdecimal() and not nested
                    else "Parameters of the first one have names such as "
                    f"{name}__0__{nested or index}."
                )
                raise ValueError(
                    f"Invalid parameter {key!r}: {name} has {len(parts)} entries in "
                    f"{self}. {hint}"
                )
            part = parts[int(index)]
            if not _has_params(part):
                raise ValueError(
                    f"{key}={value!r} cannot be set, since {name}[{index}]={part!r} "
                    "has no parameters."
                )
            part.set_params(**{nested: value})
        return self


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _has_params(value: Any) -> bool:
    """Whether it is an object with parameters, and not their class."""
    return hasattr(value, "set_params") and not isinstance(value, type)


class MergedConstraints:
    """Merges the constraints of a class with those of all its bases."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._parameter_constraints = {
            name: constraint
            for base in reversed(cls.__mro__)
            for name, constraint in vars(base).get("_parameter_constraints", {}).items()
        }
