"""Dense networks that start as PCA: candidates, unseen rows, and what is kept."""

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_breast_cancer, make_swiss_roll
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from sklearn_ae import (
    Autoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.estimators import _conditioned
from sklearn_ae.estimators._evidence import Evidence
from sklearn_ae.model_selection import BatchedGridSearchCV
from sklearn_ae.training import sizes
from sklearn_ae.training.conditioning import (
    Candidate,
    restore_code_scale,
    start_candidate,
)


def curved(seed, n_rows=120, n_features=6):
    """Rows on a noisy surface that PCA with two components does not follow."""
    rng = np.random.RandomState(seed)
    z = rng.uniform(-2, 2, size=(n_rows, 2))
    surface = np.c_[z, z**2, np.sin(2 * z)] @ rng.normal(size=(6, n_features))
    return surface + 0.02 * rng.normal(size=surface.shape) + 3


def gaussian(seed, n_rows, n_features=10, n_factors=3):
    """A linear model with Gaussian factors and noise: PCA is right."""
    rng = np.random.RandomState(seed)
    factors = rng.normal(size=(n_rows, n_factors))
    return factors @ rng.normal(size=(n_factors, n_features)) + rng.normal(
        size=(n_rows, n_features)
    )


def mean_error(model, X):
    return np.square(X - model.inverse_transform(model.transform(X))).mean()


def pca_losses(train, test, n_components):
    """Half the squared errors of rows, for PCA of other rows."""
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:n_components]
    centred = test - mean
    return 0.5 * np.square(centred - centred @ axes.T @ axes).sum(axis=1)


# -- coordinates -----------------------------------------------------------------------


def started(X, candidate, scale, seed):
    """The net of a fitted PCA at the start of a candidate, its input and deviations."""
    model = Autoencoder(2, max_epochs=0, random_state=seed).fit(X)
    net = model.net_ if candidate.start == "pca" else model._make_net(False)
    deviations = np.sqrt(model.explained_variance_) / model.scale_
    start_candidate(net, candidate, deviations, scale, 0.02, 0.1)
    x = torch.from_numpy((X - model.mean_) / model.scale_).float()
    return net, x, deviations


