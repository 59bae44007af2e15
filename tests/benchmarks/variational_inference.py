"""CPU seconds until a posterior is known well enough: variational inference and Metropolis in turn in one run.

    python tests/benchmarks/variational_inference.py [--rounds 5] [--target 0.1] [--draws 4] [--only 0 1]

The model is Bayesian logistic regression on the breast-cancer data, prior sd 3. A posterior is known when every mean
lies within `target` standard deviations of the reference, and every sd within `target` of its size (root mean square
over the rounds, worst coordinate); the diagonal family is held to the means alone, as it has no right sd to give. Each
way starts from the prior; its budget grows by halves until it gets there, and only the last budget is timed, all ways
after each other in every round, on one thread. Evaluations count the points at which the joint density was computed,
for VI each with its gradient. Two kinds of Metropolis, four chains in lockstep each: one is given the covariance of
the Laplace approximation for its proposal (its time counts), one takes the same step in all directions, of the sd named.
The reference is importance sampling from the Laplace Gaussian, widened, with many draws; its own error is printed.
"""

import argparse
import os
import statistics
import sys
import time

parser = argparse.ArgumentParser(
    description=__doc__.splitlines()[0], formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--target", type=float, default=0.1)
parser.add_argument("--draws", type=int, default=4, help="draws in each step of VI")
parser.add_argument("--only", type=int, nargs="*", help="which cases, counted from 0")
options = parser.parse_args()
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # before NumPy is loaded
assert "numpy" not in sys.modules

import numpy as np  # noqa: E402
from sklearn.datasets import load_breast_cancer  # noqa: E402

from vaecourse import logistic_regression as lr  # noqa: E402
from vaecourse import variational_inference as vi  # noqa: E402
from vaecourse.metropolis import metropolis  # noqa: E402

PRIOR_SD, CHAINS, LARGEST = 3.0, 4, 2**16
CASES = (("radius, texture, perimeter", 3), ("the ten means", 10))


def problem(columns: int):
    data = load_breast_cancer()
    return lr.with_intercept(lr.standardize(data.data[:, :columns])), 1 - data.target


def reference(model: vi.LogJoint, laplace: vi.GaussianQ, rng) -> tuple[np.ndarray, np.ndarray, float]:
    """Posterior mean and sd by importance sampling in batches, and the standard error of a mean in sds."""
    q = laplace._replace(factor=1.25 * laplace.factor)
    means, squares, evidences = [], [], []
    for _ in range(40):
        z = vi.transform(q, rng.standard_normal((5000, len(q.mean))))
        log_w = model.value(z) - vi.log_density(q, z)
        w = np.exp(log_w - (model.value(q.mean[None]) - vi.log_density(q, q.mean[None])))
        means.append(w @ (z - q.mean))
        squares.append(w @ (z - q.mean) ** 2)
        evidences.append(w.sum())
    offset = np.sum(means, axis=0) / np.sum(evidences)
    sd = np.sqrt(np.sum(squares, axis=0) / np.sum(evidences) - offset**2)
    batches = np.array(means) / np.array(evidences)[:, None]
    return q.mean + offset, sd, float((batches.std(axis=0, ddof=1) / np.sqrt(40) / sd).max())


def by_vi(family: str):
    def run(x, labels, budget, rng):
        model = lr.log_joint(x, labels, PRIOR_SD)
        start = vi.diagonal_q(np.zeros(model.dimension), PRIOR_SD)
        q = vi.ascend(model, start, rng, budget, options.draws, family=family).q
        return q.mean, q.sd, budget * options.draws

    return run


def by_metropolis(step: float | None):
    """`step` None: the Laplace covariance for the proposal, and draws of that Gaussian for a start."""

    def run(x, labels, budget, rng):
        model = lr.log_joint(x, labels, PRIOR_SD)
        d = model.dimension
        start = rng.standard_normal((CHAINS, d))
        if step is None:
            guess = lr.laplace(x, labels, PRIOR_SD)
            start, proposal = vi.transform(guess, start), 2.38**2 / d * guess.covariance
        else:
            start, proposal = PRIOR_SD * start, step**2 * np.eye(d)
        result = metropolis(model.value, start, rng, budget, proposal, warmup=budget // 4)
        draws = result.values.reshape(-1, d)
        return draws.mean(axis=0), draws.std(axis=0), result.evaluations

    return run


def budget_for(run, x, labels, truth, with_sd: bool) -> tuple[int | None, float]:
    """The smallest budget, from 64 upwards by halves, that meets the target; and the error there, or of the last one tried."""
    mean, sd, _ = truth
    budget = 64
    while True:
        errors = []
        for seed in range(options.rounds):
            found_mean, found_sd, _ = run(x, labels, budget, np.random.default_rng(seed))
            errors.append(np.concatenate([(found_mean - mean) / sd, with_sd * (found_sd / sd - 1)]))
        error = float(np.sqrt(np.mean(np.square(errors), axis=0)).max())
        if error <= options.target or budget > LARGEST:
            return (budget if error <= options.target else None), error
        budget = budget * 3 // 2


def timed(run, *arguments) -> tuple[float, int]:
    begin = time.process_time()
    evaluations = run(*arguments)[2]
    return time.process_time() - begin, evaluations


def main() -> None:
    print(
        f"Target: {options.target:g} standard deviations. Metropolis runs {CHAINS} chains, its budget is the draws of each."
    )
    print(f"The budget of VI is its steps, of {options.draws} draws.\n")
    print("| data | way | budget | evaluations | error | CPU seconds | time / that of VI full | (from, to) |")
    print("|---|" + "---|" * 7)
    for row, (name, columns) in enumerate(CASES):
        if options.only is not None and row not in options.only:
            continue
        x, labels = problem(columns)
        model, laplace = lr.log_joint(x, labels, PRIOR_SD), lr.laplace(x, labels, PRIOR_SD)
        truth = reference(model, laplace, np.random.default_rng(1))
        ways = {
            "VI full": (by_vi("full"), True),
            "VI diagonal, means only": (by_vi("diagonal"), False),
            "Metropolis, Laplace proposal": (by_metropolis(None), True),
            **{f"Metropolis, round proposal {s:g}": (by_metropolis(s), True) for s in (0.1, 0.2)},
        }
        budgets = {way: budget_for(run, x, labels, truth, with_sd) for way, (run, with_sd) in ways.items()}
        results = {way: [] for way in ways}
        for seed in range(options.rounds):
            for way, (run, _) in ways.items():
                if budgets[way][0] is not None:
                    rng = np.random.default_rng(seed)
                    results[way].append(timed(run, x, labels, budgets[way][0], rng))
        full = [seconds for seconds, _ in results["VI full"]]
        for way, (budget, error) in budgets.items():
            line = f"| {name}, {x.shape} | {way} | {budget or f'none up to {LARGEST}'} |"
            if budget is None:
                line += f" | {error:.2f} | | | |"
            else:
                seconds, evaluations = zip(*results[way], strict=True)
                line += f" {evaluations[0]} | {error:.3f} | {statistics.median(seconds):.3f} |"
                ratios = [a / b for a, b in zip(seconds, full, strict=False)]
                line += (
                    f" {statistics.median(ratios):.2f} | ({min(ratios):.2f}, {max(ratios):.2f}) |"
                    if ratios
                    else " | |"
                )
            print(line, flush=True)
        print(f"| {name}, {x.shape} | the reference's own error | | | {truth[2]:.4f} | | | |", flush=True)
    print(f"Medians of {options.rounds} rounds.")


if __name__ == "__main__":
    main()
