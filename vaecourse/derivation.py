"""Live derivations: a derivation is data, and every line of it is a number.

A `Chain` is an ordered tuple of `Step`s. Each step has its formula, the one rule that leads to it from the line above, and
a function that computes that line for a concrete model. `evaluate` gives the numbers, `verify` compares neighbours,
`broken_steps` finds lines that do not hold, and `tabulate` prepares the numbers for sliders.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

TOLERANCE = 1e-9
RELATIONS = {"=": "=", "<=": "\\le", ">=": "\\ge"}


@dataclass(frozen=True)
class Parameter:
    """A number of the model that the learner may change, with its range; `places` is how many decimals its slider shows."""

    name: str
    latex: str
    meaning: str
    low: float
    high: float
    default: float
    places: int = 1

    def values(self, count: int) -> np.ndarray:
        """`count` evenly spaced values from low to high, rounded to `places`; the default is always among them."""
        spaced = np.round(np.linspace(self.low, self.high, count), self.places)
        spaced[np.abs(spaced - self.default).argmin()] = self.default
        return np.unique(spaced)


@dataclass(frozen=True)
class Part:
    """One summand of a step, named so that it can be drawn as a piece of a bar."""

    label: str
    value: Callable[[Any], np.ndarray]
    colour: str


@dataclass(frozen=True)
class Step:
    """One line: `relation` to the line above, `formula` (LaTeX), the `rule` that justifies it, and what it computes.

    `value` takes the chain's model and returns nats, one number for each set of parameters, shape (n,). The values of
    `parts`, where given, sum to it.
    """

    formula: str
    rule: str
    value: Callable[[Any], np.ndarray]
    relation: str = "="
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Chain:
    """A derivation. `model` turns arrays of parameters, each of shape (n,), into what the steps compute with."""

    name: str
    title: str
    setting: str
    parameters: tuple[Parameter, ...]
    model: Callable[..., Any]
    steps: tuple[Step, ...]
    left: str = ""

    def defaults(self) -> dict[str, float]:
        return {parameter.name: parameter.default for parameter in self.parameters}

    def draw(self, rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
        """`count` random parameter sets, each parameter uniform in its range; arrays of shape (count,)."""
        return {p.name: rng.uniform(p.low, p.high, count) for p in self.parameters}


class Verdict(NamedTuple):
    """How line `line` (from 1) stands to the one above: the worst gap over all parameter sets, and whether it holds.

    For "=" the gap is |difference| / max(1, |value|); for an inequality it is the amount by which it is violated.
    """

    line: int
    relation: str
    gap: float
    holds: bool


def evaluate(chain: Chain, **parameters) -> np.ndarray:
    """The number on every line, nats, shape (steps, n); parameters not given keep their default."""
    known = chain.defaults()
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ValueError(
            f"{chain.name} has no parameter {unknown[0]!r}; its parameters are {', '.join(known)}."
        )
    arrays = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray({**known, **parameters}[name], float)) for name in known)
    )
    return values(chain, chain.model(*arrays), len(arrays[0]))


def values(chain: Chain, model: Any, count: int = 1) -> np.ndarray:
    """The number on every line for a model that is already built, shape (steps, count)."""
    return np.array([np.broadcast_to(step.value(model), (count,)) for step in chain.steps])


def verify(chain: Chain, lines: np.ndarray, tolerance: float = TOLERANCE) -> tuple[Verdict, ...]:
    """Compare each line of `lines`, shape (steps, n), with the one above it."""
    verdicts = []
    for number, (step, above, here) in enumerate(
        zip(chain.steps[1:], lines, lines[1:], strict=False), start=2
    ):
        scale = np.maximum(1.0, np.abs(here))
        rise = (here - above) / scale
        # "=": |here − above|;  "<=" (above ≤ here): how far below;  ">=": how far above
        gap = {"=": np.abs(rise), "<=": np.maximum(-rise, 0), ">=": np.maximum(rise, 0)}[step.relation]
        worst = float(np.max(gap)) if not np.isnan(gap).any() else float("nan")
        verdicts.append(Verdict(number, step.relation, worst, worst <= tolerance))
    return tuple(verdicts)


def broken_steps(chain: Chain, rng: np.random.Generator | None = None, count: int = 200) -> tuple[int, ...]:
    """The line numbers (from 1) that do not follow from the line above, tried on `count` random parameter sets."""
    drawn = chain.draw(rng or np.random.default_rng(0), count)
    return tuple(verdict.line for verdict in verify(chain, evaluate(chain, **drawn)) if not verdict.holds)


class Table(NamedTuple):
    """Every line on a grid of slider positions: `axes` the positions of each slider, `lines` of shape (steps, n1, n2, …),
    `parts` of shape (parts, n1, n2, …) for the last step that has parts."""

    names: tuple[str, ...]
    axes: tuple[np.ndarray, ...]
    lines: np.ndarray
    parts: np.ndarray


def tabulate(chain: Chain, sliders: tuple[str, ...] | None = None, budget: int = 4000) -> Table:
    """Compute all lines on a grid of slider positions, as fine as `budget` parameter sets allow (at most 41 a slider)."""
    names = sliders or tuple(parameter.name for parameter in chain.parameters)
    chosen = [parameter for name in names for parameter in chain.parameters if parameter.name == name]
    if len(chosen) != len(names) or not names:
        raise ValueError(f"sliders must be parameters of {chain.name}: {', '.join(chain.defaults())}.")
    count = min(41, int(budget ** (1 / len(names)) + 1e-9))
    axes = tuple(parameter.values(count) for parameter in chosen)
    grid = [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]
    known = {
        **{n: np.full_like(grid[0], v) for n, v in chain.defaults().items()},
        **dict(zip(names, grid, strict=True)),
    }
    model = chain.model(*known.values())
    shape = tuple(len(axis) for axis in axes)
    lines = values(chain, model, grid[0].size)
    parts = [np.broadcast_to(part.value(model), grid[0].shape) for part in parted(chain)]
    return Table(names, axes, lines.reshape(-1, *shape), np.reshape(parts, (len(parts), *shape)))


def parted(chain: Chain) -> tuple[Part, ...]:
    """The parts of the last step that has any."""
    return next((step.parts for step in reversed(chain.steps) if step.parts), ())


def to_latex(chain: Chain, lines: np.ndarray | None, digits: int = 6) -> str:
    """Title, setting and an aligned LaTeX chain: line, relation, formula, rule; unless `lines` is None also numbers, and the parameters above."""
    rows = []
    for number, step in enumerate(chain.steps):
        relation = RELATIONS[step.relation] if number or chain.left else ""
        left = chain.left if number == 0 else ""
        value = "" if lines is None else f" & {_plain(lines[number, 0], digits)}"
        rows.append(f"{number + 1}. & {left} & {relation}\\; {step.formula} & \\text{{{step.rule}}}{value}")
    columns = "rrll" + ("" if lines is None else "r")
    here = ",\\; ".join(f"{p.latex} = {p.default:g}" for p in chain.parameters)
    array = f"\\begin{{array}}{{{columns}}}\n" + " \\\\[4pt]\n".join(rows) + "\n\\end{array}"
    body = array if lines is None else f"\\begin{{gathered}}\n{here} \\\\[6pt]\n{array}\n\\end{{gathered}}"
    return f"{chain.title}. {chain.setting}\n\n$${body}$$"


def to_text(chain: Chain, lines: np.ndarray | None, digits: int = 6) -> str:
    """The same as plain text: the default parameters, then one line a step with its number, rule and gap."""
    numbers = [""] * len(chain.steps) if lines is None else [_plain(value, digits) for value in lines[:, 0]]
    width = max(map(len, numbers))
    signs = ["  ", *({"=": "= ", "<=": "≤ ", ">=": "≥ "}[step.relation] for step in chain.steps[1:])]
    rows = [
        f"{i}. {sign}{number:>{width}}  {step.rule}"
        for i, (sign, number, step) in enumerate(zip(signs, numbers, chain.steps, strict=True), 1)
    ]
    for i, step in enumerate(chain.steps) if lines is not None else ():
        if step.relation != "=":
            rows[i] += f" (gap {_plain(abs(lines[i, 0] - lines[i - 1, 0]), digits)})"
    here = [] if lines is None else ["at " + ", ".join(f"{p.name} = {p.default:g}" for p in chain.parameters)]
    return "\n".join([chain.title, chain.setting, *here, *rows])


def _plain(value: float, digits: int) -> str:
    """The number with so many decimals, and no minus in front of a zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"
