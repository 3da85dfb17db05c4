"""Weighted means and principal axes of tables of any kind, a block at a time."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh, qr

from sklearn_ae.data.batches import dense_rows, rows_per_block

# Up to this many features the covariance matrix is formed and decomposed.
COVARIANCE_LIMIT = 2048

# Enough for axes whose variances differ by a few per cent.
SUBSPACE_ITERATIONS = 15


class PrincipalAxes(NamedTuple):
    """Leading principal axes, largest variance first."""

    components: np.ndarray  # (k, p), orthonormal rows
    variances: np.ndarray  # (k,), with n in the denominator


def blocks(
    X: Any, rows: np.ndarray, weight: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The given rows of `X`, dense, a block at a time, with their weights."""
    step = rows_per_block(X.shape[1])
    for start in range(0, len(rows), step):
        index = rows[start : start + step]
        # A run of rows is a slice, which copies nothing.
        contiguous = index[-1] - index[0] + 1 == len(index)
        yield (
            dense_rows(X, slice(index[0], index[-1] + 1) if contiguous else index),
            np.ones(len(index)) if weight is None else weight[index],
        )


def mean_and_scale(
    X: Any, rows: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """Mean of each feature, and root mean square of all centred entries.

    The one scale for all features keeps their proportions, and with them the
    minimiser of the squared error; it is 1 for constant data.
    """
    mean = np.zeros(X.shape[1])
    for block, own in blocks(X, rows, weight):
        mean += own @ block.astype(np.float64, copy=False)
    mean /= len(rows)
    total = 0.0
    for block, own in blocks(X, rows, weight):
        squares = np.square(block - mean, dtype=np.float64).sum(axis=1)
        total += float(own @ squares)
    scale = float(np.sqrt(total / (len(rows) * X.shape[1])))
    # Rounding leaves constant columns of 1e6 a spread of about 1e-10.
    negligible = 1e-12 * np.abs(mean).max(initial=0.0)
    return mean, scale if scale > negligible else 1.0


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
        axes = _from_decomposition(X, rows, weight, mean, n_components)
    components, variances = axes
    variances = np.maximum(variances, 0.0)
    n_components = _number_of_axes(variances[:largest], n_components)
    n_components = min(n_components, len(components))
    components = components[:n_components]
    extremes = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(n_components), extremes])
    return PrincipalAxes(components * signs[:, np.newaxis], variances[:n_components])


def _number_of_axes(variances: np.ndarray, n_components: int | float) -> int:
    """How many axes explain more than a share of the variance; a number stays."""
    if n_components >= 1:
        return int(n_components)
    # Of constant data one axis explains all there is.
    total = variances.sum()
    shares = np.cumsum(variances) / total if total > 0 else np.ones(1)
    return int(np.searchsorted(shares, n_components, side="right")) + 1


def _from_covariance(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    n_components: int | float,
) -> tuple[np.ndarray, np.ndarray]:
    covariance = _covariance(X, rows, weight, mean)
    # A share of the variance needs all of the spectrum.
    n_features = len(covariance)
    first = n_features - int(n_components) if n_components >= 1 else 0
    variances, vectors = eigh(covariance, subset_by_index=[first, n_features - 1])
    return vectors.T[::-1], variances[::-1]


def _covariance(
    X: Any, rows: np.ndarray, weight: np.ndarray | None, mean: np.ndarray
) -> np.ndarray:
    n_features = X.shape[1]
    covariance = np.zeros((n_features, n_features))
    for block, own in blocks(X, rows, weight):
        centred = block - mean.astype(block.dtype)
        weighted = centred
        if weight is not None:
            weighted = centred * own[:, np.newaxis].astype(block.dtype)
        covariance += centred.T @ weighted
    covariance /= len(rows)
    return covariance


def _from_products(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    n_components: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Subspace iteration: products with the data only, a block at a time.

    Halko, Martinsson and Tropp (2011), algorithm 4.4, :doi:`10.1137/090771806`, but
    for the basis of the range, which would have as many entries as there are codes:
    the columns come sorted by variance, so that products with both sides in one pass
    lose as little to rounding.
    """
    n_rows, n_features = len(rows), X.shape[1]

    def products(basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``A^T A basis`` and ``basis^T A^T A basis`` for the centred table A."""
        outer = np.zeros(basis.shape)
        inner = np.zeros((basis.shape[1], basis.shape[1]))
        total = np.zeros(basis.shape[1])
        shift = mean @ basis
        for block, own in blocks(X, rows, weight):
            image = block @ basis.astype(block.dtype) - shift.astype(block.dtype)
            weighted = image
            if weight is not None:
                weighted = image * own[:, np.newaxis].astype(block.dtype)
            outer += block.T @ weighted
            inner += image.T @ weighted
            total += weighted.sum(axis=0, dtype=np.float64)
        return outer - np.outer(mean, total), inner

    generator = np.random.RandomState(0)
    width = min(n_components + 10, n_rows)
    basis, _ = qr(generator.normal(size=(n_features, width)), mode="economic")
    for _ in range(SUBSPACE_ITERATIONS):
        basis, _ = qr(products(basis)[0], mode="economic")
    variances, rotation = eigh(products(basis)[1])
    return (basis @ rotation[:, ::-1]).T, variances[::-1] / n_rows


def _from_decomposition(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    n_components: int | float,
) -> tuple[np.ndarray, np.ndarray]:
    """All of the spectrum, from the smaller of the two matrices of products.

    That of the rows is summed over blocks of columns.
    """
    n_rows, n_features = len(rows), X.shape[1]
    if n_rows >= n_features:
        variances, vectors = _spectrum(_covariance(X, rows, weight, mean))
        return vectors[:, : _number_of_axes(variances, n_components)].T, variances
    root = np.sqrt(np.ones(n_rows) if weight is None else weight[rows])[:, np.newaxis]
    step = rows_per_block(n_rows)
    columns = [slice(i, i + step) for i in range(0, n_features, step)]

    def centred(part: slice) -> np.ndarray:
        return root * (dense_rows(X[:, part], rows) - mean[part])

    gram = np.zeros((n_rows, n_rows))
    for part in columns:
        table = centred(part)
        gram += table @ table.T
    variances, vectors = _spectrum(gram)
    vectors = vectors[:, : _number_of_axes(variances, n_components)]
    components = np.empty((n_features, vectors.shape[1]), order="F")
    for part in columns:
        components[part] = centred(part).T @ vectors
    # Axes must be orthonormal even where the variance is only rounding error.
    components, _ = qr(components, mode="economic", overwrite_a=True)
    return components.T, variances / n_rows


def _spectrum(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors in columns, largest first; overwrites `matrix`."""
    # Transposed it is in the order that needs no copy.
    values, vectors = eigh(matrix.T, overwrite_a=True)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]
