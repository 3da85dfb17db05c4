"""Base of classifier and regressor: pretrain, train the head, fine-tune."""

import copy
import reprlib
from abc import ABCMeta, abstractmethod
from dataclasses import dataclass, field, replace
from numbers import Real
from operator import call
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_ae._ambient import default_modes
from sklearn_ae._doc_link import DocLinkMixin
from sklearn_ae._sklearn_compat import Interval
from sklearn_ae._units import Affine
from sklearn_ae.data.inference import module_outputs
from sklearn_ae.data.ranks import joint_interrupts
from sklearn_ae.data.shards import Shard, joint_errors, of_all_ranks, own_part, taken
from sklearn_ae.data.sources import most_in_memory
from sklearn_ae.data.tables import as_array, mean_and_scale
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._events import FitEvents
from sklearn_ae.estimators._features import Features
from sklearn_ae.estimators._gaps import takes_gaps
from sklearn_ae.estimators._parameters import MergedConstraints, NestedParameters
from sklearn_ae.estimators._splits import (
    check_needs_X_val,
    check_one_validation,
    chosen_splits,
    held_out_split,
    is_splitter,
    n_splits,
)
from sklearn_ae.estimators._trained_net import TrainedNetMixin
from sklearn_ae.estimators._validation import (
    joint_validation,
    least_on_rank,
    rows_with_weight,
    spread_over_ranks,
    validate_table,
    validate_table_like,
    validate_weight,
)
from sklearn_ae.networks._wrapper import around
from sklearn_ae.networks.headed import HeadedNetwork
from sklearn_ae.objectives.losses import Loss
from sklearn_ae.objectives.objective import Objective
from sklearn_ae.objectives.terms import L2Penalty
from sklearn_ae.persistence.checkpoint import resumable
from sklearn_ae.training.loop import Training, TrainingResult, train
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.settings import (
    TrainingParameters,
    TrainingSettings,
    check_not_random,
)


@dataclass(frozen=True)
class Labelled:
    """The rows that have a label.

    Parameters
    ----------
    X : ndarray, CSR or Shard
        All rows.
    target : ndarray or CSR
        Of all rows, on every rank. Rows of `target` without a label are never used.
    given_weight : ndarray of shape (n,) or None
        Sample weights, multiplied by the weights of the classes.
    rows : ndarray of int
        The rows with a label and a positive weight.
    strata : ndarray of int of shape (n,) or None
        Classes, whose proportions a random split keeps.
    class_weight : ndarray of shape (n_classes,) or None
        Weights of the classes.
    unseen : Labelled or None
        Validation data, if the user has passed some.
    splits : list of (ndarray of int, ndarray of int) or None
        Rows to train on and unseen rows, if the user has chosen them.
    """

    X: Any
    target: Any
    given_weight: np.ndarray | None
    rows: np.ndarray
    strata: np.ndarray | None
    class_weight: np.ndarray | None = None
    unseen: "Labelled | None" = None
    splits: list[tuple[np.ndarray, np.ndarray]] | None = None

    @property
    def weight(self) -> np.ndarray | None:
        """The weights, scaled to a mean of one over `rows`."""
        given = self.given_weight
        if given is None:
            return None
        return given * (len(self.rows) / given[self.rows].sum())

    def validation(self) -> dict[str, Any]:
        """The unseen rows that the user has chosen, by the names of the arguments."""
        chosen: dict[str, Any] = {"the splits of validation": self.splits}
        if (one := self.unseen) is not None:
            chosen |= {"X_val": one.X, "y_val": one.target}
        return chosen


