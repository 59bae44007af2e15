"""The Gaussian family q(z) = N(m, L Lᵀ) of variational inference, diagonal or full, and its parameters.

The parameters, in the order of `parameters` and of every gradient: m (d,), then log sd (d,) in the diagonal family, or in
the full family the lower triangle of L row by row, with logarithms on its diagonal. Logarithms are in nats.
Source: Kucukelbir et al., "Automatic differentiation variational inference" (2017), §2.4.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from vaecourse.validation import covariance, finite, positive

LOG_2PI = np.log(2 * np.pi)


class GaussianQ(NamedTuple):
    """q(z) = N(m, L Lᵀ): mean m (d,), factor L (d, d), lower triangular with a positive diagonal.

    `diagonal` says that q belongs to the family without correlations, where L = diag(sd).
    """

    mean: np.ndarray
    factor: np.ndarray
    diagonal: bool = False

    @property
    def covariance(self) -> np.ndarray:
        """L Lᵀ, shape (d, d)."""
        return self.factor @ self.factor.T

    @property
    def sd(self) -> np.ndarray:
        """The standard deviation of each coordinate, shape (d,)."""
        return np.sqrt((self.factor**2).sum(axis=1))


def diagonal_q(mean, sd) -> GaussianQ:
    """q(z) = Π_j N(z_j; mean_j, sd_j²); mean of shape (d,), sd of shape (d,) or one number for all."""
    mean, sd = finite("mean", mean), positive("sd", sd)
    if mean.ndim != 1 or sd.shape not in ((), mean.shape):
        raise ValueError(f"mean has shape {mean.shape} and sd {sd.shape}; right would be (d,) for both.")
    return GaussianQ(mean, np.diag(np.broadcast_to(sd, mean.shape)), True)


def full_q(mean, cov) -> GaussianQ:
    """q(z) = N(mean, cov), from the family with correlations; mean (d,), covariance (d, d)."""
    mean, (cov, factor) = finite("mean", mean), covariance("cov", cov)
    if mean.shape != cov.shape[:1]:
        raise ValueError(f"mean has shape {mean.shape} and cov {cov.shape}; right would be (d,) and (d, d).")
    return GaussianQ(mean, factor)


def transform(q: GaussianQ, e) -> np.ndarray:
    """Draws z of q from noise e ~ N(0, I), both of shape (s, d)."""
    # z = m + L e
    return q.mean + e @ q.factor.T


def log_density(q: GaussianQ, z) -> np.ndarray:
    """log q(z) in nats, shape (s,), at points of shape (s, d)."""
    return log_density_of_noise(q, solve_triangular(q.factor, (z - q.mean).T, lower=True).T)


def log_density_of_noise(q: GaussianQ, e: np.ndarray) -> np.ndarray:
    """log q(transform(q, e)), shape (s,), without solving for e."""
    # log q(m + L e) = −½ |e|² − Σ log L_jj − ½ d log 2π
    return -0.5 * (e**2).sum(axis=1) - np.log(np.diag(q.factor)).sum() - 0.5 * len(q.mean) * LOG_2PI


def entropy(q: GaussianQ) -> float:
    """−E_q[log q(z)] in nats."""
    # Σ log L_jj + ½ d (1 + log 2π)
    return float(np.log(np.diag(q.factor)).sum() + 0.5 * len(q.mean) * (1 + LOG_2PI))


def parameters(q: GaussianQ) -> np.ndarray:
    """The parameters of q in one array: 2d of them for the diagonal family, d + d(d + 1)/2 for the full one."""
    log_sd = np.log(np.diag(q.factor))
    if q.diagonal:
        return np.concatenate([q.mean, log_sd])
    triangle = np.tril(q.factor, -1) + np.diag(log_sd)
    return np.concatenate([q.mean, triangle[lower_triangle(len(q.mean))]])


def with_parameters(q: GaussianQ, values) -> GaussianQ:
    """The member of q's family that has these parameters."""
    d = len(q.mean)
    if q.diagonal:
        return GaussianQ(values[:d], np.diag(np.exp(values[d:])), True)
    factor = np.zeros((d, d))
    factor[lower_triangle(d)] = values[d:]
    np.fill_diagonal(factor, np.exp(np.diag(factor)))
    return GaussianQ(values[:d], factor)


def is_log(q: GaussianQ) -> np.ndarray:
    """1.0 for each parameter that is a log L_jj, 0.0 for the others, shape (k,)."""
    d = len(q.mean)
    rows, columns = lower_triangle(d)
    return np.concatenate([np.zeros(d), np.ones(d) if q.diagonal else rows == columns])


@cache
def lower_triangle(d: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries of a (d, d) triangle in the order of `parameters`; read only."""
    return np.tril_indices(d)
