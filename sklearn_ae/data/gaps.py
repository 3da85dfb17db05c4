"""Tables with missing entries (NaN): a linear-Gaussian model, and what it fills in.

The model is probabilistic PCA. Its parameters maximise the likelihood of the observed
entries, which is right if what is missing depends on observed entries only.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from sklearn_ae.data.shards import Shard, joint_errors, own_rows, total
from sklearn_ae.data.tables import blocks, dense_rows, principal_axes

# Products of numbers in one iteration, which bound its time to some tenths of a second.
# Of tables that need more, some of the rows are drawn. With 64 columns these are 1,900
# rows for all 63 axes; with 784 columns, 580 for 32 axes and 2,200 for 16.
PRODUCTS = 5e8

# More rows say little more about the few parameters of a narrow table.
MOST_ROWS = 20_000

# No more axes than so many, since time grows with their square, and no more than can be
# fitted to this many rows for each: 64 for 190 columns, 39 for 784.
LARGEST_RANK = 64
ROWS_PER_AXIS = 10

# When iterations end: gains of log-likelihood for each observed entry that are so small
# do not make the errors of what is filled in smaller, and may make them larger.
TOLERANCE = 1e-3
MOST_ITERATIONS = 30

# The smallest noise, as a share of the largest variance: networks complete rows in
# single precision.
NOISE_FLOOR = 1e-6

# Weight of a penalty on the loadings in the regression of each column on the codes: as
# much as one more row. A column with few observed entries has small loadings.
RIDGE = 1.0

# To choose a rank, this share of the observed entries is hidden.
HIDDEN_SHARE = 0.2

# Enough to tell ranks apart.
ITERATIONS_FOR_CHOICE = 10

# Numbers in the matrices of the rows that are worked on at a time, 16 MB.
_PART = 2**21


class Gaussian(NamedTuple):
    r"""A normal distribution with the covariance of probabilistic PCA.

    The covariance is ``U diag(variances - noise) U^T + noise I``, with the axes U.

    Parameters
    ----------
    mean : ndarray of shape (n_features,)
    axes : ndarray of shape (n_features, rank)
        Orthonormal columns, that of the largest variance first.
    variances : ndarray of shape (rank,)
        Along the axes, at least `noise`.
    noise : float
        Variance in all other directions.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    noise: float

    @property
    def loadings(self) -> np.ndarray:
        """V of shape (n_features, rank): the precision is ``(I - V V^T) / noise``."""
        return self.axes * np.sqrt(1 - self.noise / self.variances)

    @property
    def factors(self) -> np.ndarray:
        """W of shape (n_features, rank): the covariance is ``W W^T + noise I``."""
        return self.axes * np.sqrt(self.variances - self.noise)


def largest_rank(n_features: int) -> int:
    """The largest number of axes for a number of columns, at most one less."""
    affordable = int(np.cbrt(PRODUCTS / (ROWS_PER_AXIS * n_features)))
    return min(n_features - 1, LARGEST_RANK, affordable)


def fit_gaussian(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    rank: int,
    *,
    gain: float = np.inf,
) -> Gaussian:
    """The normal distribution of rows with gaps, by maximum likelihood.

    Without gaps it is Tipping and Bishop's closed form,
    :doi:`10.1111/1467-9868.00196`, of all rows. With gaps it comes from an
    expectation-maximisation algorithm with expanded parameters (Liu, Rubin and Wu,
    :doi:`10.1093/biomet/85.4.755`), of as many rows as `PRODUCTS` and `MOST_ROWS`
    allow.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), BufferedRows or Shard
        With NaN for missing entries. The columns should have similar scales, since the
        noise is the same in all of them.
    rows : ndarray of int
        Which rows count.
    weight : ndarray of shape (n_rows,) or None
        Not negative, with a mean of about 1.
    rank : int
        Number of axes, from 0; no more than `largest_rank` are taken.
    gain : float, default=inf
        Iterations do not end while each parameter gains so much log-likelihood. Of many
        rows, which tell more, such a model is more exact, and may take `complete` more
        steps than a network spends.

    Returns
    -------
    Gaussian
    """
    rank = min(rank, largest_rank(X.shape[1]))
    n_observed, mean, variance = _observed_moments(X, rows, weight)
    if n_observed == len(rows) * X.shape[1]:
        scale = float(np.sqrt(variance.mean())) or 1.0
        axes = principal_axes(X, rows, weight, mean, max(rank, 1), scale)
        return _from_axes(mean, axes.components[:rank].T, axes.variances, variance)
    table, own = _sample(X, rows, weight, rank)
    return _Expectation(table, own, mean, variance).maximise(rank, gain=gain)


