"""The figures of lesson 10: pictures laid out as the codes that they come from. Results go in, axes come out."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from vaecourse.figures import style
from vaecourse.figures.vae import array, gallery, mosaic
from vaecourse.symbols import BLACK, GREEN, ORANGE, PURPLE


@style.styled
def manifold(
    pictures, image_shape: tuple[int, int], values, dims=(0, 1), title: str = "", axes: Axes | None = None
) -> Axes:
    """The pictures of a quantile grid, shape (n, n, inputs), row 0 at the top; `values`, shape (n,), along an axis."""
    pictures, values = array(pictures), array(values)
    axes = style.axes(width=5.2, height=5.2 + (0.3 if title else 0)) if axes is None else axes
    gallery(pictures, image_shape, axes=axes, title=title)
    n = len(values)
    shown = np.unique(np.linspace(0, n - 1, min(n, 5)).round().astype(int))
    for axis, step, places in (
        (axes.xaxis, image_shape[1] + 1, shown),
        (axes.yaxis, image_shape[0] + 1, n - 1 - shown),
    ):
        axis.set_ticks(places * step + (step - 2) / 2, [f"{values[i]:.1f}".replace("-", "−") for i in shown])
    axes.set(xlabel=f"$z_{{{dims[0] + 1}}}$", ylabel=f"$z_{{{dims[1] + 1}}}$")
    return axes


def strips(rows: Mapping[str, object], image_shape: tuple[int, int], **options) -> Axes:
    """Walks, each a name and its pictures, shape (n, inputs), one below the other."""
    return gallery(
        np.stack([array(row) for row in rows.values()]), image_shape, row_names=list(rows), **options
    )


def traversals(
    pictures, image_shape: tuple[int, int], values, names: Sequence[str] | None = None, **options
) -> Axes:
    """Pictures, shape (latent, n, inputs): in each row one dimension goes through `values`, the others stay."""
    pictures = array(pictures)
    names = names or [f"$z_{{{j + 1}}}$" for j in range(len(pictures))]
    return gallery(
        pictures,
        image_shape,
        row_names=names,
        column_names=[f"{value:.3g}".replace("-", "−") for value in array(values)],
        **options,
    )


@style.styled
def usability(results: Mapping[str, object], axes: Axes | None = None) -> Axes:
    """For each model, how far its pictures are from the nearest training picture: `latent_space.Usability` records."""
    axes = style.axes(width=7.6, height=2.9) if axes is None else axes
    questions = {
        "prior": "code from N(0, I)",
        "matched": "code from its own\nmean and covariance",
        "midpoint": "halfway between\ntwo codes",
    }
    first = next(iter(results.values()))
    for value, name, line in (
        (first.real, "held-out pictures", "-"),
        (first.blend, "two pictures, mixed", ":"),
    ):
        axes.axhline(value, color=BLACK, lw=1, ls=line, label=name)
    width = 0.8 / len(results)
    looks = ((ORANGE, ""), (GREEN, "////"), (PURPLE, ".."))
    for place, ((name, result), (colour, hatch)) in enumerate(zip(results.items(), looks, strict=False)):
        x = np.arange(3) + (place - (len(results) - 1) / 2) * width
        values = [getattr(result, question) for question in questions]
        axes.bar(x, values, 0.92 * width, color=colour, hatch=hatch, edgecolor="white", lw=0, label=name)
        for at, value in zip(x, values, strict=True):
            axes.annotate(
                f"{value:.2f}",
                (at, value),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=9,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
    axes.set_xticks(range(3), questions.values())
    axes.set(ylabel="distance to the nearest\ntraining picture")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return axes


@style.styled
def spread(variances: Mapping[str, object], axes: Axes | None = None) -> Axes:
    """The variance of the codes in each dimension, one line of dots a model; a prior that fits makes it 1."""
    axes = style.axes(width=5.6, height=2.6) if axes is None else axes
    axes.axhline(1, color="#999999", lw=1, label="the prior")
    for (name, values), (colour, marker) in zip(
        variances.items(), ((ORANGE, "o"), (GREEN, "s"), (PURPLE, "^")), strict=False
    ):
        values = array(values)
        axes.plot(np.arange(len(values)), values, marker, color=colour, ms=7, label=name)
        ticks = [f"$z_{{{j + 1}}}$" for j in range(len(values))]
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set(ylabel="variance of the codes")
    axes.set_ylim(bottom=0)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return axes


__all__ = ["gallery", "manifold", "mosaic", "spread", "strips", "traversals", "usability"]
