"""Whether a trained network tells rows apart, or returns the mean for all of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklearn_ae.data.batches import ArrayDataset, TensorBatches, unpack_batch
from sklearn_ae.data.shards import mean_of_batch, total

# Enough rows to tell a mean from anything else.
_MEASURED_ROWS = 2_000
_ROWS_AT_ONCE = 256

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
    varied : float
        Variance of the reconstructions divided by that of their targets.
    """

    explained: float
    attainable: float
    spread: float
    varied: float

    @property
    def is_mean(self) -> bool:
        """Whether the reconstructions are little more than the mean."""
        return self.explained < _LEAST_SHARE * self.attainable

    @property
    def is_constant(self) -> bool:
        """Whether the reconstructions of all rows are nearly the same as well.

        For rows that are no random sample of the data, such as those of one class:
        their mean can be better than the reconstructions of a good network.
        """
        return self.is_mean and self.varied < _LEAST_SHARE * self.attainable


def usefulness(
    network: Any,
    dataset: ArrayDataset,
    n_components: int,
    *,
    corrupt: Callable[[Tensor], Tensor] | None = None,
) -> Usefulness | None:
    """Measure a network on training rows; None if the targets are constant.

    `corrupt` is applied to the inputs.
    """
    sums: dict[str, np.ndarray] = {}
    shift = None
    with torch.no_grad():
        for batch in TensorBatches(dataset.thinned(_MEASURED_ROWS), _ROWS_AT_ONCE):
            x, target, weight = unpack_batch(batch)
            if corrupt is not None:
                x = corrupt(x)
            output = network.decode(network.encode(x)).double()
            # Where nothing has been observed, there is no error.
            target = torch.where(target.isnan(), output, target.double())
            # Shifted, which avoids cancellation when means are large.
            shift = mean_of_batch(batch, target.mean(0)) if shift is None else shift
            target, output = target - shift, output - shift
            mass = output.new_ones(len(x)) if weight is None else weight.double()
            for name, values in {
                "mass": torch.ones_like(mass),
                "target": target,
                "output": output,
                "target squared": target.square(),
                "output squared": output.square(),
                "error": (target - output).square().sum(1),
            }.items():
                sums[name] = sums.get(name, 0.0) + (mass @ values).cpu().numpy()
    sums = {name: np.asarray(total(dataset.X, value)) for name, value in sums.items()}
    of_mass = sums.pop("mass")
    means = {name: value / of_mass for name, value in sums.items()}
    variances, varied = (
        np.maximum(means[f"{side} squared"] - means[side] ** 2, 0.0)
        for side in ("target", "output")
    )
    whole = variances.sum()
    if not whole > 0:
        return None
    deviations = np.sqrt(variances[variances > 0])
    return Usefulness(
        1 - float(means["error"] / whole),
        float(np.sort(variances)[-n_components:].sum() / whole),
        float(deviations.max() / np.median(deviations)),
        float(varied.sum() / whole),
    )
