"""Corruptions: noise on the inputs, which the network learns to remove.

Each function takes a batch of shape (n, p) and a `torch.Generator` on the device of the
batch, and returns a new tensor of that shape [1]_.

References
----------
.. [1] Vincent et al. (2010). "Stacked denoising autoencoders". Journal of Machine
   Learning Research 11.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sklearn_ae._units import Affine
from sklearn_ae.objectives._part import Part


def gaussian(x: Tensor, generator: torch.Generator | None, *, level: float) -> Tensor:
    """Add normal noise.

    Parameters
    ----------
    x : tensor of shape (n, p)
        A batch; it is left as it is.

    generator : torch.Generator or None
        Draws the noise, on the device of `x`; None takes torch's global one.

    level : float
        Standard deviation, in the units of `x`.

    Returns
    -------
    corrupted : tensor of shape (n, p)
        The batch with noise on every entry.
    """
    return x + level * torch.empty_like(x).normal_(generator=generator)


def masking(x: Tensor, generator: torch.Generator | None, *, level: float) -> Tensor:
    """Set random entries to zero.

    Parameters
    ----------
    x : tensor of shape (n, p)
        A batch; it is left as it is.

    generator : torch.Generator or None
        Draws the noise, on the device of `x`; None takes torch's global one.

    level : float
        Probability of an entry to be zeroed, in [0, 1].

    Returns
    -------
    corrupted : tensor of shape (n, p)
        The batch with about that share of zeros.
    """
    return x * torch.empty_like(x).bernoulli_(1 - level, generator=generator)


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
        A batch; it is left as it is.

    generator : torch.Generator or None
        Draws the noise, on the device of `x`; None takes torch's global one.

    level : float
        Probability of an entry to be replaced, in [0, 1].

    low : float
        The one value, usually the smallest in the data.

    high : float
        The other.

    Returns
    -------
    corrupted : tensor of shape (n, p)
        The batch with about that share of `low` and `high`.
    """
    uniform = torch.empty_like(x).uniform_(generator=generator)
    x = torch.where(uniform < level, high, x)
    return torch.where(uniform < level / 2, low, x)


class Corruption(Part):
    """A corruption of batches. Derive from it, or pass any callable.

    A subclass defines ``__call__(x, generator)``: it takes a tensor of shape (n, p) in
    the units of the data and a `torch.Generator`, and returns a new tensor of that
    shape.
    """

    __call__: Callable[..., Tensor]


@dataclass(eq=False)
class GaussianNoise(Corruption):
    """Adds normal noise; see `gaussian`.

    Parameters
    ----------
    level : float, default=0.3
        Standard deviation, in the units of the data, at least 0.
    """

    level: float = 0.3
    uses_own_generator: ClassVar[bool] = True

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return gaussian(x, generator, level=self.level)


@dataclass(eq=False)
class MaskingNoise(Corruption):
    """Sets random entries to zero; see `masking`.

    Parameters
    ----------
    level : float, default=0.3
        Probability of an entry to be zeroed, in [0, 1].
    """

    level: float = 0.3
    uses_own_generator: ClassVar[bool] = True

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return masking(x, generator, level=self.level)


@dataclass(eq=False)
class SaltAndPepper(Corruption):
    """Sets random entries to one of two values; see `salt_and_pepper`.

    Parameters
    ----------
    level : float, default=0.3
        Probability of an entry to be replaced, in [0, 1].

    low, high : float, default=0.0, 1.0
        The two values, in the units of the data.
    """

    level: float = 0.3
    low: float = 0.0
    high: float = 1.0
    uses_own_generator: ClassVar[bool] = True

    def __call__(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        return salt_and_pepper(
            x, generator, level=self.level, low=self.low, high=self.high
        )


def corrupt_standardized(
    corrupt: Callable[[Tensor, torch.Generator], Tensor],
    x: Tensor,
    generator: torch.Generator,
    units: Affine,
) -> Tensor:
    """Corrupt rows in units of the network by a corruption in units of the data.

    Raises
    ------
    ValueError
        If the corruption returns anything but a tensor of the shape of `x`.
    """
    mean = torch.from_numpy(units.mean).to(x.device, x.dtype)
    noisy = corrupt(x * units.scale + mean, generator)
    if not isinstance(noisy, Tensor) or noisy.shape != x.shape:
        got = getattr(noisy, "shape", None)
        what = type(noisy).__name__ if got is None else f"shape {tuple(got)}"
        raise ValueError(
            f"corruption={corrupt!r} must return a torch tensor of the shape "
            f"{tuple(x.shape)} of the batch, but returned {what}."
        )
    return (noisy.to(x.dtype) - mean) / units.scale
