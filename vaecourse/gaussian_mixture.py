"""The Gaussian mixture p(x) = Σ_k w_k N(x; m_k, Σ_k) and its fit by expectation maximization (EM); k-means, BIC, restarts.

Everything here is the textbook form, written to be read beside C. Bishop, "Pattern Recognition and Machine Learning"
(2006), §9.2 and §9.3; `em` runs the fast form of `vaecourse.fast_mixture`, equal to it, unless asked otherwise.
Sources besides: Dempster, Laird and Rubin (1977) for EM; Neal and Hinton (1998) for the bound; Schwarz (1978) for BIC;
Arthur and Vassilvitskii (2007) for the spread-out start.

Logarithms are in nats. Data x have shape (n, d); shape (n,) is taken as (n, 1). Covariances have shape (k, d, d), or
(k, d) for diagonal ones. Each function raises ValueError, in one sentence, for NaN, infinity or shapes that do not fit.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, xlogy

from vaecourse.fast_mixture import NO_SHARE, fast_form
from vaecourse.kmeans import KMeansResult, kmeans, spread_centres, squared_distances
from vaecourse.mixture_model import (
    Mixture,
    bic,
    check_component_count,
    check_data,
    check_mixture,
    check_not_negative,
    check_sample_weights,
    log_density,
    log_joint,
    log_likelihood,
    parameter_count,
    sample,
)
from vaecourse.validation import finite, probabilities

__all__ = [
    "Collapsed",
    "DensityFit",
    "EMResult",
    "KMeansResult",
    "Mixture",
    "Responsibilities",
    "best_of",
    "bic",
    "bound",
    "e_step",
    "em",
    "fit_to_density",
    "kmeans",
    "log_density",
    "log_likelihood",
    "m_step",
    "parameter_count",
    "responsibilities",
    "sample",
    "start",
]


class Responsibilities(NamedTuple):
    """What the E-step finds: values r_nk = p(z_n = k | x_n), shape (n, k), and log p(x_n), shape (n,), nats."""

    values: np.ndarray
    log_densities: np.ndarray


class EMResult(NamedTuple):
    """The fitted mixture, and log p(X) in nats of the start and after each sweep, shape (sweeps + 1,)."""

    mixture: Mixture
    log_likelihoods: np.ndarray
    converged: bool


class DensityFit(NamedTuple):
    """The mixture fitted to a density, and the KL(p‖mixture) in nats that it leaves."""

    mixture: Mixture
    divergence: float


class Collapsed(ValueError):
    """A component lost its spread along some direction: the likelihood grows without limit and means nothing."""


# The two steps


def e_step(mixture: Mixture, x) -> Responsibilities:
    """r_nk = w_k N(x_n; m_k, Σ_k) / Σ_j w_j N(x_n; m_j, Σ_j): Bayes' rule for the label (Bishop, eq. 9.13)."""
    joint = log_joint(mixture, x)
    total = logsumexp(joint, axis=1)
    return Responsibilities(np.exp(joint - total[:, None]), total)


def responsibilities(mixture: Mixture, x) -> np.ndarray:
    """p(z_n = k | x_n), shape (n, k), each row of sum 1."""
    return e_step(mixture, x).values


def m_step(x, responsibilities, reg: float = 1e-6, diagonal: bool = False, sample_weights=None) -> Mixture:
    """The mixture that maximizes `bound` for these responsibilities, (n, k) or what `e_step` gave (Bishop, 9.24 to 9.26).

    `reg` is added to every variance, in the square of the data's unit; above 0 it keeps a component from collapsing,
    and the maximum is then exact only up to it. A component without any responsibility gets the weight 0, and the
    mean and covariance of all the data: it stays finite, and EM never brings it back.
    """
    x = check_data(x)
    check_not_negative("reg", reg)
    r = _responsibilities(responsibilities, len(x))
    v = np.ones(len(x)) if sample_weights is None else check_sample_weights(sample_weights, len(x))
    r = r * v[:, None]
    # N_k = Σ_n r_nk,  w_k = N_k / N
    totals = r.sum(axis=0)
    empty = totals < NO_SHARE
    weights = np.where(empty, 0.0, totals)
    r = np.where(empty, v[:, None], r)
    totals = r.sum(axis=0)
    # m_k = Σ_n r_nk x_n / N_k
    means = r.T @ x / totals[:, None]
    covariances = []
    for j, mean in enumerate(means):
        # Σ_k = Σ_n r_nk (x_n − m_k)(x_n − m_k)ᵀ / N_k + reg I
        if diagonal:
            covariances.append(r[:, j] @ (x - mean) ** 2 / totals[j] + reg)
        else:
            covariances.append(
                (r[:, j, None] * (x - mean)).T @ (x - mean) / totals[j] + reg * np.eye(x.shape[1])
            )
    return Mixture(weights / weights.sum(), means, np.array(covariances))


