"""Calls a student's function inside the jail and writes down, as JSON, what came back.

This text is sent into the kernel after the notebook has run. It does what `vaecourse.exercises.core.run` does in a
lesson, and stands alone: NumPy and the standard library. Nothing that it says is trusted on the other side.
"""

import contextlib
import inspect
import io
import json
import numbers
import os
import signal
import sys
import threading
import warnings

PATIENCE = 3.0


class TooLong(BaseException):
    """The time limit of a call. Not an Exception: a student's `except Exception` must not swallow it."""


class NotPlain(Exception):
    """A value that is neither a number nor text nor a list of these."""


class Text:
    """Shows itself as the JSON text, and as nothing else."""

    def __init__(self, text):
        self.text = text

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.text}


def answer(request):
    """The JSON answer to a JSON request: an outcome for each case, or the trouble that ended it all."""
    asked = json.loads(request)
    try:
        beat = asked["beat"]
        text = json.dumps(_answer(**asked["ask"], beat=lambda: beat is not None and os.write(beat, b".")))
        if len(text) > asked["most"]:
            text = json.dumps({"trouble": "output"})
    except MemoryError:
        text = json.dumps({"trouble": "memory"})
    return Text(text)


def _answer(function, parameters, cases, seconds, beat):
    student = sys.modules["__main__"].__dict__
    if function not in student:
        return {"trouble": "missing"}
    given = student[function]
    if given is None or given is ...:
        return {"outcomes": [{"outputs": [{"...": True}] * len(case)} for case in cases]}
    if not callable(given):
        if parameters:
            return {"trouble": "missing"}
        value, given = given, lambda: value
    outcomes = []
    for case in cases:
        late = bool(outcomes) and outcomes[-1]["trouble"] in ("late", "skipped")
        outcomes.append({"trouble": "skipped"} if late else _run(given, case, parameters, seconds, beat))
    beat()
    return {"outcomes": outcomes}


def _run(function, case, parameters, seconds, beat):
    import numpy as np

    outputs, changed, trouble, why = [], "", "", ""
    for call in case:
        beat()
        given = [np.array(a, dtype=float) if isinstance(a, list) else a for a in call]
        try:
            if not _fits(function, call):
                trouble, why = "form", "arguments"
                break
            with _quiet(np), _at_most(seconds):
                output = function(*given)
                output = plain(output)
            outputs.append(output)
        except TooLong:
            _no_alarm()
            trouble = "late"
        except NotPlain as error:
            trouble, why = "form", str(error)
        except MemoryError:
            raise
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            trouble, why = "error", type(error).__name__
        if trouble:
            break
        names = (
            parameters if len(parameters) == len(call) else [f"argument {i + 1}" for i in range(len(call))]
        )
        for name, before, after in zip(names, call, given, strict=True):
            if isinstance(before, list) and not changed and not _same(np, before, after):
                changed = name
    return {"outputs": outputs, "trouble": trouble, "why": why, "changed": changed}


def plain(value, depth=0):
    """Numbers, truth values, text, None, `...` and lists of these; NotPlain, with one word, for all else."""
    if depth > 60:
        raise NotPlain("depth")
    if value is ...:
        return {"...": True}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        value = int(value)
        return value if abs(value) < 10**309 else float("inf") if value > 0 else -float("inf")
    if isinstance(value, float):
        return float(value)
    if isinstance(value, complex):
        raise NotPlain("complex")
    if hasattr(value, "tolist"):  # NumPy arrays and scalars, torch tensors with or without a gradient
        return plain(value.tolist(), depth + 1)
    if isinstance(value, (list, tuple)):
        return [plain(v, depth + 1) for v in value]
    if isinstance(value, numbers.Real):
        return float(value)
    raise NotPlain("type")


def _fits(function, call):
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True  # a built-in that tells nothing about itself: the call will show
    try:
        signature.bind(*call)
    except TypeError:
        return False
    return True


@contextlib.contextmanager
def _at_most(seconds):
    """Raise TooLong in the block after so many seconds of work, and again and again if that is ignored.

    By the clock it may be PATIENCE times as long: another process may have had the processor.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    inside = [True]

    def ring(*_):
        if inside:
            raise TooLong

    before = {number: signal.signal(number, ring) for number in (signal.SIGALRM, signal.SIGPROF)}
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds, 0.2)
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.2)
    try:
        yield
    finally:
        inside.clear()
        _no_alarm()
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _no_alarm():
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)


class _Nowhere(io.TextIOBase):
    """Takes what is printed, and keeps none of it."""

    def writable(self):
        return True

    def write(self, text):
        return len(text)


@contextlib.contextmanager
def _quiet(np):
    with (
        np.errstate(all="ignore"),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(_Nowhere()),
        contextlib.redirect_stderr(_Nowhere()),
    ):
        warnings.simplefilter("ignore")
        yield


def _same(np, before, after):
    before = np.asarray(before, dtype=float)
    return (
        isinstance(after, np.ndarray)
        and before.shape == after.shape
        and np.array_equal(before, after, equal_nan=True)
    )