def choose_rank(
    X: Any,
    rows: np.ndarray,
    weight: np.ndarray | None,
    largest: int,
    random_state: Any,
) -> int:
    """The number of axes that predicts hidden entries best.

    A share of the observed entries is hidden at random. Models with 0, 1, 2, 4, ... and
    with all axes are fitted to the rest, of as many rows as there is time for with all
    axes, and the squared errors of what was hidden are compared.

    Parameters
    ----------
    X, rows, weight
        As in `fit_gaussian`.
    largest : int
        Larger ranks are not tried.
    random_state : numpy.random.RandomState
        Draws the entries.

    Returns
    -------
    int
    """
    largest = min(largest, largest_rank(X.shape[1]))
    if largest < 1:
        return 0
    table, own = _sample(X, rows, weight, largest)
    observed = np.flatnonzero(~np.isnan(table))
    n_hidden = int(HIDDEN_SHARE * len(observed))
    hidden = np.unravel_index(
        random_state.permutation(observed)[:n_hidden], table.shape
    )
    truth = table[hidden]
    table[hidden] = np.nan
    every = np.arange(len(table))
    _, mean, variance = _observed_moments(table, every, own)
    expectation = _Expectation(table, own, mean, variance)
    errors = {}
    for rank in _candidates(largest):
        gaussian = expectation.maximise(rank, ITERATIONS_FOR_CHOICE)
        filled = completed(table, every, gaussian)[hidden]
        errors[rank] = float(own[hidden[0]] @ (filled - truth) ** 2)
    return min(errors, key=errors.__getitem__)


def completed(X: Any, rows: np.ndarray, gaussian: Gaussian) -> np.ndarray:
    """Rows with the conditional means of missing entries, as a new array.

    They are ``m_m + W_m (W_o^T W_o + noise I)^-1 W_o^T (x_o - m_o)``, computed in
    double precision; observed entries are copied.

    Parameters
    ----------
    X, rows
        As in `fit_gaussian`. Of a `Shard`, the rows on this rank.
    gaussian : Gaussian

    Returns
    -------
    ndarray of shape (len(rows), n_features)
        In the precision of `X`.
    """
    result = np.empty((len(own_rows(X, rows)), X.shape[1]), X.dtype)
    step = _rows_per_part(len(gaussian.variances))
    start = 0
    for block, _ in blocks(X, rows):
        for first in range(0, len(block), step):
            part = block[first : first + step]
            result[start : start + len(part)] = _filled(part, gaussian)
            start += len(part)
    return result


def _filled(part: np.ndarray, gaussian: Gaussian) -> np.ndarray:
    """Some rows with the conditional means of missing entries."""
    missing = np.isnan(part)
    filled = part.copy()
    gappy = missing.any(axis=1)
    if gappy.any():
        missing = missing[gappy]
        y = np.where(missing, 0.0, part[gappy] - gaussian.mean)
        W = gaussian.factors
        inverse, _ = _inverses(~missing, W, gaussian.noise)
        codes = np.einsum("nij,nj->ni", inverse, y @ W)
        means = (gaussian.mean + codes @ W.T).astype(part.dtype)
        filled[gappy] = np.where(missing, means, part[gappy])
    return filled


def _candidates(largest: int) -> list[int]:
    """Ranks to compare: 0, powers of two well below `largest`, and it."""
    powers = [2**i for i in range(largest.bit_length()) if 1.5 * 2**i <= largest]
    return [0, *powers, largest]


