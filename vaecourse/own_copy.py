"""The learner's own copy of the lessons: made the first time, brought up to date later, never overwritten.

What was delivered is remembered in `.vaecourse.json` beside the lessons: one fingerprint per file. A notebook
counts as changed as soon as its cells, their text or their *outputs* differ from what was delivered, so the
results of a long run are kept like a written answer; what JupyterLab notes down by itself does not count.
A changed notebook stays as it is, and the new lesson is put beside it as `NAME.new.ipynb`. To start a lesson
afresh, delete or rename your notebook: the next `vaecourse lab` brings the lesson back.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import __version__
from .errors import CourseError
from .home import writable

MANIFEST = ".vaecourse.json"
ASSIGNMENTS = "assignments"  # with their solutions: a teacher's, who hands them out himself
ADVICE = "name another one, `vaecourse lab DIR`"
# What a front end writes into a cell without being asked: no work of the learner's.
_UNASKED = {"execution", "ExecuteTime", "scrolled", "collapsed", "jupyter", "trusted"}


class Update(NamedTuple):
    """What `bring_up_to_date` did: names of files relative to the copy."""

    new: tuple[str, ...] = ()  # were not there
    updated: tuple[str, ...] = ()  # were as delivered, are the new lesson now
    beside: tuple[tuple[str, str], ...] = ()  # (yours, where the new lesson lies)
    first: bool = False  # nothing had been delivered here before
    record_damaged: bool = False

    def sentences(self) -> Iterator[str]:
        """One sentence for everything a learner should know; silence when nothing happened."""
        if self.record_damaged:
            yield f"The record {MANIFEST} could not be read, so every notebook that differs counts as yours."
        if self.new and not self.first:
            yield f"New in your copy: {', '.join(self.new)}."
        if self.updated:
            yield f"Updated, since you had not changed them: {', '.join(self.updated)}."
        for yours, lesson in self.beside:
            yield f"You have changed {yours}, so it stays as it is; the new version is beside it as {lesson}."


def lessons_folder() -> Path:
    """Return the lessons' folder: `notebooks/` in the repository, or inside the package."""
    package = Path(__file__).resolve().parent
    for folder in (package.parent / "notebooks", package / "notebooks"):
        if any(folder.glob("[0-9][0-9]_*.ipynb")):
            return folder
    raise CourseError(
        "The lessons are missing from this installation: install the course again from a complete copy, "
        "`pip install --force-reinstall --no-deps .` in its folder."
    )


def fingerprint(content: bytes) -> str:
    """Return a hash of what a learner can change in a file: the cells of a notebook, or every byte."""
    try:
        cells = json.loads(content)["cells"]
        kept = [
            [
                cell["cell_type"],
                _joined(cell["source"]),
                {key: value for key, value in cell.get("metadata", {}).items() if key not in _UNASKED},
                cell.get("attachments", {}),
                [_output(output) for output in cell.get("outputs", [])],
            ]
            for cell in cells
        ]
        content = json.dumps(kept, sort_keys=True).encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # no notebook, or a damaged one: it is compared byte by byte
    return hashlib.sha256(content).hexdigest()


def bring_up_to_date(source: Path, copy: Path) -> Update:
    """Deliver the lessons in `source` to `copy`, touch nothing that the learner changed, say what was done.

    Raises CourseError when `copy` cannot be written; what was there before is there still.
    """
    writable(copy, ADVICE)
    if copy.resolve() == source.resolve():
        return Update()  # somebody works on the lessons themselves
    try:
        return _deliver(source, copy)
    except OSError as error:
        raise CourseError(
            f"The lessons could not be written to {copy} ({error.strerror or error}); "
            f"your files there are as they were: make room there, or {ADVICE}."
        ) from error


def _deliver(source: Path, copy: Path) -> Update:
    first = not (copy / MANIFEST).exists()
    record, damaged = _read_record(copy / MANIFEST)
    offered, written = record["offered"], record["written"]  # last version offered; what we wrote where
    new, updated, beside = [], [], []
    for file in _files(source):
        name = file.relative_to(source).as_posix()
        content, yours = file.read_bytes(), copy / name
        lesson = fingerprint(content)
        if not yours.exists():
            _put(content, yours)
            new.append(name)
            written[name] = lesson
        elif (found := fingerprint(yours.read_bytes())) == lesson:
            written[name] = lesson
        elif found == written.get(name):
            _put(content, yours)
            updated.append(name)
            written[name] = lesson
        elif offered.get(name) != lesson:
            place = _place_beside(yours, lesson, copy, written)
            _put(content, place)
            beside.append((name, place.relative_to(copy).as_posix()))
            written[beside[-1][1]] = lesson
        offered[name] = lesson
    _put(json.dumps({"version": __version__, **record}, indent=1, sort_keys=True).encode(), copy / MANIFEST)
    return Update(tuple(new), tuple(updated), tuple(beside), first, damaged)


def _place_beside(yours: Path, lesson: str, copy: Path, written: dict[str, str]) -> Path:
    """Return the first of NAME.new.ipynb, NAME.new2.ipynb, … that is free, or ours and untouched since."""
    for count in range(1, 1_000):
        place = yours.with_name(f"{yours.stem}.new{count if count > 1 else ''}{yours.suffix}")
        if not place.exists():
            return place
        if fingerprint(place.read_bytes()) in (lesson, written.get(place.relative_to(copy).as_posix())):
            return place
    raise CourseError(f"There are too many new versions beside {yours}: delete those that you do not need.")


def _files(source: Path) -> list[Path]:
    def ours(path: Path) -> bool:
        parts = path.relative_to(source).parts
        hidden = any(part.startswith((".", "__")) for part in parts)
        return path.is_file() and not hidden and parts[0] != ASSIGNMENTS

    return sorted(path for path in source.rglob("*") if ours(path))


def _read_record(path: Path) -> tuple[dict[str, dict[str, str]], bool]:
    empty: dict[str, dict[str, str]] = {"offered": {}, "written": {}}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {key: {str(name): str(value) for name, value in record[key].items()} for key in empty}, False
    except FileNotFoundError:
        return empty, False
    except (ValueError, KeyError, TypeError, AttributeError):
        return empty, True


def _put(content: bytes, path: Path) -> None:
    """Write `content` to `path` whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".vaecourse-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(part, 0o644)
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def _output(output: dict) -> dict:
    return {key: _joined(value) for key, value in output.items() if key != "execution_count"}


def _joined(value):
    """Return `value` with every list of lines as one text: notebooks are written either way."""
    if isinstance(value, dict):
        return {key: _joined(inner) for key, inner in value.items()}
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value
