"""Milliseconds per sweep of EM: scikit-learn's GaussianMixture and ours in turn in one run, and the limit of both.

    python tests/benchmarks/gaussian_mixture.py [--rounds 7] [--sweeps 50] [--threads 2] [--only 0 1 2]

Both start from the same mixture, run the same number of sweeps with their checks, and must end at the same parameters
(the largest difference is printed, relative to the largest entry of each). A round times one after the other; the
ratio is the median of the rounds' ratios. The limit is the least work that a sweep on this machine can be: the two
matrix products of `vaecourse.fast_mixture.Features` in blocks, n · k exponentials, nothing else; for (20k, 64, 10) the
whitening and the symmetric products of `Differences` instead.
"""

import warnings

import side_by_side

options = side_by_side.read_options(__doc__.splitlines()[0])

import numpy as np  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402

from vaecourse import gaussian_mixture as gm  # noqa: E402

CASES = [
    (n, d, k, diagonal)
    for diagonal in (False, True)
    for n, d, k in ((10_000, 2, 3), (100_000, 8, 10), (20_000, 64, 10))
]


def problem(n: int, d: int, k: int, diagonal: bool) -> tuple[np.ndarray, gm.Mixture]:
    rng = np.random.default_rng(0)
    x = side_by_side.points(n, d, k, rng)
    return x, gm.start(x, k, rng, diagonal=diagonal)


def sklearn_fit(x: np.ndarray, start: gm.Mixture, sweeps: int) -> GaussianMixture:
    precisions = 1 / start.covariances if start.diagonal else np.linalg.inv(start.covariances)
    kind = "diag" if start.diagonal else "full"
    peer = GaussianMixture(
        len(start.weights),
        covariance_type=kind,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=precisions,
        max_iter=sweeps,
        tol=0.0,
    )
    return peer.fit(x)


def distance(ours: gm.EMResult, peer: GaussianMixture) -> float:
    pairs = zip(ours.mixture, (peer.weights_, peer.means_, peer.covariances_), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(side_by_side.HEAD)
    for index, case in enumerate(CASES):
        if options.only is not None and index not in options.only:
            continue
        x, start = problem(*case)
        line = side_by_side.row(
            case,
            options,
            lambda x=x, start=start: sklearn_fit(x, start, options.sweeps),
            lambda x=x, start=start: gm.em(x, start, options.sweeps, 0.0),
            side_by_side.least_work(x, case[2], start.diagonal),
            distance,
        )
        print(line, flush=True)
    print(side_by_side.foot(options))


if __name__ == "__main__":
    main()
