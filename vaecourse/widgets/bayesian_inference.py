"""The widget of lesson 03: a line fitted in the Bayesian way, with prior, data and noise under the hand.

The browser computes and draws; Python hears points, prior and noise once they rest, and keeps a picture and a sentence
for every place that runs no JavaScript. The model is y = intercept + slope·x + noise, as in
`vaecourse.bayesian_inference` with a column of ones before x: θ = (intercept, slope).
"""

import numpy as np
import traitlets
from matplotlib.figure import Figure

from vaecourse import bayesian_inference as bayes
from vaecourse.frequentist import least_squares
from vaecourse.symbols import DATA_COLOUR, P_COLOUR, Q_COLOUR, Q_LINE
from vaecourse.validation import covariance, finite
from vaecourse.widgets.base import JS, BrowserWidget, bundle, checked, near, wide

MOST_POINTS = 30
LINES, SETS = 12, 20  # lines drawn from the posterior; sets of noise for them
WIDEST = 1e6  # values, and one over standard deviations, that the picture can show
STEEPEST = 0.999  # of the prior's correlation


class BayesExplorer(BrowserWidget):
    """The posterior of a line and what it predicts: drag points and prior, set noise and prior width, add and remove.

    `x` and `y` have shape (n,), 0 to 30 points in the order in which they come in; the first `used` of them count (all,
    unless told). `prior` is a `bayesian_inference.Gaussian` over (intercept, slope), N(0, I) unless told; `noise_sd` is
    the standard deviation of y around the line. `labels` names the two axes; `seed` draws the noise of the 12 lines.
    Traits, in step with the browser once the hand rests: `points` (a list of pairs), `used`, `prior_mean` and `prior_sd`
    (pairs: intercept, slope), `noise_sd` and `draw` (which of 20 sets of 12 lines). `prior()`, `posterior()`,
    `log_evidence()`, `predictive(x)` and `lines()` are what follows from them.
    ValueError (TraitError on assignment) with one sentence for anything else.
    """

    _esm = bundle("bayesian_inference.js")
    _css = "\n".join(
        (JS / name).read_text(encoding="utf-8")
        for name in ("course.css", "kl_divergence.css", "bayesian_inference.css")
    )
    noise = traitlets.Bytes().tag(sync=True)  # SETS × LINES pairs of float64, standard normal
    names = traitlets.List().tag(sync=True)
    prior_correlation = traitlets.Float(0.0).tag(sync=True)
    axes = traitlets.List().tag(sync=True)  # of the data: [least x, greatest x], [least y, greatest y]
    points = traitlets.List().tag(sync=True)
    used = traitlets.Int(0).tag(sync=True)
    prior_mean = traitlets.List([0.0, 0.0]).tag(sync=True)
    prior_sd = traitlets.List([1.0, 1.0]).tag(sync=True)
    noise_sd = traitlets.Float(1.0).tag(sync=True)
    draw = traitlets.Int(0).tag(sync=True)

    def __init__(
        self, x, y, *, prior: bayes.Gaussian | None = None, noise_sd: float = 1.0, used: int | None = None,
        labels=("x", "y"), seed: int = 0, label: str = "A line, learned in the Bayesian way",
    ):  # fmt: skip
        mean, sd, correlation = _prior(bayes.Gaussian(np.zeros(2), np.eye(2)) if prior is None else prior)
        points, noise_sd = _pairs(x, y), _noise(noise_sd)
        labels = [str(each) for each in labels]
        if len(labels) != 2:
            raise ValueError(f"labels must name the two axes; it has {len(labels)} names.")
        super().__init__(
            noise=np.random.default_rng(seed).standard_normal((SETS, LINES, 2)).tobytes(),
            names=labels,
            prior_correlation=correlation,
            prior_mean=mean,
            prior_sd=sd,
            noise_sd=noise_sd,
            axes=_axes(points, mean, sd, noise_sd),
            points=points,
            used=_used(len(points) if used is None else used, len(points)),
            label=label,
        )

    @traitlets.validate("points")
    def _check_points(self, proposal):
        return checked(_points, proposal.value)

    @traitlets.validate("used")
    def _check_used(self, proposal):
        return checked(_used, proposal.value, len(self.points))

    @traitlets.validate("prior_mean")
    def _check_prior_mean(self, proposal):
        return checked(_pair, "prior_mean", proposal.value, near)

    @traitlets.validate("prior_sd")
    def _check_prior_sd(self, proposal):
        return checked(_pair, "prior_sd", proposal.value, wide)

    @traitlets.validate("noise_sd")
    def _check_noise(self, proposal):
        return checked(_noise, proposal.value)

    @traitlets.validate("draw")
    def _check_draw(self, proposal):
        return checked(_draw, proposal.value)

    @traitlets.observe("points")
    def _hold_points(self, change):
        """Fewer points cannot leave more in use; and the axes widen to points outside."""
        self.used = min(self.used, len(self.points))
        for value, (least, most) in zip(np.reshape(self.points, (-1, 2)).T, self.axes, strict=False):
            if len(value) and (value.min() < least or value.max() > most):
                self.axes = _axes(self.points, self.prior_mean, self.prior_sd, self.noise_sd)

    def prior(self) -> bayes.Gaussian:
        """Return the belief about (intercept, slope) before any point."""
        sd = np.array(self.prior_sd)
        correlation = np.array([[1, self.prior_correlation], [self.prior_correlation, 1]])
        return bayes.Gaussian(np.array(self.prior_mean), correlation * np.outer(sd, sd))

    def posterior(self) -> bayes.Gaussian:
        """Return the belief about (intercept, slope) after the points in use."""
        if not self.used:
            return self.prior()
        return bayes.linear_posterior(*self._data(), self.prior(), self.noise_sd)

    def log_evidence(self) -> float:
        """Return log p(y | x) of the points in use, in nats; 0 if there are none."""
        return bayes.linear_log_evidence(*self._data(), self.prior(), self.noise_sd) if self.used else 0.0

    def predictive(self, x) -> bayes.Predictive:
        """Return mean and standard deviation, each (n,), of a new y at each x, shape (n,)."""
        return bayes.linear_predictive(_design(finite("x", x)), self.posterior(), self.noise_sd)

    def lines(self) -> np.ndarray:
        """Return the 12 lines that are drawn from the posterior: pairs (intercept, slope), shape (12, 2)."""
        mean, factor = bayes.check_belief("posterior", self.posterior())
        e = np.frombuffer(self.noise).reshape(SETS, LINES, 2)[self.draw]
        # m + L e
        return mean + e @ factor.T

    def least_squares(self) -> np.ndarray | None:
        """Return (intercept, slope) of the least-squares line, or None where the points in use stand at one x."""
        design, y = self._data()
        return least_squares(design, y) if len(np.unique(design[:, 1])) > 1 else None

    def picture(self) -> Figure:
        """Return what the widget shows: data and prediction, and beside them prior and posterior of (intercept, slope)."""
        figure = Figure(figsize=(10, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
        self._draw_prediction(left)
        self._draw_belief(right)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="0.92")
            axes.set_axisbelow(True)
            axes.legend(frameon=False, fontsize=9, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
        return figure

    def sentence(self) -> str:
        """Return in words what the picture shows, with posterior, log evidence and predictive standard deviations."""
        prior, posterior = self.prior(), self.posterior()
        told = [
            f"{name} {_spread(m, s)} (prior {_spread(m0, s0)})"
            for name, m, s, m0, s0 in zip(
                ("intercept", "slope"), posterior.mean, _sd(posterior), prior.mean, _sd(prior), strict=True
            )
        ]
        least, most = self.axes[0]
        middle, edge = self.predictive([(least + most) / 2, most]).sd
        return (
            f"A line fitted to {self.used} of {len(self.points)} point{'' if len(self.points) == 1 else 's'} "
            f"({self.names[0]}; {self.names[1]}) with noise of standard deviation {self.noise_sd:.3g}: "
            f"posterior {told[0]} and {told[1]}, log evidence {self.log_evidence():.3f} nats; predictive standard "
            f"deviation {middle:.3g} in the middle and {edge:.3g} at the right edge."
        )

    def _data(self) -> tuple[np.ndarray, np.ndarray]:
        """The points in use: (1, x), shape (used, 2), and y, shape (used,)."""
        x, y = np.reshape(self.points, (-1, 2))[: self.used].T
        return _design(x), y

    def _draw_prediction(self, axes) -> None:
        x = np.linspace(*self.axes[0], 101)
        mean, sd = self.predictive(x)
        axes.fill_between(
            x, mean - 2 * sd, mean + 2 * sd, color=P_COLOUR, alpha=0.15, linewidth=0, label="±2 predictive sd"
        )
        lines = axes.plot(x, _design(x) @ self.lines().T, color=P_COLOUR, alpha=0.35, linewidth=0.8)
        lines[0].set_label(f"{LINES} lines from the posterior")
        axes.plot(x, mean, color=P_COLOUR, linewidth=2.2, label="average prediction")
        for sign, text in ((2, "best line alone, ±2 noise sd"), (-2, None)):
            axes.plot(x, mean + sign * self.noise_sd, Q_LINE, color=Q_COLOUR, linewidth=1.2, label=text)
        points = np.reshape(self.points, (-1, 2))
        for some, face in ((points[: self.used], DATA_COLOUR), (points[self.used :], "white")):
            axes.plot(*some.T, "o", color=DATA_COLOUR, markerfacecolor=face, markersize=6)
        axes.set(xlim=self.axes[0], ylim=self.axes[1], xlabel=self.names[0], ylabel=self.names[1])

    def _draw_belief(self, axes) -> None:
        circle = np.exp(1j * np.linspace(0, 2 * np.pi, 100))
        for belief, colour, name in (
            (self.prior(), "0.55", "prior"),
            (self.posterior(), P_COLOUR, "posterior"),
        ):
            mean, factor = bayes.check_belief(name, belief)
            for radius in (1, 2):
                ellipse = mean[:, None] + radius * factor @ np.stack([circle.real, circle.imag])
                text = f"{name}, 1 and 2 sd" if radius == 1 else None
                axes.plot(*ellipse, color=colour, linewidth=1.8 if radius == 1 else 1.2, label=text)
        axes.plot(*self.lines().T, "o", color=P_COLOUR, alpha=0.6, markersize=3, label="the lines drawn")
        beliefs = (self.prior(), self.posterior())
        low = np.min([each.mean - 2.6 * _sd(each) for each in beliefs], axis=0)
        high = np.max([each.mean + 2.6 * _sd(each) for each in beliefs], axis=0)
        best = self.least_squares()
        if best is not None and (low < best).all() and (best < high).all():
            axes.plot(*best, "x", color=DATA_COLOUR, markersize=8, label="least squares")
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="intercept", ylabel="slope")


def _design(x) -> np.ndarray:
    return np.stack([np.ones_like(x), x], axis=-1)


def _sd(belief: bayes.Gaussian) -> np.ndarray:
    return np.sqrt(np.diag(belief.covariance))


def _spread(mean: float, sd: float) -> str:
    """Mean ± standard deviation, with the two leading digits of the latter."""
    decimals = max(0, 1 - int(np.floor(np.log10(sd))))
    return f"{mean:.{decimals}f} ± {sd:.{decimals}f}"


def _axes(points, prior_mean, prior_sd, noise_sd) -> list[list[float]]:
    """Axes with room beside the points, so that they can be dragged and the prediction is seen where there are none.

    Fewer than two places leave the extent open: then it comes from the prior.
    """
    x, y = np.reshape(points, (-1, 2)).T
    centre = (x.min() + x.max()) / 2 if len(x) else 0.0
    half = 0.75 * np.ptp(x) if len(x) and np.ptp(x) else max(1.0, abs(centre) / 2)
    y_low, y_high = (y.min(), y.max()) if len(y) else (np.inf, -np.inf)
    if len(np.unique(y)) < 2:
        average = prior_mean[0] + prior_mean[1] * (centre + half * np.array([-1, 0, 1]))
        spread = 2 * (prior_sd[0] + prior_sd[1] * half)
        y_low, y_high = min(y_low, average.min() - spread), max(y_high, average.max() + spread)
    room = max(0.4 * (y_high - y_low), 2.5 * noise_sd)
    return [[centre - half, centre + half], [float(y_low - room), float(y_high + room)]]


def _prior(prior) -> tuple[list[float], list[float], float]:
    """Mean, standard deviations and correlation of a prior over (intercept, slope)."""
    if not isinstance(prior, bayes.Gaussian):
        raise ValueError(
            f"prior must be a Gaussian(mean, covariance) over (intercept, slope), not {type(prior).__name__}."
        )
    mean = _pair("prior.mean", prior.mean, near)
    matrix, _ = covariance("prior.covariance", prior.covariance)
    if matrix.shape != (2, 2):
        raise ValueError(
            f"prior.covariance has shape {matrix.shape}; the prior is over (intercept, slope), shape (2, 2)."
        )
    sd = np.sqrt(np.diag(matrix))
    correlation = float(matrix[0, 1] / (sd[0] * sd[1]))
    if abs(correlation) > STEEPEST:
        raise ValueError(
            f"prior.covariance has the correlation {correlation:.6g}; this widget draws correlations between "
            f"-{STEEPEST:g} and {STEEPEST:g}."
        )
    return mean, _pair("the standard deviation of prior", sd, wide), correlation


def _pairs(x, y) -> list[list[float]]:
    x, y = (
        np.zeros(0) if np.size(value) == 0 else finite(name, value) for name, value in (("x", x), ("y", y))
    )
    for name, value in (("x", x), ("y", y)):
        if value.ndim != 1:
            raise ValueError(f"{name} has shape {value.shape}; it must be one list of numbers, shape (n,).")
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} numbers and y has {len(y)}; each point needs one of both.")
    return _points(np.stack([x, y], axis=1))


