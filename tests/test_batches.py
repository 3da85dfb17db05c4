"""Batches: every row once a pass, even sizes, bounded blocks."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import sparse

from sklearn_ae.data import tables
from sklearn_ae.data.batches import (
    Affine,
    ArrayDataset,
    TensorBatches,
    unpack_batch,
)


def identity(p):
    return Affine(np.zeros(p), 1.0)


def numbered(n, p=3):
    """A table whose first column is the index of the row."""
    X = np.zeros((n, p))
    X[:, 0] = np.arange(n)
    X[:, -1] = -np.arange(n)
    return X


def dataset(X, rows=None, **params):
    rows = np.arange(X.shape[0]) if rows is None else rows
    p = X.shape[1]
    params = {"standardize": identity(p), "standardize_target": identity(p)} | params
    return ArrayDataset(X, rows, **params)


def numbers(iterator):
    """Indices of the rows in each batch of a pass."""
    return [x[:, 0].int().tolist() for x, _ in iterator]


def flat(batches):
    return [row for batch in batches for row in batch]


@pytest.fixture(params=[None, 1, 200], ids=lambda n: f"block{n}")
def block_bytes(request, monkeypatch):
    """Blocks of the default size, of a single batch, and of a few rows."""
    if request.param is not None:
        monkeypatch.setattr(tables, "BLOCK_BYTES", request.param)


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 10, 100])
@pytest.mark.parametrize("n", [1, 2, 10, 29, 100])
def test_every_row_once_in_even_batches(n, batch_size, shuffled):
    generator = torch.Generator().manual_seed(0) if shuffled else None
    iterator = TensorBatches(dataset(numbered(n)), batch_size, generator)
    for _ in range(2):
        found = numbers(iterator)
        sizes = [len(batch) for batch in found]
        assert len(found) == len(iterator) == -(-n // batch_size)
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1
        assert sorted(flat(found)) == list(range(n))
        if not shuffled:
            assert flat(found) == list(range(n))


def test_sizes_of_many_splits():
    """The bounds are computed in floating point: no size may slip."""
    for n in range(1, 150):
        for batch_size in (3, 7, 11, 49, 64):
            sizes = [len(x) for x, _ in TensorBatches(dataset(numbered(n)), batch_size)]
            assert max(sizes) <= batch_size
            assert max(sizes) - min(sizes) <= 1


def test_a_new_order_every_pass_and_the_same_for_the_same_seed(seed):
    def passes(s):
        generator = torch.Generator().manual_seed(s)
        iterator = TensorBatches(dataset(numbered(50)), 8, generator)
        return [flat(numbers(iterator)) for _ in range(3)]

    first = passes(seed)
    assert all(a != b for a, b in pairwise(first))
    assert first == passes(seed)
    assert first != passes(seed + 1)


def test_global_generators_are_left_alone(untouched_generators):
    generator = torch.Generator().manual_seed(0)
    list(TensorBatches(dataset(numbered(50)), 8, generator))


def test_block_size_does_not_change_the_batches(monkeypatch):
    found = []
    for n_bytes in (1, 300, 2**30):
        monkeypatch.setattr(tables, "BLOCK_BYTES", n_bytes)
        generator = torch.Generator().manual_seed(0)
        found.append(numbers(TensorBatches(dataset(numbered(50)), 8, generator)))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
def test_sparse_rows(kind, seed):
    X = np.random.default_rng(seed).standard_normal((40, 6))
    X[X < 0.5] = 0

    def pass_over(table):
        generator = torch.Generator().manual_seed(seed)
        return list(TensorBatches(dataset(table), 7, generator))

    for (a, _), (b, _) in zip(pass_over(X), pass_over(kind(X)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.usefixtures("block_bytes")
def test_targets_and_weights_stay_with_their_rows():
    """Also where the dataset holds only some rows of the table."""
    n, rows = 60, np.array([3, 50, 7, 8, 9, 31, 20, 4])
    data = dataset(
        numbered(n),
        rows,
        target=numbered(n, p=2) * 10,
        standardize_target=identity(2),
        weight=np.arange(n) * 100.0,
    )
    assert len(data) == len(rows)
    seen = []
    generator = torch.Generator().manual_seed(1)
    for batch in TensorBatches(data, 3, generator):
        # Two items, as skorch's callbacks want them, the second being the target.
        assert len(batch) == 2
        x, target, weight = unpack_batch(batch)
        assert target is batch[1]
        assert target.shape == (len(x), 2)
        assert torch.equal(target[:, 0], 10 * x[:, 0])
        assert torch.equal(weight, 100 * x[:, 0])
        seen += x[:, 0].int().tolist()
    assert sorted(seen) == sorted(rows)


def test_without_targets_the_target_is_the_input():
    for batch in TensorBatches(dataset(numbered(9)), 4):
        x, target, weight = unpack_batch(batch)
        assert target is x
        assert weight is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standardised_in_the_precision_of_the_data(dtype, seed):
    X = np.random.default_rng(seed).standard_normal((20, 4)).astype(dtype)
    before = X.copy()
    mean, scale = X.mean(axis=0, dtype=float), 0.3
    affine = Affine(mean, scale)
    data = dataset(X, standardize=affine, standardize_target=affine)
    x, _, _ = data.gather(np.arange(20))
    assert x.dtype == torch.float32
    np.testing.assert_allclose(x, (X - mean) / scale, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(X, before)  # not in place


def test_mirror_images(seed):
    rng = np.random.default_rng(seed)
    X, Y = 1e3 + rng.standard_normal((9, 4)), rng.standard_normal((9, 2))
    mean_x, mean_y = X.mean(axis=0), Y.mean(axis=0)
    data = dataset(
        X,
        np.arange(1, 9),
        target=Y,
        weight=np.arange(9.0),
        standardize=Affine(mean_x, 2.0),
        standardize_target=Affine(mean_y, 3.0),
    )
    x, target, weight = replace(data, is_mirrored=True).gather(np.array([0, 4]))
    np.testing.assert_allclose(x, (mean_x - X[[1, 5]]) / 2, rtol=1e-5)
    np.testing.assert_allclose(target, (mean_y - Y[[1, 5]]) / 3, rtol=1e-5)
    assert weight.tolist() == [1, 5]


def test_differences_survive_a_large_offset():
    """Rounding to single precision comes after the mean is taken off."""
    X = 1e8 + numbered(5)
    affine = Affine(np.full(3, 1e8), 1.0)
    x, _, _ = dataset(X, standardize=affine).gather(np.arange(5))
    np.testing.assert_array_equal(x, numbered(5))


@pytest.mark.parametrize("order", ["C", "F"])
def test_read_only_tables(order, recwarn):
    X = np.asarray(numbered(10), order=order)
    X.setflags(write=False)
    assert flat(numbers(TensorBatches(dataset(X), 4))) == list(range(10))
    assert not recwarn.list


def test_single_rows_as_torch_asks_for_them():
    x, target = dataset(numbered(5))[3]
    assert x.tolist() == target.tolist() == [3, 0, -3]


def test_thinned_datasets_are_spread_over_all_rows():
    X = np.arange(20.0).reshape(10, 2)
    zero = Affine(np.zeros(2), 1.0)
    rows = np.arange(1, 10)
    dataset = ArrayDataset(X, rows, standardize=zero, standardize_target=zero)
    assert dataset.shape == (9, 2)
    assert dataset.thinned(9) is dataset
    assert dataset.thinned(3).rows.tolist() == [1, 5, 9]
    assert dataset.thinned(3).shape == (3, 2)
    assert dataset.rows is rows
