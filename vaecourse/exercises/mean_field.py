"""The exercises of lesson 05. A factorized q is two lists, means and variances; its target is N(mean, covariance)."""

import numpy as np
from scipy.special import digamma

from .cases import agrees, close, drawn, finite, fixed, numbers, related
from .core import Exercise, Property
from .kinds import FOUR_NUMBERS, NUMBERS, PAIR

FORBIDS = (
    "vaecourse.mean_field",
    "vaecourse.variational_mixture",
    "vaecourse.mixture_posterior",
    "vaecourse.kl_divergence",
    "torch.distributions",
)


def _covariance(rng, d):
    """A covariance whose correlations are neither near 0 nor near 1, with two decimals."""
    while True:
        rows = rng.normal(0, 1, (d, d))
        covariance = np.round(rows @ rows.T + 0.3 * np.eye(d), 2)
        off = covariance[~np.eye(d, dtype=bool)]
        if d == 1 or (np.abs(off).min() > 0.1 and np.linalg.eigvalsh(covariance)[0] > 0.1):
            return covariance.tolist()


def _diagonal(values):
    return np.diag(values).tolist()


def _variances(rng, d):
    return [float(v) for v in np.round(np.exp(rng.normal(0, 0.6, d)), 2) + 0.05]


# 1. One factor, the others held still


def update(means, mean, covariance, j):
    precision = np.linalg.inv(np.asarray(covariance, dtype=float))
    others = np.arange(len(mean)) != j
    away = np.subtract(means, mean)[others]
    # m_j = μ_j − Λ_jj⁻¹ Σ_{i≠j} Λ_ji (m_i − μ_i),  v_j = 1/Λ_jj
    shift = precision[j, others] @ away / precision[j, j]
    return float(mean[j] - shift), float(1 / precision[j, j])


def _factor(rng):
    d = int(rng.integers(2, 5))
    return numbers(rng, d), numbers(rng, d), _covariance(rng, d), int(rng.integers(d))


def _independent(rng):
    means, mean, _, j = _factor(rng)
    return means, mean, _diagonal(_variances(rng, len(mean))), j


def _others_on_the_mean(rng):
    means, mean, covariance, j = _factor(rng)
    return [means[i] if i == j else mean[i] for i in range(len(mean))], mean, covariance, j


def _own_mean_moved(rng):
    means, *rest, j = _factor(rng)
    return (means, *rest, j), ([m + 5.0 * (i == j) for i, m in enumerate(means)], *rest, j)


def _two_correlated(rng):
    means, mean = numbers(rng, 2), numbers(rng, 2)
    rho = float(rng.choice([-0.9, -0.5, 0.6, 0.95]))
    return means, mean, [[1.0, rho], [rho, 1.0]], int(rng.integers(2))


def _on_the_line_of_the_other(case, outputs):
    means, mean, covariance, j = case[0]
    rho, other = covariance[0][1], 1 - j
    return close(outputs[0][0], mean[j] + rho * (means[other] - mean[other]), abs_=1e-9)


_CORRELATED = ([0.0, 1.0], [0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]], 0)

