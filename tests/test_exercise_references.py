"""What the exercises are judged against agrees with the package and with other libraries."""

import mpmath
import numpy as np
import pytest
from scipy import integrate, optimize, special, stats
from scipy.special import betaln
from sklearn import metrics
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from vaecourse import gaussian_mixture, kl_divergence, mean_field, one_latent
from vaecourse.exercises import exercise


def reference(name):
    return exercise(name).reference


def test_the_quick_reverse_fit_agrees_with_the_packaged_one():
    for mixture in ([0.5, 0.5], [-3.0, 3.0], [1.0, 1.0]), ([0.7, 0.3], [0.0, 5.0], [0.5, 1.0]):
        quick, packaged = reference("01/reverse_fit")(*mixture), kl_divergence.reverse_fit(*mixture)
        np.testing.assert_allclose(sorted(map(abs, quick)), sorted(map(abs, packaged[:2])), atol=1e-3)


def test_the_sweep_and_the_bic_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    points = rng.normal([[-2.0, 0.0], [2.0, 1.0], [0.0, 4.0]], 1.0, (40, 3, 2)).reshape(-1, 2)
    weights, means, sds = [0.2, 0.5, 0.3], [-1.0, 0.0, 3.0], [1.0, 2.0, 0.5]
    peer = GaussianMixture(
        3,
        max_iter=1,
        reg_covar=0,
        weights_init=weights,
        means_init=np.array(means)[:, None],
        precisions_init=1 / np.array(sds)[:, None, None] ** 2,
    )
    with pytest.warns(ConvergenceWarning):
        peer.fit(points[:, :1])
    found = [peer.weights_, peer.means_.ravel(), np.sqrt(peer.covariances_.ravel())]
    ours = reference("02/em_sweep")(points[:, 0], weights, means, sds)
    np.testing.assert_allclose(ours, found, rtol=1e-10)
    plane = GaussianMixture(3, random_state=0).fit(points)
    value = plane.score_samples(points).sum()
    np.testing.assert_allclose(reference("02/bic")(value, 3, 2, len(points)), plane.bic(points))


def test_the_mixture_on_a_line_agrees_with_the_package():
    def ours(name, *given):
        return reference(f"02/{name}")(*given)

    rng = np.random.default_rng(1)
    points = rng.normal(0, 3, 40)
    line = rng.dirichlet([2, 2, 2]), rng.normal(0, 3, 3), rng.uniform(0.5, 2, 3)
    mixture = gaussian_mixture.Mixture(line[0], line[1][:, None], line[2][:, None] ** 2)
    r = gaussian_mixture.responsibilities(mixture, points)
    np.testing.assert_allclose([ours("responsibilities", x, *line) for x in points], r, rtol=1e-9, atol=1e-15)
    other = rng.dirichlet([1, 1, 1], len(points))
    np.testing.assert_allclose(
        ours("bound", points, *line, other), gaussian_mixture.bound(mixture, other, points)
    )
    new = gaussian_mixture.m_step(points, r, reg=0, diagonal=True)
    found = [new.weights, new.means[:, 0], np.sqrt(new.covariances[:, 0])]
    np.testing.assert_allclose(ours("m_step", points, r), found, rtol=1e-9)
    np.testing.assert_allclose(ours("em_sweep", points, *line), found, rtol=1e-9)
    plane = rng.normal(0, 1, (50, 2))
    fitted = gaussian_mixture.Mixture([0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]], [np.eye(2), 2 * np.eye(2)])
    value = gaussian_mixture.log_likelihood(fitted, plane)
    np.testing.assert_allclose(ours("bic", value, 2, 2, 50), gaussian_mixture.bic(fitted, plane))


def averaged_likelihood(a, b, heads, tails):
    density = stats.beta(a, b)
    return integrate.quad(lambda v: density.pdf(v) * v**heads * (1 - v) ** tails, 0, 1)[0]


