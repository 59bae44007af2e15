"""A student's look before handing in: what is wrong is said in a sentence each, and what is right is packed."""

import copy
import dataclasses
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from vaecourse import assignments
from vaecourse.classroom import intake, validate
from vaecourse.classroom.validate import Check
from vaecourse.errors import CourseError

from . import tiny

SOURCES = Path(__file__).resolve().parents[2] / "notebooks" / "assignments"
pytestmark = pytest.mark.skipif(
    not SOURCES.is_dir(), reason="the assignments' sources are in the repository only"
)
A1 = ("cross_entropy", "code_lengths", "smoothed_bits", "shared_excess", "huffman_lengths")


def student(solved=A1, written="Because of Jensen.", **answers: str) -> dict:
    """A1 as a student has it: solved in part, with some answers of his own."""
    made = json.loads((SOURCES / "A1.ipynb").read_text("utf-8"))
    for cell in made["cells"]:
        name, text = cell["metadata"].get("nbgrader", {}).get("grade_id", ""), "".join(cell["source"])
        if "### BEGIN SOLUTION" in text:
            if cell["cell_type"] == "markdown":
                text = written
            elif name in solved:
                text = re.sub(r"\s*### (BEGIN|END) SOLUTION", "", text)
            else:
                text = re.sub(r"### BEGIN SOLUTION.*### END SOLUTION", "...", text, flags=re.DOTALL)
        cell["source"] = answers.get(name, text)
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return made


def place(name: str) -> int:
    """The number of a cell, as its reader counts."""
    ids = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in student()["cells"]]
    return ids.index(name) + 1


def saved(folder: Path, notebook: dict | bytes, name: str = "A1.ipynb") -> Path:
    path = folder / name
    path.write_bytes(notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode())
    return path


def look(folder: Path, notebook: dict | bytes, name: str = "A1.ipynb"):
    found = validate.validate(saved(folder, notebook, name), progress=False)
    for sentence in (*found.problems, *found.remarks):
        assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400, sentence
    return found


@pytest.fixture
def no_run(monkeypatch):
    """What stands in the notebook is looked at, but not run."""
    monkeypatch.setattr(validate, "_run", lambda *_: ([], ()))


@pytest.fixture
def short(monkeypatch):
    """Limits that a test can wait for."""
    known = assignments.assignment

    def impatient(name):
        made = known(name)
        return dataclasses.replace(made, limits=dataclasses.replace(made.limits, cell_seconds=6, output=1000))

    monkeypatch.setattr(assignments, "assignment", impatient)


# It is run


def test_a_good_notebook_is_fine_and_packed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    path = saved(tmp_path, student())
    found = validate.validate(path)
    assert (found.ok, found.problems, found.remarks) == (True, (), ())
    assert [check.function for check in found.checks] == list(A1)
    assert (
        str(found)
        == "A1: 5 of 5 checks pass, 26 of 26 points on the inputs that you see; 12 points are given by a person."
    )
    assert re.search(r"A1: +100%\|.*\| (\d+)/\1 ", capsys.readouterr().err)  # the bar, to its end
    packed = validate.pack(found)
    assert packed == tmp_path / "A1.zip" and sorted(p.name for p in tmp_path.iterdir()) == [
        "A1.ipynb",
        "A1.zip",
    ]
    with zipfile.ZipFile(packed) as file:
        assert file.namelist() == ["A1.ipynb"] and file.read("A1.ipynb") == path.read_bytes()


@pytest.mark.parametrize("name", ["A2", "A3"])
def test_what_is_right_by_the_sources_is_right_here(tmp_path, name):
    made = json.loads((SOURCES / f"{name}.ipynb").read_text("utf-8"))
    found = look(tmp_path, made, f"{name}.ipynb")
    assert (found.ok, found.problems, found.remarks) == (True, (), ())


