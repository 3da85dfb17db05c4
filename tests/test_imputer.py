"""AutoencoderImputer: fills gaps, and leaves all else alone."""

import pickle
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import check_random_state
from sklearn.utils.estimator_checks import check_estimator

from sklearn_ae import Autoencoder, AutoencoderImputer, VariationalAutoencoder
from sklearn_ae.data import from_array
from sklearn_ae.estimators._corrections import _folds

GAUSSIAN = AutoencoderImputer(n_corrections=0, random_state=0)
FEW = {"max_epochs": 2, "random_state": 0}
OWN = AutoencoderImputer(Autoencoder(2, **FEW), random_state=0)
DRAWN = AutoencoderImputer(
    VariationalAutoencoder(2, **FEW), sample_posterior=True, burn_in=5, random_state=0
)
IMPUTERS = {"gaussian": GAUSSIAN, "own": OWN, "drawn": DRAWN}
each_imputer = pytest.mark.parametrize("name", IMPUTERS)
each_seed = pytest.mark.parametrize("seed", range(3))


def linear(n_rows=60, n_features=5, rank=2, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, rank)) @ rng.normal(size=(rank, n_features))
    return X + noise * rng.normal(size=X.shape) + rng.normal(size=n_features)


def with_gaps(X, share=0.2, seed=0):
    missing = np.random.default_rng(seed).random(X.shape) < share
    return np.where(missing, np.nan, X)


def rmse(filled, truth, X):
    errors = ((filled - truth) / truth.std(axis=0))[np.isnan(X)]
    return float(np.sqrt(np.square(errors).mean()))


def assert_fills(filled, X):
    """Observed entries are unchanged to the bit, and nothing is missing."""
    assert np.isfinite(filled).all()
    assert filled.dtype == X.dtype
    observed = ~np.isnan(X)
    assert filled[observed].tobytes() == X[observed].tobytes()


# -- conventions -----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["gaussian", "own"])
def test_scikit_learns_checks(name):
    # Codes of one unit, since some tables of the checks have one column.
    params = {} if name == "gaussian" else {"estimator": Autoencoder(1, max_epochs=0)}
    check_estimator(clone(IMPUTERS[name]).set_params(**params))


@each_imputer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_observed_entries_are_unchanged_to_the_bit(name, dtype):
    X = with_gaps(linear()).astype(dtype)
    imputer = clone(IMPUTERS[name]).fit(X)
    assert_fills(imputer.transform(X), X)
    # Gaps where there were none in fit, and rows without any value.
    more = with_gaps(X, 0.5, seed=1)
    more[0] = np.nan
    assert_fills(imputer.transform(more), more)
    assert_fills(clone(imputer).fit(np.nan_to_num(X)).transform(more), more)


@each_imputer
def test_same_result_every_time(name):
    X = with_gaps(linear())
    imputer = clone(IMPUTERS[name]).fit(X)
    state = {key: repr(value) for key, value in vars(imputer).items()}
    filled = imputer.transform(X)
    assert {key: repr(value) for key, value in vars(imputer).items()} == state
    for other in imputer, clone(imputer).fit(X), pickle.loads(pickle.dumps(imputer)):
        np.testing.assert_array_equal(other.transform(X), filled)
    if name != "drawn":
        # A row does not depend on the others, and units do not matter.
        np.testing.assert_allclose(imputer.transform(X[:3]), filled[:3], atol=1e-6)
        units = 10.0 ** np.array([-9, 12, 0, 5, -160])
        scaled = clone(imputer).fit(X * units).transform(X * units)
        np.testing.assert_allclose(scaled / units, filled, atol=1e-6)


def test_gaussian_of_single_precision_and_large_values():
    X = (with_gaps(linear()) * 1e30).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filled = clone(GAUSSIAN).fit(X).transform(X)
    assert rmse(filled, linear() * 1e30, X) < 0.5


