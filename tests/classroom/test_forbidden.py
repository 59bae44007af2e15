"""The look at a submission's code finds what a function leans on, however it is named, and accuses nobody else."""

import argparse
import ast
import dataclasses
import inspect
import json
import statistics
import textwrap
import time
import unittest.mock

import numpy as np
import pytest

from vaecourse.classroom import forbidden
from vaecourse.classroom.forbidden import uses
from vaecourse.classroom.reading import defined, parsed, untouched
from vaecourse.exercises import answer

NAMES = ("vaecourse.kl_divergence", "scipy.stats", "scipy.special.rel_entr")
HONEST = "import numpy as np\ndef f(p, q):\n    return float((p * np.log(p / q)).sum())"


def used(*cells, stopped=None):
    return uses(cells, "f", NAMES, stopped)


GUILTY = {
    "directly": ["import scipy.stats", "def f(p, q):\n    return scipy.stats.entropy(p, q)"],
    "by another name": ["import scipy.stats as s", "def f(p, q):\n    return s.entropy(p, q)"],
    "from": ["from scipy import stats", "def f(p, q):\n    return stats.entropy(p, q)"],
    "from as": ["from scipy.special import rel_entr as r", "def f(p, q):\n    return r(p, q).sum()"],
    "star": ["from scipy.special import *", "def f(p, q):\n    return rel_entr(p, q).sum()"],
    "star of a hidden module": ["from scipy.stats import *", "def f(p, q):\n    return entropy(p, q)"],
    "imported later": ["def f(p, q):\n    return s.entropy(p, q)", "import scipy.stats as s"],
    "imported inside": ["def f(p, q):\n    from scipy.stats import entropy\n    return entropy(p, q)"],
    "under a try": [
        "try:\n    from scipy.stats import entropy\nexcept ImportError:\n    entropy = None",
        "def f(p, q): return entropy(p, q)",
    ],
    "an alias": ["import scipy\nkl = scipy.stats.entropy", "def f(p, q): return kl(p, q)"],
    "an alias of an alias": ["import scipy\nx = scipy\ny = x.special", "def f(p, q): return y.rel_entr(p, q)"],
    "the alias alone": ["from scipy.stats import entropy as f"],
    "assigned": ["import scipy.stats", "f = scipy.stats.entropy"],
    "a pair": ["import scipy\na, b = 1, scipy.special.rel_entr", "def f(p, q): return b(p, q).sum()"],
    "a walrus": ["import scipy\nprint(b := scipy.special.rel_entr)", "def f(p, q): return b(p, q).sum()"],
    "in a loop": ["import scipy\nfor b in [scipy.special.rel_entr]: pass", "def f(p, q): return b(p, q)"],
    "an alias inside": ["import scipy", "def f(p, q):\n    s = scipy\n    t = s.special\n    return t.rel_entr(p, q)"],
    "a lambda": ["import scipy.stats", "f = lambda p, q: scipy.stats.entropy(p, q)"],
    "a helper": [
        "import scipy.stats",
        "def g(p, q): return scipy.stats.entropy(p, q)",
        "def h(p, q): return g(p, q)",
        "def f(p, q): return h(p, q)",
    ],
    "a helper that comes later": [
        "def f(p, q): return g(p, q)",
        "from scipy.stats import entropy",
        "g = lambda p, q: entropy(p, q)",
    ],
    "a nested function": ["import scipy", "def f(p, q):\n    def g(): return scipy.stats.entropy(p, q)\n    return g()"],
    "a comprehension": ["import scipy", "def f(p, q): return sum(scipy.special.rel_entr(a, b) for a, b in zip(p, q))"],
    "a decorator": [
        "import scipy.stats",
        "def instead(g):\n    return lambda p, q: scipy.stats.entropy(p, q)",
        "@instead\ndef f(p, q): return 0.0",
    ],
    "wrapped": ["import functools, scipy", "f = functools.partial(scipy.stats.entropy)"],
    "a default value": ["import scipy", "def f(p, q, kl=scipy.special.rel_entr): return kl(p, q).sum()"],
    "a default that is a module": ["import scipy.special as s", "def f(p, q, s=s): return s.rel_entr(p, q).sum()"],
    "a class": [
        "import scipy",
        "class A:\n    def kl(self, p, q): return scipy.special.rel_entr(p, q)",
        "a = A()",
        "def f(p, q): return a.kl(p, q)",
    ],
    "a class is the function": ["import scipy", "class f:\n    def __new__(c, p, q): return scipy.special.rel_entr(p, q)"],
    "a name of the class does not hide it": [
        "from scipy.special import rel_entr as r",
        "class A:\n    r = 1\n    def go(self, p, q): return r(p, q)",
        "def f(p, q): return A().go(p, q)",
    ],
    "given back by a helper": ["import scipy", "def s(): return scipy.special", "def f(p, q): return s().rel_entr(p, q)"],
    "made by a helper": [
        "import scipy",
        "def make():\n    s = scipy.special\n    def g(p, q): return s.rel_entr(p, q)\n    return g",
        "f = make()",
    ],
    "kept in a table": ["import scipy\nt = {}\nt['kl'] = scipy.special.rel_entr", "def f(p, q): return t['kl'](p, q)"],
    "from a list": ["import scipy\nt = [scipy.special]", "def f(p, q): return t[0].rel_entr(p, q)"],
    "hung on a module": ["import math, scipy\nmath.kl = scipy.special.rel_entr", "def f(p, q): return math.kl(p, q)"],
    "hung on by setattr": ["import math, scipy\nsetattr(math, 'kl', scipy.special.rel_entr)", "def f(p, q): return math.kl(p, q)"],
    "put in afterwards": [HONEST, "import scipy\ng = lambda p, q: scipy.special.rel_entr(p, q)\nf.__code__ = g.__code__"],
    "made global": ["import scipy\ndef g():\n    global kl\n    kl = scipy.special.rel_entr", "g()", "def f(p, q): return kl(p, q)"],
    "getattr": ["import scipy", "def f(p, q): return getattr(scipy.special, 'rel_entr')(p, q)"],
    "import_module": ["import importlib as i\ns = i.import_module('scipy.stats')", "def f(p, q): return s.entropy(p, q)"],
    "__import__": ["def f(p, q): return __import__('scipy').special.rel_entr(p, q)"],
    "private home": ["from scipy.special import _ufuncs as u", "def f(p, q): return u.rel_entr(p, q)"],
    "an otherwise honest one below if": ["import scipy\ndef f(p, q): return scipy.special.rel_entr(p, q)", "if False:\n    " + HONEST.replace("\n", "\n    ")],
    "in a timed cell": ["import scipy", "%%time\ndef f(p, q): return scipy.special.rel_entr(p, q)"],
    "far above a file": ["import scipy\ndef f(p, q): return scipy.special.rel_entr(p, q)", "%%writefile x.py\n" + HONEST + "\n# ..." * 2000],
    "in a long timed cell": ["import scipy", "%%time\n" + "# ...\n" * 2000 + "def f(p, q): return scipy.special.rel_entr(p, q)"],
    "in letters of another width": ["from scipy.special import ｒel_entr as ｒ", "def f(p, q): return r(p, q)"],
    "in a timed line": ["import scipy", "%time kl = scipy.special.rel_entr", "def f(p, q): return kl(p, q)"],
    "written to a file, not defined": [
        "import scipy\ndef f(p, q): return scipy.special.rel_entr(p, q)",
        "%%writefile other.py\n" + HONEST,
    ],
    "between magics": ["%matplotlib inline\nimport scipy\n!ls\nfiles = !ls", "def f(p, q):\n    !echo\n    return scipy.special.rel_entr(p, q)"],
    "awaited": ["import asyncio, scipy\nawait asyncio.sleep(0)\nkl = scipy.special.rel_entr", "def f(p, q): return kl(p, q)"],
    "the packaged answer": ["from vaecourse import kl_divergence as k", "def f(p, q): return k.categorical(p, q)"],
    "in front of a long sum": ["import scipy", "def f(p, q): return scipy.special.rel_entr(p, q)" + " + 0" * 900],
    "matched": ["import scipy", "def f(p, q):\n    match scipy.special:\n        case s: return s.rel_entr(p, q)"],
    "with": ["import scipy, contextlib", "with contextlib.nullcontext(scipy.special) as s: pass", "def f(p, q): return s.rel_entr(p, q)"],
}  # fmt: skip

