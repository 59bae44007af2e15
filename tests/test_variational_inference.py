"""The ELBO, its two gradients and the climb against closed forms of Gaussian models, quadrature and finite differences."""

import numpy as np
import pytest
from scipy import integrate, stats

from vaecourse import kl_divergence as kl
from vaecourse import variational_inference as vi


def gaussian_model(mean, cov, log_evidence: float = 0.0) -> vi.LogJoint:
    """log p(x, z) = log p(x) + log N(z; mean, cov): a posterior and an evidence that are known."""
    precision, constant = np.linalg.inv(cov), log_evidence - 0.5 * np.linalg.slogdet(2 * np.pi * cov)[1]
    return vi.LogJoint(
        lambda z: constant - 0.5 * np.einsum("si,ij,sj->s", z - mean, precision, z - mean),
        lambda z: -(z - mean) @ precision,
        len(mean),
    )


def bent_model() -> vi.LogJoint:
    """A posterior in the plane that is no Gaussian: a log joint with a fourth power, a logarithm and a product."""

    def value(z):
        a, b = z.T
        return -0.1 * a**4 - 0.5 * (b - a**2) ** 2 - np.logaddexp(0, a + 2 * b)

    def gradient(z):
        a, b = z.T
        s = 1 / (1 + np.exp(-a - 2 * b))
        return np.column_stack([-0.4 * a**3 + 2 * a * (b - a**2) - s, -(b - a**2) - 2 * s])

    return vi.LogJoint(value, gradient, 2)


def problem(seed: int, d: int | None = None):
    """A Gaussian model of random size, and a q of either family that is not its posterior."""
    rng = np.random.default_rng(seed)
    d = d or int(rng.integers(1, 6))
    mean, a, b = rng.normal(size=d), rng.normal(size=(d, d)), rng.normal(size=(d, d))
    cov = a @ a.T + 0.3 * np.eye(d)
    diagonal = vi.diagonal_q(rng.normal(size=d), rng.uniform(0.3, 2, size=d))
    full = vi.full_q(rng.normal(size=d), b @ b.T + 0.3 * np.eye(d))
    return gaussian_model(mean, cov, 2.5), mean, cov, (diagonal, full), rng


FAMILIES = pytest.mark.parametrize("family", ["diagonal", "full"])


def a_q(family: str, d: int = 2, seed: int = 0) -> vi.GaussianQ:
    return problem(seed, d)[3][family == "full"]


# The family


@FAMILIES
def test_density_entropy_and_draws_agree_with_scipy(family):
    q = a_q(family, 4)
    peer = stats.multivariate_normal(q.mean, q.covariance)
    e = np.random.default_rng(0).standard_normal((200_000, 4))
    z = vi.transform(q, e)
    assert np.allclose(vi.log_density(q, z[:50]), peer.logpdf(z[:50]), rtol=1e-11)
    assert vi.entropy(q) == pytest.approx(peer.entropy(), rel=1e-12)
    assert np.allclose(q.sd, np.sqrt(np.diag(q.covariance)), rtol=1e-13)
    assert np.allclose(z.mean(axis=0), q.mean, atol=5 * q.sd.max() / np.sqrt(len(z)))
    assert np.allclose(np.cov(z.T), q.covariance, atol=0.03)


@FAMILIES
def test_parameters_go_there_and_back(family):
    q = a_q(family, 3)
    values = vi.parameters(q)
    assert len(values) == (6 if family == "diagonal" else 9)
    back = vi.with_parameters(q, values)
    assert back.diagonal == q.diagonal == (family == "diagonal")
    assert np.allclose(back.mean, q.mean, rtol=1e-15) and np.allclose(back.factor, q.factor, rtol=1e-14)


# The bound


