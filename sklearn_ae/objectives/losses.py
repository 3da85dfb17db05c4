"""Reconstruction losses: one value a sample, summed over its features.

Each takes the reconstruction and the target, both of shape (n, p), and returns
a tensor of shape (n,), or with ``total=True`` its sum over the samples, which
torch computes faster. Arguments of shape (m, n, p), of several networks, give (m, n)
and (m,). Summing over features (not averaging) is what makes
published weights of the penalties beside it carry over.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F


def _reduced(
    loss: Callable[..., Tensor],
    reconstruction: Tensor,
    target: Tensor,
    total: bool,
    **params: float,
) -> Tensor:
    if total and target.ndim == 2:
        return loss(reconstruction, target, reduction="sum", **params)
    losses = loss(reconstruction, target, reduction="none", **params)
    return losses.sum((-2, -1) if total else -1)


def squared_error(
    reconstruction: Tensor, target: Tensor, total: bool = False
) -> Tensor:
    """Half the squared Euclidean distance.

    Parameters
    ----------
    reconstruction : tensor of shape (n, p)
        What came out.

    target : tensor of shape (n, p)
        What should have.

    total : bool, default=False
        Sum over the rows.

    Returns
    -------
    loss : tensor of shape (n,) or ()
        ``1/2 ||x - xhat||^2`` of each row, or their sum.
    """
    return _reduced(F.mse_loss, reconstruction, target, total).mul(0.5)


def absolute_error(
    reconstruction: Tensor, target: Tensor, total: bool = False
) -> Tensor:
    """The city-block distance.

    Parameters
    ----------
    reconstruction : tensor of shape (n, p)
        What came out.

    target : tensor of shape (n, p)
        What should have.

    total : bool, default=False
        Sum over the rows.

    Returns
    -------
    loss : tensor of shape (n,) or ()
        ``sum_j |x_j - xhat_j|`` of each row, or their sum.
    """
    return _reduced(F.l1_loss, reconstruction, target, total)


def huber(
    reconstruction: Tensor, target: Tensor, total: bool = False, delta: float = 1.0
) -> Tensor:
    """Half the squared error up to `delta`, linear beyond it [1]_.

    Parameters
    ----------
    reconstruction : tensor of shape (n, p)
        What came out.

    target : tensor of shape (n, p)
        What should have.

    total : bool, default=False
        Sum over the rows.

    delta : float, default=1.0
        The threshold, above 0, in the units of `target`.

    Returns
    -------
    loss : tensor of shape (n,) or ()
        ``sum_j r_j^2 / 2`` where ``|r_j| <= delta``, else
        ``delta (|r_j| - delta / 2)``, with ``r = x - xhat``; or the sum of these.

    References
    ----------
    .. [1] Huber (1964). "Robust estimation of a location parameter". Annals of
       Mathematical Statistics 35. :doi:`10.1214/aoms/1177703732`
    """
    return _reduced(F.huber_loss, reconstruction, target, total, delta=delta)


def binary_cross_entropy(
    reconstruction: Tensor, target: Tensor, total: bool = False
) -> Tensor:
    """The surprise at targets in [0, 1] if outputs are probabilities.

    Parameters
    ----------
    reconstruction : tensor of shape (n, p)
        What came out, in [0, 1].

    target : tensor of shape (n, p)
        What should have, in [0, 1].

    total : bool, default=False
        Sum over the rows.

    Returns
    -------
    loss : tensor of shape (n,) or ()
        ``-sum_j x_j log xhat_j + (1 - x_j) log(1 - xhat_j)`` of each row, in nats, or
        their sum. Logarithms are bounded below by -100.
    """
    return _reduced(F.binary_cross_entropy, reconstruction, target, total)


def cross_entropy(logits: Tensor, target: Tensor, total: bool = False) -> Tensor:
    """The surprise at classes whose probabilities are ``p = softmax(logits)``.

    Parameters
    ----------
    logits : tensor of shape (n, n_classes)
        Logarithms of probabilities, up to a constant.

    target : tensor of shape (n, n_classes)
        Probabilities of the classes, one-hot if these are known.

    total : bool, default=False
        Sum over the rows.

    Returns
    -------
    loss : tensor of shape (n,) or ()
        ``-sum_j y_j log p_j`` of each row, in nats, or their sum.
    """
    losses = -(target * logits.log_softmax(1))
    return losses.sum() if total else losses.sum(1)


def gaussian_surprise(
    reconstruction: Tensor,
    target: Tensor,
    total: bool = False,
    *,
    log_variance: Tensor,
    scale: float = 1.0,
) -> Tensor:
    """The surprise at targets if outputs are means of a Gaussian.

    Parameters
    ----------
    reconstruction : tensor of shape (n, p)
        What came out, divided by `scale`.

    target : tensor of shape (n, p)
        What should have, divided by `scale`.

    total : bool, default=False
        Sum over the rows.

    log_variance : tensor of shape ()
        Logarithm of the variance of every entry, of data divided by `scale`.

    scale : float, default=1.0
        What the data have been divided by; the density is the one before.

    Returns
    -------
    loss : tensor of shape (n,) or ()
        ``-log N(x; xhat, s^2 I)`` of each row, in nats, with
        ``s = scale * exp(log_variance / 2)``; or their sum.
    """
    squares = squared_error(reconstruction, target, total)
    n_entries = target.shape[-1]
    if total:
        n_entries *= target.shape[-2]
    else:
        log_variance = log_variance.unsqueeze(-1)
    constant = log_variance + math.log(2 * math.pi * scale**2)
    return squares / log_variance.exp() + n_entries / 2 * constant


class Loss(NamedTuple):
    """A loss, and how it follows a change of units.

    ``function(s x, s y) = s^degree function(x, y)``, with delta scaled as well; None
    for a loss of data that may be neither shifted nor scaled.
    """

    function: Callable[..., Tensor]
    degree: int | None


LOSSES = {
    "mse": Loss(squared_error, 2),
    "mae": Loss(absolute_error, 1),
    "huber": Loss(huber, 2),
    "bce": Loss(binary_cross_entropy, None),
}
# What a supervised head minimises.
HEAD_LOSSES = {
    "mse": LOSSES["mse"],
    "cross_entropy": Loss(cross_entropy, None),
}
