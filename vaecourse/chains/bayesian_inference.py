"""The derivations of lesson 03: a posterior by Bayes' rule, a prediction as an average over it, least squares as likelihood.

The coin has the prior Beta(a, b) and shows 7 heads and 3 tails. The line through the origin, y = w x + noise, has three
points. Source: Bishop, "Pattern Recognition and Machine Learning" (2006), sections 2.1.1, 3.1.1 and 3.3.1.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import betaln

from vaecourse.derivation import Chain, Parameter, Step

HEADS, TAILS = 7, 3
X, Y = np.array([1.0, 2.0, 3.0]), np.array([0.8, 2.3, 2.6])
SLOPE_SD = 1.0  # prior standard deviation of the slope

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_THETA, _WEIGHTS = (_NODES + 1) / 2, _WEIGHTS / 2  # for integrals from 0 to 1


class Coin(NamedTuple):
    """Prior Beta(a, b), and the theta at which the lines are read; each of shape (n, 1)."""

    a: np.ndarray
    b: np.ndarray
    theta: np.ndarray

    def log_prior(self, theta) -> np.ndarray:
        return (self.a - 1) * np.log(theta) + (self.b - 1) * np.log1p(-theta) - betaln(self.a, self.b)

    def log_posterior(self, theta) -> np.ndarray:
        """Beta(a + heads, b + tails)"""
        a, b = self.a + HEADS, self.b + TAILS
        return (a - 1) * np.log(theta) + (b - 1) * np.log1p(-theta) - betaln(a, b)

    def log_evidence(self) -> np.ndarray:
        """log p(X) = log ∫ p(X|θ) p(θ) dθ, by quadrature, shape (n, 1)"""
        return self.log_integral(lambda theta: _log_likelihood(theta) + self.log_prior(theta))

    def log_integral(self, log_function) -> np.ndarray:
        return np.log(np.exp(log_function(_THETA)) @ _WEIGHTS)[:, None]

    def average(self, function) -> np.ndarray:
        """∫ p(θ|X) function(θ) dθ, shape (n,)"""
        return (np.exp(self.log_posterior(_THETA)) * function(_THETA)) @ _WEIGHTS

    def powers(self, theta) -> np.ndarray:
        """(a + heads − 1) ln θ + (b + tails − 1) ln(1 − θ)"""
        return (self.a + HEADS - 1) * np.log(theta) + (self.b + TAILS - 1) * np.log1p(-theta)


def _log_likelihood(theta) -> np.ndarray:
    return HEADS * np.log(theta) + TAILS * np.log1p(-theta)


def coin(a, b, theta) -> Coin:
    return Coin(*(np.asarray(value, float)[:, None] for value in (a, b, theta)))


_A = Parameter("a", "a", "of the prior: heads imagined beforehand", 1.0, 10.0, 2.0)
_B = Parameter("b", "b", "of the prior: tails imagined beforehand", 1.0, 10.0, 2.0)
_POINT = Parameter(
    "theta", r"\theta", "the chance of heads at which the lines are read", 0.05, 0.95, 0.6, places=2
)
_COIN = "Ten tosses X of a coin: 7 heads, 3 tails. θ is the chance of heads. The prior p(θ) is Beta(a, b)."
_POWERS = r"(a+6)\ln\theta + (b+2)\ln(1-\theta)"

POSTERIOR = Chain(
    name="POSTERIOR",
    title="The posterior of a coin, by Bayes' rule",
    setting=_COIN + r" B(a, b) is the number that makes its area 1: the integral of θ^(a−1) (1−θ)^(b−1) over θ from 0 to 1.",
    parameters=(_A, _B, _POINT),
    model=coin,
    left=r"\ln p(\theta|X)",
    steps=(
        Step(r"\ln\frac{p(X|\theta)\,p(\theta)}{p(X)}", "Bayes' rule",
             lambda c: np.log(np.exp(_log_likelihood(c.theta)) * np.exp(c.log_prior(c.theta)) / np.exp(c.log_evidence()))[:, 0]),
        Step(r"\ln p(X|\theta) + \ln p(\theta) - \ln p(X)", "log of a product and of a quotient",
             lambda c: (_log_likelihood(c.theta) + c.log_prior(c.theta) - c.log_evidence())[:, 0]),
        Step(r"7\ln\theta + 3\ln(1-\theta) + \ln p(\theta) - \ln p(X)", "independent tosses: log of a product",
             lambda c: (HEADS * np.log(c.theta) + TAILS * np.log1p(-c.theta) + c.log_prior(c.theta) - c.log_evidence())[:, 0]),
        Step(r"7\ln\theta + 3\ln(1-\theta) + (a-1)\ln\theta + (b-1)\ln(1-\theta) - \ln B(a,b) - \ln p(X)", "insert the density of the prior",
             lambda c: (HEADS * np.log(c.theta) + TAILS * np.log1p(-c.theta) + (c.a - 1) * np.log(c.theta)
             + (c.b - 1) * np.log1p(-c.theta) - betaln(c.a, c.b) - c.log_evidence())[:, 0]),
        Step(_POWERS + r" - \ln\bigl[B(a,b)\,p(X)\bigr]", "collect terms",
             lambda c: (c.powers(c.theta) - (betaln(c.a, c.b) + c.log_evidence()))[:, 0]),
        Step(_POWERS + r" - \ln\int_0^1 t^{a+6}(1-t)^{b+2}\,dt", "a density has area 1, so this is the only constant that fits",
             lambda c: (c.powers(c.theta) - c.log_integral(c.powers))[:, 0]),
        Step(_POWERS + r" - \ln B(a+7,\,b+3)", "definition of B",
             lambda c: (c.powers(c.theta) - betaln(c.a + HEADS, c.b + TAILS))[:, 0]),
        Step(r"\ln \mathrm{Beta}(\theta;\,a+7,\,b+3)", "that is the log density of a Beta", lambda c: c.log_posterior(c.theta)[:, 0]),
    ),
)  # fmt: skip

PREDICTIVE = Chain(
    name="PREDICTIVE",
    title="A prediction is an average over the posterior",
    setting=_COIN + " x̂ is the next toss.",
    parameters=(_A, _B),
    model=lambda a, b: coin(a, b, np.full_like(a, 0.5)),
    left=r"p(\hat x = \mathrm{heads}\,|\,X)",
    steps=(
        Step(r"\int p(\hat x, \theta\,|\,X)\,d\theta", "marginalize over θ",
             lambda c: np.exp(np.log(_THETA) + c.log_posterior(_THETA)) @ _WEIGHTS),
        Step(r"\int p(\hat x\,|\,\theta, X)\,p(\theta|X)\,d\theta", "product rule", lambda c: c.average(lambda theta: theta)),
        Step(r"\int p(\hat x\,|\,\theta)\,p(\theta|X)\,d\theta", "once θ is known, the old tosses say nothing more", lambda c: c.average(lambda theta: theta)),
        Step(r"E_{\theta|X}\bigl[p(\hat x|\theta)\bigr]", "definition of the average", lambda c: c.average(lambda theta: theta)),
        Step(r"E_{\theta|X}[\theta]", "insert: the chance of heads is θ", lambda c: c.average(lambda theta: theta)),
        Step(r"\int_0^1 \theta\;\frac{\theta^{a+6}(1-\theta)^{b+2}}{B(a+7,\,b+3)}\,d\theta", "insert the density of the posterior",
             lambda c: np.exp(np.log(_THETA) + c.powers(_THETA) - betaln(c.a + HEADS, c.b + TAILS)) @ _WEIGHTS),
        Step(r"\frac{B(a+8,\,b+3)}{B(a+7,\,b+3)}", "definition of B, with one power of θ more",
             lambda c: np.exp(betaln(c.a + HEADS + 1, c.b + TAILS) - betaln(c.a + HEADS, c.b + TAILS))[:, 0]),
        Step(r"\frac{a+7}{a+b+10}", "B(u+1, v) = B(u, v)·u/(u+v), shown below", lambda c: ((c.a + HEADS) / (c.a + c.b + HEADS + TAILS))[:, 0]),
    ),
)  # fmt: skip


class Slope(NamedTuple):
    """The slope w, the standard deviation of the noise, and the prior mean of w; each of shape (n, 1)."""

    w: np.ndarray
    sd: np.ndarray
    prior_mean: np.ndarray

    def precision(self) -> np.ndarray:
        """1/s² = Σ x²/σ² + 1/s₀²"""
        return (X @ X) / self.sd**2 + 1 / SLOPE_SD**2

    def mean(self) -> np.ndarray:
        """m = s² (Σ x y/σ² + m₀/s₀²)"""
        return ((X @ Y) / self.sd**2 + self.prior_mean / SLOPE_SD**2) / self.precision()

    def log_joint(self, w) -> np.ndarray:
        return _log_normal(Y, w * X, self.sd).sum(axis=1, keepdims=True) + _log_normal(
            w, self.prior_mean, SLOPE_SD
        )

    def loss(self) -> np.ndarray:
        """Σ (y − w x)², shape (n, 1)"""
        return ((Y - self.w * X) ** 2).sum(axis=1, keepdims=True)


def _log_normal(x, mean, sd) -> np.ndarray:
    return -0.5 * np.log(2 * np.pi) - np.log(sd) - (x - mean) ** 2 / (2 * sd**2)


def slope(w, sd, prior_mean) -> Slope:
    return Slope(*(np.asarray(value, float)[:, None] for value in (w, sd, prior_mean)))


_W = Parameter("w", "w", "the slope", -1.0, 3.0, 1.2)
_SD = Parameter("sd", r"\sigma", "standard deviation of the noise", 0.3, 2.0, 0.5)
_M0 = Parameter("prior_mean", "m_0", "prior mean of the slope", -2.0, 2.0, 0.0)
_LINE = "Three points (1, 0.8), (2, 2.3), (3, 2.6), and a line y = w x with noise of standard deviation σ."

LEAST_SQUARES = Chain(
    name="LEAST_SQUARES",
    title="The smallest squared loss is the largest likelihood",
    setting=_LINE,
    parameters=(_W, _SD),
    model=lambda w, sd: slope(w, sd, np.zeros_like(w)),
    left=r"-\ln p(y_1, y_2, y_3\,|\,w)",
    steps=(
        Step(r"-\sum_n \ln p(y_n|w)", "independent noise: log of a product", lambda m: -_log_normal(Y, m.w * X, m.sd).sum(axis=1)),
        Step(r"\sum_n\left[\frac{(y_n - w x_n)^2}{2\sigma^2} + \ln\sigma + \frac{\ln 2\pi}{2}\right]", "insert the Gaussian log density",
             lambda m: ((Y - m.w * X) ** 2 / (2 * m.sd**2) + np.log(m.sd) + 0.5 * np.log(2 * np.pi)).sum(axis=1)),
        Step(r"\frac{1}{2\sigma^2}\sum_n (y_n - w x_n)^2 + 3\ln\sigma + \frac{3\ln 2\pi}{2}", "linearity",
             lambda m: (m.loss() / (2 * m.sd**2) + 3 * np.log(m.sd) + 1.5 * np.log(2 * np.pi))[:, 0]),
        Step(r"\frac{1}{2\sigma^2}\,L(w) + \text{a constant}", "definition of the squared loss L",
             lambda m: (m.loss() / (2 * m.sd**2) + 3 * np.log(m.sd) + 1.5 * np.log(2 * np.pi))[:, 0]),
    ),
)  # fmt: skip

SLOPE_POSTERIOR = Chain(
    name="SLOPE_POSTERIOR",
    title="The posterior of a slope is a Gaussian",
    setting=_LINE + " The prior of w is the Gaussian with mean m₀ and standard deviation s₀ = 1. Every line compares w with 0, so that constants cancel.",
    parameters=(_W, _SD, _M0),
    model=slope,
    left=r"\ln p(w|X) - \ln p(0|X)",
    steps=(
        Step(r"\ln\bigl[p(X|w)\,p(w)\bigr] - \ln\bigl[p(X|0)\,p(0)\bigr]", "Bayes' rule twice: the evidence cancels",
             lambda m: (m.log_joint(m.w) - m.log_joint(np.zeros_like(m.w)))[:, 0]),
        Step(r"-\sum_n\frac{(y_n - w x_n)^2 - y_n^2}{2\sigma^2} - \frac{(w-m_0)^2 - m_0^2}{2 s_0^2}", "insert the Gaussian log densities",
             lambda m: -(((Y - m.w * X) ** 2 - Y**2) / (2 * m.sd**2)).sum(axis=1)
             - (((m.w - m.prior_mean) ** 2 - m.prior_mean**2) / (2 * SLOPE_SD**2))[:, 0]),
        Step(r"-\sum_n\frac{w^2x_n^2 - 2w x_n y_n}{2\sigma^2} - \frac{w^2 - 2w m_0}{2 s_0^2}", "multiply out the squares",
             lambda m: -((m.w**2 * X**2 - 2 * m.w * X * Y) / (2 * m.sd**2)).sum(axis=1)
             - ((m.w**2 - 2 * m.w * m.prior_mean) / (2 * SLOPE_SD**2))[:, 0]),
        Step(r"-\frac{w^2}{2}\left[\sum_n\frac{x_n^2}{\sigma^2} + \frac{1}{s_0^2}\right] + w\left[\sum_n\frac{x_n y_n}{\sigma^2} + \frac{m_0}{s_0^2}\right]", "collect terms",
             lambda m: (-(m.w**2) / 2 * ((X @ X) / m.sd**2 + 1 / SLOPE_SD**2)
             + m.w * ((X @ Y) / m.sd**2 + m.prior_mean / SLOPE_SD**2))[:, 0]),
        Step(r"-\frac{w^2}{2 s^2} + \frac{w\,m}{s^2}", "name the brackets: the first is 1/s², the second m/s²",
             lambda m: (m.precision() * (-(m.w**2) / 2 + m.w * m.mean()))[:, 0]),
        Step(r"-\frac{(w-m)^2}{2 s^2} + \frac{m^2}{2 s^2}", "complete the square",
             lambda m: (m.precision() * (m.mean() ** 2 - (m.w - m.mean()) ** 2) / 2)[:, 0]),
        Step(r"\ln N(w;\,m, s^2) - \ln N(0;\,m, s^2)", "insert the Gaussian log density, backwards",
             lambda m: (_log_normal(m.w, m.mean(), m.precision() ** -0.5) - _log_normal(0.0, m.mean(), m.precision() ** -0.5))[:, 0]),
    ),
)  # fmt: skip
