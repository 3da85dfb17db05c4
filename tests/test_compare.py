"""compare and its display, against loops that are written by hand."""

import itertools
import sys
import warnings
from typing import ClassVar

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import DBSCAN
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD
from sklearn.exceptions import FitFailedWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.manifold import LocallyLinearEmbedding, trustworthiness
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import Autoencoder
from sklearn_ae.inspection import ComparisonDisplay, compare

pytestmark = pytest.mark.usefixtures("close_figures")

UNTRAINED = Autoencoder(2, max_epochs=0)
SCALED = make_pipeline(StandardScaler(), PCA(2))


def classes_of(X):
    return (X[:, 0] > np.quantile(X[:, 0], 0.4)).astype(int)


@pytest.fixture
def labels(table):
    return classes_of(table)


def folds_of(comparison, key):
    return pd.DataFrame(comparison.attrs["folds"][key])


def assert_same(comparison, other, **tolerances):
    """Equal apart from the times."""
    assert list(comparison) == list(other)
    kept = [key for key in comparison if "time" not in key]
    pd.testing.assert_frame_equal(comparison[kept], other[kept], **tolerances)


# -- numbers ---------------------------------------------------------------------------


def test_numbers_are_those_of_a_loop(seeded_table):
    X, labels = seeded_table, classes_of(seeded_table)
    estimators = {
        "PCA": PCA(2),
        "scaled": SCALED,
        "kernel": KernelPCA(2, kernel="rbf", gamma=0.01, fit_inverse_transform=True),
    }
    comparison = compare(
        estimators,
        X,
        labels,
        cv=2,
        downstream=LogisticRegression(),
        scoring="balanced_accuracy",
        n_neighbors=4,
    )
    expected = {name: [] for name in estimators}
    folds = StratifiedKFold(2, shuffle=True, random_state=0)
    for train, test in folds.split(X, labels):
        for name, estimator in estimators.items():
            model = clone(estimator).fit(X[train])
            codes = model.transform(X[test])
            squares = (X[test] - model.inverse_transform(codes)) ** 2
            head = LogisticRegression().fit(model.transform(X[train]), labels[train])
            expected[name].append(
                {
                    "error": squares.mean(),
                    "explained": 1 - squares.mean() / X[test].var(axis=0).mean(),
                    "trustworthiness": trustworthiness(X[test], codes, n_neighbors=4),
                    "score": balanced_accuracy_score(labels[test], head.predict(codes)),
                }
            )
    pca_errors = np.array([values["error"] for values in expected["PCA"]])
    for name, values in expected.items():
        by_fold = pd.DataFrame(values)
        by_fold["ratio"] = by_fold["error"] / pca_errors
        for key in by_fold:
            found = folds_of(comparison, key)[name]
            np.testing.assert_allclose(found, by_fold[key], rtol=1e-8)
            row = comparison.loc[name]
            np.testing.assert_allclose(row[key], by_fold[key].mean(), rtol=1e-8)
            spread = by_fold[key].std(ddof=0)
            np.testing.assert_allclose(row[f"{key}_std"], spread, rtol=1e-6, atol=1e-12)
    assert (comparison[["fit_time", "transform_time"]] > 0).all(axis=None)
    assert comparison.index.name == "estimator"


def test_an_untrained_autoencoder_is_pca(table):
    comparison = compare([PCA(2), UNTRAINED], table)
    assert list(comparison.index) == ["PCA", "Autoencoder"]
    np.testing.assert_allclose(comparison["ratio"], 1, rtol=1e-5)
    assert len(folds_of(comparison, "error")) == 5
    assert list(comparison) == [
        *("error", "error_std", "ratio", "ratio_std", "explained", "explained_std"),
        *("fit_time", "transform_time"),
    ]


