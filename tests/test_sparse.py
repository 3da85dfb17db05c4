"""The sparse autoencoder: penalties on codes, and their effect."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from parts import batch_of, objective_of
from registry import OwnNetwork
from scipy.special import expit, rel_entr
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_ae import ConvolutionalNetwork, SparseAutoencoder
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.networks.top_k import keep_largest
from sklearn_ae.objectives import ActivationL1, ActivationL2, KLSparsity
from sklearn_ae.objectives.objective import MEMORY, MeanActivation
from sklearn_ae.objectives.penalties import activation_l1, activation_l2, kl_sparsity
from sklearn_ae.persistence.state import dump_state

RHOS = [0.01, 0.05, 0.5, 0.9]
# One batch of all rows, none held out, and weights that hardly change.
AT_START = {
    "validation": None,
    "batch_size": 1000,
    "max_epochs": 1,
    "learning_rate": 1e-9,
}
# What is penalised, row by row or, for "kl", of the mean over rows.
ACTIVATION_PENALTIES = {
    "l1": lambda codes: np.abs(codes).sum(axis=1),
    "l2": lambda codes: (codes**2).sum(axis=1),
}


def kl(mean, rho):
    return np.sum(rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean)))


def kl_slope(mean, rho):
    return -rho / mean + (1 - rho) / (1 - mean)


def draw_weight(rng, n):
    """Of mean one, as the terms expect it."""
    weight = rng.uniform(0.5, 1.5, size=n)
    return weight / weight.mean()


class RunningKL:
    """The divergence at the running mean of the codes that it is called with."""

    def __init__(self, rho, n_components):
        self.mean = MeanActivation(n_components).double()
        self.penalty = KLSparsity(1.0, rho)

    def __call__(self, codes, weight=None):
        codes = torch.as_tensor(codes)
        weight = None if weight is None else torch.as_tensor(weight)
        batch = batch_of(None, codes, codes, weight, self.mean(codes, weight))
        return self.penalty(batch)


def evaluate(model, X):
    """The terms of the objective at the fitted weights."""
    net = model.net_
    return net.evaluate(net.get_dataset(X))


def approx(penalty):
    """Equal to a penalty in single precision.

    The divergence is a sum over units of numbers of order one which cancel out, and is
    off by several epsilons of 1.2e-7 however small it is.
    """
    return pytest.approx(penalty, rel=1e-4, abs=1e-6)


def assert_same_state(model, other):
    for part in ("weights", "objective"):
        state, other_state = (dump_state(m.net_)[part] for m in (model, other))
        assert state.keys() == other_state.keys()
        for name, value in state.items():
            np.testing.assert_array_equal(value, other_state[name], err_msg=name)


# -- the divergence --------------------------------------------------------------------


@pytest.mark.parametrize("rho", RHOS)
def test_kl_formula(rho, seed):
    mean = np.random.default_rng(seed).uniform(0.001, 0.999, size=20)
    value = kl_sparsity(torch.from_numpy(mean), rho)
    assert value.shape == ()
    assert value.item() == pytest.approx(kl(mean, rho), rel=1e-12)
    bernoulli = rel_entr(rho, mean) + rel_entr(1 - rho, 1 - mean)
    assert value.item() == pytest.approx(bernoulli.sum(), rel=1e-12)


@pytest.mark.parametrize("rho", RHOS)
def test_kl_is_zero_and_least_at_rho(rho):
    mean = torch.full((5,), rho, dtype=torch.float64, requires_grad=True)
    value = kl_sparsity(mean, rho)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(mean.grad, 0, atol=1e-12)
    for other in np.linspace(0.001, 0.999, 97):
        if abs(other - rho) > 1e-9:
            assert kl_sparsity(torch.tensor([other]).double(), rho) > 0


@pytest.mark.parametrize(("value", "sign"), [(0.0, -1), (1e-9, -1), (1.0, 1), (1.5, 1)])
def test_kl_draws_saturated_units_back(value, sign):
    mean = torch.full((3,), value, requires_grad=True)
    divergence = kl_sparsity(mean, 0.05)
    divergence.backward()
    assert divergence.isfinite()
    assert mean.grad.isfinite().all()
    assert (sign * mean.grad > 1e3).all()


# -- its gradient ----------------------------------------------------------------------


def backpropagation(W1, b1, W2, b2, X, weight, rho, lambd):
    """Gradients of J by the rule in Ng's lecture notes, with weights of rows."""
    n = len(X)
    H = expit(X @ W1.T + b1)
    delta_output = weight[:, None] * (H @ W2.T + b2 - X) / n
    sparsity = lambd / n * weight[:, None] * kl_slope(weight @ H / n, rho)
    delta_hidden = (delta_output @ W2 + sparsity) * H * (1 - H)
    return [
        delta_hidden.T @ X,
        delta_hidden.sum(0),
        delta_output.T @ H,
        delta_output.sum(0),
    ]


