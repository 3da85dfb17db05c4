"""Batches as slices of large gathered blocks: no row is ever collated on its own."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sklearn_ae._units import Affine

# A block holds as many batches as fit in here, so that the cost of gathering is
# shared by them and memory stays bounded.
BLOCK_BYTES = 8 * 2**20


def dense_rows(X: Any, rows: Any) -> np.ndarray:
    """The rows of an array or a CSR matrix, dense, in C order."""
    if isinstance(X, np.ndarray):
        # `take` is fastest, but copies a whole table that is not in C order.
        taken = not isinstance(rows, slice) and X.flags.c_contiguous
        return np.ascontiguousarray(np.take(X, rows, axis=0) if taken else X[rows])
    return X[rows].toarray()


def rows_per_block(n_columns: int) -> int:
    """How many rows of single precision make a block."""
    return max(1, BLOCK_BYTES // (4 * max(1, n_columns)))


def standardized(rows: np.ndarray, units: Affine) -> Tensor:
    """Standardise in the precision of `rows`, then round to single precision."""
    # Memory of torch's own starts at a cache line, that of NumPy in the middle of one,
    # which slows down the wide registers of some processors.
    result = torch.empty(rows.shape, dtype=torch.float32)
    centred = np.subtract(rows, units.mean, dtype=rows.dtype)
    np.multiply(centred, 1 / units.scale, out=result.numpy(), casting="same_kind")
    return result


class ArrayDataset(Dataset):
    """Some rows of a table, of its targets and of its weights.

    Parameters
    ----------
    X : ndarray or CSR of shape (n, p)
    rows : ndarray of int
        Which rows of `X` belong to the dataset.
    standardize, standardize_target : Affine
        From the units of the data to those of the network.
    target : ndarray or CSR of shape (n, q), or None
        Targets of the reconstruction; None means `X` itself.
    weight : ndarray of shape (n,) or None
        Weights of the rows of `X`, with mean one.
    device : torch.device
        Where the batches go.
    """

    def __init__(
        self,
        X: Any,
        rows: np.ndarray,
        *,
        standardize: Affine,
        standardize_target: Affine,
        target: Any = None,
        weight: np.ndarray | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.X = X
        self.rows = rows
        self.standardize = standardize
        self.standardize_target = standardize_target
        self.target = target
        self.weight = weight
        self.device = torch.device(device)

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
        thinned = copy.copy(self)
        thinned.rows = self.rows[np.linspace(0, len(self) - 1, n_rows).astype(int)]
        return thinned

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, target, _ = self.gather(np.atleast_1d(index))
        return x[0], target[0]

    def gather(self, index: np.ndarray) -> tuple[Tensor, Tensor, Tensor | None]:
        """Input, target and weight of the given rows of the dataset."""
        rows = self.rows[index]
        x = standardized(dense_rows(self.X, rows), self.standardize).to(self.device)
        target, weight = x, None
        if self.target is not None:
            target = dense_rows(self.target, rows)
            target = standardized(target, self.standardize_target).to(self.device)
        if self.weight is not None:
            weight = torch.from_numpy(self.weight[rows].astype(np.float32))
            weight = weight.to(self.device)
        return x, target, weight


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
        (batch,), it is ``(x, weight), target``; see `unpack_batch`.
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
        n_rows = len(self.dataset)
        if self.generator is None:
            order = np.arange(n_rows)
        else:
            order = torch.randperm(n_rows, generator=self.generator).numpy()
        per_block = max(1, rows_per_block(self.dataset.X.shape[1]) // self.batch_size)
        start = 0
        for first in range(0, len(self), per_block):
            sizes = self._sizes[first : first + per_block]
            stop = start + sum(sizes)
            x, target, weight = self.dataset.gather(order[start:stop])
            start = stop
            xs = x.split(sizes)
            targets = xs if target is x else target.split(sizes)
            inputs = xs
            if weight is not None:
                inputs = zip(xs, weight.split(sizes), strict=True)
            yield from zip(inputs, targets, strict=True)


def unpack_batch(batch: tuple[Any, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
    """Input, target and weight of a batch."""
    x, target = batch
    if isinstance(x, tuple):
        return x[0], target, x[1]
    return x, target, None
