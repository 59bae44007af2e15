"""A tool, not the subject: the quadratic program of the linear support vector machine, solved exactly.

SciPy has no solver for quadratic programs. This one follows M. Ferris and T. Munson, "Interior-point methods for massive
support vector machines", SIAM J. Optim. 13 (2002), with the steps of S. Mehrotra (1992): some 15 Newton steps, each a
linear system of size d + 1.
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import linprog

NEWTON_STEPS = 200
SIGNS = np.array([[1.0], [-1.0]])


def separating_plane(x: np.ndarray, labels: np.ndarray, c: float) -> tuple[np.ndarray, float]:
    """The w (d,) and b that minimize ½ w·w + c Σ ξ_n with y_n (w·x_n + b) ≥ 1 − ξ_n, ξ_n ≥ 0; no ξ at all if c is ∞.

    Where many b are equally good, the middle of them. ValueError if c is ∞ and no plane parts the labels.
    """
    # A shift of x moves only b. With x/s in place of x, w becomes s w, and c becomes c s².
    middle = x.mean(axis=0)
    scale = np.abs(x - middle).max() or 1.0
    unit = (x - middle) / scale
    if np.isinf(c):
        _refuse_inseparable(unit, labels)
    w = _dual(labels[:, None] * unit, labels, c * scale**2) / scale
    return w, _offset((x - middle) @ w, labels, np.isinf(c)) - float(middle @ w)


def _dual(z: np.ndarray, y: np.ndarray, c: float) -> np.ndarray:
    """w = Σ a_n z_n, z_n = y_n x_n, of the a that minimize ½‖w‖² − Σ a_n with Σ a_n y_n = 0 and 0 ≤ a_n ≤ c.

    Each row of `room` (a, and c − a if c is finite) stays above 0, and so does its multiplier in `price` (by how much the
    margin is exceeded, and by how much it is missed). Their products all fall towards 0 together: there is the solution.
    """
    a, b = np.full(len(z), min(1.0, c / 2)), 0.0
    room, sign = (np.array([a]), SIGNS[:1]) if np.isinf(c) else (np.array([a, c - a]), SIGNS)
    price = np.ones_like(room)
    best, answer, waited = np.inf, None, 0
    for _ in range(NEWTON_STEPS):
        w = room[0] @ z
        # both are 0 at the solution: 1 − y (w·x + b) + exceeded − missed, and Σ a y
        slack, balance = 1 - z @ w - b * y + (sign * price).sum(axis=0), room[0] @ y
        gap, size = (room * price).sum(), 1 + room[0].sum()
        error = gap / size + np.abs(slack).max() + abs(balance) / size
        best, answer, waited = (error, w, 0) if error < best else (best, answer, waited + 1)
        if error < 1e-15 or waited == 12:  # at the end only rounding moves the error
            break
        state = np.column_stack([z, y]), room, price, sign, slack, balance
        try:
            # straight to the solution; how far that way is free says how much to stay in the middle instead
            d_room, d_price, _ = _newton(*state, 0.0)
            t = _free(room, price, d_room, d_price)
            share = (((room + t * d_room) * (price + t * d_price)).sum() / gap) ** 3
            d_room, d_price, d_b = _newton(*state, share * gap / room.size - d_room * d_price)
        except LinAlgError:  # so near the solution that the system is singular in float64
            break
        t = min(1.0, 0.995 * _free(room, price, d_room, d_price))
        room, price, b = room + t * d_room, price + t * d_price, b + t * d_b
    if best > 1e-8:
        reason = (
            "The gap between the labels is too narrow"
            if np.isinf(c)
            else "c is too large for labels that overlap"
        )
        raise ValueError(f"{reason}: the plane cannot be found to eight digits; give a smaller c.")
    return answer


def _newton(e, room, price, sign, slack, balance, target):
    """The changes of room, price and b that, to first order, make room · price = target, slack = 0 and balance = 0."""
    weight = 1 / (price / room).sum(axis=0)
    g = slack + (sign * (target / room - price)).sum(axis=0)
    # (I + Zᵀ W Z) dw + … = Zᵀ W g, the last row and column for b
    system, right = e.T @ (e * weight[:, None]), e.T @ (g * weight)
    system[np.arange(len(system) - 1), np.arange(len(system) - 1)] += 1
    right[-1] += balance
    change = cho_solve(cho_factor(system), right)
    d_room = sign * (weight * (g - e @ change))
    return d_room, (target - price * d_room) / room - price, change[-1]


def _free(room, price, d_room, d_price) -> float:
    """The longest step, at most 1, that leaves room and price at or above 0."""
    values, changes = np.append(room, price), np.append(d_room, d_price)
    falling = changes < 0
    return min(1.0, float((-values[falling] / changes[falling]).min(initial=1.0)))


def _offset(heights: np.ndarray, y: np.ndarray, hard: bool) -> float:
    """The middle of all b that are best beside given heights w·x_n."""
    # y_n (height_n + b) = 1 at b = y_n − height_n
    kinks = y - heights
    if hard:
        return float((kinks[y > 0].max() + kinks[y < 0].min()) / 2)
    # Σ max(0, 1 − y_n (height_n + b)) has the slope −(number of +) at b = −∞, and one more after every kink
    kinks, plus = np.sort(kinks), int((y > 0).sum())
    return float((kinks[plus - 1] + kinks[plus]) / 2)


def _refuse_inseparable(x: np.ndarray, y: np.ndarray) -> None:
    n, d = x.shape
    # the largest t with y_n (w·x_n + b) ≥ t, |w_j| ≤ 1
    rows = np.column_stack([-y[:, None] * x, -y, np.ones(n)])
    bounds = [(-1, 1)] * d + [(None, None), (None, None)]
    found = linprog(np.r_[np.zeros(d + 1), -1.0], rows, np.zeros(n), bounds=bounds)
    if not found.success or found.x[-1] <= 1e-9:
        raise ValueError(
            "No plane parts these labels without an error, or only by a billionth of the size of x, so c = inf has no solution; "
            "give a finite c, which allows errors at a price."
        )
