"""Validation of the arguments of displays and functions."""

from numbers import Integral

from sklearn.utils.validation import check_is_fitted

from sklearn_ae.inspection._tiles import as_rows


def check_option(name, value, options):
    """Raise a ValueError unless the parameter `name` is one of the `options`."""
    if value not in options:
        raise ValueError(f"{name}={value!r} must be one of {options}.")


def check_count(name, value):
    """Raise a ValueError unless the parameter `name` is an integer of at least 1."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r} must be an integer of at least 1.")


def check_has(estimator, *needed):
    """Raise a ValueError unless `estimator` has the `needed` methods and attributes.

    To check for fitted attributes, the estimator must be fitted.
    """
    missing = [name for name in needed if not hasattr(estimator, name)]
    if missing:
        hint = ""
        if hasattr(estimator, "steps"):
            hint = _hint_of_steps(estimator, missing)
        elif hasattr(estimator, "autoencoder_"):
            hint = " Pass its autoencoder_."
        raise ValueError(
            f"{type(estimator).__name__} has no {' and no '.join(missing)}, which is "
            f"needed here.{hint}"
        )


def _hint_of_steps(pipeline, missing):
    """How to do without the step of a pipeline that lacks methods."""
    lacking = [
        i
        for i, (_, step) in enumerate(pipeline.steps)
        if step not in (None, "passthrough")
        and not all(hasattr(step, name) for name in missing)
    ]
    n_steps = len(pipeline.steps)
    if lacking and lacking[-1] < n_steps - 1:
        step, after = type(pipeline[lacking[-1]]).__name__, lacking[-1] + 1
        return (
            f" {step}, a step before the last, has none; pass estimator[{after}:], and "
            f"as X the result of estimator[:{after}].transform."
        )
    last = type(pipeline[-1]).__name__
    return f" Its last step is {last}; pass estimator[:-1] to leave it out."


def find_part(estimator, *needed):
    """The estimator, or the last step of a pipeline, with the `needed` attributes.

    Searches are represented by their best estimator. None if no part of the estimator
    has the attributes. Raises a NotFittedError if it is not fitted.
    """
    check_is_fitted(estimator)
    for part in _parts(estimator):
        if all(hasattr(part, name) for name in needed):
            return part
    return None


def fitted_part(estimator, *needed):
    """As `find_part`, but raises a ValueError if there is no such part."""
    part = find_part(estimator, *needed)
    if part is None:
        if hasattr(estimator, "steps"):
            steps = ", ".join(type(step).__name__ for _, step in estimator.steps)
            raise ValueError(
                f"No step of the pipeline ({steps}) has {' and '.join(needed)}, which "
                "this display needs."
            )
        check_has(estimator, *needed)
    return part


def last_step(estimator):
    """The step whose output is that of a pipeline; other estimators themselves."""
    *_, last = estimator, *(step for _, step in getattr(estimator, "steps", []))
    return last


def _parts(estimator):
    yield estimator
    if hasattr(estimator, "best_estimator_"):
        yield from _parts(estimator.best_estimator_)
    for _, step in reversed(getattr(estimator, "steps", [])):
        yield from _parts(step)


def reconstruct(estimator, X):
    """The reconstruction of `X`, as dense rows."""
    check_has(estimator, "transform", "inverse_transform")
    return as_rows(estimator.inverse_transform(estimator.transform(X)))


def reconstruct_alike(estimator, X, *, may_have_gaps=False):
    """`X` and its reconstruction, as dense rows of the same shape."""
    rows = as_rows(X, may_have_gaps=may_have_gaps)
    reconstruction = reconstruct(estimator, X)
    if rows.shape != reconstruction.shape:
        raise ValueError(
            f"X has the shape {rows.shape}, but its reconstruction has "
            f"{reconstruction.shape}; they cannot be compared."
        )
    return rows, reconstruction


def find_names(feature_names, estimator, X, n_features):
    """Names of the features: those given, the estimator's, the columns', or None."""
    if feature_names is None:
        columns = getattr(X, "columns", None)
        feature_names = getattr(estimator, "feature_names_in_", columns)
    check_names(feature_names, n_features)
    return feature_names


def check_names(feature_names, n_features):
    """Raise a ValueError unless there are no names, or one for each feature."""
    if feature_names is not None and len(feature_names) != n_features:
        raise ValueError(
            f"feature_names has {len(feature_names)} names, but there are {n_features} "
            "features."
        )
