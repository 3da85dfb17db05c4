"""Training in coordinates in which all weights matter about equally.

A network that starts as PCA is trained with whitened codes. Its corrections, the
outputs of the hidden layers, are measured in units of PCA's residual: Adam takes steps
of about the learning rate in these units, whatever the spectrum of the data.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from sklearn_ae.data.tables import power_of_two
from sklearn_ae.networks._wrapper import innermost
from sklearn_ae.networks.contract import offers
from sklearn_ae.training import sizes
from sklearn_ae.training.net import AutoencoderNet

# In these coordinates, whatever the table.
LEARNING_RATE, WEIGHT_DECAY = 2e-2, 0.1

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
    is_lbfgs : bool
        Whether it is trained by a few iterations of L-BFGS from PCA, without noise and
        in plain coordinates, instead of the estimator's optimizer.
    """

    start: str
    input_noise: float
    is_lbfgs: bool = False


def rounds_of_candidates(
    n_rows: int, n_features: int, *, has_noise: bool, tries_lbfgs: bool
) -> list[list[Candidate]]:
    """The candidates for a table of some size, the first one for want of a choice.

    A random start finds what lies rolled up in the space of the first components. For
    large tables it is a round of its own, tried unless the gain of the start as PCA is
    certain.

    L-BFGS, the last round, gains on a few small tables where the others gain nothing,
    among them those whose columns are nearly dependent. `tries_lbfgs` says whether it
    is possible.

    With `has_noise`, inputs are corrupted already and get no noise.
    """
    noises = [0.0] if has_noise else sizes.input_noises(n_rows, n_features)
    as_pca, at_random = (
        [Candidate(start, noise) for noise in noises] for start in ("pca", "random")
    )
    if n_features > sizes.MANY_COLUMNS:
        return [as_pca]
    if n_rows >= sizes.MANY_ROWS:
        return [as_pca, at_random]
    last = [[Candidate("pca", 0.0, is_lbfgs=True)]] if tries_lbfgs else []
    return [as_pca + at_random, *last]


def residual_scale(residual_variance: float) -> float:
    """The root mean square of residuals, rounded to a power of two.

    Rounded, since networks with equal scales can be trained as one; the exact value
    does not matter.
    """
    return power_of_two(np.sqrt(max(residual_variance, 1e-6)))


def start_candidate(
    net: AutoencoderNet,
    candidate: Candidate,
    deviations: np.ndarray,
    scale: float,
    learning_rate: float,
    weight_decay: float,
) -> None:
    """Set the start and the optimizer of a net.

    The corrections, and in wide tables the linear path of the encoder, have learning
    rates of their own.

    Parameters
    ----------
    net : AutoencoderNet
        New or, for a start as PCA, with a network that is PCA.
    deviations : ndarray of shape (n_components,)
        Standard deviations of PCA's codes in units of the network.
    scale : float
        From `residual_scale`.
    learning_rate, weight_decay : float
        As in `torch.optim.AdamW`, or in `torch.optim.Adam` for a loss divided by
        `scale` squared; for the present coordinates.
    """
    network, generator = innermost(net.module_), net.generators_["weights"]
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
    of_corrections = {p for layer in corrections for p in layer.parameters()}
    of_path = set()
    linear_rate = sizes.linear_rate(len(net.standardize.mean))
    if linear_rate != 1:
        of_path = {network.encoder_path.weight}
    # Biases decay, too: the fewer groups, the faster a step.
    settings = net.optimizer_.param_groups[0]
    is_decoupled = isinstance(net.optimizer_, torch.optim.AdamW) or settings.get(
        "decoupled_weight_decay", False
    )
    others = set(network.parameters()) - of_corrections - of_path
    groups = []
    for params, factor, rate in (
        (others, 1.0, 1.0),
        (of_path, 1.0, linear_rate),  # which slows its decay, too
        (of_corrections, scale, scale),
    ):
        rates = {
            "lr": learning_rate * rate,
            "initial_lr": learning_rate * rate,
            # A product with the rate, or a part of the gradient, which is that of a
            # loss in units of the network.
            "weight_decay": weight_decay
            * (1 / factor if is_decoupled else (scale / factor) ** 2),
            "eps": settings["eps"] * scale**2 / factor,
        }
        if params:
            in_order = [p for p in network.parameters() if p in params]
            groups.append({**settings, **rates, "params": in_order})
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
