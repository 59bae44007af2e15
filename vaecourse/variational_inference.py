"""Variational inference: the Gaussian q that maximizes the ELBO, by gradient ascent on a bound estimated from draws.

log p(x) = ELBO(q) + KL(q‖p(z|x)) with ELBO(q) = E_q[log p(x, z) − log q(z)]: for a fixed model the q of the largest ELBO is
the q of the smallest KL. Draws of q are written z = m + L e with e ~ N(0, I), so that they move smoothly with m and L.
The parameters of q, in the order of `parameters` and of every gradient: m (d,), then log sd (d,) in the diagonal family, or
in the full family the lower triangle of L row by row, with logarithms on its diagonal.
Everything is in nats. Sources: Kucukelbir et al., "Automatic differentiation variational inference" (2017), §2;
Mohamed et al., "Monte Carlo gradient estimation in machine learning" (2020), §4 and §5; Kingma and Ba, "Adam" (2015).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from vaecourse.gaussian_q import (
    GaussianQ,
    diagonal_q,
    entropy,
    full_q,
    is_log,
    log_density,
    log_density_of_noise,
    lower_triangle,
    parameters,
    transform,
    with_parameters,
)
from vaecourse.validation import finite, positive

__all__ = [
    "ELBOEstimate",
    "Evidence",
    "GaussianQ",
    "GradientEstimate",
    "LogJoint",
    "VIResult",
    "ascend",
    "diagonal_q",
    "elbo",
    "elbo_gradient",
    "entropy",
    "full_q",
    "importance_log_evidence",
    "log_density",
    "parameters",
    "score_gradient",
    "transform",
    "with_parameters",
]

SMOOTHED_OVER = 50  # steps averaged for one entry of VIResult.elbos
KEPT_MEAN, KEPT_SQUARE, SMALLEST = 0.9, 0.99, 1e-8  # Adam: what the running averages keep; its ε, in nats


class LogJoint(NamedTuple):
    """A model with the data already in it: log p(x, z) in nats and its gradient by z.

    `value` takes points (s, d) to (s,), `gradient` takes them to (s, d); `dimension` is d, where the model says it.
    """

    value: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]
    dimension: int | None = None


# The bound


class ELBOEstimate(NamedTuple):
    """The ELBO (nats) estimated from draws: the mean of the terms (s,), and its standard error."""

    value: float
    standard_error: float
    terms: np.ndarray


def elbo(model: LogJoint, q: GaussianQ, e) -> ELBOEstimate:
    """ELBO(q) = E_q[log p(x, z) − log q(z)] from independent noise e ~ N(0, I), shape (s, d) with s ≥ 2.

    Each term is log p(x) where q is the posterior, so that the error bar then vanishes. Value −∞ if a draw falls where
    the model's density is 0. ValueError if the model's dimension is not q's, or its log joint is NaN.
    """
    q, e = _checked(model, q, e, 2)
    terms = _terms(model, q, e)
    if np.isinf(terms).any():
        return ELBOEstimate(-np.inf, np.nan, terms)
    return ELBOEstimate(float(terms.mean()), float(terms.std(ddof=1) / np.sqrt(len(terms))), terms)


def _terms(model: LogJoint, q: GaussianQ, e: np.ndarray) -> np.ndarray:
    # log p(x, m + L e) − log q(m + L e)
    return _values(model, transform(q, e)) - log_density_of_noise(q, e)


class Evidence(NamedTuple):
    """log p(x) (nats) by importance sampling, its standard error, and how many of the draws count."""

    value: float
    standard_error: float
    effective_draws: float


def importance_log_evidence(model: LogJoint, q: GaussianQ, e) -> Evidence:
    """log p(x) = log E_q[p(x, z)/q(z)] from independent noise e, shape (s, d) with s ≥ 2: no bound, but the value itself.

    Trust the error bar only if many draws count, (Σ w)²/Σ w² of them for the weights w = p(x, z)/q(z): a q that is too
    narrow misses a part of the posterior and does not know it.
    """
    q, e = _checked(model, q, e, 2)
    log_w = _terms(model, q, e)
    if (log_w == -np.inf).all():
        raise ValueError(
            "q has no draw where the model's density is above 0; give a q that covers the posterior."
        )
    total, s = logsumexp(log_w), len(log_w)
    share = np.exp(log_w - total)
    # sd(log of a mean) ≈ sd(w) / (mean(w) √s), the delta method
    return Evidence(
        float(total - np.log(s)), float((s * share).std(ddof=1) / np.sqrt(s)), float(1 / (share**2).sum())
    )


# Its gradient, in two ways


class GradientEstimate(NamedTuple):
    """The gradient of the ELBO by the parameters of q, shape (k,): mean of the draws' terms (s, k), its standard error.

    The variance of one draw's estimate is `terms.var(axis=0)`; `standard_error` is NaN for a single draw.
    """

    value: np.ndarray
    standard_error: np.ndarray
    terms: np.ndarray


def elbo_gradient(model: LogJoint, q: GaussianQ, e, entropy: bool = True) -> GradientEstimate:
    """The pathwise gradient (reparameterization): how the ELBO changes as the draws m + L e move with m and L.

    From noise e (s, d). Without `entropy` it is the gradient of E_q[log p(x, z)] alone, which has no best q: see `ascend`.
    """
    q, e = _checked(model, q, e, 1)
    # ∇_m = ∇_z log p,  ∇_L = ∇_z log p eᵀ (its lower triangle);  the entropy Σ log L_jj adds 1 for every log L_jj
    return _estimate(_by_parameters(q, _gradients(model, transform(q, e)), e) + entropy * is_log(q))


def score_gradient(model: LogJoint, q: GaussianQ, e, entropy: bool = True) -> GradientEstimate:
    """The score-function gradient (REINFORCE): E_q[(log p(x, z) − log q(z)) ∇ log q(z)], which needs no ∇_z log p.

    From noise e (s, d). It has the same mean as `elbo_gradient`, and a far larger variance.
    """
    q, e = _checked(model, q, e, 1)
    z = transform(q, e)
    weights = _values(model, z) - entropy * log_density_of_noise(q, e)
    if np.isinf(weights).any():
        raise ValueError("A draw of q falls where the model's density is 0, so this gradient is infinite.")
    # ∇_m log q(z) = L⁻ᵀ e,  ∇_L log q(z) = L⁻ᵀ e eᵀ − diag(1/L_jj), with z held still
    score = _by_parameters(q, solve_triangular(q.factor, e.T, lower=True, trans="T").T, e) - is_log(q)
    return _estimate(weights[:, None] * score)


def _by_parameters(q: GaussianQ, g: np.ndarray, e: np.ndarray) -> np.ndarray:
    """From a direction g (s, d) along z to one along the parameters, (s, k): z = m + L e, d log L_jj = dL_jj / L_jj."""
    scale = np.diag(q.factor)
    if q.diagonal:
        return np.concatenate([g, g * e * scale], axis=1)
    outer = g[:, :, None] * e[:, None, :]
    outer[:, range(len(scale)), range(len(scale))] *= scale
    rows, columns = lower_triangle(len(scale))
    return np.concatenate([g, outer[:, rows, columns]], axis=1)


def _estimate(terms: np.ndarray) -> GradientEstimate:
    s = len(terms)
    error = terms.std(axis=0, ddof=1) / np.sqrt(s) if s > 1 else np.full(terms.shape[1], np.nan)
    return GradientEstimate(terms.mean(axis=0), error, terms)


# The climb


class VIResult(NamedTuple):
    """The q at the end, and the climb. `estimates` (steps,) are the ELBO of each step's q from that step's draws (nats);
    `elbos` (steps,) average the last 50 of them. `means` (steps + 1, d) and `factors` (steps + 1, d, d) begin with the start.
    """

    q: GaussianQ
    elbos: np.ndarray
    estimates: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    @property
    def sds(self) -> np.ndarray:
        """The standard deviations of q along the climb, shape (steps + 1, d)."""
        return np.sqrt((self.factors**2).sum(axis=2))

    def at(self, step: int) -> GaussianQ:
        """q after so many steps; 0 is the start."""
        return GaussianQ(self.means[step], self.factors[step], self.q.diagonal)


def ascend(
    model: LogJoint,
    start: GaussianQ,
    rng: np.random.Generator,
    steps: int = 2000,
    draws: int = 20,
    rate: float = 0.1,
    family: str = "diagonal",
    entropy: bool = True,
) -> VIResult:
    """Climb the ELBO from `start` by `elbo_gradient` and Adam, `draws` fresh draws a step, half of them mirror images.

    The step size falls from `rate` to 0 along half a cosine. It is in units of the start's standard deviations for the
    mean and in nats for the log sd, so the unit in which z is measured makes no difference; a start that is too wide is
    better than one too narrow. `family` "full" learns correlations too. With `entropy` False it climbs E_q[log p(x, z)]
    alone, whose best q is a spike at the mode; `elbos` stay the ELBO. ValueError, naming the step, if the climb leaves
    the numbers.
    """
    for name, count in (("steps", steps), ("draws", draws)):
        if not isinstance(count, int | np.integer) or count < 1:
            raise ValueError(f"{name} is {count}; it must be a whole number, at least 1.")
    positive("rate", rate)
    q = _start(model, start, family)
    values, units = parameters(q), _units(q)
    estimates, means, factors = np.empty(steps), [q.mean], [q.factor]
    mean, square = np.zeros(len(values)), np.zeros(len(values))
    for step in range(steps):
        half = rng.standard_normal(((draws + 1) // 2, len(q.mean)))
        e = np.concatenate([half, -half])[:draws]
        try:
            estimates[step] = _terms(model, q, e).mean()
            gradient = units * elbo_gradient(model, q, e, entropy).value
        except ValueError as reason:
            raise ValueError(f"Step {step + 1} of {steps} failed: {reason} {_ADVICE.format(rate)}") from None
        if estimates[step] == -np.inf:
            raise ValueError(
                f"Step {step + 1} of {steps} failed: a draw has the density 0. {_ADVICE.format(rate)}"
            )
        # Adam: gradients averaged, divided by their own size
        mean = KEPT_MEAN * mean + (1 - KEPT_MEAN) * gradient
        square = KEPT_SQUARE * square + (1 - KEPT_SQUARE) * gradient**2
        size = np.sqrt(square / (1 - KEPT_SQUARE ** (step + 1))) + SMALLEST
        now = rate * (1 + np.cos(np.pi * step / steps)) / 2
        values = values + now * units * mean / (1 - KEPT_MEAN ** (step + 1)) / size
        with np.errstate(over="ignore", under="ignore"):
            q = with_parameters(q, values)
        if not (np.isfinite(values).all() and np.isfinite(q.factor).all() and (np.diag(q.factor) > 0).all()):
            raise ValueError(
                f"Step {step + 1} of {steps} failed: q is no Gaussian any more. {_ADVICE.format(rate)}"
            )
        means.append(q.mean)
        factors.append(q.factor)
    return VIResult(q, _running_mean(estimates), estimates, np.array(means), np.array(factors))


_ADVICE = "Take a smaller rate (it is {:g}), or a start nearer to the posterior."


def _units(q: GaussianQ) -> np.ndarray:
    """The start's sd for each m_i and for each L_ij off the diagonal, 1 for each log L_jj; shape (k,)."""
    d = len(q.mean)
    of_factor = np.ones(d) if q.diagonal else q.sd[lower_triangle(d)[0]]
    return np.where(is_log(q) == 1, 1.0, np.concatenate([q.sd, of_factor]))


