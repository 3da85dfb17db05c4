"""The sparse autoencoder: few codes are active at a time."""

from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from scipy.special import logit

from sklearn_ae._sklearn_compat import Interval, StrOptions
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
from sklearn_ae.networks.top_k import TopKNetwork
from sklearn_ae.objectives.terms import ActivationL1, ActivationL2, KLSparsity

# A unit whose standard deviation is below this share of the largest one is dead.
DEAD = 1e-3


@dataclass(kw_only=True, eq=False, repr=False)
class SparseAutoencoder(
    BaseAutoencoder, HiddenLayers, AnyNetwork, Start, TiedWeights, CodeActivation
):
    """Sparse autoencoder: a wide code of which little is active at a time.

    Minimises [1]_

    ``J = mean_i 1/2 ||x_i - g(h(x_i))||^2 + lambd * S(h)``

    where ``h(x)``, of `n_components` columns, is what `transform` returns, and ``S``
    depends on `sparsity`:

    - "kl": ``sum_j KL(rho || r_j)``, with ``r_j`` the mean activation of unit ``j``
      over the training set and ``KL(rho || r) = rho log(rho / r) + (1 - rho)
      log((1 - rho) / (1 - r))``. Codes must lie in (0, 1);
    - "l1": ``mean_i sum_j |h_j(x_i)|``;
    - "l2": ``mean_i sum_j h_j(x_i)^2``;
    - "topk": nothing. Of each row only the `k` largest codes survive [2]_, the others
      are zero.

    By default there is one layer from input to code and one back, the weights start at
    random, and where there is a penalty the data are centred but not scaled, so that
    published values of `rho` and `lambd` carry over.

    Parameters
    ----------
    n_components : int or float, default=256
        Width of the code, which may exceed that of the input. A share of the variance
        in (0, 1) takes as many components as PCA needs to explain more than it.

    hidden_layer_sizes : "auto", int or tuple of int, default=()
        Widths of further hidden layers between input and code; the decoder mirrors
        them. "auto" is one layer of 256 units.

    code_activation : str, default="auto"
        Activation of the code, as for `activation`. "auto" is "sigmoid" for
        ``sparsity="kl"``, which needs it, else "relu".

    sparsity : {"kl", "l1", "l2", "topk"}, default="kl"
        What makes the code sparse.

    rho : float, default=0.05
        Target of the mean activations, in (0, 1). Used by "kl" and, where `k` is
        None, by "topk".

    lambd : float, default=1.0
        Weight of the penalty, at least 0; "topk" has none. The larger it is, the nearer
        are the mean activations to `rho`, or to zero with "l1" and "l2".

    k : int or None, default=None
        Number of codes of each row that survive with ``sparsity="topk"``. None is the
        share `rho` of them, and at least one.

    {shared_parameters}

    Attributes
    ----------
    mean_activation_ : ndarray of shape (n_components_,)
        Mean of each code over the training rows; what "kl" draws to `rho`.

    dead_units_ : ndarray of bool of shape (n_components_,)
        The units that say nothing: their standard deviation over the training rows is
        below a thousandth of the largest one.

    {shared_attributes}

    See Also
    --------
    Autoencoder : A narrow code instead of a sparse one.
    sklearn.decomposition.MiniBatchDictionaryLearning : Sparse codes by a linear
        dictionary and an optimisation for every row.

    Notes
    -----
    A mini-batch knows only its own mean activation, which is no estimate of what the
    divergence of the means over the training set needs: the smaller the batch, the
    larger the divergence at its mean. Here the divergence is taken at a running mean
    over about the last 1,000 rows, and the gradient passes through the mean of the
    batch. The units start with a mean activation of about `rho`. As `lambd` grows,
    `mean_activation_` then tends to `rho` whatever the `batch_size`. On rows held out,
    the mean is that of these rows.

    "kl" asks for activations that are small on average, not for zeros. Codes of which
    most are zero come from "topk" and, with the default activation, from "l1".

    With "l1" and "l2" an encoder can evade the penalty by small codes and large
    weights of the decoder. ``tied_weights=True`` or an `l2_penalty` prevents it.

    The default optimizer is "adam", since the weight decay of "adamw" would be another
    penalty beside the one asked for.

    References
    ----------
    .. [1] Ng (2011). "Sparse autoencoder". CS294A lecture notes, Stanford University.
    .. [2] Makhzani and Frey (2014). "k-sparse autoencoders". ICLR.
       :doi:`10.48550/arXiv.1312.5663`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import Pipeline
    >>> from sklearn_ae import SparseAutoencoder
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> sparse = SparseAutoencoder(100, rho=0.1, random_state=0).fit(X)
    >>> sparse.transform(X).shape
    (1797, 100)
    >>> bool(abs(sparse.mean_activation_.mean() - 0.1) < 0.02)
    True

    Searching `rho` and `lambd` for what serves a classifier best:

    >>> pipeline = Pipeline(
    ...     [
    ...         ("codes", SparseAutoencoder(100, max_epochs=30, random_state=0)),
    ...         ("classifier", LogisticRegression(max_iter=1000)),
    ...     ]
    ... )
    >>> grid = {"codes__rho": [0.05, 0.2], "codes__lambd": [0.1, 1.0]}
    >>> search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X, y)
    >>> sorted(search.best_params_)
    ['codes__lambd', 'codes__rho']
    >>> bool(search.best_score_ > 0.9)
    True
    """

    n_components: int | float = field(default=256, kw_only=False)
    hidden_layer_sizes: str | int | tuple[int, ...] = ()
    code_activation: str = "auto"
    optimizer: str | type = "adam"
    sparsity: str = "kl"
    rho: float = 0.05
    lambd: float = 1.0
    k: int | None = None

    _parameter_constraints: ClassVar[dict] = {
        "code_activation": [
            StrOptions({"auto"}),
            *CodeActivation._parameter_constraints["code_activation"],
        ],
        "sparsity": [StrOptions({"kl", "l1", "l2", "topk"})],
        "rho": [Interval(Real, 0, 1, closed="neither")],
        "lambd": [Interval(Real, 0, None, closed="left")],
        "k": [Interval(Integral, 1, None, closed="left"), None],
    }

    def _parts(self, data: TrainingData, n_components: int) -> Parts:
        parts = super()._parts(data, n_components)
        penalties, lambd, rho = (
            dict(parts.penalties),
            float(self.lambd),
            float(self.rho),
        )
        changes = {
            "code_activation": self._resolved_code_activation(),
            "orders_codes": False,
            "penalties": penalties,
        }
        if self.sparsity == "kl":
            penalties["sparsity"] = KLSparsity(lambd, rho)
            # Units start about as active as their target. Starting at one half, the
            # biases would have too far to go in the few steps of large batches.
            changes["code_bias"] = float(logit(rho))
        elif self.sparsity == "l1":
            penalties["sparsity"] = ActivationL1(lambd)
        elif self.sparsity == "l2":
            penalties["sparsity"] = ActivationL2(lambd)
        else:
            k = max(1, round(rho * n_components)) if self.k is None else int(self.k)
            if k > n_components:
                raise ValueError(
                    f"k={self.k!r} must be at most n_components={n_components}, the "
                    "width of the code."
                )
            changes |= {"wrapper": TopKNetwork, "wrapper_params": {"k": k}}
        return replace(parts, **changes)

    def _resolved_code_activation(self) -> str:
        if self.code_activation != "auto":
            return self.code_activation
        return "sigmoid" if self.sparsity == "kl" else "relu"

    def _check(self, data: TrainingData) -> None:
        activation = self._resolved_code_activation()
        if self.sparsity == "kl" and activation != "sigmoid":
            raise ValueError(
                f"code_activation={activation!r} gives codes outside (0, 1), where "
                "sparsity='kl' is not defined; use code_activation='sigmoid' (or "
                "'auto'), or sparsity='l1', 'l2' or 'topk'."
            )
        if self.sparsity == "topk" and self.init == "pca":
            raise ValueError(
                "init='pca' cannot start a code of which sparsity='topk' drops most "
                "entries; set init='random'."
            )

    def _check_codes(self, codes: np.ndarray) -> None:
        low, high = codes.min(), codes.max()
        if self.sparsity == "kl" and not (0 < low and high < 1):
            raise ValueError(
                f"its codes span [{low:.3g}, {high:.3g}], but sparsity='kl' needs "
                "codes in (0, 1): let encode end in a sigmoid, or choose "
                "sparsity='l1', 'l2' or 'topk'"
            )

    def _describe_codes(self, mean: np.ndarray, variances: np.ndarray) -> None:
        self.mean_activation_ = mean
        deviations = np.sqrt(np.maximum(variances, 0.0))
        self.dead_units_ = deviations <= DEAD * deviations.max()
