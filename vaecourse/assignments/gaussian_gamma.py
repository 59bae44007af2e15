"""A3: derive and implement a variational approximation: a Gaussian with unknown mean μ and unknown precision τ.

The prior is τ ~ Gamma(a0, b0) and, given τ, μ ~ N(mu0, 1/(beta0 τ)); q(μ) = N(m, 1/h) and q(τ) = Gamma(a, b). The
references stand in the source notebook (`solved`).
"""

import numpy as np

from vaecourse.exercises.cases import agrees, close, drawn, finite, numbers, related
from vaecourse.exercises.core import Exercise, Property
from vaecourse.exercises.kinds import FOUR_NUMBERS, PAIR, POINTS, Kind

from .core import Limits, Solved, Written

TITLE = "Derive and implement a variational approximation"

# NumPy and scipy.special are enough. The others hold densities, expectations, or the whole of it for a mixture.
FORBIDS = (
    "scipy.stats",
    "sklearn",
    "torch",
    "vaecourse.bayesian_inference",
    "vaecourse.mean_field",
    "vaecourse.mixture_posterior",
    "vaecourse.variational_mixture",
    "vaecourse.fast_variational",
    "vaecourse.variational_inference",
    "vaecourse.gaussian_q",
    "vaecourse.kl_divergence",
)

LIMITS = Limits()

WRITTEN = (
    Written(
        "derive_mu",
        3,
        (
            ("starts from the general equation, and keeps the terms of the log joint that contain μ", 1),
            ("says that τ enters them only as a factor, so that E[τ] is all that is needed of q(τ)", 1),
            ("completes the square: recognises a Gaussian, and reads m and h off", 1),
        ),
    ),
    Written(
        "derive_tau",
        3,
        (
            ("collects all multiples of ln τ, the ½ from the prior of μ among them", 1),
            ("takes the expectation of the squares with the variance of μ, (x − m)² + 1/h", 1),
            ("recognises a Gamma, and reads a and b off", 1),
        ),
    ),
    Written(
        "too_narrow",
        3,
        (
            (
                "compares with numbers from the cell: what q gets right, what is too narrow, and by how much",
                1,
            ),
            ("the reason: how wide μ is depends on τ, and a q(μ) of its own knows only E[τ]", 1),
            ("with more data this dependence fades, and the gap with it", 1),
        ),
    ),
)

ROWS = Kind("a list of rows, each a list of numbers", POINTS.read)


def exercises(solved: Solved) -> tuple[Exercise, ...]:
    return (
        _update_mu(solved["update_mu"]),
        _update_tau(solved["update_tau"]),
        _elbo(solved["elbo"]),
        _coordinate_ascent(solved["coordinate_ascent"]),
        _log_evidence(solved["log_evidence"]),
        _independent_prior(solved["independent_prior"]),
    )


# How inputs are drawn


def _positive(rng, n):
    return [float(v) for v in np.round(np.exp(rng.normal(0, 0.5, n)) + 0.2, 2)]


def _data(rng):
    return numbers(rng, int(rng.integers(3, 10)), float(rng.choice([1.0, 3.0])))


def _problem(rng):
    """Data, and the prior: mu0, beta0, a0, b0."""
    return _data(rng), numbers(rng, 1)[0], *_positive(rng, 3)


def _factors(rng):
    """Any q: m, h, a, b."""
    return numbers(rng, 1)[0], *_positive(rng, 3)


_FOUR = ([1.0, 2.0, 4.0, 5.0], 0.0, 1.0, 1.0, 1.0)
_MILLION = 1e6


def _in_another_unit(data, mu0, beta0, a0, b0, unit):
    return [unit * x for x in data], unit * mu0, beta0, a0, unit**2 * b0


# 1. The factor of the mean


