"""Outputs of several kinds: numbers, and probabilities of categories."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class BlockSoftmax(nn.Module):
    """A softmax over each of several blocks of columns, the identity elsewhere.

    A block of a single column is the probability of yes or no: its sigmoid, the softmax
    with a second logit that is zero.

    Parameters
    ----------
    blocks : sequence of int
        For each column the number of its block, from 0 on, or -1 for a number.
    """

    in_block: Tensor
    block: Tensor
    membership: Tensor
    floor: Tensor

    def __init__(self, blocks: Sequence[int]) -> None:
        super().__init__()
        labels = torch.tensor(blocks, dtype=torch.int64)
        in_block = labels >= 0
        # Numbers make a block of their own, the last one, whose shares are not used.
        n_blocks = int(labels.max()) + 1
        labels = torch.where(in_block, labels, n_blocks)
        membership = torch.nn.functional.one_hot(labels, n_blocks + 1).float()
        floor = torch.full((n_blocks + 1,), -torch.inf)
        floor[(membership.sum(0) == 1).nonzero()] = 0.0
        floor[-1] = 0.0
        # With an axis for the rows, so that those of several networks can be stacked.
        for name, value in (
            ("in_block", in_block[None]),
            ("block", labels[None]),
            ("membership", membership),
            ("floor", floor[None]),
        ):
            self.register_buffer(name, value, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Turn logits into probabilities.

        Parameters
        ----------
        x : tensor of shape (n, p)
            Numbers, and logits in the blocks.

        Returns
        -------
        outputs : tensor of shape (n, p)
            The numbers, and probabilities that add up to 1 in blocks of several
            columns.
        """
        block = self.block.expand_as(x)
        with torch.no_grad():  # the result does not depend on it
            shape = (*x.shape[:-1], self.floor.shape[-1])
            floor = self.floor.expand(shape)
            top = floor.scatter_reduce(-1, block, x, "amax")
        powers = (x - top.gather(-1, block)).exp()
        sums = powers @ self.membership + (floor - top).exp()
        shares = powers / (sums @ self.membership.mT)
        return torch.where(self.in_block, shares, x)
