"""Tables as batches: rows, moments, inference in blocks, codes; tables on disks."""

from sklearn_ae.data.parquet import from_parquet
from sklearn_ae.data.sources import RowSource, from_array

__all__ = ["RowSource", "from_array", "from_parquet"]
