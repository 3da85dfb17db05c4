"""Grid search and randomised search whose candidates train together."""

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Self

from joblib import effective_n_jobs, parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from sklearn_ae._doc_link import DocLinkMixin
from sklearn_ae.batched import run_together
from sklearn_ae.model_selection._joblib_compat import (
    GatheringBackend,
    runs_in_other_processes,
)
from sklearn_ae.model_selection._pipeline_cache import PipelineCache
from sklearn_ae.model_selection._ranking import settle_ranks
from sklearn_ae.model_selection._shares import run_shares

# What the copy that searches has beside the attributes of a search.
_OF_THE_COPY = {"_backend", "_backend_config", "_rounds_otherwise"}


# Older versions of scikit-learn tell the number of folds only after the search. More
# jobs than tasks do no harm, and fewer make more groups.
_MANY_SPLITS = 100


class BatchedSearchMixin(DocLinkMixin):
    """Runs all fits of a scikit-learn search together.

    Parameters
    ----------
    estimator : estimator object
        The estimator to tune: an autoencoder, a pipeline with one, or any other
        estimator. It is scored by `scoring` or by its own `score`.

    scoring : str, callable, list, tuple, dict or None, default=None
        Scoring of the candidates, as in scikit-learn. None uses the estimator's own
        `score`, which for an autoencoder is the share of the variance explained.

    n_jobs : int or None, default=None
        Number of threads for everything except the training of networks: the other
        steps of a pipeline, and scoring. None means 1, and -1 all processors. The
        number of threads for training is that of torch. Where
        `joblib.parallel_config` has set a backend of other processes, the number
        of its workers, as in scikit-learn.

    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all rows. With several scorers, the name of
        the scorer that determines it. A callable takes `cv_results_` and returns the
        index of the best candidate.

    cv : int, cross-validation generator, iterable or None, default=None
        How to split the rows. None means five folds.

    verbose : int, default=0
        Above 0, print which networks are trained together, and which are not and why,
        and show a bar of their epochs with the time that is left. Higher values also
        print the messages of scikit-learn, in which times include waiting for other
        fits.

    pre_dispatch : int or str, default="2*n_jobs"
        An int limits the number of fits that are prepared at once, and thus the size of
        the groups that are trained together. This saves memory but takes more time.

    error_score : "raise" or numeric, default=nan
        Score of candidates that cannot be fitted, which gives a warning. "raise" raises
        their error.

    return_train_score : bool, default=False
        Whether `cv_results_` includes scores on the training rows.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        A table with one row per candidate: parameters, scores per fold, their mean and
        standard deviation, ranks, and times in seconds.

    best_estimator_ : estimator
        The best candidate, fitted on all rows; only with `refit`.

    best_score_ : float
        Mean score of the best candidate over the folds.

    best_params_ : dict
        Parameters of the best candidate.

    best_index_ : int
        Row of the best candidate in `cv_results_`.

    scorer_ : callable or dict
        The scorer, or several by name.

    n_splits_ : int
        Number of folds.

    refit_time_ : float
        Seconds for fitting the best candidate on all rows; only with `refit`.

    multimetric_ : bool
        Whether there are several scorers.

    classes_ : ndarray of shape (n_classes,)
        Classes of the best estimator, if it is a classifier.

    n_features_in_ : int
        Number of features, if the best estimator has it.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, if all of them are strings.
    """

    _doc_link_package = "sklearn_ae.model_selection"

    def fit(self, X, y=None, **params) -> Self:
        """Run fit with all sets of parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.

        y : array-like of shape (n_samples,) or (n_samples, n_output), default=None
            Target for the steps after the autoencoder and for the scorer.

        **params : dict of str to object
            Passed to `fit` of the estimator, to the scorer and to the splitter.

        Returns
        -------
        self : object
            The search, fitted.
        """
        # A copy searches, so that an error or an interrupt leaves this one as it was.
        search = copy.copy(self)
        if isinstance(self.estimator, Pipeline) and self.estimator.memory is None:
            search.estimator = clone(self.estimator).set_params(memory=PipelineCache())
        search._rounds_otherwise = False
        search._backend = GatheringBackend(search._fit_together)
        with ExitStack() as search._backend_config:
            search._backend_config.enter_context(
                parallel_config(backend=search._backend)
            )
            super(BatchedSearchMixin, search).fit(X, y, **params)
        best = getattr(search, "best_estimator_", None)
        if isinstance(getattr(best, "memory", None), PipelineCache):
            best.set_params(memory=None)
        of_the_copy = self.get_params(deep=False).keys() | _OF_THE_COPY
        fitted = {k: v for k, v in vars(search).items() if k not in of_the_copy}
        vars(self).update(fitted)
        return self

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        # The search has its `Parallel` by now, and nothing else must use the backend:
        # from here on the user's is the active one.
        self._backend_config.close()

        def evaluate(candidate_params, *args, **kwargs):
            candidates = list(candidate_params)
            n_splits = getattr(self, "n_splits_", _MANY_SPLITS)
            self._backend.n_tasks = len(candidates) * n_splits
            try:
                results = evaluate_candidates(candidates, *args, **kwargs)
            finally:
                self._backend.n_tasks = 0
            if self._rounds_otherwise:
                self._settle_ties(results)
            return results

        # scikit-learn before 1.9 has no callbacks.
        context = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(evaluate, **context)

    def __getstate__(self):
        # scikit-learn sends the search to workers, which need no part of its running.
        state = super().__getstate__()
        return {name: v for name, v in state.items() if name not in _OF_THE_COPY}

    @staticmethod
    def _settle_ties(results: dict[str, Any]) -> None:
        """Let scores that differ by rounding count as equal."""
        settle_ranks(results)

    def _fit_together(self, tasks: Sequence[Callable[[], Any]]) -> list[Any]:
        # From `_run_search` on, both are about the backend of the user.
        n_jobs = effective_n_jobs(self.n_jobs)
        run = run_shares if runs_in_other_processes() else run_together
        fits = run(tasks, n_jobs=n_jobs, verbose=self.verbose)
        for fit in fits:
            self._rounds_otherwise |= fit.was_stacked
            for scores in fit.result:
                if "fit_time" in scores:
                    scores["fit_time"] += fit.trained - fit.waited
        return [fit.result for fit in fits]


