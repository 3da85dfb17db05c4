"""Tables of numbers and categories: the loss, its outputs, and swap noise."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.compose import make_column_transformer
from sklearn.metrics import log_loss
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch.nn import functional as F

from sklearn_ae.data.indicators import indicator_blocks
from sklearn_ae.networks.block_softmax import BlockSoftmax
from sklearn_ae.objectives import MixedLoss
from sklearn_ae.objectives.corruptions import swap
from sklearn_ae.objectives.losses import mixed_errors

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
    torch.testing.assert_close(together(logits), torch.stack([*map(one, logits)]))


def test_large_logits_and_large_numbers():
    """Blocks do not share their scale, and nothing overflows."""
    logits = torch.tensor([[1e30, 500.0, -400, 0, 800, -1e30, 0, -500]])
    logits.requires_grad_()
    result = BlockSoftmax(LABELS)(logits)
    expected = torch.tensor([1e30, 1, 1, 0, 1, -1e30, 0, 0])
    torch.testing.assert_close(result[0], expected)
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
    torch.testing.assert_close(losses, expected, rtol=1e-10, atol=0)


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
    torch.testing.assert_close(means, x[:, 1:].mean(0), atol=0.02, rtol=0)


def test_swap_of_a_single_row():
    x = torch.rand(1, 4)
    result = swap(x, None, level=1.0)
    assert torch.equal(result, x)
    assert result is not x
