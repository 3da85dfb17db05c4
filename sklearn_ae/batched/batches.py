"""The batches of several trainings at once."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from sklearn_ae.data.batches import ArrayDataset, TensorBatches, unpack_batch

# Input, target and weight, each a list with an entry for every training.
Batches = tuple[list[Tensor], list[Tensor], list[Any]]


class SharedBatches:
    """Batches for several trainings; equal ones are gathered once.

    Parameters
    ----------
    datasets : sequence of ArrayDataset
        Of the same number of rows.

    batch_size : int
        The largest number of rows in a batch.

    generators : sequence of torch.Generator or of None
        Copies of them draw the order of the rows; they themselves do not move.
    """

    def __init__(
        self,
        datasets: Sequence[ArrayDataset],
        batch_size: int,
        generators: Sequence[torch.Generator | None],
    ) -> None:
        self._distinct: list[TensorBatches] = []
        self._of: list[int] = []
        for dataset, generator in zip(datasets, generators, strict=True):
            for i, batches in enumerate(self._distinct):
                if equal_states(generator, batches.generator) and equal_rows(
                    dataset, batches.dataset
                ):
                    self._of.append(i)
                    break
            else:
                self._of.append(len(self._distinct))
                copy = _copy(generator)
                self._distinct.append(TensorBatches(dataset, batch_size, copy))

    def __iter__(self) -> Iterator[Batches]:
        for batches in zip(*self._distinct, strict=True):
            parts = [unpack_batch(batch) for batch in batches]
            x, target, weight = zip(*(parts[i] for i in self._of), strict=True)
            yield list(x), list(target), list(weight)

    def state(self, i: int) -> Tensor:
        """State that the generator of training `i` would have by itself."""
        generator = self._distinct[self._of[i]].generator
        assert generator is not None
        return generator.get_state()

    def states(self) -> list[Tensor]:
        """States of the generators, each of which may serve several trainings."""
        return [
            batches.generator.get_state()
            for batches in self._distinct
            if batches.generator is not None
        ]

    def set_states(self, states: Sequence[Tensor]) -> None:
        """Restore what `states` has returned."""
        for batches, state in zip(self._distinct, states, strict=True):
            if batches.generator is not None:
                batches.generator.set_state(state)

    def keep(self, staying: Sequence[int]) -> None:
        """Go on with these trainings alone."""
        of = [self._of[i] for i in staying]
        used = sorted(set(of))
        self._distinct = [self._distinct[i] for i in used]
        self._of = [used.index(i) for i in of]


def _copy(generator: torch.Generator | None) -> torch.Generator | None:
    if generator is None:
        return None
    return torch.Generator(generator.device).set_state(generator.get_state())


def equal_states(a: torch.Generator | None, b: torch.Generator | None) -> bool:
    return a is b or (
        a is not None and b is not None and torch.equal(a.get_state(), b.get_state())
    )


def equal_rows(a: ArrayDataset, b: ArrayDataset) -> bool:
    """Whether two datasets give the same batches."""
    return (
        np.array_equal(a.rows, b.rows)
        and _equal_tables(a.X, b.X)
        and _equal_tables(a.target, b.target)
        and _equal_tables(a.weight, b.weight)
        and a.standardize.is_like(b.standardize)
        and a.standardize_target.is_like(b.standardize_target)
    )


def _equal_tables(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if sparse.issparse(a) and sparse.issparse(b):
        # They are CSR, as all sparse tables here.
        parts = ("indptr", "indices", "data")
        return a.shape == b.shape and all(
            _equal_tables(getattr(a, part), getattr(b, part)) for part in parts
        )
    if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
        return False
    # Folds differ from the first row on.
    return a.dtype == b.dtype and all(
        np.array_equal(a[rows], b[rows], equal_nan=True)
        for rows in (slice(1), slice(1, None))
    )