@pytest.mark.parametrize("has_gaps", [False, True])
def test_figures_are_those_of_the_methods(table, has_gaps):
    X = table.copy()
    if has_gaps:
        X[np.random.default_rng(0).uniform(size=X.shape) < 0.1] = np.nan
    model = Autoencoder(2, max_epochs=0, missing_values=np.nan)
    splits = list(KFold(2).split(X))
    comparison = compare(model, X, cv=splits, n_neighbors=3)
    for i, (train, test) in enumerate(splits):
        fitted = clone(model).fit(X[train])
        errors = fitted.reconstruction_error(X[test], per_feature=True)
        error = folds_of(comparison, "error")["Autoencoder"][i]
        np.testing.assert_allclose(error, np.nanmean(errors), rtol=1e-4)
        explained = folds_of(comparison, "explained")["Autoencoder"][i]
        np.testing.assert_allclose(explained, fitted.score(X[test]), rtol=1e-4)
    assert 0.5 < comparison["trustworthiness"]["Autoencoder"] <= 1


def test_errors_are_in_the_units_of_X(table):
    X = table * [1000, *[1] * 6]
    plain = compare([PCA(2), ("scaled", SCALED)], X)
    again = compare([PCA(2), ("scaled", SCALED)], X / 1000)
    np.testing.assert_allclose(plain["error"], again["error"] * 1e6)
    assert plain["ratio"]["scaled"] > 10  # PCA has the large feature to itself
    assert_same(plain[["ratio", "explained"]], again[["ratio", "explained"]], rtol=1e-6)


def test_standardized_errors(table):
    X = np.column_stack([table * [1000, *[1] * 6], np.full(60, 7.0)])
    splits = list(KFold(2).split(X))
    estimators = [PCA(2), ("scaled", SCALED)]
    comparison = compare(estimators, X, cv=splits, standardize=True, n_neighbors=3)
    assert comparison["ratio"]["scaled"] < 1
    unit = np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    train, test = splits[1]
    model = clone(SCALED).fit(X[train])
    codes = model.transform(X[test])
    squares = ((X[test] - model.inverse_transform(codes)) / unit) ** 2
    variance = (X[test] / unit).var(axis=0).mean()
    expected = {
        "error": squares.mean(),
        "explained": 1 - squares.mean() / variance,
        "trustworthiness": trustworthiness(X[test] / unit, codes, n_neighbors=3),
    }
    for key, value in expected.items():
        np.testing.assert_allclose(folds_of(comparison, key)["scaled"][1], value)


def test_a_constant_table_is_explained(table):
    X = np.ones_like(table)
    assert compare([("s", StandardScaler())], X)["explained"].item() == 1


def test_regressors_are_scored(table):
    X, y = table, table[:, 1]
    comparison = compare(PCA(7), X, y, downstream=Ridge(1e-8))
    np.testing.assert_allclose(comparison["score"], 1)


# -- what an estimator cannot do -------------------------------------------------------


