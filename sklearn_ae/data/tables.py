"""Tables of any kind a block at a time: rows, weighted means, principal axes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import eigh, qr

from sklearn_ae.data.shards import (
    Shard,
    by_row_of_all_ranks,
    extremes,
    joint_errors,
    own_part,
    own_rows,
    total,
    whole,
)
from sklearn_ae.data.sources import BLOCK_BYTES, BufferedRows

# Arguments of `check_array` and `validate_data` for all tables.
TABLE_CHECKS: dict[str, Any] = {
    "accept_sparse": "csr",
    "dtype": [np.float64, np.float32],
}

# Up to this many features the covariance matrix is formed and decomposed.
COVARIANCE_LIMIT = 2048

# Enough for axes whose variances differ by a few per cent.
SUBSPACE_ITERATIONS = 15


class PrincipalAxes(NamedTuple):
    """Leading principal axes, largest variance first."""

    components: np.ndarray  # (k, p), orthonormal rows
    variances: np.ndarray  # (k,), with n in the denominator


def as_array(X: Any) -> Any:
    """A tensor of torch as an array of the same precision; anything else as it is."""
    if not isinstance(X, torch.Tensor):
        return X
    X = X.detach().cpu().resolve_conj().resolve_neg()
    # NumPy has no such dtype.
    return (X.double() if X.dtype == torch.bfloat16 else X).numpy()


def table_checks(X: Any) -> dict[str, Any]:
    """`TABLE_CHECKS`, with which frames of single precision keep it.

    scikit-learn looks for dtypes of NumPy only: to it, frames of polars and pyarrow and
    the nullable columns of pandas are in double precision.
    """
    if not hasattr(X, "columns"):
        return TABLE_CHECKS
    if hasattr(X, "iloc"):  # of pandas
        dtypes = {getattr(dtype, "numpy_dtype", dtype) for dtype in X.dtypes}
    else:
        dtypes = {np.asarray(X[:0]).dtype}
    single = {np.dtype(np.float32)}
    return TABLE_CHECKS | {"dtype": np.float32} if dtypes == single else TABLE_CHECKS


def dense_rows(X: Any, rows: Any) -> np.ndarray:
    """The rows of an array, a CSR matrix or a source, dense, in C order.

    Of a `Shard`, those that are on this rank.
    """
    if isinstance(X, Shard):
        return dense_rows(X.table, X.positions(rows))
    if isinstance(X, BufferedRows):
        return X.take(rows)
    if isinstance(X, np.ndarray):
        # `take` is fastest, but copies a whole table that is not in C order.
        taken = not isinstance(rows, slice) and X.flags.c_contiguous
        return np.ascontiguousarray(np.take(X, rows, axis=0) if taken else X[rows])
    return X[rows].toarray()


def rows_per_block(n_columns: int) -> int:
    """How many rows of single precision make a block."""
    return max(1, BLOCK_BYTES // (4 * max(1, n_columns)))


def centred(block: np.ndarray, mean: np.ndarray, scale: float) -> np.ndarray:
    """``block - mean`` in the precision of the block.

    In single precision it is exact to about 1e-7 of `scale`, also where the mean is
    much larger than that.
    """
    rounded = mean.astype(block.dtype)
    difference = block - rounded
    rest = mean - rounded
    if np.abs(rest).max(initial=0.0) > 2.0**-24 * scale:
        difference -= rest.astype(block.dtype)
    return difference


def power_of_two(scale: float) -> float:
    """The power of two next to a positive number; products with it are exact."""
    return float(2.0 ** np.round(np.log2(scale)))


def blocks(
    X: Any, rows: np.ndarray, weight: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The given rows of `X`, which increase, dense, a block at a time, with weights.

    Of a `Shard`, those that are on this rank.
    """
    rows = own_rows(X, rows)
    step = rows_per_block(X.shape[1])
    for start in range(0, len(rows), step):
        index = rows[start : start + step]
        # A run of rows is a slice, which copies nothing.
        contiguous = index[-1] - index[0] + 1 == len(index)
        yield (
            dense_rows(X, slice(index[0], index[-1] + 1) if contiguous else index),
            np.ones(len(index)) if weight is None else weight[index],
        )


def has_gaps(X: Any) -> bool:
    """Whether entries of a table in memory are missing, which is NaN."""
    X = own_part(X)
    values = X.data if sparse.issparse(X) else X
    if isinstance(X, BufferedRows) or values.size == 0:
        return False
    return bool(np.isnan(np.min(values)))


