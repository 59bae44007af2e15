"""Every reference solves its exercise, and every property catches the wrong answer that was written for it."""

import json
import linecache
import math
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import special
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from vaecourse import exercises, gaussian_mixture, kl_divergence
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


# The wrong answers. Each is what a learner might write, and the property beside it must catch it.


def a(values):
    return np.asarray(values, dtype=float)


def kl_terms(p, q):
    return special.rel_entr(p, q)


def gaussian(m_p, s_p, m_q, s_q):
    r, d = s_p / s_q, (m_p - m_q) / s_q
    return 0.5 * (r * r + d * d - 1) - math.log(r)


def standard_error(log_p, log_q):
    return float((log_p - log_q).std(ddof=1) / np.sqrt(len(log_p)))


def one_valley(weights, means, sds):
    """Moment matching: the other direction."""
    m = weights @ means
    return m, np.sqrt(weights @ (sds**2 + (means - m) ** 2))


def slerp_with(weights, z0, z1, t, normalise=True):
    n0, n1 = (np.linalg.norm(z0), np.linalg.norm(z1)) if normalise else (1, 1)
    omega = np.arccos(np.clip(z0 @ z1 / (n0 * n1), -1, 1))
    w0, w1 = weights(t, omega)
    return w0 * z0 + w1 * z1


def sines(t, omega):
    return np.sin((1 - t) * omega) / np.sin(omega), np.sin(t * omega) / np.sin(omega)


def pulled_back(z0, z1, t):
    z = (1 - t) * z0 + t * z1
    return z / np.linalg.norm(z) * ((1 - t) * np.linalg.norm(z0) + t * np.linalg.norm(z1))


