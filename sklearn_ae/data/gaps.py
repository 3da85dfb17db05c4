"""stub"""

from typing import Any, NamedTuple

import numpy as np


class Gaussian(NamedTuple):
    mean: np.ndarray
    loadings: np.ndarray


def fit_gaussian(X: Any, rows: np.ndarray, weight: np.ndarray | None) -> Gaussian:
    from sklearn_ae.data.tables import mean_and_scale

    return Gaussian(mean_and_scale(X, rows, weight)[0], np.zeros((X.shape[1], 0)))


def fill(X, gaussian):
    X = X.toarray() if hasattr(X, "toarray") else X
    return np.where(np.isnan(X), gaussian.mean.astype(X.dtype), X)
