"""The torch modules: maps, starts, weights and their gradients."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from parts import objective_of, units_of
from torch import nn

from sklearn_ae._units import Affine, Units
from sklearn_ae.networks._layered import ACTIVATIONS, SeededDropout, uninitialized
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.networks.standardized import Standardized
from sklearn_ae.objectives import L1Penalty, L2Penalty, MixedLoss
from sklearn_ae.objectives.losses import NAMED_LOSSES

HIDDEN = [(), (5,), (6, 4), (3, 8, 5)]


def network(seed=0, n_features=7, n_components=3, **params):
    """A network in double precision, biases drawn as well."""
    module = DenseNetwork(n_features, n_components, **params)
    generator = torch.Generator().manual_seed(seed)
    module.reset_parameters_from(generator)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.normal_(generator=generator)
    return module.double()


def rows(seed=0, shape=(9, 7)):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("layer", "sizes"),
    [(nn.Linear, (5, 3)), (nn.Conv2d, (2, 4, 3)), (nn.ConvTranspose2d, (4, 2, 3))],
)
def test_uninitialized_layers(layer, sizes, bias, dtype, untouched_generators):
    made = uninitialized(layer, *sizes, bias=bias, dtype=dtype)
    expected = nn.utils.skip_init(layer, *sizes, bias=bias, dtype=dtype)
    assert str(made) == str(expected)
    found, parameters = made.state_dict(), dict(expected.named_parameters())
    assert found.keys() == parameters.keys() == dict(made.named_parameters()).keys()
    for name, parameter in parameters.items():
        assert found[name].shape == parameter.shape
        assert found[name].stride() == parameter.stride()
        assert found[name].dtype == dtype
        assert found[name].device == parameter.device
        assert made.get_parameter(name).requires_grad


def linear_layers(module):
    """The layers with weights along the nonlinear path, first to last."""
    return [m for m in module if hasattr(m, "weight")]


def orthogonal(n, seed=0):
    Q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))
    return torch.from_numpy(Q)


# -- shapes ----------------------------------------------------------------------------


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_shapes(hidden, linear_path):
    module = network(hidden_layer_sizes=hidden, linear_path=linear_path)
    x = rows()
    code = module.encode(x)
    assert code.shape == (9, 3)
    assert module.decode(code).shape == (9, 7)
    assert torch.equal(module(x), module.decode(code))
    # The decoder mirrors the encoder.
    widths = [layer.weight.shape for layer in linear_layers(module.encoder)]
    mirrored = [layer.weight.shape for layer in linear_layers(module.decoder)]
    expected = [(b, a) for a, b in pairwise([7, *hidden, 3])]
    assert [tuple(shape) for shape in widths] == expected
    assert [tuple(shape) for shape in mirrored] == [(a, b) for b, a in expected[::-1]]


def test_outputs_of_another_width():
    module = network(hidden_layer_sizes=(5,), n_outputs=2, linear_path=True)
    assert module(rows()).shape == (9, 2)


def test_wide_code():
    assert network(n_components=20, hidden_layer_sizes=(5,)).encode(rows()).shape == (
        9,
        20,
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("linear_path", [False, True])
def test_forward_formula(activation, linear_path, seed):
    """Against matrix products written out, with torch's activation functions."""
    module = network(
        seed,
        hidden_layer_sizes=(5,),
        activation=activation,
        code_activation="tanh",
        output_activation="sigmoid",
        linear_path=linear_path,
    )
    function = {
        "identity": lambda x: x,
        "elu": nn.functional.elu,
        "relu": torch.relu,
        "leaky_relu": nn.functional.leaky_relu,
        "gelu": nn.functional.gelu,
        "silu": lambda x: x * torch.sigmoid(x),
        "softplus": lambda x: torch.log1p(torch.exp(x)),
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
    }[activation]

    def path(layers, linear, x):
        first, last = linear_layers(layers)
        hidden = function(x @ first.weight.T + first.bias)
        out = hidden @ last.weight.T + last.bias
        return out if linear is None else out + x @ linear.weight.T

    x = rows(seed)
    code = torch.tanh(path(module.encoder, module.encoder_path, x))
    output = torch.sigmoid(path(module.decoder, module.decoder_path, code))
    torch.testing.assert_close(module.encode(x), code)
    torch.testing.assert_close(module(x), output)
    assert (module.encoder_path is not None) == linear_path


def test_linear_code_flag():
    assert network().has_linear_code
    assert not network(code_activation="tanh").has_linear_code


# -- tied weights ----------------------------------------------------------------------


