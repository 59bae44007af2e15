"""The student version: what it must hold, what it must never hold, and a release that is stopped halfway."""

import base64
import copy
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from vaecourse import assignments
from vaecourse.classroom import database, gradebook, journal
from vaecourse.classroom.init import init
from vaecourse.classroom.leaks import leak
from vaecourse.classroom.release import agree, release
from vaecourse.errors import CourseError

from . import class_of_three, tiny

SOURCES = Path(__file__).resolve().parents[2] / "notebooks" / "assignments"


@pytest.fixture
def made(tiny_assignment, tmp_path):
    return class_of_three.made(tmp_path)


def put_source(folder, source) -> None:
    folder.source("T1").write_text(json.dumps(source), encoding="utf-8")


def cell(notebook, name):
    return next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == name)


def packed(folder, name="T1") -> dict[str, bytes]:
    with zipfile.ZipFile(folder.handout(name)) as file:
        return {about.filename: file.read(about) for about in file.infolist()}


def test_students_get_a_notebook_to_fill_in(made):
    inside = packed(made)
    assert set(inside) == {"T1.ipynb", "HOWTO.txt"}
    assert inside["T1.ipynb"] == made.release("T1").read_bytes()
    howto = inside["HOWTO.txt"].decode()
    assert "Two small functions (T1)" in howto and "vaecourse class validate T1.ipynb --zip" in howto
    notebook = json.loads(inside["T1.ipynb"])
    nbformat.validate(notebook)
    assert (
        cell(notebook, "centred")["source"] == "..."
        and cell(notebook, "why_squares")["source"] == "YOUR ANSWER HERE"
    )
    assert cell(notebook, "check_spread")["source"] == 'check("T1/spread", spread)'
    assert cell(notebook, "check_spread")["metadata"]["editable"] is False
    assert cell(notebook, "centred")["metadata"]["deletable"] is False
    assert notebook["metadata"]["vaecourse"] == {"assignment": "T1"}


def test_the_same_source_makes_the_same_bytes(made):
    before = made.handout("T1").read_bytes(), made.release("T1").read_bytes(), gradebook.snapshot(made)
    release(made, "T1")
    assert (
        made.handout("T1").read_bytes(),
        made.release("T1").read_bytes(),
        gradebook.snapshot(made),
    ) == before


@pytest.mark.parametrize("name", sorted(p.stem for p in SOURCES.glob("A*.ipynb")))
def test_every_assignment_of_the_course_is_released_without_a_leak(name, tmp_path):
    folder = init(tmp_path / "class", say=lambda sentence: None)
    release(folder, name)
    source = json.loads(folder.source(name).read_text("utf-8"))
    parts = [*packed(folder, name).values(), folder.release(name).read_bytes()]
    known = assignments.assignment(name)
    secret = folder.secret()
    for content in parts:
        assert b"SOLUTION" not in content and secret not in content and secret.hex().encode() not in content
    student = json.loads(parts[-1])
    assert all(not c.get("outputs") and not c.get("execution_count") for c in student["cells"])
    for exercise in known.exercises:  # the solution is gone, and what was around it is there
        function = exercise.name.split("/")[1]
        whole, left = cell(source, function)["source"], cell(student, function)["source"]
        whole = "".join(whole)
        hidden = whole.split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0].split("\n")
        assert any(len(line.strip()) > 12 for line in hidden), "an empty solution would prove nothing"
        everything = b"\n".join(parts).decode()
        for line in hidden:
            if len(line.strip()) >= 24:
                assert line.strip() not in everything
                assert json.dumps(line.strip())[1:-1] not in everything
        assert left.startswith(whole.split("### BEGIN SOLUTION")[0].rstrip()) and "..." in left
    for written in known.written:
        assert cell(student, written.name)["source"] == "YOUR ANSWER HERE"


