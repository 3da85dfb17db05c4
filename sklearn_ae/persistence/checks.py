"""Checks of what comes out of files: versions, and shapes of arrays."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import Any

import numpy as np
import sklearn
from sklearn.exceptions import InconsistentVersionWarning

from sklearn_ae._failures import OUT_OF_MEMORY


def package_version() -> str:
    """The version of this package."""
    # Late, since the package imports this module first.
    from sklearn_ae import __version__

    return __version__


def versions() -> dict[str, str]:
    """What the state of a fitted estimator says about its origin."""
    # The second as scikit-learn names it, which stores it for its own classes only.
    return {
        "_sklearn_ae_version": package_version(),
        "_sklearn_version": sklearn.__version__,
    }


def take_versions(name: str, state: dict[str, Any]) -> str | None:
    """Take the versions out of a state, and warn if they are not those of today.

    Returns the version of this package that saved it, or None.
    """
    current = versions()
    saved = {key: state.pop(key, None) for key in current}
    version = saved["_sklearn_ae_version"]
    if version is None:
        return None
    if version != current["_sklearn_ae_version"]:
        warnings.warn(
            f"This {name} was saved by sklearn_ae {version} and is loaded by "
            f"{current['_sklearn_ae_version']}: results may differ.",
            UserWarning,
            stacklevel=5,
        )
    if saved["_sklearn_version"] != current["_sklearn_version"]:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=name,
                current_sklearn_version=current["_sklearn_version"],
                original_sklearn_version=saved["_sklearn_version"],
            ),
            stacklevel=5,
        )
    return version


@contextmanager
def loading(estimator: Any, state: Any) -> Iterator[tuple[dict[str, Any], bool]]:
    """Give a copy of a state without its versions, and whether it had any.

    An error in the block becomes an `UnpicklingError` that says what to do.
    """
    name, version = type(estimator).__name__, None
    current = package_version()
    if isinstance(state, dict):
        state = state.copy()
        version = take_versions(name, state)
    try:
        if not isinstance(state, dict):
            raise TypeError(f"its state is of type {type(state).__name__}, not dict")
        if version == current:
            _check_parameters(estimator, state)
        yield state, version is not None
    except OUT_OF_MEMORY:
        raise
    except Exception as error:
        raise UnpicklingError(
            f"This {name} cannot be loaded: {type(error).__name__}: {error}. It was "
            f"saved by sklearn_ae {version}, and this is {current}. If the file is "
            "intact, load it with the version that saved it, or fit it again."
        ) from error


def _check_parameters(estimator: Any, state: dict[str, Any]) -> None:
    """Raise a ValueError if a parameter is missing, as under the name of another class.

    Subclasses outside of the package may have got more parameters since. So may files
    of earlier versions, for which the defaults are right.
    """
    if type(estimator).__module__.partition(".")[0] != __package__.partition(".")[0]:
        return
    missing = sorted(estimator.get_params(deep=False).keys() - state.keys())
    if missing:
        raise ValueError(f"it has no parameters {missing}")


def check_shape(name: str, value: Any, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if a value is not an array of numbers with this shape."""
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{name} is of type {type(value).__name__}, not an array")
    if value.shape != shape:
        raise ValueError(f"{name} has shape {value.shape}, not {shape}")
    if value.dtype.kind not in "biufc":
        raise ValueError(f"{name} contains {value.dtype}, not numbers")
