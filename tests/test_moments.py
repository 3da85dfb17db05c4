"""Means, scales and principal axes, of tables and of codes."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.utils.extmath import svd_flip

from sklearn_ae.data import tables
from sklearn_ae.data.batches import Affine, ArrayDataset
from sklearn_ae.data.codes import (
    CodeMoments,
    code_moments,
    merged_moments,
    principal_rotation,
)
from sklearn_ae.data.tables import (
    mean_and_scale,
    number_of_axes,
    principal_axes,
    square_distances,
)
from sklearn_ae.networks.dense import DenseNetwork

SOLVERS = ["covariance", "products", "decomposition"]


def draw(seed, n=50, p=12):
    """Correlated columns with means and axes of distinct variances."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((p, p)))
    spread = np.geomspace(5, 0.1, p)
    return rng.standard_normal((n, p)) * spread @ rotation + rng.standard_normal(p)


def draw_weights(seed, n=50):
    weight = np.random.default_rng(seed).uniform(0.1, 3, n)
    return weight / weight.mean()


@pytest.fixture(params=["one_block", "many_blocks"])
def small_blocks(request, monkeypatch):
    if request.param == "many_blocks":
        monkeypatch.setattr(tables, "BLOCK_BYTES", 7 * 4 * 12)  # seven rows of 12


@pytest.fixture(params=SOLVERS)
def solver(request, monkeypatch):
    """How `principal_axes` finds them: wide tables do without the covariance matrix."""
    if request.param != "covariance":
        monkeypatch.setattr(tables, "COVARIANCE_LIMIT", 0)
    return request.param


def components_for(solver):
    """Products are used for a few axes only, decomposition for many."""
    return {"covariance": 5, "products": 2, "decomposition": 5}[solver]


# -- mean and scale --------------------------------------------------------------------


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, np.asfortranarray])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("some", [False, True])
def test_mean_and_scale(make, weighted, some, seed):
    X = draw(seed)
    rows = np.array([1, 2, 3, 40, 41, 7, 20]) if some else np.arange(50)
    weight = None
    if weighted:
        weight = draw_weights(seed)
        weight *= len(rows) / weight[rows].sum()
    mean, scale = mean_and_scale(make(X), rows, weight)
    w = None if weight is None else weight[rows]
    expected = np.average(X[rows], axis=0, weights=w)
    np.testing.assert_allclose(mean, expected, rtol=1e-12, atol=1e-13)
    variance = np.average((X[rows] - expected) ** 2, axis=0, weights=w).mean()
    assert scale == pytest.approx(np.sqrt(variance))


def test_scale_of_single_precision_far_from_the_origin(seed):
    X = (1000 + draw(seed)).astype(np.float32)
    mean, scale = mean_and_scale(X, np.arange(50), None)
    np.testing.assert_allclose(mean, X.astype(float).mean(axis=0), rtol=1e-12)
    assert scale == pytest.approx(np.sqrt(X.astype(float).var(axis=0).mean()), rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 1e-3, 0.1, 1e6])
def test_scale_of_constant_data_is_one(value):
    mean, scale = mean_and_scale(np.full((30, 4), value), np.arange(30), None)
    assert scale == 1.0
    np.testing.assert_allclose(mean, value, rtol=1e-14)


@pytest.mark.parametrize("factor", [1e-150, 1e-30, 1e30])
def test_scale_follows_the_units(factor):
    """Small numbers are no constants."""
    X = draw(0)
    _, scale = mean_and_scale(X, np.arange(50), None)
    _, scaled = mean_and_scale(factor * X, np.arange(50), None)
    assert scaled == pytest.approx(factor * scale)


# -- principal axes --------------------------------------------------------------------


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_axes_are_those_of_pca(solver, make, seed):
    X = draw(seed)
    k = components_for(solver)
    axes = principal_axes(make(X), np.arange(50), None, X.mean(axis=0), k)
    pca = PCA(n_components=k, svd_solver="full").fit(X)
    # With n in the denominator, not n - 1.
    np.testing.assert_allclose(axes.variances, pca.explained_variance_ * 49 / 50)
    # Signs included, which are scikit-learn's.
    np.testing.assert_allclose(axes.components, pca.components_, atol=1e-9)
    np.testing.assert_allclose(
        axes.components @ axes.components.T, np.eye(k), atol=1e-9
    )


