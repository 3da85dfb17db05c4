"""Tables of numbers and categories: the loss, its outputs, and swap noise."""

import functools
import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io as skops
import torch
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from torch import nn
from torch.nn import functional as F

from sklearn_ae import (
    Autoencoder,
    AutoencoderImputer,
    ConvolutionalNetwork,
    DenoisingAutoencoder,
    SparseAutoencoder,
    StackedAutoencoder,
)
from sklearn_ae.data import inverse_columns
from sklearn_ae.data.indicators import indicator_blocks
from sklearn_ae.model_selection import BatchedGridSearchCV
from sklearn_ae.networks.block_softmax import BlockSoftmax
from sklearn_ae.objectives import MixedLoss, SwapNoise
from sklearn_ae.objectives.corruptions import swap
from sklearn_ae.objectives.losses import mixed_errors
from sklearn_ae.persistence import TRUSTED_TYPES

pytestmark = pytest.mark.filterwarnings(
    # A few epochs explain little.
    "ignore::sklearn.exceptions.ConvergenceWarning"
)

# Blocks that are not in order, with a single column, beside two numbers.
BLOCKS = ((3, 1, 6), (4,), (2, 7))
LABELS = (-1, 0, 2, 0, 1, -1, 0, 2)
MULTIPLE = [block for block in BLOCKS if len(block) > 1]


def outputs(logits):
    """What the network returns for logits, in NumPy."""
    result = logits.copy()
    for block in map(list, BLOCKS):
        part = logits[:, block]
        result[:, block] = softmax(part, axis=1) if len(block) > 1 else expit(part)
    return result


def draw(n, seed):
    """Logits and targets: numbers, and indicators in the blocks."""
    rng = np.random.default_rng(seed)
    logits, target = 3 * rng.standard_normal((2, n, len(LABELS)))
    for block in map(list, BLOCKS):
        values = rng.permutation(n) % max(2, len(block))
        indicators = np.eye(values.max() + 1)[values]
        target[:, block] = indicators if len(block) > 1 else indicators[:, 1:]
    return logits, target


def as_float(*arrays):
    return [torch.tensor(array, dtype=torch.float64) for array in arrays]


# -- the outputs -----------------------------------------------------------------------


def test_outputs_are_probabilities(seed):
    logits, _ = draw(50, seed)
    result = BlockSoftmax(LABELS).double()(torch.tensor(logits)).numpy()
    np.testing.assert_allclose(result, outputs(logits), rtol=1e-13)


def test_outputs_of_several_networks(seed):
    logits = torch.tensor(np.stack([draw(9, seed)[0], draw(9, seed + 1)[0]]))
    one = BlockSoftmax(LABELS).double()
    together = BlockSoftmax(LABELS).double()
    for name, value in one.named_buffers():
        setattr(together, name, torch.stack([value, value]))
    expected = torch.stack([*map(one, logits)])
    np.testing.assert_allclose(together(logits), expected, rtol=1e-12)


def test_large_logits_and_large_numbers():
    """Blocks do not share their scale, and nothing overflows."""
    logits = torch.tensor([[1e30, 500.0, -400, 0, 800, -1e30, 0, -500]])
    logits.requires_grad_()
    result = BlockSoftmax(LABELS)(logits)
    expected = torch.tensor([1e30, 1, 1, 0, 1, -1e30, 0, 0])
    np.testing.assert_allclose(result[0].detach(), expected, atol=1e-30)
    result.sum().backward()
    assert logits.grad.isfinite().all()


def test_gradient_of_outputs(seed):
    logits = torch.tensor(draw(4, seed)[0], requires_grad=True)
    assert torch.autograd.gradcheck(BlockSoftmax(LABELS).double(), logits)


# -- the loss --------------------------------------------------------------------------


def test_loss_against_scikit_learn(seed):
    logits, target = draw(40, seed)
    values = outputs(logits)
    losses = MixedLoss(BLOCKS)(*as_float(values, target))
    squares = ((values - target)[:, [0, 5]] ** 2).sum(axis=1) / 2
    expected = squares.mean()
    for block in map(list, BLOCKS):
        truth = target[:, block] if len(block) > 1 else target[:, block[0]]
        expected += log_loss(truth, values[:, block].squeeze())
    np.testing.assert_allclose(losses.mean(), expected, rtol=1e-12)
    np.testing.assert_allclose(
        MixedLoss(BLOCKS)(*as_float(values, target), total=True), losses.sum()
    )


