"""The codes of a trained network: their variances, order and signs."""

from typing import Any, NamedTuple

import numpy as np
import torch

from sklearn_ae.data.batches import ArrayDataset, TensorBatches, unpack_batch


class CodeMoments(NamedTuple):
    """Moments of the codes over a dataset."""

    mean: np.ndarray  # (k,)
    covariance: np.ndarray  # (k, k), with n - 1 in the denominator
    cross_covariance: np.ndarray  # (k, p), of codes and standardised inputs


def code_moments(network: Any, dataset: ArrayDataset) -> CodeMoments:
    """Moments of ``network.encode`` over the rows of `dataset`, weighted."""
    n_rows = len(dataset)
    total: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for batch in TensorBatches(dataset, batch_size=1024):
            x, _, weight = unpack_batch(batch)
            code = network.encode(x)
            weighted = code if weight is None else code * weight[:, None]
            sums = {
                "code": weighted.sum(0),
                "input": (x if weight is None else x * weight[:, None]).sum(0),
                "code_code": weighted.T @ code,
                "code_input": weighted.T @ x,
            }
            for name, value in sums.items():
                value = value.cpu().double()
                total[name] = total[name] + value if name in total else value
    sums = {name: value.numpy() for name, value in total.items()}
    mean = sums["code"] / n_rows
    denominator = max(n_rows - 1, 1)
    return CodeMoments(
        mean,
        (sums["code_code"] - n_rows * np.outer(mean, mean)) / denominator,
        (sums["code_input"] - np.outer(mean, sums["input"])) / denominator,
    )


def principal_rotation(moments: CodeMoments) -> tuple[np.ndarray, np.ndarray]:
    """The rotation that makes the codes uncorrelated, and the variances it leaves.

    Rows are sorted by variance, largest first. Of the two signs of a code that is
    taken which makes its largest covariance with an input positive: for linear
    encoders scikit-learn's rule for the signs of principal components.
    """
    variances, vectors = np.linalg.eigh(moments.covariance)
    rotation = vectors.T[::-1]
    variances = np.maximum(variances[::-1], 0.0)
    loadings = rotation @ moments.cross_covariance
    extremes = np.abs(loadings).argmax(axis=1)
    signs = np.where(loadings[np.arange(len(loadings)), extremes] < 0, -1.0, 1.0)
    return rotation * signs[:, np.newaxis], variances