@pytest.mark.parametrize("training", [True, False], ids=["training", "held_out"])
@pytest.mark.parametrize("weighted", [False, True])
def test_backpropagation_rule(weighted, training, seed):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((12, 5))
    weight = draw_weight(rng, 12) if weighted else np.ones(12)
    rho, lambd = 0.1, 3.0
    module = DenseNetwork(5, 8, code_activation="sigmoid").double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape)))
    objective = objective_of("mse", 5, 8, sparsity=KLSparsity(lambd, rho)).double()
    objective.train(training)
    x = torch.from_numpy(X)
    terms, _ = objective(module, x, x, torch.from_numpy(weight) if weighted else None)
    sum(terms.values()).backward()
    W1, b1, W2, b2 = (p.detach().numpy() for p in module.parameters())
    expected = backpropagation(W1, b1, W2, b2, X, weight, rho, lambd)
    for parameter, gradient in zip(module.parameters(), expected, strict=True):
        np.testing.assert_allclose(parameter.grad, gradient, rtol=1e-10, atol=1e-13)


def test_one_epoch_is_one_step_of_gradient_descent(seeded_table, seed):
    """The data, and so weights and objective, are divided by `scale_` in a fit."""
    X = seeded_table
    weight = draw_weight(np.random.default_rng(seed), len(X))
    model = SparseAutoencoder(
        10,
        rho=0.2,
        lambd=2.0,
        optimizer="sgd",
        learning_rate=1.0,
        learning_rate_schedule="constant",
        validation=None,
        batch_size=1000,
        random_state=seed,
    )

    def weights(n_epochs):
        model.set_params(max_epochs=n_epochs).fit(X, sample_weight=weight)
        return [p.detach().double().numpy() for p in model.net_.module_.parameters()]

    before, after = weights(0), weights(1)
    centred = X - np.average(X, axis=0, weights=weight)
    s = model.scale_
    # What a unit of each parameter of the network is worth in units of the data.
    units = np.array([1 / s, 1, s, s])
    in_data = [old * unit for old, unit in zip(before, units, strict=True)]
    gradients = backpropagation(*in_data, centred, weight, rho=0.2, lambd=2.0)
    for old, new, gradient, unit in zip(before, after, gradients, units, strict=True):
        expected = gradient * unit / s**2
        scale = np.abs(expected).max()
        np.testing.assert_allclose(old - new, expected, rtol=0, atol=1e-4 * scale)