@pytest.mark.parametrize("missing", [-1, 0, 99.5])
def test_numbers_that_stand_for_gaps(missing):
    X = with_gaps(np.round(10 * linear() + 200))
    marked = np.where(np.isnan(X), missing, X)
    if missing == 0:
        marked = marked.astype(int)
    imputer = clone(GAUSSIAN).set_params(missing_values=missing).fit(marked)
    expected = clone(GAUSSIAN).fit_transform(X)
    np.testing.assert_array_equal(imputer.transform(marked), expected)
    assert not imputer.__sklearn_tags__().input_tags.allow_nan


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("library", ["default", "pandas", "polars"])
@pytest.mark.filterwarnings("ignore:Skipping features")
def test_columns_and_names(library, keep):
    X = with_gaps(linear())
    X[:, 1], X[:, 3] = np.nan, 1.0
    names = [f"x{i}" for i in range(5)]
    if library != "default":
        make = pytest.importorskip(library).DataFrame
        X = make(X, columns=names) if library == "pandas" else make(X, schema=names)
    params = {"add_indicator": True, "keep_empty_features": keep}
    imputer = clone(GAUSSIAN).set_params(**params).set_output(transform=library).fit(X)
    simple = SimpleImputer(**params).set_output(transform=library).fit(X)
    filled, reference = imputer.transform(X), simple.transform(X)
    wanted = simple.get_feature_names_out()
    np.testing.assert_array_equal(imputer.get_feature_names_out(), wanted)
    assert type(filled) is type(reference)
    if library != "default":
        assert list(filled.columns) == list(wanted)
    filled, reference = np.asarray(filled), np.asarray(reference)
    assert filled.shape == reference.shape
    # Indicators, and the column that is empty.
    np.testing.assert_array_equal(filled[:, -4:], reference[:, -4:])
    params["add_indicator"] = False
    plain = (clone(one).set_params(**params).fit(X) for one in (GAUSSIAN, simple))
    ours, theirs = (one.get_feature_names_out() for one in plain)
    np.testing.assert_array_equal(ours, theirs)
    if keep:
        np.testing.assert_array_equal(filled[:, 1], 0.0)


HARD = {
    "constant": lambda X: np.where(np.isnan(X), X, 7.0),
    "one value in a column": lambda X: np.where(
        (np.arange(5) == 1) & (np.arange(len(X)) > 0)[:, None], np.nan, X
    ),
    "twice the same columns": lambda X: np.hstack([X, X]),
    "one value in a row": lambda X: np.where(
        np.arange(5) == np.arange(len(X))[:, None] % 5, np.nan_to_num(X), np.nan
    ),
    "one column": lambda X: X[:, :1],
    "two rows": lambda X: X[[0, 3]],
    "one row": lambda X: X[:1],
    "more columns than rows": lambda X: X[:12].reshape(3, 20),
    "outlier": lambda X: np.where(np.isnan(X), X, X * np.where(X == X[0, 0], 1e12, 1)),
    "nothing": lambda X: X * np.nan,
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", HARD)
def test_hard_tables(kind):
    X = HARD[kind](with_gaps(linear()))
    filled = clone(GAUSSIAN).set_params(keep_empty_features=True).fit_transform(X)
    assert_fills(filled, X)
    if kind == "constant":
        np.testing.assert_allclose(filled, 7.0)


# -- guesses ---------------------------------------------------------------------------


@each_seed
def test_gaussian_comes_close_to_the_closed_form(seed):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(6, 2))
    covariance, mean = W @ W.T + 0.09 * np.eye(6), rng.normal(size=6)
    units = 10.0 ** rng.integers(-4, 4, size=6)
    truth = rng.multivariate_normal(mean, covariance, size=2000) * units
    X = with_gaps(truth, seed=seed)
    covariance, mean = covariance * np.outer(units, units), mean * units
    best = X.copy()
    for row in best:
        gap = np.isnan(row)
        if gap.any() and not gap.all():
            slopes = np.linalg.solve(
                covariance[np.ix_(~gap, ~gap)], covariance[np.ix_(~gap, gap)]
            )
            row[gap] = mean[gap] + (row[~gap] - mean[~gap]) @ slopes
        row[np.isnan(row)] = mean[np.isnan(row)]
    filled = clone(GAUSSIAN).fit_transform(X)
    # The rest is what 2000 rows do not tell.
    assert rmse(filled, best, X) < 0.08
    assert rmse(filled, truth, X) < 1.02 * rmse(best, truth, X)


@each_seed
def test_tables_of_low_rank_come_back(seed):
    truth = linear(300, 10, 2, noise=0.0, seed=seed)
    X = with_gaps(truth, seed=seed)
    assert rmse(clone(GAUSSIAN).fit_transform(X), truth, X) < 1e-3


@pytest.mark.parametrize("is_curved", [False, True])
def test_corrections_on_linear_and_curved_tables(is_curved, monkeypatch):
    monkeypatch.setattr("sklearn_ae.estimators._corrections.N_STEPS", 300)
    t = np.random.default_rng(0).uniform(-1, 1, size=(1000, 1))
    curved = np.hstack([t, t**2, np.sin(3 * t), np.cos(3 * t), t**3])
    truth = curved if is_curved else linear(100)
    X = with_gaps(truth)
    imputer = AutoencoderImputer(n_corrections=1, random_state=0).fit(X)
    gaussian = rmse(clone(GAUSSIAN).fit_transform(X), truth, X)
    corrected = rmse(imputer.transform(X), truth, X)
    assert corrected <= (0.9 if is_curved else 1.02) * gaussian
    assert_fills(imputer.transform(X), X)


