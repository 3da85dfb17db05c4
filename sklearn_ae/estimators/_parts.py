"""The parts of an autoencoder: what a variant passes to the base class."""

from dataclasses import dataclass, field
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np

from sklearn_ae._units import Affine
from sklearn_ae.estimators._validation import TrainingData
from sklearn_ae.networks._wrapper import around
from sklearn_ae.networks.contract import check_network_class, is_network_class
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.objectives.losses import Loss
from sklearn_ae.objectives.objective import Objective
from sklearn_ae.objectives.terms import Penalty
from sklearn_ae.persistence.recipe import Recipe
from sklearn_ae.training.settings import TrainingSettings

# The meaning of "auto": one wide layer. At the same cost it is better than several
# narrow layers, whatever the number of features.
HIDDEN_LAYER_SIZES = (256,)


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
        scaled.
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
    code_bias: float | None = None
    loss: Loss
    loss_name: Any
    penalties: tuple[Penalty, ...] = ()
    corruption: Any = None
    objective: type = Objective
    objective_params: dict[str, Any] = field(default_factory=dict)
    orders_codes: bool = True

    @property
    def may_rotate_codes(self) -> bool:
        """Whether neither the variant nor a penalty depends on the axes of codes."""
        return self.orders_codes and all(
            penalty.is_rotation_invariant or penalty.weight == 0
            for penalty in self.penalties
        )

    @property
    def starts_as_pca(self) -> bool:
        """Whether the network starts as PCA. A class given as network never does."""
        return self.init == "pca" and not is_network_class(self.network)

    @property
    def resolved_output_activation(self) -> str:
        """The activation of the output. A class given as network applies its own."""
        if is_network_class(self.network):
            return "identity"
        if self.output_activation != "auto":
            return self.output_activation
        return "sigmoid" if self.loss.needs_unit_interval else "identity"

    def module_and_params(
        self, n_features: int, n_components: int, n_outputs: int
    ) -> tuple[Any, dict[str, Any]]:
        """The class of the network and its arguments."""
        params: dict[str, Any] = {
            "n_features": n_features,
            "n_components": n_components,
        }
        module = self.network
        if isinstance(module, partial):
            module, params = module.func, params | module.keywords
        if not is_network_class(module):
            params |= {
                "n_outputs": n_outputs,
                "activation": self.activation,
                "code_activation": self.code_activation,
                "output_activation": self.resolved_output_activation,
                "dropout": float(self.dropout),
                "linear_path": self.starts_as_pca,
            }
            if module is None:
                sizes = self.hidden_layer_sizes
                sizes = HIDDEN_LAYER_SIZES if sizes == "auto" else np.atleast_1d(sizes)
                module, own = (
                    DenseNetwork,
                    {
                        "hidden_layer_sizes": tuple(int(size) for size in sizes),
                        "tied_weights": self.tied_weights,
                    },
                )
            else:
                module, own = module.module_and_params(n_features, n_outputs)
            params |= own
        if self.wrapper is not None:
            return self.wrapper, around(module, params) | self.wrapper_params
        return module, params

    def standardization(self, mean: np.ndarray, scale: float) -> Affine:
        """The map to the units of the network, which does not change the minimiser.

        It does not depend on penalties, which are converted to units of the network.
        Tied weights are tied in these units.
        """
        shifts = (
            self.loss.degree is not None
            and self.resolved_output_activation == "identity"
        )
        if not shifts:
            return Affine(np.zeros_like(mean), 1.0)
        return Affine(mean, scale / self.data_rms)

    def recipe(
        self,
        data: TrainingData,
        n_components: int,
        settings: TrainingSettings,
        standardize: Affine,
        standardize_target: Affine,
    ) -> Recipe:
        """Everything that makes a net from these parts."""
        module, module_params = self.module_and_params(
            data.n_features, n_components, data.n_outputs
        )
        return Recipe(
            module=module,
            module_params=module_params,
            standardize=standardize,
            standardize_target=standardize_target,
            objective=self.objective,
            objective_params=self.objective_params,
            loss=self.loss,
            penalties=_by_column(self.penalties),
            corruption=self.corruption,
            settings=settings,
        )


def check_parts(parts: Parts, data: TrainingData) -> None:
    """Raise a ValueError if parts contradict each other or the data."""
    sizes = parts.hidden_layer_sizes
    if not isinstance(sizes, str):
        for size in np.ravel(np.asarray(sizes, dtype=object)):
            if not isinstance(size, Integral) or size < 1:
                raise ValueError(
                    f"hidden_layer_sizes={sizes!r} must contain integers of at least 1."
                )
    has_class = is_network_class(parts.network)
    if has_class or isinstance(parts.network, partial):
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
        suits = has_class or parts.code_activation == "sigmoid"
        if penalty.needs_unit_codes and penalty.weight > 0 and not suits:
            raise ValueError(
                f"{penalty!r} needs codes in (0, 1), which code_activation="
                f"{parts.code_activation!r} does not give; use 'sigmoid'."
            )
    if parts.loss.needs_unit_interval:
        if not has_class and parts.resolved_output_activation != "sigmoid":
            raise ValueError(
                f"output_activation={parts.output_activation!r} does not keep the "
                f"output in [0, 1], which loss={parts.loss_name!r} needs; use "
                "'sigmoid' or 'auto'."
            )
        check_unit_interval(data, parts.loss_name)


def check_pca_start(parts: Parts, data: TrainingData, n_components: int) -> None:
    """Raise a ValueError if a new network cannot start as PCA although it should."""
    if not parts.starts_as_pca:
        return
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


# Losses for any values, instead of losses that need values in [0, 1].
_FOR_ANY_VALUE = {"bernoulli": "gaussian"}


def check_unit_interval(data: TrainingData, loss: Any) -> None:
    """Raise a ValueError if targets are not in [0, 1], as a loss needs them."""
    target = data.X if data.target is None else data.target
    values = target if isinstance(target, np.ndarray) else target.data
    low, high = values.min(initial=0), values.max(initial=0)
    if low < 0 or high > 1:
        instead = _FOR_ANY_VALUE.get(loss, "mse") if isinstance(loss, str) else "mse"
        raise ValueError(
            f"loss={loss!r} needs values in [0, 1], but they span [{low:.4g}, "
            f"{high:.4g}]. Scale them, for instance with MinMaxScaler, or choose "
            f"loss={instead!r}."
        )


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
