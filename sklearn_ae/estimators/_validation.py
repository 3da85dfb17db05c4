"""Validation of the arguments of `fit`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from numbers import Integral
from typing import Any
from zlib import crc32

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_array, check_X_y
from sklearn.utils.validation import validate_data

from sklearn_ae._sklearn_compat import check_sample_weight
from sklearn_ae.data.gaps import Gaussian
from sklearn_ae.data.indicators import indicator_blocks
from sklearn_ae.data.ranks import current_ranks
from sklearn_ae.data.shards import Shard
from sklearn_ae.data.sources import BufferedRows, as_source, warn_of_few_blocks
from sklearn_ae.data.tables import (
    as_array,
    column_ranges,
    table_checks,
    value_range,
)
from sklearn_ae.estimators._gaps import (
    check_one_process,
    finite_check,
    takes_gaps,
    without_empty_rows,
)
from sklearn_ae.estimators._splits import (
    check_needs_X_val,
    check_one_validation,
    chosen_splits,
)
from sklearn_ae.objectives._columns import Blocks, Columns
from sklearn_ae.training.hardware import resolve_device

# Networks are trained in single precision, which reaches from 1e-38 to 1e38. The rest
# is room for products with weights.
SMALLEST_SPREAD, LARGEST_VALUE = 1e-30, 1e30

# Usual numbers of channels of an image.
_CHANNELS = (1, 3, 4)


@contextmanager
def _advice(X: Any, name: str, estimator: Any = None) -> Iterator[None]:
    """Around the validation of a table: errors for images and NaN say what to do."""
    try:
        # scikit-learn adds up all values, where infinity minus infinity warns.
        with np.errstate(invalid="ignore"):
            yield
    except ValueError as error:
        # scikit-learn's own message recommends gradient boosting.
        if str(error).startswith(f"Input {name} contains NaN"):
            way = "Fill in missing values first"
            marker = getattr(estimator, "missing_values", None)
            if marker is not None and not isinstance(marker, str):
                raise ValueError(
                    f"Input {name} contains NaN, but missing_values={marker!r}. Set "
                    f"missing_values=np.nan, and replace {marker!r} by NaN if both "
                    "stand for missing values."
                ) from error
            if takes_gaps(getattr(estimator, "autoencoder", None)):
                kind = type(estimator).__name__
                way = f"{kind} takes none, unlike its autoencoder. {way}"
            if marker is not None:
                way = "Set missing_values=np.nan, or fill in missing values first"
            raise ValueError(
                f"Input {name} contains NaN. {way}, for instance with "
                "sklearn_ae.AutoencoderImputer or sklearn.impute.SimpleImputer as an "
                "earlier step of a pipeline."
            ) from error
        if str(error).startswith("could not convert string"):
            raise ValueError(
                f"{error}. {name} must hold numbers{_of_columns(X)}: encode categories "
                "first, for instance with a OneHotEncoder in a ColumnTransformer."
            ) from error
        try:
            shape = np.shape(X)
        except ValueError:  # a ragged list
            shape = ()
        if len(shape) < 3:
            raise
        flat, (n_rows, *sides) = f"{name}.reshape(len({name}), -1)", shape
        if len(sides) == 3 and sides[2] in _CHANNELS and sides[0] not in _CHANNELS:
            # Convolutions take the channels first.
            flat = f"{name}.transpose(0, 3, 1, 2).reshape(len({name}), -1)"
        raise ValueError(
            f"{name} has the shape {tuple(shape)}, but must be a table with one row "
            f"for each sample. Pass {flat}, of shape ({n_rows}, {prod(sides)})."
        ) from error


def _of_columns(X: Any) -> str:
    """The columns of a data frame that hold no numbers, for a message."""
    found = []
    for name in getattr(X, "columns", ()):
        try:
            np.asarray(X[name], dtype=float)
        except (TypeError, ValueError):
            found.append(repr(name))
    shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
    return f", unlike {shown}" if found else ""


@dataclass(frozen=True)
class TrainingData:
    """Validated input of a fit.

    Parameters
    ----------
    X, target : ndarray, CSR, BufferedRows or Shard
        `target` is None if `X` is its own target.
    weight : ndarray of shape (n_samples,) or None
        Weights with a mean of one over `rows`. None if they are all equal there.
    rows : ndarray of int
        The rows with positive weight.
    n_features, n_outputs : int
        Numbers of columns of `X` and of the target.
    unseen : TrainingData or None
        Validation data, if the user has passed some.
    splits : list of (ndarray of int, ndarray of int) or None
        Rows to train on and unseen rows, if the user has chosen them.
    gaussian : Gaussian or None
        The model that fills the gaps of `X`, if it may have some.
    completed : ndarray or None
        `X` with its gaps filled, if it has some.
    names : sequence of str or None
        Names of the columns of `X`, if they have any.
    categories : tuple of tuples of int or None
        Blocks of indicators in the target, if an earlier fit has found them.
    """

    X: Any
    target: Any
    weight: np.ndarray | None
    rows: np.ndarray
    n_features: int
    n_outputs: int
    unseen: "TrainingData | None" = None
    splits: list[tuple[np.ndarray, np.ndarray]] | None = None
    gaussian: Gaussian | None = None
    completed: np.ndarray | None = None
    names: Any = None
    categories: Blocks | None = None

    @property
    def filled(self) -> Any:
        """`X` with its gaps filled, if it has some."""
        return self.X if self.completed is None else self.completed

    @property
    def input_columns(self) -> Columns:
        """The columns of `X`."""
        return Columns(self.n_features, self.names, self._find_indicators)

    @property
    def output_columns(self) -> Columns:
        """The columns of the target, which have names if it is `X`."""
        names = self.names if self.target is None else None
        return Columns(self.n_outputs, names, self._find_indicators)

    def _find_indicators(self) -> Blocks:
        if self.categories is not None:
            return self.categories
        target = self.X if self.target is None else self.target
        return indicator_blocks(target, self.rows)

    def for_checkpoint(self) -> dict[str, Any]:
        """All that a fit depends on, by the names of the arguments."""
        given = self._given()
        if self.unseen is not None:
            unseen = self.unseen._given()
            given |= {f"{name}_val": value for name, value in unseen.items()}
        return given | {"the splits of validation": self.splits}

    def _given(self) -> dict[str, Any]:
        # Weights of 0 and 1 are known by the rows only.
        is_weighted = self.weight is not None or len(self.rows) < self.X.shape[0]
        return {
            "X": self.X,
            "X_target": self.target,
            "sample_weight": (self.weight, self.rows) if is_weighted else None,
        }


@contextmanager
def joint_validation(
    estimator: Any, *, is_first: bool = True, **given: Any
) -> Iterator[None]:
    """Around the validation of one rank's arguments, whose errors are those of all.

    `is_first` means a first fit, which must be one on all ranks. `given` are arguments
    that all ranks must pass, or none.
    """
    ranks = current_ranks()
    if ranks is None:
        yield
        return
    ranks.agree(
        {"class of the estimator": type(estimator).__name__}
        | {f"parameter {name}": value for name, value in _plain_params(estimator)}
        | {"kind of estimator": "one that is unfitted" if is_first else "a fitted one"}
        | _fitted_models(estimator, is_first)
        | {
            f"{name} or None": "None" if value is None else "an array"
            for name, value in given.items()
        }
    )
    with ranks.sharing_errors():
        if hasattr(estimator, "device"):  # may be missing on one rank only
            resolve_device(estimator.device)
        yield


def _fitted_models(estimator: Any, is_first: bool) -> dict[str, str]:
    """Descriptions of the fitted models that a fit goes on with, by what they are."""
    prototype = getattr(estimator, "autoencoder", None)
    if isinstance(prototype, FrozenEstimator):
        prototype = prototype.estimator
    models = {"fitted autoencoder": prototype}
    if not is_first:
        models["fitted model"] = estimator
    return {
        name: (
            f"one of {model.n_iter_} epochs with scale_={model.scale_} and a mean_ "
            f"whose checksum is {crc32(model.mean_.tobytes()):x}"
        )
        for name, model in models.items()
        if all(hasattr(model, one) for one in ("mean_", "scale_", "n_iter_"))
    }


# Those may differ between ranks.
_OF_EACH_RANK = {"callbacks", "device", "verbose"}


def _plain_params(estimator: Any) -> Iterator[tuple[str, str]]:
    """The parameters, as they can be compared between processes."""
    # An estimator comes before its own parameters.
    for name, value in sorted(estimator.get_params().items()):
        if _OF_EACH_RANK.isdisjoint(name.split("__")):
            yield name, _plain_text(value)


def _plain_text(value: Any) -> str:
    """A text without what may differ; the parameters of objects are not in it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain_text, value))}]"
    text = type(value).__name__ if hasattr(value, "get_params") else repr(value)
    # The addresses of objects differ. RandomState instances have one, too.
    return text if " at 0x" not in text else f"a {type(value).__name__}"


