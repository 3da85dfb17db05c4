"""Trainings that compute the same, and so need to be computed only once.

They are frequent: grids over stopping rules, or over later steps of a pipeline. And
networks that would be equal to the last bit if each trained alone should be equal here,
too; a stack rounds differently from place to place.
"""

from collections.abc import Sequence

import torch

from sklearn_ae.batched.batches import equal_rows, equal_states
from sklearn_ae.batched.optimizers import OptimizerSettings
from sklearn_ae.objectives._part import are_equal
from sklearn_ae.training.loop import Training


def sets_of_identical(trainings: Sequence[Training]) -> list[list[int]]:
    """Positions of trainings whose steps are the same while they last.

    Each may end by its own rules.
    """
    sets: list[list[int]] = []
    settings = [OptimizerSettings(training) for training in trainings]
    for i, training in enumerate(trainings):
        for positions in sets:
            first = positions[0]
            if settings[i].is_like(settings[first]) and _are_identical(
                training, trainings[first]
            ):
                positions.append(i)
                break
        else:
            sets.append([i])
    return sets


def _are_identical(a: Training, b: Training) -> bool:
    # What differs most often, and what is compared fastest, comes first.
    return (
        a.net.seed == b.net.seed
        and a.net.input_noise == b.net.input_noise
        and are_equal(
            a.net.get_params_for("criterion"), b.net.get_params_for("criterion")
        )
        and are_equal(a.net.corruption, b.net.corruption)
        and all(
            equal_states(a.net.generators_[name], b.net.generators_[name])
            for name in ("order", "noise")
        )
        and equal_rows(a.train, b.train)
        and (a.valid is None or b.valid is None or equal_rows(a.valid, b.valid))
        and _equal_tensors(a.net.module_, b.net.module_)
        and _equal_tensors(a.net.criterion_, b.net.criterion_)
    )


def _equal_tensors(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )
