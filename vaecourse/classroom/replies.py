"""What a kernel says, read with care: outputs as nbformat has them, answers as the outcomes that were asked for.

Nothing here is believed. What is not of the expected form is dropped, or is "tampered"; sentences are of our own words.
"""

import base64
import builtins
import json

from vaecourse.exercises.core import Outcome

from . import wire
from .records import FINE, MEMORY, MISSING, OUTPUT, TAMPERED, Ask, AskRun

ERRORS = {n for n, e in vars(builtins).items() if isinstance(e, type) and issubclass(e, BaseException)}
FORMS = {
    "arguments": "cannot be called with the arguments that the exercise names.",
    "complex": "returned a complex number.",
    "depth": "returned a list that contains itself, or lists too deep in lists.",
    "type": "returned something that is neither a number nor a list of numbers.",
}


class Outputs:
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


def idle(message: wire.Message) -> bool:
    return message.kind == "status" and message.content.get("execution_state") == "idle"


def exits(reply: dict) -> bool:
    """Did the cell call exit() or quit()? The kernel ends a little later."""
    payload = reply.get("payload")
    return isinstance(payload, list) and any(
        isinstance(p, dict) and p.get("source") == "ask_exit" for p in payload
    )


def read(ask: Ask, reply: dict) -> AskRun:
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
