"""Corruptions of standardised batches, in the units of the data."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from sklearn_ae.objectives.corruptions import CORRUPTIONS
from sklearn_ae.data.batches import Affine


class Corruption:
    """A corruption of rows in the units of the data, for rows in those of the network.

    Parameters
    ----------
    corrupt : str or callable
        A name in `CORRUPTIONS`, or what is called as
        ``corrupt(x, generator, **params)`` and returns a tensor of the shape of `x`.
    params : mapping
        Its further arguments.
    standardize : Affine
        From the units of the data to those of the network.
    """

    def __init__(
        self,
        corrupt: str | Callable[..., Tensor],
        params: Mapping[str, Any],
        standardize: Affine,
    ) -> None:
        self.corrupt: Callable[..., Tensor]
        self.corrupt = CORRUPTIONS[corrupt] if isinstance(corrupt, str) else corrupt
        self.params = params
        self.scale = standardize.scale
        self.mean = torch.from_numpy(standardize.mean).float()

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        mean = self.mean.to(x.device)
        noisy = self.corrupt(x * self.scale + mean, generator, **self.params)
        if not isinstance(noisy, Tensor) or noisy.shape != x.shape:
            got = getattr(noisy, "shape", None)
            what = type(noisy).__name__ if got is None else f"shape {tuple(got)}"
            raise ValueError(
                f"corruption={self.corrupt!r} must return a torch tensor of the shape "
                f"{tuple(x.shape)} of the batch, but returned {what}."
            )
        return (noisy.to(x.dtype) - mean) / self.scale
