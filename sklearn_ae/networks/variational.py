"""Networks whose encoder gives a Gaussian instead of a point."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklearn_ae._units import Affine
from sklearn_ae.networks._layered import Linear, uninitialized
from sklearn_ae.networks._wrapper import Wrapper
from sklearn_ae.networks.contract import offers

# Logarithms of variances are clipped to this bound, so that no step overflows.
LOG_VARIANCE_BOUND = 15.0


class VariationalNetwork(Wrapper):
    """A network with a Gaussian posterior of its codes, and a variance of its outputs.

    The mean of the posterior is the inner network's code. The logarithms of its
    variances are a linear map of the inner network's last hidden layer or, where it
    has none, of the input.

    Parameters
    ----------
    n_features, n_components, network, network_params
        As `Wrapper` takes them.
    """

    is_stackable: ClassVar[bool] = True

    def __init__(self, n_features: int, n_components: int, **params: Any) -> None:
        super().__init__(n_features, n_components, **params)
        offered = offers(self.network)
        self._has_hidden = None not in (offered.hidden, offered.code, offered.n_hidden)
        n_hidden = self.network.n_hidden if self._has_hidden else n_features
        self.log_variance_layer = uninitialized(Linear, n_hidden, n_components)
        self.log_noise_variance = nn.Parameter(torch.zeros(()))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of each code, given the input."""
        if self._has_hidden:
            hidden = self.network.hidden(x)
            mean = self.network.code(hidden, x)
        else:
            hidden, mean = x, self.network.encode(x)
        log_variance = self.log_variance_layer(hidden)
        return mean, log_variance.clamp(-LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)

    @torch.no_grad()
    def reset_parameters_from(self, generator: torch.Generator) -> None:
        """Draw the weights; the variances start at one, whatever the input."""
        super().reset_parameters_from(generator)
        self.start_variances(torch.zeros(()), 0.0)

    @torch.no_grad()
    def start_variances(self, log_variances: Tensor, log_noise_variance: float) -> None:
        """Set the variances of codes and outputs to constants."""
        self.log_variance_layer.weight.zero_()
        self.log_variance_layer.bias.copy_(
            log_variances.expand_as(self.log_variance_layer.bias)
        )
        self.log_noise_variance.fill_(log_noise_variance)

    def weight_scales(
        self, input: Affine, output: Affine, code_scale: float
    ) -> dict[str, float]:
        """Weight scales of the inner network, and of the layer of the variances."""
        scales = super().weight_scales(input, output, code_scale)
        if not self._has_hidden:
            scales["log_variance_layer.weight"] = 1 / input.scale
        return scales
