"""The derivations of lesson 05: the best factor of a factorized q, for the Gaussian, for weights and for a component.

Source: Bishop, "Pattern Recognition and Machine Learning" (2006), sections 10.1.1 to 10.1.3 and 10.2.1.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import betaln, gammaln

from vaecourse.derivation import Chain, Parameter, Step

# Three hidden numbers: p(X, z) is p(X) times a Gaussian in z = (z_1, z_2, z_3), every pair with the same correlation.

LOG_EVIDENCE = -2.0
MEAN = np.array([0.5, -0.5, 1.0])
REST = np.array([-0.5, 0.5])  # the log-variances of q_2 and q_3; means: m_2 is a slider, m_3 is
M_3 = 0.0

# Gauss-Hermite nodes: with four of them, integrals of polynomials up to degree 7 under N(0, 1) are exact
_U, _WEIGHTS = np.polynomial.hermite_e.hermegauss(4)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


class Three(NamedTuple):
    """The correlation, shape (n,), and q's means and log-variances, shape (n, 3). The group j is the first."""

    correlation: np.ndarray
    m: np.ndarray
    s: np.ndarray

    def log_p(self, z) -> np.ndarray:
        """log p(X, z) for z of shape (n, ..., 3)"""
        covariance = (1 - self.correlation)[:, None, None] * np.eye(3) + self.correlation[:, None, None]
        precision = np.linalg.inv(covariance)
        d = z - MEAN
        flat = d.reshape(len(d), -1, 3)
        square = np.einsum("nka,nab,nkb->nk", flat, precision, flat).reshape(d.shape[:-1])
        constant = LOG_EVIDENCE - 1.5 * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(covariance)[1]
        return constant.reshape(-1, *[1] * (square.ndim - 1)) - 0.5 * square

    def log_q(self, i: int, z) -> np.ndarray:
        """log q_i at z of shape (n, ...)"""
        m, s = (value[:, i].reshape(-1, *[1] * (np.ndim(z) - 1)) for value in (self.m, self.s))
        return -0.5 * np.log(2 * np.pi) - s / 2 - (z - m) ** 2 / (2 * np.exp(s))

    def nodes(self, i: int) -> np.ndarray:
        """The z_i at which q_i is integrated, shape (n, 4)."""
        return self.m[:, [i]] + np.exp(self.s[:, [i]] / 2) * _U

    def grid(self) -> np.ndarray:
        """All combinations of the nodes, shape (n, 4, 4, 4, 3)."""
        z = [self.nodes(i) for i in range(3)]
        shape = (len(self.m), 4, 4, 4)
        return np.stack(
            [
                np.broadcast_to(z[i].reshape(len(self.m), *(4 if a == i else 1 for a in range(3))), shape)
                for i in range(3)
            ],
            axis=-1,
        )

    def all(self, values) -> np.ndarray:
        """∫ q(z) values dz for values of shape (n, 4, 4, 4); result (n,)"""
        return np.einsum("nabc,a,b,c->n", values, _WEIGHTS, _WEIGHTS, _WEIGHTS)

    def log_q_all(self) -> np.ndarray:
        z = self.grid()
        return sum(self.log_q(i, z[..., i]) for i in range(3))

    def over_rest(self, z_1) -> np.ndarray:
        """E_{i≠1}[log p(X, z)] as a function of z_1, shape (n, k) for z_1 of shape (n, k)"""
        n, k = z_1.shape
        z = np.empty((n, k, 4, 4, 3))
        z[..., 0] = z_1[:, :, None, None]
        z[..., 1] = self.nodes(1)[:, None, :, None]
        z[..., 2] = self.nodes(2)[:, None, None, :]
        return np.einsum("nkbc,b,c->nk", self.log_p(z), _WEIGHTS, _WEIGHTS)

    def own(self, values) -> np.ndarray:
        """∫ q_1(z_1) values dz_1 for values at `nodes(0)`, shape (n, 4); result (n,)"""
        return values @ _WEIGHTS

    def first(self) -> np.ndarray:
        """① after the rest is averaged: ∫ q_1 E_{i≠1}[log p] dz_1"""
        return self.own(self.over_rest(self.nodes(0)))

    def entropy(self, i: int) -> np.ndarray:
        """−∫ q_i ln q_i dz_i"""
        return -self.log_q(i, self.nodes(i)) @ _WEIGHTS

    def log_area(self) -> np.ndarray:
        """c_j = ln ∫ exp E_{i≠1}[ln p(X, z)] dz_1, shape (n, 1), by thin strips"""
        z = np.broadcast_to(_STRIPS, (len(self.m), len(_STRIPS)))
        curve = _through(self.over_rest(_THREE_POINTS + np.zeros((len(self.m), 3))), z)
        return np.log(np.exp(curve).sum(axis=1) * (_STRIPS[1] - _STRIPS[0]))[:, None]

    def log_best(self, z_1) -> np.ndarray:
        """ln p̃_j(z_1) = E_{i≠1}[ln p(X, z)] − c_j"""
        return self.over_rest(z_1) - self.log_area()


