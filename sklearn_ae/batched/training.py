"""The training of one group, each network with the outcome that it would have alone."""

from collections.abc import Callable, Sequence

from sklearn_ae.batched.cancellation import Cancellation
from sklearn_ae.batched.networks import StackedNetworks
from sklearn_ae.training.loop import Outcome, Training, TrainingResult, train


def train_alone(training: Training, cancellation: Cancellation) -> Outcome:
    """Train a network by itself."""
    hook = training.net.optimizer_.register_step_post_hook(
        lambda *_: cancellation.check()
    )
    try:
        return train(training, alone=True)
    except Exception as error:
        return error
    finally:
        hook.remove()


def train_stacked(
    slots: Sequence[Sequence[Training]], cancellation: Cancellation
) -> dict[Training, Outcome]:
    """Train networks that agree in all that must, those of a slot as one.

    After a cancellation the networks must be discarded.
    """
    members = [training for slot in slots for training in slot]
    record = members[0].recorder.begin(members)
    outcomes = {
        training: outcome
        for training, outcome in zip(members, record.outcomes, strict=False)
        if outcome is not None
    }
    if record.has_ended:
        return outcomes
    stack = StackedNetworks(slots, cancellation)
    for training in stack.trainings:
        training.begin()
    if outcomes:
        # As when they ended; the places of the others, and so their bits, are the same.
        stack.release(outcomes)
        for training in outcomes:
            training.close()
    _end(stack, {t: t.finish for t in stack.trainings if t.n_epochs == 0}, outcomes)
    record.restore()
    if record.stack is not None:
        stack.load_state(record.stack)
    while stack.trainings:
        _end(stack, _train_epoch(stack, outcomes), outcomes)
        if stack.trainings:
            record.save([outcomes.get(t) for t in members], stack.state)
    record.end([outcomes[t] for t in members])
    return outcomes


def _train_epoch(
    stack: StackedNetworks, outcomes: dict[Training, Outcome]
) -> dict[Training, Callable[[], TrainingResult | None]]:
    """Train for an epoch; how to end the trainings whose last it was."""
    for training in stack.trainings:
        training.begin_epoch()
    trained, validated = stack.train(), stack.validate()
    stack.update_nets()
    ended: dict[Training, Callable[[], TrainingResult | None]] = {}
    for training in stack.trainings:
        try:
            training.net.record("train", trained[training])
            if training.valid is not None:
                training.net.record("valid", validated[training])
            if not training.end_epoch():
                ended[training] = training.finish
        except ValueError as error:
            outcomes[training] = error
            ended[training] = training.close
    return ended


def _end(
    stack: StackedNetworks,
    ended: dict[Training, Callable[[], TrainingResult | None]],
    outcomes: dict[Training, Outcome],
) -> None:
    if ended:
        stack.release(ended)
    for training, end in ended.items():
        try:
            result = end()
        except ValueError as error:
            outcomes[training] = error
        else:
            if result is not None:
                outcomes[training] = result
