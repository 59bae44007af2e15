"""The gradebook: what is written, what a person gave and keeps, and a writer that dies in the middle."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vaecourse.assignments import assignment
from vaecourse.classroom import database, gradebook
from vaecourse.classroom.release import release
from vaecourse.errors import CourseError

from . import class_of_three as three
from . import tiny

TESTS = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}


@pytest.fixture
def made(tiny_assignment, tmp_path):
    return three.made(tmp_path)


@pytest.fixture
def nbgraders(made):
    """nbgrader's own view of the gradebook, opened anew at each call, as its formgrader does."""
    from nbgrader.api import Gradebook

    opened = []

    def view():
        opened.append(Gradebook(f"sqlite:///{made.database}", "class"))
        return opened[-1]

    yield view
    for each in opened:
        each.close()


def write(folder, student="ada", given=None, **answers):
    handed = three.submission(student, **{**tiny.SOLUTIONS, **answers})
    return gradebook.write(folder, assignment("T1"), handed, given or three.grade(student))


def by_a_person(view, student="ada", cell="why_squares", points=2.0, comment=None):
    """What the formgrader does when a teacher types points, or a comment."""
    with view() as book:
        grade = book.find_grade(cell, "T1", "T1", student)
        grade.manual_score, grade.needs_manual_grade = points, False
        if comment:
            book.find_comment(cell, "T1", "T1", student).manual_comment = comment
        book.db.commit()


def standing(view, student="ada", cell="why_squares"):
    with view() as book:
        grade = book.find_grade(cell, "T1", "T1", student)
        return grade.score, grade.needs_manual_grade


def test_nbgrader_reads_what_was_written(made, nbgraders):
    three.three(made)
    with nbgraders() as book:
        assert [s.id for s in book.students] == ["ada", "bob", "cleo"]
        by = {s.student.id: s for s in book.assignment_submissions("T1")}
        assert [(s, by[s].score, by[s].max_score, by[s].needs_manual_grade) for s in sorted(by)] == [
            ("ada", 7.0, 10.0, True), ("bob", 6.0, 10.0, True), ("cleo", 0.0, 10.0, False),
        ]  # fmt: skip
        assert str(by["ada"].timestamp) == "2026-11-20 09:00:00"
        assert book.find_submission_notebook("T1", "T1", "bob").failed_tests
        assert not book.find_submission_notebook("T1", "T1", "ada").failed_tests
        assert {g.name: g.auto_score for g in book.find_submission_notebook("T1", "T1", "bob").grades} == {
            "check_centred": 4.0, "check_spread": 2.0, "why_squares": None,
        }  # fmt: skip
        assert book.find_comment("centred", "T1", "T1", "cleo").comment == "The file is empty."
        assert book.find_comment("why_squares", "T1", "T1", "cleo").comment == "No response."
        assert book.find_comment("why_squares", "T1", "T1", "ada").comment is None
    assert gradebook.by_hand(made, "T1") == 2


def test_the_same_grade_twice_is_as_once(made):
    assert write(made) is True
    before, content = gradebook.snapshot(made), made.database.read_bytes()
    assert write(made) is False and gradebook.snapshot(made) == before
    assert write(made, given=three.grade("ada", 2)) is True and gradebook.snapshot(made) != before
    assert write(made) is True and gradebook.snapshot(made) == before
    other = database.ClassFolder(made.root.parent / "other")
    other.root.mkdir()
    for name in ("nbgrader_config.py", "release"):
        (made.root / name).rename(other.root / name)
    write(other)
    assert gradebook.snapshot(other) == before and len(other.database.read_bytes()) == len(content)


def test_a_snapshot_shows_every_difference(made):
    write(made)
    seen = {gradebook.snapshot(made)}
    for sql in (
        "UPDATE grade SET auto_score = 1 WHERE auto_score = 3", "UPDATE grade SET manual_score = 1",
        "UPDATE grade SET extra_credit = 1", "UPDATE grade SET needs_manual_grade = 0",
        "UPDATE comment SET manual_comment = 'x'", "UPDATE submitted_assignment SET timestamp = NULL",
        "UPDATE grade_cells SET max_score = 9", "UPDATE vaecourse_graded SET verdict = 'crashed'",
    ):  # fmt: skip
        with database.opened(made) as book:
            book.execute(sql)
        seen.add(gradebook.snapshot(made))
    assert len(seen) == 9