def column_ranges(X: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest value of each column among the given rows.

    Missing entries, which are NaN, do not count.
    """
    low = np.full(X.shape[1], np.inf)
    high = -low
    with joint_errors(X):
        for block, _ in blocks(X, rows):
            low = np.fmin(low, np.fmin.reduce(block, axis=0))
            high = np.fmax(high, np.fmax.reduce(block, axis=0))
    return extremes(X, low, high)


def value_range(X: Any, rows: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest of all values of the given rows and of zero.

    Of a sparse table, of all rows. Missing entries, which are NaN, do not count.
    """
    if sparse.issparse(own_part(X)):
        stored = own_part(X).data
        parts = iter([stored] if stored.size else [])
    else:
        parts = (block for block, _ in blocks(X, rows))
    low = high = 0.0
    with joint_errors(X):
        for values in parts:
            low = float(np.fmin(low, np.fmin.reduce(values, axis=None)))
            high = float(np.fmax(high, np.fmax.reduce(values, axis=None)))
    return extremes(X, low, high)


def mean_and_squares(
    X: Any, rows: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Mean of each feature, and the sum of squares of all centred entries.

    In double precision. The sum of constant data is 0. Missing entries, which are NaN,
    do not count.
    """
    mean, squares, _ = _mean_squares_and_mass(X, rows, weight)
    return mean, squares


def mean_of_complete(X: Any, rows: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Mean of each feature of a table without gaps."""
    # Relative to a row, which is exact for constant data and keeps small differences
    # from a large mean.
    origin = total(X, dense_rows(X, rows[:1]).sum(axis=0, dtype=np.float64))
    mean = np.zeros(X.shape[1])
    for block, own in blocks(X, rows, weight):
        mean += own @ (block - origin)
    return origin + total(X, mean) / len(rows)


def _mean_squares_and_mass(
    X: Any, rows: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, float, float]:
    """As `mean_and_squares`, with the weights of the observed entries, added up."""
    if has_gaps(X):
        return _moments_of_observed(X, rows, weight)
    mean = mean_of_complete(X, rows, weight)
    sum_of_squares = 0.0
    for block, own in blocks(X, rows, weight):
        squares = np.square(block - mean, dtype=np.float64).sum(axis=1)
        sum_of_squares += float(own @ squares)
    return mean, float(total(X, sum_of_squares)), len(rows) * X.shape[1]


def _moments_of_observed(
    X: Any, rows: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, float, float]:
    mean, mass = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    origin = column_ranges(X, rows)[0]
    # A column without any observed entry.
    origin[np.isinf(origin)] = 0.0
    for block, own in blocks(X, rows, weight):
        mean += own @ np.nan_to_num(block - origin)
        mass += own @ ~np.isnan(block)
    mean = origin + mean / np.where(mass > 0, mass, 1.0)
    sum_of_squares = 0.0
    for block, own in blocks(X, rows, weight):
        squares = np.square(np.nan_to_num(block - mean), dtype=np.float64).sum(axis=1)
        sum_of_squares += float(own @ squares)
    return mean, sum_of_squares, float(mass.sum())


def square_distances(X: Any, rows: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Squared distances of rows from a mean, over the entries that are not missing."""
    parts = [
        np.nansum(np.square(block - mean, dtype=np.float64), axis=1)
        for block, _ in blocks(X, rows)
    ]
    return by_row_of_all_ranks(X, rows, np.concatenate([np.empty(0), *parts]))


def mean_and_scale(
    X: Any, rows: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, float]:
    """Mean of each feature, and root mean square of all centred entries.

    The one scale for all features keeps their proportions, and with them the
    minimiser of the squared error; it is 1 for constant data.
    """
    mean, squares, n_entries = _mean_squares_and_mass(X, rows, weight)
    scale = float(np.sqrt(squares / n_entries))
    # Columns of 1e6 that were constant before rounding have a spread of about 1e-10.
    negligible = 1e-12 * np.abs(mean).max(initial=0.0)
    return mean, scale if scale > negligible else 1.0


def number_of_axes(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    share: float,
    scale: float = 1.0,
) -> int:
    """How many principal axes explain more than a share of the variance in (0, 1).

    `scale` is as in `principal_axes`.
    """
    n_rows, n_features = len(rows), X.shape[1]
    unit = power_of_two(scale)
    if n_features <= max(COVARIANCE_LIMIT, n_rows):
        products = _covariance(X, rows, weight, mean, unit)
    else:
        products = _gram(*_gathered(X, rows, weight), mean, unit)
    # Transposed it is in the order that needs no copy.
    values = eigh(products.T, eigvals_only=True, overwrite_a=True)
    variances = np.maximum(values[::-1], 0.0)[: min(n_rows, n_features)]
    # Of constant data one axis explains all there is.
    every = variances.sum()
    shares = np.cumsum(variances) / every if every > 0 else np.ones(1)
    return int(np.searchsorted(shares, share, side="right")) + 1


def principal_axes(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    n_components: int,
    scale: float = 1.0,
) -> PrincipalAxes:
    """The axes of a weighted principal component analysis.

    Signs follow scikit-learn: the entry of each axis that is largest in absolute value
    is positive. Products are computed in units of about `scale`, so that those of
    tables in single precision neither overflow nor vanish.
    """
    n_features = X.shape[1]
    unit = power_of_two(scale)
    table = X, rows, weight, mean, unit
    if n_features <= COVARIANCE_LIMIT:
        covariance = _covariance(*table)
        leading = [n_features - n_components, n_features - 1]
        variances, vectors = eigh(covariance, subset_by_index=leading)
        components, variances = vectors.T[::-1], variances[::-1]
    elif n_components < min(len(rows), n_features) // 4:
        components, variances = _from_products(*table, n_components)
    else:
        components, variances = _from_decomposition(*table, n_components)
    components = components[:n_components]
    variances = np.maximum(variances[:n_components], 0.0) * unit**2
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(len(components)), largest])
    return PrincipalAxes(components * signs[:, np.newaxis], variances)


def _centred_blocks(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    unit: float,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Centred blocks of rows in a unit, with their weights."""
    for block, own in blocks(X, rows, weight):
        table = centred(block, mean, unit)
        table *= 1 / unit
        yield table, own.astype(block.dtype)


def _covariance(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    unit: float,
) -> np.ndarray:
    n_features = X.shape[1]
    covariance = np.zeros((n_features, n_features))
    for table, own in _centred_blocks(X, rows, weight, mean, unit):
        weighted = table if weight is None else table * own[:, np.newaxis]
        covariance += table.T @ weighted
    covariance = total(X, covariance)
    covariance /= len(rows)
    return covariance


def _from_products(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    unit: float,
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
        for table, own in _centred_blocks(X, rows, weight, mean, unit):
            image = table @ basis.astype(table.dtype)
            weighted = image if weight is None else image * own[:, np.newaxis]
            outer += table.T @ weighted
            inner += image.T @ weighted
        return total(X, outer), total(X, inner)

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
    unit: float,
    n_components: int,
) -> tuple[np.ndarray, np.ndarray]:
    """All of the spectrum, from the smaller of the two matrices of products."""
    n_rows, n_features = len(rows), X.shape[1]
    if n_rows >= n_features:
        variances, vectors = _spectrum(_covariance(X, rows, weight, mean, unit))
        return vectors[:, :n_components].T, variances
    X, rows, weight = _gathered(X, rows, weight)
    variances, vectors = _spectrum(_gram(X, rows, weight, mean, unit))
    vectors = vectors[:, :n_components]
    components = np.empty((n_features, vectors.shape[1]), order="F")
    for part, table in _column_blocks(X, rows, weight, mean, unit):
        components[part] = table.T @ vectors
    # Axes must be orthonormal even where the variance is only rounding error.
    components, _ = qr(components, mode="economic", overwrite_a=True)
    return components.T, variances / n_rows


def _gathered(
    X: Any, rows: np.ndarray, weight: np.ndarray | None
) -> tuple[Any, np.ndarray, np.ndarray | None]:
    """A table without rows on other ranks; few rows, where each meets all others."""
    if not isinstance(X, Shard):
        return X, rows, weight
    own = None if weight is None else weight[rows]
    return whole(X, rows), np.arange(len(rows)), own


def _gram(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    unit: float,
) -> np.ndarray:
    """Products of the centred rows with each other."""
    gram = np.zeros((len(rows), len(rows)))
    for _, table in _column_blocks(X, rows, weight, mean, unit):
        gram += table @ table.T
    return gram


def _column_blocks(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    unit: float,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Some columns at a time, centred, in a unit, times the roots of the weights."""
    n_rows, n_features = len(rows), X.shape[1]
    root = np.sqrt(np.ones(n_rows) if weight is None else weight[rows])[:, np.newaxis]
    root = root / unit
    step = rows_per_block(n_rows)
    for start in range(0, n_features, step):
        part = slice(start, start + step)
        yield part, root * (_dense_columns(X, rows, part) - mean[part])


def _dense_columns(X: Any, rows: np.ndarray, part: slice) -> np.ndarray:
    """Some columns of the given rows."""
    if not isinstance(X, BufferedRows):
        return dense_rows(X[:, part], rows)
    # Rows have to be read as a whole.
    return np.concatenate([block[:, part] for block, _ in blocks(X, rows)])


def _spectrum(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors in columns, largest first; overwrites `matrix`."""
    # Transposed it is in the order that needs no copy.
    values, vectors = eigh(matrix.T, overwrite_a=True)
    return np.maximum(values[::-1], 0.0), vectors[:, ::-1]
