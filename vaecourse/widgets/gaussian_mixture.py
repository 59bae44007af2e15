"""The widget of lesson 02: EM for a Gaussian mixture in the plane, one step at a time, from starts that you drag.

The browser computes and draws; Python hears where the components begin and how many steps were taken, once that rests,
and keeps a picture and a sentence for every place that runs no JavaScript. The steps are those of
`vaecourse.gaussian_mixture`: E, M, E, M, ...
"""

from typing import NamedTuple

import numpy as np
import traitlets
from matplotlib.figure import Figure

from vaecourse import gaussian_mixture as gm
from vaecourse.symbols import BLUE, GREEN, ORANGE, P_COLOUR, PURPLE, Q_COLOUR, SKY, VERMILION
from vaecourse.widgets.base import JS, BrowserWidget, bundle, checked, near

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)  # of the components, in order
MARKERS = ("o", "s", "^", "D", "v", "P")
MOST_POINTS, MOST_STEPS = 1000, 200
WIDEST = 1e9  # so far out float64 still tells neighbours apart
LONGEST = 1e4  # so long may a side of the data be, or rounding swallows `REG` beside its variance
REG = 1e-6  # added to every variance, as in `m_step`


class EMState(NamedTuple):
    """EM after some steps: the mixture, the responsibilities (n, k) in use, log-likelihood and bound (nats).

    Before the first E step there are no responsibilities and no bound: both are None.
    """

    mixture: gm.Mixture
    responsibilities: np.ndarray | None
    log_likelihood: float
    bound: float | None


def start_at(x: np.ndarray, means, reg: float = REG) -> gm.Mixture:
    """The mixture where the widget begins: the given means, equal weights, and for each component the covariance of
    all points divided by k (k ellipses with the area of one), plus `reg` on the diagonal.
    """
    means = np.asarray(means, dtype=float)
    k, centred = len(means), x - x.mean(axis=0)
    covariance = centred.T @ centred / len(x) / k + reg * np.eye(2)
    return gm.Mixture(np.full(k, 1 / k), means, np.tile(covariance, (k, 1, 1)))


class EMExplorer(BrowserWidget):
    """EM on points of the plane: E step, M step, play, rewind; drag the discs where the components begin.

    `x` has shape (n, 2) with 1 to 1000 points; `k` components (1 to 6, at most n) begin at `means`, shape (k, 2), or at
    points of x drawn by `seed`. `labels` names the two axes. Traits, in step with the browser once the hand rests:
    `means` (a list of k pairs; another length sets another k) and `step` (how many steps were taken, E and M counted
    apart: 6 is three sweeps; dragging a disc repeats as many from the new start). `state()` is what EM then holds.
    ValueError (TraitError on assignment) with one sentence for anything else.
    """

    _esm = bundle("gaussian_mixture.js")
    _css = "\n".join(
        (JS / name).read_text(encoding="utf-8")
        for name in ("course.css", "kl_divergence.css", "gaussian_mixture.css")
    )
    data = traitlets.Bytes().tag(sync=True)  # n pairs of float64: the browser's numbers are Python's
    names = traitlets.List().tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    means = traitlets.List().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, x, k: int = 2, *, means=None, labels=("x₁", "x₂"), seed: int = 0, step: int = 0,
        label: str = "EM for a Gaussian mixture",
    ):  # fmt: skip
        self._x = _points(x)
        if means is None:
            means = _draw(self._x, _size(k, len(self._x)), seed)
        labels = [str(each) for each in labels]
        if len(labels) != 2:
            raise ValueError(f"labels must name the two axes; it has {len(labels)} names.")
        super().__init__(
            data=self._x.tobytes(),
            names=labels,
            seed=seed,
            means=_means(means, len(self._x)),
            step=_steps(step),
            label=label,
        )

    @traitlets.validate("means")
    def _check_means(self, proposal):
        return checked(_means, proposal.value, len(self._x))

    @traitlets.validate("step")
    def _check_step(self, proposal):
        return checked(_steps, proposal.value)

    def states(self) -> list[EMState]:
        """Return the start and what EM holds after each of the `step` steps: E, M, E, M, ..."""
        x, mixture = self._x, start_at(self._x, self.means)
        level, r = gm.log_likelihood(mixture, x), None
        found = [EMState(mixture, None, level, None)]
        for number in range(1, self.step + 1):
            if number % 2:
                r = gm.responsibilities(mixture, x)
            else:
                mixture = gm.m_step(x, r, REG)
                level = gm.log_likelihood(mixture, x)
            found.append(EMState(mixture, r, level, gm.bound(mixture, r, x)))
        return found

    def state(self) -> EMState:
        """Return what EM holds after `step` steps from `means`."""
        return self.states()[-1]

    def picture(self) -> Figure:
        """Return what the widget shows: points, ellipses and starts, and beside them log-likelihood and bound."""
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.35, 1])
        states = self.states()
        _draw_points(left, self._x, states[-1], np.array(self.means), self.names)
        _draw_curve(right, states)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="0.92")
            axes.set_axisbelow(True)
        return figure

    def sentence(self) -> str:
        """Return in words what the picture shows, with log-likelihood, bound, weights and means."""
        mixture, _, level, bound = self.state()
        sweeps = f"{self.step // 2} sweep{'' if self.step // 2 == 1 else 's'}"
        done = " and ".join([sweeps] * (self.step > 1) + ["an E step"] * (self.step % 2))
        each = "; ".join(
            f"component {j + 1} has weight {w:.3f} and mean ({m[0]:.4g}, {m[1]:.4g})"
            for j, (w, m) in enumerate(zip(mixture.weights, mixture.means, strict=True))
        )
        told = (
            "no bound before the first E step" if bound is None
            else "which the bound touches" if self.step % 2
            else f"bound {bound:.3f} below it"
        )  # fmt: skip
        where = f"after {done}" if self.step else "at the start"
        return (
            f"EM on {len(self._x)} points ({self.names[0]}; {self.names[1]}), {where}: "
            f"log-likelihood {level:.3f} nats, {told}. {each[0].upper()}{each[1:]}."
        )


