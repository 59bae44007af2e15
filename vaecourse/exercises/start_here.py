"""The exercises of lesson 00."""

import numpy as np
from scipy.special import logsumexp

from .cases import agrees, close, drawn, finite, fixed, numbers, probabilities, related
from .core import Exercise, Property
from .kinds import NUMBERS, PAIR

# 1. Bayes' rule


def bayes(prior, likelihood):
    joint = np.asarray(prior, dtype=float) * np.asarray(likelihood, dtype=float)
    return [float(v) for v in joint / joint.sum()]


def _likelihood(rng, k):
    return [float(v) for v in rng.integers(1, 100, k) / 100]


def _table(rng):
    k = int(rng.integers(2, 6))
    return probabilities(rng, k), _likelihood(rng, k)


def _tenfold(rng):
    prior, likelihood = _table(rng)
    return (prior, likelihood), (prior, [v / 10 for v in likelihood])


def _one_after_the_other(rng):
    prior, first = _table(rng)
    second = _likelihood(rng, len(prior))
    return (prior, [a * b for a, b in zip(first, second, strict=True)]), (bayes(prior, first), second)


BAYES = Exercise(
    name="00/bayes",
    title="Bayes' rule on a table",
    statement=(
        "There are a few hypotheses. prior[i] is how probable hypothesis i was before you saw the data; "
        "likelihood[i] is how probable the data are if hypothesis i is true. Write bayes(prior, "
        "likelihood): the posterior, one number for each hypothesis."
    ),
    reference=bayes,
    returns=NUMBERS,
    properties=(
        Property(
            "one number for each hypothesis, and they sum to 1",
            "What you have before the last step does not sum to 1. Divide by what it does sum to.",
            drawn(4, _table, ([0.5, 0.5], [0.8, 0.2]), ([0.01, 0.99], [0.9, 0.09])),
            lambda case, outputs: len(outputs[0]) == len(case[0][0]) and close(sum(outputs[0]), 1),
        ),
        Property(
            "data that every hypothesis explains equally change nothing",
            "If all likelihoods are equal, the posterior is the prior. Does the prior take part in your "
            "product?",
            fixed(([0.2, 0.8], [0.5, 0.5]), ([0.1, 0.3, 0.6], [0.01, 0.01, 0.01])),
            lambda case, outputs: close(outputs[0], case[0][0]),
        ),
        Property(
            "what was impossible stays impossible",
            "A prior of 0 is never repaired, however well the hypothesis explains the data: 0 times "
            "anything is 0.",
            fixed(([0.0, 1.0], [0.9, 0.1]), ([0.5, 0.0, 0.5], [0.1, 1.0, 0.3])),
            lambda case, outputs: (
                all(v == 0 for v, prior in zip(outputs[0], case[0][0], strict=False) if prior == 0)
                and finite(outputs[0])
            ),
        ),
        Property(
            "only the ratios of the likelihoods matter",
            "Make every likelihood ten times smaller: the posterior stays. It does, once you divide at the "
            "end.",
            related(4, _tenfold, (([0.5, 0.5], [0.8, 0.2]), ([0.5, 0.5], [0.08, 0.02]))),
            lambda case, outputs: close(*outputs),
        ),
        Property(
            "two pieces of data one after the other, or at once: the same",
            "The posterior of the first is the prior of the second. Multiply, do not add.",
            related(4, _one_after_the_other),
            lambda case, outputs: close(*outputs),
        ),
        Property(
            "agrees with Bayes' rule",
            "Think of 1000 cases. How many of them belong to each hypothesis, and how many of those show "
            "your data? Keep only these, and look at their shares.",
            drawn(6, _table, ([0.5, 0.5], [0.8, 0.2])),
            agrees(bayes),
        ),
    ),
)


# 2. Monte Carlo


def monte_carlo_mean(draws):
    draws = np.asarray(draws, dtype=float)
    return float(draws.mean()), float(draws.std(ddof=1) / np.sqrt(len(draws)))


def _draws(rng):
    return (numbers(rng, int(rng.integers(4, 40))),)


def _shifted(rng):
    (draws,) = _draws(rng)
    return (draws,), ([v + 100 for v in draws],)


