"""Classifier and regressor: the three steps, labels, prototypes and conventions."""

import copy
import pickle
import re
import signal
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from registry import OwnNetwork
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_friedman1, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderRegressor,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.networks.headed import HeadedNetwork
from sklearn_ae.objectives.losses import cross_entropy
from sklearn_ae.training.settings import _stratified

BOTH = pytest.mark.parametrize(
    "estimator", [AutoencoderClassifier, AutoencoderRegressor]
)
AUTOENCODER = Autoencoder(
    3, hidden_layer_sizes=8, max_epochs=2, validation=2, random_state=0
)


@pytest.fixture
def classes(table):
    """Three classes that the table tells apart."""
    return np.digitize(table[:, 0], np.quantile(table[:, 0], [0.3, 0.6]))


@pytest.fixture
def numbers(table):
    return table[:, :2].sum(axis=1) + np.sin(table[:, 2]) + 100


def make(estimator, autoencoder=AUTOENCODER, **params):
    return estimator(autoencoder, **{"max_epochs": 3, "random_state": 0} | params)


def target_of(estimator, classes, numbers):
    return classes if estimator is AutoencoderClassifier else numbers


def outputs(model, X):
    name = "predict_proba" if hasattr(model, "classes_") else "predict"
    return getattr(model, name)(X)


# -- the parts -------------------------------------------------------------------------


def test_cross_entropy_is_scikit_learns_log_loss(seed):
    rng = np.random.RandomState(seed)
    logits, labels = 5 * rng.standard_normal((20, 4)), np.arange(20) % 4
    target = torch.from_numpy(np.eye(4)[labels])
    losses = cross_entropy(torch.from_numpy(logits), target)
    total = cross_entropy(torch.from_numpy(logits), target, total=True)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert losses.shape == (20,)
    assert losses.mean().item() == pytest.approx(log_loss(labels, probabilities))
    assert total.item() == pytest.approx(losses.sum().item())


def test_cross_entropy_of_large_logits_is_finite():
    logits = torch.tensor([[1000.0, -1000.0]])
    assert cross_entropy(logits, torch.tensor([[0.0, 1.0]])).item() == 2000


class Codebook(OwnNetwork):
    """Uses a parameter that no gradient reaches."""

    def __init__(self, n_features, n_components):
        super().__init__(n_features, n_components)
        self.codebook = torch.nn.Parameter(torch.ones(n_components))
        self.unused = torch.nn.Parameter(torch.ones(3, 3))

    def encode(self, x):
        return super().encode(x) * self.codebook.detach()


@pytest.mark.parametrize(
    ("network", "params", "kept"),
    [
        (DenseNetwork, {"hidden_layer_sizes": (4,)}, {"encoder"}),
        (
            DenseNetwork,
            {"hidden_layer_sizes": (4,), "tied_weights": True, "linear_path": True},
            {"encoder", "encoder_path"},
        ),
        (Codebook, {}, {"encoder", "code", "codebook"}),
    ],
)
def test_headed_network_holds_no_decoder(network, params, kept):
    headed = HeadedNetwork(7, 2, network=network, network_params=params, n_outputs=3)
    parts = {name.split(".")[0] for name, _ in headed.network.named_parameters()}
    assert parts == kept
    whole = network(7, 2, **params)
    if network is DenseNetwork:
        whole.reset_parameters_from(torch.Generator().manual_seed(0))
    headed.start_from(whole.state_dict())
    headed.set_head(torch.ones(3, 2), torch.ones(3), torch.ones(2), torch.ones(2) * 2)
    x = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    codes = whole.eval().encode(x)
    assert torch.equal(headed.eval().encode(x), codes)
    expected = (codes - 1) / 2 @ torch.ones(2, 3) + 1
    torch.testing.assert_close(headed(x), expected)


@pytest.mark.parametrize("n_chosen", [1, 5, 12, 100])
def test_stratified_rows(n_chosen, seed):
    strata = np.repeat([0, 1, 2, 3], [1, 2, 17, 40])
    chosen = _stratified(strata, n_chosen, np.random.RandomState(seed))
    assert len(chosen) == len(set(chosen)) == min(n_chosen, 60 - 4)
    counts = np.bincount(strata[chosen], minlength=4)
    assert (counts < np.bincount(strata)).all()
    if n_chosen == 12:
        assert abs(counts[2] - 12 * 17 / 60) <= 1
        assert abs(counts[3] - 12 * 40 / 60) <= 1.5


# -- the three steps -------------------------------------------------------------------


