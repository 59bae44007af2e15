"""The assignments, by name: `assignment("A1")` as a student's installation knows it, or with its solutions."""

import functools
import importlib
import json
from pathlib import Path

from vaecourse.errors import CourseError

from . import solutions
from .core import Assignment, Solved, disagreement, read_table, table, table_file, visible

MODULES = {
    "A1": "kl_and_coding",
    "A2": "poisson_mixture",
    "A3": "gaussian_gamma",
    "A5": "creatures_vae",
}


def assignment(name: str, solved: Solved | None = None) -> Assignment:
    """The assignment of that name; with `solved`, its exercises have their references and draw their inputs.

    ValueError for a name that there is not.
    """
    if name not in MODULES:
        raise ValueError(f"There is no assignment {name!r}; there are {', '.join(MODULES)}.")
    module = importlib.import_module(f"{__name__}.{MODULES[name]}")
    exercises = (
        module.exercises(solved) if solved is not None else visible(module.exercises, read_table(name))
    )
    return Assignment(name, module.TITLE, exercises, module.WRITTEN, module.LIMITS)


@functools.cache
def of_assignment(name: str):
    """The exercises of an assignment as `check` uses them."""
    return assignment(name).exercises


def with_solutions(name: str, source: Path) -> Assignment:
    """The assignment with the references that stand in the notebook `source`; CourseError if one is missing."""
    try:
        return assignment(name, solutions.from_notebook(source))
    except KeyError as missing:
        raise CourseError(f"The notebook {source} holds no solution for {missing.args[0]}.") from missing


def trusted(name: str, source: Path) -> Assignment:
    """`with_solutions`, where they give what the course's own gave for the visible inputs; CourseError if one does not.

    Students' `check` knows these values: with other references, right answers would lose points.
    """
    known = with_solutions(name, source)
    if wrong := disagreement(known.exercises, read_table(name)):
        raise CourseError(
            f"The solution of {wrong} in {source} gives other values than the course's own: right answers would lose "
            "points. Bring it back."
        )
    return known


def write_table(name: str, source: Path) -> None:
    """Write what the solutions in `source` give for the visible inputs; the file is part of the package."""
    made = json.dumps(table(with_solutions(name, source).exercises), ensure_ascii=False)
    table_file(name).write_text(made + "\n", encoding="utf-8")
