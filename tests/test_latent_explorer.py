"""The latent-space explorer seen from Python: what is sent, what is refused, and the picture that stays behind."""

import base64

import numpy as np
import pytest
import torch
from torch import nn

from vaecourse.autoencoder import Autoencoder, Gaussian
from vaecourse.vae import VAE
from vaecourse.widgets import dense
from vaecourse.widgets.base import JS
from vaecourse.widgets.latent_space import LatentExplorer, LatentModel, latent_model


def pictures(n=30, pixels=64, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, pixels)).astype(np.float32)


def models(latent=4, pixels=64):
    generator = torch.Generator().manual_seed(0)
    return {
        "AE": Autoencoder(pixels, 16, latent, generator=generator),
        "VAE": VAE(pixels, 16, latent, generator=generator),
    }


def explorer(**options):
    return LatentExplorer(models(), pictures(), np.arange(30) % 3, **options)


def decoder(*sizes):
    return nn.Sequential(nn.Linear(*sizes[:2]), nn.Tanh(), nn.Linear(*sizes[1:]))


def test_a_trained_model_is_taken_apart_as_it_means_itself():
    x = pictures()
    for name, model in models().items():
        taken = latent_model(model, x)
        assert taken.units == {"AE": "codes", "VAE": "prior"}[name] and taken.output == "sigmoid"
        with torch.no_grad():
            assert np.array_equal(taken.codes, model.mean_code(torch.tensor(x)).numpy())
    gaussian = VAE(64, 16, 4, likelihood=Gaussian(0.1), generator=torch.Generator().manual_seed(0))
    assert latent_model(gaussian, x).output == "identity"


def test_it_starts_at_the_codes_of_the_chosen_picture():
    view = explorer(start=7)
    for name, model in models().items():
        with torch.no_grad():
            expected = model.mean_code(torch.tensor(pictures()[7:8]))[0].numpy()
        assert np.allclose(view.z[name], expected, atol=1e-5)
    assert view.image == 7


def test_without_a_start_it_stands_at_the_centre_of_each_models_own_units():
    view = explorer(start=None)
    codes = latent_model(models()["AE"], pictures()).codes
    assert view.image == -1 and view.z["VAE"] == [0] * 4
    assert np.allclose(view.z["AE"], codes.mean(0), atol=1e-5)


def test_units_of_the_codes_are_their_mean_and_deviation():
    sent = {model["name"]: model for model in explorer().models}
    codes = latent_model(models()["AE"], pictures()).codes
    assert np.allclose(sent["AE"]["centre"], codes.mean(0)) and np.allclose(
        sent["AE"]["spread"], codes.std(0)
    )
    assert sent["VAE"]["centre"] == [0] * 4 and sent["VAE"]["spread"] == [1] * 4


def test_a_dimension_that_never_changes_has_a_unit_too():
    codes = np.random.default_rng(0).normal(size=(30, 3))
    codes[:, 1] = 2.0
    view = LatentExplorer({"AE": LatentModel(decoder(3, 5, 64), codes, "codes")}, pictures())
    assert view.models[0]["spread"][1] == 1 and np.isfinite(view.settings["reach"])


def test_the_pad_shows_the_two_dimensions_along_which_the_codes_differ_most():
    codes = np.random.default_rng(0).normal(size=(30, 5)) * [0.1, 2, 0.3, 1, 0.2]
    view = LatentExplorer({"VAE": LatentModel(decoder(5, 5, 64), codes)}, pictures())
    assert view.settings["axes"] == [1, 3]
    assert view.settings["reach"] >= np.abs(codes).max() > 3
    view = LatentExplorer({"VAE": LatentModel(decoder(5, 5, 64), codes)}, pictures(), axes=(4, 0))
    assert view.settings["axes"] == [4, 0]


def test_many_pictures_are_thinned_evenly_and_the_start_is_kept():
    x = pictures(1300)
    view = LatentExplorer({"VAE": models()["VAE"]}, x, np.arange(1300), start=641)
    assert len(view.marks) == 500 and len(view.images) == 500 * 64 and len(view.codes) == 500 * 4 * 4
    assert view.marks[0] == "0" and view.marks[-1] == "1299" and view.marks[view.image] == "641"
    steps = np.diff([int(mark) for mark in view.marks])
    assert steps.min() >= 1 and steps.max() <= 5


