"""Torch with its default modes, whatever the caller has set."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch


class _FullPrecision:
    """Exact products in single precision, in the whole process.

    Torch has one setting for all threads: the first block that begins changes it, and
    the last one that ends restores it.
    """

    def __init__(self) -> None:
        backends: Any = torch.backends
        self._products = (backends.mkldnn.matmul, backends.cuda.matmul)
        self._lock = threading.Lock()
        self._n_blocks = 0
        self._before: list[str] = []

    def __enter__(self) -> None:
        with self._lock:
            if self._n_blocks == 0:
                self._before = [product.fp32_precision for product in self._products]
                for product in self._products:
                    product.fp32_precision = "ieee"
            self._n_blocks += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._n_blocks -= 1
            if self._n_blocks == 0:
                for product, before in zip(self._products, self._before, strict=True):
                    product.fp32_precision = before


_full_precision = _FullPrecision()


@contextmanager
def default_modes() -> Iterator[None]:
    """Compute in this block as if the caller had changed none of torch's modes.

    These are inference mode, disabled gradients, autocast, a default device, and
    products of reduced precision; also NumPy's error handling. The default dtype, which
    belongs to all threads, stays: tensors are made with a dtype.

    However the block ends, gradients are enabled or not as before: an interrupt between
    two lines of `torch.no_grad` would leave them disabled for the rest of the process.
    """
    had_gradients = torch.is_grad_enabled()
    try:
        with ExitStack() as stack:
            stack.enter_context(
                np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
            )
            stack.enter_context(_full_precision)
            if torch.is_inference_mode_enabled():
                stack.enter_context(torch.inference_mode(False))
            if torch.get_default_device() != torch.device("cpu"):
                stack.enter_context(torch.device("cpu"))
            for device in ("cpu", "cuda", "mps"):
                if torch.is_autocast_enabled(device):
                    stack.enter_context(torch.autocast(device, enabled=False))
            if not torch.is_grad_enabled():
                torch.set_grad_enabled(True)
            yield
    finally:
        if torch.is_grad_enabled() != had_gradients:
            torch.set_grad_enabled(had_gradients)