def test_loss_against_torch(seed):
    """The same as torch's losses of logits, to which it comes by probabilities."""
    logits, target = as_float(*draw(40, seed))
    losses = MixedLoss(BLOCKS)(BlockSoftmax(LABELS).double()(logits), target)
    expected = F.mse_loss(logits[:, [0, 5]], target[:, [0, 5]], reduction="none")
    expected = expected.sum(1) / 2 + F.binary_cross_entropy_with_logits(
        logits[:, 4], target[:, 4], reduction="none"
    )
    for block in map(list, MULTIPLE):
        classes = target[:, block].argmax(1)
        expected += F.cross_entropy(logits[:, block], classes, reduction="none")
    np.testing.assert_allclose(losses, expected, rtol=1e-10)


def test_gradient_of_loss(seed):
    """By finite differences, through the outputs, also for soft targets."""
    logits, target = as_float(*draw(3, seed))
    target[:, 2] *= 0.3
    logits.requires_grad_()
    activation = BlockSoftmax(LABELS).double()

    def loss(logits):
        return MixedLoss(BLOCKS, weight=0.7)(activation(logits), target)

    assert torch.autograd.gradcheck(loss, logits)


def test_weight_and_unknown_categories(seed):
    logits, target = draw(20, seed)
    values = outputs(logits)
    one, half = (
        mixed_errors(*as_float(values, target), BLOCKS, weight) for weight in (1.0, 0.5)
    )
    in_block = np.array(LABELS) >= 0
    np.testing.assert_array_equal(half[:, in_block], 0.5 * one[:, in_block])
    np.testing.assert_array_equal(half[:, ~in_block], one[:, ~in_block])
    target[:, list(BLOCKS[0])] = 0
    unknown = mixed_errors(*as_float(values, target), BLOCKS)
    assert (unknown[:, list(BLOCKS[0])] == 0).all()


def test_hopeless_probabilities_are_finite():
    values = torch.tensor([[0.0, 0, 0, 0, 1, 0, 1, 1]], requires_grad=True)
    target = torch.tensor([[0.0, 1, 1, 0, 0, 0, 0, 0]])
    loss = MixedLoss(BLOCKS)(values, target, total=True)
    loss.backward()
    assert loss.isfinite()
    assert loss > 200
    assert values.grad.isfinite().all()


# -- which columns ---------------------------------------------------------------------


