"""Likelihoods, divergence and bounds of variational networks, against SciPy."""

import numpy as np
import pytest
import torch
from parts import variational_objective
from scipy import stats
from scipy.special import expit

from sklearn_ae.objectives.likelihood import (
    balanced,
    evidence_lower_bound,
    importance_weighted_bound,
    normal_draws,
)
from sklearn_ae.objectives.losses import gaussian_negative_log_likelihood
from sklearn_ae.objectives.penalties import gaussian_kl

# -- the divergence and the likelihoods ------------------------------------------------


def draw_posterior(seed, shape=(6, 4)):
    rng = np.random.default_rng(seed)
    return map(torch.from_numpy, 2 * rng.standard_normal((2, *shape)))


def test_gaussian_kl_formula(seed):
    mean, log_variance = draw_posterior(seed)
    m, v = mean.numpy(), np.exp(log_variance.numpy())
    expected = 0.5 * (m**2 + v - 1 - np.log(v)).sum(axis=1)
    np.testing.assert_allclose(gaussian_kl(mean, log_variance), expected, rtol=1e-12)


def test_gaussian_kl_is_torchs(seed):
    mean, log_variance = draw_posterior(seed)
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(
        normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)
    )
    torch.testing.assert_close(gaussian_kl(mean, log_variance), divergence.sum(1))
    assert not gaussian_kl(torch.zeros(3, 2), torch.zeros(3, 2)).any()


@pytest.mark.parametrize("scale", [1.0, 1e-3, 250.0])
@pytest.mark.parametrize("log_variance", [-3.0, 0.0, 1.5])
def test_gaussian_negative_log_likelihood_is_scipys_in_units_of_the_data(
    scale, log_variance, seed
):
    rng = np.random.default_rng(seed)
    mean, x = rng.standard_normal((2, 6, 4))
    deviation = scale * np.exp(log_variance / 2)
    expected = -stats.norm.logpdf(scale * x, scale * mean, deviation).sum(axis=1)
    arguments = map(torch.from_numpy, (mean, x))
    log_variance = torch.tensor(log_variance)
    mean, x = arguments
    options = {"log_variance": log_variance.double(), "scale": scale}
    rows = gaussian_negative_log_likelihood(mean, x, **options)
    np.testing.assert_allclose(rows, expected, rtol=1e-10)
    total = gaussian_negative_log_likelihood(mean, x, total=True, **options)
    assert total.item() == pytest.approx(expected.sum(), rel=1e-10)


def test_gaussian_negative_log_likelihood_is_least_at_the_mean_square(seed):
    mean, x = map(torch.from_numpy, np.random.default_rng(seed).normal(size=(2, 9, 5)))
    best = (x - mean).square().mean().log().requires_grad_()
    gaussian_negative_log_likelihood(mean, x, total=True, log_variance=best).backward()
    assert abs(best.grad.item()) < 1e-10


def test_bernoulli_negative_log_likelihood_is_scipys(seed):
    rng = np.random.default_rng(seed)
    share, x = expit(rng.standard_normal((6, 4))), rng.integers(0, 2, (6, 4))
    negative_log_likelihood = variational_objective("bce", 4).negative_log_likelihood(
        None, torch.from_numpy(share), torch.from_numpy(x).double()
    )
    expected = -stats.bernoulli.logpmf(x, share).sum(axis=1)
    np.testing.assert_allclose(negative_log_likelihood, expected, rtol=1e-10)


# -- bounds of the likelihood ----------------------------------------------------------


@pytest.mark.parametrize("n_components", [1, 2, 10])
def test_normal_draws(n_components, seed, untouched_generators):
    draws = normal_draws(1024, n_components, seed)
    assert draws.shape == (1024, n_components)
    assert torch.equal(draws, normal_draws(1024, n_components, seed))
    assert not torch.equal(draws, normal_draws(1024, n_components, seed + 1))
    assert draws.mean(0).abs().max() < 0.01  # three standard errors of random ones: .1
    covariance = np.atleast_2d(np.cov(draws.numpy().T))
    np.testing.assert_allclose(covariance, np.eye(n_components), atol=0.06)
    assert stats.kstest(draws.numpy().ravel(), "norm").statistic < 0.01


@pytest.mark.parametrize("n_components", [1, 2, 10])
def test_balanced_draws(n_components, seed):
    draws = normal_draws(64, n_components, seed)
    exact = balanced(draws)
    mean, covariance = exact.mean(0), exact.T @ exact / 64
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-12)
    torch.testing.assert_close(covariance, torch.eye(n_components).double())
    assert (exact - draws).abs().mean() < 0.2  # the same draws, but for a little


