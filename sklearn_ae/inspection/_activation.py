"""Mean activations of the units of a code."""

from typing import Self

import numpy as np

from sklearn_ae.inspection._checks import check_has, find_part, last_step
from sklearn_ae.inspection._style import (
    COLORS,
    bin_edges,
    check_matplotlib,
    count_in_integers,
    make_axes,
    override,
)
from sklearn_ae.inspection._tiles import as_rows

# Units are dead up to this share of the largest standard deviation, as in
# `dead_units_`.
DEAD = 1e-3


class ActivationDisplay:
    """Histogram of the mean activations of units, with dead units marked.

    It is recommended to use :meth:`from_estimator` to create an `ActivationDisplay`.
    All parameters are stored as attributes.

    Parameters
    ----------
    mean_activation : array-like of shape (n_units,)
        Mean code of each unit over the rows.

    dead_units : array-like of bool of shape (n_units,), default=None
        Units whose code hardly changes from row to row. None marks no units.

    rho : float, default=None
        Target of the mean activations.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the histogram.

    figure_ : matplotlib Figure
        Figure containing the histogram.

    bars_ : dict of str to matplotlib BarContainer
        Bars of the ``"live"`` and the ``"dead"`` units. Empty groups are missing.

    line_ : matplotlib Line2D or None
        Line at `rho`.

    See Also
    --------
    WeightsDisplay : Weights of the units as images.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import SparseAutoencoder
    >>> from sklearn_ae.inspection import ActivationDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> sparse = SparseAutoencoder(rho=0.1, max_epochs=10, random_state=0).fit(X / 16)
    >>> display = ActivationDisplay.from_estimator(sparse)
    >>> display.rho
    0.1
    >>> plt.show()
    """

    def __init__(self, *, mean_activation, dead_units=None, rho=None):
        self.mean_activation = mean_activation
        self.dead_units = dead_units
        self.rho = rho

    @classmethod
    def from_estimator(
        cls, estimator, X=None, *, bins=30, ax=None, bar_kw=None
    ) -> Self:
        """Draw the mean activations of a fitted autoencoder.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with `transform`. If it, or the last step of a pipeline,
            has ``sparsity="kl"``, its `rho` is drawn.

        X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
            Rows to average over. Units are dead if their standard deviation is at most
            a thousandth of the largest one; no unit is dead for a single row. None
            uses `mean_activation_` and `dead_units_`, which a `SparseAutoencoder`, or
            such a step of a pipeline, computes from its training rows.

        bins : int or array-like, default=30
            Number of bins, or their edges.

        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        bar_kw : dict, default=None
            Keyword arguments for matplotlib's `bar`, used for all bars.

        Returns
        -------
        display : ActivationDisplay
            The display with its histogram.

        Raises
        ------
        ValueError
            If `estimator` has no `transform`, or `X` is None and `estimator` has no
            `mean_activation_`.
        """
        check_matplotlib(cls.__name__)
        if X is None:
            part = find_part(estimator, "mean_activation_")
            if part is None:
                raise ValueError(
                    "X=None needs an estimator with mean_activation_, but "
                    f"{type(estimator).__name__} has none; pass X."
                )
            mean, dead = part.mean_activation_, part.dead_units_
        else:
            check_has(estimator, "transform")
            part = last_step(getattr(estimator, "best_estimator_", estimator))
            codes = as_rows(estimator.transform(X)).astype(float)
            mean, deviations = codes.mean(axis=0), codes.std(axis=0)
            # A single row cannot show which units are dead.
            dead = (deviations <= DEAD * deviations.max()) & (len(codes) > 1)
        kl = getattr(part, "sparsity", None) == "kl"
        display = cls(
            mean_activation=mean,
            dead_units=dead,
            rho=part.rho if kl else None,
        )
        return display.plot(ax, bins=bins, bar_kw=bar_kw)

    def plot(self, ax=None, *, bins=30, bar_kw=None) -> Self:
        """Draw the histogram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        bins : int or array-like, default=30
            Number of bins, or their edges.

        bar_kw : dict, default=None
            Keyword arguments for matplotlib's `bar`, used for all bars.

        Returns
        -------
        display : ActivationDisplay
            The display with its histogram.
        """
        self.ax_ = make_axes(ax, "ActivationDisplay")
        self.figure_ = self.ax_.figure
        mean = np.asarray(self.mean_activation, dtype=float)
        if self.dead_units is None:
            dead = np.zeros(len(mean), dtype=bool)
        else:
            dead = np.asarray(self.dead_units, dtype=bool)
        # The range covers at least rho +- 20 %, so that small deviations look small.
        around = [] if self.rho is None else [0.8 * self.rho, 1.2 * self.rho]
        edges = bin_edges(np.append(mean, around), bins)
        groups = {"live": (~dead, COLORS[0], None), "dead": (dead, COLORS[1], "///")}
        self.bars_ = {}
        bottom = np.zeros(len(edges) - 1)
        for name, (units, color, hatch) in groups.items():
            if not units.any():
                continue
            counts, _ = np.histogram(mean[units], edges)
            style = {"color": color, "hatch": hatch, "edgecolor": "white"}
            style["label"] = f"{units.sum()} {name} units"
            self.bars_[name] = self.ax_.bar(
                edges[:-1],
                counts,
                np.diff(edges),
                bottom=bottom,
                align="edge",
                **override(style, bar_kw),
            )
            bottom = bottom + counts
        self.line_ = None
        if self.rho is not None:
            self.line_ = self.ax_.axvline(
                self.rho, color="black", linestyle="--", label=f"rho = {self.rho:g}"
            )
        self.ax_.set(xlabel="mean activation", ylabel="units")
        count_in_integers(self.ax_.yaxis)
        self.ax_.legend()
        return self
