"""Early stopping that keeps the best weights in memory."""

import numpy as np
from skorch.callbacks import Callback


class StopTraining(Exception):
    """Ends the training loop early; whoever called it goes on."""


class BestWeights(Callback):
    """Keep the weights with the lowest validation loss, the untrained ones included.

    Training stops after ``net.patience`` epochs in a row without an improvement, that
    is, without a loss that falls below the lowest so far by the share ``net.tol`` of
    it. Relative, since losses come in the units of the data.
    """

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.weights_ = None
        self.best_loss_ = np.inf
        self.waited_ = 0
        if net.validation_iterator_ is not None:
            self._consider(net, net.evaluate(net.validation_iterator_)["loss"])

    def on_epoch_end(self, net, **kwargs):
        if net.validation_iterator_ is None:
            return
        loss = net.history[-1]["valid_loss"]
        improved = loss < self.best_loss_ - net.tol * abs(self.best_loss_)
        self.waited_ = 0 if improved else self.waited_ + 1
        self._consider(net, loss)
        if self.waited_ >= net.patience:
            raise StopTraining

    def _consider(self, net, loss: float) -> None:
        if loss < self.best_loss_:
            self.best_loss_ = loss
            state = net.module_.state_dict()
            self.weights_ = {name: tensor.clone() for name, tensor in state.items()}

    def on_train_end(self, net, **kwargs):
        if self.weights_ is not None:
            net.module_.load_state_dict(self.weights_)
            self.weights_ = None