@BOTH
def test_first_step_is_the_autoencoders_own_fit(table, classes, numbers, estimator):
    y = target_of(estimator, classes, numbers)
    # Without held-out rows, on which three epochs prove no gain for the regressor.
    model = make(estimator, validation=None).fit(table, y)
    alone = clone(AUTOENCODER).fit(table)
    np.testing.assert_array_equal(
        model.autoencoder_.transform(table), alone.transform(table)
    )
    untuned = make(estimator, max_epochs=0).fit(table, y)
    np.testing.assert_array_equal(untuned.transform(table), alone.transform(table))
    assert (model.transform(table) != alone.transform(table)).any()


def standardized(codes, weight):
    mean = np.average(codes, axis=0, weights=weight)
    variances = np.average((codes - mean) ** 2, axis=0, weights=weight)
    return (codes - mean) / np.sqrt(variances.mean())


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("params", [{"freeze": True}, {"max_epochs": 0}], ids=str)
def test_second_step_is_logistic_regression(table, classes, n_classes, params):
    y = np.minimum(classes, n_classes - 1)
    weight = np.arange(60) % 3 + 0.5
    model = make(AutoencoderClassifier, **params, head_penalty=0.5)
    model.fit(table, y, sample_weight=weight)
    codes = model.autoencoder_.transform(table)
    u = standardized(codes, weight)
    head = LogisticRegression(C=2, max_iter=1000).fit(u, y, sample_weight=weight)
    kwargs = {"rtol": 1e-4, "atol": 1e-5}
    proba = model.predict_proba(table)
    np.testing.assert_allclose(proba, head.predict_proba(u), **kwargs)
    decision = model.decision_function(table)
    assert decision.shape == ((60,) if n_classes == 2 else (60, 3))
    np.testing.assert_allclose(decision, head.decision_function(u), **kwargs)
    np.testing.assert_array_equal(model.predict(table), head.predict(u))
    assert model.n_iter_ == 0


@pytest.mark.parametrize("n_targets", [None, 1, 2])
def test_second_step_is_ridge(table, numbers, n_targets):
    y = (
        numbers
        if n_targets is None
        else np.c_[numbers, 10 * table[:, 3]][:, :n_targets]
    )
    weight = np.arange(60) % 3 + 0.5
    model = make(AutoencoderRegressor, freeze=True, head_penalty=2.0)
    model.fit(table, y, sample_weight=weight)
    codes = model.autoencoder_.transform(table)
    u = standardized(codes, weight)
    expected = Ridge(alpha=2.0).fit(u, y, sample_weight=weight).predict(u)
    assert model.predict(table).shape == y.shape
    np.testing.assert_allclose(model.predict(table), expected.reshape(y.shape), 1e-4)


@BOTH
@pytest.mark.parametrize("penalty", [0.0, 1e-3])
def test_third_step_lowers_the_loss(table, classes, numbers, estimator, penalty):
    y = target_of(estimator, classes, numbers)
    params = {"validation": None, "l2_penalty": penalty, "learning_rate": 0.01}
    model = make(estimator, max_epochs=30, batch_size=60, **params).fit(table, y)
    untuned = make(estimator, max_epochs=0).fit(table, y)
    assert model.n_iter_ == len(model.loss_curve_) == 30
    assert model.validation_loss_curve_ is None
    history = model.history_
    # Before the first step it is the loss of the head alone, in the units of y.
    before, after = history["train_prediction"][[0, -1]]

    def loss(fitted):
        if estimator is AutoencoderClassifier:
            return log_loss(y, fitted.predict_proba(table))
        return np.mean((y - fitted.predict(table)) ** 2) / 2

    assert before == pytest.approx(loss(untuned), rel=1e-3)
    assert loss(model) == pytest.approx(after, rel=0.05)
    assert after < 0.9 * before
    total = history["train_prediction"] + history.get("train_l2", 0)
    np.testing.assert_allclose(history["train_loss"], total)
    if penalty:
        parameters = model.net_.module_.named_parameters()
        norm = sum(p.square().sum().item() for _, p in parameters if p.ndim > 1) / 2
        assert history["train_l2"][-1] == pytest.approx(penalty * norm, rel=0.01)


@BOTH
def test_stopping_early_keeps_the_best_weights(table, classes, numbers, estimator):
    y = target_of(estimator, classes, numbers)
    model = make(
        estimator,
        max_epochs=40,
        n_iter_no_change=3,
        learning_rate=0.05,
        learning_rate_schedule="constant",
    ).fit(table, y)
    assert model.n_iter_ < 40
    curve = model.validation_loss_curve_
    assert len(curve) == model.n_iter_
    assert model.best_loss_ <= curve.min()
    np.testing.assert_array_equal(model.history_["valid_prediction"], curve)


