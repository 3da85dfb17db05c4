"""Estimators and pipelines as ONNX models."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_ae.data.tables import as_array
from sklearn_ae.onnx._converters import OUTPUT, register
from sklearn_ae.onnx._graph import restore_absent_inputs
from sklearn_ae.onnx._methods import ROOTS, check_method

REQUIRED = ("onnx", "onnxruntime", "onnxscript", "skl2onnx")
OPSETS = range(17, 23)

# Methods of other estimators, and their positions among the results of skl2onnx.
_RESULTS = {"transform": 0, "predict": 0, "predict_proba": 1, "decision_function": 1}


def to_onnx(
    estimator: Any,
    X: Any,
    output: str | Sequence[str] = "transform",
    *,
    target_opset: int = 18,
) -> Any:
    """Convert a fitted estimator or pipeline to ONNX.

    The model computes the same as the method that `output` names, for any number of
    rows. It needs no Python package to run, for instance in ONNX Runtime.

    Parameters
    ----------
    estimator : object
        A fitted estimator of this package; or a fitted pipeline, search or column
        transformer with one inside. Other steps are converted by skl2onnx.

    X : {array-like, sparse matrix, data frame} of shape (n_samples, n_columns)
        Rows that the method takes, one at least. They decide the inputs of the model:
        an array gives one input "X", of type float32 if `X` is, or else float64; a data
        frame gives one input of shape (n, 1) for each column, with its type and name,
        in which spaces and signs become underscores.

    output : str or sequence of str, default="transform"
        Names of methods, which are the names of the outputs of the model. Of
        autoencoders: "transform", "reconstruct", "reconstruction_error",
        "score_samples" and "inverse_transform". Of the classifier: "predict",
        "predict_proba", "decision_function" and "transform". Of the regressor:
        "predict" and "transform". Of the outlier detector: "predict",
        "decision_function", "score_samples" and "feature_errors". For a pipeline, a
        method of the pipeline or else of its last step.

    target_opset : int, default=18
        Operator set of ONNX, from 17 to 22.

    Returns
    -------
    model : onnx.ModelProto
        The ONNX model; ``model.SerializeToString()`` is what a file contains.

    Raises
    ------
    ImportError
        If packages of the extra ``onnx`` are not installed.

    ValueError
        If the method cannot be converted, for instance since a user-defined network
        does what PyTorch cannot export, or if ONNX Runtime cannot run the model with
        the first rows of `X`.

    Notes
    -----
    Results are float32 or float64 as those of the method are. With float64 inputs the
    networks compute in double precision, except for convolutions, GELU and some kinds
    of pooling and normalisation, which ONNX Runtime computes in single precision only.

    Examples
    --------
    >>> import onnxruntime
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.onnx import to_onnx
    >>> X = load_digits().data.astype("float32")
    >>> autoencoder = Autoencoder(4, max_epochs=5, random_state=0).fit(X)
    >>> model = to_onnx(autoencoder, X)
    >>> session = onnxruntime.InferenceSession(model.SerializeToString())
    >>> (codes,) = session.run(["transform"], {"X": X[:10]})
    >>> float(abs(codes - autoencoder.transform(X[:10])).max()) < 1e-3
    True
    """
    _check_installed()
    from skl2onnx import to_onnx as convert

    if not (isinstance(target_opset, Integral) and target_opset in OPSETS):
        raise ValueError(
            f"target_opset={target_opset!r} must be an integer from {OPSETS[0]} to "
            f"{OPSETS[-1]}."
        )
    names = (output,) if isinstance(output, str) else output
    if not (isinstance(names, Sequence) and all(isinstance(n, str) for n in names)):
        raise ValueError(
            f"output={output!r} must be the name of a method, or a list of names."
        )
    names = tuple(dict.fromkeys(names))
    if not names:
        raise ValueError(f"output={output!r} must have the name of a method.")
    estimator = getattr(estimator, "best_estimator_", estimator)
    X, types = _inputs(X)
    examples = {name: _result(estimator, name, X) for name in names}
    register()
    last = _last_step(estimator)
    is_own = isinstance(last, ROOTS)
    model = convert(
        estimator,
        initial_types=types,
        target_opset=int(target_opset),
        options={id(last): {OUTPUT: names} if is_own else _options(last, names)},
    )
    model = _with_outputs(model, examples, is_own)
    _check_runs(model, X)
    return model


def _check_installed() -> None:
    missing = [name for name in REQUIRED if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"to_onnx needs {' and '.join(missing)}; install the extra with "
            "`pip install 'sklearn-ae[onnx]'`."
        )


def _inputs(X: Any) -> tuple[Any, list[tuple[str, Any]]]:
    """Two rows of `X` at most, and names and types of the inputs of the model."""
    from skl2onnx.common import data_types

    if hasattr(X, "columns"):
        types = {
            "f": data_types.DoubleTensorType,
            "i": data_types.Int64TensorType,
            "u": data_types.Int64TensorType,
            "b": data_types.BooleanTensorType,
        }
        dtypes = {str(name): np.asarray(X[name]).dtype for name in X.columns}
        single, text = data_types.FloatTensorType, data_types.StringTensorType
        return X[:2], [
            (name, (single if d == np.float32 else types.get(d.kind, text))([None, 1]))
            for name, d in dtypes.items()
        ]
    X = as_array(X)
    X = X.tocsr() if issparse(X) else np.asarray(X)
    if X.ndim != 2:
        raise ValueError(f"X has the shape {X.shape}, but must be a table.")
    is_single = X.dtype == np.float32
    kind = data_types.FloatTensorType if is_single else data_types.DoubleTensorType
    return X[:2], [("X", kind([None, X.shape[1]]))]


def _last_step(estimator: Any) -> Any:
    """The estimator at the end of a pipeline."""
    while isinstance(estimator, Pipeline | FrozenEstimator):
        is_pipeline = isinstance(estimator, Pipeline)
        estimator = estimator.steps[-1][1] if is_pipeline else estimator.estimator
    return estimator


def _result(estimator: Any, name: str, X: Any) -> np.ndarray:
    """What the method returns; raises a ValueError if the model could not do so."""
    problem = f"output={name!r} of {type(estimator).__name__}"
    is_pipeline = isinstance(estimator, Pipeline)
    if is_pipeline and name == "inverse_transform":
        raise ValueError(
            f"{problem} cannot be exported, since skl2onnx does not convert the "
            "inverse of a transformer. Export that of the autoencoder by itself."
        )
    last = _last_step(estimator)
    if isinstance(last, ROOTS):
        # Before it is called: `fit` would change the estimator.
        check_is_fitted(last)
        check_method(last, name)
    elif name not in _RESULTS:
        raise ValueError(
            f"{problem} cannot be exported; choose from {sorted(_RESULTS)}."
        )
    with warnings.catch_warnings():
        # An array in place of a data frame gives a model with one input.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        if is_pipeline and not hasattr(estimator, name):
            X, estimator = estimator[:-1].transform(X), estimator[-1]
        if not hasattr(estimator, name):
            raise ValueError(f"{problem}: there is no such method.")
        return np.asarray(getattr(estimator, name)(X))


def _options(last: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """skl2onnx's options for an estimator of another package."""
    options: dict[str, Any] = {}
    if is_classifier(last):
        options["zipmap"] = False
        if "decision_function" in names:
            options["raw_scores"] = True
            if "predict_proba" in names:
                raise ValueError(
                    f"output={names!r}: skl2onnx converts either predict_proba or "
                    f"decision_function of {type(last).__name__}, not both."
                )
    return options