def encoded(seed, n=80):
    """A table of numbers and categories, encoded."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "shirt": rng.choice(["S", "M", "L"], n),
            "member": rng.choice(["no", "yes"], n),
            "town": rng.choice([*"abcde"], n),
            "age": rng.uniform(20, 60, n),
        }
    )
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["shirt"]),
        (StandardScaler(), ["size", "age"]),
        (OneHotEncoder(sparse_output=False, drop="if_binary"), ["member", "town"]),
    ).set_output(transform="pandas")
    return columns.fit_transform(frame)


FOUND = ((0, 1, 2), (5,), (6, 7, 8, 9, 10))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_blocks_are_found(seed, kind):
    X = encoded(seed).to_numpy()
    assert indicator_blocks(kind(X), np.arange(len(X))) == FOUND


def test_blocks_are_those_of_the_rows():
    """A block need not add up to 1 in rows that do not count."""
    X = encoded(0).to_numpy()
    X[3, 0:3] = 1
    X[4, 5] = 2
    rows = np.delete(np.arange(len(X)), [3, 4])
    assert indicator_blocks(X, rows) == FOUND
    assert indicator_blocks(X, np.arange(len(X))) == (
        (0,),
        (1,),
        (2,),
        (6, 7, 8, 9, 10),
    )


def test_blocks_beside_constants_and_accidents():
    """Of as many ones as rows, but not one in each; empty and full columns."""
    n = 12
    a = np.arange(n) % 3 == 0  # four ones
    X = np.column_stack(
        [
            np.zeros(n),
            np.roll(a, 1) | np.roll(a, 2),  # with the next, n ones
            np.roll(a, 1),
            np.roll(a, 2),
            np.zeros(n),
            a,
            np.ones(n),
            np.linspace(0, 1, n),
        ]
    ).astype(float)
    assert indicator_blocks(X, np.arange(n)) == ((1,), (2, 3, 4, 5))
    assert indicator_blocks(np.ones((3, 2)), np.arange(3)) == ()


def test_blocks_with_gaps(seed):
    """A category may be missing in a row; an entry of it alone may not."""
    X = encoded(seed).to_numpy()
    rng = np.random.default_rng(seed)
    for block in FOUND:
        X[np.ix_(rng.choice(80, 9, replace=False), block)] = np.nan
    X[rng.choice(80, 9, replace=False), 3] = np.nan
    assert indicator_blocks(X, np.arange(80)) == FOUND
    row = np.flatnonzero(X[:, 7] == 1)[0]
    X[row, 7] = np.nan
    single = ((6,), (7,), (8,), (9,), (10,))
    assert indicator_blocks(X, np.arange(80)) == (*FOUND[:2], *single)


# -- swap noise ------------------------------------------------------------------------


def numpy_swap(x, is_replaced, steps, groups):
    """Entry by entry."""
    result = x.copy()
    first = np.arange(x.shape[1])
    for group in groups:
        first[list(group)] = group[0]
    for i, j in np.ndindex(x.shape):
        if is_replaced[i, first[j]]:
            result[i, j] = x[(i + steps[i, first[j]]) % len(x), j]
    return result


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("groups", [(), ((4, 0), (1, 2, 5))])
def test_swap_against_numpy(seed, groups):
    x = np.random.default_rng(seed).standard_normal((30, 6))
    result = swap(torch.tensor(x), generator(seed), level=0.4, groups=groups)
    draws = generator(seed)
    uniform = torch.empty(30, 6, dtype=torch.float64).uniform_(generator=draws)
    steps = torch.empty(30, 6, dtype=torch.int64).random_(1, 30, generator=draws)
    expected = numpy_swap(x, uniform.numpy() < 0.4, steps.numpy(), groups)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("level", [0.0, 0.15, 1.0])
def test_share_of_swapped_entries(seed, level):
    x = torch.arange(2000.0 * 5).reshape(2000, 5)  # no two are equal
    result = swap(x, generator(seed), level=level)
    share = (result != x).float().mean(0)
    # Five standard deviations of a share of 2000 entries.
    bound = 5 * np.sqrt(level * (1 - level) / 2000)
    assert (share - level).abs().max() <= bound


def test_swap_keeps_columns_and_whole_groups(seed):
    """Values stay in their columns, equally likely; groups stay together."""
    rng = np.random.default_rng(seed)
    x = torch.tensor(
        np.column_stack([np.arange(50), np.eye(3)[rng.integers(3, size=50)]])
    )
    groups = ((1, 2, 3),)
    drawn = generator(seed)
    results = torch.stack(
        [swap(x, drawn, level=1.0, groups=groups) for _ in range(400)]
    )
    assert (results[..., 1:].sum(-1) == 1).all()
    counts = torch.bincount(results[..., 0].flatten().long(), minlength=50)
    # From every other row with the same probability: 400 times on average.
    assert (counts - 400).abs().max() < 5 * np.sqrt(400)
    means = results[..., 1:].mean((0, 1))
    np.testing.assert_allclose(means, x[:, 1:].mean(0), atol=0.02)


def test_swap_of_a_single_row():
    x = torch.rand(1, 4)
    result = swap(x, None, level=1.0)
    assert torch.equal(result, x)
    assert result is not x


# -- estimators ------------------------------------------------------------------------

BRIEF = {"max_epochs": 2, "validation": None, "random_state": 0}


def curved(seed, n=150):
    """Numbers and categories that depend on two latent variables."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 2))
    frame = pd.DataFrame(
        {
            "a": z[:, 0],
            "b": np.sin(2 * z[:, 1]),
            "c": z[:, 0] + z[:, 1],
            "shirt": np.array(["S", "M", "L"])[np.digitize(z[:, 0], [-0.5, 0.5])],
            "side": np.where(z[:, 1] > 0, "left", "right"),
        }
    )
    columns = make_column_transformer(
        (StandardScaler(), ["a", "b", "c"]),
        (OneHotEncoder(sparse_output=False, drop="if_binary"), ["shirt", "side"]),
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    return columns.fit_transform(frame)


SHIRT, SIDE = [3, 4, 5], [6]


def test_outputs_of_a_fit(seed):
    X = curved(seed)
    size = {"hidden_layer_sizes": 16, "max_epochs": 40}
    model = Autoencoder(2, loss="mixed", validation=2, random_state=seed, **size)
    model.fit(X)
    assert model.loss_ == MixedLoss(((3, 4, 5), (6,)))
    restored = model.reconstruct(X)
    np.testing.assert_allclose(restored[:, SHIRT].sum(axis=1), 1, rtol=1e-6)
    assert (restored[:, SHIRT + SIDE] >= 0).all()
    assert (restored[:, SHIRT + SIDE] <= 1).all()
    np.testing.assert_allclose(
        model.inverse_transform(model.transform(X)), restored, rtol=1e-5, atol=1e-6
    )
    wrong = (restored[:, SHIRT].argmax(1) != X.to_numpy()[:, SHIRT].argmax(1)).mean()
    assert wrong < 0.1
    assert model.score(X) > 0.7
    assert set(model.candidates_["start"]) == {"pca", "random"}


def test_loss_that_is_trained(seed):
    """The history has the loss of the outputs, in the units of the data."""
    loss = MixedLoss(weight=0.5)
    X = curved(seed).to_numpy()
    model = Autoencoder(2, loss=loss, **BRIEF).fit(X)
    assert loss.categories == "auto"  # parameters stay
    losses = model.loss_(*as_float(model.reconstruct(X), X))
    rows = model._dataset(model.net_.get_dataset(X), np.arange(len(X)))
    np.testing.assert_allclose(
        model.net_.evaluate(rows)["loss"], losses.mean(), rtol=1e-5
    )


@pytest.mark.parametrize(
    "categories",
    [
        [slice(3, 6), 6],
        [np.array(SHIRT), "side_right"],
        (["shirt_L", "shirt_M", "shirt_S"], SIDE),
        [range(3, 6), slice(-1, None)],
    ],
)
def test_ways_to_name_columns(categories):
    X = curved(0)
    loss = MixedLoss(categories)
    model = Autoencoder(2, loss=loss, **BRIEF).fit(X)
    found = Autoencoder(2, loss="mixed", **BRIEF).fit(X)
    assert model.loss_ == found.loss_
    np.testing.assert_array_equal(model.transform(X), found.transform(X))


def test_start_is_pca_to_first_order(seed):
    """Near the mean the outputs are those of PCA."""
    X = curved(seed).to_numpy()
    model = Autoencoder(3, loss="mixed", init="pca", max_epochs=0).fit(X)
    pca = PCA(3).fit(X)
    errors = []
    for step in (1e-1, 1e-2):
        rows = X.mean(0) + step * (X - X.mean(0))
        expected = pca.inverse_transform(pca.transform(rows))
        errors.append(np.abs(model.reconstruct(rows) - expected).max())
    assert errors[0] < 0.05
    assert errors[1] < 0.02 * errors[0]  # the square of a tenth


def test_numbers_far_from_zero(seed):
    """Their mean is no part of what is learned."""
    X = curved(seed)
    far = X.assign(a=X["a"] + 1000)
    one, other = (
        Autoencoder(2, loss="mixed", **BRIEF).fit(table) for table in (X, far)
    )
    np.testing.assert_allclose(
        other.reconstruct(far) - one.reconstruct(X),
        np.eye(7)[0] * 1000 * np.ones((len(X), 1)),
        atol=0.02,
    )


def test_without_categories_it_is_the_squared_error(seed):
    X = curved(seed)[["a", "b", "c"]]
    plain = Autoencoder(2, **BRIEF).fit(X)
    with pytest.warns(UserWarning, match="found no columns of zeros and ones"):
        model = Autoencoder(2, loss="mixed", **BRIEF).fit(X)
    np.testing.assert_array_equal(model.transform(X), plain.transform(X))
    empty = Autoencoder(2, loss=MixedLoss([]), **BRIEF).fit(X)
    np.testing.assert_array_equal(empty.transform(X), plain.transform(X))


def test_later_tables_have_the_same_categories(seed):
    """What a part of the rows looks like does not matter any more."""
    X = curved(seed)
    part = X[X["shirt_L"] == 0]  # the others make a block that is smaller
    model = Autoencoder(2, loss="mixed", **BRIEF).fit(X)
    found = model.loss_
    model.partial_fit(part)
    assert model.loss_ == found
    model.set_params(warm_start=True).fit(part)
    assert model.loss_ == found
    model.set_params(warm_start=False).fit(part)
    assert model.loss_ != found


def test_targets_of_their_own(seed):
    """Categories are those of the targets; inputs are whatever they are."""
    X = curved(seed)
    inputs = X[["a", "c"]]
    model = Autoencoder(2, loss="mixed", **BRIEF).fit(inputs, X_target=X)
    assert model.loss_.categories == ((3, 4, 5), (6,))
    assert model.reconstruct(inputs).shape == X.shape
    with pytest.raises(ValueError, match="the columns have none"):
        model.set_params(loss=MixedLoss(["side_right"])).fit(inputs, X_target=X)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda: DenoisingAutoencoder(2, corruption="swap", loss="mixed", **BRIEF),
            id="denoising",
        ),
        pytest.param(lambda: SparseAutoencoder(4, loss="mixed", **BRIEF), id="sparse"),
        pytest.param(
            lambda: StackedAutoencoder(
                2, hidden_layer_sizes=(4,), loss="mixed", pretrain_epochs=2, **BRIEF
            ),
            id="stacked",
        ),
        pytest.param(
            lambda: Autoencoder(
                2,
                network=ConvolutionalNetwork(channels=(2,), image_shape=(1, 1, 7)),
                loss="mixed",
                **BRIEF,
            ),
            id="convolutional",
        ),
        pytest.param(
            lambda: Autoencoder(2, tied_weights=True, loss="mixed", **BRIEF), id="tied"
        ),
    ],
)
def test_other_autoencoders(make):
    X = curved(0)
    model = make().fit(X)
    restored = model.reconstruct(X)
    np.testing.assert_allclose(restored[:, SHIRT].sum(axis=1), 1, rtol=1e-6)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.reconstruct(X), restored)
    data = skops.dumps(model)
    loaded = skops.loads(data, trusted=TRUSTED_TYPES)
    np.testing.assert_array_equal(loaded.reconstruct(X), restored)
    assert loaded.loss_ == model.loss_


