"""The models with one hidden number: closed forms, adaptive quadrature, identities, gradients, and ascent that never falls."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import comb, expit

from vaecourse import kl_divergence as kl
from vaecourse import one_latent as ol
from vaecourse.one_latent import COIN, LINE, MODELS, SQUARE

ALL = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def _problems(model, count: int, seed: int, low_s: float = -14, high_s: float = 4):
    """Random (x, m, s), over the whole range of x."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        x = rng.uniform(model.x_low, model.x_high)
        yield (
            round(x) if model.x_step else x,
            float(rng.normal(0, 1.5)),
            float(rng.uniform(low_s, high_s)),
        )


def _plain_log_joint(model, x: float, z: float) -> float:
    """ln p(x, z) written again, with SciPy's distributions."""
    log_likelihood = {
        "line": lambda: stats.norm.logpdf(x, 2 * z, 1),
        "square": lambda: stats.norm.logpdf(x, z * z, 0.5),
        "coin": lambda: stats.binom.logpmf(x, 10, expit(2 * z)),
    }[model.name]()
    return float(log_likelihood + stats.norm.logpdf(z))


def _evidence(model, x: float) -> float:
    """p(x) by adaptive quadrature."""
    root = np.sqrt(max(x, 0.0)) if model is SQUARE else 0.0
    return integrate.quad(
        lambda z: np.exp(_plain_log_joint(model, x, z)), -12, 12, points=sorted({-root, 0.0, root, 1.0, 2.0}),
        epsabs=1e-14, epsrel=1e-13, limit=300,
    )[0]  # fmt: skip


@ALL
def test_the_evidence_is_that_of_adaptive_quadrature(model):
    for x, _, _ in _problems(model, 4, seed=1):
        assert ol.log_evidence(model, x) == pytest.approx(np.log(_evidence(model, x)), abs=1e-10)
        z = np.linspace(-2, 2, 9)
        plain = [_plain_log_joint(model, x, each) for each in z]
        np.testing.assert_allclose(ol.log_joint(model, x, z), plain, rtol=1e-12, atol=1e-12)


@ALL
def test_the_likelihood_of_all_x_is_one(model):
    for z in (-1.3, 0.0, 0.4):
        if model is COIN:
            total = sum(np.exp(model.log_likelihood(x, np.array([z])))[0] for x in range(11))
            assert [float(np.exp(model.log_likelihood(k, 0.0))) for k in (0, 5)] == pytest.approx(
                [2**-10, comb(10, 5) / 2**10]
            )
        else:
            total = integrate.quad(lambda x: float(np.exp(model.log_likelihood(x, z))), -20, 20)[0]  # noqa: B023
        assert total == pytest.approx(1, abs=1e-9)


def test_the_line_has_closed_forms():
    for x, m, s in _problems(LINE, 200, seed=2):
        # p(x) = N(0, 5), p(z|x) = N(2x/5, 1/5)
        evidence = stats.norm.logpdf(x, 0, np.sqrt(5))
        gap = kl.gaussian(m, np.exp(s / 2), 2 * x / 5, np.sqrt(1 / 5))
        assert ol.log_evidence(LINE, x) == pytest.approx(evidence, abs=1e-10)
        assert ol.gap(LINE, x, m, s) == pytest.approx(gap, abs=1e-10, rel=1e-11)
        assert ol.elbo(LINE, x, m, s) == pytest.approx(evidence - gap, abs=1e-10, rel=1e-11)
    z = np.linspace(-1, 2, 7)
    np.testing.assert_allclose(
        ol.log_posterior(LINE, 1.5, z), stats.norm.logpdf(z, 0.6, np.sqrt(0.2)), atol=1e-10
    )


@ALL
def test_the_evidence_is_the_elbo_and_the_gap_whatever_q_is(model):
    for x, m, s in _problems(model, 100, seed=3):
        whole = ol.log_evidence(model, x)
        parts = ol.elbo(model, x, m, s), ol.gap(model, x, m, s)
        assert parts[1] >= 0
        assert sum(parts) == pytest.approx(whole, abs=1e-9)


