"""A5, the capstone: a variational autoencoder for creatures, built by hand and graded by what it can do (lesson 09).

Four exercises judge the pieces of the loss. The fifth takes the trained networks as lists of numbers, rebuilds them
here, and measures them on creatures that nobody has seen (`vaecourse.capstone`). What each measure is worth:

| points | −ELBO in nats | samples, times a real creature's distance | R² of the factors | dimensions in use |
|---|---|---|---|---|
| 1 each | ≤ 85, ≤ 72, ≤ 63, ≤ 60.5, ≤ 59 | ≤ 1.5, ≤ 1.15 | mean ≥ 0.5, least ≥ 0.75 | ≥ 3 |

`python tests/benchmarks/capstone_scale.py` trains fifteen models, from independent pixels to a large VAE, and shows what
each of them gets on this scale.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import log_expit

from vaecourse import capstone
from vaecourse.creatures import FACTORS, SIZE
from vaecourse.exercises.cases import agrees, close, drawn, finite, fixed, numbers, related, sealed_value
from vaecourse.exercises.core import Exercise, Property
from vaecourse.exercises.kinds import NUMBERS, POINTS, Kind, Unfit

from .core import Limits, Solved, Written

TITLE = "A VAE for creatures"
# Training runs once when a notebook is graded.
LIMITS = Limits(seconds=300, cell_seconds=180, cpu_seconds=400, memory=4 * 2**30, reply=32 * 2**20)
FORBIDS = (
    "vaecourse.vae",
    "vaecourse.autoencoder",
    "vaecourse.training",
    "torch.distributions.kl_divergence",
)
LIKELIHOODS = (
    "torch.nn.functional.binary_cross_entropy_with_logits",
    "torch.nn.functional.binary_cross_entropy",
    "torch.nn.BCEWithLogitsLoss",
    "torch.nn.BCELoss",
    "torch.distributions.Bernoulli",
)
PIXELS = SIZE * SIZE

WRITTEN = (
    Written(
        "which_dimension",
        4,
        (
            ("names the dimensions in use, and says by which number he calls them in use", 1),
            ("says for each of these what changes along its row of the picture", 1),
            ("compares with the table of correlations: which factor has a dimension of its own, and which are mixed", 1),
            ("says why nothing in the loss asks for one factor in each dimension: N(0, I) looks the same when it is turned", 1),
        ),
    ),
    Written(
        "halfway",
        4,
        (
            ("describes the middle of both strips: two creatures at once, and one creature in between", 1),
            ("uses the distances: of the middles, of many middles, and of fresh real creatures", 1),
            ("why the mixture of pixels is no creature: creatures are no flat surface in the space of pictures", 1),
            ("why the decoder has something to say in the middle: codes are drawn there in training, and the KL term puts them close together", 1),
        ),
    ),
    Written(
        "two_terms",
        4,
        (
            ("says where both curves begin, turn and end, in nats", 1),
            ("the beginning: the decoder cannot read a code yet, so that a code costs and saves nothing", 1),
            ("the rise: once it can read one, a nat of code saves more than a nat of reconstruction", 1),
            ("the rest: a further nat of code would save less than a nat of reconstruction", 1),
        ),
    ),
)  # fmt: skip


def exercises(solved: Solved) -> tuple[Exercise, ...]:
    """The five exercises; `solved` holds a reference for each, by the name of its function."""
    return (
        _kl_term(solved["kl_term"]),
        _log_likelihood(solved["log_likelihood"]),
        _draw_code(solved["draw_code"]),
        _loss(solved["loss"]),
        _my_vae(solved["my_vae"]),
    )


# A network computes with 32 bits: an answer that it gives may be off by a few of the last ones.
_NEAR = {"rel": 1e-4, "abs_": 1e-4}


def _rows(rng, n, d, scale=2.0):
    return [numbers(rng, d, scale) for _ in range(n)]


def _sizes(rng):
    return int(rng.integers(2, 5)), int(rng.integers(1, 5))


def _one_each(case, output) -> bool:
    """A number for each row of the first argument, not all of them the same."""
    return len(output) == len(case[0][0]) and len(set(output)) > 1


def _adds_up(outputs) -> bool:
    """The third output is the sum of the first two, and none of it is zero."""
    return (
        len({len(output) for output in outputs}) == 1
        and all(all(output) for output in outputs)
        and close(np.add(*outputs[:2]), outputs[2], **_NEAR)
    )


# 1. The price of a code


def _codes(rng):
    n, d = _sizes(rng)
    return _rows(rng, n, d), _rows(rng, n, d)


def _kl(m, s):
    """KL(N(m, exp(s)) ‖ N(0, 1)) from lesson 01's form: log of the ratio of the sds, and so on; one number a row."""
    m, sd = np.asarray(m, dtype=float), np.exp(np.asarray(s, dtype=float) / 2)
    return (-np.log(sd) + (sd**2 + m**2) / 2 - 0.5).sum(axis=1)


