"""Learning-rate schedules and optimisers by name."""

import math
import pickle

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from sklearn_ae import Autoencoder, ContractiveAutoencoder
from sklearn_ae.training.loop import schedulers
from sklearn_ae.training.settings import OPTIMIZERS, SCHEDULES, resolve_optimizer

RATE, N_EPOCHS, N_BATCHES = 0.2, 4, 5


def optimizer_of(rate=RATE, cls=torch.optim.SGD):
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.ones(1)
    return cls([parameter], lr=rate)


def rates(name, losses=None):
    """The learning rate of every step under `schedulers`."""
    optimizer = optimizer_of()
    every_step, every_epoch = schedulers(name, optimizer, N_EPOCHS, N_BATCHES)
    losses = np.zeros(N_EPOCHS) if losses is None else losses
    found = []
    for loss in losses:
        for _ in range(N_BATCHES):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if every_step is not None:
                every_step.step()
        if every_epoch is not None:
            every_epoch.step(loss)
    return found


# -- schedules -------------------------------------------------------------------------


def test_constant():
    assert rates("constant") == [RATE] * (N_EPOCHS * N_BATCHES)


def test_cosine_in_closed_form():
    """From the learning rate to zero along half a wave, in the steps of the fit."""
    n = N_EPOCHS * N_BATCHES
    expected = [RATE / 2 * (1 + math.cos(math.pi * t / n)) for t in range(n)]
    assert rates("cosine") == pytest.approx(expected)


def test_one_cycle_against_torch():
    n = N_EPOCHS * N_BATCHES
    optimizer = optimizer_of()
    reference = lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=RATE,
        total_steps=n + 1,
        pct_start=0.1,
        cycle_momentum=False,
    )
    expected = []
    for _ in range(n):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    found = rates("one_cycle")
    assert found == pytest.approx(expected)
    # Up to the given rate, and down to next to nothing.
    assert max(found) == pytest.approx(RATE, rel=0.05)
    assert found[0] == pytest.approx(RATE / 25)
    assert found[-1] < RATE / 25
    peak = int(np.argmax(found))
    assert 0 < peak < n / 2
    assert (np.diff(found[:peak]) > 0).all()
    assert (np.diff(found[peak:]) < 0).all()


def test_reduce_on_plateau_against_torch():
    losses = [1.0, 0.5] + [0.5] * 20
    optimizer = optimizer_of()
    reference = lr_scheduler.ReduceLROnPlateau(optimizer, patience=5)
    expected = []
    for loss in losses:
        expected += [optimizer.param_groups[0]["lr"]] * N_BATCHES
        reference.step(loss)
    found = rates("reduce_on_plateau", losses)
    assert found == pytest.approx(expected)
    assert found[0] == RATE
    assert found[-1] < RATE / 50


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("n_epochs", "n_batches"), [(0, 3), (1, 1)])
def test_hardly_any_steps(name, n_epochs, n_batches):
    optimizer = optimizer_of()
    every_step, every_epoch = schedulers(name, optimizer, n_epochs, n_batches)
    for _ in range(n_epochs):
        optimizer.step()
        if every_step is not None:
            every_step.step()
        if every_epoch is not None:
            every_epoch.step(1.0)
    assert 0 <= optimizer.param_groups[0]["lr"] <= RATE