def test_where_nothing_improves_the_head_sees_all_rows(table, classes):
    params = {"learning_rate": 1e3, "optimizer": "sgd", "max_epochs": 2}
    model = make(AutoencoderClassifier, **params).fit(table, classes)
    untuned = make(AutoencoderClassifier, freeze=True).fit(table, classes)
    assert model.n_iter_ == 2
    assert (model.validation_loss_curve_ > model.best_loss_).all()
    np.testing.assert_array_equal(
        model.predict_proba(table), untuned.predict_proba(table)
    )


def test_without_pretraining_the_weights_are_the_first(table, classes):
    prototype = clone(AUTOENCODER).set_params(init="random", validation="auto")
    model = make(AutoencoderClassifier, prototype, pretrain=False, freeze=True)
    first = clone(prototype).set_params(max_epochs=0).fit(table)
    codes = model.fit(table, classes).transform(table)
    np.testing.assert_array_equal(codes, first.transform(table))
    stacked = StackedAutoencoder(2, hidden_layer_sizes=(4,), random_state=0)
    model = make(AutoencoderClassifier, stacked, pretrain=False).fit(table, classes)
    assert model.autoencoder_.n_iter_ == 0


def test_pretraining_pays_where_labels_are_few(digits):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    _, y = load_digits(return_X_y=True)
    y, y_test = train_test_split(y, test_size=0.5, random_state=0)
    X, X_test = digits
    few = np.where(np.arange(len(y)) < 40, y, -1)
    params = {"validation": None, "max_epochs": 40, "random_state": 0}
    scores = [
        AutoencoderClassifier(pretrain=pretrain, **params)
        .fit(X, few)
        .score(X_test, y_test)
        for pretrain in (True, False)
    ]
    assert scores[0] > scores[1] + 0.02


def test_codes_that_hardly_vary_do_no_harm():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((30, 3))
    y = X @ [1.0, 2.0, 3.0]
    # Sixteen columns, nearly all of whose variance is in three.
    wide = DenoisingAutoencoder(16, init="random", max_epochs=0, random_state=0)
    params = {"validation": None, "max_epochs": 30, "random_state": 0}
    model = AutoencoderRegressor(wide, **params).fit(X, y)
    variances = model.autoencoder_.explained_variance_
    assert variances.min() < 1e-6 * variances.max()
    assert model.loss_curve_.max() < 0.01 * y.var()
    assert model.score(X, y) > 0.99


# -- every autoencoder -----------------------------------------------------------------

AUTOENCODERS = {
    "plain": Autoencoder(2, validation=2),
    "random": Autoencoder(2, init="random", dropout=0.2),
    "tied": Autoencoder(2, tied_weights=True),
    "penalized": Autoencoder(2, l2_penalty=0.1),
    "cross_entropy": Autoencoder(2, init="random", loss="bce"),
    "share": Autoencoder(0.8, validation=None),
    "denoising": DenoisingAutoencoder(9, init="random"),
    "sparse": SparseAutoencoder(9),
    "topk": SparseAutoencoder(9, sparsity="topk", k=2),
    "variational": VariationalAutoencoder(2),
    "convolutional": ConvolutionalAutoencoder(2, image_shape=(1, 3, 3), channels=(2,)),
    "own": Autoencoder(2, network=OwnNetwork),
    "stacked": StackedAutoencoder(2, hidden_layer_sizes=(4,), pretrain_epochs=1),
}


@BOTH
@pytest.mark.parametrize("name", AUTOENCODERS)
def test_every_autoencoder_serves(estimator, name, table):
    X = np.hstack([table, table[:, :2]])
    X = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    y = (X[:, 0] > np.median(X[:, 0])).astype(int)
    autoencoder = clone(AUTOENCODERS[name]).set_params(max_epochs=1, random_state=0)
    tuning = {"validation": None, "l2_penalty": 0.01}
    frozen = make(estimator, autoencoder, freeze=True).fit(X, y)
    np.testing.assert_allclose(
        frozen.transform(X), frozen.autoencoder_.transform(X), rtol=1e-12, atol=1e-12
    )
    model = make(estimator, autoencoder, **tuning).fit(X, y)
    assert model.transform(X).shape == (60, model.n_components_)
    assert (model.transform(X) != frozen.transform(X)).any()
    losses = model.history_["train_prediction"]
    assert np.isfinite(losses).all()
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(outputs(loaded, X), outputs(model, X))


