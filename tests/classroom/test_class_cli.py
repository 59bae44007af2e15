"""`vaecourse class`: every command does its step, in words; every mistake is one sentence; exit codes tell how it went."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from vaecourse import cli
from vaecourse.classroom import cli as class_cli
from vaecourse.classroom.folder import ClassFolder, find
from vaecourse.classroom.report import BatchReport
from vaecourse.errors import CourseError

from . import tiny


@pytest.fixture
def vaecourse(capsys, monkeypatch):
    """Run the command line here; give back its exit code and what it said."""

    def run(line: str, *more):
        try:
            status = cli.main(["class", *shlex.split(line), *map(str, more)])
        except SystemExit as stop:
            status = stop.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def sources(tiny_assignment, tmp_path):
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "T1.ipynb").write_text(json.dumps(tiny.source()), encoding="utf-8")
    return tmp_path / "sources"


def a_class(where, tiny_class, monkeypatch):
    monkeypatch.chdir(tiny_class.root if where == "here" else tiny_class.root / "submitted")


# The whole way


def test_the_teachers_way_and_the_students(
    vaecourse, sources, outside_home, tmp_path, monkeypatch, needs_jail
):
    pytest.importorskip("nbgrader")
    monkeypatch.chdir(outside_home)
    status, out, _ = vaecourse("init tiny --from", sources)
    assert status == 0 and str(outside_home / "tiny") in out and "vaecourse class release" in out
    root = outside_home / "tiny"
    assert find(root) == ClassFolder(root)

    status, out, _ = vaecourse("--class tiny release T1")
    assert status == 0 and f"hand out {root / 'handout' / 'T1.zip'}" in out
    with zipfile.ZipFile(root / "handout" / "T1.zip") as file:
        handed_out = json.loads(file.read("T1.ipynb"))

    monkeypatch.chdir(root)
    for name, answers in {"anna": tiny.SOLUTIONS, "Bob Müller": tiny.HALF, "O'Brien": tiny.WRONG}.items():
        made = json.loads(json.dumps(handed_out))
        for cell in made["cells"]:
            cell["source"] = answers.get(cell["metadata"].get("nbgrader", {}).get("grade_id"), cell["source"])
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(made), encoding="utf-8")
    (tmp_path / "eve.ipynb").write_bytes(b"rubbish")
    (tmp_path / "notes.txt").write_bytes(b"")
    status, out, err = vaecourse("collect T1", *sorted(tmp_path.glob("*.*")))
    assert status == 1 and out.count(": Collected.") == 4
    assert out.endswith("T1: 4 collected, 1 refused.\n") and err.startswith("notes: notes.txt is neither")

    status, out, _ = vaecourse("grade T1 --jobs 2")
    assert (
        status == 1 and "eve: The file is not a notebook: it is not JSON (line 1)." in out
    )  # one was refused
    status, again, _ = vaecourse("grade T1")
    assert status == 1 and "0 graded" in again

    status, out, _ = vaecourse("feedback T1")
    assert status == 0 and "feedback for 4 students" in out
    assert (root / "feedback" / "O'Brien" / "T1" / "T1.html").is_file()

    status, out, _ = vaecourse("export")
    assert status == 0 and out == f"The grades are in {root / 'grades.csv'}.\n"
    rows = {line.split(",")[0]: line for line in (root / "grades.csv").read_text("utf-8-sig").splitlines()}
    assert {"student", "anna", "Bob Müller", "eve"} <= rows.keys()
    assert ",7," in rows["anna"] and ",6," in rows["Bob Müller"]
    status, out, _ = vaecourse("export", tmp_path / "other.csv")
    assert status == 0 and (tmp_path / "other.csv").read_bytes() == (root / "grades.csv").read_bytes()


# Exit codes and words of each


@pytest.mark.parametrize(
    "report, status",
    [
        (BatchReport("T1", ()), 0),
        (BatchReport("T1", (), failed={"anna": "could not be graded: try again"}), 1),
        (BatchReport("T1", (), left=3), 130),
    ],
)
def test_grade_says_how_it_went(vaecourse, tiny_class, monkeypatch, report, status):
    from vaecourse.classroom import batch

    given = {}

    def grade(folder, name, jobs, **options):
        given.update(options, folder=folder, name=name, jobs=jobs)
        return report

    monkeypatch.setattr(batch, "grade", grade)
    monkeypatch.chdir(tiny_class.root)
    line = "grade T1 --jobs 3 --scheduler tcp://h:1 --no-jail --student anna --student bob --again"
    assert vaecourse(line)[0] == status
    assert given == {
        "folder": tiny_class.folder,
        "name": "T1",
        "jobs": 3,
        "scheduler": "tcp://h:1",
        "jail": False,
        "students": ["anna", "bob"],
        "again": True,
    }
    assert vaecourse("grade T1")[1] == f"{report}\n"
    assert (given["jail"], given["students"], given["again"], given["jobs"]) == (True, None, False, None)


def test_collect_passes_on_its_options(vaecourse, tiny_class, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny_class.root)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
        for name in ("anna", "bob"):
            file.writestr(f"T1/{name}_17_x.ipynb", json.dumps(tiny.submission()))
    assert vaecourse("collect T1", tmp_path / "all.zip")[0] == 1
    status, out, err = vaecourse(
        r"collect T1 --bundle --pattern 'T1/(?P<student>\w+?)_'", tmp_path / "all.zip"
    )
    assert (status, err) == (0, "") and out.endswith("T1: 2 collected.\n")
    assert tiny_class.folder.students("T1") == ["anna", "bob"]


def test_validate_says_what_is_wrong(vaecourse, tiny_assignment, tmp_path, monkeypatch):
    from vaecourse.classroom import validate

    monkeypatch.setattr(validate, "_run", lambda *_: ([], ()))
    path = tmp_path / "T1.ipynb"
    path.write_text(json.dumps(tiny.submission(**tiny.SOLUTIONS)), encoding="utf-8")
    status, out, err = vaecourse("validate", path)
    assert (status, err) == (0, "") and out.endswith("Nothing is wrong: save it, and hand it in.\n")
    assert not (tmp_path / "T1.zip").exists()
    status, out, err = vaecourse("validate --zip", path)
    assert (status, err) == (0, "") and f"{tmp_path / 'T1.zip'} is ready to be handed in." in out

    path.write_text(json.dumps(tiny.submission()), encoding="utf-8")
    status, out, err = vaecourse("validate --zip", path)
    assert (
        status == 1
        and err.splitlines()[0]
        == "centred is not started: its `...` is still there, or there is no function of that name."
    )
    assert len(err.splitlines()) == 3 and "written as it is" in out
    with zipfile.ZipFile(tmp_path / "T1.zip") as file:
        assert file.read("T1.ipynb") == path.read_bytes()

    before = (tmp_path / "T1.zip").read_bytes()
    path.write_text("{}")
    status, out, err = vaecourse("validate --zip", path)
    assert (status, err) == (1, "The file is JSON, but not a notebook.\nThere is no zip.\n")
    assert (tmp_path / "T1.zip").read_bytes() == before


@pytest.mark.parametrize("where", ["here", "below"])
@pytest.mark.parametrize("line", ["export", "feedback T1"])
def test_the_class_is_found_here_or_above(vaecourse, tiny_class, monkeypatch, where, line):
    a_class(where, tiny_class, monkeypatch)
    status, out, err = vaecourse(line)
    assert (
        (status, out) == (2, "") and "`vaecourse class" in err and "There is no class" not in err
    )  # nothing graded


@pytest.mark.parametrize("step", ["release T1", "collect T1 x", "grade T1", "feedback T1", "export"])
@pytest.mark.parametrize("order", ["--class {} {}", "{1} --class {0}"])
def test_a_folder_that_is_no_class(vaecourse, tiny_assignment, tmp_path, step, order):
    status, out, err = vaecourse(order.format(tmp_path, step))
    assert (status, out) == (2, "")
    assert (
        err
        == f"vaecourse: There is no class in {tmp_path}: make one with `vaecourse class init DIR`, or go to its folder.\n"
    )


@pytest.mark.parametrize(
    "step", ["release T9", "collect T9 x", "grade T9", "feedback T9", "release ../T1", "grade t1"]
)
def test_an_assignment_that_there_is_not(vaecourse, tiny_class, monkeypatch, step):
    monkeypatch.chdir(tiny_class.root)
    status, out, err = vaecourse(step)
    assert (
        (status, out) == (2, "")
        and err.startswith("vaecourse: There is no assignment '")
        and err.count("\n") == 1
    )


@pytest.mark.parametrize(
    "line", ["", "grad T1", "release", "collect T1", "grade T1 --jobs many", "validate", "init"]
)
def test_a_mistyped_command_is_shown_its_usage(vaecourse, line):
    status, _, err = vaecourse(line)
    assert status == 2 and err.startswith("usage: vaecourse class") and ": error: " in err.splitlines()[-1]


def test_help_is_for_teachers(vaecourse):
    status, out, _ = vaecourse("--help")
    assert status == 0
    for step in class_cli._STEPS:
        assert f"vaecourse class {step}" in out
        status, said, _ = vaecourse(f"{step} --help")
        assert status == 0 and f"usage: vaecourse class {step}" in said and len(said) > 300
        assert max(map(len, said.splitlines())) <= 120


# Whatever else


@pytest.mark.parametrize(
    "module, step, extra",
    [
        ("nbgrader", "release T1", "classroom"),
        ("distributed", "grade T1 --scheduler tcp://localhost:1", "cluster"),
    ],
)
def test_what_is_not_installed_is_named(vaecourse, tiny_class, monkeypatch, module, step, extra):
    monkeypatch.chdir(tiny_class.root)

    def missing(_):
        raise ModuleNotFoundError(f"No module named '{module}.x'", name=f"{module}.x")

    monkeypatch.setitem(class_cli._STEPS, step.split()[0], missing)
    status, out, err = vaecourse(step)
    assert (status, out) == (2, "")
    assert (
        err
        == f'vaecourse: This needs {module}, which is not installed: `pip install "vaecourse[{extra}]"`.\n'
    )


def test_without_nbgrader_a_class_says_what_to_install(tiny_class, driver_environment):
    code = (
        "import sys; sys.modules['nbgrader'] = None; from classroom import tiny; tiny.register();"
        "from vaecourse.cli import main; sys.exit(main(['class', 'release', 'T1']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tiny_class.root,
        env=driver_environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert (
        done.stderr
        == 'vaecourse: This needs nbgrader, which is not installed: `pip install "vaecourse[classroom]"`.\n'
    )


@pytest.mark.parametrize(
    "error, status, says",
    [
        (CourseError("It rains."), 2, "vaecourse: It rains.\n"),
        (
            PermissionError(13, "Permission denied", "gradebook.db"),
            2,
            "vaecourse: gradebook.db: Permission denied.\n",
        ),
        (OSError(28, "No space left on device"), 2, "vaecourse: No space left on device.\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_every_error_is_one_line(vaecourse, tiny_class, monkeypatch, error, status, says):
    def stumble(_):
        raise error

    monkeypatch.setitem(class_cli._STEPS, "export", stumble)
    assert vaecourse("export") == (status, "", says)


def test_the_command_line_loads_nothing_before_it_is_asked():
    heavy = (
        "nbgrader",
        "numpy",
        "scipy",
        "torch",
        "nbclient",
        "nbformat",
        "sqlite3",
        "distributed",
        "jupyter_client",
    )
    code = (
        f"import sys, vaecourse.cli; vaecourse.cli.parser(); print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a terminal of its own")
def test_names_that_a_terminal_cannot_show_do_no_harm(tiny_class, driver_environment, tmp_path):
    (tmp_path / "李明.ipynb").write_text(json.dumps(tiny.submission()), encoding="utf-8")
    (tmp_path / "a\x1b[2J.ipynb").write_text("x")
    code = (
        "import sys; from classroom import tiny; tiny.register();"
        "from vaecourse.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "class", "collect", "T1", str(tmp_path)],
        cwd=tiny_class.root,
        env={**driver_environment, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert done.returncode == 1 and b"\x1b" not in done.stdout + done.stderr
    assert b"??: Collected." in done.stdout and tiny_class.folder.students("T1") == ["李明"]


def test_without_a_jail_nothing_is_graded_unless_told(vaecourse, tiny_class, monkeypatch):
    pytest.importorskip("nbgrader")
    from vaecourse.classroom import jail
    from vaecourse.classroom.release import release

    release(tiny_class.folder, "T1")
    tiny_class.hand_in("anna", **tiny.SOLUTIONS)
    monkeypatch.setattr(jail, "available", lambda: "There is no jail on this machine: use `--no-jail`.")
    monkeypatch.chdir(tiny_class.root)
    assert vaecourse("grade T1 --jobs 1") == (
        2,
        "",
        "vaecourse: There is no jail on this machine: use `--no-jail`.\n",
    )
    assert not (tiny_class.root / "autograded" / "anna").exists()
    status, out, _ = vaecourse("grade T1 --jobs 1 --no-jail")
    assert status == 0 and "There is no jail" in out and "1 graded" in out


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_ctrl_c_stops_in_an_orderly_way(tiny_class, driver_environment, needs_jail):
    """A real one, in the middle of a batch: what is graded stays graded, and the next call goes on."""
    pytest.importorskip("nbgrader")
    from vaecourse.classroom.release import release

    release(tiny_class.folder, "T1")
    for n in range(6):
        tiny_class.hand_in(f"s{n:02}", **tiny.SOLUTIONS)
    code = "import sys; from classroom import tiny; tiny.register(); from vaecourse.cli import main; sys.exit(main(sys.argv[1:]))"
    line = [
        sys.executable,
        "-c",
        code,
        "class",
        "--class",
        str(tiny_class.root),
        "grade",
        "T1",
        "--jobs",
        "1",
    ]
    running = subprocess.Popen(
        line, env=driver_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    journal = tiny_class.folder.journal("T1")
    until = time.monotonic() + 60
    while not list(journal.glob("s*")) and time.monotonic() < until and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130 and "Run the same command again to go on" in out, out + err
    assert "Traceback" not in err and 0 < len(list(journal.glob("s*"))) < 6
    done = subprocess.run(line, env=driver_environment, capture_output=True, text=True)
    assert done.returncode == 0 and "unchanged since the last time" in done.stdout, done.stdout + done.stderr
