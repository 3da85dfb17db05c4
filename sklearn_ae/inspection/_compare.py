"""Estimators side by side: quality on held-out rows, and time."""

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.manifold import trustworthiness
from sklearn.metrics import check_scoring
from sklearn.metrics.pairwise import nan_euclidean_distances
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedKFold,
    check_cv,
    cross_validate,
)
from sklearn.preprocessing import StandardScaler
from sklearn.utils.multiclass import type_of_target

from sklearn_ae.inspection._checks import check_count, check_option, last_step
from sklearn_ae.inspection._tiles import as_rows

if TYPE_CHECKING:
    import pandas as pd

# Kinds of targets by which folds are stratified, as in scikit-learn.
STRATIFIABLE = ("binary", "multiclass")
TIMES = ("fit_time", "transform_time")


def compare(
    estimators,
    X,
    y=None,
    *,
    cv=None,
    groups=None,
    downstream=None,
    scoring=None,
    n_neighbors=None,
    standardize=False,
    n_jobs=None,
    error_score=np.nan,
    clock=time.perf_counter,
    random_state=0,
) -> "pd.DataFrame":
    """Compare estimators by cross-validation: errors, codes and times, as a data frame.

    Clones of all estimators are fitted to the same training rows, and measured on the
    rows that were held out. What an estimator cannot do is NaN.

    Parameters
    ----------
    estimators : estimator, dict of str to estimator, or sequence
        What to compare: autoencoders, PCA, any other estimator with `transform`,
        pipelines and searches. The items of a sequence are estimators or pairs of name
        and estimator. Estimators without a name are called after their class or, in
        pipelines, that of the last step. Errors are divided by those of the first one.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Data to split. Entries may be NaN if the estimators take them; errors are then
        means over the observed entries.

    y : array-like of shape (n_samples,), default=None
        Target of `downstream`. It is passed to `fit` of the estimators too, as in a
        pipeline: autoencoders and PCA ignore it, UMAP and linear discriminant analysis
        use it.

    cv : int, cross-validation generator or iterable, default=None
        How to split the rows. An int is the number of folds, and None uses five. Their
        rows are drawn at random, because many tables are sorted; folds have equal
        shares of the classes if `downstream` is a classifier. For series in time pass a
        :class:`~sklearn.model_selection.TimeSeriesSplit`.

    groups : array-like of shape (n_samples,), default=None
        Groups of rows that must not be divided, such as the visits of a patient. They
        are passed to `split` of `cv`; an int is then the number of folds of
        :class:`~sklearn.model_selection.GroupKFold`.

    downstream : estimator, default=None
        Classifier or regressor, such as ``LogisticRegression()``, of which a clone is
        fitted to the codes of the training rows and scored on those of the others.

    scoring : str or callable, default=None
        Score of `downstream`, as in :func:`~sklearn.model_selection.cross_val_score`.
        None is its `score`.

    n_neighbors : int, default=None
        Number of neighbours of the trustworthiness, less than half the rows of a fold.
        None does not compute it, since it takes time and memory proportional to the
        square of that number of rows.

    standardize : bool, default=False
        Whether errors and distances are measured in units of the standard deviations of
        the features over `X`, so that all features count alike. With False they are in
        the units of `X`, in which features of a large variance count most. Estimators
        get `X` as it is in either case.

    n_jobs : int, default=None
        Number of folds that are fitted in parallel, which makes each of them slower
        where they share cores.

    error_score : "raise" or float, default=np.nan
        Value of what cannot be measured because an estimator raised an error, with a
        warning; a mean over folds one of which is NaN is NaN. "raise" raises the error.
        An estimator that cannot be fitted in any fold is an error with any value.

    clock : callable, default=time.perf_counter
        Function without arguments that returns seconds. `time.process_time` counts
        those of the processor, of all threads.

    random_state : int, RandomState instance or None, default=0
        Seed of the folds if `cv` is an int or None. By default two calls use the same
        folds. Estimators have their own seeds.

    Returns
    -------
    comparison : pandas.DataFrame with one row per estimator
        Indexed by "estimator". Each column is the mean over the folds, and all but the
        times are followed by the standard deviation over them, in a column with the
        suffix "_std":

        - "error": the mean of ``(x_ij - xhat_ij)^2`` over the entries;
        - "ratio": the error divided by that of the first estimator on the same fold;
        - "explained": ``1 - sum_ij (x_ij - xhat_ij)^2 / sum_ij (x_ij - mean_j)^2`` with
          the means of the held-out rows, as `score` of an autoencoder;
        - "trustworthiness": whether neighbours among the codes are neighbours in `X`,
          from 0 to 1 [1]_; with `n_neighbors`;
        - "score": that of `downstream`;
        - "fit_time": seconds of `fit`;
        - "transform_time": seconds of `transform` of the held-out rows.

        ``comparison.attrs["folds"]`` has the values of all folds, a dict of lists by
        quantity and estimator: ``pandas.DataFrame(comparison.attrs["folds"]["error"])``
        is the table of the errors with a row per fold. ``comparison.attrs["baseline"]``
        is the name of the first estimator.

    Raises
    ------
    ValueError
        If a parameter is invalid, `X` holds other things than numbers, or an estimator
        cannot be fitted in any fold.

    ImportError
        If pandas is not installed, the extra ``frames``.

    See Also
    --------
    ComparisonDisplay : Quality against time, as a plot.
    ComponentsDisplay : Errors against the number of components.
    sklearn.model_selection.cross_validate : Does the fits.

    Notes
    -----
    `inverse_transform` of a pipeline undoes its scaling: errors are in the units of the
    `X` that is passed here, whatever its steps do. ``StandardScaler`` in a pipeline
    therefore changes what the model fits, not what is measured; see `standardize`.

    The trustworthiness of n rows for k neighbours is
    ``1 - 2 / (n k (2 n - 3 k - 1)) * sum_i sum_j max(0, r(i, j) - k)``, where j goes
    through the k nearest neighbours of row i among the codes, and r(i, j) is 1 if row j
    is the nearest neighbour of row i in `X`, 2 if it is the second, and so on. If
    there are gaps, neighbours in `X` are those by
    :func:`~sklearn.metrics.pairwise.nan_euclidean_distances`.

    An estimator without `transform`, such as t-SNE, has a `fit_time` only; one without
    `inverse_transform`, or with one that it cannot use after its fit, has no error.
    That of a :class:`~sklearn.impute.SimpleImputer` raises an error. For PCA of a table
    with gaps use ``Autoencoder(n_components, max_epochs=0, missing_values=np.nan)``.

    References
    ----------
    .. [1] Venna and Kaski (2001). "Neighborhood preservation in nonlinear projection
       methods: an experimental study". ICANN 2001. :doi:`10.1007/3-540-44668-0_68`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.inspection import compare
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(8, max_epochs=10, random_state=0)
    >>> comparison = compare({"PCA": PCA(8), "Autoencoder": autoencoder}, X / 16, cv=2)
    >>> comparison["ratio"].round(1).to_dict()
    {'PCA': 1.0, 'Autoencoder': 0.6}
    """
    pd = _import_pandas()
    named = _named(estimators)
    check_option("standardize", standardize, (False, True))
    scorer = _check_downstream(downstream, scoring, y)
    if not hasattr(X, "toarray"):  # sparse matrices have numbers
        as_rows(X, may_have_gaps=True)
    splits = _splits(X, y, cv, groups, downstream, random_state)
    _check_neighbors(n_neighbors, splits)
    unit = StandardScaler(with_mean=False).fit(X).scale_ if standardize else None
    folds = {}
    for name, estimator in named.items():
        candidate = _Candidate(estimator, downstream, clock)
        measure = _Measure(name, unit, n_neighbors, scorer, error_score, clock)
        folds[name] = _measured(candidate, measure, X, y, cv=splits, n_jobs=n_jobs)
    _add_ratios(folds)
    return _summary(pd, folds, measure.quantities)


