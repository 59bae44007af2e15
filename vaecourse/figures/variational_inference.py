"""The figures of lesson 04. Each function takes numbers that were computed elsewhere and returns axes."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm

from vaecourse.figures import style
from vaecourse.symbols import BLACK, GREEN, P_COLOUR, P_LINE, PURPLE, Q_COLOUR, Q_LINE

LEVELS = [0, 0.75, 1, 1.3, 1.6, 2, 3, 5, 10, 20, 50, 100, 1e9]  # nats of the map of gaps


def _normal(z, m, s) -> np.ndarray:
    return np.exp(-((z - m) ** 2) / (2 * np.exp(s)) - s / 2) / np.sqrt(2 * np.pi)


@style.styled
def family(z, posterior, best, middle, means, sds, gaps) -> np.ndarray:
    """The posterior with the best q on it, and the gap of every q as a map, shape (sds, means), with its three pits marked."""
    left, right = style.axes(1, 2, width=9, height=3.0)
    left.plot(z, posterior, color=P_COLOUR, ls=P_LINE, label="posterior p(z|x)")
    left.plot(z, _normal(z, best.m, best.s), color=Q_COLOUR, ls=Q_LINE, label="a best q")
    left.set(xlabel="z", ylabel="density")
    left.set_ylim(top=1.35 * left.get_ylim()[1])
    left.legend(loc="upper left")
    mesh = right.contourf(means, sds, gaps, levels=LEVELS, cmap="cividis",
                          norm=BoundaryNorm(LEVELS, 256))  # fmt: skip
    right.get_figure().colorbar(
        mesh, ax=right, ticks=[0.75, 1.3, 2, 5, 20, 100], label="gap (nats)", format="%g"
    )
    for sign in (-1, 1):
        right.plot(sign * best.m, np.exp(best.s / 2), "o", ms=8, mfc="none", color="white", mew=1.5)
    right.plot(middle.m, np.exp(middle.s / 2), "s", ms=7, mfc="none", color="white", mew=1.5)
    right.set(xlabel="mean of q", ylabel="standard deviation of q")
    return np.array([left, right])


@style.styled
def stages(z, posterior, paths, steps) -> np.ndarray:
    """How q changes along a climb: `paths` maps a title to the densities of q at `steps`."""
    drawn = style.axes(1, len(paths), width=8.5, height=2.8, sharex=True)
    for axes, (title, densities) in zip(drawn, paths.items(), strict=True):
        axes.plot(z, posterior, color=P_COLOUR, ls=P_LINE, label="posterior")
        for step, density, alpha in zip(steps, densities, np.linspace(0.3, 1, len(steps)), strict=True):
            axes.plot(
                z, density, color=Q_COLOUR, ls=Q_LINE, alpha=alpha, lw=1 + alpha, label=f"q, step {step}"
            )
        axes.set(title=title, xlabel="z")
    drawn[0].set_ylabel("density")
    drawn[0].get_figure().legend(*drawn[0].get_legend_handles_labels(), loc="outside right center")
    return drawn


@style.styled
def ascent(means, sds, best_mean, best_sd) -> np.ndarray:
    """Mean and standard deviation of q, step by step, and where an oracle says that they end."""
    drawn = style.axes(1, 2, width=8, height=2.5)
    for axes, values, best, name in zip(
        drawn, (means, sds), (best_mean, best_sd), ("mean of q", "standard deviation of q"), strict=True
    ):
        axes.plot(values, color=Q_COLOUR, lw=1)
        axes.axhline(best, color=BLACK, ls=":", label="oracle")
        axes.set(xlabel="step", title=name)
        axes.legend(loc="lower right" if values[0] < best else "upper right")
    return drawn


@style.styled
def weights_plane(draws, ellipses, names) -> Axes:
    """Draws of two weights by MCMC, and the 2 sd ellipse of each approximation: `ellipses` maps a name to (mean, covariance)."""
    axes = style.axes(width=5.6, height=3.6)
    axes.plot(*draws.T, ".", ms=2, color="#999999", label="MCMC")
    turn = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(turn), np.sin(turn)])
    looks = ((Q_COLOUR, Q_LINE), (GREEN, "-"), (PURPLE, "-."))
    for (name, (mean, covariance)), (colour, line) in zip(ellipses.items(), looks, strict=False):
        axes.plot(
            *(mean[:, None] + 2 * np.linalg.cholesky(covariance) @ circle), color=colour, ls=line, label=name
        )
    axes.set(xlabel=names[0], ylabel=names[1])
    axes.set_xlim(right=axes.get_xlim()[1] + 0.35 * np.ptp(axes.get_xlim()))
    axes.legend(loc="upper right")
    return axes
