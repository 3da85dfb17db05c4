"""The figure of time_to_quality.py: one panel per data set, one line per method."""

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# The palette of Okabe and Ito is safe for colour-blind readers.
COLOURS = {
    "Autoencoder": "#D55E00",
    "PCA": "#000000",
    "MLPRegressor": "#0072B2",
    "skorch": "#7F7F7F",
    "Adam loop": "#009E73",
    "PyOD": "#CC79A7",
    "encdr": "#56B4E9",
    "pythae": "#E69F00",
}
LABEL_SPACING = 0.07  # relative to the height of a panel
HIGHEST = 25  # largest error shown, in multiples of the lowest of the panel


def draw(panels, path):
    """`panels` maps titles to {method: (seconds, errors, index of its usual fit)}."""
    figure, axes = plt.subplots(
        2, 2, figsize=(11, 8.6), gridspec_kw={"wspace": 0.66, "hspace": 0.36}
    )
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (title, curves) in zip(axes.flat, panels.items(), strict=False):
        _panel(axis, title, curves)
    figure.suptitle(
        "Reconstruction error on held-out rows against training time",
        fontsize=14,
        x=0.06,
        ha="left",
        y=0.985,
    )
    figure.text(
        0.06,
        0.935,
        "Lower and further left is better. Each dot is a separate, complete fit; a "
        "ring marks the fit with the method's usual number of epochs.",
        fontsize=10,
        color="0.3",
    )
    figure.subplots_adjust(left=0.06, right=0.865, bottom=0.065, top=0.875)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _panel(axis, title, curves):
    axis.set_title(title, fontsize=11, loc="left", fontweight="bold")
    axis.set(xscale="log", yscale="log")
    for name, (seconds, errors, usual) in curves.items():
        is_ours = name == "Autoencoder"
        style = {"color": COLOURS[name], "zorder": 3 if is_ours else 2}
        axis.plot(seconds, errors, "o-", ms=3.5, lw=2.8 if is_ours else 1.4, **style)
        point = seconds[usual], errors[usual]
        axis.plot(*point, "o", ms=9, mfc="white", mew=2, **style)
        if name == "PCA":
            axis.axhline(errors[0], ls=":", lw=1.2, **style)
    axis.set_xlabel("CPU seconds of fit", fontsize=9)
    axis.set_ylabel("mean squared error", fontsize=9)
    # Lines that start far above all others would compress the rest of the panel.
    lowest = min(min(errors) for _, errors, _ in curves.values())
    axis.set_ylim(0.75 * lowest, min(axis.get_ylim()[1], HIGHEST * lowest))
    _ticks(axis.xaxis, subs=(1,))
    _ticks(axis.yaxis, subs=(1, 2, 5))
    axis.grid(which="major", color="0.9", lw=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    _labels(axis, curves)


def _ticks(axis, subs):
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_tick_params(labelsize=8.5)


def _labels(axis, curves):
    """Write the names to the right of the panel, each connected to its line's end."""
    to_panel = (axis.transData + axis.transAxes.inverted()).transform
    ends = {}
    for name, (seconds, errors, _) in curves.items():
        right = axis.get_xlim()[1] if name == "PCA" else seconds[-1]
        ends[name] = to_panel((right, errors[-1]))
    heights = _spread(np.array([height for _, height in ends.values()]))
    for (name, (x, y)), height in zip(ends.items(), heights, strict=True):
        axis.annotate(
            name,
            xy=(x, y),
            xytext=(1.07, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=10,
            fontweight="bold" if name == "Autoencoder" else "normal",
            color=COLOURS[name],
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": COLOURS[name],
                "lw": 0.7,
                "alpha": 0.6,
                "shrinkA": 2,
                "shrinkB": 5,
                "relpos": (0, 0.5),
            },
        )


def _spread(heights):
    """Move the heights about as little as needed to be LABEL_SPACING apart."""
    order = np.argsort(heights)
    spaced = heights[order]
    for _ in range(500):
        gaps = np.diff(spaced)
        short = np.clip(LABEL_SPACING - gaps, 0, None) / 2
        if short.max(initial=0) < 1e-4:
            break
        spaced[:-1] -= short
        spaced[1:] += short
    result = np.empty_like(spaced)
    result[order] = spaced
    return result
