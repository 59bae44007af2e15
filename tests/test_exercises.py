"""Every reference solves its exercise, and every property catches the wrong answer that was written for it."""

import json
import linecache
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from wrong_answers import WRONG

from vaecourse import exercises
from vaecourse.exercises import answer, core, kinds, words

ALL = {e.name: e for lesson in exercises.MODULES for e in exercises.of_lesson(lesson)}
FUNCTIONS = {name: e for name, e in ALL.items() if e.parameters}


def judged(exercise, function, seed=0):
    """Grade past the look at the source: references may use the package, a student may not."""
    made = core.cases(exercise, np.random.default_rng(seed))
    function = function if exercise.parameters else (lambda value=function: value)
    return core.verdict(exercise, made, core.run_all(function, made, exercise.parameters, exercise.seconds))


def graded(name, function):
    return core.grade(ALL[name], function, np.random.default_rng(0))


def failed(report):
    return {r.property.name for r in report.results if not r.passed}


@pytest.mark.parametrize("name", ALL)
def test_reference_solves_its_exercise_for_many_seeds(name):
    exercise = ALL[name]
    for seed in range(2 if exercise.seconds > 2 else 20):
        report = judged(exercise, exercise.reference if exercise.parameters else exercise.reference(), seed)
        assert report.solved, words.text(report)
        assert report.points == exercise.points


@pytest.mark.parametrize("name", ALL)
def test_an_exercise_is_complete(name):
    exercise = ALL[name]
    assert exercise.lesson in exercises.MODULES and re.fullmatch(r"\d\d/[a-z_]+", name)
    assert exercise.title and exercise.statement.endswith(".")
    names = [p.name for p in exercise.properties]
    assert len(names) == len(set(names))
    assert all(p.hint and p.points >= 1 and p.cases(np.random.default_rng(0)) for p in exercise.properties)


def test_at_least_three_exercises_a_lesson_and_one_stretch():
    for lesson in exercises.MODULES:
        found = exercises.of_lesson(lesson)
        assert 3 <= len([e for e in found if not e.stretch]) <= 5
        assert [e.stretch for e in found].count(True) == 1 and found[-1].stretch


@pytest.mark.parametrize(
    ("name", "caught"), [(name, p.name) for name, e in ALL.items() for p in e.properties]
)
def test_each_property_catches_a_wrong_answer(name, caught):
    report = judged(ALL[name], WRONG[name][caught])
    assert caught in failed(report)
    assert not report.solved and report.points < ALL[name].points


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_wrong_answer_is_kept_that_no_property_catches(name):
    assert set(WRONG[name]) == {p.name for p in ALL[name].properties}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_writing_into_an_argument_is_noticed(name):
    exercise = ALL[name]

    def clumsy(*arguments):
        answer = exercise.reference(*[v.copy() if isinstance(v, np.ndarray) else v for v in arguments])
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                argument += 1
        return answer

    report = judged(exercise, clumsy)
    calls = [c for p in exercise.properties for case in p.cases(np.random.default_rng(0)) for c in case]
    if all(np.isscalar(value) for call in calls for value in call):  # there is nothing to write into
        assert report.solved
    else:
        assert failed(report) == {core.UNCHANGED.name}
        assert "changed its argument" in words.text(report)
        if report.points == report.exercise.points:
            assert "but one thing is still to be mended: look at the ✗." in words.text(report)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    "output",
    [
        [],
        [[]],
        0.0,
        -1.0,
        np.nan,
        np.inf,
        [np.nan],
        [1.0],
        [0.0, 0.0],
        [0.0, -1.0],
        [[1.0], [1.0, 2.0]],
        [[1.0]] * 5,
        [np.inf] * 2,
        *([value] * n for value in (0.0, np.inf) for n in (3, 4)),
    ],
)
def test_no_output_however_odd_stops_the_check(name, output):
    report = judged(ALL[name], lambda *arguments: output)
    assert report.results and not report.solved
    assert words.text(report) and words.html(report)


# What a learner sees


