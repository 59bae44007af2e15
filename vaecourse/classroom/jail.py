"""The jail: a process that sees a read-only system, an empty scratch folder, itself, and nothing else.

Bubblewrap makes it out of Linux namespaces: no network, its own process table, no way to more rights, and a file
system put together mount by mount. What may be written lies in memory, has a size, and is gone with the last process.
"""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import vaecourse
from vaecourse.assignments.core import Limits
from vaecourse.errors import CourseError

from . import syscalls, wire

SCRATCH = "/scratch"  # working folder and home
RUNTIME = "/run/kernel"  # the kernel's connection file and sockets
SMALL = 2**20  # bytes in the runtime folder
NOBODY = 65534
MAPPED = 2**29  # bytes of address space that an interpreter and its libraries take without using them

INSIDE = Path(__file__).parent / "inside"
PACKAGE = Path(vaecourse.__file__).parent
# Parts of the package with answers in them, or of no use to a submission. `lesson` is replaced by inside/lesson.py.
ANSWERS = (
    "assignments",
    "chains",
    "classroom",
    "derivation",
    "exercises",
    "predictions",
    "progress",
    "widgets",
)
TOOLS = ("__main__", "build", "cli", "doctor", "lab", "own_copy")
DATA = ("lab_settings", "notebooks", "__pycache__")  # folders, not modules: simply not there

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
STUB = INSIDE / "unavailable.py"
PIECES = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/fonts",
)

PLACES = {
    "/etc/passwd": f"student:x:{NOBODY}:{NOBODY}::{SCRATCH}:/bin/sh\n".encode(),
    "/etc/group": f"student:x:{NOBODY}:\n".encode(),
}
SEALED = ("--tmpfs",)  # an empty folder, closed once everything is in place
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

Mount = tuple[str, tuple[str, ...]]  # a place in the jail, and bubblewrap's words for what lies there


@dataclass(frozen=True)
class Usage:
    """What the processes use together: processes and threads, resident bytes, processor seconds."""

    processes: int = 0
    memory: int = 0
    cpu_seconds: float = 0.0


class Jail:
    """A running jail. `pid` is its first process as this side numbers it: when that one ends, all others do."""

    def __init__(self, process: subprocess.Popen, pid: int):
        self.process, self.pid = process, pid
        self.cpu_seconds = 0.0
        self._handle = os.pidfd_open(pid)
        self._closing = threading.Lock()

    def path(self, inside: str) -> str:
        """Where this side finds what the jail calls `inside`."""
        return f"/proc/{self.pid}/root{inside}"

    def usage(self) -> Usage:
        """Look once at all processes of the jail, through its own process table."""
        processes = memory = ticks = 0
        table = self.path("/proc")
        with contextlib.suppress(OSError):
            if os.stat(table).st_dev == os.stat("/proc").st_dev:  # not mounted yet
                return Usage()
            for number in filter(str.isdigit, os.listdir(table)):
                with (
                    contextlib.suppress(OSError, ValueError, IndexError),
                    open(f"{table}/{number}/stat", "rb") as file,
                ):
                    fields = file.read().rpartition(b")")[2].split()
                    ticks += sum(map(int, fields[11:15]))  # its own, and of its children that have ended
                    processes += int(fields[17])
                    memory += int(fields[21]) * PAGE
        self.cpu_seconds = max(self.cpu_seconds, ticks / TICKS)
        return Usage(processes, memory, self.cpu_seconds)

    def shared_memory(self) -> int:
        """Resident bytes of all processes together, what they share counted once. Slower than `usage`."""
        kilobytes = 0
        table = self.path("/proc")
        with contextlib.suppress(OSError):
            for number in filter(str.isdigit, os.listdir(table)):
                with contextlib.suppress(OSError), open(f"{table}/{number}/smaps_rollup", "rb") as file:
                    kilobytes += sum(int(n) for n in re.findall(rb"^Pss:\s+(\d+)", file.read(), re.MULTILINE))
        return 1024 * kilobytes

    def kill(self) -> None:
        """End all processes of the jail now."""
        with self._closing:
            if self._handle >= 0:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def close(self) -> None:
        """End all processes, wait until they are gone, and count what they used."""
        if self._handle < 0:
            return
        self.usage()
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.stdin.close()  # whatever is left, the keeper ends
        self.process.wait()
        with self._closing:
            os.close(self._handle)
            self._handle = -1


