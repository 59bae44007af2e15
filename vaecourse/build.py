"""`vaecourse build`: run lessons top to bottom, store them in one tidy form, hold them to the rules."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import CourseError
from .own_copy import lessons_folder
from .stored_form import complaints, is_bare_widget, is_progress, tidy

SILENT = 2.0  # seconds after which a cell should show a progress bar
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def run(notebooks: Sequence[Path], *, check_only: bool = False) -> int:
    """Build or check `notebooks` (if empty, every lesson and assignment), say what was done, return the exit status."""
    paths = [Path(path) for path in notebooks] or _all(lessons_folder())
    failures = 0
    for path in paths:
        notebook = read(path)
        started = time.perf_counter()
        if not check_only:
            _remember_visible(notebook, path)
            warnings = execute(notebook, path.resolve().parent)
            tidy(notebook)
            for warning in warnings:
                print(f"{path.name}: {warning}", file=sys.stderr)
        text = written(notebook)
        found = list(complaints(notebook, size=path.stat().st_size if check_only else len(text.encode())))
        failures += bool(found)
        for sentence in found:
            print(f"{path.name}: {sentence}", file=sys.stderr)
        if not found and not check_only:
            store(text, path)
        if not found:
            done = "as it should be" if check_only else f"built in {time.perf_counter() - started:.1f} s"
            print(f"{path.name}: {done}")
    return 1 if failures else 0


def _all(folder: Path) -> list[Path]:
    return [*sorted(folder.glob("*.ipynb")), *sorted(folder.glob("assignments/*.ipynb"))]


def _remember_visible(notebook, path: Path) -> None:
    """For an assignment: what its solutions give for the visible inputs, written where `check` looks it up."""
    if name := notebook.metadata.get("vaecourse", {}).get("assignment"):
        from . import assignments

        assignments.write_table(name, path)


def read(path: Path):
    """Return the notebook at `path`, each cell with an id of its own; raise CourseError if it is none."""
    import nbformat

    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["nbformat"] != 4:
            raise ValueError(f"its format is {raw['nbformat']}, not 4")
        raw["nbformat_minor"] = max(5, raw.get("nbformat_minor", 0))
        taken: set[str] = set()
        for cell in raw["cells"]:
            if not cell.get("id") or cell["id"] in taken:
                cell["id"] = _identity(cell, taken)
            taken.add(cell["id"])
        return nbformat.reads(json.dumps(raw), as_version=4)
    except OSError as error:
        raise CourseError(f"The notebook {path} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, nbformat.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise CourseError(f"The file {path} is not a notebook ({reason}): restore or repair it.") from error


def execute(notebook, folder: Path) -> list[str]:
    """Run every cell in a fresh kernel in `folder`; return warnings about silent cells and bare widgets.

    An error in a cell stays in its outputs, and nothing after it is run. Progress is empty, threads are fixed.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    begun: dict[int, float] = {}
    warnings = []

    def begin(cell, cell_index):
        begun[cell_index] = time.perf_counter()

    def end(cell, cell_index, execute_reply):
        seconds = time.perf_counter() - begun[cell_index]
        name = f"cell {cell_index + 1}"
        if seconds > SILENT and not any(is_progress(output) for output in cell.outputs):
            warnings.append(f"{name} is silent for {seconds:.1f} s: show a progress bar.")
        if any(is_bare_widget(output) for output in cell.outputs):
            warnings.append(
                f"{name} shows a widget without a picture, so a reader without it sees only text."
            )

    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=900,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=begin,
        on_cell_executed=end,
    )
    with _clean_environment():
        try:
            client.execute(stderr=subprocess.DEVNULL)
        except CellExecutionError:
            pass  # the output of type "error" is complained about
        except (CellTimeoutError, DeadKernelError) as error:
            raise CourseError(f"The kernel gave up: {str(error).splitlines()[0]}") from error
    return warnings


def written(notebook) -> str:
    """Return the text of the notebook as it is stored."""
    import nbformat

    return nbformat.writes(notebook).rstrip("\n") + "\n"


def store(text: str, path: Path) -> None:
    """Replace the file at `path` by `text`, whole or not at all."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".build-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(part, path.stat().st_mode)
        os.replace(part, path)
    except OSError as error:
        Path(part).unlink(missing_ok=True)
        raise CourseError(f"The notebook {path} cannot be written: {error.strerror}.") from error


def _identity(cell: dict, taken: set[str]) -> str:
    source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
    for attempt in range(len(taken) + 1):
        digest = hashlib.sha256(f"{cell['cell_type']} {attempt} {source}".encode()).hexdigest()[:8]
        if digest not in taken:
            return digest
    raise AssertionError("more ids are taken than there are")


@contextmanager
def _clean_environment():
    """No progress, no settings, fixed threads for the kernels started within."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="vaecourse-", ignore_cleanup_errors=True) as folder:
        os.environ.update({key: value for key, value in THREADS.items() if key not in before})
        for name in ("VAECOURSE_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR"):  # nothing of yours takes part
            os.environ[name] = os.path.join(folder, name.lower())
            os.mkdir(os.environ[name])
        os.environ.pop("MPLBACKEND", None)  # else the kernel would show no figure
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
