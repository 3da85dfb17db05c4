"""What a training shows: a progress bar, or a table with one line per epoch."""

from collections.abc import Sequence
from typing import Any

import skorch.callbacks
from skorch.callbacks import Callback, PrintLog
from tqdm.auto import tqdm

from sklearn_ae.data.ranks import rank_number


class ProgressBar(Callback):
    """Shows the epoch and the latest losses while a net trains."""

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kw: Any) -> None:
        self.bar_ = tqdm(total=net.max_epochs, unit="epoch", desc="fit")

    def on_epoch_end(self, net: Any, **kw: Any) -> None:
        row = net.history[-1]
        losses = {k: f"{v:.4g}" for k, v in row.items() if k.endswith("_loss")}
        self.bar_.set_postfix(losses, refresh=False)
        self.bar_.update()

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kw: Any) -> None:
        self.bar_.close()


def progress_callbacks(
    verbose: int, callbacks: Sequence[Any] | None
) -> list[tuple[str, Callback]]:
    """The callback that shows the progress of a training, if any.

    None if the user has passed a table or a bar, whose lines it would break up. Of the
    ranks that train together, only the first shows it.
    """
    has_own = _contains(callbacks, (PrintLog, skorch.callbacks.ProgressBar))
    if not verbose or has_own or rank_number() > 0:
        return []
    if verbose == 1:
        return [("progress", ProgressBar())]
    return [("print_log", PrintLog())]


def audible(verbose: int, callbacks: Sequence[Any] | None) -> int:
    """The `verbose` of a net: a `PrintLog` prints nothing if it is 0."""
    return max(int(verbose), 1) if _contains(callbacks, PrintLog) else verbose


def _contains(callbacks: Sequence[Any] | None, kinds: Any) -> bool:
    """Whether one of the callbacks, instances or classes, is of some kind."""
    for given in callbacks or ():
        callback = given[-1] if isinstance(given, tuple | list) else given
        kind = callback if isinstance(callback, type) else type(callback)
        if issubclass(kind, kinds):
            return True
    return False