# -- the running mean ------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_running_mean(weighted, seed):
    """Value: KL at the running mean. Gradient: its slope there, through the batch."""
    rng = np.random.default_rng(seed)
    rho, sizes = 0.05, [300, 7, 120, 64]
    term = RunningKL(rho, 6)
    means, masses, shares = [], [], []
    for size in sizes:
        codes = rng.uniform(0.01, 0.6, size=(size, 6))
        weight = rng.uniform(0, 3, size) if weighted else None
        tensor = torch.tensor(codes, requires_grad=True)
        value = term(tensor, weight)
        value.backward()

        rows = np.ones(size) if weight is None else weight
        means.append(rows @ codes / size)
        masses.append(rows.mean())
        keep = np.exp(-size / MEMORY)
        shares = [share * keep for share in shares] + [1 - keep]
        running = shares @ np.array(means) / np.dot(shares, masses)
        assert value.item() == pytest.approx(kl(running, rho), rel=1e-10)
        expected = np.outer(rows, kl_slope(running, rho)) / size
        np.testing.assert_allclose(tensor.grad, expected, rtol=1e-9)


def test_rows_held_out_have_a_mean_of_their_own(seed):
    rng = np.random.default_rng(seed)
    term = RunningKL(0.05, 4)
    term(rng.uniform(0.5, 0.9, size=(50, 4)))
    state = {name: value.clone() for name, value in term.mean.state_dict().items()}
    codes, weight = rng.uniform(0.01, 0.2, size=(30, 4)), draw_weight(rng, 30)
    term.mean.eval()
    value = term(codes, weight)
    mean = np.average(codes, axis=0, weights=weight)
    assert value.item() == pytest.approx(kl(mean, 0.05), rel=1e-10)
    for name, tensor in term.mean.state_dict().items():
        assert torch.equal(tensor, state[name])


def test_heavy_rows_do_not_look_more_active():
    """A batch whose weights do not average one still has a mean in (0, 1)."""
    codes = np.full((10, 3), 0.4)
    value = RunningKL(0.4, 3)(codes, np.full(10, 2.0))
    assert value.item() == pytest.approx(0, abs=1e-12)


# -- penalties on single activations, and the largest codes ----------------------------


@pytest.mark.parametrize("name", ACTIVATION_PENALTIES)
@pytest.mark.parametrize("weighted", [False, True])
def test_activation_penalty_formula(name, weighted, seed):
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((9, 5))
    weight = draw_weight(rng, 9) if weighted else None
    function = {"l1": activation_l1, "l2": activation_l2}[name]
    rows = function(torch.from_numpy(codes))
    np.testing.assert_allclose(rows, ACTIVATION_PENALTIES[name](codes), rtol=1e-12)
    penalty = {"l1": ActivationL1, "l2": ActivationL2}[name](1.0)
    codes_tensor = torch.from_numpy(codes)
    value = penalty(batch_of(None, codes_tensor, codes_tensor, weight))
    expected = np.average(ACTIVATION_PENALTIES[name](codes), weights=weight)
    assert value.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("k", [1, 3, 8])
def test_top_k_keeps_the_largest(k, seed):
    codes = np.random.default_rng(seed).standard_normal((20, 8))
    tensor = torch.tensor(codes, requires_grad=True)
    kept = keep_largest(tensor, k)
    (kept * torch.arange(1.0, 9.0)).sum().backward()
    kept = kept.detach().numpy()
    survives = codes >= np.partition(codes, -k, axis=1)[:, [-k]]
    np.testing.assert_array_equal(kept, np.where(survives, codes, 0))
    assert (np.count_nonzero(kept, axis=1) == k).all()
    # The gradient passes through survivors only.
    np.testing.assert_array_equal(tensor.grad, survives * np.arange(1.0, 9.0))


@pytest.mark.parametrize(
    ("params", "k"), [({"k": 4}, 4), ({"rho": 0.1}, 3), ({"rho": 0.01}, 1)], ids=str
)
def test_top_k_codes(digits, params, k):
    """Sigmoids are never zero: exactly k survive."""
    model = SparseAutoencoder(
        30, sparsity="topk", code_activation="sigmoid", max_epochs=2, **params
    ).fit(digits[0])
    codes = model.transform(digits[1])
    assert (np.count_nonzero(codes, axis=1) == k).all()
    full = model.module_.network.network.double().encode(
        model.module_.standardize(torch.tensor(digits[1]))
    )
    largest = np.partition(full.detach().numpy(), -k, axis=1)[:, -k:]
    np.testing.assert_allclose(np.sort(codes)[:, -k:], np.sort(largest), rtol=1e-10)


