"""log p(x) = ELBO + KL(q‖p(z|x)), by Bayes' rule and by Jensen, the forms of the ELBO, and the two gradients of an average.

The model is the smallest one whose exact answers are known: z ~ N(0, 1) and x | z ~ N(2z, 1), so that p(x) and p(z|x) are
Gaussian too. q(z) = N(m, exp(s)) is the approximation. Sources: Kingma and Welling, "Auto-Encoding Variational Bayes"
(2013), eq. 1 to 3; Williams (1992) for the score-function gradient; Bishop, "Pattern Recognition and Machine Learning" (2006), eq. 9.70.
"""

from typing import NamedTuple

import numpy as np

from vaecourse.derivation import Chain, Parameter, Part, Step
from vaecourse.symbols import P_COLOUR, Q_COLOUR

W = 2.0  # x | z ~ N(W z, 1)

_U = np.linspace(-12, 12, 241)
_WEIGHTS = np.exp(-0.5 * _U**2) / np.sqrt(2 * np.pi) * (_U[1] - _U[0])
_Z = np.linspace(-15, 15, 1001)


def _log_normal(x, mean, variance) -> np.ndarray:
    return -0.5 * np.log(2 * np.pi * variance) - (x - mean) ** 2 / (2 * variance)


class Inference(NamedTuple):
    """x, q's mean m and log-variance s, and the point `z` at which Bayes' rule is read; each of shape (n, 1)."""

    x: np.ndarray
    m: np.ndarray
    s: np.ndarray
    z: np.ndarray

    def log_joint(self, z) -> np.ndarray:
        """log p(x, z) = log p(x|z) + log p(z)"""
        return _log_normal(self.x, W * z, 1.0) + _log_normal(z, 0.0, 1.0)

    def log_posterior(self, z) -> np.ndarray:
        """log p(z|x), which is N(W x / (1 + W²), 1 / (1 + W²))"""
        return _log_normal(z, W * self.x / (1 + W**2), 1 / (1 + W**2))

    def log_q(self, z) -> np.ndarray:
        return _log_normal(z, self.m, np.exp(self.s))

    def grid(self) -> np.ndarray:
        """The z on which q is integrated, shape (n, 241)."""
        return self.m + np.exp(self.s / 2) * _U

    def grid_values(self) -> np.ndarray:
        """log p(x, z) on that grid, shape (n, 241)"""
        return self.log_joint(self.grid())

    def average(self, function) -> np.ndarray:
        """∫ q(z) function(z) dz, shape (n,), by thin strips on q's own scale."""
        return np.broadcast_to(function(self.grid()), (len(self.m), len(_U))) @ _WEIGHTS

    def evidence(self) -> np.ndarray:
        """log p(x), which is N(0, 1 + W²), shape (n,)"""
        return _log_normal(self.x, 0.0, 1 + W**2)[:, 0]

    def slope(self, z) -> np.ndarray:
        """∂/∂z log p(x, z)"""
        return W * (self.x - W * z) - z

    def derivative(self, value) -> np.ndarray:
        """∂ value/∂m, shape (n,), where `value` takes an `Inference`: by a complex step, exact to rounding."""
        return value(self._replace(m=self.m + 1e-30j)).imag / 1e-30

    def elbo(self) -> np.ndarray:
        return self.average(lambda z: self.log_joint(z) - self.log_q(z))

    def gap(self) -> np.ndarray:
        """KL(q‖p(z|x))"""
        return self.average(lambda z: self.log_q(z) - self.log_posterior(z))


def inference(x, m, s, z) -> Inference:
    return Inference(*(np.asarray(value, float)[:, None] for value in (x, m, s, z)))


def _strips(i: Inference, integrand) -> np.ndarray:
    """∫ exp(integrand(z)) dz, shape (n,), over a wide grid of z. Row by row: the grid is long."""
    step = _Z[1] - _Z[0]
    return np.array(
        [
            np.exp(integrand(Inference(*(column[k : k + 1] for column in i)), _Z)).sum() * step
            for k in range(len(i.m))
        ]
    )


