"""The predictions: questions to answer before any code runs. The truth is computed when revealed, not written here."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Truth(NamedTuple):
    """The index of the right choice, and the reason in one sentence, with its numbers."""

    answer: int
    because: str


@dataclass(frozen=True)
class Prediction:
    """A question with choices. Without `truth`, the lesson computes the answer and hands it to `reveal`."""

    name: str
    question: str
    choices: tuple[str, ...]
    truth: Callable[[], Truth] | None = None

    @property
    def lesson(self) -> str:
        return self.name.split("/")[0]


def prediction(name: str) -> Prediction:
    """The prediction of that name, "lesson/question"; ValueError, with the nearest name, if there is none."""
    known = {p.name: p for p in PREDICTIONS}
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0)[0]
        raise ValueError(f"There is no prediction {name!r}; did you mean {near!r}?")
    return known[name]


def truth(asked: Prediction, answer: int | None = None, because: str | None = None) -> Truth:
    """The truth: computed here, or by the lesson (`answer`, `because`). If both compute it, they must agree."""
    known = asked.truth() if asked.truth else None
    index = known.answer if answer is None and known else answer
    if index is None or isinstance(index, bool) or index not in range(len(asked.choices)):
        raise ValueError(
            f"reveal({asked.name!r}) needs answer= one of 0 to {len(asked.choices) - 1}, not {answer!r}."
        )
    if known and index != known.answer:
        raise ValueError(
            f"{asked.name}: the lesson computed choice {letter(index)}, the course {letter(known.answer)}."
        )
    return Truth(int(index), because or (known.because if known else ""))


def letter(index: int) -> str:
    return "abcdefgh"[index]


# Lesson 00


def _density_above_one() -> Truth:
    sd = 0.1
    top = 1 / (sd * np.sqrt(2 * np.pi))
    x = np.linspace(-1, 1, 20001)
    area = np.trapezoid(np.exp(-0.5 * (x / sd) ** 2) * top, x)
    return Truth(
        int(top <= 1),
        f"At its top this density is {top:.2f}, and the area under it is {area:.4f}. A density says how "
        "much probability there is per unit of x; only the area is a probability.",
    )


def _rare_disease() -> Truth:
    sick, found, false_alarm = 0.01, 0.9, 0.09
    posterior = sick * found / (sick * found + (1 - sick) * false_alarm)
    nearest = int(np.argmin(np.abs(np.array([0.9, 0.5, 0.1]) - posterior)))
    return Truth(
        nearest,
        f"Of 1000 people {1000 * sick * found:.0f} are sick and test positive, and "
        f"{1000 * (1 - sick) * false_alarm:.0f} are healthy and test positive: the share of sick ones "
        f"among the positive is {posterior:.2f}.",
    )


def _quarter_of_the_error() -> Truth:
    factor = next(n for n in (2, 4, 16) if np.isclose(1 / np.sqrt(n), 1 / 4))
    return Truth(
        (2, 4, 16).index(factor),
        f"The error shrinks like 1/√n, and 1/√{factor} is {1 / np.sqrt(factor):.2f}.",
    )


# Lesson 01


def _kl(p, q) -> float:
    from .kl_divergence import categorical

    return float(categorical(p, q))


def _which_is_bigger() -> Truth:
    fair, loaded = (0.5, 0.5), (0.99, 0.01)
    forward, reverse = _kl(fair, loaded), _kl(loaded, fair)
    answer = 2 if np.isclose(forward, reverse) else int(reverse > forward)
    return Truth(
        answer,
        f"KL(fair‖loaded) is {forward:.2f} nats and KL(loaded‖fair) is {reverse:.2f} nats. The coin that "
        "is really thrown is the weight, and half of the fair throws surprise whoever expects almost only "
        "heads.",
    )


def _never_seen() -> Truth:
    value = _kl((0.9, 0.1), (1.0, 0.0))
    answer = 2 if value == np.inf else 1 if np.isfinite(value) else 3
    return Truth(
        answer,
        f"The computer says {'+∞' if value == np.inf else value}. One term is 0.1·log(0.1/0): a thing that "
        "happens, and for which q has no room at all. The value is infinite, not undefined.",
    )


def _one_hump_for_two() -> Truth:
    from .kl_divergence import forward_fit

    fit = forward_fit((0.5, 0.5), (-3.0, 3.0), (1.0, 1.0))
    between = abs(fit.mean) < 1
    return Truth(
        1 if between else 0,
        f"The best q has mean {abs(fit.mean):.2f} and standard deviation {fit.sd:.2f}. KL(p‖q) asks q to "
        "be everywhere where p is, so it covers both peaks and also the gap.",
    )


# Lesson 02


def _em(points, mixture, sweeps: int, smallest_sd: float = 0.0):
    """The mixture (weights, means, sds) after so many sweeps of EM, no sd below the smallest."""
    from .exercises.gaussian_mixture import em_sweep

    for _ in range(sweeps):
        weights, means, sds = em_sweep(points, *mixture)
        mixture = weights, means, [max(sd, smallest_sd) for sd in sds]
    return mixture


def _one_sweep_down() -> Truth:
    from .exercises.gaussian_mixture import log_likelihood

    rng, changes = np.random.default_rng(2), []
    for _ in range(200):
        k, points = int(rng.integers(2, 5)), rng.normal(0, 3, 30)
        path = [(rng.dirichlet(np.full(k, 5.0)), rng.normal(0, 5, k), np.exp(rng.normal(0, 0.5, k)))]
        for _ in range(5):
            path.append(_em(points, path[-1], 1, smallest_sd=0.05))
        changes.extend(np.diff([log_likelihood(points, *mixture) for mixture in path]))
    falls = int(np.sum(np.array(changes) < -1e-9))
    return Truth(
        2 if not falls else 0 if falls < 100 else 1,
        f"In {len(changes)} sweeps on 200 sets of points, from random starts, the log-likelihood fell "
        f"{falls} times. You will see why it cannot fall: both steps climb on the same bound.",
    )


def _more_components() -> Truth:
    from .exercises.gaussian_mixture import log_likelihood

    rng = np.random.default_rng(1)
    old, new = (rng.choice([-2.0, 2.0], n) + rng.normal(0, 1, n) for n in (60, 6000))
    best, same, fresh = ([1.0], [0.0], [1.0]), [], []
    for k in range(1, 6):
        best = max(
            (_em(old, start, 60, smallest_sd=0.2) for start in _halved(*best, k)),
            key=lambda mixture: log_likelihood(old, *mixture),
        )
        same.append(log_likelihood(old, *best))
        fresh.append(log_likelihood(new, *best) / len(new) * len(old))
    steps, top = np.diff(same), int(np.argmax(same))
    listed = [_minus(", ".join(f"{v:.1f}" for v in values)) for values in (same, fresh)]
    return Truth(
        1 if np.all(steps >= 0) else 0 if np.all(steps[:top] >= 0) and np.all(steps[top:] <= 0) else 2,
        f"On {len(old)} points from two Gaussians, with 1 to 5 components and no sd below 0.2: {listed[0]} "
        "nats. Cut a component into two halves that lie on each other, and nothing is lost: from there the "
        f"fit can only gain. On fresh points, counted as {len(old)}, the same mixtures reach {listed[1]}: "
        "the likelihood of the data that were fitted does not tell how many components there are.",
    )


def _halved(weights, means, sds, k: int):
    """Starts with k components: each with one component cut in two, moved a little apart."""
    if k == len(weights):
        yield weights, means, sds
        return
    for i in range(len(weights)):
        w, m, s = list(weights), list(means), list(sds)
        w[i] /= 2
        yield [*w, w[i]], [*m[:i], m[i] - s[i] / 2, *m[i + 1 :], m[i] + s[i] / 2], [*s, s[i]]


def _same_start_same_end() -> Truth:
    from scipy.special import ndtri

    from .exercises.gaussian_mixture import log_likelihood

    clump = ndtri((np.arange(10) + 0.5) / 10)
    points = np.concatenate([clump - 8, clump, clump + 6])
    ends = []
    for means in ([-8.0, 0.0], [0.0, 6.0]):
        mixture, last = ([0.5, 0.5], means, [1.0, 1.0]), np.zeros((3, 2))
        while not np.allclose(mixture, last, rtol=0, atol=1e-9):  # until nothing moves any more
            mixture, last = _em(points, mixture, 1), mixture
        ends.append((log_likelihood(points, *mixture), np.sort(mixture[1])))
    (one, means_one), (other, means_other) = ends
    told = [" and ".join(_minus(f"{m:.1f}") for m in means) for means in (means_one, means_other)]
    return Truth(
        1 if abs(one - other) > 1e-3 else 2 if not np.allclose(means_one, means_other, atol=1e-3) else 0,
        f"Three clumps of points, two components: one start ends with means {told[0]} and log-likelihood "
        f"{_minus(f'{one:.1f}')}, the other with means {told[1]} and {_minus(f'{other:.1f}')}. Each stands "
        "on a hilltop of its own, and EM only ever climbs.",
    )


def _minus(written: str) -> str:
    return written.replace("-", "−")


# Lesson 09


def _kl_to_standard_normal(m: float, s: float) -> float:
    # ½(eˢ − 1 − s + m²)
    return 0.5 * (np.expm1(s) - s + m**2)


def _noise_off() -> Truth:
    s = np.array([0.0, -2.0, -4.0, -8.0, -16.0])
    price = _kl_to_standard_normal(0.0, s)
    answer = 0 if np.all(np.diff(price) < 0) else 1 if np.all(np.diff(price) > 0) else 2
    listed = ", ".join(f"{v:.1f}" for v in price)
    return Truth(
        answer,
        f"For s = 0, −2, −4, −8, −16 the second term is {listed} nats. Turning off the noise has a price "
        "without limit; this is what keeps the VAE from becoming an autoencoder again.",
    )


def _ignored_coordinate() -> Truth:
    candidates = ((0.0, 0.0), (0.0, -8.0), (3.0, 0.0))
    prices = [_kl_to_standard_normal(m, s) for m, s in candidates]
    return Truth(
        int(np.argmin(prices)),
        f"The prices are {prices[0]:.2f}, {prices[1]:.2f} and {prices[2]:.2f} nats. A coordinate that the "
        "decoder does not use costs least as pure noise, N(0, 1), whatever x is.",
    )


# Lesson 10


def _length_of_the_midpoint() -> Truth:
    # The coordinates of (z₀ + z₁)/2 have variance ½, those of z₀ have variance 1: E|z|² = d·variance.
    d = 8
    code, middle = np.sqrt(d), np.sqrt(d * 0.5)
    return Truth(
        0 if middle < 0.95 * code else 1 if middle < 1.05 * code else 2,
        f"In {d} dimensions a code drawn from N(0, I) has a length near {code:.2f}, and a point halfway "
        f"between two of them one near {middle:.2f}. The straight line cuts a corner through the middle, "
        "where codes are rarely drawn.",
    )


def _grid_of_quantiles() -> Truth:
    from scipy.special import ndtri

    points = ndtri((np.arange(15) + 0.5) / 15)
    middle, edge = points[8] - points[7], points[14] - points[13]
    answer = 2 if np.isclose(middle, edge) else int(edge > middle)
    return Truth(
        answer,
        f"With 15 points the step in the middle is {middle:.2f} and the last one is {edge:.2f}. Each step "
        "holds the same probability, and far out you must walk further to collect it.",
    )


PREDICTIONS = (
    Prediction(
        "00/density_above_one",
        "A Gaussian has standard deviation 0.1. Can its density be larger than 1 somewhere?",
        ("Yes.", "No, a density is a probability, and no probability is larger than 1."),
        _density_above_one,
    ),
    Prediction(
        "00/rare_disease",
        "One person in 100 is sick. A test finds 90% of the sick, and raises a false alarm for 9% of the "
        "healthy. You test positive. How probable is it that you are sick?",
        ("About 90%", "About 50%", "About 10%"),
        _rare_disease,
    ),
    Prediction(
        "00/quarter_of_the_error",
        "You estimate a mean by averaging draws. How many times more draws make the error four times "
        "smaller?",
        ("2 times", "4 times", "16 times"),
        _quarter_of_the_error,
    ),
    Prediction(
        "01/which_is_bigger",
        "A fair coin shows heads half of the time, a loaded one 99% of the time. Which is larger?",
        ("KL(fair‖loaded)", "KL(loaded‖fair)", "They are equal: it is the same pair of coins."),
        _which_is_bigger,
    ),
    Prediction(
        "01/never_seen",
        "p gives 10% to something that q says never happens. What is KL(p‖q)?",
        (
            "0, since the term is left out",
            "Some finite number",
            "+∞",
            "Undefined, you may not divide by zero",
        ),
        _never_seen,
    ),
    Prediction(
        "01/one_hump_for_two",
        "p has two peaks, at −3 and at 3. You choose the single Gaussian q for which KL(p‖q) is smallest. "
        "Where does it go?",
        ("Onto one of the peaks", "Between the peaks, wide enough for both"),
        _one_hump_for_two,
    ),
    Prediction(
        "02/one_sweep_down",
        "EM improves a mixture sweep by sweep. Can a single sweep make the likelihood of the data smaller?",
        (
            "Yes, now and then, from a bad start",
            "Yes, often: it goes up and down until it settles",
            "No, never",
        ),
        _one_sweep_down,
    ),
    Prediction(
        "02/more_components",
        "You give a mixture one more component, and fit it again as well as possible. What does the "
        "log-likelihood of the same data do?",
        (
            "It rises up to the right number of components, and falls after it",
            "It rises, or stays as it is",
            "It may go either way",
        ),
        _more_components,
    ),
    Prediction(
        "02/same_start_same_end",
        "Two people run EM on the same data with the same number of components, each from a start of "
        "their own, until nothing moves any more. Do they end with the same mixture?",
        (
            "Yes, up to the order of the components",
            "Not always: one of them may end with a smaller likelihood",
            "Not always, but the likelihood is the same",
        ),
        _same_start_same_end,
    ),
    Prediction(
        "09/noise_off",
        "The encoder makes its noise smaller and smaller (s → −∞, with m = 0). What does the second term "
        "of the loss, KL(q(z|x)‖N(0, 1)), do?",
        ("It falls to 0", "It grows without limit", "It falls, then rises"),
        _noise_off,
    ),
    Prediction(
        "09/ignored_coordinate",
        "The decoder ignores one coordinate of the code. Which m and s make that coordinate cheapest for "
        "the encoder?",
        ("m = 0, s = 0: pure noise", "m = 0, s = −8: a fixed value", "m = 3, s = 0: out of the way"),
        _ignored_coordinate,
    ),
    Prediction(
        "10/length_of_the_midpoint",
        "You draw two codes from N(0, I) in 8 dimensions, and walk straight from one to the other. "
        "How far from the origin is the point halfway?",
        ("Nearer than a drawn code usually is", "As far as a drawn code usually is", "Farther"),
        _length_of_the_midpoint,
    ),
    Prediction(
        "10/grid_of_quantiles",
        "You place 15 points on a line so that N(0, 1) has the same probability between neighbours. Where "
        "are the wider steps?",
        ("In the middle", "At the edges", "Nowhere, all steps are equal"),
        _grid_of_quantiles,
    ),
)
