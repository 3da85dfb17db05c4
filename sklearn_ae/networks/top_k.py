"""Codes of which only the largest survive."""

from typing import Any

from torch import Tensor

from sklearn_ae.networks._wrapper import Wrapper


def keep_largest(code: Tensor, k: int) -> Tensor:
    """The `k` largest entries of each row, zero in place of the others [1]_.

    References
    ----------
    .. [1] Makhzani and Frey (2014). "k-sparse autoencoders". ICLR.
       :doi:`10.48550/arXiv.1312.5663`
    """
    values, index = code.topk(k, dim=-1, sorted=False)
    return code.new_zeros(code.shape).scatter(-1, index, values)


class TopKNetwork(Wrapper):
    """A network that keeps the `k` largest codes of each row.

    Parameters
    ----------
    n_features, n_components, network, network_params
        As `Wrapper` takes them.

    k : int
        Number of codes that survive, at most `n_components`.
    """

    def __init__(self, *args: Any, k: int, **params: Any) -> None:
        super().__init__(*args, **params)
        self.k = k
        # Positive factors pass through.
        self.linear_code = getattr(self.network, "linear_code", False)

    def encode(self, x: Tensor) -> Tensor:
        return keep_largest(self.network.encode(x), self.k)
