"""What a run has earned: the trusted half of grading, which knows the seed and the references and never meets the code.

    hidden(folder, assignment) -> Hidden       once for a class: the inputs that nobody sees
    task(submission, hidden) -> Task           what the jail is told: calls to make
    judge(submission, run, hidden) -> Grade    what came back, against the properties

The points of a property are earned when all its cases came back and it holds in each. Every property is asked about on
its own, so that a call which never ends, or ends the kernel, costs no other property its points. The verdict of an exercise is the first of these that is true:

1. forbidden call: its function uses, itself or through helpers, what the exercise forbids. No points.
2. tampered: what came back is not an answer to what was asked. No points, for nothing that came back can be believed.
3. passed: every property holds.
4. timed out, out of memory, crashed: a case did not come back. Properties without such a case keep their points.
5. not started: nothing holds, and the function is missing or has its `...` still.
6. property failed.

What a student reads of it is made of our words alone. An error message, a returned text, the name of a type or of an
argument could carry a hidden input out, so none of them gets further than this module.
"""

import functools
import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

import vaecourse
from vaecourse.assignments.core import Assignment
from vaecourse.errors import CourseError
from vaecourse.exercises import core
from vaecourse.exercises.core import Case, Exercise, Outcome

from . import forbidden, reading, records
from .folder import ClassFolder
from .notebook import code_cells
from .records import Ask, AskRun, Grade, Run, Submission, Task, Verdict

ANSWERS = ("vaecourse.exercises", "vaecourse.assignments")  # forbidden in every exercise
CODE = (  # the parts of the package that a grade depends on
    *("exercises/**/*.py", "assignments/**/*.py", "classroom/**/*.py"),
    *("capstone.py", "creatures.py"),  # by which A5 measures
)
_WHY = {  # which trouble makes which verdict, the first of several
    records.LATE: records.TIMED_OUT,
    records.MEMORY: records.OUT_OF_MEMORY,
    records.CRASHED: records.CRASH,
    records.PROCESSES: records.CRASH,
    records.OUTPUT: records.CRASH,
}


@dataclass(frozen=True)
class Hidden:
    """An assignment with the inputs that it is graded on; `digest` names all that a grade depends on but the work."""

    assignment: Assignment
    cases: dict[str, tuple[tuple[Case, ...], ...]]  # by exercise, for each property
    asks: tuple[Ask, ...]
    places: dict[str, tuple[int, ...]]  # by exercise, for each property: which ask covers its cases
    sizes: dict[str, dict[str, tuple[int, ...]]]  # by exercise and case: how much the reference gives back
    modules: tuple[str, ...]  # what is forbidden and can be hidden from the jail
    digest: str


def hidden(folder: ClassFolder, assignment: Assignment) -> Hidden:
    """Draw the inputs of every exercise from the class's secret seed, the same for all students.

    The references must solve them: CourseError, naming the exercise, where one does not. (An exercise that asks for a
    value has nothing to draw, and its reference may be the work of minutes: it is not run.)
    """
    made, sizes, asks, places = {}, {}, [], {}
    for exercise in assignment.exercises:
        cases = tuple(tuple(group) for group in core.cases(exercise, folder.generator(exercise.name)))
        made[exercise.name], sizes[exercise.name] = cases, {}
        places[exercise.name] = tuple(_place(exercise, group, asks) for group in cases)
        if exercise.parameters:
            came = core.run_all(exercise.reference, cases, exercise.parameters, exercise.seconds)
            report = core.verdict(exercise, cases, came)
            if not report.solved:
                failed = (
                    report.first_failure.property.name if report.first_failure else "it is not written yet"
                )
                raise CourseError(
                    f"The solution of {exercise.name} in {folder.source(assignment.name)} does not solve its own "
                    f"exercise ({failed}): mend it before you grade."
                )
            sizes[exercise.name] = {
                repr(case): tuple(_size(output, 10**9) for output in outcome.outputs)
                for group, outcomes in zip(cases, came, strict=True)
                for case, outcome in zip(group, outcomes, strict=True)
            }
    forbids = dict.fromkeys((*ANSWERS, *assignment.forbids))
    modules = tuple(name for name in forbids if is_module(name))
    digest = _digest(folder, assignment, made)
    return Hidden(assignment, made, tuple(asks), places, sizes, modules, digest)


