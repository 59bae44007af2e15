"""Every hostile submission, in one batch with honest students: each gets what it earned, and nothing else happens."""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import socket
import threading
from collections import Counter
from pathlib import Path

import psutil
import pytest

from vaecourse.assignments.core import Limits
from vaecourse.classroom import batch, feedback, gradebook, grading, jail, records

from .. import tiny
from ..conftest import SEED, make_class
from . import LEAK, PLANTED, RIGHT, Hostile, breaking, leaving, points, spying

pytestmark = pytest.mark.skipif(bool(jail.available()), reason=jail.available())

SUBMISSIONS = (*points.SUBMISSIONS, *breaking.SUBMISSIONS, *spying.SUBMISSIONS, *leaving.SUBMISSIONS)
HONEST = {
    "ann, all right": (tiny.SOLUTIONS, RIGHT),
    "bob, half right": (tiny.HALF, {**RIGHT, "spread": (records.FAILED, 2)}),
    "cleo, not begun": ({}, dict.fromkeys(RIGHT, (records.UNTOUCHED, 0))),
}
LIMITS = Limits(
    seconds=60.0,
    cell_seconds=4.0,
    cpu_seconds=15.0,
    memory=640 * 2**20,
    scratch=16 * 2**20,
    output=256 * 2**10,
    reply=2**20,
)
IN_ENVIRONMENT, IN_HOME = "canary-7f3a-environment", "canary-91be-home"
PLACES_TO_PLANT = ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/etc")


@dataclasses.dataclass
class Graded:
    """What is known after the batch."""

    grades: dict[str, records.Grade]
    failed: dict[str, str]
    root: Path
    tokens: dict[str, str]
    heard: list[bytes]
    before: dict[str, str]
    after: dict[str, str]
    planted: list[str]
    processes: list[str]
    marks: list[tuple]


@pytest.fixture(scope="module")
def graded(tmp_path_factory) -> Graded:
    """Grade all of them once, two at a time; every test of this module looks at what came of it."""
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        stack.callback(tiny.forget)
        tiny.register()
        patch.setattr(tiny, "LIMITS", LIMITS)
        patch.setenv("VAECOURSE_CANARY", IN_ENVIRONMENT)
        home = tmp_path_factory.mktemp("home")
        (home / "private.txt").write_text(IN_HOME)
        patch.setenv("HOME", str(home))
        made = make_class(tmp_path_factory.mktemp("class") / "course")
        port, heard = stack.enter_context(_listener())
        places = {"@ROOT@": str(made.root), "@HOME@": str(home), "@PORT@": str(port)}
        tokens = {name: hashlib.sha256(name.encode()).hexdigest()[:20] for name in (*HONEST, *_named())}
        for name, (answers, _) in HONEST.items():
            about = {"why_squares": f"My own answer, {tokens[name]}."}
            made.hand_in(name, notebook=tiny.submission(**{**answers, **about}))
        for name, hostile in _named().items():
            made.hand_in(name, notebook=hostile.notebook(tokens[name], places))
        before = _files(made.root)
        there = _planted(home)
        report = batch.grade(made.folder, tiny.NAME, jobs=2, progress=False)
        feedback.generate(made.folder, tiny.NAME)
        with gradebook.opened(made.folder) as book:
            marks = gradebook.grades(book, tiny.NAME)
        yield Graded(
            {g.student: g for g in report.grades},
            dict(report.failed),
            made.root,
            tokens,
            heard,
            before,
            _files(made.root),
            sorted(_planted(home) - there),
            _processes(),
            marks,
        )


# Each on its own


@pytest.mark.parametrize("hostile", SUBMISSIONS, ids=lambda h: h.name)
def test_it_gets_exactly_what_it_earned(graded, hostile):
    assert hostile.name not in graded.failed
    grade = graded.grades[hostile.name]
    found = {v.exercise.split("/")[1]: (v.verdict, v.points) for v in grade.verdicts}
    assert found == hostile.expected, [v.sentence for v in grade.verdicts]
    assert grade.points == sum(p for _, p in hostile.expected.values()) and not grade.refusal


