"""Mean field on a correlated Gaussian p(z) = N(z; μ, Σ): the best q(z) = Π_j q_j(z_j), by coordinate ascent on the ELBO.

Notation: Λ = Σ⁻¹ is the precision, with rows and columns as in Σ. Each q_j turns out to be a Gaussian N(m_j, v_j), and
p is normalized, so that log p(X) = 0 and the ELBO is −KL(q‖p), at most 0, in nats. Means have shape (d,), covariances
(d, d). Source: C. Bishop, "Pattern Recognition and Machine Learning" (2006), §10.1.1 and §10.1.2.

Every function raises ValueError, in one sentence, for NaN, infinity, shapes that do not fit, and a covariance that is
not symmetric and positive definite; one that is nearly singular (a correlation of 1 − 1e-12) gets the right answer.
"""

from numbers import Integral
from typing import NamedTuple

import numpy as np

from vaecourse.precision import inverse_factor
from vaecourse.validation import finite, positive


class Factorized(NamedTuple):
    """q(z) = Π_j N(z_j; m_j, v_j): means and variances, shape (d,) each."""

    means: np.ndarray
    variances: np.ndarray


class MeanFieldPath(NamedTuple):
    """q and its ELBO (nats) at the start and after each coordinate step: sweeps · d + 1 of each, in order.

    `qs` is a tuple of `Factorized`; `elbos` has shape (sweeps · d + 1,). Entry s · d + j + 1 comes after coordinate j of
    sweep s, both counted from 0.
    """

    qs: tuple[Factorized, ...]
    elbos: np.ndarray


# Coordinate ascent


def update(q: Factorized, mean, covariance, j: int) -> Factorized:
    """The best q_j while all other factors stay as they are: log q_j(z_j) = E_{i≠j}[log p(z)] + const (Bishop, 10.9)."""
    mean, factor = _target(mean, covariance)
    q = _check(q, len(mean))
    if not isinstance(j, Integral) or not 0 <= j < len(mean):
        raise ValueError(
            f"j is {j}; it must be one of the coordinates, a whole number from 0 to {len(mean) - 1}."
        )
    return _update(q, mean, factor.T @ factor, j)


def coordinate_ascent(mean, covariance, start: Factorized, sweeps: int) -> MeanFieldPath:
    """`update` for each coordinate in turn, `sweeps` times over; the ELBO never goes down."""
    mean, factor = _target(mean, covariance)
    if not isinstance(sweeps, Integral) or sweeps < 0:
        raise ValueError(f"sweeps is {sweeps}; it must be a whole number, 0 or more.")
    qs, precision = [_check(start, len(mean))], factor.T @ factor
    for _ in range(sweeps):
        for j in range(len(mean)):
            qs.append(_update(qs[-1], mean, precision, j))
    return MeanFieldPath(tuple(qs), np.array([_elbo(q, mean, factor) for q in qs]))


def elbo(q: Factorized, mean, covariance) -> float:
    """E_q[log p(z) − log q(z)] = −KL(q‖p) in nats; 0 only if p itself has no correlations and q = p."""
    mean, factor = _target(mean, covariance)
    return _elbo(_check(q, len(mean)), mean, factor)


def _update(q: Factorized, mean: np.ndarray, precision: np.ndarray, j: int) -> Factorized:
    means, variances = q.means.copy(), q.variances.copy()
    # v_j = 1 / Λ_jj,  m_j = μ_j − Λ_jj⁻¹ Σ_{i≠j} Λ_ji (m_i − μ_i)   (Bishop, 10.12 and 10.13)
    others = np.arange(len(mean)) != j
    variances[j] = 1 / precision[j, j]
    means[j] = mean[j] - precision[j, others] @ (means - mean)[others] / precision[j, j]
    return Factorized(means, variances)


def _elbo(q: Factorized, mean: np.ndarray, factor: np.ndarray) -> float:
    # With Λ = WᵀW:  −½ Σ_j (Λ_jj v_j − 1 − log v_j) + Σ_j log W_jj − ½ ‖W(m − μ)‖²
    spread = (factor**2).sum(axis=0) * q.variances - 1 - np.log(q.variances)
    return float(
        -0.5 * spread.sum() + np.log(np.diag(factor)).sum() - 0.5 * ((factor @ (q.means - mean)) ** 2).sum()
    )


# Where it ends, and what is lost


def reverse_fit(mean, covariance) -> Factorized:
    """The q that minimizes KL(q‖p), where coordinate ascent ends: the means of p, the variances 1/Λ_jj (Bishop, §10.1.2).

    1/Λ_jj is the variance of z_j *given* all the others, so q is too narrow unless p has no correlations.
    """
    mean, factor = _target(mean, covariance)
    return Factorized(mean, 1 / (factor**2).sum(axis=0))


def forward_fit(mean, covariance) -> Factorized:
    """The q that minimizes KL(p‖q): the means and the marginal variances Σ_jj of p (Bishop, 10.17)."""
    mean, _ = _target(mean, covariance)
    return Factorized(mean, np.diag(finite("covariance", covariance)).copy())


def lost_variance(covariance) -> np.ndarray:
    """Mean field's variance over the true one, (1/Λ_jj) / Σ_jj, shape (d,), at most 1; 1 − ρ² for d = 2."""
    factor = inverse_factor(covariance)
    return 1 / ((factor**2).sum(axis=0) * np.diag(finite("covariance", covariance)))


def convergence_factor(covariance) -> float:
    """By how much one sweep shrinks the error of the means in the long run; ρ² for d = 2, 0 without correlations.

    A sweep takes m − μ to −(lower triangle of Λ)⁻¹ (strict upper triangle of Λ)(m − μ); this is the largest absolute
    eigenvalue of that matrix (Gauss and Seidel's iteration).
    """
    factor = inverse_factor(covariance)
    precision = factor.T @ factor
    sweep = np.linalg.solve(np.tril(precision), np.triu(precision, 1))
    return float(np.abs(np.linalg.eigvals(sweep)).max())


# Checks


def _check(q: Factorized, d: int) -> Factorized:
    q = Factorized(finite("means", q.means), positive("variances", q.variances))
    if q.means.shape != (d,) or q.variances.shape != (d,):
        raise ValueError(
            f"q has means of shape {q.means.shape} and variances of shape {q.variances.shape}; "
            f"right would be ({d},) for both, one per coordinate of mean."
        )
    return q


def _target(mean, covariance) -> tuple[np.ndarray, np.ndarray]:
    mean, factor = finite("mean", mean), inverse_factor(covariance)
    if mean.shape != factor.shape[:1]:
        raise ValueError(
            f"mean has shape {mean.shape} and covariance {factor.shape}; right would be (d,) and (d, d)."
        )
    return mean, factor
