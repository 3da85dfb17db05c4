"""Torch modules as ONNX graphs."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from sklearn_ae._ambient import default_modes

# The operator set that torch's exporter writes.
EXPORTED_OPSET = 18

# Operators that ONNX Runtime computes in single precision only.
SINGLE_PRECISION = {
    "AveragePool",
    "Conv",
    "ConvTranspose",
    "Erf",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "InstanceNormalization",
}

# In place of an optional input that is left out, which skl2onnx cannot sort.
ABSENT = "sklearn_ae_absent"


def as_graph(
    module: nn.Module, n_columns: int, dtype: torch.dtype, opset: int, name: str
) -> Any:
    """An ONNX model of a module that maps rows of any number to several tensors.

    Parameters
    ----------
    module : torch.nn.Module
    n_columns : int
        Width of the rows.
    dtype : torch.dtype
        Of the rows.
    opset : int
        Operator set.
    name : str
        What the user calls the module, for the error that it cannot be exported.
    """
    rows = torch.zeros(2, n_columns, dtype=dtype)
    try:
        with _quiet(), default_modes():
            program = torch.export.export(
                module, (rows,), dynamic_shapes=({0: torch.export.Dim("n_rows")},)
            )
            exported: Any = torch.onnx.export(
                program, dynamo=True, opset_version=EXPORTED_OPSET, verbose=False
            )
        model = exported.model_proto
        _remove_metadata(model.graph)
        _cast_to_single(model.graph)
        model = in_opset(model, opset)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"{name} cannot be exported to operator set {opset}. "
            f"{type(error).__name__}: {reason}"
        ) from error
    return model


def in_opset(model: Any, opset: int) -> Any:
    """The model with another operator set."""
    from onnx import checker, version_converter

    if opset != EXPORTED_OPSET:
        model = version_converter.convert_version(model, opset)
    checker.check_model(model)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings about its own parts, nor of libraries that lack."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _remove_metadata(graph: Any) -> None:
    """Remove what torch notes, with paths of source files on this machine."""
    values = (*graph.input, *graph.value_info, *graph.output, *graph.initializer)
    for part in (graph, *graph.node, *values):
        del part.metadata_props[:]


def _cast_to_single(graph: Any) -> None:
    """Compute in single precision what ONNX Runtime cannot compute in double."""
    from onnx import TensorProto, helper

    types = {value.name: value.data_type for value in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        types[value.name] = value.type.tensor_type.elem_type
    nodes = []
    for node in graph.node:
        before, after = [], []
        if node.op_type in SINGLE_PRECISION:
            for i, name in enumerate(node.input):
                if types.get(name) == TensorProto.DOUBLE:
                    node.input[i] = f"{node.name}_input_{i}"
                    cast = [name], [node.input[i]]
                    before.append(helper.make_node("Cast", *cast, to=TensorProto.FLOAT))
            for i, name in enumerate(node.output):
                if types.get(name) == TensorProto.DOUBLE:
                    node.output[i] = f"{node.name}_output_{i}"
                    cast = [node.output[i]], [name]
                    after.append(helper.make_node("Cast", *cast, to=TensorProto.DOUBLE))
        nodes += [*before, node, *after]
    del graph.node[:]
    graph.node.extend(nodes)


def hide_absent_inputs(graph: Any) -> None:
    """Give optional inputs that are left out a name, and that a value."""
    from onnx import TensorProto, helper

    absent = False
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == "":
                node.input[i], absent = ABSENT, True
    if absent:
        graph.initializer.append(helper.make_tensor(ABSENT, TensorProto.FLOAT, [], [0]))


def restore_absent_inputs(graph: Any) -> None:
    """Leave them out again."""
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == ABSENT:
                node.input[i] = ""
    kept = [one for one in graph.initializer if one.name != ABSENT]
    del graph.initializer[:]
    graph.initializer.extend(kept)
