"""The denoising autoencoder: what is done to its input, and what it undoes."""

import pickle
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from registry import OwnCorruption
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_ae import Autoencoder, ConvolutionalNetwork, DenoisingAutoencoder
from sklearn_ae.objectives.corruptions import gaussian, masking, salt_and_pepper

KINDS = ["gaussian", "masking", "salt_and_pepper"]
CONTAINERS = {"dense": np.asarray, "csr": sparse.csr_array}
# One batch of all rows, weights that stay where they are.
AT_START = {"batch_size": 1000, "learning_rate": 1e-9}


def generator_of(seed):
    return torch.Generator().manual_seed(seed)


def draw_batch(seed, shape=(400, 50)):
    x = np.random.default_rng(seed).uniform(-2, 2, size=shape)
    return torch.from_numpy(x)


def assert_share(found, share):
    """The share of True is `share`, up to five standard errors."""
    error = np.sqrt(share * (1 - share) / found.size)
    assert abs(found.mean() - share) <= 5 * error


def assert_same_model(model, other, X):
    for method in ("transform", "reconstruct"):
        np.testing.assert_array_equal(
            getattr(model, method)(X), getattr(other, method)(X)
        )
    np.testing.assert_array_equal(model.loss_curve_, other.loss_curve_)


@dataclass(eq=False)
class Recorder:
    """A corruption that keeps what it is given and what it returns."""

    level: float = 1.0
    rows: list = field(default_factory=list)
    noisy: list = field(default_factory=list)
    training: list = field(default_factory=list)

    def __call__(self, x, generator):
        noise = torch.empty_like(x).normal_(generator=generator)
        self.rows.append(x.numpy().copy())
        self.noisy.append((x + self.level * noise).numpy())
        self.training.append(torch.is_grad_enabled())
        return torch.from_numpy(self.noisy[-1].copy())

    def passes(self, training):
        """Rows and noisy rows of each call, in training or on rows held out."""
        calls = zip(self.rows, self.noisy, self.training, strict=True)
        return [(rows, noisy) for rows, noisy, flag in calls if flag == training]


class Spy(nn.Module):
    """A linear network that keeps what it sees in training."""

    seen: list

    def __init__(self, n_features, n_components):
        super().__init__()
        self.encoder = nn.Linear(n_features, n_components)
        self.decoder = nn.Linear(n_components, n_features)

    def encode(self, x):
        if self.training and torch.is_grad_enabled():
            type(self).seen.append(x.numpy().copy())
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decode(self.encode(x))


def seen_in_training(model, X):
    """What the network sees of `X` in the first epoch, in the units of `X`."""
    Spy.seen = []
    model = clone(model).set_params(network=Spy, max_epochs=1, validation=None)
    model.fit(X)
    return np.vstack(Spy.seen) * model.scale_ + model.mean_


# -- each corruption against its definition --------------------------------------------


@pytest.mark.parametrize("level", [0.1, 3.0])
def test_gaussian(level, seed):
    x = draw_batch(seed)
    noise = (gaussian(x, generator_of(seed), level=level) - x).numpy() / level
    error = 1 / np.sqrt(noise.size)
    assert abs(noise.mean()) < 5 * error
    assert abs((noise**2).mean() - 1) < 5 * np.sqrt(2) * error
    assert abs((noise**3).mean()) < 5 * np.sqrt(15) * error
    assert abs((noise**4).mean() - 3) < 5 * np.sqrt(96) * error
    # Independent of its neighbours and of the data.
    assert abs((noise[1:] * noise[:-1]).mean()) < 5.1 * error
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < 5.1 * error
    assert abs((noise * x.numpy()).mean() / x.std().item()) < 5 * error


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_masking(level, seed):
    x = draw_batch(seed)
    noisy = masking(x, generator_of(seed), level=level)
    masked = (noisy == 0).numpy()
    assert torch.equal(noisy, torch.where(torch.from_numpy(masked), 0.0, x))
    assert_share(masked, level)
    # Entry by entry, not row by row or column by column.
    assert_share(masked[1:] & masked[:-1], level**2)
    assert_share(masked[:, 1:] & masked[:, :-1], level**2)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_salt_and_pepper(level, seed):
    x = draw_batch(seed)
    noisy = salt_and_pepper(x, generator_of(seed), level=level, low=-5, high=7)
    low, high = (noisy == -5).numpy(), (noisy == 7).numpy()
    kept = ~(low | high)
    np.testing.assert_array_equal(noisy.numpy()[kept], x.numpy()[kept])
    assert_share(low, level / 2)
    assert_share(high, level / 2)
    assert_share(kept, 1 - level)
    assert_share(low[1:] & high[:-1], level**2 / 4)


