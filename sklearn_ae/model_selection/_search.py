"""Grid search and randomised search whose candidates train together."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pickle import PicklingError
from typing import Any

import joblib
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from sklearn_ae._doc_link import DocLinkMixin
from sklearn_ae.batched.backend import TogetherBackend
from sklearn_ae.batched.rendezvous import current_call

_PARAMETERS = """\
scoring : str, callable, list, tuple, dict or None, default=None
        How predictions are scored, as in scikit-learn; None takes the estimator's own
        `score`, for an autoencoder the share of the variance explained.

    n_jobs : int or None, default=None
        How many fits run side by side, in threads, before and after their common
        training: those of the other steps, and the scoring. None means 1, -1 all
        processors. The training has as many threads as torch may use.

    refit : bool, str or callable, default=True
        Fit the best setting on all rows. With several scorers, the name of the one
        that decides; a callable takes `cv_results_` and returns the best index.

    cv : int, cross-validation generator, iterable or None, default=None
        How rows are split; None means five folds.

    verbose : int, default=0
        Above 0, says what is trained together, and what is not and why; more prints
        what scikit-learn prints, in which times include those of waiting.

    pre_dispatch : int or str, default="2*n_jobs"
        How many fits may be prepared at once, if an int; fits then train in groups of
        at most that many. Less memory is used for more time.

    error_score : "raise" or numeric, default=nan
        The score of settings that cannot be fitted, with a warning; "raise" raises
        their error.

    return_train_score : bool, default=False
        Whether `cv_results_` has scores on the training rows."""

_ATTRIBUTES = """\
cv_results_ : dict of str to ndarray
        A table with one row a setting: parameters, scores by fold, their mean and
        standard deviation, ranks, and times in seconds.

    best_estimator_ : estimator
        The estimator with the best setting, fitted on all rows; with `refit` only.

    best_score_ : float
        Its mean score over the folds.

    best_params_ : dict
        The best setting.

    best_index_ : int
        Its row in `cv_results_`.

    scorer_ : callable or dict
        What scored.

    n_splits_ : int
        Number of folds.

    refit_time_ : float
        Seconds that fitting the best setting took; with `refit` only.

    multimetric_ : bool
        Whether there are several scorers.

    classes_ : ndarray of shape (n_classes,)
        Of the best estimator, where it is a classifier.

    n_features_in_ : int
        Number of features, where the best estimator has one.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features, where all of them are strings."""


class StepsBefore:
    """The memory of a pipeline: what comes before the first training is fitted once.

    Once for each fold and each setting of these steps, that is. Has the part of the
    interface of `joblib.Memory` that pipelines use; results stay in this process.
    """

    def __init__(self) -> None:
        self._results: dict[str, Any] = {}

    def __deepcopy__(self, memo: dict) -> "StepsBefore":
        return self  # so that clones of a pipeline share it

    def cache(
        self, function: Callable[..., Any], ignore: Sequence[str] = ()
    ) -> Callable[..., Any]:
        signature = inspect.signature(function)

        def cached(*args: Any, **kwargs: Any) -> Any:
            call = current_call()
            if call is None or call.n_trainings:
                return function(*args, **kwargs)
            named = signature.bind(*args, **kwargs).arguments
            try:
                key = joblib.hash({k: v for k, v in named.items() if k not in ignore})
            except (PicklingError, TypeError, AttributeError):
                return function(*args, **kwargs)
            if key in self._results:
                return self._results[key]
            result = function(*args, **kwargs)
            if not call.n_trainings:
                self._results[key] = result
            return result

        return cached


class _TogetherMixin(DocLinkMixin):
    """A search of scikit-learn, as it is, on another backend of joblib."""

    def fit(self, X, y=None, **params):
        """Run fit with all sets of parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.

        y : array-like of shape (n_samples,) or (n_samples, n_output), default=None
            What the steps after the autoencoder and the scorer are given.

        **params : dict of str to object
            Passed to `fit` of the estimator, to the scorer and to the splitter.

        Returns
        -------
        self : object
            The search, fitted.
        """
        with ExitStack() as stack:
            backend = TogetherBackend(self.n_jobs, self.verbose, stack.close)
            stack.enter_context(parallel_config(backend=backend))
            with self._steps_before_fitted_once():
                return super().fit(X, y, **params)

    @contextmanager
    def _steps_before_fitted_once(self) -> Iterator[None]:
        estimator = self.estimator
        if not isinstance(estimator, Pipeline) or estimator.memory is not None:
            yield
            return
        self.estimator = clone(estimator).set_params(memory=StepsBefore())
        try:
            yield
        finally:
            self.estimator = estimator
            if hasattr(self, "best_estimator_"):
                self.best_estimator_.set_params(memory=None)


def _documented(cls: type) -> type:
    """Put what both searches share into the docstring of one of them."""
    doc = cls.__doc__ or ""
    doc = doc.replace("{shared_parameters}", _PARAMETERS)
    cls.__doc__ = doc.replace("{shared_attributes}", _ATTRIBUTES)
    return cls


@_documented
class BatchedGridSearchCV(_TogetherMixin, GridSearchCV):
    """Exhaustive search over parameters, whose candidates train together.

    The same search as :class:`sklearn.model_selection.GridSearchCV`, with the same
    parameters, results and scores, and faster where it trains dense autoencoders,
    alone or as a step of a pipeline: candidates and folds whose networks have the same
    shape are trained as one stacked network, in which each has its own
    hyperparameters, rows, noise and early stopping.

    Parameters
    ----------
    estimator : estimator object
        What is to be tuned: an autoencoder, a pipeline with one, or anything else that
        has `fit` and is scored by `scoring` or by its own `score`.

    param_grid : dict or list of dict
        Names of parameters, with the values to try; of a list each grid is searched.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    BatchedRandomizedSearchCV : The same for settings drawn at random.
    sklearn.model_selection.GridSearchCV : Trains one candidate after another, or
        several in processes of their own.

    Notes
    -----
    Together train networks whose parameters `n_components`, `hidden_layer_sizes`,
    activations, `dropout`, `tied_weights`, `init`, `loss`, `batch_size` and
    `early_stopping` agree, on equally many rows. The others may differ: `rho`, `lambd`,
    `beta`, weight penalties, corruption, the optimizer with its parameters and its
    learning rate, `max_epochs`, `random_state`. Networks that differ otherwise make
    further groups. Each leaves its group when it stops.

    Scores differ from those of `GridSearchCV` by rounding only, which grows with the
    number of steps; with ``random_state=None`` both draw anew.

    One at a time are trained convolutional networks and classes of the user's own, what
    has callbacks or is verbose, callables for `corruption`, Jacobians by random
    projections, optimizers given as a class that is not among the named ones, and large
    networks, for which stacking would gain nothing.

    Of a pipeline without a `memory` of its own, steps before the autoencoder are fitted
    once a fold and setting, and shared by the candidates.

    The fit times in `cv_results_` are shares of the time of a group.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import SparseAutoencoder
    >>> from sklearn_ae.model_selection import BatchedGridSearchCV
    >>> X = load_digits().data / 16
    >>> autoencoder = SparseAutoencoder(100, max_epochs=20, random_state=0)
    >>> grid = {"rho": [0.05, 0.1, 0.2], "lambd": [0.1, 1.0]}
    >>> search = BatchedGridSearchCV(autoencoder, grid, cv=3).fit(X)
    >>> search.best_params_
    {'lambd': 0.1, 'rho': 0.2}
    >>> search.best_estimator_.transform(X).shape
    (1797, 100)
    """


@_documented
class BatchedRandomizedSearchCV(_TogetherMixin, RandomizedSearchCV):
    """Randomised search over parameters, whose candidates train together.

    The same search as :class:`sklearn.model_selection.RandomizedSearchCV`; what trains
    together, and what does not, is said in :class:`BatchedGridSearchCV`.

    Parameters
    ----------
    estimator : estimator object
        What is to be tuned: an autoencoder, a pipeline with one, or anything else that
        has `fit` and is scored by `scoring` or by its own `score`.

    param_distributions : dict or list of dict
        Names of parameters, with lists of values or distributions that have a method
        `rvs`; of a list, one is drawn first.

    n_iter : int, default=10
        How many settings are drawn.

    {shared_parameters}

    random_state : int, RandomState instance or None, default=None
        Rules which settings are drawn.

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    BatchedGridSearchCV : Tries all settings of a grid.
    sklearn.model_selection.RandomizedSearchCV : Trains one candidate after another, or
        several in processes of their own.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import SparseAutoencoder
    >>> from sklearn_ae.model_selection import BatchedRandomizedSearchCV
    >>> X = load_digits().data / 16
    >>> autoencoder = SparseAutoencoder(100, max_epochs=20, random_state=0)
    >>> settings = {"rho": loguniform(0.01, 0.3), "lambd": loguniform(0.01, 10)}
    >>> search = BatchedRandomizedSearchCV(
    ...     autoencoder, settings, n_iter=8, cv=3, random_state=0
    ... ).fit(X)
    >>> bool(search.best_score_ > 0.9)
    True
    """
