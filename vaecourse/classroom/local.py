"""An ordinary kernel's process, for work that is trusted: what a Jail is, without the wall."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from vaecourse.assignments.core import Limits

from .jail import Usage, environment, limited

ROOT = "{root}"  # in words and files: the temporary folder


class Local:
    """A running process in a temporary folder of its own, with all that it started."""

    def __init__(self, process: subprocess.Popen, folder: Path):
        self.process, self._folder = process, folder
        self.cpu_seconds = 0.0
        self._seen: dict[int, psutil.Process] = {process.pid: psutil.Process(process.pid)}
        self._used: dict[int, float] = {}

    def path(self, inside: str) -> str:
        return str(self._folder / inside.lstrip("/"))

    def usage(self) -> Usage:
        """Look once at all processes; one that was seen is not forgotten when its parent ends."""
        with contextlib.suppress(psutil.Error):
            for child in self._seen[self.process.pid].children(recursive=True):
                self._seen.setdefault(child.pid, child)
        processes = memory = 0
        for process in list(self._seen.values()):
            with contextlib.suppress(psutil.Error):
                with process.oneshot():
                    times = process.cpu_times()
                    self._used[process.pid] = times.user + times.system
                    if process.status() != psutil.STATUS_ZOMBIE:
                        processes += process.num_threads()
                        memory += process.memory_info().rss
        self.cpu_seconds = max(self.cpu_seconds, sum(self._used.values()))
        return Usage(processes, memory, self.cpu_seconds)

    def shared_memory(self) -> int:
        """Resident bytes of all processes together, what they share counted once where the system tells."""
        total = 0
        for process in list(self._seen.values()):
            with contextlib.suppress(psutil.Error):
                full = process.memory_full_info()
                total += getattr(full, "pss", full.rss)
        return total

    def kill(self) -> None:
        for process in list(self._seen.values()):
            with contextlib.suppress(psutil.Error):
                process.kill()

    def close(self) -> None:
        with contextlib.suppress(psutil.Error):
            self.usage()
        self.kill()
        self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def start(
    command: Sequence[str],
    limits: Limits,
    data: Mapping[str, bytes],
    keep: Sequence[int] = (),
) -> Local:
    """Start `command`, in whose words ROOT is the temporary folder; `data` are files to put there."""
    folder = Path(tempfile.mkdtemp(prefix="vaecourse-")).resolve()
    scratch = folder / "scratch"
    scratch.mkdir()
    for place, content in data.items():
        file = folder / place.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.replace(ROOT.encode(), str(folder).encode()))
    given = {**environment(), "HOME": str(scratch), "USERPROFILE": str(scratch), "TMPDIR": str(scratch)}
    given["IPYTHONDIR"] = str(folder / "ipython")
    given |= {k: v for k, v in os.environ.items() if k.upper() in ("SYSTEMROOT", "LD_LIBRARY_PATH", "WINDIR")}
    try:
        process = subprocess.Popen(
            [*limited(limits, apart=False), *(word.replace(ROOT, str(folder)) for word in command)],
            env=given,
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **({"pass_fds": tuple(keep)} if os.name == "posix" else {}),
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Local(process, folder)
