"""The figures of assignment 5: creatures, their factors, and what a code has kept of them. Results go in, axes come out."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

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
    """The two terms of the loss, epoch by epoch, in nats per picture: a panel each, the first epochs left out above."""
    axes = style.axes(1, 2, width=6.4, height=2.6) if axes is None else axes
    for panel, values, title in zip(
        axes, (array(reconstruction), array(kl)), ("−log likelihood", "KL"), strict=True
    ):
        epochs = np.arange(1, len(values) + 1)
        panel.plot(epochs, values, color=BLACK if panel is axes[0] else Q_COLOUR, lw=1.6)
        late = values[len(values) // 25 :]
        margin = 0.08 * (np.ptp(late) or 1)
        panel.set(title=title, xlabel="epoch", xlim=(1, max(2, len(values))))
        panel.set_ylim(late.min() - margin, late.max() + margin)
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
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
        told = f"{table[i, j]:.2f}".replace("-", "−")
        axes.text(j, i, told, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(table.shape[1]), FACTORS)
    axes.set_yticks(range(len(table)), [f"$m_{{{d + 1}}}$" for d in dimensions])
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes
