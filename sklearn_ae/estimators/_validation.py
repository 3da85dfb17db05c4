"""What the parameters and the data of a fit have to be."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sklearn_ae._sklearn_compat import (
    HasMethods,
    Interval,
    RealNotInt,
    StrOptions,
    check_sample_weight,
)
from sklearn_ae.networks._network import ACTIVATIONS
from sklearn_ae.objectives.losses import LOSSES
from sklearn_ae.training.optimizers import OPTIMIZERS
from sklearn_ae.training.schedules import SCHEDULES

_AUTO = StrOptions({"auto"})

# What `check_array` and `validate_data` are told about every input.
TABLE = {"accept_sparse": "csr", "dtype": [np.float64, np.float32]}

SHARED_CONSTRAINTS: dict[str, list] = {
    "n_components": [
        Interval(Integral, 1, None, closed="left"),
        Interval(RealNotInt, 0, 1, closed="neither"),
    ],
    "hidden_layer_sizes": [
        _AUTO,
        Interval(Integral, 1, None, closed="left"),
        tuple,
        list,
    ],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "code_activation": [StrOptions(set(ACTIVATIONS))],
    "output_activation": [StrOptions({"auto", *ACTIVATIONS})],
    "network": [type, HasMethods("module_and_params"), None],
    "init": [StrOptions({"pca", "random"})],
    "tied_weights": ["boolean"],
    "loss": [StrOptions(set(LOSSES))],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "l1_penalty": [Interval(Real, 0, None, closed="left")],
    "l2_penalty": [Interval(Real, 0, None, closed="left")],
    "optimizer": [StrOptions(set(OPTIMIZERS)), type],
    "optimizer_params": [dict, None],
    "learning_rate": [_AUTO, Interval(Real, 0, None, closed="neither")],
    "learning_rate_schedule": [StrOptions(set(SCHEDULES))],
    "batch_size": [_AUTO, Interval(Integral, 1, None, closed="left")],
    "max_epochs": [_AUTO, Interval(Integral, 0, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [_AUTO, Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "warm_start": ["boolean"],
    "device": [str],
    "callbacks": [list, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


@dataclass(frozen=True)
class TrainingData:
    """Validated input of a fit.

    Parameters
    ----------
    X, target : ndarray or CSR
        `target` is None where `X` is its own target.
    weight : ndarray of shape (n_samples,) or None
        With mean one over `rows`; None where they are all equal there.
    rows : ndarray of int
        The rows of positive weight.
    """

    X: Any
    target: Any
    weight: np.ndarray | None
    rows: np.ndarray

    @property
    def n_features(self) -> int:
        return self.X.shape[1]

    @property
    def n_outputs(self) -> int:
        return self.n_features if self.target is None else self.target.shape[1]


def validate_training_data(
    estimator: Any, X: Any, X_target: Any, sample_weight: Any, *, reset: bool
) -> TrainingData:
    """Check the arguments of `fit`; with `reset`, as those of a first fit."""
    X = validate_data(estimator, X, reset=reset, ensure_min_samples=1 + reset, **TABLE)
    target = None
    if X_target is not None:
        target = check_array(X_target, input_name="X_target", **TABLE)
        if target.shape[0] != X.shape[0]:
            raise ValueError(
                f"X_target has {target.shape[0]} rows, but X has {X.shape[0]}; they "
                "must be paired row by row."
            )
    weight, rows = check_weight(sample_weight, X, min_rows=1 + reset)
    if weight is not None:
        if np.ptp(weight[rows]) == 0:
            weight = None
        else:
            weight = weight * (len(rows) / weight.sum())
    return TrainingData(X, target, weight, rows)


def check_weight(
    sample_weight: Any, X: Any, *, min_rows: int
) -> tuple[np.ndarray | None, np.ndarray]:
    """The weights in double precision, if any, and which rows have a positive one."""
    weight, rows = None, np.arange(X.shape[0])
    if sample_weight is not None:
        weight = check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        rows = np.flatnonzero(weight)
        if len(rows) == 0:
            raise ValueError(
                "All entries of sample_weight are zero; at least one weight must be "
                "positive."
            )
        if len(rows) < min_rows:
            raise ValueError(
                "sample_weight is positive for 1 row only; a first fit needs at least "
                "2 rows."
            )
    return weight, rows


def check_parameters(estimator: Any, data: TrainingData) -> None:
    """Raise an error where shared parameters contradict each other or the data."""
    if estimator.n_components > data.n_features and not estimator._allows_overcomplete:
        raise ValueError(
            f"n_components={estimator.n_components!r} must be at most "
            f"n_features={data.n_features}; wider codes are for sparse, denoising and "
            "contractive autoencoders."
        )
    sizes = estimator.hidden_layer_sizes
    if not isinstance(sizes, str):
        for size in np.ravel(np.asarray(sizes, dtype=object)):
            if not isinstance(size, Integral) or size < 1:
                raise ValueError(
                    f"hidden_layer_sizes={sizes!r} must hold integers of at least 1."
                )
    network = estimator._resolved_network()
    if isinstance(network, type) and not issubclass(network, torch.nn.Module):
        raise ValueError(
            f"network={network!r} must be a subclass of torch.nn.Module that takes "
            "(n_features, n_components) and has encode and decode."
        )
    if estimator.tied_weights and network is not None:
        raise ValueError(
            "tied_weights=True needs the dense network, not "
            f"network={network!r}; set tied_weights=False."
        )
    if estimator.tied_weights and data.n_outputs != data.n_features:
        raise ValueError(
            f"tied_weights=True needs as many outputs as inputs ({data.n_features}), "
            f"but X_target has {data.n_outputs} columns."
        )
    check_training_parameters(estimator)
    if estimator._loss_name() == "bce":
        if not isinstance(network, type) and estimator.output_activation not in {
            "auto",
            "sigmoid",
        }:
            raise ValueError(
                f"output_activation={estimator.output_activation!r} does not keep the "
                f"output in [0, 1], which loss={estimator.loss!r} needs; use 'sigmoid' "
                "or 'auto'."
            )
        target = data.X if data.target is None else data.target
        _check_unit_interval(target, estimator.loss)


def check_start(estimator: Any) -> None:
    """Raise an error where the network cannot start as it is to start."""
    code_activation = estimator._resolved_code_activation()
    if estimator._starts_as_pca() and code_activation != "identity":
        raise ValueError(
            f"code_activation={code_activation!r} cannot start as PCA; set "
            "init='random' or code_activation='identity'."
        )


def is_positive_integer(value: Any) -> bool:
    """Whether it is an integer of at least 1; booleans are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1