@pytest.mark.parametrize("name", ALL)
def test_feedback_never_shows_what_was_expected(name):
    exercise = ALL[name]
    for wrong in WRONG[name].values():
        report = judged(exercise, wrong)
        result = report.first_failure
        if not exercise.parameters:
            assert str(exercise.reference()) not in words.counterexample(report, result)
            continue
        own = [words.show(output) for output in result.outcome.outputs]
        for call in result.case[: len(own)]:
            told = words.counterexample(report, result)
            expected = words.show(exercise.reference(*[list(v) if isinstance(v, tuple) else v for v in call]))
            given = words.show([list(c) for c in result.case])
            if len(expected) > 4 and expected not in own and expected not in given:
                assert not re.search(rf"(?<![-\w.]){re.escape(expected)}(?![\w.]\w)", told)


def test_a_counterexample_is_small_and_named():
    def discrete_kl(p, q):
        return np.sum(p * np.log(p / q))

    report = graded("01/discrete_kl", discrete_kl)
    told = words.text(report)
    assert report.first_failure.property.name == "0·log 0 counts as 0"
    assert "For p = [0, 1], q = [0.5, 0.5] your function returned nan." in told
    assert told.count("Hint:") == 1
    assert told == words.text(graded("01/discrete_kl", discrete_kl))


def test_long_lists_are_shortened():
    assert words.show(np.full(100, 0.123456789)) == "[" + "0.1235, " * 6 + "… 100 in all]"


UNTOUCHED = """
def dots(p, q):
    '''What it is to do.'''
    ...

def half(p, q):
    total = 0.0
    for a, b in zip(p, q):
        total += ...
    return total

def raises(p, q):
    '''To do.'''
    raise NotImplementedError("your turn")

def empty(p, q):
    pass

def only_words(p, q):
    '''To do.'''

def returns_dots(p, q):
    return ...

fast = lambda p, q: ...
"""


@pytest.fixture
def cell(tmp_path, monkeypatch):
    """Run source as a notebook cell would, so that `inspect` finds it."""

    def run(source):
        name = tmp_path / "ipykernel_1.py"
        name.write_text(source, encoding="utf-8")
        scope = {"__name__": "__main__", "np": np}
        exec(compile(source, str(name), "exec"), scope)
        linecache.checkcache()
        return scope

    return run


@pytest.mark.parametrize("name", ["dots", "half", "raises", "empty", "only_words", "returns_dots", "fast"])
def test_an_untouched_function_is_not_started(cell, name):
    report = graded("01/discrete_kl", cell(UNTOUCHED)[name])
    assert report.untouched and not report.results
    assert words.NOT_STARTED in words.text(report)


@pytest.mark.parametrize("value", [..., None])
def test_an_untouched_value_is_not_started(value):
    assert graded("01/broken_line", value).untouched
    assert graded("01/discrete_kl", value).untouched


def test_an_index_of_dots_is_no_missing_code(cell):
    scope = cell("def f(p, q):\n    return np.sum(p[..., :] * np.log(p[..., :] / q))\n")
    assert not graded("01/discrete_kl", scope["f"]).untouched


def test_untouched_is_seen_without_source():
    scope = {}
    exec("def f(p, q): ...\ndef g(p, q): return 5", scope)
    assert graded("01/discrete_kl", scope["f"]).untouched
    assert not graded("01/discrete_kl", scope["g"]).untouched


def told(name, function):
    return words.text(graded(name, function))


def test_an_exception_is_told_with_the_line_of_the_learners_code(cell):
    scope = cell(
        "import math\n\ndef f(p, q):\n    t = 0\n    for a, b in zip(p, q):\n        t += a * math.log(a / b)\n    return t\n"
    )
    said = told("01/discrete_kl", scope["f"])
    assert "stopped with ValueError" in said
    assert "in line 6 of your cell: t += a * math.log(a / b)." in said
    assert "Traceback" not in said


def test_an_exit_does_not_end_the_lesson():
    assert "stopped with SystemExit" in told("01/discrete_kl", lambda p, q: sys.exit())


