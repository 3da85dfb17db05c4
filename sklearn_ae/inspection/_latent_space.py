"""Codes in the plane, and the decoded points of that plane."""

from typing import Self

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import type_of_target

from sklearn_ae.inspection._checks import check_count, check_has, check_option
from sklearn_ae.inspection._style import (
    CLASS_COLORS,
    COLORS,
    check_matplotlib,
    make_axes,
    override,
)
from sklearn_ae.inspection._tiles import (
    as_images,
    as_rows,
    find_image_shape,
    show,
    tile,
)

KINDS = ("scatter", "grid")
MARKERS = "osD^vP*"
# Classes per column of the legend. Numbers with more distinct values are not classes.
MAX_CLASSES = 20


class LatentSpaceDisplay:
    """Two columns of the codes: a scatter plot of rows or a grid of decoded points.

    It is recommended to use :meth:`from_estimator` to create a `LatentSpaceDisplay`.
    All parameters are stored as attributes.

    Parameters
    ----------
    codes : array-like of shape (n_samples, 2)
        The two columns. With `images`, the points of a grid, line by line from the top;
        within a line, the first column increases from left to right.

    y : array-like of shape (n_samples,), default=None
        Classes or numbers that determine the colours of the points.

    images : array-like of shape (n_samples, n_features), default=None
        Decoded points of the grid, flattened channels first. None draws a scatter plot.

    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(channels, height, width)``. None means square images
        with one channel.

    names : sequence of two str, default=("code 0", "code 1")
        Labels of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.

    figure_ : matplotlib Figure
        Figure containing the picture.

    points_ : dict of str to matplotlib PathCollection
        Points by class, or all of them as ``"all"``. Empty for a grid.

    image_ : matplotlib AxesImage or None
        Images of the grid as one picture.

    See Also
    --------
    ReconstructionDisplay : Images and their reconstructions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.inspection import LatentSpaceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(2, max_epochs=5, random_state=0).fit(X / 16)
    >>> display = LatentSpaceDisplay.from_estimator(autoencoder, X / 16, y)
    >>> len(display.points_)
    10
    >>> grid = LatentSpaceDisplay.from_estimator(autoencoder, X / 16, kind="grid")
    >>> grid.images.shape
    (225, 64)
    >>> plt.show()
    """

    def __init__(
        self,
        *,
        codes,
        y=None,
        images=None,
        image_shape=None,
        names=("code 0", "code 1"),
    ):
        self.codes = codes
        self.y = y
        self.images = images
        self.image_shape = image_shape
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        kind="scatter",
        components=(0, 1),
        n_grid=15,
        image_shape=None,
        ax=None,
        scatter_kw=None,
        im_kw=None,
    ) -> Self:
        """Encode rows, and draw their codes or decoded points of a grid.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with `transform` and, for a grid, `inverse_transform`.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.

        y : array-like of shape (n_samples,), default=None
            Classes or numbers that determine the colours of the points of a scatter
            plot.

        kind : {"scatter", "grid"}, default="scatter"
            ``"scatter"`` draws the codes of `X`. ``"grid"`` decodes points between the
            2nd and the 98th percentile of the two columns of the codes, with the other
            columns at their medians. By default the lowest value of `X` is white and
            the highest is black.

        components : tuple of two int, default=(0, 1)
            Columns of the codes.

        n_grid : int, default=15
            Number of points of the grid along each axis. A single point is at the
            medians.

        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(channels, height, width)``. None uses the
            `image_shape` of `estimator` or, if it has none that fits, square images
            with one channel.

        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        scatter_kw : dict, default=None
            Keyword arguments for matplotlib's `scatter`.

        im_kw : dict, default=None
            Keyword arguments for matplotlib's `imshow`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display with its picture.

        Raises
        ------
        ValueError
            If `kind` is unknown, `components` are not two columns of the codes, or
            `estimator` lacks `transform` or, for a grid, `inverse_transform`.
        """
        check_matplotlib(cls.__name__)
        check_option("kind", kind, KINDS)
        check_has(estimator, "transform")
        codes = as_rows(estimator.transform(X))
        chosen, columns = np.ravel(components).tolist(), range(codes.shape[1])
        if len(chosen) != 2 or chosen[0] == chosen[1] or not set(chosen) <= {*columns}:
            raise ValueError(
                f"components={components!r} must be two different columns of the "
                f"codes, which have {len(columns)}."
            )
        first, second = chosen
        names = [f"code {first}", f"code {second}"]
        if kind == "scatter":
            display = cls(codes=codes[:, [first, second]], y=y, names=names)
            return display.plot(ax, scatter_kw=scatter_kw)
        check_count("n_grid", n_grid)
        check_has(estimator, "inverse_transform")
        grid = np.tile(np.median(codes.astype(float), axis=0), (n_grid**2, 1))
        grid[:, first] = np.tile(_across(codes[:, first], n_grid), n_grid)
        grid[:, second] = np.repeat(_across(codes[:, second], n_grid)[::-1], n_grid)
        images = as_rows(estimator.inverse_transform(grid.astype(codes.dtype)))
        display = cls(
            codes=grid[:, [first, second]],
            images=images,
            image_shape=find_image_shape(images.shape[1], image_shape, [estimator]),
            names=names,
        )
        # The limits of X, not of the outputs: a few outputs below all of X would turn
        # the background grey.
        rows = as_rows(X)
        limits = {"vmin": rows.min(), "vmax": rows.max()}
        return display.plot(ax, im_kw=limits | (im_kw or {}))

    def plot(self, ax=None, *, scatter_kw=None, im_kw=None) -> Self:
        """Draw the scatter plot or the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        scatter_kw : dict, default=None
            Keyword arguments for matplotlib's `scatter`.

        im_kw : dict, default=None
            Keyword arguments for matplotlib's `imshow`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display with its picture.

        Raises
        ------
        ValueError
            If `y` and `codes` differ in length, or the `codes` of the `images` do not
            form a grid.
        """
        self.ax_ = make_axes(ax, "LatentSpaceDisplay", (6, 6))
        self.figure_ = self.ax_.figure
        self.points_, self.image_ = {}, None
        codes = np.asarray(self.codes)
        if self.images is None:
            self._scatter(codes, scatter_kw or {})
        else:
            self._show_grid(codes, im_kw or {})
        self.ax_.set(xlabel=self.names[0], ylabel=self.names[1])
        return self

    def _scatter(self, codes, options):
        # Smaller points for more rows, so that dense regions remain visible.
        size = float(np.clip(20_000 / max(len(codes), 1), 4, 40))
        style = {"s": size, "linewidths": 0}
        if self.y is None:
            style |= {"color": COLORS[0]}
            self.points_["all"] = self.ax_.scatter(*codes.T, **override(style, options))
            return
        y = column_or_1d(np.asarray(self.y))
        check_consistent_length(codes, y)
        classes = np.unique(y)
        is_number = np.issubdtype(y.dtype, np.number)
        is_continuous = type_of_target(y) == "continuous"
        if is_continuous or (is_number and len(classes) > MAX_CLASSES):
            style |= {"c": y, "cmap": "cividis"}
            self.points_["all"] = self.ax_.scatter(*codes.T, **override(style, options))
            self.figure_.colorbar(self.points_["all"], ax=self.ax_)
            return
        names = [str(label) for label in classes]
        for i, (label, name) in enumerate(zip(classes, names, strict=True)):
            turn, color = divmod(i, len(CLASS_COLORS))
            style |= {"s": size, "color": CLASS_COLORS[color], "label": name}
            # Colours repeat after ten classes, pairs of colour and marker after 70.
            style["marker"] = MARKERS[(i + turn) % len(MARKERS)]
            if _is_own_legend(name):
                style |= {"marker": f"${name}$", "s": 2.5 * size}
            self.points_[name] = self.ax_.scatter(
                *codes[y == label].T, **override(style, options)
            )
        if not all(_is_own_legend(name) for name in names):
            self.ax_.legend(
                loc="center left",
                bbox_to_anchor=(1, 0.5),
                markerscale=2,
                ncols=-(-len(names) // MAX_CLASSES),
            )

    def _show_grid(self, codes, options):
        images = np.asarray(self.images)
        shape = find_image_shape(images.shape[1], self.image_shape)
        across, down = np.unique(codes[:, 0]), np.unique(codes[:, 1])
        if not len(across) * len(down) == len(codes) == len(images):
            raise ValueError(
                f"The {len(images)} images and {len(codes)} codes do not form a grid "
                f"of {len(down)} by {len(across)} points."
            )
        # Half a step beyond the outermost points, so that each is inside its image.
        extent = [
            edge
            for values in (across, down)
            for edge in (
                values[0] - _half_step(values),
                values[-1] + _half_step(values),
            )
        ]
        style = {"cmap": "gray_r", "extent": extent, "aspect": "auto"}
        picture = tile(as_images(images, shape), len(across))
        self.image_ = show(self.ax_, picture, **style | options)
        self.ax_.set_box_aspect(picture.shape[0] / picture.shape[1])


def _across(values, n_points):
    """Points between the 2nd and 98th percentile, or of width 1 if these are equal."""
    if n_points == 1:
        return np.array([np.median(values)])
    low, high = np.percentile(values.astype(float), [2, 98])
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, n_points)


def _half_step(values):
    return (values[1] - values[0]) / 2 if len(values) > 1 else 0.5


def _is_own_legend(name):
    """Whether the name can be the marker of the points, so that no legend is needed."""
    return len(name) == 1 and name.isascii() and name.isalnum()