def least_on_rank(n_rows: int) -> int:
    """How many rows a rank has to pass, if the whole table needs so many."""
    return n_rows if current_ranks() is None else 0


def spread_over_ranks(
    X: Any, target: Any, weight: np.ndarray | None, suffix: str = "", *, least: int
) -> tuple[Any, Any, np.ndarray | None]:
    """Tables as parts of those of all ranks, and the weights of all ranks.

    The names of the tables end in `suffix`.
    """
    ranks = current_ranks()
    if ranks is None:
        return X, target, weight
    ranks.agree(
        {
            f"precision of X{suffix}": X.dtype.name,
            "number of columns": X.shape[1],
            f"precision of X_target{suffix}": getattr(target, "dtype", None),
            "number of targets": None if target is None else target.shape[1],
        }
    )
    spread = Shard(X, ranks)
    if spread.shape[0] < least:
        raise ValueError(
            f"X{suffix} has {spread.shape[0]} rows on all {ranks.size} ranks together; "
            f"at least {least} are needed."
        )
    if weight is not None:
        weight = np.concatenate(ranks.gather(weight))
    return spread, None if target is None else Shard(target, ranks), weight


def validate_training_data(
    estimator: Any, X: Any, X_target: Any, sample_weight: Any, *, reset: bool
) -> TrainingData:
    """Check the arguments of `fit`. `reset` means a first fit.

    Where several ranks train together, each has a part of the rows.
    """
    least = 2 if reset else 1
    given = {"X_target": X_target, "sample_weight": sample_weight}
    with joint_validation(estimator, is_first=reset, **given):
        X = validate_table(
            estimator, X, reset=reset, ensure_min_samples=least_on_rank(least)
        )
        warn_of_few_blocks(X, stacklevel=4)
        target = None
        if X_target is not None:
            target = validate_target(X_target, X, estimator=estimator)
        weight = validate_weight(sample_weight, X)
        if takes_gaps(estimator):
            check_one_process()
            weight = without_empty_rows(estimator, X, target, weight, is_first=reset)
    X, target, weight = spread_over_ranks(X, target, weight, least=least)
    weight, rows = rows_with_weight(weight, X, min_rows=least)
    return _training_data(estimator, X, target, weight, rows)


