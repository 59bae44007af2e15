"""Attacks on points: whatever they change in their own kernel, only what comes back is judged, and judged elsewhere."""

from vaecourse.classroom import records

from . import MINUS_ONE, NOTHING, Hostile

WRONG = {"spread": MINUS_ONE}


def _returns(
    name: str, tries: str, expression: str, earned: tuple = NOTHING, before: str = "", **more
) -> Hostile:
    """`spread` gives back this."""
    spread = f"def spread(x):\n    return {expression}"
    return Hostile(
        name, tries, {"spread": spread}, (before,) if before else (), earned={"spread": earned, **more}
    )


def _worth_a_hundred(notebook):
    for cell in notebook["cells"]:
        about = cell["metadata"].get("nbgrader", {})
        about.update({"points": 100} if "points" in about else {})
        about.update({"grade": False, "locked": False} if cell["cell_type"] == "code" else {})
    notebook["metadata"]["vaecourse"]["points"] = 1000
    return notebook


def _other_kernel(notebook):
    argv = ["/bin/sh", "-c", "touch /tmp/planted-kernel; exit 1"]
    notebook["metadata"]["kernelspec"] = {
        "name": "bash",
        "display_name": "Bash",
        "language": "bash",
        "argv": argv,
    }
    notebook["metadata"]["language_info"] = {"name": "bash"}
    return notebook


def _without_checks(notebook):
    kept = (
        c
        for c in notebook["cells"]
        if not c["metadata"].get("nbgrader", {}).get("grade_id", "").startswith("check")
    )
    return {**notebook, "cells": list(kept)}


def _painted(notebook):
    """Outputs that look as if everything had been passed, written by hand into the file."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            text = "7 of 7 points, solved.\n<scr" + "ipt>planted()</script>"
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
            cell["execution_count"] = 1
    return notebook


SUBMISSIONS = (
    Hostile(
        "strips asserts",
        "an AST transformer takes every assert out of the cells that run after it",
        WRONG,
        (
            """
