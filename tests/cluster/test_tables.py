"""Tables on a disk whose libraries are in the environment of the engines only."""

import numpy as np
import zarr

from sklearn_ae import Autoencoder
from sklearn_ae.data import from_array


def test_zarr(tmp_path):
    X = np.random.default_rng(0).normal(size=(1000, 6)).astype(np.float32)
    data = zarr.create_array(
        tmp_path / "table.zarr", shape=X.shape, chunks=(20, 6), dtype=X.dtype
    )
    data[:] = X
    table = from_array(data, buffer_bytes=X.nbytes // 5)
    assert set(np.diff(table.edges)) == {20}
    params = {"max_epochs": 2, "validation": None, "random_state": 0}
    autoencoder = Autoencoder(2, **params).fit(table)
    expected = autoencoder.transform(X)
    np.testing.assert_array_equal(autoencoder.transform(data), expected)
    np.testing.assert_array_equal(autoencoder.transform(table), expected)
