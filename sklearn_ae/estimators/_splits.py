"""Splits of the rows that users choose, for `validation` and for `cv`."""

import reprlib
from typing import Any

import numpy as np
from sklearn.model_selection import PredefinedSplit, check_cv

from sklearn_ae.data.shards import (
    Shard,
    joint_errors,
    of_all_ranks,
    of_first_rank,
    own_part,
)
from sklearn_ae.data.tables import as_array


def check_one_validation(validation: Any, X_val: Any, groups: Any) -> None:
    """Raise a ValueError unless validation rows are chosen in one way only."""
    if X_val is not None and not (isinstance(validation, str) and validation == "auto"):
        raise ValueError(
            f"X_val is given, and validation={reprlib.repr(validation)}: all rows of X "
            "are trained on, so that validation must be 'auto'."
        )
    if groups is not None and not is_splitter(validation):
        raise ValueError(
            f"groups are given, but validation={reprlib.repr(validation)} does not use "
            "them; set it to a splitter such as GroupKFold(5) or GroupShuffleSplit(1)."
        )


def check_needs_X_val(X_val: Any, **given: Any) -> None:
    """Raise a ValueError if targets or weights are given without their rows."""
    for name, value in given.items():
        if value is not None and X_val is None:
            raise ValueError(f"{name} needs X_val, the rows that it belongs to.")


def is_splitter(validation: Any) -> bool:
    """Whether it is a splitter of scikit-learn; strings have a method `split`, too."""
    return hasattr(validation, "get_n_splits")


def chosen_splits(
    validation: Any, X: Any, rows: np.ndarray, *, y: Any = None, groups: Any = None
) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """Rows to train on and unseen rows, if the user has chosen them; else None.

    Parameters
    ----------
    validation : object
        The parameter of this name.
    X : ndarray, CSR or Shard
    rows : ndarray of int
        The rows to split. A splitter sees no others.
    y, groups : array-like or None
        For the splitter, one entry for each row of `X`. Of a `Shard`, `groups` has one
        for each row of this rank.
    """
    is_list = isinstance(validation, list | tuple | PredefinedSplit)
    if not (is_list or is_splitter(validation)):
        return None
    with joint_errors(X):
        check_groups(groups, own_part(X))
    if groups is not None:
        groups = of_all_ranks(X, np.asarray(groups))
    # Positions in X, or among the rows to split.
    positions = np.arange(X.shape[0]) if is_list else rows
    table = X
    if isinstance(X, Shard):
        # Splitters need no more than the number of rows.
        table = np.empty((len(positions), 0))
    elif len(positions) < X.shape[0]:
        table = X[positions]
    y, groups = (
        None if one is None else np.asarray(as_array(one))[positions]
        for one in (y, groups)
    )
    splits = []
    found = split_rows("validation", validation, table, y=y, groups=groups)
    for i, split in enumerate(of_first_rank(X, found)):
        train, unseen = (np.intersect1d(positions[part], rows) for part in split)
        if len(np.intersect1d(train, unseen)) > 0:
            raise ValueError(
                f"validation={reprlib.repr(validation)} must not train on unseen rows, "
                f"as split {i} does."
            )
        if len(train) < 2 or len(unseen) == 0:
            raise ValueError(
                f"validation={reprlib.repr(validation)} has {len(train)} rows to train "
                f"on and {len(unseen)} unseen rows in split {i}, among those of "
                "positive weight; at least 2 and 1 are needed."
            )
        splits.append((train, unseen))
    if not splits:
        raise ValueError(f"validation={validation!r} has no pairs of rows.")
    return splits


def n_splits(data: Any) -> int | None:
    """Number of splits of the rows; 0 with validation data, None without both.

    `data` has the attributes `splits` and `unseen`.
    """
    if data.unseen is not None:
        return 0
    return None if data.splits is None else len(data.splits)


def held_out_split(
    splits: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """The split that is used where only one can be."""
    # Of a `TimeSeriesSplit` the one with the most rows to train on.
    return splits[-1]


def check_groups(groups: Any, X: Any) -> Any:
    """Raise a ValueError unless there is a group for each row."""
    if groups is not None and np.shape(groups) != (X.shape[0],):
        raise ValueError(
            f"groups has the shape {np.shape(groups)}, but must have one entry for "
            f"each of the {X.shape[0]} rows of X."
        )
    return groups


def split_rows(
    name: str, cv: Any, X: Any, *, y: Any = None, groups: Any = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pairs of rows of a splitter or of a list of pairs, by their positions.

    `name` is the parameter that holds `cv`.
    """
    rows = np.arange(X.shape[0])
    kind = "a splitter that needs no labels" if y is None else "a splitter"
    try:
        splits = [
            (rows[train], rows[held])
            for train, held in check_cv(cv).split(X, y, groups)
        ]
        if any(np.ndim(part) != 1 for pair in splits for part in pair):
            raise TypeError("a part is not an array of one dimension")
    except (TypeError, ValueError, IndexError) as error:
        lacks_groups = groups is None and "groups" in str(error)
        advice = "Pass groups to fit. " if lacks_groups else ""
        raise ValueError(
            f"{name}={reprlib.repr(cv)} cannot split {len(rows)} rows: "
            f"{str(error).rstrip('.')}. {advice}It must be {kind}, such as KFold, or a "
            "list of pairs of arrays: indices of training and of held-out rows."
        ) from error
    return splits
