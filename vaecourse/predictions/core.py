"""A prediction: a question with choices, and a truth that is computed when it is revealed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Truth(NamedTuple):
    """The index of the right choice, and the reason in one sentence, with its numbers."""

    answer: int
    because: str


@dataclass(frozen=True)
class Prediction:
    """A question with choices. Without `truth`, the lesson computes the answer and hands it to `reveal`."""

    name: str
    question: str
    choices: tuple[str, ...]
    truth: Callable[[], Truth] | None = None

    @property
    def lesson(self) -> str:
        return self.name.split("/")[0]


def truth(asked: Prediction, answer: int | None = None, because: str | None = None) -> Truth:
    """The truth: computed here, or by the lesson (`answer`, `because`). If both compute it, they must agree."""
    known = asked.truth() if asked.truth else None
    index = known.answer if answer is None and known else answer
    if index is None or isinstance(index, bool) or index not in range(len(asked.choices)):
        raise ValueError(
            f"reveal({asked.name!r}) needs answer= one of 0 to {len(asked.choices) - 1}, not {answer!r}."
        )
    if known and index != known.answer:
        raise ValueError(
            f"{asked.name}: the lesson computed choice {letter(index)}, the course {letter(known.answer)}."
        )
    return Truth(int(index), because or (known.because if known else ""))


def letter(index: int) -> str:
    return "abcdefgh"[index]


def minus(written: str) -> str:
    """A number as people write it, with a minus in place of a hyphen."""
    return written.replace("-", "−")
