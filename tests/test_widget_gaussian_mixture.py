"""The EM widget without a browser: what Python accepts, refuses, computes and says."""

import numpy as np
import pytest
import traitlets

from vaecourse import gaussian_mixture as gm
from vaecourse.widgets.gaussian_mixture import EMExplorer, start_at


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0, 1, (60, 2)), rng.normal(5, 0.5, (40, 2))])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"x": [[0, np.nan]]}, "x holds NaN"),
        ({"x": [1, 2, 3]}, r"x has shape \(3,\); this widget draws points of the plane"),
        ({"x": np.zeros((4, 3))}, r"x has shape \(4, 3\)"),
        ({"x": []}, "x is empty"),
        ({"x": [["a", "b"]]}, "x must be numbers"),
        ({"x": np.zeros((1001, 2))}, "x has 1001 points; this widget draws at most 1000"),
        ({"x": [[0, 0], [1e12, 0]]}, r"x reaches 1e\+12"),
        ({"x": [[0, 0], [1e6, 0]]}, r"x spans 1e\+06 along an axis"),
        ({"k": 0}, "k is 0; this widget fits 1 to 6 components to 100 points"),
        ({"k": 7}, "k is 7"),
        ({"k": 2.5}, "k is 2.5"),
        ({"x": [[0, 0]], "k": 2}, "k is 2; this widget fits 1 to 1 components to 1 point"),
        ({"means": [0, 1]}, r"means has shape \(2,\); it must hold one pair for each component"),
        ({"means": [[0, np.inf]]}, "means holds NaN or infinity"),
        ({"means": np.zeros((7, 2))}, "k is 7"),
        ({"step": -1}, "step is -1; it counts the E and M steps"),
        ({"step": 1000}, "a whole number from 0 to 200"),
        ({"labels": ["one"]}, "labels must name the two axes; it has 1 names"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(x, arguments, said):
    with pytest.raises(ValueError, match=said):
        EMExplorer(**{"x": x, **arguments})


def test_a_bad_assignment_is_refused_and_the_old_value_stays(x):
    widget = EMExplorer(x, means=[[0, 0], [1, 1]])
    for name, bad in (("means", [[0, 0, 0]]), ("means", [[0, np.nan]]), ("step", 201), ("step", -3)):
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, bad)
    assert widget.means == [[0, 0], [1, 1]] and widget.step == 0
    widget.means = [[0, 0]]  # another k
    assert len(widget.state().mixture.weights) == 1


def test_the_start_is_drawn_from_the_data_and_repeats(x):
    drawn = [EMExplorer(x, 4, seed=seed).means for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(any(np.array_equal(mean, point) for point in x) for mean in drawn[0])
    assert len({tuple(mean) for mean in drawn[0]}) == 4
    same = EMExplorer(np.ones((5, 2)), 3, step=6)
    assert same.means == [[1, 1]] * 3 and np.isfinite(same.state().log_likelihood)


def test_the_start_has_the_area_of_the_data_shared_out(x):
    start = start_at(x, [[0, 0], [5, 5], [1, 1]])
    np.testing.assert_allclose(start.weights, 1 / 3)
    np.testing.assert_allclose(start.covariances[1], np.cov(x.T, bias=True) / 3 + 1e-6 * np.eye(2))


def test_the_states_are_those_of_em_and_of_the_bound(x):
    widget = EMExplorer(x, means=[[0, 1], [3, 3]], step=9)
    states, start = widget.states(), start_at(x, widget.means)
    assert len(states) == 10 and (states[0].responsibilities, states[0].bound) == (None, None)
    result = gm.em(x, start, iterations=4, tolerance=0, method="textbook")
    for found, expected in zip(widget.state().mixture, result.mixture, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(
        [state.log_likelihood for state in states[::2]], result.log_likelihoods, rtol=1e-12
    )
    for e, m in zip(states[1::2], states[2::2], strict=False):
        assert e.bound == pytest.approx(e.log_likelihood, rel=1e-12)
        assert e.bound <= m.bound <= m.log_likelihood
        assert m.responsibilities is e.responsibilities


@pytest.mark.parametrize("step", [0, 1, 2, 7])
def test_picture_and_sentence_say_what_the_widget_shows(x, step):
    widget = EMExplorer(x, 2, labels=("width (cm)", "height (cm)"), step=step)
    state, sentence = widget.state(), widget.sentence()
    assert "100 points (width (cm); height (cm))" in sentence
    assert f"log-likelihood {state.log_likelihood:.3f} nats" in sentence
    assert {
        0: "at the start",
        1: "after an E step:",
        2: "after 1 sweep:",
        7: "after 3 sweeps and an E step",
    }[step] in sentence
    assert f"weight {state.mixture.weights[1]:.3f}" in sentence
    assert ("touches" in sentence) == (step % 2 == 1)
    left, right = widget.picture().axes
    assert (left.get_xlabel(), left.get_ylabel()) == ("width (cm)", "height (cm)")
    np.testing.assert_allclose(right.lines[0].get_ydata(), [each.log_likelihood for each in widget.states()])
    dots = {int(s): y for line in right.lines[1:] for s, y in zip(*line.get_data(), strict=True)}
    assert dots == {s: each.bound for s, each in enumerate(widget.states()) if s}
    data, metadata = widget._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == sentence and len(data["image/png"]) > 10_000


@pytest.mark.parametrize(
    ("data", "k"),
    [
        ([[1, 2]], 1),
        ([[0, 1], [1, 1], [2, 1]], 2),
        (np.ones((9, 2)), 3),
        ([[0, 0], [1e4, 3e3], [5e3, 1.5e3]], 3),
    ],
)
def test_poor_data_still_give_a_picture(data, k):
    widget = EMExplorer(data, k, step=10)
    assert "nan" not in widget.sentence() and widget.picture().axes