def test_the_gradebook_gets_what_nbgrader_would_have_written(made, tmp_path):
    """Our one transaction against nbgrader's own steps, table by table."""
    import logging

    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    other = init(tmp_path / "other" / "class", made.root.parent / "sources", say=lambda sentence: None)
    database.opened(other).__enter__().close()
    config, log = database.configuration(other), logging.Logger("quiet")
    course = CourseDirectory(config=config, log=log)
    course.root, course.assignment_id = str(other.root), "T1"
    GenerateAssignment(course, config=config, log=log, force=True).start()

    def rows(folder):
        with database.opened(folder) as book:
            ask = lambda sql: sorted(tuple(row) for row in book.execute(sql))  # noqa: E731
            return {
                "assignment": ask("SELECT name, duedate, course_id FROM assignment"),
                "notebook": [
                    (*names, json.loads(kernel))
                    for *names, kernel in ask(
                        "SELECT n.name, a.name, kernelspec FROM notebook n JOIN assignment a ON a.id = assignment_id"
                    )
                ],
                "cells": ask("SELECT name, type FROM base_cell"),
                "points": ask("SELECT name, max_score, cell_type FROM grade_cells JOIN base_cell USING (id)"),
                "solutions": ask("SELECT name FROM solution_cells JOIN base_cell USING (id)"),
                "source": ask("SELECT name, cell_type, locked, source, checksum FROM source_cell"),
                "version": ask("SELECT version_num FROM alembic_version"),
            }  # fmt: skip

    ours, theirs = rows(made), rows(other)
    assert ours == theirs and len(ours["source"]) >= 7
    nbgraders = json.loads((other.root / "release" / "T1" / "T1.ipynb").read_text("utf-8"))
    student = json.loads(made.release("T1").read_text("utf-8"))
    assert [c["source"] for c in student["cells"]] == ["".join(c["source"]) for c in nbgraders["cells"]]


def test_no_program_is_needed_from_the_path(made, tmp_path):
    """nbgrader asks for `alembic` on the PATH when it makes a gradebook; here the venv need not be activated."""
    made.database.unlink()
    made.handout("T1").unlink()
    code = (
        "import sys; from pathlib import Path; from classroom import tiny; tiny.register();"
        "from vaecourse.classroom.folder import find; from vaecourse.classroom.release import release;"
        "print(release(find(Path(sys.argv[1])), 'T1'))"
    )
    tests = Path(__file__).resolve().parents[1]
    (tmp_path / "empty").mkdir()
    environment = {
        **os.environ,
        "PATH": str(tmp_path / "empty"),
        "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(made.root)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(made.handout("T1")) and made.database.is_file()


SECRET_LINE = "return float((centred(x) ** 2).mean())"


def _hint(text):
    return {"cell_type": "markdown", "id": "hint", "metadata": {"nbgrader": {
        "schema_version": 3, "grade_id": "hint", "grade": False, "solution": False, "locked": True, "task": False,
    }}, "source": text}  # fmt: skip


def _with_hint(text):
    def change(source):
        source["cells"].append(_hint(text))

    return change


def _unmarked(source):  # the author forgot to mark the answer as a solution
    cell(source, "why_squares")["source"] = "Look at the definition."
    about = cell(source, "spread")
    about["source"] = about["source"].replace("### BEGIN SOLUTION\n", "").replace("\n### END SOLUTION", "")
    source["cells"].append(_hint(f"In short: `{SECRET_LINE}`"))


def _picture(source):
    hint = _hint("![how](attachment:how.txt)")
    hint["attachments"] = {"how.txt": {"text/plain": base64.b64encode(SECRET_LINE.encode()).decode()}}
    source["cells"].append(hint)


def _printed(source):
    cell(source, "check_spread")["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": "the spread of the passage is 12.3456789\n"}
    ]
    source["cells"].append(_hint("You should see: the spread of the passage is 12.3456789"))