def start(
    command: Sequence[str],
    limits: Limits,
    hidden: Sequence[str] = (),
    data: Mapping[str, bytes] | None = None,
    extra: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
) -> Jail:
    """Start `command` in a jail of its own; CourseError if that cannot be.

    `hidden` names modules that are not to be found there, `data` are files to put there, `keep` file descriptors to
    leave open. Its environment is `extra` and what a kernel needs, nothing of this process's own.
    """
    try:
        return _launch(command, limits, hidden, data or {}, extra or {}, keep, _user(), subprocess.DEVNULL)
    except (OSError, ValueError) as error:
        raise CourseError(available() or f"The jail for a submission did not start: {error}.") from error


def _launch(command, limits, hidden, data, extra, keep, user, stderr) -> Jail:
    told, tell = os.pipe()
    opened = [told, tell]
    process = None
    try:
        files = {place: _in_memory(content, opened) for place, content in {**PLACES, **data}.items()}
        arguments = [*_arguments(limits, hidden, files), "--info-fd", str(tell)]
        if syscalls.known():
            root = os.geteuid() == 0 and not user
            arguments += ["--seccomp", str(_in_memory(syscalls.filter(attributes=root), opened))]
        process = subprocess.Popen(
            [*_keeper(), _bubblewrap(), *arguments, "--", *limited(limits, apart=True), *command],
            env={**environment(), **extra},
            cwd="/",
            stdin=subprocess.PIPE,  # held here alone: when it is let go of, the keeper ends the jail
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,  # Ctrl-C is for the grader
            pass_fds=(*opened[1:], *keep),
            **user,
        )
        return Jail(process, _first_process(told, process))
    except BaseException:
        if process:
            process.stdin.close()
            process.wait()
        raise
    finally:
        for descriptor in opened:
            os.close(descriptor)


@functools.cache
def _keeper() -> tuple[str, ...]:
    return sys.executable, "-ISc", (Path(__file__).parent / "keeper.py").read_text(encoding="utf-8")


@functools.cache
def available() -> str:
    """ "" if submissions can be jailed here, else one sentence: why not, and what helps."""
    if not sys.platform.startswith("linux"):
        return "Submissions are jailed by bubblewrap, which needs Linux: grade on a Linux machine, or with --no-jail."
    program = _bubblewrap()
    if not program:
        return "Submissions are jailed by bubblewrap, which is not installed here: `apt install bubblewrap`, say."
    if not shutil.which("prlimit"):
        return (
            "Submissions are limited by prlimit, which is not installed here: `apt install util-linux`, say."
        )
    if not (said := _tried(_user())):
        return ""
    if "nknown option" in said:
        return f"Bubblewrap is too old here ({said}): install version 0.8 or newer."
    helps = "ask your administrator to allow it to make user namespaces"
    if os.geteuid() == 0:
        helps = "grade as a normal user, or let all users read this Python and its packages"
    return f"Bubblewrap, which jails submissions, does not work here ({said}): {helps}."


@functools.cache
def _user() -> Mapping:
    """Root's jails belong to nobody outside too, if nobody may read the packages.

    Else they are root's, and changing a mode, an owner or a time does nothing there: the devices are root's as well.
    """
    if os.geteuid() != 0:
        return {}
    nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return nobody if not _tried(nobody) or not syscalls.known() else {}


