"""Three models with one hidden number: z ~ N(0, 1), one observed x, and an approximation q(z) = N(m, exp(s)).

So small that every integral over z can be done by thin strips: what variational inference only bounds is known here.
All results are in nats, s is a log-variance, and log p(x) = ELBO + KL(q‖p(z|x)) (Bishop, "Pattern Recognition and
Machine Learning" (2006), eq. 9.70 to 9.72; Kingma and Welling, "Auto-Encoding Variational Bayes" (2013), eq. 1 to 3).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize
from scipy.special import expit, gammaln, log_expit

from vaecourse.kl_divergence import gaussian, gaussian_log_density
from vaecourse.validation import finite

LOWEST_S, HIGHEST_S = -14.0, 4.0  # the log-variances that q may have
FARTHEST = 20.0  # and how far from 0 its mean may lie
TOSSES = 10

_U = np.linspace(-12, 12, 1201)  # strips on q's own scale
_WEIGHTS = np.exp(-0.5 * _U**2) / np.sqrt(2 * np.pi) * (_U[1] - _U[0])
_Z = np.linspace(-10, 10, 4001)  # strips for p(x, z), which the prior keeps near 0


class OneLatent(NamedTuple):
    """A model of one observed number: p(x|z) in nats, its derivative in z, and the x for which it is made.

    `x_step` is 1 where x is a count, 0 where it may be any number of the range.
    """

    name: str
    title: str
    log_likelihood: Callable  # (x, z) ↦ ln p(x|z), shape of z
    slope: Callable  # (x, z) ↦ d/dz ln p(x|z), shape of z
    x_low: float
    x_high: float
    x_default: float
    x_step: float = 0.0


def _heads(x, z) -> np.ndarray:
    # ln C(n, x) + x ln σ(2z) + (n − x) ln σ(−2z)
    ways = gammaln(TOSSES + 1) - gammaln(x + 1) - gammaln(TOSSES - x + 1)
    return ways + x * log_expit(2 * z) + (TOSSES - x) * log_expit(-2 * z)


LINE = OneLatent(
    "line", "a line: x | z ~ N(2z, 1)",
    lambda x, z: gaussian_log_density(x, 2 * z, 1.0),
    lambda x, z: 2 * (x - 2 * z),
    x_low=-4.0, x_high=4.0, x_default=2.0,
)  # fmt: skip
SQUARE = OneLatent(
    "square", "a square: x | z ~ N(z², 0.5²)",
    lambda x, z: gaussian_log_density(x, z**2, 0.5),
    lambda x, z: 8 * z * (x - z**2),
    x_low=-1.0, x_high=4.0, x_default=1.5,
)  # fmt: skip
COIN = OneLatent(
    "coin", "a coin: x heads in 10 tosses, log-odds 2z",
    _heads,
    lambda x, z: 2 * (x - TOSSES * expit(2 * z)),
    x_low=0.0, x_high=float(TOSSES), x_default=9.0, x_step=1.0,
)  # fmt: skip
MODELS = {model.name: model for model in (LINE, SQUARE, COIN)}


class Terms(NamedTuple):
    """Everything about one q, in nats. Three sums hold: log_evidence = elbo + gap; elbo = log_joint + entropy;
    elbo = reconstruction − kl_to_prior.
    """

    log_evidence: float  # ln p(x)
    elbo: float
    gap: float  # KL(q‖p(z|x))
    log_joint: float  # E_q[ln p(x, z)]
    entropy: float  # of q
    reconstruction: float  # E_q[ln p(x|z)]
    kl_to_prior: float  # KL(q‖p(z))


class Climb(NamedTuple):
    """A gradient ascent, from its start: each of shape (steps + 1,); `objective` is the ELBO, or it less the entropy."""

    m: np.ndarray
    s: np.ndarray
    elbo: np.ndarray
    objective: np.ndarray


class Best(NamedTuple):
    """The q at the top of the hill on which a search began, its ELBO, and the gap that it leaves."""

    m: float
    s: float
    elbo: float
    gap: float


def log_joint(model: OneLatent, x: float, z) -> np.ndarray:
    """ln p(x, z) = ln p(x|z) + ln p(z), shape of z."""
    return model.log_likelihood(observed(model, x), finite("z", z)) + gaussian_log_density(z, 0.0, 1.0)


def log_evidence(model: OneLatent, x: float) -> float:
    """ln p(x) = ln ∫ p(x, z) dz, by thin strips."""
    logs = log_joint(model, x, _Z)
    largest = logs.max()
    return float(largest + np.log(np.exp(logs - largest).sum() * (_Z[1] - _Z[0])))


def log_posterior(model: OneLatent, x: float, z) -> np.ndarray:
    """ln p(z|x) = ln p(x, z) − ln p(x), shape of z."""
    return log_joint(model, x, z) - log_evidence(model, x)


def elbo(model: OneLatent, x: float, m: float, s: float, entropy: bool = True) -> float:
    """E_q[ln p(x, z) − ln q(z)]; without the entropy of q only E_q[ln p(x, z)], which bounds nothing tightly."""
    m, s = hidden(m, s)
    # E_q[ln p(x, z)] + H(q),  H(q) = ½(1 + ln 2π + s)
    return _average(lambda z: log_joint(model, x, z), m, s) + (_entropy(s) if entropy else 0.0)


def gap(model: OneLatent, x: float, m: float, s: float) -> float:
    """KL(q‖p(z|x)) = E_q[ln q(z) − ln p(z|x)]; what rounding leaves below 0 counts as 0."""
    m, s = hidden(m, s)
    sd = np.exp(s / 2)
    return max(0.0, _average(lambda z: gaussian_log_density(z, m, sd) - log_posterior(model, x, z), m, s))


def terms(model: OneLatent, x: float, m: float, s: float) -> Terms:
    """All of it for one q: the two parts of ln p(x), and the two ways to take the ELBO apart."""
    m, s = hidden(m, s)
    return Terms(
        log_evidence(model, x),
        elbo(model, x, m, s),
        gap(model, x, m, s),
        elbo(model, x, m, s, entropy=False),
        _entropy(s),
        _average(lambda z: model.log_likelihood(observed(model, x), z), m, s),
        float(gaussian(m, np.exp(s / 2), 0.0, 1.0)),
    )


def elbo_gradient(model: OneLatent, x: float, m: float, s: float, entropy: bool = True) -> np.ndarray:
    """(∂/∂m, ∂/∂s) of `elbo`, shape (2,). With z = m + exp(s/2) u the average is over u, which m and s do not move."""
    x, (m, s) = observed(model, x), hidden(m, s)
    sd = np.exp(s / 2)
    z = m + sd * _U
    slope = model.slope(x, z) - z  # d/dz ln p(x, z)
    # ∂/∂m = E[slope],  ∂/∂s = ½ σ E[u slope] + ½
    return np.array([_WEIGHTS @ slope, 0.5 * sd * (_WEIGHTS @ (_U * slope)) + (0.5 if entropy else 0.0)])


def climb(
    model: OneLatent, x: float, m: float, s: float, rate: float = 0.03, steps: int = 100, entropy: bool = True
) -> Climb:
    """Gradient ascent on q's mean m and standard deviation σ = exp(s/2), both in the units of z.

    A step that would lower the objective is halved until it does not (and left out where no step is short enough), and
    none makes q more than twice as wide or as narrow: so the objective never falls. Without the entropy q shrinks for
    ever; it is stopped at s = −14. ValueError if the rate is not above 0 or the number of steps not a whole one.
    """
    m, s = hidden(m, s)
    if not rate > 0 or not np.isfinite(rate):
        raise ValueError(f"rate is {rate}; it must be a number above zero, 0.03 for instance.")
    if not isinstance(steps, int | np.integer) or steps < 0:
        raise ValueError(f"steps is {steps}; it must be a whole number, 0 or more.")
    path = [(m, s, elbo(model, x, m, s, entropy))]
    for _ in range(steps):
        path.append(_step(model, x, *path[-1], rate, entropy))
    ms, ss, objectives = np.array(path).T
    missing = np.array([0.0 if entropy else _entropy(each) for each in ss])
    return Climb(ms, ss, objectives + missing, objectives)


def _step(model, x, m, s, height, rate, entropy) -> tuple[float, float, float]:
    sd = np.exp(s / 2)
    slope_m, slope_s = elbo_gradient(model, x, m, s, entropy)
    slope_sd = 2 * slope_s / sd  # s = 2 ln σ, so d/dσ = (2/σ) d/ds
    for _ in range(60):
        next_m = float(np.clip(m + rate * slope_m, -FARTHEST, FARTHEST))
        next_s = 2 * np.log(np.clip(sd + rate * slope_sd, sd / 2, 2 * sd))
        next_s = float(np.clip(next_s, LOWEST_S, HIGHEST_S))
        higher = elbo(model, x, next_m, next_s, entropy)
        if higher >= height:
            return next_m, next_s, higher
        rate /= 2
    return m, s, height


def best(model: OneLatent, x: float, m: float, s: float) -> Best:
    """The local optimum of the ELBO that ascent from (m, s) reaches, its gradient zero to 1e-8."""
    near = climb(model, x, m, s, steps=200)

    def curvature(at) -> np.ndarray:
        # column j: (gradient(at + h e_j) − gradient(at − h e_j)) / 2h
        h = 1e-5
        return -np.stack(
            [
                (elbo_gradient(model, x, *(at + move)) - elbo_gradient(model, x, *(at - move))) / (2 * h)
                for move in h * np.eye(2)
            ]
        )

    found = optimize.minimize(
        lambda at: -elbo(model, x, *at), (near.m[-1], near.s[-1]), method="trust-exact",
        jac=lambda at: -elbo_gradient(model, x, *at), hess=curvature,
        options={"gtol": 1e-6, "initial_trust_radius": 0.1, "max_trust_radius": 0.2},
    )  # fmt: skip
    # The ELBO is flat where it is highest, its gradient is not: one Newton step more finds the top to the last digits.
    m, s = (float(each) for each in found.x - np.linalg.solve(found.hess, found.jac))
    return Best(m, s, elbo(model, x, m, s), gap(model, x, m, s))


def observed(model: OneLatent, x) -> float:
    """Return x as a float, or raise ValueError: one number of the model's range, whole where x is a count."""
    value = _number("x", x)
    if not model.x_low <= value <= model.x_high:
        raise ValueError(
            f"x is {value:g}; the model '{model.name}' takes x from {model.x_low:g} to {model.x_high:g}."
        )
    if model.x_step and value % model.x_step:
        raise ValueError(
            f"x is {value:g}; in the model '{model.name}' it is a count, a whole number up to {model.x_high:g}."
        )
    return value


def hidden(m, s) -> tuple[float, float]:
    """Return q's mean m and log-variance s as floats, or raise ValueError where q would lie out of reach."""
    m, s = _number("m", m), _number("s", s)
    if abs(m) > FARTHEST:
        raise ValueError(f"m is {m:g}; q's mean must lie between -{FARTHEST:g} and {FARTHEST:g}.")
    if not LOWEST_S <= s <= HIGHEST_S:
        raise ValueError(f"s is {s:g}; q's log-variance must lie between {LOWEST_S:g} and {HIGHEST_S:g}.")
    return m, s


def _number(name: str, value) -> float:
    array = finite(name, value)
    if array.size != 1:
        raise ValueError(f"{name} must be one number; it has {array.size}.")
    return float(array.item())


def _average(function, m: float, s: float) -> float:
    """E_q[function(z)] by thin strips."""
    return float(_WEIGHTS @ function(m + np.exp(s / 2) * _U))


def _entropy(s: float) -> float:
    return float(0.5 * (1 + np.log(2 * np.pi) + s))
