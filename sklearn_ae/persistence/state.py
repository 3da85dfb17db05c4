"""The state of a net as arrays and scalars, and back."""

from typing import Any

import numpy as np
import torch

from sklearn_ae.training.net import AutoencoderNet


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
