"""The figures of assignment 5 show the numbers that went in, and nothing lies on top of anything."""

import numpy as np
import pytest
import torch
from test_figures_vae import assert_no_text_overlaps

from vaecourse.creatures import FACTORS, creatures, render, row
from vaecourse.figures import creatures as figures


def test_a_herd_shows_its_creatures_in_rows():
    images = creatures(24, np.random.default_rng(0)).images
    image = figures.herd(images).images[0].get_array()
    assert image.shape == (2 * 20 + 1, 12 * 20 + 11)
    np.testing.assert_allclose(image[21:, 21:41], images[13].reshape(20, 20))
    with pytest.raises(ValueError, match="25 pictures do not fill rows of 12"):
        figures.herd(creatures(25, np.random.default_rng(0)).images)


def test_a_row_for_each_factor_with_its_values():
    pictures = np.stack([render(row(factor, 5)) for factor in FACTORS])
    axes = figures.factor_rows(pictures)
    assert [t.get_text() for t in axes.get_yticklabels()] == list(FACTORS)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0", "0.25", "0.5", "0.75", "1"]
    np.testing.assert_allclose(axes.images[0].get_array()[84:, 84:], pictures[4, 4].reshape(20, 20))
    assert_no_text_overlaps(axes)


def test_the_two_terms_and_where_they_end():
    steps = np.arange(1, 1001)
    left, right = figures.two_terms(280 - 0.23 * steps, torch.tensor(steps / 100.0))
    np.testing.assert_allclose(left.lines[0].get_ydata(), 280 - 0.23 * steps)
    np.testing.assert_array_equal(right.lines[0].get_xdata(), steps)
    assert [panel.texts[0].get_text() for panel in (left, right)] == ["52.2", "9.9"]  # the last 20 steps
    assert left.get_xscale() == right.get_xscale() == "log" and left.get_ylim()[0] == 0
    assert_no_text_overlaps([left, right])
    assert len(figures.two_terms([3.0], [1.0])) == 2  # one step is enough to be drawn


def test_correlations_stand_in_their_cells():
    table = np.array([[-0.97, 0.1, -0.001, 0, 0.2], [0.3, 0.66, -0.5, 0, 0]])
    axes = figures.correlations(table, [0, 4])
    assert [t.get_text() for t in axes.texts[:3]] == ["−0.97", "0.10", "0.00"]
    np.testing.assert_allclose(axes.images[0].get_array(), np.abs(table))
    assert [t.get_text() for t in axes.get_yticklabels()] == ["$m_{1}$", "$m_{5}$"]
    assert [t.get_text() for t in axes.get_xticklabels()] == list(FACTORS)
    assert_no_text_overlaps(axes)
