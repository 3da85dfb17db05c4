"""scikit-learn's checks of estimators.

The representatives take all of them. The other instances differ from a representative
in their settings only, and take those checks that depend on what is computed.
"""

import os
from functools import partial

import pytest
from registry import (
    OwnNetwork,
    draws_over_rows,
    instances,
    representatives,
)
from sklearn.base import clone
from sklearn.utils import estimator_checks

# They ask for seven equal digits from fits with weights and with repeated rows. That is
# all that single precision has: whether an estimator passes depends on the processor.
# `test_weights_are_repeated_rows` runs them with a tolerance.
WEIGHT_CHECKS = [  # dense, then sparse
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
]
# What depends on the settings of an instance. What they leave in files is in
# test_files.py, for all of them, too.
CHECKS_OF_COMPUTATION = {
    "check_dict_unchanged",
    "check_estimator_cloneable",
    "check_fit2d_1feature",
    "check_fit_idempotent",
    "check_get_params_invariance",
    "check_methods_subset_invariance",
    "check_sample_weights_not_overwritten",
}
# Fits that differ from another check's in the class of the table only: sparse matrices
# after sparse arrays. The classes with a validation of their own take them; the others
# share that of the first.
REPEATED_CHECKS = {
    "check_estimator_sparse_matrix": {
        "share_of_variance",
        "gaps",
        "regressor",
        "outlier_detector_share",
    },
}


def _checks(estimator):
    """Pairs of name and check, without those of the weights."""
    generator = estimator_checks.estimator_checks_generator(estimator)
    # Some checks come twice, with other arguments.
    checks = [(check.func.__name__, check) for _, check in generator]
    return [(name, check) for name, check in checks if name not in WEIGHT_CHECKS]


def _parameters():
    full = representatives()
    for instance, estimator in instances().items():
        for name, check in _checks(estimator):
            takers = REPEATED_CHECKS.get(name, full)
            if instance in takers or name in CHECKS_OF_COMPUTATION:
                marks = () if instance in full else pytest.mark.pinned
                case = f"{instance}-{name}"
                yield pytest.param(estimator, check, id=case, marks=marks)


# Three epochs from random weights need not give a usable density.
@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
@pytest.mark.parametrize(("estimator", "check"), list(_parameters()))
def test_scikit_learn_check(estimator, check):
    check(estimator)


def test_names_of_checks_are_scikit_learns():
    names = {name for name, _ in _checks(instances()["plain"])}
    assert names >= CHECKS_OF_COMPUTATION
    for name in WEIGHT_CHECKS:
        assert hasattr(estimator_checks, name)


@pytest.mark.skipif(
    os.environ.get("SCIPY_ARRAY_API") != "1",
    reason="SCIPY_ARRAY_API=1 is not set, so that scikit-learn skips this check",
)
def test_array_api_check_is_run():
    checks = dict(_checks(instances()["plain"]))
    if "check_array_api_input" not in checks:
        pytest.skip("this scikit-learn checks only estimators with array_api_support")
    checks["check_array_api_input"](
        clone(instances()["plain"])
    )  # skips by an exception


# -- weights are repeated rows ---------------------------------------------------------

# Single precision has an epsilon of 1.2e-7. The gradient sums some 40 rows in another
# order, and three steps pass its rounding on; a hundred epsilons allow for that.
ROUNDING = 1e-5
# Momentum, because its steps are as long as the gradient. Those of Adam have full
# length even where the gradient is zero up to rounding, as it is at the PCA start.
FULL_BATCH_STEPS = {
    "validation": None,
    "batch_size": 1000,
    "optimizer": "momentum",
    "optimizer_params": None,
    "learning_rate": 0.1,
    "max_epochs": 3,
    "dropout": 0.0,
}
WITHOUT_DRAWS = {
    "ContractiveAutoencoder": {"n_projections": None},
    "DenoisingAutoencoder": {"corruption": "gaussian", "corruption_level": 0},
    "StackedAutoencoder": {
        "layer__corruption": "gaussian",
        "layer__corruption_level": 0,
    },
    "VariationalAutoencoder": {"max_epochs": 0},
}


@pytest.fixture
def weight_check(monkeypatch):
    """Runs one of the checks, with an estimator and a tolerance."""

    def check(name, estimator, tolerance):
        tolerant = partial(
            estimator_checks.assert_allclose_dense_sparse,
            rtol=tolerance,
            atol=tolerance,
        )
        with monkeypatch.context() as patch:
            patch.setattr(estimator_checks, "assert_allclose_dense_sparse", tolerant)
            getattr(estimator_checks, name)("name", estimator)

    return check


def _without_draws(estimator):
    """The estimator with nothing that is drawn for every row."""
    params = estimator.get_params()
    changes = FULL_BATCH_STEPS | WITHOUT_DRAWS.get(type(estimator).__name__, {})
    if params.get("network") is OwnNetwork:
        changes["network"] = OwnNetworkWithoutDropout
    changes = {name: value for name, value in changes.items() if name in params}
    return clone(estimator).set_params(**changes)


class OwnNetworkWithoutDropout(OwnNetwork):
    def train(self, mode=True):
        return super().train(False)


def _weight_parameters(names):
    """Instances and checks; that of sparse tables for representatives only."""
    for name in names:
        for check in WEIGHT_CHECKS if name in representatives() else WEIGHT_CHECKS[:1]:
            yield pytest.param(instances()[name], check, id=f"{name}-{check}")


@pytest.mark.pinned
@pytest.mark.filterwarnings("ignore:The posterior has collapsed")
@pytest.mark.parametrize(("estimator", "name"), list(_weight_parameters(instances())))
def test_weights_are_repeated_rows(estimator, name, weight_check):
    weight_check(name, _without_draws(estimator), ROUNDING)


@pytest.mark.pinned
@pytest.mark.parametrize(
    ("estimator", "name"), list(_weight_parameters(draws_over_rows()))
)
def test_draws_over_rows_are_why_weights_differ(estimator, name, weight_check):
    """So that the test above does not change more than it must."""
    with pytest.raises(AssertionError, match="not equivalent"):
        weight_check(name, estimator, 10 * ROUNDING)
