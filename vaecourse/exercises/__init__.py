"""The exercises, by name: `exercise("01/discrete_kl")`, `exercise("A1/cross_entropy")` for an assignment's.

A lesson's module is imported when first asked for.
"""

import difflib
import importlib

from .core import Exercise

MODULES = {
    "00": "start_here",
    "01": "kl_divergence",
    "02": "gaussian_mixture",
    "03": "bayesian_inference",
    "04": "variational_inference",
    "05": "mean_field",
    "09": "vae",
    "10": "latent_space",
}


def of_lesson(lesson: str) -> tuple[Exercise, ...]:
    """The exercises of a lesson ("01"), in their order; ValueError for a lesson without any."""
    if lesson not in MODULES:
        raise ValueError(f"There are no exercises for lesson {lesson!r}; there are for {', '.join(MODULES)}.")
    return importlib.import_module(f"{__name__}.{MODULES[lesson]}").EXERCISES


def exercise(name: str) -> Exercise:
    """The exercise of that name, "lesson/exercise"; ValueError, with the nearest name, if there is none."""
    place = str(name).split("/")[0]
    known = {e.name: e for e in _all(place)}
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0) or [
            next(iter(known), "01/discrete_kl")
        ]
        raise ValueError(f"There is no exercise {name!r}; did you mean {near[0]!r}?")
    return known[name]


def _all(place: str) -> tuple[Exercise, ...]:
    if place in MODULES:
        return of_lesson(place)
    from vaecourse import assignments  # which builds on this package

    return assignments.of_assignment(place) if place in assignments.MODULES else ()
