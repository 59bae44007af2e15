"""The numbers of the mean-field widget (js/mean_field_math.js, under node) against plain NumPy and the package."""

import numpy as np
import pytest

from vaecourse import mean_field as mf

MOST = 1e-9


def _problems(count: int, seed: int):
    """Targets and starts at random, a tenth of them at the ends of the correlation's range."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        rho = [0.99, -0.99][i % 2] if i % 10 == 0 else rng.uniform(-0.99, 0.99)
        sds, mean = np.exp(rng.uniform(-1.3, 1.3, 2)), rng.normal(0, 5, 2)
        start = mf.Factorized(mean + sds * rng.uniform(-4, 4, 2), (sds * np.exp(rng.uniform(-2, 2, 2))) ** 2)
        yield rho, sds, mean, start


def _covariance(rho: float, sds) -> np.ndarray:
    return np.outer(sds, sds) * [[1, rho], [rho, 1]]


def _p(rho, sds, mean) -> dict:
    return {"correlation": rho, "sds": list(sds), "mean": list(mean)}


def _q(q: mf.Factorized) -> dict:
    return {"means": list(q.means), "variances": list(q.variances)}


def _kl(mean, covariance, other_mean, other) -> float:
    """KL(N(mean, covariance)‖N(other_mean, other)) by matrices: ½ (tr(B⁻¹A) + dᵀB⁻¹d − k + ln det B − ln det A)."""
    d = other_mean - mean
    inner = np.trace(np.linalg.solve(other, covariance)) + d @ np.linalg.solve(other, d) - len(d)
    return 0.5 * (inner + np.linalg.slogdet(other)[1] - np.linalg.slogdet(covariance)[1])


@pytest.fixture(scope="module")
def runs(node):
    """runs(problems, steps, first): for each the path, the ELBOs and KL(p‖q) along it, and what belongs to p alone."""

    def call(problems, steps: int, first: int = 1) -> list[dict]:
        text = """import { ascend, elboOf, forwardFit, keptVariance, klBoth, leastDivergence, leftToGain } from "./mean_field_math.js";
        answer(data.problems.map(([p, start]) => {
          const path = ascend(p, start, data.first, data.steps);
          return { path, elbos: path.map(q => elboOf(p, q)), pq: path.map(q => klBoth(p, q).pq), qp: path.map(q => klBoth(p, q).qp),
            kept: keptVariance(p), least: leastDivergence(p), forward: forwardFit(p), gains: path.map(q => leftToGain(p, q)) };
        }));"""
        given = [[_p(rho, sds, mean), _q(start)] for rho, sds, mean, start in problems]
        return node(text, {"problems": given, "steps": steps, "first": first})

    return call


def test_both_divergences_are_those_of_the_matrices(runs):
    problems = list(_problems(60, seed=1))
    for (rho, sds, mean, _), found in zip(problems, runs(problems, 3), strict=True):
        covariance = _covariance(rho, sds)
        for q, qp, pq, elbo in zip(found["path"], found["qp"], found["pq"], found["elbos"], strict=True):
            spread = np.diag(q["variances"])
            assert qp == pytest.approx(
                _kl(np.array(q["means"]), spread, mean, covariance), rel=MOST, abs=MOST
            )
            assert pq == pytest.approx(
                _kl(mean, covariance, np.array(q["means"]), spread), rel=MOST, abs=MOST
            )
            assert elbo == -qp


@pytest.mark.parametrize("first", [1, 2])
def test_every_update_agrees_with_the_package(runs, first):
    problems = list(_problems(40, seed=2))
    for (rho, sds, mean, q), found in zip(problems, runs(problems, 7, first), strict=True):
        covariance = _covariance(rho, sds)
        for step, (ours, elbo) in enumerate(zip(found["path"], found["elbos"], strict=True)):
            if step:
                q = mf.update(q, mean, covariance, (first - 1 + step - 1) % 2)
            np.testing.assert_allclose(ours["means"], q.means, rtol=MOST, atol=MOST)
            np.testing.assert_allclose(ours["variances"], q.variances, rtol=MOST)
            assert elbo == pytest.approx(mf.elbo(q, mean, covariance), rel=MOST, abs=MOST)


def test_an_update_is_the_best_answer_to_the_other_factor(runs):
    """No q₁ near the updated one has a smaller KL(q‖p), by plain NumPy: the update is exact, not a step downhill."""
    problems = list(_problems(20, seed=3))
    for (rho, sds, mean, _), found in zip(problems, runs(problems, 1), strict=True):
        best, covariance = found["path"][1], _covariance(rho, sds)
        lowest = found["qp"][1]
        for shift, factor in ((0.01, 1), (-0.01, 1), (0, 1.02), (0, 0.98)):
            means = np.add(best["means"], [shift * sds[0], 0])
            variances = np.array(best["variances"]) * [factor, 1]
            assert _kl(means, np.diag(variances), mean, covariance) > lowest


def test_the_elbo_never_goes_down_and_ends_at_the_best_product(runs):
    problems = list(_problems(240, seed=4))
    for (rho, sds, mean, _), found in zip(problems, runs(problems, 60), strict=True):
        elbos, gains = np.array(found["elbos"]), np.array(found["gains"])
        assert (np.diff(elbos) >= -1e-10 * np.abs(elbos[:-1])).all() and (gains >= -1e-10).all()
        # what another update would gain bounds what is gained next
        assert (np.diff(elbos) <= gains[:-1] + 1e-10 * np.abs(elbos[:-1])).all()
        assert elbos.max() <= -found["least"] + 1e-10
        assert found["least"] == pytest.approx(-0.5 * np.log1p(-(rho**2)), rel=MOST)
        covariance = _covariance(rho, sds)
        if abs(rho) < 0.7:
            end = mf.reverse_fit(mean, covariance)
            np.testing.assert_allclose(found["path"][-1]["means"], end.means, atol=1e-7)
            assert elbos[-1] == pytest.approx(-found["least"], abs=1e-8)
        np.testing.assert_allclose(found["path"][-1]["variances"] / sds**2, found["kept"], rtol=MOST)
        np.testing.assert_allclose(found["kept"], mf.lost_variance(covariance), rtol=MOST)


def test_a_sweep_leaves_rho_squared_of_the_means_error(runs):
    problems = [each for each in _problems(40, seed=5) if abs(each[0]) > 0.3]
    for (rho, _, mean, _), found in zip(problems, runs(problems, 9), strict=True):
        errors = np.array([q["means"] for q in found["path"]]) - mean
        for before, after in ((2, 4), (4, 6), (3, 5)):
            np.testing.assert_allclose(errors[after], rho**2 * errors[before], rtol=1e-6)


def test_the_forward_fit_has_the_marginals_and_the_least_kl_of_p_from_q(runs):
    problems = list(_problems(20, seed=6))
    fits = [mf.forward_fit(mean, _covariance(rho, sds)) for rho, sds, mean, _ in problems]
    at_fits = runs([(*target, fit) for (*target, _), fit in zip(problems, fits, strict=True)], 0)
    for fit, there, found in zip(fits, at_fits, runs(problems, 2), strict=True):
        np.testing.assert_allclose(found["forward"]["means"], fit.means)
        np.testing.assert_allclose(found["forward"]["variances"], fit.variances)
        assert there["pq"][0] == pytest.approx(found["least"], rel=MOST) and there["pq"][0] < min(found["pq"])


def test_without_correlation_one_sweep_is_all_and_nothing_is_lost(runs):
    start = mf.Factorized(np.array([3.0, -2.0]), np.array([4.0, 0.1]))
    found = runs([(0.0, np.array([1.0, 2.0]), np.array([1.0, 1.0]), start)], 4)[0]
    assert found["path"][2] == found["path"][4] == {"means": [1, 1], "variances": [1, 4]}
    assert found["elbos"][2] == 0 and found["least"] == 0 and found["kept"] == 1 and found["gains"][2] == 0


def test_the_way_between_two_q_and_what_python_would_refuse(node):
    found = node(
        """import { factorOf, onTheWay, within } from "./mean_field_math.js";
        const [a, b] = [{ means: [0, 0], variances: [1, 4] }, { means: [4, 2], variances: [9, 4] }];
        const p = { mean: [1, 1], sds: [1, 2], correlation: 0 };
        answer({ half: onTheWay(a, b, 0.5), end: onTheWay(a, b, 1), factors: [[1, 1], [2, 1], [3, 1], [1, 2], [2, 2]].map(each => factorOf(...each)),
          kept: within(p, a), held: within(p, { means: [99, -99], variances: [1e6, 1e-6] }) });"""
    )
    assert found["half"] == {"means": [2, 1], "variances": [4, 4]}
    assert found["end"] == {"means": [4, 2], "variances": [9, 4]}
    assert found["factors"] == [0, 1, 0, 1, 0]
    assert found["kept"] == {"means": [0, 0], "variances": [1, 4]}
    assert found["held"] == {"means": [21, -39], "variances": [400, pytest.approx(0.01)]}
