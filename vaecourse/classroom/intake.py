"""What a student handed in, read with care: a notebook that can be graded, or one sentence why not.

`read` raises nothing, waits for nothing and follows no link. One file is read, once, and at most 20 MB of it.
"""

import hashlib
import re
from datetime import UTC, datetime

from . import names
from .careful import File, Folder, Unreadable, opened
from .folder import ClassFolder
from .names import shown
from .notebook import LARGEST, checked, code_cells, parse
from .records import Submission

__all__ = ["code_cells", "read"]

TIMESTAMP = "timestamp.txt"
MOST_NOTEBOOKS = 8  # looked into, where none has the right name


def read(folder: ClassFolder, student: str, assignment: str) -> Submission:
    """The work of one student in submitted/STUDENT/A1/, checked; where it cannot be graded, `refusal` says why."""
    try:
        return _read(folder, student, assignment)
    except Exception as error:  # whatever a submission does, the others are still to be graded
        return _refused(student, assignment, f"What was handed in cannot be read ({type(error).__name__}).")


def choose(assignment: str, found: dict[str, bytes]) -> str:
    """Which of several notebooks is the one of this assignment; Unreadable if none or more than one is."""
    if (exact := f"{assignment}.ipynb") in found:
        return exact
    if len(found) == 1:
        return next(iter(found))
    if len(found) > MOST_NOTEBOOKS:
        raise Unreadable(f"There are {len(found)} notebooks, and none is called {exact}: hand in one.")
    right = [name for name, data in found.items() if _is_of(assignment, data)]
    if len(right) != 1:
        how = f"{len(right)} of them are" if right else "none of them is"
        raise Unreadable(
            f"There are {len(found)} notebooks, none is called {exact}, and {how} one of {assignment}: hand in one."
        )
    return right[0]


def notebooks_among(listed: list[str]) -> list[str]:
    """The names that are those of notebooks; what a file manager hides beside them ("._A1.ipynb") is none."""
    return [name for name in listed if name.casefold().endswith(".ipynb") and not name.startswith(".")]


def _read(folder: ClassFolder, student: str, assignment: str) -> Submission:
    if trouble := names.unsafe(student):
        return _refused(student, assignment, trouble)
    handed_in, digest = "", ""
    try:
        with opened(folder.root / "submitted", student, assignment) as here:
            handed_in = _time(here)
            name, file, notes = _find(here, assignment)
        digest = hashlib.sha256(file.data).hexdigest()
        raw, odd = parse(file.data)
        notebook, more = checked(raw, assignment)
    except Unreadable as error:
        return _refused(student, assignment, str(error), digest, handed_in)
    if file.links > 1:
        # A backup that saves space makes such links, and a student who could make one here could also copy: no refusal.
        notes.append(
            f"{shown(name)} is a hard link, the same file stands elsewhere too: what it held just now counts."
        )
    return Submission(student, assignment, notebook, digest, "", (*notes, *odd, *more), handed_in)


def _find(here: Folder, assignment: str) -> tuple[str, File, list[str]]:
    """The one notebook in the folder that counts, and notes about which it is."""
    listed, exact = here.names(), f"{assignment}.ipynb"
    found = notebooks_among(listed)
    if not found:
        others = [shown(name) for name in listed if name != TIMESTAMP and not name.startswith(".")][:3]
        raise Unreadable(
            f"There is no notebook{', only ' + ', '.join(others) if others else ''}: hand in {exact}."
        )
    if exact in found or len(found) == 1:
        name = exact if exact in found else found[0]
        file = here.read(name, LARGEST)
    elif len(found) > MOST_NOTEBOOKS:
        name = choose(assignment, dict.fromkeys(found, b""))
    else:
        files = {name: here.read(name, LARGEST) for name in found if here.kind(name) == "a file"}
        name = choose(assignment, {name: file.data for name, file in files.items()})
        file = files[name]
    notes = [] if name == exact else [f"The notebook was called {shown(name)}; it was read as {exact}."]
    if len(found) > 1:
        notes.append(f"There were {len(found)} notebooks; {shown(name)} was read.")
    return name, file, notes


def _is_of(assignment: str, data: bytes) -> bool:
    try:
        checked(parse(data)[0], assignment)
    except Unreadable:
        return False
    return True


def _time(here: Folder) -> str:
    """When it was handed in, as nbgrader's timestamp.txt says: ISO 8601 in UTC; "" if that is not to be read."""
    try:
        return utc(here.read(TIMESTAMP, 200).data.decode("ascii").strip())
    except (Unreadable, ValueError, OSError, OverflowError):
        return ""


def utc(text: str) -> str:
    """A time as nbgrader writes it ("2026-11-22 15:00:00.000000 UTC"), as ISO 8601 in UTC; ValueError for others."""
    from dateutil import tz

    day, _, zone = text.rpartition(" ")
    if re.fullmatch(r"[A-Za-z][A-Za-z_/+-]{,40}", zone) and (known := tz.gettz(zone)):
        moment = datetime.fromisoformat(day).replace(tzinfo=known)
    else:
        moment = datetime.fromisoformat(day + zone if zone[:1] in ("+", "-") else text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(
        UTC
    ).isoformat()  # to the microsecond: nbgrader asks whether two times are the same


def _refused(
    student: str, assignment: str, sentence: str, digest: str = "", handed_in: str = ""
) -> Submission:
    return Submission(student, assignment, None, digest, sentence, (), handed_in)
