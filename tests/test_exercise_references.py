"""What the exercises are judged against agrees with the package and with other libraries."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from vaecourse import gaussian_mixture, kl_divergence
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
