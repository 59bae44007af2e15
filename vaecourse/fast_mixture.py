"""One sweep of EM for a Gaussian mixture, E-step and M-step in one pass over the data: what `gaussian_mixture.em` runs.

`variational_mixture.cavi` makes the same pass, with coefficients of its own (`vaecourse.fast_variational`).

Both forms give what the textbook form gives, and `None` instead where they would lose digits; the caller then takes
the textbook form. Notation as in Bishop (2006), §9.2, with Λ = Σ⁻¹ the precision.

* `Features` (small d, or diagonal covariances): log w + log N(x; m, Σ) is linear in the features (1, x_a, x_a x_b), and
  N, Σ r x and Σ r x xᵀ are sums of the same features. So a sweep is two matrix products per block of points. The terms
  cancel when clusters lie many standard deviations from the centre of the data; `enter` measures by how much.
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
LOG_2 = float(np.log(2))
SMALLEST_LOG = (
    -600.0
)  # exp(−600) ≈ 1e-261 stands for all below: subnormal numbers would slow the products fourfold
SMALLEST_TOTAL = 1e-50  # beside it, exp(−600) is below NO_SHARE for any number of points
STEP = 1e2  # the largest step of a mean, in standard deviations, that Σ_new = … − δδᵀ may take
NO_SHARE = 1e-200  # a component with less responsibility than this has none


class Sweep(NamedTuple):
    """The log-likelihood (nats) of the mixture before the sweep, the mixture and `enter`'s state after it."""

    log_likelihood: float
    mixture: Mixture
    state: object


class Coefficients(NamedTuple):
    """Rows (k, features) whose product with the features is log₂ w + log₂ N(x; m, Σ) − shift / log 2, from `lowest` to 0.

    Powers of two cost a sixth less than exponentials; `shift` is in nats.
    """

    rows: np.ndarray
    shift: float
    lowest: float


def fast_form(x: np.ndarray, sample_weights: np.ndarray | None, diagonal: bool, reg: float):
    """The form that suits data of shape (n, d): `Features` or `Differences`."""
    small = diagonal or x.shape[1] <= LARGEST_FEATURE_DIMENSION
    return (Features if small else Differences)(x, sample_weights, diagonal, reg)


