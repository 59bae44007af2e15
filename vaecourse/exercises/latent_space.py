"""The exercises of lesson 10. A code is a list of numbers, a point in the latent space."""

import numpy as np
from scipy.special import ndtr, ndtri

from .cases import agrees, close, drawn, finite, fixed, numbers, related
from .core import Exercise, Property
from .kinds import NUMBERS, POINTS

FORBIDS = ("vaecourse.latent_space",)


# 1. From one code to another


def interpolate(z0, z1, n):
    z0, z1 = np.asarray(z0, dtype=float), np.asarray(z1, dtype=float)
    return [[float(v) for v in (1 - t) * z0 + t * z1] for t in np.linspace(0, 1, int(n))]


def _two_codes(rng):
    d = int(rng.integers(1, 5))
    return numbers(rng, d), numbers(rng, d)


def _walk(rng):
    return *_two_codes(rng), int(rng.integers(2, 9))


_SMALL_WALK = ([0.0, 0.0], [1.0, 2.0], 5)


def _is_walk(call, output) -> bool:
    return len(output) == call[2] and all(len(point) == len(call[0]) for point in output)


INTERPOLATE = Exercise(
    name="10/interpolate",
    title="Walk straight from one code to another",
    statement=(
        "Write interpolate(z0, z1, n): a list of n codes on the straight line from z0 to z1, at equal "
        "steps, both ends included."
    ),
    reference=interpolate,
    returns=POINTS,
    forbids=FORBIDS,
    properties=(
        Property(
            "n codes, each as long as z0",
            "Both ends count among the n. `np.linspace(0, 1, n)` gives you n positions.",
            drawn(3, _walk, _SMALL_WALK),
            lambda case, outputs: _is_walk(case[0], outputs[0]),
        ),
        Property(
            "starts at z0",
            "At position t = 0 all the weight lies on z0.",
            drawn(3, _walk, _SMALL_WALK),
            lambda case, outputs: bool(outputs[0]) and close(outputs[0][0], case[0][0]),
        ),
        Property(
            "ends at z1",
            "At the last position all the weight lies on z1. Does your t reach 1?",
            drawn(3, _walk, _SMALL_WALK),
            lambda case, outputs: bool(outputs[0]) and close(outputs[0][-1], case[0][1]),
        ),
        Property(
            "every step is the same",
            "Subtract neighbours: on a straight line at equal steps the difference never changes.",
            drawn(3, _walk, _SMALL_WALK),
            lambda case, outputs: (
                _is_walk(case[0], outputs[0])
                and close(
                    np.diff(outputs[0], axis=0),
                    [np.diff(case[0][:2], axis=0)[0] / (case[0][2] - 1)] * (case[0][2] - 1),
                )
            ),
        ),
    ),
)


# 2. Points that carry equal probability


def quantile_points(n):
    return [float(v) for v in ndtri((np.arange(int(n)) + 0.5) / n)]


_COUNTS = fixed((3,), (4,), (1,), (15,))

QUANTILE_POINTS = Exercise(
    name="10/quantile_points",
    title="Points that carry equal probability",
    statement=(
        "Cut the line into n pieces, so that a code from N(0, 1) falls into each with probability 1/n. "
        "Write quantile_points(n): for each piece the point that has half of its probability on either "
        "side, from left to right. `scipy.special.ndtri` turns a probability into the point below which it "
        "lies."
    ),
    reference=quantile_points,
    returns=NUMBERS,
    forbids=FORBIDS,
    properties=(
        Property(
            "n finite numbers",
            "The quantile of 0 is −∞, that of 1 is +∞: no picture can be made there. Your probabilities "
            "must stay between.",
            _COUNTS,
            lambda case, outputs: len(outputs[0]) == case[0][0] and finite(outputs[0]),
        ),
        Property(
            "from left to right",
            "The probabilities must rise from piece to piece.",
            _COUNTS,
            lambda case, outputs: bool(np.all(np.diff(outputs[0]) > 0)),
        ),
        Property(
            "as many on the left as on the right",
            "N(0, 1) is symmetric about 0, and so are the points. Is your first probability as far from 0 "
            "as the last is from 1?",
            _COUNTS,
            lambda case, outputs: close(outputs[0], [-v for v in reversed(outputs[0])]),
        ),
        Property(
            "the same probability between neighbours",
            "Equal steps in probability are not equal steps in z. Make the steps first, then turn them "
            "into points.",
            _COUNTS,
            lambda case, outputs: (
                finite(outputs[0])
                and close(np.diff(ndtr(outputs[0])), [1 / case[0][0]] * (len(outputs[0]) - 1))
            ),
        ),
        Property(
            "each in the middle of its piece",
            "The first piece reaches from 0 to 1/n in probability. Where is its middle?",
            _COUNTS,
            agrees(quantile_points),
        ),
    ),
)


