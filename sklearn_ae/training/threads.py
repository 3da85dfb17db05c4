"""As many threads as suit the size of a net, and never more than there were."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

# Products of a weight and a number, in one step, that are worth a thread. With as many
# for each of two threads a step takes about 0.7 of its time on one; with a tenth of it
# the time is the same, at twice the cost. Where other processes want the same cores,
# threads that wait for each other may make a step a hundred times slower.
WORK_PER_THREAD = 2**24


def suitable_number(module: Any, batch_size: int, limit: int) -> int:
    """How many threads, at most `limit`, are worth their while in a step.

    One for each `WORK_PER_THREAD` of the products of a dense network. Others, whose
    weights serve many times a row, take all there are.
    """
    parameters = list(module.parameters())
    if any(parameter.ndim > 2 for parameter in parameters):
        return limit
    work = batch_size * sum(math.prod(parameter.shape) for parameter in parameters)
    return max(1, min(limit, work // WORK_PER_THREAD))


@contextmanager
def suitable_threads(module: Any, batch_size: int) -> Iterator[None]:
    """Let torch use as many threads as suit `module`, in this thread and this block.

    Never more than before: what the environment, joblib or `threadpool_limits` allow
    stays the most. The limit is one on OpenMP in the calling thread; after a call of
    ``torch.set_num_threads`` the products of MKL keep to what was set there.
    """
    with limited_threads(suitable_number(module, batch_size, torch.get_num_threads())):
        yield


@contextmanager
def limited_threads(number: int) -> Iterator[None]:
    """Let torch use at most `number` threads, in this thread and this block."""
    # The first question in a thread makes torch set it up, which undoes earlier limits.
    if torch.get_num_threads() <= number:
        yield
        return
    openmp = _openmp()
    wider = [
        library.filepath
        for library in openmp.lib_controllers
        if library.num_threads > number
    ]
    with openmp.select(filepath=wider).limit(limits=number):
        yield


@cache
def _openmp() -> Any:
    # Once, since it looks through all libraries of the process; torch's is there.
    return ThreadpoolController().select(user_api="openmp")