_X = Parameter("x", "x", "the observed x", -4.0, 4.0, 2.0)
_M = Parameter("m", "m", "mean of q", -2.0, 2.0, 0.5)
_S = Parameter("s", "s", "log-variance of q", -3.0, 1.0, -1.0)
_POINT = Parameter("z", "z", "the z at which lines 2 and 3 are read", -2.0, 2.0, 0.5)
_PARAMETERS = (_X, _M, _S, _POINT)
_SETTING = "z is drawn from N(0, 1) and x from N(2z, 1). The approximation q(z) is the Gaussian with mean m and variance exp(s)."
_EVIDENCE = r"\ln p(x)"
_BOUND = (Part("ELBO", Inference.elbo, P_COLOUR), Part("KL(q‖p(z|x))", Inference.gap, Q_COLOUR))

EVIDENCE_BAYES = Chain(
    name="EVIDENCE_BAYES",
    title="log p(x) = ELBO + KL, by Bayes' rule",
    setting=_SETTING,
    parameters=_PARAMETERS,
    model=inference,
    steps=(
        Step(_EVIDENCE, "what we want to know", Inference.evidence),
        Step(r"\ln p(x,z) - \ln p(z|x)", "Bayes' rule, log of a quotient; true at every z",
             lambda i: (i.log_joint(i.z) - i.log_posterior(i.z))[:, 0]),
        Step(r"\ln\frac{p(x,z)}{q(z)} - \ln\frac{p(z|x)}{q(z)}", "subtract and add ln q(z), log of a quotient",
             lambda i: ((i.log_joint(i.z) - i.log_q(i.z)) - (i.log_posterior(i.z) - i.log_q(i.z)))[:, 0]),
        Step(r"\int q(z)\left[\ln\frac{p(x,z)}{q(z)} - \ln\frac{p(z|x)}{q(z)}\right]dz",
             "the same number at every z; q is normalized",
             lambda i: i.average(lambda z: (i.log_joint(z) - i.log_q(z)) - (i.log_posterior(z) - i.log_q(z)))),
        Step(r"\int q(z)\ln\frac{p(x,z)}{q(z)}\,dz - \int q(z)\ln\frac{p(z|x)}{q(z)}\,dz", "linearity",
             lambda i: i.elbo() - i.average(lambda z: i.log_posterior(z) - i.log_q(z))),
        Step(r"\int q(z)\ln\frac{p(x,z)}{q(z)}\,dz + \int q(z)\ln\frac{q(z)}{p(z|x)}\,dz", "linearity, and −ln(a/b) = ln(b/a)",
             lambda i: i.elbo() + i.average(lambda z: i.log_q(z) - i.log_posterior(z))),
        Step(r"\mathrm{ELBO} + \mathrm{KL}\bigl(q\,\|\,p(z|x)\bigr)", "definitions of the ELBO and of KL",
             lambda i: i.elbo() + i.gap(), parts=_BOUND),
    ),
)  # fmt: skip

EVIDENCE_JENSEN = Chain(
    name="EVIDENCE_JENSEN",
    title="log p(x) ≥ ELBO, by Jensen's inequality",
    setting=_SETTING,
    parameters=_PARAMETERS[:3],
    model=lambda x, m, s: inference(x, m, s, m),
    steps=(
        Step(_EVIDENCE, "what we want to know", Inference.evidence),
        Step(r"\ln \int p(x,z)\,dz", "marginalize over z", lambda i: np.log(_strips(i, lambda one, z: one.log_joint(z)))),
        Step(r"\ln \int q(z)\,\frac{p(x,z)}{q(z)}\,dz", "multiply by q(z)/q(z) = 1",
             lambda i: np.log(_strips(i, lambda one, z: one.log_q(z) + (one.log_joint(z) - one.log_q(z))))),
        Step(r"\int q(z)\ln\frac{p(x,z)}{q(z)}\,dz", "Jensen: an average of logs is at most the log of the average", Inference.elbo, ">="),
        Step(r"\mathrm{ELBO}", "definition of the ELBO", Inference.elbo),
    ),
)  # fmt: skip

