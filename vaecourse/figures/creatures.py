"""The figures of assignment 5: creatures, their factors, and what a code has kept of them. Results go in, axes come out."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from vaecourse.creatures import FACTORS, SIZE
from vaecourse.figures import style
from vaecourse.figures.vae import array, gallery, samples
from vaecourse.symbols import BLACK, Q_COLOUR

SHAPE = (SIZE, SIZE)


def herd(images, columns: int = 12, **options) -> Axes:
    """Creatures, shape (n, 400), in rows of `columns`; n is a multiple of it."""
    return samples(images, SHAPE, columns=columns, **options)


def factor_rows(images, names: Sequence[str] = FACTORS, **options) -> Axes:
    """Creatures, shape (factors, steps, 400): along each row one factor goes from 0 to 1."""
    images = array(images)
    steps = [f"{value:.2g}" for value in np.linspace(0, 1, images.shape[1])]
    return gallery(images, SHAPE, row_names=list(names), column_names=steps, **options)


@style.styled
def two_terms(reconstruction, kl, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
    """The two terms of the loss at every step of training, in nats per picture: a panel each, with where it ends."""
    axes = style.axes(1, 2, width=7, height=2.6) if axes is None else axes
    for panel, values, title, colour in zip(
        axes,
        (array(reconstruction), array(kl)),
        ("−log likelihood", "KL"),
        (BLACK, Q_COLOUR),
        strict=True,
    ):
        panel.plot(np.arange(1, len(values) + 1), values, color=colour, lw=1)
        end = np.mean(values[-max(1, len(values) // 50) :])
        panel.annotate(
            f"{end:.1f}", (len(values), end), xytext=(4, 0), textcoords="offset points", va="center"
        )
        panel.set(title=title, xlabel="step", xscale="log", xlim=(1, max(2, len(values))))
        panel.set_ylim(bottom=0)
    axes[0].set_ylabel("nats per picture")
    return axes


@style.styled
def correlations(table, dimensions: Sequence[int], axes: Axes | None = None) -> Axes:
    """How each dimension of the code (rows, numbered from 0) goes with each factor (columns): shape (rows, 5), −1 to 1."""
    table = array(table)
    axes = style.axes(width=5.2, height=0.34 * len(table) + 0.6) if axes is None else axes
    axes.imshow(np.abs(table), cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for i, j in np.ndindex(*table.shape):
        colour = "black" if abs(table[i, j]) > 0.55 else "white"
        told = f"{round(float(table[i, j]), 2) + 0:.2f}".replace("-", "−")
        axes.text(j, i, told, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(table.shape[1]), FACTORS)
    axes.set_yticks(range(len(table)), [f"$m_{{{d + 1}}}$" for d in dimensions])
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes
