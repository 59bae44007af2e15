"""One coin five ways: against the exact answer, against each other, against independent optimizers; costs; bad input."""

import numpy as np
import pytest
from scipy import integrate, optimize, stats
from scipy.special import betaln, expit, log_expit

from vaecourse import kl_divergence as kl
from vaecourse import posterior_methods as pm
from vaecourse.bayesian_inference import Beta
from vaecourse.posterior_methods import Coin

COINS = [
    Coin(0, 0),
    Coin(1, 0),
    Coin(3, 0),
    Coin(7, 3),
    Coin(2, 40),
    Coin(0, 1000, Beta(0.5, 0.5)),
    Coin(1000, 0, Beta(0.5, 0.5)),
    Coin(500, 500, Beta(0.5, 0.5)),
    Coin(0, 0, Beta(0.5, 0.5)),
    Coin(0, 3, Beta(0.1, 4.0)),
    Coin(12, 1, Beta(30.0, 30.0)),
    Coin(100_000, 3),
    Coin(10_000_000, 0),
    Coin(0, 0, Beta(0.02, 0.03)),
    Coin(30, 10, Beta(1e5, 1e5)),
]


def random_coins(number: int = 40):
    rng = np.random.default_rng(0)
    for _ in range(number):
        tosses, chance = int(10 ** rng.uniform(0, 3)), rng.beta(0.5, 0.5)
        heads = int(rng.binomial(tosses, chance))
        yield Coin(heads, tosses - heads, Beta(*10 ** rng.uniform(-0.5, 1.5, 2)))


def counts(coin: Coin) -> tuple[float, float]:
    return coin.heads + coin.prior.a, coin.tails + coin.prior.b


def in_log_odds(coin: Coin):
    """log p(η|X) with its exact constant, for points of any shape."""
    a, b = counts(coin)
    return lambda eta: a * log_expit(eta) + b * log_expit(-eta) - betaln(a, b)


# Exact


def test_quadrature_and_conjugate_agree_to_ten_digits():
    for coin in [*COINS, *random_coins()]:
        exact, sums = pm.conjugate(coin), pm.quadrature(coin)
        assert sums.mean == pytest.approx(exact.mean, rel=1e-10)
        assert sums.sd == pytest.approx(exact.sd, rel=1e-10)
        assert sums.log_evidence == pytest.approx(exact.log_evidence, rel=1e-10, abs=1e-10)
        theta = stats.beta(*counts(coin)).ppf([0.01, 0.3, 0.5, 0.9, 0.999])
        theta = theta[(theta > 1e-300) & (theta < 1)]
        assert sums.density(theta) == pytest.approx(exact.density(theta), rel=1e-8)


def test_the_exact_answer_agrees_with_scipy():
    for coin in random_coins():
        exact, peer = pm.conjugate(coin), stats.beta(*counts(coin))
        assert (exact.mean, exact.sd) == pytest.approx((peer.mean(), peer.std()), rel=1e-12)
        # Bayes' rule at one θ gives the evidence
        theta = peer.mean()
        likelihood = coin.heads * np.log(theta) + coin.tails * np.log1p(-theta)
        log_evidence = likelihood + stats.beta(*coin.prior).logpdf(theta) - peer.logpdf(theta)
        assert exact.log_evidence == pytest.approx(log_evidence, rel=1e-10, abs=1e-10)


def test_quadrature_ends_also_where_rounding_is_large():
    coin = Coin(40, 10, Beta(1e9, 2e9))
    exact, sums = pm.conjugate(coin), pm.quadrature(coin)
    assert sums.log_evidence == pytest.approx(exact.log_evidence, abs=1e-5)
    assert (sums.mean, sums.sd) == pytest.approx((exact.mean, exact.sd), rel=1e-5)


def test_without_a_toss_the_posterior_is_the_prior_and_the_evidence_one():
    for prior in (Beta(1.0, 1.0), Beta(0.5, 3.0)):
        for summary in (pm.conjugate(Coin(0, 0, prior)), pm.quadrature(Coin(0, 0, prior))):
            assert summary.log_evidence == pytest.approx(0, abs=1e-13)
            assert summary.mean == pytest.approx(prior.mean, rel=1e-12)


@pytest.mark.parametrize("method", [pm.conjugate, pm.quadrature, pm.laplace, pm.variational])
def test_heads_and_tails_are_mirror_images(method):
    one, other = method(Coin(5, 1, Beta(2.0, 0.7))), method(Coin(1, 5, Beta(0.7, 2.0)))
    assert one.mean == pytest.approx(1 - other.mean, rel=1e-10)
    assert (one.sd, one.log_evidence) == pytest.approx((other.sd, other.log_evidence), rel=1e-10)
    theta = np.linspace(0.1, 0.9, 5)
    assert one.density(theta) == pytest.approx(other.density(1 - theta), rel=1e-8)


# Laplace


