"""E-step and sums of one sweep over the data: what `gaussian_mixture.em` and `variational_mixture.cavi` run.

Both forms give what the textbook form gives, and `None` instead where they would lose digits; the caller then takes
the textbook form. Notation as in Bishop (2006), §9.2, with Λ = Σ⁻¹ the precision.

* `Features` (small d, or diagonal covariances): log w + log N(x; m, Σ) is linear in the features (1, x_a, x_a x_b), and
  N, Σ r x and Σ r x xᵀ are sums of the same features. So a sweep is two matrix products per block of points. The terms
  cancel when clusters lie many standard deviations from the centre of the data; `prepare` measures by how much.
* `Differences` (large d): x − m once for each component, whitened by a triangular factor, and a symmetric product
  around the *old* mean, Σ_new = Σ r (x − m)(x − m)ᵀ / N − δδᵀ with δ the step of the mean; no feature is formed.

A sum with sample weights v counts the n-th point v_n times.
"""

from typing import NamedTuple

import numpy as np

from vaecourse.mixture_model import LOG_2PI, Mixture

LARGEST_FEATURE_DIMENSION = 32  # full covariances: above it, d²/2 features a point cost more than they save
STORED_BYTES = 2**28  # features up to 256 MiB are kept from sweep to sweep, larger ones are formed again
BLOCK_BYTES = 2**19  # a block of points, its features and its responsibilities stay in the cache
CANCELLATION = 1e6  # the largest sum of absolute terms: its rounding is 1e6 · 1.1e-16 ≈ 1e-10
SMALLEST_LOG = (
    -600.0
)  # exp(−600) ≈ 1e-261 stands for all below: subnormal numbers would slow the products fourfold
SMALLEST_TOTAL = 1e-50  # beside it, exp(−600) is below NO_SHARE for any number of points
STEP = 1e2  # the largest step of a mean, in standard deviations, that Σ_new = … − δδᵀ may take
NO_SHARE = 1e-200  # a component with less responsibility than this has none


class Statistics(NamedTuple):
    """What a pass over the data finds with r_nk ∝ w_k N(x_n; m_k, Σ_k); the weights need not have the sum 1.

    Σ_n log Σ_k w_k N(x_n; m_k, Σ_k) in nats; N_k = Σ_n r_nk (k,); the means of the points under r (k, d), meaningless
    below `NO_SHARE`; and their covariances around these means, (k, d, d) or (k, d).
    """

    log_likelihood: float
    totals: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


class Sweep(NamedTuple):
    """The log-likelihood (nats) of the mixture before the sweep, the mixture and `enter`'s state after it."""

    log_likelihood: float
    mixture: Mixture
    state: object


class FeatureState(NamedTuple):
    """Coefficients (k, features), what was taken off their constants, the least that a product of theirs with features
    can be, Λ (k, d, d) or (k, d), and log|Σ| (k,)."""

    coefficients: np.ndarray
    shift: float
    lowest: float
    precisions: np.ndarray
    log_determinants: np.ndarray


class DifferenceState(NamedTuple):
    """Means, the transposed whitening matrices L⁻ᵀ with Σ = L Lᵀ, the logarithms of w / √|2πΣ|, and log|Σ| (k,)."""

    means: np.ndarray
    whiten: np.ndarray
    constants: np.ndarray
    log_determinants: np.ndarray

    @property
    def precisions(self) -> np.ndarray:
        return self.whiten @ self.whiten.transpose(0, 2, 1)


def fast_form(x: np.ndarray, sample_weights: np.ndarray | None, diagonal: bool, reg: float):
    """The form that suits data of shape (n, d): `Features` or `Differences`."""
    small = diagonal or x.shape[1] <= LARGEST_FEATURE_DIMENSION
    return (Features if small else Differences)(x, sample_weights, diagonal, reg)


class _Form:
    """A sweep of EM from a form's `prepare`, `collect` and `trusted`."""

    reg: float

    def enter(self, mixture: Mixture) -> object | None:
        """The state to sweep from; None where digits would be lost."""
        weights, means, covariances = mixture
        return self.prepare(np.log(weights), means, covariances) if weights.all() else None

    def sweep(self, state) -> Sweep | None:
        """E-step and M-step from the state that `enter` gave; None where digits would be lost."""
        log_likelihood, totals, means, covariances = self.collect(state)
        if (totals < NO_SHARE).any():
            return None
        # Σ_k = Σ r (x − m)(x − m)ᵀ / N + reg I
        diagonal = covariances if covariances.ndim == 2 else np.einsum("kaa->ka", covariances)  # a view
        diagonal += self.reg
        mixture = Mixture(totals / totals.sum(), means, covariances)
        after = self.enter(mixture)
        return Sweep(log_likelihood, mixture, after) if self.trusted(state, means, after) else None


