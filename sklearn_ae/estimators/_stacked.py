"""The stacked autoencoder: layers trained one by one, then all of them together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone

from sklearn_ae._sklearn_compat import Interval, StrOptions
from sklearn_ae.estimators._autoencoder import Autoencoder
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._contractive import ContractiveAutoencoder
from sklearn_ae.estimators._denoising import DenoisingAutoencoder
from sklearn_ae.estimators._parameters import CodeActivation, HiddenLayers
from sklearn_ae.estimators._parts import Parts
from sklearn_ae.estimators._sparse import SparseAutoencoder
from sklearn_ae.estimators._validation import TrainingData, check_parts
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.training.net import AutoencoderNet

# What can be a layer: a linear map and an activation in each direction.
_LAYERS = (
    Autoencoder,
    ContractiveAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)


@dataclass(kw_only=True, eq=False, repr=False)
class StackedAutoencoder(BaseAutoencoder, HiddenLayers, CodeActivation):
    """Stacked autoencoder: pretrained layer by layer, then fine-tuned as a whole.

    Encoder and decoder are ``h = h_L o ... o h_1`` and ``g = g_1 o ... o g_L``, where
    layer ``l`` is a linear map and an activation in each direction. The fit has L + 1
    stages [1]_ [2]_:

    - stage ``l - 1``, for ``l = 1, ..., L``: ``h_l`` and ``g_l`` are trained as an
      autoencoder of their own on the codes below, ``h_{l-1}(... h_1(x))``, and minimise
      the objective of `layer`;
    - the decoders are unfolded on top of the encoders, which gives the network whose
      reconstructions and codes are those of the layers, one after the other;
    - stage ``L``: all of it is trained together and minimises

    ``J = mean_i 1/2 ||x_i - g(h(x_i))||^2 + l1_penalty sum |W| + l2_penalty/2 sum W^2``

    The untrained start of the last stage takes part when early stopping looks for the
    best weights.

    Parameters
    ----------
    hidden_layer_sizes : "auto", int or tuple of int, default=(256, 128)
        Widths of the layers below the code; the decoder mirrors them. "auto" is one
        layer of 256 units.

    activation : str, default="silu"
        Activation of the codes of all layers but the last: "identity", "relu",
        "leaky_relu", "elu", "gelu", "silu", "softplus", "tanh" or "sigmoid".

    code_activation : str, default="identity"
        Activation of the code, which is that of the last layer, from the same names.

    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called during the fine-tuning with the skorch net. Those of `layer` are called
        during the pretraining.

    layer : estimator or None, default=None
        The prototype of all layers: a `SparseAutoencoder`, `DenoisingAutoencoder`,
        `ContractiveAutoencoder` or `Autoencoder`. Of each layer, the stack determines
        `n_components`, `hidden_layer_sizes`, `code_activation`, `output_activation`,
        `init`, `device` and `random_state`; all else is the prototype's, such as its
        loss, its penalties, its optimizer and its early stopping. None is a plain
        `Autoencoder`, with the `loss` of the stack on the data and squared error on
        codes.

    pretrain_epochs : "auto" or int, default="auto"
        Epochs of each layer, of which early stopping keeps the best. "auto" is
        `max_epochs` of `layer`. 0 leaves the layers as they start.

    {shared_parameters}

    Attributes
    ----------
    layers_ : list of estimators
        The layers as pretrained, from the data upwards; fine-tuning does not change
        them.

    history_ : dict of str to ndarray of shape (n_epochs,)
        One entry an epoch of any stage: "stage", from 0 for the first layer to
        ``len(layers_)`` for the fine-tuning, "epoch" within the stage,
        "learning_rate", "train_loss" and "valid_loss", and their terms such as
        "train_reconstruction", in the units of what the stage reconstructs. NaN where a
        stage has no such term.

    loss_curve_ : ndarray of shape (n_iter_,)
        Training loss of each epoch of fine-tuning, averaged over its steps.

    validation_loss_curve_ : ndarray of shape (n_iter_,) or None
        Loss on the rows held out, after each epoch of fine-tuning.

    n_iter_ : int
        Number of epochs of fine-tuning, over all fits of a warm start.

    {shared_attributes}

    See Also
    --------
    Autoencoder : The same without pretraining, or starting as PCA.
    DenoisingAutoencoder : As `layer` what has been found to serve best [3]_.

    Notes
    -----
    Pretraining pays where random weights are a bad start. With sigmoid hidden layers on
    10,000 images of MNIST, the same network trained from random weights for as long as
    all stages take together has 1.25 times the error of a denoising stack on images
    held out; on the digits both are alike. With the default activation a denoising
    stack has 0.93 to 0.95 of that error on the digits, but 1.11 of it on MNIST. Plain
    layers gain less; see ``benchmarks/stacked.py``.

    The default layers are plain, since no noise suits data of any scale and offset; for
    data in [0, 1] take ``layer=DenoisingAutoencoder(corruption="masking")``.

    Rows that early stopping holds out in the fine-tuning take no part in the
    pretraining. Each layer holds out rows of its own among the others.

    An interrupt in the pretraining leaves the estimator as it was before the fit.
    `partial_fit` pretrains in its first call, on the rows it is given, and fine-tunes
    in all calls; a warm start fine-tunes only.

    The codes of ``sparsity="topk"`` and of a `VariationalAutoencoder` are no activation
    of a linear map, so that these cannot be stacked.

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

    What the fine-tuning gains:

    >>> unfolded = clone(stacked).set_params(max_epochs=0).fit(X)
    >>> bool(stacked.score(X) > unfolded.score(X) + 0.1)
    True
    """

    hidden_layer_sizes: str | int | tuple[int, ...] = (256, 128)
    layer: Any = None
    pretrain_epochs: int | str = "auto"

    _parameter_constraints: ClassVar[dict] = {
        "layer": [BaseAutoencoder, None],
        "pretrain_epochs": [
            StrOptions({"auto"}),
            Interval(Integral, 0, None, closed="left"),
        ],
    }

    def _parts(self, data: TrainingData, n_components: int) -> Parts:
        parts = super()._parts(data, n_components)
        # A penalty on the topmost codes may depend on their axes, too.
        layer = self._prototype(0)._parts(data, n_components)
        return replace(
            parts, orders_codes=parts.orders_codes and layer.may_rotate_codes
        )

    # -- the layers ----------------------------------------------------------------

    def _prototype(self, level: int) -> BaseAutoencoder:
        if self.layer is not None:
            return self.layer
        # Above the data there are codes, which need not lie in [0, 1].
        loss = self.loss if level == 0 else "mse"
        return Autoencoder(loss=loss, verbose=self.verbose)

    def _make_layer(
        self, level: int, widths: Sequence[int], output_activation: str, seed: int
    ) -> BaseAutoencoder:
        """The unfitted layer from ``widths[level]`` columns to the next width."""
        is_last = level == len(widths) - 2
        layer = clone(self._prototype(level)).set_params(
            n_components=widths[level + 1],
            hidden_layer_sizes=(),
            code_activation=self.code_activation if is_last else self.activation,
            output_activation=output_activation if level == 0 else self.activation,
            init="random",
            device=self.device,
            random_state=seed,
        )
        if self.pretrain_epochs != "auto":
            layer.set_params(max_epochs=self.pretrain_epochs)
        return layer

    def _check(self, data: TrainingData) -> None:
        prototype = self._prototype(0)
        if not isinstance(prototype, _LAYERS):
            names = ", ".join(cls.__name__ for cls in _LAYERS[:-1])
            raise ValueError(
                f"layer={self.layer!r} cannot be stacked: a layer must be one of "
                f"{names} or {_LAYERS[-1].__name__}."
            )
        # Nested estimators are not validated by themselves.
        prototype._validate_params()
        own = super()._parts(data, self.n_components_)
        _, params = own.module_and_params(
            data.n_features, self.n_components_, data.n_outputs
        )
        hidden = params["hidden_layer_sizes"]
        output_activation = params["output_activation"]
        widths = [data.n_features, *hidden, self.n_components_]
        for level, width in enumerate(widths[:-1]):
            if level > 0:
                # Codes, of which only the width is known.
                codes = np.zeros((2, width))
                data = TrainingData(codes, None, None, np.arange(2), width, width)
            layer = self._make_layer(level, widths, output_activation, seed=0)
            n_components = widths[level + 1]
            try:
                layer._check(data)
                parts = layer._parts(data, n_components)
                check_parts(parts, data, n_components)
                module, _ = parts.module_and_params(width, n_components, data.n_outputs)
            except ValueError as error:
                raise ValueError(
                    f"layer={self.layer!r} does not serve with activation="
                    f"{self.activation!r} and code_activation="
                    f"{self.code_activation!r} of the stack, which the codes of its "
                    f"lower layers and of the last one get: {error}"
                ) from error
            if module is not DenseNetwork:
                raise ValueError(
                    f"layer={self.layer!r} cannot be stacked: its network is a "
                    f"{module.__name__}, and only a DenseNetwork makes a layer of a "
                    "deeper one."
                )

    def _pretrain(
        self, net: AutoencoderNet, data: TrainingData, rows: np.ndarray
    ) -> None:
        if len(rows) < 2:
            rows = data.rows  # a single row has no variance to learn from
        params = self._recipe.module_params
        hidden = params["hidden_layer_sizes"]
        output_activation = params["output_activation"]
        widths = [data.n_features, *hidden, self.n_components_]
        seeds = np.random.SeedSequence(
            self._recipe.settings.seed, spawn_key=(len(hidden),)
        )
        target = None if data.target is None else data.target[rows]
        weight = None if data.weight is None else data.weight[rows]
        X = data.X[rows]
        self.layers_ = []
        for level, seed in enumerate(seeds.generate_state(len(widths) - 1)):
            layer = self._make_layer(level, widths, output_activation, int(seed))
            try:
                layer.fit(X, X_target=target, sample_weight=weight)
            except ValueError as error:
                error.add_note(f"This was in the pretraining, at layers_[{level}].")
                raise
            self.layers_.append(layer)
            if level < len(hidden):
                X, target = layer.transform(X), None
        self._unfold(net.module_)

    @torch.no_grad()
    def _unfold(self, network: DenseNetwork) -> None:
        """Make `network` the composition of the fitted layers."""
        encoders, decoders = [], []
        for layer in self.layers_:
            module, inner = layer.module_, layer.module_.network
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
        if network.has_linear_code:
            weight, bias = encoders[-1]
            encoders[-1] = weight / self.scale_, bias / self.scale_
            weight, bias = decoders[-1]
            decoders[-1] = weight * self.scale_, bias
        for stack, folded in (
            (network.encoder, encoders),
            (network.decoder, decoders[::-1]),
        ):
            linear = [part for part in stack if isinstance(part, torch.nn.Linear)]
            for part, (weight, bias) in zip(linear, folded, strict=True):
                part.weight.copy_(weight)
                part.bias.copy_(bias)

    def _describe_codes(self, mean: np.ndarray, variances: np.ndarray) -> None:
        stages = [*(layer.history_ for layer in self.layers_), self.history_]
        self.history_ = _joined(stages)


def _doubles(linear):
    """Weight and bias where double precision is to be had, which not all GPUs have."""
    return linear.weight.cpu().double(), linear.bias.cpu().double()


def _joined(histories):
    """One table of several, with a column "stage" that counts them."""
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
