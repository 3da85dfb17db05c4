"""Data through a fitted module, a block of rows at a time."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from sklearn_ae.data.batches import dense_rows, rows_per_block

# Rows that pass through the module at a time, at most.
ROWS = 4096


def module_outputs(
    module: Any,
    apply: Callable[[Any, torch.Tensor], torch.Tensor],
    X: Any,
    device: str,
    *,
    width: int = 1,
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Where a block of rows of `X` is, the rows, and ``apply(module, rows)``.

    `width` is how many numbers a row takes on its way, if more than it has features.

    Computes in the precision of `X`, since single precision depends on the number of
    rows that are computed together: by 1e-7, less than what it promises, but more
    than double precision does. Apple's GPUs know single precision only.
    """
    dtype = torch.float32
    if X.dtype == np.float64 and torch.device(device).type != "mps":
        dtype = torch.float64
        module = copy.deepcopy(module).double()
    step = min(ROWS, rows_per_block(max(X.shape[1], width)))
    for start in range(0, X.shape[0], step):
        where = slice(start, start + step)
        block = dense_rows(X, where)
        # Torch warns of memory that is read-only, and takes no negative strides.
        rows = np.require(block, requirements=["C", "W"])
        # Not inference mode, in which Jacobians cannot be had.
        with torch.no_grad():
            output = apply(module, torch.from_numpy(rows).to(device, dtype))
        yield where, block, output.cpu().numpy()


def checked_codes(
    module: Any, x: torch.Tensor, n_components: int, n_outputs: int
) -> np.ndarray:
    """The codes of some rows; a ValueError unless codes and outputs fit in width."""
    module.eval()
    with torch.no_grad():
        code = module.encode(x)
        output = module.decode(code)
    for name, tensor, width in (
        ("encode", code, n_components),
        ("decode", output, n_outputs),
    ):
        if tensor.shape != (len(x), width):
            raise ValueError(
                f"{name} gives shape {tuple(tensor.shape)} for {len(x)} rows, not "
                f"({len(x)}, {width})"
            )
    return code.cpu().numpy()
