"""The derivations of lesson 01: KL ≥ 0 twice, the KL between two Gaussians, and maximum likelihood as minimum KL."""

from typing import NamedTuple

import numpy as np
from scipy.special import xlogy

from vaecourse.derivation import Chain, Parameter, Part, Step
from vaecourse.symbols import P_COLOUR, Q_COLOUR

# Two loaded dice: the chance of a six is a slider, the other five faces share the rest.


class Dice(NamedTuple):
    """Two distributions over the same outcomes, shape (n, k)."""

    p: np.ndarray
    q: np.ndarray


def loaded_dice(six_p: np.ndarray, six_q: np.ndarray) -> Dice:
    def die(six):
        return np.column_stack([*[(1 - six) / 5] * 5, six])

    return Dice(die(six_p), die(six_q))


def _sum_over_support(dice: Dice, term) -> np.ndarray:
    """Σ term(p, q) over the outcomes that p allows."""
    allowed = dice.p > 0
    p, q = np.where(allowed, dice.p, 1.0), np.where(allowed, dice.q, 1.0)
    return np.where(allowed, term(p, q), 0.0).sum(axis=-1)


_SIXES = (
    Parameter("six_p", "p(6)", "chance of a six with die p", 0.0, 0.9, 0.5, places=2),
    Parameter("six_q", "q(6)", "chance of a six with die q", 0.05, 0.95, 0.2, places=2),
)
_DICE = "Two loaded dice: p shows a six with chance p(6), q with chance q(6); the other five faces share the rest equally."

_NEGATIVE_KL = (
    Step(r"-\sum_i p_i \ln\frac{p_i}{q_i}", "definition, sum over outcomes with p > 0",
         lambda d: -_sum_over_support(d, lambda p, q: p * np.log(p / q))),
    Step(r"\sum_i p_i \ln\frac{q_i}{p_i}", "log of a quotient: −ln(a/b) = ln(b/a)",
         lambda d: _sum_over_support(d, lambda p, q: p * np.log(q / p))),
)  # fmt: skip

GIBBS = Chain(
    name="GIBBS",
    title="KL(p‖q) ≥ 0, because ln t ≤ t − 1",
    setting=_DICE,
    parameters=_SIXES,
    model=loaded_dice,
    left=r"-\mathrm{KL}(p\,\|\,q)",
    steps=(
        *_NEGATIVE_KL,
        Step(r"\sum_i p_i \left(\frac{q_i}{p_i} - 1\right)", "ln t ≤ t − 1 with t = q/p, weighted with p ≥ 0",
             lambda d: _sum_over_support(d, lambda p, q: p * (q / p - 1)), "<="),
        Step(r"\sum_i (q_i - p_i)", "multiply pᵢ into the bracket",
             lambda d: _sum_over_support(d, lambda p, q: q - p)),
        Step(r"\sum_i q_i - \sum_i p_i", "linearity: split the sum",
             lambda d: _sum_over_support(d, lambda p, q: q) - _sum_over_support(d, lambda p, q: p)),
        Step(r"\sum_i q_i - 1", "p is normalized: it sums to 1",
             lambda d: _sum_over_support(d, lambda p, q: q) - 1),
        Step(r"1 - 1 = 0", "q is normalized: a part of it is at most 1", lambda d: np.zeros(len(d.p)), "<="),
    ),
)  # fmt: skip

JENSEN = Chain(
    name="JENSEN",
    title="KL(p‖q) ≥ 0, by Jensen's inequality",
    setting=_DICE,
    parameters=_SIXES,
    model=loaded_dice,
    left=r"-\mathrm{KL}(p\,\|\,q)",
    steps=(
        *_NEGATIVE_KL,
        Step(r"\ln \sum_i p_i \frac{q_i}{p_i}", "Jensen, with weights p and points q/p",
             lambda d: np.log(_sum_over_support(d, lambda p, q: p * (q / p))), "<="),
        Step(r"\ln \sum_i q_i", "p cancels", lambda d: np.log(_sum_over_support(d, lambda p, q: q))),
        Step(r"\ln 1 = 0", "q is normalized: a part of it is at most 1", lambda d: np.zeros(len(d.p)), "<="),
    ),
)  # fmt: skip

# Two Gaussians, integrated by the trapezoid rule on p's own scale: exact to rounding for a Gaussian times a polynomial.

