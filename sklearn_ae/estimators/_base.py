"""The scikit-learn shell that all autoencoders share."""

import reprlib
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

import numpy as np
import torch

from sklearn_ae._ambient import default_modes
from sklearn_ae._doc_link import DocLinkMixin
from sklearn_ae._failures import OUT_OF_MEMORY
from sklearn_ae._sklearn_compat import fit_context, validate_params
from sklearn_ae._units import Affine
from sklearn_ae.data.batches import ArrayDataset, TensorBatches, unpack_batch
from sklearn_ae.data.codes import (
    CodeMoments,
    code_moments,
    merged_moments,
    principal_rotation,
)
from sklearn_ae.data.ranks import joint_interrupts
from sklearn_ae.data.shards import joint_errors
from sklearn_ae.data.sources import most_in_memory
from sklearn_ae.data.tables import (
    mean_and_scale,
    mean_of_complete,
    number_of_axes,
)
from sklearn_ae.estimators._conditioned import ConditionedFit
from sklearn_ae.estimators._events import NO_EVENTS, FitEvents, callback_data
from sklearn_ae.estimators._fit_warnings import (
    warn_of_ignored_parameters,
    warn_of_mean,
    warn_of_mean_in_parts,
    warn_of_no_progress,
)
from sklearn_ae.estimators._gaps import (
    MissingValues,
    gaps_of,
    takes_gaps,
    with_gaussian,
)
from sklearn_ae.estimators._parameters import (
    MergedConstraints,
    NestedLists,
    ObjectiveParameters,
)
from sklearn_ae.estimators._parts import (
    Parts,
    ResolvedParts,
    check_target,
    checked_copy,
    resolve_parts,
)
from sklearn_ae.estimators._reconstruction import ReconstructionMixin
from sklearn_ae.estimators._splits import held_out_split, n_splits
from sklearn_ae.estimators._validation import (
    TrainingData,
    root_mean_square,
    validate_training_data,
    warn_of_other_units,
    warn_of_target_as_y,
    with_validation,
)
from sklearn_ae.networks.contract import check_network, offers
from sklearn_ae.objectives.losses import NAMED_LOSSES, Loss
from sklearn_ae.objectives.terms import L1Penalty, L2Penalty, Penalty
from sklearn_ae.persistence.checkpoint import resumable
from sklearn_ae.persistence.recipe import Recipe
from sklearn_ae.persistence.state import dump_state, load_state
from sklearn_ae.training.conditioning import (
    LEARNING_RATE,
    WEIGHT_DECAY,
    rounds_of_candidates,
)
from sklearn_ae.training.hardware import resolve_device
from sklearn_ae.training.loop import Training, TrainingResult, train
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.pca_start import start_as_pca
from sklearn_ae.training.settings import TrainingParameters, TrainingSettings