UPDATE = Exercise(
    name="05/update",
    title="One factor, the others held still",
    statement=(
        "The target is a Gaussian in d dimensions, N(mean, covariance); q is a product of d Gaussians with "
        "the means means. Write update(means, mean, covariance, j), with j counted from 0, that returns two "
        "numbers: the mean and the variance of the best factor j, while all the other factors stay. With the "
        "precision Λ, the inverse of the covariance: the variance is 1/Λ[j][j], and the mean is the z[j] "
        "at which log p(z), averaged over all the other factors, is highest."
    ),
    reference=update,
    returns=PAIR,
    forbids=FORBIDS,
    properties=(
        Property(
            "where it stood before does not matter",
            "Factor j is replaced as a whole. Does its own old mean still take part in your sum over the "
            "others?",
            related(3, _own_mean_moved, (_CORRELATED, ([5.0, 1.0], *_CORRELATED[1:]))),
            lambda case, outputs: close(*outputs, abs_=1e-9),
        ),
        Property(
            "where nothing is correlated, the true mean and the true variance at once",
            "The other coordinates say nothing about this one then: neither where they stand, nor where it "
            "stood before.",
            drawn(3, _independent, ([3.0, -2.0], [1.0, 0.0], _diagonal([4.0, 1.0]), 0)),
            lambda case, outputs: close(
                outputs[0], [case[0][1][case[0][3]], case[0][2][case[0][3]][case[0][3]]]
            ),
        ),
        Property(
            "where the others stand on their true means, this one moves to its own",
            "What pulls is how far the others are from the true means, not how far they are from 0.",
            drawn(3, _others_on_the_mean, ([5.0, 1.0], [2.0, 1.0], _CORRELATED[2], 0)),
            lambda case, outputs: close(outputs[0][0], case[0][1][case[0][3]], abs_=1e-9),
        ),
        Property(
            "it follows the other one if their correlation is positive, and flees it if it is negative",
            "Off the diagonal, the precision has the opposite sign of the covariance. In two dimensions, "
            "with variances of 1, the mean moves by ρ for each step of the other.",
            drawn(5, _two_correlated, _CORRELATED),
            _on_the_line_of_the_other,
        ),
        Property(
            "its variance is the one that is left when all others are known",
            "Not the entry of the covariance: that one holds when nothing is known about the others. "
            "Invert the matrix first, then the number.",
            drawn(4, _factor, _CORRELATED),
            lambda case, outputs: close(outputs[0][1], update(*case[0])[1], rel=1e-7),
        ),
        Property(
            "agrees in any number of dimensions",
            "One sum over all the others, with row j of the precision matrix. Two others that are "
            "correlated with each other must not pull twice.",
            drawn(8, _factor, _CORRELATED),
            agrees(update, rel=1e-7, abs_=1e-9),
            points=2,
        ),
    ),
)


# 2. What independence costs


def lost_variance(covariance):
    covariance = np.asarray(covariance, dtype=float)
    # 1 / (Λ_jj Σ_jj)
    return (1 / (np.diag(np.linalg.inv(covariance)) * np.diag(covariance))).tolist()


def _any_covariance(rng):
    return (_covariance(rng, int(rng.integers(3, 5))),)


def _correlation(rho, sd=1.0):
    return [[1.0, rho * sd], [rho * sd, sd**2]]


def _other_unit(rng):
    (covariance,) = _any_covariance(rng)
    unit = np.ones(len(covariance))
    unit[0] = 100.0
    return (covariance,), ((covariance * np.outer(unit, unit)).tolist(),)


LOST_VARIANCE = Exercise(
    name="05/lost_variance",
    title="What independence costs",
    statement=(
        "The target is a Gaussian with this covariance, and q the best product of independent Gaussians, in "
        "the sense of the smallest KL(q‖p): the variance of its coordinate j is 1/Λ[j][j], where Λ is the "
        "inverse of the covariance. Write lost_variance(covariance): for each coordinate, q's variance as a "
        "share of the true one."
    ),
    reference=lost_variance,
    returns=NUMBERS,
    forbids=FORBIDS,
    properties=(
        Property(
            "1 for each coordinate where nothing is correlated",
            "Nothing is lost then: the share that is kept is the whole. Kept, not lost.",
            fixed((_diagonal([1.0, 1.0]),), (_diagonal([1.0, 1.0, 1.0]),)),
            lambda case, outputs: close(outputs[0], [1] * len(case[0][0])),
        ),
        Property(
            "the unit of a coordinate does not matter",
            "Metres or centimetres: a share has no unit. Is each variance divided by the true one of the "
            "same coordinate?",
            related(3, _other_unit, ((_correlation(0.5),), ([[1e4, 50.0], [50.0, 1.0]],))),
            lambda case, outputs: close(*outputs, rel=1e-7),
        ),
        Property(
            "never above 1",
            "To know the others can only help: what is left is at most the true variance. Which of the two "
            "stands above in your ratio?",
            drawn(4, _any_covariance, (_correlation(0.5),)),
            lambda case, outputs: (
                len(outputs[0]) == len(case[0][0]) and all(0 < share <= 1 + 1e-9 for share in outputs[0])
            ),
        ),
        Property(
            "1 − ρ² in two dimensions",
            "ρ squared, whatever its sign: variances, not standard deviations. And both coordinates lose "
            "the same share.",
            fixed(*((_correlation(rho, sd),) for rho, sd in ((0.5, 1.0), (-0.9, 2.0), (0.99, 0.5)))),
            lambda case, outputs: close(
                outputs[0], [1 - case[0][0][0][1] ** 2 / case[0][0][1][1]] * 2, rel=1e-7
            ),
        ),
        Property(
            "agrees in any number of dimensions",
            "Invert the whole matrix, and take its diagonal. With three coordinates, ρ of each pair does "
            "not tell enough.",
            drawn(6, _any_covariance, (_correlation(0.5),)),
            agrees(lost_variance, rel=1e-7),
            points=2,
        ),
    ),
)


