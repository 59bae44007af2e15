"""The exercises of lesson 02. A mixture on a line is three lists of k numbers: weights, means, sds."""

import numpy as np
from scipy.special import entr, logsumexp

from vaecourse.kl_divergence import gaussian_log_density

from .cases import agrees, close, drawn, finite, fixed, numbers, probabilities, related
from .core import Exercise, Property
from .kinds import NUMBERS, THREE_LISTS

FORBIDS = ("vaecourse.gaussian_mixture", "sklearn.mixture")


def _log_joint(x, weights, means, sds):
    """log w_k + log N(x; m_k, σ_k²) in nats, shape (..., k) for x of shape (...)."""
    with np.errstate(divide="ignore"):  # a weight of 0 is a log of −∞
        return np.log(weights) + gaussian_log_density(np.asarray(x, dtype=float)[..., None], means, sds)


def log_likelihood(points, weights, means, sds):
    # Σ_n log Σ_k w_k N(x_n; m_k, σ_k²)
    return float(logsumexp(_log_joint(points, weights, means, sds), axis=-1).sum())


def _posterior(x, weights, means, sds):
    joint = _log_joint(x, weights, means, sds)
    # w_k N(x; m_k, σ_k²) / Σ_j w_j N(x; m_j, σ_j²)
    return np.exp(joint - logsumexp(joint, axis=-1, keepdims=True))


def _mixture(rng):
    k = int(rng.integers(2, 5))
    sds = [float(v) for v in np.round(np.exp(rng.normal(0, 0.5, k)), 2)]
    return probabilities(rng, k), numbers(rng, k), sds


def _points(rng):
    return numbers(rng, int(rng.integers(8, 20)), 3.0)


def _shares(rng, n, k):
    return [probabilities(rng, k) for _ in range(n)]


_TWO_BELLS = ([0.5, 0.5], [-1.0, 1.0], [1.0, 1.0])


# 1. Who made this point?


def responsibilities(x, weights, means, sds):
    return [float(v) for v in _posterior(x, weights, means, sds)]


def _one_point(rng):
    return numbers(rng, 1)[0], *_mixture(rng)


RESPONSIBILITIES = Exercise(
    name="02/responsibilities",
    title="Who made this point?",
    statement=(
        "A mixture of k Gaussians on a line is given by three lists: weights, means, sds. Write "
        "responsibilities(x, weights, means, sds): for the one number x, the list of k shares, that is, how "
        "probable it is that component 1, 2, … made x. It must work however far x lies from every mean."
    ),
    reference=responsibilities,
    returns=NUMBERS,
    forbids=FORBIDS,
    properties=(
        Property(
            "k shares, none of them negative, that sum to 1",
            "Weight times density, once for each component: these do not sum to 1 yet. Divide by what they "
            "do sum to.",
            drawn(4, _one_point, (0.0, *_TWO_BELLS), (1.0, *_TWO_BELLS)),
            lambda case, outputs: (
                len(outputs[0]) == len(case[0][1])
                and all(share >= 0 for share in outputs[0])
                and close(sum(outputs[0]), 1)
            ),
        ),
        Property(
            "where all components are equally dense, the shares are the weights",
            "This is Bayes' rule, and the weights are the prior. If x says nothing about who made it, the "
            "prior stays.",
            fixed((0.0, [0.25, 0.75], [-1.0, 1.0], [1.0, 1.0]), (2.0, [0.2, 0.3, 0.5], [2.0] * 3, [3.0] * 3)),
            lambda case, outputs: close(outputs[0], case[0][1]),
        ),
        Property(
            "at a shared mean, half the sd makes twice the share",
            "The area under a density is 1, so a bell half as wide is twice as tall. Which factor stands in "
            "front of the exponential?",
            fixed((0.0, [0.5, 0.5], [0.0, 0.0], [1.0, 2.0]), (3.0, [0.5, 0.5], [3.0, 3.0], [0.5, 0.25])),
            lambda case, outputs: (
                len(outputs[0]) == 2
                and close(outputs[0][0] * case[0][3][0], outputs[0][1] * case[0][3][1])
                and outputs[0][0] > 0
            ),
        ),
        Property(
            "far from every mean the shares are still numbers",
            "There every density is 0 for the computer, and 0/0 is nan. Stay with logarithms, subtract the "
            "largest one, and only then take exp: lesson 00, log_sum_exp.",
            fixed(
                (1000.0, *_TWO_BELLS),
                (1000.0, [0.5, 0.5], [0.0, 0.001], [1.0, 1.0]),
                (-1e6, [0.3, 0.3, 0.4], [0.0, 1.0, 2.0], [1.0, 2.0, 1.0]),
            ),
            lambda case, outputs: finite(outputs) and close(outputs[0], responsibilities(*case[0])),
        ),
        Property(
            "agrees with Bayes' rule",
            "log w + log N(x; m, σ²) for each component. How much larger than the others is each, once exp "
            "is taken?",
            drawn(8, _one_point, (1.0, *_TWO_BELLS)),
            agrees(responsibilities),
            points=2,
        ),
    ),
)


