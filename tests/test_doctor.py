"""`vaecourse doctor`: silent about a good installation, one sentence about every problem of a bad one."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from vaecourse import cli, doctor, own_copy
from vaecourse.doctor import Finding, examine, problems, summary, table


@pytest.fixture
def installed(monkeypatch):
    """Return a function that changes what is installed: a version, or None for "not at all"."""
    versions: dict[str, str | None] = {}
    true_version = metadata.version

    def version(name):
        if name in versions and versions[name] is None:
            raise metadata.PackageNotFoundError(name)
        return versions.get(name) or true_version(name)

    monkeypatch.setattr(metadata, "version", version)
    return versions.update


def found(name: str) -> Finding:
    return {finding.name: finding for finding in examine(start_kernel=False)}[name]


def test_this_installation_is_in_place():
    findings = examine()
    assert problems(findings) == ()
    assert summary(findings) == "Everything is in place."
    names = [finding.name for finding in findings]
    assert len(set(names)) == len(names)
    assert {"python", "torch", "numpy", "kernel", "anywidget in JupyterLab", "processor", "progress"} <= {
        *names
    }
    assert "pytest" not in names  # a learner needs no test tools


def test_the_command_prints_a_table_and_ends_with_zero(capsys, monkeypatch):
    monkeypatch.setattr(
        doctor, "examine", lambda: (Finding("python", "3.13.0"), Finding("kernel", "answers (42)"))
    )
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr()
    assert said.out == "ok  python  3.13.0\nok  kernel  answers (42)\nEverything is in place.\n"
    assert said.err == ""


def test_the_command_ends_with_one_and_says_every_problem(capsys, monkeypatch):
    findings = (Finding("a", "1", "A is old."), Finding("b", "2"), Finding("c", "3", "C is missing."))
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr()
    assert said.err == "A is old.\nC is missing.\n"
    assert [line[:2] for line in said.out.splitlines()] == ["!!", "ok", "!!"]


def test_the_ranges_are_those_of_the_package(installed):
    wanted = {line.split()[0].split("<")[0].split(">")[0] for line in metadata.requires("vaecourse")}
    assert "torch" in wanted
    installed({"torch": "99.0"})
    problem = found("torch").problem
    assert problem.startswith("torch 99.0 is installed, but the course needs ")
    assert (
        str(next(line for line in metadata.requires("vaecourse") if line.startswith("torch")))[5:].strip()
        in problem
    )


def test_a_local_build_of_a_version_in_range_is_good(installed):
    installed({"torch": "2.13.0+cpu"})
    assert found("torch").problem is None


def test_a_missing_package_is_one_sentence(installed):
    installed({"anywidget": None})
    assert (
        found("anywidget").problem
        == "The package anywidget is missing: run `pip install -e .` in the folder of the course."
    )


def test_an_old_python_is_one_sentence(monkeypatch):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.10.14")
    assert "This is Python 3.10.14, but the course needs >=3.11" in found("python").problem


def test_a_course_that_is_not_installed_is_one_sentence(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGE", "vaecourse-that-nobody-installed")
    assert "itself is not installed" in found("vaecourse-that-nobody-installed").problem


def test_widgets_without_their_browser_half_are_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_: [str(tmp_path)])
    assert "would show as text" in found("anywidget in JupyterLab").problem
    assert "ipywidgets" in found("ipywidgets in JupyterLab").problem


def test_a_kernel_that_does_not_start_is_one_sentence(monkeypatch):
    def dead(*_):
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(doctor, "ask_kernel", dead)
    assert "does not start (Kernel died before replying to kernel_info)" in doctor._kernel().problem


def test_a_kernel_of_another_python_is_one_sentence(monkeypatch):
    monkeypatch.setattr(doctor, "ask_kernel", lambda: ("/usr/bin/python3", "/elsewhere", 42))
    assert "Notebooks run in another Python, /usr/bin/python3" in doctor._kernel().problem


def test_a_kernel_specification_of_another_python_is_noticed(tmp_path):
    """A stranger's "python3" put before ours is really started, and found out."""
    kernels = tmp_path / "kernels" / "python3"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(
        '{"argv": ["no-such-python", "-f", "{connection_file}"], "display_name": "x", "language": "python"}',
        encoding="utf-8",
    )
    code = "import sys; from vaecourse import doctor; print(doctor._kernel().problem)"
    environment = {**os.environ, "JUPYTER_PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment, timeout=120
    )
    assert "The notebook kernel does not start" in done.stdout and done.stdout.count("\n") == 1, done.stderr


def test_a_teacher_learns_whether_students_work_can_be_graded_here(monkeypatch):
    from vaecourse.classroom import jail

    for why, said in (("", "submissions are jailed"), ("There is no jail.", "There is no jail.")):
        monkeypatch.setattr(jail, "available", lambda why=why: why)
        assert doctor._grading() == Finding("grading (teachers)", said)
    missing = {"nbgrader": metadata.PackageNotFoundError("nbgrader")}
    monkeypatch.setattr(metadata, "version", lambda name: (_ for _ in ()).throw(missing[name]))
    found = doctor._grading()
    assert "[classroom]" in found.value and found.problem is None


def test_a_broken_torch_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it now fails
    assert doctor._device().problem.startswith("PyTorch cannot be loaded (")


def test_missing_lessons_and_unwritable_folders_are_one_sentence_each(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(own_copy, "__file__", str(tmp_path / "vaecourse" / "own_copy.py"))
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("VAECOURSE_DATA", str(tmp_path / "file"))
    assert "lessons are missing" in found("lessons").problem
    assert "set VAECOURSE_HOME" in found("progress").problem
    assert "VAECOURSE_DATA names" in found("data").problem
    monkeypatch.setenv("VAECOURSE_DATA", str(tmp_path))
    assert found("data").problem is None


def test_the_summary_of_a_good_installation_names_no_machine():
    text = summary(examine(start_kernel=False))
    assert text == "Everything is in place."
    assert "Everything" not in summary((Finding("x", "1", "X is broken."),))


def test_the_table_has_one_line_per_finding():
    findings = examine(start_kernel=False)
    lines = table(findings).splitlines()
    assert len(lines) == len(findings)
    assert all(finding.value in line for finding, line in zip(findings, lines, strict=True))


def test_the_folder_of_the_data_is_told(monkeypatch):
    monkeypatch.delenv("VAECOURSE_DATA", raising=False)
    assert "not set" in found("data").value
    monkeypatch.setenv("VAECOURSE_DATA", str(Path.cwd()))
    assert found("data").value == str(Path.cwd())