_U = np.linspace(-12, 12, 241)
_WEIGHTS = np.exp(-0.5 * _U**2) / np.sqrt(2 * np.pi) * (_U[1] - _U[0])


class TwoGaussians(NamedTuple):
    """p = N(mp, sp²) and q = N(mq, sq²), each of shape (n, 1), and the grid x of shape (n, 241) on which p is integrated."""

    mp: np.ndarray
    sp: np.ndarray
    mq: np.ndarray
    sq: np.ndarray
    x: np.ndarray

    def mean(self, values) -> np.ndarray:
        """∫ p(x) values(x) dx, shape (n,)."""
        return np.broadcast_to(values, self.x.shape) @ _WEIGHTS


def two_gaussians(mean_p, sd_p, mean_q, sd_q) -> TwoGaussians:
    mp, sp, mq, sq = (np.asarray(value, float)[:, None] for value in (mean_p, sd_p, mean_q, sd_q))
    return TwoGaussians(mp, sp, mq, sq, mp + sp * _U)


def _log_normal(x, mean, sd) -> np.ndarray:
    return -0.5 * np.log(2 * np.pi) - np.log(sd) - (x - mean) ** 2 / (2 * sd**2)


def _flat(column: np.ndarray) -> np.ndarray:
    return column[:, 0]


_GAUSSIANS = (
    Parameter("mean_p", "m_p", "mean of p", -3, 3, 0.0),
    Parameter("sd_p", r"\sigma_p", "standard deviation of p", 0.4, 3, 1.0),
    Parameter("mean_q", "m_q", "mean of q", -3, 3, 1.0),
    Parameter("sd_q", r"\sigma_q", "standard deviation of q", 0.4, 3, 2.0),
)
_LOG_RATIO = r"\ln\frac{\sigma_q}{\sigma_p}"
_SPREAD = r"\frac{1}{2\sigma_q^2}"


def _log_ratio(g: TwoGaussians) -> np.ndarray:
    return _flat(np.log(g.sq / g.sp))


def _around_p(g: TwoGaussians) -> np.ndarray:
    """E_p[(x − m_p)²]"""
    return g.mean((g.x - g.mp) ** 2)


def _around_q(g: TwoGaussians) -> np.ndarray:
    """E_p[(x − m_q)²]"""
    return g.mean((g.x - g.mq) ** 2)


