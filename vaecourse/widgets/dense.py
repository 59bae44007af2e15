"""A decoder made of dense layers, as the browser gets it: float16 weights and named activations."""

from typing import NamedTuple

import numpy as np
from scipy.special import erf, expit
from torch import nn

SUPPORTED = (
    "Linear, ReLU, LeakyReLU, ELU, GELU, SiLU, Softplus, Tanh, Sigmoid, "
    "Identity, Flatten, Unflatten and Dropout"
)
_NO_WORK = (nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout)  # nothing to compute for a trained decoder

# The activations, by the name that js/decoder.js knows too; `a` is the parameter of those that have one.
ACTIVATIONS = {
    "identity": lambda x, a: x,
    "relu": lambda x, a: np.maximum(x, 0),
    "leaky_relu": lambda x, a: np.where(x > 0, x, a * x),
    "elu": lambda x, a: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))),
    "tanh": lambda x, a: np.tanh(x),
    "sigmoid": lambda x, a: expit(x),
    "silu": lambda x, a: x * expit(x),
    "softplus": lambda x, a: np.logaddexp(0, a * x) / a,
    "gelu": lambda x, a: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "gelu_tanh": lambda x, a: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


class DenseLayer(NamedTuple):
    """One layer, y = activation(weight x + bias)."""

    weight: np.ndarray  # float16, (outputs, inputs)
    bias: np.ndarray  # float16, (outputs,)
    activation: str  # a key of ACTIVATIONS
    parameter: float  # the activation's own number (a slope, say), or 0


def _activation(part: nn.Module) -> tuple[str, float] | None:
    match part:
        case nn.ReLU():
            return "relu", 0.0
        case nn.LeakyReLU(negative_slope=slope):
            return "leaky_relu", slope
        case nn.ELU(alpha=alpha):
            return "elu", alpha
        case nn.GELU(approximate=approximate):
            return ("gelu_tanh" if approximate == "tanh" else "gelu"), 0.0
        case nn.SiLU():
            return "silu", 0.0
        case nn.Softplus(beta=beta):
            return "softplus", float(beta)
        case nn.Tanh():
            return "tanh", 0.0
        case nn.Sigmoid():
            return "sigmoid", 0.0
    return None


def _parts(module: nn.Module):
    """Yield the modules inside nested `nn.Sequential`s, in the order in which they are applied."""
    if type(module) is nn.Sequential:
        for part in module:
            yield from _parts(part)
    else:
        yield module


def dense_layers(module: nn.Module, name: str = "the decoder") -> tuple[DenseLayer, ...]:
    """Return the dense layers of an `nn.Sequential` of `Linear` layers and activations.

    Raises ValueError, in one sentence that calls the decoder `name`, for a part that is no dense layer, for sizes
    that do not fit together, and for weights that are not finite or too large for float16 (65504).
    """
    if not isinstance(module, nn.Module):
        raise ValueError(f"{name} is a {type(module).__name__}; give a torch module, an nn.Sequential.")
    layers: list[DenseLayer] = []
    for part in _parts(module):
        activation = _activation(part)
        if isinstance(part, nn.Linear):
            weight = part.weight.detach().cpu().double().numpy()
            bias = np.zeros(len(weight)) if part.bias is None else part.bias.detach().cpu().double().numpy()
            if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
                raise ValueError(f"{name} has weights that are not finite: its training has gone wrong.")
            if max(np.abs(weight).max(), np.abs(bias).max()) > np.finfo(np.float16).max:
                raise ValueError(f"{name} has weights above 65504, too large for float16.")
            if layers and layers[-1].weight.shape[0] != weight.shape[1]:
                raise ValueError(
                    f"{name} does not fit together: a layer gives {layers[-1].weight.shape[0]} numbers, "
                    f"the next one takes {weight.shape[1]}."
                )
            layers.append(DenseLayer(weight.astype(np.float16), bias.astype(np.float16), "identity", 0.0))
        elif activation and layers and layers[-1].activation == "identity":
            layers[-1] = layers[-1]._replace(activation=activation[0], parameter=activation[1])
        elif activation:
            raise ValueError(f"{name} has a {type(part).__name__} that does not follow a Linear layer.")
        elif not isinstance(part, _NO_WORK):
            raise ValueError(f"{name} has a {type(part).__name__}; the browser can draw {SUPPORTED}.")
    if not layers:
        raise ValueError(f"{name} has no Linear layer: there is nothing to decode with.")
    return tuple(layers)


def with_output(layers: tuple[DenseLayer, ...], output: str) -> tuple[DenseLayer, ...]:
    """Return `layers` with `output` ("identity" or "sigmoid") applied to what they give."""
    if output not in ("identity", "sigmoid"):
        raise ValueError(f'output is {output!r}; give "sigmoid" for a decoder of logits, or "identity".')
    if output == "identity":
        return layers
    if layers[-1].activation != "identity":
        raise ValueError(
            f'output="sigmoid" follows a decoder that already ends in {layers[-1].activation}; give "identity".'
        )
    return (*layers[:-1], layers[-1]._replace(activation="sigmoid"))


def forward(layers: tuple[DenseLayer, ...], codes: np.ndarray) -> np.ndarray:
    """Return what the browser draws for `codes` (n, latents): pictures (n, pixels), float32."""
    x = np.asarray(codes, dtype=np.float32)
    for weight, bias, activation, parameter in layers:
        x = ACTIVATIONS[activation](x @ weight.astype(np.float32).T + bias.astype(np.float32), parameter)
    return x.astype(np.float32)


def packed(layers: tuple[DenseLayer, ...]) -> bytes:
    """Return the numbers of `layers` as little-endian float16: weight (outputs, inputs), then bias, per layer."""
    return b"".join(
        np.ascontiguousarray(array, dtype="<f2").tobytes() for layer in layers for array in layer[:2]
    )


def description(layers: tuple[DenseLayer, ...]) -> list[dict]:
    """Return the shapes and activations of `layers`, as js/decoder.js reads them."""
    return [
        {
            "inputs": layer.weight.shape[1],
            "outputs": layer.weight.shape[0],
            "activation": layer.activation,
            "parameter": layer.parameter,
        }
        for layer in layers
    ]
