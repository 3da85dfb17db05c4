"""Codes in the plane, and what points of that plane decode to."""

import numpy as np
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from sklearn_ae.inspection._style import COLORS, make_axes
from sklearn_ae.inspection._tiles import as_images, find_image_shape, show, tile

KINDS = ("scatter", "grid")
MARKERS = "osD^vP*"
# Classes that a legend can name; a colour bar serves more of them better.
MANY = 20


class LatentSpaceDisplay:
    """Two columns of the codes: a scatter of rows, or a grid of decoded points.

    It is recommended to use :meth:`from_estimator` to create a `LatentSpaceDisplay`.
    All parameters are stored as attributes.

    Parameters
    ----------
    codes : array-like of shape (n_samples, 2)
        The two columns: rows to scatter or, with `images`, points of a grid, line by
        line from the top, the first column rising from left to right in each.

    y : array-like of shape (n_samples,), default=None
        Classes or numbers that colour the points.

    images : array-like of shape (n_samples, n_features), default=None
        What the points of the grid decode to, flattened channels first. None scatters.

    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(channels, height, width)``; None stands for squares of
        one channel.

    names : sequence of two str, default=("code 0", "code 1")
        Labels of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.

    figure_ : matplotlib Figure
        Figure containing the picture.

    points_ : dict of str to matplotlib PathCollection
        Scattered points by class, or all of them as ``"all"``; empty for a grid.

    image_ : matplotlib AxesImage or None
        The grid's images as one picture.

    See Also
    --------
    ReconstructionDisplay : Given rows and their reconstructions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.inspection import LatentSpaceDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(2, random_state=0).fit(X / 16)
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
    ):
        """Encode rows, and draw their codes or decode a grid across them.

        Parameters
        ----------
        estimator : estimator
            Fitted, with `transform`, and `inverse_transform` for a grid.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode.

        y : array-like of shape (n_samples,), default=None
            Classes or numbers that colour the points of a scatter.

        kind : {"scatter", "grid"}, default="scatter"
            ``"grid"`` decodes points between the 2nd and the 98th percentile of both
            columns of the codes of `X`, the other columns at their medians.

        components : tuple of two int, default=(0, 1)
            Columns of the codes.

        n_grid : int, default=15
            Points of the grid along each axis.

        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(channels, height, width)``. None takes that of
            `estimator` or squares of one channel.

        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        scatter_kw : dict, default=None
            Keyword arguments of matplotlib's `scatter`.

        im_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display with its picture.

        Raises
        ------
        ValueError
            If `kind` is unknown, or the codes have no such `components`.
        """
        check_is_fitted(estimator)
        if kind not in KINDS:
            raise ValueError(f"kind={kind!r} must be one of {KINDS}.")
        codes = np.asarray(estimator.transform(X))
        first, second = components
        if not all(0 <= column < codes.shape[1] for column in components):
            raise ValueError(
                f"components={components!r} must be two columns of the codes, which "
                f"have {codes.shape[1]}."
            )
        names = [f"code {first}", f"code {second}"]
        if kind == "scatter":
            display = cls(codes=codes[:, [first, second]], y=y, names=names)
            return display.plot(ax, scatter_kw=scatter_kw)
        low, high = np.percentile(codes[:, [first, second]], [2, 98], axis=0)
        across = np.linspace(low[0], high[0], n_grid)
        down = np.linspace(high[1], low[1], n_grid)
        grid = np.tile(np.median(codes, axis=0), (n_grid**2, 1)).astype(codes.dtype)
        grid[:, first] = np.tile(across, n_grid)
        grid[:, second] = np.repeat(down, n_grid)
        images = np.asarray(estimator.inverse_transform(grid))
        display = cls(
            codes=grid[:, [first, second]],
            images=images,
            image_shape=find_image_shape(images.shape[1], image_shape, estimator),
            names=names,
        )
        return display.plot(ax, im_kw=im_kw)

    def plot(self, ax=None, *, scatter_kw=None, im_kw=None):
        """Draw the scatter or the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        scatter_kw : dict, default=None
            Keyword arguments of matplotlib's `scatter`.

        im_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow`.

        Returns
        -------
        display : LatentSpaceDisplay
            The display with its picture.
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
        # Points of a thousand rows still show where they are dense.
        size = float(np.clip(20_000 / max(len(codes), 1), 4, 40))
        style = {"s": size, "linewidths": 0}
        if self.y is None:
            points = self.ax_.scatter(*codes.T, **style | {"c": COLORS[0]} | options)
            self.points_["all"] = points
            return
        y = np.asarray(self.y)
        classes = np.unique(y)
        if type_of_target(y).startswith("continuous") or len(classes) > MANY:
            style |= {"c": y, "cmap": "cividis"}
            self.points_["all"] = self.ax_.scatter(*codes.T, **style | options)
            self.figure_.colorbar(self.points_["all"], ax=self.ax_)
            return
        for i, label in enumerate(classes):
            # Colours repeat after seven classes, the pairs with markers after 49.
            marker = MARKERS[(i + i // len(COLORS)) % len(MARKERS)]
            if len(str(label)) == 1:  # its own legend
                marker, style["s"] = f"${label}$", 2.5 * size
            points = self.ax_.scatter(
                *codes[y == label].T,
                **style
                | {"c": COLORS[i % len(COLORS)], "marker": marker, "label": str(label)}
                | options,
            )
            self.points_[str(label)] = points
        if any(len(str(label)) > 1 for label in classes):
            self.ax_.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)

    def _show_grid(self, codes, options):
        images = np.asarray(self.images)
        shape = find_image_shape(images.shape[1], self.image_shape)
        across, down = np.unique(codes[:, 0]), np.unique(codes[:, 1])
        # Half a step beyond the outermost points, so that each lies in its image.
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


def _half_step(values):
    return (values[1] - values[0]) / 2 if len(values) > 1 else 0.5