@pytest.mark.parametrize("given", [(1.0, 1.0, 3, 0), (2.0, 0.5, 4, 7), (3.5, 6.0, 0, 0)])
def test_the_evidence_of_tosses_agrees_with_the_integral_and_with_the_beta_function(given):
    found, (a, b, heads, tails) = reference("03/log_evidence")(*given), given
    np.testing.assert_allclose(found, np.log(averaged_likelihood(*given)), atol=1e-8)
    np.testing.assert_allclose(found, betaln(a + heads, b + tails) - betaln(a, b), atol=1e-12)


def test_the_evidence_keeps_its_digits_under_a_sure_prior():
    with mpmath.workdps(50):
        exact = mpmath.log(mpmath.beta(10**12 + 6, 10**12 + 4) / mpmath.beta(10**12, 10**12))
    np.testing.assert_allclose(reference("03/log_evidence")(1e12, 1e12, 6, 4), float(exact), rtol=1e-13)


def test_the_posterior_on_a_fine_grid_is_the_beta_posterior():
    k, heads, tails = 20_000, 7, 4
    thetas = (np.arange(k) + 0.5) / k
    p = np.array(reference("03/grid_posterior")(thetas, heads, tails, stats.beta(2, 3).pdf(thetas)))
    a, b, predicted = reference("03/beta_posterior")(2.0, 3.0, heads, tails)
    assert (a, b) == (9.0, 7.0)
    np.testing.assert_allclose(p * k, stats.beta(a, b).pdf(thetas), atol=1e-6)
    np.testing.assert_allclose(p @ thetas, predicted, atol=1e-8)


def test_the_two_losses_agree_with_scikit_learn_and_with_small_steps():
    rng = np.random.default_rng(0)
    x, y, weights = rng.normal(size=(30, 3)), rng.normal(size=30), rng.normal(size=3)
    slope = optimize.approx_fprime(weights, lambda w: ((x @ w - y) ** 2).sum())
    np.testing.assert_allclose(reference("03/squared_loss_gradient")(weights, x, y), slope, rtol=1e-5)
    labels = np.where(rng.random(30) < 0.5, -1.0, 1.0)
    mean = metrics.hinge_loss(labels, x @ weights + 0.3)
    found = reference("03/hinge_loss")(weights, 0.3, x, labels, 2.0)
    np.testing.assert_allclose(found, 0.5 * weights @ weights + 2 * 30 * mean, rtol=1e-12)


def test_the_exact_bound_is_the_evidence_less_a_divergence_and_drawing_estimates_it():
    rng = np.random.default_rng(3)
    joint, q = 0.1 * rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4))
    exact = reference("04/elbo_discrete")(joint, q)
    gap = kl_divergence.categorical(q, joint / joint.sum())
    np.testing.assert_allclose(exact, np.log(joint.sum()) - gap, rtol=1e-12)
    drawn = rng.choice(4, 20_000, p=q)
    estimate, error = reference("04/elbo")(np.log(joint)[drawn], np.log(q)[drawn])
    assert abs(estimate - exact) < 3 * error < 0.1


def test_the_pathwise_gradient_is_the_slope_of_the_packaged_bound():
    model, x, m, s = one_latent.SQUARE, 1.5, 0.6, -1.2
    e = special.ndtri((np.arange(200_000) + 0.5) / 200_000)
    z = m + np.exp(s / 2) * e
    found = reference("04/pathwise_gradient")(model.slope(x, z) - z, e, s)
    np.testing.assert_allclose(found, one_latent.elbo_gradient(model, x, m, s), rtol=1e-3)
    steps = [
        (one_latent.elbo(model, x, m + h, s + k) - one_latent.elbo(model, x, m - h, s - k)) / 2e-5
        for h, k in ((1e-5, 0), (0, 1e-5))
    ]
    np.testing.assert_allclose(found, steps, rtol=1e-3)


