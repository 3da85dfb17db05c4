"""The parts of an autoencoder: what a variant passes to the base class."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone

from sklearn_ae.data.tables import column_ranges, value_range
from sklearn_ae.estimators._validation import TrainingData, is_positive_integer
from sklearn_ae.networks._wrapper import around
from sklearn_ae.networks.contract import check_network_class
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.objectives.corruptions import Corruption
from sklearn_ae.objectives.losses import Loss
from sklearn_ae.objectives.objective import Objective, VariationalObjective
from sklearn_ae.objectives.terms import Penalty
from sklearn_ae.training import sizes
from sklearn_ae.training.settings import check_not_random

# The meaning of "auto" for networks that do not train in whitened codes.
WIDE_LAYER = (256,)

# `data_rms` that fits codes in (0, 1) and codes that are penalised: of 1, 1/2, 1/4 and
# 1/8 the best, on tables of scikit-learn.
DATA_RMS_OF_PENALISED = 0.25


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The network and the objective of an autoencoder, before they are built.

    Parameters
    ----------
    network : None, type, partial or specification
        None is the dense network of the next two fields.
    hidden_layer_sizes, tied_weights
        As the parameters of these names.
    init : {"pca", "random"}
        How the network starts.
    activation, code_activation, output_activation, dropout
        As the parameters of these names, except that `code_activation` is never "auto".
    wrapper, wrapper_params : type or None, dict
        A `Wrapper` of the network, and its further arguments.
    data_rms : float
        Root mean square of the centred data in units of the network, where they are
        scaled. Tied weights are tied in these units.
    is_penalised : bool
        Whether the variant penalises codes: training takes larger steps and longer.
    code_bias : float or None
        Initial biases of the code, if the network has `set_code_bias`.
    loss : Loss
    loss_name : str or Loss
        The parameter `loss`, for error messages.
    penalties : tuple of Penalty
        The variant's own one first.
    corruption : callable or None
        Corruption of the inputs during training.
    objective, objective_params : type, dict
        The class of the objective, and its arguments except for loss and penalties.
    orders_codes : bool
        Whether codes are rotated into uncorrelated columns, if the network and the
        penalties allow it.
    optimizer : str or type
        As the parameter of this name.
    """

    network: Any = None
    hidden_layer_sizes: Any = "auto"
    tied_weights: bool = False
    init: str = "random"
    activation: str = "silu"
    code_activation: str = "identity"
    output_activation: str = "auto"
    dropout: float = 0.0
    wrapper: type | None = None
    wrapper_params: dict[str, Any] = field(default_factory=dict)
    data_rms: float = 1.0
    is_penalised: bool = False
    code_bias: float | None = None
    loss: Loss
    loss_name: Any
    penalties: tuple[Penalty, ...] = ()
    corruption: Any = None
    objective: type = Objective
    objective_params: dict[str, Any] = field(default_factory=dict)
    orders_codes: bool = True
    optimizer: Any = None


@dataclass(frozen=True, kw_only=True)
class ResolvedParts:
    """Parts that suit each other and the data, with a value for everything.

    Parameters
    ----------
    network : None, type, partial or specification
        As in `Parts`.
    design : dict
        Arguments of `Recipe`, except for units and settings.
    output_activation : str or tuple of int
        Activation of the output, or what `BlockSoftmax` takes. A class given as network
        applies its own.
    starts_as_pca : bool
        Whether a new network starts as PCA. A class given as network never does.
    is_conditioned : bool
        Whether a new network is trained in whitened codes, so that its start and its
        regularisation can be chosen by unseen rows.
    code_bias : float or None
        Initial biases of the code, if the network has `set_code_bias`.
    is_penalised : bool
        As in `Parts`.
    is_random : bool
        Whether steps draw random numbers, apart from the noise of a candidate and
        hidden entries.
    input_rms, target_rms : float or None
        Root mean squares of the centred inputs and targets in units of the network. It
        does not depend on penalties, which are converted to units of the network. None
        does not scale.
    centres_input : bool
        Whether inputs are centred.
    centres_target : bool or ndarray of bool of shape (n_outputs,)
        Whether targets are centred, or which columns of them.
    may_rotate_codes : bool
        Whether neither the variant nor a penalty depends on the axes of codes.
    """

    network: Any
    design: dict[str, Any]
    output_activation: str | tuple[int, ...]
    starts_as_pca: bool
    is_conditioned: bool
    code_bias: float | None
    is_penalised: bool
    is_random: bool
    input_rms: float | None
    target_rms: float | None
    centres_input: bool
    centres_target: bool | np.ndarray
    may_rotate_codes: bool


