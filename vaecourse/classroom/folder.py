"""The class folder: nbgrader's layout, and beside it the secret seed and the journal of grading."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vaecourse.errors import CourseError

SECRET = "secret.txt"
CONFIG = "nbgrader_config.py"
DATABASE = "gradebook.db"


@dataclass(frozen=True)
class ClassFolder:
    """Where everything of one class lies; `root` is nbgrader's course root."""

    root: Path

    def source(self, assignment: str) -> Path:
        return self.root / "source" / assignment / f"{assignment}.ipynb"

    def release(self, assignment: str) -> Path:
        return self.root / "release" / assignment / f"{assignment}.ipynb"

    def released(self, assignment: str) -> Path:
        """A file with the digest of the source that was released last."""
        return self.root / "release" / f".{assignment}.sha256"

    def changed_since_release(self, assignment: str) -> bool:
        """Is the source another one than that from which the student version was made?"""
        try:
            return self.released(assignment).read_text(encoding="ascii") != self.digest(assignment)
        except FileNotFoundError:
            return False

    def digest(self, assignment: str) -> str:
        return hashlib.sha256(self.source(assignment).read_bytes()).hexdigest()

    def handout(self, assignment: str) -> Path:
        return self.root / "handout" / f"{assignment}.zip"

    def submitted(self, student: str, assignment: str) -> Path:
        return self.root / "submitted" / student / assignment

    def autograded(self, student: str, assignment: str) -> Path:
        return self.root / "autograded" / student / assignment

    def feedback(self, student: str, assignment: str) -> Path:
        return self.root / "feedback" / student / assignment

    def journal(self, assignment: str) -> Path:
        return self.root / "grading" / assignment

    @property
    def database(self) -> Path:
        return self.root / DATABASE

    def students(self, assignment: str) -> list[str]:
        """Who handed in, in the order of their names."""
        folder = self.root / "submitted"
        return (
            sorted(p.name for p in folder.iterdir() if (p / assignment).is_dir()) if folder.is_dir() else []
        )

    def secret(self) -> bytes:
        """The class's secret seed; CourseError if it is missing or damaged."""
        try:
            secret = bytes.fromhex((self.root / SECRET).read_text(encoding="ascii"))
            if len(secret) < 16:
                raise ValueError
            return secret
        except (OSError, ValueError) as error:
            raise CourseError(
                f"The secret seed of this class, {self.root / SECRET}, is missing or damaged: bring it back from a "
                "backup, or run `vaecourse class init` again, which makes a new one (grades may then change)."
            ) from error

    def generator(self, exercise: str) -> np.random.Generator:
        """The stream of hidden inputs of an exercise: the same for all students, known to nobody else."""
        digest = hashlib.sha256(self.secret() + exercise.encode()).digest()
        return np.random.default_rng(list(digest))


def find(start: Path | None = None) -> ClassFolder:
    """The class folder at `start` (default: here) or above it; CourseError if there is none."""
    here = Path(start or ".").resolve()
    for folder in (here, *here.parents):
        if (folder / SECRET).is_file() and (folder / CONFIG).is_file():
            return ClassFolder(folder)
    if (here / CONFIG).is_file():
        ClassFolder(here).secret()  # says what is missing
    raise CourseError(
        f"There is no class in {here}: make one with `vaecourse class init DIR`, or go to its folder."
    )
