"""Data through a fitted module, a block of rows at a time."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from sklearn_ae.training.batches import dense_rows, rows_per_block

# Rows that pass through the module at a time, at most.
ROWS = 4096


def module_outputs(
    module: Any, method: str, X: Any, device: str
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Where a block of rows of `X` is, the rows, and what `method` makes of them.

    Computes in the precision of `X`, since single precision depends on the number of
    rows that are computed together: by 1e-7, less than what it promises, but more
    than double precision does. Apple's GPUs know single precision only.
    """
    dtype = torch.float32
    if X.dtype == np.float64 and torch.device(device).type != "mps":
        dtype = torch.float64
        module = copy.deepcopy(module).double()
    apply = getattr(module, method)
    step = min(ROWS, rows_per_block(X.shape[1]))
    for start in range(0, X.shape[0], step):
        where = slice(start, start + step)
        block = dense_rows(X, where)
        # Torch warns of memory that is read-only, and takes no negative strides.
        rows = np.require(block, requirements=["C", "W"])
        with torch.inference_mode():
            output = apply(torch.from_numpy(rows).to(device, dtype))
        yield where, block, output.cpu().numpy()


def check_shapes(
    module: Any, n_features: int, n_components: int, n_outputs: int
) -> None:
    """Raise a ValueError unless codes and outputs have the right widths."""
    x = torch.zeros(2, n_features, device=next(module.parameters()).device)
    module.eval()
    with torch.inference_mode():
        code = module.encode(x)
        output = module.decode(code)
    for name, tensor, width in (
        ("encode", code, n_components),
        ("decode", output, n_outputs),
    ):
        if tensor.shape != (2, width):
            raise ValueError(
                f"{name} gives shape {tuple(tensor.shape)} for 2 rows, not (2, {width})"
            )
