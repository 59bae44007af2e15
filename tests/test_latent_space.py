"""Grids, walks and numbers in the space of codes."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import norm

from vaecourse import latent_space as space
from vaecourse.autoencoder import Autoencoder, Gaussian
from vaecourse.vae import VAE, Code


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


# --- grids and walks ------------------------------------------------------------------------------------------------


def test_a_quantile_grid_has_equal_probability_in_every_cell():
    grid = space.quantile_grid(15, 4, (2, 0), base=torch.tensor([9.0, 1.0, 9.0, -1.0]))
    assert grid.shape == (15, 15, 4)
    np.testing.assert_allclose(norm.cdf(grid[3, :, 2]), (np.arange(15) + 0.5) / 15)
    np.testing.assert_allclose(norm.cdf(grid[:, 3, 0]), (np.arange(15)[::-1] + 0.5) / 15)
    assert (grid[..., 1] == 1).all() and (grid[..., 3] == -1).all()
    assert torch.equal(space.quantile_grid(1, 2), torch.zeros(1, 1, 2, dtype=torch.float64))


def test_a_straight_walk_has_equal_steps_and_both_ends():
    a, b = normal(2, 5)
    walk = space.straight(a, b, 7)
    assert torch.equal(walk[0], a) and torch.equal(walk[-1], b)
    torch.testing.assert_close(walk.diff(dim=0), ((b - a) / 6).expand(6, 5))


@pytest.mark.parametrize("gap", [1e-12, 1e-4, 0.5, 2.0, 3.0, math.pi - 1e-4])
def test_a_spherical_walk_turns_at_equal_angles(gap):
    u, v = torch.linalg.qr(normal(6, 2))[0].T
    a, b = 2 * u, 3 * (math.cos(gap) * u + math.sin(gap) * v)
    walk = space.spherical(a, b, 9)
    torch.testing.assert_close(walk[[0, -1]], torch.stack([a, b]), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(walk.norm(dim=1), torch.linspace(2, 3, 9).double(), rtol=1e-8, atol=0)
    angles = torch.atan2(walk @ v, walk @ u)
    torch.testing.assert_close(angles, torch.linspace(0, 1, 9).double() * gap, rtol=1e-7, atol=1e-15)


def test_the_arc_stays_where_draws_are_and_the_line_does_not():
    a, b = normal(2, 64)
    typical = 64**0.5
    assert space.straight(a, b, 9).norm(dim=1).min() < 0.8 * typical
    assert space.spherical(a, b, 9).norm(dim=1).min() > 0.9 * typical


def test_traversals_change_one_dimension_a_row():
    base, values = normal(4), torch.tensor([-2.0, 0.0, 3.0])
    codes = space.traversals(base, values)
    assert codes.shape == (4, 3, 4)
    for j in range(4):
        assert codes[j, :, j].tolist() == [-2, 0, 3]
        others = [i for i in range(4) if i != j]
        assert torch.equal(codes[j][:, others], base[others].expand(3, 3))


# --- numbers --------------------------------------------------------------------------------------------------------


class Fixed(VAE):
    """A VAE whose encoder says what the test says."""

    def __init__(self, m, s):
        super().__init__(4, (), m.shape[1], likelihood=Gaussian(), generator=generator())
        self.code = Code(m, s)

    def encode(self, x):
        return self.code


def test_the_aggregate_is_what_sampled_codes_look_like():
    m, s = normal(3000, 3) * torch.tensor([0.5, 1.0, 2.0]).double() + 1, normal(3000, 3, seed=1) - 1
    found = space.aggregate(Fixed(m, s), torch.zeros(3000, 4))
    c = m.repeat(200, 1) + (s.repeat(200, 1) / 2).exp() * normal(600_000, 3, seed=2)
    torch.testing.assert_close(found.mean, c.mean(0), rtol=0, atol=0.01)
    torch.testing.assert_close(found.covariance, torch.cov(c.T), rtol=0.01, atol=0.01)
    assert torch.equal(found.variance, found.covariance.diagonal())


def test_an_autoencoder_has_an_aggregate_without_noise():
    model, x = (
        Autoencoder(4, (), 3, generator=generator()),
        torch.rand(50, 4, generator=generator(1)).double(),
    )
    found = space.aggregate(model, x)
    codes = model.mean_code(x).detach().numpy()
    np.testing.assert_allclose(found.covariance, np.cov(codes.T, bias=True), rtol=1e-10)


def test_random_codes_have_the_moments_that_were_asked_for():
    root = normal(3, 3)
    where = space.Aggregate(normal(3, seed=1), root @ root.T)
    codes = space.random_codes(200_000, where, generator(2))
    torch.testing.assert_close(codes.mean(0), where.mean, rtol=0, atol=0.02)
    torch.testing.assert_close(torch.cov(codes.T), where.covariance, rtol=0.02, atol=0.02)
    prior = space.random_codes(200_000, space.standard(2), generator(3))
    torch.testing.assert_close(torch.cov(prior.T), torch.eye(2).double(), rtol=0.02, atol=0.02)


def test_random_codes_of_a_dimension_never_used_stay_where_it_is():
    where = space.Aggregate(torch.tensor([1.0, 5.0]).double(), torch.diag(torch.tensor([2.0, 0.0]).double()))
    codes = space.random_codes(100, where, generator())
    assert torch.isfinite(codes).all() and (codes[:, 1] == 5).all() and codes[:, 0].std() > 1


def test_pairs_never_share_a_label():
    labels = torch.tensor([0] * 90 + [1] * 9 + [2])
    pairs = space.different_pairs(labels, 5000, generator())
    assert pairs.shape == (5000, 2) and (labels[pairs[:, 0]] != labels[pairs[:, 1]]).all()
    assert set(labels[pairs[:, 0]].tolist()) == {0, 1, 2}


def test_nearest_distances_agree_with_scipy():
    pictures, rows = normal(1500, 6), normal(40, 6, seed=1)
    expected = cdist(pictures, rows).min(axis=1)
    np.testing.assert_allclose(space.nearest_distance(pictures, rows), expected, rtol=1e-6)
    assert space.nearest_distance(rows, rows).max() < 1e-6


def test_usability_tells_a_good_decoder_from_a_bad_one():
    """Data on a plane: an exact linear code stays on it wherever it is asked, a random decoder does not."""
    w = torch.linalg.qr(normal(8, 2))[0]
    codes = normal(900, 2, seed=1)
    x, labels = codes @ w.T, (codes[:, 0] > 0).long()
    good, bad = (Autoencoder(8, (), 2, likelihood=Gaussian(), generator=generator(seed)) for seed in (0, 1))
    with torch.no_grad():
        for parameter, value in zip(good.parameters(), (w.T, 0, w, 0), strict=True):
            parameter.copy_(torch.as_tensor(value))
    of_good, of_bad = (
        space.usability(model, x[:600], x[600:], labels[600:], 500, generator(4)) for model in (good, bad)
    )
    assert of_good.real == of_bad.real and of_good.blend == of_bad.blend
    assert of_good.midpoint == pytest.approx(of_good.blend)  # the decoder is linear, so both are one picture
    assert of_good.prior == pytest.approx(of_good.real, rel=0.3) and of_good.matched < 1.3 * of_good.real
    assert min(of_bad.prior, of_bad.matched, of_bad.midpoint) > 3 * of_good.real


def test_arithmetic_is_done_on_the_mean_codes():
    codes, labels = normal(60, 3), torch.arange(60) % 4
    expected = codes[labels == 1].mean(0) - codes[labels == 2].mean(0) + codes[labels == 3].mean(0)
    torch.testing.assert_close(space.arithmetic(codes, labels, 1, 2, 3), expected)
    torch.testing.assert_close(space.arithmetic(codes, labels, 1, 2, 2), codes[labels == 1].mean(0))
    assert list(space.class_means(codes, labels)) == [0, 1, 2, 3]


def test_bad_input_is_refused():
    a, b, labels = normal(4), normal(4, seed=1), torch.tensor([0, 1])
    for sentence, use in {
        "n is 0; a grid has at least 1 row": lambda: space.quantile_grid(0, 2),
        r"dims is \(1, 1\); right would be two different numbers from 0 to 2": lambda: space.quantile_grid(
            3, 3, (1, 1)
        ),
        r"dims is \(0, 3\)": lambda: space.quantile_grid(3, 3, (0, 3)),
        r"base has shape \(2,\); right would be \(3,\)": lambda: space.quantile_grid(
            3, 3, base=torch.zeros(2)
        ),
        "n is 1; a walk has at least its 2 ends": lambda: space.straight(a, b, 1),
        r"a has shape \(4,\) and b \(3,\)": lambda: space.spherical(a, b[:3], 5),
        "a or b is zero, which has no direction": lambda: space.spherical(a, 0 * b, 5),
        "opposite directions": lambda: space.spherical(a, -2 * a, 5),
        "fewer than two classes": lambda: space.different_pairs(0 * labels, 5, generator()),
        "the same inputs": lambda: space.nearest_distance(normal(2, 3), normal(2, 4)),
        "c is 7; the labels are 0, 1": lambda: space.arithmetic(normal(2, 4), labels, 0, 1, 7),
    }.items():
        with pytest.raises(ValueError, match=sentence):
            use()
