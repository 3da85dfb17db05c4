"""The contractive autoencoder: codes that change little where the data do not."""

from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import ClassVar

import numpy as np

from sklearn_ae._sklearn_compat import Interval
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._parameters import (
    AnyNetwork,
    CodeActivation,
    HiddenLayers,
    Start,
    TiedWeights,
)
from sklearn_ae.estimators._parts import Parts
from sklearn_ae.estimators._validation import TrainingData
from sklearn_ae.objectives.terms import JacobianPenalty, exact_contraction


@dataclass(kw_only=True, eq=False, repr=False)
class ContractiveAutoencoder(
    BaseAutoencoder, HiddenLayers, AnyNetwork, Start, TiedWeights, CodeActivation
):
    """Contractive autoencoder: codes that change little unless the data call for it.

    Minimises [1]_

    ``J = mean_i 1/2 ||x_i - g(h(x_i))||^2 + lambd * mean_i ||dh/dx (x_i)||_F^2``

    with ``h(x)``, of `n_components` columns, what `transform` returns. The squared
    Frobenius norm of the encoder's Jacobian is computed exactly: for one layer as
    ``sum_j a'_j^2 ||W_j||^2`` with ``a'_j`` the derivative of the code's activation,
    for deeper encoders by one product of matrices a layer.

    By default encoder and decoder are one layer each and share their weights: with
    weights of its own the decoder could undo any shrinking of the code, and the
    penalty would mean nothing.

    Parameters
    ----------
    n_components : int or float, default=0.95
        Width of the code, which may exceed that of the input. A share of the variance
        in (0, 1) takes as many components as PCA needs to explain more than it.

    hidden_layer_sizes : "auto", int or tuple of int, default=()
        Widths of further hidden layers between input and code; the decoder mirrors
        them. "auto" is one layer of 256 units.

    lambd : float, default=0.1
        Weight of the penalty, at least 0.

    n_projections : int or None, default=None
        Estimate the penalty from that many random projections of the codes,
        ``mean_l ||v_l^T dh/dx||^2`` with random signs ``v_l``, which is unbiased and
        for wide codes of deep networks cheaper. None computes it.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    DenoisingAutoencoder : Robust reconstructions, by corrupted inputs.
    SparseAutoencoder : Few active codes.

    Notes
    -----
    For dense networks dropout is left out of the exact Jacobian, as it is of
    `transform`; projections and other networks have it in training.

    References
    ----------
    .. [1] Rifai, Vincent, Muller, Glorot and Bengio (2011). "Contractive
       auto-encoders: explicit invariance during feature extraction". ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import ContractiveAutoencoder
    >>> X = load_digits().data / 16
    >>> weak = ContractiveAutoencoder(16, lambd=0.01, random_state=0).fit(X)
    >>> strong = ContractiveAutoencoder(16, lambd=1.0, random_state=0).fit(X)
    >>> bool(strong.jacobian_norm(X).mean() < 0.5 * weak.jacobian_norm(X).mean())
    True
    """

    n_components: int | float = field(default=0.95, kw_only=False)
    hidden_layer_sizes: str | int | tuple[int, ...] = ()
    code_activation: str = "sigmoid"
    tied_weights: bool = True
    lambd: float = 0.1
    n_projections: int | None = None

    _parameter_constraints: ClassVar[dict] = {
        "lambd": [Interval(Real, 0, None, closed="left")],
        "n_projections": [Interval(Integral, 1, None, closed="left"), None],
    }

    def _parts(self, data: TrainingData, n_components: int) -> Parts:
        parts = super()._parts(data, n_components)
        n_projections = None if self.n_projections is None else int(self.n_projections)
        penalty = JacobianPenalty(float(self.lambd), n_projections)
        return replace(parts, penalties=parts.penalties | {penalty.name: penalty})

    def jacobian_norm(self, X):
        """Measure how much the codes of each row react to a change of the input.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Where to measure.

        Returns
        -------
        norm : ndarray of shape (n_samples,)
            The Frobenius norm ``||dh/dx||_F`` at each row, in units of the code per
            unit of `X`; the penalty is the mean of its squares.
        """
        X = self._validate_inference_data(X)
        # A Jacobian a row, in blocks of 64 MB.
        width = self.n_components_ * X.shape[1] // 8
        squares = self._infer(X, _squared_jacobian_norm, None, width=width)
        return np.sqrt(squares)


def _squared_jacobian_norm(module, x):
    factor = (module.code_scale / module.input_scale) ** 2
    return factor * exact_contraction(module.network, module.standardize(x))
