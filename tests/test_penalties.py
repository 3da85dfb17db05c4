"""The weight penalties, and the objective that they are part of."""

import copy

import numpy as np
import pytest
import torch
from parts import objective_of, units_of
from scipy.optimize import minimize
from sklearn.base import clone
from torch import nn

from sklearn_ae import Autoencoder, ContractiveAutoencoder, SparseAutoencoder
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.objectives import ActivationL1, L1Penalty, L2Penalty
from sklearn_ae.objectives.losses import NAMED_LOSSES
from sklearn_ae.objectives.penalties import half_squared_l2_norm, l1_norm

PENALTIES = {"l1": l1_norm, "l2": half_squared_l2_norm}
REFERENCES = {
    "l1": lambda weights: sum(np.abs(w).sum() for w in weights),
    "l2": lambda weights: sum((w**2).sum() for w in weights) / 2,
}


def draw_weights(seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in [(4, 6), (1, 4), (6, 1)]]


def draw_table(seed):
    """Correlated columns away from the origin, axes of distinct variances."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    spread = np.array([4.0, 2.5, 1.0, 0.5, 0.3])
    return rng.standard_normal((60, 5)) * spread @ rotation + 3.0


def weight_matrices(est):
    """The weights of the network in the units of the data.

    Its first layers see data divided by `scale_`, its last ones are multiplied by it.
    Where a linear code follows the input directly, the two cancel out.
    """
    matrices = []
    for name, parameter in est.module_.network.named_parameters():
        if not name.endswith("weight"):
            continue
        part, _, index = name.removesuffix(".weight").partition(".")
        factor = 1.0
        if part in ("encoder", "decoder"):
            n_layers = len(getattr(est.module_.network, part))
            factor /= est.scale_ if int(index) == 0 else 1
            factor *= est.scale_ if int(index) == n_layers - 1 else 1
        matrices.append(parameter.detach().double().numpy() * factor)
    return matrices


# -- the penalties ---------------------------------------------------------------------


@pytest.mark.parametrize("name", PENALTIES)
def test_formula(name, seed):
    weights = draw_weights(seed)
    value = PENALTIES[name]([torch.from_numpy(w) for w in weights])
    assert value.shape == ()
    np.testing.assert_allclose(value, REFERENCES[name](weights), rtol=1e-12)


@pytest.mark.parametrize("name", PENALTIES)
def test_gradient_against_finite_differences(name, seed):
    weights = draw_weights(seed)
    tensors = [torch.from_numpy(w).requires_grad_() for w in weights]
    PENALTIES[name](tensors).backward()
    step = 1e-6
    for which, weight in enumerate(weights):
        for index in np.ndindex(*weight.shape):
            values = []
            for sign in (1, -1):
                moved = [w.copy() for w in weights]
                moved[which][index] += sign * step
                values.append(REFERENCES[name](moved))
            numeric = (values[0] - values[1]) / (2 * step)
            assert tensors[which].grad[index] == pytest.approx(numeric, abs=1e-6)


# -- the objective ---------------------------------------------------------------------


class PassThrough(DenseNetwork):
    """Has weights to be penalised, and its input as reconstruction."""

    def encode(self, x):
        return x

    decode = encode


def weight_penalties(**weights):
    classes = {"l1": L1Penalty, "l2": L2Penalty}
    return {name: classes[name](weight) for name, weight in weights.items()}


def objective_parts(seed):
    torch.manual_seed(seed)
    module = PassThrough(4, 2, hidden_layer_sizes=(3,)).double()
    module.reset_parameters_from(torch.Generator().manual_seed(seed))
    return module, torch.randn(7, 4).double(), torch.randn(7, 4).double()


@pytest.mark.parametrize("name", PENALTIES)
def test_biases_are_not_penalised(name, seed):
    module, x, y = objective_parts(seed)
    objective = objective_of("mse", 4, **weight_penalties(**{name: 0.7}))
    before = objective(module, x, y, None)[0][name]
    with torch.no_grad():
        for bias in (p for n, p in module.named_parameters() if n.endswith("bias")):
            bias.fill_(1e3)
    assert torch.equal(before, objective(module, x, y, None)[0][name])
    weights = [
        p.detach().numpy() for n, p in module.named_parameters() if n.endswith("weight")
    ]
    assert before.item() == pytest.approx(0.7 * REFERENCES[name](weights))


def test_tied_weights_are_penalised_once():
    """They are one parameter; the formula sums over parameters."""
    module = DenseNetwork(4, 2, tied_weights=True).double()
    module.reset_parameters_from(torch.Generator().manual_seed(0))
    x = torch.zeros(3, 4).double()
    terms, _ = objective_of("mse", 4, **weight_penalties(l2=2.0))(module, x, x, None)
    weight = module.encoder[0].weight.detach().numpy()
    assert terms["l2"].item() == pytest.approx((weight**2).sum())


def test_terms_by_name(seed):
    module, x, y = objective_parts(seed)
    penalties = weight_penalties(l1=0.1, l2=0.0)
    terms, reconstruction = objective_of("mae", 4, **penalties)(module, x, y, None)
    assert torch.equal(reconstruction, x)
    # A penalty of weight zero does not take part.
    assert list(terms) == ["reconstruction", "l1"]
    expected = np.abs(x.numpy() - y.numpy()).sum(axis=1).mean()
    assert terms["reconstruction"].item() == pytest.approx(expected)


def test_weights_of_rows(seed):
    module, x, y = objective_parts(seed)
    weight = torch.rand(7).double()
    terms, _ = objective_of("mse", 4)(module, x, y, weight)
    rows = 0.5 * ((x - y) ** 2).sum(1)
    assert terms["reconstruction"].item() == pytest.approx(
        (rows * weight).mean().item()
    )


@pytest.mark.parametrize("scale", [0.01, 1.0, 25.0])
@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_scaled_objective_is_worth_the_same(loss, scale, seed):
    """In units of the data the terms do not depend on the network's scale."""
    module, x, y = objective_parts(seed)
    penalties = weight_penalties(l1=0.3, l2=0.2)
    reference, _ = objective_of(loss, 4, **penalties)(module, x, y, None)
    objective = objective_of(loss, 4, units=units_of(4, scale), **penalties)
    terms, _ = objective(module, x / scale, y / scale, None)
    for name in reference:
        torch.testing.assert_close(objective.unit * terms[name], reference[name])


