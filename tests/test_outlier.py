"""The outlier detector: scores, threshold and trimming."""

import pickle
import warnings
from functools import partial

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    load_wine,
)
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import Autoencoder, AutoencoderOutlierDetector
from sklearn_ae.batched import run_together
from sklearn_ae.estimators import _nearest_rows, _outlier, _unseen_errors

# Folds of which the first one trains on a single row.
HALVES = [
    (np.arange(1), np.arange(75, 150)),
    (np.arange(75, 150), np.arange(75)),
]
FOLDS = KFold(3, shuffle=True, random_state=0)


def draw(seed, n_usual=150, n_outliers=0, n_features=8, size=2):
    """Usual rows near a plane, then outliers near another one."""
    rng = np.random.RandomState(seed)
    planes = rng.standard_normal((2, 2, n_features))
    usual = rng.standard_normal((n_usual, 2)) @ planes[0]
    outliers = size * rng.standard_normal((n_outliers, 2)) @ planes[1]
    X = np.vstack([usual, outliers])
    return X + 0.2 * rng.standard_normal(X.shape)


def detector(autoencoder=None, **params):
    """A detector that is fitted quickly, with PCA by default."""
    params = {"random_state": 0} | params
    return AutoencoderOutlierDetector(
        PCA(2) if autoencoder is None else autoencoder, **params
    )


@pytest.fixture
def few_epochs(monkeypatch):
    """The default autoencoder trains for ten epochs."""
    monkeypatch.setattr(_outlier, "_TRAINED_ROWS", 0)


def cheap(**params):
    few = {"n_components": 2, "max_epochs": 3, "validation": None}
    return Autoencoder(**(few | params))


# -- the numbers -----------------------------------------------------------------------


def square_errors(model, X):
    return (X - model.inverse_transform(model.transform(X))) ** 2


def quantile(values, share):
    return np.quantile(values, share, method="averaged_inverted_cdf")


def stand_out_beyond(errors, share):
    """Beyond this, the share is expected: logarithms fall off exponentially."""
    logs = np.log(np.maximum(errors, 1e-3))
    median = quantile(logs, 0.5)
    return np.exp(median + np.log2(0.5 / share) * (quantile(logs, 0.75) - median))


def usual_scale(errors):
    means = errors.mean(axis=0)
    return means + 0.1 * np.median(means)


def held_out_errors(X, keep):
    errors = np.empty(X.shape)
    for train, held_out in FOLDS.split(X):
        model = PCA(2).fit(X[np.intersect1d(train, np.flatnonzero(keep))])
        errors[held_out] = square_errors(model, X[held_out])
    return errors


def test_numbers_without_trimming(seed):
    X = draw(seed)
    fitted = detector(criterion="error", cv=FOLDS, trimming=0).fit(X)
    errors = held_out_errors(X, np.ones(len(X), dtype=bool))
    means = errors.mean(axis=0)
    scale = means + 0.1 * np.median(means)
    np.testing.assert_allclose(fitted.feature_scale_, np.sqrt(scale))
    held_out = np.empty(len(X))
    for train, rows in FOLDS.split(X):
        held_out[rows] = (errors[rows] / usual_scale(errors[train])).mean(axis=1)
    np.testing.assert_allclose(fitted.held_out_scores_, -held_out, rtol=1e-6)
    scores = -(square_errors(PCA(2).fit(X), X) / scale).mean(axis=1)
    np.testing.assert_allclose(fitted.training_scores_, scores)
    np.testing.assert_allclose(fitted.score_samples(X), scores)
    errors = -fitted.held_out_scores_
    usual = errors[errors <= stand_out_beyond(errors, 0.002)]
    assert fitted.offset_ == pytest.approx(-quantile(usual, 0.995))
    assert fitted.support_.all()


