"""Which networks train together, and the training of all groups."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from time import perf_counter
from typing import Any, NamedTuple

from tqdm.auto import tqdm

from sklearn_ae.batched.cancellation import Cancellation
from sklearn_ae.batched.identical import sets_of_identical
from sklearn_ae.batched.training import train_alone, train_stacked
from sklearn_ae.data.shards import Shard
from sklearn_ae.networks._wrapper import Wrapper
from sklearn_ae.networks.contract import Network
from sklearn_ae.objectives._part import are_equal
from sklearn_ae.objectives.losses import NAMED_LOSSES
from sklearn_ae.objectives.objective import Objective, VariationalObjective
from sklearn_ae.objectives.terms import Penalty
from sklearn_ae.training.hardware import limited_threads, suitable_threads
from sklearn_ae.training.loop import (
    EpochObserver,
    Outcome,
    Training,
    TrainingResult,
    current_trainer,
)
from sklearn_ae.training.net import AutoencoderNet
from sklearn_ae.training.settings import OPTIMIZERS

# Bytes of weights, gradients and moments that a group has at most. More make the steps
# no faster.
WORKING_SET = 2**25

# A thread of its own does not pay for fewer networks.
SMALLEST_SHARE = 8

# They treat each entry of the weights by itself: those with a name but L-BFGS, and
# torch's classes that they derive from.
_ELEMENTWISE_OPTIMIZERS = {
    cls
    for name, (named, _, _) in OPTIMIZERS.items()
    if name != "lbfgs"
    for cls in (named, *named.__bases__)
}

# They compute for several networks at once.
_STACKABLE_OBJECTIVES = {Objective, VariationalObjective}
_STACKABLE_LOSSES = {type(loss) for loss in NAMED_LOSSES.values()}


class TimedOutcome(NamedTuple):
    """What came of a training, its share of its group's seconds, and if it had one."""

    outcome: Outcome
    seconds: float
    was_stacked: bool


class Group(NamedTuple):
    """Trainings done at once, by their positions; or a single one, and why.

    Those of a slot are identical.
    """

    slots: list[list[int]]
    reason_alone: str | None

    @property
    def members(self) -> list[int]:
        return [i for slot in self.slots for i in slot]


class _Counted:
    """Counts the epochs of a training on a bar, beside another observer."""

    def __init__(self, observer: EpochObserver | None, bar: Any) -> None:
        self._observer, self._bar = observer, bar

    def begin_epoch(self) -> None:
        if self._observer is not None:
            self._observer.begin_epoch()

    def end_epoch(self) -> bool:
        self._bar.update()
        return self._observer is not None and self._observer.end_epoch()


def train_all(
    trainings: Sequence[Training],
    n_threads: int,
    verbose: int,
    cancellation: Cancellation,
) -> list[TimedOutcome]:
    """Train all networks, those of one kind together.

    Parameters
    ----------
    trainings : sequence of Training
    n_threads : int
        How many groups may train side by side.
    verbose : int
        Above 0, print what trains together, and what does not and why, and show a bar
        of the epochs.
    cancellation : Cancellation
        Looked at after every step.

    Returns
    -------
    outcomes : list of TimedOutcome
        In the order of the trainings.
    """
    if any(training.recorder.is_ordered for training in trainings):
        n_threads = 1
    groups = grouped(trainings, n_threads)
    bar = tqdm(
        total=sum(training.n_epochs for training in trainings),
        unit="epoch",
        desc=f"{len(trainings)} networks",
        disable=not verbose,
    )
    if verbose:
        _report(groups)
        for training in trainings:
            training.observer = _Counted(training.observer, bar)
    outcomes: dict[int, TimedOutcome] = {}

    def train(group: Group) -> None:
        members = [trainings[i] for i in group.members]
        is_stacked = len(members) > 1
        start = perf_counter()
        if is_stacked:
            slots = [[trainings[i] for i in slot] for slot in group.slots]
            own = train_stacked(slots, cancellation)
        else:
            own = {members[0]: train_alone(members[0], cancellation)}
            outcome = own[members[0]]
            if isinstance(outcome, TrainingResult) and outcome.interrupt is not None:
                # The user's, which ends the other trainings, too.
                raise outcome.interrupt
        seconds = (perf_counter() - start) / len(members)
        # Those that have stopped early have none left.
        bar.update(sum(one.n_epochs - one.n_epochs_begun for one in members))
        for i, member in zip(group.members, members, strict=True):
            outcomes[i] = TimedOutcome(own[member], seconds, is_stacked)

    with bar:
        for group in groups:
            if len(group.slots) == 1:
                net = trainings[group.members[0]].net
                with suitable_threads(net.module_, net.batch_size):
                    train(group)
        stacks = [group for group in groups if len(group.slots) > 1]
        _side_by_side(train, stacks, n_threads, cancellation)
    return [outcomes[i] for i in range(len(trainings))]


def train_together(trainings: Sequence[Training]) -> list[Outcome]:
    """Train the networks of one fit, alike ones as one.

    It is left to the trainer that `trained_by` has set, if any, which may have those of
    other fits, too. The results do not depend on the number of threads.
    """
    trainer = current_trainer()
    if trainer is not None:
        return trainer(trainings)
    return [one.outcome for one in train_all(trainings, 1, 0, Cancellation())]


