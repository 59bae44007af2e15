"""What `vaecourse.lesson` is in graded work: the same calls, and they do nothing. Grading happens outside."""

from typing import Any

__all__ = ["check", "predict", "progress", "reveal"]


def check(name: str, answer: Any = ...) -> None:
    """Nothing here: your answer is graded after your notebook has run."""


def predict(name: str) -> None:
    """Nothing here."""


def reveal(name: str, answer: int | None = None, because: str | None = None) -> None:
    """Nothing here."""


def progress() -> None:
    """Nothing here."""