# 3. Why superfluous components switch off


def expected_log_weights(concentrations):
    a = np.asarray(concentrations, dtype=float)
    # E[log π_k] = ψ(a_k) − ψ(Σ a)
    return (digamma(a) - digamma(a.sum())).tolist()


def _concentrations(rng):
    return ([float(v) for v in np.round(np.exp(rng.normal(0.5, 1, int(rng.integers(2, 6)))) + 0.05, 2)],)


def _log_of_the_mean(concentrations):
    return np.log(np.divide(concentrations, np.sum(concentrations)))


EXPECTED_LOG_WEIGHTS = Exercise(
    name="05/expected_log_weights",
    title="Why superfluous components switch off",
    statement=(
        "The weights of a mixture are unknown, and what is known about them is a Dirichlet distribution: "
        "concentrations[k] is about the number of points that component k owns. Write "
        "expected_log_weights(concentrations): the mean of log weight[k], for each k, which is "
        "ψ(concentrations[k]) − ψ(sum of all). ψ is the slope of the log of the gamma function, in SciPy "
        "`scipy.special.digamma`."
    ),
    reference=expected_log_weights,
    returns=NUMBERS,
    forbids=FORBIDS,
    properties=(
        Property(
            "a single component has the weight 1 for sure",
            "log 1 = 0. The same function of the same number, and its difference is 0: which function "
            "belongs to the sum?",
            fixed(([1.0],), ([0.3],), ([40.0],)),
            lambda case, outputs: close(outputs[0], [0]),
        ),
        Property(
            "with very many points the log of the shares",
            "Then nothing is unsure any more. ψ of a large number is nearly its logarithm: is it ψ of the "
            "sum, or a sum of ψ? Natural logarithms.",
            fixed(([3e7, 1e7],), ([2e8, 5e8, 3e8],)),
            lambda case, outputs: close(outputs[0], _log_of_the_mean(case[0][0]), rel=1e-5),
        ),
        Property(
            "lower than the log of the mean weight",
            "Jensen: a weight that may be small costs more than one that may be large gains. It is the mean "
            "of the log that is asked for.",
            drawn(5, _concentrations, ([1.0, 2.0],)),
            lambda case, outputs: (
                len(outputs[0]) == len(case[0][0])
                and bool(np.all(np.less(outputs[0], _log_of_the_mean(case[0][0]) - 1e-9)))
            ),
        ),
        Property(
            "a component that owns nearly nothing is as good as gone",
            "At 0.001 points the mean of the log is about −1000, while the log of the mean is only −7. ψ is "
            "no longer near a logarithm there, nor near log a − 1/(2a).",
            fixed(([0.001, 1.0],), ([0.001, 50.0, 0.01],)),
            agrees(expected_log_weights),
        ),
        Property(
            "−1 for each of two components about which nothing is known",
            "With two concentrations of 1, the weight is uniform on [0, 1], and the mean of log u is −1. "
            "What has to be taken away from ψ(1)?",
            fixed(([1.0, 1.0],)),
            lambda case, outputs: close(outputs[0], [-1, -1]),
        ),
        Property(
            "agrees with the mean of the logarithm, in nats",
            "Two values of ψ for each component, and nothing else.",
            drawn(6, _concentrations, ([1.0, 2.0],)),
            agrees(expected_log_weights),
            points=2,
        ),
    ),
)


