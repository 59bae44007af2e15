"""Wrong answers to the exercises of lesson 10, under the property that must catch each."""

import numpy as np
from scipy import special


def slerp_with(weights, z0, z1, t, normalise=True):
    n0, n1 = (np.linalg.norm(z0), np.linalg.norm(z1)) if normalise else (1, 1)
    omega = np.arccos(np.clip(z0 @ z1 / (n0 * n1), -1, 1))
    w0, w1 = weights(t, omega)
    return w0 * z0 + w1 * z1


def sines(t, omega):
    return np.sin((1 - t) * omega) / np.sin(omega), np.sin(t * omega) / np.sin(omega)


def pulled_back(z0, z1, t):
    z = (1 - t) * z0 + t * z1
    return z / np.linalg.norm(z) * ((1 - t) * np.linalg.norm(z0) + t * np.linalg.norm(z1))


def straight(z0, z1, n):
    return [(1 - t) * z0 + t * z1 for t in np.linspace(0, 1, n)]


WRONG = {
    "10/interpolate": {
        "n codes, each as long as z0": lambda z0, z1, n: straight(z0, z1, n + 1),
        "starts at z0": lambda z0, z1, n: straight(z0, z1, n + 1)[1:],
        "ends at z1": lambda z0, z1, n: straight(z0, z1, n + 1)[:-1],
        "every step is the same": lambda z0, z1, n: [
            (1 - t) * z0 + t * z1 for t in np.sin(np.linspace(0, np.pi / 2, n))
        ],
    },
    "10/quantile_points": {
        "n finite numbers": lambda n: special.ndtri(np.linspace(0, 1, n)),
        "from left to right": lambda n: special.ndtri((np.arange(n) + 0.5) / n)[::-1],
        "as many on the left as on the right": lambda n: special.ndtri((np.arange(n) + 1) / (n + 1) * 0.9),
        "the same probability between neighbours": lambda n: np.linspace(-2, 2, n) if n > 1 else [0.0],
        "each in the middle of its piece": lambda n: special.ndtri((np.arange(n) + 1) / (n + 1)),
    },
    "10/nearest_distance": {
        "zero for a point that is in the data": lambda point, data: np.linalg.norm(
            data - point, axis=1
        ).max(),
        "for a single row it is the distance to that row": lambda point, data: (
            np.abs(data - point).sum(axis=1).min()
        ),
        "the order of the rows does not matter": lambda point, data: np.linalg.norm(data[0] - point),
        "more data can only bring it nearer": lambda point, data: np.linalg.norm(data - point, axis=1).mean(),
        "agrees everywhere": lambda point, data: (np.linalg.norm(data - point, axis=1) ** 2).min(),
    },
    "10/slerp": {
        "starts at z0 and ends at z1": lambda z0, z1, t: slerp_with(sines, z1, z0, t),
        "between two codes of the same length the length stays": lambda z0, z1, t: (1 - t) * z0 + t * z1,
        "equal shares of the way are equal angles": pulled_back,
        "the angle does not depend on the lengths": lambda z0, z1, t: slerp_with(
            sines, z0, z1, t, normalise=False
        ),
        "same direction: the straight line, not nan": lambda z0, z1, t: slerp_with(sines, z0, z1, t),
    },
}
