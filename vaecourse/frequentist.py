"""Learning as optimization: a model, a loss and an algorithm, for least squares and for the linear support vector machine.

Data x have shape (n, d), one example a row; shape (n,) is taken as (n, 1). Labels are −1 or +1. Sources: the closed form
is in C. Bishop, "Pattern Recognition and Machine Learning" (2006), eq. 3.15, the support vector machine in §7.1; steps
that fall like 1/t in Robbins and Monro (1951), by a fixed factor in J.-L. Goffin, "On convergence rates of subgradient
optimization methods" (1977). Each function raises ValueError, in one sentence,
for NaN, infinity or shapes that do not fit.
"""

from collections.abc import Callable
from numbers import Integral
from typing import NamedTuple

import numpy as np

from vaecourse.mixture_model import check_data
from vaecourse.support_vectors import separating_plane
from vaecourse.validation import finite, positive

Step = float | Callable[[int], float]


class Descent(NamedTuple):
    """Where a descent went: the start and the point after each step, shape (steps + 1, d)."""

    points: np.ndarray


class Separator(NamedTuple):
    """The plane w·x + b = 0 that parts two classes: weights w (d,), offset b. (Arrays of planes: (..., d) and (...).)"""

    weights: np.ndarray
    offset: float


# Least squares


def least_squares(x, y) -> np.ndarray:
    """The weights w, shape (d,), that minimize Σ_n (x_n·w − y_n)²; no offset, unless x has a column of ones.

    Where many weights are equally good (columns that repeat each other, fewer examples than columns) it is the shortest
    of them.
    """
    x, y = _examples(x, y)
    # XᵀX w = Xᵀy, solved by the singular values of X, since XᵀX has only half of its digits
    return np.linalg.lstsq(x, y)[0]


def squared_loss(weights, x, y) -> np.ndarray:
    """Σ_n (x_n·w − y_n)², shape (...), for weights of shape (..., d)."""
    x, y = _examples(x, y)
    return ((_weights(weights, x) @ x.T - y) ** 2).sum(axis=-1)


def squared_loss_gradient(weights, x, y) -> np.ndarray:
    """The slope of `squared_loss` in each weight, 2 Σ_n (x_n·w − y_n) x_n, shape (..., d)."""
    x, y = _examples(x, y)
    # 2 Xᵀ(Xw − y)
    return 2 * (_weights(weights, x) @ x.T - y) @ x


# Going downhill


def gradient_descent(gradient: Callable, start, step: Step, iterations: int) -> Descent:
    """w ← w − step · gradient(w), `iterations` times from `start`, shape (d,).

    `step` is a number, or a function of the number t = 0, 1, … of the step. ValueError if the steps are so large that
    the numbers overflow.
    """
    _whole("iterations", iterations)
    return _descend(lambda w, t: gradient(w), start, step, iterations)


def stochastic_gradient_descent(
    gradient_of_row: Callable, start, rows: int, step: Step, epochs: int, rng: np.random.Generator
) -> Descent:
    """One step per example: w ← w − step · gradient_of_row(w, i), every row i once per epoch, in a new random order.

    `rows` is the number of examples; `step` is a number, or a function of t = 0, 1, … With a fixed step the weights keep
    trembling; they settle when the steps sum to infinity and their squares do not (Robbins and Monro 1951), as 1/t.
    """
    _whole("rows", rows, least=1)
    _whole("epochs", epochs)
    order = np.concatenate([rng.permutation(rows) for _ in range(epochs)]) if epochs else []
    return _descend(lambda w, t: gradient_of_row(w, int(order[t])), start, step, epochs * rows)


def _descend(gradient: Callable, start, step: Step, iterations: int) -> Descent:
    w = finite("start", start)
    if w.ndim != 1:
        raise ValueError(f"start has shape {w.shape}; it must be one list of weights, shape (d,).")
    if not callable(step):
        positive("step", step)
    points = np.empty((iterations + 1, len(w)))
    points[0] = w
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(iterations):
            size = step(t) if callable(step) else step
            # w ← w − step · ∇L(w)
            points[t + 1] = points[t] - size * _same_shape(gradient(points[t], t), w)
            if not np.isfinite(points[t + 1]).all():
                raise ValueError(
                    f"step is too large: after {t + 1} steps the weights are no longer finite numbers; take a smaller one."
                )
    return Descent(points)


# The linear support vector machine


def decision(separator: Separator, x) -> np.ndarray:
    """w·x_n + b, shape (..., n): its sign is the class; it is ±1 on the edges of the margin."""
    weights, offset = finite("weights", separator.weights), finite("offset", separator.offset)
    x = check_data(x)
    return _weights(weights, x) @ x.T + offset[..., None]


def hinge_loss(separator: Separator, x, labels, c) -> np.ndarray:
    """½ w·w + c Σ_n max(0, 1 − y_n (w·x_n + b)), shape (...): a wide margin, and a price for every point inside it."""
    x, y, c = _labelled(x, labels, c)
    _refuse_infinite(c)
    # ½ wᵀw + c Σ max(0, 1 − y (wᵀx + b))
    missed = np.maximum(0, 1 - y * decision(separator, x))
    return 0.5 * (np.asarray(separator.weights, dtype=np.float64) ** 2).sum(axis=-1) + c * missed.sum(axis=-1)


