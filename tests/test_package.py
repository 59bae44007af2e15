"""What is installed without the repository: a wheel carries the lessons and everything that the modules read."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_lessons_travel_inside_the_package(names):
    lessons = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert lessons
    assert {f"vaecourse/notebooks/{name}" for name in lessons} <= names


def test_no_solution_of_an_assignment_travels(names):
    assert list((ROOT / "notebooks" / "assignments").glob("A*.ipynb"))
    assert not any(Path(name).match("A[0-9]*.ipynb") or "notebooks/assignments" in name for name in names)


def test_every_file_of_the_package_travels(names):
    package = ROOT / "vaecourse"
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {path.relative_to(ROOT).as_posix() for path in files} <= names


def test_both_licences_travel_and_nothing_else_does(names):
    assert {"LICENSE", "LICENSE-TEXT"} <= {Path(name).name for name in names}
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"vaecourse"}
    assert not any(".ipynb_checkpoints" in name for name in names)


def test_a_course_error_in_a_lesson_is_one_sentence():
    nbformat, client = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    cells = [
        "import vaecourse.lesson",
        "from vaecourse.errors import CourseError\nraise CourseError('The disk is full.')",
        "1 / 0",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    client.NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute()
    told, usual = (cell.outputs[0] for cell in notebook.cells[1:])
    assert told.output_type == "error" and told.traceback == ["CourseError: The disk is full."]
    assert usual.ename == "ZeroDivisionError" and len(usual.traceback) > 1
