"""The assignment that the other tests grade is sound itself: its solutions earn all points, half-right ones their part."""

import numpy as np
import pytest

from vaecourse import assignments
from vaecourse.assignments.solutions import from_notebook
from vaecourse.exercises.core import grade

from . import tiny


def answers(given: dict) -> dict:
    names = {"np": np}
    exec("\n".join(given[name] for name in tiny.PARAMETERS), names)
    return names


def test_the_source_notebook_holds_the_solutions(tiny_class):
    found = from_notebook(tiny_class.folder.source("T1"))
    assert found["spread"]([1.0, 3.0]) == 1.0
    assert "SOLUTION" not in tiny_class.folder.release("T1").read_text("utf-8")


@pytest.mark.parametrize(
    "given, points", [(tiny.SOLUTIONS, [4, 3]), (tiny.HALF, [4, 2]), (tiny.WRONG, [0, 0])]
)
@pytest.mark.parametrize("table_only", [False, True])
def test_points_are_what_the_answers_earn(tiny_assignment, given, points, table_only):
    known = assignments.assignment("T1", None if table_only else tiny.solved())
    assert known.points == 10
    names, rng = answers(given), np.random.default_rng(0)
    assert [grade(e, names[e.name.split("/")[1]], rng).points for e in known.exercises] == points


def test_it_is_forgotten_again(tiny_assignment):
    tiny.forget()
    with pytest.raises(ValueError, match="There is no assignment 'T1'"):
        assignments.assignment("T1")
