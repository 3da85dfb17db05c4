"""Corruptions: noise on the inputs, which the network learns to remove.

Each function takes a batch of shape (n, p) and a `torch.Generator` on the device of the
batch, and returns a new tensor of that shape [1]_.

References
----------
.. [1] Vincent et al. (2010). "Stacked denoising autoencoders". Journal of Machine
   Learning Research 11.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sklearn_ae._sklearn_compat import Interval
from sklearn_ae._units import Affine
from sklearn_ae.objectives._columns import Blocks, Columns, resolved_blocks
from sklearn_ae.objectives._part import Part

# Means of so many times the scale of the data need double precision.
FAR = 2.0**10

SHARE = [Interval(Real, 0, 1, closed="both")]


def gaussian(x: Tensor, generator: torch.Generator | None, *, level: float) -> Tensor:
    """Add normal noise.

    Parameters
    ----------
    x : tensor of shape (n, p)
        A batch, which is not changed.

    generator : torch.Generator or None
        Generator for the noise, on the device of `x`. None uses torch's global one.

    level : float
        Standard deviation, in the units of `x`.

    Returns
    -------
    corrupted : tensor of shape (n, p)
        The batch with noise on every entry.
    """
    return x + level * torch.empty_like(x).normal_(generator=generator)


def masking(
    x: Tensor,
    generator: torch.Generator | None,
    *,
    level: float,
    value: float = 0.0,
) -> Tensor:
    """Set random entries to a value.

    Parameters
    ----------
    x : tensor of shape (n, p)
        A batch, which is not changed.

    generator : torch.Generator or None
        Generator for the noise, on the device of `x`. None uses torch's global one.

    level : float
        Probability that an entry is set to the value, in [0, 1].

    value : float, default=0.0
        The value. NaN hides entries: they are then missing.

    Returns
    -------
    corrupted : tensor of shape (n, p)
        The batch with about that share of replaced entries.
    """
    kept = torch.empty_like(x).bernoulli_(1 - level, generator=generator)
    return x * kept if value == 0 else x.masked_fill(kept == 0, value)


def salt_and_pepper(
    x: Tensor,
    generator: torch.Generator | None,
    *,
    level: float,
    low: float,
    high: float,
) -> Tensor:
    """Set random entries to one of two values, by a fair coin.

    Parameters
    ----------
    x : tensor of shape (n, p)
        A batch, which is not changed.

    generator : torch.Generator or None
        Generator for the noise, on the device of `x`. None uses torch's global one.

    level : float
        Probability that an entry is replaced, in [0, 1].

    low : float
        First value, usually the smallest in the data.

    high : float
        Second value, usually the largest in the data.

    Returns
    -------
    corrupted : tensor of shape (n, p)
        The batch with about that share of `low` and `high`.
    """
    uniform = torch.empty_like(x).uniform_(generator=generator)
    x = torch.where(uniform < level, high, x)
    return torch.where(uniform < level / 2, low, x)


def swap(
    x: Tensor,
    generator: torch.Generator | None,
    *,
    level: float,
    groups: Blocks = (),
) -> Tensor:
    """Replace random entries by those of other rows in the same columns.

    Parameters
    ----------
    x : tensor of shape (n, p)
        A batch, which is not changed.

    generator : torch.Generator or None
        Generator for the noise, on the device of `x`. None uses torch's global one.

    level : float
        Probability that an entry is replaced, in [0, 1].

    groups : tuple of tuples of int, default=()
        Columns whose entries come from the same row: replaced together, or not at all.

    Returns
    -------
    corrupted : tensor of shape (n, p)
        The batch with about that share of entries from other rows, each of which is
        equally likely. A single row is returned as it is.
    """
    n = len(x)
    if n == 1:
        return x.clone()
    is_replaced = torch.empty_like(x).uniform_(generator=generator) < level
    steps = torch.empty_like(x, dtype=torch.int64).random_(1, n, generator=generator)
    for group in groups:
        columns = list(group)
        is_replaced[:, columns] = is_replaced[:, columns[:1]]
        steps[:, columns] = steps[:, columns[:1]]
    own = torch.arange(n, device=x.device).unsqueeze(1)
    return x.gather(0, torch.where(is_replaced, (own + steps) % n, own))


class Corruption(Part):
    """Base class of corruptions of the input.

    A subclass is a dataclass that defines ``__call__(x, generator)``. It takes a tensor
    of shape (n, p) in the units of the data, and a `torch.Generator` on its device. It
    returns a new tensor of the same shape. Any other callable with these arguments is
    a corruption, too; this class adds parameters that a grid search can set.

    Attributes
    ----------
    uses_own_generator : bool
        Whether all random numbers come from the generator that is passed. If False,
        torch's global generator is seeded before training and restored afterwards.

    See Also
    --------
    sklearn_ae.DenoisingAutoencoder : Its parameter `corruption` takes a corruption.

    Examples
    --------
    >>> from dataclasses import dataclass, replace
    >>> import torch
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import DenoisingAutoencoder
    >>> from sklearn_ae.objectives import Corruption
    >>> @dataclass(eq=False)
    ... class Dimming(Corruption):
    ...     lowest: float = 0.5
    ...     uses_own_generator = True
    ...
    ...     def __call__(self, x, generator):
    ...         brightness = torch.empty(len(x), 1, device=x.device)
    ...         return x * brightness.uniform_(self.lowest, 1, generator=generator)
    >>> X = load_digits().data / 16
    >>> denoiser = DenoisingAutoencoder(8, corruption=Dimming(), max_epochs=2)
    >>> denoiser.set_params(corruption__lowest=0.2).fit(X).reconstruct(X).shape
    (1797, 64)
    """

    __call__: Callable[..., Tensor]

    def for_columns(self, columns: Columns, categories: Blocks) -> "Corruption":
        """Return the corruption for a table with these columns.

        Override it if a parameter of the corruption names columns.

        Parameters
        ----------
        columns : object
            ``columns.n`` is the number of columns, and ``columns.names`` are their
            names or None.

        categories : tuple of tuples of int
            The columns that are categories to the loss, by block.

        Returns
        -------
        corruption : Corruption
            A corruption that knows the positions of columns.
        """
        return self


@dataclass(eq=False)
class GaussianNoise(Corruption):
    """Add normal noise to every entry.

    Parameters
    ----------
    level : float, default=0.3
        Standard deviation, in the units of the data, at least 0.

    See Also
    --------
    MaskingNoise : Sets entries to zero.
    sklearn_ae.objectives.corruptions.gaussian : The corruption as a function.
    """

    level: float = 0.3
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "level": [Interval(Real, 0, None, closed="left")]
    }
    uses_own_generator: ClassVar[bool] = True

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return gaussian(x, generator, level=self.level)


@dataclass(eq=False)
class MaskingNoise(Corruption):
    """Set random entries to zero, or hide them.

    Parameters
    ----------
    level : float, default=0.3
        Probability that an entry is replaced, in [0, 1].

    value : float, default=0.0
        What replaces an entry, in the units of the data. NaN makes it a missing entry,
        in whose place the network sees what is expected given the others. This needs
        an estimator with ``missing_values=np.nan``, which hides a fifth of the entries
        by itself if the training table has gaps; this corruption hides more.

    See Also
    --------
    SaltAndPepper : Sets entries to one of two values.
    sklearn_ae.objectives.corruptions.masking : The corruption as a function.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import DenoisingAutoencoder
    >>> from sklearn_ae.objectives import MaskingNoise
    >>> X = load_digits().data[:500] / 16
    >>> denoiser = DenoisingAutoencoder(
    ...     16,
    ...     corruption=MaskingNoise(0.4, value=np.nan),
    ...     missing_values=np.nan,
    ...     max_epochs=10,
    ...     random_state=0,
    ... ).fit(X)
    >>> upper_half = X.copy()
    >>> upper_half[:, 32:] = np.nan
    >>> lower_half = denoiser.reconstruct(upper_half)[:, 32:]
    >>> by_mean = X[:, 32:].mean(axis=0)
    >>> errors = (np.square(Y - X[:, 32:]).mean() for Y in (lower_half, by_mean))
    >>> bool(next(errors) < 0.8 * next(errors))
    True
    """

    level: float = 0.3
    value: float = 0.0
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "level": SHARE,
        "value": [Interval(Real, None, None, closed="neither"), "nan"],
    }
    uses_own_generator: ClassVar[bool] = True

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return masking(x, generator, level=self.level, value=self.value)


@dataclass(eq=False)
class SaltAndPepper(Corruption):
    """Set random entries to one of two values, each with the same probability.

    Parameters
    ----------
    level : float, default=0.3
        Probability that an entry is replaced, in [0, 1].

    low : float, default=0.0
        First value, in the units of the data.

    high : float, default=1.0
        Second value, in the units of the data.

    See Also
    --------
    MaskingNoise : Sets entries to zero.
    sklearn_ae.objectives.corruptions.salt_and_pepper : The corruption as a function.
    """

    level: float = 0.3
    low: float = 0.0
    high: float = 1.0
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"level": SHARE}
    uses_own_generator: ClassVar[bool] = True

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return salt_and_pepper(
            x, generator, level=self.level, low=self.low, high=self.high
        )


@dataclass(eq=False)
class SwapNoise(Corruption):
    """Replace random entries by those of other rows in the same columns.

    Columns keep their distributions, whatever their units, and lose their relations to
    each other. It suits tables, and has won a competition on one [1]_. The other rows
    are those of the same batch; where several processes train together, those of the
    batch that are on the same rank.

    Parameters
    ----------
    level : float, default=0.15
        Probability that an entry is replaced, in [0, 1].

    groups : list or None, default=None
        Columns that are replaced together, by entries of the same row, such as the
        indicators of a category. Each entry of the list is a slice or a list of columns
        of `X`, given by position or, if `X` is a data frame, by name. Other columns are
        replaced one by one. None stands for the categories of the loss, if it is a
        `MixedLoss` and `X` is its own target, and otherwise for no groups.

    See Also
    --------
    MaskingNoise : Sets entries to zero.
    sklearn_ae.objectives.corruptions.swap : The corruption as a function.

    References
    ----------
    .. [1] Jahrer (2017). "Winner's solution at Porto Seguro's safe driver prediction
       competition". https://kaggler.com/2017/12/01/winners-solution-porto-seguro.html

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_ae import DenoisingAutoencoder
    >>> from sklearn_ae.objectives import SwapNoise
    >>> X = load_iris().data
    >>> noise = SwapNoise(0.1, groups=[[0, 1], [2, 3]])  # sepals and petals
    >>> denoiser = DenoisingAutoencoder(2, corruption=noise, max_epochs=5)
    >>> denoiser.fit(X).reconstruct(X).shape
    (150, 4)
    """

    level: float = 0.15
    groups: Any = None
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "level": SHARE,
        "groups": [list, tuple, None],
    }
    uses_own_generator: ClassVar[bool] = True

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return swap(x, generator, level=self.level, groups=self.groups or ())

    def for_columns(self, columns: Columns, categories: Blocks) -> "SwapNoise":
        """Return the corruption with the positions of the columns of `groups`.

        Parameters
        ----------
        columns : object
            See `Corruption.for_columns`.

        categories : tuple of tuples of int
            The groups, if `groups` is None.

        Returns
        -------
        corruption : SwapNoise
            With groups of positions.
        """
        groups = categories
        if self.groups is not None:
            groups = resolved_blocks(self.groups, columns, "groups")
        return replace(self, groups=groups)


def corrupt_standardized(
    corrupt: Callable[[Tensor, torch.Generator], Tensor],
    x: Tensor,
    generator: torch.Generator,
    units: Affine,
) -> Tensor:
    """Corrupt rows in units of the network by a corruption in units of the data.

    Missing entries, which are NaN, stay missing.

    Raises
    ------
    ValueError
        If the corruption returns anything but a tensor of the shape of `x`.
    """
    dtype = x.dtype
    is_far = np.abs(units.mean).max(initial=0.0) > FAR * units.scale
    if is_far and x.device.type != "mps":
        # Rows that differ little from a large mean are equal in single precision.
        dtype = torch.float64
    mean = torch.from_numpy(units.mean).to(x.device, dtype)
    noisy = corrupt(x.to(dtype) * units.scale + mean, generator)
    if not isinstance(noisy, Tensor) or noisy.shape != x.shape:
        got = getattr(noisy, "shape", None)
        what = type(noisy).__name__ if got is None else f"shape {tuple(got)}"
        raise ValueError(
            f"corruption={corrupt!r} must return a torch tensor of the shape "
            f"{tuple(x.shape)} of the batch, but returned {what}."
        )
    noisy = ((noisy.to(dtype) - mean) / units.scale).to(x.dtype)
    return torch.where(x.isnan(), x, noisy)
