"""The predictions of lesson 02."""

import numpy as np

from .core import Prediction, Truth, minus


def _em(points, mixture, sweeps: int, smallest_sd: float = 0.0):
    """The mixture (weights, means, sds) after so many sweeps of EM, no sd below the smallest."""
    from vaecourse.exercises.gaussian_mixture import em_sweep

    for _ in range(sweeps):
        weights, means, sds = em_sweep(points, *mixture)
        mixture = weights, means, [max(sd, smallest_sd) for sd in sds]
    return mixture


def _one_sweep_down() -> Truth:
    from vaecourse.exercises.gaussian_mixture import log_likelihood

    rng, changes = np.random.default_rng(2), []
    for _ in range(200):
        k, points = int(rng.integers(2, 5)), rng.normal(0, 3, 30)
        path = [(rng.dirichlet(np.full(k, 5.0)), rng.normal(0, 5, k), np.exp(rng.normal(0, 0.5, k)))]
        for _ in range(5):
            path.append(_em(points, path[-1], 1, smallest_sd=0.05))
        changes.extend(np.diff([log_likelihood(points, *mixture) for mixture in path]))
    falls = int(np.sum(np.array(changes) < -1e-9))
    return Truth(
        2 if not falls else 0 if falls < 100 else 1,
        f"In {len(changes)} sweeps on 200 sets of points, from random starts, the log-likelihood fell "
        f"{falls} times. You have seen why it cannot fall: both steps climb on the same bound.",
    )


def _more_components() -> Truth:
    from vaecourse.exercises.gaussian_mixture import log_likelihood

    rng = np.random.default_rng(1)
    old, new = (rng.choice([-2.0, 2.0], n) + rng.normal(0, 1, n) for n in (60, 6000))
    best, same, fresh = ([1.0], [0.0], [1.0]), [], []
    for k in range(1, 6):
        best = max(
            (_em(old, start, 60, smallest_sd=0.2) for start in _halved(*best, k)),
            key=lambda mixture: log_likelihood(old, *mixture),
        )
        same.append(log_likelihood(old, *best))
        fresh.append(log_likelihood(new, *best) / len(new) * len(old))
    steps, top = np.diff(same), int(np.argmax(same))
    listed = [minus(", ".join(f"{v:.1f}" for v in values)) for values in (same, fresh)]
    return Truth(
        1 if np.all(steps >= 0) else 0 if np.all(steps[:top] >= 0) and np.all(steps[top:] <= 0) else 2,
        f"On {len(old)} points from two Gaussians, with 1 to 5 components and no sd below 0.2: {listed[0]} "
        "nats. Cut a component into two halves that lie on each other, and nothing is lost: from there the "
        f"fit can only gain. On fresh points, counted as {len(old)}, the same mixtures reach {listed[1]}: "
        "the likelihood of the data that were fitted does not tell how many components there are.",
    )


def _halved(weights, means, sds, k: int):
    """Starts with k components: each with one component cut in two, moved a little apart."""
    if k == len(weights):
        yield weights, means, sds
        return
    for i in range(len(weights)):
        w, m, s = list(weights), list(means), list(sds)
        w[i] /= 2
        yield [*w, w[i]], [*m[:i], m[i] - s[i] / 2, *m[i + 1 :], m[i] + s[i] / 2], [*s, s[i]]


def _same_start_same_end() -> Truth:
    from scipy.special import ndtri

    from vaecourse.exercises.gaussian_mixture import log_likelihood

    clump = ndtri((np.arange(10) + 0.5) / 10)
    points = np.concatenate([clump - 8, clump, clump + 6])
    ends = []
    for means in ([-8.0, 0.0], [0.0, 6.0]):
        mixture, last = ([0.5, 0.5], means, [1.0, 1.0]), np.zeros((3, 2))
        while not np.allclose(mixture, last, rtol=0, atol=1e-9):  # until nothing moves any more
            mixture, last = _em(points, mixture, 1), mixture
        ends.append((log_likelihood(points, *mixture), np.sort(mixture[1])))
    (one, means_one), (other, means_other) = ends
    told = [" and ".join(minus(f"{m:.1f}") for m in means) for means in (means_one, means_other)]
    return Truth(
        1 if abs(one - other) > 1e-3 else 2 if not np.allclose(means_one, means_other, atol=1e-3) else 0,
        f"Three clumps of points, two components: one start ends with means {told[0]} and log-likelihood "
        f"{minus(f'{one:.1f}')}, the other with means {told[1]} and {minus(f'{other:.1f}')}. Each stands "
        "on a hilltop of its own, and EM only ever climbs.",
    )


PREDICTIONS = (
    Prediction(
        "02/one_sweep_down",
        "EM improves a mixture sweep by sweep. Can a single sweep make the likelihood of the data smaller?",
        (
            "Yes, now and then, from a bad start",
            "Yes, often: it goes up and down until it settles",
            "No, never",
        ),
        _one_sweep_down,
    ),
    Prediction(
        "02/more_components",
        "You give a mixture one more component, and fit it again as well as possible. What does the "
        "log-likelihood of the same data do?",
        (
            "It rises up to the right number of components, and falls after it",
            "It rises, or stays as it is",
            "It may go either way",
        ),
        _more_components,
    ),
    Prediction(
        "02/same_start_same_end",
        "Two people run EM on the same data with the same number of components, each from a start of "
        "their own, until nothing moves any more. Do they end with the same mixture?",
        (
            "Yes, up to the order of the components",
            "Not always: one of them may end with a smaller likelihood",
            "Not always, but the likelihood is the same",
        ),
        _same_start_same_end,
    ),
)
