"""Building blocks for exercises: how to make cases and how to compare outputs."""

from collections.abc import Callable, Sequence

import numpy as np

from .core import Case


def fixed(*calls: tuple) -> Callable[[np.random.Generator], list[Case]]:
    """Cases of one call each, always the same."""
    return lambda rng: [(call,) for call in calls]


def drawn(
    n: int, make: Callable[[np.random.Generator], tuple], *first: tuple
) -> Callable[[np.random.Generator], list[Case]]:
    """Cases of one call each: those named first (small, readable), then n drawn ones."""
    return lambda rng: [(call,) for call in (*first, *(make(rng) for _ in range(n)))]


def related(
    n: int, make: Callable[[np.random.Generator], Case], *first: Case
) -> Callable[[np.random.Generator], list[Case]]:
    """Cases of several calls whose outputs are compared with each other."""
    return lambda rng: [*first, *(make(rng) for _ in range(n))]


def value(rng: np.random.Generator) -> list[Case]:
    """The one case of an exercise that asks for a value."""
    return [((),)]


def close(a, b, rel: float = 1e-9, abs_: float = 1e-12) -> bool:
    """Equal up to rounding, infinities included; False, never an error, for other shapes and for NaN."""
    try:
        a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    except ValueError:  # lists of unequal length
        return False
    return a.shape == b.shape and bool(np.isclose(a, b, rtol=rel, atol=abs_).all())


def agrees(reference: Callable, rel: float = 1e-9, abs_: float = 1e-12) -> Callable[[Case, list], bool]:
    """Every output equals the reference's. The last property of an exercise: those before it say more."""

    def holds(case: Case, outputs: list) -> bool:
        return all(
            close(output, reference(*call), rel, abs_) for call, output in zip(case, outputs, strict=True)
        )

    return holds


def probabilities(rng: np.random.Generator, k: int) -> list[float]:
    """k probabilities with two decimals where k is small, none of them zero, of sum 1."""
    counts = rng.multinomial(100 - 2 * k, rng.dirichlet(np.ones(k))) + 2
    return [float(c) for c in counts / 100]


def numbers(rng: np.random.Generator, n: int, scale: float = 2.0) -> list[float]:
    """n normal numbers, rounded to two decimals so that they can be read."""
    return [float(v) for v in np.round(rng.normal(0, scale, n), 2)]


def finite(values: float | Sequence) -> bool:
    return bool(np.isfinite(np.asarray(values, dtype=float)).all())


class Sealed(tuple):
    """A case with a seed that its property judges by. No answer sees it: sent anywhere, this is a plain case.

    `seed` is the entropy of the exercise's random stream, the same for all its properties.
    """

    seed: tuple[int, ...]

    def __reduce__(self):
        return tuple, (tuple(self),)


def sealed_value(rng: np.random.Generator) -> list[Case]:
    """The one case of an exercise that asks for a value and judges it on data of its own."""
    case = Sealed(((),))
    case.seed = tuple(np.ravel(rng.bit_generator.seed_seq.entropy).tolist())
    return [case]