def test_numbers_with_trimming(seed):
    X = draw(seed, n_outliers=15)
    fitted = detector(criterion="error", cv=FOLDS).fit(X)
    errors = (X - np.median(X, axis=0)) ** 2
    limit = np.quantile(errors, 0.75, axis=0, method="averaged_inverted_cdf")
    central = np.where(errors <= limit, errors, np.nan)
    means = np.nanmean(central, axis=0)
    far = (errors / (means + 0.1 * np.median(means))).mean(axis=1)
    keep = far <= stand_out_beyond(far, 0.05)
    errors = held_out_errors(X, keep)
    low = np.empty(len(X))
    for train, rows in FOLDS.split(X):
        others = np.intersect1d(train, np.flatnonzero(keep))
        low[rows] = (errors[rows] / usual_scale(errors[others])).mean(axis=1)
    keep = low <= stand_out_beyond(low, 0.05)
    means = errors[keep].mean(axis=0)
    np.testing.assert_array_equal(fitted.support_, keep)
    scale = means + 0.1 * np.median(means)
    np.testing.assert_allclose(fitted.feature_scale_, np.sqrt(scale))
    np.testing.assert_allclose(
        fitted.score_samples(X),
        -(square_errors(PCA(2).fit(X[keep]), X) / scale).mean(axis=1),
    )


def differences(model, rows, usual, scale):
    """Of each row to each usual one, by feature: reconstructions, then errors."""
    outputs = [
        model.inverse_transform(model.transform(table)) for table in (rows, usual)
    ]
    errors = [
        (table - output) / np.sqrt(scale)
        for table, output in zip((rows, usual), outputs, strict=True)
    ]
    gaps = np.sort(((outputs[1][:, None] - outputs[1]) ** 2).sum(axis=2), axis=1)
    level = scale.mean() + gaps[:, 1:4].mean() / rows.shape[1]
    squares = [(a[:, None] - b) ** 2 for a, b in (outputs, errors)]
    return squares[0] / level + squares[1]


def of_nearest(squares):
    """The mean over the three nearest rows, for each feature."""
    nearest = np.argsort(squares.sum(axis=2), axis=1)[:, :3, np.newaxis]
    return np.take_along_axis(squares, nearest, axis=1).mean(axis=1)


def test_numbers_of_neighbors(seed):
    X, new = draw(seed), draw(seed, n_outliers=10)[-20:]
    fitted = detector(n_neighbors=3, cv=FOLDS, trimming=0).fit(X)
    errors = held_out_errors(X, np.ones(len(X), dtype=bool))
    scale = usual_scale(errors)
    held_out = np.empty(len(X))
    for train, rows in FOLDS.split(X):
        one = usual_scale(errors[train])
        squares = differences(PCA(2).fit(X[train]), X[rows], X[train], one)
        held_out[rows] = of_nearest(squares).mean(axis=1)
    unit = held_out.mean()
    np.testing.assert_allclose(fitted.held_out_scores_, -held_out / unit, rtol=1e-4)
    expected = of_nearest(differences(PCA(2).fit(X), new, X, scale)) / unit
    np.testing.assert_allclose(fitted.feature_errors(new), expected, rtol=1e-3)
    np.testing.assert_allclose(
        fitted.score_samples(new), -expected.mean(axis=1), rtol=1e-4
    )


def test_neighbors_are_rows_that_were_kept(seed):
    X = np.vstack([draw(seed), np.full((8, 8), 9.0)])
    fitted = detector().fit(X)
    assert not fitted.support_[-8:].any()
    # The eight rows are alike, but not usual.
    assert (fitted.predict(X[-8:]) == -1).all()


def test_gaps_between_groups_are_unusual(seed):
    """Both groups are on the line that is reconstructed exactly."""
    rng = np.random.RandomState(seed)
    line = rng.standard_normal((1, 6))
    X = np.repeat([[-1.0], [1.0]], 100, axis=0) + 0.1 * rng.standard_normal((200, 1))
    X = X @ line + 0.1 * rng.standard_normal((200, 6))
    middle = 0.1 * rng.standard_normal((50, 6))
    auc = {
        criterion: roc_auc_score(
            np.arange(250) < 200,
            detector(PCA(1), criterion=criterion)
            .fit(X)
            .score_samples(np.vstack([X, middle])),
        )
        for criterion in ("neighbors", "error")
    }
    assert auc["neighbors"] > 0.95
    assert auc["error"] < 0.7


def test_decision_and_prediction_follow_from_scores(seed):
    X = draw(seed, n_outliers=10)
    fitted = detector(cheap(), cv=2, random_state=seed).fit(X)
    scores = fitted.score_samples(X)
    assert scores.dtype == np.float64
    assert (scores <= 0).all()
    np.testing.assert_array_equal(scores, fitted.training_scores_)
    decision = fitted.decision_function(X)
    np.testing.assert_array_equal(decision, scores - fitted.offset_)
    labels = fitted.predict(X)
    assert labels.dtype.kind == "i"
    np.testing.assert_array_equal(labels, np.where(decision < 0, -1, 1))
    np.testing.assert_array_equal(clone(fitted).fit_predict(X), labels)


