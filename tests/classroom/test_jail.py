"""The wall: what code in the jail can see, reach, write, start and leave behind."""

import json
import os
import platform
import pwd
import shutil
import socket
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

import vaecourse
from vaecourse.assignments.core import Limits
from vaecourse.classroom import jail, kernel, syscalls
from vaecourse.classroom.records import FINE, MEMORY, PROCESSES, Ask, Task
from vaecourse.errors import CourseError

pytestmark = pytest.mark.usefixtures("needs_jail")
ONE = Ask("T/one", "one", ("x",), (((1.0,),),))
LIVES = "def one(x):\n    return x + 1"  # what must keep its credit


# These are in the jail wherever they lie, even below /tmp.
NEEDED = (sys.prefix, sys.base_prefix, str(Path(vaecourse.__file__).parent))


def _leads_to_what_is_needed(place: str) -> bool:
    """A folder above one of them: the jail makes it, in memory, to have a place for the other."""
    return any(Path(needed).is_relative_to(place) and needed != place for needed in NEEDED)


def run(*cells, asks=(), hidden=(), **limits):
    return kernel.run(Task(cells, asks, Limits(**limits), hidden))


def told(*cells, hidden=(), **limits):
    """What the last cell printed, as JSON."""
    ran = run(*cells, hidden=hidden, **limits).cells[-1]
    assert ran.trouble == FINE, ran
    return json.loads(ran.outputs[0]["text"])


