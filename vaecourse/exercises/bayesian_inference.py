"""The exercises of lesson 03: learning as optimization, and learning as integration."""

import math

import numpy as np
from scipy.special import logsumexp, xlog1py, xlogy

from .cases import agrees, close, drawn, finite, fixed, numbers, related
from .core import Exercise, Property
from .kinds import NUMBERS, THREE_NUMBERS

FORBIDS = ("vaecourse.frequentist", "vaecourse.bayesian_inference", "vaecourse.posterior_methods")


# 1. The slope of the squared loss


def squared_loss(weights, x, y):
    # Σ_n (x_n·w − y_n)²
    return float(((np.asarray(x, dtype=float) @ weights - y) ** 2).sum())


def squared_loss_gradient(weights, x, y):
    x = np.asarray(x, dtype=float)
    # 2 Xᵀ(Xw − y)
    return (2 * x.T @ (x @ weights - y)).tolist()


def _rows(rng, n, d):
    return [numbers(rng, d) for _ in range(n)]


def _regression(rng):
    n, d = int(rng.integers(5, 9)), int(rng.integers(1, 4))
    return numbers(rng, d), _rows(rng, n, d), numbers(rng, n)


def _through_every_point(rng):
    weights, x, _ = _regression(rng)
    return weights, x, [float(sum(a * b for a, b in zip(row, weights, strict=True))) for row in x]


def _at_the_best(rng):
    _, x, y = _regression(rng)
    return np.linalg.lstsq(np.array(x), y, rcond=None)[0].tolist(), x, y


def _two_groups_of_rows(rng):
    weights, x, y = _regression(rng)
    return (weights, x[:2], y[:2]), (weights, x[2:], y[2:]), (weights, x, y)


def _lower_after_a_small_step(case, outputs):
    (weights, x, y), gradient = case[0], np.array(outputs[0])
    if gradient.shape != np.shape(weights):
        return False
    step = 0.25 / (np.linalg.norm(x) ** 2)  # well below the step at which descent starts to overshoot
    return squared_loss(weights - step * gradient, x, y) < squared_loss(weights, x, y)


_LINE = ([1.0, 0.5], [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 1.0, 3.0])

SQUARED_LOSS_GRADIENT = Exercise(
    name="03/squared_loss_gradient",
    title="The slope of the squared loss",
    statement=(
        "Row i of x is one point, and y[i] is what should come out for it. The model says x[i]·weights, and "
        "the loss is Σ (x[i]·weights − y[i])². Write squared_loss_gradient(weights, x, y): how steeply the "
        "loss rises with each weight, one number for each."
    ),
    reference=squared_loss_gradient,
    returns=NUMBERS,
    forbids=FORBIDS,
    properties=(
        Property(
            "one number for each weight",
            "There is one residual for each row, but one slope for each weight. What does a residual touch "
            "weight j with? With column j of x: multiply, and add up over the rows.",
            drawn(3, _regression, _LINE),
            lambda case, outputs: len(outputs[0]) == len(case[0][0]),
        ),
        Property(
            "zero where the line goes through every point",
            "There every residual is 0, so no weight can make the loss smaller. Does your gradient hold the "
            "residuals x·w − y, or only x·w?",
            drawn(3, _through_every_point, ([1.0, 2.0], _LINE[1], [1.0, 3.0, 5.0])),
            lambda case, outputs: close(outputs[0], [0] * len(case[0][0]), abs_=1e-9),
        ),
        Property(
            "zero at the best weights, though the residuals are not",
            "At the bottom of the valley the residuals of a column balance, each one counted in proportion "
            "to its size. The slope of r² is not the slope of |r|.",
            drawn(4, _at_the_best),
            lambda case, outputs: close(outputs[0], [0] * len(case[0][0]), abs_=1e-8),
        ),
        Property(
            "every row adds its own part",
            "The loss is a sum over the rows, and the slope of a sum is the sum of the slopes. Not the mean.",
            related(3, _two_groups_of_rows),
            lambda case, outputs: (
                len({len(output) for output in outputs}) == 1
                and close(np.sum(outputs[:2], axis=0), outputs[2])
            ),
        ),
        Property(
            "a small step against it makes the loss smaller",
            "A gradient points uphill. What is the slope of (x·w − y)² when x·w is already too large?",
            drawn(4, _regression, _LINE),
            _lower_after_a_small_step,
        ),
        Property(
            "agrees with the chain rule",
            "Outer slope times inner slope. The outer function is a square: which factor comes down in "
            "front? Try one row and one weight on paper.",
            drawn(6, _regression, _LINE),
            agrees(squared_loss_gradient),
            points=2,
        ),
    ),
)