def checked_copy(part: Any) -> Any:
    """A copy that later changes of the original do not affect.

    Scalars of NumPy become numbers of Python, since their precision would spread to
    products. Raises a ValueError if a field is invalid.
    """
    part.check()
    copied = clone(part)
    fields = copied.get_params(deep=False)
    numbers = {k: v.item() for k, v in fields.items() if isinstance(v, np.generic)}
    return copied.set_params(**numbers)


def resolve_parts(
    parts: Parts,
    data: TrainingData,
    n_components: int,
    *,
    is_new: bool,
    n_rows: float = np.inf,
    fitted_sizes: tuple[int, ...] | None = None,
) -> ResolvedParts:
    """Choose what parts leave open, and check that they suit each other and the data.

    "auto" for `hidden_layer_sizes` is what suits `n_rows`, or `fitted_sizes` if given.

    Raises
    ------
    ValueError
        If they do not or, with `is_new`, if a new network cannot start as PCA although
        it should.
    """
    loss = parts.loss.for_columns(data.output_columns)
    corruption = parts.corruption
    if isinstance(corruption, Corruption):
        own = loss.blocks if data.target is None else ()
        corruption = corruption.for_columns(data.input_columns, own)
    parts = replace(parts, loss=loss, corruption=corruption)
    is_class = isinstance(parts.network, type | partial)
    output_activation: Any = "identity" if is_class else parts.output_activation
    if output_activation == "auto":
        output_activation = _default_output_activation(loss, data.n_outputs)
    _check_parts(parts, data, is_class, output_activation)
    random_parts = _random_parts(parts)
    check_not_random(parts.optimizer, random_parts)
    starts_as_pca = parts.init == "pca" and not is_class
    if starts_as_pca and is_new:
        check_pca_start(parts, data, n_components)
    is_standardized = loss.degree is not None and output_activation == "identity"
    is_conditioned = (
        starts_as_pca
        and parts.network is None
        and parts.wrapper is None
        and not parts.tied_weights
        and np.size(parts.hidden_layer_sizes) > 0
        and (is_standardized or bool(loss.blocks))
        and parts.objective is Objective
        and parts.orders_codes
        and all(penalty.weight == 0 for penalty in parts.penalties)
        and parts.optimizer in ("adam", "adamw")
    )
    default_sizes = WIDE_LAYER
    if fitted_sizes is not None:
        default_sizes = fitted_sizes
    elif is_conditioned:
        default_sizes = sizes.hidden_layer_sizes(n_rows, data.n_features)
    params = {"n_features": data.n_features, "n_components": n_components}
    module, own = _module_and_params(
        parts, data, output_activation, starts_as_pca, default_sizes
    )
    params |= own
    if parts.wrapper is not None:
        params = around(module, params) | parts.wrapper_params
        module = parts.wrapper
    return ResolvedParts(
        network=parts.network,
        design={
            "module": module,
            "module_params": params,
            "objective": parts.objective,
            "objective_params": parts.objective_params,
            "loss": loss,
            "penalties": _by_column(parts.penalties),
            "corruption": parts.corruption,
        },
        output_activation=output_activation,
        starts_as_pca=starts_as_pca,
        is_conditioned=is_conditioned,
        code_bias=parts.code_bias,
        is_penalised=parts.is_penalised,
        is_random=bool(random_parts),
        # Weights that are tied to those of an output in the units of the data are in
        # these units, too. A class sees its inputs as it has to return them.
        input_rms=parts.data_rms
        if is_standardized or not (is_class or parts.tied_weights)
        else None,
        target_rms=parts.data_rms if is_standardized else None,
        centres_input=is_standardized or not is_class,
        # Probabilities are no differences from a mean.
        centres_target=_is_number(loss, data.n_outputs)
        if loss.blocks and not is_class
        else is_standardized,
        may_rotate_codes=parts.orders_codes
        and all(
            penalty.is_rotation_invariant or penalty.weight == 0
            for penalty in parts.penalties
        ),
    )


