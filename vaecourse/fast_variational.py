"""One sweep of CAVI for the Bayesian Gaussian mixture in one pass over the data: what `variational_mixture.cavi` runs.

With z = (1, x), all that a Gaussian-Wishart belief gathers is one matrix, the prior's plus the points':

    A_k = A₀ + Σ_n r_nk z_n z_nᵀ = [β, β mᵀ; β m, W⁻¹ + β m mᵀ] = L Lᵀ,   L = [√β, 0; √β m, factor of W⁻¹],

so that (x − m)ᵀ W (x − m) = zᵀ G z, where G is the product of L⁻¹ without its first row with itself: linear in the
features z_a z_b, as in `vaecourse.fast_mixture.Features`, whose pass over the data and whose guard do the work. In the
diagonal form there is one such matrix, 2 × 2, for each coordinate. Formulas: Bishop (2006), §10.2.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln

from vaecourse.fast_mixture import LARGEST_FEATURE_DIMENSION, NO_SHARE, Coefficients, Features
from vaecourse.mixture_model import LOG_2PI
from vaecourse.mixture_posterior import MixturePosterior, MixturePrior, halves, prior_constants

LOG_2 = np.log(2)


class State(NamedTuple):
    """α, β, ν, shape (k,) each, the factors L, what the pass needs, and the KL(q‖p) in nats of all beliefs together."""

    concentrations: np.ndarray
    mean_precisions: np.ndarray
    degrees_of_freedom: np.ndarray
    factors: np.ndarray
    coefficients: Coefficients
    divergence: float


def fast_sweeps(x: np.ndarray, k: int, prior: MixturePrior):
    """Sweeps for k components; None for full precisions in more than 32 dimensions, where the textbook form is as fast."""
    return FastSweeps(x, k, prior) if prior.diagonal or x.shape[1] <= LARGEST_FEATURE_DIMENSION else None


class FastSweeps:
    """Sweeps over data of shape (n, d), equal to the textbook's; each answers None where it would lose digits."""

    def __init__(self, x: np.ndarray, k: int, prior: MixturePrior):
        d = x.shape[1]
        self.form, self.prior = Features(x, None, prior.diagonal, 0.0), prior
        self.log_c0, self.log_b0 = prior_constants(prior, k)
        # where z_a z_b stands among the features
        if prior.diagonal:
            a = np.arange(d)
            self.places = np.stack([np.stack([0 * a, 1 + a]), np.stack([1 + a, 1 + d + a])]).transpose(
                2, 0, 1
            )
        else:
            self.places, upper = np.empty((d + 1, d + 1), dtype=int), np.triu_indices(d + 1)
            self.places[upper] = self.places[upper[::-1]] = np.arange(len(upper[0]))
            self.upper = upper[0] * (d + 1) + upper[1]
            self.factors = np.where(upper[0] == upper[1], -0.5, -1.0)
        self.anchor = self._gathered(np.full(1, prior.mean_precision), prior.mean, prior.inverse_scale[None])[
            0
        ]

    def enter(self, start) -> State | None:
        """The state of a `MixturePosterior`, or after an M-step from responsibilities of shape (n, k)."""
        if isinstance(start, MixturePosterior):
            alpha, beta, means, nu, inverse_scales = start
            return self._state(alpha, beta, nu, self._gathered(beta, means, inverse_scales))
        return self._update(self.form.moments(start.T))

    def sweep(self, state: State) -> tuple[float, State] | None:
        """The ELBO (nats) of this state, and the state after an E-step and an M-step."""
        log_likelihood, moments = self.form.collect(state.coefficients)
        after = self._update(moments)
        return None if after is None else (log_likelihood - state.divergence, after)

    def posterior(self, state: State) -> MixturePosterior:
        """The posterior of a state."""
        alpha, beta, nu, L, *_ = state
        if self.prior.diagonal:
            means, inverse_scales = L[:, :, 1, 0] / L[:, :, 0, 0], L[:, :, 1, 1] ** 2
        else:
            means, inverse_scales = L[:, 1:, 0] / L[:, :1, 0], L[:, 1:, 1:] @ L[:, 1:, 1:].transpose(0, 2, 1)
        return MixturePosterior(alpha, beta, means + self.form.centre, nu, inverse_scales)

    def _gathered(self, beta: np.ndarray, means: np.ndarray, inverse_scales: np.ndarray) -> np.ndarray:
        """A of a belief, in coordinates from the centre of the data: (k, d + 1, d + 1) or, diagonal, (k, d, 2, 2)."""
        m = np.broadcast_to(means - self.form.centre, inverse_scales.shape[:2])
        if self.prior.diagonal:
            z = np.stack([np.ones_like(m), m], axis=2)
            gathered = beta[:, None, None, None] * z[:, :, :, None] * z[:, :, None, :]
            gathered[:, :, 1, 1] += inverse_scales
        else:
            z = np.concatenate([np.ones((len(m), 1)), m], axis=1)
            gathered = beta[:, None, None] * z[:, :, None] * z[:, None, :]
            gathered[:, 1:, 1:] += inverse_scales
        return gathered

    def _update(self, moments: np.ndarray) -> State | None:
        """The M-step from Σ r z_a z_b, shape (k, features): α = α₀ + N, β = β₀ + N, ν = ν₀ + N, A = A₀ + Σ r z zᵀ."""
        totals = moments[:, 0]
        if totals.min() < NO_SHARE:
            totals = np.where(totals < NO_SHARE, 0.0, totals)
        alpha0, beta0, _, nu0, _ = self.prior
        return self._state(
            alpha0 + totals, beta0 + totals, nu0 + totals, self.anchor + moments[:, self.places]
        )

    @np.errstate(
        over="ignore", invalid="ignore", divide="ignore"
    )  # what comes of it fails the test of `coefficients`
    def _state(
        self, alpha: np.ndarray, beta: np.ndarray, nu: np.ndarray, gathered: np.ndarray
    ) -> State | None:
        alpha0, beta0, m0, nu0, _ = self.prior
        k, d = len(alpha), len(m0)
        try:
            L = np.linalg.cholesky(gathered)
            whiten = np.linalg.inv(L)
        except np.linalg.LinAlgError:
            return None
        # ν G, of which (x − m)ᵀ E[Λ] (x − m) = ν zᵀ G z is made; and log|W⁻¹|
        if self.prior.diagonal:
            last = whiten[:, :, 1]
            G = nu[:, None, None, None] * (last[:, :, :, None] * last[:, :, None, :])
            rows = np.concatenate(
                [-0.5 * G[:, :, 0, 0].sum(axis=1)[:, None], -G[:, :, 0, 1], -0.5 * G[:, :, 1, 1]], axis=1
            )
            log_determinants = 2 * np.log(L[:, :, 1, 1]).sum(axis=1)
        else:
            whiten = whiten[:, 1:]
            G = nu[:, None, None] * (whiten.transpose(0, 2, 1) @ whiten)
            rows = G.reshape(k, -1)[:, self.upper] * self.factors
            log_determinants = 2 * np.log(np.einsum("kaa->ka", L)[:, 1:]).sum(axis=1)
        # E[log π] = ψ(α) − ψ(Σ α)   (10.66);  E[log|Λ|] = Σ_i ψ((ν + 1 − i)/2) + d log 2 − log|W⁻¹|   (10.65)
        total, h = alpha.sum(), halves(nu, d, self.prior.diagonal)
        log_weights = digamma(alpha) - digamma(total)
        expected = digamma(h).sum(axis=0) + d * LOG_2 - log_determinants
        # log ρ at the mean: E[log π] + ½ (E[log|Λ|] − d log 2π − d/β)   (10.46, 10.64)
        peaks = log_weights + 0.5 * (expected - d * LOG_2PI - d / beta)
        coefficients = self.form.coefficients(peaks, rows, max(1.0, *(beta / nu).tolist()))
        if coefficients is None:
            return None
        # the KL divergences, term by term as in `mixture_posterior.divergences`; tr(A₀ ν G) is
        # tr(W₀⁻¹ E[Λ]) + β₀ (m − m₀)ᵀ E[Λ] (m − m₀)
        ratio = beta0 / beta
        components = d * (ratio - 1 - np.log(ratio)) + G.reshape(k, -1) @ self.anchor.ravel() - nu * d
        components += nu * (log_determinants - d * LOG_2) + (nu - nu0) * expected
        divergence = (
            gammaln(total) - gammaln(alpha).sum() - self.log_c0 + (alpha - alpha0) @ log_weights
            + 0.5 * components.sum() - gammaln(h).sum() - k * self.log_b0
        )  # fmt: skip
        return State(alpha, beta, nu, L, coefficients, float(divergence))