def test_feature_errors_average_to_minus_the_score(seed):
    X = draw(seed)
    fitted = detector(cheap()).fit(X)
    errors = fitted.feature_errors(X.astype(np.float32))
    assert errors.dtype == np.float64
    np.testing.assert_allclose(
        errors.mean(axis=1), -fitted.score_samples(X.astype(np.float32)), rtol=1e-5
    )
    plain = detector(cheap(), criterion="error").fit(X)
    np.testing.assert_allclose(
        plain.feature_errors(X),
        (X - plain.autoencoder_.reconstruct(X)) ** 2 / plain.feature_scale_**2,
        rtol=1e-6,
    )
    for one in (fitted, plain):
        assert 0.4 < one.feature_errors(draw(seed)).mean() < 1.5
    # Usual entries have errors of about one, whatever the feature.
    assert (0.5 < plain.feature_errors(draw(seed)).mean(axis=0)).all()
    assert (plain.feature_errors(draw(seed)).mean(axis=0) < 2).all()


def test_feature_errors_blame_the_right_feature(seed):
    X = draw(seed)
    fitted = detector().fit(X)
    usual = draw(seed)[:8]
    for feature, row in enumerate(usual):
        row[feature] += 5 * X[:, feature].std()
    blamed = fitted.feature_errors(usual).argmax(axis=1)
    assert np.mean(blamed == np.arange(8)) >= 0.75
    assert (fitted.predict(usual) == -1).mean() >= 0.75


def test_noisy_features_do_not_drown_the_rest(seed):
    rng = np.random.RandomState(seed)
    X, test = (
        np.hstack([table, rng.standard_normal((len(table), 4))])
        for table in (draw(seed), draw(seed, n_outliers=150, size=0.5))
    )
    is_usual = np.arange(300) < 150
    fitted = detector().fit(X)
    raw = -square_errors(fitted.autoencoder_, test).mean(axis=1)
    ours = roc_auc_score(is_usual, fitted.score_samples(test))
    assert ours > 0.85
    assert ours > roc_auc_score(is_usual, raw) + 0.1


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
def test_constant_features(seed):
    X = draw(seed)
    X[:, [1, 5]] = 3.0
    fitted = detector().fit(X)
    assert (fitted.feature_scale_ > 0).all()
    # As strict as a typical feature, and no stricter.
    assert fitted.feature_scale_[1] < np.median(fitted.feature_scale_)
    odd = X[:5].copy()
    odd[:, 1] = 4.0
    assert (fitted.predict(odd) == -1).all()
    assert (fitted.feature_errors(odd).argmax(axis=1) == 1).all()


@pytest.mark.parametrize("autoencoder", [PCA(1), None], ids=["PCA", "default"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, -1e7])
@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
def test_constant_tables(value, autoencoder, few_epochs):
    X = np.full((100, 5), value)
    fitted = AutoencoderOutlierDetector(autoencoder, random_state=0).fit(X)
    np.testing.assert_array_equal(fitted.predict(X), 1)
    np.testing.assert_array_equal(fitted.score_samples(X), 0)
    # The last bits are rounding.
    nearly = np.nextafter(X, np.inf)
    np.testing.assert_array_equal(fitted.predict(nearly), 1)
    other = X + max(1e-6, 1e-6 * abs(value))
    np.testing.assert_array_equal(fitted.predict(other), -1)


@pytest.mark.parametrize("value", [0.1, 0.0])
def test_idle_rows(value, seed, few_epochs):
    X = np.full((100, 5), value)
    X[95:] = np.random.RandomState(seed).standard_normal((5, 5))
    fitted = AutoencoderOutlierDetector(random_state=seed).fit(X)
    np.testing.assert_array_equal(fitted.predict(X) == -1, np.arange(100) >= 95)


def test_errors_at_the_level_of_rounding_are_none(seed):
    X = draw(seed)[:, :3] + 1e3
    with pytest.warns(UserWarning, match="reconstructs all features .* up to rounding"):
        fitted = detector(PCA(3), criterion="error").fit(X)
    np.testing.assert_array_equal(fitted.predict(X), 1)
    assert fitted.support_.all()


