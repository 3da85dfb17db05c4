"""Several nets of one shape as one: their tensors side by side, one step for all."""

import copy
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import accumulate
from operator import add
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_ae.batched.streams import Streams
from sklearn_ae.batched.updater import Settings, Updater, as_stored, in_runs
from sklearn_ae.networks._network import SeededDropout
from sklearn_ae.training.collecting import Training
from sklearn_ae.training.net import AutoencoderNet


class Stack:
    """Nets that are trained at once, each as it would be alone.

    While they are in the stack, the tensors of their modules and objectives are views
    of its own, which have one axis more.

    Parameters
    ----------
    trainings : sequence of Training
        Of one `sklearn_ae.batched.together.kind`.
    """

    def __init__(self, trainings: Sequence[Training]) -> None:
        _keep_freed_memory()
        first = trainings[0]
        n_batches = len(first.net.get_iterator(first.train, training=True))
        settings = [Settings(t.net, t.n_epochs, n_batches) for t in trainings]
        runs = in_runs(settings)
        self.trainings = [trainings[i] for run in runs for i in run]
        self.module = first.net.make_module().to(first.net.device)
        self.objective = copy.deepcopy(first.net.criterion_)
        for whole, parts in self._wholes():
            tensors = [_tensors(part) for part in parts]
            for name in tensors[0]:
                _put(whole, name, torch.stack([own[name].detach() for own in tensors]))
        self._share()
        edges = list(accumulate(map(len, runs), initial=0))
        self.updaters = [
            Updater(settings[run[0]], slice(start, start + len(run)), self._parameters)
            for run, start in zip(runs, edges, strict=False)
        ]
        self._train_batches = Streams(
            [t.train for t in self.trainings],
            first.net.batch_size,
            [net.generators_["order"] for net in self.nets],
        )
        self._valid_batches = None
        if first.valid is not None:
            self._valid_batches = Streams(
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
        self.objective.stack_numbers([net.criterion_ for net in self.nets], device)
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

    def _run(self, batches: Streams, training: bool) -> list[dict[str, float]]:
        self.module.train(training)
        self.objective.train(training)
        for net in self.nets:
            net.stepped_ = net.stepped_ or training
            noise = net.generators_["noise"] if training else net.evaluation_noise()
            net.noise_ = noise
        sizes, values = [], []
        for x, target, weight in batches:
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
        for updater in self.updaters:
            updater.step(named)

    # -- who is in the stack -------------------------------------------------------

    def update_nets(self) -> None:
        """Let the nets know of their schedules and learning rates."""
        for updater in self.updaters:
            for net in self.nets[updater.where]:
                net.schedule_ = updater.schedule
                groups = net.optimizer_.param_groups
                for group, rate in zip(groups, updater.learning_rates, strict=True):
                    group["lr"] = rate

    def release(self, leaving: Sequence[AutoencoderNet]) -> None:
        """Give nets what is theirs, and go on without them."""
        staying = []
        for i, net in enumerate(self.nets):
            if net not in leaving:
                staying.append(i)
                continue
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
        start, updaters = 0, []
        for updater in self.updaters:
            first, last = updater.where.start, updater.where.stop
            kept = [i - first for i in staying if first <= i < last]
            if kept:
                updater.keep(kept, start, self._parameters)
                updaters.append(updater)
            start += len(kept)
        self.updaters = updaters
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
