"""The variational autoencoder: training, codes, samples and scores."""

import pickle
import re
import warnings

import numpy as np
import pytest
import torch
from registry import OwnNetwork
from scipy import stats
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV

from sklearn_ae import ConvolutionalNetwork, VariationalAutoencoder

UNTRAINED = {"max_epochs": 0, "random_state": 0}
CHEAP = {"max_epochs": 3, "random_state": 0}


def gaussian_rows(seed):
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((400, 2)) @ rng.standard_normal((2, 6))
    return X + 0.4 * rng.standard_normal(X.shape)


# -- training --------------------------------------------------------------------------


@pytest.mark.slow
def test_digits(digits):
    train, test = digits
    # Half as many epochs as by default.
    model = VariationalAutoencoder(8, max_epochs=50, random_state=0).fit(train)
    pca = PCA(8).fit(train)
    assert np.square(test - pca.inverse_transform(pca.transform(test))).mean() > 0.024
    assert model.reconstruction_error(test).mean() <= 0.020  # measured: 0.0152
    assert model.active_units_.all()
    bound = model.score_samples(test).mean()
    assert bound > pca.score(test) + 8  # measured: 11
    tighter = model.score_samples(test, 64).mean()
    assert bound < tighter < bound + 5
    # Samples are likelier than noise with the mean and variance of every pixel.
    samples = model.sample(500, random_state=0)
    assert np.abs(samples.mean(axis=0) - train.mean(axis=0)).max() < 0.15
    noise = np.random.RandomState(0).normal(train.mean(0), train.std(0), test.shape)
    scores = [model.score_samples(X).mean() for X in (test, samples, noise)]
    assert scores[2] + 20 < min(scores[:2])


def test_rows_like_those_of_the_training_are_likelier_than_noise(table):
    model = VariationalAutoencoder(3, max_epochs=20, random_state=0).fit(table[:40])
    rng = np.random.RandomState(0)
    noise = rng.normal(table.mean(axis=0), 2 * table.std(axis=0), size=(40, 7))
    for n in (None, 20):
        likely = np.median(model.score_samples(table[40:], n))
        assert likely > np.median(model.score_samples(noise, n)) + 1


def test_beta_weighs_the_column_of_the_divergence(table):
    """At the start, before any step that matters."""
    params = {"learning_rate": 1e-12, "max_epochs": 1, "random_state": 0}
    plain, heavy, none = (
        VariationalAutoencoder(2, beta=beta, **params).fit(table).history_
        for beta in (1, 3, 0)
    )
    for prefix in ("train", "valid"):
        np.testing.assert_allclose(
            heavy[f"{prefix}_kl"], 3 * plain[f"{prefix}_kl"], rtol=1e-5
        )
        assert none[f"{prefix}_kl"] == 0
        assert plain[f"{prefix}_kl"] > 0
        for history in (plain, heavy, none):
            name = f"{prefix}_reconstruction"
            np.testing.assert_allclose(history[name], plain[name], rtol=1e-5)
            total = history[name] + history[f"{prefix}_kl"]
            np.testing.assert_allclose(history[f"{prefix}_loss"], total, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 200.0])
def test_losses_are_nats_of_the_density_in_units_of_the_data(table, scale):
    params = {"learning_rate": 1e-12, "max_epochs": 1, "random_state": 0}
    losses, scaled = (
        VariationalAutoencoder(2, **params).fit(X).history_
        for X in (table, scale * table)
    )
    for name in ("train_loss", "valid_loss", "train_reconstruction"):
        expected = losses[name] + 7 * np.log(scale)
        np.testing.assert_allclose(scaled[name], expected, rtol=1e-4)
    np.testing.assert_allclose(scaled["train_kl"], losses["train_kl"], rtol=1e-4)


def test_random_start_has_unit_variances(table):
    params = {"init": "random", "max_epochs": 0, "random_state": 0}
    module = VariationalAutoencoder(2, **params).fit(table).module_
    with torch.no_grad():
        x = module.standardize(torch.from_numpy(table)).float()
        mean, log_variance = module.network.posterior(x)
    assert mean.std() > 0.1
    assert not log_variance.any()
    assert module.network.log_noise_variance == 0  # that of the standardised data


def test_beta_trades_reconstruction_for_simple_codes(seeded_table):
    light, heavy = (
        VariationalAutoencoder(
            3, beta=beta, max_epochs=60, validation=None, random_state=0
        ).fit(seeded_table)
        for beta in (0.1, 10)
    )
    assert light.score(seeded_table) > heavy.score(seeded_table)
    assert (light.explained_variance_ > heavy.explained_variance_).all()


def test_score_samples_does_not_know_beta(table):
    model = VariationalAutoencoder(2, beta=50, **UNTRAINED).fit(table)
    plain = VariationalAutoencoder(2, **UNTRAINED).fit(table)
    np.testing.assert_array_equal(
        model.score_samples(table), plain.score_samples(table)
    )


# -- codes -----------------------------------------------------------------------------


