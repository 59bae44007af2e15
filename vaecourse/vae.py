"""The variational autoencoder (Kingma and Welling 2013; Rezende, Mohamed and Wierstra 2014).

| on paper | in the code |
|---|---|
| q(z ∣ x) = N(m, exp(s)), the encoder's | `m`, `s`: mean code and log-variance code, shape (n, latent) |
| e ~ N(0, 1) | `e`: noise |
| c = m + exp(s/2)·e | `c`: the code that the decoder receives |
| log p(x) ≥ E log p(x ∣ c) − KL(q(z ∣ x) ‖ N(0, 1)) | `elbo(...)` = `ELBO(reconstruction, kl)` |

Everything is in nats, summed over pixels and latent dimensions; only a training loop takes the mean over pictures.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .autoencoder import Bernoulli, Coder, Gaussian

__all__ = [
    "ELBO", "LOG_STD", "LOG_VARIANCE", "SLIDE", "SLIDE_HALVED", "SLIDE_LOG_VARIANCE", "VAE", "Bernoulli", "Code",
    "Convention", "Evaluation", "Gaussian", "Objective", "elbo", "evaluate", "kl_per_dimension",
    "kl_to_standard_normal", "log_likelihood", "objective", "sample_code",
]  # fmt: skip


def sample_code(m: Tensor, s: Tensor, e: Tensor) -> Tensor:
    """Return the code c for the noise e; the gradient passes through m and s. Shapes broadcast."""
    # c = m + exp(s/2)·e
    return m + torch.exp(s / 2) * e


def kl_per_dimension(m: Tensor, s: Tensor) -> Tensor:
    """Return KL(N(m, exp(s)) ‖ N(0, 1)) for each latent dimension, in nats, shape of m: 0 where it has collapsed."""
    # ½(exp(s) − 1 − s + m²); below |s| = 0.01 the first three terms cancel, and their series takes over
    t = s.clamp(-0.01, 0.01)
    series = t * t * (1 / 2 + t * (1 / 6 + t * (1 / 24 + t * (1 / 120 + t / 720))))
    return 0.5 * (torch.where(t == s, series, torch.expm1(s) - s) + m.square())


def kl_to_standard_normal(m: Tensor, s: Tensor) -> Tensor:
    """Return KL(N(m, exp(s)) ‖ N(0, I)) in nats, summed over the last axis: one number per picture.

    Source: Kingma and Welling (2013), appendix B.
    """
    # ½ Σ (exp(s) − 1 − s + m²)
    return kl_per_dimension(m, s).sum(-1)


class Convention(NamedTuple):
    """How the number r that the encoder gives beside m is read, and what the training charges for it.

    `reading` is 1 if r is a log-variance and 2 if it is a log standard deviation: s = reading · r. `penalty(m, r)`
    is the second term of the loss, shape (n,). The pair is consistent if the penalty is the KL of the code it samples.
    """

    name: str
    reading: int
    penalty: Callable[[Tensor, Tensor], Tensor]


def _slide_sum(m: Tensor, r: Tensor) -> Tensor:
    # Σ (exp(r) − (1 + r) + m²), as on the slide
    return 2 * kl_to_standard_normal(m, r)


# The two pairs that fit together, then the ones that do not.
LOG_VARIANCE = Convention("log-variance", 1, kl_to_standard_normal)
LOG_STD = Convention("log standard deviation", 2, lambda m, r: kl_to_standard_normal(m, 2 * r))
SLIDE = Convention("the slide, literally", 2, _slide_sum)
SLIDE_HALVED = Convention("the slide, its sum halved", 2, kl_to_standard_normal)
SLIDE_LOG_VARIANCE = Convention("log-variance, without the ½", 1, _slide_sum)


class Code(NamedTuple):
    """What the encoder says about z: mean m and log-variance s, shapes (n, latent)."""

    m: Tensor
    s: Tensor


class ELBO(NamedTuple):
    """The two terms of the bound for each picture, in nats, shapes (n,): `total` is at most log p(x) on average."""

    reconstruction: Tensor
    kl: Tensor

    @property
    def total(self) -> Tensor:
        return self.reconstruction - self.kl


class Objective(NamedTuple):
    """What is raised when it is not the ELBO: reconstruction minus some other penalty, shapes (n,)."""

    reconstruction: Tensor
    penalty: Tensor

    @property
    def total(self) -> Tensor:
        return self.reconstruction - self.penalty


class VAE(Coder):
    """Encoder x → (m, s), decoder c → picture, prior N(0, I): `inputs`-`hidden`-2·`latent` and back.

    `likelihood` is `Bernoulli()` for pixels in [0, 1], or `Gaussian(variance, learned=...)`.
    """

    def __init__(self, inputs: int, hidden=(128,), latent: int = 8, *, convention=LOG_VARIANCE, **options):
        super().__init__(inputs, hidden, latent, numbers_per_latent=2, **options)
        self.convention = convention

    def extra_repr(self) -> str:
        return f"convention: {self.convention.name}"

    def raw_code(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return m and r, shapes (n, latent); what r means is the model's convention."""
        return self.encoder(self.checked(x)).chunk(2, dim=-1)

    def encode(self, x: Tensor) -> Code:
        """Return the mean code and the log-variance code, whatever the convention in which the encoder writes it."""
        m, r = self.raw_code(x)
        return Code(m, self.convention.reading * r)

    def mean_code(self, x: Tensor) -> Tensor:
        """Return m, shape (n, latent): where the encoder thinks z is."""
        return self.encode(x).m

    def code_variance(self, x: Tensor) -> Tensor:
        """Return exp(s), shape (n, latent): how unsure the encoder is about z."""
        return self.encode(x).s.exp()


