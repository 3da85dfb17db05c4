"""Units of the data and units of the network, and the maps between them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Affine(NamedTuple):
    """The map ``x -> (x - mean) / scale`` from units of the data to the network's."""

    mean: np.ndarray
    scale: float

    def is_like(self, other: "Affine") -> bool:
        """Whether both are the same map."""
        return self.scale == other.scale and np.array_equal(self.mean, other.mean)


class Units(NamedTuple):
    """How a network's inputs, codes, outputs and weights relate to those of the data.

    A network that is trained on standardised data stands for another one, in units of
    the data. Penalties and everything the user sees belong to that one.

    Parameters
    ----------
    input, output : Affine
        From units of the data to units of the network.
    code_scale : float
        Length of one unit of the network's code in the code that `transform` returns.
    weight_scales : mapping of str to float
        By name of parameter: factors that turn weights of the network into weights
        of the network in units of the data. Names left out have a factor of 1.
    """

    input: Affine
    output: Affine
    code_scale: float = 1.0
    weight_scales: Mapping[str, float] = {}