def _is_number(loss: Loss, n_outputs: int) -> np.ndarray:
    """Which outputs are in no block of the loss."""
    is_number = np.full(n_outputs, True)
    is_number[[column for block in loss.blocks for column in block]] = False
    return is_number


def _default_output_activation(loss: Loss, n_outputs: int) -> str | tuple[int, ...]:
    if not loss.blocks:
        return "sigmoid" if loss.needs_unit_interval else "identity"
    labels = [-1] * n_outputs
    for label, block in enumerate(loss.blocks):
        for column in block:
            labels[column] = label
    return tuple(labels)


def _check_parts(
    parts: Parts, data: TrainingData, is_class: bool, output_activation: Any
) -> None:
    widths = parts.hidden_layer_sizes
    if isinstance(widths, tuple | list) and not all(map(is_positive_integer, widths)):
        raise ValueError(
            f"hidden_layer_sizes={widths!r} must contain integers of at least 1."
        )
    network = parts.network
    is_specification = hasattr(network, "module_and_params") and not is_class
    if network is not None and not is_specification:
        check_network_class(parts.network)
    if parts.tied_weights and parts.network is not None:
        raise ValueError(
            "tied_weights=True needs the dense network, not "
            f"network={parts.network!r}; set tied_weights=False."
        )
    if parts.tied_weights and data.n_outputs != data.n_features:
        raise ValueError(
            f"tied_weights=True needs as many outputs as inputs ({data.n_features}), "
            f"but X_target has {data.n_outputs} columns."
        )
    for penalty in parts.penalties:
        suits = is_class or parts.code_activation == "sigmoid"
        if penalty.needs_unit_codes and penalty.weight > 0 and not suits:
            raise ValueError(
                f"{penalty!r} needs codes in (0, 1), which code_activation="
                f"{parts.code_activation!r} does not give; use 'sigmoid'."
            )
    if parts.loss.needs_unit_interval:
        if not is_class and output_activation != "sigmoid":
            raise ValueError(
                f"output_activation={parts.output_activation!r} does not keep the "
                f"output in [0, 1], which loss={parts.loss_name!r} needs; use "
                "'sigmoid' or 'auto'."
            )
    if parts.loss.blocks and isinstance(output_activation, str) and not is_class:
        raise ValueError(
            f"output_activation={output_activation!r} does not give probabilities in "
            f"the categories of loss={parts.loss_name!r}; use 'auto'."
        )
    check_target(data, parts.loss, parts.loss_name)


def _random_parts(parts: Parts) -> dict[str, Any]:
    """The parts that draw random numbers in every step, by parameter."""
    random: dict[str, Any] = {}
    if parts.corruption is not None:
        random["corruption"] = parts.corruption
    if parts.dropout > 0 and not isinstance(parts.network, type | partial):
        random["dropout"] = parts.dropout
    for penalty in parts.penalties:
        n_projections = getattr(penalty, "n_projections", None)
        if n_projections is not None and penalty.weight > 0:
            random["n_projections"] = n_projections
    if parts.objective is VariationalObjective:
        random["loss"] = parts.loss_name
    return random


def check_pca_start(parts: Parts, data: TrainingData, n_components: int) -> None:
    """Raise a ValueError if a new network cannot start as PCA."""
    if parts.code_activation != "identity":
        raise ValueError(
            f"code_activation={parts.code_activation!r} cannot start as PCA; set "
            "init='random' or code_activation='identity'."
        )
    largest = min(len(data.rows), data.n_features)
    if n_components > largest:
        raise ValueError(
            f"n_components={n_components!r} must be at most min(n_samples, "
            f"n_features)={largest} with init='pca'; set init='random' for a wider "
            "code."
        )


