"""Lesson 03 in numbers: one coin five ways, and the evidence on a grid in one to five dimensions.

    python tests/benchmarks/five_ways.py [--heads 3] [--tails 0] [--rounds 30] [--points 25]

The five methods run in turn, round after round, and the median of each is printed, beside its errors against exact
arithmetic in 50 digits. Then a line's evidence with 1 to 5 weights (a Gaussian prior, so that it is known exactly), each
by a grid of so many cells along each axis: time, evaluations, error, and the factor from one dimension to the next; the
last lines say what ten dimensions would take, each one more multiplying the time by the number of cells.
"""

import argparse
import os
import statistics
import sys
import time

parser = argparse.ArgumentParser(
    description=__doc__.splitlines()[0], formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--heads", type=int, default=3)
parser.add_argument("--tails", type=int, default=0)
parser.add_argument("--rounds", type=int, default=30)
parser.add_argument("--points", type=int, default=25)
options = parser.parse_args()
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # before NumPy is loaded
assert "numpy" not in sys.modules

import mpmath  # noqa: E402
import numpy as np  # noqa: E402

from vaecourse import bayesian_inference as bi  # noqa: E402
from vaecourse import posterior_methods as pm  # noqa: E402


def exact(coin: pm.Coin) -> tuple[float, float, float]:
    """Mean, sd and log evidence in 50 digits."""
    with mpmath.workdps(50):
        a, b = mpmath.mpf(coin.prior.a), mpmath.mpf(coin.prior.b)
        A, B = a + coin.heads, b + coin.tails
        sd = mpmath.sqrt(A * B / ((A + B) ** 2 * (A + B + 1)))
        evidence = mpmath.log(mpmath.beta(A, B) / mpmath.beta(a, b))
        return float(A / (A + B)), float(sd), float(evidence)


def five_ways(coin: pm.Coin) -> None:
    rng = np.random.default_rng(0)
    methods = (pm.conjugate, pm.quadrature, pm.laplace, pm.variational, lambda c: pm.mcmc(c, rng))
    times, summaries = [[] for _ in methods], [[] for _ in methods]
    for _ in range(options.rounds + 1):  # the first warms up
        for method, spent, results in zip(methods, times, summaries, strict=True):
            begin = time.perf_counter()
            results.append(method(coin))
            spent.append(time.perf_counter() - begin)
    mean, sd, log_evidence = exact(coin)
    print(f"{coin}: mean {mean:.6f}, sd {sd:.6f}, log evidence {log_evidence:.6f} nats")
    print("| method | ms | evaluations | error of the mean | of the sd | of log p(X), nats |")
    print("|---|---|---|---|---|---|")
    for spent, results in zip(times, summaries, strict=True):
        first = results[0]
        # root mean square over the rounds: only that of MCMC differs from its first
        errors = np.array([[r.mean - mean, r.sd - sd, r.log_evidence - log_evidence] for r in results])
        size = np.sqrt((errors**2).mean(axis=0))
        cells = ["gives none" if np.isnan(value) else f"{value:.1e}" for value in size]
        print(
            f"| {first.method} | {1e3 * statistics.median(spent[1:]):.2f} | {first.evaluations} | {' | '.join(cells)} |"
        )


def wall(points: int) -> None:
    rng, seconds = np.random.default_rng(0), []
    x, y, sd = rng.normal(size=(12, 10)), rng.normal(size=12), 0.7
    print(f"\n{points} cells along each axis, from −6 to 6")
    print("| dimensions | evaluations | s | factor | error of log p(X), nats |")
    print("|---|---|---|---|---|")
    for d in range(1, 6):
        columns, prior = x[:, :d], bi.Gaussian(np.zeros(d), np.eye(d))

        def log_joint(w, columns=columns, d=d):
            misfit = ((w @ columns.T - y) ** 2).sum(axis=1) / sd**2 + (w**2).sum(axis=1)
            return -0.5 * (misfit + (len(y) + d) * np.log(2 * np.pi)) - len(y) * np.log(sd)

        spent = []
        for _ in range(3 if d < 5 else 1):
            begin = time.perf_counter()
            grid = bi.grid_evidence(log_joint, np.full(d, -6.0), np.full(d, 6.0), points)
            spent.append(time.perf_counter() - begin)
        seconds.append(min(spent))
        factor = f"{seconds[-1] / seconds[-2]:.1f}" if d > 1 else ""
        error = grid.log_evidence - bi.linear_log_evidence(columns, y, prior, sd)
        print(f"| {d} | {grid.evaluations:,} | {seconds[-1]:.4f} | {factor} | {error:+.1e} |")
    ten = seconds[-1] * points**5
    print(f"10 dimensions: {points**10:.1e} evaluations, about {ten:.1e} s = {ten / 3.156e7:.1f} years")
    try:
        bi.grid_evidence(lambda w: w[:, 0], np.zeros(10), np.ones(10), points)
    except ValueError as refusal:
        print(refusal)


if __name__ == "__main__":
    five_ways(pm.Coin(options.heads, options.tails))
    wall(options.points)
