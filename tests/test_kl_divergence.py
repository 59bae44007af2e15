"""The KL divergence against quadrature, Monte Carlo, SciPy and torch; its properties; its extremes; bad input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vaecourse import kl_divergence as kl

sizes = st.integers(2, 30)
seeds = st.integers(0, 2**32 - 1)


def two_distributions(seed: int, k: int, zeros: bool = False):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k))
    if zeros:
        p[rng.integers(k)] = 0
        p /= p.sum()
    return p, q


def log_gaussian(mean, sd):
    return lambda x: kl.gaussian_log_density(x, mean, sd)


# Discrete


@given(seeds, sizes, st.booleans())
def test_categorical_agrees_with_scipy(seed, k, zeros):
    p, q = two_distributions(seed, k, zeros)
    assert kl.categorical(p, q) == pytest.approx(stats.entropy(p, q), rel=1e-9, abs=1e-12)


def test_categorical_agrees_with_torch():
    p, q = two_distributions(0, 12)
    P, Q = (torch.distributions.Categorical(torch.tensor(v)) for v in (p, q))
    assert kl.categorical(p, q) == pytest.approx(torch.distributions.kl_divergence(P, Q).item(), rel=1e-9)


@given(seeds, sizes)
def test_never_negative_and_zero_only_for_equal(seed, k):
    p, q = two_distributions(seed, k)
    assert kl.categorical(p, q) > 0
    assert kl.categorical(p, p) == 0


@given(seeds, sizes)
def test_cross_entropy_is_entropy_plus_divergence(seed, k):
    p, q = two_distributions(seed, k, zeros=True)
    assert kl.cross_entropy(p, q) == pytest.approx(kl.entropy(p) + kl.categorical(p, q), rel=1e-12)


def test_zeros_are_handled_as_limits():
    assert kl.categorical([0, 1], [0.5, 0.5]) == pytest.approx(np.log(2), rel=1e-15)
    assert kl.categorical([0.5, 0.5], [0, 1]) == np.inf
    assert kl.categorical([0, 1], [1, 0]) == np.inf
    assert kl.categorical([0, 1], [0, 1]) == 0
    assert kl.cross_entropy([0.5, 0.5], [0, 1]) == np.inf
    assert kl.entropy([0, 1]) == 0


def test_categorical_broadcasts_over_rows():
    p, q = np.random.default_rng(0).dirichlet(np.ones(4), (2, 5)), np.full(4, 0.25)
    assert kl.categorical(p, q).shape == (2, 5)
    assert kl.categorical(p, q)[1, 3] == kl.categorical(p[1, 3], q)


def test_one_coin_in_bits_by_hand():
    # ½·log2(½/¼) + ½·log2(½/¾) = ½ + ½·log2(2/3)
    assert kl.bits(kl.categorical([0.5, 0.5], [0.25, 0.75])) == pytest.approx(
        0.5 + 0.5 * np.log2(2 / 3), rel=1e-14
    )


# Gaussian


@settings(deadline=None)
@given(st.floats(-5, 5), st.floats(0.1, 10), st.floats(-5, 5), st.floats(0.1, 10))
def test_gaussian_agrees_with_quadrature_and_torch(mp, sp, mq, sq):
    closed = float(kl.gaussian(mp, sp, mq, sq))
    integral = kl.quadrature(
        log_gaussian(mp, sp), log_gaussian(mq, sq), mp - 12 * sp, mp + 12 * sp, points=[mp]
    )
    P, Q = (torch.distributions.Normal(*torch.tensor(v, dtype=torch.float64)) for v in ((mp, sp), (mq, sq)))
    assert closed == pytest.approx(integral, rel=1e-9, abs=1e-12)
    assert closed == pytest.approx(torch.distributions.kl_divergence(P, Q).item(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("sp", [1e-12, 1e-6, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("sq", [1e-12, 1e-6, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("gap", [0.0, 1e-9, 1.0, 1e9])
def test_gaussian_at_extremes_agrees_with_exact_arithmetic(sp, sq, gap):
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 80
    a, b, d = mpmath.mpf(sp), mpmath.mpf(sq), mpmath.mpf(gap)
    exact = mpmath.log(b / a) + (a**2 + d**2) / (2 * b**2) - mpmath.mpf(1) / 2
    assert float(kl.gaussian(0.0, sp, gap, sq)) == pytest.approx(float(exact), rel=1e-9, abs=0)


@pytest.mark.parametrize("u", [1e-3, 1e-5, 1e-8, -1e-5, 9.9e-3, 1.01e-2])
def test_gaussian_keeps_its_digits_near_equality(u):
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 60
    ratio = mpmath.mpf(1 + u)
    exact = (ratio**2 - 1) / 2 - mpmath.log(ratio)
    assert float(kl.gaussian(0, 1 + u, 0, 1)) == pytest.approx(float(exact), rel=1e-9)


def test_gaussian_overflows_to_infinity_and_never_to_nan():
    assert kl.gaussian(0, 1e200, 0, 1e-200) == np.inf
    assert kl.gaussian(1e300, 1, -1e300, 1) == np.inf
    assert not np.isnan(kl.gaussian(0, [1e-300, 1e300], 0, [[1e-300], [1e300]])).any()


def test_multivariate_reduces_to_one_dimension():
    value = kl.multivariate_gaussian([1.0], [[4.0]], [0.5], [[9.0]])
    assert value == pytest.approx(float(kl.gaussian(1, 2, 0.5, 3)), rel=1e-12)


@pytest.mark.parametrize("d", [2, 5, 50, 500])
def test_multivariate_agrees_with_torch(d):
    rng = np.random.default_rng(d)
    a, b = (rng.normal(size=(d, 2 * d)) for _ in range(2))
    sp, sq, mp, mq = a @ a.T / d, b @ b.T / d, rng.normal(size=d), rng.normal(size=d)
    P, Q = (torch.distributions.MultivariateNormal(*map(torch.tensor, v)) for v in ((mp, sp), (mq, sq)))
    expected = torch.distributions.kl_divergence(P, Q).item()
    assert kl.multivariate_gaussian(mp, sp, mq, sq) == pytest.approx(expected, rel=1e-9)


def test_multivariate_in_500_dimensions_where_a_determinant_is_zero_in_floating_point():
    small = 0.01 * np.eye(512)
    assert np.linalg.det(small) == 0
    assert kl.multivariate_gaussian(np.zeros(512), small, np.zeros(512), small) == 0
    expected = 512 * float(kl.gaussian(0, 0.1, 0, 0.2))
    assert kl.multivariate_gaussian(np.zeros(512), small, np.zeros(512), 4 * small) == pytest.approx(
        expected, rel=1e-9
    )


def test_multivariate_near_singular():
    nearly = np.array([[1.0, 1 - 1e-12], [1 - 1e-12, 1.0]])
    assert kl.multivariate_gaussian(np.zeros(2), nearly, np.zeros(2), nearly) == pytest.approx(0, abs=1e-9)
    value = kl.multivariate_gaussian(np.zeros(2), np.eye(2), np.zeros(2), nearly)
    assert np.isfinite(value) and value > 1e11


# Any two densities


def test_quadrature_of_mixture_against_laplace():
    laplace = stats.laplace(0, 1).logpdf
    mixture = lambda x: kl.mixture_log_density(x, [0.5, 0.5], [-1, 1], [1, 1])  # noqa: E731
    x = np.linspace(-40, 40, 400_001)
    brute = np.trapezoid(np.exp(laplace(x)) * (laplace(x) - mixture(x)), x)
    assert kl.quadrature(laplace, mixture, -40, 40, points=[0]) == pytest.approx(brute, rel=1e-6)


def test_quadrature_of_disjoint_or_wider_support_is_infinite():
    unit, shifted, wide = (stats.uniform(a, b).logpdf for a, b in ((0, 1), (2, 1), (0, 2)))
    assert kl.quadrature(unit, shifted, 0, 1) == np.inf
    assert kl.quadrature(wide, unit, 0, 2) == np.inf
    assert kl.quadrature(unit, wide, 0, 1) == pytest.approx(np.log(2), rel=1e-12)


def test_quadrature_says_when_it_missed_the_density():
    with pytest.raises(ValueError, match=r"log_p integrates to .* not to 1; give limits"):
        kl.quadrature(log_gaussian(1e6, 1e-3), log_gaussian(0, 1), -10, 10)


@pytest.mark.parametrize("low_variance", [False, True])
def test_monte_carlo_error_bar_is_honest(low_variance):
    truth = float(kl.gaussian(0, 1, 0.3, 1.1 if not low_variance else 0.9))
    log_p, log_q = log_gaussian(0, 1), log_gaussian(0.3, 1.1 if not low_variance else 0.9)
    rng = np.random.default_rng(4)
    runs = [kl.monte_carlo(log_p, log_q, rng.normal(size=1000), low_variance) for _ in range(400)]
    scores = np.array([(run.value - truth) / run.standard_error for run in runs])
    assert abs(scores.mean()) < 0.2 and 0.85 < scores.std() < 1.15


def test_low_variance_terms_are_never_negative_and_less_noisy_near_equality():
    samples = np.random.default_rng(5).normal(size=2000)
    plain = kl.monte_carlo(log_gaussian(0, 1), log_gaussian(0.1, 1), samples)
    low = kl.monte_carlo(log_gaussian(0, 1), log_gaussian(0.1, 1), samples, low_variance=True)
    assert (low.terms >= 0).all() and (plain.terms < 0).any()
    assert low.standard_error < plain.standard_error / 5


def test_monte_carlo_with_forbidden_samples_is_infinite():
    estimate = kl.monte_carlo(
        stats.uniform(0, 2).logpdf, stats.uniform(0, 1).logpdf, np.linspace(0.1, 1.9, 20)
    )
    assert estimate.value == np.inf and np.isnan(estimate.standard_error)


# Fits


def test_forward_fit_takes_over_mean_and_variance():
    fit = kl.forward_fit([0.3, 0.7], [-2, 1], [0.5, 1.5])
    assert fit.mean == pytest.approx(0.3 * -2 + 0.7 * 1)
    assert fit.sd**2 == pytest.approx(0.3 * (0.25 + 4) + 0.7 * (2.25 + 1) - fit.mean**2)


@pytest.mark.parametrize("apart", [0.5, 1.5, 3.0, 6.0])
def test_fits_are_minima(apart):
    mixture = ([0.5, 0.5], [-apart, apart], [0.6, 0.8])
    forward, reverse = kl.forward_fit(*mixture), kl.reverse_fit(*mixture)
    weights, means, sds = map(np.asarray, mixture)
    for shift, factor in [(0.05, 1), (-0.05, 1), (0, 1.05), (0, 0.95)]:
        worse_f = kl._mixture_divergence(weights, means, sds, forward.mean + shift, forward.sd * factor)[0]
        worse_r = kl._mixture_divergence(weights, means, sds, reverse.mean + shift, reverse.sd * factor)[1]
        assert worse_f > forward.divergence and worse_r > reverse.divergence


def test_reverse_fit_seeks_one_peak_and_forward_fit_covers_both():
    mixture = ([0.5, 0.5], [-3, 3], [0.5, 0.5])
    forward, reverse = kl.forward_fit(*mixture), kl.reverse_fit(*mixture)
    assert forward.mean == pytest.approx(0) and forward.sd > 3
    assert abs(reverse.mean) == pytest.approx(3, abs=0.01) and reverse.sd == pytest.approx(0.5, abs=0.01)
    assert reverse.divergence == pytest.approx(np.log(2), abs=1e-3)


# Bad input: one sentence that names the argument


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: kl.categorical([0.5, 0.6], [0.5, 0.5]), r"p sums to 1\.1"),
        (lambda: kl.categorical([0.5, 0.5], [-0.5, 1.5]), r"q holds the negative number -0\.5"),
        (lambda: kl.categorical([0.5, 0.5], [0.2, 0.3, 0.5]), "p has 2 entries and q has 3 entries"),
        (lambda: kl.categorical([np.nan, 1], [0.5, 0.5]), "p holds NaN or infinity"),
        (lambda: kl.categorical([], []), "p is empty"),
        (lambda: kl.categorical("ab", [0.5, 0.5]), "p must be numbers"),
        (lambda: kl.categorical(1.0, 1.0), "p must be a list of probabilities"),
        (lambda: kl.gaussian(0, 0, 0, 1), "sd_p must be above zero"),
        (lambda: kl.gaussian(0, 1, 0, -2), "sd_q must be above zero everywhere; its smallest entry is -2"),
        (lambda: kl.gaussian(np.inf, 1, 0, 1), "mean_p holds NaN or infinity"),
        (lambda: kl.multivariate_gaussian([0, 0], [[1, 2], [2, 1]], [0, 0], np.eye(2)), "cov_p is not positive definite"),
        (lambda: kl.multivariate_gaussian([0, 0], np.eye(2), [0, 0], [[1, 0.5], [0.2, 1]]), "cov_q is not symmetric"),
        (lambda: kl.multivariate_gaussian([0], np.eye(2), [0, 0], np.eye(2)), "mean_p has"),
        (lambda: kl.multivariate_gaussian([0, 0], np.ones((2, 3)), [0, 0], np.eye(2)), "cov_p has shape"),
        (lambda: kl.mixture_log_density(0, [0.5, 0.4], [0, 1], [1, 1]), "weights sums to 0.9"),
        (lambda: kl.forward_fit([0.5, 0.5], [0, 1, 2], [1, 1]), "weights has 2 entries and means has 3"),
        (lambda: kl.monte_carlo(log_gaussian(0, 1), log_gaussian(0, 1), [1.0]), "samples must hold at least two"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