def test_points_and_comments_of_a_person_survive(made, nbgraders):
    write(made)
    by_a_person(nbgraders, points=2.5, comment="Well said.")
    by_a_person(nbgraders, cell="check_spread", points=1.0)
    assert gradebook.by_hand(made, "T1") == 0
    assert write(made) is False
    assert standing(nbgraders) == (2.5, False) and standing(nbgraders, cell="check_spread") == (1.0, False)
    # another answer: the points stay, and are to be looked at again, until a person has done so
    write(made, why_squares="Because they cancel.")
    assert standing(nbgraders) == (2.5, True) and gradebook.by_hand(made, "T1") == 1
    assert write(made, why_squares="Because they cancel.") is False
    by_a_person(nbgraders, points=1.0)
    assert write(made, why_squares="Because they cancel.") is False and standing(nbgraders) == (1.0, False)
    # other points of a check that a person overruled
    write(made, why_squares="Because they cancel.", given=three.grade("ada", 2))
    assert standing(nbgraders, cell="check_spread") == (1.0, True)
    with nbgraders() as book:
        assert book.find_comment("why_squares", "T1", "T1", "ada").comment == "Well said."


def test_extra_credit_and_flags_survive(made, nbgraders):
    write(made)
    with nbgraders() as book:
        book.find_grade("check_spread", "T1", "T1", "ada").extra_credit = 0.5
        book.find_submission_notebook("T1", "T1", "ada").flagged = True
        book.update_or_create_student("ada", first_name="Ada", last_name="King", email="ada@example.org")
        book.db.commit()
    write(made, given=three.grade("ada", 2))
    with nbgraders() as book:
        assert book.find_grade("check_spread", "T1", "T1", "ada").score == 2.5
        assert book.find_submission_notebook("T1", "T1", "ada").flagged
        assert book.find_student("ada").last_name == "King"


@pytest.mark.parametrize("answer", ["YOUR ANSWER HERE", "", " \n", "\nYOUR ANSWER HERE  "])
def test_an_empty_answer_needs_nobody(made, nbgraders, answer):
    write(made, why_squares=answer)
    assert standing(nbgraders) == (0.0, False) and gradebook.by_hand(made, "T1") == 0
    write(made, why_squares="Now there is one.")
    assert standing(nbgraders) == (0.0, True)
    write(made, why_squares=answer)
    assert standing(nbgraders) == (0.0, False)


def test_a_picture_is_an_answer_and_another_picture_another_one(made, nbgraders):
    def handed(data):
        notebook = tiny.submission(**tiny.SOLUTIONS)
        cell = next(
            c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == "why_squares"
        )
        cell["source"], cell["attachments"] = "![](attachment:a.png)", {"a.png": {"image/png": data}}
        return three.submission("ada", notebook)

    gradebook.write(made, assignment("T1"), handed("AAAA"), three.grade("ada"))
    by_a_person(nbgraders)
    assert gradebook.write(made, assignment("T1"), handed("AAAA"), three.grade("ada")) is False
    gradebook.write(made, assignment("T1"), handed("AAAB"), three.grade("ada"))
    assert standing(nbgraders) == (2.0, True)


def test_only_the_first_answer_of_a_name_counts(made, nbgraders):
    notebook = tiny.submission(**tiny.SOLUTIONS)
    cell = next(
        c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == "why_squares"
    )
    cell["source"] = "YOUR ANSWER HERE"
    notebook["cells"].append({**cell, "source": "A second one."})
    gradebook.write(made, assignment("T1"), three.submission("ada", notebook), three.grade("ada"))
    assert standing(nbgraders) == (0.0, False)


