"""The creatures: each factor changes its own part and can be read off, draws repeat, and a checksum holds them."""

import zlib

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from vaecourse import creatures as module
from vaecourse.creatures import FACTORS, SIZE, creatures, render, row


def picture(**factors) -> np.ndarray:
    """One creature, shape (20, 20), row 0 at the top: factors not named are in the middle."""
    return render([[factors.get(name, 0.5) for name in FACTORS]]).reshape(SIZE, SIZE)


def changed(factor: str, **others) -> np.ndarray:
    """Where the pictures differ along the range of a factor, shape (20, 20)."""
    steps = [picture(**{factor: value}, **others) for value in np.linspace(0, 1, 9)]
    return np.ptp(steps, axis=0) > 1e-6


def test_shapes_ranges_and_seeds():
    one, other = (creatures(300, np.random.default_rng(7)) for _ in range(2))
    assert one.images.shape == (300, SIZE**2) and one.images.dtype == np.float32
    assert one.factors.shape == (300, 5) and one.factors.dtype == np.float64
    assert one.names == FACTORS and one.image_shape == (SIZE, SIZE)
    assert one.images.min() == 0 and one.images.max() == 1
    assert one.factors.min() >= 0 and one.factors.max() <= 1
    np.testing.assert_array_equal(one.images, other.images)
    np.testing.assert_array_equal(one.images, render(one.factors))
    assert (creatures(300, np.random.default_rng(8)).images != one.images).any()


def test_the_pictures_are_the_same_on_every_machine():
    drawn = creatures(200, np.random.default_rng(2026))
    grey = np.round(drawn.images.astype(np.float64) * 200).astype(np.uint8)
    assert zlib.crc32(grey.tobytes()) == 3033911195  # rounded: the last bits of sine and root may differ


def test_a_creature_does_not_depend_on_its_neighbours():
    factors = creatures(2 * module.BLOCK + 3, np.random.default_rng(0)).factors
    together = render(factors)
    for i in (0, module.BLOCK - 1, module.BLOCK, len(factors) - 1):
        np.testing.assert_array_equal(together[i], render(factors[i : i + 1])[0])


def test_factors_are_uniform_and_independent():
    factors = creatures(4000, np.random.default_rng(1)).factors
    np.testing.assert_allclose(factors.mean(axis=0), 0.5, atol=0.02)
    np.testing.assert_allclose(factors.var(axis=0), 1 / 12, atol=0.004)
    assert np.abs(np.corrcoef(factors.T) - np.eye(5)).max() < 0.06


# Each factor and its part


def test_gaze_moves_the_pupil_only_and_to_the_right():
    rows, columns = np.nonzero(changed("gaze"))
    assert np.ptp(rows) <= 4 and np.ptp(columns) <= 5
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    centres = []
    for value in np.linspace(0, 1, 5):
        eye = picture(gaze=value)[box][1:-1]
        centres.append((eye * np.arange(eye.shape[1])).sum() / eye.sum())
    assert np.diff(centres).min() > 0


def test_ears_change_only_what_is_above_the_body():
    ears, height = changed("ears"), changed("height")
    assert ears.any() and not (ears & changed("gaze")).any() and not (ears & changed("tail")).any()
    assert np.nonzero(ears)[0].max() < np.nonzero(changed("gaze"))[0].min()  # above the eye
    assert height[ears].mean() > 0.5  # where the ears are depends on the height, not the other way round
    tops = [np.nonzero(picture(ears=value).max(axis=1) > 0.2)[0][0] for value in (0, 0.5, 1)]
    assert tops[0] > tops[1] > tops[2]


def test_the_tail_is_on_the_right_and_rises():
    where = changed("tail")
    body = picture(tail=0.0) >= 1
    assert np.nonzero(where)[1].min() > SIZE / 2 and not (where & body).any()
    heights = []
    for value in np.linspace(0, 1, 6):
        seen = np.where(where, picture(tail=value), 0)
        heights.append((seen.sum(axis=1) * np.arange(SIZE)).sum() / seen.sum())
    assert np.diff(heights).max() < 0  # row numbers count downwards


def test_width_and_height_make_the_body_wider_and_taller():
    ink = [(picture(width=v) >= 1).any(axis=0).sum() for v in (0, 0.5, 1)]
    assert ink[0] < ink[1] < ink[2]
    ink = [(picture(height=v) >= 1).any(axis=1).sum() for v in (0, 0.5, 1)]
    assert ink[0] < ink[1] < ink[2]
    assert not changed("width")[:3].any()  # the ears stay
    feet = np.s_[-2:, :]
    assert not changed("height")[feet][:, : SIZE // 2].any()  # it stands on the same ground


def test_no_part_is_cut_off_at_the_border():
    corners = np.array(np.meshgrid(*[[0, 1]] * 5)).reshape(5, -1).T
    images = render(corners).reshape(-1, SIZE, SIZE)
    for border in (images[:, 0], images[:, :, 0], images[:, :, -1]):
        assert border.max() < 0.5


def test_pictures_change_smoothly():
    for factor in FACTORS:
        steps = render(row(factor, 201))
        assert np.abs(np.diff(steps, axis=0)).max() < 0.12


def test_every_factor_can_be_read_from_the_pixels():
    drawn = creatures(4000, np.random.default_rng(3))
    x, y, new_x, new_y = drawn.images[:3000], drawn.factors[:3000], drawn.images[3000:], drawn.factors[3000:]
    fits = {
        "linear": (LinearRegression().fit(x, y), 0.9),
        "nearest": (KNeighborsRegressor(3).fit(x, y), 0.7),
    }
    for name, (fitted, least) in fits.items():
        r2 = 1 - ((fitted.predict(new_x) - new_y) ** 2).mean(axis=0) / new_y.var(axis=0)
        assert r2.min() > least, (name, r2)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: creatures(0, np.random.default_rng(0)), "n is 0; ask for at least one creature"),
        (lambda: render(np.zeros((2, 4))), r"factors has shape \(2, 4\); right would be \(n, 5\): width"),
        (lambda: render(np.zeros(5)), r"factors has shape \(5,\)"),
        (lambda: render([[0, 0, 0, 0, 1.5]]), "factors holds 1.5; each factor lies between 0 and 1"),
        (lambda: render([[0, 0, 0, 0, -0.5]]), "factors holds -0.5"),
        (lambda: render([[0, 0, 0, 0, np.nan]]), "factors holds NaN"),
        (lambda: row("teeth"), "There is no factor 'teeth'; there are width, height"),
    ],
)
def test_bad_input(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
