"""Tables whose rows are spread over several processes."""

from contextlib import AbstractContextManager, nullcontext
from threading import Event
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from torch import Tensor

from sklearn_ae.data.ranks import Ranks
from sklearn_ae.data.sources import BufferedRows


class Blocks(NamedTuple):
    """How a table on the disks of several ranks is read, as `RowSource` describes one.

    Parameters
    ----------
    edges : ndarray of int
        First row of each block, and the number of rows.
    buffer_bytes : int
        Of all ranks together.
    row_bytes : int
    """

    edges: np.ndarray
    buffer_bytes: int
    row_bytes: int


class Shard:
    """The part of a table that is on this rank.

    Rows are numbered as in the whole table, that of rank 0 first.

    Parameters
    ----------
    table : ndarray, CSR or BufferedRows
        The rows of this rank.
    ranks : Ranks

    Attributes
    ----------
    shape : tuple of int
        That of the whole table.
    source : Blocks or None
        None if the rows of all ranks are in memory.
    """

    def __init__(self, table: Any, ranks: Ranks) -> None:
        self.table, self.ranks = table, ranks
        own = None
        if isinstance(table, BufferedRows):
            own = Blocks(*(getattr(table.source, name) for name in Blocks._fields))
        found = ranks.gather((table.shape[0], own))
        counts = [n_rows for n_rows, _ in found]
        self.source = _joint_blocks(counts, [blocks for _, blocks in found])
        self.start = sum(counts[: ranks.rank])
        self.stop = self.start + table.shape[0]
        self.shape = (sum(counts), table.shape[1])
        self.dtype = table.dtype

    def has(self, rows: np.ndarray) -> np.ndarray:
        """Which of these rows are on this rank."""
        return (rows >= self.start) & (rows < self.stop)

    def positions(self, rows: Any) -> Any:
        """Where rows, an array or a slice, are in the table of this rank, if they are.

        Those of other ranks are left out.
        """
        if isinstance(rows, slice):
            edges = (rows.start - self.start, rows.stop - self.start)
            return slice(*(int(np.clip(edge, 0, len(self))) for edge in edges))
        return rows[self.has(rows)] - self.start

    def __len__(self) -> int:
        return self.stop - self.start

    def read_ahead(self, rows: np.ndarray, stop: Event) -> None:
        """As that of `BufferedRows`, for the rows on this rank."""
        if isinstance(self.table, BufferedRows):
            self.table.read_ahead(self.positions(rows), stop)

    def whole(self, rows: np.ndarray) -> Any:
        """These rows of the whole table, on every rank."""
        own = taken(self, rows)
        if isinstance(own, BufferedRows):
            own = own.take(slice(None))
        # In ascending order of the ranks, then as they were.
        parts = self.ranks.gather(own)
        if any(map(sparse.issparse, parts)):
            table = sparse.vstack([sparse.csr_array(part) for part in parts])
        else:
            table = np.concatenate(parts)
        starts = np.array(self.ranks.gather(self.start))
        order = np.argsort(np.searchsorted(starts, rows, side="right"), kind="stable")
        return table[np.argsort(order, kind="stable")]


def _joint_blocks(counts: list[int], found: list[Blocks | None]) -> Blocks | None:
    """The blocks of all ranks, of which some may have their rows in memory."""
    on_disks = [blocks for blocks in found if blocks is not None]
    if not on_disks:
        return None
    step = max(int(np.diff(blocks.edges).max()) for blocks in on_disks)
    starts, start = [], 0
    for n_rows, blocks in zip(counts, found, strict=True):
        first = np.arange(0, n_rows, step) if blocks is None else blocks.edges[:-1]
        starts.append(start + first)
        start += n_rows
    return Blocks(
        np.append(np.concatenate(starts), start),
        len(found) * min(blocks.buffer_bytes for blocks in on_disks),
        on_disks[0].row_bytes,
    )


