"""Objectives and batches made by hand, for tests of formulas."""

import numpy as np
import torch

from sklearn_ae._units import Affine, Units
from sklearn_ae.objectives import Batch
from sklearn_ae.objectives.losses import NAMED_LOSSES
from sklearn_ae.objectives.objective import Objective, VariationalObjective


def units_of(n_features, scale=1.0, code_scale=1.0, weight_scales=None):
    """Units of data with mean zero."""
    affine = Affine(np.zeros(n_features), scale)
    return Units(affine, affine, code_scale, weight_scales or {})


def objective_of(loss, n_features, n_components=1, *, units=None, **penalties):
    """The objective with a loss or its name; units are those of the data by default."""
    units = units_of(n_features) if units is None else units
    loss = NAMED_LOSSES[loss] if isinstance(loss, str) else loss
    return Objective(loss, penalties, units, n_components)


def variational_objective(loss, n_features, **params):
    """The negative lower bound of the likelihood, in the units of the data."""
    return VariationalObjective(
        NAMED_LOSSES[loss], {}, units_of(n_features), 1, **params
    )


def batch_of(network, x, code, weight=None, mean_activation=None):
    """A batch of rows in the units of the data."""
    weight = None if weight is None else torch.as_tensor(weight)
    units = units_of(x.shape[-1])
    return Batch(network, x, code, weight, None, units, mean_activation)