def assert_tied(module):
    encoder = linear_layers(module.encoder)
    decoder = linear_layers(module.decoder)
    for a, b in zip(encoder, reversed(decoder), strict=True):
        assert torch.equal(a.weight, b.weight.T)
        assert a.weight.data_ptr() == b.weight.data_ptr()
    if module.encoder_path is not None:
        assert torch.equal(module.encoder_path.weight, module.decoder_path.weight.T)


def parameter_count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_tied_weights_are_one_parameter(hidden, linear_path):
    params = {"hidden_layer_sizes": hidden, "linear_path": linear_path}
    free, tied = network(**params), network(tied_weights=True, **params)
    assert_tied(tied)
    widths = [7, *hidden, 3]
    weights = sum(a * b for a, b in pairwise(widths))
    weights += 7 * 3 if linear_path and hidden else 0
    assert parameter_count(free) - parameter_count(tied) == weights
    # Biases stay free, in the encoder and in the decoder.
    assert sum(p.ndim == 1 for p in tied.parameters()) == 2 * (len(hidden) + 1)


@pytest.mark.parametrize("hidden", [(), (5,)], ids=str)
def test_tied_weights_stay_tied_in_training(hidden):
    module = network(hidden_layer_sizes=hidden, tied_weights=True, linear_path=True)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    before = module.encoder[0].weight.clone()
    for _ in range(5):
        optimizer.zero_grad()
        (module(rows()) - rows()).square().mean().backward()
        optimizer.step()
    assert not torch.equal(before, module.encoder[0].weight)
    assert_tied(module)


@pytest.mark.parametrize("hidden", [(), (5,)], ids=str)
def test_tied_weights_stay_tied_in_copies(hidden):
    """Copies, other precisions and rotated codes keep the tie."""
    module = network(hidden_layer_sizes=hidden, tied_weights=True, linear_path=True)
    module.transform_code(orthogonal(3))
    assert_tied(module)
    for twin in (copy.deepcopy(module), copy.deepcopy(module).float()):
        assert_tied(twin)
        with torch.no_grad():
            twin.encoder[-1].weight.fill_(2.0)
        assert_tied(twin)
    # The original is unchanged.
    assert not (module.encoder[-1].weight == 2).any()


# -- starting as a linear map ----------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_start_linear(activation, hidden, tied, seed):
    """sigmoid(0) and softplus(0) are not zero, which tied weights pass on."""
    module = network(
        seed,
        hidden_layer_sizes=hidden,
        activation=activation,
        tied_weights=tied,
        linear_path=True,
    )
    rng = np.random.default_rng(seed)
    encoder = rng.standard_normal((3, 7))
    decoder = encoder.T if tied else rng.standard_normal((7, 3))
    mean_in, mean_out = rng.standard_normal((2, 7))
    parts = [torch.from_numpy(p.copy()) for p in (encoder, decoder, mean_in, mean_out)]
    module.start_linear(*parts)
    x = rows(seed)
    code = (x.numpy() - mean_in) @ encoder.T
    np.testing.assert_allclose(module.encode(x).detach(), code, atol=1e-12)
    np.testing.assert_allclose(
        module(x).detach(), mean_out + code @ decoder.T, atol=1e-12
    )


def test_start_linear_with_outputs_of_another_width(seed):
    module = network(seed, hidden_layer_sizes=(5,), linear_path=True, n_outputs=2)
    rng = np.random.default_rng(seed)
    shapes = [(3, 7), (2, 3), (7,), (2,)]
    encoder, decoder, mean_in, mean_out = (rng.standard_normal(s) for s in shapes)
    module.start_linear(*map(torch.from_numpy, (encoder, decoder, mean_in, mean_out)))
    expected = mean_out + (rows().numpy() - mean_in) @ encoder.T @ decoder.T
    np.testing.assert_allclose(module(rows()).detach(), expected, atol=1e-12)


@pytest.mark.parametrize("tied", [False, True])
def test_linear_start_can_leave(tied):
    """The nonlinear path starts at zero but not at a dead point."""
    module = network(hidden_layer_sizes=(5,), tied_weights=tied, linear_path=True)
    encoder = orthogonal(7)[:3]
    zero = torch.zeros(7).double()
    module.start_linear(encoder, encoder.T.contiguous(), zero, zero)
    (module(rows()) - rows()).square().mean().backward()
    assert module.encoder[-1].weight.grad.abs().max() > 0
    assert module.decoder[-1].weight.requires_grad
    if not tied:
        assert module.decoder[-1].weight.grad.abs().max() > 0


