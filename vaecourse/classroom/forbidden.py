"""A look at the code of a submission, which is never run here: does a function lean on what its exercise forbids?

Names are followed through imports, aliases, helpers, classes, decorators and default values, as Python would look them
up after the whole notebook has run. Text is not followed: `eval("...")`, `globals()["..."]` and the like show nothing
to a reader. Against these the jail physically hides every forbidden *module*; this look is for the rest, and for a
verdict that says what happened. A name in a comment or a string, or an import that the function never uses, is no use.
"""

import ast
import builtins
import functools
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence

from vaecourse.exercises.answer import imports, is_part

from .reading import FUNCTIONS, parsed, run_here

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_MOST = 300_000  # steps; a long honest notebook takes some ten thousand
_SCOPES = (*FUNCTIONS, ast.ClassDef, *_COMPREHENSIONS)

# The full name of something in a library, or a piece of the student's own code and the scope that it stands in.
Meaning = str | tuple[ast.AST, "_Scope"]


def uses(
    cells: Sequence[str], function: str, names: Sequence[str], stopped: Collection[int] | None = None
) -> str:
    """The one of the forbidden `names` that `function` uses, itself or through what it calls; "" if none.

    `cells` is the code of the notebook in its order. The last definition of a name counts, and with it every earlier
    one that may still stand: where the last is under an `if`, or in a cell that did not run to its end. `stopped`
    numbers these cells, where the run is known. Raises nothing, whatever the code.
    """
    text = _text(cells)
    names = [name for name in names if name.split(".")[-1] in text]
    if not names:
        return ""
    try:
        notebook = _read(tuple(cells), tuple(names), frozenset(stopped or ()))
        found = notebook.search(function)
    except Exception:  # too deep or too tangled to be followed: then a mention is enough
        return _mentioned(cells, names)
    if found or stopped is None:
        return found
    unread = [c for i, c in enumerate(cells) if i not in stopped and notebook.trees[i] is None]
    return _mentioned(unread, names)  # it ran there, though it cannot be read here


def _text(cells: Sequence[str]) -> str:
    return unicodedata.normalize("NFKC", "\n".join(cells))  # as Python reads names


def _mentioned(cells: Sequence[str], names: Sequence[str]) -> str:
    code = _text(cells)
    return next((n for n in names if re.search(rf"\b{re.escape(n.split('.')[-1])}\b", code)), "")


class _Scope:
    """What the names in one function, class or comprehension may mean; other names are looked up further out."""

    def __init__(self, notebook: "_Notebook", outer: "_Scope | None", node: ast.AST | None = None):
        self.notebook, self.outer, self.node = notebook, outer, node
        self.bound: dict[str, set[Meaning]] = {}

    def meanings(self, name: str) -> set[Meaning]:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.bound:
                return scope.bound[name]
            scope = scope.outer
        stars = () if hasattr(builtins, name) else self.notebook.stars
        return {f"{module}.{name}" for module in stars}

    def add(self, name: str, meanings: Iterable[Meaning]) -> None:
        self.bound[name] = self.bound.get(name, set()).union(meanings)

    def of(self, value: ast.AST) -> set[Meaning]:
        """All that an expression may hold, or may carry with it to where it is called."""
        found = self._of(value)
        self.notebook.step(1 + len(found))
        return found

    def _of(self, value: ast.AST) -> set[Meaning]:
        match value:
            case ast.Name():
                return set(self.meanings(value.id))
            case ast.Attribute():
                held = self.of(value.value)
                return {f"{m}.{value.attr}" if isinstance(m, str) and m.count(".") < 6 else m for m in held}
            case ast.Lambda():
                return {(value, self)}
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                own = self.notebook.local(value, self)
                return set().union(*(own.of(part) for part in ast.iter_child_nodes(value)))
            case ast.comprehension():
                return set()
            case ast.Call(func=function, args=args):
                called = self.of(function)
                match args:
                    case [ast.Constant(value=str(name)), *_] if called & {"importlib.import_module"} or (
                        isinstance(function, ast.Name) and function.id == "__import__"
                    ):
                        return {name.split(".")[0] if isinstance(function, ast.Name) else name}
                    case [base, ast.Constant(value=str(name)), *_] if (
                        isinstance(function, ast.Name) and function.id == "getattr"
                    ):
                        return self.of(ast.Attribute(base, name))
                own = {
                    m for m in called if not isinstance(m, str)
                }  # what a library gives back is a mere result
                given = [a for a in (*args, *(k.value for k in value.keywords))]
                return own.union(*map(self.notebook.returned, own), *map(self.of, given))
        parts = (part for part in ast.iter_child_nodes(value) if not isinstance(part, ast.Constant))
        return set().union(*map(self.of, parts))

    def inside(self, node: ast.AST) -> list[tuple[ast.AST, "_Scope"]]:
        """The parts of a node, each with the scope in which its names are looked up."""
        if not isinstance(node, _SCOPES):
            return [(part, self) for part in ast.iter_child_nodes(node)]
        own = self.notebook.local(node, self)
        body = {id(part) for part in own_body(node)}
        return [(part, own if id(part) in body else self) for part in ast.iter_child_nodes(node)]


