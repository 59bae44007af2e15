"""The predictions of lesson 10."""

import numpy as np

from .core import Prediction, Truth


def _length_of_the_midpoint() -> Truth:
    # The coordinates of (z₀ + z₁)/2 have variance ½, those of z₀ have variance 1: E|z|² = d·variance.
    d = 8
    code, middle = np.sqrt(d), np.sqrt(d * 0.5)
    return Truth(
        0 if middle < 0.95 * code else 1 if middle < 1.05 * code else 2,
        f"In {d} dimensions a code drawn from N(0, I) has a length near {code:.2f}, and a point halfway "
        f"between two of them one near {middle:.2f}. The straight line cuts a corner through the middle, "
        "where codes are rarely drawn.",
    )


def _grid_of_quantiles() -> Truth:
    from scipy.special import ndtri

    points = ndtri((np.arange(15) + 0.5) / 15)
    middle, edge = points[8] - points[7], points[14] - points[13]
    answer = 2 if np.isclose(middle, edge) else int(edge > middle)
    return Truth(
        answer,
        f"With 15 points the step in the middle is {middle:.2f} and the last one is {edge:.2f}. Each step "
        "holds the same probability, and far out you must walk further to collect it.",
    )


PREDICTIONS = (
    Prediction(
        "10/length_of_the_midpoint",
        "You draw two codes from N(0, I) in 8 dimensions, and walk straight from one to the other. "
        "How far from the origin is the point halfway?",
        ("Nearer than a drawn code usually is", "As far as a drawn code usually is", "Farther"),
        _length_of_the_midpoint,
    ),
    Prediction(
        "10/grid_of_quantiles",
        "You place 15 points on a line so that N(0, 1) has the same probability between neighbours. Where "
        "are the wider steps?",
        ("In the middle", "At the edges", "Nowhere, all steps are equal"),
        _grid_of_quantiles,
    ),
)
