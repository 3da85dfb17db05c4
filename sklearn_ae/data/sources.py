"""Tables larger than memory: what a row source is, and reading it through a buffer."""

import warnings
from collections import OrderedDict
from collections.abc import Iterator
from numbers import Integral
from threading import Event, Lock
from typing import Any

import numpy as np
from scipy import sparse

# Bytes of the rows that are in memory at a time.
BUFFER_BYTES = 128 * 2**20

# A block is this share of the buffer where the storage leaves a choice: the more blocks
# are shuffled together, the more a buffer is like a random sample of the table.
BLOCKS_PER_BUFFER = 128

# Rows that are held out take at most this share of the buffer, in addition to it.
IN_MEMORY = 0.25

# Bytes of a block of rows in single precision, so that memory stays bounded. Several
# batches come from one block and share the cost of gathering it.
BLOCK_BYTES = 8 * 2**20

# With fewer blocks in the buffer, sorted tables train worse (benchmarks/out_of_memory).
FEW_BLOCKS = 8


class RowSource:
    """A table of numbers on a disk, from which blocks of rows are read.

    `from_array` and `from_parquet` make them; `fit`, `transform` and the other methods
    of estimators take them as `X`.

    Parameters
    ----------
    n_features : int
        Number of columns.
    dtype : numpy.dtype
        Of the blocks. Estimators compute in single precision for "float32", else in
        double precision.
    edges : ndarray of int of shape (n_blocks + 1,)
        First row of each block, and the number of rows.
    buffer_bytes : int
        How many bytes of rows estimators keep in memory at most. A table that is not
        larger is read once.
    header : object of shape (0, n_features)
        A table without rows, which scikit-learn takes names of columns from.
    """

    ndim = 2

    def __init__(
        self,
        n_features: int,
        dtype: np.dtype,
        edges: np.ndarray,
        buffer_bytes: Any,
        header: Any,
    ) -> None:
        _check_buffer(buffer_bytes)
        self.shape = int(edges[-1]), n_features
        self.dtype, self.edges, self.header = dtype, edges, header
        self.buffer_bytes = int(buffer_bytes)
        largest = int(np.diff(edges).max(initial=0)) * self.row_bytes
        if largest > buffer_bytes:
            i = int(np.diff(edges).argmax())
            raise ValueError(
                f"{self.name_of_block(i)} takes {_megabytes(largest)}, more than "
                f"buffer_bytes={buffer_bytes} ({_megabytes(buffer_bytes)}), and can "
                "only be read as a whole. Raise buffer_bytes, or write the table in "
                "smaller parts."
            )

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} of shape {self.shape}, {self.dtype}, "
            f"{len(self.edges) - 1} blocks>"
        )

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return max(1, self.shape[1] * self.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of the table in memory."""
        return self.shape[0] * self.row_bytes

    def read_block(self, i: int) -> np.ndarray:
        """The rows of block `i`, as they are stored."""
        raise NotImplementedError

    def name_of_block(self, i: int) -> str:
        """What messages call block `i`."""
        first, last = self.edges[i], self.edges[i + 1] - 1
        rows = f"Row {first}" if first == last else f"Rows {first} to {last}"
        return f"{rows} of the table"

    def name_of_column(self, j: int) -> str:
        """What messages call column `j`."""
        return f"column {j}"

    def checked_block(self, i: int) -> np.ndarray:
        """The rows of block `i`, or a ValueError if one of them is not finite."""
        block = self.read_block(i)
        if block.dtype.kind != "f":
            return block
        with np.errstate(over="ignore", invalid="ignore"):
            is_finite = np.isfinite(block.sum(dtype=np.float64))
        # Sums of large numbers may overflow.
        if not is_finite and not (finite := np.isfinite(block)).all():
            row, column = np.argwhere(~finite)[0]
            raise ValueError(
                f"{self.name_of_block(i)}: the value {block[row, column]} is in "
                f"{self.name_of_column(column)}, row {self.edges[i] + row} of the "
                "table. All values must be finite: leave such rows out, or fill in "
                "missing values first."
            )
        return block

    def slices(self) -> Iterator[slice]:
        """Rows that are best read together, one slice after the other.

        They are whole blocks of about 8 MB, so that nothing is read twice.

        Yields
        ------
        rows : slice
            ``source[rows]`` is a table for the methods of estimators.
        """
        start = 0
        for stop in self.edges[1:].tolist():
            is_last = stop == self.shape[0]
            if stop > start and (
                is_last or (stop - start) * self.row_bytes >= BLOCK_BYTES
            ):
                yield slice(start, stop)
                start = stop

    def __getitem__(self, rows: Any) -> "SelectedRows":
        """Some rows, which are not read yet: a slice, a mask, or increasing indices."""
        if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:
            rows = rows[0]  # as scikit-learn's searches choose rows
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.shape[0]))
        rows = np.asarray(rows)
        if rows.dtype == bool and rows.shape == self.shape[:1]:
            rows = np.flatnonzero(rows)
        is_right = rows.ndim == 1 and (rows.dtype.kind in "iu" or len(rows) == 0)
        rows = rows.astype(np.int64) if is_right else np.empty(0, np.int64)
        if not is_right or (np.diff(rows) <= 0).any():
            raise IndexError(
                "Rows of a table on a disk are chosen by a slice, a mask, or an array "
                "of increasing integers: they are read in their order. Leave the "
                "shuffling to the estimator, for instance by shuffle=False."
            )
        if len(rows) and not 0 <= rows[0] <= rows[-1] < self.shape[0]:
            raise IndexError(
                f"Row {rows[0] if rows[0] < 0 else rows[-1]} is not among the "
                f"{self.shape[0]} rows of the table."
            )
        return SelectedRows(self, rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All rows in memory."""
        if copy is False:
            raise ValueError("A table on a disk is copied to memory.")
        table = np.empty(self.shape, self.dtype if dtype is None else dtype)
        for i in range(len(self.edges) - 1):
            table[self.edges[i] : self.edges[i + 1]] = self.checked_block(i)
        return table


class ArrayRows(RowSource):
    """Blocks of rows of an array-like object that is sliced.

    Parameters
    ----------
    array : object
        With `shape`, `dtype`, and slices of rows that NumPy takes as arrays.
    buffer_bytes : int
    """

    def __init__(self, array: Any, buffer_bytes: int = BUFFER_BYTES) -> None:
        _check_buffer(buffer_bytes)
        n_rows, n_features = (int(n) for n in array.shape)
        dtype = np.dtype(array.dtype)
        row_bytes = max(1, n_features * dtype.itemsize)
        wanted = max(1, buffer_bytes // BLOCKS_PER_BUFFER // row_bytes)
        chunks = getattr(array, "chunks", None)
        chunk = chunks[0] if chunks else 1
        if np.ndim(chunk) > 0:  # sizes that differ, as in Dask
            edges = np.cumsum([0, *chunk])
        else:
            # What a chunk contains can only be read together.
            step = int(chunk) * max(1, wanted // int(chunk))
            edges = np.append(np.arange(0, n_rows, step), n_rows)
        self.array = array
        super().__init__(
            n_features, dtype, edges, buffer_bytes, np.empty((0, n_features))
        )

    def read_block(self, i: int) -> np.ndarray:
        return np.asarray(self.array[int(self.edges[i]) : int(self.edges[i + 1])])

    def __reduce__(self) -> tuple[Any, ...]:
        # A pickled memory map contains all of its data.
        place = _place_in_file(self.array)
        if place is None:
            return type(self), (self.array, self.buffer_bytes)
        return _rows_of_file, (*place, self.buffer_bytes)


def _place_in_file(array: Any) -> tuple[Any, ...] | None:
    """Where a memory map, or a part of one, lies in its file; None for other arrays."""
    if not isinstance(array, np.ndarray):
        return None
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    # Copy-on-write: what has been written is in this process only.
    if not isinstance(whole, np.memmap) or not whole.filename or whole.mode == "c":
        return None
    first, start = (one.__array_interface__["data"][0] for one in (array, whole))
    offset = int(whole.offset) + first - start
    return str(whole.filename), offset, array.dtype, array.shape, array.strides


def _rows_of_file(
    path: str,
    offset: int,
    dtype: np.dtype,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    buffer_bytes: int,
) -> ArrayRows:
    """The source that `_place_in_file` has described."""
    file = np.memmap(path, np.uint8, "r")
    return ArrayRows(np.ndarray(shape, dtype, file, offset, strides), buffer_bytes)


class SelectedRows(RowSource):
    """Some of the rows of a source.

    Parameters
    ----------
    source : RowSource
    rows : ndarray of int
        Increasing.
    """

    def __init__(self, source: RowSource, rows: np.ndarray) -> None:
        self._source, self._rows = source, rows
        edges = np.unique(np.searchsorted(rows, source.edges))
        first = rows[edges[:-1]]
        self._block_of = np.searchsorted(source.edges, first, side="right") - 1
        super().__init__(
            source.shape[1], source.dtype, edges, source.buffer_bytes, source.header
        )

    def read_block(self, i: int) -> np.ndarray:
        block = self._block_of[i]
        rows = self._rows[self.edges[i] : self.edges[i + 1]]
        return self._source.read_block(block)[rows - self._source.edges[block]]

    def name_of_block(self, i: int) -> str:
        return self._source.name_of_block(self._block_of[i])

    def name_of_column(self, j: int) -> str:
        return self._source.name_of_column(j)


class BufferedRows:
    """A source as estimators read it: blocks stay in memory as long as they fit.

    It belongs to one call of a method, after which the memory is free again.

    Parameters
    ----------
    source : RowSource
    """

    ndim = 2

    def __init__(self, source: RowSource) -> None:
        self.source, self.shape = source, source.shape
        is_float = source.dtype in (np.float32, np.float64)
        self.dtype = source.dtype if is_float else np.dtype(np.float64)
        # The latest one that was used comes last.
        self._blocks: OrderedDict[int, np.ndarray] = OrderedDict()
        # A thread reads ahead. Who finds a block in memory need not wait for it, and no
        # two read at once, which not all sources can.
        self._lock, self._reading = Lock(), Lock()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> "BufferedRows":
        """Some rows, with a buffer of their own; see `RowSource`."""
        return BufferedRows(self.source[rows])

    def take(self, rows: slice | np.ndarray) -> np.ndarray:
        """The given rows in memory, in C order."""
        edges = self.source.edges
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(self.shape[0])
            table = np.empty((stop - start, self.shape[1]), self.dtype)
            first = int(np.searchsorted(edges, start, side="right")) - 1
            at = start
            for i in range(first, len(edges) - 1):
                if at >= stop:
                    break
                end = min(stop, int(edges[i + 1]))
                part = self._block(i)[at - edges[i] : end - edges[i]]
                table[at - start : end - start] = part
                at = end
            return table
        table = np.empty((len(rows), self.shape[1]), self.dtype)
        if len(rows) == 0:
            return table
        block = np.searchsorted(edges, rows, side="right") - 1
        order = np.argsort(block, kind="stable")
        numbers, starts = np.unique(block[order], return_index=True)
        found = zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)
        # Those in memory first, which others may replace; what comes last stays.
        held = set(self._blocks)
        parts = sorted(found, key=lambda part: (part[0] not in held, part[1][0]))
        for i, where in parts:
            table[where] = self._block(i)[rows[where] - edges[i]]
        return table

    def read_ahead(self, rows: np.ndarray, stop: Event) -> None:
        """Read the blocks of these rows, which are used soon, unless told to stop."""
        for i in np.unique(np.searchsorted(self.source.edges, rows, side="right") - 1):
            if stop.is_set():
                return
            self._block(int(i))

    def _block(self, i: int) -> np.ndarray:
        """Block `i`, from memory or else from the source."""
        block = self._found(i)
        if block is not None:
            return block
        with self._reading:
            block = self._found(i)  # another thread may have read it by now
            if block is None:
                source = self.source
                n_rows = source.edges[i + 1] - source.edges[i]
                self._make_room(source.buffer_bytes - n_rows * source.row_bytes)
                block = source.checked_block(i)
                with self._lock:
                    self._blocks[i] = block
        return block

    def _found(self, i: int) -> np.ndarray | None:
        """Block `i` if it is in memory, where it is now the latest."""
        with self._lock:
            if i in self._blocks:
                self._blocks.move_to_end(i)
            return self._blocks.get(i)

    def _make_room(self, room: int) -> None:
        """Forget the blocks that were not used for longest, until they fit."""
        with self._lock:
            used = sum(one.nbytes for one in self._blocks.values())
            while self._blocks and used > room:
                used -= self._blocks.popitem(last=False)[1].nbytes


def as_source(X: Any, buffer_bytes: int = BUFFER_BYTES) -> RowSource | None:
    """A row source for what is one or can be sliced like one; None for other tables."""
    if isinstance(X, BufferedRows):
        return X.source
    if isinstance(X, RowSource):
        return X
    # Arrays of NumPy, sparse matrices, and arrays in the memory of other libraries.
    if (
        isinstance(X, np.ndarray)
        or sparse.issparse(X)
        or hasattr(X, "__array_namespace__")
        or not all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))
    ):
        return None
    try:
        kind = np.dtype(X.dtype).kind
        # Dask does not know all sizes.
        has_rows = len(X.shape) == 2 and all(isinstance(n, Integral) for n in X.shape)
    except TypeError:
        return None
    if kind in "cV":  # h5py fails to convert them, without naming the reason
        name = "Complex data" if kind == "c" else "Structured data"
        raise ValueError(
            f"{name} not supported: {type(X).__name__} has the dtype {X.dtype}. A "
            "table must be a two-dimensional array of numbers, which are real."
        )
    return ArrayRows(X, buffer_bytes) if kind in "biuf" and has_rows else None


