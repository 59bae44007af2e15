"""A prediction in a notebook: radio buttons and a button to commit; the same question as text where nothing runs."""

from collections.abc import Callable, Sequence
from html import escape

import ipywidgets

LETTERS = "abcdefgh"


def question_text(question: str, choices: Sequence[str]) -> str:
    """The question and its choices as lines of text: the same at every run, whatever was committed."""
    return "\n".join([f"Predict first: {question}", *(f"  {LETTERS[i]}) {c}" for i, c in enumerate(choices))])


class PredictionView(ipywidgets.VBox):
    """Choose, then commit: `commit(index)` keeps the answer and returns the one that counts, which may be an earlier one.

    `committed` is the index of an answer given before.
    """

    def __init__(
        self,
        question: str,
        choices: Sequence[str],
        committed: int | None = None,
        commit: Callable[[int], int] | None = None,
    ):
        self._question, self._choices, self._commit = question, tuple(choices), commit
        title = ipywidgets.HTML(
            f'<div style="font-weight:600;line-height:1.4">Predict first: {escape(question)}</div>'
        )
        self._radio = ipywidgets.RadioButtons(
            options=[(f"{LETTERS[i]})  {c}", i) for i, c in enumerate(choices)],
            value=committed,
            layout=ipywidgets.Layout(width="auto"),
        )
        self._radio.tooltip = question
        self._button = ipywidgets.Button(
            description="Commit", disabled=True, tooltip="Keep this answer until it is revealed"
        )
        self._note = ipywidgets.HTML()
        self._radio.observe(self._chosen, "value")
        self._button.on_click(self._press)
        super().__init__([title, self._radio, self._button, self._note])
        if committed is not None:
            self._lock()

    def _chosen(self, change) -> None:
        self._button.disabled = change["new"] is None

    def _press(self, _button) -> None:
        if self._radio.value is None or self._radio.disabled:
            return
        if self._commit:
            self._radio.value = self._commit(self._radio.value)
        self._lock()

    def _lock(self) -> None:
        self._radio.disabled = True
        self._button.layout.display = "none"
        said = f"You committed to {LETTERS[self._radio.value]}. The lesson will come back to it."
        self._note.value = f'<div role="status">{said}</div>'

    def _repr_mimebundle_(self, **kwargs):
        data = super()._repr_mimebundle_(**kwargs)
        items = "".join(f"<li>{escape(c)}</li>" for c in self._choices)
        page = f'<p><strong>Predict first:</strong> {escape(self._question)}</p><ol type="a">{items}</ol>'
        return {**(data or {}), "text/plain": question_text(self._question, self._choices), "text/html": page}


def revealed_text(choices: Sequence[str], committed: int | None, answer: int, because: str) -> str:
    """What you said beside what is true."""
    said = (
        "You did not commit to an answer this time; the next question comes soon."
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
