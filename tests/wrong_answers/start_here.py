"""Wrong answers to the exercises of lesson 00, under the property that must catch each."""

import numpy as np
from scipy.special import logsumexp

WRONG = {
    "00/bayes": {
        "one number for each hypothesis, and they sum to 1": lambda prior, likelihood: prior * likelihood,
        "data that every hypothesis explains equally change nothing": lambda prior, like: like / like.sum(),
        "what was impossible stays impossible": lambda prior, like: (prior + like) / (prior + like).sum(),
        "only the ratios of the likelihoods matter": lambda prior, like: (
            (prior + like) / (prior + like).sum()
        ),
        "two pieces of data one after the other, or at once: the same": lambda prior, like: (
            (prior + like) / (prior + like).sum()
        ),
        "agrees with Bayes' rule": lambda prior, like: (w := prior * like**2) / w.sum(),
    },
    "00/monte_carlo_mean": {
        "the first number is the mean": lambda draws: (
            np.median(draws) + 0.1,
            draws.std(ddof=1) / len(draws) ** 0.5,
        ),
        "no error when all draws are equal": lambda d: (
            d.mean(),
            np.sqrt((d**2).sum() / (len(d) - 1) / len(d)),
        ),
        "adding 100 to every draw leaves the error bar as it was": lambda d: (
            d.mean(),
            np.sqrt((d**2).sum() / (len(d) - 1) / len(d)),
        ),
        "four times the draws, half the error bar": lambda draws: (draws.mean(), draws.std(ddof=1)),
        "agrees with s/√n": lambda draws: (draws.mean(), draws.std() / np.sqrt(len(draws))),
    },
    "00/log_product": {
        "certain events change nothing": lambda probabilities: np.log1p(probabilities).sum(),
        "the log of a short product": lambda probabilities: np.log2(probabilities).sum(),
        "survives 10,000 factors": lambda probabilities: np.log(np.prod(probabilities)),
        "−∞ as soon as one factor is 0": lambda values: np.log(np.where(values > 0, values, 1)).sum(),
    },
    "00/log_sum_exp": {
        "a single value comes back unchanged": lambda values: logsumexp(values) + np.log(2),
        "agrees where nothing is extreme": lambda values: values.max(),
        "raising every value by 3 raises the answer by 3": lambda values: np.exp(values).sum(),
        "works at −1000 and at 1000": lambda values: np.log(np.exp(values).sum()),
        "a term that is zero (−∞) takes no part": lambda v: v.max() + np.log(np.exp(v - v.max()).sum()),
    },
}
