"""The exercises of lesson 01."""

import numpy as np
from scipy.optimize import minimize

from vaecourse import kl_divergence as kl

from .cases import agrees, close, drawn, finite, fixed, numbers, probabilities, related, value
from .core import Exercise, Property
from .kinds import PAIR

FORBIDS = (
    "vaecourse.kl_divergence",
    "scipy.special.rel_entr",
    "scipy.special.kl_div",
    "scipy.stats.entropy",
    "torch.nn.functional.kl_div",
    "torch.nn.KLDivLoss",
    "torch.distributions.kl_divergence",
)


# 1. Between two lists of probabilities


def discrete_kl(p, q):
    return float(kl.categorical(p, q))


def _two_lists(rng):
    k = int(rng.integers(2, 6))
    return probabilities(rng, k), probabilities(rng, k)


def _same_list(rng):
    p = probabilities(rng, int(rng.integers(2, 6)))
    return p, p


def _both_orders(rng):
    p, q = _two_lists(rng)
    return (p, q), (q, p)


DISCRETE_KL = Exercise(
    name="01/discrete_kl",
    title="KL between two lists of probabilities",
    statement=(
        "Write discrete_kl(p, q): the KL divergence of q from p in nats, for two lists of probabilities of "
        "the same length. A term with p = 0 counts as 0. If q forbids something that p allows, the answer "
        "is +∞ (`np.inf`)."
    ),
    reference=discrete_kl,
    forbids=FORBIDS,
    properties=(
        Property(
            "zero when p = q",
            "Where p and q are equal, the ratio p/q is 1. What is its logarithm?",
            drawn(4, _same_list, ([0.5, 0.5], [0.5, 0.5])),
            lambda case, outputs: close(outputs[0], 0),
        ),
        Property(
            "never negative",
            "Single terms may be negative, the sum may not. Look at which of the two stands above in the "
            "ratio, and which one is the weight in front.",
            drawn(8, _two_lists, ([0.5, 0.5], [0.25, 0.75])),
            lambda case, outputs: outputs[0] >= -1e-12,
        ),
        Property(
            "0·log 0 counts as 0",
            "What p never does costs nothing, but the computer does not know it: log 0 is −∞, and 0 times "
            "−∞ is nan. Leave such terms out.",
            fixed(
                ([0.0, 1.0], [0.5, 0.5]),
                ([1.0, 0.0], [0.25, 0.75]),
                ([0.5, 0.0, 0.5], [0.25, 0.5, 0.25]),
                ([0.0, 1.0], [0.0, 1.0]),
            ),
            agrees(discrete_kl),
        ),
        Property(
            "+∞ when q forbids what p allows",
            "A code for q has no word at all for that outcome. The value is not undefined and not an error: "
            "it is `np.inf`. This holds only where p is above zero.",
            fixed(([0.5, 0.5], [1.0, 0.0]), ([0.25, 0.25, 0.5], [0.5, 0.0, 0.5]), ([1.0, 0.0], [0.0, 1.0])),
            lambda case, outputs: outputs[0] == np.inf,
        ),
        Property(
            "the two orders differ",
            "KL is not symmetric: p is the one you draw from, so p alone is the weight.",
            related(4, _both_orders, (([0.5, 0.5], [0.25, 0.75]), ([0.25, 0.75], [0.5, 0.5]))),
            lambda case, outputs: (
                close(*(discrete_kl(*call) for call in case)) or not close(*outputs, rel=1e-6)
            ),
        ),
        Property(
            "agrees with the definition, in nats",
            "Add up, over all outcomes, p times the natural logarithm of p/q. Natural: `np.log`, not "
            "`np.log2`.",
            drawn(8, _two_lists, ([0.5, 0.5], [0.25, 0.75])),
            agrees(discrete_kl),
            points=2,
        ),
    ),
)


# 2. What the wrong code costs


def excess_bits(p, lengths):
    p = np.asarray(p, dtype=float)
    return float(p @ np.asarray(lengths, dtype=float) - kl.bits(kl.entropy(p)))


# The word lengths of prefix codes, and the probabilities 2^−length that each is best for.
_CODES = ([1, 1], [1, 2, 2], [2, 2, 2, 2], [1, 2, 3, 3], [1, 3, 3, 3, 3])


def _code(rng):
    lengths = _CODES[rng.integers(len(_CODES))]
    return probabilities(rng, len(lengths)), lengths


