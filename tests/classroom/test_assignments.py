"""Every assignment holds together: notebook, exercises, points, visible inputs; and each property catches a wrong answer."""

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from vaecourse import assignments
from vaecourse.assignments import core as assignment_core
from vaecourse.exercises import core, words
from vaecourse.lesson import check

ROOT = Path(__file__).parents[2]


def source(name: str) -> Path:
    return ROOT / "notebooks" / "assignments" / f"{name}.ipynb"


NAMES = [name for name in assignments.MODULES if source(name).exists()]


@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def solved(name):
    return assignments.with_solutions(name, source(name))


@pytest.fixture(scope="module")
def cells(name):
    return json.loads(source(name).read_text(encoding="utf-8"))["cells"]


def judged(exercise, function, seed=0):
    made = core.cases(exercise, np.random.default_rng(seed))
    return core.verdict(exercise, made, core.run_all(function, made, exercise.parameters, exercise.seconds))


def takes_part(exercise):
    """A value that only training gives has no reference here; its own tests look at it."""
    return bool(exercise.parameters)


def test_the_solutions_solve_it_for_many_seeds(solved):
    for exercise in filter(takes_part, solved.exercises):
        for seed in range(10):
            report = judged(exercise, exercise.reference, seed)
            assert report.solved and report.points == exercise.points, words.text(report)


def test_every_exercise_has_a_solution_cell_and_a_check_of_its_points(name, solved, cells):
    graded = {c["metadata"]["nbgrader"]["grade_id"]: c for c in cells if "nbgrader" in c["metadata"]}
    for exercise in solved.exercises:
        function = exercise.name.split("/")[1]
        answer, checked = graded[function], graded[f"check_{function}"]
        assert answer["metadata"]["nbgrader"]["solution"] and not answer["metadata"]["nbgrader"]["grade"]
        told = "".join(answer["source"])
        assert "### BEGIN SOLUTION" in told and "### END SOLUTION" in told
        assert checked["metadata"]["nbgrader"]["grade"] and checked["metadata"]["nbgrader"]["locked"]
        assert checked["metadata"]["nbgrader"]["points"] == exercise.points
        assert "".join(checked["source"]) == f'check("{name}/{function}", {function})'
    for written in solved.written:
        answer = graded[written.name]
        assert answer["cell_type"] == "markdown" and "### BEGIN SOLUTION" in "".join(answer["source"])
        assert answer["metadata"]["nbgrader"]["grade"] and answer["metadata"]["nbgrader"]["solution"]
        assert answer["metadata"]["nbgrader"]["points"] == written.points
    points = sum(c["metadata"]["nbgrader"].get("points", 0) for c in graded.values())
    assert points == solved.points


def test_nothing_else_asks_for_points(solved, cells):
    asked = {e.name.split("/")[1] for e in solved.exercises}
    known = {*asked, *(f"check_{f}" for f in asked), *(w.name for w in solved.written)}
    graded = {
        c["metadata"]["nbgrader"]["grade_id"]
        for c in cells
        if "nbgrader" in c["metadata"] and c["metadata"]["nbgrader"]["grade"]
    }
    assert graded <= known


def test_points_stand_in_the_text_as_they_are_given(solved, cells):
    told = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    by_computer = sum(e.points for e in solved.exercises)
    by_hand = sum(w.points for w in solved.written)
    assert f"{by_computer} points are given by the computer, {by_hand} by a person" in told
    said = [int(n) for n in re.findall(r"\*\((\d+) points?", told)]
    assert sorted(said) == sorted(
        [*(e.points for e in solved.exercises), *(w.points for w in solved.written)]
    )


def test_each_exercise_is_complete(solved):
    for exercise in solved.exercises:
        names = [p.name for p in exercise.properties]
        assert len(set(names)) == len(names) >= 1
        assert all(p.hint and p.points >= 1 for p in exercise.properties)
        assert exercise.title and exercise.statement.endswith(".")
    assert sum(e.stretch for e in solved.exercises) <= 1
    assert len({e.name for e in solved.exercises}) == len(solved.exercises)


def test_rubrics_add_up(solved):
    assert solved.written
    for written in solved.written:
        assert sum(points for _, points in written.rubric) == written.points


def test_the_visible_inputs_are_what_the_solutions_give_now(name, solved):
    made = assignment_core.table(solved.exercises)
    stored = assignment_core.read_table(name)
    assert list(made) == list(stored)
    for function, entry in made.items():
        assert stored[function]["cases"] == entry["cases"], f"{function}: run `vaecourse build` on {name}"
        assert [call for call, _ in stored[function]["known"]] == [call for call, _ in entry["known"]]
        for (_, old), (_, new) in zip(stored[function]["known"], entry["known"], strict=True):
            np.testing.assert_allclose(flat(old), flat(new), rtol=1e-9, atol=1e-12)


def flat(value):
    return [n for v in value for n in flat(v)] if isinstance(value, list) else [float(value)]


def test_a_students_installation_judges_the_same_without_any_solution(name, solved):
    for exercise, known in zip(solved.exercises, assignments.assignment(name).exercises, strict=True):
        if takes_part(exercise):
            report = judged(known, exercise.reference, 7)
            assert report.solved, words.text(report)


def test_hidden_inputs_are_not_the_visible_ones(solved):
    for exercise in filter(takes_part, solved.exercises):
        visible = core.cases(exercise, assignment_core.visible_stream(exercise))
        hidden = core.cases(exercise, np.random.default_rng(99))
        assert visible != hidden, f"{exercise.name} draws nothing: a table of its visible answers would pass"


def test_check_tells_of_an_untouched_function(name, solved, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("VAECOURSE_HOME", str(tmp_path))

    def untouched(*call): ...

    check(solved.exercises[0].name, untouched)
    assert "Not started yet" in capsys.readouterr().out


def test_an_unknown_assignment_is_one_sentence():
    with pytest.raises(ValueError, match="There is no assignment 'A9'; there are A1"):
        assignments.assignment("A9")
    with pytest.raises(
        ValueError, match="There is no exercise 'A1/cross_entropi'; did you mean 'A1/cross_entropy'"
    ):
        check("A1/cross_entropi", None)


def test_a_recalled_reference_knows_the_visible_inputs_only():
    recalled = assignment_core.Recalled(["p"], [([[0.5, 0.5]], 1.0)])
    assert recalled([0.5, 0.5]) == 1.0
    with pytest.raises(LookupError, match="not among the visible"):
        recalled([0.4, 0.6])


WRONG = {
    (exercise, p): wrong
    for name in NAMES
    for exercise, answers in importlib.import_module(
        f".wrong_answers_{name.lower()}", __package__
    ).WRONG.items()
    for p, wrong in answers.items()
}


@pytest.mark.parametrize(("exercise", "prop"), WRONG)
def test_every_property_catches_its_wrong_answer(exercise, prop):
    found = next(e for e in _solved(exercise.split("/")[0]) if e.name == exercise)
    for seed in range(3):
        report = judged(found, WRONG[exercise, prop], seed)
        assert prop in {r.property.name for r in report.results if not r.passed}


def test_every_property_has_a_wrong_answer(solved):
    for exercise in solved.exercises:
        assert {p.name for p in exercise.properties} == {p for e, p in WRONG if e == exercise.name}


_known: dict = {}


def _solved(name):
    if name not in _known:
        _known[name] = assignments.with_solutions(name, source(name)).exercises
    return _known[name]
