"""Data through a fitted module, a block of rows at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from sklearn_ae._ambient import default_modes
from sklearn_ae._failures import network_failures_named
from sklearn_ae.data.tables import dense_rows, rows_per_block

# Rows that pass through the module at a time, at most.
ROWS = 4096


def module_outputs(
    module: Any,
    apply: Callable[[Any, torch.Tensor], torch.Tensor],
    X: Any,
    device: str,
    *,
    width: int = 1,
    doubles: bool = False,
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Slices of `X`, their rows, and ``apply(module, rows)``, a block at a time.

    `module` is a `Standardized`. `width` is the number of values that a row takes on
    its way, if that is more than it has features.

    Computes in the precision of `X`, or in double precision with `doubles`: results in
    single precision depend on the number of rows that are computed together, by about
    1e-7. Apple's GPUs know single precision only.
    """
    dtype = torch.float32
    if (doubles or X.dtype == np.float64) and torch.device(device).type != "mps":
        dtype = torch.float64
    step = min(ROWS, rows_per_block(max(X.shape[1], width)))
    for start in range(0, X.shape[0], step):
        where = slice(start, start + step)
        block = dense_rows(X, where)
        # Not inference mode, in which Jacobians cannot be had.
        with network_failures_named(), default_modes(), torch.no_grad():
            if start == 0 and dtype == torch.float64:
                module = module.in_double_precision()
            output = apply(module, as_tensor(block).to(device, dtype)).cpu().numpy()
        yield where, block, output


def as_tensor(block: np.ndarray) -> torch.Tensor:
    """The block as a tensor, which shares its memory if it can."""
    # Torch warns of memory that is read-only, and takes no negative strides, which a
    # single row has in spite of being in C order.
    if not block.flags.writeable or min(block.strides, default=0) < 0:
        block = block.copy()
    return torch.from_numpy(block)
