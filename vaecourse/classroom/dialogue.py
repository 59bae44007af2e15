"""One kernel and the talk with it: cells to run, questions to ask, and an end to it when it hangs, floods or lies."""

import contextlib
import functools
import json
import math
import os
import secrets
import socket
import sys
import threading
import time
from dataclasses import dataclass
from importlib import resources

from vaecourse.errors import CourseError

from . import jail, local, wire
from .records import CRASHED, ERROR, FINE, LATE, MEMORY, OUTPUT, TAMPERED, Ask, AskRun, CellRun, Task
from .replies import Outputs, exits, idle, read
from .watch import Watch

START_SECONDS = 60.0  # a kernel that is not there by then will not come
GRACE = 1.5  # seconds after an interrupt, or after a call should have ended
# Limits of cells and calls are processor time, so that a busy machine takes nobody's points. By the clock they are longer.
PATIENCE = 3.0
LOOK = 0.25  # seconds between two looks at the processor time
LAST = 5.0  # seconds for the last of a cell's output, after its reply
SPARE = 2**16  # bytes of a message besides what it carries
LOCALHOST = "127.0.0.1"
PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
POSIX = os.name == "posix"


class NoStart(CourseError):
    """No kernel came up."""

    def __init__(self):
        super().__init__("A kernel for grading did not start: does `python -m ipykernel_launcher` run here?")


class Gone(Exception):
    """The kernel has to be given up; `trouble` says why."""

    def __init__(self, trouble: str):
        super().__init__(trouble)
        self.trouble = trouble


@dataclass(frozen=True)
class Ran:
    run: CellRun
    gone: bool = False