def bound(mixture: Mixture, responsibilities, x) -> float:
    """Σ_n Σ_k r_nk (log w_k + log N(x_n; m_k, Σ_k) − log r_nk) in nats: at most log p(X), equal right after an E-step.

    −∞ if a point is given to a component of weight 0. Source: Bishop, eq. 9.71; Neal and Hinton (1998).
    """
    joint = log_joint(mixture, x)
    r = _responsibilities(responsibilities, len(joint), joint.shape[1])
    # r = 0 counts as 0
    return float(np.where(r > 0, r * np.where(r > 0, joint, 0.0) - xlogy(r, r), 0.0).sum())


# EM


def em(
    x,
    start: Mixture,
    iterations: int = 100,
    tolerance: float = 1e-8,
    method: str = "fast",
    reg: float = 1e-6,
    sample_weights=None,
) -> EMResult:
    """E-step and M-step in turn from `start`, whose covariances say whether they are full or diagonal.

    Stops after `iterations` sweeps, or when log p(X) per point moves by less than `tolerance` (0: never). With reg = 0
    log p(X) never falls, but a component can collapse onto a point, which raises `Collapsed`; with reg > 0 it is kept
    from that, and log p(X) may fall by a hair of the size of reg. `method` "textbook" runs `e_step` and `m_step` as they
    stand; "fast" gives the same numbers, and falls back to them for each sweep where it would lose digits.
    """
    x = check_data(x)
    mixture = check_mixture(start, x)
    check_component_count(len(mixture.weights), len(x))
    v = None if sample_weights is None else check_sample_weights(sample_weights, len(x))
    if method not in ("fast", "textbook"):
        raise ValueError(f'method is {method!r}; it is "fast" or "textbook".')
    for name, value in (("iterations", iterations), ("tolerance", tolerance), ("reg", reg)):
        check_not_negative(name, value)
    form = fast_form(x, v, mixture.diagonal, reg) if method == "fast" else None
    state = form.enter(mixture) if form else None
    largest = np.abs(np.ascontiguousarray(x.T)).max(axis=1)
    log_likelihoods, converged = [], False
    while True:
        swept = form.sweep(state) if state is not None else None
        if swept is not None:
            value, after, state = swept
        else:
            r = e_step(mixture, x)
            value = float(r.log_densities.sum() if v is None else r.log_densities @ v)
            after = m_step(x, r, reg, mixture.diagonal, v)
            state = form.enter(after) if form else None
        log_likelihoods.append(value)
        if len(log_likelihoods) > 1:
            converged = abs(value - log_likelihoods[-2]) < tolerance * (len(x) if v is None else v.sum())
        if converged or len(log_likelihoods) > iterations:
            return EMResult(mixture, np.array(log_likelihoods), bool(converged))
        _refuse_collapse(after, largest)
        mixture = after


def start(x, k: int, rng: np.random.Generator, reg: float = 1e-6, diagonal: bool = False) -> Mixture:
    """A start for `em`: equal weights, means at data points drawn far apart (k-means++), one covariance for all.

    The covariance is that of the points around their nearest mean, plus `reg` on every variance.
    """
    x = check_data(x)
    check_not_negative("reg", reg)
    means = spread_centres(x, k, rng)
    rest = x - means[squared_distances(x, means).argmin(axis=1)]
    covariance = rest.T @ rest / len(x) + reg * np.eye(x.shape[1])
    covariance = np.diag(covariance) if diagonal else covariance
    return Mixture(np.full(k, 1 / k), means, np.repeat(covariance[None], k, axis=0))


def best_of(
    x,
    k: int,
    rng: np.random.Generator,
    starts: int = 10,
    diagonal: bool = False,
    reg: float = 1e-6,
    **options,
) -> EMResult:
    """`em` from several starts (`options` go to it); the run with the highest log p(X). EM finds local optima only.

    A run that collapses is left out; `Collapsed` if all do. With reg > 0 look at the winner: a component that sits on
    one point at the smallest variance allowed can win too.
    """
    if starts < 1:
        raise ValueError(f"starts is {starts}; it must be at least 1.")
    runs, reason = [], None
    for _ in range(starts):
        try:
            runs.append(em(x, start(x, k, rng, reg, diagonal), reg=reg, **options))
        except Collapsed as collapse:
            reason = collapse
    if not runs:
        raise reason
    return max(runs, key=lambda run: run.log_likelihoods[-1])


# A mixture for a given density

SPLITS = ((0.5, 1.0), (0.2, 1.4))  # side by side, or a wide and a narrow one