_STRIPS = np.linspace(-25, 25, 2001)
_THREE_POINTS = np.array([-1.0, 0.0, 1.0])


def _through(values, z) -> np.ndarray:
    """The parabola through `values` at −1, 0, 1, read at z: the average of a Gaussian log density is one."""
    left, middle, right = values.T[:, :, None]
    return middle + (right - left) / 2 * z + ((right + left) / 2 - middle) * z**2


def three(correlation, m_1, s_1, m_2) -> Three:
    rest = np.ones_like(correlation)
    return Three(
        correlation,
        np.column_stack([m_1, m_2, M_3 * rest]),
        np.column_stack([s_1, REST[0] * rest, REST[1] * rest]),
    )


_OURS = r"\int q_j\,E_{i\neq j}\bigl[\ln p(X,z)\bigr]dz_j"
_HAT = r"\tilde p_j"

MEAN_FIELD = Chain(
    name="MEAN_FIELD",
    title="The best factor, when the others stand still",
    setting="Three hidden numbers z₁, z₂, z₃, and q = q₁ q₂ q₃, each a Gaussian with mean mᵢ. p(X, z) is a constant p(X) times a Gaussian whose pairs all have "
    "the correlation ρ. The group j is the first: s₁ is the log-variance of q₁.",
    parameters=(
        Parameter("correlation", r"\rho", "correlation of each pair under p", -0.4, 0.9, 0.6),
        Parameter("m_1", "m_1", "mean of q₁, the factor that moves", -2.0, 3.0, -0.5),
        Parameter("s_1", "s_1", "log-variance of q₁", -3.0, 1.0, 0.0),
        Parameter("m_2", "m_2", "mean of q₂, one of those that stand still", -2.0, 2.0, 0.0),
    ),
    model=three,
    left=r"\mathrm{ELBO}",
    steps=(
        Step(r"\int q(z)\ln p(X,z)\,dz - \int q(z)\ln q(z)\,dz", "definition and linearity: ① − ②",
             lambda t: t.all(t.log_p(t.grid())) - t.all(t.log_q_all())),
        Step(r"\int \prod_i q_i(z_i)\,\ln p(X,z)\,dz - \int q(z)\ln q(z)\,dz", "①: q is a product",
             lambda t: t.all(t.log_p(t.grid())) - t.all(t.log_q_all())),
        Step(r"\int q_j\left[\int \prod_{i\neq j} q_i\,\ln p(X,z)\,dz_{i\neq j}\right]dz_j - \int q(z)\ln q(z)\,dz", "①: integrate over z_j last",
             lambda t: t.own(t.over_rest(t.nodes(0))) - t.all(t.log_q_all())),
        Step(_OURS + r" - \int q(z)\ln q(z)\,dz", "①: definition of the average over all other factors", lambda t: t.first() - t.all(t.log_q_all())),
        Step(_OURS + r" - \int \prod_i q_i\,\ln \prod_k q_k\,dz", "②: q is a product", lambda t: t.first() - t.all(t.log_q_all())),
        Step(_OURS + r" - \int \prod_i q_i \sum_k \ln q_k\,dz", "②: log of a product",
             lambda t: t.first() - t.all(sum(t.log_q(k, t.grid()[..., k]) for k in range(3)))),
        Step(_OURS + r" - \sum_k \int \prod_i q_i\,\ln q_k\,dz", "②: linearity",
             lambda t: t.first() - sum(t.all(t.log_q(k, t.grid()[..., k])) for k in range(3))),
        Step(_OURS + r" - \sum_k \int q_k \ln q_k\,dz_k", "②: the other factors are normalized", lambda t: t.first() + sum(t.entropy(k) for k in range(3))),
        Step(_OURS + r" - \int q_j\ln q_j\,dz_j + C", "C is short for the terms without j: the entropies of the other factors",
             lambda t: t.first() + t.entropy(0) + (t.entropy(1) + t.entropy(2))),
        Step(r"\int q_j\bigl[\ln " + _HAT + r" + c_j\bigr]dz_j - \int q_j\ln q_j\,dz_j + C", "name a density: ln p̃_j is the average minus the c_j that gives it area 1",
             lambda t: t.own(t.log_best(t.nodes(0)) + t.log_area()) + t.entropy(0) + (t.entropy(1) + t.entropy(2))),
        Step(r"\int q_j\ln " + _HAT + r"\,dz_j - \int q_j\ln q_j\,dz_j + c_j + C", "linearity; q_j is normalized",
             lambda t: t.own(t.log_best(t.nodes(0))) + t.entropy(0) + t.log_area()[:, 0] + (t.entropy(1) + t.entropy(2))),
        Step(r"-\int q_j\ln\frac{q_j}{" + _HAT + r"}\,dz_j + c_j + C", "linearity, log of a quotient",
             lambda t: -t.own(t.log_q(0, t.nodes(0)) - t.log_best(t.nodes(0))) + t.log_area()[:, 0] + (t.entropy(1) + t.entropy(2))),
        Step(r"-\mathrm{KL}\bigl(q_j\,\|\," + _HAT + r"\bigr) + c_j + C", "definition of KL",
             lambda t: -t.own(t.log_q(0, t.nodes(0)) - t.log_best(t.nodes(0))) + t.log_area()[:, 0] + (t.entropy(1) + t.entropy(2))),
        Step(r"c_j + C", "KL is never negative, and zero for q_j = p̃_j", lambda t: t.log_area()[:, 0] + (t.entropy(1) + t.entropy(2)), "<="),
    ),
)  # fmt: skip

