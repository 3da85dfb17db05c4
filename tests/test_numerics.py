"""Numbers far from one: large means, small and large units, weights, precisions."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae._units import Affine
from sklearn_ae.data.tables import centred, mean_and_squares
from sklearn_ae.objectives.corruptions import corrupt_standardized

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 6)) + 0.1 * RNG.normal(size=(60, 6))
SHORT = {"max_epochs": 2, "random_state": 0, "validation": None}
PLAIN = Autoencoder(2, **SHORT)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Trainings are short.
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@pytest.fixture(scope="module")
def fitted():
    return clone(PLAIN).fit(X)


def exact_score(table, reconstruction):
    """The definition, in extended precision."""
    table, reconstruction = (
        np.asarray(t, np.longdouble) for t in (table, reconstruction)
    )
    errors = ((table - reconstruction) ** 2).sum()
    return float(1 - errors / ((table - table.mean(axis=0)) ** 2).sum())


# -- scores ----------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0, 1, 1e5, 1e9])
def test_score_far_from_the_training_data(fitted, shift):
    table = X + shift
    expected = exact_score(table, fitted.reconstruct(table))
    assert fitted.score(table) == pytest.approx(expected, rel=1e-6)


def test_score_of_single_precision_is_that_of_the_same_numbers_in_double():
    table = (1e8 + 20 * X).astype(np.float32)
    autoencoder = clone(PLAIN).fit(table)
    doubles = table.astype(np.float64)
    expected = exact_score(doubles, autoencoder.reconstruct(doubles))
    assert autoencoder.score(table) == pytest.approx(expected)
    assert autoencoder.score(doubles) == autoencoder.score(table)
    # Rounding to multiples of 8 costs little of variances of about 1,000.
    assert expected > 0.75


def test_score_with_an_outlier():
    table = X.astype(np.float32)
    table[0, 0] = 1e12
    autoencoder = clone(PLAIN).fit(table)
    rest = table[1:]
    doubles = rest.astype(np.float64)
    expected = exact_score(doubles, autoencoder.reconstruct(doubles))
    assert autoencoder.score(rest) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -1e30, 1e-40])
def test_constant_data(value, fitted):
    table = np.full((7, 6), value)
    assert clone(PLAIN).fit(table).score(table) == 1
    # Of another constant the reconstruction is not exact.
    assert fitted.score(table) == 0


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("weight", [None, np.linspace(0.5, 1.5, 60)])
def test_sum_of_squares_keeps_small_differences_from_a_large_mean(make, weight):
    table = X + 1e9
    mean, total = mean_and_squares(make(table), np.arange(60), weight)
    exact = np.average(table.astype(np.longdouble), axis=0, weights=weight)
    np.testing.assert_allclose(mean, exact.astype(float), rtol=1e-15)
    own = np.ones(60) if weight is None else weight
    squares = (table - exact) ** 2
    assert total == pytest.approx(float((own[:, None] * squares).sum()), rel=1e-12)


def test_centred_single_precision():
    table = (1e6 + X).astype(np.float32)
    mean = table.mean(axis=0, dtype=np.float64)
    got = centred(table, mean, 1.0)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, table - mean, atol=1e-6)


def test_corruption_far_from_zero():
    """A corruption has the units of the data, where 1e8 would swallow the rows."""
    x = torch.from_numpy(X).float()
    units = Affine(np.full(6, 1e8), 1.0)
    nothing = corrupt_standardized(lambda x, _: x, x, torch.Generator(), units)
    torch.testing.assert_close(nothing, x, rtol=0, atol=1e-6)


# -- units -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("factor", [2.0**-90, 2.0**-50, 2.0**50, 2.0**64, 2.0**90])
@pytest.mark.parametrize("cls", [Autoencoder, ConvolutionalAutoencoder])
def test_results_follow_the_units(cls, factor, dtype):
    small = cls(2, **SHORT).fit(X.astype(dtype))
    large = cls(2, **SHORT).fit((X * factor).astype(dtype))
    tolerance = 1e-4
    scores = [small.score(X.astype(dtype)), large.score((X * factor).astype(dtype))]
    assert scores[1] == pytest.approx(scores[0], rel=tolerance)
    np.testing.assert_allclose(
        large.explained_variance_, small.explained_variance_ * factor**2, rtol=tolerance
    )
    errors = large.reconstruction_error((X * factor).astype(dtype))
    assert np.isfinite(errors).all()
    assert errors.mean() == pytest.approx(
        small.reconstruction_error(X.astype(dtype)).mean() * factor**2, rel=tolerance
    )


@pytest.mark.parametrize("factor", [1e-20, 1e19])
def test_number_of_codes_in_any_units(factor):
    table = (X * factor).astype(np.float32)
    wanted = PCA(0.9).fit(X).n_components_
    autoencoder = Autoencoder(0.9, max_epochs=0, random_state=0).fit(table)
    assert autoencoder.n_components_ == wanted


@pytest.mark.parametrize("factor", [1e-310, 1e-200, 1e-35, 1e35, 1e154, 1e200, 1e307])
@pytest.mark.parametrize(
    "estimator",
    [
        PLAIN,
        VariationalAutoencoder(2, **SHORT),
        StackedAutoencoder(2, **SHORT),
        AutoencoderRegressor(Autoencoder(2, **SHORT), **SHORT),
    ],
)
def test_units_beyond_single_precision(estimator, factor):
    table = X * [0, 1, 2, 1000, 3, 1] * (factor / 1000)
    with pytest.raises(ValueError, match=r"Column 3 of X .* scale X to values"):
        clone(estimator).fit(table, X[:, 0])


def test_units_beyond_single_precision_wherever_a_table_comes_in(fitted):
    huge = X * [1, 1, 1e40, 1, 1, 1]
    frame = pd.DataFrame(huge, columns=list("abcdef"))
    with pytest.raises(ValueError, match=r"Column 'c' of X has values up to .*scale"):
        clone(PLAIN).fit(frame)
    with pytest.raises(ValueError, match=r"Column 2 of X has.*scale"):
        clone(PLAIN).fit(sparse.csr_array(huge))
    with pytest.raises(ValueError, match=r"Column 2 of X_target has.*scale X_target"):
        clone(PLAIN).fit(X, X_target=huge)
    with pytest.raises(ValueError, match=r"Column 0 of y has.*scale y"):
        AutoencoderRegressor(clone(PLAIN), **SHORT).fit(X, 1e40 * X[:, 0])
    with pytest.raises(ValueError, match="Column 2 of X has"):
        clone(PLAIN).fit(X).partial_fit(huge)
    with pytest.raises(ValueError, match="Column 2 of X has"):
        fitted.score(huge)
    # Rows of weight zero are no part of a fit.
    weight = np.r_[0.0, np.ones(60)]
    table = np.vstack([np.full(6, 1e200), X])
    got = clone(PLAIN).fit(table, sample_weight=weight)
    np.testing.assert_allclose(got.mean_, X.mean(axis=0), atol=1e-12)


def test_errors_that_overflow_are_infinite(fitted):
    assert (fitted.reconstruction_error(X * 1e200) == np.inf).all()


# -- weights ---------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [1e308, 5e-324])
@pytest.mark.parametrize(
    "estimator",
    [
        PLAIN,
        AutoencoderClassifier(Autoencoder(2, **SHORT), **SHORT),
        AutoencoderOutlierDetector(Autoencoder(2, **SHORT), cv=2),
    ],
)
def test_weights_without_a_sum(estimator, weight):
    """They overflow or are subnormal; the mean of the data came out as zero."""
    y = (X[:, 0] > 0).astype(int)
    with pytest.raises(
        ValueError, match=r"sum of sample_weight is .*Scale the weights"
    ):
        clone(estimator).fit(X, y, sample_weight=np.full(60, weight))


# -- precision and containers ----------------------------------------------------------

CONTAINERS = {
    "array": lambda X, dtype: X.astype(dtype),
    "Fortran order": lambda X, dtype: np.asfortranarray(X, dtype),
    "reversed": lambda X, dtype: np.ascontiguousarray(X[::-1].astype(dtype))[::-1],
    "frame": lambda X, dtype: pd.DataFrame(X.astype(dtype)),
    "tensor": lambda X, dtype: torch.from_numpy(X.astype(dtype)),
    "tensor with gradients": lambda X, dtype: torch.from_numpy(
        X.astype(dtype)
    ).requires_grad_(np.dtype(dtype).kind == "f"),
    "CSR": lambda X, dtype: sparse.csr_array(X.astype(dtype)),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float64),
        (np.int32, np.float64),
    ],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_single_precision_stays_and_the_rest_becomes_double(
    container, dtype, expected, fitted
):
    """As in PCA, whatever holds the numbers."""
    if container == "CSR" and dtype == np.float16:
        pytest.skip("SciPy has no sparse matrices of half precision")
    table = CONTAINERS[container](4 * X, dtype)
    plain = (4 * X).astype(dtype).astype(expected)
    codes = fitted.transform(table)
    assert codes.dtype == expected
    np.testing.assert_array_equal(codes, fitted.transform(plain))
    assert fitted.reconstruct(table).dtype == expected
    if container != "CSR":
        codes = CONTAINERS[container](codes, expected)
    assert fitted.inverse_transform(codes).dtype == expected
    assert fitted.score_samples(table).dtype == np.float64


def test_tensors_in_all_arguments():
    tensors = {
        "X": torch.tensor(X, requires_grad=True),
        "X_target": torch.tensor(X[:, :3]).to(torch.bfloat16),
        "sample_weight": torch.ones(60, requires_grad=True),
    }
    arrays = {
        "X": X,
        "X_target": tensors["X_target"].double().numpy(),
        "sample_weight": np.ones(60),
    }
    got, expected = (clone(PLAIN).fit(**given) for given in (tensors, arrays))
    np.testing.assert_array_equal(got.transform(X), expected.transform(X))


@pytest.mark.parametrize(
    "estimator",
    [
        PLAIN,
        DenoisingAutoencoder(2, **SHORT),
        StackedAutoencoder(
            2,
            hidden_layer_sizes=(4,),
            pretrain_epochs=2,
            code_activation="tanh",
            **SHORT,
        ),
    ],
)
def test_negative_strides(estimator):
    flipped = np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    fitted, expected = clone(estimator).fit(flipped), clone(estimator).fit(X)
    np.testing.assert_array_equal(fitted.transform(flipped), expected.transform(X))
    # A single row counts as being in C order.
    for row in (X[::-1][:1], X[:1, ::-1], X[::-1][:1].astype(np.float32)[::-1]):
        np.testing.assert_array_equal(
            fitted.transform(row), fitted.transform(row.copy())
        )
