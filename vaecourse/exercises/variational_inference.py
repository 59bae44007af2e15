"""The exercises of lesson 04: the ELBO by draws, exactly, and its slopes."""

import numpy as np
from scipy.special import entr, xlogy

from .cases import agrees, close, drawn, finite, fixed, numbers, probabilities, related, value
from .core import Exercise, Property
from .kinds import PAIR

FORBIDS = (
    "vaecourse.variational_inference",
    "vaecourse.gaussian_q",
    "vaecourse.one_latent",
    "vaecourse.kl_divergence",
    "scipy.special.rel_entr",
    "scipy.special.kl_div",
    "scipy.stats.entropy",
)


# 1. The bound by drawing


def elbo(log_joint, log_q):
    # the average of log p(x, z_i) − log q(z_i), and s/√n
    terms = np.asarray(log_joint, dtype=float) - np.asarray(log_q, dtype=float)
    return float(terms.mean()), float(terms.std(ddof=1) / np.sqrt(len(terms)))


def _log_densities(rng):
    n = int(rng.integers(5, 30))
    return numbers(rng, n), numbers(rng, n)


def _from_the_posterior(rng):
    log_q, log_evidence = numbers(rng, int(rng.integers(3, 9))), numbers(rng, 1, 5.0)[0]
    return [v + log_evidence for v in log_q], log_q


def _ten_times_the_joint(rng):
    log_joint, log_q = _log_densities(rng)
    return (log_joint, log_q), ([v + float(np.log(10)) for v in log_joint], log_q)


def _repeated(rng):
    log_joint, log_q = numbers(rng, 50), numbers(rng, 50)
    return (log_joint, log_q), (log_joint * 4, log_q * 4)


def _at_the_posterior(case, outputs):
    log_joint, log_q = case[0]
    return close(outputs[0], [log_joint[0] - log_q[0], 0], abs_=1e-9)


_THREE_DRAWS = ([-3.0, -2.0, -4.0], [-1.0, -1.5, -1.0])

ELBO = Exercise(
    name="04/elbo",
    title="The bound by drawing",
    statement=(
        "You drew points z from q, and evaluated log p(x, z) and log q(z) at each of them: two lists. Write "
        "elbo(log_joint, log_q) that returns two numbers: the estimate of the ELBO, and its standard error, "
        "s/√n, where s is the sample standard deviation (divide by n − 1)."
    ),
    reference=elbo,
    returns=PAIR,
    forbids=FORBIDS,
    properties=(
        Property(
            "a joint ten times as large lifts it by log 10",
            "A constant factor in p(x, z) becomes a constant summand of each term. It is the joint that you "
            "are given: nothing is made to sum to 1.",
            related(3, _ten_times_the_joint),
            lambda case, outputs: close(outputs[1][0] - outputs[0][0], np.log(10), rel=1e-7),
        ),
        Property(
            "when q is the posterior, every draw says log p(x), without any error",
            "Bayes' rule: p(x, z)/p(z|x) is p(x), whatever z is. With q in place of p(z|x), what do you "
            "average? Does log q(z) take part, and with which sign?",
            drawn(3, _from_the_posterior, ([-3.0, -4.0, -3.5], [-1.0, -2.0, -1.5])),
            _at_the_posterior,
        ),
        Property(
            "one unlucky draw counts as much as any other",
            "The ELBO is an average of logarithms. The logarithm of the average is another estimate, in "
            "which the largest term outshines the rest.",
            fixed(([0.0, -10.0], [0.0, 0.0]), ([-1.0, -1.0, -100.0], [-1.0, -1.0, -1.0])),
            lambda case, outputs: close(outputs[0][0], np.mean(case[0][0]) - np.mean(case[0][1])),
        ),
        Property(
            "works where the densities are zero to the computer",
            "exp(−1000) is 0 for the computer, and 0/0 is nan. Subtract logarithms; no density is needed.",
            fixed(([-1000.0, -1002.0, -1001.0], [-3.0, -2.0, -2.5]), ([-2000.0, -2001.0], [-900.0, -901.5])),
            lambda case, outputs: finite(outputs[0]) and close(outputs[0][0], elbo(*case[0])[0]),
        ),
        Property(
            "four times the draws, half the error bar",
            "The spread of the terms stays as it is when you draw more; the error of their mean shrinks "
            "like 1/√n.",
            related(3, _repeated),
            lambda case, outputs: (
                abs(2 * outputs[1][1] / outputs[0][1] - 1) < 0.05 if outputs[0][1] else False
            ),
        ),
        Property(
            "agrees with s/√n",
            "It is the spread of the differences, not of one of the lists. And `np.std` has an argument for "
            "n − 1, `ddof`.",
            drawn(6, _log_densities, _THREE_DRAWS),
            agrees(elbo),
        ),
    ),
)


