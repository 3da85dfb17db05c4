"""Axes, colours and bins shared by the displays."""

import numpy as np

# The palette of Okabe and Ito, safe for colour-blind readers. Yellow, the lightest, is
# omitted because it is barely visible in print.
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
# With three more, which colour-blind readers can tell apart equally well.
CLASS_COLORS = (*COLORS, "#4B0082", "#7A0000", "#B8A850")

# Approximate width of a letter of a label, in inches.
LETTER = 0.085
# Number of names that fit along an axis.
MAX_NAMES = 40

# Keyword arguments of matplotlib with the same meaning.
SYNONYMS = (
    {"c", "color"},
    {"ls", "linestyle", "linestyles"},
    {"lw", "linewidth", "linewidths"},
    {"ec", "edgecolor", "edgecolors"},
)


def check_matplotlib(caller):
    """Return `matplotlib.pyplot`, or raise an error that says how to install it.

    Parameters
    ----------
    caller : str
        Name of the caller, for the error message.

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
            f"{caller} needs matplotlib; install it with "
            "`pip install 'sklearn-ae[plot]'`."
        ) from error
    return plt


def make_axes(ax, caller, figsize=None):
    """Return `ax`, or the axes of a new figure if it is None.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Existing axes.

    caller : str
        Name of the caller, for the error message.

    figsize : tuple of float, default=None
        Size of a new figure in inches.

    Returns
    -------
    ax : matplotlib Axes
        Axes to draw on.
    """
    plt = check_matplotlib(caller)
    if ax is not None:
        return ax
    _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def next_color(ax):
    """The first of the `COLORS` that are used by the fewest lines of `ax`."""
    used = [line.get_color() for line in ax.lines]
    return min(COLORS, key=used.count)


def override(style, given):
    """`style` updated by `given`, which may use any of matplotlib's synonyms."""
    given = given or {}
    replaced = set().union(*(names for names in SYNONYMS if names & given.keys()))
    return {name: style[name] for name in style if name not in replaced} | given


def count_in_integers(axis):
    """Restrict the ticks of an axis to integers."""
    from matplotlib.ticker import MaxNLocator

    locator = axis.get_major_locator()
    if isinstance(locator, MaxNLocator):
        locator.set_params(integer=True)


def label_plainly(axis):
    """Label a logarithmic axis with few plain numbers, such as 0.1, 0.2 and 0.5.

    Axes of other scales, and those of more than four decades, are left alone.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    low, high = axis.get_view_interval()
    if axis.get_scale() != "log" or high > 1e4 * low:
        return
    if high > 4 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1e3 * low else (1,)))
    else:
        axis.set_major_locator(MaxNLocator(nbins=8, steps=(1, 2, 5, 10)))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


# From so many lines on, the axes have no room for a legend.
MANY_LINES = 3


def draw_legend(ax):
    """Draw the legend, beside the axes if there are many lines and a layout engine."""
    engine = ax.figure.get_layout_engine()
    if len(ax.lines) >= MANY_LINES and engine is not None:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        ax.legend()


def bin_edges(values, bins):
    """Edges of histogram bins, also for values that differ only by rounding."""
    values = np.asarray(values)
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        values = values[:1]
    return np.histogram_bin_edges(values, bins)
