"""The file of nbgrader's gradebook: made, opened for one transaction at a time, and told what cells an assignment has."""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping

from vaecourse.errors import CourseError

from . import journal
from .folder import CONFIG, ClassFolder

WAIT = 30.0  # seconds for another writer to finish
OURS = "CREATE TABLE IF NOT EXISTS vaecourse_graded (grade_id TEXT PRIMARY KEY, verdict TEXT, answer TEXT)"
KINDS = {"GradeCell": "grade", "SolutionCell": "solution"}  # and what says so in a cell


@contextlib.contextmanager
def opened(folder: ClassFolder) -> Iterator[sqlite3.Connection]:
    """The gradebook, made if there is none, for one transaction: done whole, or not at all."""
    if not folder.database.is_file():
        _make(folder)
    book = None
    try:
        book = sqlite3.connect(folder.database, timeout=WAIT, isolation_level=None)
        book.row_factory = sqlite3.Row
        book.execute("BEGIN IMMEDIATE")
        book.execute(OURS)
        yield book
        book.execute("COMMIT")
    except sqlite3.Error as error:
        raise CourseError(_why(folder, error)) from error
    finally:
        if book is not None:
            book.close()  # what was not committed never was


def enter(folder: ClassFolder, name: str, released: Mapping, book: sqlite3.Connection | None = None) -> None:
    """Bring the cells of a released notebook into the gradebook: what nbgrader's own `generate_assignment` writes there.

    It may be released again after it was handed in: points of a cell that are worth something else now are marked to be
    looked at again, a new cell is due for everybody, and one that is gone is taken out, unless a person gave points or a
    comment there: CourseError.
    """
    if book is None:
        with opened(folder) as book:
            return enter(folder, name, released, book)
    course = course_id(folder)
    book.execute("INSERT OR IGNORE INTO course (id) VALUES (?)", [course])
    a = found(book, "assignment", {"name": name}, course_id=course)
    n = found(book, "notebook", {"name": name, "assignment_id": a})
    kernel = json.dumps(released["metadata"].get("kernelspec", {}))
    book.execute("UPDATE notebook SET kernelspec = ? WHERE id = ?", [kernel, n])
    marked = [(c, about) for c in released["cells"] if (about := (c.get("metadata") or {}).get("nbgrader"))]
    wanted = {
        (kind, about["grade_id"]): cell
        for cell, about in marked
        for kind, key in KINDS.items()
        if about.get(key)
    }
    _remove(book, name, n, wanted)
    for (kind, cell_name), cell in wanted.items():
        _put_cell(book, n, kind, cell_name, cell)
    book.execute("DELETE FROM source_cell WHERE notebook_id = ?", [n])
    for cell, about in marked:
        if any(about.get(key) for key in ("grade", "solution", "locked")):
            locked = not about.get("solution") and bool(about.get("grade") or about.get("locked"))
            found(
                book, "source_cell", {"name": about["grade_id"], "notebook_id": n}, cell_type=cell["cell_type"],
                locked=locked, source=text_of(cell), checksum=about.get("checksum"),
            )  # fmt: skip


def found(book: sqlite3.Connection, table: str, where: Mapping[str, str], **values) -> str:
    """The id of the row of that kind; it is made, with these values, if it is not there.

    The id of a row is the same each time, so that the same grades make the same gradebook.
    """
    asked = " AND ".join(f"{column} = ?" for column in where)
    have = book.execute(f"SELECT id FROM {table} WHERE {asked}", list(where.values())).fetchone()
    if have:
        return have["id"]
    known = "\0".join([table, *where.values()]).encode("utf-8", "surrogatepass")
    row = {"id": hashlib.sha256(known).hexdigest()[:32], **where, **values}
    marks = ", ".join("?" * len(row))
    book.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    return row["id"]


def cells(book: sqlite3.Connection, name: str) -> list[sqlite3.Row]:
    """The cells of an assignment that have points or comments."""
    return book.execute(
        "SELECT b.id, b.name, b.type, c.max_score, c.cell_type, n.id AS notebook, a.id AS assignment, s.source"
        " FROM base_cell b JOIN notebook n ON n.id = b.notebook_id JOIN assignment a ON a.id = n.assignment_id"
        " LEFT JOIN grade_cells c ON c.id = b.id"
        " LEFT JOIN source_cell s ON s.notebook_id = n.id AND s.name = b.name"
        " WHERE a.name = ? AND n.name = ? ORDER BY s.rowid, b.rowid",
        [name, name],
    ).fetchall()


def course_id(folder: ClassFolder) -> str:
    """The name of the course, as nbgrader's configuration in the class folder gives it."""
    return configuration(folder).CourseDirectory.get("course_id") or "default_course"