@pytest.mark.parametrize("seed", range(20))
def test_elbo_of_a_gaussian_model_is_the_evidence_minus_the_divergence(seed):
    model, mean, cov, qs, rng = problem(seed)
    for q in qs:
        estimate = vi.elbo(model, q, rng.standard_normal((20_000, len(mean))))
        exact = 2.5 - kl.multivariate_gaussian(q.mean, q.covariance, mean, cov)
        assert abs(estimate.value - exact) < 4 * estimate.standard_error
        assert estimate.value - 4 * estimate.standard_error < 2.5
        assert len(estimate.terms) == 20_000


def test_every_draw_says_the_evidence_when_q_is_the_posterior():
    model, mean, cov, _, rng = problem(3, 4)
    q, e = vi.full_q(mean, cov), rng.standard_normal((100, 4))
    estimate = vi.elbo(model, q, e)
    assert np.allclose(estimate.terms, 2.5, atol=1e-12) and estimate.standard_error < 1e-12
    evidence = vi.importance_log_evidence(model, q, e)
    assert evidence.value == pytest.approx(2.5, abs=1e-12)
    assert evidence.standard_error < 1e-12 and evidence.effective_draws == pytest.approx(100)


def test_a_bent_posterior_bound_below_evidence_within_error_both_against_quadrature():
    model, rng = bent_model(), np.random.default_rng(0)
    exact = np.log(
        integrate.dblquad(
            lambda b, a: np.exp(model.value(np.array([[a, b]]))[0]), -6, 6, -12, 40, epsabs=1e-8
        )[0]
    )
    for family in ("diagonal", "full"):
        q = vi.ascend(model, vi.diagonal_q([0.0, 0.0], 1.0), rng, 600, 20, 0.1, family).q
        e = rng.standard_normal((40_000, 2))
        bound = vi.elbo(model, q, e)
        assert bound.value + 10 * bound.standard_error < exact
        assert bound.value > exact - 1
        wide = q._replace(factor=1.5 * q.factor)
        evidence = vi.importance_log_evidence(model, wide, e)
        assert abs(evidence.value - exact) < 4 * evidence.standard_error < 0.2
        assert 1000 < evidence.effective_draws < 40_000


def test_the_error_bars_are_as_long_as_the_errors():
    model, rng = bent_model(), np.random.default_rng(0)
    q = vi.diagonal_q([-0.2, -0.3], [0.9, 1.3])
    for estimate in (vi.elbo, vi.importance_log_evidence):
        runs = [estimate(model, q, rng.standard_normal((1000, 2))) for _ in range(300)]
        spread = np.std([run.value for run in runs], ddof=1)
        assert np.mean([run.standard_error for run in runs]) == pytest.approx(spread, rel=0.2)


def test_a_density_that_is_zero_somewhere():
    model = vi.LogJoint(lambda z: np.where(z[:, 0] > 0, -z[:, 0], -np.inf), lambda z: -np.ones_like(z))
    q, e = vi.diagonal_q([1.0], 1.5), np.random.default_rng(0).standard_normal((50_000, 1))
    assert vi.elbo(model, q, e).value == -np.inf
    # ∫ e^−z dz over z > 0 is 1; q lets a quarter of its draws fall outside, and the sum forgives it
    evidence = vi.importance_log_evidence(model, q, e)
    assert abs(evidence.value) < 4 * evidence.standard_error < 0.1
    with pytest.raises(ValueError, match="density is 0"):
        vi.score_gradient(model, q, e)
    with pytest.raises(ValueError, match="no draw where"):
        vi.importance_log_evidence(model, vi.diagonal_q([-50.0], 1.0), e)


# Its gradient