class Features(_Form):
    """Sweeps by two matrix products; see the module."""

    def __init__(self, x: np.ndarray, sample_weights: np.ndarray | None, diagonal: bool, reg: float):
        n, d = x.shape
        self.centre, self.diagonal, self.reg, self.sample_weights = (
            x.mean(axis=0),
            diagonal,
            reg,
            sample_weights,
        )
        self.x = np.ascontiguousarray((x - self.centre).T)  # one row per coordinate
        self.rows, self.columns = (np.arange(d), np.arange(d)) if diagonal else np.triu_indices(d)
        count = 1 + d + len(self.rows)
        size = max(1024, BLOCK_BYTES // (8 * count))
        self.blocks = [slice(begin, begin + size) for begin in range(0, n, size)]
        self.stored = (
            [self._features(block) for block in self.blocks] if 8 * n * count <= STORED_BYTES else None
        )
        farthest = np.maximum(self.x.max(axis=1), -self.x.min(axis=1))
        # ½ xᵀΛx = Σ_a ½Λ_aa x_a² + Σ_{a<b} Λ_ab x_a x_b
        self.factors = np.where(self.rows == self.columns, -0.5, -1.0)
        self.largest = np.concatenate([[1.0], farthest, farthest[self.rows] * farthest[self.columns]])

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what comes of it fails the test below
    def prepare(
        self, log_weights: np.ndarray, means: np.ndarray, covariances: np.ndarray
    ) -> FeatureState | None:
        """The coefficients whose product with the features is log w + log N(x; m, Σ); None where digits would be lost."""
        m, d = means - self.centre, means.shape[1]
        try:
            if self.diagonal:
                precisions = 1 / covariances
                linear, quadratic = precisions * m, -0.5 * precisions
                log_determinants = np.log(covariances).sum(axis=1)
            else:
                factors = np.linalg.cholesky(covariances)
                whiten = np.linalg.inv(factors)
                precisions = whiten.transpose(0, 2, 1) @ whiten
                linear = (precisions @ m[:, :, None])[:, :, 0]
                quadratic = precisions[:, self.rows, self.columns] * self.factors
                log_determinants = 2 * np.log(np.einsum("kaa->ka", factors)).sum(axis=1)
        except np.linalg.LinAlgError:
            return None
        # log w − ½(d log 2π + log|Σ|) − ½ mᵀΛm + (Λm)ᵀx − ½ xᵀΛx
        peaks, constant = -0.5 * (d * LOG_2PI + log_determinants), -0.5 * (m * linear).sum(axis=1)
        coefficients = np.concatenate([(peaks + constant)[:, None], linear, quadratic], axis=1)
        # Σ |coefficient| · max |feature|: above it, the sum keeps too few digits. Written so that NaN fails. log w does
        # not count: a weight so small that its logarithm matters beside the limit has no share in any point.
        reach = (np.abs(coefficients) @ self.largest).max()
        if not reach <= CANCELLATION:
            return None
        # the highest peak is taken off, so that no exponential is above 1
        peaks += log_weights
        shift = peaks.max()
        lowest = log_weights.min() - shift - reach
        coefficients[:, 0] = peaks - shift + constant
        return FeatureState(coefficients, float(shift), float(lowest), precisions, log_determinants)

    def collect(self, state: FeatureState) -> Statistics:
        """One pass over the data from the state that `prepare` gave."""
        coefficients = state.coefficients
        log_likelihood, moments = 0.0, np.zeros_like(coefficients)
        for index, block in enumerate(self.blocks):
            features = self.stored[index] if self.stored is not None else self._features(block)
            v = None if self.sample_weights is None else self.sample_weights[block]
            # most blocks need no maximum for each point; where one does, the product is formed again
            found = _plain_softmax(coefficients @ features, state.lowest)
            r, log_density = _softmax(coefficients @ features) if found is None else found
            log_likelihood += log_density.sum() if v is None else log_density @ v
            # Σ r · (1, x_a, x_a x_b)
            moments += (r if v is None else r * v) @ features.T
        totals, d = moments[:, 0], len(self.x)
        log_likelihood += state.shift * totals.sum()  # Σ_k r_nk = 1
        moments = moments[:, 1:] / np.maximum(totals, NO_SHARE)[:, None]
        means, second = moments[:, :d], moments[:, d:]
        # Σ r (x − m)(x − m)ᵀ / N = Σ r x xᵀ / N − m mᵀ
        second = second - means[:, self.rows] * means[:, self.columns]
        if self.diagonal:
            covariances = second
        else:
            covariances = np.empty((len(totals), d, d))
            covariances[:, self.rows, self.columns] = covariances[:, self.columns, self.rows] = second
        return Statistics(float(log_likelihood), totals, means + self.centre, covariances)

    def trusted(self, before: FeatureState, means: np.ndarray, after: FeatureState | None) -> bool:
        """Whether what `collect` found from `before` has kept its digits, `after` being the state of the new mixture."""
        return after is not None

    def _features(self, block: slice) -> np.ndarray:
        """(1, x_a, x_a x_b) of a block of points, shape (features, points)."""
        x = self.x[:, block]
        return np.concatenate([np.ones((1, x.shape[1])), x, x[self.rows] * x[self.columns]])


class Differences(_Form):
    """Sweeps by one whitening and one symmetric product for each component; see the module. Full covariances only."""

    def __init__(self, x: np.ndarray, sample_weights: np.ndarray | None, diagonal: bool, reg: float):
        assert not diagonal
        self.x, self.sample_weights, self.reg = x, sample_weights, reg
        size = max(1024, 2 * BLOCK_BYTES // (8 * x.shape[1]))
        self.blocks = [slice(begin, begin + size) for begin in range(0, len(x), size)]

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what comes of it fails the test below
    def prepare(
        self, log_weights: np.ndarray, means: np.ndarray, covariances: np.ndarray
    ) -> DifferenceState | None:
        """The whitening of each component; None where a covariance has no factor."""
        try:
            factors = np.linalg.cholesky(covariances)
            whiten = np.ascontiguousarray(np.linalg.inv(factors).transpose(0, 2, 1))
        except np.linalg.LinAlgError:
            return None
        # log w − ½ (d log 2π + log|Σ|)
        log_determinants = 2 * np.log(factors.diagonal(axis1=1, axis2=2)).sum(axis=1)
        constants = log_weights - 0.5 * (means.shape[1] * LOG_2PI + log_determinants)
        return DifferenceState(means, whiten, constants, log_determinants)

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what comes of it is not trusted below
    def collect(self, state: DifferenceState) -> Statistics:
        """One pass over the data from the state that `prepare` gave."""
        means, whiten, constants, _ = state
        k, d = means.shape
        log_likelihood, totals, steps, scatter = 0.0, np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
        for block in self.blocks:
            x, v = self.x[block], None if self.sample_weights is None else self.sample_weights[block]
            joint = np.empty((k, len(x)))
            for j in range(k):
                # log w + log N(x; m, Σ), with y = L⁻¹(x − m)
                y = (x - means[j]) @ whiten[j]
                joint[j] = constants[j] - 0.5 * np.einsum("na,na->n", y, y)
            r, log_density = _softmax(joint)
            log_likelihood += log_density.sum() if v is None else log_density @ v
            r = r if v is None else r * v
            totals += r.sum(axis=1)
            roots = np.sqrt(r)
            for j in range(k):
                # Σ r (x − m) and Σ r (x − m)(x − m)ᵀ, as products with √r (x − m)
                difference = (x - means[j]) * roots[j][:, None]
                steps[j] += roots[j] @ difference
                scatter[j] += difference.T @ difference
        n = np.maximum(totals, NO_SHARE)[:, None]
        steps /= n
        covariances = scatter / n[:, None] - steps[:, :, None] * steps[:, None, :]
        return Statistics(float(log_likelihood), totals, means + steps, covariances)

    @np.errstate(over="ignore", invalid="ignore")  # NaN and infinity are not trusted
    def trusted(self, before: DifferenceState, means: np.ndarray, after: DifferenceState | None) -> bool:
        """Whether what `collect` found from `before` has kept its digits, `after` being the state of the new mixture."""
        if after is None:
            return False
        # δᵀ Σ_new⁻¹ δ: how many standard deviations the mean went
        steps = (means - before.means)[:, None, :] @ after.whiten
        return bool(((steps**2).sum(axis=(1, 2)) <= STEP**2).all())


def _plain_softmax(joint: np.ndarray, lowest: float) -> tuple[np.ndarray, np.ndarray] | None:
    """`_softmax` without the maxima, for numbers from `lowest` to 0; None if a point is so far from all that it needs them."""
    if lowest < SMALLEST_LOG and joint.min() < SMALLEST_LOG:
        np.maximum(joint, SMALLEST_LOG, out=joint)
    np.exp(joint, out=joint)
    total = np.ones(len(joint)) @ joint
    if not total.min() > SMALLEST_TOTAL:
        return None
    joint *= 1 / total
    return joint, np.log(total, out=total)


def _softmax(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Responsibilities (k, n), in place, and log densities (n,) from log w + log N, shape (k, n)."""
    # log Σ exp(a) = max + log Σ exp(a − max)
    largest = joint.max(axis=0)
    joint -= largest
    np.maximum(joint, SMALLEST_LOG, out=joint)
    np.exp(joint, out=joint)
    total = joint.sum(axis=0)
    joint *= 1 / total
    np.log(total, out=total)
    total += largest
    return joint, total
