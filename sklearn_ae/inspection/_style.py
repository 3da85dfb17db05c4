"""Axes, colours and bins that the displays share."""

import numpy as np

# Okabe and Ito's colours, told apart by the colour-blind; the lightest, yellow, is
# left out since it vanishes in print.
COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
GREY = "#808080"

# About what a letter of a label is wide, in inches.
LETTER = 0.085

# Keyword arguments of matplotlib that say the same.
SYNONYMS = (
    {"c", "color"},
    {"ls", "linestyle", "linestyles"},
    {"lw", "linewidth", "linewidths"},
    {"ec", "edgecolor", "edgecolors"},
)


def check_matplotlib(caller):
    """Give `matplotlib.pyplot`, or say how to install it.

    Parameters
    ----------
    caller : str
        Who needs matplotlib, for the error.

    Returns
    -------
    pyplot : module
        `matplotlib.pyplot`.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib; `pip install 'sklearn-ae[plot]'` brings it."
        ) from error
    return plt


def make_axes(ax, caller, figsize=None):
    """`ax`, or axes of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Returned as it is unless None.

    caller : str
        Who needs matplotlib, for the error.

    figsize : tuple of float, default=None
        Size in inches of a new figure.

    Returns
    -------
    ax : matplotlib Axes
        Where to draw.
    """
    plt = check_matplotlib(caller)
    if ax is not None:
        return ax
    _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def next_color(ax):
    """The first of the `COLORS` that the fewest lines of `ax` have."""
    used = [line.get_color() for line in ax.lines]
    return min(COLORS, key=used.count)


def override(style, given):
    """`style` with what is `given`, under whatever of matplotlib's names."""
    given = given or {}
    replaced = set().union(*(names for names in SYNONYMS if names & given.keys()))
    return {name: style[name] for name in style if name not in replaced} | given


def count_in_integers(axis):
    """Let an axis of counts have ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    locator = axis.get_major_locator()
    if isinstance(locator, MaxNLocator):
        locator.set_params(integer=True)


def bin_edges(values, bins):
    """Edges of a histogram's bins, also of values that differ by rounding only."""
    values = np.asarray(values)
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        values = values[:1]
    return np.histogram_bin_edges(values, bins)
