"""Successive halving whose candidates train together."""

from typing import Any

from sklearn_ae._sklearn_compat import HalvingGridSearchCV, HalvingRandomSearchCV
from sklearn_ae.model_selection._ranking import settle_scores
from sklearn_ae.model_selection._search import BatchedSearchMixin


class _BatchedHalvingMixin(BatchedSearchMixin):
    """Runs all fits of an iteration of scikit-learn's successive halving together.

    Parameters
    ----------
    factor : int or float, default=3
        One in `factor` candidates goes on to the next iteration, with `factor` times
        the resources.

    resource : str, default="n_samples"
        What grows from one iteration to the next: "n_samples", the number of rows, or
        a parameter of the estimator that takes positive integers, such as "max_epochs"
        or, in a pipeline, "autoencoder__max_epochs".

    max_resources : int or "auto", default="auto"
        Largest amount of the resource for one candidate. "auto" stands for all rows;
        any other resource needs a number.

    min_resources : {"exhaust", "smallest"} or int, default="exhaust"
        Amount of the resource in the first iteration. "exhaust" chooses the largest
        with which the last iteration stays within `max_resources`. "smallest" is 1 or,
        for rows, twice the number of folds, times the number of classes if the
        estimator is a classifier.

    aggressive_elimination : bool, default=False
        If `max_resources` allows too few iterations to come down to `factor`
        candidates, repeat the first amount of the resource until it does.

    scoring : str, callable or None, default=None
        Scoring of the candidates, as in scikit-learn; a single score. None uses the
        estimator's own `score`, which for an autoencoder is the share of the variance
        explained.

    refit : bool, default=True
        Whether to fit the best candidate on all rows.

    cv : int, cross-validation generator or iterable, default=5
        How to split the rows. A generator must give the same folds each time.

    random_state : int, RandomState instance or None, default=None
        Controls which rows are drawn if the resource is "n_samples".

    verbose : int, default=0
        Above 0, print the iterations, and which networks are trained together, and
        which are not and why. Higher values also print the messages of scikit-learn
        about single fits, in which times include waiting for other fits.

    return_train_score : bool, default=True
        Whether `cv_results_` includes scores on the training rows.

    Attributes
    ----------
    n_resources_ : list of int
        Amount of the resource for each candidate, per iteration.

    n_candidates_ : list of int
        Number of candidates, per iteration.

    n_remaining_candidates_ : int
        Number of candidates that would have gone on after the last iteration.

    max_resources_ : int
        Largest amount of the resource allowed for one candidate.

    min_resources_ : int
        Amount of the resource in the first iteration.

    n_iterations_ : int
        Number of iterations.

    n_possible_iterations_ : int
        Number of iterations that the resources allow.

    n_required_iterations_ : int
        Number of iterations after which at most `factor` candidates are left.

    cv_results_ : dict of str to ndarray
        A table with one row per candidate and iteration: the iteration (``iter``), the
        amount of the resource (``n_resources``), parameters, scores per fold, their
        mean and standard deviation, ranks, and times in seconds.

    best_score_ : float
        Mean score of the best candidate over the folds, in the last iteration.

    best_params_ : dict
        Parameters of the candidate that is best in the last iteration.
    """

    @staticmethod
    def _settle_ties(results: dict[str, Any]) -> None:
        settle_scores(results)