class OwnNetwork(nn.Module):
    """A user's network, which returns what its loss needs, or does not."""

    def __init__(self, n_features, n_components, last=lambda output: output):
        super().__init__()
        self.encode = nn.Linear(n_features, n_components)
        self.last_layer = nn.Linear(n_components, n_features)
        self.last = last

    def decode(self, z):
        return self.last(self.last_layer(z))


def test_networks_of_users():
    X = curved(0)
    last = BlockSoftmax((-1, -1, -1, 0, 0, 0, 1))
    network = functools.partial(OwnNetwork, last=last)
    model = Autoencoder(2, network=network, loss="mixed", **BRIEF).fit(X)
    np.testing.assert_allclose(model.reconstruct(X)[:, SHIRT].sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="end decode with a softmax over each"):
        model.set_params(network=OwnNetwork).fit(X)


def test_sparse_tables(seed):
    X = curved(seed).to_numpy()
    dense = Autoencoder(2, loss="mixed", **BRIEF).fit(X)
    model = Autoencoder(2, loss="mixed", **BRIEF).fit(sparse.csr_matrix(X))
    np.testing.assert_array_equal(model.transform(X), dense.transform(X))


def test_searches_train_together(seed, capsys):
    X = curved(seed, 60)
    model = DenoisingAutoencoder(
        2, corruption="swap", loss="mixed", init="random", hidden_layer_sizes=8, **BRIEF
    )
    grid = {"corruption_level": [0.1, 0.5]}
    alone = GridSearchCV(model, grid, cv=2).fit(X)
    together = BatchedGridSearchCV(model, grid, cv=2, verbose=1).fit(X)
    assert "Training 4 networks together" in capsys.readouterr().out
    np.testing.assert_allclose(
        together.cv_results_["mean_test_score"],
        alone.cv_results_["mean_test_score"],
        rtol=1e-4,
    )
    weights = {"loss": [MixedLoss()], "loss__weight": [0.1, 1.0]}
    search = GridSearchCV(clone(model), weights, cv=2).fit(X)
    assert search.best_estimator_.loss_.weight in (0.1, 1.0)