def test_extreme_levels(seed):
    x, generator = draw_batch(seed), generator_of(seed)
    salt = {"low": -5, "high": 7}
    assert torch.equal(gaussian(x, generator, level=0), x)
    assert torch.equal(masking(x, generator, level=0), x)
    assert torch.equal(salt_and_pepper(x, generator, level=0, **salt), x)
    assert (masking(x, generator, level=1) == 0).all()
    noisy = salt_and_pepper(x, generator, level=1, **salt)
    assert set(noisy.unique().tolist()) == {-5, 7}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "corrupt",
    [
        lambda x, g: gaussian(x, g, level=1.0),
        lambda x, g: masking(x, g, level=0.5),
        lambda x, g: salt_and_pepper(x, g, level=0.5, low=-5, high=7),
    ],
    ids=KINDS,
)
def test_corruption_of_a_batch(corrupt, dtype, untouched_generators):
    """It is another tensor of the same kind, and ruled by the generator."""
    x = draw_batch(0).to(dtype)
    before = x.clone()
    noisy = corrupt(x, generator_of(1))
    assert torch.equal(x, before)
    assert (noisy.shape, noisy.dtype) == (x.shape, dtype)
    assert not torch.equal(noisy, x)
    assert torch.equal(noisy, corrupt(x, generator_of(1)))
    assert not torch.equal(noisy, corrupt(x, generator_of(2)))


# -- in the units of the data ----------------------------------------------------------


@pytest.mark.parametrize("container", CONTAINERS)
def test_callable_gets_rows_of_the_data(seeded_table, container, seed):
    """In their own units, though the network standardises; a different order."""
    X = 1e3 * seeded_table
    recorder = Recorder(level=500.0)
    model = DenoisingAutoencoder(2, corruption=recorder, max_epochs=1)
    model.set_params(random_state=seed, batch_size=7, validation=None)
    before = X.copy()
    model.fit(CONTAINERS[container](X))
    np.testing.assert_array_equal(X, before)
    rows = np.vstack([rows for rows, _ in recorder.passes(training=True)])
    assert rows.dtype == np.float32
    ordered, expected = rows[np.argsort(rows[:, 0])], X[np.argsort(X[:, 0])]
    np.testing.assert_allclose(ordered, expected, atol=1e-6 * np.abs(X).max())


def test_network_sees_what_the_callable_returns(seeded_table, seed):
    recorder = Recorder(level=500.0)
    model = DenoisingAutoencoder(2, init="random", corruption=recorder, batch_size=7)
    X = 1e3 * seeded_table
    seen = seen_in_training(model.set_params(random_state=seed), X)
    # `clone` copies the recorder as well.
    assert recorder.rows == []
    model.set_params(network=Spy, max_epochs=1, validation=None)
    Spy.seen = []
    model.fit(X)
    noisy = np.vstack([noisy for _, noisy in recorder.passes(training=True)])
    np.testing.assert_allclose(seen, noisy, atol=1e-6 * np.abs(noisy).max())


def draw_grid(seed):
    """Values 200 and 300, few 100 and 400 too: the clean value is the nearest one."""
    rng = np.random.RandomState(seed)
    values = [100, 200, 300, 400]
    return rng.choice(values, p=[0.02, 0.5, 0.46, 0.02], size=(300, 20)).astype(float)


@pytest.mark.parametrize("container", CONTAINERS)
def test_gaussian_noise_is_in_units_of_the_data(container, seed):
    model = DenoisingAutoencoder(2, corruption_level=5.0, random_state=seed)
    seen = seen_in_training(model, CONTAINERS[container](draw_grid(seed)))
    noise = seen - np.round(seen / 100) * 100
    assert abs(noise.std() / 5 - 1) < 5 / np.sqrt(2 * noise.size)
    assert abs(noise.mean() / 5) < 5 / np.sqrt(noise.size)


@pytest.mark.parametrize("container", CONTAINERS)
def test_masking_sets_zeros_not_means(container, seed):
    model = DenoisingAutoencoder(2, corruption="masking", random_state=seed)
    seen = seen_in_training(model, CONTAINERS[container](draw_grid(seed)))
    np.testing.assert_allclose(seen, np.round(seen / 100) * 100, atol=1e-3)
    assert_share(seen < 50, 0.3)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("shift", [0.0, -250.0, -500.0])
