"""A prediction and a check in a real JupyterLab: choose with the keyboard, commit, find it kept after a restart."""

import json

import pytest

from vaecourse.widgets.prediction import PredictionView

HOME = "import os; os.environ['VAECOURSE_HOME'] = {home!r}"
LESSON = "from vaecourse.lesson import check, predict, progress, reveal"


@pytest.fixture
def cells(tmp_path):
    """The cells that set up a lesson with a folder of its own, and those given."""
    return lambda *more: [HOME.format(home=str(tmp_path)), LESSON, *more]


def test_choose_with_the_keyboard_commit_and_find_it_again(lab, cells, tmp_path):
    asked = cells('predict("01/which_is_bigger")', 'reveal("01/which_is_bigger")')
    with lab.open(asked) as page:
        group = page.get_by_role("group", name="A fair coin shows heads half of the time")
        commit = page.get_by_role("button", name="Commit")
        group.wait_for()
        assert commit.is_disabled()
        cells_before = page.locator(".jp-Cell").count()
        page.get_by_role("radio", name="a)").focus()
        page.keyboard.press("ArrowDown")
        assert page.get_by_role("radio", name="b)").is_checked() and commit.is_enabled()
        page.keyboard.press("b")  # outside the question JupyterLab would make a new cell of it
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_text("You committed to b.").wait_for()
        assert page.get_by_role("radio", name="a)").is_disabled() and not commit.is_visible()
        assert page.locator(".jp-Cell").count() == cells_before
        assert page.errors == []
    kept = json.loads(
        (tmp_path / "progress" / "01.prediction.which_is_bigger.json").read_text(encoding="utf-8")
    )
    assert kept["choice"] == "KL(loaded‖fair)"
    with lab.open(asked) as page:  # another kernel
        page.get_by_text("You committed to b.").wait_for()
        page.get_by_text("You committed to b) KL(loaded‖fair)").wait_for()
        assert page.get_by_role("radio", name="b)").is_checked()


def test_run_all_goes_past_an_untouched_exercise_and_a_wrong_one_shows_its_counterexample(lab, cells):
    with lab.open(
        cells(
            "def gaussian_kl(m_p, sd_p, m_q, sd_q):\n    '''KL in nats.'''\n    ...\n\n"
            'check("01/gaussian_kl", gaussian_kl)',
            "import math\n\ndef discrete_kl(p, q):\n    return sum(a * math.log(a / b) for a, b in zip(p, q))\n\n"
            'check("01/discrete_kl", discrete_kl)',
            "progress()",
        )
    ) as page:
        page.get_by_text("Not started yet: replace the").wait_for()
        page.get_by_text("For p = [0, 1], q = [0.5, 0.5] your function stopped with ValueError").wait_for()
        page.get_by_text("in line 4 of your cell").wait_for()
        assert page.get_by_role("table", name="Your progress").is_visible()
        assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


def test_the_whole_question_can_be_read_on_a_narrow_page(lab, cells):
    with lab.open(
        cells('predict("00/density_above_one")', 'predict("09/ignored_coordinate")'), width=700
    ) as page:
        page.get_by_role("button", name="Commit").nth(1).wait_for()
        output = page.locator(".jp-OutputArea-output").first.bounding_box()
        for part in page.locator(".vc-prediction :is(legend, label)").all():
            box = part.bounding_box()
            assert part.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), part.inner_text()
            assert box["x"] + box["width"] <= output["x"] + output["width"] + 1


def test_a_question_cleans_up_after_itself_and_says_nothing_before_python_has_kept_it(widget_page):
    opened = widget_page(
        PredictionView("Which?", ("this", "that"), None, int), PredictionView("So?", ("a", "b"), 1, int)
    )
    view = opened.view(0)
    view.get_by_role("radio", name="b)").check()
    view.get_by_role("button").click()
    assert opened.saved()[-1] == {"chosen": 1}
    assert view.get_by_role("status").inner_text() == ""
    opened.receive("committed", 1)
    assert "You committed to b." in view.get_by_role("status").inner_text()
    assert "You committed to b." in opened.view(1).get_by_role("status").inner_text()
    opened.clean_up(0)
    opened.clean_up(1)
    assert opened.listeners() == [] and opened.errors == []
