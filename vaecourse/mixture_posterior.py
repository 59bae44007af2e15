"""Beliefs about a Gaussian mixture: a Dirichlet for the weights, a Gaussian-Wishart for each mean and precision. No fitting.

With W⁻¹ called the inverse scale (`inverse_scales`), and Λ = Σ⁻¹ the precision of a component,

    π ~ Dir(α),   Λ_k ~ Wishart(W_k, ν_k),   μ_k | Λ_k ~ N(m_k, (β_k Λ_k)⁻¹).

Diagonal form: each coordinate has a one-dimensional Wishart of its own, λ ~ Gamma(shape ν/2, rate W⁻¹/2), with ν and β
shared by the coordinates of a component. Logarithms are in nats. Source: C. Bishop, "Pattern Recognition and Machine
Learning" (2006), §10.2 and appendix B. Shapes and errors as in `vaecourse.variational_mixture`, where all is found too.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import digamma, gammaln, logsumexp

from vaecourse.mixture_model import LOG_2PI, Mixture, check_component_count, check_data
from vaecourse.validation import covariance, finite, positive


class MixturePrior(NamedTuple):
    """The belief before the data, the same for every component.

    α₀ `concentration` > 0 and β₀ `mean_precision` > 0 (both count as so many points), m₀ `mean` (d,), ν₀
    `degrees_of_freedom` > d − 1 (diagonal: > 0), W₀⁻¹ `inverse_scale` (d, d) or, diagonal, (d,), in the data's unit squared.
    """

    concentration: float
    mean_precision: float
    mean: np.ndarray
    degrees_of_freedom: float
    inverse_scale: np.ndarray

    @property
    def diagonal(self) -> bool:
        return np.ndim(self.inverse_scale) == 1


class MixturePosterior(NamedTuple):
    """The belief after the data: α (k,), β (k,), m (k, d), ν (k,), W⁻¹ (k, d, d) or, diagonal, (k, d)."""

    concentrations: np.ndarray
    mean_precisions: np.ndarray
    means: np.ndarray
    degrees_of_freedom: np.ndarray
    inverse_scales: np.ndarray

    @property
    def diagonal(self) -> bool:
        return np.ndim(self.inverse_scales) == 2


class Divergences(NamedTuple):
    """KL(q‖p) in nats of the weights' belief, and of each component's, shape (k,): what the beliefs cost the ELBO."""

    weights: float
    components: np.ndarray


def default_prior(x, k: int, concentration: float | None = None, diagonal: bool = False) -> MixturePrior:
    """A weak prior from the data, as scikit-learn takes it: α₀ = 1/k, β₀ = 1, m₀ = mean, ν₀ = d, W₀⁻¹ = covariance of x.

    A `concentration` far below 1 says that few components are used. ValueError if x has no spread in some direction.
    """
    x = check_data(x)
    check_component_count(k, len(x))
    n, d = x.shape
    if n < 2:
        raise ValueError(
            "x has 1 point, which has no spread to take a prior from; give a MixturePrior of your own."
        )
    flat = np.flatnonzero((x == x[0]).all(axis=0))
    if len(flat):
        raise ValueError(
            f"x is constant in column {flat[0]} (counted from 0), which leaves the default prior no spread there; "
            "drop the column, or give a MixturePrior of your own."
        )
    centred = x - x.mean(axis=0)
    spread = centred.T @ centred / (n - 1)
    if not diagonal:
        # the least variance that a direction has, beside the rounding of the data
        sd = np.sqrt(np.diag(spread))
        if np.linalg.eigvalsh(spread / np.outer(sd, sd))[0] <= 8 * d * np.finfo(np.float64).eps:
            raise ValueError(
                "x has no spread in some direction (a column follows from the others, or there are too few points), so the "
                "default prior is singular; drop columns, take diagonal=True, or give a MixturePrior of your own."
            )
    prior = MixturePrior(
        1 / k if concentration is None else concentration,
        1.0,
        x.mean(axis=0),
        d,
        np.diag(spread) if diagonal else spread,
    )
    return check_prior(prior, d)


# Expectations under the belief


def expected_log_joint(posterior: MixturePosterior, x: np.ndarray) -> np.ndarray:
    """log ρ_nk = E[log π_k + log N(x_n; μ_k, Λ_k⁻¹)], shape (n, k) (Bishop, eq. 10.46)."""
    alpha, beta, means, nu, inverse_scales = posterior
    k, d = means.shape
    joint = np.empty((len(x), k))
    constants = expected_log_weights(alpha) + 0.5 * expected_log_determinants(posterior) - 0.5 * d * LOG_2PI
    for j, (m, L) in enumerate(zip(means, factors(inverse_scales), strict=True)):
        # E[(x − μ)ᵀ Λ (x − μ)] = d/β + ν (x − m)ᵀ W (x − m), with W⁻¹ = L Lᵀ and y = L⁻¹(x − m)   (10.64)
        y = (x - m) / L if posterior.diagonal else solve_triangular(L, (x - m).T, lower=True).T
        joint[:, j] = constants[j] - 0.5 * (d / beta[j] + nu[j] * (y**2).sum(axis=1))
    return joint


def expected_log_weights(concentrations: np.ndarray) -> np.ndarray:
    """E[log π_k] = ψ(α_k) − ψ(Σ α), shape (k,) (Bishop, 10.66)."""
    return digamma(concentrations) - digamma(concentrations.sum())


def expected_log_determinants(posterior: MixturePosterior) -> np.ndarray:
    """E[log|Λ_k|] = Σ_i ψ((ν_k + 1 − i)/2) + d log 2 + log|W_k|, shape (k,) (Bishop, 10.65); diagonal: ψ(ν_k/2) each."""
    halves = _halves(posterior.degrees_of_freedom, posterior.means.shape[1], posterior.diagonal)
    return (digamma(halves) + np.log(2)).sum(axis=0) - _log_determinants(factors(posterior.inverse_scales))


def divergences(posterior: MixturePosterior, prior: MixturePrior) -> Divergences:
    """KL from the posterior's Dirichlet and Gaussian-Wisharts to the prior's; 0 for a component that no point is given to."""
    alpha, beta, means, nu, inverse_scales = posterior
    k, d = means.shape
    L, L0 = factors(inverse_scales), factors(np.asarray(prior.inverse_scale)[None])
    # Dirichlet:  log C(α) − log C(α₀) + Σ (α − α₀) E[log π],  log C(α) = log Γ(Σ α) − Σ log Γ(α)   (B.23)
    alpha0 = np.full(k, float(prior.concentration))
    weights = _log_dirichlet(alpha) - _log_dirichlet(alpha0) + (alpha - alpha0) @ expected_log_weights(alpha)
    # Gaussian given Λ:  ½ (d (β₀/β − 1 − log β₀/β) + β₀ ν (m − m₀)ᵀ W (m − m₀))
    ratio = prior.mean_precision / beta
    step = _whiten(L, (means - prior.mean)[:, :, None])
    gaussian = d * (ratio - 1 - np.log(ratio)) + prior.mean_precision * nu * (step**2).sum(axis=(1, 2))
    # Wishart:  log B(W, ν) − log B(W₀, ν₀) + ½ (ν − ν₀) E[log|Λ|] + ½ ν (tr(W₀⁻¹ W) − d)   (B.79)
    trace = (_whiten(L, L0[:, :, None] * np.eye(d) if posterior.diagonal else L0) ** 2).sum(axis=(1, 2))
    nu0 = np.full(1, float(prior.degrees_of_freedom))
    wishart = _log_wishart(L, nu, d, posterior.diagonal) - _log_wishart(L0, nu0, d, posterior.diagonal)
    wishart += 0.5 * (nu - nu0) * expected_log_determinants(posterior) + 0.5 * nu * (trace - d)
    return Divergences(float(weights), 0.5 * gaussian + wishart)


def _halves(nu: np.ndarray, d: int, diagonal: bool) -> np.ndarray:
    """(ν + 1 − i)/2 for i = 1 … d, shape (d, k); diagonal: d one-dimensional Wisharts, ν/2 each."""
    return (nu - (np.zeros(d) if diagonal else np.arange(d))[:, None]) / 2


def _log_determinants(L: np.ndarray) -> np.ndarray:
    """log|W⁻¹|, shape (k,), from its factors."""
    return 2 * np.log(L if L.ndim == 2 else L.diagonal(axis1=1, axis2=2)).sum(axis=1)


def _log_dirichlet(alpha: np.ndarray) -> float:
    return gammaln(alpha.sum()) - gammaln(alpha).sum()


def _log_wishart(L: np.ndarray, nu: np.ndarray, d: int, diagonal: bool) -> np.ndarray:
    """log B(W, ν) without its ¼ d (d − 1) log π, which no difference keeps."""
    return 0.5 * nu * (_log_determinants(L) - d * np.log(2)) - gammaln(_halves(nu, d, diagonal)).sum(axis=0)


def _whiten(L: np.ndarray, a: np.ndarray) -> np.ndarray:
    """L⁻¹ a for a stack of matrices a, shape (k, d, ...)."""
    return (
        a / L[:, :, None] if L.ndim == 2 else np.linalg.solve(L, np.broadcast_to(a, (len(L), *a.shape[1:])))
    )


def factors(inverse_scales: np.ndarray) -> np.ndarray:
    """L with W⁻¹ = L Lᵀ, shape (k, d, d); diagonal: the square roots, shape (k, d)."""
    return np.sqrt(inverse_scales) if inverse_scales.ndim == 2 else np.linalg.cholesky(inverse_scales)


# What the belief says


def expected_weights(posterior: MixturePosterior) -> np.ndarray:
    """E[π_k] = α_k / Σ α, shape (k,) (Bishop, 10.69)."""
    alpha = check_posterior(posterior).concentrations
    return alpha / alpha.sum()


def surviving(posterior: MixturePosterior, threshold: float = 0.01) -> np.ndarray:
    """Which components are in use, shape (k,), bool: those of expected weight above `threshold`."""
    return expected_weights(posterior) > threshold


def as_mixture(posterior: MixturePosterior) -> Mixture:
    """The mixture of expected parameters: weights E[π], means m, covariances E[Λ]⁻¹ = W⁻¹/ν."""
    posterior = check_posterior(posterior)
    nu = posterior.degrees_of_freedom.reshape(-1, *[1] * (posterior.inverse_scales.ndim - 1))
    return Mixture(expected_weights(posterior), posterior.means, posterior.inverse_scales / nu)


def log_predictive(posterior: MixturePosterior, x) -> np.ndarray:
    """log ∫ p(x | parameters) q(parameters), nats, shape (n,): a mixture of Student's t (Bishop, 10.81 and 10.82)."""
    x = check_data(x)
    alpha, beta, means, nu, inverse_scales = posterior = check_posterior(posterior, x)
    k, d = means.shape
    # with the scale matrix W⁻¹ (1 + β)/β in the place of ν Σ:
    #   log St = log Γ((ν + 1)/2) − log Γ((ν + 1 − d)/2) − ½ log|π W⁻¹ (1 + β)/β| − ½ (ν + 1) log(1 + Δ²)
    degrees, size = nu + 1, 1 if posterior.diagonal else d  # diagonal: d separate t's of size 1
    constants = gammaln(degrees / 2) - gammaln((degrees - size) / 2)
    L = factors(inverse_scales)
    joint = np.empty((len(x), k))
    for j, stretch in enumerate((1 + beta) / beta):
        y = (
            (x - means[j]) / L[j]
            if posterior.diagonal
            else solve_triangular(L[j], (x - means[j]).T, lower=True).T
        ) ** 2
        y = (y if posterior.diagonal else y.sum(axis=1, keepdims=True)) / stretch
        joint[:, j] = -0.5 * degrees[j] * np.log1p(y).sum(axis=1) + constants[j] * (d / size)
        joint[:, j] -= 0.5 * d * np.log(np.pi * stretch)
    joint += np.log(alpha / alpha.sum()) - 0.5 * _log_determinants(L)
    return logsumexp(joint, axis=1)


