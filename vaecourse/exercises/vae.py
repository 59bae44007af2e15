"""The exercises of lesson 09. m is the mean code, s the log-variance code, e the noise."""

import numpy as np
from scipy.integrate import quad

from .cases import agrees, close, drawn, finite, fixed, numbers, related, value
from .core import Exercise, Property
from .kinds import NUMBERS

FORBIDS = ("vaecourse.vae", "torch.distributions.kl_divergence")


def _codes(rng):
    n = int(rng.integers(1, 5))
    return numbers(rng, n), numbers(rng, n)


def _joined(rng):
    """Two codes, and the code that holds the coordinates of both."""
    (m0, s0), (m1, s1) = _codes(rng), _codes(rng)
    return (m0, s0), (m1, s1), (m0 + m1, s0 + s1)


_ADDS_UP = lambda case, outputs: close(outputs[0] + outputs[1], outputs[2])  # noqa: E731
_TWO_AND_BOTH = (([1.0], [0.0]), ([0.0], [1.0]), ([1.0, 0.0], [0.0, 1.0]))


# 1. The second term of the loss


def kl_term(m, s):
    m, s = np.asarray(m, dtype=float), np.asarray(s, dtype=float)
    # ½Σ(eˢ − 1 − s + m²)
    return float(0.5 * (np.expm1(s) - s + m**2).sum())


KL_TERM = Exercise(
    name="09/kl_term",
    title="The second term of the loss",
    statement=(
        "The encoder answers with a mean code m and a log-variance code s, two lists of the same length. "
        "Write kl_term(m, s): KL(N(m, exp(s)) ‖ N(0, 1)) in nats, summed over the coordinates."
    ),
    reference=kl_term,
    forbids=FORBIDS,
    properties=(
        Property(
            "zero when the code is N(0, 1) itself",
            "At m = 0 and s = 0 the variance exp(s) is 1, and nothing is left to pay. Is there a −1 in "
            "every coordinate?",
            fixed(([0.0], [0.0]), ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0])),
            lambda case, outputs: close(outputs[0], 0),
        ),
        Property(
            "never negative",
            "The curve exp(s) lies above its tangent 1 + s. Which of the two do you subtract from which?",
            drawn(8, _codes, ([0.0], [-1.0]), ([0.0], [1.0])),
            lambda case, outputs: outputs[0] >= -1e-12,
        ),
        Property(
            "the coordinates add up",
            "Independent coordinates: the KL of the whole code is the sum over its coordinates. A sum, not "
            "a mean.",
            related(3, _joined, _TWO_AND_BOTH),
            _ADDS_UP,
        ),
        Property(
            "with s = 0 only the means pay, and a doubled mean pays four times",
            "Lesson 01, two Gaussians of equal variance: which factor stands in front of the squared "
            "distance of the means? The well-known slide has lost it.",
            fixed(([1.0], [0.0]), ([2.0], [0.0]), ([3.0, 4.0], [0.0, 0.0])),
            lambda case, outputs: close(outputs[0], kl_term(*case[0])),
        ),
        Property(
            "s is the log of the variance",
            "s = log σ². Whoever reads s as the log of the standard deviation writes exp(2s) and 2s: "
            "the other convention.",
            fixed(([0.0], [1.0]), ([0.0], [-2.0])),
            lambda case, outputs: close(outputs[0], kl_term(*case[0])),
        ),
        Property(
            "agrees with the KL of two Gaussians",
            "Lesson 01 has the closed form. Put in a standard deviation of exp(s/2), and 0 and 1 for the "
            "prior.",
            drawn(6, _codes, ([1.0], [-1.0])),
            agrees(kl_term),
        ),
    ),
)


# 2. The code that the decoder receives


def sample_code(m, s, e):
    m, s, e = (np.asarray(v, dtype=float) for v in (m, s, e))
    return [float(c) for c in m + np.exp(s / 2) * e]


def _noisy(rng):
    n = int(rng.integers(1, 5))
    return numbers(rng, n), numbers(rng, n), numbers(rng, n, 1.0)


