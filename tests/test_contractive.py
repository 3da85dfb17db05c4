"""The contractive autoencoder: its Jacobian against autograd and differences."""

import pickle

import numpy as np
import pytest
import torch
from registry import OwnNetwork
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from torch.autograd.functional import jacobian

from sklearn_ae import ContractiveAutoencoder, ConvolutionalNetwork, SparseAutoencoder
from sklearn_ae.networks._layered import ACTIVATIONS
from sklearn_ae.networks.convolutional import Convolutions
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.objectives.penalties import (
    projected_jacobian_norm,
    squared_jacobian_norm,
)
from sklearn_ae.objectives.terms import exact_contraction

DEPTHS = [(), (6,), (6, 4), (6, 4, 5)]
# One batch of all rows, none held out, and weights that hardly change.
AT_START = {
    "validation": None,
    "batch_size": 1000,
    "max_epochs": 1,
    "learning_rate": 1e-9,
}


def randomized(network, seed):
    """In double precision, with biases of their own as well."""
    network = network.double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            size = parameter.shape[1] if parameter.ndim > 1 else 1
            parameter.normal_(generator=generator).div_(size**0.5)
    return network


def dense_network(seed, hidden_layer_sizes=(6, 4), n_components=3, **params):
    params = {"hidden_layer_sizes": hidden_layer_sizes, **params}
    return randomized(DenseNetwork(7, n_components, **params), seed)


def convolutions(seed, **params):
    params = {"image_shape": (1, 5, 4), "channels": (2, 3), **params}
    return randomized(Convolutions(20, 3, **params), seed)


def draw_rows(seed, n_features=7, n_rows=5):
    rows = np.random.default_rng(seed).standard_normal((n_rows, n_features))
    return torch.from_numpy(rows)


def jacobians(network, x):
    """Of each row, shape (n, k, p), by torch's own function."""
    return jacobian(lambda rows: network.encode(rows).sum(0), x).movedim(1, 0)


def expected_norm(network, x):
    return jacobians(network, x).square().sum((1, 2))


def differences_norm(model, X, step):
    """The norm of the Jacobian of `transform`, by finite differences."""
    squares = np.zeros(len(X))
    for direction in step * np.eye(X.shape[1]):
        moved = model.transform(X + direction) - model.transform(X - direction)
        squares += np.square(moved / (2 * step)).sum(axis=1)
    return np.sqrt(squares)


def evaluate(model, X):
    """The terms of the objective at the fitted weights."""
    net = model.net_
    return net.evaluate(net.get_dataset(X))


# -- the exact norm --------------------------------------------------------------------


