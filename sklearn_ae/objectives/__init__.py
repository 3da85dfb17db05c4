"""Objectives: losses, penalties, corruptions, and how they are put together."""

from sklearn_ae.objectives.corruptions import (
    Corruption,
    GaussianNoise,
    MaskingNoise,
    SaltAndPepper,
    SwapNoise,
)
from sklearn_ae.objectives.losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    Huber,
    Loss,
    MixedLoss,
    SquaredError,
)
from sklearn_ae.objectives.terms import (
    ActivationL1,
    ActivationL2,
    Batch,
    JacobianPenalty,
    KLSparsity,
    L1Penalty,
    L2Penalty,
    Penalty,
)

__all__ = [
    "AbsoluteError",
    "ActivationL1",
    "ActivationL2",
    "Batch",
    "BinaryCrossEntropy",
    "Corruption",
    "GaussianNoise",
    "Huber",
    "JacobianPenalty",
    "KLSparsity",
    "L1Penalty",
    "L2Penalty",
    "Loss",
    "MaskingNoise",
    "MixedLoss",
    "Penalty",
    "SaltAndPepper",
    "SquaredError",
    "SwapNoise",
]
