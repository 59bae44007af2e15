"""What came from outside as files: a notebook, a zip, a folder or one big zip full of them. Nothing is unpacked.

An `Entry` is one file somewhere, not read yet; a `HandIn` is the entries that make up one student's work. Whose work it is
is said by the file names that the teacher or his learning platform gave, never by what a student's own zip holds.
"""

import re
import stat
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from .careful import Unreadable, opened
from .intake import MOST_NOTEBOOKS, choose
from .names import printable, shown
from .notebook import LARGEST

LARGEST_ZIP = 100 * 2**20  # bytes of one student's zip
LARGEST_DIRECTORY = 2**20  # bytes of its table of contents: some 10,000 files
DEEPEST = 8  # folders in folders
_EPOCH = datetime(1980, 1, 1, tzinfo=UTC)  # where a time is missing or impossible


@dataclass(frozen=True)
class Entry:
    """One file: its way inside what was given, when it was stored, and how to read it (Unreadable if it cannot be).

    `trouble` says why it will not be read, where that is known already.
    """

    parts: tuple[str, ...]
    moment: datetime
    read: Callable[[int], bytes]
    trouble: str = ""

    @property
    def name(self) -> str:
        return self.parts[-1]

    def ends(self, ending: str) -> bool:
        return self.name.casefold().endswith(ending)


@dataclass(frozen=True)
class HandIn:
    """The files of one student that were handed in together. `where` says which, for a reader."""

    where: str
    student: str
    entries: tuple[Entry, ...]
    alone: bool = False  # given by itself, not inside a folder or a big zip

    @property
    def moment(self) -> datetime:
        """When it was handed in: the times inside a student's own zip are his to choose, they do not count."""
        return max(entry.moment for entry in self.entries)


def hand_ins(
    path: Path, assignment: str, pattern: re.Pattern | None, bundle: bool, stack: ExitStack
) -> Iterator[HandIn]:
    """Everything handed in at a path; Unreadable if there is nothing. Files stay open as long as the stack."""
    if path.is_dir():
        entries = list(_in_folder(path))
        if not entries:
            raise Unreadable("There is nothing in this folder.")
    elif not path.exists():
        raise Unreadable("There is no such file or folder.")
    elif bundle:
        try:
            stream = stack.enter_context(path.open("rb"))
        except OSError as error:
            raise Unreadable(f"The file cannot be read: {error.strerror}.") from None
        entries = list(_in_zip(stack.enter_context(_zip(stream)), strict=False))
    else:
        entry = _on_disk(path.parent, (path.name,))
        yield HandIn(printable(path), _student(entry.parts, assignment, pattern)[1], (entry,), alone=True)
        return
    together: dict[tuple, list[Entry]] = {}
    for number, entry in enumerate(entries):
        way, student = _student(entry.parts, assignment, pattern)
        inside = way != "/".join(entry.parts)  # the files of one folder belong together, others stand alone
        together.setdefault((way, student, None if inside else number), []).append(entry)
    for (way, student, _), found in together.items():
        yield HandIn(f"{printable(path)}: {shown(way)}", student, tuple(found))


def notebook_of(hand_in: HandIn, assignment: str) -> tuple[str, bytes]:
    """The name and the bytes of the one notebook in a hand-in; Unreadable, with the sentence, if there is none."""
    found = [entry for entry in hand_in.entries if entry.ends(".ipynb")]
    zips = [entry for entry in hand_in.entries if entry.ends(".zip")]
    if found:
        chosen, data = _choose(found, assignment)
        return chosen.name, data
    if len(zips) > 1:
        raise Unreadable(f"There are {len(zips)} zips and no notebook: hand in one.")
    if not zips:
        if trouble := next((entry.trouble for entry in hand_in.entries if entry.trouble), ""):
            raise Unreadable(trouble)
        raise Unreadable(f"{shown(hand_in.entries[0].name)} is neither a notebook (.ipynb) nor a zip.")
    with _zip(BytesIO(zips[0].read(LARGEST_ZIP)), LARGEST_DIRECTORY) as opened_zip:
        inside = list(_in_zip(opened_zip))
        found = [entry for entry in inside if entry.ends(".ipynb")]
        several = len(found) > 1 or any(entry.ends(".zip") for entry in inside)
        hint = " If it is the zip of the whole class, add --bundle." if hand_in.alone and several else ""
        if not found:
            raise Unreadable(f"There is no notebook in the zip.{hint}")
        try:
            chosen, data = _choose(found, assignment)
        except Unreadable as error:
            raise Unreadable(f"{error}{hint}") from None
    return chosen.name, data