# -- the threshold ---------------------------------------------------------------------


@pytest.mark.parametrize("contamination", [0.01, 0.1, 1 / 3, 0.5])
def test_contamination_is_the_share_of_outliers_among_training_rows(contamination):
    X = draw(0)
    fitted = detector(contamination=contamination).fit(X)
    assert np.sum(fitted.predict(X) == -1) == int(contamination * len(X) + 1e-9)


def test_threshold_moves_without_a_fit(seed):
    X = draw(seed, n_outliers=10)
    fitted = detector().fit(X)
    autoencoder, scores, auto = (
        fitted.autoencoder_,
        fitted.score_samples(X),
        fitted.offset_,
    )
    assert fitted.set_threshold(0.2) is fitted
    assert fitted.offset_ == detector(contamination=0.2).fit(X).offset_
    assert np.sum(fitted.predict(X) == -1) == 32
    assert fitted.set_threshold("auto").offset_ == auto
    assert fitted.set_threshold(offset=-1.5).offset_ == -1.5
    np.testing.assert_array_equal(fitted.predict(X), np.where(scores < -1.5, -1, 1))
    assert fitted.autoencoder_ is autoencoder
    assert fitted.contamination == "auto"
    np.testing.assert_array_equal(fitted.score_samples(X), scores)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give one of them"),
        ({"contamination": 0.1, "offset": -1.0}, "give one of them"),
        ({"contamination": 0.0}, r"contamination=0.0 must be 'auto' or in"),
        ({"contamination": 0.6}, r"contamination=0.6 must be"),
        ({"contamination": "some"}, r"contamination='some' must be"),
        ({"contamination": np.array([0.1, 0.2])}, r"contamination=array.* must be"),
        ({"offset": np.nan}, "offset=nan must be a finite number"),
        ({"offset": "low"}, "offset='low' must be a finite number"),
        ({"offset": np.array([1.0, 2.0])}, r"offset=array.* must be a finite number"),
    ],
)
def test_bad_thresholds(arguments, message):
    fitted = detector().fit(draw(0))
    before = fitted.offset_
    with pytest.raises(ValueError, match=message):
        fitted.set_threshold(**arguments)
    assert fitted.offset_ == before


def test_auto_threshold_flags_few_usual_rows_and_most_outliers(seed):
    X, test = draw(seed, n_outliers=15), draw(seed, n_outliers=100)
    labels = detector().fit(X).predict(test)
    assert np.mean(labels[:150] == -1) < 0.05
    assert np.mean(labels[150:] == -1) > 0.3


@pytest.mark.parametrize("tails", ["Gaussian", "t3", "log-normal"])
def test_clean_tables_raise_few_false_alarms(tails, seed):
    shares = []
    for draw_seed in (seed, seed + 1):
        rng = np.random.RandomState(draw_seed)
        some = partial(rng.standard_t, 3) if tails == "t3" else rng.standard_normal
        X = some(size=(1600, 4)) @ rng.standard_normal((4, 12))
        X += 0.5 * some(size=X.shape)
        X = np.exp(X / 3) if tails == "log-normal" else X
        X = StandardScaler().fit(X[:400]).transform(X)
        labels = detector(PCA(0.9)).fit(X[:400]).predict(X[400:])
        shares.append(np.mean(labels == -1))
    assert np.mean(shares) <= 0.02


def test_bundled_tables_raise_few_false_alarms():
    shares = []
    for load in (load_breast_cancer, load_diabetes, load_iris, load_wine):
        X = StandardScaler().fit_transform(load().data)
        for rows, others in ShuffleSplit(4, test_size=0.5, random_state=0).split(X):
            labels = detector(PCA(0.9)).fit(X[rows]).predict(X[others])
            shares.append(np.mean(labels == -1))
    assert np.mean(shares) <= 0.02


# -- trimming --------------------------------------------------------------------------


def test_trimming_keeps_outliers_from_being_learned(seed):
    is_usual, missed = np.arange(300) < 150, []
    for draw_seed in range(seed, seed + 5):
        X, test = draw(draw_seed, n_outliers=20), draw(draw_seed, n_outliers=150)
        fitted = [
            detector(PCA(3), criterion="error", trimming=trimming).fit(X)
            for trimming in (0, 0.25)
        ]
        assert fitted[0].support_.all()
        assert np.mean(fitted[1].support_[:-20]) > 0.9
        missed.append(
            [1 - roc_auc_score(is_usual, f.score_samples(test)) for f in fitted]
        )
    # Single draws vary: in some, few of the outliers stand out.
    trusting, trimming = np.mean(missed, axis=0)
    assert trimming < 0.7 * trusting


