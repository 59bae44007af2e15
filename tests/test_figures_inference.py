"""The figures of lessons 02 to 05: what they draw is what they were given, and no text lies on another."""

import numpy as np
import pytest
from test_figures_vae import assert_no_text_overlaps

from vaecourse import gaussian_mixture as gm
from vaecourse import mean_field as mf
from vaecourse.bayesian_inference import Predictive
from vaecourse.figures import bayesian_inference, gaussian_mixture, mean_field, variational_inference
from vaecourse.frequentist import Separator
from vaecourse.one_latent import Best
from vaecourse.symbols import P_COLOUR, Q_COLOUR

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(20, 2))
LABELS = np.where(POINTS[:, 0] > 0, 1.0, -1.0)
X = np.linspace(0.01, 0.99, 50)
A, B = np.meshgrid(np.linspace(-1, 1, 20), np.linspace(-1, 1, 20))
PATH = np.array([[-0.8, -0.8], [0.0, -0.2], [0.1, 0.1]])
SIGMA = np.array([[1.0, 0.8], [0.8, 1.0]])
QS = mf.coordinate_ascent(np.zeros(2), SIGMA, mf.Factorized(np.array([-1.5, 1.5]), np.ones(2)), 3).qs
LINE = Separator(np.array([2.0, 0.5]), 0.1)
BAND = Predictive(X, 0.1 + X**2)
MEANS, SDS = np.linspace(-2, 2, 9), np.linspace(0.1, 1.5, 7)
GAPS = 0.5 + (MEANS**2 - 1) ** 2 + SDS[:, None]
FRAMES = [
    (f"sweep {k}", np.array([0.6, 0.4 - 0.2 * k, 0.2 * k]), gm.start(POINTS, 3, np.random.default_rng(k)))
    for k in range(3)
]

DRAWN = {
    "side_by_side": lambda: gaussian_mixture.side_by_side({"real": POINTS, "drawn": -POINTS}, ("a (cm)", "b (cm)")),
    "descent": lambda: bayesian_inference.descent(A, B, 1 + A**2 + B**2, {"gradient descent": PATH, "SGD": -PATH}, [0, 0]),
    "streets": lambda: bayesian_inference.streets({"one": (POINTS, LABELS, LINE), "two": (POINTS, LABELS, LINE)}, ("a", "b")),
    "beliefs": lambda: bayesian_inference.beliefs(X, {"before": {"flat": X, "fair": X**2}, "after": {"flat": X, "fair": X**2}}),
    "bands": lambda: bayesian_inference.bands(X[::10], X[::10], X, BAND, X, 0.1, ("a", "b")),
    "wall": lambda: bayesian_inference.wall([(1, 20, 1e-3, 1e-7), (2, 400, 2e-2, 2e-7), (3, 8000, 0.5, 4e-7)]),
    "five_ways": lambda: bayesian_inference.five_ways(X, {"conjugate": X, "Laplace": X**2, "variational": X**3}, X),
    "occam": lambda: bayesian_inference.occam(np.arange(6), {"fair coin": np.full(6, 1 / 32), "unknown coin": np.linspace(0.1, 0.2, 6)}),
    "family": lambda: variational_inference.family(
        np.linspace(-3, 3, 50), np.ones(50) / 6, Best(1.1, -3.0, -2.4, 0.7), Best(0.0, -0.6, -3.3, 1.6), MEANS, SDS, GAPS),
    "stages": lambda: variational_inference.stages(X, X, {"with": [X, X**2], "without": [X, 9 * X]}, (0, 10)),
    "ascent": lambda: variational_inference.ascent([0.0, 0.5, 0.9], [1.0, 0.6, 0.5], 1.0, 0.4),
    "weights_plane": lambda: variational_inference.weights_plane(
        POINTS, {"q, diagonal": (np.zeros(2), np.eye(2)), "q, full": (np.zeros(2), SIGMA), "Laplace": (np.zeros(2), SIGMA)}, ("a", "b")),
    "staircase": lambda: mean_field.staircase(
        np.zeros(2), SIGMA, QS, mf.reverse_fit(np.zeros(2), SIGMA), mf.forward_fit(np.zeros(2), SIGMA)),
    "switching_off": lambda: mean_field.switching_off(POINTS, FRAMES, ("a (cm)", "b (cm)")),
    "elbo_per_sweep": lambda: mean_field.elbo_per_sweep(np.array([-50.0, -20.0, -12.0, -11.0])),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_lies_on_another(name):
    assert_no_text_overlaps(DRAWN[name]())


def test_a_street_has_its_edges_where_the_separator_is_one():
    (axes,) = bayesian_inference.streets({"one": (POINTS, LABELS, LINE)}, ("a", "b"))
    levels = [np.column_stack(line.get_data()) @ LINE.weights + LINE.offset for line in axes.lines]
    np.testing.assert_allclose(levels, [[0, 0], [-1, -1], [1, 1]], atol=1e-12)
    held = LABELS * (POINTS @ LINE.weights + LINE.offset) < 1 + 1e-6
    assert len(axes.collections[-1].get_offsets()) == held.sum()


def test_the_bands_are_two_standard_deviations_wide():
    axes = bayesian_inference.bands(X[::10], X[::10], X, BAND, X, 0.1, ("a", "b"))
    edge = axes.collections[0].get_paths()[0].vertices
    assert edge[:, 1].max() == pytest.approx((BAND.mean + 2 * BAND.sd).max())
    upper, lower = axes.lines[2].get_ydata(), axes.lines[1].get_ydata()
    np.testing.assert_allclose(upper - lower, 0.4)


def test_q_is_drawn_with_its_mean_and_log_variance():
    left, right = variational_inference.family(
        np.linspace(-3, 3, 601), np.ones(601) / 6, Best(1.1, -3.0, -2.4, 0.7), Best(0.0, -0.6, -3.3, 1.6), MEANS, SDS, GAPS
    )  # fmt: skip
    p, q = left.lines
    assert (p.get_color(), q.get_color()) == (P_COLOUR, Q_COLOUR)
    assert q.get_xdata()[q.get_ydata().argmax()] == pytest.approx(1.1, abs=0.01)
    assert q.get_ydata().max() == pytest.approx(1 / np.sqrt(2 * np.pi * np.exp(-3.0)), rel=1e-3)
    marked = {(round(line.get_xdata()[0], 6), round(line.get_ydata()[0], 6)) for line in right.lines}
    assert marked == {(s, round(np.exp(-1.5), 6)) for s in (-1.1, 1.1)} | {(0.0, round(np.exp(-0.3), 6))}


def test_the_staircase_passes_through_the_means_of_q():
    left, right = mean_field.staircase(np.zeros(2), SIGMA, QS, QS[0], QS[-1])
    stairs = np.column_stack(left.lines[2].get_data())
    np.testing.assert_array_equal(stairs, [q.means for q in QS])
    # each step moves one coordinate only
    assert (np.diff(stairs, axis=0) != 0).sum(axis=1).max() == 1
    level = right.lines[2].get_xdata()
    assert np.ptp(level) == pytest.approx(4 * np.sqrt(QS[0].variances[0]), rel=1e-3)


def test_a_component_without_weight_is_not_drawn():
    panels = mean_field.switching_off(POINTS, FRAMES, ("a", "b"))
    assert [len(axes.lines) for axes in panels[0]] == [1 + 2 * 2, 1 + 2 * 3, 1 + 2 * 2]
    assert [[bar.get_height() for bar in axes.patches] for axes in panels[1]] == [
        list(w) for _, w, _ in FRAMES
    ]
