"""Blocks of indicators, found by the values of a table."""

from typing import Any

import numpy as np

from sklearn_ae.data.shards import joint_errors, total
from sklearn_ae.data.tables import blocks


def indicator_blocks(X: Any, rows: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """The columns that are indicators, together where one of them is 1 in every row.

    From left to right, the shortest run of columns of zeros and ones whose rows all add
    up to 1 is a block. Other columns of zeros and ones are blocks of their own, if they
    have both values. Missing entries, which are NaN, may be either value; in a block
    of several columns, all of a row are missing or none.

    Parameters
    ----------
    X : ndarray, CSR, BufferedRows or Shard of shape (n, p)
    rows : ndarray of int
        The rows to look at.

    Returns
    -------
    blocks : tuple of tuples of int
        The positions of the columns of each block, from left to right.
    """
    n_rows, n_columns = len(rows), X.shape[1]
    zeros, ones, missing = np.zeros((3, n_columns))
    with joint_errors(X):
        for block, _ in blocks(X, rows):
            zeros += (block == 0).sum(axis=0)
            ones += (block == 1).sum(axis=0)
            missing += np.isnan(block).sum(axis=0)
    zeros, ones, missing = total(X, np.stack([zeros, ones, missing]))
    is_binary = zeros + ones + missing == n_rows
    # A block has as many ones as there are rows, which few other runs have.
    ones = np.where(is_binary, ones, 2 * n_rows)
    counts = ones.cumsum()
    starts = np.flatnonzero(is_binary & (ones > 0) & (zeros > 0))
    wanted = (counts - ones - missing)[starts] + n_rows
    stops = np.searchsorted(counts, wanted) + 1
    is_run = counts[np.minimum(stops, n_columns) - 1] == wanted
    runs = np.column_stack([starts, stops])[is_run]
    wrong = np.zeros(len(runs))
    with joint_errors(X):
        for block, _ in blocks(X, rows):
            added = np.zeros((len(block), n_columns + 1))
            np.cumsum(np.where(is_binary, block == 1, 0.0), axis=1, out=added[:, 1:])
            sums = added[:, runs[:, 1]] - added[:, runs[:, 0]]
            wrong += (sums + np.isnan(block[:, runs[:, 0]]) != 1).sum(axis=0)
    stop_of = dict(runs[total(X, wrong) == 0].tolist())
    found, stop = [], 0
    for start in starts.tolist():
        if start >= stop:
            stop = stop_of.get(start, start + 1)
            found.append(tuple(range(start, stop)))
    return tuple(found)
