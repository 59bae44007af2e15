"""Wrong answers to the exercises of lesson 05, under the property that must catch each."""

import numpy as np
from scipy.special import digamma


def factor(means, mean, covariance, j, origin=None, others=None, sign=-1.0):
    """The update, with another origin of the pull, with j among the others, or with another sign."""
    precision = np.linalg.inv(covariance)
    others = np.arange(len(means)) != j if others is None else others
    pull = precision[j, others] @ (means - (mean if origin is None else origin))[others] / precision[j, j]
    return mean[j] + sign * pull, 1 / precision[j, j]


def pairwise_pull(means, mean, covariance, j):
    others = np.arange(len(means)) != j
    return mean[j] + (covariance[j] / np.diag(covariance) * (means - mean))[others].sum()


def kept(covariance):
    return 1 / (np.diag(np.linalg.inv(covariance)) * np.diag(covariance))


def pairwise_share(covariance):
    sds = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sds, sds)
    return np.prod(np.where(np.eye(len(sds)), 1, 1 - correlation**2), axis=1)


def kl(m, v, mean, covariance, halves=0.5, d=1.0, logs=1.0, log_determinant=None):
    precision, away = np.linalg.inv(covariance), m - mean
    if log_determinant is None:
        log_determinant = np.linalg.slogdet(covariance)[1]
    distances = np.diag(precision) @ v + away @ precision @ away
    return halves * (distances - d * len(m) + logs * (log_determinant - np.log(v).sum()))


def climb(data, mu0, beta0, a0, b0, sweeps=200, spread=1.0, extra=0.5, precision=lambda t: t):
    """Coordinate ascent; `spread` is how much of the variance of the mean enters b, `extra` what the mean adds to a."""
    n = len(data)
    m = (beta0 * mu0 + data.sum()) / (beta0 + n)
    a, b = a0 + n / 2 + extra, b0
    for sweep in range(sweeps):
        expected = a0 / b0 if sweep == 0 else a / b
        lam = (beta0 + n) * precision(expected)
        b = b0 + 0.5 * (((data - m) ** 2).sum() + beta0 * (m - mu0) ** 2 + spread * (beta0 + n) / lam)
    return m, lam, a, b


def squares_first(data, mu0, beta0, a0, b0):
    """The sum of squares without a centre: exact on paper, and without digits far from 0."""
    n = len(data)
    m = (beta0 * mu0 + data.sum()) / (beta0 + n)
    a = a0 + (n + 1) / 2
    squares = (data**2).sum() + beta0 * mu0**2 - (beta0 + n) * m**2
    b = (b0 + squares / 2) / (1 - 1 / (2 * a))
    return m, (beta0 + n) * a / b, a, b


WRONG = {
    "05/update": {
        "where nothing is correlated, the true mean and the true variance at once": (
            lambda m, mean, cov, j: ((m[j] + factor(m, mean, cov, j)[0]) / 2, factor(m, mean, cov, j)[1])
        ),
        "where the others stand on their true means, this one moves to its own": lambda m, mean, cov, j: (
            factor(m, mean, cov, j, origin=np.zeros(len(m)))
        ),
        "where it stood before does not matter": lambda m, mean, cov, j: factor(
            m, mean, cov, j, others=np.full(len(m), True)
        ),
        "it follows the other one if their correlation is positive, and flees it if it is negative": (
            lambda m, mean, cov, j: factor(m, mean, cov, j, sign=1.0)
        ),
        "its variance is the one that is left when all others are known": lambda m, mean, cov, j: (
            factor(m, mean, cov, j)[0],
            cov[j, j],
        ),
        "agrees in any number of dimensions": lambda m, mean, cov, j: (
            pairwise_pull(m, mean, cov, j),
            factor(m, mean, cov, j)[1],
        ),
    },
    "05/lost_variance": {
        "1 for each coordinate where nothing is correlated": lambda covariance: 1 - kept(covariance),
        "1 − ρ² in two dimensions": lambda covariance: np.sqrt(kept(covariance)),
        "the unit of a coordinate does not matter": lambda covariance: 1 / np.diag(np.linalg.inv(covariance)),
        "never above 1": lambda covariance: 1 / kept(covariance),
        "agrees in any number of dimensions": pairwise_share,
    },
    "05/expected_log_weights": {
        "a single component has the weight 1 for sure": lambda a: digamma(a) - np.log(a.sum()),
        "−1 for each of two components about which nothing is known": lambda a: digamma(a),
        "lower than the log of the mean weight": lambda a: np.log(a / a.sum()),
        "with very many points the log of the shares": lambda a: digamma(a) - digamma(a).sum(),
        "a component that owns nearly nothing is as good as gone": lambda a: (
            np.log(a) - 1 / (2 * a) - np.log(a.sum()) + 1 / (2 * a.sum())
        ),
        "agrees with the mean of the logarithm, in nats": lambda a: (
            (digamma(a) - digamma(a.sum())) / np.log(2)
        ),
    },
    "05/kl_factorized": {
        "zero when q and p are the same": lambda *given: kl(*given, d=0.0),
        "never negative": lambda *given: kl(*given, logs=-1.0),
        "only the distance of the means counts": lambda m, v, mean, cov: (
            kl(m, v, mean, cov) + 0.1 * (m @ m - mean @ mean)
        ),
        "in two dimensions the best product is −½·log(1 − ρ²) away": lambda m, v, mean, cov: kl(
            m, v, mean, np.diag(np.diag(cov))
        ),
        "a determinant of 1e-400 is not yet 0": lambda m, v, mean, cov: kl(
            m, v, mean, cov, log_determinant=np.log(np.linalg.det(cov))
        ),
        "agrees with the closed form": lambda *given: kl(*given, halves=1.0),
    },
    "05/coordinate_ascent": {
        "the prior counts like beta0 points at mu0": lambda data, mu0, *prior: (
            data.mean(),
            *climb(data, mu0, *prior)[1:],
        ),
        "each point adds ½ to a, and so does μ": lambda *given: climb(*given, extra=0.0),
        "one more turn changes nothing": lambda *given: climb(*given, sweeps=1),
        "numbers ten times as large, a precision a hundred times smaller": lambda *given: climb(
            *given, precision=np.sqrt
        ),
        "without data the beliefs about the mean and about λ stay": lambda data, *prior: (
            climb(data, *prior) if len(data) else [data.sum() / len(data)] * 4
        ),
        "points that lie 100 million further right have the same h and b": squares_first,
        "agrees with the fixed point": lambda *given: climb(*given, spread=0.0),
    },
}