# 2. The loss of the support vector machine


def hinge_loss(weights, offset, x, labels, c):
    weights = np.asarray(weights, dtype=float)
    margins = np.asarray(labels) * (np.asarray(x, dtype=float) @ weights + offset)
    # ½ w·w + c Σ_n max(0, 1 − y_n (w·x_n + b))
    return float(0.5 * weights @ weights + c * np.maximum(0, 1 - margins).sum())


def _separator(rng):
    n, d = int(rng.integers(4, 9)), int(rng.integers(1, 4))
    labels = [float(v) for v in rng.choice([-1.0, 1.0], n)]
    return numbers(rng, d, 1.0), numbers(rng, 1, 1.0)[0], _rows(rng, n, d), labels, float(rng.integers(1, 9))


def _turned_around(rng):
    weights, offset, x, labels, c = _separator(rng)
    return (weights, offset, x, labels, c), ([-w for w in weights], -offset, x, [-v for v in labels], c)


def _other_prices(rng):
    *given, _ = _separator(rng)
    return tuple((*given, c) for c in (0.0, 1.0, 2.0))


def _at_positions(*positions):
    """One point of label 1 at each position on a line, the separator at 0 with weight 1."""
    return tuple(([1.0], 0.0, [[v]], [1.0], 1.0) for v in positions)


HINGE_LOSS = Exercise(
    name="03/hinge_loss",
    title="The loss of the support vector machine",
    statement=(
        "A line w·x + b separates points with label 1 from points with label −1. Write hinge_loss(weights, "
        "offset, x, labels, c): ½ w·w, plus c times the sum over the points of max(0, 1 − label·(w·x + b)). "
        "Row i of x is point i; weights is w, and offset is b."
    ),
    reference=hinge_loss,
    forbids=(*FORBIDS, "sklearn.svm", "sklearn.metrics.hinge_loss"),
    properties=(
        Property(
            "points far on their own side cost nothing, and pay for nothing",
            "There label·(w·x + b) is above 1, and 1 minus it is below 0. Points that are right cannot pay "
            "for another one: cut every point at 0 before you add up.",
            lambda rng: [
                (
                    ([1.0], 0.0, [[-1.0]], [1.0], 1.0),
                    ([1.0], 0.0, [[-1.0], [3.0], [-2.0]], [1.0, 1.0, -1.0], 1.0),
                ),
            ],
            lambda case, outputs: close(*outputs),
        ),
        Property(
            "a point on its own side, but nearer than 1, still costs",
            "Right is not enough: the loss asks for a distance to the line. Where does the bend of your "
            "max lie, at 0 or at 1?",
            fixed(([1.0], 0.0, [[0.5]], [1.0], 1.0), ([1.0, 1.0], 0.0, [[-0.25, -0.25]], [-1.0], 2.0)),
            lambda case, outputs: outputs[0] > 0.5 * np.dot(case[0][0], case[0][0]) + 1e-9,
        ),
        Property(
            "on the wrong side, every step costs the same",
            "The hinge is a straight line there, not a parabola: nothing is squared, apart from w.",
            lambda rng: [_at_positions(0.0, -1.0, -2.0, -10.0)],
            lambda case, outputs: close(np.diff(outputs), [1, 1, 8]),
        ),
        Property(
            "exchange the labels and turn the line around, and nothing changes",
            "The label multiplies all that the line says about a point. Is the offset inside the brackets?",
            related(4, _turned_around),
            lambda case, outputs: close(*outputs),
        ),
        Property(
            "c is the price of the points, not of w",
            "With c = 0 nothing is left but ½ w·w, and each unit of c adds the same sum. Which of the two "
            "parts does your c multiply?",
            related(4, _other_prices),
            lambda case, outputs: close(
                outputs,
                [0.5 * np.dot(case[0][0], case[0][0]) + c * (outputs[1] - outputs[0]) for c in (0, 1, 2)],
            ),
        ),
        Property(
            "agrees with the formula",
            "Half of w·w without the offset, and a sum over the points, not their mean.",
            drawn(8, _separator, ([1.0], 1.0, [[0.0], [-2.0]], [-1.0, 1.0], 2.0)),
            agrees(hinge_loss),
            points=2,
        ),
    ),
)