MONTE_CARLO_MEAN = Exercise(
    name="00/monte_carlo_mean",
    title="Average what you drew",
    statement=(
        "Write monte_carlo_mean(draws) that returns two numbers: the mean of the draws, and its standard "
        "error s/√n, where s is the sample standard deviation (divide by n − 1)."
    ),
    reference=monte_carlo_mean,
    returns=PAIR,
    properties=(
        Property(
            "the first number is the mean",
            "Add up, divide by how many there are.",
            drawn(4, _draws, ([1.0, 2.0, 3.0],)),
            lambda case, outputs: close(outputs[0][0], np.mean(case[0][0])),
        ),
        Property(
            "no error when all draws are equal",
            "The error bar comes from how much the draws differ from their mean, not from how large they "
            "are.",
            fixed(([2.0, 2.0, 2.0],), ([-1.0, -1.0],)),
            lambda case, outputs: close(outputs[0][1], 0),
        ),
        Property(
            "adding 100 to every draw leaves the error bar as it was",
            "The standard deviation is measured around the mean. Do you subtract the mean before you square?",
            related(3, _shifted, (([1.0, 2.0, 3.0],), ([101.0, 102.0, 103.0],))),
            lambda case, outputs: close(outputs[0][1], outputs[1][1], rel=1e-7),
        ),
        Property(
            "four times the draws, half the error bar",
            "The draws scatter as much as before, but their mean is surer. Which root of n is still missing?",
            related(3, lambda rng: (((draws := numbers(rng, 50)),), (draws * 4,))),
            lambda case, outputs: outputs[0][1] > 0 and abs(2 * outputs[1][1] / outputs[0][1] - 1) < 0.05,
        ),
        Property(
            "agrees with s/√n",
            "The sample standard deviation divides by n − 1: `np.std` has an argument for it, `ddof`.",
            drawn(6, _draws, ([1.0, 3.0],), ([1.0, 2.0, 3.0],)),
            agrees(monte_carlo_mean),
        ),
    ),
)


# 3. Products that vanish


def log_product(probabilities):
    with np.errstate(divide="ignore"):
        return float(np.log(np.asarray(probabilities, dtype=float)).sum())


def _few(rng):
    return ([float(v) for v in rng.integers(1, 100, int(rng.integers(2, 8))) / 100],)


LOG_PRODUCT = Exercise(
    name="00/log_product",
    title="The log of a very long product",
    statement=(
        "Write log_product(probabilities): the natural logarithm of the product of all the probabilities. "
        "There may be 10,000 of them, and then the product itself is too small for the computer."
    ),
    reference=log_product,
    properties=(
        Property(
            "certain events change nothing",
            "A factor of 1 leaves a product as it is. What is log 1?",
            fixed(([1.0],), ([1.0, 1.0, 1.0],)),
            lambda case, outputs: close(outputs[0], 0),
        ),
        Property(
            "the log of a short product",
            "The log of a product is the sum of the logs. Natural logarithms: `np.log`.",
            drawn(5, _few, ([0.5, 0.5],)),
            agrees(log_product),
        ),
        Property(
            "survives 10,000 factors",
            "0.01 multiplied 10,000 times by itself is 0 for the computer, and log 0 is −∞. Take the logs "
            "first.",
            fixed(([0.01] * 200,), ([0.01] * 10_000,)),
            agrees(log_product),
        ),
        Property(
            "−∞ as soon as one factor is 0",
            "One impossible event makes the whole impossible: here −∞ is the right answer (`-np.inf`), not "
            "an error.",
            fixed(([0.0],), ([0.5, 0.0, 0.5],)),
            lambda case, outputs: outputs[0] == -np.inf,
        ),
    ),
)


# Stretch: and sums of them


def log_sum_exp(values):
    return float(logsumexp(values))


def _values(rng):
    return (numbers(rng, int(rng.integers(2, 8))),)


def _raised(rng):
    (values,) = _values(rng)
    return (values,), ([v + 3 for v in values],)


LOG_SUM_EXP = Exercise(
    name="00/log_sum_exp",
    title="The log of a sum of tiny things",
    statement=(
        "You have log a, log b, … and want log(a + b + …). Write log_sum_exp(values): log Σ exp(value), "
        "right even when every exp would be 0 or overflow for the computer."
    ),
    reference=log_sum_exp,
    forbids=("scipy.special.logsumexp", "numpy.logaddexp", "torch.logsumexp", "torch.logaddexp"),
    stretch=True,
    properties=(
        Property(
            "a single value comes back unchanged",
            "log(exp(v)) is v.",
            fixed(([0.0],), ([2.5],)),
            lambda case, outputs: close(outputs[0], case[0][0][0]),
        ),
        Property(
            "agrees where nothing is extreme",
            "First exp, then the sum, then log.",
            drawn(5, _values, ([0.0, 0.0],)),
            agrees(log_sum_exp),
        ),
        Property(
            "raising every value by 3 raises the answer by 3",
            "Multiplying every term by e³ multiplies the sum by e³.",
            related(4, _raised, (([0.0, 1.0],), ([3.0, 4.0],))),
            lambda case, outputs: close(outputs[1] - outputs[0], 3),
        ),
        Property(
            "works at −1000 and at 1000",
            "The property above this one is the trick: move all values so that the largest one is 0, and "
            "move back afterwards.",
            fixed(
                ([-1000.0, -1000.0],), ([1000.0, 1000.0],), ([-1000.0, 0.0],), ([-2000.0, -1000.0, -1001.0],)
            ),
            agrees(log_sum_exp),
        ),
        Property(
            "a term that is zero (−∞) takes no part",
            "exp(−∞) is 0. If every value is −∞, so is the answer: the largest value is then no good to "
            "subtract.",
            fixed(([0.0, -np.inf],), ([-np.inf, -1000.0],), ([-np.inf, -np.inf],)),
            agrees(log_sum_exp),
        ),
    ),
)

EXERCISES = (BAYES, MONTE_CARLO_MEAN, LOG_PRODUCT, LOG_SUM_EXP)