@FAMILIES
@pytest.mark.parametrize("entropy", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_pathwise_gradient_is_the_slope_of_the_estimate_with_the_same_noise(family, entropy, seed):
    model, q = bent_model(), a_q(family, 2, seed)
    e = np.random.default_rng(seed).standard_normal((7, 2))

    def objective(values):
        moved = vi.with_parameters(q, values)
        estimate = vi.elbo(model, moved, e).value
        return estimate if entropy else estimate + vi.log_density(moved, vi.transform(moved, e)).mean()

    at, h = vi.parameters(q), 1e-5
    slopes = [(objective(at + h * one) - objective(at - h * one)) / (2 * h) for one in np.eye(len(at))]
    gradient = vi.elbo_gradient(model, q, e, entropy)
    assert np.allclose(gradient.value, slopes, rtol=1e-6, atol=1e-6)
    assert gradient.terms.shape == (7, len(at))


@FAMILIES
@pytest.mark.parametrize("entropy", [True, False])
def test_score_gradient_has_the_same_mean_and_a_far_larger_variance(family, entropy):
    model, q, rng = problem(1, 4)[0], a_q(family, 4, 1), np.random.default_rng(2)
    path = vi.elbo_gradient(model, q, rng.standard_normal((200_000, 4)), entropy)
    score = vi.score_gradient(model, q, rng.standard_normal((200_000, 4)), entropy)
    error = np.hypot(path.standard_error, score.standard_error)
    assert (np.abs(path.value - score.value) < 4.5 * error + 1e-12).all()
    ratio = score.terms.var(axis=0) / path.terms.var(axis=0)
    assert (ratio[:4] > 3).all() and np.median(ratio) > 6


def test_gradients_of_a_gaussian_model_in_closed_form():
    model, mean, cov, (q, _), rng = problem(4, 3)
    precision, e = np.linalg.inv(cov), rng.standard_normal((100_000, 3))
    # ∇_m ELBO = −Λ (m − μ),  ∂ELBO/∂ log sd_j = 1 − sd_j² Λ_jj
    exact = np.concatenate([-precision @ (q.mean - mean), 1 - q.sd**2 * np.diag(precision)])
    for gradient in (vi.elbo_gradient(model, q, e), vi.score_gradient(model, q, e)):
        assert (np.abs(gradient.value - exact) < 4 * gradient.standard_error).all()
    one = vi.elbo_gradient(model, q, e[:1])
    assert np.isnan(one.standard_error).all() and np.array_equal(one.value, one.terms[0])


# The climb


@pytest.mark.parametrize("seed", range(4))
def test_the_climb_ends_at_the_closed_form_optimum(seed):
    model, mean, cov, _, rng = problem(seed, 2 + seed)
    start = vi.diagonal_q(np.zeros(len(mean)), 3.0)
    diagonal = vi.ascend(model, start, rng, 1500, 20)
    sd = 1 / np.sqrt(np.diag(np.linalg.inv(cov)))
    assert (np.abs(diagonal.q.mean - mean) < 0.01 * sd).all()
    assert np.allclose(diagonal.q.sd, sd, rtol=0.06)
    full = vi.ascend(model, start, rng, 1500, 20, family="full")
    whitened = np.linalg.solve(np.linalg.cholesky(cov), full.q.factor)
    assert (np.abs(full.q.mean - mean) < 0.01 * sd).all()
    assert np.allclose(whitened @ whitened.T, np.eye(len(mean)), atol=0.15)
    # what the best diagonal q leaves: ½ (log Π Λ_jj + log det Σ)
    gap = 0.5 * (np.log(np.diag(np.linalg.inv(cov))).sum() + np.linalg.slogdet(cov)[1])
    for run, best in ((diagonal, 2.5 - gap), (full, 2.5)):
        assert kl.multivariate_gaussian(run.q.mean, run.q.covariance, mean, cov) == pytest.approx(
            2.5 - best, abs=0.02
        )
        assert run.elbos[-1] == pytest.approx(best, abs=0.1) and run.elbos[0] < best - 0.3


@FAMILIES
def test_the_unit_of_z_makes_no_difference(family):
    mean, cov = np.array([1.0, -2.0]), np.array([[1.0, 0.8], [0.8, 2.0]])
    start, unit = vi.diagonal_q([0.0, 0.0], [2.0, 1.0]), np.array([1e-6, 1e5])
    scaled_start = vi.diagonal_q([0.0, 0.0], start.sd * unit)
    run, scaled = (
        vi.ascend(gaussian_model(m, c), s, np.random.default_rng(0), 300, 10, 0.1, family)
        for m, c, s in ((mean, cov, start), (mean * unit, cov * np.outer(unit, unit), scaled_start))
    )
    assert np.allclose(scaled.means, run.means * unit, rtol=1e-6, atol=1e-9 * unit)
    assert np.allclose(scaled.factors, run.factors * unit[:, None], rtol=1e-6, atol=1e-9 * unit[:, None])


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e2])
def test_a_start_far_too_wide_or_too_narrow_still_arrives(scale):
    run = vi.ascend(
        gaussian_model([1.0, 2.0], np.array([[1, 0.5], [0.5, 1]])),
        vi.diagonal_q([0.0, 0.0], scale),
        np.random.default_rng(0),
        4000,
        10,
        0.2 if scale >= 1 else 1.0,
    )
    assert np.allclose(run.q.mean, [1, 2], atol=0.02) and np.allclose(run.q.sd, np.sqrt(0.75), rtol=0.08)


