"""All that the package takes from joblib's interface for backends.

scikit-learn's searches pass their fits to a `joblib.Parallel` of their own, which
nothing but a backend can reach: `_run_search(evaluate_candidates)`, their documented
extension point, decides which candidates are evaluated, not how. No backend of joblib's
serves. The sequential one does one fit after another, and the threaded one cannot be
told how many fits may run while others wait for their training, nor end cleanly where
an interrupt strikes. joblib documents `ParallelBackendBase` as the way to write one,
and calls it experimental; what is used of it stands here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from joblib.parallel import ParallelBackendBase

Task = Callable[[], Any]


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