def test_what_is_wrong_is_said_the_most_important_first(tmp_path, monkeypatch):
    (tmp_path / "data.csv").write_text("1")
    monkeypatch.chdir(tmp_path)  # even so the file will not be there: it is not handed in
    wrong = student(
        ("cross_entropy",),
        written="YOUR ANSWER HERE",
        smoothed_bits="def smoothed_bits(seen, new, alpha):\n    print('SEEN')\n    return 1.0",
        shared_excess="import scipy.stats\n\ndef shared_excess(weights, sources):\n    return scipy.stats.entropy(weights)",
        letters="open('data.csv')\n" + "def letters(language): ...",
    )
    found = look(tmp_path, wrong)
    said = "\n".join(found.problems)
    order = [
        r"shared_excess uses scipy\.stats, which already is the answer",
        rf"Cell {place('shared_excess')} \(\"import scipy\.stats\"\) imports scipy\.stats, which is not available in graded work\.",
        r"smoothed_bits: \d of \d points, its check fails \"",
        rf"Cell {place('letters')} \(\"open\('data\.csv'\)\"\) stops with FileNotFoundError: .* \(\d more cells stop, too\)\.",
        r"code_lengths is not started",
        r"huffman_lengths is not started",
        r"The answer to Question [ABC] is still empty \(4 points\)\.",
    ]
    assert re.search(".*".join(order), said, re.DOTALL), said
    assert len(found.problems) == len(order) + 2  # three written answers
    assert "SEEN" not in said and not found.refused
    assert {c.function: c.untouched for c in found.checks} == {
        **dict.fromkeys(A1, False),
        "code_lengths": True,
        "huffman_lengths": True,
    }
    assert found.checks[0] == Check("cross_entropy", 6, 6)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["A1.ipynb", "data.csv"]  # it ran somewhere else


@pytest.mark.parametrize(
    "code, says",
    [
        ("while True: pass", "did not end in 6 s; the notebook could not be run further."),
        ("import os; os._exit(3)", "The kernel ended in cell"),
    ],
)
def test_what_never_ends_or_ends_too_soon(tmp_path, short, code, says):
    found = look(tmp_path, student(cross_entropy=code))
    assert (
        says in found.problems[0]
        and f"cell {place('cross_entropy')} " in found.problems[0].lower()
        and found.checks == ()
    )
    assert str(found).startswith("A1: not checked; ")
    assert (
        "cross_entropy is not started: its `...` is still there, or there is no function of that name."
        in found.problems
    )


def test_too_much_output_is_told(tmp_path, short):
    found = look(
        tmp_path, student(("cross_entropy",), letters="print('x' * 5_000_000)\ndef letters(language): ...")
    )
    assert any(re.match(r"It prints and draws 4\.\d MB", problem) for problem in found.problems)


def test_it_needs_no_class_no_solutions_and_no_nbgrader(tmp_path):
    path = saved(tmp_path, student())
    code = (
        "import sys; sys.modules['nbgrader'] = sys.modules['psutil'] = sys.modules['distributed'] = None\n"
        "from vaecourse.cli import main; status = main(['class', 'validate', 'A1.ipynb', '--zip'])\n"
        "assert not [m for m in sys.modules if m.startswith(('sqlalchemy', 'torch', 'vaecourse.assignments.solutions.'))]\n"
        "sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[1] == "A1.zip is ready to be handed in."
    assert path.is_file()
    assert (tmp_path / "A1.zip").is_file()


# It is not run


@pytest.mark.parametrize(
    "content, says",
    [
        (b"", "The file is empty."),
        (b"x = 1", "not JSON"),
        (json.dumps(student()).encode()[:-5000], "ends in the middle"),
        (
            json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}).encode(),
            "of an assignment.",
        ),
    ],
)
def test_what_would_be_refused_is_not_run_and_not_packed(tmp_path, monkeypatch, content, says):
    monkeypatch.setattr(validate, "_run", lambda *_: pytest.fail("it was run"))
    found = look(tmp_path, content)
    assert found.refused and not found.ok and says in found.problems[0] and len(found.problems) == 1
    assert str(found) == "This cannot be handed in."
    with pytest.raises(CourseError, match="refused"):
        validate.pack(found)
    assert not (tmp_path / "A1.zip").exists()


def test_other_files(tmp_path):
    assert validate.validate(tmp_path / "none.ipynb").problems == (
        f'There is no file "{str(tmp_path / "none.ipynb")[:60]}…".'
        if len(str(tmp_path / "none.ipynb")) > 60
        else f'There is no file "{tmp_path / "none.ipynb"}".',
    )
    assert "a folder, not a file" in validate.validate(tmp_path).problems[0]
    assert "zip" in look(tmp_path, b"PK", "A1.zip").problems[0]


