"""The latent-space explorer: drag a code, and watch up to three decoders draw it, side by side.

The weights and the held-out pictures go to the browser once; from then on it decodes by itself, whether the
kernel is idle, busy training or gone. The codes come back in `explorer.z`, 120 ms after the hand rests.

One drag moves every model, each in units of its own. The units of a VAE are those of its prior, N(0, I), so that
a position is z itself. An autoencoder has no prior: its units are the mean and the standard deviation of its own
codes, dimension by dimension, so a random position is a code drawn where this autoencoder really puts its codes.
That is the fairest chance that a random code can give it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import traitlets
from scipy.special import ndtri
from torch import nn

from ..autoencoder import Bernoulli, Coder
from ..symbols import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from ..vae import VAE
from . import dense
from .base import BrowserWidget, bundle

CLASS_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK)  # no yellow: it is lost on white paper
GRID = 15
LIMIT = 500  # held-out pictures that are sent; more would not be told apart on the pad


class LatentModel(NamedTuple):
    """A decoder, and where its encoder puts the held-out pictures."""

    decoder: nn.Module  # an nn.Sequential of dense layers, latents -> pixels
    codes: np.ndarray  # (n, latents): the (mean) code of each held-out picture
    units: str = "prior"  # "prior": positions are z itself; "codes": in standard deviations of the codes
    output: str = "identity"  # "sigmoid" if the decoder gives logits


def latent_model(model: Coder, images) -> LatentModel:
    """Return what the explorer needs of a trained `Autoencoder` or `VAE`; `images` has shape (n, pixels)."""
    with torch.no_grad():
        codes = model.mean_code(torch.as_tensor(images)).cpu().numpy()
    output = "sigmoid" if isinstance(model.likelihood, Bernoulli) else "identity"
    return LatentModel(model.decoder, codes, "prior" if isinstance(model, VAE) else "codes", output)


class Prepared(NamedTuple):
    """A model, checked and ready to be sent."""

    name: str
    layers: tuple[dense.DenseLayer, ...]
    codes: np.ndarray  # float32, (n, latents)
    centre: np.ndarray  # float64, (latents,): z = centre + spread * position
    spread: np.ndarray  # float64, (latents,)
    units: str

    @property
    def positions(self) -> np.ndarray:
        """The codes in the model's own units, (n, latents)."""
        return (self.codes - self.centre) / self.spread


def prepare(name: str, model: LatentModel, pictures: int, pixels: int) -> Prepared:
    """Check one model against the numbers of held-out pictures and pixels; ValueError says what does not fit."""
    called = f"the decoder of {name!r}"
    codes = np.asarray(model.codes, dtype=np.float64)
    if codes.ndim != 2 or len(codes) != pictures:
        raise ValueError(
            f"the codes of {name!r} have shape {codes.shape}; give one row for each of the {pictures} images."
        )
    if not np.isfinite(codes).all():
        raise ValueError(f"the codes of {name!r} hold NaN or infinity; every code must be finite.")
    layers = dense.with_output(dense.dense_layers(model.decoder, called), model.output)
    latents, outputs = layers[0].weight.shape[1], layers[-1].weight.shape[0]
    if latents != codes.shape[1]:
        raise ValueError(
            f"{called} takes codes of {latents} numbers, but the codes given have {codes.shape[1]}."
        )
    if outputs != pixels:
        raise ValueError(
            f"{called} gives {outputs} numbers, which is no image of {pixels} pixels; check image_shape."
        )
    if model.units not in ("prior", "codes"):
        raise ValueError(f'the units of {name!r} are {model.units!r}; give "prior" or "codes".')
    centre, spread = np.zeros(latents), np.ones(latents)
    if model.units == "codes":
        centre, deviation = codes.mean(0), codes.std(0)
        spread = np.where(deviation > 0, deviation, 1.0)  # a dimension that never changes: any unit will do
    return Prepared(name, layers, codes.astype(np.float32), centre, spread, model.units)


