"""The figures of lesson 02. Each function takes numbers that were computed elsewhere and returns axes."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from vaecourse.figures import style
from vaecourse.symbols import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    P_COLOUR,
    P_LINE,
    PURPLE,
    Q_COLOUR,
    Q_LINE,
    SKY,
    VERMILION,
)

COMPONENTS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")


@style.styled
def histogram(edges, heights, x, densities) -> Axes:
    """A histogram of area 1 and densities over it: `densities` maps a name to its values at x."""
    axes = style.axes(width=7, height=2.8)
    axes.stairs(heights, edges, fill=True, color="#cccccc", label="data")
    for (name, density), colour, line in zip(
        densities.items(), (Q_COLOUR, P_COLOUR), (Q_LINE, P_LINE), strict=False
    ):
        axes.plot(x, density, color=colour, ls=line, label=name)
    axes.set(xlabel="petal length (cm)", ylabel="density")
    axes.legend(loc="upper right")
    return axes


@style.styled
def by_hand(points, densities, x, shares) -> np.ndarray:
    """Sweeps of EM on a line: one panel each, points coloured by the share of component 1, both components drawn."""
    panels = np.atleast_1d(style.axes(1, len(densities), width=8.5, height=2.4, sharey=True))
    for axes, (name, pair), share in zip(panels, densities.items(), shares, strict=True):
        for density, colour, line in zip(pair, (BLUE, VERMILION), (P_LINE, Q_LINE), strict=True):
            axes.plot(x, density, color=colour, ls=line)
        mix = np.array([_rgb(VERMILION) + s * (_rgb(BLUE) - _rgb(VERMILION)) for s in share])
        axes.scatter(
            points, np.full(len(points), -0.03), c=mix, s=45, edgecolor="black", linewidth=0.6, zorder=3
        )
        axes.set(title=name, xlabel="x")
    panels[0].set_ylabel("weight · density")
    return panels


@style.styled
def climb(log_likelihoods, bounds_before, bounds_after) -> Axes:
    """The log-likelihood sweep by sweep, and the bound: touching after each E-step, lifted by each M-step."""
    axes = style.axes(width=6.4, height=2.8)
    sweep = np.arange(len(log_likelihoods))
    axes.plot(sweep, log_likelihoods, color=P_COLOUR, label="log-likelihood")
    axes.plot(sweep, bounds_before, "o", color=Q_COLOUR, label="bound after the E-step: it touches")
    axes.plot(sweep[1:], bounds_after, "^", color=GREEN, label="the same bound after the M-step: lifted")
    for k in range(len(bounds_after)):
        axes.plot([k, k + 1], [bounds_before[k], bounds_after[k]], color="#999999", lw=0.8)
    axes.set(xlabel="sweep", ylabel="nats", xticks=sweep)
    axes.legend(loc="lower right")
    return axes


@style.styled
def ellipses(x, shares, means, covariances, names) -> Axes:
    """Points in the plane, marked by their most likely component, and each component's 1 and 2 standard deviation ellipses."""
    axes = style.axes(width=5.6, height=3.6)
    owner = np.argmax(shares, axis=1)
    for k, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        here = owner == k
        axes.scatter(
            *x[here].T, marker=MARKERS[k], color=COMPONENTS[k], s=18, alpha=0.8, label=f"component {k + 1}"
        )
        values, vectors = np.linalg.eigh(covariance)
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        for size in (1, 2):
            width, height = 2 * size * np.sqrt(values[[1, 0]])
            axes.add_patch(Ellipse(mean, width, height, angle=angle, fill=False, color=COMPONENTS[k], lw=1.4))
    axes.set(xlabel=names[0], ylabel=names[1])
    axes.legend(loc="upper left")
    return axes


@style.styled
def side_by_side(clouds, names) -> np.ndarray:
    """Points in the plane, one panel for each entry of `clouds`, all looking alike."""
    drawn = style.axes(1, len(clouds), width=8, height=2.9, sharex=True, sharey=True)
    for axes, (title, points) in zip(drawn, clouds.items(), strict=True):
        axes.plot(*points.T, "o", color=BLACK, ms=3.5, alpha=0.6)
        axes.set(title=title, xlabel=names[0])
    drawn[0].set_ylabel(names[1])
    return drawn


@style.styled
def error_curve(counts, errors) -> Axes:
    """KL from a density to its best mixture against the number of components: `errors` maps a name to its values."""
    axes = style.axes(width=6.4, height=2.9)
    for (name, values), colour, marker in zip(errors.items(), COMPONENTS, MARKERS, strict=False):
        axes.plot(counts, values, marker=marker, color=colour, label=name)
    axes.set(xscale="log", yscale="log", xlabel="components", ylabel="KL left (nats)", xticks=counts)
    axes.set_xticklabels(map(str, counts))
    axes.minorticks_off()
    axes.legend(loc="lower left")
    return axes


@style.styled
def choice(counts, likelihoods, bics) -> np.ndarray:
    """Log-likelihood and BIC against the number of components."""
    left, right = style.axes(1, 2, width=8, height=2.6)
    left.plot(counts, likelihoods, "o-", color=P_COLOUR)
    left.set(xlabel="components", ylabel="nats", title="log-likelihood: always up", xticks=counts)
    right.plot(counts, bics, "s-", color=BLACK)
    best = int(np.argmin(bics))
    right.plot(counts[best], bics[best], "o", ms=13, mfc="none", color=VERMILION)
    right.set(xlabel="components", title="BIC: smallest where marked", xticks=counts)
    return np.array([left, right])


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