def _update_mu(reference):
    def call(rng):
        data, mu0, beta0, *_ = _problem(rng)
        return data, mu0, beta0, _positive(rng, 1)[0]

    def nothing_seen(rng):
        return [], *call(rng)[1:]

    def flat(rng):
        data, mu0, _, expected_tau = call(rng)
        return data, mu0, 0.0, expected_tau

    return Exercise(
        name="A3/update_mu",
        title="The factor of the mean",
        statement=(
            "Write update_mu(data, mu0, beta0, expected_tau) that returns two numbers: the mean m and the "
            "precision h of the best q(μ), when E[τ] = expected_tau under q(τ). data may be empty, and beta0 "
            "may be 0 where it is not."
        ),
        reference=reference,
        returns=PAIR,
        forbids=FORBIDS,
        properties=(
            Property(
                "agrees with the completed square",
                "All squares in the exponent are multiplied by the same E[τ], the one of the prior included: where is "
                "its top then, and does that depend on E[τ]? And h is a precision, not a variance: how does E[τ] enter it?",
                drawn(6, call, ([1.0, 2.0, 4.0, 5.0], 0.0, 1.0, 2.0)),
                agrees(reference, abs_=1e-9),
            ),
            Property(
                "without data the prior stays",
                "No number, no mean of the numbers: 0/0 is nan. What is left in the exponent is the prior of μ, "
                "averaged over τ.",
                drawn(3, nothing_seen, ([], 2.0, 3.0, 0.5)),
                lambda case, outputs: close(outputs[0], [case[0][1], case[0][2] * case[0][3]]),
            ),
            Property(
                "with beta0 = 0 the mean of the data, and n times the expected precision",
                "Then the prior says nothing about μ, whatever mu0 is. Do the numbers count with the precision "
                "of each, and is h a precision, not a variance?",
                drawn(3, flat, ([1.0, 2.0, 6.0], 5.0, 0.0, 2.0)),
                lambda case, outputs: close(
                    outputs[0], [np.mean(case[0][0]), len(case[0][0]) * case[0][3]], abs_=1e-9
                ),
            ),
        ),
    )


# 2. The factor of the precision


def _update_tau(reference):
    def call(rng):
        return *_problem(rng), *_factors(rng)[:2]

    def twice_as_sure(rng):
        *given, h = call(rng)
        return (*given, h), (*given, 2 * h)

    def far_right(rng):
        data, mu0, beta0, a0, b0, m, h = call(rng)
        there = [x + _MILLION for x in data], mu0 + _MILLION, beta0, a0, b0, m + _MILLION, h
        return (data, mu0, beta0, a0, b0, m, h), there

    def at_least(case):
        """The squares around any m are no smaller than those around the mean."""
        data, _, _, _, b0, *_ = case[0]
        return b0 + len(data) * np.var(data) / 2

    def what_the_variance_adds(case):
        data, _, beta0, *_, h = case[0]
        return (beta0 + len(data)) / (4 * h)

    return Exercise(
        name="A3/update_tau",
        title="The factor of the precision",
        statement=(
            "Write update_tau(data, mu0, beta0, a0, b0, m, h) that returns two numbers: the a and the b of the "
            "best q(τ) = Gamma(a, b), when q(μ) has the mean m and the precision h."
        ),
        reference=reference,
        returns=PAIR,
        forbids=FORBIDS,
        properties=(
            Property(
                "a counts all that multiplies ln τ",
                "Go through the log joint term by term: which of its densities contain ln τ, and how often? The prior "
                "of μ has a width, too.",
                drawn(3, call, (*_FOUR, 3.0, 2.0)),
                lambda case, outputs: close(outputs[0][0], case[0][3] + (len(case[0][0]) + 1) / 2),
            ),
            Property(
                "the less is known about μ, the larger is b",
                "b holds the mean of each squared distance from μ, and μ is not known exactly: what does its variance "
                "add to the mean of a square? To every square, the one around mu0 included?",
                related(3, twice_as_sure, ((*_FOUR, 3.0, 1.0), (*_FOUR, 3.0, 2.0))),
                lambda case, outputs: close(
                    outputs[0][1] - outputs[1][1], what_the_variance_adds(case), rel=1e-7
                ),
            ),
            Property(
                "numbers that lie a million further right have the same b",
                "The sum of the squares minus the square of the sum loses its digits there. Subtract m first, "
                "square afterwards.",
                related(3, far_right),
                lambda case, outputs: (
                    finite(outputs[1]) and close(*outputs, rel=1e-6) and outputs[0][1] > at_least(case)
                ),
            ),
            Property(
                "agrees with the expected log joint",
                "Go through all that is multiplied by −τ: the numbers, the prior of μ, the prior of τ. Which factor "
                "does each of them bring along?",
                drawn(6, call, (*_FOUR, 3.0, 2.0)),
                agrees(reference),
            ),
        ),
    )


# 3. The bound


