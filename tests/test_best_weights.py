"""When trained weights replace the initial ones."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from sklearn_ae import Autoencoder
from sklearn_ae.training.loop import is_certain_gain, is_likely_gain


def test_two_standard_errors(seed):
    gains = np.random.RandomState(seed).normal(size=50)
    gains -= gains.mean()
    error = gains.std(ddof=1) / np.sqrt(50)
    assert is_certain_gain(2.1 * error, gains + 2.1 * error)
    assert not is_certain_gain(1.0 * error, gains + 1.0 * error)
    # One is enough where no epoch was chosen.
    assert is_likely_gain(gains + 1.1 * error)
    assert not is_likely_gain(gains + 0.5 * error)


def test_a_few_large_losses_do_not_hide_many_small_gains():
    # The mean is within its standard error, and yet 48 of 50 rows gain.
    gains = np.r_[np.linspace(0.5, 1.5, 48), [-10.0, -12.0]]
    assert gains.mean() < 2 * gains.std(ddof=1) / np.sqrt(50)
    assert is_certain_gain(gains.mean(), gains)
    # Of 20 rows the ranks prove less, and the mean is within half an error.
    gains = np.r_[np.linspace(0.5, 1.5, 16), [-3.0, -3.2, -3.4, -3.6]]
    assert not is_certain_gain(gains.mean(), gains)
    assert not is_likely_gain(gains)
    gains = np.r_[np.linspace(0.5, 1.5, 18), [-5.0, -6.0]]
    assert 0 < gains.mean() < gains.std(ddof=1) / np.sqrt(20)
    assert not is_certain_gain(gains.mean(), gains)
    assert is_likely_gain(gains)


def test_many_small_gains_do_not_hide_a_loss():
    gains = np.r_[np.linspace(0.5, 1.5, 48), [-100.0, -120.0]]
    assert not is_certain_gain(gains.mean(), gains)
    assert not is_likely_gain(gains)


@pytest.mark.parametrize("gains", [[5.0], [0.0, 0.0], [-1.0, -2.0]])
def test_no_proof(gains):
    assert not is_certain_gain(np.mean(gains), np.array(gains))
    assert not is_likely_gain(np.array(gains))


def test_skewed_data_are_no_reason_to_stay_pca():
    seed = 0  # one: five folds are trained
    rng = np.random.RandomState(seed)
    X = np.exp(0.7 * rng.normal(size=(500, 3)) @ rng.normal(size=(3, 12)))
    X = (X - X[:250].mean(axis=0)) / X[:250].std(axis=0)
    pca = PCA(3).fit(X[:250])
    residual = X[250:] - pca.inverse_transform(pca.transform(X[250:]))
    model = Autoencoder(3, random_state=seed).fit(X[:250])
    assert model.reconstruction_error(X[250:]).mean() < 0.5 * np.mean(residual**2)


def test_gaussian_data_give_pca_of_all_rows():
    """No training gains anything for certain, and PCA is that of all rows."""
    seed = 42  # one: five folds are trained
    X = np.random.RandomState(seed).normal(size=(200, 8)) * np.arange(1, 9)
    model = Autoencoder(3, random_state=seed).fit(X)
    pca = PCA(3).fit(X)
    np.testing.assert_allclose(model.transform(X), pca.transform(X), atol=1e-4)
    # Codes pass through the net in single precision while it trains.
    np.testing.assert_allclose(
        model.explained_variance_, pca.explained_variance_, rtol=1e-5
    )
    assert model.n_iter_ > 0
