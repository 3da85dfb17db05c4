"""What the reproductions of published figures share: papers, settings, results."""

import json
import operator
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._data import load_labelled_mnist
from benchmarks._report import machine
from sklearn_ae.persistence import Checkpoint

_COMPARISONS = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Figure:
    """One published figure, and when it counts as reached.

    Parameters
    ----------
    number : int
        Number of the figure on the page.
    name : str
        What was measured, with its unit. `Paper.run` returns our value by this name.
    published : str
        The published value or values, and whose they are if there are several.
    reach, beyond : str or None
        Bounds such as ``"<= 3.00"``, for a figure that is reached, or beaten. Figures
        without bounds are shown, but not judged.
    digits : int
        Digits after the point.
    """

    number: int
    name: str
    published: str
    reach: str | None = None
    beyond: str | None = None
    digits: int = 2

    def verdict(self, value: float) -> str:
        """ "beyond", "reached", "not reached", or nothing if there is no bound."""
        if self.beyond is not None and within(value, self.beyond):
            return "beyond"
        if self.reach is not None and within(value, self.reach):
            return "reached"
        return "not reached" if self.is_judged else ""

    @property
    def is_judged(self) -> bool:
        """Whether there is a bound."""
        return self.reach is not None or self.beyond is not None


def within(value: float, bound: str) -> bool:
    """Whether a value keeps to a bound such as ``"<= 3.00"``."""
    comparison, limit = bound.split()
    return bool(_COMPARISONS[comparison](value, float(limit)))


@dataclass(frozen=True)
class Paper:
    """A publication, its figures, and the function that measures ours.

    Parameters
    ----------
    name : str
        A short name, that of the module.
    title : str
        Heading of its section.
    citation : str
        Authors, year, title, and DOI or address, in Markdown.
    protocol : str
        What the published figures were measured on, in a sentence.
    figures : tuple of Figure
    run : callable
        Takes a `Setting` and returns our values, by the names of the figures. Further
        values are stored in the result, too.
    ours : str
        What is run here, and what differs from the paper.
    notes : str
        What was tried where a figure is not reached, and where the published figures
        were read.
    """

    name: str
    title: str
    citation: str
    protocol: str
    figures: tuple[Figure, ...]
    run: Callable[["Setting"], dict[str, float]]
    ours: str
    notes: str = ""


@dataclass
class Setting:
    """What a reproduction needs: data, a folder for unfinished fits, a seed.

    Parameters
    ----------
    folder : Path
        Where checkpoints and values of finished parts are kept until all are done.
    mnist_path : path or None
        As in `benchmarks._data.load_labelled_mnist`.
    seed : int
        The `random_state` of all estimators.
    is_quick : bool
        One epoch on few rows, to see whether a script runs.
    """

    folder: Path
    mnist_path: Any = None
    seed: int = 0
    is_quick: bool = False
    n_quick: int = field(default=200, repr=False)

    @cached_property
    def mnist(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """X_train, y_train, X_test, y_test with pixels in [0, 1]."""
        return tuple(self.rows(array) for array in _mnist(self.mnist_path))

    def rows(self, table: np.ndarray) -> np.ndarray:
        """All rows or, in a quick run, the first ones."""
        return table[: self.n_quick] if self.is_quick else table

    def epochs(self, n: int) -> int:
        """The number of epochs or, in a quick run, one."""
        return 1 if self.is_quick else n

    def checkpoint(self, name: str) -> Checkpoint:
        """A checkpoint, from which the fit of this name goes on after an interrupt."""
        return Checkpoint(self.folder / f"{name}.checkpoint", keep=True)

    def once(self, name: str, function: Callable[[], Any]) -> Any:
        """What the function returns, from a file if it has been called before.

        The result must consist of numbers, texts, lists and dictionaries.
        """
        path = self.folder / f"{name}.json"
        if not path.exists():
            write_json(path, function())
        return read_json(path)


@cache
def _mnist(path: Any) -> tuple[np.ndarray, ...]:
    arrays = load_labelled_mnist(path)
    if arrays is None:
        raise SystemExit("MNIST is needed: pass --mnist PATH.")
    return arrays


class Meter:
    """CPU seconds of this process, added up over interrupted runs.

    A thread stores them every few seconds. Work that an interrupted run has to repeat
    is counted twice, so that the sum is at least what an undisturbed run takes.
    """

    def __init__(self, path: Path, every_seconds: float = 10.0) -> None:
        self.path, self.every_seconds = path, every_seconds

    def __enter__(self) -> "Meter":
        before = read_json(self.path) if self.path.exists() else 0.0
        self._offset = before - time.process_time()
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._store, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._has_ended.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        return time.process_time() + self._offset

    def _store(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._has_ended.wait(self.every_seconds)
            write_json(self.path, self.seconds)


def validation_rows(n_rows: int) -> tuple[slice, slice]:
    """The first five sixths, to train on, and the last sixth, to validate with."""
    n_kept = n_rows * 5 // 6
    return slice(n_kept), slice(n_kept, n_rows)


def error_rate(classifier: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Share of the rows that are classified wrongly, in per cent."""
    return 100 * float(np.mean(classifier.predict(X) != y))


def result_of(paper: Paper, results: Path, again: bool = False, **setting: Any) -> Any:
    """The result of a paper: from its file, or else measured and then stored.

    Returns a dictionary with "values", "seconds" and "machine". An interrupted run is
    continued; `again` measures everything from the start.
    """
    path, folder = results / f"{paper.name}.json", results / paper.name
    if again:
        path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    if path.exists():
        return read_json(path)
    folder.mkdir(parents=True, exist_ok=True)
    with Meter(folder / "seconds.json") as meter:
        values = paper.run(Setting(folder, **setting))
    numbers = {name: float(value) for name, value in values.items()}
    result = {"values": numbers, "seconds": meter.seconds, "machine": machine()}
    write_json(path, result)
    shutil.rmtree(folder)
    return result


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Store a value; a file is never half written."""
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(value, indent=1), encoding="utf-8")
    draft.replace(path)