def fit_to_density(
    log_density: Callable[[np.ndarray], np.ndarray],
    k: int,
    grid,
    iterations: int = 2000,
    tolerance: float = 1e-9,
) -> DensityFit:
    """The k-component mixture on the line that comes closest to a density p in KL(p‖mixture), by EM on a grid.

    Minimizing KL(p‖q) maximizes ∫ p log q, which is EM's log-likelihood with the points of `grid`, shape (n,), rising,
    weighted by p times their spacing. `log_density` takes the grid and returns log p (−∞ where p is 0), nats. From one
    component, each is split in two (or as many as are wanted) and refitted. ValueError unless p integrates to 1 on it.
    """
    grid = finite("grid", grid)
    if grid.ndim != 1 or len(grid) < 2 or (np.diff(grid) <= 0).any():
        raise ValueError("grid must be a rising list of at least two points, shape (n,).")
    check_component_count(k, len(grid))
    log_p = np.asarray(log_density(grid), dtype=np.float64)
    if log_p.shape != grid.shape or not (log_p < np.inf).all():
        raise ValueError("log_density must give one number per point of grid, finite or −∞.")
    # the trapezoid rule: half the distance to either neighbour
    v = np.exp(log_p) * np.diff(np.concatenate([grid[:1], (grid[1:] + grid[:-1]) / 2, grid[-1:]]))
    if abs(v.sum() - 1) > 1e-2:
        raise ValueError(
            f"log_density integrates to {v.sum():.4g} over grid, not to 1; give a grid that holds it all."
        )
    inside = v > 0
    x, v, log_p = grid[inside, None], v[inside] / v.sum(), log_p[inside]
    mixture = m_step(x, np.ones((len(x), 1)), 0.0, sample_weights=v)
    # no component narrower than 0.7 spacings: the sum over the grid is then an integral to 1e-4 of the component's share
    reg = 0.5 * float(np.diff(grid).max()) ** 2
    while len(mixture.weights) < k:
        runs = [em(x, _split(mixture, k, *by), iterations, tolerance, "fast", reg, v) for by in SPLITS]
        mixture = max(runs, key=lambda run: run.log_likelihoods[-1]).mixture
    # KL(p‖q) = Σ v (log p − log q), with p rescaled to sum 1 as v is
    return DensityFit(mixture, float(v @ (log_p - np.log(v.sum())) - log_likelihood(mixture, x, v)))


def _split(mixture: Mixture, k: int, step: float, ratio: float) -> Mixture:
    """Replace the heaviest components, all if k allows, by two each: at ± step standard deviations, variances × ratio and × (2 − ratio)."""
    count = min(len(mixture.weights), k - len(mixture.weights))
    order = np.argsort(-mixture.weights)
    chosen, kept = order[:count], order[count:]
    w, m, variance = (part[chosen] for part in mixture)
    offset = step * np.sqrt(variance[:, :, 0])
    halves = Mixture(
        np.concatenate([w, w]) / 2,
        np.concatenate([m - offset, m + offset]),
        np.concatenate([ratio * variance, (2 - ratio) * variance]),
    )
    return Mixture(*(np.concatenate([part[kept], new]) for part, new in zip(mixture, halves, strict=True)))


# Checks and small tools


def _refuse_collapse(mixture: Mixture, largest: np.ndarray) -> None:
    """Raise `Collapsed` if a spread is no more than the rounding of the data (of size `largest`) or of the covariance."""
    epsilon, covariances = np.finfo(np.float64).eps, mixture.covariances
    floor = (8 * epsilon * largest) ** 2
    if mixture.diagonal:
        flat = ~(covariances > floor).all(axis=1)
    else:
        # L_aa² is the variance of coordinate a once those before it are known
        try:
            left = np.linalg.cholesky(covariances).diagonal(axis1=1, axis2=2) ** 2
        except np.linalg.LinAlgError:
            left = np.array([_conditional_variances(covariance) for covariance in covariances])
        variances = covariances.diagonal(axis1=1, axis2=2)
        flat = ~(left > np.maximum(floor, 8 * len(largest) * epsilon * variances)).all(axis=1)
    if flat.any():
        raise Collapsed(
            f"Component {flat.argmax()} (counted from 0) has collapsed: along some direction its points have no spread, "
            "so its density has no limit; give a reg above 0 (or a larger one), fewer components or another start."
        )


def _conditional_variances(covariance: np.ndarray) -> np.ndarray:
    try:
        return np.diag(np.linalg.cholesky(covariance)) ** 2
    except np.linalg.LinAlgError:
        return np.zeros(len(covariance))


def _responsibilities(value, n: int, k: int | None = None) -> np.ndarray:
    r = probabilities("responsibilities", value.values if isinstance(value, Responsibilities) else value)
    if r.ndim != 2 or len(r) != n or (k is not None and r.shape[1] != k):
        raise ValueError(
            f"responsibilities have shape {r.shape}; right would be ({n}, {k or 'k'}), one row per point of x."
        )
    return r
