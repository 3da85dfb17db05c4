"""Estimators that hold a trained net: fitted attributes, codes, errors, pickles."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._ambient import default_modes
from sklearn_ae._failures import network_failures_named
from sklearn_ae._sklearn_compat import (
    CallbackSupportMixin,
    callback_state,
    tells_callbacks,
)
from sklearn_ae.data.batches import ArrayDataset
from sklearn_ae.data.inference import module_outputs
from sklearn_ae.estimators._gaps import takes_gaps
from sklearn_ae.estimators._validation import least_on_rank, validate_table
from sklearn_ae.networks.contract import offers
from sklearn_ae.objectives.objective import MEMORY
from sklearn_ae.persistence.checks import check_shape, loading, versions
from sklearn_ae.persistence.recipe import Recipe
from sklearn_ae.persistence.state import check_state, dump_state, load_state
from sklearn_ae.training.hardware import is_available
from sklearn_ae.training.loop import TrainingResult
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.settings import OPTIMIZERS, TrainingSettings


def _encode(module, x):
    return module.encode(x)


def _hidden(module, x):
    return torch.cat(module.hidden_activations(x), dim=1)


def _columns(history: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """A column for each name in the rows of a history, but for skorch's bookkeeping."""
    names = dict.fromkeys(name for row in history for name in row)
    return {
        name: np.array([row.get(name, np.nan) for row in history])
        for name in names
        if name != "batches" and not name.endswith("_best")
    }


