"""What scikit-learn's callbacks are told of a fit: its stages, and their epochs.

They are those of `sklearn.callback`, in scikit-learn 1.9 and later. The tree of tasks
is fit, stages, epochs; a stage that fits another estimator holds the tree of its fit.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn_ae._sklearn_compat import has_callbacks
from sklearn_ae.training.net import AutoencoderNet

# New nets use torch's global generator, and networks of a search train in threads.
_one_at_a_time = threading.Lock()


class FitEvents:
    """Tells the callbacks of an estimator of its fit.

    Parameters
    ----------
    estimator : estimator or None
        None tells nobody.
    n_stages : int or None
        Number of stages at most; None if it is not known.
    data : dict
        `X`, `y` and `metadata`, as the hooks of callbacks get them.
    """

    def __init__(
        self, estimator: Any, n_stages: int | None, data: dict[str, Any]
    ) -> None:
        self._estimator, self._data = estimator, data
        self._fit: Any = None
        self._stage: Any = None
        self.has_listeners = has_callbacks(estimator)
        if hasattr(estimator, "_init_callback_context"):
            self._fit = estimator._init_callback_context(max_subtasks=n_stages)
            self._fit.call_on_fit_task_begin(estimator=estimator, **data)

    def begin_stage(self, name: str, n_subtasks: int = 0) -> Any:
        """Go on to the next stage."""
        self._end_stage()
        if self._fit is not None:
            self._stage = self._fit.subcontext(name, max_subtasks=n_subtasks)
            self._stage.call_on_fit_task_begin(estimator=self._estimator, **self._data)
        return self._stage

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._stage.call_on_fit_task_end(estimator=self._estimator, **self._data)
            self._stage = None

    @contextmanager
    def fit_of(self, sub_estimator: Any, name: str) -> Iterator[None]:
        """The stage of fitting another estimator, which callbacks may follow."""
        if self._fit is None or not hasattr(sub_estimator, "set_callbacks"):
            self.begin_stage(name)
            yield
            return
        self._end_stage()
        stage = self._fit.subcontext(name)
        with stage.propagate_callback_context(sub_estimator):
            # Callbacks that follow the other estimator hear of the task by it.
            stage.call_on_fit_task_begin(estimator=self._estimator, **self._data)
            yield
        stage.call_on_fit_task_end(estimator=self._estimator, **self._data)

    def epochs(self, net: AutoencoderNet, n_epochs: int) -> "EpochEvents | None":
        """The stage of training a net."""
        stage = self.begin_stage("training", n_epochs)
        if stage is None or not self.has_listeners:
            return None
        return EpochEvents(self._estimator, stage, net, self._data)

    def end(self, net: AutoencoderNet | None) -> None:
        """The fit has ended, with this net if the estimator has one."""
        self._end_stage()

        def attributes() -> dict[str, Any]:
            return {} if net is None else _fitted_with(self._estimator, net)

        if self._fit is not None:
            self._fit.call_on_fit_task_end(
                estimator=self._estimator,
                **self._data,
                reconstruction_attributes=attributes,
            )


NO_EVENTS = FitEvents(None, None, {})


class EpochEvents:
    """Tells the callbacks of an estimator of the epochs of a training."""

    def __init__(
        self, estimator: Any, stage: Any, net: AutoencoderNet, data: dict[str, Any]
    ) -> None:
        self._estimator, self._stage, self._net = estimator, stage, net
        self._data = data
        self._epoch: Any = None

    def begin_epoch(self) -> None:
        """An epoch begins."""
        self._epoch = self._stage.subcontext("epoch")
        self._epoch.call_on_fit_task_begin(
            estimator=self._estimator,
            **self._data,
            reconstruction_attributes=self._attributes,
        )

    def end_epoch(self) -> bool:
        """An epoch has ended; whether a callback asks for the end of training."""
        return self._epoch.call_on_fit_task_end(
            estimator=self._estimator,
            **self._data,
            reconstruction_attributes=self._attributes,
        )

    def _attributes(self) -> dict[str, Any]:
        return _fitted_with(self._estimator, self._net)


def callback_data(X: Any, y: Any, X_target: Any, sample_weight: Any) -> dict[str, Any]:
    """The data of an autoencoder's fit, as callbacks get them; `y` are its targets."""
    given = {"sample_weight": sample_weight, "X_target": X_target}
    metadata = {name: value for name, value in given.items() if value is not None}
    if y is None:
        y = X if X_target is None else X_target
    return {"X": X, "y": y, "metadata": metadata or None}


def _fitted_with(estimator: Any, net: AutoencoderNet) -> dict[str, Any]:
    """What makes a copy of the estimator a fitted one, with the net as it is now."""
    with _one_at_a_time:
        own = estimator._make_net(listens=False)
    own.module_.load_state_dict(net.module_.state_dict())
    return {"net_": own}
