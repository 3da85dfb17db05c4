"""Codes that keep only their largest entries."""

from typing import Any, ClassVar

from torch import Tensor

from sklearn_ae.networks._wrapper import Wrapper
from sklearn_ae.networks.contract import offers


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
        Number of codes kept, at most `n_components`.
    """

    is_stackable: ClassVar[bool] = True
    adjustable: ClassVar[tuple[str, ...]] = ("k",)

    def __init__(self, *args: Any, k: int, **params: Any) -> None:
        super().__init__(*args, **params)
        self.k = k
        # Scaling by a positive factor commutes with the choice of the largest.
        self.has_linear_code = offers(self.network).has_linear_code

    def encode(self, x: Tensor) -> Tensor:
        return keep_largest(self.network.encode(x), self.k)
