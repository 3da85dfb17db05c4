"""How unusual rows are, from their reconstructions and errors."""

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

# Entries of the differences between rows and their neighbours in one block.
_BLOCK = 2**22
# Coordinates are limited, so that distances are finite.
_FARTHEST = 1e15


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
        square_scale: np.ndarray,
        n_neighbors: int,
        unit: float = 1.0,
    ) -> "NearestRows":
        """From the reconstructions of the usual rows and their errors."""
        center = output.mean(axis=0)
        level = np.sqrt(np.mean(square_scale) + _spacing(output - center, n_neighbors))
        usual = _coordinates(output - center, error, square_scale, level)
        return cls(usual, center, square_scale, level, unit, n_neighbors)

    def by_row(self, output: np.ndarray, error: np.ndarray) -> np.ndarray:
        # Not from the distances of the search, which are rounded otherwise.
        return self.by_feature(output, error).mean(axis=1)

    def by_feature(self, output: np.ndarray, error: np.ndarray) -> np.ndarray:
        n_features = len(self.center)
        centered = output - self.center
        rows = _coordinates(centered, error, self.square_scale, self.level)
        n_neighbors = min(self.n_neighbors, len(self.usual))
        search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute")
        nearest = search.fit(self.usual).kneighbors(rows, return_distance=False)
        shares = np.empty(output.shape)
        step = max(1, _BLOCK // (nearest.shape[1] * rows.shape[1]))
        for start in range(0, len(rows), step):
            block = slice(start, start + step)
            differences = rows[block, np.newaxis] - self.usual[nearest[block]]
            squares = np.square(differences, dtype=np.float64).mean(axis=1)
            shares[block] = squares[:, :n_features] + squares[:, n_features:]
        return shares / self.unit


# What scores rows, and shares scores out among features.
Measure = SquareErrors | NearestRows


def _spacing(output: np.ndarray, n_neighbors: int) -> float:
    """The mean squared difference, by entry, to the nearest other rows."""
    if len(output) == 1:
        return 0.0
    n_neighbors = min(n_neighbors, len(output) - 1)
    search = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(output)
    distances, _ = search.kneighbors()
    return float(np.mean(np.square(distances))) / output.shape[1]


def _coordinates(output, error, square_scale, level) -> np.ndarray:
    rows = np.hstack([output / level, error / np.sqrt(square_scale)])
    return np.clip(rows, -_FARTHEST, _FARTHEST).astype(np.float32)
