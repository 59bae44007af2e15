"""A batch that is killed, at any moment and again and again, ends as if nothing had happened."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import psutil
import pytest

from vaecourse.classroom import batch, journal

from . import tiny
from .conftest import make_class
from .test_batch import RAISES, SYNTAX, points, same, state, work

pytestmark = [
    pytest.mark.usefixtures("needs_jail"),
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL"),
]
CLASS = 40
KILLS = 10


def fill(made) -> None:
    """Forty submissions; three of four cannot be run at all, which costs little and is written down all the same."""
    kinds = [tiny.SOLUTIONS, tiny.HALF, RAISES, {}, SYNTAX, tiny.WRONG]
    for i in range(CLASS):
        student = f"student {i:02}"
        if i % 4:
            made.hand_in(student, notebook=b"damaged %d" % i)
        else:
            made.hand_in(student, **kinds[i // 4 % len(kinds)])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The state that an undisturbed batch leaves."""
    tiny.register()
    made = make_class(tmp_path_factory.mktemp("undisturbed") / "class")
    fill(made)
    report = batch.grade(made.folder, "T1", progress=False)
    assert len(report.graded) == CLASS and report.complete
    yield state(made.folder), points(report)
    tiny.forget()


@pytest.fixture
def forty(tiny_class):
    fill(tiny_class)
    return tiny_class


def start(made, environment) -> subprocess.Popen:
    command = [sys.executable, "-m", "classroom.driver", str(made.root), "--tell"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    )


def steps(process: subprocess.Popen, count: int, word: str = "") -> None:
    """Wait until the process has begun so many steps, of one kind if one is named."""
    while count:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        count -= not word or line == word + "\n"


def end(process: subprocess.Popen, number: int) -> int:
    """Send a signal; all that the process had started must be gone soon after it."""
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert not psutil.wait_procs(family, timeout=5)[1]
    return process.returncode


def test_killed_ten_times(forty, undisturbed, driver_environment):
    """At the start; then at random steps of random submissions, some milliseconds into the step: the gradebook's too."""
    rng = random.Random(os.environ.get("VAECOURSE_TEST_SEED", "1"))
    words = [
        "autograded",
        "gradebook",
        "gradebook",
        "gradebook",
        "gradebook",
        "journal",
        "journal",
        "journal",
        "",
    ]
    rng.shuffle(words)
    for kill in range(KILLS):
        process = start(forty, driver_environment)
        if kill:
            steps(process, rng.randint(1, 5), words[kill - 1])
            time.sleep(rng.choice([0, 0.001, 0.003, 0.01, 0.03]))
        else:
            time.sleep(rng.random())
        assert end(process, signal.SIGKILL) == -signal.SIGKILL
    begun = len(list(forty.folder.journal("T1").glob("*.json")))
    assert CLASS // 4 < begun < CLASS  # it was killed all over the batch, not only where it begins
    report = batch.grade(forty.folder, "T1", progress=False)
    assert len(report.graded) == CLASS - begun and report.changes == () and report.complete
    assert points(report) == undisturbed[1]
    same(state(forty.folder), undisturbed[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_says_how_to_go_on(forty, undisturbed, driver_environment, number):
    """Also while a submission runs that would not end for long: its kernel is ended, and it is run again the next time."""
    endless = forty.folder.submitted("student 20", "T1") / "T1.ipynb"
    before = endless.read_text("utf-8")
    forty.hand_in("student 20", spread="while True:\n    pass")
    process = start(forty, driver_environment)
    steps(process, 15, "journal")
    time.sleep(1)  # student 20 is being run now, for the five seconds that a cell has
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    started = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - started < 3.5
    assert not psutil.wait_procs(family, timeout=5)[1]
    assert process.returncode == 1 and "Traceback" not in err
    assert " left" in out and "Run the same command again to go on" in out
    assert journal.read(forty.folder, "T1", "student 20") is None
    begun = len(list(forty.folder.journal("T1").glob("*.json")))
    assert 15 <= begun < CLASS
    endless.write_text(before, encoding="utf-8")
    report = batch.grade(forty.folder, "T1", progress=False)
    assert len(report.graded) == CLASS - begun
    same(state(forty.folder), undisturbed[0])


class Killed(BaseException):
    """What stops a batch between two steps."""


class Remembering(Executor):
    """Runs each task once; asked again, it knows what came."""

    _max_workers = 2

    def __init__(self):
        self.pool, self.known = ThreadPoolExecutor(2), {}

    def submit(self, function, /, *args):
        asked = repr((function, args))
        if asked not in self.known:
            self.known[asked] = self.pool.submit(function, *args)
        future = Future()
        self.known[asked].add_done_callback(lambda done: work(future, done.result))
        return future


def stop_at(patch, count: int) -> None:
    """Raise Killed before the count-th file is put in its place, or the count-th line written in the gradebook."""
    left = [count]

    def counted():
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    class Connection(sqlite3.Connection):
        def execute(self, statement, *given):
            if not statement.startswith("SELECT"):
                counted()
            return super().execute(statement, *given)

    replace, connect = os.replace, sqlite3.connect
    patch.setattr(os, "replace", lambda *paths: (counted(), replace(*paths))[1])
    patch.setattr(
        sqlite3, "connect", lambda *args, **named: connect(*args, **{**named, "factory": Connection})
    )


def test_stopped_before_every_single_step(tiny_assignment, tmp_path):
    """A batch of two for each file that is put in its place and each line that is written in the gradebook."""
    executor = Remembering()

    def new(name):
        made = make_class(tmp_path / name)
        made.hand_in("bert", **tiny.HALF)
        made.hand_in("emil", notebook=b"damaged")
        return made.folder

    def grade(folder):
        return batch.grade(folder, "T1", executor=executor, progress=False)

    folder = new("undisturbed")
    grade(folder)
    expected, count = state(folder), 0
    while True:
        count += 1
        folder = new(str(count))
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, count)
            try:
                grade(folder)
                break
            except Killed:
                pass
        report = grade(folder)
        assert report.complete and report.changes == ()
        assert state(folder) == expected, count
    assert count > 2 * 20  # all steps of both
    executor.pool.shutdown()
