"""ONNX models compute what the estimators compute."""

import ast
import functools
import re
import sys
from pathlib import Path

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
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn
from torch.nn import functional as F

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    AutoencoderRegressor,
    onnx,
)
from sklearn_ae.onnx import to_onnx
from sklearn_ae.onnx._graph import as_graph, in_opset
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
        return {
            name.replace(" ", "_"): table[[name]].to_numpy() for name in table.columns
        }
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
    model = to_onnx(estimator, table[:1], outputs, **kwargs)
    # Torch notes where the code of the network stands.
    assert b"site-packages" not in model.SerializeToString()
    session = session_of(model)
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

# Instances that have all layers and methods of the registry between them. A conversion
# takes half a second, and hardly depends on how layers are combined.
KINDS = (
    "tied_deep",
    "penalties",
    "own_network",
    "gaps",
    "sparse_kl",
    "sparse_topk_convolutional",
    "variational",
    "stacked_plain",
    "classifier",
    "regressor_convolutional",
    "outlier_detector",
)


def parts(estimator):
    module, methods = methods_of(estimator)
    return {*methods, *re.findall(r"(\w+)\(", repr(module))}


@functools.cache
def exported_parts():
    return set().union(*(parts(fitted(name)) for name in KINDS))


@pytest.mark.parametrize("name", registry.instances())
def test_methods_in_torch(name):
    """What is exported, before it is: the same values in the same precision."""
    estimator = fitted(name)
    assert parts(estimator) <= exported_parts(), "add to KINDS"
    names = outputs_of(estimator)
    for dtype in (np.float32, np.float64):
        rows = torch.from_numpy(X.astype(dtype))
        with torch.no_grad():
            results = Methods(estimator, names, rows.dtype)(rows)
        for method, result in zip(names, results, strict=True):
            result = result.numpy()
            if method == "predict" and is_classifier(estimator):
                result = estimator.classes_[result]
            assert_agree(result, getattr(estimator, method)(rows.numpy()))


@pytest.mark.parametrize("name", KINDS)
def test_methods_in_onnx_runtime(name):
    if name == "gaps":
        # Its graph grows with the columns, and an export takes seconds.
        few = X[:, :3]
        estimator = clone(fitted(name)).fit(few)
        table = np.where(few < -0.5, np.nan, few)
        assert np.isnan(table).any()
    else:
        estimator, table = fitted(name), X
    check(estimator, table, outputs_of(estimator))


def test_single_precision():
    estimator = fitted("sparse_topk_convolutional")
    check(estimator, X.astype(np.float32), outputs_of(estimator))


def test_codes_are_decoded():
    estimator = fitted("convolutional")
    check(estimator, estimator.transform(X.astype("f")), "inverse_transform")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_much_larger_than_deviations(dtype):
    table = (X + 1e5).astype(dtype)
    estimator = Autoencoder(2, **QUICK).fit(table)
    session = check(estimator, table, "transform")
    (codes,) = session.run(["transform"], {"X": table})
    # Not equal because both have lost what varies.
    centred = Autoencoder(2, **QUICK).fit(X).transform(X)
    assert np.corrcoef(codes[:, 0], centred[:, 0])[0, 1] ** 2 > 0.99


def test_operator_sets():
    estimator, names = fitted("variational"), ["transform", "score_samples"]
    methods = Methods(estimator, names, torch.float64)
    model = as_graph(methods, X.shape[1], torch.float64, 18, "it")
    for opset in range(17, 23):
        converted = in_opset(model, opset)
        assert [(o.domain, o.version) for o in converted.opset_import] == [("", opset)]
        session = session_of(converted)
        results = session.run(None, {session.get_inputs()[0].name: X})
        for name, result in zip(names, results, strict=True):
            assert_agree(result, getattr(estimator, name)(X))


def test_operator_set_of_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), Autoencoder(2, **QUICK)).fit(X)
    model = to_onnx(pipeline, X, target_opset=22)
    assert {o.domain: o.version for o in model.opset_import}[""] == 22
    (codes,) = session_of(model).run(None, {"X": X})
    assert_agree(codes, pipeline.transform(X))


# -- labels and shapes ---------------------------------------------------------------


@pytest.mark.parametrize("labels", [["a", "b"], [False, True]])
def test_labels_of_any_type(labels):
    y = np.array(labels)[(X[:, 0] > 0).astype(int)]
    classifier = AutoencoderClassifier(Autoencoder(2, **QUICK), **QUICK).fit(X, y)
    check(classifier, X, ["predict", "decision_function"])


def test_several_targets():
    regressor = AutoencoderRegressor(Autoencoder(2, **QUICK), **QUICK)
    check(regressor.fit(X, X[:, :2]), X, "predict")


def test_detector_with_constant_columns_weights_and_far_out_rows():
    table = np.c_[X, np.full(len(X), 3.0)]
    weight = np.random.default_rng(0).exponential(size=len(X)) ** 3
    detector = AutoencoderOutlierDetector(Autoencoder(2, **QUICK), cv=2)
    detector.fit(table, sample_weight=weight)
    names = ["predict", "feature_errors"]
    session = check(detector, table, names)
    far = 1e25 * table[:3]
    labels, errors = session.run(names, {"X": far})
    np.testing.assert_array_equal(labels, -1)
    np.testing.assert_allclose(errors, detector.feature_errors(far), rtol=1e-4)


