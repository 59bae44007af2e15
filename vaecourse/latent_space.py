"""Walks through the space of codes, and the numbers that tell whether a model can be used as a generator.

Everything here works on codes, shape (..., latent), and on any model with `mean_code(x)` and `decode(c)`, so that an
autoencoder and a variational one are asked the very same questions.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .autoencoder import Coder


def quantile_grid(n: int, latent: int, dims: tuple[int, int] = (0, 1), base: Tensor | None = None) -> Tensor:
    """Return codes, shape (n, n, latent), at equal steps of probability of a standard normal along two dimensions.

    Columns go along `dims[0]`, left to right; rows along `dims[1]`, from the largest value at the top. The other
    dimensions keep their values in `base`, shape (latent,), zeros by default.
    Source: Kingma and Welling (2013), figure 4.
    """
    if n < 1:
        raise ValueError(f"n is {n}; a grid has at least 1 row.")
    if dims[0] == dims[1] or not all(0 <= dim < latent for dim in dims):
        raise ValueError(
            f"dims is {tuple(dims)}; right would be two different numbers from 0 to {latent - 1}."
        )
    base = torch.zeros(latent) if base is None else base
    if base.shape != (latent,):
        raise ValueError(f"base has shape {tuple(base.shape)}; right would be ({latent},).")
    # Φ⁻¹((i + ½) / n): each of the n cells holds 1/n of the probability
    values = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    codes = base.to(values).expand(n, n, latent).clone()
    codes[..., dims[0]] = values
    codes[..., dims[1]] = values.flip(0)[:, None]
    return codes


def straight(a: Tensor, b: Tensor, n: int) -> Tensor:
    """Return n codes, shape (n, latent), at equal steps on the line from code a to code b, both included."""
    t = _steps(a, b, n)
    return (1 - t) * a + t * b


def spherical(a: Tensor, b: Tensor, n: int) -> Tensor:
    """Return n codes, shape (n, latent), on the arc from code a to code b, at equal steps of angle and of length.

    A straight line between two draws from N(0, I) cuts through the middle, where draws are rare; the arc stays out
    (Shoemake 1985; White 2016). Codes in one direction are joined by the line that they lie on; between opposite
    codes there is no shortest arc, and neither is there from zero: both raise ValueError.
    """
    t = _steps(a, b, n)
    length_a, length_b = a.norm(), b.norm()
    if length_a == 0 or length_b == 0:
        raise ValueError("a or b is zero, which has no direction; use straight(a, b, n).")
    u, v = a / length_a, b / length_b
    # the angle by the half-chords: exact near 0 and π, where the arc cosine loses half of its digits
    angle = 2 * torch.atan2((u - v).norm(), (u + v).norm())
    if angle > math.pi - 1e-6:
        raise ValueError(
            "a and b point in opposite directions, so no arc is the shortest; use straight(a, b, n)."
        )
    # sin((1 − t)·angle)/sin(angle)·u + sin(t·angle)/sin(angle)·v; sin(t·angle)/sin(angle) → t as the angle vanishes
    left, right = ((t_ * torch.sinc(t_ * angle / math.pi)) / torch.sinc(angle / math.pi) for t_ in (1 - t, t))
    return ((1 - t) * length_a + t * length_b) * (left * u + right * v)


def traversals(base: Tensor, values: Tensor) -> Tensor:
    """Return codes, shape (latent, len(values), latent): row j is `base` with its entry j set to each of `values`."""
    codes = base.expand(len(base), len(values), len(base)).clone()
    j = torch.arange(len(base))
    codes[j, :, j] = values.to(codes)
    return codes


class Aggregate(NamedTuple):
    """The mean, shape (latent,), and the covariance, shape (latent, latent), of the codes of a whole data set."""

    mean: Tensor
    covariance: Tensor

    @property
    def variance(self) -> Tensor:
        return self.covariance.diagonal()


def standard(latent: int) -> Aggregate:
    """Return the prior N(0, I) as an `Aggregate`."""
    return Aggregate(torch.zeros(latent, dtype=torch.float64), torch.eye(latent, dtype=torch.float64))


@torch.no_grad()
def aggregate(model: Coder, x: Tensor) -> Aggregate:
    """Return the moments of the codes that the decoder meets for the pictures x: an autoencoder's, or a VAE's.

    For a VAE this is the aggregate posterior, the mixture of all q(z | x): the covariance of the means plus the mean
    of the variances. A prior that fits makes it mean 0 and covariance I.
    """
    m = model.mean_code(x).double()
    # Var[z] = Var[E[z | x]] + E[Var[z | x]]
    spread = torch.cov(m.T, correction=0).reshape(model.latent, model.latent)
    return Aggregate(m.mean(0), spread + torch.diag(model.code_variance(x).double().mean(0)))


def random_codes(n: int, where: Aggregate, generator: torch.Generator) -> Tensor:
    """Return n codes, shape (n, latent), float64, from the Gaussian with the mean and covariance of `where`.

    `standard(latent)` is the prior; `aggregate(model, x)` is fair to a model that was never told about a prior.
    """
    values, vectors = torch.linalg.eigh(
        where.covariance
    )  # unlike Cholesky, also right for dimensions never used
    noise = torch.randn(n, len(where.mean), generator=generator, dtype=torch.float64)
    return where.mean + (noise * values.clamp(min=0).sqrt()) @ vectors.T


def different_pairs(labels: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Return n pairs of row numbers, shape (n, 2), whose labels differ: `codes[pairs].mean(1)` are n midpoints."""
    if len(labels.unique()) < 2:
        raise ValueError("labels holds fewer than two classes; a pair needs pictures of two.")
    pairs = torch.randint(len(labels), (n, 2), generator=generator)
    while len(same := torch.nonzero(labels[pairs[:, 0]] == labels[pairs[:, 1]])[:, 0]):
        pairs[same, 1] = torch.randint(len(labels), (len(same),), generator=generator)
    return pairs


