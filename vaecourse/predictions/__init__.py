"""The predictions: questions to answer before any code runs. The truth is computed when revealed, not written here."""

import difflib

from . import (
    bayesian_inference,
    gaussian_mixture,
    kl_divergence,
    latent_space,
    mean_field,
    start_here,
    vae,
    variational_inference,
)
from .core import Prediction, Truth, letter, truth

__all__ = ["PREDICTIONS", "Prediction", "Truth", "letter", "prediction", "truth"]

LESSONS = (
    start_here,
    kl_divergence,
    gaussian_mixture,
    bayesian_inference,
    variational_inference,
    mean_field,
    vae,
    latent_space,
)
PREDICTIONS: tuple[Prediction, ...] = tuple(p for lesson in LESSONS for p in lesson.PREDICTIONS)


def prediction(name: str) -> Prediction:
    """The prediction of that name, "lesson/question"; ValueError, with the nearest name, if there is none."""
    known = {p.name: p for p in PREDICTIONS}
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0)[0]
        raise ValueError(f"There is no prediction {name!r}; did you mean {near!r}?")
    return known[name]