def test_swap_takes_the_categories_of_the_loss():
    X = curved(0)
    model = DenoisingAutoencoder(2, corruption="swap", loss="mixed", **BRIEF).fit(X)
    assert model.net_.corruption == SwapNoise(0.3, ((3, 4, 5), (6,)))
    model = DenoisingAutoencoder(2, corruption="swap", **BRIEF).fit(X)
    assert model.net_.corruption == SwapNoise(0.3, ())
    noise = SwapNoise(groups=[["a", "b"]])
    model = DenoisingAutoencoder(2, corruption=noise, loss="mixed", **BRIEF).fit(X)
    assert model.net_.corruption == SwapNoise(0.15, ((0, 1),))
    assert noise.groups == [["a", "b"]]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": MixedLoss([[0, 3]])}, "column 0 span"),
        ({"loss": MixedLoss([[3, 4], [4, 5]])}, "column 4, which is in categories.0."),
        ({"loss": MixedLoss([[3, "shirt_X"]])}, "no column 'shirt_X' among 'a'"),
        ({"loss": MixedLoss([slice(3, 8)])}, "at most 7"),
        ({"loss": MixedLoss([slice("a", "c")])}, "slice of integers"),
        ({"loss": MixedLoss([[7]])}, "positions from 0 to 6, not 7"),
        ({"loss": MixedLoss([[-1]])}, "positions from 0 to 6, not -1"),
        ({"loss": MixedLoss([[True, False]])}, "positions from 0 to 6, not True"),
        ({"loss": MixedLoss([1.5])}, "positions from 0 to 6, not 1.5"),
        ({"loss": MixedLoss([[]])}, "has no columns"),
        ({"loss": MixedLoss("shirt")}, "'categories' parameter"),
        ({"loss": MixedLoss(weight=0)}, "'weight' parameter"),
        (
            {"loss": "mixed", "output_activation": "sigmoid"},
            "output_activation='sigmoid' does not give probabilities",
        ),
        ({"corruption": SwapNoise(1.5)}, "'level' parameter"),
        ({"corruption": SwapNoise(groups=[[0, 9]])}, "groups.0.=.0, 9. must have"),
        ({"corruption": "swap", "corruption_level": 2}, "at most 1"),
    ],
)
def test_wrong_parameters(params, message):
    X = curved(0)
    with pytest.raises(ValueError, match=message):
        DenoisingAutoencoder(2, **BRIEF | params).fit(X)


