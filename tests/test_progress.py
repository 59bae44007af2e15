"""Progress is kept, never lost, and never stands in the way."""

import json
import re
import subprocess
import sys

import pytest

from vaecourse import exercises, lesson, predictions, progress
from vaecourse.widgets.progress import progress_html, progress_text, total


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path / "home"))
    progress._say.cache_clear()
    progress._unwritten.clear()
    return tmp_path / "home" / "progress"


def test_what_is_recorded_is_recalled(own_folder):
    assert progress.recall("exercise", "01/discrete_kl") is None
    assert not own_folder.exists()  # looking makes nothing
    progress.record("exercise", "01/discrete_kl", points=3, of=7, solved=False)
    assert progress.recall("exercise", "01/discrete_kl") == {"points": 3, "of": 7, "solved": False}
    assert progress.recall("exercise", "01/gaussian_kl") is None
    assert progress.recall("prediction", "01/discrete_kl") is None
    assert [f.name for f in own_folder.iterdir()] == ["01.exercise.discrete_kl.json"]


def test_the_better_result_stays():
    for points, solved in ((3, False), (7, True), (2, False)):
        progress.record("exercise", "01/discrete_kl", points=points, of=7, solved=solved)
    assert progress.recall("exercise", "01/discrete_kl") == {"points": 7, "of": 7, "solved": True}


def test_the_first_answer_to_a_prediction_stays():
    progress.record("prediction", "01/never_seen", choice="+∞")
    kept = progress.record("prediction", "01/never_seen", choice="Some finite number")
    assert kept == progress.recall("prediction", "01/never_seen") == {"choice": "+∞"}


WRITER = """
import sys
from vaecourse import progress
for i in range(60):
    progress.record("exercise", f"01/{sys.argv[1]}{i}", points=i, solved=True)
    progress.record("exercise", "01/shared", points=i, solved=False)
"""


def test_two_kernels_at_the_same_time_lose_nothing(own_folder):
    kernels = [subprocess.Popen([sys.executable, "-c", WRITER, name]) for name in "ab"]
    assert [kernel.wait(60) for kernel in kernels] == [0, 0]
    for name in "ab":
        assert [progress.recall("exercise", f"01/{name}{i}")["points"] for i in range(60)] == list(range(60))
    assert progress.recall("exercise", "01/shared")["points"] == 59
    assert len(list(own_folder.iterdir())) == 121  # and no draft is left


@pytest.mark.parametrize(
    "content", [b"", b'{"name": "01/discr', b"[1, 2]", b"\xff\xfe\x00", b'{"name": "01/other"}', b"null"]
)
def test_a_damaged_file_is_set_aside_and_nothing_else_is_lost(own_folder, capsys, content):
    progress.record("exercise", "01/discrete_kl", points=7, solved=True)
    progress.record("exercise", "01/gaussian_kl", points=2, solved=False)
    file = own_folder / "01.exercise.discrete_kl.json"
    file.write_bytes(content)
    assert progress.recall("exercise", "01/discrete_kl") is None
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "was damaged" in said and "01.exercise.discrete_kl.damaged" in said
    assert (own_folder / "01.exercise.discrete_kl.damaged").read_bytes() == content
    assert progress.recall("exercise", "01/gaussian_kl")["points"] == 2
    progress.record("exercise", "01/discrete_kl", points=1, solved=False)
    file.write_bytes(content)  # damaged again: the first one aside is not overwritten
    assert progress.recall("exercise", "01/discrete_kl") is None
    assert (own_folder / "01.exercise.discrete_kl.damaged1").read_bytes() == content


def test_a_folder_that_takes_no_files_is_said_once_and_the_lesson_goes_on(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path / "file" / "inside"))
    progress.record("prediction", "01/never_seen", choice="+∞")
    progress.record("exercise", "01/discrete_kl", points=7, solved=True)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "cannot be saved" in said and "VAECOURSE_HOME" in said
    assert progress.recall("prediction", "01/never_seen") == {"choice": "+∞"}  # until the kernel stops
    assert next(r for r in progress.summary() if r.lesson == "01").solved == 1
    assert capsys.readouterr().out == ""
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_what_found_no_place_is_written_once_there_is_one(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path / "file"))
    progress.record("exercise", "01/discrete_kl", points=7, solved=True)
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path / "home"))
    progress.record("exercise", "01/discrete_kl", points=2, solved=False)
    progress._unwritten.clear()
    assert progress.recall("exercise", "01/discrete_kl") == {"points": 7, "solved": True}


