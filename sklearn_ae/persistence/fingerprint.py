"""Parameters and data as short texts, by which two fits are compared."""

import hashlib
from collections.abc import Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np
import scipy
import sklearn
import torch
from scipy import sparse

from sklearn_ae.data.sources import BufferedRows
from sklearn_ae.persistence.checks import package_version

# Longer texts are cut, and their digest is added.
_LONGEST = 120

# Parameters that change no result.
_NOT_COMPARED = ("checkpoint", "callbacks", "verbose")

# Bytes of a table that are copied at a time.
_BLOCK = 2**24


def manifest_of(estimator: Any, data: dict[str, Any]) -> dict[str, Any]:
    """All that the bits of a fit depend on, as nested dictionaries of texts.

    Parameters
    ----------
    estimator : estimator
    data : dict
        The arguments of `fit`, and whatever else it uses, by name.
    """
    packages = {"numpy": np, "scipy": scipy, "scikit-learn": sklearn, "torch": torch}
    versions = {name: str(package.__version__) for name, package in packages.items()}
    params = {
        name: _describe_param(name, value)
        for name, value in estimator.get_params(deep=True).items()
        if "checkpoint" not in name.split("__")
    }
    return {
        "class": {"the class": type(estimator).__name__},
        "versions": {"sklearn_ae": package_version(), **versions},
        # Sums are split among them.
        "threads": {"the number of threads of torch": str(torch.get_num_threads())},
        "parameters": params,
        # Arguments that are not given are not named among those that differ.
        "data": {name: digest(one) for name, one in data.items() if one is not None},
    }


def _describe_param(name: str, value: Any) -> str:
    last = name.rpartition("__")[2]
    if last == "callbacks":
        # What they have seen changes while they are in use.
        return describe([_class_of_callback(one) for one in value or ()])
    if last == "verbose":
        # Whether there is a progress bar or a table decides what trains together.
        return str(bool(value))
    if name == "random_state" and isinstance(value, np.random.RandomState):
        # The seed that was drawn is saved.
        return "a RandomState"
    return describe(value)


def _class_of_callback(callback: Any) -> str:
    given = callback[-1] if isinstance(callback, tuple | list) else callback
    return (given if isinstance(given, type) else type(given)).__qualname__


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs between two manifests, one sentence for each."""
    found = []
    topics = ["class", "versions", "threads", "parameters"]
    if old["class"] != new["class"]:
        # Other classes have other parameters.
        topics.remove("parameters")
    for topic in topics:
        names = [*new[topic], *(old[topic].keys() - new[topic].keys())]
        changed = [n for n in names if old[topic].get(n) != new[topic].get(n)]
        # An object of another class, not its parameters.
        one_sided = old[topic].keys() ^ new[topic].keys()
        replaced = [
            n for n in changed if any(o.startswith(f"{n}__") for o in one_sided)
        ]
        changed = [
            n for n in changed if not any(n.startswith(f"{r}__") for r in replaced)
        ]
        # Not an object as well as what has changed in it.
        changed = [
            name
            for name in changed
            if not any(other.startswith(f"{name}__") for other in changed)
        ]
        found += [
            f"{name} was {old[topic].get(name, 'absent')} and is "
            f"{new[topic].get(name, 'absent')}"
            for name in changed
        ]
    names = [*new["data"], *(old["data"].keys() - new["data"].keys())]
    changed = [n for n in names if old["data"].get(n) != new["data"].get(n)]
    return [*found, f"the data differ: {', '.join(changed)}"] if changed else found


def digest(value: Any) -> str:
    """A digest of arrays, sparse matrices, tensors, or anything that has a text."""
    found = hashlib.blake2b(digest_size=16)
    for block in _blocks(value):
        found.update(block)
    return found.hexdigest()


def _blocks(value: Any) -> Iterator[Any]:
    """The bytes of a value, without a copy of a whole table."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from _blocks(item)
    elif isinstance(value, torch.Tensor):
        yield from _blocks(value.detach().cpu().numpy())
    elif isinstance(value, BufferedRows):
        # The order of the rows depends on the blocks.
        yield from _blocks((value.source.edges, str(value.source.buffer_bytes)))
        for rows in value.source.slices():
            yield from _blocks(value.take(rows))
    elif sparse.issparse(value):
        # They are CSR, as all sparse tables here.
        yield repr(value.shape).encode()
        for part in (value.indptr, value.indices, value.data):
            yield from _blocks(part)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biufcSUMm":
        yield f"{value.dtype.str}{value.shape}".encode()
        n_rows = max(1, _BLOCK // max(1, value[:1].nbytes)) if value.ndim else 1
        for start in range(0, len(value) if value.ndim else 1, n_rows):
            rows = value[start : start + n_rows] if value.ndim else value
            yield np.ascontiguousarray(rows).reshape(-1).view(np.uint8)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype}{value.shape}{value.tolist()!r}".encode()
    else:
        yield describe(value).encode()


def describe(value: Any) -> str:
    """A text that is the same for equal values, also in another process.

    Functions and classes are told apart by their names only.
    """
    text = _text(value, ())
    if len(text) <= _LONGEST:
        return text
    rest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{text[: _LONGEST - 30]}... ({rest})"


def _text(value: Any, holders: tuple[Any, ...]) -> str:
    if any(value is holder for holder in holders):
        return "..."
    inner = partial(_text, holders=(*holders, value))
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if isinstance(value, torch.dtype | torch.device):
        return str(value)
    if isinstance(value, np.ndarray | torch.Tensor) or sparse.issparse(value):
        return f"array of shape {tuple(value.shape)} ({digest(value)[:8]})"
    if isinstance(value, type | FunctionType | BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, MethodType):
        return f"{inner(value.__self__)}.{value.__name__}"
    if isinstance(value, partial):
        return f"partial{inner((value.func, value.args, value.keywords))}"
    if isinstance(value, dict):
        items = [f"{inner(key)}: {inner(item)}" for key, item in value.items()]
        return "{" + ", ".join(items) + "}"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(inner, value))) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(inner, value)) + "]"
    return _text_of_object(value, inner)


def _text_of_object(value: Any, inner: Any) -> str:
    """Its class and its state."""
    if hasattr(value, "get_params"):
        params = value.get_params(deep=False)
        state = {k: v for k, v in value.__getstate__().items() if k not in params}
        for version in ("_sklearn_version", "_sklearn_ae_version"):
            state.pop(version, None)
        held = [
            f"{name}={inner(param)}"
            for name, param in params.items()
            if name not in _NOT_COMPARED
        ]
        if state:
            held.append(f"fitted ({digest(inner(state))[:8]})")
        return f"{type(value).__name__}({', '.join(held)})"
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    try:
        # What makes the object, and its state.
        return f"{name}({inner(value.__reduce_ex__(2)[1:3])})"
    except TypeError:
        # What cannot be pickled, such as an open file.
        return name
