"""Targets other than the input: in `fit`, in `score`, and in searches."""

import warnings

import numpy as np
import pytest
import sklearn
from registry import OwnNetwork
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import (
    Autoencoder,
    AutoencoderRegressor,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.model_selection import BatchedGridSearchCV

SHORT = {"max_epochs": 1, "validation": None, "random_state": 0}
SEARCHES = [GridSearchCV, BatchedGridSearchCV]
AUTOENCODERS = [
    Autoencoder(2, **SHORT),
    SparseAutoencoder(8, **SHORT),
    DenoisingAutoencoder(2, **SHORT),
    ContractiveAutoencoder(2, **SHORT),
    VariationalAutoencoder(2, **SHORT),
    ConvolutionalAutoencoder(2, image_shape=(1, 2, 3), **SHORT),
    StackedAutoencoder(2, hidden_layer_sizes=(4,), pretrain_epochs=1, **SHORT),
]
IDS = [type(one).__name__ for one in AUTOENCODERS]


@pytest.fixture(scope="module")
def pairs():
    """Noisy rows near a plane, and the clean ones."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 2)) @ rng.normal(size=(2, 6)) + 3
    return X + rng.normal(size=X.shape), X


def explained(target, output, weight=None):
    return r2_score(
        target, output, multioutput="variance_weighted", sample_weight=weight
    )


def warnings_of(function, *args, **kwargs):
    """All warnings but that of a training of one epoch."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        function(*args, **kwargs)
    return caught


# -- a clean table as y ----------------------------------------------------------------


@pytest.mark.parametrize("autoencoder", AUTOENCODERS, ids=IDS)
def test_clean_table_as_y(autoencoder, pairs):
    noisy, X = pairs
    for method in ("fit", "partial_fit", "fit_transform", "score"):
        caught = warnings_of(getattr(autoencoder, method), noisy, X)
        assert [w for w in caught if "X_target=y" in str(w.message)], method
        assert not warnings_of(getattr(autoencoder, method), noisy, X[:, 0]), method


@pytest.mark.parametrize("convert", [sparse.csr_array, np.ndarray.tolist])
def test_clean_table_as_y_in_any_container(convert, pairs):
    noisy, X = pairs
    with pytest.warns(UserWarning, match="X_target=y") as caught:
        AUTOENCODERS[0].fit(noisy, convert(X))
    assert caught[0].filename == __file__


def test_other_y_is_ignored_silently(pairs):
    noisy, X = pairs
    model = AUTOENCODERS[0]
    assert not warnings_of(model.fit, noisy, noisy)  # as in Keras, to no effect
    assert not warnings_of(model.fit, noisy, X[:, :4])
    assert not warnings_of(model.fit, noisy, X, X_target=X)
    assert not warnings_of(model.fit, noisy, list("ab") * 45)
    # More likely a column of labels than the target of a single feature.
    single = Autoencoder(1, **SHORT)
    assert not warnings_of(single.fit, noisy[:, :1], X[:, :1])


# -- score -----------------------------------------------------------------------------


@pytest.mark.parametrize("autoencoder", AUTOENCODERS, ids=IDS)
def test_score_of_targets(autoencoder, pairs):
    noisy, X = pairs
    autoencoder.fit(noisy)
    weight = np.arange(90.0) % 4
    output = autoencoder.reconstruct(noisy)
    for container in (np.asarray, sparse.csr_array):
        score = autoencoder.score(noisy, X_target=container(X))
        assert score == pytest.approx(explained(X, output), rel=1e-9)
    score = autoencoder.score(noisy, X_target=X, sample_weight=weight)
    assert score == pytest.approx(explained(X, output, weight), rel=1e-9)
    score = autoencoder.score(noisy, sample_weight=3 * weight)
    assert score == pytest.approx(explained(noisy, output, weight), rel=1e-9)


def test_score_of_other_columns(pairs):
    noisy, X = pairs
    model = Autoencoder(2, **SHORT).fit(noisy, X_target=X[:, :4])
    score = model.score(noisy, X_target=X[:, :4])
    assert score == pytest.approx(explained(X[:, :4], model.reconstruct(noisy)))
    with pytest.raises(ValueError, match="Pass an X_target of"):
        model.score(noisy)
    with pytest.raises(ValueError, match=r"4 columns.*6"):
        model.score(noisy, X_target=X)
    with pytest.raises(ValueError, match="X_target has 9 rows, but X has 90"):
        model.score(noisy, X_target=X[:9, :4])


# -- searches --------------------------------------------------------------------------


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(
    ("name", "by_noise", "by_clean", "max_epochs"),
    [("n_components", 6, 2, 0), ("corruption_level", 0.0, 1.0, 100)],
)
def test_search_by_the_clean_error(name, by_noise, by_clean, max_epochs, search, pairs):
    noisy, X = pairs
    params = SHORT | {"hidden_layer_sizes": (), "max_epochs": max_epochs}
    denoiser = DenoisingAutoencoder(6, **params)
    grid = {name: [by_noise, by_clean]}
    found = search(denoiser, grid, cv=2).fit(noisy)
    assert found.best_params_ == {name: by_noise}
    with sklearn.config_context(enable_metadata_routing=True):
        denoiser.set_fit_request(X_target=False).set_score_request(X_target=True)
        found = search(denoiser, grid, cv=2).fit(noisy, X_target=X)
    assert found.best_params_ == {name: by_clean}
    # The same fits, scored in another way.
    model = denoiser.set_params(**found.best_params_).fit(noisy[45:])
    score = model.score(noisy[:45], X_target=X[:45])
    assert found.cv_results_["split0_test_score"][1] == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("search", SEARCHES)
def test_search_of_a_pipeline(search, pairs):
    noisy, X = (table * np.geomspace(1, 1000, 6) for table in pairs)
    denoiser = DenoisingAutoencoder(2, init="random", **SHORT)

    def clean_score(pipeline, noisy, X):
        return explained(X, pipeline.inverse_transform(pipeline.transform(noisy)))

    with sklearn.config_context(enable_metadata_routing=True):
        denoiser.set_fit_request(X_target=True)
        denoiser.set_score_request(X_target=True)
        pipeline = make_pipeline(
            StandardScaler(), denoiser, transform_input=["X_target"]
        )
        grid = {"denoisingautoencoder__max_epochs": [0, 30]}
        found = search(pipeline, grid, scoring=clean_score, cv=2)
        assert not warnings_of(found.fit, noisy, X, X_target=X)
        best = found.best_estimator_
        scaled = best[0].transform(X)
        # Fitted to scaled targets, so that scaling can be undone.
        outputs = best.inverse_transform(best.transform(noisy))
        assert np.allclose(outputs.mean(axis=0), X.mean(axis=0), rtol=0.2)
        # Scikit-learn does not scale the target of score.
        score = best.score(noisy, X_target=scaled)
        assert score == pytest.approx(explained(scaled, best[0].transform(outputs)))
        with pytest.warns(UserWarning, match="different"):
            best.score(noisy, X_target=X)
        assert best.score(noisy) < 1  # raised a TypeError without sample_weight


# -- units -----------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-3, 300.0])
@pytest.mark.parametrize("autoencoder", AUTOENCODERS, ids=IDS)
def test_targets_in_other_units(autoencoder, factor, pairs):
    noisy, X = pairs
    with pytest.warns(UserWarning, match=r"X_target has a root mean square of .*unit"):
        autoencoder.fit(noisy, X_target=X * factor)
    assert not warnings_of(autoencoder.score, noisy, X_target=X * factor)
    with pytest.warns(UserWarning, match="the target of fit"):
        autoencoder.score(noisy, X_target=X)


def test_targets_in_the_same_units(pairs):
    noisy, X = pairs
    model = AUTOENCODERS[0]
    strong_noise = X + 10 * X.std() * np.random.default_rng(0).normal(size=X.shape)
    assert not warnings_of(model.fit, strong_noise, X_target=X)
    gaps = X * (np.random.default_rng(0).uniform(size=X.shape) < 0.05)
    assert not warnings_of(model.fit, gaps, X_target=X)
    # Other columns have other units.
    assert not warnings_of(model.fit, noisy, X_target=1e6 * X[:, :2])


# -- gaps ------------------------------------------------------------------------------


def test_error_for_missing_values_names_imputers(pairs):
    X = pairs[1]
    gaps = X.copy()
    gaps[3, 2] = np.nan
    model = Autoencoder(2, **SHORT).fit(X)
    calls = {
        "X": [
            lambda: model.fit(gaps),
            lambda: model.partial_fit(gaps),
            lambda: model.transform(gaps),
            lambda: AutoencoderRegressor().fit(gaps, X[:, 0]),
        ],
        "X_target": [
            lambda: model.fit(X, X_target=gaps),
            lambda: model.score(X, X_target=gaps),
        ],
    }
    for name, functions in calls.items():
        for function in functions:
            words = f"Input {name} contains NaN.*AutoencoderImputer or sklearn"
            with pytest.raises(ValueError, match=words):
                function()


# -- hidden layers ---------------------------------------------------------------------


def test_hidden_activations_of_dense_layers(pairs):
    X, _ = pairs
    model = Autoencoder(2, hidden_layer_sizes=(5, 3), activation="tanh", **SHORT)
    first, second, third, fourth = model.fit(X).hidden_activations(X)
    state = {k: v.double().numpy() for k, v in model.net_.module_.state_dict().items()}

    def layer(name, x):
        return np.tanh(x @ state[f"{name}.weight"].T + state[f"{name}.bias"])

    Z = (X - model.mean_) / model.scale_
    assert first == pytest.approx(layer("encoder.0", Z), rel=1e-9)
    assert second == pytest.approx(layer("encoder.2", first), rel=1e-9)
    codes = model.transform(X) / float(model.module_.code_scale)
    assert third == pytest.approx(layer("decoder.0", codes), rel=1e-9)
    assert fourth == pytest.approx(layer("decoder.2", third), rel=1e-9)


@pytest.mark.parametrize("autoencoder", AUTOENCODERS, ids=IDS)
def test_hidden_activations_of_all(autoencoder, pairs):
    X = pairs[1].astype(np.float32)
    layers = autoencoder.fit(X).hidden_activations(sparse.csr_array(X))
    n_layers = {"SparseAutoencoder": 0, "ContractiveAutoencoder": 0}
    assert len(layers) >= n_layers.get(type(autoencoder).__name__, 2)
    for layer in layers:
        assert layer.shape[0] == 90
        assert layer.ndim == 2
        assert layer.dtype == np.float32


def test_hidden_activations_of_predictors_and_own_networks(pairs):
    X, _ = pairs
    autoencoder = Autoencoder(2, hidden_layer_sizes=(5,), **SHORT)
    regressor = AutoencoderRegressor(autoencoder, **SHORT).fit(X, X[:, 0])
    (layer,) = regressor.hidden_activations(X)
    assert layer.shape == (90, 5)
    own = Autoencoder(2, network=OwnNetwork, **SHORT).fit(X)
    with pytest.raises(ValueError, match=r"OwnNetwork.*encoder_activations"):
        own.hidden_activations(X)


def test_frames_come_from_transform_only(pairs):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(pairs[1], columns=list("abcdef"))
    model = Autoencoder(2, **SHORT).set_output(transform="pandas").fit(X)
    codes = model.transform(X)
    assert list(codes) == ["autoencoder0", "autoencoder1"]
    # As in scikit-learn, whose set_output is about transform.
    for output in (model.inverse_transform(codes), model.reconstruct(X)):
        assert type(output) is np.ndarray
