"""nbgrader's gradebook, gradebook.db, and the one place of the course that writes it.

Each submission is one transaction of SQLite: whoever looks sees all of it or nothing, a killed writer leaves no trace,
and two writers (or a writer and nbgrader's formgrader) wait for each other. What a person gave, points and comments,
is never touched. The tables are nbgrader's; one of our own, `vaecourse_graded`, remembers each verdict, and which text of
a written answer was there when it was last looked at.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime

from vaecourse.assignments.core import Assignment
from vaecourse.errors import CourseError

from . import defuse
from .database import cells, enter, found, opened, put_row, text_of
from .folder import ClassFolder
from .records import Grade, Submission

NO_RESPONSE = "No response."  # as nbgrader says it


def write(folder: ClassFolder, assignment: Assignment, submission: Submission, grade: Grade) -> bool:
    """Write down what a submission earned; True if that changed anything. Twice the same is as once.

    A check has the points of its verdict. A written answer waits for a person, except an empty one, which has none. A
    person's points stay; where the answer, or the points of the check, have changed since, they are marked to be looked
    at again. CourseError where the gradebook cannot be used.
    """
    student = defuse.name(submission.student)
    with opened(folder) as book:
        if not cells(book, assignment.name):
            enter(folder, assignment.name, _released(folder, assignment.name), book)
        before = book.total_changes
        sheet = _sheet(book, assignment.name, student, _time(submission.handed_in))
        points = {f"check_{v.exercise.split('/')[-1]}": v for v in grade.verdicts}
        answers = _answers(submission)
        for cell in cells(book, assignment.name):
            if cell["type"] == "GradeCell" and cell["cell_type"] == "code":
                verdict = points.get(cell["name"])
                _check(
                    book, sheet, cell, None if verdict is None else (float(verdict.points), verdict.verdict)
                )
            elif cell["type"] == "GradeCell":
                _written(book, sheet, cell, answers.get(cell["name"], ""))
        _comments(book, sheet, assignment.name, answers, grade.refusal)
        return book.total_changes > before


def by_hand(folder: ClassFolder, name: str) -> int:
    """How many answers of an assignment a person has yet to grade, or to look at again."""
    with opened(folder) as book:
        return book.execute(
            f"SELECT count(*) {_GRADES} WHERE a.name = ? AND g.needs_manual_grade", [name]
        ).fetchone()[0]


def snapshot(folder: ClassFolder, name: str | None = None) -> str:
    """All that the gradebook says of an assignment (or of all) as sorted text, to compare two gradebooks."""
    with opened(folder) as book:
        rows = [["grade", *row] for row in grades(book, name)]
        rows += [["comment", *row] for row in comments(book, name)]
    return "\n".join(sorted(json.dumps(row, ensure_ascii=False) for row in rows)) + "\n"


def grades(book: sqlite3.Connection, name: str | None = None) -> list[tuple]:
    """(assignment, student, time, cell, type, of, automatic, manual, extra, due, verdict, answer) of every grade."""
    columns = (
        "a.name, s.student_id, s.timestamp, b.name, c.cell_type, c.max_score, g.auto_score, g.manual_score,"
        " g.extra_credit, g.needs_manual_grade, v.verdict, v.answer"
    )
    seen = "LEFT JOIN vaecourse_graded v ON v.grade_id = g.id"
    return [
        tuple(r)
        for r in book.execute(f"SELECT {columns} {_GRADES} {seen} WHERE a.name = ?1 OR ?1 IS NULL", [name])
    ]


def comments(book: sqlite3.Connection, name: str | None = None) -> list[tuple]:
    """(assignment, student, cell, automatic, manual) of every comment that says something."""
    query = (
        "SELECT a.name, s.student_id, b.name, k.auto_comment, k.manual_comment FROM comment k"
        " JOIN base_cell b ON b.id = k.cell_id JOIN submitted_notebook n ON n.id = k.notebook_id"
        " JOIN submitted_assignment s ON s.id = n.assignment_id JOIN assignment a ON a.id = s.assignment_id"
        " WHERE (a.name = ?1 OR ?1 IS NULL) AND coalesce(k.auto_comment, k.manual_comment) IS NOT NULL"
    )
    return [tuple(r) for r in book.execute(query, [name])]


_GRADES = (
    "FROM grade g JOIN base_cell b ON b.id = g.cell_id JOIN grade_cells c ON c.id = b.id"
    " JOIN submitted_notebook n ON n.id = g.notebook_id JOIN submitted_assignment s ON s.id = n.assignment_id"
    " JOIN assignment a ON a.id = s.assignment_id"
)


def _released(folder: ClassFolder, name: str) -> dict:
    try:
        return json.loads(folder.release(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"{name} is not released, or damaged: `vaecourse class release {name}`.") from error


def _sheet(book: sqlite3.Connection, name: str, student: str, handed_in: str | None) -> str:
    """The id of a student's notebook in the gradebook, with a row for each grade and comment; made if missing."""
    here = cells(book, name)
    book.execute("INSERT OR IGNORE INTO student (id) VALUES (?)", [student])
    a = found(book, "submitted_assignment", {"assignment_id": here[0]["assignment"], "student_id": student})
    book.execute(
        "UPDATE submitted_assignment SET timestamp = ?1 WHERE id = ?2 AND timestamp IS NOT ?1", [handed_in, a]
    )
    where = {"notebook_id": here[0]["notebook"], "assignment_id": a}
    sheet = found(book, "submitted_notebook", where, flagged=False)
    for cell in here:
        put_row(book, sheet, cell["type"], cell["id"])
    return sheet


