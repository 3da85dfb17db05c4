"""Random numbers that leave the global generators as they were."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# One stream for each purpose, so that drawing more of one changes no other.
STREAMS = ("weights", "order", "noise", "global")

_global_generator_lock = threading.RLock()


def spawn_generators(seed: int, device: torch.device) -> dict[str, torch.Generator]:
    """One independent generator for each of `STREAMS`; "noise" lives on `device`."""
    seeds = np.random.SeedSequence(seed).generate_state(len(STREAMS), np.uint64)
    generators = {}
    for name, stream_seed in zip(STREAMS, seeds, strict=True):
        where = device if name == "noise" else torch.device("cpu")
        generators[name] = torch.Generator(where)
        generators[name].manual_seed(int(stream_seed))
    return generators


@contextmanager
def isolated_global_generator(
    generator: torch.Generator, device: torch.device
) -> Iterator[None]:
    """Seed torch's global generators in the block, and restore them after it.

    For user-defined modules, which draw from the global generators and make tensors of
    the default dtype: it is single precision in the block. Both are shared by all
    threads: blocks in several threads run one after the other.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    devices = [device] if device.type == "cuda" else []
    with _global_generator_lock, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