def test_laplace_sits_on_the_peak_with_its_curvature():
    for coin in [*COINS, *random_coins()]:
        a, b = counts(coin)
        log_posterior, truth = in_log_odds(coin), pm.conjugate(coin).log_evidence
        # the peak is at log a/b, the second derivative there −a b/(a + b)
        m, s = np.log(a / b), np.sqrt(1 / a + 1 / b)
        found = pm.laplace(coin)
        height = float(log_posterior(m)) + truth
        assert found.log_evidence == pytest.approx(
            height + 0.5 * np.log(2 * np.pi * s**2), rel=1e-9, abs=1e-9
        )
        middle = expit(m)
        at_the_peak = stats.norm(m, s).pdf(m) / (middle * expit(-m))
        assert found.density(np.array([middle]))[0] == pytest.approx(at_the_peak, rel=1e-6)


def test_laplace_s_error_falls_as_one_over_the_number_of_tosses():
    def error(n):
        coin = Coin(7 * n, 3 * n)
        return pm.laplace(coin).log_evidence - pm.conjugate(coin).log_evidence

    assert error(10) / error(100) == pytest.approx(10, rel=0.05)
    assert error(100) / error(1000) == pytest.approx(10, rel=0.01)


# The variational Gaussian


def test_the_elbo_is_below_the_evidence_by_the_divergence_of_q():
    for coin in [Coin(3, 0), Coin(7, 3), Coin(2, 40), Coin(0, 0), Coin(0, 3, Beta(0.5, 0.5))]:
        q, truth = pm.variational(coin), pm.conjugate(coin).log_evidence
        m, s = independent_best(coin)
        gap = kl.quadrature(
            lambda eta, m=m, s=s: kl.gaussian_log_density(eta, m, s), in_log_odds(coin), m - 9 * s, m + 9 * s
        )
        assert truth - q.log_evidence == pytest.approx(gap, rel=1e-6, abs=1e-9)
        assert q.density(expit(np.array([m])))[0] == pytest.approx(
            stats.norm(m, s).pdf(m) / (expit(m) * expit(-m)), rel=1e-4
        )


def independent_best(coin: Coin) -> tuple[float, float]:
    """The Gaussian of largest ELBO, by a search without derivatives over Gauss-Hermite sums."""
    e, w = np.polynomial.hermite_e.hermegauss(150)
    log_posterior = in_log_odds(coin)

    def loss(parameters):
        m, log_s = parameters
        return -(w @ log_posterior(m + np.exp(log_s) * e) / w.sum() + log_s)

    a, b = counts(coin)
    start = [np.log(a / b), 0.5 * np.log(1 / a + 1 / b)]
    found = optimize.minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
    return float(found.x[0]), float(np.exp(found.x[1]))


def test_the_elbo_is_never_above_the_truth_and_beats_what_laplace_s_gaussian_has():
    for coin in [*COINS, *random_coins()]:
        q, exact = pm.variational(coin), pm.conjugate(coin)
        assert q.log_evidence <= exact.log_evidence + 1e-10 * max(1, abs(exact.log_evidence))
        a, b = counts(coin)
        m, s, e = np.log(a / b), np.sqrt(1 / a + 1 / b), np.linspace(-8.5, 8.5, 2001)
        w = stats.norm.pdf(e) / stats.norm.pdf(e).sum()
        laplace = w @ in_log_odds(coin)(m + s * e) + np.log(s) + 0.5 * np.log(2 * np.pi * np.e)
        assert q.log_evidence >= exact.log_evidence + laplace - 1e-9 * max(1, abs(exact.log_evidence))


def test_the_best_gaussian_has_the_mean_of_theta_exactly():
    # in m the slope of the ELBO is (a + h) − (a + h + b + t) E_q[θ]: 0 only where E_q[θ] is the true mean
    for coin in [*COINS, *random_coins()]:
        assert pm.variational(coin).mean == pytest.approx(pm.conjugate(coin).mean, rel=1e-7)


@pytest.mark.parametrize("method", [pm.laplace, pm.variational])
def test_mean_and_sd_are_those_of_the_density(method):
    for coin in (Coin(3, 0), Coin(7, 3), Coin(0, 3, Beta(0.5, 0.5))):
        found = method(coin)

        def moment(power, found=found):
            # over η, where nothing is steep: dθ = θ(1 − θ) dη
            return integrate.quad(
                lambda eta: expit(eta) ** power * float(found.density(expit(eta))) * expit(eta) * expit(-eta),
                -30, 30, limit=200, epsabs=1e-13,
            )[0]  # fmt: skip

        assert moment(0) == pytest.approx(1, abs=1e-9)
        assert found.mean == pytest.approx(moment(1), rel=1e-8)
        assert found.sd == pytest.approx(np.sqrt(moment(2) - moment(1) ** 2), rel=1e-7)
        assert found.density(np.array([0.0, 1.0])).tolist() == [0, 0]


