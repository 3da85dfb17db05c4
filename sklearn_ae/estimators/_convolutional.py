"""A convolutional network for any autoencoder, and a plain autoencoder that uses it."""

import warnings
from dataclasses import dataclass, replace
from math import isqrt, prod
from numbers import Integral
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from sklearn_ae._doc_link import DocLinkMixin
from sklearn_ae._sklearn_compat import Interval, validate_params
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._parameters import CodeActivation, Start
from sklearn_ae.estimators._parts import Parts
from sklearn_ae.estimators._validation import TrainingData, is_positive_integer
from sklearn_ae.networks.convolutional import Convolutions

_CONSTRAINTS: dict[str, list] = {
    "image_shape": [tuple, list, None],
    "channels": [tuple, list],
    "kernel_size": [Interval(Integral, 1, None, closed="left")],
}


@dataclass(kw_only=True, eq=False, repr=False)
class ConvolutionalNetwork(DocLinkMixin, BaseEstimator):
    """A convolutional network for the parameter `network` of an autoencoder.

    The encoder consists of convolutions that halve height and width, and of a linear
    map to the code. The decoder mirrors it. Activations and `dropout` are those of the
    autoencoder. With ``init="pca"`` linear maps in parallel with the convolutions start
    as PCA.

    Parameters
    ----------
    image_shape : tuple of int or None, default=None
        Channels, height and width of the images. Each row of `X` is an image,
        flattened in this order. None means a square grey image if the number of
        features is a square number, else a single row of grey pixels.

    channels : tuple of int, default=(16, 32)
        Numbers of channels of the encoder's convolutions, at least one.

    kernel_size : int, default=3
        Side of the kernels in pixels, an odd number.

    See Also
    --------
    ConvolutionalAutoencoder : The plain autoencoder with this network.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import ConvolutionalNetwork, DenoisingAutoencoder
    >>> X = load_digits().data[:200] / 16
    >>> network = ConvolutionalNetwork(image_shape=(1, 8, 8), channels=(8, 16))
    >>> denoiser = DenoisingAutoencoder(16, network=network, max_epochs=5)
    >>> denoiser.set_params(network__channels=(4, 8)).fit(X).reconstruct(X).shape
    (200, 64)
    """

    image_shape: tuple[int, int, int] | None = None
    channels: tuple[int, ...] = (16, 32)
    kernel_size: int = 3

    _parameter_constraints: ClassVar[dict] = _CONSTRAINTS

    def module_and_params(
        self, n_features: int, n_outputs: int
    ) -> tuple[type, dict[str, Any]]:
        """Return the class of the network and its arguments.

        Parameters
        ----------
        n_features : int
            Width of the input.

        n_outputs : int
            Width of the output.

        Returns
        -------
        module : type
            A subclass of `torch.nn.Module`.

        params : dict
            Its arguments, in addition to those that every autoencoder passes.

        Raises
        ------
        ValueError
            If `image_shape` does not match the widths, or a parameter is invalid.
        """
        validate_params(self)
        channels = tuple(self.channels)
        if not channels or not all(is_positive_integer(n) for n in channels):
            raise ValueError(
                f"channels={self.channels!r} must contain at least one integer, and "
                "only integers of at least 1."
            )
        if self.kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size={self.kernel_size!r} must be odd, so that kernels have a "
                "central pixel."
            )
        shape = self._resolved_shape(n_features)
        if n_outputs % prod(shape[1:]) != 0:
            raise ValueError(
                f"X_target has {n_outputs} columns, which is not a multiple of height "
                f"times width of image_shape={shape!r}, {prod(shape[1:])}."
            )
        return Convolutions, {
            "image_shape": shape,
            "channels": tuple(int(n) for n in channels),
            "kernel_size": int(self.kernel_size),
        }

    def _resolved_shape(self, n_features: int) -> tuple[int, int, int]:
        if self.image_shape is None:
            side = isqrt(n_features)
            is_square = side**2 == n_features
            return (1, side, side) if is_square else (1, 1, n_features)
        shape = tuple(self.image_shape)
        if len(shape) != 3 or not all(is_positive_integer(n) for n in shape):
            raise ValueError(
                f"image_shape={self.image_shape!r} must be three integers of at least "
                "1: channels, height and width."
            )
        if prod(shape) != n_features:
            raise ValueError(
                f"image_shape={self.image_shape!r} has {prod(shape)} pixels "
                f"({' x '.join(map(str, shape))}), but X has {n_features} features."
            )
        channels, height, width = shape
        if channels > 4 and height > 4 and width in (1, 3, 4):
            order = ""
            if width > 1:
                order = (
                    f" and pass X.reshape(-1, {channels}, {height}, {width})"
                    ".transpose(0, 3, 1, 2).reshape(len(X), -1)"
                )
            warnings.warn(
                f"image_shape={self.image_shape!r} means {channels} channels of "
                f"{height} x {width} pixels, since the channels come first. If they "
                f"are last in your images, set image_shape={(width, channels, height)}"
                f"{order}.",
                UserWarning,
                stacklevel=2,
            )
        return tuple(int(n) for n in shape)