# 3. What a coin has taught you


def beta_posterior(a, b, heads, tails):
    # Beta(a, b) → Beta(a + heads, b + tails), whose mean is the probability of the next head
    a, b = float(a + heads), float(b + tails)
    return a, b, a / (a + b)


def _tosses(rng, most=12):
    a, b = (float(v) for v in np.round(np.exp(rng.normal(0.5, 0.8, 2)), 1) + 0.1)
    return a, b, int(rng.integers(0, most)), int(rng.integers(0, most))


def _no_toss(rng):
    return *_tosses(rng)[:2], 0, 0


def _one_head_more(rng):
    a, b, heads, tails = _tosses(rng)
    return (a, b, heads, tails), (a, b, heads + 1, tails)


def _sides_exchanged(rng):
    a, b, heads, tails = _tosses(rng)
    return (a, b, heads, tails), (b, a, tails, heads)


_FLAT = (1.0, 1.0)

BETA_POSTERIOR = Exercise(
    name="03/beta_posterior",
    title="What a coin has taught you",
    statement=(
        "Before you toss a coin, you believe that its probability of heads θ has the density Beta(a, b), "
        "which is θ^(a−1)·(1 − θ)^(b−1) up to a constant. Then you see heads and tails (two counts). Write "
        "beta_posterior(a, b, heads, tails) that returns three numbers: the a and the b of the posterior, "
        "and the probability that the next toss is heads, averaged over the posterior."
    ),
    reference=beta_posterior,
    returns=THREE_NUMBERS,
    forbids=(*FORBIDS, "scipy.stats.beta", "scipy.stats.betabinom"),
    properties=(
        Property(
            "without a toss the belief stays as it was",
            "The posterior is prior times likelihood, and the likelihood of no data is 1. With what "
            "exponents does a single θ or 1 − θ arrive?",
            drawn(3, _no_toss, (*_FLAT, 0, 0), (2.0, 3.0, 0, 0)),
            lambda case, outputs: close(outputs[0][:2], case[0][:2]),
        ),
        Property(
            "one head more, and a grows by one",
            "Each head multiplies the density by θ, each tail by 1 − θ. Which of the two exponents grows, "
            "and what happens to the other?",
            related(3, _one_head_more, ((*_FLAT, 0, 0), (*_FLAT, 1, 0))),
            lambda case, outputs: close(np.subtract(outputs[1], outputs[0])[:2], [1, 0]),
        ),
        Property(
            "exchange heads and tails, and everything else is exchanged too",
            "b counts tails, not tosses. And what one side gains in probability, the other one loses.",
            related(3, _sides_exchanged, ((1.0, 2.0, 3, 0), (2.0, 1.0, 0, 3))),
            lambda case, outputs: close([outputs[1][1], outputs[1][0], 1 - outputs[1][2]], outputs[0]),
        ),
        Property(
            "nothing is certain, even after heads alone",
            "The share of heads among the tosses is 1 then, but a θ of 0.9 or of 0.8 shows three heads "
            "easily. Average over all θ that are still possible.",
            fixed((*_FLAT, 3, 0), (*_FLAT, 0, 5), (0.5, 0.5, 20, 0)),
            lambda case, outputs: 0 < outputs[0][2] < 1,
        ),
        Property(
            "agrees with the average of θ over the posterior",
            "The place where a Beta density is highest is not its mean. The mean of Beta(a, b) is a simple "
            "ratio of a and b: for a = b it is ½.",
            drawn(8, _tosses, (*_FLAT, 3, 0)),
            agrees(beta_posterior),
            points=2,
        ),
    ),
)


# 4. The posterior without a formula


def grid_posterior(thetas, heads, tails, prior):
    thetas, prior = np.asarray(thetas, dtype=float), np.asarray(prior, dtype=float)
    with np.errstate(divide="ignore"):  # a prior of 0 is a log of −∞
        # log prior + heads·log θ + tails·log(1 − θ), where 0·log 0 is 0
        log_joint = np.log(prior) + xlogy(heads, thetas) + xlog1py(tails, -thetas)
    return np.exp(log_joint - logsumexp(log_joint)).tolist()


def _thetas(k):
    """k points in the middle of k equal pieces of [0, 1]."""
    return [(i + 0.5) / k for i in range(k)]


def _grid(rng):
    k = int(rng.integers(3, 9))
    prior = [float(v) for v in rng.integers(1, 10, k)]
    return _thetas(k), int(rng.integers(0, 9)), int(rng.integers(0, 9)), prior


