"""The ELBO widget without a browser: what Python accepts, refuses, computes and says."""

import numpy as np
import pytest
import traitlets

from vaecourse import one_latent as ol
from vaecourse.widgets.variational_inference import ELBOExplorer


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"model": "cube"}, "model is 'cube'; it must be one of 'line', 'square', 'coin'"),
        ({"model": ["line"]}, r"model is \['line'\]; it must be one of"),
        ({"x": 5}, "x is 5; the model 'line' takes x from -4 to 4"),
        ({"model": "coin", "x": 2.5}, "it is a count, a whole number up to 10"),
        ({"x": "two"}, "x must be numbers"),
        ({"x": np.nan}, "x holds NaN"),
        ({"m": 21}, "m is 21; q's mean must lie between"),
        ({"m": [0, 1]}, "m must be one number; it has 2"),
        ({"s": -15}, "s is -15; q's log-variance must lie between -14 and 4"),
        ({"s": np.inf}, "s holds NaN or infinity"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        ELBOExplorer(**arguments)


def test_a_bad_assignment_is_refused_and_the_old_value_stays():
    widget = ELBOExplorer("coin", x=7, m=0.5, s=-1)
    for name, bad in (("x", 11), ("x", 1.5), ("m", np.nan), ("s", 5), ("model", "cube"), ("entropy", "no")):
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, bad)
    assert (widget.model, widget.x, widget.m, widget.s, widget.entropy) == ("coin", 7, 0.5, -1, True)


def test_another_model_keeps_x_where_it_can():
    widget = ELBOExplorer("line", x=2)
    widget.model = "coin"
    assert widget.x == 2
    widget.x = 9
    widget.model = "square"
    assert widget.x == ol.SQUARE.x_default
    widget.set_state({"model": "coin", "x": 8, "m": 1.0, "s": -2.0})  # as the browser tells it
    assert (widget.model, widget.x, widget.m, widget.s) == ("coin", 8, 1, -2)
    widget.set_state({"model": "line", "x": -3.5})
    assert (widget.model, widget.x) == ("line", -3.5)


@pytest.mark.parametrize("model", ol.MODELS)
@pytest.mark.parametrize(("m", "s"), [(-0.5, -1.0), (1.0, -14.0), (3.5, 2.0)])
def test_picture_and_sentence_say_what_the_widget_shows(model, m, s):
    widget = ELBOExplorer(model, m=m, s=s)
    terms, sentence = widget.terms(), widget.sentence()
    assert terms == ol.terms(ol.MODELS[model], widget.x, m, s)
    assert f"x = {widget.x:g} was observed" in sentence and f"q has mean {m:.2f}" in sentence
    for part in (
        f"ln p(x) = {terms.log_evidence:.3f} nats",
        f"ELBO is {terms.elbo:.3f}",
        f"{terms.gap:.3f}.",
    ):
        assert part in sentence
    left, right = widget.picture().axes
    lines = {line.get_label(): line.get_data() for line in left.lines}
    for name, mass in (("posterior p(z|x)", 1), ("prior p(z)", 1)):
        assert np.trapezoid(lines[name][1], lines[name][0]) == pytest.approx(mass, abs=2e-3)
    assert lines["q(z)"][1].max() == pytest.approx(np.exp(-s / 2) / np.sqrt(2 * np.pi))
    elbo, gap = right.patches
    assert elbo.get_y() + elbo.get_height() == pytest.approx(terms.elbo) == pytest.approx(gap.get_y())
    assert gap.get_y() + gap.get_height() == pytest.approx(terms.log_evidence)
    assert right.lines[0].get_ydata()[0] == terms.log_evidence
    data, metadata = widget._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == sentence and len(data["image/png"]) > 10_000


def test_the_bar_has_one_height_for_every_q():
    tops = set()
    for m, s in ((-0.5, -1), (0.8, np.log(0.2)), (2, 1)):
        right = ELBOExplorer("line", m=m, s=s).picture().axes[1]
        tops.add(round(right.patches[1].get_y() + right.patches[1].get_height(), 9))
    assert len(tops) == 1