def check_training_parameters(estimator: Any) -> None:
    """Raise an error where what says how to train is not what it has to be."""
    for callback in estimator.callbacks or ():
        named = callback[1] if isinstance(callback, tuple) else callback
        if not hasattr(named, "on_train_begin"):
            raise ValueError(
                f"callbacks={estimator.callbacks!r} must hold skorch callbacks, but "
                f"{named!r} is none."
            )
    if estimator.optimizer_params and "lr" in estimator.optimizer_params:
        raise ValueError(
            f"optimizer_params={estimator.optimizer_params!r} must not hold 'lr'; set "
            "learning_rate instead."
        )
    optimizer = estimator.optimizer
    if isinstance(optimizer, type) and not issubclass(optimizer, torch.optim.Optimizer):
        raise ValueError(
            f"optimizer={optimizer!r} must be a subclass of torch.optim.Optimizer or "
            f"one of {sorted(OPTIMIZERS)}."
        )


# What takes the place of a loss that needs values in [0, 1].
_FOR_ANY_VALUE = {"bce": "mse", "bernoulli": "gaussian"}


def _check_unit_interval(X: Any, loss: str) -> None:
    values = X if isinstance(X, np.ndarray) else X.data
    low, high = values.min(initial=0), values.max(initial=0)
    if low < 0 or high > 1:
        raise ValueError(
            f"loss={loss!r} needs values in [0, 1], but they span [{low:.4g}, "
            f"{high:.4g}]. Scale them, for instance with MinMaxScaler, or choose "
            f"loss={_FOR_ANY_VALUE[loss]!r}."
        )