# 2. The bound exactly, where z has a few values only


def elbo_discrete(joint, q):
    joint, q = np.asarray(joint, dtype=float), np.asarray(q, dtype=float)
    # Σ_k q_k (log p(x, k) − log q_k), a term with q_k = 0 being 0
    return float((xlogy(q, joint) + entr(q)).sum())


def _joint(rng, k):
    """k joint probabilities p(x, z = k), small and not of sum 1, as with any x that could have been another."""
    return [float(v) for v in np.round(np.array(probabilities(rng, k)) * rng.choice([0.5, 0.1, 0.02]), 6)]


def _joint_and_q(rng):
    k = int(rng.integers(2, 6))
    return _joint(rng, k), probabilities(rng, k)


def _joint_and_posterior(rng):
    joint = _joint(rng, int(rng.integers(2, 6)))
    return joint, [v / sum(joint) for v in joint]


def _away_from_the_posterior(rng):
    """A q whose bound lies clearly below log p(x)."""
    while True:
        joint, q = _joint_and_q(rng)
        if elbo_discrete(joint, q) < np.log(sum(joint)) - 1e-3:
            return joint, q


def _ten_times_as_likely(rng):
    joint, q = _joint_and_q(rng)
    return (joint, q), ([10 * v for v in joint], q)


_TWO_VALUES = ([0.03, 0.01], [0.5, 0.5])

ELBO_DISCRETE = Exercise(
    name="04/elbo_discrete",
    title="The bound exactly",
    statement=(
        "Here z has only a few values. joint[k] is p(x, z = k), for the x that was seen, and q[k] is the "
        "probability that q gives to k. Write elbo_discrete(joint, q) in nats: Σ q[k]·log(joint[k]/q[k]). A "
        "term with q[k] = 0 counts as 0; if q allows a k with joint[k] = 0, the answer is −∞ (`-np.inf`)."
    ),
    reference=elbo_discrete,
    forbids=FORBIDS,
    properties=(
        Property(
            "an x ten times as likely lifts it by log 10",
            "The joint need not sum to 1, and must not be made to: its sum is p(x), which is what the bound "
            "is about. Natural logarithms: `np.log`.",
            related(3, _ten_times_as_likely, (_TWO_VALUES, ([0.3, 0.1], [0.5, 0.5]))),
            lambda case, outputs: close(outputs[1] - outputs[0], np.log(10), rel=1e-7),
        ),
        Property(
            "at the posterior it is log p(x)",
            "p(x) is the sum of the joint, and the posterior is the joint divided by it: then every ratio "
            "joint/q is p(x). Is q in the denominator?",
            drawn(4, _joint_and_posterior, (_TWO_VALUES[0], [0.75, 0.25])),
            lambda case, outputs: close(outputs[0], np.log(np.sum(case[0][0]))),
        ),
        Property(
            "for every other q it lies below",
            "Each value of k gives a logarithm, and q averages them. If you average first and take the "
            "logarithm last, q cancels, and you have log p(x) itself.",
            drawn(6, _away_from_the_posterior, _TWO_VALUES),
            lambda case, outputs: outputs[0] < np.log(np.sum(case[0][0])) - 1e-6,
        ),
        Property(
            "0·log 0 counts as 0",
            "A value of z that q never takes adds nothing, whatever its joint is. For the computer 0 times "
            "−∞ is nan: leave such terms out.",
            fixed(
                ([0.03, 0.01], [1.0, 0.0]),
                ([0.02, 0.01, 0.03], [0.5, 0.0, 0.5]),
                ([0.02, 0.0, 0.03], [0.25, 0.0, 0.75]),
            ),
            agrees(elbo_discrete),
        ),
        Property(
            "−∞ where q allows what cannot have been",
            "A q that spends probability on an impossible z is infinitely bad. That is a value, `-np.inf`; "
            "the term must not be left out.",
            fixed(([0.03, 0.0], [0.5, 0.5]), ([0.0, 0.01, 0.02], [0.25, 0.25, 0.5])),
            lambda case, outputs: outputs[0] == -np.inf,
        ),
        Property(
            "agrees with the definition, in nats",
            "One term for each k: q, times the natural logarithm of joint/q.",
            drawn(8, _joint_and_q, _TWO_VALUES),
            agrees(elbo_discrete),
            points=2,
        ),
    ),
)


# 3. What keeps q wide