class _Notebook(_Scope):
    """What the names of the notebook mean after it has run."""

    def __init__(self, cells: Sequence[str], names: Sequence[str], stopped: Collection[int]):
        super().__init__(self, None)
        self.names = names
        self.steps = 0
        self.stars: list[str] = []  # the modules of `from module import *`
        self.known: dict = {}  # scopes and returned values, as long as no name changes
        self.trees = [parsed(cell) for cell in cells]
        for i, tree in enumerate(self.trees):
            self.run(tree.body if tree is not None else (), sure=i not in stopped)
        for tree in self.trees:
            self.declared_global(tree)

    def step(self, many: int = 1) -> None:
        self.steps += many
        if self.steps > _MOST:
            raise RecursionError

    def run(self, body: Sequence[ast.AST], sure: bool) -> None:
        """Bind what these statements bind; where it is not `sure` that they run, beside what was bound before."""
        for statement in body:
            for text in run_here(statement):
                tree = parsed(text)
                self.run(tree.body if tree is not None else (), sure=False)
            if isinstance(statement, _DEFINITIONS):
                self.bind(statement, sure)
                continue
            for node in _binders(statement):
                blocks = isinstance(statement, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom)
                self.bind(node, sure and blocks and node is statement)

    def bind(self, node: ast.AST, sure: bool) -> None:
        for name, meanings in list(bindings(node, self)):
            self.known.clear()
            if name == "*":
                (module,) = meanings
                self.stars.append(str(module).removesuffix(".*"))
                for last in {n.split(".")[-1] for n in self.names}:
                    if any(is_part(f"{self.stars[-1]}.{last}", n) for n in self.names):
                        self.add(last, {f"{self.stars[-1]}.{last}"})
            elif sure:
                self.bound[name] = meanings
            else:
                self.add(name, meanings)
        for name, meanings in list(changes(node, self)):
            self.known.clear()
            self.add(name, meanings)

    def declared_global(self, tree: ast.AST | None) -> None:
        """What functions bind for the whole notebook by `global`: at any time, so beside everything else."""
        for function in ast.walk(tree) if tree is not None else ():
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                nodes = list(_until_scopes(*function.body))
                declared = {n for node in nodes if isinstance(node, ast.Global) for n in node.names}
                if declared:
                    scope = self.local(function, self)
                    found = [b for node in nodes for b in bindings(node, scope) if b[0] in declared]
                    self.known.clear()
                    for name, meanings in found:
                        self.add(name, meanings)

    def local(self, node: ast.AST, outer: _Scope) -> _Scope:
        """The scope of a function, class or comprehension that stands in the scope `outer`."""
        if isinstance(outer.node, ast.ClassDef):  # a method does not see the names of its class
            outer = outer.outer
        key = node, outer
        if key in self.known:
            return self.known[key]
        self.known[key] = scope = _Scope(self, outer, node)
        if isinstance(node, FUNCTIONS):
            a = node.args
            places = [*a.posonlyargs, *a.args, *a.kwonlyargs]
            for place in (*places, a.vararg, a.kwarg):
                if place is not None:
                    scope.bound[place.arg] = set()
            missing = [None] * (len(places) - len(a.kwonlyargs) - len(a.defaults))
            for place, default in zip(places, (*missing, *a.defaults, *a.kw_defaults), strict=True):
                if default is not None:
                    scope.bound[place.arg] = outer.of(default)
        nodes = _binders(*own_body(node))
        elsewhere = {n for s in nodes if isinstance(s, ast.Global | ast.Nonlocal) for n in s.names}
        size = -1
        self.step(len(nodes))
        while size < (size := sum(len(m) + 1 for m in scope.bound.values())):  # until nothing new is found
            for part in nodes:
                for name, meanings in (*bindings(part, scope), *changes(part, scope, scope.bound)):
                    if name not in elsewhere and name != "*":
                        scope.add(name, meanings)
        return scope

    def returned(self, piece: tuple[ast.AST, _Scope]) -> set[Meaning]:
        """What a function of the student's may give back."""
        node, outer = piece
        key = "returned", node, outer
        if key not in self.known and isinstance(node, FUNCTIONS):
            self.known[key] = set()
            scope = self.local(node, outer)
            if isinstance(node, ast.Lambda):
                values = [node.body]
            else:
                values = [n.value for n in _until_scopes(*node.body) if isinstance(n, ast.Return) and n.value]
            self.known[key] = set().union(*map(scope.of, values))
        return self.known.get(key, set())

    def search(self, function: str) -> str:
        """The forbidden name that can be reached from `function`."""
        waiting, seen = list(self.bound.get(function, ())), set()
        while waiting:
            meaning = waiting.pop()
            if isinstance(meaning, str):
                if found := next((n for n in self.names if is_part(meaning, n)), ""):
                    return found
            elif meaning not in seen:
                seen.add(meaning)
                parts = [meaning]
                while parts:
                    node, scope = parts.pop()
                    if isinstance(node, ast.Name | ast.Attribute | ast.Call):
                        waiting += scope.of(node)
                    parts += scope.inside(node)
        return ""


