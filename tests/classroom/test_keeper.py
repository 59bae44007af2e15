"""The keeper of a jail: what a command leaves, and what a killed grader leaves, is ended."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="jails, and their keepers, need Linux"
)

KEEPER = Path(__file__).parents[2] / "vaecourse" / "classroom" / "keeper.py"
STARTS_JAILS = """
import sys
from vaecourse.assignments.core import Limits
from vaecourse.classroom import jail
jail.available()
print("go", flush=True)
while True:
    jail.start([sys.executable, "-c", "import time; time.sleep(60)"], Limits(), extra={"MARK": sys.argv[1]}).close()
"""
# A command whose child leaves the session, loses its parent, and stays.
LEAVES = (
    "import os, time; os.fork() or (os.setsid(), os.fork() or time.sleep(60), time.sleep(60)); time.sleep({})"
)


def marked(mark: str) -> set[int]:
    """The processes with that mark in their environment."""
    found = set()
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                if f"MARK={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                    found.add(int(place.name))
            except OSError:
                pass
    return found


def gone(mark: str, seconds: float = 30) -> bool:
    """Whether there is none of them soon, and no new one for a while: a process may only just begin."""
    end, quiet = time.monotonic() + seconds, 0
    while quiet < 10 and time.monotonic() < end:
        time.sleep(0.05)
        quiet = 0 if marked(mark) else quiet + 1
    return quiet == 10


def keep(mark: str, code: str, **named) -> subprocess.Popen:
    command = [sys.executable, "-ISc", KEEPER.read_text("utf-8"), sys.executable, "-ISc", code]
    return subprocess.Popen(command, stdin=subprocess.PIPE, env={"MARK": mark}, **named)


@pytest.fixture
def mark():
    made = str(uuid.uuid4())
    yield made
    for number in marked(made):
        os.kill(number, signal.SIGKILL)


@pytest.mark.parametrize(
    "code, expected",
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", 128 + 9),
        ("import os, sys; sys.exit(len(os.read(0, 1)))", 0),  # nothing can be read
    ],
)
def test_it_ends_as_the_command_ends(mark, code, expected):
    with keep(mark, code) as process:
        assert process.wait(30) == expected


def test_what_the_command_leaves_is_ended_with_it(mark):
    with keep(mark, LEAVES.format(0.5)) as process:
        time.sleep(0.3)
        assert len(marked(mark)) == 4
        assert process.wait(30) == 0
    assert not marked(mark)


def test_all_is_ended_when_the_pipe_is_let_go_of(mark):
    with keep(mark, LEAVES.format(60)) as process:
        time.sleep(0.3)
        assert len(marked(mark)) == 4
        process.stdin.close()
        assert process.wait(30) == 128 + 9
    assert not marked(mark)


def test_only_the_command_has_the_files(mark):
    """The other end of a pipe of the command's sees its end, though the keeper is still there."""
    read, write = os.pipe()
    code = f"import os; os.write({write}, b'x'); os.close({write}); import time; time.sleep(60)"
    with keep(mark, code, pass_fds=(write,)) as process:
        os.close(write)
        with open(read, "rb") as stream:
            assert stream.read() == b"x"
        assert process.poll() is None
        process.stdin.close()


@pytest.mark.usefixtures("needs_jail")
def test_a_grader_killed_while_it_makes_jails_leaves_none(mark, driver_environment):
    rng = random.Random(2)
    for _ in range(8):
        command = [sys.executable, "-c", STARTS_JAILS, mark]
        with subprocess.Popen(command, env=driver_environment, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"go\n"
            time.sleep(rng.uniform(0, 0.15))
            process.kill()
        assert gone(mark)
