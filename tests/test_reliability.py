"""Failures at any moment change nothing, and training goes on after them."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from pages import doctest_names
from sklearn.base import clone
from skorch.callbacks import Callback

from sklearn_ae import (
    Autoencoder,
    AutoencoderClassifier,
    AutoencoderOutlierDetector,
    DenoisingAutoencoder,
    StackedAutoencoder,
)

EVENTS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_batch_begin",
    "on_grad_computed",
    "on_batch_end",
    "on_epoch_end",
    "on_train_end",
)
X = np.random.RandomState(0).standard_normal((18, 4))
Y = np.arange(18) % 2
BRIEFLY = {"max_epochs": 2, "random_state": 0}
PLAIN = Autoencoder(2, init="random", **BRIEFLY)


class Failing(Callback):
    """Fails at an event."""

    def __init__(self, event):
        self.event = event


def failing_at(event):
    def method(self, *args, **kwargs):
        if self.event == event:
            raise ZeroDivisionError(event)

    return method


for event in EVENTS:
    setattr(Failing, event, failing_at(event))


# Name -> (estimator, the parameter that takes callbacks, method that trains).
TRAININGS = {
    "candidates": (Autoencoder(2, validation=0.3, **BRIEFLY), "callbacks", "fit"),
    "one network": (PLAIN, "callbacks", "fit"),
    "warm start": (clone(PLAIN).set_params(warm_start=True), "callbacks", "fit"),
    "partial fit": (DenoisingAutoencoder(2, **BRIEFLY), "callbacks", "partial_fit"),
    "layers": (
        StackedAutoencoder(2, layer=PLAIN, pretrain_epochs=1, **BRIEFLY),
        "layer__callbacks",
        "fit",
    ),
    "stack": (StackedAutoencoder(2, pretrain_epochs=1, **BRIEFLY), "callbacks", "fit"),
    "pretraining": (
        AutoencoderClassifier(PLAIN, **BRIEFLY),
        "autoencoder__callbacks",
        "fit",
    ),
    "fine-tuning": (AutoencoderClassifier(PLAIN, **BRIEFLY), "callbacks", "fit"),
    "detector": (
        AutoencoderOutlierDetector(PLAIN, random_state=0),
        "autoencoder__callbacks",
        "fit",
    ),
}


def numbers(estimator):
    """Everything in a fitted estimator, weights and state of the optimizer included."""
    return pickle.dumps(estimator.__getstate__())


@pytest.mark.parametrize("name", TRAININGS)
def test_failures_at_any_event_change_nothing(name):
    estimator, parameter, method = TRAININGS[name]
    fitted = clone(estimator).fit(X, Y)
    for event in EVENTS:
        fitted.set_params(**{parameter: [Failing(event)]})
        before, state = dict(vars(fitted)), numbers(fitted)
        with pytest.raises(ZeroDivisionError, match=event):
            getattr(fitted, method)(X + 1, Y)
        assert vars(fitted).keys() == before.keys()
        assert all(vars(fitted)[name] is value for name, value in before.items())
        assert numbers(fitted) == state


# -- training that is killed -----------------------------------------------------------


class Killed(BaseException):
    """Ends a process at once."""


@pytest.fixture(scope="module")
def train_in_file():
    page = Path(__file__).parents[1] / "docs" / "user_guide" / "reliability.rst"
    return doctest_names(page, "def train_in_file")["train_in_file"]


@pytest.mark.parametrize("moment", ["before", "half written", "written", "replaced"])
def test_training_survives_being_killed(train_in_file, moment, tmp_path, monkeypatch):
    """At every epoch of the loop in the guide, at each of its steps."""
    expected = train_in_file(tmp_path / "whole.pickle", X, n_epochs=3)
    path = tmp_path / "killed.pickle"
    replace, write = os.replace, Path.write_bytes

    def killed(*args):
        if moment == "half written":
            write(args[0], args[1][: len(args[1]) // 2])
        if moment == "replaced":
            replace(*args)
        raise Killed

    where = {"before": (pickle, "dumps"), "half written": (Path, "write_bytes")}
    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(*where.get(moment, (os, "replace")), killed)
            with pytest.raises(Killed):
                train_in_file(path, X, n_epochs=3)
        if moment != "replaced":
            n = 1 + pickle.loads(path.read_bytes()).n_iter_ if path.exists() else 1
            assert train_in_file(path, X, n_epochs=n).n_iter_ == n
    resumed = train_in_file(path, X, n_epochs=3)
    assert resumed.n_iter_ == 3
    np.testing.assert_array_equal(resumed.transform(X), expected.transform(X))