@pytest.mark.parametrize(
    "change, said",
    [
        (_with_hint(SECRET_LINE), "of its solution of the cell spread stands in hint"),
        (_with_hint(f"    {SECRET_LINE}  # the shortest way"), "of the cell spread stands in hint"),
        (_unmarked, "of its solution of the cell spread stands in hint"),
        (_with_hint("The deviations themselves add up to zero: (−1) + 1 = 0. MODEL-ANSWER"), "of the cell why_squares"),
        (_picture, "of its solution of the cell spread stands in hint"),
        (_printed, "which the cell check_spread printed, stands in hint"),
        (_with_hint("### BEGIN HIDDEN TESTS\nassert True\n### END HIDDEN TESTS"), "nbgrader could not make"),
        (_with_hint("=== BEGIN MARK SCHEME ===\ntwo points\n=== END MARK SCHEME ==="), "nbgrader could not make"),
        (_with_hint("### BEGIN SOLUTION\nx"), "nbgrader could not make"),
    ],
)  # fmt: skip
def test_a_leak_stops_the_release_and_names_the_cell(made, change, said):
    before = made.release("T1").read_bytes(), made.handout("T1").read_bytes(), gradebook.snapshot(made)
    source = tiny.source()
    change(source)
    put_source(made, source)
    with pytest.raises(CourseError, match=said):
        release(made, "T1")
    assert (
        made.release("T1").read_bytes(),
        made.handout("T1").read_bytes(),
        gradebook.snapshot(made),
    ) == before
    assert not list(made.root.glob(".release-*"))


def test_the_secret_would_be_seen_in_every_form(made):
    secret = made.secret()
    student = json.loads(made.release("T1").read_text("utf-8"))
    assert leak(tiny.source(), student, secret) == ""
    for form in (
        secret.hex(),
        secret.hex().upper(),
        base64.b64encode(secret).decode(),
        secret.decode("latin-1"),
    ):
        for where in ("source", "metadata"):
            bad = copy.deepcopy(student)
            bad["cells"][0][where] = form if where == "source" else {"note": f"x{form}y"}
            assert leak(tiny.source(), bad, secret) == "the class's secret stands in the student version."


def test_an_output_or_a_line_in_metadata_would_be_seen(made):
    student = json.loads(made.release("T1").read_text("utf-8"))
    bad = copy.deepcopy(student)
    cell(bad, "check_spread")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "2.0"}]
    assert leak(tiny.source(), bad, b"s" * 32) == "an output is left in the cell check_spread."
    for mark in ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END MARK SCHEME"):
        bad = copy.deepcopy(student)
        cell(bad, "title")["source"] += f"\n<!-- {mark} -->"
        assert "is left in the cell title" in leak(tiny.source(), bad, b"s" * 32)
    student["metadata"]["note"] = SECRET_LINE
    assert "stands in the metadata" in leak(tiny.source(), student, b"s" * 32)


def test_a_short_line_of_the_given_code_is_no_secret(made):
    """`x = np.asarray(x)` may stand in the given code and in a solution; `return 0` may be anywhere."""
    source = tiny.source()
    about = cell(source, "spread")
    about["source"] = (
        "def spread(x):\n    ### BEGIN SOLUTION\n    x = np.asarray(x)\n    if len(x) == 0:\n        return 0\n"
        "    return float(((x - x.mean()) ** 2).mean())\n    ### END SOLUTION"
    )
    given = copy.deepcopy(cell(source, "check_centred"))
    source["cells"].insert(1, {**given, "id": "given", "source": "x = np.asarray(x)", "metadata": {}})
    source["cells"].append(_hint("return 0"))
    put_source(made, source)
    release(made, "T1")
    source["cells"].append(
        {**_hint("Begin with `x = np.asarray(x)`:\n\n    x = np.asarray(x)"), "id": "more"}
    )
    source["cells"][-1]["metadata"]["nbgrader"]["grade_id"] = "more"
    del source["cells"][1]
    put_source(made, source)
    with pytest.raises(CourseError, match="of the cell spread stands in more"):
        release(made, "T1")


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda s: s["metadata"].update(vaecourse={"assignment": "A1"}), "says that it is A1, not T1"),
        (lambda s: s["metadata"].pop("vaecourse"), "says that it is None, not T1"),
        (lambda s: s["cells"].remove(cell(s, "spread")), "has no cell spread"),
        (lambda s: s["cells"].remove(cell(s, "check_spread")), "has no cell check_spread"),
        (lambda s: s["cells"].remove(cell(s, "why_squares")), "has no cell why_squares"),
        (lambda s: s["cells"].append(copy.deepcopy(cell(s, "spread"))), "more than one cell spread"),
        (lambda s: cell(s, "check_spread")["metadata"]["nbgrader"].update(points=2), "has 2 points; it should have 3"),
        (lambda s: cell(s, "why_squares")["metadata"]["nbgrader"].update(points=4), "has 4 points; it should have 3"),
        (lambda s: cell(s, "check_spread").update(source='check("T1/spread", centred)'), "should be: check"),
        (lambda s: cell(s, "check_spread").update(source="check("), "should be: check"),
        (lambda s: cell(s, "spread")["metadata"]["nbgrader"].update(solution=False), "knows as a solution"),
        (lambda s: cell(s, "check_spread")["metadata"]["nbgrader"].update(solution=True), "knows as a check"),
        (lambda s: cell(s, "why_squares").update(cell_type="code"), "an answer with points"),
        (
            lambda s: cell(s, "title")["metadata"]["nbgrader"].update(grade=True, points=1),
            "title .* has points, but no exercise",
        ),
    ],
)  # fmt: skip
def test_source_and_exercises_must_agree(tiny_assignment, change, said):
    source = tiny.source()
    agree(assignments.assignment("T1"), source, "source/T1/T1.ipynb")
    change(source)
    with pytest.raises(CourseError, match=said):
        agree(assignments.assignment("T1"), source, "source/T1/T1.ipynb")