class Dithered(OwnNetwork):
    """Uses a parameter in training only, and one that is in no forward pass at all."""

    def __init__(self, n_features, n_components):
        super().__init__(n_features, n_components)
        self.gain = torch.nn.Parameter(torch.ones(n_components))
        self.unused = torch.nn.Parameter(torch.ones(2, 2))

    def encode(self, x):
        z = super().encode(x)
        return z * self.gain if self.training else z


@BOTH
@pytest.mark.parametrize("freeze", [False, True])
def test_parameters_that_only_training_uses(table, classes, numbers, estimator, freeze):
    y = target_of(estimator, classes, numbers)
    autoencoder = clone(AUTOENCODER).set_params(network=Dithered, validation="auto")
    model = make(estimator, autoencoder, freeze=freeze, l2_penalty=0.1).fit(table, y)
    assert np.isfinite(outputs(model, table)).all()
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(outputs(loaded, table), outputs(model, table))
    if not freeze:
        gain = model.net_.module_.network.gain
        trained = model.autoencoder_.net_.module_.gain
        assert not torch.equal(gain, trained)


def test_paired_targets_of_the_prototype_do_not_matter(table, classes):
    fitted = clone(AUTOENCODER).fit(table, X_target=table[:, :4])
    model = make(AutoencoderClassifier, fitted).fit(table, classes)
    assert model.predict_proba(table).shape == (60, 3)


# -- fitted autoencoders ---------------------------------------------------------------


@pytest.fixture
def fitted(table):
    return clone(AUTOENCODER).set_params(random_state=7).fit(table)


@pytest.fixture(params=["fitted", "frozen"])
def prototype(request, fitted):
    return fitted if request.param == "fitted" else FrozenEstimator(fitted)


def test_fitted_autoencoder_is_used_as_it_is(table, classes, fitted, prototype):
    before = copy.deepcopy(fitted)
    model = make(AutoencoderClassifier, prototype, freeze=True)
    codes = model.fit(table[:30], classes[:30]).transform(table)
    np.testing.assert_array_equal(codes, before.transform(table))
    make(AutoencoderClassifier, prototype).fit(table, classes)
    np.testing.assert_array_equal(fitted.transform(table), before.transform(table))
    np.testing.assert_array_equal(fitted.reconstruct(table), before.reconstruct(table))
    assert model.autoencoder is prototype
    assert model.autoencoder_ is not fitted


def test_clone_keeps_the_weights(table, classes, fitted, prototype):
    model = make(AutoencoderClassifier, prototype).fit(table, classes)
    copied = clone(clone(model))
    assert not hasattr(copied, "classes_")
    assert vars(copied).keys() == copied.get_params(deep=False).keys()
    np.testing.assert_array_equal(
        copied.fit(table, classes).predict_proba(table), model.predict_proba(table)
    )
    # The copy's training does not reach the original.
    copied.autoencoder = clone(fitted)
    assert hasattr(fitted, "net_")


def test_clone_of_an_unfitted_one_is_unfitted(table, classes):
    model = make(AutoencoderClassifier).fit(table, classes)
    copied = clone(model)
    assert copied.autoencoder is not model.autoencoder
    assert vars(copied.autoencoder) == copied.autoencoder.get_params()


