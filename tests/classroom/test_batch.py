"""Grading a class: every submission gets what it earned, whatever the order, the executor, and whoever interrupts."""

import difflib
import json
import multiprocessing
import pickle
import shutil
import sys
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path

import pytest

from vaecourse.classroom import autograded, batch, defuse, gradebook, grading, jail, journal, kernel
from vaecourse.classroom.folder import SECRET, ClassFolder
from vaecourse.classroom.records import FAILED, PASSED, UNTOUCHED, Grade, Submission
from vaecourse.errors import CourseError

from . import tiny
from .conftest import TinyClass, make_class

pytestmark = pytest.mark.usefixtures("needs_jail")

SOLVED = dict(tiny.SOLUTIONS)
ODD_NAMES = ('Zoë O\'Brien "Z"', "李小龍", "-rf", "a b", "A b")
RAISES = {**SOLVED, "spread": "def spread(x):\n    raise ValueError"}
SYNTAX = {**SOLVED, "centred": "def centred(x:\n    return x"}


def fill(made: TinyClass) -> None:
    """Eight kinds of submission, some under odd names."""
    made.hand_in("anna", **SOLVED)
    made.hand_in("bert", **tiny.HALF)
    made.hand_in("carl")
    made.hand_in("dora", **tiny.WRONG)
    made.hand_in("emil", notebook=b"not a notebook")
    made.hand_in("fritz", **RAISES)
    made.hand_in("gerd", **SYNTAX)
    for name in ODD_NAMES:
        made.hand_in(name, **tiny.HALF)


def points(report) -> dict[str, int]:
    return {g.student: g.points for g in report.grades}


def state(folder: ClassFolder) -> dict:
    """All that grading leaves: gradebook, journal and autograded notebooks."""
    files = {
        str(p.relative_to(folder.root)): p.read_bytes()
        for place in ("autograded", "grading")
        for p in (folder.root / place).rglob("*")
        if p.is_file() and p.name not in (journal.LOCK, batch.ERRORS, batch.CHANGES)
    }
    return {"gradebook": gradebook.snapshot(folder), **files}


def same(one: dict, other: dict) -> None:
    """Both states are equal; else the first file that is not is shown."""
    assert one.keys() == other.keys()
    for name in one:
        lines = [x if isinstance(x, str) else x.decode() for x in (one[name], other[name])]
        if lines[0] != lines[1]:
            pytest.fail(name + "\n" + "\n".join(difflib.unified_diff(*(x.splitlines() for x in lines), n=0)))


def never(*given, **named):
    raise AssertionError("nothing was to be run")


@pytest.fixture(scope="module")
def graded_once(tmp_path_factory):
    """A class graded with two jobs, its report and its state; not to be changed."""
    tiny.register()
    made = make_class(tmp_path_factory.mktemp("once") / "class")
    fill(made)
    report = batch.grade(made.folder, "T1", jobs=2, progress=False)
    yield made, report, state(made.folder)
    tiny.forget()


@pytest.fixture
def graded(graded_once, tiny_assignment, tmp_path) -> TinyClass:
    """A copy of the graded class."""
    shutil.copytree(graded_once[0].root, tmp_path / "class", symlinks=True)
    return TinyClass(ClassFolder(tmp_path / "class"))


def test_everyone_gets_what_was_earned(graded_once):
    made, report, _ = graded_once
    earned = {"anna": 7, "bert": 6, "carl": 0, "dora": 0, "emil": 0, "fritz": 4, "gerd": 0}
    assert points(report) == {**earned, **dict.fromkeys(ODD_NAMES, 6)}
    assert report.complete and report.changes == () and report.graded == tuple(sorted(points(report)))
    assert report.solved == ("anna",)
    assert list(report.refused) == ["emil"] and "not a notebook" in report.refused["emil"]
    assert report.counts["T1/centred"] == {PASSED: 8, FAILED: 1, UNTOUCHED: 2}
    for student in points(report):
        assert (made.folder.autograded(defuse.name(student), "T1") / "T1.ipynb").is_file()
        assert journal.read(made.folder, "T1", student).grade.points == points(report)[student]


