"""The first steps of a pipeline, fitted once for all candidates that share them."""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from pickle import PicklingError
from typing import Any

import joblib
import numpy as np
from scipy import sparse

from sklearn_ae.batched import is_before_training


class PipelineCache:
    """The `memory` of a pipeline whose candidates are fitted by `run_together`.

    It has the part of the interface of `joblib.Memory` that pipelines use. Results stay
    in memory, and only those of steps before the first training are kept. As with
    `joblib.Memory` each fit is given a result of its own: later steps may overwrite it.
    """

    def __init__(self) -> None:
        self._results: dict[tuple[str, str], Any] = {}

    def __deepcopy__(self, memo: dict) -> "PipelineCache":
        return self  # clones of a pipeline share it

    def cache(
        self, function: Callable[..., Any], ignore: Sequence[str] = ()
    ) -> Callable[..., Any]:
        signature = inspect.signature(function)

        def cached(*args: Any, **kwargs: Any) -> Any:
            if not is_before_training():
                return function(*args, **kwargs)
            named = signature.bind(*args, **kwargs).arguments
            named = {name: v for name, v in named.items() if name not in ignore}
            # The estimator among them changes as it is fitted.
            data = {name: v for name, v in named.items() if not hasattr(v, "fit")}
            rest = {name: v for name, v in named.items() if name not in data}
            before, settings = _hash(data), _hash(rest)
            if before is None or settings is None:
                return function(*args, **kwargs)
            key = settings, before
            if key in self._results:
                return copy.deepcopy(self._results[key])
            result = function(*args, **kwargs)
            # A step that writes into its input does so for every fit, and one that
            # hands its input on, such as a view, hands on the fit's own.
            works_in_place = _hash(data) != before or _aliases(result, data.values())
            if is_before_training() and not works_in_place:
                try:
                    self._results[key] = copy.deepcopy(result)
                except Exception:
                    pass
            return result

        return cached


def _hash(values: dict[str, Any]) -> str | None:
    try:
        return joblib.hash(values)
    except (PicklingError, TypeError, AttributeError):
        return None


def _aliases(result: Any, values: Iterable[Any]) -> bool:
    """Whether a result may be, or share memory with, one of the values."""
    inputs = [part for value in values for part in _parts(value)]
    return any(
        one is other
        or (
            isinstance(one, np.ndarray)
            and isinstance(other, np.ndarray)
            and np.may_share_memory(one, other)
        )
        for one in _parts(result)
        for other in inputs
    )


def _parts(value: Any) -> Iterator[Any]:
    """Arrays and frames of a value."""
    if isinstance(value, tuple):
        for part in value:
            yield from _parts(part)
    elif isinstance(value, np.ndarray) or hasattr(value, "columns"):
        yield value
    elif sparse.issparse(value) and hasattr(value, "data"):
        yield value.data
