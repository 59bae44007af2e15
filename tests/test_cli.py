"""The command line itself: help, version, one sentence for every mistake, and a start that costs nothing."""

import os
import subprocess
import sys

import pytest

import vaecourse
from vaecourse import cli
from vaecourse.errors import CourseError


def run(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, encoding="utf-8", env=environment, timeout=120
    )


@pytest.mark.parametrize(
    "module", ["vaecourse", "vaecourse.cli", "vaecourse.doctor", "vaecourse.lab", "vaecourse.build"]
)
def test_importing_a_command_loads_nothing_heavy(module):
    heavy = (
        "torch",
        "matplotlib",
        "numpy",
        "scipy",
        "sklearn",
        "jupyterlab",
        "nbclient",
        "anywidget",
        "IPython",
    )
    done = run("-c", f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])")
    assert done.stdout == "[]\n", done.stderr


def test_the_version_is_that_of_the_package():
    done = run("-m", "vaecourse", "--version")
    assert (done.returncode, done.stdout) == (0, f"vaecourse {vaecourse.__version__}\n")
    assert vaecourse.__version__ == __import__("importlib.metadata").metadata.version("vaecourse")


def test_help_names_every_command_and_every_folder():
    done = run("-m", "vaecourse", "--help")
    assert done.returncode == 0
    for word in ("lab", "doctor", "build", "VAECOURSE_HOME", "VAECOURSE_DATA"):
        assert word in done.stdout
    for command in ("lab", "doctor", "build"):
        said = run("-m", "vaecourse", command, "--help")
        assert said.returncode == 0 and "usage: vaecourse " + command in said.stdout


@pytest.mark.parametrize("arguments", [[], ["lad"], ["lab", "--port", "many"], ["build", "--chek"]])
def test_a_mistyped_command_is_shown_its_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("usage: vaecourse") and ": error: " in said[-1]


def test_an_error_of_the_course_is_one_line_and_no_traceback(monkeypatch, capsys):
    def refuse(_):
        raise CourseError("The cat sits on the keyboard: lift it.")

    monkeypatch.setattr(cli, "_run", refuse)
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == "vaecourse: The cat sits on the keyboard: lift it.\n"


def test_a_broken_installation_is_one_line_and_no_traceback(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)
    monkeypatch.setattr(cli, "_run", lambda _: __import__("jupyterlab.labapp"))
    assert cli.main(["lab"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("vaecourse: ") and "`vaecourse doctor`" in said and said.count("\n") == 1


def test_an_interruption_is_silent(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupt)
    assert cli.main(["doctor"]) == 130
    assert capsys.readouterr().err == ""