# The correlated Gaussian in the plane


class Pair(NamedTuple):
    """A Gaussian with mean 0, standard deviations sd and 1 and a correlation; z_1, and the mean of q_2. Each of shape (n,)."""

    correlation: np.ndarray
    sd: np.ndarray
    z: np.ndarray
    m_2: np.ndarray

    def covariance(self) -> np.ndarray:
        off = self.correlation * self.sd
        return np.array([[self.sd**2, off], [off, np.ones_like(off)]]).transpose(2, 0, 1)

    def precision(self) -> np.ndarray:
        """Λ = Σ⁻¹, shape (n, 2, 2)"""
        return np.linalg.inv(self.covariance())

    def over_second(self, z_1) -> np.ndarray:
        """E_{q_2}[ln p(z_1, z_2)], shape (n,); q_2 has mean m_2 and variance ½"""
        z_2 = self.m_2[:, None] + np.sqrt(0.5) * _U
        z = np.stack([np.broadcast_to(z_1[:, None], z_2.shape), z_2], axis=-1)
        square = np.einsum("nka,nab,nkb->nk", z, self.precision(), z)
        constant = -np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(self.covariance())[1]
        return constant - 0.5 * square @ _WEIGHTS

    def best_mean(self) -> np.ndarray:
        """m_1 = −Λ₁₂ m_2 / Λ₁₁"""
        precision = self.precision()
        return -precision[:, 0, 1] * self.m_2 / precision[:, 0, 0]


_RHO = Parameter("correlation", r"\rho", "correlation of z₁ and z₂ under p", -0.95, 0.95, 0.8, places=2)
_SIGMA = Parameter("sd", r"\sigma_1", "standard deviation of z₁ under p", 0.5, 2.0, 1.0)
_SQUARE = r"\tfrac12\Lambda_{11}"


