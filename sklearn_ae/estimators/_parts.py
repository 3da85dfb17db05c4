"""The parts that an autoencoder consists of, as a variant hands them over."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sklearn_ae._units import Affine
from sklearn_ae.networks._wrapper import around
from sklearn_ae.networks.contract import is_network_class
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.objectives.losses import Loss
from sklearn_ae.objectives.objective import Objective
from sklearn_ae.objectives.terms import Penalty

# What "auto" means: one wide layer, which at the same cost is better than several
# narrow ones, whatever the number of features.
HIDDEN_LAYER_SIZES = (256,)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Network and objective of an autoencoder, before anything is built.

    Parameters
    ----------
    network : None, type, partial or specification
        None is the dense network of the next two fields.
    hidden_layer_sizes, tied_weights
        As the parameters of these names.
    init : {"pca", "random"}
        How the network starts.
    activation, code_activation, output_activation, dropout
        As the parameters of these names, but for `code_activation`, which is a name in
        `ACTIVATIONS`.
    wrapper, wrapper_params : type or None, dict
        A network around the network, and its arguments beyond it.
    code_bias : float or None
        What the biases of the code start at, where the network offers it.
    loss : Loss
    loss_name : str or Loss
        What the user calls it.
    penalties : dict of str to Penalty
        By column in the history.
    corruption : callable or None
        What is done to the inputs in training.
    objective, objective_params : type, dict
        The class of the objective, and its arguments beyond loss and penalties.
    orders_codes : bool
        Whether codes are rotated into uncorrelated columns, where network and
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
    code_bias: float | None = None
    loss: Loss
    loss_name: Any
    penalties: dict[str, Penalty] = field(default_factory=dict)
    corruption: Any = None
    objective: type = Objective
    objective_params: dict[str, Any] = field(default_factory=dict)
    orders_codes: bool = True

    @property
    def may_rotate_codes(self) -> bool:
        """Whether neither the variant nor a penalty depends on the axes of the code."""
        return self.orders_codes and all(
            penalty.is_rotation_invariant or penalty.weight == 0
            for penalty in self.penalties.values()
        )

    @property
    def starts_as_pca(self) -> bool:
        """Whether the network starts as PCA; a class starts as it is."""
        return self.init == "pca" and not is_network_class(self.network)

    @property
    def resolved_output_activation(self) -> str:
        """The activation of the output; a class has its own, if any."""
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
        """The map to network units that leaves the minimiser where it is.

        Penalties are converted into network units, so that it does not depend on them.
        """
        shifts = (
            self.loss.degree is not None
            and self.resolved_output_activation == "identity"
        )
        if not shifts:
            return Affine(np.zeros_like(mean), 1.0)
        has_hidden = np.size(self.hidden_layer_sizes) > 0
        is_linear = self.code_activation == "identity" and not has_hidden
        # Tied weights of scaled data are not tied in the units of the data, unless
        # the one layer is linear.
        return Affine(mean, scale if not self.tied_weights or is_linear else 1.0)