def _elbo(reference):
    def call(rng):
        return *_problem(rng), *_factors(rng)

    def three_means(rng):
        *problem, m, h, a, b = call(rng)
        return tuple((*problem, m + step, h, a, b) for step in (0.0, 0.5, -0.5))

    def parabola(case):
        data, _, beta0, _, _, _, _, a, b = case[0]
        return -(beta0 + len(data)) * a / b * 0.25

    def twice_as_narrow(rng):
        *problem, m, h, a, b = call(rng)
        return (*problem, m, h, a, b), (*problem, m, 2 * h, a, b)

    def narrower(case):
        data, _, beta0, _, _, _, h, a, b = case[0]
        return 0.25 * (beta0 + len(data)) * a / b / h - 0.5 * np.log(2)

    def other_unit(rng):
        *problem, m, h, a, b = call(rng)
        unit = 100.0
        there = *_in_another_unit(*problem, unit), unit * m, h / unit**2, a, unit**2 * b
        return (*problem, m, h, a, b), there

    return Exercise(
        name="A3/elbo",
        title="The bound",
        statement=(
            "Write elbo(data, mu0, beta0, a0, b0, m, h, a, b): the ELBO in nats of this q, whatever it is, every "
            "constant included: E[ln p(data | μ, τ) + ln p(μ | τ) + ln p(τ) − ln q(μ) − ln q(τ)]."
        ),
        reference=reference,
        forbids=FORBIDS,
        properties=(
            Property(
                "in m it is a parabola, as steep as the numbers and the prior make it",
                "m stands in the squares only: in those around the numbers, and in the one around mu0, which counts "
                "beta0 times. All of them are multiplied by E[τ] = a/b, and halved.",
                related(4, three_means),
                lambda case, outputs: close(
                    outputs[1] + outputs[2] - 2 * outputs[0], parabola(case), rel=1e-7, abs_=1e-9
                ),
            ),
            Property(
                "a q(μ) with twice the precision: smaller squares, ½ ln 2 less entropy",
                "Each square holds the variance 1/h, the one of the prior included. And −E[ln q(μ)] belongs to the "
                "bound: a narrower Gaussian has less of it.",
                related(4, twice_as_narrow),
                lambda case, outputs: close(outputs[1] - outputs[0], narrower(case), rel=1e-7, abs_=1e-9),
            ),
            Property(
                "in units a hundred times smaller each number costs ln 100 nats",
                "Only the n numbers are data; μ and τ have densities on both sides, and their units cancel. How often "
                "does each part hold E[ln τ] = ψ(a) − ln b, and what is the density of a Gamma?",
                related(4, other_unit),
                lambda case, outputs: close(
                    outputs[0] - outputs[1], len(case[0][0]) * np.log(100.0), rel=1e-7
                ),
            ),
            Property(
                "agrees with the definition, in nats",
                "Five means: one of each logarithm. The constants count: ½ ln 2π of every Gaussian, ln Γ of every "
                "Gamma, and ½ ln beta0.",
                drawn(6, call, (*_FOUR, 3.0, 2.0, 3.0, 4.0)),
                agrees(reference),
            ),
        ),
    )


# 4. Coordinate ascent


def _coordinate_ascent(reference):
    def call(rng, sweeps=None):
        return *_problem(rng), int(rng.integers(1, 6)) if sweeps is None else sweeps

    def are_rows(case, output):
        return len(output) == case[0][5] and all(len(row) == 5 and finite(row) for row in output)

    def at_rest(case, outputs):
        rows = outputs[0]
        return (
            are_rows(case, rows)
            and close(rows[-1], rows[-2], rel=1e-9, abs_=1e-9)
            and close(rows[-1], reference(*case[0])[-1], rel=1e-7, abs_=1e-9)
        )

    return Exercise(
        name="A3/coordinate_ascent",
        title="Coordinate ascent",
        statement=(
            "Write coordinate_ascent(data, mu0, beta0, a0, b0, sweeps): start with E[τ] = a0/b0; in each of the "
            "sweeps update q(μ), then q(τ). Return one row for each sweep, with five numbers: m, h, a, b and the "
            "ELBO after it."
        ),
        reference=reference,
        returns=ROWS,
        forbids=FORBIDS,
        properties=(
            Property(
                "one row of five numbers for each sweep, the first one from E[τ] = a0/b0",
                "First q(μ) from the E[τ] that you have, then q(τ) from the new q(μ), and then write the row down.",
                drawn(3, call, (*_FOUR, 1), (*_FOUR, 3)),
                lambda case, outputs: (
                    are_rows(case, outputs[0])
                    and close(outputs[0][0][:4], reference(*case[0])[0][:4], abs_=1e-9)
                ),
            ),
            Property(
                "the bound never goes down",
                "Each update is the best factor while the other one stays, and the ELBO of a row belongs to the four "
                "numbers beside it. If it falls, one of the three functions above is not right.",
                drawn(8, lambda rng: call(rng, 12), (*_FOUR, 12)),
                lambda case, outputs: (
                    are_rows(case, outputs[0])
                    and close(
                        [row[0] for row in outputs[0]], [reference(*case[0])[0][0]] * case[0][5], abs_=1e-9
                    )
                    and bool(np.all(np.diff([row[4] for row in outputs[0]]) >= -1e-9))
                    and outputs[0][-1][4] > outputs[0][0][4]
                ),
            ),
            Property(
                "after sixty sweeps nothing moves any more",
                "Does the next sweep start from E[τ] = a/b of the last one, or from the prior again?",
                drawn(3, lambda rng: call(rng, 60), (*_FOUR, 60)),
                at_rest,
            ),
            Property(
                "agrees sweep by sweep",
                "Two sweeps on paper: which numbers does the second one take over from the first, and which does "
                "it take from the prior?",
                drawn(5, call, (*_FOUR, 3)),
                agrees(reference, rel=1e-7, abs_=1e-9),
            ),
        ),
    )


