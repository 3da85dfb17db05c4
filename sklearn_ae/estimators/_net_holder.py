"""What every estimator does that holds a trained net: keep it, copy it, pickle it."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from sklearn_ae.networks.standardized import Standardized
from sklearn_ae.training import defaults
from sklearn_ae.data.batches import ArrayDataset
from sklearn_ae.training.collecting import Training, carry_out
from sklearn_ae.training.devices import is_available
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.persistence.recipe import Recipe
from sklearn_ae.persistence.state import dump_state, load_state


class NetHolder:
    """An estimator with a `net_`, made by `_recipe`, and a `module_` around its module.

    Besides it needs the parameters that say how to train, `device_`, and
    `_code_scale`, by which codes are divided on the network's side.
    """

    @contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        """Give the estimator back as it was where the block fails."""
        before = dict(vars(self))
        state = dump_state(self.net_) if hasattr(self, "net_") else None
        try:
            yield
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            if state is not None:
                load_state(self.net_, state)
            raise

    def _n_epochs(self, n_rows: int) -> int:
        if self.max_epochs != "auto":
            return self.max_epochs
        return defaults.max_epochs(n_rows)

    def _training_settings(self, n_rows: int) -> dict[str, Any]:
        """The part of a recipe that says how to train on so many rows."""
        rate, batch_size = self.learning_rate, self.batch_size
        patience = self.n_iter_no_change
        random_state = self.random_state
        if random_state is None:
            # Not numpy's global generator, which is to stay as it is.
            random_state = np.random.RandomState()
        return {
            "optimizer": self.optimizer,
            "optimizer_params": self.optimizer_params,
            "learning_rate": None if rate == "auto" else float(rate),
            "batch_size": (
                defaults.batch_size(n_rows) if batch_size == "auto" else batch_size
            ),
            "schedule": self.learning_rate_schedule,
            "patience": self._n_epochs(n_rows) if patience == "auto" else patience,
            "tol": float(self.tol),
            "seed": int(check_random_state(random_state).randint(2**31 - 1)),
        }

    def _make_net(self) -> AutoencoderNet:
        return self._recipe.make_net(
            callbacks=self.callbacks, device=self.device_, verbose=self.verbose
        )

    def _dataset(self, data: Any, rows: np.ndarray) -> ArrayDataset:
        """Some rows of what has `X`, `target` and `weight`."""
        return ArrayDataset(
            data.X,
            rows,
            standardize=self._recipe.standardize,
            standardize_target=self._recipe.standardize_target,
            target=data.target,
            weight=data.weight,
            device=self.device_,
        )

    @staticmethod
    def _interrupt_of(train: Callable[..., Any], *args: Any) -> BaseException | None:
        """Train; an interrupt is returned, to be raised once the rest is in order."""
        try:
            train(*args)
        except KeyboardInterrupt as interrupt:
            return interrupt
        return None

    def _train(self, *training: Any) -> BaseException | None:
        """Do a `Training`, if need be together with others."""
        return self._interrupt_of(carry_out, Training(*training))

    def _hold(self, net: AutoencoderNet) -> None:
        """Set the fitted attributes that tell of a net and of its training."""
        self.history_ = _columns(net.history)
        self.n_iter_ = len(net.history)
        self.loss_curve_ = self.history_.get("train_loss", np.empty(0))
        self.validation_loss_curve_ = self.history_.get("valid_loss")
        self.best_loss_ = net.best_loss_
        self._set_net(net)

    def _set_net(self, net: AutoencoderNet) -> None:
        standardize = self._recipe.standardize
        standardize_target = self._recipe.standardize_target
        self.net_ = net
        self.module_ = Standardized(
            net.module_,
            input_mean=torch.from_numpy(standardize.mean),
            output_mean=torch.from_numpy(standardize_target.mean),
            input_scale=standardize.scale,
            output_scale=standardize_target.scale,
            code_scale=self._code_scale,
        )
        self.module_.to(self.device_).eval()

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__().copy()
        net = state.pop("net_", None)
        state.pop("module_", None)
        if net is not None:
            state["_recipe"] = self._recipe.to_plain()
            state["_net_state"] = dump_state(net)
            state["_sklearn_ae_version"] = _package_version()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = state.copy()
        net_state = state.pop("_net_state", None)
        version = state.pop("_sklearn_ae_version", None)
        super().__setstate__(state)
        if net_state is None:
            return
        if version != _package_version():
            warnings.warn(
                f"This {type(self).__name__} was saved by sklearn_ae {version} and is "
                f"loaded by {_package_version()}: results may differ.",
                UserWarning,
                stacklevel=2,
            )
        if not is_available(self.device_):
            self.device_ = "cpu"
        self._recipe = Recipe.from_plain(self._recipe)
        net = self._make_net()
        load_state(net, net_state)
        self._set_net(net)


def _package_version() -> str:
    # Late, since the package imports this module first.
    from sklearn_ae import __version__

    return __version__


def _columns(history) -> dict[str, np.ndarray]:
    """The history as a table: one array a column, one entry an epoch."""
    names = dict.fromkeys(name for row in history for name in row)
    return {
        name: np.array([row.get(name, np.nan) for row in history])
        for name in names
        # Only skorch's own bookkeeping.
        if name != "batches" and not name.endswith("_best")
    }
