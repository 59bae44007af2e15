"""The widget of lesson 05: a correlated Gaussian p and a product q = q₁(z₁) q₂(z₂), improved one factor at a time.

The browser computes and draws; Python hears of p, of where q starts and of the number of steps once they rest, and keeps
a picture and a sentence for every place that runs no JavaScript. The steps are those of `vaecourse.mean_field`.
"""

import numpy as np
import traitlets
from matplotlib.figure import Figure

from vaecourse import mean_field as mf
from vaecourse.symbols import GREEN, P_COLOUR, P_LINE, Q_COLOUR, Q_LINE
from vaecourse.validation import finite
from vaecourse.widgets.base import JS, BrowserWidget, bundle, checked, near, wide

STRONGEST = 0.99  # at 1 the ellipse of p is a line, which no product of densities fits
RATIO = 4  # so many times as wide as the other may one coordinate of p be
FAR = 20  # standard deviations of p: q's mean starts no farther out, and q is no more times wider or narrower
WIDEST = 1e6
ROUNDING = 1e-9  # what the browser sends is at a limit only up to this
MOST_STEPS = 400


class MeanFieldExplorer(BrowserWidget):
    """Mean field on a Gaussian p(z₁, z₂): update q₁ or q₂, play, rewind; drag q, its two widths, and p's correlation.

    p has the `mean` and the standard deviations `sds` (pairs) and the `correlation` (-0.99 to 0.99); q starts with the
    means `start` and the standard deviations `start_sds` (pairs). `forward` shows the product with the least KL(p‖q) too.
    All of these are traits, in step with the browser once the hand rests, and so are `steps` (how many updates were made,
    one factor each; another p repeats them, dragging q begins anew) and `first` (1 or 2: the factor updated first).
    `path()` has q and its ELBO at each step; `means` and `variances` are those of q now. ValueError (TraitError on
    assignment) with one sentence for anything else.
    """

    _esm = bundle("mean_field.js")
    _css = "\n".join(
        (JS / name).read_text(encoding="utf-8")
        for name in ("course.css", "kl_divergence.css", "gaussian_mixture.css", "mean_field.css")
    )
    correlation = traitlets.Any(0.8).tag(sync=True)
    sds = traitlets.Any([1.0, 1.0]).tag(sync=True)
    mean = traitlets.Any([0.0, 0.0]).tag(sync=True)
    start = traitlets.Any([-2.0, 1.0]).tag(sync=True)
    start_sds = traitlets.Any([1.0, 1.0]).tag(sync=True)
    first = traitlets.Any(1).tag(sync=True)
    steps = traitlets.Any(0).tag(sync=True)
    forward = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, correlation=0.8, sds=(1, 1), mean=(0, 0), start=None, start_sds=None, *, steps: int = 0, first: int = 1,
        forward: bool = False, label: str = "Mean field: a product for a correlated Gaussian",
    ):  # fmt: skip
        mean, sds = _mean(mean), _sds(sds)
        if start is None:
            start = [mean[0] - 2 * sds[0], mean[1] + sds[1]]
        super().__init__(
            correlation=_correlation(correlation),
            sds=sds,
            mean=mean,
            start=_start(start, mean, sds),
            start_sds=_start_sds(sds if start_sds is None else start_sds, sds),
            steps=_steps(steps),
            first=_first(first),
            forward=forward,
            label=label,
        )

    @traitlets.validate("correlation", "sds", "mean", "start", "start_sds", "first", "steps")
    def _check(self, proposal):
        check, *others = {
            "correlation": (_correlation,),
            "sds": (_sds,),
            "mean": (_mean,),
            "start": (_start, self.mean, self.sds),
            "start_sds": (_start_sds, self.sds),
            "first": (_first,),
            "steps": (_steps,),
        }[proposal.trait.name]
        return checked(check, proposal.value, *others)

    @property
    def covariance(self) -> np.ndarray:
        """The covariance of p, shape (2, 2)."""
        rho, (a, b) = self.correlation, self.sds
        return np.array([[a * a, rho * a * b], [rho * a * b, b * b]])

    def path(self) -> mf.MeanFieldPath:
        """Return q at the start and after each of the `steps` updates, and the ELBO of each, in nats."""
        order = [0, 1] if self.first == 1 else [1, 0]
        mean, covariance = np.array(self.mean)[order], self.covariance[np.ix_(order, order)]
        start = mf.Factorized(np.array(self.start)[order], np.square(self.start_sds)[order])
        whole = mf.coordinate_ascent(mean, covariance, start, (self.steps + 1) // 2)
        qs = tuple(mf.Factorized(*(each[order] for each in q)) for q in whole.qs[: self.steps + 1])
        return mf.MeanFieldPath(qs, whole.elbos[: self.steps + 1])

    @property
    def means(self) -> np.ndarray:
        """The means of q after `steps` updates, shape (2,)."""
        return self.path().qs[-1].means

    @property
    def variances(self) -> np.ndarray:
        """The variances of q after `steps` updates, shape (2,)."""
        return self.path().qs[-1].variances

    def divergences(self) -> tuple[float, float]:
        """Return (KL(p‖q), KL(q‖p)) in nats."""
        path, covariance = self.path(), self.covariance
        q, d = path.qs[-1], path.qs[-1].means - self.mean
        # KL(p‖q) = ½ Σ_j ((Σ_jj + d_j²)/v_j − 1 + ln v_j) − ½ ln det Σ
        forward = ((np.diag(covariance) + d**2) / q.variances - 1 + np.log(q.variances)).sum()
        return float(forward - np.linalg.slogdet(covariance)[1]) / 2, float(-path.elbos[-1])

    def picture(self) -> Figure:
        """Return what the widget shows: the ellipses with the marginals at the edges, and the ELBO against the step."""
        path, mean, covariance = self.path(), np.array(self.mean), self.covariance
        figure = Figure(figsize=(10, 4.6), layout="constrained")
        plane, curve = figure.subplots(1, 2)
        edges = (
            plane.inset_axes([0, 1.03, 1, 0.22], sharex=plane),
            plane.inset_axes([1.03, 0, 0.22, 1], sharey=plane),
        )
        q = path.qs[-1]
        shown = [
            ("p", mean, covariance, P_COLOUR, P_LINE),
            ("q", q.means, np.diag(q.variances), Q_COLOUR, Q_LINE),
        ]
        if self.forward:
            best = mf.forward_fit(mean, covariance)
            shown.append(("forward fit", best.means, np.diag(best.variances), GREEN, ":"))
        for name, centre, spread, colour, line in shown:
            _ellipses(plane, centre, spread, color=colour, linestyle=line, label=name)
            for j, axes in enumerate(edges):
                _marginal(axes, j, centre[j], np.sqrt(spread[j, j]), color=colour, linestyle=line)
        way = np.array([each.means for each in path.qs])
        plane.plot(*way.T, "o-", color=Q_COLOUR, markersize=3.5, linewidth=1.4)
        plane.set(xlabel="z₁", ylabel="z₂")
        ends = np.array([plane.get_xlim(), plane.get_ylim()])
        square = ends.mean(axis=1, keepdims=True) + np.ptp(ends, axis=1).max() * np.array([-0.5, 0.5])
        plane.set(xlim=square[0], ylim=square[1], aspect="equal")
        plane.legend(frameon=False)
        _curve(curve, path.elbos, mf.elbo(mf.reverse_fit(mean, covariance), mean, covariance))
        for axes in (plane, curve):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="0.92")
            axes.set_axisbelow(True)
        return figure

    def sentence(self) -> str:
        """Return in words what the picture shows, with both divergences and what is left of the variances."""
        q, (forward, reverse) = self.path().qs[-1], self.divergences()
        left = q.variances / np.diag(self.covariance)
        done = f"after {self.steps} update{'' if self.steps == 1 else 's'}" if self.steps else "at the start"
        return (
            f"p is a Gaussian with means {_said(self.mean)}, standard deviations {_said(self.sds)} and correlation "
            f"{self.correlation:.2f}; q, a product of two, has means {_said(q.means)} and standard deviations "
            f"{_said(np.sqrt(q.variances))} {done}: KL(q‖p) = {reverse:.3f} nats, KL(p‖q) = {forward:.3f} nats, the "
            f"variances {left[0]:.3f} and {left[1]:.3f} of the true ones (mean field ends at 1 − ρ² = "
            f"{mf.lost_variance(self.covariance)[0]:.3f})."
        )


