"""Ranks in which scores that differ by rounding are equal."""

from typing import Any

import numpy as np

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


def ranks_up_to_rounding(scores: np.ndarray) -> np.ndarray:
    """Ranks of scores, 1 for the highest and those equal to it up to rounding.

    As in scikit-learn, the others have as rank one more than the number of candidates
    before them, and nan comes last.
    """
    ranks = np.ones(len(scores), dtype=int)
    if np.isnan(scores).all():
        return ranks
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-scores, kind="stable")
    best, rank = scores[order[0]], 1
    for position, i in enumerate(order, start=1):
        if not np.isclose(scores[i], best, rtol=ROUNDING, atol=0):
            best, rank = scores[i], position
        ranks[i] = rank
    return ranks
