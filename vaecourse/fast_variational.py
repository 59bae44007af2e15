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

from vaecourse.fast_mixture import LARGEST_FEATURE_DIMENSION, LOG_2, NO_SHARE, Coefficients, Features
from vaecourse.mixture_model import LOG_2PI
from vaecourse.mixture_posterior import MixturePosterior, MixturePrior, divergences, halves, prior_constants


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
        # what the prior's mean adds to A cancels like a point there
        form = self.form
        far = np.maximum(form.largest[1 : d + 1], np.abs(prior.mean - form.centre))
        form.largest = np.concatenate([[1.0], far, far[form.rows] * far[form.columns]])
        log_c0, log_b0 = prior_constants(prior, k)
        # log C(α₀) + Σ_k (log B(W₀, ν₀) + ½ d log β₀) − ½ n d log 2π
        self.constant = (
            log_c0 + k * (log_b0 + 0.5 * d * np.log(prior.mean_precision)) - 0.5 * x.size * LOG_2PI
        )
        self.d, self.half_log_pi = d, 0.5 * d * np.log(np.pi)
        # where z_a z_b stands among the features
        if prior.diagonal:
            a = np.arange(d)
            self.places = np.moveaxis([[0 * a, 1 + a], [1 + a, 1 + d + a]], 2, 0)
        else:
            self.places, upper = np.empty((d + 1, d + 1), dtype=int), np.triu_indices(d + 1)
            self.places[upper] = self.places[upper[::-1]] = np.arange(len(upper[0]))
            self.upper = upper[0] * (d + 1) + upper[1]
            self.factors = np.where(upper[0] == upper[1], -0.5, -1.0)
        beta0 = np.full(1, prior.mean_precision)
        (self.anchor,) = self._gathered(beta0, prior.mean, prior.inverse_scale[None])

    def enter(self, start) -> State | None:
        """The state of a `MixturePosterior`, or after an M-step from responsibilities of shape (n, k)."""
        if not isinstance(start, MixturePosterior):
            return self._update(self.form.moments(start.T))
        alpha, beta, means, nu, inverse_scales = start
        far = self.form.largest[1 : self.d + 1]
        if (np.abs(means - self.form.centre) > far * (1 + 1e-9)).any():
            return None  # a mean that no M-step gives, and the guard does not know
        cost = divergences(start, self.prior)
        return self._state(
            alpha, beta, nu, self._gathered(beta, means, inverse_scales), cost.weights + cost.components.sum()
        )

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
            alpha0 + totals, beta0 + totals, nu0 + totals, self.anchor + moments.take(self.places, axis=1)
        )

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # `coefficients` refuses what comes of it
    def _state(
        self,
        alpha: np.ndarray,
        beta: np.ndarray,
        nu: np.ndarray,
        gathered: np.ndarray,
        divergence: float | None = None,
    ) -> State | None:
        """The state of a belief; without its divergence it comes from an M-step: α − α₀ = β − β₀ = ν − ν₀ = N."""
        try:
            L = np.linalg.cholesky(gathered)
            whiten = np.linalg.inv(L)
        except np.linalg.LinAlgError:
            return None
        k, d = len(alpha), self.d
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
            rows = G.reshape(k, -1).take(self.upper, axis=1) * self.factors
            log_determinants = 2 * np.log(L.diagonal(axis1=1, axis2=2)[:, 1:]).sum(axis=1)
        # log ρ at the mean: E[log π] + ½ (E[log|Λ|] − d log 2π − d/β)   (10.46, 10.64), where
        # E[log π] = ψ(α) − ψ(Σ α) and E[log|Λ|] = Σ_i ψ((ν + 1 − i)/2) + d log 2 − log|W⁻¹|   (10.65, 10.66)
        total, h = alpha.sum(), halves(nu, d, self.prior.diagonal)
        peaks = digamma(alpha) + 0.5 * (digamma(h).sum(axis=0) - log_determinants - d / beta)
        peaks -= digamma(total) + self.half_log_pi
        # β/ν beyond 1 makes A₀ larger beside W⁻¹ than the guard knows
        coefficients = self.form.coefficients(peaks, rows, max(1.0, *(beta / nu).tolist()))
        if coefficients is None:
            return None
        if divergence is None:
            # the KLs of `mixture_posterior.divergences`, summed. With N for all three differences, the terms in E[log π]
            # and E[log|Λ|] are N · peaks, and those in β₀/β cancel; tr(A₀ ν G) is tr(W₀⁻¹ E[Λ]) and
            # β₀ (m − m₀)ᵀ E[Λ] (m − m₀) together
            totals = alpha - self.prior.concentration
            twice = nu @ (log_determinants - d * (1 + LOG_2)) + (G.reshape(k, -1) @ self.anchor.ravel()).sum()
            twice += d * np.log(beta).sum()
            divergence = totals @ peaks + 0.5 * twice - gammaln(alpha).sum() - gammaln(h).sum()
            divergence += gammaln(total) - self.constant
        return State(alpha, beta, nu, L, coefficients, float(divergence))