def test_pictures_are_sent_in_256_levels_of_their_range():
    x = pictures() * 4 - 2
    generator = torch.Generator().manual_seed(0)
    model = Autoencoder(64, 16, 4, likelihood=Gaussian(), generator=generator)
    view = LatentExplorer({"AE": model}, x, pixel_range=(-2, 2))
    sent = np.frombuffer(view.images, dtype=np.uint8).reshape(30, 64) / 255 * 4 - 2
    assert np.abs(sent - x).max() <= 2 / 255 + 1e-6


def test_the_distance_between_neighbours_is_the_median_of_the_nearest():
    x = pictures().astype(float)
    distances = np.linalg.norm(x[:, None] - x, axis=2) + np.diag(np.full(30, np.inf))
    assert explorer().settings["apart"] == pytest.approx(np.median(distances.min(1)), rel=1e-5)


def test_z_can_be_set_for_one_model_and_the_others_stay():
    view = explorer()
    before = view.z["AE"]
    view.z = {"VAE": np.array([0.1, -0.2, 0.3, 1 / 3])}
    assert view.z == {"AE": before, "VAE": [0.1, -0.2, 0.3, 0.333333]}


def test_encode_goes_to_a_picture():
    view = explorer()
    view.encode(11)
    assert view.image == 11 and view.z == explorer(start=11).z
    with pytest.raises(ValueError, match="index is 30; the explorer shows pictures 0 to 29"):
        view.encode(30)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ({"GAN": [0] * 4}, "z names 'GAN'; the models are AE, VAE"),
        ({"VAE": [0] * 3}, "the code of 'VAE' must be 4 finite numbers"),
        ({"VAE": [0, 0, 0, np.nan]}, "the code of 'VAE' must be 4 finite numbers"),
    ],
)
def test_a_z_that_does_not_fit_is_refused_and_nothing_moves(code, sentence):
    view = explorer()
    before = view.z
    with pytest.raises(ValueError, match=sentence):
        view.z = code
    assert view.z == before


class Convolution(nn.Module):
    def forward(self, x):
        return x


def nan_decoder():
    model = decoder(4, 5, 64)
    nn.init.constant_(model[0].weight, torch.nan)
    return model


def huge_decoder():
    model = decoder(4, 5, 64)
    nn.init.constant_(model[2].bias, 1e6)
    return model


CODES = np.random.default_rng(0).normal(size=(30, 4))
NARROW = LatentModel(decoder(3, 5, 64), CODES[:, :3])
UNSUITABLE = [
    (
        LatentModel(nn.Sequential(nn.Conv2d(1, 1, 3)), CODES),
        "'M' has a Conv2d; the browser can draw Linear, ReLU",
    ),
    (LatentModel(Convolution(), CODES), "'M' has a Convolution; the browser can draw"),
    (LatentModel(nn.Sequential(nn.ReLU(), nn.Linear(4, 64)), CODES), "a ReLU that does not follow a Linear"),
    (LatentModel(nn.Sequential(nn.Identity()), CODES), "'M' has no Linear layer"),
    (
        LatentModel(nn.Sequential(nn.Linear(4, 5), nn.Linear(6, 64)), CODES),
        "gives 5 numbers, the next one takes 6",
    ),
    (LatentModel(lambda z: z, CODES), "'M' is a function; give a torch module"),
    (LatentModel(nan_decoder(), CODES), "'M' has weights that are not finite"),
    (LatentModel(huge_decoder(), CODES), "'M' has weights above 65504"),
    (LatentModel(decoder(3, 5, 64), CODES), "'M' takes codes of 3 numbers, but the codes given have 4"),
    (LatentModel(decoder(4, 5, 63), CODES), "'M' gives 63 numbers, which is no image of 64 pixels"),
    (
        LatentModel(decoder(4, 5, 64), CODES[:7]),
        r"have shape \(7, 4\); give one row for each of the 30 images",
    ),
    (LatentModel(decoder(4, 5, 64), CODES * np.inf), "the codes of 'M' hold NaN or infinity"),
    (
        LatentModel(decoder(4, 5, 64), CODES, "metres"),
        "units of 'M' are 'metres'; give \"prior\" or \"codes\"",
    ),
    (LatentModel(decoder(4, 5, 64), CODES, output="softmax"), "output is 'softmax'; give \"sigmoid\""),
    (
        LatentModel(nn.Sequential(nn.Linear(4, 64), nn.Sigmoid()), CODES, output="sigmoid"),
        "follows a decoder that already ends in sigmoid",
    ),
]


