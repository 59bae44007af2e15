"""Submissions that try for more than they earned, to break grading, to read, to tell or to leave something behind.

Each is data: what it tries, how it changes an honest notebook, and exactly what it has truly earned. Where the attack
is on points, `spread` is wrong: whatever it gets above its due came from the attack. Where the attack is on grading
itself, both functions are right, and must keep their credit. @ROOT@, @HOME@ and @PORT@ stand for the class folder, the
teacher's home and a listening port of the grading machine.

A submission that gets hold of something it should not have says "LEAK:" before it. The word is put together only when
it runs, so that it stands in no source: where it is found, something leaked. What is left behind is called "planted".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vaecourse.classroom import records

from .. import tiny

LEAK = "LEAK:"
PLANTED = "planted"
SAY = '"LE" + "AK:" + '  # in a submission's code
RIGHT = {"centred": (records.PASSED, 4), "spread": (records.PASSED, 3)}
NOTHING = (records.FAILED, 0)
MINUS_ONE = "def spread(x):\n    return -1.0"


@dataclass(frozen=True)
class Hostile:
    """One hostile submission, and the verdict and points that each of its functions truly earned."""

    name: str
    tries: str
    answers: Mapping[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()  # code cells in front of the answers
    after: tuple[str, ...] = ()  # and behind everything else
    earned: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # where it is not everything
    change: Callable[[dict], dict] = lambda notebook: notebook

    @property
    def expected(self) -> dict[str, tuple[str, int]]:
        return {**RIGHT, **self.earned}

    def notebook(self, token: str, places: Mapping[str, str]) -> dict:
        """The notebook as handed in; `token` is a text that only this student knows."""
        made = tiny.submission(
            **{**tiny.SOLUTIONS, "why_squares": f"My own answer, {token}.", **self.answers}
        )
        begin = next(i for i, c in enumerate(made["cells"]) if c["cell_type"] == "code") + 1
        made["cells"][begin:begin] = [_cell(f"before-{i}", code) for i, code in enumerate(self.before)]
        made["cells"] += [_cell(f"after-{i}", code) for i, code in enumerate(self.after)]
        for cell in made["cells"]:
            for word, place in places.items():
                cell["source"] = cell["source"].replace(word, place)
        return self.change(made)


def _cell(name: str, code: str) -> dict:
    empty = {"execution_count": None, "metadata": {}, "outputs": []}
    return {"cell_type": "code", "id": name, "source": code.strip("\n"), **empty}
