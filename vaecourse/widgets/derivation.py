"""A derivation whose numbers follow the sliders: the chain's own functions fill a table once, the browser looks up in it."""

import html
import re

import numpy as np
import traitlets
from latex2mathml.converter import convert

from vaecourse.derivation import RELATIONS, Chain, parted, tabulate, to_latex, to_text, values
from vaecourse.widgets.base import JS, BrowserWidget, bundle


class LiveDerivation(BrowserWidget):
    """`LiveDerivation(chain)`: one row a step (formula, rule, number), one slider for each name in `sliders` (default: all).

    With `marks`, a line that fails to follow is marked; without, its number has to speak for itself. `numbers=False`
    hides numbers and sliders: the derivation as a text. Where there is no JavaScript the chain appears as LaTeX.
    """

    _esm = bundle("derivation.js")
    _css = BrowserWidget._css + (JS / "derivation.css").read_text(encoding="utf-8")
    spec = traitlets.Dict().tag(sync=True)
    lines = traitlets.Bytes().tag(sync=True)
    parts = traitlets.Bytes().tag(sync=True)
    position = traitlets.Dict().tag(sync=True)

    def __init__(
        self, chain: Chain, sliders: tuple[str, ...] | None = None, marks: bool = True, numbers: bool = True
    ):
        table = tabulate(chain, sliders)
        known = {parameter.name: parameter for parameter in chain.parameters}
        self.chain, self.numbers = chain, numbers
        super().__init__(
            label=chain.title,
            spec={
                "setting": _words(chain.setting),
                "left": _math(chain.left) if chain.left else "",
                "steps": [
                    {"formula": _math(step.formula), "rule": _words(step.rule), "relation": step.relation,
                     "sign": _math(RELATIONS[step.relation])}
                    for step in chain.steps
                ],
                "sliders": [
                    {"name": name, "symbol": _math(known[name].latex), "meaning": known[name].meaning, "places": known[name].places,
                     "values": axis.tolist(), "start": int(np.abs(axis - known[name].default).argmin())}
                    for name, axis in zip(table.names, table.axes, strict=True)
                ],
                "parts": [{"label": part.label, "colour": part.colour} for part in parted(chain)],
                "marks": marks,
                "numbers": numbers,
            },
            lines=np.ascontiguousarray(table.lines, "<f8").tobytes(),
            parts=np.ascontiguousarray(table.parts, "<f8").tobytes(),
            position=chain.defaults(),
        )  # fmt: skip

    def sentence(self) -> str:
        return to_text(self.chain, self._default_lines())

    def _default_lines(self):
        return (
            values(self.chain, self.chain.model(*map(np.atleast_1d, self.chain.defaults().values())))
            if self.numbers
            else None
        )

    def _repr_mimebundle_(self, **kwargs):
        # LaTeX serves better than a picture here: the code host, a PDF and a screen reader can all read it.
        data, metadata = super(BrowserWidget, self)._repr_mimebundle_(**kwargs), {}
        data, metadata = data if isinstance(data, tuple) else (data, metadata)
        return {
            **data,
            "text/latex": to_latex(self.chain, self._default_lines()),
            "text/plain": self.sentence(),
        }, metadata


def _math(latex: str) -> str:
    """LaTeX as MathML, with the thin space that a function's name wants."""
    return convert(r"\displaystyle " + latex).replace("<mi>ln</mi>", '<mi>ln</mi><mspace width="0.15em"/>')


def _words(text: str) -> str:
    """Text as HTML, with m_p shown as m and a small p below."""
    return re.sub(r"(?<=[\w\u0303])_(\w+)", r"<sub>\1</sub>", html.escape(text))
