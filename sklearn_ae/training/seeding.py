"""Random numbers that leave the global generators as they were."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from sklearn_ae.data.ranks import current_ranks, rank_number
from sklearn_ae.training.recording import current_recorder

# One stream for each purpose, so that drawing more of one changes no other.
STREAMS = ("weights", "order", "noise", "global")

_global_generator_lock = threading.RLock()


def spawn_generators(seed: int, device: torch.device) -> dict[str, torch.Generator]:
    """One independent generator for each of `STREAMS`; "noise" lives on `device`.

    Ranks that train together draw the same weights and orders, and different noise.
    """
    seeds = np.random.SeedSequence(seed).generate_state(len(STREAMS), np.uint64)
    generators = {}
    for name, stream_seed in zip(STREAMS, seeds, strict=True):
        if name == "noise":
            stream_seed = seed_of_rank(int(stream_seed))
        where = device if name == "noise" else torch.device("cpu")
        generators[name] = torch.Generator(where)
        generators[name].manual_seed(int(stream_seed))
    return generators


def seed_of_rank(seed: int) -> int:
    """A seed for this process; that of rank 0 is the given one."""
    rank = rank_number()
    if rank == 0:
        return seed
    sequence = np.random.SeedSequence([seed, rank])
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1


def drawn_seed(random_state: Any) -> int:
    """A seed from an int, a RandomState or None; a fit that goes on has its own again.

    None does not touch NumPy's global generator. Ranks that train together have that of
    the first one.
    """
    if random_state is None:
        random_state = np.random.RandomState()
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    ranks = current_ranks()
    if ranks is not None:
        return int(ranks.from_first(seed))
    if isinstance(random_state, Integral):
        return seed
    return current_recorder().seed(seed)


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


def global_states(device: torch.device) -> dict[str, torch.Tensor]:
    """States of torch's global generators, inside of `isolated_global_generator`."""
    states = {"cpu": torch.random.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_global_states(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Restore what `global_states` has returned."""
    torch.random.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
