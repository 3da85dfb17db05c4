"""Tables with missing entries: every autoencoder takes them, and learns from the rest.

What fills the gaps inside the network is tested in `test_gaps_maths`.
"""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from registry import OwnNetwork
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae._units import Affine, Units
from sklearn_ae.model_selection import BatchedGridSearchCV
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.objectives import MaskingNoise
from sklearn_ae.objectives.losses import NAMED_LOSSES
from sklearn_ae.objectives.objective import Objective, VariationalObjective

FEW = {"max_epochs": 2, "random_state": 0}
GAPS = {"missing_values": np.nan}
VARIANTS = {
    "plain": Autoencoder(3, **FEW),
    "random": Autoencoder(3, init="random", **FEW),
    "own_network": Autoencoder(3, network=OwnNetwork, **FEW),
    "denoising": DenoisingAutoencoder(3, corruption="salt_and_pepper", **FEW),
    "sparse": SparseAutoencoder(3, **FEW),
    "topk": SparseAutoencoder(6, sparsity="topk", **FEW),
    "contractive": ContractiveAutoencoder(3, **FEW),
    "projections": ContractiveAutoencoder(3, hidden_layer_sizes=(5, 4), **FEW),
    "convolutional": ConvolutionalAutoencoder(3, **FEW),
    "variational": VariationalAutoencoder(3, **FEW),
    "stacked": StackedAutoencoder(
        3, hidden_layer_sizes=(6, 4), pretrain_epochs=2, **FEW
    ),
}
each_variant = pytest.mark.parametrize("name", VARIANTS)


@pytest.fixture(scope="module")
def complete():
    return StandardScaler().fit_transform(load_wine().data)[::2]


def with_gaps(X, share=0.2, seed=0):
    missing = np.random.default_rng(seed).random(X.shape) < share
    return np.where(missing, np.nan, X)


@pytest.fixture(scope="module")
def gappy(complete):
    return with_gaps(complete)


@pytest.fixture(scope="module", params=list(VARIANTS))
def fitted(request, gappy):
    return clone(VARIANTS[request.param]).set_params(**GAPS).fit(gappy)


# -- what does not change --------------------------------------------------------------


@each_variant
def test_complete_tables_give_the_same_bits(name, complete):
    expected = clone(VARIANTS[name]).fit(complete)
    model = clone(VARIANTS[name]).set_params(**GAPS).fit(complete)
    for method in "transform", "reconstruct", "reconstruction_error", "score_samples":
        wanted = getattr(expected, method)(complete)
        np.testing.assert_array_equal(getattr(model, method)(complete), wanted)
    assert model.score(complete) == expected.score(complete)
    for column, values in expected.history_.items():
        if column not in ("dur", "event_lr"):
            np.testing.assert_array_equal(model.history_[column], values, column)


def test_error_is_the_default(gappy):
    with pytest.raises(ValueError, match=r"Set missing_values=np\.nan, or fill in"):
        Autoencoder(2).fit(gappy)
    model = Autoencoder(2, max_epochs=0).fit(np.nan_to_num(gappy))
    with pytest.raises(ValueError, match=r"Set missing_values=np\.nan, or fill in"):
        model.transform(gappy)
    assert not model.__sklearn_tags__().input_tags.allow_nan
    assert Autoencoder(**GAPS).__sklearn_tags__().input_tags.allow_nan


# -- what fitted models give -----------------------------------------------------------


def test_methods_take_gaps(fitted, gappy):
    codes = fitted.transform(gappy)
    assert np.isfinite(codes).all()
    # A row does not depend on the others.
    np.testing.assert_allclose(fitted.transform(gappy[3:4]), codes[3:4], rtol=1e-6)
    guesses = fitted.reconstruct(gappy)
    np.testing.assert_allclose(fitted.inverse_transform(codes), guesses, atol=1e-6)
    squares = np.square(gappy - guesses)
    errors = fitted.reconstruction_error(gappy)
    np.testing.assert_allclose(errors, np.nanmean(squares, axis=1), rtol=1e-6)
    of_entries = fitted.reconstruction_error(gappy, per_feature=True)
    np.testing.assert_allclose(of_entries, squares, rtol=1e-6)
    spread = np.nansum(np.square(gappy - np.nanmean(gappy, axis=0)))
    score = fitted.score(gappy)
    assert score == pytest.approx(1 - np.nansum(squares) / spread)
    weight = np.arange(len(gappy)) % 3.0
    mean = np.nansum(weight[:, None] * gappy, axis=0) / (weight @ ~np.isnan(gappy))
    spread = np.nansum(weight @ np.nan_to_num(np.square(gappy - mean)))
    expected = 1 - np.nansum(weight @ np.nan_to_num(squares)) / spread
    assert fitted.score(gappy, sample_weight=weight) == pytest.approx(expected)