@pytest.mark.usefixtures("small_blocks")
def test_weighted_axes_against_the_weighted_covariance(solver, seed):
    X, weight = draw(seed), draw_weights(seed)
    mean = np.average(X, axis=0, weights=weight)
    k = components_for(solver)
    axes = principal_axes(X, np.arange(50), weight, mean, k)
    covariance = np.cov(X.T, aweights=weight, bias=True)
    values, vectors = np.linalg.eigh(covariance)
    np.testing.assert_allclose(axes.variances, values[::-1][:k])
    _, expected = svd_flip(None, vectors.T[::-1][:k].copy(), u_based_decision=False)
    np.testing.assert_allclose(axes.components, expected, atol=1e-9)


def test_weights_are_repeated_rows(solver, seed):
    X = draw(seed)
    counts = np.random.default_rng(seed).integers(1, 4, 50)
    repeated = np.repeat(X, counts, axis=0)
    k = components_for(solver)
    mean = repeated.mean(axis=0)
    axes = principal_axes(X, np.arange(50), counts * 50 / counts.sum(), mean, k)
    expected = principal_axes(repeated, np.arange(len(repeated)), None, mean, k)
    np.testing.assert_allclose(axes.variances, expected.variances)
    np.testing.assert_allclose(axes.components, expected.components, atol=1e-9)


def test_axes_of_some_rows(solver, seed):
    X = draw(seed)
    rows = np.random.default_rng(seed).permutation(50)[:30]
    k = components_for(solver)
    axes = principal_axes(X, rows, None, X[rows].mean(axis=0), k)
    pca = PCA(n_components=k, svd_solver="full").fit(X[rows])
    np.testing.assert_allclose(axes.components, pca.components_, atol=1e-9)


@pytest.mark.parametrize("solver", ["covariance", "decomposition"], indirect=True)
@pytest.mark.parametrize("shape", [(50, 12), (9, 12)], ids=str)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.999])
def test_share_of_the_variance(solver, shape, share, seed):
    X = draw(seed, *shape)
    n_axes = number_of_axes(X, np.arange(len(X)), None, X.mean(axis=0), share)
    assert n_axes == PCA(n_components=share, svd_solver="full").fit(X).n_components_


@pytest.mark.parametrize("solver", ["covariance", "decomposition"], indirect=True)
def test_more_features_than_rows(solver, seed):
    """n - 1 axes carry variance; all that are given are orthonormal."""
    X = draw(seed, n=6)
    axes = principal_axes(X, np.arange(6), None, X.mean(axis=0), 6)
    assert axes.variances[-1] == pytest.approx(0, abs=1e-9)
    assert (axes.variances >= 0).all()
    np.testing.assert_allclose(
        axes.components @ axes.components.T, np.eye(6), atol=1e-9
    )


def test_single_precision(solver, seed):
    X = draw(seed).astype(np.float32)
    k = components_for(solver)
    axes = principal_axes(X, np.arange(50), None, X.mean(axis=0, dtype=float), k)
    pca = PCA(n_components=k, svd_solver="full").fit(X.astype(float))
    np.testing.assert_allclose(axes.components, pca.components_, atol=1e-3)
    np.testing.assert_allclose(
        axes.variances, pca.explained_variance_ * 49 / 50, rtol=1e-4
    )


def test_constant_data_has_axes(solver):
    k = components_for(solver)
    axes = principal_axes(np.ones((50, 12)), np.arange(50), None, np.ones(12), k)
    assert axes.components.shape == (k, 12)
    assert np.isfinite(axes.components).all()
    np.testing.assert_allclose(axes.variances, 0, atol=1e-12)


def test_fewer_dimensions_than_axes(solver, untouched_generators):
    """Further axes carry no variance, but are deterministic."""
    X = np.outer(np.arange(50.0), np.ones(12))
    X[:, 3] = 0
    k = components_for(solver)
    results = [
        principal_axes(X, np.arange(50), None, X.mean(axis=0), k) for _ in range(3)
    ]
    for axes in results:
        np.testing.assert_allclose(axes.variances[1:], 0, atol=1e-9)
        gram = axes.components @ axes.components.T
        np.testing.assert_allclose(gram, np.eye(k), atol=1e-9)
        np.testing.assert_array_equal(axes.components, results[0].components)


# -- moments of the codes --------------------------------------------------------------


