"""The figures of lesson 00: the map of the course, and the pictures of the warm-up."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from vaecourse.figures import style
from vaecourse.symbols import BLACK, GREEN, ORANGE, P_COLOUR, SKY

# Where each lesson stands on the map (column, row), and which lessons it leads to.
MAP = {
    "00": ("Start here", (0, 1), ("01", "06")),
    "01": ("KL divergence", (1, 2), ("02",)),
    "02": ("Gaussian mixture", (2, 2), ("03",)),
    "03": ("Bayesian inference", (3, 2), ("04",)),
    "04": ("Variational inference", (4, 2), ("05", "09")),
    "05": ("Mean field", (5, 2), ("09",)),
    "06": ("Encoder-decoder", (1, 0), ("07",)),
    "07": ("Autoencoder", (2.5, 0), ("08",)),
    "08": ("Reparameterization", (4, 0), ("09",)),
    "09": ("VAE", (5, 1), ("10",)),
    "10": ("Latent space", (6, 1), ("11",)),
    "11": ("Beyond the VAE", (7, 1), ()),
}


@style.styled
def course_map(open_lessons) -> Axes:
    """The lessons as boxes and arrows; those in `open_lessons` (numbers such as "01") are filled."""
    axes = style.axes(width=10.5, height=3.6)
    axes.set(xlim=(-0.6, 7.6), ylim=(-0.55, 2.75))
    axes.axis("off")
    boxes = {}
    for number, (name, (x, y), _) in MAP.items():
        colour = ORANGE if number == "09" else P_COLOUR if y == 2 else GREEN if y == 0 else SKY
        ready = number in open_lessons
        boxes[number] = FancyBboxPatch(
            (x - 0.4, y - 0.26), 0.8, 0.52, boxstyle="round,pad=0.02", zorder=2,
            facecolor=colour if ready else "white", edgecolor=colour, lw=1.6, ls="-" if ready else "--",
        )  # fmt: skip
        axes.add_patch(boxes[number])
        ink = "white" if ready and colour not in (ORANGE, SKY) else BLACK
        axes.text(
            x,
            y,
            f"{number}\n" + name.replace(" ", "\n", 1),
            ha="center",
            va="center",
            fontsize=7.5,
            color=ink,
            zorder=3,
        )
    for number, (_, place, onward) in MAP.items():
        for next_number in onward:
            ends = {"patchA": boxes[number], "patchB": boxes[next_number], "shrinkA": 1, "shrinkB": 1}
            axes.add_patch(
                FancyArrowPatch(
                    place, MAP[next_number][1], arrowstyle="-|>", mutation_scale=10, color="#777777", **ends
                )
            )
    axes.text(
        0.6,
        2.55,
        "the probability road: fit a distribution",
        color=P_COLOUR,
        fontsize=10,
        ha="left",
        va="center",
    )
    axes.text(
        0.6, -0.45, "the network road: squeeze and rebuild", color=GREEN, fontsize=10, ha="left", va="center"
    )
    return axes


@style.styled
def area(x, density, low: float, high: float, share: float) -> Axes:
    """A density with the area between `low` and `high` shaded."""
    axes = style.axes(width=7, height=2.6)
    axes.plot(x, density, color=P_COLOUR)
    axes.fill_between(
        x, density, where=(x >= low) & (x <= high), color=SKY, alpha=0.6, lw=0, label=f"area {share:.3f}"
    )
    axes.set(xlabel="x", ylabel="density", ylim=(0, None))
    axes.legend(loc="upper right")
    return axes


@style.styled
def running_mean(counts, means, errors, truth: float) -> Axes:
    """Averages of growing numbers of draws, with their standard errors, around the truth."""
    axes = style.axes(width=7, height=2.6)
    axes.axhline(truth, color=BLACK, lw=1.2, label=f"expectation {truth:g}")
    axes.errorbar(
        counts,
        means,
        2 * np.asarray(errors),
        fmt="o",
        color=P_COLOUR,
        capsize=3,
        lw=1.5,
        label="average of the draws, ±2 standard errors",
    )
    axes.set(xscale="log", xlabel="number of throws", ylabel="average")
    axes.legend(loc="upper right")
    return axes


@style.styled
def histogram(edges, heights, x, density) -> Axes:
    """A histogram scaled to area 1, with the density that it approaches."""
    axes = style.axes(width=7, height=2.6)
    axes.stairs(heights, edges, fill=True, color=SKY, alpha=0.6, label="draws")
    axes.plot(x, density, color=P_COLOUR, label="density")
    axes.set(xlabel="x", ylabel="density")
    axes.legend(loc="upper right")
    return axes
