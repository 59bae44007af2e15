"""The autoencoder: its two likelihoods, its start, and PCA as what a linear one must find."""

import math

import numpy as np
import pytest
import torch

from vaecourse import data
from vaecourse.autoencoder import Autoencoder, Bernoulli, Gaussian, mlp, reconstruction
from vaecourse.training import train


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_linear_autoencoder_finds_the_subspace_of_pca():
    """Baldi and Hornik (1989): with a Gaussian decoder and no hidden layer, the span is that of the largest components."""
    scales = torch.tensor([3.0, 2.0, 0.3, 0.2, 0.1], dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=generator(), dtype=torch.float64))[0]
    x = (torch.randn(200, 5, generator=generator(1), dtype=torch.float64) * scales) @ rotation.T
    model = Autoencoder(5, (), 2, likelihood=Gaussian(), generator=generator())
    train(model, x, reconstruction, epochs=200, batch=50, learning_rate=0.03, progress=False)
    _, _, components = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    ours = torch.linalg.qr(model.decoder[0].weight.detach())[0]
    cosines = torch.linalg.svdvals(ours.T @ components[:2].T)
    assert cosines.min() > 0.999
    error = (model.decode(model.mean_code(x)) - x).square().sum(1).mean().item()
    rest = (x - x.mean(0)) - (x - x.mean(0)) @ components[:2].T @ components[:2]
    assert error == pytest.approx(rest.square().sum(1).mean().item(), rel=0.02)


def test_a_gaussian_reconstruction_is_the_squared_distance_in_other_units():
    x = torch.rand(20, 6, generator=generator(), dtype=torch.float64)
    model = Autoencoder(6, 8, 2, likelihood=Gaussian(0.25), generator=generator(1))
    distance = (model.decode(model.mean_code(x)) - x).square().sum(1)
    expected = -distance / (2 * 0.25) - 3 * math.log(2 * math.pi * 0.25)
    torch.testing.assert_close(reconstruction(model, x).total, expected)


def test_a_bernoulli_reconstruction_is_minus_the_cross_entropy():
    x = torch.rand(20, 6, generator=generator(), dtype=torch.float64)
    model = Autoencoder(6, 8, 2, generator=generator(1))
    p = model.decode(model.mean_code(x))
    assert ((p > 0) & (p < 1)).all()
    expected = -torch.nn.functional.binary_cross_entropy(p, x, reduction="none").sum(1)
    torch.testing.assert_close(reconstruction(model, x).reconstruction, expected)


def test_the_decoder_is_a_plain_chain_of_dense_layers():
    """The explorer reads it layer by layer; nothing else may stand between the code and the picture."""
    model = Autoencoder(64, (32, 16), 4, generator=generator())
    kinds = [type(layer) for layer in model.decoder]
    assert type(model.decoder) is torch.nn.Sequential
    assert kinds == [torch.nn.Linear, torch.nn.ReLU] * 2 + [torch.nn.Linear]
    assert [layer.out_features for layer in model.decoder[::2]] == [16, 32, 64]
    c = torch.randn(5, 4, generator=generator(), dtype=torch.float64)
    torch.testing.assert_close(model.decode(c), torch.sigmoid(model.decoder(c)))


def test_digits_are_rebuilt_better_than_by_pca_with_as_many_numbers():
    images = data.digits()
    x, held_out = torch.from_numpy(images.train), torch.from_numpy(images.test)
    model = Autoencoder(64, 128, 8, generator=generator())
    train(model, x, reconstruction, epochs=40, progress=False)
    error = (model.decode(model.mean_code(held_out)) - held_out).square().sum(1).mean().item()
    mean = images.train.mean(0)
    _, _, components = np.linalg.svd(images.train - mean, full_matrices=False)
    residual = (images.test - mean) - (images.test - mean) @ components[:8].T @ components[:8]
    assert error < 0.8 * (residual**2).sum(1).mean()


def test_there_is_no_noise_in_an_autoencoder():
    model, x = Autoencoder(6, 8, 2, generator=generator()), torch.rand(3, 6, generator=generator())
    assert torch.equal(reconstruction(model, x, generator(1)).total, reconstruction(model, x).total)
    assert torch.equal(model.code_variance(x), torch.zeros(3, 2, dtype=torch.float64))


def test_number_types_and_global_generator():
    before = torch.get_rng_state()
    small = Autoencoder(6, 8, 2, generator=generator(), dtype=torch.float32)
    assert small.mean_code(torch.zeros(1, 6, dtype=torch.float64)).dtype == torch.float32
    assert torch.equal(before, torch.get_rng_state())


def test_bad_input_is_refused():
    model = Autoencoder(6, 8, 2, generator=generator())
    with pytest.raises(ValueError, match=r"x has shape \(6,\); this model takes \(n, 6\)"):
        model.mean_code(torch.zeros(6))
    with pytest.raises(ValueError, match=r"pixels must lie in \[0, 1\] \(divide by the largest"):
        reconstruction(model, torch.full((2, 6), 255.0))
    with pytest.raises(ValueError, match=r"c has shape \(1, 3\); this decoder takes codes \(\.\.\., 2\)"):
        model.decode(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="a layer of 3 inputs and 0 outputs is empty"):
        mlp((3, 0), generator(), torch.float64)
    with pytest.raises(ValueError, match="variance is inf; it must be a finite number above zero"):
        Gaussian(math.inf)
    with pytest.raises(ValueError, match="x holds NaN"):
        Bernoulli().check(torch.tensor([[math.nan, 0.5]]))
