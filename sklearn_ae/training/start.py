"""Starting a dense network as principal component analysis."""

import numpy as np
import torch

from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.training.batches import ArrayDataset
from sklearn_ae.training.moments import PrincipalAxes


def start_as_pca(
    network: DenseNetwork,
    axes: PrincipalAxes,
    data_mean: np.ndarray,
    dataset: ArrayDataset,
) -> None:
    """Make `network` the projection on `axes`, or the regression on it.

    Where the dataset has targets of their own, the decoder is their least-squares
    regression on the projections. With a sigmoid output, whose inverse is not
    linear, the decoder starts as the first-order expansion of that inverse about
    the mean target.
    """
    mean_in = (data_mean - dataset.standardize.mean) / dataset.standardize.scale
    encoder = axes.components
    decoder, mean_out = encoder.T, mean_in
    if dataset.target is not None:
        decoder, mean_out = _regression(encoder, mean_in, dataset)
    if isinstance(network.output_activation, torch.nn.Sigmoid):
        share = np.clip(mean_out, 0.02, 0.98)
        decoder = decoder / (share * (1 - share))[:, np.newaxis]
        mean_out = np.log(share / (1 - share))
    device = next(network.parameters()).device
    network.start_linear(
        *(
            torch.as_tensor(np.ascontiguousarray(part), dtype=torch.float32).to(device)
            for part in (encoder, decoder, mean_in, mean_out)
        )
    )


def _regression(
    encoder: np.ndarray, mean_in: np.ndarray, dataset: ArrayDataset
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and mean of the targets regressed on the projected inputs."""
    n_components, n_outputs = len(encoder), dataset.n_outputs
    code_code = np.zeros((n_components, n_components))
    code_target = np.zeros((n_components, n_outputs))
    target_sum = np.zeros(n_outputs)
    for start in range(0, len(dataset), 1024):
        index = np.arange(start, min(start + 1024, len(dataset)))
        x, target, weight = dataset.gather(index)
        codes = (x.cpu().double().numpy() - mean_in) @ encoder.T
        targets = target.cpu().double().numpy()
        weights = np.ones(len(x)) if weight is None else weight.cpu().double().numpy()
        weighted = codes * weights[:, np.newaxis]
        code_code += weighted.T @ codes
        code_target += weighted.T @ targets
        target_sum += weights @ targets
    # The codes have mean zero, so that the targets need no centring.
    coefficients = np.linalg.lstsq(code_code, code_target, rcond=None)[0]
    return coefficients.T, target_sum / len(dataset)
