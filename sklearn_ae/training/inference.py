"""Data through a fitted module, a block of rows at a time."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from sklearn_ae.training.batches import dense_rows

# Rows that pass through the module at a time.
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
    for start in range(0, X.shape[0], ROWS):
        where = slice(start, start + ROWS)
        block = dense_rows(X, where)
        # Torch cannot wrap read-only memory without a warning.
        rows = block if block.flags.writeable else block.copy()
        with torch.inference_mode():
            output = apply(torch.from_numpy(rows).to(device, dtype))
        yield where, block, output.cpu().numpy()
