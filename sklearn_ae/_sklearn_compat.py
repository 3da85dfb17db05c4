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
from sklearn.utils.validation import _check_feature_names_in as check_feature_names_in
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


def has_callbacks(estimator: Any) -> bool:
    """Whether `set_callbacks` has given the estimator any."""
    return bool(getattr(estimator, "_skl_callbacks", None))


def tells_callbacks(estimator: Any) -> bool:
    """Whether it is in the middle of a fit of which callbacks are told."""
    return hasattr(estimator, "_callback_fit_ctx")


def callback_state(estimator: Any) -> dict[str, Any]:
    """The attributes that scikit-learn needs to tear callbacks down after a fit."""
    return {name: v for name, v in vars(estimator).items() if "_callback" in name}


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN or pandas.NA."""
    return value is None or is_scalar_nan(value) or is_pandas_na(value)


def input_positions(transformer: Any) -> dict[str, Any]:
    """The positions of the columns that each part of a `ColumnTransformer` takes."""
    return dict(transformer._transformer_to_input_indices)


def encoded_widths(encoder: Any) -> list[int]:
    """How many columns a `OneHotEncoder` makes of each of its own."""
    return list(encoder._n_features_outs)


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
    "callback_state",
    "check_feature_names_in",
    "check_sample_weight",
    "encoded_widths",
    "fit_context",
    "has_callbacks",
    "input_positions",
    "is_missing",
    "is_scalar_nan",
    "tells_callbacks",
    "validate_params",
]