def test_a_refused_submission_has_no_points_and_says_why(made, nbgraders):
    write(made)
    by_a_person(nbgraders, points=3.0)
    refused = three.submission("ada", refusal="The file is <b>empty</b>.")
    gradebook.write(made, assignment("T1"), refused, three.grade("ada", refusal="The file is <b>empty</b>."))
    assert standing(nbgraders, cell="check_spread") == (0.0, False)
    assert standing(nbgraders) == (3.0, True)  # a person's points stay, marked
    with nbgraders() as book:
        assert book.find_comment("centred", "T1", "T1", "ada").comment == "The file is < b>empty< /b>."
    write(made)  # he handed in again
    assert standing(nbgraders, cell="check_spread") == (3.0, False)
    with nbgraders() as book:
        assert book.find_comment("centred", "T1", "T1", "ada").comment is None


@pytest.mark.parametrize(
    "name", ["Ada Núñez", "O'Brien", 'the "great"', "李 小龙", "a+b", "x;--", "..a", "%20"]
)
def test_names(made, nbgraders, name):
    write(made, name, three.grade(name))
    with nbgraders() as book:
        (student,) = book.students
        assert book.find_submission("T1", student.id).score == 7.0
        assert student.id == name.replace('"', "”")


def test_a_verdict_that_is_missing_is_due(made, nbgraders):
    given = three.grade("ada")
    write(made, given=type(given)("ada", "T1", "key", given.verdicts[:1]))
    assert standing(nbgraders, cell="check_spread") == (0.0, True)
    assert gradebook.by_hand(made, "T1") == 2


def test_released_again_with_other_points(made, nbgraders, monkeypatch):
    write(made)
    by_a_person(nbgraders, cell="check_spread", points=2.0)
    write(made, "bob", three.grade("bob", 2))
    source = json.loads(made.source("T1").read_text("utf-8"))
    for cell in source["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "check_spread":
            cell["metadata"]["nbgrader"]["points"] = 5
    made.source("T1").write_text(json.dumps(source), encoding="utf-8")
    from vaecourse.classroom import release as module

    monkeypatch.setattr(module, "agree", lambda *given: None)
    release(made, "T1")
    with nbgraders() as book:
        assert book.find_assignment("T1").max_score == 12.0
    # the points of before stand, and say that they are to be looked at
    assert standing(nbgraders, cell="check_spread") == (2.0, True)
    assert standing(nbgraders, "bob", "check_spread") == (2.0, True)
    assert standing(nbgraders, "bob", "check_centred") == (4.0, False)
    write(made, "bob", three.grade("bob", 2))  # grading again settles what the computer gives
    assert standing(nbgraders, "bob", "check_spread") == (2.0, False)
    before = gradebook.snapshot(made)
    release(made, "T1")
    assert gradebook.snapshot(made) == before


def test_released_again_with_other_cells(made, nbgraders, monkeypatch):
    from vaecourse.classroom import release as module

    monkeypatch.setattr(module, "agree", lambda *given: None)
    write(made)
    text = made.source("T1").read_text("utf-8")
    made.source("T1").write_text(text.replace("why_squares", "why_not_cubes"), encoding="utf-8")
    release(made, "T1")
    with nbgraders() as book:
        names = {g.name for g in book.find_submission_notebook("T1", "T1", "ada").grades}
    assert names == {"check_centred", "check_spread", "why_not_cubes"}
    assert standing(nbgraders, cell="why_not_cubes") == (0.0, True)
    by_a_person(nbgraders, cell="why_not_cubes")
    before = gradebook.snapshot(made), made.release("T1").read_bytes()
    made.source("T1").write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match="The cell why_not_cubes is gone from T1, but 1 points or comments"):
        release(made, "T1")
    assert (gradebook.snapshot(made), made.release("T1").read_bytes()) == before


