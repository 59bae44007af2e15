"""The Metropolis tool against densities whose moments are known, and its measures of trust against exact values."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from vaecourse.metropolis import MetropolisDraws, effective_sample_size, metropolis, r_hat


def gaussian(mean, cov):
    precision = np.linalg.inv(cov)
    return lambda z: -0.5 * np.einsum("ci,ij,cj->c", z - mean, precision, z - mean)


def autoregression(phi: float, n: int, chains: int = 1, seed: int = 0) -> np.ndarray:
    """Chains (c, n, 1) of z' = φ z + √(1 − φ²) e, whose effective sample size is n (1 − φ)/(1 + φ)."""
    e = np.random.default_rng(seed).standard_normal((n, chains))
    z = np.empty_like(e)
    z[0] = e[0]
    for t in range(1, n):
        z[t] = phi * z[t - 1] + np.sqrt(1 - phi**2) * e[t]
    return z.T[:, :, None]


def standard_errors_away(draws: np.ndarray, truth) -> np.ndarray:
    """How many Monte Carlo standard errors each column's mean lies from the truth."""
    flat = draws.reshape(-1, draws.shape[-1])
    return np.abs(flat.mean(axis=0) - truth) / (flat.std(axis=0) / np.sqrt(effective_sample_size(draws)))


@pytest.mark.parametrize("seed", range(5))
def test_a_correlated_gaussian_mean_and_covariance_within_the_error_bars(seed):
    mean, cov = np.array([1.0, -20.0]), np.array([[1.0, 2.7], [2.7, 9.0]])
    starts = mean + 5 * np.random.default_rng(seed).normal(size=(8, 2))
    run = metropolis(gaussian(mean, cov), starts, np.random.default_rng(seed), 4000, 2.38**2 / 2 * cov, 500)
    assert run.values.shape == (8, 4000, 2)
    assert (effective_sample_size(run.values) > 2000).all()
    assert (r_hat(run.values) < 1.01).all()
    assert (standard_errors_away(run.values, mean) < 4).all()
    centred = run.values - mean
    products = np.stack(
        [centred[..., 0] ** 2, centred[..., 1] ** 2, centred[..., 0] * centred[..., 1]], axis=-1
    )
    assert (standard_errors_away(products, [1.0, 9.0, 2.7]) < 4).all()
    assert 0.25 < run.acceptance < 0.45


def test_a_beta_density_by_its_log_odds():
    a, b = 3.0, 9.0
    # p(η) = θᵃ (1 − θ)ᵇ with θ = 1/(1 + e^−η): the density of θ times dθ/dη = θ (1 − θ)
    run = metropolis(
        lambda eta: -a * np.logaddexp(0, -eta[:, 0]) - b * np.logaddexp(0, eta[:, 0]),
        np.zeros((10, 1)),
        np.random.default_rng(2),
        5000,
        [[2.0]],
    )
    theta, beta = expit(run.values), stats.beta(a, b)
    both = np.concatenate([theta, (theta - beta.mean()) ** 2, theta < beta.ppf(0.1)], axis=-1)
    assert (standard_errors_away(both, [beta.mean(), beta.var(), 0.1]) < 4).all()


def test_the_flow_between_any_two_places_is_the_same_both_ways():
    """Detailed balance: four plateaus on a line of unequal height and width, and nothing outside."""
    edges, heights = np.array([0.0, 1.0, 1.5, 3.5, 4.0]), np.array([1.0, 4.0, 0.5, 6.0])

    def place(z):
        return np.searchsorted(edges, z, side="right") - 1

    def log_density(z):
        inside = (z[:, 0] >= edges[0]) & (z[:, 0] < edges[-1])
        return np.where(inside, np.log(heights[np.clip(place(z[:, 0]), 0, 3)]), -np.inf)

    run = metropolis(log_density, np.full((200, 1), 0.5), np.random.default_rng(3), 1500, [[4.0]], 200)
    at = place(run.values[..., 0])
    mass = heights * np.diff(edges) / (heights @ np.diff(edges))
    visits = (at[..., None] == np.arange(4)).astype(float)
    assert (standard_errors_away(visits, mass) < 4).all()
    flow = np.zeros((4, 4))
    np.add.at(flow, (at[:, :-1].ravel(), at[:, 1:].ravel()), 1)
    upper = np.triu_indices(4, 1)
    there, back = flow[upper], flow.T[upper]
    assert (there > 1000).all()
    # one crossing more or less each way: the difference has at most a Poisson's variance
    assert (np.abs(there - back) < 4 * np.sqrt(there + back)).all()


