"""The solutions of A2 against SciPy's Poisson, enumeration and a general optimizer; the published fit of its table."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import softmax

from vaecourse import assignments
from vaecourse.assignments import poisson_mixture, solutions
from vaecourse.exercises import core

from . import wrong_answers_a2 as wrong

SOURCE = Path(__file__).parents[2] / "notebooks" / "assignments" / "A2.ipynb"
COUNTS = np.arange(10.0)
DAYS = np.array([162, 267, 271, 185, 111, 61, 27, 8, 3, 1], dtype=float)


@pytest.fixture(scope="module")
def solved():
    return solutions.from_notebook(SOURCE)


def problem(seed):
    """A table of counts, with days, and a mixture to start from."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 15)), int(rng.integers(1, 5))
    counts = np.sort(rng.choice(40, n, replace=False)).astype(float)
    return (
        counts,
        rng.integers(1, 200, n).astype(float),
        rng.dirichlet(np.ones(k)),
        rng.gamma(2.0, 4.0, k) + 0.01,
    )


def log_likelihood(counts, days, weights, rates):
    """From SciPy's probabilities, with the mixture summed before the logarithm."""
    p = stats.poisson.pmf(counts[:, None], np.asarray(rates))
    return float(days @ np.log(p @ np.asarray(weights)))


@pytest.mark.parametrize("rate", [0.0, 1e-300, 0.3, 2.0, 171.5, 1e6])
def test_the_density_agrees_with_scipy(solved, rate):
    counts = np.array([0.0, 1.0, 2.0, 7.0, 170.0, 171.0, 3_000.0, 1e6])
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(
            solved["poisson_log_density"](counts, rate), stats.poisson.logpmf(counts, rate), rtol=1e-9
        )


@pytest.mark.parametrize("seed", range(20))
def test_the_shares_are_those_of_bayes_rule_on_scipys_probabilities(solved, seed):
    counts, _, weights, rates = problem(seed)
    joint = weights * stats.poisson.pmf(counts[:, None], rates)
    expected = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(solved["responsibilities"](counts, weights, rates), expected, atol=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_no_optimizer_lifts_the_bound_higher_than_the_m_step(solved, seed):
    rng = np.random.default_rng(seed)
    counts, days, weights, rates = problem(seed)
    shares = rng.dirichlet(np.ones(len(weights)), len(counts))

    def bound(weights, rates):
        inside = np.log(weights) + stats.poisson.logpmf(counts[:, None], rates)
        return float(days @ (shares * inside).sum(axis=1))

    k = len(weights)
    found = optimize.minimize(
        lambda u: -bound(softmax(u[:k]), np.exp(u[k:])),
        np.r_[np.zeros(k), np.log(rates)],
        options={"gtol": 1e-8},
    ).x
    own = solved["m_step"](counts, days, shares)
    np.testing.assert_allclose(own[0], softmax(found[:k]), atol=1e-5)
    np.testing.assert_allclose(own[1], np.exp(found[k:]), rtol=1e-4)
    assert bound(*own) >= bound(softmax(found[:k]), np.exp(found[k:])) - 1e-9


def test_em_never_goes_down_and_reports_the_log_likelihood_of_scipys_probabilities(solved):
    for seed in range(200):
        counts, days, weights, rates = problem(seed)
        ends = solved["em"](counts, days, weights, rates, 12)
        assert np.all(np.diff(ends[2]) >= -1e-10 * np.abs(ends[2][0]))
        np.testing.assert_allclose(ends[2][0], log_likelihood(counts, days, weights, rates), rtol=1e-9)
        np.testing.assert_allclose(ends[2][-1], log_likelihood(counts, days, *ends[:2]), rtol=1e-9)


def test_the_published_fit_of_the_times(solved):
    """SQUAREM, tests/Hasselblad1969.R: 0.6401146, 2.6634044, 1.2560951; and a general optimizer, from another start."""
    weights, rates, climb = solved["em"](COUNTS, DAYS, np.array([0.3, 0.7]), np.array([1.0, 2.5]), 8000)
    np.testing.assert_allclose(weights, [0.3598854, 0.6401146], atol=1e-7)
    np.testing.assert_allclose(rates, [1.2560951, 2.6634044], atol=1e-7)

    def surprise(u):
        w = 1 / (1 + np.exp(-u[0]))
        return -log_likelihood(COUNTS, DAYS, [w, 1 - w], np.exp(u[1:]))

    found = optimize.minimize(
        surprise,
        [0.0, -0.5, 1.5],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000, "maxfev": 4000},
    )
    np.testing.assert_allclose(np.exp(found.x[1:]), rates, atol=1e-4)
    np.testing.assert_allclose(-found.fun, climb[-1], atol=1e-7)