def from_array(array: Any, *, buffer_bytes: int = BUFFER_BYTES) -> RowSource:
    """Read an array block by block: zarr, h5py, or any other that is sliced.

    Estimators take arrays of zarr and h5py as they are. This function is for another
    `buffer_bytes`, for searches, which choose rows, and for a `numpy.memmap` on a slow
    disk: estimators read rows of a plain `numpy.memmap` at random.

    Parameters
    ----------
    array : array-like of shape (n_samples, n_features)
        Anything with `shape`, `dtype` and slices of rows. Integers and booleans are
        converted to double precision.

    buffer_bytes : int, default=134217728
        How many bytes of rows estimators keep in memory at most, in the precision of
        the array. A table that is not larger is read once.

    Returns
    -------
    source : RowSource
        A table for estimators. ``source[rows]`` is a part of it and ``source.slices()``
        gives the slices to go through it. A pickled one of a memory map holds the path
        of the file, and not its rows.

    Raises
    ------
    ValueError
        If the array is not a table of real numbers, or if one of its chunks does not
        fit into the buffer.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.data import from_array
    >>> X = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
    >>> table = from_array(X, buffer_bytes=4000)  # 250 rows
    >>> autoencoder = Autoencoder(2, max_epochs=2, random_state=0).fit(table)
    >>> autoencoder.transform(table).shape
    (1000, 2)
    """
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.dtype.kind in "biuf":
        return ArrayRows(array, buffer_bytes)
    source = as_source(array, buffer_bytes)
    if source is None or source is array:
        shape = getattr(array, "shape", None)
        raise ValueError(
            f"array={type(array).__name__} of shape {shape} and dtype "
            f"{getattr(array, 'dtype', None)} must be a two-dimensional array of "
            "numbers with slices of rows, such as one of zarr or h5py."
        )
    return source


