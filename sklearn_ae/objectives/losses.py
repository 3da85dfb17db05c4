"""Reconstruction losses, as functions and as objects for the parameter `loss`.

Each function takes the reconstruction and the target, both of shape (n, p), and
returns one value a row, a tensor of shape (n,), summed over the features. With
``total=True`` it returns the sum over the rows, which torch computes faster. Arguments
of shape (m, n, p), from m networks, give (m, n) and (m,). Since losses are summed over
features, not averaged, published weights of penalties carry over.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_ae._sklearn_compat import Interval, StrOptions, validate_params
from sklearn_ae.objectives._columns import Blocks, Columns, resolved_blocks
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


def mixed_errors(
    reconstruction: Tensor, target: Tensor, categories: Blocks, weight: float = 1.0
) -> Tensor:
    """Squared errors of numbers, and cross-entropies of categories, by column.

    Parameters
    ----------
    reconstruction : tensor of shape (n, p)
        Network output: numbers, and probabilities in the columns of `categories`.
        Probabilities below the smallest normal number of the dtype count as that.

    target : tensor of shape (n, p)
        Target values, in [0, 1] in the columns of `categories`.

    categories : tuple of tuples of int
        The columns of each category. Those of several columns are indicators of values
        that exclude each other; one of a single column is yes or no.

    weight : float, default=1.0
        Factor of the cross-entropies.

    Returns
    -------
    errors : tensor of shape (n, p)
        ``1/2 (x_j - xhat_j)^2`` for a number, ``-x_j log xhat_j`` for a column of
        several, in nats, and ``-x_j log xhat_j - (1 - x_j) log(1 - xhat_j)`` for a
        single one.
    """
    single = torch.zeros(target.shape[-1], dtype=torch.bool, device=target.device)
    in_block = single.clone()
    in_block[[column for block in categories for column in block]] = True
    single[[block[0] for block in categories if len(block) == 1]] = True
    squares = (reconstruction - target).square() / 2
    # Where `torch.where` takes the other value, gradients must be finite, too.
    smallest = torch.finfo(reconstruction.dtype).tiny
    entropies = target * reconstruction.clamp(min=smallest).log()
    no = (1 - reconstruction).clamp(min=smallest).log()
    entropies = entropies + torch.where(single, (1 - target) * no, 0.0)
    return torch.where(in_block, -weight * entropies, squares)


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
    rows. Losses with parameters are dataclasses. Where an entry of the target is
    missing, both arguments are 0, which should add nothing.

    Attributes
    ----------
    degree : int or None
        Degree of homogeneity: ``loss(s * x, s * y) = s**degree * loss(x, y)``. Such a
        loss must also depend on ``x - y`` only. The data are then centred and scaled
        inside the network. None leaves them unchanged.

    needs_unit_interval : bool
        Whether targets must be in [0, 1]. The default activation of the output is then
        "sigmoid".

    blocks : tuple of tuples of int
        Columns of the target that are probabilities, as which the network returns them:
        with a softmax over a block of several columns and a sigmoid for a single one.
        Other columns are numbers. It is empty but for `MixedLoss`.

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

    blocks: ClassVar[Blocks] = ()

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

    def for_columns(self, columns: Columns) -> "Loss":
        """Return the loss for targets with these columns.

        Override it if a parameter of the loss names columns.

        Parameters
        ----------
        columns : object
            ``columns.n`` is the number of columns, ``columns.names`` their names or
            None, and ``columns.find_indicators()`` finds the blocks of indicators in
            the training rows.

        Returns
        -------
        loss : Loss
            A loss that knows the positions of columns, for instance in `blocks`.
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


@dataclass(eq=False)
class MixedLoss(Loss):
    r"""Squared error for numbers and cross-entropy for categories.

    It is the sum of :math:`\frac12 (x_j - \hat x_j)^2` over the columns that are
    numbers, of :math:`-\sum_{j \in b} x_j \log \hat x_j` over the blocks :math:`b` of
    indicators of a category, and of the binary cross-entropy over single indicators of
    yes or no. Within a block the network's outputs are probabilities that add up to 1.

    A row of zeros in a block, as `sklearn.preprocessing.OneHotEncoder` makes of an
    unknown category, adds nothing. Numbers should be standardised, so that they count
    as much as categories do.

    Parameters
    ----------
    categories : "auto" or list, default="auto"
        The columns of the target that are indicators. Each entry of a list is a block,
        as a slice or a list of columns, or a single column. Columns are given by
        position or, if `X` is a data frame and its own target, by name.

        "auto" finds them by their values in the training rows: from left to right, the
        shortest run of adjacent columns of zeros and ones whose rows all add up to 1 is
        a block. Other columns with zeros and ones only are single indicators, if they
        have both. If there is none, `fit` warns, and the loss is `SquaredError`.

    weight : float, default=1.0
        Factor of the cross-entropies, above 0.

    See Also
    --------
    BinaryCrossEntropy : If all columns are in [0, 1].
    sklearn_ae.objectives.losses.mixed_errors : The loss of each entry, as a function.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.objectives import MixedLoss
    >>> rng = np.random.default_rng(0)
    >>> number = rng.normal(size=(300, 1))
    >>> size = np.digitize(number, [-1, 1]) == [0, 1, 2]  # small, medium or large
    >>> X = np.hstack([number, size])
    >>> loss = MixedLoss(categories=[slice(1, 4)])
    >>> autoencoder = Autoencoder(
    ...     1, loss=loss, validation=None, max_epochs=30, random_state=0
    ... )
    >>> probabilities = autoencoder.fit(X).reconstruct(X)[:, 1:]
    >>> probabilities.sum(axis=1).round(3)[:3]
    array([1., 1., 1.])
    >>> bool((probabilities.argmax(axis=1) == size.argmax(axis=1)).mean() > 0.9)
    True
    """

    categories: Any = "auto"
    weight: float = 1.0
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "categories": [StrOptions({"auto"}), list, tuple],
        "weight": [Interval(Real, 0, None, closed="neither")],
    }
    uses_own_generator: ClassVar[bool] = True

    def check(self) -> None:
        """Raise a ValueError if a field is invalid."""
        # Not what a call returns: the columns are those of a table.
        validate_params(self)

    def __call__(self, reconstruction: Tensor, target: Tensor, total: bool = False):  # type: ignore[no-untyped-def]
        errors = mixed_errors(reconstruction, target, self.categories, self.weight)
        return errors.sum((-2, -1) if total else -1)

    @property
    def blocks(self) -> Blocks:  # type: ignore[override]
        """The columns of each category, once they are known."""
        return self.categories

    def for_columns(self, columns: Columns) -> Loss:
        """Return the loss with the positions of the columns of `categories`.

        Parameters
        ----------
        columns : object
            See `Loss.for_columns`.

        Returns
        -------
        loss : Loss
            A `MixedLoss`, or `SquaredError` if there are no categories.
        """
        if isinstance(self.categories, str):
            found = columns.find_indicators()
            if not found:
                warnings.warn(
                    f"loss={self!r} found no columns of zeros and ones, so that all "
                    "columns count by their squared error. Encode categories with "
                    "OneHotEncoder, and do not scale the indicators.",
                    UserWarning,
                    stacklevel=2,
                )
        else:
            found = resolved_blocks(self.categories, columns, "categories")
        return replace(self, categories=found) if found else SquaredError()


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
    "mixed": MixedLoss(),
}
