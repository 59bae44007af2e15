"""A new class: nbgrader's folder with its configuration, a secret seed, and the assignments' source notebooks.

Made again, it brings what is missing and what you left as it was; what you changed stays, and so does the secret.
"""

import glob
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from vaecourse.assignments import MODULES
from vaecourse.errors import CourseError
from vaecourse.home import writable

from . import journal
from .folder import CONFIG, DATABASE, SECRET, ClassFolder

DELIVERED = ".vaecourse.json"  # a fingerprint of each file as it was put there
FOLDERS = ("source", "release", "handout", "submitted", "autograded", "feedback", "grading")
README = """\
# {title}: a class of vaecourse

| here | what it is |
|---|---|
| `secret.txt` | the seed of the hidden inputs: keep a backup, show it to nobody |
| `source/` | the assignments with their solutions |
| `release/`, `handout/` | what students get: the notebook, and a zip of it (`vaecourse class release A1`) |
| `submitted/` | what they handed in: `submitted/STUDENT/A1/A1.ipynb` (`vaecourse class collect A1 FILES`) |
| `autograded/` | the graded notebooks (`vaecourse class grade A1`) |
| `grading/` | the journal of grading: what is done, so that it can be gone on with |
| `gradebook.db` | nbgrader's gradebook: all points and comments, those given by hand as well |
| `feedback/` | what each student may read (`vaecourse class feedback A1`) |
| `nbgrader_config.py` | nbgrader's settings |

Start JupyterLab **in this folder** (`jupyter lab`): *Nbgrader > Formgrader* is for what is graded by hand. Grade with
`vaecourse class grade`, never with `nbgrader autograde`: that one would run the students' code as you.
"""
NBGRADER = '''\
"""nbgrader's settings for this class. Run nbgrader, and JupyterLab with its formgrader, in this folder."""

from pathlib import Path

c = get_config()  # noqa: F821
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = {course!r}
c.ClearSolutions.code_stub = {{"python": "..."}}
# Grading runs students' code, and does it behind a wall: `vaecourse class grade`. nbgrader's own way says so, and stops.
c.Autograde.exporter_class = "vaecourse.classroom.no_autograde.NoAutograde"
'''


def init(
    root: Path | str, sources: Path | str | None = None, say: Callable[[str], None] = print
) -> ClassFolder:
    """Make the class folder `root`, or bring one up to date; `say` is told what was left alone.

    The source notebooks are those in the folder `sources`, or in the repository. CourseError if there are none, or if
    `root` is full of other things.
    """
    root = Path(root).expanduser().resolve()
    files = {CONFIG: NBGRADER.format(course=_course(root)), "README.md": README.format(title=root.name)}
    notebooks = {f"source/{name}/{name}.ipynb": path.read_bytes() for name, path in _sources(sources)}
    fresh = not root.is_dir() or not any(root.iterdir())
    if not fresh and not (root / SECRET).is_file() and not (root / DELIVERED).is_file():
        raise CourseError(f"The folder {root} is not empty, and is no class: name a new one for it.")
    writable(root, "name another folder for the class")
    if fresh:
        root.chmod(0o700)
    journal.replace(root / DELIVERED, _record(root, {}))  # from here on it is a class, though half made
    folder = _secret(root)
    for name in FOLDERS:
        (root / name).mkdir(exist_ok=True)
    delivered = {name: text.encode() for name, text in files.items()} | notebooks
    for sentence in _deliver(root, delivered):
        say(sentence)
    return folder


def _course(root: Path) -> str:
    if glob.has_magic(str(root)):
        raise CourseError(f"nbgrader cannot work in {root}: name a folder without *, ? and [ in its path.")
    return re.sub(r"[^\w.-]+", "-", root.name).strip("-.") or "course"


def _sources(sources: Path | str | None) -> list[tuple[str, Path]]:
    folder = Path(__file__).resolve().parents[2] / "notebooks" / "assignments"
    if sources is not None:
        folder = Path(sources).expanduser()
    found = [(name, folder / f"{name}.ipynb") for name in MODULES if (folder / f"{name}.ipynb").is_file()]
    if not found:
        where = "They are not part of the installed package" if sources is None else f"{folder} has none"
        raise CourseError(
            f"The source notebooks of the assignments are missing. {where}: run this from a clone of the course, or name "
            "the folder that holds A1.ipynb and the others, `--from FOLDER`."
        )
    return found


def _secret(root: Path) -> ClassFolder:
    """A secret for the class, unless it has one. A damaged one is somebody's to repair: the grades depend on it."""
    folder = ClassFolder(root)
    if (root / SECRET).exists():
        try:
            folder.secret()
        except CourseError as error:
            raise CourseError(
                f"The secret seed {root / SECRET} is damaged: bring it back from a backup, or delete it, and the next "
                "`vaecourse class init` makes a new one (grades may then change)."
            ) from error
    else:
        if (root / DATABASE).exists():
            raise CourseError(
                f"The secret seed {root / SECRET} is gone, though this class has grades: bring it back from a backup, or "
                f"put 64 random hexadecimal digits there, and grade everything again."
            )
        journal.replace(root / SECRET, secrets.token_hex(32).encode() + b"\n")
    return folder


def _deliver(root: Path, files: dict[str, bytes]) -> Iterator[str]:
    """Put the files in their places; one sentence for each that stays as it is although there is a newer one."""
    known = _known(root)
    for name, content in files.items():
        path, new = root / name, _fingerprint(content)
        there = _fingerprint(path.read_bytes()) if path.is_file() else None
        assignment = Path(name).stem
        if there == new:
            pass
        elif there is None or (there == known.get(name) and not (root / "release" / assignment).is_dir()):
            journal.replace(path, content)
            if there is not None:
                yield f"Updated, since you had not changed it: {name}."
        elif there == known.get(name):
            yield f"There is a new version of {name}, but {assignment} is released already, so it stays as it is."
            continue
        else:
            yield f"You have changed {name}, so it stays as it is."
            continue
        known[name] = new
        journal.replace(root / DELIVERED, _record(root, known))


def _known(root: Path) -> dict[str, str]:
    try:
        known = json.loads((root / DELIVERED).read_text(encoding="utf-8"))
        return {str(k): str(v) for k, v in known.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _record(root: Path, known: dict[str, str]) -> bytes:
    return json.dumps(known or _known(root), indent=1, sort_keys=True).encode() + b"\n"


def _fingerprint(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