def entropy_gaussian(sds):
    # Σ_j ½ log(2πe σ_j²)
    return float((0.5 * np.log(2 * np.pi * np.e) + np.log(np.asarray(sds, dtype=float))).sum())


def _sds(rng, most=5):
    return [float(v) for v in np.round(np.exp(rng.normal(0, 0.7, int(rng.integers(1, most)))), 2)]


def _one_twice_as_wide(rng):
    sds = _sds(rng)
    return (sds,), ([2 * sds[0], *sds[1:]],)


def _together_and_apart(rng):
    first, second = _sds(rng), _sds(rng)
    return (first,), (second,), (first + second,)


ENTROPY_GAUSSIAN = Exercise(
    name="04/entropy_gaussian",
    title="What keeps q wide",
    statement=(
        "q is a Gaussian whose coordinates are independent, with the standard deviations sds. Write "
        "entropy_gaussian(sds): its entropy −E[log q(z)] in nats. It must work for sds as small as 1e-200, "
        "and for hundreds of coordinates."
    ),
    reference=entropy_gaussian,
    forbids=(*FORBIDS, "scipy.stats.norm", "scipy.stats.multivariate_normal", "torch.distributions"),
    properties=(
        Property(
            "independent coordinates add up",
            "Densities multiply, so their logarithms add. A sum, not a mean: and every coordinate brings "
            "its own constant.",
            related(3, _together_and_apart, (([1.0],), ([2.0],), ([1.0, 2.0],))),
            lambda case, outputs: close(outputs[0] + outputs[1], outputs[2]),
        ),
        Property(
            "one coordinate twice as wide, log 2 more",
            "The density is halved everywhere, so −log q grows by log 2. A variance would grow by a factor "
            "of 4: which of the two stands in your logarithm, and with a ½ in front or not?",
            related(3, _one_twice_as_wide, (([1.0],), ([2.0],))),
            lambda case, outputs: close(outputs[1] - outputs[0], np.log(2)),
        ),
        Property(
            "a narrow q has a negative entropy",
            "Where a density is above 1, −log of it is below 0. For densities nothing keeps an entropy "
            "above zero: do not cut it off, take no absolute value.",
            fixed(([0.01],), ([0.1, 0.05],)),
            lambda case, outputs: outputs[0] < 0,
        ),
        Property(
            "a spike, or very many coordinates, is not yet −∞",
            "1e-200 squared is 0 for the computer, and so is a product of 300 small numbers. Take the "
            "logarithm of every sd first, and add afterwards.",
            fixed(([1e-200],), ([1e-200, 1e-200, 1.0],), ([0.05] * 300,)),
            lambda case, outputs: finite(outputs),
        ),
        Property(
            "agrees with −E[log q(z)]",
            "log q has three parts: −½ log 2π, −log σ, and −½ of the squared distance from the mean, counted "
            "in σ. What is that distance on average?",
            drawn(6, lambda rng: (_sds(rng),), ([1.0],), ([1e-200, 1.0],), ([0.05] * 300,)),
            agrees(entropy_gaussian),
            points=2,
        ),
    ),
)


# 4. Uphill


def pathwise_gradient(slopes, e, s):
    slopes, e = np.asarray(slopes, dtype=float), np.asarray(e, dtype=float)
    # ∂/∂m: E[f'(z)];  ∂/∂s: E[f'(z)·½ exp(s/2)·e] + ½, the ½ from the entropy ½ s + const
    return float(slopes.mean()), float((slopes * e).mean() * 0.5 * np.exp(s / 2) + 0.5)


def _noise(rng, n):
    return numbers(rng, n, 1.0)


def _slopes(rng):
    n = int(rng.integers(4, 12))
    return numbers(rng, n), _noise(rng, n), float(np.round(rng.normal(0, 1), 1))


def _flat(rng):
    _, e, s = _slopes(rng)
    return [0.0] * len(e), e, s


def _on_the_posterior(rng):
    """q = N(m, 1) is the Gaussian posterior itself: f'(z) = −(z − m), with noise of mean 0 and mean square 1."""
    half = np.abs(rng.normal(0, 1, 4))
    e = np.concatenate([half, -half]) / np.sqrt((half**2).mean())
    return [float(v) for v in -e], [float(v) for v in e], 0.0


def _twice_the_draws(rng):
    slopes, e, s = _slopes(rng)
    return (slopes, e, s), (slopes * 2, e * 2, s)


def _sd_times_three(rng):
    slopes, e, s = _slopes(rng)
    return (slopes, e, s), (slopes, e, s + 2 * float(np.log(3)))


