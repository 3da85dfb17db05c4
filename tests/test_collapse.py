"""Results that are little more than the mean: told, and avoided by training."""

import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits, load_sample_images
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.model_selection import GridSearchCV

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
from sklearn_ae.model_selection import BatchedGridSearchCV

SHORT = {"max_epochs": 10, "random_state": 0}

# -- the warning -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows():
    return load_digits().data[:200] / 16


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Autoencoder(4, l2_penalty=1e3), "l2_penalty=1000"),
        (SparseAutoencoder(16, sparsity="l1", lambd=100.0), "lambd=100"),
        (SparseAutoencoder(16, l2_penalty=1e2), "lambd=1.0 and l2_penalty=100"),
        (ContractiveAutoencoder(8, lambd=100.0), "lambd=100"),
        (VariationalAutoencoder(4, beta=1e5), "beta=100000"),
        (DenoisingAutoencoder(4, init="random", corruption_level=99.0), "level=99"),
        (
            ConvolutionalAutoencoder(4, image_shape=(1, 8, 8), l2_penalty=1e3),
            "l2_penalty=1000",
        ),
    ],
    ids=lambda case: type(case).__name__,
)
def test_every_variant_warns_of_the_mean_and_says_what_to_change(rows, model, words):
    model.set_params(max_epochs=40, learning_rate=0.05, validation=None, random_state=0)
    with pytest.warns(ConvergenceWarning, match="mean of the data") as caught:
        model.fit(rows)
    message = str(caught[0].message)
    assert words in message
    assert "of its variance" in message
    assert caught[0].filename == __file__  # the line of the user
    assert model.score(rows) < 0.05


def test_units_are_mentioned_only_if_they_are_dead(rows):
    """Codes that vary, but a decoder that has hardly been trained."""
    model = Autoencoder(2, init="random", learning_rate=1e-6, **SHORT)
    with pytest.warns(ConvergenceWarning, match="mean of the data") as caught:
        model.fit(rows)
    (message,) = (str(w.message) for w in caught if "mean of" in str(w.message))
    assert "they explain 0.0% of its variance. Try to raise max_epochs=10" in message
    assert model.transform(rows).std(axis=0).min() > 1e-2


def test_columns_of_other_scales_are_mentioned(rows):
    X = rows.copy()
    X[:, 20] *= 1e4
    model = SparseAutoencoder(8, sparsity="l1", lambd=1e9, **SHORT)
    with pytest.warns(ConvergenceWarning, match="StandardScaler"):
        model.fit(X)


@pytest.mark.parametrize(
    "model",
    [
        Autoencoder(1, validation=None, max_epochs=10),
        Autoencoder(2, hidden_layer_sizes=(), init="random", max_epochs=50),
        SparseAutoencoder(5, max_epochs=50),
        SparseAutoencoder(100, max_epochs=50),
        ContractiveAutoencoder(3, max_epochs=50),
        DenoisingAutoencoder(2, validation=None, max_epochs=10),
    ],
    ids=repr,
)
def test_no_false_alarm_on_noise_that_no_model_explains(model):
    """PCA explains 5 % of it with one component."""
    X = np.random.RandomState(0).normal(size=(150, 40))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(random_state=0).fit(X)


