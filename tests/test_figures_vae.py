"""The figures of lessons 09 and 10: they show the numbers that went in, and nothing lies on top of anything."""

import itertools

import numpy as np
import pytest
import torch

from vaecourse import latent_space as space
from vaecourse.figures import latent_space as space_figures
from vaecourse.figures import style
from vaecourse.figures import vae as figures
from vaecourse.training import History


def rendered(drawn):
    """The figure of some axes, laid out, once for the screen and once in the way that lessons show it."""
    figure = np.ravel(np.asarray(drawn, dtype=object))[0].get_figure(root=True)
    assert style.png(figure).startswith(b"\x89PNG")
    figure.draw_without_rendering()
    return figure


def assert_no_text_overlaps(drawn):
    figure = rendered(drawn)
    for axes in figure.axes:
        ticks = []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        texts = [text for text in (*axes.texts, *ticks, axes.title, axes.xaxis.label, axes.yaxis.label)]
        legend = axes.get_legend()
        texts += legend.get_texts() if legend else []
        boxes = [
            (text.get_text(), text.get_window_extent())
            for text in texts
            if text.get_text() and text.get_visible()
        ]
        inside = [
            (name, box)
            for name, box in boxes
            if figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1
        ]
        assert len(inside) == len(boxes), "text is cut off at the side"
        for (a, box_a), (b, box_b) in itertools.combinations(boxes, 2):
            assert not box_a.overlaps(box_b), f"{a!r} lies on {b!r}"


def pictures(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, 12, generator=torch.Generator().manual_seed(0), requires_grad=True)


def history(kl: str | None = "kl", epochs: int = 40) -> History:
    falling = {"reconstruction": list(-20 - 20 / np.arange(1, epochs + 1))}
    if kl:
        falling[kl] = list(4 - 3 / np.arange(1, epochs + 1))
    falling["total"] = list(np.subtract(falling["reconstruction"], falling.get(kl, 0)))
    return History(
        epochs, falling, {name: [value - 0.5 for value in values] for name, values in falling.items()}
    )


def test_a_mosaic_puts_every_picture_in_its_place():
    rows = np.arange(2 * 3 * 12).reshape(2, 3, 12)
    image = figures.mosaic(rows, (4, 3))
    assert image.shape == (2 * 4 + 1, 3 * 3 + 2)
    np.testing.assert_array_equal(image[5:9, 8:11], rows[1, 2].reshape(4, 3))
    assert (
        np.isnan(image[4]).all() and np.isnan(image[:, [3, 7]]).all() and np.isnan(image).sum() == 11 + 2 * 8
    )
    np.testing.assert_array_equal(figures.mosaic(rows, (4, 3), gap=0)[:4, :3], rows[0, 0].reshape(4, 3))


def test_pictures_are_in_grey_from_zero_to_one():
    axes = figures.samples(pictures(20), (4, 3), columns=5, title="drawn")
    (image,) = axes.images
    assert image.get_cmap().name == "gray" and image.get_clim() == (0, 1)
    np.testing.assert_allclose(image.get_array()[:4, :3], pictures(20)[0].detach().reshape(4, 3))


def test_the_original_stands_above_what_was_made_of_it():
    x, first, second = pictures(7).detach(), torch.zeros(7, 12), torch.ones(7, 12)
    axes = figures.reconstructions(x, [first, second], (4, 3), names=("original", "AE", "VAE"))
    image = axes.images[0].get_array()
    np.testing.assert_allclose(image[:4, :3], x[0].reshape(4, 3))
    assert (image[5:9, :3] == 0).all() and (image[10:14, :3] == 1).all()
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["original", "AE", "VAE"]
    assert_no_text_overlaps(axes)


@pytest.mark.parametrize(
    ("kl", "titles"),
    [
        ("kl", ["−ELBO", "−reconstruction", "KL"]),
        ("penalty", ["loss", "−reconstruction", "penalty"]),
        (None, ["−reconstruction"]),
    ],
)
def test_curves_have_a_panel_for_each_term(kl, titles):
    told = history(kl)
    axes = figures.curves(told)
    assert [panel.get_title(loc="left") for panel in axes] == titles
    shown = axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(shown, -np.array(told.train["total"]))
    if kl:
        np.testing.assert_allclose(axes[2].lines[1].get_ydata(), told.held_out[kl])
    assert len({(line.get_color(), line.get_linestyle()) for line in axes[0].lines}) == 2
    assert_no_text_overlaps(axes)


