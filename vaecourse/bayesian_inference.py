"""Learning as integration: prior, likelihood, evidence, posterior and prediction, for a coin and for a line; the evidence on a grid.

θ is what is to be learnt, X the data. Logarithms are in nats; arguments of the coin's functions broadcast. Source:
C. Bishop, "Pattern Recognition and Machine Learning" (2006), §2.1.1 for the coin, §3.3 for the line, eq. 3.49 to 3.59.
Each function raises ValueError, in one sentence, for NaN, infinity or shapes that do not fit.
"""

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy.special import betaln, gammaln, logsumexp, xlog1py, xlogy

from vaecourse.mixture_model import LARGEST, LOG_2PI, check_data
from vaecourse.validation import finite, positive

# The coin: θ is the chance of heads


class Beta(NamedTuple):
    """The density Beta(θ; a, b) ∝ θ^(a−1) (1 − θ)^(b−1) on 0 ≤ θ ≤ 1, with a, b > 0; a = b = 1 is the flat one."""

    a: float
    b: float

    @property
    def mean(self):
        return self.a / (self.a + self.b)

    @property
    def sd(self):
        # √(a b / ((a + b)² (a + b + 1)))
        n = self.a + self.b
        return np.sqrt(self.a / n) * np.sqrt(self.b / n) / np.sqrt(n + 1)


def coin_log_likelihood(theta, heads, tails) -> np.ndarray:
    """log p(X|θ) of one given sequence of tosses with so many heads and tails; −∞ where θ forbids it."""
    theta, heads, tails = _chance("theta", theta), count("heads", heads), count("tails", tails)
    # h log θ + t log(1 − θ), with 0 log 0 = 0
    return xlogy(heads, theta) + xlog1py(tails, -theta)


def beta_log_density(beta: Beta, theta) -> np.ndarray:
    """log Beta(θ; a, b), nats; −∞ or +∞ at the ends 0 and 1 unless a or b is 1."""
    a, b = check_beta("beta", beta)
    theta = _chance("theta", theta)
    # (a − 1) log θ + (b − 1) log(1 − θ) − log B(a, b)
    return xlogy(a - 1, theta) + xlog1py(b - 1, -theta) - betaln(a, b)


def beta_posterior(prior: Beta, heads, tails) -> Beta:
    """p(θ|X) = Beta(a + heads, b + tails): the prior's a and b count as tosses seen before (Bishop, eq. 2.18)."""
    a, b = check_beta("prior", prior)
    return Beta(a + count("heads", heads), b + count("tails", tails))


def beta_log_evidence(prior: Beta, heads, tails) -> np.ndarray:
    """log p(X) = log ∫ p(X|θ) p(θ) dθ of one given sequence of tosses, nats: log B(a + heads, b + tails) − log B(a, b)."""
    a, b = check_beta("prior", prior)
    heads, tails = count("heads", heads), count("tails", tails)
    A, B, n = a + heads, b + tails, heads + tails
    # log Γ(z) = (z − ½) log z − z + ½ log 2π + rest(z): what is large cancels on paper, not in the computer
    powers = heads * _log_share(A, B) + tails * _log_share(B, A)
    growth = a * (np.log1p(heads / a) - np.log1p(n / (a + b))) + b * (
        np.log1p(tails / b) - np.log1p(n / (a + b))
    )
    halves = 0.5 * (np.log1p(n / (a + b)) - np.log1p(heads / a) - np.log1p(tails / b))
    return powers + growth + halves + _rest(A) + _rest(B) - _rest(A + B) - _rest(a) - _rest(b) + _rest(a + b)


