"""What an answer may give back: plain data of a stated kind, and kind words for everything else."""

import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class NotPlain(Exception):
    """A value that is neither a number nor text nor a list of these; the message describes it."""


class Unfit(ValueError):
    """Plain data that is not of the kind, where one can say more; the message goes on after "returned"."""


@dataclass(frozen=True)
class Kind:
    """A shape of plain data: `read` returns it with every number a float, or raises ValueError."""

    name: str
    read: Callable[[Any], Any]

    def fits(self, value: Any) -> bool:
        try:
            self.read(value)
        except Exception:
            return False
        return True


def plain(value: Any) -> Any:
    """Turn NumPy and torch values, tuples and fractions into numbers and lists; NotPlain where that cannot be."""
    if value is None or value is ... or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, complex):
        raise NotPlain(f"the complex number {value:.3g}.")
    if hasattr(value, "tolist"):  # NumPy arrays and scalars, torch tensors with or without a gradient
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        try:
            return [plain(v) for v in value]
        except RecursionError:
            raise NotPlain("a list that contains itself.") from None
    if isinstance(value, numbers.Real):
        return float(value)
    raise NotPlain(f"a {type(value).__name__}, where numbers or a list of numbers is expected.")


def describe(value: Any) -> str:
    """Say in a few words what a plain value is."""
    if value is None:
        return "nothing (None)"
    if isinstance(value, str):
        return f"the text {value[:20]!r}"
    if isinstance(value, bool):
        return f"the truth value {value}"
    if isinstance(value, list):
        inside = {isinstance(v, list) for v in value}
        what = (
            "entries"
            if len(inside) > 1
            else "lists"
            if inside == {True}
            else "entry"
            if len(value) == 1
            else "entries"
        )
        return "an empty list" if not value else f"a list of {len(value)} {what}"
    return f"the number {_number(value):.4g}" if isinstance(value, int | float) else "`...`"


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _numbers(value: Any) -> list[float]:
    if not isinstance(value, list):
        raise ValueError
    return [_number(v) for v in value]


def _exactly(n: int) -> Callable[[Any], list[float]]:
    def read(value: Any) -> list[float]:
        if not isinstance(value, list) or len(value) != n:
            raise ValueError
        return _numbers(value)

    return read


def _three_lists(value: Any) -> list[list[float]]:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError
    return [_numbers(v) for v in value]


def _points(value: Any) -> list[list[float]]:
    if not isinstance(value, list):
        raise ValueError
    return [_numbers(v) for v in value]


NUMBER = Kind("a number", _number)
NUMBERS = Kind("a list (or array) of numbers", _numbers)
PAIR = Kind("a pair of two numbers", _exactly(2))
THREE_NUMBERS = Kind("three numbers", _exactly(3))
FOUR_NUMBERS = Kind("four numbers", _exactly(4))
POINTS = Kind("a list of points, each a list of numbers", _points)
THREE_LISTS = Kind("three lists (or arrays) of numbers", _three_lists)