def test_pipeline_and_grid_search_keep_the_weights(table, classes, prototype):
    pipeline = make_pipeline(
        StandardScaler(with_mean=False, with_std=False),
        make(AutoencoderClassifier, prototype),
    )
    grid = {"autoencoderclassifier__freeze": [True, False]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(table, classes)
    best = search.best_estimator_[-1]
    fitted = getattr(prototype, "estimator", prototype)
    np.testing.assert_array_equal(
        best.autoencoder_.transform(table), fitted.transform(table)
    )


def test_grid_search_over_the_autoencoder(table, classes):
    grid = {"autoencoder__n_components": [1, 4], "freeze": [True, False]}
    search = GridSearchCV(make(AutoencoderClassifier), grid, cv=2, error_score="raise")
    search.fit(table, classes)
    best = search.best_estimator_
    assert best.n_components_ == search.best_params_["autoencoder__n_components"]
    assert len(set(search.cv_results_["mean_test_score"])) > 1


def test_parameters_of_a_fitted_autoencoder_cannot_be_set(fitted):
    model = AutoencoderClassifier(fitted)
    with pytest.raises(ValueError, match=r"autoencoder__n_components=5.*=3.*clone"):
        model.set_params(autoencoder__n_components=5)
    model.set_params(**model.get_params())
    model.set_params(freeze=True, autoencoder=AUTOENCODER)
    model.set_params(autoencoder=clone(fitted), autoencoder__n_components=5)
    assert model.autoencoder.n_components == 5
    with pytest.raises(ValueError, match="bogus"):
        model.set_params(autoencoder__bogus=5)


def test_fitted_autoencoder_of_other_columns(table, classes, fitted):
    with pytest.raises(ValueError, match=r"3 features.*7 features"):
        make(AutoencoderClassifier, fitted).fit(table[:, :3], classes)
    frame = pd.DataFrame(table, columns=list("abcdefg"))
    by_name = clone(AUTOENCODER).fit(frame)
    model = make(AutoencoderClassifier, by_name).fit(frame, classes)
    assert model.feature_names_in_.tolist() == list("abcdefg")
    with pytest.raises(ValueError, match="feature names"):
        make(AutoencoderClassifier, by_name).fit(frame[list("gfedcba")], classes)


# -- labels ----------------------------------------------------------------------------

LABELS = {
    "str": np.array(["b", "a", "-1"]),
    "object": np.array(["b", "a", "ccc"], dtype=object),
    "gaps": np.array([7, -5, 100]),
    "float": np.array([0.0, -2.0, 7.0]),
    "uint8": np.array([200, 3, 0], dtype=np.uint8),
    "object_ints": np.array([4, 2, 3], dtype=object),
    "bool": np.array([True, False]),
    "signs": np.array([1, -1]),
    "float_signs": np.array([1.0, -1.0]),
}


@pytest.mark.parametrize("kind", LABELS)
def test_classes_of_every_type(table, classes, kind):
    names = LABELS[kind]
    codes = np.minimum(classes, len(names) - 1)
    model = make(AutoencoderClassifier).fit(table, names[codes])
    np.testing.assert_array_equal(model.classes_, np.unique(names))
    predicted = model.predict(table)
    assert predicted.dtype == model.classes_.dtype
    # Only the names differ.
    order = np.unique(names, return_inverse=True)[1]
    plain = make(AutoencoderClassifier).fit(table, order[codes])
    np.testing.assert_array_equal(model.classes_[plain.predict(table)], predicted)
    np.testing.assert_array_equal(plain.predict_proba(table), outputs(model, table))
    if len(names) == 2:
        decision = model.decision_function(table)
        np.testing.assert_array_equal(decision > 0, predicted == model.classes_[1])
        proba = 1 / (1 + np.exp(-decision))
        np.testing.assert_allclose(model.predict_proba(table)[:, 1], proba)


@pytest.mark.parametrize("kind", ["gaps", "float", "object", "object_ints"])
def test_rows_without_a_label_are_for_pretraining_only(table, classes, kind):
    y = LABELS[kind][classes]
    y[20:] = -1
    model = make(AutoencoderClassifier).fit(table, y)
    assert set(model.classes_) == set(LABELS[kind])
    pretrained = clone(AUTOENCODER).fit(table)
    expected = make(AutoencoderClassifier, pretrained).fit(table[:20], y[:20])
    np.testing.assert_array_equal(
        model.predict_proba(table), expected.predict_proba(table)
    )


def test_labels_that_do_not_serve(table, classes):
    def fit(y, **params):
        AutoencoderClassifier(AUTOENCODER).fit(table, y, **params)

    with pytest.raises(ValueError, match="no labelled rows"):
        fit(np.full(60, -1))
    with pytest.raises(ValueError, match=r"1 class only, .*3.*-1 count as unlabelled"):
        fit(np.where(classes == 0, 3, -1))
    with pytest.raises(ValueError, match="1 class only"):
        fit(np.zeros(60))
    weight = (classes == 0).astype(float)
    with pytest.raises(ValueError, match="1 class only"):
        fit(classes, sample_weight=weight)
    with pytest.raises(ValueError, match=r"no labelled rows.*sample_weight of zero"):
        fit(np.where(classes == 0, -1, classes), sample_weight=weight)
    with pytest.raises(ValueError, match="Unknown label type"):
        fit(table[:, 0])
    with pytest.raises(ValueError, match="requires y"):
        fit(None)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit(classes[:50])


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_classes_of_a_single_row_stay_in_the_training(table, classes, seed):
    classes[:4] = [10, 11, 12, 13]
    model = make(AutoencoderClassifier, random_state=seed).fit(table, classes)
    assert len(model.classes_) == 7
    tiny = make(AutoencoderClassifier).fit(table, np.arange(60))
    assert tiny.validation_loss_curve_ is None
    few = np.where(np.arange(60) < 2, classes, -1)
    assert make(AutoencoderClassifier).fit(table, few).classes_.tolist() == [10, 11]


# -- weights ---------------------------------------------------------------------------


@BOTH
def test_rows_of_weight_zero_are_not_there(table, classes, numbers, estimator):
    y = target_of(estimator, classes, numbers)
    weight = (np.arange(60) % 3 > 0) * 1.0
    there = weight > 0
    model = make(estimator).fit(table, y, sample_weight=weight)
    expected = make(estimator).fit(table[there], y[there])
    np.testing.assert_allclose(
        outputs(model, table), outputs(expected, table), rtol=1e-4, atol=1e-5
    )


@BOTH
def test_weights_are_repetitions(table, classes, numbers, estimator, fitted):
    y = target_of(estimator, classes, numbers)
    times = np.arange(60) % 3 + 1
    params = {"validation": None, "batch_size": 1000, "optimizer": "sgd"}
    model = make(estimator, fitted, **params)
    weighted = clone(model).fit(table, y, sample_weight=times)
    repeated = clone(model).fit(table.repeat(times, axis=0), y.repeat(times))
    np.testing.assert_allclose(
        outputs(weighted, table), outputs(repeated, table), rtol=1e-3, atol=1e-5
    )
    unweighted = clone(model).fit(table, y)
    assert np.abs(outputs(unweighted, table) - outputs(repeated, table)).max() > 1e-3


@pytest.mark.parametrize("freeze", [True, False])
def test_class_weights_are_weights_of_rows(table, classes, fitted, freeze):
    of_class = {0: 1.0, 1: 5.0, 2: 0.5}
    weight = np.array([of_class[label] for label in classes])
    model = make(AutoencoderClassifier, fitted, freeze=freeze)
    by_class = clone(model).set_params(class_weight=of_class).fit(table, classes)
    by_row = clone(model).fit(table, classes, sample_weight=weight)
    np.testing.assert_allclose(
        outputs(by_class, table), outputs(by_row, table), rtol=1e-5
    )


def test_balanced_classes_share_the_weight(table, classes, fitted):
    classes[10:] = np.where(np.arange(50) < 40, 0, classes[10:])
    weight = np.arange(60) % 2 + 1.0
    totals = np.bincount(classes, weights=weight)
    of_row = weight * totals.sum() / (3 * totals[classes])
    model = make(AutoencoderClassifier, fitted)
    balanced = clone(model).set_params(class_weight="balanced")
    balanced.fit(table, classes, sample_weight=weight)
    expected = clone(model).fit(table, classes, sample_weight=of_row)
    np.testing.assert_allclose(
        outputs(balanced, table), outputs(expected, table), rtol=1e-5
    )


# -- conventions -----------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("kind", ["float32", "csr", "frame", "list"])
def test_kinds_of_input(table, classes, numbers, estimator, kind):
    X = {
        "float32": lambda: table.astype(np.float32),
        "csr": lambda: sparse.csr_array(table),
        "frame": lambda: pd.DataFrame(table, columns=list("abcdefg")),
        "list": table.tolist,
    }[kind]()
    y = target_of(estimator, classes, numbers)
    model = make(estimator).fit(X, list(y))
    expected = make(estimator).fit(table, y)
    got = outputs(model, X)
    assert got.dtype == (np.float32 if kind == "float32" else np.float64)
    np.testing.assert_allclose(got, outputs(expected, table), rtol=1e-3, atol=1e-4)
    assert model.transform(X).dtype == got.dtype
    assert model.set_output(transform="pandas").transform(X).columns.tolist() == [
        f"{estimator.__name__.lower()}{i}" for i in range(3)
    ]


@BOTH
def test_seeds(table, classes, numbers, estimator, seed):
    y = target_of(estimator, classes, numbers)
    prototype = Autoencoder(2, init="random", max_epochs=1, hidden_layer_sizes=4)
    first, same, other = (
        outputs(make(estimator, prototype, random_state=s).fit(table, y), table)
        for s in (seed, seed, seed + 1)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()
    # A seed of the autoencoder's own stays.
    seeded = clone(prototype).set_params(random_state=5)
    model = make(estimator, seeded, random_state=seed).fit(table, y)
    np.testing.assert_array_equal(
        model.autoencoder_.transform(table), clone(seeded).fit_transform(table)
    )
    free = [make(estimator, prototype, random_state=None).fit(table, y) for _ in "ab"]
    assert (outputs(free[0], table) != outputs(free[1], table)).any()


@BOTH
@pytest.mark.parametrize("random_state", [0, None])
@pytest.mark.parametrize("network", [None, OwnNetwork], ids=["dense", "own"])
def test_global_generators_and_output_are_untouched(
    table,
    classes,
    numbers,
    estimator,
    random_state,
    network,
    untouched_generators,
    capfd,
):
    prototype = Autoencoder(2, network=network, max_epochs=1)
    model = make(estimator, prototype, random_state=random_state)
    model.fit(table, target_of(estimator, classes, numbers))
    pickle.loads(pickle.dumps(clone(model)))
    outputs(pickle.loads(pickle.dumps(model)), table)
    assert capfd.readouterr() == ("", "")


@BOTH
@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("round_trip", ["pickle", "deepcopy"])
def test_round_trip(table, classes, numbers, estimator, freeze, round_trip):
    y = target_of(estimator, classes, numbers)
    model = make(estimator, freeze=freeze).fit(table, y)
    loaded = (
        copy.deepcopy(model)
        if round_trip == "deepcopy"
        else pickle.loads(pickle.dumps(model))
    )
    assert vars(loaded).keys() == vars(model).keys()
    for name in ("transform", "predict"):
        np.testing.assert_array_equal(
            getattr(loaded, name)(table), getattr(model, name)(table)
        )
    np.testing.assert_array_equal(outputs(loaded, table), outputs(model, table))
    np.testing.assert_array_equal(
        loaded.autoencoder_.reconstruct(table), model.autoencoder_.reconstruct(table)
    )
    np.testing.assert_array_equal(loaded.loss_curve_, model.loss_curve_)
    state = model.__getstate__()
    assert not any(isinstance(v, torch.nn.Module) for v in state.values())
    refitted = outputs(loaded.fit(table, y), table)
    np.testing.assert_array_equal(refitted, outputs(model, table))


class Interrupt(Callback):
    """Strikes at the end of the third epoch: the user, or a callback that stops."""

    def __init__(self, how="signal"):
        self.how = how

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            if self.how == "raise":
                raise KeyboardInterrupt
            signal.raise_signal(signal.SIGINT)


def test_interrupt_in_fine_tuning_keeps_the_best_weights(table, classes):
    model = make(AutoencoderClassifier, callbacks=[Interrupt()], max_epochs=9)
    with pytest.raises(KeyboardInterrupt):
        model.fit(table, classes)
    assert 2 <= model.n_iter_ <= 3
    assert model.predict_proba(table).shape == (60, 3)
    assert model.best_loss_ <= model.validation_loss_curve_.min()


def test_interrupt_in_pretraining_leaves_the_estimator(table, classes):
    prototype = clone(AUTOENCODER).set_params(callbacks=[Interrupt()], max_epochs=9)
    model = make(AutoencoderClassifier, prototype)
    before = dict(vars(model))
    with pytest.raises(KeyboardInterrupt):
        model.fit(table, classes)
    assert vars(model) == before


@BOTH
def test_callback_ends_its_own_training_only(table, classes, numbers, estimator):
    y = target_of(estimator, classes, numbers)
    stop = [Interrupt("raise")]
    prototype = clone(AUTOENCODER).set_params(callbacks=stop, max_epochs=9)
    model = make(estimator, prototype, max_epochs=5).fit(table, y)
    assert (model.autoencoder_.n_iter_, model.n_iter_) == (3, 5)
    model = make(estimator, callbacks=stop, max_epochs=9).fit(table, y)
    assert (model.autoencoder_.n_iter_, model.n_iter_) == (2, 3)
    assert np.isfinite(outputs(model, table)).all()


class Epochs(Callback):
    count = 0

    def on_epoch_end(self, net, **kwargs):
        Epochs.count += 1


def test_callbacks_hear_of_fine_tuning(table, classes, monkeypatch):
    monkeypatch.setattr(Epochs, "count", 0)
    make(AutoencoderClassifier, callbacks=[("epochs", Epochs())]).fit(table, classes)
    assert Epochs.count == 3


@BOTH
def test_failing_fit_leaves_the_estimator(table, classes, numbers, estimator):
    y = target_of(estimator, classes, numbers)
    model = make(estimator).fit(table, y)
    expected = outputs(model, table)
    model.set_params(learning_rate=1e30, optimizer="sgd", batch_size=10)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="learning_rate"):
        model.fit(table, y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    np.testing.assert_array_equal(outputs(model, table), expected)


@BOTH
def test_unfitted(table, estimator):
    for name in ("predict", "transform"):
        with pytest.raises(NotFittedError, match=estimator.__name__):
            getattr(estimator(), name)(table)


def test_cross_validation_score(table, numbers):
    scores = [
        cross_val_score(
            make(AutoencoderRegressor, **params), table, numbers, cv=3
        ).mean()
        for params in (
            {"freeze": True},
            {"validation": None, "max_epochs": 60, "learning_rate": 0.02},
        )
    ]
    assert scores[1] > scores[0] + 0.2


# -- bad parameters --------------------------------------------------------------------

WRONG = {
    "autoencoder": ["pca", Ridge(), Autoencoder, FrozenEstimator(Ridge())],
    "pretrain": [None, "yes"],
    "freeze": [None, "yes"],
    "head_penalty": [-0.1, np.nan, "1"],
    "l2_penalty": [-1e-9, np.inf],
    "optimizer": ["Adam", 3],
    "optimizer_params": [{"bogus": 1}, {"lr": 0.1}],
    "learning_rate": [0, -1, "fast"],
    "learning_rate_schedule": ["step"],
    "batch_size": [0, 2.5],
    "max_epochs": [-1, 1.5],
    "validation": [0, 1, "yes"],
    "n_iter_no_change": [0],
    "tol": [-1e-4],
    "device": ["gpu", 3],
    "callbacks": [3, [3]],
    "random_state": [-1, "seed"],
    "verbose": [-1],
    "checkpoint": [3],
    "class_weight": ["even", {0: -1.0, 1: 1.0, 2: 1.0}, {0: 0.0, 1: 0.0, 2: 0.0}, 3],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}={value!r}"[:40])
        for name, values in WRONG.items()
        for value in values
    ],
)
def test_wrong_parameter(table, classes, name, value):
    model = make(AutoencoderClassifier, **{name: value})
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError)) as caught:
        model.fit(table, classes)
    message = str(caught.value)
    assert re.search(rf"\b{name}\b", message)
    shown = {repr(value), getattr(value, "__name__", repr(value))}
    if isinstance(value, dict | list):
        shown |= {str(item) for item in value}
    assert any(text in message for text in shown)
    assert vars(model) == before


