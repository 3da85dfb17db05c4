"""Batches as slices of large gathered blocks: no row is ever collated on its own."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sklearn_ae._units import Affine
from sklearn_ae.data.shards import Shard, ShardBatch, own_rows, total
from sklearn_ae.data.shuffling import order_of_pass
from sklearn_ae.data.sources import BufferedRows, is_on_disk, most_in_memory
from sklearn_ae.data.tables import centred, dense_rows, rows_per_block


@dataclass(eq=False, repr=False)
class ArrayDataset(Dataset):
    """Some rows of a table, of its targets and of its weights.

    Parameters
    ----------
    X : ndarray, CSR, BufferedRows or Shard of shape (n, p)
    rows : ndarray of int
        Which rows of `X` belong to the dataset.
    standardize, standardize_target : Affine
        From the units of the data to those of the network.
    target : ndarray, CSR, BufferedRows or Shard of shape (n, q), or None
        Targets of the reconstruction; None means `X` itself.
    weight : ndarray of shape (n,) or None
        Weights of the rows of `X`, with mean one.
    completed : ndarray of shape (n, p) or None
        `X` with guesses in its gaps, which are NaN; None if it has none.
    is_mirrored : bool
        Whether batches have the mirror images of the rows about the means.
    device : torch.device
        Where the batches go.
    """

    X: Any
    rows: np.ndarray
    _: KW_ONLY
    standardize: Affine
    standardize_target: Affine
    target: Any = None
    weight: np.ndarray | None = None
    completed: np.ndarray | None = None
    is_mirrored: bool = False
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of features, for callbacks that ask."""
        return len(self.rows), self.X.shape[1]

    @property
    def n_outputs(self) -> int:
        return (self.X if self.target is None else self.target).shape[1]

    def thinned(self, n_rows: int) -> "ArrayDataset":
        """At most that many rows of the dataset, evenly spaced."""
        if len(self) <= n_rows:
            return self
        kept = np.linspace(0, len(self) - 1, n_rows).astype(int)
        return replace(self, rows=self.rows[kept])

    def without_gaps(self) -> "ArrayDataset":
        """With guesses in place of missing inputs, for methods that need all."""
        return self if self.completed is None else replace(self, X=self.completed)

    def with_own_weights(self) -> "ArrayDataset":
        """With weights whose mean over its rows is one."""
        if self.weight is None:
            return self
        mass = total(self.X, self.weight[own_rows(self.X, self.rows)].sum())
        return replace(self, weight=self.weight * (len(self.rows) / mass))

    def held_in_memory(self) -> "ArrayDataset":
        """With all its rows in memory, if they take a small share of the buffer.

        So that rows from all over a table are not read again after every epoch.
        """
        rows, tables = self.rows, (self.X, self.target)
        if not any(map(is_on_disk, tables)) or len(rows) > most_in_memory(*tables):
            return self

        def chosen(table: Any) -> Any:
            if table is None:
                return None
            if isinstance(table, Shard):
                # They are increasing, so that those of this rank stay together.
                return Shard(dense_rows(table, rows), table.ranks)
            return table.take(rows) if isinstance(table, BufferedRows) else table[rows]

        return replace(
            self,
            X=chosen(self.X),
            rows=np.arange(len(rows)),
            target=chosen(self.target),
            weight=chosen(self.weight),
        )

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, target, _ = self.gather(np.atleast_1d(index))
        return x[0], target[0]

    @cached_property
    def _has_one_map(self) -> bool:
        """Whether rows are the same as inputs and as targets; once, not every batch."""
        return self.standardize.is_like(self.standardize_target)

    def gather(self, index: np.ndarray) -> tuple[Tensor, Tensor, Tensor | None]:
        """Input, target and weight of the given rows of the dataset.

        Of a `Shard`, those that are on this rank.
        """
        rows = own_rows(self.X, self.rows[index])
        values = dense_rows(self.X, rows)
        sides = [(values, self.standardize)]
        if self.target is not None:
            sides.append((dense_rows(self.target, rows), self.standardize_target))
        elif not self._has_one_map:
            sides.append((values, self.standardize_target))
        tensors = []
        for values, units in sides:
            # In the precision of the table, then rounded to single precision. Memory of
            # torch's own starts at a cache line, that of NumPy in the middle of one,
            # which slows down the wide registers of some processors.
            tensor = torch.empty(values.shape, dtype=torch.float32)
            rows_of_network = centred(values, units.mean, units.scale)
            factor = (-1 if self.is_mirrored else 1) / units.scale
            out = tensor.numpy()
            # Later data may overflow; the infinite loss is then an error.
            with np.errstate(over="ignore", invalid="ignore"):
                np.multiply(rows_of_network, factor, out=out, casting="same_kind")
            tensors.append(tensor.to(self.device))
        weight = None
        if self.weight is not None:
            weight = torch.from_numpy(self.weight[rows].astype(np.float32))
            weight = weight.to(self.device)
        return tensors[0], tensors[-1], weight