EXCESS_BITS = Exercise(
    name="01/excess_bits",
    title="The extra bits of a code",
    statement=(
        "A code writes outcome i with lengths[i] bits. Write excess_bits(p, lengths): how many bits per "
        "symbol it uses on average beyond the entropy of p. Entropy here is in bits."
    ),
    reference=excess_bits,
    properties=(
        Property(
            "zero for a code made for p",
            "A code is made for p when every length is −log₂ p. Then the average length is the entropy, "
            "and nothing is left over. Are both of yours in bits, and do you subtract one from the other?",
            fixed(*(([2.0**-n for n in lengths], lengths) for lengths in _CODES)),
            lambda case, outputs: close(outputs[0], 0),
        ),
        Property(
            "a longer word costs what it is used",
            "Make one word a bit longer: the average grows by the probability of that outcome, no more and "
            "no less. Is your average weighted by p?",
            related(
                4,
                lambda rng: ((p := probabilities(rng, 3), [1, 2, 2]), (p, [1, 3, 2])),
                (([0.5, 0.25, 0.25], [1, 2, 2]), ([0.5, 0.25, 0.25], [1, 3, 2])),
            ),
            lambda case, outputs: close(outputs[1] - outputs[0], case[0][0][1]),
        ),
        Property(
            "outcomes that never happen cost nothing",
            "In the entropy, 0·log 0 counts as 0. Leave those terms out before you take the logarithm.",
            fixed(([0.0, 1.0], [1, 1]), ([0.5, 0.5, 0.0], [1, 2, 2])),
            agrees(excess_bits),
        ),
        Property(
            "agrees with average length − entropy",
            "Two averages, both weighted by p: of the lengths that you have, and of the lengths that would "
            "be ideal. Which length is ideal for an outcome of probability p?",
            drawn(8, _code, ([0.5, 0.5], [1, 1]), ([0.25, 0.75], [1, 1])),
            agrees(excess_bits),
            points=2,
        ),
    ),
)


# 3. Between two Gaussians


def gaussian_kl(m_p, sd_p, m_q, sd_q):
    return float(kl.gaussian(m_p, sd_p, m_q, sd_q))


def _two_gaussians(rng):
    m_p, m_q = numbers(rng, 2)
    sd_p, sd_q = (float(v) for v in np.round(np.exp(rng.normal(0, 0.7, 2)), 2))
    return m_p, sd_p, m_q, sd_q


def _same_gaussian(rng):
    m, sd, _, _ = _two_gaussians(rng)
    return m, sd, m, sd


def _moved(rng):
    m_p, sd_p, m_q, sd_q = _two_gaussians(rng)
    return (m_p, sd_p, m_q, sd_q), (m_p + 10.0, sd_p, m_q + 10.0, sd_q)


def _rescaled(unit):
    m_p, sd_p, m_q, sd_q = 1.0, 2.0, 0.0, 1.0
    return (m_p, sd_p, m_q, sd_q), (m_p * unit, sd_p * unit, m_q * unit, sd_q * unit)


GAUSSIAN_KL = Exercise(
    name="01/gaussian_kl",
    title="KL between two Gaussians",
    statement=(
        "Write gaussian_kl(m_p, sd_p, m_q, sd_q): the KL divergence in nats between two Gaussians with "
        "means m and standard deviations sd. It must survive any unit: the same lengths in light years or "
        "in atoms (sd from 1e-170 to 1e170) give the same number."
    ),
    reference=gaussian_kl,
    forbids=FORBIDS,
    properties=(
        Property(
            "zero when p = q",
            "With equal means and equal standard deviations every piece must cancel. Count the constants: "
            "is there a −½?",
            drawn(3, _same_gaussian, (0.0, 1.0, 0.0, 1.0), (3.0, 2.0, 3.0, 2.0)),
            lambda case, outputs: close(outputs[0], 0),
        ),
        Property(
            "never negative",
            "Try equal means. Which standard deviation stands above in the logarithm, and which below in "
            "the fraction?",
            drawn(8, _two_gaussians, (0.0, 2.0, 0.0, 1.0), (0.0, 0.5, 0.0, 1.0)),
            lambda case, outputs: outputs[0] >= -1e-12,
        ),
        Property(
            "only the distance of the means counts",
            "Move both means by 10: nothing changes. The means enter as m_p − m_q, and nowhere else.",
            related(4, _moved, ((1.0, 1.0, 0.0, 1.0), (11.0, 1.0, 10.0, 1.0))),
            lambda case, outputs: close(*outputs, rel=1e-7),
        ),
        Property(
            "the two orders differ",
            "A wide q covers a narrow p at a small price; a narrow q leaves a wide p outside at a large one. "
            "Which variance divides the squared distance?",
            related(
                0,
                lambda rng: (),
                ((0.0, 1.0, 0.0, 2.0), (0.0, 2.0, 0.0, 1.0)),
                ((1.0, 1.0, 0.0, 3.0), (0.0, 3.0, 1.0, 1.0)),
            ),
            lambda case, outputs: not close(*outputs, rel=1e-3),
        ),
        Property(
            "the unit does not matter, however small or large",
            "Squared first, 1e170 overflows and 1e-170 vanishes. Divide first, square afterwards; "
            "and take one logarithm of a ratio.",
            lambda rng: [_rescaled(unit) for unit in (10.0, 1e12, 1e-12, 1e170, 1e-170)],
            lambda case, outputs: finite(outputs) and close(*outputs),
        ),
        Property(
            "agrees with the closed form",
            "Three pieces: the log of a ratio; a mean square distance from m_q, counted in sd_q; a "
            "constant. The distance has two parts of its own: the spread of p, and the gap between the "
            "means.",
            drawn(8, _two_gaussians, (1.0, 1.0, 0.0, 1.0), (0.0, 2.0, 0.0, 1.0)),
            agrees(gaussian_kl),
            points=2,
        ),
    ),
)


