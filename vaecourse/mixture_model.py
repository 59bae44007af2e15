"""The Gaussian mixture p(x) = Σ_k w_k N(x; m_k, Σ_k) as a model: its density, draws from it, its BIC. No fitting.

Shapes and units as in `vaecourse.gaussian_mixture`, where all of it is found too. Sources: C. Bishop, "Pattern
Recognition and Machine Learning" (2006), §2.3.9; G. Schwarz, "Estimating the dimension of a model" (1978), for BIC.
"""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from vaecourse.validation import finite, positive, probabilities

LOG_2PI = np.log(2 * np.pi)
LARGEST = 1e100


class Mixture(NamedTuple):
    """Weights (k,) of sum 1, means (k, d), covariances (k, d, d) or, for diagonal ones, variances (k, d)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    @property
    def diagonal(self) -> bool:
        return np.ndim(self.covariances) == 2


def log_density(mixture: Mixture, x) -> np.ndarray:
    """log p(x_n) = log Σ_k w_k N(x_n; m_k, Σ_k) in nats, shape (n,)."""
    # log Σ exp(log w + log N), the largest exponent taken out first
    return logsumexp(log_joint(mixture, x), axis=1)


def log_likelihood(mixture: Mixture, x, sample_weights=None) -> float:
    """log p(X) = Σ_n v_n log p(x_n) in nats; sample weights v, shape (n,), are 1 if left out."""
    terms = log_density(mixture, x)
    return float(
        terms.sum() if sample_weights is None else terms @ check_sample_weights(sample_weights, len(terms))
    )


def sample(mixture: Mixture, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw n points: first the label z ~ Categorical(w), then x ~ N(m_z, Σ_z); returns x (n, d) and z (n,)."""
    mixture = check_mixture(mixture)
    z = rng.choice(len(mixture.weights), size=n, p=mixture.weights / mixture.weights.sum())
    e = rng.standard_normal((n, mixture.means.shape[1]))
    factors = _factors(mixture)
    # x = m + L e, with Σ = L Lᵀ
    spread = factors[z] * e if mixture.diagonal else np.einsum("nab,nb->na", factors[z], e)
    return mixture.means[z] + spread, z


def log_joint(mixture: Mixture, x) -> np.ndarray:
    """log p(x_n, z_n = k) = log w_k + log N(x_n; m_k, Σ_k), shape (n, k)."""
    x = check_data(x)
    mixture = check_mixture(mixture, x)
    d = mixture.means.shape[1]
    joint = np.empty((len(x), len(mixture.weights)))
    with np.errstate(divide="ignore", over="ignore"):  # log 0 = −∞ is right for a weight of 0
        for j, (w, m, L) in enumerate(zip(mixture.weights, mixture.means, _factors(mixture), strict=True)):
            # log w − ½ d log 2π − ½ log|Σ| − ½‖y‖²,  Σ = L Lᵀ,  y = L⁻¹(x − m)
            y = (x - m) / L if mixture.diagonal else solve_triangular(L, (x - m).T, lower=True).T
            half_log_determinant = np.log(L if mixture.diagonal else np.diag(L)).sum()
            joint[:, j] = np.log(w) - 0.5 * (d * LOG_2PI + (y**2).sum(axis=1)) - half_log_determinant
    if not np.isfinite(joint.max(axis=1)).all():
        raise ValueError(
            "x holds a point so far from every component that its density is 0; rescale the data."
        )
    return joint


def parameter_count(mixture: Mixture) -> int:
    """(k − 1) weights + k d means + k d(d + 1)/2 covariances, or k d variances."""
    k, d = np.shape(mixture.means)
    return k - 1 + k * d + k * (d if mixture.diagonal else d * (d + 1) // 2)


def bic(mixture: Mixture, x) -> float:
    """−2 log p(X) + parameters · log n, nats; the lower, the better (Schwarz 1978)."""
    x = check_data(x)
    return -2 * log_likelihood(mixture, x) + parameter_count(mixture) * float(np.log(len(x)))


# Checks


def check_data(x, name: str = "x") -> np.ndarray:
    """Return x as float64 of shape (n, d); every number finite and not so large that its square overflows."""
    x = finite(name, x)
    if np.abs(x).max() > LARGEST:
        raise ValueError(
            f"{name} holds a number beyond {LARGEST:g}, whose square is too large; rescale the data."
        )
    if x.ndim not in (1, 2):
        raise ValueError(
            f"{name} has shape {x.shape}; give (n, d), one point a row, or (n,) for points on a line."
        )
    return x[:, None] if x.ndim == 1 else x


def check_mixture(mixture: Mixture, x: np.ndarray | None = None) -> Mixture:
    """Return the mixture as float64 arrays: shapes that fit (x too, if given), weights of sum 1, proper covariances."""
    weights, means = probabilities("weights", mixture.weights), check_data(mixture.means, "means")
    covariances = finite("covariances", mixture.covariances)
    k, d = means.shape
    if weights.shape != (k,) or covariances.shape not in ((k, d), (k, d, d)):
        raise ValueError(
            f"weights, means and covariances have shapes {weights.shape}, {means.shape} and {covariances.shape}; "
            "right would be (k,), (k, d) and (k, d, d), or (k, d) for diagonal covariances."
        )
    if x is not None and x.shape[1] != d:
        raise ValueError(
            f"x has {x.shape[1]} columns and the mixture has dimension {d}; give x the shape (n, {d}), one point a row."
        )
    _factors(mixture := Mixture(weights, means, covariances))
    return mixture


def _factors(mixture: Mixture) -> np.ndarray:
    """L with Σ = L Lᵀ, shape (k, d, d); for diagonal covariances the standard deviations, shape (k, d)."""
    if mixture.diagonal:
        return np.sqrt(positive("covariances", mixture.covariances))
    asymmetry = np.abs(mixture.covariances - mixture.covariances.transpose(0, 2, 1)).max()
    if asymmetry > 1e-8 * np.abs(mixture.covariances).max():
        raise ValueError("covariances are not symmetric; each must equal its own transpose.")
    try:
        return np.linalg.cholesky(mixture.covariances)
    except np.linalg.LinAlgError:
        smallest = np.linalg.eigvalsh(mixture.covariances)[:, 0]
        raise ValueError(
            f"covariances[{smallest.argmin()}] is not positive definite (smallest eigenvalue {smallest.min():.3g}); "
            "each must be: an m_step with reg > 0 keeps them so."
        ) from None


def check_sample_weights(value, n: int) -> np.ndarray:
    """Return one weight per point, shape (n,), none below 0 and not all 0."""
    v = finite("sample_weights", value)
    if v.shape != (n,) or (v < 0).any() or not v.any():
        raise ValueError(
            f"sample_weights must be {n} numbers, none below 0 and not all 0, one per point of x."
        )
    return v


def check_component_count(k: int, n: int) -> None:
    """Refuse a number of components below 1, above the number of points, or not whole."""
    if not isinstance(k, Integral) or not 1 <= k <= n:
        raise ValueError(f"k is {k} for {n} point{'s' * (n != 1)}; it must be a whole number from 1 to {n}.")


def check_not_negative(name: str, value: float) -> None:
    """Refuse a number below zero, NaN or infinity."""
    if not 0 <= value < np.inf:
        raise ValueError(f"{name} is {value}; it must be finite and not below zero.")
