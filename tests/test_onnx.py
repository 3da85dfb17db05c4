"""ONNX models compute what the estimators compute."""

import functools
import re
import sys

import numpy as np
import pandas as pd
import pytest
import registry
import torch
from conftest import draw_table
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn
from torch.nn import functional as F

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    VariationalAutoencoder,
)
from sklearn_ae.onnx import to_onnx
from sklearn_ae.onnx._methods import Methods, methods_of

pytest.importorskip("onnx", reason="onnx comes with the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime")

X = draw_table(0)
Y = (X[:, 0] > X[:, 0].mean()).astype(int) + (X[:, 1] > X[:, 1].mean())
QUICK = {"max_epochs": 2, "random_state": 0, "validation": None}
# Relative to the largest absolute value of an output.
TOLERANCE = 1e-5


@pytest.fixture(autouse=True, scope="module")
def one_table_of_operators():
    """Torch parses its table of operators for each export, which takes half a second.

    Private: where it is not found, the tests only take longer.
    """
    with pytest.MonkeyPatch.context() as patch:
        try:
            from torch.onnx._internal.exporter._registration import ONNXRegistry

            function = functools.cache(ONNXRegistry.from_torchlib.__func__)
            patch.setattr(ONNXRegistry, "from_torchlib", classmethod(function))
        except (ImportError, AttributeError):
            pass
        yield


@functools.cache
def fitted(name):
    estimator = registry.instances()[name]
    if is_classifier(estimator):
        return estimator.fit(X, Y)
    return estimator.fit(X, X[:, 0]) if is_regressor(estimator) else estimator.fit(X)


def session_of(model):
    return onnxruntime.InferenceSession(model.SerializeToString())


def feeds(table):
    if isinstance(table, pd.DataFrame):
        return {name: table[[name]].to_numpy() for name in table.columns}
    return {"X": table}


def assert_agree(result, expected):
    assert result.shape == expected.shape
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(result, expected)
        return
    assert result.dtype == expected.dtype
    scale = np.abs(expected).max()
    np.testing.assert_allclose(result, expected, rtol=0, atol=TOLERANCE * scale)


def check(estimator, table, outputs, **kwargs):
    """The model of these outputs, compared with the estimator's methods."""
    session = session_of(to_onnx(estimator, table[:1], outputs, **kwargs))
    names = [outputs] if isinstance(outputs, str) else outputs
    assert [value.name for value in session.get_outputs()] == names
    results = session.run(names, feeds(table))
    for name, result in zip(names, results, strict=True):
        assert_agree(result, getattr(estimator, name)(table))
    one = session.run(names, feeds(table[:1]))
    for result, first in zip(results, one, strict=True):
        assert first.shape == result[:1].shape
    return session


def outputs_of(estimator):
    """All that can be exported together: codes are the input of one method only."""
    _, methods = methods_of(estimator)
    return [name for name in methods if name != "inverse_transform"]


# -- every estimator -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", registry.instances())
def test_methods_in_torch(name, dtype):
    """What is exported, before it is: the same values in the same precision."""
    estimator, table = fitted(name), X.astype(dtype)
    names = outputs_of(estimator)
    rows = torch.from_numpy(table)
    with torch.no_grad():
        results = Methods(estimator, names, rows.dtype)(rows)
    for method, result in zip(names, results, strict=True):
        result = result.numpy()
        if method == "predict" and is_classifier(estimator):
            result = estimator.classes_[result]
        assert_agree(result, getattr(estimator, method)(table))


def kinds():
    """One instance of every kind of network that the registry has, by name.

    Those of one kind differ by their weights and sizes only.
    """
    found = {}
    for name in registry.instances():
        module, methods = methods_of(fitted(name))
        kind = (tuple(methods), re.sub(r"\d+", "", repr(module)))
        found.setdefault(kind, name)
    return list(found.values())


@pytest.mark.parametrize("name", kinds())
def test_every_kind_of_network(name):
    check(fitted(name), X, outputs_of(fitted(name)))