def test_bad_sources_get_one_sentence(made):
    with pytest.raises(CourseError, match="There is no assignment 'A9'"):
        release(made, "A9")
    for damage in (b"", b"[]", b'{"cells": [1]}', b'{"cells": []}', b"\xff"):
        made.source("T1").write_bytes(damage)
        with pytest.raises(CourseError, match="is damaged: bring it back from the course"):
            release(made, "T1")
    made.source("T1").unlink()
    with pytest.raises(CourseError, match="`vaecourse class init` brings the sources"):
        release(made, "T1")
    put_source(made, tiny.source())
    (made.root / "nbgrader_config.py").write_text("c = (", encoding="utf-8")
    with pytest.raises(CourseError, match="missing or damaged"):
        release(made, "T1")


def test_a_release_that_is_stopped_leaves_the_old_one_or_the_new_one(made, monkeypatch):
    replace, old = journal.replace, (made.release("T1").read_bytes(), made.handout("T1").read_bytes())
    source = tiny.source()
    cell(source, "title")["source"] = "# Two small functions, second edition"
    put_source(made, source)
    seen = set()
    for stop in (1, 2):
        count = iter(range(1, 9))

        def breaks(path, content, stop=stop, count=count):
            if next(count) == stop:
                raise KeyboardInterrupt
            replace(path, content)

        monkeypatch.setattr(journal, "replace", breaks)
        with pytest.raises(KeyboardInterrupt):
            release(made, "T1")
        now = made.release("T1").read_bytes(), made.handout("T1").read_bytes()
        assert now[1] == old[1] and json.loads(now[0])
        seen.add(now[0] == old[0])
    assert seen == {True, False}
    monkeypatch.setattr(journal, "replace", replace)
    release(made, "T1")
    assert b"second edition" in made.release("T1").read_bytes()
    with zipfile.ZipFile(io.BytesIO(made.handout("T1").read_bytes())) as file:
        assert file.read("T1.ipynb") == made.release("T1").read_bytes()


def test_solutions_that_give_other_values_are_not_released(made):
    before = made.release("T1").read_bytes()
    for wrong in ("return float(abs(x).mean())", "return 1 / 0"):
        source = tiny.source()
        cell(source, "spread")["source"] = (
            f"def spread(x):\n    ### BEGIN SOLUTION\n    {wrong}\n    ### END SOLUTION"
        )
        put_source(made, source)
        with pytest.raises(
            CourseError, match=r"The solution of T1/spread in .* gives other values than the course's own"
        ):
            release(made, "T1")
    cell(source, "spread")["source"] = (
        "def other(x):\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    )
    put_source(made, source)
    with pytest.raises(CourseError, match="holds no solution for spread"):
        release(made, "T1")
    assert made.release("T1").read_bytes() == before


def test_a_source_that_changed_is_told_from_the_released_one(made):
    assert not made.changed_since_release("T1")
    source = tiny.source()
    source["cells"][0]["source"] += " Another sentence."
    put_source(made, source)
    assert made.changed_since_release("T1")
    release(made, "T1")
    assert not made.changed_since_release("T1")