def _check(book: sqlite3.Connection, sheet: str, cell: sqlite3.Row, earned: tuple[float, str] | None) -> None:
    """The points of a check; without a verdict on it, it is due."""
    grade = _grade(book, sheet, cell)
    points, verdict = earned or (None, None)
    due = points is None
    if grade["manual_score"] is not None:  # a person overruled it: that stands, until there is something new
        due = bool(grade["needs_manual_grade"]) or grade["auto_score"] not in (None, points)
    _set(book, grade, points, due, verdict, None)


def _written(book: sqlite3.Connection, sheet: str, cell: sqlite3.Row, answer: str) -> None:
    grade = _grade(book, sheet, cell)
    blank = _blank(cell, answer)
    digest = hashlib.sha256(answer.strip().encode("utf-8", "surrogatepass")).hexdigest()[:32]
    due = not blank
    if grade["manual_score"] is not None:
        due = bool(grade["needs_manual_grade"]) or grade["answer"] not in (None, digest)
    _set(book, grade, 0.0 if blank else None, due, None, digest)


def _grade(book: sqlite3.Connection, sheet: str, cell: sqlite3.Row) -> sqlite3.Row:
    return book.execute(
        "SELECT g.*, v.verdict, v.answer FROM grade g LEFT JOIN vaecourse_graded v ON v.grade_id = g.id"
        " WHERE g.notebook_id = ? AND g.cell_id = ?",
        [sheet, cell["id"]],
    ).fetchone()


def _set(book, grade: sqlite3.Row, points: float | None, due: bool, verdict: str | None, answer: str | None):
    if (grade["auto_score"], bool(grade["needs_manual_grade"])) != (points, due):
        book.execute(
            "UPDATE grade SET auto_score = ?, needs_manual_grade = ? WHERE id = ?", [points, due, grade["id"]]
        )
    if (grade["verdict"], grade["answer"]) != (verdict, answer):
        book.execute(
            "INSERT OR REPLACE INTO vaecourse_graded VALUES (?, ?, ?)", [grade["id"], verdict, answer]
        )


def _comments(book, sheet: str, name: str, answers: Mapping[str, str], refusal: str) -> None:
    """The automatic comments: an empty answer; and why a submission was refused, at the first answer."""
    here = cells(book, name)
    graded = {c["name"] for c in here if c["type"] == "GradeCell" and c["cell_type"] == "markdown"}
    for i, cell in enumerate([c for c in here if c["type"] == "SolutionCell"]):
        empty = cell["name"] in graded and _blank(cell, answers.get(cell["name"], ""))
        said = defuse.markdown(refusal) if refusal and i == 0 else NO_RESPONSE if empty else None
        book.execute(
            "UPDATE comment SET auto_comment = ?1 WHERE notebook_id = ?2 AND cell_id = ?3 AND auto_comment IS NOT ?1",
            [said, sheet, cell["id"]],
        )


def _answers(submission: Submission) -> dict[str, str]:
    """The text of each answer cell: of the first one of its name."""
    answers: dict[str, str] = {}
    for cell in submission.notebook["cells"] if submission.notebook else ():
        name = ((cell.get("metadata") or {}).get("nbgrader") or {}).get("grade_id")
        if name and cell["cell_type"] == "markdown":
            pictures = json.dumps(cell["attachments"], sort_keys=True) if cell.get("attachments") else ""
            answers.setdefault(name, text_of(cell) + pictures)
    return answers


def _blank(cell: sqlite3.Row, answer: str) -> bool:
    return answer.strip() in ("", (cell["source"] or "").strip())


def _time(said: str) -> str | None:
    """An ISO time as nbgrader's database holds it: UTC, without saying so."""
    try:
        time = datetime.fromisoformat(said)
    except ValueError:
        return None
    time = time.astimezone(UTC) if time.tzinfo else time
    return time.strftime("%Y-%m-%d %H:%M:%S.%f")
