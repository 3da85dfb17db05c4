"""Reconstruction losses, as functions and as objects for the parameter `loss`.

Each function takes the reconstruction and the target, both of shape (n, p), and
returns one value a row, a tensor of shape (n,), summed over the features. With
``total=True`` it returns the sum over the rows, which torch computes faster. Arguments
of shape (m, n, p), from m networks, give (m, n) and (m,). Since losses are summed over
features, not averaged, published weights of penalties carry over.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_ae._sklearn_compat import Interval
from sklearn_ae.objectives._part import Part


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
        Network output.

    target : tensor of shape (n, p)
        Target values.

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
    """Sum of absolute errors.

    Parameters
    ----------
    reconstruction : tensor of shape (n, p)
        Network output.

    target : tensor of shape (n, p)
        Target values.

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
        Network output.

    target : tensor of shape (n, p)
        Target values.

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
    """Negative log-likelihood of targets in [0, 1] if outputs are probabilities.

    Parameters
    ----------
    reconstruction : tensor of shape (n, p)
        Network output, in [0, 1].

    target : tensor of shape (n, p)
        Target values, in [0, 1]. Values beyond count as the nearest bound.

    total : bool, default=False
        Sum over the rows.

    Returns
    -------
    loss : tensor of shape (n,) or ()
        ``-sum_j x_j log xhat_j + (1 - x_j) log(1 - xhat_j)`` of each row, in nats, or
        their sum. Logarithms are bounded below by -100.
    """
    # Scaled data may leave [0, 1] by rounding, which torch refuses.
    target = target.clamp(0, 1)
    return _reduced(F.binary_cross_entropy, reconstruction, target, total)