def test_whitening_does_not_change_what_pca_computes(seed):
    X = curved(seed)
    # The corrections are as good as zero.
    net, x, _ = started(X, Candidate("pca", 0.0), 2.0**-20, seed)
    with torch.no_grad():
        codes = net.module_.encode(x)
        outputs = net.module_.decode(codes)
    np.testing.assert_allclose(np.cov(codes.numpy().T), np.eye(2), atol=1e-3)
    pca = PCA(2).fit(x.numpy())
    expected = pca.inverse_transform(pca.transform(x.numpy()))
    np.testing.assert_allclose(outputs.numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("start", ["pca", "random"])
def test_scale_of_codes_comes_back(start, seed):
    candidate = Candidate(start, 0.3)
    net, x, deviations = started(curved(seed), candidate, 0.5, seed)
    with torch.no_grad():
        codes = net.module_.encode(x)
        before = net.module_.decode(codes)
        covariance = np.cov(codes.numpy().T)
        restore_code_scale(net.module_, candidate, deviations, covariance)
        codes = net.module_.encode(x)
        after = net.module_.decode(codes)
    np.testing.assert_allclose(after.numpy(), before.numpy(), atol=1e-4)
    if start == "random":
        total = np.trace(np.cov(codes.numpy().T))
        assert total == pytest.approx(np.square(deviations).sum(), rel=1e-3)


def test_start_is_pca(seed):
    """The network before any epoch, in every kind of validation."""
    X = curved(seed)
    pca = PCA(2).fit(X)
    expected = np.square(X - pca.inverse_transform(pca.transform(X))).mean()
    for validation in ("auto", 3, 0.2, None):
        model = Autoencoder(2, max_epochs=0, validation=validation, random_state=seed)
        assert mean_error(model.fit(X), X) == pytest.approx(expected, rel=1e-5)
        assert model.best_candidate_ == 0


# -- folds -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_folds", [2, 3, 5, 100])
@pytest.mark.parametrize("n_rows", [2, 7, 60, 61])
def test_every_row_is_unseen_once(n_rows, n_folds, seed):
    model = Autoencoder(validation=n_folds, random_state=seed)
    rows = np.random.RandomState(seed).permutation(1000)[:n_rows]
    rows.sort()
    splits = model._resolve_training(n_rows, n_columns=10).splits(rows)
    assert len(splits) == min(n_folds, n_rows)
    unseen = np.concatenate([unseen for _, unseen in splits])
    np.testing.assert_array_equal(np.sort(unseen), rows)
    assert len({len(train) for train, _ in splits}) == 1
    for train, unseen in splits:
        assert not set(train) & set(unseen)
        assert set(train) <= set(rows)
        assert len(set(train)) == len(train)
        # Of the seen rows at most one is left out, to have equal sizes.
        assert n_rows - len(train) - len(unseen) <= 1


@pytest.mark.parametrize("validation", [4, 0.3])
def test_losses_of_unseen_rows(validation, seed, monkeypatch):
    """Recomputed from the networks and by singular value decompositions."""
    trainings = []

    def recorded(given):
        trainings.extend(given)
        return train_together(given)

    train_together = _conditioned.train_together
    monkeypatch.setattr(_conditioned, "train_together", recorded)
    X = curved(seed)
    model = Autoencoder(2, validation=validation, max_epochs=20, random_state=seed).fit(
        X
    )
    splits = model._recipe.settings.splits(np.arange(len(X)))
    losses = model.candidates_["loss"]
    n_candidates = len(losses) - 1
    assert len(trainings) == n_candidates * len(splits)
    pca = [pca_losses(X[t], X[u], 2) for t, u in splits]
    assert losses[0] == pytest.approx(np.concatenate(pca).mean(), rel=1e-4)
    for i in range(n_candidates):
        rows = []
        own = trainings[i * len(splits) : (i + 1) * len(splits)]
        for training, (_, unseen) in zip(own, splits, strict=True):
            x = torch.from_numpy((X[unseen] - model.mean_) / model.scale_).float()
            # The network that was kept is in other coordinates now, which does not
            # change what it computes.
            network = training.net.module_
            with torch.no_grad():
                outputs = network.decode(network.encode(x)).double().numpy()
            residuals = X[unseen] - outputs * model.scale_ - model.mean_
            rows.append(0.5 * np.square(residuals).sum(axis=1))
        found = np.concatenate(rows).mean()
        assert losses[i + 1] == pytest.approx(found, rel=1e-3)
    assert model.best_candidate_ in (0, np.argmin(losses))
    assert model.best_candidate_ > 0
    assert model.best_loss_ == losses[model.best_candidate_]


def with_outlying_rows(seed, n_rows):
    """Four in a hundred lie far out along a line of their own."""
    rng = np.random.default_rng(seed)
    line = rng.normal(size=(3, 7))[0]
    tables = []
    for n in (n_rows, 20_000):
        is_far_out = rng.uniform(size=(n, 1)) < 0.04
        X = rng.normal(size=(n, 7)) * [2, 2, 1, 0.3, 0.3, 0.3, 0.3]
        tables.append(X + 6 * is_far_out * rng.normal(size=(n, 1)) * line)
    return tables


@pytest.mark.parametrize("seed", [2, 3, 6])
def test_a_row_far_out_does_not_speak_for_a_network(seed):
    """These were three to seven times worse than PCA on other rows."""
    X, others = with_outlying_rows(seed, 50)
    model, pca = Autoencoder(3, random_state=0).fit(X), PCA(3).fit(X)
    expected = np.square(others - pca.inverse_transform(pca.transform(others))).mean()
    assert np.nanmin(model.candidates_["loss"]) < 0.8 * model.candidates_["loss"][0]
    assert mean_error(model, others) < 1.001 * expected


@pytest.mark.parametrize("validation", [5, 0.3])
def test_gains_of_rows_far_out(validation, seed, monkeypatch):
    """Recomputed by singular value decompositions, and from the networks."""
    found = []

    def recorded(self, trial):
        found.append((self.losses, gains(self, trial), trial))
        return found[-1][1]

    gains = Evidence.gains
    monkeypatch.setattr(Evidence, "gains", recorded)
    X = gaussian(seed, 150)
    model = Autoencoder(3, validation=validation, max_epochs=5, random_state=seed)
    splits = model.fit(X)._recipe.settings.splits(np.arange(len(X)))
    losses, row_gains, trial = found[-1]
    np.testing.assert_allclose(row_gains, losses - trial.losses)
    train, far_out = splits[0][0], splits[0][1][1]
    X[far_out] += 40 * X.std(axis=0)
    model.fit(X)
    losses, row_gains, trial = found[-1]
    # In the order of the rows.
    pca = np.full(len(X), np.nan)
    for one, unseen in splits:
        pca[unseen] = pca_losses(X[one], X[unseen], 3)
    unseen = np.flatnonzero(np.isfinite(pca))
    pca = pca[unseen]
    np.testing.assert_allclose(losses, pca, rtol=1e-3)
    assert model.candidates_["loss"][0] == pytest.approx(pca.mean(), rel=1e-3)
    is_far_out = unseen == far_out
    np.testing.assert_array_equal(pca > 15 * pca.mean(), is_far_out)
    distances = np.square(X[unseen] - X.mean(axis=0)).sum(axis=1)
    np.testing.assert_array_equal(distances > 30 * distances.mean(), is_far_out)
    np.testing.assert_allclose(
        row_gains[~is_far_out], (losses - trial.losses)[~is_far_out]
    )
    network, mean = trial.trainings[0].net.module_, X.mean(axis=0)
    x = torch.from_numpy((mean - X[[far_out]]) / model.scale_).float()
    with torch.no_grad():
        residuals = (network.decode(network.encode(x)) - x).double().numpy()
    mirrored = 0.5 * np.square(residuals * model.scale_).sum()
    # PCA of all rows is better than that of the fold on either side.
    mirror_image = 2 * mean - X[[far_out]]
    (of_all,) = pca_losses(X, X[[far_out]], 3)
    assert of_all < pca_losses(X[train], mirror_image, 3)[0] / 2
    expected = of_all - (trial.losses[is_far_out] + mirrored) / 2
    assert row_gains[is_far_out] == pytest.approx(expected, rel=1e-3)


def evidence_of(X, loss="mse", **fit_params):
    """What a fit gathers before it compares anything."""
    kept = []

    class Kept(Evidence):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            kept.append(self)

    model = Autoencoder(3, loss=loss, validation=5, max_epochs=1, random_state=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_conditioned, "Evidence", Kept)
        model.fit(X, **fit_params)
    return kept[0]


def test_heavy_rows_are_not_far_out(seed):
    X = gaussian(seed, 100)
    weight = np.ones(100)
    weight[:3] = 60
    evidence = evidence_of(X, sample_weight=weight)
    assert (evidence.losses > 15 * evidence.losses.mean()).any()
    np.testing.assert_array_equal(evidence._to_beat, evidence.losses)


def test_labels_have_no_mirror_images(seed):
    rng = np.random.default_rng(seed)
    X = np.c_[rng.gamma(2, size=(200, 4)), np.eye(3)[rng.integers(0, 3, 200)]]
    X[7, :4] += 1e3
    assert not evidence_of(X, loss="mixed")._is_far_out.any()
    assert np.flatnonzero(evidence_of(X)._is_far_out).tolist() == [7]


@pytest.mark.parametrize("method", ["__init__", "gains"])
def test_interrupt_while_losses_are_compared(method, seed, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Evidence, method, interrupted)
    X = curved(seed, 60)
    model = Autoencoder(2, max_epochs=2, random_state=seed)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.best_candidate_ == 0
    assert mean_error(model, X) == pytest.approx(mean_error(PCA(2).fit(X), X), rel=1e-4)


@pytest.mark.parametrize("validation", [4, 0.3])
def test_own_splits_give_the_same_losses(validation, seed):
    """Those that a number of folds or a share of the rows stands for."""
    X = curved(seed) + 5
    parameters = {"max_epochs": 5, "random_state": seed}
    model = Autoencoder(2, validation=validation, **parameters).fit(X)
    splits = model._recipe.settings.splits(np.arange(len(X)))
    again = Autoencoder(2, validation=splits, **parameters).fit(X)
    expected = model.candidates_["loss"]
    np.testing.assert_allclose(again.candidates_["loss"], expected, rtol=1e-4)
    assert again.best_candidate_ == model.best_candidate_


def test_candidates_are_described(seed):
    model = Autoencoder(2, max_epochs=2, random_state=seed).fit(curved(seed))
    candidates = model.candidates_
    assert {len(column) for column in candidates.values()} == {5}
    assert candidates["start"].tolist() == ["pca", "pca", "pca", "random", "random"]
    assert (candidates["input_noise"][1:] > 0).all()
    assert candidates["input_noise"][0] == 0


@pytest.mark.parametrize(
    "model",
    [
        Autoencoder(2, init="random"),
        Autoencoder(2, tied_weights=True),
        Autoencoder(2, l2_penalty=0.1),
        Autoencoder(2, optimizer="sgd"),
        Autoencoder(2, optimizer=torch.optim.Adam),
        Autoencoder(2, hidden_layer_sizes=()),
        SparseAutoencoder(2),
        VariationalAutoencoder(2),
        ConvolutionalAutoencoder(2),
    ],
    ids=str,
)
def test_folds_where_there_is_nothing_to_choose(model):
    model.set_params(validation=5, max_epochs=1)
    with pytest.raises(ValueError, match="validation=5 folds are for comparing"):
        model.fit(curved(0))
    assert not hasattr(model, "module_")


# -- what comes out --------------------------------------------------------------------


def relative_error(k, X, seed, test=None, **params):
    test = X if test is None else test
    model = Autoencoder(k, random_state=seed, **params).fit(X)
    return mean_error(model, test) / mean_error(PCA(k).fit(X), test)


def test_circle():
    """In the median: how well the one cut of a circle is folded differs by table."""
    ratios = []
    for seed in (0, 2, 42):
        angle = np.random.RandomState(seed).uniform(0, 2 * np.pi, 300)
        X = np.c_[np.cos(angle), np.sin(angle)]
        # Folds would train thrice as many networks; the tests below have them.
        ratios.append(relative_error(1, X, seed, validation=0.2))
    assert np.median(ratios) <= 0.1
    assert max(ratios) <= 0.3


def test_swiss_roll():
    X, _ = make_swiss_roll(700, noise=0.2, random_state=0)
    assert relative_error(2, X, 0) <= 0.2


def test_uniform_cube():
    X = np.random.RandomState(42).uniform(size=(700, 3))
    assert mean_error(Autoencoder(2, random_state=42).fit(X), X) <= 0.010


def test_many_correlated_columns():
    """Bumps of two parameters, which PCA follows badly with any two components."""
    rng = np.random.RandomState(0)
    place, width = rng.uniform([0.2, 0.1], [0.8, 0.2], size=(2000, 2)).T[:, :, None]
    X = np.exp(-np.square((np.linspace(0, 1, 120) - place) / width))
    X += 0.02 * rng.normal(size=X.shape)
    assert relative_error(2, X[:1000], 0, X[1000:]) <= 0.08


@pytest.mark.parametrize(("n_rows", "seed"), [(60, 42), (400, 0)])
def test_gaussian_factors_end_as_pca(n_rows, seed):
    X = gaussian(seed, n_rows + 1000)
    assert relative_error(3, X[:n_rows], seed, X[n_rows:]) <= 1.005


def student(rng, n_rows):
    return rng.standard_t(3, size=(n_rows, 8))


def student_factors(rng, n_rows):
    factors = rng.standard_t(3, size=(n_rows, 4)) @ rng.normal(size=(4, 10))
    return factors + 0.5 * rng.standard_t(3, size=(n_rows, 10))


def log_normal(rng, n_rows):
    return np.exp(rng.normal(size=(n_rows, 8)))


@pytest.mark.parametrize(
    ("draw", "n_rows", "seed"),
    [
        (student, 60, 0),
        (student_factors, 400, 1),
        (log_normal, 60, 0),
        (log_normal, 400, 1),  # the heaviest tails
    ],
)
def test_heavy_tails_lose_nothing_to_pca(draw, n_rows, seed):
    X = draw(np.random.RandomState(seed), n_rows + 2000)
    train, test = X[:n_rows], X[n_rows:]
    assert relative_error(3, train, seed, test) <= 1.01


@pytest.fixture(scope="module")
def columns_that_depend():
    """Half of the table on breast cancer, where only L-BFGS gains, and its model."""
    X = StandardScaler().fit_transform(load_breast_cancer().data)
    train, test = train_test_split(X, test_size=0.5, random_state=1)
    return train, test, Autoencoder(7, random_state=1).fit(train)


def test_columns_that_nearly_depend_on_each_other(columns_that_depend):
    train, test, model = columns_that_depend
    pca = PCA(7).fit(train)
    assert mean_error(model, test) <= 0.93 * mean_error(pca, test)
    assert model.candidates_["is_lbfgs"].tolist() == 5 * [False] + [True]
    assert model.best_candidate_ == 5
    covariance = np.cov(model.transform(train).T)
    np.testing.assert_allclose(
        covariance, np.diag(model.explained_variance_), atol=0.01
    )
    assert (np.diff(model.explained_variance_) < 0).all()


def test_callbacks_are_told_how_long_lbfgs_trains(columns_that_depend):
    class Length(Callback):
        def on_train_begin(self, net, **kwargs):
            self.epochs_ = net.max_epochs

        def on_train_end(self, net, **kwargs):
            self.n_epochs_ = len(net.history)

    class Tasks:
        subtasks = ()

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            self.subtasks += ((context.task_name, context.max_subtasks),)

        def on_fit_task_end(self, estimator, context, **kwargs):
            pass

    train, _, fitted = columns_that_depend
    length, tasks = Length(), Tasks()
    model = Autoencoder(7, callbacks=[length], random_state=1)
    if hasattr(model, "set_callbacks"):  # scikit-learn 1.9
        model.set_callbacks(tasks)
        expected = {("training", 20)}
    else:
        expected = set()
    model.fit(train)
    assert {task for task in tasks.subtasks if task[0] == "training"} == expected
    assert model.best_candidate_ == 5
    assert length.epochs_ == length.n_epochs_ == model.n_iter_ == 20
    np.testing.assert_allclose(
        model.reconstruct(train), fitted.reconstruct(train), atol=1e-4
    )


def test_training_goes_on_after_lbfgs_was_chosen(columns_that_depend):
    """With the optimizer of the parameters, also after a pickle."""
    train, _, model = columns_that_depend
    model = pickle.loads(pickle.dumps(model))
    assert isinstance(model.net_.optimizer_, torch.optim.AdamW)
    before = mean_error(model, train)
    streamed = copy.deepcopy(model).set_params(learning_rate=1e-4)
    assert mean_error(streamed.partial_fit(train), train) <= 1.1 * before
    model.set_params(warm_start=True, max_epochs=3, validation=None).fit(train)
    assert mean_error(model, train) <= before
    assert model.n_iter_ == len(model.loss_curve_)


@pytest.mark.parametrize(
    "params",
    [
        {"optimizer": "adam"},
        {"learning_rate": 0.01},
        {"batch_size": 100},
        {"dropout": 0.1},
        {"n_iter_no_change": 3},
    ],
    ids=str,
)
def test_lbfgs_is_no_candidate_where_training_is_set(params):
    X = gaussian(0, 20)
    defaults = Autoencoder(1, validation=None).fit(X)
    assert defaults.candidates_["is_lbfgs"].any()
    model = Autoencoder(1, validation=None, **params).fit(X)
    assert not model.candidates_["is_lbfgs"].any()


# -- searches, interrupts, settings ----------------------------------------------------


def test_scores_are_those_of_grid_search():
    X = curved(0, 200)
    estimator = Autoencoder(
        2, hidden_layer_sizes=(16,), max_epochs=30, validation=3, random_state=0
    ).set_params(batch_size=64)
    grid = {"learning_rate": [2e-3, 2e-2]}
    params = {"cv": KFold(2), "refit": True}
    theirs = GridSearchCV(estimator, grid, **params).fit(X)
    ours = BatchedGridSearchCV(estimator, grid, **params).fit(X)
    assert theirs.best_estimator_.best_candidate_ > 0
    for name in ("split0_test_score", "split1_test_score", "mean_test_score"):
        np.testing.assert_allclose(
            ours.cv_results_[name], theirs.cv_results_[name], atol=1e-4
        )
    assert ours.best_params_ == theirs.best_params_


@pytest.mark.parametrize("validation", [3, 0.2])
def test_interrupt_among_candidates_leaves_pca(validation, seed, monkeypatch):
    def interrupted(trainings):
        trainings[0].begin()
        raise KeyboardInterrupt

    monkeypatch.setattr(_conditioned, "train_together", interrupted)
    X = curved(seed)
    model = Autoencoder(2, validation=validation, max_epochs=3, random_state=seed)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert model.best_candidate_ == 0
    assert model.n_iter_ == 0
    pca = PCA(2).fit(X)
    np.testing.assert_allclose(
        model.reconstruct(X), pca.inverse_transform(pca.transform(X)), atol=1e-4
    )
    assert np.isnan(model.candidates_["loss"][1:]).all()
    assert np.isfinite(model.best_loss_)


def test_interrupt_of_the_second_round_keeps_the_best_so_far(seed, monkeypatch):
    X = curved(seed, 60)
    train_together = _conditioned.train_together
    rounds = []

    def interrupted(trainings):
        rounds.append(trainings)
        if len(rounds) == 2:
            raise KeyboardInterrupt
        return train_together(trainings)

    monkeypatch.setattr(_conditioned, "train_together", interrupted)
    monkeypatch.setattr(_conditioned, "is_certain_gain", lambda *gains: False)
    model = Autoencoder(2, random_state=seed)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    losses = model.candidates_["loss"]
    np.testing.assert_array_equal(np.isnan(losses), model.candidates_["is_lbfgs"])
    assert model.best_candidate_ == np.nanargmin(losses) > 0
    assert model.best_loss_ == losses[model.best_candidate_]
    pca = PCA(2).fit(X)
    pca_error = np.square(X - pca.inverse_transform(pca.transform(X))).mean()
    error = mean_error(model, X)
    assert error < 0.5 * pca_error
    # It is that of the fold which fits all rows best.
    n_folds = len(rounds[0]) // (len(losses) - 2)
    own = rounds[0][(model.best_candidate_ - 1) * n_folds :][:n_folds]
    Z = torch.from_numpy((X - model.mean_) / model.scale_).float()
    with torch.no_grad():
        outputs = [one.net.module_.decode(one.net.module_.encode(Z)) for one in own]
    errors = [np.square((Z - one).numpy() * model.scale_).mean() for one in outputs]
    assert error == pytest.approx(min(errors), rel=1e-3)
    assert model.n_iter_ == min(len(one.net.history) for one in own)


@pytest.mark.parametrize("validation", [3, 0.2])
def test_candidates_that_diverge_are_left_out(validation, seed, monkeypatch):
    """Noise of 1e30 does it; the others are as if it had not been tried."""
    X = curved(seed)
    model = Autoencoder(2, validation=validation, max_epochs=20, random_state=seed)
    monkeypatch.setattr(sizes, "input_noises", lambda *shape: [1e30, 0.3])
    losses = model.fit(X).candidates_["loss"]
    assert model.candidates_["input_noise"].tolist() == [0, 1e30, 0.3, 1e30, 0.3]
    np.testing.assert_array_equal(np.isnan(losses), [0, 1, 0, 1, 0])
    assert model.best_candidate_ in (2, 4)
    monkeypatch.setattr(sizes, "input_noises", lambda *shape: [0.3])
    alone = model.fit(X).candidates_["loss"]
    np.testing.assert_allclose(losses[[0, 2, 4]], alone, rtol=1e-3)


@pytest.mark.parametrize("validation", [3, 0.2])
def test_all_candidates_diverge(validation, seed):
    model = Autoencoder(2, validation=validation, learning_rate=1e8, random_state=seed)
    with pytest.raises(ValueError, match=r"loss became .* Lower learning_rate"):
        model.fit(curved(seed))
    assert not hasattr(model, "candidates_")


@pytest.mark.parametrize("init", ["pca", "random"])
def test_unseen_rows_whose_loss_overflows(init, seed):
    X = curved(seed)
    model = Autoencoder(2, init=init, max_epochs=2, random_state=seed)
    with pytest.raises(ValueError, match="loss of the held-out rows is inf"):
        model.fit(X, X_val=1e25 * X[:9])
    # Where PCA has nothing left, no candidate is trained.
    with pytest.raises(ValueError, match="loss of the held-out rows is inf"):
        model.set_params(n_components=6).fit(X, X_val=1e28 * X[:9])


class Rates(Callback):
    """Records the optimizer's settings at the first step and epoch by epoch."""

    def on_train_begin(self, net, **kwargs):
        groups = net.optimizer_.param_groups
        self.largest = [group["max_lr"] for group in groups]
        self.decays = [group["weight_decay"] for group in groups]
        self.shapes = [tuple(p.shape) for p in net.module_.parameters()]


@pytest.mark.parametrize("validation", [3, 0.3, None])
def test_settings_are_kept(validation, seed):
    rates = Rates()
    X = curved(seed)
    params = {
        "hidden_layer_sizes": (9, 4),
        "max_epochs": 7,
        "learning_rate": 3e-3,
        "optimizer_params": {"weight_decay": 0.7},
    }
    model = Autoencoder(
        2, validation=validation, callbacks=[rates], random_state=seed, **params
    ).fit(X)
    assert model.n_iter_ == 7
    assert rates.largest[0] == pytest.approx(3e-3)
    assert rates.decays[0] == pytest.approx(0.7)
    # A step decays by the product of rate and decay, in any units.
    products = np.multiply(rates.largest, rates.decays)
    np.testing.assert_allclose(products, 3e-3 * 0.7)
    assert {(9, 6), (4, 9), (9, 4), (6, 9)} <= set(rates.shapes)
    assert {name: getattr(model, name) for name in params} == params


# -- kinds of tables -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "dtype"), [(np.asarray, np.float64), (sparse.csr_array, np.float32)]
)
def test_kinds_of_tables(make, dtype, seed):
    X = curved(seed).astype(dtype)
    params = {"max_epochs": 20, "validation": 2, "random_state": seed}
    model = Autoencoder(2, **params).fit(make(X))
    dense = Autoencoder(2, **params).fit(X)
    assert model.transform(make(X)).dtype == dtype
    assert model.best_candidate_ == dense.best_candidate_
    np.testing.assert_allclose(
        model.candidates_["loss"], dense.candidates_["loss"], rtol=0.05
    )


