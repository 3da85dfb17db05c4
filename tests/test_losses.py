"""The reconstruction losses against their formulas in NumPy."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from sklearn_ae.objectives import Huber
from sklearn_ae.objectives.losses import NAMED_LOSSES

# That of mixed tables has a file of its own, tests/test_mixed.py.
LOSSES = {name: loss for name, loss in NAMED_LOSSES.items() if name != "mixed"}

SHAPES = [(1, 1), (1, 7), (5, 1), (4, 3), (33, 17)]


def numpy_huber(x, y, delta=1.0):
    r = np.abs(x - y)
    return np.where(r <= delta, r**2 / 2, delta * (r - delta / 2)).sum(axis=1)


REFERENCES = {
    "mse": lambda x, y: 0.5 * ((x - y) ** 2).sum(axis=1),
    "mae": lambda x, y: np.abs(x - y).sum(axis=1),
    "huber": numpy_huber,
    "bce": lambda x, y: -(y * np.log(x) + (1 - y) * np.log(1 - x)).sum(axis=1),
}


def draw(name, shape, seed):
    """A reconstruction and a target in the domain of the loss."""
    rng = np.random.default_rng(seed)
    # Wide enough for both branches of huber.
    x, y = 2 * rng.standard_normal((2, *shape))
    return (expit(x), expit(y)) if name == "bce" else (x, y)


def test_every_loss_has_a_reference():
    assert set(LOSSES) == set(REFERENCES)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_formula(name, shape, seed):
    x, y = draw(name, shape, seed)
    loss = LOSSES[name](torch.from_numpy(x), torch.from_numpy(y))
    assert loss.shape == shape[:1]
    assert loss.dtype == torch.float64
    np.testing.assert_allclose(loss, REFERENCES[name](x, y), rtol=1e-12)


@pytest.mark.parametrize("delta", [0.1, 1.0, 30.0])
def test_huber_delta(delta, seed):
    x, y = draw("huber", (9, 4), seed)
    loss = Huber(delta)(torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_allclose(loss, numpy_huber(x, y, delta), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_single_precision_stays(name):
    x, y = (a.astype(np.float32) for a in draw(name, (6, 5), 0))
    loss = LOSSES[name](torch.from_numpy(x), torch.from_numpy(y))
    assert loss.dtype == torch.float32
    reference = REFERENCES[name](x.astype(float), y.astype(float))
    np.testing.assert_allclose(loss, reference, rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_zero_at_the_target(name):
    _, y = draw(name, (6, 5), 0)
    if name == "bce":  # whose minimum is the target's entropy, zero for bits
        y = y.round()
    y = torch.from_numpy(y)
    assert torch.equal(LOSSES[name](y, y), torch.zeros(6, dtype=torch.float64))


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_against_finite_differences(name, seed):
    x, y = draw(name, (3, 4), seed)
    loss = LOSSES[name]
    x_tensor = torch.from_numpy(x).requires_grad_()
    loss(x_tensor, torch.from_numpy(y)).sum().backward()
    step = 1e-6
    numeric = np.empty_like(x)
    for index in np.ndindex(*x.shape):
        values = []
        for sign in (1, -1):
            moved = x.copy()
            moved[index] += sign * step
            values.append(REFERENCES[name](moved, y).sum())
        numeric[index] = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(x_tensor.grad, numeric, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-3, 0.5, 7.0])
@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_degree_of_homogeneity(name, scale, seed):
    """The estimator relies on it when it trains in units of its own."""
    x, y = map(torch.from_numpy, draw(name, (8, 5), seed))
    loss = LOSSES[name]
    in_network_units = loss.for_scaled_data(scale)
    torch.testing.assert_close(
        loss(scale * x, scale * y), scale**loss.degree * in_network_units(x, y)
    )


@pytest.mark.parametrize("name", LOSSES)
def test_total_is_the_sum_over_the_rows(name):
    x, y = map(torch.from_numpy, draw(name, (8, 5), 0))
    loss = LOSSES[name]
    torch.testing.assert_close(loss(x, y, total=True), loss(x, y).sum())


def test_bce_declares_units_of_its_own():
    assert LOSSES["bce"].degree is None


def test_bce_is_finite_at_the_ends():
    """A saturated sigmoid is exactly 0 or 1 in floating point."""
    x = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    y = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    loss = LOSSES["bce"](x, y)
    loss.sum().backward()
    assert loss[0] == 0
    assert loss[1] == 200  # two entries wrong, each bounded by 100
    assert torch.isfinite(x.grad).all()
