"""Reconstruction errors of rows and features."""

from typing import Self

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from sklearn_ae.inspection._checks import (
    check_count,
    check_names,
    check_option,
    reconstruct_alike,
)
from sklearn_ae.inspection._style import (
    COLORS,
    LETTER,
    MAX_NAMES,
    bin_edges,
    check_matplotlib,
    label_plainly,
    make_axes,
    override,
)

KINDS = ("histogram", "heatmap")


class ReconstructionErrorDisplay:
    """Histogram of the errors of rows, or heat map of the errors of features.

    It is recommended to use :meth:`from_estimator` to create a
    `ReconstructionErrorDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    feature_errors : array-like of shape (n_samples, n_features)
        Error of each entry. The error of a row is their mean.

    threshold : float, default=None
        Rows with a larger error are outliers.

    y : array-like of shape (n_samples,), default=None
        Groups of rows, each with its own histogram.

    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features. None numbers them.

    error_name : str, default="squared error"
        Name of the errors, for the labels.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.

    figure_ : matplotlib Figure
        Figure containing the picture.

    errors_ : ndarray of shape (n_samples,)
        Error of each row.

    bars_ : dict of str to matplotlib StepPatch
        Histograms by group, or one of all rows as ``"all"``. Empty for a heat map.

    line_ : matplotlib Line2D or None
        Line at the threshold.

    image_ : matplotlib AxesImage or None
        The heat map.

    rows_ : ndarray of int or None
        Indices of the rows of the heat map, from top to bottom.

    See Also
    --------
    sklearn_ae.AutoencoderOutlierDetector : Outliers by reconstruction error.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ae import Autoencoder, AutoencoderOutlierDetector
    >>> from sklearn_ae.inspection import ReconstructionErrorDisplay
    >>> X = scale(load_wine().data)
    >>> autoencoder = Autoencoder(3, validation=None, max_epochs=20)
    >>> detector = AutoencoderOutlierDetector(autoencoder, random_state=0).fit(X)
    >>> display = ReconstructionErrorDisplay.from_estimator(detector, X)
    >>> beyond = display.errors_ > display.threshold
    >>> float((beyond == (detector.predict(X) == -1)).mean())
    1.0
    >>> heatmap = ReconstructionErrorDisplay.from_estimator(
    ...     detector, X, kind="heatmap", feature_names=load_wine().feature_names
    ... )
    >>> plt.show()
    """

    def __init__(
        self,
        *,
        feature_errors,
        threshold=None,
        y=None,
        feature_names=None,
        error_name="squared error",
    ):
        self.feature_errors = feature_errors
        self.threshold = threshold
        self.y = y
        self.feature_names = feature_names
        self.error_name = error_name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        kind="histogram",
        threshold=None,
        feature_names=None,
        bins=20,
        n_rows=20,
        ax=None,
        hist_kw=None,
        im_kw=None,
    ) -> Self:
        """Reconstruct rows and draw the errors.

        Parameters
        ----------
        estimator : estimator
            Fitted :class:`~sklearn_ae.AutoencoderOutlierDetector`, whose
            `feature_errors` are drawn, or any estimator with `transform` and
            `inverse_transform`, such as PCA or a pipeline.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to reconstruct.

        y : array-like of shape (n_samples,), default=None
            Groups of rows, each with its own histogram.

        kind : {"histogram", "heatmap"}, default="histogram"
            What to draw.

        threshold : float, default=None
            Rows with a larger error are outliers. None uses the threshold of an outlier
            detector, and no threshold for other estimators.

        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features. None uses `feature_names_in_` of `estimator`, if it
            exists.

        bins : int or array-like, default=20
            Number of bins of the histogram, of equal width on the axis, or their edges.
            The axis is logarithmic if everything on it is positive.

        n_rows : int, default=20
            Number of rows of the heat map, those with the largest errors.

        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        hist_kw : dict, default=None
            Keyword arguments for matplotlib's `stairs`.

        im_kw : dict, default=None
            Keyword arguments for matplotlib's `imshow`.

        Returns
        -------
        display : ReconstructionErrorDisplay
            The display with its picture.

        Raises
        ------
        ValueError
            If `kind` is unknown, `estimator` cannot reconstruct, or another argument
            is invalid.
        """
        check_matplotlib(cls.__name__)
        check_option("kind", kind, KINDS)
        if hasattr(estimator, "feature_errors"):
            is_distance = getattr(estimator, "criterion", None) == "neighbors"
            error_name = "distance / usual" if is_distance else "error / usual error"
            errors = estimator.feature_errors(X)
            threshold = -estimator.offset_ if threshold is None else threshold
        else:
            rows, reconstruction = reconstruct_alike(estimator, X)
            errors = (rows - reconstruction) ** 2
            error_name = "squared error"
        if feature_names is None:
            feature_names = getattr(estimator, "feature_names_in_", None)
        display = cls(
            feature_errors=errors,
            threshold=threshold,
            y=y,
            feature_names=feature_names,
            error_name=error_name,
        )
        return display.plot(
            ax, kind=kind, bins=bins, n_rows=n_rows, hist_kw=hist_kw, im_kw=im_kw
        )

    def plot(
        self,
        ax=None,
        *,
        kind="histogram",
        bins=20,
        n_rows=20,
        hist_kw=None,
        im_kw=None,
    ) -> Self:
        """Draw the histogram or the heat map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        kind : {"histogram", "heatmap"}, default="histogram"
            What to draw.

        bins : int or array-like, default=20
            Number of bins of the histogram, of equal width on the axis, or their edges.
            The axis is logarithmic if everything on it is positive.

        n_rows : int, default=20
            Number of rows of the heat map, those with the largest errors.

        hist_kw : dict, default=None
            Keyword arguments for matplotlib's `stairs`.

        im_kw : dict, default=None
            Keyword arguments for matplotlib's `imshow`.

        Returns
        -------
        display : ReconstructionErrorDisplay
            The display with its picture.

        Raises
        ------
        ValueError
            If `kind` is unknown, `feature_errors` or `threshold` are not finite, or
            another argument is invalid.
        """
        check_option("kind", kind, KINDS)
        check_count("n_rows", n_rows)
        errors = np.asarray(self.feature_errors, dtype=float)
        if not np.isfinite(errors).all():
            raise ValueError(
                "feature_errors must be finite, but contains NaN or infinity."
            )
        if self.threshold is not None and not np.isfinite(self.threshold):
            raise ValueError(f"threshold={self.threshold!r} must be finite or None.")
        self.errors_ = errors.mean(axis=1)
        self.bars_, self.line_, self.image_, self.rows_ = {}, None, None, None
        if kind == "histogram":
            self.ax_ = make_axes(ax, "ReconstructionErrorDisplay")
            self.figure_ = self.ax_.figure
            self._draw_histogram(bins, hist_kw or {})
        else:
            self.rows_ = np.argsort(-self.errors_, kind="stable")[:n_rows]
            longest = max((len(name) for name in self._names()), default=0)
            figsize = 8.0, 1.6 + 0.22 * len(self.rows_) + LETTER * longest
            self.ax_ = make_axes(ax, "ReconstructionErrorDisplay", figsize)
            self.figure_ = self.ax_.figure
            self._draw_heatmap(errors[self.rows_], im_kw or {})
        return self

    def _draw_histogram(self, bins, options):
        errors = self.errors_
        # The range includes the threshold.
        seen = errors if self.threshold is None else np.append(errors, self.threshold)
        if np.ndim(bins) == 0 and (seen > 0).all():
            edges = 10 ** bin_edges(np.log10(seen), bins)
            # Rounding must not exclude the extremes.
            edges[0], edges[-1] = min(edges[0], seen.min()), max(edges[-1], seen.max())
        else:
            edges = bin_edges(seen, bins)
        groups = {f"{len(errors)} rows": errors}
        if self.y is not None:
            y = column_or_1d(np.asarray(self.y))
            check_consistent_length(errors, y)
            groups = {str(label): errors[y == label] for label in np.unique(y)}
        for i, (name, group) in enumerate(groups.items()):
            counts, _ = np.histogram(group, edges)
            style = {
                "color": COLORS[i % len(COLORS)],
                "linestyle": ("-", "--", "-.", ":")[i % 4],
                "linewidth": 1.5,
                "label": name,
            }
            bars = self.ax_.stairs(counts, edges, **override(style, options))
            within = {"color": bars.get_edgecolor(), "alpha": 0.2, "zorder": 0.9}
            self.ax_.stairs(counts, edges, fill=True, **within)
            self.bars_["all" if self.y is None else name] = bars
        if self.threshold is not None:
            beyond = np.mean(errors > self.threshold)
            self.line_ = self.ax_.axvline(
                self.threshold,
                color="black",
                linestyle="--",
                label=f"threshold {self.threshold:.3g}, {beyond:.1%} beyond",
            )
        self.ax_.set(
            xlabel=f"{self.error_name}, mean of a row",
            ylabel="rows",
            # Depends on everything on the axes: bars of another display stay visible.
            xscale="log" if self.ax_.dataLim.xmin > 0 else "linear",
        )
        label_plainly(self.ax_.xaxis)
        self.ax_.margins(y=0.4)  # room for the legend
        self.ax_.legend()

    def _draw_heatmap(self, errors, options):
        style = {"cmap": "cividis", "aspect": "auto", "interpolation": "nearest"}
        most = errors.max()
        if most > 0:
            # Logarithmic, so that one extreme row does not make the others look alike.
            style |= {"norm": "log", "vmin": most / 100, "vmax": most}
            errors = np.maximum(errors, most / 100)
        self.image_ = self.ax_.imshow(errors, **style | options)
        bar = self.figure_.colorbar(self.image_, ax=self.ax_, label=self.error_name)
        label_plainly(bar.ax.yaxis)
        self.ax_.set(ylabel="row", xlabel="feature")
        if len(errors) <= MAX_NAMES:
            self.ax_.set_yticks(np.arange(len(errors)), self.rows_.astype(str))
        if names := self._names():
            self.ax_.set_xticks(np.arange(len(names)), names, rotation=90)
            self.ax_.set_xlabel("")

    def _names(self):
        """Names of the features; empty if there are none or too many for the axis."""
        names, n_features = self.feature_names, np.shape(self.feature_errors)[1]
        check_names(names, n_features)
        few = names is not None and n_features <= MAX_NAMES
        return [str(name) for name in names] if few else []
