"""The solutions of A3 against the exact posterior, SciPy's densities, quadrature and a general optimizer."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import digamma, roots_genlaguerre, roots_hermitenorm

from vaecourse import assignments
from vaecourse.assignments import gaussian_gamma, solutions
from vaecourse.exercises import core

from . import wrong_answers_a3 as wrong
from .test_assignment_a2 import ODD, WITHOUT, judged

SOURCE = Path(__file__).parents[2] / "notebooks" / "assignments" / "A3.ipynb"


@pytest.fixture(scope="module")
def solved():
    return solutions.from_notebook(SOURCE)


def problem(seed):
    """Data, and the prior mu0, beta0, a0, b0."""
    rng = np.random.default_rng(seed)
    data = rng.normal(rng.normal(0, 3), rng.gamma(2.0), int(rng.integers(1, 20)))
    return data, rng.normal(0, 3), *(rng.gamma(2.0, size=3) + 0.1)


def factors(seed):
    rng = np.random.default_rng(1000 + seed)
    return rng.normal(0, 3), *(rng.gamma(2.0, size=3) + 0.3)


def log_joint(data, mu0, beta0, a0, b0, mu, tau):
    """ln p(data, μ, τ) from SciPy's densities; μ and τ are arrays of one shape."""
    x = data.reshape(-1, *[1] * np.ndim(mu))
    likelihood = stats.norm.logpdf(x, mu, tau**-0.5).sum(axis=0)
    prior = stats.norm.logpdf(mu, mu0, (beta0 * tau) ** -0.5)
    return likelihood + prior + stats.gamma.logpdf(tau, a0, scale=1 / b0)


def log_posterior(data, mu0, beta0, a0, b0, mu, tau):
    """The exact normal-gamma posterior (Murphy 2007, section 3.3), from SciPy's densities."""
    n, mean = len(data), data.mean()
    beta, a = beta0 + n, a0 + n / 2
    m = (beta0 * mu0 + n * mean) / beta
    b = b0 + n * data.var() / 2 + beta0 * n * (mean - mu0) ** 2 / (2 * beta)
    return stats.norm.logpdf(mu, m, (beta * tau) ** -0.5) + stats.gamma.logpdf(tau, a, scale=1 / b)


def mean_under(q, f):
    """E_q[f(μ, τ)] for an f that is quadratic in μ and a + b τ + c ln τ in τ: two weighted sums, both exact.

    ln τ is no polynomial: its part is split off by a fit and its mean taken from SciPy's quadrature.
    """
    m, h, a, b = q
    nodes, weights = roots_hermitenorm(8)
    mu, w_mu = m + nodes / np.sqrt(h), weights / weights.sum()
    x, w = roots_genlaguerre(40, a - 1)
    tau, w_tau = x / b, w / w.sum()
    values = w_mu @ f(*np.broadcast_arrays(mu[:, None], tau[None, :]))
    columns = np.column_stack([np.ones_like(tau), tau, np.log(tau)])
    flat, slope, logs = np.linalg.lstsq(columns, values, rcond=None)[0]
    np.testing.assert_allclose(columns @ [flat, slope, logs], values, rtol=1e-7, atol=1e-7)
    log_tau = stats.gamma(a, scale=1 / b).expect(np.log)
    return flat + slope * (w_tau @ tau) + logs * log_tau


def log_q(q, mu, tau):
    m, h, a, b = q
    return stats.norm.logpdf(mu, m, h**-0.5) + stats.gamma.logpdf(tau, a, scale=1 / b)


@pytest.mark.parametrize("seed", range(25))
def test_the_bound_is_the_mean_of_the_logarithms_and_the_evidence_less_a_divergence(solved, seed):
    given, q = problem(seed), factors(seed)
    found = solved["elbo"](*given, *q)
    by_sums = mean_under(q, lambda mu, tau: log_joint(*given, mu, tau) - log_q(q, mu, tau))
    np.testing.assert_allclose(found, by_sums, rtol=1e-6)
    divergence = mean_under(q, lambda mu, tau: log_q(q, mu, tau) - log_posterior(*given, mu, tau))
    np.testing.assert_allclose(found, solved["log_evidence"](*given) - divergence, rtol=1e-6)
    assert divergence > 0