def _student(parts: tuple[str, ...], assignment: str, pattern: re.Pattern | None) -> tuple[str, str]:
    """Which part of the way is one hand-in, and whose it is: the topmost folder or file, or what the pattern says.

    "" where the way does not tell.
    """
    way = "/".join(parts)
    if pattern is None:
        stem = parts[0] if len(parts) > 1 else parts[0].rpartition(".")[0] or parts[0]
        nobody = re.fullmatch(rf"{re.escape(assignment)}[\s_-]*(copy)?[\s_-]*\(?\d*\)?", stem, re.IGNORECASE)
        return parts[0], "" if nobody else stem
    if not (match := pattern.match(way)):
        return way, ""
    end = way.find("/", match.end())
    return way if end < 0 else way[:end], match["student"] or ""


def _choose(found: list[Entry], assignment: str) -> tuple[Entry, bytes]:
    """The one notebook that counts: the one with the right name nearest to the top, or the one of this assignment."""
    exact = [entry for entry in found if entry.name == f"{assignment}.ipynb"]
    top = min((len(entry.parts) for entry in exact), default=0)
    best = [entry for entry in exact if len(entry.parts) == top] or found
    if len(best) == 1 and (exact or len(found) == 1):
        return best[0], best[0].read(LARGEST)
    if len(best) > MOST_NOTEBOOKS:
        raise Unreadable(
            f"There are {len(best)} notebooks and none is called {assignment}.ipynb: hand in one."
        )
    read = [(entry, entry.read(LARGEST)) for entry in best]
    if exact and len({data for _, data in read}) == 1:  # the same file, stored more than once
        return read[0]
    if exact:
        raise Unreadable(
            f"There are {len(exact)} different notebooks called {assignment}.ipynb: hand in one."
        )
    named = {f"{number}": data for number, (_, data) in enumerate(read)}
    return read[int(choose(assignment, named))]


# Files on the disk


def _in_folder(folder: Path, below: tuple[str, ...] = ()) -> Iterator[Entry]:
    if len(below) > DEEPEST:
        yield _troubled(below, _EPOCH, "There are too many folders in folders.")
        return
    try:
        with opened(folder, *below) as here:
            listed = [(name, here.kind(name)) for name in here.names() if not _is_hidden((name,))]
    except Unreadable as error:
        if not below:
            raise
        yield _troubled(below, _EPOCH, str(error))  # the other folders can still be read
        return
    for name, kind in listed:
        if kind == "a folder":
            yield from _in_folder(folder, (*below, name))
        else:
            yield _on_disk(folder, (*below, name), kind)


def _on_disk(folder: Path, parts: tuple[str, ...], kind: str = "a file") -> Entry:
    def read(most: int) -> bytes:
        with opened(folder, *parts[:-1]) as here:
            return here.read(parts[-1], most).data

    try:
        moment = datetime.fromtimestamp(folder.joinpath(*parts).lstat().st_mtime, UTC)
    except (OSError, ValueError, OverflowError):
        moment = _EPOCH
    trouble = "" if kind == "a file" else f"{shown(parts[-1])} is {kind or 'gone'}, not a file."
    return _troubled(parts, moment, trouble) if trouble else Entry(parts, moment, read)


def _troubled(parts: tuple[str, ...], moment: datetime, trouble: str) -> Entry:
    def refuse(_: int) -> bytes:
        raise Unreadable(trouble)

    return Entry(parts, moment, refuse, trouble)


