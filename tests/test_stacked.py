"""The stacked autoencoder: layers, the unfolded network, and fine-tuning."""

import pickle
import signal

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from sklearn_ae import (
    Autoencoder,
    ContractiveAutoencoder,
    ConvolutionalAutoencoder,
    ConvolutionalNetwork,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
    VariationalAutoencoder,
)
from sklearn_ae.estimators._validation import _plain_params
from sklearn_ae.objectives import ActivationL1

SIGMOID = {"activation": "sigmoid", "code_activation": "sigmoid"}
# Name -> prototype, and further parameters of the stack.
PROTOTYPES = {
    "default": (None, {}),
    "plain": (Autoencoder(loss="huber", optimizer="sgd"), {}),
    "denoising": (DenoisingAutoencoder(corruption="masking"), {"activation": "relu"}),
    "sparse_kl": (SparseAutoencoder(rho=0.2), SIGMOID),
    "sparse_l1": (SparseAutoencoder(sparsity="l1", lambd=0.01), {}),
    "contractive": (ContractiveAutoencoder(), {"activation": "tanh"}),
    "linear": (None, {"activation": "identity"}),
    "sigmoid_output": (None, {"output_activation": "sigmoid"}),
    "dropout": (None, {"dropout": 0.5}),
}
prototypes = pytest.mark.parametrize(
    ("layer", "params"), PROTOTYPES.values(), ids=PROTOTYPES.keys()
)

CHEAP = {"hidden_layer_sizes": (6, 4), "pretrain_epochs": 3, "max_epochs": 2}


def stack(layer=None, n_components=2, **params):
    return StackedAutoencoder(
        n_components, layer=layer, **CHEAP | {"random_state": 0} | params
    )


def weights(estimator):
    return {k: v.numpy() for k, v in estimator.net_.module_.state_dict().items()}


def assert_same_weights(a, b):
    assert weights(a).keys() == weights(b).keys()
    for name, value in weights(a).items():
        np.testing.assert_array_equal(value, weights(b)[name])


def through_layers(layers, X):
    """Codes and reconstructions of the layers, one after the other."""
    codes = X
    for layer in layers:
        codes = layer.transform(codes)
    output = codes
    for layer in reversed(layers):
        output = layer.inverse_transform(output)
    return codes, output


