"""Loss against epoch."""

from typing import Self

import numpy as np

from sklearn_ae.inspection._checks import check_option, fitted_part
from sklearn_ae.inspection._style import (
    GREY,
    check_matplotlib,
    count_in_integers,
    draw_legend,
    label_plainly,
    make_axes,
    next_color,
    override,
)

PARTS = {"train": "training", "valid": "validation"}
SCALES = ("auto", "log", "linear")


class LossCurveDisplay:
    """Loss per epoch, on the training and the validation rows.

    It is recommended to use :meth:`from_estimator` to create a `LossCurveDisplay`.
    All parameters are stored as attributes.

    Parameters
    ----------
    history : dict of str to array-like of shape (n_epochs,)
        Like `history_` of a fitted estimator: ``"train_loss"``, ``"valid_loss"`` if
        rows are held out, and likewise each term of the loss, such as
        ``"train_reconstruction"``. A vertical line marks each change of ``"stage"``.
        Other columns are not drawn.

    name : str, default=None
        Name of the estimator in the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.

    figure_ : matplotlib Figure
        Figure containing the curves.

    lines_ : dict of str to matplotlib Line2D
        The curves, by their column of `history`.

    See Also
    --------
    ReconstructionDisplay : Images and their reconstructions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import SparseAutoencoder
    >>> from sklearn_ae.inspection import LossCurveDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> sparse = SparseAutoencoder(32, max_epochs=10, random_state=0).fit(X / 16)
    >>> display = LossCurveDisplay.from_estimator(sparse)
    >>> list(display.lines_)[:2]
    ['train_loss', 'valid_loss']
    >>> plt.show()
    """

    def __init__(self, *, history, name=None):
        self.history = history
        self.name = name

    @classmethod
    def from_estimator(
        cls, estimator, *, ax=None, name=None, terms=True, yscale="auto", line_kw=None
    ) -> Self:
        """Draw the loss curves of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with `history_`. A pipeline stands for its last step that
            has one, a search for its best estimator.

        ax : matplotlib Axes, default=None
            Axes to draw on, for instance those of another display. None creates new
            axes.

        name : str, default=None
            Name of the estimator in the legend.

        terms : bool, default=True
            Whether to draw each term of the loss too, if there is more than one.

        yscale : {"auto", "log", "linear"}, default="auto"
            Scale of the loss. ``"auto"`` is logarithmic if everything on the axes is
            positive.

        line_kw : dict, default=None
            Keyword arguments for matplotlib's `plot`, used for all curves.

        Returns
        -------
        display : LossCurveDisplay
            The display with its curves.

        Raises
        ------
        ValueError
            If `estimator` has no `history_`, if no epoch was trained, or if `yscale`
            is unknown. For an outlier detector, pass its `autoencoder_`.
        """
        check_matplotlib(cls.__name__)
        history = fitted_part(estimator, "history_").history_
        display = cls(history=history, name=name)
        return display.plot(ax, terms=terms, yscale=yscale, line_kw=line_kw)

    def plot(self, ax=None, *, terms=True, yscale="auto", line_kw=None) -> Self:
        """Draw the loss curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on, for instance those of another display. None creates new
            axes.

        terms : bool, default=True
            Whether to draw each term of the loss too, if there is more than one.

        yscale : {"auto", "log", "linear"}, default="auto"
            Scale of the loss. ``"auto"`` is logarithmic if everything on the axes is
            positive.

        line_kw : dict, default=None
            Keyword arguments for matplotlib's `plot`, used for all curves.

        Returns
        -------
        display : LossCurveDisplay
            The display with its curves.

        Raises
        ------
        ValueError
            If `yscale` is unknown, or `history` has no ``"train_loss"``.
        """
        check_option("yscale", yscale, SCALES)
        if "train_loss" not in self.history:
            raise ValueError(
                f"history has the columns {sorted(self.history)}, but a loss curve "
                "needs 'train_loss'."
            )
        shown = self._terms() if terms else ["loss"]
        # Wider if the legend is beside the axes.
        figsize = (8.4, 4.8) if len(shown) > 1 else None
        self.ax_ = make_axes(ax, "LossCurveDisplay", figsize)
        self.figure_ = self.ax_.figure
        epochs = np.arange(1, len(self.history["train_loss"]) + 1)
        self.lines_ = {}
        for term in shown:
            color = next_color(self.ax_)
            for part, meaning in PARTS.items():
                column = f"{part}_{term}"
                if column not in self.history:
                    continue
                label = f"{meaning}: {term}" if len(shown) > 1 else f"{meaning} {term}"
                style = {
                    "color": color,
                    "linestyle": "-" if part == "train" else "--",
                    "marker": "." if len(epochs) == 1 else None,
                    "label": f"{self.name}, {label}" if self.name else label,
                }
                (self.lines_[column],) = self.ax_.plot(
                    epochs, self.history[column], **override(style, line_kw)
                )
        stages = np.asarray(self.history.get("stage", np.zeros(len(epochs))))
        for boundary in np.flatnonzero(np.diff(stages)):
            self.ax_.axvline(boundary + 1.5, color=GREY, linestyle=":", linewidth=1)
        if yscale == "auto":
            # Depends on everything on the axes: curves of another display stay visible.
            yscale = "log" if self.ax_.dataLim.ymin > 0 else "linear"
        self.ax_.set(xlabel="epoch", ylabel="loss", yscale=yscale)
        count_in_integers(self.ax_.xaxis)
        label_plainly(self.ax_.yaxis)
        draw_legend(self.ax_)
        return self

    def _terms(self):
        """The loss, and its terms if there are several."""
        terms = [
            name.removeprefix("train_")
            for name in self.history
            if name.startswith("train_") and name != "train_loss"
        ]
        return ["loss", *terms] if len(terms) > 1 else ["loss"]
