"""Tables as batches: rows, moments, inference in blocks, codes; tables on disks.

And the way back from encoded columns to the table that they were made of.
"""

from sklearn_ae.data.encoded import inverse_columns
from sklearn_ae.data.parquet import from_parquet
from sklearn_ae.data.sources import RowSource, from_array

__all__ = ["RowSource", "from_array", "from_parquet", "inverse_columns"]
