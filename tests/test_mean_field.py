"""Mean field on a correlated Gaussian: the update against search, the climb, the limit, the lost variance, bad input."""

import mpmath
import numpy as np
import pytest
from scipy import optimize, stats

from vaecourse import kl_divergence as kl
from vaecourse import mean_field as mf


def problem(seed: int, d: int | None = None):
    """A correlated Gaussian and a start."""
    rng = np.random.default_rng(seed)
    d = d or int(rng.integers(2, 7))
    a = rng.normal(size=(d, d + 1)) * 10 ** rng.uniform(-2, 2, size=(d, 1))
    start = mf.Factorized(10 * rng.normal(size=d), 10 ** rng.uniform(-2, 2, size=d))
    return 3 * rng.normal(size=d), a @ a.T, start


def correlated(rho: float, sd=(1.0, 1.0)) -> np.ndarray:
    return np.array([[sd[0] ** 2, rho * sd[0] * sd[1]], [rho * sd[0] * sd[1], sd[1] ** 2]])


def exact_precision(covariance: np.ndarray) -> mpmath.matrix:
    with mpmath.workdps(60):
        return mpmath.matrix(covariance.tolist()) ** -1


# The update and the bound


@pytest.mark.parametrize("seed", range(20))
def test_the_elbo_is_minus_the_divergence(seed):
    mean, covariance, q = problem(seed)
    value = mf.elbo(q, mean, covariance)
    assert value == pytest.approx(
        -kl.multivariate_gaussian(q.means, np.diag(q.variances), mean, covariance), rel=1e-9
    )


def test_the_elbo_by_quadrature():
    q = mf.Factorized(np.array([0.5, -1.0]), np.array([0.3, 0.8]))
    mean, covariance = np.array([1.0, 0.0]), correlated(0.6, (1.0, 1.5))
    # E_q[log p − log q] on a grid of ± 9 standard deviations of q
    e = np.linspace(-9, 9, 601)
    z = np.stack(np.meshgrid(e, e), axis=-1) * np.sqrt(q.variances) + q.means
    log_p = stats.multivariate_normal(mean, covariance).logpdf(z)
    log_q = stats.norm.logpdf(z, q.means, np.sqrt(q.variances)).sum(axis=-1)
    cell = (e[1] - e[0]) ** 2 * np.sqrt(q.variances.prod())
    value = (np.exp(log_q) * (log_p - log_q)).sum() * cell
    assert mf.elbo(q, mean, covariance) == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_an_update_is_the_best_for_its_coordinate_and_touches_no_other(seed):
    mean, covariance, q = problem(seed)
    near = mf.reverse_fit(mean, covariance)  # a start so near that a search by numbers is exact
    q = mf.Factorized(mean + np.sqrt(near.variances) * q.means / 10, near.variances * q.variances)
    for j in range(len(mean)):
        after = mf.update(q, mean, covariance, j)
        others = np.arange(len(mean)) != j
        assert (after.means[others] == q.means[others]).all()
        assert (after.variances[others] == q.variances[others]).all()

        def missing(parameters, j=j, after=after):
            m, v = after.means.copy(), after.variances.copy()
            m[j] += parameters[0] * np.sqrt(v[j])
            v[j] *= np.exp(parameters[1])
            return -mf.elbo(mf.Factorized(m, v), mean, covariance)

        found = optimize.minimize(missing, [0.7, -0.5], method="BFGS", options={"gtol": 1e-9})
        assert np.abs(found.x).max() < 1e-4  # from elsewhere, a general optimizer comes to the same place
        assert mf.elbo(after, mean, covariance) >= mf.elbo(q, mean, covariance)
        q = after


def test_the_elbo_never_goes_down():
    climbs = 0
    for seed in range(240):
        mean, covariance, start = problem(seed)
        path = mf.coordinate_ascent(mean, covariance, start, 8)
        assert len(path.qs) == len(path.elbos) == 8 * len(mean) + 1
        assert (np.diff(path.elbos) >= -1e-11 * np.maximum(1, np.abs(path.elbos[1:]))).all(), seed
        climbs += path.elbos[-1] > path.elbos[len(mean)] + 1e-3
    assert climbs > 150  # the means went on climbing after the variances were right


def test_the_path_is_made_of_updates():
    mean, covariance, start = problem(3, d=3)
    path, q = mf.coordinate_ascent(mean, covariance, start, 2), start
    for step, j in enumerate([0, 1, 2, 0, 1, 2], start=1):
        q = mf.update(q, mean, covariance, j)
        assert (path.qs[step].means == q.means).all() and (path.qs[step].variances == q.variances).all()
        assert path.elbos[step] == mf.elbo(q, mean, covariance)
    assert (path.qs[0].means == start.means).all()
    still = mf.coordinate_ascent(mean, covariance, start, 0)
    assert len(still.qs) == len(still.elbos) == 1


