"""Parquet files as a table that is read a row group at a time."""

from typing import Any

import numpy as np

from sklearn_ae.data.sources import BUFFER_BYTES, RowSource


def from_parquet(
    source: Any, *, columns: Any = None, buffer_bytes: int = BUFFER_BYTES
) -> RowSource:
    """Read Parquet files row group by row group, without ever holding the whole table.

    Needs pyarrow: ``pip install "sklearn-ae[arrow]"``.

    Parameters
    ----------
    source : path, list of paths, or pyarrow.dataset.Dataset
        A file, a folder of files, or a list of files, of which all have the same
        columns. With several files the rows come in the order of
        ``pyarrow.dataset.dataset``, which sorts those of a folder by name.

    columns : list of str, default=None
        Columns to use, in this order. None means all of them. They must be numbers or
        booleans. If all are float32 they are used in single precision, otherwise in
        double precision.

    buffer_bytes : int, default=134217728
        How many bytes of rows estimators keep in memory at most. A table that is not
        larger is read once. A row group is read as a whole, so that its rows in
        double precision (or single, see above) must fit; the more groups fit, the
        better rows are shuffled.

    Returns
    -------
    source : RowSource
        A table for estimators, whose `feature_names_in_` are the names of the columns.
        ``source[rows]`` is a part of it and ``source.slices()`` gives the slices to go
        through it.

    Raises
    ------
    ValueError
        If a column is missing, is not numeric or has another type in another file, or
        if a row group does not fit into the buffer. The message names file and column.
        Missing values (nulls and NaN) are found when they are read, and named likewise.

    ImportError
        If pyarrow is not installed.

    Examples
    --------
    Write codes into another file without holding all of them:

    >>> import tempfile
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> import pyarrow.parquet as pq
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.data import from_parquet
    >>> folder = tempfile.TemporaryDirectory()
    >>> values = np.random.default_rng(0).normal(size=(4, 1000))
    >>> columns = pa.table(dict(zip("abcd", values)))
    >>> pq.write_table(columns, f"{folder.name}/table.parquet", row_group_size=100)
    >>> table = from_parquet(f"{folder.name}/table.parquet", buffer_bytes=30_000)
    >>> autoencoder = Autoencoder(2, max_epochs=2, random_state=0).fit(table)
    >>> names = autoencoder.get_feature_names_out().tolist()
    >>> schema = pa.schema([(name, pa.float64()) for name in names])
    >>> with pq.ParquetWriter(f"{folder.name}/codes.parquet", schema) as file:
    ...     for rows in table.slices():
    ...         codes = autoencoder.transform(table[rows])
    ...         file.write_table(pa.table(list(codes.T), schema=schema))
    >>> pq.read_metadata(f"{folder.name}/codes.parquet").num_rows
    1000
    >>> folder.cleanup()
    """
    try:
        import pyarrow.dataset
    except ImportError as error:
        raise ImportError(
            'from_parquet needs pyarrow: pip install "sklearn-ae[arrow]"'
        ) from error
    dataset = source
    if not isinstance(source, pyarrow.dataset.Dataset):
        if isinstance(source, list | tuple):
            source = [str(path) for path in source]
        dataset = pyarrow.dataset.dataset(source, format="parquet")
    fragments = list(dataset.get_fragments())
    for one in fragments:
        if not isinstance(one, pyarrow.dataset.ParquetFileFragment):
            raise ValueError(
                f"source={dataset!r} must be a dataset of Parquet files; it has parts "
                "of another kind."
            )
        if dataset is source and one.num_row_groups < _opened(one).num_row_groups:
            raise ValueError(
                f"source={dataset!r} has some row groups of {one.path} only. Pass a "
                "dataset of whole files, and choose rows by source[rows]."
            )
    if isinstance(columns, str):
        columns = [columns]
    if columns is not None:
        columns = list(columns)
    return ParquetRows(dataset.schema, fragments, columns, buffer_bytes)