# -- rotating the code -----------------------------------------------------------------


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_transform_code(hidden, tied, linear_path, seed):
    module = network(
        seed, hidden_layer_sizes=hidden, tied_weights=tied, linear_path=linear_path
    )
    x = rows(seed)
    code, output = module.encode(x), module(x)
    matrix = orthogonal(3, seed)
    if not tied:  # any invertible matrix is allowed
        matrix = matrix @ torch.diag(torch.tensor([3.0, 0.5, -1.0]).double())
    module.transform_code(matrix)
    torch.testing.assert_close(module.encode(x), code @ matrix.T)
    torch.testing.assert_close(module(x), output)
    if tied:
        assert_tied(module)


# -- initial weights -------------------------------------------------------------------


def test_reset_is_reproducible(seed):
    def draw(s):
        module = DenseNetwork(7, 3, hidden_layer_sizes=(5,), linear_path=True)
        module.reset_parameters_from(torch.Generator().manual_seed(s))
        return list(module.parameters())

    for a, b, other in zip(draw(seed), draw(seed), draw(seed + 1), strict=True):
        assert torch.equal(a, b)
        assert a.ndim == 1 or not torch.equal(a, other)


def test_reset_leaves_the_global_generator_alone(untouched_generators):
    module = DenseNetwork(7, 3, hidden_layer_sizes=(5,), linear_path=True, dropout=0.1)
    module.reset_parameters_from(torch.Generator().manual_seed(0))


def test_reset_after_glorot_and_bengio():
    """Uniform on +-sqrt(6 / (fan_in + fan_out)), biases zero."""
    module = DenseNetwork(200, 100)
    module.reset_parameters_from(torch.Generator().manual_seed(0))
    weight, bound = module.encoder[0].weight.detach().numpy(), np.sqrt(6 / 300)
    assert np.abs(weight).max() <= bound
    assert weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)
    assert not any(p.any() for p in module.parameters() if p.ndim == 1)


# -- gradients -------------------------------------------------------------------------


@pytest.mark.parametrize("loss", NAMED_LOSSES)
@pytest.mark.parametrize("tied", [False, True])
def test_gradient_of_the_objective(loss, tied, seed):
    """Loss, penalties and weights of rows, by every parameter of the network."""
    module = network(
        seed,
        n_features=4,
        n_components=2,
        hidden_layer_sizes=(3,),
        tied_weights=tied,
        linear_path=True,
        output_activation={"bce": "sigmoid", "mixed": (-1, 0, 0, 1)}.get(
            loss, "identity"
        ),
    )
    objective = objective_of(
        MixedLoss(((1, 2), (3,))) if loss == "mixed" else loss,
        4,
        units=units_of(4, 1.7),
        l1=L1Penalty(0.1),
        l2=L2Penalty(0.3),
    )
    rng = np.random.default_rng(seed)
    x, y = map(torch.from_numpy, rng.uniform(size=(2, 6, 4)))
    weight = torch.from_numpy(rng.uniform(size=6))

    def value():
        return sum(objective(module, x, y, weight)[0].values())

    value().backward()
    step = 1e-6
    for name, parameter in module.named_parameters():
        flat = parameter.data.view(-1)
        numeric = np.empty(flat.numel())
        for j in range(flat.numel()):
            at = flat[j].item()
            with torch.no_grad():
                flat[j] = at + step
                above = value().item()
                flat[j] = at - step
                numeric[j] = (above - value().item()) / (2 * step)
                flat[j] = at
        np.testing.assert_allclose(
            parameter.grad.view(-1), numeric, rtol=1e-5, atol=1e-7, err_msg=name
        )


# -- dropout ---------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(p, seed):
    dropout = SeededDropout(p)
    dropout.generator = torch.Generator().manual_seed(seed)
    out = dropout(torch.ones(400, 500))
    kept = out > 0
    # 200,000 draws: five standard errors.
    assert kept.double().mean().item() == pytest.approx(
        1 - p, abs=5 * np.sqrt(p * (1 - p) / 2e5)
    )
    torch.testing.assert_close(out[kept], torch.full_like(out[kept], 1 / (1 - p)))


def test_dropout_does_nothing_in_eval_mode():
    dropout = SeededDropout(0.5).eval()
    x = rows()
    assert torch.equal(dropout(x), x)


def test_dropout_draws_from_its_own_generator(untouched_generators):
    dropout, x = SeededDropout(0.5), torch.ones(50, 50)
    masks = []
    for seed in (3, 3, 4):
        dropout.generator = torch.Generator().manual_seed(seed)
        masks.append(dropout(x))
        assert not torch.equal(masks[-1], dropout(x))  # a new mask every time
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_dropout_gradient():
    """The gradient passes where the unit was kept, with the same factor."""
    dropout = SeededDropout(0.3)
    dropout.generator = torch.Generator().manual_seed(0)
    x = rows().requires_grad_()
    out = dropout(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x, out)


