"""A prediction is asked, kept as first given, and revealed beside a truth that is computed."""

import re

import numpy as np
import pytest

from vaecourse import lesson, mean_field, one_latent, predictions, progress
from vaecourse.predictions import PREDICTIONS, Prediction, Truth, letter, prediction, truth
from vaecourse.widgets.prediction import PredictionView, revealed_html, revealed_text


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path))
    progress._unwritten.clear()


@pytest.fixture
def shown(monkeypatch):
    """What the lesson displays, in order."""
    seen = []
    monkeypatch.setattr(lesson, "display", lambda thing, raw=False: seen.append(thing))
    return seen


@pytest.mark.parametrize("asked", PREDICTIONS, ids=lambda p: p.name)
def test_a_prediction_is_complete_and_its_truth_is_computed(asked):
    assert re.fullmatch(r"\d\d/[a-z_]+", asked.name) and asked.question.endswith("?")
    assert 2 <= len(asked.choices) <= 4 and len(set(asked.choices)) == len(asked.choices)
    found = truth(asked)
    assert found.answer in range(len(asked.choices))
    assert re.search(r"\d|∞", found.because) and found.because.endswith(".")
    assert truth(asked) == found


def test_names_are_unique_and_the_answer_is_not_always_the_same_letter():
    assert len({p.name for p in PREDICTIONS}) == len(PREDICTIONS)
    answers = [letter(truth(p).answer) for p in PREDICTIONS]
    assert {"a", "b", "c"} <= set(answers) and max(answers.count(v) for v in "abc") <= len(answers) // 2


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("00/density_above_one", "Yes."),
        ("00/rare_disease", "About 10%"),
        ("00/quarter_of_the_error", "16 times"),
        ("01/which_is_bigger", "KL(fair‖loaded)"),
        ("01/never_seen", "+∞"),
        ("01/one_hump_for_two", "Between the peaks, wide enough for both"),
        ("02/one_sweep_down", "No, never"),
        ("02/more_components", "It rises, or stays as it is"),
        ("02/same_start_same_end", "Not always: one of them may end with a smaller likelihood"),
        ("03/three_heads", "4 in 5"),
        ("03/grid_dimensions", "More than ten years"),
        ("03/hinge_or_constraint", "Yes, the same line"),
        ("04/drag_q", "The ELBO and KL(q‖p(z|x)), but never ln p(x)"),
        ("04/no_entropy", "A spike: its width goes to 0"),
        ("04/too_sure", "Too narrow"),
        ("05/what_is_lost", "The variances"),
        ("05/six_components", "Two"),
        ("05/step_down", "No, never"),
        ("09/noise_off", "It grows without limit"),
        ("09/ignored_coordinate", "m = 0, s = 0: pure noise"),
        ("10/length_of_the_midpoint", "Nearer than a drawn code usually is"),
        ("10/grid_of_quantiles", "At the edges"),
    ],
)
def test_the_computed_truth_is_the_known_one(name, answer):
    asked = prediction(name)
    assert asked.choices[truth(asked).answer] == answer


def test_an_em_that_errs_would_be_told(monkeypatch):
    from vaecourse.exercises import gaussian_mixture

    right = gaussian_mixture.em_sweep

    def variances_for_sds(*given):
        weights, means, sds = right(*given)
        return weights, means, [sd**2 for sd in sds]

    monkeypatch.setattr(gaussian_mixture, "em_sweep", variances_for_sds)
    asked = prediction("02/one_sweep_down")
    assert asked.choices[truth(asked).answer] != "No, never"


def test_a_hinge_that_stops_at_any_line_would_be_told(monkeypatch):
    from vaecourse import frequentist

    asked = prediction("03/hinge_or_constraint")
    monkeypatch.setattr(
        frequentist, "svm_hinge_form", lambda x, labels, c: frequentist.Separator(np.array([1.0, 0.0]), 0.0)
    )
    assert truth(asked).answer == 2


def _variance_for_precision(q, mean, precision, j, right=mean_field._update):
    q = right(q, mean, precision, j)
    return q._replace(variances=1 / q.variances)


@pytest.mark.parametrize(
    ("name", "module", "function", "err", "told"),
    [
        ("04/drag_q", "one_latent", "gap", lambda *given: 1.0, 0),
        (
            "04/no_entropy",
            "one_latent",
            "elbo",
            lambda model, x, m, s, entropy=True, right=one_latent.elbo: right(model, x, m, s),
            1,
        ),
        ("04/too_sure", "mean_field", "elbo", lambda q, mean, covariance: -((q.variances[0] - 1) ** 2), 1),
        (
            "05/what_is_lost",
            "mean_field",
            "_update",  # the others' distance from 0 in place of their distance from the true means
            lambda q, mean, precision, j, right=mean_field._update: right(q, 0 * mean, precision, j),
            2,
        ),
        ("05/step_down", "mean_field", "_update", _variance_for_precision, 0),
        ("05/six_components", "variational_mixture", "surviving", lambda posterior: np.full(6, True), 0),
    ],
)
def test_a_bound_that_errs_would_be_told(monkeypatch, name, module, function, err, told):
    monkeypatch.setattr(f"vaecourse.{module}.{function}", err)
    assert truth(prediction(name)).answer == told


