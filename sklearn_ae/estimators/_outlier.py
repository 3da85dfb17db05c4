"""Outlier detection by what an autoencoder makes of each row."""

import reprlib
import warnings
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import (
    check_is_fitted,
    has_fit_parameter,
)

from sklearn_ae._doc_link import DocLinkMixin
from sklearn_ae._sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    callback_state,
    fit_context,
)
from sklearn_ae.data.ranks import joint_interrupts
from sklearn_ae.data.shards import whole
from sklearn_ae.data.tables import mean_and_scale, number_of_axes
from sklearn_ae.estimators._autoencoder import Autoencoder
from sklearn_ae.estimators._events import FitEvents
from sklearn_ae.estimators._features import Features
from sklearn_ae.estimators._nearest_rows import Measure, NearestRows, SquareErrors
from sklearn_ae.estimators._parameters import NestedParameters
from sklearn_ae.estimators._splits import check_groups, check_needs_X_val
from sklearn_ae.estimators._stand_out import limit, trim
from sklearn_ae.estimators._unseen_errors import (
    ROWS,
    MedianReconstructor,
    PrototypeFits,
    Reconstructors,
    weighted_quantile,
)
from sklearn_ae.estimators._validation import (
    check_sum_of_weights,
    joint_validation,
    least_on_rank,
    spread_over_ranks,
    validate_table,
    validate_table_like,
    validate_weight,
)
from sklearn_ae.objectives.losses import Huber
from sklearn_ae.persistence.checkpoint import Session, resumable
from sklearn_ae.persistence.checks import check_shape, loading, versions
from sklearn_ae.training.seeding import drawn_seed

# With one row held out, two are left to fit to.
_MIN_ROWS = 3
# The default autoencoder: share of the variance that its codes explain, threshold of
# its loss in units of the scale of the data, and rows that it is trained on in all, as
# far as the number of epochs allows.
_SHARE = 0.9
_DELTA = 4.0
_TRAINED_ROWS = 10_000