@pytest.mark.parametrize("validation", [None, 0.5])
@pytest.mark.parametrize("scaled", [1.0, 30.0])
def test_history_holds_the_objective_in_units_of_the_data(validation, scaled, seed):
    """J = mean 1/2 ||x - xhat||^2 + l1 sum |W| + l2/2 sum W^2, by hand."""
    X = scaled * draw_table(seed)
    est = Autoencoder(
        2,
        hidden_layer_sizes=(6,),
        l1_penalty=0.02,
        l2_penalty=0.3,
        learning_rate=1e-9,  # the weights stay where they are
        max_epochs=1,
        validation=validation,
        random_state=seed,
    ).fit(X)
    weights = weight_matrices(est)
    table = est.history_
    sets = ["train", "valid"] if validation else ["train"]
    for prefix in sets:
        assert table[f"{prefix}_l1"][0] == pytest.approx(
            0.02 * REFERENCES["l1"](weights), rel=1e-5
        )
        assert table[f"{prefix}_l2"][0] == pytest.approx(
            0.3 * REFERENCES["l2"](weights), rel=1e-5
        )
        total = sum(table[f"{prefix}_{t}"][0] for t in ("reconstruction", "l1", "l2"))
        assert table[f"{prefix}_loss"][0] == pytest.approx(total, rel=1e-9)
    # All rows, in training or held out.
    rows = 0.5 * ((X - est.reconstruct(X)) ** 2).sum(axis=1)
    sizes = {"train": 30, "valid": 30} if validation else {"train": 60}
    found = sum(n * table[f"{s}_reconstruction"][0] for s, n in sizes.items())
    assert found == pytest.approx(rows.sum(), rel=1e-5)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "bce"])
def test_reported_loss_is_that_of_the_reconstructions(loss, seed):
    """Without penalties the net has a scale of its own, which must not show."""
    X = draw_table(seed)
    X = (X - X.min()) / np.ptp(X) * (1 if loss == "bce" else 40)
    params = {"init": "random", "learning_rate": 1e-9, "max_epochs": 1}
    est = Autoencoder(2, loss=loss, validation=None, **params).fit(X)
    reference = NAMED_LOSSES[loss](
        torch.from_numpy(est.reconstruct(X)), torch.from_numpy(X)
    ).mean()
    assert est.loss_curve_[0] == pytest.approx(reference.item(), rel=1e-4)


def outputs(est, X):
    return est.transform(X), est.reconstruct(X), est.loss_curve_