def test_categories_that_are_none_in_other_rows():
    X = curved(0)
    wrong = X.assign(shirt_L=2.0)
    model = Autoencoder(2, loss="mixed", **BRIEF).fit(X)
    with pytest.raises(ValueError, match=r"column 3 span \[2, 2\]"):
        model.partial_fit(wrong)
    model.set_params(validation="auto")
    with pytest.raises(ValueError, match="in the validation data"):
        model.fit(X, X_val=wrong)


# -- back to the table -----------------------------------------------------------------


def shop():
    """A table with every kind of column."""
    return pd.DataFrame(
        {
            "shirt": ["S", "M", "L", "M", "S", "L"],
            "price": [1.0, 2, 3, 4, 5, 7],
            "member": ["no", "yes", "yes", "no", "yes", "no"],
            "code": range(6),
            "town": ["a", "b", "a", "c", "a", "b"],
            "age": [20.0, 30, 40, 50, np.nan, 60],
        }
    )


def shop_columns(**params):
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "price"]),
        (OneHotEncoder(drop="if_binary", sparse_output=False), ["member", "shirt"]),
        (OneHotEncoder(drop="first", sparse_output=False), ["town"]),
        **params,
    )


@pytest.mark.parametrize("remainder", ["drop", "passthrough"])
def test_way_back(remainder):
    frame = shop()
    columns = shop_columns(remainder=remainder).fit(frame)
    back = pd.DataFrame(inverse_columns(columns, columns.transform(frame)))
    expected = frame.fillna({"age": 40.0})
    if remainder == "drop":
        expected = expected.drop(columns="code")
    assert list(back) == list(expected)
    pd.testing.assert_frame_equal(back, expected, check_dtype=False)