def test_salt_and_pepper_are_the_extremes_of_the_data(container, shift, seed):
    """The zeros that a sparse table does not store count as well."""
    X = draw_grid(seed) + shift
    X[0, 0] = shift + 50  # the one smallest value of all
    if container == "csr":
        X[X == shift + 100] = 0
    model = DenoisingAutoencoder(
        2, corruption="salt_and_pepper", corruption_level=0.6, random_state=seed
    )
    seen = seen_in_training(model, CONTAINERS[container](X))
    for extreme in (X.min(), X.max()):
        clean = np.isclose(X, extreme).mean()
        found = np.isclose(seen, extreme, atol=1e-3)
        assert abs(found.mean() - 0.3 - 0.4 * clean) < 5 * 0.5 / np.sqrt(X.size)
    values = np.unique(np.round(seen, 2))
    assert set(values) <= set(X.ravel())


def test_rows_of_no_weight_are_no_salt(seeded_table, seed):
    X = np.vstack([seeded_table, np.full((1, 7), 1e4)])
    weight = np.r_[np.ones(len(seeded_table)), 0]
    model = DenoisingAutoencoder(2, corruption="salt_and_pepper", max_epochs=2)
    model.set_params(random_state=seed, validation=None)
    weighted = clone(model).fit(X, sample_weight=weight)
    assert_same_model(weighted, model.fit(seeded_table), seeded_table)


# -- when, and when not ----------------------------------------------------------------


def test_noise_is_drawn_anew_for_training_and_kept_for_validation(seeded_table, seed):
    recorder = Recorder()
    model = DenoisingAutoencoder(2, corruption=recorder, max_epochs=4, **AT_START)
    model.set_params(init="random", random_state=seed, n_iter_no_change=10)
    model.fit(seeded_table)
    noises = [noisy - rows for rows, noisy in recorder.passes(training=True)]
    assert len(noises) == 4
    for i in range(4):
        for j in range(i):
            # Of no entry the same, whatever the order of the rows.
            assert len(np.intersect1d(noises[i], noises[j])) < 0.01 * noises[i].size
    first, *others = recorder.passes(training=False)
    assert len(others) >= 4  # the untrained network is measured, too
    for rows, noisy in others:
        np.testing.assert_array_equal(rows, first[0])
        np.testing.assert_array_equal(noisy, first[1])


def test_targets_stay_clean(seeded_table, seed):
    """J = mean 1/2 ||x - g(h(c(x)))||^2 by hand, in training and on rows held out."""
    recorder = Recorder(level=2.0)
    model = DenoisingAutoencoder(
        2, corruption=recorder, max_epochs=1, optimizer="sgd", **AT_START
    )
    model.set_params(init="random", random_state=seed).fit(seeded_table)
    for name, training in {"train": True, "valid": False}.items():
        rows, noisy = recorder.passes(training)[0]
        reconstruction = model.reconstruct(noisy.astype(float))
        expected = 0.5 * ((rows - reconstruction) ** 2).sum(axis=1).mean()
        found = model.history_[f"{name}_loss"][0]
        assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("corruption", KINDS)
def test_validation_losses_are_comparable(seeded_table, corruption, seed):
    """Of weights that stay, the validation loss stays, the training loss does not."""
    model = DenoisingAutoencoder(
        2, corruption=corruption, optimizer="sgd", max_epochs=5, **AT_START
    )
    model.set_params(corruption_level=0.5, random_state=seed).fit(seeded_table)
    spread = {
        name: np.ptp(model.history_[f"{name}_loss"])
        / model.history_[f"{name}_loss"].mean()
        for name in ("train", "valid")
    }
    assert spread["valid"] < 1e-5
    assert spread["train"] > 1e-3


@pytest.mark.parametrize("init", ["pca", "random"])
@pytest.mark.parametrize("corruption", KINDS)
def test_no_noise_is_the_plain_autoencoder(seeded_table, corruption, init, seed):
    shared = {"init": init, "validation": 0.2, "max_epochs": 5, "random_state": seed}
    model = DenoisingAutoencoder(
        3, corruption=corruption, corruption_level=0, **shared
    ).fit(seeded_table)
    assert_same_model(model, Autoencoder(3, **shared).fit(seeded_table), seeded_table)
    noisy = clone(model).set_params(corruption_level=0.3).fit(seeded_table)
    assert not np.array_equal(noisy.loss_curve_, model.loss_curve_)