def _log_share(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """log a/(a + b), also where it is nearly 0."""
    return np.where(a < b, np.log(a / (a + b)), np.log1p(-np.minimum(a, b) / (a + b)))


def _rest(z: np.ndarray) -> np.ndarray:
    """What Stirling's formula leaves out of log Γ(z)."""
    small = 1 / np.maximum(z, 50.0)
    # 1/12z − 1/360z³ + 1/1260z⁵
    series = small / 12 - small**3 / 360 + small**5 / 1260
    return np.where(z < 50, gammaln(z) - (z - 0.5) * np.log(z) + z - 0.5 * LOG_2PI, series)


def beta_predictive(beta: Beta) -> np.ndarray:
    """p(next toss is heads) = E[θ] = a / (a + b), of a prior or a posterior (Bishop, eq. 2.19 and 2.20)."""
    a, b = check_beta("beta", beta)
    return a / (a + b)


# The line: y = x·w + noise, noise ~ N(0, noise_sd²)


class Gaussian(NamedTuple):
    """A belief about the weights w: mean (d,) and covariance (d, d). Zero variance along a direction means: known."""

    mean: np.ndarray
    covariance: np.ndarray


class Predictive(NamedTuple):
    """The prediction N(mean, sd²) for each new row, both (n,), in the unit of y; the noise of a new y is in sd."""

    mean: np.ndarray
    sd: np.ndarray


def linear_posterior(x, y, prior: Gaussian, noise_sd: float) -> Gaussian:
    """p(w|X, y) for y_n = x_n·w + noise, x (n, d), y (n,): Bishop, eq. 3.50 and 3.51.

    A prior of any covariance without negative eigenvalues, singular ones too: what the prior is certain of stays so.
    """
    solved = _Solved(x, y, prior, noise_sd)
    return Gaussian(solved.mean, solved.factor @ solved.factor.T)


def linear_log_evidence(x, y, prior: Gaussian, noise_sd: float) -> float:
    """log p(y|X) = log ∫ p(y|X, w) p(w) dw = log N(y; X m, σ² I + X Σ Xᵀ), nats (prior mean m, covariance Σ).

    −∞ only where the value is below the lowest float64.
    """
    return _Solved(x, y, prior, noise_sd).log_evidence


def linear_predictive(x_new, belief: Gaussian, noise_sd: float) -> Predictive:
    """p(y|x_new) = ∫ p(y|x_new, w) p(w) dw = N(x·m, σ² + xᵀ Σ x), one per row of x_new (Bishop, eq. 3.58 and 3.59)."""
    x, sd = check_data(x_new, "x_new"), _noise(noise_sd)
    mean, factor = check_belief("belief", belief)
    _columns("x_new", x, mean)
    # sd² = σ² + ‖Lᵀx‖²,  Σ = L Lᵀ
    return Predictive(x @ mean, np.hypot(sd, np.sqrt(((x @ factor) ** 2).sum(axis=1))))


class _Solved:
    """Posterior and evidence from one singular value decomposition: w = m + L u, u ~ N(0, I), and X L = U S Vᵀ."""

    def __init__(self, x, y, prior: Gaussian, noise_sd: float) -> None:
        x, sigma = check_data(x), _noise(noise_sd)
        y = check_data(y, "y")[:, 0] if np.ndim(y) == 1 else finite("y", y)
        if y.shape != (len(x),):
            raise ValueError(f"y has shape {y.shape}; right would be ({len(x)},), one number per row of x.")
        m, L = check_belief("prior", prior)
        _columns("x", x, m)
        n, d = x.shape
        U, S, Vt = np.linalg.svd(x @ L, full_matrices=n < d)
        S = np.where(S > S[0] * max(n, d) * np.finfo(np.float64).eps, S, 0.0)
        # along column k of V, u has the mean s (U_k·r) / (s² + σ²) and the variance σ² / (s² + σ²), 1 from column n on
        residual = y - x @ m
        size, along = np.hypot(S, sigma), U.T @ residual
        spread = np.ones(d)
        spread[: len(S)] = sigma / size
        self.mean = m + L @ (Vt[: len(S)].T @ (S / size * (along / size)))
        self.factor = L @ (Vt.T * spread)
        # log N(r; 0, σ² I + U S² Uᵀ): along U the variance is s² + σ², across it σ²
        across = residual - U @ along if n > d else np.zeros(1)
        with np.errstate(over="ignore"):
            square = ((along / size) ** 2).sum() + ((across / sigma) ** 2).sum()
        logs = n * np.log(sigma) + (np.log(size) - np.log(sigma)).sum()
        self.log_evidence = float(-0.5 * (n * LOG_2PI + square) - logs)


# The evidence on a grid

MOST_EVALUATIONS = 10_000_000
BLOCK = 1 << 14


class GridEvidence(NamedTuple):
    """log ∫ exp(log_joint(θ)) dθ over the box in nats, and how often log_joint was evaluated."""

    log_evidence: float
    evaluations: int


def grid_evidence(log_joint: Callable[[np.ndarray], np.ndarray], low, high, points: int) -> GridEvidence:
    """The integral of exp(log_joint) over the box low < θ < high, shapes (d,), with `points` cells along each axis.

    `log_joint` takes points (m, d) and returns log p(X, θ), shape (m,), −∞ allowed; it is asked at the middle of each
    cell (the midpoint rule), at most 16384 points at a time. ValueError above ten million cells: points to the power d.
    """
    low, high = np.atleast_1d(finite("low", low)), np.atleast_1d(finite("high", high))
    if low.ndim != 1 or low.shape != high.shape or not (low < high).all():
        raise ValueError("low and high must be lists of the same length d, each low below its high.")
    if not isinstance(points, Integral) or points < 1:
        raise ValueError(f"points is {points}; it must be a whole number, at least 1.")
    d, points = len(low), int(points)
    cells = points**d
    if cells > MOST_EVALUATIONS:
        raise ValueError(
            f"{points} points along each of {d} axes ask for {points}^{d} = {cells:.3g} evaluations of log_joint, and "
            f"{MOST_EVALUATIONS:.0e} is the most that is done here; take fewer points or fewer dimensions, or do not integrate on a grid."
        )
    width = (high - low) / points
    totals = []
    for first in range(0, cells, BLOCK):
        cell = np.column_stack(np.unravel_index(np.arange(first, min(first + BLOCK, cells)), (points,) * d))
        values = np.asarray(log_joint(low + (cell + 0.5) * width), dtype=np.float64)
        if values.shape != (len(cell),) or not (values < np.inf).all():
            raise ValueError("log_joint must give one number per point, shape (m,), finite or −∞.")
        totals.append(logsumexp(values))
    # log Σ exp(log_joint) · Π width
    return GridEvidence(float(logsumexp(totals) + np.log(width).sum()), cells)


# Checks


def check_beta(name: str, beta: Beta) -> tuple[np.ndarray, np.ndarray]:
    """Return a and b, each from 1e-100 to 1e100, as float64."""
    a, b = positive(f"{name}.a", beta.a)[()], positive(f"{name}.b", beta.b)[()]
    for part, value in (("a", a), ("b", b)):
        if np.min(value) < 1 / LARGEST or np.max(value) > LARGEST:
            raise ValueError(
                f"{name}.{part} is {beta._asdict()[part]}; it must be from {1 / LARGEST:g} to {LARGEST:g}."
            )
    return a, b


def check_belief(name: str, belief: Gaussian) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (d,) and an L (d, d) with covariance = L Lᵀ; the covariance may be singular."""
    mean, covariance = finite(f"{name}.mean", belief.mean), finite(f"{name}.covariance", belief.covariance)
    d = len(np.atleast_1d(mean))
    if mean.shape != (d,) or covariance.shape != (d, d):
        raise ValueError(
            f"{name} has a mean of shape {mean.shape} and a covariance of shape {covariance.shape}; right would be (d,) and (d, d)."
        )
    scale = np.abs(covariance).max()
    if np.abs(covariance - covariance.T).max() > 1e-8 * scale:
        raise ValueError(f"{name}.covariance is not symmetric; a covariance equals its own transpose.")
    try:
        return mean, np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        if values[0] < -1e-8 * scale:
            raise ValueError(
                f"{name}.covariance has the negative eigenvalue {values[0]:.3g}; a covariance has none below zero."
            ) from None
        return mean, vectors * np.sqrt(np.where(values > d * np.finfo(np.float64).eps * scale, values, 0.0))


def count(name: str, value) -> np.ndarray:
    """Return whole numbers, none below zero, as float64."""
    array = finite(name, value)
    if (array < 0).any() or (array != np.round(array)).any():
        raise ValueError(f"{name} is {value}; a number of tosses is whole and not below zero.")
    return array[()]


def _chance(name: str, value) -> np.ndarray:
    array = finite(name, value)
    if (array < 0).any() or (array > 1).any():
        raise ValueError(
            f"{name} goes from {array.min():g} to {array.max():g}; a chance lies between 0 and 1."
        )
    return array


def _noise(value) -> float:
    array = positive("noise_sd", value)
    if array.ndim:
        raise ValueError(f"noise_sd has shape {array.shape}; it must be one number.")
    return float(array)


def _columns(name: str, x: np.ndarray, mean: np.ndarray) -> None:
    if x.shape[1] != len(mean):
        raise ValueError(
            f"{name} has {x.shape[1]} columns and the belief has {len(mean)} weights; both must be the same d."
        )
