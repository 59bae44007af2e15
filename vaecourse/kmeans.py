"""K-means: what EM for a Gaussian mixture becomes when every covariance is ε I and ε goes to 0.

Data x have shape (n, d), or (n,) for points on a line. Sources: C. Bishop, "Pattern Recognition and Machine Learning"
(2006), §9.1 and §9.3.2; D. Arthur and S. Vassilvitskii, "k-means++: the advantages of careful seeding" (2007).
"""

from typing import NamedTuple

import numpy as np

from vaecourse.mixture_model import check_component_count, check_data, check_not_negative


class KMeansResult(NamedTuple):
    """Centres (k, d), the index of the nearest one for each point (n,), and Σ ‖x − centre‖² at each assignment."""

    centres: np.ndarray
    labels: np.ndarray
    distortions: np.ndarray
    converged: bool


def kmeans(x, centres, iterations: int = 100) -> KMeansResult:
    """Assign each point to its nearest centre, move each centre to the mean of its points, until nothing moves.

    A centre without points stays where it is. Bishop, §9.1.
    """
    x, centres = check_data(x), check_data(centres, "centres").copy()
    check_component_count(len(centres), len(x))
    check_not_negative("iterations", iterations)
    if centres.shape[1] != x.shape[1]:
        raise ValueError(
            f"centres has {centres.shape[1]} columns and x has {x.shape[1]}; they must be equal."
        )
    labels, distortions, converged = None, [], False
    for sweep in range(iterations + 1):
        distances = squared_distances(x, centres)
        before, labels = labels, distances.argmin(axis=1)
        distortions.append(distances.min(axis=1).sum())
        converged = before is not None and bool((before == labels).all())
        if converged or sweep == iterations:
            break
        for j in np.unique(labels):
            centres[j] = x[labels == j].mean(axis=0)
    return KMeansResult(centres, labels, np.array(distortions), converged)


def spread_centres(x, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draw k points of x as centres, shape (k, d), each with probability ∝ its squared distance to the nearest so far."""
    x = check_data(x)
    check_component_count(k, len(x))
    centres = x[rng.integers(len(x))][None]
    while len(centres) < k:
        distances = squared_distances(x, centres).min(axis=1)
        # every point coincides with a centre: any will do
        p = distances / distances.sum() if distances.any() else np.full(len(x), 1 / len(x))
        centres = np.vstack([centres, x[rng.choice(len(x), p=p)]])
    return centres


def squared_distances(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """‖x_n − c_k‖², shape (n, k), from the differences: no cancellation far from the origin."""
    return np.stack([((x - centre) ** 2).sum(axis=1) for centre in centres], axis=1)