def test_weights_count_in_the_choice(seed):
    """The unseen rows weigh as they do in training, and weight 0 removes a row."""
    X = curved(seed)
    weight = np.random.RandomState(seed).uniform(0.5, 2, len(X))
    weight[::5] = 0
    model = Autoencoder(2, validation=3, max_epochs=5, random_state=seed)
    model.fit(X, sample_weight=weight)
    kept = np.flatnonzero(weight)
    weight *= len(kept) / weight.sum()
    expected = 0.0
    for train, unseen in model._recipe.settings.splits(kept):
        mean = np.average(X[train], axis=0, weights=weight[train])
        root = np.sqrt(weight[train])[:, np.newaxis]
        axes = np.linalg.svd(root * (X[train] - mean))[2][:2]
        centred = X[unseen] - mean
        squares = np.square(centred - centred @ axes.T @ axes).sum(axis=1)
        expected += 0.5 * weight[unseen] @ squares
    assert model.candidates_["loss"][0] == pytest.approx(expected / len(kept), rel=1e-4)
    removed = Autoencoder(2, validation=3, max_epochs=5, random_state=seed)
    removed.fit(X[kept], sample_weight=weight[kept])
    np.testing.assert_allclose(
        removed.candidates_["loss"], model.candidates_["loss"], rtol=1e-3
    )


