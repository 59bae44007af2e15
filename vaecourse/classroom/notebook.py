"""From bytes that somebody handed in to a notebook of one known form, or one sentence why it is none.

What comes out is built anew from the little that is needed: for each cell its type and its text, pictures pasted into
written answers, and which answer cell it is. Outputs, settings and whatever else the file held is left behind, so it
cannot matter later. What the cells are for (solution, check, written; points) is said by the assignment, not the file.
"""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from vaecourse import assignments
from vaecourse.stored_form import KERNEL, LANGUAGE

from .careful import Unreadable
from .names import shown

LARGEST = 20 * 2**20  # bytes of a notebook
MOST_PARTS = 500_000  # lists and objects in its JSON
MOST_VALUES = 3_000_000  # what stands in them, about
MOST_CELLS = 2_000
MOST_CODE = 1_000_000  # characters in all code cells together
LONGEST_INTEGER = 20  # digits
_CELLS = ("code", "markdown", "raw")
_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_NOT_JSON = (
    (b"PK\x03\x04", "a zip"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"%PDF", "a PDF"),
    (b"<", "a web page"),
)
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True)
class Expected:
    """The cells of an assignment that matter: functions to be written with their points, and written answers."""

    functions: dict[str, int]
    written: dict[str, int]

    def about(self, name: str) -> tuple[str, dict]:
        """The type of the cell of that name, and what nbgrader is told of it; ("", ...) for a name of no account."""
        kind = {
            "schema_version": 3,
            "grade_id": name,
            "grade": False,
            "solution": False,
            "locked": False,
            "task": False,
        }
        function = name.removeprefix("check_")
        if name in self.functions:
            return "code", {**kind, "solution": True}
        if function != name and function in self.functions:
            return "code", {**kind, "grade": True, "locked": True, "points": self.functions[function]}
        if name in self.written:
            return "markdown", {**kind, "grade": True, "solution": True, "points": self.written[name]}
        return "", {**kind, "locked": True}


@functools.cache
def expected(assignment: str) -> Expected:
    """What a notebook of that assignment should hold; ValueError for an assignment that there is not."""
    known = assignments.assignment(assignment)
    return Expected(
        {e.name.split("/")[1]: e.points for e in known.exercises}, {w.name: w.points for w in known.written}
    )


def code_cells(notebook: dict) -> list[tuple[int, str]]:
    """The code of a checked notebook: (index of the cell, its text) for each code cell with code, in its order."""
    return [
        (index, cell["source"])
        for index, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and cell["source"].strip()
    ]


