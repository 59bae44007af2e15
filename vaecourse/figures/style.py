"""The look of the course's figures, and the one way to show them: with a sentence for those who cannot see them."""

import base64
import functools
import html
import io
from pathlib import Path

import matplotlib.style
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE = Path(__file__).parent / "vaecourse.mplstyle"


def styled(function):
    """Decorator: a figure function draws in the course's style, and leaves matplotlib's settings as they were."""

    @functools.wraps(function)
    def draw(*args, **kwargs):
        with matplotlib.style.context(STYLE):
            return function(*args, **kwargs)

    return draw


@styled
def axes(
    rows: int = 1, columns: int = 1, width: float = 8.0, height: float = 3.0, **subplots
) -> Axes | np.ndarray:
    """New axes in the course's style: one, or an array of shape (rows, columns) squeezed. Sizes in inches, for all rows."""
    return Figure(figsize=(width, height), layout="constrained").subplots(rows, columns, **subplots)


@styled
def png(figure: Figure) -> bytes:
    """The figure as a PNG, in the course's style."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def show(drawn: Axes | Figure | np.ndarray, alt: str) -> None:
    """Display the figure that `drawn` (axes, an array of axes, or a figure) belongs to, with `alt` as its text.

    `alt` says what there is to see; it is read aloud, and shown where there are no pictures.
    """
    if len(alt.split()) < 5:
        raise ValueError(f"alt is {alt!r}; say in a sentence what there is to see.")
    first = np.ravel(np.asarray(drawn, dtype=object))[0]
    figure = first if isinstance(first, Figure) else first.get_figure(root=True)
    code = base64.b64encode(png(figure)).decode()
    # JupyterLab writes no alt for an image output, so the live page gets an <img> that has one.
    img = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{code}">'
    display(
        {"text/html": img, "image/png": code, "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )
