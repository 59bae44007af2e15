"""Wrong answers to the exercises of lesson 03, under the property that must catch each."""

import numpy as np
from scipy import special
from scipy.special import betaln, gammaln


def residuals(weights, x, y):
    return x @ weights - y


def slope(weights, x, y):
    return 2 * x.T @ residuals(weights, x, y)


def margins(weights, offset, x, labels):
    return labels * (x @ weights + offset)


def hinge(weights, offset, x, labels, c, bend=1.0):
    return 0.5 * weights @ weights + c * np.maximum(0, bend - margins(weights, offset, x, labels)).sum()


def likelihood(thetas, heads, tails):
    return thetas**heads * (1 - thetas) ** tails


def normalized(weights):
    return weights / weights.sum()


def log_likelihood(thetas, heads, tails):
    return special.xlogy(heads, thetas) + special.xlog1py(tails, -thetas)


def plug_in(theta):
    """The likelihood at one theta, in place of its average."""

    def answer(a, b, heads, tails):
        return float(log_likelihood(np.array(theta(a, b, heads, tails)), heads, tails))

    return answer


def evidence(a, b, heads, tails):
    return betaln(a + heads, b + tails) - betaln(a, b)


WRONG = {
    "03/squared_loss_gradient": {
        "one number for each weight": lambda w, x, y: 2 * residuals(w, x, y),
        "zero where the line goes through every point": lambda w, x, y: 2 * x.T @ (x @ w),
        "zero at the best weights, though the residuals are not": lambda w, x, y: (
            x.T @ np.sign(residuals(w, x, y))
        ),
        "every row adds its own part": lambda w, x, y: slope(w, x, y) / len(y),
        "a small step against it makes the loss smaller": lambda w, x, y: -slope(w, x, y),
        "agrees with the chain rule": lambda w, x, y: slope(w, x, y) / 2,
    },
    "03/hinge_loss": {
        "points far on their own side cost nothing, and pay for nothing": lambda w, b, x, labels, c: (
            0.5 * w @ w + c * max(0, (1 - margins(w, b, x, labels)).sum())
        ),
        "a point on its own side, but nearer than 1, still costs": lambda *given: hinge(*given, bend=0.0),
        "on the wrong side, every step costs the same": lambda w, b, x, labels, c: (
            0.5 * w @ w + c * (np.maximum(0, 1 - margins(w, b, x, labels)) ** 2).sum()
        ),
        "exchange the labels and turn the line around, and nothing changes": lambda w, b, x, labels, c: (
            0.5 * w @ w + c * np.maximum(0, 1 - (labels * (x @ w) + b)).sum()
        ),
        "c is the price of the points, not of w": lambda w, b, x, labels, c: c * hinge(w, b, x, labels, 1),
        "agrees with the formula": lambda w, b, *rest: hinge(w, b, *rest) + 0.5 * b**2,
    },
    "03/beta_posterior": {
        "without a toss the belief stays as it was": lambda a, b, heads, tails: (
            heads + 1,
            tails + 1,
            (heads + 1) / (heads + tails + 2),
        ),
        "one head more, and a grows by one": lambda a, b, heads, tails: (
            a + tails,
            b + heads,
            (a + tails) / (a + b + heads + tails),
        ),
        "exchange heads and tails, and everything else is exchanged too": lambda a, b, heads, tails: (
            a + heads,
            b + heads + tails,
            (a + heads) / (a + b + 2 * heads + tails),
        ),
        "nothing is certain, even after heads alone": lambda a, b, heads, tails: (
            a + heads,
            b + tails,
            heads / max(1, heads + tails),
        ),
        "agrees with the average of θ over the posterior": lambda a, b, heads, tails: (
            a + heads,
            b + tails,
            (a + heads - 1) / (a + b + heads + tails - 2) if a + b + heads + tails > 2 else 0.5,
        ),
    },
    "03/grid_posterior": {
        "one probability for each theta, and they sum to 1": lambda thetas, heads, tails, prior: (
            prior * likelihood(thetas, heads, tails)
        ),
        "without a toss it is the prior, made to sum to 1": lambda thetas, heads, tails, prior: normalized(
            likelihood(thetas, heads, tails)
        ),
        "what the prior rules out stays out": lambda thetas, heads, tails, prior: special.softmax(
            log_likelihood(thetas, heads, tails) + prior
        ),
        "works for 5000 tosses": lambda thetas, heads, tails, prior: normalized(
            prior * likelihood(thetas, heads, tails)
        ),
        "a coin with two heads may be on the grid": lambda thetas, heads, tails, prior: special.softmax(
            np.log(prior) + heads * np.log(thetas) + tails * np.log(1 - thetas)
        ),
        "agrees with prior times likelihood, divided by the evidence": lambda thetas, heads, tails, prior: (
            special.softmax(np.log(prior) + log_likelihood(thetas, tails, heads))
        ),
    },
    "03/log_evidence": {
        "no toss at all was certain": lambda a, b, heads, tails: betaln(a + heads, b + tails),
        "the first toss is heads with the mean of the prior": plug_in(
            lambda a, b, heads, tails: heads / max(1, heads + tails)
        ),
        "each further toss is predicted by what came before": plug_in(lambda a, b, heads, tails: a / (a + b)),
        "all sequences of five tosses together have probability 1": lambda a, b, heads, tails: (
            evidence(a, b, heads, tails) + np.log(special.comb(heads + tails, heads))
        ),
        "works for 10,000 tosses": lambda a, b, heads, tails: np.log(
            special.beta(a + heads, b + tails) / special.beta(a, b)
        ),
        "keeps its digits when the prior is surer than all tosses": lambda a, b, heads, tails: (
            gammaln(a + heads)
            + gammaln(b + tails)
            - gammaln(a + b + heads + tails)
            - gammaln(a)
            - gammaln(b)
            + gammaln(a + b)
        ),
        "agrees with the integral": lambda *given: evidence(*given) / np.log(2),
    },
}
