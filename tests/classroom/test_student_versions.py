"""What a student opens: the released notebooks of the course's own assignments, run as they are and half done."""

import json
from pathlib import Path

import nbformat
import pytest

from vaecourse import build
from vaecourse.classroom.init import init
from vaecourse.classroom.release import release

SOURCES = Path(__file__).resolve().parents[2] / "notebooks" / "assignments"
NAMES = ("A2", "A3")


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    """The student versions by name, as they lie in the release folder."""
    folder = init(tmp_path_factory.mktemp("classes") / "class", say=lambda sentence: None)
    for name in NAMES:
        release(folder, name)
    return {name: nbformat.read(folder.release(name), as_version=4) for name in NAMES}


def run(notebook, folder) -> list[str]:
    """Run it from top to bottom; what went wrong, by cell, and what the checks said."""
    build.execute(notebook, folder)
    outputs = [(c.id, o) for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    return [f"{cell}: {o.ename}: {o.evalue}" for cell, o in outputs if o.output_type == "error"]


def said(notebook) -> str:
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    return "\n".join(o.data["text/plain"] for o in outputs if o.output_type == "display_data")


@pytest.mark.parametrize("name", NAMES)
def test_an_untouched_notebook_runs_from_top_to_bottom(handed_out, name, tmp_path):
    notebook = nbformat.from_dict(json.loads(json.dumps(handed_out[name])))
    assert not run(notebook, tmp_path)
    asked = [c for c in notebook.cells if c.source.startswith(f'check("{name}/')]
    assert said(notebook).count("Not started yet") == len(asked) > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("first", [1, 3])
def test_a_notebook_with_only_some_functions_written_says_which_are_not(handed_out, name, first, tmp_path):
    notebook = nbformat.from_dict(json.loads(json.dumps(handed_out[name])))
    source = nbformat.read(SOURCES / f"{name}.ipynb", as_version=4)
    solved = [c for c in source.cells if c.cell_type == "code" and "### BEGIN SOLUTION" in c.source]
    for cell in solved[:first]:
        next(c for c in notebook.cells if c.id == cell.id).source = cell.source
    assert not run(notebook, tmp_path)
    assert said(notebook).count("solved,") == first
    assert said(notebook).count("Not started yet") == len(solved) - first