def _add_ratios(folds):
    """Errors divided by those of the first estimator, which should have some."""
    (first, baseline), *others = folds.items()
    for values in folds.values():
        with np.errstate(divide="ignore", invalid="ignore"):
            values["ratio"] = values["error"] / baseline["error"]
    has_error = {name: np.isfinite(values["error"]).any() for name, values in others}
    if any(has_error.values()) and np.isnan(baseline["error"]).all():
        warnings.warn(
            f"The column 'ratio' is NaN, because {first!r} has no errors to divide by; "
            f"put an estimator first that has some, such as "
            f"{max(has_error, key=has_error.get)!r}.",
            UserWarning,
            stacklevel=3,
        )


def _measured(candidate, measure, X, y, **options):
    """{quantity: values of all folds}."""
    try:
        results = cross_validate(
            candidate,
            X,
            y,
            scoring=measure,
            params={},  # None fails in scikit-learn 1.6 with metadata routing
            error_score=measure.error_score,
            **options,
        )
    except Exception as error:
        error.add_note(f"This is from the estimator {measure.name!r}.")
        raise
    return {key: results[f"test_{key}"] for key in measure.quantities}


def _summary(pd, folds, quantities):
    """Means and standard deviations over the folds, which are among the attributes."""
    columns = {}
    for key in quantities:
        by_name = {name: values[key] for name, values in folds.items()}
        columns[key] = {name: np.mean(v) for name, v in by_name.items()}
        if key not in TIMES:
            columns[f"{key}_std"] = {name: np.std(v) for name, v in by_name.items()}
    frame = pd.DataFrame(columns, index=pd.Index(list(folds), name="estimator"))
    frame.attrs["baseline"] = next(iter(folds))
    frame.attrs["folds"] = {
        key: {name: values[key].tolist() for name, values in folds.items()}
        for key in quantities
    }
    return frame