def test_transform_is_the_posterior_mean(table):
    model = VariationalAutoencoder(3, max_epochs=10, random_state=0).fit(table)
    with torch.no_grad():
        x = model.module_.standardize(torch.from_numpy(table)).float()
        mean, _ = model.module_.network.posterior(x)
    codes = model.transform(table)
    np.testing.assert_allclose(codes, mean, atol=1e-5)
    np.testing.assert_array_equal(model.transform(table), codes)
    decoded = model.inverse_transform(codes)
    np.testing.assert_allclose(model.reconstruct(table), decoded, atol=1e-10)


def rows_of_covariance(variances, n_rows=200):
    """Independent columns of exactly these variances."""
    X = np.random.RandomState(0).standard_normal((n_rows, len(variances)))
    X, _ = np.linalg.qr(X - X.mean(axis=0))
    return X * np.sqrt(n_rows * np.array(variances))


def test_active_units_by_their_definition():
    X = rows_of_covariance([9, 4, 1.02, 1, 1, 1, 1])
    model = VariationalAutoencoder(4, **UNTRAINED).fit(X)
    variances = model.transform(X).var(axis=0)
    assert (variances > 0.01).tolist() == [True, True, True, False]
    assert model.active_units_.tolist() == [True, True, True, False]
    assert model.active_units_.dtype == bool
    np.testing.assert_allclose(model.explained_variance_, variances, rtol=0.02)


def test_active_units_of_weighted_rows_are_theirs(table):
    weight = np.r_[np.full(30, 2), np.zeros(30)]
    model = VariationalAutoencoder(3, **CHEAP).fit(table, sample_weight=weight)
    variances = model.transform(table[:30]).var(axis=0)
    np.testing.assert_allclose(model.explained_variance_, variances, rtol=0.1)
    assert (model.active_units_ == (variances > 0.01)).all()


def test_collapse_warns_and_names_beta(seeded_table):
    model = VariationalAutoencoder(2, beta=1e5, max_epochs=150, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"beta=100000\.0") as caught:
        model.fit(seeded_table)
    assert caught[0].filename == __file__  # the line of the user
    assert not model.active_units_.any()
    np.testing.assert_allclose(model.transform(seeded_table), 0, atol=0.5)


def test_ordinary_fit_does_not_warn(table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VariationalAutoencoder(3, max_epochs=20, random_state=0).fit(table)
        VariationalAutoencoder(3, init="random", **CHEAP).partial_fit(table)


# -- samples ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    X = gaussian_rows(0)
    return VariationalAutoencoder(2, max_epochs=3, random_state=0).fit(X)


@pytest.mark.parametrize("random_state", [0, 42])
def test_samples_are_decoded_draws_from_the_prior(model, random_state):
    samples = model.sample(5, random_state=random_state)
    assert samples.shape == (5, 6)
    codes = np.random.RandomState(random_state).standard_normal((5, 2))
    np.testing.assert_array_equal(samples, model.inverse_transform(codes))
    again = model.sample(5, random_state=random_state)
    np.testing.assert_array_equal(samples, again)
    assert (samples != model.sample(5, random_state=random_state + 1)).any()


def test_samples_of_a_generator_go_on(model):
    generator = np.random.RandomState(3)
    first, second = model.sample(4, generator), model.sample(4, generator)
    assert (first != second).any()
    both = model.sample(8, random_state=3)
    np.testing.assert_allclose(np.vstack([first, second]), both, rtol=1e-10)


@pytest.mark.usefixtures("untouched_generators")
def test_samples_without_a_seed_differ(model):
    assert (model.sample(3) != model.sample(3)).any()
    model.sample(3, random_state=0)
    model.score_samples(gaussian_rows(0))
    assert model.sample().shape == (1, 6)
    assert model.sample(np.int64(2)).shape == (2, 6)


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, "two", None, [3]])
def test_bad_number_of_samples(model, n_samples):
    with pytest.raises(ValueError, match=re.escape(f"n_samples={n_samples!r}")):
        model.sample(n_samples)


@pytest.mark.parametrize("n_draws", [0, -1, 1.5, "two", [3]])
def test_bad_number_of_importance_samples(model, n_draws):
    message = re.escape(f"n_importance_samples={n_draws!r}")
    with pytest.raises(ValueError, match=message):
        model.score_samples(gaussian_rows(0), n_draws)


def test_unfitted():
    for name in ("sample", "score_samples"):
        with pytest.raises(NotFittedError):
            getattr(VariationalAutoencoder(), name)(3)


# -- scores ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_draws", [None, 7])
def test_score_of_a_row_does_not_depend_on_the_others(model, n_draws):
    X = gaussian_rows(0)[:50]
    scores = model.score_samples(X, n_draws)
    assert scores.shape == (50,)
    np.testing.assert_array_equal(model.score_samples(X, n_draws), scores)
    order = np.random.RandomState(0).permutation(50)
    shuffled = model.score_samples(X[order], n_draws)
    np.testing.assert_allclose(shuffled, scores[order], rtol=1e-10)
    single = np.hstack([model.score_samples(row[None], n_draws) for row in X])
    np.testing.assert_allclose(single, scores, rtol=1e-10)
    many = model.score_samples(np.tile(X, (100, 1)), n_draws)
    np.testing.assert_allclose(many, np.tile(scores, 100), rtol=1e-10)


