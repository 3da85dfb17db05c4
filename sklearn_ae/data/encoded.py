"""The way back from encoded columns to the table that they were made of."""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._sklearn_compat import encoded_widths, input_positions


def inverse_columns(transformer: ColumnTransformer, X: Any) -> dict[Any, np.ndarray]:
    """Undo a `ColumnTransformer`, which has no `inverse_transform` of its own.

    The inverse transforms of its parts are put together. A `OneHotEncoder` gets
    indicators: of the probabilities of a category, as an autoencoder returns them, the
    largest counts. That of a dropped category is what the others leave to 1. For an
    `OrdinalEncoder`, numbers are rounded to those of its categories.

    Parameters
    ----------
    transformer : sklearn.compose.ColumnTransformer
        Fitted. Its parts are transformers with an `inverse_transform`, pipelines of
        them, "passthrough" or "drop". Imputers in a pipeline are passed over.

    X : array-like of shape (n_samples, n_outputs)
        Columns as `transformer` returns them, for instance from `reconstruct` of an
        autoencoder, without NaN.

    Returns
    -------
    table : dict of str or int to ndarray of shape (n_samples,)
        The columns of the original table in their order, by name or, without names, by
        position. Columns that were dropped are missing. `pandas.DataFrame` and
        `polars.DataFrame` take it as it is.

    Raises
    ------
    ValueError
        If `transformer` is no `ColumnTransformer`, if a part has no inverse, or if `X`
        has another number of columns.

    See Also
    --------
    sklearn_ae.objectives.MixedLoss : The loss whose outputs are probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> from sklearn_ae.data import inverse_columns
    >>> table = pd.DataFrame({"shirt": ["S", "L", "M"], "height": [160, 190, 175]})
    >>> columns = make_column_transformer(
    ...     (StandardScaler(), ["height"]), (OneHotEncoder(), ["shirt"])
    ... ).fit(table)
    >>> outputs = np.array([[0.0, 0.1, 0.7, 0.2]])  # the height, and L, M and S
    >>> pd.DataFrame(inverse_columns(columns, outputs))
      shirt  height
    0     M   175.0
    """
    if not isinstance(transformer, ColumnTransformer):
        raise ValueError(
            f"transformer={transformer!r} must be a ColumnTransformer. Call its "
            "inverse_transform, if it has one."
        )
    check_is_fitted(transformer)
    X = check_array(X, input_name="X", dtype=[np.float64, np.float32])
    n_outputs = max(part.stop or 0 for part in transformer.output_indices_.values())
    if X.shape[1] != n_outputs:
        raise ValueError(
            f"X has {X.shape[1]} columns, but the transformer returns {n_outputs}."
        )
    found: dict[int, np.ndarray] = {}
    positions = input_positions(transformer)
    for name, part, _ in transformer.transformers_:
        taken = positions[name]
        if (isinstance(part, str) and part == "drop") or len(taken) == 0:
            continue
        values = _undone(part, X[:, transformer.output_indices_[name]], name)
        for position, column in zip(taken, values.T, strict=True):
            found.setdefault(int(position), column)
    names = getattr(transformer, "feature_names_in_", range(transformer.n_features_in_))
    return {names[position]: found[position] for position in sorted(found)}


def _undone(part: Any, X: np.ndarray, name: str) -> np.ndarray:
    """What a transformer has made of a table, turned back."""
    if isinstance(part, str):  # "passthrough"
        return X
    if isinstance(part, Pipeline):
        for _, step in reversed(part.steps):
            X = _undone("passthrough" if step is None else step, X, name)
        return X
    # All imputers have this parameter, those of other packages included.
    if hasattr(part, "keep_empty_features") and not part.add_indicator:
        return X
    if isinstance(part, OneHotEncoder):
        X = _indicators(part, X)
    if isinstance(part, OrdinalEncoder):
        last = [len(categories) - 1 for categories in part.categories_]
        X = X.round().clip(0, last)
    # That of a `FunctionTransformer` which knows only one way changes nothing.
    is_one_way = (
        isinstance(part, FunctionTransformer)
        and part.func is not None
        and part.inverse_func is None
    )
    if is_one_way or not hasattr(part, "inverse_transform"):
        raise ValueError(f"{name!r} cannot be undone: {part!r} has no inverse.")
    return np.asarray(part.inverse_transform(X))


def _indicators(encoder: OneHotEncoder, X: np.ndarray) -> np.ndarray:
    """The likeliest category of each block as 1, the others as 0."""
    widths = encoded_widths(encoder)
    dropped = [None] * len(widths) if encoder.drop_idx_ is None else encoder.drop_idx_
    result = np.zeros_like(X)
    start = 0
    for width, drop in zip(widths, dropped, strict=True):
        block = X[:, start : start + width]
        if drop is not None:
            block = np.column_stack([block, 1 - block.sum(axis=1)])
        rows, best = np.arange(len(X)), block.argmax(axis=1)
        is_shown = best < width
        result[rows[is_shown], start + best[is_shown]] = 1
        start += width
    return result