def _observed_moments(
    X: Any, rows: np.ndarray, weight: np.ndarray | None
) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of observed entries; mean and variance of those of each column.

    They are 0 for a column without observed entries.
    """

    def sums(origin: np.ndarray, power: int) -> np.ndarray:
        result = np.zeros((3, X.shape[1]))
        with joint_errors(X):
            for block, own in blocks(X, rows, weight):
                observed = ~np.isnan(block)
                values = np.where(observed, block - origin, 0.0) ** power
                result += observed.sum(axis=0), own @ observed, own @ values
        return total(X, result)

    count, mass, values = sums(np.zeros(X.shape[1]), 1)
    mass = np.maximum(mass, np.finfo(float).tiny)
    # Twice, since sums of large numbers are not exact.
    mean = values / mass
    mean += sums(mean, 1)[2] / mass
    return int(count.sum()), mean, sums(mean, 2)[2] / mass


def _sample(
    X: Any, rows: np.ndarray, weight: np.ndarray | None, rank: int
) -> tuple[np.ndarray, np.ndarray]:
    """As many rows as there is time for, in double precision, with their weights."""
    if weight is not None:
        rows = rows[weight[rows] > 0]
    n_rows = max(1, min(MOST_ROWS, int(PRODUCTS / (X.shape[1] * (rank + 1) ** 2))))
    if len(rows) > n_rows:
        # Always the same ones: the fit depends on its arguments only.
        drawn = np.random.RandomState(0).permutation(len(rows))[:n_rows]
        rows = rows[np.sort(drawn)]
    table = X.whole(rows) if isinstance(X, Shard) else dense_rows(X, rows)
    own = np.ones(len(rows)) if weight is None else weight[rows].astype(float)
    return table.astype(np.float64), own


def _from_axes(
    mean: np.ndarray, axes: np.ndarray, variances: np.ndarray, of_columns: np.ndarray
) -> Gaussian:
    """Probabilistic PCA from leading axes and the variances of the columns."""
    n_features, rank = axes.shape
    largest = max(variances[0], np.finfo(float).tiny)
    noise = (of_columns.sum() - variances[:rank].sum()) / (n_features - rank)
    noise = max(float(noise), NOISE_FLOOR * largest)
    return Gaussian(mean, axes, np.maximum(variances[:rank], noise), noise)


def _rows_per_part(rank: int) -> int:
    return max(1, _PART // (rank + 1) ** 2)


def _inverses(
    observed: np.ndarray, W: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """``(noise I + W_o^T W_o)^-1`` for each row, and the logarithms of determinants."""
    rank = W.shape[1]
    products = (W[:, :, np.newaxis] * W[:, np.newaxis]).reshape(len(W), -1)
    matrices = (observed.astype(float) @ products).reshape(len(observed), rank, rank)
    matrices += noise * np.eye(rank)
    diagonals = np.linalg.cholesky(matrices).diagonal(axis1=1, axis2=2)
    return np.linalg.inv(matrices), -2 * np.log(diagonals).sum(axis=1)


class _Group(NamedTuple):
    """Rows that are worked on together."""

    y: np.ndarray  # (n, p), 0 where an entry is missing
    observed: np.ndarray  # (n, p), or (1, p) for complete rows
    weight: np.ndarray  # (n,)


class _Sums(NamedTuple):
    """What the maximisation needs of the expectations; codes have a 1 at the end."""

    log_likelihood: float
    squares: np.ndarray  # (p, k, k): products of the codes, over observed entries
    products: np.ndarray  # (p, k): of observed entries with the codes
    moments: np.ndarray  # (k, k): products of the codes, over all rows


class _Expectation:
    """The expectation-maximisation algorithm for one table.

    Parameters
    ----------
    table : ndarray of shape (n, p)
    weight : ndarray of shape (n,)
    mean, variance : ndarray of shape (p,)
        Of observed entries.
    """

    def __init__(
        self,
        table: np.ndarray,
        weight: np.ndarray,
        mean: np.ndarray,
        variance: np.ndarray,
    ) -> None:
        # In units of about 1.
        self.unit = float(np.sqrt(variance.mean())) or 1.0
        self.origin = mean
        self.observed = ~np.isnan(table)
        self.y = np.where(self.observed, table - mean, 0.0) / self.unit
        self.weight = weight
        self.variance = variance / self.unit**2
        self.mass = weight @ self.observed
        self.sum_of_squares = float((weight @ self.y**2).sum())

    def maximise(
        self, rank: int, n_iterations: int = MOST_ITERATIONS, gain: float = np.inf
    ) -> Gaussian:
        """The model of a rank; `gain` as in `fit_gaussian`."""
        *_, (mean, W, noise, _) = islice(self.steps(rank, gain), n_iterations)
        axes, deviations, _ = np.linalg.svd(W, full_matrices=False)
        squared_unit = self.unit**2
        variances = (deviations**2 + noise) * squared_unit
        return Gaussian(
            self.origin + mean * self.unit, axes, variances, noise * squared_unit
        )

    def steps(
        self, rank: int, gain: float = np.inf
    ) -> Iterator[tuple[np.ndarray, np.ndarray, float, float]]:
        """Mean, W, noise and log-likelihood before each iteration, until it settles."""
        start = self._start(rank)
        mean, W, noise = start.mean, start.factors, start.noise
        groups, last = list(self._groups(rank)), -np.inf
        n_entries = max(float(self.mass.sum()), 1.0)
        n_parameters = len(mean) * (rank + 1) + 1
        least = min(TOLERANCE * n_entries, gain * n_parameters)
        while True:
            sums = self._expectations(groups, mean, W, noise)
            yield mean, W, noise, sums.log_likelihood
            if sums.log_likelihood - last < least:
                break
            last = sums.log_likelihood
            mean, W, noise = self._maximum(sums)

    def _start(self, rank: int) -> Gaussian:
        """Principal axes, with zeros for gaps, and all the larger for what is observed.

        For entries that are missing at random, products of two columns are then right.
        """
        share = np.maximum(self.mass / max(self.weight.sum(), 1e-300), 1e-3)
        n_rows, n_features = self.y.shape
        axes = principal_axes(
            self.y / share,
            np.arange(n_rows),
            self.weight,
            np.zeros(n_features),
            min(max(rank, 1), n_rows),
        )
        components = np.zeros((rank, n_features))
        variances = np.zeros(max(rank, 1))
        found = min(rank, len(axes.components))
        components[:found] = axes.components[:found]
        # The sum cannot be more than that of the columns.
        variances[: len(axes.variances)] = axes.variances
        variances *= min(1.0, 0.95 * self.variance.sum() / max(variances.sum(), 1e-300))
        start = _from_axes(np.zeros(n_features), components.T, variances, self.variance)
        # Axes without a variance of their own would never get one.
        noise = min(start.noise, 0.5 * variances[:found].min(initial=np.inf))
        noise = max(noise, NOISE_FLOOR * variances.max(initial=1e-6))
        return start._replace(
            noise=noise, variances=np.maximum(variances[:rank], noise)
        )

    def _groups(self, rank: int) -> Iterator[_Group]:
        """Complete rows, which share their matrices, and parts of the others."""
        complete = self.observed.all(axis=1)
        if complete.any():
            every = np.ones((1, self.y.shape[1]), bool)
            yield _Group(self.y[complete], every, self.weight[complete])
        others, step = np.flatnonzero(~complete), _rows_per_part(rank)
        for first in range(0, len(others), step):
            part = others[first : first + step]
            yield _Group(self.y[part], self.observed[part], self.weight[part])

    def _expectations(
        self, groups: list[_Group], mean: np.ndarray, W: np.ndarray, noise: float
    ) -> _Sums:
        n_features, rank = W.shape
        log_likelihood, size = 0.0, rank + 1
        squares = np.zeros((n_features, size * size))
        products = np.zeros((n_features, size))
        moments = np.zeros(size * size)
        for y, observed, weight in groups:
            inverse, log_determinant = _inverses(observed, W, noise)
            centred = y - observed * mean
            images = centred @ W
            codes = np.ones((len(y), size))
            codes[:, :rank] = np.einsum("nij,nj->ni", inverse, images)
            n_observed = observed.sum(axis=1)
            distances = np.square(centred).sum(axis=1) - (images * codes[:, :rank]).sum(
                axis=1
            )
            log_likelihood -= (
                0.5
                * weight
                @ (
                    n_observed * np.log(2 * np.pi)
                    + (n_observed - rank) * np.log(noise)
                    - log_determinant
                    + distances / noise
                )
            )
            covariance = np.zeros((len(inverse), size, size))
            covariance[:, :rank, :rank] = noise * inverse
            weighted = codes * weight[:, np.newaxis]
            if len(observed) < len(y):
                second = weighted.T @ codes + weight.sum() * covariance[0]
                second = second.reshape(1, -1)
            else:
                second = weighted[:, :, np.newaxis] * codes[:, np.newaxis]
                second += weight[:, np.newaxis, np.newaxis] * covariance
                second = second.reshape(len(y), -1)
            squares += observed.T.astype(float) @ second
            moments += second.sum(axis=0)
            products += y.T @ weighted
        shape = (size, size)
        return _Sums(
            float(log_likelihood),
            squares.reshape(n_features, *shape),
            products,
            moments.reshape(shape),
        )

    def _maximum(self, sums: _Sums) -> tuple[np.ndarray, np.ndarray, float]:
        """Mean, W and noise: regressions of the columns on the codes."""
        rank = len(sums.moments) - 1
        ridge = np.eye(rank + 1) * RIDGE
        ridge[rank, rank] = np.finfo(float).tiny
        # Columns without observed entries have a mean of 0.
        ridge = ridge + (self.mass == 0)[:, np.newaxis, np.newaxis] * np.eye(rank + 1)
        B = np.linalg.solve(sums.squares + ridge, sums.products[..., np.newaxis])[
            ..., 0
        ]
        explained = 2 * B * sums.products - B * np.einsum("pij,pj->pi", sums.squares, B)
        residuals = self.sum_of_squares - explained.sum()
        # Codes need not have a mean of 0 and the identity as covariance: the model with
        # such codes is one of these, which saves iterations.
        moments = sums.moments / sums.moments[rank, rank]
        shift = moments[rank, :rank]
        covariance = moments[:rank, :rank] - np.outer(shift, shift)
        W = B[:, :rank] @ np.linalg.cholesky(covariance)
        mean = B[:, rank] + B[:, :rank] @ shift
        largest = np.square(W).sum(axis=0).max(initial=0.0)
        noise = residuals / max(float(self.mass.sum()), np.finfo(float).tiny)
        noise = max(noise, NOISE_FLOOR * max(largest, noise), 1e-12)
        return mean, W, float(noise)
