"""The graded notebook: the released one, with the student's answers, what they printed, and our report on each check.

It lies where nbgrader expects it, autograded/STUDENT/A1/A1.ipynb, and nbgrader's formgrader and feedback show it. All in
it that a student wrote is harmless there (see `defuse`), and its metadata are those of the release alone.
"""

import copy
import hmac
import json
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from vaecourse.errors import CourseError

from . import defuse, journal
from .folder import ClassFolder
from .notebook import code_cells as with_code
from .records import (
    CRASHED,
    FINE,
    LATE,
    MEMORY,
    OUTPUT,
    PROCESSES,
    TAMPERED,
    UNTOUCHED,
    Grade,
    Run,
    Submission,
    Verdict,
)  # fmt: skip

TIMESTAMP, KEY = "timestamp.txt", "submission_secret.txt"  # nbgrader's, from the exchange
_KEY = re.compile(r"[\w+/=.-]{8,256}", re.ASCII)
_LARGEST = 1000  # bytes of such a file
_NOTES = "grading-notes"
LONGEST = 20_000  # characters of a text that are shown: to make a page of some texts takes the square of their length
EXTRA = 40_000  # of all texts together that answer nothing
STOPPED = {
    LATE: "This cell was stopped: it took too long.",
    MEMORY: "This cell was stopped: it needed too much memory.",
    PROCESSES: "This cell was stopped: it started too many processes.",
    OUTPUT: "This cell was stopped: it printed too much.",
    CRASHED: "This cell was stopped: it brought the kernel down.",
    TAMPERED: "This cell was stopped.",
}


def code_cells(notebook: Mapping) -> list[int]:
    """Where the code cells stand among the cells of a submitted notebook.

    This is the one rule by which a Task and a Run count: `Task.cells[i]`, and `Run.cells[i]`, belong to
    `notebook["cells"][code_cells(notebook)[i]]`.
    """
    return [at for at, _ in with_code(notebook)]


def report(verdict: Verdict) -> str:
    """What stands below a check: points, which properties held, and the hint of the first that did not."""
    lines = [f"{verdict.exercise}: {verdict.points} of {verdict.of} points, {verdict.verdict}"]
    if verdict.sentence:
        lines.append(verdict.sentence)
    for name, held in verdict.properties:
        lines.append(f"  {'✓' if held else '✗'} {name}")
        if name == verdict.failed and not held and verdict.hint and verdict.verdict != UNTOUCHED:
            lines.append(f"      Hint: {verdict.hint}")
    return "\n".join(lines)


