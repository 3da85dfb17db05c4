"""Rows with gaps under a normal distribution, against its formulas."""

import numpy as np
import pytest
import torch

from sklearn_ae.data import gaps
from sklearn_ae.data.gaps import Gaussian, choose_rank, completed, fit_gaussian
from sklearn_ae.networks.completion import complete, number_of_iterations

SEEDS = range(3)


def gaussian_of(rng, n_features, rank, noise=0.1):
    axes = np.linalg.qr(rng.normal(size=(n_features, rank)))[0]
    variances = noise + np.sort(rng.uniform(0.5, 5, rank))[::-1]
    return Gaussian(rng.normal(size=n_features), axes, variances, noise)


def covariance_of(gaussian):
    W = gaussian.factors
    return W @ W.T + gaussian.noise * np.eye(len(W))


def drawn(gaussian, n_rows, rng):
    return rng.multivariate_normal(gaussian.mean, covariance_of(gaussian), n_rows)


def with_gaps(X, rng, share=0.3):
    return np.where(rng.uniform(size=X.shape) < share, np.nan, X)


def conditional_means(X, mean, covariance):
    """The block formula, a row at a time."""
    result = X.copy()
    for row in result:
        m = np.isnan(row)
        if m.any():
            slope = covariance[np.ix_(m, ~m)] @ np.linalg.pinv(
                covariance[np.ix_(~m, ~m)], hermitian=True
            )
            row[m] = mean[m] + slope @ (row[~m] - mean[~m])
    return result


def log_likelihood(X, gaussian):
    """Of the observed entries, from the marginal distributions of the rows."""
    covariance, result = covariance_of(gaussian), 0.0
    for row in X:
        o = ~np.isnan(row)
        part, y = covariance[np.ix_(o, o)], row[o] - gaussian.mean[o]
        determinant = np.linalg.slogdet(2 * np.pi * part)[1]
        result -= 0.5 * (determinant + y @ np.linalg.solve(part, y))
    return result


def tensors(*arrays, dtype=torch.float64):
    return [torch.tensor(array.copy(), dtype=dtype) for array in arrays]


CASES = [(5, 2), (8, 0), (8, 1), (13, 12), (30, 16), (30, 29)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("n_features", "rank"), CASES)
def test_completions_are_conditional_means(n_features, rank, seed):
    rng = np.random.RandomState(seed)
    gaussian = gaussian_of(rng, n_features, rank)
    X = with_gaps(drawn(gaussian, 20, rng), rng, 0.5)
    X[0] = np.nan
    expected = conditional_means(X, gaussian.mean, covariance_of(gaussian))
    np.testing.assert_allclose(completed(X, np.arange(20), gaussian), expected)
    x, mean, loadings = tensors(X, gaussian.mean, gaussian.loadings)
    exact = complete(x, mean, loadings, 3 * n_features)
    np.testing.assert_allclose(exact, expected, rtol=1e-8, atol=1e-8)
    quick = complete(
        *tensors(X, gaussian.mean, gaussian.loadings, dtype=torch.float32),
        number_of_iterations(rank),
    )
    # Few steps leave the hardest entries of many columns a little off.
    errors = np.abs(quick.numpy() - expected)
    assert errors.max() < (0.02 if rank <= 8 else 0.3)
    assert np.sqrt(np.square(errors).mean()) < 0.02


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_completions_of_uneven_columns_with_little_noise(rank, seed):
    rng = np.random.RandomState(seed)
    factors = rng.standard_normal((13, rank)) * np.exp(rng.standard_normal((13, 1)))
    axes, lengths, _ = np.linalg.svd(factors, full_matrices=False)
    gaussian = Gaussian(np.zeros(13), axes, lengths**2 + 1e-3, 1e-3)
    truth = drawn(gaussian, 200, rng)
    X = with_gaps(truth, rng)
    missing = np.isnan(X)
    tables = tensors(X, gaussian.mean, gaussian.loadings, dtype=torch.float32)
    quick = complete(*tables, number_of_iterations(rank)).numpy()
    exact = completed(X, np.arange(200), gaussian)
    quick, exact = (np.square(Y - truth)[missing].mean() for Y in (quick, exact))
    assert quick < 1.05 * exact