def test_pickles_and_copies_fill_gaps_alike(fitted, gappy):
    expected = fitted.transform(gappy)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.transform(gappy), expected)


def test_row_and_entries_without_values(gappy):
    X = gappy.copy()
    X[5] = np.nan
    model = Autoencoder(3, **GAPS, **FEW).fit(X)
    # As if the row were not there, but for the weights of the others.
    weight = np.ones(len(X))
    weight[5] = 0
    other = Autoencoder(3, **GAPS, **FEW).fit(gappy, sample_weight=weight)
    np.testing.assert_array_equal(model.transform(gappy), other.transform(gappy))
    row = model.transform(X[5:6])
    np.testing.assert_allclose(row, model.transform(model.mean_[None]), atol=0.01)
    assert model.reconstruction_error(X[5:6]) == [0.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_tables_and_precisions(gappy, dtype):
    from scipy import sparse

    dense = gappy.astype(dtype)
    model = Autoencoder(3, **GAPS, **FEW).fit(dense)
    other = Autoencoder(3, **GAPS, **FEW).fit(sparse.csr_matrix(dense))
    assert model.transform(dense).dtype == dtype
    np.testing.assert_array_equal(
        other.transform(sparse.csr_matrix(dense)), model.transform(dense)
    )


def test_gaps_in_targets_and_validation_data(gappy, complete):
    target = with_gaps(complete[:, :4], seed=1)
    model = Autoencoder(3, **GAPS, **FEW)
    model.fit(
        gappy[:60], X_target=target[:60], X_val=gappy[60:], X_target_val=target[60:]
    )
    guesses = model.reconstruct(gappy)
    spread = np.nansum(np.square(target - np.nanmean(target, axis=0)))
    expected = 1 - np.nansum(np.square(target - guesses)) / spread
    assert model.score(gappy, X_target=target) == pytest.approx(expected)


def test_pandas_frames_with_pandas_own_gaps(gappy):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(gappy).add_prefix("x").convert_dtypes()
    model = make_pipeline(StandardScaler(), Autoencoder(3, **GAPS, **FEW)).fit(frame)
    other = make_pipeline(StandardScaler(), Autoencoder(3, **GAPS, **FEW)).fit(gappy)
    np.testing.assert_allclose(
        model.transform(frame), other.transform(gappy), rtol=1e-6, atol=1e-9
    )


# -- training --------------------------------------------------------------------------


def losses_of(name, reconstruction, target, log_variance):
    """The losses of rows as an objective computes them."""
    units = Affine(np.zeros(target.shape[1]), 0.5)
    params = {"units": Units(units, units), "n_components": 2, "has_gaps": True}
    if name == "gaussian":
        objective = VariationalObjective(NAMED_LOSSES["mse"], {}, **params)
        network = SimpleNamespace(log_noise_variance=log_variance)
        return objective.negative_log_likelihood(network, reconstruction, target)
    # A network whose code and output are its input.
    network = SimpleNamespace(encode=lambda x: x, decode=lambda x: x)
    objective = Objective(NAMED_LOSSES[name], {}, **params)
    weight = torch.rand(len(target), dtype=target.dtype)
    terms, _ = objective(network, reconstruction, target, weight)
    rows = objective.row_losses(network, reconstruction, target)
    torch.testing.assert_close(sum(terms.values()), (weight * rows).mean())
    return rows


def tensors(seed):
    rng = np.random.default_rng(seed)
    target = torch.from_numpy(with_gaps(rng.random((6, 5)), 0.4, seed))
    reconstruction = torch.from_numpy(rng.random((6, 5))).requires_grad_()
    return reconstruction, target, torch.tensor(-0.3, dtype=target.dtype)


# Entries of a mixed loss are tested with it.
ELEMENTWISE = [*sorted(NAMED_LOSSES.keys() - {"mixed"}), "gaussian"]
each_loss = pytest.mark.parametrize("name", ELEMENTWISE)


@pytest.mark.parametrize("seed", range(3))
@each_loss
def test_loss_is_that_of_the_observed_entries(name, seed):
    reconstruction, target, log_variance = tensors(seed)
    rows = losses_of(name, reconstruction, target, log_variance)
    # Entry by entry.
    expected = torch.zeros(6, dtype=target.dtype)
    for i, j in torch.argwhere(~target.isnan()).tolist():
        pair = reconstruction[i : i + 1, j : j + 1], target[i : i + 1, j : j + 1]
        expected[i] += losses_of(name, *pair, log_variance)[0]
    torch.testing.assert_close(rows, expected)


@each_loss
def test_gradient_of_masked_losses(name):
    reconstruction, target, log_variance = tensors(1)

    def value(reconstruction, log_variance):
        return losses_of(name, reconstruction, target, log_variance).sum()

    log_variance.requires_grad_(name == "gaussian")
    assert torch.autograd.gradcheck(value, (reconstruction, log_variance))
    value(reconstruction, log_variance).backward()
    assert (reconstruction.grad[target.isnan()] == 0).all()


def test_hidden_entries_are_drawn_from_the_nets_generator(gappy):
    first, second = (Autoencoder(3, **GAPS, **FEW).fit(gappy) for _ in range(2))
    np.testing.assert_array_equal(first.transform(gappy), second.transform(gappy))
    net = first.net_
    x = torch.zeros(400, gappy.shape[1])
    hidden = net.noisy(x).isnan().float().mean()
    assert abs(float(hidden) - 0.2) < 0.02
    assert net.hidden_share == 0.2
    X = with_gaps(np.nan_to_num(gappy), 0.06)
    some = Autoencoder(3, **GAPS, **FEW).fit(X)
    assert some.net_.hidden_share == round(float(np.isnan(X).mean()), 2)
    whole = Autoencoder(3, **GAPS, **FEW).fit(np.nan_to_num(gappy))
    assert whole.net_.hidden_share == 0


def test_classifier_takes_no_gaps(gappy):
    classifier = AutoencoderClassifier(Autoencoder(2, **GAPS))
    with pytest.raises(ValueError, match="AutoencoderClassifier takes none, unlike"):
        classifier.fit(gappy, np.arange(len(gappy)) % 2)


def test_masking_noise_hides_entries(gappy):
    noise = MaskingNoise(0.3, value=np.nan)
    assert noise == MaskingNoise(0.3, value=np.nan) != MaskingNoise(0.3)
    with pytest.raises(ValueError, match=r"corruption=.*needs missing_values=np\.nan"):
        DenoisingAutoencoder(2, corruption=noise).fit(np.eye(9))
    generator = torch.Generator().manual_seed(0)
    x = noise(torch.ones(100, 50), generator)
    assert abs(float(x.isnan().float().mean()) - 0.3) < 0.03
    assert (x[~x.isnan()] == 1).all()
    model = DenoisingAutoencoder(3, corruption=noise, **GAPS, **FEW).fit(gappy)
    assert np.isfinite(model.transform(gappy)).all()


def test_what_takes_no_gaps_without_missing_values(gappy, complete):
    noise = MaskingNoise(0.3, value=np.nan)
    with pytest.raises(ValueError, match="hides entries, which needs missing_values"):
        DenoisingAutoencoder(3, corruption=noise, **FEW).fit(complete)
    # Fitted without, and changed afterwards.
    model = Autoencoder(3, **FEW).fit(complete).set_params(missing_values=np.nan)
    for method in (model.transform, model.reconstruction_error, model.score):
        with pytest.raises(ValueError, match="Input X contains NaN"):
            method(gappy)


def test_batched_search_equals_grid_search(gappy):
    estimator = SparseAutoencoder(4, max_epochs=3, random_state=0, **GAPS)
    grid, cv = {"lambd": [0.01, 0.1]}, KFold(2, shuffle=True, random_state=0)
    alone = GridSearchCV(estimator, grid, cv=cv).fit(gappy)
    together = BatchedGridSearchCV(estimator, grid, cv=cv).fit(gappy)
    scores = "mean_test_score"
    np.testing.assert_allclose(
        together.cv_results_[scores], alone.cv_results_[scores], rtol=1e-4
    )


def test_warm_start_and_partial_fit(gappy):
    model = Autoencoder(3, warm_start=True, **GAPS, **FEW).fit(gappy)
    before = model.net_.module_.loadings.clone()
    model.fit(gappy[:50]).partial_fit(gappy[:40])
    # The model of the gaps is part of the input of the network, and stays.
    assert torch.equal(model.net_.module_.loadings, before)
    model.set_params(missing_values="error")
    with pytest.raises(ValueError, match="cannot be changed where a fit goes on"):
        model.partial_fit(np.nan_to_num(gappy))
    parts = Autoencoder(3, **GAPS, **FEW).partial_fit(gappy[:40]).partial_fit(gappy)
    assert np.isfinite(parts.score(gappy))


def test_indicator_doubles_the_inputs(gappy, complete):
    model = Autoencoder(3, missing_indicator=True, **GAPS, **FEW).fit(gappy)
    network = model.net_.module_.network
    assert network.encoder[0].in_features == 2 * gappy.shape[1]
    # Whether an entry is missing is seen, also if its guess is right.
    row = complete[:1].copy()
    row[0, 2] = np.nan
    inputs = model.net_.module_.inputs(torch.from_numpy(row).float())
    assert inputs[0, gappy.shape[1] :].tolist() == [0, 0, 1] + [0] * 10
    assert model.reconstruct(row).shape == row.shape


def test_start_with_gaps_in_probabilities():
    """A gap of a target counts as the mean, where that is not 0."""
    rng = np.random.default_rng(0)
    target = 0.1 + 0.8 * (rng.normal(size=(300, 3)) @ rng.normal(size=(3, 6)) > 0)
    X = target + 0.1 * rng.normal(size=target.shape)
    known = np.where(rng.random(target.shape) < 0.5, np.nan, target)
    model = Autoencoder(2, loss="bce", max_epochs=0, **GAPS).fit(X, X_target=known)
    means = model.reconstruct(X).mean(axis=0)
    np.testing.assert_allclose(means, target.mean(axis=0), atol=0.1)


# -- errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (Autoencoder(missing_indicator=True), "needs missing_values=np.nan"),
        (
            Autoencoder(missing_indicator=True, tied_weights=True, **GAPS),
            "which tied_weights=True does not allow",
        ),
        (
            ConvolutionalAutoencoder(missing_indicator=True, **GAPS),
            "which network=ConvolutionalNetwork",
        ),
        (
            Autoencoder(missing_indicator=True, network=DenseNetwork, **GAPS),
            "which network=<class",
        ),
        (
            StackedAutoencoder(missing_indicator=True, **GAPS),
            "is not possible in a StackedAutoencoder",
        ),
    ],
)
def test_indicator_that_is_not_possible(estimator, message, complete):
    with pytest.raises(ValueError, match=message):
        estimator.fit(complete)


