"""The predictions of lesson 09."""

import numpy as np

from .core import Prediction, Truth


def _kl_to_standard_normal(m: float, s: float) -> float:
    # ½(eˢ − 1 − s + m²)
    return 0.5 * (np.expm1(s) - s + m**2)


def _noise_off() -> Truth:
    s = np.array([0.0, -2.0, -4.0, -8.0, -16.0])
    price = _kl_to_standard_normal(0.0, s)
    answer = 0 if np.all(np.diff(price) < 0) else 1 if np.all(np.diff(price) > 0) else 2
    listed = ", ".join(f"{v:.1f}" for v in price)
    return Truth(
        answer,
        f"For s = 0, −2, −4, −8, −16 the second term is {listed} nats. Turning off the noise has a price "
        "without limit; this is what keeps the VAE from becoming an autoencoder again.",
    )


def _ignored_coordinate() -> Truth:
    candidates = ((0.0, 0.0), (0.0, -8.0), (3.0, 0.0))
    prices = [_kl_to_standard_normal(m, s) for m, s in candidates]
    return Truth(
        int(np.argmin(prices)),
        f"The prices are {prices[0]:.2f}, {prices[1]:.2f} and {prices[2]:.2f} nats. A coordinate that the "
        "decoder does not use costs least as pure noise, N(0, 1), whatever x is.",
    )


PREDICTIONS = (
    Prediction(
        "09/noise_off",
        "The encoder makes its noise smaller and smaller (s → −∞, with m = 0). What does the second term "
        "of the loss, KL(q(z|x)‖N(0, 1)), do?",
        ("It falls to 0", "It grows without limit", "It falls, then rises"),
        _noise_off,
    ),
    Prediction(
        "09/ignored_coordinate",
        "The decoder ignores one coordinate of the code. Which m and s make that coordinate cheapest for "
        "the encoder?",
        ("m = 0, s = 0: pure noise", "m = 0, s = −8: a fixed value", "m = 3, s = 0: out of the way"),
        _ignored_coordinate,
    ),
)
