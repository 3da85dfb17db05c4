"""Searches that train candidates together."""

from sklearn_ae.model_selection._halving import (
    BatchedHalvingGridSearchCV,
    BatchedHalvingRandomSearchCV,
)
from sklearn_ae.model_selection._search import (
    BatchedGridSearchCV,
    BatchedRandomizedSearchCV,
)

__all__ = [
    "BatchedGridSearchCV",
    "BatchedHalvingGridSearchCV",
    "BatchedHalvingRandomSearchCV",
    "BatchedRandomizedSearchCV",
]