@pytest.mark.parametrize("name", SCHEDULES)
def test_momentum_is_left_alone(name):
    """By default torch's one-cycle schedule moves the momentum as well."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.ones(1)
    optimizer = torch.optim.SGD([parameter], lr=RATE, momentum=0.8)
    every_step, _ = schedulers(name, optimizer, N_EPOCHS, N_BATCHES)
    for _ in range(7):
        optimizer.step()
        if every_step is not None:
            every_step.step()
        assert optimizer.param_groups[0]["momentum"] == 0.8


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_of_a_fit(name, table, recwarn):
    """The fit hands the right numbers of epochs and batches to the schedule."""
    est = Autoencoder(
        2,
        learning_rate=RATE / 100,
        learning_rate_schedule=name,
        validation=None,
        batch_size=12,  # 60 rows: five batches
        max_epochs=N_EPOCHS,
        random_state=0,
    ).fit(table)
    # The history holds the rate with which the next epoch begins.
    expected = [100 * r for r in est.history_["learning_rate"][:-1]]
    assert expected == pytest.approx(rates(name)[N_BATCHES::N_BATCHES])
    assert not recwarn.list


# -- optimisers by name ----------------------------------------------------------------

# What belongs to the name. Numbers found by trials may move, and are left open.
TRIED = {"adam": {"eps", "betas"}, "adamw": {"eps", "betas", "weight_decay"}}
TRIED["lbfgs"] = {"history_size", "max_eval"}
EXPECTED = {
    "sgd": (torch.optim.SGD, {"momentum": 0, "nesterov": False}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9, "nesterov": False}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (torch.optim.Adagrad, {}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adam": (torch.optim.Adam, {"weight_decay": 0, "amsgrad": False}),
    "adamw": (torch.optim.AdamW, {"amsgrad": False}),
    "lbfgs": (
        torch.optim.LBFGS,
        {"max_iter": 1, "line_search_fn": "strong_wolfe"},
    ),
}


def test_every_name_is_expected():
    assert set(OPTIMIZERS) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_class_and_settings(name):
    cls, settings, rate = resolve_optimizer(name, None, None)
    expected_cls, expected_settings = EXPECTED[name]
    assert issubclass(cls, expected_cls)
    optimizer = cls([torch.nn.Parameter(torch.zeros(1))], lr=rate, **settings)
    group = optimizer.param_groups[0]
    assert expected_settings.items() <= group.items()
    # Whatever else there is, is torch's own default.
    plain = cls([torch.nn.Parameter(torch.zeros(1))]).param_groups[0]
    ours = {"params", "lr", "fused", "foreach", *expected_settings}
    ours |= TRIED.get(name, set())
    assert {k: v for k, v in group.items() if k not in ours} == {
        k: v for k, v in plain.items() if k not in ours
    }
    assert 0 < rate <= 1


def test_rmsprop_goes_as_far_as_adam():
    # At a fifth of Adam's rate it came to a share of .28.
    r = np.random.default_rng(0).normal(size=(200, 1))
    X = np.hstack([r, 100 * r])
    scores = [
        ContractiveAutoencoder(1, optimizer=name, max_epochs=150, random_state=0)
        .fit(X)
        .score(X)
        for name in ("adam", "rmsprop")
    ]
    assert scores[1] > scores[0] - 0.05 > 0.8


@pytest.mark.parametrize("name", ["sgd", "adagrad", "adam", "adamw"])
def test_fused_where_torch_has_it(name):
    _, settings, _ = resolve_optimizer(name, None, None)
    assert settings["fused"] is True


def test_not_fused_where_torch_has_not():
    assert "fused" not in resolve_optimizer("rmsprop", None, None)[1]
    assert "fused" not in resolve_optimizer(torch.optim.LBFGS, None, None)[1]


@pytest.mark.parametrize("key", ["fused", "foreach", "differentiable"])
def test_the_users_kernel_wins(key):
    _, settings, _ = resolve_optimizer("adam", {key: False}, None)
    assert settings[key] is False
    assert not settings.get("fused")


def test_the_users_params_win():
    _, settings, rate = resolve_optimizer("momentum", {"momentum": 0.5}, 0.7)
    assert settings["momentum"] == 0.5
    assert rate == 0.7
    # And the table of names is left as it was.
    assert OPTIMIZERS["momentum"][1] == {"momentum": 0.9}


def test_classes_bring_their_own_rate():
    assert resolve_optimizer(torch.optim.NAdam, None, None)[2] == 2e-3
    assert resolve_optimizer(torch.optim.NAdam, None, 0.1)[2] == 0.1


def test_params_reach_the_optimizer_of_a_fit(table):
    est = Autoencoder(
        2,
        optimizer="adamw",
        optimizer_params={"betas": (0.5, 0.6), "weight_decay": 0.125},
        learning_rate=0.01,
        learning_rate_schedule="constant",
        max_epochs=1,
    ).fit(table)
    group = est.net_.optimizer_.param_groups[0]
    assert isinstance(est.net_.optimizer_, torch.optim.AdamW)
    assert tuple(group["betas"]) == (0.5, 0.6)
    assert group["weight_decay"] == 0.125
    assert group["lr"] == 0.01
    assert group["fused"]


def trained(cls, settings):
    """Weights, state and the number of hook calls after some steps."""
    generator = torch.Generator().manual_seed(0)
    weight, bias = (
        torch.nn.Parameter(torch.randn(shape, generator=generator))
        for shape in ((3, 2), (3,))
    )
    groups = [{"params": [weight]}, {"params": [bias], "lr": 0.02}]
    optimizer = cls(groups[:1], lr=0.1, **settings)
    optimizer.add_param_group(groups[1])
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))
    schedule, _ = schedulers("one_cycle", optimizer, 2, 4)

    def closure():
        optimizer.zero_grad()
        assert weight.grad is None
        loss = (weight.square().sum() - bias.sum()).square()
        loss.backward()
        return loss

    losses = []
    for step in range(6):
        if step == 3:  # goes on in another optimizer
            state = optimizer.state_dict()
            optimizer = cls(groups, lr=0.1, **settings)
            optimizer.load_state_dict(state)
        with_closure = step % 2 == 0
        loss = optimizer.step(closure) if with_closure else closure()
        if not with_closure:
            assert optimizer.step() is None
        losses.append(loss.item())
        schedule.step()
    assert torch.is_grad_enabled()
    return [weight.detach(), bias.detach(), torch.tensor(losses)], optimizer, calls


# L-BFGS has one group of parameters and needs a closure in every step.
@pytest.mark.parametrize("name", sorted(OPTIMIZERS.keys() - {"lbfgs"}))
def test_named_optimizers_are_those_of_torch(name):
    """They leave out what torch does for its compiler only: equal to the bit."""
    cls, settings, _ = resolve_optimizer(name, None, None)
    found, optimizer, calls = trained(cls, settings)
    expected, reference, expected_calls = trained(EXPECTED[name][0], settings)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    assert str(optimizer) == str(reference)
    assert calls == expected_calls == ["before", "after"] * 3
    for one, other in zip(
        optimizer.state.values(), reference.state.values(), strict=True
    ):
        assert one.keys() == other.keys()
    # Its class is found by its name.
    assert type(pickle.loads(pickle.dumps(optimizer))) is cls


@pytest.mark.parametrize(
    ("groups", "error"),
    [
        ([], ValueError),
        (torch.zeros(2, requires_grad=True), TypeError),
        ([torch.zeros(2, requires_grad=True) + 1], ValueError),
        ([{"params": {torch.zeros(2, requires_grad=True)}}], TypeError),
    ],
    ids=["none", "a tensor", "no leaf", "a set"],
)
def test_named_optimizers_check_their_parameters(groups, error):
    with pytest.raises(error) as theirs:
        torch.optim.AdamW(groups)
    with pytest.raises(error) as ours:
        resolve_optimizer("adamw", None, None)[0](groups)
    assert str(ours.value) == str(theirs.value)


# -- optimisers at work ----------------------------------------------------------------


CLASSES = [torch.optim.NAdam, torch.optim.Adamax, torch.optim.RAdam]


@pytest.mark.parametrize("optimizer", [*EXPECTED, *CLASSES], ids=str)
def test_loss_falls_below_the_start(optimizer, digits):
    """With its default rate, on the rows it learns from.

    The start is PCA, which is not easy to better.
    """
    train = digits[0][::2]
    est = Autoencoder(8, optimizer=optimizer, validation=None, random_state=0)
    start = est.set_params(max_epochs=0).fit(train).score(train)
    est.set_params(max_epochs=20).fit(train)
    assert 1 - est.score(train) < 0.998 * (1 - start)
    assert est.loss_curve_[-1] < 0.998 * est.loss_curve_[0]


@pytest.mark.parametrize("optimizer", EXPECTED)
def test_loss_falls_from_a_random_start(optimizer, digits):
    train, _ = digits
    est = Autoencoder(
        8, optimizer=optimizer, init="random", max_epochs=20, random_state=0
    ).fit(train)
    # Better than the mean of the data, which is where the random start begins.
    assert est.score(train) > 0.05
    assert est.loss_curve_[-1] < 0.95 * est.loss_curve_[0]
    assert est.best_loss_ == est.validation_loss_curve_.min()


def test_lbfgs(digits):
    """It evaluates the loss several times a step, through the closure."""
    X = digits[0]
    est = Autoencoder(
        4,
        optimizer=torch.optim.LBFGS,
        optimizer_params={"line_search_fn": "strong_wolfe"},
        learning_rate=1.0,
        learning_rate_schedule="constant",
        batch_size=len(X),
        validation=None,
        max_epochs=3,
        random_state=0,
    ).fit(X)
    assert (np.diff(est.loss_curve_) < 0).all()
    assert est.loss_curve_[-1] < 0.9 * est.loss_curve_[0]