def code_parts(seed, n=50):
    """A network, a dataset in network coordinates, and the codes in NumPy."""
    X = draw(seed, n)
    network = DenseNetwork(12, 4, hidden_layer_sizes=(6,))
    network.reset_parameters_from(torch.Generator().manual_seed(seed))
    affine = Affine(X.mean(axis=0), 2.0)
    x = ((X - affine.mean) / affine.scale).astype(np.float32)
    with torch.no_grad():
        codes = network.encode(torch.from_numpy(x)).double().numpy()
    return network, X, affine, x.astype(float), codes


@pytest.mark.parametrize("n", [50, 2100])  # one batch, and several
def test_code_moments(n, seed):
    network, X, affine, x, codes = code_parts(seed, n)
    data = ArrayDataset(X, np.arange(n), standardize=affine, standardize_target=affine)
    found = code_moments(network, data)
    expected = np.cov(codes.T, x.T)
    np.testing.assert_allclose(found.covariance, expected[:4, :4], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        found.cross_covariance, expected[:4, 4:], rtol=1e-4, atol=1e-4
    )


def test_weighted_code_moments(seed):
    network, X, affine, x, codes = code_parts(seed)
    weight = draw_weights(seed)
    data = ArrayDataset(
        X,
        np.arange(50),
        standardize=affine,
        standardize_target=affine,
        weight=weight,
    )
    found = code_moments(network, data)
    # Weights have mean one: n of them, and n - 1 in the denominator.
    expected = np.cov(codes.T, x.T, aweights=weight, bias=True) * 50 / 49
    np.testing.assert_allclose(found.covariance, expected[:4, :4], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        found.cross_covariance, expected[:4, 4:], rtol=1e-4, atol=1e-4
    )


def test_merged_moments(seed):
    """Two parts have the moments of the whole."""
    codes = draw(seed, p=4) + 5
    parts = [
        CodeMoments(len(part), part.mean(axis=0), np.cov(part.T), None)
        for part in (codes[:13], codes[13:])
    ]
    merged = merged_moments(*parts)
    assert merged.n_rows == 50
    np.testing.assert_allclose(merged.mean, codes.mean(axis=0))
    np.testing.assert_allclose(merged.covariance, np.cov(codes.T))


def test_principal_rotation(seed):
    codes = draw(seed, p=4)
    inputs = draw(seed + 1, p=6) + codes @ draw(seed + 2, n=4, p=6)
    joint = np.cov(codes.T, inputs.T)
    found = CodeMoments(50, np.ones(4), joint[:4, :4], joint[:4, 4:])
    rotation, moments = principal_rotation(found)
    variances = np.diag(moments.covariance)
    np.testing.assert_allclose(moments.mean, rotation @ np.ones(4))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(4), atol=1e-12)
    rotated = codes @ rotation.T
    np.testing.assert_allclose(np.cov(rotated.T), np.diag(variances), atol=1e-9)
    assert (np.diff(variances) <= 0).all()
    # Of each code's covariances with the inputs the largest is positive.
    loadings = np.cov(rotated.T, inputs.T)[:4, 4:]
    extremes = np.abs(loadings).argmax(axis=1)
    assert (loadings[np.arange(4), extremes] > 0).all()


def test_principal_rotation_of_constant_codes():
    rotation, moments = principal_rotation(
        CodeMoments(9, np.zeros(3), np.zeros((3, 3)), np.zeros((3, 5)))
    )
    np.testing.assert_allclose(np.abs(rotation @ rotation.T), np.eye(3), atol=1e-12)
    np.testing.assert_array_equal(moments.covariance, 0)


def test_one_axis_explains_constant_data():
    X = np.full((5, 3), 7.0)
    assert number_of_axes(X, np.arange(5), None, X[0], 0.95) == 1
    axes = principal_axes(X, np.arange(5), None, X[0], 1)
    assert axes.components.shape == (1, 3)
    np.testing.assert_allclose(axes.variances, 0, atol=1e-12)


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
def test_square_distances(make, seed, monkeypatch):
    monkeypatch.setattr(tables, "rows_per_block", lambda n_columns: 4)
    rng = np.random.default_rng(seed)
    X, mean = rng.normal(size=(11, 5)), rng.normal(size=5)
    rows = np.array([0, 1, 2, 3, 7, 10])
    found = square_distances(make(X), rows, mean)
    np.testing.assert_allclose(found, np.linalg.norm(X[rows] - mean, axis=1) ** 2)


def test_square_distances_with_gaps():
    X = np.array([[3.0, np.nan], [np.nan, np.nan], [5.0, 1.0]])
    found = square_distances(X, np.arange(3), np.array([1.0, 4.0]))
    np.testing.assert_array_equal(found, [4, 0, 25])
