"""The Bayesian Gaussian mixture by mean field: q(z, π, μ, Λ) = q(z) q(π) Π_k q(μ_k, Λ_k), by coordinate ascent (CAVI).

The E-step updates q(z), the M-step all the rest; neither lets the ELBO go down. Components that the data do not need
go back to the prior, and their weight to almost nothing. Everything here is the textbook form, written to be read
beside C. Bishop, "Pattern Recognition and Machine Learning" (2006), §10.2; H. Attias (1999) came first.

Logarithms are in nats. Data x have shape (n, d); shape (n,) is taken as (n, 1). The prior's inverse scale, (d, d) or
(d,), says whether precisions are full or diagonal. ValueError, in one sentence, for NaN, infinity, shapes that do not
fit, and beliefs that are no proper distributions.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, xlogy

from vaecourse.fast_mixture import NO_SHARE
from vaecourse.fast_variational import FastSweeps, State, fast_sweeps
from vaecourse.gaussian_mixture import Responsibilities
from vaecourse.kmeans import spread_centres, squared_distances
from vaecourse.mixture_model import check_component_count, check_data, check_not_negative
from vaecourse.mixture_posterior import (
    Divergences,
    MixturePosterior,
    MixturePrior,
    as_mixture,
    check_posterior,
    check_prior,
    default_prior,
    divergences,
    expected_log_joint,
    expected_weights,
    factors,
    log_predictive,
    posterior_from,
    surviving,
)
from vaecourse.validation import probabilities

__all__ = [
    "CAVIResult",
    "Divergences",
    "ELBOParts",
    "MixturePosterior",
    "MixturePrior",
    "Responsibilities",
    "as_mixture",
    "cavi",
    "default_prior",
    "divergences",
    "e_step",
    "elbo",
    "elbo_parts",
    "expected_weights",
    "log_predictive",
    "m_step",
    "start",
    "surviving",
]


class CAVIResult(NamedTuple):
    """The posterior, and the ELBO in nats of the start and after each sweep, shape (sweeps + 1,), each after an E-step."""

    posterior: MixturePosterior
    elbos: np.ndarray
    converged: bool


class ELBOParts(NamedTuple):
    """ELBO = points − weights − Σ components, nats: what the points gain, and what each belief pays for leaving the prior."""

    points: float
    weights: float
    components: np.ndarray

    @property
    def value(self) -> float:
        return float(self.points - self.weights - self.components.sum())


# The two steps


def e_step(posterior: MixturePosterior, x) -> Responsibilities:
    """The best q(z): r_nk = ρ_nk / Σ_j ρ_nj (Bishop, 10.46 and 10.49); `log_densities` holds log Σ_k ρ_nk."""
    x = check_data(x)
    joint = expected_log_joint(check_posterior(posterior, x), x)
    total = logsumexp(joint, axis=1)
    if not np.isfinite(total).all():
        raise ValueError(
            "x holds a point so far from every component that its density is 0; rescale the data."
        )
    return Responsibilities(np.exp(joint - total[:, None]), total)


def m_step(x, responsibilities, prior: MixturePrior) -> MixturePosterior:
    """The best q(π) and q(μ_k, Λ_k) for these responsibilities, (n, k) or what `e_step` gave (Bishop, 10.57 to 10.63).

    A component without any responsibility gets the prior back.
    """
    x = check_data(x)
    prior, r = check_prior(prior, x.shape[1]), _responsibilities(responsibilities, len(x))
    # N_k = Σ_n r_nk,  x̄_k = Σ_n r_nk x_n / N_k   (10.51, 10.52)
    totals = r.sum(axis=0)
    means = r.T @ x / np.maximum(totals, NO_SHARE)[:, None]
    scatters = []
    for j, mean in enumerate(means):
        # N_k S_k = Σ_n r_nk (x_n − x̄_k)(x_n − x̄_k)ᵀ   (10.53)
        difference = np.sqrt(r[:, j, None]) * (x - mean)
        scatters.append((difference**2).sum(axis=0) if prior.diagonal else difference.T @ difference)
    posterior = posterior_from(prior, totals, means, np.array(scatters))
    try:
        factors(posterior.inverse_scales)
    except np.linalg.LinAlgError:
        raise ValueError(
            "a component reaches more than 1e8 times as far in one direction as in another, which float64 cannot hold; "
            "rescale x, or give a prior whose mean and spread are nearer to those of x."
        ) from None
    return posterior


# The bound


def elbo(posterior: MixturePosterior, responsibilities, prior: MixturePrior, x) -> float:
    """E_q[log p(X, z, π, μ, Λ) − log q] in nats, every constant included: at most log p(X) (Bishop, 10.70 to 10.77)."""
    return elbo_parts(posterior, responsibilities, prior, x).value


def elbo_parts(posterior: MixturePosterior, responsibilities, prior: MixturePrior, x) -> ELBOParts:
    """The ELBO as Σ_n Σ_k r_nk (log ρ_nk − log r_nk) − KL(q(π)‖p(π)) − Σ_k KL(q(μ_k, Λ_k)‖p(μ_k, Λ_k)).

    Right after an E-step the first sum is Σ_n log Σ_k ρ_nk, since log r_nk = log ρ_nk − log Σ_j ρ_nj.
    """
    x = check_data(x)
    posterior, prior = check_posterior(posterior, x), check_prior(prior, x.shape[1])
    _same_form(posterior, prior)
    r = _responsibilities(responsibilities, len(x), len(posterior.means))
    # r = 0 counts as 0
    points = np.where(r > 0, r * expected_log_joint(posterior, x) - xlogy(r, r), 0.0).sum()
    return ELBOParts(float(points), *divergences(posterior, prior))


# Coordinate ascent


def cavi(
    x,
    start,
    prior: MixturePrior,
    iterations: int = 500,
    tolerance: float = 1e-8,
    method: str = "fast",
) -> CAVIResult:
    """E-step and M-step in turn from `start`: a `MixturePosterior`, or responsibilities, for an M-step to begin with.

    Stops after `iterations` sweeps, or when the ELBO per point moves by less than `tolerance` (0: never). `method`
    "textbook" runs `e_step` and `m_step` as they stand; "fast" gives the same numbers, and falls back to them for each
    sweep where it would lose digits.
    """
    x = check_data(x)
    prior = check_prior(prior, x.shape[1])
    if isinstance(start, MixturePosterior):
        start = check_posterior(start, x)
        _same_form(start, prior)
        k = len(start.means)
    else:
        start = _responsibilities(start, len(x))
        k = start.shape[1]
    check_component_count(k, len(x))
    if method not in ("fast", "textbook"):
        raise ValueError(f'method is {method!r}; it is "fast" or "textbook".')
    for name, value in (("iterations", iterations), ("tolerance", tolerance)):
        check_not_negative(name, value)
    # a belief `at` is a State of the fast form, or a MixturePosterior where that would lose digits
    fast = fast_sweeps(x, k, prior) if method == "fast" else None
    at = (fast.enter(start) if fast else None) or (
        start if isinstance(start, MixturePosterior) else m_step(x, start, prior)
    )
    elbos, converged = [], False
    while True:
        value, after = (fast.sweep(at) if isinstance(at, State) else None) or _sweep(
            x, _plain(fast, at), prior
        )
        elbos.append(value)
        if len(elbos) > 1:
            converged = abs(value - elbos[-2]) < tolerance * len(x)
        if converged or len(elbos) > iterations:
            return CAVIResult(_plain(fast, at), np.array(elbos), bool(converged))
        at = after if isinstance(after, State) else (fast.enter(after) if fast else None) or after


def _sweep(x: np.ndarray, posterior: MixturePosterior, prior: MixturePrior) -> tuple[float, MixturePosterior]:
    """The ELBO after an E-step, and the posterior after the M-step."""
    r, cost = e_step(posterior, x), divergences(posterior, prior)
    return float(r.log_densities.sum() - cost.weights - cost.components.sum()), m_step(x, r, prior)


def _plain(fast: FastSweeps | None, at) -> MixturePosterior:
    return fast.posterior(at) if isinstance(at, State) else at


def start(x, k: int, rng: np.random.Generator, prior: MixturePrior | None = None) -> MixturePosterior:
    """A start for `cavi`: each point given to the nearest of k points drawn far apart (k-means++), then an M-step.

    Without a prior, `default_prior(x, k)`.
    """
    x = check_data(x)
    nearest = squared_distances(x, spread_centres(x, k, rng)).argmin(axis=1)
    return m_step(x, np.eye(k)[nearest], default_prior(x, k) if prior is None else prior)


# Checks


def _responsibilities(value, n: int, k: int | None = None) -> np.ndarray:
    r = probabilities("responsibilities", value.values if isinstance(value, Responsibilities) else value)
    if r.ndim != 2 or len(r) != n or (k is not None and r.shape[1] != k):
        raise ValueError(
            f"responsibilities have shape {r.shape}; right would be ({n}, {k or 'k'}), one row per point of x."
        )
    return r


def _same_form(posterior: MixturePosterior, prior: MixturePrior) -> None:
    if posterior.diagonal != prior.diagonal:
        kinds = ["diagonal" if part.diagonal else "full" for part in (prior, posterior)]
        raise ValueError(
            f"the prior is {kinds[0]} and the posterior is {kinds[1]}; both must be full, or both diagonal."
        )