# 3. How far from anything real?


def nearest_distance(point, data):
    return float(
        np.sqrt(((np.asarray(data, dtype=float) - np.asarray(point, dtype=float)) ** 2).sum(axis=1)).min()
    )


def _cloud(rng):
    d = int(rng.integers(1, 4))
    return numbers(rng, d), [numbers(rng, d) for _ in range(int(rng.integers(2, 6)))]


def _member(rng):
    _, data = _cloud(rng)
    return data[-1], data


def _one_more(rng):
    point, data = _cloud(rng)
    return (point, data), (point, [*data, numbers(rng, len(point))])


def _reversed(rng):
    point, data = _cloud(rng)
    return (point, data), (point, data[::-1])


_SMALL_CLOUD = ([0.0, 0.0], [[3.0, 4.0], [6.0, 8.0]])

NEAREST_DISTANCE = Exercise(
    name="10/nearest_distance",
    title="How far from anything real?",
    statement=(
        "Write nearest_distance(point, data): the Euclidean distance from a point to the nearest row of "
        "data. It tells whether a decoded picture looks like any real one."
    ),
    reference=nearest_distance,
    forbids=(*FORBIDS, "scipy.spatial.distance", "scipy.spatial.KDTree", "scipy.spatial.cKDTree", "sklearn"),
    properties=(
        Property(
            "zero for a point that is in the data",
            "The nearest row is then the point itself. Do you take the smallest distance?",
            drawn(3, _member, ([1.0, 2.0], [[5.0, 5.0], [1.0, 2.0]])),
            lambda case, outputs: close(outputs[0], 0),
        ),
        Property(
            "for a single row it is the distance to that row",
            "Pythagoras: square the differences, add them up, take the root.",
            fixed(([0.0, 0.0], [[3.0, 4.0]]), ([1.0], [[-1.0]]), ([1.0, 1.0, 1.0], [[0.0, 0.0, 0.0]])),
            agrees(nearest_distance),
        ),
        Property(
            "the order of the rows does not matter",
            "Look at every row, not only at the first or the last.",
            related(
                4, _reversed, ((_SMALL_CLOUD[0], _SMALL_CLOUD[1]), (_SMALL_CLOUD[0], _SMALL_CLOUD[1][::-1]))
            ),
            lambda case, outputs: close(*outputs),
        ),
        Property(
            "more data can only bring it nearer",
            "A further row may be the new nearest; if it is not, the old one still is. A sum or a mean "
            "over the rows does not have this.",
            related(5, _one_more, (([0.0], [[1.0]]), ([0.0], [[1.0], [3.0]]))),
            lambda case, outputs: outputs[1] <= outputs[0] + 1e-12,
        ),
        Property(
            "agrees everywhere",
            "One distance for each row (sum along the coordinates, `axis=1`), then the smallest.",
            drawn(6, _cloud, _SMALL_CLOUD),
            agrees(nearest_distance),
        ),
    ),
)


# Stretch: walk along the sphere


def slerp(z0, z1, t):
    z0, z1 = np.asarray(z0, dtype=float), np.asarray(z1, dtype=float)
    unit0, unit1 = z0 / np.linalg.norm(z0), z1 / np.linalg.norm(z1)
    angle = 2 * np.arctan2(np.linalg.norm(unit1 - unit0), np.linalg.norm(unit1 + unit0))
    # sin((1 − t)ω)/sin ω · z₀ + sin(tω)/sin ω · z₁, which for ω → 0 is the straight line
    w0, w1 = (
        (1 - t, t)
        if angle < 1e-8
        else (np.sin((1 - t) * angle) / np.sin(angle), np.sin(t * angle) / np.sin(angle))
    )
    return [float(v) for v in w0 * z0 + w1 * z1]


