"""The JavaScript that decodes and draws, under node, against torch and SciPy."""

import base64

import numpy as np
import pytest
import torch
from scipy.special import erf, ndtr, ndtri
from torch import nn

from vaecourse.widgets import dense

ACTIVATIONS = (
    nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Softplus(2.0), nn.Tanh(),
    nn.Sigmoid(), nn.Identity(),
)  # fmt: skip
DECODE = """
import { makeDecoder } from "./decoder.js";
const bytes = Uint8Array.from(atob(data.weights), c => c.charCodeAt(0));
const decode = makeDecoder(data.layers, new DataView(bytes.buffer, 3), data.offset);
answer(data.codes.map(codes => Array.from(decode(Float32Array.from(codes.flat()), codes.length))));
"""


def decoder(latents=8, hidden=40, pixels=64, activation=None, seed=0, scale=2.0):
    """Return a dense decoder with weights large enough that its activations leave their linear range."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(latents, hidden), activation or nn.ReLU(), nn.Linear(hidden, pixels), nn.Sigmoid()
    )
    for layer in (model[0], model[2]):
        nn.init.normal_(layer.weight, std=scale * layer.in_features**-0.5, generator=generator)
        nn.init.normal_(layer.bias, std=0.3, generator=generator)
    return model


def browser_pictures(node, model, batches):
    """Return what decoder.js makes of each batch of codes; the weights lie at an odd address, behind other bytes."""
    layers = dense.dense_layers(model)
    packed = b"abc" + bytes(10) + dense.packed(layers)  # 3 bytes before the view, 10 before these weights
    data = {
        "weights": base64.b64encode(packed).decode(),
        "offset": 10,
        "layers": dense.description(layers),
        "codes": [batch.tolist() for batch in batches],
    }
    pixels = layers[-1].weight.shape[0]
    return [np.array(answer).reshape(-1, pixels) for answer in node(DECODE, data)]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_decoded_pictures_equal_torch(node, activation):
    model = decoder(activation=activation)
    codes = np.random.default_rng(0).normal(size=(7, 8)) * 1.5
    with torch.no_grad():
        expected = model(torch.tensor(codes, dtype=torch.float32)).numpy()
    assert expected.min() < 0.1 and expected.max() > 0.9  # else a small error would say little
    [seen] = browser_pictures(node, model, [codes])
    assert np.abs(seen - expected).max() < 2e-3
    assert np.abs(dense.forward(dense.dense_layers(model), codes) - expected).max() < 2e-3


@pytest.mark.parametrize("sizes", [(1, 16, 9), (2, 400, 784), (50, 33, 64)], ids=str)
def test_batches_of_every_size_equal_single_codes_and_python(node, sizes):
    model = decoder(*sizes)
    layers = dense.dense_layers(model)
    rng = np.random.default_rng(1)
    batches = [rng.normal(size=(count, sizes[0])).astype(np.float32) for count in (9, 1, 4, 3)]
    for batch, seen in zip(batches, browser_pictures(node, model, batches), strict=True):
        assert seen.shape == (len(batch), sizes[2])
        assert np.abs(seen - dense.forward(layers, batch)).max() < 1e-5  # the same float16 weights


def test_every_float16_is_read_exactly(node):
    bits = np.arange(65536, dtype=np.uint16)
    numbers = bits.view(np.float16)
    kept = np.isfinite(numbers)
    code = """
    import { halves } from "./decoder.js";
    answer(halves(new DataView(Uint16Array.from(data).buffer), 0, data.length));"""
    assert np.array_equal(np.array(node(code, bits[kept].tolist())), numbers[kept].astype(float))


def test_error_function(node):
    x = np.linspace(-6, 6, 401)
    seen = node('import { erf } from "./decoder.js"; answer(data.map(erf));', x.tolist())
    assert np.abs(np.array(seen) - erf(x)).max() < 2e-7


def test_normal_distribution_and_its_quantiles(node):
    x = np.concatenate([np.linspace(-9, 9, 181), [1e-9, -1e-9, 0]])
    p = np.concatenate([(np.arange(15) + 0.5) / 15, [1e-6, 1 - 1e-6, 0.5]])
    code = 'import { normalCdf, normalQuantile } from "./normal.js"; answer([data[0].map(normalCdf), data[1].map(normalQuantile)]);'
    cdf, quantile = node(code, [x.tolist(), p.tolist()])
    assert np.abs(np.array(cdf) - ndtr(x)).max() < 1e-14
    assert np.abs(np.array(quantile) - ndtri(p)).max() < 1e-9


def test_random_codes_are_normal_and_repeat_with_their_seed(node):
    code = """
    import { normalDraws } from "./normal.js";
    const many = seed => { const draw = normalDraws(seed); return Array.from({ length: 20000 }, draw); };
    answer([many(0), many(0), many(1)]);"""
    first, again, other = map(np.array, node(code))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    # the largest distance between the empirical distribution and the normal one: 1.95/sqrt(n) is passed 1 time in 1000
    ordered = np.sort(first)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    distance = max(np.abs(ndtr(ordered) - steps[1:]).max(), np.abs(ndtr(ordered) - steps[:-1]).max())
    assert distance < 1.95 / np.sqrt(len(ordered))
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.03


def test_figures_names_and_steps(node):
    code = """
    import { figure, latentName, keyStep } from "./elements.js";
    const stopped = [];
    const key = (key, more = {}) => keyStep(
      { key, ...more, preventDefault: () => stopped.push("default"), stopPropagation: () => stopped.push("bubbling") });
    answer([[-0.001, -1.5, 2].map(x => figure(x)), latentName(0), latentName(49),
      key("ArrowUp"), key("ArrowLeft", { shiftKey: true }), stopped, key("a"), key("ArrowUp", { ctrlKey: true })]);"""
    assert node(code) == [
        ["0.00", "−1.50", "2.00"], "z₁", "z₅₀", [0, 1], [-5, 0], ["default", "bubbling"] * 2, None, None
    ]  # fmt: skip