class LinearModel:
    """``x ~ N(W z + b, s^2 I)`` with an encoder that is close to right, but not it."""

    log_noise_variance = torch.tensor(-1.0).double()

    def __init__(self, seed, bend=0.0):
        rng = np.random.default_rng(seed)
        self.W, self.b = rng.standard_normal((4, 2)), rng.standard_normal(4)
        self.noise = np.exp(-1.0)
        self.covariance = self.W @ self.W.T + self.noise * np.eye(4)
        self.A = 0.9 * self.W.T @ np.linalg.inv(self.covariance)
        precision = 1 + (self.W**2).sum(axis=0) / self.noise
        self.log_variance = 0.3 - np.log(precision)
        self.bend = bend
        self.objective = variational_objective("mse", 4)
        self.rows = rng.multivariate_normal(self.b, self.covariance, 100)

    @property
    def x(self):
        return torch.from_numpy(self.rows)

    def posterior(self, x):
        mean = (x - torch.from_numpy(self.b)) @ torch.from_numpy(self.A.T)
        return mean, torch.from_numpy(self.log_variance).expand_as(mean)

    def decode(self, z):
        z = z + self.bend * z.sin()
        return z @ torch.from_numpy(self.W.T) + torch.from_numpy(self.b)

    def negative_log_likelihood(self, reconstruction):
        return self.objective.negative_log_likelihood(self, reconstruction, self.x)

    def bound(self, function, draws):
        return function(self, self.x, draws, self.negative_log_likelihood).numpy()


def test_evidence_lower_bound_of_a_linear_model(seed):
    """The expectation written out: residual and spread of the reconstructions."""
    model = LinearModel(seed)
    mean, log_variance = (part.numpy() for part in model.posterior(model.x))
    variance = np.exp(log_variance)
    residual = ((model.rows - model.b - mean @ model.W.T) ** 2).sum(axis=1)
    spread = variance @ (model.W**2).sum(axis=0)
    expected = -(residual + spread) / (2 * model.noise)
    expected -= 2 * np.log(2 * np.pi * model.noise)
    expected -= 0.5 * (mean**2 + variance - 1 - log_variance).sum(axis=1)
    bound = model.bound(evidence_lower_bound, normal_draws(1024, 2, seed))
    np.testing.assert_allclose(bound, expected, atol=0.02)
    bound = model.bound(evidence_lower_bound, balanced(normal_draws(8, 2, seed)))
    np.testing.assert_allclose(bound, expected, rtol=1e-10)


def test_evidence_lower_bound_against_monte_carlo(seed):
    model = LinearModel(seed, bend=0.7)
    rng = np.random.default_rng(seed)
    mean, log_variance = (part.numpy() for part in model.posterior(model.x))
    deviation = np.exp(log_variance / 2)
    z = mean + deviation * rng.standard_normal((5_000, 100, 2))
    decoded = model.decode(torch.from_numpy(z)).numpy()
    joint = stats.norm.logpdf(model.rows, decoded, model.noise**0.5).sum(axis=2)
    joint += stats.norm.logpdf(z).sum(axis=2)
    entropy = stats.norm.entropy(scale=deviation).sum(axis=1)
    error = joint.std(axis=0) / np.sqrt(5_000)
    bound = model.bound(evidence_lower_bound, normal_draws(1024, 2, seed))
    assert (np.abs(bound - joint.mean(axis=0) - entropy) < 5 * error + 0.02).all()


def test_importance_weighted_bound_of_one_draw_is_the_integrand(seed):
    model = LinearModel(seed, bend=0.7)
    draw = normal_draws(1, 2, seed)
    mean, log_variance = (part.numpy() for part in model.posterior(model.x))
    deviation = np.exp(log_variance / 2)
    z = mean + deviation * draw.numpy()
    decoded = model.decode(torch.from_numpy(z)).numpy()
    expected = stats.norm.logpdf(model.rows, decoded, model.noise**0.5).sum(axis=1)
    expected += stats.norm.logpdf(z).sum(axis=1)
    expected -= stats.norm.logpdf(z, mean, deviation).sum(axis=1)
    bound = model.bound(importance_weighted_bound, draw)
    np.testing.assert_allclose(bound, expected, rtol=1e-10)


def test_importance_weighted_bounds_rise_to_the_likelihood(seed):
    model = LinearModel(seed)
    exact = stats.multivariate_normal.logpdf(model.rows, model.b, model.covariance)
    draws = torch.from_numpy(np.random.default_rng(seed).standard_normal((4096, 2)))
    bounds = [
        np.mean([model.bound(importance_weighted_bound, part) for part in parts])
        for parts in (draws[:512].split(n) for n in (1, 8, 64))
    ]
    elbo = model.bound(evidence_lower_bound, draws)
    assert elbo.mean() == pytest.approx(bounds[0], abs=0.2)
    assert (np.diff([*bounds, exact.mean() + 0.05]) > 0).all()
    assert (elbo < exact).all()
    nearest = model.bound(importance_weighted_bound, normal_draws(4096, 2, seed))
    assert (nearest >= elbo).all()
    np.testing.assert_allclose(nearest, exact, atol=0.1)
    assert nearest.mean() == pytest.approx(exact.mean(), abs=0.02)