# Checks


def check_prior(prior: MixturePrior, d: int) -> MixturePrior:
    """Return the prior as floats and float64 arrays, of dimension d, every distribution in it a proper one."""
    mean, inverse_scale = finite("mean", prior.mean), finite("inverse_scale", prior.inverse_scale)
    if mean.shape != (d,) or inverse_scale.shape not in ((d,), (d, d)):
        raise ValueError(
            f"the prior's mean and inverse_scale have shapes {mean.shape} and {inverse_scale.shape}; for x of dimension {d} "
            f"right would be ({d},) and ({d}, {d}), or ({d},) for the diagonal form."
        )
    if inverse_scale.ndim == 1:
        positive("inverse_scale", inverse_scale)
    else:
        covariance("inverse_scale", inverse_scale)
    numbers = [prior.concentration, prior.mean_precision, prior.degrees_of_freedom]
    floors = [0, 0, 0 if inverse_scale.ndim == 1 else d - 1]
    for name, value, floor in zip(
        ("concentration", "mean_precision", "degrees_of_freedom"), numbers, floors, strict=True
    ):
        if np.ndim(value) or not floor < value < np.inf:
            raise ValueError(f"the prior's {name} is {value}; it must be one finite number above {floor}.")
    alpha, beta, nu = map(float, numbers)
    return MixturePrior(alpha, beta, mean, nu, inverse_scale)


