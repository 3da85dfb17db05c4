"""Every formula of docs/maths.rst in NumPy, against what the package computes.

One test or more for each section, named by its label. Gradients are autograd's.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from parts import batch_of, objective_of, variational_objective
from scipy.special import expit, log_softmax, logit, logsumexp, softmax
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sklearn_ae import Autoencoder, VariationalAutoencoder
from sklearn_ae.data.gaps import Gaussian, completed
from sklearn_ae.estimators._corrections import share_of_corrections
from sklearn_ae.networks.block_softmax import BlockSoftmax
from sklearn_ae.networks.completion import complete, number_of_iterations
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.networks.top_k import keep_largest
from sklearn_ae.objectives import (
    ActivationL1,
    ActivationL2,
    JacobianPenalty,
    KLSparsity,
    L1Penalty,
    L2Penalty,
    MixedLoss,
)
from sklearn_ae.objectives.corruptions import gaussian, masking, salt_and_pepper, swap
from sklearn_ae.objectives.likelihood import importance_weighted_bound
from sklearn_ae.objectives.losses import NAMED_LOSSES, cross_entropy
from sklearn_ae.objectives.objective import MEMORY, MeanActivation
from sklearn_ae.objectives.penalties import (
    MARGIN,
    activation_l1,
    activation_l2,
    gaussian_kl,
    half_squared_l2_norm,
    l1_norm,
    projected_jacobian_norm,
    squared_jacobian_norm,
)
from sklearn_ae.training.conditioning import Candidate, start_candidate

PAGE = Path(__file__).parents[1] / "docs" / "maths.rst"
SEEDS = range(3)

seeds = pytest.mark.parametrize("seed", SEEDS)


def leaf(array):
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def gradients(value, *leaves):
    return [part.numpy() for part in torch.autograd.grad(value, leaves)]


def test_every_section_has_a_test():
    labels = re.findall(r"^\.\. _maths-(\w+):$", PAGE.read_text(encoding="utf-8"), re.M)
    assert len(labels) == 13
    for label in labels:
        assert any(name.startswith(f"test_{label}") for name in globals()), label


# -- losses --------------------------------------------------------------------------


def numpy_loss(name, xhat, x):
    """Loss of each row, and its derivative."""
    e = xhat - x
    if name == "mse":
        return 0.5 * (e**2).sum(1), e
    if name == "mae":
        return np.abs(e).sum(1), np.sign(e)
    if name == "huber":
        value = np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 1 / 2)
        return value.sum(1), np.clip(e, -1, 1)
    value = -(x * np.log(xhat) + (1 - x) * np.log(1 - xhat)).sum(1)
    return value, e / (xhat * (1 - xhat))


@seeds
@pytest.mark.parametrize("name", sorted(set(NAMED_LOSSES) - {"mixed"}))
def test_losses(name, seed):
    rng = np.random.default_rng(seed)
    if name == "bce":
        x, xhat = rng.uniform(0.01, 0.99, (2, 6, 5))
    else:
        x, xhat = 2 * rng.normal(size=(2, 6, 5))
    weight = rng.uniform(size=6)
    weight /= weight.mean()
    values, derivative = numpy_loss(name, xhat, x)
    reconstruction = leaf(xhat)
    # A network that is nothing: the code is the reconstruction.
    nothing = SimpleNamespace(encode=lambda x: reconstruction, decode=lambda z: z)
    terms, _ = objective_of(name, 5)(
        nothing, torch.zeros(6, 5), torch.tensor(x), torch.tensor(weight)
    )
    assert_allclose(terms["reconstruction"].item(), np.mean(weight * values))
    (gradient,) = gradients(terms["reconstruction"], reconstruction)
    assert_allclose(gradient, weight[:, None] / 6 * derivative)


@seeds
def test_losses_bce_before_the_sigmoid(seed):
    rng = np.random.default_rng(seed)
    x, a = rng.uniform(size=(4, 3)), leaf(rng.normal(size=(4, 3)))
    loss = NAMED_LOSSES["bce"](a.sigmoid(), torch.tensor(x), total=True)
    (gradient,) = gradients(loss, a)
    assert_allclose(gradient, expit(a.detach().numpy()) - x)


@seeds
def test_losses_mixed(seed):
    rng = np.random.default_rng(seed)
    numbers, block, single = [0, 3], [1, 2, 5], [4]
    x, a = rng.normal(size=(2, 6, 6))
    x[:, block] = np.eye(3)[rng.integers(3, size=6)]
    x[:, single] = rng.integers(2, size=(6, 1))
    xhat = a.copy()
    xhat[:, block] = softmax(a[:, block], axis=1)
    xhat[:, single] = expit(a[:, single])
    e, before = xhat - x, leaf(a)
    after, reconstruction = (
        BlockSoftmax([-1, 0, 0, -1, 1, 0]).double()(before),
        leaf(xhat),
    )
    assert_allclose(after.detach(), xhat)
    loss = MixedLoss((tuple(block), tuple(single)))
    values = loss(reconstruction, torch.tensor(x))
    expected = (e[:, numbers] ** 2).sum(1) / 2 - np.log(
        xhat[:, block][x[:, block] == 1]
    )
    expected -= np.log(np.abs(1 - x - xhat)[:, 4])
    assert_allclose(values.detach(), expected)
    (gradient,) = gradients(values.sum(), reconstruction)
    assert_allclose(gradient[:, numbers], e[:, numbers])
    assert_allclose(gradient[:, block], -x[:, block] / xhat[:, block])
    slope = xhat[:, single] * (1 - xhat[:, single])
    assert_allclose(gradient[:, single], e[:, single] / slope)
    (gradient,) = gradients(loss(after, torch.tensor(x)).sum(), before)
    assert_allclose(gradient, e, atol=1e-12)


# -- sparsity ------------------------------------------------------------------------


@seeds
def test_kl(seed):
    rng = np.random.default_rng(seed)
    rho, lambd, k = 0.1, 0.7, 4
    objective = objective_of("mse", k, k, sparsity=KLSparsity(lambd, rho)).double()
    s, q = np.zeros(k), 0.0
    for b in (5, 8, 3):
        h, w = rng.uniform(0.01, 0.9, (b, k)), rng.uniform(0.5, 2, b)
        kappa = np.exp(-b / 1000)
        s = kappa * s + (1 - kappa) * (w[:, None] * h).mean(0)
        q = kappa * q + (1 - kappa) * w.mean()
        r = s / q
        value = rho * np.log(rho / r) + (1 - rho) * np.log((1 - rho) / (1 - r))
        slope = (r - rho) / (r * (1 - r))
        assert_allclose(slope, -rho / r + (1 - rho) / (1 - r))

        code = leaf(h)
        module = SimpleNamespace(encode=lambda x, code=code: code, decode=lambda z: z)
        terms, _ = objective(module, code, code.detach(), torch.tensor(w))
        assert_allclose(terms["sparsity"].item(), lambd * value.sum(), rtol=1e-10)
        (gradient,) = gradients(terms["sparsity"], code)
        assert_allclose(gradient, lambd * w[:, None] / b * slope, rtol=1e-10)
    assert MEMORY == 1000

    # On rows held out, the mean is theirs.
    objective.eval()
    terms, _ = objective(module, code, code.detach(), None)
    r = h.mean(0)
    value = rho * np.log(rho / r) + (1 - rho) * np.log((1 - rho) / (1 - r))
    assert_allclose(terms["sparsity"].item(), lambd * value.sum())


def test_kl_beyond_the_margin():
    code = leaf(np.zeros((4, 1)))
    mean = MeanActivation(1).double()(code, None)
    value = KLSparsity(1.0, 0.1)(batch_of(None, code, code, None, mean))
    (gradient,) = gradients(value, code)
    r = MARGIN
    assert MARGIN == 1e-6
    assert_allclose(gradient, np.full((4, 1), (r - 0.1) / (r * (1 - r)) / 4))


@seeds
@pytest.mark.parametrize("name", ["l1", "l2"])
def test_activity(name, seed):
    rng = np.random.default_rng(seed)
    h, w, lambd = rng.normal(size=(6, 4)), rng.uniform(size=6), 0.3
    w /= w.mean()
    value = {"l1": np.abs(h), "l2": h**2}[name].sum(1)
    slope = {"l1": np.sign(h), "l2": 2 * h}[name]
    code = leaf(h)
    function = {"l1": activation_l1, "l2": activation_l2}[name]
    assert_allclose(function(code).detach().numpy(), value)
    penalty = {"l1": ActivationL1, "l2": ActivationL2}[name](lambd)
    term = lambd * penalty(batch_of(None, code, code, w))
    (gradient,) = gradients(term, code)
    assert_allclose(gradient, lambd * w[:, None] / 6 * slope)


@seeds
def test_activity_topk(seed):
    a = np.random.default_rng(seed).normal(size=(6, 5))
    kept = a >= np.sort(a, axis=1)[:, [-2]]
    code = leaf(a)
    h = keep_largest(code, 2)
    assert_allclose(h.detach().numpy(), np.where(kept, a, 0))
    (gradient,) = gradients(h.sum(), code)
    assert_allclose(gradient, kept)


@seeds
def test_weights(seed):
    torch.manual_seed(seed)
    net = DenseNetwork(5, 3, hidden_layer_sizes=(4,), linear_path=True)
    net.reset_parameters_from(torch.Generator().manual_seed(seed))
    net.double()
    x = torch.rand(2, 5, dtype=torch.float64)
    batch = batch_of(net, x, net.encode(x))
    weights = [p for name, p in net.named_parameters() if name.endswith("weight")]
    assert len(weights) == 6  # two layers and a path, on both sides
    arrays = [w.detach().numpy() for w in weights]
    for penalty, value, slope in (
        (L1Penalty(1.0), sum(np.abs(W).sum() for W in arrays), np.sign),
        (L2Penalty(1.0), sum((W**2).sum() for W in arrays) / 2, lambda W: W),
    ):
        term = penalty(batch)
        assert_allclose(term.item(), value)
        for W, gradient in zip(arrays, gradients(term, *weights), strict=True):
            assert_allclose(gradient, slope(W))
    assert_allclose(l1_norm(weights).item(), sum(np.abs(W).sum() for W in arrays))
    squares = sum((W**2).sum() for W in arrays)
    assert_allclose(half_squared_l2_norm(weights).item(), squares / 2)


def test_weights_tied_count_once():
    net = DenseNetwork(5, 3, tied_weights=True)
    net.reset_parameters_from(torch.Generator().manual_seed(0))
    x = torch.rand(2, 5)
    term = L2Penalty(1.0)(batch_of(net, x, net.encode(x)))
    W = net.encoder[0].weight.detach().numpy()
    assert_allclose(term.item(), (W**2).sum() / 2, rtol=1e-6)


# -- contraction ---------------------------------------------------------------------


@seeds
def test_contractive_one_sigmoid_layer(seed):
    rng = np.random.default_rng(seed)
    W, b, x = rng.normal(size=(3, 5)), rng.normal(size=3), rng.normal(size=5)
    h = expit(W @ x + b)
    norms = (W**2).sum(1)
    value = ((h * (1 - h)) ** 2 * norms).sum()
    common = 2 * h**2 * (1 - h) ** 2
    by_weight = common[:, None] * (W + ((1 - 2 * h) * norms)[:, None] * x)
    by_bias = common * (1 - 2 * h) * norms

    net = DenseNetwork(5, 3, code_activation="sigmoid").double()
    with torch.no_grad():
        net.encoder[0].weight.copy_(torch.tensor(W))
        net.encoder[0].bias.copy_(torch.tensor(b))
    row = torch.tensor(x)[None]
    term = JacobianPenalty(1.0)(batch_of(net, row, None))
    assert_allclose(term.item(), value)
    layer = net.encoder[0]
    gradient = gradients(term, layer.weight, layer.bias)
    assert_allclose(gradient[0], by_weight)
    assert_allclose(gradient[1], by_bias)


@seeds
def test_contractive_deeper(seed):
    net = DenseNetwork(
        5, 3, hidden_layer_sizes=(4,), activation="tanh", linear_path=True
    )
    net.reset_parameters_from(torch.Generator().manual_seed(seed))
    net.double()
    x = np.random.default_rng(seed).normal(size=(2, 5))
    W1, W2 = (net.encoder[i].weight.detach().numpy() for i in (0, 2))
    V = net.encoder_path.weight.detach().numpy()
    slopes = 1 - np.tanh(x @ W1.T) ** 2  # biases are zero
    jacobians = [W2 @ np.diag(slope) @ W1 + V for slope in slopes]
    expected = [(J**2).sum() for J in jacobians]
    found = net.squared_jacobian_norm(torch.tensor(x))
    assert_allclose(found.detach().numpy(), expected)
    found = squared_jacobian_norm(net.encode, torch.tensor(x))
    assert_allclose(found.detach().numpy(), expected)


@seeds
def test_contractive_projections_are_unbiased(seed):
    W = np.random.default_rng(seed).normal(size=(3, 5))
    encode = torch.nn.functional.linear
    found = projected_jacobian_norm(
        lambda x: encode(x, torch.tensor(W)),
        torch.zeros(1, 5, dtype=torch.float64),
        20_000,
        torch.Generator().manual_seed(seed),
    )
    assert_allclose(found.item(), (W**2).sum(), rtol=0.03)


# -- denoising -----------------------------------------------------------------------


@seeds
def test_denoising_corruptions(seed):
    x = torch.linspace(1, 2, 200_000, dtype=torch.float64)[None]
    level = 0.3

    def draw(corrupt, **params):
        generator = torch.Generator().manual_seed(seed)
        return corrupt(x, generator, level=level, **params).numpy()

    noise = draw(gaussian) - x.numpy()
    assert abs(noise.mean()) < 0.005
    assert_allclose(noise.std(), level, rtol=0.01)
    masked = draw(masking)
    assert_allclose((masked == 0).mean(), level, atol=0.005)
    assert_allclose(masked[masked != 0], x.numpy()[masked != 0])
    salted = draw(salt_and_pepper, low=-5.0, high=9.0)
    assert_allclose((salted == -5).mean(), level / 2, atol=0.005)
    assert_allclose((salted == 9).mean(), level / 2, atol=0.005)
    rest = (salted != -5) & (salted != 9)
    assert_allclose(salted[rest], x.numpy()[rest])
    x = x.reshape(-1, 1)
    swapped = draw(swap)
    assert_allclose((swapped != x.numpy()).mean(), level, atol=0.005)


@seeds
def test_denoising_is_a_ridge_penalty_for_linear_maps(seed):
    rng = np.random.default_rng(seed)
    A, x, level = rng.normal(size=(4, 4)), rng.normal(size=4), 0.3
    rows = torch.tensor(np.tile(x, (200_000, 1)))
    noisy = gaussian(rows, torch.Generator().manual_seed(seed), level=level).numpy()
    found = ((noisy @ A.T - x) ** 2).sum(1).mean()
    assert_allclose(
        found, ((A @ x - x) ** 2).sum() + level**2 * (A**2).sum(), rtol=0.02
    )


# -- variational ---------------------------------------------------------------------


@seeds
def test_variational_divergence(seed):
    rng = np.random.default_rng(seed)
    mu, log_v = rng.normal(size=(2, 6, 3))
    v = np.exp(log_v)
    mean, log_variance = leaf(mu), leaf(log_v)
    found = gaussian_kl(mean, log_variance)
    assert_allclose(found.detach().numpy(), (mu**2 + v - 1 - log_v).sum(1) / 2)
    gradient = gradients(found.sum(), mean, log_variance)
    assert_allclose(gradient[0], mu)
    assert_allclose(gradient[1], (v - 1) / 2)


@seeds
def test_variational_objective(seed):
    rng = np.random.default_rng(seed)
    n, k, p, beta, log_s2 = 4, 2, 3, 0.7, -0.5
    mu, log_v = rng.normal(size=(2, n, k))
    G, x = rng.normal(size=(p, k)), rng.normal(size=(n, p))
    noise = torch.empty(n, k, dtype=torch.float64)
    epsilon = noise.normal_(generator=torch.Generator().manual_seed(seed)).numpy()

    v, s2 = np.exp(log_v), np.exp(log_s2)
    z = mu + np.sqrt(v) * epsilon
    e = z @ G.T - x
    squares = (e**2).sum(1)
    negative_log_likelihood = squares / (2 * s2) + p / 2 * np.log(2 * np.pi * s2)
    delta = e / s2 @ G
    by_mean = delta + beta * mu
    by_log_variance = np.sqrt(v) * epsilon * delta / 2 + beta / 2 * (v - 1)
    by_log_s2 = (p / 2 - squares / (2 * s2)).mean()

    mean, log_variance, log_noise = leaf(mu), leaf(log_v), leaf(log_s2)
    module = SimpleNamespace(
        posterior=lambda x: (mean, log_variance),
        decode=lambda z: z @ torch.tensor(G).T,
        log_noise_variance=log_noise,
    )
    terms, _ = variational_objective("mse", x.shape[1], beta=beta)(
        module,
        torch.tensor(x),
        torch.tensor(x),
        None,
        torch.Generator().manual_seed(seed),
    )
    assert_allclose(terms["reconstruction"].item(), negative_log_likelihood.mean())
    loss = terms["reconstruction"] + terms["kl"]
    found = gradients(loss, mean, log_variance, log_noise)
    assert_allclose(found[0], by_mean / n)
    assert_allclose(found[1], by_log_variance / n)
    assert_allclose(found[2], by_log_s2)


@seeds
def test_variational_importance_samples(seed):
    rng = np.random.default_rng(seed)
    mu, log_v = rng.normal(size=(2, 1, 2))
    draws = rng.normal(size=(5, 2))
    module = SimpleNamespace(
        posterior=lambda x: (torch.tensor(mu), torch.tensor(log_v)), decode=lambda z: z
    )
    found = importance_weighted_bound(
        module, None, torch.tensor(draws), lambda z: z.square().sum(1)
    )

    def log_normal(z, mean, variance):
        squares = (z - mean) ** 2 / variance
        return -(squares + np.log(2 * np.pi * variance)).sum(1) / 2

    z = mu + draws * np.exp(log_v / 2)
    weights = -(z**2).sum(1) + log_normal(z, 0, np.ones(2))
    weights -= log_normal(z, mu, np.exp(log_v))
    assert_allclose(found.item(), logsumexp(weights) - np.log(5))


@pytest.fixture(scope="module")
def digits():
    return load_digits().data / 16


def test_variational_start_is_probabilistic_pca(digits):
    vae = VariationalAutoencoder(4, max_epochs=0).fit(digits)
    mean = digits.mean(0)
    variances, axes = np.linalg.eigh(np.cov(digits.T, bias=True))
    axes, top = axes[:, ::-1][:, :4], variances[::-1][:4]
    s2 = variances[::-1][4:].mean()
    root = np.sqrt(top - s2)
    codes = (digits - mean) @ axes * (root / top)
    found = vae.transform(digits)
    signs = np.sign((found * codes).sum(0))
    assert_allclose(found, codes * signs, atol=1e-3)
    assert_allclose(
        vae.inverse_transform(found),
        mean + (codes * root) @ axes.T,
        atol=1e-3,
    )
    _, log_variance = vae.net_.module_.posterior(torch.zeros(1, 64))
    assert_allclose(log_variance.detach().exp().numpy()[0], s2 / top, rtol=1e-3)


# -- missing values ------------------------------------------------------------------


def rows_with_gaps(rng, shape, share=0.3):
    observed = rng.uniform(size=shape) > share
    observed[:, 0] = True
    return observed


@seeds
@pytest.mark.parametrize("name", sorted(set(NAMED_LOSSES) - {"mixed"}))
def test_gaps_in_losses(name, seed):
    rng = np.random.default_rng(seed)
    x, xhat = rng.uniform(0.01, 0.99, (2, 6, 5))
    observed = rows_with_gaps(rng, x.shape)
    weight = rng.uniform(size=6)
    weight /= weight.mean()
    of_entries, derivative = numpy_loss(name, xhat.reshape(-1, 1), x.reshape(-1, 1))
    reconstruction = leaf(xhat)
    nothing = SimpleNamespace(encode=lambda x: reconstruction, decode=lambda z: z)
    objective = objective_of(name, 5)
    objective.has_gaps = True
    target = torch.tensor(np.where(observed, x, np.nan))
    terms, _ = objective(nothing, torch.zeros(6, 5), target, torch.tensor(weight))
    losses = (observed * of_entries.reshape(6, 5)).sum(1)
    assert_allclose(terms["reconstruction"].item(), np.mean(weight * losses))
    (gradient,) = gradients(terms["reconstruction"], reconstruction)
    expected = weight[:, None] * observed / 6 * derivative.reshape(6, 5)
    assert_allclose(gradient, expected)


@seeds
def test_gaps_in_the_likelihood(seed):
    rng = np.random.default_rng(seed)
    x, xhat, log_s2 = *rng.normal(size=(2, 6, 5)), -0.7
    observed = rows_with_gaps(rng, x.shape)
    squares = (observed * (xhat - x) ** 2).sum(1)
    expected = squares / (2 * np.exp(log_s2))
    expected += observed.sum(1) / 2 * (np.log(2 * np.pi) + log_s2)
    found = variational_objective("mse", 5, has_gaps=True).negative_log_likelihood(
        SimpleNamespace(log_noise_variance=torch.tensor(log_s2)),
        torch.tensor(xhat),
        torch.tensor(np.where(observed, x, np.nan)),
    )
    assert_allclose(found.numpy(), expected)


@seeds
def test_gaps_completed(seed):
    rng = np.random.default_rng(seed)
    mean, s2 = rng.normal(size=5), 0.3
    axes, _ = np.linalg.qr(rng.normal(size=(5, 2)))
    gaussian = Gaussian(mean, axes, np.array([2.0, 1.0]), s2)
    W, V = gaussian.factors, gaussian.loadings
    sigma = W @ W.T + s2 * np.eye(5)
    assert_allclose(np.linalg.inv(sigma), (np.eye(5) - V @ V.T) / s2)
    x = np.where(rows_with_gaps(rng, (6, 5), 0.5), rng.normal(size=(6, 5)), np.nan)
    found = completed(x, np.arange(6), gaussian)
    in_network = complete(*map(torch.tensor, (x, mean, V)), number_of_iterations(2))
    assert_allclose(in_network.numpy(), found)
    for row, filled in zip(x, found, strict=True):
        u, o = np.isnan(row), ~np.isnan(row)
        y = row[o] - mean[o]
        inner = W[o].T @ W[o] + s2 * np.eye(2)
        by_factors = mean[u] + W[u] @ np.linalg.solve(inner, W[o].T @ y)
        by_blocks = sigma[np.ix_(u, o)] @ np.linalg.solve(sigma[np.ix_(o, o)], y)
        assert_allclose(filled[u], by_factors)
        assert_allclose(filled[u], mean[u] + by_blocks)


@seeds
@pytest.mark.parametrize("factor", [-1.0, 0.5, 2.0])
def test_gaps_share_of_the_correction(factor, seed):
    rng = np.random.default_rng(seed)
    X, g = rng.normal(size=(40, 5)), rng.normal(size=5)
    q = factor * X + (1 - factor) * g + 0.1 * rng.normal(size=X.shape)
    unseen, hidden = np.arange(20, 40), []

    def reconstruct(shown):
        hidden.append(np.isnan(shown))
        return q[unseen]

    network = SimpleNamespace(
        validation=[(np.arange(20), unseen)], reconstruct=reconstruct
    )
    gaussian = Gaussian(g, np.zeros((5, 0)), np.zeros(0), 1.0)
    found = share_of_corrections([network], X, gaussian, np.random.RandomState(seed))
    missed = np.concatenate([(X - g)[unseen][part] for part in hidden])
    correction = np.concatenate([(q - g)[unseen][part] for part in hidden])
    share = missed @ correction / (correction @ correction)
    assert_allclose(found, np.clip(share, 0, 1))


# -- heads, start, rotation, standardisation -----------------------------------------


@seeds
def test_heads(seed):
    rng = np.random.default_rng(seed)
    o, y = rng.normal(size=(5, 3)), np.eye(3)[rng.integers(3, size=5)]
    outputs = leaf(o)
    loss = cross_entropy(outputs, torch.tensor(y))
    assert_allclose(loss.detach().numpy(), -(y * log_softmax(o, axis=1)).sum(1))
    (gradient,) = gradients(loss.sum(), outputs)
    assert_allclose(gradient, softmax(o, axis=1) - y)
    (gradient,) = gradients(
        NAMED_LOSSES["mse"](outputs, torch.tensor(y), total=True), outputs
    )
    assert_allclose(gradient, o - y)


def test_start_is_pca(digits):
    start = Autoencoder(4, max_epochs=0).fit(digits)
    pca = PCA(4).fit(digits)
    assert_allclose(start.transform(digits), pca.transform(digits), atol=1e-5)
    U = pca.components_.T
    mean = digits.mean(0)
    assert_allclose(
        start.reconstruct(digits), mean + (digits - mean) @ U @ U.T, atol=1e-5
    )
    network = start.net_.module_
    assert not network.encoder[-1].weight.any()
    assert not network.decoder[-1].weight.any()


def test_start_before_a_sigmoid(digits):
    start = Autoencoder(4, max_epochs=0, output_activation="sigmoid").fit(digits)
    m = np.clip(digits.mean(0), 0.02, 0.98)
    U = PCA(4).fit(digits).components_.T
    z = start.transform(digits)
    a = logit(m) + z @ (U / (m * (1 - m))[:, None]).T
    assert_allclose(start.inverse_transform(z), expit(a), atol=1e-4)


def test_conditioning_whitens_the_start(digits):
    start = Autoencoder(4, max_epochs=0).fit(digits)
    net, mean = start.net_, digits.mean(0)
    scaled = torch.tensor((digits - mean) / start.scale_, dtype=torch.float32)
    d = np.sqrt(start.explained_variance_) / start.scale_
    before = net.module_(scaled)
    r, eta, gamma = 0.25, 0.02, 0.1
    eps = net.optimizer_.param_groups[0]["eps"]
    start_candidate(net, Candidate("pca", 0.3), d, r, eta, gamma)
    network = net.module_
    last = [network.encoder[-1], network.decoder[-1]]
    with torch.no_grad():
        for layer in last:
            # The limit of the Xavier initialisation, in units of r.
            limit = np.sqrt(6 / sum(layer.weight.shape))
            assert 0.9 * r * limit < layer.weight.abs().max() <= r * limit
            layer.weight.zero_()
        whitened = PCA(4).fit_transform(digits) / start.scale_ / d
        assert_allclose(network.encode(scaled), whitened, atol=1e-4)
        assert torch.allclose(network(scaled), before, atol=1e-5)

    others, corrections = net.optimizer_.param_groups
    parameters = {id(p) for layer in last for p in layer.parameters()}
    assert {id(p) for p in corrections["params"]} == parameters
    for group, unit in (others, 1), (corrections, r):
        assert_allclose(group["lr"], unit * eta)
        assert_allclose(group["weight_decay"], gamma / unit)
        assert_allclose(group["eps"], r**2 * eps / unit)


@seeds
def test_conditioning_is_a_change_of_units(seed):
    """Steps of Adam in units of r, and steps with other settings instead."""
    rng = np.random.default_rng(seed)
    r, eta, gamma, eps = 0.25, 0.02, 0.1, 1e-5
    x, y = torch.tensor(rng.normal(size=(20, 3))), torch.tensor(rng.normal(size=20))
    first, last = leaf(rng.normal(size=(3, 3))), leaf(rng.normal(size=3))
    plain_first, plain_last = (
        leaf(unit * p.detach().numpy()) for p, unit in ((first, 1), (last, r))
    )
    in_units = torch.optim.AdamW([first, last], lr=eta, weight_decay=gamma, eps=eps)
    groups = [
        {"params": [p], "lr": u * eta, "weight_decay": gamma / u, "eps": r**2 * eps / u}
        for p, u in ((plain_first, 1), (plain_last, r))
    ]
    plain = torch.optim.AdamW(groups)
    for _ in range(10):
        for optimizer, output, unit in (
            (in_units, (x @ first).tanh() @ (r * last), r),
            (plain, (x @ plain_first).tanh() @ plain_last, 1),
        ):
            optimizer.zero_grad()
            ((output - y).square().mean() / unit**2).backward()
            optimizer.step()
    assert_allclose(plain_first.detach(), first.detach(), rtol=1e-8)
    assert_allclose(plain_last.detach(), r * last.detach(), rtol=1e-8)


@seeds
def test_rotation(digits, seed):
    fitted = Autoencoder(4, init="random", max_epochs=2, random_state=seed).fit(digits)
    z = fitted.transform(digits)
    covariance = np.cov(z.T)
    variances = fitted.explained_variance_
    assert (np.diff(variances) <= 0).all()
    assert_allclose(covariance, np.diag(variances), atol=1e-4 * variances[0])
    loadings = (z - z.mean(0)).T @ (digits - digits.mean(0))
    extremes = np.abs(loadings).argmax(1)
    assert (loadings[range(4), extremes] > 0).all()

    network = fitted.net_.module_
    x = torch.tensor(digits[:5], dtype=torch.float32)
    before = network(x)
    weights = [p for p in network.parameters() if p.ndim > 1]
    norm = half_squared_l2_norm(weights)
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))
    network.transform_code(torch.tensor(Q, dtype=torch.float32))
    assert torch.allclose(network(x), before, atol=1e-5)
    assert torch.allclose(half_squared_l2_norm(weights), norm)


@seeds
def test_standardisation_of_losses(seed):
    rng = np.random.default_rng(seed)
    u, uhat = (torch.tensor(part) for part in 3 * rng.normal(size=(2, 6, 4)))
    s = 2.5
    for name, degree in {"mse": 2, "mae": 1, "huber": 2}.items():
        loss = NAMED_LOSSES[name]
        assert loss.degree == degree
        scaled = loss.for_scaled_data(s)
        assert torch.allclose(loss(s * uhat, s * u), s**degree * scaled(uhat, u))
    assert NAMED_LOSSES["bce"].degree is None


def test_standardisation_in_fits(digits):
    def fitted(**params):
        return Autoencoder(2, max_epochs=0, **params).fit(5 * digits + 1)

    X = 5 * digits + 1
    plain = fitted()
    assert_allclose(plain.mean_, X.mean(0))
    assert_allclose(plain.scale_, np.sqrt(((X - X.mean(0)) ** 2).mean()))
    penalised = fitted(l2_penalty=0.1)
    assert_allclose(penalised.mean_, X.mean(0))
    assert penalised.scale_ == plain.scale_
    bounded = fitted(output_activation="softplus")
    assert_allclose(bounded.mean_, X.mean(0))
    assert bounded.scale_ == plain.scale_
    assert not bounded.net_.units_.output.mean.any()
    assert bounded.net_.units_.output.scale == 1
    tied = fitted(output_activation="softplus", tied_weights=True, init="random")
    assert_allclose(tied.mean_, X.mean(0))
    assert tied.scale_ == 1


# -- the factors in docs/user_guide/coming_from.rst ----------------------------------


@seeds
def test_factors_from_keras_and_matlab(seed):
    rng = np.random.default_rng(seed)
    n, p, c = 7, 5, 0.01
    x, e, h = rng.uniform(size=(n, p)), rng.normal(size=(n, p)), rng.normal(size=(n, 3))
    W = rng.normal(size=(p, 3))

    def ours(loss, lambd, l2_penalty, activity):
        return loss.mean() + lambd * activity + l2_penalty / 2 * (W**2).sum()

    half_squares = (e**2).sum(1) / 2
    for values in (np.abs(h), h**2):
        activity = values.sum(1).mean()
        keras = (e**2).mean() + c * activity + c * (W**2).sum()
        mine = ours(half_squares, c * p / 2, c * p, activity)
        assert_allclose(p / 2 * keras, mine)
        xhat = expit(e)
        entropy = -(x * np.log(xhat) + (1 - x) * np.log(1 - xhat))
        keras = entropy.mean() + c * activity + c * (W**2).sum()
        assert_allclose(p * keras, ours(entropy.sum(1), c * p, 2 * c * p, activity))
    divergence, lambd, beta = 0.3, 0.001, 1.0
    matlab = (e**2).sum() / n + lambd * (W**2).sum() / 2 + beta * divergence
    assert_allclose(matlab / 2, ours(half_squares, beta / 2, lambd / 2, divergence))