def _with_outputs(model: Any, examples: dict[str, np.ndarray], is_own: bool) -> Any:
    """The model with outputs as the methods return them: names, shapes and types."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    restore_absent_inputs(graph)
    results = list(graph.output)
    taken = {value.name for value in graph.input}
    del graph.output[:]
    for i, (name, example) in enumerate(examples.items()):
        if name in taken:
            raise ValueError(f"Column {name!r} of X has the name of an output.")
        result = results[i if is_own else _RESULTS[name]]
        value, kind = result.name, result.type.tensor_type.elem_type
        if not is_own:
            # skl2onnx gives columns and, of two classes, the scores of both.
            if example.ndim == 1:
                is_score = name == "decision_function"
                last = numpy_helper.from_array(
                    np.array(-1 if is_score else [-1]), f"{name}_last"
                )
                graph.initializer.append(last)
                op_type = "Gather" if is_score else "Reshape"
                axis = {"axis": 1} if is_score else {}
                inputs, value = [value, last.name], f"{name}_column"
                graph.node.append(helper.make_node(op_type, inputs, [value], **axis))
            if example.dtype.kind in "OU":
                kind = TensorProto.STRING
            else:
                kind = helper.np_dtype_to_tensor_dtype(example.dtype)
                inputs, value = [value], f"{name}_cast"
                graph.node.append(helper.make_node("Cast", inputs, [value], to=kind))
        if value != name:
            graph.node.append(helper.make_node("Identity", [value], [name]))
        shape = ["n_rows", *example.shape[1:]]
        graph.output.append(helper.make_tensor_value_info(name, kind, shape))
    return model


def _check_runs(model: Any, X: Any) -> None:
    """Raise a ValueError if ONNX Runtime cannot run the model."""
    import onnxruntime
    from onnx import TensorProto

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # The error is raised; it need not be printed as well.
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        session.run(None, _feeds(model, X))
    # Its exceptions have no public base class.
    except Exception as error:
        kinds = [value.type.tensor_type.elem_type for value in model.graph.input]
        advice = (
            "Export with float32 input: it implements some operators, such as that of "
            "imputers, in single precision only."
            if TensorProto.DOUBLE in kinds
            else "skl2onnx ignores some parameters of other steps, such as "
            "add_indicator of imputers. Apply such steps before the model."
        )
        cause = " ".join(str(error).split()).rstrip(".")
        raise ValueError(
            f"ONNX Runtime cannot run the model: {cause}. {advice}"
        ) from error


def _feeds(model: Any, X: Any) -> dict[str, np.ndarray]:
    """The rows of `X` by the inputs of the model, whose types they get."""
    from onnx import TensorProto, helper

    columns = [X]
    if hasattr(X, "columns"):
        columns = [np.asarray(X[name])[:, None] for name in X.columns]
    feeds = {}
    for value, column in zip(model.graph.input, columns, strict=True):
        kind = value.type.tensor_type.elem_type
        # Not objects: a missing category is no string.
        is_text = kind == TensorProto.STRING
        dtype = str if is_text else helper.tensor_dtype_to_np_dtype(kind)
        dense = column.toarray() if issparse(column) else np.asarray(column)
        feeds[value.name] = dense.astype(dtype)
    return feeds