def key(submission: Submission, hidden: Hidden, jail: bool = True) -> str:
    """What a grade depends on, in one word: the bytes handed in, the assignment, the hidden inputs, the limits, and
    the code that asks and judges."""
    parts = (submission.assignment, submission.digest, submission.refusal, hidden.digest, str(jail))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def task(submission: Submission, hidden: Hidden, jail: bool = True) -> Task:
    """What the jail is told: the cells, and calls to make, property by property."""
    return Task(_code(submission), hidden.asks, hidden.assignment.limits, hidden.modules, jail)


def judge(submission: Submission, run: Run, hidden: Hidden) -> Grade:
    """The grade of a submission that ran. Nothing in `run` is trusted; no run makes this raise."""
    cells = _code(submission)
    stopped = {i for i in range(len(cells)) if i >= len(run.cells) or run.cells[i].trouble}
    verdicts = tuple(
        _verdict(exercise, hidden, run, cells, stopped) for exercise in hidden.assignment.exercises
    )
    return Grade(
        submission.student,
        submission.assignment,
        key(submission, hidden),
        verdicts,
        notes=submission.notes,
        seconds=run.seconds,
        cpu_seconds=run.cpu_seconds,
    )


def refused(submission: Submission, hidden: Hidden) -> Grade:
    """The grade of what cannot be run: no points, and the sentence that says why."""
    verdicts = tuple(
        Verdict(e.name, records.UNTOUCHED, 0, e.points, sentence="There was nothing to run.")
        for e in hidden.assignment.exercises
    )
    return Grade(
        submission.student,
        submission.assignment,
        key(submission, hidden),
        verdicts,
        refusal=submission.refusal,
        notes=submission.notes,
    )


@functools.cache
def is_module(name: str) -> bool:
    """Is this the full name of a module or package that is installed? Nothing is imported to find out."""
    root, *rest = name.split(".")
    spec = importlib.util.find_spec(root)
    for part in rest:
        places = spec.submodule_search_locations if spec else None
        root = f"{root}.{part}"
        spec = PathFinder.find_spec(root, places) if places is not None else None
    return spec is not None


def _verdict(
    exercise: Exercise, hidden: Hidden, run: Run, cells: Sequence[str], stopped: set[int]
) -> Verdict:
    function = _function(exercise)
    nothing = functools.partial(Verdict, exercise.name, points=0, of=exercise.points)
    if name := forbidden.uses(cells, function, (*exercise.forbids, *ANSWERS), stopped):
        return nothing(
            verdict=records.FORBIDDEN,
            sentence=f"{function} uses {name}, which already is the answer. Build it yourself here.",
        )
    places = hidden.places[exercise.name]
    came = {at: _came(at, exercise, hidden, run) for at in dict.fromkeys(places)}
    if any(outcomes is None for outcomes in came.values()):
        return nothing(
            verdict=records.TAMPER,
            sentence="What came back is no answer to what was asked: the notebook meddles with how it is asked.",
        )
    groups = hidden.cases[exercise.name]
    outcomes = [[came[at][repr(case)] for case in group] for at, group in zip(places, groups, strict=True)]
    report = core.verdict(exercise, groups, outcomes)
    results = report.results[: len(exercise.properties)]
    points = sum(r.property.points for r in results if r.passed)
    failed = next((r for r in results if not r.passed), None)
    troubles = {outcome.trouble for group in outcomes for outcome in group}
    verdict, sentence = _words(exercise, points, failed, troubles, hidden, cells, run)
    return Verdict(
        exercise.name,
        verdict,
        points,
        exercise.points,
        tuple((r.property.name, r.passed) for r in results),
        failed.property.name if failed else "",
        failed.property.hint if failed and failed.outcome.trouble in ("", "form", records.ERROR) else "",
        sentence,
    )