@pytest.mark.parametrize("seed", range(25))
def test_the_evidence_is_that_of_students_t(solved, seed):
    data, mu0, beta0, a0, b0 = problem(seed)
    n = len(data)
    shape = b0 / a0 * (np.eye(n) + 1 / beta0)
    peer = stats.multivariate_t(np.full(n, mu0), shape, df=2 * a0).logpdf(data)
    np.testing.assert_allclose(solved["log_evidence"](data, mu0, beta0, a0, b0), peer, rtol=1e-9)


@pytest.mark.parametrize("seed", range(25))
def test_the_evidence_is_joint_less_posterior_anywhere(solved, seed):
    given, (mu, tau, *_) = problem(seed), factors(seed)
    found = log_joint(*given, mu, tau) - log_posterior(*given, mu, tau)
    np.testing.assert_allclose(solved["log_evidence"](*given), found, rtol=1e-8)


@pytest.mark.parametrize("seed", range(10))
def test_no_optimizer_finds_a_better_factor(solved, seed):
    given, (m, h, a, b) = problem(seed), factors(seed)

    def best(of, start):
        return optimize.minimize(lambda u: -of(u), start, options={"gtol": 1e-8}).x

    u = best(lambda u: solved["elbo"](*given, u[0], np.exp(u[1]), a, b), [m, np.log(h)])
    np.testing.assert_allclose(solved["update_mu"](*given[:3], a / b), [u[0], np.exp(u[1])], rtol=1e-4)
    u = best(lambda u: solved["elbo"](*given, m, h, *np.exp(u)), np.log([a, b]))
    np.testing.assert_allclose(solved["update_tau"](*given, m, h), np.exp(u), rtol=1e-4)


def test_the_bound_never_goes_down_and_ends_below_the_evidence(solved):
    for seed in range(200):
        given = problem(seed)
        bounds = np.array(solved["coordinate_ascent"](*given, 30))[:, 4]
        assert np.all(np.diff(bounds) >= -1e-10 * np.abs(bounds).max())
        assert bounds[-1] < solved["log_evidence"](*given)


