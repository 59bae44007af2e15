"""The figures of lesson 05. Each function takes numbers that were computed elsewhere and returns axes."""

import numpy as np
from matplotlib.axes import Axes

from vaecourse.figures import style
from vaecourse.figures.gaussian_mixture import COMPONENTS
from vaecourse.symbols import BLACK, GREEN, P_COLOUR, P_LINE, Q_COLOUR, Q_LINE

_TURN = np.linspace(0, 2 * np.pi, 200)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)])


def _ellipse(axes, mean, covariance, size, **look) -> None:
    axes.plot(*(np.asarray(mean)[:, None] + size * np.linalg.cholesky(covariance) @ _CIRCLE), **look)


@style.styled
def staircase(mean, covariance, qs, reverse, forward) -> np.ndarray:
    """The means of coordinate ascent as a staircase, and the two fits beside the true Gaussian (2 sd ellipses)."""
    left, right = style.axes(1, 2, width=8.5, height=3.6, sharex=True, sharey=True)
    for axes in (left, right):
        for size in (1, 2):
            _ellipse(
                axes,
                mean,
                covariance,
                size,
                color=P_COLOUR,
                ls=P_LINE,
                label="p, 1 and 2 sd" if size == 1 else None,
            )
        axes.set(xlabel="z₁", aspect="equal")
    path = np.array([q.means for q in qs])
    left.plot(*path.T, "o-", color=Q_COLOUR, ms=4, lw=1.2, label="means of q")
    left.plot(*path[0], "o", ms=10, mfc="none", color=BLACK, label="start")
    left.set(ylabel="z₂", title="one coordinate at a time")
    _ellipse(
        right, reverse.means, np.diag(reverse.variances), 2, color=Q_COLOUR, ls=Q_LINE, label="KL(q‖p), 2 sd"
    )
    _ellipse(
        right, forward.means, np.diag(forward.variances), 2, color=GREEN, ls=":", lw=2, label="KL(p‖q), 2 sd"
    )
    right.set(title="two ways to be independent")
    left.set_ylim(top=3.9)
    for axes in (left, right):
        axes.legend(loc="upper left", ncols=1, fontsize=8)
    return np.array([left, right])


@style.styled
def switching_off(x, frames, names) -> np.ndarray:
    """`frames` holds (title, weights, mixture): the ellipses that still have weight above, all weights as bars below."""
    drawn = style.axes(
        2, len(frames), width=9.5, height=4.2, height_ratios=(3, 1), sharex="row", sharey="row"
    )
    for (above, below), (title, weights, mixture) in zip(drawn.T, frames, strict=True):
        above.plot(*x.T, ".", color="#aaaaaa", ms=4)
        for k, (mean, covariance) in enumerate(zip(mixture.means, mixture.covariances, strict=True)):
            if weights[k] > 0.005:
                strength = min(1.0, 0.25 + 2 * weights[k])
                for size in (1, 2):
                    _ellipse(above, mean, covariance, size, color=COMPONENTS[k], alpha=strength, lw=1.5)
        above.set(title=title, xlabel=names[0])
        below.bar(np.arange(1, len(weights) + 1), weights, color=COMPONENTS[: len(weights)])
        below.set(xlabel="component", xticks=np.arange(1, len(weights) + 1))
    drawn[0, 0].set_ylabel(names[1])
    drawn[1, 0].set_ylabel("weight")
    return drawn


@style.styled
def elbo_per_sweep(elbos) -> Axes:
    """The ELBO against the sweep, both from the first sweep on."""
    axes = style.axes(width=6.4, height=2.6)
    axes.plot(np.arange(1, len(elbos)), elbos[1:], color=Q_COLOUR)
    axes.set(xlabel="sweep", ylabel="ELBO (nats)")
    return axes