def test_the_report_in_words(graded_once):
    said = str(graded_once[1])
    assert said.startswith("T1: 12 graded in ")
    assert "1 solved everything, 1 refused." in said.splitlines()[0]
    assert "T1/centred" in said and "property failed" in said and "out of memory" not in said
    assert "  emil: " in said
    assert f"{graded_once[1].by_hand} written answers are to be graded by hand" in said


def test_what_is_graded_is_not_run_again(graded, graded_once, monkeypatch):
    monkeypatch.setattr(kernel, "run", never)
    report = batch.grade(graded.folder, "T1", progress=False)
    assert report.graded == () and points(report) == points(graded_once[1]) and report.complete
    assert "12 unchanged since the last time" in report.line
    assert state(graded.folder) == graded_once[2]


@pytest.mark.parametrize("lost", ["journal", "damaged", "autograded", "gradebook"])
def test_what_is_lost_is_made_again_the_same(graded, graded_once, lost):
    """Only the students who lost something are run again (all, when the gradebook is gone), with the same result."""
    if lost == "gradebook":
        for student in sorted(points(graded_once[1]))[3:]:  # the fewer the quicker
            shutil.rmtree(graded.folder.submitted(student, "T1"))
            shutil.rmtree(graded.folder.autograded(student, "T1"), ignore_errors=True)
            journal.path(graded.folder, "T1", student).unlink()
        graded.folder.database.unlink()
        expected = graded.folder.students("T1")
    else:
        expected = ["bert"]
        if lost == "autograded":
            shutil.rmtree(graded.folder.autograded("bert", "T1"))
        elif lost == "damaged":
            journal.path(graded.folder, "T1", "bert").write_bytes(b"{")
        else:
            journal.path(graded.folder, "T1", "bert").unlink()
    report = batch.grade(graded.folder, "T1", progress=False)
    assert list(report.graded) == expected and report.changes == ()
    if lost == "gradebook":
        after, before = state(graded.folder), graded_once[2]
        assert all(after[name] == before[name] for name in after if name != "gradebook")
        assert gradebook.snapshot(graded.folder)
    else:
        after = state(graded.folder)
        after.pop(next((name for name in after if name.endswith(".damaged")), None), None)
        assert after == graded_once[2]


def work(future: Future, function, *args) -> Future:
    """Call the function here, for a future that waits for it."""
    try:
        future.set_result(function(*args))
    except Exception as error:
        future.set_exception(error)
    return future


class Backwards(Executor):
    """Runs the last task first, and none before it must."""

    _max_workers = 8

    def __init__(self):
        self.waiting = []

    def submit(self, function, /, *args):
        future = Future()
        if function is not kernel.run:
            return work(future, function, *args)
        self.waiting.append((future, args))
        if len(self.waiting) == 1:
            threading.Timer(0.5, self.work).start()
        return future

    def work(self):
        while self.waiting:
            future, args = self.waiting.pop()
            work(future, kernel.run, *args)


@pytest.mark.parametrize("how", ["backwards", "processes", "one job"])
def test_the_order_and_the_executor_do_not_matter(graded_once, tiny_assignment, tmp_path, how):
    made = make_class(tmp_path / "class")
    for student in ("anna", "bert", "emil", "fritz", ODD_NAMES[0]):
        shutil.copytree(graded_once[0].folder.submitted(student, "T1"), made.folder.submitted(student, "T1"))
    if how == "processes":
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            report = batch.grade(made.folder, "T1", executor=pool, progress=False)
    else:
        given = {"executor": Backwards()} if how == "backwards" else {"jobs": 1}
        report = batch.grade(made.folder, "T1", progress=False, **given)
    assert report.complete
    after, before = state(made.folder), graded_once[2]
    assert {name: after[name] for name in after if name != "gradebook"}.items() <= before.items()
    assert points(report).items() <= points(graded_once[1]).items()


def test_again_runs_all_and_changes_nothing(graded, graded_once):
    who = ["anna", "emil"]
    report = batch.grade(graded.folder, "T1", students=who, again=True, progress=False)
    assert report.graded == tuple(who) and report.changes == ()
    assert state(graded.folder) == graded_once[2]