def _appended(
    first: dict[str, np.ndarray], second: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Columns one below the other, with NaN where a part has no such column."""
    if not second:
        # No rows, as after an epoch that was broken off.
        return first
    n_first, n_second = (len(part["epoch"]) for part in (first, second))
    return {
        name: np.append(
            first.get(name, np.full(n_first, np.nan)),
            second.get(name, np.full(n_second, np.nan)),
        )
        for name in first | second
    }


class TrainedNetMixin(
    CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
):
    """An estimator with a `net_`, built from `_recipe`, and its module as `module_`.

    It needs `device_`, `n_components_`, `_n_outputs` and the training parameters as
    well.
    """

    @contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        """Restore the estimator if the block fails."""
        before = dict(vars(self))
        net = getattr(self, "net_", None)
        if net is not None:
            state, listeners = dump_state(net), (net.callbacks, net.verbose)
            rate = net.lr
        try:
            with network_failures_named():
                yield
        except BaseException:
            before |= callback_state(self)
            vars(self).clear()
            vars(self).update(before)
            if net is not None:
                load_state(net, state)
                net.lr = rate
                net.set_listeners(*listeners)
            raise

    def _make_net(
        self, listens: bool = True, settings: TrainingSettings | None = None
    ) -> AutoencoderNet:
        """An initialised, untrained net, with the user's callbacks if it listens.

        Settings other than those of the recipe are for trainings on the way only.
        """
        recipe = self._recipe
        settings = recipe.settings if settings is None else settings
        optimizer = settings.optimizer
        if isinstance(optimizer, str):
            optimizer, _, _ = OPTIMIZERS[optimizer]
        params = {
            **{f"module__{key}": value for key, value in recipe.module_params.items()},
            **{f"criterion__{key}": v for key, v in recipe.objective_params.items()},
            **{f"optimizer__{key}": v for key, v in settings.optimizer_params.items()},
        }
        net = AutoencoderNet(
            recipe.module,
            recipe.objective,
            criterion__loss=recipe.loss,
            criterion__penalties=recipe.penalties,
            criterion__n_components=recipe.module_params["n_components"],
            criterion__has_gaps=recipe.gaps is not None,
            criterion__memory=0.0 if settings.is_full_batch else MEMORY,
            optimizer=optimizer,
            lr=settings.learning_rate,
            batch_size=settings.batch_size,
            max_epochs=settings.max_epochs,
            corruption=recipe.corruption,
            gaps=recipe.gaps,
            standardize=recipe.standardize,
            standardize_target=recipe.standardize_target,
            seed=settings.seed,
            callbacks=self.callbacks if listens else None,
            device=self.device_,
            verbose=self.verbose if listens else 0,
            **params,
        )
        return net.initialize()

    def _dataset(self, data: Any, rows: np.ndarray) -> ArrayDataset:
        """The given rows of data with attributes `X`, `target` and `weight`."""
        return ArrayDataset(
            data.X,
            rows,
            standardize=self._recipe.standardize,
            standardize_target=self._recipe.standardize_target,
            target=data.target,
            weight=data.weight,
            completed=getattr(data, "completed", None),
            device=self.device_,
        )

    def _set_trained(
        self, net: AutoencoderNet, result: TrainingResult, n_known: int = 0
    ) -> None:
        """Set the fitted attributes that describe a net and its training.

        The first `n_known` epochs are in `history_` already; in a stack, after those of
        its layers.
        """
        if n_known and len(self.history_.get("epoch", ())) == n_known:
            new = _columns(list(net.history)[n_known:])
            self.history_ = _appended(self.history_, new)
        else:
            self.history_ = _columns(list(net.history))
        self.n_iter_ = len(net.history)
        self.loss_curve_ = self.history_.get("train_loss", np.empty(0))
        self.validation_loss_curve_ = self.history_.get("valid_loss")
        self.best_loss_ = result.best_loss
        self.net_ = net

    @property
    def module_(self) -> Any:
        """The network in the units of the data."""
        return self.net_.in_data_units()

    # -- codes -----------------------------------------------------------------------

    def transform(self, X) -> np.ndarray:
        """Encode `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to encode.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            The codes, in the precision of `X`.
        """
        X = self._validate_inference_data(X)
        return self._infer(X, _encode, self.n_components_)

    def hidden_activations(self, X) -> list[np.ndarray]:
        """Compute the activations of the hidden layers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to encode and, if there is a decoder, to decode.

        Returns
        -------
        activations : list of ndarray of shape (n_samples, n_units)
            One array per hidden layer, from the input to the output, in the precision
            of `X`. The layers of the encoder come first; the code is not among them.
            Feature maps of convolutions are flattened.
        """
        X = self._validate_inference_data(X)
        module = self.module_
        if offers(module.network).encoder_activations is None:
            raise ValueError(
                f"{type(module.network).__name__} does not give the activations of its "
                "hidden layers. It needs the method encoder_activations; see "
                "sklearn_ae.networks.Network."
            )
        with network_failures_named(), default_modes(), torch.no_grad():
            row = torch.zeros(1, X.shape[1], dtype=torch.float32, device=self.device_)
            widths = [layer.shape[1] for layer in module.hidden_activations(row)]
        if not widths:
            return []
        n_columns = sum(widths)
        table = self._infer(X, _hidden, n_columns, width=n_columns)
        return np.split(table, np.cumsum(widths)[:-1], axis=1)

    def _validate_inference_data(self, X):
        check_is_fitted(self)
        # A rank may have no rows.
        checks = {"ensure_min_samples": least_on_rank(1)}
        if self._recipe.gaps is None:
            # Whatever `missing_values` has become since the fit.
            checks["ensure_all_finite"] = True
        return validate_table(self, X, reset=False, **checks)

    def _infer(
        self,
        X,
        apply,
        n_columns: int | None,
        *,
        width: int = 1,
        doubles: bool = False,
    ) -> np.ndarray:
        """``apply(module_, rows)`` for all rows. None means a result of shape (n,)."""
        shape = (X.shape[0],) if n_columns is None else (X.shape[0], n_columns)
        result = np.empty(shape, dtype=np.float64 if doubles else X.dtype)
        outputs = module_outputs(
            self.module_, apply, X, self.device_, width=width, doubles=doubles
        )
        for where, _, output in outputs:
            result[where] = output
        return result

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = takes_gaps(self)
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # -- pickles ---------------------------------------------------------------------

    def __copy__(self) -> Any:
        copied = type(self).__new__(type(self))
        if tells_callbacks(self):
            # In the middle of a fit, for a callback that wants a fitted estimator.
            vars(copied).update(vars(self))
        else:
            copied.__setstate__(self.__getstate__())
        return copied

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__().copy()
        net = state.pop("net_", None)
        if net is not None:
            state["_recipe"] = self._recipe.to_plain()
            state["_net_state"] = dump_state(net)
            state |= versions()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        with loading(self, state) as (state, has_versions):
            net_state = state.pop("_net_state", None)
            super().__setstate__(state)
            if not has_versions and net_state is None and "_recipe" not in state:
                return
            if net_state is None:
                raise ValueError("it has no _net_state")
            for name in self._needed_in_files():
                getattr(self, name)
            if not is_available(self.device_):
                self.device_ = "cpu"
            self._recipe = Recipe.from_plain(self._recipe)
            for name, array, shape in self._arrays_in_files():
                check_shape(name, array, shape)
            with default_modes():
                net = self._make_net()
                check_state(net, net_state)
                load_state(net, net_state)
            self.net_ = net

    def _needed_in_files(self) -> list[str]:
        """Fitted attributes without which nothing works."""
        return ["device_", "n_components_", "n_features_in_", "n_iter_"]

    def _arrays_in_files(self) -> Iterator[tuple[str, Any, tuple[int, ...]]]:
        """Names, values and right shapes of what results depend on beside the net."""
        recipe, n_features = self._recipe, self.n_features_in_
        for name, width in (
            ("n_features_in_", n_features),
            ("n_components_", self.n_components_),
        ):
            taken = recipe.module_params[name.removesuffix("_").removesuffix("_in")]
            if width != taken:
                raise ValueError(f"{name} is {width!r}, but the network has {taken!r}")
        yield "standardize.mean", recipe.standardize.mean, (n_features,)
        target_mean = recipe.standardize_target.mean
        yield "standardize_target.mean", target_mean, (self._n_outputs,)
