"""The autoencoder: a picture is its own teacher, and must pass through a code that is smaller than itself.

| in the lesson | in the code |
|---|---|
| x, the picture | `x`, shape (n, inputs) |
| g, the encoder | `model.encoder`, a plain `nn.Sequential` |
| h, the decoder | `model.decoder`, a plain `nn.Sequential` |
| z = g(x), the code | `model.mean_code(x)`, shape (n, latent) |

The decoder's numbers become a distribution over pictures through a likelihood, `Bernoulli` or `Gaussian`. Both sum
over the pixels and are in nats; the variational autoencoder uses the very same ones.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Bernoulli(nn.Module):
    """Each pixel in [0, 1] is the mean of a coin, and the decoder's numbers are the logits of its model."""

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """Return Σ x log ρ + (1 − x) log(1 − ρ) with ρ = sigmoid(output), in nats; pixels are summed over.

        Leading axes of `output` that x lacks (several draws of a code) are kept.
        """
        # x log ρ + (1 − x) log(1 − ρ) = x·output − softplus(output): no logarithm of a rounded sigmoid
        return (x * output - F.softplus(output, threshold=40)).sum(-1)

    def mean(self, output: Tensor) -> Tensor:
        return torch.sigmoid(output)

    def check(self, x: Tensor) -> None:
        low, high = (value.item() for value in x.aminmax())
        if not (low >= 0 and high <= 1):  # also true of NaN
            found = "NaN" if math.isnan(low) else f"values from {low:g} to {high:g}"
            raise ValueError(
                f"x holds {found}; pixels must lie in [0, 1] (divide by the largest possible value)."
            )


class Gaussian(nn.Module):
    """Each pixel is normal around the decoder's number, with one variance for all, given or learned."""

    def __init__(self, variance: float = 1.0, *, learned: bool = False):
        super().__init__()
        if not (0 < variance < math.inf):
            raise ValueError(f"variance is {variance}; it must be a finite number above zero.")
        start = torch.tensor(math.log(variance), dtype=torch.float64)
        if learned:
            self.log_variance = nn.Parameter(start)
        else:
            self.register_buffer("log_variance", start)

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """Return Σ −½[(x − output)² / σ² + log σ² + log 2π], in nats; pixels are summed over."""
        squares = (x - output).square() * torch.exp(-self.log_variance)
        return -0.5 * (squares + self.log_variance + math.log(2 * math.pi)).sum(-1)

    def mean(self, output: Tensor) -> Tensor:
        return output

    def check(self, x: Tensor) -> None:
        if not x.isfinite().all():
            raise ValueError("x holds NaN or infinity; every pixel must be a finite number.")


def mlp(sizes: Sequence[int], generator: torch.Generator, dtype: torch.dtype) -> nn.Sequential:
    """Return Linear, ReLU, Linear, …: `sizes` are the widths from input to output, weights drawn by `generator`.

    The weights are uniform on ±1/√(inputs of the layer), PyTorch's own start, but without its global generator.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        if inputs < 1 or outputs < 1:
            raise ValueError(
                f"a layer of {inputs} inputs and {outputs} outputs is empty; widths are at least 1."
            )
        layer = nn.utils.skip_init(nn.Linear, inputs, outputs, dtype=dtype)
        with torch.no_grad():
            for parameter in (layer.weight, layer.bias):
                parameter.uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Coder(nn.Module):
    """What every autoencoder here has: an encoder, a decoder, and what the decoder's numbers mean.

    Parameters are float64 by default: the course's small models train as fast, and the figures that a lesson prints
    then repeat on another machine, because rounding errors stay ten digits below them.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int] = (128,),
        latent: int = 8,
        *,
        numbers_per_latent: int = 1,
        likelihood: Bernoulli | Gaussian | None = None,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float64,
    ):
        super().__init__()
        hidden = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        self.inputs, self.latent = inputs, latent
        self.encoder = mlp((inputs, *hidden, numbers_per_latent * latent), generator, dtype)
        self.decoder = mlp((latent, *reversed(hidden), inputs), generator, dtype)
        self.likelihood = (likelihood or Bernoulli()).to(dtype)

    def checked(self, x: Tensor) -> Tensor:
        """Return x, shape (n, inputs), in the model's number type; raise ValueError with a sentence if it cannot be."""
        weight = self.decoder[0].weight
        x = torch.as_tensor(x).to(weight.device, weight.dtype)
        if x.ndim != 2 or x.shape[1] != self.inputs or not len(x):
            raise ValueError(
                f"x has shape {tuple(x.shape)}; this model takes (n, {self.inputs}) with n at least 1."
            )
        self.likelihood.check(x)
        return x

    def decode(self, c: Tensor) -> Tensor:
        """Return the mean pictures, shape (..., inputs), of the codes c, shape (..., latent)."""
        if c.shape[-1] != self.latent:
            raise ValueError(f"c has shape {tuple(c.shape)}; this decoder takes codes (..., {self.latent}).")
        return self.likelihood.mean(self.decoder(c))


class Reconstruction(NamedTuple):
    """What an autoencoder is trained to raise: log p(x | code), in nats, one number for each picture."""

    reconstruction: Tensor

    @property
    def total(self) -> Tensor:
        return self.reconstruction


class Autoencoder(Coder):
    """An encoder x → code and a decoder code → x, `inputs`-`hidden`-`latent` and back (Hinton and Salakhutdinov 2006)."""

    def mean_code(self, x: Tensor) -> Tensor:
        """Return the codes of the pictures x, shape (n, latent)."""
        return self.encoder(self.checked(x))

    def code_variance(self, x: Tensor) -> Tensor:
        """Return zeros, shape (n, latent): this encoder has no doubt about its code."""
        return torch.zeros_like(self.mean_code(x))


def reconstruction(model: Autoencoder, x: Tensor, generator: torch.Generator | None = None) -> Reconstruction:
    """Return log p(x | z) at z = g(x) for each picture; the generator is not used, since nothing is random here.

    With `Gaussian(variance)` this is −(squared distance) / (2·variance) plus a constant: raising it lowers the mean
    squared error. With `Bernoulli()` it is minus the cross-entropy of the pixels.
    """
    x = model.checked(x)
    return Reconstruction(model.likelihood.log_prob(x, model.decoder(model.encoder(x))))
