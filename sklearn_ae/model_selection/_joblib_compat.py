"""All that the package takes from the inside of joblib.

scikit-learn's searches pass their fits to a `joblib.Parallel` of their own, which
nothing but a backend can reach: `_run_search(evaluate_candidates)`, their documented
extension point, decides which candidates are evaluated, not how. No backend of joblib's
serves. The sequential one does one fit after another, and the threaded one cannot be
told how many fits may run while others wait for their training, nor end cleanly where
an interrupt strikes. joblib documents `ParallelBackendBase` as the way to write one,
and calls it experimental; what is used of it stands here. So does what is read from
the tasks that it is given.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, NamedTuple

from joblib.parallel import ParallelBackendBase, get_active_backend

Task = Callable[[], Any]


def runs_in_other_processes() -> bool:
    """Whether `parallel_config` has set a backend whose workers are processes."""
    # With this preference one of threads stands for none that has been set.
    backend, _ = get_active_backend(prefer="threads")
    return not getattr(backend, "supports_sharedmem", False)


def keywords_of(task: Task) -> dict[str, Any]:
    """The keyword arguments of the function that a task calls."""
    ((_, _, keywords),) = _items(task)
    return keywords


class _InCommon(NamedTuple):
    """Stands for an argument that several tasks have in common."""

    position: int


def without_common(tasks: Sequence[Task]) -> tuple[list[Task], list[Any]]:
    """Tasks without the arguments that they have in common, and these.

    Those arguments are the same objects at the same positions: the data. On their own
    they are sent to each worker once, by backends that look at arguments one by one.
    """
    positionals = [positional for ((_, positional, _),) in map(_items, tasks)]
    columns = zip(*positionals, strict=True)
    common = [column[0] for column in columns if _is_one_object(column)]
    positions = {id(value): i for i, value in enumerate(common)}

    def taken_out(value: Any) -> Any:
        i = positions.get(id(value))
        return value if i is None else _InCommon(i)

    return [_with_positional(task, taken_out) for task in tasks], common


def with_common(tasks: Sequence[Task], common: Sequence[Any]) -> list[Task]:
    """Tasks with the arguments that `without_common` has taken out."""

    def put_back(value: Any) -> Any:
        return common[value.position] if isinstance(value, _InCommon) else value

    return [_with_positional(task, put_back) for task in tasks]


@contextmanager
def failures_explained() -> Iterator[None]:
    """Say what has happened where a backend's own error does not."""
    try:
        yield
    except CancelledError as error:
        raise RuntimeError(
            "The cluster has cancelled fits of the search. On Dask that happens if a "
            "worker is lost which had the only copy of the data: "
            'parallel_config("dask", scatter=[X, y]) with the data of `fit` gives '
            "each worker a copy."
        ) from error
    except TypeError as error:
        # joblib wraps errors for the way back, and joblib-spark 0.6 hands them on as
        # they are, to be iterated over.
        if "_ExceptionWithTraceback" not in str(error):
            raise
        raise RuntimeError(
            "A fit of the search has raised an error, or its worker was lost. "
            "joblib-spark does not say more; the log of Spark does."
        ) from error


def _items(task: Any) -> list[tuple[Callable[..., Any], tuple, dict[str, Any]]]:
    return task.items


def _is_one_object(values: Sequence[Any]) -> bool:
    return all(value is values[0] for value in values)


def _with_positional(task: Task, change: Callable[[Any], Any]) -> Task:
    """A copy of a task, each of its positional arguments changed."""
    changed: Any = copy.copy(task)
    changed.items = [
        (function, tuple(map(change, positional)), keywords)
        for function, positional, keywords in _items(task)
    ]
    return changed


class GatheringBackend(ParallelBackendBase):
    """Gathers the tasks of a `joblib.Parallel` and has them run all at once.

    Parameters
    ----------
    run_all : callable
        Is given a list of tasks, and returns the list of their results.

    Attributes
    ----------
    n_tasks : int
        How many tasks the next call of the `Parallel` has. Outside of such a call, and
        with a single task, it must be 0 or 1: joblib then does without the backend.
    """

    supports_sharedmem = True
    uses_threads = True
    # Results are there before joblib asks for them.
    supports_retrieve_callback = True

    def __init__(self, run_all: Callable[[Sequence[Task]], Sequence[Any]]) -> None:
        super().__init__(nesting_level=0)
        self.n_tasks = 0
        self._run_all = run_all
        self._gathered: list[tuple[Task, Callable[[Any], None]]] = []

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """As many as there are tasks: all of them are under way at the same time."""
        return max(1, self.n_tasks)

    def submit(self, func: Task, callback: Callable[[Any], None]) -> None:
        self._gathered.append((func, callback))

    # joblib before 1.5 calls it so.
    apply_async = submit

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Run what has been submitted, and what is submitted because of it."""
        while self._gathered:
            gathered, self._gathered = self._gathered, []
            results = self._run_all([task for task, _ in gathered])
            for (_, callback), result in zip(gathered, results, strict=True):
                callback(result)
        yield

    def retrieve_result_callback(self, out: Any) -> Any:
        return out

    def terminate(self) -> None:
        self._gathered.clear()
