"""Where the variational autoencoder is linear it is probabilistic PCA."""

import numpy as np
import pytest
import torch
from scipy import sparse, stats
from sklearn.decomposition import PCA

from sklearn_ae import ConvolutionalNetwork, VariationalAutoencoder
from sklearn_ae.objectives.likelihood import balanced, normal_draws

UNTRAINED = {"max_epochs": 0, "random_state": 0}
CHEAP = {"max_epochs": 3, "random_state": 0}
LINEAR = {"hidden_layer_sizes": (), "activation": "identity"}


@pytest.fixture
def table(seeded_table):
    return seeded_table


# -- the untrained model is probabilistic PCA ------------------------------------------


def probabilistic_pca(X, n_components, weight=None):
    """Variances along the axes, axes and noise, by Tipping and Bishop's formulas."""
    values, vectors = np.linalg.eigh(np.cov(X.T, bias=True, aweights=weight))
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = values[n_components:].mean()
    return values[:n_components], vectors[:, :n_components], noise


def log_density(X, n_components, weight=None):
    values, axes, noise = probabilistic_pca(X, n_components, weight)
    covariance = axes * (values - noise) @ axes.T + noise * np.eye(X.shape[1])
    mean = np.average(X, axis=0, weights=weight)
    return stats.multivariate_normal.logpdf(X, mean, covariance)


def decoder_columns(model):
    origin = np.zeros((1, model.n_components_))
    images = model.inverse_transform(np.eye(model.n_components_))
    return (images - model.inverse_transform(origin)).T


def noise_variance(model):
    """In squared units of the data."""
    return model.module_.network.log_noise_variance.exp().item() * model.scale_**2


def posterior_variances(model, X):
    with torch.no_grad():
        x = model.module_.standardize(torch.from_numpy(X)).float()
        return model.module_.network.posterior(x)[1].exp().numpy()


NETWORKS = {
    "default": {},
    "linear": LINEAR,
    "deep": {"hidden_layer_sizes": (8, 4), "activation": "softplus"},
    "convolutional": {"network": ConvolutionalNetwork(channels=(2, 3))},
}


@pytest.mark.parametrize("params", NETWORKS.values(), ids=NETWORKS.keys())
@pytest.mark.parametrize("n_components", [1, 3, 6])
def test_untrained_model_has_the_parts_of_probabilistic_pca(
    table, n_components, params
):
    model = VariationalAutoencoder(n_components, **params, **UNTRAINED).fit(table)
    values, axes, noise = probabilistic_pca(table, n_components)
    assert noise_variance(model) == pytest.approx(noise, rel=1e-4)
    W = decoder_columns(model)
    signs = np.sign((W * axes).sum(axis=0))
    spread = np.sqrt(values.max())
    np.testing.assert_allclose(
        W, signs * axes * np.sqrt(values - noise), atol=1e-4 * spread
    )
    variances = np.broadcast_to(noise / values, (60, n_components))
    np.testing.assert_allclose(posterior_variances(model, table), variances, rtol=1e-3)
    projected = (table - table.mean(axis=0)) @ axes * signs
    means = np.sqrt(values - noise) / values * projected
    np.testing.assert_allclose(model.transform(table), means, atol=1e-3)


@pytest.mark.parametrize("n_components", [1, 3, 6])
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (100, 50), (1e-3, -7)])
def test_untrained_model_has_the_likelihood_of_probabilistic_pca(
    table, n_components, scale, offset
):
    X = scale * table + offset
    model = VariationalAutoencoder(n_components, **UNTRAINED).fit(X)
    expected = log_density(X, n_components)
    # The posterior is exact: any draw gives the likelihood.
    np.testing.assert_allclose(model.score_samples(X, 1), expected, atol=1e-2)
    np.testing.assert_allclose(model.score_samples(X, 100), expected, atol=1e-2)
    # Nor is the lower bound one: its draws have exactly the moments that it needs.
    np.testing.assert_allclose(model.score_samples(X), expected, atol=1e-2)
    pca = PCA(n_components).fit(X)  # with n - 1 in place of n
    assert model.score_samples(X, 10).mean() == pytest.approx(pca.score(X), abs=0.05)
    held_out = scale * (table[::-1] + 0.1) + offset
    np.testing.assert_allclose(
        model.score_samples(held_out, 10), pca.score_samples(held_out), atol=2, rtol=0.1
    )