def test_on_a_skewed_coin_each_step_up_is_closer():
    for coin in (Coin(3, 0), Coin(1, 0), Coin(9, 1, Beta(2.0, 2.0))):
        exact = pm.conjugate(coin)
        laplace, best, sums = pm.laplace(coin), pm.variational(coin), pm.quadrature(coin)
        errors = [abs(s.log_evidence - exact.log_evidence) for s in (laplace, best, sums)]
        assert errors[0] > 2 * errors[1] > 1e6 * errors[2]
        errors = [abs(s.sd - exact.sd) for s in (laplace, best, sums)]
        assert errors[0] > errors[1] > 1e6 * errors[2]


# Markov chain Monte Carlo


def test_mcmc_agrees_within_its_error_which_falls_as_one_over_the_root_of_the_draws():
    coin = Coin(7, 3)
    exact = pm.conjugate(coin)

    def errors(draws, seeds):
        runs = [pm.mcmc(coin, np.random.default_rng(seed), draws) for seed in seeds]
        return np.array([[run.mean - exact.mean, run.sd - exact.sd] for run in runs])

    few, many = errors(400, range(60)), errors(6400, range(30))
    # the walk is worth at least one independent draw in ten
    assert (np.abs(many) < 5 * exact.sd / np.sqrt(640)).all()
    assert np.sqrt((few**2).mean(axis=0) / (many**2).mean(axis=0)) == pytest.approx([4, 4], rel=0.4)
    # no bias
    assert (np.abs(many.mean(axis=0)) < 4 * many.std(axis=0) / np.sqrt(30)).all()


def test_mcmc_s_histogram_is_a_density_near_the_true_one():
    coin = Coin(3, 0)
    found, exact = pm.mcmc(coin, np.random.default_rng(1), 40_000), pm.conjugate(coin)
    theta = np.linspace(-0.2, 1.2, 140_001)
    heights = found.density(theta)
    assert np.trapezoid(heights, theta) == pytest.approx(1, abs=1e-3)
    assert (heights >= 0).all() and heights[0] == heights[-1] == 0
    inside = (theta > 0) & (theta < 1)
    assert np.trapezoid(np.abs(heights[inside] - exact.density(theta[inside])), theta[inside]) < 0.1


def test_mcmc_is_the_same_from_the_same_generator_and_has_no_evidence():
    one, other, third = (pm.mcmc(Coin(2, 1), np.random.default_rng(seed), 1000) for seed in (0, 0, 1))
    assert one[:3] == other[:3] and one.mean != third.mean
    assert np.isnan(one.log_evidence)


# Costs


def test_evaluations_are_counted(monkeypatch):
    asked = []

    class Watched(pm._Joint):
        def __call__(self, eta):
            asked.append(np.size(eta))
            return super().__call__(eta)

        def slopes(self, eta):
            asked.append(np.size(eta))
            return super().slopes(eta)

    monkeypatch.setattr(pm, "_Joint", Watched)
    rng = np.random.default_rng(0)
    for method in (pm.conjugate, pm.quadrature, pm.laplace, pm.variational, lambda c: pm.mcmc(c, rng, 1000)):
        asked.clear()
        found = method(Coin(4, 1))
        assert found.evaluations == sum(asked)
        found.density(np.linspace(0.1, 0.9, 5))
        assert found.evaluations == sum(asked)
    costs = [f(Coin(4, 1)).evaluations for f in (pm.conjugate, pm.laplace, pm.quadrature)]
    assert costs[0] == 0 < costs[1] < 20 < costs[2] < 1000


# Bad input


@pytest.mark.parametrize(
    "method",
    [
        pm.conjugate,
        pm.quadrature,
        pm.laplace,
        pm.variational,
        lambda c: pm.mcmc(c, np.random.default_rng(0), 10),
    ],
)
@pytest.mark.parametrize(
    ("coin", "message"),
    [
        (Coin(-1, 2), "heads is -1; a number of tosses is whole and not below zero"),
        (Coin(1, 2.5), "tails is 2.5"),
        (Coin(1, np.nan), "tails holds NaN"),
        (Coin(1, 1, Beta(0.0, 1.0)), "prior.a must be above zero"),
        (Coin(1, 1, Beta(1.0, np.inf)), "prior.b holds NaN or infinity"),
    ],
)
def test_bad_coins_are_told_in_one_sentence(method, coin, message):
    with pytest.raises(ValueError, match=message):
        method(coin)


def test_other_bad_input_is_told_in_one_sentence():
    with pytest.raises(ValueError, match="draws is 3; it must be a whole number, at least 4"):
        pm.mcmc(Coin(1, 1), np.random.default_rng(0), 3)
    with pytest.raises(
        ValueError, match=r"prior is Beta\(1e-06, 1e-06\), for which a million cells are too few"
    ):
        pm.quadrature(Coin(0, 0, Beta(1e-6, 1e-6)))
    for method in (pm.laplace, pm.variational):
        with pytest.raises(ValueError, match="prior is so near a = 0 or b = 0 that the log-odds spread"):
            method(Coin(0, 0, Beta(1e-20, 1.0)))