def _grid_without_tosses(rng):
    thetas, _, _, prior = _grid(rng)
    return thetas, 0, 0, prior


def _one_ruled_out(rng):
    thetas, heads, tails, prior = _grid(rng)
    prior[int(rng.integers(len(prior)))] = 0.0
    return thetas, heads, tails, prior


_THREE = ([0.25, 0.5, 0.75], 3, 1, [1.0, 1.0, 1.0])

GRID_POSTERIOR = Exercise(
    name="03/grid_posterior",
    title="The posterior without a formula",
    statement=(
        "thetas is a grid: some values that the probability of heads may have, and prior[i] ≥ 0 says how "
        "plausible thetas[i] is before any toss. The prior need not sum to 1. Write grid_posterior(thetas, "
        "heads, tails, prior): the posterior probability of each theta, for these two counts. It must work "
        "for thousands of tosses, and for a theta of 0 or 1."
    ),
    reference=grid_posterior,
    returns=NUMBERS,
    forbids=FORBIDS,
    properties=(
        Property(
            "one probability for each theta, and they sum to 1",
            "Prior times likelihood is the joint, not yet the posterior. Which number do you divide by? "
            "On a grid the evidence is a sum.",
            drawn(4, _grid, _THREE),
            lambda case, outputs: (
                len(outputs[0]) == len(case[0][0])
                and all(p >= 0 for p in outputs[0])
                and close(sum(outputs[0]), 1)
            ),
        ),
        Property(
            "without a toss it is the prior, made to sum to 1",
            "The likelihood of no data is 1 for every theta. Does your prior take part, and as a factor?",
            drawn(3, _grid_without_tosses, (_THREE[0], 0, 0, [1.0, 2.0, 1.0])),
            lambda case, outputs: close(outputs[0], np.divide(case[0][3], sum(case[0][3]))),
        ),
        Property(
            "what the prior rules out stays out",
            "Prior and likelihood are multiplied, so a prior of 0 leaves 0. If you add logarithms, it is "
            "the logarithm of the prior that you add.",
            drawn(3, _one_ruled_out, (_THREE[0], 3, 1, [0.0, 1.0, 1.0])),
            lambda case, outputs: (
                len(outputs[0]) == len(case[0][3])
                and all((p == 0) == (w == 0) for p, w in zip(outputs[0], case[0][3], strict=True))
            ),
        ),
        Property(
            "works for 5000 tosses",
            "The likelihood of 5000 tosses is 0 for the computer, whatever theta is. Add logarithms, "
            "subtract the largest, and only then take exp: lesson 00, log_sum_exp.",
            fixed(
                (_thetas(5), 2500, 2500, [1.0] * 5),
                (_thetas(9), 4100, 900, [float(v) for v in range(1, 10)]),
                (_thetas(4), 0, 5000, [1.0] * 4),
            ),
            lambda case, outputs: finite(outputs) and close(sum(outputs[0]), 1),
        ),
        Property(
            "a coin with two heads may be on the grid",
            "Where theta is 1 and no tail came, 1 − theta is raised to the power 0: that is 1, while "
            "0·log 0 is nan for the computer. Is there a function that knows? `scipy.special.xlogy`.",
            fixed(
                ([0.0, 0.5, 1.0], 3, 0, [1.0, 1.0, 1.0]),
                ([0.0, 0.5, 1.0], 0, 2, [1.0, 2.0, 1.0]),
                ([0.0, 0.25, 1.0], 1, 1, [1.0, 1.0, 1.0]),
            ),
            lambda case, outputs: finite(outputs) and close(sum(outputs[0]), 1),
        ),
        Property(
            "agrees with prior times likelihood, divided by the evidence",
            "theta for each head, 1 − theta for each tail. Where does the posterior lean when heads are "
            "many?",
            drawn(
                8,
                _grid,
                _THREE,
                ([0.0, 0.5, 1.0], 2, 0, [1.0, 1.0, 1.0]),
                (_thetas(9), 2600, 2400, [float(v) for v in range(1, 10)]),
            ),
            agrees(grid_posterior),
            points=2,
        ),
    ),
)


# Stretch: how well a model foresaw the data


def log_evidence(a, b, heads, tails):
    h, t = np.arange(heads), np.arange(tails)
    # log B(a + heads, b + tails)/B(a, b), as Σ log p(next toss | tosses before it): all heads, then all tails
    return float(np.log((a + h) / (a + b + h)).sum() + np.log((b + t) / (a + b + heads + t)).sum())