@pytest.mark.parametrize("tied_weights", [False, True], ids=["free", "tied"])
@pytest.mark.parametrize("linear_path", [False, True], ids=["", "path"])
@pytest.mark.parametrize("hidden_layer_sizes", DEPTHS, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense_norm_is_that_of_autograd(
    activation, hidden_layer_sizes, linear_path, tied_weights
):
    for code_activation in ACTIVATIONS if hidden_layer_sizes == () else {activation}:
        network = dense_network(
            0,
            hidden_layer_sizes,
            activation=activation,
            code_activation=code_activation,
            linear_path=linear_path,
            tied_weights=tied_weights,
        )
        x = draw_rows(1)
        norm = network.squared_jacobian_norm(x)
        assert norm.shape == (5,)
        np.testing.assert_allclose(
            norm.detach(), expected_norm(network, x), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("hidden_layer_sizes", DEPTHS, ids=str)
@pytest.mark.parametrize("code_activation", ["identity", "sigmoid"])
def test_norm_on_several_draws(hidden_layer_sizes, code_activation, seed):
    network = dense_network(
        seed, hidden_layer_sizes, code_activation=code_activation, linear_path=True
    )
    x = draw_rows(seed)
    expected = expected_norm(network, x)
    for norm in (
        network.squared_jacobian_norm(x),
        squared_jacobian_norm(network.encode, x),
    ):
        np.testing.assert_allclose(norm.detach(), expected, rtol=1e-9)


def test_formula_of_one_layer(seed):
    """``sum_j (h_j (1 - h_j))^2 ||W_j||^2`` of sigmoid codes."""
    network = dense_network(seed, (), code_activation="sigmoid")
    x = draw_rows(seed)
    W, b = (p.detach().numpy() for p in network.encoder[0].parameters())
    H = expit(x.numpy() @ W.T + b)
    expected = (H * (1 - H)) ** 2 @ (W**2).sum(axis=1)
    norm = network.squared_jacobian_norm(x).detach()
    np.testing.assert_allclose(norm, expected, rtol=1e-12)


@pytest.mark.parametrize("linear_path", [False, True])
def test_norm_of_convolutions(linear_path, seed):
    network = convolutions(seed, code_activation="tanh", linear_path=linear_path)
    x = draw_rows(seed, 20)
    norm = squared_jacobian_norm(network.encode, x)
    np.testing.assert_allclose(norm.detach(), expected_norm(network, x), rtol=1e-9)


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("name", ["dense", "one_layer", "any", "projected"])
def test_gradient_against_finite_differences(name, linear_path, seed):
    """Of the penalty by the weights: a derivative of second order."""
    network = dense_network(
        seed,
        () if name == "one_layer" else (6, 4),
        activation="tanh",
        code_activation="sigmoid",
        linear_path=linear_path,
    )
    x = draw_rows(seed)

    def penalty():
        if name == "any":
            return squared_jacobian_norm(network.encode, x).sum()
        if name == "projected":
            generator = torch.Generator().manual_seed(seed)
            return projected_jacobian_norm(network.encode, x, 2, generator).sum()
        return network.squared_jacobian_norm(x).sum()

    parameters = [p for n, p in network.named_parameters() if n.startswith("encoder")]
    gradients = torch.autograd.grad(penalty(), parameters, allow_unused=True)
    step = 1e-5
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is None:  # the bias of a linear layer
            gradient = torch.zeros_like(parameter)
        for index in np.ndindex(*parameter.shape):
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    parameter[index] += sign * step
                values.append(penalty().item())
                with torch.no_grad():
                    parameter[index] -= sign * step
            numeric = (values[0] - values[1]) / (2 * step)
            assert gradient[index].item() == pytest.approx(numeric, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("make", [dense_network, convolutions])
def test_norm_without_gradients_around(make, seed):
    """As on rows held out: the weights get none, the norm is the same."""
    network = make(seed, code_activation="sigmoid")
    x = draw_rows(seed, 20 if make is convolutions else 7)
    for norm in (
        lambda: squared_jacobian_norm(network.encode, x),
        lambda: exact_contraction(network, x),
    ):
        expected = norm().detach()
        with torch.no_grad():
            np.testing.assert_allclose(norm().detach(), expected, rtol=1e-12)
    assert not x.requires_grad


def test_dropout_is_left_out_of_the_exact_norm(seed):
    network = dense_network(seed, (6, 4), dropout=0.5, linear_path=True)
    x = draw_rows(seed)
    expected = expected_norm(network.eval(), x)
    norm = network.train().squared_jacobian_norm(x)
    np.testing.assert_allclose(norm.detach(), expected, rtol=1e-9)


# -- the projected norm ----------------------------------------------------------------


@pytest.mark.parametrize("n_projections", [1, 3])
@pytest.mark.parametrize("make", [dense_network, convolutions])
def test_projections_are_unbiased(make, n_projections, seed):
    """And vary as they are to, by ``2 sum_{i != j} (J J^T)_ij^2`` of one projection."""
    network = make(seed, code_activation="tanh")
    x = draw_rows(seed, 20 if make is convolutions else 7)
    generator = torch.Generator().manual_seed(seed)
    # Each draw has signs of its own for each row.
    n_draws = 4000
    many = x.repeat(n_draws, 1)
    draws = projected_jacobian_norm(network.encode, many, n_projections, generator)
    draws = draws.detach().view(n_draws, -1)
    J = jacobians(network, x)
    gram = J @ J.mT
    off_diagonal = gram - torch.diag_embed(gram.diagonal(dim1=1, dim2=2))
    variance = 2 * off_diagonal.square().sum((1, 2)) / n_projections
    error = (variance / n_draws).sqrt()
    assert ((draws.mean(0) - expected_norm(network, x)).abs() < 5 * error).all()
    np.testing.assert_allclose(draws.var(0), variance, rtol=0.25)


def test_average_over_all_signs_is_exact(seed):
    """Of three codes there are eight vectors of signs, all of which turn up."""
    network = dense_network(seed, n_components=3)
    x = draw_rows(seed, n_rows=1)
    many = x.repeat(500, 1)
    generator = torch.Generator().manual_seed(seed)
    draws = projected_jacobian_norm(network.encode, many, 1, generator).detach()
    # A vector and its negative give the same.
    values = draws.numpy().round(9)
    assert len(np.unique(values)) == 4
    exact = expected_norm(network, x)[0].item()
    assert np.unique(values).mean() == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("n_projections", [1, 4])
def test_projections_of_codes_that_do_not_mix_are_exact(n_projections, seed):
    """With orthogonal gradients no cross terms are left, whatever the signs."""
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((7, 7)))
    network = dense_network(seed, (), code_activation="sigmoid", n_components=4)
    with torch.no_grad():
        network.encoder[0].weight.copy_(torch.from_numpy(rotation[:4]))
    x = draw_rows(seed)
    norm = projected_jacobian_norm(network.encode, x, n_projections, None)
    np.testing.assert_allclose(norm.detach(), expected_norm(network, x), rtol=1e-9)


def test_generator_rules_the_projections(untouched_generators):
    network, x = dense_network(0), draw_rows(0)

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return projected_jacobian_norm(network.encode, x, 1, generator).detach()

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


# -- of a fitted estimator, in the units of the data -----------------------------------


MODELS = {
    "default": {},
    "no_penalty": {"lambd": 0},
    "linear_code": {"code_activation": "identity"},
    "linear_code_no_penalty": {"code_activation": "identity", "lambd": 0},
    "deep": {"hidden_layer_sizes": (6, 5), "tied_weights": False, "lambd": 1e-3},
    "deep_no_penalty": {"hidden_layer_sizes": (6, 5), "lambd": 0},
    "pca": {
        "hidden_layer_sizes": 6,
        "init": "pca",
        "code_activation": "identity",
        "lambd": 0,
    },
    "projections": {"n_projections": 1},
    "convolutional": {
        "network": ConvolutionalNetwork(channels=(2, 3)),
        "tied_weights": False,
    },
    "own_network": {"network": OwnNetwork, "tied_weights": False},
    "own_network_no_penalty": {
        "network": OwnNetwork,
        "tied_weights": False,
        "lambd": 0,
    },
}


def fit_model(name, X, seed, **params):
    model = ContractiveAutoencoder(3, max_epochs=3, random_state=seed)
    return model.set_params(**MODELS[name], **params).fit(X)


@pytest.mark.parametrize("unit", [0.02, 30.0])
@pytest.mark.parametrize("name", MODELS)
def test_jacobian_norm_against_differences_of_transform(seeded_table, name, unit, seed):
    X = unit * (seeded_table + 5)
    model = fit_model(name, X, seed)
    norm = model.jacobian_norm(X)
    assert norm.shape == (60,)
    assert norm.dtype == np.float64
    expected = differences_norm(model, X, step=1e-5 * unit)
    np.testing.assert_allclose(norm, expected, rtol=1e-5, atol=1e-6 * norm.max())


@pytest.mark.parametrize("name", ["default", "deep_no_penalty", "convolutional"])
def test_jacobian_norm_of_other_containers(seeded_table, name, seed):
    X = 30 * seeded_table
    model = fit_model(name, X, seed)
    norm = model.jacobian_norm(X)
    np.testing.assert_allclose(model.jacobian_norm(sparse.csr_array(X)), norm)
    single = model.jacobian_norm(X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, norm, rtol=1e-4, atol=1e-4 * norm.max())
    # Row by row, in however many blocks.
    np.testing.assert_allclose(model.jacobian_norm(np.tile(X, (100, 1)))[-60:], norm)
    np.testing.assert_allclose(model.jacobian_norm(X[7:8]), norm[7:8])


def test_jacobian_norm_leaves_the_model_alone(seeded_table, seed):
    model = fit_model("deep", seeded_table, seed)
    codes = model.transform(seeded_table)
    weights = [p.detach().clone() for p in model.module_.parameters()]
    model.jacobian_norm(seeded_table)
    for weight, parameter in zip(weights, model.module_.parameters(), strict=True):
        assert torch.equal(weight, parameter)
        assert parameter.grad is None or parameter.dtype == torch.float32
    np.testing.assert_array_equal(model.transform(seeded_table), codes)


@pytest.mark.parametrize("name", ["default", "linear_code", "deep", "convolutional"])
@pytest.mark.parametrize("unit", [1.0, 30.0])
def test_penalty_is_the_mean_square_of_the_norm(seeded_table, name, unit, seed):
    X = unit * seeded_table
    model = fit_model(name, X, seed)
    expected = model.lambd * np.square(model.jacobian_norm(X)).mean()
    terms = evaluate(model, X)
    assert terms["contraction"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_history_holds_the_penalty(seeded_table, weighted, dropout, seed):
    """Before the first step; dropout has no part in it."""
    X = 30 * seeded_table
    weight = np.random.RandomState(seed).uniform(0, 2, 60) if weighted else None
    model = fit_model("deep", X, seed, dropout=dropout)
    model.set_params(**AT_START).fit(X, sample_weight=weight)
    squares = np.square(model.jacobian_norm(X))
    expected = model.lambd * np.average(squares, weights=weight)
    assert model.history_["train_contraction"][0] == pytest.approx(expected, rel=1e-4)


def test_columns_of_the_history(seeded_table):
    table = fit_model("default", seeded_table, 0).history_
    for rows in ("train", "valid"):
        terms = table[f"{rows}_reconstruction"] + table[f"{rows}_contraction"]
        np.testing.assert_allclose(table[f"{rows}_loss"], terms, rtol=1e-9)
    assert (table["train_contraction"] > 0).all()
    table = fit_model("no_penalty", seeded_table, 0).history_
    assert not any(name.endswith("contraction") for name in table)


def test_history_of_projections(seeded_table, seed):
    """Near the exact penalty, and on rows held out with the same noise each time."""
    X = np.tile(seeded_table, (20, 1))
    model = ContractiveAutoencoder(3, n_projections=2, random_state=seed, **AT_START)
    model.set_params(max_epochs=4, validation=0.5)
    table = model.set_params(optimizer="sgd").fit(X).history_
    expected = model.lambd * np.square(model.jacobian_norm(X)).mean()
    for rows in ("train", "valid"):
        np.testing.assert_allclose(table[f"{rows}_contraction"], expected, rtol=0.25)
    assert np.ptp(table["valid_contraction"]) < 1e-5 * expected
    assert np.ptp(table["train_contraction"]) > 1e-5 * expected


# -- what the penalty does -------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "seed"),
    [({}, 42), ({"hidden_layer_sizes": (32,)}, 0), ({"n_projections": 1}, 42)],
    ids=str,
)
def test_penalty_contracts(digits, params, seed):
    norms = []
    for lambd in (0.0, 0.1, 1.0, 10.0):
        model = ContractiveAutoencoder(
            16, lambd=lambd, max_epochs=15, random_state=seed, **params
        ).fit(digits[0][:400])
        norms.append(np.square(model.jacobian_norm(digits[1])).mean())
    assert np.all(np.diff(norms) < 0)
    assert norms[-1] < 0.2 * norms[0]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"hidden_layer_sizes": (6,), "tied_weights": False},
        {"n_projections": 2},
    ],
    ids=str,
)
def test_without_a_penalty_it_is_a_sparse_autoencoder_without_one(
    seeded_table, params, seed
):
    model = ContractiveAutoencoder(3, lambd=0, max_epochs=5, random_state=seed)
    model.set_params(**params).fit(seeded_table)
    shared = model.get_params()
    del shared["n_projections"]
    other = SparseAutoencoder(sparsity="l1", **shared).fit(seeded_table)
    for method in ("transform", "reconstruct"):
        np.testing.assert_array_equal(
            getattr(model, method)(seeded_table), getattr(other, method)(seeded_table)
        )
    np.testing.assert_array_equal(model.loss_curve_, other.loss_curve_)