def _side_by_side(rng):
    m, s = _codes(rng)
    k, t = _rows(rng, len(m), 2), _rows(rng, len(m), 2)
    joined = [a + b for a, b in zip(m, k, strict=True)], [a + b for a, b in zip(s, t, strict=True)]
    return (m, s), (k, t), joined


def _beside_the_prior(rng):
    d = int(rng.integers(1, 4))
    zero = np.zeros((2, d)).tolist()
    return (zero, zero), (_rows(rng, 2, d), _rows(rng, 2, d))


def _kl_term(reference):
    return Exercise(
        name="A5/kl_term",
        title="What a code costs",
        statement=(
            "Write kl_term(m, s): for each picture, each row of m and s, the KL from N(m, exp(s)) to N(0, I) in nats."
        ),
        reference=reference,
        returns=NUMBERS,
        forbids=FORBIDS,
        properties=(
            Property(
                "one number for each picture, above zero",
                "m and s have a row for each picture and a column for each dimension of the code. Which axis do you "
                "sum over? Keep the other. And no code but N(0, I) is free.",
                drawn(3, _codes, ([[1.0], [2.0], [3.0]], [[0.0], [0.0], [0.0]])),
                lambda case, outputs: _one_each(case, outputs[0]) and min(outputs[0]) > 0,
            ),
            Property(
                "the dimensions of a code add up",
                "Two codes side by side cost the sum of both. A sum over the dimensions, not a mean: the other term of "
                "the loss is a sum too.",
                related(3, _side_by_side),
                lambda case, outputs: _adds_up(outputs),
            ),
            Property(
                "the code N(0, I) itself is free, and no other",
                "At m = 0 and s = 0 there is nothing to pay. Is there a −1 for every dimension?",
                related(2, _beside_the_prior),
                lambda case, outputs: (
                    close(outputs[0], [0.0, 0.0], abs_=1e-6) and len(outputs[1]) == 2 and min(outputs[1]) > 0
                ),
            ),
            Property(
                "agrees with the KL of two Gaussians",
                "Half of each exp(s) − 1 − s + m². The half belongs to all of it, and s is the log of the variance, "
                "not of the standard deviation.",
                drawn(6, _codes, ([[1.0]], [[0.0]]), ([[0.0]], [[-1.0]])),
                lambda case, outputs: close(outputs[0], _kl(*case[0]), **_NEAR),
            ),
        ),
    )


# 2. How likely a picture is


def _pictures(rng):
    n, d = _sizes(rng)
    return [[float(v) for v in row] for row in rng.integers(0, 9, (n, d)) / 8], _rows(rng, n, d)


def _log_p(x, logits):
    """Σ x log σ(a) + (1 − x) log(1 − σ(a)), by SciPy's own logarithm of σ; one number a row."""
    x, a = np.asarray(x, dtype=float), np.asarray(logits, dtype=float)
    return (x * log_expit(a) + (1 - x) * log_expit(-a)).sum(axis=1)


def _more_pixels(rng):
    x, a = _pictures(rng)
    y, b = [[float(v) for v in rng.integers(0, 2, 2)] for _ in x], _rows(rng, len(x), 2)
    joined = [p + q for p, q in zip(x, y, strict=True)], [p + q for p, q in zip(a, b, strict=True)]
    return (x, a), (y, b), joined


