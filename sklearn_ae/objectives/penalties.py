"""Penalties on weights, codes and the encoder's Jacobian.

Shapes are those of one network. With those of several along a first axis, penalties on
weights and codes have it, too.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

# Means of activations are kept this far from 0 and 1, where the divergence is infinite.
MARGIN = 1e-6


def _sum(tensors: Iterable[Tensor], stacked: bool) -> Tensor:
    if not stacked:
        return torch.stack([tensor.sum() for tensor in tensors]).sum()
    sums = [tensor.sum(tuple(range(1, tensor.ndim))) for tensor in tensors]
    return torch.stack(sums).sum(0)


def l1_norm(weights: Iterable[Tensor], stacked: bool = False) -> Tensor:
    """Sum of the absolute values of all weights.

    Parameters
    ----------
    weights : iterable of tensor
        Weight matrices and kernels, of any shapes.

    stacked : bool, default=False
        The first axis counts networks, and so does that of the result.

    Returns
    -------
    penalty : tensor of shape () or (n_networks,)
        ``sum |W|`` over all entries of all weights.
    """
    return _sum((weight.abs() for weight in weights), stacked)


def half_squared_l2_norm(weights: Iterable[Tensor], stacked: bool = False) -> Tensor:
    """Half the sum of squares of all weights.

    Parameters
    ----------
    weights : iterable of tensor
        Weight matrices and kernels, of any shapes.

    stacked : bool, default=False
        The first axis counts networks, and so does that of the result.

    Returns
    -------
    penalty : tensor of shape () or (n_networks,)
        ``1/2 sum W^2`` over all entries of all weights.
    """
    return _sum((weight.square() for weight in weights), stacked) / 2


def kl_sparsity(mean_activation: Tensor, rho: float | Tensor) -> Tensor:
    """Divergence of mean activations from their target [1]_.

    Parameters
    ----------
    mean_activation : tensor of shape (k,)
        Mean ``r_j`` of each unit, in (0, 1).

    rho : float or tensor
        Target, in (0, 1).

    Returns
    -------
    penalty : tensor of shape ()
        ``sum_j rho log(rho / r_j) + (1 - rho) log((1 - rho) / (1 - r_j))``, in nats:
        that of Bernoulli variables.

    References
    ----------
    .. [1] Ng (2011). "Sparse autoencoder". CS294A lecture notes, Stanford.
    """
    bounded = mean_activation.clamp(MARGIN, 1 - MARGIN)
    # Clamp the value but not the gradient, which pulls units beyond the margin back.
    r = mean_activation + (bounded - mean_activation).detach()
    off = (1 - rho) * ((1 - rho) / (1 - r)).log()
    return (rho * (rho / r).log() + off).sum(-1)


def activation_l1(code: Tensor) -> Tensor:
    """Sum of the absolute values of a code.

    Parameters
    ----------
    code : tensor of shape (n, k)
        Codes ``h``.

    Returns
    -------
    penalty : tensor of shape (n,)
        ``sum_j |h_j|`` of each row.
    """
    return code.abs().sum(-1)


def activation_l2(code: Tensor) -> Tensor:
    """Sum of squares of a code.

    Parameters
    ----------
    code : tensor of shape (n, k)
        Codes ``h``.

    Returns
    -------
    penalty : tensor of shape (n,)
        ``sum_j h_j^2`` of each row.
    """
    return code.square().sum(-1)


def squared_jacobian_norm(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Squared Frobenius norm of the Jacobian of any encoder [1]_.

    One backward pass for all codes at once. Differentiable in the encoder's weights.

    Parameters
    ----------
    encode : callable
        From a tensor of shape (n, p) to codes of shape (n, k), row by row.

    x : tensor of shape (n, p)
        Where to take the Jacobian.

    Returns
    -------
    penalty : tensor of shape (n,)
        ``||dh/dx||_F^2`` of each row.

    References
    ----------
    .. [1] Rifai et al. (2011). "Contractive auto-encoders: explicit invariance during
       feature extraction". ICML.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        code = encode(x)
        n_rows, n_components = code.shape
        directions = torch.eye(n_components, dtype=code.dtype, device=code.device)
        directions = directions[:, None].expand(-1, n_rows, -1)
        (rows,) = torch.autograd.grad(
            code, x, directions, is_grads_batched=True, create_graph=True
        )
    return rows.square().sum((0, 2))


def projected_jacobian_norm(
    encode: Callable[[Tensor], Tensor],
    x: Tensor,
    n_projections: int,
    generator: torch.Generator | None,
) -> Tensor:
    """Unbiased estimate of the squared norm of an encoder's Jacobian [1]_.

    As many backward passes as projections, whatever the width of the code.

    Parameters
    ----------
    encode : callable
        From a tensor of shape (n, p) to codes of shape (n, k), row by row.

    x : tensor of shape (n, p)
        Where to take the Jacobian.

    n_projections : int
        Number of random vectors, at least 1.

    generator : torch.Generator or None
        Draws the vectors, on the device of the codes; None takes torch's global one.

    Returns
    -------
    penalty : tensor of shape (n,)
        ``mean_l ||v_l^T dh/dx||^2`` of each row over vectors of random signs ``v_l``.

    References
    ----------
    .. [1] Hutchinson (1990). "A stochastic estimator of the trace of the influence
       matrix for Laplacian smoothing splines". Communications in Statistics 19.
       :doi:`10.1080/03610919008812866`
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        code = encode(x)
        signs = torch.empty(
            (n_projections, *code.shape), dtype=code.dtype, device=code.device
        )
        signs.bernoulli_(0.5, generator=generator).mul_(2).sub_(1)
        (rows,) = torch.autograd.grad(
            code, x, signs, is_grads_batched=True, create_graph=True
        )
    return rows.square().sum((0, 2)) / n_projections


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of Gaussian codes from the standard normal distribution [1]_.

    Parameters
    ----------
    mean : tensor of shape (n, k)
        Means ``mu``.

    log_variance : tensor of shape (n, k)
        Logarithms of the variances ``s^2`` of independent entries.

    Returns
    -------
    penalty : tensor of shape (n,)
        ``1/2 sum_j mu_j^2 + s_j^2 - 1 - log s_j^2`` of each row, in nats.

    References
    ----------
    .. [1] Kingma and Welling (2014). "Auto-encoding variational Bayes". ICLR.
       :doi:`10.48550/arXiv.1312.6114`
    """
    terms = mean.square() + log_variance.exp() - 1 - log_variance
    return terms.sum(-1) / 2