import ast
class Strip(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
get_ipython().ast_transformers.append(Strip())
""",
        ),
        earned={"spread": NOTHING},
    ),
    Hostile(
        "patched testing",
        "every comparison that a test could use says yes",
        WRONG,
        (
            """
import math
import numpy as np
yes = lambda *a, **k: True
for name in ("isclose", "allclose", "array_equal", "array_equiv", "equal"):
    setattr(np, name, yes)
for name in dir(np.testing):
    if name.startswith("assert"):
        setattr(np.testing, name, yes)
math.isclose = yes
import builtins
builtins.all = builtins.any = yes
""",
        ),
        earned={"spread": NOTHING},
    ),
    Hostile(
        "patched numpy",
        "what makes arrays of the inputs, and numbers of the answers, makes something else",
        after=(
            """
import numpy as np
np.array = lambda a, *more, **named: list(a)
np.array_equal = np.isfinite = lambda *a, **k: True
""",
        ),
    ),
    Hostile(
        "another main module",
        "what is asked is not what is read: another module takes the name of the notebook",
        WRONG,
        after=(
            """
import sys, types
other = types.ModuleType("__main__")
other.__dict__.update(globals())
other.spread = lambda x: 0.0
sys.modules["__main__"] = other
""",
        ),
        earned={"spread": (records.FAILED, 2)},  # as if zero stood in the notebook itself, and no more
    ),
    Hostile(
        "patched check",
        "the check function of the course is replaced by one that is always content",
        WRONG,
        (
            """
import sys, types
import vaecourse.lesson
check = vaecourse.lesson.check = lambda *a, **k: print("solved, 100 of 100 points")
for name in ("vaecourse.exercises", "vaecourse.exercises.core", "vaecourse.classroom", "vaecourse.classroom.grading"):
    sys.modules[name] = types.SimpleNamespace(grade=check, verdict=check, judge=check)
""",
        ),
        earned={"spread": NOTHING},
    ),
    Hostile(
        "patched json",
        "whatever would write an answer down writes another one",
        WRONG,
        (
            """
import json, json.encoder, pickle
zero = lambda *a, **k: "0.0"
json.dumps = json.JSONEncoder.encode = json.encoder.JSONEncoder.iterencode = zero
json.encoder.c_make_encoder = None
json.encoder.FLOAT_REPR = float.__repr__
pickle.dumps = lambda *a, **k: b"0"
""",
        ),
        earned={"spread": NOTHING},
    ),
    Hostile(
        "lying object",
        "an answer that is equal to everything",
        {
            "spread": """
class Liar:
    __eq__ = __ge__ = __le__ = __gt__ = __lt__ = lambda self, other: True
    __float__ = lambda self: 0.0
    __sub__ = __rsub__ = __abs__ = lambda self, *other: self
    __array__ = lambda self, *a, **k: np.zeros(())
    __hash__ = lambda self: 0
def spread(x):
    return Liar()
"""
        },
        earned={"spread": NOTHING},
    ),
    Hostile(
        "lying float",
        "a kind of float that writes itself down as another number",
        {
            "spread": """
class Liar(float):
    __eq__ = __ge__ = __le__ = lambda self, other: True
    __repr__ = __str__ = lambda self: "0.0"
    __hash__ = float.__hash__
    __format__ = lambda self, spec: "0.0"
def spread(x):
    return Liar(-1.0)
"""
        },
        earned={"spread": NOTHING},
    ),
    Hostile(
        "lying array",
        "a kind of array that is whatever it is compared with",
        {
            "spread": """
class Liar(np.ndarray):
    __array_priority__ = 1e9
    __eq__ = __ge__ = __le__ = lambda self, other: True
    def __array_ufunc__(self, *a, **k): return True
    def __array_function__(self, *a, **k): return True
def spread(x):
    return np.array(-1.0).view(Liar)
"""
        },
        earned={"spread": NOTHING},
    ),
    Hostile(
        "pickle",
        "an answer that runs code where it is unpickled",
        {
            "spread": """
import os
class Pickled:
    def __reduce__(self): return os.system, ("touch /tmp/planted-pickle @HOME@/planted-pickle",)
    def tolist(self): return Pickled()
def spread(x):
    return Pickled()
"""
        },
        earned={"spread": NOTHING},
    ),
    _returns(
        "NaN everywhere",
        "every comparison with NaN is false; so is every check that asks wrongly",
        "float('nan')",
    ),
    _returns(
        "infinite",
        "larger than any bound: never negative, as asked, and nothing else",
        "float('inf')",
        (records.FAILED, 1),
    ),
    _returns("text", "the right number as text", "str(np.mean((x - x.mean()) ** 2))"),
    _returns("bytes", "the right number as bytes", "str(np.mean((x - x.mean()) ** 2)).encode()"),
    _returns("truth", "True is 1, False is 0", "False"),
    _returns("generator", "an answer that never ends", "iter(int, 1)"),
    _returns("itself", "a list that contains itself", "deep", before="deep = []\ndeep.append(deep)"),
    _returns(
        "deep",
        "a list nested deeper than a reader can go",
        "deep",
        before="deep = []\nfor _ in range(100_000): deep = [deep]",
    ),
    _returns(
        "huge integer",
        "an integer with more digits than can be read: never negative, as asked, and nothing else",
        "10 ** 50_000",
        (records.FAILED, 1),
    ),
    _returns("complex", "a number that cannot be compared", "complex(0, 0)"),
    _returns("function", "a function in place of a number", "lambda: 0.0"),
    _returns("exec", "text that is code somewhere", "\"__import__('os').system('touch /tmp/planted-exec')\""),
    Hostile(
        "infinite integers",
        "numbers too large for a float where whole numbers are counted",
        {"centred": "def centred(x):\n    return [10 ** 400 - 10 ** 400 * (i % 2) for i in range(len(x))]"},
        earned={"centred": (records.FAILED, 1), "spread": NOTHING},
    ),
    Hostile(
        "only the visible ones",
        "a table of what is known beforehand, and zero for all else",
        {
            "spread": """
table = {(2.0, 2.0): 0.0, (0.0, 0.0, 0.0): 0.0, (1.0, 3.0): 1.0}
def spread(x):
    return table.get(tuple(x), 0.0)
"""
        },
        earned={"spread": (records.FAILED, 2)},
    ),
    Hostile(
        "only the first time",
        "right when it is called first, and never after",
        {
            "spread": """
calls = []
def spread(x):
    calls.append(1)
    return float(np.mean((x - x.mean()) ** 2)) if len(calls) < 2 else -1.0
"""
        },
        earned={"spread": NOTHING},
    ),
    Hostile(
        "forbidden, renamed",
        "the library's own variance under another name, through a helper",
        {
            "spread": """
from numpy import var as beauty
helper = lambda data: beauty(data)
def spread(x):
    return float(helper(x))
"""
        },
        earned={"spread": (records.FORBIDDEN, 0)},
    ),
    Hostile(
        "forbidden, under an innocent one",
        "an honest definition that never runs stands below the forbidden one",
        {"spread": "def spread(x):\n    return float(np.var(x))"},
        after=("raise ValueError\ndef spread(x):\n    return float(np.mean((x - x.mean()) ** 2))",),
        earned={"spread": (records.FORBIDDEN, 0)},
    ),
    Hostile(
        "forbidden module, put together",
        "a forbidden module is imported by a name that no reader sees",
        {
            "spread": """
import importlib
def spread(x):
    stats = importlib.import_module("sci" + "py.st" + "ats")
    return float(stats.moment(x, 2))
"""
        },
        earned={"spread": NOTHING},
    ),
    Hostile(
        "forbidden module, loaded by path",
        "a forbidden module is loaded from its file",
        {
            "spread": """
import importlib.util, os, scipy
def spread(x):
    for name in sorted(os.listdir(os.path.join(os.path.dirname(scipy.__file__), "st" + "ats"))):
        place = os.path.join(os.path.dirname(scipy.__file__), "st" + "ats", name)
        spec = importlib.util.spec_from_file_location("found", place)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if hasattr(module, "moment"):
            return float(module.moment(x, 2))
    raise LookupError
"""
        },
        earned={"spread": NOTHING},
    ),
    Hostile(
        "points in the metadata",
        "each cell is worth a hundred points, and no check is one",
        WRONG,
        change=_worth_a_hundred,
        earned={"spread": NOTHING},
    ),
    Hostile("another kernel", "the notebook names a kernel of its own", change=_other_kernel),
    Hostile(
        "checks deleted",
        "no check is left that could fail",
        WRONG,
        change=_without_checks,
        earned={"spread": NOTHING},
    ),
    Hostile(
        "painted outputs", "outputs that say it is solved", WRONG, change=_painted, earned={"spread": NOTHING}
    ),
    Hostile(
        "own functions deleted",
        "what is gone cannot be wrong",
        after=("del spread",),
        earned={"spread": (records.UNTOUCHED, 0)},
    ),
    Hostile(
        "rummages for its judge",
        "whatever in the kernel asks the functions is found and replaced",
        WRONG,
        after=(
            """
import gc, sys, types
def instead(*a, **k): return 0.0
for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").startswith(("vaecourse", "runner", "inside")):
        for name, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType):
                try: setattr(module, name, instead)
                except Exception: pass
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and thing.__name__ in ("ask", "answer", "reply", "plain", "run", "call"):
        try: thing.__code__ = (lambda *a, **k: 0.0).__code__
        except Exception: pass
""",
        ),
        earned={"spread": NOTHING},
    ),
)
