"""The numbers of the KL widgets (js/kl_math.js, under node) against SciPy, closed forms and the package."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate
from scipy.special import rel_entr

from vaecourse import kl_divergence as kl
from vaecourse.widgets.kl_divergence import DensityExplorer


@pytest.fixture(scope="module")
def js(node):
    """js(name, list of argument lists) calls a function of kl_math.js for each; "inf" and "nan" come back as floats."""

    def call(name: str, calls: list) -> list:
        text = """import * as math from "./kl_math.js";
        const plain = value => JSON.parse(JSON.stringify(value, (key, part) =>
          typeof part === "number" && !Number.isFinite(part) ? String(part) : part));
        const { name, calls } = data;
        answer(calls.map(each => plain(math[name](...each))));"""
        return _numbers(node(text, {"name": name, "calls": calls}))

    return call


def _numbers(value):
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    if isinstance(value, dict):
        return {key: _numbers(each) for key, each in value.items()}
    return (
        {"Infinity": np.inf, "-Infinity": -np.inf, "NaN": np.nan}.get(value, value)
        if isinstance(value, str)
        else value
    )


def _random_pairs(count: int, seed: int = 1):
    rng = np.random.default_rng(seed)
    for i in range(count):
        k = 1 + i % 2
        weights = rng.dirichlet(np.full(k, 3.0)).tolist()
        p = {
            "weights": weights,
            "means": rng.uniform(-5, 5, k).tolist(),
            "sds": np.exp(rng.uniform(-1.5, 1.2, k)).tolist(),
        }
        yield p, {"mean": rng.uniform(-5, 5), "sd": float(np.exp(rng.uniform(-1.5, 1.2)))}


def _log_normal(x, mean, sd):
    return -0.5 * ((x - mean) / sd) ** 2 - math.log(sd) - 0.5 * math.log(2 * math.pi)


def _log_densities(p, q):
    def log_p(x):
        parts = zip(p["weights"], p["means"], p["sds"], strict=True)
        logs = [math.log(w) + _log_normal(x, m, s) for w, m, s in parts]
        return max(logs) + math.log(sum(math.exp(each - max(logs)) for each in logs))

    return log_p, lambda x: _log_normal(x, q["mean"], q["sd"])


def _scipy(p, q, part=lambda value: value) -> tuple[float, float]:
    """∫ part(p log(p/q)) and the other way round, by scipy's adaptive quadrature between many marks."""
    logs = _log_densities(p, q)
    means, sds = np.append(p["means"], q["mean"]), np.append(p["sds"], q["sd"])
    marks = np.unique(np.multiply.outer([-13, -7, -4, -2, -1, 0, 1, 2, 4, 7, 13], sds) + means)
    results = []
    for log_a, log_b in (logs, logs[::-1]):

        def term(x, log_a=log_a, log_b=log_b):
            return part(math.exp(log_a(x)) * (log_a(x) - log_b(x)))

        pieces = [
            integrate.quad(term, low, high, epsabs=1e-12, epsrel=1e-10, limit=200)[0]
            for low, high in pairwise(marks)
        ]
        results.append(math.fsum(pieces))
    return tuple(results)


# The numbers of the densities


def test_both_divergences_agree_with_scipy_quadrature(js):
    pairs = list(_random_pairs(24))
    for (p, q), found in zip(pairs, js("divergences", pairs), strict=True):
        np.testing.assert_allclose((found["pq"], found["qp"]), _scipy(p, q), rtol=1e-9, atol=1e-11)


def test_one_peak_agrees_with_the_closed_form_near_and_far(js):
    cases = [
        (0, 1, 0, 1),
        (0, 1, 1e-4, 1),
        (0, 1, 0, 1.0001),
        (1, 2, -3, 0.5),
        (0, 1e-3, 0, 1e3),
        (0, 1e3, 5, 1e-3),
        (900, 1, -900, 1),
    ]
    pairs = [({"weights": [1], "means": [a], "sds": [b]}, {"mean": c, "sd": d}) for a, b, c, d in cases]
    for (a, b, c, d), found in zip(cases, js("divergences", pairs), strict=True):
        np.testing.assert_allclose(found["pq"], kl.gaussian(a, b, c, d), rtol=1e-9, atol=1e-25)
        np.testing.assert_allclose(found["qp"], kl.gaussian(c, d, a, b), rtol=1e-9, atol=1e-25)


