r"""One autoencoder, trained by several processes, each with its own part of MNIST.

    python -m torch.distributed.run --nproc-per-node 2 \
        examples/distributed/train_mnist.py

On two machines, run this on both, with the name of the first one:

    python -m torch.distributed.run --nnodes 2 --nproc-per-node 2 \
        --rdzv-backend c10d --rdzv-endpoint FIRST_MACHINE:29400 \
        examples/distributed/train_mnist.py

Without torchrun the process trains alone. The results are equally good, but not the
same, since each rank draws its own noise for the inputs. MNIST is read from the file
that SKLEARN_AE_MNIST names (npz with X_train and X_test), or else downloaded.
``--digits`` takes the small digits of scikit-learn instead.
"""

import argparse
import os
import time

import numpy as np
from sklearn.datasets import fetch_openml, load_digits
from sklearn.decomposition import PCA
from torch import distributed

from sklearn_ae import Autoencoder


def load(digits):
    """Training and test rows with values from 0 to 1."""
    if digits:
        X = load_digits().data.astype(np.float32) / 16
        return X[:1400], X[1400:]
    path = os.environ.get("SKLEARN_AE_MNIST")
    if path:
        with np.load(path) as archive:
            train, test = archive["X_train"], archive["X_test"]
    else:
        X = fetch_openml("mnist_784", as_frame=False).data
        train, test = X[:60_000], X[60_000:]
    return train / np.float32(255), test / np.float32(255)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", action="store_true", help="a small table")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--components", type=int, default=16)
    options = parser.parse_args()

    rank, size = 0, 1
    if distributed.is_torchelastic_launched():
        distributed.init_process_group("gloo")
        rank, size = distributed.get_rank(), distributed.get_world_size()
    X_train, X_test = load(options.digits)
    # Every rank passes its own rows, and none needs those of the others.
    own = X_train[rank::size]

    autoencoder = Autoencoder(
        options.components, max_epochs=options.epochs, random_state=0, verbose=1
    )
    start = time.perf_counter()
    autoencoder.fit(own)
    seconds = time.perf_counter() - start

    # All ranks have the same model now. Rank 0 prints the result.
    if rank == 0:
        pca = PCA(options.components, random_state=0).fit(X_train)
        rest = X_test - pca.inverse_transform(pca.transform(X_test))
        error = autoencoder.reconstruction_error(X_test).mean()
        print(f"{size} ranks, {len(X_train)} rows, {len(own)} of them on rank 0")
        print(f"error on test rows: {error:.5f}, of PCA: {np.mean(rest**2):.5f}")
        print(f"{seconds / autoencoder.n_iter_:.2f} s per epoch, with start and choice")
    if size > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