# 5. The truth


def _log_evidence(reference):
    def nothing_and_something(rng):
        data, *prior = _problem(rng)
        return ([], *prior), (data, *prior)

    def hundreds(rng):
        _, *prior = _problem(rng)
        return numbers(rng, 500, 3.0), *prior

    return Exercise(
        name="A3/log_evidence",
        title="The truth",
        statement=(
            "Write log_evidence(data, mu0, beta0, a0, b0): the exact ln p(data) in nats, with μ and τ integrated "
            "out. data may be empty, and may hold hundreds of numbers."
        ),
        reference=reference,
        forbids=FORBIDS,
        properties=(
            Property(
                "without data it is 0, with data it is not",
                "The prior has the area 1, and ln 1 = 0. No number, no mean of the numbers.",
                related(3, nothing_and_something, (([], *_FOUR[1:]), _FOUR)),
                lambda case, outputs: close(outputs[0], 0, abs_=1e-9) and not close(outputs[1], 0, abs_=1e-9),
            ),
            Property(
                "agrees with the integral",
                "The log joint is that of a Gaussian times a Gamma with other numbers, and the area of these is "
                "known. What is left when you divide the prior's constants by the posterior's? How far the mean of "
                "the data lies from mu0 takes part, too.",
                drawn(6, _problem, _FOUR, ([2.0], 0.0, 1.0, 1.0, 1.0)),
                agrees(reference, abs_=1e-9),
            ),
            Property(
                "five hundred numbers are no trouble",
                "Γ(172) is infinite for the computer; its logarithm is not: `scipy.special.gammaln`.",
                drawn(2, hundreds),
                lambda case, outputs: finite(outputs[0]) and close(outputs[0], reference(*case[0])),
            ),
        ),
    )


# Stretch: a prior that is itself a product


def _independent_prior(reference):
    def call(rng):
        data, mu0, h0, a0, b0 = _problem(rng)
        return data, float(np.round(np.mean(data) + mu0 / 4, 2)), h0, a0, b0

    def flat(rng):
        return _data(rng), numbers(rng, 1)[0], 0.0, 0.0, 0.0

    def unbiased(data):
        return float(np.var(data, ddof=1))

    return Exercise(
        name="A3/independent_prior",
        title="A prior that is itself a product",
        statement=(
            "Now μ and τ are independent beforehand: μ ~ N(mu0, 1/h0), with a precision h0 of its own, and τ ~ "
            "Gamma(a0, b0). There is no formula for this posterior any more. Write independent_prior(data, mu0, "
            "h0, a0, b0) that returns the four numbers m, h, a, b of the best q(μ)·q(τ), after convergence. data "
            "holds at least three different numbers; h0, a0 and b0 may be 0."
        ),
        reference=reference,
        returns=FOUR_NUMBERS,
        forbids=FORBIDS,
        stretch=True,
        properties=(
            Property(
                "a counts all that multiplies ln τ now",
                "Go through the new log joint term by term: the density of μ has changed. Which densities contain ln "
                "τ now?",
                drawn(3, call, _FOUR),
                lambda case, outputs: close(outputs[0][2], case[0][3] + len(case[0][0]) / 2),
            ),
            Property(
                "a prior that says nothing is no trouble, and μ counts as unknown",
                "a0/b0 is 0/0 there: start with another E[τ]; where you start does not matter. And μ is not known "
                "exactly: its variance belongs to every square.",
                drawn(3, flat, ([1.0, 2.0, 4.0, 5.0], 0.0, 0.0, 0.0, 0.0)),
                lambda case, outputs: (
                    outputs[0][2] > 0
                    and close(outputs[0][0], np.mean(case[0][0]), rel=1e-6, abs_=1e-6)
                    and close(outputs[0][3] / outputs[0][2], unbiased(case[0][0]), rel=1e-6)
                ),
            ),
            Property(
                "agrees with where the sweeps end",
                "Write both exponents anew: beside the numbers stands now h0, without τ. So m is no longer the same "
                "for every E[τ]. Go on until nothing moves: a stop at the sixth digit is too early.",
                drawn(5, call, _FOUR),
                agrees(reference, rel=1e-6, abs_=1e-8),
            ),
        ),
    )
