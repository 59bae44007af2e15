"""The predictions of lesson 01."""

import numpy as np

from .core import Prediction, Truth


def _kl(p, q) -> float:
    from vaecourse.kl_divergence import categorical

    return float(categorical(p, q))


def _which_is_bigger() -> Truth:
    fair, loaded = (0.5, 0.5), (0.99, 0.01)
    forward, reverse = _kl(fair, loaded), _kl(loaded, fair)
    answer = 2 if np.isclose(forward, reverse) else int(reverse > forward)
    return Truth(
        answer,
        f"KL(fair‖loaded) is {forward:.2f} nats and KL(loaded‖fair) is {reverse:.2f} nats. The coin that "
        "is really thrown is the weight, and half of the fair throws surprise whoever expects almost only "
        "heads.",
    )


def _never_seen() -> Truth:
    value = _kl((0.9, 0.1), (1.0, 0.0))
    answer = 2 if value == np.inf else 1 if np.isfinite(value) else 3
    return Truth(
        answer,
        f"The computer says {'+∞' if value == np.inf else value}. One term is 0.1·log(0.1/0): a thing that "
        "happens, and for which q has no room at all. The value is infinite, not undefined.",
    )


def _one_hump_for_two() -> Truth:
    from vaecourse.kl_divergence import forward_fit

    fit = forward_fit((0.5, 0.5), (-3.0, 3.0), (1.0, 1.0))
    between = abs(fit.mean) < 1
    return Truth(
        1 if between else 0,
        f"The best q has mean {abs(fit.mean):.2f} and standard deviation {fit.sd:.2f}. KL(p‖q) asks q to "
        "be everywhere where p is, so it covers both peaks and also the gap.",
    )


PREDICTIONS = (
    Prediction(
        "01/which_is_bigger",
        "A fair coin shows heads half of the time, a loaded one 99% of the time. Which is larger?",
        ("KL(fair‖loaded)", "KL(loaded‖fair)", "They are equal: it is the same pair of coins."),
        _which_is_bigger,
    ),
    Prediction(
        "01/never_seen",
        "p gives 10% to something that q says never happens. What is KL(p‖q)?",
        (
            "0, since the term is left out",
            "Some finite number",
            "+∞",
            "Undefined, you may not divide by zero",
        ),
        _never_seen,
    ),
    Prediction(
        "01/one_hump_for_two",
        "p has two peaks, at −3 and at 3. You choose the single Gaussian q for which KL(p‖q) is smallest. "
        "Where does it go?",
        ("Onto one of the peaks", "Between the peaks, wide enough for both"),
        _one_hump_for_two,
    ),
)
