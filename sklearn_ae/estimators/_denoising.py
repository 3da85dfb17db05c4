"""The denoising autoencoder: corrupt the input, reconstruct the clean one."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import ClassVar

from sklearn_ae._sklearn_compat import Interval, StrOptions
from sklearn_ae.data.moments import blocks
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
from sklearn_ae.objectives.corruptions import (
    GaussianNoise,
    MaskingNoise,
    SaltAndPepper,
)


@dataclass(kw_only=True, eq=False, repr=False)
class DenoisingAutoencoder(
    BaseAutoencoder, HiddenLayers, AnyNetwork, Start, TiedWeights, CodeActivation
):
    """Denoising autoencoder: corrupt the input, reconstruct the clean one.

    Minimises [1]_

    ``J = E mean_i 1/2 ||x_i - g(h(c(x_i)))||^2``

    where ``c`` corrupts a row at random, anew in every epoch. `reconstruct` then cleans
    rows that are corrupted in the same way, and `transform` gives codes that do not
    mind the corruption.

    What is to be undone can also be given row by row, as ``fit(X_corrupted,
    X_target=X_clean)``. Nothing is added to `X` then, and the width of the target may
    differ from that of `X`, as from grey images to coloured ones.

    Parameters
    ----------
    n_components : int or float, default=0.95
        Width of the code, which with ``init="random"`` may exceed that of the input. A
        share of the variance in (0, 1) takes as many components as PCA needs to explain
        more than it.

    code_activation : str, default="identity"
        Activation of the code: "identity", "relu", "leaky_relu", "elu", "gelu",
        "silu", "softplus", "tanh" or "sigmoid".

    tied_weights : bool, default=False
        Use the encoder's weights, transposed, in the dense network's decoder. The data
        are then centred, but not scaled, inside the network.

    init : {"pca", "random"}, default="pca"
        Start as PCA, with linear maps beside the hidden layers from input to code and
        from code to output, or with random weights and without these maps, as the
        classical network does. A class given as `network` starts as it is.

    network : ConvolutionalNetwork, type, partial or None, default=None
        None is the dense network that `hidden_layer_sizes` and the activations
        describe. A `ConvolutionalNetwork`, or another specification with the method
        ``module_and_params``, has its own layers in place of `hidden_layer_sizes`. A
        subclass of `torch.nn.Module` that takes ``(n_features, n_components)`` and has
        ``encode`` and ``decode`` is used as it is, and the parameters that describe
        the dense network are ignored; `functools.partial` gives it further arguments.
        `sklearn_ae.networks.Network` says what a network may offer besides.

    hidden_layer_sizes : "auto", int or tuple of int, default="auto"
        Widths of the encoder's hidden layers; the decoder mirrors them. ``()`` is
        a network without hidden layers. "auto" is one layer of 256 units.

    activation : str, default="silu"
        Activation of the hidden layers: "identity", "relu", "leaky_relu", "elu",
        "gelu", "silu", "softplus", "tanh" or "sigmoid".

    output_activation : str, default="auto"
        Activation of the output, from the same names. "auto" is "sigmoid" for
        ``loss="bce"``, else "identity". With any but "identity" the data are
        neither centred nor scaled inside the network.

    loss : {"mse", "mae", "huber", "bce"} or Loss, default="mse"
        Reconstruction loss of a row, summed over its features:
        ``1/2 ||x - xhat||^2``, ``sum_j |x_j - xhat_j|``, the Huber loss with a
        threshold of 1 in the units of `X`, or the binary cross-entropy, which
        needs values in [0, 1]. A `sklearn_ae.objectives.Loss` is used as it is.

    dropout : float, default=0.0
        Share of the hidden units dropped in training, in [0, 1).

    l1_penalty : float, default=0.0
        Weight of ``sum |W|`` over all weight matrices, biases left out. Codes are
        not rotated then, since the penalty depends on their axes.

    l2_penalty : float, default=0.0
        Weight of ``1/2 sum W^2`` over all weight matrices, biases left out.

    penalties : list of Penalty or None, default=None
        Further penalties, `sklearn_ae.objectives.Penalty` objects such as
        ``ActivationL1(0.1)``. A grid search reaches the fields of the first one as
        ``penalties__0__weight`` and so on.

    optimizer : str or type, default="adamw"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", or a
        subclass of `torch.optim.Optimizer`. "adamw" is Adam with a weight decay of
        0.3, which is not part of the objective and spares the biases. With the
        others, nothing but the objective acts on the weights.

    optimizer_params : dict or None, default=None
        Further arguments of the optimizer, such as ``{"weight_decay": 0.1}``.

    learning_rate : "auto" or float, default="auto"
        The largest learning rate of the schedule. "auto" is a rate that suits the
        optimizer.

    learning_rate_schedule : {"one_cycle", "constant", "cosine", \
"reduce_on_plateau"}, default="one_cycle"
        How the learning rate changes during a fit: up in the first tenth of the steps
        and then down to zero; not at all; down along a cosine; or down by a factor of
        10 after 5 epochs without an improvement. `partial_fit` keeps it constant.

    batch_size : "auto" or int, default="auto"
        The largest number of rows in a step. "auto" is 64, from 5,000 rows on 128,
        from 50,000 on 256.

    max_epochs : "auto" or int, default="auto"
        Passes over the training rows. "auto" is about 100,000 divided by their
        number, at least 10 and at most 300. 0 leaves the network as it starts.

    validation_fraction : float or None, default=0.1
        Share of the rows that is held out, in (0, 1). The weights with the lowest
        loss on these rows are kept. Small tables hold out 30 rows, or a third of
        them. None trains on all rows and keeps the last weights.

    n_iter_no_change : int or None, default=None
        Stop when the loss on the rows held out has not improved for this many epochs.
        None trains to the end of the schedule.

    tol : float, default=0.0001
        The share of the lowest validation loss by which a loss must fall below it
        to count as an improvement.

    device : str, default="cpu"
        Where to compute: "cpu", "cuda", "cuda:1", "mps", or "auto" for a GPU if
        there is one.

    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called during training with the skorch net.

    random_state : int, RandomState instance or None, default=None
        Controls weight initialisation, shuffling, the validation split, dropout and
        other noise. Pass an int for reproducible results. Global generators are never
        touched.

    verbose : int, default=0
        1 shows a progress bar with the losses.

    warm_start : bool, default=False
        Continue with the network of the fit before. Mean, scale and the state of
        the random generators stay as well.

    corruption : {"gaussian", "masking", "salt_and_pepper"} or callable, \
