"""Validation of the arguments of the displays."""

from numbers import Integral

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
        raise ValueError(
            f"estimator={estimator!r} has no {' and no '.join(missing)}, which this "
            "display needs."
        )


def reconstruct(estimator, X):
    """The reconstruction of `X`, as dense rows."""
    check_has(estimator, "transform", "inverse_transform")
    return as_rows(estimator.inverse_transform(estimator.transform(X)))
