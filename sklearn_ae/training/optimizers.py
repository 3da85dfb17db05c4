"""Optimisers by name, each with the settings that make it what its name says."""

import inspect
from typing import Any

import torch

# Where a network starts as PCA some gradients are nothing but rounding, which Adam with
# its usual eps of 1e-8 turns into full steps that differ from machine to machine. The
# shorter memory of the squares suits fits of a few thousand steps.
_ADAM = {"eps": 1e-5, "betas": (0.9, 0.99)}

# Name -> (class, its settings, the learning rate that suits it by default). The rates
# hold for losses summed over standardised features.
OPTIMIZERS: dict[str, tuple[type[Any], dict[str, Any], float]] = {
    "sgd": (torch.optim.SGD, {}, 1e-2),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}, 2e-3),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}, 2e-3),
    "adagrad": (torch.optim.Adagrad, {}, 1e-2),
    "rmsprop": (torch.optim.RMSprop, {}, 1e-3),
    "adam": (torch.optim.Adam, _ADAM, 5e-3),
    "adamw": (torch.optim.AdamW, _ADAM | {"weight_decay": 0.3}, 5e-3),
}


def resolve_optimizer(
    optimizer: str | type[Any],
    params: dict[str, Any] | None,
    learning_rate: float | None,
) -> tuple[type[Any], dict[str, Any], float]:
    """The class, its settings and the learning rate; the fused kernel if there is one.

    A class of the user's own without a learning rate gets its own default. What does
    not go together is a ValueError.
    """
    if isinstance(optimizer, str):
        cls, settings, default_rate = OPTIMIZERS[optimizer]
    else:
        cls, settings, default_rate = optimizer, {}, 1e-3
        lr = inspect.signature(optimizer).parameters.get("lr")
        if lr is not None and isinstance(lr.default, float):
            default_rate = lr.default
    settings = settings | (params or {})
    rate = default_rate if learning_rate is None else learning_rate
    if "fused" in inspect.signature(cls).parameters and not settings.keys() & {
        "fused",
        "foreach",
        "differentiable",
    }:
        settings["fused"] = True
    try:
        cls([torch.zeros(1, requires_grad=True)], lr=rate, **settings)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"optimizer_params={params!r} do not suit optimizer={optimizer!r}: {error}"
        ) from error
    return cls, settings, rate