@dataclass(kw_only=True, eq=False, repr=False)
class BaseAutoencoder(
    MergedConstraints,
    ReconstructionMixin,
    DocLinkMixin,
    TrainingParameters,
    ObjectiveParameters,
    MissingValues,
    NestedLists,
):
    """Base class of all autoencoders: parameters, training and persistence.

    A variant consists of a docstring, parameters with their constraints (shared groups
    and its own), and overridden hooks. The hooks are the methods under "what a variant
    may override"; no other method is overridden.

    Parameters
    ----------
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
    """

    warm_start: bool = False

    _parameter_constraints: ClassVar[dict] = {"warm_start": ["boolean"]}
    # Groups that a search passes to its splitter are not meant for `fit`.
    __metadata_request__fit: ClassVar[dict] = {"groups": False}

    # -- what a variant may override -----------------------------------------------

    # Of the Gaussian that fills gaps: more factors take time in every step, and the
    # network learns the rest.
    _most_factors: ClassVar[int] = 16
    # Whether the loss is that of the entries alone that the corruption hides.
    _predicts_hidden: ClassVar[bool] = False

    def _parts(self, data: TrainingData, n_components: int) -> Parts:
        """The network and the objective; call `super()` and `replace` fields.

        Raises a ValueError if parameters contradict each other or the data.
        """
        names = {one.name for one in fields(Parts)} & {one.name for one in fields(self)}
        given = {name: getattr(self, name) for name in names - {"loss", "penalties"}}
        loss = NAMED_LOSSES.get(self.loss) if isinstance(self.loss, str) else self.loss
        if isinstance(self.loss, Loss):
            loss = checked_copy(self.loss)
        penalties = []
        for i, penalty in enumerate(self.penalties or ()):
            if not isinstance(penalty, Penalty):
                raise ValueError(
                    f"penalties[{i}]={penalty!r} must be a "
                    "sklearn_ae.objectives.Penalty."
                )
            penalties.append(checked_copy(penalty))
        return Parts(
            **given,
            loss=loss,
            loss_name=self.loss,
            penalties=(
                L1Penalty(float(self.l1_penalty)),
                L2Penalty(float(self.l2_penalty)),
                *penalties,
            ),
        )

    def _check_codes(self, codes: np.ndarray) -> None:
        """Raise a ValueError if codes of a user-defined network are not suitable."""

    def _start(
        self,
        net: AutoencoderNet,
        parts: ResolvedParts,
        data: TrainingData,
        kept: np.ndarray,
        events: FitEvents = NO_EVENTS,
    ) -> np.ndarray | None:
        """Set a new net to its starting point, before it is trained on `kept` rows.

        Returns the rows whose PCA it is, or None. Fits of other estimators are stages
        of the events.
        """
        set_code_bias = offers(net.module_).set_code_bias
        if parts.code_bias is not None and set_code_bias is not None:
            set_code_bias(parts.code_bias)
        if not parts.starts_as_pca:
            return None
        # PCA is kept unless training beats it on the held-out rows. That is too strict
        # where PCA of the rows not held out is much worse than PCA of all.
        is_fair = len(data.rows) >= max(200, 4 * data.n_features)
        pca_set = self._dataset(data, kept if is_fair else data.rows)
        self._start_as_pca(net, parts, data, pca_set)
        return pca_set.rows

    def _n_stages(self, parts: ResolvedParts) -> int:
        """How many stages a first fit has, for callbacks of scikit-learn."""
        return 2 if parts.is_conditioned else 1

    def _describe_codes(self, mean: np.ndarray, variances: np.ndarray) -> None:
        """Set further fitted attributes from the moments of the codes, at the end."""

    def _regularizers(self) -> tuple[str, ...]:
        """Parameters whose large values make reconstructions the mean of the data."""
        return "l1_penalty", "l2_penalty", "dropout"

    # -- fitting -------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y=None,
        *,
        X_target=None,
        sample_weight=None,
        groups=None,
        X_val=None,
        X_target_val=None,
        sample_weight_val=None,
    ) -> Self:
        """Fit the autoencoder to `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. Sparse matrices are made dense a few batches at a time.
            Tables on a disk are read in blocks; see `sklearn_ae.data.from_array` and
            `from_parquet`. Where `torch.distributed` is initialised, the rows of this
            rank, and all ranks train one model together.

        y : Ignored
            Not used, present for API consistency by convention.

        X_target : {array-like, sparse matrix} of shape (n_samples, n_outputs), \
default=None
            Targets of the reconstruction, one per row of `X`, for instance the clean
            version of a corrupted row. None means `X` itself.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None means equal weights.

        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for a splitter in `validation` such as `GroupKFold`.

        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Validation data, in the units of `X`. The network is trained on all rows of
            `X`, and these rows replace those that `validation` would hold out.

        X_target_val : {array-like, sparse matrix} of shape (n_val, n_outputs), \
default=None
            Targets of the rows of `X_val`; given if and only if `X_target` is.

        sample_weight_val : array-like of shape (n_val,), default=None
            Non-negative weights of the rows of `X_val`; None means equal weights.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or if the loss becomes infinite or
            NaN. The estimator is left unchanged.

        KeyboardInterrupt
            If the fit is interrupted. The estimator is then fitted, with the best
            weights so far or, while no candidate has beaten PCA, as PCA.
        """
        with joint_interrupts():
            with (
                default_modes(),
                self._unchanged_on_error(),
                resumable(self) as session,
            ):
                continues = self.warm_start and hasattr(self, "net_")
                data = validate_training_data(
                    self, X, X_target, sample_weight, reset=not continues
                )
                data = with_validation(
                    self,
                    data,
                    groups=groups,
                    X_val=X_val,
                    X_target_val=X_target_val,
                    sample_weight_val=sample_weight_val,
                )
                warn_of_target_as_y(self, X, y, X_target, stacklevel=3)
                if takes_gaps(self) and not continues:
                    data = with_gaussian(data, self._most_factors)
                started_from = None
                if continues and self.checkpoint is not None:
                    started_from = dump_state(self.net_)
                session.begin(
                    data.for_checkpoint()
                    | {"the network of the warm start": started_from}
                )
                parts = self._resolve(data, continues, len(data.rows))
                net = (
                    self._continue(parts, data)
                    if continues
                    else self._build(parts, data)
                )
                events = FitEvents(
                    self,
                    1 if continues else self._n_stages(parts),
                    callback_data(X, y, X_target, sample_weight),
                )
                if parts.is_conditioned and not continues:
                    net, result = self._train_conditioned(net, parts, data, events)
                    is_pca = not result.has_changed
                else:
                    self._forget_candidates()
                    result, is_pca = self._train(net, parts, data, continues, events)
                rotates = result.has_changed or not (continues or is_pca)
                moments = self._order_codes(
                    net, data, parts.may_rotate_codes and rotates
                )
                self._set_trained(net, result)
                self._set_code_moments(moments)
                events.end(net)
            if result.interrupt is None and self._recipe.settings.max_epochs > 0:
                if not (result.has_changed or is_pca):
                    warn_of_no_progress(self, continues)
                if result.has_changed or is_pca or continues:
                    warn_of_mean(self, self._dataset(data, data.rows), moments)
            if result.interrupt is not None:
                raise result.interrupt
            session.complete()
            return self

    def _train(
        self,
        net: AutoencoderNet,
        parts: ResolvedParts,
        data: TrainingData,
        continues: bool,
        events: FitEvents,
    ) -> tuple[TrainingResult, bool]:
        """Train a net; the result, and whether it is PCA."""
        settings = self._recipe.settings
        ((kept, valid_set),) = self._splits(data)
        pca_rows = None if continues else self._start(net, parts, data, kept, events)
        train_set = self._dataset(data, kept)
        training = Training(
            net,
            train_set,
            valid_set,
            settings,
            needs_certain_gain=pca_rows is not None,
            observer=events.epochs(net, settings.max_epochs),
        )
        result = train(training)
        is_pca = pca_rows is not None and not result.has_changed
        if is_pca and len(pca_rows) < len(data.rows):
            # Rows need not be held out any longer.
            self._start(net, parts, data, data.rows)
            loss = net.evaluate(train_set if valid_set is None else valid_set)
            result = result._replace(best_loss=loss["loss"])
        return result, is_pca

    def _splits(
        self, data: TrainingData
    ) -> list[tuple[np.ndarray, ArrayDataset | None]]:
        """Rows to train on and the unseen rows, as a dataset or None, of each fold."""
        settings = self._recipe.settings
        if data.unseen is not None:
            unseen_set = self._dataset(data.unseen, data.unseen.rows)
            return [(data.rows, unseen_set.held_in_memory())]
        pairs = data.splits
        if pairs is None:
            pairs = settings.splits(data.rows)
        elif settings.n_folds == 0:
            pairs = [held_out_split(pairs)]
        sets = [self._dataset(data, unseen) for _, unseen in pairs]
        if len(sets) == 1:
            # Rows of several folds are told apart by their positions in the table.
            sets = [sets[0].held_in_memory()]
        return [
            (kept, unseen_set if len(unseen_set) else None)
            for (kept, _), unseen_set in zip(pairs, sets, strict=True)
        ]

    def _start_as_pca(
        self,
        net: AutoencoderNet,
        parts: ResolvedParts,
        data: TrainingData,
        pca_set: ArrayDataset,
    ) -> np.ndarray:
        """Make a net PCA of a dataset; the standard deviations of its codes."""
        mean = self._feature_mean
        if len(pca_set) < len(data.rows):
            # The mean of all rows would know of those held out.
            pca_set = pca_set.with_own_weights()
            complete = pca_set.without_gaps()
            mean = mean_of_complete(complete.X, complete.rows, complete.weight)
        return start_as_pca(
            net.module_, pca_set, mean, self.n_components_, parts.output_activation
        )

    def _train_conditioned(
        self,
        net: AutoencoderNet,
        parts: ResolvedParts,
        data: TrainingData,
        events: FitEvents,
    ) -> tuple[AutoencoderNet, TrainingResult]:
        """Train the best of several candidates; the net, and the result."""
        settings = self._recipe.settings
        fewest = min((len(rows) for rows, _ in data.splits or ()), default=np.inf)
        if fewest < self.n_components_:
            raise ValueError(
                f"validation={reprlib.repr(self.validation)} has a split with {fewest} "
                f"rows to train on, too few for a code of n_components="
                f"{self.n_components_} that starts as PCA."
            )
        decay, rate = settings.optimizer_params.get("weight_decay", 0.0), LEARNING_RATE
        if self.optimizer == "adamw" and "weight_decay" not in (
            self.optimizer_params or {}
        ):
            decay = WEIGHT_DECAY
        if self.learning_rate != "auto":
            rate = settings.learning_rate
        rounds = rounds_of_candidates(
            len(data.rows),
            data.n_features,
            has_noise=self._recipe.corruption is not None,
            tries_lbfgs=self._leaves_training_open()
            and not (parts.is_random or net.hidden_share),
        )
        fit = ConditionedFit(
            net,
            rounds,
            settings,
            data.rows,
            self._splits(data),
            n_components=self.n_components_,
            learning_rate=rate,
            weight_decay=decay,
            make_net=lambda listens, settings: self._new_net(data, listens, settings),
            dataset=lambda rows: self._dataset(data, rows),
            start_as_pca=lambda net, dataset: self._start_as_pca(
                net, parts, data, dataset
            ),
            has_mirror_images=bool(np.all(parts.centres_target)),
            has_listeners=bool(self.callbacks or self.verbose or events.has_listeners),
            observer=lambda net: events.epochs(net, net.max_epochs),
        )
        events.begin_stage("comparison")
        done = fit.run()
        done.net.set_listeners(self.callbacks, self.verbose)
        options = fit.candidates
        self.candidates_ = {
            "start": np.array(["pca", *(one.start for one in options)]),
            "input_noise": np.array([0.0, *(one.input_noise for one in options)]),
            "is_lbfgs": np.array([False, *(one.is_lbfgs for one in options)]),
            "loss": done.losses,
        }
        self.best_candidate_ = done.best
        return done.net, done.result

    def _leaves_training_open(self) -> bool:
        """Whether the optimizer and how long it trains are left to the defaults."""
        auto = self.learning_rate, self.batch_size, self.max_epochs
        return (
            self.optimizer == "adamw"
            and not self.optimizer_params
            and self.learning_rate_schedule == "one_cycle"
            and self.n_iter_no_change is None
            and auto == ("auto", "auto", "auto")
        )

    def _forget_candidates(self) -> None:
        """Of an earlier fit, whose choice is not the fitted model any more."""
        for name in ("candidates_", "best_candidate_"):
            vars(self).pop(name, None)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, X_target=None, sample_weight=None) -> Self:
        """Train for one epoch on `X`, at a constant learning rate.

        The first call determines the network, the objective, the optimizer, the mean,
        the scale and, if the network starts as PCA, the starting point. Of the
        parameters, `learning_rate`, `callbacks`, `device` and `verbose` may change
        between calls; a `learning_rate` of "auto" keeps the rate of the call before.
        No rows are held out, and codes are not rotated.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            A part of the training data.

        y : Ignored
            Not used, present for API consistency by convention.

        X_target : {array-like, sparse matrix} of shape (n_samples, n_outputs), \
default=None
            Targets of the reconstruction, one per row of `X`. None means `X` itself.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows; None means equal weights.

        Returns
        -------
        self : object
            The estimator.
        """
        with joint_interrupts():
            with default_modes(), self._unchanged_on_error():
                continues = hasattr(self, "net_")
                settings = self._recipe.settings if continues else self
                if settings.optimizer == "lbfgs":
                    raise ValueError(
                        "optimizer='lbfgs' needs all rows at once, and partial_fit "
                        "gets a part of them. Use fit, with warm_start=True to go on, "
                        "or another optimizer."
                    )
                data = validate_training_data(
                    self, X, X_target, sample_weight, reset=not continues
                )
                warn_of_target_as_y(self, X, y, X_target, stacklevel=3)
                if continues:
                    self._check_more(data)
                    self._check_unused_parameters(data)
                    net = self._on_device(self.net_)
                    self._take_learning_rate(net)
                else:
                    if takes_gaps(self):
                        data = with_gaussian(data, self._most_factors)
                    # More rows may follow.
                    parts = self._resolve(data, continues, np.inf)
                    net = self._build(parts, data)
                    self._start(net, parts, data, data.rows)
                net.set_listeners(self.callbacks, self.verbose)
                dataset = self._dataset(data, data.rows)
                settings = self._recipe.settings.of_one_epoch()
                training = Training(net, dataset, None, settings, keeps_best=False)
                self._forget_candidates()
                result = train(training, alone=True)
                moments = of_all = code_moments(net.module_, dataset)
                if continues:
                    of_all = merged_moments(CodeMoments(*self._code_moments), moments)
                # Not made anew from all rows, of which a stream may have very many.
                self._set_trained(net, result, self.n_iter_ if continues else 0)
                self._set_code_moments(of_all)
            if result.interrupt is not None:
                raise result.interrupt
            warn_of_mean_in_parts(self, dataset, moments, len(training.train_batches))
            return self

    def _resolve(
        self, data: TrainingData, continues: bool, n_rows: float
    ) -> ResolvedParts:
        """The network and the objective, checked against each other and the data.

        The size of a new network suits `n_rows`.
        """
        n_components = self.n_components
        if not continues:
            table = data.filled, data.rows, data.weight
            self._feature_mean, self._feature_scale = mean_and_scale(*table)
            self._n_outputs, fitted_sizes = data.n_outputs, None
            if n_components < 1:
                n_components = number_of_axes(
                    *table, self._feature_mean, n_components, self._feature_scale
                )
        else:
            self._check_more(data)
            data = replace(data, categories=self._recipe.loss.blocks)
            fitted_sizes = self._recipe.module_params.get("hidden_layer_sizes")
            if n_components < 1:
                n_components = self.n_components_
        self.n_components_ = int(n_components)
        parts = self._parts(data, self.n_components_)
        return resolve_parts(
            parts,
            data,
            self.n_components_,
            is_new=not continues,
            n_rows=n_rows,
            fitted_sizes=fitted_sizes,
        )

    def _check_more(self, data: TrainingData) -> None:
        """Check data that a fitted network goes on with."""
        if takes_gaps(self) != (self._recipe.gaps is not None):
            raise ValueError(
                f"missing_values={self.missing_values!r} cannot be changed where a fit "
                "goes on with the network of the previous one. Make a new estimator, "
                "or call fit with warm_start=False."
            )
        if data.n_outputs != self._n_outputs:
            raise ValueError(
                f"The target has {data.n_outputs} columns, but the fitted network has "
                f"{self._n_outputs} outputs."
            )
        check_target(data, self._recipe.loss, self.loss)

    def _check_unused_parameters(self, data: TrainingData) -> None:
        """Check what a later `partial_fit` does not use, and a next `fit` would."""
        # scikit-learn validates the parameters of a first `partial_fit` only.
        validate_params(self)
        self._check_training(resolve_device(self.device))
        data = replace(data, categories=self._recipe.loss.blocks)
        parts = self._parts(data, self.n_components_)
        resolve_parts(parts, data, self.n_components_, is_new=False)

    def _build(self, parts: ResolvedParts, data: TrainingData) -> AutoencoderNet:
        """A new net for the data, with its initial weights."""
        mean, scale = self._feature_mean, self._feature_scale
        units = _units(mean, scale, parts.centres_input, parts.input_rms)
        if data.target is not None:
            mean, scale = mean_and_scale(data.target, data.rows, data.weight)
        input_rms = root_mean_square(self._feature_mean, self._feature_scale)
        self._target_rms = root_mean_square(mean, scale)
        if data.n_outputs == data.n_features:
            warn_of_other_units(self._target_rms, input_rms, "X", stacklevel=4)
        if data.unseen is not None:
            unseen = data.unseen
            rms = root_mean_square(
                *mean_and_scale(unseen.X, unseen.rows, unseen.weight)
            )
            warn_of_other_units(rms, input_rms, "X", table="X_val", stacklevel=4)
        target_units = _units(mean, scale, parts.centres_target, parts.target_rms)
        self.mean_, self.scale_ = units
        self._recipe = Recipe(
            **parts.design,
            standardize=units,
            standardize_target=target_units,
            settings=self._settings(parts, data),
            gaps=gaps_of(self, parts, data),
        )
        net = self._new_net(data)
        if parts.network is None:
            return net
        try:
            some = data.rows[:100]
            batches = TensorBatches(self._dataset(data, some), len(some))
            with joint_errors(data.X):
                x, _, _ = unpack_batch(next(iter(batches)))
                codes = check_network(
                    net.module_,
                    x,
                    self.n_components_,
                    data.n_outputs,
                    needs_unit_interval=self._recipe.loss.needs_unit_interval,
                    probabilities=sum(self._recipe.loss.blocks, ()),
                )
                self._check_codes(codes.cpu().numpy())
        except OUT_OF_MEMORY:
            raise
        except Exception as error:
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            raise ValueError(
                f"network={parts.network!r} does not work with n_features="
                f"{data.n_features} and n_components={self.n_components_}: {kind}"
                f"{error}"
            ) from error
        warn_of_ignored_parameters(self, parts.network)
        return net

    def _settings(self, parts: ResolvedParts, data: TrainingData) -> TrainingSettings:
        """The settings of a training on the data."""
        return self._resolve_training(
            len(data.rows),
            n_columns=data.n_features if parts.is_conditioned else None,
            is_penalised=parts.is_penalised,
            n_splits=n_splits(data),
            most_held_out=most_in_memory(data.X, data.target),
        )

    def _new_net(
        self,
        data: TrainingData,
        listens: bool = True,
        settings: TrainingSettings | None = None,
    ) -> AutoencoderNet:
        """A net with its initial weights, and with what it knows of gaps."""
        net = self._make_net(listens, settings)
        if data.gaussian is not None:
            mean = (data.gaussian.mean - net.standardize.mean) / net.standardize.scale
            net.module_.set_gaussian(
                torch.from_numpy(mean), torch.from_numpy(data.gaussian.loadings)
            )
        return net

    def _continue(self, parts: ResolvedParts, data: TrainingData) -> AutoencoderNet:
        """The net of the previous fit, with a new optimizer."""
        before = self._recipe
        settings = self._settings(parts, data)
        if settings.n_folds > 0:
            # There is nothing to choose.
            settings = replace(settings, n_folds=0)
        recipe = replace(before, **parts.design, settings=settings)
        adjusted = {
            name: recipe.module_params[name]
            for name in offers(self.net_.module_).adjustable
            if name in before.module_params and name in recipe.module_params
        }
        same = replace(before, module_params=before.module_params | adjusted)
        for name in ("module", "module_params"):
            old, new = getattr(same, name), getattr(recipe, name)
            if old != new:
                raise ValueError(
                    "warm_start=True continues with the network of the previous fit, "
                    f"but its {name} changed from {old!r} to {new!r}. Set "
                    "warm_start=False for a new network."
                )
        state = dump_state(self.net_)
        self._recipe = recipe
        net = self._make_net()
        fresh = dump_state(net)
        state["optimizer"] = fresh["optimizer"]
        if recipe.penalties != before.penalties:
            # The objective's state belongs to other penalties.
            state["objective"] = fresh["objective"]
        load_state(net, state)
        return net

    def _on_device(self, net: AutoencoderNet) -> AutoencoderNet:
        """The net on the device that the parameter names, moved there if necessary."""
        device = resolve_device(self.device)
        if device == self.device_:
            return net
        self.device_ = device
        moved = self._make_net()
        load_state(moved, dump_state(net))
        return moved

    def _take_learning_rate(self, net: AutoencoderNet) -> None:
        """Give the net the learning rate of the parameter, if it has changed."""
        settings, rate = self._recipe.settings, self.learning_rate
        # What is unchanged is not set again: a callback may have lowered the rate.
        if rate not in ("auto", settings.learning_rate):
            settings = replace(settings, learning_rate=float(rate))
            self._recipe = replace(self._recipe, settings=settings)
            net.set_learning_rate(float(rate))

    def _order_codes(
        self, net: AutoencoderNet, data: TrainingData, rotates: bool
    ) -> CodeMoments:
        """Rotate the codes if that is allowed, and return their moments."""
        moments = code_moments(net.module_, self._dataset(data, data.rows))
        offered = offers(net.module_)
        if rotates and offered.transform_code and offered.has_linear_code:
            rotation, moments = principal_rotation(moments)
            offered.transform_code(torch.from_numpy(rotation).float().to(self.device_))
        # The optimizer's state belongs to other weights and other axes.
        net.initialize_optimizer()
        return moments

    @property
    def loss_(self) -> Loss:
        """The loss, with the columns of its categories."""
        return self._recipe.loss

    def _set_code_moments(self, moments: CodeMoments) -> None:
        """Set the fitted attributes that describe the codes."""
        self._code_moments = tuple(moments._replace(cross_covariance=None))
        scale = self.net_.units_.code_scale
        self.explained_variance_ = np.diag(moments.covariance) * scale**2
        self._describe_codes(moments.mean * scale, self.explained_variance_)

    def _needed_in_files(self):
        scalars = ["scale_", "_feature_scale", "_n_outputs", "_target_rms"]
        return super()._needed_in_files() + scalars

    def _arrays_in_files(self):
        yield from super()._arrays_in_files()
        n_features, n_components = self.n_features_in_, self.n_components_
        yield "mean_", self.mean_, (n_features,)
        yield "_feature_mean", self._feature_mean, (n_features,)
        yield "explained_variance_", self.explained_variance_, (n_components,)
        _, mean, covariance, _ = self._code_moments
        yield "_code_moments[1]", mean, (n_components,)
        yield "_code_moments[2]", covariance, (n_components, n_components)


def _units(
    mean: np.ndarray, scale: float, is_centred: bool | np.ndarray, rms: float | None
) -> Affine:
    """From units of the data to those of the network."""
    return Affine(
        np.where(is_centred, mean, 0.0),
        # A single scale, which does not change the minimiser.
        1.0 if rms is None else scale / rms,
    )
