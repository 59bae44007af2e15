"""An exercise is data; grading it is three pure steps: make the cases, run the answer, judge what came back.

Only `run` needs the student's function. The cases are plain data (numbers and lists) and so is what comes back,
so `run` may stand in another process, behind a wall: `cases` and `verdict` stay on the trusted side, with `holds`
and the reference. In a lesson `grade` does all three in place.
"""

import contextlib
import inspect
import io
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import answer as student
from .kinds import NUMBER, Kind, NotPlain, Unfit, describe, plain

Call = tuple  # the arguments of one call: numbers and (nested) lists of numbers
Case = tuple[Call, ...]  # one or more calls whose outputs are judged together


@dataclass(frozen=True)
class Property:
    """One thing that a right answer has. `holds(case, outputs)` sees the calls of a case and the output of each.

    `told(case, outputs)`, where there is one, says what was found instead: a sentence that goes on after "your answer".
    """

    name: str
    hint: str
    cases: Callable[[np.random.Generator], Sequence[Case]]
    holds: Callable[[Case, list], bool]
    points: int = 1
    told: Callable[[Case, list], str] | None = None


@dataclass(frozen=True)
class Exercise:
    """A task with a reference that solves it. A reference without parameters asks for a value, not a function.

    `returns` is what an answer gives back; `forbids` lists full names (a module's forbids all that is in it);
    `seconds` is how long one call may take.
    """

    name: str
    title: str
    statement: str
    reference: Callable
    properties: tuple[Property, ...]
    returns: Kind = NUMBER
    forbids: tuple[str, ...] = ()
    stretch: bool = False
    seconds: float = 2.0

    @property
    def lesson(self) -> str:
        return self.name.split("/")[0]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.reference).parameters)

    @property
    def points(self) -> int:
        return sum(p.points for p in self.properties)


UNCHANGED = Property(
    "leaves its arguments as they were",
    "Work on a copy (`p = p.copy()`) or build a new array: whoever calls your function still needs the old "
    "one.",
    cases=lambda rng: (),
    holds=lambda case, outputs: True,
    points=0,  # asked for, but outside the student's process it could not be seen
)


@dataclass(frozen=True)
class Outcome:
    """What one case gave: an output for each call, or the trouble that ended it.

    "error": an exception of its own; "form": cannot be called so, or gives nothing to compare; "late"; "skipped".
    """

    outputs: tuple = ()
    trouble: str = ""
    sentence: str = ""
    changed: str = ""  # the name of an argument that the function wrote into


@dataclass(frozen=True)
class Result:
    """How one property went; `case` and `outcome` are the counterexample where it did not hold."""

    property: Property
    passed: bool
    case: Case = ()
    outcome: Outcome = Outcome()
    sentence: str = ""


@dataclass(frozen=True)
class Report:
    """The results of an exercise, property by property; none if it is untouched, or refused for a stated reason."""

    exercise: Exercise
    results: tuple[Result, ...] = ()
    untouched: bool = False
    refusal: str = ""

    @property
    def points(self) -> int:
        return sum(r.property.points for r in self.results if r.passed)

    @property
    def solved(self) -> bool:
        return bool(self.results) and all(r.passed for r in self.results)

    @property
    def first_failure(self) -> Result | None:
        return next((r for r in self.results if not r.passed), None)


def grade(exercise: Exercise, answer: Any, rng: np.random.Generator) -> Report:
    """Judge an answer in place: a function, or the value itself where the exercise asks for one."""
    if student.untouched(answer):
        return Report(exercise, untouched=True)
    if not callable(answer):
        if exercise.parameters:
            name = exercise.name.split("/")[1]
            return Report(
                exercise, refusal=f"check needs the function itself, without parentheses or quotes: {name}."
            )
        value = answer
        answer = lambda: value  # noqa: E731
    if used := student.forbidden(answer, (*exercise.forbids, "vaecourse.exercises")):
        return Report(
            exercise,
            refusal=f"Your function uses {used}, which already is the answer. Build it yourself here.",
        )
    made = cases(exercise, rng)
    return verdict(exercise, made, run_all(answer, made, exercise.parameters, exercise.seconds))


def cases(exercise: Exercise, rng: np.random.Generator) -> list[tuple[Case, ...]]:
    """The cases of every property, each from a random stream of its own: a new property does not move the others."""
    streams = rng.spawn(len(exercise.properties))
    return [tuple(p.cases(stream)) for p, stream in zip(exercise.properties, streams, strict=True)]


def run_all(
    function: Callable, made: Iterable[Iterable[Case]], parameters=(), seconds: float = 2.0
) -> list[list[Outcome]]:
    """Run every case, a repeated one once; after a call that was late the rest is skipped instead of waited for."""
    known: dict[str, Outcome] = {}
    skipped = Outcome(trouble="skipped")

    def outcome(case: Case) -> Outcome:
        if repr(case) not in known:
            late = any(o.trouble == "late" for o in known.values())
            known[repr(case)] = skipped if late else run(function, case, parameters, seconds)
        return known[repr(case)]

    return [[outcome(case) for case in group] for group in made]