def test_what_is_missing_is_nan(table, labels):
    estimators = {
        "all": PCA(2),
        "fit only": DBSCAN(),
        "transform": LocallyLinearEmbedding(n_components=2, eigen_solver="dense"),
        "not asked for": KernelPCA(2),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        comparison = compare(
            estimators,
            table,
            labels,
            cv=2,
            downstream=LogisticRegression(),
            n_neighbors=2,
        )
    known = comparison[["error", "score", "trustworthiness", "transform_time"]].notna()
    assert known.loc["fit only"].tolist() == [False, False, False, False]
    assert known.loc["transform"].tolist() == [False, True, True, True]
    assert known.loc["not asked for"].tolist() == [False, True, True, True]
    assert known.loc["all"].all()
    assert comparison["fit_time"].notna().all()
    np.testing.assert_array_equal(comparison["ratio"], [1, *3 * [np.nan]])


def test_nothing_to_divide_by_is_a_warning(table):
    estimators = {"fit only": DBSCAN(), "none": DBSCAN(), "all": PCA(2)}
    with pytest.warns(UserWarning, match="'fit only' has no errors .* such as 'all'"):
        comparison = compare(estimators, table, cv=2)
    assert comparison["ratio"].isna().all()
    assert comparison["error"].notna().tolist() == [False, False, True]


class Fragile(PCA):
    """Cannot be fitted to the first row."""

    def fit(self, X, y=None):
        if (X[:, 0] == -1e3).any():
            raise ValueError("the first row")
        return super().fit(X)


def test_failing_fits(table):
    X = table.copy()
    X[0, 0] = -1e3
    estimators = {"PCA": PCA(2), "fragile": Fragile(2)}
    with pytest.warns(FitFailedWarning, match="the first row"):
        comparison = compare(estimators, X, cv=3)
    errors = folds_of(comparison, "error")
    assert errors.notna().sum().to_dict() == {"PCA": 3, "fragile": 1}
    # Not a mean over other folds than those of the others.
    assert comparison["error"].notna().to_dict() == {"PCA": True, "fragile": False}
    with pytest.raises(ValueError, match="the first row") as error:
        compare(estimators, X, cv=3, error_score="raise")
    assert error.value.__notes__ == ["This is from the estimator 'fragile'."]
    with pytest.raises(ValueError, match="All the 5 fits failed"):
        compare({"PCA": PCA(50)}, X)


def test_failing_reconstructions(table, labels):
    cannot = {"filled": make_pipeline(SimpleImputer(), PCA(2))}
    others = {"cv": 2, "downstream": LogisticRegression()}
    with pytest.warns(UserWarning, match=r"'filled' could not be measured .* ValueErr"):
        comparison = compare(cannot, table, labels, **others)
    assert comparison["error"].isna().all()
    assert comparison["score"].notna().all()
    with pytest.raises(ValueError, match="add_indicator"):
        compare(cannot, table, labels, **others, error_score="raise")


class Narrow(PCA):
    """Reconstructs a part of the features."""

    def inverse_transform(self, X):
        return super().inverse_transform(X)[:, 1:]


def test_reconstructions_of_another_shape(table):
    with pytest.raises(ValueError, match=r"X has the shape \(30, 7\).* \(30, 6\)"):
        compare(Narrow(2), table, cv=2, error_score="raise")


# -- folds, and what is fitted ---------------------------------------------------------


def errors(X, *args, **kwargs):
    return compare(PCA(2), X, *args, **kwargs).attrs["folds"]["error"]["PCA"]


def test_folds(table, labels):
    X = table
    groups = np.arange(60) // 7
    assert errors(X) == errors(X, cv=KFold(5, shuffle=True, random_state=0))
    assert errors(X) != errors(X, random_state=1)
    assert errors(X, cv=3, random_state=1) == errors(
        X, cv=list(KFold(3, shuffle=True, random_state=1).split(X))
    )
    predicted = {"downstream": LogisticRegression()}
    stratified = StratifiedKFold(5, shuffle=True, random_state=0)
    assert errors(X, labels, **predicted) == errors(X, labels, cv=stratified)
    assert errors(X, labels) == errors(X)
    grouped = list(GroupKFold(4).split(X, groups=groups))
    assert errors(X, cv=4, groups=groups) == errors(X, cv=grouped)
    assert errors(X, cv=GroupKFold(4), groups=groups) == errors(X, cv=grouped)
    # Random folds are drawn once.
    twice = compare([PCA(2), ("again", PCA(2))], X, cv=ShuffleSplit(2))
    assert twice["ratio"]["again"] == 1


class Recording(BaseEstimator):
    """Remembers what it was fitted with."""

    calls: ClassVar[list] = []

    def fit(self, X, y=None):
        self.calls.append((type(X), y))
        return self


def test_fit_gets_rows_and_targets_as_they_are(table, labels):
    Recording.calls.clear()
    compare(Recording(), pd.DataFrame(table), cv=[(range(40), range(40, 60))])
    compare(Recording(), table, labels, cv=[(range(40), range(40, 60))])
    (first, none), (second, some) = Recording.calls
    assert (first, none, second) == (pd.DataFrame, None, np.ndarray)
    np.testing.assert_array_equal(some, labels[:40])


def test_kinds_of_tables(table):
    estimators = {"autoencoder": UNTRAINED, "svd": TruncatedSVD(2, random_state=0)}
    options = {"n_neighbors": 3, "cv": 2, "standardize": True}
    expected = compare(estimators, table, **options)
    kinds = {
        "pandas": pd.DataFrame(table, columns=list("abcdefg")),
        "polars": pl.DataFrame(table, schema=list("abcdefg")),
        "lists": table.tolist(),
        "csr": sparse.csr_array(table),
        "coo": sparse.coo_array(table),
    }
    for X in kinds.values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert_same(compare(estimators, X, **options), expected, rtol=1e-5)


def test_parameters_and_generators_stay_as_they_are(table, untouched_generators):
    model = Autoencoder(2, max_epochs=1, validation=None, random_state=0)
    search = GridSearchCV(UNTRAINED, {"n_components": [1]}, cv=2)
    before = table.copy()
    first = compare([PCA(2), model, search], table, cv=2)
    assert list(first.index) == ["PCA", "Autoencoder", "GridSearchCV"]
    assert not hasattr(model, "n_features_in_")
    assert not hasattr(search, "best_estimator_")
    np.testing.assert_array_equal(table, before)
    with joblib.parallel_config("threading"):
        second = compare([PCA(2), model, search], table, cv=2, n_jobs=2)
    assert_same(second, first, rtol=1e-6)


def test_metadata_routing_changes_nothing(table, labels):
    options = {"downstream": LogisticRegression(), "cv": 2}
    expected = compare([PCA(2), UNTRAINED], table, labels, **options)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = compare([PCA(2), UNTRAINED], table, labels, **options)
    assert_same(routed, expected)


def test_times_are_those_of_the_clock(table):
    comparison = compare(PCA(2), table, clock=itertools.count(0, 3).__next__)
    assert comparison[["fit_time", "transform_time"]].to_numpy().tolist() == [[3, 3]]


def test_names(table):
    forms = {
        "estimator": SCALED,
        "list": [SCALED],
        "pairs": [("PCA", SCALED)],
        "dict": {"PCA": SCALED},
        "generator": (model for model in [SCALED]),
    }
    for form in forms.values():
        assert list(compare(form, table, cv=2).index) == ["PCA"]


# -- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimators", "options", "message"),
    [
        ([], {}, "estimators is empty"),
        (3, {}, r"estimators=3 must be an estimator such as PCA\(2\), a dict"),
        ("PCA", {}, "estimators='PCA' must be an estimator"),
        ([1.0, 2.0], {}, "'float' is 1.0, but must be an estimator"),
        ([PCA(2), SCALED], {}, "'PCA' names several of them; pass a dict"),
        ({"a": PCA}, {}, "'a' is .*PCA'>, but must be an estimator, .*PCA"),
        ({"a": "pca"}, {}, "'a' is 'pca', but must be an estimator"),
        (PCA(2), {"cv": 1}, "cv=1 must be at least 2"),
        (PCA(2), {"cv": "five"}, "Expected `?cv`? as an integer"),
        (PCA(2), {"standardize": "yes"}, "standardize='yes' must be one of"),
        (PCA(2), {"n_neighbors": 0}, "n_neighbors=0 must be an integer of at least 1"),
        (PCA(2), {"n_neighbors": 6}, "n_neighbors=6 must be less than half .* has 12"),
        (PCA(2), {"scoring": "r2"}, "scoring='r2' is the score of `downstream`"),
        (PCA(2), {"downstream": Ridge()}, r"downstream=Ridge\(\) needs its target"),
    ],
)
def test_arguments_that_do_not_fit(table, estimators, options, message):
    with pytest.raises(ValueError, match=message):
        compare(estimators, table, **options)


