"""Before you hand in: is this the notebook of an assignment, does it run, what do its checks say, is anything missing?

It needs neither the class nor the solutions: it runs on your machine what `check(...)` runs in your notebook, in a fresh
kernel and an empty folder, as grading will. Grading then uses other inputs.
"""

import ast
import io
import json
import re
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vaecourse import assignments
from vaecourse.assignments.core import Assignment
from vaecourse.errors import CourseError
from vaecourse.exercises import core
from vaecourse.exercises.answer import imports

from . import forbidden, journal, reading
from .careful import Unreadable, opened
from .grading import ANSWERS, is_module
from .names import printable, shown
from .notebook import LARGEST, about_metadata, checked, claimed, code_cells, parse

RESULT = "application/vnd.vaecourse.checks+json"
EMPTY = ("", "...", "YOUR ANSWER HERE")
_PROBE = "from vaecourse.classroom.validate import show_checks\nshow_checks({name!r}, globals())"
_QUESTION = re.compile(r"\*\*(Question \w{1,3})\.\*\*")  # as the questions call themselves


@dataclass(frozen=True)
class Check:
    """What the visible check of one exercise said."""

    function: str
    points: int
    of: int
    untouched: bool = False
    refusal: str = ""
    failed: str = ""  # the first property that did not hold


@dataclass(frozen=True)
class Validation:
    """What is wrong with a notebook, if anything: one sentence for each problem, the most important first."""

    path: Path
    assignment: str = ""
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()  # what is odd but does no harm
    checks: tuple[Check, ...] = ()  # none if it could not be run so far
    by_hand: int = 0  # points that a person gives
    data: bytes = b""  # the notebook as it was read; nothing if it would be refused

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def refused(self) -> bool:
        return not self.data

    def __str__(self):
        """The result in a sentence."""
        if self.refused:
            return "This cannot be handed in."
        right, of = sum(check.points for check in self.checks), sum(check.of for check in self.checks)
        solved = sum(check.points == check.of and not check.failed for check in self.checks)
        told = (
            f"{solved} of {len(self.checks)} checks pass, {right} of {of} points on the inputs that you see"
            if self.checks
            else "not checked"
        )
        hand = f"; {self.by_hand} points are given by a person" if self.by_hand else ""
        return f"{self.assignment}: {told}{hand}."


def validate(path: Path | str, progress: bool = True) -> Validation:
    """Look at a notebook, run it, and say what is wrong. Raises nothing for whatever the file is."""
    path = Path(path)
    try:
        data = _content(path)
        raw, remarks = parse(data)
        if not (name := claimed(raw)):
            raise Unreadable("This is not the notebook of an assignment.")
        notebook, notes = checked(raw, name)
    except Unreadable as error:
        return Validation(path, problems=(str(error),))
    asked = assignments.assignment(name)
    odd = about_metadata(raw, name)
    stopped, checks = _run(notebook, asked, progress)
    by_function = {check.function: check for check in checks}
    problems = (
        *_forbidden(notebook, asked, by_function),
        *_checked(by_function),
        *stopped,
        *(note for note in notes if note not in odd),
        *_not_started(notebook, asked, by_function),
        *_unanswered(notebook, asked),
    )
    by_hand = sum(written.points for written in asked.written)
    return Validation(path, name, problems, (*remarks, *odd), checks, by_hand, data)


def pack(validation: Validation) -> Path:
    """Write the zip to hand in, A1.zip beside the notebook; CourseError if it would be refused or cannot be written."""
    if validation.refused:
        raise CourseError("There is no zip: what is in it would be refused.")
    path, packed = validation.path.with_name(f"{validation.assignment}.zip"), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{validation.assignment}.ipynb", validation.data)
    try:
        journal.replace(path, packed.getvalue())
    except OSError as error:
        raise CourseError(f"The zip {path} cannot be written: {error.strerror}.") from error
    return path


def show_checks(name: str, names: Mapping) -> None:
    """In the kernel, after the notebook has run: what each check says, as an output of a kind of its own."""
    from IPython.display import display

    said = []
    for exercise in assignments.assignment(name).exercises:
        function = exercise.name.split("/")[1]
        report = core.grade(
            exercise, names.get(function, ...), np.random.default_rng(list(exercise.name.encode()))
        )
        failed = report.first_failure.property.name if report.first_failure else ""
        said.append((function, report.points, exercise.points, report.untouched, report.refusal, failed))
    display({RESULT: json.dumps(said)}, raw=True)


def _content(path: Path) -> bytes:
    if path.suffix.casefold() == ".zip":
        raise Unreadable("This is a zip: name the notebook that is in it.")
    try:
        path = path.resolve(strict=True)
        with opened(path.parent) as here:
            return here.read(path.name, LARGEST).data
    except FileNotFoundError:
        raise Unreadable(f"There is no file {shown(path)}.") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise Unreadable(f"The file {shown(path)} cannot be read ({type(error).__name__}).") from None