def _mirrored(rng):
    m, s, e = _noisy(rng)
    return (m, s, e), (m, s, [-v for v in e])


SAMPLE_CODE = Exercise(
    name="09/sample_code",
    title="The code that the decoder receives",
    statement=(
        "The noise e has been drawn already, from N(0, 1). Write sample_code(m, s, e): the code c, a draw "
        "from N(m, exp(s)), one number for each coordinate."
    ),
    reference=sample_code,
    returns=NUMBERS,
    forbids=FORBIDS,
    properties=(
        Property(
            "one number for each coordinate",
            "Every coordinate has its own m, s and e, and gives one c. Nothing is summed here.",
            drawn(3, _noisy, ([1.0, 2.0], [0.0, 0.0], [0.5, -0.5])),
            lambda case, outputs: len(outputs[0]) == len(case[0][0]),
        ),
        Property(
            "without noise the code is m",
            "With e = 0 nothing is left but the mean code.",
            fixed(([1.5], [0.0], [0.0]), ([1.0, -2.0], [3.0, -3.0], [0.0, 0.0])),
            lambda case, outputs: close(outputs[0], case[0][0]),
        ),
        Property(
            "the same noise gives the same code",
            "The noise comes in as e. Your function must not draw any of its own: that is the whole trick.",
            related(
                2, lambda rng: (call := _noisy(rng), call), (([0.0], [0.0], [1.0]), ([0.0], [0.0], [1.0]))
            ),
            lambda case, outputs: outputs[0] == outputs[1],
        ),
        Property(
            "opposite noise lands as far on the other side of m",
            "c − m is proportional to e: flip the sign of e, and you are mirrored at m.",
            related(3, _mirrored, (([1.0], [0.0], [0.5]), ([1.0], [0.0], [-0.5]))),
            lambda case, outputs: (
                close(np.add(*outputs) / 2, case[0][0])
                if len(outputs[0]) == len(outputs[1]) == len(case[0][0])
                else False
            ),
        ),
        Property(
            "the noise is scaled by the standard deviation, and s is the log of the variance",
            "σ² = exp(s). What is σ then? It is not exp(s).",
            fixed(([0.0], [2.0], [1.0]), ([0.0], [-4.0], [1.0])),
            lambda case, outputs: close(outputs[0], sample_code(*case[0])),
        ),
        Property(
            "agrees everywhere",
            "How does a draw from N(0, 1) become a draw from N(m, σ²)? Stretch it, then shift it.",
            drawn(6, _noisy),
            agrees(sample_code),
        ),
    ),
)


# 3. The first term of the loss


def bernoulli_log_likelihood(x, logits):
    x, a = np.asarray(x, dtype=float), np.asarray(logits, dtype=float)
    # x log σ(a) + (1 − x) log(1 − σ(a)) = x a − log(1 + eᵃ)
    return float((x * a - np.logaddexp(0, a)).sum())


def _pixels(rng):
    n = int(rng.integers(1, 6))
    return [float(v) for v in rng.integers(0, 2, n)], numbers(rng, n)


def _grey_pixels(rng):
    n = int(rng.integers(1, 6))
    return [float(v) for v in rng.integers(0, 17, n) / 16], numbers(rng, n)


def _flipped(rng):
    x, a = _grey_pixels(rng)
    return (x, a), ([1 - v for v in x], [-v for v in a])


def _two_pictures(rng):
    (x0, a0), (x1, a1) = _pixels(rng), _pixels(rng)
    return (x0, a0), (x1, a1), (x0 + x1, a0 + a1)