def _log_likelihood(reference):
    return Exercise(
        name="A5/log_likelihood",
        title="How likely a picture is, from logits",
        statement=(
            "Write log_likelihood(x, logits): for each picture, each row of x, the sum over its pixels of "
            "x·log σ(a) + (1 − x)·log(1 − σ(a)) in nats, where a is the pixel's logit. It must survive logits of ±1000."
        ),
        reference=reference,
        returns=NUMBERS,
        forbids=(*FORBIDS, *LIKELIHOODS),
        properties=(
            Property(
                "one number for each picture, below zero",
                "A row for each picture, a column for each pixel. Sum over the pixels, and keep the pictures. The log of "
                "a probability is below zero.",
                drawn(3, _pictures, ([[1.0], [0.0], [0.5]], [[0.0], [1.0], [2.0]])),
                lambda case, outputs: _one_each(case, outputs[0]) and max(outputs[0]) < 0,
            ),
            Property(
                "the pixels add up",
                "A sum over the pixels. With a mean, the other term of the loss would weigh 400 times too much.",
                related(3, _more_pixels),
                lambda case, outputs: _adds_up(outputs),
            ),
            Property(
                "right for logits of ±1000",
                "σ(1000) is exactly 1 for the computer, and log(1 − 1) is −∞. Put σ in on paper: what is left is "
                "x·a − log(1 + exp(a)), and `torch.nn.functional.softplus` computes that logarithm safely.",
                fixed(([[1.0, 0.0], [0.0, 1.0]], [[1000.0, -1000.0], [1000.0, -1000.0]])),
                lambda case, outputs: finite(outputs[0]) and close(outputs[0], _log_p(*case[0]), **_NEAR),
            ),
            Property(
                "agrees with the formula, for grey pixels too",
                "Both halves of the formula, with the natural logarithm and with the sign of a likelihood: the log of "
                "a probability is never above zero.",
                drawn(6, _pictures, ([[1.0], [0.25]], [[0.0], [2.0]])),
                lambda case, outputs: close(outputs[0], _log_p(*case[0]), **_NEAR),
            ),
        ),
    )


# 3. The code that the decoder receives


def _noisy(rng):
    n, d = _sizes(rng)
    return _rows(rng, n, d), _rows(rng, n, d), _rows(rng, n, d, 1.0)


def _two_noises(rng):
    m, s, e = _noisy(rng)
    return (m, s, e), (m, s, [[v + 1 for v in row] for row in e])


def _silent(rng):
    m, s, _ = _noisy(rng)
    return m, s, np.zeros_like(m).tolist()


def _draw_code(reference):
    return Exercise(
        name="A5/draw_code",
        title="The code that the decoder receives",
        statement=(
            "Write draw_code(m, s, e): a code for each picture, drawn from N(m, exp(s)) with the noise e that is given."
        ),
        reference=reference,
        returns=POINTS,
        forbids=FORBIDS,
        properties=(
            Property(
                "a whole code for each picture, and another one for other noise",
                "As many rows and columns as m has; nothing is summed here. The noise comes in as e, and every number of "
                "it changes one number of the code.",
                related(3, _two_noises),
                lambda case, outputs: (
                    all(
                        np.shape(output) == np.shape(call[0])
                        for call, output in zip(case, outputs, strict=True)
                    )
                    and bool((np.array(outputs[0]) != outputs[1]).all())
                ),
            ),
            Property(
                "without noise it is the mean code",
                "With e = 0 only m is left.",
                drawn(3, _silent, ([[1.5, -2.0]], [[3.0, -3.0]], [[0.0, 0.0]])),
                lambda case, outputs: close(outputs[0], case[0][0], **_NEAR),
            ),
            Property(
                "the noise is stretched by the standard deviation",
                "exp(s) is the variance. What does a draw from N(0, 1) have to be multiplied by?",
                drawn(6, _noisy, ([[0.0]], [[2.0]], [[1.0]])),
                agrees(reference, 1e-4, 1e-4),
            ),
        ),
    )