# 4. By drawing


def monte_carlo_kl(log_p, log_q):
    log_ratio = np.asarray(log_p, dtype=float) - np.asarray(log_q, dtype=float)
    return float(log_ratio.mean()), float(log_ratio.std(ddof=1) / np.sqrt(len(log_ratio)))


def _log_densities(rng):
    n = int(rng.integers(5, 30))
    return numbers(rng, n), numbers(rng, n)


def _repeated(rng):
    log_p, log_q = numbers(rng, 50), numbers(rng, 50)
    return (log_p, log_q), (log_p * 4, log_q * 4)


MONTE_CARLO_KL = Exercise(
    name="01/monte_carlo_kl",
    title="KL by drawing, with its error bar",
    statement=(
        "You drew x from p, and evaluated both log densities at the draws. Write monte_carlo_kl(log_p, "
        "log_q) that returns two numbers: the estimate of KL(p‖q), and its standard error, s/√n, where s is "
        "the sample standard deviation (divide by n − 1)."
    ),
    reference=monte_carlo_kl,
    returns=PAIR,
    forbids=FORBIDS,
    properties=(
        Property(
            "zero, without any error, when p = q",
            "If both log densities agree at every draw, then every term is 0. What do you average?",
            fixed(([-1.0, -2.0, -0.5], [-1.0, -2.0, -0.5])),
            lambda case, outputs: close(outputs[0], [0, 0]),
        ),
        Property(
            "an estimate may be negative",
            "KL is never negative, its estimate from a few draws can be. Do not take absolute values, do "
            "not cut at zero: the error bar is there to say it.",
            fixed(([-2.0, -1.0, -3.0], [-1.0, -0.5, -1.5]), ([-2.0, -1.0], [-1.0, -1.5])),
            lambda case, outputs: outputs[0][0] < 0,
        ),
        Property(
            "works where the densities themselves are zero to the computer",
            "exp(−1000) is 0 for the computer. Subtract the logarithms; never go back through the densities.",
            fixed(([-1000.0, -1002.0, -1001.0], [-1001.0, -1001.0, -1003.0])),
            lambda case, outputs: finite(outputs[0]) and close(outputs[0][0], monte_carlo_kl(*case[0])[0]),
        ),
        Property(
            "the estimate is the mean of log p − log q",
            "The draws already come from p: each counts the same, there is no further weight.",
            drawn(6, _log_densities, ([-1.0, -1.0], [-2.0, -3.0])),
            lambda case, outputs: close(outputs[0][0], monte_carlo_kl(*case[0])[0]),
        ),
        Property(
            "four times the draws, half the error bar",
            "The standard deviation of the terms stays as it is when you draw more; the error of their "
            "mean shrinks like 1/√n.",
            related(3, _repeated),
            lambda case, outputs: (
                abs(2 * outputs[1][1] / outputs[0][1] - 1) < 0.05 if outputs[0][1] else False
            ),
        ),
        Property(
            "agrees with s/√n",
            "The sample standard deviation divides by n − 1: `np.std` has an argument for it, `ddof`.",
            drawn(6, _log_densities, ([-1.0, -1.0], [-2.0, -3.0])),
            agrees(monte_carlo_kl),
        ),
    ),
)


