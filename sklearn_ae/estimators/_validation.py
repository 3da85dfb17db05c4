"""Validation of the arguments of `fit`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklearn_ae._sklearn_compat import check_sample_weight

# Arguments of `check_array` and `validate_data` for all tables.
TABLE_CHECKS = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}

# Usual numbers of channels of an image.
_CHANNELS = (1, 3, 4)


@contextmanager
def flat_rows_wanted(X: Any, name: str = "X") -> Iterator[None]:
    """Around a validation: the error for images and the like says how to pass them."""
    try:
        yield
    except ValueError as error:
        try:
            shape = np.shape(X)
        except ValueError:  # a ragged list
            shape = ()
        if len(shape) < 3:
            raise
        flat, (n_rows, *sides) = f"{name}.reshape(len({name}), -1)", shape
        if len(sides) == 3 and sides[2] in _CHANNELS and sides[0] not in _CHANNELS:
            # Convolutions take the channels first.
            flat = f"{name}.transpose(0, 3, 1, 2).reshape(len({name}), -1)"
        raise ValueError(
            f"{name} has the shape {tuple(shape)}, but must be a table with one row "
            f"for each sample. Pass {flat}, of shape ({n_rows}, {prod(sides)})."
        ) from error


@dataclass(frozen=True)
class TrainingData:
    """Validated input of a fit.

    Parameters
    ----------
    X, target : ndarray or CSR
        `target` is None if `X` is its own target.
    weight : ndarray of shape (n_samples,) or None
        Weights with a mean of one over `rows`. None if they are all equal there.
    rows : ndarray of int
        The rows with positive weight.
    n_features, n_outputs : int
        Numbers of columns of `X` and of the target.
    """

    X: Any
    target: Any
    weight: np.ndarray | None
    rows: np.ndarray
    n_features: int
    n_outputs: int


def validate_training_data(
    estimator: Any, X: Any, X_target: Any, sample_weight: Any, *, reset: bool
) -> TrainingData:
    """Check the arguments of `fit`. `reset` means a first fit."""
    least = 2 if reset else 1
    with flat_rows_wanted(X):
        X = validate_data(
            estimator, X, reset=reset, ensure_min_samples=least, **TABLE_CHECKS
        )
    target = None
    if X_target is not None:
        with flat_rows_wanted(X_target, "X_target"):
            target = check_array(X_target, input_name="X_target", **TABLE_CHECKS)
        if target.shape[0] != X.shape[0]:
            raise ValueError(
                f"X_target has {target.shape[0]} rows, but X has {X.shape[0]}; both "
                "must have the same number."
            )
    weight, rows = validate_weight(sample_weight, X, min_rows=least)
    if weight is not None:
        if np.ptp(weight[rows]) == 0:
            weight = None
        else:
            weight = weight * (len(rows) / weight.sum())
    n_outputs = X.shape[1] if target is None else target.shape[1]
    return TrainingData(X, target, weight, rows, X.shape[1], n_outputs)


def validate_weight(
    sample_weight: Any, X: Any, *, min_rows: int
) -> tuple[np.ndarray | None, np.ndarray]:
    """The weights in double precision, if any, and the rows with positive weight."""
    if sample_weight is None:
        return None, np.arange(X.shape[0])
    weight = check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    rows = np.flatnonzero(weight)
    if len(rows) == 0:
        raise ValueError(
            "All entries of sample_weight are zero; at least one weight must be "
            "positive."
        )
    if len(rows) < min_rows:
        raise ValueError(
            f"sample_weight is positive for only {len(rows)} row; a first fit needs "
            f"at least {min_rows} rows."
        )
    return weight, rows


def is_positive_integer(value: Any) -> bool:
    """Whether it is an integer of at least 1, and not a boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1
