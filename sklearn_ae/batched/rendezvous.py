"""Calls that run as they are written, but whose trainings are done together."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from sklearn_ae.training.collecting import Training, collecting

_of_this_thread = threading.local()


class Abandoned(BaseException):
    """Ends a call that waits where another one has failed."""


class Call:
    """A call in a thread of its own, which stops wherever it has something to train.

    Parameters
    ----------
    function : callable
        What is called, without arguments.

    stopped : callable
        Is called with the call whenever it has stopped, at a training or for good.

    Attributes
    ----------
    training : Training or None
        What the call waits for.
    result, error
        What came out of it.
    n_trainings : int
        How many trainings it has come to so far.
    waited, shared : float
        Seconds that it stood still, and its share of those in which it was trained.
    """

    def __init__(
        self, function: Callable[[], Any], stopped: Callable[["Call"], None]
    ) -> None:
        self._function, self._stopped = function, stopped
        self._go_on = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._raised: BaseException | None = None
        self.training: Training | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.n_trainings = 0
        self.waited = self.shared = 0.0

    def run(self) -> None:
        """Begin, or go on after a training."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, daemon=True)
            self._thread.start()
        else:
            self._go_on.release()

    def trained(self, error: BaseException | None, seconds: float) -> None:
        """Note the outcome of the training, an error to be raised where it waits."""
        self.training, self._raised = None, error
        self.shared += seconds

    def _main(self) -> None:
        _of_this_thread.call = self
        try:
            with collecting(self._stop_at):
                self.result = self._function()
        except BaseException as error:
            self.error = error
        self._stopped(self)

    def _stop_at(self, training: Training) -> None:
        start = time.perf_counter()
        self.n_trainings += 1
        self.training = training
        self._stopped(self)
        self._go_on.acquire()
        self.waited += time.perf_counter() - start
        error, self._raised = self._raised, None
        if error is not None:
            raise error


def current_call() -> Call | None:
    """The call of this thread, if it is one of a rendezvous."""
    return getattr(_of_this_thread, "call", None)


def run_together(
    functions: Sequence[Callable[[], Any]],
    train: Callable[[Sequence[Training]], Sequence[tuple[BaseException | None, float]]],
    *,
    n_jobs: int,
    size: Callable[[Training], int],
    budget: int,
) -> list[Call]:
    """Call functions side by side, and do together what they have to train.

    Parameters
    ----------
    functions : sequence of callable
        Called without arguments, at most `n_jobs` of them running at any time.

    train : callable
        Does trainings; gives for each an error or None, and its share of the seconds.

    size, budget : callable, int
        How many bytes a training needs. No further call begins while those that wait
        need more than the budget.

    Returns
    -------
    calls : list of Call
        All of them done. An error in one of them is raised once all have ended.
    """
    stopped: queue.SimpleQueue[Call] = queue.SimpleQueue()
    calls = [Call(function, stopped.put) for function in functions]
    to_begin, to_go_on = deque(calls), deque[Call]()
    waiting: list[Call] = []
    n_running = 0
    try:
        while True:
            while n_running < n_jobs:
                if to_go_on:
                    call = to_go_on.popleft()
                elif to_begin and _needed(waiting, size) <= budget:
                    call = to_begin.popleft()
                else:
                    break
                n_running += 1
                call.run()
            if n_running == 0:
                if not waiting:
                    return calls
                outcomes = train([call.training for call in waiting if call.training])
                for call, outcome in zip(waiting, outcomes, strict=True):
                    call.trained(*outcome)
                to_go_on.extend(waiting)
                waiting.clear()
                continue
            call = stopped.get()
            n_running -= 1
            if call.training is not None:
                waiting.append(call)
            elif call.error is not None:
                raise call.error
    except BaseException as error:
        _end(n_running, [*waiting, *to_go_on], stopped, error)
        raise


def _needed(waiting: Sequence[Call], size: Callable[[Training], int]) -> int:
    return sum(size(call.training) for call in waiting if call.training is not None)


def _end(
    n_running: int,
    waiting: Sequence[Call],
    stopped: "queue.SimpleQueue[Call]",
    error: BaseException,
) -> None:
    """End calls that have begun, wherever they are."""
    interrupt = error if isinstance(error, KeyboardInterrupt) else Abandoned()
    for call in waiting:
        call.trained(interrupt, 0.0)
        call.run()
    n_running += len(waiting)
    while n_running:
        call = stopped.get()
        if call.training is None:
            n_running -= 1
        else:
            call.trained(interrupt, 0.0)
            call.run()