@pytest.mark.parametrize("seed", range(20))
def test_what_the_answer_to_question_c_says(solved, seed):
    """Both means are exact; the variance of q(μ) is the share 1 − 1/(a0 + n/2) of that of Student's t."""
    data, mu0, beta0, a0, b0 = problem(seed)
    n = len(data)
    m, h, a, b, _ = solved["coordinate_ascent"](data, mu0, beta0, a0, b0, 200)[-1]
    exact = stats.gamma(a0 + n / 2, scale=1)
    t = stats.t(2 * a0 + n)
    spread = b0 + n * data.var() / 2 + beta0 * n * (data.mean() - mu0) ** 2 / (2 * (beta0 + n))
    np.testing.assert_allclose(m, (beta0 * mu0 + data.sum()) / (beta0 + n), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(a / b, exact.mean() / spread, rtol=1e-7)
    np.testing.assert_allclose(
        a / b**2, exact.var() / spread**2 * (a0 + n / 2) / (a0 + (n + 1) / 2), rtol=1e-7
    )
    if a0 + n / 2 > 1.05:
        true = t.var() * spread / ((a0 + n / 2) * (beta0 + n))
        np.testing.assert_allclose(1 / h / true, 1 - 1 / (a0 + n / 2), rtol=1e-6)


def test_far_from_zero_nothing_changes(solved):
    for seed in range(50):
        data, mu0, *prior = problem(seed)
        here = np.array(solved["coordinate_ascent"](data, mu0, *prior, 20))
        there = np.array(solved["coordinate_ascent"](data + 1e6, mu0 + 1e6, *prior, 20))
        np.testing.assert_allclose(there[:, 0] - 1e6, here[:, 0], atol=1e-8)
        np.testing.assert_allclose(there[:, 1:], here[:, 1:], rtol=1e-7)
        evidence = solved["log_evidence"]
        np.testing.assert_allclose(
            evidence(data + 1e6, mu0 + 1e6, *prior), evidence(data, mu0, *prior), rtol=1e-7
        )


def test_a_vague_prior_divides_by_n_and_an_independent_one_by_n_minus_1(solved):
    data = problem(3)[0]
    assert len(data) > 3
    tied = solved["coordinate_ascent"](data, 0.0, 1e-12, 1e-12, 1e-12, 200)[-1]
    apart = solved["independent_prior"](data, 0.0, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(tied[3] / tied[2], np.var(data), rtol=1e-9)
    np.testing.assert_allclose(apart[3] / apart[2], np.var(data, ddof=1), rtol=1e-9)


def bound_of_independent(data, mu0, h0, a0, b0, m, h, a, b):
    """The ELBO for the independent prior; entropies from SciPy."""
    tau, log_tau = a / b, digamma(a) - np.log(b)
    return (
        len(data) / 2 * (log_tau - np.log(2 * np.pi))
        - tau / 2 * (((data - m) ** 2).sum() + len(data) / h)
        + stats.norm.logpdf(m, mu0, h0**-0.5)
        - h0 / h / 2
        + (a0 - 1) * log_tau
        - b0 * tau
        + stats.norm.entropy(m, h**-0.5)
        + stats.gamma.entropy(a, scale=1 / b)
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_independent_prior_against_an_optimizer_from_several_starts(solved, seed):
    """On inputs as the exercise draws them: the fixed point is the top, and there is one of it."""
    exercise = next(e for e in assignments.with_solutions("A3", SOURCE).exercises if e.stretch)
    made = core.cases(exercise, np.random.default_rng(seed))[-1]
    for (call,) in made:
        given = (np.array(call[0]), *call[1:])
        found = solved["independent_prior"](*given)
        rng = np.random.default_rng(seed)
        for _ in range(3):
            start = np.r_[rng.normal(given[0].mean(), 2), rng.normal(0, 1, 3)]
            end = optimize.minimize(
                lambda u, given=given: -bound_of_independent(*given, u[0], *np.exp(u[1:])),
                start,
                options={"gtol": 1e-7},
            ).x
            np.testing.assert_allclose(found, [end[0], *np.exp(end[1:])], rtol=2e-3, atol=1e-3)
            best = bound_of_independent(*given, *found)
            assert best >= bound_of_independent(*given, end[0], *np.exp(end[1:])) - 1e-8


def test_another_right_answer_earns_all_points():
    """Written otherwise: from the file of wrong answers, before anything is made wrong."""
    others = {
        "update_mu": wrong.update_mu,
        "update_tau": wrong.update_tau,
        "elbo": wrong.elbo,
        "coordinate_ascent": wrong.climb,
        "log_evidence": wrong.evidence,
        "independent_prior": wrong.apart,
    }
    for exercise in assignments.with_solutions("A3", SOURCE).exercises:
        for seed in range(10):
            assert judged(exercise, others[exercise.name.split("/")[1]], seed).solved


def test_answers_that_ignore_the_data_earn_little():
    """Constants, and what was given: at most a point of an exercise."""
    lazy = {
        "update_mu": lambda data, mu0, beta0, tau: (mu0, beta0 * tau),
        "update_tau": lambda data, mu0, beta0, a0, b0, m, h: (a0, b0),
        "elbo": lambda *given: -100.0,
        "coordinate_ascent": lambda *given: [[1.0, 1.0, 1.0, 1.0, float(i)] for i in range(given[-1])],
        "log_evidence": lambda *given: 0.0,
        "independent_prior": lambda data, *prior: prior,
    }
    for exercise in assignments.with_solutions("A3", SOURCE).exercises:
        assert judged(exercise, lazy[exercise.name.split("/")[1]]).points <= 1


@pytest.mark.parametrize("output", [*ODD, [[1.0] * 5], [[1.0] * 5] * 3, [np.inf] * 4, [1.0, -1.0], [0.0] * 4])
def test_no_output_however_odd_stops_the_judging(solved, output):
    for known in (assignments.with_solutions("A3", SOURCE), assignments.assignment("A3")):
        for exercise in known.exercises:
            report = judged(exercise, lambda *call: output)
            assert report.results and not report.solved


def test_all_that_a_student_may_need_works_without_what_is_hidden(solved):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, json.dumps(gaussian_gamma.FORBIDS), str(SOURCE)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == [str(len(solved)), "[]"]


def test_what_is_forbidden_exists():
    assert all(importlib.util.find_spec(name) for name in gaussian_gamma.FORBIDS)