def _ellipses(axes, centre, covariance, *, label, **look) -> None:
    angles = np.linspace(0, 2 * np.pi, 120)
    circle = np.linalg.cholesky(covariance) @ np.stack([np.cos(angles), np.sin(angles)])
    for radius, width in ((1, 2.0), (2, 1.3)):
        axes.plot(
            *(centre[:, None] + radius * circle),
            linewidth=width,
            label=label if radius == 1 else None,
            **look,
        )


def _marginal(axes, j: int, mean: float, sd: float, **look) -> None:
    z = mean + sd * np.linspace(-3.5, 3.5, 141)
    height = np.exp(-0.5 * ((z - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi))
    axes.plot(*((z, height) if j == 0 else (height, z)), linewidth=1.6, **look)
    axes.axis("off")


def _curve(axes, elbos, best: float) -> None:
    axes.axhline(0, color=P_COLOUR, linewidth=2, label="log evidence")
    axes.axhline(best, color="0.3", linestyle=":", linewidth=1.3, label="best of any product")
    axes.plot(elbos, "o-", color=Q_COLOUR, markersize=4, label="ELBO")
    axes.set(xlabel="step (one factor each)", ylabel="nats", xlim=(-0.4, max(len(elbos), 8) - 0.6))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False)


def _said(pair) -> str:
    return f"({pair[0]:.2f}, {pair[1]:.2f})"