INNOCENT = {
    "honest": [HONEST],
    "not there": ["import scipy.stats"],
    "imported, not used": ["import scipy.stats\nfrom scipy.special import rel_entr", HONEST],
    "used to compare": [HONEST, "import scipy.stats\nassert np.isclose(f(a, b), scipy.stats.entropy(a, b))"],
    "in a comment": ["import scipy", HONEST + "  # scipy.stats.entropy, scipy.special.rel_entr"],
    "in a string": ["def f(p, q):\n    'Like scipy.stats.entropy and rel_entr.'\n    return 'scipy.stats'"],
    "in Markdown": ["%%markdown\nscipy.stats.entropy", HONEST],
    "another function": ["import scipy", "def g(p, q): return scipy.stats.entropy(p, q)", HONEST],
    "redefined": ["import scipy\ndef f(p, q): return scipy.stats.entropy(p, q)", HONEST],
    "helper redefined": [
        "import scipy",
        "def g(p, q): return scipy.stats.entropy(p, q)",
        "def f(p, q): return g(p, q)",
        "def g(p, q): return p @ q",
    ],
    "a parameter of that name": ["from scipy.stats import entropy", "def f(entropy, q): return entropy @ q"],
    "a local of that name": ["from scipy import stats", "def f(p, q):\n    stats = p - q\n    return stats.sum()"],
    "a loop variable of that name": ["from scipy import stats", "def f(p, q): return sum(stats for stats in p)"],
    "an own function of that name": ["def rel_entr(p, q): return p * q", "def f(p, q): return rel_entr(p, q)"],
    "a method of that name": ["class Code:\n    def entropy(self): return 1.0", "def f(p, q): return Code().entropy()"],
    "a local of that name in a lambda": ["from scipy import stats", "def f(p, q):\n    stats = p\n    g = lambda i: stats[i]\n    return g(0)"],
    "a local of that name in a list": ["from scipy import stats", "def f(p, q):\n    stats = p\n    return sum([stats[i] for i in q])"],
    "another part of the library": ["from scipy import special", "def f(p, q): return special.xlogy(p, p / q).sum()"],
    "star of something else": ["from numpy import *", "def f(p, q): return sum(p * log(p / q))"],
    "another function of that name": ["import mine", "def f(p, q): return mine.rel_entr(p, q)"],
    "does not parse": ["import scipy\ndef f(p, q): return scipy.stats.entropy(p, q", HONEST],
    "deep, but honest": ["def f(p, q): return p @ q" + " + 0" * 900],
    "deeper": ["def f(p, q): return p @ q" + " + 0" * 9000],
    "recursive": ["def f(p, q): return f(p[1:], q) if len(p) else g(q, p)", "def g(p, q): return f(p, q)"],
    "a pair beside it": ["import scipy\nkl, n = scipy.stats.entropy([1], [1]), 3", "def f(p, q): return n"],
    "null bytes": ["\0", HONEST],
    "an odd escape": ["a = '\\d'", HONEST],
    "nothing": [""],
}  # fmt: skip