class Start(Callback):
    """Records the network's outputs when training begins, and the training rows."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        module = net.module_.eval()
        with torch.no_grad():
            x, _, _ = X.gather(np.arange(len(X)))
            codes = module.encode(x)
            self.codes, self.output = codes.numpy(), module.decode(codes).numpy()
        self.rows = X.rows


# -- the layers ------------------------------------------------------------------------


@prototypes
def test_layers_are_separately_fitted_models(seeded_table, seed, layer, params):
    X = seeded_table / np.abs(seeded_table).max()
    model = stack(
        layer, validation=None, max_epochs=0, random_state=seed, **params
    ).fit(X)
    codes = X
    for level, (fitted, width) in enumerate(zip(model.layers_, (6, 4, 2), strict=True)):
        single = clone(Autoencoder() if layer is None else layer).set_params(
            n_components=width,
            hidden_layer_sizes=(),
            code_activation=model.code_activation if level == 2 else model.activation,
            output_activation=(
                model.activation if level else params.get("output_activation", "auto")
            ),
            init="random",
            max_epochs=3,
            random_state=fitted.random_state,
        )
        assert_same_weights(single.fit(codes), fitted)
        codes = single.transform(codes)
    seeds = {fitted.random_state for fitted in model.layers_}
    assert len(seeds) == 3


def test_fine_tuning_leaves_the_layers_as_they_are(table):
    untuned = stack(max_epochs=0).fit(table)
    tuned = stack(max_epochs=20).fit(table)
    for a, b in zip(untuned.layers_, tuned.layers_, strict=True):
        assert_same_weights(a, b)
    assert not np.allclose(untuned.reconstruct(table), tuned.reconstruct(table))


def test_pretraining_sees_no_row_held_out_by_the_fine_tuning(table):
    start = Start()
    model = stack(callbacks=[start]).fit(table)
    assert len(start.rows) == 40
    np.testing.assert_allclose(
        model.layers_[0].mean_, table[start.rows].mean(axis=0), rtol=1e-6
    )
    moved = table.copy()
    moved[np.setdiff1d(np.arange(60), start.rows)] += 1.0
    for a, b in zip(model.layers_, stack().fit(moved).layers_, strict=True):
        assert_same_weights(a, b)


def test_layers_may_have_different_prototypes(table):
    noises = [DenoisingAutoencoder(corruption_level=level) for level in (0.1, 0.3)]
    model = stack((*noises, None)).fit(table)
    assert [layer.corruption_level for layer in model.layers_[:2]] == [0.1, 0.3]
    assert type(model.layers_[2]) is Autoencoder
    assert not any(hasattr(noise, "net_") for noise in noises)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.transform(table), model.transform(table))
    same = clone(model).set_params(layer=[noises[0]] * 3).fit(table)
    assert_same_weights(same, stack(noises[0]).fit(table))


def test_prototypes_in_a_list_have_nested_parameters(table):
    penalties = [ActivationL1(0.1)]
    model = stack([DenoisingAutoencoder(), Autoencoder(penalties=penalties), None])
    copied = clone(model).set_params(
        layer__0__corruption_level=0.4, layer__1__penalties__0__weight=0.3
    )
    params = copied.get_params()
    assert params["layer__0__corruption_level"] == 0.4
    assert params["layer__1__penalties__0__weight"] == 0.3
    assert model.layer[0].corruption_level == DenoisingAutoencoder().corruption_level
    assert penalties[0].weight == 0.1
    assert copied.fit(table).layers_[0].corruption_level == 0.4
    # The list and parameters of its entries at once, as in a grid.
    copied.set_params(layer=[None, DenoisingAutoencoder()], layer__1__max_epochs=7)
    assert copied.layer[1].max_epochs == 7
    copied.set_params(layer=DenoisingAutoencoder(), layer__max_epochs=8)
    assert copied.layer.max_epochs == 8


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("layer__corruption_level", "has 2 entries .* layer__0__corruption_level"),
        ("layer__2__lambd", "layer has 2 entries"),
        ("layer__0", "has 2 entries .* To replace an entry, set layer to another list"),
        ("layer__1__lambd", r"layer\[1\]=None has no parameters"),
        ("layer__0__lambd", "Invalid parameter 'lambd'"),
    ],
)
def test_wrong_names_of_parameters_in_a_list(name, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        stack([DenoisingAutoencoder(), None]).set_params(**{name: 1})


def test_ranks_compare_prototypes_in_a_list():
    """But for what may differ between them."""

    def params(**of_layer):
        return dict(_plain_params(stack([DenoisingAutoencoder(**of_layer), None])))

    same = params(verbose=2, device="cpu", callbacks=[Start()])
    assert same == params()
    assert params(corruption_level=0.4) != same
    assert dict(_plain_params(stack([None, None]))) != same


def test_errors_name_the_prototype_in_a_list(table):
    wrong = stack([None, ContractiveAutoencoder(lambd=-1.0), None])
    with pytest.raises(ValueError, match="lambd") as caught:
        wrong.fit(table)
    assert caught.value.__notes__ == [
        "The error occurred in layer[1]=ContractiveAutoencoder(lambd=-1.0)."
    ]


def test_settings_of_the_prototype_are_kept(table):
    layer = ContractiveAutoencoder(lambd=0.3, optimizer="sgd", batch_size=7)
    model = stack(layer, code_activation="tanh", pretrain_epochs="auto")
    model.set_params(layer__max_epochs=4, hidden_layer_sizes=5).fit(table)
    assert layer.n_components == ContractiveAutoencoder().n_components
    assert not hasattr(layer, "net_")
    for fitted in model.layers_:
        assert (fitted.lambd, fitted.optimizer, fitted.batch_size) == (0.3, "sgd", 7)
        assert fitted.tied_weights
        assert fitted.n_iter_ == 4
    activations = [fitted.code_activation for fitted in model.layers_]
    assert activations == ["silu", "tanh"]


def test_sample_weight_reaches_the_layers(table):
    weight = np.arange(60) % 3
    model = stack(validation=None).fit(table, sample_weight=weight)
    np.testing.assert_allclose(
        model.layers_[0].mean_, np.average(table, axis=0, weights=weight), rtol=1e-6
    )
    kept = stack(validation=None).fit(table[weight > 0])
    dropped = stack(validation=None).fit(table, sample_weight=weight > 0)
    assert_same_weights(kept, dropped)


def test_share_of_variance_decides_on_the_last_layer(table):
    model = stack(n_components=0.9, hidden_layer_sizes=(7,)).fit(table)
    assert model.n_components_ == model.layers_[-1].n_components
    assert [layer.n_components_ for layer in model.layers_[:-1]] == [7]


def test_without_hidden_layers_there_is_one_layer(table):
    model = stack(hidden_layer_sizes=()).fit(table)
    assert [layer.n_components_ for layer in model.layers_] == [2]


def test_hidden_layers_may_be_wider_than_the_data(table):
    model = stack(hidden_layer_sizes=(20, 10)).fit(table)
    assert [layer.n_components_ for layer in model.layers_] == [20, 10, 2]
    copy = pickle.loads(pickle.dumps(model)).set_params(warm_start=True)
    assert copy.fit(table).transform(table).shape == (60, 2)


@pytest.mark.parametrize(
    "layer", [None, DenoisingAutoencoder()], ids=["plain", "noise"]
)
def test_the_code_may_be_wider_than_the_data(layer, table):
    wide = stack(layer, n_components=8).fit(table)
    assert wide.transform(table).shape == (60, 8)


@pytest.mark.parametrize("n_rows", [2, 3])
def test_tables_of_few_rows(table, n_rows):
    model = stack().fit(table[:n_rows])
    assert np.isfinite(model.reconstruct(table)).all()


# -- what they unfold to ---------------------------------------------------------------


@prototypes
@pytest.mark.parametrize("validation", [0.1, None])
def test_network_starts_as_the_layers(table, layer, params, validation):
    start = Start()
    model = stack(layer, validation=validation, callbacks=[start], **params)
    model.fit(table)
    codes, output = through_layers(model.layers_, table[start.rows])
    size = np.abs(codes).max()
    np.testing.assert_allclose(start.codes, codes, rtol=1e-5, atol=1e-5 * size)
    mean, scale = model.net_.units_.output
    np.testing.assert_allclose(
        start.output * scale + mean, output, rtol=1e-5, atol=1e-5
    )


@prototypes
def test_untuned_estimator_is_the_layers(table, layer, params):
    model = stack(layer, validation=None, max_epochs=0, **params).fit(table)
    codes, output = through_layers(model.layers_, table)
    np.testing.assert_allclose(model.reconstruct(table), output, rtol=1e-5, atol=1e-5)
    # Linear codes scale with the data.
    found = model.transform(table) / model.net_.units_.code_scale
    if model.code_activation == "identity" and not isinstance(layer, SparseAutoencoder):
        # The rule of signs looks at the data, that of the layer at the codes below.
        signs = np.sign((found * codes).sum(axis=0))
        found = found * signs
    size = np.abs(codes).max()
    np.testing.assert_allclose(found, codes, rtol=1e-5, atol=1e-5 * size)


def test_sparse_codes_are_not_rotated(table):
    layer = SparseAutoencoder(sparsity="l1", lambd=0.01)
    model = stack(layer, max_epochs=10, validation=None).fit(table)
    covariance = np.cov(model.transform(table), rowvar=False)
    assert abs(covariance[0, 1]) > 1e-3 * np.trace(covariance)


def test_targets_of_their_own(table):
    target = table[:, :4] * 100
    start = Start()
    model = stack(callbacks=[start], max_epochs=20).fit(table, X_target=target)
    assert model.reconstruct(table).shape == (60, 4)
    _, output = through_layers(model.layers_, table[start.rows])
    assert output.shape == (40, 4)
    affine = model._recipe.standardize_target
    np.testing.assert_allclose(
        start.output * affine.scale + affine.mean, output, rtol=1e-4, atol=1e-3
    )


def test_kinds_of_tables(table):
    for loss in ("mse", "bce"):
        X = np.where(table > 0, table / table.max(), 0.0)
        dense = stack(loss=loss).fit(X)
        assert dense.layers_[0].loss == loss
        assert {layer.loss for layer in dense.layers_[1:]} == {"mse"}
        csr = stack(loss=loss).fit(sparse.csr_matrix(X))
        np.testing.assert_allclose(
            csr.reconstruct(X), dense.reconstruct(X), rtol=1e-3, atol=1e-3
        )
        single = stack(loss=loss).fit(X.astype(np.float32))
        assert single.transform(X.astype(np.float32)).dtype == np.float32


# -- fine-tuning -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "seed"),
    [(None, 0), (DenoisingAutoencoder(corruption="masking"), 42)],
    ids=["plain", "noise"],
)
def test_fine_tuning_lowers_the_error(digits, layer, seed):
    train, test = digits[0][::2], digits[1]
    params = {"hidden_layer_sizes": (32, 16), "pretrain_epochs": 20}
    model = stack(layer, 8, random_state=seed, **params | {"max_epochs": 0}).fit(train)
    before = model.reconstruction_error(test).mean()
    model.set_params(max_epochs=10).fit(train)
    after = model.reconstruction_error(test).mean()
    assert after < 0.8 * before
    # And the layers are a better start than none.
    model.set_params(max_epochs=0, pretrain_epochs=0).fit(train)
    assert before < 0.8 * model.reconstruction_error(test).mean()


def test_the_start_takes_part(table):
    # Steps so long that every epoch makes things worse.
    long = {"learning_rate": 2.0, "learning_rate_schedule": "constant"}
    model = stack(optimizer="sgd", pretrain_epochs=30, **long)
    untuned = clone(model).set_params(max_epochs=0).fit(table)
    model.fit(table)
    assert (model.validation_loss_curve_ > model.best_loss_).all()
    np.testing.assert_allclose(
        model.reconstruct(table), untuned.reconstruct(table), rtol=1e-4, atol=1e-4
    )


def test_history_shows_each_stage(table):
    layer = SparseAutoencoder(rho=0.2)
    model = stack(layer, **SIGMOID).fit(table)
    history = model.history_
    np.testing.assert_array_equal(
        history["stage"], np.repeat([0, 1, 2, 3], [3, 3, 3, 2])
    )
    np.testing.assert_array_equal(history["epoch"], [1, 2, 3] * 3 + [1, 2])
    assert {len(column) for column in history.values()} == {11}
    for stage, fitted in enumerate(model.layers_):
        for name, column in fitted.history_.items():
            np.testing.assert_array_equal(
                history[name][history["stage"] == stage], column
            )
    tuning = history["stage"] == 3
    np.testing.assert_array_equal(model.loss_curve_, history["train_loss"][tuning])
    np.testing.assert_array_equal(
        model.validation_loss_curve_, history["valid_loss"][tuning]
    )
    np.testing.assert_array_equal(np.isnan(history["train_sparsity"]), tuning)
    assert model.n_iter_ == len(model.loss_curve_) == 2


def test_no_epochs_of_pretraining_or_of_fine_tuning(table):
    model = stack(pretrain_epochs=0, max_epochs=2).fit(table)
    np.testing.assert_array_equal(model.history_["stage"], [3, 3])
    model = stack(pretrain_epochs=1, max_epochs=0).fit(table)
    np.testing.assert_array_equal(model.history_["stage"], [0, 1, 2])
    assert model.history_["epoch"].dtype.kind == "i"
    assert model.n_iter_ == len(model.loss_curve_) == 0


def test_warm_start_only_fine_tunes(table):
    model = stack(warm_start=True).fit(table)
    layers = list(model.layers_)
    model.set_params(pretrain_epochs=50).fit(table)
    assert all(a is b for a, b in zip(model.layers_, layers, strict=True))
    np.testing.assert_array_equal(np.bincount(model.history_["stage"]), [3, 3, 3, 4])
    np.testing.assert_array_equal(model.history_["epoch"][-4:], [1, 2, 3, 4])
    model.set_params(warm_start=False).fit(table)
    assert model.layers_[0] is not layers[0]


def test_partial_fit_pretrains_once(table):
    model = stack().partial_fit(table[:30])
    layers = list(model.layers_)
    np.testing.assert_allclose(layers[0].mean_, table[:30].mean(axis=0), rtol=1e-6)
    model.partial_fit(table[30:])
    assert all(a is b for a, b in zip(model.layers_, layers, strict=True))
    assert model.n_iter_ == 2
    np.testing.assert_array_equal(np.bincount(model.history_["stage"]), [3, 3, 3, 2])


# -- conventions -----------------------------------------------------------------------


class Interrupt(Callback):
    """The user's, after the first epoch."""

    def on_epoch_end(self, net, **kwargs):
        signal.raise_signal(signal.SIGINT)


