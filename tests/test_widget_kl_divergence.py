"""The KL widgets without a browser: what Python accepts, refuses and says."""

import numpy as np
import pytest
import traitlets

from vaecourse import kl_divergence as kl
from vaecourse.widgets.kl_divergence import BarExplorer, DensityExplorer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"p_sds": (0.7, -1)}, "p_sds must be above zero"),
        ({"p_means": (0, float("nan"))}, "p_means holds NaN"),
        ({"p_weights": (0.5, 0.6)}, "p_weights sums to 1.1"),
        ({"p_weights": (0, 1)}, "leave that peak out"),
        ({"p_means": (0, 1, 2)}, "p_means must be a list of one or two numbers"),
        ({"p_means": (0,), "p_sds": (1, 2)}, "p_means has 1 entries and p_sds has 2"),
        ({"q_sd": 0}, "q_sd must be above zero"),
        ({"q_mean": "left"}, "q_mean must be numbers"),
        ({"q_mean": (0, 1)}, "q_mean must be one number"),
        ({"q_sd": 1e-9}, "standard deviations between 0.001 and 1000"),
        ({"q_mean": 1e9}, "values between -1000 and 1000"),
    ],
)
def test_densities_refuse_bad_input_in_one_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        DensityExplorer(**arguments)


@pytest.mark.parametrize(
    ("p", "q", "labels", "said"),
    [
        ([0.5, 0.6], [0.5, 0.5], None, "p sums to 1.1"),
        ([0.5, 0.5], [1.5, -0.5], None, "q holds the negative number"),
        ([0.5, 0.5], [0.2, 0.3, 0.5], None, "p has 2 entries and q has 3"),
        ([1.0], [1.0], None, "2 to 30 probabilities"),
        ([[0.5, 0.5]], [[0.5, 0.5]], None, "2 to 30 probabilities"),
        ([0.5, np.nan], [0.5, 0.5], None, "p holds NaN"),
        ([0.5, 0.5], [0.5, 0.5], ["a"], "labels has 1 names and p has 2"),
    ],
)
def test_bars_refuse_bad_input_in_one_sentence(p, q, labels, said):
    with pytest.raises(ValueError, match=said):
        BarExplorer(p, q, labels)


def test_a_bad_assignment_is_refused_and_the_old_value_stays():
    densities, bars = DensityExplorer(), BarExplorer([0.5, 0.5], [0.1, 0.9])
    for widget, name, bad in (
        (densities, "q_sd", -1),
        (densities, "p_means", [0]),
        (bars, "p", [0.5, 0.2]),
        (bars, "unit", "hartleys"),
    ):
        before = getattr(widget, name)
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, bad)
        assert getattr(widget, name) == before
    with pytest.raises(traitlets.TraitError):
        densities.set_state({"p_means": [1.0], "p_sds": [1.0]})
    assert densities.p_means == [-2.5, 2.5]


def test_new_shapes_from_python():
    densities = DensityExplorer()
    densities.set_p(np.array([1]), np.array([2]))
    assert (densities.p_means, densities.p_sds, densities.p_weights) == ([1.0], [2.0], [1.0])
    densities.q_mean, densities.q_sd = np.float64(1), 4
    assert densities.divergences() == pytest.approx(
        (float(kl.gaussian(1, 2, 1, 4)), float(kl.gaussian(1, 4, 1, 2)))
    )
    bars = BarExplorer([0.5, 0.5], [0.1, 0.9])
    bars.set_outcomes([0.2, 0.3, 0.5], [1, 0, 0], "abc")
    assert bars.labels == ["a", "b", "c"] and bars.divergences() == (np.inf, pytest.approx(np.log(5)))


def test_picture_and_sentence_say_what_the_widget_shows():
    densities = DensityExplorer(unit="bits")
    both = [kl.bits(value) for value in densities.divergences()]
    assert f"KL(p‖q) = {both[0]:.3f} bits, KL(q‖p) = {both[1]:.3f} bits" in densities.sentence()
    bars = BarExplorer([0.5, 0.5, 0], [0.5, 0, 0.5], list("abc"))
    assert "KL(p‖q) = +∞, KL(q‖p) = +∞" in bars.sentence() and "b 0.000" in bars.sentence()
    for widget in (
        densities,
        bars,
        DensityExplorer([0], [1], direction="q‖p"),
        BarExplorer([0.5, 0.5], [0.5, 0.5]),
    ):
        data, metadata = widget._repr_mimebundle_()
        assert (
            data["text/plain"] == metadata["image/png"]["alt"] == widget.sentence()
            and len(data["image/png"]) > 10_000
        )
