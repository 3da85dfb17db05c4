"""Autoencoder behaves as scikit-learn's PCA does; quality of its results."""

import numpy as np
import pytest
from conftest import draw_table
from scipy import sparse
from scipy.linalg import subspace_angles
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_ae import Autoencoder

CONTAINERS = {"dense": np.asarray, "csr": sparse.csr_array, "csc": sparse.csc_matrix}


@pytest.fixture
def table(seeded_table):
    return seeded_table


def held_out_error(model, X):
    return np.square(X - model.inverse_transform(model.transform(X))).mean()


def assert_equals_pca(model, pca, X, precision=2e-6):
    """Codes, reconstructions and variances are PCA's, up to `precision`.

    Relative to the spread of the data: the weights are single precision.
    """
    codes = pca.transform(X)
    spread = np.abs(codes).max()
    np.testing.assert_allclose(
        model.transform(X), codes, rtol=0, atol=precision * spread
    )
    np.testing.assert_allclose(
        model.reconstruct(X),
        pca.inverse_transform(codes),
        rtol=0,
        atol=precision * spread,
    )
    np.testing.assert_allclose(
        model.explained_variance_,
        pca.explained_variance_,
        rtol=10 * precision,
        atol=precision * pca.explained_variance_[0],
    )


# -- the untrained model is PCA --------------------------------------------------------


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("n_components", [1, 3, 7])
def test_untrained_model_is_pca(table, container, n_components):
    X = CONTAINERS[container](table)
    model = Autoencoder(n_components, max_epochs=0, random_state=0).fit(X)
    assert_equals_pca(model, PCA(n_components, svd_solver="full").fit(table), table)
    np.testing.assert_allclose(model.transform(X), model.transform(table), rtol=1e-12)
    np.testing.assert_allclose(model.mean_, table.mean(axis=0))


@pytest.mark.parametrize(
    ("offset", "scale"), [(1e6, 1), (0, 1e6), (1e6, 1e6), (0, 1e-6), (-1e3, 1e-3)]
)
def test_untrained_model_is_pca_wherever_the_data_lie(table, offset, scale):
    X = scale * table + offset
    model = Autoencoder(3, max_epochs=0).fit(X)
    assert_equals_pca(model, PCA(3, svd_solver="full").fit(X), X, precision=1e-5)


def test_untrained_model_is_pca_in_single_precision(table):
    X = table.astype(np.float32)
    model = Autoencoder(3, max_epochs=0).fit(X)
    assert_equals_pca(model, PCA(3, svd_solver="full").fit(table), X, precision=1e-5)


def test_untrained_model_is_pca_with_columns_of_unequal_scales(table):
    X = table * np.logspace(-3, 3, table.shape[1])
    model = Autoencoder(2, max_epochs=0).fit(X)
    assert_equals_pca(model, PCA(2, svd_solver="full").fit(X), X)


