"""nbgrader's formgrader in a real JupyterLab: points given there survive, and nothing that a student wrote acts there."""

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from classroom import class_of_three as three
from classroom import hostile_text, tiny

from vaecourse.classroom import autograded, batch, feedback, gradebook, jail

from .lab import running_lab

SHOTS = None  # a folder, to look at the pages: `test_formgrader.SHOTS = Path(...)`
HOSTILE = 'Zoë "Z" O\'Brien'
WATCH = "window.thefts = []; window.stolen = n => { window.thefts.push(n); };"


@pytest.fixture(scope="module")
def school():
    """A class, graded behind the wall where there is one: Ada, Bob, and one whose notebook is all attacks."""
    tiny.register()
    with tempfile.TemporaryDirectory(prefix="vaecourse-school-", ignore_cleanup_errors=True) as name:
        folder = three.made(Path(name).resolve())
        hand_in(folder, "ada", **tiny.SOLUTIONS)
        hand_in(folder, "bob", **{**tiny.HALF, "why_squares": "Because $\\sum_i d_i = 0$, and `a < b`."})
        hand_in(folder, "cleo", notebook="")
        grade(folder)
        hostile = hostile_text.notebook(tiny.submission(**tiny.SOLUTIONS))
        ran = three.run(hostile, *[hostile_text.OUTPUTS] * 6)
        three.write(folder, three.submission(HOSTILE, hostile), three.grade(HOSTILE, 2), ran)
        yield folder
    tiny.forget()


def hand_in(folder, student, notebook=None, **answers):
    place = folder.submitted(student, "T1")
    place.mkdir(parents=True, exist_ok=True)
    content = json.dumps(tiny.submission(**answers)) if notebook is None else notebook
    (place / "T1.ipynb").write_text(content, encoding="utf-8")


def grade(folder, **more):
    report = batch.grade(folder, "T1", jobs=1, jail=not jail.available(), progress=False, **more)
    assert report.complete, report
    return report


@pytest.fixture(scope="module")
def desk(browser, school):
    """A teacher's browser at a JupyterLab that was started in the class folder. Nothing else on the net can be reached."""
    with running_lab(school.root) as (url, token):
        context = browser.new_context(viewport={"width": 1400, "height": 1000})
        context.add_init_script(WATCH)
        context.asked = []

        def reach(route):
            here = route.request.url.startswith((url, "data:", "blob:", "file:"))
            context.asked += [] if here else [route.request.url]
            route.continue_() if here else route.abort()

        context.route("**/*", reach)
        context.url = url
        page = context.new_page()
        page.goto(f"{url}/lab?token={token}&reset", wait_until="domcontentloaded")
        page.wait_for_function(
            "window.jupyterapp && jupyterapp.commands.hasCommand('nbgrader:open-formgrader')"
        )
        context.lab = page
        yield context
        context.close()


def shoot(page, name):
    if SHOTS:
        page.screenshot(path=SHOTS / f"formgrader_{name}.png")


def sheet(folder, student) -> str:
    with closing(sqlite3.connect(folder.database)) as book:
        return book.execute(
            "SELECT n.id FROM submitted_notebook n JOIN submitted_assignment s ON s.id = n.assignment_id"
            " WHERE s.student_id = ?",
            [student],
        ).fetchone()[0]


def standing(folder, student, cell="why_squares"):
    """(automatic, manual, due) of a grade."""
    with closing(sqlite3.connect(folder.database)) as book:
        return book.execute(
            "SELECT g.auto_score, g.manual_score, g.needs_manual_grade FROM grade g JOIN base_cell b ON b.id = g.cell_id"
            " WHERE b.name = ? AND g.notebook_id = ?",
            [cell, sheet(folder, student)],
        ).fetchone()


def opened(desk, path):
    page = desk.new_page()
    page.goto(f"{desk.url}/formgrader/{path}", wait_until="domcontentloaded")
    return page