def run(function: Callable, case: Case, parameters: Sequence[str] = (), seconds: float = 2.0) -> Outcome:
    """Call the function once for each call of the case; lists arrive as fresh float64 arrays. Raises nothing.

    Warnings and prints of the function are kept quiet. A call ends after `seconds` on Linux and macOS, in the main
    thread; elsewhere (Windows has no such alarm) an endless loop waits for the stop button.
    """
    outputs, changed = [], ""
    for call in case:
        given = [np.array(a, dtype=float) if isinstance(a, list | tuple) else a for a in call]
        try:
            student.fits(function, call, parameters)
            with _quiet(), student.at_most(seconds):
                output = function(*given)
            outputs.append(plain(output))
        except student.TooLong:
            sentence = f"was still running after {seconds:g} seconds. Is there a loop that never ends?"
            return Outcome(tuple(outputs), "late", sentence, changed)
        except student.Mismatch as error:
            return Outcome(tuple(outputs), "form", str(error), changed)
        except NotPlain as error:
            return Outcome(tuple(outputs), "form", f"returned {error}", changed)
        except (Exception, SystemExit) as error:
            return Outcome(tuple(outputs), "error", student.stopped(function, error), changed)
        for index, (name, before, after) in enumerate(
            zip(_names(parameters, call), call, given, strict=True)
        ):
            if isinstance(call[index], list | tuple) and not _same(before, after):
                changed = changed or name
    return Outcome(tuple(outputs), changed=changed)


def verdict(
    exercise: Exercise, made: Sequence[Sequence[Case]], outcomes: Sequence[Sequence[Outcome]]
) -> Report:
    """Judge outcomes against the properties. The outcomes may come from anywhere: they are not trusted."""
    if any(output is ... for came in outcomes for outcome in came for output in outcome.outputs):
        return Report(exercise, untouched=True)
    results = [
        _judge(exercise, p, group, came)
        for p, group, came in zip(exercise.properties, made, outcomes, strict=True)
    ]
    every = [
        (case, outcome)
        for group, came in zip(made, outcomes, strict=True)
        for case, outcome in zip(group, came, strict=True)
    ]
    if any(isinstance(a, list | tuple) for case, _ in every for call in case for a in call):
        touched = next(((case, outcome) for case, outcome in every if outcome.changed), None)
        if touched:
            case, outcome = touched
            results.append(
                Result(UNCHANGED, False, case, outcome, f"changed its argument {outcome.changed}.")
            )
        else:
            results.append(Result(UNCHANGED, True))
    return Report(exercise, tuple(results))


def _judge(exercise: Exercise, p: Property, group: Sequence[Case], came: Sequence[Outcome]) -> Result:
    for case, outcome in zip(group, came, strict=True):
        if outcome.trouble:
            return Result(p, False, case, outcome, outcome.sentence)
        try:
            outputs = [exercise.returns.read(output) for output in outcome.outputs]
        except Exception as error:
            at = next(i for i, o in enumerate(outcome.outputs) if not exercise.returns.fits(o))
            wrong, outcome = (
                outcome.outputs[at],
                replace(outcome, trouble="form", outputs=outcome.outputs[:at]),
            )
            missing = " Does it end with `return`?" if wrong is None else ""
            expected = f"{describe(wrong)}, where {exercise.returns.name} is expected.{missing}"
            sentence = f"returned {error if isinstance(error, Unfit) else expected}"
            return Result(p, False, case, outcome, sentence)
        if not _holds(p, case, outputs):
            return Result(p, False, case, outcome, _told(p, case, outputs))
    return Result(p, True)


def _holds(p: Property, case: Case, outputs: list) -> bool:
    """Whether it holds; an output so odd that the question itself fails does not have the property."""
    try:
        with np.errstate(all="ignore"):  # an answer may be infinite: that is judged, not warned about
            return len(outputs) == len(case) and bool(p.holds(case, outputs))
    except Exception:
        return False


def _told(p: Property, case: Case, outputs: list) -> str:
    try:
        return p.told(case, outputs) if p.told else ""
    except Exception:
        return ""


def _names(parameters: Sequence[str], call: Call) -> Sequence[str]:
    return parameters if len(parameters) == len(call) else [f"argument {i + 1}" for i in range(len(call))]


def _same(before, after) -> bool:
    before = np.asarray(before, dtype=float)
    return (
        isinstance(after, np.ndarray)
        and before.shape == after.shape
        and np.array_equal(before, after, equal_nan=True)
    )


@contextlib.contextmanager
def _quiet():
    with (
        np.errstate(all="ignore"),
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield
