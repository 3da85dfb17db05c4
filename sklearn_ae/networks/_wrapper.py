"""A network around another one."""

from typing import Any

import torch
from torch import Tensor, nn


class Wrapper(nn.Module):
    """Makes a network of another class, and passes on what is asked of it.

    Parameters
    ----------
    n_features, n_components : int
        Widths of the input and of the code.

    network : type
        Class of the inner network.

    network_params : dict
        Its arguments beyond the two widths.
    """

    linear_code = False

    def __init__(
        self,
        n_features: int,
        n_components: int,
        *,
        network: type,
        network_params: dict[str, Any],
    ) -> None:
        super().__init__()
        # By position: foreign modules may call their two widths what they like.
        self.network: Any = network(n_features, n_components, **network_params)

    def encode(self, x: Tensor) -> Tensor:
        return self.network.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        return self.network.decode(z)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def reset_parameters_from(self, generator: torch.Generator) -> None:
        """Draw the weights of the inner network, unless it draws them itself."""
        if hasattr(self.network, "reset_parameters_from"):
            self.network.reset_parameters_from(generator)


def around(network: type, params: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a wrapper of a network that is made with `params`."""
    widths = ("n_features", "n_components")
    inner = {name: value for name, value in params.items() if name not in widths}
    return {
        **{name: params[name] for name in widths},
        "network": network,
        "network_params": inner,
    }
