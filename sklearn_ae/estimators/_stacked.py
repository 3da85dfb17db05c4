"""The stacked autoencoder: layers trained one by one, then all of them jointly."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone

from sklearn_ae._sklearn_compat import Interval, StrOptions, validate_params
from sklearn_ae.data.shards import own_entries, own_part, own_rows, taken
from sklearn_ae.estimators._autoencoder import Autoencoder
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._contractive import ContractiveAutoencoder
from sklearn_ae.estimators._denoising import DenoisingAutoencoder
from sklearn_ae.estimators._events import NO_EVENTS, FitEvents
from sklearn_ae.estimators._parameters import CodeActivation, HiddenLayers
from sklearn_ae.estimators._parts import Parts, ResolvedParts, resolve_parts
from sklearn_ae.estimators._sparse import SparseAutoencoder
from sklearn_ae.estimators._splits import held_out_split
from sklearn_ae.estimators._validation import TrainingData
from sklearn_ae.networks._wrapper import innermost
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.training.net import AutoencoderNet

# Estimators that can be layers: a linear map and an activation in each direction.
_LAYERS = (
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)


@dataclass(kw_only=True, eq=False, repr=False)
class StackedAutoencoder(BaseAutoencoder, CodeActivation, HiddenLayers):
    r"""Stacked autoencoder: pretrained layer by layer, then fine-tuned as a whole.

    Encoder and decoder are :math:`h = h_L \circ \dots \circ h_1` and :math:`g = g_1
    \circ \dots \circ g_L`, where layer :math:`l` is a linear map and an activation in
    each direction. The fit has :math:`L + 1` stages [1]_ [2]_:

    - stage :math:`l - 1`, for :math:`l = 1, \dots, L`: :math:`h_l` and :math:`g_l` are
      trained as a separate autoencoder on the codes below, :math:`h_{l-1}(\dots
      h_1(x))`, with the objective of `layer`;
    - the decoders are unfolded on top of the encoders, which gives a network with the
      codes and reconstructions of the composed layers;
    - stage :math:`L`: the whole network is trained and minimises

    .. math::

       J = \frac1n \sum_i \frac12 \lVert x_i - g(h(x_i)) \rVert^2
           + \alpha_1 \sum |W| + \frac{\alpha_2}{2} \sum W^2

    The weights :math:`\alpha_1` and :math:`\alpha_2` are `l1_penalty` and `l2_penalty`.
    If no epoch of the last stage has a lower loss on the held-out rows than its start,
    the weights of the start are kept.

    Parameters
    ----------
    n_components : int or float, default=2
        Width of the code. A float in (0, 1) is a share of the variance: the code is
        as wide as PCA needs to explain more than this share.

    hidden_layer_sizes : "auto", int or tuple of int, default=(256, 128)
        Widths of the layers below the code; the decoder mirrors them. "auto" is one
        layer of 256 units.

    code_activation : str, default="identity"
        Activation of the code, with the same choices as `activation`.

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
        Activation of the codes of all layers but the last: "identity", "relu",
        "leaky_relu", "elu", "gelu", "silu", "softplus", "tanh" or "sigmoid".

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
        Called with the skorch net during fine-tuning. The callbacks of `layer` are
        called during pretraining.

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

    layer : estimator, list of estimators or None, default=None
        The prototype of all layers: a `SparseAutoencoder`, `DenoisingAutoencoder`,
        `ContractiveAutoencoder` or `Autoencoder`. A list or tuple has a prototype, or
        None, for each hidden layer and, as its last entry, one for the code. The stack
        sets `n_components`, `hidden_layer_sizes`, `code_activation`,
        `output_activation`, `init`, `device` and `random_state` of each layer. All
        other parameters are those of the prototype, such as its loss, penalties and
        optimizer. They are nested parameters: ``layer__lambd`` of a single prototype,
        ``layer__0__lambd`` of the first one in a list. None is a plain `Autoencoder`
        with the `loss` of the stack for the first layer and the squared error for the
        others.

    pretrain_epochs : "auto" or int, default="auto"
        Number of epochs for each layer. "auto" is `max_epochs` of its prototype. 0 does
        not train the layers.

    Attributes
    ----------
    layers_ : list of estimators
        The pretrained layers, starting at the data. Fine-tuning does not change them.

    history_ : dict of str to ndarray of shape (n_epochs,)
        One entry per epoch of every stage: "stage", from 0 for the first layer to
        ``len(layers_)`` for fine-tuning, "epoch" within the stage, "learning_rate",
        "train_loss", "valid_loss", and the terms of the losses, such as
        "train_reconstruction", in the units of what the stage reconstructs. Terms that
        a stage does not have are NaN.

    loss_curve_ : ndarray of shape (n_iter_,)
        Training loss of each epoch of fine-tuning, averaged over its steps.

    validation_loss_curve_ : ndarray of shape (n_iter_,) or None
        Loss on the held-out rows after each epoch of fine-tuning; None without
        held-out rows.

    n_iter_ : int
        Number of epochs of fine-tuning, including those of previous fits with a warm
        start.

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
    Autoencoder : The same network without pretraining, or starting as PCA.
    DenoisingAutoencoder : The best `layer` in the literature [3]_.

    Notes
    -----
    Pretraining helps if random weights are a bad start. With sigmoid hidden layers on
    10,000 images of MNIST, the same network trained from random weights for the same
    total time has 1.25 times the error of a denoising stack on held-out images. On the
    digits both have about the same error. With the default activation, a denoising
    stack has 0.93 to 0.95 times the error of the randomly initialised network on the
    digits, but 1.11 times on MNIST. Plain layers gain less; see
    ``benchmarks/stacked.py``.

    The default layers are plain, since no single noise level suits data of all scales.
    For data in [0, 1] use ``layer=DenoisingAutoencoder(corruption="masking")``.

    Rows that are held out in fine-tuning are not used in pretraining. Each layer holds
    out some of the other rows at random. If `validation` is a splitter or a list of
    pairs, or if `X_val` is given to `fit`, these validation rows, or their codes, are
    the validation data of each layer, too, unless its prototype has a `validation` of
    its own.

    An interrupt during pretraining leaves the estimator unchanged. `partial_fit`
    pretrains on the rows of its first call, and fine-tunes in all calls. A warm start
    only fine-tunes.

    ``sparsity="topk"`` and `VariationalAutoencoder` cannot be stacked, since their
    codes are not an activation of a linear map.

    References
    ----------
    .. [1] Hinton and Salakhutdinov (2006). "Reducing the dimensionality of data
       with neural networks". Science 313. :doi:`10.1126/science.1127647`
    .. [2] Bengio, Lamblin, Popovici and Larochelle (2007). "Greedy layer-wise training
       of deep networks". Advances in Neural Information Processing Systems 19.
       :doi:`10.7551/mitpress/7503.003.0024`
    .. [3] Vincent, Larochelle, Lajoie, Bengio and Manzagol (2010). "Stacked denoising
       autoencoders". Journal of Machine Learning Research 11.
       https://www.jmlr.org/papers/v11/vincent10a.html

    Examples
    --------
    >>> from sklearn.base import clone
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import DenoisingAutoencoder, StackedAutoencoder
    >>> X = load_digits().data[:600] / 16
    >>> stacked = StackedAutoencoder(
    ...     8,
    ...     hidden_layer_sizes=(64, 32),
    ...     layer=DenoisingAutoencoder(corruption="masking", corruption_level=0.3),
    ...     max_epochs=30,
    ...     pretrain_epochs=20,
    ...     random_state=0,
    ... ).fit(X)
    >>> [layer.n_components_ for layer in stacked.layers_]
    [64, 32, 8]
    >>> [int((stacked.history_["stage"] == stage).sum()) for stage in range(4)]
    [20, 20, 20, 30]

    The gain from fine-tuning:

    >>> unfolded = clone(stacked).set_params(max_epochs=0).fit(X)
    >>> print(f"{unfolded.score(X):.2f} {stacked.score(X):.2f}")
    0.3... 0.8...
    """

    hidden_layer_sizes: str | int | tuple[int, ...] = (256, 128)
    layer: Any = None
    pretrain_epochs: int | str = "auto"

    _lists_of_parts: ClassVar[tuple[str, ...]] = ("penalties", "layer")

    _parameter_constraints: ClassVar[dict] = {
        "layer": [BaseAutoencoder, list, tuple, None],
        "pretrain_epochs": [
            StrOptions({"auto"}),
            Interval(Integral, 0, None, closed="left"),
        ],
    }

    def _parts(self, data: TrainingData, n_components: int) -> Parts:
        if self.missing_indicator:
            raise ValueError(
                "missing_indicator=True is not possible in a StackedAutoencoder, whose "
                "layers have one input for each feature; set missing_indicator=False."
            )
        parts = super()._parts(data, n_components)
        layers = self._resolve_layers(parts, data, n_components)
        # A penalty of the last layer may depend on the axes of the codes.
        return replace(parts, orders_codes=layers[-1].may_rotate_codes)

    # -- the layers ----------------------------------------------------------------

    @property
    def _has_several_prototypes(self) -> bool:
        return isinstance(self.layer, list | tuple)

    def _check_prototypes(self, n_layers: int) -> None:
        if self._has_several_prototypes and len(self.layer) != n_layers:
            raise ValueError(
                f"layer={self.layer!r} has {len(self.layer)} entries, but must have "
                f"{n_layers}: one for each hidden layer, and one for the code."
            )
        for level in range(n_layers):
            prototype = self._prototype(level)
            if not isinstance(prototype, _LAYERS):
                names = ", ".join(cls.__name__ for cls in _LAYERS[:-1])
                raise ValueError(
                    f"{self._shown(level)} cannot be stacked: a layer must be an "
                    f"instance of {names} or {_LAYERS[-1].__name__}."
                )
            # Nested estimators are not validated by themselves.
            try:
                validate_params(prototype)
            except ValueError as error:
                error.add_note(f"The error occurred in {self._shown(level)}.")
                raise

    def _shown(self, level: int) -> str:
        """The prototype of a layer, as messages name it."""
        if self._has_several_prototypes:
            return f"layer[{level}]={self.layer[level]!r}"
        return f"layer={self.layer!r}"

    def _prototype(self, level: int) -> BaseAutoencoder:
        given = self.layer[level] if self._has_several_prototypes else self.layer
        if given is not None:
            return given
        # The other layers reconstruct codes, which need not lie in [0, 1].
        loss = self.loss if level == 0 else "mse"
        return Autoencoder(loss=loss, verbose=self.verbose)

    def _make_layer(
        self, level: int, widths: Sequence[int], output_activation: Any, seed: int
    ) -> BaseAutoencoder:
        """The unfitted layer that encodes ``widths[level]`` columns."""
        is_last = level == len(widths) - 2
        if not isinstance(output_activation, str):
            # That of the categories of a loss, which the layer has as well.
            output_activation = "auto"
        layer = clone(self._prototype(level)).set_params(
            n_components=widths[level + 1],
            hidden_layer_sizes=(),
            code_activation=self.code_activation if is_last else self.activation,
            output_activation=output_activation if level == 0 else self.activation,
            init="random",
            device=self.device,
            random_state=seed,
        )
        if level == 0:  # codes have no gaps
            layer.set_params(missing_values=self.missing_values)
        if self.pretrain_epochs != "auto":
            layer.set_params(max_epochs=self.pretrain_epochs)
        return layer

    def _resolve_layers(
        self, parts: Parts, data: TrainingData, n_components: int
    ) -> list[ResolvedParts]:
        """The parts of the layers, checked before any of them is trained."""
        own = resolve_parts(parts, data, n_components, is_new=False)
        params = own.design["module_params"]
        widths = [data.n_features, *params["hidden_layer_sizes"], n_components]
        self._check_prototypes(len(widths) - 1)
        layers = []
        for level, width in enumerate(widths[:-1]):
            if level > 0:
                # Codes with the right width; their values do not matter.
                codes = np.zeros((2, width))
                data = TrainingData(codes, None, None, np.arange(2), width, width)
            layer = self._make_layer(level, widths, own.output_activation, seed=0)
            n_components = widths[level + 1]
            try:
                parts = layer._parts(data, n_components)
                resolved = resolve_parts(parts, data, n_components, is_new=True)
            except ValueError as error:
                raise ValueError(
                    f"{self._shown(level)} is not compatible with activation="
                    f"{self.activation!r} and code_activation="
                    f"{self.code_activation!r} of the stack, which are the activations "
                    f"of the codes of its lower layers and of its last layer: {error}"
                ) from error
            module = resolved.design["module"]
            if module is not DenseNetwork:
                raise ValueError(
                    f"{self._shown(level)} cannot be stacked: its network is a "
                    f"{module.__name__}, but must be a DenseNetwork."
                )
            layers.append(resolved)
        return layers

    def _start(
        self,
        net: AutoencoderNet,
        parts: ResolvedParts,
        data: TrainingData,
        kept: np.ndarray,
        events: FitEvents = NO_EVENTS,
    ) -> None:
        # A single row has no variance to learn from.
        rows = kept if len(kept) >= 2 else data.rows
        params = self._recipe.module_params
        hidden = params["hidden_layer_sizes"]
        output_activation = params["output_activation"]
        widths = [data.n_features, *hidden, self.n_components_]
        seeds = np.random.SeedSequence(
            self._recipe.settings.seed, spawn_key=(len(hidden),)
        )
        # Rows of weight zero take no part in a fit, and need no copy of the others.
        weight = np.zeros(data.X.shape[0])
        weight[rows] = 1.0 if data.weight is None else data.weight[rows]
        weight = own_entries(data.X, weight)
        X, target = own_part(data.X), own_part(data.target)
        unseen = self._unseen(data)
        self.layers_ = []
        for level, seed in enumerate(seeds.generate_state(len(widths) - 1)):
            layer = self._make_layer(level, widths, output_activation, int(seed))
            try:
                validation = unseen if layer.validation == "auto" else {}
                with events.fit_of(layer, "layer"):
                    layer.fit(X, X_target=target, sample_weight=weight, **validation)
            except ValueError as error:
                error.add_note(f"The error occurred in pretraining layers_[{level}].")
                raise
            self.layers_.append(layer)
            if level < len(hidden):
                X, target = layer.transform(X), None
                if unseen:
                    codes = layer.transform(unseen["X_val"])
                    unseen |= {"X_val": codes, "X_target_val": None}
        self._unfold(innermost(net.module_))

    def _unseen(self, data: TrainingData) -> dict[str, Any]:
        """Validation data of the first layer, if the user has chosen the rows."""
        unseen = data.unseen
        if unseen is not None:
            rows, of = unseen.rows, unseen
        elif data.splits is not None:
            rows, of = held_out_split(data.splits)[1], data
        else:
            return {}
        rows = own_rows(of.X, rows)
        return {
            "X_val": taken(of.X, rows),
            "X_target_val": None if of.target is None else taken(of.target, rows),
            "sample_weight_val": None if of.weight is None else of.weight[rows],
        }

    @torch.no_grad()
    def _unfold(self, network: DenseNetwork) -> None:
        """Set the weights of `network` to those of the composed layers."""
        encoders, decoders = [], []
        for layer in self.layers_:
            module, inner = layer.module_, innermost(layer.module_)
            weight, bias = _doubles(inner.encoder[0])
            weight = weight / module.input_scale * module.code_scale
            bias = bias * module.code_scale - weight @ module.input_mean.cpu()
            encoders.append((weight, bias))
            weight, bias = _doubles(inner.decoder[0])
            weight = weight / module.code_scale * module.output_scale
            bias = bias * module.output_scale + module.output_mean.cpu()
            decoders.append((weight, bias))
        # From the units of the data to those of the network.
        into, out = self._recipe.standardize, self._recipe.standardize_target
        weight, bias = encoders[0]
        bias = bias + weight @ torch.as_tensor(into.mean, dtype=torch.float64)
        encoders[0] = weight * into.scale, bias
        weight, bias = decoders[0]
        bias = bias - torch.as_tensor(out.mean, dtype=torch.float64)
        decoders[0] = weight / out.scale, bias / out.scale
        # Linear codes keep the size that the layers gave them, which suits training, in
        # units of the network: those of the stack are in units of the data.
        for stack, folded in (
            (network.encoder, encoders),
            (network.decoder, decoders[::-1]),
        ):
            linear = [part for part in stack if isinstance(part, torch.nn.Linear)]
            for part, (weight, bias) in zip(linear, folded, strict=True):
                part.weight.copy_(weight)
                part.bias.copy_(bias)

    def _n_stages(self, parts: ResolvedParts) -> int:
        return len(parts.design["module_params"]["hidden_layer_sizes"]) + 2

    def _describe_codes(self, mean: np.ndarray, variances: np.ndarray) -> None:
        stages = [*(layer.history_ for layer in self.layers_), self.history_]
        self.history_ = _joined(stages)


def _doubles(linear):
    """Weight and bias in double precision, on the CPU since some GPUs lack it."""
    return linear.weight.cpu().double(), linear.bias.cpu().double()


def _joined(histories):
    """The histories as a single table, with their numbers in a column "stage"."""
    lengths = [len(history.get("epoch", ())) for history in histories]
    names = dict.fromkeys(name for history in histories for name in history)
    table = {"stage": np.repeat(np.arange(len(histories)), lengths)}
    for name in names:
        table[name] = np.concatenate(
            [
                history.get(name, np.full(length, np.nan))
                for history, length in zip(histories, lengths, strict=True)
                if length > 0  # no NaNs, which would turn integers into floats
            ]
        )
    return table