# 2. The M-step


def m_step(points, responsibilities):
    x, r = np.asarray(points, dtype=float)[:, None], np.asarray(responsibilities, dtype=float)
    # N_k = Σ_n r_nk
    owned = r.sum(axis=0)
    # w_k = N_k/n,  m_k = Σ_n r_nk x_n / N_k,  σ_k² = Σ_n r_nk (x_n − m_k)² / N_k
    means = (r * x).sum(axis=0) / owned
    variances = (r * (x - means) ** 2).sum(axis=0) / owned
    return (owned / len(x)).tolist(), means.tolist(), np.sqrt(variances).tolist()


def _shared_points(rng):
    points = _points(rng)
    return points, _shares(rng, len(points), int(rng.integers(2, 4)))


def _evenly_shared(rng):
    points = _points(rng)
    return points, [[0.25, 0.75]] * len(points)


def _ten_times(rng):
    points, shares = _shared_points(rng)
    return (points, shares), ([10 * x for x in points], shares)


def _far_away(rng):
    points, shares = _shared_points(rng)
    return (points, shares), ([x + 1e8 for x in points], shares)


_FOUR_POINTS = ([0.0, 2.0, 10.0, 14.0], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
_SHARED_FOUR = ([0.0, 2.0, 10.0, 14.0], [[0.5, 0.5], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])

M_STEP = Exercise(
    name="02/m_step",
    title="The M-step",
    statement=(
        "responsibilities[i] is the list of shares of points[i], one for each component, and every "
        "component owns a part of some points. Write m_step(points, responsibilities) that returns three "
        "lists: the new weights, means and sds."
    ),
    reference=m_step,
    returns=THREE_LISTS,
    forbids=FORBIDS,
    properties=(
        Property(
            "the weights are shares of all points",
            "Add up the shares that a component has in all points: so many points it owns. How many points "
            "are there in all?",
            drawn(4, _shared_points, _FOUR_POINTS, _SHARED_FOUR),
            lambda case, outputs: close(outputs[0][0], np.mean(case[0][1], axis=0)),
        ),
        Property(
            "with shares of 0 and 1, the mean and the sd of each group",
            "The points of the other group have a share of 0, and must not count. Divide by how many points "
            "the component owns, not by how many there are.",
            fixed(_FOUR_POINTS, ([1.0, -1.0, 5.0, 6.0, 7.0], [[0.0, 1.0]] * 2 + [[1.0, 0.0]] * 3)),
            lambda case, outputs: close(outputs[0][1:], m_step(*case[0])[1:]),
        ),
        Property(
            "with the same shares in every point, the mean and the sd of all points",
            "A share of ¼ in every point is as good as a share of 1 in every point, apart from the weight. "
            "A share is not a decision: even the smaller one counts.",
            drawn(3, _evenly_shared, ([0.0, 1.0, 2.0], [[0.25, 0.75]] * 3)),
            lambda case, outputs: close(
                outputs[0][1:], [[f(case[0][0])] * 2 for f in (np.mean, np.std)], abs_=1e-9
            ),
        ),
        Property(
            "points ten times as far apart, sds ten times as large",
            "A variance would grow a hundred times. Is there a square root at the end?",
            related(3, _ten_times, (_SHARED_FOUR, ([0.0, 20.0, 100.0, 140.0], _SHARED_FOUR[1]))),
            lambda case, outputs: close(np.multiply(outputs[0][2], 10), outputs[1][2]),
        ),
        Property(
            "points that lie 100 million further right have the same sds",
            "The mean of the squares minus the square of the mean loses its digits there. Subtract the new "
            "mean first, square afterwards.",
            related(3, _far_away, (_SHARED_FOUR, ([x + 1e8 for x in _SHARED_FOUR[0]], _SHARED_FOUR[1]))),
            lambda case, outputs: finite(outputs[1][2]) and close(outputs[0][2], outputs[1][2], rel=1e-6),
        ),
        Property(
            "agrees with the weighted mean and the weighted sd",
            "Three sums for each component, each weighted by its shares: of 1, of x, and of the squared "
            "distance from its own new mean. Divide by the first of them; nothing is subtracted from it.",
            drawn(6, _shared_points, _SHARED_FOUR),
            agrees(m_step),
            points=2,
        ),
    ),
)


# 3. The bound that EM climbs


def bound(points, weights, means, sds, responsibilities):
    r = np.asarray(responsibilities, dtype=float)
    # Σ_n Σ_k r_nk (log w_k + log N(x_n; m_k, σ_k²) − log r_nk), a term with r = 0 being 0
    return float((r * _log_joint(points, weights, means, sds) + entr(r)).sum())


def _any_shares(rng):
    mixture, points = _mixture(rng), numbers(rng, 4)
    return points, *mixture, _shares(rng, 4, len(mixture[0]))


def _posterior_shares(rng):
    mixture, points = _mixture(rng), numbers(rng, 4)
    return points, *mixture, _posterior(points, *mixture).tolist()


def _two_halves(rng):
    points, *mixture, shares = _any_shares(rng)
    return (
        (points[:2], *mixture, shares[:2]),
        (points[2:], *mixture, shares[2:]),
        (points, *mixture, shares),
    )


_MIDDLE = ([0.0], *_TWO_BELLS, [[0.5, 0.5]])

BOUND = Exercise(
    name="02/bound",
    title="The bound that EM climbs",
    statement=(
        "Write bound(points, weights, means, sds, responsibilities) in nats: Σ r·(log w + log N(x; m, σ²) − "
        "log r), over all points x and all components with their weight w, mean m and sd σ; r is the share "
        "of that component in that point. A term with r = 0 counts as 0."
    ),
    reference=bound,
    forbids=FORBIDS,
    properties=(
        Property(
            "touches the log-likelihood when the shares are the responsibilities",
            "There the bound is Σ log Σ w·N(x; m, σ²), exactly. Is −log r in your sum? And is every r in "
            "front of the whole bracket?",
            drawn(6, _posterior_shares, _MIDDLE),
            lambda case, outputs: close(outputs[0], log_likelihood(*case[0][:4])),
        ),
        Property(
            "with any other shares it lies below",
            "A lower bound is never above. A sum of three logarithms: which ones have a plus, and does the "
            "weight take part?",
            drawn(6, _any_shares, ([1.0], *_TWO_BELLS, [[0.5, 0.5]])),
            lambda case, outputs: outputs[0] <= log_likelihood(*case[0][:4]) + 1e-9,
        ),
        Property(
            "0·log 0 counts as 0",
            "A component without any share in a point adds nothing there, but 0 times −∞ is nan. Leave "
            "such terms out.",
            fixed(
                ([0.0], *_TWO_BELLS, [[1.0, 0.0]]),
                ([-1.0, 2.0], *_TWO_BELLS, [[1.0, 0.0], [0.0, 1.0]]),
                ([0.0, 1.0], [0.2, 0.3, 0.5], [0.0, 1.0, 2.0], [1.0] * 3, [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]),
            ),
            agrees(bound),
        ),
        Property(
            "a far point costs a lot, but not infinitely much",
            "At 60 standard deviations the density is 0 for the computer, and its logarithm −∞. Write the "
            "logarithm of the Gaussian down on paper, and the exponential is gone.",
            fixed(([60.0], *_TWO_BELLS, [[0.5, 0.5]]), ([0.0, -1000.0], *_TWO_BELLS, [[0.5, 0.5]] * 2)),
            lambda case, outputs: finite(outputs) and close(outputs[0], bound(*case[0])),
        ),
        Property(
            "the points add up",
            "The log-likelihood of independent points is the sum of theirs. A sum, not a mean.",
            related(3, _two_halves),
            lambda case, outputs: close(outputs[0] + outputs[1], outputs[2]),
        ),
        Property(
            "agrees with the definition, in nats",
            "For every point and every component one term: its share, times the log of w·N(x; m, σ²)/r. "
            "Natural logarithms: `np.log`.",
            drawn(6, _any_shares, _MIDDLE),
            agrees(bound),
        ),
    ),
)


# 4. How many components?


def bic(log_likelihood, k, d, n):
    # k − 1 free weights, k means of d numbers, k symmetric matrices of d(d + 1)/2 numbers
    parameters = (k - 1) + k * d + k * d * (d + 1) / 2
    # p log n − 2 log L   (Schwarz 1978)
    return float(parameters * np.log(n) - 2 * log_likelihood)


def _fit(rng):
    k, d, n = int(rng.integers(1, 7)), int(rng.integers(1, 6)), int(rng.integers(20, 500))
    return -float(np.round(n * rng.uniform(1, 4), 1)), k, d, n


def _one_nat_better(rng):
    value, *sizes = _fit(rng)
    return (value, *sizes), (value + 1, *sizes)


def _squared_n(rng):
    value, k, d, n = _fit(rng)
    return (value, k, d, n), (value, k, d, n**2)


BIC = Exercise(
    name="02/bic",
    title="How many components?",
    statement=(
        "A mixture of k Gaussians in d dimensions, each with a full covariance, was fitted to n points. "
        "Write bic(log_likelihood, k, d, n): p·log n − 2·log_likelihood, where p is how many numbers you "
        "may choose freely in such a mixture. Count them yourself. The k with the smallest BIC wins."
    ),
    reference=bic,
    forbids=FORBIDS,
    properties=(
        Property(
            "one nat more of log-likelihood, a BIC smaller by 2",
            "A better fit makes BIC smaller, and the log-likelihood counts twice.",
            related(3, _one_nat_better, ((-100.0, 1, 1, 50), (-99.0, 1, 1, 50))),
            lambda case, outputs: close(outputs[0] - outputs[1], 2, rel=1e-7),
        ),
        Property(
            "one Gaussian on a line has two parameters",
            "With k = 1 and d = 1 you choose a mean and a variance. The weight of the only component is 1: "
            "there is nothing to choose.",
            fixed((-100.0, 1, 1, 50), (-250.0, 1, 1, 200)),
            agrees(bic),
        ),
        Property(
            "each further component on a line brings three more",
            "A mean, a variance and a weight. The weights sum to 1: once all but one are chosen, the last "
            "one is no longer free.",
            fixed((-100.0, 2, 1, 50), (-100.0, 3, 1, 50), (-100.0, 6, 1, 50)),
            agrees(bic),
        ),
        Property(
            "a covariance is symmetric",
            "In two dimensions it has four entries, but two of them are the same number. How many stand on "
            "the diagonal and above it?",
            fixed((-100.0, 1, 2, 50), (-100.0, 1, 3, 50), (-100.0, 1, 10, 50)),
            agrees(bic),
        ),
        Property(
            "n² points, twice the price of the parameters",
            "log n² is 2·log n, and the price is p·log n. Whoever pays the same price for any n has "
            "computed AIC, another criterion.",
            related(3, _squared_n, ((-100.0, 2, 2, 50), (-100.0, 2, 2, 2500))),
            lambda case, outputs: close(
                2 * (outputs[0] + 2 * case[0][0]), outputs[1] + 2 * case[1][0], rel=1e-7
            ),
        ),
        Property(
            "agrees everywhere",
            "Three kinds of numbers: weights, means, covariances. How many of each does one component have, "
            "and how many do all k have together?",
            drawn(6, _fit, (-100.0, 3, 2, 50)),
            agrees(bic),
            points=2,
        ),
    ),
)


# Stretch: one whole sweep


def em_sweep(points, weights, means, sds):
    shares = _posterior(points, weights, means, sds)
    owned = shares.sum(axis=0) > 0
    new = m_step(points, shares[:, owned])
    kept = np.array([np.zeros(len(owned)), means, sds], dtype=float)
    kept[:, owned] = new  # who owns nothing keeps its mean and its sd
    return tuple(row.tolist() for row in kept)


def is_mixture(output, k) -> bool:
    """Weights, means and sds of k components: finite, weights of sum 1, sds above zero."""
    return (
        all(len(row) == k and finite(row) for row in output)
        and min(output[0]) >= 0
        and close(sum(output[0]), 1)
        and min(output[2]) > 0
    )


def _start(rng):
    weights, means, sds = _mixture(rng)
    return _points(rng), weights, means, [max(sd, 0.8) for sd in sds]  # wide: no share is exactly 0


def _single(rng):
    return _points(rng), [1.0], numbers(rng, 1), [2.0]


def _twins(rng):
    w = probabilities(rng, 2)
    return _points(rng), w, numbers(rng, 1) * 2, [1.5, 1.5]


_SIX = [-3.0, -2.0, -1.0, 1.0, 2.0, 4.0]
_CLOSE_START = (_SIX, [0.5, 0.5], [-1.0, 1.0], [1.0, 1.0])
_WIDE_START = ([10 * x for x in _SIX], [0.5, 0.5], [-20.0, 20.0], [10.0, 10.0])

EM_SWEEP = Exercise(
    name="02/em_sweep",
    title="One whole sweep of EM",
    statement=(
        "Write em_sweep(points, weights, means, sds): one E-step for all points, then one M-step; it "
        "returns the new weights, means and sds. It must work from any start, however far from the points. "
        "A component that has no share in any point gets the weight 0, and keeps its mean and its sd."
    ),
    reference=em_sweep,
    returns=THREE_LISTS,
    forbids=FORBIDS,
    stretch=True,
    properties=(
        Property(
            "with one component: the mean and the sd of the points, from any start",
            "The only component has a share of 1 in every point, wherever it stood before. Do the sds come "
            "from the new mean?",
            drawn(3, _single, ([0.0, 1.0, 2.0], [1.0], [5.0], [2.0])),
            lambda case, outputs: close(
                outputs[0], [[1], [np.mean(case[0][0])], [np.std(case[0][0])]], abs_=1e-9
            ),
        ),
        Property(
            "the likelihood never falls",
            "Let the responsibilities be those of the old mixture, and take all three new lists from them. "
            "Then the bound touches, and is lifted as far as it goes.",
            drawn(12, _start, _CLOSE_START, _WIDE_START),
            lambda case, outputs: (
                is_mixture(outputs[0], len(case[0][1]))
                and log_likelihood(case[0][0], *outputs[0]) >= log_likelihood(*case[0]) - 1e-9
            ),
        ),
        Property(
            "twins stay twins",
            "Two components with the same mean and sd differ in their weights only, so their shares are "
            "the weights, in every point. A share is not a decision: give no point wholly to the larger one.",
            drawn(3, _twins, (_SIX, [0.25, 0.75], [0.0, 0.0], [1.0, 1.0])),
            lambda case, outputs: (
                is_mixture(outputs[0], 2)
                and close(outputs[0][0], case[0][1])
                and all(close(*pair) for pair in outputs[0][1:])
            ),
        ),
        Property(
            "works from a start 1000 standard deviations away",
            "There every density is 0 for the computer. Take the responsibilities from logarithms, as in "
            "the exercise about them.",
            fixed(
                (_SIX, [0.5, 0.5], [-1000.0, 1000.0], [1.0, 1.0]),
                (_SIX, [0.25, 0.75], [1000.0, 1000.25], [1.0, 1.0]),
            ),
            agrees(em_sweep),
        ),
        Property(
            "a component without a share keeps its place",
            "Its shares add up to 0, and 0/0 is nan. Look whether there is anything to divide by.",
            fixed(
                (_SIX, [0.5, 0.5], [0.0, 1000.0], [2.0, 1.0]),
                (_SIX, [0.25, 0.25, 0.5], [-500.0, -1.0, 1.0], [1.0, 1.0, 1.0]),
            ),
            agrees(em_sweep),
        ),
        Property(
            "agrees with one E-step and one M-step",
            "Both steps, once each, in this order: responsibilities from the old mixture, then everything "
            "else from the responsibilities.",
            drawn(6, _start, _CLOSE_START),
            agrees(em_sweep, rel=1e-7),
            points=2,
        ),
    ),
)

EXERCISES = (RESPONSIBILITIES, M_STEP, BOUND, BIC, EM_SWEEP)