class Features:
    """Sweeps by two matrix products; see the module."""

    def __init__(self, x: np.ndarray, sample_weights: np.ndarray | None, diagonal: bool, reg: float):
        n, d = x.shape
        self.diagonal, self.reg, self.sample_weights = diagonal, reg, sample_weights
        columns = np.ascontiguousarray(x.T)
        self.centre = columns.mean(axis=1)
        self.x = columns - self.centre[:, None]  # one row per coordinate
        self.rows, self.columns = (np.arange(d), np.arange(d)) if diagonal else np.triu_indices(d)
        count = 1 + d + len(self.rows)
        size = max(1024, BLOCK_BYTES // (8 * count) // 8 * 8)
        self.blocks = [slice(begin, begin + size) for begin in range(0, n, size)]
        self.stored = (
            [self._features(block) for block in self.blocks] if 8 * n * count <= STORED_BYTES else None
        )
        self.memory, self.far = np.empty(0), False
        # ½ xᵀΛx = Σ_a ½Λ_aa x_a² + Σ_{a<b} Λ_ab x_a x_b
        self.factors = np.where(self.rows == self.columns, -0.5, -1.0)
        farthest = np.maximum(self.x.max(axis=1), -self.x.min(axis=1))
        self.largest = np.concatenate([[1.0], farthest, farthest[self.rows] * farthest[self.columns]])

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what comes of it fails the test below
    def enter(self, mixture: Mixture) -> Coefficients | None:
        """The coefficients to sweep from; None where digits would be lost."""
        weights, means, covariances = mixture
        if not weights.all():
            return None
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
                log_determinants = 2 * np.log(factors.diagonal(axis1=1, axis2=2)).sum(axis=1)
        except np.linalg.LinAlgError:
            return None
        # log w − ½(d log 2π + log|Σ|), and −½ mᵀΛm + (Λm)ᵀx − ½ xᵀΛx
        peaks = np.log(weights) - 0.5 * (d * LOG_2PI + log_determinants)
        constant = -0.5 * (m * linear).sum(axis=1)
        return self.coefficients(peaks, np.concatenate([constant[:, None], linear, quadratic], axis=1))

    def coefficients(self, peaks: np.ndarray, rows: np.ndarray, worst: float = 1.0) -> Coefficients | None:
        """The sum of log densities at their means, (k,), and −½ (x − m)ᵀΛ(x − m) as rows, (k, features), taken together.

        None where the sum would keep too few digits, or `worst` times as few.
        """
        # Σ |coefficient| · max |feature|. Written so that NaN fails.
        reach = float((np.abs(rows) @ self.largest).max())
        if not reach * worst <= CANCELLATION:
            return None
        # the highest peak is taken off, so that no exponential is above 1
        heights = peaks.tolist()
        shift = max(heights)
        rows[:, 0] += peaks - shift
        rows /= LOG_2
        return Coefficients(rows, shift, (min(heights) - shift - reach) / LOG_2)

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what comes of it fails the test below
    def sweep(self, coefficients: Coefficients) -> Sweep | None:
        """E-step and M-step from the state that `enter` gave; None where digits would be lost."""
        log_likelihood, moments = self.collect(coefficients)
        totals = moments[:, 0]
        if (totals < NO_SHARE).any():
            return None
        d = len(self.x)
        moments = moments[:, 1:] / totals[:, None]
        means, second = moments[:, :d], moments[:, d:]
        # Σ_k = Σ r x xᵀ / N − m mᵀ + reg I
        second = (
            second - means[:, self.rows] * means[:, self.columns] + self.reg * (self.rows == self.columns)
        )
        if self.diagonal:
            covariances = second
            if not (covariances > 0).all():
                return None
        else:
            covariances = np.empty((len(totals), d, d))
            covariances[:, self.rows, self.columns] = covariances[:, self.columns, self.rows] = second
        after = Mixture(totals / totals.sum(), means + self.centre, covariances)
        state = self.enter(after)
        return None if state is None else Sweep(float(log_likelihood), after, state)

    def collect(self, coefficients: Coefficients) -> tuple[float, np.ndarray]:
        """One pass over the data: Σ_n log Σ_k exp(…) in nats, and Σ_n r_nk · (1, x_a, x_a x_b), shape (k, features)."""
        rows, shift, lowest = coefficients
        k, log_likelihood, moments = len(rows), 0.0, np.zeros_like(rows)
        # the same memory in every sweep: new memory costs more than the sums
        largest = (k + 2) * min(self.blocks[0].stop, self.x.shape[1])
        if len(self.memory) < largest:
            self.memory = _aligned(largest)
        for index, block in enumerate(self.blocks):
            features = self.stored[index] if self.stored is not None else self._features(block)
            v = None if self.sample_weights is None else self.sample_weights[block]
            room = self.memory[: (k + 2) * features.shape[1]].reshape(k + 2, -1)
            joint = np.matmul(rows, features, out=room[:k])
            found = None if self.far else _plain_softmax(room, lowest)
            if found is not None:
                r, total = found
                log_likelihood += _log_sum(total) if v is None else np.log(total) @ v
            else:
                # a point needs its maximum taken out: the numbers are formed again, and no block tries without any more
                joint = joint if self.far else np.matmul(rows, features, out=joint)
                r, log_density = _softmax(np.multiply(joint, LOG_2, out=joint))
                log_likelihood += log_density.sum() if v is None else log_density @ v
                self.far = True
            # Σ r · (1, x_a, x_a x_b)
            moments += (r if v is None else r * v) @ features.T
        return float(log_likelihood + shift * moments[:, 0].sum()), moments  # Σ_k r_nk = 1

    def moments(self, r: np.ndarray) -> np.ndarray:
        """Σ_n r_kn · (1, x_a, x_a x_b), shape (k, features), for given r of shape (k, n)."""
        features = self.stored or (self._features(block) for block in self.blocks)
        return sum(r[:, block] @ part.T for block, part in zip(self.blocks, features, strict=True))

    def _features(self, block: slice) -> np.ndarray:
        """(1, x_a, x_a x_b) of a block of points, shape (features, points)."""
        x = self.x[:, block]
        features = _aligned(1 + len(x) + len(self.rows), x.shape[1])
        return np.concatenate([np.ones((1, x.shape[1])), x, x[self.rows] * x[self.columns]], out=features)


class Differences:
    """Sweeps by one whitening and one symmetric product for each component; see the module. Full covariances only."""

    def __init__(self, x: np.ndarray, sample_weights: np.ndarray | None, diagonal: bool, reg: float):
        assert not diagonal
        self.x, self.sample_weights, self.reg = x, sample_weights, reg
        size = max(1024, 2 * BLOCK_BYTES // (8 * x.shape[1]))
        self.blocks = [slice(begin, begin + size) for begin in range(0, len(x), size)]

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what comes of it fails the test below
    def enter(self, mixture: Mixture) -> tuple | None:
        """The means, the transposed whitening matrices L⁻ᵀ and the logarithms of w / √|2πΣ|."""
        weights, means, covariances = mixture
        if not weights.all():
            return None
        try:
            factors = np.linalg.cholesky(covariances)
            whiten = np.ascontiguousarray(np.linalg.inv(factors).transpose(0, 2, 1))
        except np.linalg.LinAlgError:
            return None
        # log w − ½ d log 2π − Σ log L_aa
        log_determinants = np.log(factors.diagonal(axis1=1, axis2=2)).sum(axis=1)
        return means, whiten, np.log(weights) - 0.5 * means.shape[1] * LOG_2PI - log_determinants

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what comes of it fails the test below
    def sweep(self, state: tuple) -> Sweep | None:
        """E-step and M-step from the state that `enter` gave; None where digits would be lost."""
        means, whiten, constants = state
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
        if (totals < NO_SHARE).any():
            return None
        steps /= totals[:, None]
        covariances = scatter / totals[:, None, None] - steps[:, :, None] * steps[:, None, :]
        covariances[:, np.arange(d), np.arange(d)] += self.reg
        after = Mixture(totals / totals.sum(), means + steps, covariances)
        state = self.enter(after)
        # δᵀ Σ_new⁻¹ δ: how many standard deviations the mean went
        if state is None or not (((steps[:, None, :] @ state[1]) ** 2).sum(axis=(1, 2)) <= STEP**2).all():
            return None
        return Sweep(float(log_likelihood), after, state)


def _aligned(*shape: int) -> np.ndarray:
    """New memory that begins with a cache line, so that no vector instruction touches two: products are a quarter faster."""
    count = int(np.prod(shape))
    raw = np.empty(count + 8)
    first = -raw.ctypes.data % 64 // 8
    return raw[first : first + count].reshape(shape)


def _plain_softmax(room: np.ndarray, lowest: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Responsibilities (k, n) and Σ_k 2^… (n,) of numbers from `lowest` to 0, each point's maximum left where it is;
    None if a point is so far from all components that it needs it taken out.

    `room` has shape (k + 2, n): the numbers, and two rows to work in.
    """
    joint, total, inverse = room[:-2], room[-2], room[-1]
    smallest = SMALLEST_LOG / LOG_2
    if lowest < smallest and joint.min() < smallest:
        np.maximum(joint, smallest, out=joint)
    np.exp2(joint, out=joint)
    np.matmul(np.ones(len(joint)), joint, out=total)
    if not total.min() > SMALLEST_TOTAL:
        return None
    np.divide(1, total, out=inverse)
    joint *= inverse
    return joint, total


def _log_sum(total: np.ndarray) -> float:
    """Σ log total: one logarithm for four, whose product is above 1e-200."""
    rest = len(total) % 4
    fours = np.multiply.reduce(total[rest:].reshape(4, -1), axis=0)
    return np.log(fours).sum() + (np.log(total[:rest]).sum() if rest else 0.0)


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
