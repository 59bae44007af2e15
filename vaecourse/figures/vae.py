"""The figures of lesson 09, and the mosaic of pictures that lesson 10 uses too. Results go in, axes come out."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from vaecourse.figures import style
from vaecourse.symbols import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    P_COLOUR,
    PURPLE,
    Q_COLOUR,
    SKY,
    VERMILION,
)

# Okabe and Ito's seven on white (their yellow darkened to be seen there), a grey and a brown; one for each digit.
CLASS_COLOURS = (BLACK, ORANGE, SKY, GREEN, "#A8A000", BLUE, VERMILION, PURPLE, "#999999", "#7F3C00")


def mosaic(pictures, image_shape: tuple[int, int], gap: int = 1) -> np.ndarray:
    """Return one image of many, shape (rows, columns, height · width) → (…, …), NaN in the gaps between them.

    Raises ValueError if the pictures do not have `image_shape`: the output of such a decoder is not an image.
    """
    pictures = array(pictures)
    height, width = image_shape
    if pictures.ndim != 3 or pictures.shape[2] != height * width:
        raise ValueError(
            f"pictures has shape {pictures.shape}; right would be (rows, columns, {height * width}) "
            f"for images of {height} × {width} pixels."
        )
    rows, columns = pictures.shape[:2]
    canvas = np.full((rows, height + gap, columns, width + gap), np.nan)
    canvas[:, :height, :, :width] = pictures.reshape(rows, columns, height, width).swapaxes(1, 2)
    return canvas.reshape(rows * (height + gap), columns * (width + gap))[: -gap or None, : -gap or None]


def array(values) -> np.ndarray:
    """Return a tensor, on whatever device and with or without a gradient, or anything else, as an array."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


@style.styled
def gallery(
    pictures,
    image_shape: tuple[int, int],
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    title: str = "",
    cell: float = 0.55,
    axes: Axes | None = None,
) -> Axes:
    """Rows of pictures, shape (rows, columns, height · width), in grey from 0 (black) to 1 (white), each row named."""
    pictures = array(pictures)
    image = mosaic(pictures, image_shape)
    rows, columns = pictures.shape[:2]
    if axes is None:
        names = max((len(name) for name in row_names), default=0)
        height = cell * rows * image_shape[0] / image_shape[1]
        axes = style.axes(width=cell * columns + 0.09 * names, height=height + (0.3 if title else 0) + 0.05)
    axes.imshow(np.ma.masked_invalid(image), cmap="gray", vmin=0, vmax=1, aspect="equal")
    step = np.array(image_shape) + 1
    for axis, names, size, count in (
        (axes.yaxis, row_names, step[0], rows),
        (axes.xaxis, column_names, step[1], columns),
    ):
        if names and len(names) != count:
            raise ValueError(f"there are {len(names)} names for {count} rows or columns of pictures.")
        axis.set_ticks(np.arange(len(names)) * size + (size - 2) / 2, names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title)
    return axes


def reconstructions(
    x, decoded, image_shape: tuple[int, int], names=("original", "rebuilt"), **options
) -> Axes:
    """Pictures x, shape (n, inputs), each above what the model makes of it; `decoded` may be a list of several."""
    rows = [array(x), *(map(array, decoded) if isinstance(decoded, list | tuple) else [array(decoded)])]
    return gallery(np.stack(rows), image_shape, row_names=names, **options)


def samples(pictures, image_shape: tuple[int, int], columns: int = 10, **options) -> Axes:
    """Pictures, shape (n, inputs), in rows of `columns`; the last row must be full."""
    pictures = array(pictures)
    if len(pictures) % columns:
        raise ValueError(
            f"{len(pictures)} pictures do not fill rows of {columns}; right would be a multiple of it."
        )
    return gallery(pictures.reshape(-1, columns, pictures.shape[1]), image_shape, **options)