@dataclass(kw_only=True, eq=False, repr=False)
class SupervisedParameters:
    """The parameters of classifier and regressor, except for those of training.

    Parameters
    ----------
    autoencoder : autoencoder, FrozenEstimator or None, default=None
        The autoencoder to start from. An unfitted one is cloned and fitted to all rows
        of `X`. A fitted one, with or without a `FrozenEstimator`, is copied and used
        as is: `fit` does not change it, `sklearn.base.clone` keeps its weights, and
        its parameters cannot be set. None is a `DenoisingAutoencoder` with
        ``corruption="masking"``. The classifier's has a code of 256 units, ``"silu"``
        as `code_activation` and ``init="random"``. The regressor's has all principal
        components, but at most 256, and ``max_epochs=0``: it is PCA, and fine-tuning
        starts from a linear model.

    pretrain : bool, default=True
        Whether to train the autoencoder. False starts from its initial weights. Has no
        effect if the autoencoder is already fitted, nor on the default of the
        regressor.

    freeze : bool, default=False
        Keep the pretrained encoder and skip fine-tuning.

    head_penalty : float, default=1.0
        Weight of ``1/2 sum W^2`` of the head, relative to the sum of the losses of the
        rows, when the head is trained alone on the standardised codes ``u``. It is
        ``1 / C`` of `LogisticRegression` and ``alpha`` of `Ridge`.

    l2_penalty : float, default=0.0
        Weight of ``1/2 sum W^2`` over all weight matrices of encoder and head, without
        biases, in fine-tuning. The weights are those for standardised inputs and
        codes.
    """

    autoencoder: Any = field(default=None, kw_only=False)
    pretrain: bool = True
    freeze: bool = False
    head_penalty: float = 1.0
    l2_penalty: float = 0.0

    _parameter_constraints: ClassVar[dict] = {
        "autoencoder": [BaseAutoencoder, FrozenEstimator, None],
        "pretrain": ["boolean"],
        "freeze": ["boolean"],
        "head_penalty": [Interval(Real, 0, None, closed="left")],
        "l2_penalty": [Interval(Real, 0, None, closed="left")],
    }