# 4. The loss


def _batch(rng):
    n, pixels, d = int(rng.integers(2, 5)), int(rng.integers(2, 6)), int(rng.integers(1, 4))
    x = [[float(v) for v in row] for row in rng.integers(0, 9, (n, pixels)) / 8]
    return x, _rows(rng, n, pixels), _rows(rng, n, d), _rows(rng, n, d)


def _one_picture(rng):
    return tuple(rows[:1] for rows in _batch(rng))


def _twice_and_another(rng):
    batch = _batch(rng)
    return batch, tuple(rows + rows for rows in batch), _batch(rng)


def _cost(x, logits, m, s):
    return np.mean(_kl(m, s) - _log_p(x, logits))


def _loss(reference):
    return Exercise(
        name="A5/loss",
        title="The loss",
        statement=(
            "Write loss(x, logits, m, s): the −ELBO in nats, as the mean over the pictures of a batch. m and s are what "
            "the encoder says about the pictures x, logits what the decoder says about the codes drawn from them."
        ),
        reference=reference,
        forbids=(*FORBIDS, *LIKELIHOODS),
        properties=(
            Property(
                "the same for a batch that holds everything twice",
                "A mean over the pictures: then the size of the batch does not change how far a step goes.",
                related(3, _twice_and_another),
                lambda case, outputs: close(*outputs[:2], **_NEAR) and not close(*outputs[1:], **_NEAR),
            ),
            Property(
                "for one picture: what the code costs, minus the log likelihood",
                "Solve parts 1 and 2 first: they are used here. Training makes the loss small, so a likely picture must make it "
                "smaller, and an expensive code larger. Both terms have the weight one.",
                drawn(4, _one_picture, ([[1.0]], [[2.0]], [[1.0]], [[0.0]])),
                lambda case, outputs: close(outputs[0], _cost(*case[0]), **_NEAR),
            ),
            Property(
                "agrees for every batch",
                "One number for each picture from your first two functions, each of weight one. Their difference, and "
                "then the mean.",
                drawn(6, _batch),
                lambda case, outputs: close(outputs[0], _cost(*case[0]), **_NEAR),
            ),
        ),
    )


# 5. The capstone

VISIBLE = tuple(b"A5/my_vae")  # the seed of the creatures that `check` measures on


def _read(value) -> capstone.Model:
    try:
        return capstone.read_model(value, PIXELS)
    except ValueError as error:
        raise Unfit(f"networks that cannot be used: {error}") from None


NETWORKS = Kind("an encoder and a decoder as lists of layers, each [weights, bias, activation]", _read)


@functools.lru_cache(maxsize=4)
def scores(model: capstone.Model, seed: tuple[int, ...] = VISIBLE) -> capstone.Scores:
    """What the points are given for; the creatures and all noise come from `seed`. The last few models are kept."""
    return capstone.measure(model, np.random.default_rng(list(seed)))


class Goal(NamedTuple):
    """A point of the scale: `reached` says whether a model's scores earn it, `told` what was found instead."""

    name: str
    hint: str
    reached: Callable[[capstone.Scores], bool]
    told: Callable[[capstone.Scores], str]


def _bound(most: float, hint: str) -> Goal:
    return Goal(
        f"−ELBO of at most {most:g} nats on new creatures",
        hint,
        lambda found: found.negative_elbo <= most,
        lambda found: f"a −ELBO of {found.negative_elbo:.2f} nats, of which {found.kl:.2f} are KL",
    )


def _samples(most: float, hint: str) -> Goal:
    return Goal(
        f"samples at most {most:g} times as far from real creatures as real ones are, and the other way round",
        hint,
        lambda found: found.distance <= most and found.coverage <= most,
        lambda found: (
            f"{found.distance:.2f} times the distance from samples to real creatures, and {found.coverage:.2f} times "
            "that from real creatures to samples"
        ),
    )


