"""Which features components depend on, as a heat map."""

from typing import Self

import numpy as np

from sklearn_ae.inspection._checks import (
    check_count,
    check_names,
    check_option,
    find_names,
)
from sklearn_ae.inspection._features import OUTPUTS, feature_importance
from sklearn_ae.inspection._style import (
    LETTER,
    MAX_NAMES,
    check_matplotlib,
    make_axes,
)

# Number of columns that are wide enough for numbers.
MAX_NUMBERS = 16


class FeatureImportanceDisplay:
    """Heat map of what each component of a code depends on.

    Each column is a component, and each cell a share: the importance of the feature for
    the component, divided by the sum over all features, in percent.

    It is recommended to use :meth:`from_estimator` to create a
    `FeatureImportanceDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    importances : array-like of shape (n_features, n_outputs)
        Importance of each feature for each output, such as `importances_mean` of
        :func:`feature_importance`.

    of : {"code", "reconstruction"}, default="code"
        What the outputs are, for the labels.

    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features. None numbers them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.

    figure_ : matplotlib Figure
        Figure containing the picture.

    image_ : matplotlib AxesImage
        The heat map.

    shares_ : ndarray of shape (n_features, n_outputs)
        The importances divided by their sums over the features, in percent. Columns of
        outputs that depend on no feature are 0.

    features_ : ndarray of int
        Indices of the features of the heat map, from top to bottom.

    See Also
    --------
    feature_importance : What importances are, and how they are computed.
    WeightsDisplay : Draws a row per unit as an image, such as importances of pixels.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.inspection import FeatureImportanceDisplay
    >>> wine = load_wine()
    >>> X = scale(wine.data)
    >>> autoencoder = Autoencoder(2, validation=None, max_epochs=20, random_state=0)
    >>> display = FeatureImportanceDisplay.from_estimator(
    ...     autoencoder.fit(X), X, feature_names=wine.feature_names, random_state=0
    ... )
    >>> display.importances.shape
    (13, 2)
    >>> print(display.shares_.sum(axis=0).round(9))
    [100. 100.]
    >>> plt.show()
    """

    def __init__(self, *, importances, of="code", feature_names=None):
        self.importances = importances
        self.of = of
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        of="code",
        n_repeats=5,
        n_jobs=None,
        random_state=None,
        feature_names=None,
        n_features=20,
        ax=None,
        im_kw=None,
    ) -> Self:
        """Compute importances by permutations and draw them.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with `transform` and, for ``of="reconstruction"``,
            `inverse_transform`, such as an autoencoder, PCA or a pipeline.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to encode, as `estimator` takes them.

        of : {"code", "reconstruction"}, default="code"
            The outputs that features are important for: the components of the code, or
            the features of the reconstruction.

        n_repeats : int, default=5
            Number of permutations of each feature. Their mean is drawn.

        n_jobs : int, default=None
            Number of features that are permuted in parallel.

        random_state : int, RandomState instance or None, default=None
            Seed of the permutations. None draws a new seed.

        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features. None uses those of `estimator` or of the columns of
            `X`, if there are any.

        n_features : int, default=20
            Number of features that are drawn at most, those with the largest share of
            any output.

        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        im_kw : dict, default=None
            Keyword arguments for matplotlib's `imshow`.

        Returns
        -------
        display : FeatureImportanceDisplay
            The display with its picture.

        Raises
        ------
        ValueError
            If an argument is invalid, or `estimator` has no `transform`.
        """
        check_matplotlib(cls.__name__)
        result = feature_importance(
            estimator,
            X,
            of=of,
            n_repeats=n_repeats,
            n_jobs=n_jobs,
            random_state=random_state,
        )
        importances = result.importances_mean
        names = find_names(feature_names, estimator, X, len(importances))
        display = cls(importances=importances, of=of, feature_names=names)
        return display.plot(ax, n_features=n_features, im_kw=im_kw)

    def plot(self, ax=None, *, n_features=20, im_kw=None) -> Self:
        """Draw the heat map.

        Features are grouped by the output of which they have the largest share, and
        have the largest shares of their group first.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        n_features : int, default=20
            Number of features that are drawn at most, those with the largest share of
            any output.

        im_kw : dict, default=None
            Keyword arguments for matplotlib's `imshow`.

        Returns
        -------
        display : FeatureImportanceDisplay
            The display with its picture.

        Raises
        ------
        ValueError
            If `of` or `n_features` is invalid, or there is not one name per feature.
        """
        check_option("of", self.of, OUTPUTS)
        check_count("n_features", n_features)
        importances = np.asarray(self.importances, dtype=float)
        n_all, n_outputs = importances.shape
        check_names(self.feature_names, n_all)
        total = importances.sum(axis=0)
        self.shares_ = 100 * importances / np.where(total > 0, total, 1.0)
        self.features_ = _in_groups(self.shares_, n_features)
        rows = self._names(self.features_)
        columns = [str(i) for i in range(n_outputs)]
        if self.of == "reconstruction" and n_outputs == n_all:
            columns = self._names(range(n_outputs))
        longest = LETTER * max(map(len, rows))
        figsize = (
            1.8 + longest + np.clip(0.55 * len(columns), 2.0, 8.0),
            1.2 + 0.28 * min(len(rows), MAX_NAMES) + LETTER * max(map(len, columns)),
        )
        self.ax_ = make_axes(ax, "FeatureImportanceDisplay", figsize)
        self.figure_ = self.ax_.figure
        drawn = self.shares_[self.features_]
        style = {"cmap": "Blues", "aspect": "auto", "interpolation": "nearest"}
        style |= {"vmin": 0, "vmax": drawn.max() or 1.0}
        self.image_ = self.ax_.imshow(drawn, **style | (im_kw or {}))
        output = "component" if self.of == "code" else "reconstructed feature"
        # In two lines where pictures are low.
        label = f"share of the importances\nfor a {output} (%)"
        self.figure_.colorbar(self.image_, ax=self.ax_, label=label)
        unnamed = self.feature_names is None or len(rows) > MAX_NAMES
        self.ax_.set(xlabel=output, ylabel="feature" if unnamed else "")
        if len(rows) <= MAX_NAMES:
            self.ax_.set_yticks(np.arange(len(rows)), rows)
        if len(columns) <= MAX_NAMES:
            upright = 90 if max(map(len, columns)) > 2 else 0
            self.ax_.set_xticks(np.arange(len(columns)), columns, rotation=upright)
        if len(columns) <= MAX_NUMBERS and len(rows) <= MAX_NAMES:
            self._write_numbers(drawn)
        return self

    def _names(self, features):
        names = self.feature_names
        return [str(i) if names is None else str(names[i]) for i in features]

    def _write_numbers(self, drawn):
        """Percentages in the cells, but for those that round to 0."""
        for (row, column), value in np.ndenumerate(drawn):
            if value >= 0.5:
                dark = self.image_.norm(value) > 0.6
                self.ax_.text(
                    column,
                    row,
                    f"{value:.0f}",
                    ha="center",
                    va="center",
                    fontsize="small",
                    color="white" if dark else "black",
                )


def _in_groups(shares, n_features):
    """The features with the largest shares, in groups by where these are."""
    most, output = shares.max(axis=1), shares.argmax(axis=1)
    chosen = np.argsort(-most, kind="stable")[:n_features]
    return chosen[np.argsort(output[chosen], kind="stable")]
