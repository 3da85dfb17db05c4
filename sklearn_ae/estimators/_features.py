"""What the columns of a table are like: which vary, by how much, in which units."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from sklearn_ae.data.tables import column_ranges

# Share of the median squared scale that is added to that of each feature.
_SHRINKAGE = 0.1
# Errors below this share of a feature's span are no errors: networks compute in single
# precision.
_NEGLIGIBLE = 1e-6
# Columns whose spans differ by a larger ratio have other units.
_MANY_UNITS = 1e3


class Features(NamedTuple):
    """What is known of each feature from the rows that are kept.

    Attributes
    ----------
    constant : ndarray of shape (n_features,)
        The value of features that do not vary, beyond rounding, and NaN for others.
    rounding : ndarray of shape (n_features,)
        Errors up to this size are rounding errors.
    span : ndarray of shape (n_features,)
        Largest minus smallest value.
    """

    constant: np.ndarray
    rounding: np.ndarray
    span: np.ndarray

    @classmethod
    def of(cls, X: Any, rows: np.ndarray) -> "Features":
        low, high = column_ranges(X, rows)
        span, size = high - low, np.maximum(np.abs(low), np.abs(high))
        last_bits = 8 * np.finfo(X.dtype).eps * np.where(size > 0, size, 1.0)
        varies = span > last_bits
        return cls(
            constant=np.where(varies, np.nan, low),
            rounding=np.where(varies, _NEGLIGIBLE * span, last_bits),
            span=span,
        )

    @property
    def varies(self) -> np.ndarray:
        return np.isnan(self.constant)

    def exceeds_rounding(self, means: np.ndarray) -> np.ndarray:
        """Whether each mean squared error is more than rounding."""
        return means > self.rounding**2

    def square_scale(self, means: np.ndarray) -> np.ndarray:
        """The squared scale of each feature from its mean squared error."""
        typical = np.median(means[self.varies]) if self.varies.any() else 0.0
        # Squares of tiny numbers vanish.
        least = np.maximum(self.rounding**2, np.finfo(np.float64).tiny)
        return np.maximum(means + _SHRINKAGE * typical, least)

    def warn_of_units(self, scaler: str, *, stacklevel: int) -> None:
        """Warn if features differ by orders of magnitude, and name a remedy."""
        if self.varies.sum() < 2:
            return
        spans = np.where(self.varies, self.span, np.nan)
        low, high = np.nanargmin(spans), np.nanargmax(spans)
        if spans[high] > _MANY_UNITS * spans[low]:
            warnings.warn(
                f"Columns of X differ by orders of magnitude: column {high} spans "
                f"{spans[high]:.3g}, column {low} {spans[low]:.3g}. Small columns "
                "hardly count in the loss of the autoencoder; scale the columns first, "
                f"for instance with {scaler}.",
                stacklevel=stacklevel + 1,
            )