def test_column_or_table_without_values(gappy):
    X = gappy.copy()
    X[:, 4] = np.nan
    with pytest.raises(ValueError, match="Column 4 of X has no observed entries"):
        Autoencoder(3, **GAPS).fit(X)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X).add_prefix("x")
    with pytest.raises(ValueError, match="Column 'x4' of X has no observed entries"):
        Autoencoder(3, **GAPS).fit(frame)
    one = np.full((20, 5), np.nan)
    one[3] = 1.0
    with pytest.raises(ValueError, match="Only 1 row of X has observed entries"):
        Autoencoder(1, missing_values=np.nan).fit(one)
    with pytest.raises(ValueError, match="X has no observed entries"):
        Autoencoder(3, **GAPS).fit(np.full((5, 3), np.nan))
    # Later tables may lack a column.
    model = Autoencoder(3, **GAPS, **FEW).fit(gappy)
    assert np.isfinite(model.transform(X)).all()
    target = with_gaps(gappy, 0.5)[:1]
    for rows in {"X": X}, {"X": gappy[:1]}, {"X": X[:1], "X_target": target}:
        assert np.isfinite(model.partial_fit(**rows).transform(X)).all()


def test_infinite_values_are_no_gaps(gappy):
    X = gappy.copy()
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        Autoencoder(3, **GAPS).fit(X)


def test_estimators_that_take_no_gaps(gappy, complete):
    y = np.arange(len(gappy)) % 2
    with pytest.raises(ValueError, match="AutoencoderClassifier takes no missing"):
        AutoencoderClassifier(Autoencoder(2, **GAPS)).fit(complete, y)
    for estimator in AutoencoderClassifier(), AutoencoderOutlierDetector():
        with pytest.raises(ValueError, match=r"NaN\. Fill in missing values first"):
            estimator.fit(gappy, y)