def _training_data(
    estimator: Any,
    X: Any,
    target: Any,
    weight: np.ndarray | None,
    rows: np.ndarray,
    suffix: str = "",
) -> TrainingData:
    if weight is not None:
        if np.ptp(weight[rows]) == 0:
            weight = None
        else:
            weight = weight * (len(rows) / weight.sum())
    names = getattr(estimator, "feature_names_in_", None)
    check_range(X, rows, f"X{suffix}", names)
    if target is not None:
        check_range(target, rows, f"X_target{suffix}")
    n_outputs = X.shape[1] if target is None else target.shape[1]
    return TrainingData(X, target, weight, rows, X.shape[1], n_outputs, names=names)


def with_validation(
    estimator: Any,
    data: TrainingData,
    *,
    groups: Any,
    X_val: Any,
    X_target_val: Any,
    sample_weight_val: Any,
) -> TrainingData:
    """The data with the validation data or the splits that the user has chosen."""
    with joint_validation(estimator, X_val=X_val, groups=groups):
        check_one_validation(estimator.validation, X_val, groups)
        check_needs_X_val(
            X_val, X_target_val=X_target_val, sample_weight_val=sample_weight_val
        )
    if X_val is None:
        splits = chosen_splits(estimator.validation, data.X, data.rows, groups=groups)
        return replace(data, splits=splits)
    with joint_validation(estimator, sample_weight_val=sample_weight_val):
        X, target, weight = _validation_tables(
            estimator, data, X_val, X_target_val, sample_weight_val
        )
    if takes_gaps(estimator):
        weight = without_empty_rows(estimator, X, target, weight, "_val")
    X, target, weight = spread_over_ranks(X, target, weight, "_val", least=1)
    weight, rows = rows_with_weight(weight, X, min_rows=1, name="sample_weight_val")
    unseen = _training_data(estimator, X, target, weight, rows, "_val")
    return replace(data, unseen=unseen)