# 4. How far a product of factors is from the truth


def kl_factorized(means, variances, mean, covariance):
    covariance, variances = np.asarray(covariance, dtype=float), np.asarray(variances, dtype=float)
    root = np.linalg.cholesky(covariance)
    away = np.linalg.solve(root, np.subtract(means, mean))
    spread = (np.linalg.solve(root, np.diag(np.sqrt(variances))) ** 2).sum()
    log_determinant = 2 * np.log(np.diag(root)).sum()
    # ½ [tr(Λ diag v) + (m − μ)ᵀ Λ (m − μ) − d + log |Σ| − Σ log v_j]
    return float(0.5 * (spread + away @ away - len(root) + log_determinant - np.log(variances).sum()))


def _q_and_target(rng):
    d = int(rng.integers(2, 5))
    return numbers(rng, d), _variances(rng, d), numbers(rng, d), _covariance(rng, d)


def _q_is_the_target(rng):
    means, variances, _, _ = _q_and_target(rng)
    return means, variances, means, _diagonal(variances)


def _both_moved(rng):
    means, variances, mean, covariance = _q_and_target(rng)
    return (means, variances, mean, covariance), (
        [v + 10.0 for v in means],
        variances,
        [v + 10.0 for v in mean],
        covariance,
    )


def _best_product(rng):
    """The best factorized q of a Gaussian in two dimensions, from which KL is −½ log(1 − ρ²)."""
    rho = float(rng.choice([-0.9, -0.5, 0.6, 0.8]))
    mean = numbers(rng, 2)
    return mean, [1 - rho**2] * 2, mean, _correlation(rho)