@pytest.mark.parametrize("seed", range(30))
def test_it_ends_at_the_reverse_fit(seed):
    rng, d = np.random.default_rng(seed), 2 + seed % 5
    a = rng.normal(size=(d, 3 * d))
    mean, covariance = rng.normal(size=d), a @ a.T
    q = mf.coordinate_ascent(mean, covariance, mf.Factorized(5 * rng.normal(size=d), np.ones(d)), 400).qs[-1]
    best = mf.reverse_fit(mean, covariance)
    assert q.means == pytest.approx(best.means, abs=1e-10) and q.means == pytest.approx(mean, abs=1e-10)
    assert q.variances == pytest.approx(best.variances, rel=1e-12)
    assert best.variances == pytest.approx(1 / np.diag(np.linalg.inv(covariance)), rel=1e-9)


# Both directions, and the lost variance


@pytest.mark.parametrize("rho", [0.0, 0.3, -0.7, 0.95, 0.999, -0.999999])
def test_in_the_plane_the_variance_is_lost_by_one_minus_rho_squared(rho):
    covariance = correlated(rho, (0.5, 4.0))
    assert mf.lost_variance(covariance) == pytest.approx(2 * [1 - rho**2], rel=1e-9)
    best = mf.reverse_fit([0, 0], covariance)
    assert best.variances / np.diag(covariance) == pytest.approx(2 * [1 - rho**2], rel=1e-9)
    # and the bound stays below 0 by ½ log 1/(1 − ρ²)
    assert mf.elbo(best, [0, 0], covariance) == pytest.approx(0.5 * np.log1p(-(rho**2)), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("seed", range(20))
def test_the_forward_fit_keeps_the_marginals_and_each_fit_is_best_for_its_own_divergence(seed):
    mean, covariance, _ = problem(seed)
    forward, reverse = mf.forward_fit(mean, covariance), mf.reverse_fit(mean, covariance)
    assert (forward.variances == np.diag(covariance)).all() and (forward.means == mean).all()
    assert (reverse.variances <= forward.variances * (1 + 1e-12)).all()
    assert mf.lost_variance(covariance) == pytest.approx(reverse.variances / forward.variances, rel=1e-12)
    rng = np.random.default_rng(seed)

    def to_q(q):  # KL(p‖q)
        return kl.multivariate_gaussian(mean, covariance, q.means, np.diag(q.variances))

    for _ in range(20):
        for fit, divergence in ((forward, to_q), (reverse, lambda q: -mf.elbo(q, mean, covariance))):
            near = mf.Factorized(
                fit.means + 0.05 * np.sqrt(fit.variances) * rng.normal(size=len(mean)),
                fit.variances * np.exp(0.05 * rng.normal(size=len(mean))),
            )
            assert divergence(near) > divergence(fit)


@pytest.mark.parametrize("rho", [0.2, -0.5, 0.9, 0.99])
def test_in_the_plane_a_sweep_shrinks_the_error_by_rho_squared(rho):
    covariance, mean = correlated(rho, (2.0, 0.3)), np.array([1.0, -2.0])
    assert mf.convergence_factor(covariance) == pytest.approx(rho**2, rel=1e-9)
    path = mf.coordinate_ascent(mean, covariance, mf.Factorized([3.0, 3.0], [1.0, 1.0]), 6)
    errors = np.array([q.means - mean for q in path.qs[2::2]])  # after each whole sweep
    assert errors[1:] / errors[:-1] == pytest.approx(np.full((5, 2), rho**2), rel=1e-5)


@pytest.mark.parametrize("seed", range(10))
def test_in_any_dimension_the_error_shrinks_by_the_convergence_factor(seed):
    rng, d = np.random.default_rng(seed), 3 + seed % 4
    a = rng.normal(size=(d, d + 2))
    covariance, mean = a @ a.T, np.zeros(d)
    factor = mf.convergence_factor(covariance)
    assert 0 < factor < 1
    sweeps = int(np.log(1e-60) / np.log(factor)) if factor < 0.99 else 3000
    path = mf.coordinate_ascent(
        mean, covariance, mf.Factorized(rng.normal(size=d), np.ones(d)), min(sweeps, 3000)
    )
    size = np.array([np.linalg.norm(q.means) for q in path.qs[d::d]])
    late = slice(len(size) // 2, None)
    slope = np.polyfit(np.arange(len(size))[late], np.log(size[late]), 1)[0]
    assert np.exp(slope) == pytest.approx(factor, rel=0.01)


def test_without_correlations_nothing_is_lost_and_one_sweep_is_enough():
    mean, covariance = np.array([1.0, 2.0, 3.0]), np.diag([1.0, 4.0, 0.25])
    q = mf.coordinate_ascent(mean, covariance, mf.Factorized([9.0, 9.0, 9.0], [1.0, 1.0, 1.0]), 1).qs[-1]
    assert q.means == pytest.approx(mean) and q.variances == pytest.approx([1, 4, 0.25])
    assert mf.elbo(q, mean, covariance) == pytest.approx(0, abs=1e-15)
    assert mf.lost_variance(covariance) == pytest.approx(np.ones(3))
    assert mf.convergence_factor(covariance) == 0
    line = mf.coordinate_ascent([2.0], [[9.0]], mf.Factorized([0.0], [1.0]), 1).qs[-1]
    assert (line.means[0], line.variances[0]) == pytest.approx((2, 9))


# Nearly singular


@pytest.mark.parametrize("gap", [1e-6, 1e-9, 1e-12, 1e-15])
def test_a_correlation_next_to_one(gap):
    rho = 1 - gap
    covariance = correlated(rho)
    exact = (1 - rho) * (1 + rho)  # 1 − ρ² of this very float, without cancellation
    assert mf.lost_variance(covariance) == pytest.approx([exact, exact], rel=1e-14)
    q = mf.reverse_fit([5.0, -5.0], covariance)
    assert q.variances == pytest.approx([exact, exact], rel=1e-14)
    assert mf.elbo(q, [5.0, -5.0], covariance) == pytest.approx(0.5 * np.log(exact), rel=1e-13)
    path = mf.coordinate_ascent([5.0, -5.0], covariance, mf.Factorized([0.0, 0.0], [1.0, 1.0]), 50)
    assert (np.diff(path.elbos) >= -1e-12 * np.abs(path.elbos[1:])).all()
    assert mf.convergence_factor(covariance) == pytest.approx(rho**2, abs=1e-3 * max(gap, 1e-12))


@pytest.mark.parametrize("seed", range(12))
def test_nearly_singular_in_any_dimension_agrees_with_sixty_digits(seed):
    rng, d = np.random.default_rng(seed), 2 + seed % 5
    a = rng.normal(size=(d, d))
    a[-1] = a[:-1].sum(axis=0) + 10.0 ** -rng.integers(3, 7) * a[-1]
    covariance = a @ a.T
    covariance = (covariance + covariance.T) / 2
    precision = exact_precision(covariance)
    exact = np.array([float(1 / precision[j, j]) for j in range(d)])
    assert np.linalg.cond(covariance) > 1e5
    assert mf.reverse_fit(np.zeros(d), covariance).variances == pytest.approx(exact, rel=1e-12)
    q = mf.Factorized(rng.normal(size=d), np.ones(d))
    with mpmath.workdps(60):
        m = mpmath.matrix(q.means.tolist())
        trace, square = sum(precision[j, j] for j in range(d)), (m.T * precision * m)[0]
        value = -(trace - d - mpmath.log(mpmath.det(precision)) + square) / 2
    assert mf.elbo(q, np.zeros(d), covariance) == pytest.approx(float(value), rel=1e-11)


def test_units_do_not_matter():
    mean, covariance, start = problem(1, d=3)
    unit = np.array([1e-9, 1.0, 1e9])
    there = mf.coordinate_ascent(
        mean * unit,
        covariance * np.outer(unit, unit),
        mf.Factorized(start.means * unit, start.variances * unit**2),
        5,
    )
    here = mf.coordinate_ascent(mean, covariance, start, 5)
    assert there.elbos == pytest.approx(here.elbos, rel=1e-9)
    assert there.qs[-1].means / unit == pytest.approx(here.qs[-1].means, rel=1e-9)


# Bad input

PLANE, Q = correlated(0.5), mf.Factorized([0.0, 0.0], [1.0, 1.0])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: mf.reverse_fit([0, 0], correlated(1.0)), "covariance is not positive definite"),
        (lambda: mf.lost_variance(correlated(1.1)), "covariance is not positive definite"),
        (lambda: mf.convergence_factor(np.zeros((2, 2))), "covariance is not positive definite"),
        (lambda: mf.lost_variance([[1, 0.5], [0.2, 1]]), "not symmetric"),
        (lambda: mf.lost_variance(np.ones((2, 3))), "square matrix"),
        (lambda: mf.lost_variance([]), "covariance is empty"),
        (lambda: mf.forward_fit([0, 0], [[1, np.nan], [np.nan, 1]]), "covariance holds NaN"),
        (lambda: mf.forward_fit([0, np.inf], PLANE), "mean holds NaN or infinity"),
        (lambda: mf.reverse_fit([0, 0, 0], PLANE), r"mean has shape \(3,\)"),
        (lambda: mf.elbo(mf.Factorized([0, 0], [1, 0]), [0, 0], PLANE), "variances must be above zero"),
        (lambda: mf.elbo(mf.Factorized([0, 0], [1, -1]), [0, 0], PLANE), "variances must be above zero"),
        (lambda: mf.elbo(mf.Factorized([0, np.nan], [1, 1]), [0, 0], PLANE), "means holds NaN"),
        (lambda: mf.elbo(mf.Factorized([0], [1]), [0, 0], PLANE), r"right would be \(2,\)"),
        (lambda: mf.update(Q, [0, 0], PLANE, 2), "j is 2"),
        (lambda: mf.update(Q, [0, 0], PLANE, -1), "j is -1"),
        (lambda: mf.coordinate_ascent([0, 0], PLANE, Q, -1), "sweeps is -1"),
        (lambda: mf.coordinate_ascent([0, 0], PLANE, Q, 1.5), "sweeps is 1.5"),
    ],
)
def test_bad_input_gets_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as told:
        call()
    assert "\n" not in str(told.value) and str(told.value).endswith(".")
