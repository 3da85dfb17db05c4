"""Base class of losses, penalties and corruptions: fields that are parameters."""

from typing import Any, ClassVar

from sklearn.base import BaseEstimator


class Part(BaseEstimator):
    """An object with plain fields that scikit-learn can read, set and clone.

    Parts of the same class with equal fields are equal.
    """

    # Whether all random numbers come from the generator that the part is given. If not,
    # torch's global generator is seeded before training and restored afterwards.
    uses_own_generator: ClassVar[bool] = False

    def __eq__(self, other: object) -> Any:
        if type(self) is not type(other):
            return NotImplemented
        return self.get_params(deep=False) == other.get_params(deep=False)

    __hash__ = None  # type: ignore[assignment]
