"""Your progress as a table: as text, and as HTML with small bars."""

from collections.abc import Sequence
from html import escape

from vaecourse.progress import LessonProgress

GREEN = "#009E73"


def progress_text(rows: Sequence[LessonProgress]) -> str:
    """One line for each lesson, and one for all."""
    width = max(len(r.title) for r in rows)
    lines = [f"{'lesson':<{width + 4}}  exercises  predictions"]
    for row in (*rows, total(rows)):
        lines.append(
            f"{row.lesson:<3} {row.title:<{width}}  {f'{row.solved} of {row.exercises}':>9}  "
            f"{f'{row.committed} of {row.predictions}':>11}"
        )
    return "\n".join(lines)


def progress_html(rows: Sequence[LessonProgress]) -> str:
    """The same table; a bar says in length what the number beside it says."""
    body = "".join(
        _row(
            f"{row.lesson} {escape(row.title)}",
            _bar(row.solved, row.exercises),
            _bar(row.committed, row.predictions),
        )
        for row in (*rows, total(rows))
    )
    head = "".join(
        f'<th scope="col" style="text-align:left">{name}</th>'
        for name in ("Lesson", "Exercises solved", "Predictions made")
    )
    return f'<table aria-label="Your progress"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def total(rows: Sequence[LessonProgress]) -> LessonProgress:
    """The sum over all lessons."""
    return LessonProgress("", "All", *(sum(column) for column in list(zip(*rows, strict=True))[2:]))


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"


def _bar(done: int, of: int) -> str:
    share = 100 * done / of if of else 0
    return (
        '<span aria-hidden="true" style="display:inline-block;width:90px;height:9px;border:1px solid #888;border-radius:3px;vertical-align:middle">'
        f'<span style="display:block;width:{share:.0f}%;height:100%;background:{GREEN}"></span></span> {done} of {of}'
    )
