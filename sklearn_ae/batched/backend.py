"""A joblib backend whose tasks train together."""

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from time import perf_counter
from typing import Any

import torch
from joblib import cpu_count
from joblib.parallel import ParallelBackendBase
from threadpoolctl import threadpool_limits

from sklearn_ae.batched.rendezvous import run_together
from sklearn_ae.batched.together import Group, in_groups, train_together
from sklearn_ae.training.collecting import Training
from sklearn_ae.training.threads import limited_threads

# As many jobs as joblib may ask for, so that it hands over all tasks at once.
MANY = 1000

# Bytes that may be taken by the data and the nets of trainings that wait.
BUDGET = 2**30


class _Job:
    """A task that is done when its result is asked for, with all others there are."""

    def __init__(
        self, backend: "TogetherBackend", task: Callable[[], Any], callback: Any
    ) -> None:
        self._backend = backend
        self.task, self.callback = task, callback
        self.is_done = False
        self.result: Any = None

    def get(self, timeout: float | None = None) -> Any:
        if not self.is_done:
            self._backend.run_pending()
        return self.result


class TogetherBackend(ParallelBackendBase):
    """Runs the tasks of a `joblib.Parallel` so that nets of one kind train at once.

    Parameters
    ----------
    n_jobs : int or None
        How many tasks may run at any time, in threads; as joblib takes it.

    verbose : int
        Whether to say what is trained together, and what is not and why.

    on_end : callable
        Called when the tasks of the `Parallel` are done.
    """

    uses_threads = True
    supports_sharedmem = True

    def __init__(
        self, n_jobs: int | None, verbose: int, on_end: Callable[[], None]
    ) -> None:
        super().__init__(nesting_level=0)
        n_jobs = 1 if n_jobs is None else n_jobs
        self._n_jobs = n_jobs if n_jobs > 0 else max(1, cpu_count() + 1 + n_jobs)
        self._verbose = verbose
        self._on_end = on_end
        self._pending: list[_Job] = []

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        return MANY

    def submit(self, func: Callable[[], Any], callback: Any = None) -> _Job:
        job = _Job(self, func, callback)
        self._pending.append(job)
        return job

    # What `submit` was called before joblib 1.5.
    apply_async = submit

    def terminate(self) -> None:
        self._pending.clear()
        self._on_end()

    def run_pending(self) -> None:
        """Do all tasks that have been submitted."""
        jobs, self._pending = self._pending, []
        # Tasks of scikit-learn set the filters and put them back, each in its thread.
        # And as joblib does for its own workers, the calls share the processors.
        n_threads = max(1, cpu_count() // self._n_jobs)
        with warnings.catch_warnings(), threadpool_limits(n_threads, user_api="blas"):
            calls = run_together(
                [job.task for job in jobs],
                self._train,
                n_jobs=self._n_jobs,
                size=_size,
                budget=BUDGET,
            )
        for job, call in zip(jobs, calls, strict=True):
            job.result, job.is_done = call.result, True
            for output in call.result:
                if isinstance(output, dict) and "fit_time" in output:
                    output["fit_time"] += call.shared - call.waited
            if job.callback is not None:
                job.callback(job.result)

    def _train(
        self, trainings: Sequence[Training]
    ) -> list[tuple[BaseException | None, float]]:
        outcomes: dict[int, tuple[BaseException | None, float]] = {}
        n_threads = torch.get_num_threads()
        groups = in_groups(trainings, n_threads)
        if self._verbose:
            self._report(groups)

        def train(group: Group, stop: threading.Event | None = None) -> None:
            start = perf_counter()
            errors = train_together([trainings[i] for i in group.members], stop)
            seconds = (perf_counter() - start) / len(group.members)
            for i in group.members:
                outcomes[i] = errors.get(trainings[i].net), seconds

        side_by_side = [group for group in groups if len(group.members) > 1]
        for group in groups:
            if group not in side_by_side:
                train(group)
        in_threads(train, side_by_side, n_threads)
        return [outcomes[i] for i in range(len(trainings))]

    @staticmethod
    def _report(groups: Sequence[Group]) -> None:
        alone = Counter(group.obstacle for group in groups if group.obstacle)
        for reason, n in alone.items():
            print(f"Training {n} networks one at a time: {reason}")
        for group in groups:
            if not group.obstacle:
                print(f"Training {len(group.members)} networks together")


def in_threads(
    train: Callable[[Group, threading.Event], None],
    groups: Sequence[Group],
    n_threads: int,
) -> None:
    """Train groups side by side, each in one thread, until an error or an interrupt.

    Better than all threads at one group, since they need not wait for each other after
    every operation.
    """
    stop = threading.Event()

    def train_in_one_thread(group: Group) -> None:
        with limited_threads(1):
            train(group, stop)

    with ThreadPoolExecutor(n_threads) as pool:
        futures = [pool.submit(train_in_one_thread, group) for group in groups]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _size(training: Training) -> int:
    """Bytes of a training: its data twice, since a fold is a copy, and its net."""
    numbers = sum(p.numel() for p in training.net.module_.parameters())
    tables = (training.train.X, training.train.target)
    data = sum(table.data.nbytes for table in tables if table is not None)
    # Weights, their gradients, two moments, and the best weights.
    return 2 * data + 5 * 4 * numbers