def test_trimming_leaves_out_no_more_than_its_share(seed):
    X = draw(seed, n_outliers=40)
    assert np.mean(~detector(trimming=0.05).fit(X).support_) <= 0.05


def test_outliers_do_not_set_the_scale(seed):
    X = draw(seed)
    clean = detector().fit(X).feature_scale_
    X[:10] = 1e6
    np.testing.assert_allclose(detector().fit(X).feature_scale_, clean, rtol=0.2)


# -- what is inside --------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-7, 1e7])
def test_default_autoencoder(scale, few_epochs):
    X = draw(1, n_usual=40)
    fitted = AutoencoderOutlierDetector(random_state=0).fit(scale * X)
    inner = fitted.autoencoder_
    kept = X[fitted.support_]
    # The rows that are kept at first differ from those that are kept in the end.
    assert inner.loss.delta == pytest.approx(4 * scale * kept.std(), rel=0.1)
    assert inner.get_params() == Autoencoder(
        2,
        hidden_layer_sizes=64,
        init="random",
        code_activation="sigmoid",
        loss=inner.loss,
        learning_rate=0.02,
        max_epochs=10,
        random_state=inner.random_state,
    ).get_params(deep=False) | {"loss__delta": inner.loss.delta}
    assert fitted.autoencoder is None
    plain = AutoencoderOutlierDetector(random_state=0).fit(X)
    np.testing.assert_allclose(
        fitted.score_samples(scale * X), plain.score_samples(X), rtol=1e-2
    )


def test_default_flags_few_normal_rows():
    """With as many codes as columns it was one in four."""
    rng = np.random.RandomState(0)
    X, new = rng.standard_normal((2, 300, 2))
    fitted = AutoencoderOutlierDetector(random_state=0).fit(X)
    assert fitted.autoencoder_.n_components_ == 1
    # Training rows have smaller errors than new ones.
    assert np.mean(fitted.predict(X) == -1) <= 0.02
    assert np.mean(fitted.predict(new) == -1) <= 0.02


def test_a_single_column_is_compared_with_its_median(seed):
    rng = np.random.RandomState(seed)
    X, new = rng.standard_normal((2, 400, 1))
    weight = rng.randint(1, 3, size=400)
    fitted = AutoencoderOutlierDetector(
        criterion="error", trimming=0, random_state=seed
    ).fit(X)
    scale = fitted.feature_scale_[0]
    np.testing.assert_allclose(
        fitted.score_samples(new), -(((new[:, 0] - np.median(X)) / scale) ** 2)
    )
    for other in (fitted, clone(fitted).fit(X, sample_weight=weight)):
        assert np.mean(other.predict(new) == -1) <= 0.02
    assert fitted.autoencoder_.transform(new).shape == (400, 0)


def one_hot(rng, n_rows):
    return np.hstack([np.eye(k)[rng.randint(k, size=n_rows)] for k in (2, 3, 4, 5)])


def test_independent_categories_are_no_outliers():
    """Up to 39 % of these rows were flagged, among them whole categories."""
    rng = np.random.RandomState(0)
    X, new = one_hot(rng, 700), one_hot(rng, 700)
    fitted = AutoencoderOutlierDetector(random_state=0).fit(X)
    for table in (X, new):
        is_outlier = fitted.predict(table) == -1
        assert is_outlier.mean() <= 0.1
        assert (table.T @ is_outlier / table.sum(axis=0)).max() <= 0.25


def test_rows_are_not_copied():
    """An autoencoder is handed the whole table, and the rows by their weights."""
    X, seen = draw(0), []

    class Watched(Autoencoder):
        def fit(self, X, y=None, **params):
            seen.append(X)
            return super().fit(X, y, **params)

    inner = Watched(2, max_epochs=0)
    detector(inner).fit(X)
    assert all(np.shares_memory(table, X) for table in seen)
    assert len(seen) == 6