def _read_off(found: capstone.Scores) -> str:
    values = ", ".join(f"{name} {value:.2f}" for name, value in zip(FACTORS, found.r2, strict=True))
    return f"codes from which the factors are read with an R² of {values}"


GOALS = (
    _bound(
        85,
        "A model that draws the same grey average for every code has 89.5: near that, your code says nothing yet. Are both "
        "terms sums, one over the pixels and one over the code? Far above it: does the decoder end with an activation, does "
        "the encoder give m first and then s, did the loss fall at all?",
    ),
    _bound(
        72,
        "Without a hidden layer, a straight line from code to logits, it ends near 73.5. Is there an activation between "
        "your layers? Did it train for more than a few epochs?",
    ),
    _bound(
        63,
        "With two dimensions for the code it ends near 64.6, and stopped too early it is higher still. Is s the log of the "
        "variance everywhere? Does the loss still fall when you stop?",
    ),
    _bound(
        60.5,
        "A hidden layer of 128 comes near 61. A wider one, more epochs, or a learning rate that falls towards the end "
        "all help.",
    ),
    _bound(
        59,
        "Creatures cost nothing, so there is no need to show the same ones again and again. And a learning rate that rises "
        "at first and falls to nothing at the end is worth half a nat.",
    ),
    _samples(
        1.5,
        "Draw codes from N(0, I) and look at what comes out. If it is no creature, the codes of real creatures are not "
        "spread like N(0, I): is the KL in your loss, with its half? If it is always the same creature, the decoder "
        "does not listen to its code.",
    ),
    _samples(
        1.15,
        "Look at your samples for creatures that are blurred or have two tails. A model with a better −ELBO usually has "
        "fewer of them.",
    ),
    Goal(
        "the factors can be read from the mean code: an R² of 0.5 on average",
        "A code that says nothing about what made the creature has been bought too dearly, or not at all. How large is "
        "the KL?",
        lambda found: found.mean_r2 >= 0.5,
        _read_off,
    ),
    Goal(
        "each factor can be read from the mean code: an R² of 0.75 or more",
        "Some factor is not in the code, or so folded into it that a curve with squares cannot find it. Change one factor "
        "at a time and look at what happens to m. More layers are not always better here.",
        lambda found: all(value >= 0.75 for value in found.r2),
        _read_off,
    ),
    Goal(
        f"three dimensions or more in use, each with a KL above {capstone.IN_USE:g} nats",
        "Print the mean KL of each dimension. Where it is zero, the dimension is pure noise and holds nothing: that is "
        "called posterior collapse. Is the first term of your loss a sum over the pixels?",
        lambda found: found.in_use >= 3,
        lambda found: f"{found.in_use} dimensions in use",
    ),
)


def points_of(found: capstone.Scores) -> int:
    """How many of the capstone's points networks with these scores get."""
    return 1 + sum(goal.reached(found) for goal in GOALS)


def _of(case, outputs) -> capstone.Scores:
    return scores(outputs[0], getattr(case, "seed", VISIBLE))


def _property(goal: Goal) -> Property:
    return Property(
        goal.name,
        goal.hint,
        sealed_value,
        lambda case, outputs: goal.reached(_of(case, outputs)),
        told=lambda case, outputs: f"has {goal.told(_of(case, outputs))}.",
    )


def _my_vae(reference):
    return Exercise(
        name="A5/my_vae",
        title="Your VAE, measured",
        statement=(
            "my_vae() gives your trained networks as plain lists: [encoder, decoder], each a list of layers [weights, "
            "bias, activation]. They are measured on creatures that they have never seen."
        ),
        reference=reference,
        returns=NETWORKS,
        forbids=FORBIDS,
        seconds=20.0,
        properties=(
            Property(
                "two networks that fit together, and fit the pictures",
                "Look at what `my_vae()` gives: [plain_layers(encoder), plain_layers(decoder)]. The encoder takes 400 "
                "pixels and gives m and s; the decoder takes a code and gives 400 logits.",
                sealed_value,
                lambda case, outputs: isinstance(outputs[0], capstone.Model),
            ),
            *map(_property, GOALS),
        ),
    )
