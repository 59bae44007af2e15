"""How good is a VAE that somebody hands over? Networks as plain data, and what can be measured on them.

A network comes as a list of dense layers, each [weights, bias, activation]: `weights` has a row for each output, as in
`torch.nn.Linear`, and the activation is a name from ACTIVATIONS. Here the networks are rebuilt and measured in NumPy:
no code of whoever trained them takes part.

The encoder turns a picture into 2·latent numbers, the mean code m and then the log-variance code s; the decoder turns a
code into one logit for each pixel. Everything is in nats, summed over pixels and latent dimensions.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .creatures import FACTORS, creatures

# What is refused before anything is multiplied.
MOST_LAYERS = 8
MOST_WIDTH = 2048
MOST_NUMBERS = 2_000_000  # weights and biases of both networks together
MOST_LATENT = 32
IN_USE = 0.1  # nats: a dimension with a smaller mean KL carries nothing

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda a: a,
    "relu": lambda a: np.maximum(a, 0),
    "leakyrelu": lambda a: np.where(a > 0, a, 0.01 * a),
    "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
    "softplus": lambda a: np.logaddexp(0, a),
    "silu": lambda a: a * sigmoid(a),
    "sigmoid": lambda a: sigmoid(a),
    "tanh": np.tanh,
}


class Layer(NamedTuple):
    """activation(x Wᵀ + b): `weights` (outputs, inputs), `bias` (outputs,)."""

    weights: np.ndarray
    bias: np.ndarray
    activation: str


@dataclass(frozen=True, eq=False)
class Network:
    """Dense layers, one after the other; called with rows of numbers, shape (n, inputs), it gives (n, outputs)."""

    layers: tuple[Layer, ...]

    @property
    def inputs(self) -> int:
        return self.layers[0].weights.shape[1]

    @property
    def outputs(self) -> int:
        return self.layers[-1].weights.shape[0]

    @property
    def numbers(self) -> int:
        return sum(layer.weights.size + layer.bias.size for layer in self.layers)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        for weights, bias, activation in self.layers:
            x = ACTIVATIONS[activation](x @ weights.T + bias)
        return x


@dataclass(frozen=True)
class Model:
    """A VAE as two networks. Two models are equal if their digests are: if all numbers and activations are the same."""

    digest: str
    encoder: Network
    decoder: Network

    __hash__ = lambda self: hash(self.digest)  # noqa: E731
    __eq__ = lambda self, other: isinstance(other, Model) and self.digest == other.digest  # noqa: E731

    @property
    def latent(self) -> int:
        return self.decoder.inputs

    def encode(self, x) -> tuple[np.ndarray, np.ndarray]:
        """The mean code m and the log-variance code s, shapes (n, latent)."""
        m, s = np.split(self.encoder(np.asarray(x, dtype=np.float64)), 2, axis=1)
        return m, s

    def logits(self, c) -> np.ndarray:
        return self.decoder(np.asarray(c, dtype=np.float64))


def read_network(name: str, plain: Any) -> Network:
    """Rebuild a network from plain data; ValueError, in one sentence, for anything that is not one."""
    if not isinstance(plain, list | tuple) or not plain:
        raise ValueError(f"{name} is not a list of layers.")
    if len(plain) > MOST_LAYERS:
        raise ValueError(f"{name} has {len(plain)} layers; at most {MOST_LAYERS} are allowed.")
    layers: list[Layer] = []
    for number, layer in enumerate(plain, 1):
        layers.append(_layer(f"layer {number} of {name}", layer))
        takes = layers[-1].weights.shape[1]
        if number > 1 and takes != len(layers[-2].bias):
            raise ValueError(
                f"layer {number} of {name} takes {takes} numbers, but the layer before it gives "
                f"{len(layers[-2].bias)}."
            )
    return Network(tuple(layers))


def read_model(plain: Any, pixels: int) -> Model:
    """Rebuild a VAE from [encoder, decoder]; ValueError, in one sentence, if the two do not fit together."""
    if not isinstance(plain, list | tuple) or len(plain) != 2:
        raise ValueError("it is not a list of two networks, the encoder and the decoder.")
    encoder, decoder = (
        read_network(name, network)
        for name, network in zip(("the encoder", "the decoder"), plain, strict=True)
    )
    if encoder.numbers + decoder.numbers > MOST_NUMBERS:
        raise ValueError(
            f"the two networks have {encoder.numbers + decoder.numbers} numbers; at most {MOST_NUMBERS} are allowed."
        )
    if encoder.inputs != pixels:
        raise ValueError(f"the encoder takes {encoder.inputs} numbers, but a picture has {pixels} pixels.")
    if decoder.outputs != pixels:
        raise ValueError(f"the decoder gives {decoder.outputs} numbers, but a picture has {pixels} pixels.")
    if decoder.inputs > MOST_LATENT:
        raise ValueError(f"the code has {decoder.inputs} dimensions; at most {MOST_LATENT} are allowed.")
    if encoder.outputs != 2 * decoder.inputs:
        raise ValueError(
            f"the encoder gives {encoder.outputs} numbers, but a decoder that takes {decoder.inputs} needs "
            f"{2 * decoder.inputs}: m and s."
        )
    digest = hashlib.sha256()
    for network in (encoder, decoder):
        for layer in network.layers:
            digest.update(f"{layer.weights.shape} {layer.activation}".encode())
            digest.update(layer.weights.tobytes() + layer.bias.tobytes())
        digest.update(b"end")
    return Model(digest.hexdigest(), encoder, decoder)


def _layer(name: str, layer: Any) -> Layer:
    if not isinstance(layer, list | tuple) or len(layer) != 3:
        raise ValueError(f"{name} is not [weights, bias, activation].")
    weights, bias, activation = layer
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ValueError(f"{name} has an unknown activation; there are {', '.join(ACTIVATIONS)}.")
    for rows in (weights, weights[0] if isinstance(weights, list | tuple) and weights else (), bias):
        if isinstance(rows, list | tuple) and len(rows) > MOST_WIDTH:
            raise ValueError(f"{name} is {len(rows)} wide; at most {MOST_WIDTH} are allowed.")
    weights, bias = _numbers(f"the weights of {name}", weights), _numbers(f"the bias of {name}", bias)
    if weights.ndim != 2 or bias.ndim != 1 or len(weights) != len(bias):
        raise ValueError(
            f"{name} has weights of shape {weights.shape} and a bias of shape {bias.shape}; right would be "
            "(outputs, inputs) and (outputs,)."
        )
    return Layer(weights, bias, activation)


def _numbers(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} are rows of different lengths.") from None
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} are not numbers.")
    if not array.size or not np.isfinite(array).all():
        raise ValueError(
            f"{name} are {'not finite' if array.size else 'empty'}; every one must be a finite number."
        )
    return array.astype(np.float64)


# Measures


class NegativeELBO(NamedTuple):
    """The mean −ELBO of some pictures in nats, its two terms, and the mean KL of each latent dimension."""

    reconstruction: float  # −E log p(x ∣ c)
    kl: float
    kl_per_dimension: np.ndarray

    @property
    def total(self) -> float:
        return self.reconstruction + self.kl


def negative_elbo(model: Model, x, draws: int, rng: np.random.Generator) -> NegativeELBO:
    """Measure the −ELBO of pictures x, shape (n, pixels) in [0, 1], with so many draws of the noise for each.

    The pair that fits together (lesson 09): s is a log-variance, c = m + exp(s/2)·e, KL = ½Σ(exp(s) − 1 − s + m²).
    A grey pixel is the mean of a coin. Not finite where a network's answer is not.
    """
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(all="ignore"):
        m, s = model.encode(x)
        reconstruction = 0.0
        for _ in range(draws):
            a = model.logits(m + np.exp(s / 2) * rng.standard_normal(m.shape))
            # −Σ x log σ(a) + (1 − x) log(1 − σ(a)) = Σ log(1 + eᵃ) − x a
            reconstruction += (np.logaddexp(0, a) - x * a).sum(axis=1).mean() / draws
        kl = 0.5 * (np.expm1(s) - s + m**2).mean(axis=0)
    return NegativeELBO(float(reconstruction), float(kl.sum()), kl)


def sample(model: Model, n: int, rng: np.random.Generator) -> np.ndarray:
    """n new pictures, the means that the decoder gives for codes from N(0, I), shape (n, pixels)."""
    with np.errstate(all="ignore"):
        return sigmoid(model.logits(rng.standard_normal((n, model.latent))))


def nearest(pictures, others) -> np.ndarray:
    """The Euclidean distance from each picture to the nearest of the others, shape (n,)."""
    a, b = np.asarray(pictures, dtype=np.float64), np.asarray(others, dtype=np.float64)
    # |a − b|² = |a|² − 2 a·b + |b|²
    squares = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)
    return np.sqrt(np.maximum(squares.min(axis=1), 0))


class SampleQuality(NamedTuple):
    """Mean distances to the nearest picture, in units of what fresh real pictures have: about 1 is as good as real.

    `distance`, from samples to real pictures, is large for nonsense; `coverage`, from real pictures to samples, is large
    where a kind of picture is never drawn.
    """

    distance: float
    coverage: float


def sample_quality(samples, real, fresh) -> SampleQuality:
    """Hold samples against `real` pictures; `fresh` are further real ones, as many, and set the unit."""
    unit = nearest(fresh, real).mean()
    with np.errstate(all="ignore"):
        return SampleQuality(
            float(nearest(samples, real).mean() / unit), float(nearest(fresh, samples).mean() / unit)
        )


RIDGE = 1e-3  # in units of the prior's variance: what is written smaller than that into a code is not read


def factor_r2(codes, factors) -> np.ndarray:
    """How much of each factor can be read from the codes, shape (k,): R² of a quadratic fit on pictures not fitted.

    The first half of the rows is fitted by least squares on 1, m_i and m_i·m_j, with a ridge; the second is judged.
    1 is a perfect reading; 0, or below, is no better than the mean. NaN where a code is not finite.
    """
    codes, factors = np.asarray(codes, dtype=np.float64), np.asarray(factors, dtype=np.float64)
    if not np.isfinite(codes).all() or np.abs(codes).max() > 1e6:
        return np.full(factors.shape[1], np.nan)
    i, j = np.triu_indices(codes.shape[1])
    features = np.c_[np.ones(len(codes)), codes, codes[:, i] * codes[:, j]]
    half = len(codes) // 2
    mean = factors[:half].mean(axis=0)
    # min |A w − y|² + λ n |w|², as the least squares of a longer system
    width = features.shape[1]
    longer = np.vstack([features[:half], np.sqrt(RIDGE * half) * np.eye(width)])
    targets = np.vstack([factors[:half] - mean, np.zeros((width, factors.shape[1]))])
    weights = np.linalg.lstsq(longer, targets, rcond=None)[0]
    rest = factors[half:] - mean - features[half:] @ weights
    return 1 - (rest**2).mean(axis=0) / factors[half:].var(axis=0)


class Scores(NamedTuple):
    """All that is measured on a model, on creatures that it has never seen."""

    negative_elbo: float
    kl: float
    distance: float
    coverage: float
    r2: tuple[float, ...]  # of the five factors, in the order of creatures.FACTORS
    in_use: int  # dimensions of the code with a mean KL above IN_USE

    @property
    def mean_r2(self) -> float:
        return sum(self.r2) / len(self.r2)


def measure(model: Model, rng: np.random.Generator, n: int = 1000, draws: int = 4) -> Scores:
    """Measure a model on n fresh creatures, and as many again for the distances; all noise comes from `rng`."""
    seen, fresh = creatures(n, rng), creatures(n, rng)
    bound = negative_elbo(model, seen.images, draws, rng)
    quality = sample_quality(sample(model, n, rng), seen.images, fresh.images)
    with np.errstate(all="ignore"):
        r2 = factor_r2(model.encode(seen.images)[0], seen.factors)
    assert len(r2) == len(FACTORS)
    return Scores(
        bound.total, bound.kl, *quality, tuple(map(float, r2)), int((bound.kl_per_dimension > IN_USE).sum())
    )


def sigmoid(a: np.ndarray) -> np.ndarray:
    # 1 / (1 + e⁻ᵃ), as ½(1 + tanh(a/2)): nothing overflows
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(a, dtype=np.float64)))
