"""The VAE against torch.distributions, quadrature, and a model whose log p(x) is known exactly."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy.integrate import quad
from torch.distributions import Independent, Normal, kl_divergence

from vaecourse import data, vae
from vaecourse.training import train
from vaecourse.vae import VAE, Bernoulli, Gaussian


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 50, inputs: int = 12) -> torch.Tensor:
    return torch.rand(n, inputs, generator=generator(7), dtype=torch.float64)


# --- the two formulas -------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32), st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_kl_agrees_with_torch_distributions(seed, latent):
    m, s = 3 * torch.randn(2, 5, latent, generator=generator(seed), dtype=torch.float64)
    q = Independent(Normal(m, torch.exp(s / 2)), 1)
    prior = Independent(Normal(torch.zeros_like(m), torch.ones_like(m)), 1)
    torch.testing.assert_close(
        vae.kl_to_standard_normal(m, s), kl_divergence(q, prior), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize(("m", "s"), [(0.0, 0.0), (1.5, -3.0), (-0.2, 2.0), (0.0, 0.005), (4.0, 0.3)])
def test_kl_agrees_with_quadrature(m, s):
    std = math.exp(s / 2)

    def integrand(z):
        log_q = -0.5 * ((z - m) / std) ** 2 - s / 2
        return math.exp(log_q) / math.sqrt(2 * math.pi) * (log_q + 0.5 * z * z)

    expected, _ = quad(integrand, m - 12 * std, m + 12 * std, epsabs=1e-13, points=[m], limit=200)
    got = vae.kl_to_standard_normal(torch.tensor([m]).double(), torch.tensor([s]).double()).item()
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_kl_keeps_its_digits_near_zero(dtype):
    """Against 60-digit arithmetic: the naive form has none left at |s| = 1e-8."""
    tolerance = {torch.float64: 1e-12, torch.float32: 2e-5}[dtype]
    exponents = np.linspace(-15, 1.5, 400)
    for sign in (1, -1):
        s = torch.tensor(sign * 10.0**exponents, dtype=dtype)
        got = vae.kl_per_dimension(torch.zeros_like(s), s).double().numpy()
        with mp.workdps(60):
            exact = [float((mp.expm1(mp.mpf(float(v))) - mp.mpf(float(v))) / 2) for v in s]
        np.testing.assert_allclose(got, exact, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_extreme_codes_give_a_number_or_infinity_never_nan(dtype):
    s = torch.tensor([-1e4, -800.0, -80.0, 0.0, 80.0, 800.0, 1e4], dtype=dtype, requires_grad=True)
    m = torch.zeros_like(s, requires_grad=True)
    kl = vae.kl_per_dimension(m, s)
    assert not kl.isnan().any() and (kl >= 0).all()
    torch.testing.assert_close(kl[:3].detach(), torch.tensor([4999.5, 399.5, 39.5], dtype=dtype))
    kl.sum().backward()
    assert not s.grad.isnan().any() and not m.grad.isnan().any()
    assert s.grad[3] == 0 and s.grad[2] == pytest.approx(-0.5)


def test_gradients_agree_with_finite_differences():
    m, s, e = torch.randn(3, 4, 3, generator=generator(), dtype=torch.float64)
    s = torch.cat([s, torch.tensor([[0.0, 0.004, -0.02]]).double()])
    m, e = torch.cat([m, m[:1]]).requires_grad_(), torch.cat([e, e[:1]])
    assert torch.autograd.gradcheck(vae.kl_to_standard_normal, (m, s.requires_grad_()))
    assert torch.autograd.gradcheck(lambda m, s: vae.sample_code(m, s, e), (m, s))


def test_sampled_codes_have_the_mean_and_the_variance_of_q():
    m, s = torch.tensor([1.0, -2.0]).double(), torch.tensor([0.7, -1.4]).double()
    c = vae.sample_code(m, s, torch.randn(200_000, 2, generator=generator(), dtype=torch.float64))
    error = torch.exp(s / 2) / 200_000**0.5
    assert ((c.mean(0) - m).abs() < 4 * error).all()
    assert ((c.var(0) / s.exp() - 1).abs() < 4 * (2 / 200_000) ** 0.5).all()


def test_likelihoods_agree_with_torch_distributions():
    x = pictures()
    output = 5 * torch.randn(3, 50, 12, generator=generator(), dtype=torch.float64)
    p = torch.distributions.Bernoulli(logits=output, validate_args=False)
    torch.testing.assert_close(Bernoulli().log_prob(x, output), p.log_prob(x.expand_as(output)).sum(-1))
    expected = Normal(output, 0.3).log_prob(x).sum(-1)
    torch.testing.assert_close(Gaussian(0.09).log_prob(x, output), expected)


def test_the_bernoulli_likelihood_does_not_overflow():
    x, output = torch.tensor([[1.0], [0.0], [0.3]]), torch.tensor([[-1000.0], [1000.0], [200.0]])
    torch.testing.assert_close(Bernoulli().log_prob(x, output), torch.tensor([-1000.0, -1000.0, -140.0]))


# --- the bound, where log p(x) is known ---------------------------------------------------------------------------


def linear_gaussian(variance: float = 0.2) -> tuple[VAE, torch.Tensor, torch.Tensor]:
    """A VAE of single linear layers, some x, and its exact log p(x) = log N(x; b, W Wᵀ + σ² I)."""
    model = VAE(6, (), 3, likelihood=Gaussian(variance), generator=generator(3))
    w, b = model.decoder[0].weight.detach(), model.decoder[0].bias.detach()
    with torch.no_grad():
        w.copy_(torch.linalg.qr(w)[0] * torch.tensor([2.0, 1.0, 0.5]).double())
    p = torch.distributions.MultivariateNormal(b, w @ w.T + variance * torch.eye(6).double())
    torch.manual_seed(0)  # torch.distributions has no generator argument
    x = p.sample((40,))
    return model, x, p.log_prob(x)


@torch.no_grad()
def be_exact(model: VAE, variance: float = 0.2) -> None:
    """Give the encoder the weights of the exact posterior, N((Wᵀ W + σ² I)⁻¹ Wᵀ (x − b), σ² (Wᵀ W + σ² I)⁻¹)."""
    w, b = model.decoder[0].weight, model.decoder[0].bias
    precision = w.T @ w + variance * torch.eye(3).double()
    gain = torch.linalg.solve(precision, w.T)
    model.encoder[0].weight.copy_(torch.cat([gain, torch.zeros_like(gain)]))
    model.encoder[0].bias.copy_(torch.cat([-gain @ b, torch.log(variance / precision.diagonal())]))


def test_the_elbo_stays_below_log_p():
    model, x, exact = linear_gaussian()
    result = vae.evaluate(model, x, 4000, generator())
    assert result.total < exact.mean().item() - 4 * result.noise_error


def test_the_bound_touches_at_the_exact_posterior():
    model, x, exact = linear_gaussian()
    be_exact(model)
    result = vae.evaluate(model, x, 4000, generator())
    assert abs(result.total - exact.mean().item()) < 4 * result.noise_error < 0.02
    # with q = p(z | x) every importance weight is p(x) itself: one draw is enough, to the last digits
    torch.testing.assert_close(vae.log_likelihood(model, x, 1, generator()), exact)


def test_importance_sampling_lies_between_the_elbo_and_log_p_and_closes_in():
    model, x, exact = linear_gaussian()
    few, many = (vae.log_likelihood(model, x, draws, generator(1)).mean() for draws in (2, 5000))
    assert vae.evaluate(model, x, 500, generator()).total < few < many < exact.mean() + 0.02
    assert many > exact.mean() - 0.2


def test_training_learns_the_log_p_of_a_linear_gaussian():
    """Only the encoder is free: the bound must close, although nothing tells it the posterior."""
    model, x, exact = linear_gaussian()
    for parameter in model.decoder.parameters():
        parameter.requires_grad_(False)
    before = exact.mean().item() - vae.evaluate(model, x, 1000, generator()).total
    train(model, x, vae.elbo, epochs=200, batch=8, learning_rate=0.03, progress=False)
    after = vae.evaluate(model, x, 1000, generator())
    gap = exact.mean().item() - after.total
    assert before > 2 and -4 * after.noise_error < gap < 0.15


def test_a_learned_variance_finds_the_variance():
    _, x, _ = linear_gaussian(0.2)
    model = VAE(6, (), 3, likelihood=Gaussian(1.0, learned=True), generator=generator())
    p = torch.distributions.MultivariateNormal(torch.zeros(6).double(), torch.cov(x.T))
    torch.manual_seed(1)
    train(model, p.sample((2000,)), vae.elbo, epochs=40, progress=False)
    smallest = (
        torch.linalg.eigvalsh(p.covariance_matrix)[:3].mean().item()
    )  # Tipping and Bishop (1999), eq. 8
    assert model.likelihood.log_variance.exp().item() == pytest.approx(smallest, rel=0.1)


# --- records, conventions, determinism ------------------------------------------------------------------------------


def test_terms_are_per_picture_and_the_total_is_their_difference():
    model, x = VAE(12, 16, 4, generator=generator()), pictures()
    bound = vae.elbo(model, x, generator())
    assert bound.reconstruction.shape == bound.kl.shape == (50,)
    torch.testing.assert_close(bound.total, bound.reconstruction - bound.kl)
    assert (bound.kl >= 0).all()
    m, s = model.encode(x)
    torch.testing.assert_close(vae.kl_per_dimension(m, s).sum(-1), bound.kl)


def test_the_elbo_sums_over_pixels_so_that_its_terms_are_in_the_same_nats():
    model, x = VAE(12, 16, 4, generator=generator()), pictures()
    m, s = model.encode(x)
    c = m + (s / 2).exp() * torch.randn(m.shape, generator=generator(5), dtype=m.dtype)
    p = model.decode(c)
    by_hand = (x * p.log() + (1 - x) * (1 - p).log()).sum(1)
    torch.testing.assert_close(vae.elbo(model, x, generator(5)).reconstruction, by_hand)


@pytest.mark.parametrize("convention", [vae.LOG_VARIANCE, vae.LOG_STD], ids=lambda c: c.name)
def test_consistent_conventions_raise_the_elbo_itself(convention):
    model, x = VAE(12, 16, 4, convention=convention, generator=generator()), pictures()
    torch.testing.assert_close(
        vae.objective(model, x, generator(1)).total, vae.elbo(model, x, generator(1)).total
    )


def test_the_slide_sum_is_twice_the_kl_of_a_log_variance_and_no_multiple_for_a_log_std():
    m, r = torch.randn(2, 30, 4, generator=generator(), dtype=torch.float64)
    kl = vae.kl_to_standard_normal
    slide = (torch.exp(r) - (1 + r) + m**2).sum(-1)
    torch.testing.assert_close(vae.SLIDE.penalty(m, r), slide)
    torch.testing.assert_close(slide, 2 * kl(m, r))
    ratio = slide / kl(m, 2 * r)
    assert ratio.max() / ratio.min() > 1.2
    # e^{s/2} without the ½ is β = 2
    model = VAE(12, 16, 4, convention=vae.SLIDE_LOG_VARIANCE, generator=generator())
    plain = VAE(12, 16, 4, generator=generator())
    torch.testing.assert_close(
        vae.objective(model, pictures(), generator(1)).total,
        vae.objective(plain, pictures(), generator(1), beta=2.0).total,
    )


def test_whatever_the_convention_the_code_is_reported_as_a_log_variance():
    x = pictures()
    as_variance, as_std = (
        VAE(12, 16, 4, convention=c, generator=generator()) for c in (vae.LOG_VARIANCE, vae.LOG_STD)
    )
    torch.testing.assert_close(2 * as_variance.encode(x).s, as_std.encode(x).s)


def test_beta_weighs_the_second_term_only():
    model, x = VAE(12, 16, 4, generator=generator()), pictures()
    one, four = (vae.objective(model, x, generator(2), beta=beta) for beta in (1.0, 4.0))
    torch.testing.assert_close(4 * one.penalty, four.penalty)
    torch.testing.assert_close(one.reconstruction, four.reconstruction)


def test_equal_seeds_give_equal_numbers_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    models = [VAE(12, 16, 4, generator=generator(seed)) for seed in (1, 1, 2)]
    x, values = pictures(), []
    for model in models:
        train(model, x, vae.elbo, epochs=2, progress=False)
        values.append(vae.evaluate(model, x, 3, generator()))
    assert values[0] == values[1] != values[2]
    assert torch.equal(before, torch.get_rng_state())


def test_the_reported_noise_error_is_the_spread_between_seeds():
    model, x = VAE(12, 16, 4, generator=generator()), pictures()
    results = [vae.evaluate(model, x, 8, generator(seed)) for seed in range(200)]
    spread = np.std([result.total for result in results])
    assert np.mean([result.noise_error for result in results]) == pytest.approx(spread, rel=0.2)


def test_a_start_is_as_wide_as_pytorchs_own():
    weight = VAE(64, generator=generator()).encoder[0].weight.detach()
    assert weight.abs().max() <= 1 / 8 and weight.std().item() == pytest.approx(1 / 8 / 3**0.5, rel=0.02)


def test_digits_reach_the_target_on_the_held_out_fifth():
    """−ELBO ≤ 24.2 (z = 8, hidden 128); a quarter of the lesson's epochs is enough to show it."""
    images = data.digits()
    x, held_out = torch.from_numpy(images.train), torch.from_numpy(images.test)
    model = VAE(64, 128, 8, generator=generator())
    train(model, x, vae.elbo, epochs=50, progress=False)
    result = vae.evaluate(model, held_out, 64, generator())
    assert -result.total <= 24.2 and result.noise_error < 0.02


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (torch.full((3, 12), 1.5), r"x holds values from 1\.5 to 1\.5; pixels must lie in \[0, 1\]"),
        (torch.full((3, 12), -0.1), "x holds values from -0.1"),
        (torch.full((3, 12), float("nan")), r"x holds NaN; pixels must lie in \[0, 1\]"),
        (torch.zeros(3, 11), r"x has shape \(3, 11\); this model takes \(n, 12\)"),
        (torch.zeros(0, 12), r"x has shape \(0, 12\); .* n at least 1"),
        (torch.zeros(3, 3, 4), r"x has shape \(3, 3, 4\)"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(x, sentence):
    model = VAE(12, 16, 4, generator=generator())
    for use in (
        lambda: vae.elbo(model, x, generator()),
        lambda: vae.evaluate(model, x, 2, generator()),
        lambda: model.encode(x),
        lambda: train(model, x, vae.elbo, epochs=1, progress=False),
    ):
        with pytest.raises(ValueError, match=sentence):
            use()


def test_other_bad_input_is_refused():
    model, x = VAE(12, 16, 4, generator=generator()), pictures()
    gaussian = VAE(12, 16, 4, likelihood=Gaussian(), generator=generator())
    for sentence, use in {
        "c has shape": lambda: model.decode(torch.zeros(2, 3).double()),
        "draws is 1": lambda: vae.evaluate(model, x, 1, generator()),
        "draws is 0": lambda: vae.log_likelihood(model, x, 0, generator()),
        "beta is -1": lambda: vae.objective(model, x, generator(), beta=-1.0),
        "beta is nan": lambda: vae.objective(model, x, generator(), beta=math.nan),
        "variance is 0": lambda: Gaussian(0.0),
        "variance is nan": lambda: Gaussian(math.nan),
        "x holds NaN or infinity": lambda: gaussian.encode(torch.full((2, 12), math.inf)),
        "a layer of 12 inputs and 0 outputs": lambda: VAE(12, 0, 4, generator=generator()),
    }.items():
        with pytest.raises(ValueError, match=sentence):
            use()
