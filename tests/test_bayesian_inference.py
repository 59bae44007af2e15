"""The coin and the line against exact arithmetic, SciPy, scikit-learn and the grid; the grid's wall; bad input."""

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct

from vaecourse import bayesian_inference as bi
from vaecourse.bayesian_inference import Beta, Gaussian


def regression(seed: int, n: int, d: int):
    rng = np.random.default_rng(seed)
    turn = rng.normal(size=(d, d))
    prior = Gaussian(rng.normal(size=d), turn @ turn.T / d + 0.1 * np.eye(d))
    return rng.normal(size=(n, d)), rng.normal(size=n), prior


def exact(x, y, prior: Gaussian, sd: float, digits: int = 80):
    """Posterior mean, covariance and log evidence by the textbook's formulas, with many digits."""
    with mpmath.workdps(digits):
        X, r = mpmath.matrix(x.tolist()), mpmath.matrix(y.tolist())
        S, m = mpmath.matrix(prior.covariance.tolist()), mpmath.matrix(prior.mean.tolist())
        K = X * S * X.T + mpmath.mpf(sd) ** 2 * mpmath.eye(len(x))
        r -= X * m
        gain = S * X.T * K**-1
        mean, covariance = m + gain * r, S - gain * X * S
        log_evidence = -(
            len(x) * mpmath.log(2 * mpmath.pi) + mpmath.log(mpmath.det(K)) + (r.T * K**-1 * r)[0]
        )
        d = len(prior.mean)
        return (
            np.array([float(v) for v in mean]),
            np.array([[float(covariance[i, j]) for j in range(d)] for i in range(d)]),
            float(log_evidence / 2),
        )


def assert_same_belief(a: Gaussian, b: Gaussian, tolerance: float) -> None:
    assert a.mean == pytest.approx(b.mean, abs=tolerance * max(1, np.abs(b.mean).max()))
    assert a.covariance == pytest.approx(
        b.covariance, abs=tolerance * max(1e-300, np.abs(b.covariance).max())
    )


# The coin

COINS = [
    (1.0, 1.0, 3, 2),
    (1.0, 1.0, 0, 0),
    (0.5, 0.5, 0, 1000),
    (2.0, 7.0, 1, 0),
    (1e-3, 1e-3, 1, 1),
    (1e-100, 1e-100, 2, 0),
    (1e100, 1e-100, 1, 1),
    (1e-10, 2.0, 0, 5),
    (30.0, 40.0, 300, 7),
    (49.5, 0.2, 1, 100),
    (1.0, 1.0, 10**6, 3),
    (1e8, 1e8, 10**6, 10**6),
    (1e12, 3e11, 400, 600),
    (2.0, 3.0, 10**9, 10**9),
]


@pytest.mark.parametrize(("a", "b", "heads", "tails"), COINS)
def test_the_coin_s_evidence_agrees_with_exact_arithmetic(a, b, heads, tails):
    with mpmath.workdps(150):

        def log_beta(u, v):
            return mpmath.loggamma(u) + mpmath.loggamma(v) - mpmath.loggamma(u + v)

        a_, b_ = mpmath.mpf(a), mpmath.mpf(b)
        truth = float(log_beta(a_ + heads, b_ + tails) - log_beta(a_, b_))
    assert bi.beta_log_evidence(Beta(a, b), heads, tails) == pytest.approx(truth, rel=1e-13, abs=1e-14)


def test_the_coin_agrees_with_scipy_and_with_quadrature():
    prior, heads, tails = Beta(2.0, 3.5), 4, 2
    posterior = bi.beta_posterior(prior, heads, tails)
    theta = np.linspace(0.01, 0.99, 9)
    peer = stats.beta(6.0, 5.5)
    assert np.exp(bi.beta_log_density(posterior, theta)) == pytest.approx(peer.pdf(theta), rel=1e-12)
    assert (posterior.mean, posterior.sd) == pytest.approx((peer.mean(), peer.std()), rel=1e-13)

    def joint(t):
        return t**heads * (1 - t) ** tails * stats.beta(2.0, 3.5).pdf(t)

    evidence = integrate.quad(joint, 0, 1, epsabs=1e-15)[0]
    assert np.exp(bi.beta_log_evidence(prior, heads, tails)) == pytest.approx(evidence, rel=1e-11)
    average = integrate.quad(lambda t: t * joint(t), 0, 1, epsabs=1e-15)[0] / evidence
    assert bi.beta_predictive(posterior) == pytest.approx(average, rel=1e-10)