@style.styled
def curves(history, axes: Sequence[Axes] | None = None) -> np.ndarray:
    """The loss and its two terms, epoch by epoch, for training and held-out pictures: one panel each."""
    whole = "−ELBO" if "kl" in history.train else "loss"
    terms = {"total": whole, "reconstruction": "−reconstruction", "kl": "KL", "penalty": "penalty"}
    present = [name for name in terms if name in history.train]
    if len(present) == 2:  # an autoencoder has one term, which is its loss
        present.remove("total")
    axes = np.atleast_1d(
        style.axes(1, len(present), width=2.9 * len(present), height=2.6) if axes is None else axes
    )
    epochs = np.arange(1, history.epochs + 1)
    for panel, name in zip(axes, present, strict=True):
        sign = -1 if name in ("total", "reconstruction") else 1
        sets = [
            (history.train, "training", BLACK, "-"),
            (history.held_out, "held out", GREEN, "--"),
        ]
        for numbers, label, colour, line in sets:
            if name in numbers:
                panel.plot(epochs, sign * np.array(numbers[name]), color=colour, ls=line, lw=1.6, label=label)
        seen = np.concatenate([sign * np.array(numbers[name]) for numbers, *_ in sets if name in numbers])
        late = np.concatenate(
            [sign * np.array(numbers[name])[len(epochs) // 20 :] for numbers, *_ in sets if name in numbers]
        )
        margin = 0.08 * (np.ptp(late) or 1)
        panel.set_ylim(max(late.min() - margin, min(seen.min(), 0)), late.max() + margin)
        panel.set(title=terms[name], xlabel="epoch", xlim=(1, max(2, history.epochs)))
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes[0].set_ylabel("nats per picture")
    axes[0].legend()
    return axes


@style.styled
def codes(c, labels, dims: tuple[int, int] = (0, 1), title: str = "", axes: Axes | None = None) -> Axes:
    """Codes, shape (n, latent), as points in two of their dimensions: colour and digit tell the class."""
    c, labels = array(c), array(labels)
    axes = style.axes(width=4.6, height=4.2) if axes is None else axes
    for label in np.unique(labels):
        here = c[labels == label]
        colour = CLASS_COLOURS[int(label) % len(CLASS_COLOURS)]
        # the digit itself is the marker, so that colour is never the only sign
        axes.scatter(
            here[:, dims[0]],
            here[:, dims[1]],
            marker=f"${int(label)}$",
            s=26,
            lw=0.3,
            color=colour,
            label=str(label),
        )
    axes.set(xlabel=f"$z_{{{dims[0] + 1}}}$", ylabel=f"$z_{{{dims[1] + 1}}}$", title=title, aspect="equal")
    return axes


@style.styled
def dimensions(kl, names: Sequence[str] | None = None, axes: Axes | None = None) -> Axes:
    """The mean KL of each latent dimension, shape (latent,), in nats: a dimension at zero carries nothing."""
    kl = array(kl)
    axes = style.axes(width=4.6, height=2.5) if axes is None else axes
    names = names or [f"$z_{{{j + 1}}}$" for j in range(len(kl))]
    axes.bar(names, kl, color=Q_COLOUR, width=0.7)
    for j, value in enumerate(kl):
        axes.annotate(
            f"{value:.2f}", (j, value), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=9
        )
    axes.set(ylabel="KL in nats", ylim=(0, 1.15 * max(kl.max(), 1e-3)))
    return axes


@style.styled
def comparison(
    names: Sequence[str], values, label: str, reference: float | None = None, axes: Axes | None = None
) -> Axes:
    """One row for each name, with a dot for each of its values, shape (names, seeds), and the mean in figures."""
    values = np.atleast_2d(array(values).T).T
    axes = style.axes(width=7, height=0.42 * len(names) + 0.6) if axes is None else axes
    if reference is not None:
        axes.axvline(reference, color="#bbbbbb", lw=1, zorder=0)
    for row, (numbers, mean) in enumerate(zip(values, values.mean(1), strict=True)):
        axes.plot(numbers, np.full(len(numbers), row), "o", color=P_COLOUR, ms=6, alpha=0.6)
        axes.annotate(
            f"{mean:.2f}",
            (numbers.max(), row),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=label, ylim=(len(names) - 0.5, -0.5))
    axes.margins(x=0.12)
    return axes