class Stop(Callback):
    """The wish of a callback, after the first epoch."""

    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


def test_interrupted_pretraining_leaves_no_trace(table):
    layer = DenoisingAutoencoder(callbacks=[Interrupt()])
    unfitted = stack(layer)
    before = dict(vars(unfitted))
    for method in (unfitted.fit, unfitted.partial_fit):
        with pytest.raises(KeyboardInterrupt):
            method(table)
        assert vars(unfitted) == before
    fitted = stack().fit(table)
    expected, layers = fitted.transform(table), fitted.layers_
    with pytest.raises(KeyboardInterrupt):
        fitted.set_params(layer=layer).fit(table)
    assert fitted.layers_ is layers
    np.testing.assert_array_equal(fitted.transform(table), expected)


def test_interrupted_fine_tuning_leaves_a_fitted_estimator(table):
    model = stack(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(table)
    assert len(model.layers_) == 3
    assert np.isfinite(model.reconstruct(table)).all()


def test_callback_ends_the_training_of_its_stage(table):
    layer = Autoencoder(callbacks=[Stop()])
    model = stack(layer, callbacks=[Stop()], max_epochs=3).fit(table)
    np.testing.assert_array_equal(model.history_["stage"], [0, 1, 2, 3])
    model = stack(layer, max_epochs=3).fit(table)
    np.testing.assert_array_equal(model.history_["stage"], [0, 1, 2, 3, 3, 3])


@prototypes
def test_layers_can_be_cloned_and_fitted_again(table, layer, params):
    model = stack(layer, **params).fit(table)
    first = clone(model.layers_[0]).fit(table)
    assert first.transform(table).shape == (60, 6)
    last = clone(model.layers_[-1]).fit(model.layers_[0].transform(table))
    assert last.get_params() == model.layers_[-1].get_params()


def test_diverging_layer_is_named(table):
    layer = Autoencoder(optimizer="sgd", learning_rate=1e6)
    model = stack(layer, activation="identity", pretrain_epochs=20)
    with pytest.raises(ValueError, match="learning_rate") as caught:
        model.fit(table)
    assert "layers_[0]" in "".join(caught.value.__notes__)
    assert not hasattr(model, "layers_")


def test_copies_are_equal_to_the_bit(table):
    model = stack(DenoisingAutoencoder(corruption="masking")).fit(table)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.transform(table), model.transform(table))
    codes = table
    for a, b in zip(copy.layers_, model.layers_, strict=True):
        assert_same_weights(a, b)
        np.testing.assert_array_equal(a.transform(codes), b.transform(codes))
        codes = a.transform(codes)
    copy.partial_fit(table)
    model.partial_fit(table)
    assert_same_weights(copy, model)
    for name, column in model.history_.items():
        np.testing.assert_array_equal(copy.history_[name], column)
    assert_same_weights(clone(model).fit(table), clone(model).fit(table))
    assert not hasattr(clone(model), "layers_")