def cross_entropy(logits: Tensor, target: Tensor, total: bool = False) -> Tensor:
    """Negative log-likelihood of classes with probabilities ``p = softmax(logits)``.

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


def gaussian_negative_log_likelihood(
    reconstruction: Tensor,
    target: Tensor,
    total: bool = False,
    *,
    log_variance: Tensor,
    scale: float = 1.0,
    n_entries: Any = None,
) -> Tensor:
    """Negative log-likelihood of targets if outputs are means of a Gaussian.

    Parameters
    ----------
    reconstruction : tensor of shape (n, p)
        Network output, divided by `scale`.

    target : tensor of shape (n, p)
        Target values, divided by `scale`.

    total : bool, default=False
        Sum over the rows.

    log_variance : tensor of shape ()
        Logarithm of the variance of every entry, for data divided by `scale`.

    scale : float, default=1.0
        What the data have been divided by; the density is that of the data before.

    n_entries : tensor of shape (n,) or None, default=None
        How many entries of each row are compared, if some are equal because they are
        missing. None means all. Not with `total`.

    Returns
    -------
    loss : tensor of shape (n,) or ()
        ``-log N(x; xhat, s^2 I)`` of each row, in nats, with
        ``s = scale * exp(log_variance / 2)``; or their sum.
    """
    squares = squared_error(reconstruction, target, total)
    if n_entries is None:
        n_entries = target.shape[-1] * (target.shape[-2] if total else 1)
    if not total:
        log_variance = log_variance.unsqueeze(-1)
    constant = log_variance + math.log(2 * math.pi * scale**2)
    return squares / log_variance.exp() + n_entries / 2 * constant


class Loss(Part):
    """Base class of reconstruction losses.

    A subclass defines ``__call__(reconstruction, target, total=False)``. It returns one
    value per row, summed over the features or, with ``total=True``, the sum over the
    rows. Losses with parameters are dataclasses.

    Attributes
    ----------
    degree : int or None
        Degree of homogeneity: ``loss(s * x, s * y) = s**degree * loss(x, y)``. Such a
        loss must also depend on ``x - y`` only. The data are then centred and scaled
        inside the network. None leaves them unchanged.

    needs_unit_interval : bool
        Whether targets must be in [0, 1]. The default activation of the output is then
        "sigmoid".

    See Also
    --------
    SquaredError : The default loss.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.objectives import Loss
    >>> class QuarticError(Loss):
    ...     degree = 4
    ...
    ...     def __call__(self, reconstruction, target, total=False):
    ...         errors = (reconstruction - target).pow(4) / 4
    ...         return errors.sum() if total else errors.sum(1)
    >>> X = load_digits().data / 16
    >>> autoencoder = Autoencoder(
    ...     8, loss=QuarticError(), max_epochs=2, random_state=0
    ... ).fit(X)
    >>> autoencoder.history_["train_reconstruction"].shape
    (2,)
    """

    degree: ClassVar[int | None] = None
    needs_unit_interval: ClassVar[bool] = False

    __call__: Callable[..., Tensor]

    def check(self) -> None:
        """Raise a ValueError if a field or what a call returns is invalid."""
        super().check()
        values = torch.full((2, 3), 0.5)
        try:
            shapes = self(values, values).shape, self(values, values, total=True).shape
        except (AttributeError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"loss={self!r} must be callable as loss(reconstruction, target, "
                f"total=False): {error}"
            ) from error
        if shapes != ((2,), ()):
            raise ValueError(
                f"loss={self!r} must return one value for each row, and their sum with "
                f"total=True. For 2 rows it returns the shapes {tuple(shapes[0])} and "
                f"{tuple(shapes[1])}, not (2,) and ()."
            )

    def for_scaled_data(self, scale: float) -> "Loss":
        """Return the equivalent loss for data divided by `scale`.

        Override it if a parameter of the loss is in the units of the data.

        Parameters
        ----------
        scale : float
            Divisor of the data.

        Returns
        -------
        loss : Loss
            A loss with ``loss(x / scale, y / scale) = self(x, y) / scale**degree``.
        """
        return self


class SquaredError(Loss):
    r"""Half the squared distance, :math:`\frac12 \lVert x - \hat x \rVert^2`.

    See Also
    --------
    AbsoluteError : Less sensitive to large errors.
    sklearn_ae.objectives.losses.squared_error : The loss as a function.
    """

    degree: ClassVar[int | None] = 2
    uses_own_generator: ClassVar[bool] = True
    __call__ = staticmethod(squared_error)


class AbsoluteError(Loss):
    r"""Sum of absolute errors, :math:`\sum_j |x_j - \hat x_j|`.

    See Also
    --------
    Huber : Quadratic for small errors.
    sklearn_ae.objectives.losses.absolute_error : The loss as a function.
    """

    degree: ClassVar[int | None] = 1
    uses_own_generator: ClassVar[bool] = True
    __call__ = staticmethod(absolute_error)


@dataclass(eq=False)
class Huber(Loss):
    r"""Huber loss: quadratic for small errors and linear for large ones.

    It is the sum over the features of :math:`r_j^2 / 2` where :math:`|r_j| \le \delta`,
    else of :math:`\delta (|r_j| - \delta / 2)`, with :math:`r = x - \hat x` [1]_.

    Parameters
    ----------
    delta : float, default=1.0
        Threshold between quadratic and linear, above 0, in the units of the data.

    See Also
    --------
    SquaredError : The limit for a large `delta`.
    sklearn_ae.objectives.losses.huber : The loss as a function.

    References
    ----------
    .. [1] Huber (1964). "Robust estimation of a location parameter". Annals of
       Mathematical Statistics 35. :doi:`10.1214/aoms/1177703732`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.objectives import Huber
    >>> X = load_digits().data / 16
    >>> autoencoder = Autoencoder(8, loss=Huber(), max_epochs=2, random_state=0)
    >>> search = GridSearchCV(autoencoder, {"loss__delta": [0.1, 1.0]}, cv=2).fit(X)
    >>> search.best_params_["loss__delta"] in (0.1, 1.0)
    True
    """

    delta: float = 1.0
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "delta": [Interval(Real, 0, None, closed="neither")]
    }
    degree: ClassVar[int | None] = 2
    uses_own_generator: ClassVar[bool] = True

    def __call__(self, reconstruction: Tensor, target: Tensor, total: bool = False):  # type: ignore[no-untyped-def]
        return huber(reconstruction, target, total, delta=self.delta)

    def for_scaled_data(self, scale: float) -> "Huber":
        """Return the equivalent loss for data divided by `scale`.

        Parameters
        ----------
        scale : float
            Divisor of the data.

        Returns
        -------
        loss : Huber
            The loss with the threshold ``delta / scale``.
        """
        return replace(self, delta=self.delta / scale)


class BinaryCrossEntropy(Loss):
    r"""Binary cross-entropy, for data and outputs in [0, 1].

    It is :math:`-\sum_j x_j \log \hat x_j + (1 - x_j) \log(1 - \hat x_j)`, in nats.

    See Also
    --------
    SquaredError : For data that need not be in [0, 1].
    sklearn_ae.objectives.losses.binary_cross_entropy : The loss as a function.
    """

    needs_unit_interval: ClassVar[bool] = True
    uses_own_generator: ClassVar[bool] = True
    __call__ = staticmethod(binary_cross_entropy)


class CrossEntropy(Loss):
    """Cross-entropy of each row for logits of classes; see `cross_entropy`."""

    uses_own_generator: ClassVar[bool] = True
    __call__ = staticmethod(cross_entropy)


# Losses by name, for the parameter `loss`.
NAMED_LOSSES: dict[str, Loss] = {
    "mse": SquaredError(),
    "mae": AbsoluteError(),
    "huber": Huber(),
    "bce": BinaryCrossEntropy(),
}
