"""How unusual rows are, from their reconstructions and errors."""

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

# Pairs of rows and neighbours in one block.
_BLOCK = 2**22
# Coordinates are limited, so that distances are finite.
FARTHEST = 1e15


@dataclass(frozen=True)
class SquareErrors:
    """The squared error, in units of the usual one of each feature.

    Parameters
    ----------
    square_scale : ndarray of shape (n_features,)
        The usual squared error of each feature.
    """

    square_scale: np.ndarray

    def by_row(self, output: np.ndarray, error: np.ndarray) -> np.ndarray:
        """The measure of each row, from its reconstruction and its error."""
        return self.by_feature(output, error).mean(axis=1)

    def by_feature(self, output: np.ndarray, error: np.ndarray) -> np.ndarray:
        """The share of each feature; their mean is the measure of the row."""
        return np.square(error) / self.square_scale


@dataclass(frozen=True)
class NearestRows:
    """The mean squared distance to the nearest usual rows.

    The coordinates of a row are its reconstruction, in units of `level`, and its error,
    in units of the usual one of each feature. The squared level is the mean of all
    usual squared errors plus that of the differences between usual reconstructions and
    the nearest others: where rows are few, neighbours differ in what the codes
    describe, and errors would hardly count.

    Parameters
    ----------
    usual : ndarray of float32 of shape (n_usual, 2 * n_features)
        The coordinates of the usual rows.
    weight : ndarray of shape (n_usual,)
        Positive weights: a row of weight two counts as two rows.
    center : ndarray of shape (n_features,)
        A reconstruction that is subtracted from all, since distances between points
        far from zero lose digits.
    square_scale : ndarray of shape (n_features,)
        The usual squared error of each feature.
    level : float
        The unit of the reconstructions.
    unit : float
        The mean squared distance per feature that counts as one.
    n_neighbors : int
        How many of the nearest rows, or all if there are fewer.
    """

    usual: np.ndarray
    weight: np.ndarray
    center: np.ndarray
    square_scale: np.ndarray
    level: float
    unit: float
    n_neighbors: int

    @classmethod
    def of(
        cls,
        output: np.ndarray,
        error: np.ndarray,
        weight: np.ndarray,
        square_scale: np.ndarray,
        n_neighbors: int,
    ) -> "NearestRows":
        """From the reconstructions of the usual rows, their errors and weights."""
        center = output.mean(axis=0)
        spacing = _spacing(output - center, weight, n_neighbors)
        level = np.sqrt(np.mean(square_scale) + spacing)
        usual = _coordinates(output - center, error, square_scale, level)
        return cls(usual, weight, center, square_scale, level, 1.0, n_neighbors)

    def by_row(self, output: np.ndarray, error: np.ndarray) -> np.ndarray:
        # Not from the distances of the search, which are rounded otherwise.
        return self.by_feature(output, error).mean(axis=1)

    def by_feature(self, output: np.ndarray, error: np.ndarray) -> np.ndarray:
        centered = output - self.center
        rows = _coordinates(centered, error, self.square_scale, self.level)
        search = _search(self.usual, self.n_searched)
        # Where weights are uneven, most of the usual rows may be searched.
        step = max(1, _BLOCK // search.n_neighbors)
        blocks = [
            self._mean_squares(rows[start : start + step], search)
            for start in range(0, len(rows), step)
        ]
        by_output, by_error = np.hsplit(np.concatenate(blocks), 2)
        return (by_output + by_error) / self.unit

    def _mean_squares(self, rows: np.ndarray, search: NearestNeighbors) -> np.ndarray:
        """The mean squared differences to the nearest rows, by coordinate."""
        nearest = search.kneighbors(rows, return_distance=False)
        means = np.zeros(rows.shape)
        parts = _parts(self.weight[nearest], self.wanted)
        for part, neighbor in zip(parts.T, nearest.T, strict=True):
            if not part.any():
                break  # nearer ones have all of the weight
            squares = np.square(rows - self.usual[neighbor], dtype=np.float64)
            means += part[:, np.newaxis] * squares
        return means

    @property
    def wanted(self) -> float:
        """The weight of the neighbours of a row."""
        return self.n_neighbors * _one_row(self.weight)

    @property
    def n_searched(self) -> int:
        """How many rows may have that weight."""
        return _n_rows(self.weight, self.wanted)


# What scores rows, and shares scores out among features.
Measure = SquareErrors | NearestRows


def _one_row(weight: np.ndarray) -> float:
    """The weight of a single row: one, as for repetitions, but less in small units."""
    return min(1.0, float(np.mean(weight)))


def _n_rows(weight: np.ndarray, wanted: float) -> int:
    """How many of the lightest rows have the weight wanted, or all rows."""
    n_rows = np.searchsorted(np.cumsum(np.sort(weight)), wanted * (1 - 1e-12)) + 1
    return min(int(n_rows), len(weight))


def _parts(weight: np.ndarray, wanted: float) -> np.ndarray:
    """The parts of neighbours, in the order of their distances, in a mean.

    They count with their weights as long as these do not exceed the weight wanted.
    """
    before = np.cumsum(weight, axis=1) - weight
    parts = np.clip(wanted - before, 0, weight)
    return parts / parts.sum(axis=1, keepdims=True)


def _search(rows: np.ndarray, n_neighbors: int) -> NearestNeighbors:
    return NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(rows)


def _spacing(output: np.ndarray, weight: np.ndarray, n_neighbors: int) -> float:
    """The mean squared difference, by entry, to the nearest other rows."""
    one_row = _one_row(weight)
    if weight.sum() <= one_row:
        return 0.0
    wanted = n_neighbors * one_row
    search = _search(output, _n_rows(weight, wanted + one_row))
    distances, nearest = search.kneighbors(output)
    itself = nearest == np.arange(len(output))[:, np.newaxis]
    others = np.maximum(weight[nearest] - one_row * itself, 0)
    squares = np.sum(_parts(others, wanted) * np.square(distances), axis=1)
    return float(np.average(squares, weights=weight)) / output.shape[1]


def _coordinates(output, error, square_scale, level) -> np.ndarray:
    rows = np.hstack([output / level, error / np.sqrt(square_scale)])
    return np.clip(rows, -FARTHEST, FARTHEST).astype(np.float32)
