"""The code of a notebook as a reader sees it: what each cell says, and which cell defines what. Nothing is run."""

import ast
import contextlib
import re
import warnings
from collections.abc import Iterator, Sequence

from vaecourse.exercises.answer import unwritten

RUN_HERE = ("time", "capture", "prun", "debug")  # magics that run their text as the notebook's own
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_PROMPT = re.compile(r"\s*(In \[\d+\]|>>>)")  # copied with the code, and taken away by IPython
_MAGIC = re.compile(r"^([ \t]*)[%!?].*$", re.MULTILINE)


def parsed(cell: str) -> ast.Module | None:
    """The syntax tree of a cell as IPython would run it: magics and `!` become calls; None where it would not run."""
    for code in (cell, None):
        if code is None or _PROMPT.match(code):
            code = _transformed(cell)
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string is the student's own affair
            return compile(code, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return None


def run_here(statement: ast.AST) -> Iterator[str]:
    """The code in `%time ...` and below `%%capture`."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="run_line_magic"), args=[kind, text])):
            pass
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="run_cell_magic"), args=[kind, _, text])):
            pass
        case _:
            return
    if isinstance(kind, ast.Constant) and kind.value in RUN_HERE and isinstance(text, ast.Constant):
        yield str(text.value)


def defined(cells: Sequence[str], function: str) -> list[int]:
    """The cells that define `function`."""
    return [i for i, _ in _definitions(cells, function)]


def untouched(cells: Sequence[str], function: str) -> bool:
    """Is `function` still as it was handed out, with a `...` in its body, or not there at all?"""
    *_, (_, last) = [(0, None), *_definitions(cells, function)]
    if last is None or (isinstance(last, ast.Constant) and last.value in (None, ...)):
        return True
    try:
        return isinstance(last, FUNCTIONS) and unwritten(last)
    except RecursionError:  # that deep, somebody wrote something
        return False


def _definitions(cells: Sequence[str], function: str) -> Iterator[tuple[int, ast.AST]]:
    for i, cell in enumerate(cells):
        tree = parsed(cell)
        for node in ast.walk(tree) if tree is not None else ():
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if node.name == function:
                    yield i, node
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == function:
                    yield i, value


def _transformed(cell: str) -> str:
    """The cell as Python. IPython reads it anew for each magic in it, so of many or large ones the lines are blanked."""
    if len(cell) > 5000 or len(_MAGIC.findall(cell)) > 20:
        whole = re.match(r"\s*%%(\w*)", cell)
        return "" if whole and whole[1] not in RUN_HERE else _MAGIC.sub(r"\1pass", cell)
    from IPython.core.inputtransformer2 import TransformerManager  # only few cells need it

    try:
        return TransformerManager().transform_cell(cell)
    except Exception:
        return "("  # there it does not run either