@pytest.mark.parametrize("hostile", SUBMISSIONS, ids=lambda h: h.name)
def test_it_learned_and_told_nothing(graded, hostile):
    _nothing_secret(graded, hostile.name)


# All together


def test_there_are_enough_kinds():
    assert len(SUBMISSIONS) >= 19 + 15 and len({h.name for h in SUBMISSIONS}) == len(SUBMISSIONS)
    assert all(h.tries for h in SUBMISSIONS)


@pytest.mark.parametrize("name", HONEST)
def test_honest_students_get_what_they_earned_beside_them(graded, name, tmp_path):
    found = {v.exercise.split("/")[1]: (v.verdict, v.points) for v in graded.grades[name].verdicts}
    assert found == HONEST[name][1]
    _nothing_secret(graded, name)


def test_nobody_could_not_be_graded(graded):
    assert graded.failed == {}
    assert set(graded.grades) == {*HONEST, *_named()}


def test_the_gradebook_holds_these_points_and_no_others(graded):
    expected = {name: dict(e) for name, (_, e) in HONEST.items()} | {h.name: h.expected for h in SUBMISSIONS}
    text = json.dumps(graded.marks)
    assert "100" not in re.findall(r"\b\d+\b", text)
    for name, earned in expected.items():
        held = [row for row in graded.marks if name in row]
        assert held, name
        for function, (_, marks) in earned.items():
            (row,) = (row for row in held if f"check_{function}" in row)
            assert float(marks) in row, (name, row)


def test_what_was_handed_in_and_the_secrets_of_the_class_are_as_they_were(graded):
    assert {name: graded.after.get(name) for name in graded.before} == graded.before
    new = {Path(name).parts[0] for name in set(graded.after) - set(graded.before)}
    assert new <= {"autograded", "feedback", "grading", "gradebook.db"}
    names = Counter(Path(name).name for name in set(graded.after) - set(graded.before))
    each = {"T1.ipynb", "T1.html", "timestamp.txt", "submission_secret.txt"}  # the last two are nbgrader's
    assert {n for n in names if not n.endswith(".json")} <= {*each, "gradebook.db", "lock"}


def test_nothing_is_left_behind(graded):
    assert graded.planted == []


def test_no_process_is_left(graded):
    assert graded.processes == []


def test_nothing_came_through_the_network(graded):
    assert graded.heard == []


def test_the_traps_of_this_test_do_catch(graded, tmp_path):
    """A leak, a plant, a process and a message would each have been seen."""
    leaky = tmp_path / "course" / "autograded" / "eve" / tiny.NAME
    leaky.mkdir(parents=True)
    (leaky / "T1.ipynb").write_text(f"... {LEAK} ...")
    told = dataclasses.replace(
        graded, root=tmp_path / "course", grades={"eve": next(iter(graded.grades.values()))}
    )
    with pytest.raises(AssertionError):
        _nothing_secret(told, "eve")
    (tmp_path / f"{PLANTED}-here").touch()
    assert str(tmp_path / f"{PLANTED}-here") in _planted(tmp_path)
    daemon = psutil.Popen(["sleep", "5"])
    assert _processes() == ["sleep 5"]
    daemon.kill()
    daemon.wait()
    with _listener() as (port, heard):
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.send(b"hello")
        for _ in range(100):
            if heard:
                break
            threading.Event().wait(0.05)
        assert heard


def test_no_page_holds_anything_that_could_act(graded):
    for page in (graded.root / "feedback").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script>stolen" not in text and "<script>planted" not in text, page
        assert "<svg xmlns='" not in text, page
    assert "&lt;script&gt;stolen()" in (graded.root / "feedback" / "script" / "T1" / "T1.html").read_text(
        "utf-8"
    )
    for notebook in (graded.root / "autograded").rglob("*.ipynb"):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", ()):
                assert set(output.get("data", ())) <= {"text/plain", "image/png"}, notebook


