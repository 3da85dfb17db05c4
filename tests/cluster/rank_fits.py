"""The parts of the page on ranks that its readers write, for two small ranks."""

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


def load_rows(rank, size):
    assert size == 2
    return table()[:CUT] if rank == 0 else table()[CUT:]


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


def fitted_and_saved(X, folder):
    """Fitted by all ranks; each leaves its weights in the folder."""
    autoencoder = fitted(X)
    path = Path(folder) / f"rank{distributed.get_rank()}.npz"
    np.savez(path, **weights(autoencoder))
    return autoencoder
