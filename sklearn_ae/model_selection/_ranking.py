"""Ties between scores that differ by rounding."""

from typing import Any

import numpy as np
from scipy.stats import rankdata

# Relative difference of scores that rounding explains: a unit in the last place of
# single precision, in which networks compute. More would hide small effects.
ROUNDING = float(np.finfo(np.float32).eps)


def share_ranks(results: dict[str, Any]) -> None:
    """Give candidates whose mean scores are equal up to rounding the same ranks.

    Parameters
    ----------
    results : dict
        As `cv_results_`; every ``rank_test_*`` in it is replaced.
    """
    for name in results:
        if name.startswith("rank_test_"):
            scores = results[f"mean_{name.removeprefix('rank_')}"]
            results[name] = ranks_up_to_rounding(scores).astype(results[name].dtype)


def share_scores(results: dict[str, Any]) -> None:
    """Give candidates of an iteration whose mean scores are equal up to rounding one.

    A halving search compares the scores themselves.

    Parameters
    ----------
    results : dict
        As `cv_results_` of a halving search; changes ``mean_test_score`` in place.
    """
    scores = results["mean_test_score"]
    for iteration in np.unique(results["iter"]):
        where = results["iter"] == iteration
        scores[where] = scores_up_to_rounding(scores[where])


def scores_up_to_rounding(scores: np.ndarray) -> np.ndarray:
    """For each score the highest one that is equal to it up to rounding."""
    shared, highest = scores.copy(), np.nan
    for i in np.argsort(-scores, kind="stable"):
        if not np.isclose(scores[i], highest, rtol=ROUNDING, atol=0):
            highest = scores[i]
        shared[i] = highest
    return shared


def ranks_up_to_rounding(scores: np.ndarray) -> np.ndarray:
    """Ranks of scores, 1 for the highest and those equal to it up to rounding.

    As in scikit-learn, the others have as rank one more than the number of candidates
    before them, and nan comes last.
    """
    shared = scores_up_to_rounding(scores)
    return rankdata(np.where(np.isnan(shared), np.inf, -shared), method="min")
