"""The training of one group, each network with the outcome that it would have alone."""

from collections.abc import Sequence

from sklearn_ae.batched.cancellation import Cancellation
from sklearn_ae.batched.networks import StackedNetworks
from sklearn_ae.training.collecting import Training
from sklearn_ae.training.net import AutoencoderNet, StopTraining

Errors = dict[AutoencoderNet, Exception]


def train_alone(training: Training, cancellation: Cancellation) -> Errors:
    """Train a network by itself; its error, if there is one."""
    hook = training.net.optimizer_.register_step_post_hook(
        lambda *_: cancellation.check()
    )
    try:
        training.do()
    except Exception as error:
        return {training.net: error}
    finally:
        hook.remove()
    return {}


def train_stacked(trainings: Sequence[Training], cancellation: Cancellation) -> Errors:
    """Train networks that agree in all that must; what went wrong with which of them.

    As after `AutoencoderNet.train`, they have their best weights. After a cancellation
    they are of no use.
    """
    errors: Errors = {}
    for net, train, valid, n_epochs in trainings:
        net.prepare(train, valid, n_epochs)
        net.notify("on_train_begin", X=train, y=None)
    stack = StackedNetworks(trainings, cancellation)
    _release(stack, [t.net for t in trainings if t.n_epochs == 0], errors)
    epoch = 0
    while stack.trainings:
        epoch += 1
        _release(stack, _train_epoch(stack, epoch, errors), errors)
    return errors


def _train_epoch(
    stack: StackedNetworks, epoch: int, errors: Errors
) -> list[AutoencoderNet]:
    """Train for an epoch; the networks that have finished."""
    for net, train, valid, _ in stack.trainings:
        net.notify("on_epoch_begin", dataset_train=train, dataset_valid=valid)
    trained, validated = stack.train(), stack.validate()
    stack.update_nets()
    finished = []
    for i, (net, train, valid, n_epochs) in enumerate(stack.trainings):
        try:
            net.record("train", trained[i], training=True)
            if validated is not None:
                net.record("valid", validated[i], training=False)
            net.notify("on_epoch_end", dataset_train=train, dataset_valid=valid)
            if epoch == n_epochs:
                finished.append(net)
        except StopTraining:
            finished.append(net)
        except ValueError as error:
            errors[net] = error
            finished.append(net)
    return finished


def _release(
    stack: StackedNetworks, finished: Sequence[AutoencoderNet], errors: Errors
) -> None:
    if not finished:
        return
    datasets = {net: (train, valid) for net, train, valid, _ in stack.trainings}
    stack.release(finished)
    for net in finished:
        train, valid = datasets[net]
        net.wind_up(train)
        if valid is None and net not in errors:
            try:
                net.check_end(train)
            except ValueError as error:
                errors[net] = error