def test_every_parameter_is_in_the_table():
    names = AutoencoderClassifier().get_params().keys()
    assert WRONG.keys() == names == AutoencoderClassifier._parameter_constraints.keys()
    assert AutoencoderRegressor().get_params().keys() == names - {"class_weight"}


def test_parameters_of_the_autoencoder_are_checked(table, classes):
    prototype = Autoencoder(2, dropout=1.5)
    with pytest.raises(ValueError, match=r"'dropout' parameter of Autoencoder.*1\.5"):
        AutoencoderClassifier(prototype).fit(table, classes)
    with pytest.raises(ValueError, match="must hold an autoencoder that is fitted"):
        AutoencoderClassifier(FrozenEstimator(AUTOENCODER)).fit(table, classes)


@pytest.mark.parametrize(("n_rows", "n_columns"), [(120, 30), (60, 80)])
def test_default_regressor_is_as_good_as_a_linear_model(n_rows, n_columns):
    X, y = make_regression(n_rows, n_columns, n_informative=5, noise=1, random_state=0)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    linear = Ridge().fit(X_train, y_train).score(X_test, y_test)
    regressor = AutoencoderRegressor(max_epochs=10, random_state=0)
    score = regressor.fit(X_train, y_train).score(X_test, y_test)
    # A random start loses a tenth and more.
    assert score > linear - 0.02
    assert regressor.n_components_ == min(len(X_train), n_columns)


