"""Corruptions: noise put on inputs that a network is to undo.

Each takes a batch of shape (n, p) and a `torch.Generator` on the device of the batch,
and returns a new tensor of that shape [1]_.

References
----------
.. [1] Vincent et al. (2010). "Stacked denoising autoencoders". Journal of Machine
   Learning Research 11.
"""

from collections.abc import Callable

import torch
from torch import Tensor


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


CORRUPTIONS: dict[str, Callable[..., Tensor]] = {
    "gaussian": gaussian,
    "masking": masking,
    "salt_and_pepper": salt_and_pepper,
}