def svm_constraint_form(x, labels, c: float = np.inf) -> Separator:
    """The plane of widest margin: min ½ w·w subject to y_n (w·x_n + b) ≥ 1 (Bishop, eq. 7.5 and 7.6), solved exactly.

    With a finite c a point may miss by ξ_n ≥ 0 at the price c ξ_n (eq. 7.20 and 7.21). Where many offsets b are equally
    good, it is the middle of them. ValueError unless both labels occur, and if c is ∞ and no plane parts them.
    """
    x, y, c = _labelled(x, labels, c)
    return Separator(*separating_plane(x, y, c))


def svm_hinge_form(x, labels, c: float, iterations: int = 40_000) -> Separator:
    """The same plane by subgradient descent on `hinge_loss`, with no constraint; the mean of the last tenth of its path.

    The steps shrink by the same factor each time, over eight powers of ten or more: around its minimum the loss has
    kinks, as steep near it as far from it, so the end of the path is as close as its last steps are short. The data are
    first moved and scaled to size 1, which changes the path and not the plane. Where many offsets are equally good, it
    ends at one of them. ValueError if the path may have ended far above the minimum, as it does for a very large c.
    """
    x, y, c = _labelled(x, labels, c)
    _refuse_infinite(c)
    _whole("iterations", iterations, least=10)
    middle = x.mean(axis=0)
    scale = np.abs(x - middle).max() or 1.0
    z = np.column_stack([y[:, None] * (x - middle) / scale, y])
    prices = c * scale**2 * z
    own = np.append(np.ones(x.shape[1]), 0.0)  # the slope of ½ w·w is w, and b has none
    unit = 30 / (c * scale**2 * len(x))
    sizes = np.geomspace(max(unit, 0.03), 1e-8 * unit, iterations)[:, None]
    steps = np.where(own, np.minimum(sizes, 1.0), sizes)
    plane, last = np.zeros(len(own)), iterations // 10
    mean, share = np.zeros(len(own)), np.zeros(len(x))
    for t in range(iterations):
        missed = z @ plane < 1
        if t >= iterations - last:
            mean, share = mean + plane / last, share + missed / last
        # w ← w − step · (w − c Σ y x),  b ← b + step · c Σ y,  sums over the points that miss the margin
        plane = plane - steps[t] * (own * plane - missed @ prices)
    weights = mean[:-1] / scale
    found = Separator(weights, float(mean[-1] - middle @ weights))
    loss, floor = float(hinge_loss(found, x, y, c)), _floor(x - middle, y, c * share)
    if loss - floor > 0.2 * loss:
        raise ValueError(
            f"iterations is {iterations}, too few for c = {c:g}: the loss is {loss:.3g} and its minimum may be as low "
            f"as {max(floor, 0):.3g}; take more iterations or a smaller c."
        )
    return found


def _floor(x: np.ndarray, y: np.ndarray, a: np.ndarray) -> float:
    """What no hinge loss of price c is below, given any a, 0 ≤ a_n ≤ c: Σ a − ½ ‖Σ a y x‖² with Σ a y = 0 (Bishop, eq. 7.32)."""
    plus, minus = a[y > 0].sum(), a[y < 0].sum()
    if min(plus, minus) == 0:
        return 0.0
    # make both classes' sums the smaller of the two
    a = a * np.where(y > 0, min(1.0, minus / plus), min(1.0, plus / minus))
    w = (a * y) @ x
    return float(a.sum() - 0.5 * w @ w)


# Checks


def _examples(x, y) -> tuple[np.ndarray, np.ndarray]:
    x, y = check_data(x), finite("y", y)
    if y.shape != (len(x),):
        raise ValueError(f"y has shape {y.shape}; right would be ({len(x)},), one number per row of x.")
    return x, check_data(y, "y")[:, 0]


def _labelled(x, labels, c) -> tuple[np.ndarray, np.ndarray, float]:
    x, y = check_data(x), finite("labels", labels)
    if y.shape != (len(x),):
        raise ValueError(f"labels have shape {y.shape}; right would be ({len(x)},), one label per row of x.")
    if not np.isin(y, (-1, 1)).all():
        raise ValueError(f"labels hold {y[~np.isin(y, (-1, 1))][0]:g}; each label must be −1 or +1.")
    if len(np.unique(y)) < 2:
        raise ValueError(f"labels are all {y[0]:+g}; there must be at least one −1 and one +1.")
    c = np.float64(c)
    if not c > 0:
        raise ValueError(f"c is {c:g}; the price of an error must be above zero (inf: none is allowed).")
    return x, y, float(c)


def _refuse_infinite(c: float) -> None:
    if np.isinf(c):
        raise ValueError("c is inf; the hinge form needs a finite price (the constraint form takes inf).")


def _weights(weights, x: np.ndarray) -> np.ndarray:
    w = finite("weights", weights)
    if w.shape[-1:] != (x.shape[1],):
        raise ValueError(
            f"weights have shape {w.shape}; right would be (..., {x.shape[1]}), one weight per column of x."
        )
    return w


def _same_shape(gradient, w: np.ndarray) -> np.ndarray:
    gradient = np.asarray(gradient, dtype=np.float64)
    if gradient.shape != w.shape:
        raise ValueError(
            f"gradient gives shape {gradient.shape}; right would be {w.shape}, one slope per weight."
        )
    return gradient


def _whole(name: str, value, least: int = 0) -> None:
    if not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} is {value}; it must be a whole number, at least {least}.")
