"""Reconstruction errors of rows that were held out."""

import reprlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_ae.batched import run_together
from sklearn_ae.data.shards import (
    Shard,
    of_all_ranks,
    of_first_rank,
    own_entries,
    own_part,
    own_rows,
    total,
    whole,
)
from sklearn_ae.data.sources import BufferedRows
from sklearn_ae.data.tables import dense_rows, rows_per_block
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._nearest_rows import Measure
from sklearn_ae.estimators._splits import is_splitter, split_rows
from sklearn_ae.training.loop import current_trainer

# Rows per block, and rows from which the first scale is estimated.
ROWS = 4096
# The share of each feature's errors, the smallest ones, used for the first scale.
_CENTRAL = 0.75
# Rows that an autoencoder needs.
_MIN_TRAINED = 2
# Errors below this share of a feature's span are rounding errors, since networks
# compute in single precision.
_NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class Reconstructors:
    """The rows of `X`, and the estimators that reconstruct them.

    Parameters
    ----------
    X : ndarray, CSR, BufferedRows or Shard
    parts : list of (estimator, ndarray of int)
        Estimators and the rows that each of them reconstructs.
    constant : ndarray of shape (n_features,)
        As in `Features`. Networks reconstruct a constant only nearly.
    """

    X: Any
    parts: list[tuple[Any, np.ndarray]]
    constant: np.ndarray

    def blocks(self, subset=None) -> Iterator[tuple[int, Any, Any, Any]]:
        """The part, the rows of a block, their reconstructions and their errors.

        Of a `Shard`, those of the rows on this rank.
        """
        step = min(ROWS, rows_per_block(2 * self.X.shape[1]))
        for part, (_, rows) in enumerate(self.parts):
            if subset is not None:
                rows = np.intersect1d(rows, subset, assume_unique=True)
            rows = own_rows(self.X, rows)
            for start in range(0, len(rows), step):
                where = rows[start : start + step]
                yield part, where, *self._reconstruct(part, self.X, where)

    def usual_rows(self, part: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What one estimator makes of rows of all ranks: reconstructions and errors."""
        table = whole(self.X, rows)
        return self._reconstruct(part, table, np.arange(len(rows)))

    def _reconstruct(self, part, table, rows) -> tuple[np.ndarray, np.ndarray]:
        block = dense_rows(table, rows).astype(np.float64, copy=False)
        output = _reconstruct(self.parts[part][0], block)
        output = np.where(np.isnan(self.constant), output, self.constant)
        return output, block - output

    def square_errors(self, subset=None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The rows of a block, and their squared errors."""
        for _, where, _, error in self.blocks(subset):
            yield where, np.square(error)

    def scores(self, measures: list[Measure]) -> np.ndarray:
        """The scores of all rows, by the measure of each part."""
        scores = np.zeros(self.X.shape[0])
        for part, where, output, error in self.blocks():
            scores[where] = -measures[part].by_row(output, error)
        return total(self.X, scores)

    def mean_square_errors(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean squared errors of the features over rows of positive weight.

        Those of all parts, and for each part those of the others: with its own errors
        in its scale, a part would look more usual than new rows do.
        """
        sums = np.zeros((len(self.parts), self.X.shape[1]))
        for part, where, _, error in self.blocks(np.flatnonzero(weight)):
            sums[part] += weight[where] @ np.square(error)
        sums = total(self.X, sums)
        weights = np.array([[weight[rows].sum()] for _, rows in self.parts])
        means = sums.sum(axis=0) / weights.sum()
        if len(self.parts) == 1:
            return means, sums / weights
        return means, (sums.sum(axis=0) - sums) / (weights.sum() - weights)

    def central_square_errors(self, weight: np.ndarray, rows) -> np.ndarray:
        """The same from the smaller errors of each feature, which is more robust."""
        none = np.empty(0, int), np.empty((0, self.X.shape[1]))
        found = zip(none, *self.square_errors(rows), strict=True)
        where, squares = (of_all_ranks(self.X, np.concatenate(one)) for one in found)
        weight = weight[where, np.newaxis]
        weight = weight * (squares <= weighted_quantile(squares, _CENTRAL, weight))
        return np.sum(weight * squares, axis=0) / weight.sum(axis=0)


class PrototypeFits:
    """Fits clones of a prototype to rows of `X`; a frozen one is used as is.

    Of a `Shard`, `groups` are those of the rows on this rank.
    """

    def __init__(self, prototype, X, weight, rng, groups, validation):
        self.X, self.weight, self.rng, self.groups = X, weight, rng, groups
        self.is_frozen = isinstance(prototype, FrozenEstimator)
        self.is_own = isinstance(prototype, BaseAutoencoder)
        self.prototype = clone(prototype)
        # Further arguments of `fit`.
        self.validation = validation
        if self.is_own and is_splitter(prototype.validation):
            self.validation = {**validation, "groups": groups}
        reads_blocks = self.is_own or self.is_frozen
        reads_blocks = reads_blocks or isinstance(prototype, MedianReconstructor)
        if isinstance(X, BufferedRows) and not reads_blocks:
            raise ValueError(
                f"autoencoder={prototype!r} needs tables in memory, and X is larger "
                "than its buffer. Use an autoencoder of this package, or raise "
                "buffer_bytes."
            )
        if self.is_frozen:
            check_is_fitted(self.prototype)
        else:
            _set_random_states(self.prototype, rng)

    def fit(
        self,
        keep: np.ndarray,
        stage: Callable[[Any], AbstractContextManager[None]] = nullcontext,
    ) -> Any:
        """An estimator that is fitted to the rows to keep, within a stage."""
        if self.is_frozen:
            return self.prototype
        X, weight = self.X, self.weight
        if self.is_own:
            # Rows of weight zero are ignored, so that the others need no copy.
            weight = own_entries(X, keep if weight is None else keep * weight)
            X = own_part(X)
        elif isinstance(X, Shard) and not isinstance(
            self.prototype, MedianReconstructor
        ):
            raise ValueError(
                f"autoencoder={self.prototype!r} cannot be fitted by several ranks "
                "together: it must be an autoencoder of sklearn_ae, or fitted and in a "
                "FrozenEstimator."
            )
        else:
            X = whole(X, np.flatnonzero(keep))
            weight = None if weight is None else weight[keep]
        params = {} if weight is None else {"sample_weight": weight}
        params |= self.validation
        estimator = clone(self.prototype)
        try:
            with stage(estimator):
                return estimator.fit(X, **params)
        except ValueError as error:
            error.add_note(
                f"The error occurred in fitting the autoencoder to {keep.sum()} of "
                f"{len(keep)} rows; see the parameters cv and trimming."
            )
            raise

    def cross_fit(
        self, keep: np.ndarray, cv: Any, *, splits_frozen: bool
    ) -> list[tuple[Any, np.ndarray]]:
        """An estimator per part of the rows, fitted to rows to keep outside of it.

        A frozen one has never seen the rows, which are then one part unless asked.
        """
        if self.is_frozen and not splits_frozen:
            return [(self.prototype, np.arange(len(keep)))]
        is_used = is_splitter(cv) or "groups" in self.validation
        if self.groups is not None and not is_used:
            raise ValueError(
                f"groups are given, but cv={reprlib.repr(cv)} does not use them; set "
                "it to a splitter such as GroupKFold(5)."
            )
        if isinstance(cv, Integral):
            splits = _random_splits(keep, int(cv), self.rng)
        else:
            groups = self.groups
            if groups is not None:
                groups = of_all_ranks(self.X, np.asarray(groups))
            splits = _checked_splits(cv, self.X, groups)
        fits = []
        for train, _ in splits:
            chosen = np.zeros(len(keep), dtype=bool)
            chosen[train] = True
            if (n_left := np.sum(chosen & keep)) < _MIN_TRAINED:
                raise ValueError(
                    f"cv={reprlib.repr(cv)} leaves {n_left} of {len(keep)} rows to fit "
                    "the autoencoder to, without rows that stand out; it needs at "
                    f"least {_MIN_TRAINED}."
                )
            fits.append(partial(self.fit, chosen & keep))
        # A search that trains this detector among others trains its networks, too.
        is_alone = current_trainer() is None and not isinstance(self.X, Shard)
        if self.is_own and is_alone:
            fitted = [fit.result for fit in run_together(fits, n_jobs=1)]
        else:
            fitted = [fit() for fit in fits]
        return [(one, held) for one, (_, held) in zip(fitted, splits, strict=True)]


def _random_splits(
    keep: np.ndarray, n_parts: int, rng: np.random.RandomState
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to keep outside of each part, the same number of them, and its rows."""
    n_kept = int(keep.sum())
    # At least two of three or more rows are left to fit to.
    n_parts = n_parts if n_kept >= 2 * n_parts else n_kept
    part = np.empty(len(keep), dtype=int)
    kept, others = (rng.permutation(np.flatnonzero(some)) for some in (keep, ~keep))
    for rows in (kept, others):
        part[rows] = np.arange(len(rows)) % n_parts
    # Networks train together if they are fitted to equally many rows.
    n_train = n_kept - -(-n_kept // n_parts)
    return [
        (kept[part[kept] != i][:n_train], np.flatnonzero(part == i))
        for i in range(n_parts)
    ]


def _checked_splits(
    cv: Any, X: Any, groups: Any
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows to train on and rows that are held out, by their indices."""
    rows, shown = np.arange(X.shape[0]), reprlib.repr(cv)
    # Splitters need no more than the number of rows.
    table = np.empty((X.shape[0], 0)) if isinstance(X, Shard) else X
    splits = of_first_rank(X, split_rows("cv", cv, table, groups=groups))
    held_out = [held for _, held in splits]
    if not splits or not np.array_equal(np.sort(np.concatenate(held_out)), rows):
        raise ValueError(f"cv={shown} must hold out every row once, as KFold does.")
    for i, (train, held) in enumerate(splits):
        if np.isin(train, held).any():
            raise ValueError(
                f"cv={shown} must not train on rows that are held out, as pair {i} "
                "does."
            )
    return splits


class MedianReconstructor(TransformerMixin, BaseEstimator):
    """Reconstructs every row by the median of each feature, from no codes."""

    def fit(self, X, y=None, sample_weight=None):
        weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
        table = dense_rows(X, np.arange(X.shape[0]))
        self.median_ = weighted_quantile(table, 0.5, weight[:, np.newaxis])
        return self

    def transform(self, X):
        return np.empty((X.shape[0], 0))

    def inverse_transform(self, Z):
        return np.broadcast_to(self.median_, (Z.shape[0], len(self.median_)))


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
