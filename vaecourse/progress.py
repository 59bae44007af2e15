"""What you have done so far, kept on your machine: one small JSON file for each exercise and each prediction.

One file each, written beside its place and then moved into it: two notebooks that are open at the same time never
write over each other, and a crash leaves the old file. A damaged file is set aside under another name. Where nothing
can be written, the lesson goes on and remembers until the kernel stops.
"""

import functools
import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from .errors import CourseError
from .home import home

KINDS = ("exercise", "prediction")
_NAME = re.compile(r"(\d\d|A\d)/(\w+)")
_unwritten: dict[tuple[str, str], dict] = {}  # what found no place on the disk


class LessonProgress(NamedTuple):
    """How far you are in one lesson: solved of exercises, committed of predictions."""

    lesson: str
    title: str
    solved: int
    exercises: int
    committed: int
    predictions: int


def record(kind: str, name: str, **facts) -> dict:
    """Keep facts (plain data) about the "exercise" or "prediction" of that name; return what is kept.

    The better result of an exercise stays (`points`, `solved`), and so does the first `choice` of a prediction.
    """
    kept = _better(kind, recall(kind, name), facts)
    try:
        _write(_file(kind, name), {"kind": kind, "name": name, **kept})
        _unwritten.pop((kind, name), None)
    except (OSError, CourseError) as error:
        _unwritten[kind, name] = kept
        _say(
            f"Your progress cannot be saved: {error} The lesson works as usual, and remembers until you "
            "close it."
        )
    return kept


def recall(kind: str, name: str) -> dict | None:
    """The facts kept about an exercise or a prediction, or None."""
    if (kind, name) in _unwritten:
        return _unwritten[kind, name]
    file = _file(kind, name, create=False)
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(facts, dict) or facts.get("name") != name:
            raise ValueError
        return {key: value for key, value in facts.items() if key not in ("kind", "name")}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        _say(f"Your progress cannot be read: {error}")
    except ValueError:  # also what json raises
        _set_aside(file)
    return None


def summary() -> tuple[LessonProgress, ...]:
    """One record for each lesson that has exercises or predictions, in order."""
    from . import exercises, predictions

    rows = []
    for lesson in sorted({*exercises.MODULES, *(p.name[:2] for p in predictions.PREDICTIONS)}):
        asked = [e.name for e in exercises.of_lesson(lesson)] if lesson in exercises.MODULES else []
        guessed = [p for p in predictions.PREDICTIONS if p.lesson == lesson]
        solved = sum(bool((recall("exercise", name) or {}).get("solved")) for name in asked)
        committed = sum((recall("prediction", p.name) or {}).get("choice") in p.choices for p in guessed)
        rows.append(LessonProgress(lesson, TITLES[lesson], solved, len(asked), committed, len(guessed)))
    return tuple(rows)


TITLES = {
    "00": "Start here",
    "01": "KL divergence",
    "02": "Gaussian mixture and EM",
    "03": "Frequentist and Bayesian",
    "04": "Variational inference and the ELBO",
    "05": "Mean field and coordinate ascent",
    "06": "Encoder-decoder",
    "07": "Autoencoder",
    "08": "Reparameterization",
    "09": "The VAE",
    "10": "The latent space",
    "11": "Beyond the VAE",
}


def _better(kind: str, old: dict | None, new: dict) -> dict:
    if old is None:
        return new
    if kind == "prediction":  # the first answer counts, as long as the question still offers it
        return old if old.get("choice") in new.get("of", [old.get("choice")]) else new
    return max(new, old, key=lambda facts: (facts.get("solved", False), facts.get("points", 0)))


def _file(kind: str, name: str, create: bool = True) -> Path:
    match = _NAME.fullmatch(name)
    if kind not in KINDS or not match:
        raise ValueError(
            f"Progress is kept about {' or '.join(KINDS)} and a name such as '01/discrete_kl', not {kind!r} "
            f"{name!r}."
        )
    folder = home(create=create) / "progress"
    if create:
        folder.mkdir(exist_ok=True)
    return folder / f"{match[1]}.{kind}.{match[2]}.json"


def _write(file: Path, facts: dict) -> None:
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".draft")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(facts, stream, ensure_ascii=False, indent=1)
        _replace(Path(draft), file)
    except OSError:
        Path(draft).unlink(missing_ok=True)
        raise


def _replace(draft: Path, file: Path) -> None:
    for patience in (0.01, 0.05, 0.2, 0):  # on Windows a file that somebody reads just now cannot be replaced
        try:
            return os.replace(draft, file)
        except PermissionError:
            if not patience:
                raise
            time.sleep(patience)


def _set_aside(file: Path) -> None:
    place = next(p for n in range(1000) if not (p := file.with_suffix(f".damaged{n or ''}")).exists())
    try:
        os.replace(file, place)
        _say(
            f"The file {file.name} was damaged. It now is {place.name} in {file.parent}; only this one "
            "entry starts afresh."
        )
    except OSError as error:
        _say(f"The file {file} is damaged and cannot be moved aside: {error}")


@functools.cache
def _say(sentence: str) -> None:
    """Print a sentence, once."""
    print(sentence)