_NARROW = (
    ([0.0] * 4, [1e-100] * 4, [1e-50] * 4, _diagonal([1e-100] * 4)),
    ([0.0] * 2, [1e-170] * 2, [1e-85] * 2, [[2e-170, 1e-170], [1e-170, 2e-170]]),
)
_APART = ([0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [[1.0, 0.5], [0.5, 1.0]])

KL_FACTORIZED = Exercise(
    name="05/kl_factorized",
    title="How far a product of factors is from the truth",
    statement=(
        "q is a product of Gaussians with these means and variances; p is the Gaussian N(mean, covariance), "
        "in as many dimensions. Write kl_factorized(means, variances, mean, covariance): KL(q‖p) in nats. It "
        "must also work where the determinant of the covariance is too small for the computer."
    ),
    reference=kl_factorized,
    forbids=FORBIDS,
    properties=(
        Property(
            "zero when q and p are the same",
            "Each coordinate's average squared distance, counted in its own standard deviation, is 1. What "
            "takes these d ones away again?",
            drawn(3, _q_is_the_target, ([0.0, 0.0], [1.0, 4.0], [0.0, 0.0], _diagonal([1.0, 4.0]))),
            lambda case, outputs: close(outputs[0], 0, abs_=1e-9),
        ),
        Property(
            "never negative",
            "There are two logarithms, and they stand on opposite sides: the wider p is, the more it costs, "
            "the wider q is, the less.",
            drawn(
                6,
                _q_and_target,
                ([0.0, 0.0], [4.0, 4.0], [0.0, 0.0], _diagonal([1.0, 1.0])),
                ([0.0, 0.0], [0.25, 0.25], [0.0, 0.0], _diagonal([1.0, 1.0])),
            ),
            lambda case, outputs: outputs[0] >= -1e-9,
        ),
        Property(
            "only the distance of the means counts",
            "Move both by 10 in every coordinate, and nothing changes. The means enter as a difference.",
            related(3, _both_moved),
            lambda case, outputs: close(*outputs, rel=1e-7, abs_=1e-9),
        ),
        Property(
            "in two dimensions the best product is −½·log(1 − ρ²) away",
            "This much no independent q can win back. Its distance from p is counted with the inverse of "
            "the whole covariance: off the diagonal there is something, too.",
            drawn(4, _best_product, ([0.0, 0.0], [0.75, 0.75], [0.0, 0.0], _correlation(0.5))),
            lambda case, outputs: close(outputs[0], -0.5 * np.log(1 - case[0][3][0][1] ** 2), rel=1e-7),
        ),
        Property(
            "a determinant of 1e-400 is not yet 0",
            "It is 0 for the computer, and its log is −∞. `np.linalg.slogdet` or a Cholesky factor gives "
            "the logarithm without the determinant.",
            fixed(*_NARROW),
            lambda case, outputs: finite(outputs) and close(outputs[0], kl_factorized(*case[0]), rel=1e-7),
        ),
        Property(
            "agrees with the closed form",
            "A spread, a distance of the means, two logarithms and −d, and all of it halved. The distance "
            "is counted in p, not in q.",
            drawn(8, _q_and_target, _APART),
            agrees(kl_factorized, rel=1e-7, abs_=1e-9),
            points=2,
        ),
    ),
)


# Stretch: a Gaussian whose mean and precision are both unknown


def coordinate_ascent(data, mu0, beta0, a0, b0):
    x = np.asarray(data, dtype=float)
    n = len(x)
    middle = x.mean() if n else mu0
    # q(μ) = N(m, 1/h) with m = (β₀ μ₀ + n x̄)/(β₀ + n);  q(λ) = Gamma(a, b) with a = a₀ + (n + 1)/2   (Bishop, 10.26–10.30)
    m = mu0 + n * (middle - mu0) / (beta0 + n)
    a = a0 + (n + 1) / 2
    squares = ((x - m) ** 2).sum() + beta0 * (m - mu0) ** 2
    b = b0 + squares / 2
    while True:
        precision = (beta0 + n) * a / b
        # b = b₀ + ½ E[Σ (x_n − μ)² + β₀ (μ − μ₀)²], where the variance 1/h of μ adds (β₀ + n)/h
        new = b0 + (squares + (beta0 + n) / precision) / 2
        if abs(new - b) <= 1e-15 * b:
            return float(m), float((beta0 + n) * a / new), float(a), float(new)
        b = new


def _sample(rng):
    data = numbers(rng, int(rng.integers(3, 10)), float(rng.choice([1.0, 3.0])))
    prior = [float(v) for v in np.round(np.exp(rng.normal(0, 0.5, 3)), 2) + 0.5]
    return data, numbers(rng, 1)[0], *prior


def _nothing_seen(rng):
    return [], *_sample(rng)[1:]


def _ten_times_as_far(rng):
    data, mu0, beta0, a0, b0 = _sample(rng)
    return (data, mu0, beta0, a0, b0), ([10 * v for v in data], 10 * mu0, beta0, a0, 100 * b0)


def _far_to_the_right(rng):
    data, mu0, *rest = _sample(rng)
    return (data, mu0, *rest), ([v + 1e8 for v in data], mu0 + 1e8, *rest)


def _one_more_turn(case, outputs):
    """The same after one more update of each factor."""
    (data, mu0, beta0, _, b0), (m, precision, a, b) = case[0], outputs[0]
    if not finite(outputs) or min(precision, a, b) <= 0:
        return False
    x = np.array(data)
    squares = ((x - m) ** 2).sum() + len(x) / precision + beta0 * ((m - mu0) ** 2 + 1 / precision)
    return close([precision, b], [(beta0 + len(x)) * a / b, b0 + squares / 2], rel=1e-6)


_FOUR = ([1.0, 2.0, 4.0, 5.0], 0.0, 1.0, 1.0, 1.0)

COORDINATE_ASCENT = Exercise(
    name="05/coordinate_ascent",
    title="Two unknowns, one at a time",
    statement=(
        "The numbers data come from a Gaussian with unknown mean μ and unknown precision λ (one over the "
        "variance). Beforehand, λ has the density Gamma(a0, b0), whose mean is a0/b0, and given λ, μ is "
        "Gaussian with mean mu0 and precision beta0·λ. Let q(μ) be the Gaussian with mean m and precision "
        "h, and q(λ) be Gamma(a, b). Update the two in turn until neither changes any more, and write "
        "coordinate_ascent(data, mu0, beta0, a0, b0) that returns four numbers: m, h, a, b. The factor "
        "q(μ) comes from E[λ] = a/b, and q(λ) from E[(x − μ)²] = (x − m)² + 1/h."
    ),
    reference=coordinate_ascent,
    returns=FOUR_NUMBERS,
    forbids=FORBIDS,
    stretch=True,
    properties=(
        Property(
            "the prior counts like beta0 points at mu0",
            "m is the mean of all points, those of the prior among them. It does not depend on λ, which "
            "multiplies both sides alike.",
            drawn(3, _sample, _FOUR),
            lambda case, outputs: close(
                outputs[0][0],
                (case[0][2] * case[0][1] + sum(case[0][0])) / (case[0][2] + len(case[0][0])),
                abs_=1e-9,
            ),
        ),
        Property(
            "each point adds ½ to a, and so does μ",
            "Write down log p(data, μ, λ) and collect the multiples of log λ: n halves from the data, one "
            "more from the density of μ given λ.",
            drawn(3, _sample, _FOUR),
            lambda case, outputs: close(outputs[0][2], case[0][3] + (len(case[0][0]) + 1) / 2),
        ),
        Property(
            "numbers ten times as large, a precision a hundred times smaller",
            "h is a precision, one over a variance: h = (beta0 + n)·E[λ]. No square root is taken anywhere.",
            related(3, _ten_times_as_far),
            lambda case, outputs: close(
                np.multiply(outputs[0], [10, 0.01, 1, 100]), outputs[1], rel=1e-6, abs_=1e-9
            ),
        ),
        Property(
            "one more turn changes nothing",
            "h needs a/b, and b needs h: a single turn is not enough. And μ is not known exactly: its own "
            "variance 1/h belongs to every squared distance, the one from mu0 included.",
            drawn(5, _sample, _FOUR),
            _one_more_turn,
        ),
        Property(
            "without data the beliefs about the mean and about λ stay",
            "No point, no mean of the points: 0/0 is nan. m stays mu0, and a/b stays a0/b0, though a and b "
            "do not.",
            drawn(2, _nothing_seen, ([], 1.0, 2.0, 3.0, 4.0)),
            lambda case, outputs: (
                outputs[0][3] > 0
                and close(outputs[0][0], case[0][1])
                and close(outputs[0][2] / outputs[0][3], case[0][3] / case[0][4], rel=1e-6)
            ),
        ),
        Property(
            "points that lie 100 million further right have the same h and b",
            "The sum of the squares minus the square of the sum loses its digits there. Subtract m first, "
            "square afterwards.",
            related(3, _far_to_the_right),
            lambda case, outputs: close(outputs[0][1:], outputs[1][1:], rel=1e-5),
        ),
        Property(
            "agrees with the fixed point",
            "Two updates, one inside the other: h from a/b, b from the expected squares. Start anywhere, "
            "and take a few dozen turns.",
            drawn(6, _sample, _FOUR),
            agrees(coordinate_ascent, rel=1e-6, abs_=1e-9),
            points=2,
        ),
    ),
)

EXERCISES = (UPDATE, LOST_VARIANCE, EXPECTED_LOG_WEIGHTS, KL_FACTORIZED, COORDINATE_ASCENT)
