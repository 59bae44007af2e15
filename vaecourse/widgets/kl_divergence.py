"""The widgets of lesson 01: two densities, or two discrete distributions, under the hand, and their KL both ways.

The browser draws and computes; Python hears the values once they rest, and keeps a picture and a sentence for every
place that runs no JavaScript. KL(p‖q) = ∫ p log(p/q) dx for densities, Σ p log(p/q) for bars.
"""

import numpy as np
import traitlets
from matplotlib.figure import Figure
from scipy.special import rel_entr

from vaecourse import kl_divergence as kl
from vaecourse.symbols import BLACK, GREEN, P_COLOUR, P_LINE, PURPLE, Q_COLOUR, Q_LINE
from vaecourse.validation import probabilities, same_length
from vaecourse.widgets.base import JS, BrowserWidget, bundle, checked, near, wide

WIDEST = 1e3  # means and standard deviations that one picture can still show beside each other
MOST = 30  # outcomes


def _peaks(means, sds, weights) -> tuple[list[float], list[float], list[float]]:
    """Check p's one or two Gaussians; return means, standard deviations and weights as lists."""
    means, sds = near("p_means", means, WIDEST), wide("p_sds", sds, WIDEST)
    weights = probabilities(
        "p_weights", np.full(np.shape(means), 1 / np.size(means)) if weights is None else weights
    )
    for name, array in {"p_means": means, "p_sds": sds, "p_weights": weights}.items():
        if array.ndim != 1 or len(array) not in (1, 2):
            raise ValueError(f"{name} must be a list of one or two numbers, one for each peak of p.")
    same_length("p_means", means, "p_sds", sds)
    same_length("p_means", means, "p_weights", weights)
    if (weights == 0).any():
        raise ValueError("p_weights holds a 0; leave that peak out instead.")
    return means.tolist(), sds.tolist(), weights.tolist()


def _number(check, name: str, value) -> float:
    array = check(name, value, WIDEST)
    if array.size != 1:
        raise ValueError(f"{name} must be one number, because q is one Gaussian; it has {array.size}.")
    return float(array.item())


def _outcomes(p, q, labels) -> tuple[list[float], list[float], list[str]]:
    """Check two distributions over the same outcomes; return them and the outcomes' names as lists."""
    p, q = probabilities("p", p), probabilities("q", q)
    for name, array in {"p": p, "q": q}.items():
        if array.ndim != 1 or not 2 <= len(array) <= MOST:
            raise ValueError(
                f"{name} must be one list of 2 to {MOST} probabilities, one for each outcome; its shape is {array.shape}."
            )
    same_length("p", p, "q", q)
    labels = [str(i + 1) for i in range(len(p))] if labels is None else [str(each) for each in labels]
    if len(labels) != len(p):
        raise ValueError(
            f"labels has {len(labels)} names and p has {len(p)} probabilities; each outcome needs one name."
        )
    return p.tolist(), q.tolist(), labels


def _amount(nats: float, unit: str) -> str:
    return "+∞" if np.isinf(nats) else f"{kl.bits(nats) if unit == 'bits' else nats:.3f} {unit}"


class _Explorer(BrowserWidget):
    """What the two have in common: the unit, the direction whose terms are drawn, and the look of the picture."""

    _css = "\n".join((JS / name).read_text(encoding="utf-8") for name in ("course.css", "kl_divergence.css"))
    unit = traitlets.Enum(["nats", "bits"], default_value="nats").tag(sync=True)
    direction = traitlets.Enum(["p‖q", "q‖p"], default_value="p‖q").tag(sync=True)

    def divergences(self) -> tuple[float, float]:
        """Return (KL(p‖q), KL(q‖p)) in nats."""
        raise NotImplementedError

    def _both(self) -> str:
        forward, reverse = self.divergences()
        return f"KL(p‖q) = {_amount(forward, self.unit)}, KL(q‖p) = {_amount(reverse, self.unit)}"

    def _panels(self):
        figure = Figure(figsize=(9, 5.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=[3, 2], sharex=True)
        for axes in (upper, lower):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="0.92")
            axes.set_axisbelow(True)
        log, (a, b) = "log₂" if self.unit == "bits" else "ln", self.direction.split("‖")
        lower.set_ylabel(f"{a}·{log}({a}/{b})")
        lower.axhline(0, color="0.5", linewidth=1)
        lower.set_xlabel(self._both())
        return figure, upper, lower