def test_the_entropy_and_the_logistic_model_agree_with_scipy():
    sds = np.array([0.3, 2.0, 1.0])
    peer = stats.multivariate_normal(np.zeros(3), np.diag(sds**2))
    np.testing.assert_allclose(reference("04/entropy_gaussian")(sds), peer.entropy(), rtol=1e-12)
    rng = np.random.default_rng(4)
    x, labels, w = rng.normal(size=(12, 2)), rng.integers(0, 2, 12), rng.normal(size=2)
    likelihood = stats.bernoulli(special.expit(x @ w)).logpmf(labels).sum()
    expected = likelihood + stats.norm(0, 2).logpdf(w).sum()
    np.testing.assert_allclose(reference("04/logistic_log_joint")(w, x, labels, 2.0), expected, rtol=1e-12)


def test_the_factorized_gaussian_agrees_with_the_package():
    rng = np.random.default_rng(5)
    for d in (2, 3, 5):
        rows = rng.normal(size=(d, d))
        mean, covariance = rng.normal(size=d), rows @ rows.T + 0.2 * np.eye(d)
        q = mean_field.Factorized(rng.normal(size=d), np.exp(rng.normal(size=d)))
        for j in range(d):
            new = mean_field.update(q, mean, covariance, j)
            found = reference("05/update")(q.means, mean, covariance, j)
            np.testing.assert_allclose(found, [new.means[j], new.variances[j]], rtol=1e-9)
        divergence = reference("05/kl_factorized")(*q, mean, covariance)
        np.testing.assert_allclose(divergence, -mean_field.elbo(q, mean, covariance), rtol=1e-9)
        expected = kl_divergence.multivariate_gaussian(q.means, np.diag(q.variances), mean, covariance)
        np.testing.assert_allclose(divergence, expected, rtol=1e-9)
        shares = mean_field.lost_variance(covariance)
        np.testing.assert_allclose(reference("05/lost_variance")(covariance), shares, rtol=1e-9)


def test_the_expected_log_weights_are_averages_over_dirichlet_draws():
    a = np.array([0.8, 2.0, 5.0])
    logs = np.log(np.random.default_rng(0).dirichlet(a, 100_000))
    error = logs.std(axis=0) / np.sqrt(len(logs))
    assert (np.abs(reference("05/expected_log_weights")(a) - logs.mean(axis=0)) < 4 * error).all()


def test_the_two_unknowns_of_a_gaussian_are_at_the_top_of_the_bound():
    """No other q(μ), and no other q(λ), has a larger ELBO: integrated on a grid, not by the updates."""
    data, mu0, beta0, a0, b0 = np.array([1.0, 2.0, 4.0, 5.0]), 0.0, 1.0, 1.5, 2.0
    m, precision, a, b = reference("05/coordinate_ascent")(data, mu0, beta0, a0, b0)

    def bound(m, log_precision, log_a, log_b):
        sd, a, b = np.exp(-log_precision / 2), np.exp(log_a), np.exp(log_b)
        mu = m + sd * np.linspace(-8, 8, 401)
        tau = stats.gamma(a, scale=1 / b).ppf((np.arange(4000) + 0.5) / 4000)
        weights = stats.norm(m, sd).pdf(mu) * (mu[1] - mu[0])
        squares = weights @ (((data - mu[:, None]) ** 2).sum(axis=1) + beta0 * (mu - mu0) ** 2)
        # E[log p(data, μ, λ)]: constants of the data and of the priors left out
        joint = ((a0 - 1 + (len(data) + 1) / 2) * np.log(tau) - (b0 + squares / 2) * tau).mean()
        return joint + stats.norm(m, sd).entropy() + stats.gamma(a, scale=1 / b).entropy()

    best = np.array([m, *np.log([precision, a, b])])
    for move in 0.1 * np.vstack([np.eye(4), -np.eye(4)]):
        assert bound(*(best + move)) < bound(*best)
    slope = optimize.approx_fprime(best, lambda v: bound(*v), 1e-4)
    np.testing.assert_allclose(slope, 0, atol=0.01)