def warn_of_few_blocks(X: Any, *, stacklevel: int) -> None:
    """Warn if so few blocks fit into the buffer that rows are hardly shuffled."""
    if not isinstance(X, BufferedRows):
        return
    n_blocks, source = blocks_per_buffer(X), X.source
    if n_blocks < FEW_BLOCKS:
        warnings.warn(
            f"Only {n_blocks} of {len(source.edges) - 1} blocks of the table fit into "
            f"buffer_bytes={source.buffer_bytes} ({_megabytes(source.buffer_bytes)}). "
            "Rows are shuffled within the buffer: if the table is sorted, training is "
            "worse than with all rows in memory. Raise buffer_bytes, or write the "
            "table in smaller parts (chunks, row groups).",
            stacklevel=stacklevel + 1,
        )


def is_on_disk(X: Any) -> bool:
    """Whether it is a table that is read in blocks, or a part of one."""
    return getattr(X, "source", None) is not None


def blocks_per_buffer(X: Any) -> int:
    """How many blocks of a table fit into memory together, at least one."""
    source = X.source
    largest = int(np.diff(source.edges).max()) * source.row_bytes
    return max(1, source.buffer_bytes // largest)


def most_in_memory(*tables: Any) -> float:
    """How many held-out rows may stay in memory; infinitely many without a source."""
    return min(
        IN_MEMORY * table.source.buffer_bytes // (table.shape[1] * table.dtype.itemsize)
        if is_on_disk(table)
        else np.inf
        for table in tables
    )


def _check_buffer(buffer_bytes: Any) -> None:
    if not isinstance(buffer_bytes, Integral) or buffer_bytes < 1:
        raise ValueError(
            f"buffer_bytes={buffer_bytes!r} must be a number of bytes, an integer of "
            "at least 1."
        )


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.3g} MB"
