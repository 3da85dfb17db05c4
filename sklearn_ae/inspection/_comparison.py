"""Estimators side by side: quality against time, as a plot."""

from typing import Self

import numpy as np

from sklearn_ae.inspection._checks import check_option
from sklearn_ae.inspection._compare import compare
from sklearn_ae.inspection._style import (
    COLORS,
    GREY,
    check_matplotlib,
    label_plainly,
    make_axes,
    override,
)

LABELS = {
    "error": "mean squared error, held-out rows",
    "ratio": "error / error of {first}, held-out rows",
    "explained": "share of the variance explained, held-out rows",
    "trustworthiness": "trustworthiness of the codes, held-out rows",
    "score": "score of the prediction, held-out rows",
}
# Those of which less is better.
ERRORS = ("error", "ratio")
# Those that are measured if an argument of `compare` asks for them.
ASKED_FOR = {"trustworthiness": "n_neighbors", "score": "downstream"}
MARKERS = "os^Dv"


class ComparisonDisplay:
    """Quality of estimators on held-out rows, against the time of their fits.

    It is recommended to use :meth:`from_estimator` to create a `ComparisonDisplay`, or
    to pass the result of :func:`compare`. All parameters are stored as attributes.

    Parameters
    ----------
    comparison : pandas.DataFrame with one row per estimator
        What :func:`compare` returns.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the points.

    figure_ : matplotlib Figure
        Figure containing the points.

    points_ : dict of str to matplotlib ErrorbarContainer
        Points and bars of one standard deviation over the folds, by the name of the
        estimator. Those without the quantity are in the legend only.

    baseline_ : matplotlib Line2D or None
        The level of the first estimator, if it has the quantity.

    See Also
    --------
    compare : The comparison, as a data frame.
    ComponentsDisplay : Errors against the number of components.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.inspection import ComparisonDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = ComparisonDisplay.from_estimator(
    ...     {
    ...         "PCA": PCA(8),
    ...         "Autoencoder": Autoencoder(8, max_epochs=5, random_state=0),
    ...     },
    ...     X / 16,
    ...     compare_kw={"cv": 2},
    ... )
    >>> display.comparison["ratio"].round(1).to_dict()
    {'PCA': 1.0, 'Autoencoder': 0.7}
    >>> plt.show()
    """

    def __init__(self, *, comparison):
        self.comparison = comparison

    @classmethod
    def from_estimator(
        cls,
        estimators,
        X,
        y=None,
        *,
        compare_kw=None,
        quantity="error",
        ax=None,
        errorbar_kw=None,
    ) -> Self:
        """Compare estimators with :func:`compare`, and draw the result.

        Parameters
        ----------
        estimators : estimator, dict of str to estimator, or sequence
            What to compare; clones are fitted.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to split.

        y : array-like of shape (n_samples,), default=None
            Target of the prediction from the codes.

        compare_kw : dict, default=None
            Keyword arguments for :func:`compare`, such as ``{"cv": 3, "n_jobs": 2}``.

        quantity : {"error", "ratio", "explained", "trustworthiness", "score"}, \
default="error"
            What to draw against the time, a column of the comparison.

        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        errorbar_kw : dict, default=None
            Keyword arguments for matplotlib's `errorbar`, used for all points.

        Returns
        -------
        display : ComparisonDisplay
            The display with its points.

        Raises
        ------
        ValueError
            If `quantity` is not among the columns, or :func:`compare` refuses its
            arguments.
        """
        check_matplotlib(cls.__name__)
        check_option("quantity", quantity, tuple(LABELS))
        compare_kw = compare_kw or {}
        argument = ASKED_FOR.get(quantity)
        if argument is not None and compare_kw.get(argument) is None:
            raise ValueError(
                f"quantity={quantity!r} is not measured without {argument!r} in "
                "compare_kw."
            )
        comparison = compare(estimators, X, y, **compare_kw)
        display = cls(comparison=comparison)
        return display.plot(ax, quantity=quantity, errorbar_kw=errorbar_kw)

    def plot(self, ax=None, *, quantity="error", errorbar_kw=None) -> Self:
        """Draw a point per estimator, and a line at the level of the first one.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        quantity : {"error", "ratio", "explained", "trustworthiness", "score"}, \
default="error"
            What to draw against the time, a column of the comparison.

        errorbar_kw : dict, default=None
            Keyword arguments for matplotlib's `errorbar`, used for all points.

        Returns
        -------
        display : ComparisonDisplay
            The display with its points.

        Raises
        ------
        ValueError
            If `quantity` is not among the columns.
        """
        check_option("quantity", quantity, self._quantities())
        values = self.comparison[quantity]
        first = self.comparison.attrs.get("baseline")
        if first not in self.comparison.index:
            first = self.comparison.index[0]
        self.ax_ = make_axes(ax, "ComparisonDisplay", (7.0, 4.0))
        self.figure_ = self.ax_.figure
        self.points_, self.baseline_ = {}, None
        if np.isfinite(values[first]):
            self.baseline_ = self.ax_.axhline(
                values[first], color=GREY, linestyle="--", linewidth=1, zorder=0
            )
        handles = []
        for i, name in enumerate(self.comparison.index):
            if not np.isfinite(values[name]):
                absent = f"{name}: no {quantity}"
                handles += self.ax_.plot([], [], linestyle="none", label=absent)
                continue
            style = {"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % 5]}
            style |= {"capsize": 3, "linestyle": "none", "label": name}
            self.points_[name] = self.ax_.errorbar(
                self.comparison["fit_time"][name],
                values[name],
                yerr=self.comparison[f"{quantity}_std"][name],
                **override(style, errorbar_kw),
            )
            handles.append(self.points_[name])
        self.ax_.set(
            xlabel="seconds of a fit", ylabel=LABELS[quantity].format(first=first)
        )
        if quantity in ERRORS:
            self.ax_.set_ylim(0, None)
        if (self.comparison["fit_time"] > 0).all():
            self.ax_.set_xscale("log")
            label_plainly(self.ax_.xaxis)
        self.ax_.legend(handles=handles)
        return self

    def _quantities(self):
        return tuple(name for name in LABELS if name in self.comparison)
