"""Fixtures that several test files share."""

import signal

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

plt.switch_backend("agg")  # no test needs a screen


def pytest_addoption(parser):
    parser.addoption(
        "--fuzz",
        type=int,
        default=80,
        metavar="N",
        help="number of random cases of autoencoders in tests/test_fuzz.py",
    )


@pytest.fixture(autouse=True)
def interruptible():
    """Ctrl-C raises KeyboardInterrupt, whatever the shell that started the tests does.

    Background jobs of scripts start with SIGINT ignored, and processes that the tests
    start inherit that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(params=[0, 42], ids=lambda seed: f"seed{seed}")
def seed(request):
    """Random seeds; a test that takes them must pass for each."""
    return request.param


@pytest.fixture(scope="session")
def digits():
    """Training and test half of scikit-learn's digits, scaled to [0, 1]."""
    X = load_digits().data / 16
    halves = train_test_split(X, test_size=0.5, random_state=0)
    for half in halves:
        half.setflags(write=False)  # one test must not change another's data
    return halves


def draw_table(seed):
    """A small table with correlated columns of unequal means and scales."""
    rng = np.random.RandomState(seed)
    latent = rng.standard_normal((60, 3))
    X = np.hstack([latent, latent**2, np.sin(2 * latent)]) @ rng.standard_normal((9, 7))
    X += 0.1 * rng.standard_normal(X.shape)
    return X * rng.uniform(0.5, 2, size=7) + rng.uniform(-3, 3, size=7)


@pytest.fixture
def table():
    return draw_table(0)


@pytest.fixture
def seeded_table(seed):
    """Another table for every seed."""
    return draw_table(seed)


@pytest.fixture
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def untouched_generators():
    """Fail if the global generators of numpy or torch move during the test."""
    # Unusual seeds, so that a call which sets a common one is noticed too.
    np.random.seed(981_234)  # noqa: NPY002
    torch.manual_seed(981_234)
    numpy_before = np.random.get_state()  # noqa: NPY002
    torch_before = torch.random.get_rng_state()
    yield
    numpy_after = np.random.get_state()  # noqa: NPY002
    assert numpy_after[0] == numpy_before[0]
    np.testing.assert_array_equal(numpy_after[1], numpy_before[1])
    assert numpy_after[2:] == numpy_before[2:]
    assert torch.equal(torch.random.get_rng_state(), torch_before)