def test_endless_recursion_is_told():
    def f(p, q):
        return f(p, q)

    assert "stopped with RecursionError" in told("01/discrete_kl", f)


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="no alarm on this system")
def test_an_endless_loop_is_ended_once():
    def f(p, q):
        while True:
            try:
                p.sum()
            except Exception:
                pass

    exercise = ALL["01/discrete_kl"]
    made = core.cases(exercise, np.random.default_rng(0))
    outcomes = core.run_all(f, made, exercise.parameters, seconds=0.1)
    assert [o.trouble for group in outcomes for o in group][:2] == ["late", "skipped"]
    said = words.text(core.verdict(exercise, made, outcomes))
    assert "was still running after 0.1 seconds" in said and "Hint" not in said


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda p: 1.0, "takes 1 argument; it is called with 2: p, q."),
        (lambda p, q: "0.5", "returned the text '0.5', where a number is expected."),
        (lambda p, q: [0.5], "returned a list of 1 entry, where a number is expected."),
        (lambda p, q: 1j, "returned the complex number 0+1j."),
        (lambda p, q: True, "returned the truth value True, where a number is expected."),
        (lambda p, q: {"kl": 1}, "returned a dict, where numbers or a list of numbers is expected."),
        (lambda p, q: (v for v in p), "returned a generator, where"),
        (
            lambda p, q: p.sort(),
            "returned nothing (None), where a number is expected. Does it end with `return`?",
        ),
        (0.5, "check needs the function itself, without parentheses or quotes: discrete_kl."),
    ],
)
def test_odd_answers_are_answered_kindly(function, sentence):
    said = told("01/discrete_kl", function)
    assert sentence in said
    assert "Hint" not in said


def test_numbers_of_every_make_are_accepted():
    right = ALL["01/discrete_kl"].reference
    for make in (
        np.float32,
        np.asarray,
        lambda v: torch.tensor(v, requires_grad=True, dtype=torch.float64),
        lambda v: v,
    ):
        report = judged(ALL["01/discrete_kl"], lambda p, q, make=make: make(right(p, q)))
        assert report.solved or make is np.float32  # float32 has not enough digits for the last property
        assert all(not r.outcome.trouble for r in report.results)


def test_a_list_that_contains_itself():
    endless = []
    endless.append(endless)
    assert "a list that contains itself" in told("01/discrete_kl", lambda p, q: endless)


def test_prints_and_warnings_of_the_learner_stay_quiet(capsys, recwarn):
    def f(p, q):
        print("debugging")
        return np.sum(p * np.log(p / q))

    graded("01/discrete_kl", f)
    assert capsys.readouterr().out == "" and not recwarn.list


FORBIDDEN = """
import scipy.special as sp
from scipy.special import rel_entr as r
from scipy import stats
import torch.nn.functional as F
from vaecourse import kl_divergence
from vaecourse.kl_divergence import categorical

def module(p, q): return sp.rel_entr(p, q).sum()
def renamed(p, q): return r(p, q).sum()
def private_home(p, q): return stats.entropy(p, q)
def torch_one(p, q): return F.kl_div(p, q)
def package(p, q): return kl_divergence.categorical(p, q)
def by_name(p, q): return categorical(p, q)
def inside(p, q):
    from scipy.special import rel_entr
    return rel_entr(p, q).sum()
def through_a_helper(p, q): return by_name(p, q)
"""

ALLOWED = """
def entropy(p): return -sum(a * np.log(a) for a in p if a > 0)
def categorical(p, q): return sum(a * np.log(a / b) if a > 0 else 0 for a, b in zip(p, q))
def own_names(p, q):
    rel_entr = categorical(p, q)
    return rel_entr
def of_own_object(p, q):
    return p.sum() + 0 * entropy(p)

# What the lesson left behind under the names of parameters and local variables: results, and functions too.
from vaecourse.kl_divergence import forward_fit, entropy as t
from scipy.special import rel_entr as q
p = fit = forward_fit([1.0], [0.0], [1.0])
def shadows(p, q):
    t = 0.0
    for a, b in zip(p, q):
        t += a * np.log(a / b) if a > 0 else 0.0
    return t
def reads_a_result(p, q):
    return categorical(p, q) + 0 * fit.mean
"""


@pytest.mark.parametrize("name", re.findall(r"def (\w+)", FORBIDDEN))
def test_a_packaged_answer_is_refused(cell, name):
    report = graded("01/discrete_kl", cell(FORBIDDEN)[name])
    assert "which already is the answer" in report.refusal and not report.results


