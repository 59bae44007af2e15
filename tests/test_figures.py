"""The style, the way figures are shown, and the figures of lessons 00 and 01: what they draw is what they were given."""

import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch
from test_figures_vae import assert_no_text_overlaps

from vaecourse import kl_divergence as kl
from vaecourse.figures import gaussian_mixture, kl_divergence, start_here, style
from vaecourse.symbols import P_COLOUR, Q_COLOUR, SYMBOLS, table

X = np.linspace(-4, 4, 200)
P, Q = (np.exp(kl.gaussian_log_density(X, m, s)) for m, s in ((0, 1), (1, 1.5)))


@pytest.fixture
def shown(monkeypatch):
    bundles = []
    monkeypatch.setattr(style, "display", lambda data, metadata, raw: bundles.append((data, metadata)))
    return bundles


def test_show_carries_the_picture_and_its_words(shown):
    axes = style.axes()
    axes.plot([0, 1])
    style.show(axes, 'A line that rises from 0 to 1 & is "straight".')
    data, metadata = shown[0]
    assert (
        data["text/plain"] == metadata["image/png"]["alt"] == 'A line that rises from 0 to 1 & is "straight".'
    )
    assert 'alt="A line that rises from 0 to 1 &amp; is &quot;straight&quot;."' in data["text/html"]
    assert data["image/png"] in data["text/html"]


def test_show_takes_arrays_of_axes_and_figures(shown):
    panels = style.axes(1, 2)
    style.show(panels, "Two empty panels side by side.")
    style.show(panels[0].get_figure(), "Two empty panels side by side.")
    assert shown[0][0]["image/png"] == shown[1][0]["image/png"]


def test_show_wants_a_sentence(shown):
    with pytest.raises(ValueError, match="alt is 'a plot'; say in a sentence"):
        style.show(style.axes(), "a plot")
    assert shown == []


def test_the_style_leaves_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    kl_divergence.frequencies("ab", [0.5, 0.5], [0.1, 0.9])
    assert dict(matplotlib.rcParams) == before


DRAWN = {
    "frequencies": lambda: kl_divergence.frequencies("ab ", [0.5, 0.3, 0.2], [0.1, 0.7, 0.2]),
    "blocks": lambda: kl_divergence.blocks([1, 2, 3], [0.36, 0.46, 0.465], 0.47),
    "tangent": lambda: kl_divergence.tangent(np.linspace(0.1, 3, 50), np.log(np.linspace(0.1, 3, 50)), np.linspace(0.1, 3, 50) - 1),
    "chord": lambda: kl_divergence.chord(np.array([1.0, 4.0]), np.log([1.0, 4.0]), 2.5, np.log(2.5), np.log([1.0, 4.0]).mean()),
    "integrand": lambda: kl_divergence.integrand(X, P, Q, P * np.log(P / Q)),
    "fits": lambda: kl_divergence.fits(X, P, [("forward", Q), ("reverse", P)]),
    "sizes": lambda: kl_divergence.sizes(X, [(P, Q), (P, P)], ["KL = 1", "KL = 0"]),
    "course_map": lambda: start_here.course_map({"00", "01"}),
    "area": lambda: start_here.area(X, P, -1, 1, 0.683),
    "running_mean": lambda: start_here.running_mean([10, 100], [3.4, 3.5], [0.5, 0.2], 3.5),
    "mixture histogram": lambda: gaussian_mixture.histogram(np.linspace(-4, 4, 11), np.ones(10) / 8, X, {"one": P, "two": Q}),
    "by_hand": lambda: gaussian_mixture.by_hand(np.arange(3.0), {"sweep 0": [P, Q], "sweep 1": [P, Q]}, X, [[0, 0.5, 1]] * 2),
    "climb": lambda: gaussian_mixture.climb([-9, -5, -4], [-9, -5, -4], [-6, -4.5]),
    "ellipses": lambda: gaussian_mixture.ellipses(
        np.arange(8.0).reshape(4, 2), np.eye(2)[[0, 0, 1, 1]], np.zeros((2, 2)), np.stack([np.eye(2)] * 2), ("a (cm)", "b (cm)")),
    "error_curve": lambda: gaussian_mixture.error_curve([1, 2, 4, 8, 16], {"one": [0.1, 0.05, 0.01, 0.002, 0.001]}),
    "choice": lambda: gaussian_mixture.choice([1, 2, 3], [-9.0, -5.0, -4.9], [30.0, 20.0, 25.0]),
    "histogram": lambda: start_here.histogram(np.linspace(-4, 4, 11), np.ones(10) / 8, X, P),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_lies_on_another(name):
    drawn = DRAWN[name]()
    assert_no_text_overlaps(drawn)


def test_p_and_q_have_their_colours_and_lines():
    for axes in np.ravel(kl_divergence.fits(X, P, [("one", Q)])):
        p, q = axes.lines
        assert (p.get_color(), p.get_linestyle()) == (P_COLOUR, "-")
        assert (q.get_color(), q.get_linestyle()) == (Q_COLOUR, "--")
        np.testing.assert_array_equal(q.get_ydata(), Q)


def test_ellipses_have_the_widths_of_the_covariance():
    covariance = np.diag([4.0, 1.0])
    axes = gaussian_mixture.ellipses(np.zeros((1, 2)), np.ones((1, 1)), [[0, 0]], [covariance], ("a", "b"))
    sizes = sorted((ellipse.width, ellipse.height, round(ellipse.angle) % 180) for ellipse in axes.patches)
    assert sizes == [(4.0, 2.0, 0), (8.0, 4.0, 0)]


def test_the_smallest_bic_is_marked():
    _, axes = gaussian_mixture.choice([1, 2, 3], [-9.0, -5.0, -4.9], [30.0, 20.0, 25.0])
    marked = axes.lines[-1]
    assert (marked.get_xdata()[0], marked.get_ydata()[0]) == (2, 20.0)


def test_estimates_are_drawn_with_two_standard_errors():
    runs = [kl.Estimate(0.5, 0.1, np.zeros(2)), kl.Estimate(0.4, 0.02, np.zeros(2))]
    axes = kl_divergence.estimates([10, 100], {"plain": runs}, 0.45)
    (bars,) = axes.containers
    lengths = [np.ptp(segment[:, 1]) for segment in bars.lines[2][0].get_segments()]
    np.testing.assert_allclose(lengths, [0.4, 0.08])


def test_the_map_fills_the_lessons_that_are_there_and_joins_both_roads_in_the_vae():
    def filled(lessons) -> int:
        patches = start_here.course_map(lessons).patches
        return sum(isinstance(p, FancyBboxPatch) and p.get_facecolor() != (1, 1, 1, 1) for p in patches)

    assert (
        filled(set()) == 0
        and filled({"00", "09"}) == 2
        and filled(set(start_here.MAP)) == len(start_here.MAP) == 12
    )
    assert {number for number, (_, _, onward) in start_here.MAP.items() if "09" in onward} == {
        "04",
        "05",
        "08",
    }


def test_every_symbol_is_written_once():
    letters = [symbol.latex for symbol in SYMBOLS]
    assert len(set(letters)) == len(letters)
    assert all(f"| ${symbol.latex}$ | `{symbol.code}` |" in table() for symbol in SYMBOLS)
    assert not any(a == b for a, b in itertools.combinations([symbol.meaning for symbol in SYMBOLS], 2))