def _noise(m: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(m.shape, generator=generator, device=m.device, dtype=m.dtype)


def elbo(model: VAE, x: Tensor, generator: torch.Generator) -> ELBO:
    """Return the ELBO of each picture, shape (n,), with one draw of the noise; x has shape (n, inputs).

    The reconstruction term is a Monte Carlo estimate, the KL is exact. Raises ValueError for pictures that do not fit.
    """
    m, s = model.encode(x)
    c = sample_code(m, s, _noise(m, generator))
    # log p(x) ≥ E[log p(x ∣ c)] − KL(q(z ∣ x) ‖ p(z))
    return ELBO(model.likelihood.log_prob(_like(x, m), model.decoder(c)), kl_to_standard_normal(m, s))


def objective(model: VAE, x: Tensor, generator: torch.Generator, beta: float = 1.0) -> Objective:
    """Return reconstruction and β · penalty, the penalty being that of the model's convention.

    With β = 1 and a consistent convention this is `elbo`. β ≠ 1 is the β-VAE (Higgins et al. 2017).
    """
    if not beta >= 0:
        raise ValueError(f"beta is {beta}; it must be zero or more.")
    m, r = model.raw_code(x)
    c = sample_code(m, model.convention.reading * r, _noise(m, generator))
    reconstruction = model.likelihood.log_prob(_like(x, m), model.decoder(c))
    return Objective(reconstruction, beta * model.convention.penalty(m, r))


class Evaluation(NamedTuple):
    """Means over pictures, in nats, and the standard error that the finite number of noise draws leaves in them."""

    reconstruction: float
    kl: float
    noise_error: float

    @property
    def total(self) -> float:
        return self.reconstruction - self.kl


@torch.no_grad()
def evaluate(model: VAE, x: Tensor, draws: int, generator: torch.Generator) -> Evaluation:
    """Return the mean ELBO of the pictures x over `draws` noises each, always with the KL that is right for the code."""
    _at_least_two(draws)
    m, s = model.encode(x)
    x, total, squares = _like(x, m), 0.0, 0.0
    for _ in range(draws):
        value = model.likelihood.log_prob(x, model.decoder(sample_code(m, s, _noise(m, generator))))
        total, squares = total + value, squares + value.square()
    mean = total / draws
    variance = (squares / draws - mean.square()).clamp(min=0) * draws / (draws - 1)
    # the error of a mean over n pictures of means over the draws: √(Σ variance_i / draws) / n
    error = math.sqrt(variance.sum().item() / draws) / len(x)
    return Evaluation(mean.mean().item(), kl_to_standard_normal(m, s).mean().item(), error)


@torch.no_grad()
def log_likelihood(model: VAE, x: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """Return an estimate of log p(x) for each picture, shape (n,): importance sampling with q(z | x).

    On average it lies between the ELBO (`draws` = 1) and log p(x), and rises with `draws` (Burda et al. 2015, eq. 8).
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}; it must be at least 1.")
    m, s = model.encode(x)
    x, weights = _like(x, m), []
    for _ in range(draws):
        e = _noise(m, generator)
        c = sample_code(m, s, e)
        # log p(x ∣ c) + log p(c) − log q(c ∣ x); the two ½·log 2π cancel
        prior_over_q = 0.5 * (e.square() + s - c.square()).sum(-1)
        weights.append(model.likelihood.log_prob(x, model.decoder(c)) + prior_over_q)
    return torch.logsumexp(torch.stack(weights), 0) - math.log(draws)


def _like(x: Tensor, m: Tensor) -> Tensor:
    return torch.as_tensor(x).to(m.device, m.dtype)


def _at_least_two(draws: int) -> None:
    if draws < 2:
        raise ValueError(f"draws is {draws}; an error can be estimated from 2 noises or more.")
