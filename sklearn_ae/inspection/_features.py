"""Which features matter: importances for the code, errors by feature."""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.inspection import permutation_importance
from sklearn.utils import Bunch

from sklearn_ae.inspection._checks import (
    check_has,
    check_option,
    find_names,
    reconstruct,
    reconstruct_alike,
)
from sklearn_ae.inspection._tiles import as_rows

if TYPE_CHECKING:
    import pandas as pd

OUTPUTS = ("code", "reconstruction")


def feature_importance(
    estimator, X, *, of="code", n_repeats=5, n_jobs=None, random_state=None
) -> Bunch:
    """Compute how much each component of the code depends on each feature.

    The values of one feature are permuted among the rows, which breaks its ties to all
    other features, and the rows are encoded again. The importance of the feature for a
    component is how far this component moves, in units in which 1 is as far as the
    codes of two random rows are apart. This is repeated for each feature.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator with `transform` and, for ``of="reconstruction"``,
        `inverse_transform`, such as an autoencoder, PCA or a pipeline.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows to encode, as `estimator` takes them. Columns of a data frame may hold
        categories. Sparse matrices are made dense.

    of : {"code", "reconstruction"}, default="code"
        The outputs that features are important for: the components of the code, or the
        features of the reconstruction, each a column of the result.

    n_repeats : int, default=5
        Number of permutations of each feature.

    n_jobs : int, default=None
        Number of features that are permuted in parallel.

    random_state : int, RandomState instance or None, default=None
        Seed of the permutations. None draws a new seed.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        With the attributes of the result of scikit-learn's
        :func:`~sklearn.inspection.permutation_importance`, and an axis for the outputs:

        importances : ndarray of shape (n_features, n_outputs, n_repeats)
            Importances by each permutation, at least 0.
        importances_mean : ndarray of shape (n_features, n_outputs)
            Mean over the permutations.
        importances_std : ndarray of shape (n_features, n_outputs)
            Standard deviation over the permutations.

    Raises
    ------
    ValueError
        If `of` or `n_repeats` is invalid, or `estimator` has no `transform`.

    See Also
    --------
    FeatureImportanceDisplay : Heat map of the importances.
    sklearn.inspection.permutation_importance : Importances for a score [1]_.

    Notes
    -----
    The importance of feature j for output c by a permutation of the rows is

    ``sum_i (f_c(x_i') - f_c(x_i))^2 / (2 sum_i (f_c(x_i) - mean_i f_c(x_i))^2)``,

    where ``x_i'`` is row ``x_i`` with the value of feature j from another row. It is 0
    for features that the output does not use, and 1 on average if it uses no other
    feature. If features are independent, it is Jansen's estimate of the total Sobol
    index [2]_, the share of the output's variance that would remain if all features but
    this one were known. Outputs that are constant up to rounding have an importance of
    0.

    The importances describe the network, not the data: among features that say the
    same, one may be used and the others not. Where features are correlated, permuted
    rows can be unlike any row, and importances can exceed 1.

    References
    ----------
    .. [1] Breiman (2001). "Random Forests". Machine Learning 45.
       :doi:`10.1023/A:1010933404324`

    .. [2] Jansen (1999). "Analysis of variance designs for model output". Computer
       Physics Communications 117. :doi:`10.1016/S0010-4655(98)00154-4`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.inspection import feature_importance
    >>> X = np.random.default_rng(0).normal(size=(200, 3)) * [3, 2, 0.1]
    >>> autoencoder = Autoencoder(2, max_epochs=0).fit(X)
    >>> result = feature_importance(autoencoder, X, random_state=0)
    >>> print(result.importances_mean.round(1))
    [[1. 0.]
     [0. 1.]
     [0. 0.]]
    """
    check_option("of", of, OUTPUTS)
    if random_state is None:
        random_state = np.random.RandomState()  # not NumPy's global one
    X = X.toarray() if hasattr(X, "toarray") else X
    before = _outputs(estimator, X, of)
    unit = 2 * _variances(before)

    def minus_changes(estimator, X, y):
        changes = np.square(_outputs(estimator, X, of) - before).mean(axis=0)
        shares = np.divide(changes, unit, out=np.zeros_like(unit), where=unit > 0)
        return dict(enumerate(-shares))

    by_output = permutation_importance(
        estimator,
        X,
        None,
        scoring=minus_changes,
        n_repeats=n_repeats,
        n_jobs=n_jobs,
        random_state=random_state,
    )
    importances = [by_output[i].importances for i in range(len(unit))]
    importances = np.stack(importances, axis=1)
    return Bunch(
        importances_mean=importances.mean(axis=-1),
        importances_std=importances.std(axis=-1),
        importances=importances,
    )