def _module_and_params(
    parts: Parts,
    data: TrainingData,
    output_activation: str | tuple[int, ...],
    linear_path: bool,
    default_sizes: tuple[int, ...],
) -> tuple[Any, dict[str, Any]]:
    """The class of the network, and its arguments besides the two widths."""
    network = parts.network
    if isinstance(network, partial):
        return network.func, network.keywords
    if isinstance(network, type):
        return network, {}
    params = {
        "n_outputs": data.n_outputs,
        "activation": parts.activation,
        "code_activation": parts.code_activation,
        "output_activation": output_activation,
        "dropout": float(parts.dropout),
        "linear_path": linear_path,
    }
    if network is not None:
        module, own = network.module_and_params(data.n_features, data.n_outputs)
        return module, params | own
    widths = parts.hidden_layer_sizes
    widths = default_sizes if widths == "auto" else np.atleast_1d(widths)
    own = {
        "hidden_layer_sizes": tuple(int(width) for width in widths),
        "tied_weights": parts.tied_weights,
    }
    return DenseNetwork, params | own


# Losses for any values, instead of losses that need values in [0, 1].
_FOR_ANY_VALUE = {"bernoulli": "gaussian"}


# A few units in the last place of single precision, in which networks are trained:
# MinMaxScaler exceeds 1 by as much.
_ROUNDING = 1e-6


def check_target(data: TrainingData, loss: Loss, name: Any) -> None:
    """Raise a ValueError if a loss does not take the values of the targets.

    `name` is the parameter `loss`.
    """
    if loss.needs_unit_interval:
        check_unit_interval(data, name)
    if loss.blocks:
        _check_categories(data, loss, name)


def check_unit_interval(data: TrainingData, loss: Any, of: str = "") -> None:
    """Raise a ValueError if targets are not in [0, 1], as a loss needs them.

    `of` says which data they are.
    """
    target = data.X if data.target is None else data.target
    low, high = value_range(target, np.arange(target.shape[0]))
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        instead = _FOR_ANY_VALUE.get(loss, "mse") if isinstance(loss, str) else "mse"
        raise ValueError(
            f"loss={loss!r} needs values in [0, 1], but they span{of} [{low:.7g}, "
            f"{high:.7g}]. Scale them, for instance with MinMaxScaler, or choose "
            f"loss={instead!r}."
        )
    if data.unseen is not None:
        check_unit_interval(data.unseen, loss, " in the validation data")


def _check_categories(data: TrainingData, loss: Loss, name: Any, of: str = "") -> None:
    low, high = column_ranges(data.X if data.target is None else data.target, data.rows)
    is_wrong = (low < -_ROUNDING) | (high > 1 + _ROUNDING)
    is_wrong &= ~_is_number(loss, len(low))
    if is_wrong.any():
        column = is_wrong.argmax()
        raise ValueError(
            f"loss={name!r} needs values in [0, 1] in the columns of its categories, "
            f"but those of column {column} span{of} [{low[column]:.7g}, "
            f"{high[column]:.7g}]. Categories must be encoded with OneHotEncoder and "
            "must not be scaled; columns of numbers are in no category."
        )
    if data.unseen is not None:
        _check_categories(data.unseen, loss, name, " in the validation data")


# Columns of the history that are not penalties.
_COLUMNS = frozenset({"batch_size", "kl", "loss", "loss_best", "reconstruction"})


def _by_column(penalties: tuple[Penalty, ...]) -> dict[str, Penalty]:
    """Penalties with a weight, by their columns in the history, which are unique."""
    named: dict[str, Penalty] = {}
    for penalty in penalties:
        if penalty.weight == 0:
            continue
        name, n = penalty.name, 1
        while name in named or name in _COLUMNS:
            n += 1
            name = f"{penalty.name}_{n}"
        named[name] = penalty
    return named