def thefts(page) -> list:
    """What was stolen when somebody has looked at the page, run over all of it with the mouse, and pressed every link."""
    for frame in page.frames:
        frame.evaluate(
            """() => {
              for (const element of document.querySelectorAll("*"))
                for (const kind of ["mouseover", "mouseenter", "focus", "load", "error", "toggle"])
                  element.dispatchEvent(new Event(kind));
              for (const link of document.querySelectorAll("a[href]"))
                if (!/^(https?:|#)/.test(link.getAttribute("href").trim()) && link.protocol === "javascript:") link.click();
              for (const form of document.querySelectorAll("form[action]"))
                if (form.action.startsWith("javascript:")) location.href = form.action;
            }"""
        )
    page.wait_for_timeout(300)
    return [theft for frame in page.frames for theft in frame.evaluate("window.thefts || []")]


def test_points_given_by_hand_survive_a_regrade(desk, school):
    lab = desk.lab
    lab.bring_to_front()
    lab.get_by_role("menuitem", name="Nbgrader").click()
    lab.get_by_role("menuitem", name="Formgrader", exact=True).click()
    inside = lab.frame_locator("iframe").last
    inside.get_by_role("link", name="T1").first.wait_for()
    shoot(lab, "1_in_jupyterlab")
    inside.get_by_role("link", name="Manual Grading").click()
    inside.locator("td.name a[href$='/gradebook/T1']").click()
    inside.locator("td.name a[href$='/gradebook/T1/T1']").click()
    inside.locator(f"a[href$='{sheet(school, 'bob')}']").first.wait_for(state="attached")
    shoot(lab, "2_who_is_to_be_graded")
    assert inside.locator("td.name").count() == 4
    inside.locator(f"a[href$='{sheet(school, 'bob')}']:visible").first.click()
    points = inside.locator("input#why_squares")
    points.wait_for()
    assert inside.get_by_text("2 of 3 points, property failed").count() == 1
    assert standing(school, "bob") == (None, None, 1)
    points.scroll_into_view_if_needed()
    with lab.expect_response(lambda r: r.request.method == "PUT" and "/api/grade/" in r.url):
        points.fill("2")
        points.press("Tab")
    with lab.expect_response(lambda r: r.request.method == "PUT" and "/api/comment/" in r.url):
        inside.locator("textarea#why_squares-comment").fill("An example, please.")
        inside.locator("textarea#why_squares-comment").press("Tab")
    lab.wait_for_timeout(600)
    shoot(lab, "3_graded_by_hand")
    assert standing(school, "bob") == (None, 2.0, 0)

    before = gradebook.snapshot(school)
    assert grade(school, again=True).graded == ("ada", "bob", "cleo")
    assert gradebook.snapshot(school) == before
    hand_in(school, "bob", **{**tiny.SOLUTIONS, "why_squares": "Because $\\sum_i d_i = 0$, and `a < b`."})
    report = grade(school)
    assert [str(c) for c in report.changes] == ["bob: T1/spread 2 → 3 (new submission)"]
    assert standing(school, "bob") == (None, 2.0, 0) and standing(school, "bob", "check_spread") == (
        3.0,
        None,
        0,
    )
    hand_in(school, "bob", **{**tiny.SOLUTIONS, "why_squares": "For instance (−1) + 1 = 0."})
    grade(school)
    assert standing(school, "bob") == (None, 2.0, 1)  # another answer: the points stay, and wait for a look

    page = opened(desk, f"submissions/{sheet(school, 'bob')}/")
    page.wait_for_function("document.querySelector('input#why_squares').value === '2'")
    assert page.locator("textarea#why_squares-comment").input_value() == "An example, please."
    assert "For instance" in page.locator(".nbgrader_cell", has=page.locator("#why_squares")).inner_text()
    resolve = page.locator(".nbgrader_cell", has=page.locator("input#why_squares")).locator(
        "button.mark-graded"
    )
    assert resolve.is_visible()
    resolve.scroll_into_view_if_needed()
    shoot(page, "4_after_the_regrade")
    with page.expect_response(lambda r: r.request.method == "PUT" and "/api/grade/" in r.url):
        resolve.click()
    assert standing(school, "bob") == (None, 2.0, 0)
    page.close()
    feedback.generate(school, "T1")
    told = (school.feedback("bob", "T1") / "T1.html").read_text("utf-8")
    assert "Score: 9.0 / 10.0" in told and "An example, please." in told