@pytest.mark.parametrize("X", [np.ones((30, 4)), np.eye(30, 4) * 0 + np.arange(4)])
def test_no_alarm_for_constant_data(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        VariationalAutoencoder(2, **SHORT).fit(X)


def negative(images, generator):
    return 1 - images


def another_row(images, generator):
    """Says nothing about what is to be reconstructed."""
    order = torch.randperm(len(images), generator=generator, device=generator.device)
    return images[order]


def test_no_alarm_for_a_network_of_use_for_corrupted_rows_only(rows, seed):
    params = {"max_epochs": 30, "validation": None, "random_state": seed}
    model = DenoisingAutoencoder(16, corruption=negative, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(rows)
    assert model.score(rows) < 0
    mean = np.square(rows - rows.mean(axis=0)).mean()
    assert np.square(model.reconstruct(1 - rows) - rows).mean() < 0.5 * mean


def test_alarm_if_corrupted_rows_are_not_reconstructed_either(rows):
    model = DenoisingAutoencoder(4, corruption=another_row, max_epochs=30)
    with pytest.warns(ConvergenceWarning, match="mean of the data"):
        model.set_params(validation=None, random_state=0).fit(rows)


def test_no_alarm_if_nothing_is_trained(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SparseAutoencoder(4, max_epochs=0).fit(rows)
        SparseAutoencoder(4, lambd=1e6).partial_fit(rows)


# -- the warning of partial_fit --------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Autoencoder(4, l2_penalty=1e3, learning_rate=0.05), "l2_penalty=1000"),
        (Autoencoder(4, learning_rate=0.5), "learning_rate than 0.5"),
    ],
    ids=["penalty", "rate"],
)
def test_partial_fit_warns_when_calls_have_doubled(rows, model, words):
    """Not while it has hardly begun, and not in every call."""
    model.set_params(random_state=0, batch_size=2)
    told = {}
    for call in range(1, 19):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.partial_fit(rows[call : call + 64])  # 32 steps
        if caught:
            (told[call],) = caught
    assert list(told) == [16]
    assert "mean of the data" in str(told[16].message)
    assert words in str(told[16].message)
    assert told[16].filename == __file__  # the line of the user


def test_no_alarm_for_a_part_that_is_unlike_the_others():
    """A single class, whose mean is better than what a good network has learnt."""
    X, y = load_digits(return_X_y=True)
    others, zeros = X[y > 0] / 16, X[y == 0][:100] / 16
    model = Autoencoder(2, random_state=0, batch_size=3)
    for call in range(15):
        model.partial_fit(others[call * 100 :][:100])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        # The 16th call, after which a collapse would be told.
        model.set_params(learning_rate=1e-8).partial_fit(zeros)
    assert model.score(others) > 0.3
    assert model.score(zeros) < 0


# -- sparse codes of patches -----------------------------------------------------------


@pytest.fixture(scope="module")
def patches():
    """Ng's exercise: patches minus their mean, from 3 standard deviations to .1, .9."""
    china = load_sample_images().images[0].mean(axis=2)
    X = extract_patches_2d(china, (8, 8), max_patches=1000, random_state=0)
    X = X.reshape(len(X), -1)
    X = X - X.mean(axis=1, keepdims=True)
    limit = 3 * X.std()
    return (np.clip(X / limit, -1, 1) + 1) * 0.4 + 0.1


def objective(model, X):
    """In the units of the data, as in the lecture notes."""
    codes, rho = model.transform(X), model.rho
    mean = codes.mean(axis=0)
    weights = model.net_.criterion_.units.weight_scales
    squares = sum(
        float((weight.detach().double() * weights.get(name, 1.0)).square().sum())
        for name, weight in model.net_.module_.named_parameters()
        if weight.ndim > 1
    )
    return (
        0.5 * np.square(model.inverse_transform(codes) - X).sum(axis=1).mean()
        + 0.5 * model.l2_penalty * squares
        + model.lambd
        * (rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))).sum()
    )


def test_default_training_comes_near_to_lbfgs(patches):
    """SciPy's L-BFGS-B, on all rows in double precision, gives the reference."""
    reference = 0.3803
    settings = {"rho": 0.01, "lambd": 3, "l2_penalty": 1e-4, "random_state": 0}
    model = SparseAutoencoder(25, output_activation="sigmoid", **settings)
    default = objective(model.fit(patches), patches)
    model.set_params(optimizer="lbfgs", validation=None, max_epochs=120)
    lbfgs = objective(model.fit(patches), patches)

    assert lbfgs < 1.02 * reference
    assert default < 1.05 * reference


# -- L-BFGS ----------------------------------------------------------------------------


def test_lbfgs_finds_the_minimum_of_a_ridge(rows):
    """A linear network, whose minimum is known from the spectrum."""
    penalty = 0.05
    model = Autoencoder(
        5,
        hidden_layer_sizes=(),
        init="random",
        optimizer="lbfgs",
        l2_penalty=penalty,
        validation=None,
        random_state=0,
    ).fit(rows)
    # An axis of variance v has a product a of weights that minimises
    # v (1 - a)^2 / 2 + penalty a, where a is 1 - penalty / v.
    variances = np.linalg.eigvalsh(np.cov(rows.T, bias=True))[::-1][:5]
    total = np.trace(np.cov(rows.T, bias=True))
    minimum = 0.5 * (total - variances.sum())
    minimum += (penalty - 0.5 * penalty**2 / variances).sum()
    np.testing.assert_allclose(model.best_loss_, minimum, rtol=1e-4)
    assert model.n_iter_ < 400  # it knows when it has converged
    assert (np.diff(model.loss_curve_) < 1e-5).all()


@pytest.mark.parametrize(
    "model",
    [
        Autoencoder(3, validation=0.2),
        SparseAutoencoder(6),
        SparseAutoencoder(6, sparsity="l1"),
        ContractiveAutoencoder(3),
        Autoencoder(3, tied_weights=True),
        StackedAutoencoder(2, hidden_layer_sizes=(6, 4), pretrain_epochs=2),
    ],
    ids=repr,
)
def test_lbfgs_trains_every_deterministic_variant(rows, model):
    weight = np.linspace(0.5, 1.5, len(rows))
    model.set_params(optimizer="lbfgs", max_epochs=4, random_state=0)
    model.fit(rows, sample_weight=weight)
    assert len(model.loss_curve_) == 4
    assert (np.diff(model.loss_curve_) < 0).all()


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (DenoisingAutoencoder(3), "corruption="),
        (Autoencoder(3, dropout=0.2), "dropout=0.2"),
        (ContractiveAutoencoder(3, n_projections=2), "n_projections=2"),
        (VariationalAutoencoder(2), "loss='gaussian'"),
        (Autoencoder(3, batch_size=20), "batch_size=20"),
    ],
    ids=repr,
)
def test_lbfgs_refuses_what_it_cannot_use(rows, model, word):
    with pytest.raises(ValueError, match=word) as caught:
        model.set_params(optimizer="lbfgs").fit(rows)
    assert "lbfgs" in str(caught.value)