class BatchedGridSearchCV(BatchedSearchMixin, GridSearchCV):
    """Exhaustive search over parameters, whose candidates train together.

    The same search as :class:`sklearn.model_selection.GridSearchCV`, with the same
    parameters, results and scores, and faster where it trains dense autoencoders,
    alone or as a step of a pipeline: candidates and folds whose networks have the same
    shape are trained as one stacked network, in which each has its own
    hyperparameters, rows, noise and end of training.

    Parameters
    ----------
    estimator : estimator object
        The estimator to tune: an autoencoder, a pipeline with one, or any other
        estimator. It is scored by `scoring` or by its own `score`.

    param_grid : dict or list of dict
        Names of parameters, with the values to try; of a list each grid is searched.

    scoring : str, callable, list, tuple, dict or None, default=None
        Scoring of the candidates, as in scikit-learn. None uses the estimator's own
        `score`, which for an autoencoder is the share of the variance explained.

    n_jobs : int or None, default=None
        Number of threads for everything except the training of networks: the other
        steps of a pipeline, and scoring. None means 1, and -1 all processors. The
        number of threads for training is that of torch. Where
        `joblib.parallel_config` has set a backend of other processes, the number
        of its workers, as in scikit-learn.

    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all rows. With several scorers, the name of
        the scorer that determines it. A callable takes `cv_results_` and returns the
        index of the best candidate.

    cv : int, cross-validation generator, iterable or None, default=None
        How to split the rows. None means five folds.

    verbose : int, default=0
        Above 0, print which networks are trained together, and which are not and why,
        and show a bar of their epochs with the time that is left. Higher values also
        print the messages of scikit-learn, in which times include waiting for other
        fits.

    pre_dispatch : int or str, default="2*n_jobs"
        An int limits the number of fits that are prepared at once, and thus the size of
        the groups that are trained together. This saves memory but takes more time.

    error_score : "raise" or numeric, default=nan
        Score of candidates that cannot be fitted, which gives a warning. "raise" raises
        their error.

    return_train_score : bool, default=False
        Whether `cv_results_` includes scores on the training rows.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        A table with one row per candidate: parameters, scores per fold, their mean and
        standard deviation, ranks, and times in seconds.

    best_estimator_ : estimator
        The best candidate, fitted on all rows; only with `refit`.

    best_score_ : float
        Mean score of the best candidate over the folds.

    best_params_ : dict
        Parameters of the best candidate.

    best_index_ : int
        Row of the best candidate in `cv_results_`.

    scorer_ : callable or dict
        The scorer, or several by name.

    n_splits_ : int
        Number of folds.

    refit_time_ : float
        Seconds for fitting the best candidate on all rows; only with `refit`.

    multimetric_ : bool
        Whether there are several scorers.

    classes_ : ndarray of shape (n_classes,)
        Classes of the best estimator, if it is a classifier.

    n_features_in_ : int
        Number of features, if the best estimator has it.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, if all of them are strings.

    See Also
    --------
    BatchedRandomizedSearchCV : The same for settings drawn at random.
    sklearn.model_selection.GridSearchCV : Trains one candidate after another, or
        several in separate processes.

    Notes
    -----
    Networks are trained together if they have the same number of training rows and of
    held-out rows, and the same `n_components`, `hidden_layer_sizes`, activations,
    `dropout`, `tied_weights`, `init`, `loss` and `batch_size`. All other parameters may
    differ: `rho`, `lambd`, `beta`, weight penalties, the corruption, the optimizer with
    its parameters and learning rate, `max_epochs`, `random_state`. A network leaves its
    group when its training ends.

    Scores differ from those of `GridSearchCV` by rounding only, which grows with the
    number of steps; with ``random_state=None`` both draw anew. Candidates that compute
    the same, for instance because they differ in a stopping rule that never applies or
    in a later step of a pipeline, are trained once and have the same weights. Where
    networks trained together, scores of a fold that differ by less than 1.2e-7 of their
    size, which is the resolution of single precision, count as equal in the ranks. Of
    equal ranks the first in the grid wins, as in `GridSearchCV`.

    Convolutional and user-defined networks are trained one at a time. So are networks
    with callbacks or progress bars, with Jacobians by random projections, with
    user-defined losses, corruptions or optimizers, with user-defined penalties unless
    these declare `batchable_fields`, and large networks, which would gain nothing.
    Networks of a fit with a `checkpoint` do not train with those of other fits.

    In a pipeline without a `memory`, the steps before the autoencoder are fitted once
    per fold and setting; each candidate gets a copy of the result.

    The fit times in `cv_results_` are shares of the time of a group.

    Where `joblib.parallel_config` has set a backend whose workers are other
    processes, such as "loky", "dask", "ray" or "spark", the fits are cut into one share
    for each worker, which trains it together: see the user guide,
    :ref:`search-on-a-cluster`. With any other backend, and without one, all networks
    train in this process.

    An interrupt ends the search after the steps that are running, and leaves it as it
    was before.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import SparseAutoencoder
    >>> from sklearn_ae.model_selection import BatchedGridSearchCV
    >>> X = load_digits().data / 16
    >>> autoencoder = SparseAutoencoder(100, max_epochs=10, random_state=0)
    >>> grid = {"rho": [0.05, 0.1, 0.2], "lambd": [0.1, 10.0]}
    >>> search = BatchedGridSearchCV(autoencoder, grid, cv=2).fit(X)
    >>> search.best_params_
    {'lambd': 0.1, 'rho': 0.2}
    >>> search.best_estimator_.transform(X).shape
    (1797, 100)
    """


