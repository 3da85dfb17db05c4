"""The imputer: fills in missing values with an autoencoder."""

from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import TransformerMixin, clone
from sklearn.impute import MissingIndicator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._doc_link import DocLinkMixin
from sklearn_ae._sklearn_compat import (
    Interval,
    check_feature_names_in,
    fit_context,
    is_scalar_nan,
)
from sklearn_ae.data.gaps import (
    LARGEST_RANK,
    Gaussian,
    choose_rank,
    completed,
    fit_gaussian,
)
from sklearn_ae.data.sources import BufferedRows
from sklearn_ae.estimators._base import BaseAutoencoder
from sklearn_ae.estimators._corrections import (
    fit_corrections,
    predicted,
    share_of_corrections,
)
from sklearn_ae.estimators._parameters import NestedParameters
from sklearn_ae.estimators._validation import is_positive_integer, validate_table
from sklearn_ae.estimators._variational import VariationalAutoencoder

# Of log-likelihood, for each parameter of the Gaussian, where its fit may end: of 3,000
# rows of 6 columns, its guesses are then half as far from those of the true Gaussian.
LEAST_GAIN = 0.03


@dataclass(kw_only=True, eq=False, repr=False)
class AutoencoderImputer(DocLinkMixin, TransformerMixin, NestedParameters):
    r"""Fill in missing values with what an autoencoder expects there.

    An observed entry stays as it is, to the bit. Columns are standardised first, so
    that their units do not matter.

    Without an `estimator` a missing entry becomes

    .. math:: g(x) + s \, \bigl(q(x) - g(x)\bigr)

    where :math:`g` is its expectation under a Gaussian (probabilistic PCA with as many
    factors as predict hidden entries best [1]_), and :math:`q` the mean prediction of
    denoising autoencoders. They see the row as the Gaussian has completed it, start as
    :math:`q = g`, and learn to predict observed entries that are hidden from them at
    random, a fifth in every step [2]_. Each is trained without another part of the
    rows, which the Gaussian knows, and there the share :math:`s` in [0, 1] is found
    that makes the errors of hidden entries least. It is 0 if the networks are no better
    than the Gaussian beyond chance: linear tables get linear guesses.

    With an `estimator` it is fitted to the standardised table with its gaps, and a
    missing entry becomes its reconstruction. The completed row is not encoded and
    decoded again: an autoencoder with ``missing_values=np.nan`` allows for gaps by
    itself, and every further pass, in which guesses count as observed, makes the errors
    larger.

    A row without any value becomes that of the means. Guesses are neither rounded nor
    clipped to the range of a column.

    Parameters
    ----------
    estimator : autoencoder or None, default=None
        An autoencoder such as ``Autoencoder(5)``, which is cloned, with
        ``missing_values=np.nan``. It gets standardised columns, which "bce" as its
        `loss` does not take, and in which "mixed" finds no indicators. None is the
        combination described above or, if `sample_posterior` is true, a
        `VariationalAutoencoder` whose code is half as wide as the table, at most 16.

    missing_values : float or int, default=nan
        What stands for a missing value: NaN or a finite number. With a number, NaN in
        `X` is an error.

    sample_posterior : bool, default=False
        Draw from the distribution of the missing values instead of taking their mean,
        for multiple imputation. Needs a `VariationalAutoencoder`, or None.

    n_corrections : int, default=4
        Number of networks whose predictions are averaged, if `estimator` is None and
        nothing is drawn; no more than rows. With 0 only the Gaussian fills gaps, which
        is by far the quickest.

    burn_in : int, default=20
        With `sample_posterior`, how often codes given the row and missing entries given
        the code are drawn in turn before the draw that is returned [3]_.

    add_indicator : bool, default=False
        Append a column for each column that had gaps in `fit`: 1 where a value is
        missing, else 0, as with scikit-learn's imputers.

    keep_empty_features : bool, default=False
        Whether a column without any value in `fit` is kept, filled with 0. If not, it
        is left out, without a warning.

    device : str, default="cpu"
        Where the networks are trained, if `estimator` is None.

    random_state : int, RandomState instance or None, default=None
        Controls folds, weights, hidden entries, and draws. Pass an int for reproducible
        results.

    Attributes
    ----------
    estimator_ : autoencoder or None
        The fitted `estimator`. None if `estimator` is None and nothing is drawn.

    corrections_ : list
        The networks that correct the Gaussian; empty with an `estimator`, and for
        tables of fewer than 20 rows or 2 columns.

    correction_share_ : float
        The share :math:`s` of the corrections, in [0, 1].

    n_factors_ : int
        Number of factors of the Gaussian.

    mean_ : ndarray of shape (n_observed_columns,)
        Mean of the observed entries of each column that had some in `fit`.

    scale_ : ndarray of shape (n_observed_columns,)
        Standard deviation of these entries; for constant columns their absolute value,
        or 1 if they are 0.

    indicator_ : sklearn.impute.MissingIndicator or None
        What appends columns, with `add_indicator`.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`, if all of them are strings.

    See Also
    --------
    sklearn.impute.SimpleImputer : Fills with the mean of the column.
    sklearn.impute.IterativeImputer : Predicts each column from the others.
    sklearn_ae.Autoencoder : Takes tables with gaps itself, with
        ``missing_values=np.nan``.

    Notes
    -----
    What is missing may depend on what has been observed, but not on the missing values
    themselves: nothing in the table then says how those differ.

    References
    ----------
    .. [1] Tipping and Bishop (1999). "Probabilistic principal component analysis".
       Journal of the Royal Statistical Society B 61. :doi:`10.1111/1467-9868.00196`
    .. [2] Vincent et al. (2010). "Stacked denoising autoencoders". Journal of Machine
       Learning Research 11. https://www.jmlr.org/papers/v11/vincent10a.html
    .. [3] Rezende, Mohamed and Wierstra (2014). "Stochastic backpropagation and
       approximate inference in deep generative models". ICML.
       :doi:`10.48550/arXiv.1401.4082`

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from sklearn_ae import AutoencoderImputer
    >>> complete = load_wine().data
    >>> missing = np.random.default_rng(0).random(complete.shape) < 0.1
    >>> X = np.where(missing, np.nan, complete)
    >>> imputer = AutoencoderImputer(n_corrections=1, random_state=0).fit(X)
    >>> filled = imputer.transform(X)
    >>> bool((filled[~missing] == complete[~missing]).all())
    True

    The error of the guesses, in standard deviations of the columns:

    >>> errors = (filled - complete) / complete.std(axis=0)
    >>> print(f"{np.sqrt(np.square(errors[missing]).mean()):.1f}")
    0.7
    """

    estimator: Any = field(default=None, kw_only=False)
    missing_values: float = np.nan
    sample_posterior: bool = False
    n_corrections: int = 4
    burn_in: int = 20
    add_indicator: bool = False
    keep_empty_features: bool = False
    device: str = "cpu"
    random_state: Any = None

    _parameter_constraints: ClassVar[dict] = {
        "estimator": [BaseAutoencoder, None],
        "missing_values": [Interval(Real, None, None, closed="neither"), "nan"],
        "sample_posterior": ["boolean"],
        "n_corrections": [Interval(Integral, 0, None, closed="left")],
        "burn_in": [Interval(Integral, 0, None, closed="left")],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
        "device": [str],
        "random_state": ["random_state"],
    }

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None) -> Self:
        """Fit the imputer to `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A table whose gaps are `missing_values`.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            The fitted imputer.
        """
        before = dict(vars(self))
        try:
            self._fit(self._table(X, reset=True))
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _fit(self, table: np.ndarray) -> None:
        missing = np.isnan(table)
        self._is_empty = missing.all(axis=0)
        self.indicator_ = None
        if self.add_indicator:
            self.indicator_ = MissingIndicator(error_on_new=False).fit(table)
        table = table[:, ~self._is_empty]
        # In units of the largest entries, whose squares neither overflow nor vanish.
        largest = np.nanmax(np.abs(table), axis=0, initial=0.0).astype(np.float64)
        largest[largest == 0] = 1.0
        scaled = table / largest
        self.mean_ = np.nanmean(scaled, axis=0) * largest
        deviations = np.nanstd(scaled, axis=0) * largest
        # Columns that were constant before rounding.
        negligible = deviations <= 1e-12 * np.abs(self.mean_)
        self.scale_ = np.where(negligible, largest, deviations)
        table = self._standardized(table)
        table = table[~np.isnan(table).all(axis=1)]
        random_state = check_random_state(self.random_state)
        self.estimator_, self.corrections_, self.correction_share_ = None, [], 0.0
        rows, n_features = np.arange(len(table)), table.shape[1]
        if n_features == 0:
            self._gaussian, self.n_factors_ = None, 0
            return
        self.n_factors_ = 0
        if np.isnan(table).any() or len(table) > 2:
            self.n_factors_ = choose_rank(table, rows, None, LARGEST_RANK, random_state)
        # Numbers alone, which files hold.
        self._gaussian = tuple(
            fit_gaussian(table, rows, None, self.n_factors_, gain=LEAST_GAIN)
        )
        if self.estimator is not None or self.sample_posterior:
            self.estimator_ = self._autoencoder(n_features, random_state).fit(table)
            return
        self.corrections_ = fit_corrections(
            table, self.n_corrections, self.device, random_state
        )
        if self.corrections_:
            self.correction_share_ = share_of_corrections(
                self.corrections_, table, Gaussian(*self._gaussian), random_state
            )

    def _autoencoder(self, n_features: int, random_state: Any) -> BaseAutoencoder:
        """The unfitted autoencoder that fills gaps by itself."""
        if self.estimator is None:
            estimator = VariationalAutoencoder(min(16, max(1, n_features // 2)))
            estimator.device = self.device
        else:
            estimator = clone(self.estimator)
        if self.sample_posterior and not isinstance(estimator, VariationalAutoencoder):
            raise ValueError(
                f"sample_posterior=True needs a VariationalAutoencoder, not estimator="
                f"{self.estimator!r}."
            )
        estimator.set_params(missing_values=np.nan)
        if estimator.random_state is None:
            seed = random_state.randint(np.iinfo(np.int32).max)
            estimator.set_params(random_state=seed)
        return estimator

    def transform(self, X) -> np.ndarray:
        """Fill in the missing values of `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A table whose gaps are `missing_values`.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features_out)
            The table without gaps, in the precision of `X`. Observed entries are those
            of `X`.
        """
        check_is_fitted(self)
        table = self._table(X, reset=False)
        seen = table[:, ~self._is_empty]
        filled = self._filled(seen, check_random_state(self.random_state))
        return self._output(table, filled)

    def sample(self, X, n_imputations=5, random_state=None) -> np.ndarray:
        """Fill in the missing values of `X` several times, by independent draws.

        What differs between the tables shows how uncertain the missing values are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            A table whose gaps are `missing_values`.

        n_imputations : int, default=5
            Number of tables.

        random_state : int, RandomState instance or None, default=None
            Controls the draws. None gives different ones in every call.

        Returns
        -------
        tables : ndarray of shape (n_imputations, n_samples, n_features_out)
            As `transform` returns them, but arrays whatever `set_output` says.
        """
        check_is_fitted(self)
        if not self.sample_posterior:
            raise ValueError(
                "sample needs sample_posterior=True, not sample_posterior=False, in "
                "fit: only then is there a distribution to draw from."
            )
        if not is_positive_integer(n_imputations):
            raise ValueError(
                f"n_imputations={n_imputations!r} must be an integer of at least 1."
            )
        table = self._table(X, reset=False)
        seen = table[:, ~self._is_empty]
        # Not numpy's global generator, which must not change.
        generator = check_random_state(
            np.random.RandomState() if random_state is None else random_state
        )
        draws = (self._filled(seen, generator) for _ in range(n_imputations))
        return np.stack([self._output(table, filled) for filled in draws])

    def _table(self, X: Any, *, reset: bool) -> np.ndarray:
        """The table with NaN for missing values."""
        finite = {}
        if is_scalar_nan(self.missing_values):
            finite = {"ensure_all_finite": "allow-nan"}
        table = validate_table(self, X, reset=reset, accept_sparse=False, **finite)
        if isinstance(table, BufferedRows):
            raise ValueError(
                f"{type(self).__name__} needs a table in memory, but X is larger than "
                "its buffer. Pass np.asarray(X), or fit on a part of the rows."
            )
        if finite:
            return table
        return np.where(table == self.missing_values, np.nan, table)

    def _standardized(self, table: np.ndarray) -> np.ndarray:
        return (table - self.mean_) / self.scale_

    def _filled(self, table: np.ndarray, random_state: Any) -> np.ndarray:
        """The columns that are not empty, without gaps."""
        filled, missing = table.copy(), np.isnan(table)
        gappy = missing.any(axis=1)
        if gappy.any():
            guesses = self._guesses(self._standardized(table[gappy]), random_state)
            guesses = guesses * self.scale_ + self.mean_
            filled[gappy] = np.where(missing[gappy], guesses, table[gappy])
        return filled

    def _guesses(self, rows: np.ndarray, random_state: Any) -> np.ndarray:
        """Values for the gaps of standardised rows."""
        if self.sample_posterior:
            return self._drawn(rows, random_state)
        if self.estimator_ is not None:
            return self.estimator_.reconstruct(rows)
        guess = completed(rows, np.arange(len(rows)), Gaussian(*self._gaussian))
        if self.correction_share_ == 0:
            return guess
        correction = predicted(self.corrections_, rows) - guess
        return guess + self.correction_share_ * correction

    def _drawn(self, rows: np.ndarray, random_state: Any) -> np.ndarray:
        """A draw at the end of a Markov chain over codes and missing entries."""
        missing = np.isnan(rows)
        filled = self.estimator_._drawn(rows, random_state)
        for _ in range(self.burn_in):
            table = np.where(missing, filled, rows)
            filled = self.estimator_._drawn(table, random_state)
        return filled

    def _output(self, table: np.ndarray, filled: np.ndarray) -> np.ndarray:
        """What `transform` returns, from all columns and from filled ones."""
        output = filled
        if self.keep_empty_features:
            output = np.zeros(table.shape, table.dtype)
            output[:, ~self._is_empty] = filled
        if self.indicator_ is not None:
            return np.hstack([output, self.indicator_.transform(table)])
        return output

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Get the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of `X`; None means those seen in `fit`.

        Returns
        -------
        names : ndarray of str
            The names of the columns that are kept, then those of the indicators.
        """
        check_is_fitted(self)
        names = check_feature_names_in(self, input_features)
        kept = names if self.keep_empty_features else names[~self._is_empty]
        if self.indicator_ is None:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = is_scalar_nan(self.missing_values)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
