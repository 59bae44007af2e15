"""Metropolis sampling: a tool, not a subject of this course. It gives draws from a density known up to a constant.

The lessons use it as the slow answer that can be trusted, beside which a fast approximation is judged. It is the
simplest correct form: a Gaussian random walk whose proposal you choose and which never adapts; several chains walk in
lockstep, one row each. For work of your own take a library with a gradient-based sampler, such as Stan or PyMC.
Sources: Metropolis et al. (1953); Geyer, "Practical Markov chain Monte Carlo" (1992), §3.3, for the effective sample size;
Vehtari et al., "Rank-normalization, folding, and localization: an improved R-hat" (2021), §2 and §3, for both measures.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vaecourse.validation import covariance, finite

SMALLEST_HALF = 4  # draws in half a chain, below which no autocorrelation can be told


class MetropolisDraws(NamedTuple):
    """The draws after the warmup, (draws, d) for one chain or (c, draws, d) for c of them; what they cost.

    `acceptance` is the share of proposals accepted after the warmup, all chains together; `evaluations` counts the
    points at which the density was computed, the warmup included.
    """

    values: np.ndarray
    acceptance: float
    evaluations: int


def metropolis(
    log_density: Callable[[np.ndarray], np.ndarray],
    start,
    rng: np.random.Generator,
    draws: int,
    proposal,
    warmup: int = 1000,
) -> MetropolisDraws:
    """`draws` correlated draws from the density exp(log_density), after `warmup` steps that are thrown away.

    `log_density` takes points (c, d), one row per chain, and returns (c,): log density in nats up to a constant, −∞
    outside the support. `start` has shape (d,) for one chain, (c, d) for c chains. `proposal` is the covariance (d, d) of
    a step; 2.38²/d times the covariance of the density is a good one (Roberts, Gelman and Gilks 1997).
    ValueError for a density that is NaN or +∞ anywhere it is asked, for a start of density 0, and for a proposal that
    is not a covariance.
    """
    draws, warmup = _whole("draws", draws, 1), _whole("warmup", warmup, 0)
    here, one_chain = finite("start", start), np.ndim(start) == 1
    here = here[None] if one_chain else here
    if here.ndim != 2:
        raise ValueError(
            f"start has shape {here.shape}; right would be (d,) for one chain or (c, d) for c chains."
        )
    chains, d = here.shape
    proposal, factor = covariance("proposal", proposal)
    if len(proposal) != d:
        raise ValueError(
            f"proposal has shape {proposal.shape} and start has {d} coordinates; it must be ({d}, {d})."
        )
    log_here = _checked(log_density, here)
    if (log_here == -np.inf).any():
        nowhere = here[log_here == -np.inf][0]
        raise ValueError(f"start has the density 0 at {nowhere}; start where log_density is above −∞.")
    values, accepted = np.empty((chains, draws, d)), 0
    for step in range(-warmup, draws):
        # z' = z + L e,  e ~ N(0, I)
        there = here + rng.standard_normal((chains, d)) @ factor.T
        log_there = _checked(log_density, there)
        # accept with probability min(1, p(z')/p(z)): when log u < log p(z') − log p(z); −log u is exponential
        accept = -rng.standard_exponential(chains) < log_there - log_here
        here, log_here = np.where(accept[:, None], there, here), np.where(accept, log_there, log_here)
        if step >= 0:
            values[:, step] = here
            accepted += int(accept.sum())
    return MetropolisDraws(
        values[0] if one_chain else values, accepted / (chains * draws), chains * (1 + warmup + draws)
    )


def effective_sample_size(values) -> np.ndarray:
    """How many independent draws tell the mean as well as these correlated ones do, shape (d,).

    `values` have shape (draws, d), or (c, draws, d) for c chains, whose sizes then add up unless they disagree. The
    standard error of a mean is the standard deviation divided by the root of this. ValueError if a coordinate never moves.
    """
    halves = _halves(values)
    m, n, _ = halves.shape
    within, total = _variances(halves)
    if (total == 0).any():
        raise ValueError(
            f"values never move in coordinate {(total == 0).argmax()} (counted from 0); a chain that accepts nothing "
            "has no effective sample size: give a smaller proposal."
        )
    # ρ_t = 1 − (W − mean of the chains' autocovariances at lag t) / V   (Vehtari et al., eq. 10)
    correlation = 1 - (within - _autocovariance(halves).mean(axis=0)) / total
    correlation[0] = 1.0
    # Geyer: the sums ρ_2t + ρ_2t+1 are positive and falling; what is neither is noise
    pairs = correlation[: n - n % 2].reshape(n // 2, 2, -1).sum(axis=1)
    kept = np.cumprod(pairs > 0, axis=0) * pairs
    # τ = −1 + 2 Σ_t (ρ_2t + ρ_2t+1);  size = m n / τ, kept below m n log₁₀(m n) as chance can make τ small
    time = 2 * np.minimum.accumulate(kept, axis=0).sum(axis=0) - 1
    return m * n / np.maximum(time, 1 / np.log10(m * n))


def r_hat(chains) -> np.ndarray:
    """√(V/W), shape (d,): the spread of all draws over the spread within half a chain. Near 1 when all chains agree.

    `chains` have shape (c, draws, d), from different starts; (draws, d) compares the halves of one. Above 1.01 do not trust
    the draws yet; +∞ where no chain moves and they disagree. ValueError if no draw differs from any other.
    """
    within, total = _variances(_halves(chains))
    if (total == 0).any():
        raise ValueError(
            f"chains never move in coordinate {(total == 0).argmax()} (counted from 0); nothing can be compared: give "
            "a smaller proposal."
        )
    with np.errstate(divide="ignore"):
        return np.sqrt(total / within)


def _variances(halves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """W = mean variance within a half, and V = (n − 1)/n W + variance of the halves' means; (d,) each (eq. 2 and 3)."""
    n = halves.shape[1]
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    return within, (n - 1) / n * within + halves.mean(axis=1).var(axis=0, ddof=1)


def _halves(values) -> np.ndarray:
    """Each chain cut in two, (2c, draws // 2, d); the middle draw of an odd number is left out."""
    values = finite("values", values)
    values = values[None] if values.ndim == 2 else values
    if values.ndim != 3 or values.shape[1] < 2 * SMALLEST_HALF:
        raise ValueError(
            f"values have shape {values.shape}; right would be (draws, d) or (c, draws, d) with at least "
            f"{2 * SMALLEST_HALF} draws."
        )
    half = values.shape[1] // 2
    return np.concatenate([values[:, :half], values[:, -half:]])


def _autocovariance(chains: np.ndarray) -> np.ndarray:
    """Σ_i (z_i − mean)(z_{i+t} − mean)/(n − 1) for every lag t, shape of chains (m, n, d), by Fourier transform."""
    n = chains.shape[1]
    centred = chains - chains.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n, axis=1)
    return np.fft.irfft(np.abs(spectrum) ** 2, 2 * n, axis=1)[:, :n] / (n - 1)


def _checked(log_density, z: np.ndarray) -> np.ndarray:
    values = np.asarray(log_density(z), dtype=np.float64)
    if values.shape != (len(z),):
        raise ValueError(
            f"log_density gives shape {values.shape} for points of shape {z.shape}; right would be ({len(z)},), one per row."
        )
    wrong = ~(values < np.inf)
    if wrong.any():
        raise ValueError(
            f"log_density is {values[wrong][0]} at {z[wrong][0]}; it must be a number, or −∞ outside the support."
        )
    return values


def _whole(name: str, value, least: int) -> int:
    if not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is {value}; it must be a whole number, at least {least}.")
    return int(value)