@pytest.mark.parametrize(
    ("hidden_layer_sizes", "seed"), [((), 0), ((32,), 42)], ids=str
)
def test_one_projection_trains_as_the_exact_norm(digits, hidden_layer_sizes, seed):
    model = ContractiveAutoencoder(
        16,
        hidden_layer_sizes=hidden_layer_sizes,
        max_epochs=15,
        validation=None,
        random_state=seed,
    )
    exact = clone(model).fit(digits[0])
    estimated = model.set_params(n_projections=1).fit(digits[0])
    for measure in ("jacobian_norm", "reconstruction_error"):
        ratio = (
            getattr(estimated, measure)(digits[1]).mean()
            / getattr(exact, measure)(digits[1]).mean()
        )
        assert 0.85 < ratio < 1.15


def test_overcomplete_codes(digits):
    X = digits[0][:100]
    model = ContractiveAutoencoder(100, max_epochs=2).fit(X)
    assert model.transform(X).shape == (100, 100)


def test_warm_start_weighs_the_penalty_in_units_of_the_data(seeded_table, seed):
    X = 30 * seeded_table
    model = fit_model("deep", X, seed, warm_start=True)
    model.set_params(lambd=0.1, **AT_START).fit(X)
    expected = 0.1 * np.square(model.jacobian_norm(X)).mean()
    assert model.history_["train_contraction"][-1] == pytest.approx(expected, rel=1e-4)
    # Also where there was none.
    model = fit_model("no_penalty", X, seed, warm_start=True)
    model.set_params(lambd=0.1, **AT_START).fit(X)
    expected = 0.1 * np.square(model.jacobian_norm(X)).mean()
    assert model.history_["train_contraction"][-1] == pytest.approx(expected, rel=1e-4)


