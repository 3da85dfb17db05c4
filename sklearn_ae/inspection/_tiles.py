"""Conversion of rows to images, and of several images to one picture."""

import math
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array


def find_image_shape(n_features, image_shape=None, estimators=()):
    """Channels, height and width of the images in the rows.

    Parameters
    ----------
    n_features : int
        Length of a row.

    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(channels, height, width)`` with 1 or 3 channels.
        None uses the first `image_shape` among the parameters of the `estimators` that
        fits or, if there is none, square images with one channel.

    estimators : sequence of estimators, default=()
        Estimators whose parameters may contain an `image_shape`.

    Returns
    -------
    shape : tuple of int
        ``(channels, height, width)``.

    Raises
    ------
    ValueError
        If the shape does not fit the rows, or no shape is given and the images are not
        square.
    """
    if image_shape is None:
        given = [
            value
            for estimator in estimators
            if isinstance(estimator, BaseEstimator)
            for name, value in estimator.get_params().items()
            if name.endswith("image_shape") and value is not None
        ]
        fitting = (shape for shape in given if math.prod(shape) == n_features)
        image_shape = next(fitting, None)
    if image_shape is None:
        side = math.isqrt(n_features)
        if side**2 != n_features:
            raise ValueError(
                f"image_shape=None needs square images, but {n_features} features do "
                "not form a square; set image_shape=(height, width) or (channels, "
                f"height, width). For rows that are no images, (1, {n_features}) draws "
                "a strip."
            )
        return 1, side, side
    sides = np.array(image_shape, dtype=object).ravel().tolist()
    shape = (1, *sides) if len(sides) == 2 else tuple(sides)
    whole = all(isinstance(side, Integral) and side > 0 for side in shape)
    fits = whole and math.prod(shape) == n_features
    if not fits or len(shape) != 3 or shape[0] not in (1, 3):
        raise ValueError(
            f"image_shape={image_shape!r} does not fit {n_features} features; it must "
            "be (height, width) or (channels, height, width) with 1 or 3 channels and "
            f"a product of {n_features}."
        )
    return tuple(int(side) for side in shape)


def as_rows(X, *, may_have_gaps=False):
    """Convert `X`, also a data frame or sparse matrix, to a dense, finite array.

    Entries may be NaN if it `may_have_gaps`.
    """
    X = X.toarray() if hasattr(X, "toarray") else X
    if np.ndim(X) > 2:
        raise ValueError(
            f"X has the shape {np.shape(X)}, but must be a table with one row per "
            "image; pass X.reshape(len(X), -1)."
        )
    finite = "allow-nan" if may_have_gaps else True
    try:
        return check_array(X, dtype=[np.float64, np.float32], ensure_all_finite=finite)
    except ValueError as error:
        if str(error).startswith("Input contains NaN"):
            raise ValueError(
                "The rows contain NaN, which cannot be drawn. Fill them in first, "
                "for instance with sklearn_ae.AutoencoderImputer. errors_by_feature, "
                "feature_importance, and reconstruction_error of an autoencoder with "
                "missing_values=np.nan take them."
            ) from error
        if str(error).startswith("could not convert string"):
            raise ValueError(
                f"X must hold numbers to be compared with its reconstruction: {error}. "
                "Of a pipeline that encodes categories in its first step, pass "
                "estimator[1:], and as X the result of estimator[:1].transform."
            ) from error
        raise


def as_images(rows, shape):
    """Reshape rows (n, n_features), channels first, to (n, height, width[, 3])."""
    images = np.reshape(rows, (len(rows), *shape))
    return images[:, 0] if shape[0] == 1 else np.moveaxis(images, 1, -1)


def tile(images, n_columns):
    """Arrange images in a grid, one pixel apart.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or (n, height, width, 3)
        Images to arrange, row by row.

    n_columns : int
        Number of images per row.

    Returns
    -------
    picture : ndarray of shape (n_rows * (height + 1) - 1, n_columns * (width + 1) - 1)
        For colour images with a last axis of length 3. Pixels between images are NaN.
    """
    height, width, *channels = images.shape[1:]
    n_rows = -(-len(images) // n_columns)
    picture = np.full(
        (n_rows * (height + 1) - 1, n_columns * (width + 1) - 1, *channels), np.nan
    )
    for i, image in enumerate(images):
        row, column = divmod(i, n_columns)
        top, left = row * (height + 1), column * (width + 1)
        picture[top : top + height, left : left + width] = image
    return picture


def show(ax, picture, **options):
    """``ax.imshow`` without interpolation; gaps in colour pictures are white."""
    if picture.ndim == 3:
        picture = np.clip(np.nan_to_num(picture, nan=1.0), 0, 1)
    return ax.imshow(picture, **{"interpolation": "nearest"} | options)