class Kernel:
    """One kernel and the sockets to it."""

    def __init__(self, task: Task, end: float, stop: threading.Event, listen: bool):
        self.limits, self.end = task.limits, end
        self._stack = contextlib.ExitStack()
        self._left = task.limits.output
        self._asked = False
        self._iopub: wire.Channel | None = None
        try:
            key = secrets.token_hex(32)
            self._beats, self._beat = os.pipe() if POSIX else (None, None)
            try:
                self._process, addresses = _started(task, key, [self._beat] if POSIX else [])
            finally:
                if POSIX:
                    os.close(self._beat)
                    os.set_blocking(self._beats, False)
                    self._stack.callback(os.close, self._beats)
            self._stack.callback(self._process.close)
            self._watch = self._stack.enter_context(Watch(self._process, task.limits, stop))
            started = time.monotonic() + START_SECONDS
            self._shell = self._channel(addresses["shell_port"], "DEALER", 0, key, started)
            self._control = self._channel(addresses["control_port"], "DEALER", 0, key, started)
            if listen:
                self._iopub = self._channel(addresses["iopub_port"], "SUB", self._left + SPARE, key, started)
                self._subscribed()
        except (wire.Closed, wire.Flood, wire.Garbled) as error:
            self.close()
            raise NoStart from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._stack.close()

    @property
    def cpu_seconds(self) -> float:
        return self._process.cpu_seconds

    def deafen(self) -> None:
        """Hear no output any more: with nobody listening, the kernel sends none."""
        if self._iopub:
            self._iopub.close()
            self._iopub = None

    def cell(self, code: str, seconds: float) -> Ran:
        """Run one cell: what it gave, and whether the kernel is gone."""
        outputs = Outputs(self._left)
        trouble, gone = FINE, False
        try:
            reply = self._execute({"code": code, "store_history": True}, seconds, outputs)
            if reply is None:
                trouble = LATE
            elif exits(reply):
                raise Gone(CRASHED)
            elif reply.get("status") == "error":
                if reply.get("ename") == "MemoryError":  # what fills the memory is still there
                    raise Gone(MEMORY)
                trouble = ERROR
        except Gone as end:
            trouble, gone = end.trouble, True
        self._left = outputs.left
        if outputs.full and trouble in (FINE, ERROR):
            trouble = OUTPUT
        return Ran(CellRun(outputs.made(), trouble), gone)

    def ask(self, ask: Ask) -> AskRun:
        """Call a function of the student's on all cases."""
        if not self._asked:
            self._asked = True
            self._value(
                f"{MODULE}.__dict__ and __import__('builtins').exec({_runner()!r}, {MODULE}.__dict__)", 30.0
            )
        request = {
            "ask": {
                "function": ask.function,
                "parameters": ask.parameters,
                "cases": ask.cases,
                "seconds": ask.seconds,
            },
            "beat": self._beat,
            "most": self.limits.reply,
        }
        calls = sum(map(len, ask.cases))
        if POSIX:
            self._drain()
            content = self._value(f"{MODULE}.answer({json.dumps(request)!r})", ask.seconds, calls)
        else:
            content = self._value(f"{MODULE}.answer({json.dumps(request)!r})", ask.seconds * calls + 10)
        answered = read(ask, content)
        if answered.trouble in (MEMORY, TAMPERED):  # what it left behind is no ground for the next
            raise Gone(answered.trouble)
        return answered

    def _value(self, expression: str, seconds: float, calls: int | None = None) -> dict:
        request = {"code": "", "silent": True, "store_history": False, "user_expressions": {"it": expression}}
        reply = self._execute(request, seconds, None, calls)
        if reply is None:
            raise Gone(LATE)
        return reply

    def _execute(self, request: dict, seconds: float, outputs: Outputs | None, calls: int | None = None):
        """Send code and wait for what becomes of it: the reply, or None if it had to be interrupted.

        `seconds` are processor time. With `calls`, the runner is heard: they are for one call, and begin again with each.
        """
        self._shell.allowed = self.limits.reply + SPARE
        content = {
            "silent": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
            **request,
        }
        try:
            name = self._shell.send("execute_request", content)
        except wire.Closed:
            raise self._gone() from None
        interrupted = False
        reply, ended = None, outputs is None or self._iopub is None
        until, most = self._ends(seconds if calls is None else seconds + 10)
        while reply is None or not ended:
            now = time.monotonic()
            if now >= min(until, self.end) or (reply is None and self.cpu_seconds >= most):
                if reply is not None:  # the reply is there, only the last of the output is not
                    self.deafen()
                    break
                if now >= self.end or interrupted or calls is not None:
                    self._watch.end(LATE)
                    raise self._gone()
                interrupted, until, most = True, now + GRACE, math.inf
                with contextlib.suppress(wire.Closed):
                    self._control.send("interrupt_request", {})
            ready = self._wait(min(until, self.end, now + LOOK) - now, beats=calls is not None)
            if self._shell in ready:
                try:
                    for message in self._shell.receive():
                        if message.kind == "execute_reply" and message.answers == name and reply is None:
                            reply, until = message.content, time.monotonic() + LAST
                except (wire.Flood, wire.Garbled) as error:
                    self._watch.end(OUTPUT if isinstance(error, wire.Flood) else TAMPERED)
                    raise self._gone() from None
                except wire.Closed:
                    if reply is None:
                        raise self._gone() from None
            if self._iopub in ready:
                try:
                    for message in self._iopub.receive():
                        if message.answers == name and outputs is not None:
                            outputs.take(message)
                            ended = ended or idle(message)
                except wire.Flood:
                    outputs.full = True
                    self.deafen()
                except (wire.Closed, wire.Garbled):
                    self.deafen()
            if outputs is not None and outputs.full:
                self.deafen()
            ended = ended or self._iopub is None
            if self._beats in ready and calls is not None:
                got = len(os.read(self._beats, 65536))
                calls -= got
                if calls < -1 or not got:
                    self._watch.end(TAMPERED if got else CRASHED)
                    raise self._gone()
                until, most = self._ends(seconds + GRACE if calls >= 0 else 10)
        self._watch.look()  # what this code left behind is this code's doing, not the next one's
        if self._watch.trouble:
            raise self._gone()
        return None if interrupted else reply

    def _ends(self, seconds: float) -> tuple[float, float]:
        """So many seconds from now: by the clock, and in processor time."""
        return time.monotonic() + PATIENCE * seconds, self.cpu_seconds + seconds

    def _wait(self, seconds: float, beats: bool) -> list:
        """What can be read within so many seconds."""
        sources = [s for s in (self._shell, self._iopub) if s is not None]
        if beats:
            sources.append(self._beats)
        return wire.readable(sources, seconds)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._beats, 2**20)

    def _gone(self) -> Gone:
        """The kernel is dead, or is given up now: the reason."""
        if not self._watch.trouble:
            with contextlib.suppress(Exception):
                code = self._process.process.wait(1.0)
                if code in (-24, 128 + 24):  # SIGXCPU
                    return Gone(LATE)
        return Gone(self._watch.trouble or CRASHED)

    def _channel(self, address: str | int, kind: str, allowed: int, key: str, until: float) -> wire.Channel:
        """Connect as soon as the kernel listens there."""
        while True:
            try:
                made = wire.Channel(address, kind, allowed + SPARE, key.encode())
            except wire.Closed:
                if self._process.process.poll() is not None or time.monotonic() > until:
                    raise NoStart from None
                time.sleep(0.01)
            else:
                self._stack.callback(made.close)
                return made

    def _subscribed(self) -> None:
        """Wait until what the kernel says arrives here."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            self._shell.allowed = SPARE
            name = self._shell.send("kernel_info_request", {})
            again = time.monotonic() + 1.0
            heard = answered = False
            while time.monotonic() < again:
                ready = self._wait(again - time.monotonic(), beats=False)
                if self._shell in ready:
                    answered = any([m.answers == name for m in self._shell.receive()]) or answered
                if self._iopub in ready:
                    heard = any([m.answers == name and idle(m) for m in self._iopub.receive()]) or heard
                if heard and answered:
                    self._iopub.allowed = 2 * self._left + SPARE
                    return
        raise NoStart


def _started(task: Task, key: str, keep: list[int]) -> tuple[jail.Jail | local.Local, dict[str, str | int]]:
    """A kernel's process, and where its sockets will be."""
    place, root = f"{jail.RUNTIME}/connection.json", "" if task.jail else local.ROOT
    begin = _inside("start.py")
    if not task.jail:
        hidden = (*(f"vaecourse.{name}" for name in jail.ANSWERS), *task.hidden)
        begin = f"HIDDEN, LESSON = {hidden!r}, {str(jail.INSIDE / 'lesson.py')!r}\n{begin}"
    command = [sys.executable, "-c", begin, "-f", root + place, "--HistoryManager.enabled=False"]
    info = {"key": key, "signature_scheme": "hmac-sha256"}
    ports = PORTS if POSIX else dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
    info |= (
        {"transport": "ipc", "ip": f"{root}{jail.RUNTIME}/k"}
        if POSIX
        else {"transport": "tcp", "ip": LOCALHOST}
    )
    data = {place: json.dumps({**info, **ports}).encode()}
    if task.jail:
        process = jail.start(command, task.limits, task.hidden, data, keep=keep)
    else:
        process = local.start(command, task.limits, data, keep)
    return process, {p: process.path(f"{jail.RUNTIME}/k-{n}") if POSIX else n for p, n in ports.items()}


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in made:
            one.bind((LOCALHOST, 0))
        return [one.getsockname()[1] for one in made]


@functools.cache
def _inside(name: str) -> str:
    return (resources.files("vaecourse.classroom.inside") / name).read_text(encoding="utf-8")


def _runner() -> str:
    return _inside("runner.py")


# A module of its own in the kernel, where names that the student gave to other things do not matter.
MODULE = (
    "__import__('sys').modules.setdefault('vaecourse_runner', "
    "__import__('types').ModuleType('vaecourse_runner'))"
)