@functools.lru_cache(maxsize=1)  # an assignment asks about one notebook for each of its functions
def _read(cells: tuple[str, ...], names: tuple[str, ...], stopped: frozenset[int]) -> _Notebook:
    return _Notebook(cells, names, stopped)


def own_body(node: ast.AST) -> list[ast.AST]:
    """The parts of a function, class or comprehension that stand in its own scope."""
    if isinstance(node, _DEFINITIONS):
        return node.body
    return [node.body] if isinstance(node, ast.Lambda) else list(ast.iter_child_nodes(node))


def bindings(node: ast.AST, scope: _Scope) -> Iterator[tuple[str, set[Meaning]]]:
    """Each name that this node binds, without the nodes in it, and what the name then may mean."""
    match node:
        case ast.Import() | ast.ImportFrom():
            yield from ((name, {full}) for name, full in imports(node))
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name, {(node, scope)}
        case ast.Assign():
            for target in node.targets:
                yield from _assigned(target, node.value, scope)
        case ast.AnnAssign(value=ast.AST()) | ast.NamedExpr():
            yield from _assigned(node.target, node.value, scope)
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            yield from _assigned(node.target, node.iter, scope)
        case ast.withitem(optional_vars=ast.AST()):
            yield from _assigned(node.optional_vars, node.context_expr, scope)
        case ast.Match():
            for part in ast.walk(node):
                if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
                    yield part.name, scope.of(node.subject)
        case ast.ExceptHandler(name=str()):
            yield node.name, set()


def _assigned(target: ast.AST, value: ast.AST, scope: _Scope) -> Iterator[tuple[str, set[Meaning]]]:
    match target, value:
        case ast.Name(), _:
            yield target.id, scope.of(value)
        case ast.Starred(), _:
            yield from _assigned(target.value, value, scope)
        case ast.Tuple() | ast.List(), ast.Tuple() | ast.List() if len(target.elts) == len(
            value.elts
        ) and not any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts)):
            for one, its in zip(target.elts, value.elts, strict=True):
                yield from _assigned(one, its, scope)
        case ast.Tuple() | ast.List(), _:
            for one in target.elts:
                yield from _assigned(one, value, scope)


def changes(
    node: ast.AST, scope: _Scope, among: Collection[str] | None = None
) -> Iterator[tuple[str, set[Meaning]]]:
    """What is put into something that stays bound: `table["kl"] = f`, `math.f = f`, `f += g`, `setattr(math, "f", f)`.

    Where `among` is given, only into these names.
    """
    match node:
        case ast.Assign(targets=targets):
            parts = [t for target in targets for t in ast.walk(target)]
        case ast.AugAssign(target=target):
            parts = [target]
        case ast.Call(func=ast.Name(id="setattr"), args=[target, _, value]):
            yield from _put(target, value, scope, among)
            return
        case _:
            return
    for part in parts:
        if isinstance(part, ast.Attribute | ast.Subscript) or part is getattr(node, "target", None):
            yield from _put(part, node.value, scope, among)


def _put(into: ast.AST, value: ast.AST, scope: _Scope, among: Collection[str] | None):
    while isinstance(into, ast.Attribute | ast.Subscript):
        into = into.value
    if isinstance(into, ast.Name) and (among is None or into.id in among):
        yield into.id, scope.of(value)


def _until_scopes(*nodes: ast.AST) -> Iterator[ast.AST]:
    """These nodes and all in them, in the order of the text, without what stands inside a further scope."""
    waiting = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _SCOPES):
            waiting += reversed(list(ast.iter_child_nodes(node)))


def _binders(*nodes: ast.AST) -> list[ast.AST]:
    """Those of `_until_scopes` that can give a name a meaning."""
    kinds = (ast.stmt, ast.NamedExpr, ast.comprehension, ast.withitem, ast.ExceptHandler, ast.Call)
    return [node for node in _until_scopes(*nodes) if isinstance(node, kinds)]