def test_spread_of_draws_covers_the_truth():
    truth = linear(400, 6, 2, noise=0.5)
    X = with_gaps(truth)
    autoencoder = VariationalAutoencoder(2, max_epochs=0, random_state=0)
    imputer = AutoencoderImputer(autoencoder, sample_posterior=True, random_state=0)
    tables = imputer.fit(X).sample(X, n_imputations=50, random_state=0)
    assert tables.shape == (50, *X.shape)
    gaps = np.isnan(X)
    low, high = np.quantile(tables[:, gaps], [0.05, 0.95], axis=0)
    covered = float(((low <= truth[gaps]) & (truth[gaps] <= high)).mean())
    assert 0.82 < covered < 0.96
    again = imputer.sample(X, n_imputations=1, random_state=0)
    np.testing.assert_array_equal(again[0], tables[0])
    state = check_random_state(None).get_state()[1].tolist()
    first, second = (imputer.sample(X, n_imputations=1) for _ in range(2))
    assert (first[0][gaps] != second[0][gaps]).all()
    assert check_random_state(None).get_state()[1].tolist() == state


def test_draws_without_an_estimator():
    """They come from a variational autoencoder with half as many codes as columns."""
    truth = linear(120, 6, 2, noise=0.3)
    X = with_gaps(truth)
    imputer = AutoencoderImputer(sample_posterior=True, burn_in=20, random_state=0)
    filled = imputer.fit(X).transform(X)
    assert isinstance(imputer.estimator_, VariationalAutoencoder)
    assert imputer.estimator_.n_components_ == 3
    assert_fills(filled, X)
    # A draw has the error of the mean and its own spread.
    mean = clone(GAUSSIAN).fit(X).transform(X)
    assert rmse(filled, truth, X) < 2 * rmse(mean, truth, X)


def test_guesses_of_an_estimator_are_its_reconstructions():
    X = with_gaps(linear())
    imputer = clone(OWN).fit(X)
    guesses = imputer.estimator_.reconstruct(imputer._standardized(X))
    guesses = guesses * imputer.scale_ + imputer.mean_
    gaps = np.isnan(X)
    np.testing.assert_array_equal(imputer.transform(X)[gaps], guesses[gaps])


def test_step_of_a_search():
    X, y = with_gaps(linear()), linear()[:, 0]
    pipeline = make_pipeline(clone(OWN), Ridge())
    grid = {"autoencoderimputer__estimator__n_components": [1, 2]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.score(X, y) > 0.8


# -- errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "X", "message"),
    [
        ({}, sparse.csr_matrix((5, 3)), "dense data is required"),
        (
            {"missing_values": -1},
            with_gaps(linear()),
            "Input X contains NaN, but missing_values=-1",
        ),
        ({"missing_values": np.inf}, linear(), "'missing_values' parameter"),
        ({}, np.where(linear() > 1, np.inf, 1.0), "infinity"),
        ({}, from_array(linear(), buffer_bytes=1_000), "needs a table in memory"),
        ({"estimator": Ridge()}, linear(), "'estimator' parameter"),
        (
            {"estimator": Autoencoder(2), "sample_posterior": True},
            linear(),
            "needs a VariationalAutoencoder, not estimator=Autoencoder",
        ),
    ],
)
def test_errors(params, X, message):
    imputer = AutoencoderImputer(n_corrections=0).set_params(**params)
    with pytest.raises((ValueError, TypeError), match=message):
        imputer.fit(X)
    assert not hasattr(imputer, "n_features_in_")


def test_more_networks_than_rows():
    folds = _folds(21, 30, np.random.RandomState(0))
    assert [len(unseen) for _, unseen in folds] == [1] * 21
    for n in (1, 2, 4):
        folds = _folds(40, n, np.random.RandomState(0))
        assert [len(unseen) for _, unseen in folds] == [10] * n


def test_errors_of_sample():
    X = with_gaps(linear())
    with pytest.raises(ValueError, match="sample needs sample_posterior=True"):
        clone(GAUSSIAN).fit(X).sample(X)
    with pytest.raises(ValueError, match="n_imputations=0 must be"):
        clone(DRAWN).fit(X).sample(X, n_imputations=0)