def _tried(user: Mapping) -> str:
    """Begin a jail, reach into it from here, look for the packages in it: what went wrong, if anything did."""
    look = "import os, importlib.util as u; os.read({}, 1); assert u.find_spec('ipykernel') and u.find_spec('numpy')"
    said, (wait, go) = os.memfd_create("said"), os.pipe()
    reached, code, trouble = False, 1, ""
    try:
        jailed = _launch([sys.executable, "-c", look.format(wait)], Limits(), (), {}, {}, (wait,), user, said)
        try:
            end = time.monotonic() + 10
            while not reached and jailed.process.poll() is None and time.monotonic() < end:
                reached = os.path.exists(jailed.path(RUNTIME))
                time.sleep(0.005)
            os.write(go, b"1")
            code = jailed.process.wait(60)
        finally:
            jailed.close()
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        trouble = str(error)
    os.lseek(said, 0, os.SEEK_SET)
    lines = os.read(said, 4096).decode(errors="replace").strip().splitlines()
    for descriptor in (said, wait, go):
        os.close(descriptor)
    if reached and code == 0:
        return ""
    return lines[-1] if lines else trouble or "its files cannot be reached through /proc"


def _bubblewrap() -> str:
    return shutil.which("bwrap") or ""


def _first_process(told: int, process: subprocess.Popen) -> int:
    """The number that bubblewrap tells; ValueError if it tells none in time."""
    text, end = b"", time.monotonic() + 30
    while time.monotonic() < end:
        if wire.readable([told], 0.1):
            text += os.read(told, 4096)
            if b"}" in text:  # not before: it would write to a closed pipe
                return int(json.loads(text)["child-pid"])
        elif process.poll() is not None:
            break
    raise ValueError("bubblewrap ended before it had begun")


def _in_memory(content: bytes, opened: list[int]) -> int:
    opened.append(os.memfd_create("jail"))
    os.write(opened[-1], content)
    os.lseek(opened[-1], 0, os.SEEK_SET)
    return opened[-1]


def limited(limits: Limits, apart: bool) -> list[str]:
    """Words before a command: what each process may use alone. All of them together are looked at by `watch`.

    `apart` is for a jail: there the number of processes is the jail's own.
    """
    if not (program := shutil.which("prlimit")):
        return []
    cpu = max(1, round(limits.cpu_seconds)) + 2  # the watcher comes first, and knows why
    most = {"as": 2 * limits.memory + MAPPED, "cpu": cpu, "fsize": limits.scratch, "nofile": 512, "core": 0}
    most |= {"memlock": SMALL, "msgqueue": 0}
    if apart and _counts_apart():
        most["nproc"] = limits.processes + 16
    return [program, *(f"--{what}={n}" for what, n in most.items()), "--"]


def _counts_apart() -> bool:
    """Does the kernel count the processes of a jail apart from the user's others? Since Linux 5.14."""
    return tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2]) >= (5, 14)


def environment() -> dict[str, str]:
    made = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": SCRATCH,
        "IPYTHONDIR": "/tmp/ipython",
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "MALLOC_ARENA_MAX": "2",  # else each thread claims 64 MB of address space
    }
    given = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    if found := [
        p for p in given if os.path.abspath(p) in (str(PACKAGE.parent), *map(os.path.abspath, _libraries()))
    ]:
        made["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, found))
    made |= dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
    )
    if site.ENABLE_USER_SITE and site.getusersitepackages() in sys.path:
        made["PYTHONUSERBASE"] = site.getuserbase()
    return made


def _arguments(limits: Limits, hidden: Sequence[str], files: Mapping[str, int]) -> list[str]:
    made = [
        *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", str(NOBODY), "--gid", str(NOBODY)),
        *("--cap-drop", "ALL", "--die-with-parent", "--new-session", "--hostname", "jail"),
        *("--proc", "/proc", "--dev", "/dev"),
    ]
    mounts = [
        (SCRATCH, ("--size", str(limits.scratch), "--tmpfs")),
        ("/tmp", ("--size", str(limits.scratch), "--tmpfs")),
        ("/dev/shm", ("--size", str(limits.scratch), "--tmpfs")),
        (RUNTIME, ("--size", str(SMALL), "--tmpfs")),
        *_system(),
        *_python(),
        *_settings(),
        *_package(hidden),
        *_masks([n for n in hidden if not n.startswith("vaecourse.")]),
        *((place, ("--ro-bind-data", str(file))) for place, file in files.items()),
    ]
    for place, how in sorted(mounts, key=lambda m: len(Path(m[0]).parts)):  # what lies deeper lies on top
        made += [*how, place]
    sealed = [place for place, how in mounts if how == SEALED]
    for place in (*sealed, "/proc", "/dev", "/"):
        made += ["--remount-ro", place]
    return [*made, "--chdir", SCRATCH]


