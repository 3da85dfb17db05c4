"""Tables with missing entries: the parameters, the checks, and what fills the gaps."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from sklearn_ae._sklearn_compat import StrOptions, is_scalar_nan
from sklearn_ae.data.gaps import choose_rank, completed, fit_gaussian
from sklearn_ae.data.ranks import current_ranks
from sklearn_ae.data.tables import blocks, column_ranges, has_gaps
from sklearn_ae.networks.completing import Gaps

# Largest share of the observed entries that training hides, where a table has gaps: the
# network learns to predict them.
HIDDEN_SHARE = 0.2


@dataclass(kw_only=True, eq=False, repr=False)
class MissingValues:
    """What to do with missing entries.

    Parameters
    ----------
    missing_values : "error" or np.nan, default="error"
        "error" raises an error if an entry is NaN. With ``np.nan`` such an entry is
        missing, in `X` and in its targets, in all methods: losses, errors and scores
        are those of the observed entries; codes and reconstructions have no gaps. In
        place of a missing entry the network sees what is expected given the observed
        entries of the row, under a Gaussian that `fit` estimates from all observed
        entries (probabilistic PCA). If `X` has gaps, training hides as large a share of
        the observed inputs at random, at most a fifth, differently in every step, and
        still asks for their reconstruction. Rows without any value do not count; a
        column without any value in `fit` is an error. To fill a table, see
        `sklearn_ae.AutoencoderImputer`.

    missing_indicator : bool, default=False
        Double the inputs of a dense network: the further ones are 1 where an entry is
        missing, else 0. For tables in which the absence of a value says something.
        Needs ``missing_values=np.nan`` and ``tied_weights=False``.
    """

    missing_values: str | float = "error"
    missing_indicator: bool = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "missing_values": [StrOptions({"error"}), "nan"],
        "missing_indicator": ["boolean"],
    }


def takes_gaps(estimator: Any) -> bool:
    """Whether entries of its tables may be missing, which is NaN."""
    return is_scalar_nan(getattr(estimator, "missing_values", None))


def finite_check(estimator: Any) -> dict[str, Any]:
    """Arguments of `check_array` for tables that may have gaps."""
    return {"ensure_all_finite": "allow-nan"} if takes_gaps(estimator) else {}


def check_one_process() -> None:
    ranks = current_ranks()
    if ranks is not None:
        raise ValueError(
            f"missing_values=np.nan cannot be trained by {ranks.size} processes "
            "together. Fill in missing values first, for instance with "
            "AutoencoderImputer, and set missing_values='error'."
        )


def without_empty_rows(
    estimator: Any,
    X: Any,
    target: Any,
    weight: np.ndarray | None,
    suffix: str = "",
    *,
    is_first: bool = False,
) -> np.ndarray | None:
    """Weights that are zero where nothing has been observed, of inputs or targets.

    Raises a ValueError if nothing has been observed in a column by a first fit, which
    would know nothing of it.
    """
    for table, name in ((X, f"X{suffix}"), (target, f"X_target{suffix}")):
        if table is None or not has_gaps(table):
            continue
        rows = np.arange(table.shape[0]) if weight is None else np.flatnonzero(weight)
        seen = np.zeros(table.shape[0], dtype=bool)
        stop = 0
        for block, _ in blocks(table, rows):
            part, stop = rows[stop : stop + len(block)], stop + len(block)
            seen[part] = ~np.isnan(block).all(axis=1)
        if not seen.any():
            raise ValueError(f"{name} has no observed entries: all values are NaN.")
        empty = np.flatnonzero(np.isinf(column_ranges(table, rows)[0]))
        if len(empty) and is_first:
            column, names = empty[0], getattr(estimator, "feature_names_in_", None)
            if table is X and names is not None:
                column = repr(str(names[column]))
            raise ValueError(
                f"Column {column} of {name} has no observed entries: all values are "
                "NaN. Leave it out."
            )
        if not seen[rows].all():
            weight = np.where(seen, 1.0 if weight is None else weight, 0.0)
            if is_first and np.count_nonzero(weight) < 2:
                raise ValueError(
                    f"Only 1 row of {name} has observed entries; a first fit needs at "
                    "least 2 rows."
                )
    return weight


def with_gaussian(data: Any, most_factors: int) -> Any:
    """The data with the model that fills their gaps, and filled."""
    table = data.X, data.rows, data.weight
    if not has_gaps(data.X):
        return replace(data, gaussian=fit_gaussian(*table, most_factors))
    rank = choose_rank(*table, most_factors, np.random.RandomState(0))
    gaussian = fit_gaussian(*table, rank)
    every_row = np.arange(data.X.shape[0])
    filled = completed(data.X, every_row, gaussian)
    return replace(data, gaussian=gaussian, completed=filled)


def gaps_of(estimator: Any, parts: Any, data: Any) -> Gaps | None:
    """How a new net deals with missing entries; None if it takes none.

    Raises a ValueError if the network cannot be told which entries are missing.
    """
    if not takes_gaps(estimator):
        if estimator.missing_indicator:
            raise ValueError(
                "missing_indicator=True needs missing_values=np.nan, not "
                f"missing_values={estimator.missing_values!r}."
            )
        return None
    is_tied = parts.design["module_params"].get("tied_weights", False)
    if estimator.missing_indicator and (is_tied or parts.network is not None):
        other = "tied_weights=True" if is_tied else f"network={parts.network!r}"
        raise ValueError(
            "missing_indicator=True doubles the inputs of the network, which "
            f"{other} does not allow; set missing_indicator=False."
        )
    predicts_hidden = estimator._predicts_hidden
    hides = not predicts_hidden and estimator.optimizer != "lbfgs"
    return Gaps(
        rank=data.gaussian.loadings.shape[1],
        has_indicator=estimator.missing_indicator,
        hidden_share=_share_to_hide(data.X) if hides else 0.0,
        predicts_hidden=predicts_hidden,
    )


def _share_to_hide(X: Any) -> float:
    """As many entries as are missing, in per cent, up to `HIDDEN_SHARE`.

    Rounded, so that networks of several folds can be trained as one.
    """
    if not has_gaps(X):
        return 0.0
    values = X.data if sparse.issparse(X) else X
    share = float(np.isnan(values).sum()) / (X.shape[0] * X.shape[1])
    return min(HIDDEN_SHARE, round(share, 2))