def test_curves_without_held_out_pictures_and_of_one_epoch():
    told = history(epochs=1)._replace(held_out={})
    assert [len(panel.lines) for panel in figures.curves(told)] == [1, 1, 1]


def test_codes_are_marked_by_their_digit_as_well_as_by_colour():
    c, labels = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), np.arange(50) % 10
    axes = figures.codes(c, labels, dims=(2, 0))
    np.testing.assert_allclose(axes.collections[4].get_offsets(), c[labels == 4][:, [2, 0]])
    assert (
        axes.get_xlabel() == "$z_{3}$" and len({tuple(p.get_facecolor()[0]) for p in axes.collections}) == 10
    )
    assert_no_text_overlaps(axes)


def test_dimensions_and_comparison_show_their_numbers():
    axes = figures.dimensions(torch.tensor([0.9, 0.0, 0.25]))
    assert [bar.get_height() for bar in axes.patches] == pytest.approx([0.9, 0, 0.25])
    assert [text.get_text() for text in axes.texts] == ["0.90", "0.00", "0.25"]
    assert_no_text_overlaps(axes)
    axes = figures.comparison(["one pair", "another"], [[1.0, 2.0], [4.0, 5.0]], "nats", reference=1.5)
    assert [text.get_text() for text in axes.texts] == ["1.50", "4.50"]
    assert_no_text_overlaps(axes)


def test_a_manifold_is_labelled_with_the_values_of_its_codes():
    grid = space.quantile_grid(9, 4, (1, 3))
    axes = space_figures.manifold(pictures(9, 9), (4, 3), grid[0, :, 1], (1, 3), title="all of it")
    ticks = dict(zip(axes.get_xticks(), (t.get_text() for t in axes.get_xticklabels()), strict=True))
    assert ticks[1.0] == "−1.6" and ticks[4 * 4 + 1.0] == "0.0" and ticks[8 * 4 + 1.0] == "1.6"
    heights = [
        t.get_text()
        for _, t in sorted(zip(axes.get_yticks(), axes.get_yticklabels(), strict=True), key=lambda p: p[0])
    ]
    assert heights[0] == "1.6" and heights[-1] == "−1.6"  # the largest at the top, as in the grid
    assert axes.get_ylabel() == "$z_{4}$"
    assert_no_text_overlaps(axes)


def test_strips_and_traversals_name_their_rows():
    walks = {"VAE, line": pictures(6), "autoencoder": pictures(6)}
    axes = space_figures.strips(walks, (4, 3))
    assert [t.get_text() for t in axes.get_yticklabels()] == list(walks)
    assert_no_text_overlaps(axes)
    axes = space_figures.traversals(pictures(4, 5), (4, 3), torch.linspace(-2, 2, 5))
    assert [t.get_text() for t in axes.get_xticklabels()] == ["−2", "−1", "0", "1", "2"]
    assert_no_text_overlaps(axes)


def test_usability_and_spread_show_their_numbers():
    results = {
        "autoencoder": space.Usability(2.1, 1.5, 1.3, 1.0, 1.4),
        "VAE": space.Usability(1.1, 1.1, 1.2, 1.0, 1.4),
    }
    axes = space_figures.usability(results)
    assert sorted(bar.get_height() for bar in axes.patches) == [1.1, 1.1, 1.2, 1.3, 1.5, 2.1]
    assert_no_text_overlaps(axes)
    axes = space_figures.spread({"autoencoder": [4.0, 3.0], "VAE": torch.ones(2)})
    assert axes.lines[1].get_ydata().tolist() == [4, 3]
    assert_no_text_overlaps(axes)


def test_what_is_no_picture_is_refused():
    for sentence, use in {
        r"pictures has shape \(2, 3, 12\); right would be \(rows, columns, 64\) for images of 8 × 8": lambda: (
            figures.mosaic(pictures(2, 3), (8, 8))
        ),
        r"right would be \(rows, columns, 12\)": lambda: figures.mosaic(pictures(2), (4, 3)),
        "7 pictures do not fill rows of 5": lambda: figures.samples(pictures(7), (4, 3), columns=5),
        "there are 1 names for 2 rows": lambda: figures.gallery(pictures(2, 3), (4, 3), row_names=["only"]),
    }.items():
        with pytest.raises(ValueError, match=sentence):
            use()