@pytest.mark.parametrize("rank", [0, 3])
def test_completion_leaves_observed_entries_alone(rank):
    rng = np.random.RandomState(0)
    gaussian = gaussian_of(rng, 6, rank)
    X = drawn(gaussian, 10, rng).astype(np.float32)
    complete_rows = X[5:].copy()
    X[:5] = with_gaps(X[:5], rng)
    observed = ~np.isnan(X)
    arrays = X, gaussian.mean, gaussian.loadings
    x, mean, loadings = tensors(*arrays, dtype=torch.float32)
    x.requires_grad_()
    filled = complete(x, mean, loadings, number_of_iterations(rank))
    filled.sum().backward()
    np.testing.assert_array_equal(x.grad, observed)
    for result in (filled.detach().numpy(), completed(X, np.arange(10), gaussian)):
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result[observed], X[observed])
        np.testing.assert_array_equal(result[5:], complete_rows)
    assert np.isnan(X).any()


def test_solved_rows_stay_finite():
    rng = np.random.RandomState(0)
    gaussian = gaussian_of(rng, 6, 2, noise=1e-5)
    X = with_gaps(drawn(gaussian, 50, rng), rng)
    X[:6] = gaussian.mean
    X[:6][np.eye(6, dtype=bool)] = np.nan
    x, mean, loadings = tensors(
        X, gaussian.mean, gaussian.loadings, dtype=torch.float32
    )
    many = complete(x, mean, loadings, 200)
    few = complete(x, mean, loadings, 20)
    np.testing.assert_allclose(many, few, atol=0.01)


def test_rows_do_not_depend_on_each_other():
    rng = np.random.RandomState(0)
    gaussian = gaussian_of(rng, 30, 16)
    X = with_gaps(drawn(gaussian, 10, rng), rng)
    x, mean, loadings = tensors(X, gaussian.mean, gaussian.loadings)
    together = complete(x, mean, loadings, 5)
    alone = torch.cat([complete(row[None], mean, loadings, 5) for row in x])
    torch.testing.assert_close(together, alone)


def test_stacked_tables_are_completed_as_single_ones():
    rng = np.random.RandomState(0)
    models = [gaussian_of(rng, 7, 3) for _ in range(4)]
    tables = [with_gaps(drawn(model, 9, rng), rng) for model in models]
    x, mean, loadings = tensors(
        np.stack(tables),
        np.stack([model.mean for model in models]),
        np.stack([model.loadings for model in models]),
    )
    for i, result in enumerate(complete(x, mean, loadings, 5)):
        single = complete(x[i], mean[i], loadings[i], 5)
        torch.testing.assert_close(result, single)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rank", [0, 2, 5])
