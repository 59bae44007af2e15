"""The derivations of lesson 09: the KL term of the VAE loss, ½(exp(s) − 1 − s + m²), from the integral to the code.

Source: Kingma and Welling, "Auto-Encoding Variational Bayes" (2013), appendix B.
"""

import numpy as np

from vaecourse.chains.variational_inference import Inference, inference
from vaecourse.derivation import Chain, Parameter, Step


def _column(values: np.ndarray) -> np.ndarray:
    return values[:, 0]


def _variance(i: Inference) -> np.ndarray:
    return i.average(lambda z: (z - i.m) ** 2)


VAE_KL = Chain(
    name="VAE_KL",
    title="The second term of the loss, from the integral to the line of code",
    setting="One latent coordinate: q(z|x) has mean m and variance exp(s), p(z) is N(0, 1). E_q is the average under q.",
    parameters=(
        Parameter("m", "m", "mean code", -2.0, 2.0, 1.0),
        Parameter("s", "s", "log-variance code", -4.0, 2.0, -1.0),
    ),
    model=lambda m, s: inference(np.zeros_like(m), m, s, m),
    left=r"\mathrm{KL}\bigl(q(z|x)\,\|\,p(z)\bigr)",
    steps=(
        Step(r"E_q\bigl[\ln q(z|x) - \ln p(z)\bigr]", "definition",
             lambda i: i.average(lambda z: i.log_q(z) + 0.5 * np.log(2 * np.pi) + z**2 / 2)),
        Step(r"E_q\left[-\frac s2 - \frac{(z-m)^2}{2e^s} + \frac{z^2}{2}\right]", "insert both log densities; ½ ln 2π cancels",
             lambda i: i.average(lambda z: -i.s / 2 - (z - i.m) ** 2 / (2 * np.exp(i.s)) + z**2 / 2)),
        Step(r"-\frac s2\,E_q[1] - \frac{1}{2e^s}E_q\bigl[(z-m)^2\bigr] + \frac12 E_q[z^2]", "linearity",
             lambda i: -_column(i.s) / 2 * i.average(lambda z: np.ones_like(z)) - _variance(i) / (2 * np.exp(_column(i.s)))
             + i.average(lambda z: z**2) / 2),
        Step(r"-\frac s2 - \frac{1}{2e^s}E_q\bigl[(z-m)^2\bigr] + \frac12 E_q[z^2]", "q is normalized",
             lambda i: -_column(i.s) / 2 - _variance(i) / (2 * np.exp(_column(i.s))) + i.average(lambda z: z**2) / 2),
        Step(r"-\frac s2 - \frac12 + \frac12 E_q[z^2]", "definition of the variance of q: it is exp(s)",
             lambda i: -_column(i.s) / 2 - 0.5 + i.average(lambda z: z**2) / 2),
        Step(r"-\frac s2 - \frac12 + \frac12\Bigl(E_q\bigl[(z-m)^2\bigr] + m^2\Bigr)", "E[z²] = E[(z−m)²] + m², as above",
             lambda i: -_column(i.s) / 2 - 0.5 + (_variance(i) + _column(i.m) ** 2) / 2),
        Step(r"-\frac s2 - \frac12 + \frac12\bigl(e^s + m^2\bigr)", "definition of the variance of q",
             lambda i: _column(-i.s / 2 - 0.5 + (np.exp(i.s) + i.m**2) / 2)),
        Step(r"\frac12\bigl(e^s - 1 - s + m^2\bigr)", "collect terms", lambda i: _column(0.5 * (np.expm1(i.s) - i.s + i.m**2))),
    ),
)  # fmt: skip
