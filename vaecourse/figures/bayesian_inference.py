"""The figures of lesson 03. Each function takes numbers that were computed elsewhere and returns axes."""

import numpy as np
from matplotlib.axes import Axes

from vaecourse.figures import style
from vaecourse.symbols import (
    BLACK,
    BLUE,
    DATA_COLOUR,
    GREEN,
    P_COLOUR,
    P_LINE,
    PURPLE,
    Q_COLOUR,
    Q_LINE,
    VERMILION,
)

LINES = (P_LINE, Q_LINE, "-.", ":")


@style.styled
def descent(a, b, losses, paths, goal) -> Axes:
    """Rings of equal loss over two parameters (a, b of shape (r, c)), and the paths of descents towards `goal`."""
    axes = style.axes(width=5.4, height=3.4)
    axes.contour(
        a,
        b,
        losses,
        levels=np.geomspace(losses.min() * 1.1, losses.max(), 12),
        colors="#bbbbbb",
        linewidths=0.8,
    )
    for (name, points), colour, line in zip(paths.items(), (BLUE, VERMILION), LINES, strict=False):
        axes.plot(*points.T, color=colour, ls=line, lw=1.3, label=name)
    axes.plot(*goal, "*", ms=13, color=BLACK, label="closed form")
    axes.set(xlabel="intercept", ylabel="slope", xlim=(a.min(), a.max()), ylim=(b.min(), b.max()))
    axes.legend(loc="upper right")
    return axes


@style.styled
def streets(panels, names) -> np.ndarray:
    """`panels` maps a title to (points, labels, separator): the line, its street, and the points at or inside the street."""
    drawn = np.atleast_1d(style.axes(1, len(panels), width=9, height=2.9))
    for axes, (title, (points, labels, line)) in zip(drawn, panels.items(), strict=True):
        for label, colour, marker in ((-1, BLUE, "o"), (1, VERMILION, "s")):
            axes.scatter(*points[labels == label].T, color=colour, marker=marker, s=14)
        held = labels * (points @ line.weights + line.offset) < 1 + 1e-6
        axes.scatter(*points[held].T, facecolor="none", edgecolor=BLACK, s=60, linewidth=0.9)
        low, high = points.min(axis=0) - 0.3, points.max(axis=0) + 0.3
        x = np.array([low[0], high[0]])
        for level, look in ((0, P_LINE), (-1, ":"), (1, ":")):
            # w₁ x₁ + w₂ x₂ + b = level
            axes.plot(
                x, (level - line.offset - line.weights[0] * x) / line.weights[1], ls=look, color=BLACK, lw=1.2
            )
        axes.set(title=title, xlabel=names[0], xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        axes.title.set_fontsize(9)
    drawn[0].set_ylabel(names[1])
    return drawn


@style.styled
def beliefs(theta, panels) -> np.ndarray:
    """Beliefs about a coin: `panels` maps a title to densities by name, at `theta`."""
    drawn = style.axes(1, len(panels), width=9.5, height=2.5)
    for axes, (title, curves) in zip(drawn, panels.items(), strict=True):
        for (name, density), colour, line in zip(curves.items(), (BLUE, GREEN), LINES, strict=False):
            axes.plot(theta, density, color=colour, ls=line, label=name)
        axes.set(title=title, xlabel="chance of heads")
    drawn[0].set_ylabel("density")
    drawn[0].get_figure().legend(*drawn[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn


@style.styled
def bands(x, y, at, predictive, plug_in, noise_sd, names) -> Axes:
    """Points, the predictive band of ± 2 sd around the average line, and the band of one plugged-in line."""
    axes = style.axes(width=6.4, height=3.2)
    axes.fill_between(at, predictive.mean - 2 * predictive.sd, predictive.mean + 2 * predictive.sd, color=BLUE, alpha=0.18,
                      label="predictive, ± 2 sd")  # fmt: skip
    axes.plot(at, predictive.mean, color=BLUE)
    for side in (-2, 2):
        axes.plot(
            at,
            plug_in + side * noise_sd,
            color=VERMILION,
            ls=Q_LINE,
            lw=1.3,
            label="plug-in, ± 2 sd" if side == 2 else None,
        )
    axes.plot(x, y, "o", color=DATA_COLOUR, ms=5)
    axes.set(xlabel=names[0], ylabel=names[1], xlim=(at[0], at[-1]))
    axes.legend(loc="upper left")
    return axes


@style.styled
def wall(rows) -> np.ndarray:
    """Rows of (dimension, evaluations, seconds, error): the error of a grid and its time, against the dimension."""
    d, _, seconds, error = (np.array(column) for column in zip(*rows, strict=True))
    left, right = style.axes(1, 2, width=8, height=2.6)
    left.semilogy(d, error, "o-", color=GREEN)
    left.set(xlabel="dimensions", ylabel="nats", title="error of the log evidence", xticks=d)
    right.semilogy(d, seconds, "s-", color=VERMILION)
    right.set(xlabel="dimensions", ylabel="seconds", title="time", xticks=d)
    return np.array([left, right])


@style.styled
def five_ways(theta, curves, steps) -> Axes:
    """The exact posterior and two approximations, as curves, and the histogram of MCMC as grey steps; all at `theta`."""
    axes = style.axes(width=6.8, height=3.0)
    axes.fill_between(theta, steps, step="mid", color="#cccccc", label="MCMC")
    looks = ((P_COLOUR, P_LINE), (PURPLE, "-."), (Q_COLOUR, Q_LINE))
    for (name, density), (colour, line) in zip(curves.items(), looks, strict=True):
        axes.plot(theta, density, color=colour, ls=line, label=name)
    axes.set(xlabel="chance of heads", ylabel="density", xlim=(theta[0], 1))
    axes.legend(loc="upper left")
    return axes


@style.styled
def occam(heads, models) -> Axes:
    """The evidence that each model gives to one sequence, against the number of heads in it."""
    axes = style.axes(width=6, height=2.6)
    for (name, values), colour, line, marker in zip(
        models.items(), (VERMILION, BLUE), (Q_LINE, P_LINE), "so", strict=True
    ):
        axes.plot(heads, values, marker=marker, ls=line, color=colour, label=name)
    axes.set(xlabel="heads in five tosses", ylabel="p(sequence | model)", xticks=heads)
    axes.legend(loc="upper center")
    return axes
