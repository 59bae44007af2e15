"""T1, an assignment of two small functions and one written answer, for tests that grade: `register()` makes it known.

Its exercise module is this file: what stands in `vaecourse/assignments/kl_and_coding.py` for A1 stands here for T1. The
notebooks are made by `source`, `release` and `submission`, with nbgrader's metadata in each cell.
"""

import json
import sys

import nbformat.v4 as v4
import numpy as np

from vaecourse import assignments
from vaecourse.assignments.core import Limits, Written, table
from vaecourse.exercises.cases import agrees, close, drawn, fixed, numbers
from vaecourse.exercises.core import Exercise, Property
from vaecourse.exercises.kinds import NUMBER, NUMBERS

NAME = "T1"
TITLE = "Two small functions"
WRITTEN = (Written("why_squares", 3, (("says that the deviations themselves cancel", 2), ("an example", 1))),)
LIMITS = Limits(seconds=60.0, cell_seconds=5.0, cpu_seconds=20.0, memory=512 * 2**20)

SOLUTIONS = {
    "centred": "def centred(x):\n    x = np.asarray(x, dtype=float)\n    return x - x.mean()",
    "spread": "def spread(x):\n    return float((centred(x) ** 2).mean())",
    "why_squares": "The deviations themselves add up to zero: (−1) + 1 = 0. MODEL-ANSWER",
}
HALF = {**SOLUTIONS, "spread": "def spread(x):\n    return float(abs(centred(x)).mean())"}  # 6 of 7 points
WRONG = {"centred": "def centred(x):\n    return [1.0]", "spread": "def spread(x):\n    return -1.0"}
PARAMETERS = {"centred": "x", "spread": "x"}
POINTS = {"centred": 4, "spread": 3}


def _sample(rng):
    return (numbers(rng, int(rng.integers(2, 7))),)


def exercises(solved):
    centred, spread = solved["centred"], solved["spread"]
    return (
        Exercise(
            name="T1/centred",
            title="Deviations from the mean",
            statement="Write centred(x): the numbers x less their mean.",
            reference=centred,
            returns=NUMBERS,
            properties=(
                Property(
                    "as many as there were",
                    "Every number keeps its place: nothing is added, nothing is lost.",
                    drawn(3, _sample, ([1.0, 2.0],)),
                    lambda case, outputs: len(outputs[0]) == len(case[0][0]),
                ),
                Property(
                    "adds up to zero",
                    "What lies above the mean and what lies below it balance.",
                    drawn(3, _sample, ([1.0, 3.0],)),
                    lambda case, outputs: close(sum(outputs[0]), 0, abs_=1e-9),
                ),
                Property(
                    "agrees with the definition",
                    "From each number take the mean of all.",
                    drawn(5, _sample, ([1.0, 3.0],)),
                    agrees(centred),
                    points=2,
                ),
            ),
        ),
        Exercise(
            name="T1/spread",
            title="The mean squared deviation",
            statement="Write spread(x): the mean of the squared deviations from the mean.",
            reference=spread,
            returns=NUMBER,
            forbids=("numpy.var", "numpy.std", "scipy.stats"),
            properties=(
                Property(
                    "zero for equal numbers",
                    "Where nothing deviates, there is nothing to square.",
                    fixed(([2.0, 2.0],), ([0.0, 0.0, 0.0],)),
                    lambda case, outputs: close(outputs[0], 0),
                ),
                Property(
                    "never negative",
                    "A mean of squares.",
                    drawn(3, _sample),
                    lambda case, outputs: outputs[0] >= 0,
                ),
                Property(
                    "agrees with the definition",
                    "Squares, not absolute values; and divide by how many there are.",
                    drawn(5, _sample, ([1.0, 3.0],)),
                    agrees(spread),
                ),
            ),
        ),
    )


def source() -> dict:
    """The teacher's notebook, with solutions between their marks."""
    made = {name: f"### BEGIN SOLUTION\n{text}\n### END SOLUTION" for name, text in SOLUTIONS.items()}
    return _notebook(made)


def release() -> dict:
    """What a student begins with."""
    return submission()


def submission(**answers: str) -> dict:
    """A student's notebook: answers by the name of their cell, e.g. `centred="def centred(x): ..."`."""
    begun = {name: f"def {name}({given}):\n    ..." for name, given in PARAMETERS.items()}
    return _notebook({**begun, "why_squares": "YOUR ANSWER HERE", **answers})


def register() -> None:
    """Make T1 known to this process, next to A1, A2, ...; a second call changes nothing."""
    if NAME in assignments.MODULES:
        return
    sys.modules["vaecourse.assignments.tiny_for_tests"] = sys.modules[__name__]
    read = assignments.read_table
    assignments.read_table = lambda name: _table() if name == NAME else read(name)
    assignments.MODULES[NAME] = "tiny_for_tests"


def forget() -> None:
    """Undo `register`."""
    if assignments.MODULES.pop(NAME, None):
        assignments.read_table = assignments.core.read_table
        sys.modules.pop("vaecourse.assignments.tiny_for_tests")
        assignments.of_assignment.cache_clear()


def solved() -> dict:
    """The reference functions."""
    names: dict = {"np": np}
    for name in PARAMETERS:
        exec(SOLUTIONS[name], names)
    return {name: names[name] for name in PARAMETERS}


def _table() -> dict:
    return table(exercises(solved()))


def _notebook(answers: dict) -> dict:
    cells = [v4.new_markdown_cell("# Two small functions", metadata=_locked("title"))]
    cells.append(v4.new_code_cell("import numpy as np\n\nfrom vaecourse.lesson import check"))
    cells[-1]["metadata"]["tags"] = ["shared"]
    for name in PARAMETERS:
        cells.append(v4.new_code_cell(answers[name], metadata=_about(name, solution=True)))
        graded = _about(f"check_{name}", grade=True, locked=True, points=POINTS[name])
        cells.append(v4.new_code_cell(f'check("T1/{name}", {name})', metadata=graded))
    for written in WRITTEN:
        rubric = "".join(f"\n- {what} ({points})" for what, points in written.rubric)
        question = f"Why are the deviations squared?\n{rubric}"
        cells.append(v4.new_markdown_cell(question, metadata=_locked(f"question_{written.name}")))
        graded = _about(written.name, grade=True, solution=True, points=written.points)
        cells.append(v4.new_markdown_cell(answers[written.name], metadata=graded))
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"  # the same notebook each time
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "vaecourse": {"assignment": NAME}})
    return json.loads(json.dumps(made))


def _locked(name: str) -> dict:
    return _about(name, locked=True)


def _about(name, grade=False, solution=False, locked=False, points=None) -> dict:
    kind = {"grade": grade, "solution": solution, "locked": locked, "task": False}
    given = {"points": points} if points is not None else {}
    return {"nbgrader": {"schema_version": 3, "grade_id": name, **kind, **given}}
