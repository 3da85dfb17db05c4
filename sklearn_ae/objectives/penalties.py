"""Penalties added to the reconstruction loss; each returns one number."""

from collections.abc import Iterable

import torch
from torch import Tensor


def l1_norm(weights: Iterable[Tensor]) -> Tensor:
    """``sum |W|`` over all entries of all weight matrices."""
    return torch.stack([weight.abs().sum() for weight in weights]).sum()


def half_squared_l2_norm(weights: Iterable[Tensor]) -> Tensor:
    """``1/2 sum W^2`` over all entries of all weight matrices."""
    return torch.stack([weight.square().sum() for weight in weights]).sum() / 2


PENALTIES = {"l1": l1_norm, "l2": half_squared_l2_norm}