def _validation_tables(
    estimator: Any, data: TrainingData, X_val: Any, X_target_val: Any, weight: Any
) -> tuple[Any, Any, np.ndarray | None]:
    """The validation data of `fit`, checked."""
    X = validate_table_like(estimator, X_val, "X_val")
    if (X_target_val is None) != (data.target is None):
        given, missing = "X_target", "X_target_val"
        if data.target is None:
            given, missing = missing, given
        raise ValueError(
            f"{given} needs {missing}: validation rows have the same kind of target as "
            "the rows of X."
        )
    target = None
    if X_target_val is not None:
        target = validate_target(X_target_val, X, "_val", estimator=estimator)
        if target.shape[1] != data.n_outputs:
            raise ValueError(
                f"X_target_val has {target.shape[1]} columns, but X_target has "
                f"{data.n_outputs}."
            )
    return X, target, validate_weight(weight, X, "sample_weight_val")


def validate_table_like(estimator: Any, X: Any, name: str) -> Any:
    """Check a further table with the columns of `X`, on which `fit` has been called."""
    try:
        least, finite = least_on_rank(1), finite_check(estimator)
        table = check_table(
            X, name, ensure_min_samples=least, owner=estimator, **finite
        )
        if table.shape[1] != estimator.n_features_in_:
            raise ValueError(
                f"{name} has {table.shape[1]} features, but X has "
                f"{estimator.n_features_in_}."
            )
        # The names of the columns.
        source = as_source(X)
        names = X if source is None else source.header
        validate_data(estimator, names, reset=False, skip_check_array=True)
    except ValueError as error:
        # Not all messages of scikit-learn name the table.
        error.add_note(f"The error occurred in the validation of {name}.")
        raise
    return table


def validate_table(
    estimator: Any, X: Any, *y: Any, reset: bool = True, **checks: Any
) -> Any:
    """`validate_data` for tables of all kinds, with errors that say what to do.

    With `y` it returns both.
    """
    source = as_source(X)
    if source is None:
        checks = table_checks(X) | finite_check(estimator) | checks
        with _advice(X, "X", estimator):
            return validate_data(estimator, as_array(X), *y, reset=reset, **checks)
    validate_data(estimator, source.header, *y, reset=reset, skip_check_array=True)
    if not y:
        return check_table(X, "X", estimator=estimator, **checks)
    table = check_table(X, "X", estimator=estimator)
    rows = np.broadcast_to(0.0, (len(source), 1))
    return table, check_X_y(rows, *y, estimator=estimator, **checks)[1]


def check_table(X: Any, name: str, *, owner: Any = None, **checks: Any) -> Any:
    """`check_array` for tables of all kinds; those on disks are checked when read.

    What fits into the buffer of a source is read here. Errors are those of an estimator
    `owner`.
    """
    source = as_source(X)
    if isinstance(X, BufferedRows):
        return X
    if source is not None and source.nbytes > source.buffer_bytes:
        return BufferedRows(source)
    with _advice(X, name, owner):
        table = as_array(X) if source is None else np.asarray(source)
        return check_array(table, input_name=name, **(table_checks(X) | checks))


def validate_target(
    X_target: Any, X: Any, suffix: str = "", *, estimator: Any = None
) -> Any:
    """The targets of the rows of `X`, whose name ends in `suffix`."""
    name = f"X_target{suffix}"
    target = check_table(
        X_target,
        name,
        ensure_min_samples=min(1, X.shape[0]),
        owner=estimator,
        **finite_check(estimator),
    )
    if target.shape[0] != X.shape[0]:
        raise ValueError(
            f"{name} has {target.shape[0]} rows, but X{suffix} has {X.shape[0]}; both "
            "must have the same number."
        )
    return target