class TensorBatches:
    """Iterate over a dataset in batches whose sizes differ by one row at most.

    Parameters
    ----------
    dataset : ArrayDataset
    batch_size : int
        The largest number of rows in a batch.
    generator : torch.Generator or None
        Shuffles before every pass; None keeps the order of the rows.

    Yields
    ------
    x, target : tensors of shape (batch, p) and (batch, q)
        As skorch and its callbacks expect them. With weights, a tensor of shape
        (batch,), it is ``(x, weight), target``; see `unpack_batch`. Of a `Shard`, it is
        a `ShardBatch`.
    """

    def __init__(
        self,
        dataset: ArrayDataset,
        batch_size: int,
        generator: torch.Generator | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.generator = generator
        # Even sizes: a last batch of one row would weigh as much as a full one.
        n_batches = -(-len(dataset) // batch_size)
        edges = np.linspace(0, len(dataset), n_batches + 1).astype(int)
        self._sizes = np.diff(edges).tolist()

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[tuple[Any, Tensor]]:
        dataset = self.dataset
        per_block = max(1, rows_per_block(dataset.X.shape[1]) // self.batch_size)
        gathered = [
            self._sizes[first : first + per_block]
            for first in range(0, len(self), per_block)
        ]
        order = order_of_pass(
            [dataset.X, dataset.target],
            dataset.rows,
            [sum(sizes) for sizes in gathered],
            self.generator,
        )
        for sizes, index in zip(gathered, order, strict=True):
            x, target, weight = dataset.gather(index)
            if isinstance(dataset.X, Shard):
                yield from self._of_rank(index, sizes, x, target, weight)
                continue
            xs = x.split(sizes)
            targets = xs if target is x else target.split(sizes)
            inputs = xs
            if weight is not None:
                inputs = zip(xs, weight.split(sizes), strict=True)
            yield from zip(inputs, targets, strict=True)

    def _of_rank(
        self,
        index: np.ndarray,
        sizes: list[int],
        x: Tensor,
        target: Tensor,
        weight: Tensor | None,
    ) -> Iterator[ShardBatch]:
        """The batches of these sizes, with the rows that are on this rank."""
        shard = self.dataset.X
        is_own = shard.has(self.dataset.rows[index])
        stop = 0
        for rows, n_total in zip(
            np.split(is_own, np.cumsum(sizes)[:-1]), sizes, strict=True
        ):
            n_rows = int(rows.sum())
            own = slice(stop, stop + n_rows)
            stop += n_rows
            inputs, outputs = x[own], target[own]
            if n_rows == 0:
                # Batch normalisation needs more than one row.
                inputs = (x.new_zeros(2, x.shape[1]), x.new_zeros(2))
                outputs = target.new_zeros(2, target.shape[1])
            elif weight is not None:
                inputs = (inputs, weight[own])
            yield ShardBatch((inputs, outputs), n_rows, n_total, shard.ranks)


def unpack_batch(batch: tuple[Any, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Input, target and weight of a batch."""
    x, target = batch
    if isinstance(x, tuple):
        return x[0], target, x[1]
    return x, target, None
