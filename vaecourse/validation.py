"""Input checks. Each returns the value as a float64 array, or raises ValueError with one sentence: what, why, what would be right."""

import numpy as np

SUM_TOLERANCE = 1e-9


def finite(name: str, value) -> np.ndarray:
    """Return `value` as a float64 array of any shape; NaN, infinity, text or an empty array is refused."""
    array = _numbers(name, value)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity; every number in it must be finite.")
    return array


def positive(name: str, value) -> np.ndarray:
    """Return `value` as a float64 array of any shape, every entry finite and above zero."""
    array = finite(name, value)
    if (array <= 0).any():
        raise ValueError(f"{name} must be above zero everywhere; its smallest entry is {array.min():g}.")
    return array


def probabilities(name: str, value) -> np.ndarray:
    """Return `value`, shape (..., k), as float64 probabilities: not negative, each row of sum 1 (to 1e-9)."""
    array = finite(name, value)
    if array.ndim == 0:
        raise ValueError(f"{name} must be a list of probabilities, not the single number {float(array):g}.")
    if (array < 0).any():
        raise ValueError(
            f"{name} holds the negative number {array.min():g}; a probability is never below zero."
        )
    total = array.sum(axis=-1)
    worst = float(total.flat[np.abs(total - 1).argmax()])
    if abs(worst - 1) > SUM_TOLERANCE:
        raise ValueError(
            f"{name} sums to {worst:.10g}; probabilities sum to 1 (divide by the sum first, if that is what you mean)."
        )
    return array


def same_length(name_a: str, a: np.ndarray, name_b: str, b: np.ndarray) -> None:
    """Refuse two arrays whose last axes differ in length."""
    if a.shape[-1:] != b.shape[-1:]:
        raise ValueError(
            f"{name_a} has {_count(a)} and {name_b} has {_count(b)}; both must describe the same outcomes, in the same order."
        )


def covariance(name: str, value) -> tuple[np.ndarray, np.ndarray]:
    """Return `value`, shape (d, d), and its lower Cholesky factor; it must be symmetric and positive definite."""
    array = finite(name, value)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} has shape {array.shape}; a covariance is a square matrix, shape (d, d).")
    scale = np.abs(array).max()
    if np.abs(array - array.T).max() > 1e-8 * scale:
        raise ValueError(f"{name} is not symmetric; a covariance equals its own transpose.")
    try:
        return array, np.linalg.cholesky(array)
    except np.linalg.LinAlgError:
        smallest = np.linalg.eigvalsh(array)[0]
        raise ValueError(
            f"{name} is not positive definite: its smallest eigenvalue is {smallest:.3g}, and each must be above zero."
        ) from None


def _numbers(name: str, value) -> np.ndarray:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers in a regular array, not {type(value).__name__}.") from None
    if array.size == 0:
        raise ValueError(f"{name} is empty; it needs at least one number.")
    return array


def _count(array: np.ndarray) -> str:
    return f"{array.shape[-1]} entries" if array.ndim else "a single number"
