"""Wrong answers to the exercises of lesson 04, under the property that must catch each."""

import numpy as np
from scipy import special


def with_error(terms):
    return terms.mean(), terms.std(ddof=1) / np.sqrt(len(terms))


def bound(joint, q):
    return (special.xlogy(q, joint) + special.entr(q)).sum()


def entropy(sds):
    return (0.5 * np.log(2 * np.pi * np.e) + np.log(sds)).sum()


def pull(slopes, e, s, factor=0.5, scale=0.5):
    return (slopes * e).mean() * factor * np.exp(scale * s)


def log_normal(weights, sd):
    return -0.5 * (weights / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)


def log_likelihood(weights, x, labels):
    logits = x @ weights
    return labels * logits - np.logaddexp(0, logits)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def joint(weights, x, labels, sd):
    return log_likelihood(weights, x, labels).sum() + log_normal(weights, sd).sum()


WRONG = {
    "04/elbo": {
        "when q is the posterior, every draw says log p(x), without any error": lambda log_joint, log_q: (
            with_error(log_joint)
        ),
        "a joint ten times as large lifts it by log 10": lambda log_joint, log_q: with_error(
            log_joint - special.logsumexp(log_joint) - log_q
        ),
        "one unlucky draw counts as much as any other": lambda log_joint, log_q: (
            special.logsumexp(log_joint - log_q) - np.log(len(log_q)),
            with_error(log_joint - log_q)[1],
        ),
        "works where the densities are zero to the computer": lambda log_joint, log_q: with_error(
            np.log(np.exp(log_joint) / np.exp(log_q))
        ),
        "four times the draws, half the error bar": lambda log_joint, log_q: (
            (log_joint - log_q).mean(),
            (log_joint - log_q).std(ddof=1),
        ),
        "agrees with s/√n": lambda log_joint, log_q: (
            (log_joint - log_q).mean(),
            (log_joint - log_q).std() / np.sqrt(len(log_q)),
        ),
    },
    "04/elbo_discrete": {
        "at the posterior it is log p(x)": lambda joint, q: special.xlogy(q, joint).sum(),
        "for every other q it lies below": lambda joint, q: np.log((q * (joint / q)).sum()),
        "an x ten times as likely lifts it by log 10": lambda joint, q: bound(joint / joint.sum(), q),
        "0·log 0 counts as 0": lambda joint, q: (q * np.log(joint / q)).sum(),
        "−∞ where q allows what cannot have been": lambda joint, q: bound(joint[joint > 0], q[joint > 0]),
        "agrees with the definition, in nats": lambda joint, q: bound(joint, q) / np.log(2),
    },
    "04/entropy_gaussian": {
        "one coordinate twice as wide, log 2 more": lambda sds: (
            np.log(2 * np.pi * np.e) / 2 + 2 * np.log(sds)
        ).sum(),
        "independent coordinates add up": lambda sds: entropy(sds) / len(sds),
        "a narrow q has a negative entropy": lambda sds: max(0.0, entropy(sds)),
        "a spike, or very many coordinates, is not yet −∞": lambda sds: (
            0.5 * np.log(2 * np.pi * np.e * sds**2).sum()
        ),
        "agrees with −E[log q(z)]": lambda sds: 0.5 * np.log(2 * np.pi * sds**2).sum(),
    },
    "04/pathwise_gradient": {
        "where log p(x, z) is flat, only the entropy pulls": lambda slopes, e, s: (
            slopes.mean(),
            pull(slopes, e, s),
        ),
        "m moves every draw alike": lambda slopes, e, s: (slopes.sum(), pull(slopes, e, s) + 0.5),
        "at the posterior nothing pulls any more": lambda slopes, e, s: (
            slopes.mean(),
            pull(slopes, e, s, factor=1) + 0.5,
        ),
        "an sd three times as large, and the slopes pull three times as hard on s": lambda slopes, e, s: (
            slopes.mean(),
            pull(slopes, e, s, scale=1) + 0.5,
        ),
        "agrees with the chain rule": lambda slopes, e, s: (
            slopes.mean(),
            slopes.mean() * e.mean() * np.exp(s / 2) / 2 + 0.5,
        ),
    },
    "04/find_the_line": {"that line does not follow from the one above it": 1},
    "04/logistic_log_joint": {
        "with all weights 0, a point costs log 2, and each weight what the top of a Gaussian costs": (
            lambda w, x, labels, sd: log_likelihood(w, x, labels).sum() - 0.5 * ((w / sd) ** 2).sum()
        ),
        "the points add up, and the prior counts once": lambda w, x, labels, sd: (
            log_likelihood(w, x, labels) + log_normal(w, sd).sum()
        ).sum(),
        "turn every label and every weight around, and nothing changes": lambda w, x, labels, sd: (
            (labels * np.log(sigmoid(x @ w))).sum() + log_normal(w, sd).sum()
        ),
        "a weight one prior_sd away from 0 costs ½": lambda w, x, labels, sd: joint(
            w, x, labels, np.sqrt(sd)
        ),
        "logits of ±1000": lambda w, x, labels, sd: (
            (labels * np.log(sigmoid(x @ w)) + (1 - labels) * np.log(1 - sigmoid(x @ w))).sum()
            + log_normal(w, sd).sum()
        ),
        "agrees with the definition, in nats": lambda *given: joint(*given) / np.log(2),
    },
}
