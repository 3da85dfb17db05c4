"""Validation data and splits that the user chooses."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.estimators._evidence import Fold, losses_by_row
from sklearn_ae.model_selection import BatchedGridSearchCV
from sklearn_ae.persistence import TRUSTED_TYPES

SHORT = {"max_epochs": 3, "random_state": 0}
# Candidates are compared with PCA, or there is a single network.
Compared = partial(Autoencoder, hidden_layer_sizes=4, **SHORT)
Single = partial(Compared, init="random", learning_rate=0.1)

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # three epochs
)


def _curve(n_rows, seed):
    rng = np.random.default_rng(seed)
    t = rng.uniform(-1, 1, (n_rows, 1))
    noise = 0.1 * rng.normal(size=(n_rows, 4))
    return np.hstack([t, t**2, np.sin(3 * t), -t]) + noise


@pytest.fixture
def X():
    return _curve(60, 0)


@pytest.fixture
def X_val():
    return _curve(20, 1)


def _half_square(fitted, X, target=None):
    """The loss "mse" of each row, computed from the reconstructions."""
    target = X if target is None else target
    return 0.5 * np.square(target - fitted.reconstruct(X)).sum(axis=1)


# -- X_val -----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [Compared, Single], ids=["compared", "single"])
def test_best_loss_is_that_of_the_validation_data(make, X, X_val):
    fitted = make(2).fit(X, X_val=X_val)
    assert fitted.best_loss_ == pytest.approx(_half_square(fitted, X_val).mean(), 1e-5)
    assert len(fitted.validation_loss_curve_) == 3


def test_all_rows_of_X_are_trained_on(X, X_val):
    # With a share, rows of this table would be held out.
    fitted = Single(2, max_epochs=0).fit(X, X_val=X_val)
    np.testing.assert_allclose(fitted.mean_, X.mean(axis=0))
    held_out = Single(2).fit(X, X_val=X_val).net_
    trained = Single(2, validation=None).fit(X).net_
    # The same rows in the same order.
    assert held_out.history[0, "train_loss"] == trained.history[0, "train_loss"]


def test_validation_data_are_in_the_units_of_X(X, X_val):
    small = Single(2).fit(X, X_val=X_val)
    large = Single(2).fit(1e3 * X + 5, X_val=1e3 * X_val + 5)
    np.testing.assert_allclose(
        large.validation_loss_curve_, 1e6 * small.validation_loss_curve_, rtol=1e-4
    )


def test_integer_weights_of_validation_rows_are_repetitions(X, X_val):
    weight = np.arange(20) % 3
    weighted = Compared(2).fit(X, X_val=X_val, sample_weight_val=weight)
    repeated = Compared(2).fit(X, X_val=X_val.repeat(weight, axis=0))
    np.testing.assert_allclose(
        weighted.candidates_["loss"], repeated.candidates_["loss"], rtol=1e-4
    )
    losses = _half_square(weighted, X_val)
    expected = np.average(losses, weights=weight)
    assert weighted.best_loss_ == pytest.approx(expected, 1e-5)


@pytest.mark.parametrize(
    "kind", [sparse.csr_array, sparse.coo_matrix, pd.DataFrame, np.float32, list]
)
def test_validation_data_may_be_of_any_kind(kind, X, X_val):
    X, X_val = np.maximum(X, 0), np.maximum(X_val, 0)
    expected = Single(2).fit(X, X_val=X_val).validation_loss_curve_
    given = X_val.tolist() if kind is list else kind(X_val)
    if kind is pd.DataFrame:
        X = pd.DataFrame(X)
    found = Single(2).fit(X, X_val=given).validation_loss_curve_
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_targets_of_validation_rows(X, X_val):
    target, target_val = X[:, :2] ** 2, X_val[:, :2] ** 2
    fitted = DenoisingAutoencoder(2, hidden_layer_sizes=4, **SHORT).fit(
        X, X_target=target, X_val=X_val, X_target_val=target_val
    )
    expected = _half_square(fitted, X_val, target_val).mean()
    assert fitted.best_loss_ == pytest.approx(expected, 1e-5)


@pytest.mark.parametrize(
    "make",
    [
        partial(SparseAutoencoder, 6),
        partial(VariationalAutoencoder, 2),
        partial(DenoisingAutoencoder, 2),
        partial(Single, 2, optimizer="lbfgs"),
        partial(Single, 2, dropout=0.2),
    ],
)
def test_every_variant_takes_validation_data(make, X, X_val):
    fitted = make(**SHORT).fit(X, X_val=X_val)
    assert np.isfinite(fitted.validation_loss_curve_).all()
    assert len(fitted.validation_loss_curve_) == fitted.n_iter_


def test_early_stopping_watches_the_validation_data(X):
    # Rows that a better fit to X reconstructs worse.
    other = np.random.default_rng(0).normal(size=(20, 4)) * X.std()
    fitted = Single(
        2,
        max_epochs=200,
        n_iter_no_change=3,
        learning_rate=0.05,
        learning_rate_schedule="constant",
    ).fit(X, X_val=other)
    assert fitted.n_iter_ < 200
    lowest = np.argmin(fitted.validation_loss_curve_)
    assert lowest < fitted.n_iter_ - 1
    assert fitted.best_loss_ == pytest.approx(_half_square(fitted, other).mean(), 1e-5)


def test_a_warm_start_takes_validation_data(X, X_val):
    fitted = Compared(2, warm_start=True).fit(X, X_val=X_val).fit(X, X_val=X_val)
    assert fitted.best_loss_ == pytest.approx(_half_square(fitted, X_val).mean(), 1e-5)


def test_units_of_validation_data_that_a_pipeline_has_not_scaled(X, X_val):
    pipeline = make_pipeline(StandardScaler(), Single(2))
    with pytest.warns(UserWarning, match=r"X_val has a root mean.*transform_input"):
        pipeline.fit(100 * X, autoencoder__X_val=100 * X_val)


def test_a_pipeline_transforms_validation_data(X, X_val):
    X, X_val = 100 * X, 100 * X_val
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler(),
            Single(2).set_fit_request(X_val=True),
            transform_input=["X_val"],
        ).fit(X, X_val=X_val)
    scaler = StandardScaler().fit(X)
    expected = Single(2).fit(scaler.transform(X), X_val=scaler.transform(X_val))
    assert pipeline[-1].best_loss_ == expected.best_loss_


WRONG = {
    "columns": ({"X_val": np.ones((5, 3))}, "X_val has 3 features, but X has 4"),
    "gaps": ({"X_val": np.full((5, 4), np.nan)}, "Input X_val contains NaN"),
    "infinite": ({"X_val": np.full((5, 4), np.inf)}, "Input X_val contains infinity"),
    "empty": ({"X_val": np.ones((0, 4))}, "0 sample"),
    "huge": ({"X_val": np.full((5, 4), 1e35)}, "of X_val has values up to 1e"),
    "image": ({"X_val": np.ones((5, 2, 2))}, r"X_val\.reshape"),
    "weights": (
        {"X_val": np.ones((5, 4)), "sample_weight_val": np.ones(4)},
        "sample_weight_val",
    ),
    "no weights": (
        {"X_val": np.ones((5, 4)), "sample_weight_val": np.zeros(5)},
        "sample_weight_val",
    ),
    "weights only": (
        {"sample_weight_val": np.ones(5)},
        "sample_weight_val needs X_val",
    ),
    "target only": ({"X_target_val": np.ones((5, 4))}, "X_target_val needs X_val"),
    "one target": (
        {"X_val": np.ones((5, 4)), "X_target_val": np.ones((5, 4))},
        "X_target_val needs X_target:",
    ),
    "other target": (
        {"X_val": np.ones((5, 4)), "X_target": np.ones((60, 2))},
        "X_target needs X_target_val",
    ),
    "target columns": (
        {
            "X_val": np.ones((5, 4)),
            "X_target": np.ones((60, 2)),
            "X_target_val": np.ones((5, 3)),
        },
        "X_target_val has 3 columns, but X_target has 2",
    ),
    "target rows": (
        {
            "X_val": np.ones((5, 4)),
            "X_target": np.ones((60, 2)),
            "X_target_val": np.ones((4, 2)),
        },
        "X_target_val has 4 rows, but X_val has 5",
    ),
    "groups": ({"groups": np.ones(60)}, "groups are given, but validation='auto'"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_wrong_validation_data(arguments, message, X):
    with pytest.raises(ValueError, match=message):
        Single(2).fit(X, **arguments)


@pytest.mark.parametrize("validation", [0.1, 3, None, KFold(3)])
def test_validation_data_and_the_parameter_are_an_error(validation, X, X_val):
    with pytest.raises(ValueError, match="X_val is given, and validation="):
        Autoencoder(2, validation=validation).fit(X, X_val=X_val)


def test_names_of_columns_must_be_those_of_X(X, X_val):
    X, X_val = (pd.DataFrame(one, columns=list("abcd")) for one in (X, X_val))
    Single(2).fit(X, X_val=X_val)
    with pytest.raises(ValueError, match="feature names should match") as caught:
        Single(2).fit(X, X_val=X_val.rename(columns={"d": "e"}))
    assert "X_val" in caught.value.__notes__[0]


def test_a_loss_for_the_unit_interval_checks_validation_data(X, X_val):
    unit = (X - X.min()) / np.ptp(X)
    with pytest.raises(ValueError, match=r"in \[0, 1\].*in the validation data"):
        Single(2, loss="bce").fit(unit, X_val=unit[:5] - 1)


# -- splitters -------------------------------------------------------------------------

SPLITS = {
    "time": (TimeSeriesSplit(3), np.arange(45), np.arange(45, 60)),
    "predefined": (
        PredefinedSplit(np.repeat([-1, 0], 30)),
        np.arange(30),
        np.arange(30, 60),
    ),
    "folds": (KFold(4), np.arange(45), np.arange(45, 60)),
    "pairs": (
        [([0, 1, 2], [7]), (range(40), range(40, 50))],
        np.arange(40),
        np.arange(40, 50),
    ),
    "masks": (
        [(np.arange(60) < 30, np.arange(60) >= 50)],
        np.arange(30),
        np.arange(50, 60),
    ),
    "arrays": (((np.arange(30), np.arange(-10, 0)),), np.arange(30), np.arange(50, 60)),
}


@pytest.mark.parametrize(("validation", "kept", "unseen"), SPLITS.values(), ids=SPLITS)
def test_the_last_split_is_held_out(validation, kept, unseen, X):
    fitted = Single(2, validation=validation).fit(X)
    losses = _half_square(fitted, X[unseen])
    assert fitted.best_loss_ == pytest.approx(losses.mean(), 1e-5)
    datasets = _Datasets()
    Single(2, validation=validation, callbacks=[datasets]).fit(X)
    np.testing.assert_array_equal(datasets.rows[0], kept)
    np.testing.assert_array_equal(datasets.rows[1], unseen)


class _Datasets(Callback):
    """Notes the rows of both datasets."""

    def on_epoch_begin(self, net, dataset_train, dataset_valid, **kwargs):
        self.rows = dataset_train.rows, dataset_valid.rows


def test_several_splits_are_a_cross_validation(X):
    splits = list(TimeSeriesSplit(3).split(X))
    fitted = Compared(2, validation=TimeSeriesSplit(3)).fit(X)
    # PCA's loss on the unseen rows, from scikit-learn's PCA.
    losses = []
    for train, unseen in splits:
        pca = PCA(2).fit(X[train])
        rest = X[unseen] - pca.inverse_transform(pca.transform(X[unseen]))
        losses.append(0.5 * np.square(rest).sum(axis=1))
    expected = np.concatenate(losses).mean()
    assert fitted.candidates_["loss"][0] == pytest.approx(expected, 1e-4)
    assert np.isfinite(fitted.candidates_["loss"]).all()
    # The final network is trained on all rows.
    assert fitted.validation_loss_curve_ is None
    np.testing.assert_allclose(
        Compared(2, validation=splits).fit(X).candidates_["loss"],
        fitted.candidates_["loss"],
        rtol=1e-6,
    )


def test_rows_that_are_unseen_several_times_count_once():
    class Net:
        def __init__(self, losses):
            self.losses = np.array(losses)

        def row_losses(self, dataset):
            return self.losses

    class Dataset:
        def __init__(self, rows):
            self.rows = np.array(rows)

    folds = [Fold(None, Dataset(rows), None, None) for rows in ([3, 1], [3, 7])]
    nets = [Net([1.0, 2.0]), Net([5.0, 4.0])]
    np.testing.assert_allclose(losses_by_row(nets, folds), [2.0, 3.0, 4.0])


def test_folds_of_equal_rows_are_left_out(X):
    X = np.vstack([np.repeat(X[:1], 20, axis=0), X])
    fitted = Compared(2, validation=TimeSeriesSplit(4)).fit(X)
    assert np.isfinite(fitted.candidates_["loss"]).all()


def test_rows_of_weight_zero_take_no_part_in_splits(X):
    weight = np.ones(60)
    weight[::3] = 0
    weighted = Single(2, validation=TimeSeriesSplit(3)).fit(X, sample_weight=weight)
    fewer = Single(2, validation=TimeSeriesSplit(3)).fit(X[weight > 0])
    assert weighted.best_loss_ == pytest.approx(fewer.best_loss_, rel=1e-4)
    # Positions in X stay what they are.
    last = PredefinedSplit(np.repeat([-1, 0], 30))
    fitted = Single(2, validation=last).fit(X, sample_weight=weight)
    unseen = 30 + np.flatnonzero(weight[30:])
    expected = _half_square(fitted, X[unseen]).mean()
    assert fitted.best_loss_ == pytest.approx(expected, rel=1e-5)


def test_groups_keep_together(X):
    groups = np.repeat(list("abcdef"), 10)
    datasets = _Datasets()
    model = Single(2, validation=GroupKFold(3), callbacks=[datasets])
    model.fit(X, groups=groups.tolist())
    kept, unseen = (set(groups[rows]) for rows in datasets.rows)
    assert kept.isdisjoint(unseen)
    assert kept | unseen == set(groups)


def test_groups_go_through_a_search(X):
    groups = np.repeat(np.arange(12), 5)
    model = Single(2, validation=GroupShuffleSplit(1, random_state=0))
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(groups=True)
        search = GridSearchCV(model, {"hidden_layer_sizes": [3]}, cv=GroupKFold(2))
        search.fit(X, groups=groups)
    assert np.isfinite(search.best_score_)


@pytest.mark.parametrize(
    "model",
    [
        Single(2),
        AutoencoderRegressor(Single(2), **SHORT),
        AutoencoderOutlierDetector(Single(2), cv=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_groups_of_a_search_are_for_its_splitter(model, X):
    groups = np.repeat(np.arange(12), 5)
    model = clone(model)
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(model, {}, cv=GroupKFold(2), scoring=lambda e, X, y: 1.0)
        search.fit(X, X[:, 0], groups=groups)
        assert model.get_metadata_routing().fit.requests["groups"] is False
        assert model.set_fit_request(groups=True) is model


WRONG_SPLITS = {
    "strings": ("half", "'validation' parameter"),
    "empty": ([], "has no pairs"),
    "no pairs": ([1, 2], "cannot split 60 rows"),
    "beyond": ([([0, 1], [60])], "cannot split 60 rows"),
    "overlap": ([([0, 1, 2], [2])], "must not train on unseen rows"),
    "few": ([([0], [2])], "has 1 rows to train on"),
    "none unseen": ([([0, 1], [])], "0 unseen rows in split 0|cannot split"),
    "no groups": (GroupKFold(3), "'groups' parameter should not be None"),
    "no labels": (StratifiedKFold(3), "cannot split 60 rows"),
    "too many": (KFold(61), "cannot split 60 rows"),
}


@pytest.mark.parametrize(
    "validation",
    [
        GroupKFold(3),
        GroupShuffleSplit(1, random_state=0),
        LeaveOneGroupOut(),
        PredefinedSplit(np.repeat([-1, 0], 30)),
        ShuffleSplit(1, random_state=0),
        TimeSeriesSplit(3),
        [(np.arange(30), np.arange(30, 60))],
    ],
    ids=lambda validation: type(validation).__name__,
)
def test_skops_files_hold_splitters(validation, X):
    skops = pytest.importorskip("skops.io")
    model = Single(2, max_epochs=0, validation=validation)
    groups = None if isinstance(validation, list) else np.repeat(np.arange(6), 10)
    model.fit(X, groups=groups)
    loaded = skops.loads(skops.dumps(model), trusted=TRUSTED_TYPES)
    assert str(loaded.validation) == str(validation)
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))


@pytest.mark.parametrize(
    ("validation", "message"), WRONG_SPLITS.values(), ids=WRONG_SPLITS
)
def test_wrong_splits(validation, message, X):
    with pytest.raises(ValueError, match=message):
        Autoencoder(2, validation=validation).fit(X)


def test_a_split_with_fewer_rows_than_axes(X):
    with pytest.raises(ValueError, match=r"split with 2 rows.*n_components=3"):
        Autoencoder(3, validation=[([0, 1], [2])]).fit(X)


def test_groups_of_another_length(X):
    with pytest.raises(ValueError, match=r"groups has the shape \(59,\)"):
        Autoencoder(2, validation=GroupKFold(3)).fit(X, groups=np.ones(59))


# -- estimators made of others ---------------------------------------------------------


@pytest.mark.parametrize("by", ["X_val", "validation"])
def test_layers_of_a_stack_have_the_codes_of_the_validation_rows(by, X, X_val):
    stack = StackedAutoencoder(2, hidden_layer_sizes=(3,), pretrain_epochs=3, **SHORT)
    if by == "X_val":
        stack.fit(X, X_val=X_val)
    else:
        both, n = np.vstack([X, X_val]), len(X)
        split = np.arange(n), np.arange(n, len(both))
        stack.set_params(validation=[split]).fit(both)
    rows = X_val
    for layer in stack.layers_:
        expected = _half_square(layer, rows).mean()
        assert layer.best_loss_ == pytest.approx(expected, rel=1e-4)
        rows = layer.transform(rows)
    expected = _half_square(stack, X_val).mean()
    assert stack.best_loss_ == pytest.approx(expected, rel=1e-4)


def test_a_layer_may_have_its_own_validation(X, X_val):
    layer = Autoencoder(validation=None)
    stack = StackedAutoencoder(
        2, hidden_layer_sizes=(3,), layer=layer, pretrain_epochs=3, **SHORT
    ).fit(X, X_val=X_val)
    assert stack.layers_[0].validation_loss_curve_ is None
    assert stack.validation_loss_curve_ is not None


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_classifier_with_validation_data(class_weight, X, X_val):
    y = np.where(X[:, 0] > 0.4, "b", "a")
    y_val = np.where(X_val[:, 0] > 0.4, "b", "a").astype(object)
    y_val[:3] = -1
    model = AutoencoderClassifier(Single(2), class_weight=class_weight, **SHORT)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.validation_loss_curve_ is not None
    assert len(model.autoencoder_.validation_loss_curve_) == 3
    weight = None
    if class_weight:
        counts = {label: np.mean(y == label) for label in "ab"}
        weight = [1 / counts[label] for label in y_val[3:]]
    expected = log_loss(
        y_val[3:].astype(str), model.predict_proba(X_val[3:]), sample_weight=weight
    )
    assert model.best_loss_ == pytest.approx(expected, rel=1e-4)


def test_regressor_with_validation_data(X, X_val):
    model = AutoencoderRegressor(Single(2, validation=None), **SHORT)
    model.fit(X, X[:, 0] + X[:, 1], X_val=X_val, y_val=X_val[:, 0] + X_val[:, 1])
    rest = X_val[:, 0] + X_val[:, 1] - model.predict(X_val)
    assert model.best_loss_ == pytest.approx(0.5 * np.square(rest).mean(), rel=1e-4)
    # Its own `validation` stays.
    assert model.autoencoder_.validation_loss_curve_ is None


@pytest.mark.parametrize("kind", [AutoencoderClassifier, AutoencoderRegressor])
def test_splitters_of_supervised_estimators(kind, X):
    y = (np.arange(60) % 2).astype(int)
    datasets = _Datasets()
    model = kind(Single(2), validation=GroupKFold(3), callbacks=[datasets], **SHORT)
    groups = np.repeat(np.arange(6), 10)
    if kind is AutoencoderClassifier:
        y[::7] = -1
    model.fit(X, y, groups=groups)
    kept, unseen = datasets.rows
    assert set(groups[kept]).isdisjoint(groups[unseen])
    assert (y[unseen] >= 0).all()
    assert len(kept) + len(unseen) == (y >= 0).sum()


def test_groups_are_for_pretraining_too(X):
    groups, y = np.repeat(np.arange(6), 10), np.arange(60) % 2
    by_groups = Single(2, validation=GroupShuffleSplit(1, random_state=0))
    alone = clone(by_groups).fit(X, groups=groups)
    for validation in ("auto", GroupKFold(3)):
        model = AutoencoderClassifier(by_groups, validation=validation, **SHORT)
        fitted = model.fit(X, y, groups=groups).autoencoder_
        assert fitted.best_loss_ == alone.best_loss_
    with pytest.raises(ValueError, match="groups are given, but validation='auto'"):
        AutoencoderClassifier(alone, **SHORT).fit(X, y, groups=groups)


SUPERVISED_ERRORS = {
    "no y_val": ({"X_val": np.ones((5, 4))}, "X_val needs y_val"),
    "no X_val": ({"y_val": np.ones(5)}, "y_val needs X_val"),
    "rows": ({"X_val": np.ones((5, 4)), "y_val": np.ones(4)}, r"y_val has the shape"),
    "class": ({"X_val": np.ones((5, 4)), "y_val": [0, 1, 1, 7, 1]}, "the class 7"),
    "gaps": ({"X_val": np.ones((2, 4)), "y_val": [0, np.nan]}, "y_val contains NaN"),
    "unlabelled": (
        {"X_val": np.ones((2, 4)), "y_val": [-1, -1]},
        "y_val has no labelled",
    ),
}


@pytest.mark.parametrize(
    ("arguments", "message"), SUPERVISED_ERRORS.values(), ids=SUPERVISED_ERRORS
)
def test_wrong_validation_data_of_a_classifier(arguments, message, X):
    with pytest.raises(ValueError, match=message):
        AutoencoderClassifier(Single(2)).fit(X, np.arange(60) % 2, **arguments)


def test_wrong_validation_data_of_a_regressor(X, X_val):
    fit = partial(AutoencoderRegressor(Single(2)).fit, X, X[:, 0], X_val=X_val)
    with pytest.raises(ValueError, match="y_val has 2 columns, but y has 1"):
        fit(y_val=X_val[:, :2])
    with pytest.raises(ValueError, match="y_val contains NaN"):
        fit(y_val=np.full(20, np.nan))


def test_a_split_without_a_class_to_train_on(X):
    y = np.repeat([0, 1], 30)
    model = AutoencoderClassifier(Single(2), validation=PredefinedSplit(y - 1))
    with pytest.raises(ValueError, match=r"leaves no row of the class.*1"):
        model.fit(X, y)


def test_detector_passes_validation_data_on(X, X_val):
    detector = AutoencoderOutlierDetector(Single(2), cv=2, random_state=0)
    detector.fit(X, X_val=X_val)
    fitted = detector.autoencoder_
    expected = _half_square(fitted, X_val).mean()
    assert fitted.best_loss_ == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="takes no X_val"):
        AutoencoderOutlierDetector(PCA(2)).fit(X, X_val=X_val)
    with pytest.raises(ValueError, match="X_val has 3 features"):
        detector.fit(X, X_val=X_val[:, :3])


def test_detector_keeps_groups_together(X):
    groups = np.repeat(np.arange(6), 10)
    grouped = AutoencoderOutlierDetector(
        Single(2, validation=GroupShuffleSplit(1, random_state=0)),
        cv=GroupKFold(3),
        random_state=0,
    ).fit(X, groups=groups)
    pairs = AutoencoderOutlierDetector(
        Single(2, validation=GroupShuffleSplit(1, random_state=0)),
        cv=list(GroupKFold(3).split(X, groups=groups)),
        random_state=0,
    ).fit(X, groups=groups)
    np.testing.assert_array_equal(grouped.held_out_scores_, pairs.held_out_scores_)
    with pytest.raises(ValueError, match="groups are given, but cv=5"):
        AutoencoderOutlierDetector(Single(2)).fit(X, groups=groups)


# -- searches --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        (Single(2), {"X_val": _curve(20, 1)}),
        (Compared(2), {"X_val": _curve(20, 1)}),
        (
            Single(2),
            {"X_val": _curve(20, 1), "sample_weight_val": np.arange(20) / 10.0},
        ),
        (Single(2, validation=TimeSeriesSplit(2)), {}),
        (Compared(2, validation=TimeSeriesSplit(2)), {}),
        (Single(2, validation=ShuffleSplit(1, random_state=0)), {}),
    ],
    ids=["X_val", "compared", "weights", "time", "compared in time", "shuffled"],
)
def test_batched_search_gives_the_scores_of_grid_search(model, arguments, X):
    grid, cv = {"learning_rate": [0.01, 0.02]}, [(range(40), range(40, 60))]
    expected = GridSearchCV(model, grid, cv=cv).fit(X, **arguments)
    found = BatchedGridSearchCV(model, grid, cv=cv).fit(X, **arguments)
    name = "split0_test_score"
    np.testing.assert_allclose(
        found.cv_results_[name], expected.cv_results_[name], rtol=1e-4
    )
    assert found.best_params_ == expected.best_params_