OPEN = Prediction("09/open", "Which?", ("this", "that"))


def test_a_lesson_may_compute_the_truth():
    assert truth(OPEN, answer=1, because="2 > 1.") == Truth(1, "2 > 1.")
    assert truth(prediction("01/never_seen"), because="Seen above.").because == "Seen above."


@pytest.mark.parametrize("answer", [None, 2, -1, "b", True])
def test_a_truth_must_be_one_of_the_choices(answer):
    with pytest.raises(ValueError, match="needs answer= one of 0 to 1"):
        truth(OPEN, answer=answer)


def test_lesson_and_course_must_agree():
    asked = prediction("01/never_seen")
    right = truth(asked).answer
    assert truth(asked, answer=right).answer == right
    with pytest.raises(ValueError, match="the lesson computed choice a, the course c"):
        truth(asked, answer=0)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean '01/which_is_bigger'"):
        prediction("01/which_is_larger")


def test_choose_commit_and_it_stays(shown):
    lesson.predict("01/which_is_bigger")
    view = shown[0]
    assert view.committed is None and progress.recall("prediction", "01/which_is_bigger") is None
    view.chosen = 7  # no such choice: nothing is kept
    assert view.committed is None and progress.recall("prediction", "01/which_is_bigger") is None
    view.chosen = 1
    assert view.committed == 1
    view.chosen = 0  # too late
    assert view.committed == 1
    assert progress.recall("prediction", "01/which_is_bigger")["choice"] == "KL(loaded‖fair)"
    lesson.predict("01/which_is_bigger")  # the cell is run again
    assert shown[1].committed == 1


def test_two_open_copies_keep_the_first_answer(shown):
    lesson.predict("01/which_is_bigger")
    lesson.predict("01/which_is_bigger")
    for view, index in zip(shown, (2, 0), strict=True):
        view.chosen = index
    assert [view.committed for view in shown] == [2, 2]  # not 0, which came second
    lesson.reveal("01/which_is_bigger")
    assert "You committed to c)" in shown[2]["text/plain"]


def test_what_stays_without_javascript_is_the_same_before_and_after_the_answer(shown):
    lesson.predict("01/never_seen")
    before, _ = shown[0]._repr_mimebundle_()
    progress.record("prediction", "01/never_seen", choice="+∞")
    lesson.predict("01/never_seen")
    after, _ = shown[1]._repr_mimebundle_()
    for kind in ("text/plain", "text/html"):
        assert before[kind] == after[kind]
    assert "  c) +∞" in before["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in before


def test_reveal_puts_both_side_by_side(shown):
    lesson.reveal("01/never_seen")
    assert "You had not committed" in shown[0]["text/plain"] and "Answer: c) +∞" in shown[0]["text/plain"]
    progress.record("prediction", "01/never_seen", choice="+∞")
    lesson.reveal("01/never_seen")
    assert "You committed to c) +∞" in shown[1]["text/plain"] and "You were right." in shown[1]["text/plain"]


def test_a_wrong_guess_is_told_without_reproach():
    told = revealed_text(("this", "that"), 0, 1, "Because.")
    assert told == "You committed to a) this\nAnswer: b) that\nBecause."
    assert "right" not in told


def test_a_kept_answer_that_is_no_longer_offered_counts_as_none(shown):
    progress.record("prediction", "01/never_seen", choice="An old wording")
    lesson.reveal("01/never_seen")
    assert "You had not committed" in shown[0]["text/plain"]
    lesson.predict("01/never_seen")
    assert shown[1].committed is None  # asked again
    shown[1].chosen = 2
    assert shown[1].committed == 2
    assert progress.recall("prediction", "01/never_seen")["choice"] == "+∞"


def test_signs_of_html_are_shown_as_written():
    page = revealed_html(("a < b", "<b>"), 0, 1, "1 < 2 & 3")
    assert "a &lt; b" in page and "&lt;b&gt;" in page and "2 &amp; 3" in page
    view = PredictionView("Is 1 < 2?", ("<i>yes</i>", "no"), None, int)
    data, _ = view._repr_mimebundle_()
    assert "Is 1 &lt; 2?" in data["text/html"] and "&lt;i&gt;yes" in data["text/html"]


def test_every_lesson_with_exercises_asks_at_least_two_predictions():
    from vaecourse.exercises import MODULES

    for number in MODULES:
        assert sum(p.lesson == number for p in predictions.PREDICTIONS) >= 2
