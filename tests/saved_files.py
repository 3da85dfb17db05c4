"""The files of this version in `tests/data`, which later versions have to load.

    python -m tests.saved_files

makes those of the current minor version. Run it once for every minor version, before
its first release, and whenever the form of the files changes before that. After the
release, leave them: they stand for the files of users. Run it with the lowest supported
versions, since NumPy 1.26.0 cannot read pickles of NumPy 2.
"""

import gzip
import json
import pickle
import shutil
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED

import numpy as np

import sklearn_ae
from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    ConvolutionalAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
)
from sklearn_ae.persistence import TRUSTED_TYPES

DATA = Path(__file__).parent / "data"
MINOR_VERSION = ".".join(sklearn_ae.__version__.split(".")[:2])

TINY = {"max_epochs": 3, "validation": None, "random_state": 0}
SMALL = TINY | {"hidden_layer_sizes": 4}


def table():
    rng = np.random.RandomState(0)
    X = rng.uniform(size=(40, 2)) @ rng.uniform(size=(2, 6))
    X += rng.uniform(size=X.shape) / 10
    return X / X.max()


def estimators():
    """Networks and parts of every kind, and all ways to load an estimator."""
    denoising = DenoisingAutoencoder(2, corruption="masking", init="random", **SMALL)
    return {
        "autoencoder": Autoencoder(2, **SMALL | {"validation": "auto"}),
        "classifier": AutoencoderClassifier(denoising, **TINY),
        "convolutional": ConvolutionalAutoencoder(
            2, channels=(2,), loss="huber", **TINY
        ),
        "detector": AutoencoderOutlierDetector(Autoencoder(2, **SMALL), random_state=0),
        "sparse": SparseAutoencoder(3, **SMALL),
    }


def results(estimator, X):
    """What files are compared by."""
    names = ("transform", "reconstruct", "decision_function")
    return {
        name: np.asarray(getattr(estimator, name)(X))
        for name in names
        if hasattr(estimator, name)
    }


def read(path):
    if path.suffix == ".gz":
        return pickle.loads(gzip.decompress(path.read_bytes()))
    from skops.io import load

    return load(path, trusted=TRUSTED_TYPES)


def main():
    from skops.io import dump

    folder = DATA / MINOR_VERSION
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    X = table()
    y = (X[:, 0] > np.median(X[:, 0])).astype(int)
    rows, expected = X[:5], {}
    for name, estimator in estimators().items():
        estimator.fit(X, y)
        if hasattr(estimator, "partial_fit"):
            estimator.partial_fit(X)  # with an optimizer that has something to keep
        saved = gzip.compress(pickle.dumps(estimator, protocol=4), mtime=0)
        (folder / f"{name}.pickle.gz").write_bytes(saved)
        path = folder / f"{name}.skops"
        dump(estimator, path, compression=ZIP_DEFLATED, compresslevel=9)
        found = results(estimator, rows)
        expected[name] = {method: found[method].tolist() for method in found}
    (folder / "expected.json").write_text(
        json.dumps({"X": rows.tolist(), "results": expected}, indent=1) + "\n",
        encoding="utf-8",
    )
    own = [name for name in TRUSTED_TYPES if name.startswith("sklearn_ae.")]
    (folder / "types.txt").write_text("\n".join([*own, ""]), encoding="utf-8")
    for path in sorted(folder.iterdir()):
        sys.stdout.write(f"{path.stat().st_size:7,d} {path.name}\n")


if __name__ == "__main__":
    main()
