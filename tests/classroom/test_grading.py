"""Judging: exactly the points that were earned, whatever came back; words of ours alone; nothing that can be thrown."""

import dataclasses
import json
import math
import pickle

import numpy as np
import pytest

from vaecourse import assignments
from vaecourse.assignments.core import Assignment
from vaecourse.classroom import autograded, grading, records
from vaecourse.classroom.records import AskRun, CellRun, Run, Submission
from vaecourse.errors import CourseError
from vaecourse.exercises import core, kinds
from vaecourse.exercises.core import Outcome

from . import tiny

SECRET = "the-number-is-0.8731"


@pytest.fixture
def hidden(tiny_class):
    return grading.hidden(tiny_class.folder, assignments.assignment("T1", tiny.solved()))


def handed_in(**answers) -> Submission:
    return Submission("ann", "T1", tiny.submission(**{**tiny.SOLUTIONS, **answers}), digest="d" * 64)


def honest(hidden, submission, **functions) -> Run:
    """What an honest jail gives back for these functions; the solutions where none is named."""
    task = grading.task(submission, hidden)
    functions = {**tiny.solved(), **functions}
    asks = tuple(
        AskRun(a.exercise, tuple(core.run(functions[a.function], c, a.parameters) for c in a.cases))
        for a in task.asks
    )
    return Run(tuple(CellRun() for _ in task.cells), asks)


def changed(run: Run, exercise: str, **changes) -> Run:
    """The same run, but for these fields of each of an exercise's AskRuns; a function makes the outcomes anew."""
    made = []
    for ask in run.asks:
        if ask.exercise == exercise:
            outcomes = changes.get("outcomes", ask.outcomes)
            outcomes = outcomes(ask.outcomes) if callable(outcomes) else outcomes
            ask = dataclasses.replace(ask, **{**changes, "outcomes": outcomes})
        made.append(ask)
    return dataclasses.replace(run, asks=tuple(made))


def graded(hidden, run=None, submission=None, **functions):
    submission = submission or handed_in()
    grade = grading.judge(submission, run or honest(hidden, submission, **functions), hidden)
    return {v.exercise.split("/")[1]: v for v in grade.verdicts}


# What is asked


def test_the_hidden_inputs_are_the_classs_own(tiny_class, hidden):
    again = grading.hidden(tiny_class.folder, assignments.assignment("T1", tiny.solved()))
    assert again.cases == hidden.cases and again.digest == hidden.digest
    (tiny_class.root / "secret.txt").write_text("ff" * 16)
    other = grading.hidden(tiny_class.folder, assignments.assignment("T1", tiny.solved()))
    assert other.cases != hidden.cases and other.digest != hidden.digest


def test_a_task_asks_property_by_property_and_tells_no_answer(hidden):
    task = grading.task(handed_in(), hidden)
    assert [a.function for a in task.asks] == ["centred"] * 3 + ["spread"] * 3
    for exercise in hidden.assignment.exercises:
        asks = [a for a in task.asks if a.exercise == exercise.name]
        assert [a.cases for a in asks] == list(hidden.cases[exercise.name])
        assert all(a.parameters == ("x",) and a.seconds == exercise.seconds for a in asks)
    assert task.limits == tiny.LIMITS and task.jail
    assert not grading.task(handed_in(), hidden, jail=False).jail
    assert task.hidden == ("vaecourse.exercises", "vaecourse.assignments", "scipy.stats")
    assert "def spread" in "".join(task.cells) and "MODEL-ANSWER" not in "".join(task.cells)
    assert pickle.loads(pickle.dumps(task)) == task  # plain data: no function of ours travels with it
    assert not any(
        p.hint.encode() in pickle.dumps(task) for e in hidden.assignment.exercises for p in e.properties
    )


def test_cases_that_several_properties_share_are_asked_once(tiny_class):
    """Above all where a value is asked for: its one case is that of every property."""
    value = core.Exercise(
        "T1/spread", "A value", "Give it.", lambda: 1.0,
        tuple(core.Property(name, "", lambda rng: [((),)], lambda case, outputs: outputs[0] == 1.0) for name in "ab"),
    )  # fmt: skip
    asked = grading.hidden(tiny_class.folder, Assignment("T1", "A value", (value,)))
    (ask,) = asked.asks
    assert ask.cases == (((),),) and ask.parameters == () and asked.places == {"T1/spread": (0, 0)}
    for outcomes, verdict, points in [
        ((Outcome((1.0,)),), records.PASSED, 2),
        ((Outcome((2.0,)),), records.FAILED, 0),
        ((), records.CRASH, 0),
    ]:
        run = Run(tuple(CellRun() for _ in range(5)), (AskRun("T1/spread", outcomes),))
        (found,) = grading.judge(handed_in(spread="spread = 1.0"), run, asked).verdicts
        assert (found.verdict, found.points) == (verdict, points)


