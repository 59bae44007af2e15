"""Grade what a class handed in: many submissions at a time, each behind its wall, judged and written down by one process.

Of each submission the autograded notebook is written first, then the gradebook, then the journal. Whatever stops the
work in between, a submission without its journal entry is graded again, with the same result.
"""

import contextlib
import functools
import hashlib
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from vaecourse.assignments import MODULES, trusted
from vaecourse.errors import CourseError

from . import autograded, defuse, executors, gradebook, grading, intake, journal, kernel
from .folder import ClassFolder
from .records import Grade, Run, Submission, Task
from .report import BatchReport, Change, changes

ERRORS = "errors.txt"  # beside the journal: what went wrong in the course's own code, for a report of it
CHANGES = "changes.txt"  # beside the journal: every mark that a later run changed, with the time
UNJAILED = (
    "There is no jail: the submissions run as you, and may read and change all that you can, this class's secret seed "
    "and gradebook included."
)
AGAIN = "could not be graded: try again"


def grade(
    folder: ClassFolder,
    name: str,
    jobs: int | None = None,
    executor: Executor | None = None,
    scheduler: str | None = None,
    *,
    jail: bool = True,
    students: Sequence[str] | None = None,
    again: bool = False,
    progress: bool = True,
) -> BatchReport:
    """Grade assignment `name` for the students who handed in (or those named), and say how it went.

    `jobs` submissions run at a time (default: one for each processor); on `executor`, any of the `concurrent.futures`
    kind, or on the dask cluster whose `scheduler` is at that address. What is graded already and would come out the
    same is not run again, except with `again`. Ctrl-C stops in an orderly way: the report says what is left.
    CourseError where grading cannot begin: no such assignment, nobody handed in, another process grades it, no jail.
    """
    started = time.monotonic()
    if executor is not None and scheduler is not None:
        raise CourseError("Name an executor or the address of a scheduler, not both.")
    if jobs is not None and jobs < 1:
        raise CourseError(f"The number of jobs is {jobs}, and should be 1 or more.")
    if name not in MODULES:
        raise CourseError(f"There is no assignment {name!r}; there are {', '.join(MODULES)}.")
    who = _who(folder, name, students)
    if not folder.release(name).is_file():
        raise CourseError(
            f"{name} is not released yet: `vaecourse class release {name}` makes the students' version."
        )
    if folder.changed_since_release(name):
        raise CourseError(
            f"source/{name} has changed since it was released: release it again first, or bring it back."
        )
    with contextlib.ExitStack() as stack:
        stack.enter_context(journal.locked(folder, name))
        batch = _Batch(folder, name, jail, again)
        pool = executor or stack.enter_context(executors.executor(jobs, scheduler))
        if why := executors.why_not(pool, jail):
            raise CourseError(why)
        if progress and not jail:
            print(UNJAILED, file=sys.stderr)
        stop = stack.enter_context(_signals())
        bar = stack.enter_context(_bar(name, len(who), progress))
        at_once = 2 * (jobs or executors.width(pool))
        tasks = batch.tasks(who, stop, bar)
        # Elsewhere nobody hears of the stop: what runs there ends by itself, and its result is left.
        run_here = functools.partial(kernel.run, stop=stop)
        function = kernel.run if executor or scheduler else run_here
        for submission, run, error in executors.each(pool, function, tasks, at_once, stop):
            batch.finish(submission, run, error)
            bar.update()
            bar.set_postfix(problems=batch.problems, refresh=False)
    return batch.report(who, time.monotonic() - started)