def test_dropout_sits_behind_the_hidden_layers_only():
    module = DenseNetwork(7, 3, hidden_layer_sizes=(5, 4), dropout=0.2)
    kinds = [type(m).__name__ for m in module.encoder]
    assert kinds == ["Linear", "SiLU", "SeededDropout"] * 2 + ["Linear"]
    assert not any(
        isinstance(m, SeededDropout)
        for m in DenseNetwork(7, 3, hidden_layer_sizes=(5,)).modules()
    )


# -- the units of the data -------------------------------------------------------------


def standardized(module, mean_in, mean_out):
    units = Units(Affine(mean_in.numpy(), 2.0), Affine(mean_out.numpy(), 5.0), 0.5)
    return Standardized(module, units)


def test_standardized_formula(seed):
    module = network(seed, hidden_layer_sizes=(5,), n_outputs=4)
    mean_in, mean_out = rows(seed, (7,)), rows(seed + 1, (4,))
    outer = standardized(module, mean_in, mean_out)
    x = rows(seed)
    code = module.encode((x - mean_in) / 2.0) * 0.5
    torch.testing.assert_close(outer.encode(x), code)
    torch.testing.assert_close(
        outer.decode(code), module.decode(code / 0.5) * 5 + (mean_out)
    )
    assert torch.equal(outer(x), outer.decode(outer.encode(x)))


@pytest.mark.parametrize("linear_path", [False, True])
@pytest.mark.parametrize("hidden", [(), (5,), (6, 4)], ids=str)
def test_weights_in_units_of_the_data(hidden, linear_path, seed):
    """A network with scaled weights does on data what this one does in its units."""
    module = network(seed, hidden_layer_sizes=hidden, linear_path=linear_path)
    input_, output, code_scale = Affine(np.zeros(7), 2.0), Affine(np.zeros(7), 5.0), 0.5
    units = Units(input_, output, code_scale)
    scales = module.weight_scales(input_, output, code_scale)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            parameter.mul_(scales.get(name, 1.0))
        # The biases of the hidden layers are added before the activation.
        twin.encoder[-1].bias.mul_(code_scale)
        twin.decoder[-1].bias.mul_(output.scale)
    x, outer = rows(seed), Standardized(module, units)
    torch.testing.assert_close(twin.encode(x), outer.encode(x))
    torch.testing.assert_close(twin(x), outer(x))


def test_standardized_keeps_precision_far_from_the_origin():
    """Differences of 1e-6 at an offset of 1e6 survive in double precision."""
    module = network(n_features=3, n_components=3)
    eye, zero = torch.eye(3).double(), torch.zeros(3).double()
    module.start_linear(eye, eye, zero, zero)
    offset = torch.full((3,), 1e6).double()
    # Parts in single precision would lose the offset's digits.
    affine = Affine(offset.numpy(), 1.0)
    outer = Standardized(module.float(), Units(affine, affine)).double()
    assert outer.input_mean.dtype == torch.float64
    x = offset + 1e-6 * rows(shape=(5, 3))
    torch.testing.assert_close(outer(x), x, rtol=0, atol=1e-9)


def test_standardized_in_single_precision():
    """The means are kept in double precision, the output is as the input."""
    module = network().float()
    outer = standardized(module, rows(shape=(7,)), rows(shape=(7,)))
    assert outer.input_mean.dtype == torch.float64
    assert outer(rows().float()).dtype == torch.float32


# -- saving ----------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_state_dict_round_trip(tied, tmp_path):
    params = {"hidden_layer_sizes": (5,), "tied_weights": tied, "linear_path": True}
    source, target = network(0, **params), network(1, **params)
    outer = standardized(source, rows(1, (7,)), rows(2, (7,)))
    other = standardized(target, rows(3, (7,)), rows(4, (7,)))
    torch.save(outer.state_dict(), tmp_path / "weights.pt")
    # weights_only: nothing but tensors may be in there.
    state = torch.load(tmp_path / "weights.pt", weights_only=True)
    other.load_state_dict(state)
    assert torch.equal(outer(rows()), other(rows()))
    names = [n for n in state if n.endswith("weight")]
    assert len(names) == (3 if tied else 6)  # two layers and a path, each way


@pytest.mark.parametrize("tied", [False, True])
def test_whole_module_round_trip(tied, tmp_path):
    module = network(hidden_layer_sizes=(5,), tied_weights=tied, linear_path=True)
    torch.save(module, tmp_path / "module.pt")
    twin = torch.load(tmp_path / "module.pt", weights_only=False)
    assert torch.equal(module(rows()), twin(rows()))
    if tied:
        assert_tied(twin)