@pytest.mark.parametrize("random_state", range(3))
def test_default_regressor_starts_from_a_linear_model(random_state):
    """Codes that were trained on the same rows scored 0.44 to 0.50 here, Ridge 0.67."""
    X, y = make_friedman1(400, noise=1.0, random_state=0)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    linear = Ridge().fit(X_train, y_train).score(X_test, y_test)
    regressor = AutoencoderRegressor(freeze=True, random_state=random_state)
    start = regressor.fit(X_train, y_train).score(X_test, y_test)
    assert start == pytest.approx(linear, abs=0.03)
    # Either fine-tuning gains more than chance, or the linear model remains.
    regressor.set_params(freeze=False, max_epochs=60)
    assert regressor.fit(X_train, y_train).score(X_test, y_test) > linear - 0.03


@pytest.mark.parametrize("cls", [AutoencoderClassifier, AutoencoderRegressor])
def test_columns_of_other_units_are_named(cls, seed):
    """The autoencoder hardly sees the small ones, and neither do its codes."""
    X = np.random.RandomState(seed).standard_normal((40, 4))
    y = (X[:, 0] > 0).astype(int)
    model = cls(Autoencoder(2, max_epochs=0), max_epochs=0, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    with pytest.warns(UserWarning, match=r"column 2 spans.*StandardScaler") as caught:
        model.fit(X * [1, 1, 1e5, 1], y)
    assert caught[0].filename == __file__
    fitted = cls(Autoencoder(2, max_epochs=0).fit(X * [1, 1, 1e5, 1]), max_epochs=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.fit(X * [1, 1, 1e5, 1], y)
