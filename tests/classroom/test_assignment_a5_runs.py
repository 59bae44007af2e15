"""Assignment A5 as it is lived: the student's version untouched and half done, and a submission that trains in the jail."""

import copy
from pathlib import Path

import nbformat
import pytest

from vaecourse import assignments, build
from vaecourse.classroom import grading, kernel, records
from vaecourse.classroom.init import init
from vaecourse.classroom.records import Submission
from vaecourse.classroom.release import release

SOURCE = Path(__file__).parents[2] / "notebooks" / "assignments" / "A5.ipynb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = init(tmp_path_factory.mktemp("classes") / "class", say=lambda sentence: None)
    release(made, "A5")
    return made


def with_solutions(notebook, *names):
    """The student's version with some of its cells solved."""
    solved = {c.id: c.source for c in nbformat.read(SOURCE, as_version=4).cells}
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.id in names:
            cell.source = solved[cell.id]
    return notebook


@pytest.mark.parametrize(
    ("names", "started"),
    [
        ((), 0),
        (("kl-term", "log-likelihood", "networks"), 2),  # networks that nothing trains
    ],
)
def test_an_unfinished_notebook_runs_from_top_to_bottom(folder, tmp_path, names, started):
    notebook = with_solutions(nbformat.read(folder.release("A5"), as_version=4), *names)
    build.execute(notebook, tmp_path)
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert not [o for o in outputs if o.output_type == "error"]
    said = "\n".join(o.data["text/plain"] for o in outputs if o.output_type == "display_data")
    assert said.count("solved, ") == started and said.count("Not started yet") == 5 - started


@pytest.mark.usefixtures("needs_jail")
def test_a_submission_trains_in_the_jail_draws_its_figures_and_is_measured(folder):
    hidden = grading.hidden(folder, assignments.with_solutions("A5", SOURCE))
    told = (
        SOURCE.read_text(encoding="utf-8")
        .replace("(10_000, np", "(2_000, np")
        .replace("history = 50, 100", "history = 4, 50")
    )
    notebook = nbformat.reads(told, as_version=4)
    submission = Submission("ann", "A5", notebook, "d" * 64)
    run = kernel.run(grading.task(submission, hidden))
    assert {cell.trouble for cell in run.cells} == {records.FINE}
    pictures = [o for cell in run.cells for o in cell.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == 8
    verdicts = {v.exercise.split("/")[1]: v for v in grading.judge(submission, run, hidden).verdicts}
    assert {verdicts[f].verdict for f in ("kl_term", "log_likelihood", "draw_code", "loss")} == {
        records.PASSED
    }
    assert verdicts["my_vae"].verdict == records.FAILED and 3 <= verdicts["my_vae"].points < 11