def test_what_would_be_refused_here_is_refused_there_and_the_other_way_round(tmp_path, tiny_class, no_run):
    """The student is told what the teacher would be told."""
    cells = tiny.submission()
    for content in (cells, {**cells, "nbformat": 3}, {**cells, "cells": []}, {**cells, "metadata": {}}, []):
        tiny_class.hand_in("anna", notebook=json.dumps(content).encode())
        there = intake.read(tiny_class.folder, "anna", "T1")
        here = look(tmp_path, json.dumps(content).encode(), "T1.ipynb")
        assert here.refused == bool(there.refusal)
        assert (
            here.problems[0] == there.refusal
            if here.refused
            else set(there.notes) <= {*here.problems, *here.remarks}
        )


def test_missing_and_doubled_cells_are_problems_and_odd_settings_are_not(tmp_path, tiny_assignment, no_run):
    odd = tiny.submission(**tiny.SOLUTIONS)
    odd["cells"] = [c for c in odd["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") != "spread"]
    odd["cells"].insert(3, copy.deepcopy(odd["cells"][2]))
    odd["metadata"]["kernelspec"] = {"name": "my-kernel", "language": "python"}
    found = look(tmp_path, odd, "T1.ipynb")
    assert [p.split(" is ")[0] for p in found.problems] == [
        "The answer cell of spread",
        "The answer cell of centred",
        "spread",
    ]
    assert found.remarks == ("The notebook names the kernel my-kernel; it was run with the course's own.",)


def test_a_picture_is_an_answer(tmp_path, tiny_assignment, no_run):
    made = tiny.submission(**{**tiny.SOLUTIONS, "why_squares": " "})
    assert look(tmp_path, made, "T1.ipynb").problems == (
        "The answer to why_squares is still empty (3 points).",
    )
    made["cells"][-1]["attachments"] = {"a.png": {"image/png": "iVBORw0KGgo="}}
    assert look(tmp_path, made, "T1.ipynb").ok


def test_a_check_that_refuses_says_why(tmp_path, tiny_assignment, monkeypatch):
    checks = (
        Check("centred", 0, 4, refusal="check needs the function itself."),
        Check("spread", 1, 3, failed="zero"),
    )
    monkeypatch.setattr(validate, "_run", lambda *_: (["Cell 1 stops."], checks))
    found = look(tmp_path, tiny.submission(**tiny.SOLUTIONS), "T1.ipynb")
    assert found.problems == (
        "centred: check needs the function itself.",
        'spread: 1 of 3 points, its check fails "zero".',
        "Cell 1 stops.",
    )
    with zipfile.ZipFile(validate.pack(found)) as file:  # what is not right may be handed in
        assert file.namelist() == ["T1.ipynb"]


@pytest.mark.parametrize(
    "imported",
    ["import numpy, scipy.stats as s", "from scipy import stats", "from scipy.stats import norm", "%matplotlib inline\nimport scipy.stats.mstats"],
)  # fmt: skip
def test_every_way_to_import_what_is_hidden_is_seen(tmp_path, tiny_assignment, no_run, imported):
    made = tiny.submission(**tiny.SOLUTIONS)
    made["cells"].append({"cell_type": "code", "source": imported, "metadata": {}, "outputs": []})
    assert "imports scipy.stats, which is not available" in look(tmp_path, made, "T1.ipynb").problems[0]


def test_the_zip_cannot_be_written(tmp_path, tiny_assignment, no_run):
    found = look(tmp_path, tiny.submission(**tiny.SOLUTIONS), "T1.ipynb")
    (tmp_path / "T1.zip").mkdir()
    with pytest.raises(CourseError, match="cannot be written"):
        validate.pack(found)


@pytest.mark.parametrize("name", assignments.MODULES)
def test_every_assignment_as_it_is_handed_out_can_be_handed_in(name, tmp_path, no_run):
    """No cell of it is odd, and everything in it is still to do."""
    source = SOURCES / f"{name}.ipynb"
    if not source.is_file():
        pytest.skip(f"{name} is not there yet")
    made = json.loads(source.read_text("utf-8"))
    for cell in made["cells"]:
        text = "".join(cell["source"])
        stub = "YOUR ANSWER HERE" if cell["cell_type"] == "markdown" else "..."
        cell["source"] = re.sub(r"### BEGIN SOLUTION.*### END SOLUTION", stub, text, flags=re.DOTALL)
    found = look(tmp_path, made, f"{name}.ipynb")
    known = assignments.assignment(name)
    assert found.assignment == name and found.remarks == () and not found.refused
    assert len(found.problems) == len(known.exercises) + len(known.written)
    assert all(" is not started: " in p or " is still empty " in p for p in found.problems)
