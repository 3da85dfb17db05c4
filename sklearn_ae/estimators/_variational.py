"""The variational autoencoder: a probabilistic model with Gaussian codes."""

from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import ClassVar

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from sklearn_ae._sklearn_compat import Interval, StrOptions
from sklearn_ae.data.inference import ROWS
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

# Variance of the posterior mean over the rows above which a unit carries information,
# after Burda et al. (2016).
ACTIVE_VARIANCE = 0.01

# Least number of draws for the expectation in the evidence lower bound.
N_DRAWS = 64


@dataclass(kw_only=True, eq=False, repr=False)
class VariationalAutoencoder(BaseAutoencoder, Start, AnyNetwork, HiddenLayers):
    r"""Variational autoencoder: a probabilistic model with a Gaussian code.

    The model generates a code :math:`z \sim N(0, I)` of `n_components` entries, and
    from it the data, :math:`x \sim N(g(z), s^2 I)` or, for each entry, :math:`x \sim
    \mathrm{Bernoulli}(g(z))`. Fitting minimises [1]_

    .. math::

       J = \frac1n \sum_i \mathbb{E}_{z \sim q_i} [-\log p(x_i \mid z)]
           + \beta \, \mathrm{KL}(q_i \,\Vert\, N(0, I))

    in nats, where :math:`q_i = N(\mu(x_i), \operatorname{diag} v(x_i))` comes from the
    encoder, and :math:`\beta` is `beta`. For ``beta=1`` it is an upper bound of the
    negative log-likelihood. The variance :math:`s^2` is learned as well: with a fixed
    variance of 1, data in [0, 1] would look like noise around their mean, and the codes
    would carry no information [3]_.

    With ``init="pca"`` the model starts as probabilistic PCA, with the likelihood of
    `sklearn.decomposition.PCA`.

    Parameters
    ----------
    n_components : int or float, default=2
        Width of the code. A float in (0, 1) is a share of the variance: the code is
        as wide as PCA needs to explain more than this share.

    hidden_layer_sizes : "auto", int or tuple of int, default="auto"
        Widths of the encoder's hidden layers; the decoder mirrors them. ``()`` means
        no hidden layers, "auto" one layer of 256 units.

    network : ConvolutionalNetwork, type, partial or None, default=None
        None builds a dense network from `hidden_layer_sizes` and the activations. A
        `ConvolutionalNetwork`, or any other object with a method
        ``module_and_params``, replaces `hidden_layer_sizes` and keeps the activations
        and `dropout`. A subclass of `torch.nn.Module` with methods ``encode`` and
        ``decode`` is called with ``(n_features, n_components)`` and used as is; the
        parameters of the dense network and `init` are ignored, with a warning. Use
        `functools.partial` to pass it further arguments. See
        `sklearn_ae.networks.Network` for what else a network can implement.

    init : {"pca", "random"}, default="pca"
        "pca" adds linear maps from input to code and from code to output, in parallel
        with the hidden layers, and starts the network as PCA. "random" starts a
        classical network, without these maps, from random weights. Ignored if
        `network` is a class.

    missing_values : "error" or np.nan, default="error"
        "error" raises an error if an entry is NaN. With ``np.nan`` such an entry is
        missing, in `X` and in its targets, in all methods: losses, errors and scores
        are those of the observed entries; codes and reconstructions have no gaps. In
        place of a missing entry the network sees what is expected given the observed
        entries of the row, under a Gaussian that `fit` estimates from all observed
        entries (probabilistic PCA). If `X` has gaps, training hides as large a share of
        the observed inputs at random, at most a fifth, differently in every step, and
        still asks for their reconstruction. Rows without any value do not count; a
        column without any value in `fit` is an error. To fill a table, see
        `sklearn_ae.AutoencoderImputer`.

    missing_indicator : bool, default=False
        Double the inputs of a dense network: the further ones are 1 where an entry is
        missing, else 0. For tables in which the absence of a value says something.
        Needs ``missing_values=np.nan`` and ``tied_weights=False``.

    activation : str, default="silu"
        Activation of the hidden layers: "identity", "relu", "leaky_relu", "elu",
        "gelu", "silu", "softplus", "tanh" or "sigmoid".

    output_activation : str, default="auto"
        Activation of the output, with the same choices as `activation`. "auto" is
        "sigmoid" if the loss needs values in [0, 1], a softmax over each category if
        the loss has any, else "identity". If it is not "identity", the network returns
        values in the units of the data.

    loss : {"gaussian", "bernoulli"}, default="gaussian"
        Distribution of the outputs given the code. "bernoulli" needs values in [0, 1];
        it is a likelihood only if all of them are 0 or 1.

    dropout : float, default=0.0
        Share of the hidden units that is dropped during training, in [0, 1).

    l1_penalty : float, default=0.0
        Weight of ``sum |W|`` over all weight matrices, without biases. If positive,
        codes are not rotated, since the penalty depends on their axes.

    l2_penalty : float, default=0.0
        Weight of ``1/2 sum W^2`` over all weight matrices, without biases.

    penalties : list of Penalty or None, default=None
        Further penalties: `sklearn_ae.objectives.Penalty` objects such as
        ``ActivationL1(0.1)``. Their fields are parameters, too: the weight of the
        first one is ``penalties__0__weight``.

    optimizer : str or type, default="adam"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lbfgs",
        or a subclass of `torch.optim.Optimizer`. "adamw" is Adam with a weight decay of
        0.3, which is not part of the objective and does not act on biases; where
        candidates are compared (see `validation`), it is 0.1 and acts on biases, too.
        The others have no weight decay by default.

        "adam" and "adamw" have ``betas=(0.9, 0.99)`` and ``eps=1e-5``, where torch has
        ``(0.9, 0.999)`` and ``1e-8``: in networks that start as PCA some gradients are
        rounding errors, which so small an ``eps`` turns into full steps, and the
        shorter memory suits fits of a few thousand steps. For torch's values pass them
        as `optimizer_params`, or a class such as `torch.optim.Adam`.

        "lbfgs" is L-BFGS with a line search, for tables of up to some ten thousand
        rows. An epoch is one iteration on all training rows; it stops when ten of them
        gain next to nothing. `learning_rate` and `learning_rate_schedule` are ignored.
        The objective must not contain random numbers such as a corruption or dropout.

    optimizer_params : dict or None, default=None
        Further arguments of the optimizer, such as ``{"weight_decay": 0.1}``.

    learning_rate : "auto" or float, default="auto"
        Largest learning rate of the schedule. "auto" is a rate that suits the
        optimizer and the scale of the data inside the network.

    learning_rate_schedule : str, default="one_cycle"
        How the learning rate changes during a fit. "one_cycle" raises it in the first
        tenth of the steps and then lowers it to zero, "cosine" lowers it along a
        cosine, "reduce_on_plateau" divides it by 10 after 5 epochs without an
        improvement, and "constant" keeps it. `partial_fit` always keeps it constant.

    batch_size : "auto" or int, default="auto"
        Largest number of rows in a step. "auto" is 64 for less than 5,000 rows, 128 for
        less than 50,000, and 256 for more. Where candidates are compared (see
        `validation`), it is 32 for less than 250 rows, 64 for less than 500, 128 for
        less than 1,000 (50,000 with more than 100 columns), and 256 for more.

    max_epochs : "auto" or int, default="auto"
        Number of passes over the training rows. "auto" is 100,000 divided by the number
        of rows, but at least 10 and at most 300. Where candidates are compared (see
        `validation`), it is 150 for less than 100 rows, else 200,000 (120,000 with more
        than 100 columns) divided by the number of rows, but at least 10 and at most
        100. Sparse and contractive autoencoders train for 3,000 divided by the root of
        the number of rows if that is more, and with "lbfgs" it is 400. 0 keeps the
        initial network.

    validation : "auto", int, float, splitter, list of pairs or None, default="auto"
        How the loss on unseen rows is estimated. A float in (0, 1) is the share of the
        rows that is held out, at least 30 rows or a third of a small table; the weights
        with the lowest loss on them are kept. An int of at least 2 is a number of
        folds: candidates are compared by cross-validation, and the final network is
        trained on all rows. None trains on all rows and keeps the last weights, unless
        the loss was lower before training. "auto" is 0.1.

        A splitter of scikit-learn, such as ``TimeSeriesSplit()`` or ``GroupKFold()``
        with `groups` in `fit`, chooses rows that are not random; so does a list of
        pairs of arrays, the indices of training and of unseen rows. Several splits are
        folds where candidates are compared; otherwise the last split is held out.
        Validation data can also be passed to `fit`, as `X_val`; this parameter must
        then be "auto".

        `Autoencoder` and `DenoisingAutoencoder` compare candidates, unless parameters
        prevent it; only then are folds possible. For them "auto" is 5 folds for less
        than 300 rows and 3 for less than 500. With more rows, or more than 100
        columns, it is 0.1 and holds out at least 100 rows or a third. With None they
        train the first candidate only.

    n_iter_no_change : int or None, default=None
        Number of epochs without an improvement after which training stops: of the loss
        on the held-out rows or, without any, of the training loss. None trains to the
        end of the schedule.

    tol : float, default=0.0001
        Smallest relative decrease of the lowest loss that counts as an improvement.

    device : str, default="cpu"
        Where to compute: "cpu", "cuda", "cuda:1", "mps", or "auto" for a GPU if
        there is one.

    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called with the skorch net during training. Its ``net.reconstruct(X)`` takes
        and returns rows in the units of `X`.

    random_state : int, RandomState instance or None, default=None
        Controls weight initialisation, shuffling, the validation split, dropout and
        other noise. Pass an int for reproducible results. Global generators do not
        change.

    verbose : int, default=0
        1 shows a progress bar with the losses, 2 or more prints them as a table, one
        line per epoch. A `PrintLog` or a `ProgressBar` in `callbacks` replaces both; a
        `PrintLog` prints even at 0.

    checkpoint : path, Checkpoint or None, default=None
        File in which `fit` saves its state once a minute. After a crash or an
        interrupt, the same `fit` on the same data goes on from there and ends with
        exactly the same result; the file is then removed. A file of other data,
        parameters or versions is an error. It works on a step of a pipeline; inside
        another estimator of this package with a `checkpoint` it is ignored. See
        `sklearn_ae.persistence.Checkpoint` for other intervals, and for searches.

    warm_start : bool, default=False
        Continue with the network of the previous fit. Mean, scale and the state of
        the random generators are kept as well.

    beta : float, default=1.0
        Weight of the divergence, at least 0. Values above 1 give simpler codes and
        worse reconstructions [2]_.

    Attributes
    ----------
    active_units_ : ndarray of bool of shape (n_components_,)
        The units that carry information: their mean ``mu_j(x)`` has a variance of more
        than 0.01 over the training rows [4]_.

    n_components_ : int
        Width of the code.

    explained_variance_ : ndarray of shape (n_components_,)
        Variance of each code over the training rows, with ``n - 1`` in the
        denominator. After `partial_fit`, the rows are those of all calls, each with
        its code at the end of its call: while codes still change, this can be far from
        the variance of `transform`.

    components_ : ndarray of shape (n_components_, n_outputs)
        The decoder's local linear map: how much each output changes per unit of each
        code, at the mean ``m`` of the codes over the training rows. This is the
        transposed Jacobian of `inverse_transform` at ``m``, in double precision, and
        near ``m`` ``inverse_transform(z)`` is about ``inverse_transform(m) + (z - m)
        @ components_``. For a linear decoder this holds everywhere, and a network that
        is PCA has PCA's `components_`. A curved decoder has other ones elsewhere, and
        the rows are neither orthogonal nor of norm 1. Computed when it is read. After
        `partial_fit`, the rows are those that `explained_variance_` is about.

    mean_ : ndarray of shape (n_features_in_,)
        Subtracted from the input before it enters the network: the mean of each
        feature, or zeros if the data are not centred.

    scale_ : float
        The centred input is divided by it before it enters the network. It is a single
        number for all features, so that the minimiser does not change.

    module_ : torch.nn.Module
        The fitted network in the units of the data, with methods ``encode``,
        ``decode`` and ``forward``.

    net_ : skorch.NeuralNet
        The skorch net that trained the network, in standardised units. Its method
        ``reconstruct`` works in the units of the data, also in callbacks.

    history_ : dict of str to ndarray of shape (n_iter_,)
        One entry per epoch: "epoch", "learning_rate", "train_loss", "valid_loss", and
        the terms of the losses, such as "train_reconstruction" and "train_l2", in the
        units of the data. Losses on held-out rows are missing if there are none. If
        candidates were compared, it is that of the last training or, if PCA is kept
        without one, of the best candidate; `candidates_` has what was compared.

    loss_curve_ : ndarray of shape (n_iter_,)
        Training loss of each epoch, averaged over its steps.

    validation_loss_curve_ : ndarray of shape (n_iter_,) or None
        Loss on the held-out rows after each epoch; None without held-out rows.

    n_iter_ : int
        Number of epochs, including those of previous fits with a warm start.

    best_loss_ : float
        Loss of the weights that were kept, on the held-out rows or, with
        cross-validation, the mean over the folds for models trained on the other
        folds. Without unseen rows, the last training loss.

    loss_ : Loss
        The loss of the fit. The categories of a `sklearn_ae.objectives.MixedLoss` are
        the positions of their columns, also if `fit` has found them.

    device_ : str
        Device of the network.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`, if all of them are strings.

    See Also
    --------
    Autoencoder : Codes without a distribution, and better reconstructions.
    sklearn.decomposition.PCA : The linear counterpart, and the starting point.
    sklearn.mixture.GaussianMixture : Another density with a method `sample`.

    Notes
    -----
    `transform` returns the posterior mean :math:`\mu(x)`, and
    `inverse_transform` the mean :math:`g(z)` of the outputs. Codes are not rotated,
    since the entries of the code are independent under the posterior, and rotated ones
    would not be. The default optimizer is "adam", since the weight decay of "adamw"
    would loosen the bound.

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
    >>> vae = VariationalAutoencoder(8, max_epochs=30, random_state=0).fit(X_train)
    >>> vae.sample(3, random_state=0).shape
    (3, 64)
    >>> int(vae.active_units_.sum())
    8
    >>> pca = PCA(n_components=8).fit(X_train)
    >>> print(f"{pca.score_samples(X_test).mean():.1f}")
    13.5
    >>> print(f"{vae.score_samples(X_test).mean():.1f}")
    2...
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

    def _regularizers(self) -> tuple[str, ...]:
        return "beta", *super()._regularizers()

    def sample(self, n_samples=1, random_state=None) -> np.ndarray:
        """Draw codes from the prior and decode them.

        Parameters
        ----------
        n_samples : int, default=1
            Number of draws.

        random_state : int, RandomState instance or None, default=None
            Controls the draws. None gives different ones in every call.

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
        # Not numpy's global generator, which must not change.
        if random_state is None:
            random_state = np.random.RandomState()
        generator = check_random_state(random_state)
        codes = generator.standard_normal((n_samples, self.n_components_))
        return self.inverse_transform(codes)

    def _drawn(self, X: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
        """Rows drawn from ``p(x | z)`` at a draw of ``z`` from the posterior.

        For Gaussian outputs.
        """
        network, scale = self.net_.module_, self.net_.units_.output.scale
        noise = random_state.standard_normal((len(X), self.n_components_))
        draws = iter(np.array_split(noise, range(ROWS, len(X), ROWS)))

        def decoded(module, x):
            mean, log_variance = module.network.posterior(module.standardize(x))
            drawn = torch.from_numpy(next(draws)).to(mean) * (log_variance / 2).exp()
            return module.decode(mean + drawn)

        outputs = self._infer(X, decoded, self._n_outputs)
        deviation = scale * float(np.exp(network.log_noise_variance.item() / 2))
        return outputs + deviation * random_state.standard_normal(outputs.shape)

    def score_samples(self, X, n_importance_samples=None) -> np.ndarray:
        """Compute a lower bound of the log-likelihood of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score.

        n_importance_samples : int or None, default=None
            Number of draws for the importance-weighted bound,
            ``log mean_l p(x, z_l) / q(z_l | x)``, which approaches the log-likelihood
            as the number grows [1]_. None gives the evidence lower bound,
            ``E log p(x | z) - KL``, whatever `beta`.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Bounds in nats. For Gaussian outputs they are of the density of `X` in its
            own units. In a row with gaps they are of its observed entries. The same
            draws are used for all rows and in all calls.
            Computed in double precision.

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
        if n_importance_samples is None:
            draws, bound = self._balanced_draws(), evidence_lower_bound
        else:
            seed = self._recipe.settings.seed
            n_draws = int(n_importance_samples)
            draws = normal_draws(n_draws, self.n_components_, seed)
            bound = importance_weighted_bound
        apply = partial(
            _bound, bound, draws, self.net_.criterion_.negative_log_likelihood
        )
        return self._infer(X, apply, None, doubles=True)

    def _balanced_draws(self) -> Tensor:
        """The draws of the evidence lower bound."""
        n_draws = max(N_DRAWS, 2 * self.n_components_)
        seed = self._recipe.settings.seed
        return balanced(normal_draws(n_draws, self.n_components_, seed))


def _bound(bound, draws, negative_log_likelihood, module, x):
    network = module.network
    # In the units of the output, which may have other targets than `x`.
    target = (x - module.output_mean.to(x.dtype)) / module.output_scale

    def of_target(reconstruction):
        return negative_log_likelihood(network, reconstruction, target)

    x = module.standardize(x)
    return bound(network, x, draws.to(x.device, x.dtype), of_target)
