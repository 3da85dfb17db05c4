"""Networks of one shape as one: their tensors stacked, one step for all."""

import copy
from collections.abc import Collection, Iterator, Sequence
from functools import reduce
from itertools import accumulate, pairwise
from operator import add
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_ae.batched.batches import SharedBatches
from sklearn_ae.batched.cancellation import Cancellation
from sklearn_ae.batched.optimizers import (
    OptimizerSettings,
    SharedOptimizer,
    as_stored,
    positions_by_settings,
)
from sklearn_ae.networks._layered import SeededDropout
from sklearn_ae.training.loop import Training
from sklearn_ae.training.net import AutoencoderNet


class StackedNetworks:
    """Networks that are trained at once, each as it would be alone.

    While they are stacked, the tensors of their modules and objectives are views of the
    stack's own, which have one axis more.

    Parameters
    ----------
    trainings : sequence of Training
        They agree in all of `sklearn_ae.batched.groups.what_must_agree`.

    cancellation : Cancellation
        Looked at after every step.
    """

    def __init__(
        self, trainings: Sequence[Training], cancellation: Cancellation
    ) -> None:
        self._cancellation = cancellation
        _keep_freed_memory()
        first = trainings[0]
        settings = [OptimizerSettings(training) for training in trainings]
        runs = positions_by_settings(settings)
        self.trainings = [trainings[i] for run in runs for i in run]
        self.module = first.net.make_module().to(first.net.device)
        self.objective = copy.deepcopy(first.net.criterion_)
        for whole, parts in self._wholes():
            tensors = [_tensors(part) for part in parts]
            for name in tensors[0]:
                _put(whole, name, torch.stack([own[name].detach() for own in tensors]))
        self._share()
        edges = list(accumulate(map(len, runs), initial=0))
        self.optimizers = [
            SharedOptimizer(settings[run[0]], slice(start, stop), self._parameters)
            for run, (start, stop) in zip(runs, pairwise(edges), strict=True)
        ]
        self._train_batches = SharedBatches(
            [t.train for t in self.trainings],
            first.net.batch_size,
            [net.generators_["order"] for net in self.nets],
        )
        self._valid_batches = None
        if first.valid is not None:
            self._valid_batches = SharedBatches(
                [t.valid for t in self.trainings if t.valid is not None],
                first.net.get_iterator(first.valid).batch_size,
                [None] * len(self.trainings),
            )

    @property
    def nets(self) -> list[AutoencoderNet]:
        return [training.net for training in self.trainings]

    @property
    def _parameters(self) -> dict[str, Tensor]:
        named = self.module.named_parameters()
        return {name: as_stored(parameter.detach()) for name, parameter in named}

    def _wholes(self) -> Iterator[tuple[Any, list[Any]]]:
        """Module and objective of the stack, each with those of the nets."""
        yield self.module, [net.module_ for net in self.nets]
        yield self.objective, [net.criterion_ for net in self.nets]

    def _share(self) -> None:
        """Make the tensors of the nets views, and let the stack know their numbers."""
        for whole, parts in self._wholes():
            for name, tensor in _tensors(whole).items():
                for part, own in zip(parts, tensor.detach(), strict=True):
                    _view(part, name, own)
        device = next(self.module.parameters()).device
        self.objective.take_fields_of([net.criterion_ for net in self.nets], device)
        for part in self.module.modules():
            if isinstance(part, SeededDropout):
                part.generator = [net.generators_["noise"] for net in self.nets]

    # -- passes over the data ------------------------------------------------------

    def train(self) -> list[dict[str, float]]:
        """An epoch of steps; the losses of each net, in the units of its data."""
        return self._run(self._train_batches, training=True)

    def validate(self) -> list[dict[str, float]] | None:
        """The losses of each net over the rows held out, if there are any."""
        if self._valid_batches is None:
            return None
        return self._run(self._valid_batches, training=False)

    def _run(self, batches: SharedBatches, training: bool) -> list[dict[str, float]]:
        self.module.train(training)
        self.objective.train(training)
        for net in self.nets:
            noise = net.generators_["noise"] if training else net.evaluation_noise()
            net.noise_ = noise
        sizes, values = [], []
        for x, target, weight in batches:
            self._cancellation.check()
            with torch.set_grad_enabled(training):
                terms = self._terms(x, target, weight)
            if training:
                self._step(reduce(add, terms.values()))
            sizes.append(len(x[0]))
            values.append(torch.stack([term.detach() for term in terms.values()]))
        # The one place where the losses are waited for.
        shares = torch.tensor(sizes, dtype=torch.float64) / sum(sizes)
        means = torch.tensordot(shares, torch.stack(values).double().cpu(), 1)
        return [
            _in_units(dict(zip(terms, own, strict=True)), net.criterion_.unit)
            for own, net in zip(means.T.tolist(), self.nets, strict=True)
        ]

    def _terms(
        self, xs: list[Tensor], targets: list[Tensor], weights: list[Any]
    ) -> dict[str, Tensor]:
        clean = torch.stack(xs)
        target = clean if targets[0] is xs[0] else torch.stack(targets)
        weight = None if weights[0] is None else torch.stack(weights)
        x = clean
        if any(net.corruption is not None for net in self.nets):
            rows = zip(self.nets, clean, strict=True)
            x = torch.stack([net.corrupted(own) for net, own in rows])
        noise = [net.noise_ for net in self.nets]
        terms, _ = self.objective(self.module, x, target, weight, noise)
        return terms

    def _step(self, losses: Tensor) -> None:
        parameters = dict(self.module.named_parameters())
        gradients = torch.autograd.grad(
            losses.sum(), list(parameters.values()), allow_unused=True
        )
        named = dict(zip(parameters, gradients, strict=True))
        for optimizer in self.optimizers:
            optimizer.step(named)

    # -- who is in the stack -------------------------------------------------------

    def update_nets(self) -> None:
        """Let the nets know of their schedules and learning rates."""
        for optimizer in self.optimizers:
            for training in self.trainings[optimizer.where]:
                training.schedule = optimizer.schedule
                groups = training.net.optimizer_.param_groups
                for group, rate in zip(groups, optimizer.learning_rates, strict=True):
                    group["lr"] = rate

    def release(self, leaving: Collection[Training]) -> None:
        """Give networks what is theirs, and go on without them."""
        staying = []
        for i, training in enumerate(self.trainings):
            if training not in leaving:
                staying.append(i)
                continue
            net = training.net
            for part in (net.module_, net.criterion_):
                for name, tensor in _tensors(part).items():
                    own = tensor.detach().clone(memory_format=torch.contiguous_format)
                    _view(part, name, own)
            net.generators_["order"].set_state(self._train_batches.state(i))
        self.trainings = [self.trainings[i] for i in staying]
        if not staying:
            return
        for whole, _ in self._wholes():
            for name, tensor in _tensors(whole).items():
                _put(whole, name, tensor.detach()[staying])
        self._share()
        start, optimizers = 0, []
        for optimizer in self.optimizers:
            first, last = optimizer.where.start, optimizer.where.stop
            kept = [i - first for i in staying if first <= i < last]
            if kept:
                optimizer.keep(kept, start, self._parameters)
                optimizers.append(optimizer)
            start += len(kept)
        self.optimizers = optimizers
        for batches in filter(None, (self._train_batches, self._valid_batches)):
            batches.keep(staying)


def _keep_freed_memory() -> None:
    """Let the C library keep what a step has freed for the next one.

    The one of GNU gives blocks back to the system, and takes them anew page by page,
    unless a larger one has been freed before: 32 MB is the largest that counts. What is
    not written to costs nothing.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)


def _tensors(part: nn.Module) -> dict[str, Tensor]:
    return dict(part.named_parameters()) | dict(part.named_buffers())


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