def test_pairs_get_no_noise(seeded_table, seed):
    recorder = Recorder()
    target = seeded_table[:, :4] ** 2
    shared = {"init": "random", "max_epochs": 5, "random_state": seed}
    plain = Autoencoder(3, **shared).fit(seeded_table, X_target=target)
    for corruption in (*KINDS, recorder):
        model = DenoisingAutoencoder(3, corruption=corruption, **shared)
        model.fit(seeded_table, X_target=target)
        np.testing.assert_array_equal(model.loss_curve_, plain.loss_curve_)
        assert model.reconstruct(seeded_table).shape == (60, 4)
    assert recorder.rows == []


@pytest.mark.parametrize("corruption", [*KINDS, OwnCorruption(1.0)], ids=str)
def test_partial_fit_corrupts_as_well(seeded_table, corruption, seed):
    shared = {"optimizer": "sgd", "random_state": seed, **AT_START}
    model = DenoisingAutoencoder(
        2, corruption=corruption, corruption_level=0.9, **shared
    )
    losses = model.partial_fit(seeded_table).partial_fit(seeded_table).loss_curve_
    clean = Autoencoder(2, **shared).partial_fit(seeded_table).loss_curve_[0]
    assert (losses > 1.01 * clean).all()
    assert losses[0] != pytest.approx(losses[1], rel=1e-4)


# -- callables -------------------------------------------------------------------------


def draws_globally(x, generator):
    return x + torch.randn(x.shape) + torch.rand(x.shape, generator=generator)


@dataclass
class Unhashable:
    level: float

    def __call__(self, x, generator):
        return x + self.level


@pytest.mark.parametrize(
    "corruption",
    [*KINDS, OwnCorruption(1.0), draws_globally],
    ids=[*KINDS, "own", "draws_globally"],
)
def test_fits_are_reproducible(seeded_table, corruption, seed, untouched_generators):
    model = DenoisingAutoencoder(2, corruption=corruption, max_epochs=3)
    model.set_params(init="random", random_state=seed)
    first, again = clone(model).fit(seeded_table), clone(model).fit(seeded_table)
    assert_same_model(first, again, seeded_table)
    other = model.set_params(random_state=seed + 1).fit(seeded_table)
    assert not np.array_equal(other.loss_curve_, first.loss_curve_)


def test_callable_may_work_in_place(seeded_table, seed):
    """It gets rows of its own."""

    def in_place(x, generator):
        return x.add_(torch.empty_like(x).normal_(generator=generator))

    params = {"max_epochs": 3, "validation": 2, "random_state": seed}
    model = DenoisingAutoencoder(2, corruption=in_place, **params).fit(seeded_table)
    other = clone(model).set_params(corruption=OwnCorruption(1.0)).fit(seeded_table)
    assert_same_model(model, other, seeded_table)


def test_callable_may_return_double_precision_or_have_no_hash(table):
    for corruption in (lambda x, generator: x.double() + 1, Unhashable(1.0)):
        model = DenoisingAutoencoder(2, corruption=corruption, max_epochs=2)
        assert np.isfinite(model.fit(table).loss_curve_).all()


# -- wrong choices ---------------------------------------------------------------------


def not_a_tensor(x, generator):
    return x.numpy()


def nothing(x, generator):
    return None


def too_narrow(x, generator):
    return x[:, 1:]


def too_short(x, generator):
    return x[1:]


WRONG = [
    ({"corruption": not_a_tensor}, ["corruption", "not_a_tensor", "tensor"]),
    ({"corruption": nothing}, ["corruption", "nothing", "NoneType"]),
    ({"corruption": too_narrow}, ["corruption", "too_narrow", ", 6)", ", 7)"]),
    ({"corruption": too_short}, ["corruption", "too_short"]),
    ({"corruption": "dropout"}, ["corruption", "dropout", "masking"]),
    ({"corruption": None}, ["corruption", "None"]),
    ({"corruption": 0.3}, ["corruption", "0.3"]),
    *(
        ({"corruption": corruption, "corruption_level": level}, ["corruption_level"])
        for corruption in KINDS
        for level in (-0.1, np.nan, np.inf, None, "big")
    ),
    *(
        (
            {"corruption": corruption, "corruption_level": 1.001},
            ["corruption_level=1.001", f"'{corruption}'", "at most 1"],
        )
        for corruption in ("masking", "salt_and_pepper")
    ),
]