# -- what is fitted, and what is measured ----------------------------------------------


class _Candidate(BaseEstimator):
    """An estimator and what is fitted to its codes; keeps the time of the first fit."""

    def __init__(self, estimator, downstream, clock):
        self.estimator = estimator
        self.downstream = downstream
        self.clock = clock

    def fit(self, X, y=None):
        self.estimator_ = clone(self.estimator)
        start = self.clock()
        self.estimator_.fit(X, *([] if y is None else [y]))
        self.fit_time_ = self.clock() - start
        if self.downstream is not None and hasattr(self.estimator_, "transform"):
            codes = as_rows(self.estimator_.transform(X))
            self.failure_ = None
            try:
                self.downstream_ = clone(self.downstream).fit(codes, y)
            except Exception as error:
                # What does not need it is measured all the same.
                self.failure_ = error
        return self


@dataclass(frozen=True)
class _Measure:
    """Measures a fitted candidate on held-out rows, as a scorer with several scores."""

    name: str
    unit: np.ndarray | None
    n_neighbors: int | None
    scorer: Callable[..., float] | None
    error_score: Any
    clock: Callable[[], float]

    @property
    def quantities(self):
        extra = [] if self.n_neighbors is None else ["trustworthiness"]
        extra += [] if self.scorer is None else ["score"]
        return ["error", "ratio", "explained", *extra, *TIMES]

    def __call__(self, candidate, X, y=None):
        values = dict.fromkeys(self.quantities, np.nan)
        values["fit_time"] = candidate.fit_time_
        try:
            for measured in self._steps(candidate, X, y):
                values |= measured
        except (NotFittedError, NotImplementedError):
            pass  # has the method for other values of its parameters only
        except Exception as error:
            failed = [key for key, value in values.items() if np.isnan(value)]
            values |= dict.fromkeys(failed, self._failed(repr(self.name), error))
        return values

    def _failed(self, what, error):
        """The value of what cannot be measured, with a warning; or raises the error."""
        if self.error_score == "raise":
            raise error
        warnings.warn(
            f"{what} could not be measured on a fold; {type(error).__name__}: {error}",
            stacklevel=3,
        )
        return self.error_score

    def _steps(self, candidate, X, y):
        """Yields what has been measured, the errors last: they may not exist."""
        estimator = candidate.estimator_
        if not hasattr(estimator, "transform"):
            return
        start = self.clock()
        codes = estimator.transform(X)
        yield {"transform_time": self.clock() - start}
        rows = self._in_units(X)
        if self.n_neighbors is not None:
            yield {"trustworthiness": _trust(rows, as_rows(codes), self.n_neighbors)}
        if self.scorer is not None:
            yield {"score": self._score(candidate, codes, y)}
        if hasattr(estimator, "inverse_transform"):
            reconstruction = self._in_units(estimator.inverse_transform(codes))
            yield _errors(rows, reconstruction)

    def _score(self, candidate, codes, y):
        """The score of the predictor, whose failure is not one of the estimator."""
        try:
            if candidate.failure_ is not None:
                raise candidate.failure_
            return float(self.scorer(candidate.downstream_, as_rows(codes), y))
        except Exception as error:
            what = f"{candidate.downstream!r} on the codes of {self.name!r}"
            return self._failed(what, error)

    def _in_units(self, X):
        rows = as_rows(X, may_have_gaps=True)
        return rows if self.unit is None else rows / self.unit