def nearest_distance(pictures: Tensor, data: Tensor) -> Tensor:
    """Return the Euclidean distance of each picture, shape (n, inputs), to the nearest row of `data`, shape (n,)."""
    if pictures.ndim != 2 or data.ndim != 2 or pictures.shape[1] != data.shape[1] or not len(data):
        raise ValueError(
            f"pictures has shape {tuple(pictures.shape)} and data {tuple(data.shape)}; "
            "both must be (n, inputs) with the same inputs."
        )
    return torch.cat([torch.cdist(part, data.to(part)).amin(1) for part in pictures.split(1024)])


class Usability(NamedTuple):
    """Mean distances to the nearest training picture; `real` is that of held-out pictures: what a perfect generator has.

    `blend` is the halfway picture of two real ones of different classes, mixed pixel by pixel: what to stay below.
    """

    prior: float
    matched: float
    midpoint: float
    real: float
    blend: float


@torch.no_grad()
def usability(
    model: Coder, train: Tensor, held_out: Tensor, held_out_labels: Tensor, n: int, generator: torch.Generator
) -> Usability:
    """Return how near n pictures decoded from random codes and from midpoints come to the training pictures.

    `prior` draws codes from N(0, I), `matched` from a Gaussian with the model's own mean and covariance, and
    `midpoint` takes them halfway between two held-out pictures of different classes.
    """
    train, held_out = (model.checked(x) for x in (train, held_out))
    pairs = different_pairs(held_out_labels, n, generator)
    random = [
        random_codes(n, where, generator) for where in (standard(model.latent), aggregate(model, train))
    ]
    decoded = [model.decode(c.to(train)) for c in (*random, model.mean_code(held_out)[pairs].mean(1))]
    pictures = (*decoded, held_out, held_out[pairs].mean(1))
    return Usability(*(nearest_distance(part, train).mean().item() for part in pictures))


def class_means(codes: Tensor, labels: Tensor) -> dict[int, Tensor]:
    """Return the mean code of each class, shape (latent,), by its label."""
    return {int(label): codes[labels == label].mean(0) for label in labels.unique()}


def arithmetic(codes: Tensor, labels: Tensor, a: int, b: int, c: int) -> Tensor:
    """Return the code "a − b + c", shape (latent,), from the mean codes of three classes."""
    means = class_means(codes, labels)
    for name, label in {"a": a, "b": b, "c": c}.items():
        if label not in means:
            raise ValueError(f"{name} is {label}; the labels are {', '.join(map(str, means))}.")
    return means[a] - means[b] + means[c]


def _steps(a: Tensor, b: Tensor, n: int) -> Tensor:
    if n < 2:
        raise ValueError(f"n is {n}; a walk has at least its 2 ends.")
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(
            f"a has shape {tuple(a.shape)} and b {tuple(b.shape)}; both must be one code, (latent,)."
        )
    return torch.linspace(0, 1, n, dtype=a.dtype, device=a.device)[:, None]