def errors_by_feature(estimator, X, *, feature_names=None) -> "pd.DataFrame":
    """Compute the reconstruction error of each feature, as a data frame.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator with `transform` and `inverse_transform`, such as an
        autoencoder, PCA or a pipeline.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows to reconstruct.

    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features. None uses those of `estimator` or of the columns of `X`
        or, if there are none, "x0", "x1", ...

    Returns
    -------
    errors : pandas.DataFrame with n_features rows
        Indexed by "feature", with the least explained feature first, and with columns

        - "error": the mean of ``(x_ij - xhat_ij)^2`` over the rows i;
        - "variance": the variance of the feature over the rows, with n in the
          denominator;
        - "explained": ``1 - error / variance``, the share that the reconstruction
          explains. For a constant feature it is 1 if the error is 0, else 0.

        ``1 - errors["error"].sum() / errors["variance"].sum()`` is ``score(X)`` of an
        autoencoder, if `X` has no gaps. Where entries are NaN, for an estimator that
        takes them, errors and variances are means over the observed entries.

    Raises
    ------
    ValueError
        If `estimator` cannot reconstruct, or its reconstructions have other columns
        than `X`.

    ImportError
        If pandas is not installed, the extra ``frames``.

    See Also
    --------
    ReconstructionErrorDisplay : Errors of rows, and of their features.
    sklearn_ae.Autoencoder.reconstruction_error : Errors of rows or entries, as an
        array.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.inspection import errors_by_feature
    >>> wine = load_wine()
    >>> autoencoder = Autoencoder(3, max_epochs=0)
    >>> pipeline = make_pipeline(StandardScaler(), autoencoder).fit(wine.data)
    >>> errors = errors_by_feature(
    ...     pipeline, wine.data, feature_names=wine.feature_names
    ... )
    >>> errors["explained"].head(2).round(2).to_dict()
    {'magnesium': 0.34, 'malic_acid': 0.42}
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "errors_by_feature needs pandas; install it with "
            "`pip install 'sklearn-ae[frames]'`."
        ) from error
    rows, reconstruction = reconstruct_alike(estimator, X, may_have_gaps=True)
    if np.isnan(rows).any():
        rows = np.ma.masked_invalid(rows)
    names = find_names(feature_names, estimator, X, rows.shape[1])
    if names is None:
        names = [f"x{i}" for i in range(rows.shape[1])]
    errors = np.square(rows - reconstruction, dtype=np.float64).mean(axis=0)
    variances = _variances(rows)
    # NaN for features of which nothing has been observed.
    errors, variances = (np.ma.filled(v, np.nan) for v in (errors, variances))
    explained = (errors == 0).astype(float)
    varies = variances != 0
    explained[varies] = 1 - errors[varies] / variances[varies]
    frame = pd.DataFrame(
        {"error": errors, "variance": variances, "explained": explained},
        index=pd.Index(names, name="feature"),
    )
    return frame.sort_values("explained", kind="stable")


def _outputs(estimator, X, of):
    if of == "reconstruction":
        return reconstruct(estimator, X)
    check_has(estimator, "transform")
    return as_rows(estimator.transform(X))


def _variances(table):
    """Variances of the columns, 0 for those that vary by no more than rounding."""
    rounding = 10 * np.finfo(table.dtype).eps * np.abs(table).max(axis=0)
    variances = table.var(axis=0, dtype=np.float64)
    variances[variances <= np.square(rounding, dtype=np.float64)] = 0.0
    return variances
