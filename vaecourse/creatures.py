"""Little creatures, drawn from five known causes: what should a good latent space find again?

A creature stands on the ground and looks at you with one eye. Five independent numbers, its factors, each from 0 to 1,
say how it looks:

| factor | at 0 | at 1 |
|---|---|---|
| `width` | a slim body | a wide body |
| `height` | a low body | a tall one, the eye and the ears go up with it |
| `ears` | short ears | long ears |
| `gaze` | looks to the left of the picture | looks to the right |
| `tail` | hangs down | is held up |

The edges are smooth because every pixel takes the share that lies inside a shape, estimated from its distance to the
outline: a small change of a factor is a small change of the picture.
"""

from typing import NamedTuple

import numpy as np

from vaecourse.validation import finite

FACTORS = ("width", "height", "ears", "gaze", "tail")
SIZE = 20  # pixels a side; the picture reaches from −1 to 1 both ways
BLOCK = 256  # creatures drawn at a time: their pixels stay in the cache

# Each factor's range, in units in which the picture is 2 wide; the tail's in radians above the horizontal.
RANGES = {
    "width": (0.34, 0.62),
    "height": (0.34, 0.60),
    "ears": (0.12, 0.46),
    "gaze": (-0.13, 0.13),
    "tail": (-0.9, 1.2),
}
GROUND, MIDDLE, LEGS = -0.93, -0.18, 0.22


class Creatures(NamedTuple):
    """Pictures, float32 in [0, 1], shape (n, 400), and what made them: factors, float64 in [0, 1], shape (n, 5)."""

    images: np.ndarray
    factors: np.ndarray
    names: tuple[str, ...] = FACTORS
    image_shape: tuple[int, int] = (SIZE, SIZE)


def creatures(n: int, rng: np.random.Generator) -> Creatures:
    """Draw n creatures, every factor uniform on [0, 1] and independent of the others."""
    if n < 1:
        raise ValueError(f"n is {n}; ask for at least one creature.")
    factors = rng.uniform(size=(n, len(FACTORS)))
    return Creatures(render(factors), factors)


def render(factors) -> np.ndarray:
    """Draw one creature for each row of `factors`, shape (n, 5) in the order of FACTORS: float32, shape (n, 400).

    ValueError for another shape, and for a factor outside [0, 1].
    """
    factors = finite("factors", factors)
    if factors.ndim != 2 or factors.shape[1] != len(FACTORS):
        raise ValueError(
            f"factors has shape {factors.shape}; right would be (n, {len(FACTORS)}): {', '.join(FACTORS)}."
        )
    if factors.min() < 0 or factors.max() > 1:
        worst = factors.min() if factors.min() < 0 else factors.max()
        raise ValueError(f"factors holds {worst:g}; each factor lies between 0 and 1.")
    return np.concatenate([_draw(block) for block in np.split(factors, range(BLOCK, len(factors), BLOCK))])


def row(factor: str, steps: int = 7, others: float = 0.5) -> np.ndarray:
    """The factors, shape (steps, 5), of a row of creatures: one factor goes from 0 to 1, the others stay."""
    if factor not in FACTORS:
        raise ValueError(f"There is no factor {factor!r}; there are {', '.join(FACTORS)}.")
    factors = np.full((steps, len(FACTORS)), others)
    factors[:, FACTORS.index(factor)] = np.linspace(0, 1, steps)
    return factors


def _draw(factors: np.ndarray) -> np.ndarray:
    low, high = np.array([RANGES[name] for name in FACTORS]).T
    width, height, ears, gaze, tail = (low + (high - low) * factors).T[:, :, None, None]
    line = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = line[None, None, :] - MIDDLE, -line[None, :, None]
    feet = GROUND + LEGS
    centre, top = feet + height, feet + 2 * height
    limbs = [
        _stroke(x, y, side * 0.5 * width, GROUND + 0.07, side * 0.5 * width, centre, 0.08) for side in (-1, 1)
    ]
    limbs += [
        _stroke(x, y, side * 0.12, top - 0.1, side * (0.16 + 0.4 * ears), top - 0.04 + 0.9 * ears, 0.07)
        for side in (-1, 1)
    ]
    root_x, root_y = 0.75 * width, centre - 0.4 * height
    limbs.append(
        _stroke(x, y, root_x, root_y, root_x + 0.55 * np.cos(tail), root_y + 0.55 * np.sin(tail), 0.07)
    )
    eye = centre + 0.25 * height
    picture = 0.8 * _inside(np.minimum.reduce(limbs))
    for shape, grey in (
        (_ellipse(x, y - centre, width, height), 1.0),
        (np.hypot(x, y - eye) - 0.23, 0.0),
        (np.hypot(x - gaze, y - eye) - 0.1, 1.0),
    ):
        covered = _inside(shape)
        picture += covered * (grey - picture)
    return picture.reshape(len(factors), -1).astype(np.float32)


def _inside(distance: np.ndarray) -> np.ndarray:
    """The share of a pixel inside a shape whose outline is so far away (negative: inside)."""
    return np.clip(0.5 - distance * (SIZE / 2), 0, 1)


def _ellipse(x, y, a, b) -> np.ndarray:
    """About the distance to the ellipse with half axes a and b: its equation divided by the slope of that."""
    level = np.sqrt((x / a) ** 2 + (y / b) ** 2)
    slope = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2)
    # f / |∇f| with f = level − 1; at the very centre both vanish, and the shorter half axis is the distance
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(slope > 0, level * (level - 1) / slope, -np.minimum(a, b))


def _stroke(x, y, x0, y0, x1, y1, radius: float) -> np.ndarray:
    """The distance to a line from (x0, y0) to (x1, y1) with round ends."""
    dx, dy = x1 - x0, y1 - y0
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx**2 + dy**2), 0, 1)
    return np.hypot(x - x0 - along * dx, y - y0 - along * dy) - radius