def test_texts_are_refused():
    with pytest.raises(ValueError, match="X must hold numbers"):
        compare(PCA(1), pd.DataFrame({"a": ["x", "y"] * 5, "b": range(10)}))


def test_missing_pandas_is_explained(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"compare needs pandas; .*\[frames\]'`"):
        compare(PCA(2), table)


# -- the display -----------------------------------------------------------------------


def made_up(**columns):
    names = ["PCA", "other", "none"]
    table = {
        "error": [2.0, 1.0, np.nan],
        "error_std": [0.5, 0.25, np.nan],
        "fit_time": [0.1, 10.0, 1.0],
    }
    return pd.DataFrame(table | columns, index=pd.Index(names, name="estimator"))


def test_points_and_baseline():
    comparison = made_up()
    display = ComparisonDisplay(comparison=comparison).plot()
    assert list(display.points_) == ["PCA", "other"]
    for name, (line, _, (bars,)) in display.points_.items():
        row = comparison.loc[name]
        assert line.get_xydata().tolist() == [[row["fit_time"], row["error"]]]
        ((_, low), (_, high)) = bars.get_segments()[0]
        assert (low, high) == (
            row["error"] - row["error_std"],
            row["error"] + row["error_std"],
        )
    assert display.baseline_.get_ydata()[0] == 2
    shown = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert shown == ["PCA", "other", "none: no error"]
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_ylim()[0] == 0
    colors = {line.get_color() for line, *_ in display.points_.values()}
    assert len(colors) == 2


