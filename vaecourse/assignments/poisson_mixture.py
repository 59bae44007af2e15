"""A2: EM for a mixture of another family. A mixture of Poissons is two lists of k numbers: weights, rates.

The data are a table: counts[i] was seen on days[i] days. The references stand in the source notebook (`solved`).
"""

import numpy as np

from vaecourse.exercises.cases import agrees, close, drawn, finite, fixed, probabilities, related
from vaecourse.exercises.core import Exercise, Property
from vaecourse.exercises.kinds import NUMBERS, POINTS, THREE_LISTS, Kind

from .core import Limits, Solved, Written

TITLE = "EM for a mixture of another family"

# NumPy and scipy.special are enough. The others hold a Poisson density, or EM for another family.
FORBIDS = (
    "scipy.stats",
    "sklearn",
    "torch",
    "vaecourse.gaussian_mixture",
    "vaecourse.fast_mixture",
    "vaecourse.mixture_model",
    "vaecourse.mixture_posterior",
    "vaecourse.variational_mixture",
    "vaecourse.fast_variational",
    "vaecourse.kmeans",
)

LIMITS = Limits()

WRITTEN = (
    Written(
        "derive_m_step",
        4,
        (
            ("writes the bound with days and shares, and names the part that contains the rates", 1),
            ("sets the slope in one rate to zero, and gets the mean count of the days it owns", 1),
            ("gets the weights, and says how the condition that they sum to 1 was used", 1),
            ("says why this is the highest point, and not only a point where the slope is zero", 1),
        ),
    ),
    Written(
        "two_components",
        3,
        (
            ("says with the fitted numbers what a weight and what a rate mean, in days and in notices", 1),
            ("gives a possible cause, and says that the table cannot prove it: no day carries a label", 1),
            ("says what became of the third component from both starts, and what BIC concludes", 1),
        ),
    ),
    Written(
        "which_is_which",
        2,
        (
            ("exchanging the names gives the same density for every count, so the data cannot tell", 1),
            ("with two equal rates only the sum of their weights is determined", 1),
        ),
    ),
)


def _two_lists(value):
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError
    return [NUMBERS.read(v) for v in value]


TWO_LISTS = Kind("two lists (or arrays) of numbers", _two_lists)
TABLE = Kind("a table: one row of shares for each count", POINTS.read)


def exercises(solved: Solved) -> tuple[Exercise, ...]:
    return (
        _density(solved["poisson_log_density"]),
        _responsibilities(solved["responsibilities"]),
        _m_step(solved["m_step"]),
        _em(solved["em"]),
        _next_day(solved["next_day"]),
    )


# How inputs are drawn


def _rate(rng):
    return float(np.round(np.exp(rng.normal(0.7, 0.8)) + 0.05, 2))


def _mixture(rng):
    """Weights and rates of two to four components, no two rates nearly alike."""
    k = int(rng.integers(2, 5))
    steps = np.round(rng.uniform(0.6, 2.5, k), 2)
    rates = rng.permutation(np.cumsum(steps))
    return probabilities(rng, k), [float(r) for r in np.round(rates, 2)]


def _table(rng):
    """Counts 0, 1, 2, … and on how many days each was seen: at least one."""
    n = int(rng.integers(5, 10))
    days = np.ceil(60 * rng.dirichlet(np.ones(n)))
    return [float(c) for c in range(n)], [float(d) for d in days]


def _is_table(output, rows, columns) -> bool:
    return len(output) == rows and all(len(row) == columns for row in output)


# 1. The family


