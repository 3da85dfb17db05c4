"""Random cases: each ends in a right answer or in an error that names the fault.

A case is an estimator with random parameters and a random table, drawn from a seed of
its own: ``pytest tests/test_fuzz.py --fuzz 10000`` runs the seeds below 10,000, and
prints the case of a seed that fails.
"""

import copy
import pickle
import re
import traceback
import warnings
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
import sklearn
from fuzz_cases import AUTOENCODERS, OTHERS, draw_params, draw_table
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from test_reliability import EVENTS, Failing

import sklearn_ae
from sklearn_ae.model_selection import BatchedGridSearchCV

OURS = Path(sklearn_ae.__file__).parent
SKLEARN = Path(sklearn.__file__).parent
TABLE_WORDS = (
    r"sample|feature|column|\brow|NaN|infinity|finite|scale|[Dd]im|[Ss]parse|dtype|"
    r"Complex|convert|number|n_components|array|matrix|\[0, 1\]"
)
# With these, results depend on the units of the table.
WITH_UNITS = ("lambd", "l1_penalty", "l2_penalty", "penalties", "corruption", "layer")
# Our own, beside convergence warnings; the second is scikit-learn's.
WARNINGS = r"sklearn_ae|feature names|ignored, since|outliers|orders of magnitude"


# -- the rule --------------------------------------------------------------------------