def test_options_of_the_points_take_any_name():
    display = ComparisonDisplay(comparison=made_up())
    display.plot(errorbar_kw={"c": "black", "marker": "*"})
    for line, *_ in display.points_.values():
        assert (line.get_color(), line.get_marker()) == ("black", "*")


def test_a_first_estimator_without_errors_has_no_level():
    display = ComparisonDisplay(comparison=made_up()[::-1]).plot()
    assert display.baseline_ is None


def test_times_of_zero_need_a_linear_axis():
    display = ComparisonDisplay(comparison=made_up(fit_time=[0.0, 1.0, 2.0])).plot()
    assert display.ax_.get_xscale() == "linear"


def test_quantities(table, labels):
    options = {"downstream": LogisticRegression(), "cv": 2}
    display = ComparisonDisplay.from_estimator(
        [PCA(2), UNTRAINED], table, labels, compare_kw=options, quantity="score"
    )
    expected = compare([PCA(2), UNTRAINED], table, labels, **options)
    assert_same(display.comparison, expected)
    assert display.baseline_.get_ydata()[0] == expected["score"]["PCA"]
    display.plot(quantity="ratio")
    assert display.ax_.get_ylabel() == "error / error of PCA, held-out rows"
    with pytest.raises(ValueError, match=r"quantity='trustworthiness' must be one of"):
        display.plot(quantity="trustworthiness")


def test_quantities_that_nobody_asked_for_are_refused_at_once():
    with pytest.raises(ValueError, match="quantity='size' must be one of"):
        ComparisonDisplay.from_estimator(None, None, quantity="size")
    with pytest.raises(ValueError, match=r"quantity='score' is not .*'downstream'"):
        ComparisonDisplay.from_estimator(None, None, quantity="score")
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("y", "scoring", "message"),
    [
        # One class only, so that the fit fails.
        (np.zeros(60, int), None, r"LogisticRegression\(\) on the codes of 'PCA'"),
        # The score fails: three classes.
        (np.tile([0, 1, 2], 20), "roc_auc", "multi_class must be"),
    ],
)
def test_a_downstream_failure_leaves_the_errors(y, scoring, message):
    X = np.random.RandomState(0).standard_normal((60, 4))
    options = {"downstream": LogisticRegression(), "scoring": scoring, "cv": KFold(2)}
    with pytest.warns(UserWarning, match=message):
        comparison = compare(PCA(2), X, y, **options)
    assert comparison["score"].isna().all()
    expected = compare(PCA(2), X, cv=KFold(2))
    for key in ("error", "explained"):
        np.testing.assert_array_equal(comparison[key], expected[key])


class Counted(PCA):
    """Counts the calls of transform; has none for held-out rows if told so."""

    calls: ClassVar[list] = []

    def __init__(self, n_components=2, *, fails=None):
        super().__init__(n_components)
        self.fails = fails

    def transform(self, X):
        self.calls.append(len(X))
        if self.fails is not None and len(X) == 20:
            raise self.fails
        return super().transform(X)


@pytest.mark.parametrize(
    ("fails", "n_warnings"), [(None, 0), (NotImplementedError(), 0), (OSError(), 1)]
)
def test_held_out_rows_are_transformed_once(table, labels, fails, n_warnings):
    Counted.calls.clear()
    options = {"downstream": LogisticRegression(), "cv": [(range(40), range(40, 60))]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        comparison = compare(Counted(fails=fails), table, labels, **options)
    assert Counted.calls == [40, 20]
    assert [w.category for w in caught] == n_warnings * [UserWarning]
    assert comparison["score"].isna().all() == (fails is not None)


def test_sorted_comparisons_keep_their_baseline():
    X = np.random.RandomState(0).standard_normal((60, 4))
    comparison = compare({"first": PCA(1), "second": PCA(2)}, X, cv=2)
    in_order = comparison.sort_values("error")
    assert in_order.index[0] == "second"
    display = ComparisonDisplay(comparison=in_order).plot(quantity="ratio")
    assert "error of first" in display.ax_.get_ylabel()
