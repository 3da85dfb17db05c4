"""Random draws for one network or, with a generator each, for several at once."""

from collections.abc import Iterator

import torch
from torch import Tensor

Generators = torch.Generator | list[torch.Generator] | None


def each_with_generator(
    x: Tensor, generators: Generators
) -> Iterator[tuple[Tensor, torch.Generator | None]]:
    """Tensors to fill with random numbers, each with the generator that draws them."""
    if isinstance(generators, list):
        return zip(x, generators, strict=True)
    return iter([(x, generators)])
