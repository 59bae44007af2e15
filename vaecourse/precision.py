"""The precision Λ = Σ⁻¹ of a covariance that may be nearly singular: a tool, not a subject of this course.

A plain inverse loses as many digits as Σ has between its largest and its smallest eigenvalue; this one keeps them.
"""

import math

import numpy as np
from scipy.linalg import cho_solve

from vaecourse.validation import covariance as check_covariance


def inverse_factor(covariance) -> np.ndarray:
    """The lower triangle W with Λ = WᵀW and rows of full accuracy, however small the smallest eigenvalue of Σ is.

    Row j is u / √u_j, where u solves Σ_{≤j} u = e_j for the first j coordinates: u_j is the precision of z_j given those
    before it. The Cholesky factor L alone loses up to log₁₀(condition) digits; solving again for what is left over,
    computed without rounding, brings them back (Wilkinson's iterative refinement).
    """
    covariance, _ = check_covariance("covariance", covariance)
    # in units that make every variance near 1: powers of two, which round nothing
    scale = 2.0 ** np.round(np.log2(np.diag(covariance)) / 2)
    lower = np.tril(covariance / scale / scale[:, None])
    covariance, d = lower + np.tril(lower, -1).T, len(lower)
    cholesky = np.linalg.cholesky(covariance)
    factor = np.zeros((d, d))
    for j in range(d):
        block, root = covariance[: j + 1, : j + 1], (cholesky[: j + 1, : j + 1], True)
        unit = np.eye(d)[j, : j + 1]
        u, last = cho_solve(root, unit), np.inf
        for _ in range(50):
            step = cho_solve(root, _residual(unit, block, u))
            size = np.abs(step).max()
            if not size < last:
                break
            u, last = u + step, size
        factor[j, : j + 1] = u / np.sqrt(u[j])
    return factor / scale


def _residual(b: np.ndarray, a: np.ndarray, u: np.ndarray) -> np.ndarray:
    """b − A u, rounded once: products of 26-bit halves are exact (Veltkamp and Dekker), and so is `math.fsum`."""
    (a_high, a_low), (u_high, u_low) = _halves(a), _halves(u)
    terms = np.concatenate(
        [b[:, None], -a_high * u_high, -a_high * u_low, -a_low * u_high, -a_low * u_low], axis=1
    )
    return np.array([math.fsum(row) for row in terms])


def _halves(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    big = a * (2.0**27 + 1)
    high = big - (big - a)
    return high, a - high
