"""Wrong answers to the exercises of lesson 02, under the property that must catch each."""

import numpy as np
from scipy import special


def a(values):
    return np.asarray(values, dtype=float)


def log_normal(x, means, sds):
    return -0.5 * ((x - means) / sds) ** 2 - np.log(sds) - 0.5 * np.log(2 * np.pi)


def log_joint(x, weights, means, sds):
    return np.log(weights) + log_normal(a(x)[..., None], means, sds)


def shares(log_weighted):
    return special.softmax(log_weighted, axis=-1)


def plain_shares(x, weights, means, sds):
    """From the densities themselves: 0/0 far out."""
    joint = np.exp(log_joint(x, weights, means, sds))
    return joint / joint.sum(axis=-1, keepdims=True)


def maximum(points, r, owned=None, centre=None):
    """The M-step, with another number of owned points, or with sds around another centre."""
    x, n = points[:, None], r.sum(axis=0)
    means = (r * x).sum(axis=0) / (n if owned is None else owned)
    variances = (r * (x - (means if centre is None else centre)) ** 2).sum(axis=0)
    return n / len(points), means, np.sqrt(variances / (n if owned is None else owned))


def decided(r):
    return np.eye(r.shape[1])[r.argmax(axis=1)]


def sweep(points, *mixture):
    return maximum(points, shares(log_joint(points, *mixture)))


def bound(points, weights, means, sds, r, entropy=1):
    return (r * log_joint(points, weights, means, sds) + entropy * special.entr(r)).sum()


def bic(parameters):
    return lambda value, k, d, n: parameters(k, d) * np.log(n) - 2 * value


WRONG = {
    "02/responsibilities": {
        "k shares, none of them negative, that sum to 1": lambda *given: np.exp(log_joint(*given)),
        "where all components are equally dense, the shares are the weights": lambda x, w, means, sds: shares(
            log_normal(x, means, sds)
        ),
        "at a shared mean, half the sd makes twice the share": lambda x, w, means, sds: shares(
            np.log(w) - 0.5 * ((x - means) / sds) ** 2
        ),
        "far from every mean the shares are still numbers": plain_shares,
        "agrees with Bayes' rule": lambda x, w, means, sds: shares(log_joint(x, w, means, np.sqrt(sds))),
    },
    "02/m_step": {
        "the weights are shares of all points": lambda points, r: (
            r.sum(axis=0),
            *maximum(points, r)[1:],
        ),
        "with shares of 0 and 1, the mean and the sd of each group": lambda points, r: maximum(
            points, r, owned=len(points)
        ),
        "with the same shares in every point, the mean and the sd of all points": lambda points, r: maximum(
            points, decided(r)
        ),
        "points ten times as far apart, sds ten times as large": lambda points, r: (
            (found := maximum(points, r))[0],
            found[1],
            found[2] ** 2,
        ),
        "points that lie 100 million further right have the same sds": lambda points, r: (
            (found := maximum(points, r))[0],
            found[1],
            np.sqrt(r.T @ points**2 / r.sum(axis=0) - found[1] ** 2),
        ),
        "agrees with the weighted mean and the weighted sd": lambda points, r: maximum(
            points, r, centre=points.mean()
        ),
    },
    "02/bound": {
        "touches the log-likelihood when the shares are the responsibilities": lambda *given: bound(
            *given, entropy=0
        ),
        "with any other shares it lies below": lambda points, w, means, sds, r: bound(
            points, np.ones(len(w)), means, sds, r
        ),
        "0·log 0 counts as 0": lambda points, w, means, sds, r: (
            r * (log_joint(points, w, means, sds) - np.log(r))
        ).sum(),
        "a far point costs a lot, but not infinitely much": lambda points, w, means, sds, r: (
            r * np.log(np.exp(log_joint(points, w, means, sds))) + special.entr(r)
        ).sum(),
        "the points add up": lambda points, *rest: bound(points, *rest) / len(points),
        "agrees with the definition, in nats": lambda *given: bound(*given) / np.log(2),
    },
    "02/bic": {
        "one nat more of log-likelihood, a BIC smaller by 2": lambda value, k, d, n: (
            value - (3 * k - 1) / 2 * np.log(n)
        ),
        "one Gaussian on a line has two parameters": bic(lambda k, d: k + k * d + k * d * (d + 1) / 2),
        "each further component on a line brings three more": bic(lambda k, d: k * (d + d * (d + 1) / 2)),
        "a covariance is symmetric": bic(lambda k, d: k - 1 + k * d + k * d * d),
        "n² points, twice the price of the parameters": lambda value, k, d, n: (
            2 * (k - 1 + k * d + k * d * (d + 1) / 2) - 2 * value
        ),
        "agrees everywhere": bic(lambda k, d: k - 1 + d + k * d * (d + 1) / 2),
    },
    "02/em_sweep": {
        "with one component: the mean and the sd of the points, from any start": lambda points, *mixture: (
            *sweep(points, *mixture)[:2],
            mixture[2],
        ),
        "the likelihood never falls": lambda points, *mixture: (
            (found := sweep(points, *mixture))[0],
            found[1],
            found[2] ** 2,
        ),
        "twins stay twins": lambda points, *mixture: maximum(
            points, decided(shares(log_joint(points, *mixture)))
        ),
        "works from a start 1000 standard deviations away": lambda points, *mixture: maximum(
            points, plain_shares(points, *mixture)
        ),
        "a component without a share keeps its place": sweep,
        "agrees with one E-step and one M-step": lambda points, *mixture: sweep(
            points, *sweep(points, *mixture)
        ),
    },
}
