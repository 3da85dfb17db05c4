"""Networks of one shape as one: their tensors stacked, one step for all."""

import copy
from collections.abc import Collection, Iterator, Sequence
from functools import reduce
from itertools import accumulate, pairwise
from operator import add
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_ae.batched.batches import SharedBatches, equal_states
from sklearn_ae.batched.cancellation import Cancellation
from sklearn_ae.batched.optimizers import (
    OptimizerSettings,
    SharedOptimizer,
    as_stored,
    positions_by_settings,
)
from sklearn_ae.networks._layered import SeededDropout
from sklearn_ae.objectives.corruptions import masking
from sklearn_ae.training.loop import Training
from sklearn_ae.training.net import AutoencoderNet


class StackedNetworks:
    """Networks that are trained at once, each as it would be alone.

    While they are stacked, the tensors of their modules and objectives are views of the
    stack's own, which have one axis more. Networks that compute the same share a slot,
    one place on that axis.

    Parameters
    ----------
    slots : sequence of sequences of Training
        All agree in `sklearn_ae.batched.groups.what_must_agree`. Those of a slot are
        identical.

    cancellation : Cancellation
        Looked at after every step.
    """

    def __init__(
        self, slots: Sequence[Sequence[Training]], cancellation: Cancellation
    ) -> None:
        self._cancellation = cancellation
        _keep_freed_memory()
        settings = [OptimizerSettings(slot[0]) for slot in slots]
        runs = positions_by_settings(settings)
        self.slots = [list(slots[i]) for run in runs for i in run]
        first = self.slots[0][0]
        # The nets draw noise for their inputs only, and all the same: one does it.
        self._shares_noise = not any(
            net.corruption is not None
            or any(isinstance(layer, SeededDropout) for layer in net.module_.modules())
            or not equal_states(net.noise_, first.net.noise_)
            for net in self.nets
        )
        self.module = copy.deepcopy(first.net.module_)
        self.objective = copy.deepcopy(first.net.criterion_)
        for whole, part in self._wholes():
            tensors = [_tensors(getattr(net, part)) for net in self.nets]
            for name in tensors[0]:
                _put(whole, name, torch.stack([own[name].detach() for own in tensors]))
        self._share()
        edges = list(accumulate(map(len, runs), initial=0))
        self.optimizers = [
            SharedOptimizer(settings[run[0]], slice(start, stop), self._parameters)
            for run, (start, stop) in zip(runs, pairwise(edges), strict=True)
        ]
        self._train_batches = SharedBatches(
            [slot[0].train for slot in self.slots],
            first.net.batch_size,
            [net.generators_["order"] for net in self.nets],
        )
        self._valid_batches = None
        if first.valid is not None:
            self._valid_batches = SharedBatches(
                [slot[0].valid for slot in self.slots if slot[0].valid is not None],
                first.net.get_iterator(first.valid).batch_size,
                [None] * len(self.slots),
            )

    @property
    def trainings(self) -> list[Training]:
        """Those that have not ended."""
        return [training for slot in self.slots for training in slot]

    @property
    def nets(self) -> list[AutoencoderNet]:
        """One of each slot, whose generators draw for all."""
        return [slot[0].net for slot in self.slots]

    @property
    def _parameters(self) -> dict[str, Tensor]:
        named = self._leaves.items()
        return {name: as_stored(parameter.detach()) for name, parameter in named}

    def _wholes(self) -> Iterator[tuple[Any, str]]:
        """Module and objective of the stack, and what nets call theirs."""
        yield self.module, "module_"
        yield self.objective, "criterion_"

    def _share(self) -> None:
        """Make the tensors of the nets views, and take over what they do not share."""
        self._leaves = dict(self.module.named_parameters())
        for whole, part in self._wholes():
            for name, tensor in _tensors(whole).items():
                for slot, own in zip(self.slots, tensor.detach(), strict=True):
                    for training in slot:
                        _view(getattr(training.net, part), name, own)
        device = next(self.module.parameters()).device
        self.objective.take_fields_of([net.criterion_ for net in self.nets], device)
        for layer in self.module.modules():
            if isinstance(layer, SeededDropout):
                layer.generator = [net.generators_["noise"] for net in self.nets]

    # -- passes over the data ------------------------------------------------------

    def train(self) -> dict[Training, dict[str, float]]:
        """An epoch of steps; the mean losses, in the units of the data."""
        return self._run(self._train_batches, training=True)

    def validate(self) -> dict[Training, dict[str, float]]:
        """The losses over the rows held out, if there are any."""
        if self._valid_batches is None:
            return {}
        return self._run(self._valid_batches, training=False)

    def _run(
        self, batches: SharedBatches, training: bool
    ) -> dict[Training, dict[str, float]]:
        self.module.train(training)
        self.objective.train(training)
        for net in self.nets:
            net.set_noise(training)
        sizes, values = [], []
        for x, target, weight in batches:
            self._cancellation.check()
            with torch.set_grad_enabled(training):
                terms = self._terms(x, target, weight)
            if training:
                self._step(reduce(add, terms.values()))
            sizes.append(len(x[0]))
            values.append(torch.stack([term.detach() for term in terms.values()]))
        # The only synchronisation with the device.
        shares = torch.tensor(sizes, dtype=torch.float64) / sum(sizes)
        means = torch.tensordot(shares, torch.stack(values).double().cpu(), 1)
        return {
            training: _in_units(
                dict(zip(terms, own, strict=True)), training.net.criterion_.unit
            )
            for own, slot in zip(means.T.tolist(), self.slots, strict=True)
            for training in slot
        }

    def _terms(
        self, xs: list[Tensor], targets: list[Tensor], weights: list[Any]
    ) -> dict[str, Tensor]:
        clean = torch.stack(xs)
        target = clean if targets[0] is xs[0] else torch.stack(targets)
        weight = None if weights[0] is None else torch.stack(weights)
        x = clean
        if any(net.corruption is not None for net in self.nets):
            rows = zip(self.nets, clean, target, strict=True)
            pairs = [net.prepared(own, goal) for net, own, goal in rows]
            x, target = (torch.stack(side) for side in zip(*pairs, strict=True))
        if self.module.training:
            x = self._noisy(x)
        noise = [net.noise_ for net in self.nets]
        terms, _ = self.objective(self.module, x, target, weight, noise)
        return terms

    def _noisy(self, x: Tensor) -> Tensor:
        """Inputs with the noise that each network would draw by itself, if any."""
        first, noises = self.nets[0], [net.input_noise for net in self.nets]
        if not (any(noises) or first.hidden_share):
            return x
        if not self._shares_noise:
            rows = zip(self.nets, x, strict=True)
            return torch.stack([net.noisy(own) for net, own in rows])
        if any(noises):
            noise = torch.empty_like(x[0]).normal_(generator=first.noise_)
            levels = torch.tensor(noises, dtype=x.dtype, device=x.device)
            x = x + levels[:, None, None] * noise
        if first.hidden_share:
            # Entries of a single network, hidden from all.
            seen = torch.zeros_like(x[0])
            x = x + masking(seen, first.noise_, level=first.hidden_share, value=np.nan)
        return x

    def _step(self, losses: Tensor) -> None:
        gradients = torch.autograd.grad(
            losses.sum(), list(self._leaves.values()), allow_unused=True
        )
        named = dict(zip(self._leaves, gradients, strict=True))
        for optimizer in self.optimizers:
            optimizer.step(named)

    # -- going on after a crash ----------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What has changed since the start, besides the nets and their progress."""
        return {
            "optimizers": [optimizer.state() for optimizer in self.optimizers],
            "order": self._train_batches.states(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the state of an equal stack with the same networks left."""
        for optimizer, own in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state(own)
        self._train_batches.set_states(state["order"])

    # -- who is in the stack -------------------------------------------------------

    def update_nets(self) -> None:
        """Let the nets know of their schedules and learning rates."""
        for optimizer in self.optimizers:
            for slot in self.slots[optimizer.where]:
                for training in slot:
                    # Only one of a slot reports its losses to the schedule.
                    training.epoch_scheduler = None
                    groups = training.net.optimizer_.param_groups
                    rates = optimizer.learning_rates
                    for group, rate in zip(groups, rates, strict=True):
                        group["lr"] = rate
                slot[0].epoch_scheduler = optimizer.epoch_scheduler

    def release(self, leaving: Collection[Training]) -> None:
        """Detach networks that have finished, and go on with the rest."""
        staying = []
        drawing = self.nets
        if self._shares_noise:
            drawing = [drawing[0]] * len(drawing)
        for i, slot in enumerate(self.slots):
            kept = [training for training in slot if training not in leaving]
            # Where the first one leaves, the next one draws from now on.
            for training in (*(t for t in slot if t in leaving), *kept[:1]):
                _advance(training.net, drawing[i])
            for training in slot:
                if training in leaving:
                    _detach(training.net)
                    order = training.net.generators_["order"]
                    order.set_state(self._train_batches.state(i))
            if kept:
                staying.append(i)
                self.slots[i] = kept
        self.slots = [self.slots[i] for i in staying]
        if not staying:
            return
        for whole, _ in self._wholes():
            for name, tensor in _tensors(whole).items():
                _put(whole, name, tensor.detach()[staying])
        self._share()
        start, optimizers = 0, []
        for optimizer in self.optimizers:
            first, last = optimizer.where.start, optimizer.where.stop
            own = [i - first for i in staying if first <= i < last]
            if own:
                optimizer.keep(own, start, self._parameters)
                optimizers.append(optimizer)
            start += len(own)
        self.optimizers = optimizers
        for batches in filter(None, (self._train_batches, self._valid_batches)):
            batches.keep(staying)


def _keep_freed_memory() -> None:
    """Let the C library keep what a step has freed for the next one.

    glibc returns freed blocks to the system and requests them again page by page,
    unless a larger one has been freed before: 32 MB is the largest that counts. Memory
    that is not written to costs nothing.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)


def _tensors(part: nn.Module) -> dict[str, Tensor]:
    return dict(part.named_parameters()) | dict(part.named_buffers())


def _advance(net: AutoencoderNet, other: AutoencoderNet) -> None:
    """Set the noise generator of a net to the state of another one."""
    noise = net.generators_["noise"]
    noise.set_state(other.generators_["noise"].get_state())


def _detach(net: AutoencoderNet) -> None:
    """Give a net memory of its own."""
    for part in (net.module_, net.criterion_):
        for name, tensor in _tensors(part).items():
            own = tensor.detach().clone(memory_format=torch.contiguous_format)
            _view(part, name, own)


def _owner(part: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, leaf = name.rpartition(".")
    return part.get_submodule(path), leaf


def _put(whole: nn.Module, name: str, tensor: Tensor) -> None:
    """Give the stack a new tensor."""
    owner, leaf = _owner(whole, name)
    tensor = as_stored(as_stored(tensor).contiguous())
    setattr(owner, leaf, nn.Parameter(tensor) if leaf in owner._parameters else tensor)


def _view(part: nn.Module, name: str, tensor: Tensor) -> None:
    """Let a tensor of a net be another one, without making it another parameter."""
    owner, leaf = _owner(part, name)
    if leaf in owner._parameters:
        getattr(owner, leaf).data = tensor
    else:
        setattr(owner, leaf, tensor)


def _in_units(means: dict[str, float], unit: float) -> dict[str, float]:
    named = {name: mean * unit for name, mean in means.items()}
    return {"loss": sum(named.values()), **named}
