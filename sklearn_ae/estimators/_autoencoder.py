"""The undercomplete autoencoder, shallow or deep."""

from dataclasses import dataclass

from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._parameters import ChosenStart


@dataclass(kw_only=True, eq=False, repr=False)
class Autoencoder(BaseAutoencoder, ChosenStart):
    r"""Undercomplete autoencoder, shallow or deep: the counterpart of PCA.

    Finds an encoder :math:`h` and a decoder :math:`g` that minimise

    .. math::

       J = \frac1n \sum_i \frac12 \lVert x_i - g(h(x_i)) \rVert^2
           + \alpha_1 \sum |W| + \frac{\alpha_2}{2} \sum W^2

    with codes :math:`h(x)` of `n_components` columns [1]_. The weights
    :math:`\alpha_1` and :math:`\alpha_2` are `l1_penalty` and `l2_penalty`. With
    ``init="pca"`` encoder and decoder are each the sum of a linear map and a network
    with hidden layers; the linear maps start as PCA.

    `fit` compares a few candidates with PCA on rows that they were not trained on, by
    cross-validation or on held-out rows; see `validation`. Candidates differ in their
    start, as PCA or at random, and in the noise on their inputs, which regularises. The
    fitted model is the best candidate if its gain is convincing; otherwise, which
    happens mostly for data near a linear subspace, it is PCA of all rows. In a
    cross-validation its loss must be lower than PCA's by one standard error, or a
    one-sided signed-rank test over the rows must have a p-value below 0.05. Rows that
    are held out also choose the epoch: then it is two standard errors, or 0.005. Rows
    far out count in ways that favour PCA; see :ref:`candidates`. `candidates_` has the
    losses.

    This needs the dense network with hidden layers, ``init="pca"``, the optimizer
    "adam" or "adamw", and neither tied weights, penalties, an activation of the output
    nor ``loss="bce"``. Otherwise ``init="pca"`` starts a single network as
    PCA, whose training keeps the weights that are best on held-out rows, or PCA if
    they are not better by two standard errors, or in the signed-rank test.

    Codes have the properties of PCA's: they are uncorrelated over the training rows,
    sorted by variance, and have a fixed sign. The rotation that achieves this is folded
    into the weights and does not change the reconstructions.

    Parameters
    ----------
    n_components : int or float, default=2
        Width of the code. A float in (0, 1) is a share of the variance: the code is
        as wide as PCA needs to explain more than this share.

    hidden_layer_sizes : "auto", int or tuple of int, default="auto"
        Widths of the encoder's hidden layers; the decoder mirrors them. ``()`` means
        no hidden layers. "auto" is 256 for more than 100 columns. Otherwise it is
        (128, 128) for at least 5,000 rows, or 500 if there are more than 32 columns,
        and (64, 64) for smaller tables. Where nothing is compared with PCA it is 256.

    code_activation : str, default="identity"
        Activation of the code: "identity", "relu", "leaky_relu", "elu", "gelu",
        "silu", "softplus", "tanh" or "sigmoid".

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
        with the hidden layers, and starts the network as PCA. If `fit` compares
        candidates, some of them start with these maps at zero and random weights in
        the hidden layers. "random" starts a classical network, without these maps, from
        random weights, and nothing is compared. Ignored if `network` is a class.

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

    activation : str, default="gelu"
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

    optimizer : str or type, default="adamw"
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

    Attributes
    ----------
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

    candidates_ : dict of str to ndarray of shape (n_candidates + 1,)
        What was compared; entry 0 is PCA. "start" is "pca" or "random". "input_noise"
        is the standard deviation of the noise added to the inputs during training, in
        units of PCA's root mean square error. "is_lbfgs" says whether it was L-BFGS
        that trained. `Autoencoder` tries it on small tables if the gain of the others
        is not certain, unless the optimizer, its parameters, `batch_size`, `max_epochs`
        or `n_iter_no_change` is set. "loss" is the mean loss of unseen rows in the
        units of the data, and NaN if the candidate was not tried. Only if `fit`
        compares candidates.

    best_candidate_ : int
        Position in `candidates_` of the fitted model; 0 means that it is PCA. Only if
        `fit` compares candidates.

    See Also
    --------
    sklearn.decomposition.PCA : The linear counterpart, and the starting point.
    sklearn.decomposition.KernelPCA : Nonlinear projections by a kernel.

    Notes
    -----
    As for PCA, scale features with different units first, for instance with
    `StandardScaler`: the loss weighs errors of all features equally.

    References
    ----------
    .. [1] Hinton and Salakhutdinov (2006). "Reducing the dimensionality of data
       with neural networks". Science 313. :doi:`10.1126/science.1127647`
    .. [2] Baldi and Hornik (1989). "Neural networks and principal component
       analysis: learning from examples without local minima". Neural Networks 2.
       :doi:`10.1016/0893-6080(89)90014-2`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_ae import Autoencoder
    >>> X = load_digits().data / 16
    >>> X_train, X_test = train_test_split(X, test_size=0.5, random_state=0)
    >>> autoencoder = Autoencoder(n_components=8, random_state=0).fit(X_train)
    >>> autoencoder.transform(X_test).shape
    (899, 8)
    >>> pca = PCA(n_components=8).fit(X_train)
    >>> error = ((X_test - pca.inverse_transform(pca.transform(X_test))) ** 2).mean()
    >>> print(f"{error:.4f} {autoencoder.reconstruction_error(X_test).mean():.4f}")
    0.0245 0.01...
    """

    activation: str = "gelu"
