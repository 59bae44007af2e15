"""The grades of a class as a table that every spreadsheet reads: one row for each student and assignment."""

import csv
import io
from pathlib import Path

from vaecourse.errors import CourseError

from . import defuse, gradebook, journal
from .database import opened
from .folder import ClassFolder

FILE = "grades.csv"
FIRST = (
    "student",
    "assignment",
    "handed in",
    "status",
    "points",
    "of",
    "by the computer",
    "by hand",
    "still to grade by hand",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export(folder: ClassFolder, file: Path | str | None = None) -> Path:
    """Write the grades of all assignments to `file` (default: grades.csv in the class folder), and return where it is.

    After the sums come two columns for each exercise (points and verdict), one for each written answer. UTF-8 with
    the mark that spreadsheets look for, fields separated by commas; a text that a spreadsheet would take for a formula begins with an apostrophe. CourseError where
    there are no grades, or the file cannot be written.
    """
    with opened(folder) as book:
        rows = gradebook.grades(book)
        order = {
            r["name"]: i for i, r in enumerate(book.execute("SELECT name FROM source_cell ORDER BY rowid"))
        }
    if not rows:
        raise CourseError("There are no grades yet: `vaecourse class grade A1`.")
    sheets: dict[tuple[str, str], dict[str, object]] = {}
    columns: dict[tuple, list[str]] = {}
    for name, student, time, cell, kind, of, auto, manual, extra, due, verdict, _ in rows:
        given = auto if manual is None else manual
        points = None if given is None else given + (extra or 0.0)
        sheet = sheets.setdefault(
            (student, name),
            dict(zip(FIRST, (student, name, (time or "")[:19], "", 0.0, 0.0, 0.0, 0.0, 0), strict=True)),
        )
        sheet["points"] += points or 0.0
        sheet["of"] += of
        sheet["by the computer" if kind == "code" else "by hand"] += points or 0.0
        sheet["still to grade by hand"] += bool(due)
        part = f"{name}/{cell.removeprefix('check_')}"
        made = columns.setdefault(
            (name, order.get(cell, 0), cell), [part] if kind != "code" else [part, f"{part}: verdict"]
        )
        sheet[made[0]] = points
        if kind == "code":
            sheet[made[1]] = verdict or ""
    refused = _refused(folder, {name for _, name in sheets})
    for (student, name), sheet in sheets.items():
        due = "hand grading due" if sheet["still to grade by hand"] else "graded"
        why = refused.get((student, name))
        sheet["status"] = f"refused: {why}" if why else due
    header = [*FIRST, *(column for key in sorted(columns) for column in columns[key])]
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(map(_field, header))
    for key in sorted(sheets, key=lambda sheet: (sheet[0].casefold(), sheet)):
        writer.writerow([_field(sheets[key].get(column)) for column in header])
    path = folder.root / FILE if file is None else Path(file).expanduser()
    try:
        journal.replace(path, table.getvalue().encode("utf-8-sig"))
    except OSError as error:
        raise CourseError(f"The grades cannot be written to {path}: {error.strerror}.") from error
    return path


def _refused(folder: ClassFolder, assignments: set[str]) -> dict[tuple[str, str], str]:
    """Why a submission could not be graded, by student (as the gradebook writes him) and assignment."""
    entries = {
        (defuse.name(student), name): journal.read(folder, name, student)
        for name in assignments
        for student in folder.students(name)
    }
    return {key: entry.grade.refusal for key, entry in entries.items() if entry and entry.grade.refusal}


def _field(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