def test_a_writer_that_is_killed_leaves_no_trace(made):
    """kill -9 before each statement of a regrade in turn: the gradebook is the old one, or the new one, and whole."""
    if os.name == "nt":
        pytest.skip("kill -9 is a signal of Linux and macOS")
    three.three(made)
    before = gradebook.snapshot(made)
    code = """
import os, signal, sqlite3, sys
from pathlib import Path
from classroom import tiny, class_of_three as three
tiny.register()
from vaecourse.assignments import assignment
from vaecourse.classroom import gradebook
from vaecourse.classroom.folder import find
folder, handed = find(Path(sys.argv[1])), three.submission("bob", **tiny.SOLUTIONS)
class Dying(sqlite3.Connection):
    def execute(self, *given):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*given)
connect = sqlite3.connect
for at in range(99):
    if (child := os.fork()) == 0:
        left = at
        sqlite3.connect = lambda *a, **k: connect(*a, **k, factory=Dying)
        gradebook.write(folder, assignment("T1"), handed, three.grade("bob"))
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    book = connect(folder.database)
    assert book.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    book.close()
    if ended == 0:
        break
    assert ended == -signal.SIGKILL
    assert gradebook.snapshot(folder) == Path(sys.argv[2]).read_text("utf-8"), at
print(at)
"""
    old = made.root / "before.txt"
    old.write_text(before, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", code, str(made.root), str(old)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 15 < int(done.stdout) < 98, "it should die many times, and get through in the end"
    after = gradebook.snapshot(made)
    assert after != before
    write(made, "bob", three.grade("bob"))
    assert gradebook.snapshot(made) == after


def test_killed_with_pages_half_written_it_is_rolled_back(made):
    """The journal of SQLite that a killed writer leaves is used by whoever opens the gradebook next."""
    if os.name == "nt":
        pytest.skip("kill -9 is a signal of Linux and macOS")
    three.three(made)
    before = gradebook.snapshot(made)
    code = """
import os, signal, sqlite3, sys
book = sqlite3.connect(sys.argv[1], isolation_level=None)
book.execute("PRAGMA cache_size = 1"); book.execute("BEGIN IMMEDIATE")
book.execute("UPDATE grade SET auto_score = 0"); book.execute("UPDATE comment SET auto_comment = hex(zeroblob(90000))")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(made.database)], timeout=60, check=False)
    assert Path(f"{made.database}-journal").stat().st_size > 0, "nothing was half written"
    assert gradebook.snapshot(made) == before


def test_writers_wait_for_each_other_and_say_so(made, monkeypatch):
    write(made)
    with sqlite3.connect(made.database, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(database, "WAIT", 0.2)
        started = time.monotonic()
        with pytest.raises(CourseError, match="is being written by another program: try again"):
            write(made)
        assert time.monotonic() - started < 5
        other.execute("ROLLBACK")
    other.close()
    assert write(made) is False


def test_many_writers_at_once_lose_nothing(made):
    code = """
import sys
from pathlib import Path
from classroom import tiny, class_of_three as three
tiny.register()
from vaecourse.assignments import assignment
from vaecourse.classroom import gradebook
from vaecourse.classroom.folder import find
folder = find(Path(sys.argv[1]))
for i in range(12):
    name = f"{sys.argv[2]}{i}"
    gradebook.write(folder, assignment("T1"), three.submission(name, **tiny.SOLUTIONS), three.grade(name))
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(made.root), name], env=ENVIRONMENT)
        for name in "abc"
    ]
    assert [w.wait(60) for w in writers] == [0, 0, 0]
    assert gradebook.snapshot(made).count('"grade"') == 3 * 36


def test_a_damaged_gradebook_gets_one_sentence(made):
    write(made)
    made.database.write_bytes(b"this is no database, and long enough to be looked at" * 20)
    with pytest.raises(CourseError, match=r"cannot be used .* bring it back from a backup"):
        write(made)
    made.database.unlink()
    with sqlite3.connect(made.database) as book:
        book.execute("CREATE TABLE other (x)")
    book.close()
    with pytest.raises(CourseError, match="is of another version of nbgrader"):
        write(made)


def test_without_a_release_it_says_so(made):
    made.database.unlink()
    write(made)  # the cells come from the release
    made.database.unlink()
    made.release("T1").unlink()
    with pytest.raises(CourseError, match="T1 is not released, or damaged: `vaecourse class release T1`"):
        write(made)


def test_the_tables_are_those_of_nbgrader(made, tmp_path, monkeypatch):
    from nbgrader.api import Gradebook

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    Gradebook(f"sqlite:///{tmp_path / 'theirs.db'}", "class").close()

    def form(path):
        book = sqlite3.connect(path)
        tables = book.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        version = book.execute("SELECT version_num FROM alembic_version").fetchall()
        book.close()
        return {name: " ".join(sql.split()) for name, sql in tables if name != "vaecourse_graded"}, version

    assert form(made.database) == form(tmp_path / "theirs.db")