@dataclass(kw_only=True, eq=False, repr=False)
class BaseSupervised(
    MergedConstraints,
    TrainedNetMixin,
    DocLinkMixin,
    TrainingParameters,
    SupervisedParameters,
    NestedParameters,
    metaclass=ABCMeta,
):
    """Base class of classifier and regressor: the three steps.

    Some training parameters are documented again, since here they are about
    fine-tuning.

    Parameters
    ----------
    learning_rate : "auto" or float, default=0.001
        Largest learning rate of the schedule. "auto" is a rate that suits the
        optimizer for a network that is trained from scratch.

    learning_rate_schedule : str, default="one_cycle"
        How the learning rate changes during fine-tuning. "one_cycle" raises it in the
        first tenth of the steps and then lowers it to zero, "cosine" lowers it along a
        cosine, "reduce_on_plateau" divides it by 10 after 5 epochs without an
        improvement, and "constant" keeps it.

    batch_size : "auto" or int, default="auto"
        Largest number of rows in a step. "auto" is 64 for less than 5,000 labelled
        rows, 128 for less than 50,000, and 256 for more.

    max_epochs : "auto" or int, default="auto"
        Number of passes over the labelled rows in fine-tuning. "auto" is 100,000
        divided by their number, but at least 10 and at most 300. 0 is the same as
        ``freeze=True``.

    validation : "auto", float, splitter, list of pairs or None, default="auto"
        Which of the labelled rows are held out in fine-tuning. A float is their share,
        in (0, 1); "auto" is 0.1. The weights with the lowest loss on these rows are
        kept. If no epoch improves on the start, in the regressor by more than chance,
        the encoder is not changed and the head is trained again on all labelled rows.
        Small tables hold out 30 rows, but at most a third. None trains on all rows,
        which is advisable if there are few labels.

        Of a splitter, such as ``TimeSeriesSplit()`` or ``GroupKFold()`` with `groups`
        in `fit`, or of a list of pairs of arrays with indices of training and of
        held-out rows, the last split is used. Validation data can also be passed to
        `fit`, as `X_val` and `y_val`; this parameter must then be "auto". Pretraining
        holds out rows by the `validation` of the autoencoder.

    device : str, default="cpu"
        Where to fine-tune and to predict: "cpu", "cuda", "cuda:1", "mps", or "auto"
        for a GPU if there is one. Pretraining uses the `device` of the autoencoder.

    callbacks : list of skorch.callbacks.Callback or None, default=None
        Called with the skorch net during fine-tuning.

    random_state : int, RandomState instance or None, default=None
        Controls the validation split, shuffling and, if the `random_state` of the
        autoencoder is None, pretraining. Pass an int for reproducible results.
        Global generators do not change.

    Attributes
    ----------
    autoencoder_ : autoencoder
        The pretrained autoencoder, as it was before fine-tuning.

    n_components_ : int
        Width of the code.

    module_ : torch.nn.Module
        The fine-tuned network in the units of the data, with the encoder as its method
        ``encode`` and the head as ``decode``.

    net_ : skorch.NeuralNet
        The skorch net that trained the network, in standardised units.

    history_ : dict of str to ndarray of shape (n_iter_,)
        One entry per epoch of fine-tuning: "epoch", "learning_rate", "train_loss",
        "valid_loss", and the terms of the losses, such as "train_prediction" and
        "train_l2". The history of pretraining is ``autoencoder_.history_``.

    loss_curve_ : ndarray of shape (n_iter_,)
        Training loss of each epoch, averaged over its steps.

    validation_loss_curve_ : ndarray of shape (n_iter_,) or None
        Loss on the held-out rows after each epoch; None without held-out rows.

    n_iter_ : int
        Number of epochs of fine-tuning.

    best_loss_ : float
        Loss of the weights that were kept, on the held-out rows. Without held-out
        rows, the last training loss; without fine-tuning, that of the head.

    device_ : str
        Device of the network.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`, if all of them are strings.
    """

    learning_rate: float | str = 1e-3

    # Groups that a search passes to its splitter are not meant for `fit`.
    __metadata_request__fit: ClassVar[dict] = {"groups": False}

    # -- what classifier and regressor define --------------------------------------

    # The loss of the head.
    _loss: ClassVar[Loss]
    # Whether fine-tuning must gain more than chance, on held-out rows, to be kept.
    _needs_certain_gain: ClassVar[bool]
    # Arguments of `validate_data` for `y`.
    _y_checks: ClassVar[dict]

    @abstractmethod
    def _labelled(self, X, y, weight, rows) -> Labelled:
        """Check `y`, and set the attributes that describe its classes."""

    @abstractmethod
    def _labelled_like(self, labelled: Labelled, X, y, weight, rows) -> Labelled:
        """Check `y_val`, and bring it into the form of the training data."""

    @abstractmethod
    def _target_affine(self, labelled: Labelled) -> Affine:
        """The map from the units of the targets to those of the network."""

    @abstractmethod
    def _fit_head(self, codes, labelled: Labelled, rows, weight):
        """Coefficients and intercepts, in the units of the network."""

    @abstractmethod
    def _default_autoencoder(self, labelled: Labelled) -> BaseAutoencoder:
        """What `autoencoder=None` stands for."""

    # -- fitting -------------------------------------------------------------------

    def _fit(self, X, y, sample_weight, *, groups, X_val, y_val, sample_weight_val):
        with (
            default_modes(),
            joint_interrupts(),
            self._unchanged_on_error(),
            resumable(self) as session,
        ):
            splits_in_pretraining = not _is_fitted(self.autoencoder) and is_splitter(
                getattr(self.autoencoder, "validation", None)
            )
            X, y = as_array(X), as_array(y)
            with joint_validation(
                self,
                sample_weight=sample_weight,
                groups=groups,
                X_val=X_val,
                sample_weight_val=sample_weight_val,
            ):
                check_one_validation(
                    self.validation, X_val, None if splits_in_pretraining else groups
                )
                check_needs_X_val(
                    X_val, y_val=y_val, sample_weight_val=sample_weight_val
                )
                if X_val is not None and y_val is None:
                    raise ValueError(
                        "X_val needs y_val, the labels or targets of its rows."
                    )
                least = least_on_rank(1)
                if least == 0 and np.shape(y)[:1] == (0,):
                    # Of several targets, scikit-learn takes none without rows.
                    table = validate_table(self, X, ensure_min_samples=0)
                    y = np.asarray(y)
                    check_consistent_length(np.empty(table.shape[0]), y)
                else:
                    table, y = validate_table(
                        self, X, y, ensure_min_samples=least, **self._y_checks
                    )
                weight = validate_weight(sample_weight, table)
            table, _, weight = spread_over_ranks(table, None, weight, least=1)
            y = _targets_of_all_ranks(table, y, "y")
            weight, rows = rows_with_weight(weight, table, min_rows=2)
            labelled = self._labelled(table, y, weight, rows)
            if X_val is None:
                splits = chosen_splits(
                    self.validation, table, labelled.rows, y=y, groups=groups
                )
                labelled = replace(labelled, splits=splits)
            else:
                unseen = self._unseen(labelled, X_val, y_val, sample_weight_val)
                labelled = replace(labelled, unseen=unseen)
            given = {"X": table, "y": y, "sample_weight": weight}
            if sample_weight_val is not None:
                # Without the weights of classes, which follow from the others.
                weight_val = np.asarray(as_array(sample_weight_val), np.float64)
                given["sample_weight_val"] = weight_val
            session.begin(given | labelled.validation())
            settings = self._resolve_training(
                len(labelled.rows),
                n_splits=n_splits(labelled),
                most_held_out=most_in_memory(table),
            )
            weights = {"sample_weight": sample_weight}
            metadata = None if sample_weight is None else weights
            events = FitEvents(self, 2, {"X": X, "y": y, "metadata": metadata})
            if splits_in_pretraining:
                of_validation = {"groups": groups}
            else:
                of_validation = {"X_val": X_val, "sample_weight_val": sample_weight_val}
            self.autoencoder_ = self._pretrained(
                X, weights, of_validation, labelled, settings, events
            )
            if not _is_fitted(self.autoencoder):
                # Values that no network can take are an error before that.
                features = Features.of(table, rows)
                features.warn_of_units("StandardScaler", stacklevel=4)
            net = self._build(labelled, settings)
            result = self._fine_tune(net, labelled, events)
            # The optimizer's state belongs to other weights.
            net.initialize_optimizer()
            self._set_trained(net, result)
            events.end(net)
        if result.interrupt is not None:
            raise result.interrupt
        session.complete()
        return self

    def _unseen(self, labelled: Labelled, X_val, y_val, weight) -> Labelled:
        """The validation data."""
        with joint_validation(self):
            table = validate_table_like(self, X_val, "X_val")
            y_val = as_array(y_val)
            if np.shape(y_val)[:1] != (table.shape[0],):
                raise ValueError(
                    f"y_val has the shape {np.shape(y_val)}, but X_val has "
                    f"{table.shape[0]} rows; both must have the same number."
                )
            weight = validate_weight(weight, table, "sample_weight_val")
        table, _, weight = spread_over_ranks(table, None, weight, "_val", least=1)
        y_val = _targets_of_all_ranks(table, y_val, "y_val")
        weight, rows = rows_with_weight(
            weight, table, min_rows=1, name="sample_weight_val"
        )
        return self._labelled_like(labelled, table, y_val, weight, rows)

    def _pretrained(
        self,
        X,
        weights: dict[str, Any],
        of_validation: dict[str, Any],
        labelled: Labelled,
        settings: TrainingSettings,
        events: FitEvents,
    ) -> BaseAutoencoder:
        """Step 1: a fitted autoencoder that only this estimator uses."""
        prototype = self.autoencoder
        if isinstance(prototype, FrozenEstimator):
            prototype = prototype.estimator
            if not (isinstance(prototype, BaseAutoencoder) and _is_fitted(prototype)):
                raise ValueError(
                    f"autoencoder={self.autoencoder!r} must hold an autoencoder "
                    "that is fitted."
                )
        if takes_gaps(prototype):
            raise ValueError(
                f"{type(self).__name__} takes no missing values, but its autoencoder "
                "has missing_values=np.nan. Fill them in first, for instance with "
                "AutoencoderImputer, and set autoencoder__missing_values='error'."
            )
        if _is_fitted(prototype):
            autoencoder = copy.deepcopy(prototype)
            autoencoder._validate_inference_data(X)
            return autoencoder
        if prototype is None:
            prototype = self._default_autoencoder(labelled)
        autoencoder = clone(prototype)
        params = autoencoder.get_params(deep=False)
        if params["random_state"] is None:
            seed = np.random.SeedSequence(settings.seed).generate_state(1)[0]
            autoencoder.set_params(random_state=int(seed))
        if not self.pretrain:
            untrained = {"max_epochs", "pretrain_epochs"} & params.keys()
            autoencoder.set_params(**dict.fromkeys(untrained, 0))
        if autoencoder.validation != "auto" and not is_splitter(autoencoder.validation):
            # It holds out rows by itself, or none.
            of_validation = {}
        with events.fit_of(autoencoder, "pretraining"):
            return autoencoder.fit(X, **weights, **of_validation)

    def _build(self, labelled: Labelled, settings: TrainingSettings) -> AutoencoderNet:
        """A new net, with the encoder of the autoencoder."""
        self.n_components_ = self.autoencoder_.n_components_
        if dropout := getattr(self.autoencoder_, "dropout", 0):
            check_not_random(self.optimizer, {"autoencoder__dropout": dropout})
        recipe = self.autoencoder_._recipe
        params = around(recipe.module, recipe.module_params)
        self._recipe = replace(
            recipe,
            module=HeadedNetwork,
            module_params=params | {"n_outputs": labelled.target.shape[1]},
            standardize_target=self._target_affine(labelled),
            objective=Objective,
            objective_params={"loss_column": "prediction"},
            loss=self._loss,
            penalties={"l2": L2Penalty(float(self.l2_penalty))},
            corruption=None,
            settings=settings,
        )
        net = self._make_net()
        net.module_.start_from(self.autoencoder_.net_.module_.state_dict())
        return net

    def _fine_tune(
        self, net: AutoencoderNet, labelled: Labelled, events: FitEvents
    ) -> TrainingResult:
        """Steps 2 and 3: train the head, then encoder and head together."""
        rows, settings = labelled.rows, self._recipe.settings
        if self.freeze:
            settings = replace(settings, max_epochs=0)
        kept, valid_set = rows, None
        if settings.max_epochs > 0:
            kept, valid_set = self._split(labelled)
        codes = self._codes(labelled)
        self._train_head(net, codes, labelled, kept)
        result = train(
            Training(
                net,
                self._dataset(labelled, kept),
                valid_set,
                settings,
                needs_certain_gain=self._needs_certain_gain,
                observer=events.epochs(net, settings.max_epochs),
            )
        )
        if not result.has_changed:
            # No rows need to be held out any more.
            self._train_head(net, codes, labelled, rows)
        return result

    def _split(self, labelled: Labelled) -> tuple[np.ndarray, Any]:
        """The rows to train on, and the unseen rows as a dataset or None."""
        unseen, rows = labelled.unseen, labelled.rows
        if unseen is not None:
            return rows, self._dataset(unseen, unseen.rows).held_in_memory()
        strata = None if labelled.strata is None else labelled.strata[rows]
        if labelled.splits is not None:
            kept, held_out = held_out_split(labelled.splits)
            if strata is not None and len(
                missing := np.setdiff1d(strata, labelled.strata[kept])
            ):
                label = self.classes_.tolist()[missing[0]]
                raise ValueError(
                    f"validation={reprlib.repr(self.validation)} leaves no row of the "
                    f"class {label!r} to train on in its last split."
                )
        else:
            held_out = self._recipe.settings.held_out(rows, strata)
            kept = np.setdiff1d(rows, held_out)
        if len(held_out) == 0:
            return kept, None
        return kept, self._dataset(labelled, held_out).held_in_memory()

    def _codes(self, labelled: Labelled) -> np.ndarray:
        """The pretrained codes of the labelled rows, in the units of the network."""
        autoencoder, X = self.autoencoder_, own_part(labelled.X)
        if len(labelled.rows) < labelled.X.shape[0]:
            X = taken(labelled.X, labelled.rows)
        blocks = module_outputs(
            autoencoder.module_,
            lambda module, x: module.encode(x),
            X,
            autoencoder.device_,
        )
        codes = [np.empty((0, self.n_components_), np.float32)]
        with joint_errors(labelled.X):
            codes = np.concatenate([*codes, *(codes for _, _, codes in blocks)])
        codes = of_all_ranks(labelled.X, codes)
        return codes.astype(np.float64) / autoencoder.module_.code_scale.item()

    def _train_head(
        self,
        net: AutoencoderNet,
        codes: np.ndarray,
        labelled: Labelled,
        rows: np.ndarray,
    ) -> None:
        codes = codes[np.searchsorted(labelled.rows, rows)]
        weight = None if labelled.given_weight is None else labelled.given_weight[rows]
        # One scale for all codes. Codes that hardly vary would become large noise if
        # they were divided by their own standard deviations.
        unit = None if weight is None else weight * (len(rows) / weight.sum())
        mean, scale = mean_and_scale(codes, np.arange(len(rows)), unit)
        head = self._fit_head((codes - mean) / scale, labelled, rows, weight)
        scales = np.full(len(mean), scale)
        net.module_.set_head(
            *(torch.from_numpy(part) for part in (*head, mean, scales))
        )

    # -- predicting ----------------------------------------------------------------

    def _outputs(self, X) -> np.ndarray:
        X = self._validate_inference_data(X)
        return self._infer(X, call, self._n_outputs)

    # -- conventions ---------------------------------------------------------------

    def __sklearn_clone__(self):
        """An unfitted copy, with a fitted autoencoder if this one has one."""
        cloned = super().__sklearn_clone__()
        if _is_fitted(self.autoencoder):
            cloned.autoencoder = copy.deepcopy(self.autoencoder)
        return cloned

    def set_params(self, **params) -> Self:
        """Set the parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Parameter values by name. ``autoencoder__<name>`` is a parameter of an
            unfitted autoencoder.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            For another value of a parameter of a fitted autoencoder, which would not
            change.
        """
        prototype = params.get("autoencoder", self.autoencoder)
        if _is_fitted(prototype):
            current = prototype.get_params()
            for key, value in params.items():
                name = key.removeprefix("autoencoder__")
                if name == key or name not in current:
                    continue
                if value is not current[name] and value != current[name]:
                    raise ValueError(
                        f"{key}={value!r} cannot be set: the autoencoder is already "
                        f"fitted, with {name}={current[name]!r}, and is used as is. "
                        "Pass an unfitted one, for instance its sklearn.base.clone."
                    )
        return super().set_params(**params)


def _targets_of_all_ranks(X: Any, y: np.ndarray, name: str) -> np.ndarray:
    """Labels or targets of the rows of all ranks, from those of the rows on this."""
    if isinstance(X, Shard):
        X.ranks.agree(
            {
                f"number of dimensions of {name}": y.ndim,
                f"number of targets in {name}": int(np.prod(y.shape[1:])),
            }
        )
    return of_all_ranks(X, y)


def _is_fitted(autoencoder: Any) -> bool:
    if not isinstance(autoencoder, BaseAutoencoder):
        return False
    try:
        check_is_fitted(autoencoder)
    except NotFittedError:
        return False
    return True