def test_lbfgs_needs_all_rows(rows):
    model = Autoencoder(3, optimizer="lbfgs", max_epochs=2)
    with pytest.raises(ValueError, match=r"partial_fit.*warm_start"):
        model.partial_fit(rows)
    with pytest.raises(ValueError, match="partial_fit"):
        model.fit(rows).partial_fit(rows)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("optimizer", ["lbfgs", torch.optim.LBFGS], ids=str)
def test_lbfgs_trains_alone_where_networks_train_together(rows, optimizer):
    """Its line search depends on all weights, so that it has no stacked form."""
    model = SparseAutoencoder(
        3, lambd=0.1, optimizer=optimizer, validation=None, max_epochs=2, random_state=0
    )
    rows = rows[:60]
    scores = [
        search(model, {"lambd": [0.1, 0.2]}, cv=2, error_score="raise")
        .fit(rows)
        .cv_results_["mean_test_score"]
        for search in (GridSearchCV, BatchedGridSearchCV)
    ]
    assert_allclose(scores[1], scores[0], rtol=1e-6)
    # Its folds train together, too.
    assert np.isfinite(AutoencoderOutlierDetector(model, cv=2).fit(rows).offset_)


def test_lbfgs_does_not_blame_a_learning_rate_that_it_ignores(rows):
    model = SparseAutoencoder(3, optimizer="lbfgs", validation=None, random_state=0)
    with pytest.raises(ValueError, match=r"lbfgs.*penalties") as caught:
        # Where the penalty outweighs the errors by more than single precision holds.
        model.fit(1e-22 * rows)
    assert "learning_rate" not in str(caught.value)


def test_classifier_fine_tunes_with_lbfgs(rows):
    y = load_digits().target[:200]
    autoencoder = Autoencoder(20, max_epochs=0)
    model = AutoencoderClassifier(
        autoencoder, optimizer="lbfgs", max_epochs=5, random_state=0
    )
    assert model.fit(rows, y).score(rows, y) > 0.9
    model = AutoencoderClassifier(
        Autoencoder(20, max_epochs=0, dropout=0.5), optimizer="lbfgs"
    )
    with pytest.raises(ValueError, match=r"dropout=0\.5"):
        model.fit(rows, y)


# -- units of the data -----------------------------------------------------------------


def scaled(name, scale):
    """A model whose penalties go with the scale of the data."""
    if name == "kl":
        return SparseAutoencoder(8, lambd=scale**2, **SHORT)
    if name == "l1":
        return SparseAutoencoder(8, sparsity="l1", lambd=0.1 * scale**2, **SHORT)
    if name == "topk":
        return SparseAutoencoder(8, sparsity="topk", k=3, **SHORT)
    if name == "contractive":
        return ContractiveAutoencoder(8, lambd=0.1 * scale**4, **SHORT)
    return StackedAutoencoder(3, hidden_layer_sizes=(8,), pretrain_epochs=5, **SHORT)


NAMES = ["kl", "l1", "topk", "contractive", "stacked"]


@pytest.mark.parametrize("name", NAMES)
def test_results_do_not_depend_on_the_scale_of_the_data(rows, name):
    X = rows[:100]
    expected = scaled(name, 1.0).fit(X).reconstruct(X)
    for scale in (1e-15, 1e-9, 1e-3, 1e3, 1e9, 1e15):
        found = scaled(name, scale).fit(X * scale).reconstruct(X * scale) / scale
        np.testing.assert_allclose(found, expected, atol=0.02)


def test_partial_fit_of_stacks_does_not_depend_on_the_scale_of_the_data(rows):
    scores = []
    for scale in (1.0, 1e-9, 16.0):
        model = scaled("stacked", 1.0)
        for _ in range(2):
            model.partial_fit(rows * scale)
        scores.append(model.score(rows * scale))
    np.testing.assert_allclose(scores, scores[0], atol=0.01)


@pytest.mark.parametrize("cls", [SparseAutoencoder, ContractiveAutoencoder])
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_penalties_that_drown_small_data_are_told(rows, cls, scale):
    model = cls(8, max_epochs=30, random_state=0)
    if scale < 1:
        with pytest.warns(ConvergenceWarning):
            model.fit(rows * scale)
        assert -0.1 < model.score(rows * scale) < 0.1
    else:
        assert model.fit(rows * scale).score(rows * scale) > 0.4


@pytest.mark.parametrize(
    ("batch_size", "rate"), [(8, 0.005), (16, 0.005), (32, 0.01), (64, 0.02)]
)
def test_penalised_codes_in_small_batches_have_smaller_rates(rows, batch_size, rate):
    """At 0.02, `lambd=10` in batches of 32 digits ended as little but the mean."""
    model = SparseAutoencoder(4, batch_size=batch_size, max_epochs=2, random_state=0)
    model.set_params(learning_rate_schedule="constant").fit(rows)
    assert_allclose(model.history_["learning_rate"], rate)
