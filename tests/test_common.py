"""All of scikit-learn's checks on all instances of the registry."""

import os

import numpy as np
import pytest
from registry import (
    HELD_OUT_ROWS,
    MINI_BATCHES,
    NOISE,
    ROUNDING_AT_START,
    SINGLE_PRECISION,
    WEIGHT_CHECKS,
    OwnNetwork,
    expected_failed_checks,
    instances,
    instances_that_fail_for,
)
from sklearn.base import clone
from sklearn.utils import shuffle
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from sklearn_ae import (
    Autoencoder,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)

AUTOENCODERS = [
    Autoencoder,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
]

_CHECKS = parametrize_with_checks(
    instances(), expected_failed_checks=expected_failed_checks
)


# Three epochs from random weights need not get a density anywhere.
@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
# As a list: scikit-learn below 1.8 hands over a generator, which pytest deprecates.
@pytest.mark.parametrize(_CHECKS.args[0], list(_CHECKS.args[1]), **_CHECKS.kwargs)
def test_scikit_learn_check(estimator, check):
    check(estimator)


def test_a_check_that_passes_unexpectedly_is_an_error(request):
    # scikit-learn below 1.8 cannot be told so itself.
    assert request.config.getini("xfail_strict")


def test_parametrisation_runs_every_check_listed_as_failing():
    # A check that was renamed, or is never run, would be listed for nothing.
    for estimator in instances():
        listed = expected_failed_checks(estimator)
        if not listed:
            continue
        results = check_estimator(
            clone(estimator).set_params(max_epochs=1),
            expected_failed_checks=dict.fromkeys(listed, "listed"),
            on_skip=None,
            on_fail=None,
        )
        assert listed.keys() <= {result["check_name"] for result in results}
        break  # all list the same names


@pytest.mark.slow
@pytest.mark.parametrize("cls", AUTOENCODERS)
def test_plain_estimator_passes_every_check(cls):
    expected = dict.fromkeys(WEIGHT_CHECKS, HELD_OUT_ROWS)
    results = check_estimator(cls(), on_skip=None, expected_failed_checks=expected)
    others = [r for r in results if r["check_name"] not in WEIGHT_CHECKS]
    skipped = {r["check_name"] for r in others if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}
    assert {r["status"] for r in others} <= {"passed", "skipped"}
    assert len(others) > 40


@pytest.mark.skipif(
    os.environ.get("SCIPY_ARRAY_API") != "1",
    reason="SCIPY_ARRAY_API=1 is not set, so that scikit-learn skips this check",
)
def test_array_api_check_is_run():
    results = check_estimator(Autoencoder(max_epochs=0), on_skip=None, on_fail=None)
    status = {
        result["status"]
        for result in results
        if result["check_name"].startswith("check_array_api")
    }
    if not status:
        pytest.skip("this scikit-learn checks only estimators with array_api_support")
    assert status == {"passed"}


class OwnNetworkWithoutDropout(OwnNetwork):
    def train(self, mode=True):
        return super().train(False)


# -- the reasons why checks are expected to fail, measured -----------------------------


def _difference_of_weighted_and_repeated(estimator):
    """Relative difference between the codes of both fits, on the check's own data."""
    rng = np.random.RandomState(42)
    X = rng.rand(15, 30)
    y = rng.randint(0, 3, size=15)
    weight = rng.randint(0, 5, size=15)
    repeated = clone(estimator).fit(X.repeat(weight, axis=0), y.repeat(weight))
    repeated = repeated.transform(X)
    order = shuffle(np.arange(15), random_state=0)
    weighted = clone(estimator).fit(X[order], y[order], sample_weight=weight[order])
    weighted = weighted.transform(X)
    return np.abs(repeated - weighted).max() / np.abs(repeated).max()


def _named(reason):
    named = instances_that_fail_for(reason)
    assert named, "no instance gives this reason any more"
    return pytest.mark.parametrize("estimator", named.values(), ids=named.keys())


@_named(SINGLE_PRECISION)
def test_reason_single_precision(estimator):
    # Rounding is all that sets the fits apart, and it grows with the epochs.
    assert 1e-7 < _difference_of_weighted_and_repeated(estimator) < 1e-4
    estimator = clone(estimator).set_params(max_epochs=1)
    assert _difference_of_weighted_and_repeated(estimator) < 1e-5


@_named(ROUNDING_AT_START)
def test_reason_rounding_at_start(estimator):
    # The fits differ by more than rounding, and no longer where the length of a step
    # is that of the gradient.
    assert _difference_of_weighted_and_repeated(estimator) > 1e-4
    estimator = clone(estimator).set_params(optimizer="sgd")
    assert _difference_of_weighted_and_repeated(estimator) < 1e-5


@_named(MINI_BATCHES)
def test_reason_mini_batches(estimator):
    # The fits differ by more than rounding, and no longer without any draw.
    assert _difference_of_weighted_and_repeated(estimator) > 1e-4
    estimator = clone(estimator).set_params(batch_size=1000, dropout=0.0)
    if estimator.network is not None:
        estimator.set_params(network=OwnNetworkWithoutDropout)
    assert _difference_of_weighted_and_repeated(estimator) < 1e-5


# What takes the noise away.
WITHOUT_NOISE = {
    "DenoisingAutoencoder": {"corruption": "gaussian", "corruption_level": 0},
    "ContractiveAutoencoder": {"n_projections": None},
    "StackedAutoencoder": {
        "layer__corruption": "gaussian",
        "layer__corruption_level": 0,
    },
    "VariationalAutoencoder": {"max_epochs": 0},
}


@_named(NOISE)
def test_reason_noise(estimator):
    assert _difference_of_weighted_and_repeated(estimator) > 1e-4
    # Momentum, since Adam's first steps make much of rounding: see above.
    estimator = clone(estimator).set_params(
        optimizer="momentum", **WITHOUT_NOISE[type(estimator).__name__]
    )
    assert _difference_of_weighted_and_repeated(estimator) < 1e-5


@_named(HELD_OUT_ROWS)
def test_reason_held_out_rows(estimator):
    assert _difference_of_weighted_and_repeated(estimator) > 1e-4
    # Momentum, since Adam's first steps make much of rounding: see above.
    estimator = clone(estimator).set_params(
        early_stopping=False,
        batch_size=1000,
        optimizer="momentum",
        **WITHOUT_NOISE.get(type(estimator).__name__, {}),
    )
    assert _difference_of_weighted_and_repeated(estimator) < 1e-5