def _errors(rows, reconstruction):
    if rows.shape != reconstruction.shape:
        raise ValueError(
            f"X has the shape {rows.shape}, but its reconstruction has "
            f"{reconstruction.shape}; they cannot be compared."
        )
    observed = ~np.isnan(rows)
    rows = np.ma.masked_array(rows, ~observed, dtype=np.float64)
    squares = np.square(rows - reconstruction)
    total = np.square(rows - rows.mean(axis=0)).sum()
    error = squares.sum()
    explained = 1 - error / total if total > 0 else float(error == 0)
    return {"error": float(squares.mean()), "explained": float(explained)}


def _trust(rows, codes, n_neighbors):
    if not np.isnan(rows).any():
        return float(trustworthiness(rows, codes, n_neighbors=n_neighbors))
    distances = nan_euclidean_distances(rows)
    return float(
        trustworthiness(distances, codes, n_neighbors=n_neighbors, metric="precomputed")
    )


# -- arguments -------------------------------------------------------------------------


def _import_pandas():
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "compare needs pandas; install it with `pip install 'sklearn-ae[frames]'`."
        ) from error
    return pd


def _named(estimators):
    """{name: estimator}, whatever form the estimators are passed in."""
    if hasattr(estimators, "fit"):
        estimators = [estimators]
    if isinstance(estimators, dict):
        estimators = estimators.items()
    if isinstance(estimators, str) or not isinstance(estimators, Iterable):
        raise ValueError(
            f"estimators={estimators!r} must be an estimator such as PCA(2), a dict of "
            "names and estimators, or a list of estimators."
        )
    pairs = [_pair(item) for item in estimators]
    if not pairs:
        raise ValueError("estimators is empty; pass at least one estimator.")
    for name, estimator in pairs:
        if not hasattr(estimator, "fit") or isinstance(estimator, type):
            raise ValueError(
                f"estimators: {name!r} is {estimator!r}, but must be an estimator, an "
                "object with `fit` such as PCA(2)."
            )
    twice = [name for name, n in Counter(name for name, _ in pairs).items() if n > 1]
    if twice:
        raise ValueError(
            f"estimators: {twice[0]!r} names several of them; pass a dict with a name "
            "for each."
        )
    return dict(pairs)


def _pair(item):
    if isinstance(item, tuple) and len(item) == 2:
        return item
    return type(last_step(item)).__name__, item


def _check_downstream(downstream, scoring, y):
    """The scorer of the predictor, or None if there is none."""
    if downstream is None:
        if scoring is not None:
            raise ValueError(
                f"scoring={scoring!r} is the score of `downstream`, which is None; "
                "pass a classifier or regressor, such as LogisticRegression()."
            )
        return None
    if y is None:
        raise ValueError(f"downstream={downstream!r} needs its target, but y is None.")
    return check_scoring(downstream, scoring)


def _splits(X, y, cv, groups, downstream, random_state):
    """The same pairs of training and held-out rows for all estimators."""
    if cv is None or isinstance(cv, Integral):
        n_folds = 5 if cv is None else cv
        if n_folds < 2:
            raise ValueError(f"cv={cv} must be at least 2 folds.")
        random = {"shuffle": True, "random_state": random_state}
        if groups is not None:
            cv = GroupKFold(n_folds)
        elif _has_classes(downstream, y):
            cv = StratifiedKFold(n_folds, **random)
        else:
            cv = KFold(n_folds, **random)
    # A list, because generators are exhausted and random splits differ next time.
    return list(check_cv(cv).split(X, y, groups))


def _has_classes(downstream, y):
    if downstream is None or not is_classifier(downstream):
        return False
    return type_of_target(y) in STRATIFIABLE


def _check_neighbors(n_neighbors, splits):
    if n_neighbors is None:
        return
    check_count("n_neighbors", n_neighbors)
    fewest = min(len(held_out) for _, held_out in splits)
    if n_neighbors >= fewest / 2:
        raise ValueError(
            f"n_neighbors={n_neighbors} must be less than half the rows of a fold; the "
            f"smallest has {fewest}."
        )
