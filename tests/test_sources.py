"""Tables larger than memory: reading, shuffling within a buffer, fits."""

import copy
import pickle
import sys
import threading

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, KFold
from skorch.callbacks import Callback

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.data import from_array, from_parquet
from sklearn_ae.data.batches import Affine, ArrayDataset, TensorBatches
from sklearn_ae.data.shuffling import order_of_pass
from sklearn_ae.data.sources import BufferedRows
from sklearn_ae.data.tables import (
    column_ranges,
    mean_and_scale,
    number_of_axes,
    principal_axes,
)
from sklearn_ae.persistence import Checkpoint
from sklearn_ae.persistence.fingerprint import digest

N, P = 1000, 6


class Disk:
    """A table that can only be sliced, in chunks of rows, and that counts its reads."""

    def __init__(self, X, chunk=None):
        self._X, self.shape, self.dtype = X, X.shape, X.dtype
        self.chunks = None if chunk is None else (chunk, X.shape[1])
        self.slices = []

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        assert rows.step is None
        self.slices.append((rows.start, rows.stop))
        return self._X[rows]

    @property
    def n_read(self):
        return sum(stop - start for start, stop in self.slices)


@pytest.fixture(scope="module")
def X():
    """Sorted by the first column."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(N, 2))
    X = np.tanh(hidden @ rng.normal(size=(2, P))) + 0.1 * rng.normal(size=(N, P))
    return X[np.argsort(X[:, 0])].astype(np.float32)


def source(X, chunk=10, share=5):
    """A table on a disk, of whose rows one in `share` fits into the buffer."""
    return from_array(Disk(X, chunk), buffer_bytes=X.nbytes // share)


def quick(**params):
    return Autoencoder(2, max_epochs=2, batch_size=64, random_state=0, **params)


# -- reading ---------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [None, 1, 7, 10, 200])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "bool", "float16"])
def test_rows_are_those_of_the_array(X, chunk, dtype):
    X = (10 * X).astype(dtype)
    rows = BufferedRows(source(X, chunk))
    assert rows.dtype == (np.float32 if dtype == "float32" else np.float64)
    rng = np.random.default_rng(0)
    for index in (
        slice(0, N),
        slice(3, 4),
        slice(95, 310),
        slice(990, 2000),
        np.arange(0, N, 17),
        rng.permutation(N)[:300],
        np.array([5, 5, 999]),
        np.array([], dtype=int),
    ):
        taken = rows.take(index)
        assert taken.dtype == rows.dtype
        assert taken.flags.c_contiguous
        np.testing.assert_array_equal(taken, X[index])


def test_memory_is_bounded_by_the_buffer(X):
    disk = Disk(X, 10)
    table = from_array(disk, buffer_bytes=5 * 10 * X[:1].nbytes)
    rows = BufferedRows(table)
    for index in (slice(0, N), np.random.default_rng(0).permutation(N)):
        rows.take(index)
        held = list(rows._blocks.values())
        assert sum(block.nbytes for block in held) <= table.buffer_bytes
        assert len(held) == 5
    # A read is a block, of whole chunks.
    assert {(start % 10, stop - start) for start, stop in disk.slices} == {(0, 10)}


def test_what_is_in_memory_is_not_read_again(X):
    disk = Disk(X, 10)
    rows = BufferedRows(from_array(disk, buffer_bytes=5 * 10 * X[:1].nbytes))
    rows.take(np.arange(50))
    assert disk.n_read == 50
    rows.take(np.arange(50)[::-1])
    rows.take(slice(13, 40))
    assert disk.n_read == 50
    # What is in memory comes first, before other blocks take its place.
    rows.take(np.arange(90)[::-1])
    assert disk.n_read == 90


def test_blocks_are_whole_chunks_of_a_share_of_the_buffer(X):
    n_bytes = X[:1].nbytes
    table = from_array(Disk(X), buffer_bytes=128 * 3 * n_bytes)
    assert set(np.diff(table.edges)) == {3, N % 3}
    table = from_array(Disk(X, 2), buffer_bytes=128 * 3 * n_bytes)
    assert set(np.diff(table.edges)) == {2}
    table = from_array(Disk(X, 40), buffer_bytes=128 * 3 * n_bytes)
    assert set(np.diff(table.edges)) == {40}
    irregular = Disk(X)
    irregular.chunks = ((100, 300, 600), (P,))
    table = from_array(irregular, buffer_bytes=600 * n_bytes)
    assert table.edges.tolist() == [0, 100, 400, 1000]


def test_a_chunk_larger_than_the_buffer(X):
    with pytest.raises(ValueError, match=r"Rows 0 to 499.*Raise buffer_bytes"):
        source(X, chunk=500)


@pytest.mark.parametrize("buffer_bytes", [0, -1, 1.5, None])
def test_buffer_bytes(X, buffer_bytes):
    with pytest.raises(ValueError, match=f"buffer_bytes={buffer_bytes} must be"):
        from_array(Disk(X), buffer_bytes=buffer_bytes)


class OfUnknownSize(Disk):
    """As arrays of Dask can be."""

    def __init__(self):
        super().__init__(np.zeros((2, 3)))
        self.shape = np.nan, 3


@pytest.mark.parametrize(
    "array", [np.zeros(3), np.array([["a"]]), [[1.0]], None, OfUnknownSize()]
)
def test_arrays_that_are_no_tables_of_numbers(array):
    with pytest.raises(ValueError, match="two-dimensional array of numbers"):
        from_array(array)


def test_selected_rows(X):
    table = source(X)
    np.testing.assert_array_equal(np.asarray(table), X)
    for rows in (slice(15, 700), slice(0, 0), X[:, 1] > 0, np.arange(0, N, 3), []):
        part = table[rows]
        assert part.buffer_bytes == table.buffer_bytes
        np.testing.assert_array_equal(np.asarray(part), X[rows])
        again = part[np.arange(0, len(part), 2)]
        np.testing.assert_array_equal(np.asarray(again), X[rows][::2])


@pytest.mark.parametrize(
    "rows", [[2, 1], [1, 1], [0.5], 3, [N], [-1], slice(None, None, -1), [True]]
)
def test_rows_that_cannot_be_selected(X, rows):
    with pytest.raises(IndexError, match=r"slice, a mask|is not among the 1000 rows"):
        source(X)[rows]


def test_slices_are_whole_blocks_and_all_rows(X):
    table = source(X, chunk=30)
    parts = [table[rows] for rows in table.slices()]
    assert np.concatenate([np.asarray(part) for part in parts]).shape == X.shape
    assert {rows.start for rows in table.slices()} <= set(table.edges)


# -- the order of a pass ---------------------------------------------------------------


def orders(tables, rows, sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return list(order_of_pass(tables, rows, sizes, generator))


def test_rows_in_memory_are_shuffled_as_a_whole(X):
    (order,) = orders([X, None], np.arange(N), [N])
    expected = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(order, expected)


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("with_target", [False, True])
def test_every_row_once_and_blocks_are_read_once(X, step, with_target):
    disk, other = Disk(X, 10), Disk(X, 20)
    tables = [
        BufferedRows(from_array(one, buffer_bytes=X.nbytes // 5))
        for one in ([disk, other] if with_target else [disk])
    ]
    rows = np.arange(0, N, step)
    sizes = [64] * (len(rows) // 64) + [len(rows) % 64]
    parts = orders(tables, rows, sizes)
    assert [len(part) for part in parts] == sizes
    order = np.concatenate(parts)
    np.testing.assert_array_equal(np.sort(order), np.arange(len(rows)))
    for part in parts:
        for table in tables:
            np.testing.assert_array_equal(table.take(rows[part]), X[rows[part]])
    assert disk.n_read == N
    assert other.n_read == (N if with_target else 0)


def test_thread_reads_ahead_what_is_used_next(X):
    readers = []

    class Watched(Disk):
        def __getitem__(self, rows):
            readers.append(threading.current_thread().name)
            return super().__getitem__(rows)

    disk = Watched(X, 10)
    table = BufferedRows(from_array(disk, buffer_bytes=X.nbytes // 3))
    generator = torch.Generator().manual_seed(0)
    seen = []
    for positions in order_of_pass([table], np.arange(N), [50] * 20, generator):
        np.testing.assert_array_equal(table.take(positions), X[positions])
        seen.append(positions)
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(N))
    # Nothing is left to be read where it is used, and nothing is read twice.
    assert disk.n_read == N
    assert all(name.startswith("sklearn_ae-reading") for name in readers)


def test_errors_of_the_thread_that_reads_ahead_end_the_pass(X):
    X = X.copy()
    X[777, 3] = np.nan
    table = BufferedRows(from_array(Disk(X, 10), buffer_bytes=X.nbytes // 3))
    with pytest.raises(ValueError, match="the value nan is in column 3, row 777"):
        orders([table], np.arange(N), [50] * 20)
    assert not any("sklearn_ae-reading" in one.name for one in threading.enumerate())


def test_blocks_of_a_buffer_are_random_and_mixed(X):
    table = BufferedRows(source(X))  # 100 blocks, of which 20 fit
    (order,) = orders([table], np.arange(N), [N])
    blocks = np.unique(order[:200] // 10)
    assert len(blocks) == 20
    # Of a random choice of 20 of 100 blocks.
    assert np.diff(blocks).max() > 5
    # Neighbours come from one block no more often than by chance: 9 of 199 pairs.
    assert (np.diff(order[:200] // 10) == 0).sum() < 30
    (again,) = orders([table], np.arange(N), [N])
    np.testing.assert_array_equal(order, again)
    (other,) = orders([table], np.arange(N), [N], seed=1)
    assert (order != other).mean() > 0.9


def test_without_a_generator_rows_come_in_their_order(X):
    table = BufferedRows(source(X))
    parts = list(order_of_pass([table], np.arange(N), [600, 400], None))
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(N))


def test_batches_hold_their_rows(X):
    disk = Disk(X, 10)
    table = BufferedRows(from_array(disk, buffer_bytes=X.nbytes // 5))
    weight = np.linspace(0.5, 1.5, N)
    dataset = ArrayDataset(
        table,
        np.arange(N),
        standardize=Affine(np.zeros(P), 1.0),
        standardize_target=Affine(np.zeros(2), 1.0),
        target=X[:, :2],
        weight=weight,
    )
    batches = TensorBatches(dataset, 64, torch.Generator().manual_seed(0))
    of_row = {tuple(row): i for i, row in enumerate(X.tolist())}
    seen = []
    for (x, own), target in batches:
        rows = [of_row[tuple(row)] for row in x.tolist()]
        np.testing.assert_array_equal(target, X[rows, :2])
        np.testing.assert_array_equal(own, weight[rows].astype(np.float32))
        seen += rows
    assert sorted(seen) == list(range(N))
    assert disk.n_read == N


# -- sums in blocks --------------------------------------------------------------------


@pytest.mark.parametrize("limit", [2, 2048])
def test_moments_and_axes_are_those_of_the_array(X, limit, monkeypatch):
    monkeypatch.setattr("sklearn_ae.data.tables.COVARIANCE_LIMIT", limit)
    rows, weight = np.arange(0, N, 3), np.linspace(0.5, 1.5, N)
    table = BufferedRows(source(X, chunk=30))
    mean, scale = mean_and_scale(X, rows, weight)
    for ours, wanted in zip(
        mean_and_scale(table, rows, weight), (mean, scale), strict=True
    ):
        np.testing.assert_array_equal(ours, wanted)
    for ours, wanted in zip(
        column_ranges(table, rows), column_ranges(X, rows), strict=True
    ):
        np.testing.assert_array_equal(ours, wanted)
    few = rows[:4]
    for some, k in [(rows, 1), (rows, 4), (few, 2)]:
        ours, theirs = (principal_axes(T, some, None, mean, k) for T in (table, X))
        np.testing.assert_array_equal(ours.components, theirs.components)
        assert number_of_axes(table, some, None, mean, 0.7) == number_of_axes(
            X, some, None, mean, 0.7
        )


# -- estimators ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(X):
    """A fit, and the disk that it read from."""
    disk = Disk(X, 10)
    table = from_array(disk, buffer_bytes=X.nbytes // 5)
    return quick().fit(table), disk


def test_a_fit_reads_slices_in_a_few_passes(fitted):
    _, disk = fitted
    assert max(stop - start for start, stop in disk.slices) == 10
    # Two of them are the epochs, and one is for the mean of the rows not held out.
    assert disk.n_read <= 16 * N


def test_methods_give_what_they_give_for_the_array(fitted, X):
    autoencoder, _ = fitted
    table = source(X)
    for method in (
        "transform",
        "reconstruct",
        "reconstruction_error",
        "score_samples",
        "score",
    ):
        ours, theirs = (getattr(autoencoder, method)(one) for one in (table, X))
        np.testing.assert_array_equal(ours, theirs)
    codes = autoencoder.transform(X)
    for ours, theirs in zip(
        autoencoder.hidden_activations(table),
        autoencoder.hidden_activations(X),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    back = autoencoder.inverse_transform(source(codes))
    np.testing.assert_array_equal(back, autoencoder.inverse_transform(codes))
    parts = [autoencoder.transform(table[rows]) for rows in table.slices()]
    np.testing.assert_allclose(np.concatenate(parts), codes, rtol=1e-5, atol=1e-6)


def test_training_is_as_good_as_in_memory(X):
    """Rows are sorted, and a fifth of them fits into the buffer."""
    rng = np.random.default_rng(1)
    where = rng.permutation(N)
    train, unseen = X[np.sort(where[:700])], X[where[700:]]
    params = {"max_epochs": 10, "batch_size": 64, "random_state": 0}
    disk, memory = (
        Autoencoder(2, **params).fit(table, X_val=unseen).best_loss_
        for table in (source(train), train)
    )
    assert disk == pytest.approx(memory, rel=0.15)


def test_what_fits_into_the_buffer_is_fitted_as_an_array(X):
    disk = Disk(X)
    codes = quick().fit(disk).transform(disk)
    assert disk.n_read == 2 * N
    np.testing.assert_array_equal(codes, quick().fit(X).transform(X))


@pytest.mark.parametrize(
    "estimator",
    [
        SparseAutoencoder(3),
        DenoisingAutoencoder(2, corruption="salt_and_pepper"),
        VariationalAutoencoder(2),
        ConvolutionalAutoencoder(2, image_shape=(1, 2, 3)),
        StackedAutoencoder(2, pretrain_epochs=1),
        Autoencoder(0.9, loss="huber", validation=None),
        Autoencoder(2, validation=KFold(2)),
        Autoencoder(2, validation=0.2),
        AutoencoderRegressor(Autoencoder(2, max_epochs=1)),
        AutoencoderClassifier(Autoencoder(2, max_epochs=1)),
        AutoencoderOutlierDetector(Autoencoder(2, max_epochs=1), cv=2),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_all_estimators_take_them(estimator, X):
    disk = Disk(X, 10)
    table = from_array(disk, buffer_bytes=X.nbytes // 5)
    params = estimator.get_params()
    estimator.set_params(
        random_state=0, **({"max_epochs": 1} if "max_epochs" in params else {})
    )
    # One in ten rows has no label.
    y = np.where(np.arange(N) % 10, X[:, 1] > 0, -1)
    estimator.fit(table, y)
    assert max(stop - start for start, stop in disk.slices) == 10
    method = "predict" if hasattr(estimator, "predict") else "transform"
    ours, theirs = (getattr(estimator, method)(one) for one in (table, X))
    np.testing.assert_array_equal(ours, theirs)


def test_weights_targets_and_validation_data(X):
    weight = np.where(np.arange(N) % 3, 1.0, 0.0)
    autoencoder = quick().fit(
        source(X),
        X_target=source(2 * X[:, :4], chunk=30),
        sample_weight=weight,
        X_val=source(X[:500], share=2),
        X_target_val=2 * X[:500, :4],
    )
    assert autoencoder.reconstruct(X).shape == (N, 4)
    ours, theirs = (
        autoencoder.score(table, X_target=target, sample_weight=weight)
        for table, target in [(source(X), source(2 * X[:, :4])), (X, 2 * X[:, :4])]
    )
    assert ours == theirs


def test_partial_fit(X):
    table = source(X)
    ours, theirs = quick(), quick()
    for rows in (slice(0, 400), slice(400, N)):
        # Parts of a table fit into the buffer of another one.
        ours.partial_fit(from_array(Disk(X[rows])))
        theirs.partial_fit(X[rows])
    np.testing.assert_array_equal(ours.transform(table), theirs.transform(X))
    assert quick().partial_fit(table).score(table) > 0.5


def test_held_out_rows_are_random_and_kept_in_memory(X):
    """A quarter of the buffer holds 125 rows."""
    seen = []

    class Watch(Callback):
        def on_epoch_begin(self, net, dataset_valid=None, **kwargs):
            seen.append(dataset_valid)

    quick(callbacks=[Watch()]).fit(source(X, share=2))
    held_out = seen[0]
    assert seen == [held_out] * 2
    assert isinstance(held_out.X, np.ndarray)
    assert len(held_out) == 100  # the least of a choice
    first = np.searchsorted(X[:, 0], held_out.X[:, 0])
    # Rows from everywhere in the sorted table.
    assert np.diff(np.sort(first)).max() < N / 5
    assert len(np.unique(first)) > 95


# -- errors ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(X, value):
    X = X.copy()
    X[613, 4] = value
    message = f"Rows 610 to 619 .* the value {value} is in column 4, row 613"
    with pytest.raises(ValueError, match=message):
        quick().fit(source(X))
    autoencoder = quick().fit(source(X[:600]))
    with pytest.raises(ValueError, match=message):
        autoencoder.transform(source(X))


def test_sums_that_overflow_are_finite(X):
    X = np.full((N, 2), 1e308)
    assert np.isfinite(BufferedRows(source(X)).take(slice(0, N))).all()


def test_errors_as_for_arrays(X, fitted):
    autoencoder, _ = fitted
    with pytest.raises(ValueError, match="expecting 6 features"):
        autoencoder.transform(source(X[:, :3]))
    with pytest.raises(ValueError, match="X_val has 3 features, but X has 6"):
        quick().fit(X, X_val=source(X[:, :3]))
    with pytest.raises(ValueError, match="Column 2 of X has values up to 1"):
        quick().fit(source(X.astype(float) * [1, 1, 1e38, 1, 1, 1]))
    with pytest.raises(ValueError, match=r"needs values in \[0, 1\]"):
        quick(loss="bce").fit(source(X))
    with pytest.raises(ValueError, match="X_target has 1000 rows, but X has 999"):
        quick().fit(X[1:], X_target=source(X))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        AutoencoderRegressor().fit(source(X), X[1:, 0])
    with pytest.raises(ValueError, match="minimum of 2"):
        quick().fit(from_array(Disk(X[:1])))
    with pytest.raises(ValueError, match="needs tables in memory"):
        AutoencoderOutlierDetector(PCA(2)).fit(source(X))


def test_a_read_that_fails_leaves_the_estimator_as_it_was(X):
    class Broken(Disk):
        def __getitem__(self, rows):
            if len(self.slices) > 500:
                raise OSError("the disk is gone")
            return super().__getitem__(rows)

    autoencoder = quick()
    before = dict(vars(autoencoder))
    table = from_array(Broken(X, 10), buffer_bytes=X.nbytes // 5)
    with pytest.raises(OSError, match="the disk is gone"):
        autoencoder.fit(table)
    assert vars(autoencoder) == before


def test_few_blocks_in_the_buffer_are_a_warning(X):
    with pytest.warns(UserWarning, match="Only 2 of 10 blocks") as record:
        quick().fit(source(X, chunk=100))
    assert record[0].filename == __file__


# -- searches, checkpoints, copies -----------------------------------------------------


def test_a_search_reads_blocks_too(X):
    disk = Disk(X, 10)
    table = from_array(disk, buffer_bytes=X.nbytes // 4)
    search = GridSearchCV(quick(), {"n_components": [1, 2]}, cv=KFold(2)).fit(table)
    assert search.best_params_ == {"n_components": 2}
    assert max(stop - start for start, stop in disk.slices) == 10


def test_copies(X):
    table = from_array(X, buffer_bytes=X.nbytes // 5)
    for copied in (copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        np.testing.assert_array_equal(np.asarray(copied), X)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("part", [np.s_[:], np.s_[7:400:3], np.s_[5:, 4:0:-1]])
def test_pickled_memory_maps_are_read_from_their_file(X, tmp_path, order, part):
    np.save(tmp_path / "table.npy", np.asarray(X, order=order))
    table = from_array(np.load(tmp_path / "table.npy", mmap_mode="r")[part])
    saved = pickle.dumps(table)
    assert len(saved) < 500 < X[part].nbytes
    for copied in (copy.deepcopy(table), pickle.loads(saved)):
        # Also once more, by a worker that hands it on.
        again = pickle.loads(pickle.dumps(copied[1:]))
        np.testing.assert_array_equal(np.asarray(copied), X[part])
        np.testing.assert_array_equal(np.asarray(again), X[part][1:])
    with pytest.raises(FileNotFoundError, match=r"other\.npy"):
        pickle.loads(saved.replace(b"table.npy", b"other.npy"))


def test_changes_that_are_in_no_file_are_pickled(X, tmp_path):
    np.save(tmp_path / "table.npy", X)
    changed = np.load(tmp_path / "table.npy", mmap_mode="c")
    changed[3] += 1
    copied = pickle.loads(pickle.dumps(from_array(changed)))
    np.testing.assert_array_equal(np.asarray(copied), changed)


def test_fingerprints(X):
    other = X.copy()
    other[613, 4] += 1

    def of(table):
        return digest(BufferedRows(table))

    assert of(source(X)) == of(source(X))
    assert of(source(X)) != of(source(other))
    # Rows are shuffled in another order.
    assert of(source(X)) != of(source(X, chunk=20))
    assert of(source(X)) != of(source(X, share=4))


class Stop(Exception):
    """Ends a fit."""


class Failing(Callback):
    def __init__(self, fails=False):
        self.fails = fails

    def on_epoch_end(self, net, **kwargs):
        if self.fails and len(net.history) == 2:
            raise Stop


def test_a_fit_goes_on_from_its_checkpoint(X, tmp_path):
    whole = quick(callbacks=[Failing()]).fit(source(X)).transform(X)
    checkpoint = Checkpoint(tmp_path / "fit", every_n_epochs=1)
    autoencoder = quick(checkpoint=checkpoint, callbacks=[Failing(True)])
    with pytest.raises(Stop):
        autoencoder.fit(source(X))
    assert (tmp_path / "fit").exists()
    autoencoder.set_params(callbacks=[Failing()]).fit(source(X))
    np.testing.assert_array_equal(autoencoder.transform(X), whole)


# -- files -----------------------------------------------------------------------------

NAMES = list("abcdef")


def write(path, X, names=NAMES, types=None, **params):
    """A Parquet file; `types` are of pyarrow, by name."""
    columns = {name: pa.array(X[:, i]) for i, name in enumerate(names)}
    for name, kind in (types or {}).items():
        columns[name] = columns[name].cast(kind)
    pq.write_table(pa.table(columns), path, **{"row_group_size": 50, **params})


@pytest.fixture
def folder(X, tmp_path):
    """Two files with row groups of 50 and fewer rows."""
    write(tmp_path / "first.parquet", X[:420])
    write(tmp_path / "second.parquet", X[420:])
    return tmp_path


def test_parquet(folder, X):
    files = [folder / "first.parquet", str(folder / "second.parquet")]
    dataset = pyarrow.dataset.dataset(folder, format="parquet")
    for given in (folder, str(folder), files, dataset):
        table = from_parquet(given, buffer_bytes=X.nbytes // 2)
        assert table.shape == X.shape
        assert table.dtype == np.float32
        assert np.diff(table.edges).tolist() == [50] * 8 + [20] + [50] * 11 + [30]
        np.testing.assert_array_equal(np.asarray(table), X)
    some = from_parquet(files[0], columns=["d", "b"])
    np.testing.assert_array_equal(np.asarray(some), X[:420, [3, 1]])
    copied = pickle.loads(pickle.dumps(table))
    np.testing.assert_array_equal(np.asarray(copied), X)


def test_a_fit_to_parquet_knows_the_names(folder, X):
    table = from_parquet(folder, buffer_bytes=X.nbytes // 2)
    autoencoder = quick().fit(table)
    assert autoencoder.feature_names_in_.tolist() == NAMES
    codes = autoencoder.transform(table)
    with pytest.warns(UserWarning, match="valid feature names"):
        np.testing.assert_array_equal(codes, autoencoder.transform(X))
    # Also of what fits into the buffer.
    assert quick().fit(table[:100]).feature_names_in_.tolist() == NAMES
    other = from_parquet(folder, columns=NAMES[::-1])
    with pytest.raises(ValueError, match="names should match"):
        autoencoder.transform(other)


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.bool_(), pa.float64()])
def test_columns_of_other_numbers_are_converted(kind, X, tmp_path):
    X = np.abs(np.round(10 * X))
    write(tmp_path / "table.parquet", X, types={"c": kind})
    table = from_parquet(tmp_path)
    assert table.dtype == np.float64
    expected = X.astype(float)
    if kind == pa.bool_():
        expected[:, 2] = expected[:, 2] != 0
    np.testing.assert_array_equal(np.asarray(table), expected)


def test_parquet_errors_name_file_and_column(folder, X):
    third = folder / "third.parquet"
    write(third, X[:60], NAMES[:5])
    with pytest.raises(ValueError, match=r"third.parquet has no column 'f'"):
        from_parquet(folder)
    write(third, np.column_stack([X[:60], X[:60, 0]]), [*NAMES, "g"])
    with pytest.raises(ValueError, match=r"third.parquet has a column 'g', which"):
        from_parquet(folder)
    assert from_parquet(folder, columns=NAMES).shape == (N + 60, P)
    write(third, np.round(X[:60]), types={"e": pa.int32()})
    with pytest.raises(
        ValueError, match=r"Column 'e' of .*third.parquet has the type int32, but float"
    ):
        from_parquet(folder)
    write(third, X[:60], types={"e": pa.string()})
    with pytest.raises(ValueError, match=r"column 'e' of .*third.*type string"):
        from_parquet(third)
    with pytest.raises(ValueError, match=r"no column 'g' of .*third"):
        from_parquet(third, columns=["a", "g"])
    with_null = pa.table({"a": [1.0, 2.0], "b": [1.0, None]})
    pq.write_table(with_null, third)
    with pytest.raises(ValueError, match=r"Row group 0 of .*third.* 1 nulls in .* 'b'"):
        quick().fit(from_parquet(third))
    pq.write_table(pa.table({"a": [1.0, 2.0], "b": [1.0, np.nan]}), third)
    with pytest.raises(ValueError, match=r"third.* nan is in column 'b', row 1"):
        quick().fit(from_parquet(third))
    with pytest.raises(ValueError, match=r"Row group 0 of .*second.parquet takes"):
        from_parquet(folder / "second.parquet", buffer_bytes=1000)
    with pytest.raises(ValueError, match="dataset of Parquet files"):
        from_parquet(pyarrow.dataset.dataset(with_null))


def test_columns_in_the_names_of_folders(X, tmp_path):
    for year in (2024, 2025):
        (tmp_path / f"year={year}").mkdir()
        write(tmp_path / f"year={year}" / "table.parquet", X[:60].astype(float))
    dataset = pyarrow.dataset.dataset(tmp_path, partitioning="hive")
    table = np.asarray(from_parquet(dataset))
    assert table.shape == (120, P + 1)
    assert table[:, P].tolist() == [2024] * 60 + [2025] * 60


def test_h5py(X, tmp_path):
    with h5py.File(tmp_path / "table.h5", "w") as file:
        data = file.create_dataset("X", data=X, chunks=(20, P))
        table = from_array(data, buffer_bytes=X.nbytes // 5)
        assert set(np.diff(table.edges)) == {20}
        autoencoder = quick().fit(table)
        codes = autoencoder.transform(data)
    np.testing.assert_array_equal(codes, autoencoder.transform(X))


@pytest.mark.parametrize("dtype", [complex, [("height", float)]])
def test_h5py_without_real_numbers(dtype, tmp_path):
    with h5py.File(tmp_path / "table.h5", "w") as file:
        data = file.create_dataset("X", data=np.zeros((20, 3), dtype))
        for use in (quick().fit, from_array):
            with pytest.raises(ValueError, match="two-dimensional array of numbers"):
                use(data)


def test_without_pyarrow(monkeypatch):
    for name in ("pyarrow", "pyarrow.dataset"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"sklearn-ae\[arrow\]"):
        from_parquet("folder")