def test_the_cells_of_a_task_are_those_that_the_graded_notebook_counts(hidden):
    submission = handed_in(centred=" \n")  # a cell without code is not run
    cells = [submission.notebook["cells"][at]["source"] for at in autograded.code_cells(submission.notebook)]
    assert list(grading.task(submission, hidden).cells) == cells and " \n" not in cells


def test_a_solution_that_does_not_solve_its_exercise_stops_grading(tiny_class):
    broken = {**tiny.solved(), "spread": lambda x: -1.0}
    with pytest.raises(
        CourseError, match=r"solution of T1/spread in .* does not solve its own exercise \(zero"
    ):
        grading.hidden(tiny_class.folder, assignments.assignment("T1", broken))

    def unwritten(x): ...

    with pytest.raises(CourseError, match="T1/centred"):
        grading.hidden(
            tiny_class.folder, assignments.assignment("T1", {**tiny.solved(), "centred": unwritten})
        )


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("scipy.stats", True),
        ("scipy.special", True),
        ("vaecourse.kl_divergence", True),
        ("torch.nn.functional", True),
        ("torch", True),
        ("scipy.special.rel_entr", False),
        ("torch.nn.KLDivLoss", False),
        ("no.such.thing", False),
        ("math.log", False),
    ],
)
def test_what_can_be_hidden_is_known_without_importing_it(name, there):
    assert grading.is_module(name) is there


def test_the_key_changes_with_all_that_a_grade_depends_on(tiny_class, hidden):
    one = handed_in()
    keys = {
        grading.key(one, hidden),
        grading.key(dataclasses.replace(one, digest="e" * 64), hidden),
        grading.key(one, hidden, jail=False),
    }
    assignment = hidden.assignment
    for other in (
        dataclasses.replace(assignment, limits=dataclasses.replace(assignment.limits, seconds=31.0)),
        Assignment("T1", "Less", assignment.exercises[:1], limits=assignment.limits),
    ):
        keys.add(grading.key(one, grading.hidden(tiny_class.folder, other)))
    tiny_class.folder.source("T1").write_text(json.dumps(tiny.source()))
    keys.add(grading.key(one, grading.hidden(tiny_class.folder, assignment)))
    assert len(keys) == 6
    assert (
        grading.key(dataclasses.replace(one, student="bob"), hidden) in keys
    )  # the same work, the same grade


# What was earned


def test_solved_is_full_marks(hidden):
    for verdict in graded(hidden).values():
        assert verdict.verdict == records.PASSED and verdict.points == verdict.of
        assert all(held for _, held in verdict.properties) and not verdict.failed and not verdict.hint


def test_points_are_earned_property_by_property(hidden):
    found = graded(
        hidden, spread=lambda x: float(abs(x - x.mean()).mean()), centred=lambda x: list(x - x.mean() + 1)
    )
    assert (found["spread"].verdict, found["spread"].points) == (records.FAILED, 2)
    assert found["spread"].failed == "agrees with the definition"
    assert found["spread"].hint == "Squares, not absolute values; and divide by how many there are."
    assert found["spread"].properties == (
        ("zero for equal numbers", True),
        ("never negative", True),
        ("agrees with the definition", False),
    )
    assert (found["centred"].verdict, found["centred"].points) == (records.FAILED, 1)


