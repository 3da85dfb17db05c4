"""One progress bar for the whole training."""

from typing import Any

from skorch.callbacks import Callback
from tqdm.auto import tqdm


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