def check_posterior(posterior: MixturePosterior, x: np.ndarray | None = None) -> MixturePosterior:
    """Return the posterior as float64 arrays: shapes that fit (x too, if given), every distribution in it a proper one."""
    means, inverse_scales = (
        check_data(posterior.means, "means"),
        finite("inverse_scales", posterior.inverse_scales),
    )
    k, d = means.shape
    rows = [
        positive(name, getattr(posterior, name))
        for name in ("concentrations", "mean_precisions", "degrees_of_freedom")
    ]
    if any(row.shape != (k,) for row in rows) or inverse_scales.shape not in ((k, d), (k, d, d)):
        raise ValueError(
            f"concentrations, mean_precisions, means, degrees_of_freedom and inverse_scales have shapes {rows[0].shape}, "
            f"{rows[1].shape}, {means.shape}, {rows[2].shape} and {inverse_scales.shape}; right would be (k,), (k,), (k, d), "
            "(k,) and (k, d, d), or (k, d) for the diagonal form."
        )
    if x is not None and x.shape[1] != d:
        raise ValueError(
            f"x has {x.shape[1]} columns and the posterior has dimension {d}; give x the shape (n, {d}), one point a row."
        )
    if inverse_scales.ndim == 2:
        positive("inverse_scales", inverse_scales)
    else:
        for j, inverse_scale in enumerate(inverse_scales):
            covariance(f"inverse_scales[{j}]", inverse_scale)
        if (rows[2] <= d - 1).any():
            raise ValueError(
                f"degrees_of_freedom holds {rows[2].min():g}; each must be above d − 1 = {d - 1}."
            )
    return MixturePosterior(rows[0], rows[1], means, rows[2], inverse_scales)
