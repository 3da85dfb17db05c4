"""Nested plain values and arrays in one file: an archive of NumPy, without pickles."""

import json
import os
import threading
import zipfile
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

_TEXT = "structure"


def write(path: Path, value: Any) -> None:
    """Write encoded values; until that is done, the file is what it was.

    Parameters
    ----------
    path : Path
    value : dict of str to Encoded
    """
    arrays = {
        f"{name}.{i}": array
        for name, one in value.items()
        for i, array in enumerate(one.arrays)
    }
    text = json.dumps({name: one.structure for name, one in value.items()})
    arrays[_TEXT] = np.frombuffer(text.encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = unfinished(path)
    try:
        with beside.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Have the new name of a file survive a failure of the machine, where possible."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> "dict[str, Encoded]":
    """Read what `write` has written. Any exception means that the file is damaged."""
    with path.open("rb") as file:
        # For other files NumPy recommends to allow pickles.
        if not zipfile.is_zipfile(file):
            raise ValueError("it is not an archive of NumPy")
    with np.load(path, allow_pickle=False) as archive:
        structures = json.loads(archive[_TEXT].tobytes())
        names = archive.files
        found = {}
        for name, structure in structures.items():
            n_arrays = sum(other.startswith(f"{name}.") for other in names)
            arrays = [archive[f"{name}.{i}"] for i in range(n_arrays)]
            found[name] = Encoded(structure, arrays)
    return found


def unfinished(path: Path) -> Path:
    """Where this thread writes before the file gets its name."""
    own = f"{os.getpid()}-{threading.get_ident()}"
    return path.with_name(f"{path.name}.{own}.unfinished")


def remove_unfinished(path: Path) -> None:
    """Remove what killed processes have left beside a file."""
    for left in path.parent.glob(f"{escape(path.name)}.*.unfinished"):
        left.unlink(missing_ok=True)


class Encoded:
    """A nested value as what JSON can hold, and the arrays that it refers to.

    Dictionaries, lists, tuples, None, booleans, numbers, strings, arrays and tensors
    keep their values and types.
    """

    def __init__(self, structure: Any, arrays: list[np.ndarray]) -> None:
        self.structure, self.arrays = structure, arrays

    @classmethod
    def of(cls, value: Any) -> "Encoded":
        """Encode a value; tensors and arrays are copied."""
        arrays: list[np.ndarray] = []
        return cls(_encode(value, arrays, ""), arrays)

    def value(self) -> Any:
        """The value, with arrays of its own."""
        return _decode(self.structure, self.arrays)


def _encode(value: Any, arrays: list[np.ndarray], where: str) -> Any:
    array, kind = None, "scalar"
    if isinstance(value, torch.Tensor):
        kind = "tensor"
        # NumPy does not have all of torch's types.
        with suppress(TypeError):
            array = value.detach().cpu().numpy()
    elif isinstance(value, np.ndarray | np.generic):
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        array = np.asarray(value)
    # After NumPy's numbers, since its doubles are floats of Python, too.
    elif value is None or isinstance(value, bool | int | float | str):
        return value
    elif isinstance(value, dict):
        return {
            "dict": [
                [_encode(part, arrays, f"{where}[{key!r}]") for part in (key, item)]
                for key, item in value.items()
            ]
        }
    elif isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        items = enumerate(value)
        return {kind: [_encode(one, arrays, f"{where}[{i}]") for i, one in items]}
    if array is not None and array.dtype.kind in "biufcSUMm":
        arrays.append(np.array(array, order="C"))
        return {kind: len(arrays) - 1}
    raise ValueError(
        f"A checkpoint cannot hold {value!r} of type {type(value).__name__}, which is "
        f"at {where}. It holds numbers, strings, tensors and arrays, in dictionaries "
        "and lists. Set checkpoint=None."
    )


def _decode(structure: Any, arrays: list[np.ndarray]) -> Any:
    if not isinstance(structure, dict):
        return structure
    ((kind, content),) = structure.items()
    if kind == "dict":
        return {_decode(key, arrays): _decode(item, arrays) for key, item in content}
    if kind in ("list", "tuple"):
        items = [_decode(one, arrays) for one in content]
        return items if kind == "list" else tuple(items)
    array = arrays[content]
    if kind == "tensor":
        return torch.from_numpy(array.copy())
    return array[()] if kind == "scalar" else array.copy()
