"""Fits that run side by side, each in a thread, and train their networks together.

Python raises the exception of a signal, such as `KeyboardInterrupt`, in the main
thread, between any two of its instructions, and no bookkeeping survives that. So the
calling thread only waits here. Fits, bookkeeping and training have threads of their
own, which an interrupt reaches as a flag that they look at.
"""

import _thread
import queue
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from joblib import cpu_count

from sklearn_ae.batched.cancellation import Cancellation
from sklearn_ae.batched.groups import TimedOutcome, train_all
from sklearn_ae.data.ranks import current_ranks
from sklearn_ae.training.hardware import limited_threads
from sklearn_ae.training.loop import Outcome, Training, trained_by
from sklearn_ae.training.recording import current_recorder, recorded_by

# Bytes that the data and the networks of waiting fits may take.
MEMORY_BUDGET = 2**30

# Seconds after which the waiting thread looks by itself. It is woken up earlier, unless
# an interrupt got in between.
LONGEST_WAIT = 0.1

_of_this_thread = threading.local()


class Fit(NamedTuple):
    """Result of a function.

    Attributes
    ----------
    result : object
        What it returned.
    waited : float
        Seconds that it waited for its trainings, those of other fits included.
    trained : float
        Seconds of training: its share where networks trained together.
    was_stacked : bool
        Whether a network of it trained together with others.
    """

    result: Any
    waited: float
    trained: float
    was_stacked: bool


class _FitThread(threading.Thread):
    """Runs a function, and stops wherever it has a network to train."""

    def __init__(
        self,
        function: Callable[[], Any],
        stopped: "queue.SimpleQueue[_FitThread]",
        cancellation: Cancellation,
    ) -> None:
        super().__init__(name="sklearn_ae-fit", daemon=True)
        self._function, self._cancellation = function, cancellation
        self._stopped = stopped
        # That of the caller, if the functions are parts of one fit.
        self._recorder = current_recorder()
        self._may_go_on = threading.Semaphore(0)
        self._outcomes: list[Outcome] = []
        self.trainings: Sequence[Training] = ()
        self.has_trained = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.waited = self.trained = 0.0
        self.was_stacked = False

    def run(self) -> None:
        _of_this_thread.fit = self
        try:
            with trained_by(self._wait_for), recorded_by(self._recorder):
                self.result = self._function()
        except BaseException as error:
            self.error = error
        self._stopped.put(self)

    def _wait_for(self, trainings: Sequence[Training]) -> list[Outcome]:
        start = time.perf_counter()
        self.has_trained = True
        self._cancellation.check()
        self.trainings = trainings
        self._stopped.put(self)
        self._may_go_on.acquire()
        self.waited += time.perf_counter() - start
        self._cancellation.check()
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def note(self, outcomes: Sequence[TimedOutcome]) -> None:
        """Take the outcomes of the trainings."""
        self.trainings, self._outcomes = (), [timed.outcome for timed in outcomes]
        self.trained += sum(timed.seconds for timed in outcomes)
        self.was_stacked |= any(timed.was_stacked for timed in outcomes)

    def go_on(self) -> None:
        """Start, or go on after a training."""
        if self.ident is None:
            self.start()
        else:
            self._may_go_on.release()

    def end(self) -> None:
        """Wait until the thread is gone; it must have been cancelled."""
        if self.ident is not None:
            # Remembered if the thread does not wait yet, and harmless if it never will.
            self._may_go_on.release()
            self.join()


def is_before_training() -> bool:
    """Whether this thread runs a fit that has not come to a training yet."""
    fit: _FitThread | None = getattr(_of_this_thread, "fit", None)
    return fit is not None and not fit.has_trained


