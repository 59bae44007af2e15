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

from vaecourse.fast_mixture import NO_SHARE
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


class Expectations(NamedTuple):
    """Under the posterior: E[log π] (k,), E[log|Λ|] (k,), E[Λ] = ν W (k, d, d) or (k, d); and log|W| (k,)."""

    log_weights: np.ndarray
    log_determinants: np.ndarray
    precisions: np.ndarray
    log_scales: np.ndarray


def expectations(posterior: MixturePosterior) -> Expectations:
    """E[log π_k], E[log|Λ_k|] and E[Λ_k] (Bishop, eq. 10.65, 10.66 and B.80)."""
    alpha, _, means, nu, inverse_scales = posterior
    d, L = means.shape[1], factors(inverse_scales)
    if posterior.diagonal:
        precisions, log_scales = nu[:, None] / inverse_scales, -2 * np.log(L).sum(axis=1)
    else:
        whiten = np.linalg.inv(L)
        precisions = nu[:, None, None] * (whiten.transpose(0, 2, 1) @ whiten)
        log_scales = -2 * np.log(L.diagonal(axis1=1, axis2=2)).sum(axis=1)
    # E[log π] = ψ(α) − ψ(Σ α);  E[log|Λ|] = Σ_i ψ((ν + 1 − i)/2) + d log 2 + log|W|
    log_determinants = digamma(halves(nu, d, posterior.diagonal)).sum(axis=0) + d * np.log(2) + log_scales
    return Expectations(digamma(alpha) - digamma(alpha.sum()), log_determinants, precisions, log_scales)


def expected_log_joint(posterior: MixturePosterior, x: np.ndarray) -> np.ndarray:
    """log ρ_nk = E[log π_k + log N(x_n; μ_k, Λ_k⁻¹)], shape (n, k) (Bishop, 10.46)."""
    _, beta, means, nu, inverse_scales = posterior
    k, d = means.shape
    joint, expected = np.empty((len(x), k)), expectations(posterior)
    constants = expected.log_weights + 0.5 * (expected.log_determinants - d * LOG_2PI)
    for j, (m, L) in enumerate(zip(means, factors(inverse_scales), strict=True)):
        # E[(x − μ)ᵀ Λ (x − μ)] = d/β + ν (x − m)ᵀ W (x − m), with W⁻¹ = L Lᵀ and y = L⁻¹(x − m)   (10.64)
        y = (x - m) / L if posterior.diagonal else solve_triangular(L, (x - m).T, lower=True).T
        joint[:, j] = constants[j] - 0.5 * (d / beta[j] + nu[j] * (y**2).sum(axis=1))
    return joint


def divergences(posterior: MixturePosterior, prior: MixturePrior) -> Divergences:
    """KL from the posterior's Dirichlet and Gaussian-Wisharts to the prior's; 0 for a component that no point is given to."""
    alpha, beta, means, nu, _ = posterior
    k, d = means.shape
    log_weights, log_determinants, precisions, log_scales = expectations(posterior)
    log_c0, log_b0 = prior_constants(prior, k)
    alpha0, beta0, m0, nu0, inverse_scale0 = prior
    # Dirichlet:  log C(α) − log C(α₀) + Σ (α − α₀) E[log π],  log C(α) = log Γ(Σ α) − Σ log Γ(α)   (B.23)
    weights = gammaln(alpha.sum()) - gammaln(alpha).sum() - log_c0 + (alpha - alpha0) @ log_weights
    # Gaussian given Λ:  ½ (d (β₀/β − 1 − log β₀/β) + β₀ (m − m₀)ᵀ E[Λ] (m − m₀))
    ratio, step = beta0 / beta, means - m0
    if posterior.diagonal:
        square, trace = (precisions * step**2).sum(axis=1), precisions @ inverse_scale0
    else:
        square = (step[:, None, :] @ precisions @ step[:, :, None])[:, 0, 0]
        trace = precisions.reshape(k, d * d) @ inverse_scale0.ravel()
    gaussian = 0.5 * (d * (ratio - 1 - np.log(ratio)) + beta0 * square)
    # Wishart:  log B(W, ν) − log B(W₀, ν₀) + ½ (ν − ν₀) E[log|Λ|] + ½ (tr(W₀⁻¹ E[Λ]) − ν d)
    wishart = _log_b(nu, log_scales, d, posterior.diagonal) - log_b0
    wishart += 0.5 * ((nu - nu0) * log_determinants + trace - nu * d)
    return Divergences(float(weights), gaussian + wishart)