def _draw_points(axes, x, state: EMState, starts, names) -> None:
    mixture, r = state.mixture, state.responsibilities
    k = len(starts)
    colours = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in COLOURS[:k]])
    if r is None:
        axes.plot(*x.T, "o", color="0.47", markersize=3)
    else:
        for j in range(k):
            mine = r.argmax(axis=1) == j
            axes.scatter(
                *x[mine].T, c=np.clip(r[mine] @ colours, 0, 1), marker=MARKERS[j], s=14, linewidths=0
            )
    angles = np.linspace(0, 2 * np.pi, 100)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    for j in range(k):
        factor = np.linalg.cholesky(mixture.covariances[j])
        for radius in (1, 2):
            axes.plot(
                *(mixture.means[j][:, None] + radius * factor @ circle), color=COLOURS[j], linewidth=1.6
            )
        for place, face in ((starts[j], COLOURS[j]), (mixture.means[j], "white")):
            axes.annotate(
                str(j + 1), place, ha="center", va="center", fontsize=9, color="black" if face == "white" else "white",
                bbox={"boxstyle": "circle,pad=0.2", "facecolor": face, "edgecolor": COLOURS[j]},
            )  # fmt: skip
    axes.set(xlabel=names[0], ylabel=names[1])


def _draw_curve(axes, states: list[EMState]) -> None:
    axes.plot([state.log_likelihood for state in states], color=P_COLOUR, linewidth=2, label="log-likelihood")
    for touching, face in ((True, Q_COLOUR), (False, "white")):
        steps = [s for s in range(1, len(states)) if (s % 2 == 1) == touching]
        axes.plot(
            steps, [states[s].bound for s in steps], "o", markerfacecolor=face, markeredgecolor=Q_COLOUR,
            label="bound, touching" if touching else "bound, lifted",
        )  # fmt: skip
    axes.set(xlabel="step (odd: E, even: M)", ylabel="nats")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)


def _points(x) -> np.ndarray:
    x = near("x", x, WIDEST)
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"x has shape {x.shape}; this widget draws points of the plane, shape (n, 2).")
    if len(x) > MOST_POINTS:
        raise ValueError(
            f"x has {len(x)} points; this widget draws at most {MOST_POINTS} (give it a sample)."
        )
    span = np.ptp(x, axis=0).max()
    if span > LONGEST:
        raise ValueError(
            f"x spans {span:g} along an axis; this widget draws data that span at most {LONGEST:g}: rescale it."
        )
    return np.ascontiguousarray(x)


def _means(means, n: int) -> list[list[float]]:
    means = near("means", means, WIDEST)
    if means.ndim != 2 or means.shape[1] != 2:
        raise ValueError(
            f"means has shape {means.shape}; it must hold one pair for each component, shape (k, 2)."
        )
    _size(len(means), n)
    return means.tolist()


def _size(k: int, n: int) -> int:
    if not isinstance(k, int | np.integer) or not 1 <= k <= min(len(COLOURS), n):
        raise ValueError(
            f"k is {k}; this widget fits 1 to {min(len(COLOURS), n)} components to {n} point{'' if n == 1 else 's'}."
        )
    return int(k)


def _steps(step: int) -> int:
    if not isinstance(step, int | np.integer) or not 0 <= step <= MOST_STEPS:
        raise ValueError(
            f"step is {step}; it counts the E and M steps taken, a whole number from 0 to {MOST_STEPS}."
        )
    return int(step)


def _draw(x: np.ndarray, k: int, seed: int) -> np.ndarray:
    """`k` points of x, no two at one place if there are as many places."""
    places = np.unique(x, axis=0)
    return np.random.default_rng(seed).choice(places, k, replace=len(places) < k)
