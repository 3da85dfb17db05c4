"""The state of a net as arrays and scalars, and back."""

from numbers import Number
from typing import Any

import numpy as np
import torch

from sklearn_ae.persistence.checks import check_shape
from sklearn_ae.training.eager_optimizers import LBFGS
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.settings import OPTIMIZERS


def to_arrays(value: Any) -> Any:
    """Replace every tensor in nested dictionaries, lists and tuples by an array."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy().copy()
    if isinstance(value, dict):
        return {key: to_arrays(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_arrays(item) for item in value)
    return value


def to_tensors(value: Any) -> Any:
    """The inverse of `to_arrays`."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {key: to_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_tensors(item) for item in value)
    return value


def dump_state(net: AutoencoderNet) -> dict[str, Any]:
    """Weights, optimizer, generators and history of a net: what training changes."""
    return {
        "weights": to_arrays(dict(net.module_.state_dict())),
        "objective": to_arrays(dict(net.criterion_.state_dict())),
        "optimizer": to_arrays(net.optimizer_.state_dict()),
        "generators": {
            name: (generator.device.type, to_arrays(generator.get_state()))
            for name, generator in net.generators_.items()
        },
        "history": list(net.history),
    }


def load_state(net: AutoencoderNet, state: dict[str, Any]) -> None:
    """Restore a dumped state in an initialised net of the same shape."""
    net.module_.load_state_dict(to_tensors(state["weights"]))
    net.criterion_.load_state_dict(to_tensors(state["objective"]))
    net.optimizer_.load_state_dict(to_tensors(state["optimizer"]))
    for name, (device, generator_state) in state["generators"].items():
        # The state of a GPU generator does not fit a CPU generator.
        if net.generators_[name].device.type == device:
            net.generators_[name].set_state(to_tensors(generator_state))
    net.history.clear()
    net.history.extend(state["history"])


def check_state(net: AutoencoderNet, state: dict[str, Any]) -> None:
    """Raise a ValueError if a dumped state does not fit an initialised net.

    Only what `load_state` does not notice: torch compares the shapes of weights, but
    not those of the state of an optimizer.
    """
    for name, (device, generator_state) in state["generators"].items():
        generator = net.generators_[name]
        if generator.device.type == device:
            shape = tuple(generator.get_state().shape)
            check_shape(f"generators[{name!r}]", generator_state, shape)
    if missing := net.generators_.keys() - state["generators"].keys():
        raise ValueError(f"generators has no {sorted(missing)}")
    # Those of other packages keep what they like, and fits leave nothing in LBFGS.
    named = {cls for cls, _, _ in OPTIMIZERS.values()} - {LBFGS}
    if type(net.optimizer_) in named:
        _check_optimizer(net.optimizer_, state["optimizer"]["state"])
    if not all(isinstance(row, dict) for row in state["history"]):
        raise ValueError("history is not a list of dicts")


def _check_optimizer(optimizer: Any, state: dict[int, dict[str, Any]]) -> None:
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    kept = next(iter(state.values()), {}).keys()
    for i, own in state.items():
        if own.keys() != kept:
            differing = sorted(own.keys() ^ kept)
            raise ValueError(f"optimizer keeps {differing} for some weights only")
        for name, value in own.items():
            if value is None or isinstance(value, Number):
                continue
            shape = () if name == "step" else tuple(weights[i].shape)
            check_shape(f"optimizer[{i}][{name!r}]", value, shape)
