"""Starting a network as principal component analysis."""

from typing import Any

import numpy as np
import torch

from sklearn_ae.data.batches import ArrayDataset, TensorBatches, unpack_batch
from sklearn_ae.data.shards import total
from sklearn_ae.data.tables import (
    PrincipalAxes,
    has_gaps,
    mean_and_squares,
    principal_axes,
)
from sklearn_ae.networks.completing import CompletingNetwork
from sklearn_ae.networks.contract import offers
from sklearn_ae.networks.variational import VariationalNetwork

# Signal and noise are at least this share of the variance each, since a Gaussian
# without one of them has no density.
SMALLEST_SHARE = 1e-4


def start_as_pca(
    network: Any,
    dataset: ArrayDataset,
    data_mean: np.ndarray,
    n_components: int,
    output_activation: str | tuple[int, ...],
) -> np.ndarray:
    """Make `network` the projection on the principal axes, or the regression on it.

    Where the dataset has targets of its own, the decoder is their least-squares
    regression on the projections. With an output that is a sigmoid, or a softmax over
    blocks of columns, the decoder starts as the first-order expansion of its inverse
    about the mean target. A variational network becomes probabilistic PCA.

    Returns
    -------
    deviations : ndarray of shape (n_components,)
        Standard deviations along the axes, in units of the network.
    """
    fills_gaps = isinstance(network, CompletingNetwork)
    outer = network.network if fills_gaps else network
    is_variational = isinstance(outer, VariationalNetwork)
    inner = outer.network if is_variational else outer
    needed = ("start_linear", "transform_code") if is_variational else ("start_linear",)
    for name in needed:
        if getattr(offers(inner), name) is None:
            raise ValueError(
                f"init='pca' cannot start a {type(inner).__name__}, since it has no "
                f"method {name}; set init='random'."
            )
    complete = dataset.without_gaps()
    X, rows, weight = complete.X, complete.rows, complete.weight
    units, out_units = dataset.standardize, dataset.standardize_target
    axes = principal_axes(X, rows, weight, data_mean, n_components, units.scale)
    mean_in = (data_mean - units.mean) / units.scale
    encoder = axes.components
    if dataset.target is None:
        decoder = encoder.T * (units.scale / out_units.scale)
        mean_out = (data_mean - out_units.mean) / out_units.scale
    else:
        decoder, mean_out = _regression(encoder, mean_in, complete)
    decoder, mean_out = _before_activation(decoder, mean_out, output_activation)
    if fills_gaps:
        encoder, mean_in = map(network.padded, (encoder, mean_in))
    device = next(inner.parameters()).device
    inner.start_linear(
        *(
            torch.as_tensor(np.ascontiguousarray(part), dtype=torch.float32).to(device)
            for part in (encoder, decoder, mean_in, mean_out)
        )
    )
    if is_variational:
        noise = residual_variance(network, dataset)
        start_as_probabilistic_pca(outer, axes, dataset, noise)
    return np.sqrt(axes.variances) / dataset.standardize.scale