GAUSSIAN = Chain(
    name="GAUSSIAN",
    title="KL between two Gaussians: from the integral to the closed form",
    setting="Two Gaussians: p has mean m_p and standard deviation σ_p, q has m_q and σ_q. Every integral and every average E_p is computed by adding up thin strips.",
    parameters=_GAUSSIANS,
    model=two_gaussians,
    left=r"\mathrm{KL}(p\,\|\,q)",
    steps=(
        Step(r"\int p(x)\,\bigl[\ln p(x) - \ln q(x)\bigr]\,dx", "definition",
             lambda g: g.mean(_log_normal(g.x, g.mp, g.sp) - _log_normal(g.x, g.mq, g.sq))),
        Step(r"E_p\bigl[\ln p(x) - \ln q(x)\bigr]", "short for the same integral: the average under p",
             lambda g: g.mean(_log_normal(g.x, g.mp, g.sp) - _log_normal(g.x, g.mq, g.sq))),
        Step(r"E_p\left[-\ln\sigma_p - \frac{\ln 2\pi}{2} - \frac{(x-m_p)^2}{2\sigma_p^2} + \ln\sigma_q + \frac{\ln 2\pi}{2} + \frac{(x-m_q)^2}{2\sigma_q^2}\right]",
             "insert both log densities",
             lambda g: g.mean(-np.log(g.sp) - np.log(2 * np.pi) / 2 - (g.x - g.mp) ** 2 / (2 * g.sp**2)
             + np.log(g.sq) + np.log(2 * np.pi) / 2 + (g.x - g.mq) ** 2 / (2 * g.sq**2))),
        Step(r"E_p\left[" + _LOG_RATIO + r" - \frac{(x-m_p)^2}{2\sigma_p^2} + \frac{(x-m_q)^2}{2\sigma_q^2}\right]",
             "collect terms: ½ ln 2π cancels, log of a quotient",
             lambda g: g.mean(np.log(g.sq / g.sp) - (g.x - g.mp) ** 2 / (2 * g.sp**2) + (g.x - g.mq) ** 2 / (2 * g.sq**2))),
        Step(_LOG_RATIO + r"\,E_p[1] - \frac{1}{2\sigma_p^2}E_p\bigl[(x-m_p)^2\bigr] + " + _SPREAD + r"E_p\bigl[(x-m_q)^2\bigr]",
             "linearity: constants leave the average",
             lambda g: _log_ratio(g) * g.mean(1.0) - _around_p(g) / _flat(2 * g.sp**2) + _around_q(g) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac{1}{2\sigma_p^2}E_p\bigl[(x-m_p)^2\bigr] + " + _SPREAD + r"E_p\bigl[(x-m_q)^2\bigr]",
             "p is normalized: the average of 1 is 1",
             lambda g: _log_ratio(g) - _around_p(g) / _flat(2 * g.sp**2) + _around_q(g) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac12 + " + _SPREAD + r"E_p\bigl[(x-m_q)^2\bigr]", "definition of the variance of p: the first average is σ_p²",
             lambda g: _log_ratio(g) - 0.5 + _around_q(g) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac12 + " + _SPREAD + r"E_p\bigl[((x-m_p) + (m_p-m_q))^2\bigr]", "add and subtract the mean of p",
             lambda g: _log_ratio(g) - 0.5 + g.mean(((g.x - g.mp) + (g.mp - g.mq)) ** 2) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac12 + " + _SPREAD + r"E_p\bigl[(x-m_p)^2 + 2(m_p-m_q)(x-m_p) + (m_p-m_q)^2\bigr]", "multiply out the square",
             lambda g: _log_ratio(g) - 0.5
             + g.mean((g.x - g.mp) ** 2 + 2 * (g.mp - g.mq) * (g.x - g.mp) + (g.mp - g.mq) ** 2) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac12 + " + _SPREAD + r"\Bigl(E_p\bigl[(x-m_p)^2\bigr] + 2(m_p-m_q)E_p[x-m_p] + (m_p-m_q)^2 E_p[1]\Bigr)", "linearity",
             lambda g: _log_ratio(g) - 0.5
             + (_around_p(g) + 2 * _flat(g.mp - g.mq) * g.mean(g.x - g.mp) + _flat(g.mp - g.mq) ** 2 * g.mean(1.0)) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac12 + " + _SPREAD + r"\Bigl(E_p\bigl[(x-m_p)^2\bigr] + 2(m_p-m_q)E_p[x-m_p] + (m_p-m_q)^2\Bigr)", "p is normalized",
             lambda g: _log_ratio(g) - 0.5
             + (_around_p(g) + 2 * _flat(g.mp - g.mq) * g.mean(g.x - g.mp) + _flat(g.mp - g.mq) ** 2) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac12 + " + _SPREAD + r"\Bigl(E_p\bigl[(x-m_p)^2\bigr] + (m_p-m_q)^2\Bigr)", "definition of the mean of p: E_p[x − m_p] = 0",
             lambda g: _log_ratio(g) - 0.5 + (_around_p(g) + _flat(g.mp - g.mq) ** 2) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac12 + \frac{\sigma_p^2 + (m_p-m_q)^2}{2\sigma_q^2}", "definition of the variance of p",
             lambda g: _flat(np.log(g.sq / g.sp) - 0.5 + (g.sp**2 + (g.mp - g.mq) ** 2) / (2 * g.sq**2))),
    ),
)  # fmt: skip

BROKEN = Chain(
    name="BROKEN",
    title="Find the line that does not hold",
    setting=GAUSSIAN.setting,
    parameters=_GAUSSIANS,
    model=two_gaussians,
    left=r"\mathrm{KL}(p\,\|\,q)",
    steps=(
        *GAUSSIAN.steps[1:7],
        Step(_LOG_RATIO + r" - \frac12 + " + _SPREAD + r"E_p\bigl[x^2 - 2m_q x + m_q^2\bigr]", "multiply out the square",
             lambda g: _log_ratio(g) - 0.5 + g.mean(g.x**2 - 2 * g.mq * g.x + g.mq**2) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac12 + " + _SPREAD + r"\Bigl(E_p[x^2] - 2m_q E_p[x] + m_q^2\Bigr)", "linearity, and p is normalized",
             lambda g: _log_ratio(g) - 0.5 + (g.mean(g.x**2) - 2 * _flat(g.mq) * g.mean(g.x) + _flat(g.mq) ** 2) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac12 + " + _SPREAD + r"\Bigl(\sigma_p^2 - 2m_q E_p[x] + m_q^2\Bigr)", "definition of the variance of p",
             lambda g: _log_ratio(g) - 0.5 + (_flat(g.sp) ** 2 - 2 * _flat(g.mq) * g.mean(g.x) + _flat(g.mq) ** 2) / _flat(2 * g.sq**2)),
        Step(_LOG_RATIO + r" - \frac12 + " + _SPREAD + r"\Bigl(\sigma_p^2 - 2m_q m_p + m_q^2\Bigr)", "definition of the mean of p",
             lambda g: _flat(np.log(g.sq / g.sp) - 0.5 + (g.sp**2 - 2 * g.mq * g.mp + g.mq**2) / (2 * g.sq**2))),
    ),
)  # fmt: skip

