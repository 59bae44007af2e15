"""A report in words: as text, and as HTML. Never the expected number, never the reference."""

from html import escape

from .core import Report, Result
from .kinds import plain

NOT_STARTED = "Not started yet: replace the `...` in the cell above, then run this again."


def show(value) -> str:
    """A number with four digits, a list with its first six entries: small enough to read."""
    value = plain(value)
    if isinstance(value, list):
        inside = [show(v) for v in value[:6]] + ([f"… {len(value)} in all"] if len(value) > 6 else [])
        return f"[{', '.join(inside)}]"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)


def counterexample(report: Report, result: Result) -> str:
    """For which arguments the property failed, and what came back."""
    names = report.exercise.parameters
    subject = "your function" if names else "your answer"
    given = [", ".join(f"{n} = {show(a)}" for n, a in zip(names, call, strict=True)) for call in result.case]
    done = result.outcome.outputs[: len(given)]
    if result.sentence:  # the call that went wrong is the one that left no output, or the last
        at = min(len(done), len(given) - 1)
        said = result.sentence.replace("returned", "is", 1) if not names else result.sentence
        return _sentence(f"for {given[at]} {subject} {said}" if given[at] else f"{subject} {said}")
    if not names:
        return _sentence(f"{subject} was {show(done[0])}.")
    told = [
        f"for {g} {subject if i == 0 else 'it'} returned {show(o)}"
        for i, (g, o) in enumerate(zip(given, done, strict=True))
    ]
    return _sentence("; ".join(told[:3]) + ("; …" if len(told) > 3 else "") + ".")


def text(report: Report) -> str:
    """The report for a terminal, a PDF, a screen reader."""
    head = f"{report.exercise.title} ({report.exercise.name})"
    if report.untouched:
        return f"{head}\n{NOT_STARTED}"
    if report.refusal:
        return f"{head}\n{report.refusal}"
    failed = report.first_failure
    lines = [f"{head}: {_score(report)}"]
    for result in report.results:
        lines.append(f"  {_mark(report, result)} {result.property.name}")
        if result is failed:
            lines.append(f"      {counterexample(report, result)}")
            lines += [f"      Hint: {result.property.hint}"] if _hinted(result) else []
    return "\n".join(lines)


def html(report: Report) -> str:
    """The report for a notebook: the same words; marks carry the meaning, colour only repeats it."""
    head = f"<strong>{escape(report.exercise.title)}</strong> <code>{escape(report.exercise.name)}</code>"
    if report.untouched or report.refusal:
        return _box("#888", f"{head}<br>{_code(report.refusal or NOT_STARTED)}")
    failed = report.first_failure
    rows = []
    for result in report.results:
        more = ""
        if result is failed:
            more = _code(counterexample(report, result))
            more += f"<br><em>Hint:</em> {_code(result.property.hint)}" if _hinted(result) else ""
            more = f'<div style="margin:2px 0 6px 1.4em">{more}</div>'
        rows.append(
            f'<li style="margin:2px 0">{_mark(report, result)} {_code(result.property.name)}{more}</li>'
        )
    listed = f'<ul style="list-style:none;padding-left:0.6em;margin:4px 0 0">{"".join(rows)}</ul>'
    return _box("#009E73" if report.solved else "#E69F00", f"{head}: {_score(report)}{listed}")


def _hinted(result: Result) -> bool:
    """A hint is about the mathematics: none where the function could not even be called, or did not come back."""
    return result.outcome.trouble in ("", "error")


def _mark(report: Report, result: Result) -> str:
    return "✓" if result.passed else "✗" if result is report.first_failure else "·"


def _score(report: Report) -> str:
    score = f"{report.points} of {report.exercise.points} point{'' if report.exercise.points == 1 else 's'}"
    if report.solved:
        return f"solved, {score}."
    if report.points == report.exercise.points:
        return f"{score}, but one thing is still to be mended: look at the ✗."
    return f"{score}. Look at the ✗ first."


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _code(words: str) -> str:
    """Escape, and set what stands between `backticks` as code."""
    parts = escape(words, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _box(colour: str, inside: str) -> str:
    return f'<div role="status" style="border-left:4px solid {colour};padding:4px 10px;max-width:60em">{inside}</div>'
