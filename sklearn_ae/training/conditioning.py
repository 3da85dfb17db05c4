"""Training in coordinates in which all weights matter about equally.

A network that starts as PCA is trained with whitened codes. Its corrections, the
outputs of the hidden layers, are measured in units of PCA's residual: Adam takes steps
of about the learning rate in these units, whatever the spectrum of the data.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from sklearn_ae.networks.contract import offers
from sklearn_ae.training.net import AutoencoderNet

# The learning rate in these coordinates that suits all tables tried.
LEARNING_RATE = 2e-2

# Codes are whitened up to this ratio of standard deviations.
_LARGEST_RATIO = 1e4


class Candidate(NamedTuple):
    """A way to train a network.

    Parameters
    ----------
    start : {"pca", "random"}
        Whether the linear maps start as PCA or at zero.
    input_noise : float
        Standard deviation of the noise on the inputs, in units of the root mean square
        of PCA's residuals.
    weight_decay : float
        As in `torch.optim.AdamW`.
    """

    start: str
    input_noise: float
    weight_decay: float


# More noise and decay than larger tables need, and less; a random start finds what lies
# rolled up in the space of the first components.
_SMALL = [
    Candidate("pca", 0.3, 0.05),
    Candidate("pca", 1.0, 0.05),
    Candidate("pca", 0.3, 1.0),
    Candidate("pca", 1.0, 1.0),
    Candidate("random", 0.3, 0.05),
    Candidate("random", 1.0, 0.05),
]
_MEDIUM = [Candidate("pca", 0.4, 0.05), Candidate("random", 0.4, 0.05)]
_LARGE = _MEDIUM[:1]


def candidates(
    n_rows: int, n_features: int, *, weight_decay: float | None, has_noise: bool
) -> list[Candidate]:
    """The candidates for a table of some size, the first one for want of a choice.

    Parameters
    ----------
    n_rows, n_features : int
    weight_decay : float or None
        A decay that is given; None leaves it open.
    has_noise : bool
        Whether inputs are corrupted already, so that they get no noise.
    """
    size = size_of(n_rows, n_features)
    table = {"small": _SMALL, "large": _MEDIUM, "wide": _LARGE}[size]
    if n_rows >= MANY_ROWS:
        table = _LARGE
    if weight_decay is not None:
        table = [one._replace(weight_decay=weight_decay) for one in table]
    if has_noise:
        table = [one._replace(input_noise=0.0) for one in table]
    return list(dict.fromkeys(table))


# Below, cross-validation is affordable; above, one candidate is as good.
FEW_ROWS, MANY_ROWS = 1500, 5000
# Tables with more columns take a wider layer, and most of the time is spent in it.
MANY_FEATURES = 100


def size_of(n_rows: float, n_features: int) -> str:
    """The size of a table: "small", "large" or, with many columns, "wide"."""
    if n_features > MANY_FEATURES:
        return "wide"
    return "small" if n_rows < FEW_ROWS else "large"


def residual_scale(residual_variance: float) -> float:
    """The root mean square of residuals, rounded to a power of two.

    Rounded, since networks with equal scales can be trained as one; the exact value
    does not matter.
    """
    return float(2.0 ** np.round(np.log2(np.sqrt(max(residual_variance, 1e-6)))))


def start_candidate(
    net: AutoencoderNet, candidate: Candidate, deviations: np.ndarray, scale: float
) -> None:
    """Set the start and the optimizer of a net.

    Parameters
    ----------
    net : AutoencoderNet
        New or, for a start as PCA, with a network that is PCA.
    deviations : ndarray of shape (n_components,)
        Standard deviations of PCA's codes in units of the network.
    scale : float
        From `residual_scale`.
    """
    network, generator = net.module_, net.generators_["weights"]
    corrections = offers(network).corrections
    with torch.no_grad():
        if candidate.start == "pca":
            whitening = 1 / _bounded(deviations)
            network.transform_code(_diagonal(whitening, network))
            # Not zero, where symmetric data have a saddle point.
            for layer in corrections:
                nn.init.xavier_uniform_(layer.weight, scale, generator=generator)
        else:
            network.encoder_path.weight.zero_()
            network.decoder_path.weight.zero_()
    net.input_noise = candidate.input_noise * scale
    own = {id(p) for layer in corrections for p in layer.parameters()}
    rate, groups = net.lr, []
    for group in net.optimizer_.param_groups:
        for is_correction in (False, True):
            factor = scale if is_correction else 1.0
            params = [p for p in group["params"] if (id(p) in own) == is_correction]
            decay = candidate.weight_decay if group["weight_decay"] else 0.0
            rates = {
                "lr": rate * factor,
                "initial_lr": rate * factor,
                "weight_decay": decay / factor,
                "eps": group["eps"] * scale**2 / factor,
            }
            groups.append({**group, **rates, "params": params})
    net.optimizer_ = type(net.optimizer_)(groups)


def restore_code_scale(
    network: Any, candidate: Candidate, deviations: np.ndarray, covariance: np.ndarray
) -> None:
    """Undo the whitening, so that codes have the scale of PCA's."""
    factors = _bounded(deviations)
    if candidate.start == "random":
        total = max(float(np.trace(covariance)), 1e-12)
        factors = np.full(len(deviations), np.sqrt(np.square(deviations).sum() / total))
    with torch.no_grad():
        network.transform_code(_diagonal(factors, network))


def _bounded(deviations: np.ndarray) -> np.ndarray:
    return np.maximum(deviations, deviations.max() / _LARGEST_RATIO)


def _diagonal(values: np.ndarray, network: Any) -> torch.Tensor:
    device = next(network.parameters()).device
    return torch.diag(torch.as_tensor(values, dtype=torch.float32).to(device))