class BatchedHalvingGridSearchCV(_BatchedHalvingMixin, HalvingGridSearchCV):
    """Successive halving over a grid, whose candidates train together.

    The same search as :class:`sklearn.model_selection.HalvingGridSearchCV`, with the
    same parameters, results and scores, and faster where it trains dense autoencoders:
    the first iteration tries all settings with few resources, such as epochs or rows,
    and each further one tries the best of them with more. What trains together within
    an iteration is described in :class:`BatchedGridSearchCV`.

    scikit-learn calls its class experimental: both may change without a deprecation
    cycle. This one needs no import of ``enable_halving_search_cv``.

    Parameters
    ----------
    estimator : estimator object
        The estimator to tune: an autoencoder, a pipeline with one, or any other
        estimator. It is scored by `scoring` or by its own `score`.

    param_grid : dict or list of dict
        Names of parameters, with the values to try; of a list each grid is searched.

    factor : int or float, default=3
        One in `factor` candidates goes on to the next iteration, with `factor` times
        the resources.

    resource : str, default="n_samples"
        What grows from one iteration to the next: "n_samples", the number of rows, or
        a parameter of the estimator that takes positive integers, such as "max_epochs"
        or, in a pipeline, "autoencoder__max_epochs".

    max_resources : int or "auto", default="auto"
        Largest amount of the resource for one candidate. "auto" stands for all rows;
        any other resource needs a number.

    min_resources : {"exhaust", "smallest"} or int, default="exhaust"
        Amount of the resource in the first iteration. "exhaust" chooses the largest
        with which the last iteration stays within `max_resources`. "smallest" is 1 or,
        for rows, twice the number of folds, times the number of classes if the
        estimator is a classifier.

    aggressive_elimination : bool, default=False
        If `max_resources` allows too few iterations to come down to `factor`
        candidates, repeat the first amount of the resource until it does.

    cv : int, cross-validation generator or iterable, default=5
        How to split the rows. A generator must give the same folds each time.

    scoring : str, callable or None, default=None
        Scoring of the candidates, as in scikit-learn; a single score. None uses the
        estimator's own `score`, which for an autoencoder is the share of the variance
        explained.

    refit : bool, default=True
        Whether to fit the best candidate on all rows.

    error_score : "raise" or numeric, default=nan
        Score of candidates that cannot be fitted, which gives a warning. "raise" raises
        their error.

    return_train_score : bool, default=True
        Whether `cv_results_` includes scores on the training rows.

    random_state : int, RandomState instance or None, default=None
        Controls which rows are drawn if the resource is "n_samples".

    n_jobs : int or None, default=None
        Number of threads for everything except the training of networks: the other
        steps of a pipeline, and scoring. None means 1, and -1 all processors. The
        number of threads for training is that of torch. Where
        `joblib.parallel_config` has set a backend of other processes, the number
        of its workers, as in scikit-learn.

    verbose : int, default=0
        Above 0, print the iterations, and which networks are trained together, and
        which are not and why. Higher values also print the messages of scikit-learn
        about single fits, in which times include waiting for other fits.

    Attributes
    ----------
    n_resources_ : list of int
        Amount of the resource for each candidate, per iteration.

    n_candidates_ : list of int
        Number of candidates, per iteration.

    n_remaining_candidates_ : int
        Number of candidates that would have gone on after the last iteration.

    max_resources_ : int
        Largest amount of the resource allowed for one candidate.

    min_resources_ : int
        Amount of the resource in the first iteration.

    n_iterations_ : int
        Number of iterations.

    n_possible_iterations_ : int
        Number of iterations that the resources allow.

    n_required_iterations_ : int
        Number of iterations after which at most `factor` candidates are left.

    cv_results_ : dict of str to ndarray
        A table with one row per candidate and iteration: the iteration (``iter``), the
        amount of the resource (``n_resources``), parameters, scores per fold, their
        mean and standard deviation, ranks, and times in seconds.

    best_score_ : float
        Mean score of the best candidate over the folds, in the last iteration.

    best_params_ : dict
        Parameters of the candidate that is best in the last iteration.

    best_estimator_ : estimator
        The best candidate, fitted on all rows; only with `refit`.

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
    BatchedGridSearchCV : Trains all candidates to the end.
    BatchedHalvingRandomSearchCV : The same for settings drawn at random.
    sklearn.model_selection.HalvingGridSearchCV : Trains one candidate after another, or
        several in separate processes.

    Notes
    -----
    Each iteration trains anew. With ``resource="max_epochs"`` each training is
    complete: its learning rate goes through the whole schedule. The default,
    ``resource="n_samples"``, draws rows for training and for scoring; few rows favour
    stronger regularisation than all of them do.

    Where networks trained together, scores of a fold that differ by less than 1.2e-7 of
    their size, which is the resolution of single precision, count as equal in the mean
    scores and ranks. Which of equal candidates go on is decided as in
    `HalvingGridSearchCV`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import SparseAutoencoder
    >>> from sklearn_ae.model_selection import BatchedHalvingGridSearchCV
    >>> X = load_digits().data / 16
    >>> autoencoder = SparseAutoencoder(100, random_state=0)
    >>> grid = {"rho": [0.02, 0.05, 0.2], "lambd": [0.01, 0.1, 1.0]}
    >>> search = BatchedHalvingGridSearchCV(
    ...     autoencoder, grid, resource="max_epochs", max_resources=18, cv=2
    ... ).fit(X)
    >>> search.n_candidates_, search.n_resources_
    ([9, 3, 1], [2, 6, 18])
    >>> search.best_params_["rho"]
    0.2
    >>> search.best_estimator_.transform(X).shape
    (1797, 100)
    """