def test_bayes_rule_holds_at_every_theta():
    prior, theta = Beta(0.7, 4.0), np.linspace(0.02, 0.98, 30)
    posterior = bi.beta_posterior(prior, 5, 1)
    right = bi.coin_log_likelihood(theta, 5, 1) + bi.beta_log_density(prior, theta)
    assert bi.beta_log_density(posterior, theta) == pytest.approx(
        right - bi.beta_log_evidence(prior, 5, 1), abs=1e-12
    )


def test_toss_by_toss_is_all_at_once_and_the_evidence_is_the_product_of_the_predictions():
    belief, log_product = Beta(1.5, 0.5), 0.0
    tosses = np.random.default_rng(0).random(60) < 0.3
    for heads in tosses:
        chance = bi.beta_predictive(belief)
        log_product += np.log(chance if heads else 1 - chance)
        belief = bi.beta_posterior(belief, int(heads), int(not heads))
    heads, tails = int(tosses.sum()), int((~tosses).sum())
    assert belief == bi.beta_posterior(Beta(1.5, 0.5), heads, tails)
    assert log_product == pytest.approx(bi.beta_log_evidence(Beta(1.5, 0.5), heads, tails), rel=1e-13)


def test_no_toss_changes_nothing_and_arguments_broadcast():
    assert bi.beta_posterior(Beta(2.0, 3.0), 0, 0) == Beta(2.0, 3.0)
    assert bi.beta_log_evidence(Beta(2.0, 3.0), 0, 0) == 0
    many = bi.beta_log_evidence(Beta(np.array([1.0, 60.0]), 2.0), np.array([[0], [3]]), 4)
    assert many.shape == (2, 2)
    assert many[1, 1] == bi.beta_log_evidence(Beta(60.0, 2.0), 3, 4)


def test_the_ends_are_limits():
    assert bi.coin_log_likelihood([0.0, 1.0], 0, 3).tolist() == [0, -np.inf]
    assert bi.beta_log_density(Beta(1.0, 1.0), [0.0, 1.0]).tolist() == [0, 0]
    assert bi.beta_log_density(Beta(2.0, 0.5), [0.0, 1.0]).tolist() == [-np.inf, np.inf]


# The line


@pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 4), (3, 5), (20, 3), (300, 8)])
@pytest.mark.parametrize("sd", [1e-3, 0.5, 30.0])
def test_the_line_s_evidence_agrees_with_scipy(n, d, sd):
    x, y, prior = regression(n + d, n, d)
    spread = sd**2 * np.eye(n) + x @ prior.covariance @ x.T
    truth = stats.multivariate_normal(x @ prior.mean, spread).logpdf(y)
    # SciPy's own spread has the condition number of (x Σ xᵀ)/σ²
    tolerance = 1e-12 * (1 + np.linalg.cond(spread))
    assert bi.linear_log_evidence(x, y, prior, sd) == pytest.approx(truth, rel=min(1e-6, tolerance))


@pytest.mark.parametrize(("n", "d"), [(1, 3), (2, 5), (30, 3), (100, 6)])
def test_posterior_predictive_and_evidence_agree_with_a_gaussian_process(n, d):
    x, y, _ = regression(n, n, d)
    new, sd = np.random.default_rng(0).normal(size=(7, d)), 0.3
    prior = Gaussian(np.zeros(d), np.eye(d))
    peer = GaussianProcessRegressor(DotProduct(0.0, "fixed"), alpha=sd**2, optimizer=None).fit(x, y)
    mean, latent = peer.predict(new, return_std=True)
    ours = bi.linear_predictive(new, bi.linear_posterior(x, y, prior, sd), sd)
    assert ours.mean == pytest.approx(mean, rel=1e-9, abs=1e-10)
    assert ours.sd == pytest.approx(np.sqrt(latent**2 + sd**2), rel=1e-8)
    assert bi.linear_log_evidence(x, y, prior, sd) == pytest.approx(
        peer.log_marginal_likelihood_value_, rel=1e-10
    )