PATHWISE_GRADIENT = Exercise(
    name="04/pathwise_gradient",
    title="Uphill",
    statement=(
        "q is the Gaussian with mean m and variance exp(s), and its draws are z[i] = m + exp(s/2)·e[i] with "
        "noise e[i]. At each draw somebody has measured slopes[i], the slope of log p(x, z) at z[i]. Write "
        "pathwise_gradient(slopes, e, s) that returns two numbers: how fast the ELBO rises with m, and how "
        "fast it rises with s, both estimated from these draws. The entropy of q is ½ s + ½ log 2πe: it "
        "takes part, and without any estimate."
    ),
    reference=pathwise_gradient,
    returns=PAIR,
    forbids=FORBIDS,
    properties=(
        Property(
            "where log p(x, z) is flat, only the entropy pulls",
            "All slopes are 0, so m has no reason to move. But the entropy grows with s: what is its slope?",
            drawn(3, _flat, ([0.0, 0.0], [1.0, -1.0], 0.0)),
            lambda case, outputs: close(outputs[0], [0, 0.5]),
        ),
        Property(
            "m moves every draw alike",
            "dz/dm = 1: each draw rises by its own slope. The ELBO is an average, so take theirs; the sum "
            "would grow with the number of draws.",
            related(
                3, _twice_the_draws, (([1.0, 3.0], [0.5, -0.5], 0.0), ([1.0, 3.0] * 2, [0.5, -0.5] * 2, 0.0))
            ),
            lambda case, outputs: close(outputs[0], outputs[1]) and close(outputs[0][0], np.mean(case[0][0])),
        ),
        Property(
            "at the posterior nothing pulls any more",
            "There the slopes narrow q exactly as much as the entropy widens it. What is the derivative of "
            "exp(s/2) with respect to s? A factor comes down in front.",
            drawn(3, _on_the_posterior, ([-1.0, 1.0], [1.0, -1.0], 0.0)),
            lambda case, outputs: close(outputs[0], [0, 0], abs_=1e-9),
        ),
        Property(
            "an sd three times as large, and the slopes pull three times as hard on s",
            "A change of s moves a draw by dz/ds, which has the sd of q in it: exp(s/2), not the variance. "
            "The entropy does not take part in this.",
            related(3, _sd_times_three),
            lambda case, outputs: close(3 * (outputs[0][1] - 0.5), outputs[1][1] - 0.5, abs_=1e-9),
        ),
        Property(
            "agrees with the chain rule",
            "For s it is slope times dz/ds, draw by draw, and the average of these products. An average of "
            "products is not the product of two averages.",
            drawn(6, _slopes, ([1.0, 3.0], [0.5, -0.5], 0.0)),
            agrees(pathwise_gradient),
            points=2,
        ),
    ),
)


# 5. Find the line that does not hold


def find_the_line():
    from vaecourse.chains.variational_inference import BROKEN_ELBO
    from vaecourse.derivation import broken_steps

    return broken_steps(BROKEN_ELBO)[0]


def _is_broken(case, outputs):
    from vaecourse.chains.variational_inference import BROKEN_ELBO
    from vaecourse.derivation import broken_steps

    return outputs[0] in broken_steps(BROKEN_ELBO)


FIND_THE_LINE = Exercise(
    name="04/find_the_line",
    title="Find the line that does not hold",
    statement="One line of the derivation above does not follow from the line before it. Give its number.",
    reference=find_the_line,
    properties=(
        Property(
            "that line does not follow from the one above it",
            "Every line should show the same number, log p(x). Move the sliders of q: where does the number "
            "begin to move along? Something that was added there has to be taken away again.",
            value,
            _is_broken,
        ),
    ),
)


# Stretch: a model without a formula for its posterior


def _log_prior(weights, prior_sd):
    weights = np.asarray(weights, dtype=float)
    return float((-0.5 * (weights / prior_sd) ** 2 - np.log(prior_sd) - 0.5 * np.log(2 * np.pi)).sum())


def logistic_log_joint(weights, x, labels, prior_sd):
    logits = np.asarray(x, dtype=float) @ np.asarray(weights, dtype=float)
    # Σ_n [y_n a_n − log(1 + exp(a_n))] + Σ_j log N(w_j; 0, σ²)
    return float((labels * logits - np.logaddexp(0, logits)).sum() + _log_prior(weights, prior_sd))


def _classification(rng):
    n, d = int(rng.integers(4, 9)), int(rng.integers(1, 4))
    x = [numbers(rng, d) for _ in range(n)]
    labels = [float(v) for v in rng.integers(0, 2, n)]
    return numbers(rng, d, 1.0), x, labels, float(rng.choice([0.5, 2.0, 5.0]))


