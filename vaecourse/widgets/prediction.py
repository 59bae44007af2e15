"""A prediction in a notebook: choices and a button to commit; the same question as text where nothing runs."""

from collections.abc import Callable, Sequence
from html import escape

import anywidget
import traitlets

from .base import JS, bundle

LETTERS = "abcdefgh"


def question_text(question: str, choices: Sequence[str]) -> str:
    """The question and its choices as lines of text: the same at every run, whatever was committed."""
    return "\n".join([f"Predict first: {question}", *(f"  {LETTERS[i]}) {c}" for i, c in enumerate(choices))])


class PredictionView(anywidget.AnyWidget):
    """Choose, then commit: `commit(index)` keeps the answer and returns the one that counts, perhaps an earlier one.

    The browser sets `chosen` when the button is pressed; `committed` (None, or an index) then locks the question.
    """

    _esm = bundle("prediction.js")
    _css = "\n".join((JS / name).read_text(encoding="utf-8") for name in ("course.css", "prediction.css"))
    question = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.Int(None, allow_none=True).tag(sync=True)
    committed = traitlets.Int(None, allow_none=True).tag(sync=True)

    def __init__(
        self, question: str, choices: Sequence[str], committed: int | None, commit: Callable[[int], int]
    ):
        super().__init__(question=question, choices=list(choices), committed=committed)
        self._commit = commit

    @traitlets.observe("chosen")
    def _press(self, change) -> None:
        if self.committed is None and change["new"] in range(len(self.choices)):
            self.committed = self._commit(change["new"])

    def _repr_mimebundle_(self, **kwargs):
        result = super()._repr_mimebundle_(**kwargs)
        data, metadata = result if isinstance(result, tuple) else (result or {}, {})
        items = "".join(f"<li>{escape(choice)}</li>" for choice in self.choices)
        page = f'<p><strong>Predict first:</strong> {escape(self.question)}</p><ol type="a">{items}</ol>'
        return {**data, "text/plain": question_text(self.question, self.choices), "text/html": page}, metadata


def revealed_text(choices: Sequence[str], committed: int | None, answer: int, because: str) -> str:
    """What you said beside what is true."""
    said = (
        "You had not committed to an answer."
        if committed is None
        else f"You committed to {LETTERS[committed]}) {choices[committed]}"
    )
    right = "" if committed is None else " You were right." if committed == answer else ""
    return f"{said}\nAnswer: {LETTERS[answer]}) {choices[answer]}{right}\n{because}".rstrip()


def revealed_html(choices: Sequence[str], committed: int | None, answer: int, because: str) -> str:
    """The same words for a notebook."""
    lines = revealed_text(choices, committed, answer, because).split("\n")
    colour = "#888" if committed is None else "#009E73" if committed == answer else "#E69F00"
    body = "<br>".join(
        f"<strong>{escape(line)}</strong>" if line.startswith("Answer:") else escape(line) for line in lines
    )
    return f'<div role="status" style="border-left:4px solid {colour};padding:4px 10px;max-width:60em">{body}</div>'