class ShardBatch(tuple):
    """A batch of which this rank has a part: ``(x, target)`` or ``((x, w), target)``.

    Attributes
    ----------
    n_rows : int
        Number of rows on this rank. If it is 0, the tensors have rows of weight zero,
        since not all networks can do without any.
    n_total : int
        Number of rows on all ranks.
    ranks : Ranks
    """

    n_rows: int
    n_total: int
    ranks: Ranks

    def __new__(
        cls, tensors: tuple[Any, Tensor], n_rows: int, n_total: int, ranks: Ranks
    ) -> "ShardBatch":
        batch = super().__new__(cls, tensors)
        batch.n_rows, batch.n_total, batch.ranks = n_rows, n_total, ranks
        return batch

    @property
    def share(self) -> float:
        """The rows of this rank among those of the batch."""
        return self.n_rows / self.n_total

    def mean(self, values: Tensor) -> Tensor:
        """Of a mean over the rows of this rank, the mean over all rows of the batch."""
        return self.ranks.sum_(values.detach() * self.share)


def own_rows(X: Any, rows: np.ndarray) -> np.ndarray:
    """The rows that are on this rank: all, unless the table is spread."""
    return rows[X.has(rows)] if isinstance(X, Shard) else rows


def own_part(X: Any) -> Any:
    """The rows that are on this rank, as a table."""
    return X.table if isinstance(X, Shard) else X


def taken(X: Any, rows: np.ndarray) -> Any:
    """Rows on this rank, as a table of the same kind."""
    return X.table[X.positions(rows)] if isinstance(X, Shard) else X[rows]


def whole(X: Any, rows: np.ndarray) -> Any:
    """Rows of all ranks, on every rank, as a table of the same kind."""
    return X.whole(rows) if isinstance(X, Shard) else X[rows]


def own_entries(X: Any, values: np.ndarray) -> np.ndarray:
    """Of an array with an entry for each row, those of the rows on this rank."""
    return values[X.start : X.stop] if isinstance(X, Shard) else values


def of_all_ranks(X: Any, values: Any) -> Any:
    """An array with an entry for each row of all ranks, from one for those on this."""
    return np.concatenate(X.ranks.gather(values)) if isinstance(X, Shard) else values


def of_first_rank(X: Any, value: Any) -> Any:
    """The value of rank 0, for what each rank may have drawn at random."""
    return X.ranks.from_first(value) if isinstance(X, Shard) else value


def joint_errors(X: Any) -> AbstractContextManager[None]:
    """Around what a rank does with its own rows: raise its errors on all ranks.

    There must be no communication in the block.
    """
    return X.ranks.sharing_errors() if isinstance(X, Shard) else nullcontext()


def total(X: Any, values: Any) -> Any:
    """The sum over all ranks of what has been summed over the rows of this one."""
    return X.ranks.total(values) if isinstance(X, Shard) else values


def by_row_of_all_ranks(X: Any, rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    """A number for each of the rows, of which this rank has computed its own."""
    if not isinstance(X, Shard):
        return own
    every = np.zeros(len(rows))
    every[X.has(rows)] = own
    return X.ranks.total(every)


def extremes(X: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """The least and the greatest of all ranks, of those of the rows of this one."""
    if not isinstance(X, Shard):
        return low, high
    lows, highs = zip(*X.ranks.gather((low, high)), strict=True)
    return np.min(lows, axis=0), np.max(highs, axis=0)


def mean_of_batch(batch: Any, values: Tensor) -> Tensor:
    """Of a mean over the rows of this rank, the mean over all rows of the batch."""
    return batch.mean(values) if isinstance(batch, ShardBatch) else values


def rows_in(batch: Any) -> int:
    """Number of rows of this rank in a batch."""
    return batch.n_rows if isinstance(batch, ShardBatch) else len(batch[1])


def total_of_batches(batch: Any, values: np.ndarray) -> np.ndarray:
    """The sum over all ranks of what was summed over batches like this one."""
    return batch.ranks.total(values) if isinstance(batch, ShardBatch) else values
