"""The derivation of lesson 02: why a sweep of EM never lowers the likelihood.

Five points, a mixture of two Gaussians, one E-step and one M-step. Source: Dempster, Laird and Rubin (1977), theorem 1;
Bishop, "Pattern Recognition and Machine Learning" (2006), section 9.4.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from vaecourse.derivation import Chain, Parameter, Part, Step
from vaecourse.symbols import P_COLOUR, Q_COLOUR

POINTS = np.array([-2.0, -1.5, -0.5, 1.0, 2.5])


class Sweep(NamedTuple):
    """One sweep of EM: log(w N(x)) before and after, and the logs of the shares r of the E-step, shape (n, 2, 5) each."""

    before: np.ndarray
    after: np.ndarray
    log_r: np.ndarray

    def bound(self, log_joint: np.ndarray) -> np.ndarray:
        """Σ r ln(w N(x) / r), shape (n,)"""
        return (np.exp(self.log_r) * (log_joint - self.log_r)).sum(axis=(1, 2))

    def log_average(self, log_joint: np.ndarray) -> np.ndarray:
        """Σ over points of ln Σ over components of r · (w N(x) / r), shape (n,)"""
        return logsumexp(self.log_r + (log_joint - self.log_r), axis=1).sum(axis=1)


def _log_joint(weights, means, sds) -> np.ndarray:
    """ln w + ln N(x; m, σ²) for the five points; arguments of shape (n, 2), result (n, 2, 5)."""
    weights, means, sds = (value[..., None] for value in (weights, means, sds))
    return np.log(weights) - 0.5 * np.log(2 * np.pi) - np.log(sds) - (POINTS - means) ** 2 / (2 * sds**2)


def sweep(weight, mean_1, mean_2, sd) -> Sweep:
    weights, means, sds = (
        np.column_stack([weight, 1 - weight]),
        np.column_stack([mean_1, mean_2]),
        np.column_stack([sd, sd]),
    )
    before = _log_joint(weights, means, sds)
    # E-step: r = w N(x) / Σ w N(x)
    log_r = before - logsumexp(before, axis=1, keepdims=True)
    # M-step: each component takes over the weighted share, mean and variance of its points
    r = np.exp(log_r)
    count = r.sum(axis=2)
    means = (r @ POINTS) / count
    variances = (r * (POINTS - means[..., None]) ** 2).sum(axis=2) / count
    return Sweep(before, _log_joint(count / len(POINTS), means, np.sqrt(variances)), log_r)


def _evidence(log_joint: np.ndarray) -> np.ndarray:
    return logsumexp(log_joint, axis=1).sum(axis=1)


_INNER = r"w_k N_k(x_n)"
_OUTER = r"w'_k N'_k(x_n)"

EM_CLIMB = Chain(
    name="EM_CLIMB",
    title="A sweep of EM never lowers the likelihood",
    setting="Five points: −2, −1.5, −0.5, 1, 2.5. Two components with weights w_1 and 1 − w_1, means m_1 and m_2, one standard deviation σ before "
    "the sweep. Primes mark what the M-step makes of them.",
    parameters=(
        Parameter("weight", "w_1", "weight of the first component", 0.1, 0.9, 0.5),
        Parameter("mean_1", "m_1", "mean of the first component", -3.0, 3.0, -1.0),
        Parameter("mean_2", "m_2", "mean of the second component", -3.0, 3.0, 1.0),
        Parameter("sd", r"\sigma", "standard deviation of both components", 0.6, 3.0, 1.0),
    ),
    model=sweep,
    left=r"\ln p(X)",
    steps=(
        Step(r"\sum_n \ln \sum_k " + _INNER, "marginalize: add over the label k", lambda s: _evidence(s.before)),
        Step(r"\sum_n \ln \sum_k r_{nk}\,\frac{" + _INNER + r"}{r_{nk}}", "multiply by r/r = 1", lambda s: s.log_average(s.before)),
        Step(r"\sum_n \sum_k r_{nk}\,\ln\frac{" + _INNER + r"}{r_{nk}}", "E-step: the fraction is p(xₙ) for every k, and the average of a constant is that constant",
             lambda s: s.bound(s.before)),
        Step(r"\sum_n \sum_k r_{nk}\,\ln\frac{" + _OUTER + r"}{r_{nk}}", "M-step: the primed parameters are the best for this sum",
             lambda s: s.bound(s.after), "<="),
        Step(r"\sum_n \ln \sum_k r_{nk}\,\frac{" + _OUTER + r"}{r_{nk}}", "Jensen, with weights r", lambda s: s.log_average(s.after), "<="),
        Step(r"\sum_n \ln \sum_k " + _OUTER, "r cancels", lambda s: _evidence(s.after)),
        Step(r"\ln p'(X)", "definition of the likelihood after the sweep", lambda s: _evidence(s.after)),
    ),
)  # fmt: skip

TOUCH = Chain(
    name="TOUCH",
    title="The bound touches: ln p(X) = bound + KL, for any shares r",
    setting="The same five points and two components, one common share: r says that each point belongs to component 1 with share r_1. "
    "The true shares are those of Bayes' rule.",
    parameters=(
        Parameter("share", "r_1", "share that r gives to component 1", 0.05, 0.95, 0.3, places=2),
        Parameter("mean_1", "m_1", "mean of the first component", -3.0, 3.0, -1.0),
        Parameter("mean_2", "m_2", "mean of the second component", -3.0, 3.0, 1.0),
    ),
    model=lambda share, mean_1, mean_2: _with_shares(share, mean_1, mean_2),
    left=r"\ln p(X)",
    steps=(
        Step(r"\sum_n \ln p(x_n)", "independent points: log of a product", lambda s: _evidence(s.before)),
        Step(r"\sum_n \sum_k r_{nk} \ln p(x_n)", "the shares of each point sum to 1",
             lambda s: (np.exp(s.log_r) * logsumexp(s.before, axis=1, keepdims=True)).sum(axis=(1, 2))),
        Step(r"\sum_n \sum_k r_{nk} \ln\frac{" + _INNER + r"}{p(k|x_n)}", "Bayes' rule: p(k|x) = w N(x) / p(x)",
             lambda s: (np.exp(s.log_r) * (s.before - _log_posterior(s))).sum(axis=(1, 2))),
        Step(r"\sum_n \sum_k r_{nk} \left[\ln\frac{" + _INNER + r"}{r_{nk}} + \ln\frac{r_{nk}}{p(k|x_n)}\right]", "multiply and divide by r; log of a product",
             lambda s: (np.exp(s.log_r) * ((s.before - s.log_r) + (s.log_r - _log_posterior(s)))).sum(axis=(1, 2))),
        Step(r"\sum_n \sum_k r_{nk} \ln\frac{" + _INNER + r"}{r_{nk}} + \sum_n \mathrm{KL}\bigl(r_n\,\|\,p(k|x_n)\bigr)", "linearity, then definition of KL",
             lambda s: s.bound(s.before) + _divergence(s),
             parts=(Part("bound", lambda s: s.bound(s.before), P_COLOUR), Part("KL of the shares", lambda s: _divergence(s), Q_COLOUR))),
    ),
)  # fmt: skip


def _with_shares(share, mean_1, mean_2) -> Sweep:
    half, one = np.full_like(share, 0.5), np.ones_like(share)
    before = _log_joint(
        np.column_stack([half, half]), np.column_stack([mean_1, mean_2]), np.column_stack([one, one])
    )
    log_r = np.log(np.column_stack([share, 1 - share]))[..., None] + np.zeros_like(before)
    return Sweep(before, before, log_r)


def _log_posterior(s: Sweep) -> np.ndarray:
    return s.before - logsumexp(s.before, axis=1, keepdims=True)


def _divergence(s: Sweep) -> np.ndarray:
    return (np.exp(s.log_r) * (s.log_r - _log_posterior(s))).sum(axis=(1, 2))