class ParquetRows(RowSource):
    """The row groups of Parquet files.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of all files.
    fragments : list of pyarrow.dataset.ParquetFileFragment
        The files.
    columns : list of str or None
        None means all of them; a file with others is then an error.
    buffer_bytes : int
    """

    def __init__(
        self,
        schema: Any,
        fragments: list[Any],
        columns: list[str] | None,
        buffer_bytes: int,
    ) -> None:
        import pyarrow as pa

        takes_all = columns is None
        columns = schema.names if columns is None else columns
        self.columns, self._fragments = columns, fragments
        self._schema = schema
        first = fragments[0].path if fragments else "the dataset"
        for name in columns:
            where = f"column {name!r} of {first}"
            if self._schema.get_field_index(name) < 0:
                raise ValueError(
                    f"There is no {where}, or several of them. Its columns are "
                    f"{self._schema.names}."
                )
            _check_type(self._schema.field(name).type, where)
        types = [self._schema.field(name).type for name in columns]
        is_single = all(pa.types.is_float32(kind) for kind in types)
        # File and row group of each block.
        places, sizes = [], []
        for i, fragment in enumerate(fragments):
            opened = _opened(fragment)
            self._check_schema(opened, columns, first)
            others = {*opened.physical_schema.names} - {*schema.names}
            if takes_all and others:
                raise ValueError(
                    f"{opened.path} has a column {min(others)!r}, which {first} has "
                    "not. All files must have the same columns; choose some by columns."
                )
            metadata = opened.metadata
            for group in range(metadata.num_row_groups):
                places.append((i, group))
                sizes.append(metadata.row_group(group).num_rows)
        # The file that was read last, which is likely to come next.
        self._last = -1, None
        self._places = np.array(places, dtype=np.int64).reshape(-1, 2)
        empty = pa.schema([(name, pa.float64()) for name in columns]).empty_table()
        super().__init__(
            len(columns),
            np.dtype(np.float32 if is_single else np.float64),
            np.cumsum([0, *sizes]),
            buffer_bytes,
            empty,
        )

    def _check_schema(self, fragment: Any, columns: list[str], first: str) -> None:
        """Raise a ValueError if a file has other columns than the first one."""
        schema = fragment.physical_schema
        # Columns that stand in the names of folders.
        of_folder = _partition_keys(fragment)
        for name in columns:
            if name in of_folder:
                continue
            wanted = self._schema.field(name).type
            if schema.get_field_index(name) < 0:
                raise ValueError(
                    f"{fragment.path} has no column {name!r}, which {first} has. All "
                    "files must have the same columns."
                )
            if schema.field(name).type != wanted:
                raise ValueError(
                    f"Column {name!r} of {fragment.path} has the type "
                    f"{schema.field(name).type}, but {wanted} in {first}. All files "
                    "must have the same types."
                )

    def read_block(self, i: int) -> np.ndarray:
        place, group = self._places[i].tolist()
        last, opened = self._last
        if place != last:
            opened = _opened(self._fragments[place])
            self._last = place, opened
        part = opened.subset(row_group_ids=[group])
        read = part.to_table(schema=self._schema, columns=self.columns)
        table = np.empty((len(read), len(self.columns)), self.dtype)
        for j, column in enumerate(read.columns):
            if column.null_count:
                raise ValueError(
                    f"{self.name_of_block(i)} has {column.null_count} nulls in "
                    f"{self.name_of_column(j)}. Leave such rows out, or fill in "
                    "missing values first."
                )
            table[:, j] = column.to_numpy()
        return table

    def name_of_block(self, i: int) -> str:
        fragment, group = self._places[i]
        return f"Row group {group} of {self._fragments[fragment].path}"

    def name_of_column(self, j: int) -> str:
        return f"column {self.columns[j]!r}"


def _opened(fragment: Any) -> Any:
    """A copy of a file of a dataset, which keeps what it has read of the file.

    That is about 750 bytes for each column of each row group. A dataset keeps those of
    all of its files.
    """
    return fragment.format.make_fragment(
        fragment.path, fragment.filesystem, fragment.partition_expression
    )


def _check_type(kind: Any, where: str) -> None:
    import pyarrow as pa

    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not (is_number or pa.types.is_boolean(kind)):
        raise ValueError(
            f"The {where} has the type {kind}, and must be a number or a boolean. "
            "Encode it, or choose others by columns."
        )


def _partition_keys(fragment: Any) -> dict[str, Any]:
    import pyarrow.dataset

    return pyarrow.dataset.get_partition_keys(fragment.partition_expression)