def test_detector_of_one_column():
    detector = AutoencoderOutlierDetector().fit(X[:, :1])
    check(detector, X[:, :1], ["predict", "score_samples"])


# -- pipelines -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pipeline_that_ends_in_a_classifier(dtype):
    table = X.astype(dtype)
    pipeline = make_pipeline(
        StandardScaler(), Autoencoder(2, **QUICK), LogisticRegression()
    ).fit(table, Y > 0)
    session = session_of(to_onnx(pipeline, table, ["predict", "predict_proba"]))
    label, probability = session.run(None, {"X": table})
    np.testing.assert_array_equal(label, pipeline.predict(table))
    expected = pipeline.predict_proba(table)
    np.testing.assert_allclose(probability, expected, atol=TOLERANCE)


def test_decision_of_another_classifier_and_frozen_autoencoders():
    frozen = FrozenEstimator(Autoencoder(2, **QUICK).fit(X))
    pipeline = make_pipeline(frozen, LogisticRegression()).fit(X, Y > 0)
    (decision,) = session_of(to_onnx(pipeline, X, "decision_function")).run(
        None, {"X": X}
    )
    expected = pipeline.decision_function(X)
    assert decision.shape == expected.shape
    np.testing.assert_allclose(decision, expected, atol=TOLERANCE)


def test_pipeline_that_ends_in_a_detector():
    pipeline = make_pipeline(
        StandardScaler(), AutoencoderOutlierDetector(Autoencoder(2, **QUICK), cv=2)
    ).fit(X)
    check(pipeline, X, ["predict", "score_samples"])


def test_methods_of_the_last_step_only():
    pipeline = make_pipeline(StandardScaler(), Autoencoder(2, **QUICK)).fit(X)
    model = to_onnx(pipeline, X, "reconstruction_error")
    (error,) = session_of(model).run(None, {"X": X})
    scaled = pipeline[:-1].transform(X)
    assert_agree(error, pipeline[-1].reconstruction_error(scaled))


def test_columns_of_a_data_frame():
    frame = pd.DataFrame(X[:, :4], columns=["a", "b", "c", "d e"])
    frame["kind"] = np.where(Y > 0, "x", "y")
    columns = make_column_transformer(
        (Autoencoder(2, **QUICK), ["a", "b", "c"]),
        (StandardScaler(), ["d e"]),
        (OneHotEncoder(sparse_output=False), ["kind"]),
    )
    pipeline = make_pipeline(columns, LinearRegression()).fit(frame, X[:, 5])
    (predicted,) = session_of(to_onnx(pipeline, frame, "predict")).run(
        None, feeds(frame)
    )
    expected = pipeline.predict(frame)
    assert predicted.shape == expected.shape
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-5)


def test_estimators_inside_others():
    classifier = AutoencoderClassifier(Autoencoder(2, **QUICK), **QUICK)
    pipeline = make_pipeline(classifier, LogisticRegression())  # takes its codes
    search = GridSearchCV(pipeline, {"logisticregression__C": [1.0]}, cv=2).fit(X, Y)
    (label,) = session_of(to_onnx(search, X, "predict")).run(None, {"X": X})
    np.testing.assert_array_equal(label, search.predict(X))


def test_voting_of_classifiers():
    classifier = AutoencoderClassifier(Autoencoder(2, **QUICK), **QUICK)
    voting = VotingClassifier(
        [("autoencoder", classifier), ("linear", LogisticRegression())],
        voting="soft",
        flatten_transform=False,
    ).fit(X, Y)
    session = session_of(to_onnx(voting, X.astype("f"), ["predict_proba"]))
    (probability,) = session.run(None, {"X": X.astype("f")})
    expected = voting.predict_proba(X.astype("f"))
    np.testing.assert_allclose(probability, expected, atol=TOLERANCE)


# -- networks of users ---------------------------------------------------------------


class Upsampling(registry.OwnNetwork):
    """Layers that skl2onnx does not know, with optional inputs left out."""

    def __init__(self, n_features, n_components):
        super().__init__(n_features, n_components)
        self.norm = nn.LayerNorm(n_components)
        self.pool = nn.AvgPool1d(2)

    def encode(self, x):
        return self.norm(super().encode(x)).clamp(min=-1)

    def decode(self, z):
        wide = F.interpolate(super().decode(z)[:, None], scale_factor=2.0)
        return self.pool(wide)[:, 0]


class Branching(registry.OwnNetwork):
    def encode(self, x):
        return super().encode(x) if x.sum() > 0 else -super().encode(x)


def test_networks_of_users():
    estimator = Autoencoder(2, network=Upsampling, **QUICK).fit(X)
    check(estimator, X.astype("f"), ["transform", "reconstruct"])


