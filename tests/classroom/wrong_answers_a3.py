"""Wrong answers to the exercises of assignment A3, under the property that must catch each."""

import numpy as np
from scipy.special import digamma, gamma, gammaln

LN_2PI = np.log(2 * np.pi)


def update_mu(data, mu0, beta0, tau):
    count = beta0 + len(data)
    return (beta0 * mu0 + data.sum()) / count, count * tau


def update_tau(data, mu0, beta0, a0, b0, m, h, half=0.5, spread=1.0, prior=1.0):
    """With another share of a from μ; with part of the variance of μ; with part of the prior's square."""
    n = len(data)
    squares = ((data - m) ** 2).sum() + prior * beta0 * (m - mu0) ** 2
    return a0 + n / 2 + half, b0 + (squares + spread * (n + beta0) / h) / 2


def squares_first(data, mu0, beta0, a0, b0, m, h):
    """The sum of squares without a centre: exact on paper, and without digits far from 0."""
    n = len(data)
    squares = (data**2).sum() - 2 * m * data.sum() + n * m**2 + beta0 * (m - mu0) ** 2
    return a0 + (n + 1) / 2, b0 + (squares + (n + beta0) / h) / 2


def elbo(data, mu0, beta0, a0, b0, m, h, a, b, square=1.0, log_mu=1.0, entropy=1.0, gamma0=1.0):
    """With part of the prior's square, of its ln τ, of the entropy of q(μ), or of the constant of the Gamma."""
    n, tau, log_tau = len(data), a / b, digamma(a) - np.log(b)
    return (
        n / 2 * (log_tau - LN_2PI)
        - tau / 2 * (((data - m) ** 2).sum() + n / h)
        + (np.log(beta0) + log_mu * log_tau - LN_2PI) / 2
        - beta0 * tau / 2 * (square * (m - mu0) ** 2 + 1 / h)
        + a0 * np.log(b0)
        - gamma0 * gammaln(a0)
        + (a0 - 1) * log_tau
        - b0 * tau
        + entropy * (1 + LN_2PI - np.log(h)) / 2
        + a
        - np.log(b)
        + gammaln(a)
        + (1 - a) * digamma(a)
    )


def climb(data, mu0, beta0, a0, b0, sweeps, start=None, forget=False, sign=1.0):
    """From another E[τ]; from that of the prior in each sweep; or with the bound's sign turned."""
    rows, tau = [], a0 / b0 if start is None else start
    for _ in range(sweeps):
        m, h = update_mu(data, mu0, beta0, tau)
        a, b = update_tau(data, mu0, beta0, a0, b0, m, h)
        rows.append([m, h, a, b, sign * elbo(data, mu0, beta0, a0, b0, m, h, a, b)])
        tau = tau if forget else a / b
    return rows


def too_early(*given):
    """The bound of each row, before q(τ) was updated in it."""
    data, mu0, beta0, a0, b0, _ = given
    rows, tau_numbers = climb(*given), (a0, b0)
    for row in rows:
        row[4] = elbo(data, mu0, beta0, a0, b0, row[0], row[1], *tau_numbers)
        tau_numbers = row[2], row[3]
    return rows


def evidence(data, mu0, beta0, a0, b0, distance=1.0, log_gamma=gammaln, middle=None):
    n = len(data)
    middle = (data.mean() if n else mu0) if middle is None else middle
    beta, a = beta0 + n, a0 + n / 2
    b = b0 + ((data - middle) ** 2).sum() / 2 + distance * beta0 * n * (middle - mu0) ** 2 / beta / 2
    gammas = log_gamma(a) - log_gamma(a0)
    return gammas + a0 * np.log(b0) - a * np.log(b) + (np.log(beta0 / beta) - n * LN_2PI) / 2


def apart(data, mu0, h0, a0, b0, half=0.0, spread=1.0, tied=False):
    """The independent prior; with another a, with part of the variance of μ, or with h0 counted in τ."""
    n = len(data)
    a, b = a0 + n / 2 + half, b0 + ((data - data.mean()) ** 2).sum() / 2
    for _ in range(300):
        tau = a / b
        prior = h0 * tau if tied else h0
        h = prior + n * tau
        m = (prior * mu0 + tau * data.sum()) / h
        b = b0 + (((data - m) ** 2).sum() + spread * n / h) / 2
    return m, h, a, b


WRONG = {
    "A3/update_mu": {
        "without data the prior stays": lambda data, mu0, beta0, tau: (
            mu0 + len(data) * (data.mean() - mu0) / (beta0 + len(data)),
            (beta0 + len(data)) * tau,
        ),
        "with beta0 = 0 the mean of the data, and n times the expected precision": lambda *given: (
            update_mu(*given)[0],
            1 / update_mu(*given)[1],
        ),
        "agrees with the completed square": lambda data, mu0, beta0, tau: (
            (beta0 * mu0 + tau * data.sum()) / (beta0 + tau * len(data)),
            (beta0 + len(data)) * tau,
        ),
    },
    "A3/update_tau": {
        "a counts all that multiplies ln τ": lambda *given: update_tau(*given, half=0.0),
        "the less is known about μ, the larger is b": lambda *given: update_tau(*given, spread=0.0),
        "numbers that lie a million further right have the same b": squares_first,
        "agrees with the expected log joint": lambda *given: update_tau(*given, prior=0.0),
    },
    "A3/elbo": {
        "in m it is a parabola, as steep as the numbers and the prior make it": lambda *given: elbo(
            *given, square=0.0
        ),
        "a q(μ) with twice the precision: smaller squares, ½ ln 2 less entropy": lambda *given: elbo(
            *given, entropy=0.0
        ),
        "in units a hundred times smaller each number costs ln 100 nats": lambda *given: elbo(
            *given, log_mu=0.0
        ),
        "agrees with the definition, in nats": lambda *given: elbo(*given, gamma0=0.0),
    },
    "A3/coordinate_ascent": {
        "one row of five numbers for each sweep, the first one from E[τ] = a0/b0": lambda *given: climb(
            *given, start=7.0
        ),
        "the bound never goes down": lambda *given: climb(*given, sign=-1.0),
        "after sixty sweeps nothing moves any more": lambda *given: climb(*given, forget=True),
        "agrees sweep by sweep": too_early,
    },
    "A3/log_evidence": {
        "without data it is 0, with data it is not": lambda data, *prior: evidence(
            data, *prior, middle=data.sum() / len(data)
        ),
        "five hundred numbers are no trouble": lambda *given: evidence(
            *given, log_gamma=lambda v: np.log(gamma(v))
        ),
        "agrees with the integral": lambda *given: evidence(*given, distance=0.0),
    },
    "A3/independent_prior": {
        "a counts all that multiplies ln τ now": lambda *given: apart(*given, half=0.5),
        "a prior that says nothing is no trouble, and μ counts as unknown": lambda *given: apart(
            *given, spread=0.0
        ),
        "agrees with where the sweeps end": lambda *given: apart(*given, tied=True),
    },
}
