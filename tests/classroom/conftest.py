"""What the tests of the classroom share: a class with a small assignment (tiny.py), and who cannot run here."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from vaecourse.classroom.folder import CONFIG, SECRET, ClassFolder

from . import tiny

TESTS = Path(__file__).resolve().parents[1]
SEED = "00112233445566778899aabbccddeeff"
NBGRADER = """\
c = get_config()
c.CourseDirectory.course_id = "tiny"
c.CourseDirectory.root = {root!r}
"""


def children() -> list[psutil.Process]:
    """The processes under this one; not those that Python itself keeps for earlier tests (multiprocessing's)."""
    own = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if not any(name in " ".join(child.cmdline()) for name in own)
    ]


def pytest_configure(config):
    config.addinivalue_line("markers", "cluster: starts a dask cluster of several processes on this machine")


@dataclass(frozen=True)
class TinyClass:
    """A class folder with T1 in source/ and release/, and a hand that puts submissions into it."""

    folder: ClassFolder

    @property
    def root(self) -> Path:
        return self.folder.root

    def hand_in(self, student: str, /, *, notebook: dict | bytes | None = None, **answers: str) -> Path:
        """Put a submission in its place: answers by cell name (see tiny.submission), a whole notebook, or bytes."""
        path = self.folder.submitted(student, tiny.NAME) / f"{tiny.NAME}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = notebook if notebook is not None else tiny.submission(**answers)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path


def make_class(root: Path) -> TinyClass:
    """A class folder with the assignment T1, made by hand at `root`."""
    made = ClassFolder(Path(root))
    for path, notebook in (
        (made.source(tiny.NAME), tiny.source()),
        (made.release(tiny.NAME), tiny.release()),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
    (made.root / SECRET).write_text(SEED + "\n", encoding="ascii")
    (made.root / CONFIG).write_text(NBGRADER.format(root=str(made.root)), encoding="utf-8")
    (made.root / "submitted").mkdir()
    return TinyClass(made)


@pytest.fixture
def tiny_assignment() -> Iterator[str]:
    """The name of the assignment T1, known to this process as A1 is."""
    tiny.register()
    yield tiny.NAME
    tiny.forget()


@pytest.fixture
def outside_home() -> Iterator[Path]:
    """An empty folder that is not below anybody's home, and that other users may read."""
    folder = Path(tempfile.mkdtemp(prefix="vaecourse-class-")).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tiny_class(tiny_assignment, outside_home) -> TinyClass:
    return make_class(outside_home / "class")


@pytest.fixture
def needs_jail() -> None:
    """Skip, with the reason, where submissions cannot be jailed."""
    from vaecourse.classroom import jail

    if why := jail.available():
        pytest.skip(why)


@pytest.fixture
def driver_environment() -> dict[str, str]:
    """For subprocesses of a test: `python -m classroom.something` finds the tests' own modules, and one thread each."""
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "default", "OMP_NUM_THREADS": "1"}