@pytest.mark.parametrize(
    ("name", "imported", "call"),
    [
        ("01/discrete_kl", "from vaecourse.exercises.kl_divergence import discrete_kl", "discrete_kl"),
        (
            "03/squared_loss_gradient",
            "from vaecourse import frequentist",
            "frequentist.squared_loss_gradient",
        ),
        ("03/hinge_loss", "from sklearn.metrics import hinge_loss", "hinge_loss"),
        (
            "03/log_evidence",
            "from vaecourse.bayesian_inference import beta_log_evidence",
            "beta_log_evidence",
        ),
        ("03/beta_posterior", "import vaecourse.posterior_methods as pm", "pm.conjugate"),
        ("04/elbo_discrete", "from scipy import special", "special.rel_entr"),
        ("04/entropy_gaussian", "from vaecourse.gaussian_q import entropy", "entropy"),
        ("04/entropy_gaussian", "from scipy import stats", "stats.norm"),
        ("04/logistic_log_joint", "from vaecourse import logistic_regression as lr", "lr.log_joint"),
        ("05/update", "from vaecourse import mean_field", "mean_field.update"),
        ("05/kl_factorized", "from vaecourse.mean_field import elbo", "elbo"),
        ("05/expected_log_weights", "from vaecourse import mixture_posterior as mp", "mp.expectations"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_no_lesson_accepts_its_own_package_as_an_answer(cell, name, imported, call, inside):
    head = f"def f(*given):\n    {imported}\n" if inside else f"{imported}\ndef f(*given):\n"
    report = graded(name, cell(f"{head}    return {call}(*given)\n")["f"])
    assert "which already is the answer" in report.refusal and not report.results


@pytest.mark.parametrize("name", ["own_names", "of_own_object", "categorical", "shadows", "reads_a_result"])
def test_the_learners_own_functions_may_have_any_name(cell, name):
    assert not graded("01/discrete_kl", cell(ALLOWED)[name]).refusal


def test_a_repeated_case_runs_once_but_every_call_of_it_runs():
    seen = []
    case = ((1.0,), (1.0,))
    core.run_all(lambda v: seen.append(v), [[case], [case, ((2.0,),)]], ["v"])
    assert seen == [1.0, 1.0, 2.0]


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean '01/discrete_kl'"):
        exercises.exercise("01/discret_kl")
    with pytest.raises(ValueError, match="There is no exercise '77/x'"):
        exercises.exercise("77/x")
    with pytest.raises(ValueError, match="no exercises for lesson '77'"):
        exercises.of_lesson("77")


# The wall: cases go out and outcomes come back as text, and the verdict is the same.

BEHIND_THE_WALL = """
import json, sys
import numpy as np
from vaecourse.exercises import core
def student(p, q):
    return np.sum(p * np.log(p / q))
made = json.load(sys.stdin)
outcomes = core.run_all(student, made, ["p", "q"])
json.dump([[[o.outputs, o.trouble, o.sentence, o.changed] for o in group] for group in outcomes], sys.stdout)
"""


def test_an_answer_can_be_run_in_another_process():
    exercise = ALL["01/discrete_kl"]
    made = core.cases(exercise, np.random.default_rng(0))
    done = subprocess.run(
        [sys.executable, "-c", BEHIND_THE_WALL],
        input=json.dumps(made),
        capture_output=True,
        text=True,
        check=True,
    )
    outcomes = [[core.Outcome(tuple(o[0]), *o[1:]) for o in group] for group in json.loads(done.stdout)]
    here = judged(exercise, lambda p, q: np.sum(p * np.log(p / q)))
    assert words.text(core.verdict(exercise, made, outcomes)) == words.text(here)


@pytest.mark.parametrize("name", ALL)
def test_cases_are_plain_data(name):
    made = core.cases(ALL[name], np.random.default_rng(0))
    through = json.loads(json.dumps(made))
    assert kinds.plain(list(made)) == through


def test_the_same_seed_gives_the_same_cases_and_another_seed_others():
    exercise = ALL["01/discrete_kl"]
    first, again, other = (core.cases(exercise, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_an_alarm_of_somebody_else_is_given_back():
    import signal

    if not hasattr(signal, "setitimer"):
        pytest.skip("no alarm on this system")
    before = signal.getsignal(signal.SIGALRM)
    with answer.at_most(5):
        assert signal.getsignal(signal.SIGALRM) is not before
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_call_in_a_thread_has_no_limit_but_works():
    import threading

    seen = []
    thread = threading.Thread(
        target=lambda: seen.append(judged(ALL["01/discrete_kl"], ALL["01/discrete_kl"].reference))
    )
    thread.start()
    thread.join()
    assert seen[0].solved
