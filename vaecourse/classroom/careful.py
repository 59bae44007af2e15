"""Reading files that somebody else put there: no link is followed, nothing is waited for, no more is read than allowed.

Folders are opened one below the other, each by its handle, so that nothing can be exchanged on the way; where the
system has no such handles (Windows) each is looked at before it is used.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from .names import shown

MOST_ENTRIES = 10_000  # files in one folder
_HANDLES = {os.open, os.stat} <= os.supports_dir_fd and os.scandir in os.supports_fd
_LINKS = (0xA000000C, 0xA0000003)  # reparse tags on Windows: symbolic link, junction
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISREG, "a file"),
)


class Unreadable(Exception):
    """Something cannot be read, or is not what it should be; the message is one sentence without a path."""


@dataclass(frozen=True)
class File:
    """What a file held when it was read, once."""

    data: bytes
    links: int  # names that it has on the disk
    modified: float  # seconds since 1970


@dataclass(frozen=True)
class Folder:
    """An open folder."""

    path: Path
    handle: int | None

    def names(self) -> list[str]:
        """The names of all entries, sorted; Unreadable if there are too many."""
        with os.scandir(self.path if self.handle is None else self.handle) as entries:
            found = [entry.name for entry in islice(entries, MOST_ENTRIES + 1)]
        if len(found) > MOST_ENTRIES:
            raise Unreadable(f"There are more than {MOST_ENTRIES} files in the folder.")
        return sorted(found)

    def kind(self, name: str) -> str:
        """What the entry is, in words ("a file", "a symbolic link"); "" if there is none."""
        try:
            return _kind(self._look(name))
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def read(self, name: str, most: int) -> File:
        """The content of a plain file of at most `most` bytes; Unreadable for everything else."""
        try:
            before = self._look(name)
            if (kind := _kind(before)) != "a file":
                raise Unreadable(f"{shown(name)} is {kind}, not a file.")
            handle = self._open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            raise Unreadable(f"{shown(name)} is not there.") from None
        except PermissionError:
            raise Unreadable(f"{shown(name)} may not be read: its permissions forbid it.") from None
        with os.fdopen(handle, "rb", buffering=0) as stream:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or not os.path.samestat(before, status):
                raise Unreadable(f"{shown(name)} was exchanged while it was opened.")
            if status.st_size > most:
                raise Unreadable(
                    f"{shown(name)} has {_size(status.st_size)}; at most {_size(most)} are read."
                )
            data = _at_most(stream, status.st_size + 1)
            after = os.fstat(handle)
        if (len(data), after.st_size, after.st_mtime_ns) != (
            status.st_size,
            status.st_size,
            status.st_mtime_ns,
        ):
            raise Unreadable(f"{shown(name)} changed while it was read.")
        return File(data, status.st_nlink, status.st_mtime)

    def _look(self, name: str) -> os.stat_result:
        if self.handle is None:
            return os.lstat(self.path / name)
        return os.stat(name, dir_fd=self.handle, follow_symlinks=False)

    def _open(self, name: str, flags: int) -> int:
        # No link, no waiting for the other end of a pipe, no terminal; a child process does not inherit it.
        for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC"):
            flags |= getattr(os, flag, 0)
        if self.handle is None:
            return os.open(self.path / name, flags)
        return os.open(name, flags, dir_fd=self.handle)


@contextmanager
def opened(root: Path, *below: str) -> Iterator[Folder]:
    """The folder root/below/..., of which `root` is trusted and nothing below it. Unreadable where it is no folder."""
    here = Folder(Path(root), None)
    try:
        if _HANDLES:
            here = Folder(here.path, os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for name in below:
            here = _step(here, name)
        yield here
    finally:
        if here.handle is not None:
            os.close(here.handle)


def _step(here: Folder, name: str) -> Folder:
    """Go from an open folder into one of its folders, and close the first; where that fails it stays open."""
    kind = here.kind(name)
    if kind != "a folder":
        raise Unreadable(f"The folder {shown(name)} is {kind or 'not there'}{kind and ', not a folder'}.")
    if here.handle is None:
        return Folder(here.path / name, None)
    try:
        handle = here._open(name, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        raise Unreadable(f"The folder {shown(name)} may not be read: its permissions forbid it.") from None
    os.close(here.handle)
    return Folder(here.path / name, handle)


def _kind(status: os.stat_result) -> str:
    if getattr(status, "st_reparse_tag", 0) in _LINKS:
        return "a symbolic link"
    return next((words for test, words in _KINDS if test(status.st_mode)), "of an unknown kind")


def _at_most(stream, most: int) -> bytes:
    parts, left = [], most
    while left > 0 and (part := stream.read(min(left, 2**20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.1f} MB"