def attempt(function, *args):
    """The result and no error, or no result and a ValueError or TypeError."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result, error = function(*args), None
        except (ValueError, TypeError) as refusal:
            result, error = None, refusal
    for warning in caught:
        is_meant = warning.category is UserWarning and re.search(
            WARNINGS, str(warning.message)
        )
        assert is_meant or issubclass(warning.category, ConvergenceWarning), warning
    return result, error


def assert_names_culprit(error, model, drawn, table):
    """It comes from a validation, and names what was drawn or a fault of the table."""
    frames = [Path(f.filename) for f in traceback.extract_tb(error.__traceback__)]
    # Within scikit-learn's validation, conversions by other libraries may fail.
    is_validated = any(SKLEARN / "utils" in file.parents for file in frames)
    assert is_validated or {OURS, SKLEARN} & set(frames[-1].parents), frames[-1]
    words = [rf"\b{name}\b" for name in drawn]
    for value in (getattr(model, name) for name in drawn):
        parts = value if isinstance(value, list) else [value]
        words += [re.escape(repr(part)) for part in parts]
    if table.faults or "warm_start" in drawn or has_parameters_with_units(model):
        words.append(TABLE_WORDS)
    assert re.search("|".join(words) or r"\A\Z", str(error)), f"{error}"


def has_parameters_with_units(model):
    """Whether any of them may be set; odd values have no truth value."""
    values = (getattr(model, name, None) for name in WITH_UNITS)
    return any(repr(value) not in ("None", "0", "0.0", "()") for value in values)


def state(model, X):
    """The numbers that a fitted estimator holds, and what it says about `X`."""
    method = "transform" if hasattr(model, "transform") else "score_samples"
    values = vars(model) | {method: getattr(model, method)(X)}
    arrays = {k: v for k, v in values.items() if isinstance(v, np.ndarray)}
    return {k: v.tobytes() for k, v in arrays.items() if v.dtype != object}


def assert_unchanged(model, before, X):
    """`before` are the attributes and the state."""
    attributes, bits = before
    assert vars(model).keys() == attributes.keys()
    assert all(vars(model)[name] is value for name, value in attributes.items())
    assert state(model, X) == bits


# -- right answers ---------------------------------------------------------------------


def outputs(model, X):
    """What a fitted estimator of any kind says about `X`."""
    methods = ["transform", "reconstruct", "reconstruction_error", "score_samples"]
    methods += ["predict", "predict_proba", "decision_function", "feature_errors"]
    return {m: getattr(model, m)(X) for m in methods if hasattr(model, m)}


def assert_right(model, X, given, y):
    """The outputs are finite and consistent, and do not depend on the container."""
    results = outputs(model, X)
    for name, values in results.items():
        assert len(values) == len(X), name
        if values.dtype.kind == "f":
            assert np.isfinite(values).all(), name
    for name, values in outputs(model, given).items():
        np.testing.assert_array_equal(values, results[name], err_msg=name)
    for name, value in vars(model).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert np.isfinite(value[~np.isnan(value)]).all(), name
    if "reconstruct" in results:
        assert_right_codes(model, X, results)
    elif "transform" not in results:
        assert set(results["predict"]) <= {-1, 1}
        assert (results["score_samples"] <= 0).all()
        assert len(X) < 7 or np.mean(results["predict"] < 0) <= 0.5
    elif "predict_proba" in results:
        np.testing.assert_allclose(results["predict_proba"].sum(axis=1), 1, rtol=1e-5)
        assert set(results["predict"]) <= set(y)
    else:
        assert results["predict"].shape == y.shape


def assert_right_codes(model, X, results):
    """Codes, reconstructions and scores of autoencoders."""
    codes, output = results["transform"], results["reconstruct"]
    assert codes.dtype == X.dtype
    assert codes.shape == (len(X), model.n_components_)
    # Rounding of codes is relative to the largest number that is computed with.
    size = float(np.abs(X).max()) + float(np.abs(output).max()) + model.scale_
    tolerance = 1e-3 if X.dtype == np.float32 else 1e-6
    np.testing.assert_allclose(
        model.inverse_transform(codes) / size, output / size, rtol=0, atol=tolerance
    )
    exact = X.astype(np.longdouble)
    errors = np.square(exact - output)
    total = np.square(exact - exact.mean(axis=0)).sum()
    score = model.score(X)
    assert np.isfinite(score)
    assert score <= 1
    if total > 1e-8 * X.size * np.square(np.longdouble(size)):
        expected = float(1 - errors.sum() / total)
        assert score == pytest.approx(expected, rel=1e-3, abs=1e-3)


# -- further promises, of which a case tests one ---------------------------------------


def check_failing_callback(model, X, random):
    """A failure at any event changes nothing."""
    model.set_params(callbacks=[Failing(random.choice(EVENTS))], max_epochs=1)
    before = dict(vars(model)), state(model, X)
    try:
        getattr(model, random.choice(["fit", "partial_fit"]))(X)
    except ZeroDivisionError:
        assert_unchanged(model, before, X)
    else:
        assert model.n_iter_ == 0, "events of a training are not heard of"


def check_resumption(model, X, random):
    """Training goes on after pickling as if nothing had happened."""
    again = pickle.loads(pickle.dumps(model))
    for one in (model, again):
        one.partial_fit(X)
    again = copy.deepcopy(again).partial_fit(X)
    assert state(model.partial_fit(X), X) == state(again, X)


def check_units(model, X, random):
    """A table times a power of two has the codes times this power, to the bit."""
    has_units = model.get_params(deep=False).get("loss") in ("mse", "mae")
    if not has_units or has_parameters_with_units(model):
        return
    if model.output_activation not in ("auto", "identity") or model.warm_start:
        return
    if callable(getattr(model, "network", None)) or model.code_activation != "identity":
        return
    factor = 2.0 ** random.choice([-50, -3, 10, 50]) / 2.0 ** np.rint(
        np.log2(np.abs(X).max())
    )
    scaled = clone(model).fit(X * factor)
    np.testing.assert_array_equal(
        scaled.transform(X * factor), factor * clone(model).fit(X).transform(X)
    )


FURTHER = (check_failing_callback, check_resumption, check_units)


# -- cases -----------------------------------------------------------------------------


@cache
def _fitted(cls):
    X = np.random.RandomState(0).standard_normal((12, 3))
    params, _, _ = draw_params(Random(0), cls, is_changed=False)
    return fit(cls(**params), X, labels(cls, X)), X


def labels(cls, X):
    """Labels for classifiers, numbers for regressors, or None."""
    if cls in AUTOENCODERS:
        return None
    n = len(X) if np.ndim(X) else 3
    return np.arange(n) % 2 if cls is not OTHERS[1] else np.linspace(0, 1, n)


def fit(model, X, y):
    return model.fit(X) if y is None else model.fit(X, y)


def run(cls, random):
    """Draw a case and hold it against the rules."""
    params, drawn, wrong = draw_params(random, cls)
    table = draw_table(random)
    y = labels(cls, table.plain)
    print(f"{cls.__name__}(**{params})\n{table}")  # seen if the test fails
    fresh = cls().set_params(**params)
    used, X = copy.deepcopy(_fitted(cls))
    used.set_params(**clone(fresh).get_params(deep=False))
    before = dict(vars(used)), state(used, X)
    _, error = attempt(fit, fresh, table.given, y)
    _, error_of_used = attempt(fit, used, table.given, y)
    if error_of_used is not None:
        assert_unchanged(used, before, X)
        assert_names_culprit(error_of_used, used, drawn, table)
    if error is not None:
        assert_names_culprit(error, fresh, drawn, table)
        assert vars(fresh).keys() == fresh.get_params(deep=False).keys()
        return
    assert not wrong, "a wrong value is accepted"
    plain = table.plain
    attempt(assert_right, fresh, plain, table.given, y)
    if not getattr(fresh, "warm_start", False) and fresh.random_state is not None:
        assert error_of_used is None
        assert state(used, plain) == state(fresh, plain)
    may_diverge = drawn & {"learning_rate", "optimizer", "optimizer_params"}
    if cls in AUTOENCODERS and not table.faults and not may_diverge:
        random.choice(FURTHER)(fresh, plain, random)


# Tests that have a case where autoencoders have so many.
COSTS = {"test_built_on_autoencoders": 3, "test_search": 30}


def pytest_generate_tests(metafunc):
    n_cases = metafunc.config.getoption("fuzz")
    n_cases //= COSTS.get(metafunc.function.__name__, 1)
    metafunc.parametrize("number", range(n_cases))


def test_autoencoder(number):
    random = Random(number)
    run(random.choice(AUTOENCODERS), random)


def test_built_on_autoencoders(number):
    random = Random(number)
    run(random.choice(OTHERS), random)


# -- searches --------------------------------------------------------------------------

# Values that may be in one grid.
GRIDS = {
    "n_components": [1, 2, 3],
    "learning_rate": [1e-4, 1e-3, 1e-2],
    "hidden_layer_sizes": [(), (3,), (4, 3)],
    "max_epochs": [0, 1, 3],
    "l2_penalty": [0, 0.1],
    "validation": [None, 0.3],
    "batch_size": [3, 8, "auto"],
    "optimizer": ["sgd", "adam", "adamw", "rmsprop"],
    "learning_rate_schedule": ["constant", "one_cycle", "reduce_on_plateau"],
    "n_iter_no_change": [None, 1],
    "random_state": [0, 1],
    "output_activation": ["identity", "tanh"],
    "activation": ["silu", "tanh"],
    "dropout": [0.0, 0.3],
    "lambd": [0.0, 0.1, 1.0],
    "corruption_level": [0.0, 0.3],
    "beta": [0.5, 1.0],
}


def test_search(number):
    """Scores and ranks are those of `GridSearchCV`."""
    random = Random(number)
    cls = random.choice(AUTOENCODERS)
    params, _, _ = draw_params(random, cls, is_changed=False)
    names = [name for name in GRIDS if name in cls().get_params(deep=False)]
    grid = {
        name: random.sample(GRIDS[name], 2)
        for name in random.sample(names, random.choice([1, 2]))
    }
    print(f"{cls.__name__}(**{params})\n{grid}")
    table = np.random.RandomState(number).standard_normal((18, 4))
    table[:, 0] *= 3
    expected, actual = (
        search(cls(**params), grid, cv=KFold(2), error_score="raise").fit(table)
        for search in (GridSearchCV, BatchedGridSearchCV)
    )
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_allclose(
            actual.cv_results_[name], expected.cv_results_[name], rtol=0, atol=1e-3
        )
    np.testing.assert_allclose(
        actual.best_estimator_.transform(table),
        expected.estimator.set_params(**actual.best_params_)
        .fit(table)
        .transform(table),
        rtol=0,
        atol=1e-2,
    )
