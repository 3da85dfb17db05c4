"""A network around another one."""

from typing import Any

import torch
from torch import Tensor

from sklearn_ae._units import Affine
from sklearn_ae.networks.contract import Network, offers
from sklearn_ae.networks.standardized import Standardized


class Wrapper(Network):
    """Makes a network of another class, and passes calls on to it.

    Parameters
    ----------
    n_features, n_components : int
        Widths of the input and of the code.

    network : type or partial
        Class of the inner network.

    network_params : dict
        Its arguments beyond the two widths.
    """

    def __init__(
        self,
        n_features: int,
        n_components: int,
        *,
        network: Any,
        network_params: dict[str, Any],
    ) -> None:
        super().__init__()
        # By position, since user-defined networks may name their two widths freely.
        self.network: Any = network(n_features, n_components, **network_params)
        self.uses_own_generator = offers(self.network).uses_own_generator

    def encode(self, x: Tensor) -> Tensor:
        return self.network.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        return self.network.decode(z)

    @property
    def encoder_activations(self) -> Any:
        """That of the inner network."""
        return offers(self.network).encoder_activations

    @property
    def decoder_activations(self) -> Any:
        """That of the inner network."""
        return offers(self.network).decoder_activations

    def reset_parameters_from(self, generator: torch.Generator) -> None:
        """Draw the weights of the inner network, unless it draws them itself."""
        reset = offers(self.network).reset_parameters_from
        if reset is not None:
            reset(generator)

    def weight_scales(
        self, input: Affine, output: Affine, code_scale: float
    ) -> dict[str, float]:
        """Weight scales of the inner network."""
        scales = offers(self.network).weight_scales
        if scales is None:
            return {}
        inner = scales(input, output, code_scale)
        return {f"network.{name}": scale for name, scale in inner.items()}


def innermost(network: Any) -> Any:
    """The network inside all wrappers, also inside a `Standardized`."""
    while isinstance(network, Wrapper | Standardized):
        network = network.network
    return network


def around(network: Any, params: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a wrapper of a network that is made with `params`."""
    widths = ("n_features", "n_components")
    inner = {name: value for name, value in params.items() if name not in widths}
    return {
        **{name: params[name] for name in widths},
        "network": network,
        "network_params": inner,
    }
