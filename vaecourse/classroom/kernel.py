"""Runs a submission: its cells in order, then the questions to its functions, in kernels that may break at any moment.

This side gives text and takes text. A kernel that dies, hangs, floods or lies costs the submission the cell or the
exercise in which that happened: a fresh kernel runs all the other cells again, and is asked the other questions.
"""

import threading
import time
from collections import Counter

from vaecourse.errors import CourseError

from . import jail
from .dialogue import Gone, Kernel, NoStart
from .records import CRASHED, LATE, AskRun, CellRun, Run, Task

AGAIN = 3.0  # seconds for a cell that was too slow the first time


def run(task: Task, stop: threading.Event | None = None) -> Run:
    """Run a submission. CourseError where no kernel can be started at all; nothing that a submission does raises.

    Once `stop` is set the kernel is ended soon, and what comes back counts for nothing.
    """
    if task.jail and (why := jail.available()):
        raise CourseError(why)
    return _Submission(task, stop or threading.Event()).run()


class _Submission:
    """What is known so far about one submission."""

    def __init__(self, task: Task, stop: threading.Event):
        self.task, self.stop = task, stop
        self.began = time.monotonic()
        self.end = self.began + task.limits.seconds
        self.cells: list[CellRun | None] = [None] * len(task.cells)
        self.asks: list[AskRun | None] = [None] * len(task.asks)
        self.left_out: set[int] = set()  # cells that ended a kernel
        self.slow: set[int] = set()  # cells that had to be interrupted
        self.ended: Counter[str] = Counter()  # how many kernels each exercise ended
        self.told = False  # whether a hidden input has entered a kernel: no output counts after that
        self.kernels = 0
        self.failures = 0  # of kernels to begin: no doing of the submission's
        self.cpu_seconds = 0.0

    def run(self) -> Run:
        limits = self.task.limits
        over = self.stop.is_set
        while (
            not (self._done() or over()) and time.monotonic() < self.end and self.kernels <= limits.restarts
        ):
            self.kernels += 1
            self._one_kernel()
        late = LATE if time.monotonic() >= self.end else CRASHED
        return Run(
            tuple(c or CellRun((), late) for c in self.cells),
            tuple(a or AskRun(q.exercise, (), late) for a, q in zip(self.asks, self.task.asks, strict=True)),
            time.monotonic() - self.began,
            self.cpu_seconds,
            max(0, self.kernels - 1),
        )

    def _done(self) -> bool:
        return self.told and None not in self.asks

    def _one_kernel(self) -> None:
        try:
            kernel = Kernel(self.task, self.end, self.stop, listen=not self.told)
        except NoStart:
            self.kernels, self.failures = self.kernels - 1, self.failures + 1
            if self.failures == 3:
                raise
            return
        try:
            if not self._all_cells(kernel):
                return
            kernel.deafen()
            self.told = True
            left = [(i, ask) for i, ask in enumerate(self.task.asks) if self.asks[i] is None]
            for index, ask in sorted(
                left, key=lambda each: self.ended[each[1].exercise]
            ):  # who broke one waits
                try:
                    self.asks[index] = kernel.ask(ask)
                except Gone as gone:
                    self.asks[index] = AskRun(ask.exercise, (), gone.trouble)
                    self.ended[ask.exercise] += 1
                    return
        finally:
            kernel.close()
            self.cpu_seconds += kernel.cpu_seconds

    def _all_cells(self, kernel: Kernel) -> bool:
        """Run the cells; False if one of them ended the kernel."""
        for index, code in enumerate(self.task.cells):
            if index in self.left_out:
                continue
            seconds = self.task.limits.cell_seconds
            ran = kernel.cell(code, min(AGAIN, seconds) if index in self.slow else seconds)
            if not self.told:
                self.cells[index] = ran.run
            if ran.run.trouble == LATE:
                self.slow.add(index)
            if ran.gone:
                self.left_out.add(index)
                return False
        return True
