"""The numbers of the EM widget (js/em_math.js, under node) against scikit-learn and the package."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from vaecourse.widgets.gaussian_mixture import EMExplorer, start_at

MOST = 1e-9


@pytest.fixture(scope="module")
def run(node):
    """run(problems) takes (x, means, steps) for each and returns its states, with covariances as (k, 2, 2)."""

    def call(problems) -> list[list[dict]]:
        text = """import { run } from "./em_math.js";
        answer(data.map(([x, means, steps]) => run(Float64Array.from(x), Float64Array.from(means), steps).map(
          ({ mixture, responsibilities, logLikelihood, bound }) => ({ ...mixture, responsibilities, logLikelihood, bound }))));"""
        flat = [[np.ravel(x).tolist(), np.ravel(means).tolist(), steps] for x, means, steps in problems]
        return [[_shaped(state, len(means)) for state in states]
                for states, (_, means, _) in zip(node(text, flat), problems, strict=True)]  # fmt: skip

    return call


def _shaped(state: dict, k: int) -> dict:
    xx, xy, yy = np.array(state["covariances"], dtype=float).reshape(k, 3).T
    found = {
        "weights": np.array(state["weights"], dtype=float),
        "means": np.array(state["means"], dtype=float).reshape(k, 2),
        "covariances": np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2),
        "log_likelihood": state["logLikelihood"],
        "bound": state["bound"],
        "responsibilities": state["responsibilities"],
    }
    if found["responsibilities"] is not None:
        found["responsibilities"] = np.array(found["responsibilities"], dtype=float).reshape(-1, k)
    return found


def _problems(count: int, seed: int, steps: int = 12):
    rng = np.random.default_rng(seed)
    for i in range(count):
        k = 1 + i % 6
        centres, scale = rng.uniform(-4, 4, (k, 2)), np.exp(rng.uniform(-1, 1, 2))
        x = (centres[rng.integers(k, size=160)] + rng.normal(size=(160, 2))) * scale
        yield x, x[rng.choice(len(x), k, replace=False)], steps


def _sklearn(x, start, sweeps: int) -> GaussianMixture:
    model = GaussianMixture(
        len(start.weights), weights_init=start.weights, means_init=start.means,
        precisions_init=np.linalg.inv(start.covariances), reg_covar=1e-6, tol=0, max_iter=sweeps,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x)


def test_every_sweep_agrees_with_scikit_learn_from_the_same_start(run):
    problems = list(_problems(24, seed=1))
    for (x, means, steps), states in zip(problems, run(problems), strict=True):
        start = start_at(x, means)
        for sweeps in (1, 3, steps // 2):
            model, state = _sklearn(x, start, sweeps), states[2 * sweeps]
            np.testing.assert_allclose(state["weights"], model.weights_, rtol=MOST, atol=MOST)
            np.testing.assert_allclose(state["means"], model.means_, rtol=MOST, atol=MOST)
            np.testing.assert_allclose(state["covariances"], model.covariances_, rtol=MOST, atol=MOST)
            assert state["log_likelihood"] == pytest.approx(model.score_samples(x).sum(), rel=MOST)
        np.testing.assert_allclose(
            run([(x, means, steps + 1)])[0][-1]["responsibilities"], model.predict_proba(x), atol=MOST
        )


def test_every_step_agrees_with_the_package(run):
    problems = list(_problems(12, seed=2, steps=9))
    for (x, means, steps), states in zip(problems, run(problems), strict=True):
        for state, ours in zip(states, EMExplorer(x, means=means, step=steps).states(), strict=True):
            for name in ("weights", "means", "covariances"):
                np.testing.assert_allclose(state[name], getattr(ours.mixture, name), rtol=MOST, atol=MOST)
            assert state["log_likelihood"] == pytest.approx(ours.log_likelihood, rel=MOST)
            assert (state["bound"] is None) == (ours.bound is None) == (state["responsibilities"] is None)
            if ours.bound is not None:
                assert state["bound"] == pytest.approx(ours.bound, rel=MOST)
                np.testing.assert_allclose(state["responsibilities"], ours.responsibilities, atol=MOST)


def test_a_component_out_of_reach_gets_no_weight_and_says_so_as_in_python(run):
    x = np.concatenate([np.random.default_rng(5).normal(size=(40, 2)), [[900.0, 0]]]) / 1000
    means = [[0, 0], [0.0, 8.0], [0.9, 0]]
    states, ours = run([(x, means, 7)])[0], EMExplorer(x, means=means, step=7).states()
    assert states[2]["weights"][1] == ours[2].mixture.weights[1] == 0
    for state, python in zip(states, ours, strict=True):
        np.testing.assert_allclose(state["means"], python.mixture.means, rtol=MOST, atol=MOST)
        np.testing.assert_allclose(state["covariances"], python.mixture.covariances, rtol=MOST, atol=MOST)
        assert state["log_likelihood"] == pytest.approx(python.log_likelihood, rel=MOST)


def test_the_bound_counts_shares_of_nothing_and_next_to_nothing_as_in_python(run):
    """In one E step some shares are exactly 0, some about e^-300, and the bound needs all that count."""
    cloud = np.random.default_rng(6).normal(size=(60, 2))
    cases = [(cloud, [[0, 0], [24.0, 0], [900, 900]], 5), (cloud, [[0, 0], [0, 70]], 7)]
    for (x, means, steps), states in zip(cases, run(cases), strict=True):
        r = states[1]["responsibilities"]
        assert (r == 0).any() or ((r > 0) & (r < 1e-100)).any()
        for state, ours in zip(states[1:], EMExplorer(x, means=means, step=steps).states()[1:], strict=True):
            assert state["bound"] == pytest.approx(ours.bound, rel=MOST)
            np.testing.assert_allclose(state["means"], ours.mixture.means, rtol=MOST, atol=MOST)


def test_touch_and_lift(run):
    for states in run(list(_problems(60, seed=3, steps=20))):
        size = abs(states[0]["log_likelihood"])
        assert states[0]["bound"] is None
        for number, (before, now) in enumerate(pairwise(states), start=1):
            if number % 2:  # E: the parameters stay, the bound touches
                assert now["log_likelihood"] == before["log_likelihood"]
                assert now["bound"] == pytest.approx(now["log_likelihood"], rel=1e-12)
            else:  # M: the bound is lifted, and the log-likelihood at least as much
                assert now["bound"] >= before["bound"] - 1e-10 * size
                assert now["log_likelihood"] >= now["bound"] - 1e-10 * size
        first = states[2]
        if len(first["weights"]) > 1:
            assert states[1]["bound"] < first["bound"] < first["log_likelihood"]


def test_extremes_stay_finite_and_right(run):
    rng = np.random.default_rng(4)
    line = np.linspace(0, 1, 30)
    cloud = rng.normal(size=(40, 2))
    far = np.concatenate([1e-2 * cloud, 1e-2 * cloud + 1e6])  # 1e8 standard deviations apart
    cases = {
        "one point": (np.array([[3.0, 4.0]]), [[3.0, 4.0]]),
        "a constant column": (np.stack([line, np.ones(30)], 1), [[0.1, 1], [0.9, 1]]),
        "one point many times": (np.ones((20, 2)), [[1, 1], [1, 1], [1, 1]]),
        "on a line, far out": (np.stack([1e8 * line, 3e8 * line], 1), [[0, 0], [1e8, 3e8]]),
        "far apart": (far, [[0, 0], [1e6, 1e6]]),
        "one component out of reach": (
            np.concatenate([1e-3 * cloud, [[1e6, 0]]]),
            [[0, 0], [5e5, 0], [1e6, 0]],
        ),
    }
    found = dict(zip(cases, run([(x, means, 20) for x, means in cases.values()]), strict=True))
    for name, states in found.items():
        for state in states:
            for part in ("weights", "means", "covariances", "log_likelihood"):
                assert np.isfinite(state[part]).all(), (name, part)
            assert state["weights"].sum() == pytest.approx(1)
    last = found["far apart"][-1]
    np.testing.assert_allclose(last["weights"], 0.5)
    np.testing.assert_allclose(last["means"], [cloud.mean(0) / 100, cloud.mean(0) / 100 + 1e6], rtol=1e-9)
    exact = np.cov(cloud.T, bias=True) / 1e4 + 1e-6 * np.eye(2)
    np.testing.assert_allclose(last["covariances"], [exact, exact], rtol=1e-6)
    np.testing.assert_allclose(found["one point"][-1]["covariances"], [1e-6 * np.eye(2)])


def test_starts_are_points_of_the_data_and_differ(node):
    found = node(
        """import { drawMeans, farthest } from "./em_math.js";
        const x = Float64Array.from(data);
        answer({ draws: [0, 1, 2, 2].map(seed => drawMeans(x, 3, seed)), same: drawMeans(new Float64Array(4), 2, 0),
          far: farthest(x, [0, 0], [10, 1000]) });""",
        [0, 0, 0, 0, 9, 0, 0, 700, 1, 1],
    )
    draws = [[tuple(pair) for pair in np.reshape(draw, (3, 2))] for draw in found["draws"]]
    places = {(0, 0), (9, 0), (0, 700), (1, 1)}
    assert all(len(set(draw)) == 3 and set(draw) <= places for draw in draws)
    assert draws[2] == draws[3] and len({tuple(draw) for draw in draws}) > 1
    assert found["same"] == [0, 0, 0, 0] and found["far"] == [9, 0]  # 0.9 of its range, against 0.7


def test_colours_mix_by_responsibility_and_the_way_between_two_mixtures(node):
    found = node(
        """import { between, mixColours } from "./em_math.js";
        const colours = [[0, 100, 200], [200, 0, 100]];
        const mixture = (w, m, c) => ({ weights: [w], means: [m, 0], covariances: [c, 0, 1] });
        const two = { weights: [0.5, 0.5], means: [0, 0, 1, 1], covariances: [1, 0, 1, 1, 0, 1] };
        answer({ mixed: [0, 2, 4].map(at => mixColours(colours, [1, 0, 0.25, 0.75, 0.5, 0.5], at)),
          half: between(mixture(1, 0, 1), mixture(1, 4, 3), 0.5), end: between(mixture(1, 0, 1), mixture(1, 4, 3), 1),
          other: between(mixture(1, 0, 1), two, 0.5).weights });"""
    )
    assert found["mixed"] == [
        {"colour": "rgb(0,100,200)", "leader": 0},
        {"colour": "rgb(150,25,125)", "leader": 1},
        {"colour": "rgb(100,50,150)", "leader": 0},
    ]
    assert found["half"] == {"weights": [1], "means": [2, 0], "covariances": [2, 0, 1]}
    assert found["end"]["means"] == [4, 0] and found["other"] == [0.5, 0.5]
