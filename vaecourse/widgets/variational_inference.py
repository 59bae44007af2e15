"""The widget of lesson 04: q under the hand, and a bar of fixed height in which ELBO and KL(q‖p(z|x)) trade places.

The browser computes and draws; Python hears q and x once they rest, and keeps a picture and a sentence for every place
that runs no JavaScript. The models and their integrals are those of `vaecourse.one_latent`.
"""

import numpy as np
import traitlets
from matplotlib.figure import Figure

from vaecourse import one_latent as ol
from vaecourse.kl_divergence import gaussian_log_density
from vaecourse.symbols import BLACK, P_COLOUR, P_LINE, Q_COLOUR, Q_LINE
from vaecourse.widgets.base import JS, BrowserWidget, bundle, checked

REACH, FLOOR = 4.0, -10.0  # of the axis of z; of the bar, in nats


class ELBOExplorer(BrowserWidget):
    """A model with one hidden number z, its posterior p(z|x), and q = N(m, exp(s)): drag q, and ln p(x) stays.

    `model` is "line", "square" or "coin" (`vaecourse.one_latent.MODELS`); without `x` its default is observed. Traits,
    in step with the browser once the hand rests: `m` and `s` (q's mean and log-variance), `x`, `model` (a model that
    cannot have the present x takes its own default), `entropy` (False: the climb leaves out the entropy of q).
    `terms()` is all that the numbers say. ValueError (TraitError on assignment) with one sentence for anything else.
    """

    _esm = bundle("variational_inference.js")
    _css = "\n".join(
        (JS / name).read_text(encoding="utf-8")
        for name in ("course.css", "kl_divergence.css", "variational_inference.css")
    )
    model = traitlets.Unicode("line").tag(sync=True)
    x = traitlets.Any(ol.LINE.x_default).tag(sync=True)
    m = traitlets.Any(-0.5).tag(sync=True)
    s = traitlets.Any(-1.0).tag(sync=True)
    entropy = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self, model: str = "line", x=None, m=-0.5, s=-1.0, *, entropy: bool = True,
        label: str = "ln p(x) = ELBO + KL, whatever q is",
    ):  # fmt: skip
        chosen = _chosen(model)
        x = ol.observed(chosen, chosen.x_default if x is None else x)
        m, s = ol.hidden(m, s)
        super().__init__(model=model, x=x, m=m, s=s, entropy=bool(entropy), label=label)

    @traitlets.validate("model")
    def _check_model(self, proposal):
        return checked(_chosen, proposal.value).name

    @traitlets.validate("x")
    def _check_x(self, proposal):
        return checked(ol.observed, ol.MODELS[self.model], proposal.value)

    @traitlets.validate("m", "s")
    def _check_q(self, proposal):
        parts = {"m": self.m, "s": self.s, proposal.trait.name: proposal.value}
        return checked(ol.hidden, *parts.values())[proposal.trait.name == "s"]

    @traitlets.observe("model")
    def _keep_x_possible(self, change) -> None:
        try:
            ol.observed(ol.MODELS[change.new], self.x)
        except ValueError:
            self.x = ol.MODELS[change.new].x_default

    def terms(self) -> ol.Terms:
        """Return ln p(x), ELBO and KL for the present q, and the two ways to take the ELBO apart (nats)."""
        return ol.terms(ol.MODELS[self.model], self.x, self.m, self.s)

    def picture(self) -> Figure:
        """Return what the widget shows: posterior, prior and q, and beside them the bar."""
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[2.2, 1])
        model, terms, sd = ol.MODELS[self.model], self.terms(), np.exp(self.s / 2)
        z = np.union1d(np.linspace(-REACH, REACH, 801), self.m + sd * np.linspace(-5, 5, 161))
        z = z[np.abs(z) <= REACH]
        posterior = np.exp(ol.log_posterior(model, self.x, z))
        left.plot(z, np.exp(gaussian_log_density(z, 0.0, 1.0)), ":", color="0.5", label="prior p(z)")
        left.plot(z, posterior, P_LINE, color=P_COLOUR, linewidth=2.2, label="posterior p(z|x)")
        left.fill_between(z, posterior, color=P_COLOUR, alpha=0.13)
        q = np.exp(gaussian_log_density(z, self.m, sd))
        left.plot(z, q, Q_LINE, color=Q_COLOUR, linewidth=2.2, label="q(z)")
        top = 1.15 * max(posterior.max(), min(q.max(), 2 * posterior.max()))  # a spike may leave the picture
        left.set(xlabel="z", ylabel="density", ylim=(0, top))
        left.legend(frameon=False)
        bottom = min(FLOOR, terms.elbo - 2)
        right.bar(0, terms.elbo - bottom, 0.5, bottom, color=P_COLOUR, alpha=0.3)
        right.bar(0, terms.gap, 0.5, terms.elbo, facecolor=Q_COLOUR + "40", edgecolor=Q_COLOUR, hatch="\\\\")
        right.axhline(terms.log_evidence, color=BLACK, linewidth=2)
        for level, away, words in (
            (terms.log_evidence, 4, f"ln p(x) = {terms.log_evidence:.3f}"),
            (terms.elbo, -6, f"ELBO = {terms.elbo:.3f}\nKL = {terms.gap:.3f}"),
        ):
            right.annotate(
                words, (0.3, level), (0, away), textcoords="offset points", va="bottom" if away > 0 else "top"
            )
        right.set(ylabel="nats", xlim=(-0.4, 1.1), ylim=(bottom, terms.log_evidence + 0.1 * abs(bottom)))
        right.set_xticks([])
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="0.92")
            axes.set_axisbelow(True)
        return figure

    def sentence(self) -> str:
        """Return in words what the picture shows, with ln p(x), ELBO and KL to three decimals."""
        model, terms = ol.MODELS[self.model], self.terms()
        return (
            f"{model.title[0].upper()}{model.title[1:]}; x = {self.x:g} was observed. q has mean {self.m:.2f} and "
            f"standard deviation {np.exp(self.s / 2):.2g}: ln p(x) = {terms.log_evidence:.3f} nats, of which the ELBO is "
            f"{terms.elbo:.3f} and KL(q‖p(z|x)) {terms.gap:.3f}."
        )


def _chosen(name) -> ol.OneLatent:
    if not isinstance(name, str) or name not in ol.MODELS:
        raise ValueError(f"model is {name!r}; it must be one of {', '.join(map(repr, ol.MODELS))}.")
    return ol.MODELS[name]
