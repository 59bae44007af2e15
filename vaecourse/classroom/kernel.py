"""Runs a submission: its cells in order, then the questions to its functions, in kernels that may break at any moment.

This side gives text and takes text. A kernel that dies, hangs, floods or lies costs the submission the cell or the
exercise in which that happened: a fresh kernel runs all the other cells again, and is asked the other questions.
"""

import base64
import builtins
import contextlib
import functools
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from importlib import resources

from vaecourse.errors import CourseError
from vaecourse.exercises.core import Outcome

from . import jail, local, wire
from .records import (
    CRASHED,
    ERROR,
    FINE,
    LATE,
    MEMORY,
    MISSING,
    OUTPUT,
    TAMPERED,
    Ask,
    AskRun,
    CellRun,
    Run,
    Task,
)
from .watch import Watch

START_SECONDS = 60.0  # a kernel that is not there by then will not come
GRACE = 1.5  # seconds after an interrupt, or after a call should have ended
AGAIN = 3.0  # seconds for a cell that was too slow the first time
LAST = 5.0  # seconds for the last of a cell's output, after its reply
SPARE = 2**16  # bytes of a message besides what it carries
LOCALHOST = "127.0.0.1"
PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
POSIX = os.name == "posix"

ERRORS = {n for n, e in vars(builtins).items() if isinstance(e, type) and issubclass(e, BaseException)}
FORMS = {
    "arguments": "cannot be called with the arguments that the exercise names.",
    "complex": "returned a complex number.",
    "depth": "returned a list that contains itself, or lists too deep in lists.",
    "type": "returned something that is neither a number nor a list of numbers.",
}


def run(task: Task, stop: threading.Event | None = None) -> Run:
    """Run a submission. CourseError where no kernel can be started at all; nothing that a submission does raises.

    Once `stop` is set the kernel is ended soon, and what comes back counts for nothing.
    """
    if task.jail and (why := jail.available()):
        raise CourseError(why)
    return _Submission(task, stop or threading.Event()).run()


class _NoStart(CourseError):
    """No kernel came up."""

    def __init__(self):
        super().__init__("A kernel for grading did not start: does `python -m ipykernel_launcher` run here?")


class _Gone(Exception):
    """The kernel has to be given up; `trouble` says why."""

    def __init__(self, trouble: str):
        super().__init__(trouble)
        self.trouble = trouble


class _Submission:
    """What is known so far about one submission."""

    def __init__(self, task: Task, stop: threading.Event):
        self.task, self.stop = task, stop
        self.began = time.monotonic()
        self.end = self.began + task.limits.seconds
        self.cells: list[CellRun | None] = [None] * len(task.cells)
        self.asks: list[AskRun | None] = [None] * len(task.asks)
        self.left_out: set[int] = set()  # cells that ended a kernel
        self.slow: set[int] = set()  # cells that had to be interrupted
        self.ended: Counter[str] = Counter()  # how many kernels each exercise ended
        self.told = False  # whether a hidden input has entered a kernel: no output counts after that
        self.kernels = 0
        self.failures = 0  # of kernels to begin: no doing of the submission's
        self.cpu_seconds = 0.0

    def run(self) -> Run:
        limits = self.task.limits
        over = self.stop.is_set
        while (
            not (self._done() or over()) and time.monotonic() < self.end and self.kernels <= limits.restarts
        ):
            self.kernels += 1
            self._one_kernel()
        late = LATE if time.monotonic() >= self.end else CRASHED
        return Run(
            tuple(c or CellRun((), late) for c in self.cells),
            tuple(a or AskRun(q.exercise, (), late) for a, q in zip(self.asks, self.task.asks, strict=True)),
            time.monotonic() - self.began,
            self.cpu_seconds,
            max(0, self.kernels - 1),
        )

    def _done(self) -> bool:
        return self.told and None not in self.asks

    def _one_kernel(self) -> None:
        try:
            kernel = _Kernel(self.task, self.end, self.stop, listen=not self.told)
        except _NoStart:
            self.kernels, self.failures = self.kernels - 1, self.failures + 1
            if self.failures == 3:
                raise
            return
        try:
            if not self._all_cells(kernel):
                return
            kernel.deafen()
            self.told = True
            left = [(i, ask) for i, ask in enumerate(self.task.asks) if self.asks[i] is None]
            for index, ask in sorted(
                left, key=lambda each: self.ended[each[1].exercise]
            ):  # who broke one waits
                try:
                    self.asks[index] = kernel.ask(ask)
                except _Gone as gone:
                    self.asks[index] = AskRun(ask.exercise, (), gone.trouble)
                    self.ended[ask.exercise] += 1
                    return
        finally:
            kernel.close()
            self.cpu_seconds += kernel.cpu_seconds

    def _all_cells(self, kernel: "_Kernel") -> bool:
        """Run the cells; False if one of them ended the kernel."""
        for index, code in enumerate(self.task.cells):
            if index in self.left_out:
                continue
            seconds = self.task.limits.cell_seconds
            ran = kernel.cell(code, min(AGAIN, seconds) if index in self.slow else seconds)
            if not self.told:
                self.cells[index] = ran.run
            if ran.run.trouble == LATE:
                self.slow.add(index)
            if ran.gone:
                self.left_out.add(index)
                return False
        return True


