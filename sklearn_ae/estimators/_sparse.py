"""The sparse autoencoder: few units of the code are active at a time."""

from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from scipy.special import logit

from sklearn_ae._sklearn_compat import Interval, StrOptions
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._fit_warnings import DEAD
from sklearn_ae.estimators._parameters import CodeActivation, NetworkParameters
from sklearn_ae.estimators._parts import DATA_RMS_OF_PENALISED, Parts
from sklearn_ae.estimators._validation import TrainingData
from sklearn_ae.networks.top_k import TopKNetwork
from sklearn_ae.objectives.terms import ActivationL1, ActivationL2, KLSparsity


@dataclass(kw_only=True, eq=False, repr=False)
class SparseAutoencoder(BaseAutoencoder, NetworkParameters):
    r"""Sparse autoencoder: a wide code with few active units at a time.

    Minimises [1]_

    .. math::

       J = \frac1n \sum_i \frac12 \lVert x_i - g(h(x_i)) \rVert^2 + \lambda S

    where :math:`h(x)`, with `n_components` columns, is the result of `transform`,
    :math:`g` is the decoder, :math:`\lambda` is `lambd`, and :math:`S` depends on
    `sparsity`:

    - "kl": :math:`S = \sum_j \rho \log \frac{\rho}{r_j} + (1 - \rho) \log
      \frac{1 - \rho}{1 - r_j}`, where :math:`r_j` is the mean activation of unit
      :math:`j` over the training set. Codes must lie in (0, 1);
    - "l1": :math:`S = \frac1n \sum_i \sum_j |h_j(x_i)|`;
    - "l2": :math:`S = \frac1n \sum_i \sum_j h_j(x_i)^2`;
    - "topk": no penalty. The `k` largest codes of each row are kept [2]_, the others
      are set to zero.

    By default encoder and decoder have one layer each and start from random weights.
    The objective is in the units of `X`, so that published values of `rho` and `lambd`
    can be used.

    Parameters
    ----------
    n_components : int or float, default=256
        Width of the code, which may exceed that of the input. A float in (0, 1) is a
        share of the variance: the code is as wide as PCA needs to explain more than
        this share.

    hidden_layer_sizes : "auto", int or tuple of int, default=()
        Widths of hidden layers between input and code; the decoder mirrors them.
        "auto" is one layer of 256 units.

    code_activation : str, default="auto"
        Activation of the code, with the same choices as `activation`. "auto" is
        "sigmoid" for ``sparsity="kl"``, which requires it, else "relu".

    network : ConvolutionalNetwork, type, partial or None, default=None
        None builds a dense network from `hidden_layer_sizes` and the activations. A
        `ConvolutionalNetwork`, or any other object with a method
        ``module_and_params``, replaces `hidden_layer_sizes` and keeps the activations
        and `dropout`. A subclass of `torch.nn.Module` with methods ``encode`` and
        ``decode`` is called with ``(n_features, n_components)`` and used as is; the
        parameters of the dense network and `init` are ignored, with a warning. Use
        `functools.partial` to pass it further arguments. See
        `sklearn_ae.networks.Network` for what else a network can implement.

    init : {"pca", "random"}, default="random"
        "pca" adds linear maps from input to code and from code to output, in parallel
        with the hidden layers, and starts the network as PCA. "random" starts a
        classical network, without these maps, from random weights. Ignored if
        `network` is a class.

    tied_weights : bool, default=False
        Use the transposed weights of the encoder in the decoder. Dense networks only.
        The weights are equal in the units of the network, so that the scale of `X` does
        not matter. In the units of `X`, the weights of the decoder have a constant
        factor.

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

    loss : {"mse", "mae", "huber", "bce", "mixed"} or Loss, default="mse"
        Reconstruction loss of a row, summed over its features:
        ``1/2 ||x - xhat||^2``, ``sum_j |x_j - xhat_j|``, the Huber loss with a
        threshold of 1 in the units of `X`, or the binary cross-entropy, which
        needs values in [0, 1]. "mixed" is the squared error for numbers and the
        cross-entropy for indicators of categories, which it finds: see
        `sklearn_ae.objectives.MixedLoss`. Other losses are
        `sklearn_ae.objectives.Loss` objects.

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

    sparsity : {"kl", "l1", "l2", "topk"}, default="kl"
        Kind of penalty on the codes, see above.

    rho : float, default=0.05
        Target of the mean activations, in (0, 1). Used by "kl", and by "topk" if `k`
        is None.

    lambd : float, default=1.0
        Weight of the penalty, at least 0. Not used by "topk". With a larger weight, the
        mean activations are closer to `rho`, or to zero with "l1" and "l2".

    k : int or None, default=None
        Number of codes of each row that are kept with ``sparsity="topk"``. None keeps a
        share `rho` of them, and at least one. With `warm_start` each fit can have
        another one, see the notes.

    Attributes
    ----------
    mean_activation_ : ndarray of shape (n_components_,)
        Mean of each code over the training rows. The target of "kl" for it is `rho`.

    dead_units_ : ndarray of bool of shape (n_components_,)
        The units that carry no information: their standard deviation over the training
        rows is at most a thousandth of the largest one.

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
    Autoencoder : A narrow code instead of a sparse one.
    sklearn.decomposition.MiniBatchDictionaryLearning : Sparse codes with a linear
        dictionary, computed by an optimisation for every row.

    Notes
    -----
    "kl" needs the mean activations over the training set. The divergence at the mean of
    a mini-batch overestimates it, the more so the smaller the batch. It is therefore
    computed at a running mean over about the last 1,000 rows, with the gradient of the
    mean of the batch. The mean activations start at about `rho`. As `lambd` grows,
    `mean_activation_` tends to `rho`, whatever the `batch_size`. On held-out rows the
    mean is that of these rows.

    "kl" leads to activations that are small on average, but not to zeros. Codes that
    are mostly zero come from "topk" and, with the default activation, from "l1".

    With "l1" and "l2" the network can avoid the penalty by small codes and large
    weights of the decoder. ``tied_weights=True`` or an `l2_penalty` prevents this.

    In [2]_ more codes are kept at first, so that no unit is idle, and more for a
    classifier than in training. Both are warm starts: fit with a large `k`, then call
    ``set_params(k=25, warm_start=True)`` and `fit` again. With ``max_epochs=0`` only
    the number of codes that are kept changes.

    The default optimizer is "adam", since the weight decay of "adamw" would act as a
    further penalty.

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
    >>> sparse = SparseAutoencoder(100, rho=0.1, max_epochs=10, random_state=0)
    >>> sparse.fit(X).transform(X).shape
    (1797, 100)
    >>> print(f"{sparse.mean_activation_.mean():.1f}")
    0.1

    Searching for the `rho` and `lambd` that suit a classifier best:

    >>> pipeline = Pipeline(
    ...     [
    ...         ("codes", SparseAutoencoder(100, max_epochs=10, random_state=0)),
    ...         ("classifier", LogisticRegression(max_iter=1000)),
    ...     ]
    ... )
    >>> grid = {"codes__rho": [0.05, 0.2], "codes__lambd": [0.1, 1.0]}
    >>> search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    >>> sorted(search.best_params_)
    ['codes__lambd', 'codes__rho']
    >>> print(f"{search.best_score_:.2f}")
    0.9...
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
        activation = self.code_activation
        if activation == "auto":
            activation = "sigmoid" if self.sparsity == "kl" else "relu"
        if self.sparsity == "kl" and activation != "sigmoid":
            raise ValueError(
                f"code_activation={activation!r} gives codes outside (0, 1), for "
                "which sparsity='kl' is not defined; use code_activation='sigmoid' (or "
                "'auto'), or sparsity='l1', 'l2' or 'topk'."
            )
        if self.sparsity == "topk" and self.init == "pca":
            raise ValueError(
                "init='pca' is not possible with sparsity='topk', which sets most "
                "codes to zero; set init='random'."
            )
        parts = super()._parts(data, n_components)
        lambd, rho, penalty = float(self.lambd), float(self.rho), None
        changes = {
            "code_activation": activation,
            "orders_codes": False,
            "data_rms": DATA_RMS_OF_PENALISED,
            # At larger rates many units of "topk" are never among the largest.
            "is_penalised": self.sparsity != "topk",
        }
        if self.sparsity == "kl":
            penalty = KLSparsity(lambd, rho)
            # Units start with about the target activation. From one half, large
            # batches would give the biases too few steps to get there.
            changes["code_bias"] = float(logit(rho))
        elif self.sparsity == "l1":
            penalty = ActivationL1(lambd)
        elif self.sparsity == "l2":
            penalty = ActivationL2(lambd)
        else:
            k = max(1, round(rho * n_components)) if self.k is None else int(self.k)
            if k > n_components:
                raise ValueError(
                    f"k={self.k!r} must be at most n_components={n_components}."
                )
            changes |= {"wrapper": TopKNetwork, "wrapper_params": {"k": k}}
        if penalty is not None:
            changes["penalties"] = (penalty, *parts.penalties)
        return replace(parts, **changes)

    def _check_codes(self, codes: np.ndarray) -> None:
        low, high = codes.min(), codes.max()
        if self.sparsity == "kl" and not (0 < low and high < 1):
            raise ValueError(
                f"its codes span [{low:.3g}, {high:.3g}], but sparsity='kl' needs "
                "codes in (0, 1): end encode with a sigmoid, or choose "
                "sparsity='l1', 'l2' or 'topk'"
            )

    def _regularizers(self) -> tuple[str, ...]:
        own = () if self.sparsity == "topk" else ("lambd",)
        return *own, *super()._regularizers()

    def _describe_codes(self, mean: np.ndarray, variances: np.ndarray) -> None:
        self.mean_activation_ = mean
        deviations = np.sqrt(np.maximum(variances, 0.0))
        self.dead_units_ = deviations <= DEAD * deviations.max()
