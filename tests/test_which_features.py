"""Which features matter: importances and errors by feature, against NumPy."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    Normalizer,
    OneHotEncoder,
    StandardScaler,
)

from sklearn_ae import Autoencoder, AutoencoderOutlierDetector
from sklearn_ae.inspection import (
    ComponentsDisplay,
    FeatureImportanceDisplay,
    errors_by_feature,
    feature_importance,
)

pytestmark = pytest.mark.usefixtures("close_figures")

SEEDS = range(3)


def correlated(seed, n_features=4):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n_features, n_features))
    return rng.normal(size=(40, n_features)) @ mixing + rng.normal(size=n_features)


@pytest.fixture(scope="module")
def wine():
    data = load_wine(as_frame=True)
    pipeline = make_pipeline(StandardScaler(), Autoencoder(3, max_epochs=0))
    return pipeline.fit(data.data), data.data


# -- feature_importance ----------------------------------------------------------------


class Spy(TransformerMixin, BaseEstimator):
    """Curved outputs of all features, and a record of the rows."""

    def __init__(self, seed):
        self.seed = seed
        self.seen_ = []

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        self.seen_.append(np.array(X))
        weights = np.random.default_rng(self.seed).normal(size=(X.shape[1], 3))
        return np.tanh(X @ weights) + X[:, :1] ** 2

    def inverse_transform(self, Z):
        return np.exp(Z) @ np.random.default_rng(self.seed).normal(size=(3, 5))


def by_hand(before, after):
    """The importance of one permutation for each output, one sum after the other."""
    importances = []
    for old, new in zip(before.T, after.T, strict=True):
        mean = sum(old) / len(old)
        variance = sum((value - mean) ** 2 for value in old)
        change = sum((a - b) ** 2 for a, b in zip(new, old, strict=True))
        importances.append(change / (2 * variance))
    return importances


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("of", ["code", "reconstruction"])
def test_importances_are_those_of_single_permutations(seed, of):
    X, spy = correlated(seed), Spy(seed)
    result = feature_importance(spy, X, of=of, n_repeats=3, random_state=seed)
    n_outputs = 3 if of == "code" else 5
    assert result.importances.shape == (4, n_outputs, 3)
    np.testing.assert_allclose(result.importances.mean(2), result.importances_mean)
    np.testing.assert_allclose(result.importances.std(2), result.importances_std)

    def outputs(rows):
        codes = spy.transform(rows)
        return codes if of == "code" else spy.inverse_transform(codes)

    permuted = [rows for rows in spy.seen_ if not np.array_equal(rows, X)]
    assert len(permuted) == 4 * 3
    for i, rows in enumerate(permuted):
        feature, repeat = divmod(i, 3)
        others = np.arange(4) != feature
        np.testing.assert_array_equal(rows[:, others], X[:, others])
        np.testing.assert_array_equal(np.sort(rows[:, feature]), np.sort(X[:, feature]))
        np.testing.assert_allclose(
            result.importances[feature, :, repeat], by_hand(outputs(X), outputs(rows))
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_importances_approach_those_of_all_pairs_of_rows(seed):
    X = correlated(seed)
    autoencoder = Autoencoder(3, init="random", max_epochs=40, random_state=seed).fit(X)
    before = autoencoder.transform(X)
    expected = np.empty((4, 3))
    for feature in range(4):
        # Every row takes the value of every row.
        rows = np.repeat(X, len(X), axis=0)
        rows[:, feature] = np.tile(X[:, feature], len(X))
        changes = autoencoder.transform(rows) - np.repeat(before, len(X), axis=0)
        expected[feature] = (changes**2).mean(axis=0) / (2 * before.var(axis=0))
    result = feature_importance(autoencoder, X, n_repeats=50, random_state=seed)
    error = result.importances_std / np.sqrt(50)
    assert (np.abs(result.importances_mean - expected) < 5 * error).all()
    assert (error < 0.1 * expected.max()).all()


def test_importances_of_linear_codes_are_squared_weights():
    X = correlated(0)
    pca = PCA(2).fit(X)
    autoencoder = Autoencoder(2, max_epochs=0).fit(X)
    results = [
        feature_importance(model, X, n_repeats=100, random_state=0).importances_mean
        for model in (pca, autoencoder)
    ]
    np.testing.assert_allclose(*results, rtol=1e-4)
    variances = X.var(axis=0, ddof=1)[:, None]
    expected = pca.components_.T**2 * variances / pca.explained_variance_
    np.testing.assert_allclose(results[0], expected, rtol=0.1)


def test_features_that_are_not_used_have_no_importance():
    X = correlated(1, n_features=5)
    used = make_column_transformer((StandardScaler(), [0, 3]))
    model = make_pipeline(used, Autoencoder(2, max_epochs=20, random_state=0)).fit(X)
    importances = feature_importance(model, X, random_state=0).importances
    assert (importances[[1, 2, 4]] == 0).all()
    assert (importances[[0, 3]].max(axis=1) > 0.1).all()


def test_only_the_feature_that_is_used_has_importance_one():
    model = FunctionTransformer(lambda X: X[:, [2]] ** 2)
    result = feature_importance(model, correlated(2), n_repeats=200, random_state=0)
    np.testing.assert_allclose(result.importances_mean[:, 0], [0, 0, 1, 0], atol=0.05)


def test_constant_outputs_depend_on_nothing():
    # The second varies by rounding, the third for a reason.
    model = FunctionTransformer(
        lambda X: np.c_[np.ones(len(X)), 1 + 1e-16 * X[:, 0], 1 + 1e-9 * X[:, 0]]
    )
    result = feature_importance(model, correlated(0), random_state=0)
    assert (result.importances[:, :2] == 0).all()
    assert result.importances_mean[0, 2] > 0.5


def test_features_of_frames_may_be_categories():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=60), "noise": rng.normal(size=60)})
    frame["shirt"] = np.where(frame["size"] > 0, "L", "S")
    frame.index += 7
    columns = make_column_transformer(
        (StandardScaler(), ["size"]), (OneHotEncoder(sparse_output=False), ["shirt"])
    )
    model = make_pipeline(columns, Autoencoder(1, max_epochs=0))
    model.set_output(transform="pandas").fit(frame)
    before = frame.copy()
    result = feature_importance(model, frame, random_state=0)
    assert result.importances_mean[1, 0] == 0
    assert (result.importances_mean[[0, 2], 0] > 0.05).all()
    pd.testing.assert_frame_equal(frame, before)


def test_importances_depend_on_the_seed_only(untouched_generators):
    X, pca = correlated(0), PCA(2).fit(correlated(0))
    first = feature_importance(pca, X, random_state=3).importances
    with parallel_config("threading"):
        again = feature_importance(pca, X.tolist(), random_state=3, n_jobs=2)
    np.testing.assert_array_equal(again.importances, first)
    drawn = [feature_importance(pca, X).importances for _ in range(2)]
    assert not np.array_equal(*drawn)


def test_feature_importance_refuses():
    X, pca = correlated(0), PCA(2).fit(correlated(0))
    with pytest.raises(ValueError, match=r"of='scores' must be one of .*'code'"):
        feature_importance(pca, X, of="scores")
    with pytest.raises(ValueError, match=r"'n_repeats' parameter .* Got 0 instead"):
        feature_importance(pca, X, n_repeats=0)
    detector = AutoencoderOutlierDetector(PCA(1), cv=2).fit(X)
    with pytest.raises(ValueError, match=r"no transform, which is needed .* autoencod"):
        feature_importance(detector, X)
    with pytest.raises(ValueError, match="KMeans has no inverse_transform"):
        feature_importance(KMeans(2).fit(X), X, of="reconstruction")
    gappy = np.where(X > 1, np.nan, X)
    with pytest.raises(ValueError, match=r"contain NaN, .* errors_by_feature"):
        ComponentsDisplay.from_estimator(Autoencoder(2, missing_values=np.nan), gappy)
    pipeline = make_pipeline(Normalizer(), PCA(1)).fit(X)
    with pytest.raises(ValueError, match=r"Normalizer, a step .* pass estimator\[1:\]"):
        feature_importance(pipeline, X, of="reconstruction")


# -- errors_by_feature -----------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_by_feature_are_those_of_the_reconstruction(seed):
    X = correlated(seed)
    autoencoder = Autoencoder(2, max_epochs=20, validation=None, random_state=seed)
    errors = errors_by_feature(autoencoder.fit(X), X)
    assert errors["explained"].is_monotonic_increasing
    for name, error, variance, explained in errors.itertuples():
        feature = int(name.removeprefix("x"))
        squares = autoencoder.reconstruction_error(X, per_feature=True)[:, feature]
        np.testing.assert_allclose(error, squares.mean())
        np.testing.assert_allclose(variance, X[:, feature].var())
        np.testing.assert_allclose(explained, 1 - squares.mean() / X[:, feature].var())
    of_all = 1 - errors["error"].sum() / errors["variance"].sum()
    np.testing.assert_allclose(of_all, autoencoder.score(X))


def test_errors_by_feature_are_those_of_the_observed_entries():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 4))
    X[rng.random(X.shape) < 0.2] = np.nan
    model = Autoencoder(2, max_epochs=0, missing_values=np.nan).fit(X)
    errors = errors_by_feature(model, X).loc[["x0", "x1", "x2", "x3"]]
    squares = np.square(X - model.reconstruct(X))
    np.testing.assert_allclose(errors["error"], np.nanmean(squares, axis=0))
    np.testing.assert_allclose(errors["variance"], np.nanvar(X, axis=0))
    X[:, 1] = np.nan
    assert errors_by_feature(model, X).isna().all(axis=1).tolist().count(True) == 1


def test_errors_by_feature_of_a_pipeline_are_in_its_units(wine):
    pipeline, frame = wine
    errors = errors_by_feature(pipeline, frame)
    assert errors.index.name == "feature"
    assert sorted(errors.index) == sorted(frame.columns)
    scaled = errors_by_feature(pipeline[-1], pipeline[0].transform(frame))
    positions = [int(name.removeprefix("x")) for name in scaled.index]
    assert frame.columns[positions].tolist() == errors.index.tolist()
    np.testing.assert_allclose(scaled["explained"], errors["explained"])


def test_names_are_found(wine):
    pipeline, frame = wine
    upper = errors_by_feature(pipeline, frame, feature_names=frame.columns.str.upper())
    assert set(upper.index) == set(frame.columns.str.upper())
    # An estimator that has not seen names, and columns that have some.
    nameless = PCA(2).fit(frame.to_numpy())
    with pytest.warns(UserWarning, match="without feature names"):
        errors = errors_by_feature(nameless, frame)
    assert set(errors.index) == set(frame.columns)
    with pytest.raises(ValueError, match="feature_names has 2 names, but there are 13"):
        errors_by_feature(pipeline, frame, feature_names=["a", "b"])


def test_constant_features_are_explained_or_not():
    X = correlated(0)
    X[:, 1:3] = 0.1, 7.0
    off = FunctionTransformer(
        lambda X: X, inverse_func=lambda X: X + [0, 0, 1, 0], check_inverse=False
    )
    errors = errors_by_feature(off.fit(X), X)
    assert errors["explained"].to_dict() == {"x2": 0.0, "x0": 1.0, "x1": 1.0, "x3": 1.0}
    assert errors.loc["x2", ["error", "variance"]].tolist() == [1.0, 0.0]


def test_errors_by_feature_refuses(wine, monkeypatch):
    X = correlated(0)
    halves = Autoencoder(1, max_epochs=0).fit(X, X_target=X[:, :2])
    with pytest.raises(ValueError, match=r"shape \(40, 4\).*\(40, 2\); they cannot"):
        errors_by_feature(halves, X)
    with pytest.raises(ValueError, match="no inverse_transform, which is needed here"):
        errors_by_feature(KMeans(2).fit(X), X)
    with pytest.raises(ValueError, match=r"X must hold numbers .* pass estimator\[1"):
        errors_by_feature(PCA(1).fit(X), X.astype(str).astype(object) + "cm")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"needs pandas; .*`pip .*\[frames\]'"):
        errors_by_feature(*wine)


# -- FeatureImportanceDisplay ----------------------------------------------------------


def labels(ticks):
    return [label.get_text() for label in ticks]


def test_display_draws_shares_in_groups():
    importances = np.array([[0.1, 0], [0.2, 0.3], [0, 0.1], [0.1, 0]])
    display = FeatureImportanceDisplay(
        importances=importances, feature_names=["a", "b", "c", "d"]
    ).plot()
    np.testing.assert_allclose(display.shares_, [[25, 0], [50, 75], [0, 25], [25, 0]])
    # The second feature has the largest share of the second component.
    assert display.features_.tolist() == [0, 3, 1, 2]
    assert labels(display.ax_.get_yticklabels()) == ["a", "d", "b", "c"]
    assert labels(display.ax_.get_xticklabels()) == ["0", "1"]
    assert display.ax_.get_xlabel() == "component"
    drawn = display.shares_[display.features_]
    np.testing.assert_array_equal(display.image_.get_array(), drawn)
    assert display.image_.get_clim() == (0, 75)
    written = {text.get_position(): text.get_text() for text in display.ax_.texts}
    assert written == {
        (column, row): f"{share:.0f}"
        for (row, column), share in np.ndenumerate(drawn)
        if share > 0
    }
    few = FeatureImportanceDisplay(importances=importances).plot(n_features=2)
    assert few.features_.tolist() == [0, 1]
    assert labels(few.ax_.get_yticklabels()) == ["0", "1"]
    assert few.ax_.get_ylabel() == "feature"


def test_display_computes_the_importances(wine):
    pipeline, frame = wine
    display = FeatureImportanceDisplay.from_estimator(
        pipeline, frame, n_repeats=2, random_state=0
    )
    expected = feature_importance(pipeline, frame, n_repeats=2, random_state=0)
    np.testing.assert_array_equal(display.importances, expected.importances_mean)
    np.testing.assert_allclose(display.shares_.sum(axis=0), 100)
    assert sorted(labels(display.ax_.get_yticklabels())) == sorted(frame.columns)


def test_display_of_the_reconstruction(wine):
    pipeline, frame = wine
    display = FeatureImportanceDisplay.from_estimator(
        pipeline, frame, of="reconstruction", n_repeats=1, random_state=0
    )
    assert labels(display.ax_.get_xticklabels()) == frame.columns.tolist()
    assert display.ax_.get_xlabel() == "reconstructed feature"
    display.figure_.canvas.draw()
    low = min(label.get_window_extent().y0 for label in display.ax_.get_xticklabels())
    assert low > 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 60), (60, 3), (60, 60)])
def test_display_of_few_and_many(shape):
    importances = np.random.default_rng(0).uniform(size=shape)
    names = [f"the name of the feature no. {i}" for i in range(shape[0])]
    display = FeatureImportanceDisplay(importances=importances, feature_names=names)
    display.plot(n_features=60)
    display.figure_.canvas.draw()
    rows = labels(display.ax_.get_yticklabels())
    assert set(rows) == set(names) if shape[0] <= 40 else len(rows) < 40
    assert len(display.ax_.texts) == (shape[1] <= 16 and shape[0] <= 40) * shape[0]
    assert display.ax_.get_window_extent().width > 100
    plt.close(display.figure_)


def test_display_of_nothing():
    display = FeatureImportanceDisplay(importances=np.zeros((3, 2))).plot()
    assert (display.shares_ == 0).all()
    display.figure_.canvas.draw()


def test_display_refuses():
    display = FeatureImportanceDisplay(importances=np.ones((3, 2)), feature_names=["a"])
    with pytest.raises(ValueError, match="feature_names has 1 names, but there are 3"):
        display.plot()
    with pytest.raises(ValueError, match="n_features=0 must be an integer"):
        FeatureImportanceDisplay(importances=np.ones((3, 2))).plot(n_features=0)
    with pytest.raises(ValueError, match="of='pie' must be one of"):
        FeatureImportanceDisplay(importances=np.ones((3, 2)), of="pie").plot()
