"""The convolutional network, in an autoencoder of its own and in all the others."""

import pickle
import re
import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from torch.nn import functional as F

from sklearn_ae import (
    Autoencoder,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    ConvolutionalNetwork,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.networks.convolutional import Convolutions

CHEAP = {"max_epochs": 2, "random_state": 0}
SMALL = ConvolutionalNetwork(channels=(2, 3))


def network(seed=0, image_shape=(2, 5, 4), n_components=3, channels=(4, 3), **params):
    """A network in double precision, biases drawn as well."""
    n_features = int(np.prod(image_shape))
    module = Convolutions(
        n_features, n_components, image_shape=image_shape, channels=channels, **params
    )
    generator = torch.Generator().manual_seed(seed)
    module.reset_parameters_from(generator)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.normal_(generator=generator)
    return module.double()


def draw(shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def images(seed=0, n_rows=80, shape=(1, 6, 5)):
    """Smooth blobs that move and change their size, as flat rows."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, shape[2], n_rows), rng.uniform(0, shape[1], n_rows)
    size = rng.uniform(0.7, 2, n_rows)
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    squares = (rows - y[:, None, None]) ** 2 + (columns - x[:, None, None]) ** 2
    blobs = np.exp(-squares / (2 * size[:, None, None] ** 2))
    colours = rng.uniform(0.3, 1, (n_rows, shape[0], 1, 1))
    return (colours * blobs[:, None]).reshape(n_rows, -1)


# -- the network -----------------------------------------------------------------------


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("channels", [(2,), (3, 2), (2, 1, 3)], ids=str)
def test_shapes(channels, kernel_size):
    for height in range(1, 10):
        for width in range(1, 10):
            shape = (1 + (height + width) % 3, height, width)
            module = Convolutions(
                int(np.prod(shape)),
                2,
                image_shape=shape,
                channels=channels,
                kernel_size=kernel_size,
                linear_path=height % 2 == 0,
            )
            x = torch.ones(3, int(np.prod(shape)))
            code = module.encode(x)
            assert code.shape == (3, 2)
            assert module.decode(code).shape == x.shape


@pytest.mark.parametrize("n_outputs", [20, 40, 60])
def test_outputs_of_other_channels(n_outputs):
    module = network(n_outputs=n_outputs, linear_path=True)
    assert module(draw((7, 40))).shape == (7, n_outputs)


ACTIVATION = {"silu": F.silu, "tanh": torch.tanh, "softplus": F.softplus}


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("activation", ACTIVATION)
def test_encoder_is_torchs_convolutions(activation, kernel_size, linear_path, seed):
    module = network(
        seed,
        activation=activation,
        kernel_size=kernel_size,
        linear_path=linear_path,
        code_activation="tanh",
    )
    x = draw((6, 40), seed)
    hidden = x.reshape(6, 2, 5, 4)
    for layer in (m for m in module.encoder if isinstance(m, torch.nn.Conv2d)):
        hidden = F.conv2d(
            hidden, layer.weight, layer.bias, stride=2, padding=kernel_size // 2
        )
        hidden = ACTIVATION[activation](hidden)
    assert hidden.shape == (6, 3, 2, 1)
    torch.testing.assert_close(module.hidden(x), hidden.flatten(1))
    assert module.n_hidden == 6
    last = module.encoder[-1]
    code = hidden.flatten(1) @ last.weight.T + last.bias
    if linear_path:
        code = code + x @ module.encoder_path.weight.T
    torch.testing.assert_close(module.encode(x), code.tanh())


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("size", [(5, 4), (8, 7), (1, 6)], ids=str)
def test_decoder_is_the_transpose_of_convolutions(size, kernel_size, seed):
    """A transposed convolution is what torch computes as a convolution's gradient."""
    module = network(seed, (2, *size), kernel_size=kernel_size, linear_path=True)
    z = draw((6, 3), seed)
    sizes = [size, *(2 * [None])]
    for i in range(2):
        sizes[i + 1] = tuple((side + 1) // 2 for side in sizes[i])
    first = module.decoder[0]
    hidden = (z @ first.weight.T + first.bias).reshape(6, 3, *sizes[2])
    up = [m for m in module.decoder if isinstance(m, torch.nn.ConvTranspose2d)]
    for layer, size in zip(up, sizes[1::-1], strict=True):
        hidden = torch.nn.grad.conv2d_input(
            (6, layer.out_channels, *size),
            layer.weight,
            F.silu(hidden),
            stride=2,
            padding=kernel_size // 2,
        )
        if layer is not up[-1]:
            hidden = hidden + layer.bias[:, None, None]
    # Each pixel has a bias of its own.
    bias = module.decoder[-1].bias
    output = hidden.flatten(1) + bias + z @ module.decoder_path.weight.T
    torch.testing.assert_close(module.decode(z), output)
    assert bias.shape == (2 * size[0] * size[1],)


def test_rows_are_channels_then_height_then_width(seed):
    """Two columns to the right in the image are one column in the next layer."""
    module = network(seed, (2, 9, 11), channels=(3,), kernel_size=3)
    with torch.no_grad():
        module.encoder[1].bias.zero_()
    image = torch.zeros(1, 2, 9, 11).double()
    image[:, 1, 3:6, 2:5] = draw((3, 3), seed)
    right, down = image.roll(2, dims=3), image.roll(2, dims=2)
    maps, right, down = (
        module.hidden(x.flatten(1)).reshape(3, 5, 6) for x in (image, right, down)
    )
    assert maps.any()
    torch.testing.assert_close(right, maps.roll(1, dims=2))
    torch.testing.assert_close(down, maps.roll(1, dims=1))


def test_channels_are_blocks_of_the_row(seed):
    module = network(seed, (2, 5, 4), linear_path=True)
    x = draw((6, 40), seed)
    code = module.encode(x)
    with torch.no_grad():
        for weight in (module.encoder[1].weight, module.encoder_path.weight):
            if weight.ndim == 4:
                weight.copy_(weight.flip(1))
            else:
                weight.copy_(weight.roll(20, dims=1))
    torch.testing.assert_close(module.encode(x.roll(20, dims=1)), code)


@pytest.mark.parametrize("activation", ["silu", "sigmoid", "softplus"])
def test_start_linear(activation, seed):
    module = network(seed, activation=activation, linear_path=True, n_outputs=20)
    parts = encoder, decoder, mean_in, mean_out = [
        draw(shape, seed) for shape in [(3, 40), (20, 3), (40,), (20,)]
    ]
    module.start_linear(*parts)
    x = draw((6, 40), seed + 1)
    code = (x - mean_in) @ encoder.T
    torch.testing.assert_close(module.encode(x), code)
    torch.testing.assert_close(module(x), mean_out + code @ decoder.T)
    # It can leave: the other path is at zero, but not at a dead point.
    (module(x) - 1).square().mean().backward()
    assert module.encoder[-1].weight.grad.abs().max() > 0
    up = [m for m in module.decoder if isinstance(m, torch.nn.ConvTranspose2d)]
    assert up[-1].weight.grad.abs().max() > 0


@pytest.mark.parametrize("linear_path", [False, True])
def test_transform_code_leaves_the_outputs(linear_path, seed):
    module = network(seed, linear_path=linear_path)
    x, matrix = draw((6, 40), seed), draw((3, 3), seed) + 2 * torch.eye(3)
    code, output = module.encode(x), module(x)
    module.transform_code(matrix)
    torch.testing.assert_close(module.encode(x), code @ matrix.T)
    torch.testing.assert_close(module(x), output)


def test_reset_draws_from_its_generator(seed, untouched_generators):
    def weights(s):
        return [p for p in network(s).parameters() if p.ndim > 1]

    for a, b, other in zip(
        weights(seed), weights(seed), weights(seed + 1), strict=True
    ):
        assert torch.equal(a, b)
        assert not torch.equal(a, other)


# -- the untrained model is PCA --------------------------------------------------------


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("shape", [(1, 6, 5), (3, 4, 4), (1, 1, 9)], ids=str)
def test_untrained_model_is_pca(shape, make, seed):
    X = 3 * images(seed, shape=shape) + 1
    model = ConvolutionalAutoencoder(3, image_shape=shape, max_epochs=0).fit(make(X))
    pca = PCA(3, svd_solver="full").fit(X)
    np.testing.assert_allclose(model.transform(make(X)), pca.transform(X), atol=1e-5)
    decoded = pca.inverse_transform(pca.transform(X))
    np.testing.assert_allclose(model.reconstruct(X), decoded, atol=1e-5)
    assert model.score(X) == pytest.approx(pca.explained_variance_ratio_.sum())


def test_few_epochs_beat_pca_on_digits(digits):
    train, test = digits
    model = ConvolutionalAutoencoder(8, max_epochs=15, random_state=0).fit(train)
    pca = PCA(8).fit(train)
    least = np.square(test - pca.inverse_transform(pca.transform(test))).mean()
    assert model.reconstruction_error(test).mean() < 0.75 * least


def test_not_worse_than_pca_on_noise(seed):
    rng = np.random.default_rng(seed)
    train, test = rng.standard_normal((2, 150, 16))
    model = ConvolutionalAutoencoder(3, max_epochs=20, random_state=seed).fit(train)
    pca = PCA(3).fit(train)
    least = np.square(test - pca.inverse_transform(pca.transform(test))).mean()
    assert model.reconstruction_error(test).mean() <= 1.01 * least


# -- the specification -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_features", "shape"),
    [(64, (1, 8, 8)), (63, (1, 1, 63)), (1, (1, 1, 1)), (2, (1, 1, 2)), (9, (1, 3, 3))],
)
def test_shape_that_is_not_given(n_features, shape):
    _, params = ConvolutionalNetwork().module_and_params(n_features, n_features)
    assert params["image_shape"] == shape
    X = draw((20, n_features)).numpy()
    model = ConvolutionalAutoencoder(1, channels=(2, 3), **CHEAP).fit(X)
    assert model.reconstruct(X).shape == X.shape


BAD = {
    "image_shape": [
        (8, 8),
        (1, 2, 4, 8),
        (0, 8, 8),
        (1, -8, -8),
        (1, 8.0, 8),
        (True, 8, 8),
        (1, "8", 8),
        64,
        "1x8x8",
        (),
    ],
    "channels": [(), (0,), (4, -1), (2.5,), ("a",), (True,), (None,), 16, None, "ab"],
    "kernel_size": [0, -3, 2, 4, 1.5, 3.0, "3", None, (3, 3)],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in BAD for value in BAD[name]], ids=str
)
def test_bad_parameters_are_named(digits, name, value):
    X = digits[0][:50]
    plain = ConvolutionalAutoencoder(2, **CHEAP, **{name: value})
    nested = DenoisingAutoencoder(
        2, **CHEAP, network=ConvolutionalNetwork(**{name: value})
    )
    for model in (plain, nested):
        before = dict(vars(model))
        for method in ("fit", "partial_fit"):
            with pytest.raises(ValueError) as caught:
                getattr(model, method)(X)
            message = str(caught.value)
            assert re.search(rf"\b{name}\b", message)
            assert repr(value) in message
            assert vars(model) == before


@pytest.mark.parametrize("shape", [(1, 8, 7), (3, 8, 8), [1, 1, 65]], ids=str)
def test_shape_of_another_width(digits, shape):
    X = digits[0][:50]
    words = [f"image_shape={shape!r}", str(np.prod(shape)), "64 features"]
    fitted = ConvolutionalAutoencoder(2, **CHEAP).fit(X)
    codes = fitted.transform(X)
    for model in (
        ConvolutionalAutoencoder(2, image_shape=shape),
        Autoencoder(2, network=ConvolutionalNetwork(image_shape=shape)),
        fitted.set_params(image_shape=shape),
    ):
        with pytest.raises(ValueError) as caught:
            model.fit(X)
        for word in words:
            assert word in str(caught.value)
    np.testing.assert_array_equal(fitted.transform(X), codes)


def test_channels_last_are_warned_of(digits):
    X = digits[0][:20]
    model = ConvolutionalAutoencoder(2, image_shape=(8, 8, 1), **CHEAP)
    with pytest.warns(UserWarning, match=r"8 channels of 8 x 1 .*=\(1, 8, 8\)\.$"):
        model.fit(X)
    colors = np.random.default_rng(0).uniform(size=(10, 6, 5, 3))
    model = DenoisingAutoencoder(
        2, network=ConvolutionalNetwork(image_shape=(6, 5, 3)), **CHEAP
    )
    order = r"=\(3, 6, 5\) and pass X\.reshape\(-1, 6, 5, 3\)\.transpose\(0, 3, 1, 2\)"
    with pytest.warns(UserWarning, match=order):
        model.fit(colors.reshape(10, -1))


@pytest.mark.parametrize("shape", [(64, 1, 1), (2, 8, 4), (8, 2, 4), (4, 16, 1)])
def test_few_or_flat_channels_are_no_mistake(shape, digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ConvolutionalAutoencoder(1, image_shape=shape, **CHEAP).fit(digits[0][:20])


def test_integers_of_numpy_and_lists(digits):
    X = digits[0][:50]
    params = {
        "image_shape": list(np.array([1, 8, 8])),
        "channels": np.array([2, 3]).tolist(),
        "kernel_size": np.int64(3),
    }
    model = ConvolutionalAutoencoder(2, **params, **CHEAP).fit(X)
    plain = ConvolutionalAutoencoder(2, channels=(2, 3), **CHEAP).fit(X)
    np.testing.assert_array_equal(model.transform(X), plain.transform(X))
    assert all(getattr(model, name) is value for name, value in params.items())
    pickle.loads(pickle.dumps(model))


def test_fit_leaves_the_specification(digits):
    spec = ConvolutionalNetwork(channels=(2, 3))
    before = dict(vars(spec))
    model = DenoisingAutoencoder(2, network=spec, **CHEAP).fit(digits[0][:50])
    assert model.network is spec
    assert vars(spec) == before


def test_nested_parameters(digits):
    X = digits[0][:60]
    model = DenoisingAutoencoder(2, network=ConvolutionalNetwork(), **CHEAP)
    model.set_params(network__channels=(4,), network__kernel_size=5)
    assert model.get_params()["network__channels"] == (4,)
    copied = clone(model)
    assert copied.network is not model.network
    assert copied.network.get_params() == model.network.get_params()
    weights = copied.fit(X).module_.network.encoder[1].weight
    assert weights.shape == (4, 1, 5, 5)
    with pytest.raises(ValueError, match="bogus"):
        model.set_params(network__bogus=1)


def test_grid_search_over_nested_parameters(digits):
    X = digits[0][:150]
    model = DenoisingAutoencoder(4, network=ConvolutionalNetwork(), init="random")
    model.set_params(max_epochs=4, learning_rate=0.01, random_state=0)
    grid = {"network__channels": [(1,), (8, 16)], "network__kernel_size": [1, 3]}
    search = GridSearchCV(model, grid, cv=2).fit(X)
    best = search.best_estimator_
    assert best.network.channels == search.best_params_["network__channels"]
    # The parameters arrive: each has an effect.
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    assert model.network.channels == (16, 32)


def test_changed_specification_is_another_network(digits):
    """A specification may be changed in place: warm start must notice."""
    X = digits[0][:50]
    model = Autoencoder(2, network=ConvolutionalNetwork(), warm_start=True, **CHEAP)
    model.fit(X).set_params(network__channels=(2, 3))
    with pytest.raises(ValueError, match="warm_start=True"):
        model.fit(X)


@pytest.mark.parametrize("name", ["network", "hidden_layer_sizes", "tied_weights"])
def test_parameters_that_it_does_not_have(name):
    assert name not in ConvolutionalAutoencoder().get_params()


def test_tied_weights_are_refused(digits):
    model = ContractiveAutoencoder(2, network=SMALL, **CHEAP)
    with pytest.raises(ValueError, match="tied_weights=True"):
        model.fit(digits[0][:50])


# -- targets ---------------------------------------------------------------------------


def test_targets_of_another_number_of_channels(seed):
    """Grey to colour; untrained it is the regression on PCA's projection."""
    colour = images(seed, shape=(3, 6, 5))
    grey = colour.reshape(-1, 3, 30).mean(axis=1)
    params = {"image_shape": (1, 6, 5), "channels": (8, 8), "random_state": seed}
    start = ConvolutionalAutoencoder(4, **params, max_epochs=0)
    start.fit(grey, X_target=colour)
    codes = np.c_[np.ones(80), PCA(4).fit_transform(grey)]
    expected = codes @ np.linalg.lstsq(codes, colour, rcond=None)[0]
    np.testing.assert_allclose(start.reconstruct(grey), expected, atol=1e-5)
    model = ConvolutionalAutoencoder(4, **params, max_epochs=60, validation=None)
    model.fit(grey, X_target=colour)
    assert model.reconstruct(grey).shape == (80, 90)
    errors = [np.square(m.reconstruct(grey) - colour).mean() for m in (start, model)]
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.parametrize("n_outputs", [1, 29, 31, 45])
def test_targets_that_are_no_images(n_outputs):
    X = images()
    message = rf"X_target has {n_outputs} columns.*image_shape=\(1, 6, 5\).*30"
    for model in (
        ConvolutionalAutoencoder(2, image_shape=(1, 6, 5)),
        Autoencoder(2, network=ConvolutionalNetwork(image_shape=(1, 6, 5))),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, X_target=np.ones((80, n_outputs)))


# -- every objective -------------------------------------------------------------------

VARIANTS = {
    "plain": ConvolutionalAutoencoder(3, init="random", channels=(4, 8)),
    "pca_start": ConvolutionalAutoencoder(3, channels=(4, 8)),
    "bce": ConvolutionalAutoencoder(3, channels=(4, 8), loss="bce"),
    "penalties": Autoencoder(3, network=SMALL, l1_penalty=1e-4, l2_penalty=1e-3),
    "sparse_kl": SparseAutoencoder(20, network=SMALL, lambd=0.1),
    "sparse_l1": SparseAutoencoder(20, network=SMALL, sparsity="l1", lambd=0.01),
    "sparse_topk": SparseAutoencoder(20, network=SMALL, sparsity="topk", k=4),
    "denoising": DenoisingAutoencoder(3, network=SMALL, corruption="masking"),
    "contractive": ContractiveAutoencoder(
        3, network=SMALL, tied_weights=False, lambd=1e-3
    ),
    "contractive_projections": ContractiveAutoencoder(
        3, network=SMALL, tied_weights=False, lambd=1e-3, n_projections=2
    ),
    "variational": VariationalAutoencoder(3, network=SMALL, init="random"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_objective_falls(name):
    X = images()
    model = clone(VARIANTS[name]).set_params(
        max_epochs=60, learning_rate=0.01, validation=None, random_state=0
    )
    model.fit(X)
    falls = model.loss_curve_[:3].mean() - model.loss_curve_[-10:].mean()
    assert falls > 0.02 * abs(model.loss_curve_[0])
    assert model.score(X) > 0.1
    assert model.transform(X).shape == (80, model.n_components_)
    if name == "sparse_topk":
        assert ((model.transform(X) != 0).sum(axis=1) <= 4).all()


def test_jacobian_norm_is_autograds(seed):
    X = images(seed)
    model = ContractiveAutoencoder(
        3, network=SMALL, tied_weights=False, max_epochs=5, random_state=seed
    ).fit(X)
    module = model.module_.double()
    jacobians = [
        torch.autograd.functional.jacobian(module.encode, row[None])
        for row in torch.from_numpy(X[:10])
    ]
    expected = [jacobian.square().sum().sqrt().item() for jacobian in jacobians]
    np.testing.assert_allclose(model.jacobian_norm(X[:10]), expected, rtol=1e-5)


# -- conventions -----------------------------------------------------------------------


def test_dropout_is_ruled_by_the_random_state(seed, untouched_generators):
    X = images()
    params = {"dropout": 0.3, "channels": (4, 4), "validation": None}
    first, again, other, none = (
        ConvolutionalAutoencoder(
            2, max_epochs=3, init="random", random_state=random_state, **params
        ).fit(X)
        for random_state in (seed, seed, seed + 1, None)
    )
    np.testing.assert_array_equal(first.transform(X), again.transform(X))
    np.testing.assert_array_equal(first.transform(X), first.transform(X))
    for model in (other, none):
        assert (model.loss_curve_ != first.loss_curve_).any()
    params["dropout"] = 0.0
    dry = ConvolutionalAutoencoder(
        2, max_epochs=3, init="random", random_state=seed, **params
    ).fit(X)
    assert (dry.loss_curve_ != first.loss_curve_).any()


@pytest.mark.parametrize("name", VARIANTS)
def test_pickle_resumes_to_the_bit(name):
    X = images()
    model = clone(VARIANTS[name]).set_params(dropout=0.2, **CHEAP)
    model.fit(X).partial_fit(X)
    loaded = pickle.loads(pickle.dumps(model))
    for _ in range(2):
        np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
        np.testing.assert_array_equal(loaded.reconstruct(X), model.reconstruct(X))
        loaded.partial_fit(X)
        model.partial_fit(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_kept(dtype):
    X = images().astype(dtype)
    model = ConvolutionalAutoencoder(2, image_shape=(1, 6, 5), **CHEAP)
    assert model.fit_transform(X).dtype == dtype
    assert model.reconstruct(X).dtype == dtype
    codes = model.transform(X.astype(np.float64))
    np.testing.assert_allclose(model.transform(X), codes, atol=1e-4)


def test_sparse_rows():
    X = np.where(images() > 0.3, images(), 0)
    dense, other = (
        ConvolutionalAutoencoder(2, image_shape=(1, 6, 5), **CHEAP).fit(rows)
        for rows in (X, sparse.csr_array(X))
    )
    codes = other.transform(sparse.csr_array(X))
    np.testing.assert_allclose(codes, dense.transform(X), atol=1e-6)


def test_codes_are_uncorrelated_and_sorted(seed):
    X = images(seed)
    model = ConvolutionalAutoencoder(
        3, channels=(4, 4), max_epochs=20, validation=None, random_state=seed
    ).fit(X)
    covariance = np.cov(model.transform(X).T)
    variances = np.diag(covariance)
    np.testing.assert_allclose(
        covariance - np.diag(variances), 0, atol=1e-3 * variances[0]
    )
    assert (np.diff(variances) <= 0).all()