@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
@pytest.mark.parametrize(
    ("params", "words"),
    WRONG,
    # The address of a function is another one in every process.
    ids=[getattr(p["corruption"], "__name__", str(p)) for p, _ in WRONG],
)
def test_wrong_choice(table, params, words, fitted):
    model = DenoisingAutoencoder(2, init="random", max_epochs=1, random_state=0)
    if fitted:
        codes = model.fit(table).transform(table)
    model.set_params(**params)
    before = dict(vars(model))
    with pytest.raises(ValueError) as caught:
        model.fit(table)
    assert all(word in str(caught.value) for word in words), caught.value
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    if fitted:
        np.testing.assert_array_equal(model.transform(table), codes)


def test_levels_that_are_right(table):
    """A standard deviation may exceed one, and a callable does not look at it."""
    for params in (
        {"corruption_level": 50.0},
        {"corruption": "masking", "corruption_level": 1},
        {"corruption": "salt_and_pepper", "corruption_level": 1},
        {"corruption": OwnCorruption(1.0), "corruption_level": 2},
    ):
        DenoisingAutoencoder(2, max_epochs=1, validation=None, **params).fit(table)


# -- quality, and as any estimator -----------------------------------------------------


def corrupted(X, corruption):
    """As `DenoisingAutoencoder` does it at its default level, but by NumPy."""
    rng = np.random.default_rng(1)
    if corruption == "gaussian":
        return X + 0.3 * rng.normal(size=X.shape)
    share = rng.uniform(size=X.shape)
    noisy = np.where(share < 0.3, 0.0, X)
    if corruption == "salt_and_pepper":
        noisy = np.where(share < 0.15, 1.0, noisy)
    return noisy


def error(X, Y):
    return np.square(X - Y).mean()


@pytest.mark.parametrize("corruption", KINDS)
def test_cleans_better_than_pca(digits, corruption):
    """Than PCA with the number of components that cleans best."""
    train, clean = digits
    noisy = corrupted(clean, corruption)
    model = DenoisingAutoencoder(
        32, corruption=corruption, max_epochs=30, random_state=0
    ).fit(train)
    cleaned = error(model.reconstruct(noisy), clean)
    assert cleaned < error(noisy, clean) / 3
    projections = [PCA(n).fit(train) for n in (4, 8, 16, 32)]
    by_pca = min(
        error(pca.inverse_transform(pca.transform(noisy)), clean) for pca in projections
    )
    assert cleaned < 0.8 * by_pca


@pytest.mark.parametrize("init", ["pca", "random"])
def test_convolutions_clean_as_well(digits, init):
    train, clean = digits
    network = ConvolutionalNetwork(image_shape=(1, 8, 8), channels=(8,))
    model = DenoisingAutoencoder(
        32, network=network, init=init, max_epochs=15, random_state=0
    ).fit(train)
    noisy = corrupted(clean, "gaussian")
    assert error(model.reconstruct(noisy), clean) < error(noisy, clean) / 2


def test_overcomplete_codes(digits):
    X = digits[0][:100]
    model = DenoisingAutoencoder(100, init="random", max_epochs=2).fit(X)
    assert model.transform(X).shape == (100, 100)


@pytest.mark.parametrize("corruption", [*KINDS, OwnCorruption(1.0)], ids=str)
def test_pickle_goes_on_where_it_was(seeded_table, corruption, seed):
    """The generator of the noise included."""
    model = DenoisingAutoencoder(2, corruption=corruption, random_state=seed)
    model.partial_fit(seeded_table)
    copy = pickle.loads(pickle.dumps(model))
    assert_same_model(copy, model, seeded_table)
    for estimator in (model, copy):
        estimator.partial_fit(seeded_table).partial_fit(seeded_table)
    assert_same_model(copy, model, seeded_table)


def test_grid_search(digits):
    """Scored by what the model is for, cleaning."""
    X = digits[0][:300]

    def cleaning(model, X, y=None):
        return -error(model.reconstruct(corrupted(X, "gaussian")), X)

    model = DenoisingAutoencoder(16, validation=None, max_epochs=20, random_state=0)
    grid = {"corruption_level": [0.0, 0.3, 5.0]}
    search = GridSearchCV(model, grid, cv=2, scoring=cleaning, error_score="raise")
    assert search.fit(X).best_params_ == {"corruption_level": 0.3}
    assert len(set(search.cv_results_["mean_test_score"])) == 3
