"""Rendered pictures of the moon, with the phase known for each: what lies between a half moon and a full moon?

The lit part of a disc is bounded on one side by its rim and on the other by half an ellipse, the terminator: at height y
it stands at x = cos(phase) · √(1 − y²). Phase 0 is new moon, π/2 the first half moon, π full moon, 3π/2 the last half.
"""

from typing import NamedTuple

import numpy as np

from vaecourse.validation import finite

SUPERSAMPLING = 6


class Moons(NamedTuple):
    """Pictures, float32 in [0, 1], shape (n, size · size), and what made them: phase and tilt in radians, shape (n,)."""

    pictures: np.ndarray
    phase: np.ndarray
    tilt: np.ndarray
    image_shape: tuple[int, int]


def render(phase, tilt=0.0, size: int = 16) -> np.ndarray:
    """Draw one moon for each phase (radians), turned by `tilt`, shape (n, size · size); edges are averaged, not jagged."""
    phase, tilt = np.broadcast_arrays(np.atleast_1d(finite("phase", phase)), finite("tilt", tilt))
    if size < 4:
        raise ValueError(f"size is {size}; a moon needs at least 4 pixels a side.")
    fine = size * SUPERSAMPLING
    line = (np.arange(fine) + 0.5) / fine * 2.3 - 1.15  # the disc has radius 1, with a narrow border
    x, y = np.meshgrid(line, -line)
    cos, sin = np.cos(tilt)[:, None, None], np.sin(tilt)[:, None, None]
    across, up = cos * x + sin * y, cos * y - sin * x
    half_width = np.sqrt(np.clip(1 - up**2, 0, None))
    waxing = (np.mod(phase, 2 * np.pi) < np.pi)[:, None, None]
    # waxing: lit from the terminator to the right rim; waning: from the left rim to the terminator
    terminator = np.cos(phase)[:, None, None] * half_width
    lit = np.where(waxing, across > terminator, across < -terminator) & (x**2 + y**2 < 1)
    blocks = lit.reshape(len(phase), size, SUPERSAMPLING, size, SUPERSAMPLING)
    return blocks.mean((2, 4)).reshape(len(phase), -1).astype(np.float32)


def lit_fraction(phase) -> np.ndarray:
    """The share of the disc that is lit, (1 − cos phase) / 2: a half at half moon, 1 at full moon."""
    return (1 - np.cos(finite("phase", phase))) / 2


def moons(n: int, rng: np.random.Generator, size: int = 16, most_tilt: float = 0.4) -> Moons:
    """Draw n moons: the phase uniform over the month, the tilt uniform up to `most_tilt` radians either way."""
    if n < 1:
        raise ValueError(f"n is {n}; ask for at least one moon.")
    phase, tilt = rng.uniform(0, 2 * np.pi, n), rng.uniform(-most_tilt, most_tilt, n)
    return Moons(render(phase, tilt, size), phase, tilt, (size, size))


def every_moon(phases: int = 91, tilts: int = 9, size: int = 16, most_tilt: float = 0.4) -> Moons:
    """All moons on a fine grid of phases and tilts, shape (phases · tilts, size · size): what a drawn moon is held against."""
    phase = np.repeat(np.linspace(0, 2 * np.pi, phases), tilts)
    tilt = np.tile(np.linspace(-most_tilt, most_tilt, tilts), phases)
    return Moons(render(phase, tilt, size), phase, tilt, (size, size))