def warn_of_target_as_y(
    estimator: Any, X: Any, y: Any, X_target: Any, *, stacklevel: int
) -> None:
    """Warn if an ignored `y` looks like the target of the reconstruction.

    A single column is more likely a label.
    """
    if y is None or y is X or X_target is not None:
        return
    shape = np.shape(y[:1]) if isinstance(y, list) else getattr(y, "shape", ())
    n_features = estimator.n_features_in_
    if len(shape) == 2 and shape[1] == n_features > 1:
        warnings.warn(
            f"y is ignored, but it has {n_features} columns, as many as X. If it holds "
            "the clean rows to reconstruct, pass X_target=y.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


# Ratio of root mean squares that neither noise nor gaps explain.
_OTHER_UNITS = 30.0


def root_mean_square(mean: np.ndarray, scale: float) -> float:
    """That of all entries, from the result of `mean_and_scale`."""
    return float(np.sqrt(np.mean(np.square(mean)) + scale**2))


def warn_of_other_units(
    target: float, other: float, name: str, *, table: str = "X_target", stacklevel: int
) -> None:
    """Warn if root mean squares differ as those of different units.

    Parameters
    ----------
    target : float
        Root mean square of `table`.
    other : float
        That of what it should be similar to, which `name` says.
    table : str
    """
    low, high = sorted([target, other])
    if low > 0 and high > _OTHER_UNITS * low:
        warnings.warn(
            f"{table} has a root mean square of {target:.3g}, and {name} one of "
            f"{other:.3g}: are the units different? A pipeline scales X but not "
            f"{table}. transform_input=['{table}'] makes it scale {table}, too, but "
            "in fit only.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def validate_weight(
    sample_weight: Any, X: Any, name: str = "sample_weight"
) -> np.ndarray | None:
    """The weights in double precision, if any."""
    if sample_weight is None:
        return None
    is_of_rank = least_on_rank(1) == 0 and np.shape(sample_weight) == X.shape[:1]
    if is_of_rank and not np.any(as_array(sample_weight)):
        # scikit-learn takes no empty arrays, and none of zeros.
        return np.zeros(X.shape[0])
    try:
        return check_sample_weight(
            as_array(sample_weight), X, dtype=np.float64, ensure_non_negative=True
        )
    except ValueError as error:
        if name == "sample_weight":
            raise
        raise ValueError(f"{name}: {error}") from error


def rows_with_weight(
    weight: np.ndarray | None, X: Any, *, min_rows: int, name: str = "sample_weight"
) -> tuple[np.ndarray | None, np.ndarray]:
    """The weights, if any, and the rows where they are positive."""
    if weight is None:
        return None, np.arange(X.shape[0])
    rows = np.flatnonzero(weight)
    if len(rows) == 0:
        raise ValueError(
            f"All entries of {name} are zero; at least one weight must be positive."
        )
    check_sum_of_weights(weight, name)
    if len(rows) < min_rows:
        raise ValueError(
            f"{name} is positive for only {len(rows)} row; a first fit needs "
            f"at least {min_rows} rows."
        )
    return weight, rows


def check_sum_of_weights(weight: np.ndarray, name: str = "sample_weight") -> None:
    """Raise a ValueError unless weights can be divided by their sum."""
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not np.finfo(np.float64).tiny <= total < np.inf:
        raise ValueError(
            f"The sum of {name} is {total}, which is not a number of full "
            f"precision: the largest weight is {weight.max()}. Scale the weights, for "
            "instance by their largest."
        )


def check_range(X: Any, rows: np.ndarray, name: str, columns: Any = None) -> None:
    """Raise a ValueError if values are beyond what single precision can hold.

    Parameters
    ----------
    X : ndarray, CSR, BufferedRows or Shard
    rows : ndarray of int
        The rows to look at.
    name : str
        What the user calls the table.
    columns : sequence of str or None
        Names of the columns.
    """
    # The first look at all rows: what a table on a disk has wrong is found here.
    low, high = value_range(X, rows)
    if SMALLEST_SPREAD <= high - low and max(high, -low) <= LARGEST_VALUE:
        return
    lows, highs = column_ranges(X, rows)
    sizes = np.maximum(highs, -lows)
    with np.errstate(over="ignore"):
        spreads = highs - lows
    if sizes.max() > LARGEST_VALUE:
        position, problem = sizes.argmax(), "has values up to {:.3g}"
        size = sizes.max()
    elif 0 < spreads.max() < SMALLEST_SPREAD:
        position, problem = spreads.argmax(), "varies by {:.3g} only"
        size = spreads.max()
    else:
        return
    column = position if columns is None else repr(str(columns[position]))
    raise ValueError(
        f"Column {column} of {name} {problem.format(size)}. Networks are trained in "
        f"single precision: scale {name} to values of up to {LARGEST_VALUE:.0e} that "
        f"vary by {SMALLEST_SPREAD:.0e} or more."
    )


def is_positive_integer(value: Any) -> bool:
    """Whether it is an integer of at least 1, and not a boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1
