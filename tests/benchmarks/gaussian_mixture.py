"""Milliseconds per sweep of EM: scikit-learn's GaussianMixture and ours in turn in one run, and the limit of both.

    python tests/benchmarks/gaussian_mixture.py [--rounds 7] [--sweeps 50] [--threads 2] [--only 0 1 2]

Both start from the same mixture, run the same number of sweeps with their checks, and must end at the same parameters
(the largest difference is printed, relative to the largest entry of each). A round times one after the other; the
ratio is the median of the rounds' ratios. The limit is the least work that a sweep on this machine can be: the two
matrix products of `vaecourse.fast_mixture.Features` in blocks, n · k exponentials, nothing else; for (20k, 64, 10) the
whitening and the symmetric products of `Differences` instead.
"""

import argparse
import os
import statistics
import sys
import time
import warnings

parser = argparse.ArgumentParser(
    description=__doc__.splitlines()[0], formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--sweeps", type=int, default=50)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--only", type=int, nargs="*", help="which rows of the table, counted from 0")
options = parser.parse_args()
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = str(options.threads)  # before NumPy is loaded
assert "numpy" not in sys.modules

import numpy as np  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402

from vaecourse import gaussian_mixture as gm  # noqa: E402
from vaecourse.fast_mixture import Features, fast_form  # noqa: E402

CASES = [
    (n, d, k, diagonal)
    for diagonal in (False, True)
    for n, d, k in ((10_000, 2, 3), (100_000, 8, 10), (20_000, 64, 10))
]


def problem(n: int, d: int, k: int, diagonal: bool) -> tuple[np.ndarray, gm.Mixture]:
    rng = np.random.default_rng(0)
    means, z = 3 * rng.normal(size=(k, d)), rng.integers(k, size=n)
    turns = np.eye(d) + 0.3 * rng.normal(size=(k, d, d)) / np.sqrt(d)
    e = rng.normal(size=(n, d))
    x = np.concatenate([means[j] + e[z == j] @ turns[j] for j in range(k)])
    return rng.permutation(x), gm.start(x, k, rng, diagonal=diagonal)


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


def least_work(x: np.ndarray, start: gm.Mixture):
    """One sweep's matrix products and exponentials alone, as a function to time."""
    form = fast_form(x, None, start.diagonal, 1e-6)
    k = len(start.weights)
    if isinstance(form, Features):
        # from a copy in the cache, so that no memory is waited for
        size = form.blocks[0].stop
        features = np.ascontiguousarray(form._features(slice(0, min(size, len(x)))))
        coefficients, r = np.zeros((k, len(features))), np.empty((k, features.shape[1]))

        def work() -> None:
            for _ in form.blocks:
                np.exp(np.matmul(coefficients, features, out=r), out=r)
                r @ features.T
    else:
        block, square = x[form.blocks[0]].copy(), np.eye(x.shape[1])
        joint = np.zeros((k, len(block)))

        def work() -> None:
            for _ in form.blocks:
                for _ in range(k):
                    block @ square
                    block.T @ block
                np.exp(joint)

    return work


def timed(function, *arguments) -> tuple[float, object]:
    begin = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - begin, result


def distance(ours: gm.Mixture, peer: GaussianMixture) -> float:
    pairs = zip(ours, (peer.weights_, peer.means_, peer.covariances_), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(
        "| covariance | n, d, k | scikit-learn ms | ours ms | limit ms | ratio | (from, to) | ours / limit | difference |"
    )
    print("|---|" + "---|" * 8)
    for row, (n, d, k, diagonal) in enumerate(CASES):
        if options.only is not None and row not in options.only:
            continue
        x, start = problem(n, d, k, diagonal)
        work, rounds, difference = least_work(x, start), [], 0.0
        for _ in range(options.rounds + 1):  # the first warms up
            peer, theirs = timed(sklearn_fit, x, start, options.sweeps)
            ours, result = timed(gm.em, x, start, options.sweeps, 0.0)
            limit = min(timed(work)[0] for _ in range(3))
            difference = max(difference, distance(result.mixture, theirs))
            rounds.append((peer / options.sweeps, ours / options.sweeps, limit))
        peers, mine, limits = zip(*rounds[1:], strict=True)
        ratios = [a / b for a, b in zip(peers, mine, strict=True)]
        middle = [statistics.median(values) * 1e3 for values in (peers, mine, limits)]
        print(
            f"| {'diagonal' if diagonal else 'full'} | {n}, {d}, {k} | {middle[0]:.2f} | {middle[1]:.2f} | {middle[2]:.2f} | "
            f"{statistics.median(ratios):.1f} | ({min(ratios):.1f}, {max(ratios):.1f}) | {middle[1] / middle[2]:.1f} | {difference:.0e} |",
            flush=True,
        )
    print(
        f"Times are per sweep: medians of {options.rounds} rounds of {options.sweeps} sweeps, {options.threads} threads."
    )


if __name__ == "__main__":
    main()
