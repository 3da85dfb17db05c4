"""torch's optimizers without their part in `torch.compile`."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


class _EagerMethods(Optimizer):
    """Methods that do not import torch's compiler.

    torch decorates these methods for use in compiled code. The decorators import the
    compiler when they are first called, which takes about 0.7 s. In code that is not
    compiled they do nothing else, except that `step` sets whether gradients are
    recorded, as it does here. Where torch does not decorate, `unwrap` changes nothing.
    """

    add_param_group = inspect.unwrap(Optimizer.add_param_group)
    zero_grad = inspect.unwrap(Optimizer.zero_grad)
    state_dict = inspect.unwrap(Optimizer.state_dict)
    load_state_dict = inspect.unwrap(Optimizer.load_state_dict)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        # torch replaces `step` of a class when an instance is made: look it up late.
        step = inspect.unwrap(super().step.__func__)  # type: ignore[attr-defined]
        with torch.set_grad_enabled(self.defaults.get("differentiable", False)):
            return step(self, closure)


class SGD(_EagerMethods, torch.optim.SGD):
    """`torch.optim.SGD`."""


class Adagrad(_EagerMethods, torch.optim.Adagrad):
    """`torch.optim.Adagrad`."""


class RMSprop(_EagerMethods, torch.optim.RMSprop):
    """`torch.optim.RMSprop`."""


class Adam(_EagerMethods, torch.optim.Adam):
    """`torch.optim.Adam`."""


class AdamW(_EagerMethods, torch.optim.AdamW):
    """`torch.optim.AdamW`."""


class LBFGS(_EagerMethods, torch.optim.LBFGS):
    """`torch.optim.LBFGS`."""
