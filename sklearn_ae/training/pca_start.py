"""Starting a network as principal component analysis, and when to stay with it."""

from typing import Any

import numpy as np
import torch
from scipy.stats import wilcoxon

from sklearn_ae.data.batches import ArrayDataset, TensorBatches, unpack_batch
from sklearn_ae.data.moments import PrincipalAxes
from sklearn_ae.networks.contract import offers
from sklearn_ae.networks.variational import VariationalNetwork

# Signal and noise are at least this share of the variance each, since a Gaussian
# without one of them has no density.
SMALLEST_SHARE = 1e-4


def start_as_pca(
    network: Any,
    axes: PrincipalAxes,
    data_mean: np.ndarray,
    dataset: ArrayDataset,
    output_activation: str = "identity",
) -> None:
    """Make `network` the projection on `axes`, or the regression on it.

    Where the dataset has targets of its own, the decoder is their least-squares
    regression on the projections. With a sigmoid output, whose inverse is not
    linear, the decoder starts as the first-order expansion of that inverse about
    the mean target. A variational network becomes probabilistic PCA.
    """
    if isinstance(network, VariationalNetwork):
        if offers(network.network).transform_code is None:
            raise ValueError(
                f"init='pca' cannot start a {type(network.network).__name__} as "
                "probabilistic PCA, since it has no method transform_code; set "
                "init='random'."
            )
        start_as_pca(network.network, axes, data_mean, dataset, output_activation)
        start_as_probabilistic_pca(network, axes, dataset)
        return
    mean_in = (data_mean - dataset.standardize.mean) / dataset.standardize.scale
    encoder = axes.components
    decoder, mean_out = encoder.T, mean_in
    if dataset.target is not None:
        decoder, mean_out = _regression(encoder, mean_in, dataset)
    if output_activation == "sigmoid":
        share = np.clip(mean_out, 0.02, 0.98)
        decoder = decoder / (share * (1 - share))[:, np.newaxis]
        mean_out = np.log(share / (1 - share))
    start_linear = offers(network).start_linear
    if start_linear is None:
        raise ValueError(
            f"init='pca' cannot start a {type(network).__name__}, since it has no "
            "method start_linear; set init='random'."
        )
    device = next(network.parameters()).device
    start_linear(
        *(
            torch.as_tensor(np.ascontiguousarray(part), dtype=torch.float32).to(device)
            for part in (encoder, decoder, mean_in, mean_out)
        )
    )


def is_certain_gain(gain: float, row_gains: np.ndarray) -> bool:
    """Whether a gain over PCA is more than chance, judged by the gains of the rows.

    The lowest of many noisy losses is too low by chance. A gain is accepted if it
    exceeds two standard errors or, since a few rows may dominate these, if Wilcoxon's
    signed-rank test finds a gain at ``p < 0.005`` (one-sided). Of the thresholds tried
    these gained most while losing to PCA on none of scikit-learn's tables.
    """
    # One row has no standard error, and proves nothing.
    if gain <= 0 or len(row_gains) < 2:
        return False
    error = row_gains.std(ddof=1) / np.sqrt(len(row_gains))
    if gain > 2 * error:
        return True
    return bool(wilcoxon(row_gains, alternative="greater").pvalue < 0.005)


def compares_fairly(n_rows: int, n_features: int) -> bool:
    """Whether PCA of the rows not held out is nearly as good as PCA of all.

    If so, PCA is kept unless training beats it on the held-out rows. With fewer rows
    that test is too strict.
    """
    return n_rows >= max(200, 4 * n_features)


def start_as_probabilistic_pca(
    module: VariationalNetwork, axes: PrincipalAxes, dataset: ArrayDataset
) -> None:
    """Turn a module whose inner network is PCA into probabilistic PCA [1]_.

    With ``l`` the variances along the axes and ``s^2`` that of the residuals, a mean
    over the axes left out, decoder and posterior become ``W = U (l - s^2)^(1/2)`` and
    ``N((l - s^2)^(1/2) / l U^T x, s^2 / l)``. The evidence lower bound is then the
    log-likelihood itself. Where the decoder is a regression on other targets, signal
    and noise are what it explains of these and what it leaves.

    References
    ----------
    .. [1] Tipping and Bishop (1999). "Probabilistic principal component analysis".
       Journal of the Royal Statistical Society B 61. :doi:`10.1111/1467-9868.00196`
    """
    network = module.network
    n_components, n_outputs = len(axes.components), dataset.n_outputs
    noise = _residual_variance(network, dataset)
    device = next(network.parameters()).device
    with torch.no_grad():
        origin = torch.zeros(1, n_components, device=device)
        codes = torch.eye(n_components, device=device)
        columns = (network.decode(codes) - network.decode(origin)).cpu().double()
    lengths = columns.norm(dim=1).clamp(min=1e-12).numpy()
    explained = axes.variances / dataset.standardize.scale**2 * lengths**2
    total = explained.sum() + noise * n_outputs
    smallest = max(SMALLEST_SHARE * total / n_outputs, 1e-12)
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


def _residual_variance(network: Any, dataset: ArrayDataset) -> float:
    """Mean square of all entries of target minus reconstruction, weighted."""
    total = mass = 0.0
    with torch.no_grad():
        for batch in TensorBatches(dataset, batch_size=1024):
            x, target, weight = unpack_batch(batch)
            squares = (target - network.decode(network.encode(x))).square().sum(1)
            total += float(squares.sum() if weight is None else squares @ weight)
            mass += len(x) if weight is None else float(weight.sum())
    return total / (mass * dataset.n_outputs)


def _regression(
    encoder: np.ndarray, mean_in: np.ndarray, dataset: ArrayDataset
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of the targets on the codes: coefficients, and value at code 0.

    The codes have mean zero over all training rows, but not over those of a part.
    """
    n_components, n_outputs = len(encoder), dataset.n_outputs
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
        target_products += weighted.T @ target.cpu().double().numpy()
    coefficients = np.linalg.lstsq(products, target_products, rcond=None)[0]
    return coefficients[:-1].T, coefficients[-1]