TROUBLES = {
    records.LATE: records.TIMED_OUT,
    records.MEMORY: records.OUT_OF_MEMORY,
    records.CRASHED: records.CRASH,
    records.PROCESSES: records.CRASH,
    records.OUTPUT: records.CRASH,
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_property_keeps_its_points_whatever_became_of_another_ones_cases(hidden, trouble):
    run, expected = honest(hidden, handed_in()), TROUBLES[trouble]
    first = hidden.places["T1/spread"][0]
    outcomes = run.asks[first].outcomes
    lost = Outcome(trouble=trouble)
    for odd in (
        AskRun("T1/spread", (), trouble),
        AskRun("T1/spread", outcomes[:1], trouble),
        AskRun("T1/spread", (outcomes[0], lost)),
        AskRun("T1/spread", (lost, Outcome(trouble="skipped"))),
    ):
        asks = tuple(odd if i == first else a for i, a in enumerate(run.asks))
        found = graded(hidden, dataclasses.replace(run, asks=asks))
        assert (found["spread"].verdict, found["spread"].points) == (expected, 2)
        assert "kept its points" in found["spread"].sentence and not found["spread"].hint
        assert found["spread"].failed == "zero for equal numbers"
        assert found["centred"].verdict == records.PASSED
    none = graded(hidden, changed(run, "T1/spread", outcomes=(), trouble=trouble))
    assert (none["spread"].verdict, none["spread"].points) == (expected, 0)
    whole = graded(hidden, changed(run, "T1/spread", trouble=trouble))  # all had come back before
    assert (whole["spread"].verdict, whole["spread"].points) == (records.PASSED, 3)


def test_what_was_not_asked_for_is_tampered_with(hidden):
    run = honest(hidden, handed_in())
    swapped = dataclasses.replace(run, asks=(*run.asks[:3], *run.asks[:3]))
    for odd in (
        changed(run, "T1/spread", trouble=records.TAMPERED),
        changed(run, "T1/spread", outcomes=lambda outcomes: (*outcomes, outcomes[0])),
        swapped,
    ):
        found = graded(hidden, odd)
        assert (found["spread"].verdict, found["spread"].points) == (records.TAMPER, 0)
        assert found["centred"].verdict == records.PASSED


def test_forbidden_comes_before_everything(hidden):
    submission = handed_in(spread="def spread(x):\n    return float(np.var(x))")
    for run in (
        honest(hidden, submission),
        changed(honest(hidden, submission), "T1/spread", trouble=records.TAMPERED),
    ):
        found = graded(hidden, run, submission)
        assert (found["spread"].verdict, found["spread"].points) == (records.FORBIDDEN, 0)
        assert found["spread"].sentence == (
            "spread uses numpy.var, which already is the answer. Build it yourself here."
        )
        assert found["centred"].verdict == records.PASSED
    submission = handed_in(
        spread="from vaecourse.exercises import core as c\ndef spread(x):\n    return c.grade"
    )
    assert graded(hidden, honest(hidden, submission), submission)["spread"].verdict == records.FORBIDDEN


def test_an_untouched_one_is_not_started(hidden):
    submission = Submission("ann", "T1", tiny.release(), "d")
    nothing = graded(
        hidden, honest(hidden, submission, centred=lambda x: None, spread=lambda x: None), submission
    )
    for verdict in nothing.values():
        assert (verdict.verdict, verdict.points) == (records.UNTOUCHED, 0)
    missing = Run(tuple(CellRun() for _ in range(5)), (AskRun("T1/centred", trouble=records.MISSING),) * 3)
    gone = handed_in(centred="# nothing here")
    assert graded(hidden, missing, gone)["centred"].sentence.startswith("There is no centred when")


def test_a_stray_ellipsis_in_a_right_answer_costs_nothing(hidden):
    submission = handed_in(spread=tiny.SOLUTIONS["spread"] + "\n    ...")
    assert graded(hidden, honest(hidden, submission), submission)["spread"].verdict == records.PASSED


def test_a_function_whose_cell_did_not_run_says_so(hidden):
    submission = handed_in()
    run = changed(honest(hidden, submission), "T1/spread", outcomes=(), trouble=records.MISSING)
    at = next(i for i, c in enumerate(grading.task(submission, hidden).cells) if c.startswith("def spread"))
    for trouble, verdict in [
        (records.ERROR, records.FAILED),
        (records.LATE, records.TIMED_OUT),
        (records.MEMORY, records.OUT_OF_MEMORY),
        (records.CRASHED, records.CRASH),
    ]:
        cells = tuple(CellRun(trouble=trouble if i == at else "") for i in range(len(run.cells)))
        found = graded(hidden, dataclasses.replace(run, cells=cells), submission)["spread"]
        assert (found.verdict, found.points) == (verdict, 0)


def test_a_run_without_asks_earns_nothing_and_stops_nothing(hidden):
    found = graded(hidden, Run((), ()))
    assert {(v.verdict, v.points) for v in found.values()} == {(records.CRASH, 0)}


DEEP: list = []
for _ in range(50_000):
    DEEP = [DEEP]
ODD = {
    "nothing": None,
    "text": "1.0",
    "truth": True,
    "a list": [1.0],
    "an empty list": [],
    "a list of lists": [[1.0], [2.0, 3.0]],
    "NaN": math.nan,
    "infinite": math.inf,
    "NaNs": [math.nan] * 4,
    "infinities": [math.inf, -math.inf],
    "a huge integer": 10**5000,
    "huge integers": [10**400, 10**400],
    "a million numbers": [0.0] * 10**6,
    "a million lists": [[]] * 10**6,
    "a long text": "x" * 10**7,
    "very deep": DEEP,
    "the ellipsis": ...,
    "a dictionary": {"a": 1},
    "an object": object(),
    "bytes": b"1.0",
    "complex": 1j,
}


@pytest.mark.parametrize("odd", ODD)
def test_nothing_that_comes_back_can_stop_the_judge(hidden, odd):
    submission = handed_in()
    run = honest(hidden, submission)
    for name in ("T1/centred", "T1/spread"):
        found = graded(
            hidden, changed(run, name, outcomes=lambda came: tuple(Outcome((ODD[odd],)) for _ in came))
        )
        found = found[name.split("/")[1]]
        assert (
            found.verdict == records.FAILED and found.points <= 1 and found.hint
        )  # "never negative" holds for inf
        json.dumps(dataclasses.asdict(found))


def test_too_many_or_too_few_outputs_of_a_case(hidden):
    run = honest(hidden, handed_in())
    for times in (0, 2):

        def odd(came, times=times):
            return tuple(dataclasses.replace(o, outputs=o.outputs * times) for o in came)

        assert graded(hidden, changed(run, "T1/spread", outcomes=odd))["spread"].points == 0


def test_an_assignments_own_question_may_fail_on_an_odd_answer():
    p = core.Property(
        "whole", "Round.", lambda rng: (((1.0,),),), lambda case, outputs: int(outputs[0]) == outputs[0]
    )
    e = core.Exercise("00/whole", "Whole", "Whole.", lambda x: 1.0, (p,))
    for odd in (math.inf, math.nan, 1e400):
        assert not core.verdict(e, [[((1.0,),)]], [[Outcome((odd,))]]).solved
    assert core.verdict(e, [[((1.0,),)]], [[Outcome((2.0,))]]).solved
    assert kinds.describe(10**400) == "the number inf" and kinds.describe(-(10**5000)) == "the number -inf"


# What is said


def test_no_word_of_the_submissions_reaches_the_grade(hidden):
    submission = handed_in()
    run = honest(hidden, submission)
    for outcome in (
        Outcome(trouble="error", sentence=f"stopped with {SECRET}"),
        Outcome(trouble="form", sentence=SECRET, changed=SECRET),
        Outcome(trouble=SECRET),
        Outcome((SECRET,), changed=SECRET),
        Outcome((SECRET,), trouble="late", sentence=SECRET),
        Outcome(([SECRET],)),
        Outcome((0.8731,)),
    ):
        for name in ("T1/centred", "T1/spread"):
            odd = changed(run, name, outcomes=lambda came, outcome=outcome: (outcome,) * len(came))
            cells = tuple(
                CellRun(({"output_type": "stream", "name": "stdout", "text": SECRET},)) for _ in run.cells
            )
            grade = grading.judge(submission, dataclasses.replace(odd, cells=cells), hidden)
            told = json.dumps(dataclasses.asdict(grade))
            assert SECRET not in told and "0.8731" not in told
            assert not any(v.points for v in grade.verdicts if v.exercise == name and outcome.trouble)


def test_every_verdict_has_a_sentence_of_its_own(hidden):
    submission = handed_in()
    run = honest(hidden, submission)
    sentences = {
        trouble: graded(hidden, changed(run, "T1/spread", outcomes=(), trouble=trouble))["spread"].sentence
        for trouble in records.TROUBLES[1:]
    }
    assert len(set(sentences.values())) == len(sentences)
    assert all(s.endswith(".") and s[0].isupper() for s in sentences.values())
    assert "2 seconds" in sentences[records.LATE] and "0.5 GiB" in sentences[records.MEMORY]
    form = changed(run, "T1/spread", outcomes=lambda came: (Outcome(trouble="form"),) * len(came))
    assert graded(hidden, form)["spread"].sentence == "It does not give back a number when called with x."


def test_what_cannot_be_graded_has_no_points_and_its_reason(hidden):
    submission = Submission("ann", "T1", None, "d", refusal="It is empty.", notes=("odd",))
    grade = grading.refused(submission, hidden)
    assert grade.refusal == "It is empty." and grade.notes == ("odd",) and grade.points == 0
    assert [(v.exercise, v.points, v.of) for v in grade.verdicts] == [
        ("T1/centred", 0, 4),
        ("T1/spread", 0, 3),
    ]


def test_numbers_are_judged_as_numbers_of_any_kind(hidden):
    found = graded(hidden, centred=lambda x: np.float32(x - x.mean()).tolist(), spread=lambda x: np.var(x))
    assert found["spread"].verdict == records.PASSED
    assert found["centred"].verdict == records.FAILED  # seven digits are not enough