def test_complete_tables_give_the_closed_form(rank, weighted):
    rng = np.random.RandomState(rank)
    X = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 6)) + 3
    weight = rng.uniform(0.5, 1.5, 80) if weighted else np.ones(80)
    weight /= weight.mean()
    values, vectors = np.linalg.eigh(np.cov(X.T, bias=True, aweights=weight))
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = values[rank:].mean()
    low = (vectors[:, :rank] * (values[:rank] - noise)) @ vectors[:, :rank].T
    rows = np.arange(80)
    fitted = fit_gaussian(X, rows, weight if weighted else None, rank)
    mean = np.average(X, axis=0, weights=weight)
    np.testing.assert_allclose(fitted.mean, mean)
    np.testing.assert_allclose(fitted.noise, noise)
    np.testing.assert_allclose(covariance_of(fitted), low + noise * np.eye(6))
    # The algorithm stays where the closed form is.
    moments = gaps._observed_moments(X, rows, weight)[1:]
    model = gaps._Expectation(X, weight, *moments).maximise(rank)
    np.testing.assert_allclose(
        covariance_of(model), covariance_of(fitted), rtol=0.02, atol=0.05
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rank", [0, 1, 3, 7])
def test_likelihood_of_observed_entries_increases(rank, seed, monkeypatch):
    monkeypatch.setattr(gaps, "RIDGE", 0.0)
    rng = np.random.RandomState(seed)
    X = with_gaps(rng.normal(size=(60, 8)) @ rng.normal(size=(8, 8)), rng)
    X[:20] = rng.normal(size=(20, 8))
    weight = np.ones(60)
    moments = gaps._observed_moments(X, np.arange(60), None)[1:]
    expectation = gaps._Expectation(X, weight, *moments)
    seen = []
    for mean, W, noise, value in expectation.steps(rank):
        axes, deviations, _ = np.linalg.svd(W, full_matrices=False)
        model = Gaussian(mean, axes, deviations**2 + noise, noise)
        Y = (X - expectation.origin) / expectation.unit
        np.testing.assert_allclose(value, log_likelihood(Y, model))
        seen.append(value)
    assert len(seen) > 1
    assert np.diff(seen).min() > -1e-8 * abs(seen[-1])


@pytest.mark.parametrize("seed", SEEDS)
def test_large_samples_give_the_truth(seed):
    rng = np.random.RandomState(seed)
    truth = gaussian_of(rng, 10, 3)
    X = with_gaps(drawn(truth, 5000, rng), rng)
    model = fit_gaussian(X, np.arange(5000), None, 3)
    np.testing.assert_allclose(model.mean, truth.mean, atol=0.1)
    np.testing.assert_allclose(model.noise, truth.noise, rtol=0.05)
    np.testing.assert_allclose(covariance_of(model), covariance_of(truth), atol=0.2)
    expected = conditional_means(X[:200], truth.mean, covariance_of(truth))
    np.testing.assert_allclose(completed(X, np.arange(200), model), expected, atol=0.2)
    assert choose_rank(X, np.arange(5000), None, 64, rng) in (4, 9)


def test_weights_are_as_repeated_rows():
    rng = np.random.RandomState(0)
    X = with_gaps(drawn(gaussian_of(rng, 6, 2), 60, rng), rng)
    weight = rng.randint(0, 3, 60).astype(float)
    repeated = np.repeat(X, weight.astype(int), axis=0)
    rows = np.arange(60)
    model = fit_gaussian(X, rows, weight, 2)
    other = fit_gaussian(repeated, np.arange(len(repeated)), None, 2)
    np.testing.assert_allclose(model.mean, other.mean, atol=1e-8)
    np.testing.assert_allclose(covariance_of(model), covariance_of(other), atol=1e-8)


def test_large_tables_are_fitted_to_some_rows(monkeypatch):
    rng = np.random.RandomState(0)
    truth = gaussian_of(rng, 6, 2)
    X = with_gaps(drawn(truth, 3000, rng), rng)
    monkeypatch.setattr(gaps, "MOST_ROWS", 1000)
    monkeypatch.setattr(gaps, "_PART", 900)  # many parts
    some = fit_gaussian(X, np.arange(3000), None, 2)
    again = fit_gaussian(X, np.arange(3000), None, 2)
    np.testing.assert_array_equal(some.loadings, again.loadings)
    np.testing.assert_allclose(covariance_of(some), covariance_of(truth), atol=0.5)


def test_poor_columns_do_no_harm():
    rng = np.random.RandomState(0)
    X = with_gaps(drawn(gaussian_of(rng, 8, 3), 100, rng), rng)
    X[:, 0] = np.nan  # nothing
    X[1:, 1] = np.nan  # one entry
    X[2:, 2] = np.nan  # two
    X[:, 3] = np.where(np.isnan(X[:, 3]), np.nan, 5.0)  # a constant
    X[:3] = np.nan, 1.0, 2.0, 5.0, *X[0, 4:]
    X[10] = np.nan
    rows = np.arange(100)
    for rank in (0, 1, 3, 7, choose_rank(X, rows, None, 64, rng)):
        model = fit_gaussian(X, rows, None, rank)
        filled = completed(X, rows, model)
        assert np.abs(filled).max() < 20
        np.testing.assert_allclose(filled[:, 3], 5.0, atol=1e-6)
        assert np.square(model.loadings).sum(axis=0).max(initial=0.0) < 1
    nothing = np.full((5, 3), np.nan)
    filled = completed(nothing, rows[:5], fit_gaussian(nothing, rows[:5], None, 2))
    np.testing.assert_array_equal(filled, 0.0)
    constant = np.ones((5, 3))
    model = fit_gaussian(constant, rows[:5], None, 2)
    np.testing.assert_array_equal(model.loadings, 0.0)
    constant[0, 0] = np.nan
    model = fit_gaussian(constant, rows[:5], None, 2)
    np.testing.assert_allclose(completed(constant, rows[:5], model), 1.0)


def test_fewer_rows_than_columns():
    rng = np.random.RandomState(0)
    X = with_gaps(drawn(gaussian_of(rng, 40, 3, noise=0.05), 20, rng), rng, 0.2)
    rows = np.arange(20)
    for rank in (3, 39):
        model = fit_gaussian(X, rows, None, rank)
        assert model.loadings.shape == (40, rank)
        assert np.isfinite(completed(X, rows, model)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_rank_is_that_of_the_data(seed):
    rng = np.random.RandomState(seed)
    rows = np.arange(300)
    noise = with_gaps(rng.normal(size=(300, 9)), rng)
    assert choose_rank(noise, rows, None, 64, rng) <= 1
    X = with_gaps(drawn(gaussian_of(rng, 20, 4), 300, rng), rng)
    assert choose_rank(X, rows, None, 64, rng) in (4, 8)
    assert choose_rank(X[:, :1], rows, None, 64, rng) == 0
