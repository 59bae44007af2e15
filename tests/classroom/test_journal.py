"""The journal of grading: whole entries or none, any student's name, damaged files set aside, one grader at a time."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaecourse.classroom import journal
from vaecourse.classroom.folder import ClassFolder
from vaecourse.classroom.records import FAILED, PASSED, Grade, Verdict
from vaecourse.errors import CourseError

NAMES = [
    "Anna",
    "anna",
    "Zoë",
    "Zoe\u0308",
    'O\'Brien "Bob"',
    "a b",
    "a-b",
    "..",
    "CON",
    "李",
    "x" * 300,
    "caf\udce9",
    "\ud800",
    "a/b",
    "",
]
HOLDS = """
import sys, time
from pathlib import Path
from vaecourse.classroom import journal
from vaecourse.classroom.folder import ClassFolder
with journal.locked(ClassFolder(Path(sys.argv[1])), "A1"):
    print("mine", flush=True)
    time.sleep(60)
"""


def grade(student="Anna", points=2, **given):
    verdicts = (
        Verdict(
            "A1/f",
            PASSED if points == 2 else FAILED,
            points,
            2,
            (("one", True), ("two", points == 2)),
            hint="Look.",
        ),
        Verdict("A1/g", FAILED, 0, 1, failed="three"),
    )
    return Grade(student, "A1", "a key", verdicts, **{"notes": ("odd",), **given})


@pytest.fixture
def folder(tmp_path):
    return ClassFolder(tmp_path)


def files(folder):
    return sorted(p.name for p in folder.journal("A1").iterdir())


def test_what_is_written_is_read_but_for_the_time_it_took(folder):
    made = grade(seconds=1.5, cpu_seconds=1.0, refusal="no")
    journal.write(folder, made, "digest", "seed")
    assert journal.read(folder, "A1", "Anna") == journal.Entry(grade(refusal="no"), "digest", "seed")
    assert journal.read(folder, "A1", "Berta") is None
    assert journal.read(folder, "A2", "Anna") is None


def test_equal_grades_make_equal_files(folder, tmp_path):
    other = ClassFolder(tmp_path / "other")
    one = journal.write(folder, grade(seconds=1.0), "d", "s")
    two = journal.write(other, grade(seconds=9.0, cpu_seconds=3.0), "d", "s")
    assert one.name == two.name and one.read_bytes() == two.read_bytes()


def test_every_name_has_a_file_of_its_own(folder):
    for i, name in enumerate(NAMES):
        journal.write(folder, grade(name), str(i))
    assert len(files(folder)) == len({f.lower() for f in files(folder)}) == len(NAMES)
    for i, name in enumerate(NAMES):
        assert journal.read(folder, "A1", name) == journal.Entry(grade(name), str(i))
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}\.json", f) for f in files(folder))


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text())
def test_names_of_files_are_plain(one, other):
    at = [journal.path(ClassFolder(Path("c")), "A1", name) for name in (one, other)]
    assert all(
        re.fullmatch(r"[a-z0-9-]{1,60}\.json", p.name) and p.parent == ClassFolder(Path("c")).journal("A1")
        for p in at
    )
    assert (at[0] == at[1]) == (one == other)


def swap(name, value):
    def change(stored):
        stored["grade"][name] = value

    return change


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        lambda stored: stored.pop("grade"),
        lambda stored: stored.pop("seed"),
        lambda stored: stored.update(format=0),
        lambda stored: stored.update(submission=3),
        swap("student", "Berta"),
        swap("assignment", "A2"),
        swap("key", None),
        swap("verdicts", [{}]),
        swap("verdicts", None),
        swap("surprise", 1),
        lambda stored: stored["grade"]["verdicts"][0].update(points=3),
        lambda stored: stored["grade"]["verdicts"][0].update(points="2"),
        lambda stored: stored["grade"]["verdicts"][0].update(verdict="splendid"),
    ],
)
def test_a_damaged_entry_is_set_aside(folder, damage):
    at = journal.write(folder, grade())
    if isinstance(damage, bytes):
        at.write_bytes(damage)
    else:
        stored = json.loads(at.read_text())
        damage(stored)
        at.write_text(json.dumps(stored))
    bad = at.read_bytes()
    assert journal.read(folder, "A1", "Anna") is None
    assert files(folder) == [at.with_suffix(".damaged").name]
    assert at.with_suffix(".damaged").read_bytes() == bad
    journal.write(folder, grade())
    assert journal.read(folder, "A1", "Anna").grade == grade()


def test_a_failed_write_leaves_the_old_entry_and_nothing_else(folder, monkeypatch):
    at = journal.write(folder, grade())
    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        journal.write(folder, grade(points=0))
    assert files(folder) == [at.name] and journal.read(folder, "A1", "Anna").grade == grade()


def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new(folder):
    """A process rewrites one entry for ever; each time it is killed, what lies there is whole."""
    code = """
