"""What a grading run tells the teacher: how the exercises went, who was refused, what changed, what is left to do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .records import PASSED, VERDICTS, Grade


@dataclass(frozen=True)
class Change:
    """What one exercise was worth before and is worth now; `exercise` is "" where the whole submission is meant."""

    student: str
    exercise: str
    before: int
    after: int
    why: str  # "new submission", "new seed", "changed assignment", "graded again"

    def __str__(self):
        return f"{self.student}: {self.exercise or 'submission'} {self.before} → {self.after} ({self.why})"


@dataclass(frozen=True)
class BatchReport:
    """How a class stands after a grading run. Students are in the order of their names everywhere."""

    assignment: str
    grades: tuple[Grade, ...]  # of all who have one now, from this run or an earlier one
    graded: tuple[str, ...] = ()  # run just now
    failed: Mapping[str, str] = field(default_factory=dict)  # student -> why there is no new grade
    changes: tuple[Change, ...] = ()
    left: int = 0  # not looked at, since the run was stopped
    by_hand: int = 0  # written answers that a person has yet to grade
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.failed and not self.left

    @property
    def refused(self) -> dict[str, str]:
        return {g.student: g.refusal for g in self.grades if g.refusal}

    @property
    def solved(self) -> tuple[str, ...]:
        """Who passed every exercise."""
        return tuple(
            g.student for g in self.grades if g.verdicts and all(v.verdict == PASSED for v in g.verdicts)
        )

    @property
    def counts(self) -> dict[str, Counter]:
        """For each exercise, how often each verdict was given; the refused are not in it."""
        made: dict[str, Counter] = {}
        for grade in self.grades:
            for verdict in () if grade.refusal else grade.verdicts:
                made.setdefault(verdict.exercise, Counter())[verdict.verdict] += 1
        return made

    @property
    def line(self) -> str:
        """All in one line."""
        kept = len(self.grades) - len(self.graded)
        parts = [
            f"{len(self.graded)} graded in {self.seconds:.1f} s",
            f"{len(self.solved)} solved everything",
        ]
        for count, what in (
            (kept, "unchanged since the last time"),
            (len(self.refused), "refused"),
            (len(self.failed), "could not be graded"),
            (self.left, "left"),
            (len(self.changes), "points changed"),
        ):
            parts += [f"{count} {what}"] if count else []
        return f"{self.assignment}: {', '.join(parts)}."

    def __str__(self):
        lines = [self.line, *self.warnings]
        if self.counts:
            lines += ["", *_columns(self.counts)]
        for title, said in (("Refused:", self.refused), ("Could not be graded:", self.failed)):
            lines += ["", title, *(f"  {who}: {why}" for who, why in said.items())] if said else []
        if self.changes:
            lines += ["", "Changed:", *(f"  {change}" for change in self.changes)]
        if self.by_hand:
            lines += [
                "",
                f"{self.by_hand} written answers are to be graded by hand: `nbgrader formgrader`, or Formgrader in JupyterLab.",
            ]
        if not self.complete:
            lines += ["", "Run the same command again to go on: what is graded stays graded."]
        return "\n".join(lines)


def changes(before: Grade, after: Grade, why: str) -> list[Change]:
    """The exercises whose points are not what they were; one change for all where a submission was, or is, refused."""
    if bool(before.refusal) != bool(after.refusal):
        return [Change(after.student, "", before.points, after.points, why)]
    old = {v.exercise: v.points for v in before.verdicts}
    new = {v.exercise: v.points for v in after.verdicts}
    return [
        Change(after.student, exercise, old.get(exercise, 0), new.get(exercise, 0), why)
        for exercise in dict.fromkeys([*new, *old])
        if old.get(exercise, 0) != new.get(exercise, 0)
    ]


def _columns(counts: Mapping[str, Counter]) -> list[str]:
    shown: Sequence[str] = [v for v in VERDICTS if any(c[v] for c in counts.values())]
    first = max(len("exercise"), *(len(name) for name in counts))
    rows = [["exercise".ljust(first), *shown]]
    for name, count in counts.items():
        rows.append([name.ljust(first), *(str(count[v] or "·").rjust(len(v)) for v in shown)])
    return ["  ".join(row) for row in rows]
