"""Warnings of fits: parameters without effect, no progress, nothing but the mean."""

import warnings
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from sklearn_ae._ambient import default_modes
from sklearn_ae.data.batches import ArrayDataset
from sklearn_ae.data.codes import CodeMoments
from sklearn_ae.objectives.corruptions import corrupt_standardized
from sklearn_ae.training.seeding import isolated_global_generator
from sklearn_ae.training.usefulness import Usefulness, usefulness

# A unit is dead if its standard deviation is at most this share of a typical one.
DEAD = 1e-3

# Steps of `partial_fit` after which reconstructions should not be the mean any more.
# The slowest default, a sparse autoencoder with an l1 penalty, needs some 50.
ENOUGH_STEPS = 500

# Ratio of standard deviations of columns that is worth mentioning.
LARGE_SPREAD = 100


def warn_of_ignored_parameters(estimator: Any, network: Any) -> None:
    """Warn of parameters of the dense network that another one does not get."""
    ignored = {"hidden_layer_sizes"}
    if isinstance(network, type | partial):
        ignored |= {
            "activation",
            "code_activation",
            "output_activation",
            "dropout",
            # "random" is what a class does.
            *({"init"} if getattr(estimator, "init", None) == "pca" else ()),
        }
    changed = [
        f"{one.name}={value!r}"
        for one in fields(estimator)
        if one.name in ignored
        and (value := getattr(estimator, one.name)) is not one.default
        and value != one.default
    ]
    if changed:
        warnings.warn(
            f"{', '.join(changed)}: ignored, since network={network!r} does not "
            "take it. Pass arguments of a class with functools.partial.",
            UserWarning,
            stacklevel=5,
        )


def warn_of_no_progress(estimator: Any, continues: bool) -> None:
    """Warn if training has kept the weights that it started from."""
    start = (
        "weights of the previous fit" if continues else "random weights at the start"
    )
    warnings.warn(
        f"Training did not lower the loss, so that the {start} are kept. Change "
        f"learning_rate={estimator.learning_rate!r} or "
        f"max_epochs={estimator.max_epochs!r}.",
        ConvergenceWarning,
        stacklevel=4,
    )


def warn_of_mean(estimator: Any, dataset: ArrayDataset, moments: CodeMoments) -> None:
    """Warn if the reconstructions are little more than the mean of the data."""
    found = _usefulness(estimator, dataset)
    if found is not None and found.is_mean:
        more = f"raise max_epochs={estimator.max_epochs!r}"
        _warn_of_mean(estimator, found, moments, [more, "use another learning_rate"])


def warn_of_mean_in_parts(
    estimator: Any, dataset: ArrayDataset, moments: CodeMoments, n_steps: int
) -> None:
    """Warn if the reconstructions have become the mean in calls of `partial_fit`.

    `n_steps` is the number of steps of a call. A part of the data says less than all of
    it, and there may be very many: they are looked at whenever the number of calls has
    doubled, which costs next to nothing.
    """
    n_calls = estimator.n_iter_
    is_doubled = n_calls & (n_calls - 1) == 0
    if not is_doubled or n_calls * n_steps < ENOUGH_STEPS:
        return
    found = _usefulness(estimator, dataset)
    if found is not None and found.is_constant:
        other = f"use another learning_rate than {estimator.net_.lr:.3g}"
        _warn_of_mean(estimator, found, moments, [other])


def _usefulness(estimator: Any, dataset: ArrayDataset) -> Usefulness | None:
    """That for the rows as they are or, where it is larger, for corrupted rows.

    A network that is trained on rows with a gap may be of use for such rows only.
    """
    net = estimator.net_
    measured = partial(usefulness, net.module_, dataset, estimator.n_components_)
    with default_modes():
        found = measured()
        if found is None or not found.is_mean or net.corruption is None:
            return found
        # A copy: further training does not depend on this.
        noise = torch.Generator(net.noise_.device).set_state(net.noise_.get_state())
        corrupt = partial(
            corrupt_standardized,
            net.corruption,
            generator=noise,
            units=net.standardize,
        )
        # Corruptions of the user's own may draw from torch's global generators.
        seeds, device = torch.Generator().manual_seed(0), torch.device(net.device)
        with isolated_global_generator(seeds, device):
            corrupted = measured(corrupt=corrupt)
        return max(found, corrupted, key=lambda one: one.explained)


def _warn_of_mean(
    estimator: Any, found: Usefulness, moments: CodeMoments, tries: list[str]
) -> None:
    deviations = np.sqrt(np.maximum(np.diag(moments.covariance), 0.0))
    # Codes that tell rows apart are of order one in the units of the network.
    dead = np.mean(deviations <= DEAD)
    silent = f", and {dead:.0%} of the units of the code hardly vary" if dead else ""
    large = [
        f"{name}={getattr(estimator, name)!r}"
        for name in estimator._regularizers()
        if getattr(estimator, name, 0)
    ]
    if large:
        tries = [f"lower {' and '.join(large)}", *tries]
    if found.spread > LARGE_SPREAD:
        scaling = (
            f"scale the columns, whose standard deviations are up to "
            f"{found.spread:.0e} times their median, with StandardScaler"
        )
        tries = [scaling, *tries]
    warnings.warn(
        "The reconstructions are little more than the mean of the data: they "
        f"explain {max(found.explained, 0.0):.1%} of its variance"
        f"{silent}. Try to {', or to '.join(tries)}. Data without structure may "
        "give this result with any setting.",
        ConvergenceWarning,
        stacklevel=5,
    )