def _density(reference):
    def up_to_certainty(rng):
        rate = _rate(rng)
        return [float(c) for c in range(int(rate + 12 * np.sqrt(rate) + 30))], rate

    def zero(rng):
        return [0.0], _rate(rng)

    def huge(rng):
        rate = float(np.round(rng.uniform(1e5, 1e6)))
        return [float(c) for c in np.round(rate * np.array([0.9, 1.0, 1.2]))], rate

    return Exercise(
        name="A2/poisson_log_density",
        title="The family",
        statement=(
            "A Poisson distribution with rate λ gives the count c the probability λ^c·exp(−λ)/c!. Write "
            "poisson_log_density(counts, rate): for each of the counts the natural logarithm of its "
            "probability, one number each. A rate of 0 means that only the count 0 can happen: its "
            "logarithm is then 0, and that of any other count −∞. Counts may go into the millions."
        ),
        reference=reference,
        returns=NUMBERS,
        forbids=FORBIDS,
        properties=(
            Property(
                "at count 0 it is minus the rate",
                "0! = 1 and λ⁰ = 1. What is left of the formula? And its logarithm, not the probability itself.",
                drawn(3, zero, ([0.0], 2.5)),
                lambda case, outputs: close(outputs[0], [-case[0][1]]),
            ),
            Property(
                "at rate 0 only the count 0 can happen",
                "log 0 is −∞, and 0 times −∞ is nan: for the count 0 the factor λ⁰ is 1. `scipy.special.xlogy` "
                "knows that 0·log 0 counts as 0.",
                fixed(([0.0], 0.0), ([0.0, 1.0, 2.0, 7.0], 0.0)),
                lambda case, outputs: close(outputs[0], [0.0 if c == 0 else -np.inf for c in case[0][0]]),
            ),
            Property(
                "the probabilities of all counts sum to 1",
                "Three parts: one with log λ, one with λ, and one with the factorial. Which of them have a "
                "minus? Is c! the factorial of c, or of c − 1? `gammaln(n)` belongs to (n − 1)!.",
                drawn(4, up_to_certainty, ([float(c) for c in range(40)], 1.0)),
                lambda case, outputs: (
                    len(outputs[0]) == len(case[0][0]) and close(np.exp(outputs[0]).sum(), 1)
                ),
            ),
            Property(
                "counts of a million are no trouble",
                "A factorial as large as 171! is infinite for the computer; its logarithm is not. Never leave "
                "the logarithms: `scipy.special.gammaln`.",
                drawn(3, huge, ([200.0], 180.0), ([0.0, 3.0, 1e6], 1e6)),
                agrees(reference),
            ),
        ),
    )


# 2. The E-step


def _responsibilities(reference):
    def any_counts(rng):
        return [float(c) for c in rng.integers(0, 12, int(rng.integers(2, 7)))], *_mixture(rng)

    def all_alike(rng):
        counts, weights, rates = any_counts(rng)
        return counts, weights, [rates[0]] * len(rates)

    def far(rng):
        counts, weights, rates = any_counts(rng)
        return [c + float(rng.integers(2_000, 9_000)) for c in counts], weights, rates

    return Exercise(
        name="A2/responsibilities",
        title="The E-step",
        statement=(
            "Write responsibilities(counts, weights, rates): a table with one row for each of the counts, "
            "and in it the k shares that the components have in it: how probable it is that component 1, 2, "
            "… made this count. It must work for counts that no component expects, and a component with "
            "weight 0 has no share in anything."
        ),
        reference=reference,
        returns=TABLE,
        forbids=FORBIDS,
        properties=(
            Property(
                "a row for each count, with k shares that sum to 1 and depend on the count",
                "Weight times probability, for each count and each component: these do not sum to 1 yet. Sum "
                "along the components, not along the counts. (Negative numbers? Then they are still logarithms.)",
                drawn(4, any_counts, ([0.0, 4.0], [0.5, 0.5], [1.0, 3.0])),
                lambda case, outputs: (
                    _is_table(outputs[0], len(case[0][0]), len(case[0][1]))
                    and bool(np.all(np.asarray(outputs[0]) >= 0))
                    and close(np.sum(outputs[0], axis=1), np.ones(len(case[0][0])))
                    and len({tuple(row) for row in outputs[0]}) >= len(set(case[0][0]))
                ),
            ),
            Property(
                "where all rates are the same, the shares are the weights",
                "A count says nothing then about who made it, and the prior stays as it was. A weight of 0 "
                "stays 0, too.",
                drawn(3, all_alike, ([0.0, 2.0], [0.25, 0.75], [2.0, 2.0]), ([3.0], [0.0, 1.0], [2.0, 2.0])),
                lambda case, outputs: close(outputs[0], [case[0][1]] * len(case[0][0])),
            ),
            Property(
                "agrees with Bayes' rule",
                "For each count and each component: log weight plus the log density of your first exercise, "
                "with the rate of that component.",
                drawn(6, any_counts, ([0.0, 4.0], [0.25, 0.75], [1.0, 3.0])),
                agrees(reference),
            ),
            Property(
                "counts that no component expects still have shares",
                "There every probability is 0 for the computer, and 0/0 is nan. Subtract the largest logarithm "
                "of a row before you take exp.",
                drawn(2, far, ([3000.0], [0.5, 0.5], [1.0, 2.0]), ([4000.0, 0.0], [0.3, 0.7], [2.0, 2.001])),
                lambda case, outputs: (
                    all(finite(row) for row in outputs[0]) and close(outputs[0], reference(*case[0]))
                ),
            ),
        ),
    )


# 3. The M-step