@pytest.mark.parametrize("code_activation", ["identity", "sigmoid"])
def test_top_k_codes_are_in_units_of_the_data(seeded_table, code_activation, seed):
    """Where they are linear; and the decoder takes them as they are given."""
    model = SparseAutoencoder(
        9, sparsity="topk", k=3, code_activation=code_activation, random_state=seed
    ).set_params(max_epochs=0)
    codes = model.fit(seeded_table).transform(seeded_table)
    tenfold = model.fit(10 * seeded_table).transform(10 * seeded_table)
    factor = 10 if code_activation == "identity" else 1
    np.testing.assert_allclose(tenfold, factor * codes, atol=1e-4)
    np.testing.assert_allclose(
        model.inverse_transform(tenfold), model.reconstruct(10 * seeded_table)
    )


def test_top_k_of_relu_has_at_most_k(digits):
    model = SparseAutoencoder(50, sparsity="topk", k=5, max_epochs=2).fit(digits[0])
    codes = model.transform(digits[1])
    assert (codes >= 0).all()
    assert (np.count_nonzero(codes, axis=1) <= 5).all()
    assert np.count_nonzero(codes) > 0


@pytest.mark.parametrize("code_activation", ["relu", "sigmoid"])  # of one sign
def test_k_may_change_in_a_warm_start(seeded_table, code_activation, seed):
    """More units are kept, of the same network, whose training can go on."""
    X = seeded_table
    model = SparseAutoencoder(
        9, sparsity="topk", k=2, code_activation=code_activation, random_state=seed
    ).set_params(max_epochs=3, validation=None)
    few = model.fit(X).transform(X)
    output = model.inverse_transform(few)
    model.set_params(k=4, warm_start=True, max_epochs=0).fit(X)
    more = model.transform(X)
    assert np.count_nonzero(more, axis=1).max() == 4
    two = np.argsort(more, axis=1)[:, -2:]
    largest = np.zeros_like(more)
    np.put_along_axis(largest, two, np.take_along_axis(more, two, axis=1), axis=1)
    np.testing.assert_array_equal(largest, few)
    np.testing.assert_array_equal(model.inverse_transform(few), output)
    np.testing.assert_allclose(model.mean_activation_, more.mean(axis=0), atol=1e-6)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.transform(X), more)
    model.set_params(k=3, max_epochs=2).fit(X)
    assert np.count_nonzero(model.transform(X), axis=1).max() == 3
    assert model.n_iter_ == 5


@pytest.mark.parametrize("params", [{"k": 10}, {"code_activation": "sigmoid"}], ids=str)
def test_what_needs_a_new_network_leaves_the_old_one(seeded_table, params):
    model = SparseAutoencoder(9, sparsity="topk", k=2, max_epochs=1, warm_start=True)
    codes = model.fit(seeded_table).transform(seeded_table)
    with pytest.raises(ValueError, match=r"k=10 must be at most|module_params changed"):
        model.set_params(**params).fit(seeded_table)
    np.testing.assert_array_equal(model.transform(seeded_table), codes)


# -- the fitted estimator --------------------------------------------------------------


@pytest.mark.parametrize(("weighted", "seed"), [(False, 0), (True, 42)])
@pytest.mark.parametrize("sparsity", ["kl", "l1", "topk"])
def test_mean_activation_and_dead_units(digits, sparsity, weighted, seed):
    X = digits[0][:300]
    weight = np.random.RandomState(seed).uniform(0, 2, 300) if weighted else None
    model = SparseAutoencoder(
        60, sparsity=sparsity, max_epochs=30, batch_size=32, random_state=seed
    ).fit(X, sample_weight=weight)
    codes = model.transform(X)
    mean = np.average(codes, axis=0, weights=weight)
    deviation = np.sqrt(np.average((codes - mean) ** 2, axis=0, weights=weight))
    np.testing.assert_allclose(model.mean_activation_, mean, atol=1e-6)
    assert model.dead_units_.dtype == bool
    np.testing.assert_array_equal(model.dead_units_, deviation < 1e-3 * deviation.max())
    if sparsity == "l1":  # drives some units to zero for good
        assert 0 < model.dead_units_.sum() < 60


