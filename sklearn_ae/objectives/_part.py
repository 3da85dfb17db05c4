"""Base class of losses, penalties and corruptions: fields that are parameters."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_ae._sklearn_compat import is_scalar_nan, validate_params


def are_equal(a: Any, b: Any) -> bool:
    """Whether two values are equal; arrays if all entries are. NaN equals NaN."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    if is_scalar_nan(a):
        return is_scalar_nan(b)
    try:
        return bool(a == b)
    except (ValueError, TypeError, RuntimeError):
        return False


class Part(BaseEstimator):
    """An object with plain fields that scikit-learn can read, set and clone.

    Parts of the same class with equal fields are equal.
    """

    # Whether all random numbers come from the generator that the part is given. If not,
    # torch's global generator is seeded before training and restored afterwards.
    uses_own_generator: ClassVar[bool] = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    def check(self) -> None:
        """Raise a ValueError if a field is invalid."""
        validate_params(self)

    def __eq__(self, other: object) -> Any:
        if type(self) is not type(other):
            return NotImplemented
        ours, theirs = self.get_params(deep=False), other.get_params(deep=False)
        return all(are_equal(value, theirs[name]) for name, value in ours.items())

    __hash__ = None  # type: ignore[assignment]
