"""Where a training is done: here and now, or by whoever collects those of a thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sklearn_ae.data.batches import ArrayDataset
from sklearn_ae.training.net import AutoencoderNet

_of_this_thread = threading.local()


class Training(NamedTuple):
    """A net, and what it is to be trained on for how long."""

    net: AutoencoderNet
    train: ArrayDataset
    valid: ArrayDataset | None
    n_epochs: int

    def do(self) -> None:
        self.net.train(self.train, self.valid, self.n_epochs)


def carry_out(training: Training) -> None:
    """See to it that a training is done when this returns."""
    getattr(_of_this_thread, "collector", Training.do)(training)


@contextmanager
def collecting(collector: Callable[[Training], None]) -> Iterator[None]:
    """Hand the trainings of this thread to `collector` instead of doing them."""
    _of_this_thread.collector = collector
    try:
        yield
    finally:
        del _of_this_thread.collector