def prior_constants(prior: MixturePrior, k: int) -> tuple[float, float]:
    """log C(α₀) of k components and log B(W₀, ν₀)."""
    alpha0, _, m0, nu0, inverse_scale0 = prior
    L = np.sqrt(inverse_scale0) if prior.diagonal else np.diag(np.linalg.cholesky(inverse_scale0))
    log_b = _log_b(np.full(1, nu0), -2 * np.log(L).sum(), len(m0), prior.diagonal)
    return float(gammaln(k * alpha0) - k * gammaln(alpha0)), float(log_b[0])


def _log_b(nu: np.ndarray, log_scales: np.ndarray, d: int, diagonal: bool) -> np.ndarray:
    """log B(W, ν) = −½ ν (log|W| + d log 2) − Σ_i log Γ((ν + 1 − i)/2), and a ¼ d (d − 1) log π that cancels (B.79)."""
    return -0.5 * nu * (log_scales + d * np.log(2)) - gammaln(halves(nu, d, diagonal)).sum(axis=0)


def halves(nu: np.ndarray, d: int, diagonal: bool) -> np.ndarray:
    """(ν + 1 − i)/2 for i = 1 … d, shape (d, k); diagonal: d one-dimensional Wisharts, ν/2 each."""
    return (nu - (np.zeros(d) if diagonal else np.arange(d))[:, None]) / 2


def factors(inverse_scales: np.ndarray) -> np.ndarray:
    """L with W⁻¹ = L Lᵀ, shape (k, d, d); diagonal: the square roots, shape (k, d)."""
    return np.sqrt(inverse_scales) if inverse_scales.ndim == 2 else np.linalg.cholesky(inverse_scales)


def posterior_from(
    prior: MixturePrior, totals: np.ndarray, means: np.ndarray, scatters: np.ndarray
) -> MixturePosterior:
    """The posterior from N_k (k,), x̄_k (k, d) and N_k S_k (k, d, d) or, diagonal, (k, d); no checks."""
    alpha0, beta0, m0, nu0, inverse_scale0 = prior
    if totals.min() < NO_SHARE:
        totals = np.where(totals < NO_SHARE, 0.0, totals)
        means = np.where(totals[:, None] > 0, means, m0)
    # α = α₀ + N,  β = β₀ + N,  ν = ν₀ + N   (10.58, 10.60, 10.63)
    alpha, beta, nu = alpha0 + totals, beta0 + totals, nu0 + totals
    # m = (β₀ m₀ + N x̄) / β, written as a step from m₀   (10.61)
    step = means - m0
    # W⁻¹ = W₀⁻¹ + N S + β₀ N / (β₀ + N) (x̄ − m₀)(x̄ − m₀)ᵀ   (10.62)
    pull = np.sqrt(beta0 * totals / beta)[:, None] * step
    square = pull**2 if prior.diagonal else pull[:, :, None] * pull[:, None, :]
    return MixturePosterior(
        alpha, beta, m0 + (totals / beta)[:, None] * step, nu, inverse_scale0 + scatters + square
    )


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
    # log St = log Γ((ν + 1)/2) − log Γ((ν + 1 − d)/2) − ½ log|π s W⁻¹| − ½ (ν + 1) log(1 + (x − m)ᵀ W (x − m) / s),
    # s = (1 + β)/β;  diagonal: a product of d such densities in one dimension
    size, L, joint = 1 if posterior.diagonal else d, factors(inverse_scales), np.empty((len(x), k))
    for j, s in enumerate((1 + beta) / beta):
        difference = x - means[j]
        if posterior.diagonal:
            squares, log_scale = difference**2 / inverse_scales[j], -2 * np.log(L[j]).sum()
        else:
            y = solve_triangular(L[j], difference.T, lower=True)
            squares, log_scale = (y**2).sum(axis=0)[:, None], -2 * np.log(np.diag(L[j])).sum()
        constant = (gammaln((nu[j] + 1) / 2) - gammaln((nu[j] + 1 - size) / 2)) * (d // size)
        constant -= 0.5 * (d * np.log(np.pi * s) - log_scale)
        joint[:, j] = constant - 0.5 * (nu[j] + 1) * np.log1p(squares / s).sum(axis=1)
    return logsumexp(joint + np.log(alpha / alpha.sum()), axis=1)


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
