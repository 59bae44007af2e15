"""What every widget shares: Python sends arrays once, the browser draws, a picture stays behind.

A widget is a Python class with traits, and one JavaScript module in `js/` that exports `render`. The module may
import its neighbours (`import { decode } from "./decoder.js"`, on one line); since a notebook front end receives
one text, `bundle` joins the modules here, and node tests import the very same files one by one. All modules then
share one scope: a name at the top of a module must not be taken by another one.
"""

import base64
import io
import re
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from vaecourse.validation import finite, positive

JS = Path(__file__).parent / "js"
_IMPORT = re.compile(r'^import\s+\{[^}]*\}\s+from\s+"\./([\w-]+\.js)";?\s*$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def bundle(module: str) -> str:
    """Return the text of `module`, with the modules that it imports from its folder before it, each once."""
    done: dict[str, str] = {}

    def visit(name: str) -> None:
        if name in done:
            return
        text = (JS / name).read_text(encoding="utf-8")
        done[name] = ""
        for wanted in _IMPORT.findall(text):
            visit(wanted)
        del done[name]  # re-inserted behind what it needs
        done[name] = _EXPORT.sub("", _IMPORT.sub("", text))

    visit(module)
    return "\n".join(done.values())


def checked(function, *arguments):
    """Call a check for a trait: its sentence, as the error that makes traitlets keep the old value."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise traitlets.TraitError(str(error)) from None


def near(name: str, value, widest: float) -> np.ndarray:
    """Return `value` as a float64 array, every entry finite and between -widest and widest: a picture can show it."""
    array = finite(name, value)
    if np.abs(array).max() > widest:
        raise ValueError(
            f"{name} reaches {np.abs(array).max():g}; this widget draws values between -{widest:g} and {widest:g}."
        )
    return array


def wide(name: str, value, widest: float) -> np.ndarray:
    """Return standard deviations as a float64 array, every entry between 1/widest and widest."""
    array = positive(name, value)
    if array.min() < 1 / widest or array.max() > widest:
        outside = array.min() if array.min() < 1 / widest else array.max()
        raise ValueError(
            f"{name} holds {outside:g}; this widget draws standard deviations between {1 / widest:g} and {widest:g}."
        )
    return array


class BrowserWidget(anywidget.AnyWidget):
    """A view drawn in the browser, with a picture and a sentence for every place that runs no JavaScript.

    A subclass sets `_esm = bundle("name.js")`, `_css`, its traits, and defines `picture()` (a matplotlib figure)
    and `sentence()` (what the picture shows, in words; also its alternative text, which nbconvert's classic
    template writes as `alt`. JupyterLab 4.6 writes no `alt` for an image output, whatever its metadata).
    """

    _css = (JS / "course.css").read_text(encoding="utf-8")
    label = traitlets.Unicode().tag(sync=True)

    def picture(self):
        raise NotImplementedError

    def sentence(self) -> str:
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs):
        result = super()._repr_mimebundle_(**kwargs)
        data, metadata = result if isinstance(result, tuple) else (result, {})
        buffer = io.BytesIO()
        figure = self.picture()
        figure.savefig(buffer, format="png", dpi=80, bbox_inches="tight")
        sentence = self.sentence()
        data = {**data, "image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": sentence}
        return data, {**metadata, "image/png": {"alt": sentence}}
