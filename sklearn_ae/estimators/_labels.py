"""Labels of a classifier: rows without one, their type, and weights of classes."""

from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from sklearn_ae._sklearn_compat import is_missing


def check_no_gaps(y: Any, name: str = "y") -> None:
    """Raise a ValueError that says how to mark missing labels."""
    if y is None:
        return
    labels = np.asarray(y)
    if labels.dtype.kind == "f":
        gaps = np.isnan(labels)
    elif labels.dtype == object:
        gaps = np.array([is_missing(label) for label in labels.ravel()], dtype=bool)
    else:
        return
    if gaps.any():
        raise ValueError(
            f"Input {name} contains NaN: {gaps.sum()} labels are missing. Replace them "
            "by -1, which marks rows without a label; among strings, in an array of "
            "dtype object."
        )


def has_label(y: np.ndarray) -> np.ndarray:
    """Where `y` is not -1, or everywhere if -1 is a class."""
    if y.dtype.kind not in "ifO":
        return np.ones(len(y), dtype=bool)
    labelled = is_labelled(y)
    # The usual labels of two classes.
    others = y[labelled]
    if 0 < len(others) < len(y) and all(label == 1 for label in others):
        return np.ones(len(y), dtype=bool)
    return labelled


def is_labelled(y: np.ndarray) -> np.ndarray:
    """Where `y` is not -1."""
    return np.broadcast_to(np.asarray(y != -1, dtype=bool), len(y))


def plain_labels(labels: np.ndarray) -> np.ndarray:
    """Labels in an array of their own type, if they are not strings."""
    if labels.dtype == object and not any(isinstance(v, str) for v in labels):
        return np.array(labels.tolist())
    return labels


def weight_of_classes(
    class_weight: Any,
    classes: np.ndarray,
    codes: np.ndarray,
    weight: np.ndarray | None,
) -> np.ndarray | None:
    """What the weights of rows are multiplied by, for each class.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        The parameter of this name.
    classes : ndarray of shape (n_classes,)
    codes : ndarray of int
        Positions of the labels among the classes.
    weight : ndarray or None
        Weights of the labels.
    """
    if class_weight is None:
        return None
    if class_weight == "balanced":
        totals = np.bincount(codes, weight)
        of_class = totals.sum() / (len(totals) * totals)
    else:
        try:
            of_class = compute_class_weight(
                class_weight, classes=classes, y=classes[codes]
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"class_weight={class_weight!r} does not suit the classes "
                f"{classes.tolist()}: {error}"
            ) from error
    if not (np.all(np.isfinite(of_class)) and of_class.min() >= 0 < of_class.max()):
        raise ValueError(
            f"class_weight={class_weight!r} must contain numbers of at least "
            "0 that are not all zero."
        )
    return of_class