def test_a_new_submission_changes_that_student_alone(graded, graded_once):
    graded.hand_in("bert", **SOLVED)
    graded.hand_in("emil", **tiny.HALF)
    report = batch.grade(graded.folder, "T1", progress=False)
    assert report.graded == ("bert", "emil")
    assert list(map(str, report.changes)) == [
        "bert: T1/spread 2 → 3 (new submission)",
        "emil: submission 0 → 6 (new submission)",
    ]
    history = (graded.folder.journal("T1") / batch.CHANGES).read_text("utf-8").splitlines()
    assert sorted(line.partition(" UTC  ")[2] for line in history) == list(map(str, report.changes))
    assert "2 points changed" in report.line and "bert: T1/spread 2 → 3" in str(report)
    after, before = state(graded.folder), graded_once[2]
    mine = {str(journal.path(ClassFolder(Path()), "T1", s)) for s in ("bert", "emil")}
    touched = {name for name in after if after[name] != before.get(name)} - {"gradebook"}
    assert all(name in mine or "/bert/" in name or "/emil/" in name for name in touched)


def test_a_new_seed_or_a_changed_assignment_grades_anew_and_says_so(graded):
    for student in graded.folder.students("T1"):
        if student not in ("anna", "bert"):
            shutil.rmtree(graded.folder.submitted(student, "T1"))
    (graded.root / SECRET).write_text("ff" * 16)
    report = batch.grade(graded.folder, "T1", progress=False)
    assert report.graded == ("anna", "bert") and report.changes == ()  # other inputs, the same marks
    # A teacher who changes what a solution gives is stopped: students' checks know the values of the course's own.
    source = graded.folder.source("T1")
    notebook = json.loads(source.read_text("utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].replace(SOLVED["spread"], tiny.HALF["spread"])
    source.write_text(json.dumps(notebook), encoding="utf-8")
    before = state(graded.folder)
    with pytest.raises(CourseError, match=r"The solution of T1/spread in .* gives other values"):
        batch.grade(graded.folder, "T1", progress=False)
    assert state(graded.folder) == before
    # Other words in the notebook grade anew, with the same marks; after a release, it has to be released first.
    notebook = tiny.source()
    notebook["cells"][0]["source"] += " Another sentence."
    source.write_text(json.dumps(notebook), encoding="utf-8")
    graded.folder.released("T1").write_text("0" * 64, encoding="ascii")
    with pytest.raises(CourseError, match="source/T1 has changed since it was released"):
        batch.grade(graded.folder, "T1", progress=False)
    graded.folder.released("T1").write_text(graded.folder.digest("T1"), encoding="ascii")
    report = batch.grade(graded.folder, "T1", progress=False)
    assert report.graded == ("anna", "bert") and report.changes == ()


def test_why_a_grade_changed():
    made = object.__new__(batch._Batch)
    made.seed = "new"
    grade = Grade("anna", "T1", "new", ())
    submission = Submission("anna", "T1", None, "new")
    why = {
        (digest, seed, key): made._why(
            journal.Entry(Grade("anna", "T1", key, ()), digest, seed), submission, grade
        )
        for digest in ("old", "new")
        for seed in ("old", "new")
        for key in ("old", "new")
    }
    assert why["old", "old", "old"] == "new submission, new seed"
    assert why["old", "new", "old"] == "new submission"
    assert why["new", "old", "old"] == "new seed"
    assert why["new", "new", "old"] == "changed assignment"
    assert why["new", "new", "new"] == "graded again"


@pytest.mark.parametrize("where", ["run", "judge", "autograded", "gradebook", "key"])
def test_an_internal_error_stops_nobody_else(tiny_class, monkeypatch, where):
    """Something of ours fails for bert, at each step of his way; anna has her grade, and he has his the next time."""
    tiny_class.hand_in("anna", **SOLVED)
    tiny_class.hand_in("bert", centred="# MARK\n" + SOLVED["centred"])
    module, name = {
        "run": (kernel, "run"),
        "judge": (grading, "judge"),
        "key": (grading, "key"),
        "autograded": (autograded, "write"),
        "gradebook": (gradebook, "write"),
    }[where]
    real = getattr(module, name)

    def broken(*args, **named):
        if "# MARK" in repr(args) or "student='bert'" in repr(args):
            raise RuntimeError("a bug of ours")
        return real(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, broken)
        report = batch.grade(tiny_class.folder, "T1", progress=False)
    assert points(report) == {"anna": 7} and not report.complete
    assert report.failed["bert"].startswith("could not be graded: try again (RuntimeError; see ")
    assert "a bug of ours" in (tiny_class.folder.journal("T1") / batch.ERRORS).read_text("utf-8")
    assert "Run the same command again" in str(report)
    assert journal.read(tiny_class.folder, "T1", "bert") is None
    report = batch.grade(tiny_class.folder, "T1", progress=False)
    assert report.graded == ("bert",) and points(report) == {"anna": 7, "bert": 4}


def test_no_worker_ever_sees_the_seed_or_a_reference(tiny_class):
    tiny_class.hand_in("anna", **SOLVED)
    seen = []

    class Spying(Executor):
        def submit(self, function, /, *args):
            seen.append(pickle.dumps((function, args)))
            return work(Future(), function, *args)

    assert batch.grade(tiny_class.folder, "T1", executor=Spying(), progress=False).complete
    secret = tiny_class.folder.secret()
    sent = b"".join(seen)
    assert len(seen) >= 2 and b"T1/centred" in sent
    for word in (
        secret,
        secret.hex().encode(),
        b"anna",
        b"properties",
        b"reference",
        str(tiny_class.root).encode(),
    ):
        assert word not in sent


def test_without_a_jail_nothing_is_run_unless_told(tiny_class, monkeypatch, capsys):
    tiny_class.hand_in("anna", **SOLVED)
    monkeypatch.setattr(jail, "available", lambda: "There is no bubblewrap here.")
    with pytest.raises(CourseError, match="There is no bubblewrap here"):
        batch.grade(tiny_class.folder, "T1", progress=False)
    assert journal.read(tiny_class.folder, "T1", "anna") is None
    report = batch.grade(tiny_class.folder, "T1", jail=False)
    assert points(report) == {"anna": 7}
    warning = "There is no jail: the submissions run as you, and may read and change all that you can"
    assert warning in str(report) and capsys.readouterr().err.startswith(warning)
    monkeypatch.undo()
    again = batch.grade(tiny_class.folder, "T1", progress=False)  # and now behind a wall
    assert again.graded == ("anna",) and again.changes == () and again.warnings == ()
    monkeypatch.setattr(kernel, "run", never)
    assert batch.grade(tiny_class.folder, "T1", progress=False).graded == ()


def test_two_graders_at_once(graded):
    with journal.locked(graded.folder, "T1"):
        with pytest.raises(CourseError, match="T1 is being graded just now"):
            batch.grade(graded.folder, "T1", progress=False)


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"students": ["nobody"]}, "'nobody' has handed in no T1"),
        ({"jobs": 0}, "The number of jobs is 0"),
        ({"executor": Backwards(), "scheduler": "tcp://x:1"}, "not both"),
    ],
)
def test_bad_arguments_are_one_sentence(graded, given, sentence):
    with pytest.raises(CourseError, match=sentence):
        batch.grade(graded.folder, "T1", progress=False, **given)


def test_nobody_handed_in_is_one_sentence(tiny_class):
    with pytest.raises(CourseError, match="Nobody has handed in T1 yet: `vaecourse class collect T1"):
        batch.grade(tiny_class.folder, "T1")


def test_an_unknown_assignment_is_one_sentence(tiny_class):
    for name in ("A9", "../x", ""):
        with pytest.raises(CourseError, match="There is no assignment"):
            batch.grade(tiny_class.folder, name)


def test_the_progress_bar_is_for_terminals(graded, capfd, monkeypatch):
    batch.grade(graded.folder, "T1")
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    graded.hand_in("bert", **SOLVED)
    batch.grade(graded.folder, "T1")
    out, err = capfd.readouterr()
    assert out == "" and "12/12" in err and "problems=1" in err  # emil's is no notebook
    batch.grade(graded.folder, "T1", progress=False)
    assert capfd.readouterr() == ("", "")
