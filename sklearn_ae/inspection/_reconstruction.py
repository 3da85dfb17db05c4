"""Images and their reconstructions."""

from typing import Self

import numpy as np

from sklearn_ae.inspection._checks import check_count, reconstruct
from sklearn_ae.inspection._style import LETTER, check_matplotlib, make_axes
from sklearn_ae.inspection._tiles import (
    as_images,
    as_rows,
    find_image_shape,
    show,
    tile,
)

# In inches: the width of ten images, the largest width of all images, the smallest side
# of an image with its label, and the largest height of an image.
INCHES, WIDEST, LOWEST, HIGHEST = 8.0, 24.0, 0.4, 2.0


class ReconstructionDisplay:
    """Images, their reconstructions by one or more estimators, and the differences.

    It is recommended to use :meth:`from_estimator` to create a
    `ReconstructionDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Images, flattened channels first.

    reconstructions : dict of str to ndarray of shape (n_samples, n_features)
        Reconstructions, by the name of the estimator.

    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(channels, height, width)``. None means square images
        with one channel.

    X_target : ndarray of shape (n_samples, n_features), default=None
        Target of the reconstructions, if it differs from `X`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the images.

    figure_ : matplotlib Figure
        Figure containing the images.

    images_ : dict of str to matplotlib AxesImage
        The rows of images, from top to bottom: ``"X"``, ``"X_target"`` if there is one,
        and for each name the reconstructions (``"NAME"``) and the differences
        (``"NAME - X"``).

    errors_ : dict of str to float
        Mean squared error of each reconstruction, over all rows, including those that
        are not drawn.

    See Also
    --------
    ReconstructionErrorDisplay : Reconstruction errors of rows and features.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.inspection import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> X_train, X_test = X[::2] / 16, X[1::2] / 16
    >>> estimators = {
    ...     "PCA": PCA(8).fit(X_train),
    ...     "Autoencoder": Autoencoder(8, max_epochs=10, random_state=0).fit(X_train),
    ... }
    >>> display = ReconstructionDisplay.from_estimator(estimators, X_test)
    >>> display.errors_["Autoencoder"] < display.errors_["PCA"]
    True
    >>> plt.show()
    """

    def __init__(self, *, X, reconstructions, image_shape=None, X_target=None):
        self.X = X
        self.reconstructions = reconstructions
        self.image_shape = image_shape
        self.X_target = X_target

    @classmethod
    def from_estimator(
        cls,
        estimators,
        X,
        *,
        X_target=None,
        image_shape=None,
        n_items=10,
        difference=True,
        names=None,
        ax=None,
        im_kw=None,
    ) -> Self:
        """Reconstruct images and draw them.

        Parameters
        ----------
        estimators : estimator, sequence or dict of str to estimator
            Fitted estimators with `transform` and `inverse_transform`, such as
            autoencoders, PCA, and pipelines of these.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Images, flattened channels first.

        X_target : array-like of shape (n_samples, n_features), default=None
            Target of the reconstructions, if it differs from `X`, for instance the
            clean images if those in `X` are noisy.

        image_shape : tuple of int, default=None
            ``(height, width)`` or ``(channels, height, width)``. None uses the
            `image_shape` of an estimator or, if there is none that fits, square images
            with one channel.

        n_items : int, default=10
            Number of images to draw, from the start of `X`.

        difference : bool, default=True
            Whether to draw the differences as well: blue where the reconstruction is
            lower than the target, red where it is higher. For colour images, the mean
            over the channels is drawn.

        names : sequence of str, default=None
            Names of the estimators. None uses the keys of the dict or the names of the
            classes.

        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        im_kw : dict, default=None
            Keyword arguments for matplotlib's `imshow` for images with one channel,
            such as ``{"cmap": "gray"}``. By default the lowest value of the originals
            is white and the highest is black. Colour images are scaled to the same
            range unless the originals are in [0, 1].

        Returns
        -------
        display : ReconstructionDisplay
            The display with its images.

        Raises
        ------
        ValueError
            If an estimator cannot reconstruct, or `names`, `n_items`, `image_shape` or
            `X_target` do not fit.
        """
        check_matplotlib(cls.__name__)
        if isinstance(estimators, dict):
            names = estimators.keys() if names is None else names
            estimators = estimators.values()
        elif hasattr(estimators, "transform") or hasattr(estimators, "fit"):
            estimators = [estimators]
        estimators = list(estimators)
        if names is None:
            names = [type(estimator).__name__ for estimator in estimators]
        names = list(names)
        if len(set(names)) != len(names) or len(names) != len(estimators):
            raise ValueError(
                f"names={names!r} must be one name for each of the {len(estimators)} "
                "estimators, all different."
            )
        rows = as_rows(X)
        display = cls(
            X=rows,
            reconstructions={
                name: reconstruct(estimator, X)
                for name, estimator in zip(names, estimators, strict=True)
            },
            image_shape=find_image_shape(rows.shape[1], image_shape, estimators),
            X_target=None if X_target is None else as_rows(X_target),
        )
        return display.plot(ax, n_items=n_items, difference=difference, im_kw=im_kw)

    def plot(self, ax=None, *, n_items=10, difference=True, im_kw=None) -> Self:
        """Draw the images, one column per image.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        n_items : int, default=10
            Number of images to draw, from the start of `X`.

        difference : bool, default=True
            Whether to draw the differences as well: blue where the reconstruction is
            lower than the target, red where it is higher. For colour images, the mean
            over the channels is drawn.

        im_kw : dict, default=None
            Keyword arguments for matplotlib's `imshow` for images with one channel,
            such as ``{"cmap": "gray"}``. By default the lowest value of the originals
            is white and the highest is black. Colour images are scaled to the same
            range unless the originals are in [0, 1].

        Returns
        -------
        display : ReconstructionDisplay
            The display with its images.

        Raises
        ------
        ValueError
            If `n_items` is not an integer of at least 1, or the shapes do not match.
        """
        check_count("n_items", n_items)
        X = np.asarray(self.X)
        _, height, width = find_image_shape(X.shape[1], self.image_shape)
        target = X if self.X_target is None else np.asarray(self.X_target)
        images = {"X": X}
        labels = {"X": "original" if self.X_target is None else "input"}
        if self.X_target is not None:
            images["X_target"], labels["X_target"] = target, "target"
        differences, self.errors_ = {}, {}
        for name, reconstruction in self.reconstructions.items():
            residual = _difference(reconstruction, target, name)
            self.errors_[name] = float(np.mean(residual**2))
            if name in images:
                raise ValueError(
                    f"names: {name!r} cannot name an estimator, because another row of "
                    "the picture has this name."
                )
            images[name] = np.asarray(reconstruction)
            labels[name] = f"{name}\nMSE {self.errors_[name]:.3g}"
            if difference:
                key = f"{name} - X"
                images[key] = differences[key] = residual
                labels[key] = "difference"
        n_items = min(n_items, len(X))
        shown = {}
        for key, rows in images.items():
            # Targets may have another number of channels than `X`.
            channels = rows.shape[1] // (height * width)
            shape = find_image_shape(rows.shape[1], (channels, height, width))
            shown[key] = as_images(rows[:n_items], shape)
            if key in differences and channels == 3:
                shown[key] = shown[key].mean(axis=-1)
        low = min(np.min(X[:n_items]), np.min(target[:n_items]))
        high = max(np.max(X[:n_items]), np.max(target[:n_items]))
        # If all differences are 0, 0 is still the middle of the colour map.
        most = max((np.abs(shown[key]).max() for key in differences), default=0) or 1.0
        height, width = height + 1, width + 1
        side = min(max(INCHES / n_items, LOWEST), 1.0, HIGHEST * width / height)
        side = min(side, WIDEST / n_items)
        above = side * height / width
        longest = max(len(line) for key in shown for line in labels[key].split("\n"))
        before = LETTER * (longest + 4)
        figsize = n_items * side + before, len(shown) * max(above, LOWEST)
        self.ax_ = make_axes(ax, "ReconstructionDisplay", figsize)
        self.figure_ = self.ax_.figure
        self.images_ = {}
        for row, (key, items) in enumerate(shown.items()):
            if key in differences:
                style = {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
            else:
                style = {"cmap": "gray_r", "vmin": low, "vmax": high} | (im_kw or {})
            if items.ndim == 4 and not 0 <= low <= high <= 1:
                items = (items - low) / (high - low or 1.0)
            top = row * height
            self.images_[key] = show(
                self.ax_,
                tile(items, n_items),
                extent=(0, n_items * width - 1, top + height - 1, top),
                **style,
            )
        self.ax_.set(
            xlim=(-0.5, n_items * width - 0.5),
            ylim=(len(shown) * height - 0.5, -0.5),
            xticks=[],
            yticks=np.arange(len(shown)) * height + (height - 1) / 2,
            yticklabels=[labels[key] for key in shown],
            # Flat images, such as spectra, are stretched to bands.
            aspect="equal" if above > 0.8 * LOWEST else "auto",
            anchor="W",  # if centred, the layout would cut off the labels
        )
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)
        return self


def _difference(reconstruction, target, name):
    """Reconstruction minus target. Raises a ValueError if their shapes differ."""
    reconstruction = np.asarray(reconstruction)
    if reconstruction.shape != target.shape:
        raise ValueError(
            f"The reconstructions by {name!r} have the shape {reconstruction.shape}, "
            f"but their target has {target.shape}; see X_target."
        )
    return reconstruction - target