def test_networks_that_torch_cannot_export():
    estimator = Autoencoder(2, network=Branching, **QUICK).fit(X)
    message = r"(?s)transform of Autoencoder\(.*Branching.*cannot be exported.*data"
    with pytest.raises(ValueError, match=message):
        to_onnx(estimator, X)


# -- errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "output", "message"),
    [
        ("plain", "predict", "'predict' of Autoencoder.*choose from"),
        ("plain", "hidden_activations", "cannot be exported; choose from.*transform"),
        ("classifier", "score_samples", "choose from.*predict_proba"),
    ],
)
def test_unknown_outputs(name, output, message):
    with pytest.raises(ValueError, match=message):
        to_onnx(fitted(name), X, output)


@pytest.mark.parametrize("output", ["fit", "partial_fit", "fit_transform"])
def test_no_other_method_is_called(output):
    estimator = Autoencoder(2, **QUICK).fit(X)
    before = estimator.transform(X)
    for one in (estimator, make_pipeline(estimator)):
        with pytest.raises(ValueError, match=f"{output}.*cannot be exported; choose"):
            to_onnx(one, X, output)
    np.testing.assert_array_equal(estimator.transform(X), before)


def test_wrong_arguments():
    estimator = fitted("plain")
    with pytest.raises(ValueError, match=r"target_opset=18\.0 must be an integer"):
        to_onnx(estimator, X, target_opset=18.0)
    for output in (None, ["transform", 1]):
        with pytest.raises(ValueError, match=r"output=.* must be the name of a method"):
            to_onnx(estimator, X, output)
    with pytest.raises(ValueError, match=r"target_opset=16 must be.* from 17 to 22"):
        to_onnx(estimator, X, target_opset=16)
    with pytest.raises(ValueError, match=r"output=\[\] must have the name"):
        to_onnx(estimator, X, [])
    with pytest.raises(ValueError, match="X has 3 features"):
        to_onnx(estimator, X[:, :3])
    with pytest.raises(ValueError, match="must be a table"):
        to_onnx(estimator, X[0])
    with pytest.raises(ValueError, match="not fitted"):
        to_onnx(clone(estimator), X)


def test_what_skl2onnx_cannot_convert():
    pipeline = make_pipeline(StandardScaler(), fitted("plain"))
    pipeline[0].fit(X)
    with pytest.raises(ValueError, match="inverse of a transformer"):
        to_onnx(pipeline, X[:, :1], "inverse_transform")
    detector = AutoencoderOutlierDetector(PCA(2), cv=2).fit(X)
    with pytest.raises(
        ValueError, match=r"autoencoder=PCA\(.*only with an autoencoder"
    ):
        to_onnx(detector, X, "predict")
    pipeline = make_pipeline(Autoencoder(2, **QUICK), LogisticRegression())
    outputs = ["predict_proba", "decision_function"]
    with pytest.raises(ValueError, match="either predict_proba or decision_function"):
        to_onnx(pipeline.fit(X, Y), X, outputs)


@pytest.mark.parametrize(
    ("imputer", "dtype", "message"),
    [
        (SimpleImputer(), np.float64, r"Imputer.*\. Export with float32 input"),
        (
            SimpleImputer(add_indicator=True),
            np.float32,
            r"\. skl2onnx ignores some parameters .* add_indicator",
        ),
    ],
)
def test_what_onnx_runtime_cannot_run(imputer, dtype, message):
    table = X.astype(dtype)
    table[0, 0] = np.nan
    pipeline = make_pipeline(StandardScaler(), imputer, PCA(2)).fit(table)
    with pytest.raises(ValueError, match=f"ONNX Runtime cannot run the.*{message}"):
        to_onnx(pipeline, table)


def test_a_missing_category_is_no_error_of_onnx_runtime():
    frame = pd.DataFrame({"kind": np.where(Y > 0, "x", None), "a": X[:, 0]})
    columns = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]), (StandardScaler(), ["a"])
    ).fit(frame)
    assert [one.name for one in to_onnx(columns, frame).graph.input] == ["kind", "a"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_categories(dtype):
    """A softmax over each category, from operator set 18 on."""
    table = np.hstack([X, Y[:, None] == np.arange(3), X[:, :1] > 0]).astype(dtype)
    estimator = Autoencoder(2, loss="mixed", **QUICK).fit(table)
    check(estimator, table, ["transform", "reconstruct", "score_samples"])
    if dtype == np.float64:  # the precision does not change the operators
        with pytest.raises(ValueError, match="cannot be exported to operator set 17"):
            to_onnx(estimator, table, "reconstruct", target_opset=17)
        to_onnx(estimator, table, "transform", target_opset=17)


def test_package_is_imported_without_the_extra():
    for path in Path(onnx.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names]
                top = getattr(node, "module", names[0]).partition(".")[0]
                assert not top.startswith(("onnx", "skl2onnx")), path


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript", "skl2onnx"])
def test_extra_is_not_installed(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"needs {missing}; .*sklearn-ae\[onnx\]"):
        to_onnx(fitted("plain"), X)