def test_one_chain_and_many_have_the_shapes_said_and_every_evaluation_is_counted():
    counted = []

    def log_density(z):
        counted.append(len(z))
        return -0.5 * (z**2).sum(axis=1)

    one = metropolis(log_density, [0.0, 0.0, 0.0], np.random.default_rng(0), 50, np.eye(3), warmup=20)
    assert isinstance(one, MetropolisDraws) and one.values.shape == (50, 3)
    assert one.evaluations == sum(counted) == 71
    counted.clear()
    many = metropolis(log_density, np.zeros((4, 3)), np.random.default_rng(0), 50, np.eye(3), warmup=0)
    assert many.values.shape == (4, 50, 3)
    assert many.evaluations == sum(counted) == 204
    moved = np.diff(many.values[:, :, 0], axis=1, prepend=np.zeros((4, 1))) != 0
    assert many.acceptance == pytest.approx(moved.mean())
    same = metropolis(log_density, np.zeros((4, 3)), np.random.default_rng(0), 50, np.eye(3), warmup=0)
    assert np.array_equal(same.values, many.values)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.97])
def test_effective_sample_size_of_an_autoregression(phi):
    n, chains = 20_000, 4
    sizes = [
        effective_sample_size(autoregression(phi, n, chains, seed))[0] / (chains * n) for seed in range(5)
    ]
    assert np.mean(sizes) == pytest.approx((1 - phi) / (1 + phi), rel=0.1)


def test_r_hat_sees_chains_that_disagree_and_chains_that_drift():
    good = autoregression(0.5, 4000, 4)
    assert r_hat(good)[0] == pytest.approx(1, abs=5e-3)
    apart = good + np.array([0, 0, 0, 3.0])[:, None, None]
    # V/W of one chain in four shifted by 3: 1 + the variance of eight half-means, two of them at 3
    assert r_hat(apart)[0] == pytest.approx(np.sqrt(1 + 9 * 2 * 6 / (8 * 7)), rel=0.02)
    assert effective_sample_size(apart)[0] < 20
    drift = good[:1] + np.linspace(0, 5, 4000)[None, :, None]
    assert r_hat(drift)[0] > 1.5 and r_hat(drift[0])[0] == r_hat(drift)[0]
    stuck = np.zeros((2, 100, 1)) + np.array([0.0, 1.0])[:, None, None]
    assert r_hat(stuck)[0] == np.inf


def test_r_hat_by_hand():
    halves = [[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 2.0, 2.0]]
    # W = (14/3 + 4/3)/2 = 3, the means are 3 and 1: V = 3/4 · 3 + 2
    assert r_hat(np.concatenate(halves)[:, None])[0] == pytest.approx(np.sqrt((2.25 + 2) / 3), rel=1e-12)


def test_measures_do_not_change_with_the_unit():
    values = autoregression(0.8, 1000, 3)
    assert np.allclose(effective_sample_size(1e6 * values - 5), effective_sample_size(values), rtol=1e-6)
    assert np.allclose(r_hat(1e-6 * values + 3), r_hat(values), rtol=1e-6)


def flat(z):
    return np.zeros(len(z))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"start": [np.nan]}, "start holds NaN"),
        ({"start": 1.0}, r"start has shape \(\).*\(d,\)"),
        ({"start": np.zeros((2, 2, 2))}, r"start has shape \(2, 2, 2\)"),
        ({"start": [0.0, 0.0]}, r"proposal has shape \(1, 1\) and start has 2 coordinates"),
        ({"draws": 0}, "draws is 0; it must be a whole number, at least 1"),
        ({"draws": 2.5}, "draws is 2.5"),
        ({"draws": np.nan}, "draws is nan"),
        ({"warmup": -1}, "warmup is -1"),
        ({"proposal": [[0.0]]}, "proposal is not positive definite"),
        ({"proposal": 1.0}, "proposal has shape"),
        ({"log_density": lambda z: np.full(len(z), np.nan)}, "log_density is nan at"),
        ({"log_density": lambda z: np.full(len(z), np.inf)}, "log_density is inf at"),
        ({"log_density": lambda z: np.full(len(z), -np.inf)}, "start has the density 0 at"),
        ({"log_density": lambda z: 0.0}, r"log_density gives shape \(\) for points of shape \(1, 1\)"),
        ({"log_density": lambda z: z}, r"log_density gives shape \(1, 1\)"),
        ({"log_density": lambda z: np.where(z[:, 0] == 0, 0.0, np.nan)}, "log_density is nan at"),
    ],
)
def test_bad_input_gives_one_sentence(arguments, sentence):
    right = {
        "log_density": flat,
        "start": [0.0],
        "rng": np.random.default_rng(0),
        "draws": 5,
        "proposal": [[1.0]],
    }
    with pytest.raises(ValueError, match=sentence):
        metropolis(**{**right, **arguments})


@pytest.mark.parametrize("measure", [effective_sample_size, r_hat])
def test_measures_refuse_what_they_cannot_judge(measure):
    with pytest.raises(ValueError, match="never move in coordinate 1"):
        measure(np.column_stack([np.arange(20.0), np.ones(20)]))
    with pytest.raises(ValueError, match="at least 8 draws"):
        measure(np.zeros((4, 3, 2)))
    with pytest.raises(ValueError, match="at least 8 draws"):
        measure(np.zeros(20))
    with pytest.raises(ValueError, match="NaN"):
        measure(np.full((20, 1), np.nan))