def test_folds_train_together(monkeypatch):
    calls = []

    def noted(functions, **params):
        calls.append(len(functions))
        fits = run_together(functions, **params)
        assert all(fit.was_stacked for fit in fits)
        return fits

    monkeypatch.setattr(_unseen_errors, "run_together", noted)
    detector(cheap(init="random")).fit(draw(0)[:93])
    assert calls == [5]


def test_a_frozen_autoencoder_is_used_as_it_is():
    X = draw(0)
    inner = cheap(random_state=0).fit(X)
    fitted = detector(FrozenEstimator(inner), criterion="error").fit(draw(1))
    assert fitted.autoencoder_.estimator is inner
    np.testing.assert_allclose(fitted.held_out_scores_, fitted.training_scores_)
    np.testing.assert_allclose(
        fitted.feature_errors(X),
        (X - inner.reconstruct(X)) ** 2 / fitted.feature_scale_**2,
    )
    with pytest.raises(NotFittedError):
        detector(FrozenEstimator(cheap())).fit(X)


def test_weights_of_a_frozen_autoencoder_are_repetitions(seed):
    X = draw(seed, n_outliers=10)
    frozen = FrozenEstimator(PCA(2).fit(X))
    weight = np.random.RandomState(seed).randint(0, 3, size=len(X))
    # Copies of a row are held out together, as a row with its weight is.
    repeated = np.repeat(np.arange(len(X)), weight)
    rows = np.array_split(np.random.RandomState(0).permutation(len(X)), 4)
    parts = [
        [(~np.isin(i, some), np.isin(i, some)) for some in rows]
        for i in (np.arange(len(X)), repeated)
    ]
    weighted = detector(frozen, cv=parts[0]).fit(X, sample_weight=weight)
    repeated = detector(frozen, cv=parts[1]).fit(X[repeated])
    np.testing.assert_allclose(
        weighted.score_samples(X), repeated.score_samples(X), rtol=1e-5
    )
    assert weighted.offset_ == pytest.approx(repeated.offset_)
    np.testing.assert_allclose(weighted.feature_scale_, repeated.feature_scale_)
    assert weighted.set_threshold(0.1).offset_ == pytest.approx(
        repeated.set_threshold(0.1).offset_
    )


def test_weights_may_be_in_any_unit(seed):
    X = draw(seed)
    frozen = FrozenEstimator(PCA(2).fit(X))
    plain, scaled = (
        detector(frozen).fit(X, sample_weight=weight)
        for weight in (None, np.full(len(X), 1 / len(X)))
    )
    np.testing.assert_allclose(scaled.score_samples(X), plain.score_samples(X))
    assert scaled.offset_ == pytest.approx(plain.offset_)


def test_uneven_weights_are_those_of_single_rows(seed, monkeypatch):
    """Most rows may be among the nearest; blocks of rows do not matter."""
    X, weight = draw(seed), np.exp(-np.linspace(0, 12, 150))
    frozen = FrozenEstimator(PCA(2).fit(X))
    fitted = detector(frozen, cv=2, trimming=0).fit(X, sample_weight=weight)
    measure = fitted._measure()
    assert measure.n_searched > 75
    output = frozen.inverse_transform(frozen.transform(X))
    scale = fitted.feature_scale_
    rows = np.hstack([(output - measure.center) / measure.level, (X - output) / scale])
    distances = ((rows[:, np.newaxis] - measure.usual) ** 2).sum(axis=2)
    expected = []
    for row in distances:
        order = np.argsort(row)
        total = np.minimum(np.cumsum(weight[order]), 5 * weight.mean())
        expected.append(row[order] @ np.diff(total, prepend=0) / total[-1])
    expected = np.array(expected) / 8 / measure.unit
    np.testing.assert_allclose(-fitted.score_samples(X), expected, rtol=1e-3, atol=1e-9)
    scores = fitted.score_samples(X)
    monkeypatch.setattr(_nearest_rows, "_BLOCK", 1000)
    np.testing.assert_allclose(fitted.score_samples(X), scores)


def test_usual_rows_of_one_part_only(seed):
    """There are none to compare them with."""
    X = draw(seed, n_outliers=20, size=6)
    first, second = np.arange(150), np.arange(150, 170)
    one = detector(
        FrozenEstimator(PCA(2).fit(X[first])), cv=[(first, second), (second, first)]
    )
    with pytest.raises(ValueError, match="holds out all usual rows in part 1"):
        one.fit(X)