# Data and a model: throws of a die, and a die that shows a six with chance q(6).

THROWS = np.array([1, 6, 3, 6, 6, 2, 5, 6, 4, 6])


class Throws(NamedTuple):
    """`share` the observed frequencies, shape (6,); `q` the model's probabilities, shape (n, 6); `x` the throws themselves."""

    share: np.ndarray
    q: np.ndarray
    x: np.ndarray


def throws_and_die(six_q: np.ndarray) -> Throws:
    counts = np.bincount(THROWS, minlength=7)[1:]
    return Throws(counts / len(THROWS), loaded_dice(six_q, six_q).q, THROWS)


def _entropy(t: Throws) -> float:
    return float(-xlogy(t.share, t.share).sum())


def _divergence(t: Throws) -> np.ndarray:
    return (t.share * np.log(t.share / t.q)).sum(axis=1)


MAXIMUM_LIKELIHOOD = Chain(
    name="MAXIMUM_LIKELIHOOD",
    title="The largest likelihood is the smallest KL(data‖model)",
    setting="Ten throws of a die: 1 6 3 6 6 2 5 6 4 6, so n = 10. The model q: a six has chance q(6), the other five faces share the rest.",
    parameters=(Parameter("six_q", "q(6)", "chance of a six in the model", 0.05, 0.95, 0.2, places=2),),
    model=throws_and_die,
    left=r"-\tfrac1n \ln q(x_1, \dots, x_n)",
    steps=(
        Step(r"-\frac1n\sum_{j=1}^n \ln q(x_j)", "independent throws: log of a product",
             lambda t: -np.log(t.q[:, t.x - 1]).mean(axis=1)),
        Step(r"-\sum_i \hat p_i \ln q_i", "collect equal throws: face i came n·p̂ᵢ times, and n cancels", lambda t: -(t.share * np.log(t.q)).sum(axis=1)),
        Step(r"-\sum_i \hat p_i \bigl[\ln \hat p_i + \ln q_i - \ln \hat p_i\bigr]", "add and subtract ln p̂ᵢ",
             lambda t: -(t.share * (np.log(t.share) + np.log(t.q) - np.log(t.share))).sum(axis=1)),
        Step(r"-\sum_i \hat p_i \ln \hat p_i + \sum_i \hat p_i \bigl[\ln \hat p_i - \ln q_i\bigr]", "linearity",
             lambda t: -(t.share * np.log(t.share)).sum() + (t.share * (np.log(t.share) - np.log(t.q))).sum(axis=1)),
        Step(r"H(\hat p) + \sum_i \hat p_i \bigl[\ln \hat p_i - \ln q_i\bigr]", "definition of the entropy H",
             lambda t: _entropy(t) + (t.share * (np.log(t.share) - np.log(t.q))).sum(axis=1)),
        Step(r"H(\hat p) + \sum_i \hat p_i \ln\frac{\hat p_i}{q_i}", "log of a quotient",
             lambda t: _entropy(t) + (t.share * np.log(t.share / t.q)).sum(axis=1)),
        Step(r"H(\hat p) + \mathrm{KL}(\hat p\,\|\,q)", "definition of KL",
             lambda t: _entropy(t) + _divergence(t),
             parts=(Part("H(p̂): fixed by the data", lambda t: np.full(len(t.q), _entropy(t)), P_COLOUR),
                    Part("KL(p̂‖q)", _divergence, Q_COLOUR))),
    ),
)  # fmt: skip