def parse(data: bytes) -> tuple[dict, list[str]]:
    """The JSON of a notebook of format 4, and notes about what was odd; Unreadable, with the sentence, if it is none."""
    text, notes = _decode(data)
    if sum(map(data.count, (b"{", b"["))) > MOST_PARTS or data.count(b",") > MOST_VALUES:
        raise Unreadable("The file is made of too many parts (millions) to be a notebook.")
    try:
        raw = json.loads(text, parse_int=_integer, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        if cut and text.lstrip().startswith("{"):
            raise Unreadable("The file ends in the middle: save the notebook and hand it in again.") from None
        raise Unreadable(f"The file is not a notebook: it is not JSON (line {error.lineno}).") from None
    except RecursionError:
        raise Unreadable("The file is nested too deeply to be a notebook.") from None
    if not isinstance(raw, dict) or not {"cells", "worksheets", "nbformat"} & raw.keys():
        raise Unreadable("The file is JSON, but not a notebook.")
    version = raw.get("nbformat")
    if "worksheets" in raw or (type(version) is int and 0 < version < 4):
        raise Unreadable(
            "The notebook has an old format, before 4: open it in JupyterLab, save it, hand it in again."
        )
    if type(version) is int and version > 4:
        raise Unreadable("The notebook has a newer format than 4: save it with the course's JupyterLab.")
    if version != 4 or not isinstance(raw.get("cells"), list):
        raise Unreadable("The file is JSON, but not a notebook: its format or its cells are missing.")
    if len(raw["cells"]) > MOST_CELLS:
        raise Unreadable(f"The notebook has {len(raw['cells'])} cells; at most {MOST_CELLS} are read.")
    return raw, notes


def claimed(raw: dict) -> str:
    """Which assignment a parsed notebook says it is, in its metadata or else by its answer cells; "" if it does not."""
    said = _dict(_dict(raw.get("metadata")).get("vaecourse")).get("assignment")
    if isinstance(said, str) and said in assignments.MODULES:
        return said
    here = set(_ids(raw))
    best = max(assignments.MODULES, key=lambda name: len(here & _functions(name)))
    return best if here & _functions(best) else ""


def belongs(raw: dict, assignment: str) -> bool:
    """Whether a parsed notebook is one of this assignment: by its answer cells, or by what its code defines."""
    asked = expected(assignment)
    if {*asked.functions, *asked.written} & set(_ids(raw)):
        return claimed(raw) in (assignment, "") or not _functions(claimed(raw)) & set(_ids(raw))
    if claimed(raw) not in (assignment, ""):
        return False
    code = "\n".join(
        _text(cell.get("source")) or "" for cell in _cells(raw) if cell.get("cell_type") == "code"
    )
    names = "|".join(asked.functions)
    return re.search(rf"^(def\s+({names})\b|({names})\s*=)", code, re.MULTILINE) is not None


def checked(raw: dict, assignment: str) -> tuple[dict, list[str]]:
    """The notebook, built anew from a parsed one, and notes; Unreadable if it is not one of this assignment."""
    if not belongs(raw, assignment):
        other = claimed(raw)
        raise Unreadable(
            f"This is the notebook of {other}, not of {assignment}."
            if other not in (assignment, "")
            else f"None of the answers of {assignment} is in this notebook."
        )
    asked, notes, cells = expected(assignment), about_metadata(raw, assignment), []
    seen: dict[str, str] = {}  # the type of the first cell of each name
    again, damaged, identities = [], [], set()
    for number, given in enumerate(raw["cells"], 1):
        cell = _cell(given)
        if cell is None:
            damaged.append(number)
            continue
        name = _grade_id(given)
        if name in seen:
            again.append(name)
        elif name:
            kind, about = asked.about(name)
            seen[name] = cell["cell_type"]
            cell = _typed(cell, kind or cell["cell_type"])
            cell["metadata"] = {"nbgrader": {**about, "cell_type": cell["cell_type"]}}
        cell["id"] = _identity(given, number, identities)
        cells.append(cell)
    if sum(len(cell["source"]) for cell in cells if cell["cell_type"] == "code") > MOST_CODE:
        raise Unreadable(f"The notebook holds over {MOST_CODE} characters of code.")
    notes += _about_cells(asked, seen, again, damaged)
    metadata = {
        "kernelspec": dict(KERNEL),
        "language_info": dict(LANGUAGE),
        "vaecourse": {"assignment": assignment},
    }
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}, notes


def _decode(data: bytes) -> tuple[str, list[str]]:
    if not data.strip(b"\0 \t\r\n"):
        raise Unreadable("The file is empty.")
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), [
                    f"The file was stored as {encoding[:6].upper()} with a byte order mark."
                ]
            except UnicodeDecodeError:
                raise Unreadable("The file is not a notebook: its text is damaged.") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise Unreadable("The file ends in the middle: save the notebook and hand it in again.") from None
        text, place = "", error.start
    kind = next((words for mark, words in _NOT_JSON if data.lstrip().startswith(mark)), "")
    if kind:
        raise Unreadable(f"The file is {kind}, not a notebook.")
    if not text:
        raise Unreadable(f"The file is not a notebook: its text is damaged (not UTF-8, byte {place}).")
    return text, []


def about_metadata(raw: dict, assignment: str) -> list[str]:
    """What is odd about the settings of a notebook, though it does not matter."""
    notes, metadata = [], _dict(raw.get("metadata"))
    if _dict(metadata.get("vaecourse")).get("assignment") != assignment:
        notes.append(f"The notebook does not say that it is {assignment}; its cells tell.")
    kernel, language = _dict(metadata.get("kernelspec")), _dict(metadata.get("language_info"))
    spoken, name = kernel.get("language") or language.get("name") or "python", kernel.get("name", "python3")
    if not (isinstance(spoken, str) and spoken.lower() in ("python", "python3", "ipython")):
        notes.append(f"The notebook names the language {_said(spoken)}; it was run as Python.")
    elif name != "python3":
        notes.append(f"The notebook names the kernel {_said(name)}; it was run with the course's own.")
    return notes