@pytest.mark.parametrize("cls", [Autoencoder, DenoisingAutoencoder])
def test_targets_of_their_own(cls, seed):
    X = curved(seed)
    target = np.sin(X[:, :3])
    params = {"max_epochs": 20, "validation": 2, "random_state": seed}
    model = cls(2, **params).fit(X, X_target=target)
    start = cls(2, max_epochs=0, random_state=seed).fit(X, X_target=target)
    errors = [np.square(one.reconstruct(X) - target).mean() for one in (model, start)]
    assert model.reconstruct(X).shape == (120, 3)
    assert errors[0] <= errors[1] * (1 + 1e-6)


@pytest.mark.parametrize("validation", ["auto", 5, 0.5, None])
@pytest.mark.parametrize(
    "X",
    [
        np.arange(8.0).reshape(2, 4),
        np.random.RandomState(0).normal(size=(3, 4)),
        np.ones((20, 4)),
        np.c_[np.ones((20, 3)), np.arange(20.0)],
        np.random.RandomState(0).normal(size=(30, 1)),
    ],
    ids=["two rows", "three rows", "constant", "one varies", "one column"],
)
def test_degenerate_tables(X, validation):
    model = Autoencoder(1, validation=validation, max_epochs=3, random_state=0).fit(X)
    axes = np.linalg.svd(X - X.mean(axis=0))[2][:1]
    centred = X - X.mean(axis=0)
    expected = np.square(centred - centred @ axes.T @ axes).mean()
    assert mean_error(model, X) <= expected * 1.01 + 1e-6
    assert np.isfinite(model.best_loss_)
    assert np.isfinite(model.explained_variance_).all()