@pytest.mark.parametrize("shape", [(12, 40), (30, 2500)], ids=["wide", "very_wide"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_untrained_model_is_pca_on_wide_tables(seed, shape, container):
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((shape[0], 5)) @ rng.standard_normal((5, shape[1]))
    X += 0.1 * rng.standard_normal(shape) + 3
    model = Autoencoder(4, max_epochs=0).fit(CONTAINERS[container](X))
    assert_equals_pca(model, PCA(4, svd_solver="full").fit(X), X, precision=1e-5)


def test_untrained_model_takes_as_many_components_as_rows(seed):
    X = np.random.RandomState(seed).standard_normal((6, 20))
    # The sixth component has no variance, and therefore no direction of its own.
    model = Autoencoder(6, max_epochs=0).fit(X)
    np.testing.assert_allclose(model.reconstruct(X), X, atol=1e-5)
    np.testing.assert_allclose(model.explained_variance_[5], 0, atol=1e-5)


@pytest.mark.parametrize("hidden_layer_sizes", [(), (16,), (16, 8), "auto"], ids=str)
@pytest.mark.parametrize("activation", ["silu", "identity", "sigmoid", "softplus"])
@pytest.mark.parametrize("tied_weights", [False, True], ids=["free", "tied"])
def test_untrained_model_is_pca_whatever_the_network(
    digits, hidden_layer_sizes, activation, tied_weights
):
    X = digits[0][:200]
    model = Autoencoder(
        4,
        hidden_layer_sizes=hidden_layer_sizes,
        activation=activation,
        tied_weights=tied_weights,
        max_epochs=0,
    ).fit(X)
    assert_equals_pca(model, PCA(4, svd_solver="full").fit(X), X, precision=1e-5)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("container", CONTAINERS)
def test_share_of_variance_gives_pcas_number_of_components(table, share, container):
    model = Autoencoder(share, max_epochs=0).fit(CONTAINERS[container](table))
    pca = PCA(share, svd_solver="full").fit(table)
    assert model.n_components_ == pca.n_components_
    assert model.transform(table).shape == (60, pca.n_components_)
    assert_equals_pca(model, pca, table)


def test_share_of_variance_of_a_wide_table(seed):
    X = np.random.RandomState(seed).standard_normal((20, 60))
    for share in (0.2, 0.8, 0.99):
        expected = PCA(share, svd_solver="full").fit(X).n_components_
        assert Autoencoder(share, max_epochs=0).fit(X).n_components_ == expected


def test_share_of_variance_holds_for_a_random_start_too(table):
    model = Autoencoder(0.8, init="random", max_epochs=1).fit(table)
    pca = PCA(0.8, svd_solver="full").fit(table)
    assert model.n_components_ == pca.n_components_


@pytest.mark.parametrize("container", CONTAINERS)
def test_weighted_rows_are_repeated_rows(table, seed, container):
    weight = np.random.RandomState(seed).randint(0, 4, size=len(table))
    model = Autoencoder(3, max_epochs=0)
    model.fit(CONTAINERS[container](table), sample_weight=weight)
    repeated = table.repeat(weight, axis=0)
    pca = PCA(3, svd_solver="full").fit(repeated)
    codes = pca.transform(table)
    np.testing.assert_allclose(model.transform(table), codes, atol=1e-5)
    np.testing.assert_allclose(model.mean_, repeated.mean(axis=0))


def test_a_common_factor_of_the_weights_changes_nothing(table):
    model = Autoencoder(2, max_epochs=3, validation=2, random_state=0)
    fits = [
        clone(model).fit(table, sample_weight=np.full(len(table), factor))
        for factor in (0.5, 1, 8)
    ]
    plain = model.fit(table)
    for model in fits:
        np.testing.assert_allclose(
            model.transform(table), plain.transform(table), rtol=1e-4, atol=1e-5
        )


def test_constant_columns_and_constant_tables():
    X = np.ones((20, 3))
    model = Autoencoder(2, max_epochs=3, random_state=0).fit(X)
    np.testing.assert_allclose(model.reconstruct(X), X, atol=1e-5)
    assert model.score(X) in (0.0, 1.0)
    X = np.c_[X, np.linspace(-1, 1, 20)]
    model = Autoencoder(1, max_epochs=0).fit(X)
    assert_equals_pca(model, PCA(1).fit(X), X)


# -- conventions that PCA keeps --------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(table, dtype):
    X = table.astype(dtype)
    model = Autoencoder(2, max_epochs=2, validation=None).fit(X)
    for output in (
        model.transform(X),
        model.fit_transform(X),
        model.inverse_transform(model.transform(X)),
        model.reconstruct(X),
    ):
        assert output.dtype == dtype
    # Squares need more digits and a larger range.
    for errors in (
        model.reconstruction_error(X),
        model.reconstruction_error(X, per_feature=True),
        model.score_samples(X),
    ):
        assert errors.dtype == np.float64


def test_integers_come_out_as_double_precision():
    X = np.arange(40).reshape(10, 4) % 7
    assert Autoencoder(2, max_epochs=1).fit_transform(X).dtype == np.float64


def test_fit_transform_is_fit_and_transform(table, seed):
    params = {"max_epochs": 5, "validation": None, "random_state": seed}
    codes = Autoencoder(2, **params).fit_transform(table)
    model = Autoencoder(2, **params).fit(table)
    np.testing.assert_array_equal(codes, model.transform(table))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inverse_transform_of_transform_is_reconstruct(table, seed, dtype):
    X = table.astype(dtype)
    params = {"max_epochs": 5, "validation": None, "random_state": seed}
    model = Autoencoder(3, **params).fit(X)
    rtol = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(
        model.inverse_transform(model.transform(X)),
        model.reconstruct(X),
        rtol=rtol,
        atol=rtol,
    )


def test_transform_does_not_depend_on_the_other_rows(table):
    model = Autoencoder(3, max_epochs=5, validation=None, random_state=0).fit(table)
    rows = np.vstack([model.transform(row[np.newaxis]) for row in table])
    np.testing.assert_allclose(model.transform(table), rows, rtol=1e-10, atol=1e-12)


def test_transform_leaves_the_model_as_it_is(table):
    params = {"max_epochs": 5, "dropout": 0.2, "validation": None, "random_state": 0}
    model = Autoencoder(3, **params).fit(table)
    first = model.transform(table)
    model.reconstruct(2 * table)
    model.score(table[:5])
    np.testing.assert_array_equal(model.transform(table), first)


@pytest.mark.parametrize(
    "params",
    [
        {"validation": 2},
        {"init": "random"},
        {"init": "random", "hidden_layer_sizes": (16, 8), "activation": "relu"},
        {"tied_weights": True},
        {"loss": "huber", "validation": 0.2},
        {"loss": "mae", "validation": None},
        {"activation": "identity", "validation": None},
    ],
    ids=str,
)
def test_codes_are_uncorrelated_sorted_and_of_fixed_sign(table, seed, params):
    model = Autoencoder(3, max_epochs=20, random_state=seed, **params).fit(table)
    codes = model.transform(table)
    covariance = np.cov(codes.T)
    spread = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    np.testing.assert_allclose(covariance / spread, np.eye(3), atol=1e-3)
    assert (np.diff(np.diag(covariance)) <= 0).all()
    np.testing.assert_allclose(
        model.explained_variance_, np.diag(covariance), rtol=1e-3
    )
    # Of the two signs, the one with which the input that a code varies most with
    # varies in the same direction.
    loadings = codes.T @ (table - table.mean(axis=0))
    extremes = np.abs(loadings).argmax(axis=1)
    assert (loadings[np.arange(3), extremes] > 0).all()


def test_feature_names_out(table):
    model = Autoencoder(3, max_epochs=0).fit(table)
    expected = ["autoencoder0", "autoencoder1", "autoencoder2"]
    assert model.get_feature_names_out().tolist() == expected
    pca = PCA(3).fit(table)
    assert len(pca.get_feature_names_out()) == len(expected)


def test_grid_search_needs_neither_y_nor_scoring(table):
    model = Autoencoder(max_epochs=2, validation=None, random_state=0)
    search = GridSearchCV(model, {"n_components": [1, 5]}, cv=2).fit(table)
    assert search.best_params_ == {"n_components": 5}
    assert search.score(table) > 0.8


# -- scores ----------------------------------------------------------------------------


@pytest.mark.parametrize("container", CONTAINERS)
def test_score_is_the_explained_share_of_the_variance(table, container):
    train, test = table[:40], table[40:]
    model = Autoencoder(3, max_epochs=3, validation=None, random_state=0).fit(train)
    expected = r2_score(test, model.reconstruct(test), multioutput="variance_weighted")
    X = CONTAINERS[container](test)
    np.testing.assert_allclose(model.score(X), expected, rtol=1e-10)


@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (1e6, 1), (-5, 1e6)])
def test_score_of_the_untrained_model_is_pcas(table, offset, scale):
    X = scale * table + offset
    model = Autoencoder(3, max_epochs=0).fit(X)
    pca = PCA(3, svd_solver="full").fit(X)
    np.testing.assert_allclose(
        model.score(X), pca.explained_variance_ratio_.sum(), rtol=1e-6
    )