def test_the_button_for_nbgraders_own_grading_runs_nothing(desk, school):
    before = gradebook.snapshot(school)
    path = school.autograded("ada", "T1") / "T1.ipynb"
    content = path.read_bytes()
    marker = school.root / "ran"
    hand_in(
        school,
        "ada",
        **{**tiny.SOLUTIONS, "centred": f"open({str(marker)!r}, 'w')\n{tiny.SOLUTIONS['centred']}"},
    )
    page = opened(desk, "manage_submissions/T1")
    row = page.locator("tr", has=page.get_by_text("ada", exact=True))
    row.locator(".autograde a").click()
    page.locator(".modal").get_by_text("Nothing was run, and nothing was changed").wait_for()
    page.wait_for_timeout(600)
    shoot(page, "5_autograde_refused")
    assert "vaecourse class grade" in page.locator(".modal").inner_text()
    assert path.read_bytes() == content and gradebook.snapshot(school) == before and not marker.exists()
    hand_in(school, "ada", **tiny.SOLUTIONS)
    page.close()


def test_nothing_that_a_student_wrote_acts_on_the_page(desk, school):
    student = autograded.defuse.name(HOSTILE)
    page = opened(desk, f"submissions/{sheet(school, student)}/")
    page.locator("input#why_squares").wait_for()
    assert thefts(page) == []
    assert "< script>stolen(1)< /script>" in page.inner_text("#notebook")
    assert page.locator("#notebook img").count() >= 1  # the plain picture is there, and is one
    assert page.locator("#full-credit, #notebook iframe, #notebook svg, #notebook form").count() == 0
    assert not [u for u in desk.asked if "evil" in u]
    shoot(page, "6_hostile")
    page.close()

    # The same notebook as it was handed in would have acted: what is asserted above can fail.
    path = school.autograded(student, "T1") / "T1.ipynb"
    kept, release = path.read_bytes(), json.loads(school.release("T1").read_text("utf-8"))
    raw = hostile_text.notebook(tiny.submission(**tiny.SOLUTIONS))
    for i, cell in enumerate(raw["cells"]):
        if "script" in str(cell["metadata"]):
            cell["metadata"], cell["id"] = {}, f"own-{i}"
    cells = [c for c in raw["cells"] if "attachment" not in c["source"] and c["cell_type"] == "markdown"]
    path.write_text(json.dumps({**release, "cells": cells}), encoding="utf-8")
    page = opened(desk, f"submissions/{sheet(school, student)}/")
    assert len(set(thefts(page))) >= 5
    page.close()
    path.write_bytes(kept)


def test_no_name_acts_on_the_pages_about_students(desk, school):
    names = [autograded.defuse.name(name) for name in hostile_text.NAMES]
    for name, raw in zip(names, hostile_text.NAMES, strict=True):
        three.write(school, three.submission(raw, **tiny.SOLUTIONS), three.grade(raw))
        for path in (
            f"manage_students/{name}",
            f"manage_students/{name}/T1",
            f"submissions/{sheet(school, name)}/",
        ):
            page = opened(desk, path)
            page.wait_for_load_state("load")
            assert thefts(page) == [], path
            page.close()
    for path in ("manage_students", "manage_submissions/T1", "gradebook/T1/T1"):
        page = opened(desk, path)
        page.locator("tbody tr").nth(4).wait_for()
        page.wait_for_timeout(300)
        assert thefts(page) == [], path
        page.close()
    page = opened(desk, 'manage_students/";stolen(72);"')  # as it was, such a name acts
    assert 72 in thefts(page)
    page.close()


def test_nothing_acts_on_the_page_that_students_read(desk, school):
    feedback.generate(school, "T1")
    path = school.feedback(autograded.defuse.name(HOSTILE), "T1") / "T1.html"
    page = desk.new_page()
    page.goto(path.as_uri(), wait_until="domcontentloaded")
    assert thefts(page) == [] and "stolen(1)" in page.inner_text("body")
    shoot(page, "7_feedback_hostile")
    page.goto((school.feedback("bob", "T1") / "T1.html").as_uri(), wait_until="domcontentloaded")
    shoot(page, "8_feedback")
    page.close()