@pytest.mark.parametrize(
    "zero",
    [{"l1_penalty": 0}, {"l1_penalty": 0.0, "l2_penalty": 0.0}, {"dropout": 0}],
    ids=str,
)
def test_weight_zero_is_the_plain_autoencoder(zero, seed):
    X = draw_table(seed).astype(np.float32)
    # On all rows, and long enough that neither goes back to the PCA start.
    params = {
        "n_components": 2,
        "max_epochs": 40,
        "validation": None,
        "random_state": seed,
    }
    plain = Autoencoder(**params).fit(X)
    assert plain.best_candidate_ == 1
    for a, b in zip(
        outputs(plain, X), outputs(Autoencoder(**params, **zero).fit(X), X), strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("params", [{"dropout": 0.5}, {"l1_penalty": 1.0}], ids=str)
def test_weight_above_zero_is_not(params):
    """The control of the test above."""
    X = draw_table(0)
    fixed = {"max_epochs": 40, "validation": None, "random_state": 0}
    plain = Autoencoder(2, **fixed).fit(X)
    assert not np.allclose(
        plain.reconstruct(X), Autoencoder(2, **fixed, **params).fit(X).reconstruct(X)
    )


@pytest.mark.parametrize("factor", [1e-4, 1e5])
@pytest.mark.parametrize(("loss", "degree"), [("mse", 2), ("mae", 1)])
def test_units_of_the_data(factor, loss, degree, seed):
    """Another unit of length: the same fit, written in that unit."""
    X = draw_table(seed)
    est = Autoencoder(2, loss=loss, validation=0.2, max_epochs=5, random_state=seed)
    a, b = copy.copy(est).fit(X), copy.copy(est).fit(factor * X)
    np.testing.assert_allclose(
        b.reconstruct(factor * X) / factor, a.reconstruct(X), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(b.loss_curve_ / factor**degree, a.loss_curve_, rtol=1e-3)
    assert b.scale_ == pytest.approx(factor * a.scale_)
    np.testing.assert_allclose(b.mean_, factor * a.mean_)


# -- from no penalty to a small one ----------------------------------------------------

WALKS = {
    "l1": (Autoencoder(2, init="random"), "l1_penalty"),
    "l2": (Autoencoder(2, init="random"), "l2_penalty"),
    "l2_tied": (Autoencoder(2, init="random", tied_weights=True), "l2_penalty"),
    "l2_pca_start": (Autoencoder(2, loss="mae"), "l2_penalty"),
    "activation": (
        Autoencoder(2, init="random", penalties=[ActivationL1(0.0)]),
        "penalties__0__weight",
    ),
    "sparse_kl": (SparseAutoencoder(8), "lambd"),
    "sparse_l1": (SparseAutoencoder(8, sparsity="l1"), "lambd"),
    "sparse_l2": (SparseAutoencoder(8, sparsity="l2"), "lambd"),
    "contractive": (ContractiveAutoencoder(2), "lambd"),
    "contractive_linear": (
        ContractiveAutoencoder(2, code_activation="identity"),
        "lambd",
    ),
}


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("name", WALKS)
def test_a_tiny_penalty_is_nearly_none(name, unit):
    """Nothing jumps where a penalty becomes positive, whatever the units."""
    prototype, parameter = WALKS[name]
    X = unit * draw_table(0)
    spread = np.sqrt(X.var(axis=0).mean())

    def outputs(weight):
        # Steps as long as the gradient, of all rows, so that rounding does not grow.
        model = clone(prototype).set_params(
            max_epochs=3,
            batch_size=60,
            validation=None,
            optimizer="sgd",
            learning_rate=0.01,
            random_state=0,
            **{parameter: weight},
        )
        return model.fit(X).reconstruct(X)

    none = outputs(0.0)
    # Relative to the loss, which is in squares of the unit at most.
    smallest = min(unit**2, 1.0)
    for share in (1e-30, 1e-12, 1e-9):
        np.testing.assert_allclose(
            outputs(share * smallest), none, rtol=0, atol=1e-5 * spread
        )


# -- minimisers ------------------------------------------------------------------------


# Quasi-Newton steps converge fast where the objective is smooth. (AdamW, the default,
# has a weight decay of its own, which is no part of the objective.)
SMOOTH = {
    "optimizer": torch.optim.LBFGS,
    "optimizer_params": {"line_search_fn": "strong_wolfe"},
    "learning_rate": 1.0,
    "learning_rate_schedule": "constant",
    "max_epochs": 8,
}
KINKED = {
    "optimizer": "adam",
    "learning_rate": 0.1,
    "learning_rate_schedule": "cosine",
    "max_epochs": 500,
}


def linear_autoencoder(X, **params):
    """A linear network, trained to convergence on all rows."""
    return Autoencoder(
        2,
        activation="identity",
        hidden_layer_sizes=(),
        init="random",
        validation=None,
        batch_size=len(X),
        random_state=0,
        **(KINKED if params.get("l1_penalty") else SMOOTH),
        **params,
    ).fit(X)


def objective_by_hand(est, X, l1=0.0, l2=0.0):
    weights = weight_matrices(est)
    rows = 0.5 * ((X - est.reconstruct(X)) ** 2).sum(axis=1)
    return rows.mean() + l1 * REFERENCES["l1"](weights) + l2 * REFERENCES["l2"](weights)


@pytest.mark.parametrize("scaled", [1.0, 20.0])
@pytest.mark.parametrize("tied", [False, True])
def test_l2_optimum_in_closed_form(scaled, tied, seed):
    """Kunin et al. (2019): each axis of variance v is shrunk by 1 - l2 / v.

    The weights of encoder and decoder are then transposes of each other; tied ones
    are counted once, which halves the penalty.
    """
    X = draw_table(seed) * scaled
    variances = np.linalg.eigvalsh(np.cov(X.T, bias=True))[::-1]
    l2 = variances[1] / 2  # leaves its mark, and both axes alive
    effective = l2 / 2 if tied else l2
    share = 1 - effective / variances[:2]
    optimum = (
        0.5 * (variances[:2] * (1 - share) ** 2).sum()
        + 0.5 * variances[2:].sum()
        + effective * share.sum()
    )
    est = linear_autoencoder(X, l2_penalty=l2, tied_weights=tied)
    found = objective_by_hand(est, X, l2=l2)
    assert optimum * (1 - 1e-5) <= found <= optimum * 1.01
    # The history agrees with the value by hand.
    assert est.loss_curve_[-1] == pytest.approx(found, rel=1e-3)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_penalised_optimum_against_scipy(penalty, seed):
    """A general-purpose minimiser of J, written down in NumPy, finds no less."""
    X = draw_table(seed)
    centred = X - X.mean(axis=0)
    n, p = X.shape
    coefficient = 0.3

    def objective(flat):
        W, V = flat[: 2 * p].reshape(2, p), flat[2 * p :].reshape(p, 2)
        residual = centred @ W.T @ V.T - centred
        value = 0.5 * (residual**2).sum() / n
        gradient_V = residual.T @ (centred @ W.T) / n
        gradient_W = V.T @ residual.T @ centred / n
        value += coefficient * REFERENCES[penalty]([W, V])
        if penalty == "l2":
            gradient_W, gradient_V = (
                gradient_W + coefficient * W,
                gradient_V + (coefficient * V),
            )
        else:
            gradient_W = gradient_W + coefficient * np.sign(W)
            gradient_V = gradient_V + coefficient * np.sign(V)
        return value, np.concatenate([gradient_W.ravel(), gradient_V.ravel()])

    rng = np.random.default_rng(seed)
    best = np.inf
    for _ in range(5):
        at = rng.standard_normal(4 * p)
        for _ in range(3):  # L-BFGS stops early at the corners of |W|
            result = minimize(objective, at, jac=True, method="L-BFGS-B")
            at = result.x
        best = min(best, result.fun)
    est = linear_autoencoder(X, **{f"{penalty}_penalty": coefficient})
    assert objective_by_hand(est, X, **{penalty: coefficient}) <= best * 1.01


def test_no_penalty_reaches_the_principal_subspace(seed):
    X = draw_table(seed)
    variances = np.linalg.eigvalsh(np.cov(X.T, bias=True))
    est = linear_autoencoder(X)
    assert objective_by_hand(est, X) == pytest.approx(variances[:3].sum() / 2, rel=1e-2)


def test_l1_penalty_makes_weights_small():
    X = draw_table(0)
    shares = []
    for l1 in (0.0, 1.0):
        est = linear_autoencoder(X, l1_penalty=l1)
        weights = np.concatenate([w.ravel() for w in weight_matrices(est)])
        shares.append((np.abs(weights) < 0.02).mean())
    assert shares[1] > shares[0]


def test_penalty_reaches_a_network_of_the_users():
    class Mine(nn.Module):
        def __init__(self, n_features, n_components):
            super().__init__()
            self.inner = nn.Linear(n_features, n_components)
            self.outer = nn.Linear(n_components, n_features)

        def encode(self, x):
            return self.inner(x)

        def decode(self, z):
            return self.outer(z)

    X = draw_table(0)
    est = Autoencoder(
        2,
        network=Mine,
        l2_penalty=0.5,
        learning_rate=1e-9,
        max_epochs=1,
        validation=None,
    ).fit(X)
    expected = 0.5 * REFERENCES["l2"](weight_matrices(est))
    assert est.history_["train_l2"][0] == pytest.approx(expected, rel=1e-5)
