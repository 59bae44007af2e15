"""Wrong answers to the exercises of assignment A5, under the property that must catch each."""

import numpy as np

from vaecourse.assignments.creatures_vae import GOALS
from vaecourse.creatures import creatures


def kl(m, s):
    return 0.5 * (np.exp(s) - 1 - s + m**2)


def log_p(x, a):
    return x * a - np.logaddexp(0, a)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def loss(x, logits, m, s):
    return kl(m, s).sum(1) - log_p(x, logits).sum(1)


def constant(picture, latent=2):
    """Networks that say nothing about a picture, and draw the same one for every code."""
    bias = np.log(np.clip(picture, 1e-4, 1) / np.clip(1 - picture, 1e-4, 1))
    encoder = [[np.zeros((2 * latent, 400)).tolist(), [0.0] * 2 * latent, "identity"]]
    return [encoder, [[np.zeros((400, latent)).tolist(), bias.tolist(), "identity"]]]


SOME = creatures(500, np.random.default_rng(0)).images.astype(float)
AVERAGE = constant(SOME.mean(axis=0))

WRONG = {
    "A5/kl_term": {
        "one number for each picture, above zero": lambda m, s: kl(m, s).sum(0),
        "the dimensions of a code add up": lambda m, s: kl(m, s).mean(1),
        "the code N(0, I) itself is free, and no other": lambda m, s: 0.5 * (np.exp(s) - s + m**2).sum(1),
        "agrees with the KL of two Gaussians": lambda m, s: (np.exp(s) - 1 - s + m**2).sum(1),  # the slide
    },
    "A5/log_likelihood": {
        "one number for each picture, below zero": lambda x, logits: -log_p(x, logits).sum(1),
        "the pixels add up": lambda x, logits: log_p(x, logits).mean(1),
        "right for logits of ±1000": lambda x, logits: (
            x * np.log(sigmoid(logits)) + (1 - x) * np.log(1 - sigmoid(logits))
        ).sum(1),
        "agrees with the formula, for grey pixels too": lambda x, logits: (x * np.log(sigmoid(logits))).sum(
            1
        ),
    },
    "A5/draw_code": {
        "a whole code for each picture, and another one for other noise": lambda m, s, e: m,
        "without noise it is the mean code": lambda m, s, e: np.exp(s / 2) * (m + e),
        "the noise is stretched by the standard deviation": lambda m, s, e: m + np.exp(s) * e,
    },
    "A5/loss": {
        "the same for a batch that holds everything twice": lambda *batch: loss(*batch).sum(),
        "for one picture: what the code costs, minus the log likelihood": lambda *batch: -loss(*batch).mean(),
        "agrees for every batch": lambda *batch: np.median(loss(*batch)) + 1e-3,
    },
    "A5/my_vae": {
        "two networks that fit together, and fit the pictures": lambda: AVERAGE[::-1],
        **{goal.name: lambda: AVERAGE for goal in GOALS},
    },
}