import itertools, sys
sys.path.insert(0, sys.argv[2])
from classroom.test_journal import grade
from pathlib import Path
from vaecourse.classroom import journal
from vaecourse.classroom.folder import ClassFolder
for i in itertools.count():
    journal.write(ClassFolder(Path(sys.argv[1])), grade(points=i % 3, notes=("x" * 100_000,)))
    if i == 3:
        print("go", flush=True)
"""
    tests = os.path.dirname(os.path.dirname(__file__))
    for i in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", code, folder.root, tests], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"go\n"
            try:
                process.wait(0.01 * i)
            except subprocess.TimeoutExpired:
                process.kill()
        assert process.returncode == -signal.SIGKILL
        assert len(journal.read(folder, "A1", "Anna").grade.notes[0]) == 100_000
    journal.write(folder, grade())
    assert files(folder) == [journal.path(folder, "A1", "Anna").name]  # nothing of the killed ones is left


def test_one_grader_at_a_time_and_the_dead_hold_nothing(folder):
    held = [sys.executable, "-c", HOLDS, str(folder.root)]
    with subprocess.Popen(held, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"mine\n"
            with pytest.raises(
                CourseError, match=rf"A1 is being graded just now, by process {process.pid}: wait"
            ):
                with journal.locked(folder, "A1"):
                    pass
            with journal.locked(folder, "A2"):  # another assignment is another matter
                pass
        finally:
            process.kill()
    with journal.locked(folder, "A1"):
        pass


def test_a_second_grader_in_the_same_process_waits_too(folder):
    with journal.locked(folder, "A1"):
        with pytest.raises(CourseError, match=f"process {os.getpid()}"):
            with journal.locked(folder, "A1"):
                pass
        again = subprocess.run(
            [sys.executable, "-c", HOLDS, str(folder.root)], capture_output=True, timeout=30
        )
        assert b"A1 is being graded just now" in again.stderr  # and the refusal has not let go of the lock
    with journal.locked(folder, "A1"):
        pass


def test_the_lock_is_let_go_after_an_error(folder):
    with pytest.raises(ZeroDivisionError):
        with journal.locked(folder, "A1"):
            1 / 0  # noqa: B018
    with journal.locked(folder, "A1"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")
def test_what_a_grader_started_does_not_keep_its_lock(folder):
    """A process forked while the lock is held, as pools of workers are, outlives the grader; the lock is free."""
    forks = (
        "import os\n    child = os.fork() or time.sleep(60)\n    print(child, flush=True)\n    os._exit(0)"
    )
    code = HOLDS.replace("time.sleep(60)", forks)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, folder.root], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"mine\n"
    child = int(process.stdout.readline())
    try:
        assert process.wait(10) == 0
        with journal.locked(folder, "A1"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_sentence(folder):
    folder.root.chmod(0o500)
    with pytest.raises(CourseError, match="cannot be written"):
        with journal.locked(folder, "A1"):
            pass


def test_a_file_in_the_way_is_one_sentence(folder):
    (folder.root / "grading").write_text("")
    with pytest.raises(CourseError, match="cannot be written"):
        with journal.locked(folder, "A1"):
            pass
