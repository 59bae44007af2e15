"""Bayesian logistic regression: p(y = 1 | x, w) = σ(x·w) with w ~ N(0, prior_sd² I), for labels y that are 0 or 1.

The posterior of the weights w has no closed form: the smallest real model whose evidence is an integral nobody can do.
Logarithms are in nats. `x` has shape (n, d) with its column of ones, see `with_intercept`; weights have shape (d,), draws
of them (s, d). Each function raises ValueError, in one sentence, for NaN, infinity, or shapes or labels that do not fit.
Source: C. Bishop, "Pattern Recognition and Machine Learning" (2006), §4.3.2, §4.3.3, §4.4 and §4.5.
"""

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.special import expit, logsumexp

from vaecourse.gaussian_q import LOG_2PI, GaussianQ
from vaecourse.validation import finite, positive
from vaecourse.variational_inference import LogJoint

BLOCK = 2**20  # logits computed at a time: many draws times many rows stay small in memory
NEWTON_STEPS = 200


def standardize(x, like=None) -> np.ndarray:
    """Each column of `x` (n, d) minus the mean, divided by the standard deviation, of that column of `like` (or of x)."""
    x = _table(x)
    like = x if like is None else _table(like)
    if like.shape[1] != x.shape[1]:
        raise ValueError(
            f"x has {x.shape[1]} columns and like has {like.shape[1]}; they must be the same columns."
        )
    mean, sd = like.mean(axis=0), like.std(axis=0)
    # a column of equal numbers has a spread of rounding only
    flat = sd <= 1e-13 * np.abs(like).max(axis=0)
    if flat.any():
        raise ValueError(
            f"Column {flat.argmax()} (counted from 0) is constant; leave it out, it says nothing."
        )
    return (x - mean) / sd


def with_intercept(x) -> np.ndarray:
    """`x` (n, d) with a column of ones in front, (n, d + 1): its weight is the intercept."""
    x = _table(x)
    return np.column_stack([np.ones(len(x)), x])


def log_joint(x, labels, prior_sd: float) -> LogJoint:
    """log p(y, w | x) = Σ_n log σ(±x_n·w) + log N(w; 0, prior_sd² I) in nats, and its gradient, for draws w (s, d)."""
    signed, prior_sd = _signed(x, labels), _scale(prior_sd)
    d = signed.shape[1]

    def value(w: np.ndarray) -> np.ndarray:
        # Σ_n log σ(t_n) − ½ |w|²/σ₀² − d log σ₀ − ½ d log 2π,  t_n = (2y_n − 1) x_n·w
        prior = -0.5 * (w**2).sum(axis=1) / prior_sd**2 - d * np.log(prior_sd) - 0.5 * d * LOG_2PI
        return _blocks(lambda part: _log_sigmoid(part @ signed.T).sum(axis=1), w, len(signed)) + prior

    def gradient(w: np.ndarray) -> np.ndarray:
        # Σ_n (1 − σ(t_n)) (2y_n − 1) x_n − w/σ₀²
        return _blocks(lambda part: expit(-(part @ signed.T)) @ signed, w, len(signed)) - w / prior_sd**2

    return LogJoint(value, gradient, d)


def mode(x, labels, prior_sd: float) -> np.ndarray:
    """The weights (d,) of the largest posterior density, by Newton steps that never go down; also called MAP."""
    model, signed = log_joint(x, labels, prior_sd), _signed(x, labels)
    w = np.zeros(model.dimension)
    here = model.value(w[None])[0]
    for _ in range(NEWTON_STEPS):
        root = _precision_root(signed, w, prior_sd)
        step = cho_solve((root, False), model.gradient(w[None])[0])
        if np.abs(step).max() <= 1e-12 * prior_sd:
            break
        # half the step until it does not go down; where rounding allows none, the mode is reached
        for halving in range(30):
            there = model.value((w + step / 2**halving)[None])[0]
            if there >= here:
                break
        else:
            break
        w, here = w + step / 2**halving, there
    return w


