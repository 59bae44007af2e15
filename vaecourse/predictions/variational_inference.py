"""The predictions of lesson 04."""

import numpy as np

from .core import Prediction, Truth, minus


def _drag_q() -> Truth:
    from vaecourse import one_latent

    x, seen = 2.0, []
    for m in (-1.0, 0.5, 0.8):
        for s in (-3.0, -1.6, 0.0):
            bound, gap = one_latent.elbo(one_latent.LINE, x, m, s), one_latent.gap(one_latent.LINE, x, m, s)
            seen.append((bound + gap, bound, gap))
    moved = np.ptp(seen, axis=0) > 1e-6
    low, high = np.min(seen, axis=0), np.max(seen, axis=0)
    total = "stayed at " if not moved[0] else f"went from {minus(f'{low[0]:.4f}')} to "
    return Truth(
        2 if moved.tolist() == [False, True, True] else 1 if moved.tolist() == [False, True, False] else 0,
        f"For {len(seen)} different q the ELBO lay between {minus(f'{low[1]:.2f}')} and "
        f"{minus(f'{high[1]:.2f}')} nats, and KL between {low[2]:.2f} and {high[2]:.2f}, while ln p(x), their "
        f"sum, {total}{minus(f'{high[0]:.4f}')}. What one of them gains, the other one loses.",
    )


def _no_entropy() -> Truth:
    from vaecourse import one_latent

    x, m = 2.0, 0.8  # the posterior of z is N(0.8, 0.2)
    s = np.linspace(one_latent.LOWEST_S, one_latent.HIGHEST_S, 181)
    with_entropy, without = (
        np.array([one_latent.elbo(one_latent.LINE, x, m, value, entropy=entropy) for value in s])
        for entropy in (True, False)
    )
    best, chosen = np.exp(s[[with_entropy.argmax(), without.argmax()]] / 2)
    at = minus(", ".join(f"{np.interp(v, s, without):.2f}" for v in (2.0, 0.0, -4.0, -14.0)))
    return Truth(
        2 if chosen < best / 100 else 0 if chosen > best * 2 else 1,
        f"For the line, and s = 2, 0, −4, −14, the average alone is {at}: best of all is the smallest sd that was tried, "
        f"{chosen:.2g}, while with −ln q it is {best:.2f}. Every draw wants to lie where p(x, z) is largest, "
        "and nothing else holds q open.",
    )


def _too_sure() -> Truth:
    from vaecourse import mean_field

    rho = 0.9
    covariance = np.array([[1.0, rho], [rho, 1.0]])
    sds = np.linspace(0.1, 2.0, 191)
    bounds = [
        mean_field.elbo(mean_field.Factorized(np.zeros(2), np.full(2, sd**2)), np.zeros(2), covariance)
        for sd in sds
    ]
    best = sds[int(np.argmax(bounds))]
    return Truth(
        0 if best < 0.98 else 1 if best <= 1.02 else 2,
        f"With a correlation of {rho} the largest bound is at an sd of {best:.2f}, where the true one is 1.00. "
        "A wider q would reach out of the long, narrow ridge, into places where the posterior has nearly "
        "nothing, and KL(q‖p) punishes that.",
    )


PREDICTIONS = (
    Prediction(
        "04/drag_q",
        "The model and the data are fixed: p(x, z), and one x. You may only move q(z). Which of these "
        "numbers can you change?",
        (
            "All three: ln p(x), the ELBO, and KL(q‖p(z|x))",
            "The ELBO, and nothing else",
            "The ELBO and KL(q‖p(z|x)), but never ln p(x)",
        ),
        _drag_q,
    ),
    Prediction(
        "04/no_entropy",
        "The ELBO is the average of ln p(x, z) − ln q(z) over draws from q. Somebody leaves out − ln q(z), and "
        "maximizes the average of ln p(x, z). Which q comes out?",
        (
            "One as wide as it can be",
            "The posterior, only a little narrower",
            "A spike: its width goes to 0",
        ),
        _no_entropy,
    ),
    Prediction(
        "04/too_sure",
        "Two weights of a model are strongly correlated under the posterior. You maximize the ELBO over "
        "Gaussians q in which the two are independent. How wide is q in each weight, next to the posterior?",
        ("Too narrow", "Just as wide", "Too wide"),
        _too_sure,
    ),
)
