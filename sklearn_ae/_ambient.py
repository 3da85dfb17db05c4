"""Torch with its default modes, whatever the caller has set."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

# Torch's settings for products in single precision, which belong to the process.
_BACKENDS: Any = torch.backends
_PRODUCTS = (_BACKENDS.mkldnn.matmul, _BACKENDS.cuda.matmul)
_EXACT = ("none", "ieee")
_lock = threading.Lock()
# The settings before the first of the present blocks, one entry for each block.
_before: list[list[str]] = []


@contextmanager
def _exact_products() -> Iterator[None]:
    """Compute products in single precision, not in less, in the whole process.

    The last of several blocks in different threads restores what was set.
    """
    with _lock:
        now = [product.fp32_precision for product in _PRODUCTS]
        _before.append(_before[0] if _before else now)
        for product in _PRODUCTS:
            product.fp32_precision = "ieee"
    try:
        yield
    finally:
        with _lock:
            before = _before.pop()
            if not _before:
                for product, precision in zip(_PRODUCTS, before, strict=True):
                    product.fp32_precision = precision


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
        with (
            np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"),
            ExitStack() as stack,
        ):
            if _before or any(p.fp32_precision not in _EXACT for p in _PRODUCTS):
                stack.enter_context(_exact_products())
            if torch.is_inference_mode_enabled():
                stack.enter_context(torch.inference_mode(False))
            # Faster than `torch.get_default_device`.
            if not torch.empty(0).is_cpu:
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