# 5. Find the line that does not hold


def broken_line():
    from vaecourse.chains.kl_divergence import BROKEN
    from vaecourse.derivation import broken_steps

    return broken_steps(BROKEN)[0]


def _is_broken(case, outputs):
    from vaecourse.chains.kl_divergence import BROKEN
    from vaecourse.derivation import broken_steps

    return outputs[0] in broken_steps(BROKEN)


BROKEN_LINE = Exercise(
    name="01/broken_line",
    title="Find the line that does not hold",
    statement="One line of the derivation above does not follow from the line before it. Give its number.",
    reference=broken_line,
    properties=(
        Property(
            "that line does not follow from the one above it",
            "Compare the number beside each line with the one above it. Where an equals sign stands "
            "between two different numbers, the rule was not what it claimed to be. Move the sliders: do "
            "the two stay together?",
            value,
            _is_broken,
        ),
    ),
)


# 6. Stretch: the best single Gaussian, the other way round


def _reverse_divergence(mixture, m, sd, n=801):
    """KL(q‖p) in nats of the Gaussian q from the mixture p = (weights, means, sds), on n points over ±9 sd of q."""
    x = np.linspace(m - 9 * sd, m + 9 * sd, n)
    log_q = kl.gaussian_log_density(x, m, sd)
    return float(np.trapezoid(np.exp(log_q) * (log_q - kl.mixture_log_density(x, *mixture)), x))


def reverse_fit(weights, means, sds):
    mixture = (weights, means, sds)
    ends = [
        minimize(
            lambda v: _reverse_divergence(mixture, v[0], np.exp(v[1])),
            (m, np.log(sd)),
            method="Nelder-Mead",
            options={"xatol": 1e-4, "fatol": 1e-6},
        )
        for m, sd in zip(means, sds, strict=True)
    ]
    m, log_sd = min(ends, key=lambda end: end.fun).x
    return float(m), float(np.exp(log_sd))


def _is_gaussian(output):
    return finite(output) and output[1] > 0


_PEAKS = (
    ([0.5, 0.5], [-3.0, 3.0], [1.0, 1.0]),
    ([0.3, 0.7], [-3.0, 3.0], [1.0, 1.0]),
    ([0.7, 0.3], [0.0, 5.0], [0.5, 1.0]),
)

REVERSE_FIT = Exercise(
    name="01/reverse_fit",
    title="The best single Gaussian, the other way round",
    statement=(
        "p is a mixture of two Gaussians: weights, means, sds (three lists of two numbers). Write "
        "reverse_fit(weights, means, sds) that returns (m, sd) of the single Gaussian q for which KL(q‖p) "
        "is smallest. There is no formula: put KL(q‖p) on a grid of x, and let `scipy.optimize.minimize` "
        "search. There may be more than one valley."
    ),
    reference=reverse_fit,
    returns=PAIR,
    forbids=FORBIDS,
    stretch=True,
    seconds=20.0,
    properties=(
        Property(
            "it is a Gaussian: a finite m, and sd above zero",
            "Search over the logarithm of sd: then sd = exp(…) cannot become negative.",
            fixed(*_PEAKS[:2]),
            lambda case, outputs: _is_gaussian(outputs[0]),
        ),
        Property(
            "it sits on one peak, not between them",
            "Between the peaks p is nearly zero, and KL(q‖p) punishes q for being where p is not. If you "
            "covered both, you minimized the other direction.",
            fixed(*_PEAKS),
            lambda case, outputs: any(
                abs(outputs[0][0] - m) < sd for m, sd in zip(*case[0][1:], strict=True)
            ),
        ),
        Property(
            "no Gaussian does better by more than 0.01 nats",
            "A search finds the valley it starts in. Start one at each peak, and keep the better end.",
            fixed(*_PEAKS),
            lambda case, outputs: (
                _is_gaussian(outputs[0])
                and _reverse_divergence(case[0], *outputs[0])
                <= _reverse_divergence(case[0], *reverse_fit(*case[0])) + 0.01
            ),
            points=2,
        ),
    ),
)

EXERCISES = (DISCRETE_KL, EXCESS_BITS, GAUSSIAN_KL, MONTE_CARLO_KL, BROKEN_LINE, REVERSE_FIT)
