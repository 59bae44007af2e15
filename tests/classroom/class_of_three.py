"""A class made by `init`, with T1 released and grades made by hand: what comes after grading can be tested without it."""

import json
from pathlib import Path

from vaecourse.assignments import assignment
from vaecourse.classroom import autograded, gradebook
from vaecourse.classroom.folder import ClassFolder
from vaecourse.classroom.init import init
from vaecourse.classroom.records import FAILED, PASSED, CellRun, Grade, Run, Submission, Verdict
from vaecourse.classroom.release import release

from . import tiny

CENTRED = ("as many as there were", "adds up to zero", "agrees with the definition")
SPREAD = ("zero for equal numbers", "never negative", "agrees with the definition")
HINT = "Squares, not absolute values; and divide by how many there are."
TIME = "2026-11-20T10:00:00+01:00"


def made(root: Path) -> ClassFolder:
    """A class at root/class with T1 (registered already) released."""
    sources = root / "sources"
    sources.mkdir()
    (sources / "T1.ipynb").write_text(json.dumps(tiny.source()), encoding="utf-8")
    folder = init(root / "class", sources, say=lambda sentence: None)
    release(folder, "T1")
    return folder


def submission(student: str, notebook: dict | None = None, refusal: str = "", **answers: str) -> Submission:
    if notebook is None and not refusal:
        notebook = tiny.submission(**answers)
    return Submission(student, "T1", notebook, "digest", refusal, handed_in=TIME)


def grade(student: str, spread: int = 3, refusal: str = "", centred: int = 4, **more) -> Grade:
    """All points, or those: where `spread` is 2, its last property did not hold."""
    if refusal:
        verdicts = (Verdict("T1/centred", FAILED, 0, 4), Verdict("T1/spread", FAILED, 0, 3))
        return Grade(student, "T1", "key", verdicts, refusal, **more)
    solved = spread == 3
    two = Verdict(
        "T1/spread", PASSED if solved else FAILED, spread, 3,
        tuple((name, solved or i < spread) for i, name in enumerate(SPREAD)),
        "" if solved else SPREAD[spread], "" if solved else HINT,
    )  # fmt: skip
    one = Verdict(
        "T1/centred", PASSED if centred == 4 else FAILED, centred, 4, tuple((n, True) for n in CENTRED)
    )
    return Grade(student, "T1", "key", (one, two), **more)


def run(notebook: dict, *outputs: tuple) -> Run:
    """A run in which the code cells gave these outputs, and the rest none."""
    cells = [CellRun(given) for given in outputs]
    missing = len(autograded.code_cells(notebook)) - len(cells)
    return Run((*cells, *[CellRun()] * missing), ())


def write(folder: ClassFolder, handed: Submission, given: Grade, ran: Run | None = None) -> bool:
    """What grading writes for one submission; whether the gradebook changed."""
    autograded.write(folder, handed, ran, given)
    return gradebook.write(folder, assignment("T1"), handed, given)


def three(folder: ClassFolder) -> None:
    """Ada solved everything, Bob half, Cleo's was refused."""
    write(folder, submission("ada", **tiny.SOLUTIONS), grade("ada"))
    half = {**tiny.HALF, "why_squares": "Because $\\sum_i d_i = 0$ and `a < b`."}
    write(folder, submission("bob", **half), grade("bob", 2))
    write(
        folder, submission("cleo", refusal="The file is empty."), grade("cleo", refusal="The file is empty.")
    )