def test_bernoulli_outputs():
    seed = 0
    X = (gaussian_rows(seed) > 0).astype(float)
    params = {"loss": "bernoulli", "max_epochs": 60, "random_state": seed}
    model = VariationalAutoencoder(2, **params).fit(X)
    shares = model.reconstruct(X)
    assert (shares > 0).all()
    assert (shares < 1).all()
    assert ((shares > 0.5) == X).mean() > 0.8
    # Better than independent columns, whose entropy needs no code.
    mean = X.mean(axis=0)
    independent = stats.bernoulli.logpmf(X, mean).sum(axis=1).mean()
    assert independent < model.score_samples(X).mean() < 0
    assert model.score_samples(X).mean() < model.score_samples(X, 100).mean() < 0
    assert ((model.sample(50) > 0) & (model.sample(50) < 1)).all()


# -- what does not go together ---------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"loss": "bernoulli"}, ["loss='bernoulli'", "[0, 1]", "loss='gaussian'"]),
        (
            {"loss": "bernoulli", "output_activation": "identity"},
            ["output_activation='identity'", "loss='bernoulli'"],
        ),
        ({"n_components": 8}, ["n_components=8"]),
    ],
    ids=str,
)
def test_wrong_combination(table, params, words):
    model = VariationalAutoencoder(**CHEAP | params)
    before = dict(vars(model))
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError) as caught:
            getattr(model, method)(table)
        for word in words:
            assert word in str(caught.value)
        assert vars(model) == before


# Little of the few targets is in the two largest variances of the input.
@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
@pytest.mark.parametrize("n_outputs", [2, 12])
def test_targets_of_another_width(table, n_outputs):
    rng = np.random.RandomState(0)
    target = table @ rng.standard_normal((7, n_outputs)) + 10
    model = VariationalAutoencoder(2, **CHEAP).fit(table, X_target=target)
    assert model.reconstruct(table).shape == (60, n_outputs)
    assert model.sample(3).shape == (3, n_outputs)
    assert model.transform(table).shape == (60, 2)
    for method in ("score_samples", "reconstruction_error", "score"):
        with pytest.raises(ValueError, match=f"have {n_outputs} columns.* have 7"):
            getattr(model, method)(table)


# -- networks, pickle, model selection -------------------------------------------------

OTHERS = {
    "dense": {"init": "random", "dropout": 0.2},
    "pca_start": {},
    "convolutional": {"network": ConvolutionalNetwork(channels=(2, 3))},
    "own": {"network": OwnNetwork},
    "bernoulli": {"loss": "bernoulli"},
}


@pytest.mark.parametrize("params", OTHERS.values(), ids=OTHERS.keys())
def test_pickle_keeps_every_bit(table, params):
    X = expit(table)
    model = VariationalAutoencoder(2, **CHEAP | params).fit(X).partial_fit(X)
    loaded = pickle.loads(pickle.dumps(model))
    for _ in range(2):
        for output in (
            lambda m: m.transform(X),
            lambda m: m.reconstruct(X),
            lambda m: m.score_samples(X),
            lambda m: m.score_samples(X, 3),
            lambda m: m.sample(4, random_state=1),
            lambda m: m.active_units_,
            lambda m: m.loss_curve_,
        ):
            np.testing.assert_array_equal(output(loaded), output(model))
        before = model.transform(X)
        model.partial_fit(X).partial_fit(X[:20])
        loaded.partial_fit(X).partial_fit(X[:20])
        assert (model.transform(X) != before).any()


@pytest.mark.parametrize("params", OTHERS.values(), ids=OTHERS.keys())
def test_any_network_learns(table, params):
    X = expit(table)
    params = params | {"learning_rate": 0.01, "validation": None}
    model = VariationalAutoencoder(2, max_epochs=150, random_state=0, **params).fit(X)
    losses = model.loss_curve_
    assert losses[-20:].mean() < losses[:5].mean()
    assert model.score(X) > 0.1
    assert model.sample(3, random_state=0).shape == (3, 7)
    assert model.score_samples(X, 50).mean() > model.score_samples(X).mean() - 0.1


def test_same_seed_same_bits(table, seed):
    fits = [
        VariationalAutoencoder(2, max_epochs=3, random_state=s).fit(table)
        for s in (seed, seed, seed + 1)
    ]
    curves = [fit.loss_curve_ for fit in fits]
    np.testing.assert_array_equal(curves[0], curves[1])
    assert (curves[0] != curves[2]).any()


@pytest.mark.usefixtures("untouched_generators")
def test_training_leaves_the_global_generators():
    X = gaussian_rows(0)[:60]
    for params in OTHERS.values():
        if "loss" not in params:
            VariationalAutoencoder(2, **CHEAP | params).fit(X).partial_fit(X)


def test_grid_search_over_beta():
    X = gaussian_rows(0)
    model = VariationalAutoencoder(2, max_epochs=12, init="random", random_state=0)
    search = GridSearchCV(model, {"beta": [100.0, 0.1]}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X)
    assert search.best_params_ == {"beta": 0.1}
    assert search.best_estimator_.beta == 0.1
