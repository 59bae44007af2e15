"""The form in which a lesson is stored, and the rules for it.

It keeps what a reader without JavaScript needs (text, pictures with a sentence) and drops what differs from run
to run (widget ids, progress bars, times). The tests compare the outputs of a lesson in the same form.
"""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

LARGEST = 2_000_000  # bytes of one stored notebook
WIDGET = "application/vnd.jupyter.widget-view+json"
PICTURES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif")
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "pygments_lexer": "ipython3",
}

# Lines of no consequence: tqdm's bars, and what matplotlib says when it is used for the first time.
_BAR = re.compile(r"%\|.*\||\bit/s\b|\bs/it\b|\dit \[\d|\[\d+:\d\d<|Matplotlib is building the font cache")
_OVERTYPED = re.compile(r"^.*\r(?!\n)", re.MULTILINE)
_ADDRESS = re.compile(r"<[^<>]* at 0x[0-9a-fA-F]{6,}>")
_BARE_IMG = re.compile(r"<img\b(?![^>]*\balt\s*=\s*[\"'][^\"'\s])", re.IGNORECASE)
_BARE_MARKDOWN = re.compile(r"!\[\s*\]\(")


def tidy(notebook) -> None:
    """Bring an executed notebook into the stored form, in place."""
    ours = {"vaecourse": notebook.metadata["vaecourse"]} if "vaecourse" in notebook.metadata else {}
    notebook.metadata = {"kernelspec": dict(KERNEL), "language_info": dict(LANGUAGE), **ours}
    count = 0
    for cell in notebook.cells:
        for key in ("execution", "ExecuteTime", "scrolled", "collapsed", "trusted"):
            cell.metadata.pop(key, None)
        if cell.cell_type != "code":
            continue
        cell.outputs = settled(cell.outputs)
        if cell.execution_count is not None:
            count += 1
            cell.execution_count = count
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count


def settled(outputs: Sequence) -> list:
    """Return `outputs` without what differs from run to run: widget ids, progress bars, overtyped text.

    Streams of one name become one, where the first one stood. Warnings on stderr remain, to be complained about.
    """
    kept: list = []
    streams: dict = {}
    for output in outputs:
        if output.output_type == "stream":
            if output.name in streams:
                streams[output.name].text += output.text
                continue
            output = streams[output.name] = type(output)(output)
        elif "data" in output:
            data = {kind: value for kind, value in output.data.items() if kind != WIDGET}
            metadata = {kind: value for kind, value in output.get("metadata", {}).items() if kind != WIDGET}
            if "image/png" in data and data.get("text/html", "").startswith("<img"):
                del data["text/html"]  # the same picture again, for the live page
            if not data or (WIDGET in output.data and is_progress(output)):
                continue
            output = type(output)(output, data=type(output)(data), metadata=type(output)(metadata))
        kept.append(output)
    for stream in streams.values():
        stream.text = _without_bars(stream.text)
    return [output for output in kept if output.output_type != "stream" or output.text]


def complaints(notebook, *, size: int = 0) -> Iterator[str]:
    """Yield one sentence for every rule that a stored notebook breaks."""
    if size > LARGEST:
        yield f"it has {size / 1e6:.1f} MB, {LARGEST / 1e6:.0f} MB are allowed: draw fewer or smaller pictures."
    language = notebook.metadata.get("language_info", {})
    if dict(notebook.metadata.get("kernelspec", {})) != KERNEL or "version" in language:
        yield "its metadata is not that of `vaecourse build`: build it again."
    if "widgets" in notebook.metadata:
        yield "it stores the state of widgets: build it again."
    expected, in_order = 0, True
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown" and (
            _BARE_MARKDOWN.search(cell.source) or _BARE_IMG.search(cell.source)
        ):
            yield f"cell {number} has a picture without alternative text: write ![what it shows](...)."
        if cell.cell_type != "code":
            continue
        if "execution" in cell.metadata:
            yield f"cell {number} stores the times of a run: build it again."
        expected += bool(cell.source.strip())
        if cell.source.strip() and cell.execution_count != expected and in_order:
            in_order = False  # one such sentence is enough
            yield f"cell {number} was not run as number {expected}: build the notebook again from the top."
        for output in cell.outputs:
            yield from (f"cell {number} {what}" for what in _of_output(output))


def _of_output(output) -> Iterator[str]:
    if output.output_type == "error":
        yield f"ends in an error, {output.ename}: {(output.evalue.splitlines() or [''])[0]}"
        return
    if output.output_type == "stream":
        if output.name == "stderr":
            yield f"writes to stderr, {output.text.strip().splitlines()[-1]!r}: a lesson gives no warnings."
        texts = [output.text]
    else:
        if WIDGET in output.data:
            yield "stores the id of a widget, which no reader has: build it again."
        for kind in PICTURES:
            if kind in output.data and not output.metadata.get(kind, {}).get("alt", "").strip():
                yield f"shows a picture ({kind}) without alternative text: show it with its sentence."
        html = output.data.get("text/html", "")
        if _BARE_IMG.search(html):
            yield "shows an <img> without alternative text: give it an alt."
        texts = [output.data.get("text/plain", ""), html]
    for text in texts:
        if address := _ADDRESS.search(text):
            yield f"prints {address[0]!r}, another at every run: end the cell with a semicolon or a value."
        for place in {sys.prefix, str(Path.home()), tempfile.gettempdir() + os.sep}:
            if len(place) > 2 and place in text:
                yield f"prints {place!r}, a path of this machine: print what is the same everywhere."


def is_bare_widget(output) -> bool:
    """Whether an output, not settled yet, is a widget that leaves nothing but text where no JavaScript runs."""
    data = output.get("data", {})
    return (
        WIDGET in data and not is_progress(output) and not {*PICTURES, "text/html", "text/latex"} & set(data)
    )


def is_progress(output) -> bool:
    """Whether an output is a progress bar, as text or as a widget."""
    text = output.get("text") if output.output_type == "stream" else output.get("data", {}).get("text/plain")
    return bool(text and _BAR.search(text))


def _without_bars(text: str) -> str:
    """Return what is left of a stream after carriage returns have overtyped their lines and bars are gone."""
    lines = _OVERTYPED.sub("", text).splitlines(keepends=True)
    return "".join(line for line in lines if not _BAR.search(line)) if _BAR.search(text) else "".join(lines)