def _at_weights_zero(rng):
    weights, x, labels, sd = _classification(rng)
    return [0.0] * len(weights), x[:1], labels[:1], sd


def _two_parts_of_the_data(rng):
    weights, x, labels, sd = _classification(rng)
    return (weights, x[:2], labels[:2], sd), (weights, x[2:], labels[2:], sd), (weights, x, labels, sd)


def _all_turned_around(rng):
    weights, x, labels, sd = _classification(rng)
    return (weights, x, labels, sd), ([-w for w in weights], x, [1 - v for v in labels], sd)


def _one_prior_sd_away(rng):
    """A point at 0, for which no weight matters: only the prior tells the two calls apart."""
    sd = float(rng.choice([0.5, 2.0, 5.0]))
    return ([0.0], [[0.0]], [1.0], sd), ([sd], [[0.0]], [1.0], sd)


_TWO_POINTS = ([1.0], [[1.0], [-2.0]], [1.0, 0.0], 2.0)

LOGISTIC_LOG_JOINT = Exercise(
    name="04/logistic_log_joint",
    title="A model without a formula for its posterior",
    statement=(
        "Row i of x is a point, and labels[i] is 0 or 1. Given weights w, the label is 1 with probability "
        "1/(1 + exp(−a)), where a = x[i]·w is called the logit. Before the data, every weight is drawn from "
        "a Gaussian with mean 0 and standard deviation prior_sd. Write logistic_log_joint(weights, x, "
        "labels, prior_sd): log p(labels, w | x) in nats, every constant included. It must work for logits "
        "of ±1000."
    ),
    reference=logistic_log_joint,
    forbids=(
        "vaecourse.logistic_regression",
        "vaecourse.variational_inference",
        "torch.nn.functional.binary_cross_entropy_with_logits",
        "torch.nn.functional.binary_cross_entropy",
        "sklearn.metrics.log_loss",
    ),
    stretch=True,
    properties=(
        Property(
            "turn every label and every weight around, and nothing changes",
            "A label 0 is as good as a label 1 seen from the other side. Is there a term for the points "
            "with label 0?",
            related(4, _all_turned_around),
            lambda case, outputs: close(*outputs),
        ),
        Property(
            "a weight one prior_sd away from 0 costs ½",
            "The squared weight is counted in prior_sd, which is a standard deviation. Its square is the "
            "variance. Natural logarithms.",
            related(2, _one_prior_sd_away),
            lambda case, outputs: close(outputs[0] - outputs[1], 0.5),
        ),
        Property(
            "with all weights 0, a point costs log 2, and each weight what the top of a Gaussian costs",
            "The label is then a toss of a fair coin. And the log density of a Gaussian at its mean is not "
            "0: the constants belong to p(x, z).",
            drawn(3, _at_weights_zero, ([0.0], [[1.0]], [1.0], 2.0)),
            lambda case, outputs: close(
                outputs[0], -len(case[0][2]) * np.log(2) + _log_prior(case[0][0], case[0][3])
            ),
        ),
        Property(
            "the points add up, and the prior counts once",
            "Two parts of the data, each with its prior, hold one prior more than all of it together. A sum "
            "over the points, not a mean; and the prior stands outside.",
            related(3, _two_parts_of_the_data),
            lambda case, outputs: close(
                outputs[0] + outputs[1] - outputs[2], _log_prior(case[0][0], case[0][3]), abs_=1e-9
            ),
        ),
        Property(
            "logits of ±1000",
            "exp(1000) overflows, and the log of a probability that is 0 for the computer is −∞. log(1 + "
            "exp(a)) is nearly a for a large a: `np.logaddexp(0, a)` knows that.",
            fixed(
                ([1000.0], [[1.0], [-1.0]], [1.0, 0.0], 100.0),
                ([1000.0], [[1.0], [-1.0]], [0.0, 1.0], 100.0),
                ([10.0, -10.0], [[50.0, -50.0], [50.0, 50.0]], [0.0, 1.0], 10.0),
            ),
            lambda case, outputs: finite(outputs) and close(outputs[0], logistic_log_joint(*case[0])),
        ),
        Property(
            "agrees with the definition, in nats",
            "For a label 1 the log of 1/(1 + exp(−a)), for a label 0 the log of 1/(1 + exp(a)); then the "
            "log density of each weight.",
            drawn(6, _classification, _TWO_POINTS),
            agrees(logistic_log_joint),
            points=2,
        ),
    ),
)

EXERCISES = (
    ELBO,
    ELBO_DISCRETE,
    ENTROPY_GAUSSIAN,
    PATHWISE_GRADIENT,
    FIND_THE_LINE,
    LOGISTIC_LOG_JOINT,
)
