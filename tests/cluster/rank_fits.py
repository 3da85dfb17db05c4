"""A fit that two ranks do together, in whatever way they were started."""

import sys
from pathlib import Path

import numpy as np
from torch import distributed

from sklearn_ae import Autoencoder

# Rank 0 has the rows before, rank 1 the rows from here on.
CUT = 120


def table():
    rng = np.random.default_rng(0)
    causes = rng.standard_normal((203, 3))
    return np.tanh(causes @ rng.standard_normal((3, 8))).astype(np.float32)


def fitted(X):
    """Uneven last batches, held-out rows, and no noise, which is that of each rank."""
    return Autoencoder(
        3,
        hidden_layer_sizes=(16,),
        init="random",
        validation=0.2,
        batch_size=32,
        max_epochs=5,
        random_state=0,
    ).fit(X)


def weights(autoencoder):
    state = autoencoder.module_.state_dict()
    return {name: tensor.numpy() for name, tensor in state.items()}


def train(folder):
    """What every launcher starts once the process group is there."""
    rank = distributed.get_rank()
    assert distributed.get_world_size() == 2
    own = table()[:CUT] if rank == 0 else table()[CUT:]
    np.savez(Path(folder) / f"rank{rank}.npz", **weights(fitted(own)))


def train_in_group(folder, **group):
    """For launchers that start processes, but no process group."""
    distributed.init_process_group("gloo", **group)
    try:
        train(folder)
    finally:
        distributed.destroy_process_group()


if __name__ == "__main__":
    train_in_group(sys.argv[1])
