"""Telling the user's interrupts from callbacks that ask for the end of training."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class CallbackStop(KeyboardInterrupt):
    """A callback has raised `KeyboardInterrupt`, skorch's way to stop training."""


class Interrupts:
    """Whether a SIGINT has interrupted since training began."""

    received = False

    def of_user(self, error: KeyboardInterrupt) -> BaseException | None:
        """The interrupt, unless it is a callback's wish to stop."""
        if isinstance(error, CallbackStop):
            return error.__cause__ if self.received else None
        return error


@contextmanager
def watched_interrupts() -> Iterator[Interrupts]:
    """Note every SIGINT that interrupts, and handle it as before.

    Python delivers signals to the main thread only. Where another handler than a
    function of Python is in place, for instance one that ignores the signal, there is
    nothing to watch.
    """
    interrupts = Interrupts()
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler: Any = signal.getsignal(signal.SIGINT) if in_main_thread else None
    if not callable(handler):
        yield interrupts
        return
    handle: Callable[[int, FrameType | None], Any] = handler

    def note(signum: int, frame: FrameType | None) -> Any:
        try:
            return handle(signum, frame)
        except KeyboardInterrupt:
            interrupts.received = True
            raise

    try:
        signal.signal(signal.SIGINT, note)
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, handler)