def test_way_back_passes_over_the_imputer():
    X = np.array([[1.0, 2], [3, np.nan], [5, 6]])
    imputer = AutoencoderImputer(n_corrections=0)
    columns = make_column_transformer(
        (make_pipeline(imputer, StandardScaler()), [0, 1])
    )
    back = inverse_columns(columns, columns.fit_transform(X))
    expected = imputer.fit_transform(X)
    np.testing.assert_allclose(np.column_stack([*back.values()]), expected)


def test_way_back_from_probabilities(seed):
    """The likeliest category, against scikit-learn's for those that it decodes."""
    rng = np.random.default_rng(seed)
    frame = shop()
    columns = shop_columns().fit(frame)
    outputs = rng.dirichlet(np.ones(3), size=50)
    X = np.column_stack(
        [
            rng.standard_normal((50, 2)),
            outputs[:, 0],  # yes
            rng.dirichlet(np.ones(3), size=50),
            rng.dirichlet(np.ones(3), size=50)[:, 1:],  # b and c
        ]
    )
    back = inverse_columns(columns, X)
    np.testing.assert_array_equal(back["member"] == "yes", X[:, 2] > 0.5)
    shirts = OneHotEncoder().fit(frame[["shirt"]])
    expected = shirts.inverse_transform(X[:, 3:6])[:, 0]
    np.testing.assert_array_equal(back["shirt"], expected)
    shares = np.column_stack([1 - X[:, 6:].sum(axis=1), X[:, 6:]])
    np.testing.assert_array_equal(back["town"], np.array([*"abc"])[shares.argmax(1)])


def test_way_back_of_an_array():
    X = np.array([[1.0, 0], [3, 1], [5, 0]])
    columns = make_column_transformer(
        (OneHotEncoder(), [1]), (StandardScaler(), slice(0, 1))
    )
    back = inverse_columns(columns, columns.fit_transform(X))
    assert list(back) == [0, 1]
    np.testing.assert_allclose(np.column_stack([*back.values()]), X)


def test_way_back_through_imputers_and_codes():
    frame = shop()[["age", "shirt"]]
    columns = make_column_transformer(
        (AutoencoderImputer(n_corrections=0), ["age"]),
        (OrdinalEncoder(), ["shirt"]),
    ).fit(frame)
    exact = columns.transform(frame)
    for change in (-0.4, 0.4):
        back = inverse_columns(columns, exact + change)
        np.testing.assert_array_equal(back["shirt"], frame["shirt"])


def test_way_back_that_does_not_exist():
    frame = shop()
    columns = shop_columns().fit(frame)
    with pytest.raises(ValueError, match=r"X has 3 columns, but .* returns 8"):
        inverse_columns(columns, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="must be a ColumnTransformer"):
        inverse_columns(StandardScaler().fit(frame[["price"]]), np.zeros((2, 1)))
    columns = make_column_transformer((Normalizer(), ["price", "age"])).fit(shop()[:3])
    with pytest.raises(ValueError, match=r"'normalizer' cannot be undone: Normalizer"):
        inverse_columns(columns, np.zeros((2, 2)))
    one_way = FunctionTransformer(np.log1p)
    columns = make_column_transformer((one_way, ["price"])).fit(shop()[:3])
    with pytest.raises(ValueError, match="'functiontransformer' cannot be undone"):
        inverse_columns(columns, np.zeros((2, 1)))
    with pytest.raises(NotFittedError):
        inverse_columns(shop_columns(), np.zeros((2, 8)))
