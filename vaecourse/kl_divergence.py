"""The Kullback-Leibler divergence KL(p‖q) = E_p[log p(x) − log q(x)]: closed forms, quadrature, Monte Carlo, best fits.

Every result is in nats; `bits` converts. Sources: S. Kullback and R. A. Leibler, "On information and sufficiency",
Ann. Math. Statist. 22 (1951), eq. 2.4; T. Cover and J. Thomas, "Elements of Information Theory" (2006), ch. 2;
J. Schulman, "Approximating KL divergence" (2020), for the low-variance estimator.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import integrate, optimize
from scipy.special import logsumexp, rel_entr, xlogy

from vaecourse.validation import covariance, finite, positive, probabilities, same_length

LOG_2PI = np.log(2 * np.pi)
LogDensity = Callable[[np.ndarray], np.ndarray]


def bits(nats):
    """Convert nats to bits: 1 nat = 1/ln 2 = 1.4427 bits."""
    return nats / np.log(2)


# Discrete distributions


def entropy(p) -> np.ndarray:
    """H(p) = −Σ p log p in nats, shape (...), for probabilities of shape (..., k). 0·log 0 counts as 0."""
    p = probabilities("p", p)
    return -xlogy(p, p).sum(axis=-1)


def cross_entropy(p, q) -> np.ndarray:
    """H(p, q) = −Σ p log q in nats, shape (...); +∞ where q forbids an outcome that p allows."""
    p, q = _outcomes(p, q)
    with np.errstate(divide="ignore"):
        # −Σ p log q, each term 0 where p is 0
        return -xlogy(p, q).sum(axis=-1)


def categorical(p, q) -> np.ndarray:
    """KL(p‖q) = Σ p log(p/q) in nats, shape (...), for probabilities of shape (..., k) over the same k outcomes.

    A term with p = 0 is 0; a term with p > 0 and q = 0 makes the sum +∞. ValueError if either is not a distribution.
    """
    p, q = _outcomes(p, q)
    # Σ p log(p/q)
    return rel_entr(p, q).sum(axis=-1)


# Gaussian distributions


def gaussian_log_density(x, mean, sd) -> np.ndarray:
    """log N(x; mean, sd²) in nats, shape of x, mean and sd broadcast together."""
    x, mean, sd = finite("x", x), finite("mean", mean), positive("sd", sd)
    # −½((x − m)/σ)² − log σ − ½ log 2π
    return -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * LOG_2PI


def gaussian(mean_p, sd_p, mean_q, sd_q) -> np.ndarray:
    """KL(N(mean_p, sd_p²) ‖ N(mean_q, sd_q²)) in nats, arguments broadcast together.

    Sound for standard deviations from 1e-12 to 1e12: +inf only where the value exceeds the largest float64.
    """
    mean_p, mean_q = finite("mean_p", mean_p), finite("mean_q", mean_q)
    sd_p, sd_q = positive("sd_p", sd_p), positive("sd_q", sd_q)
    with np.errstate(over="ignore", under="ignore"):
        # ½(r² − 1) − log r + ½((m_p − m_q)/σ_q)²,  r = σ_p/σ_q
        return _half_excess(sd_p / sd_q, np.log(sd_p) - np.log(sd_q)) + 0.5 * ((mean_p - mean_q) / sd_q) ** 2


def _half_excess(ratio: np.ndarray, log_ratio: np.ndarray) -> np.ndarray:
    """½(r² − 1) − log r, without cancellation near r = 1: with u = r − 1 it is u²/2 + u − log(1 + u)."""
    u = np.where(np.abs(ratio - 1) < 1e-2, ratio - 1, 0.0)
    # u − log(1 + u) = u²/2 − u³/3 + u⁴/4 − …
    series = sum((-1) ** n * u**n / n for n in range(2, 12))
    return np.where(u != 0, u**2 / 2 + series, 0.5 * (ratio**2 - 1) - log_ratio)


def multivariate_gaussian(mean_p, cov_p, mean_q, cov_q) -> float:
    """KL(N(mean_p, cov_p) ‖ N(mean_q, cov_q)) in nats; means of shape (d,), covariances of shape (d, d).

    ValueError if the shapes do not fit or a covariance is not symmetric and positive definite.
    """
    mean_p, mean_q = finite("mean_p", mean_p), finite("mean_q", mean_q)
    (_, factor_p), (_, factor_q) = covariance("cov_p", cov_p), covariance("cov_q", cov_q)
    d = factor_p.shape[0]
    for name, shape in (("mean_p", mean_p.shape), ("mean_q", mean_q.shape), ("cov_q", factor_q.shape[:1])):
        if shape != (d,):
            raise ValueError(
                f"{name} has {shape} where cov_p asks for dimension {d}; all four must share one dimension."
            )
    # With Σ = L Lᵀ:  ½(tr(Σ_q⁻¹ Σ_p) − d + log det Σ_q − log det Σ_p + (m_q − m_p)ᵀ Σ_q⁻¹ (m_q − m_p))
    whitened = np.linalg.solve(factor_q, np.column_stack([factor_p, mean_q - mean_p]))
    diagonal_p, diagonal_q = np.diag(factor_p), np.diag(factor_q)
    off_diagonal = (np.tril(whitened[:, :d], -1) ** 2).sum()
    spread = _half_excess(diagonal_p / diagonal_q, np.log(diagonal_p) - np.log(diagonal_q)).sum()
    return float(spread + 0.5 * (off_diagonal + (whitened[:, d] ** 2).sum()))


def mixture_log_density(x, weights, means, sds) -> np.ndarray:
    """log Σ_k w_k N(x; m_k, σ_k²) in nats, shape of x; weights, means and sds of shape (k,)."""
    x, weights = np.atleast_1d(finite("x", x)), probabilities("weights", weights)
    # log Σ exp(log w + log N), the largest exponent taken out first
    return logsumexp(gaussian_log_density(x[..., None], means, sds), axis=-1, b=weights)


# Any two densities


def quadrature(log_p: LogDensity, log_q: LogDensity, low=-np.inf, high=np.inf, points=None) -> float:
    """KL(p‖q) = ∫ p (log p − log q) dx in nats, by adaptive quadrature over [low, high].

    `log_p` and `log_q` take an array and return log densities (−inf where the density is zero); `points` names places
    where p is narrow or jumps, and needs finite limits. +∞ where q is zero and p is not. ValueError if p does not
    integrate to 1 there: then the quadrature missed a part of it, or p is not a density.
    """
    forbidden = False

    def integrand(x: float) -> float:
        nonlocal forbidden
        lp, lq = (float(np.squeeze(log(np.array([x])))) for log in (log_p, log_q))
        p = np.exp(lp)
        forbidden |= p > 0 and lq == -np.inf
        return p * (lp - lq) if p > 0 and lq > -np.inf else 0.0

    def integral(function) -> float:
        return integrate.quad(function, low, high, points=points, epsabs=1e-13, epsrel=1e-12, limit=500)[0]

    mass = integral(lambda x: float(np.exp(np.squeeze(log_p(np.array([x]))))))
    if abs(mass - 1) > 1e-6:
        raise ValueError(
            f"log_p integrates to {mass:.6g} between {low:g} and {high:g}, not to 1; give limits (and points) that enclose p."
        )
    value = integral(integrand)
    return np.inf if forbidden else float(value)


class Estimate(NamedTuple):
    """A Monte Carlo estimate: the mean of the terms, its standard error, and the terms (nats each)."""

    value: float
    standard_error: float
    terms: np.ndarray


def monte_carlo(log_p: LogDensity, log_q: LogDensity, samples, low_variance: bool = False) -> Estimate:
    """KL(p‖q) in nats from at least two samples of p, shape (n,) or (n, d): the mean of log p − log q, with its error bar.

    With `low_variance` each term is r − 1 − log r where r = q/p (Schulman 2020, k3): E_p[r] = 1, so the mean is the same,
    no term is negative, and near p = q the noise is far smaller (far from it, it can be larger).
    """
    samples = finite("samples", samples)
    if samples.ndim == 0 or len(samples) < 2:
        raise ValueError("samples must hold at least two draws from p; one draw has no error bar.")
    # log r = log q(x) − log p(x)
    log_ratio = np.ravel(log_q(samples)) - np.ravel(log_p(samples))
    if np.isnan(log_ratio).any():
        raise ValueError(
            "log_p or log_q is NaN, or p gives one of its own samples the density 0; check the densities."
        )
    with np.errstate(over="ignore"):
        terms = np.expm1(log_ratio) - log_ratio if low_variance else -log_ratio
    if np.isinf(terms).any():
        return Estimate(float("inf"), float("nan"), terms)
    return Estimate(float(terms.mean()), float(terms.std(ddof=1) / np.sqrt(len(terms))), terms)


# The best single Gaussian


class Fit(NamedTuple):
    """A Gaussian fitted to a density: its mean, standard deviation, and the divergence (nats) that it leaves."""

    mean: float
    sd: float
    divergence: float


def forward_fit(weights, means, sds) -> Fit:
    """The Gaussian q that minimizes KL(p‖q) for a mixture p: it takes over p's mean and variance (Bishop 2006, §10.7)."""
    weights, means, sds = _mixture(weights, means, sds)
    # E[x] = Σ w m,  Var[x] = Σ w (σ² + m²) − E[x]², written around the mean
    mean = float(weights @ means)
    sd = float(np.sqrt(weights @ (sds**2 + (means - mean) ** 2)))
    return Fit(mean, sd, _mixture_divergence(weights, means, sds, mean, sd)[0])