@dataclass(kw_only=True, eq=False, repr=False)
class AutoencoderOutlierDetector(
    CallbackSupportMixin, OutlierMixin, DocLinkMixin, NestedParameters
):
    r"""Outlier detection by the reconstructions and errors of an autoencoder.

    An autoencoder splits each row :math:`x` into its reconstruction :math:`\hat x`,
    which depends on the codes alone, and the error :math:`x - \hat x`. A row is unusual
    if its reconstruction lies where usual rows are rare, or if its error is unlike
    theirs. The score, which `score_samples` returns, is minus the mean squared distance
    to the `n_neighbors` nearest of the usual training rows :math:`u`,

    .. math::

       -\frac1{c\,p\,k} \sum_{u} \sum_j \left[
       \frac{(\hat x_j - \hat u_j)^2}{h^2} +
       \frac{((x_j - \hat x_j) - (u_j - \hat u_j))^2}{s_j^2}\right]

    where :math:`p` is the number of features, :math:`k` that of neighbours,
    :math:`s_j^2` the usual squared error of feature :math:`j`, :math:`h` a common unit
    of all reconstructions and :math:`c` the mean for usual rows, see Notes. With
    ``criterion="error"``, the score is minus the mean squared error

    .. math::

       -\frac1p \sum_j \frac{(x_j - \hat x_j)^2}{s_j^2}.

    In both, the error of each feature is relative to its usual error in rows that were
    not used for training, so that a noisy feature does not dominate. Both are sums over
    features, which `feature_errors` returns.

    `fit` splits the rows into `cv` parts, reconstructs each part by an autoencoder that
    is fitted to the others, and estimates the scale :math:`s_j` from these errors. Rows
    that stand out, at most a share `trimming`, are excluded from the fit, as in fast
    algorithms for robust covariances [1]_: at first rows that are far from the median
    of each feature, then rows with low scores, so that some rows are included again.
    The final autoencoder is fitted to the remaining rows, the usual ones. Outliers in
    the training data are therefore not learned, are nobody's neighbours, and do not
    affect the scale.

    Parameters
    ----------
    autoencoder : estimator or None, default=None
        The autoencoder, or any other estimator with ``transform`` and
        ``inverse_transform``, such as PCA or a pipeline of a scaler and an
        autoencoder. It is cloned before it is fitted. A fitted estimator in a
        :class:`~sklearn.frozen.FrozenEstimator` is used as is. None is an `Autoencoder`
        that suits the size of the table, see Notes.

    criterion : {"neighbors", "error"}, default="neighbors"
        What makes a row unusual. "neighbors" is the distance to the nearest usual rows
        in reconstruction and error. "error" is the reconstruction error alone: the
        score does not depend on single rows and needs none of them later, but rows in
        gaps between usual ones, and far out where the autoencoder reconstructs them
        well, are not found.

    n_neighbors : int, default=5
        How many of the nearest usual rows the score averages over, at least 1, or all
        if there are fewer. With few, outliers among the training rows that are alike
        hide each other; with many, small groups of usual rows count as outliers.
        Ignored with ``criterion="error"``.

    contamination : "auto" or float, default="auto"
        Share of outliers among the training rows, in (0, 0.5], which determines the
        threshold of `predict`. "auto" is a threshold below which about one in two
        hundred usual rows score, see Notes.

    trimming : float, default=0.25
        Largest share of the training rows, in [0, 0.5), that is excluded from the fit
        because they stand out. Clean data have few such rows. 0 uses all rows.

    cv : int, splitter or list of pairs, default=5
        How to split the rows for errors on held-out rows: a number of random parts, a
        splitter such as ``KFold(5)`` or, with `groups` in `fit`, ``GroupKFold(5)``, or
        pairs of arrays with indices of training and of held-out rows. Every row must be
        held out exactly once, and not be used for training then.

    random_state : int, RandomState instance or None, default=None
        Controls the splits and, if its own ``random_state`` is None, the autoencoder.
        Pass an int for reproducible results. Global generators do not change.

    checkpoint : path, Checkpoint or None, default=None
        File in which `fit` saves its state once a minute. After a crash or an
        interrupt, the same `fit` on the same data goes on from there and ends with
        exactly the same result; the file is then removed. A file of other data,
        parameters or versions is an error. Set it here, not for the autoencoder. See
        `sklearn_ae.persistence.Checkpoint` for other intervals, and for searches.

    Attributes
    ----------
    autoencoder_ : estimator
        The fitted autoencoder. For a single column and ``autoencoder=None``, an object
        with the same methods that reconstructs the median.

    feature_scale_ : ndarray of shape (n_features_in_,)
        ``s_j``, the usual error of each feature, in the units of `X`.

    offset_ : float
        Threshold: rows with lower scores are outliers.
        ``decision_function(X) = score_samples(X) - offset_``.

    support_ : ndarray of bool of shape (n_samples,)
        The training rows to which the final autoencoder was fitted.

    training_scores_ : ndarray of shape (n_samples,)
        ``score_samples`` of all training rows. With ``criterion="neighbors"``, each
        usual row that is kept as a neighbour is its own nearest one.

    held_out_scores_ : ndarray of shape (n_samples,)
        Scores of all training rows, each computed while the row was held out.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`, if all of them are strings.

    See Also
    --------
    sklearn.ensemble.IsolationForest : Detects rows that random trees isolate quickly.
    sklearn.neighbors.LocalOutlierFactor : Detects rows in regions of low density.
    sklearn.svm.OneClassSVM : Detects rows outside a smooth boundary.

    Notes
    -----
    Scale features with different units first, for instance with `StandardScaler` or, if
    there are outliers among the training rows, with `RobustScaler`: the loss weighs all
    features equally. `fit` warns if their spans differ by orders of magnitude.

    The default autoencoder has codes in (0, 1), since a bounded code cannot grow to
    reconstruct extreme rows: as many as PCA needs for 90 % of the variance, but fewer
    than there are columns. It is ``Autoencoder(hidden_layer_sizes=64, init="random",
    code_activation="sigmoid", loss=Huber(delta), learning_rate=0.02)``,
    where ``delta`` is four times the root mean square of the
    centred data. It takes 10 to 100 epochs, between these bounds as many as make up
    10,000 rows in all. A single column needs no autoencoder: its rows are reconstructed
    by the median.

    Let :math:`v_j` be the mean of :math:`(x_{ij} - \hat x_{ij})^2` over the rows of
    `support_`, each reconstructed by an autoencoder for which it was held out. Then
    :math:`s_j^2 = v_j + 0.1 \operatorname{median}_k v_k`, where the median is over
    features that vary among these rows. The second term keeps features that are almost
    always reconstructed exactly from dominating the score. :math:`s_j` is at least 1e-6
    of the span of the feature, so that errors at the level of rounding are no errors.
    Features that do not vary are reconstructed exactly.

    The unit of reconstructions is :math:`h^2 = \operatorname{mean}_j s_j^2 + d^2`,
    where :math:`d^2` is the mean of :math:`(\hat u_j - \hat v_j)^2` over features,
    usual rows :math:`u` and the nearest others :math:`v`. Where usual rows are dense, a
    distance counts in units of the usual error; where they are few, neighbours differ
    in what the codes describe, and errors would hardly count without :math:`d^2`. Let
    :math:`c` be the mean over usual rows, each scored by an autoencoder and by
    neighbours of the other parts. Outliers are found by distances to nearest rows in
    [2]_; [3]_ finds these hard to beat. At most 4096 usual rows, drawn at random, are
    kept as neighbours. A row of weight two is two neighbours. Where the mean of the
    weights is below one, they are relative to it.

    Let :math:`m` be the median of the logarithms of ``-held_out_scores_``, and
    :math:`q` their upper quartile. If their larger half falls off exponentially, as for
    scores with a power law, a share :math:`r` of the rows is beyond
    :math:`m + (q - m) \log_2(0.5 / r)`. `trimming` uses :math:`r = 0.05`. For
    ``contamination="auto"``, usual rows are those within the limit for
    :math:`r = 0.002`, and one in two hundred of them has a held-out score below
    `offset_`: few false alarms, even where usual rows have heavy tails. Set a share to
    find more. Scores above -1 are never outliers by these rules.

    The threshold for a share `contamination` is a quantile of `training_scores_`, as
    in other detectors of scikit-learn. Most of these rows were used for training; new
    rows have lower scores.

    References
    ----------
    .. [1] Rousseeuw and Van Driessen (1999). "A fast algorithm for the minimum
       covariance determinant estimator". Technometrics 41.
       :doi:`10.1080/00401706.1999.10485670`
    .. [2] Ramaswamy, Rastogi and Shim (2000). "Efficient algorithms for mining outliers
       from large data sets". SIGMOD 29. :doi:`10.1145/335191.335437`
    .. [3] Livernoche, Jain, Hezaveh and Ravanbakhsh (2024). "On diffusion modeling for
       anomaly detection". ICLR.
       https://arxiv.org/abs/2305.18593

    Examples
    --------
    The digit 8 against all others:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.metrics import roc_auc_score
    >>> from sklearn_ae import AutoencoderOutlierDetector
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> detector = AutoencoderOutlierDetector(random_state=0).fit(X[y == 8][:87])
    >>> print(f"{roc_auc_score(y == 8, detector.score_samples(X)):.2f}")
    0.9...
    """

    autoencoder: Any = field(default=None, kw_only=False)
    criterion: str = "neighbors"
    n_neighbors: int = 5
    contamination: float | str = "auto"
    trimming: float = 0.25
    cv: Any = 5
    random_state: Any = None
    checkpoint: Any = None

    _parameter_constraints: ClassVar[dict] = {
        "autoencoder": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "criterion": [StrOptions({"neighbors", "error"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "contamination": [
            StrOptions({"auto"}),
            Interval(Real, 0, 0.5, closed="right"),
        ],
        "trimming": [Interval(Real, 0, 0.5, closed="left")],
        "cv": [
            Interval(Integral, 2, None, closed="left"),
            HasMethods("split"),
            list,
            tuple,
        ],
        "random_state": ["random_state"],
        # By `resolve_checkpoint`.
        "checkpoint": "no_validation",
    }

    # Groups that a search passes to its splitter are not meant for `fit`.
    __metadata_request__fit: ClassVar[dict] = {"groups": False}

    # -- fitting -------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X,
        y=None,
        *,
        sample_weight=None,
        groups=None,
        X_val=None,
        sample_weight_val=None,
    ) -> Self:
        """Fit the detector to `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, mostly usual rows. May be sparse if the autoencoder accepts
            sparse matrices.

        y : Ignored
            Not used, present for API consistency by convention.

        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights of the rows, if the autoencoder accepts weights. None
            means equal weights.

        groups : array-like of shape (n_samples,), default=None
            Groups of the rows, for a splitter in `cv` such as `GroupKFold`, and in the
            `validation` of the autoencoder.

        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Validation data for all fits of the autoencoder, if its `fit` takes them.
            They should be usual rows. Scale and threshold do not depend on their
            errors.

        sample_weight_val : array-like of shape (n_val,), default=None
            Non-negative weights of the rows of `X_val`; None means equal weights.

        Returns
        -------
        self : object
            The fitted detector.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or if the autoencoder cannot be
            fitted. The detector is left unchanged.

        Warns
        -----
        UserWarning
            If the spans of columns differ by orders of magnitude, or if, with
            ``criterion="error"``, the autoencoder reconstructs unseen rows exactly, so
            that there are no errors to go by.

        ConvergenceWarning
            If most training rows are outliers.
        """
        before = dict(vars(self))
        try:
            with joint_interrupts(), resumable(self) as session:
                self._fit(X, sample_weight, groups, X_val, sample_weight_val, session)
        except BaseException:
            before |= callback_state(self)
            vars(self).clear()
            vars(self).update(before)
            raise
        session.complete()
        return self

    def _fit(
        self, X, sample_weight, groups, X_val, sample_weight_val, session: Session
    ) -> None:
        if isinstance(self.autoencoder, type):
            name = self.autoencoder.__name__
            raise ValueError(
                f"autoencoder={name} must be an instance, such as {name}(), not a "
                "class."
            )
        with joint_validation(
            self, sample_weight=sample_weight, groups=groups, X_val=X_val
        ):
            X = self._validate(X, reset=True)
            weight = self._check_weight(sample_weight, X)
            check_groups(groups, X)
            validation = self._check_validation(X_val, sample_weight_val)
        X, _, weight = spread_over_ranks(X, None, weight, least=_MIN_ROWS)
        if weight is not None:
            _check_positive(weight)
        session.begin(
            {
                "X": X,
                "sample_weight": weight,
                "groups": None if groups is None else np.asarray(groups),
                **validation,
            }
        )
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = drawn_seed(seed)
        rng = np.random.RandomState(seed)
        present = np.ones(X.shape[0]) if weight is None else weight
        keep = present > 0
        features = Features.of(X, np.flatnonzero(keep))
        if self.trimming > 0:
            keep = self._near_median(X, present, features, rng)
            features = Features.of(X, np.flatnonzero(keep))
        prototype = self.autoencoder
        if prototype is None:
            prototype = _default(X, np.flatnonzero(keep))
        if isinstance(prototype, MedianReconstructor):
            validation = {}
        fits = PrototypeFits(prototype, X, weight, rng, groups, validation)
        if fits.is_own:
            features.warn_of_units("RobustScaler", stacklevel=4)
        metadata = None if weight is None else {"sample_weight": weight}
        events = FitEvents(self, 2, {"X": X, "y": None, "metadata": metadata})
        events.begin_stage("cross-fit")
        parts = fits.cross_fit(
            keep, self.cv, splits_frozen=self.criterion == "neighbors"
        )
        unseen = Reconstructors(X, parts, features.constant)
        if self.trimming > 0:
            scores = self._score_unseen(unseen, keep, present, features, rng).scores
            keep = trim(scores, present, self.trimming, least=_MIN_ROWS)
            features = Features.of(X, np.flatnonzero(keep))
        found = self._score_unseen(unseen, keep, present, features, rng)
        means = found.means

        self.autoencoder_ = fits.fit(keep, partial(events.fit_of, name="final-fit"))
        self.feature_scale_ = np.sqrt(features.square_scale(means))
        self.support_ = keep
        self._constant, self._weight = features.constant, present
        measure = None
        if self.criterion == "neighbors":
            final = self._reconstructors(X)
            measure = self._nearest_rows(
                final, 0, keep, present, self.feature_scale_**2, rng
            )
        self._keep_measure(measure, found.unit)
        self.held_out_scores_ = found.scores
        self.training_scores_ = self._score(X)
        self.offset_ = self._offset(self.contamination)
        events.end(None)
        is_exact = features.varies.any() and not features.exceeds_rounding(means).any()
        if is_exact and self.criterion == "error":
            warnings.warn(
                f"The autoencoder {self.autoencoder_!r} reconstructs all features of "
                "rows that it was not fitted to up to rounding, so that it can find no "
                "outliers by their errors. It needs fewer components than X has "
                'columns, or criterion="neighbors".',
                stacklevel=4,
            )
        share = np.average(self.training_scores_ < self.offset_, weights=present)
        if share > 0.5:
            warnings.warn(
                f"{share:.0%} of the training rows are outliers. The final autoencoder "
                "reconstructs them worse than those of the parameter cv, which "
                "determine the threshold; it may have failed to train.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _near_median(self, X, weight, features, rng) -> np.ndarray:
        """Which rows to keep at first.

        An autoencoder learns even a few extreme outliers of one kind. The median does
        not.
        """
        sample = np.flatnonzero(weight)
        if len(sample) > ROWS:
            sample = np.sort(rng.choice(sample, ROWS, replace=False))
        median = MedianReconstructor().fit(whole(X, sample), None, weight[sample])
        nowhere = np.full(X.shape[1], np.nan)
        first = Reconstructors(X, [(median, np.arange(X.shape[0]))], nowhere)
        scale = features.square_scale(first.central_square_errors(weight, sample))
        scores = first.scores([SquareErrors(scale)])
        return trim(scores, weight, self.trimming, least=_MIN_ROWS)

    def _score_unseen(self, unseen, keep, weight, features, rng) -> "_Unseen":
        """Score all rows while they are held out."""
        self._check_others(unseen.parts, keep)
        means, others = unseen.mean_square_errors(weight * keep)
        scales = [features.square_scale(one) for one in others]
        if self.criterion == "error":
            scores = unseen.scores([SquareErrors(scale) for scale in scales])
            return _Unseen(means, scores, 1.0)
        measures: list[Measure] = []
        for part, (_, held_out) in enumerate(unseen.parts):
            is_usual = keep.copy()
            is_usual[held_out] = False
            scale = scales[part]
            measures.append(
                self._nearest_rows(unseen, part, is_usual, weight, scale, rng)
            )
        scores = unseen.scores(measures)
        unit = float(np.average(-scores, weights=weight * keep))
        scale = features.square_scale(means)
        unit = max(unit, float(np.mean(features.rounding**2 / scale)))
        return _Unseen(means, scores / unit, unit)

    def _check_others(self, parts, keep) -> None:
        """Raise a ValueError if a part has no usual rows outside of it.

        Autoencoders were fitted to rows there, which may turn out to stand out.
        """
        for i, (_, held_out) in enumerate(parts):
            if len(parts) > 1 and keep[held_out].sum() == keep.sum():
                raise ValueError(
                    f"cv={reprlib.repr(self.cv)} holds out all usual rows in part {i}, "
                    "so that there are none to compare them with: all others stand "
                    "out. Split the rows otherwise, or lower trimming."
                )

    def _nearest_rows(
        self, reconstructors, part, is_usual, weight, scale, rng
    ) -> NearestRows:
        """What finds the nearest of the usual rows, or of a sample of them."""
        rows = np.flatnonzero(is_usual)
        if len(rows) > ROWS:
            rows = np.sort(rng.choice(rows, ROWS, replace=False))
        found = reconstructors.usual_rows(part, rows)
        return NearestRows.of(*found, weight[rows], scale, self.n_neighbors)

    def _prototype(self) -> Any:
        return Autoencoder() if self.autoencoder is None else self.autoencoder

    def _check_weight(self, sample_weight, X) -> np.ndarray | None:
        """The weights, or None where there are none."""
        if sample_weight is None:
            return None
        prototype = self._prototype()
        takes_weight = has_fit_parameter(prototype, "sample_weight")
        if not takes_weight and not isinstance(prototype, FrozenEstimator):
            raise ValueError(
                f"autoencoder={prototype!r} takes no sample_weight in fit; do not "
                "pass sample_weight."
            )
        return validate_weight(sample_weight, X)

    def _check_validation(self, X_val, sample_weight_val) -> dict[str, Any]:
        """The validation data as arguments of the autoencoder's `fit`."""
        check_needs_X_val(X_val, sample_weight_val=sample_weight_val)
        if X_val is None:
            return {}
        prototype = self._prototype()
        if not has_fit_parameter(prototype, "X_val"):
            raise ValueError(
                f"autoencoder={prototype!r} takes no X_val in fit; do not pass X_val."
            )
        table = validate_table_like(self, X_val, "X_val")
        return {"X_val": table, "sample_weight_val": sample_weight_val}

    def _validate(self, X, *, reset: bool) -> Any:
        least = least_on_rank(_MIN_ROWS if reset else 1)
        table: dict[str, Any] = {"ensure_min_samples": least}
        if not get_tags(self).input_tags.sparse:
            table["accept_sparse"] = False
        return validate_table(self, X, reset=reset, **table)

    # -- scoring -------------------------------------------------------------------

    def score_samples(self, X) -> np.ndarray:
        """Compute the score of each row: the higher, the more usual.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            About -1 for usual rows; see `AutoencoderOutlierDetector` for the formula.
            At most 0.
        """
        check_is_fitted(self)
        return self._score(self._validate(X, reset=False))

    def decision_function(self, X) -> np.ndarray:
        """Compute the score of each row relative to the threshold.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to score.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``: negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X) -> np.ndarray:
        """Predict whether each row is an outlier.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to predict for.

        Returns
        -------
        is_inlier : ndarray of int of shape (n_samples,)
            -1 for outliers, for which `decision_function` is negative, else +1.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def feature_errors(self, X) -> np.ndarray:
        """Compute the share of each feature in the score: why a row is an outlier.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to explain.

        Returns
        -------
        errors : ndarray of shape (n_samples, n_features)
            With ``criterion="error"``, ``(x_ij - xhat_ij)^2 / feature_scale_[j]^2``;
            otherwise what each feature adds to the mean squared distance to the nearest
            usual rows. About 1 on average for usual rows. The mean over the features of
            a row is minus its score. An array also after `set_output`, which concerns
            ``transform`` only; the columns are those of `X`, named
            ``feature_names_in_``.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        errors, measure = np.empty(X.shape), self._measure()
        for _, where, output, error in self._reconstructors(X).blocks():
            errors[where] = measure.by_feature(output, error)
        return errors

    def set_threshold(self, contamination=None, *, offset=None) -> Self:
        """Change the threshold without a new fit.

        The parameter `contamination`, which the next fit uses, does not change.

        Parameters
        ----------
        contamination : "auto" or float, default=None
            Share of outliers among the training rows, as in the constructor.

        offset : float, default=None
            The new `offset_`, as an alternative to `contamination`.

        Returns
        -------
        self : object
            The detector.
        """
        check_is_fitted(self)
        if (contamination is None) == (offset is None):
            raise ValueError(
                f"set_threshold got contamination={contamination!r} and "
                f"offset={offset!r}; give one of them."
            )
        if offset is not None:
            if not isinstance(offset, Real) or not np.isfinite(offset):
                raise ValueError(f"offset={offset!r} must be a finite number.")
            self.offset_ = float(offset)
            return self
        is_share = isinstance(contamination, Real) and 0 < contamination <= 0.5
        is_auto = isinstance(contamination, str) and contamination == "auto"
        if not (is_share or is_auto):
            raise ValueError(
                f"contamination={contamination!r} must be 'auto' or in (0, 0.5]."
            )
        self.offset_ = self._offset(contamination)
        return self

    def _score(self, X) -> np.ndarray:
        return self._reconstructors(X).scores([self._measure()])

    def _keep_measure(self, measure: NearestRows | None, unit: float) -> None:
        """Keep the measure as plain values, which files can hold."""
        self._usual = self._usual_weight = self._center = None
        self._level = self._n_neighbors = None
        self._unit = unit
        if measure is not None:
            self._usual, self._usual_weight = measure.usual, measure.weight
            self._center = measure.center
            self._level, self._n_neighbors = measure.level, measure.n_neighbors

    def _measure(self) -> Measure:
        scale = self.feature_scale_**2
        if self._usual is None:
            return SquareErrors(scale)
        return NearestRows(
            self._usual,
            self._usual_weight,
            self._center,
            scale,
            self._level,
            self._unit,
            self._n_neighbors,
        )

    def _reconstructors(self, X) -> "Reconstructors":
        parts = [(self.autoencoder_, np.arange(X.shape[0]))]
        return Reconstructors(X, parts, self._constant)

    def _offset(self, contamination) -> float:
        if contamination == "auto":
            return -limit(-self.held_out_scores_, self._weight)
        return float(
            weighted_quantile(self.training_scores_, contamination, self._weight)
        )

    # -- pickles -------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__().copy()
        return state | versions() if "offset_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        with loading(self, state) as (state, has_versions):
            super().__setstate__(state)
            if not has_versions:
                return
            n_features, n_rows = (self.n_features_in_,), np.shape(self._weight)[:1]
            for name, shape in {
                "feature_scale_": n_features,
                "_constant": n_features,
                "_weight": n_rows,
                "support_": n_rows,
                "held_out_scores_": n_rows,
                "training_scores_": n_rows,
            }.items():
                check_shape(name, getattr(self, name), shape)
            if self._usual is not None:
                self._check_nearest()
            if not isinstance(self.offset_, Real):
                raise ValueError(f"offset_ is {self.offset_!r}, not a number")
            width = getattr(self.autoencoder_, "n_features_in_", self.n_features_in_)
            if width != self.n_features_in_:
                raise ValueError(f"autoencoder_ was fitted to {width} features")

    def _check_nearest(self) -> None:
        """Raise a ValueError if the usual rows of a file cannot be used."""
        n_features = self.n_features_in_
        n_usual = np.shape(self._usual_weight)[:1]
        check_shape("_usual_weight", self._usual_weight, n_usual)
        if not np.all(self._usual_weight > 0):
            raise ValueError("_usual_weight has values that are not positive")
        check_shape("_usual", self._usual, (*n_usual, 2 * n_features))
        check_shape("_center", self._center, (n_features,))
        for name in ("_level", "_unit", "_n_neighbors"):
            value = getattr(self, name)
            if not isinstance(value, Real) or not value > 0:
                raise ValueError(f"{name} is {value!r}, not a positive number")

    # -- conventions ---------------------------------------------------------------

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        prototype = self._prototype()
        if hasattr(prototype, "__sklearn_tags__") and not isinstance(prototype, type):
            tags.input_tags.sparse = get_tags(prototype).input_tags.sparse
        return tags


class _Unseen(NamedTuple):
    """What is found from rows that were held out.

    Attributes
    ----------
    means : ndarray of shape (n_features,)
        The mean squared errors.
    scores : ndarray of shape (n_samples,)
        The score of each row.
    unit : float
        The mean squared distance that counts as one.
    """

    means: np.ndarray
    scores: np.ndarray
    unit: float


def _check_positive(weight: np.ndarray) -> None:
    """Raise a ValueError unless enough rows have a weight."""
    n_positive = np.count_nonzero(weight)
    if n_positive < _MIN_ROWS:
        raise ValueError(
            f"sample_weight is zero for all but {n_positive} rows; at least "
            f"{_MIN_ROWS} weights must be positive."
        )
    check_sum_of_weights(weight)


def _default(X: Any, rows: np.ndarray) -> Any:
    """What reconstructs these rows unless an autoencoder is given.

    A bounded code cannot grow to reconstruct extreme rows, and the loss limits their
    influence. With as many codes as columns, hardly any row would have errors.
    """
    if X.shape[1] == 1:
        return MedianReconstructor()
    mean, scale = mean_and_scale(X, rows, None)
    n_axes = number_of_axes(X, rows, None, mean, _SHARE)
    return Autoencoder(
        min(n_axes, X.shape[1] - 1),
        hidden_layer_sizes=64,
        init="random",
        code_activation="sigmoid",
        loss=Huber(_DELTA * scale),
        learning_rate=0.02,
        max_epochs=min(100, max(10, _TRAINED_ROWS // len(rows))),
    )
