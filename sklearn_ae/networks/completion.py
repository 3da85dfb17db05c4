"""Missing entries completed by a linear-Gaussian model, inside of a network."""

import torch
from torch import Tensor

# Twice as many steps as axes are enough; with as many, the errors of tables of low rank
# with little noise can be several times as large. With 10 steps the errors of completed
# entries of tables of 13 to 64 columns are at most 1 % larger, and training with them
# loses nothing.
MOST_ITERATIONS = 10


def number_of_iterations(rank: int) -> int:
    """How many steps `complete` needs for a number of axes."""
    return min(2 * rank + 2, MOST_ITERATIONS) if rank > 0 else 0


def complete(x: Tensor, mean: Tensor, loadings: Tensor, n_iterations: int) -> Tensor:
    r"""Fill missing entries with their expectation, given the observed ones of the row.

    Rows are from a normal distribution with mean m and the precision

    .. math:: \Sigma^{-1} \propto I - V V^\top,

    which is that of probabilistic PCA. The missing part of ``y = x - m`` solves

    .. math:: (I - V V^\top)_{mm} y_m = (V V^\top)_{mo} y_o.

    It is found by conjugate gradients in units where the diagonal of the matrix is 1,
    so that columns of different precision do not slow them down. All rows take the
    same number of steps, each row of its own length, so that the result of a row does
    not depend on other rows.

    Parameters
    ----------
    x : Tensor of shape (n, p) or (m, n, p)
        Rows, with NaN where an entry is missing; of m tables at once.
    mean : Tensor of shape (p,) or (m, p)
    loadings : Tensor of shape (p, r) or (m, p, r)
        The matrix V; its columns are orthogonal and shorter than 1. Without columns,
        entries are filled with the mean.
    n_iterations : int
        From `number_of_iterations`, or more.

    Returns
    -------
    Tensor of the shape of `x`
        Observed entries as they are. The others are constants: no gradient goes
        through them.
    """
    missing = x.isnan()
    with torch.no_grad():
        filled = mean.unsqueeze(-2) + _missing_part(
            torch.where(missing, 0.0, x - mean.unsqueeze(-2)),
            missing,
            loadings,
            n_iterations,
        )
    return torch.where(missing, filled, x)


def _missing_part(
    y: Tensor, missing: Tensor, loadings: Tensor, n_iterations: int
) -> Tensor:
    """``y_m`` from rows whose missing entries are 0; 0 where entries are observed."""
    is_unknown = missing.to(y.dtype)
    transposed = loadings.mT.contiguous()
    diagonal = (1 - loadings.square().sum(-1)).unsqueeze(-2)
    # Rounding must not make it negative.
    preconditioner = 1 / diagonal.clamp_min(torch.finfo(y.dtype).eps)
    solution = torch.zeros_like(y)
    residual = (y @ loadings @ transposed) * is_unknown
    scaled = residual * preconditioner
    direction = scaled
    norm = (residual * scaled).sum(-1, keepdim=True)
    for _ in range(n_iterations):
        image = (direction - direction @ loadings @ transposed) * is_unknown
        step = _ratio(norm, (direction * image).sum(-1, keepdim=True))
        solution = torch.addcmul(solution, step, direction)
        residual = torch.addcmul(residual, -step, image)
        scaled = residual * preconditioner
        previous, norm = norm, (residual * scaled).sum(-1, keepdim=True)
        direction = torch.addcmul(scaled, _ratio(norm, previous), direction)
    return solution


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """The quotient of numbers that are not negative; 0 once a row is solved."""
    is_solved = denominator <= torch.finfo(denominator.dtype).tiny
    return torch.where(is_solved, 0.0, numerator / denominator)
