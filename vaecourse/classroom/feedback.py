"""What a student reads about his work: nbgrader's own feedback page, made from the graded notebook and the gradebook.

It is made in this process, with one exporter for the whole class, and lies where nbgrader's `release_feedback` and its
exchange look for it: feedback/STUDENT/A1/A1.html, with the time of handing in and the key of the exchange beside it.
"""

import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from vaecourse.errors import CourseError

from . import gradebook, journal
from .autograded import KEY, TIMESTAMP
from .database import opened
from .folder import ClassFolder

WAITING = "Nobody has graded this answer yet."


def generate(folder: ClassFolder, name: str, *, progress: bool = True) -> list[Path]:
    """Write the feedback of everybody whose work is graded, and return the pages, in the order of the names.

    A page that would come out the same stays as it is. CourseError if nobody's work is graded.
    """
    graded = sorted((folder.root / "autograded").glob(f"*/{name}/{name}.ipynb"))
    if not graded:
        raise CourseError(f"No {name} is graded yet: `vaecourse class grade {name}`.")
    grades, comments = _from_the_gradebook(folder, name)
    exporter = _exporter(folder)
    written = []
    quiet = not progress or not sys.stderr.isatty()
    for path in tqdm(graded, desc=f"feedback {name}", unit="page", disable=quiet):
        student = path.parent.parent.name
        if student not in grades:
            raise CourseError(
                f"The gradebook has no grades of {student} for {name}: grade again, `vaecourse class grade {name}`."
            )
        to = folder.feedback(student, name) / f"{name}.html"
        page = _page(exporter, path, name, grades[student], comments.get(student, {}))
        for at, content in ((to, page), *((to.parent / n, _beside(path, n)) for n in (TIMESTAMP, KEY))):
            if not at.is_file() or at.read_bytes() != content.encode():
                journal.replace(at, content.encode())
        to.chmod(0o644)
        written.append(to)
    return written


def _from_the_gradebook(folder: ClassFolder, name: str) -> tuple[dict, dict]:
    """For each student the (points, of) of each cell, and the comment there: a person's, or ours."""
    grades: dict[str, dict[str, tuple[float, float]]] = {}
    comments: dict[str, dict[str, str]] = {}
    with opened(folder) as book:
        for _, student, cell, auto, manual in gradebook.comments(book, name):
            comments.setdefault(student, {})[cell] = auto if manual is None else manual
        for _, student, _, cell, _, of, auto, manual, extra, due, *_ in gradebook.grades(book, name):
            given = auto if manual is None else manual
            points = 0.0 if given is None else given + (extra or 0.0)
            grades.setdefault(student, {})[cell] = (points, of)
            if given is None and due:
                comments.setdefault(student, {}).setdefault(cell, WAITING)
    return grades, comments


def _page(exporter, path: Path, name: str, grades: Mapping, comments: Mapping) -> str:
    """The page of one student, as nbgrader's template makes it."""
    import nbformat

    try:
        notebook = nbformat.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CourseError(
            f"The graded notebook {path} is damaged: delete it, and grade {name} again."
        ) from error
    for cell in notebook.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("grade"):
            about["score"], about["points"] = grades.get(about["grade_id"], (0.0, about["points"]))
        if about.get("solution"):
            about["comment"] = comments.get(about["grade_id"])
    resources = {
        "unique_key": name,
        "metadata": {"name": name},
        "nbgrader": {
            "notebook": name,
            "assignment": name,
            "score": sum(points for points, _ in grades.values()),
            "max_score": sum(of for _, of in grades.values()),
            "late_penalty": 0,
        },
    }
    return exporter.from_notebook_node(notebook, resources)[0]


def _exporter(folder: ClassFolder):
    """nbgrader's exporter of feedback, without the step that asks the gradebook anew for each cell."""
    from nbgrader.converters import GenerateFeedback
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.preprocessors import GetGrades

    from .database import configuration

    config, log = configuration(folder), logging.Logger("nbgrader")
    log.addHandler(logging.NullHandler())  # a student's figure without a text of its own is no news
    course = CourseDirectory(config=config, log=log)
    course.root = str(folder.root)
    converter = GenerateFeedback(course, config=config, log=log)
    exporter = converter.exporter_class(parent=converter, config=converter.config, log=log)
    for step in converter.preprocessors:
        if step is not GetGrades:
            exporter.register_preprocessor(step)
    return exporter


def _beside(graded: Path, name: str) -> str:
    try:
        return (graded.parent / name).read_text(encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{graded.parent / name} is missing: delete {graded}, and grade again.") from error