class BatchedRandomizedSearchCV(BatchedSearchMixin, RandomizedSearchCV):
    """Randomised search over parameters, whose candidates train together.

    The same search as :class:`sklearn.model_selection.RandomizedSearchCV`. What trains
    together, and what does not, is described in :class:`BatchedGridSearchCV`.

    Parameters
    ----------
    estimator : estimator object
        The estimator to tune: an autoencoder, a pipeline with one, or any other
        estimator. It is scored by `scoring` or by its own `score`.

    param_distributions : dict or list of dict
        Names of parameters, with lists of values or distributions that have a method
        `rvs`; of a list, one is drawn first.

    n_iter : int, default=10
        How many settings are drawn.

    scoring : str, callable, list, tuple, dict or None, default=None
        Scoring of the candidates, as in scikit-learn. None uses the estimator's own
        `score`, which for an autoencoder is the share of the variance explained.

    n_jobs : int or None, default=None
        Number of threads for everything except the training of networks: the other
        steps of a pipeline, and scoring. None means 1, and -1 all processors. The
        number of threads for training is that of torch. Where
        `joblib.parallel_config` has set a backend of other processes, the number
        of its workers, as in scikit-learn.

    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all rows. With several scorers, the name of
        the scorer that determines it. A callable takes `cv_results_` and returns the
        index of the best candidate.

    cv : int, cross-validation generator, iterable or None, default=None
        How to split the rows. None means five folds.

    verbose : int, default=0
        Above 0, print which networks are trained together, and which are not and why,
        and show a bar of their epochs with the time that is left. Higher values also
        print the messages of scikit-learn, in which times include waiting for other
        fits.

    pre_dispatch : int or str, default="2*n_jobs"
        An int limits the number of fits that are prepared at once, and thus the size of
        the groups that are trained together. This saves memory but takes more time.

    random_state : int, RandomState instance or None, default=None
        Controls which settings are drawn.

    error_score : "raise" or numeric, default=nan
        Score of candidates that cannot be fitted, which gives a warning. "raise" raises
        their error.

    return_train_score : bool, default=False
        Whether `cv_results_` includes scores on the training rows.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        A table with one row per candidate: parameters, scores per fold, their mean and
        standard deviation, ranks, and times in seconds.

    best_estimator_ : estimator
        The best candidate, fitted on all rows; only with `refit`.

    best_score_ : float
        Mean score of the best candidate over the folds.

    best_params_ : dict
        Parameters of the best candidate.

    best_index_ : int
        Row of the best candidate in `cv_results_`.

    scorer_ : callable or dict
        The scorer, or several by name.

    n_splits_ : int
        Number of folds.

    refit_time_ : float
        Seconds for fitting the best candidate on all rows; only with `refit`.

    multimetric_ : bool
        Whether there are several scorers.

    classes_ : ndarray of shape (n_classes,)
        Classes of the best estimator, if it is a classifier.

    n_features_in_ : int
        Number of features, if the best estimator has it.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, if all of them are strings.

    See Also
    --------
    BatchedGridSearchCV : Tries all settings of a grid.
    sklearn.model_selection.RandomizedSearchCV : Trains one candidate after another, or
        several in separate processes.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import SparseAutoencoder
    >>> from sklearn_ae.model_selection import BatchedRandomizedSearchCV
    >>> X = load_digits().data / 16
    >>> autoencoder = SparseAutoencoder(100, max_epochs=10, random_state=0)
    >>> settings = {"rho": loguniform(0.01, 0.3), "lambd": loguniform(0.01, 10)}
    >>> search = BatchedRandomizedSearchCV(
    ...     autoencoder, settings, n_iter=8, cv=2, random_state=0
    ... ).fit(X)
    >>> print(f"{search.best_score_:.2f}")
    0.9...
    """