def test_random_state_rules_all(untouched_generators, table, seed):
    layer = DenoisingAutoencoder(corruption="masking")
    first = stack(layer, random_state=seed, dropout=0.1).fit(table)
    second = stack(layer, random_state=seed, dropout=0.1).fit(table)
    assert_same_weights(first, second)
    other = stack(layer, random_state=seed + 1).fit(table)
    assert not np.allclose(first.transform(table), other.transform(table))
    stack(layer, random_state=None).fit(table)


@pytest.mark.parametrize(
    ("layer", "grid"),
    [
        (ContractiveAutoencoder(), {"layer__lambd": [0.0, 1.0]}),
        (DenoisingAutoencoder(), {"layer__corruption_level": [0.0, 0.5]}),
        (Autoencoder(), {"layer": [None, DenoisingAutoencoder()]}),
    ],
)
def test_grid_search_reaches_the_prototype(table, layer, grid):
    search = GridSearchCV(stack(layer), grid, cv=2).fit(table)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] != scores[1]
    (name, values) = next(iter(grid.items()))
    chosen = search.best_estimator_.get_params()[name]
    assert type(chosen) in {type(value) for value in values}


# Parameters, and the words that must be in the message.
WRONG = [
    ({"layer": "denoising"}, ["layer", "denoising"]),
    ({"layer": DenoisingAutoencoder}, ["layer", "DenoisingAutoencoder"]),
    ({"layer": 3}, ["layer", "3"]),
    ({"layer": VariationalAutoencoder()}, ["layer=Var", "cannot be stacked"]),
    ({"layer": ConvolutionalAutoencoder()}, ["layer=Conv", "cannot be stacked"]),
    (
        {"layer": DenoisingAutoencoder(network=ConvolutionalNetwork())},
        ["layer=Denoising", "Convolutions", "cannot be stacked"],
    ),
    (
        {"layer": SparseAutoencoder(sparsity="topk", k=1)},
        ["sparsity='topk'", "cannot be stacked"],
    ),
    (
        {"layer": SparseAutoencoder()},
        ["activation='silu'", "sparsity='kl'", "'sigmoid'"],
    ),
    (
        {"layer": SparseAutoencoder(), "activation": "sigmoid"},
        ["code_activation='identity'", "sparsity='kl'", "'sigmoid'"],
    ),
    ({"layer": SparseAutoencoder(rho=2.0), **SIGMOID}, ["rho", "2.0"]),
    ({"layer": ContractiveAutoencoder(lambd=-1.0)}, ["lambd", "-1.0"]),
    (
        {"layer": Autoencoder(loss="bce"), "output_activation": "sigmoid"},
        ["loss='bce'", "activation='silu'"],
    ),
    ({"pretrain_epochs": -1}, ["pretrain_epochs", "-1"]),
    ({"pretrain_epochs": 2.5}, ["pretrain_epochs", "2.5"]),
    ({"pretrain_epochs": "many"}, ["pretrain_epochs", "many"]),
    ({"pretrain_epochs": None}, ["pretrain_epochs", "None"]),
    ({"layer": StackedAutoencoder()}, ["layer=Stacked", "cannot be stacked"]),
    ({"layer": []}, ["layer=[]", "must have 3:"]),
    ({"layer": [None] * 9}, ["layer=[None", "9 entries", "must have 3:"]),
    (
        {"layer": [None, None, VariationalAutoencoder()]},
        ["layer[2]=Var", "cannot be stacked"],
    ),
    ({"layer": [None, SparseAutoencoder(), None]}, ["layer[1]=Sparse", "'silu'"]),
    ({"layer": [None, None, ContractiveAutoencoder(lambd=-1.0)]}, ["lambd", "-1.0"]),
    ({"hidden_layer_sizes": (4, 0)}, ["hidden_layer_sizes", "0"]),
]


@pytest.mark.parametrize("name", ["network", "init", "tied_weights"])
def test_parameters_without_effect_do_not_exist(name):
    assert name not in StackedAutoencoder().get_params(deep=False)
    with pytest.raises(TypeError, match=name):
        StackedAutoencoder(**{name: None})


@pytest.mark.parametrize(("params", "words"), WRONG, ids=lambda case: str(case)[:60])
@pytest.mark.parametrize("fitted", [False, True], ids=["unfitted", "fitted"])
def test_wrong_parameters(table, params, words, fitted):
    X = np.abs(table) / np.abs(table).max()
    model = stack()
    if fitted:
        codes = model.fit(X).transform(X)
    model.set_params(**params)
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError)) as caught:
        model.fit(X)
    for word in words:
        assert word in str(caught.value)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    if fitted:
        np.testing.assert_array_equal(model.transform(X), codes)