class DensityExplorer(_Explorer):
    """p, a mixture of one or two Gaussians, and q, one Gaussian: drag the peaks, see p·log(p/q) and its area.

    Traits, in step with the browser once the hand rests: `p_means`, `p_sds`, `p_weights` (lists of one or two numbers),
    `q_mean`, `q_sd`, `unit` ("nats" or "bits"), `direction` ("p‖q" or "q‖p": whose integrand is drawn).
    `set_p` changes the number of peaks. ValueError (TraitError on assignment) with one sentence for anything else.
    """

    _esm = bundle("kl_divergence_densities.js")
    p_means = traitlets.List().tag(sync=True)
    p_sds = traitlets.List().tag(sync=True)
    p_weights = traitlets.List().tag(sync=True)
    q_mean = traitlets.Any(0.0).tag(sync=True)
    q_sd = traitlets.Any(1.0).tag(sync=True)

    def __init__(
        self, p_means=(-2.5, 2.5), p_sds=(0.7, 1.0), p_weights=None, q_mean=0.0, q_sd=1.5, *, unit="nats",
        direction="p‖q", label="KL divergence of two densities",
    ):  # fmt: skip
        means, sds, weights = _peaks(p_means, p_sds, p_weights)
        q_mean, q_sd = _number(near, "q_mean", q_mean), _number(wide, "q_sd", q_sd)
        super().__init__(
            p_means=means,
            p_sds=sds,
            p_weights=weights,
            q_mean=q_mean,
            q_sd=q_sd,
            unit=unit,
            direction=direction,
            label=label,
        )

    def set_p(self, means, sds, weights=None) -> None:
        """Give p new peaks: one or two means, standard deviations and weights (alike, if left out)."""
        means, sds, weights = _peaks(means, sds, weights)
        with self.hold_trait_notifications():
            self.p_means, self.p_sds, self.p_weights = means, sds, weights

    @traitlets.validate("p_means", "p_sds", "p_weights")
    def _check_p(self, proposal):
        parts = {name: getattr(self, name) for name in ("p_means", "p_sds", "p_weights")}
        parts[proposal.trait.name] = proposal.value
        found = checked(_peaks, *parts.values())
        return found[list(parts).index(proposal.trait.name)]

    @traitlets.validate("q_mean", "q_sd")
    def _check_q(self, proposal):
        name = proposal.trait.name
        return checked(_number, near if name == "q_mean" else wide, name, proposal.value)

    def _log_p(self, x) -> np.ndarray:
        return kl.mixture_log_density(x, self.p_weights, self.p_means, self.p_sds)

    def _log_q(self, x) -> np.ndarray:
        return kl.gaussian_log_density(x, self.q_mean, self.q_sd)

    def _marks(self, reach) -> np.ndarray:
        """The places `reach` standard deviations from every mean, in order."""
        means, sds = np.append(self.p_means, self.q_mean), np.append(self.p_sds, self.q_sd)
        return np.unique(np.multiply.outer(reach, sds) + means)

    def divergences(self) -> tuple[float, float]:
        marks = self._marks(np.array([-13, -6, -3, -1, 0, 1, 3, 6, 13]))
        low, high, points = marks[0], marks[-1], marks[1:-1]
        forward = kl.quadrature(self._log_p, self._log_q, low, high, points)
        return forward, kl.quadrature(self._log_q, self._log_p, low, high, points)

    def picture(self) -> Figure:
        """Return what the widget shows: the two densities, and below them the integrand, shaded."""
        figure, upper, lower = self._panels()
        ends = self._marks(np.array([-3.3, 3.3]))[[0, -1]]
        x = np.union1d(np.linspace(*ends, 900), self._marks(np.linspace(-3.3, 3.3, 40)))
        log_p, log_q = self._log_p(x), self._log_q(x)
        upper.plot(x, np.exp(log_p), P_LINE, color=P_COLOUR, linewidth=2.2, label="p")
        upper.plot(x, np.exp(log_q), Q_LINE, color=Q_COLOUR, linewidth=2.2, label="q")
        upper.set(ylabel="density", ylim=(0, None), xlim=ends)
        upper.legend(frameon=False)
        a, b = (log_p, log_q) if self.direction == "p‖q" else (log_q, log_p)
        terms = np.exp(a) * (a - b) / (np.log(2) if self.unit == "bits" else 1)
        lower.fill_between(
            x, terms, 0, where=terms >= 0, facecolor=GREEN + "40", edgecolor=GREEN, hatch="//", linewidth=0
        )
        lower.fill_between(
            x,
            terms,
            0,
            where=terms <= 0,
            facecolor=PURPLE + "40",
            edgecolor=PURPLE,
            hatch="\\\\",
            linewidth=0,
        )
        lower.plot(x, terms, color=BLACK, linewidth=1.2)
        return figure

    def sentence(self) -> str:
        """Return in words what the picture shows, with both divergences to three decimals."""
        peaks = [
            f"mean {m:.2f}, standard deviation {s:.2f}" for m, s in zip(self.p_means, self.p_sds, strict=True)
        ]
        shape = "one Gaussian" if len(peaks) == 1 else "two Gaussians"
        share = (
            "" if len(peaks) == 1 else f", with weights {self.p_weights[0]:.2f} and {self.p_weights[1]:.2f}"
        )
        return (
            f"p is {shape} ({'; '.join(peaks)}){share}; q is one Gaussian (mean {self.q_mean:.2f}, "
            f"standard deviation {self.q_sd:.2f}): {self._both()}."
        )


