"""One posterior five ways: a coin by conjugacy, quadrature, Laplace, a variational Gaussian and Markov chain Monte Carlo.

All but the first see only the joint density of tosses and θ, and count how often they ask for it. They work in the
log-odds η = log(θ/(1 − θ)), which run over the whole line, so that a Gaussian fits. Logarithms are in nats. Sources:
C. Bishop, "Pattern Recognition and Machine Learning" (2006), §4.4 (Laplace), §10.1 (variational), §11.2 (Metropolis);
M. Opper and C. Archambeau, "The variational Gaussian approximation revisited" (2009), for its gradient.
"""

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy.special import betaln, expit, log_expit, logit, xlog1py, xlogy

from vaecourse.bayesian_inference import (
    Beta,
    beta_log_density,
    beta_log_evidence,
    beta_posterior,
    check_beta,
    count,
)
from vaecourse.kl_divergence import LOG_2PI, gaussian_log_density
from vaecourse.metropolis import metropolis


class Coin(NamedTuple):
    """The tosses, and the prior of the chance of heads."""

    heads: int
    tails: int
    prior: Beta = Beta(1.0, 1.0)


class PosteriorSummary(NamedTuple):
    """What a method says of θ given the tosses: mean, sd, log p(X) in nats (NaN from MCMC: it gives none), its density.

    `evaluations` counts the points at which the joint density, or its slope, was asked for. `density` takes θ, an array
    between 0 and 1, and returns the density there.
    """

    method: str
    mean: float
    sd: float
    log_evidence: float
    evaluations: int
    density: Callable[[np.ndarray], np.ndarray]


