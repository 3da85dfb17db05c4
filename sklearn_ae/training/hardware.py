"""Devices, and the number of threads."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

# Multiplications in a step that justify another thread. With this many for each of two
# threads a step takes about 0.7 of its time on one thread; with a tenth of them it
# takes the same time at twice the cost. Where other processes use the same cores,
# threads that wait for each other can make a step a hundred times slower.
WORK_PER_THREAD = 2**24


@contextmanager
def suitable_threads(module: Any, batch_size: int) -> Iterator[None]:
    """Let torch use as many threads in this block as pay off in a step.

    Dense networks: one for each `WORK_PER_THREAD` multiplications. Convolutions use
    their weights many times a row and take all threads.

    Never more than before: what the environment, joblib or `threadpool_limits` allow
    stays the most. The limit is one on OpenMP in the calling thread; after a call of
    ``torch.set_num_threads`` the products of MKL keep to what was set there.
    """
    parameters = list(module.parameters())
    if any(parameter.ndim > 2 for parameter in parameters):
        yield
        return
    work = batch_size * sum(math.prod(parameter.shape) for parameter in parameters)
    with limited_threads(max(1, work // WORK_PER_THREAD)):
        yield


@contextmanager
def limited_threads(number: int, user_api: str = "openmp") -> Iterator[None]:
    """Use at most `number` threads in this block, and with OpenMP in this thread.

    "openmp" stands for torch, "blas" for linear algebra outside of it.
    """
    # The first question in a thread makes torch set it up, which undoes earlier limits.
    if user_api == "openmp" and torch.get_num_threads() <= number:
        yield
        return
    libraries = _libraries(user_api)
    # Not all of them: `limit` would also raise what is lower.
    wider = [
        library.filepath
        for library in libraries.lib_controllers
        if library.num_threads > number
    ]
    with libraries.select(filepath=wider).limit(limits=number):
        yield


@cache
def _libraries(user_api: str) -> Any:
    # Once, since it looks through all libraries of the process; torch's is there.
    return ThreadpoolController().select(user_api=user_api)


def is_available(device: str) -> bool:
    """Whether torch can put a tensor there and get it back."""
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return True


def resolve_device(device: str) -> str:
    """The name of a device that is there; "auto" is a GPU if there is one."""
    if device == "cpu":
        return device
    if device == "auto":
        return next((gpu for gpu in ("cuda", "mps") if is_available(gpu)), "cpu")
    if not is_available(device):
        raise ValueError(
            f"device={device!r} is not available to torch on this machine; use 'cpu' "
            "or 'auto'."
        )
    return device
