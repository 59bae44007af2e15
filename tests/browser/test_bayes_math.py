"""The numbers of the Bayesian line (js/bayes_math.js, under node) against the package and against SciPy."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from vaecourse import bayesian_inference as bayes

MOST = 1e-9


@pytest.fixture(scope="module")
def fit(node):
    """fit(problems) takes (points, mean, sd, correlation, noise, x) for each and returns what the browser computes."""

    def call(problems) -> list[dict]:
        text = """import { averageAt, gaussianBelief, leastSquaresLine, linePosterior, predictiveSd, spreads } from "./bayes_math.js";
        answer(data.map(([points, mean, sd, correlation, noise, xs]) => {
          const belief = linePosterior(points, gaussianBelief(mean, sd, correlation), noise);
          return { ...belief, sd: spreads(belief), best: leastSquaresLine(points),
            average: xs.map(x => averageAt(belief, x)), spread: xs.map(x => predictiveSd(belief, noise, x)) };
        }));"""
        return node(text, [[np.asarray(part, float).tolist() for part in problem] for problem in problems])

    return call


def _problems(count: int, seed: int):
    rng = np.random.default_rng(seed)
    for i in range(count):
        points = rng.normal(rng.uniform(-3, 3, 2), np.exp(rng.uniform(-1, 1, 2)), (i % 20, 2))
        sd, noise = np.exp(rng.uniform(-2, 2, 2)), np.exp(rng.uniform(-2, 1))
        yield points, rng.normal(size=2), sd, rng.uniform(-0.99, 0.99), noise, np.array([-4.0, 0.3, 5.0])


def _prior(mean, sd, correlation) -> bayes.Gaussian:
    return bayes.Gaussian(np.array(mean), np.outer(sd, sd) * [[1, correlation], [correlation, 1]])


def _factor(found: dict) -> np.ndarray:
    a, b, c = found["factor"]
    return np.array([[a, 0], [b, c]])


def test_posterior_evidence_and_prediction_agree_with_the_package(fit):
    problems = list(_problems(200, seed=1))
    for (points, mean, sd, correlation, noise, xs), found in zip(problems, fit(problems), strict=True):
        prior, design = _prior(mean, sd, correlation), np.stack([np.ones(len(points)), points[:, 0]], 1)
        belief, evidence = prior, 0.0
        if len(points):
            belief = bayes.linear_posterior(design, points[:, 1], prior, noise)
            evidence = bayes.linear_log_evidence(design, points[:, 1], prior, noise)
        np.testing.assert_allclose(found["mean"], belief.mean, rtol=MOST, atol=MOST)
        factor = _factor(found)
        np.testing.assert_allclose(factor @ factor.T, belief.covariance, rtol=MOST, atol=MOST)
        np.testing.assert_allclose(found["sd"], np.sqrt(np.diag(belief.covariance)), rtol=MOST)
        assert found["logEvidence"] == pytest.approx(evidence, rel=MOST, abs=MOST)
        expected = bayes.linear_predictive(np.stack([np.ones(3), xs], 1), belief, noise)
        np.testing.assert_allclose(found["average"], expected.mean, rtol=MOST, atol=MOST)
        np.testing.assert_allclose(found["spread"], expected.sd, rtol=MOST)


def test_the_evidence_is_that_of_the_joint_gaussian_of_all_points(fit):
    problems = [problem for problem in _problems(60, seed=2) if len(problem[0])]
    for (points, mean, sd, correlation, noise, _), found in zip(problems, fit(problems), strict=True):
        prior, design = _prior(mean, sd, correlation), np.stack([np.ones(len(points)), points[:, 0]], 1)
        joint = noise**2 * np.eye(len(points)) + design @ prior.covariance @ design.T
        expected = multivariate_normal(design @ prior.mean, joint).logpdf(points[:, 1])
        assert found["logEvidence"] == pytest.approx(expected, rel=1e-8)


def test_the_order_of_the_points_does_not_matter_but_each_one_sharpens(fit):
    points, *rest = list(_problems(20, seed=3))[19]
    one, other = fit([(points, *rest), (points[::-1], *rest)])
    np.testing.assert_allclose(one["mean"], other["mean"], rtol=MOST)
    np.testing.assert_allclose(one["factor"], other["factor"], rtol=MOST)
    areas = [np.linalg.det(_factor(found)) for found in fit([(points[:n], *rest) for n in range(20)])]
    assert (np.diff(areas) < 0).all()


def test_least_squares_agrees_with_numpy_and_is_none_where_there_are_many(fit):
    problems = list(_problems(40, seed=4))
    for (points, *_), found in zip(problems, fit(problems), strict=True):
        if len(points) < 2:
            assert found["best"] is None
        else:
            expected = np.polynomial.polynomial.polyfit(*points.T, 1)
            np.testing.assert_allclose(found["best"], expected, rtol=1e-8, atol=1e-8)
    upright, level = fit(
        [([[2, 1], [2, 5]], [0, 0], [1, 1], 0, 1, []), ([[1, 4], [3, 4]], [0, 0], [1, 1], 0, 1, [])]
    )
    assert upright["best"] is None and level["best"] == [4, 0]


def test_a_prior_too_wide_to_say_anything_gives_least_squares_and_keeps_its_digits(fit):
    points = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 4.0], [3.0, 8.0]])
    (found,) = fit([(points, [0, 0], [1e6, 1e6], 0, 1e-2, [])])
    np.testing.assert_allclose(found["mean"], found["best"], rtol=1e-9)
    design = np.stack([np.ones(4), points[:, 0]], 1)
    np.testing.assert_allclose(found["factor"], np.linalg.cholesky(1e-4 * np.linalg.inv(design.T @ design))[[0, 1, 1], [0, 0, 1]], rtol=1e-9)  # fmt: skip
    far = np.array([[1900.0, 1.0], [1950.0, 2.0], [2020.0, 3.0]])  # far from the origin
    (found,) = fit([(far, [0, 0], [1e3, 1e3], 0.5, 1e-3, [])])
    exact = bayes.linear_posterior(
        np.stack([np.ones(3), far[:, 0]], 1), far[:, 1], _prior([0, 0], np.array([1e3, 1e3]), 0.5), 1e-3
    )
    np.testing.assert_allclose(found["mean"], exact.mean, rtol=1e-7)
    np.testing.assert_allclose(_factor(found) @ _factor(found).T, exact.covariance, rtol=1e-6)


def test_lines_are_mean_plus_factor_times_noise_and_beliefs_glide(node):
    found = node(
        """import { beliefBetween, drawLines } from "./bayes_math.js";
        const [from, to] = [{ mean: [0, 0], factor: [1, 0, 1] }, { mean: [2, 4], factor: [0.5, -1, 3] }];
        answer({ lines: drawLines(to, [0, 0, 1, 0, 0, 1, 2, -1]), half: beliefBetween(from, to, 0.5), end: beliefBetween(from, to, 1) });"""
    )
    assert found["lines"] == [[2, 4], [2.5, 3], [2, 7], [3, -1]]
    assert found["half"] == {"mean": [1, 2], "factor": [0.75, -0.5, 2]} and found["end"]["mean"] == [2, 4]