ELBO_TWO_FORMS = Chain(
    name="ELBO_TWO_FORMS",
    title="The two forms of the ELBO",
    setting=_SETTING,
    parameters=_PARAMETERS[:3],
    model=lambda x, m, s: inference(x, m, s, m),
    left=r"\mathrm{ELBO}",
    steps=(
        Step(r"\int q(z)\ln\frac{p(x,z)}{q(z)}\,dz", "definition (form 1: q stands in the denominator)", Inference.elbo),
        Step(r"\int q(z)\ln\frac{p(x|z)\,p(z)}{q(z)}\,dz", "product rule: p(x, z) = p(x|z) p(z)",
             lambda i: i.average(lambda z: _log_normal(i.x, W * z, 1.0) + _log_normal(z, 0.0, 1.0) - i.log_q(z))),
        Step(r"\int q(z)\left[\ln p(x|z) - \ln\frac{q(z)}{p(z)}\right]dz", "log of a product and of a quotient",
             lambda i: i.average(lambda z: _log_normal(i.x, W * z, 1.0) - (i.log_q(z) - _log_normal(z, 0.0, 1.0)))),
        Step(r"\int q(z)\ln p(x|z)\,dz - \int q(z)\ln\frac{q(z)}{p(z)}\,dz", "linearity",
             lambda i: i.average(lambda z: _log_normal(i.x, W * z, 1.0)) - i.average(lambda z: i.log_q(z) - _log_normal(z, 0.0, 1.0))),
        Step(r"E_q\bigl[\ln p(x|z)\bigr] - \mathrm{KL}\bigl(q\,\|\,p(z)\bigr)", "definition of the average E and of KL (form 2)",
             lambda i: i.average(lambda z: _log_normal(i.x, W * z, 1.0)) - i.average(lambda z: i.log_q(z) - _log_normal(z, 0.0, 1.0))),
    ),
)  # fmt: skip

ELBO_ENTROPY = Chain(
    name="ELBO_ENTROPY",
    title="The ELBO: an average and an entropy",
    setting=_SETTING,
    parameters=_PARAMETERS[:3],
    model=lambda x, m, s: inference(x, m, s, m),
    left=r"\mathrm{ELBO}",
    steps=(
        Step(r"\int q(z)\ln\frac{p(x,z)}{q(z)}\,dz", "definition", Inference.elbo),
        Step(r"\int q(z)\bigl[\ln p(x,z) - \ln q(z)\bigr]dz", "log of a quotient", lambda i: i.average(lambda z: i.log_joint(z) - i.log_q(z))),
        Step(r"\int q(z)\ln p(x,z)\,dz - \int q(z)\ln q(z)\,dz", "linearity", lambda i: i.average(i.log_joint) - i.average(i.log_q)),
        Step(r"E_q\bigl[\ln p(x,z)\bigr] + H(q)", "definition of the average and of the entropy H", lambda i: i.average(i.log_joint) + _entropy(i)),
    ),
)  # fmt: skip

# The slip of many notes: the term ln q(z) gets lost on the way, in line 5.
BROKEN_ELBO = Chain(
    name="BROKEN_ELBO",
    title="Find the line that does not hold",
    setting=_SETTING,
    parameters=_PARAMETERS,
    model=inference,
    left=_EVIDENCE,
    steps=(
        Step(r"\ln p(x,z) - \ln p(z|x)", "Bayes' rule, log of a quotient; true at every z", lambda i: (i.log_joint(i.z) - i.log_posterior(i.z))[:, 0]),
        Step(r"\ln\frac{p(x,z)}{p(z|x)}", "log of a quotient", lambda i: (i.log_joint(i.z) - i.log_posterior(i.z))[:, 0]),
        Step(r"\int q(z)\ln\frac{p(x,z)}{p(z|x)}\,dz", "the same number at every z; q is normalized",
             lambda i: i.average(lambda z: i.log_joint(z) - i.log_posterior(z))),
        Step(r"\int q(z)\ln p(x,z)\,dz - \int q(z)\ln p(z|x)\,dz", "log of a quotient, linearity",
             lambda i: i.average(i.log_joint) - i.average(i.log_posterior)),
        Step(r"\int q(z)\ln p(x,z)\,dz + \int q(z)\ln\frac{q(z)}{p(z|x)}\,dz", "multiply by q/q = 1, log of a quotient",
             lambda i: i.average(i.log_joint) + i.gap()),
        Step(r"\int q(z)\ln p(x,z)\,dz + \mathrm{KL}\bigl(q\,\|\,p(z|x)\bigr)", "definition of KL", lambda i: i.average(i.log_joint) + i.gap()),
    ),
)  # fmt: skip


