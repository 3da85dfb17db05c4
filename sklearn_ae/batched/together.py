"""Trainings of one kind at once, each with the outcome that it would have alone."""

import threading
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

from sklearn_ae.batched.stack import Stack
from sklearn_ae.networks.dense import DenseNetwork
from sklearn_ae.networks.top_k import TopKNetwork
from sklearn_ae.networks.variational import VariationalNetwork
from sklearn_ae.objectives._terms import TERMS
from sklearn_ae.objectives.objective import Objective, VariationalObjective
from sklearn_ae.training.collecting import Training
from sklearn_ae.training.net import AutoencoderNet, StopTraining
from sklearn_ae.training.optimizers import OPTIMIZERS
from sklearn_ae.training.stopping import BestWeights

# Bytes of weights, gradients and moments that a group has at most: steps of more are
# no faster.
WORKING_SET = 2**25

# Fewer nets are not worth a thread of their own.
SMALLEST = 8

_OPTIMIZERS = tuple({cls for cls, _, _ in OPTIMIZERS.values()})


def obstacle(training: Training) -> str | None:
    """Why a training has to be done by itself, or None."""
    net = training.net
    module = net.module
    if module in (TopKNetwork, VariationalNetwork):
        module = net.module_.network.__class__
    if module is not DenseNetwork:
        return f"{module.__name__} is no dense network"
    if net.criterion not in (Objective, VariationalObjective):
        return f"{net.criterion.__name__} is no objective of an autoencoder"
    if any(
        getattr(p, "n_projections", None) for p in net.criterion_.penalties.values()
    ):
        return "random projections of Jacobians"
    if net.is_foreign:
        return "a corruption of the user's"
    if type(net.optimizer_) not in _OPTIMIZERS:
        return f"{type(net.optimizer_).__name__} need not treat weights one by one"
    if any(type(callback) is not BestWeights for _, callback in net.callbacks_):
        return "callbacks, or verbose"
    return None


def kind(training: Training) -> dict[str, Any]:
    """What trainings have to have in common to be done at once."""
    net, train, valid = training.net, training.train, training.valid
    objective = net.get_params_for("criterion")
    penalties = {
        column: (term, {k: v for k, v in params.items() if k not in _numbers(term)})
        for column, (term, coefficient, params) in objective["penalties"].items()
        if coefficient > 0
    }
    # The loss depends on the scale otherwise than by a factor.
    scaled = net.criterion is VariationalObjective or objective["loss"] == "huber"
    return {
        "module": (net.module, net.get_params_for("module")),
        "objective": (net.criterion, objective["loss"], penalties),
        "scale": objective["scale"] if scaled else None,
        "groups": len(net.optimizer_.param_groups),
        "rows": (len(train), None if valid is None else len(valid)),
        "batch_size": net.batch_size,
        "weighted": (train.weight is None, train.target is None),
        "device": net.device,
    }


def _numbers(term: str) -> tuple[str, ...]:
    return getattr(TERMS[term], "numbers", ())


class Group(NamedTuple):
    """Trainings that are done at once, or a single one and what stands in the way."""

    members: list[int]
    obstacle: str | None


def in_groups(trainings: Sequence[Training], n_threads: int) -> list[Group]:
    """Which trainings are done together, by their numbers.

    Those of a kind are shared out to `n_threads`, if there are many of them.
    """
    groups: list[Group] = []
    kinds: list[tuple[dict[str, Any], list[int]]] = []
    for i, training in enumerate(trainings):
        reason = obstacle(training)
        if reason is not None:
            groups.append(Group([i], reason))
            continue
        own = kind(training)
        for known, members in kinds:
            if known == own:
                members.append(i)
                break
        else:
            kinds.append((own, [i]))
    for _, members in kinds:
        share = max(SMALLEST, -(-len(members) // n_threads))
        step = min(share, at_once(trainings[members[0]].net))
        groups += [
            Group(members[start : start + step], None)
            for start in range(0, len(members), step)
        ]
    return groups


def at_once(net: AutoencoderNet) -> int:
    """How many nets of this size are best trained at once."""
    numbers = sum(parameter.numel() for parameter in net.module_.parameters())
    return max(1, WORKING_SET // (16 * numbers))


def train_together(
    trainings: Sequence[Training], stop: threading.Event | None = None
) -> dict[AutoencoderNet, Exception]:
    """Train nets of one kind; what went wrong with which of them.

    As with `AutoencoderNet.train`, the best weights stay, also when interrupted: by
    `stop`, too, which is looked at after every epoch.
    """
    errors: dict[AutoencoderNet, Exception] = {}
    if len(trainings) == 1:
        try:
            trainings[0].do()
        except Exception as error:
            errors[trainings[0].net] = error
        return errors
    for net, train, valid, n_epochs in trainings:
        net.prepare(train, valid, n_epochs)
        net.notify("on_train_begin", X=train, y=None)
    stack = Stack(trainings)
    try:
        _leave(stack, [t.net for t in trainings if t.n_epochs == 0], errors)
        for epoch in count(1):
            if not stack.trainings or (stop is not None and stop.is_set()):
                break
            _leave(stack, _epoch(stack, epoch, errors), errors)
    finally:
        # Where an interrupt struck; else there is none left.
        _leave(stack, stack.nets, errors)
    return errors


def _epoch(
    stack: Stack, epoch: int, errors: dict[AutoencoderNet, Exception]
) -> list[AutoencoderNet]:
    """Train for an epoch; the nets whose last it was."""
    for net, train, valid, _ in stack.trainings:
        net.notify("on_epoch_begin", dataset_train=train, dataset_valid=valid)
    trained, validated = stack.train(), stack.validate()
    stack.update_nets()
    leaving = []
    for i, (net, train, valid, n_epochs) in enumerate(stack.trainings):
        try:
            net.record("train", trained[i], training=True)
            if validated is not None:
                net.record("valid", validated[i], training=False)
            net.notify("on_epoch_end", dataset_train=train, dataset_valid=valid)
            if epoch == n_epochs:
                leaving.append(net)
        except StopTraining:
            leaving.append(net)
        except ValueError as error:
            errors[net] = error
            leaving.append(net)
    return leaving


def _leave(
    stack: Stack,
    leaving: Sequence[AutoencoderNet],
    errors: dict[AutoencoderNet, Exception],
) -> None:
    if not leaving:
        return
    datasets = {net: (train, valid) for net, train, valid, _ in stack.trainings}
    stack.release(leaving)
    for net in leaving:
        train, valid = datasets[net]
        net.wind_up(train)
        if valid is None and net not in errors:
            try:
                net.check_end(train)
            except ValueError as error:
                errors[net] = error
