"""The codes of a trained network: their variances, order and signs."""

from typing import Any, NamedTuple

import numpy as np
import torch

from sklearn_ae.data.batches import ArrayDataset, TensorBatches, unpack_batch
from sklearn_ae.data.shards import mean_of_batch, total


class CodeMoments(NamedTuple):
    """Moments of the codes over a number of rows."""

    n_rows: int
    mean: np.ndarray  # (k,)
    covariance: np.ndarray  # (k, k), with n - 1 in the denominator
    cross_covariance: np.ndarray | None  # (k, p), of codes and standardised inputs


def code_moments(network: Any, dataset: ArrayDataset) -> CodeMoments:
    """Moments of ``network.encode`` over the rows of `dataset`, weighted."""
    n_rows = len(dataset)
    added: dict[str, torch.Tensor] = {}
    shift = None
    with torch.no_grad():
        for batch in TensorBatches(dataset, batch_size=1024):
            x, _, weight = unpack_batch(batch)
            code, x = network.encode(x), x.nan_to_num(0.0)
            # Shifted, which avoids cancellation when the mean is large.
            shift = mean_of_batch(batch, code.mean(0)) if shift is None else shift
            code = code - shift
            weighted = code if weight is None else code * weight[:, None]
            sums = {
                "code": weighted.sum(0),
                "input": (x if weight is None else x * weight[:, None]).sum(0),
                "code_code": weighted.T @ code,
                "code_input": weighted.T @ x,
            }
            for name, value in sums.items():
                value = value.cpu().double()
                added[name] = added[name] + value if name in added else value
    sums = {name: total(dataset.X, value.numpy()) for name, value in added.items()}
    assert shift is not None
    mean = sums["code"] / n_rows
    denominator = max(n_rows - 1, 1)
    return CodeMoments(
        n_rows,
        mean + shift.cpu().double().numpy(),
        (sums["code_code"] - n_rows * np.outer(mean, mean)) / denominator,
        (sums["code_input"] - np.outer(mean, sums["input"])) / denominator,
    )


def merged_moments(first: CodeMoments, second: CodeMoments) -> CodeMoments:
    """The moments over the rows of both, after Chan, Golub and LeVeque (1983)."""
    n_rows = first.n_rows + second.n_rows
    difference = second.mean - first.mean
    between = np.outer(difference, difference) * (first.n_rows * second.n_rows / n_rows)
    within = sum(part.covariance * max(part.n_rows - 1, 0) for part in (first, second))
    return CodeMoments(
        n_rows,
        first.mean + difference * (second.n_rows / n_rows),
        (within + between) / max(n_rows - 1, 1),
        None,
    )


def principal_rotation(moments: CodeMoments) -> tuple[np.ndarray, CodeMoments]:
    """The rotation that makes the codes uncorrelated, and the moments after it.

    Rows are sorted by variance, largest first. Signs are such that the largest
    covariance of a code with an input is positive: for linear encoders scikit-learn's
    rule for the signs of principal components.
    """
    variances, vectors = np.linalg.eigh(moments.covariance)
    rotation = vectors.T[::-1]
    variances = np.maximum(variances[::-1], 0.0)
    assert moments.cross_covariance is not None
    loadings = rotation @ moments.cross_covariance
    extremes = np.abs(loadings).argmax(axis=1)
    signs = np.where(loadings[np.arange(len(loadings)), extremes] < 0, -1.0, 1.0)
    rotation = rotation * signs[:, np.newaxis]
    return rotation, CodeMoments(
        moments.n_rows, rotation @ moments.mean, np.diag(variances), None
    )