def test_reconstruction_error_and_its_relatives(table):
    model = Autoencoder(2, max_epochs=3, validation=None, random_state=0).fit(table)
    squares = np.square(table - model.reconstruct(table))
    np.testing.assert_allclose(
        model.reconstruction_error(table, per_feature=True), squares, rtol=1e-12
    )
    error = model.reconstruction_error(table)
    np.testing.assert_allclose(error, squares.mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(model.score_samples(table), -error)
    assert (
        model.reconstruction_error(table, per_feature=True).shape,
        error.shape,
    ) == (table.shape, (60,))


# -- linear networks span PCA's subspace -----------------------------------------------

LINEAR = {
    "identity": {"activation": "identity"},
    "no_hidden_layer": {"hidden_layer_sizes": ()},
    "tied": {"hidden_layer_sizes": (), "tied_weights": True},
}


def assert_spans_pcas_subspace(model, X, excess=1e-4, degrees=0.1):
    pca = PCA(model.n_components_, svd_solver="full").fit(X)
    error, least = held_out_error(model, X), held_out_error(pca, X)
    assert least * (1 - 1e-6) <= error <= (1 + excess) * least
    # Images of the unit vectors of the code span the decoder's subspace.
    origin = model.inverse_transform(np.zeros((1, model.n_components_)))
    axes = model.inverse_transform(np.eye(model.n_components_)) - origin
    angle = np.degrees(subspace_angles(axes.T, pca.components_.T).max())
    assert angle < degrees


@pytest.mark.parametrize(
    ("name", "seed"), [("identity", 0), ("no_hidden_layer", 42), ("tied", 0)]
)
def test_linear_network_with_pca_start_spans_pcas_subspace(name, seed):
    table, params = draw_table(seed), LINEAR[name]
    model = Autoencoder(3, random_state=seed, **params).fit(table)
    # Held-out rows may favour another subspace by a little: compare the training.
    model_all = Autoencoder(
        3, validation=None, random_state=seed, max_epochs=100, **params
    ).fit(table)
    assert_spans_pcas_subspace(model_all, table)
    assert held_out_error(model, table) <= 1.02 * held_out_error(
        PCA(3).fit(table), table
    )


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("n_components", [2, 10, 30])
def test_linear_network_is_not_trained_away_from_pca(
    digits, seed, n_components, optimizer
):
    """Neither by weight decay nor by steps that are too long near the minimum."""
    X = digits[0]
    model = Autoencoder(
        n_components,
        activation="identity",
        hidden_layer_sizes=(),
        validation=None,
        optimizer=optimizer,
        max_epochs=5,
        random_state=seed,
    ).fit(X)
    assert_spans_pcas_subspace(model, X)


@pytest.mark.parametrize(
    ("name", "max_epochs"), [("identity", 600), ("no_hidden_layer", 900), ("tied", 600)]
)
def test_linear_network_with_random_start_spans_pcas_subspace(name, max_epochs):
    table = draw_table(0)
    model = Autoencoder(
        3,
        init="random",
        validation=None,
        batch_size=len(table),  # without the noise of batches, to the minimum
        optimizer="adam",
        learning_rate=0.03,
        learning_rate_schedule="cosine",
        max_epochs=max_epochs,
        random_state=0,
        **LINEAR[name],
    ).fit(table)
    assert_spans_pcas_subspace(model, table, excess=1e-3, degrees=1)


# -- quality ---------------------------------------------------------------------------


def test_much_better_than_pca_on_digits(digits):
    train, test = digits
    model = Autoencoder(8, random_state=0).fit(train)
    # PCA's error is 0.0245; the goal is 0.0135 (issue 2).
    assert held_out_error(model, test) <= 0.0140
    assert held_out_error(PCA(8).fit(train), test) > 0.024


TABLES = {
    "iris": (load_iris, 2),
    "wine": (load_wine, 3),
    "breast_cancer": (load_breast_cancer, 7),
    "diabetes": (load_diabetes, 3),
    "linnerud": (load_linnerud, 1),
}


@pytest.mark.parametrize("name", TABLES)
def test_not_worse_than_pca_on_bundled_tables(name):
    load, n_components = TABLES[name]
    train, test = train_test_split(load().data, test_size=0.3, random_state=0)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    model = Autoencoder(n_components, random_state=0).fit(train)
    pca = PCA(n_components).fit(train)
    assert held_out_error(model, test) <= 1.01 * held_out_error(pca, test)


# The defaults compare candidates on several folds, which takes seconds: a seed each. On
# 40 rows of noise 4 of 19 seeds, 42 among them, choose a network by chance, whose error
# is 0.99 to 1.03 of PCA's.
@pytest.mark.parametrize(
    ("n_rows", "kind", "seed", "limit"),
    [
        (5, "noise", 0, 1.02),
        (5, "low_rank", 42, 1.02),
        (40, "noise", 0, 1.001),
        (40, "noise", 42, 1.05),
        (40, "low_rank", 0, 1.02),
    ],
)
def test_not_worse_than_pca_on_tiny_tables(n_rows, kind, seed, limit):
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((n_rows + 500, 10))
    if kind == "low_rank":
        X = 0.3 * X + X[:, :2] @ rng.standard_normal((2, 10))
    train, test = X[:n_rows], X[n_rows:]
    model = Autoencoder(2, random_state=seed).fit(train)
    pca = PCA(2).fit(train)
    assert held_out_error(model, test) <= limit * held_out_error(pca, test)


@pytest.mark.parametrize(
    ("correlated", "seed"), [(False, 0), (True, 42)], ids=["noise", "gaussian"]
)
def test_not_worse_than_pca_where_pca_is_optimal(correlated, seed):
    rng = np.random.RandomState(seed)
    X = rng.standard_normal((800, 10))
    if correlated:
        X = X @ rng.standard_normal((10, 10))
    train, test = X[:200], X[200:]
    model = Autoencoder(3, random_state=seed).fit(train)
    pca = PCA(3).fit(train)
    assert held_out_error(model, test) <= 1.01 * held_out_error(pca, test)