class TestSeen:
    def test_of_the_file_system_only_the_system_the_packages_and_an_empty_scratch_folder(self, tmp_path):
        (tmp_path / "secret.txt").write_text("0011")
        home = Path.home()
        seen = told(
            f"""
import json, os
top = sorted(os.listdir("/"))
print(json.dumps({{
    "top": top,
    "here": [os.getcwd(), os.listdir(".")],
    "tmp": sorted(os.listdir("/tmp")),
    "secret": os.path.exists({str(tmp_path / "secret.txt")!r}),
    "home": os.listdir({str(home)!r}) if os.path.isdir({str(home)!r}) else [],
    "homes": os.listdir("/home") if os.path.isdir("/home") else [],
    "etc": sorted(os.listdir("/etc")),
    "run": os.listdir("/run"),
    "sys": os.path.exists("/sys"), "var": os.path.exists("/var"),
}}))"""
        )
        needed = {Path(p).parts[1] for p in NEEDED}
        allowed = {
            "usr",
            "bin",
            "sbin",
            "lib",
            "lib32",
            "lib64",
            "etc",
            "proc",
            "dev",
            "tmp",
            "run",
            "scratch",
        }
        assert set(seen["top"]) <= allowed | needed
        assert seen["here"] == ["/scratch", []]
        below_tmp = {place.parts[2] for place in map(Path, NEEDED) if place.is_relative_to("/tmp")}
        assert set(seen["tmp"]) - below_tmp == {"ipython"} and seen["run"] == ["kernel"]
        assert not seen["secret"] and not seen["sys"] and not seen["var"]
        above = {Path(p).relative_to(home).parts[0] for p in (sys.prefix, sys.base_prefix, vaecourse.__file__)
                 if Path(p).is_relative_to(home)}  # fmt: skip
        assert set(seen["home"]) <= above and set(seen["homes"]) <= needed
        assert not {"shadow", "ssh", "hosts", "resolv.conf", "sudoers"} & set(seen["etc"])

    def test_of_a_clone_only_the_package_and_in_it_no_answer(self):
        package = Path(vaecourse.__file__).parent
        seen = told(
            f"""
import json, os, pathlib
package = pathlib.Path({str(package)!r})
text = {{str(p.relative_to(package)): p.read_bytes().decode("utf-8", "replace")
        for p in package.rglob("*") if p.is_file()}}
print(json.dumps({{
    "beside": sorted(os.listdir(package.parent)),
    "references": [n for n, t in text.items() if "reference" + "=" in t or "BEGIN " + "SOLUTION" in t],
    "names": sorted(text),
    "bytes": sum(map(len, text.values())),
}}))""",
            hidden=("vaecourse.kl_divergence",),
        )
        if package.parent.name not in ("site-packages", "dist-packages"):
            assert seen["beside"] == ["vaecourse"]  # no .git, tests, notebooks
        assert seen["references"] == [] and seen["bytes"] > 50_000
        assert "texts/english.txt" in seen["names"] and "mean_field.py" in seen["names"]
        assert not [
            n for n in seen["names"] if n.startswith(("exercises/", "assignments/", "chains/", "classroom/"))
        ]

    def test_of_an_installed_package_too(self, outside_home, driver_environment):
        """Installed from a wheel it lies among the others, with the lessons' notebooks inside."""
        library = outside_home / "lib" / "site-packages"
        shutil.copytree(Path(vaecourse.__file__).parent, library / "vaecourse")
        (library / "vaecourse" / "notebooks").mkdir(exist_ok=True)
        (library / "vaecourse" / "notebooks" / "01.ipynb").write_text("SOLUTION")
        code = (
            "import os, vaecourse, vaecourse.mean_field\nprint(vaecourse.__file__)\n"
            "p = os.path.dirname(vaecourse.__file__)\nprint(sorted(os.listdir(p)), sorted(os.listdir(os.path.dirname(p))))\n"
            "try: import vaecourse.exercises\nexcept ImportError as e: print(e)"
        )
        driver = (
            "from vaecourse.classroom import kernel\nfrom vaecourse.classroom.records import Task\n"
            f"print(kernel.run(Task(({code!r},), ())).cells[0].outputs[0]['text'])"
        )
        environment = {**driver_environment, "PYTHONPATH": str(library)}
        done = subprocess.run(
            [sys.executable, "-c", driver], env=environment, cwd="/", capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        where, what, refused = done.stdout.strip().splitlines()
        assert where == str(library / "vaecourse" / "__init__.py")
        assert "mean_field.py" in what and "notebooks" not in what and what.endswith("['vaecourse']")
        assert refused == "vaecourse.exercises is not available in graded work."

    def test_hidden_modules_are_gone_however_they_are_asked_for(self):
        scipy, sklearn = (Path(find_spec(name).origin).parent for name in ("scipy", "sklearn"))
        places = [
            str(scipy / "stats" / "__init__.py"),
            str(sklearn / "mixture" / "__init__.py"),
            str(Path(vaecourse.__file__).parent / "kl_divergence.py"),
        ]
        names = ["scipy.stats", "scipy.stats._distn_infrastructure", "sklearn.mixture", "vaecourse.kl_divergence",
                 "vaecourse.exercises.core", "vaecourse.chains", "vaecourse.classroom.kernel", "vaecourse.lesson"]  # fmt: skip
        seen = told(
            f"""
import importlib, importlib.util, json, os, pathlib, runpy
def said(what):
    try:
        what()
    except ImportError as error:
        return str(error)
    except Exception as error:
        return repr(error)
    return "imported"
def by_path(place):
    spec = importlib.util.spec_from_file_location("found", place)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
places, names = {places!r}, {names!r}
print(json.dumps({{
    "imported": [said(lambda: importlib.import_module(n)) for n in names],
    "by path": [said(lambda: by_path(p)) for p in places],
    "run": [said(lambda: runpy.run_path(p)) for p in places],
    "read": [len(pathlib.Path(p).read_text()) for p in places],
    "beside": [os.listdir(os.path.dirname(p)) for p in places[:2]],
    "compiled": [len(p.read_bytes()) for p in pathlib.Path(places[2]).parent.rglob("kl_divergence*.pyc")],
    "scipy": said(lambda: importlib.import_module("scipy.special")),
}}))""",
            hidden=("scipy.stats", "sklearn.mixture", "vaecourse.kl_divergence", "no.such.module"),
        )
        *gone, lesson = seen["imported"]
        assert all("is not available in graded work." in s for s in [*gone, *seen["by path"], *seen["run"]])
        assert lesson == seen["scipy"] == "imported"
        assert max(seen["read"]) < 120  # the stub
        assert seen["beside"] == [["__init__.py"], ["__init__.py"]]
        assert seen["compiled"] == []

    def test_settings_of_servers_beside_the_packages_are_not_there(self, outside_home, monkeypatch):
        (outside_home / "etc" / "jupyter").mkdir(parents=True)
        (outside_home / "etc" / "jupyter" / "jupyterhub_config.py").write_text("secret")
        (outside_home / "share").mkdir()
        monkeypatch.setattr(jail.sys, "prefix", str(outside_home))
        seen = told(
            f"import json, os\nprint(json.dumps([sorted(f) for _, f, n in os.walk({str(outside_home)!r})] + [sum((n for *_, n in os.walk({str(outside_home)!r})), [])]))"
        )
        assert seen[0] == ["etc", "share"] and seen[-1] == []

    def test_nothing_of_the_environment(self, monkeypatch):
        monkeypatch.setenv("CLASS_TOKEN", "token-of-the-teacher")
        seen = told(
            "import json, os, pathlib\n"
            "every = [p.read_bytes().decode() for p in pathlib.Path('/proc').glob('[0-9]*/environ')]\n"
            "print(json.dumps([dict(os.environ), every, [p.read_text() for p in pathlib.Path('/proc').glob('[0-9]*/cmdline')]]))"
        )
        assert "token-of-the-teacher" not in json.dumps(seen) and len(seen[1]) >= 2
        assert seen[0]["HOME"] == "/scratch" and seen[0]["OMP_NUM_THREADS"] == "1"

    def test_no_file_of_this_side_is_open_there(self, tmp_path):
        (tmp_path / "open.txt").write_text("open")
        with open(tmp_path / "open.txt") as kept:
            os.set_inheritable(kept.fileno(), True)
            seen = told(
                "import json, os\nprint(json.dumps([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}')]))"
            )
        files = [place for place in seen if place.startswith("/")]
        assert len(seen) > 5 and all(f.startswith(("/dev/null", "/dev/urandom", "/proc/")) for f in files), (
            seen
        )

    def test_no_other_process_and_no_right(self):
        seen = told(
            """
import ctypes, json, os, pathlib
libc = ctypes.CDLL(None, use_errno=True)
status = dict(line.split(":\\t", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "processes": [int(p.name) for p in pathlib.Path("/proc").glob("[0-9]*")],
    "user": [os.getuid(), os.getgid(), os.getgroups()],
    "rights": [status[k].strip() for k in ("CapEff", "CapPrm", "CapBnd", "CapAmb")],
    "no new": status["NoNewPrivs"].strip(),
    "user namespace": libc.unshare(0x10000000), "mount": libc.mount(b"t", b"/tmp", b"tmpfs", 0, None),
    "root": libc.setuid(0), "chroot": libc.chroot(b"/tmp"), "host": os.uname().nodename,
    "trace": [libc.ptrace(16, pid, 0, 0) for pid in (3000, 40000)],
}))"""
        )
        assert len(seen["processes"]) <= 4 and max(seen["processes"]) < 20
        assert seen["user"][:2] == [65534, 65534] and 0 not in seen["user"][2]
        assert all(int(r, 16) == 0 for r in seen["rights"]) and seen["no new"] == "1"
        assert [seen[k] for k in ("user namespace", "mount", "root", "chroot")] == [-1] * 4
        assert seen["host"] == "jail" and seen["trace"] == [-1, -1]

    def test_some_questions_to_the_kernel_are_refused(self):
        """Key rings and counters are not divided among the jails; and nobody here may look into another process."""
        closed = {
            name: syscalls.CLOSED[platform.machine()][name]
            for name in ("keyctl", "perf_event_open", "bpf", "io_uring_setup", "unshare", "mount")
        }
        seen = told(
            f"""
import ctypes, json, os, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def went(number, *given):
    ctypes.set_errno(0)
    return libc.syscall(number, *given), ctypes.get_errno()
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(5)"])
seen = {{name: went(number, 0, 0, 0, 0, 0) for name, number in {closed!r}.items()}}
seen["trace"] = libc.ptrace(16, other.pid, 0, 0), ctypes.get_errno()
other.kill()
print(json.dumps(seen))"""
        )
        assert seen == {name: [-1, 1] for name in (*closed, "trace")}


class TestReached:
    def test_no_network_and_no_socket_of_this_side(self, tmp_path):
        servers = [
            socket.create_server(("127.0.0.1", 0)),
            socket.socket(socket.AF_UNIX),
            socket.socket(socket.AF_UNIX),
        ]
        servers[1].bind("\0vaecourse-abstract")
        servers[2].bind(str(tmp_path / "s"))
        for server in servers:
            server.listen()
            server.settimeout(0.01)
        places = [servers[0].getsockname(), "\0vaecourse-abstract", str(tmp_path / "s"), ("192.0.2.1", 80)]
        seen = told(
            f"""
import json, os, pathlib, socket
def went(place):
    kind = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
    with socket.socket(kind) as s:
        s.settimeout(2)
        try:
            s.connect(place)
        except OSError as error:
            return type(error).__name__
    return "connected"
def name():
    try:
        return socket.getaddrinfo("example.org", 80)
    except OSError:
        return "unknown"
print(json.dumps({{"went": [went(p) for p in {places!r}], "name": name(),
    "devices": [n for _, n in socket.if_nameindex()],
    "unix": pathlib.Path("/proc/net/unix").read_text().count("vaecourse-abstract")}}))"""
        )
        assert "connected" not in seen["went"] and len(seen["went"]) == 4
        assert seen["name"] == "unknown" and seen["devices"] == ["lo"] and seen["unix"] == 0
        for server in servers:
            with pytest.raises(TimeoutError):
                server.accept()
            server.close()


class TestWritten:
    def test_nothing_outside_what_is_gone_afterwards(self):
        seen = told(
            f"""
import contextlib, json, os
written = []
for top, folders, files in os.walk("/"):
    if top in ("/proc", "/usr/share", "/usr/lib"):
        folders[:] = []
    if top.count("/") > 3:
        folders[:] = []
    try:
        with open(os.path.join(top, "written-here"), "w") as f:
            f.write("x")
        written.append(top)
    except OSError:
        pass
changed = []
for place in ({vaecourse.__file__!r}, os.__file__, "/etc/passwd", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
              "/proc/sys/kernel/hostname", "/usr/bin/env",
              *(os.path.join(t, f) for t, _, fs in os.walk("/proc/sys") for f in fs),
              "/dev/null", "/dev/zero", "/dev/urandom", "/dev/tty"):
    for how in ("a", "r+"):
        try:
            if not place.startswith("/dev"):
                open(place, how).close()
                changed.append(place)
        except OSError:
            pass
    if not os.path.exists(place):
        continue
    def shown():
        s = os.lstat(place)
        return s.st_mode, s.st_uid, s.st_mtime, os.listxattr(place)
    before = shown()
    for what in (os.remove, lambda p: os.chmod(p, before[0] & 0o7777 ^ 0o002), lambda p: os.chown(p, 0, 0),
                 lambda p: os.rename(p, "/tmp/x"), lambda p: os.utime(p, (1, 1)), lambda p: os.setxattr(p, "user.x", b"x")):
        with contextlib.suppress(OSError):
            what(place)
    if not os.path.exists(place) or shown() != before:
        changed.append(place)
print(json.dumps([sorted(written), changed]))"""
        )
        written, changed = seen
        assert set(written) <= {"/scratch", "/tmp", "/tmp/ipython", "/dev/shm", "/run/kernel"} | {
            w for w in written if w.startswith("/tmp/ipython/") or _leads_to_what_is_needed(w)
        }
        assert "/scratch" in written and changed == []

    def test_only_so_much(self):
        seen = told(
            """
import json, os
def fill(folder):
    total = 0
    try:
        for n in range(100):
            with open(f"{folder}/{n}", "wb") as f:
                for _ in range(10):
                    total += f.write(bytes(2**20))
    except OSError as error:
        return total, error.errno
    return total, 0
print(json.dumps([fill(f) for f in ("/scratch", "/tmp", "/dev/shm", "/run/kernel")]))
os.system("rm -rf /scratch/* /tmp/[0-9]*")""",
            scratch=20 * 2**20,
        )
        assert all(total <= 20 * 2**20 and errno == 28 for total, errno in seen), seen
        assert seen[3][0] <= 2**20

    def test_a_single_file_is_not_larger_than_the_folder(self):
        seen = told(
            "import json, os\n"
            "def far(size):\n"
            "    try:\n"
            "        with open('/scratch/far', 'wb') as f: f.truncate(size)\n"
            "    except OSError as error: return error.errno\n"
            "    return 0\n"
            "print(json.dumps([far(2**20), far(2**40)]))",
            scratch=8 * 2**20,
        )
        assert seen == [0, 27]


class TestStarted:
    def test_a_fork_bomb_is_ended_and_costs_its_cell_alone(self):
        ran = run(
            LIVES,
            "import os, time\n"
            "try:\n"
            "    for _ in range(150):\n"
            "        if os.fork() == 0:\n"
            "            time.sleep(20); os._exit(0)\n"
            "finally:\n"
            "    time.sleep(2)",
            asks=(ONE,),
            processes=40,
        )
        assert [c.trouble for c in ran.cells] == [FINE, PROCESSES]
        assert ran.asks[0].outcomes[0].outputs == (2.0,) and ran.restarts == 1

    def test_threads_count_too(self):
        ran = run(
            "import threading, time\nfor _ in range(60): threading.Thread(target=time.sleep, args=(5,), daemon=True).start()\ntime.sleep(2)",
            processes=40,
        )
        assert ran.cells[0].trouble in (
            PROCESSES,
            "error",
        )  # ended by the watcher, or refused by the kernel's own count

    def test_a_memory_bomb_is_ended_and_costs_its_cell_alone(self):
        ran = run(LIVES, "kept = []\nwhile True: kept.append(b'x' * 2**24)", asks=(ONE,), memory=400 * 2**20)
        assert [c.trouble for c in ran.cells] == [FINE, MEMORY]
        assert ran.asks[0].outcomes[0].outputs == (2.0,)

    def test_memory_of_all_processes_counts_together_and_what_they_share_once(self):
        bomb = (
            "import os, time\n"
            "kept = b'x' * ({before} * 2**20)\n"
            "for _ in range(6):\n"
            "    if os.fork() == 0:\n"
            "        own = b'y' * ({each} * 2**20); time.sleep(1); os._exit(0)\n"
            "time.sleep(0.8)"
        )
        shared, own = bomb.format(before=120, each=1), bomb.format(before=1, each=90)
        ran = run(shared, own, memory=500 * 2**20)
        assert [c.trouble for c in ran.cells] == [FINE, MEMORY]

    def test_a_daemon_is_gone_afterwards(self):
        mark = f"daemon-{os.getpid()}"
        ran = run(
            f"""
import os, subprocess, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600) #{mark}"])
    os._exit(0)
time.sleep(0.5)
print(subprocess.run(["grep", "-la", "{mark}", "-r", "/proc", "--include=cmdline"], capture_output=True, text=True).stdout)"""
        )
        assert "cmdline" in ran.cells[0].outputs[0]["text"]  # it ran
        assert running(mark) == []

    def test_everything_ends_with_this_side_even_if_that_is_killed(self, driver_environment):
        mark = f"orphan-{os.getpid()}"
        code = (
            "from vaecourse.classroom import kernel\nfrom vaecourse.classroom.records import Task\n"
            f'kernel.run(Task((\'import time, subprocess, sys; subprocess.run([sys.executable, "-c", "import time; time.sleep(60) #{mark}"])\',), ()))'
        )
        grader = subprocess.Popen([sys.executable, "-c", code], env=driver_environment)
        end = time.monotonic() + 20
        while len(running(f"time.sleep(60) #{mark}", but=grader.pid)) < 1 and time.monotonic() < end:
            time.sleep(0.05)
        assert running(mark, but=grader.pid)
        grader.kill()
        grader.wait()
        end = time.monotonic() + 5
        while running(mark) and time.monotonic() < end:
            time.sleep(0.05)
        assert running(mark) == []


class TestAvailable:
    @pytest.fixture(autouse=True)
    def forget(self):
        yield
        jail.available.cache_clear()

    def said(self, monkeypatch, tmp_path, script=None):
        """What is said where bubblewrap is this script, or missing."""
        if script:
            (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / "bwrap").chmod(0o755)
        os.symlink(shutil.which("prlimit"), tmp_path / "prlimit")
        monkeypatch.setenv("PATH", str(tmp_path))
        jail.available.cache_clear()
        why = jail.available()
        with pytest.raises(CourseError, match="ubblewrap"):
            kernel.run(Task(("1",), ()))
        return why

    def test_here(self):
        assert jail.available() == ""

    def test_missing(self, monkeypatch, tmp_path):
        assert "not installed" in self.said(monkeypatch, tmp_path)

    def test_forbidden(self, monkeypatch, tmp_path):
        why = self.said(
            monkeypatch, tmp_path, "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1"
        )
        assert "setting up uid map: Permission denied" in why and (
            "user namespaces" in why or "a normal user" in why
        )

    def test_too_old(self, monkeypatch, tmp_path):
        why = self.said(monkeypatch, tmp_path, "echo 'bwrap: Unknown option --size' >&2; exit 1")
        assert "0.8 or newer" in why

    def test_a_program_that_only_pretends_is_no_jail(self, monkeypatch, tmp_path):
        why = self.said(monkeypatch, tmp_path, "exit 0")
        assert why

    def test_elsewhere(self, monkeypatch):
        monkeypatch.setattr(jail.sys, "platform", "darwin")
        jail.available.cache_clear()
        assert "Linux" in jail.available() and "--no-jail" in jail.available()


def test_many_at_once_do_not_meet():
    ran = {}

    def one(n):
        ran[n] = run(
            f"open('mine', 'w').write('{n}')\nimport os, time\ntime.sleep(0.3)\nprint(open('mine').read(), os.listdir())"
        )

    threads = [threading.Thread(target=one, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: r.cells[0].outputs[0]["text"] for n, r in ran.items()} == {
        n: f"{n} ['mine']\n" for n in range(3)
    }


AS_ANOTHER = """
import json, os, sys
from vaecourse.classroom import jail, kernel, syscalls
from vaecourse.classroom.records import Ask, Limits, Task
why = jail.available()
if why:
    print(json.dumps({"why": why})); raise SystemExit
ran = kernel.run(Task(("import os\\nprint(os.getuid(), os.path.exists('/home') and os.listdir('/home'))", "def one(x): return x + 1",
    "import os, time\\ntry:\\n  for _ in range(100):\\n    if os.fork() == 0: time.sleep(9); os._exit(0)\\nfinally: time.sleep(1)",
    "open('/tmp/x', 'w').write('x' * 10)\\nimport os; os._exit(1)"),
    (Ask("T/one", "one", ("x",), (((1.0,),),)),), Limits(processes=40)))
print(json.dumps({"uid": os.getuid(), "cells": [c.trouble for c in ran.cells], "text": ran.cells[0].outputs[0]["text"],
    "asks": [a.outcomes[0].outputs for a in ran.asks], "left": [p.name for p in __import__("psutil").Process().children(True)]}))
"""


def test_as_a_normal_user(driver_environment):
    user, python = another()
    libraries = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    environment = {
        **driver_environment,
        "PYTHONPATH": os.pathsep.join([str(Path(vaecourse.__file__).parents[1]), *libraries]),
        "HOME": "/",
    }
    done = subprocess.run(
        ["runuser", "-u", user, "--", python, "-c", AS_ANOTHER],
        env=environment, cwd="/", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["uid"] == pwd.getpwnam(user).pw_uid != 0
    assert seen["text"].startswith("65534 ") and user not in seen["text"]
    assert (
        seen["cells"] == ["", "", "processes", "crashed"] and seen["asks"] == [[2.0]] and seen["left"] == []
    )


AS_ROOT = """
import json, os, psutil, sys
from vaecourse.classroom import dialogue, jail, kernel
from vaecourse.classroom.records import Ask, Limits, Task
owners = set()
class Kept(dialogue.Watch):
    def look(self):
        super().look()
        owners.update(p.uids().real for p in psutil.Process().children(recursive=True))
dialogue.Watch = Kept
ran = kernel.run(Task(("import time; time.sleep(0.5)", "def one(x): return x + 1", "open('/tmp/x', 'w').write('x')"),
    (Ask("T/one", "one", ("x",), (((1.0,),),)),)))
print(json.dumps({"why": jail.available(), "user": dict(jail._user()), "owners": sorted(owners),
    "cells": [c.trouble for c in ran.cells], "asks": [a.outcomes[0].outputs for a in ran.asks]}))
"""


def test_where_root_grades_the_jail_is_nobodys(driver_environment):
    if os.geteuid() != 0:
        pytest.skip("only root can try this")
    _, python = another()  # one that nobody may read, too
    libraries = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    path = os.pathsep.join([str(Path(vaecourse.__file__).parents[1]), *libraries])
    done = subprocess.run(
        [python, "-c", AS_ROOT],
        env={**driver_environment, "PYTHONPATH": path},
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["why"] == "" and seen["user"]["user"] == 65534
    assert seen["owners"] == [65534]
    assert seen["cells"] == ["", "", ""] and seen["asks"] == [[2.0]]


def another() -> tuple[str, str]:
    """A normal user of this machine, and an interpreter that he may use with the packages of this one."""
    if os.geteuid() != 0 or not shutil.which("runuser"):
        pytest.skip("only root can try this as another user")
    users = [u.pw_name for u in pwd.getpwall() if 1000 <= u.pw_uid < 60000]
    if not users:
        pytest.skip("there is no normal user on this machine")
    same = "python{}.{}".format(*sys.version_info[:2])
    libraries = [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    path = os.pathsep.join([str(Path(vaecourse.__file__).parents[1]), *libraries])
    for python in (sys.executable, f"/usr/bin/{same}"):
        tried = subprocess.run(
            ["runuser", "-u", users[0], "--", python, "-c", "import vaecourse.classroom.records, ipykernel, psutil"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": path}, cwd="/", capture_output=True,
        )  # fmt: skip
        if tried.returncode == 0:
            return users[0], python
    pytest.skip(f"the user {users[0]} may not read this Python or its packages")


def running(mark: str, but: int = 0) -> list[int]:
    """The processes of this machine that name `mark` in their command."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark.encode() in Path(f"/proc/{number}/cmdline").read_bytes() and int(number) not in (
                but,
                os.getpid(),
            ):
                found.append(int(number))
        except OSError:
            continue
    return found