@pytest.mark.parametrize("how", GUILTY)
def test_a_use_is_found(how):
    assert used(*GUILTY[how]) in NAMES


@pytest.mark.parametrize("how", INNOCENT)
def test_nobody_is_accused_for_nothing(how):
    assert used(*INNOCENT[how]) == ""


def test_the_name_that_is_reported_is_the_exercises_own():
    assert used(*GUILTY["by another name"]) == "scipy.stats"
    assert used(*GUILTY["given back by a helper"]) == "scipy.special.rel_entr"
    assert uses(["import scipy.stats as s\ndef f(): return s.entropy"], "f", ()) == ""


def test_a_cell_that_was_stopped_may_not_have_come_to_its_definition():
    cells = ["import scipy\ndef f(p, q): return scipy.stats.entropy(p, q)", "1 / 0\n" + HONEST]
    assert used(*cells) == "" == used(*cells, stopped=())
    assert used(*cells, stopped=[1]) == "scipy.stats"


def test_what_ran_there_and_cannot_be_read_here_is_suspected_by_its_words():
    """A submission may lift Python's limit on the digits of a number for its own process, not for ours."""
    digits = "import scipy\ndef f(p, q): return scipy.stats.entropy(p, q)\nx = " + "9" * 5000
    assert parsed(digits) is None
    assert used(digits, stopped=[0]) == ""  # it did not run there either
    assert used(digits, stopped=[]) == "scipy.stats"
    assert used("x = " + "9" * 5000, HONEST, stopped=[]) == ""