@pytest.mark.parametrize("max_epochs", [0, 5])
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("sparsity", ["kl", *ACTIVATION_PENALTIES])
def test_what_is_penalised_is_what_transform_returns(
    seeded_table, sparsity, scale, max_epochs, seed
):
    X = scale * seeded_table
    model = SparseAutoencoder(
        12, sparsity=sparsity, lambd=0.7, rho=0.1, random_state=seed, batch_size=8
    )
    model.set_params(max_epochs=max_epochs).fit(X)
    codes = model.transform(X)
    if sparsity == "kl":
        expected = 0.7 * kl(codes.mean(axis=0), 0.1)
    else:
        expected = 0.7 * ACTIVATION_PENALTIES[sparsity](codes).mean()
    terms = evaluate(model, X)
    assert terms["sparsity"] == approx(expected)
    half_squares = X.shape[1] / 2 * model.reconstruction_error(X).mean()
    assert terms["reconstruction"] == pytest.approx(half_squares, rel=1e-4)


@pytest.mark.parametrize("sparsity", ["kl", *ACTIVATION_PENALTIES])
def test_history_holds_the_penalty(seeded_table, sparsity, seed):
    X = seeded_table
    model = SparseAutoencoder(12, sparsity=sparsity, lambd=0.7, random_state=seed)
    table = clone(model).set_params(**AT_START).fit(X).history_
    fitted = model.set_params(max_epochs=0).fit(X)
    assert table["train_sparsity"][0] == approx(evaluate(fitted, X)["sparsity"])
    table = model.set_params(max_epochs=3).fit(X).history_
    for rows in ("train", "valid"):
        terms = table[f"{rows}_reconstruction"] + table[f"{rows}_sparsity"]
        np.testing.assert_allclose(table[f"{rows}_loss"], terms, rtol=1e-9)


def test_history_without_a_penalty(table):
    for params in ({"sparsity": "topk"}, {"lambd": 0}):
        model = SparseAutoencoder(20, max_epochs=1, **params).fit(table)
        assert "train_reconstruction" in model.history_
        assert "train_sparsity" not in model.history_


@pytest.mark.parametrize(
    "params",
    [
        {"sparsity": "l2"},
        {"sparsity": "kl", "rho": 0.5},  # whose biases start at zero
        {"sparsity": "topk", "k": 5},  # all survive
    ],
    ids=str,
)
def test_without_a_penalty_all_are_the_same(seeded_table, params, seed):
    shared = {"code_activation": "sigmoid", "max_epochs": 5, "learning_rate": 5e-3}
    model, other = (
        SparseAutoencoder(5, lambd=0, random_state=seed, **own, **shared).fit(
            seeded_table
        )
        for own in (params, {"sparsity": "l1"})
    )
    for method in ("transform", "reconstruct"):
        np.testing.assert_array_equal(
            getattr(model, method)(seeded_table), getattr(other, method)(seeded_table)
        )
    np.testing.assert_array_equal(model.loss_curve_, other.loss_curve_)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rho", "batch_size", "max_epochs"),
    [(0.02, 32, 20), (0.2, 500, 100)],
)
def test_mean_activations_tend_to_rho(digits, rho, batch_size, max_epochs):
    """As the penalty grows, whatever the size of the batches."""
    deviations = []
    for lambd in (0.1, 1, 10):
        model = SparseAutoencoder(
            100,
            rho=rho,
            lambd=lambd,
            batch_size=batch_size,
            max_epochs=max_epochs,
            learning_rate=5e-3,
            validation=None,
            random_state=0,
        ).fit(digits[0])
        off = model.mean_activation_ - rho
        deviations.append(np.sqrt(np.mean(off**2)) / rho)
    # Down to what is left to the chance of the last batches.
    for deviation, stronger in pairwise(deviations):
        assert stronger < max(0.5 * deviation, 0.01)
    assert deviations[2] < 0.05