def _system() -> Iterator[Mount]:
    for place in SYSTEM:
        if os.path.islink(place):
            yield place, ("--symlink", os.readlink(place))
        elif os.path.isdir(place):
            yield place, ("--ro-bind", place)
    for place in PIECES:
        if os.path.exists(place):
            yield place, ("--ro-bind", os.path.realpath(place))


def _python() -> Iterator[Mount]:
    """The interpreter's own folders and where packages lie, wherever they are."""
    given = [sys.prefix, sys.base_prefix, sys.exec_prefix, *_libraries()]
    places = sorted({f for g in given for f in (os.path.abspath(g), os.path.realpath(g))})
    kept: list[str] = []
    for place in places:
        if not any(Path(place).is_relative_to(above) for above in (*SYSTEM, *kept)):
            kept.append(place)
            yield place, ("--ro-bind", place)


def _settings() -> Iterator[Mount]:
    """What a class may have put beside the packages: servers' settings, nbgrader's exchange. Not for the jail."""
    places = [os.path.join(p, "etc", "jupyter") for p in ("/usr", "/usr/local", sys.prefix, sys.base_prefix)]
    there = [*SYSTEM, *(place for place, _ in _python())]
    for place in dict.fromkeys(map(os.path.realpath, (*places, "/usr/local/share/nbgrader"))):
        if os.path.isdir(place) and any(Path(place).is_relative_to(above) for above in there):
            yield place, SEALED


def _libraries() -> list[str]:
    """Folders of packages on the path; a clone that is installed in place is none."""
    return [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages") and os.path.isdir(p)]


def _package(hidden: Sequence[str]) -> Iterator[Mount]:
    """This package at its place, without answers, and nothing of the clone around it."""
    if str(PACKAGE.parent) not in _libraries():
        yield str(PACKAGE.parent), SEALED
    yield str(PACKAGE), SEALED
    gone = {
        *ANSWERS,
        *TOOLS,
        *(n.split(".")[1] for n in hidden if n.count(".") == 1 and n.startswith("vaecourse.")),
    }
    for part in sorted(PACKAGE.iterdir()):
        if part.stem in gone:
            yield str(part.with_suffix(".py")), ("--ro-bind", str(STUB))
        elif part.name == "lesson.py":
            yield str(part), ("--ro-bind", str(INSIDE / "lesson.py"))
        elif part.name not in DATA and (part.is_dir() or part.suffix == ".py"):
            yield str(part), ("--ro-bind", str(part))
    yield from _masks([n for n in hidden if n.startswith("vaecourse.") and n.count(".") > 1])


def _masks(names: Sequence[str]) -> Iterator[Mount]:
    """Lay a module that refuses over each of these, compiled copies included, wherever it is found on the path."""
    for folder in dict.fromkeys(os.path.abspath(p or ".") for p in sys.path):
        for name in names:
            found = Path(folder, *name.split("."))
            if found.is_dir():
                yield str(found), SEALED
                yield str(found / "__init__.py"), ("--ro-bind", str(STUB))
            stem = re.escape(found.name)
            for beside in (found.parent, found.parent / "__pycache__"):
                if beside.is_dir():
                    for file in beside.iterdir():
                        if re.fullmatch(stem + r"(\.[\w-]+)?\.(py|pyc|so)", file.name):
                            yield str(file), ("--ro-bind", str(STUB))
