"""The figures of lesson 01. Each function takes numbers that were computed elsewhere and returns axes."""

import numpy as np
from matplotlib.axes import Axes

from vaecourse.figures import style
from vaecourse.symbols import GREEN, ORANGE, P_COLOUR, P_LINE, PURPLE, Q_COLOUR, Q_LINE


@style.styled
def frequencies(labels, p, q, names=("p", "q")) -> Axes:
    """Two distributions over the same outcomes as paired bars."""
    axes = style.axes(width=8.5, height=2.6)
    place = np.arange(len(labels))
    axes.bar(place - 0.2, p, 0.4, color=P_COLOUR, label=names[0])
    axes.bar(
        place + 0.2, q, 0.4, color=Q_COLOUR, hatch="////", edgecolor="white", linewidth=0, label=names[1]
    )
    axes.set_xticks(place, ["␣" if label == " " else label for label in labels])
    axes.set(ylabel="share of the text", xlim=(-0.7, len(labels) - 0.3))
    axes.legend(loc="upper left", ncols=2)
    return axes


@style.styled
def blocks(sizes, excess, divergence: float) -> Axes:
    """The extra bits per letter of a code against the number of letters per code word, beside KL."""
    axes = style.axes(width=5.5, height=2.8)
    axes.axhline(divergence, color=Q_COLOUR, ls=Q_LINE, label=f"KL = {divergence:.3f} bits")
    axes.plot(sizes, excess, "o-", color=P_COLOUR, label="extra bits, counted")
    for size, value in zip(sizes, excess, strict=True):
        axes.annotate(
            f"{value:.3f}",
            (size, value),
            xytext=(0, -16),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    span = divergence - min(excess)
    axes.set(
        xticks=sizes,
        xlabel="letters per code word",
        ylabel="bits per letter",
        xlim=(sizes[0] - 0.4, sizes[-1] + 0.4),
    )
    axes.set_ylim(min(excess) - 0.3 * span, divergence + 0.25 * span)
    axes.legend(loc="lower right")
    return axes


@style.styled
def tangent(t, logarithm, line) -> Axes:
    """ln t below its tangent t − 1."""
    axes = style.axes(width=4.6, height=2.8)
    axes.plot(t, line, color=Q_COLOUR, ls=Q_LINE, label="t − 1")
    axes.plot(t, logarithm, color=P_COLOUR, ls=P_LINE, label="ln t")
    axes.plot([1], [0], "o", color="black")
    axes.annotate(
        "they touch at t = 1", (1, 0), xytext=(1.25, -1.3), arrowprops={"arrowstyle": "-", "color": "#666666"}
    )
    axes.axhline(0, color="#bbbbbb", lw=0.8, zorder=0)
    axes.set(xlabel="t", ylim=(-2.6, 2.2))
    axes.legend(loc="upper left")
    return axes


@style.styled
def chord(points, logs, middle: float, log_middle: float, average_log: float) -> Axes:
    """Jensen's inequality on the curve of the logarithm: the average of logs lies on the chord, below the curve."""
    axes = style.axes(width=4.6, height=2.8)
    t = np.linspace(0.4, points[1] + 0.6, 200)
    axes.plot(t, np.log(t), color=P_COLOUR, label="ln t")
    axes.plot(points, logs, "o--", color=Q_COLOUR, label="chord: averages of logs")
    axes.plot([middle], [log_middle], "s", color=P_COLOUR)
    axes.plot([middle], [average_log], "s", color=Q_COLOUR)
    axes.vlines(middle, average_log, log_middle, color="#666666", lw=1)
    axes.annotate(
        "log of the average", (middle, log_middle), xytext=(-4, 9), textcoords="offset points", ha="right"
    )
    axes.annotate("average of the logs", (middle, average_log), xytext=(8, -12), textcoords="offset points")
    axes.set(xlabel="t")
    axes.legend(loc="lower right")
    return axes


@style.styled
def integrand(x, p, q, area) -> np.ndarray:
    """Two densities, and below them p·ln(p/q) with its positive and its negative area."""
    upper, lower = style.axes(2, 1, width=7, height=4.2, sharex=True)
    upper.plot(x, p, color=P_COLOUR, ls=P_LINE, label="p")
    upper.plot(x, q, color=Q_COLOUR, ls=Q_LINE, label="q")
    upper.set(ylabel="density")
    upper.legend(loc="upper right")
    lower.axhline(0, color="#888888", lw=0.8)
    lower.plot(x, area, color="#333333", lw=1)
    lower.fill_between(x, area, where=area >= 0, color=GREEN, alpha=0.5, lw=0, label="adds to KL (p above q)")
    lower.fill_between(
        x,
        area,
        where=area <= 0,
        facecolor=PURPLE,
        alpha=0.5,
        hatch="////",
        lw=0,
        label="takes away (p below q)",
    )
    lower.set(xlabel="x", ylabel="p · ln(p/q)")
    lower.legend(loc="upper right")
    return np.array([upper, lower])


@style.styled
def fits(x, p, fitted) -> np.ndarray:
    """A density p and one panel for each fitted q: `fitted` is a list of (title, density of q)."""
    panels = np.atleast_1d(style.axes(1, len(fitted), width=8.5, height=2.8, sharey=True))
    for axes, (title, q) in zip(panels, fitted, strict=True):
        axes.fill_between(x, p, color=P_COLOUR, alpha=0.15, lw=0)
        axes.plot(x, p, color=P_COLOUR, ls=P_LINE, label="p")
        axes.plot(x, q, color=Q_COLOUR, ls=Q_LINE, label="best q")
        axes.set(title=title, xlabel="x")
        axes.legend(loc="upper left")
    panels[0].set_ylabel("density")
    return panels


@style.styled
def estimates(counts, results, truth: float) -> Axes:
    """Monte Carlo estimates with error bars of two standard errors: `results` maps a name to its estimates."""
    axes = style.axes(width=7, height=3)
    axes.axhline(truth, color="black", lw=1.2, label=f"exact: {truth:.4f} nats")
    looks = zip(results.items(), (P_COLOUR, ORANGE), ("o", "s"), (0.94, 1.06), strict=False)
    for (name, runs), colour, marker, shift in looks:
        centre, error = [run.value for run in runs], [2 * run.standard_error for run in runs]
        axes.errorbar(
            np.array(counts) * shift, centre, error, fmt=marker, color=colour, capsize=3, lw=1.5, label=name
        )
    axes.set(xscale="log", xlabel="number of samples", ylabel="estimate of KL (nats)")
    axes.legend(loc="upper right")
    return axes


@style.styled
def sizes(x, pairs, titles) -> np.ndarray:
    """Pairs of densities side by side, each with its title."""
    panels = np.atleast_1d(style.axes(1, len(pairs), width=8.5, height=2.2, sharey=True))
    for axes, (p, q), title in zip(panels, pairs, titles, strict=True):
        axes.plot(x, p, color=P_COLOUR, ls=P_LINE)
        axes.plot(x, q, color=Q_COLOUR, ls=Q_LINE)
        axes.set(title=title, xlabel="x")
    panels[0].set_ylabel("density")
    return panels