def _m_step(reference):
    def shared(rng):
        counts, days = _table(rng)
        k = int(rng.integers(2, 4))
        return counts, days, [probabilities(rng, k) for _ in counts]

    def day_by_day(rng):
        counts, days, shares = shared(rng)
        days = [float(d) for d in rng.integers(1, 4, len(days))]
        times = [int(d) for d in days]
        one_by_one = [c for c, t in zip(counts, times, strict=True) for _ in range(t)]
        rows = [row for row, t in zip(shares, times, strict=True) for _ in range(t)]
        return (counts, days, shares), (one_by_one, [1.0] * len(one_by_one), rows)

    def one_owns_nothing(rng):
        counts, days, shares = shared(rng)
        return counts, days, [[row[0] + sum(row[2:]), 0.0, row[1]] for row in shares]

    decided = ([0.0, 1.0, 5.0, 6.0], [2.0, 2.0, 1.0, 3.0], [[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2)
    divided = ([0.0, 2.0], [1.0, 3.0], [[0.5, 0.5], [0.25, 0.75]])
    return Exercise(
        name="A2/m_step",
        title="The M-step",
        statement=(
            "counts[i] was seen on days[i] days, and shares[i] are the shares of the components in each of "
            "these days. Write m_step(counts, days, shares) that returns two lists: the weights and the "
            "rates that make the bound as large as it can be. A component without a share in any day gets the "
            "weight 0 and the rate 0."
        ),
        reference=reference,
        returns=TWO_LISTS,
        forbids=FORBIDS,
        properties=(
            Property(
                "a table says the same as a list of days",
                "A count that was seen on three days is three days with the same shares. Does days take part "
                "in every sum: in the number of days that a component owns, in its sum of counts, and in the "
                "number of all days?",
                related(
                    3,
                    day_by_day,
                    (divided, ([0.0, 2.0, 2.0, 2.0], [1.0] * 4, [[0.5, 0.5]] + [[0.25, 0.75]] * 3)),
                ),
                lambda case, outputs: (
                    all(len(row) == len(case[0][2][0]) for output in outputs for row in output)
                    and close(outputs[0], outputs[1])
                    and len(set(outputs[0][1])) > 1
                ),
            ),
            Property(
                "the weights make the bound largest",
                "Weights first, rates second. Question A: what does the condition that they sum to 1 make of them? Add "
                "up what each component owns, in days.",
                drawn(3, shared, decided, divided),
                lambda case, outputs: close(outputs[0][0], reference(*case[0])[0]),
            ),
            Property(
                "the rates make the bound largest",
                "Question A: where is the slope in one rate zero? A share is a part of a day, not a decision about "
                "it, and the days that the others own do not count.",
                drawn(4, shared, decided, divided),
                lambda case, outputs: close(outputs[0][1], reference(*case[0])[1]),
            ),
            Property(
                "a component without a share gets the weight 0 and the rate 0",
                "It owns 0 days, and 0/0 is nan. Look whether there is anything to divide by.",
                drawn(2, one_owns_nothing, ([1.0, 3.0], [2.0, 2.0], [[1.0, 0.0]] * 2)),
                lambda case, outputs: (
                    finite(outputs[0][0] + outputs[0][1]) and close(outputs[0], reference(*case[0]))
                ),
            ),
        ),
    )


# 4. EM


def _em(reference):
    def start(rng):
        return *_table(rng), *_mixture(rng), int(rng.integers(2, 9))

    def still(rng):
        return *start(rng)[:-1], 0

    def other_names(rng):
        counts, days, weights, rates, sweeps = start(rng)
        return (counts, days, weights, rates, sweeps), (counts, days, weights[::-1], rates[::-1], sweeps)

    def far_off(rng):
        counts, days, weights, rates, sweeps = start(rng)
        return counts, days, weights, [r + 3_000.0 for r in rates], sweeps

    def complete(case, output):
        k, sweeps = len(case[0][2]), case[0][4]
        return len(output[0]) == len(output[1]) == k and len(output[2]) == sweeps + 1 and finite(output[2])

    small = ([0.0, 1.0, 2.0, 5.0], [3.0, 4.0, 2.0, 1.0])
    return Exercise(
        name="A2/em",
        title="EM",
        statement=(
            "Write em(counts, days, weights, rates, sweeps): from these weights and rates do so many sweeps, "
            "each an E-step and then an M-step, and return three lists: the weights and the rates at the end, "
            "and the log-likelihoods in nats, the one of the start first, then the one after each sweep. The "
            "log-likelihood is the sum over all days of the log of Σ weight·probability."
        ),
        reference=reference,
        returns=THREE_LISTS,
        forbids=FORBIDS,
        properties=(
            Property(
                "without a sweep: the start, and its log-likelihood",
                "With 0 sweeps the third list holds one number. It is the logarithm of a sum over the components, and "
                "then a sum over the days: a count that was seen on 9 days takes part nine times.",
                drawn(3, still, (*small, [0.5, 0.5], [1.0, 3.0], 0), (*small, [1.0], [2.0], 0)),
                lambda case, outputs: (
                    close(outputs[0][0], case[0][2])
                    and close(outputs[0][1], case[0][3])
                    and close(outputs[0][2], reference(*case[0])[2])
                ),
            ),
            Property(
                "one number more than sweeps, and it never goes down",
                "Let the shares be those of the old mixture, and take both new lists from them. Then the bound "
                "touches, and is lifted as far as it goes.",
                drawn(8, start, (*small, [0.5, 0.5], [1.0, 3.0], 5)),
                lambda case, outputs: (
                    complete(case, outputs[0])
                    and close(outputs[0][2][0], reference(*case[0])[2][0])
                    and bool(np.all(np.diff(outputs[0][2]) >= -1e-9 * np.abs(outputs[0][2][0])))
                    and outputs[0][2][-1] > outputs[0][2][0]
                ),
            ),
            Property(
                "other names, the same mixture",
                "Exchange the components at the start, and they are exchanged at the end. Do you sort, or treat "
                "one of them in a way of its own, say its weight as what the others leave over?",
                related(
                    3, other_names, ((*small, [0.4, 0.6], [1.0, 3.0], 3), (*small, [0.6, 0.4], [3.0, 1.0], 3))
                ),
                lambda case, outputs: (
                    all(complete(case, output) for output in outputs)
                    and close([row[::-1] for row in outputs[0][:2]], outputs[1][:2], rel=1e-7)
                    and close(outputs[0][2], outputs[1][2])
                    and not close(outputs[0][1], case[0][3])
                ),
            ),
            Property(
                "agrees sweep by sweep",
                "One sweep on paper, with two counts and two components: does your function give the same? "
                "Then look whether the second sweep begins where the first one ended.",
                drawn(
                    5,
                    start,
                    (*small, [0.5, 0.5], [1.0, 3.0], 1),
                    (*small, [0.2, 0.3, 0.5], [0.0, 1.0, 3.0], 2),
                ),
                lambda case, outputs: all(
                    close(*pair, rel=1e-7) for pair in zip(outputs[0], reference(*case[0]), strict=True)
                ),
                points=2,
            ),
            Property(
                "a start far from all counts is no trouble",
                "There every probability is 0 for the computer, and its logarithm −∞. Stay with logarithms in "
                "the log-likelihood, too: log-sum-exp.",
                drawn(2, far_off, (*small, [0.5, 0.5], [2000.0, 2001.0], 2)),
                lambda case, outputs: (
                    complete(case, outputs[0])
                    and all(
                        close(*pair, rel=1e-7) for pair in zip(outputs[0], reference(*case[0]), strict=True)
                    )
                ),
            ),
        ),
    )


# Stretch: many days, one label


def _next_day(reference):
    def spell(rng):
        weights, rates = _mixture(rng)
        return [float(c) for c in rng.poisson(rates[0], int(rng.integers(1, 7)))], weights, rates

    def nothing(rng):
        return [], *_mixture(rng)

    def long(rng):
        weights, rates = _mixture(rng)
        return [float(c) for c in rng.poisson(rates[0], 900)], weights, rates

    def mean(case):
        return float(np.dot(case[0][1], case[0][2]))

    return Exercise(
        name="A2/next_day",
        title="Many days, one label",
        statement=(
            "Suppose that the hidden label is drawn once for a whole spell of days (a cold winter, say), and "
            "all days of the spell come from that one component. seen are the counts of the days so far. Write "
            "next_day(seen, weights, rates): the mean of the count that you expect on the next day of the same "
            "spell. seen may be empty, and may hold a thousand days."
        ),
        reference=reference,
        forbids=FORBIDS,
        stretch=True,
        properties=(
            Property(
                "before the first day: the mean of the mixture",
                "Nothing has been seen, so each component is as probable as its weight. What does each one "
                "expect?",
                drawn(3, nothing, ([], [0.25, 0.75], [1.0, 3.0])),
                lambda case, outputs: close(outputs[0], mean(case)),
            ),
            Property(
                "agrees with Bayes' rule",
                "One label for all days: their log densities are added before anything is divided, and the "
                "weight takes part once, not once a day. Then average the rates, not the counts.",
                drawn(5, spell, ([0.0, 4.0], [0.25, 0.75], [1.0, 3.0])),
                agrees(reference),
            ),
            Property(
                "a thousand days are no trouble",
                "The product of a thousand probabilities is 0 for the computer. The logarithm of a product is "
                "a sum.",
                drawn(2, long, ([2.0] * 1000, [0.5, 0.5], [1.0, 3.0])),
                lambda case, outputs: finite(outputs[0]) and close(outputs[0], reference(*case[0])),
            ),
        ),
    )