def test_untrained_model_with_as_many_components_as_features(table):
    """No noise is left, but a little: the covariance is that of the data."""
    model = VariationalAutoencoder(7, **UNTRAINED).fit(table)
    covariance = decoder_columns(model) @ decoder_columns(model).T
    covariance += noise_variance(model) * np.eye(7)
    expected = np.cov(table.T, bias=True)
    np.testing.assert_allclose(covariance, expected, atol=1e-3 * np.abs(expected).max())
    density = stats.multivariate_normal.logpdf(table, table.mean(axis=0), covariance)
    np.testing.assert_allclose(model.score_samples(table, 10), density, atol=2e-2)
    assert noise_variance(model) > 0


def test_untrained_model_of_a_table_with_constant_columns(table):
    X = np.insert(table, [0, 4], 3.0, axis=1)
    model = VariationalAutoencoder(2, **UNTRAINED).fit(X)
    np.testing.assert_allclose(model.score_samples(X, 5), log_density(X, 2), atol=1e-2)
    np.testing.assert_allclose(model.reconstruct(X)[:, [0, 5]], 3.0, atol=1e-5)


@pytest.mark.parametrize("max_epochs", [0, 5])
def test_constant_table(max_epochs):
    model = VariationalAutoencoder(2, max_epochs=max_epochs, random_state=0)
    X = np.full((20, 4), 3.0)
    model.fit(X)
    np.testing.assert_allclose(model.reconstruct(X), X, atol=1e-3)
    assert np.isfinite(model.score_samples(X)).all()


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_rows(table, make):
    X = np.where(np.abs(table) > 1, table, 0)
    dense, other = (
        VariationalAutoencoder(2, **CHEAP).fit(rows) for rows in (X, make(X))
    )
    np.testing.assert_allclose(other.transform(make(X)), dense.transform(X), atol=1e-6)
    np.testing.assert_allclose(
        other.score_samples(make(X)), dense.score_samples(X), rtol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(table, dtype):
    X = table.astype(dtype)
    model = VariationalAutoencoder(2, **CHEAP).fit(X)
    assert model.transform(X).dtype == dtype
    for scores in (model.score_samples(X), model.score_samples(X, 3)):
        assert scores.dtype == np.float64
    np.testing.assert_allclose(
        model.score_samples(X), model.score_samples(X.astype(float)), atol=1e-3
    )


def test_weighted_rows_are_repeated_rows(table, seed):
    weight = np.random.RandomState(seed).randint(0, 4, size=len(table))
    model = VariationalAutoencoder(3, **UNTRAINED).fit(table, sample_weight=weight)
    repeated = VariationalAutoencoder(3, **UNTRAINED).fit(table.repeat(weight, axis=0))
    codes = repeated.transform(table)
    np.testing.assert_allclose(model.transform(table), codes, atol=1e-5)
    density = log_density(table, 3, weight)
    np.testing.assert_allclose(model.score_samples(table, 3), density, atol=1e-2)
    np.testing.assert_allclose(
        model.score_samples(table), repeated.score_samples(table), atol=1e-3
    )


# -- trained models, and what they show ------------------------------------------------


def exact_bound(model, X):
    """The evidence lower bound of a linear model, its expectation written out."""
    mean, variance = model.transform(X), posterior_variances(model, X)
    W, noise = decoder_columns(model), noise_variance(model)
    squares = ((X - model.reconstruct(X)) ** 2).sum(axis=1) + variance @ (W**2).sum(0)
    density = -squares / (2 * noise) - X.shape[1] / 2 * np.log(2 * np.pi * noise)
    divergence = 0.5 * (mean**2 + variance - 1 - np.log(variance)).sum(axis=1)
    return density - divergence


def gaussian_rows(seed):
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((400, 2)) @ rng.standard_normal((2, 6))
    return X + 0.4 * rng.standard_normal(X.shape)


@pytest.mark.parametrize("init", ["pca", "random"])
def test_trained_linear_model_has_the_likelihood_of_pca(seed, init):
    X = 3 * gaussian_rows(seed) + 5
    model = VariationalAutoencoder(
        2,
        init=init,
        **LINEAR,
        optimizer="adam",
        learning_rate=0.02,
        learning_rate_schedule="cosine",
        validation=None,
        max_epochs=100,
        random_state=seed,
    ).fit(X)
    best = log_density(X, 2).mean()
    bound = exact_bound(model, X)
    assert best - 0.02 < bound.mean() <= best + 1e-3
    assert best == pytest.approx(PCA(2).fit(X).score(X), abs=0.01)
    np.testing.assert_allclose(model.score_samples(X), bound, atol=1e-3)


def test_default_optimizer_learns_the_variances(seed):
    """Decay of the weights must not pull logarithms of variances to zero."""
    X = gaussian_rows(seed)
    model = VariationalAutoencoder(
        2, **LINEAR, validation=None, max_epochs=100, random_state=seed
    ).fit(X)
    _, _, noise = probabilistic_pca(X, 2)
    assert noise_variance(model) == pytest.approx(noise, rel=0.05)


def test_samples_have_the_covariance_of_the_model(seed):
    X = gaussian_rows(seed)
    untrained = VariationalAutoencoder(2, **UNTRAINED).fit(X)
    samples = untrained.sample(20_000, random_state=seed)
    W = decoder_columns(untrained)
    np.testing.assert_allclose(samples.mean(axis=0), X.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(samples.T), W @ W.T, atol=0.2)


def test_scores_are_those_of_the_decoded_draws(seed):
    """Against SciPy, by what the fitted model shows."""
    X = gaussian_rows(seed)
    model = VariationalAutoencoder(2, max_epochs=3, random_state=seed).fit(X)
    X = X[:20]
    draws = balanced(normal_draws(64, 2, model._recipe.settings.seed)).numpy()
    variance = posterior_variances(model, X)
    means = model.transform(X)
    z = means + draws[:, None] * np.sqrt(variance)
    decoded = model.inverse_transform(z.reshape(-1, 2)).reshape(64, 20, 6)
    density = stats.norm.logpdf(X, decoded, np.sqrt(noise_variance(model))).sum(axis=2)
    divergence = 0.5 * (means**2 + variance - 1 - np.log(variance)).sum(axis=1)
    expected = density.mean(axis=0) - divergence
    np.testing.assert_allclose(model.score_samples(X), expected, atol=1e-4)


def test_scores_with_targets_of_their_own(table):
    """The model is one of the targets: in their units, about their mean."""
    target = 3 * table + 2
    model = VariationalAutoencoder(3, **UNTRAINED).fit(table, X_target=target)
    rows = table[:5]
    decoded = model.reconstruct(rows)
    noise = model.module_.network.log_noise_variance.exp().item()
    noise *= model.module_.output_scale.item() ** 2
    W = decoder_columns(model)
    squares = ((rows - decoded) ** 2).sum(axis=1)
    squares += posterior_variances(model, rows) @ (W**2).sum(axis=0)
    means, variance = model.transform(rows), posterior_variances(model, rows)
    expected = -squares / (2 * noise) - 3.5 * np.log(2 * np.pi * noise)
    expected -= 0.5 * (means**2 + variance - 1 - np.log(variance)).sum(axis=1)
    np.testing.assert_allclose(model.score_samples(rows), expected, rtol=0.02, atol=1)