@dataclass(frozen=True)
class _Ran:
    run: CellRun
    gone: bool = False


class _Kernel:
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
            raise _NoStart from error
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

    def cell(self, code: str, seconds: float) -> _Ran:
        """Run one cell: what it gave, and whether the kernel is gone."""
        outputs = _Outputs(self._left)
        trouble, gone = FINE, False
        try:
            reply = self._execute({"code": code, "store_history": True}, seconds, outputs)
            if reply is None:
                trouble = LATE
            elif _exits(reply):
                raise _Gone(CRASHED)
            elif reply.get("status") == "error":
                if reply.get("ename") == "MemoryError":  # what fills the memory is still there
                    raise _Gone(MEMORY)
                trouble = ERROR
        except _Gone as end:
            trouble, gone = end.trouble, True
        self._left = outputs.left
        if outputs.full and trouble in (FINE, ERROR):
            trouble = OUTPUT
        return _Ran(CellRun(outputs.made(), trouble), gone)

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
        answered = _read(ask, content)
        if answered.trouble in (MEMORY, TAMPERED):  # what it left behind is no ground for the next
            raise _Gone(answered.trouble)
        return answered

    def _value(self, expression: str, seconds: float, calls: int | None = None) -> dict:
        request = {"code": "", "silent": True, "store_history": False, "user_expressions": {"it": expression}}
        reply = self._execute(request, seconds, None, calls)
        if reply is None:
            raise _Gone(LATE)
        return reply

    def _execute(self, request: dict, seconds: float, outputs: "_Outputs | None", calls: int | None = None):
        """Send code and wait for what becomes of it: the reply, or None if it had to be interrupted.

        With `calls`, the runner is heard: `seconds` are for one call, and begin again with each.
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
        reply, idle = None, outputs is None or self._iopub is None
        until = time.monotonic() + (seconds if calls is None else seconds + 10)
        while reply is None or not idle:
            now = time.monotonic()
            if now >= min(until, self.end):
                if reply is not None:  # the reply is there, only the last of the output is not
                    self.deafen()
                    break
                if now >= self.end or interrupted or calls is not None:
                    self._watch.end(LATE)
                    raise self._gone()
                interrupted, until = True, now + GRACE
                with contextlib.suppress(wire.Closed):
                    self._control.send("interrupt_request", {})
            ready = self._wait(min(until, self.end) - now, beats=calls is not None)
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
                            idle = idle or _idle(message)
                except wire.Flood:
                    outputs.full = True
                    self.deafen()
                except (wire.Closed, wire.Garbled):
                    self.deafen()
            if outputs is not None and outputs.full:
                self.deafen()
            idle = idle or self._iopub is None
            if self._beats in ready and calls is not None:
                got = len(os.read(self._beats, 65536))
                calls -= got
                if calls < -1 or not got:
                    self._watch.end(TAMPERED if got else CRASHED)
                    raise self._gone()
                until = time.monotonic() + (seconds + GRACE if calls >= 0 else 10)
        self._watch.look()  # what this code left behind is this code's doing, not the next one's
        if self._watch.trouble:
            raise self._gone()
        return None if interrupted else reply

    def _wait(self, seconds: float, beats: bool) -> list:
        """What can be read within so many seconds."""
        sources = [s for s in (self._shell, self._iopub) if s is not None]
        if beats:
            sources.append(self._beats)
        return wire.readable(sources, seconds)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._beats, 2**20)

    def _gone(self) -> _Gone:
        """The kernel is dead, or is given up now: the reason."""
        if not self._watch.trouble:
            with contextlib.suppress(Exception):
                code = self._process.process.wait(1.0)
                if code in (-24, 128 + 24):  # SIGXCPU
                    return _Gone(LATE)
        return _Gone(self._watch.trouble or CRASHED)

    def _channel(self, address: str | int, kind: str, allowed: int, key: str, until: float) -> wire.Channel:
        """Connect as soon as the kernel listens there."""
        while True:
            try:
                made = wire.Channel(address, kind, allowed + SPARE, key.encode())
            except wire.Closed:
                if self._process.process.poll() is not None or time.monotonic() > until:
                    raise _NoStart from None
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
                    heard = any([m.answers == name and _idle(m) for m in self._iopub.receive()]) or heard
                if heard and answered:
                    self._iopub.allowed = 2 * self._left + SPARE
                    return
        raise _NoStart


class _Outputs:
    """The outputs of one cell, as nbformat has them: text, PNG and errors; the rest is dropped."""

    def __init__(self, left: int):
        self.left, self.full = left, False
        self._made: list[dict] = []
        self._clear = False

    def made(self) -> tuple[dict, ...]:
        return tuple(self._made)

    def take(self, message: wire.Message) -> None:
        made = _output(message)
        if message.kind == "clear_output":
            self._clear = True
            if message.content.get("wait") is not True:
                self._cleared()
        if made is None or self.full:
            return
        self._cleared()
        size = len(json.dumps(made))
        if size > self.left:
            self.full = True
            return
        self.left -= size
        last = self._made[-1] if self._made else {}
        if made["output_type"] == "stream" == last.get("output_type") and made["name"] == last["name"]:
            last["text"] += made["text"]
        else:
            self._made.append(made)

    def _cleared(self) -> None:
        if self._clear:
            self._made, self._clear = [], False


def _output(message: wire.Message) -> dict | None:
    content = message.content
    if message.kind == "stream":
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": _text(content.get("text"))}
    if message.kind == "error":
        lines = content.get("traceback")
        return {
            "output_type": "error",
            "ename": _text(content.get("ename")),
            "evalue": _text(content.get("evalue")),
            "traceback": [_text(line) for line in lines] if isinstance(lines, list) else [],
        }
    if message.kind in ("display_data", "execute_result"):
        given = content.get("data")
        data = {}
        if isinstance(given, dict):
            if "text/plain" in given:
                data["text/plain"] = _text(given["text/plain"])
            if _is_png(given.get("image/png")):
                data["image/png"] = given["image/png"]
        made = {"output_type": message.kind, "data": data, "metadata": {}}
        if message.kind == "execute_result":
            count = content.get("execution_count")
            made["execution_count"] = count if type(count) is int and 0 <= count < 2**31 else None
        return made if data else None
    return None


def _text(value: object) -> str:
    """Text that can be written as UTF-8, whatever it was."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _is_png(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return base64.b64decode(value.replace("\n", ""), validate=True).startswith(b"\x89PNG\r\n\x1a\n")
    except ValueError:
        return False


