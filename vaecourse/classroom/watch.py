"""Looks at running kernels ten times a second: what all processes of one use together, and ends those that use too much."""

import contextlib
import threading
import time
from typing import Protocol

from vaecourse.assignments.core import Limits

from .jail import Usage
from .records import CRASHED, FINE, LATE, MEMORY, PROCESSES

EVERY = 0.1  # seconds


class Kept(Protocol):
    """What can be looked at and ended: a Jail, or a local kernel."""

    def usage(self) -> Usage: ...
    def shared_memory(self) -> int: ...
    def kill(self) -> None: ...


class Watch:
    """Keeps one kernel within its limits; `trouble` says why it was ended, if it was."""

    def __init__(self, kept: Kept, limits: Limits, stop: threading.Event | None = None):
        self.kept, self.limits, self.stop = kept, limits, stop
        self.trouble = FINE

    def __enter__(self) -> "Watch":
        _shared.add(self)
        return self

    def __exit__(self, *_) -> None:
        _shared.remove(self)

    def look(self) -> None:
        if self.stop is not None and self.stop.is_set():
            self.end(CRASHED)
        usage = self.kept.usage()
        if usage.processes > self.limits.processes:
            self.end(PROCESSES)
        elif usage.memory > self.limits.memory < (self.kept.shared_memory() or usage.memory):
            self.end(MEMORY)
        elif usage.cpu_seconds > self.limits.cpu_seconds:
            self.end(LATE)

    def end(self, trouble: str) -> None:
        self.trouble = self.trouble or trouble
        self.kept.kill()


class _Shared:
    """One thread for all kernels, there only while there are kernels."""

    def __init__(self):
        self._all: set[Watch] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, watch: Watch) -> None:
        with self._lock:
            self._all.add(watch)
            if not (self._thread and self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
                self._thread.start()

    def remove(self, watch: Watch) -> None:
        with self._lock:
            self._all.discard(watch)

    def _run(self) -> None:
        while True:
            time.sleep(EVERY)
            with self._lock:
                watched = list(self._all)
                if not watched:
                    self._thread = None
                    return
            for watch in watched:
                with contextlib.suppress(Exception):  # it may be ending just now
                    watch.look()


_shared = _Shared()