def test_names_of_features():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(draw(0)).rename(columns="x{}".format)
    frozen = FrozenEstimator(cheap().fit(X))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = detector(frozen).fit(X)
        fitted.predict(X)
    assert list(fitted.feature_names_in_) == list(X.columns)
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(X.rename(columns={"x0": "other"}))


def test_a_pipeline_inside(seed):
    X = draw(seed) * 10.0 ** np.arange(8)
    fitted = detector(make_pipeline(StandardScaler(), cheap()), cv=2).fit(X)
    autoencoder = fitted.autoencoder_[-1]
    assert isinstance(autoencoder.random_state, int)
    # In the units of the data.
    assert (np.diff(np.log10(fitted.feature_scale_)) > 0).all()
    with pytest.raises(ValueError, match="takes no sample_weight"):
        fitted.fit(X, sample_weight=np.ones(len(X)))


def test_nested_parameters_and_clones():
    X = draw(0)
    prototype = cheap()
    search = GridSearchCV(
        detector(prototype, cv=2),
        {"autoencoder__n_components": [1, 3], "trimming": [0]},
        scoring=lambda estimator, X, y=None: estimator.score_samples(X).mean(),
        cv=2,
    ).fit(X)
    assert not hasattr(prototype, "net_")
    assert prototype.random_state is None
    best = search.best_estimator_
    assert best.autoencoder_.n_components_ == search.best_params_.get(
        "autoencoder__n_components"
    )
    copy = clone(best).set_params(autoencoder__n_components=2)
    assert not hasattr(copy, "offset_")
    assert copy.fit(X).autoencoder_.n_components_ == 2


def test_random_state(untouched_generators):
    X = draw(0)

    def fitted(autoencoder, random_state):
        return detector(autoencoder, cv=2, random_state=random_state).fit(X)

    same = [fitted(cheap(), 5).score_samples(X) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    other = fitted(cheap(), 6).score_samples(X)
    assert not np.array_equal(same[0], other)
    fitted(cheap(), None)
    given = fitted(cheap(random_state=7), 5)
    assert given.autoencoder_.random_state == 7


def test_sparse_input(seed):
    X = draw(seed)
    X[X < 0] = 0
    dense = detector(cheap(), cv=2, random_state=seed).fit(X)
    fitted = detector(cheap(), cv=2, random_state=seed).fit(sparse.csr_array(X))
    np.testing.assert_allclose(
        fitted.score_samples(sparse.csr_matrix(X)), dense.score_samples(X), rtol=1e-3
    )
    np.testing.assert_array_equal(fitted.support_, dense.support_)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        detector(make_pipeline(StandardScaler(), cheap())).fit(sparse.csr_array(X))


@pytest.mark.parametrize("n_rows", [3, 4, 5])
def test_few_rows(n_rows):
    X = draw(0)[:n_rows]
    fitted = detector(cheap(n_components=1)).fit(X)
    assert fitted.predict(X).shape == (n_rows,)


@pytest.mark.parametrize(
    ("name", "value"),
    [("_usual_weight", np.zeros(150)), ("_level", 0.0), ("_n_neighbors", "five")],
)
def test_files_with_wrong_values_are_errors(name, value):
    fitted = detector(trimming=0).fit(draw(0))
    state = fitted.__getstate__() | {name: value}
    with pytest.raises(pickle.UnpicklingError, match=f"{name} .*not .*positive"):
        detector().__setstate__(state)


def test_pickle():
    X = draw(0)
    fitted = detector(cheap()).fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.score_samples(X), fitted.score_samples(X))
    assert again.set_threshold(0.2).offset_ == fitted.set_threshold(0.2).offset_


