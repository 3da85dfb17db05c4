"""Reconstruction errors of rows that were held out."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_is_fitted

from sklearn_ae.data.tables import dense_rows, rows_per_block

# Rows per block, and rows from which the first scale is estimated.
ROWS = 4096
# The share of each feature's errors, the smallest ones, used for the first scale.
_CENTRAL = 0.75
# Share of the median squared scale that is added to that of each feature.
_SHRINKAGE = 0.1


@dataclass(frozen=True)
class Reconstructors:
    """The rows of `X`, and the estimators that reconstruct them.

    Parameters
    ----------
    X : ndarray or CSR
    parts : list of (estimator, ndarray of int)
        Estimators and the rows that each of them reconstructs.
    """

    X: Any
    parts: list[tuple[Any, np.ndarray]]

    def square_errors(self, subset=None) -> Iterator[tuple[np.ndarray, ...]]:
        """Indices of a block of rows, the rows, and their squared errors."""
        step = min(ROWS, rows_per_block(2 * self.X.shape[1]))
        for estimator, rows in self.parts:
            if subset is not None:
                rows = np.intersect1d(rows, subset, assume_unique=True)
            for start in range(0, len(rows), step):
                where = rows[start : start + step]
                block = dense_rows(self.X, where).astype(np.float64, copy=False)
                yield where, block, np.square(block - _reconstruct(estimator, block))

    def scores(self, square_scale: np.ndarray) -> np.ndarray:
        scores = np.empty(self.X.shape[0])
        for where, _, squares in self.square_errors():
            scores[where] = -np.mean(squares / square_scale, axis=1)
        return scores

    def square_scale(self, weight: np.ndarray) -> np.ndarray:
        """The squared scale of each feature, from rows of positive weight."""
        total = np.zeros(self.X.shape[1])
        low, high = total + np.inf, total - np.inf
        for where, block, squares in self.square_errors(np.flatnonzero(weight)):
            total += weight[where] @ squares
            low = np.minimum(low, block.min(axis=0))
            high = np.maximum(high, block.max(axis=0))
        return _shrink(total / weight.sum(), varies=low < high)

    def first_square_scale(self, weight: np.ndarray, rows) -> np.ndarray:
        """The same from the smaller errors of each feature, which is more robust."""
        blocks = zip(*self.square_errors(rows), strict=True)
        where, X, squares = (np.concatenate(found) for found in blocks)
        weight = weight[where, np.newaxis]
        weight = weight * (squares <= weighted_quantile(squares, _CENTRAL, weight))
        means = np.sum(weight * squares, axis=0) / weight.sum(axis=0)
        return _shrink(means, varies=X.min(axis=0) < X.max(axis=0))


class PrototypeFits:
    """Fits clones of a prototype to rows of `X`; a frozen one is used as is."""

    def __init__(self, prototype, X, weight, cv, rng):
        self.X, self.weight, self.cv, self.rng = X, weight, cv, rng
        self.is_frozen = isinstance(prototype, FrozenEstimator)
        self.prototype = clone(prototype)
        if self.is_frozen:
            check_is_fitted(self.prototype)
        else:
            _set_random_states(self.prototype, rng)

    def fit(self, keep: np.ndarray) -> Any:
        """An estimator that is fitted to the rows to keep."""
        if self.is_frozen:
            return self.prototype
        weight = {} if self.weight is None else {"sample_weight": self.weight[keep]}
        try:
            return clone(self.prototype).fit(self.X[np.flatnonzero(keep)], **weight)
        except ValueError as error:
            error.add_note(
                f"The error occurred in fitting the autoencoder to {keep.sum()} of "
                f"{len(keep)} rows; see the parameters cv and trimming."
            )
            raise

    def cross_fit(self, keep: np.ndarray) -> Reconstructors:
        """An estimator per part of the rows, fitted to rows to keep outside of it."""
        if self.is_frozen:
            return Reconstructors(self.X, [(self.prototype, np.arange(len(keep)))])
        parts = []
        for train, held_out in self._splits(keep):
            chosen = np.zeros(len(keep), dtype=bool)
            chosen[train] = True
            parts.append((self.fit(chosen & keep), np.asarray(held_out)))
        return Reconstructors(self.X, parts)

    def _splits(self, keep: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        if not isinstance(self.cv, Integral):
            if isinstance(self.cv, list) and not _are_pairs_of_rows(self.cv):
                raise ValueError(
                    f"cv={self.cv!r} must be pairs of arrays: rows to train on, and "
                    "held-out rows."
                )
            splits = list(check_cv(self.cv).split(self.X))
            held_out = np.sort(np.concatenate([held_out for _, held_out in splits]))
            if not np.array_equal(held_out, np.arange(len(keep))):
                raise ValueError(
                    f"cv={self.cv!r} must hold out every row once, as KFold does."
                )
            return splits
        n_kept = int(keep.sum())
        # At least two of three or more rows are left to fit to.
        n_parts = self.cv if n_kept >= 2 * self.cv else n_kept
        part = np.empty(len(keep), dtype=int)
        for group in (keep, ~keep):
            rows = self.rng.permutation(np.flatnonzero(group))
            part[rows] = np.arange(len(rows)) % n_parts
        each = [part == i for i in range(n_parts)]
        return [(np.flatnonzero(~held), np.flatnonzero(held)) for held in each]


def _are_pairs_of_rows(splits: list[Any]) -> bool:
    return bool(splits) and all(
        isinstance(pair, tuple | list)
        and len(pair) == 2
        and all(np.ndim(rows) == 1 for rows in pair)
        for pair in splits
    )


class MedianReconstructor:
    """Reconstructs every row by the median of the given rows."""

    def __init__(self, X, weight):
        self.median = weighted_quantile(X, 0.5, weight)

    def reconstruct(self, X):
        return np.broadcast_to(self.median, X.shape)


def _set_random_states(estimator: Any, rng: np.random.RandomState) -> None:
    """Set a seed for the estimator and nested estimators that have none."""
    unset = {
        name: rng.randint(2**31 - 1)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if value is None and name.split("__")[-1] == "random_state"
    }
    estimator.set_params(**unset)


def _reconstruct(estimator: Any, X: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        if hasattr(estimator, "feature_names_in_"):
            # A frozen estimator may have been fitted to a data frame.
            warnings.filterwarnings("ignore", "X does not have valid feature names")
        if hasattr(estimator, "reconstruct"):
            reconstruction = estimator.reconstruct(X)
        else:
            reconstruction = estimator.inverse_transform(estimator.transform(X))
    reconstruction = np.asarray(reconstruction)
    if reconstruction.shape != X.shape:
        raise ValueError(
            f"The autoencoder {estimator!r} reconstructs {reconstruction.shape[1]} "
            f"columns, but X has {X.shape[1]}."
        )
    return reconstruction


def weighted_quantile(values: np.ndarray, share: float, weight: np.ndarray) -> Any:
    """The weighted quantile of each column.

    It is the midpoint of two values if the cumulative weight of the first is exactly
    the share. Integer weights are thus equivalent to repetitions, as in NumPy's method
    "averaged_inverted_cdf".
    """
    order = np.argsort(values, axis=0)
    values = np.take_along_axis(values, order, axis=0)
    weight = np.take_along_axis(np.broadcast_to(weight, values.shape), order, axis=0)
    below = np.cumsum(weight, axis=0)
    wanted = share * below[-1]
    slack = 1e-12 * below[-1]
    low = np.argmax(below >= wanted - slack, axis=0)
    high = np.argmax(below > wanted + slack, axis=0)
    ends = np.take_along_axis(values, np.array([low, high]), axis=0)
    return ends.mean(axis=0)


def _shrink(means: np.ndarray, varies: np.ndarray) -> np.ndarray:
    """The squared scale of each feature from its mean squared error."""
    typical = np.median(means[varies]) if varies.any() else 0.0
    scale = means + _SHRINKAGE * typical
    return np.where(scale > 0, scale, 1.0)