def _points(points) -> list[list[float]]:
    if np.size(points) == 0:
        return []
    points = near("points", points, WIDEST)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(
            f"points has shape {points.shape}; it must hold one pair (x, y) for each point, shape (n, 2)."
        )
    if len(points) > MOST_POINTS:
        raise ValueError(
            f"There are {len(points)} points; this widget draws at most {MOST_POINTS} (give it a sample)."
        )
    return points.tolist()


def _pair(name: str, value, check) -> list[float]:
    array = check(name, value, WIDEST)
    if array.shape != (2,):
        raise ValueError(f"{name} has shape {array.shape}; it must be a pair: intercept, slope.")
    return array.tolist()


def _noise(value) -> float:
    array = wide("noise_sd", value, WIDEST)
    if array.size != 1:
        raise ValueError(f"noise_sd must be one number; it has {array.size}.")
    return float(array.item())


def _used(used, n: int) -> int:
    if not isinstance(used, int | np.integer) or not 0 <= used <= n:
        raise ValueError(f"used is {used}; it counts the points in use, a whole number from 0 to {n}.")
    return int(used)


def _draw(draw) -> int:
    if not 0 <= draw < SETS:
        raise ValueError(f"draw is {draw}; it names a set of lines, a whole number from 0 to {SETS - 1}.")
    return draw