def _about_cells(
    asked: Expected, seen: dict[str, str], again: list[str], damaged: list[int]
) -> Iterator[str]:
    gone = [name for name in (*asked.functions, *asked.written) if name not in seen]
    if gone:
        yield f"{_cells_of(gone)} gone: a function defined elsewhere in the notebook counts, an answer written elsewhere does not."
    if again := list(dict.fromkeys(name for name in again if asked.about(name)[0])):
        yield f"{_cells_of(again)} there more than once: all code is run in its order, and of written answers the first counts."
    if [name for name in seen if name in asked.functions] != [
        name for name in asked.functions if name in seen
    ]:
        yield "The answer cells stand in another order than they were given; they are run as they stand."
    if turned := [name for name, kind in seen.items() if asked.about(name)[0] not in (kind, "")]:
        yield f"{_cells_of(turned)} of another type than given (code or text): it was turned back."
    if damaged:
        yield f"Damaged cells were left out: {len(damaged)}, the first of them number {damaged[0]}."


def _said(value: object) -> str:
    return shown(value if isinstance(value, str) else "?")


def _cells_of(names: list[str]) -> str:
    listed = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    return f"The answer cell of {listed} is" if len(names) == 1 else f"The answer cells of {listed} are"


@functools.cache
def _functions(assignment: str) -> frozenset[str]:
    """The functions of an assignment, without loading it: the names in its table."""
    try:
        return frozenset(assignments.read_table(assignment))
    except FileNotFoundError:
        return frozenset()


def _cell(given: object) -> dict | None:
    """A cell with its type and text and pasted pictures only; None if these are not to be had."""
    text = _text(given.get("source")) if isinstance(given, dict) else None
    if text is None or given.get("cell_type") not in _CELLS:
        return None
    cell = {"cell_type": given["cell_type"], "id": "", "metadata": {}, "source": text}
    if pictures := _pictures(given.get("attachments")):
        cell["attachments"] = pictures
    return _typed(cell, cell["cell_type"])


def _typed(cell: dict, kind: str) -> dict:
    """The cell as one of that type."""
    kept = {
        key: value for key, value in cell.items() if key not in ("outputs", "execution_count", "attachments")
    }
    if kind == "code":
        return {**kept, "cell_type": kind, "execution_count": None, "outputs": []}
    pictures = {"attachments": cell["attachments"]} if cell.get("attachments") else {}
    return {**kept, **pictures, "cell_type": kind}


def _text(source: object) -> str | None:
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    # A half of a character ("\ud800" in JSON) is no text: nothing could store or send it.
    return source.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _pictures(given: object) -> dict:
    found = {}
    for name, kinds in _dict(given).items():
        kept = {kind: _text(data) for kind, data in _dict(kinds).items() if kind in _IMAGES and _text(data)}
        if kept and (name := _text(name)):
            found[name] = kept
    return found


def _identity(given: dict, number: int, taken: set[str]) -> str:
    said = given.get("id")
    if not (isinstance(said, str) and re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", said) and said not in taken):
        said = next(name for n in range(len(taken) + 1) if (name := f"cell-{number}-{n}") not in taken)
    taken.add(said)
    return said


def _grade_id(cell: object) -> str:
    said = _dict(_dict(_dict(cell).get("metadata")).get("nbgrader")).get("grade_id")
    return said if isinstance(said, str) and re.fullmatch(r"[\w-]{1,100}", said, re.ASCII) else ""


def _ids(raw: dict) -> Iterator[str]:
    return (name for cell in _cells(raw) if (name := _grade_id(cell)))


def _cells(raw: dict) -> list[dict]:
    return [cell for cell in raw["cells"] if isinstance(cell, dict)]


def _dict(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= LONGEST_INTEGER else None