def configuration(folder: ClassFolder):
    """nbgrader's configuration in the class folder (a traitlets Config); CourseError if it is damaged."""
    from traitlets.config import PyFileConfigLoader

    try:
        return PyFileConfigLoader(CONFIG, path=str(folder.root)).load_config()
    except Exception as error:  # it is a Python file, and may do anything
        raise CourseError(f"The file {folder.root / CONFIG} is missing or damaged: {error}.") from error


def text_of(cell: Mapping) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def _make(folder: ClassFolder) -> None:
    """Make an empty gradebook of nbgrader's present form, beside its place and then moved there."""
    from alembic.script import ScriptDirectory
    from nbgrader.api import Base
    from nbgrader.dbutil import ALEMBIC_DIR
    from sqlalchemy import create_mock_engine

    statements = [OURS, "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"]
    maker = create_mock_engine(
        "sqlite://", lambda sql, *a, **k: statements.append(str(sql.compile(dialect=maker.dialect)))
    )
    Base.metadata.create_all(maker, checkfirst=False)
    version = ScriptDirectory(ALEMBIC_DIR).get_current_head()
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as book:
        for statement in statements:
            book.execute(statement)
        book.execute("INSERT INTO alembic_version VALUES (?)", [version])
        content = book.serialize()
    if not folder.database.exists():
        journal.replace(folder.database, content)


def _why(folder: ClassFolder, error: sqlite3.Error) -> str:
    if "locked" in str(error):
        return f"The gradebook {folder.database} is being written by another program: try again when that has finished."
    if "no such table" in str(error) or "no column" in str(error):
        return f"The gradebook {folder.database} is of another version of nbgrader: `nbgrader db upgrade` brings it up."
    return f"The gradebook {folder.database} cannot be used ({error}): bring it back from a backup."


def _remove(book, name: str, notebook: str, wanted: Mapping) -> None:
    for cell in book.execute(
        "SELECT id, name, type FROM base_cell WHERE notebook_id = ?", [notebook]
    ).fetchall():
        if (cell["type"], cell["name"]) in wanted:
            continue
        by_a_person = book.execute(
            "SELECT (SELECT count(*) FROM grade WHERE cell_id = ?1 AND coalesce(manual_score, extra_credit) IS NOT NULL)"
            " + (SELECT count(*) FROM comment WHERE cell_id = ?1 AND manual_comment IS NOT NULL)",
            [cell["id"]],
        ).fetchone()[0]
        if by_a_person:
            raise CourseError(
                f"The cell {cell['name']} is gone from {name}, but {by_a_person} points or comments were given there by "
                "hand: bring the cell back, or take them away in the formgrader first."
            )
        book.execute(
            "DELETE FROM vaecourse_graded WHERE grade_id IN (SELECT id FROM grade WHERE cell_id = ?)",
            [cell["id"]],
        )
        for table, key in (
            ("grade", "cell_id"), ("comment", "cell_id"), ("grade_cells", "id"), ("solution_cells", "id"),
            ("task_cells", "id"), ("base_cell", "id"),
        ):  # fmt: skip
            book.execute(f"DELETE FROM {table} WHERE {key} = ?", [cell["id"]])


def _put_cell(book, notebook: str, kind: str, name: str, cell: Mapping) -> None:
    """A cell of the assignment, and its rows for everybody who has handed in already."""
    at = found(book, "base_cell", {"name": name, "notebook_id": notebook, "type": kind})
    if kind == "SolutionCell":
        book.execute("INSERT OR IGNORE INTO solution_cells (id) VALUES (?)", [at])
    else:
        points = float(cell["metadata"]["nbgrader"]["points"])
        was = book.execute("SELECT max_score FROM grade_cells WHERE id = ?", [at]).fetchone()
        if was is None:
            values = [at, points, cell["cell_type"]]
            book.execute("INSERT INTO grade_cells (id, max_score, cell_type) VALUES (?, ?, ?)", values)
        elif was["max_score"] != points:
            book.execute("UPDATE grade_cells SET max_score = ? WHERE id = ?", [points, at])
            book.execute("UPDATE grade SET needs_manual_grade = 1 WHERE cell_id = ?", [at])
    for sheet in book.execute(
        "SELECT id FROM submitted_notebook WHERE notebook_id = ?", [notebook]
    ).fetchall():
        put_row(book, sheet["id"], kind, at)


def put_row(book: sqlite3.Connection, sheet: str, kind: str, cell: str) -> None:
    """A student's grade or comment at a cell; a new grade is due."""
    where = {"notebook_id": sheet, "cell_id": cell}
    if kind == "GradeCell":
        found(book, "grade", where, needs_manual_grade=True)
    else:
        found(book, "comment", where)
