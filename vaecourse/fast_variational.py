"""One sweep of CAVI for the Bayesian Gaussian mixture in one pass over the data: what `variational_mixture.cavi` runs.

log ρ_nk = E[log π_k + log N(x_n; μ_k, Λ_k⁻¹)] is log w̃_k + log N(x_n; m_k, Σ_k) with Σ_k = W_k⁻¹/ν_k = E[Λ_k]⁻¹: the same
as for EM, but for weights whose sum is not 1. So the passes of `vaecourse.fast_mixture` do the work, with its guards.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma

from vaecourse.fast_mixture import fast_form
from vaecourse.mixture_posterior import (
    Expectations,
    MixturePosterior,
    MixturePrior,
    divergences,
    halves,
    posterior_from,
    prior_constants,
)


class State(NamedTuple):
    """What the pass needs, and the KL(q‖p) in nats of all beliefs together."""

    passes: object
    divergence: float


class Sweep(NamedTuple):
    """The ELBO (nats) of the posterior before the sweep, the posterior and `enter`'s state after it."""

    elbo: float
    posterior: MixturePosterior
    state: State


class FastSweeps:
    """Sweeps of CAVI for k components over data of shape (n, d), equal to the textbook's; `None` where they would lose digits."""

    def __init__(self, x: np.ndarray, k: int, prior: MixturePrior):
        self.form, self.prior = fast_form(x, None, prior.diagonal, 0.0), prior
        self.constants = prior_constants(prior, k)

    def enter(self, posterior: MixturePosterior) -> State | None:
        """The state to sweep from; None where digits would be lost."""
        alpha, beta, means, nu, inverse_scales = posterior
        d = means.shape[1]
        # log w̃ = E[log π] + ½ (E[log|Λ|] + log|Σ| − d/β), where log|W| = −log|Σ| − d log ν drops out
        log_weights = digamma(alpha) - digamma(alpha.sum())
        spread = digamma(halves(nu, d, posterior.diagonal)).sum(axis=0) + d * np.log(2)
        log_nu = d * np.log(nu)
        passes = self.form.prepare(
            log_weights + 0.5 * (spread - log_nu - d / beta),
            means,
            inverse_scales / nu.reshape(-1, *[1] * (inverse_scales.ndim - 1)),
        )
        if passes is None:
            return None
        log_scales = -passes.log_determinants - log_nu
        expected = Expectations(log_weights, spread + log_scales, passes.precisions, log_scales)
        cost = divergences(posterior, self.prior, expected, self.constants)
        return State(passes, cost.weights + float(cost.components.sum()))

    def sweep(self, state: State) -> Sweep | None:
        """E-step and M-step from the state that `enter` gave; None where digits would be lost."""
        log_likelihood, totals, means, covariances = self.form.collect(state.passes)
        n = totals.reshape(-1, *[1] * (covariances.ndim - 1))
        posterior = posterior_from(self.prior, totals, means, n * covariances)
        after = self.enter(posterior)
        if not self.form.trusted(state.passes, means, after and after.passes):
            return None
        return Sweep(log_likelihood - state.divergence, posterior, after)
