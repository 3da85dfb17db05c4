"""The variational autoencoder: a probabilistic model with Gaussian codes."""

import warnings
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._sklearn_compat import Interval, StrOptions
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._parameters import AnyNetwork, HiddenLayers, Start
from sklearn_ae.estimators._parts import Parts
from sklearn_ae.estimators._validation import TrainingData, is_positive_integer
from sklearn_ae.networks.variational import VariationalNetwork
from sklearn_ae.objectives.likelihood import (
    balanced,
    evidence_lower_bound,
    importance_weighted_bound,
    normal_draws,
)
from sklearn_ae.objectives.losses import BinaryCrossEntropy, SquaredError
from sklearn_ae.objectives.objective import VariationalObjective

# A unit whose posterior mean varies less than this over the rows says nothing; after
# Burda et al. (2016).
ACTIVE_VARIANCE = 0.01

# Draws for the expectation in the evidence lower bound, at least.
N_DRAWS = 64


@dataclass(kw_only=True, eq=False, repr=False)
class VariationalAutoencoder(BaseAutoencoder, HiddenLayers, AnyNetwork, Start):
    """Variational autoencoder: a probabilistic model with a Gaussian code.

    The model draws a code ``z ~ N(0, I)`` of `n_components` entries and then the data,
    ``x ~ N(g(z), s^2 I)`` or, entry by entry, ``x ~ Bernoulli(g(z))``. Fitting
    minimises [1]_

    ``J = mean_i E[-log p(x_i | z)] + beta * KL(N(mu(x_i), diag v(x_i)) || N(0, I))``

    in nats, with ``z ~ N(mu(x_i), diag v(x_i))``; for ``beta=1`` it is an upper bound
    of the negative log-likelihood. The variance ``s^2`` is learned with the rest: with
    a fixed one of 1 data in [0, 1] would look like noise about their mean, and the
    codes would say nothing [3]_.

    With ``init="pca"`` the model is probabilistic PCA before its first step, with the
    likelihood of `sklearn.decomposition.PCA`, and training departs from there.

    Parameters
    ----------
    loss : {"gaussian", "bernoulli"}, default="gaussian"
        Distribution of the outputs given the code. "bernoulli" needs values in [0, 1],
        and is a likelihood for 0 and 1 only.

    beta : float, default=1.0
        Weight of the divergence, at least 0. More than 1 asks for simpler codes at the
        price of worse reconstructions [2]_.

    {shared_parameters}

    Attributes
    ----------
    active_units_ : ndarray of bool of shape (n_components_,)
        The codes that say something: their mean ``mu_j(x)`` has a variance of more than
        0.01 over the training rows [4]_.

    {shared_attributes}

    See Also
    --------
    Autoencoder : Codes without a distribution, and better reconstructions.
    sklearn.decomposition.PCA : The linear counterpart, and the start.
    sklearn.mixture.GaussianMixture : Another density with `sample`.

    Notes
    -----
    `transform` gives the posterior mean ``mu(x)``, and `inverse_transform` the mean
    ``g(z)`` of the outputs. Codes are not rotated, since the posterior has independent
    entries along the axes as they are. The default optimizer is "adam", since the
    weight decay of "adamw" would loosen the bound.

    References
    ----------
    .. [1] Kingma and Welling (2014). "Auto-encoding variational Bayes". ICLR.
       :doi:`10.48550/arXiv.1312.6114`
    .. [2] Higgins et al. (2017). "beta-VAE: learning basic visual concepts with a
       constrained variational framework". ICLR.
    .. [3] Rybkin, Daniilidis and Levine (2021). "Simple and effective VAE training with
       calibrated decoders". ICML. :doi:`10.48550/arXiv.2006.13202`
    .. [4] Burda, Grosse and Salakhutdinov (2016). "Importance weighted autoencoders".
       ICLR. :doi:`10.48550/arXiv.1509.00519`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_ae import VariationalAutoencoder
    >>> X = load_digits().data / 16
    >>> X_train, X_test = train_test_split(X, test_size=0.5, random_state=0)
    >>> vae = VariationalAutoencoder(8, random_state=0).fit(X_train)
    >>> vae.sample(3, random_state=0).shape
    (3, 64)
    >>> int(vae.active_units_.sum())
    8
    >>> pca = PCA(n_components=8).fit(X_train)
    >>> bool(vae.score_samples(X_test).mean() > pca.score_samples(X_test).mean())
    True
    """

    init: str = "pca"
    loss: str = "gaussian"
    optimizer: str | type = "adam"
    beta: float = 1.0

    _parameter_constraints: ClassVar[dict] = {
        "loss": [StrOptions({"gaussian", "bernoulli"})],
        "beta": [Interval(Real, 0, None, closed="left")],
    }

    def _parts(self, data: TrainingData, n_components: int) -> Parts:
        loss = SquaredError() if self.loss == "gaussian" else BinaryCrossEntropy()
        return replace(
            super()._parts(data, n_components),
            loss=loss,
            objective=VariationalObjective,
            objective_params={"beta": float(self.beta)},
            wrapper=VariationalNetwork,
        )

    def _describe_codes(self, mean: np.ndarray, variances: np.ndarray) -> None:
        self.active_units_ = variances > ACTIVE_VARIANCE
        if not self.active_units_.any():
            warnings.warn(
                "The posterior has collapsed: no unit of the code is active, and every "
                "reconstruction is the mean of the data. Lower beta="
                f"{self.beta!r}, train longer, or use init='pca'. On data without "
                "structure there is nothing to encode.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def sample(self, n_samples=1, random_state=None):
        """Draw codes from the prior and decode them.

        Parameters
        ----------
        n_samples : int, default=1
            Number of draws.

        random_state : int, RandomState instance or None, default=None
            Rules the draws; None makes other ones in every call.

        Returns
        -------
        X : ndarray of shape (n_samples, n_outputs)
            The means ``g(z)`` of the outputs given each code, without their noise.
        """
        check_is_fitted(self)
        if not is_positive_integer(n_samples):
            raise ValueError(
                f"n_samples={n_samples!r} must be an integer of at least 1."
            )
        # Not numpy's global generator, which is to stay as it is.
        if random_state is None:
            random_state = np.random.RandomState()
        generator = check_random_state(random_state)
        codes = generator.standard_normal((n_samples, self.n_components_))
        return self.inverse_transform(codes)

    def score_samples(self, X, n_importance_samples=None):
        """Bound the log-likelihood of each row from below.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score.

        n_importance_samples : int or None, default=None
            None gives the evidence lower bound, ``E log p(x | z) - KL``, whatever
            `beta`. A number gives the importance-weighted bound with that many draws,
            ``log mean_l p(x, z_l) / q(z_l | x)``, which comes the nearer to the
            log-likelihood the more there are [1]_.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Bounds in nats, of the density of `X` in its own units for Gaussian outputs.
            The same draws serve all rows and all calls.

        References
        ----------
        .. [1] Burda, Grosse and Salakhutdinov (2016). "Importance weighted
           autoencoders". ICLR. :doi:`10.48550/arXiv.1509.00519`
        """
        if n_importance_samples is not None and not is_positive_integer(
            n_importance_samples
        ):
            raise ValueError(
                f"n_importance_samples={n_importance_samples!r} must be an integer of "
                "at least 1 or None."
            )
        X = self._validate_inference_data(X)
        self._check_comparable(X)
        n_components, seed = self.n_components_, self._recipe.settings.seed
        if n_importance_samples is None:
            n_draws = max(N_DRAWS, 2 * n_components)
            draws = balanced(normal_draws(n_draws, n_components, seed))
            bound = evidence_lower_bound
        else:
            draws = normal_draws(int(n_importance_samples), n_components, seed)
            bound = importance_weighted_bound
        apply = partial(
            _bound, bound, draws, self.net_.criterion_.negative_log_likelihood
        )
        return self._infer(X, apply, None)


def _bound(bound, draws, negative_log_likelihood, module, x):
    network = module.network
    # In the units of the output, which may have targets of its own.
    target = (x - module.output_mean.to(x.dtype)) / module.output_scale

    def of_target(reconstruction):
        return negative_log_likelihood(network, reconstruction, target)

    x = module.standardize(x)
    return bound(network, x, draws.to(x.device, x.dtype), of_target)