@pytest.mark.parametrize("validation", ["auto", None, 0.5, 5])
def test_one_row_is_too_few(validation):
    with pytest.raises(ValueError, match="minimum of 2"):
        Autoencoder(1, validation=validation).fit([[1.0, 2.0]])


def test_a_later_fit_without_candidates_forgets_them():
    autoencoder = Autoencoder(2, max_epochs=2, random_state=0).fit(curved(0))
    assert hasattr(autoencoder, "candidates_")
    autoencoder.set_params(init="random").fit(curved(0))
    assert not hasattr(autoencoder, "candidates_")
    assert not hasattr(autoencoder, "best_candidate_")


# -- callbacks, early ends, coordinates ------------------------------------------------


class StopAfter(Callback):
    """Ends the training after so many epochs, as callbacks of skorch may."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_train_begin(self, net, **kwargs):
        if self.n_epochs == 0:
            raise KeyboardInterrupt

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.n_epochs:
            raise KeyboardInterrupt


@pytest.mark.parametrize("n_epochs", [0, 1, 14])
def test_what_a_callback_leaves_of_the_last_training(n_epochs):
    """The loss is that of the fitted model, which is better than PCA."""
    X = curved(0)
    params = {"validation": 0.3, "max_epochs": 15, "random_state": 0}
    model = Autoencoder(2, callbacks=[StopAfter(n_epochs)], **params).fit(X)
    assert model.n_iter_ == n_epochs
    ((_, unseen),) = model._recipe.settings.splits(np.arange(len(X)))
    rows = 0.5 * np.square(X - model.reconstruct(X))[unseen].sum(axis=1)
    assert model.best_candidate_ > 0
    assert model.best_loss_ == pytest.approx(rows.mean(), rel=1e-4)
    assert model.best_loss_ == model.candidates_["loss"][model.best_candidate_]
    assert model.best_loss_ < model.candidates_["loss"][0]


@pytest.mark.parametrize("validation", [3, 0.3, None])
def test_patience_of_conditioned_fits(validation, seed):
    """No epoch lowers the loss by 99 %; without unseen rows the first one counts."""
    params = {"n_iter_no_change": 2, "tol": 0.99, "callbacks": [Rates()]}
    if validation == 3:
        params["hidden_layer_sizes"] = 8
    model = Autoencoder(2, validation=validation, random_state=seed, **params)
    assert model.fit(curved(seed)).n_iter_ == (2 if validation == 0.3 else 3)


def test_candidates_are_forgotten_when_training_goes_on():
    model = Autoencoder(2, max_epochs=1, validation=None, random_state=0)
    for go_on in (model.fit, model.partial_fit):
        model.set_params(warm_start=False).fit(curved(0))
        assert hasattr(model, "candidates_")
        model.set_params(warm_start=True)
        go_on(curved(0))
        assert not hasattr(model, "candidates_")
        assert not hasattr(model, "best_candidate_")


def test_more_components_than_rows_to_train_on():
    """Of 45 rows 15 are held out. Wide tables are decomposed by their rows."""
    X = np.random.RandomState(0).normal(size=(45, 2100))
    model = Autoencoder(40, random_state=0).fit(X)
    assert model.best_candidate_ == 0
    expected = mean_error(PCA(40).fit(X), X)
    assert mean_error(model, X) == pytest.approx(expected, rel=1e-3)


def test_nothing_is_trained_where_pca_is_exact(seed, monkeypatch):
    monkeypatch.setattr(_conditioned, "train_together", None)
    X = curved(seed)
    params = {"validation": 0.3, "random_state": seed}
    model = Autoencoder(6, **params).fit(X)
    assert model.best_candidate_ == 0
    losses = model.candidates_["loss"]
    assert losses[0] == pytest.approx(0, abs=1e-9)
    assert np.isnan(losses[1:]).all()
    assert mean_error(model, X) < 1e-9
    # Corrupted rows are not reconstructed exactly.
    with pytest.raises(TypeError):
        DenoisingAutoencoder(6, **params).fit(X)


@pytest.mark.parametrize("validation", [4, 0.3])
def test_one_entry_that_is_nearly_all_variance(validation, seed, monkeypatch):
    """PCA leaves nothing of the training rows, but much of the unseen one."""
    monkeypatch.setattr(_conditioned, "train_together", None)
    X = curved(seed, 40)
    model = Autoencoder(2, validation=validation, max_epochs=0, random_state=seed)
    splits = model.fit(X)._recipe.settings.splits(np.arange(len(X)))
    X[splits[0][0][0], 1] = 1e7
    losses = model.set_params(max_epochs="auto").fit(X).candidates_["loss"]
    expected = np.concatenate([pca_losses(X[t], X[u], 2) for t, u in splits]).mean()
    assert model.best_loss_ == losses[0] == pytest.approx(expected, rel=1e-2)
    assert np.isnan(losses[1:]).all()


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_weight_decay_in_the_coordinates_of_training(optimizer, seed):
    """As if the corrections were divided by the scale, and the loss by its square."""
    scale, decay, rate = 0.25, 0.3, 0.01
    model = Autoencoder(2, optimizer=optimizer, max_epochs=0, random_state=seed)
    net = model.fit(curved(seed)).net_
    start_candidate(net, Candidate("pca", 0.0), np.ones(2), scale, rate, decay)
    path, corrections = net.optimizer_.param_groups
    assert path["lr"] == rate
    assert corrections["lr"] == rate * scale
    # AdamW subtracts the product of rate, decay and weight. Adam adds the product of
    # decay and weight to a gradient that is `scale` squared times what it would be.
    products = [group["lr"] * group["weight_decay"] for group in (path, corrections)]
    decays = [path["weight_decay"], corrections["weight_decay"]]
    if optimizer == "adamw":
        np.testing.assert_allclose(products, rate * decay)
    else:
        np.testing.assert_allclose(decays, [decay * scale**2, decay])