# -- wrong choices ---------------------------------------------------------------------


WRONG = [
    *({"lambd": value} for value in (-1e-9, np.nan, np.inf, None, "small")),
    *({"n_projections": value} for value in (0, -1, 1.5, "all")),
]


@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
@pytest.mark.parametrize("params", WRONG, ids=str)
def test_wrong_choice(table, params, fitted):
    model = ContractiveAutoencoder(2, max_epochs=1, random_state=0)
    if fitted:
        norm = model.fit(table).jacobian_norm(table)
    model.set_params(**params)
    before = dict(vars(model))
    ((name, value),) = params.items()
    with pytest.raises(ValueError, match=rf"'{name}'.*{value}"):
        model.fit(table)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    if fitted:
        np.testing.assert_array_equal(model.jacobian_norm(table), norm)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda X: X[:, :5], "5 features"),
        (lambda X: X[0], "1D array"),
        (lambda X: np.where(X == X[3, 2], np.nan, X), "NaN"),
        (lambda X: X[:0], "0 sample"),
    ],
)
def test_jacobian_norm_of_bad_data(table, change, words):
    with pytest.raises(NotFittedError):
        ContractiveAutoencoder(2).jacobian_norm(table)
    model = ContractiveAutoencoder(2, max_epochs=1).fit(table)
    with pytest.raises(ValueError, match=words):
        model.jacobian_norm(change(table))


# -- as any estimator ------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_pickle_goes_on_where_it_was(seeded_table, name, seed):
    """The generator of the projections included."""
    model = fit_model(name, seeded_table, seed)
    copy = pickle.loads(pickle.dumps(model))
    for continues in (False, True):
        if continues:
            for estimator in (model, copy):
                estimator.partial_fit(seeded_table).partial_fit(seeded_table)
        for method in ("transform", "jacobian_norm"):
            np.testing.assert_array_equal(
                getattr(copy, method)(seeded_table),
                getattr(model, method)(seeded_table),
            )
        np.testing.assert_array_equal(copy.loss_curve_, model.loss_curve_)


def test_grid_search(digits):
    X, y = digits[0][:200], (digits[0][:200, 36] > 0.5).astype(int)
    pipeline = Pipeline(
        [
            ("codes", ContractiveAutoencoder(8, max_epochs=10, random_state=0)),
            ("classifier", LogisticRegression()),
        ]
    )
    grid = {"codes__lambd": [0.0, 0.1, 100.0]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert scores.shape == (3,)
    assert search.best_params_["codes__lambd"] < 100
    assert hasattr(search.best_estimator_["codes"], "jacobian_norm")