def _side_by_side(
    train: Callable[[Group], None],
    groups: Sequence[Group],
    n_threads: int,
    cancellation: Cancellation,
) -> None:
    """Train groups side by side, each in one thread.

    Better than all threads at one group, since they need not wait for each other after
    every operation.
    """

    def train_in_one_thread(group: Group) -> None:
        with limited_threads(1):
            train(group)

    with ThreadPoolExecutor(n_threads, "sklearn_ae-training") as pool:
        futures = [pool.submit(train_in_one_thread, group) for group in groups]
        try:
            done = wait(futures, return_when=FIRST_EXCEPTION).done
        except BaseException:
            # The user interrupts: end after the present step.
            cancellation.requested = True
            raise
        errors = [error for future in done if (error := future.exception())]
        if errors:
            cancellation.requested = True
            pool.shutdown(cancel_futures=True)
            raise errors[0]


def _report(groups: Sequence[Group]) -> None:
    alone = Counter(group.reason_alone for group in groups if group.reason_alone)
    for reason, n in alone.items():
        print(f"Training {n} networks one at a time: {reason}")
    for group in groups:
        if not group.reason_alone:
            print(f"Training {len(group.members)} networks together")


# -- who goes together -----------------------------------------------------------------


def grouped(trainings: Sequence[Training], n_threads: int) -> list[Group]:
    """Which trainings are done together, by their positions.

    Many of one kind are shared out to `n_threads`.
    """
    groups: list[Group] = []
    kinds: list[tuple[dict[str, Any], list[int]]] = []
    for i, training in enumerate(trainings):
        reason = reason_not_batchable(training)
        if reason is not None:
            groups.append(Group([[i]], reason))
            continue
        own = what_must_agree(training)
        for known, members in kinds:
            if are_equal(known, own):
                members.append(i)
                break
        else:
            kinds.append((own, [i]))
    for _, members in kinds:
        # By positions among the members, then among all.
        identical = sets_of_identical([trainings[i] for i in members])
        slots = [[members[i] for i in positions] for positions in identical]
        share = max(SMALLEST_SHARE, -(-len(slots) // n_threads))
        best = best_group_size(trainings[members[0]].net)
        size = min(share, best)
        alone = "too large to gain by stacking" if best == 1 else "no other agrees"
        for start in range(0, len(slots), size):
            group = Group(slots[start : start + size], None)
            if len(group.members) == 1:
                group = group._replace(reason_alone=alone)
            groups.append(group)
    return groups


def reason_not_batchable(training: Training) -> str | None:
    """Why a network has to train by itself; None if it need not."""
    net = training.net
    objective = net.criterion_
    if (name := _not_stackable(net.module_)) is not None:
        return f"{name} is not stackable"
    if net.criterion not in _STACKABLE_OBJECTIVES:
        return f"{net.criterion.__name__} is not stackable"
    if type(objective.loss) not in _STACKABLE_LOSSES:
        return f"{type(objective.loss).__name__} is not stackable"
    for penalty in objective.penalties.values():
        if penalty.batchable_fields is None:
            return f"{type(penalty).__name__} is not batchable"
    if type(net.optimizer_) not in _ELEMENTWISE_OPTIMIZERS:
        return f"{type(net.optimizer_).__name__} may not treat weights one by one"
    if net.needs_isolation_:
        return "a user-defined part may draw from torch's global generator"
    if net.callbacks_:
        return "callbacks, or verbose"
    if isinstance(training.train.X, Shard):
        return "several ranks train it together"
    return None


def _not_stackable(network: Any) -> str | None:
    """The name of the class that does not declare, itself, that it is stackable."""
    cls = type(network)
    # A subclass may compute otherwise than the class that it derives from.
    if not (isinstance(network, Network) and vars(cls).get("is_stackable", False)):
        return cls.__name__
    return _not_stackable(network.network) if isinstance(network, Wrapper) else None


def what_must_agree(training: Training) -> dict[str, Any]:
    """What trainings must have in common to be done together."""
    net, train, valid = training.net, training.train, training.valid
    objective = net.criterion_
    return {
        "module": (net.module, net.get_params_for("module")),
        "gaps": net.gaps,
        "objective": (net.criterion, objective.loss, objective.loss_column),
        "penalties": {k: _kind(penalty) for k, penalty in objective.penalties.items()},
        # The likelihood depends on the scale otherwise than by a factor.
        "scale": objective.units.output.scale if _is_likelihood(net) else None,
        "parameter groups": len(net.optimizer_.param_groups),
        "n_rows": (len(train), None if valid is None else len(valid)),
        "batch_size": net.batch_size,
        "weights, targets": [
            (data.weight is None, data.target is None)
            for data in (train, valid)
            if data is not None
        ],
        "device": net.device,
        # A file belongs to one fit.
        "recorder": training.recorder,
    }


def _is_likelihood(net: AutoencoderNet) -> bool:
    return issubclass(net.criterion, VariationalObjective)


def _kind(penalty: Penalty) -> tuple[type, dict[str, Any]]:
    """A penalty without the fields that may differ."""
    free = {"weight", *(penalty.batchable_fields or ())}
    fields = penalty.get_params(deep=False)
    return type(penalty), {k: v for k, v in fields.items() if k not in free}


def best_group_size(net: AutoencoderNet) -> int:
    """How many networks of this size are best trained at once."""
    n_parameters = sum(parameter.numel() for parameter in net.module_.parameters())
    return max(1, WORKING_SET // (16 * n_parameters))