def notebook(release: Mapping, submission: Submission, run: Run | None, grade: Grade) -> dict:
    """The released notebook's cells in their order, each with the student's text where an answer belongs.

    The first cell of a name is the answer; what a student added, put there twice, or wrote over a locked cell, follows
    below the cell after which it stood. A cell that is gone comes back as it was released.
    """
    given = submission.notebook["cells"] if submission.notebook else []
    shown = _shown(submission.notebook, run)
    place, notes = _places(release["cells"], given)
    verdicts = {f"check_{v.exercise.split('/')[-1]}": v for v in grade.verdicts}
    answered = {at: i for i, at in place.items()}
    cells, extra, room = [], 0, EXTRA
    follows = _extras(place, given)

    def own(at: int) -> dict:
        nonlocal extra, room
        extra += 1
        longest = min(LONGEST, room)
        if given[at]["cell_type"] != "code":
            room -= min(longest, len(_source(given[at])))
        made = _own(given[at], shown.get(at, []), longest)
        return {**made, "id": f"of-the-student-{extra}", "metadata": {}}

    cells += [own(at) for at in follows.get(-1, [])]
    for i, released in enumerate(release["cells"]):
        cell, name = _plain(released, i), _name(released)
        at = answered.get(i)
        if at is not None and not _locked(released):
            cell.update(_own(given[at], shown.get(at, [])))
        elif at is not None and cell["cell_type"] == "code":
            cell["outputs"] = shown.get(at, []) if _same(released, given[at]) else []
        if name in verdicts:
            said = {"text/plain": defuse.text(report(verdicts[name]))}
            cell["outputs"] = [{"output_type": "display_data", "data": said, "metadata": {}}]
        cells.append(cell)
        if at is not None and _locked(released) and not _same(released, given[at]):
            notes.append(
                f"The cell {name} was changed; it is as released again, and the changed one stands below it."
            )
            cells.append(own(at))
        cells += [own(at) for at in follows.get(i, [])]
    if said := _notes(grade, notes if submission.notebook else []):
        cells.insert(0, {"cell_type": "markdown", "id": _NOTES, "metadata": {}, "source": said})
    return {
        "cells": cells,
        "metadata": {k: copy.deepcopy(release["metadata"][k]) for k in _KEPT if k in release["metadata"]},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


_KEPT = ("kernelspec", "language_info", "vaecourse")


def write(folder: ClassFolder, submission: Submission, run: Run | None, grade: Grade) -> Path:
    """Put the graded notebook in its place, whole or not at all, with the two small files that nbgrader needs."""
    at = folder.release(grade.assignment)
    try:
        release = json.loads(at.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        name = grade.assignment
        raise CourseError(f"{name} is not released, or damaged: `vaecourse class release {name}`.") from error
    made = notebook(release, submission, run, grade)
    path = folder.autograded(defuse.name(submission.student), grade.assignment) / f"{grade.assignment}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, content in _small_files(folder, submission, grade.assignment).items():
        (path.parent / name).write_text(content, encoding="utf-8")
    journal.replace(path, (json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
    path.chmod(0o644)
    return path


def _small_files(folder: ClassFolder, submission: Submission, name: str) -> dict[str, str]:
    """nbgrader's time of handing in, and the key under which the exchange lays out the feedback.

    The key comes with what was handed in through the exchange. Whoever handed in otherwise gets one that nobody knows:
    without it nbgrader would release no feedback at all.
    """
    key = _read_small(folder.submitted(submission.student, name) / KEY)
    if not _KEY.fullmatch(key):
        said = f"feedback {submission.student} {name}".encode("utf-8", "surrogatepass")
        key = hmac.new(folder.secret(), said, "sha256").hexdigest()
    return {TIMESTAMP: submission.handed_in, KEY: key}


def _read_small(path: Path) -> str:
    """The text of a small ordinary file; "" for all else, links above all: the folder was filled by a student."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST or found.st_nlink > 1:
            return ""
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _places(released: Sequence[Mapping], given: Sequence[Mapping]) -> tuple[dict[int, int], list[str]]:
    """Which released cell each given one is, by its name, else by its id, else by its text; and what was odd."""
    place, free = {}, set(range(len(released)))
    for same in (_same_name, _same_id, _same):
        for at, cell in enumerate(given):
            if at not in place:
                i = next((i for i in sorted(free) if same(released[i], cell)), None)
                if i is not None:
                    place[at] = i
                    free.discard(i)
    notes = [
        f"The cell {_name(released[i])} is gone; it is shown as it was released."
        for i in sorted(free)
        if _name(released[i]) and not _locked(released[i])
    ]
    taken = {_name(released[i]) for i in place.values()} - {""}
    again = {_name(cell) for at, cell in enumerate(given) if at not in place} & taken
    notes += [
        f"There is more than one cell {n}; the first is the answer, the others stand below."
        for n in sorted(again)
    ]
    return place, notes


def _extras(place: Mapping[int, int], given: Sequence[Mapping]) -> dict[int, list[int]]:
    """The given cells that are none of the released, by the released cell after which they stood (-1: before all)."""
    follows: dict[int, list[int]] = {}
    last = -1
    for at in range(len(given)):
        if at in place:
            last = place[at]
        else:
            follows.setdefault(last, []).append(at)
    return follows


def _shown(submitted: Mapping | None, run: Run | None) -> dict[int, list[dict]]:
    """The harmless outputs of each code cell of the submitted notebook."""
    shown = {}
    for at, ran in zip(code_cells(submitted) if submitted else [], run.cells if run else (), strict=False):
        shown[at] = defuse.outputs(ran.outputs)
        if ran.trouble != FINE and ran.trouble in STOPPED:
            shown[at].append({"output_type": "stream", "name": "stderr", "text": STOPPED[ran.trouble] + "\n"})
    return shown


def _own(cell: Mapping, outputs: list[dict], longest: int = LONGEST) -> dict:
    """What is shown of a cell that a student wrote; a very long text is cut, and says so."""
    source = _source(cell)
    if cell["cell_type"] == "code":
        source = defuse.text(source)
        return {"cell_type": "code", "source": source, "outputs": outputs, "execution_count": None}
    if len(source) > longest:
        left = len(source) - longest
        source = f"{source[:longest]}\n\n(Cut here: {left} more characters stand in the submitted notebook.)"
    if cell["cell_type"] == "raw":
        return {"cell_type": "markdown", "source": defuse.raw(source)}
    source, attachments = defuse.illustrated(source, cell.get("attachments") or {})
    kept = {"attachments": attachments} if attachments else {}
    return {"cell_type": "markdown", "source": source, **kept}


def _plain(released: Mapping, i: int) -> dict:
    """A released cell without what it printed."""
    cell = copy.deepcopy(dict(released))
    cell["source"] = _source(released)
    cell.setdefault("id", f"released-{i}")
    if cell["cell_type"] == "code":
        cell.update(outputs=[], execution_count=None)
    return cell


def _notes(grade: Grade, notes: Sequence[str]) -> str:
    """What is to be said above everything else, as Markdown."""
    said = [f"**Not graded.** {grade.refusal}"] if grade.refusal else []
    said += [f"- {note}" for note in dict.fromkeys([*grade.notes, *notes])]
    return defuse.markdown("\n".join(["#### Notes of the grading", "", *said])) if said else ""


def _source(cell: Mapping) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def _about(cell: Mapping) -> Mapping:
    return (cell.get("metadata") or {}).get("nbgrader") or {}


def _name(cell: Mapping) -> str:
    return _about(cell).get("grade_id") or ""


def _locked(cell: Mapping) -> bool:
    about = _about(cell)
    return not about.get("solution") and bool(about.get("locked") or about.get("grade"))


def _same_name(released: Mapping, cell: Mapping) -> bool:
    return bool(_name(cell)) and _name(released) == _name(cell) and _alike(released, cell)


def _same_id(released: Mapping, cell: Mapping) -> bool:
    said = cell.get("id")
    return bool(said) and released.get("id") == said and not _name(cell) and _alike(released, cell)


def _same(released: Mapping, cell: Mapping) -> bool:
    return _alike(released, cell) and _source(released).strip() == _source(cell).strip()


def _alike(released: Mapping, cell: Mapping) -> bool:
    return released["cell_type"] == cell["cell_type"]