def _own_terms(p: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Λ₁₁ and Λ₁₂, shape (n,)"""
    precision = p.precision()
    return precision[:, 0, 0], precision[:, 0, 1]


GAUSSIAN_UPDATE = Chain(
    name="GAUSSIAN_UPDATE",
    title="The best factor of a Gaussian is a Gaussian",
    setting="p(z₁, z₂) is a Gaussian with mean 0, standard deviations σ₁ and 1 and correlation ρ. The table Λ is the inverse of its covariance. m₂ is the mean of q₂. "
    "Every line compares z₁ with 0, so that constants cancel.",
    parameters=(
        _RHO,
        _SIGMA,
        Parameter("z", "z_1", "the point at which the lines are read", -3.0, 3.0, 1.0),
        Parameter("m_2", "m_2", "mean of q₂", -2.0, 2.0, 1.0),
    ),
    model=Pair,
    left=r"\ln\tilde p_1(z_1) - \ln\tilde p_1(0)",
    steps=(
        Step(r"E_2\bigl[\ln p(z_1, z_2)\bigr] - E_2\bigl[\ln p(0, z_2)\bigr]", "definition of p̃₁; its constant cancels",
             lambda p: p.over_second(p.z) - p.over_second(np.zeros_like(p.z))),
        Step(r"E_2\Bigl[-" + _SQUARE + r" z_1^2 - \Lambda_{12}\,z_1 z_2\Bigr]", "insert the Gaussian log density: what has no z₁ cancels",
             lambda p: (-0.5 * _own_terms(p)[0][:, None] * p.z[:, None] ** 2
             - _own_terms(p)[1][:, None] * p.z[:, None] * (p.m_2[:, None] + np.sqrt(0.5) * _U)) @ _WEIGHTS),
        Step(r"-" + _SQUARE + r" z_1^2 - \Lambda_{12}\,z_1\,E_2[z_2]", "linearity",
             lambda p: -0.5 * _own_terms(p)[0] * p.z**2 - _own_terms(p)[1] * p.z * ((p.m_2[:, None] + np.sqrt(0.5) * _U) @ _WEIGHTS)),
        Step(r"-" + _SQUARE + r" z_1^2 - \Lambda_{12}\,z_1\,m_2", "definition of the mean of q₂",
             lambda p: -0.5 * _own_terms(p)[0] * p.z**2 - _own_terms(p)[1] * p.z * p.m_2),
        Step(r"-" + _SQUARE + r"\bigl[z_1^2 - 2 z_1 m_1\bigr]", "factor out; m₁ is short for −Λ₁₂ m₂/Λ₁₁",
             lambda p: -0.5 * _own_terms(p)[0] * (p.z**2 - 2 * p.z * p.best_mean())),
        Step(r"-" + _SQUARE + r"\bigl[(z_1 - m_1)^2 - m_1^2\bigr]", "complete the square",
             lambda p: -0.5 * _own_terms(p)[0] * ((p.z - p.best_mean()) ** 2 - p.best_mean() ** 2)),
        Step(r"\ln N(z_1;\,m_1, \Lambda_{11}^{-1}) - \ln N(0;\,m_1, \Lambda_{11}^{-1})", "insert the Gaussian log density, backwards",
             lambda p: _log_normal(p.z, p.best_mean(), 1 / _own_terms(p)[0]) - _log_normal(0.0, p.best_mean(), 1 / _own_terms(p)[0])),
    ),
)  # fmt: skip

LOST_VARIANCE = Chain(
    name="LOST_VARIANCE",
    title="How much variance is lost",
    setting="The same Gaussian. The covariance has σ₁² and σ₂² = 1 on its diagonal and ρσ₁σ₂ beside it. The numbers here are variances.",
    parameters=(_RHO, _SIGMA),
    model=lambda correlation, sd: Pair(correlation, sd, np.zeros_like(sd), np.zeros_like(sd)),
    left=r"\mathrm{Var}_{q}[z_1]",
    steps=(
        Step(r"\Lambda_{11}^{-1}", "the variance of the best factor, above", lambda p: 1 / _own_terms(p)[0]),
        Step(r"\frac{\sigma_1^2\sigma_2^2 - (\rho\sigma_1\sigma_2)^2}{\sigma_2^2}", "the inverse of a 2×2 table: swap the diagonal, divide by the determinant",
             lambda p: (p.sd**2 - (p.correlation * p.sd) ** 2) / 1.0),
        Step(r"\sigma_1^2\,(1 - \rho^2)", "collect terms: σ₂² cancels", lambda p: p.sd**2 * (1 - p.correlation**2)),
        Step(r"\mathrm{Var}_{p}[z_1]\,(1 - \rho^2)", "definition of σ₁²", lambda p: p.covariance()[:, 0, 0] * (1 - p.correlation**2)),
    ),
)  # fmt: skip


def _log_normal(x, mean, variance) -> np.ndarray:
    return -0.5 * np.log(2 * np.pi * variance) - (x - mean) ** 2 / (2 * variance)


# The Bayesian mixture: five points, two components, the shares r of the E-step for the first of them.

POINTS = np.array([-2.0, -1.5, -0.5, 1.0, 2.5])
SHARES = np.array([0.95, 0.9, 0.6, 0.2, 0.05])
COUNT = SHARES.sum()
OTHER = len(POINTS) - COUNT


CENTRES = (-1.0, 1.0)


class Weight(NamedTuple):
    """The prior's α₀ and the weight w_1 at which the lines are read; each of shape (n,)."""

    alpha: np.ndarray
    w: np.ndarray

    def log_beta(self, a, b) -> np.ndarray:
        """The Dirichlet of two weights is a Beta."""
        return (a - 1) * np.log(self.w) + (b - 1) * np.log1p(-self.w) - betaln(a, b)

    def log_prior(self) -> np.ndarray:
        return self.log_beta(self.alpha, self.alpha)

    def log_joint(self, k: int, n: int) -> np.ndarray:
        """ln p(x_n, z_n = k | w); here the components have means −1 and 1 and variance 1"""
        return _log_normal(POINTS[n], CENTRES[k], 1.0) + (np.log1p(-self.w) if k else np.log(self.w))

    def against_half(self, function) -> np.ndarray:
        return function(self) - function(self._replace(w=np.full_like(self.w, 0.5)))


# E_z[ln p(X|z)]
_OF_POINTS = SHARES @ _log_normal(POINTS, CENTRES[0], 1.0) + (1 - SHARES) @ _log_normal(
    POINTS, CENTRES[1], 1.0
)


def _powers(v: Weight) -> np.ndarray:
    return (v.alpha + COUNT - 1) * np.log(v.w) + (v.alpha + OTHER - 1) * np.log1p(-v.w)


DIRICHLET_UPDATE = Chain(
    name="DIRICHLET_UPDATE",
    title="The best factor for the weights",
    setting="Five points, two components. The shares of component 1 are .95, .9, .6, .2, .05, so n₁ = 2.7 and n₂ = 2.3. The prior of the weights (w₁, w₂) is the "
    "Dirichlet with α₀ for each. Every line compares w₁ with ½, so that constants cancel.",
    parameters=(
        Parameter("alpha", r"\alpha_0", "the prior's strength for each component", 0.1, 5.0, 1.0),
        Parameter("w", "w_1", "the weight at which the lines are read", 0.05, 0.95, 0.7, places=2),
    ),
    model=Weight,
    left=r"\ln\tilde p(w) - \ln\tilde p(\tfrac12)",
    steps=(
        Step(r"\Delta\,E_z\bigl[\ln p(X,z,w)\bigr]", "definition of p̃ for the group w; Δ is short for “at w minus at ½”, so its constant cancels",
             lambda v: v.against_half(lambda u: sum(r * u.log_joint(0, n) + (1 - r) * u.log_joint(1, n) for n, r in enumerate(SHARES)) + u.log_prior())),
        Step(r"\Delta\,E_z\bigl[\ln p(X|z) + \ln p(z|w) + \ln p(w)\bigr]", "product rule, log of a product",
             lambda v: v.against_half(lambda u: _OF_POINTS + sum(r * np.log(u.w) + (1 - r) * np.log1p(-u.w) for r in SHARES) + u.log_prior())),
        Step(r"\Delta\left\{E_z\bigl[\ln p(z|w)\bigr] + \ln p(w)\right\}", "linearity; p(X|z) has no w: it cancels",
             lambda v: v.against_half(lambda u: sum(r * np.log(u.w) + (1 - r) * np.log1p(-u.w) for r in SHARES) + u.log_prior())),
        Step(r"\Delta\left\{\sum_n E_z\bigl[\ln w_{z_n}\bigr] + \ln p(w)\right\}", "independent labels: log of a product; p(zₙ|w) is the weight of that label",
             lambda v: v.against_half(lambda u: (SHARES[:, None] * np.log(u.w) + (1 - SHARES[:, None]) * np.log1p(-u.w)).sum(axis=0) + u.log_prior())),
        Step(r"\Delta\left\{\sum_n \sum_k r_{nk}\ln w_k + \ln p(w)\right\}", "definition of the average over z: its probabilities are the shares",
             lambda v: v.against_half(lambda u: SHARES.sum() * np.log(u.w) + (1 - SHARES).sum() * np.log1p(-u.w) + u.log_prior())),
        Step(r"\Delta\left\{\sum_k n_k\ln w_k + \ln p(w)\right\}", "collect terms: the shares of each component sum to n_k",
             lambda v: v.against_half(lambda u: COUNT * np.log(u.w) + OTHER * np.log1p(-u.w) + u.log_prior())),
        Step(r"\Delta\left\{\sum_k n_k\ln w_k + \sum_k (\alpha_0 - 1)\ln w_k\right\}", "insert the Dirichlet density; its constant cancels",
             lambda v: v.against_half(lambda u: COUNT * np.log(u.w) + OTHER * np.log1p(-u.w) + (u.alpha - 1) * (np.log(u.w) + np.log1p(-u.w)))),
        Step(r"\Delta\left\{\sum_k (\alpha_0 + n_k - 1)\ln w_k\right\}", "collect terms", lambda v: v.against_half(_powers)),
        Step(r"\Delta\,\ln\mathrm{Dirichlet}(w;\,\alpha_0 + n_1,\,\alpha_0 + n_2)", "insert the Dirichlet density, backwards",
             lambda v: v.against_half(lambda u: u.log_beta(u.alpha + COUNT, u.alpha + OTHER))),
    ),
)  # fmt: skip

# The prior of a component on a line: precision λ from a Gamma(a₀, b₀), mean given λ from N(0, 1/(β₀λ)).

A_0, B_0, BETA_0 = 1.0, 1.0, 0.5


class Component(NamedTuple):
    """The mean and the precision at which the lines are read; each of shape (n, 1)."""

    mean: np.ndarray
    precision: np.ndarray

    def log_likelihood(self) -> np.ndarray:
        """Σ_n r_n ln N(x_n; mean, 1/precision), shape (n,)"""
        return (SHARES * _log_normal(POINTS, self.mean, 1 / self.precision)).sum(axis=1)

    def log_prior(self, a=A_0, b=B_0, beta=BETA_0, mean=0.0) -> np.ndarray:
        """ln Gamma(λ; a, b) + ln N(μ; mean, 1/(βλ)), shape (n,)"""
        gamma = a * np.log(b) - gammaln(a) + (a - 1) * np.log(self.precision) - b * self.precision
        return (gamma + _log_normal(self.mean, mean, 1 / (beta * self.precision)))[:, 0]

    def change(self, function) -> np.ndarray:
        """Its value here minus at mean 0, precision 1."""
        reference = Component(np.zeros_like(self.mean), np.ones_like(self.precision))
        return function(self) - function(reference)


X_BAR = SHARES @ POINTS / COUNT
SPREAD = SHARES @ (POINTS - X_BAR) ** 2  # Σ r (x − x̄)²
BETA_N = BETA_0 + COUNT
M_N = COUNT * X_BAR / BETA_N
A_N = A_0 + COUNT / 2
B_N = B_0 + SPREAD / 2 + BETA_0 * COUNT * X_BAR**2 / (2 * BETA_N)


# what the other component and the labels add to E_z[ln p(X, z, μ, λ)]: no μ, no λ
_OF_OTHERS = (1 - SHARES) @ _log_normal(POINTS, 1.0, 1.0) + len(POINTS) * np.log(0.5)


def _bracket(c: Component, square) -> np.ndarray:
    """(a₀ + n_k/2 − ½) ln λ − λ (b₀ + ½ square), shape (n,)"""
    return ((A_0 + COUNT / 2 - 0.5) * np.log(c.precision) - c.precision * (B_0 + 0.5 * square))[:, 0]


_POWER = r"\Delta\left\{\bigl(a_0 + \tfrac{n_k}{2} - \tfrac12\bigr)\ln\lambda - \lambda\Bigl[b_0 + \tfrac12"

COMPONENT_UPDATE = Chain(
    name="COMPONENT_UPDATE",
    title="The best factor for the mean and the width of a component",
    setting="The same five points and shares, with weighted mean x̄ and S = Σ rₙ (xₙ − x̄)². The component has mean μ and precision λ, which is 1 over the variance. "
    "The prior is Gamma(λ; a₀, b₀) N(μ; 0, 1/(β₀λ)) with a₀ = b₀ = 1 and β₀ = ½. Δ means: at (μ, λ) minus at (0, 1), so that constants cancel.",
    parameters=(
        Parameter("mean", r"\mu", "the mean at which the lines are read", -3.0, 3.0, -1.0),
        Parameter("precision", r"\lambda", "the precision at which the lines are read", 0.2, 3.0, 1.5),
    ),
    model=lambda mean, precision: Component(mean[:, None], precision[:, None]),
    left=r"\Delta\ln\tilde p(\mu,\lambda)",
    steps=(
        Step(r"\Delta\,E_z\bigl[\ln p(X,z,\mu,\lambda)\bigr]", "definition of p̃ for the group (μ, λ)",
             lambda c: c.change(lambda u: u.log_likelihood() + _OF_OTHERS + u.log_prior())),
        Step(r"\Delta\left\{E_z\bigl[\ln p(X|z,\mu,\lambda)\bigr] + \ln p(\mu,\lambda)\right\}", "product rule, linearity; what has no μ, λ cancels",
             lambda c: c.change(lambda u: sum(r * _log_normal(x, u.mean, 1 / u.precision)[:, 0] for r, x in zip(SHARES, POINTS, strict=True)) + u.log_prior())),
        Step(r"\Delta\left\{\sum_n r_n \ln N(x_n;\,\mu, \lambda^{-1}) + \ln p(\mu,\lambda)\right\}", "definition of the average over z: a point belongs to this component with probability rₙ",
             lambda c: c.change(lambda u: u.log_likelihood() + u.log_prior())),
        Step(r"\Delta\left\{\sum_n r_n\bigl[\tfrac12\ln\lambda - \tfrac{\lambda}{2}(x_n-\mu)^2\bigr] + \ln p(\mu,\lambda)\right\}", "insert the Gaussian log density",
             lambda c: c.change(lambda u: (SHARES * (0.5 * np.log(u.precision) - u.precision / 2 * (POINTS - u.mean) ** 2)).sum(axis=1) + u.log_prior())),
        Step(r"\Delta\left\{\tfrac{n_k}{2}\ln\lambda - \tfrac{\lambda}{2}\sum_n r_n(x_n-\mu)^2 + \ln p(\mu,\lambda)\right\}", "linearity: the shares sum to n_k",
             lambda c: c.change(lambda u: (COUNT / 2 * np.log(u.precision))[:, 0]
             - u.precision[:, 0] / 2 * (SHARES * (POINTS - u.mean) ** 2).sum(axis=1) + u.log_prior())),
        Step(_POWER + r"\sum_n r_n(x_n-\mu)^2 + \tfrac12\beta_0\mu^2\Bigr]\right\}", "insert both prior densities, collect ln λ and λ",
             lambda c: c.change(lambda u: _bracket(u, (SHARES * (POINTS - u.mean) ** 2).sum(axis=1, keepdims=True) + BETA_0 * u.mean**2))),
        Step(_POWER + r"S + \tfrac12 n_k(\bar x-\mu)^2 + \tfrac12\beta_0\mu^2\Bigr]\right\}", "add and subtract x̄ in the square; the middle term sums to zero",
             lambda c: c.change(lambda u: _bracket(u, SPREAD + COUNT * (X_BAR - u.mean) ** 2 + BETA_0 * u.mean**2))),
        Step(_POWER + r"S + \tfrac{\beta_0 n_k}{2(\beta_0+n_k)}\bar x^2 + \tfrac12(\beta_0+n_k)(\mu-m)^2\Bigr]\right\}", "complete the square in μ: m = n_k x̄/(β₀ + n_k)",
             lambda c: c.change(lambda u: _bracket(u, SPREAD + BETA_0 * COUNT / (BETA_0 + COUNT) * X_BAR**2 + (BETA_0 + COUNT) * (u.mean - M_N) ** 2))),
        Step(r"\Delta\left\{\bigl(a - \tfrac12\bigr)\ln\lambda - \lambda\Bigl[b + \tfrac12\beta(\mu-m)^2\Bigr]\right\}", "name the numbers: a = a₀ + n_k/2, β = β₀ + n_k, and b the rest of the bracket",
             lambda c: c.change(lambda u: ((A_N - 0.5) * np.log(u.precision) - u.precision * (B_N + 0.5 * BETA_N * (u.mean - M_N) ** 2))[:, 0])),
        Step(r"\Delta\left\{\ln\mathrm{Gamma}(\lambda;\,a, b) + \ln N\bigl(\mu;\,m, (\beta\lambda)^{-1}\bigr)\right\}", "insert both densities, backwards",
             lambda c: c.change(lambda u: u.log_prior(A_N, B_N, BETA_N, M_N))),
    ),
)  # fmt: skip