def reverse_fit(weights, means, sds) -> Fit:
    """The Gaussian q that minimizes KL(q‖p) for a mixture p, the best of one descent from each component and one from all."""
    weights, means, sds = _mixture(weights, means, sds)
    wide = forward_fit(weights, means, sds)
    starts = [*zip(means, np.log(sds), strict=True), (wide.mean, np.log(wide.sd))]

    def divergence(parameters: np.ndarray) -> float:
        return _mixture_divergence(weights, means, sds, parameters[0], np.exp(parameters[1]))[1]

    runs = [
        optimize.minimize(divergence, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13})
        for start in starts
    ]
    best = min(runs, key=lambda run: run.fun)
    return Fit(float(best.x[0]), float(np.exp(best.x[1])), float(best.fun))


def _mixture_divergence(weights, means, sds, mean: float, sd: float, n: int = 4001) -> tuple[float, float]:
    """(KL(p‖q), KL(q‖p)) in nats of a mixture p and a Gaussian q, by the trapezoid rule on a range that holds both."""
    low, high = min((means - 12 * sds).min(), mean - 12 * sd), max((means + 12 * sds).max(), mean + 12 * sd)
    x = np.linspace(low, high, n)
    log_p, log_q = mixture_log_density(x, weights, means, sds), gaussian_log_density(x, mean, sd)
    gap = log_p - log_q
    return float(np.trapezoid(np.exp(log_p) * gap, x)), float(np.trapezoid(-np.exp(log_q) * gap, x))


def _mixture(weights, means, sds) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weights, means, sds = probabilities("weights", weights), finite("means", means), positive("sds", sds)
    same_length("weights", weights, "means", means)
    same_length("weights", weights, "sds", sds)
    return weights, means, sds


def _outcomes(p, q) -> tuple[np.ndarray, np.ndarray]:
    p, q = probabilities("p", p), probabilities("q", q)
    same_length("p", p, "q", q)
    return p, q
