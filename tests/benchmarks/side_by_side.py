"""What the benchmarks of the mixtures share: their options, the data, the timing, and the least work of a sweep.

NumPy is loaded inside the functions, since `read_options` says first on how many threads it shall run.
"""

import argparse
import os
import statistics
import sys
import time


def read_options(description: str, rounds: int = 7, sweeps: int = 50) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--sweeps", type=int, default=sweeps)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", type=int, nargs="*", help="which rows of the table, counted from 0")
    options = parser.parse_args()
    assert "numpy" not in sys.modules
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = str(options.threads)
    return options


def points(n: int, d: int, k: int, rng):
    """n points from k Gaussians of random shapes, shape (n, d)."""
    import numpy as np

    means, z = 3 * rng.normal(size=(k, d)), rng.integers(k, size=n)
    turns = np.eye(d) + 0.3 * rng.normal(size=(k, d, d)) / np.sqrt(d)
    e = rng.normal(size=(n, d))
    return rng.permutation(np.concatenate([means[j] + e[z == j] @ turns[j] for j in range(k)]))


def least_work(x, k: int, diagonal: bool):
    """One sweep's matrix products and exponentials alone, as a function to time."""
    import numpy as np

    from vaecourse.fast_mixture import Features, fast_form

    form = fast_form(x, None, diagonal, 1e-6)
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


HEAD = (
    "| covariance | n, d, k | scikit-learn ms | ours ms | limit ms | ratio | (from, to) | ours / limit | difference |\n"
    "|---|" + "---|" * 8
)


def row(case: tuple[int, int, int, bool], options, peer, ours, work, distance) -> str:
    """A line of the table: `peer` and `ours` in turn, each doing options.sweeps sweeps; distance(ours, peer) of the results."""
    n, d, k, diagonal = case
    rounds, difference = [], 0.0
    for _ in range(options.rounds + 1):  # the first warms up
        theirs, their_result = timed(peer)
        mine, my_result = timed(ours)
        limit = min(timed(work)[0] for _ in range(3))
        difference = max(difference, distance(my_result, their_result))
        rounds.append((theirs / options.sweeps, mine / options.sweeps, limit))
    peers, times, limits = zip(*rounds[1:], strict=True)
    ratios = [a / b for a, b in zip(peers, times, strict=True)]
    middle = [statistics.median(values) * 1e3 for values in (peers, times, limits)]
    return (
        f"| {'diagonal' if diagonal else 'full'} | {n}, {d}, {k} | {middle[0]:.2f} | {middle[1]:.2f} | {middle[2]:.2f} | "
        f"{statistics.median(ratios):.1f} | ({min(ratios):.1f}, {max(ratios):.1f}) | {middle[1] / middle[2]:.1f} | {difference:.0e} |"
    )


def foot(options) -> str:
    return f"Times are per sweep: medians of {options.rounds} rounds of {options.sweeps} sweeps, {options.threads} threads."
