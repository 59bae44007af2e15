"""From the source notebook to what students get: nbgrader makes the student version, and we look for leaks in it.

Nothing of the old release is touched before all is well; then notebook, zip and gradebook follow one after the other,
each in one step, so that releasing again repairs whatever an interruption left.
"""

import ast
import io
import json
import logging
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from vaecourse import assignments
from vaecourse.assignments.core import Assignment
from vaecourse.errors import CourseError

from . import database, journal
from .database import text_of
from .folder import ClassFolder
from .leaks import leak

HOWTO = """\
{title} ({name})

1. Install the course if you have not yet (its README says how), and open {name}.ipynb in JupyterLab.
2. Replace each `...` by your own code, and write your answers into the cells below the questions. `check(...)` tells at
   once how far you are. Keep the cells that are there; add as many as you like.
3. Before you hand in:   vaecourse class validate {name}.ipynb
   It runs your notebook from top to bottom and says in one sentence what is wrong, if anything is.
4. Hand in {name}.ipynb as your teacher asked: through the hub, or as the zip that this makes:
   vaecourse class validate {name}.ipynb --zip
"""


def release(folder: ClassFolder, name: str) -> Path:
    """Make the student version of an assignment and its zip, and enter its cells into the gradebook; return the zip.

    CourseError, naming the cell, where source and exercises disagree or anything of the solutions is left.
    """
    try:
        known = assignments.assignment(name)
    except ValueError as error:
        raise CourseError(str(error)) from error
    source = _read(folder, name)
    agree(known, source, f"source/{name}/{name}.ipynb")
    digest = folder.digest(name)
    assignments.trusted(name, folder.source(name))
    student = _student_version(folder, name)
    if found := leak(source, student, folder.secret()):
        raise CourseError(f"{name} is not released: {found}")
    content = (json.dumps(student, indent=1, ensure_ascii=False) + "\n").encode()
    database.enter(folder, name, student)
    journal.replace(folder.release(name), content)
    folder.release(name).chmod(0o644)
    journal.replace(folder.released(name), digest.encode("ascii"))
    journal.replace(folder.handout(name), _zip(known, content))
    folder.handout(name).chmod(0o644)
    return folder.handout(name)


def agree(known: Assignment, source: Mapping, where: str) -> None:
    """CourseError, naming the cell, if the source notebook does not ask what the assignment's exercises judge."""
    said = (source["metadata"].get("vaecourse") or {}).get("assignment")
    if said != known.name:
        raise CourseError(f"{where} says that it is {said}, not {known.name}, in its metadata.")
    cells: dict[str, list[Mapping]] = {}
    for cell in source["cells"]:
        about = (cell.get("metadata") or {}).get("nbgrader") or {}
        if about:
            cells.setdefault(about.get("grade_id", ""), []).append(cell)
    twice = [name for name, found in cells.items() if len(found) > 1]
    if twice:
        raise CourseError(f"{where} has more than one cell {twice[0]}.")
    one = {name: found[0] for name, found in cells.items()}
    expected = {}
    for exercise in known.exercises:
        function = exercise.name.split("/")[1]
        expected[function] = ("code", False, True, None)
        expected[f"check_{function}"] = ("code", True, False, exercise.points)
    for written in known.written:
        expected[written.name] = ("markdown", True, True, written.points)
    for name, (kind, grade, solution, points) in expected.items():
        if name not in one:
            raise CourseError(f"{where} has no cell {name}.")
        about = one[name]["metadata"]["nbgrader"]
        if one[name]["cell_type"] != kind or (bool(about.get("grade")), bool(about.get("solution"))) != (
            grade,
            solution,
        ):
            role = "an answer with points" if grade and solution else "a check" if grade else "a solution"
            raise CourseError(
                f"The cell {name} of {where} should be a {kind} cell that nbgrader knows as {role}."
            )
        if points is not None and about.get("points") != points:
            raise CourseError(
                f"The cell {name} of {where} has {about.get('points')} points; it should have {points}."
            )
        if grade and not solution and not _calls(text_of(one[name]), f"{known.name}/{name[6:]}", name[6:]):
            raise CourseError(
                f'The cell {name} of {where} should be: check("{known.name}/{name[6:]}", {name[6:]})'
            )
    for name, cell in one.items():
        if cell["metadata"]["nbgrader"].get("grade") and name not in expected:
            raise CourseError(
                f"The cell {name} of {where} has points, but no exercise and no question belongs to it."
            )


def _calls(code: str, exercise: str, function: str) -> bool:
    try:
        return ast.dump(ast.parse(code)) == ast.dump(ast.parse(f'check("{exercise}", {function})'))
    except SyntaxError:
        return False


def _read(folder: ClassFolder, name: str) -> dict:
    path = folder.source(name)
    try:
        source = json.loads(path.read_text(encoding="utf-8"))
        for cell in source["cells"]:
            text_of(cell), cell["cell_type"], cell["metadata"]
        return {**source, "metadata": dict(source["metadata"])}
    except FileNotFoundError as error:
        raise CourseError(f"There is no {path}: `vaecourse class init` brings the sources.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CourseError(f"The source notebook {path} is damaged: bring it back from the course.") from error


def _student_version(folder: ClassFolder, name: str) -> dict:
    """What nbgrader makes of the source, and no widget, output or private mark in it."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.preprocessors import SaveCells

    for left in folder.root.glob(".release-*"):  # of a release that was killed
        shutil.rmtree(left, ignore_errors=True)
    config = database.configuration(folder)
    log = logging.Logger("nbgrader")
    said = io.StringIO()
    log.addHandler(handler := logging.StreamHandler(said))
    handler.setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(dir=folder.root, prefix=".release-") as made:
        course = CourseDirectory(config=config, log=log)
        course.root, course.assignment_id, course.notebook_id = str(folder.root), name, name
        course.release_directory = Path(made).name
        converter = GenerateAssignment(course, config=config, log=log, no_database=True)
        converter.preprocessors = [p for p in converter.preprocessors if p is not SaveCells]
        try:
            converter.start()
            student = json.loads((Path(made) / name / f"{name}.ipynb").read_text(encoding="utf-8"))
        except (Exception, SystemExit) as error:
            last = [line for line in said.getvalue().splitlines() if "Error" in line or "rror:" in line]
            raise CourseError(
                f"nbgrader could not make the student version of {name}: {(last or [str(error)])[0]}"
            ) from error
    for cell in student["cells"]:
        cell["source"] = text_of(cell)
        kept = ("nbgrader", "deletable", "editable", "tags")
        cell["metadata"] = {k: cell["metadata"][k] for k in kept if k in cell["metadata"]}
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    kept = ("kernelspec", "language_info", "vaecourse")
    student["metadata"] = {k: student["metadata"][k] for k in kept if k in student["metadata"]}
    return student


def _zip(known: Assignment, notebook: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        howto = HOWTO.format(title=known.title, name=known.name).encode()
        for name, content in ((f"{known.name}.ipynb", notebook), ("HOWTO.txt", howto)):
            about = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the same bytes each time
            about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            file.writestr(about, content)
    return packed.getvalue()
