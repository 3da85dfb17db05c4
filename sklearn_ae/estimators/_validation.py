"""Validation of the data and the parts of an autoencoder before a fit."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklearn_ae._sklearn_compat import check_sample_weight
from sklearn_ae.estimators._parts import Parts
from sklearn_ae.networks.contract import check_network_class, is_network_class

# Arguments of `check_array` and `validate_data` for all tables.
TABLE_CHECKS = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}


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
    X = validate_data(
        estimator, X, reset=reset, ensure_min_samples=least, **TABLE_CHECKS
    )
    target = None
    if X_target is not None:
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


def check_parts(parts: Parts, data: TrainingData, n_components: int) -> None:
    """Raise a ValueError if parts contradict each other or the data."""
    sizes = parts.hidden_layer_sizes
    if not isinstance(sizes, str):
        for size in np.ravel(np.asarray(sizes, dtype=object)):
            if not isinstance(size, Integral) or size < 1:
                raise ValueError(
                    f"hidden_layer_sizes={sizes!r} must contain integers of at least 1."
                )
    has_class = is_network_class(parts.network)
    if has_class:
        check_network_class(parts.network)
    if parts.tied_weights and parts.network is not None:
        raise ValueError(
            "tied_weights=True needs the dense network, not "
            f"network={parts.network!r}; set tied_weights=False."
        )
    if parts.tied_weights and data.n_outputs != data.n_features:
        raise ValueError(
            f"tied_weights=True needs as many outputs as inputs ({data.n_features}), "
            f"but X_target has {data.n_outputs} columns."
        )
    for i, penalty in enumerate(parts.penalties.values()):
        if not penalty.weight >= 0:
            raise ValueError(
                f"penalties[{i}]={penalty!r} must have a weight of at least 0."
            )
    if parts.loss.needs_unit_interval:
        if not has_class and parts.output_activation not in {"auto", "sigmoid"}:
            raise ValueError(
                f"output_activation={parts.output_activation!r} does not keep the "
                f"output in [0, 1], which loss={parts.loss_name!r} needs; use "
                "'sigmoid' or 'auto'."
            )
        target = data.X if data.target is None else data.target
        _check_unit_interval(target, parts.loss_name)
    if not parts.starts_as_pca:
        return
    if parts.code_activation != "identity":
        raise ValueError(
            f"code_activation={parts.code_activation!r} cannot start as PCA; set "
            "init='random' or code_activation='identity'."
        )
    largest = min(len(data.rows), data.n_features)
    if n_components > largest:
        raise ValueError(
            f"n_components={n_components!r} must be at most min(n_samples, "
            f"n_features)={largest} with init='pca'; set init='random' for a wider "
            "code."
        )


def is_positive_integer(value: Any) -> bool:
    """Whether it is an integer of at least 1, and not a boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1


# Losses for any values, instead of losses that need values in [0, 1].
_FOR_ANY_VALUE = {"bernoulli": "gaussian"}


def _check_unit_interval(X: Any, loss: Any) -> None:
    values = X if isinstance(X, np.ndarray) else X.data
    low, high = values.min(initial=0), values.max(initial=0)
    if low < 0 or high > 1:
        instead = _FOR_ANY_VALUE.get(loss, "mse") if isinstance(loss, str) else "mse"
        raise ValueError(
            f"loss={loss!r} needs values in [0, 1], but they span [{low:.4g}, "
            f"{high:.4g}]. Scale them, for instance with MinMaxScaler, or choose "
            f"loss={instead!r}."
        )