def _run(notebook: dict, asked: Assignment, progress: bool) -> tuple[list[str], tuple[Check, ...]]:
    """Run all cells in a fresh kernel and an empty folder: what stopped it, in sentences, and what the checks say."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from tqdm import tqdm

    made = nbformat.from_dict(notebook)
    numbers = [index for index, _ in code_cells(notebook)]
    begun, wrong, printed = time.monotonic(), [], 0
    with tempfile.TemporaryDirectory(prefix="vaecourse-", ignore_cleanup_errors=True) as folder:
        client = NotebookClient(
            made,
            kernel_name="python3",
            allow_errors=True,
            record_timing=False,
            store_widget_state=False,
            shutdown_kernel="immediate",
            resources={"metadata": {"path": folder}},
        )
        with (
            client.setup_kernel(stderr=subprocess.DEVNULL),
            tqdm(
                total=len(numbers) + 1, desc=asked.name, unit="cell", disable=None if progress else True
            ) as bar,
        ):
            try:
                for at in numbers:
                    left = asked.limits.seconds - (time.monotonic() - begun)
                    client.timeout = max(1, int(min(asked.limits.cell_seconds, left)))
                    ran = client.execute_cell(made.cells[at], at)
                    wrong += [(at, output) for output in ran.outputs if output.output_type == "error"][:1]
                    printed += len(json.dumps(ran.outputs))
                    bar.update()
                client.timeout = int(asked.limits.seconds)
                made.cells.append(nbformat.v4.new_code_cell(_PROBE.format(name=asked.name)))
                at = len(made.cells) - 1
                checks = _results(client.execute_cell(made.cells[at], at))
                bar.update()
            except CellTimeoutError:
                where = "The checks" if at >= len(notebook["cells"]) else _cell(notebook, at)
                return [
                    f"{where} did not end in {client.timeout} s; the notebook could not be run further."
                ], ()
            except DeadKernelError:
                where = "the checks" if at >= len(notebook["cells"]) else _cell(notebook, at)
                return [
                    f"The kernel ended in {where[0].lower()}{where[1:]}; the notebook could not be run further."
                ], ()
    return [*_errors(notebook, wrong), *_too_much(printed, asked)], checks


def _results(ran: Mapping) -> tuple[Check, ...]:
    for output in ran["outputs"]:
        if RESULT in output.get("data", {}):
            return tuple(Check(*said) for said in json.loads(output["data"][RESULT]))
    return ()


def _errors(notebook: dict, wrong: list) -> Iterator[str]:
    if not wrong:
        return
    at, output = wrong[0]
    said = printable(" ".join(f"{output.ename}: {output.evalue}".split())[:200].rstrip("."))
    others = len(wrong) - 1
    more = f" ({others} more cell{'s stop' if others > 1 else ' stops'}, too)" if others else ""
    yield f"{_cell(notebook, at)} stops with {said}{more}."


def _too_much(printed: int, asked: Assignment) -> Iterator[str]:
    if printed > asked.limits.output:
        yield f"It prints and draws {printed / 2**20:.1f} MB; grading keeps {asked.limits.output / 2**20:.0f} MB."


def _forbidden(notebook: dict, asked: Assignment, checks: Mapping[str, Check]) -> Iterator[str]:
    """What would be answered for you, and what graded work cannot import at all."""
    cells = code_cells(notebook)
    code = [source for _, source in cells]
    for exercise in asked.exercises:
        function = exercise.name.split("/")[1]
        if used := forbidden.uses(code, function, (*exercise.forbids, *ANSWERS)):
            yield f"{function} uses {used}, which already is the answer: build it yourself."
        elif function in checks and checks[function].refusal:
            yield f"{function}: {checks[function].refusal}"
    hidden = [name for name in (*asked.forbids, *ANSWERS) if is_module(name)]
    for at, source in cells:
        named = [
            full for node in ast.walk(reading.parsed(source) or ast.Module([], [])) for full in _imports(node)
        ]
        for name in hidden:
            if any(full == name or full.startswith(f"{name}.") for full in named):
                yield f"{_cell(notebook, at)} imports {name}, which is not available in graded work."


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    else:
        yield from (full for _, full in imports(node))


def _checked(checks: Mapping[str, Check]) -> Iterator[str]:
    for check in checks.values():
        if check.failed:
            yield f'{check.function}: {check.points} of {check.of} points, its check fails "{check.failed}".'


def _not_started(notebook: dict, asked: Assignment, checks: Mapping[str, Check]) -> Iterator[str]:
    code = [source for _, source in code_cells(notebook)]
    for exercise in asked.exercises:
        function = exercise.name.split("/")[1]
        if function in checks:
            begun = not checks[function].untouched
        else:
            begun = not reading.untouched(code, function)
        if not begun:
            yield f"{function} is not started: its `...` is still there, or there is no function of that name."


def _unanswered(notebook: dict, asked: Assignment) -> Iterator[str]:
    points, question = {written.name: written.points for written in asked.written}, ""
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if name in points and cell["source"].strip() in EMPTY and not cell.get("attachments"):
            yield f"The answer to {question or name} is still empty ({points[name]} points)."
        if found := _QUESTION.search(cell["source"]):
            question = found[1]


def _cell(notebook: dict, at: int) -> str:
    """A cell as its reader finds it: by its number and its first line."""
    first = notebook["cells"][at]["source"].strip().splitlines()[0]
    return f"Cell {at + 1} ({shown(first.replace(chr(34), chr(39)), 40)})"
