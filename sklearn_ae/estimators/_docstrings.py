"""Documentation that all autoencoders share, written once."""

import re
from dataclasses import fields
from typing import TypeVar

Class = TypeVar("Class", bound=type)

_PARAMETERS = """\
n_components : int or float, default=2
        Width of the code. A share of the variance in (0, 1) takes as many
        components as PCA needs to explain more than it.

    hidden_layer_sizes : "auto", int or tuple of int, default="auto"
        Widths of the encoder's hidden layers; the decoder mirrors them. ``()`` is
        a network without hidden layers. "auto" is one layer of 256 units.

    activation : str, default="silu"
        Activation of the hidden layers: "identity", "relu", "leaky_relu", "elu",
        "gelu", "silu", "softplus", "tanh" or "sigmoid".

    code_activation : str, default="identity"
        Activation of the code, from the same names.

    output_activation : str, default="auto"
        Activation of the output, from the same names. "auto" is "sigmoid" for
        ``loss="bce"``, else "identity". With any but "identity" the data are
        neither centred nor scaled inside the network.

    network : ConvolutionalNetwork, type or None, default=None
        None is the dense network that the parameters above describe. A
        `ConvolutionalNetwork` has convolutions instead of `hidden_layer_sizes` and
        shares the activations and `dropout`. A subclass of `torch.nn.Module` that takes
        ``(n_features, n_components)`` and has ``encode`` and ``decode`` replaces
        it; what describes the dense network is then not used.

    init : {"pca", "random"}, default="random"
        Start as PCA, with linear maps beside the hidden layers from input to code and
        from code to output, or with random weights and without these maps, as the
        classical network does. A class given as `network` starts as it is.

    tied_weights : bool, default=False
        Use the encoder's weights, transposed, in the dense network's decoder.

    loss : {"mse", "mae", "huber", "bce"}, default="mse"
        Reconstruction loss of a row, summed over its features:
        ``1/2 ||x - xhat||^2``, ``sum_j |x_j - xhat_j|``, the Huber loss with a
        threshold of 1 in the units of `X`, or the binary cross-entropy, which
        needs values in [0, 1].

    dropout : float, default=0.0
        Share of the hidden units dropped in training, in [0, 1).

    l1_penalty : float, default=0.0
        Weight of ``sum |W|`` over all weight matrices, biases left out. Codes are
        not rotated then, since the penalty singles out the axes as they are.

    l2_penalty : float, default=0.0
        Weight of ``1/2 sum W^2`` over all weight matrices, biases left out.

    optimizer : str or type, default="adamw"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", or a
        subclass of `torch.optim.Optimizer`. "adamw" is Adam with a weight decay of
        0.3 that is no part of the objective and spares the biases; with the others
        nothing but the objective pulls at the weights.

    optimizer_params : dict or None, default=None
        Further arguments of the optimizer, such as ``{"weight_decay": 0.1}``.

    learning_rate : "auto" or float, default="auto"
        The largest learning rate of the schedule. "auto" is what suits the
        optimizer.

    learning_rate_schedule : {"one_cycle", "constant", "cosine", \
"reduce_on_plateau"}, default="one_cycle"
        How the learning rate moves during a fit: up in the first tenth of the steps
        and down to zero in the rest; not at all; down along a cosine; or down by a
        factor of 10 after 5 epochs without an improvement. `partial_fit` keeps it
        constant.

    batch_size : "auto" or int, default="auto"
        The largest number of rows in a step. "auto" is 64, from 5,000 rows on 128,
        from 50,000 on 256.

    max_epochs : "auto" or int, default="auto"
        Passes over the training rows. "auto" is about 100,000 divided by their
        number, at least 10 and at most 300. 0 leaves the network as it starts.

    early_stopping : bool, default=True
        Hold out rows, stop when the loss on them no longer falls, and keep the
        weights with the lowest loss on them.

    validation_fraction : float, default=0.1
        Share of the rows that is held out, in (0, 1). Used with
        ``early_stopping=True``. Small tables hold out 30 rows, or a third of all.

    n_iter_no_change : "auto" or int, default="auto"
        Epochs without an improvement after which training stops. "auto" trains to
        the end of the schedule.

    tol : float, default=0.0001
        The share of the lowest validation loss by which a loss must fall below it
        to count as an improvement.

    warm_start : bool, default=False
        Continue with the network of the fit before. Mean, scale and the state of
        the random generators stay as well.

    device : str, default="cpu"
        Where to compute: "cpu", "cuda", "cuda:1", "mps", or "auto" for a GPU if
        there is one.

    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called during training with the skorch net.

    random_state : int, RandomState instance or None, default=None
        Rules the weights, the order of the rows, the rows held out, dropout and
        other noise. An int makes fits reproducible. Global generators are never
        touched.

    verbose : int, default=0
        1 shows a progress bar with the losses."""

_ATTRIBUTES = """\
n_components_ : int
        Width of the code.

    explained_variance_ : ndarray of shape (n_components_,)
        Variance of each code over the training rows, with ``n - 1`` in the
        denominator.

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
        Where the network lives.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`, where all of them are strings."""