default="gaussian"
        What is done to the input in training, in the units of `X`:

        - "gaussian" adds normal noise with a standard deviation of `corruption_level`;
        - "masking" sets a random share `corruption_level` of the entries to zero;
        - "salt_and_pepper" sets that share to the smallest or the largest value in `X`;
        - a callable is called as ``corruption(X_batch, generator)`` with a tensor of
          shape (n_rows, n_features) and a `torch.Generator` to draw from, and returns
          another tensor of that shape. `corruption_level` is then not used.

    corruption_level : float, default=0.3
        A standard deviation of at least 0 for "gaussian", else a share in [0, 1].

    Attributes
    ----------
    n_components_ : int
        Width of the code.

    explained_variance_ : ndarray of shape (n_components_,)
        Variance of each code over the training rows, with ``n - 1`` in the
        denominator. After `partial_fit` over all rows so far, each with the code it
        had when its part was fitted.

    mean_ : ndarray of shape (n_features_in_,)
        What is subtracted from the input before the network: the mean of each
        feature, or zero where the data are not centred.

    scale_ : float
        What the centred input is divided by before the network. One number for
        all features, so that the minimiser stays where it is.

    module_ : torch.nn.Module
        The fitted network in the units of the data, with ``encode``, ``decode``
        and ``forward``.

    net_ : skorch.NeuralNet
        The net that trained it, in standardised coordinates.

    history_ : dict of str to ndarray of shape (n_iter_,)
        One entry an epoch: "epoch", "learning_rate", "train_loss" and
        "valid_loss", and their terms such as "train_reconstruction" and
        "train_l2", in the units of the data.

    loss_curve_ : ndarray of shape (n_iter_,)
        Training loss of each epoch, averaged over its steps.

    validation_loss_curve_ : ndarray of shape (n_iter_,) or None
        Loss on the rows held out, after each epoch.

    n_iter_ : int
        Number of epochs run, over all fits of a warm start.

    best_loss_ : float
        Loss of the weights kept: on the rows held out or, without any, the last
        training loss.

    device_ : str
        Where the network is.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`, where all of them are strings.

    See Also
    --------
    Autoencoder : The same without corruption.
    ContractiveAutoencoder : Robust codes, by a penalty on their Jacobian.

    References
    ----------
    .. [1] Vincent, Larochelle, Lajoie, Bengio and Manzagol (2010). "Stacked denoising
       autoencoders". Journal of Machine Learning Research 11.
       https://www.jmlr.org/papers/v11/vincent10a.html

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_ae import DenoisingAutoencoder
    >>> X = load_digits().data / 16
    >>> X_train, X_test = train_test_split(X, test_size=0.5, random_state=0)
    >>> noisy = X_test + 0.3 * np.random.default_rng(0).normal(size=X_test.shape)
    >>> denoiser = DenoisingAutoencoder(32, corruption_level=0.3, random_state=0)
    >>> cleaned = denoiser.fit(X_train).reconstruct(noisy)
    >>> before, after = ((noisy - X_test) ** 2).mean(), ((cleaned - X_test) ** 2).mean()
    >>> bool(after < before / 3)
    True

    Inpainting, where the lower half of each image is missing:

    >>> def cover(images, generator):
    ...     covered = images.clone()
    ...     covered[:, 32:] = 0
    ...     return covered
    >>> painter = DenoisingAutoencoder(32, corruption=cover, random_state=0)
    >>> painter.fit(X_train).reconstruct(X_test * (np.arange(64) < 32)).shape
    (899, 64)
    """

    n_components: int | float = field(default=0.95, kw_only=False)
    init: str = "pca"
    corruption: str | Callable = "gaussian"
    corruption_level: float = 0.3

    _parameter_constraints: ClassVar[dict] = {
        "corruption": [
            StrOptions({"gaussian", "masking", "salt_and_pepper"}),
            callable,
        ],
        "corruption_level": [Interval(Real, 0, None, closed="left")],
    }

    def _check(self, data: TrainingData) -> None:
        # A callable need not be comparable.
        is_share = isinstance(self.corruption, str) and self.corruption != "gaussian"
        if is_share and self.corruption_level > 1:
            raise ValueError(
                f"corruption_level={self.corruption_level!r} is the share of entries "
                f"that corruption={self.corruption!r} replaces, and must be at most 1."
            )

    def _parts(self, data: TrainingData, n_components: int) -> Parts:
        parts = super()._parts(data, n_components)
        return replace(parts, corruption=self._resolved_corruption(data))

    def _resolved_corruption(self, data: TrainingData) -> Callable | None:
        level = float(self.corruption_level)
        if data.target is not None:
            return None
        if callable(self.corruption):
            return self.corruption
        if level == 0:
            return None
        if self.corruption == "gaussian":
            return GaussianNoise(level)
        if self.corruption == "masking":
            return MaskingNoise(level)
        ranges = [(X.min(), X.max()) for X, _ in blocks(data.X, data.rows)]
        lows, highs = zip(*ranges, strict=True)
        return SaltAndPepper(level, float(min(lows)), float(max(highs)))
