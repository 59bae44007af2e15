"""Wrong answers to the exercises of lesson 01, under the property that must catch each."""

import math

import numpy as np
from scipy import special


def kl_terms(p, q):
    return special.rel_entr(p, q)


def gaussian(m_p, s_p, m_q, s_q):
    r, d = s_p / s_q, (m_p - m_q) / s_q
    return 0.5 * (r * r + d * d - 1) - math.log(r)


def standard_error(log_p, log_q):
    return float((log_p - log_q).std(ddof=1) / np.sqrt(len(log_p)))


def one_valley(weights, means, sds):
    """Moment matching: the other direction."""
    m = weights @ means
    return m, np.sqrt(weights @ (sds**2 + (means - m) ** 2))


WRONG = {
    "01/discrete_kl": {
        "zero when p = q": lambda p, q: -(p * np.log(q)).sum(),  # the cross-entropy
        "never negative": lambda p, q: (p * np.log(q / p)).sum(),
        "0·log 0 counts as 0": lambda p, q: (p * np.log(p / q)).sum(),
        "+∞ when q forbids what p allows": lambda p, q: kl_terms(p, q)[(p > 0) & (q > 0)].sum(),
        "the two orders differ": lambda p, q: (kl_terms(p, q) + kl_terms(q, p)).sum() / 2,
        "agrees with the definition, in nats": lambda p, q: kl_terms(p, q).sum() / np.log(2),
    },
    "01/excess_bits": {
        "zero for a code made for p": lambda p, lengths: p @ lengths - special.entr(p).sum(),  # nats
        "a longer word costs what it is used": lambda p, n: n.mean() - special.entr(p).sum() / np.log(2),
        "outcomes that never happen cost nothing": lambda p, lengths: p @ lengths + p @ np.log2(p),
        "agrees with average length − entropy": lambda p, lengths: abs(p @ lengths + p @ np.log2(p)) * 2,
    },
    "01/gaussian_kl": {
        "zero when p = q": lambda m_p, s_p, m_q, s_q: gaussian(m_p, s_p, m_q, s_q) + 0.5,  # the ½ forgotten
        "never negative": lambda m_p, s_p, m_q, s_q: gaussian(m_p, s_p, m_q, s_q) + 2 * math.log(s_p / s_q),
        "only the distance of the means counts": lambda m_p, s_p, m_q, s_q: (
            math.log(s_q / s_p) + (s_p**2 + m_p**2 - m_q**2) / (2 * s_q**2) - 0.5
        ),
        "the two orders differ": lambda m_p, s_p, m_q, s_q: (
            gaussian(m_p, s_p, m_q, s_q) + gaussian(m_q, s_q, m_p, s_p)
        ),
        "the unit does not matter, however small or large": lambda m_p, s_p, m_q, s_q: (
            math.log(s_q / s_p) + (s_p**2 + (m_p - m_q) ** 2) / (2 * s_q**2) - 0.5
        ),
        "agrees with the closed form": lambda m_p, s_p, m_q, s_q: gaussian(m_p, s_p, m_q, s_q) / math.log(2),
    },
    "01/monte_carlo_kl": {
        "zero, without any error, when p = q": lambda log_p, log_q: (
            -log_q.mean(),
            standard_error(log_q, 0 * log_q),
        ),
        "an estimate may be negative": lambda log_p, log_q: (
            abs((log_p - log_q).mean()),
            standard_error(log_p, log_q),
        ),
        "works where the densities themselves are zero to the computer": lambda log_p, log_q: (
            np.log(np.exp(log_p) / np.exp(log_q)).mean(),
            standard_error(log_p, log_q),
        ),
        "the estimate is the mean of log p − log q": lambda log_p, log_q: (
            (np.exp(log_p) * (log_p - log_q)).sum(),
            standard_error(log_p, log_q),
        ),
        "four times the draws, half the error bar": lambda log_p, log_q: (
            (log_p - log_q).mean(),
            (log_p - log_q).std(ddof=1),
        ),
        "agrees with s/√n": lambda log_p, log_q: (
            (log_p - log_q).mean(),
            (log_p - log_q).std() / np.sqrt(len(log_p)),
        ),
    },
    "01/broken_line": {"that line does not follow from the one above it": 1},
    "01/reverse_fit": {
        "it is a Gaussian: a finite m, and sd above zero": lambda weights, means, sds: (means[0], -sds[0]),
        "it sits on one peak, not between them": one_valley,
        "no Gaussian does better by more than 0.01 nats": lambda weights, means, sds: (means[0], sds[0]),
    },
}