# -- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"autoencoder": LinearRegression()}, "'autoencoder' parameter"),
        ({"autoencoder": "pca"}, "'autoencoder' parameter"),
        ({"criterion": "density"}, "'criterion' parameter"),
        ({"n_neighbors": 0}, "'n_neighbors' parameter"),
        ({"contamination": 0.0}, "'contamination' parameter"),
        ({"contamination": 0.6}, "'contamination' parameter"),
        ({"trimming": 0.5}, "'trimming' parameter"),
        ({"trimming": -0.1}, "'trimming' parameter"),
        ({"cv": 1}, "'cv' parameter"),
        ({"cv": [([0, 1, 2], [3])]}, "must hold out every row once"),
        ({"cv": []}, "must hold out every row once"),
        ({"cv": [1, 2]}, r"cv=\[1, 2\] cannot split 150 rows.*list of pairs"),
        ({"cv": [("a", "b")]}, "cannot split 150 rows"),
        ({"cv": [([0, 1], np.arange(150.0))]}, "cannot split 150 rows"),
        ({"cv": [([0, 1], np.arange(1, 151))]}, "cannot split 150 rows"),
        ({"cv": [(np.arange(150), np.arange(150))]}, "as pair 0 does"),
        ({"cv": [([], np.arange(150))]}, "leaves 0 of 150 rows to fit"),
        ({"cv": HALVES}, r"leaves 1 of 150 rows to fit"),
        ({"cv": StratifiedKFold()}, "needs no labels"),
        ({"cv": ShuffleSplit(5)}, "must hold out every row once"),
        ({"random_state": "0"}, "'random_state' parameter"),
        ({"autoencoder": cheap(n_components=9)}, "n_components=9 must be at most"),
        ({"autoencoder": cheap(max_epochs=-1)}, "'max_epochs' parameter"),
    ],
)
def test_bad_parameters_leave_the_detector_as_it_was(params, message):
    X = draw(0)
    fitted = detector().fit(X)
    scores = fitted.score_samples(X)
    fitted.set_params(**params)
    before = set(vars(fitted))
    with pytest.raises(ValueError, match=message):
        fitted.fit(draw(1))
    assert set(vars(fitted)) == before
    np.testing.assert_array_equal(fitted.score_samples(X), scores)


def test_errors_of_the_autoencoder_say_how_many_rows_it_was_given():
    with pytest.raises(ValueError, match="n_components") as caught:
        detector(cheap(n_components=8)).fit(draw(0)[:8])
    assert "of 8 rows" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(150), "zero"),
        (np.arange(150) < 2, "sample_weight is zero for all but 2 rows"),
        (-np.ones(150), "Negative values"),
        (np.ones(3), "sample_weight.shape"),
    ],
)
def test_bad_weights(weight, message):
    with pytest.raises(ValueError, match=message):
        detector(cheap()).fit(draw(0), sample_weight=weight)


def test_outputs_of_another_width():
    X = draw(0)
    inner = FrozenEstimator(cheap().fit(X, X_target=X[:, :3]))
    with pytest.raises(ValueError, match="reconstructs 3 columns, but X has 8"):
        detector(inner).fit(X)


@pytest.mark.parametrize("integer", [np.int8, np.uint8])
def test_cv_as_a_small_numpy_integer(integer):
    """The number of rows need not fit into its type."""
    X = draw(0)
    assert len(X) > 127
    expected = detector(cv=2).fit(X).held_out_scores_
    np.testing.assert_array_equal(
        detector(cv=integer(2)).fit(X).held_out_scores_, expected
    )


def test_cv_as_masks_and_tuples(seed):
    X = draw(seed)
    pairs = [tuple(map(np.asarray, pair)) for pair in FOLDS.split(X)]
    masks = tuple(
        tuple(np.isin(np.arange(len(X)), rows) for rows in pair) for pair in pairs
    )
    for cv in (pairs, masks):
        np.testing.assert_array_equal(
            detector(cv=cv).fit(X).held_out_scores_,
            detector(cv=FOLDS).fit(X).held_out_scores_,
        )


# -- warnings --------------------------------------------------------------------------


def test_columns_in_other_units(seed):
    X = draw(seed)
    X[:, 3] *= 1e7
    with pytest.warns(UserWarning, match=r"column 3 spans .* scale the columns first"):
        detector(cheap(max_epochs=0), cv=2).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scaled = make_pipeline(StandardScaler(), cheap(max_epochs=0))
        detector(scaled, cv=2).fit(X)
        detector(cheap(max_epochs=0), cv=2).fit(1e7 * draw(seed))


class Fickle(PCA):
    """Fails if it is fitted to all rows."""

    def inverse_transform(self, X):
        return super().inverse_transform(X) + 100 * (self.n_samples_ == 150)


def test_most_rows_are_outliers():
    with pytest.warns(ConvergenceWarning, match="100% of the training rows are out"):
        detector(Fickle(2), criterion="error", trimming=0).fit(draw(0))
