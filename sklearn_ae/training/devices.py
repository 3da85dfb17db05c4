"""Devices by name, checked on the machine at hand."""

import torch


def is_available(device: str) -> bool:
    """Whether torch can put a tensor there and get it back."""
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return True


def resolve_device(device: str) -> str:
    """The name of a device that is there; "auto" is a GPU if there is one."""
    if device == "auto":
        return next((gpu for gpu in ("cuda", "mps") if is_available(gpu)), "cpu")
    if not is_available(device):
        raise ValueError(
            f"device={device!r} is not available to torch on this machine; use 'cpu' "
            "or 'auto'."
        )
    return device
