"""Whether a trained network tells rows apart, or returns the mean for all of them."""

from typing import Any, NamedTuple

import numpy as np
import torch

from sklearn_ae.data.batches import ArrayDataset, TensorBatches, unpack_batch
from sklearn_ae.data.shards import total

# Enough rows to tell a mean from anything else.
_MEASURED_ROWS = 2_000

# Smallest useful share of the variance that a projection on columns explains.
_LEAST_SHARE = 0.15


class Usefulness(NamedTuple):
    """What reconstructions explain of the variance of their targets.

    Parameters
    ----------
    explained : float
        ``1 - sum ||x - xhat||^2 / sum ||x - mean(x)||^2``.
    attainable : float
        Share of the variance in the columns with most of it, as many as there are
        codes. PCA explains at least this much, even of noise.
    spread : float
        Ratio of the largest standard deviation of a column to their median.
    """

    explained: float
    attainable: float
    spread: float

    @property
    def is_mean(self) -> bool:
        """Whether the reconstructions are little more than the mean."""
        return self.explained < _LEAST_SHARE * self.attainable


def usefulness(
    network: Any, dataset: ArrayDataset, n_components: int
) -> Usefulness | None:
    """Measure a network on training rows; None if the targets are constant."""
    errors, targets, weights = [], [], []
    with torch.no_grad():
        for batch in TensorBatches(dataset.thinned(_MEASURED_ROWS), batch_size=1024):
            x, target, weight = unpack_batch(batch)
            difference = target - network.decode(network.encode(x))
            errors.append(difference.double().square().sum(1))
            targets.append(target.double())
            weights.append(x.new_ones(len(x)) if weight is None else weight)
    mass = torch.cat(weights).double().cpu().numpy()
    values = torch.cat(targets).cpu().numpy()
    whole = total(dataset.X, mass.sum())
    means = total(dataset.X, mass @ values) / whole
    variances = total(dataset.X, mass @ np.square(values - means)) / whole
    if not variances.sum() > 0:
        return None
    error = total(dataset.X, mass @ torch.cat(errors).cpu().numpy()) / whole
    deviations = np.sqrt(variances[variances > 0])
    return Usefulness(
        1 - float(error / variances.sum()),
        float(np.sort(variances)[-n_components:].sum() / variances.sum()),
        float(deviations.max() / np.median(deviations)),
    )