def _pair(check, name: str, value) -> list[float]:
    array = check(name, value, WIDEST)
    if array.shape != (2,):
        raise ValueError(
            f"{name} has shape {array.shape}; it must be a pair, one number for z₁ and one for z₂."
        )
    return array.tolist()


def _correlation(value) -> float:
    array = finite("correlation", value)
    if array.ndim:
        raise ValueError(f"correlation has shape {array.shape}; it must be one number.")
    if abs(array) > STRONGEST:
        raise ValueError(
            f"correlation is {float(array):g}; it must lie between -{STRONGEST} and {STRONGEST} "
            "(at 1, z₁ would fix z₂, and no product of densities is near that)."
        )
    return float(array)


def _mean(value) -> list[float]:
    return _pair(near, "mean", value)


def _sds(value) -> list[float]:
    a, b = _pair(wide, "sds", value)
    if max(a / b, b / a) > RATIO * (1 + ROUNDING):
        raise ValueError(
            f"sds is ({a:g}, {b:g}); this widget draws one at most {RATIO} times as large as the other."
        )
    return [a, b]


def _start(value, mean, sds) -> list[float]:
    start = _pair(near, "start", value)
    away = (np.abs(np.subtract(start, mean)) / sds).max()
    if away > FAR * (1 + ROUNDING):
        raise ValueError(
            f"start lies {away:.4g} standard deviations of p from its mean; this widget draws at most {FAR}."
        )
    return start


def _start_sds(value, sds) -> list[float]:
    start = _pair(wide, "start_sds", value)
    times = np.divide(start, sds)
    if max(times.max(), 1 / times.min()) > FAR * (1 + ROUNDING):
        raise ValueError(
            f"start_sds is ({start[0]:g}, {start[1]:g}), for p's ({sds[0]:g}, {sds[1]:g}); this widget draws "
            f"at most {FAR} times, at least 1/{FAR} of them."
        )
    return start


def _first(value) -> int:
    return _whole("first", value, 1, 2)


def _steps(value) -> int:
    return _whole("steps", value, 0, MOST_STEPS)


def _whole(name: str, value, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; it must be a whole number from {least} to {most}.")
    return int(value)