def _entropy(i: Inference) -> np.ndarray:
    """H(q) = ½ ln 2πe + s/2, shape (n,)"""
    return (0.5 * np.log(2 * np.pi * np.e) + i.s / 2)[:, 0]


def _average_by_strips(i: Inference) -> np.ndarray:
    """∫ q(z) ln p(x, z) dz on a grid of z that does not move with q, shape (n,)"""
    return (np.exp(i.log_q(_Z)) * i.log_joint(_Z)).sum(axis=1) * (_Z[1] - _Z[0])


def _score_by_strips(i: Inference) -> np.ndarray:
    """∫ q(z) (z − m)/exp(s) ln p(x, z) dz, shape (n,)"""
    return (np.exp(i.log_q(_Z)) * (_Z - i.m) / np.exp(i.s) * i.log_joint(_Z)).sum(axis=1) * (_Z[1] - _Z[0])


_SLOPE = r"\frac{\partial}{\partial m}"
_GRADIENT = dict(
    setting=_SETTING + " f(z) is short for ln p(x, z), and e for noise from N(0, 1).",
    parameters=_PARAMETERS[:3],
    model=lambda x, m, s: inference(x, m, s, m),
    left=_SLOPE + r"\,E_q[f(z)]",
)

SCORE_GRADIENT = Chain(
    name="SCORE_GRADIENT",
    title="The gradient of an average, first way: move the density",
    **_GRADIENT,
    steps=(
        Step(_SLOPE + r"\int q(z)\,f(z)\,dz", "definition of the average", lambda i: i.derivative(_average_by_strips)),
        Step(r"\int \frac{\partial q(z)}{\partial m}\,f(z)\,dz", "swap ∂ and ∫: f does not depend on m",
             lambda i: ((_gradient_of_q(i)) * i.log_joint(_Z)).sum(axis=1) * (_Z[1] - _Z[0])),
        Step(r"\int q(z)\,\frac{\partial \ln q(z)}{\partial m}\,f(z)\,dz", "derivative of a log: ∂ ln q = ∂q/q",
             lambda i: (np.exp(i.log_q(_Z)) * (_gradient_of_q(i, logarithm=True)) * i.log_joint(_Z)).sum(axis=1) * (_Z[1] - _Z[0])),
        Step(r"\int q(z)\,\frac{z-m}{\exp(s)}\,f(z)\,dz", "insert the Gaussian log density and differentiate", _score_by_strips),
        Step(r"E_q\left[\frac{z-m}{\exp(s)}\,f(z)\right]", "definition of the average",
             lambda i: i.average(lambda z: (z - i.m) / np.exp(i.s) * i.log_joint(z))),
    ),
)  # fmt: skip

PATHWISE_GRADIENT = Chain(
    name="PATHWISE_GRADIENT",
    title="The gradient of an average, second way: move the points",
    **_GRADIENT,
    steps=(
        Step(_SLOPE + r"\int q(z)\,f(z)\,dz", "definition of the average", lambda i: i.derivative(_average_by_strips)),
        Step(_SLOPE + r"\int N(e;\,0, 1)\,f\bigl(m + \exp(s/2)\,e\bigr)\,de", "change of variable: z = m + exp(s/2)·e",
             lambda i: i.derivative(lambda moved: moved.average(moved.log_joint))),
        Step(r"\int N(e;\,0, 1)\,\frac{\partial}{\partial m} f\bigl(m + \exp(s/2)\,e\bigr)\,de", "swap ∂ and ∫: the noise does not depend on m",
             lambda i: (i._replace(m=i.m + 1e-30j).grid_values().imag / 1e-30) @ _WEIGHTS),
        Step(r"\int N(e;\,0, 1)\,f'\bigl(m + \exp(s/2)\,e\bigr)\,de", "chain rule: ∂z/∂m = 1", lambda i: i.slope(i.grid()) @ _WEIGHTS),
        Step(r"E_e\bigl[f'(m + \exp(s/2)\,e)\bigr]", "definition of the average", lambda i: i.average(i.slope)),
    ),
)  # fmt: skip


def _gradient_of_q(i: Inference, logarithm: bool = False) -> np.ndarray:
    """∂q(z)/∂m, or ∂ log q(z)/∂m, on the grid of z, by a complex step."""
    log_q = i._replace(m=i.m + 1e-30j).log_q(_Z)
    return (log_q if logarithm else np.exp(log_q)).imag / 1e-30
