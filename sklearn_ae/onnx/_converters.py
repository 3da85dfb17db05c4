"""Converters of the package's estimators for skl2onnx."""

from typing import Any

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator

from sklearn_ae._ambient import default_modes
from sklearn_ae.estimators._outlier import AutoencoderOutlierDetector
from sklearn_ae.estimators._supervised import (
    AutoencoderClassifier,
    AutoencoderRegressor,
)
from sklearn_ae.onnx._graph import as_graph, hide_absent_inputs
from sklearn_ae.onnx._methods import ROOTS, Methods

# The option of the converters that names the methods to export.
OUTPUT = "output"
_ALIAS = "SklearnAe"


def register() -> None:
    """Tell skl2onnx of all estimators of the package, and of their subclasses."""
    from skl2onnx import update_registered_converter, update_registered_parser

    update_registered_parser(FrozenEstimator, _parse_frozen)
    classes = list(ROOTS)
    for cls in classes:
        classes += cls.__subclasses__()
        update_registered_converter(
            cls,
            _ALIAS,
            _set_types,
            _convert,
            parser=_parse,
            # Pipelines set `zipmap` of every classifier.
            options={OUTPUT: None, "zipmap": None},
        )


def _parse(scope: Any, model: Any, inputs: list, custom_parsers: Any = None) -> list:
    """The results of an estimator that is a step of a pipeline, or stands alone."""
    from skl2onnx.common.data_types import FloatTensorType

    names = scope.get_options(model, {OUTPUT: None})[OUTPUT]
    if names is None:
        names = ("transform",) if hasattr(model, "transform") else _predictions(model)
    operator = scope.declare_local_operator(_ALIAS, model)
    operator.method_names = names
    operator.inputs = inputs
    for name in names:
        # `_set_types` corrects the type.
        variable = scope.declare_local_variable(name, FloatTensorType())
        operator.outputs.append(variable)
    return operator.outputs


def _parse_frozen(
    scope: Any, model: Any, inputs: list, custom_parsers: Any = None
) -> list:
    from skl2onnx._parse import _parse_sklearn

    return _parse_sklearn(scope, model.estimator, inputs, custom_parsers)


def _predictions(model: Any) -> tuple[str, ...]:
    """What skl2onnx expects of an estimator inside a voting or stacking one."""
    if isinstance(model, AutoencoderClassifier):
        return "predict", "predict_proba"
    if isinstance(model, AutoencoderRegressor):
        return ("predict",)
    if isinstance(model, AutoencoderOutlierDetector):
        return "predict", "decision_function"
    return ("transform",)


def _names(operator: Any) -> tuple[str, ...]:
    return getattr(operator, "method_names", _predictions(operator.raw_operator))


def _dtype(operator: Any) -> torch.dtype:
    """That to which scikit-learn converts the columns."""
    from skl2onnx.common.data_types import FloatTensorType

    is_single = all(isinstance(x.type, FloatTensorType) for x in operator.inputs)
    return torch.float32 if is_single else torch.float64


def _n_columns(operator: Any) -> int:
    model = operator.raw_operator
    takes_codes = "inverse_transform" in _names(operator)
    return int(model.n_components_ if takes_codes else model.n_features_in_)


def _set_types(operator: Any) -> None:
    """The shape calculator of all estimators."""
    from skl2onnx.common import data_types

    model, names, dtype = operator.raw_operator, _names(operator), _dtype(operator)
    row = torch.zeros(1, _n_columns(operator), dtype=dtype)
    with default_modes(), torch.no_grad():
        outputs = Methods(model, names, dtype)(row)
    for variable, name, output in zip(operator.outputs, names, outputs, strict=True):
        kind = output.numpy().dtype
        if _is_label(model, name):
            kind = _labels(model).dtype
        tensor_type = {
            np.dtype(np.float32): data_types.FloatTensorType,
            np.dtype(np.float64): data_types.DoubleTensorType,
            np.dtype(np.int64): data_types.Int64TensorType,
            np.dtype(np.bool_): data_types.BooleanTensorType,
            np.dtype(np.object_): data_types.StringTensorType,
        }[kind]
        variable.type = tensor_type([None, *output.shape[1:]])


def _is_label(model: Any, name: str) -> bool:
    return name == "predict" and isinstance(model, AutoencoderClassifier)


def _labels(model: AutoencoderClassifier) -> np.ndarray:
    """The classes in a type that ONNX has."""
    classes = model.classes_
    if classes.dtype.kind in "iu":
        return classes.astype(np.int64)
    if classes.dtype.kind in "fb":
        return classes.astype(np.float64) if classes.dtype.kind == "f" else classes
    return np.array([str(one) for one in classes], dtype=object)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """The converter of all estimators."""
    from onnx import compose, numpy_helper
    from skl2onnx.common._apply_operation import apply_cast, apply_concat

    model, names, dtype = operator.raw_operator, _names(operator), _dtype(operator)
    exported = as_graph(
        Methods(model, names, dtype),
        _n_columns(operator),
        dtype,
        container.target_opset,
        f"{', '.join(names)} of {model!r}",
    )
    prefix = scope.get_unique_operator_name(type(model).__name__) + "_"
    exported = compose.add_prefix(exported, prefix)
    graph = exported.graph

    proto = graph.input[0].type.tensor_type.elem_type
    columns = []
    for variable in operator.inputs:
        columns.append(scope.get_unique_variable_name("columns"))
        apply_cast(scope, variable.full_name, columns[-1], container, to=proto)
    apply_concat(scope, columns, graph.input[0].name, container, axis=1)

    hide_absent_inputs(graph)
    container.nodes.extend(graph.node)
    container.initializers.extend(graph.initializer)
    for opset in exported.opset_import:
        container.node_domain_version_pair_sets.add((opset.domain, opset.version))

    for variable, name, output in zip(
        operator.outputs, names, graph.output, strict=True
    ):
        if _is_label(model, name):
            classes = scope.get_unique_variable_name("classes")
            labels = numpy_helper.from_array(_labels(model), classes)
            container.initializers.append(labels)
            inputs, op_type = [classes, output.name], "Gather"
        else:
            inputs, op_type = [output.name], "Identity"
        unique = scope.get_unique_operator_name(op_type)
        container.add_node(op_type, inputs, variable.full_name, name=unique)
