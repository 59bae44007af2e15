"""What has been graded: one file for each submission in grading/<assignment>/, written last, when all else is in place.

A file is there whole or not at all, so grading can be killed at any moment and gone on with. How long a submission
took is not kept: the same grades make the same files.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vaecourse.errors import CourseError

from .folder import ClassFolder
from .records import VERDICTS, Grade, Verdict

FORMAT = 1
LOCK = "lock"
_NAME = re.compile(r"[^a-z0-9]+")
_here: set[Path] = set()  # the locks of this process: the system would give them to it a second time


@dataclass(frozen=True)
class Entry:
    """A grade, and what tells why it would become another: the digests of the submission and of the class's seed."""

    grade: Grade
    submission: str = ""
    seed: str = ""


def path(folder: ClassFolder, assignment: str, student: str) -> Path:
    """The file of a student: plain ASCII on every system, and another one for every other name."""
    begin = _NAME.sub("-", student.lower()).strip("-")[:40]
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return folder.journal(assignment) / f"{begin}-{digest}.json"


def write(folder: ClassFolder, grade: Grade, submission: str = "", seed: str = "") -> Path:
    """Put the entry of a grade in its place, in one step."""
    stored = {"format": FORMAT, **dataclasses.asdict(Entry(grade, submission, seed))}
    for measured in ("seconds", "cpu_seconds"):
        del stored["grade"][measured]
    to = path(folder, grade.assignment, grade.student)
    replace(to, json.dumps(stored, indent=1).encode("ascii") + b"\n")
    return to


def read(folder: ClassFolder, assignment: str, student: str) -> Entry | None:
    """The entry of a student; None if there is none. A damaged one is set aside as NAME.damaged: None as well."""
    at = path(folder, assignment, student)
    try:
        entry = _entry(json.loads(at.read_bytes()))
        if (entry.grade.student, entry.grade.assignment) != (student, assignment):
            raise ValueError("the entry of somebody else")
        return entry
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        os.replace(at, at.with_suffix(".damaged"))
        return None


def replace(to: Path, content: bytes) -> None:
    """Write a file so that whoever looks, and whatever happens, sees the old content or the new one.

    What a writer leaves who is killed, the next who writes this file uses up.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    made = to.with_name(f".{to.name}.new")
    try:
        with open(made, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(made, to)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise
    if os.name == "posix":  # the name, too, is to outlive a power cut
        above = os.open(to.parent, os.O_RDONLY)
        try:
            os.fsync(above)
        finally:
            os.close(above)


@contextlib.contextmanager
def locked(folder: ClassFolder, assignment: str) -> Iterator[None]:
    """Be the only one who grades this assignment; CourseError, in one sentence, if another process does.

    The system itself lets go of the lock when its process ends, in whatever way: none is ever left behind. (The number
    in the file only serves the sentence.)
    """
    at = (folder.journal(assignment) / LOCK).resolve()
    if at in _here:  # opening the file again would let go of it
        raise _busy(assignment, os.getpid())
    try:
        at.parent.mkdir(parents=True, exist_ok=True)
        stream = open(at, "a+b")
    except OSError as error:
        raise CourseError(
            f"The journal of grading, {at.parent}, cannot be written: {error.strerror}."
        ) from error
    try:
        if not _take(stream):
            stream.seek(0)
            raise _busy(assignment, stream.read(20).decode("ascii", "replace").strip())
        _here.add(at)
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n".encode())
        stream.flush()
        yield
    finally:
        _here.discard(at)
        stream.close()


def _busy(assignment: str, pid: int | str) -> CourseError:
    return CourseError(
        f"{assignment} is being graded just now, by process {pid or '?'}: wait until it has finished, or stop it first."
    )


def _take(stream) -> bool:
    """Lock an open file for this process, not for what it starts; False if another one has it."""
    try:
        if os.name == "nt":
            import msvcrt

            stream.seek(1 << 20)  # beyond what is read: a locked byte cannot be
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _entry(stored: dict) -> Entry:
    """An entry from its JSON; ValueError, TypeError, KeyError or AttributeError where it is none."""
    if stored["format"] != FORMAT:
        raise ValueError("of another format")
    grade = dict(stored["grade"])
    verdicts = tuple(
        Verdict(**{**v, "properties": tuple((str(n), bool(held)) for n, held in v["properties"])})
        for v in grade.pop("verdicts")
    )
    if any(v.verdict not in VERDICTS or not 0 <= v.points <= v.of for v in verdicts):
        raise ValueError("no verdict")
    texts = (grade["student"], grade["assignment"], grade["key"], stored["submission"], stored["seed"])
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("no text")
    return Entry(
        Grade(**{**grade, "verdicts": verdicts, "notes": tuple(grade["notes"])}),
        stored["submission"],
        stored["seed"],
    )
