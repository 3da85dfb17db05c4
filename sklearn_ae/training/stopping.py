"""Early stopping that keeps the best weights in memory."""

from typing import Any

import numpy as np
from scipy.stats import wilcoxon
from skorch.callbacks import Callback


class BestWeights(Callback):
    """Keep the weights with the lowest validation loss, the untrained ones included.

    Training stops after ``net.patience`` epochs in a row without an improvement, that
    is, without a loss that falls below the lowest so far by the share ``net.tol`` of
    it. Relative, since losses come in the units of the data.

    The lowest of many noisy losses is too low by chance. Where the untrained weights
    are a good model already, ``net.guards_start`` keeps them unless the trained ones
    beat them for certain; see `is_certain_gain`.
    """

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kw: Any) -> None:
        self.best_weights_: dict[str, Any] | None = None
        self.best_loss_ = np.inf
        self.kept_first_ = False
        self.waited_ = 0
        if net.validation_iterator_ is not None:
            self._consider(net, net.evaluate(net.validation_iterator_)["loss"])
            self.first_loss_, self.first_weights_ = self.best_loss_, self.best_weights_

    def on_epoch_end(self, net: Any, **kw: Any) -> None:
        if net.validation_iterator_ is None:
            return
        loss = net.history[-1]["valid_loss"]
        improved = loss < self.best_loss_ - net.tol * abs(self.best_loss_)
        self.waited_ = 0 if improved else self.waited_ + 1
        self._consider(net, loss)
        if self.waited_ >= net.patience:
            net.stop_ = True

    def _consider(self, net: Any, loss: float) -> None:
        if loss < self.best_loss_:
            self.best_loss_ = loss
            state = net.module_.state_dict()
            self.best_weights_ = {name: w.clone() for name, w in state.items()}

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kw: Any) -> None:
        if self.best_weights_ is None:
            return
        if self.best_weights_ is not self.first_weights_ and net.guards_start:
            self._guard_start(net)
        net.module_.load_state_dict(self.best_weights_)
        self.kept_first_ = self.best_weights_ is self.first_weights_
        self.best_weights_ = self.first_weights_ = None

    def _guard_start(self, net: Any) -> None:
        rows = []
        for weights in (self.first_weights_, self.best_weights_):
            net.module_.load_state_dict(weights)
            rows.append(net.row_losses(net.validation_iterator_))
        gain = self.first_loss_ - self.best_loss_
        if not is_certain_gain(gain, rows[0] - rows[1]):
            self.best_weights_ = self.first_weights_
            self.best_loss_ = self.first_loss_


def is_certain_gain(gain: float, row_gains: np.ndarray) -> bool:
    """Whether a gain is more than chance, judged by the gains of the single rows.

    It is if it exceeds two standard errors or, since a few rows may dominate these,
    if Wilcoxon's signed-rank test finds a gain at ``p < 0.005`` (one-sided). Of the
    thresholds tried these gained most while losing to PCA on none of scikit-learn's
    tables.
    """
    # One row has no standard error, and proves nothing.
    if gain <= 0 or len(row_gains) < 2:
        return False
    error = row_gains.std(ddof=1) / np.sqrt(len(row_gains))
    if gain > 2 * error:
        return True
    return bool(wilcoxon(row_gains, alternative="greater").pvalue < 0.005)
