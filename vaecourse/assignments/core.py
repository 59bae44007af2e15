"""An assignment is a notebook with solutions, and the exercises that judge it.

The solutions stand in the notebook alone. On the teacher's side `solutions.from_notebook` reads the reference functions
out of it; on the student's side a table holds what they gave for the visible inputs (`visible/A1.json`), and nothing else.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vaecourse.exercises.cases import close
from vaecourse.exercises.core import Case, Exercise, cases
from vaecourse.exercises.kinds import plain

Solved = Mapping[str, Callable]  # a reference for each exercise, by the name of its function


@dataclass(frozen=True)
class Limits:
    """What one submission may use: seconds, bytes, counts. Every number is a hard end, none is a target."""

    seconds: float = 180.0  # wall time of a whole submission, restarts included
    cell_seconds: float = 20.0  # processor time of one cell (three times that by the clock)
    cpu_seconds: float = 120.0  # processor time of all processes of one kernel
    memory: int = (
        2 * 2**30
    )  # resident bytes of all processes together; also the largest address space, doubled
    processes: int = 64  # processes and threads
    scratch: int = 64 * 2**20  # bytes in the working folder, and as many in /tmp
    output: int = 2 * 2**20  # bytes of printed text and pictures in all cells together
    reply: int = 8 * 2**20  # bytes of one answer
    restarts: int = 12  # fresh kernels after a crash


@dataclass(frozen=True)
class Written:
    """A question that a person grades: its cell's name, its points, and what they are given for."""

    name: str
    points: int
    rubric: tuple[tuple[str, int], ...]  # what must be said, points

    def __post_init__(self):
        if sum(points for _, points in self.rubric) != self.points:
            raise ValueError(f"The rubric of {self.name} does not add up to its {self.points} points.")


@dataclass(frozen=True)
class Assignment:
    """What is asked, and what a submission of it may use."""

    name: str
    title: str
    exercises: tuple[Exercise, ...]
    written: tuple[Written, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def points(self) -> int:
        return sum(e.points for e in self.exercises) + sum(w.points for w in self.written)

    @property
    def forbids(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for e in self.exercises for name in e.forbids))


class Recalled:
    """A reference without its code: it knows what it gave for some inputs. LookupError for any other."""

    def __init__(self, parameters: Sequence[str], known: Sequence[tuple[Any, Any]]):
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(p, inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in parameters]
        )
        self._known = {_key(call): output for call, output in known}

    def __call__(self, *call):
        try:
            return self._known[_key(call)]
        except KeyError:
            raise LookupError("This input is not among the visible ones.") from None


def table(exercises: Sequence[Exercise]) -> dict:
    """The visible inputs of each exercise, property by property, and what its reference gives for them: plain data."""
    made = {}
    for exercise in exercises:
        groups = cases(exercise, visible_stream(exercise))
        calls = {_key(call): call for group in groups for case in group for call in case}
        made[exercise.name.split("/")[1]] = {
            "parameters": exercise.parameters,
            "cases": groups,
            "known": [
                (call, plain(exercise.reference(*call))) for call in calls.values() if exercise.parameters
            ],
        }
    return json.loads(json.dumps(made))


def disagreement(exercises: Sequence[Exercise], made: dict) -> str:
    """The first exercise whose reference gives another value for a visible input than the table `made`; "" if none."""
    for exercise in exercises:
        for call, known in made[exercise.name.split("/")[1]]["known"]:
            try:
                same = close(_flat(plain(exercise.reference(*call))), _flat(known), rel=1e-6, abs_=1e-9)
            except Exception:  # a reference that stops is no better than one that is wrong
                same = False
            if not same:
                return exercise.name
    return ""


def _flat(value) -> list:
    return [n for v in value for n in _flat(v)] if isinstance(value, list) else [value]


def visible(make: Callable[[Solved], tuple[Exercise, ...]], made: dict) -> tuple[Exercise, ...]:
    """The exercises as a student's installation knows them: judged on the visible inputs, without a reference."""
    known = {name: Recalled(entry["parameters"], entry["known"]) for name, entry in made.items()}
    return tuple(_fixed(e, made[e.name.split("/")[1]]["cases"]) for e in make(known))


def visible_stream(exercise: Exercise) -> np.random.Generator:
    return np.random.default_rng(list(exercise.name.encode()))


def table_file(name: str) -> Path:
    return Path(__file__).parent / "visible" / f"{name}.json"


def read_table(name: str) -> dict:
    return json.loads(table_file(name).read_text(encoding="utf-8"))


def _fixed(exercise: Exercise, groups: Sequence[Sequence[Case]]) -> Exercise:
    def always(group):
        made = [tuple(tuple(call) for call in case) for case in group]
        return lambda rng: made

    fixed = tuple(replace(p, cases=always(g)) for p, g in zip(exercise.properties, groups, strict=True))
    return replace(exercise, properties=fixed)


def _key(call: Sequence) -> str:
    return json.dumps(call)
