"""Which rows stand out from the others, by their errors or their scores."""

import numpy as np

from sklearn_ae.estimators._unseen_errors import weighted_quantile

# Rows stand out where so small a share of usual rows is expected: for the fit, and for
# the threshold.
_TRIMMED_SHARE = 0.05
_OUTLIER_SHARE = 0.002
# The share of usual rows beyond the threshold.
_FLAGGED = 0.005
# Errors that are as good as none.
_LEAST = 1e-3


def limit(errors: np.ndarray, weight: np.ndarray) -> float:
    """The limit that one in two hundred of the rows exceeds, apart from outliers."""
    weight = weight * (errors <= _fence(errors, weight, _OUTLIER_SHARE))
    return max(1.0, float(weighted_quantile(errors, 1 - _FLAGGED, weight)))


def trim(
    scores: np.ndarray, weight: np.ndarray, share: float, *, least: int
) -> np.ndarray:
    """Which rows to keep: all but a limited share of rows that stand out.

    All rows of positive weight if fewer than `least` would be left.
    """
    present = weight > 0
    fence = -_fence(-scores, weight, _TRIMMED_SHARE)
    lowest = min(fence, weighted_quantile(scores, share, weight))
    keep = present & (scores >= lowest)
    return keep if keep.sum() >= least else present


def _fence(errors: np.ndarray, weight: np.ndarray, share: float) -> float:
    """The limit that such a share of usual rows exceeds; others stand out.

    The logarithms of the larger half of the errors are taken to fall off exponentially.
    Errors below one are usual, or no more than rounding.
    """
    logs = np.log(np.maximum(errors, _LEAST))
    median, upper = (weighted_quantile(logs, share, weight) for share in (0.5, 0.75))
    n_halvings = np.log2(0.5 / share)
    return max(1.0, float(np.exp(median + n_halvings * (upper - median))))
