"""What can be read off a student's function without judging it: is it begun, what it names, where it stopped."""

import ast
import contextlib
import inspect
import linecache
import signal
import textwrap
import threading
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any


class Mismatch(Exception):
    """The function cannot be called with these arguments."""


class TooLong(BaseException):
    """The time limit of a call. Not an Exception: a student's `except Exception` must not swallow it."""


def untouched(answer: Any) -> bool:
    """True for `...`, None, and a function in whose body a `...` still waits, or that does nothing at all."""
    if answer is None or answer is ...:
        return True
    tree = _tree(answer)
    return _empty_code(answer) if tree is None else unwritten(tree)


def unwritten(tree: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> bool:
    """Does a `...` still wait in the body of this function, or does it do nothing at all?"""
    if isinstance(tree, ast.Lambda):
        body = [ast.Expr(tree.body)]
    else:
        body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    if not body or (len(body) == 1 and _gives_up(body[0])):
        return True
    return any(_has_ellipsis(statement) for statement in body)


def forbidden(answer: Callable, names: Sequence[str]) -> str:
    """The first forbidden name in the function, or in a function of the student's that it calls; else ""."""
    seen: set[int] = set()

    def search(function: Any) -> str:
        tree = _tree(function)
        if tree is None or id(function) in seen:
            return ""
        seen.add(id(function))
        code = getattr(function, "__code__", None)
        own = {*code.co_varnames, *code.co_cellvars} if code else ()  # a parameter q is not the lesson's q
        scope = {name: value for name, value in _scope(function).items() if name not in own}
        imported = {n: full for node in ast.walk(tree) for n, full in imports(node)}
        for node in ast.walk(tree):
            written = dotted(node)
            if not written:
                continue
            full = _full_name(written, scope, imported)
            if any(is_part(full, name) for name in names):
                return written
            helper = scope.get(written)
            if isinstance(helper, types.FunctionType) and helper.__module__ == getattr(
                function, "__module__", None
            ):
                if found := search(helper):
                    return found
        return ""

    return search(inspect.unwrap(answer)) if names else ""


def fits(function: Callable, call: Sequence, parameters: Sequence[str]) -> None:
    """Raise Mismatch, with a sentence, if the function does not take this many arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a built-in that tells nothing about itself: the call will show
    try:
        signature.bind(*call)
    except TypeError:
        takes, wants = len(signature.parameters), len(call)
        named = f": {', '.join(parameters)}" if len(parameters) == wants and wants else ""
        plural = "" if takes == 1 else "s"
        raise Mismatch(f"takes {takes} argument{plural}; it is called with {wants}{named}.") from None


def stopped(function: Callable, error: BaseException) -> str:
    """Say which error ended the call, and in which line of the student's own code."""
    told = f": {error}" if str(error) else ""
    sentence = f"stopped with {type(error).__name__}{told[:160]}"
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if f.filename == code.co_filename or "ipykernel_" in f.filename]
        if own:
            text = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
            sentence += f", in line {own[-1].lineno} of your cell" + (f": {text}" if text else "")
    return sentence + "."


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TooLong in the block after so many seconds; no limit on Windows (it has no alarm) or in a thread."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _tree(function: Any) -> ast.FunctionDef | ast.Lambda | None:
    """The syntax tree of a function, or None where its source is not to be had."""
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
        module = ast.parse(source)
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    wanted = ast.Lambda if getattr(function, "__name__", "") == "<lambda>" else ast.FunctionDef
    return next((node for node in ast.walk(module) if isinstance(node, wanted)), None)


def _empty_code(function: Any) -> bool:
    """Without source: does the function only return None or `...`?"""
    code = getattr(function, "__code__", None)
    nothing = (lambda: None).__code__.co_code
    return (
        code is not None
        and code.co_code == nothing
        and all(c is None or c is ... or isinstance(c, str) for c in code.co_consts)
    )


def _gives_up(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass):
        return True
    if isinstance(statement, ast.Return):
        return statement.value is None or (
            isinstance(statement.value, ast.Constant) and statement.value.value is None
        )
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return statement.value.value is None
    if isinstance(statement, ast.Raise) and statement.exc is not None:
        raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"
    return False


def _has_ellipsis(tree: ast.AST) -> bool:
    """Is there a `...` that stands for missing code? In `a[..., 0]` it is an index."""
    if isinstance(tree, ast.Subscript):
        return _has_ellipsis(tree.value)
    if isinstance(tree, ast.Constant):
        return tree.value is ...
    return any(_has_ellipsis(child) for child in ast.iter_child_nodes(tree))


def _scope(function: Any) -> dict[str, Any]:
    try:
        closure = inspect.getclosurevars(function)
        return {**function.__globals__, **closure.nonlocals}
    except (AttributeError, TypeError, ValueError):
        return {}


def imports(node: ast.AST) -> Iterator[tuple[str, str]]:
    """What an import statement binds: each name, and the full name it stands for; nothing for any other node."""
    if isinstance(node, ast.Import):
        yield from (
            (a.asname or a.name.split(".")[0], a.name if a.asname else a.name.split(".")[0])
            for a in node.names
        )
    elif isinstance(node, ast.ImportFrom):
        yield from ((a.asname or a.name, f"{node.module}.{a.name}") for a in node.names)


def dotted(node: ast.AST) -> str:
    """ "a.b.c" for a name or a chain of attributes, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""


def _full_name(written: str, scope: dict[str, Any], imported: dict[str, str]) -> str:
    """The library's own name for it: `F.kl_div` is torch.nn.functional.kl_div; "" for what the student made."""
    first, _, rest = written.partition(".")
    if first in imported:
        base = imported[first]
    elif isinstance(scope.get(first), types.ModuleType):
        base = scope[first].__name__
    elif callable(scope.get(first)):  # a result that the lesson left behind may be read
        home = getattr(scope[first], "__module__", None) or ""
        if home == "__main__":
            return ""
        base = f"{home}.{getattr(scope[first], '__name__', first)}"
    else:
        return ""
    return f"{base}.{rest}" if rest else base


def is_part(full: str, name: str) -> bool:
    """Is `full` the forbidden `name`, something inside it, or the same thing under its private home?"""
    if not full:
        return False
    if full == name or full.startswith(name + "."):
        return True
    root, last = full.split(".")[0], full.split(".")[-1]
    return last == name.split(".")[-1] and root in ("", name.split(".")[0])
