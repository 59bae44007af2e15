"""Is anything in the student version that no student should see? Solutions, what they printed, mark schemes, the secret."""

import base64
import json
import re
from collections.abc import Iterator, Mapping

from .database import text_of

REGIONS = ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")
SHORT = 12  # characters: a line below that (`return x`) gives nothing away, and stands in many places
LONG = 24  # from here on also as a part of a longer line


def leak(source: Mapping, student: Mapping, secret: bytes) -> str:
    """Where the student version gives away what the source keeps to itself, in one sentence; "" if nowhere.

    A line of a solution is looked for everywhere in the notebook, in its metadata and attachments too. A short one that
    also stands in the code which is given openly (`x = np.log(p)`) is no secret.
    """
    told = {_name(cell, i): list(_strings(cell)) for i, cell in enumerate(student["cells"])}
    told["the metadata"] = list(_strings(student["metadata"]))
    raw = json.dumps(student).lower() + json.dumps(student, ensure_ascii=False).lower()
    for form in (secret.hex(), base64.b64encode(secret).decode().lower(), secret.decode("latin-1").lower()):
        if form.rstrip("=") in raw or any(
            form.rstrip("=") in text.lower() for t in told.values() for text in t
        ):
            return "the class's secret stands in the student version."
    for name, texts in told.items():
        for region in REGIONS:
            if any(f"BEGIN {region}" in t or f"END {region}" in t for t in texts):
                return f"a mark of a {region.lower()} is left in the cell {name}."
    for i, cell in enumerate(student["cells"]):
        if cell.get("outputs") or cell.get("execution_count"):
            return f"an output is left in the cell {_name(cell, i)}."
    given = [
        _outside(text_of(cell), _answer(cell)) for cell in source["cells"] if cell["cell_type"] == "code"
    ]
    open_code = "\n".join(given)
    open_lines = {line for line in _lines(open_code) if len(line) < LONG}
    for i, cell in enumerate(source["cells"]):
        secrets = _lines(_inside(text_of(cell), _answer(cell)))
        what = "of its solution"
        if found := _stands(set(secrets) - open_lines, told):
            return f'the line "{found[1]}" {what} of the cell {_name(cell, i)} stands in {found[0]}.'
        lines = {line for output in cell.get("outputs", ()) for t in _strings(output) for line in _lines(t)}
        printed = {line for line in lines if len(line) >= LONG and line not in open_code}
        if found := _stands(printed, told):
            return f'"{found[1]}", which the cell {_name(cell, i)} printed, stands in {found[0]}.'
    return ""


def _stands(lines: set[str], told: Mapping[str, list[str]]) -> tuple[str, str] | None:
    """The first place where one of the lines stands, and which."""
    for name, texts in told.items():
        for text in texts:
            whole = set(_lines(text))
            for line in sorted(lines):
                if line in whole or (len(line) >= LONG and line in text):
                    return name, line
    return None


def _lines(text: str) -> Iterator[str]:
    """The lines that say something: without what is around them, and not too short."""
    for line in text.splitlines():
        line = line.strip()
        if len(line) >= SHORT and re.search(r"\w", line):
            yield line


def _answer(cell: Mapping) -> bool:
    return bool(((cell.get("metadata") or {}).get("nbgrader") or {}).get("solution"))


def _inside(text: str, answer: bool) -> str:
    """What stands between the marks of regions; the whole of an answer cell that has none."""
    if answer and "BEGIN SOLUTION" not in text:
        return text
    return "\n".join(line for hidden, line in _marked(text) if hidden)


def _outside(text: str, answer: bool) -> str:
    if answer and "BEGIN SOLUTION" not in text:
        return ""
    return "\n".join(line for hidden, line in _marked(text) if not hidden)


def _marked(text: str) -> Iterator[tuple[bool, str]]:
    hidden = False
    for line in text.splitlines():
        if any(f"BEGIN {region}" in line or f"END {region}" in line for region in REGIONS):
            hidden = "BEGIN" in line
        else:
            yield hidden, line


def _strings(value: object) -> Iterator[str]:
    """Every text in plain data, keys included; attachments also decoded."""
    if isinstance(value, str):
        yield value
        compact = "".join(value.split())
        if len(compact) >= SHORT and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", compact):
            try:
                yield base64.b64decode(compact + "=" * (-len(compact) % 4)).decode("utf-8")
            except ValueError:
                pass
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _strings(key)
            yield from _strings(part)
    elif isinstance(value, list | tuple):
        if value and all(isinstance(part, str) for part in value):
            yield "".join(value)
        for part in value:
            yield from _strings(part)


def _name(cell: Mapping, i: int) -> str:
    said = ((cell.get("metadata") or {}).get("nbgrader") or {}).get("grade_id")
    return said or f"number {i + 1}"
