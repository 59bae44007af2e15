"""The symbols of the course: one letter, one meaning, one colour, in every lesson, module, figure and widget."""

from typing import NamedTuple

# Okabe and Ito (2008): eight colours that colour-blind readers can tell apart.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"

P_COLOUR, P_LINE = BLUE, "-"  # the model, or the truth: always blue, always a full line
Q_COLOUR, Q_LINE = VERMILION, "--"  # the approximation: always vermilion, always dashed
DATA_COLOUR = BLACK


class Symbol(NamedTuple):
    latex: str
    code: str
    meaning: str
    colour: str | None = None


SYMBOLS = (
    Symbol("x", "x", "what you observe: a number, a letter, a picture", DATA_COLOUR),
    Symbol("z", "z", "what you do not observe: the latent variable behind x"),
    Symbol("p", "p", "the model, or the truth: the distribution you care about", P_COLOUR),
    Symbol("q", "q", "the approximation: the distribution you can handle", Q_COLOUR),
    Symbol(r"\theta", "theta", "the parameters of the decoder, p(x | z)", P_COLOUR),
    Symbol(r"\varphi", "phi", "the parameters of the encoder, q(z | x)", Q_COLOUR),
    Symbol("m", "m", "mean code: where the encoder thinks z is", Q_COLOUR),
    Symbol("s", "s", "log-variance code: how sure it is, s = log σ²", Q_COLOUR),
    Symbol("e", "e", "noise, drawn from N(0, 1) once for every coordinate"),
    Symbol("c", "c", "the code that the decoder receives, c = m + exp(s/2)·e", Q_COLOUR),
)


def table() -> str:
    """The symbols as a Markdown table: how each is written, what the code calls it, what it stands for."""
    rows = (f"| ${symbol.latex}$ | `{symbol.code}` | {symbol.meaning} |" for symbol in SYMBOLS)
    return "\n".join(["| written | in code | what it is |", "|---|---|---|", *rows])
