"""All that the package takes from scikit-learn's private modules."""

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
)
from sklearn.utils.validation import _check_sample_weight as check_sample_weight


def validate_params(estimator: BaseEstimator) -> Any:
    """Raise a ValueError unless all parameters keep to their constraints."""
    return estimator._validate_params()


__all__ = [
    "HasMethods",
    "Interval",
    "RealNotInt",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "validate_params",
]