def test_the_shaded_parts_are_the_positive_and_the_negative_part_of_the_integral(js):
    pairs = list(_random_pairs(8, seed=2))
    for (p, q), found in zip(pairs, js("divergences", pairs), strict=True):
        above, below = _scipy(p, q, lambda v: max(v, 0)), _scipy(p, q, lambda v: min(v, 0))
        np.testing.assert_allclose([found["pqAbove"], found["qpAbove"]], above, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose([found["pqBelow"], found["qpBelow"]], below, rtol=1e-7, atol=1e-9)
        assert found["pqAbove"] + found["pqBelow"] == pytest.approx(found["pq"], abs=1e-9)


def test_extremes_are_finite_and_never_nan(js):
    far = [-1e3, -1, 0, 1e-3, 1e3]
    wide = [1e-3, 1e-1, 1, 1e3]
    rng = np.random.default_rng(3)
    pairs = [
        (
            {
                "weights": [w, 1 - w],
                "means": rng.choice(far, 2).tolist(),
                "sds": rng.choice(wide, 2).tolist(),
            },
            {"mean": rng.choice(far), "sd": rng.choice(wide)},
        )
        for w in rng.choice([1e-6, 0.5, 0.95], 300).tolist()
    ]
    found = np.array([[each["pq"], each["qp"]] for each in js("divergences", pairs)])
    assert np.isfinite(found).all() and (found >= 0).all() and found.max() > 1e10


def test_extreme_mixtures_agree_with_scipy(js):
    pairs = [
        ({"weights": [0.5, 0.5], "means": [-5, 5], "sds": [0.05, 2]}, {"mean": 0, "sd": 3}),
        ({"weights": [0.01, 0.99], "means": [0, 0], "sds": [0.01, 5]}, {"mean": 1, "sd": 0.3}),
        ({"weights": [0.3, 0.7], "means": [-40, 40], "sds": [1, 1]}, {"mean": 0, "sd": 30}),
    ]
    for (p, q), found in zip(pairs, js("divergences", pairs), strict=True):
        np.testing.assert_allclose((found["pq"], found["qp"]), _scipy(p, q), rtol=1e-8)


def test_the_integrand_is_right_in_the_tails_and_zero_where_p_is(js):
    p, q = {"weights": [0.5, 0.5], "means": [0, 60], "sds": [1, 1]}, {"mean": 0, "sd": 1}
    log_p, log_q = _log_densities(p, q)
    term = js("integrand", [[log_p(60), log_q(60)], [-1e9, 0], [-1e9, -2e9]])
    assert term[0] == pytest.approx(0.5 / np.sqrt(2 * np.pi) * (np.log(0.5) + 1800), rel=1e-12)
    assert term[1:] == [0, 0]


def test_the_best_q_for_kl_p_q_has_the_moments_of_p(js):
    cases = [[p] for p, _ in _random_pairs(6, seed=4)]
    for [p], found in zip(cases, js("bestForward", cases), strict=True):
        fit = kl.forward_fit(p["weights"], p["means"], p["sds"])
        np.testing.assert_allclose([found["mean"], found["sd"]], [fit.mean, fit.sd], rtol=1e-12)


def test_the_best_q_for_kl_q_p_agrees_with_scipy_and_lists_real_valleys(js):
    peaks = [
        {"weights": [0.4, 0.6], "means": [-2.5, 2.5], "sds": [0.7, 1.0]},
        {"weights": [0.7, 0.3], "means": [-3, 2], "sds": [1.2, 0.5]},
        {"weights": [0.5, 0.5], "means": [-1, 1], "sds": [1, 1]},
        {"weights": [1], "means": [2], "sds": [0.3]},
    ]
    for p, valleys in zip(peaks, js("bestReverse", [[p] for p in peaks]), strict=True):
        best = kl.reverse_fit(p["weights"], p["means"], p["sds"])
        assert valleys[0]["kl"] == pytest.approx(max(best.divergence, 0), abs=1e-9)
        np.testing.assert_allclose(
            [valleys[0]["mean"], valleys[0]["sd"]], [best.mean, best.sd], rtol=1e-5, atol=1e-6
        )
        assert [v["kl"] for v in valleys] == sorted(v["kl"] for v in valleys)
        for valley in valleys:
            around = [
                (p, {"mean": valley["mean"] + a, "sd": valley["sd"] * b})
                for a in (-0.02, 0, 0.02)
                for b in (0.98, 1, 1.02)
            ]
            depths = [each["qp"] for each in js("divergences", around)]
            assert min(depths) >= valley["kl"] - 1e-9 and depths[4] == pytest.approx(valley["kl"], abs=1e-9)
    assert len(js("bestReverse", [[peaks[0]]])[0]) == 2


def test_equal_valleys_are_always_told_in_the_same_order(js):
    p = {"weights": [0.5, 0.5], "means": [-3, 3], "sds": [0.8, 0.8]}
    first, again = js("bestReverse", [[p], [p]])
    assert first == again and first[0]["mean"] < 0


# The numbers of the bars


def test_discrete_divergence_and_terms_agree_with_scipy(js):
    rng = np.random.default_rng(5)
    pairs = [rng.dirichlet(np.ones(6), 2) for _ in range(20)]
    pairs += [
        np.array([[0.5, 0.5, 0], [0.25, 0.5, 0.25]]),
        np.array([[1, 0], [0, 1]]),
        np.array([[1e-300, 1], [1, 1e-300]]),
    ]
    calls = [pair.tolist() for pair in pairs]
    for (p, q), total, terms in zip(pairs, js("discrete", calls), js("terms", calls), strict=True):
        np.testing.assert_allclose(total, rel_entr(p, q).sum(), rtol=1e-12)
        np.testing.assert_allclose(terms, rel_entr(p, q), rtol=1e-12)
    near = np.array([0.2, 0.3, 0.5]), np.array([0.2 + 1e-9, 0.3 - 1e-9, 0.5])
    assert (
        0
        <= js("discrete", [[each.tolist() for each in near]])[0]
        == pytest.approx(0.5 * (1e-18 / 0.2 + 1e-18 / 0.3), rel=1e-3)
    )


def test_the_others_share_the_rest_in_proportion(js):
    start = [0.5, 0.2, 0.3, 0.0]
    to_zero, to_one, up, beyond, alone = js(
        "reweigh", [[start, 0, 0], [start, 0, 1], [start, 1, 0.6], [start, 1, 1.7], [[1, 0, 0], 0, 0.4]]
    )
    assert to_zero == pytest.approx([0, 0.4, 0.6, 0]) and to_one == [1, 0, 0, 0]
    assert up == pytest.approx([0.25, 0.6, 0.15, 0]) and beyond == [0, 1, 0, 0]
    assert alone == pytest.approx([0.4, 0.3, 0.3])


def test_axes_and_numbers(js):
    assert js("ladder", [[0.3], [0.5], [7], [1000], [0, 0.1], [np.e * 1e-7]]) == [
        0.5,
        0.5,
        10,
        1000,
        0.1,
        5e-7,
    ]
    assert js("format", [[1.23456], [-0.5], [-0.0001], [1234567], [2.5, 1]]) == [
        "1.235",
        "−0.500",
        "0.000",
        "1.235e+6",
        "2.5",
    ]


def test_divergences_of_the_widget_agree_with_its_own_browser_numbers(js):
    for p, q in [
        *_random_pairs(4, seed=6),
        ({"weights": [0.5, 0.5], "means": [-900, 3], "sds": [1e-3, 1e3]}, {"mean": 5, "sd": 0.01}),
    ]:
        widget = DensityExplorer(p["means"], p["sds"], p["weights"], q["mean"], q["sd"])
        found = js("divergences", [[p, q]])[0]
        np.testing.assert_allclose(widget.divergences(), (found["pq"], found["qp"]), rtol=1e-7)
