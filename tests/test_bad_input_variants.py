"""Bad values of the parameters that the variants do not share."""

import numpy as np
import pytest
from registry import OwnNetwork, instances
from test_bad_input import (
    CHEAP,
    INF,
    NAN,
    assert_error_leaves_estimator,
    assert_error_leaves_fitted,
    combination_id,
    fitted_copy,
    named_value,
    unit_table,
)
from torch import nn

from sklearn_ae import (
    Autoencoder,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.estimators._base import BaseAutoencoder

AUTOENCODERS = sorted(
    {
        type(model)
        for model in instances().values()
        if isinstance(model, BaseAutoencoder)
    },
    key=str,
)

WEIGHT = [None, "small", [0.1], -1e-9, NAN, INF]

# Class -> parameter -> values of a wrong type or out of range.
WRONG = {
    ContractiveAutoencoder: {
        "lambd": WEIGHT,
        "n_projections": ["two", 2.0, [2], 0, -1],
    },
    ConvolutionalAutoencoder: {
        "image_shape": [7, "1x1x7", 1.5, (), (7,), (1, 7), (1, 0, 7), (1, 1, 8)],
        "channels": [None, 16, "ab", (2.5,), ("a",), (True,), (), (0,), (4, -1)],
        "kernel_size": [None, "3", 3.0, (3, 3), 0, -3, 2],
    },
    DenoisingAutoencoder: {
        "corruption": [None, 1, ["gaussian"], "noise", "Gaussian", ""],
        "corruption_level": [None, "half", [0.1], -0.1, NAN, INF],
    },
    SparseAutoencoder: {
        "code_activation": [None, 1, nn.Sigmoid, "cube", "Auto", ""],
        "sparsity": [None, 1, ["kl"], "l3", "KL", ""],
        "rho": [None, "low", [0.1], 0, 1, 0.0, 1.0, -0.1, 1.5, NAN, INF],
        "lambd": WEIGHT,
        "k": ["two", 2.0, [2], 0, -1],
    },
    StackedAutoencoder: {
        "layer": ["sparse", 1, DenoisingAutoencoder, nn.Linear(2, 2), ["sparse"] * 3],
        "pretrain_epochs": [None, "many", 3.0, [3], -1],
    },
    VariationalAutoencoder: {
        "loss": [None, 2, nn.MSELoss, "mse", "bce", "Gaussian", ""],
        "beta": WEIGHT,
    },
}
# Right by themselves, wrong together or for a table of shape (60, 7).
WRONG_COMBINATION = [
    (ContractiveAutoencoder, {"network": OwnNetwork}, ["tied_weights=True"]),
    (ContractiveAutoencoder, {"init": "pca"}, ["'sigmoid'", "init='random'"]),
    (ConvolutionalAutoencoder, {"n_components": 8}, ["n_components=8", "7"]),
    (
        DenoisingAutoencoder,
        {"corruption": "masking", "corruption_level": 1.01},
        ["corruption_level=1.01", "'masking'", "at most 1"],
    ),
    (
        DenoisingAutoencoder,
        {"corruption": "salt_and_pepper", "corruption_level": 2},
        ["corruption_level=2", "'salt_and_pepper'"],
    ),
    (DenoisingAutoencoder, {"n_components": 8}, ["n_components=8", "init='random'"]),
    (
        SparseAutoencoder,
        {"code_activation": "relu"},
        ["code_activation='relu'", "sparsity='kl'", "'sigmoid'"],
    ),
    (
        SparseAutoencoder,
        {"sparsity": "topk", "init": "pca", "code_activation": "identity"},
        ["init='pca'", "sparsity='topk'", "init='random'"],
    ),
    (SparseAutoencoder, {"sparsity": "topk", "k": 257}, ["k=257", "n_components=256"]),
    (SparseAutoencoder, {"network": OwnNetwork}, ["(0, 1)", "sparsity='kl'"]),
    (VariationalAutoencoder, {"n_components": 8}, ["n_components=8", "7"]),
]


@pytest.fixture(scope="module")
def X():
    return unit_table()


CASES = [
    pytest.param(cls, name, value, id=f"{cls.__name__}-{name}={value!r}"[:70])
    for cls, table in WRONG.items()
    for name, values in table.items()
    for value in values
]


@pytest.mark.parametrize(("cls", "name", "value"), CASES)
def test_wrong_parameter_of_an_unfitted_estimator(X, cls, name, value):
    patterns = [rf"\b{name}\b", named_value(value)]
    model = cls(**CHEAP | {name: value})
    assert_error_leaves_estimator(model, X, (ValueError, TypeError), patterns)


@pytest.mark.parametrize(("cls", "name", "value"), CASES)
def test_wrong_parameter_of_a_fitted_estimator(X, cls, name, value):
    assert_error_leaves_fitted(fitted_copy(cls), X, name, value)


@pytest.mark.parametrize(
    ("cls", "params", "words"),
    WRONG_COMBINATION,
    ids=[f"{cls.__name__}-{combination_id(p)}" for cls, p, _ in WRONG_COMBINATION],
)
@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
def test_wrong_combination(X, cls, params, words, fitted):
    model = fitted_copy(cls) if fitted else cls(**CHEAP)
    if fitted:
        codes = model.transform(X)
    model.set_params(**params)
    before = dict(vars(model))
    with pytest.raises(ValueError) as caught:
        model.fit(X)
    for word in words:
        assert word in str(caught.value)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[n] is value for n, value in before.items())
    if fitted:
        np.testing.assert_array_equal(model.transform(X), codes)


@pytest.mark.parametrize("cls", AUTOENCODERS)
def test_every_parameter_is_in_the_tables(cls):
    """Those with the constraint of `Autoencoder` are tested there."""
    shared = Autoencoder._parameter_constraints
    own = {
        name
        for name, constraint in cls._parameter_constraints.items()
        if constraint is not shared.get(name)
    }
    assert WRONG.get(cls, {}).keys() == own
    assert cls().get_params(deep=False).keys() <= shared.keys() | own


@pytest.mark.parametrize("cls", AUTOENCODERS)
def test_every_listed_value_is_wrong_by_itself(X, cls):
    # Otherwise a test would pass for an error that has nothing to do with it.
    cls(**CHEAP).fit(X)


@pytest.mark.parametrize("cls", WRONG)
def test_constructor_neither_validates_nor_converts(cls):
    values = {name: values[0] for name, values in WRONG[cls].items()}
    model = cls(**values)
    assert all(getattr(model, name) is value for name, value in values.items())
    with pytest.raises(TypeError, match="bogus"):
        cls(bogus=1)