def _one_toss_more(rng):
    a, b, heads, tails = _tosses(rng)
    return (a, b, heads, tails), (a, b, heads + 1, tails)


def _every_outcome_of_five(rng):
    a, b, _, _ = _tosses(rng)
    return tuple((a, b, heads, 5 - heads) for heads in range(6))


def _all_sequences(outputs):
    """The probability of all sequences of five tosses together."""
    return sum(math.comb(5, heads) * np.exp(min(value, 700)) for heads, value in enumerate(outputs))


LOG_EVIDENCE = Exercise(
    name="03/log_evidence",
    title="How well a model foresaw the tosses",
    statement=(
        "A model says that θ, the probability of heads, has the density Beta(a, b). Write log_evidence(a, "
        "b, heads, tails), in nats: the log of the probability that the model gave to one sequence of "
        "tosses with these counts, before it was seen. That is the likelihood averaged over the prior. It "
        "must work for 10,000 tosses, and for an a and a b of 10¹²."
    ),
    reference=log_evidence,
    forbids=(*FORBIDS, "scipy.stats.betabinom"),
    stretch=True,
    properties=(
        Property(
            "no toss at all was certain",
            "The log of 1. If the integral of θ^(a−1)·(1 − θ)^(b−1) is left over, then the prior was not "
            "divided by it: a density has the area 1.",
            drawn(3, _no_toss, (*_FLAT, 0, 0), (2.0, 3.0, 0, 0)),
            lambda case, outputs: close(outputs[0], 0),
        ),
        Property(
            "the first toss is heads with the mean of the prior",
            "The evidence averages over all θ. Whoever takes the best θ for these data finds that one head "
            "was certain. Natural logarithms.",
            fixed((*_FLAT, 1, 0), (3.0, 1.0, 1, 0), (0.5, 2.0, 1, 0)),
            lambda case, outputs: close(outputs[0], np.log(case[0][0] / (case[0][0] + case[0][1]))),
        ),
        Property(
            "all sequences of five tosses together have probability 1",
            "Five tosses with two heads: there are ten such sequences, and each has this probability. You "
            "are asked for one of them, so there is no binomial coefficient.",
            related(3, _every_outcome_of_five, tuple((*_FLAT, heads, 5 - heads) for heads in range(6))),
            lambda case, outputs: close(_all_sequences(outputs), 1),
        ),
        Property(
            "each further toss is predicted by what came before",
            "After these tosses the belief is a Beta again, and it foretells the next one with its mean. "
            "One θ for all tosses, even the mean of the prior, learns nothing on the way.",
            related(4, _one_toss_more, ((*_FLAT, 1, 0), (*_FLAT, 2, 0))),
            lambda case, outputs: close(
                outputs[1] - outputs[0], np.log(beta_posterior(*case[0])[2]), rel=1e-7, abs_=1e-9
            ),
        ),
        Property(
            "works for 10,000 tosses",
            "The probability of such a sequence is 0 for the computer, and its log −∞. Never leave the "
            "logarithms: `scipy.special.gammaln` is the log of the gamma function.",
            fixed((*_FLAT, 5000, 5000), (2.0, 3.0, 10000, 0), (0.5, 0.5, 9000, 1000)),
            lambda case, outputs: finite(outputs) and close(outputs[0], log_evidence(*case[0])),
        ),
        Property(
            "keeps its digits when the prior is surer than all tosses",
            "log-gamma of 10¹² is so large that a difference of two has lost its digits. Add up instead "
            "what each toss brings: a sum of small numbers.",
            fixed((1e12, 1e12, 6, 4), (2e12, 1e12, 0, 3), (1e12, 3e12, 500, 500)),
            lambda case, outputs: close(outputs[0], log_evidence(*case[0]), rel=1e-8),
        ),
        Property(
            "agrees with the integral",
            "A ratio of two Beta functions, B(a + heads, b + tails) and B(a, b), or one fraction for every "
            "toss. Natural logarithms.",
            drawn(8, _tosses, (*_FLAT, 3, 0)),
            agrees(log_evidence, rel=1e-8),
            points=2,
        ),
    ),
)

EXERCISES = (SQUARED_LOSS_GRADIENT, HINGE_LOSS, BETA_POSTERIOR, GRID_POSTERIOR, LOG_EVIDENCE)
