"""Reconstruction error against the number of components."""

from typing import Self

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import check_cv, validation_curve

from sklearn_ae.inspection._checks import check_has, last_step, reconstruct
from sklearn_ae.inspection._style import (
    check_matplotlib,
    count_in_integers,
    make_axes,
    next_color,
    override,
)
from sklearn_ae.inspection._tiles import as_rows


class ComponentsDisplay:
    """Reconstruction error against number of components, similar to a scree plot.

    It is recommended to use :meth:`from_estimator` to create a `ComponentsDisplay`.
    All parameters are stored as attributes.

    Parameters
    ----------
    n_components : array-like of shape (n_points,)
        Numbers of components.

    errors : dict of str to array-like of shape (n_points, n_splits)
        Mean squared errors per entry of held-out rows, by the name of the estimator.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure containing the curves.

    lines_ : dict of str to matplotlib Line2D
        Curves of the mean errors, by name.

    bands_ : dict of str to matplotlib PolyCollection
        Bands of one standard deviation over the splits around the mean, by name.

    See Also
    --------
    ReconstructionDisplay : Images and their reconstructions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import Autoencoder
    >>> from sklearn_ae.inspection import ComponentsDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = ComponentsDisplay.from_estimator(
    ...     Autoencoder(max_epochs=10, random_state=0),
    ...     X / 16,
    ...     n_components=[2, 8],
    ...     cv=2,
    ... )
    >>> for name, errors in display.errors.items():
    ...     print(name, errors.mean(axis=1).round(2))
    PCA [0.05 0.03]
    Autoencoder [0.04 0.02]
    >>> plt.show()
    """

    def __init__(self, *, n_components, errors):
        self.n_components = n_components
        self.errors = errors

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        n_components=None,
        param_name=None,
        cv=None,
        n_jobs=None,
        ax=None,
        line_kw=None,
    ) -> Self:
        """Fit an estimator and PCA for several numbers of components.

        Parameters
        ----------
        estimator : estimator
            Estimator with `transform` and `inverse_transform`. Clones of it are
            fitted.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Data to split.

        n_components : array-like of int, default=None
            Numbers to try. None uses at most eight, in approximately geometric
            progression from 1 to one less than the number of features or of training
            rows, whichever is smaller.

        param_name : str, default=None
            Parameter to vary. None is ``"n_components"`` or, for a pipeline, that of
            its last step, for instance ``"autoencoder__n_components"``.

        cv : int, cross-validation generator or iterable, default=None
            How to split the rows. None uses five folds. PCA and the estimator use the
            same splits.

        n_jobs : int, default=None
            Number of fits that run in parallel.

        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        line_kw : dict, default=None
            Keyword arguments for matplotlib's `plot`, used for all curves.

        Returns
        -------
        display : ComponentsDisplay
            The display with its curves.

        Raises
        ------
        ValueError
            If `estimator` cannot reconstruct, or cannot be fitted with one of the
            `n_components`.

        Notes
        -----
        PCA is fitted to the same rows, in the units of `X`, without the other steps of
        a pipeline.
        """
        check_matplotlib(cls.__name__)
        check_has(estimator, "transform", "inverse_transform")
        as_rows(X)  # before PCA, whose message about gaps leads astray
        # A list, because generators are exhausted and random splits differ next time.
        splits = list(check_cv(cv).split(X))
        if n_components is None:
            n_rows = min(len(train) for train, _ in splits)
            most = max(min(np.shape(X)[1], n_rows) - 1, 1)
            n_components = np.geomspace(1, most, 8).round().astype(int)
        n_components = np.unique(n_components)
        errors = {}
        candidates = {"PCA": (PCA(random_state=0), "n_components")}
        name = _name(estimator)
        if name in candidates and type(estimator) is not PCA:
            name = type(estimator).__name__  # a pipeline that ends in PCA
        param_name = param_name or _parameter(estimator)
        candidates[name] = clone(estimator), param_name
        for name, (candidate, parameter) in candidates.items():
            _, scores = validation_curve(
                candidate,
                X,
                None,
                param_name=parameter,
                param_range=n_components.tolist(),
                cv=splits,
                scoring=_minus_error,
                n_jobs=n_jobs,
                error_score="raise",
            )
            errors[name] = -scores
        return cls(n_components=n_components, errors=errors).plot(ax, line_kw=line_kw)

    def plot(self, ax=None, *, line_kw=None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None creates new axes.

        line_kw : dict, default=None
            Keyword arguments for matplotlib's `plot`, used for all curves.

        Returns
        -------
        display : ComponentsDisplay
            The display with its curves.
        """
        self.ax_ = make_axes(ax, "ComponentsDisplay")
        self.figure_ = self.ax_.figure
        self.lines_, self.bands_ = {}, {}
        for name, errors in self.errors.items():
            mean, deviation = np.mean(errors, axis=1), np.std(errors, axis=1)
            style = {"color": next_color(self.ax_), "label": name}
            style["marker"] = "os^Dv"[len(self.lines_) % 5]
            style["linestyle"] = ("--", "-")[len(self.lines_) % 2]
            (self.lines_[name],) = self.ax_.plot(
                self.n_components, mean, **override(style, line_kw)
            )
            self.bands_[name] = self.ax_.fill_between(
                self.n_components,
                mean - deviation,
                mean + deviation,
                color=self.lines_[name].get_color(),
                alpha=0.2,
                linewidth=0,
            )
        self.ax_.set(
            xlabel="number of components",
            ylabel="mean squared error, held-out rows",
            ylim=(0, None),
        )
        count_in_integers(self.ax_.xaxis)
        self.ax_.legend()
        return self


def _name(estimator):
    return type(last_step(estimator)).__name__


def _parameter(estimator):
    if not hasattr(estimator, "steps"):
        return "n_components"
    name, last = estimator.steps[-1]
    return f"{name}__{_parameter(last)}"


def _minus_error(estimator, X, y=None):
    return -float(np.mean((as_rows(X) - reconstruct(estimator, X)) ** 2))
