"""The widget of lesson 00: a density under the hand, whose height may pass 1 while its area never does."""

import numpy as np
import traitlets
from scipy.special import ndtr

from vaecourse.figures import start_here as figures
from vaecourse.validation import finite, positive
from vaecourse.widgets.base import BrowserWidget, bundle


class AreaExplorer(BrowserWidget):
    """A Gaussian and an interval. The browser draws and shades; Python hears the values at rest and answers.

    `answer` is what Python computed for the values it heard: the way to see that the kernel and the page talk.
    """

    _esm = bundle("start_here.js")
    mean = traitlets.Float(0.0).tag(sync=True)
    sd = traitlets.Float(1.0).tag(sync=True)
    low = traitlets.Float(-1.0).tag(sync=True)
    high = traitlets.Float(1.0).tag(sync=True)
    answer = traitlets.Unicode().tag(sync=True)

    def __init__(self, mean: float = 0.0, sd: float = 1.0, low: float = -1.0, high: float = 1.0):
        mean, low, high = (
            float(finite(name, value)) for name, value in (("mean", mean), ("low", low), ("high", high))
        )
        if low > high:
            raise ValueError(f"low is {low:g} and high is {high:g}; an interval begins at its lower end.")
        super().__init__(
            label="Area, not height, is probability",
            mean=mean,
            sd=float(positive("sd", sd)),
            low=low,
            high=high,
        )

    @property
    def area(self) -> float:
        """P(low ≤ x ≤ high) for x ~ N(mean, sd²)"""
        return float(ndtr((self.high - self.mean) / self.sd) - ndtr((self.low - self.mean) / self.sd))

    @property
    def height(self) -> float:
        """The density at its top, 1 / (sd √2π)"""
        return float(1 / (self.sd * np.sqrt(2 * np.pi)))

    @traitlets.observe("mean", "sd", "low", "high")
    def _answer(self, change=None) -> None:
        self.answer = f"Python heard you, and computes the area {self.area:.3f}."

    def sentence(self) -> str:
        return (
            f"A Gaussian with mean {self.mean:.1f} and standard deviation {self.sd:.1f}: its height is {self.height:.3f}, "
            f"the area between {self.low:.1f} and {self.high:.1f} is {self.area:.3f}."
        )

    def picture(self):
        x = np.linspace(-4, 4, 401)
        density = self.height * np.exp(-0.5 * ((x - self.mean) / self.sd) ** 2)
        return figures.area(x, density, self.low, self.high, self.area).get_figure()