def straight(z0, z1, n):
    return [(1 - t) * z0 + t * z1 for t in np.linspace(0, 1, n)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bernoulli(x, a):
    return (x * a - np.logaddexp(0, a)).sum()


def kl_vae(m, s):
    return 0.5 * (np.exp(s) - 1 - s + m**2)


def kl_log_sd(m, s):
    return 0.5 * (np.expm1(2 * s) - 2 * s + m**2)


def log_normal(x, means, sds):
    return -0.5 * ((x - means) / sds) ** 2 - np.log(sds) - 0.5 * np.log(2 * np.pi)


def log_joint(x, weights, means, sds):
    return np.log(weights) + log_normal(a(x)[..., None], means, sds)


def shares(log_weighted):
    return special.softmax(log_weighted, axis=-1)


def plain_shares(x, weights, means, sds):
    """From the densities themselves: 0/0 far out."""
    joint = np.exp(log_joint(x, weights, means, sds))
    return joint / joint.sum(axis=-1, keepdims=True)


def maximum(points, r, owned=None, centre=None):
    """The M-step, with another number of owned points, or with sds around another centre."""
    x, n = points[:, None], r.sum(axis=0)
    means = (r * x).sum(axis=0) / (n if owned is None else owned)
    variances = (r * (x - (means if centre is None else centre)) ** 2).sum(axis=0)
    return n / len(points), means, np.sqrt(variances / (n if owned is None else owned))


def decided(r):
    return np.eye(r.shape[1])[r.argmax(axis=1)]


def sweep(points, *mixture):
    return maximum(points, shares(log_joint(points, *mixture)))


def bound(points, weights, means, sds, r, entropy=1):
    return (r * log_joint(points, weights, means, sds) + entropy * special.entr(r)).sum()


def bic(parameters):
    return lambda value, k, d, n: parameters(k, d) * np.log(n) - 2 * value


WRONG = {
    "00/bayes": {
        "one number for each hypothesis, and they sum to 1": lambda prior, likelihood: prior * likelihood,
        "data that every hypothesis explains equally change nothing": lambda prior, like: like / like.sum(),
        "what was impossible stays impossible": lambda prior, like: (prior + like) / (prior + like).sum(),
        "only the ratios of the likelihoods matter": lambda prior, like: (
            (prior + like) / (prior + like).sum()
        ),
        "two pieces of data one after the other, or at once: the same": lambda prior, like: (
            (prior + like) / (prior + like).sum()
        ),
        "agrees with Bayes' rule": lambda prior, like: (w := prior * like**2) / w.sum(),
    },
    "00/monte_carlo_mean": {
        "the first number is the mean": lambda draws: (
            np.median(draws) + 0.1,
            draws.std(ddof=1) / len(draws) ** 0.5,
        ),
        "no error when all draws are equal": lambda d: (
            d.mean(),
            np.sqrt((d**2).sum() / (len(d) - 1) / len(d)),
        ),
        "adding 100 to every draw leaves the error bar as it was": lambda d: (
            d.mean(),
            np.sqrt((d**2).sum() / (len(d) - 1) / len(d)),
        ),
        "four times the draws, half the error bar": lambda draws: (draws.mean(), draws.std(ddof=1)),
        "agrees with s/√n": lambda draws: (draws.mean(), draws.std() / np.sqrt(len(draws))),
    },
    "00/log_product": {
        "certain events change nothing": lambda probabilities: np.log1p(probabilities).sum(),
        "the log of a short product": lambda probabilities: np.log2(probabilities).sum(),
        "survives 10,000 factors": lambda probabilities: np.log(np.prod(probabilities)),
        "−∞ as soon as one factor is 0": lambda values: np.log(np.where(values > 0, values, 1)).sum(),
    },
    "00/log_sum_exp": {
        "a single value comes back unchanged": lambda values: logsumexp(values) + np.log(2),
        "agrees where nothing is extreme": lambda values: values.max(),
        "raising every value by 3 raises the answer by 3": lambda values: np.exp(values).sum(),
        "works at −1000 and at 1000": lambda values: np.log(np.exp(values).sum()),
        "a term that is zero (−∞) takes no part": lambda v: v.max() + np.log(np.exp(v - v.max()).sum()),
    },
    "01/discrete_kl": {
        "zero when p = q": lambda p, q: -(p * np.log(q)).sum(),  # the cross-entropy
        "never negative": lambda p, q: (p * np.log(q / p)).sum(),
        "0·log 0 counts as 0": lambda p, q: (p * np.log(p / q)).sum(),
        "+∞ when q forbids what p allows": lambda p, q: kl_terms(p, q)[(p > 0) & (q > 0)].sum(),
        "the two orders differ": lambda p, q: (kl_terms(p, q) + kl_terms(q, p)).sum() / 2,
        "agrees with the definition, in nats": lambda p, q: kl_terms(p, q).sum() / np.log(2),
    },
    "01/excess_bits": {
        "zero for a code made for p": lambda p, lengths: p @ lengths - special.entr(p).sum(),  # nats
        "a longer word costs what it is used": lambda p, n: n.mean() - special.entr(p).sum() / np.log(2),
        "outcomes that never happen cost nothing": lambda p, lengths: p @ lengths + p @ np.log2(p),
        "agrees with average length − entropy": lambda p, lengths: abs(p @ lengths + p @ np.log2(p)) * 2,
    },
    "01/gaussian_kl": {
        "zero when p = q": lambda m_p, s_p, m_q, s_q: gaussian(m_p, s_p, m_q, s_q) + 0.5,  # the ½ forgotten
        "never negative": lambda m_p, s_p, m_q, s_q: gaussian(m_p, s_p, m_q, s_q) + 2 * math.log(s_p / s_q),
        "only the distance of the means counts": lambda m_p, s_p, m_q, s_q: (
            math.log(s_q / s_p) + (s_p**2 + m_p**2 - m_q**2) / (2 * s_q**2) - 0.5
        ),
        "the two orders differ": lambda m_p, s_p, m_q, s_q: (
            gaussian(m_p, s_p, m_q, s_q) + gaussian(m_q, s_q, m_p, s_p)
        ),
        "the unit does not matter, however small or large": lambda m_p, s_p, m_q, s_q: (
            math.log(s_q / s_p) + (s_p**2 + (m_p - m_q) ** 2) / (2 * s_q**2) - 0.5
        ),
        "agrees with the closed form": lambda m_p, s_p, m_q, s_q: gaussian(m_p, s_p, m_q, s_q) / math.log(2),
    },
    "01/monte_carlo_kl": {
        "zero, without any error, when p = q": lambda log_p, log_q: (
            -log_q.mean(),
            standard_error(log_q, 0 * log_q),
        ),
        "an estimate may be negative": lambda log_p, log_q: (
            abs((log_p - log_q).mean()),
            standard_error(log_p, log_q),
        ),
        "works where the densities themselves are zero to the computer": lambda log_p, log_q: (
            np.log(np.exp(log_p) / np.exp(log_q)).mean(),
            standard_error(log_p, log_q),
        ),
        "the estimate is the mean of log p − log q": lambda log_p, log_q: (
            (np.exp(log_p) * (log_p - log_q)).sum(),
            standard_error(log_p, log_q),
        ),
        "four times the draws, half the error bar": lambda log_p, log_q: (
            (log_p - log_q).mean(),
            (log_p - log_q).std(ddof=1),
        ),
        "agrees with s/√n": lambda log_p, log_q: (
            (log_p - log_q).mean(),
            (log_p - log_q).std() / np.sqrt(len(log_p)),
        ),
    },
    "01/broken_line": {"that line does not follow from the one above it": 1},
    "01/reverse_fit": {
        "it is a Gaussian: a finite m, and sd above zero": lambda weights, means, sds: (means[0], -sds[0]),
        "it sits on one peak, not between them": one_valley,
        "no Gaussian does better by more than 0.01 nats": lambda weights, means, sds: (means[0], sds[0]),
    },
    "02/responsibilities": {
        "k shares, none of them negative, that sum to 1": lambda *given: np.exp(log_joint(*given)),
        "where all components are equally dense, the shares are the weights": lambda x, w, means, sds: shares(
            log_normal(x, means, sds)
        ),
        "at a shared mean, half the sd makes twice the share": lambda x, w, means, sds: shares(
            np.log(w) - 0.5 * ((x - means) / sds) ** 2
        ),
        "far from every mean the shares are still numbers": plain_shares,
        "agrees with Bayes' rule": lambda x, w, means, sds: shares(log_joint(x, w, means, np.sqrt(sds))),
    },
    "02/m_step": {
        "the weights are shares of all points": lambda points, r: (
            r.sum(axis=0),
            *maximum(points, r)[1:],
        ),
        "with shares of 0 and 1, the mean and the sd of each group": lambda points, r: maximum(
            points, r, owned=len(points)
        ),
        "with the same shares in every point, the mean and the sd of all points": lambda points, r: maximum(
            points, decided(r)
        ),
        "points ten times as far apart, sds ten times as large": lambda points, r: (
            (found := maximum(points, r))[0],
            found[1],
            found[2] ** 2,
        ),
        "points that lie 100 million further right have the same sds": lambda points, r: (
            (found := maximum(points, r))[0],
            found[1],
            np.sqrt(r.T @ points**2 / r.sum(axis=0) - found[1] ** 2),
        ),
        "agrees with the weighted mean and the weighted sd": lambda points, r: maximum(
            points, r, centre=points.mean()
        ),
    },
    "02/bound": {
        "touches the log-likelihood when the shares are the responsibilities": lambda *given: bound(
            *given, entropy=0
        ),
        "with any other shares it lies below": lambda points, w, means, sds, r: bound(
            points, np.ones(len(w)), means, sds, r
        ),
        "0·log 0 counts as 0": lambda points, w, means, sds, r: (
            r * (log_joint(points, w, means, sds) - np.log(r))
        ).sum(),
        "a far point costs a lot, but not infinitely much": lambda points, w, means, sds, r: (
            r * np.log(np.exp(log_joint(points, w, means, sds))) + special.entr(r)
        ).sum(),
        "the points add up": lambda points, *rest: bound(points, *rest) / len(points),
        "agrees with the definition, in nats": lambda *given: bound(*given) / np.log(2),
    },
    "02/bic": {
        "one nat more of log-likelihood, a BIC smaller by 2": lambda value, k, d, n: (
            value - (3 * k - 1) / 2 * np.log(n)
        ),
        "one Gaussian on a line has two parameters": bic(lambda k, d: k + k * d + k * d * (d + 1) / 2),
        "each further component on a line brings three more": bic(lambda k, d: k * (d + d * (d + 1) / 2)),
        "a covariance is symmetric": bic(lambda k, d: k - 1 + k * d + k * d * d),
        "n² points, twice the price of the parameters": lambda value, k, d, n: (
            2 * (k - 1 + k * d + k * d * (d + 1) / 2) - 2 * value
        ),
        "agrees everywhere": bic(lambda k, d: k - 1 + d + k * d * (d + 1) / 2),
    },
    "02/em_sweep": {
        "with one component: the mean and the sd of the points, from any start": lambda points, *mixture: (
            *sweep(points, *mixture)[:2],
            mixture[2],
        ),
        "the likelihood never falls": lambda points, *mixture: (
            (found := sweep(points, *mixture))[0],
            found[1],
            found[2] ** 2,
        ),
        "twins stay twins": lambda points, *mixture: maximum(
            points, decided(shares(log_joint(points, *mixture)))
        ),
        "works from a start 1000 standard deviations away": lambda points, *mixture: maximum(
            points, plain_shares(points, *mixture)
        ),
        "a component without a share keeps its place": sweep,
        "agrees with one E-step and one M-step": lambda points, *mixture: sweep(
            points, *sweep(points, *mixture)
        ),
    },
    "09/kl_term": {
        "zero when the code is N(0, 1) itself": lambda m, s: 0.5 * (np.exp(s) - s + m**2).sum(),
        "never negative": lambda m, s: -kl_vae(m, s).sum(),
        "the coordinates add up": lambda m, s: kl_vae(m, s).mean(),
        "with s = 0 only the means pay, and a doubled mean pays four times": lambda m, s: (
            2 * kl_vae(m, s).sum()
        ),
        "s is the log of the variance": lambda m, s: kl_log_sd(m, s).sum(),
        "agrees with the KL of two Gaussians": lambda m, s: kl_vae(m, np.abs(s)).sum(),
    },
    "09/sample_code": {
        "one number for each coordinate": lambda m, s, e: [(m + np.exp(s / 2) * e).sum()],
        "without noise the code is m": lambda m, s, e: np.exp(s / 2) * (m + e),
        "the same noise gives the same code": lambda m, s, e: (
            m + np.exp(s / 2) * np.random.default_rng().normal(size=len(m))
        ),
        "opposite noise lands as far on the other side of m": lambda m, s, e: m + np.exp(s / 2) * np.abs(e),
        "the noise is scaled by the standard deviation, and s is the log of the variance": lambda m, s, e: (
            m + np.exp(s) * e
        ),
        "agrees everywhere": lambda m, s, e: m + s * e,
    },
    "09/bernoulli_log_likelihood": {
        "never positive": lambda x, logits: -bernoulli(x, logits),
        "the pixels add up": lambda x, logits: bernoulli(x, logits) / len(x),
        "a surer right answer is more likely, a surer wrong one less": lambda x, logits: bernoulli(
            1 - x, logits
        ),
        "a picture and its negative are alike": lambda x, logits: (x * np.log(sigmoid(logits))).sum(),
        "finite for logits of ±1000": lambda x, logits: (
            x * np.log(sigmoid(logits)) + (1 - x) * np.log(1 - sigmoid(logits))
        ).sum(),
        "agrees with the formula": lambda x, logits: bernoulli(x, logits) / np.log(2),
    },
    "09/which_pair": {"the second formula is the KL of the first one's code": 1},
    "09/kl_term_log_sd": {
        "zero when the code is N(0, 1) itself": lambda m, s: 0.5 * (np.exp(2 * s) - 2 * s + m**2).sum(),
        "never negative": lambda m, s: 0.5 * (np.exp(s) - 1 - 2 * s + m**2).sum(),
        "the coordinates add up": lambda m, s: kl_log_sd(m, s).mean(),
        "agrees with the KL of two Gaussians": lambda m, s: 0.5 * (np.expm1(s) - s + m**2).sum(),
        "keeps its digits near s = 0": lambda m, s: 0.5 * (np.exp(2 * s) - 1 - 2 * s + m**2).sum(),
    },
    "10/interpolate": {
        "n codes, each as long as z0": lambda z0, z1, n: straight(z0, z1, n + 1),
        "starts at z0": lambda z0, z1, n: straight(z0, z1, n + 1)[1:],
        "ends at z1": lambda z0, z1, n: straight(z0, z1, n + 1)[:-1],
        "every step is the same": lambda z0, z1, n: [
            (1 - t) * z0 + t * z1 for t in np.sin(np.linspace(0, np.pi / 2, n))
        ],
    },
    "10/quantile_points": {
        "n finite numbers": lambda n: special.ndtri(np.linspace(0, 1, n)),
        "from left to right": lambda n: special.ndtri((np.arange(n) + 0.5) / n)[::-1],
        "as many on the left as on the right": lambda n: special.ndtri((np.arange(n) + 1) / (n + 1) * 0.9),
        "the same probability between neighbours": lambda n: np.linspace(-2, 2, n) if n > 1 else [0.0],
        "each in the middle of its piece": lambda n: special.ndtri((np.arange(n) + 1) / (n + 1)),
    },
    "10/nearest_distance": {
        "zero for a point that is in the data": lambda point, data: np.linalg.norm(
            data - point, axis=1
        ).max(),
        "for a single row it is the distance to that row": lambda point, data: (
            np.abs(data - point).sum(axis=1).min()
        ),
        "the order of the rows does not matter": lambda point, data: np.linalg.norm(data[0] - point),
        "more data can only bring it nearer": lambda point, data: np.linalg.norm(data - point, axis=1).mean(),
        "agrees everywhere": lambda point, data: (np.linalg.norm(data - point, axis=1) ** 2).min(),
    },
    "10/slerp": {
        "starts at z0 and ends at z1": lambda z0, z1, t: slerp_with(sines, z1, z0, t),
        "between two codes of the same length the length stays": lambda z0, z1, t: (1 - t) * z0 + t * z1,
        "equal shares of the way are equal angles": pulled_back,
        "the angle does not depend on the lengths": lambda z0, z1, t: slerp_with(
            sines, z0, z1, t, normalise=False
        ),
        "same direction: the straight line, not nan": lambda z0, z1, t: slerp_with(sines, z0, z1, t),
    },
}


@pytest.mark.parametrize(
    ("name", "caught"), [(name, p.name) for name, e in ALL.items() for p in e.properties]
)
def test_each_property_catches_a_wrong_answer(name, caught):
    report = judged(ALL[name], WRONG[name][caught])
    assert caught in failed(report)
    assert not report.solved and report.points < ALL[name].points


@pytest.mark.parametrize("name", [n for n in ALL if n not in ("01/broken_line", "09/which_pair")])
def test_no_wrong_answer_is_kept_that_no_property_catches(name):
    assert set(WRONG[name]) == {p.name for p in ALL[name].properties}


@pytest.mark.parametrize("name", [n for n, e in FUNCTIONS.items() if n != "10/quantile_points"])
def test_writing_into_an_argument_is_noticed(name):
    exercise = ALL[name]

    def clumsy(*arguments):
        answer = exercise.reference(*[np.array(v) for v in arguments])
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                argument += 1
        return answer

    report = judged(exercise, clumsy)
    if name in ("01/gaussian_kl", "02/bic"):  # numbers only: there is nothing to write into
        assert report.solved
    else:
        assert failed(report) == {core.UNCHANGED.name}
        assert "changed its argument" in words.text(report)


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
        for call, output in zip(result.case, result.outcome.outputs, strict=False):
            told = words.counterexample(report, result)
            expected = words.show(exercise.reference(*[list(v) if isinstance(v, tuple) else v for v in call]))
            given = words.show([list(c) for c in result.case])
            if len(expected) > 4 and expected != words.show(output) and expected not in given:
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
"""


@pytest.mark.parametrize("name", re.findall(r"def (\w+)", FORBIDDEN))
def test_a_packaged_answer_is_refused(cell, name):
    report = graded("01/discrete_kl", cell(FORBIDDEN)[name])
    assert "which already is the answer" in report.refusal and not report.results


@pytest.mark.parametrize("name", ["own_names", "of_own_object", "categorical"])
def test_the_learners_own_functions_may_have_any_name(cell, name):
    assert not graded("01/discrete_kl", cell(ALLOWED)[name]).refusal


def test_the_quick_reverse_fit_agrees_with_the_packaged_one():
    for mixture in ([0.5, 0.5], [-3.0, 3.0], [1.0, 1.0]), ([0.7, 0.3], [0.0, 5.0], [0.5, 1.0]):
        quick, packaged = ALL["01/reverse_fit"].reference(*mixture), kl_divergence.reverse_fit(*mixture)
        np.testing.assert_allclose(sorted(map(abs, quick)), sorted(map(abs, packaged[:2])), atol=1e-3)


def test_the_sweep_and_the_bic_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    points = rng.normal([[-2.0, 0.0], [2.0, 1.0], [0.0, 4.0]], 1.0, (40, 3, 2)).reshape(-1, 2)
    weights, means, sds = [0.2, 0.5, 0.3], [-1.0, 0.0, 3.0], [1.0, 2.0, 0.5]
    peer = GaussianMixture(
        3,
        max_iter=1,
        reg_covar=0,
        weights_init=weights,
        means_init=np.array(means)[:, None],
        precisions_init=1 / np.array(sds)[:, None, None] ** 2,
    )
    with pytest.warns(ConvergenceWarning):
        peer.fit(points[:, :1])
    found = [peer.weights_, peer.means_.ravel(), np.sqrt(peer.covariances_.ravel())]
    ours = ALL["02/em_sweep"].reference(points[:, 0], weights, means, sds)
    np.testing.assert_allclose(ours, found, rtol=1e-10)
    plane = GaussianMixture(3, random_state=0).fit(points)
    value = plane.score_samples(points).sum()
    np.testing.assert_allclose(ALL["02/bic"].reference(value, 3, 2, len(points)), plane.bic(points))


def test_the_mixture_on_a_line_agrees_with_the_package():
    def ours(name, *given):
        return ALL[f"02/{name}"].reference(*given)

    rng = np.random.default_rng(1)
    points = rng.normal(0, 3, 40)
    line = rng.dirichlet([2, 2, 2]), rng.normal(0, 3, 3), rng.uniform(0.5, 2, 3)
    mixture = gaussian_mixture.Mixture(line[0], line[1][:, None], line[2][:, None] ** 2)
    r = gaussian_mixture.responsibilities(mixture, points)
    np.testing.assert_allclose([ours("responsibilities", x, *line) for x in points], r, rtol=1e-9, atol=1e-15)
    other = rng.dirichlet([1, 1, 1], len(points))
    np.testing.assert_allclose(
        ours("bound", points, *line, other), gaussian_mixture.bound(mixture, other, points)
    )
    new = gaussian_mixture.m_step(points, r, reg=0, diagonal=True)
    found = [new.weights, new.means[:, 0], np.sqrt(new.covariances[:, 0])]
    np.testing.assert_allclose(ours("m_step", points, r), found, rtol=1e-9)
    np.testing.assert_allclose(ours("em_sweep", points, *line), found, rtol=1e-9)
    plane = rng.normal(0, 1, (50, 2))
    fitted = gaussian_mixture.Mixture([0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]], [np.eye(2), 2 * np.eye(2)])
    value = gaussian_mixture.log_likelihood(fitted, plane)
    np.testing.assert_allclose(ours("bic", value, 2, 2, 50), gaussian_mixture.bic(fitted, plane))


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
