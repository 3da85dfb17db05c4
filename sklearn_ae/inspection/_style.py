"""Axes and colours that the displays share."""

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
    if ax is not None:
        return ax
    _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def next_color(ax):
    """The first of `COLORS` that no line of `ax` has, round and round."""
    used = len({line.get_color() for line in ax.lines} & set(COLORS))
    return COLORS[used % len(COLORS)]