@pytest.mark.parametrize("sparsity", ACTIVATION_PENALTIES)
def test_penalty_shrinks_the_codes(digits, sparsity, seed):
    """With tied weights, which cannot evade it."""
    sizes = []
    for lambd in (0.01, 0.1, 1):
        model = SparseAutoencoder(
            30,
            sparsity=sparsity,
            lambd=lambd,
            tied_weights=True,
            max_epochs=20,
            random_state=seed,
        ).fit(digits[0][:300])
        sizes.append(ACTIVATION_PENALTIES[sparsity](model.transform(digits[1])).mean())
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("sparsity", ["kl", "l1", "l2", "topk"])
@pytest.mark.parametrize(
    "network",
    [None, ConvolutionalNetwork(image_shape=(1, 8, 8), channels=(4,))],
    ids=["dense", "convolutional"],
)
def test_overcomplete_codes(digits, sparsity, network):
    X = digits[0][:100]
    model = SparseAutoencoder(
        200, sparsity=sparsity, network=network, max_epochs=2
    ).fit(X)
    assert model.transform(X).shape == (100, 200)
    assert model.reconstruct(X).shape == X.shape
    assert (model.transform(X) >= 0).all()


# -- wrong choices ---------------------------------------------------------------------


class SigmoidNetwork(OwnNetwork):
    def encode(self, x):
        return super().encode(x).sigmoid()


WRONG = [
    ({"code_activation": "relu"}, ["code_activation='relu'", "'kl'", "'sigmoid'"]),
    ({"code_activation": "tanh"}, ["code_activation='tanh'", "'kl'", "'l1'"]),
    ({"init": "pca"}, ["code_activation='sigmoid'", "init='random'"]),
    ({"network": OwnNetwork}, ["network=", "'kl'", "sigmoid", "'l1'"]),
    ({"rho": 0.0}, ["rho", "0.0"]),
    ({"rho": 1.0}, ["rho", "1.0"]),
    ({"rho": 1.5}, ["rho", "1.5"]),
    ({"rho": -0.1}, ["rho", "-0.1"]),
    ({"rho": np.nan}, ["rho", "nan"]),
    ({"lambd": -1}, ["lambd", "-1"]),
    ({"lambd": np.inf}, ["lambd", "inf"]),
    ({"sparsity": "KL"}, ["sparsity", "KL", "topk"]),
    ({"k": 0}, ["k", "0"]),
    ({"k": 2.5}, ["k", "2.5"]),
    ({"sparsity": "topk", "k": 11}, ["k=11", "n_components=10"]),
    (
        {"sparsity": "topk", "init": "pca", "code_activation": "identity"},
        ["init='pca'", "'topk'", "init='random'"],
    ),
]


@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
@pytest.mark.parametrize(("params", "words"), WRONG, ids=[str(p) for p, _ in WRONG])
def test_wrong_choice(table, params, words, fitted):
    """The message names the parameter and the remedy; the estimator stays."""
    model = SparseAutoencoder(10, max_epochs=1, random_state=0)
    if fitted:
        model.fit(table)
        codes = model.transform(table)
    model.set_params(**params)
    before = dict(vars(model))
    with pytest.raises(ValueError) as caught:
        model.fit(table)
    assert all(word in str(caught.value) for word in words), caught.value
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    if fitted:
        np.testing.assert_array_equal(model.transform(table), codes)


def test_own_network_with_codes_that_serve(table):
    model = SparseAutoencoder(3, network=SigmoidNetwork, max_epochs=3, random_state=0)
    codes = model.fit(table).transform(table)
    assert 0 < codes.min() < codes.max() < 1
    model.set_params(network=OwnNetwork, sparsity="l1").fit(table)


