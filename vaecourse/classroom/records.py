"""What the parts of the classroom pass to each other: small frozen records of plain data, safe to pickle and to send."""

from dataclasses import dataclass, field

from vaecourse.assignments.core import Limits
from vaecourse.exercises.core import Case, Outcome

# Why something was stopped, or could not be judged. The first is no trouble at all.
FINE, ERROR, LATE, MEMORY, PROCESSES, OUTPUT, CRASHED, TAMPERED, MISSING = TROUBLES = (
    "",
    "error",  # the student's code raised an exception
    "late",  # beyond the limit of wall or processor time
    "memory",
    "processes",
    "output",  # printed, or answered with, more bytes than allowed
    "crashed",  # the kernel died
    "tampered",  # what came back is not what was asked for
    "missing",  # there is no such function
)

# The verdict on one exercise.
PASSED = "passed"
FAILED = "property failed"
TIMED_OUT = "timed out"
OUT_OF_MEMORY = "out of memory"
CRASH = "crashed"
TAMPER = "tampered"
FORBIDDEN = "forbidden call"
UNTOUCHED = "not started"  # the `...` still stands there, or the function is gone
VERDICTS = (PASSED, FAILED, TIMED_OUT, OUT_OF_MEMORY, CRASH, TAMPER, FORBIDDEN, UNTOUCHED)


@dataclass(frozen=True)
class Ask:
    """One exercise as the jail sees it: a name to look up in the student's kernel, and calls to make. No reference.

    `parameters` is empty where the exercise asks for a value: then the name may hold the value, or a function without
    parameters. `cases` are distinct.
    """

    exercise: str
    function: str
    parameters: tuple[str, ...]
    cases: tuple[Case, ...]
    seconds: float = 2.0  # of processor time for one call


@dataclass(frozen=True)
class Task:
    """All that a worker needs to run one submission, wherever it stands: no seed, no reference, no file names."""

    cells: tuple[str, ...]  # the code of the notebook, in its order
    asks: tuple[Ask, ...]
    limits: Limits = field(default_factory=Limits)
    hidden: tuple[str, ...] = ()  # modules that are not to be found in the jail, besides the solutions
    jail: bool = True


@dataclass(frozen=True)
class CellRun:
    """What one cell gave: nbformat outputs of plain kinds (text, PNG, errors), and why it was stopped, if it was."""

    outputs: tuple[dict, ...] = ()
    trouble: str = FINE


@dataclass(frozen=True)
class AskRun:
    """What came back for one Ask: an outcome for each of its cases, in order; or the trouble that ended it."""

    exercise: str
    outcomes: tuple[Outcome, ...] = ()
    trouble: str = FINE


@dataclass(frozen=True)
class Run:
    """What a submission did in the jail: one CellRun for each cell, one AskRun for each Ask; what it cost."""

    cells: tuple[CellRun, ...]
    asks: tuple[AskRun, ...]
    seconds: float = 0.0  # wall time
    cpu_seconds: float = 0.0  # processor time of the jailed processes
    restarts: int = 0


@dataclass(frozen=True)
class Submission:
    """One student's work, read with care. Where `refusal` says why it cannot be graded, `notebook` is None."""

    student: str
    assignment: str
    notebook: dict | None  # nbformat 4 JSON, checked
    digest: str  # of the bytes that were handed in
    refusal: str = ""  # one sentence
    notes: tuple[str, ...] = ()  # sentences for the teacher and the student: what was odd but could be read
    handed_in: str = ""  # ISO 8601 time, if known


@dataclass(frozen=True)
class Verdict:
    """How one exercise went: points of those it had, and where it failed the property with its authored hint."""

    exercise: str
    verdict: str
    points: int
    of: int
    properties: tuple[tuple[str, bool], ...] = ()  # name, held
    failed: str = ""  # the first property that did not hold
    hint: str = ""
    sentence: str = ""  # what happened, in words that no submission can write


@dataclass(frozen=True)
class Grade:
    """The marks of one submission. `key` names everything they depend on: the same key, the same grade."""

    student: str
    assignment: str
    key: str
    verdicts: tuple[Verdict, ...]
    refusal: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def points(self) -> int:
        return sum(v.points for v in self.verdicts)