@pytest.mark.parametrize(("model", "sentence"), UNSUITABLE)
def test_a_model_that_cannot_be_drawn_is_refused_in_one_sentence(model, sentence):
    with pytest.raises(ValueError, match=sentence) as raised:
        LatentExplorer({"M": model}, pictures())
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"images": pictures()[:, :63]},
            r"images have shape \(30, 63\); give at least one picture of 8 by 8",
        ),
        ({"images": pictures()[:0]}, r"images have shape \(0, 64\)"),
        ({"images": pictures() + np.nan}, "images hold NaN"),
        ({"labels": [1, 2]}, "there are 2 labels for 30 images"),
        ({"models": {}}, "there are 0 models; the explorer shows one, two or three"),
        ({"start": 30}, "start is 30; give a number from 0 to 29, or None"),
        ({"axes": (0, 4)}, r"axes is \(0, 4\); give two different dimensions from 0 to 3, or None"),
        ({"axes": (1, 1)}, r"axes is \(1, 1\); give two different"),
        ({"pad": "both"}, 'pad is \'both\'; give "codes" or "pictures"'),
        (
            {"models": {"a": LatentModel(decoder(4, 5, 64), CODES), "b": NARROW}},
            "the models have codes of different sizes, {'a': 4, 'b': 3}; one drag needs one size",
        ),
    ],
)
def test_other_input_that_does_not_fit_is_refused_in_one_sentence(changes, sentence):
    given = {"models": models(), "images": pictures(), "labels": None} | changes
    with pytest.raises(ValueError, match=sentence):
        LatentExplorer(**given)


def test_the_manifold_is_what_torch_decodes_at_the_quantiles():
    view = explorer()
    model = models()["VAE"]
    k, j = view.settings["axes"]
    quantile = (
        torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor((4 + 0.5) / 15, dtype=torch.float64)).item()
    )
    z = torch.zeros(1, 4, dtype=torch.float64)
    z[0, k], z[0, j] = quantile, -quantile  # 4th from the left; 4th from the top, that is, 10th upwards
    with torch.no_grad():
        expected = model.decode(z).reshape(8, 8).numpy()
    seen = view.manifold("VAE")
    assert seen.shape == (120, 120)
    assert np.abs(seen[8 * 4 : 8 * 5, 8 * 4 : 8 * 5] - expected).max() < 2e-3


@pytest.mark.parametrize("latent", [1, 2, 50])
def test_every_size_of_code_leaves_a_picture_and_a_sentence(latent):
    view = LatentExplorer(models(latent), pictures(), ["cat", "dog", "owl"] * 10)
    data, metadata = view._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == metadata["image/png"]["alt"] == view.sentence()
    assert "AE and VAE" in view.sentence() and "30 held-out images" in view.sentence()
    assert "application/vnd.jupyter.widget-view+json" in data


def test_what_is_sent_is_small():
    view = LatentExplorer(models(8), pictures(360))
    sent = sum(len(part) for part in (view.weights, view.codes, view.images))
    assert sent < 60_000  # 2 decoders 8-16-64 as float16, 720 codes as float32, 360 pictures as bytes
    assert len(view.weights) == 2 * 2 * (8 * 16 + 16 + 16 * 64 + 64)


def test_weights_are_read_back_as_they_were_packed():
    layers = dense.dense_layers(decoder(4, 5, 64))
    numbers = np.frombuffer(dense.packed(layers), dtype="<f2")
    assert np.array_equal(numbers[:20].reshape(5, 4), layers[0].weight)
    assert np.array_equal(numbers[-64:], layers[1].bias)


def test_the_bundle_has_every_module_once_and_imports_nothing():
    text = LatentExplorer._esm
    assert "import " not in text.replace("dynamic import", "") and text.count("export default") == 1
    for module in ("decoder", "elements", "latent_pad", "latent_start", "normal", "pad", "picture", "slider"):
        first = next(line for line in (JS / f"{module}.js").read_text(encoding="utf-8").splitlines() if line)
        assert text.count(first) == 1, module