def _idle(message: wire.Message) -> bool:
    return message.kind == "status" and message.content.get("execution_state") == "idle"


def _exits(reply: dict) -> bool:
    """Did the cell call exit() or quit()? The kernel ends a little later."""
    payload = reply.get("payload")
    return isinstance(payload, list) and any(
        isinstance(p, dict) and p.get("source") == "ask_exit" for p in payload
    )


def _read(ask: Ask, reply: dict) -> AskRun:
    """What an answer says, or that it is none."""
    try:
        value = reply["user_expressions"]["it"]
        if value.get("status") == "error":
            return AskRun(ask.exercise, (), MEMORY if value.get("ename") == "MemoryError" else TAMPERED)
        said = json.loads(value["data"]["text/plain"], parse_int=wire.whole)
        trouble = said.get("trouble", FINE)
        if trouble:
            return AskRun(ask.exercise, (), trouble if trouble in (MISSING, MEMORY, OUTPUT) else TAMPERED)
        outcomes = said["outcomes"]
        if type(outcomes) is not list or len(outcomes) != len(ask.cases):
            raise ValueError
        return AskRun(
            ask.exercise,
            tuple(_outcome(o, len(case), ask) for o, case in zip(outcomes, ask.cases, strict=True)),
        )
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return AskRun(ask.exercise, (), TAMPERED)


def _outcome(said: dict, calls: int, ask: Ask) -> Outcome:
    """One outcome, its sentence in our own words; ValueError if it is none."""
    trouble, why, changed = (said.get(k, "") for k in ("trouble", "why", "changed"))
    if trouble not in ("", "error", "form", "late", "skipped"):
        raise ValueError
    outputs = tuple(_plain(o) for o in said.get("outputs", []))
    if len(outputs) > calls or (not trouble and len(outputs) != calls):
        raise ValueError
    if changed and changed not in (*ask.parameters, *(f"argument {i + 1}" for i in range(64))):
        raise ValueError
    if trouble == "error":
        sentence = f"stopped with {why if why in ERRORS else 'an error of its own'}."
    elif trouble == "form":
        sentence = FORMS.get(why, FORMS["type"])
    elif trouble == "late":
        sentence = f"was still running after {ask.seconds:g} seconds. Is there a loop that never ends?"
    else:
        sentence = ""
    return Outcome(outputs, trouble, sentence, changed)


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        if value != {"...": True}:
            raise ValueError
        return ...
    return value


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