@dataclass(kw_only=True, eq=False, repr=False)
class ConvolutionalAutoencoder(BaseAutoencoder, Start, CodeActivation):
    r"""Autoencoder for images: convolutions in place of dense layers.

    Finds an encoder :math:`h` and a decoder :math:`g` that minimise

    .. math::

       J = \frac1n \sum_i \frac12 \lVert x_i - g(h(x_i)) \rVert^2
           + \alpha_1 \sum |W| + \frac{\alpha_2}{2} \sum W^2

    where :math:`h` consists of convolutions that halve height and width, and of a
    linear map to the code, and :math:`g` mirrors it [1]_. The weights :math:`\alpha_1`
    and :math:`\alpha_2` are `l1_penalty` and `l2_penalty`. Images are flat rows of `X`
    and of the results, so that the estimator can be a step of a pipeline. As in
    `Autoencoder`, linear maps in parallel with the convolutions start as PCA, and the
    fitted model is PCA unless training finds a significantly better one.

    Parameters
    ----------
    n_components : int or float, default=2
        Width of the code. A float in (0, 1) is a share of the variance: the code is
        as wide as PCA needs to explain more than this share.

    code_activation : str, default="identity"
        Activation of the code: "identity", "relu", "leaky_relu", "elu", "gelu",
        "silu", "softplus", "tanh" or "sigmoid".

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

    image_shape : tuple of int or None, default=None
        Channels, height and width of the images, which may be any numbers. Each row of
        `X` is an image, flattened in this order. None means a square grey image if the
        number of features is a square number, else a single row of grey pixels.

    channels : tuple of int, default=(16, 32)
        Numbers of channels of the encoder's convolutions, at least one.

    kernel_size : int, default=3
        Side of the kernels in pixels, an odd number.

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

    See Also
    --------
    ConvolutionalNetwork : The same network for any other autoencoder.
    Autoencoder : Dense layers.

    References
    ----------
    .. [1] Masci, Meier, Ciresan and Schmidhuber (2011). "Stacked convolutional
       auto-encoders for hierarchical feature extraction". ICANN.
       :doi:`10.1007/978-3-642-21735-7_7`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import ConvolutionalAutoencoder
    >>> X = load_digits().data / 16
    >>> autoencoder = ConvolutionalAutoencoder(
    ...     8, image_shape=(1, 8, 8), max_epochs=10, random_state=0
    ... )
    >>> autoencoder.fit_transform(X).shape
    (1797, 8)
    >>> autoencoder.reconstruct(X).shape
    (1797, 64)
    """

    init: str = "pca"
    image_shape: tuple[int, int, int] | None = None
    channels: tuple[int, ...] = (16, 32)
    kernel_size: int = 3

    _parameter_constraints: ClassVar[dict] = _CONSTRAINTS

    def _parts(self, data: TrainingData, n_components: int) -> Parts:
        network = ConvolutionalNetwork(
            image_shape=self.image_shape,
            channels=self.channels,
            kernel_size=self.kernel_size,
        )
        return replace(super()._parts(data, n_components), network=network)
