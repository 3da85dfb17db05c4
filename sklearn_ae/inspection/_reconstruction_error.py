"""Errors of rows, and of their features."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_ae.inspection._style import COLORS, make_axes
from sklearn_ae.inspection._tiles import as_rows

KINDS = ("histogram", "heatmap")
# Names of features that find room along an axis.
MANY = 40


class ReconstructionErrorDisplay:
    """Histogram of the rows' errors, or a heat map of which features are to blame.

    It is recommended to use :meth:`from_estimator` to create a
    `ReconstructionErrorDisplay`. All parameters are stored as attributes.

    Parameters
    ----------
    feature_errors : array-like of shape (n_samples, n_features)
        Error of each entry. That of a row is their mean.

    threshold : float, default=None
        Rows of a greater error count as outliers.

    y : array-like of shape (n_samples,), default=None
        Groups of rows, which the histogram tells apart.

    feature_names : array-like of str of shape (n_features,), default=None
        Names of the features. None numbers them.

    error_name : str, default="squared error"
        What the errors are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the picture.

    figure_ : matplotlib Figure
        Figure containing the picture.

    errors_ : ndarray of shape (n_samples,)
        Error of each row.

    bars_ : dict of str to matplotlib StepPatch
        Histograms by group, or that of all rows as ``"all"``; empty for a heat map.

    line_ : matplotlib Line2D or None
        Where the threshold is.

    image_ : matplotlib AxesImage or None
        The heat map.

    rows_ : ndarray of int or None
        Which rows the heat map shows, from top to bottom.

    See Also
    --------
    sklearn_ae.AutoencoderOutlierDetector : Outliers by reconstruction error.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_ae import AutoencoderOutlierDetector
    >>> from sklearn_ae.inspection import ReconstructionErrorDisplay
    >>> X = scale(load_wine().data)
    >>> detector = AutoencoderOutlierDetector(random_state=0).fit(X)
    >>> display = ReconstructionErrorDisplay.from_estimator(detector, X)
    >>> beyond = display.errors_ > display.threshold
    >>> bool((beyond == (detector.predict(X) == -1)).all())
    True
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
    ):
        """Reconstruct rows and draw how wrong that is.

        Parameters
        ----------
        estimator : estimator
            Fitted :class:`~sklearn_ae.AutoencoderOutlierDetector`, whose errors are in
            units of each feature's usual one, or anything with `transform` and
            `inverse_transform`, PCA and pipelines included.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to reconstruct.

        y : array-like of shape (n_samples,), default=None
            Groups of rows, which the histogram tells apart.

        kind : {"histogram", "heatmap"}, default="histogram"
            What to draw.

        threshold : float, default=None
            Rows of a greater error count as outliers. None takes that of an outlier
            detector, and none for other estimators.

        feature_names : array-like of str of shape (n_features,), default=None
            Names of the features. None takes those that the estimator has seen.

        bins : int or array-like, default=20
            Number of bins of the histogram, equal on a logarithmic axis, or their
            edges.

        n_rows : int, default=20
            Rows of the heat map, those of the greatest errors.

        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        hist_kw : dict, default=None
            Keyword arguments of matplotlib's `stairs`.

        im_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow`.

        Returns
        -------
        display : ReconstructionErrorDisplay
            The display with its picture.
        """
        check_is_fitted(estimator)
        if hasattr(estimator, "feature_errors"):
            errors, error_name = estimator.feature_errors(X), "error / usual error"
            threshold = -estimator.offset_ if threshold is None else threshold
        else:
            reconstruction = estimator.inverse_transform(estimator.transform(X))
            errors = (as_rows(X) - as_rows(reconstruction)) ** 2
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
    ):
        """Draw the histogram or the heat map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        kind : {"histogram", "heatmap"}, default="histogram"
            What to draw.

        bins : int or array-like, default=20
            Number of bins of the histogram, equal on a logarithmic axis, or their
            edges.

        n_rows : int, default=20
            Rows of the heat map, those of the greatest errors.

        hist_kw : dict, default=None
            Keyword arguments of matplotlib's `stairs`.

        im_kw : dict, default=None
            Keyword arguments of matplotlib's `imshow`.

        Returns
        -------
        display : ReconstructionErrorDisplay
            The display with its picture.

        Raises
        ------
        ValueError
            If `kind` is unknown.
        """
        if kind not in KINDS:
            raise ValueError(f"kind={kind!r} must be one of {KINDS}.")
        errors = np.asarray(self.feature_errors, dtype=float)
        self.errors_ = errors.mean(axis=1)
        self.bars_, self.line_, self.image_, self.rows_ = {}, None, None, None
        if kind == "histogram":
            self.ax_ = make_axes(ax, "ReconstructionErrorDisplay")
            self.figure_ = self.ax_.figure
            self._draw_histogram(bins, hist_kw or {})
        else:
            self.rows_ = np.argsort(-self.errors_, kind="stable")[:n_rows]
            figsize = 8.0, 1.6 + 0.22 * len(self.rows_)
            self.ax_ = make_axes(ax, "ReconstructionErrorDisplay", figsize)
            self.figure_ = self.ax_.figure
            self._draw_heatmap(errors[self.rows_], im_kw or {})
        return self

    def _draw_histogram(self, bins, options):
        errors = self.errors_
        positive = bool((errors > 0).all())
        if isinstance(bins, int) and positive:
            exponents = np.log10(errors if self.threshold is None else self._seen())
            edges = 10 ** np.histogram_bin_edges(exponents, bins)
        else:
            edges = np.histogram_bin_edges(errors, bins)
        groups = {"all": np.ones(len(errors), dtype=bool)}
        if self.y is not None:
            y = np.asarray(self.y)
            groups = {str(label): y == label for label in np.unique(y)}
        for i, (name, rows) in enumerate(groups.items()):
            counts, _ = np.histogram(errors[rows], edges)
            style = {
                "color": COLORS[i % len(COLORS)],
                "linestyle": ("-", "--", "-.", ":")[i % 4],
                "linewidth": 1.5,
                "label": name if self.y is not None else f"{len(errors)} rows",
            }
            self.ax_.stairs(counts, edges, fill=True, color=style["color"], alpha=0.2)
            self.bars_[name] = self.ax_.stairs(counts, edges, **style | options)
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
            xscale="log" if positive else "linear",
        )
        self.ax_.legend()

    def _seen(self):
        """Errors with the threshold, which the picture shows too."""
        return np.append(self.errors_, self.threshold)

    def _draw_heatmap(self, errors, options):
        n_rows, n_features = errors.shape
        style = {"cmap": "cividis", "aspect": "auto", "interpolation": "nearest"}
        most = errors.max()
        if most > 0:
            # One row far out would leave the others without a difference.
            style |= {"norm": "log", "vmin": most / 100, "vmax": most}
            errors = np.maximum(errors, most / 100)
        self.image_ = self.ax_.imshow(errors, **style | options)
        self.figure_.colorbar(self.image_, ax=self.ax_, label=self.error_name)
        self.ax_.set(ylabel="row", xlabel="feature")
        if n_rows <= MANY:
            self.ax_.set_yticks(np.arange(n_rows), self.rows_.astype(str))
        if self.feature_names is not None and n_features <= MANY:
            names = [str(name) for name in self.feature_names]
            self.ax_.set_xticks(np.arange(n_features), names, rotation=90)
            self.ax_.set_xlabel("")