class _Batch:
    """One grading run: what every submission is judged by, and how each one went so far."""

    def __init__(self, folder: ClassFolder, name: str, jail: bool, again: bool):
        self.folder, self.name, self.jail, self.again = folder, name, jail, again
        self.assignment = trusted(name, folder.source(name))
        self.hidden = grading.hidden(folder, self.assignment)
        self.seed = hashlib.sha256(b"journal" + folder.secret()).hexdigest()[
            :16
        ]  # tells seeds apart, no more
        with gradebook.opened(folder) as book:
            self.known = {student for _, student, *_ in gradebook.grades(book, name)}
        self.before: dict[str, journal.Entry | None] = {}
        self.grades: dict[str, Grade] = {}
        self.graded: list[str] = []
        self.failed: dict[str, str] = {}
        self.changes: list[Change] = []

    def tasks(
        self, who: Sequence[str], stop: threading.Event, bar: tqdm
    ) -> Iterator[tuple[Submission, Task]]:
        """What is to be run. What need not, or cannot, is dealt with on the way."""
        for student in who:
            if stop.is_set():
                return
            todo = None
            with self._one_student(student):
                todo = self._prepare(student)
            if todo:
                yield todo
            else:
                bar.update()
                if not bar.disable:
                    bar.initial += 1  # it took no time, which says nothing of those to come

    def _prepare(self, student: str) -> tuple[Submission, Task] | None:
        submission = intake.read(self.folder, student, self.name)
        key = grading.key(submission, self.hidden, self.jail)
        self.before[student] = entry = journal.read(self.folder, self.name, student)
        if entry and entry.grade.key == key and not self.again and self._in_place(student):
            self.grades[student] = entry.grade
        elif submission.refusal:
            self._write(submission, grading.refused(submission, self.hidden), None, key)
        else:
            return submission, grading.task(submission, self.hidden, self.jail)
        return None

    @property
    def problems(self) -> int:
        return len(self.failed) + sum(bool(grade.refusal) for grade in self.grades.values())

    def finish(self, submission: Submission, run: Run | None, error: BaseException | None) -> None:
        """Judge a run and write down what it earned; or note that there was none."""
        with self._one_student(submission.student):
            if error is not None:
                raise error
            key = grading.key(submission, self.hidden, self.jail)
            self._write(submission, grading.judge(submission, run, self.hidden), run, key)

    def _in_place(self, student: str) -> bool:
        student = defuse.name(student)
        notebook = self.folder.autograded(student, self.name) / f"{self.name}.ipynb"
        return student in self.known and notebook.is_file()

    def _write(self, submission: Submission, grade: Grade, run: Run | None, key: str) -> None:
        grade = replace(grade, key=key)  # whether there was a jail counts too
        autograded.write(self.folder, submission, run, grade)
        gradebook.write(self.folder, self.assignment, submission, grade)
        student, old = submission.student, self.before[submission.student]
        changed = changes(old.grade, grade, self._why(old, submission, grade)) if old else []
        for change in changed:
            self._note(CHANGES, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC  {change}")
        journal.write(self.folder, grade, submission.digest, self.seed)
        self.grades[student] = grade
        self.graded.append(student)
        self.changes += changed

    def _why(self, old: journal.Entry, submission: Submission, grade: Grade) -> str:
        reasons = []
        if old.submission != submission.digest:
            reasons.append("new submission")
        if old.seed != self.seed:
            reasons.append("new seed")
        elif old.grade.key != grade.key and not reasons:
            reasons.append("changed assignment")
        return ", ".join(reasons) or "graded again"

    @contextlib.contextmanager
    def _one_student(self, student: str):
        """Whatever goes wrong here is noted for this student, and the others go on."""
        try:
            yield
        except CourseError as error:
            self.failed[student] = str(error)
        except Exception as error:
            at = self._note(ERRORS, f"{student}\n{''.join(traceback.format_exception(error))}")
            self.failed[student] = f"{AGAIN} ({type(error).__name__}; see {at})"

    def _note(self, name: str, text: str) -> Path:
        at = self.folder.journal(self.name) / name
        with open(at, "a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text + "\n")
        return at

    def report(self, who: Sequence[str], seconds: float) -> BatchReport:
        old = {student: entry.grade for student, entry in self.before.items() if entry}
        now = {**old, **self.grades}
        return BatchReport(
            assignment=self.name,
            grades=tuple(now[student] for student in who if student in now),
            graded=tuple(sorted(self.graded)),
            failed=dict(sorted(self.failed.items())),
            changes=tuple(sorted(self.changes, key=lambda change: change.student)),
            left=len(set(who) - self.grades.keys() - self.failed.keys()),
            by_hand=gradebook.by_hand(self.folder, self.name),
            seconds=seconds,
            warnings=() if self.jail else (UNJAILED,),
        )


def _who(folder: ClassFolder, name: str, students: Sequence[str] | None) -> list[str]:
    there = folder.students(name)
    if students is not None:
        for student in students:
            if student not in there:
                raise CourseError(
                    f"{student!r} has handed in no {name}: the names are those of the folders in submitted/."
                )
        return sorted(set(students))
    if not there:
        raise CourseError(
            f"Nobody has handed in {name} yet: `vaecourse class collect {name} FILES` puts submissions in their place, "
            f"submitted/STUDENT/{name}/."
        )
    return there


def _bar(name: str, total: int, progress: bool) -> tqdm:
    quiet = not progress or not sys.stderr.isatty()
    return tqdm(total=total, desc=name, unit="submission", disable=quiet, dynamic_ncols=True, smoothing=0)


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, and a polite request of the system to end. A second Ctrl-C ends at once."""
    stop, ours = threading.Event(), {}

    def asked(number, frame):
        stop.set()
        signal.signal(number, ours[number])

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            ours[number] = signal.getsignal(number)
            signal.signal(number, asked)
    try:
        yield stop
    finally:
        for number, before in ours.items():
            signal.signal(number, before)