@ALL
def test_the_gap_is_the_divergence_by_adaptive_quadrature(model):
    for x, m, s in _problems(model, 4, seed=4, low_s=-5, high_s=1):
        sd, evidence = np.exp(s / 2), np.log(_evidence(model, x))

        def log_q(z, m=m, sd=sd):
            return stats.norm.logpdf(z, m, sd)

        def log_posterior(z, x=x, evidence=evidence):
            return np.array([_plain_log_joint(model, x, each) - evidence for each in np.ravel(z)])

        expected = kl.quadrature(log_q, log_posterior, m - 12 * sd, m + 12 * sd, points=[m - sd, m, m + sd])
        assert ol.gap(model, x, m, s) == pytest.approx(expected, abs=1e-9, rel=1e-9)


@ALL
def test_the_elbo_comes_apart_in_two_ways(model):
    for x, m, s in _problems(model, 40, seed=5):
        found = ol.terms(model, x, m, s)
        assert found.elbo == ol.elbo(model, x, m, s) and found.gap == ol.gap(model, x, m, s)
        assert found.log_joint == ol.elbo(model, x, m, s, entropy=False)
        assert found.entropy == pytest.approx(stats.norm(m, np.exp(s / 2)).entropy(), abs=1e-12)
        assert found.kl_to_prior == pytest.approx(0.5 * (np.exp(s) - 1 - s + m * m), rel=1e-12, abs=1e-12)
        for whole in (found.log_joint + found.entropy, found.reconstruction - found.kl_to_prior):
            assert whole == pytest.approx(found.elbo, rel=1e-12, abs=1e-10)


@ALL
@pytest.mark.parametrize("entropy", [True, False])
def test_the_gradient_is_that_of_finite_differences(model, entropy):
    for x, m, s in _problems(model, 30, seed=6, low_s=-6, high_s=2):
        h = 1e-4
        moves = [(h, 0.0), (0.0, h)]
        expected = [
            (ol.elbo(model, x, m + a, s + b, entropy) - ol.elbo(model, x, m - a, s - b, entropy)) / (2 * h)
            for a, b in moves
        ]
        np.testing.assert_allclose(ol.elbo_gradient(model, x, m, s, entropy), expected, rtol=1e-6, atol=1e-5)


@ALL
@pytest.mark.parametrize("entropy", [True, False])
def test_ascent_never_falls_and_never_leaves_the_numbers(model, entropy):
    for number, (x, m, s) in enumerate(_problems(model, 20, seed=7)):
        path = ol.climb(model, x, m, s, rate=(0.01, 1.0, 1e6)[number % 3], steps=30, entropy=entropy)
        assert len(path.m) == 31 and (path.m[0], path.s[0]) == (m, s)
        assert all(np.isfinite(each).all() for each in path)
        assert (np.diff(path.objective) >= 0).all() and path.objective[-1] > path.objective[0]
        assert (path.s >= ol.LOWEST_S).all() and np.abs(np.diff(path.s)).max() <= 2 * np.log(2) + 1e-12
        assert path.elbo[-1] == pytest.approx(ol.elbo(model, x, path.m[-1], path.s[-1]), abs=1e-12)
        assert (path.elbo <= ol.log_evidence(model, x) + 1e-9).all()


def test_ascent_closes_the_gap_of_the_line():
    path = ol.climb(LINE, 2.0, -1.0, 0.0)
    assert (path.m[-1], path.s[-1]) == pytest.approx((0.8, np.log(0.2)), abs=1e-6)
    assert ol.gap(LINE, 2.0, path.m[-1], path.s[-1]) < 1e-10


