"""The rendered moons: the lit share is what geometry says, the phases are where they should be, and draws repeat."""

import numpy as np
import pytest

from vaecourse import moons

FULL = np.pi


def test_the_lit_share_of_the_disc_is_the_geometric_one():
    phase = np.linspace(0, 2 * np.pi, 25)
    pictures = moons.render(phase, size=48)
    share = pictures.sum(1) / moons.render(FULL, size=48).sum()
    np.testing.assert_allclose(share, moons.lit_fraction(phase), atol=0.01)


def test_new_and_full_moon_and_the_side_that_is_lit():
    new, first, full, last = moons.render([0, np.pi / 2, np.pi, 3 * np.pi / 2], size=16).reshape(4, 16, 16)
    assert new.max() == 0 and full.max() == 1
    assert first[:, :8].sum() == 0 and last[:, 8:].sum() == 0
    np.testing.assert_allclose(first, last[:, ::-1], atol=1e-6)
    np.testing.assert_allclose(first + last, full, atol=1e-6)


def test_a_tilt_turns_the_picture():
    upright, turned = moons.render(1.2, 0.0, 20), moons.render(1.2, np.pi / 2, 20)
    np.testing.assert_allclose(np.rot90(upright.reshape(20, 20)), turned.reshape(20, 20), atol=0.03)


def test_draws_repeat_and_stay_in_range():
    one, other = (moons.moons(50, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one.pictures, other.pictures)
    assert one.pictures.shape == (50, 256) and one.pictures.dtype == np.float32
    assert one.pictures.min() >= 0 and one.pictures.max() <= 1 and np.abs(one.tilt).max() <= 0.4


def test_every_moon_has_a_neighbour_for_each_moon_drawn():
    catalogue, drawn = moons.every_moon(), moons.moons(40, np.random.default_rng(3))
    assert catalogue.pictures.shape == (91 * 9, 256)
    gaps = np.linalg.norm(drawn.pictures[:, None] - catalogue.pictures[None], axis=2).min(axis=1)
    assert gaps.max() < 1  # from half moon to full moon it is 8.5


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: moons.render(np.nan), "phase holds NaN"),
        (lambda: moons.render(0, size=2), "size is 2; a moon needs at least 4"),
        (lambda: moons.moons(0, np.random.default_rng(0)), "n is 0; ask for at least one"),
    ],
)
def test_bad_input(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
