"""All that the package takes from scikit-learn's private modules."""

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
)
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

# Experimental: public once somebody has imported `enable_halving_search_cv`. That is
# left to the user, since it holds for the whole process.
try:
    from sklearn.model_selection import HalvingGridSearchCV, HalvingRandomSearchCV
except ImportError:
    from sklearn.model_selection._search_successive_halving import (
        HalvingGridSearchCV,
        HalvingRandomSearchCV,
    )

Method = TypeVar("Method", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """Validate the parameters before the method; its signature stays."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


# Experimental, in scikit-learn 1.9 and later.
try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Older versions of scikit-learn have no callbacks."""


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN or pandas.NA."""
    return value is None or is_scalar_nan(value) or is_pandas_na(value)


def validate_params(estimator: BaseEstimator) -> Any:
    """Raise a ValueError unless all parameters keep to their constraints."""
    return estimator._validate_params()


__all__ = [
    "CallbackSupportMixin",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "is_missing",
    "validate_params",
]
