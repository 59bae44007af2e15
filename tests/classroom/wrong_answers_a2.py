"""Wrong answers to the exercises of assignment A2, under the property that must catch each."""

import math

import numpy as np
from scipy.special import gammaln, logsumexp, softmax, xlogy


def log_p(counts, rate):
    return xlogy(counts, rate) - rate - gammaln(counts + 1)


def log_joint(counts, weights, rates):
    return np.log(weights) + np.column_stack([log_p(counts, rate) for rate in rates])


def shares(counts, weights, rates):
    return softmax(log_joint(counts, weights, rates), axis=1)


def plain_shares(counts, weights, rates):
    """From the probabilities themselves: 0/0 far out."""
    joint = np.exp(log_joint(counts, weights, rates))
    return joint / joint.sum(axis=1, keepdims=True)


def maximum(counts, days, r):
    owned, notices = days @ r, (days * counts) @ r
    return owned / owned.sum(), np.divide(notices, owned, out=np.zeros_like(owned), where=owned > 0)


def sweeps_of(step, log_likelihood, weights, rates, sweeps):
    climb = [log_likelihood(weights, rates)]
    for _ in range(sweeps):
        weights, rates = step(weights, rates)
        climb.append(log_likelihood(weights, rates))
    return weights, rates, climb


def em(counts, days, weights, rates, sweeps, e_step=shares, m_step=maximum, times=None):
    """EM with another E-step, another M-step, or other numbers of days in the log-likelihood."""
    times = days if times is None else times

    def log_likelihood(w, r):
        return times @ logsumexp(log_joint(counts, w, r), axis=1)

    def step(w, r):
        return m_step(counts, days, e_step(counts, w, r))

    return sweeps_of(step, log_likelihood, weights, rates, sweeps)


def stale(counts, days, weights, rates, sweeps):
    """The second and every later sweep take their shares from the start."""
    return em(
        counts, days, weights, rates, sweeps, e_step=lambda counts, w, r: shares(counts, weights, rates)
    )


def in_order(counts, days, weights, rates, sweeps):
    """Right, but sorted by the rates at the end."""
    w, r, climb = em(counts, days, weights, rates, sweeps)
    order = np.argsort(r)
    return np.array(w)[order], np.array(r)[order], climb


def from_probabilities(counts, days, weights, rates, sweeps):
    def log_likelihood(w, r):
        return days @ np.log(np.exp(log_joint(counts, w, r)).sum(axis=1))

    def step(w, r):
        return maximum(counts, days, plain_shares(counts, w, r))

    return sweeps_of(step, log_likelihood, weights, rates, sweeps)


def predict(log_shares, rates):
    return softmax(log_shares) @ rates


def summed(seen, rates):
    return np.array([log_p(seen, rate).sum() for rate in rates])


WRONG = {
    "A2/poisson_log_density": {
        "at count 0 it is minus the rate": lambda counts, rate: np.exp(log_p(counts, rate)),
        "at rate 0 only the count 0 can happen": lambda counts, rate: (
            counts * np.log(rate) - rate - gammaln(counts + 1)
        ),
        "the probabilities of all counts sum to 1": lambda counts, rate: (
            xlogy(counts, rate) - rate - gammaln(counts)
        ),
        "counts of a million are no trouble": lambda counts, rate: np.array(
            [np.log(float(rate) ** int(c) * math.exp(-rate) / math.factorial(int(c))) for c in counts]
        ),
    },
    "A2/responsibilities": {
        "a row for each count, with k shares that sum to 1 and depend on the count": lambda *given: softmax(
            log_joint(*given), axis=0
        ),
        "where all rates are the same, the shares are the weights": lambda counts, w, r: shares(
            counts, np.ones(len(w)), r
        ),
        "counts that no component expects still have shares": plain_shares,
        "agrees with Bayes' rule": lambda counts, w, r: softmax(
            np.log(w) + np.column_stack([xlogy(counts, rate) + rate for rate in r]), axis=1
        ),
    },
    "A2/m_step": {
        "a table says the same as a list of days": lambda counts, days, r: maximum(
            counts, np.ones(len(days)), r
        ),
        "the weights make the bound largest": lambda counts, days, r: (days @ r, maximum(counts, days, r)[1]),
        "the rates make the bound largest": lambda counts, days, r: (
            maximum(counts, days, r)[0],
            (days * counts) @ r / days.sum(),
        ),
        "a component without a share gets the weight 0 and the rate 0": lambda counts, days, r: (
            days @ r / days.sum(),
            (days * counts) @ r / (days @ r),
        ),
    },
    "A2/em": {
        "without a sweep: the start, and its log-likelihood": lambda counts, days, *start: em(
            counts, days, *start, times=np.ones(len(days))
        ),
        "one number more than sweeps, and it never goes down": lambda *given: em(
            *given,
            m_step=lambda counts, days, r: (maximum(counts, days, r)[0], maximum(counts, days, r)[1] ** 2),
        ),
        "other names, the same mixture": in_order,
        "a start far from all counts is no trouble": from_probabilities,
        "agrees sweep by sweep": stale,
    },
    "A2/next_day": {
        "before the first day: the mean of the mixture": lambda seen, w, r: predict(summed(seen, r), r),
        "a thousand days are no trouble": lambda seen, w, r: (
            (joint := w * np.array([np.exp(log_p(seen, rate)).prod() for rate in r])) @ r / joint.sum()
        ),
        "agrees with Bayes' rule": lambda seen, w, r: predict(
            np.log(w) * max(len(seen), 1) + summed(seen, r), r
        ),
    },
}
