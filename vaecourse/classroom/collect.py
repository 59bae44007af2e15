"""Put what was handed in as files where it is graded: submitted/STUDENT/A1/A1.ipynb, with the time beside it.

The later of two submissions counts. What it replaces is kept in replaced/STUDENT/A1/, never lost.
"""

import glob
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from vaecourse import assignments
from vaecourse.errors import CourseError

from . import defuse, names
from .careful import Unreadable, opened
from .folder import ClassFolder
from .handed_in import HandIn, hand_ins, notebook_of
from .intake import TIMESTAMP, utc
from .notebook import LARGEST

REPLACED_FOLDER = "replaced"
COLLECTED = "collected"
REPLACED = "collected, in place of an earlier one"
SAME = "already there"
OLDER = "older"
REFUSED = "refused"


@dataclass(frozen=True)
class Collected:
    """What became of one hand-in: where it was, whose it is (if that is known), the verdict, and a sentence about it."""

    where: str
    student: str
    verdict: str
    sentence: str

    @property
    def ok(self) -> bool:
        return self.verdict != REFUSED


def collect(
    folder: ClassFolder,
    assignment: str,
    paths: Iterable[str | Path],
    pattern: str | None = None,
    bundle: bool = False,
) -> list[Collected]:
    """Collect notebooks, zips, or folders full of them; with `bundle`, zips that hold the work of many students.

    A file's student is its name without the ending, or the name of the topmost folder in which it lies; with `pattern`, a
    regular expression, it is the group `student` of what matches at the beginning of its way. One verdict for each
    hand-in, in the order of their time. CourseError for an assignment or a pattern that makes no sense.
    """
    if assignment not in assignments.MODULES:
        raise CourseError(f"There is no assignment {assignment}; there are {', '.join(assignments.MODULES)}.")
    matching = _compiled(pattern)
    done: list[Collected] = []
    with ExitStack() as stack:
        waiting: list[HandIn] = []
        for path in _expanded(paths):
            try:
                waiting += hand_ins(path, assignment, matching, bundle, stack)
            except Unreadable as error:
                done.append(Collected(names.printable(path), "", REFUSED, str(error)))
            except OSError as error:
                done.append(
                    Collected(names.printable(path), "", REFUSED, f"It cannot be read: {error.strerror}.")
                )
        for hand_in in sorted(waiting, key=lambda h: h.moment):  # the later one comes to lie on top
            one = _collect(folder, assignment, hand_in, matching)
            if one.verdict in (COLLECTED, REPLACED):
                done = [_surpassed(before, one) for before in done]
            done.append(one)
    return done


def _collect(folder: ClassFolder, assignment: str, hand_in: HandIn, pattern: re.Pattern | None) -> Collected:
    student = names.tidy(hand_in.student)

    def verdict(word: str, sentence: str) -> Collected:
        return Collected(hand_in.where, student, word, sentence)

    if not student:
        how = "the pattern does not match its name" if pattern else "its name does not say"
        return verdict(REFUSED, f"Whose work this is cannot be told: {how}.")
    if trouble := names.trouble(student):
        return Collected(hand_in.where, "", REFUSED, trouble)
    try:
        student = _known_as(folder, student)
        name, data = notebook_of(hand_in, assignment)
        moment = hand_in.moment
        there = _there(folder, student, assignment)
        if there is not None and there[0] == hashlib.sha256(data).hexdigest():
            return verdict(SAME, "The same notebook has been collected before.")
        if there is not None and there[1] and datetime.fromisoformat(there[1]) > moment:
            return verdict(
                OLDER, "A later one has been collected before: that one counts, this one was left alone."
            )
        kept = _put(folder, student, assignment, data, moment)
    except Unreadable as error:
        return verdict(REFUSED, str(error))
    except OSError as error:
        return verdict(REFUSED, f"It cannot be stored: {error.strerror or type(error).__name__}.")
    except Exception as error:  # whatever it is, the others are still to be collected
        return verdict(REFUSED, f"It cannot be read ({type(error).__name__}).")
    plain = name in (
        f"{assignment}.ipynb",
        *(entry.name for entry in hand_in.entries if len(entry.parts) == 1),
    )
    called = "" if plain else f" The notebook was called {names.shown(name)}."
    if kept is None:
        return verdict(COLLECTED, f"Collected.{called}")
    return verdict(
        REPLACED, f"Collected; the earlier one now is in {kept.relative_to(folder.root).as_posix()}.{called}"
    )


