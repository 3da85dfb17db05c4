"""Comparisons of scores that leave differences by rounding out."""

import re
from typing import Any

import numpy as np
from scipy.stats import rankdata

# Relative difference of scores that rounding explains: a unit in the last place of
# single precision, in which networks compute. More would hide small effects.
ROUNDING = float(np.finfo(np.float32).eps)


def settle_ranks(results: dict[str, Any]) -> None:
    """Rank candidates as if scores of a fold that differ by rounding were equal.

    Parameters
    ----------
    results : dict
        As `cv_results_`; every ``rank_test_*`` in it is replaced.
    """
    for name in results:
        if name.startswith("rank_test_"):
            means = settled_means(results, name.removeprefix("rank_"))
            results[name] = ranks_of(means).astype(results[name].dtype)


def settle_scores(results: dict[str, Any]) -> None:
    """The same for a halving search, which compares mean scores instead of ranks.

    Parameters
    ----------
    results : dict
        As `cv_results_`; ``mean_test_score`` is replaced, too.
    """
    settle_ranks(results)
    results["mean_test_score"] = settled_means(results, "test_score")


def settled_means(results: dict[str, Any], name: str) -> np.ndarray:
    """Means over the folds, computed from the settled scores of each fold.

    Not settled means: those of the same scores in another order of the folds may differ
    by rounding, as they do in scikit-learn.
    """
    fold = re.compile(rf"split\d+_{re.escape(name)}")
    scores = [settled(results[key]) for key in results if fold.fullmatch(key)]
    # As scikit-learn computes it, to the last bit.
    return np.average(np.stack(scores, axis=1), axis=1)


def settled(scores: np.ndarray) -> np.ndarray:
    """For each score the highest one that is equal to it up to rounding."""
    shared, highest = scores.copy(), np.nan
    for i in np.argsort(-scores, kind="stable"):
        if not np.isclose(scores[i], highest, rtol=ROUNDING, atol=0):
            highest = scores[i]
        shared[i] = highest
    return shared


def ranks_of(means: np.ndarray) -> np.ndarray:
    """Ranks, 1 for the highest, as in scikit-learn: nan comes last."""
    return rankdata(np.where(np.isnan(means), np.inf, -means), method="min")