# How it is looked at


def _named() -> dict[str, Hostile]:
    return {h.name: h for h in SUBMISSIONS}


def _nothing_secret(graded: Graded, name: str) -> None:
    """In no byte of what is kept about this student is there a secret, a hidden input, or another one's word."""
    kept = [json.dumps(dataclasses.asdict(graded.grades[name]), ensure_ascii=False).encode()]
    for part in ("autograded", "feedback"):
        for file in (graded.root / part / name).rglob("*"):
            kept += [file.read_bytes(), str(file).encode()] if file.is_file() else []
    assert len(kept) > 1
    others = [token for other, token in graded.tokens.items() if other != name]
    secrets = [
        LEAK,
        SEED,
        IN_ENVIRONMENT,
        IN_HOME,
        "MODEL-ANSWER",
        *others,
        *_hidden(graded.root),
    ]
    for content in kept:
        for secret in secrets:
            assert secret.encode() not in content, f"{secret!r} in what is kept of {name!r}"
    everything = b"".join(kept)
    assert (
        name not in HONEST or graded.tokens.get(name, "").encode() in everything
    )  # one's own answer is there


def _hidden(root: Path) -> list[str]:
    """The drawn inputs, as they would stand in a text."""
    from vaecourse.assignments import assignment
    from vaecourse.classroom.folder import ClassFolder

    hidden = (
        grading.hidden(ClassFolder(root), assignment(tiny.NAME, tiny.solved()))
        if (root / "secret.txt").is_file()
        else None
    )
    lists = {
        tuple(a)
        for groups in (hidden.cases.values() if hidden else ())
        for g in groups
        for case in g
        for call in case
        for a in call
    }
    drawn = [a for a in lists if any(v != int(v) for v in a)]
    return [sep.join(map(str, a[:2])) for a in drawn for sep in (", ", " ", ",", "\n")]


def _files(root: Path) -> dict[str, str]:
    """Every file below `root`, and what is in it."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def _planted(home: Path) -> set[str]:
    """What carries the name of something planted, in the places that submissions try."""
    import numpy

    import vaecourse

    packages = [Path(m.__file__).parent for m in (os, numpy, vaecourse)]
    places = [*map(Path, PLACES_TO_PLANT), home, home.parent, Path.cwd(), *packages, packages[1].parent]
    marks = (f"*{PLANTED}*", "told.txt")
    found = {str(f) for place in places if place.is_dir() for mark in marks for f in place.glob(mark)}
    return (
        found
        | {str(f) for f in home.rglob("*") if f.is_file()}
        | {str(f) for f in packages[1].parent.glob("*customize.py")}
    )


def _processes() -> list[str]:
    """What this process has started and is still there, and whatever else calls itself planted."""
    mine = {p.pid for p in psutil.Process().children(recursive=True)}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if process.pid in mine or f"{PLANTED}-daemon" in line:
                found.append(line)
    return found


@contextlib.contextmanager
def _listener():
    """A port, and a list of what comes in there: by TCP, by UDP, or at an abstract Unix address."""
    heard: list[bytes] = []
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", port))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        unix.bind(f"\0vaecourse-listens-{port}")
        unix.listen()
        stop = threading.Event()

        def accept(server):
            server.settimeout(0.1)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    client, _ = server.accept()
                    heard.append(b"a connection")
                    client.close()

        def receive():
            udp.settimeout(0.1)
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    heard.append(udp.recv(100))

        threads = [threading.Thread(target=accept, args=(s,)) for s in (tcp, unix)] + [
            threading.Thread(target=receive)
        ]
        for thread in threads:
            thread.start()
        try:
            yield port, heard
        finally:
            stop.set()
            for thread in threads:
                thread.join()