class _Coordinator(threading.Thread):
    """Starts fits, trains what they wait for, and ends them all if one fails."""

    def __init__(
        self,
        functions: Sequence[Callable[[], Any]],
        n_jobs: int,
        verbose: int,
        cancellation: Cancellation,
    ) -> None:
        super().__init__(name="sklearn_ae-coordinator", daemon=True)
        self._cancellation = cancellation
        self._n_jobs, self._verbose = n_jobs, verbose
        # Limits of the number of threads hold in the thread that sets them.
        self._n_threads = torch.get_num_threads()
        self._stopped: queue.SimpleQueue[_FitThread] = queue.SimpleQueue()
        self.fits = [_FitThread(f, self._stopped, cancellation) for f in functions]
        self.error: BaseException | None = None
        self._decided: dict[str, bool] = {}
        self._has_ended = False
        # Held until the end. Of threading's classes only locks are safe in a thread
        # that may be interrupted: the others keep their state in Python.
        self._running = threading.Lock()
        self._running.acquire()

    # -- in the thread that calls: an interrupt may strike anywhere here -----------

    def begin(self) -> None:
        # `Thread.start` leaves half a thread behind if an interrupt strikes in it. So
        # another thread calls it; to start that one is a single instruction.
        _thread.start_new_thread(self._start_unless_abandoned, ())

    def wait(self) -> None:
        """Wait until nothing runs any more."""
        while not self._has_ended:
            self._running.acquire(timeout=LONGEST_WAIT)
        if self.ident is not None:
            self.join()

    def cancel(self) -> None:
        """Have everything end after its present step, and wait for that."""
        self._cancellation.requested = True
        # Whoever asks first decides; to ask again gives the same answer.
        if self._decided.setdefault("start", False):
            self.wait()

    # -- in a thread of its own ----------------------------------------------------

    def _start_unless_abandoned(self) -> None:
        if not self._decided.setdefault("start", True):
            return
        try:
            self.start()
        except BaseException as error:
            self.error = error
            self._has_ended = True

    def run(self) -> None:
        # Tasks of scikit-learn set the warning filters and put them back, each in its
        # thread. And as joblib does for its workers, the fits share the processors.
        n_blas = max(1, cpu_count() // self._n_jobs)
        try:
            with (
                warnings.catch_warnings(),
                limited_threads(n_blas, "blas"),
                limited_threads(self._n_threads),
            ):
                self._run_fits()
        except BaseException as error:
            self.error = error
        self._has_ended = True
        self._running.release()

    def _run_fits(self) -> None:
        to_start, to_go_on = deque(self.fits), deque[_FitThread]()
        waiting: list[_FitThread] = []
        n_running = n_bytes = 0
        try:
            while True:
                self._cancellation.check()
                while n_running < self._n_jobs:
                    if to_go_on:
                        fit = to_go_on.popleft()
                    elif to_start and n_bytes <= MEMORY_BUDGET:
                        fit = to_start.popleft()
                    else:
                        break
                    n_running += 1
                    fit.go_on()
                if n_running:
                    fit = self._stopped.get()
                    n_running -= 1
                    if fit.error is not None:
                        raise fit.error
                    if fit.trainings:
                        waiting.append(fit)
                        n_bytes += sum(map(_bytes_of, fit.trainings))
                elif waiting:
                    self._train(waiting)
                    to_go_on.extend(waiting)
                    waiting.clear()
                    n_bytes = 0
                else:
                    return
        finally:
            self._cancellation.requested = True
            for fit in self.fits:
                fit.end()

    def _train(self, waiting: Sequence[_FitThread]) -> None:
        trainings = [training for fit in waiting for training in fit.trainings]
        outcomes = iter(
            train_all(trainings, self._n_threads, self._verbose, self._cancellation)
        )
        for fit in waiting:
            fit.note([next(outcomes) for _ in fit.trainings])


def run_together(
    functions: Sequence[Callable[[], Any]], *, n_jobs: int, verbose: int = 0
) -> list[Fit]:
    """Call functions side by side, and train at once what they have to train.

    Parameters
    ----------
    functions : sequence of callable
        Called without arguments, each in a thread.

    n_jobs : int
        How many of them run at any time, those that wait for a training aside.

    verbose : int
        Above 0, print which networks train together, and which do not and why.

    Returns
    -------
    fits : list of Fit
        In the order of the functions.

    Raises
    ------
    ValueError
        If several ranks train together.

    BaseException
        What a function raised, or what was raised here while waiting, such as
        `KeyboardInterrupt`. The others have ended by then, each after its present step.
        A second interrupt does not wait for them; they end all the same.
    """
    if current_ranks() is not None:
        raise ValueError(
            "Fits cannot be trained side by side by several ranks, which train one "
            "model together. Search in a process in which torch.distributed is not "
            "initialised."
        )
    coordinator = _Coordinator(functions, n_jobs, verbose, Cancellation())
    try:
        coordinator.begin()
        coordinator.wait()
    except BaseException:
        coordinator.cancel()
        raise
    error, coordinator.error = coordinator.error, None
    if error is not None:
        raise error
    return [
        Fit(fit.result, fit.waited, fit.trained, fit.was_stacked)
        for fit in coordinator.fits
    ]


def _bytes_of(training: Training) -> int:
    """Bytes of a training: its data twice, since a fold is a copy, and its network."""
    n_parameters = sum(p.numel() for p in training.net.module_.parameters())
    tables = (training.train.X, training.train.target)
    data = sum(table.data.nbytes for table in tables if table is not None)
    # Weights, their gradients, two moments, and the best weights.
    return 2 * data + 5 * 4 * n_parameters