class LatentExplorer(BrowserWidget):
    """Explore the latent spaces of one to three decoders under one drag.

    models: name -> trained `Autoencoder` or `VAE`, or a `LatentModel` for any other decoder of dense layers.
    images: held-out pictures, (n, height, width) or (n, pixels); at most 500, evenly spaced, are shown.
    labels: their classes, (n,), or None. image_shape: (height, width).
    pixel_range: the values drawn as empty and as full. ink: draw high values dark on white paper (pen strokes), not bright on black (a moon).
    start: the picture whose code is shown first; None starts at the origin. pad: what the pads show first, "codes"
    or "pictures". axes: the two dimensions (from 0) that the pads show first; None takes those along which the codes
    differ most. seed: of the random codes.

    `z` is where the learner stands: name -> code (latents,). It can be set as well. Raises ValueError, in one
    sentence, for what does not fit together.
    """

    _esm = bundle("latent_space.js")
    models = traitlets.List().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)  # float16, model after model
    codes = traitlets.Bytes().tag(sync=True)  # float32, model after model, (n, latents)
    images = traitlets.Bytes().tag(sync=True)  # uint8, (n, pixels)
    marks = traitlets.List().tag(sync=True)  # the class of each image, as text
    classes = traitlets.List().tag(sync=True)  # [{name, colour}]
    shape = traitlets.List().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    z = traitlets.Dict().tag(sync=True)
    image = traitlets.Int(-1).tag(sync=True)  # the held-out image from which the walk started, or -1

    def __init__(
        self,
        models: Mapping[str, Coder | LatentModel],
        images,
        labels: Sequence | None = None,
        *,
        image_shape: tuple[int, int] = (8, 8),
        pixel_range: tuple[float, float] = (0.0, 1.0),
        ink: bool = True,
        start: int | None = 0,
        pad: str = "codes",
        axes: tuple[int, int] | None = None,
        seed: int = 0,
        label: str = "Latent-space explorer",
    ):
        pixels = int(np.prod(image_shape))
        pictures = np.asarray(images, dtype=np.float32)
        if pictures.ndim == 3:
            pictures = pictures.reshape(len(pictures), pictures.shape[1] * pictures.shape[2])
        if pictures.ndim != 2 or not len(pictures) or pictures.shape[1] != pixels:
            size = " by ".join(map(str, image_shape))
            raise ValueError(f"images have shape {np.shape(images)}; give at least one picture of {size}.")
        if not np.isfinite(pictures).all():
            raise ValueError("images hold NaN or infinity; every pixel must be finite.")
        if labels is not None and len(labels) != len(pictures):
            raise ValueError(f"there are {len(labels)} labels for {len(pictures)} images; give one for each.")
        if not 1 <= len(models) <= 3:
            raise ValueError(f"there are {len(models)} models; the explorer shows one, two or three.")
        if start is not None and not 0 <= start < len(pictures):
            raise ValueError(f"start is {start}; give a number from 0 to {len(pictures) - 1}, or None.")
        if pad not in ("codes", "pictures"):
            raise ValueError(f'pad is {pad!r}; give "codes" or "pictures".')

        prepared = []
        for name, model in models.items():
            given = latent_model(model, pictures) if isinstance(model, Coder) else model
            prepared.append(prepare(name, given, len(pictures), pixels))
        sizes = {one.name: one.codes.shape[1] for one in prepared}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"the models have codes of different sizes, {sizes}; one drag needs one size.")

        kept = np.unique(np.linspace(0, len(pictures) - 1, min(len(pictures), LIMIT)).round().astype(int))
        if start is not None:
            kept[np.abs(kept - start).argmin()] = start
        self._prepared = [one._replace(codes=one.codes[kept]) for one in prepared]
        self._pictures = pictures[kept]
        self._shape, self._range, self._ink = tuple(image_shape), pixel_range, ink
        self._marks = [] if labels is None else [str(mark) for mark in np.asarray(labels)[kept]]
        names = sorted(set(self._marks), key=lambda mark: (len(mark), mark))
        self._colours = {name: CLASS_COLOURS[k % len(CLASS_COLOURS)] for k, name in enumerate(names)}
        self._axes = self._widest() if axes is None else self._chosen(axes)

        low, high = pixel_range
        levels = np.clip((self._pictures - low) / (high - low), 0, 1)
        shown = -1 if start is None else int(np.flatnonzero(kept == start)[0])
        furthest = max(np.abs(one.positions).max() for one in self._prepared)
        super().__init__(
            label=label,
            models=[
                {
                    "name": one.name,
                    "units": one.units,
                    "centre": one.centre.tolist(),
                    "spread": one.spread.tolist(),
                    "layers": dense.description(one.layers),
                }
                for one in self._prepared
            ],
            weights=b"".join(dense.packed(one.layers) for one in self._prepared),
            codes=b"".join(one.codes.astype("<f4").tobytes() for one in self._prepared),
            images=np.round(255 * levels).astype(np.uint8).tobytes(),
            marks=self._marks,
            classes=[{"name": name, "colour": colour} for name, colour in self._colours.items()],
            shape=list(image_shape),
            settings={
                "axes": self._axes,
                "reach": max(3.0, float(np.ceil(2 * furthest) / 2)),
                "range": [float(low), float(high)],
                "ink": ink,
                "seed": seed,
                "grid": GRID,
                "apart": self._apart(),
                "pad": pad,
            },
            image=shown,
            z={one.name: (one.centre if shown < 0 else one.codes[shown]).tolist() for one in self._prepared},
        )

    def _widest(self) -> list[int]:
        """Return, in order, the two dimensions along which the codes differ most, in the models' units."""
        spread = sum(one.positions.var(0) for one in self._prepared)
        return sorted(int(k) for k in np.argsort(-spread, kind="stable")[:2])

    def _chosen(self, axes) -> list[int]:
        size = len(self._prepared[0].centre)
        chosen = [int(k) for k in axes]
        if (
            len(chosen) != min(size, 2)
            or len(set(chosen)) < len(chosen)
            or not all(0 <= k < size for k in chosen)
        ):
            raise ValueError(
                f"axes is {axes!r}; give two different dimensions from 0 to {size - 1}, or None."
            )
        return chosen

    def _apart(self) -> float:
        """Return the median distance from a held-out picture to its nearest neighbour among them."""
        if len(self._pictures) < 2:
            return 0.0
        squares = (self._pictures.astype(np.float64) ** 2).sum(1)
        distances = squares[:, None] + squares - 2.0 * self._pictures @ self._pictures.T
        np.fill_diagonal(distances, np.inf)
        return float(np.median(np.sqrt(np.maximum(distances.min(1), 0))))

    @traitlets.validate("z")
    def _check_z(self, proposal):
        given = proposal["value"]
        sizes = {one.name: one.codes.shape[1] for one in self._prepared}
        for name, code in given.items():
            if name not in sizes:
                raise ValueError(f"z names {name!r}; the models are {', '.join(sizes)}.")
            array = np.asarray(code, dtype=np.float64)
            if array.shape != (sizes[name],) or not np.isfinite(array).all():
                raise ValueError(f"the code of {name!r} must be {sizes[name]} finite numbers.")
        kept = {name: code for name, code in self.z.items() if name not in given}
        # rounded as the browser rounds: what comes back is then equal, and starts no second round
        return kept | {name: [round(float(x), 6) for x in code] for name, code in given.items()}

    def encode(self, index: int) -> None:
        """Go to the codes of shown picture number `index`."""
        if not 0 <= index < len(self._pictures):
            raise ValueError(f"index is {index}; the explorer shows pictures 0 to {len(self._pictures) - 1}.")
        self.image = index
        self.z = {one.name: one.codes[index] for one in self._prepared}

    def picture(self):
        """Draw, for each model, where its codes lie, and what its decoder draws there."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.4 * len(self._prepared), 6.9), layout="constrained")
        axes = figure.subplots(2, len(self._prepared), squeeze=False)
        for one, scatter, grid in zip(self._prepared, *axes, strict=True):
            self._scatter(scatter, one)
            levels = self.manifold(one.name)
            style = dict(zip(("vmin", "vmax"), self._range, strict=True))
            grid.imshow(levels, cmap="gray_r" if self._ink else "gray", **style)
            grid.set(xticks=[], yticks=[], title=f"{one.name}: what it draws there")
        return figure

    def _scatter(self, axes, one: Prepared) -> None:
        positions = one.positions
        across, up = positions[:, self._axes[0]], positions[:, self._axes[-1]]
        if len(self._axes) == 1:
            up = np.zeros_like(across)
        for mark in self._colours or [None]:
            chosen = np.array([own == mark for own in self._marks]) if mark is not None else slice(None)
            marker = f"${mark}$" if mark is not None and len(mark) < 3 else "o"
            colour = self._colours.get(mark, "#555555")
            axes.scatter(across[chosen], up[chosen], s=26, marker=marker, color=colour, linewidths=0.3)
        reach = self.settings["reach"]
        names = [f"$z_{{{k + 1}}}$" for k in self._axes]
        unit = "" if one.units == "prior" else ", in its own standard deviations"
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel=names[0] + unit)
        axes.set(title=f"{one.name}: codes of {len(positions)} held-out images")
        if len(names) > 1:
            axes.set_ylabel(names[1])

    def manifold(self, name: str) -> np.ndarray:
        """Return the grid picture of model `name`: what it decodes at the quantiles of N(0, 1) along both axes.

        Shape (15 · height, 15 · width); the other dimensions stay at the centre, z₂ grows upwards.
        """
        one = next(one for one in self._prepared if one.name == name)
        height, width = self._shape
        steps = ndtri((np.arange(GRID) + 0.5) / GRID)
        rows = steps[::-1] if len(self._axes) > 1 else np.zeros(1)
        positions = np.zeros((len(rows), GRID, len(one.centre)))
        positions[..., self._axes[-1]] = rows[:, None]
        positions[..., self._axes[0]] = steps
        codes = one.centre + one.spread * positions.reshape(-1, len(one.centre))
        pictures = dense.forward(one.layers, codes).reshape(len(rows), GRID, height, width)
        return pictures.transpose(0, 2, 1, 3).reshape(len(rows) * height, GRID * width)

    def sentence(self) -> str:
        names = " and ".join(one.name for one in self._prepared)
        axes = " and ".join(f"z{k + 1}" for k in self._axes)
        return (
            f"Latent-space explorer of {names}: above, the codes of {len(self._pictures)} held-out images along "
            f"{axes}; below, what each decoder draws over the same plane. Run the cell to drag a code yourself."
        )