@pytest.mark.parametrize(
    "how", ["directly", "a lambda", "from as", "imported inside", "a helper", "an alias inside"]
)
def test_the_live_look_and_this_one_agree(how, tmp_path):
    """In a lesson the function itself is at hand; here only its text is."""
    path = tmp_path / "cells.py"
    path.write_text("\n".join(GUILTY[how]) + "\n", encoding="utf-8")
    names: dict = {"__name__": "__main__"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    if how != "an alias inside":  # which only this one follows
        assert answer.forbidden(names["f"], NAMES)
    assert used(*GUILTY[how]) in NAMES


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["def f(p, q):\n    ..."], True),
        (["def f(p, q):\n    'Words.'\n    ..."], True),
        (["def f(p, q):\n    n = len(p)\n    return ..."], True),
        (["def f(p, q): raise NotImplementedError"], True),
        (["f = ..."], True),
        (["f = None"], True),
        (["def g(): return 1"], True),
        (["def f(p, q: "], True),
        (["def f(p, q):\n    ...", HONEST], False),
        ([HONEST], False),
        (["f = 3"], False),
        (["def f(p): return p[..., 0]"], False),
        (["class f: ..."], False),
    ],
)
def test_an_untouched_function_is_told_from_one_that_was_begun(cells, expected):
    assert untouched(cells, "f") is expected


def test_where_a_function_is_defined():
    assert defined(["import os", HONEST, "!ls", "f = 3", "f(1)", "def f("], "f") == [1, 3]


def test_a_large_notebook_is_looked_at_in_no_time():
    many = [
        f"def h{i}(p, q):\n    a = h{i + 1}(p, q)\n    b = h{i + 1}(q, p)\n    return a + b"
        for i in range(200)
    ]
    last = "import scipy\ndef h200(p, q): return scipy.special.rel_entr(p, q)"
    assert used(*many, last, "def f(p, q): return h0(p, q)") == "scipy.special.rel_entr"
    assert np.all([used(*many, "def f(p, q): return h0(p, q)") == ""])


TANGLED = {
    "longer and longer names": ["import scipy", "def f(p):\n  m = scipy\n  while p:\n    m = m.a\n    m = m.b or m.c\n  return m"],
    "ever more functions": [
        *(f"def f{i or ''}(p): return [f{i + 1}(p).a, f{i + 1}(p).b]" for i in range(60)),
        "def f60(p): return scipy",
    ],
    "a thousand calls of a long function": [
        "def f(p):\n" + "\n".join(f"    a{i} = g(a{i - 1})" for i in range(1000)) + "\n    return a1",
        "\n".join(f"x{i} = f()" for i in range(1000)),
    ],
    "hundreds of magics": ["!ls\n" * 2000 + "a = 1\n" * 5000, "!ls\n" * 600],
    "open brackets": ["(" * 100_000, "f(" * 150, "x = " + "[" * 190],
    "a long chain": ["a." * 50_000 + "b", "def f(p): return " + "a." * 900 + "b"],
}  # fmt: skip


@pytest.mark.parametrize("how", TANGLED)
def test_no_code_keeps_the_reader_long_or_stops_it(how):
    began = time.process_time()
    assert used(*TANGLED[how], "# rel_entr", stopped=[]) in (
        "",
        "scipy.special.rel_entr",
    )  # a mention may be enough
    untouched(TANGLED[how], "f")
    assert time.process_time() - began < 10


def test_pages_of_data_are_no_tangle():
    data = "x = [" + "1.5, " * 50_000 + "]"
    assert used(data, "# scipy.stats", HONEST) == ""


@pytest.mark.parametrize(
    "module", [ast, argparse, dataclasses, inspect, json.decoder, statistics, textwrap, unittest.mock]
)
def test_every_kind_of_code_can_be_read(module):
    """Files that were not written for this: no step of the reading stops at any of their statements."""
    notebook = forbidden._Notebook([inspect.getsource(module)], NAMES, ())
    assert all(
        name in notebook.bound
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    )
    for name in list(notebook.bound)[:40]:
        notebook.steps = 0
        assert notebook.search(name) == ""
