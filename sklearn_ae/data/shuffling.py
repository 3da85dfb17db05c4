"""The order of the rows of one pass over a table."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import torch

from sklearn_ae.data.sources import FEW_BLOCKS, blocks_per_buffer, is_on_disk


def order_of_pass(
    tables: Sequence[Any],
    rows: np.ndarray,
    sizes: Sequence[int],
    generator: torch.Generator | None,
) -> Iterator[np.ndarray]:
    """Positions in `rows`, so many at a time as `sizes` says.

    Rows of tables in memory are all shuffled together. From others whole blocks are
    read in random order, each once in a pass, and those in the buffer are shuffled
    together. See [1]_ for what that does to training. If the buffer holds many, a
    quarter of its blocks is in use while a thread reads the next quarter.

    Parameters
    ----------
    tables : sequence of ndarray, CSR, BufferedRows or Shard
        Inputs and, if they are a table of their own, targets.
    rows : ndarray of int
        Rows of the tables, in increasing order.
    sizes : sequence of int
        Their sum is the number of rows.
    generator : torch.Generator or None
        None keeps the order of the rows.

    References
    ----------
    .. [1] D'Ascenzo and Cultrera di Montesano (2025). "scDataset: scalable data loading
       for deep learning on large-scale single-cell omics".
       :doi:`10.48550/arXiv.2506.01883`
    """
    n_rows = len(rows)
    sources = [table for table in tables if is_on_disk(table)]
    if generator is None:
        stream = iter([np.arange(n_rows)])
    elif not sources:
        stream = iter([torch.randperm(n_rows, generator=generator).numpy()])
    else:
        stream = _shuffled_buffers(sources, rows, max(sizes), generator)
    rest = np.empty(0, dtype=np.int64)
    for size in sizes:
        while len(rest) < size:
            found = next(stream)
            rest = np.concatenate([rest, found]) if len(rest) else found
        yield rest[:size]
        rest = rest[size:]


def _shuffled_buffers(
    sources: list[Any], rows: np.ndarray, size: int, generator: torch.Generator
) -> Iterator[np.ndarray]:
    """The positions of the rows of some random blocks, shuffled; all in the end.

    Up to `size` of them are taken at once.
    """
    source = max(sources, key=_rows_of_block)
    first_rows = source.source.edges
    fitting = min(blocks_per_buffer(one) * _rows_of_block(one) for one in sources)
    if not all(np.array_equal(one.source.edges, first_rows) for one in sources):
        # The rows of a block lie in blocks of another source that are, with those at
        # both ends, up to three times as many rows.
        fitting //= 3
    n_blocks = max(1, fitting // _rows_of_block(source))
    # A third has the last rows of the quarter before, and a fourth is the first to be
    # forgotten. Rows that are taken at once must not outlast their blocks.
    quarter = n_blocks // 4
    reads_ahead = quarter >= FEW_BLOCKS and size <= quarter * _rows_of_block(source)
    if reads_ahead:
        n_blocks = quarter
    edges = np.unique(np.searchsorted(rows, first_rows))
    order = torch.randperm(len(edges) - 1, generator=generator).numpy()

    def buffers() -> Iterator[np.ndarray]:
        for start in range(0, len(order), n_blocks):
            blocks = order[start : start + n_blocks]
            positions = np.concatenate(
                [np.arange(edges[i], edges[i + 1]) for i in blocks.tolist()]
            )
            shuffled = torch.randperm(len(positions), generator=generator).numpy()
            yield positions[shuffled]

    return _read_ahead(sources, rows, buffers()) if reads_ahead else buffers()


def _read_ahead(
    sources: list[Any], rows: np.ndarray, buffers: Iterator[np.ndarray]
) -> Iterator[np.ndarray]:
    """The buffers, each of which is read while the one before it is in use."""
    stop = Event()

    def read(wanted: np.ndarray) -> None:
        for source in sources:
            source.read_ahead(wanted, stop)

    before = None
    with ThreadPoolExecutor(1, "sklearn_ae-reading") as pool:
        try:
            for positions in buffers:
                reading = pool.submit(read, rows[positions])
                if before is not None:
                    yield before
                reading.result()
                before = positions
        finally:
            stop.set()
    if before is not None:
        yield before


def _rows_of_block(X: Any) -> int:
    """Of the largest one."""
    return int(np.diff(X.source.edges).max())