def _turn(rng):
    """Two codes that are neither parallel nor opposite, and a share of the way."""
    z0, z1 = numbers(rng, 3), numbers(rng, 3)
    z0[0], z1[1] = abs(z0[0]) + 1, abs(z1[1]) + 1
    return z0, z1, float(rng.integers(1, 10) / 10)


def _ends(rng):
    z0, z1, _ = _turn(rng)
    return (z0, z1, 0.0), (z0, z1, 1.0)


def _on_a_circle(rng):
    a, b = rng.uniform(0, np.pi / 2), rng.uniform(np.pi / 2 + 0.2, np.pi)
    z0, z1 = ([float(2 * np.cos(v)), float(2 * np.sin(v))] for v in (a, b))
    return z0, z1, float(rng.integers(1, 10) / 10)


def _quarters(rng):
    z0, z1, _ = _on_a_circle(rng)
    return tuple((z0, z1, t) for t in (0.0, 0.25, 0.5, 0.75, 1.0))


def _length(z) -> float:
    return float(np.linalg.norm(z))


def _equal_angles(case, outputs) -> bool:
    if any(len(z) != 2 or not finite(z) for z in outputs):
        return False
    return close(np.diff([np.arctan2(z[1], z[0]) for z in outputs], n=2), [0, 0, 0], abs_=1e-7)


SLERP = Exercise(
    name="10/slerp",
    title="Walk along the sphere",
    statement=(
        "Halfway along a straight line a code is shorter than codes usually are. Write slerp(z0, z1, t): "
        "spherical interpolation. With ω the angle between z0 and z1, the code at share t of the way has "
        "weight sin((1 − t)ω)/sin ω on z0 and sin(tω)/sin ω on z1. If both point the same way, take the "
        "straight line."
    ),
    reference=slerp,
    returns=NUMBERS,
    forbids=(*FORBIDS, "scipy.spatial.geometric_slerp"),
    stretch=True,
    properties=(
        Property(
            "starts at z0 and ends at z1",
            "At t = 0 the weights are 1 and 0, at t = 1 they are 0 and 1, whatever the angle is.",
            related(3, _ends, (([1.0, 0.0], [0.0, 2.0], 0.0), ([1.0, 0.0], [0.0, 2.0], 1.0))),
            lambda case, outputs: close(outputs[0], case[0][0]) and close(outputs[1], case[0][1]),
        ),
        Property(
            "between two codes of the same length the length stays",
            "That is what a straight line fails at. Which function of the angle belongs in the weights?",
            drawn(4, _on_a_circle, ([1.0, 0.0], [0.0, 1.0], 0.5)),
            lambda case, outputs: close(_length(outputs[0]), _length(case[0][0])),
        ),
        Property(
            "equal shares of the way are equal angles",
            "A straight line pulled back to the sphere keeps the length, but hurries in the middle.",
            related(3, _quarters),
            _equal_angles,
        ),
        Property(
            "the angle does not depend on the lengths",
            "The dot product of two codes holds their lengths too. Divide them out before you take the "
            "arccosine.",
            fixed(
                ([3.0, 0.0], [0.0, 3.0], 0.5), ([2.0, 0.0], [0.0, 1.0], 0.25), ([5.0, 0.0], [3.0, 4.0], 0.5)
            ),
            agrees(slerp),
        ),
        Property(
            "same direction: the straight line, not nan",
            "For ω = 0 the weights are 0/0. And rounding can push a cosine above 1, where there is no "
            "angle: `np.clip` helps.",
            fixed(
                ([1.0, 1.0], [1.0, 1.0], 0.5),
                ([1.0, 2.0], [2.0, 4.0], 0.25),
                ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], 0.7),
            ),
            agrees(slerp, rel=1e-6),
        ),
    ),
)

EXERCISES = (INTERPOLATE, QUANTILE_POINTS, NEAREST_DISTANCE, SLERP)