def _before_activation(
    decoder: np.ndarray, mean_out: np.ndarray, activation: str | tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """A linear decoder with the first-order expansion of the inverse of an activation.

    At the mean ``s`` the logit of a sigmoid has the slope ``1 / (s (1 - s))``, and the
    logarithm, the inverse of a softmax up to a constant, ``1 / s``.
    """
    is_sigmoid = is_share = np.full(len(mean_out), activation == "sigmoid")
    if not isinstance(activation, str):
        label = np.array(activation)
        is_share = label >= 0
        is_sigmoid = is_share & (np.bincount(label + 1)[label + 1] == 1)
    share = np.clip(mean_out, 0.02, 0.98)
    rest = np.where(is_sigmoid, 1 - share, 1.0)
    slope = np.where(is_share, share * rest, 1.0)
    start = np.where(is_share, np.log(share / rest), mean_out)
    return decoder / slope[:, np.newaxis], start


def start_as_probabilistic_pca(
    module: VariationalNetwork,
    axes: PrincipalAxes,
    dataset: ArrayDataset,
    noise: float,
) -> None:
    """Turn a module whose inner network is PCA into probabilistic PCA [1]_.

    With ``l`` the variances along the axes and ``s^2`` that of the residuals, a mean
    over the axes left out, decoder and posterior become ``W = U (l - s^2)^(1/2)`` and
    ``N((l - s^2)^(1/2) / l U^T x, s^2 / l)``. The evidence lower bound is then the
    log-likelihood itself. `noise` is the mean square of the residuals. Where the
    decoder is a regression on other targets, signal and noise are what it explains of
    these and what it leaves.

    References
    ----------
    .. [1] Tipping and Bishop (1999). "Probabilistic principal component analysis".
       Journal of the Royal Statistical Society B 61. :doi:`10.1111/1467-9868.00196`
    """
    network = module.network
    n_components, n_outputs = len(axes.components), dataset.n_outputs
    device = next(network.parameters()).device
    as_weights: Any = {"dtype": torch.float32, "device": device}
    with torch.no_grad():
        origin = torch.zeros(1, n_components, **as_weights)
        codes = torch.eye(n_components, **as_weights)
        columns = (network.decode(codes) - network.decode(origin)).cpu().double()
    lengths = columns.norm(dim=1).clamp(min=1e-12).numpy()
    explained = axes.variances / dataset.standardize.scale**2 * lengths**2
    variance = explained.sum() + noise * n_outputs
    smallest = max(SMALLEST_SHARE * variance / n_outputs, 1e-12)
    if dataset.target is None:
        # There is noise along the axes, too, which the residuals do not show.
        noise = max(noise * n_outputs / max(1, n_outputs - n_components), smallest)
        variances = np.maximum(explained, noise * (1 + SMALLEST_SHARE))
    else:
        noise = max(noise, smallest)
        variances = np.maximum(explained, noise * SMALLEST_SHARE) + noise
    signal = variances - noise

    def diagonal(values: np.ndarray) -> torch.Tensor:
        return torch.diag(torch.as_tensor(values, dtype=torch.float32).to(device))

    network.transform_code(diagonal(lengths / np.sqrt(signal)))
    network.transform_code(diagonal(signal / variances), decoder=False)
    module.start_variances(
        torch.as_tensor(np.log(noise / variances)).to(device), float(np.log(noise))
    )


def residual_variance(network: Any, dataset: ArrayDataset) -> float:
    """Mean square of all entries of target minus reconstruction, weighted.

    Missing entries of the target do not count.
    """
    added = mass = 0.0
    with torch.no_grad():
        for batch in TensorBatches(dataset, batch_size=1024):
            x, target, weight = unpack_batch(batch)
            output = network.decode(network.encode(x))
            observed = target.isnan().logical_not_()
            squares = torch.where(observed, target - output, 0.0).square().sum(1)
            share = observed.sum(1) / dataset.n_outputs
            added += float(squares.sum() if weight is None else squares @ weight)
            mass += float(share.sum() if weight is None else share @ weight)
    added, mass = total(dataset.X, np.array([added, mass]))
    return float(added / (mass * dataset.n_outputs))


def _regression(
    encoder: np.ndarray, mean_in: np.ndarray, dataset: ArrayDataset
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of the targets on the codes: coefficients, and value at code 0.

    The codes have mean zero over all training rows, but not over those of a part.
    """
    n_components, n_outputs = len(encoder), dataset.n_outputs
    # Gaps count as the mean, which is not 0 in units of outputs that are not centred.
    units, mean = dataset.standardize_target, np.zeros(n_outputs)
    if has_gaps(dataset.target):
        mean, _ = mean_and_squares(dataset.target, dataset.rows, dataset.weight)
        mean = (mean - units.mean) / units.scale
    products = np.zeros((n_components + 1, n_components + 1))
    target_products = np.zeros((n_components + 1, n_outputs))
    for start in range(0, len(dataset), 1024):
        index = np.arange(start, min(start + 1024, len(dataset)))
        x, target, weight = dataset.gather(index)
        codes = (x.cpu().double().numpy() - mean_in) @ encoder.T
        codes = np.column_stack([codes, np.ones(len(codes))])
        weights = np.ones(len(x)) if weight is None else weight.cpu().double().numpy()
        weighted = codes * weights[:, np.newaxis]
        products += weighted.T @ codes
        values = target.cpu().double().numpy()
        target_products += weighted.T @ np.where(np.isnan(values), mean, values)
    products = total(dataset.X, products)
    target_products = total(dataset.X, target_products)
    coefficients = np.linalg.lstsq(products, target_products, rcond=None)[0]
    return coefficients[:-1].T, coefficients[-1]