# -- as any estimator ------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [{"batch_size": 16}, {"sparsity": "l1"}, {"sparsity": "topk", "k": 2}],
    ids=str,
)
def test_pickle_goes_on_where_it_was(seeded_table, params, seed):
    """The running mean included: further calls give the same, bit for bit."""
    X = seeded_table
    model = SparseAutoencoder(8, rho=0.2, random_state=seed, **params)
    model.partial_fit(X).partial_fit(X[:30])
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.transform(X), model.transform(X))
    np.testing.assert_array_equal(copy.mean_activation_, model.mean_activation_)
    np.testing.assert_array_equal(copy.dead_units_, model.dead_units_)
    assert_same_state(copy, model)
    for estimator in (model, copy):
        estimator.partial_fit(X[30:]).partial_fit(X)
    assert_same_state(copy, model)
    np.testing.assert_array_equal(copy.transform(X), model.transform(X))
    np.testing.assert_array_equal(
        copy.history_["train_loss"], model.history_["train_loss"]
    )


def test_running_mean_outlives_partial_fit(seeded_table, seed):
    """The second call's divergence is at the mean of both calls' rows."""
    X = seeded_table
    model = SparseAutoencoder(
        6, rho=0.2, learning_rate=1e-9, batch_size=100, random_state=seed
    )
    first, second = X[:20], X[20:]
    model.partial_fit(first).partial_fit(second)
    keep, share = np.exp(-len(second) / MEMORY), 1 - np.exp(-len(first) / MEMORY)
    means = [model.transform(rows).mean(axis=0) for rows in (first, second)]
    running = np.average(means, axis=0, weights=[share * keep, 1 - keep])
    assert model.history_["train_sparsity"][1] == approx(kl(running, 0.2))


@pytest.mark.parametrize(
    "params",
    [{"lambd": 0}, {"lambd": 0.5}, {"rho": 0.2}, {"sparsity": "l1", "lambd": 0.5}],
    ids=str,
)
def test_warm_start_with_another_penalty(seeded_table, params, seed):
    """It weighs what it now says, at codes of its own."""
    X = seeded_table
    model = SparseAutoencoder(6, code_activation="sigmoid", random_state=seed)
    model.set_params(warm_start=True, max_epochs=2).fit(X)
    model.set_params(**params, **AT_START).fit(X)
    assert model.n_iter_ == 3
    codes, lambd, rho = model.transform(X), model.lambd, model.rho
    expected = lambd * kl(codes.mean(axis=0), rho)
    if model.sparsity == "l1":
        expected = lambd * ACTIVATION_PENALTIES["l1"](codes).mean()
    found = model.history_["train_sparsity"][-1]
    if lambd == 0:
        assert np.isnan(found)
    else:
        assert found == approx(expected)


def test_warm_start_after_no_penalty(table):
    model = SparseAutoencoder(6, warm_start=True, max_epochs=2, lambd=0).fit(table)
    model.set_params(lambd=0.5, **AT_START).fit(table)
    expected = 0.5 * kl(model.transform(table).mean(axis=0), model.rho)
    found = model.history_["train_sparsity"]
    assert np.isnan(found[:2]).all()
    assert found[2] == approx(expected)


@pytest.mark.slow
def test_grid_search(digits):
    X, y = digits[0][:150], (digits[0][:150, 36] > 0.5).astype(int)
    pipeline = Pipeline(
        [
            ("codes", SparseAutoencoder(20, max_epochs=3, random_state=0)),
            ("classifier", LogisticRegression()),
        ]
    )
    grid = {"codes__rho": [0.05, 0.3], "codes__lambd": [0.1, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise")
    search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert scores.shape == (4,)
    assert np.isfinite(scores).all()
    alone = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    np.testing.assert_array_equal(alone.cv_results_["mean_test_score"], scores)