def test_without_the_entropy_q_becomes_a_spike_at_the_mode_and_the_bound_falls():
    model, mean, cov, _, _ = problem(5, 2)
    start = vi.diagonal_q([0.0, 0.0], 1.0)
    runs = [
        vi.ascend(model, start, np.random.default_rng(0), steps, 20, entropy=False) for steps in (500, 2000)
    ]
    sd = 1 / np.sqrt(np.diag(np.linalg.inv(cov)))
    kept = vi.ascend(model, start, np.random.default_rng(0), 500, 20)
    for run in runs:
        assert (np.abs(run.q.mean - mean) < 0.05 * sd).all()
        assert run.elbos[-1] < run.elbos.max() - 1 and run.elbos[-1] < kept.elbos[-1] - 2
    assert (runs[0].q.sd < 0.2 * sd).all() and (runs[1].q.sd < 0.5 * runs[0].q.sd).all()


def test_the_record_of_a_climb():
    model, _, _, (start, _), _ = problem(2, 3)
    run = vi.ascend(model, start, np.random.default_rng(0), 120, 7, family="full")
    assert run.means.shape == (121, 3) and run.factors.shape == (121, 3, 3) and run.sds.shape == (121, 3)
    assert run.elbos.shape == run.estimates.shape == (120,)
    assert run.elbos[0] == run.estimates[0]
    assert run.elbos[30] == pytest.approx(run.estimates[:31].mean(), rel=1e-12)
    assert run.elbos[-1] == pytest.approx(run.estimates[-50:].mean(), rel=1e-12)
    assert np.array_equal(run.at(0).factor, start.factor) and np.array_equal(run.at(120).mean, run.q.mean)
    assert np.allclose(run.sds[-1], run.q.sd) and not run.q.diagonal
    again = vi.ascend(model, start, np.random.default_rng(0), 120, 7, family="full")
    assert np.array_equal(run.factors, again.factors)
    short = vi.ascend(model, start, np.random.default_rng(0), 1, 1)
    assert short.q.diagonal and short.elbos.shape == (1,)


# Bad input


def test_bad_q_gives_one_sentence():
    for mean, sd, sentence in (
        ([np.nan], 1.0, "mean holds NaN"),
        ([0.0], 0.0, "sd must be above zero"),
        ([0.0, 1.0], [1.0, 1.0, 1.0], r"mean has shape \(2,\) and sd \(3,\)"),
        (0.0, 1.0, r"mean has shape \(\)"),
    ):
        with pytest.raises(ValueError, match=sentence):
            vi.diagonal_q(mean, sd)
    with pytest.raises(ValueError, match="not positive definite"):
        vi.full_q([0.0, 0.0], np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"mean has shape \(3,\) and cov \(2, 2\)"):
        vi.full_q(np.zeros(3), np.eye(2))