BERNOULLI_LOG_LIKELIHOOD = Exercise(
    name="09/bernoulli_log_likelihood",
    title="The first term of the loss, from logits",
    statement=(
        "The decoder gives one logit a for each pixel: the pixel is white with probability σ(a) = 1/(1 + "
        "exp(−a)). Write bernoulli_log_likelihood(x, logits): Σ x·log σ(a) + (1 − x)·log(1 − σ(a)), in "
        "nats, for logits as extreme as ±1000. x may be anything from 0 to 1."
    ),
    reference=bernoulli_log_likelihood,
    forbids=(
        *FORBIDS,
        "torch.nn.functional.binary_cross_entropy_with_logits",
        "torch.nn.functional.logsigmoid",
        "torch.nn.BCEWithLogitsLoss",
        "torch.distributions.Bernoulli",
        "scipy.special.log_expit",
    ),
    properties=(
        Property(
            "never positive",
            "It is the log of a probability, and no probability is above 1. Is the sign that of a "
            "likelihood, or of a loss?",
            drawn(6, _pixels, ([1.0], [2.0]), ([0.0], [2.0])),
            lambda case, outputs: outputs[0] <= 1e-12,
        ),
        Property(
            "the pixels add up",
            "The log-likelihood of the picture is the sum over its pixels. A sum, not a mean: the other "
            "term of the loss is a sum too.",
            related(3, _two_pictures, (([1.0], [1.0]), ([0.0], [1.0]), ([1.0, 0.0], [1.0, 1.0]))),
            _ADDS_UP,
        ),
        Property(
            "a surer right answer is more likely, a surer wrong one less",
            "For x = 1 a larger logit is better; for x = 0 it is worse. Are the two halves of the formula "
            "the right way round?",
            lambda rng: [
                (([1.0], [0.0]), ([1.0], [2.0])),
                (([0.0], [2.0]), ([0.0], [0.0])),
                (([1.0], [-3.0]), ([1.0], [-1.0])),
            ],
            lambda case, outputs: outputs[0] < outputs[1],
        ),
        Property(
            "a picture and its negative are alike",
            "Swap black and white (x → 1 − x) and flip the logits (a → −a): nothing changes, for grey "
            "pixels too. Do both halves of the formula take part?",
            related(4, _flipped, (([0.25], [1.0]), ([0.75], [-1.0]))),
            lambda case, outputs: close(*outputs),
        ),
        Property(
            "finite for logits of ±1000",
            "σ(1000) is exactly 1 for the computer, and log(1 − 1) is −∞. Simplify on paper first: put σ "
            "in, and only one logarithm is left, log(1 + exp(a)). `np.logaddexp` computes such things "
            "without overflow.",
            fixed(([0.0], [1000.0]), ([1.0], [-1000.0]), ([1.0], [1000.0]), ([0.0, 1.0], [-1000.0, 800.0])),
            lambda case, outputs: finite(outputs) and close(outputs[0], bernoulli_log_likelihood(*case[0])),
        ),
        Property(
            "agrees with the formula",
            "x·log σ(a) + (1 − x)·log(1 − σ(a)), with the natural logarithm.",
            drawn(6, _grey_pixels, ([1.0], [0.0])),
            agrees(bernoulli_log_likelihood),
        ),
    ),
)


# 4. Which pair fits together?

# How the code is drawn, as the factor in front of e; and what is claimed to be its KL from N(0, 1).
PAIRS = (
    (
        "c = m + exp(s)·e",
        "½Σ(exp(s) − 1 − s + m²)",
        lambda s: np.exp(s),
        lambda m, s: 0.5 * (np.exp(s) - 1 - s + m**2),
    ),
    (
        "c = m + exp(s)·e",
        "½Σ(exp(2s) − 1 − 2s + m²)",
        lambda s: np.exp(s),
        lambda m, s: 0.5 * (np.exp(2 * s) - 1 - 2 * s + m**2),
    ),
    (
        "c = m + exp(s/2)·e",
        "Σ(exp(s) − 1 − s + m²)",
        lambda s: np.exp(s / 2),
        lambda m, s: np.exp(s) - 1 - s + m**2,
    ),
    (
        "c = m + exp(s)·e",
        "Σ(exp(s) − 1 − s + m²)",
        lambda s: np.exp(s),
        lambda m, s: np.exp(s) - 1 - s + m**2,
    ),
)