class _Joint:
    """log p(X, η) of one coin, at points of any shape, and how many points it was asked at."""

    def __init__(self, coin: Coin) -> None:
        a, b = check_beta("prior", coin.prior)
        # log p(X|θ) + log p(θ) + log dθ/dη = (a + h) log θ + (b + t) log(1 − θ) − log B(a, b),  dθ/dη = θ(1 − θ)
        self.heads, self.tails = float(a + count("heads", coin.heads)), float(b + count("tails", coin.tails))
        self.constant, self.evaluations = float(betaln(a, b)), 0

    def __call__(self, eta: np.ndarray) -> np.ndarray:
        self.evaluations += np.size(eta)
        return self.heads * log_expit(eta) + self.tails * log_expit(-eta) - self.constant

    def in_theta(self, theta) -> np.ndarray:
        """log p(X, θ), not counted: it draws curves."""
        return xlogy(self.heads - 1, theta) + xlog1py(self.tails - 1, -np.asarray(theta)) - self.constant

    def slopes(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and second derivative in η: (a + h) − (a + h + b + t) θ and −(a + h + b + t) θ(1 − θ)."""
        self.evaluations += np.size(eta)
        theta, total = expit(eta), self.heads + self.tails
        return self.heads * expit(-eta) - self.tails * theta, -total * theta * expit(-eta)


def conjugate(coin: Coin) -> PosteriorSummary:
    """The exact answer: the posterior is again a Beta. It exists because prior and likelihood have the same form."""
    posterior = beta_posterior(coin.prior, coin.heads, coin.tails)
    evidence = float(beta_log_evidence(coin.prior, coin.heads, coin.tails))
    return PosteriorSummary(
        "conjugate", float(posterior.mean), float(posterior.sd), evidence, 0,
        lambda theta: np.exp(beta_log_density(posterior, theta)),
    )  # fmt: skip


def quadrature(coin: Coin) -> PosteriorSummary:
    """Sums over a grid in η (the trapezoid rule), between where the joint has fallen by e⁻⁴⁵ on either side of its peak.

    The cells are halved until nothing moves but rounding. ValueError where a million cells are too few, which takes a
    prior with a or b below 0.01.
    """
    joint = _Joint(coin)
    mode, sd = _peak(joint)
    low, high = (_end(joint, mode, side * sd) for side in (-1, 1))
    # the joint is a difference of terms of this size, each rounded
    tolerance = 1e-13 + 1e-15 * (abs(joint.constant) + abs(float(joint(mode)) + joint.constant))
    cells, before = 32, np.full(3, np.inf)
    points = np.linspace(low, high, cells + 1)
    values = joint(points)
    while True:
        now = _sums(points, values, (high - low) / cells)
        # log p(X) to a part of 1, mean and sd to a part of themselves
        if (np.abs(now - before) <= tolerance * np.append(1, now[1:])).all():
            break
        if cells >= 1 << 20:
            raise ValueError(
                f"prior is Beta({coin.prior.a:g}, {coin.prior.b:g}), for which a million cells are too few; take a and b nearer to 1."
            )
        # the middles of the cells join the points; to a sum their order is the same
        between = low + (high - low) / cells * (np.arange(cells) + 0.5)
        points, values = np.append(points, between), np.append(values, joint(between))
        cells, before = 2 * cells, now
    evidence, mean, sd = map(float, now)
    return PosteriorSummary(
        "quadrature", mean, sd, evidence, joint.evaluations,
        lambda theta: np.exp(joint.in_theta(theta) - evidence),
    )  # fmt: skip


def laplace(coin: Coin) -> PosteriorSummary:
    """The Gaussian in η that shares the peak of the joint and its curvature there (Bishop, eq. 4.125 to 4.135)."""
    joint = _Joint(coin)
    mode, sd = _peak(joint)
    # p(X) ≈ p(X, η*) √(2π) s,  s² = −1 / (log p)''(η*)
    evidence = float(joint(mode)) + 0.5 * LOG_2PI + np.log(sd)
    return _of_gaussian("Laplace", mode, sd, evidence, joint.evaluations)


def variational(coin: Coin) -> PosteriorSummary:
    """The Gaussian q in η with the largest ELBO = E_q[log p(X, η)] + entropy of q ≤ log p(X); `log_evidence` is that ELBO.

    Newton's method on its mean and sd, from those of Laplace; expectations by `_nodes`. The ELBO has one peak only.
    """
    joint = _Joint(coin)
    m, s = _peak(joint)

    def elbo(m: float, s: float) -> float:
        # E_q[log p(X, m + s e)] + log s + ½ log 2πe
        return float(w @ joint(m + s * e)) + np.log(s) + 0.5 * (LOG_2PI + 1)

    for _ in range(100):
        e, w = _nodes(2 * s)
        value, (first, second) = elbo(m, s), joint.slopes(m + s * e)
        # dη/dm = 1, dη/ds = e
        gradient = np.array([w @ first, w @ (e * first) + 1 / s])
        mixed = w @ (e * second)
        curvature = np.array([[w @ second, mixed], [mixed, w @ (e**2 * second) - 1 / s**2]])
        move, t = np.linalg.solve(-curvature, gradient), 1.0
        # what Newton's parabola still promises, in nats: once it is below rounding, this step is the last
        done = gradient @ move < 1e-15 * max(1.0, abs(value))
        while not done and (
            s + t * move[1] <= 0 or elbo(m + t * move[0], s + t * move[1]) < value - 1e-12 * abs(value)
        ):
            t /= 2
        m, s = m + t * move[0], s + t * move[1]
        if done:
            break
    value = elbo(m, s)
    return _of_gaussian("variational", m, s, value, joint.evaluations)


def mcmc(coin: Coin, rng: np.random.Generator, draws: int = 20_000) -> PosteriorSummary:
    """`draws` correlated draws of η from four Metropolis chains; mean and sd of θ over them, and their histogram.

    Draws say nothing of p(X): `log_evidence` is NaN. The errors fall as one over the root of `draws`.
    """
    if not isinstance(draws, Integral) or draws < CHAINS:
        raise ValueError(
            f"draws is {draws}; it must be a whole number, at least {CHAINS}, one for each chain."
        )
    joint = _Joint(coin)
    mode, sd = _peak(joint)
    each = -(-int(draws) // CHAINS)
    start = mode + sd * rng.standard_normal((CHAINS, 1))
    walk = metropolis(
        lambda eta: joint(eta[:, 0]), start, rng, each, [[2.38**2 * sd**2]], warmup=max(100, each // 10)
    )
    theta = expit(walk.values).ravel()
    heights, edges = np.histogram(theta, bins=60, density=True)

    def density(theta):
        place = np.searchsorted(edges, theta, side="right") - 1
        inside = (place >= 0) & (place < len(heights))
        return np.where(inside, heights[np.clip(place, 0, len(heights) - 1)], 0.0)

    return PosteriorSummary(
        "MCMC", float(theta.mean()), float(theta.std()), float("nan"), joint.evaluations, density
    )


# Small tools

CHAINS = 4


def _nodes(s: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes e and weights w: E[f(m + s e)] = Σ w f(m + s e) for e ~ N(0, 1), to rounding where f is as smooth as log σ.

    The trapezoid rule, which has no better where both ends fall off like a Gaussian.
    """
    if s > 1e4:
        raise ValueError(
            f"prior is so near a = 0 or b = 0 that the log-odds spread over {s:.0e}; take a and b nearer to 1."
        )
    e = np.linspace(-8.5, 8.5, 1 + 2 * int(np.ceil(68 * max(1.0, s / 4))))
    w = np.exp(-0.5 * e**2)
    return e, w / w.sum()


def _peak(joint: _Joint) -> tuple[float, float]:
    """The η where the joint is largest, and 1/√(−second derivative) there, by Newton's method from η = 0."""
    eta = 0.0
    for _ in range(200):
        first, second = joint.slopes(eta)
        # on the way from 0 the slope is convex and falls (or its mirror image): no step goes too far
        eta -= first / second
        if abs(first / second) < 1e-12 * max(1.0, abs(eta)):
            break
    return float(eta), float(1 / np.sqrt(-joint.slopes(eta)[1]))


def _end(joint: _Joint, mode: float, reach: float) -> float:
    """A point on the side of `reach` where the joint is below e⁻⁴⁵ of its peak."""
    floor, reach = joint(mode) - 45, 8 * reach
    while joint(mode + reach) > floor:
        reach *= 1.5
    return mode + reach


def _sums(points: np.ndarray, values: np.ndarray, width: float) -> np.ndarray:
    """log p(X), mean and sd of θ from the joint at evenly spaced points, whose ends count nothing."""
    p = np.exp(values - values.max())
    # p(X) = ∫ p(X, η) dη,  E[θ] = ∫ θ p(η|X) dη
    return np.array([values.max() + np.log(p.sum() * width), *_moments(p / p.sum(), points)])


def _moments(p: np.ndarray, eta: np.ndarray) -> tuple[float, float]:
    """Mean and sd of θ = σ(η) where η has the probabilities p; beside 1 by way of 1 − θ, which has the digits there."""
    side = -1.0 if p @ eta > 0 else 1.0
    theta = expit(side * eta)
    mean = p @ theta
    return float(mean if side > 0 else 1 - mean), float(np.sqrt(p @ (theta - mean) ** 2))


def _of_gaussian(method: str, m: float, s: float, evidence: float, evaluations: int) -> PosteriorSummary:
    """The summary of θ = σ(η) for η ~ N(m, s²)."""
    nodes, weights = _nodes(s)
    mean, sd = _moments(weights, m + s * nodes)

    def density(theta):
        theta = np.asarray(theta, dtype=np.float64)
        inside = (theta > 0) & (theta < 1)
        safe = np.where(inside, theta, 0.5)
        # q(θ) = N(log θ/(1 − θ); m, s²) dη/dθ,  dη/dθ = 1 / (θ (1 − θ)); 0 at both ends
        return np.where(inside, np.exp(gaussian_log_density(logit(safe), m, s)) / (safe * (1 - safe)), 0.0)

    return PosteriorSummary(method, mean, sd, float(evidence), evaluations, density)
