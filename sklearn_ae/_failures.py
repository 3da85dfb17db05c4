"""Errors of user-defined networks."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

# Errors of the machine, which keep their type wherever they are raised.
OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)


@contextmanager
def network_failures_named() -> Iterator[None]:
    """Turn an error inside a user-defined network into a ValueError that says so.

    Networks are called from many places; the traceback tells whether one has failed.
    """
    try:
        yield
    except OUT_OF_MEMORY:
        raise
    except Exception as error:
        cls = _failed_network(error)
        if cls is None:
            raise
        raise ValueError(
            f"network={cls!r} failed: {type(error).__name__}: {error}"
        ) from error


def _failed_network(error: Exception) -> type | None:
    """The class of the user-defined network that raised an error, if one has."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        # Of a method, the object that it belongs to, usually `self`.
        owner = frame.f_locals.get(next(iter(frame.f_code.co_varnames), ""))
        is_network = isinstance(owner, nn.Module) and all(
            callable(getattr(owner, name, None)) for name in ("encode", "decode")
        )
        if is_network and type(owner).__module__.split(".")[0] != __package__:
            return type(owner)
    return None
