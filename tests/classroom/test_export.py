"""The table of grades: every point in it, and nothing that a spreadsheet would run."""

import csv

import pytest

from vaecourse.classroom.database import opened
from vaecourse.classroom.export import export
from vaecourse.errors import CourseError

from . import class_of_three as three
from . import tiny


@pytest.fixture
def made(tiny_assignment, tmp_path):
    return three.made(tmp_path)


def rows(path) -> dict:
    with open(path, encoding="utf-8-sig", newline="") as stream:
        return {row["student"]: row for row in csv.DictReader(stream)}


def test_every_point_stands_in_it(made):
    three.three(made)
    with opened(made) as book:
        book.execute(
            "UPDATE grade SET manual_score = 2.5, needs_manual_grade = 0 WHERE auto_score IS NULL AND rowid < 5"
        )
        book.execute("UPDATE grade SET extra_credit = 0.25 WHERE auto_score = 2")
    path = export(made)
    assert path == made.root / "grades.csv"
    found = rows(path)
    assert list(found) == ["ada", "bob", "cleo"]
    assert found["ada"] == {
        "student": "ada", "assignment": "T1", "handed in": "2026-11-20 09:00:00", "status": "graded", "points": "9.5", "of": "10",
        "by the computer": "7", "by hand": "2.5", "still to grade by hand": "0", "T1/centred": "4",
        "T1/centred: verdict": "passed", "T1/spread": "3", "T1/spread: verdict": "passed", "T1/why_squares": "2.5",
    }  # fmt: skip
    assert (found["bob"]["T1/spread"], found["bob"]["T1/spread: verdict"]) == ("2.25", "property failed")
    assert (found["bob"]["T1/why_squares"], found["bob"]["still to grade by hand"]) == ("", "1")
    assert (found["cleo"]["points"], found["cleo"]["still to grade by hand"]) == ("0", "0")
    for row in found.values():
        parts = [float(row[c] or 0) for c in ("T1/centred", "T1/spread", "T1/why_squares")]
        assert sum(parts) == float(row["points"]) == float(row["by the computer"]) + float(row["by hand"])


def test_two_assignments_have_a_row_each_and_columns_of_their_own(made):
    three.three(made)
    with opened(made) as book:  # a second one, as nbgrader knows it
        one = book.execute("SELECT * FROM assignment").fetchone()
        book.execute(
            "INSERT INTO assignment (id, name, course_id) VALUES ('a2', 'T2', ?)", [one["course_id"]]
        )
        book.execute("INSERT INTO notebook (id, name, assignment_id) VALUES ('n2', 'T2', 'a2')")
        book.execute(
            "INSERT INTO base_cell (id, name, notebook_id, type) VALUES ('c2', 'check_em', 'n2', 'GradeCell')"
        )
        book.execute("INSERT INTO grade_cells (id, max_score, cell_type) VALUES ('c2', 5, 'code')")
        book.execute(
            "INSERT INTO submitted_assignment (id, assignment_id, student_id) VALUES ('s2', 'a2', 'bob')"
        )
        book.execute(
            "INSERT INTO submitted_notebook (id, notebook_id, assignment_id, flagged) VALUES ('m2', 'n2', 's2', 0)"
        )
        book.execute(
            "INSERT INTO grade (id, notebook_id, cell_id, auto_score, needs_manual_grade) VALUES ('g', 'm2', 'c2', 1.5, 0)"
        )
    with open(export(made), encoding="utf-8-sig", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [(r["student"], r["assignment"]) for r in table] == [
        ("ada", "T1"), ("bob", "T1"), ("bob", "T2"), ("cleo", "T1"),
    ]  # fmt: skip
    assert (table[2]["T2/em"], table[2]["of"], table[2]["T1/centred"]) == ("1.5", "5", "")
    assert table[0]["T2/em"] == ""


@pytest.mark.parametrize(
    "name", ["=cmd()", "+1", "-2", "@SUM(A1)", "\t=1", "＝1", "=HYPERLINK(\"http://evil.example\",\"x\")"]
)  # fmt: skip
def test_no_name_is_a_formula(made, name):
    three.write(made, three.submission(name, **tiny.SOLUTIONS), three.grade(name))
    content = export(made).read_text("utf-8-sig")
    (shown,) = rows(made.root / "grades.csv")
    assert shown[0] == "'" and shown[1:] == name.replace('"', "”")
    for line in content.splitlines()[1:]:
        for field in next(csv.reader([line])):
            assert not field.startswith(("=", "+", "-", "@", "\t", "\r", "＝"))


@pytest.mark.parametrize("name", ["Zoë, O'Brien", "李小龍", "a;b", "two words"])
def test_names_come_back_as_they_are(made, name):
    three.write(made, three.submission(name, **tiny.SOLUTIONS), three.grade(name))
    assert list(rows(export(made))) == [name]


def test_the_file_can_be_named_and_is_written_whole(made, tmp_path):
    three.three(made)
    path = export(made, tmp_path / "new" / "term.csv")
    assert path == tmp_path / "new" / "term.csv" and path.read_bytes() == export(made).read_bytes()
    (tmp_path / "blocked").write_text("", encoding="utf-8")
    with pytest.raises(CourseError, match="The grades cannot be written to"):
        export(made, tmp_path / "blocked" / "x.csv")


def test_without_grades_it_says_so(made):
    with pytest.raises(CourseError, match="There are no grades yet"):
        export(made)
