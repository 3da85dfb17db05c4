"""Weighted means and principal axes of tables of any kind, a block at a time."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh, qr, svd

from sklearn_ae.training.batches import dense_rows, rows_per_block

# Up to this many features the covariance matrix is formed and decomposed.
COVARIANCE_LIMIT = 2048

# Enough for axes whose variances differ by a few per cent.
SUBSPACE_ITERATIONS = 15


class PrincipalAxes(NamedTuple):
    """Leading principal axes, largest variance first."""

    components: np.ndarray  # (k, p), orthonormal rows
    variances: np.ndarray  # (k,), with n in the denominator


def blocks(X: Any, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The given rows of `X`, dense, a block at a time, with their row numbers."""
    step = rows_per_block(X.shape[1])
    for start in range(0, len(rows), step):
        index = rows[start : start + step]
        # A run of rows is a slice, which copies nothing.
        contiguous = index[-1] - index[0] + 1 == len(index)
        yield (
            dense_rows(X, slice(index[0], index[-1] + 1) if contiguous else index),
            index,
        )


def mean_and_scale(
    X: Any, rows: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """Mean of each feature, and root mean square of all centred entries.

    The one scale for all features keeps their proportions, and with them the
    minimiser of the squared error; it is 1 for constant data.
    """
    mean = np.zeros(X.shape[1])
    for block, index in blocks(X, rows):
        mean += _weights(weight, index) @ block.astype(np.float64, copy=False)
    mean /= len(rows)
    total = 0.0
    for block, index in blocks(X, rows):
        squares = np.square(block - mean, dtype=np.float64).sum(axis=1)
        total += float(_weights(weight, index) @ squares)
    scale = float(np.sqrt(total / (len(rows) * X.shape[1])))
    # Rounding leaves constant columns of 1e6 a spread of about 1e-10.
    negligible = 1e-12 * np.abs(mean).max(initial=0.0)
    return mean, scale if scale > negligible else 1.0


def _weights(weight: np.ndarray | None, index: np.ndarray) -> np.ndarray:
    return np.ones(len(index)) if weight is None else weight[index]


def principal_axes(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    n_components: int | float,
) -> PrincipalAxes:
    """The axes of a weighted principal component analysis.

    A share of the variance in (0, 1) for `n_components` takes the smallest number
    of axes that explain more than it. Signs follow scikit-learn: the entry of each
    axis that is largest in absolute value is positive.
    """
    n_rows, n_features = len(rows), X.shape[1]
    largest = min(n_rows, n_features)
    if n_features <= COVARIANCE_LIMIT:
        axes = _from_covariance(X, rows, weight, mean, n_components)
    elif n_components < largest // 4 and n_components >= 1:
        axes = _from_products(X, rows, weight, mean, int(n_components))
    else:
        axes = _from_decomposition(X, rows, weight, mean)
    components, variances = axes
    variances = np.maximum(variances, 0.0)
    if n_components < 1:
        # Of constant data one axis explains all there is.
        total = variances.sum()
        shares = np.cumsum(variances[:largest]) / total if total > 0 else np.ones(1)
        n_components = int(np.searchsorted(shares, n_components, side="right")) + 1
    n_components = min(int(n_components), len(components))
    components = components[:n_components]
    extremes = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(n_components), extremes])
    return PrincipalAxes(components * signs[:, np.newaxis], variances[:n_components])


def _from_covariance(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    n_components: int | float,
) -> tuple[np.ndarray, np.ndarray]:
    n_features = X.shape[1]
    covariance = np.zeros((n_features, n_features))
    for block, index in blocks(X, rows):
        centred = block - mean.astype(block.dtype)
        weighted = centred
        if weight is not None:
            weighted = centred * weight[index, np.newaxis].astype(block.dtype)
        covariance += centred.T @ weighted
    covariance /= len(rows)
    # A share of the variance needs all of the spectrum.
    first = n_features - int(n_components) if n_components >= 1 else 0
    variances, vectors = eigh(covariance, subset_by_index=[first, n_features - 1])
    return vectors.T[::-1], variances[::-1]


def _from_products(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    n_components: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Subspace iteration: products with the data only, never a copy of them.

    Halko, Martinsson and Tropp (2011), algorithm 4.4. :doi:`10.1137/090771806`
    """
    root = np.sqrt(_weights(weight, rows))[:, np.newaxis]

    def times(v: np.ndarray) -> np.ndarray:
        parts = [block @ v.astype(block.dtype) for block, _ in blocks(X, rows)]
        return root * (np.concatenate(parts) - mean @ v)

    def transposed_times(u: np.ndarray) -> np.ndarray:
        u, start = root * u, 0
        out = -np.outer(mean, u.sum(axis=0))
        for block, _ in blocks(X, rows):
            part = u[start : start + len(block)]
            out += block.T @ part.astype(block.dtype)
            start += len(block)
        return out

    generator = np.random.RandomState(0)
    width = min(n_components + 10, len(rows))
    basis, _ = qr(generator.normal(size=(X.shape[1], width)), mode="economic")
    for _ in range(SUBSPACE_ITERATIONS):
        range_basis, _ = qr(times(basis), mode="economic")
        basis, _ = qr(transposed_times(range_basis), mode="economic")
    _, singular, rotation = svd(times(basis), full_matrices=False)
    return (basis @ rotation.T).T, singular**2 / len(rows)


def _from_decomposition(
    X: Any, rows: np.ndarray, weight: np.ndarray | None, mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The decomposition of the whole table, for all of its spectrum."""
    table = np.vstack([block - mean for block, _ in blocks(X, rows)])
    table *= np.sqrt(_weights(weight, rows))[:, np.newaxis]
    _, singular, components = svd(table, full_matrices=False)
    return components, singular**2 / len(rows)
