"""The fits of a search, shared out to workers that are other processes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from sklearn_ae.batched import Fit, run_together
from sklearn_ae.model_selection._joblib_compat import (
    Task,
    failures_explained,
    keywords_of,
    with_common,
    without_common,
)

# Fewer fits of a kind need not be divided for its own sake: trained together they take
# little longer than one.
SMALLEST_PART = 8

# Parameters that networks which train together have in common: by them fits of one kind
# are told before they have begun. An error here costs time only, since the worker looks
# at the networks themselves.
IN_COMMON = {
    "activation",
    "batch_size",
    "code_activation",
    "device",
    "dropout",
    "hidden_layer_sizes",
    "init",
    "k",
    "loss",
    "n_components",
    "network",
    "output_activation",
    "sparsity",
    "tied_weights",
    "validation",
}


def run_shares(tasks: Sequence[Task], *, n_jobs: int, verbose: int = 0) -> list[Fit]:
    """Run fits in the workers of joblib's active backend, which are other processes.

    Each worker trains its share of them together.

    Parameters
    ----------
    tasks : sequence of Task
        Fits of a search.

    n_jobs : int
        How many workers there are.

    verbose : int
        Above 0, print how many fits are sent; each worker prints what it trains
        together.

    Returns
    -------
    fits : list of Fit
        In the order of the tasks.

    Raises
    ------
    RuntimeError
        If the backend has cancelled them, or hides an error. What else a fit or the
        backend raises stays as it is.
    """
    shares = shared_out(tasks, n_jobs)
    if verbose:
        sizes = ", ".join(str(len(share)) for share in shares)
        print(f"Fits sent to workers, by the shares that train together: {sizes}")
    # Arguments of their own, so that each worker is sent the data at most once.
    bare, common = without_common(tasks)
    with failures_explained():
        # Not as a context: with it, joblib has backends start anew after an error or an
        # interrupt, and the one of Spark fails at that.
        results = Parallel(n_jobs, pre_dispatch="all", batch_size=1)(
            delayed(_run_share)([bare[i] for i in share], verbose, *common)
            for share in shares
        )
    fits = {
        i: fit
        for share, of_share in zip(shares, results, strict=True)
        for i, fit in zip(share, of_share, strict=True)
    }
    return [fits[i] for i in range(len(tasks))]


def _run_share(tasks: Sequence[Task], verbose: int, *common: Any) -> list[Fit]:
    # One job: the other processors have shares of their own.
    return run_together(with_common(tasks, common), n_jobs=1, verbose=verbose)


def shared_out(tasks: Sequence[Task], n_workers: int) -> list[list[int]]:
    """Positions of the fits of each worker, at most `n_workers` shares.

    Each kind of fits is cut into as many parts as there are workers, since kinds may
    differ in costs, or into fewer if the parts were small. No part is larger than a
    fair share of all fits, and each goes to the worker with the fewest. Fits of a fold
    stay together, so that what they have in common, such as the first steps of a
    pipeline, is computed in few places.
    """
    kinds: dict[tuple, list[int]] = {}
    for i, task in enumerate(tasks):
        kinds.setdefault(_kind(task), []).append(i)
    folds = [_fold(task) for task in tasks]
    parts: list[list[int]] = []
    for members in kinds.values():
        members.sort(key=lambda i: folds[i])
        fairly = -(-len(members) * n_workers // len(tasks))
        n_parts = min(n_workers, max(fairly, len(members) // SMALLEST_PART))
        bounds = [len(members) * part // n_parts for part in range(n_parts + 1)]
        parts += [members[a:b] for a, b in pairwise(bounds)]
    shares: list[list[int]] = [[] for _ in range(n_workers)]
    for part in sorted(parts, key=len, reverse=True):
        min(shares, key=len).extend(part)
    return [share for share in shares if share]


def _kind(task: Task) -> tuple:
    """What fits whose networks train together have in common, as far as is known."""
    keywords = keywords_of(task)
    parameters = keywords.get("parameters") or {}
    return np.size(keywords.get("train")), *(
        (name, repr(value))
        for name, value in sorted(parameters.items())
        # Of an estimator all parameters are its own.
        if name.rpartition("__")[2] in IN_COMMON or hasattr(value, "get_params")
    )


def _fold(task: Task) -> int:
    return keywords_of(task)["split_progress"][0]
