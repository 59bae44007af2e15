"""The Gaussian mixture and EM against SciPy, scikit-learn and quadrature; fast against textbook; monotone; bad input."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from vaecourse import data, fast_mixture
from vaecourse import gaussian_mixture as gm


def problem(seed: int, diagonal: bool = False, d: int | None = None, n: int | None = None):
    """Points around k random centres, and a start for EM."""
    rng = np.random.default_rng(seed)
    d, k = d or int(rng.integers(1, 7)), int(rng.integers(1, 6))
    n = n or int(rng.integers(60, 400)) + 20 * d
    centres, z = 3 * rng.normal(size=(k, d)), rng.integers(k, size=n)
    x = 5 + centres[z] + rng.normal(size=(n, d)) @ (np.eye(d) + 0.5 * rng.normal(size=(d, d)) / np.sqrt(d))
    return x, gm.start(x, k, rng, diagonal=diagonal)


def mixture_2d(seed: int = 0, k: int = 3) -> gm.Mixture:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(k, 2, 2))
    return gm.Mixture(
        rng.dirichlet(np.ones(k)), 2 * rng.normal(size=(k, 2)), a @ a.transpose(0, 2, 1) + 0.3 * np.eye(2)
    )


def assert_same(a: gm.Mixture, b: gm.Mixture, tolerance: float) -> None:
    for name, u, v in zip(gm.Mixture._fields, a, b, strict=True):
        assert np.abs(u - v).max() <= tolerance * max(1, np.abs(v).max()), name


# Density


def test_density_agrees_with_scipy_component_by_component():
    mixture, x = mixture_2d(), np.random.default_rng(1).normal(size=(50, 2)) * 3
    parts = [stats.multivariate_normal(m, s).pdf(x) for m, s in zip(*mixture[1:], strict=True)]
    assert np.allclose(np.exp(gm.log_density(mixture, x)), mixture.weights @ parts, rtol=1e-12, atol=0)
    r = (mixture.weights[:, None] * parts / (mixture.weights @ parts)).T
    assert np.allclose(gm.responsibilities(mixture, x), r, rtol=1e-11, atol=1e-300)


def test_density_integrates_to_one():
    mixture = gm.Mixture([0.3, 0.7], [[-1.0], [2.0]], [[[0.5]], [[2.0]]])
    assert integrate.quad(lambda t: np.exp(gm.log_density(mixture, [t])[0]), -15, 20)[0] == pytest.approx(
        1, abs=1e-9
    )


def test_diagonal_is_full_with_zeros_off_the_diagonal():
    x, start = problem(3, diagonal=True, d=3)
    full = start._replace(covariances=np.array([np.diag(v) for v in start.covariances]))
    assert np.allclose(gm.log_density(start, x), gm.log_density(full, x), rtol=1e-13)
    assert gm.parameter_count(start) < gm.parameter_count(full)


def test_far_away_the_density_is_tiny_and_the_responsibilities_still_sum_to_one():
    mixture, x = mixture_2d(), np.array([[1e6, -1e6], [0, 1e9]])
    assert (gm.log_density(mixture, x) < -1e9).all()
    assert gm.responsibilities(mixture, x).sum(axis=1) == pytest.approx(1, abs=1e-12)


def test_draws_have_the_mixture_s_mean_and_covariance():
    mixture = mixture_2d(4)
    x, z = gm.sample(mixture, 200_000, np.random.default_rng(0))
    w, m, s = mixture
    mean = w @ m
    covariance = np.einsum("k,kab->ab", w, s + np.einsum("ka,kb->kab", m - mean, m - mean))
    assert np.abs(x.mean(axis=0) - mean).max() < 0.03
    assert np.abs(np.cov(x.T) - covariance).max() < 0.03 * np.abs(covariance).max()
    assert np.bincount(z) / len(z) == pytest.approx(w, abs=0.005)
    flat = gm.Mixture([1.0], [[1.0, 2.0]], [[4.0, 0.25]])
    assert gm.sample(flat, 100_000, np.random.default_rng(0))[0].std(axis=0) == pytest.approx(
        [2, 0.5], rel=0.02
    )


# The steps and the bound


def test_the_bound_touches_after_the_e_step_and_is_below_otherwise():
    x, start = problem(7)
    assert len(start.weights) > 1
    r = gm.e_step(start, x)
    value = gm.log_likelihood(start, x)
    assert gm.bound(start, r, x) == pytest.approx(value, rel=1e-12)
    other = np.random.default_rng(0).dirichlet(np.ones(len(start.weights)), len(x))
    assert gm.bound(start, other, x) < value
    # what is missing is KL(r‖posterior), summed over the points
    gap = (other * np.log(other / r.values)).sum()
    assert gm.bound(start, other, x) + gap == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("diagonal", [False, True])
def test_the_m_step_is_the_maximum_of_the_bound(diagonal):
    x, start = problem(7, diagonal)
    r = gm.responsibilities(start, x)
    best, rng = gm.m_step(x, r, reg=0, diagonal=diagonal), np.random.default_rng(0)
    top = gm.bound(best, r, x)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(10):
            w = best.weights * np.exp(size * rng.normal(size=best.weights.shape))
            near = gm.Mixture(
                w / w.sum(),
                best.means + size * rng.normal(size=best.means.shape),
                best.covariances * np.exp(size * rng.normal()),
            )
            assert gm.bound(near, r, x) < top


def test_hard_responsibilities_of_zero_count_as_zero_in_the_bound():
    x, mixture = np.array([0.0, 1.0]), gm.Mixture([1.0, 0.0], [[0.0], [5.0]], [[[1.0]], [[1.0]]])
    hard = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert gm.bound(mixture, hard, x) == pytest.approx(stats.norm.logpdf(x).sum())
    assert gm.bound(mixture, hard[:, ::-1], x) == -np.inf


def test_whole_sample_weights_are_repeated_points():
    x, start = problem(5)
    v = np.random.default_rng(0).integers(0, 4, size=len(x))
    for method in ("fast", "textbook"):
        weighted = gm.em(x, start, 10, 0, method, sample_weights=v)
        repeated = gm.em(np.repeat(x, v, axis=0), start, 10, 0, method)
        assert_same(weighted.mixture, repeated.mixture, 1e-10)
        assert weighted.log_likelihoods == pytest.approx(repeated.log_likelihoods, rel=1e-11)


# Against scikit-learn, and fast against textbook


@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
@pytest.mark.parametrize("method", ["fast", "textbook"])
@pytest.mark.parametrize("diagonal", [False, True])
def test_equal_to_scikit_learn_from_the_same_start(diagonal, method):
    for seed in range(25):
        x, start = problem(seed, diagonal)
        peer = GaussianMixture(
            len(start.weights),
            covariance_type="diag" if diagonal else "full",
            weights_init=start.weights,
            means_init=start.means,
            precisions_init=1 / start.covariances if diagonal else np.linalg.inv(start.covariances),
            reg_covar=1e-6,
            tol=0,
            max_iter=25,
        ).fit(x)
        ours = gm.em(x, start, 25, tolerance=0, method=method, reg=1e-6)
        assert_same(ours.mixture, gm.Mixture(peer.weights_, peer.means_, peer.covariances_), 1e-8)
        assert ours.log_likelihoods[-1] / len(x) == pytest.approx(peer.score(x), abs=1e-8)
        assert ours.log_likelihoods[1:-1] / len(x) == pytest.approx(peer.lower_bounds_[1:], abs=1e-8)
        assert gm.bic(ours.mixture, x) == pytest.approx(peer.bic(x), rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 5, 33, 40])
@pytest.mark.parametrize("diagonal", [False, True])
def test_fast_equals_textbook(d, diagonal):
    for seed in range(4):
        x, start = problem(seed, diagonal, d=d, n=2500)  # more than one block
        assert fast_mixture.fast_form(x, None, diagonal, 1e-6).enter(start) is not None
        fast, plain = (gm.em(x, start, 15, 0, method) for method in ("fast", "textbook"))
        assert_same(fast.mixture, plain.mixture, 1e-9)
        assert fast.log_likelihoods == pytest.approx(plain.log_likelihoods, rel=1e-11)


def test_features_that_do_not_fit_are_formed_again(monkeypatch):
    x, start = problem(2, d=3, n=3000)
    stored = gm.em(x, start, 8, 0)
    monkeypatch.setattr(fast_mixture, "STORED_BYTES", 0)
    assert_same(gm.em(x, start, 8, 0).mixture, stored.mixture, 1e-14)


def far_clusters(separation: float, d: int, diagonal: bool):
    rng = np.random.default_rng(1)
    e = rng.normal(size=(800, d)) @ (np.eye(d) + 0.3 * rng.normal(size=(d, d)) / np.sqrt(d))
    x = e + np.where(rng.random(800) < 0.4, separation, 0.0)[:, None] * np.linspace(1, -1, d)
    return x, gm.start(x, 2, rng, diagonal=diagonal)


@pytest.mark.parametrize("separation", [1, 1e4, 1e7, 1e8])
@pytest.mark.parametrize(("d", "diagonal"), [(2, False), (3, True), (40, False)])
def test_no_digits_lost_however_far_apart_the_clusters_are(separation, d, diagonal):
    x, start = far_clusters(separation, d, diagonal)
    fast, plain = (gm.em(x, start, 10, 0, method) for method in ("fast", "textbook"))
    assert_same(fast.mixture, plain.mixture, 1e-8)
    assert (
        np.abs(fast.mixture.covariances - plain.mixture.covariances).max() < 1e-7
    )  # not only beside the means
    assert fast.log_likelihoods == pytest.approx(plain.log_likelihoods, rel=1e-8)
    if separation > 1:  # and the textbook form is right: each cluster's own covariance
        far = x[:, 0] > separation / 2
        own = np.cov(x[far].T, bias=True) + 1e-6 * np.eye(d)
        j = fast.mixture.means[:, 0].argmax()
        found = fast.mixture.covariances[j]
        assert np.abs(found - (np.diag(own) if diagonal else own)).max() < 1e-6


def test_the_feature_form_refuses_before_it_cancels(monkeypatch):
    for separation, taken in ((1, True), (1e4, False), (1e7, False), (1e8, False)):
        x, start = far_clusters(separation, 2, False)
        assert (fast_mixture.Features(x, None, False, 1e-6).enter(start) is not None) == taken
    # without the refusal the covariance would be wrong: the guard is what the test above rests on
    monkeypatch.setattr(fast_mixture, "CANCELLATION", np.inf)
    x, start = far_clusters(1e7, 2, False)
    careless = fast_mixture.Features(x, None, False, 1e-6)
    swept, plain = careless.sweep(careless.enter(start)), gm.m_step(x, gm.e_step(start, x))
    assert swept is None or np.abs(swept.mixture.covariances - plain.covariances).max() > 1e-3


def test_the_difference_form_refuses_a_mean_that_jumps():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 40))
    far = gm.Mixture(np.ones(1), np.full((1, 40), 1e6), np.eye(40)[None])
    form = fast_mixture.Differences(x, None, False, 1e-6)
    assert form.sweep(form.enter(far)) is None
    assert_same(gm.em(x, far, 1, 0).mixture, gm.em(x, far, 1, 0, "textbook").mixture, 1e-12)


# The climb


@pytest.mark.parametrize("method", ["fast", "textbook"])
def test_the_log_likelihood_never_falls(method):
    climbs = 0
    for seed in range(220):
        x, start = problem(seed, diagonal=seed % 2 == 1, d=1 + seed % 3)
        history = gm.em(x, start, 20, tolerance=0, method=method, reg=0).log_likelihoods
        assert len(history) == 21
        assert (np.diff(history) >= -1e-10 * np.abs(history[1:])).all(), seed
        climbs += history[-1] > history[0] + 1
    assert climbs > 150  # it did have to climb


def test_the_history_belongs_to_the_mixtures():
    x, start = problem(8)
    result = gm.em(x, start, 5, tolerance=0)
    assert result.log_likelihoods[0] == pytest.approx(gm.log_likelihood(start, x), rel=1e-12)
    assert result.log_likelihoods[-1] == pytest.approx(gm.log_likelihood(result.mixture, x), rel=1e-12)
    assert not result.converged
    still = gm.em(x, start, 0)
    assert_same(still.mixture, start, 0)
    assert len(still.log_likelihoods) == 1


def test_it_stops_when_it_has_arrived():
    x, start = problem(8)
    result = gm.em(x, start, 5000, tolerance=1e-9)
    assert result.converged and len(result.log_likelihoods) < 5000
    again = gm.em(x, result.mixture, 1, tolerance=0)
    assert again.log_likelihoods[-1] - again.log_likelihoods[0] < 1e-7 * len(x)


# Real data


def test_old_faithful():
    try:
        x = data.old_faithful()
    except data.DataUnavailable as reason:
        pytest.skip(f"Old Faithful is not on this machine: {reason}")
    for method in ("fast", "textbook"):
        result = gm.em(x, gm.start(x, 2, np.random.default_rng(0)), 500, 1e-12, method)
        assert result.log_likelihoods[-1] == pytest.approx(-1130.264, abs=5e-4)
        assert np.sort(result.mixture.weights) == pytest.approx([0.356, 0.644], abs=5e-4)


def test_bic_finds_the_number_of_components():
    mixture = gm.Mixture([0.3, 0.3, 0.4], [[-5.0, 0], [0, 5], [5, 0]], np.ones((3, 2)))
    x, _ = gm.sample(mixture, 600, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    scores = [gm.bic(gm.best_of(x, k, rng, 5).mixture, x) for k in (1, 2, 3, 4, 5)]
    assert np.argmin(scores) == 2
    assert gm.parameter_count(mixture) == 2 + 6 + 6
    assert gm.parameter_count(mixture_2d()) == 2 + 6 + 9


def test_starts_lead_to_different_optima_and_the_best_is_kept():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(c, 0.5, size=(60, 2)) for c in itertools.product((0, 6), (0, 6))])
    # two components share the cluster at (0, 0), and one lies across the two on the right
    means, variances = [[-0.3, 0], [0.3, 0], [0, 6], [6, 3]], [[0.3, 0.3], [0.3, 0.3], [0.3, 0.3], [0.3, 9]]
    local = gm.em(x, gm.Mixture(np.full(4, 0.25), means, variances), 2000)
    best = gm.best_of(x, 4, np.random.default_rng(3), 12, diagonal=True)
    assert local.converged and local.log_likelihoods[-1] < best.log_likelihoods[-1] - 50
    found = best.mixture.means
    assert sorted(map(tuple, found.round())) == sorted(itertools.product((0, 6), (0, 6)))
    ends = [
        gm.em(x, gm.start(x, 4, np.random.default_rng(s), diagonal=True)).log_likelihoods[-1]
        for s in range(12)
    ]
    assert best.log_likelihoods[-1] >= max(ends) - 1e-3
    a, b = (gm.best_of(x, 4, np.random.default_rng(9), 2).mixture for _ in range(2))
    assert_same(a, b, 0)  # the generator decides, nothing else


# K-means


def test_kmeans_agrees_with_scikit_learn():
    for seed in range(10):
        x, start = problem(seed)
        ours = gm.kmeans(x, start.means)
        peer = KMeans(len(start.means), init=start.means, n_init=1, tol=0, algorithm="lloyd").fit(x)
        assert ours.converged
        assert ours.centres == pytest.approx(peer.cluster_centers_, abs=1e-9)
        assert (ours.labels == peer.labels_).all()
        assert (np.diff(ours.distortions) <= 1e-9 * ours.distortions[0]).all()


def test_kmeans_is_the_limit_of_em():
    centres, k = X[:3], 3

    def soft(epsilon: float) -> np.ndarray:
        return gm.responsibilities(gm.Mixture(np.full(k, 1 / k), centres, np.full((k, 2), epsilon)), X)

    undecided = [(1 - soft(epsilon).max(axis=1)).mean() for epsilon in (1.0, 1e-1, 1e-2, 1e-8)]
    assert (np.diff(undecided) < 0).all() and undecided[0] > 0.1 and undecided[-1] < 1e-6
    for _ in range(6):
        step = gm.kmeans(X, centres, 1)
        assert gm.m_step(X, soft(1e-8)).means == pytest.approx(step.centres, abs=1e-9)
        centres = step.centres
    assert np.abs(centres - X[:3]).max() > 0.1


def test_a_centre_without_points_stays():
    result = gm.kmeans([0.0, 1.0, 2.0], [1.0, 50.0])
    assert result.centres.ravel() == pytest.approx([1, 50])
    assert result.converged


# A mixture for a density

DENSITIES = {
    # name: log density, grid, the exact KL of one Gaussian, log(2πeσ²)/2 − entropy
    "Laplace": (
        stats.laplace.logpdf,
        np.linspace(-15, 15, 1001),
        0.5 * np.log(4 * np.pi * np.e) - 1 - np.log(2),
    ),
    "uniform": (stats.uniform.logpdf, np.linspace(0, 1, 1001), 0.5 * np.log(2 * np.pi * np.e / 12)),
    "gamma": (
        stats.gamma(2).logpdf,
        np.linspace(0, 20, 1001),
        0.5 * np.log(4 * np.pi * np.e) - stats.gamma(2).entropy(),
    ),
}


@pytest.mark.parametrize("name", DENSITIES)
def test_the_divergence_falls_as_components_are_added(name):
    log_p, grid, exact = DENSITIES[name]
    fits = [gm.fit_to_density(log_p, k, grid, iterations=300) for k in (1, 2, 4, 8)]
    divergences = [fit.divergence for fit in fits]
    assert divergences[0] == pytest.approx(exact, abs=2e-4)
    assert (np.diff(divergences) < 0).all()
    assert 0 < divergences[-1] < 0.015
    # the number is the integral of p log(p/q), by adaptive quadrature too
    mixture = fits[2].mixture

    def integrand(t: float) -> float:
        p = np.exp(log_p(t))
        return p * (log_p(t) - gm.log_density(mixture, [t])[0]) if p > 0 else 0.0

    middle = 0.0 if name == "Laplace" else 0.5
    value = sum(
        integrate.quad(integrand, a, b, limit=200, epsabs=1e-8)[0]
        for a, b in itertools.pairwise((grid[0], middle, grid[-1]))
    )
    assert value == pytest.approx(divergences[2], abs=3e-4)


def test_a_mixture_is_recovered_from_its_own_density():
    mixture = gm.Mixture([0.3, 0.7], [[-2.0], [2.0]], [[[0.5]], [[1.0]]])
    fit = gm.fit_to_density(
        lambda t: gm.log_density(mixture, t), 2, np.linspace(-8, 9, 2001), tolerance=1e-12
    )
    assert fit.divergence < 1e-6
    order = fit.mixture.means[:, 0].argsort()
    assert fit.mixture.weights[order] == pytest.approx([0.3, 0.7], abs=1e-3)
    assert fit.mixture.means[order, 0] == pytest.approx([-2, 2], abs=5e-3)


def test_any_number_of_components_can_be_asked_for():
    for k in (1, 3, 5, 6):
        fit = gm.fit_to_density(stats.norm.logpdf, k, np.linspace(-8, 8, 201), iterations=50)
        assert fit.mixture.means.shape == (k, 1)
        assert fit.mixture.weights.sum() == pytest.approx(1)


# Bad or strange input

TWO = gm.Mixture([0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]], np.array([np.eye(2)] * 2))
X = np.random.default_rng(0).normal(size=(20, 2))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: gm.start(X, 21, np.random.default_rng(0)), "k is 21 for 20 points"),
        (lambda: gm.start(X, 0, np.random.default_rng(0)), "k is 0"),
        (lambda: gm.start(X, 2.5, np.random.default_rng(0)), "whole number"),
        (lambda: gm.best_of(X, -1, np.random.default_rng(0)), "k is -1"),
        (lambda: gm.best_of(X, 2, np.random.default_rng(0), starts=0), "starts is 0"),
        (lambda: gm.em(X[:1], TWO), "k is 2 for 1 point;"),
        (lambda: gm.em(np.where(X > 1, np.nan, X), TWO), "x holds NaN or infinity"),
        (lambda: gm.em(np.where(X > 1, np.inf, X), TWO), "x holds NaN or infinity"),
        (lambda: gm.log_density(TWO, np.full((3, 2), np.nan)), "x holds NaN or infinity"),
        (lambda: gm.em(1e120 * X, TWO), "rescale"),
        (lambda: gm.em([], TWO), "x is empty"),
        (lambda: gm.em(X[:, 0], TWO), "x has 1 columns and the mixture has dimension 2"),
        (lambda: gm.em(X[None], TWO), "x has shape"),
        (lambda: gm.em(X, TWO, method="quick"), "method is 'quick'"),
        (lambda: gm.em(X, TWO, iterations=-1), "iterations is -1"),
        (lambda: gm.em(X, TWO, reg=-1), "reg is -1"),
        (lambda: gm.em(X, TWO, tolerance=np.nan), "tolerance is nan"),
        (lambda: gm.em(X, TWO, sample_weights=np.zeros(20)), "sample_weights must be 20 numbers"),
        (lambda: gm.em(X, TWO._replace(weights=[0.5, 0.6])), "weights sums to 1.1"),
        (lambda: gm.em(X, TWO._replace(weights=[1.0])), "right would be"),
        (lambda: gm.em(X, TWO._replace(covariances=-np.ones((2, 2)))), "above zero"),
        (
            lambda: gm.em(X, TWO._replace(covariances=[np.eye(2), -np.eye(2)])),
            r"covariances\[1\] is not positive",
        ),
        (lambda: gm.em(X, TWO._replace(covariances=[np.eye(2), [[1, 0.5], [0, 1]]])), "not symmetric"),
        (lambda: gm.m_step(X, np.full((20, 2), 0.4)), "responsibilities sums to 0.8"),
        (lambda: gm.m_step(X, np.full((19, 2), 0.5)), "responsibilities have shape"),
        (lambda: gm.bound(TWO, np.ones((20, 1)), X), "responsibilities have shape"),
        (lambda: gm.kmeans(X, X[:, :1]), "centres has 1 columns"),
        (lambda: gm.kmeans(X[:2], X), "k is 20 for 2 points"),
        (lambda: gm.kmeans(X, X[:2], iterations=-1), "iterations is -1"),
        (lambda: gm.m_step(X, np.full((20, 2), 0.5), reg=-1), "reg is -1"),
        (lambda: gm.fit_to_density(stats.norm.logpdf, 2, [0, 0.5, 1]), "integrates to"),
        (lambda: gm.fit_to_density(stats.norm.logpdf, 2, [1, 0]), "rising"),
        (lambda: gm.fit_to_density(lambda t: np.full(3, np.nan), 2, [0, 1, 2]), "finite or −∞"),
        (lambda: gm.fit_to_density(stats.norm.logpdf, 0, np.linspace(-8, 8, 99)), "k is 0"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["fast", "textbook"])
@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize(
    "x",
    [
        np.column_stack([X[:, 0], np.full(20, 7.0)]),  # a constant column
        np.repeat(X[:4], 5, axis=0),  # duplicated points
        np.zeros((20, 2)),  # one point twenty times
        X[:3],  # as many points as components
    ],
)
def test_strange_data_is_fitted_with_reg_and_named_without(x, diagonal, method):
    rng = np.random.default_rng(0)
    result = gm.em(x, gm.start(x, 3, rng, diagonal=diagonal), 60, 0, method)
    assert all(np.isfinite(part).all() for part in (*result.mixture, result.log_likelihoods))
    with pytest.raises(gm.Collapsed, match="has collapsed"):
        for _ in range(5):  # duplicated points collapse from most starts, the others from every one
            gm.em(x, gm.start(x, 3, rng, diagonal=diagonal), 500, 0, method, reg=0)


def test_a_single_point_is_its_own_mean():
    result = gm.em([[3.0, 4.0]], gm.start([[3.0, 4.0]], 1, np.random.default_rng(0)))
    assert result.mixture.means == pytest.approx(np.array([[3, 4]]))
    assert result.mixture.covariances[0] == pytest.approx(1e-6 * np.eye(2))


@pytest.mark.parametrize("method", ["fast", "textbook"])
def test_collapse_onto_one_point_is_named_and_reg_cures_it(method):
    x = np.append(np.random.default_rng(0).normal(size=50), 0.5)
    spike = gm.Mixture([0.98, 0.02], [[0.0], [0.5]], [[[1.0]], [[1e-8]]])
    with pytest.raises(gm.Collapsed, match="Component 1"):
        gm.em(x, spike, 100, 0, method, reg=0)
    cured = gm.em(x, spike, 100, 0, method, reg=1e-3)
    assert cured.mixture.covariances.min() >= 1e-3


@pytest.mark.parametrize("method", ["fast", "textbook"])
def test_a_component_without_responsibility_stays_finite(method):
    lost = gm.Mixture([0.5, 0.5], [[0.0, 0.0], [1e4, 1e4]], np.array([np.eye(2), 1e-2 * np.eye(2)]))
    result = gm.em(X, lost, 10, 0, method)
    assert result.mixture.weights == pytest.approx([1, 0], abs=0)
    assert all(np.isfinite(part).all() for part in (*result.mixture, result.log_likelihoods))
    assert result.mixture.means[1] == pytest.approx(X.mean(axis=0))
    alone = gm.em(X, gm.Mixture([1.0], lost.means[:1], lost.covariances[:1]), 10, 0)
    assert result.log_likelihoods[1:] == pytest.approx(alone.log_likelihoods[1:], rel=1e-12)


def test_points_on_a_line_may_have_one_axis():
    x = np.random.default_rng(0).normal(size=100)
    start = gm.start(x, 2, np.random.default_rng(1))
    assert start.means.shape == (2, 1) and start.covariances.shape == (2, 1, 1)
    assert_same(gm.em(x, start, 5).mixture, gm.em(x[:, None], start, 5).mixture, 0)


def test_nothing_given_is_changed():
    x, start = problem(11)
    before = [part.copy() for part in (x, *start)]
    gm.em(x, start, 5)
    gm.kmeans(x, start.means)
    assert all((a == b).all() for a, b in zip(before, (x, *start), strict=True))


def test_the_module_does_not_load_torch():
    import subprocess
    import sys

    code = "import sys, vaecourse.gaussian_mixture; sys.exit('torch' in sys.modules or 'scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