def laplace(x, labels, prior_sd: float) -> GaussianQ:
    """The Gaussian at the mode with the inverse of −∇∇ log p(y, w | x) there as its covariance (Bishop, eq. 4.143)."""
    w = mode(x, labels, prior_sd)
    # Λ = RᵀR, so Λ⁻¹ = R⁻¹R⁻ᵀ; its Cholesky factor is the transposed triangle of R⁻ᵀ
    root = _precision_root(_signed(x, labels), w, prior_sd)
    triangle = np.linalg.qr(solve_triangular(root, np.eye(len(w))).T, mode="r")
    return GaussianQ(w, np.tril(triangle.T * np.sign(np.diag(triangle))))


def predict(draws, x) -> np.ndarray:
    """p(y = 1 | x) for each row, shape (n,): σ(x·w) averaged over draws (s, d) of the posterior, or at one w (1, d)."""
    draws, x = _draws(draws, x)
    # E_w[σ(x·w)]
    return _blocks(lambda rows: expit(rows @ draws.T).mean(axis=1), x, len(draws))


def log_loss(draws, x, labels) -> float:
    """−log p(y | x) per row in nats, p averaged over draws (s, d): what surprise costs on held-out data. Lower is better."""
    draws, signed = _draws(draws, _signed(x, labels))
    # −log E_w[σ(t)], the average taken in logarithms so that a certain mistake costs its nats and not infinity
    logs = _blocks(lambda rows: logsumexp(_log_sigmoid(rows @ draws.T), axis=1), signed, len(draws))
    return float(np.log(len(draws)) - logs.mean())


def _log_sigmoid(t: np.ndarray) -> np.ndarray:
    # log σ(t) = −log(1 + e^−t), sound at any t
    return -np.logaddexp(0, -t)


def _precision_root(signed: np.ndarray, w: np.ndarray, prior_sd: float) -> np.ndarray:
    """R (d, d), upper triangular, with RᵀR = −∇∇ log p(y, w): by QR, so that columns that say the same lose no digits."""
    # Λ = Σ_n σ(t_n)(1 − σ(t_n)) x_n x_nᵀ + I/σ₀²
    t = signed @ w
    spread = np.sqrt(expit(t) * expit(-t))
    return np.linalg.qr(np.vstack([spread[:, None] * signed, np.eye(len(w)) / prior_sd]), mode="r")


def _blocks(function, rows: np.ndarray, width: int) -> np.ndarray:
    size = max(1, BLOCK // width)
    return np.concatenate([function(rows[at : at + size]) for at in range(0, len(rows), size)])


# Checks


def _table(x) -> np.ndarray:
    x = finite("x", x)
    if x.ndim != 2:
        raise ValueError(f"x has shape {x.shape}; right would be (n, d), one row per observation.")
    return x


def _scale(prior_sd) -> float:
    prior_sd = positive("prior_sd", prior_sd)
    if prior_sd.ndim:
        raise ValueError(f"prior_sd has shape {prior_sd.shape}; it is one number, the same for all weights.")
    return float(prior_sd)


def _signed(x, labels) -> np.ndarray:
    """(2y_n − 1) x_n, shape (n, d): a row that its label turns round, so that t_n = this · w."""
    x, labels = _table(x), finite("labels", labels)
    if labels.shape != x.shape[:1]:
        raise ValueError(
            f"labels have shape {labels.shape} and x {x.shape}; right would be one label per row."
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels hold {labels[~np.isin(labels, (0, 1))][0]:g}; each must be 0 or 1.")
    return (2 * labels - 1)[:, None] * x


def _draws(draws, x) -> tuple[np.ndarray, np.ndarray]:
    draws, x = finite("draws", draws), _table(x)
    if draws.ndim != 2 or draws.shape[1] != x.shape[1]:
        raise ValueError(
            f"draws have shape {draws.shape}; right would be (s, {x.shape[1]}), one weight per column of x."
        )
    return draws, x
