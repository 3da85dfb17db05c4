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
    """Add normal noise of standard deviation `level`."""
    return x + level * torch.empty_like(x).normal_(generator=generator)


def masking(x: Tensor, generator: torch.Generator | None, *, level: float) -> Tensor:
    """Set a random share `level` of the entries to zero."""
    return x * torch.empty_like(x).bernoulli_(1 - level, generator=generator)


def salt_and_pepper(
    x: Tensor,
    generator: torch.Generator | None,
    *,
    level: float,
    low: float,
    high: float,
) -> Tensor:
    """Set a random share `level` of the entries to `low` or `high`, by a fair coin."""
    uniform = torch.empty_like(x).uniform_(generator=generator)
    x = torch.where(uniform < level, high, x)
    return torch.where(uniform < level / 2, low, x)


CORRUPTIONS: dict[str, Callable[..., Tensor]] = {
    "gaussian": gaussian,
    "masking": masking,
    "salt_and_pepper": salt_and_pepper,
}
