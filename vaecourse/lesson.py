"""What every lesson calls: `check`, `predict`, `reveal`, `progress`. Here the exercises meet the notebook."""

from typing import Any

import numpy as np
from IPython import get_ipython
from IPython.display import display

from . import exercises, predictions
from . import progress as _progress
from .errors import CourseError
from .exercises import core, words

__all__ = ["check", "predict", "progress", "reveal"]


def check(name: str, answer: Any = ...) -> None:
    """Check your answer to exercise `name` ("01/discrete_kl"): your function itself, or your value."""
    exercise = exercises.exercise(name)
    report = core.grade(exercise, answer, np.random.default_rng(list(name.encode())))
    if report.results:
        _progress.record("exercise", name, points=report.points, of=exercise.points, solved=report.solved)
    _show(words.text(report), words.html(report))


def predict(name: str) -> None:
    """Ask the question `name` ("01/which_is_bigger"). Your answer is kept; it cannot be changed afterwards."""
    from .widgets.prediction import PredictionView

    asked = predictions.prediction(name)

    def commit(index: int) -> int:
        kept = _progress.record("prediction", name, choice=asked.choices[index], of=list(asked.choices))
        return asked.choices.index(kept["choice"])

    display(PredictionView(asked.question, asked.choices, _committed(asked), commit))


def reveal(name: str, answer: int | None = None, because: str | None = None) -> None:
    """Show what you predicted beside what is true: `answer` and `because` where the lesson itself computed them."""
    from .widgets.prediction import revealed_html, revealed_text

    asked = predictions.prediction(name)
    told = (asked.choices, _committed(asked), *predictions.truth(asked, answer, because))
    _show(revealed_text(*told), revealed_html(*told))


def progress() -> None:
    """Show how many exercises you solved and how many predictions you made, lesson by lesson."""
    from .widgets.progress import progress_html, progress_text

    rows = _progress.summary()
    _show(progress_text(rows), progress_html(rows))


def _committed(asked: predictions.Prediction) -> int | None:
    """The index of the choice that was kept, if the question still offers it."""
    said = (_progress.recall("prediction", asked.name) or {}).get("choice")
    return asked.choices.index(said) if said in asked.choices else None


def _show(text: str, html: str) -> None:
    display({"text/plain": text, "text/html": html}, raw=True)


def _tell(shell, kind, error, traceback, tb_offset=None) -> None:
    """Show a CourseError as what it is: one sentence about a file or a folder, without the way it took."""
    shell._showtraceback(kind, error, [f"{kind.__name__}: {error}"])


if shell := get_ipython():
    shell.set_custom_exc((CourseError,), _tell)