def _words(exercise, points, failed, troubles, hidden: Hidden, cells, run: Run) -> tuple[str, str]:
    """The verdict, and what happened in words that no submission can write."""
    function, limits = _function(exercise), hidden.assignment.limits
    if failed is None:
        return records.PASSED, "Every property holds."
    if records.MISSING in troubles:
        at = reading.defined(cells, function)
        own = [run.cells[i].trouble for i in at if i < len(run.cells)]
        if not any(own) and points == 0:
            return records.UNTOUCHED, f"There is no {function} when the notebook has run from top to bottom."
        troubles = set(own)
        if records.ERROR in troubles:
            return records.FAILED, f"The cell that defines {function} stopped with an error."
    why = next((t for t in _WHY if t in troubles), "")
    told = {
        records.LATE: f"A call was stopped: {exercise.seconds:g} seconds is the limit for one, and "
        f"{limits.seconds:g} for the whole notebook.",
        records.MEMORY: f"It was stopped when it needed more than {limits.memory / 2**30:g} GiB of memory.",
        records.CRASHED: "The kernel ended while it worked on an input.",
        records.PROCESSES: f"It was stopped when it started more than {limits.processes} processes or threads.",
        records.OUTPUT: "It was stopped when it printed or gave back more than may be kept.",
    }
    if why:
        rest = " What could be judged without it has kept its points." if points else ""
        return _WHY[why], told[why] + rest
    if points == 0 and reading.untouched(cells, function):
        return records.UNTOUCHED, "Not started: replace the `...` by your own lines."
    trouble = failed.outcome.trouble
    if trouble == "form":
        arguments = f" when called with {', '.join(exercise.parameters)}" if exercise.parameters else ""
        return records.FAILED, f"It does not give back {exercise.returns.name}{arguments}."
    if trouble:
        return records.FAILED, "On one of the inputs it stops with an error."
    return records.FAILED, "On one of the inputs this property does not hold."


def _place(exercise: Exercise, group: Sequence[Case], asks: list[Ask]) -> int:
    """Which ask covers these cases: one that was made before, or a new one."""
    cases = {repr(case): tuple(case) for case in group}
    for at, ask in enumerate(asks):
        if ask.exercise == exercise.name and cases.keys() <= set(map(repr, ask.cases)):
            return at
    function, parameters = _function(exercise), exercise.parameters
    asks.append(Ask(exercise.name, function, parameters, tuple(cases.values()), exercise.seconds))
    return len(asks) - 1


def _came(at: int, exercise: Exercise, hidden: Hidden, run: Run) -> dict[str, Outcome] | None:
    """The outcome of each case of an ask; None where that is no answer at all."""
    ask = hidden.asks[at]
    came = run.asks[at] if at < len(run.asks) else AskRun(exercise.name, trouble=records.CRASHED)
    if (
        came.trouble == records.TAMPERED
        or came.exercise != exercise.name
        or len(came.outcomes) > len(ask.cases)
    ):
        return None
    names, sizes = list(map(repr, ask.cases)), hidden.sizes[exercise.name]
    lost = dict.fromkeys(names, Outcome(trouble=came.trouble or records.CRASHED))
    there = zip(names, ask.cases, came.outcomes, strict=False)
    return lost | {name: _plain(outcome, case, sizes.get(name)) for name, case, outcome in there}


def _plain(outcome: Outcome, case: Case, sizes: tuple[int, ...] | None) -> Outcome:
    """An outcome without a word of the student's, and without anything that would take long to judge."""
    if outcome.trouble:
        known = outcome.trouble in (*records.TROUBLES, "form", "skipped")
        return Outcome(trouble=outcome.trouble if known else records.ERROR)
    if len(outcome.outputs) != len(case):
        return Outcome(trouble="form")
    most = [100 + 10 * size for size in sizes] if sizes else [10**7] * len(case)
    for output, at_most in zip(outcome.outputs, most, strict=True):
        if output is ... or _size(output, at_most) > at_most:
            return Outcome(trouble="form")
    return Outcome(outcome.outputs)


def _size(output, at_most: int) -> int:
    """How many lists, numbers and letters there are in a plain value; counting ends soon after `at_most`."""
    size, waiting = 0, [output]
    while waiting and size <= at_most:
        value = waiting.pop()
        size += 1
        if isinstance(value, list):
            size += max(0, len(value) - at_most)
            waiting += value if size <= at_most else ()
        elif isinstance(value, str):
            size += len(value)
        elif isinstance(value, int):
            size += value.bit_length() // 64
    return size


def _code(submission: Submission) -> tuple[str, ...]:
    return tuple(text for _, text in code_cells(submission.notebook))


def _function(exercise: Exercise) -> str:
    return exercise.name.split("/")[1]


def _digest(folder: ClassFolder, assignment: Assignment, made: dict) -> str:
    digest = hashlib.sha256(hashlib.sha256(b"key" + folder.secret()).digest())
    package = Path(vaecourse.__file__).parent
    for file in sorted(f for part in CODE for f in package.glob(part)):
        digest.update(f"{file.relative_to(package).as_posix()}\0".encode() + file.read_bytes())
    source = folder.source(assignment.name)
    digest.update(source.read_bytes() if source.is_file() else b"")
    digest.update(json.dumps(made).encode() + repr(assignment.limits).encode())
    return digest.hexdigest()