@ALL
def test_without_the_entropy_q_collapses_and_the_elbo_sinks(model):
    x = model.x_default
    path = ol.climb(model, x, -1.0, 0.0, steps=60, entropy=False)
    top = ol.best(model, x, -1.0, 0.0)
    assert path.s[-1] == ol.LOWEST_S
    assert path.elbo[-1] < top.elbo - 4 and ol.gap(model, x, path.m[-1], path.s[-1]) > top.gap + 4
    peak = np.linspace(-3, 3, 60001)
    assert path.objective[-1] == pytest.approx(ol.log_joint(model, x, peak).max(), abs=1e-4)


@ALL
def test_the_best_q_lies_at_the_top_of_its_hill(model):
    for x, m, s in _problems(model, 8, seed=8, low_s=-3, high_s=1):
        found = ol.best(model, x, m, s)
        np.testing.assert_allclose(ol.elbo_gradient(model, x, found.m, found.s), 0, atol=1e-8)
        assert found.elbo + found.gap == pytest.approx(ol.log_evidence(model, x), abs=1e-9)
        assert found.elbo >= ol.climb(model, x, m, s, steps=200).elbo[-1] - 1e-11
        for dm, ds in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
            assert ol.elbo(model, x, found.m + dm, found.s + ds) < found.elbo


def test_the_square_has_two_peaks_of_one_height_and_three_hills():
    x = SQUARE.x_default
    z = np.linspace(-2.5, 2.5, 2001)
    density = np.exp(ol.log_posterior(SQUARE, x, z))
    peaks = z[1:-1][(density[1:-1] > density[:-2]) & (density[1:-1] > density[2:])]
    assert peaks == pytest.approx([-np.sqrt(x - 1 / 8), np.sqrt(x - 1 / 8)], abs=3e-3)
    assert density[1000] < density.max() / 30  # between them, at z = 0
    left, right, both = (ol.best(SQUARE, x, *start) for start in ((-1, -2), (1, -2), (0, 0)))
    assert left.m == pytest.approx(-right.m) and left.elbo == pytest.approx(right.elbo)
    assert both.m == pytest.approx(0, abs=1e-9) and both.gap > left.gap > np.log(2)


def test_the_coin_is_skewed_at_the_edge():
    z = np.linspace(-6, 6, 4001)
    skews = []
    for x in (5, 9, 10):
        density = np.exp(ol.log_posterior(COIN, x, z))
        mean = np.trapezoid(density * z, z)
        sd = np.sqrt(np.trapezoid(density * (z - mean) ** 2, z))
        skews.append(np.trapezoid(density * ((z - mean) / sd) ** 3, z))
    assert skews[0] == pytest.approx(0, abs=1e-9) and 0.2 < skews[1] < skews[2]
    assert ol.best(COIN, 5, 0, 0).gap < ol.best(COIN, 10, 0, 0).gap / 4


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ol.elbo(LINE, 9, 0, 0), "x is 9; the model 'line' takes x from -4 to 4"),
        (lambda: ol.log_evidence(COIN, 2.5), "x is 2.5; in the model 'coin' it is a count"),
        (lambda: ol.gap(LINE, np.nan, 0, 0), "x holds NaN"),
        (lambda: ol.gap(LINE, [1, 2], 0, 0), "x must be one number; it has 2"),
        (lambda: ol.elbo(LINE, 1, 100, 0), "m is 100; q's mean must lie between -20 and 20"),
        (lambda: ol.elbo(LINE, 1, 0, -30), "s is -30; q's log-variance must lie between -14 and 4"),
        (lambda: ol.elbo_gradient(LINE, 1, "a", 0), "m must be numbers"),
        (lambda: ol.climb(LINE, 1, 0, 0, rate=0), "rate is 0; it must be a number above zero"),
        (lambda: ol.climb(LINE, 1, 0, 0, rate=np.nan), "rate is nan"),
        (lambda: ol.climb(LINE, 1, 0, 0, steps=1.5), "steps is 1.5; it must be a whole number"),
        (lambda: ol.log_joint(LINE, 1, [0, np.inf]), "z holds NaN or infinity"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call()