class BarExplorer(_Explorer):
    """p and q over the same 2 to 30 outcomes: drag the bars, see each outcome's term p·log(p/q).

    A bar that moves leaves the others of its distribution in proportion. A bar may be exactly 0: a term with p = 0 is 0,
    and one with q = 0 < p makes KL(p‖q) = +∞. Traits, in step with the browser once the hand rests: `p`, `q`, `labels`
    (lists of one length), `unit` ("nats" or "bits"), `direction` ("p‖q" or "q‖p": whose terms are drawn).
    `set_outcomes` changes their number. ValueError (TraitError on assignment) with one sentence for anything else.
    """

    _esm = bundle("kl_divergence_bars.js")
    p = traitlets.List().tag(sync=True)
    q = traitlets.List().tag(sync=True)
    labels = traitlets.List().tag(sync=True)

    def __init__(
        self, p, q, labels=None, *, unit="nats", direction="p‖q", label="KL divergence of two discrete distributions"
    ):  # fmt: skip
        p, q, labels = _outcomes(p, q, labels)
        super().__init__(p=p, q=q, labels=labels, unit=unit, direction=direction, label=label)

    def set_outcomes(self, p, q, labels=None) -> None:
        """Show two other distributions, over as many outcomes as they have (named 1, 2, … if `labels` is left out)."""
        p, q, labels = _outcomes(p, q, labels)
        with self.hold_trait_notifications():
            self.p, self.q, self.labels = p, q, labels

    @traitlets.validate("p", "q", "labels")
    def _check(self, proposal):
        parts = {name: getattr(self, name) for name in ("p", "q", "labels")}
        parts[proposal.trait.name] = proposal.value
        found = checked(_outcomes, *parts.values())
        return found[list(parts).index(proposal.trait.name)]

    def divergences(self) -> tuple[float, float]:
        return float(kl.categorical(self.p, self.q)), float(kl.categorical(self.q, self.p))

    def picture(self) -> Figure:
        """Return what the widget shows: the bars of p and q, and below each outcome its term."""
        figure, upper, lower = self._panels()
        x = np.arange(len(self.p))
        upper.bar(x - 0.19, self.p, 0.36, color=P_COLOUR, alpha=0.85, label="p")
        upper.bar(
            x + 0.19, self.q, 0.36, facecolor=Q_COLOUR + "4D", edgecolor=Q_COLOUR, linestyle=Q_LINE, label="q"
        )
        upper.set(ylabel="probability")
        upper.legend(frameon=False)
        a, b = (
            (np.array(self.p), np.array(self.q))
            if self.direction == "p‖q"
            else (np.array(self.q), np.array(self.p))
        )
        terms = rel_entr(a, b) / (np.log(2) if self.unit == "bits" else 1)
        tallest = max(np.abs(terms[np.isfinite(terms)]).max(initial=0) * 1.4, 0.1)
        for i, term in enumerate(terms):
            colour, hatch = (GREEN, "//") if term > 0 else (PURPLE, "\\\\")
            lower.bar(i, min(term, tallest), 0.74, facecolor=colour + "40", edgecolor=colour, hatch=hatch)
            if np.isinf(term):
                lower.annotate("+∞", (i, tallest), ha="center", va="bottom")
        lower.set_xticks(x, self.labels)
        lower.tick_params(labelbottom=True)
        return figure

    def sentence(self) -> str:
        """Return in words what the picture shows, with both divergences to three decimals."""
        listed = {
            of: ", ".join(f"{n} {v:.3f}" for n, v in zip(self.labels, getattr(self, of), strict=True))
            for of in "pq"
        }
        return f"p: {listed['p']}. q: {listed['q']}. {self._both()}."