def _start(model: LogJoint, start: GaussianQ, family: str) -> GaussianQ:
    if family not in ("diagonal", "full"):
        raise ValueError(f'family is {family!r}; it is "diagonal" or "full".')
    start, _ = _checked(model, start, np.zeros((1, len(start.mean))), 1)
    if family == "diagonal" and np.tril(start.factor, -1).any():
        raise ValueError(
            'start has correlations, and family is "diagonal"; give it by diagonal_q, or take "full".'
        )
    return start._replace(diagonal=family == "diagonal")


def _running_mean(values: np.ndarray) -> np.ndarray:
    """The mean of each entry and up to 49 before it, same shape."""
    total = np.concatenate([[0.0], np.cumsum(values - values[0])])
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - SMOOTHED_OVER, 0)
    return values[0] + (total[last] - total[first]) / (last - first)


# Checks


def _checked(model: LogJoint, q: GaussianQ, e, least: int) -> tuple[GaussianQ, np.ndarray]:
    mean, factor, e = finite("q.mean", q.mean), finite("q.factor", q.factor), finite("e", e)
    d = mean.shape[-1] if mean.ndim else 0
    if mean.ndim != 1 or factor.shape != (d, d):
        raise ValueError(
            f"q has a mean of shape {mean.shape} and a factor of shape {factor.shape}; right would be (d,) and (d, d)."
        )
    if np.triu(factor, 1).any() or (np.diag(factor) <= 0).any():
        raise ValueError(
            "q.factor must be lower triangular with a positive diagonal, as np.linalg.cholesky gives it."
        )
    if model.dimension not in (None, d):
        raise ValueError(f"q has {d} coordinates and the model has {model.dimension}; they must be the same.")
    if e.ndim != 2 or e.shape[1] != d or len(e) < least:
        raise ValueError(
            f"e has shape {e.shape}; right would be (s, {d}), standard normal noise with s at least {least}."
        )
    return GaussianQ(mean, factor, q.diagonal), e


def _values(model: LogJoint, z: np.ndarray) -> np.ndarray:
    values = np.asarray(model.value(z), dtype=np.float64)
    if values.shape != (len(z),):
        raise ValueError(
            f"The model's value has shape {values.shape} for points {z.shape}; right would be ({len(z)},)."
        )
    wrong = ~(values < np.inf)
    if wrong.any():
        raise ValueError(f"The log joint is {values[wrong][0]} at z = {z[wrong][0]}.")
    return values


def _gradients(model: LogJoint, z: np.ndarray) -> np.ndarray:
    gradients = np.asarray(model.gradient(z), dtype=np.float64)
    if gradients.shape != z.shape:
        raise ValueError(
            f"The model's gradient has shape {gradients.shape} for points {z.shape}; right would be {z.shape}."
        )
    wrong = ~np.isfinite(gradients).all(axis=1)
    if wrong.any():
        raise ValueError(f"The gradient of the log joint is {gradients[wrong][0]} at z = {z[wrong][0]}.")
    return gradients