def _known_as(folder: ClassFolder, student: str) -> str:
    """The name of the student's folder, which may write an accent its own way; Unreadable if it would be another's."""
    submitted = folder.root / "submitted"
    there = os.listdir(submitted) if submitted.is_dir() else []
    for name in there:
        if names.tidy(name) == student:
            return name
    for name in there:
        if names.same_folder(defuse.name(name), defuse.name(student)):
            raise Unreadable(
                f"There is a student {names.shown(name)}, a name too much like this one to tell apart."
            )
    return student


def _there(folder: ClassFolder, student: str, assignment: str) -> tuple[str, str] | None:
    """The digest and the time ("" if unknown) of what has been collected before; None if there is nothing."""
    if not os.path.lexists(folder.submitted(student, assignment)):
        return None
    try:
        with opened(folder.root / "submitted", student, assignment) as here:
            digest = hashlib.sha256(here.read(f"{assignment}.ipynb", LARGEST).data).hexdigest()
            try:
                return digest, utc(here.read(TIMESTAMP, 200).data.decode("ascii").strip())
            except (Unreadable, ValueError, OverflowError):
                return digest, ""
    except (Unreadable, OSError):
        return "", ""


def _put(folder: ClassFolder, student: str, assignment: str, data: bytes, moment: datetime) -> Path | None:
    """Store a notebook; return where the one that it replaces is kept now, or None if there was none.

    The new folder is made complete elsewhere and then moved to its place, whole.
    """
    place = folder.submitted(student, assignment)
    if place.parent.is_symlink():
        raise Unreadable(f"The folder submitted/{names.shown(student)} is a symbolic link.")
    place.parent.mkdir(parents=True, exist_ok=True)
    archive = folder.root / REPLACED_FOLDER
    archive.mkdir(exist_ok=True)
    draft = archive / f".draft-{secrets.token_hex(8)}"
    draft.mkdir()
    try:
        (draft / f"{assignment}.ipynb").write_bytes(data)
        stamp = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
        (draft / TIMESTAMP).write_text(stamp, encoding="ascii")
        if not os.path.lexists(place):
            os.rename(draft, place)
            return None
        kept = _free(archive / student / assignment)
        os.rename(place, kept)
        try:
            os.rename(draft, place)
        except OSError:
            os.rename(kept, place)
            raise
        return kept
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        with suppress(OSError):
            place.parent.rmdir()  # if nothing came of it


def _free(archive: Path) -> Path:
    """A new name in the archive of a student: the time of the replacement."""
    archive.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y-%m-%d %H%M%S")
    return next(
        p for n in range(1_000_000) if not os.path.lexists(p := archive / (f"{stamp} {n}" if n else stamp))
    )


def _surpassed(before: Collected, later: Collected) -> Collected:
    """An earlier hand-in of the same student, now that a later one has been collected."""
    if before.verdict not in (COLLECTED, REPLACED) or before.student != later.student:
        return before
    sentence = (
        f"A later one of the same student counts, {later.where}; this one is kept in {REPLACED_FOLDER}/."
    )
    return replace(before, verdict=OLDER, sentence=sentence)


def _compiled(pattern: str | None) -> re.Pattern | None:
    if pattern is None:
        return None
    try:
        made = re.compile(pattern)
    except re.error as error:
        raise CourseError(f"The pattern is no regular expression: {error}.") from error
    if "student" not in made.groupindex:
        raise CourseError(
            r"The pattern must have a group called student, for example `(?P<student>.+?)_\d+_.*`."
        )
    return made


def _expanded(paths: Sequence[str | Path]) -> list[Path]:
    """The paths; where a shell does not do it (Windows), `*.zip` becomes what it stands for."""
    found: list[Path] = []
    for path in paths:
        several = [] if os.path.lexists(path) else sorted(glob.glob(str(path)))
        found += [Path(p) for p in several or [path]]
    return found
