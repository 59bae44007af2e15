"""Wrong answers to the exercises of lesson 09, under the property that must catch each."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bernoulli(x, a):
    return (x * a - np.logaddexp(0, a)).sum()


def kl_vae(m, s):
    return 0.5 * (np.exp(s) - 1 - s + m**2)


def kl_log_sd(m, s):
    return 0.5 * (np.expm1(2 * s) - 2 * s + m**2)


WRONG = {
    "09/kl_term": {
        "zero when the code is N(0, 1) itself": lambda m, s: 0.5 * (np.exp(s) - s + m**2).sum(),
        "never negative": lambda m, s: -kl_vae(m, s).sum(),
        "the coordinates add up": lambda m, s: kl_vae(m, s).mean(),
        "with s = 0 only the means pay, and a doubled mean pays four times": lambda m, s: (
            2 * kl_vae(m, s).sum()
        ),
        "s is the log of the variance": lambda m, s: kl_log_sd(m, s).sum(),
        "agrees with the KL of two Gaussians": lambda m, s: kl_vae(m, np.abs(s)).sum(),
    },
    "09/sample_code": {
        "one number for each coordinate": lambda m, s, e: [(m + np.exp(s / 2) * e).sum()],
        "without noise the code is m": lambda m, s, e: np.exp(s / 2) * (m + e),
        "the same noise gives the same code": lambda m, s, e: (
            m + np.exp(s / 2) * np.random.default_rng().normal(size=len(m))
        ),
        "opposite noise lands as far on the other side of m": lambda m, s, e: m + np.exp(s / 2) * np.abs(e),
        "the noise is scaled by the standard deviation, and s is the log of the variance": lambda m, s, e: (
            m + np.exp(s) * e
        ),
        "agrees everywhere": lambda m, s, e: m + s * e,
    },
    "09/bernoulli_log_likelihood": {
        "never positive": lambda x, logits: -bernoulli(x, logits),
        "the pixels add up": lambda x, logits: bernoulli(x, logits) / len(x),
        "a surer right answer is more likely, a surer wrong one less": lambda x, logits: bernoulli(
            1 - x, logits
        ),
        "a picture and its negative are alike": lambda x, logits: (x * np.log(sigmoid(logits))).sum(),
        "finite for logits of ±1000": lambda x, logits: (
            x * np.log(sigmoid(logits)) + (1 - x) * np.log(1 - sigmoid(logits))
        ).sum(),
        "agrees with the formula": lambda x, logits: bernoulli(x, logits) / np.log(2),
    },
    "09/which_pair": {"the second formula is the KL of the first one's code": 1},
    "09/kl_term_log_sd": {
        "zero when the code is N(0, 1) itself": lambda m, s: 0.5 * (np.exp(2 * s) - 2 * s + m**2).sum(),
        "never negative": lambda m, s: 0.5 * (np.exp(s) - 1 - 2 * s + m**2).sum(),
        "the coordinates add up": lambda m, s: kl_log_sd(m, s).mean(),
        "agrees with the KL of two Gaussians": lambda m, s: 0.5 * (np.expm1(s) - s + m**2).sum(),
        "keeps its digits near s = 0": lambda m, s: 0.5 * (np.exp(2 * s) - 1 - 2 * s + m**2).sum(),
    },
}