def test_a_crash_while_writing_leaves_the_old_file(own_folder, monkeypatch):
    progress.record("exercise", "01/discrete_kl", points=3, solved=False)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(progress.json, "dump", full)
    progress.record("exercise", "01/discrete_kl", points=7, solved=True)
    kept = json.loads((own_folder / "01.exercise.discrete_kl.json").read_text(encoding="utf-8"))
    assert kept["points"] == 3
    assert len(list(own_folder.iterdir())) == 1


def test_a_file_that_is_being_read_elsewhere_is_waited_for(own_folder, monkeypatch):
    real, tries = progress.os.replace, []

    def busy(*paths):
        tries.append(paths)
        if len(tries) < 3:
            raise PermissionError(13, "used by another process")
        real(*paths)

    monkeypatch.setattr(progress.os, "replace", busy)
    progress.record("exercise", "01/discrete_kl", points=3, solved=False)
    assert len(tries) == 3 and progress.recall("exercise", "01/discrete_kl")["points"] == 3


@pytest.mark.parametrize(
    ("kind", "name"), [("exam", "01/x"), ("exercise", "../../x"), ("exercise", "1/x"), ("exercise", "01/a/b")]
)
def test_only_names_of_the_course_become_files(kind, name):
    with pytest.raises(ValueError, match="Progress is kept about"):
        progress.record(kind, name, points=1)


def test_the_summary_counts_every_lesson():
    progress.record("exercise", "01/discrete_kl", points=7, solved=True)
    progress.record("exercise", "01/gaussian_kl", points=3, solved=False)
    progress.record("prediction", "01/never_seen", choice="+∞")
    rows = {row.lesson: row for row in progress.summary()}
    assert set(exercises.MODULES) <= set(rows)
    one = rows["01"]
    assert one.title == "KL divergence" and one.exercises == len(exercises.of_lesson("01"))
    assert (one.solved, one.committed) == (1, 1)
    assert one.predictions == sum(p.lesson == "01" for p in predictions.PREDICTIONS)
    assert total(list(rows.values())).solved == 1


def test_the_table_says_the_same_in_text_and_in_html(capsys):
    progress.record("exercise", "01/discrete_kl", points=7, solved=True)
    rows = progress.summary()
    one = next(row for row in rows if row.lesson == "01")
    assert f"1 of {one.exercises}" in progress_text(rows)
    page = progress_html(rows)
    lines = re.findall(r"<tr>(.*?)</tr>", page)
    assert len(lines) == len(rows) + 2 and all(line.count("<td") == 3 for line in lines[1:])
    for line, row in zip(lines[1:], rows, strict=False):
        assert (
            re.sub("<.*?>", " ", line).split()
            == (
                f"{row.lesson} {row.title} {row.solved} of {row.exercises} {row.committed} of {row.predictions}"
            ).split()
        )
    assert f"1 of {one.exercises}" in page and f"width:{100 / one.exercises:.0f}%" in page
    lesson.progress()
    assert "KL divergence" in capsys.readouterr().out


def test_a_check_is_recorded_and_an_untouched_one_is_not(capsys):
    lesson.check("01/discrete_kl", ...)
    assert progress.recall("exercise", "01/discrete_kl") is None
    lesson.check("01/excess_bits", lambda p, lengths: 0.0)
    assert progress.recall("exercise", "01/excess_bits")["solved"] is False
    lesson.check("01/discrete_kl", solution)
    assert progress.recall("exercise", "01/discrete_kl") == {"points": 7, "of": 7, "solved": True}
    assert capsys.readouterr().out.count("solved, 7 of 7 points") == 2  # as text, and as HTML


def solution(p, q):
    total = 0.0
    for a, b in zip(p, q, strict=True):
        if a > 0:
            total += a * (progress_log(a / b) if b > 0 else float("inf"))
    return total


def progress_log(ratio):
    import math

    return math.log(ratio)