_SUPERVISED_PARAMETERS = """\
autoencoder : autoencoder, FrozenEstimator or None, default=None
        The autoencoder to start from. One that is not fitted is cloned and fitted to
        all rows of `X`. One that is fitted, in a `FrozenEstimator` or not, is copied
        and used as it is: `fit` leaves it alone, `sklearn.base.clone` keeps its
        weights, and its parameters cannot be set. None is
        ``DenoisingAutoencoder(256, corruption="masking", code_activation="silu",
        init="random")``.

    pretrain : bool, default=True
        False leaves out the training of the autoencoder, and starts from its
        weights as they are before the first step. Without effect where the
        autoencoder is fitted already.

    freeze : bool, default=False
        Leave out the fine-tuning: the encoder stays as it was pretrained.

    head_penalty : float, default=1.0
        Weight of ``1/2 sum W^2`` of the head, beside the sum of the losses of the
        rows, where the head is trained alone on the standardised codes ``u``: ``1 / C``
        of `LogisticRegression` and ``alpha`` of `Ridge`.

    l2_penalty : float, default=0.0
        Weight of ``1/2 sum W^2`` over all weight matrices of encoder and head,
        biases left out, in fine-tuning. Weights are those that see standardised
        inputs and codes.

    learning_rate : "auto" or float, default=0.001
        The largest learning rate of the schedule. "auto" is what suits the
        optimizer where a network starts from scratch.

    learning_rate_schedule : {"one_cycle", "constant", "cosine", \
"reduce_on_plateau"}, default="one_cycle"
        How the learning rate moves in fine-tuning: up in the first tenth of the
        steps and down to zero in the rest; not at all; down along a cosine; or down
        by a factor of 10 after 5 epochs without an improvement.

    batch_size : "auto" or int, default="auto"
        The largest number of rows in a step. "auto" is 64, from 5,000 labelled rows
        on 128, from 50,000 on 256.

    max_epochs : "auto" or int, default="auto"
        Passes over the labelled rows in fine-tuning. "auto" is about 100,000 divided
        by their number, at least 10 and at most 300. 0 is the same as
        ``freeze=True``.

    early_stopping : bool, default=True
        Hold out labelled rows in fine-tuning, stop when the loss on them no longer
        falls, and keep the weights with the lowest loss on them. The head before
        fine-tuning takes part: if nothing beats it, it is trained again on all
        labelled rows. Where labels are few, False leaves them all to the training.

    validation_fraction : float, default=0.1
        Share of the labelled rows that is held out, in (0, 1). Used with
        ``early_stopping=True``. Small tables hold out 30 rows, or a third of all.

    device : str, default="cpu"
        Where to fine-tune and to predict: "cpu", "cuda", "cuda:1", "mps", or "auto"
        for a GPU if there is one. Pretraining runs on the autoencoder's own.

    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called during fine-tuning with the skorch net.

    random_state : int, RandomState instance or None, default=None
        Rules the rows held out and the order of the rows and, where the
        autoencoder's own `random_state` is None, its pretraining. Global generators
        are never touched."""

_SUPERVISED_ATTRIBUTES = """\
autoencoder_ : autoencoder
        The pretrained autoencoder, as it was before fine-tuning.

    n_components_ : int
        Width of the code.

    module_ : torch.nn.Module
        The fine-tuned encoder, ``encode``, and the head, ``decode``, in the units of
        the data.

    net_ : skorch.NeuralNet
        The net that trained it, in standardised coordinates.

    history_ : dict of str to ndarray of shape (n_iter_,)
        One entry an epoch of fine-tuning: "epoch", "learning_rate", "train_loss" and
        "valid_loss", and their terms such as "train_prediction" and "train_l2".
        That of pretraining is ``autoencoder_.history_``.

    loss_curve_ : ndarray of shape (n_iter_,)
        Training loss of each epoch, averaged over its steps.

    validation_loss_curve_ : ndarray of shape (n_iter_,) or None
        Loss on the rows held out, after each epoch.

    n_iter_ : int
        Number of epochs of fine-tuning.

    best_loss_ : float
        Loss of the weights kept: on the rows held out or, without any, the last
        training loss; infinite without fine-tuning.

    device_ : str
        Where the network lives.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`, where all of them are strings."""


def document_supervised(cls: Class) -> Class:
    """As `document`, for estimators that train a head on an autoencoder."""
    parameters = f"{_PARAMETERS}\n\n    {_SUPERVISED_PARAMETERS}"
    return document(cls, parameters, _SUPERVISED_ATTRIBUTES)


def document(
    cls: Class,
    shared_parameters: str = _PARAMETERS,
    shared_attributes: str = _ATTRIBUTES,
) -> Class:
    """Put the shared parameters and attributes in their places in a docstring.

    What the docstring documents itself is left out, defaults are the class's own, and
    parameters come in the order of the signature.
    """
    if cls.__doc__ is None:
        return cls
    defaults = {field.name: field.default for field in fields(cls)}
    head, _, rest = cls.__doc__.partition("{shared_parameters}")
    head, own = _split_entries(head)
    parameters = {**_entries(shared_parameters), **own}
    for name in defaults.keys() - own.keys():
        default = defaults[name]
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        entry = re.sub(
            r"(?m)default=\S+$", f"default={shown}", parameters[name], count=1
        )
        parameters[name] = entry
    head += _SEPARATOR.join(parameters[name] for name in defaults)
    middle, _, tail = rest.partition("{shared_attributes}")
    middle, own = _split_entries(middle)
    attributes = {**own, **_entries(shared_attributes)} | own
    cls.__doc__ = head + middle + _SEPARATOR.join(attributes.values()) + tail
    return cls


_SEPARATOR = "\n\n    "


def _entries(text: str) -> dict[str, str]:
    """Name -> entry, of a list of parameters or attributes."""
    entries = re.split(r"\n\n    (?=\w+ : )", text.strip())
    return {entry.partition(" : ")[0]: entry for entry in entries if entry}


def _split_entries(text: str) -> tuple[str, dict[str, str]]:
    """What comes before the entries of the last section in `text`, and these."""
    underline = text.rindex("----\n    ") + len("----\n    ")
    return text[:underline], _entries(text[underline:])