MODEL = gaussian_model(np.zeros(2), np.eye(2))
Q, E = vi.diagonal_q([0.0, 0.0], 1.0), np.zeros((5, 2))


@pytest.mark.parametrize(
    ("model", "q", "e", "sentence"),
    [
        (MODEL, vi.diagonal_q(np.zeros(3), 1.0), np.zeros((5, 3)), "q has 3 coordinates and the model has 2"),
        (MODEL, Q, np.zeros((5, 3)), r"e has shape \(5, 3\); right would be \(s, 2\)"),
        (MODEL, Q, np.zeros(2), r"e has shape \(2,\)"),
        (MODEL, Q, np.zeros((1, 2)), "s at least 2"),
        (MODEL, Q, np.full((5, 2), np.nan), "e holds NaN"),
        (MODEL, vi.GaussianQ(np.zeros(2), np.ones((2, 2))), E, "lower triangular with a positive diagonal"),
        (
            MODEL,
            vi.GaussianQ(np.zeros(2), np.diag([1.0, 0.0])),
            E,
            "lower triangular with a positive diagonal",
        ),
        (MODEL, vi.GaussianQ(np.zeros(2), np.eye(3)), E, r"right would be \(d,\) and \(d, d\)"),
        (vi.LogJoint(lambda z: np.full(len(z), np.nan), None), Q, E, "log joint is nan at z ="),
        (vi.LogJoint(lambda z: np.full(len(z), np.inf), None), Q, E, "log joint is inf at z ="),
        (vi.LogJoint(lambda z: z, None), Q, E, r"value has shape \(5, 2\).*right would be \(5,\)"),
    ],
)
def test_bad_input_gives_one_sentence(model, q, e, sentence):
    for estimate in (vi.elbo, vi.importance_log_evidence):
        with pytest.raises(ValueError, match=sentence):
            estimate(model, q, e)


def test_bad_gradients_give_one_sentence():
    with pytest.raises(ValueError, match=r"gradient has shape \(2,\) for points \(5, 2\)"):
        vi.elbo_gradient(MODEL._replace(gradient=lambda z: z[0]), Q, E)
    with pytest.raises(ValueError, match="gradient of the log joint is"):
        vi.elbo_gradient(MODEL._replace(gradient=lambda z: z * np.nan), Q, E)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number, at least 1"),
        ({"draws": 0}, "draws is 0"),
        ({"draws": 2.5}, "draws is 2.5"),
        ({"rate": 0.0}, "rate must be above zero"),
        ({"rate": np.nan}, "rate holds NaN"),
        ({"family": "round"}, "family is 'round'"),
        ({"start": vi.diagonal_q([0.0], 1.0)}, "q has 1 coordinates and the model has 2"),
        ({"start": vi.full_q([0.0, 0.0], [[1, 0.5], [0.5, 1]])}, "start has correlations"),
        ({"rate": 1e6}, r"Step \d+ of 50 failed.*Take a smaller rate \(it is 1e\+06\)"),
        (
            {"model": MODEL._replace(gradient=lambda z: np.where(np.abs(z) > 1, np.nan, -z))},
            r"Step 1 of 50 failed: The gradient of the log joint is .*nan.*smaller rate",
        ),
        (
            {"model": MODEL._replace(value=lambda z: np.where(np.abs(z[:, 0]) > 0.1, -np.inf, 0.0))},
            "Step 1 of 50 failed: a draw has the density 0",
        ),
    ],
)
def test_bad_climbs_give_one_sentence(arguments, sentence):
    right = {"model": MODEL, "start": Q, "rng": np.random.default_rng(0), "steps": 50, "draws": 10}
    with pytest.raises(ValueError, match=sentence):
        vi.ascend(**{**right, **arguments})
