"""Networks whose inputs may have gaps."""

from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklearn_ae.networks._wrapper import Wrapper
from sklearn_ae.networks.completion import complete, number_of_iterations
from sklearn_ae.networks.contract import offers


class Gaps(NamedTuple):
    """How a net deals with missing entries.

    Parameters
    ----------
    rank : int
        Number of factors in the Gaussian model that fills gaps.
    has_indicator : bool
        Whether the network is told which entries were missing.
    hidden_share : float
        Share of the observed entries that is hidden in training.
    predicts_hidden : bool
        Whether the loss is that of the entries alone that the corruption hides.
    """

    rank: int
    has_indicator: bool = False
    hidden_share: float = 0.0
    predicts_hidden: bool = False


def _of_inner(name: str) -> Any:
    return property(lambda self: getattr(offers(self.network), name))


class CompletingNetwork(Wrapper):
    """Fills the gaps of its inputs, which are NaN, and calls a network on the result.

    A missing entry becomes its expectation given the observed entries of its row, under
    a Gaussian; see `complete`. No gradient flows through it.

    Parameters
    ----------
    n_features, n_components, network, network_params
        As `Wrapper` takes them.

    rank : int
        Number of factors of the Gaussian. With 0 the mean of a feature fills its gaps.

    has_indicator : bool
        Give the network as many further inputs: 1 where an entry was missing, else 0.

    Attributes
    ----------
    mean, loadings : tensors of shape (n_features,) and (n_features, rank)
        The Gaussian, in units of the network.
    """

    is_stackable: ClassVar[bool] = True
    mean: Tensor
    loadings: Tensor

    def __init__(
        self,
        n_features: int,
        n_components: int,
        *,
        rank: int,
        has_indicator: bool,
        **params: Any,
    ) -> None:
        width = 2 * n_features if has_indicator else n_features
        super().__init__(width, n_components, **params)
        self.has_indicator = has_indicator
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("loadings", torch.zeros(n_features, rank))

    has_linear_code = _of_inner("has_linear_code")
    set_code_bias = _of_inner("set_code_bias")
    transform_code = _of_inner("transform_code")

    @torch.no_grad()
    def set_gaussian(self, mean: Tensor, loadings: Tensor) -> None:
        """Set the Gaussian that fills gaps, in units of the network."""
        self.mean.copy_(mean)
        self.loadings.copy_(loadings)

    def inputs(self, x: Tensor) -> Tensor:
        """What the network sees in place of `x`."""
        completed = x
        # What is exported must not depend on the rows at hand.
        if torch.compiler.is_compiling() or x.isnan().any():
            n_iterations = number_of_iterations(self.loadings.shape[-1])
            completed = complete(x, self.mean, self.loadings, n_iterations)
        if not self.has_indicator:
            return completed
        return torch.cat([completed, x.isnan().to(x.dtype)], dim=-1)

    def encode(self, x: Tensor) -> Tensor:
        return self.network.encode(self.inputs(x))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """That of a variational network."""
        mean, log_variance = self.network.posterior(self.inputs(x))
        return mean, log_variance

    @property
    def log_noise_variance(self) -> Any:
        """That of a variational network."""
        return self.network.log_noise_variance

    def padded(self, columns: np.ndarray) -> np.ndarray:
        """Values of the features as those of all inputs of the inner network.

        Those of the indicators are zero.
        """
        if not self.has_indicator:
            return columns
        return np.concatenate([columns, np.zeros_like(columns)], axis=-1)

    @property
    def squared_jacobian_norm(self) -> Any:
        """That of the inner network, at the completed rows."""
        norm = offers(self.network).squared_jacobian_norm
        if norm is None or self.has_indicator:
            return None
        return lambda x: norm(self.inputs(x))

    @property
    def encoder_activations(self) -> Any:
        """That of the inner network, for the completed rows."""
        activations = offers(self.network).encoder_activations
        return activations and (lambda x: activations(self.inputs(x)))