@pytest.mark.parametrize(("n", "d"), [(1, 1), (3, 3), (4, 2), (3, 5), (12, 3)])
@pytest.mark.parametrize("sd", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_any_noise_agrees_with_exact_arithmetic(n, d, sd):
    x, y, prior = regression(10 * n + d, n, d)
    mean, covariance, log_evidence = exact(x, y, prior, sd)
    ours = bi.linear_posterior(x, y, prior, sd)
    assert_same_belief(ours, Gaussian(mean, covariance), 1e-10)
    assert bi.linear_log_evidence(x, y, prior, sd) == pytest.approx(log_evidence, rel=1e-10)


def test_columns_that_repeat_each_other_share_their_weight():
    rng = np.random.default_rng(3)
    column = rng.normal(size=(20, 1))
    x, y, prior = np.repeat(column, 2, axis=1), rng.normal(size=20), Gaussian(np.zeros(2), np.eye(2))
    for sd in (1e-12, 1e-3, 1.0):
        mean, covariance, log_evidence = exact(x, y, prior, sd)
        ours = bi.linear_posterior(x, y, prior, sd)
        assert_same_belief(ours, Gaussian(mean, covariance), 1e-10)
        assert ours.mean[0] == pytest.approx(ours.mean[1], rel=1e-12)
        # along (1, −1) nothing was learnt
        assert np.array([1, -1]) @ ours.covariance @ [1, -1] == pytest.approx(2, rel=1e-12)
        assert bi.linear_log_evidence(x, y, prior, sd) == pytest.approx(log_evidence, rel=1e-10)


@pytest.mark.parametrize("covariance", [np.zeros((2, 2)), np.ones((2, 2)), np.diag([4.0, 0.0])])
def test_a_singular_prior_keeps_what_it_is_certain_of(covariance):
    x, y, _ = regression(5, 15, 2)
    prior, sd = Gaussian(np.array([1.0, -2.0]), covariance), 0.4
    mean, expected, log_evidence = exact(x, y, prior, sd)
    ours = bi.linear_posterior(x, y, prior, sd)
    assert_same_belief(ours, Gaussian(mean, expected), 1e-12)
    assert bi.linear_log_evidence(x, y, prior, sd) == pytest.approx(log_evidence, rel=1e-11)
    certain = np.linalg.svd(covariance)[2][np.linalg.matrix_rank(covariance) :]
    assert certain @ ours.mean == pytest.approx(certain @ prior.mean, abs=1e-12)
    # and it may be the prior of what comes next
    again = bi.linear_posterior(x, y, ours, sd)
    assert_same_belief(again, bi.linear_posterior(np.vstack([x, x]), np.append(y, y), prior, sd), 1e-12)


def test_a_prior_of_very_different_sizes_keeps_its_digits():
    x, y, _ = regression(6, 9, 3)
    prior = Gaussian(np.zeros(3), np.diag([1e-16, 1.0, 1e16]))
    mean, covariance, log_evidence = exact(x, y, prior, 0.5)
    ours = bi.linear_posterior(x, y, prior, 0.5)
    assert ours.mean == pytest.approx(mean, rel=1e-7, abs=1e-15)
    assert np.diag(ours.covariance) == pytest.approx(np.diag(covariance), rel=1e-7)
    assert bi.linear_log_evidence(x, y, prior, 0.5) == pytest.approx(log_evidence, rel=1e-8)


def test_one_point_at_a_time_is_all_at_once():
    for seed in range(20):
        x, y, prior = regression(seed, 25, 1 + seed % 6)
        sd = 10.0 ** (seed % 5 - 2)
        belief, log_evidence = prior, 0.0
        for row, value in zip(x, y, strict=True):
            now = bi.linear_predictive(row[None], belief, sd)
            log_evidence += stats.norm(now.mean[0], now.sd[0]).logpdf(value)
            belief = bi.linear_posterior(row[None], [value], belief, sd)
        assert_same_belief(belief, bi.linear_posterior(x, y, prior, sd), 1e-9)
        # the evidence is the product of the predictions
        assert log_evidence == pytest.approx(bi.linear_log_evidence(x, y, prior, sd), rel=1e-8)


def test_with_much_data_the_posterior_is_least_squares_with_its_textbook_error():
    x, y, prior = regression(1, 5000, 3)
    posterior = bi.linear_posterior(x, y, prior, 0.5)
    assert posterior.mean == pytest.approx(np.linalg.lstsq(x, y)[0], abs=1e-3)
    assert posterior.covariance == pytest.approx(0.25 * np.linalg.inv(x.T @ x), rel=2e-3, abs=1e-7)


def test_the_predictive_is_the_average_over_the_posterior():
    x, y, prior = regression(2, 6, 2)
    posterior, sd = bi.linear_posterior(x, y, prior, 0.3), 0.3
    row, at = np.array([[1.5, -0.7]]), 0.4
    w = np.random.default_rng(0).multivariate_normal(posterior.mean, posterior.covariance, 400_000)
    terms = stats.norm.pdf(at, w @ row[0], sd)
    now = bi.linear_predictive(row, posterior, sd)
    truth = stats.norm.pdf(at, now.mean[0], now.sd[0])
    assert abs(terms.mean() - truth) < 5 * terms.std() / np.sqrt(len(terms)) < 0.02 * truth
    # plugging in one w instead leaves out a part of the spread
    assert now.sd[0] > sd


# The grid


@pytest.mark.parametrize(("d", "points"), [(1, 60), (2, 60), (3, 45)])
def test_the_grid_agrees_with_the_closed_form(d, points):
    x, y, _ = regression(d, 5, d)
    prior = Gaussian(np.zeros(d), np.eye(d))

    def log_joint(w):
        return stats.norm.logpdf(y, w @ x.T, 0.7).sum(axis=1) + stats.norm.logpdf(w).sum(axis=1)

    grid = bi.grid_evidence(log_joint, np.full(d, -7.0), np.full(d, 7.0), points)
    assert grid.log_evidence == pytest.approx(bi.linear_log_evidence(x, y, prior, 0.7), rel=1e-9)
    assert grid.evaluations == points**d


def test_the_grid_agrees_with_the_coin_where_the_density_ends_at_the_walls():
    values = [
        bi.grid_evidence(lambda t: bi.coin_log_likelihood(t[:, 0], 3, 1), 0.0, 1.0, points).log_evidence
        for points in (50, 500)
    ]
    errors = np.abs(np.array(values) - bi.beta_log_evidence(Beta(1.0, 1.0), 3, 1))
    # the midpoint rule: a tenth of the width, a hundredth of the error
    assert errors[1] < 1e-4 and errors[0] / errors[1] == pytest.approx(100, rel=0.05)


def test_the_grid_works_in_blocks_and_asks_every_cell_once():
    sizes, seen = [], []

    def log_joint(w):
        sizes.append(len(w))
        seen.append(w)
        return np.zeros(len(w))

    result = bi.grid_evidence(log_joint, [0.0, 10.0, -1.0], [1.0, 12.0, 0.0], 30)
    assert max(sizes) <= bi.BLOCK < 27_000 == sum(sizes) == result.evaluations
    cells = np.concatenate(seen)
    assert len(np.unique(cells, axis=0)) == 27_000
    # each at its middle
    assert cells.mean(axis=0) == pytest.approx([0.5, 11, -0.5]) and cells.min(axis=0)[1] == pytest.approx(
        10 + 1 / 30
    )
    assert np.exp(result.log_evidence) == pytest.approx(2, rel=1e-12)


def test_the_grid_does_not_overflow_nor_vanish():
    for shift in (-1e5, 1e5):
        result = bi.grid_evidence(lambda w, c=shift: c + stats.norm.logpdf(w[:, 0]), -9.0, 9.0, 200)
        assert result.log_evidence == pytest.approx(shift, abs=1e-9)
    nothing = bi.grid_evidence(lambda w: np.full(len(w), -np.inf), 0.0, 1.0, 10)
    assert nothing.log_evidence == -np.inf


def test_the_wall_is_told_with_its_number():
    called = []
    with pytest.raises(
        ValueError, match=r"50 points along each of 10 axes ask for 50\^10 = 9.77e\+16 evaluations"
    ):
        bi.grid_evidence(called.append, np.zeros(10), np.ones(10), 50)
    assert not called
    # ten million are still done
    assert bi.MOST_EVALUATIONS == 10**7


# Bad input

FLAT = Gaussian(np.zeros(2), np.eye(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bi.beta_posterior(Beta(0.0, 1.0), 1, 1), "prior.a must be above zero"),
        (lambda: bi.beta_log_evidence(Beta(1e-200, 1.0), 1, 1), "prior.a is 1e-200; it must be from 1e-100 to 1e\\+100"),
        (lambda: bi.beta_posterior(Beta(1.0, np.nan), 1, 1), "prior.b holds NaN"),
        (lambda: bi.beta_posterior(Beta(1.0, 1.0), -1, 1), "heads is -1; a number of tosses is whole and not below"),
        (lambda: bi.beta_log_evidence(Beta(1.0, 1.0), 1, 0.5), "tails is 0.5; a number of tosses is whole"),
        (lambda: bi.beta_log_density(Beta(1.0, 1.0), 1.2), "theta goes from 1.2 to 1.2; a chance lies between 0 and 1"),
        (lambda: bi.coin_log_likelihood(np.nan, 1, 1), "theta holds NaN"),
        (lambda: bi.linear_posterior([[1.0, np.inf]], [1.0], FLAT, 1.0), "x holds NaN or infinity"),
        (lambda: bi.linear_posterior([[1.0, 2.0]], [np.nan], FLAT, 1.0), "y holds NaN or infinity"),
        (lambda: bi.linear_posterior([[1.0, 2.0]], [1.0, 2.0], FLAT, 1.0), r"y has shape \(2,\); right would be \(1,\)"),
        (lambda: bi.linear_posterior([[1.0]], [1.0], FLAT, 1.0), "x has 1 columns and the belief has 2 weights"),
        (lambda: bi.linear_posterior([[1.0, 2.0]], [1.0], FLAT, 0.0), "noise_sd must be above zero"),
        (lambda: bi.linear_posterior([[1.0, 2.0]], [1.0], FLAT, [1.0]), "noise_sd has shape"),
        (lambda: bi.linear_log_evidence([[1.0, 2e101]], [1.0], FLAT, 1.0), "x holds a number beyond 1e\\+100"),
        (lambda: bi.linear_log_evidence([], [], FLAT, 1.0), "x is empty"),
        (
            lambda: bi.linear_posterior([[1.0, 2.0]], [1.0], Gaussian([0.0], np.eye(2)), 1.0),
            r"prior has a mean of shape \(1,\) and a covariance of shape \(2, 2\)",
        ),
        (
            lambda: bi.linear_posterior([[1.0, 2.0]], [1.0], Gaussian([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]]), 1.0),
            "prior.covariance is not symmetric",
        ),
        (
            lambda: bi.linear_posterior([[1.0, 2.0]], [1.0], Gaussian([0.0, 0.0], np.diag([1.0, -1.0])), 1.0),
            "prior.covariance has the negative eigenvalue -1",
        ),
        (lambda: bi.linear_predictive([[np.nan, 0.0]], FLAT, 1.0), "x_new holds NaN"),
        (lambda: bi.linear_predictive([[1.0]], FLAT, 1.0), "x_new has 1 columns"),
        (lambda: bi.grid_evidence(lambda w: w[:, 0], 1.0, 0.0, 5), "low and high must be lists of the same length"),
        (lambda: bi.grid_evidence(lambda w: w[:, 0], 0.0, np.inf, 5), "high holds NaN or infinity"),
        (lambda: bi.grid_evidence(lambda w: w[:, 0], 0.0, 1.0, 2.5), "points is 2.5; it must be a whole number"),
        (lambda: bi.grid_evidence(lambda w: w, 0.0, 1.0, 5), "log_joint must give one number per point"),
        (lambda: bi.grid_evidence(lambda w: w[:, 0] * np.nan, 0.0, 1.0, 5), "log_joint must give one number per point"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
