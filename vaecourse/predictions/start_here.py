"""The predictions of lesson 00."""

import numpy as np

from .core import Prediction, Truth


def _density_above_one() -> Truth:
    sd = 0.1
    top = 1 / (sd * np.sqrt(2 * np.pi))
    x = np.linspace(-1, 1, 20001)
    area = np.trapezoid(np.exp(-0.5 * (x / sd) ** 2) * top, x)
    return Truth(
        int(top <= 1),
        f"At its top this density is {top:.2f}, and the area under it is {area:.4f}. A density says how "
        "much probability there is per unit of x; only the area is a probability.",
    )


def _rare_disease() -> Truth:
    sick, found, false_alarm = 0.01, 0.9, 0.09
    posterior = sick * found / (sick * found + (1 - sick) * false_alarm)
    nearest = int(np.argmin(np.abs(np.array([0.9, 0.5, 0.1]) - posterior)))
    return Truth(
        nearest,
        f"Of 1000 people {1000 * sick * found:.0f} are sick and test positive, and "
        f"{1000 * (1 - sick) * false_alarm:.0f} are healthy and test positive: the share of sick ones "
        f"among the positive is {posterior:.2f}.",
    )


def _quarter_of_the_error() -> Truth:
    factor = next(n for n in (2, 4, 16) if np.isclose(1 / np.sqrt(n), 1 / 4))
    return Truth(
        (2, 4, 16).index(factor),
        f"The error shrinks like 1/√n, and 1/√{factor} is {1 / np.sqrt(factor):.2f}.",
    )


PREDICTIONS = (
    Prediction(
        "00/density_above_one",
        "A Gaussian has standard deviation 0.1. Can its density be larger than 1 somewhere?",
        ("Yes.", "No, a density is a probability, and no probability is larger than 1."),
        _density_above_one,
    ),
    Prediction(
        "00/rare_disease",
        "One person in 100 is sick. A test finds 90% of the sick, and raises a false alarm for 9% of the "
        "healthy. You test positive. How probable is it that you are sick?",
        ("About 90%", "About 50%", "About 10%"),
        _rare_disease,
    ),
    Prediction(
        "00/quarter_of_the_error",
        "You estimate a mean by averaging draws. How many times more draws make the error four times "
        "smaller?",
        ("2 times", "4 times", "16 times"),
        _quarter_of_the_error,
    ),
)