# Files in a zip


def _zip(stream: BinaryIO, largest_directory: int | None = None) -> zipfile.ZipFile:
    """A zip, opened; its table of contents, which is read at once, has been looked at before."""
    try:
        if largest_directory is not None and _directory(stream) > largest_directory:
            raise Unreadable("There are too many files in the zip.")
        return zipfile.ZipFile(stream)
    except Unreadable:
        raise
    except Exception:  # a damaged zip may raise almost anything
        raise Unreadable("The zip is damaged, or it is no zip.") from None


def _directory(stream: BinaryIO) -> int:
    """The size of the table of contents that a zip states at its end; without limit for the kind for over 4 GB."""
    stream.seek(0, 2)
    stream.seek(max(0, stream.tell() - 65_557 - 20))
    tail = stream.read()
    stream.seek(0)
    plain = tail[-22:]
    at = len(tail) - 22 if plain[:4] == b"PK\5\6" and plain[-2:] == b"\0\0" else tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        return 0  # no zip, as zipfile will say
    if tail[max(0, at - 20) : at].startswith(b"PK\6\7"):
        return 2**63
    return struct.unpack_from("<I", tail, at + 12)[0]


def _in_zip(archive: zipfile.ZipFile, strict: bool = True) -> Iterator[Entry]:
    """The files of a zip by their names; one that leads out of it cannot be read, or spoils all where that is strict."""
    for info in archive.infolist():
        parts, name = _parts(info), _filename(info)
        if name.endswith(("/", "\\")) or not parts:
            continue
        if ".." in parts or name[:1] in "/\\" or re.match("[A-Za-z]:", parts[0]):
            sentence = f"The zip names a file outside of itself, {shown(name)}: it was not read."
            if strict:
                raise Unreadable(sentence)
            yield _troubled((name,), _moment(info), sentence)
        elif not _is_hidden(parts):
            yield Entry(parts, _moment(info), partial(_unzipped, archive, info))


def _unzipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    name = shown(_parts(info)[-1])
    if stat.S_ISLNK(info.external_attr >> 16):
        raise Unreadable(f"{name} in the zip is a symbolic link, not a file.")
    if info.flag_bits & 0x1:
        raise Unreadable(f"{name} in the zip is encrypted: hand in a zip without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without a limit
        raise Unreadable(f"{name} in the zip is packed in an unusual way: zip it again with the usual one.")
    if info.file_size > most:
        raise Unreadable(f"{name} in the zip is larger than {most // 2**20} MB.")
    try:
        with archive.open(info) as stream:
            return stream.read(most)  # never more than it says that it has; where it has more, it is damaged
    except Exception:  # a damaged zip may raise almost anything
        raise Unreadable(f"{name} in the zip is damaged.") from None


def _filename(info: zipfile.ZipInfo) -> str:
    """The name of a file in a zip. Without a mark for UTF-8 it may be UTF-8 all the same; else it is cp437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError):
        return info.filename


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    """The way to a file; some programs on Windows write it with backslashes."""
    return tuple(part for part in _filename(info).replace("\\", "/").split("/") if part not in ("", "."))


def _moment(info: zipfile.ZipInfo) -> datetime:
    """When the file was stored: in UTC where the zip says so (its extra field 0x5455), else in the time of this place."""
    extra = info.extra
    try:
        while len(extra) >= 4:
            kind, size = struct.unpack_from("<HH", extra)
            if kind == 0x5455 and size >= 5 and len(extra) >= 9 and extra[4] & 1:
                return datetime.fromtimestamp(struct.unpack_from("<i", extra, 5)[0], UTC)
            extra = extra[4 + size :]
        return datetime(*info.date_time).astimezone(UTC)
    except (ValueError, OverflowError, OSError, struct.error):
        return _EPOCH


def _is_hidden(parts: Iterable[str]) -> bool:
    """What file managers and editors leave beside the files: nobody handed it in."""
    return any(part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini") for part in parts)
