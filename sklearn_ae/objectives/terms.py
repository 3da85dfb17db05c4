"""Penalties as objects with a weight and further fields, evaluated on a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sklearn_ae._draws import Generators
from sklearn_ae._sklearn_compat import Interval
from sklearn_ae._units import Units
from sklearn_ae.networks.contract import offers
from sklearn_ae.objectives._part import Part
from sklearn_ae.objectives.penalties import (
    activation_l1,
    activation_l2,
    half_squared_l2_norm,
    kl_sparsity,
    l1_norm,
    projected_jacobian_norm,
    squared_jacobian_norm,
)


class Batch(NamedTuple):
    """A batch of rows and their codes, the argument of penalties.

    Penalties should use `code`, `x`, `weights`, `mean` and `jacobian_scale`, which are
    in the units of the data. If several networks are trained as one, all tensors have a
    further axis in front.

    Parameters
    ----------
    network : torch.nn.Module
        The network, which is in units of its own.

    network_input : tensor of shape (n, p)
        The rows, corrupted if there is a corruption, in units of the network.

    network_code : tensor of shape (n, k)
        The codes, in units of the network.

    row_weight : tensor of shape (n,) or None
        Weights of the rows, with a mean of one over the training rows. None means equal
        weights.

    generator : torch.Generator or list of torch.Generator
        Generator for random numbers, on the device of the batch. A list, with one
        generator per network, if several networks are trained as one.

    units : Units
        The relation between the units of the network and those of the data.

    mean_activation : tensor of shape (k,) or None, default=None
        Mean of each code over the training set, in the units of the data. None unless a
        penalty has set `needs_mean_activation`.
    """

    network: Any
    network_input: Tensor
    network_code: Tensor
    row_weight: Tensor | None
    generator: Generators
    units: Units
    mean_activation: Tensor | None = None

    @property
    def code(self) -> Tensor:
        """The codes as `transform` returns them, shape (n, k)."""
        scale = self.units.code_scale
        unscaled = isinstance(scale, float) and scale == 1
        return self.network_code if unscaled else self.network_code * scale

    @property
    def x(self) -> Tensor:
        """The input of the encoder, after any corruption, shape (n, p)."""
        mean, scale = self.units.input
        x = self.network_input
        return x * scale + torch.from_numpy(mean).to(x.device, x.dtype)

    @property
    def weights(self) -> list[Tensor]:
        """List of all weight matrices and kernels, without biases."""
        scales = self.units.weight_scales
        return [
            weight * scales[name] if name in scales else weight
            for name, weight in self.network.named_parameters()
            if weight.ndim >= self.network_input.ndim
        ]

    @property
    def is_stacked(self) -> bool:
        """Whether several networks are trained as one, along the first axis."""
        return self.network_input.ndim > 2

    @property
    def jacobian_scale(self) -> float | Tensor:
        """The ratio of ``dh/dx`` of `transform` to that of the network."""
        scale = self.units.code_scale / self.units.input.scale
        return scale.flatten() if isinstance(scale, Tensor) else scale

    def mean(self, values: Tensor) -> Tensor:
        """Compute the weighted mean over the rows.

        Parameters
        ----------
        values : tensor of shape (n,)
            A value for each row.

        Returns
        -------
        mean : tensor of shape ()
            ``mean_i row_weight_i values_i``.
        """
        weight = self.row_weight
        return (values if weight is None else weight * values).mean(-1)


class Penalty(Part):
    """Base class of penalties on the codes, the weights or the encoder.

    The objective of an autoencoder is the loss plus ``weight * penalty(batch)`` for
    each penalty, in the units of the data. A subclass is a dataclass with a field
    `weight` and other fields of its own. It defines ``__call__(batch)``, which takes a
    `Batch` and returns a tensor without axes. Penalties with a weight of 0 are not
    evaluated.

    Attributes
    ----------
    weight : float
        Weight of the penalty, at least 0.

    name : str
        Name of the column in `history_`, after ``train_`` or ``valid_``.

    is_rotation_invariant : bool
        Whether rotating the codes leaves the penalty unchanged. If False, the codes of
        the fitted autoencoder are not rotated into uncorrelated columns.

    needs_mean_activation : bool
        Whether the penalty uses `Batch.mean_activation`.

    needs_unit_codes : bool
        Whether the penalty is defined for codes in (0, 1) only.

    uses_own_generator : bool
        Whether all random numbers come from `Batch.generator`, or none are drawn. If
        False, torch's global generator is seeded before training and restored
        afterwards.

    batchable_fields : tuple of str or None
        Names of fields, except for `weight`, that may differ between networks that
        `BatchedGridSearchCV` trains as one. None means that the penalty cannot be
        evaluated for several networks at once. Otherwise codes may have the shape
        (m, n, k), the result has the shape (m,), and a field that differs is a tensor
        of shape (m, 1).

    See Also
    --------
    ActivationL1 : A penalty on the codes.
    L2Penalty : A penalty on the weights.

    Examples
    --------
    A penalty of ``mean_i sum_j log(1 + h_j(x_i)^2)`` on the codes:

    >>> from dataclasses import dataclass
    >>> from typing import ClassVar
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.objectives import Penalty
    >>> @dataclass(eq=False)
    ... class LogPenalty(Penalty):
    ...     weight: float
    ...     name: ClassVar[str] = "log"
    ...
    ...     def __call__(self, batch):
    ...         return batch.mean(batch.code.square().log1p().sum(-1))
    >>> X = load_digits().data / 16
    >>> autoencoder = Autoencoder(
    ...     8, penalties=[LogPenalty(0.1)], max_epochs=2, random_state=0
    ... ).fit(X)
    >>> autoencoder.history_["train_log"].shape
    (2,)
    >>> autoencoder.get_params()["penalties__0__weight"]
    0.1
    """

    weight: float
    name: ClassVar[str] = "penalty"
    is_rotation_invariant: ClassVar[bool] = False
    needs_mean_activation: ClassVar[bool] = False
    needs_unit_codes: ClassVar[bool] = False
    batchable_fields: ClassVar[tuple[str, ...] | None] = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "weight": [Interval(Real, 0, None, closed="left")]
    }

    def check(self) -> None:
        """Raise a ValueError if a field is invalid."""
        if "weight" not in self.get_params(deep=False):
            raise ValueError(f"{self!r} must have a parameter 'weight'.")
        super().check()

    def __call__(self, batch: Batch) -> Tensor:
        raise TypeError(
            f"{type(self).__name__} must define __call__(batch), which returns the "
            "penalty as a tensor without axes."
        )


@dataclass(eq=False)
class L1Penalty(Penalty):
    """Penalty ``sum |W|`` over all weight matrices, without biases.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.

    See Also
    --------
    L2Penalty : The squares of the weights.
    """

    weight: float
    name: ClassVar[str] = "l1"
    uses_own_generator: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ()

    def __call__(self, batch: Batch) -> Tensor:
        return l1_norm(batch.weights, stacked=batch.is_stacked)


@dataclass(eq=False)
class L2Penalty(Penalty):
    r"""Penalty :math:`\frac12 \sum W^2` over all weight matrices, without biases.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.

    See Also
    --------
    L1Penalty : The absolute values of the weights.
    """

    weight: float
    name: ClassVar[str] = "l2"
    is_rotation_invariant: ClassVar[bool] = True
    uses_own_generator: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ()

    def __call__(self, batch: Batch) -> Tensor:
        return half_squared_l2_norm(batch.weights, stacked=batch.is_stacked)


@dataclass(eq=False)
class ActivationL1(Penalty):
    r"""Penalty :math:`\frac1n \sum_i \sum_j |h_j(x_i)|` on the codes.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.

    See Also
    --------
    ActivationL2 : The squares of the codes.
    """

    weight: float
    name: ClassVar[str] = "sparsity"
    uses_own_generator: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ()

    def __call__(self, batch: Batch) -> Tensor:
        return batch.mean(activation_l1(batch.code))


@dataclass(eq=False)
class ActivationL2(Penalty):
    r"""Penalty :math:`\frac1n \sum_i \sum_j h_j(x_i)^2` on the codes.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.

    See Also
    --------
    ActivationL1 : The absolute values of the codes.
    """

    weight: float
    name: ClassVar[str] = "sparsity"
    is_rotation_invariant: ClassVar[bool] = True
    uses_own_generator: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ()

    def __call__(self, batch: Batch) -> Tensor:
        return batch.mean(activation_l2(batch.code))


@dataclass(eq=False)
class KLSparsity(Penalty):
    r"""Kullback-Leibler penalty on the mean activations of the codes.

    It is :math:`\sum_j \rho \log \frac{\rho}{r_j} + (1 - \rho) \log \frac{1 - \rho}{1 -
    r_j}` for the mean activations :math:`r_j`. The means are over the training set, and
    the divergence is that of Bernoulli variables [1]_. Codes must be in (0, 1).

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.

    rho : float, default=0.05
        Target of the mean activations, in (0, 1).

    See Also
    --------
    sklearn_ae.SparseAutoencoder : The autoencoder with this penalty.
    sklearn_ae.objectives.penalties.kl_sparsity : The divergence as a function.

    References
    ----------
    .. [1] Ng (2011). "Sparse autoencoder". CS294A lecture notes, Stanford University.
    """

    weight: float
    rho: float = 0.05
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Penalty._parameter_constraints,
        "rho": [Interval(Real, 0, 1, closed="neither")],
    }
    name: ClassVar[str] = "sparsity"
    uses_own_generator: ClassVar[bool] = True
    needs_mean_activation: ClassVar[bool] = True
    needs_unit_codes: ClassVar[bool] = True
    batchable_fields: ClassVar[tuple[str, ...] | None] = ("rho",)

    def __call__(self, batch: Batch) -> Tensor:
        assert batch.mean_activation is not None
        return kl_sparsity(batch.mean_activation, self.rho)


@dataclass(eq=False)
class JacobianPenalty(Penalty):
    r"""Penalty on the Jacobian of the encoder [1]_.

    It is :math:`\frac1n \sum_i \lVert \partial h / \partial x (x_i) \rVert_F^2`.

    Parameters
    ----------
    weight : float
        Weight of the penalty, at least 0.

    n_projections : int or None, default=None
        Number of random projections from which the penalty is estimated. None computes
        it exactly.

    See Also
    --------
    sklearn_ae.ContractiveAutoencoder : The autoencoder with this penalty.

    References
    ----------
    .. [1] Rifai, Vincent, Muller, Glorot and Bengio (2011). "Contractive
       auto-encoders: explicit invariance during feature extraction". ICML.
    """

    weight: float
    n_projections: int | None = None
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **Penalty._parameter_constraints,
        "n_projections": [Interval(Integral, 1, None, closed="left"), None],
    }
    name: ClassVar[str] = "contraction"
    is_rotation_invariant: ClassVar[bool] = True
    uses_own_generator: ClassVar[bool] = True

    @property
    def batchable_fields(self) -> tuple[str, ...] | None:  # type: ignore[override]
        # Random projections are drawn for one network at a time.
        return () if self.n_projections is None else None

    def __call__(self, batch: Batch) -> Tensor:
        if self.n_projections is None:
            squares = exact_contraction(batch.network, batch.network_input)
        else:
            generator = batch.generator
            assert not isinstance(generator, list)
            squares = projected_jacobian_norm(
                batch.network.encode,
                batch.network_input,
                self.n_projections,
                generator,
            )
        return batch.mean(squares) * batch.jacobian_scale**2


def exact_contraction(network: Any, x: Tensor) -> Tensor:
    """``||dh/dx||_F^2`` of each row, with the network's own formula if it has one."""
    formula = offers(network).squared_jacobian_norm
    return squared_jacobian_norm(network.encode, x) if formula is None else formula(x)


def with_fields_of(
    penalty: Penalty, penalties: Sequence[Penalty], device: torch.device
) -> Penalty:
    """The penalty for several networks at once, each with its own fields.

    A field with different values becomes a tensor of shape (m, 1).
    """
    fields = penalty.get_params(deep=False)
    for field in penalty.batchable_fields or ():
        values = [getattr(one, field) for one in penalties]
        if any(value != values[0] for value in values):
            stack = torch.tensor(values, dtype=torch.float32, device=device)
            fields[field] = stack.unsqueeze(1)
    return type(penalty)(**fields)
