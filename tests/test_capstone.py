"""What is measured on a network that somebody hands over: against torch, against closed forms; and every bad one refused."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import distributions, nn

from vaecourse import capstone
from vaecourse.creatures import creatures

PIXELS = 6
TORCH = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


def layer(outputs, inputs, activation="identity", seed=0):
    rng = np.random.default_rng([outputs, inputs, seed])
    return [rng.normal(0, 0.5, (outputs, inputs)).tolist(), rng.normal(0, 0.5, outputs).tolist(), activation]


def plain(latent=2, hidden=5, pixels=PIXELS):
    return [
        [layer(hidden, pixels, "relu"), layer(2 * latent, hidden)],
        [layer(hidden, latent, "tanh"), layer(pixels, hidden)],
    ]


def as_torch(layers):
    parts = []
    for weights, bias, activation in layers:
        linear = nn.Linear(len(weights[0]), len(weights), dtype=torch.float64)
        linear.weight.data, linear.bias.data = (torch.tensor(v, dtype=torch.float64) for v in (weights, bias))
        parts += [linear, TORCH[activation]()]
    return nn.Sequential(*parts)


def model(**sizes):
    return capstone.read_model(plain(**sizes), sizes.get("pixels", PIXELS))


def pictures(n=7, pixels=PIXELS, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, pixels))


# Networks


@pytest.mark.parametrize("activation", capstone.ACTIVATIONS)
def test_a_network_computes_what_torch_does(activation):
    layers = [layer(5, 3, activation), layer(4, 5, activation), layer(2, 4)]
    x = np.random.default_rng(0).normal(0, 3, (10, 3))
    ours = capstone.read_network("it", layers)(x)
    np.testing.assert_allclose(ours, as_torch(layers)(torch.tensor(x)).detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("activation", capstone.ACTIVATIONS)
def test_activations_are_safe_far_out(activation):
    values = capstone.ACTIVATIONS[activation](np.array([-1e4, -800.0, 0.0, 800.0, 1e4]))
    assert np.isfinite(values).all() and (np.diff(values) >= -1e-300).all()


def test_a_model_knows_its_sizes_and_its_digest():
    made = model(latent=3)
    assert (made.latent, made.encoder.inputs, made.decoder.outputs) == (3, PIXELS, PIXELS)
    assert made.encoder.numbers == 5 * 6 + 5 + 6 * 5 + 6
    again, other = plain(latent=3), plain(latent=3)
    other[1][0][1][0] += 1e-9
    assert capstone.read_model(again, PIXELS) == made and hash(capstone.read_model(again, PIXELS)) == hash(
        made
    )
    assert capstone.read_model(other, PIXELS) != made
    other = plain(latent=3)
    other[0][0][2] = "elu"
    assert capstone.read_model(other, PIXELS) != made and made != "a model"


def changed(*path, to):
    """The good lists with the place at `path` changed."""
    whole = place = plain()
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return whole


WIDE = [[0.0] * 6] * 2049
DEEP = plain()
DEEP[0] = [layer(6, 6)] * 8 + [layer(4, 6)]
HUGE = [
    [[[0.0] * 6] * 2000, [0.0] * 2000, "relu"],
    [[[0.0] * 2000] * 2000, [0.0] * 2000, "relu"],
    layer(4, 2000),
]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "not a list of two networks"),
        ("weights", "not a list of two networks"),
        ([], "not a list of two networks"),
        (1.0, "not a list of two networks"),
        ({}, "not a list of two networks"),
        ([*plain(), plain()[0]], "not a list of two networks"),
        (changed(0, to=[]), "the encoder is not a list of layers"),
        (changed(1, to="decoder"), "the decoder is not a list of layers"),
        (DEEP, "the encoder has 9 layers; at most 8"),
        (changed(0, 1, to=[1.0, 2.0]), r"layer 2 of the encoder is not \[weights, bias, activation\]"),
        (changed(0, 1, to=3.0), r"layer 2 of the encoder is not \[weights"),
        (
            changed(0, 0, 2, to="exec"),
            "layer 1 of the encoder has an unknown activation; there are identity, relu",
        ),
        (changed(0, 0, 2, to=["relu"]), "unknown activation"),
        (changed(0, 0, 2, to=None), "unknown activation"),
        (changed(0, 0, 0, to=WIDE), "layer 1 of the encoder is 2049 wide; at most 2048"),
        (changed(0, 0, 0, to=[[0.0] * 2049]), "layer 1 of the encoder is 2049 wide"),
        (changed(0, 0, 1, to=[0.0] * 2049), "layer 1 of the encoder is 2049 wide"),
        (changed(0, to=HUGE), "have 4024055 numbers; at most 2000000"),
        (
            changed(1, 0, 0, 0, to=[0.0] * 3),
            "the weights of layer 1 of the decoder are rows of different lengths",
        ),
        (changed(1, 0, 0, 0, 0, to=[1.0]), "rows of different lengths"),
        (changed(1, 0, 0, to=[]), "the weights of layer 1 of the decoder are empty"),
        (
            changed(1, 0, 0, to=[1.0, 2.0, 3.0, 4.0, 5.0]),
            r"weights of shape \(5,\) and a bias of shape \(5,\)",
        ),
        (changed(1, 0, 0, to=[[[1.0]]]), r"weights of shape \(1, 1, 1\)"),
        (changed(1, 0, 0, to="many"), "the weights of layer 1 of the decoder are not numbers"),
        (changed(1, 0, 1, to=[0.0] * 4), r"a bias of shape \(4,\); right would be"),
        (changed(1, 0, 1, to=["0"] * 5), "the bias of layer 1 of the decoder are not numbers"),
        (changed(1, 0, 1, to=[None] * 5), "are not numbers"),
        (changed(1, 0, 1, 0, to=10**400), "are not numbers"),
        (changed(1, 0, 1, to=[True] * 5), "are not numbers"),
        (changed(1, 0, 1, 0, to=np.nan), "the bias of layer 1 of the decoder are not finite"),
        (changed(1, 0, 0, 0, 0, to=-np.inf), "the weights of layer 1 of the decoder are not finite"),
        (
            changed(0, 1, to=layer(4, 3)),
            "layer 2 of the encoder takes 3 numbers, but the layer before it gives 5",
        ),
        (
            changed(0, 1, to=layer(3, 5)),
            "the encoder gives 3 numbers, but a decoder that takes 2 needs 4: m and s",
        ),
        (changed(0, 0, to=layer(5, 7)), "the encoder takes 7 numbers, but a picture has 6 pixels"),
        (changed(1, 1, to=layer(7, 5)), "the decoder gives 7 numbers, but a picture has 6 pixels"),
        (plain(latent=33), "the code has 33 dimensions; at most 32"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(given, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        capstone.read_model(given, PIXELS)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


# Measures


def test_the_negative_elbo_is_that_of_torch_distributions():
    made, x = model(), pictures(2000)
    ours = capstone.negative_elbo(made, x, 40, np.random.default_rng(0))
    encoder, decoder = map(as_torch, plain())
    with torch.no_grad():
        m, s = encoder(torch.tensor(x)).chunk(2, 1)
        q = distributions.Normal(m, (s / 2).exp())
        kl = distributions.kl_divergence(q, distributions.Normal(torch.zeros_like(m), torch.ones_like(m)))
        torch.manual_seed(0)
        coins = distributions.Bernoulli(logits=decoder(q.sample((40,))), validate_args=False)
        reconstruction = -coins.log_prob(torch.tensor(x)).sum(-1).mean().item()
    np.testing.assert_allclose(ours.kl_per_dimension, kl.mean(0), rtol=1e-10)
    assert ours.kl == pytest.approx(kl.sum(1).mean().item(), rel=1e-10)
    assert ours.reconstruction == pytest.approx(reconstruction, abs=0.02)
    assert ours.total == ours.reconstruction + ours.kl


def test_the_negative_elbo_is_above_the_surprise_of_the_true_model():
    """A model whose evidence is known: the decoder ignores its code, and p(x) is a product of coins."""
    p = np.array([0.1, 0.5, 0.9, 0.3, 0.7, 0.2])
    handed = [[[np.zeros((4, 6)).tolist(), [0.3, -0.2, 0.5, -0.4], "identity"]]]
    handed.append([[np.zeros((6, 2)).tolist(), np.log(p / (1 - p)).tolist(), "identity"]])
    x = np.random.default_rng(0).binomial(1, p, (5000, 6))
    found = capstone.negative_elbo(capstone.read_model(handed, 6), x, 1, np.random.default_rng(1))
    surprise = -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum(axis=1).mean()
    assert found.reconstruction == pytest.approx(surprise, rel=1e-12)
    m, s = np.array([0.3, -0.2]), np.array([0.5, -0.4])
    assert found.kl == pytest.approx(0.5 * (np.exp(s) - 1 - s + m**2).sum(), rel=1e-12)


def test_samples_are_decoded_draws_from_the_prior():
    handed = plain(latent=1)
    handed[1] = [[[[1.0]] * PIXELS, [0.0] * PIXELS, "identity"]]
    drawn = capstone.sample(capstone.read_model(handed, PIXELS), 20_000, np.random.default_rng(0))
    z = np.log(drawn / (1 - drawn))
    assert drawn.shape == (20_000, PIXELS) and np.ptp(z, axis=1).max() < 1e-9
    assert abs(z.mean()) < 0.03 and abs(z.std() - 1) < 0.02


def test_nearest_is_the_smallest_distance():
    a, b = pictures(30), pictures(40, seed=1)
    np.testing.assert_allclose(capstone.nearest(a, b), cdist(a, b).min(axis=1), rtol=1e-10)
    assert capstone.nearest(a, a).max() < 1e-6


def test_sample_quality_of_the_truth_of_nonsense_and_of_one_picture_for_ever():
    rng = np.random.default_rng(0)
    real, fresh, again = (creatures(400, rng).images for _ in range(3))
    truth = capstone.sample_quality(again, real, fresh)
    assert truth.distance == pytest.approx(1, abs=0.05) and truth.coverage == pytest.approx(1, abs=0.05)
    noise = capstone.sample_quality(rng.uniform(size=(400, 400)), real, fresh)
    assert noise.distance > 4 and noise.coverage > 4
    one = capstone.sample_quality(np.repeat(again[:1], 400, axis=0), real, fresh)
    assert one.distance < 1.5 and one.coverage > 2.5


def test_factor_r2():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, 3))
    factors = np.c_[
        2 * z[:, 0] - 1, z[:, 1] ** 2, z[:, 0] * z[:, 1], np.sin(20 * z[:, 2]), rng.uniform(size=4000)
    ]
    r2 = capstone.factor_r2(z, factors)
    assert (r2[:3] > 0.98).all() and (r2[3:] < 0.05).all()
    noisy = capstone.factor_r2(z + rng.normal(size=z.shape), factors)
    assert noisy[0] == pytest.approx(0.5, abs=0.06)  # half of the variance of a noisy code is the factor's
    assert capstone.factor_r2(1e-4 * z, factors).max() < 0.01  # written too small to be read
    assert np.isnan(capstone.factor_r2(np.where(z > 2, np.inf, z), factors)).all()
    assert np.isnan(capstone.factor_r2(1e9 * z, factors)).all()


def test_a_measurement_repeats_and_depends_on_its_seed():
    made = model(pixels=400, hidden=3)
    one, same, other = (capstone.measure(made, np.random.default_rng(seed), 60) for seed in (1, 1, 2))
    assert one == same and one.negative_elbo != other.negative_elbo
    assert len(one.r2) == 5 and one.mean_r2 == pytest.approx(np.mean(one.r2))
    seen = creatures(60, np.random.default_rng(1))
    m, s = made.encode(seen.images)
    kl = 0.5 * (np.exp(s) - 1 - s + m**2).mean(axis=0)
    assert one.in_use == (kl > capstone.IN_USE).sum() and one.kl == pytest.approx(kl.sum())


@pytest.mark.parametrize("size", [1e5, 1e150, 1e300])
def test_enormous_weights_give_scores_that_reach_nothing(size):
    handed = plain(pixels=400)
    for network in handed:
        for one in network:
            one[0] = (np.array(one[0]) * size).tolist()
    found = capstone.measure(capstone.read_model(handed, 400), np.random.default_rng(0), 50)
    assert not found.negative_elbo < 1000
    assert not all(value > 0.5 for value in found.r2)