class BatchedHalvingRandomSearchCV(_BatchedHalvingMixin, HalvingRandomSearchCV):
    """Successive halving over random settings, whose candidates train together.

    The same search as :class:`sklearn.model_selection.HalvingRandomSearchCV`. See
    :class:`BatchedHalvingGridSearchCV` for ties and resources, and
    :class:`BatchedGridSearchCV` for what trains together.

    scikit-learn calls its class experimental: both may change without a deprecation
    cycle. This one needs no import of ``enable_halving_search_cv``.

    Parameters
    ----------
    estimator : estimator object
        The estimator to tune: an autoencoder, a pipeline with one, or any other
        estimator. It is scored by `scoring` or by its own `score`.

    param_distributions : dict or list of dict
        Names of parameters, with lists of values or distributions that have a method
        `rvs`; of a list, one is drawn first.

    n_candidates : int or "exhaust", default="exhaust"
        How many settings are drawn for the first iteration. "exhaust" draws as many as
        let the last iteration use all resources, and needs a number or "smallest" as
        `min_resources`.

    factor : int or float, default=3
        One in `factor` candidates goes on to the next iteration, with `factor` times
        the resources.

    resource : str, default="n_samples"
        What grows from one iteration to the next: "n_samples", the number of rows, or
        a parameter of the estimator that takes positive integers, such as "max_epochs"
        or, in a pipeline, "autoencoder__max_epochs".

    max_resources : int or "auto", default="auto"
        Largest amount of the resource for one candidate. "auto" stands for all rows;
        any other resource needs a number.

    min_resources : {"exhaust", "smallest"} or int, default="smallest"
        Amount of the resource in the first iteration. "exhaust" chooses the largest
        with which the last iteration stays within `max_resources`. "smallest" is 1 or,
        for rows, twice the number of folds, times the number of classes if the
        estimator is a classifier.

    aggressive_elimination : bool, default=False
        If `max_resources` allows too few iterations to come down to `factor`
        candidates, repeat the first amount of the resource until it does.

    cv : int, cross-validation generator or iterable, default=5
        How to split the rows. A generator must give the same folds each time.

    scoring : str, callable or None, default=None
        Scoring of the candidates, as in scikit-learn; a single score. None uses the
        estimator's own `score`, which for an autoencoder is the share of the variance
        explained.

    refit : bool, default=True
        Whether to fit the best candidate on all rows.

    error_score : "raise" or numeric, default=nan
        Score of candidates that cannot be fitted, which gives a warning. "raise" raises
        their error.

    return_train_score : bool, default=True
        Whether `cv_results_` includes scores on the training rows.

    random_state : int, RandomState instance or None, default=None
        Controls which settings are drawn, and which rows if the resource is
        "n_samples".

    n_jobs : int or None, default=None
        Number of threads for everything except the training of networks: the other
        steps of a pipeline, and scoring. None means 1, and -1 all processors. The
        number of threads for training is that of torch. Where
        `joblib.parallel_config` has set a backend of other processes, the number
        of its workers, as in scikit-learn.

    verbose : int, default=0
        Above 0, print the iterations, and which networks are trained together, and
        which are not and why. Higher values also print the messages of scikit-learn
        about single fits, in which times include waiting for other fits.

    Attributes
    ----------
    n_resources_ : list of int
        Amount of the resource for each candidate, per iteration.

    n_candidates_ : list of int
        Number of candidates, per iteration.

    n_remaining_candidates_ : int
        Number of candidates that would have gone on after the last iteration.

    max_resources_ : int
        Largest amount of the resource allowed for one candidate.

    min_resources_ : int
        Amount of the resource in the first iteration.

    n_iterations_ : int
        Number of iterations.

    n_possible_iterations_ : int
        Number of iterations that the resources allow.

    n_required_iterations_ : int
        Number of iterations after which at most `factor` candidates are left.

    cv_results_ : dict of str to ndarray
        A table with one row per candidate and iteration: the iteration (``iter``), the
        amount of the resource (``n_resources``), parameters, scores per fold, their
        mean and standard deviation, ranks, and times in seconds.

    best_score_ : float
        Mean score of the best candidate over the folds, in the last iteration.

    best_params_ : dict
        Parameters of the candidate that is best in the last iteration.

    best_estimator_ : estimator
        The best candidate, fitted on all rows; only with `refit`.

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
    BatchedHalvingGridSearchCV : Starts with all settings of a grid.
    BatchedRandomizedSearchCV : Trains all candidates to the end.
    sklearn.model_selection.HalvingRandomSearchCV : Trains one candidate after another,
        or several in separate processes.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import SparseAutoencoder
    >>> from sklearn_ae.model_selection import BatchedHalvingRandomSearchCV
    >>> X = load_digits().data / 16
    >>> settings = {"rho": loguniform(0.01, 0.3), "lambd": loguniform(0.01, 10)}
    >>> search = BatchedHalvingRandomSearchCV(
    ...     SparseAutoencoder(100, random_state=0),
    ...     settings,
    ...     n_candidates=9,
    ...     resource="max_epochs",
    ...     max_resources=18,
    ...     min_resources="exhaust",
    ...     cv=2,
    ...     random_state=0,
    ... ).fit(X)
    >>> search.n_candidates_, search.n_resources_
    ([9, 3, 1], [2, 6, 18])
    >>> print(f"{search.best_score_:.2f}")
    0.9...
    """