def _kl_by_quadrature(m: float, sd: float) -> float:
    """KL(N(m, sd²) ‖ N(0, 1)) in nats, from the integral alone."""

    def integrand(t: float) -> float:  # x = m + sd·t
        return np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi) * (0.5 * (m + sd * t) ** 2 - 0.5 * t**2 - np.log(sd))

    return quad(integrand, -12, 12, epsabs=1e-12)[0]


def fitting_pairs() -> list[int]:
    """The numbers (from 1) of the pairs whose second formula is the KL of the first one's code."""
    tried = [(0.7, 0.4), (-1.2, -0.9), (0.0, 1.1)]
    return [
        number
        for number, (_, _, scale, claimed) in enumerate(PAIRS, 1)
        if all(close(_kl_by_quadrature(m, scale(s)), claimed(m, s), rel=1e-7) for m, s in tried)
    ]


def which_pair():
    return fitting_pairs()[0]


WHICH_PAIR = Exercise(
    name="09/which_pair",
    title="Which pair fits together?",
    statement="Here is how a code is drawn, and what is claimed to be its KL from N(0, 1). In one pair the two fit together. "
    "Give its number. " + " ".join(f"({n}) {draw} with {kl}." for n, (draw, kl, _, _) in enumerate(PAIRS, 1)),
    reference=which_pair,
    properties=(
        Property(
            "the second formula is the KL of the first one's code",
            "Read off the standard deviation σ: it is what stands in front of e. Then write ½(σ² − 1 − log "
            "σ² + m²) with it.",
            value,
            lambda case, outputs: outputs[0] in fitting_pairs(),
        ),
    ),
)


# Stretch: the other convention


def kl_term_log_sd(m, s):
    return kl_term(m, 2 * np.asarray(s, dtype=float))


KL_TERM_LOG_SD = Exercise(
    name="09/kl_term_log_sd",
    title="The other convention",
    statement=(
        "Some encoders give the log of the standard deviation: the code is c = m + exp(s)·e. Derive the "
        "second term of the loss for them, and write kl_term_log_sd(m, s). Keep it right for s near 0: at s "
        "= 1e-6 it must have six digits."
    ),
    reference=kl_term_log_sd,
    forbids=FORBIDS,
    stretch=True,
    properties=(
        Property(
            "zero when the code is N(0, 1) itself",
            "At m = 0 and s = 0 the standard deviation exp(s) is 1, and nothing is left to pay.",
            fixed(([0.0], [0.0]), ([0.0, 0.0], [0.0, 0.0])),
            lambda case, outputs: close(outputs[0], 0),
        ),
        Property(
            "never negative",
            "Both formulas on the slide come from different conventions: together they go below zero or "
            "pay too much. Where is the minimum of yours?",
            drawn(6, _codes, ([0.0], [-0.5]), ([0.0], [0.5])),
            lambda case, outputs: outputs[0] >= -1e-12,
        ),
        Property(
            "the coordinates add up",
            "A sum over the coordinates, not a mean.",
            related(3, _joined, _TWO_AND_BOTH),
            _ADDS_UP,
        ),
        Property(
            "agrees with the KL of two Gaussians",
            "The variance is now exp(s) squared. Put it into ½(σ² − 1 − log σ² + m²).",
            drawn(6, _codes, ([0.0], [1.0])),
            agrees(kl_term_log_sd),
        ),
        Property(
            "keeps its digits near s = 0",
            "exp(2s) − 1 loses its digits where exp(2s) is nearly 1. NumPy has a function for exactly this "
            "difference.",
            fixed(([0.0], [1e-6]), ([0.0], [-1e-6])),
            agrees(kl_term_log_sd, rel=1e-6, abs_=0.0),
        ),
    ),
)

EXERCISES = (KL_TERM, SAMPLE_CODE, BERNOULLI_LOG_LIKELIHOOD, WHICH_PAIR, KL_TERM_LOG_SD)