def test_a_third_component_of_the_times_is_a_twin_or_goes_to_rate_0(solved):
    """What the answer to question B says: the twin gains nothing, the other top 0.019 nats, and BIC wants neither."""
    _, _, two = solved["em"](COUNTS, DAYS, np.array([0.3, 0.7]), np.array([1.0, 2.5]), 3000)
    twin = solved["em"](COUNTS, DAYS, np.array([0.36, 0.32, 0.32]), np.array([1.26, 2.3, 3.0]), 5000)
    zero = solved["em"](COUNTS, DAYS, np.array([0.02, 0.34, 0.64]), np.array([0.1, 1.26, 2.66]), 5000)
    np.testing.assert_allclose(twin[1], [1.2561, 2.6634, 2.6634], atol=1e-3)
    np.testing.assert_allclose(twin[2][-1], two[-1], atol=1e-6)
    assert zero[1][0] < 1e-6 and 0.018 < zero[2][-1] - two[-1] < 0.02
    assert 2 * np.log(DAYS.sum()) > 2 * (zero[2][-1] - two[-1])


@pytest.mark.parametrize("seed", range(10))
def test_the_next_day_agrees_with_enumeration(solved, seed):
    rng = np.random.default_rng(seed)
    _, _, weights, rates = problem(seed)
    seen = rng.poisson(rates[0], int(rng.integers(0, 6))).astype(float)
    next_count = np.arange(400)
    # p(c', seen) for every next count c', summed over the labels, then normalized over c'
    joint = sum(
        w * stats.poisson.pmf(seen, r).prod() * stats.poisson.pmf(next_count, r)
        for w, r in zip(weights, rates, strict=True)
    )
    np.testing.assert_allclose(
        solved["next_day"](seen, weights, rates), next_count @ joint / joint.sum(), rtol=1e-9
    )


def test_another_right_answer_earns_all_points():
    """Written otherwise, with another log-sum-exp: from the file of wrong answers, before anything is made wrong."""
    others = {
        "poisson_log_density": wrong.log_p,
        "responsibilities": wrong.shares,
        "m_step": wrong.maximum,
        "em": wrong.em,
        "next_day": lambda seen, w, r: wrong.predict(np.log(w) + wrong.summed(seen, r), r),
    }
    for exercise in assignments.with_solutions("A2", SOURCE).exercises:
        for seed in range(10):
            assert judged(exercise, others[exercise.name.split("/")[1]], seed).solved


def test_answers_that_ignore_the_data_earn_little():
    """Constants, and what was given: at most a point of an exercise."""
    lazy = {
        "responsibilities": lambda counts, w, r: [list(w)] * len(counts),
        "m_step": lambda counts, days, shares: (
            [1 / len(shares[0])] * len(shares[0]),
            [1.0] * len(shares[0]),
        ),
        "em": lambda counts, days, w, r, sweeps: (w, r, [-100.0] * (sweeps + 1)),
        "next_day": lambda seen, w, r: w @ r,
    }
    for exercise in assignments.with_solutions("A2", SOURCE).exercises[1:]:
        assert judged(exercise, lazy[exercise.name.split("/")[1]], 0).points <= 1


def judged(exercise, function, seed=0):
    made = core.cases(exercise, np.random.default_rng(seed))
    return core.verdict(exercise, made, core.run_all(function, made, exercise.parameters))


ODD = [
    [],
    [[]],
    0.0,
    np.nan,
    np.inf,
    [np.nan],
    [1.0],
    [0.0, 0.0],
    [[1.0], [1.0, 2.0]],
    [[], []],
    [[1.0]] * 3,
    [[], [], []],
]


@pytest.mark.parametrize("output", ODD)
def test_no_output_however_odd_stops_the_judging(solved, output):
    for known in (assignments.with_solutions("A2", SOURCE), assignments.assignment("A2")):
        for exercise in known.exercises:
            report = judged(exercise, lambda *call: output)
            assert report.results and not report.solved


WITHOUT = """
import json, sys
import numpy as np
hidden = json.loads(sys.argv[1])
class Wall:
    def find_spec(self, name, path=None, target=None):
        if any(name == h or name.startswith(h + ".") for h in hidden):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Wall())
import scipy.special, scipy.optimize, scipy.integrate, scipy.linalg, matplotlib.pyplot
from pathlib import Path
from vaecourse.assignments import solutions
print(len(solutions.from_notebook(Path(sys.argv[2]))))
print([name for name in sys.modules if any(name == h or name.startswith(h + ".") for h in hidden)])
"""


def test_all_that_a_student_may_need_works_without_what_is_hidden(solved):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, json.dumps(poisson_mixture.FORBIDS), str(SOURCE)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == [str(len(solved)), "[]"]


def test_what_is_forbidden_exists():
    """A module that was renamed would stand in the list for nothing."""
    import importlib.util

    assert all(importlib.util.find_spec(name) for name in poisson_mixture.FORBIDS)
