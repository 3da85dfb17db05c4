"""Lower bounds of the log-likelihood of a variational network."""

from collections.abc import Callable
from math import log, pi
from typing import Any

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from sklearn_ae.objectives.penalties import gaussian_kl


def normal_draws(n_draws: int, n_components: int, seed: int) -> Tensor:
    """Quasi-random draws of a standard normal vector, shape (n_draws, n_components).

    They fill the space more evenly than independent draws, so that fewer of them do.
    """
    engine = SobolEngine(n_components, scramble=True, seed=seed)
    # Torch rounds the first point to the default dtype.
    first = engine.quasi.double() / 2**engine.MAXBIT
    uniform = engine.draw(n_draws, dtype=torch.float64)
    uniform[0] = first
    return torch.special.ndtri(uniform.clamp(1e-9, 1 - 1e-9))


def balanced(draws: Tensor) -> Tensor:
    """The draws shifted and mapped to a mean of 0 and a covariance of I exactly.

    Means of quadratic functions over them are then exact.
    """
    centred = draws - draws.mean(0)
    factor = torch.linalg.cholesky(centred.T @ centred / len(draws))
    return torch.linalg.solve_triangular(factor, centred.T, upper=False).T


def evidence_lower_bound(
    module: Any,
    x: Tensor,
    draws: Tensor,
    negative_log_likelihood: Callable[[Tensor], Tensor],
) -> Tensor:
    """``E_q log p(x | z) - KL(q || p)`` of each row, in nats, shape (n,).

    The expectation is the mean over `draws`, the same for every row.
    `negative_log_likelihood` gives ``-log p(x | z)`` of each row from the decoded code.
    """
    mean, log_variance = module.posterior(x)
    deviation = (log_variance / 2).exp()
    total = torch.zeros_like(mean[:, 0])
    for draw in draws:
        total -= negative_log_likelihood(module.decode(mean + draw * deviation))
    return total / len(draws) - gaussian_kl(mean, log_variance)


def importance_weighted_bound(
    module: Any,
    x: Tensor,
    draws: Tensor,
    negative_log_likelihood: Callable[[Tensor], Tensor],
) -> Tensor:
    """``log mean_l p(x | z_l) p(z_l) / q(z_l | x)`` of each row, shape (n,) [1]_.

    Tighter than the evidence lower bound, the more so the more draws there are.

    References
    ----------
    .. [1] Burda, Grosse and Salakhutdinov (2016). "Importance weighted autoencoders".
       ICLR. :doi:`10.48550/arXiv.1509.00519`
    """
    mean, log_variance = module.posterior(x)
    deviation = (log_variance / 2).exp()
    n_components = mean.shape[1]
    total = torch.full_like(mean[:, 0], -torch.inf)
    for draw in draws:
        code = mean + draw * deviation
        prior = code.square().sum(1) + n_components * log(2 * pi)
        posterior = (
            draw.square().sum() + log_variance.sum(1) + n_components * log(2 * pi)
        )
        log_weight = (posterior - prior) / 2 - negative_log_likelihood(
            module.decode(code)
        )
        total = torch.logaddexp(total, log_weight)
    return total - log(len(draws))
