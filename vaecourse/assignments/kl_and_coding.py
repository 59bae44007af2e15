"""A1: what a code costs, and what it costs to use one that was made for something else (lesson 01)."""

import numpy as np

from vaecourse.exercises.cases import agrees, close, drawn, fixed, probabilities, related
from vaecourse.exercises.core import Exercise, Property
from vaecourse.exercises.kinds import NUMBERS

from .core import Limits, Solved, Written

TITLE = "KL and coding"
LIMITS = Limits()
FORBIDS = ("vaecourse.kl_divergence", "vaecourse.prefix_code", "scipy.stats")

WRITTEN = (
    Written(
        "left_out",
        4,
        (
            ("KL from the first to the second text is +∞ as soon as one letter has p > 0 and q = 0", 2),
            ("what is left after leaving letters out are no longer two distributions: neither sums to 1", 1),
            ("a way out that keeps the question: smooth q, or say +∞", 1),
        ),
    ),
    Written(
        "which_alpha",
        4,
        (
            ("the cell's numbers are used: the smallest bits per letter and the α that gives it", 1),
            ("too small an α: rare letters that were not seen yet cost far too much", 1),
            ("too large an α: the code is made for letters that are all alike", 1),
            ("with more text seen the best α matters less, since counts outgrow it", 1),
        ),
    ),
    Written(
        "one_code",
        4,
        (
            ("the best single code is made for the mixture, since Σ wᵢ H(pᵢ, q) = H(Σ wᵢ pᵢ, q)", 2),
            ("by Gibbs the last is smallest at q = Σ wᵢ pᵢ", 1),
            ("its excess is what the letter tells about the language: at most H(w) bits", 1),
        ),
    ),
)


def exercises(solved: Solved) -> tuple[Exercise, ...]:
    """The five exercises; `solved` holds a reference for each, by the name of its function."""
    return (
        _cross_entropy(solved["cross_entropy"]),
        _code_lengths(solved["code_lengths"]),
        _smoothed_bits(solved["smoothed_bits"]),
        _shared_excess(solved["shared_excess"]),
        _huffman_lengths(solved["huffman_lengths"]),
    )


def _two(rng):
    k = int(rng.integers(2, 7))
    return probabilities(rng, k), probabilities(rng, k)


def _same(rng):
    p = probabilities(rng, int(rng.integers(2, 7)))
    return p, p


def _entropy(p):
    p = np.asarray(p, dtype=float)
    return float(-(p[p > 0] @ np.log2(p[p > 0])))


def _cross_entropy(reference):
    return Exercise(
        name="A1/cross_entropy",
        title="What a code made for q costs under p",
        statement=(
            "Write cross_entropy(p, q): the mean length in bits per symbol when symbols are drawn from p and each is "
            "written with −log₂ q bits. A symbol that p never draws costs nothing; one that p draws and q forbids "
            "costs +∞."
        ),
        reference=reference,
        forbids=FORBIDS,
        properties=(
            Property(
                "the entropy when q = p",
                "With q = p each symbol costs −log₂ of its own probability: base 2, and all that is paid, not only what "
                "is paid too much.",
                drawn(6, _same, ([0.5, 0.5], [0.5, 0.5]), ([0.5, 0.25, 0.25], [0.5, 0.25, 0.25])),
                lambda case, outputs: close(outputs[0], _entropy(case[0][0])),
            ),
            Property(
                "finite, and never below the entropy of p",
                "No code beats the one made for p. If yours does, look at what you average over: the symbols are "
                "drawn from p.",
                drawn(8, _two, ([0.6, 0.4], [0.99, 0.01])),
                lambda case, outputs: _entropy(case[0][0]) - 1e-12 <= outputs[0] < np.inf,
            ),
            Property(
                "agrees with Σ p · (−log₂ q)",
                "One mean: over the symbols, weighted by p, of the bits that each costs. Which of the two is the weight, "
                "and which one stands in the logarithm?",
                drawn(8, _two, ([0.5, 0.5], [0.25, 0.75])),
                agrees(reference),
                points=2,
            ),
            Property(
                "symbols that p never draws cost nothing",
                "0 · ∞ is nan for the computer, and 0 for us. Keep only the symbols with p above zero before you take "
                "a logarithm.",
                fixed(
                    ([1.0, 0.0], [0.5, 0.5]),
                    ([1.0, 0.0], [1.0, 0.0]),
                    ([0.5, 0.0, 0.5], [0.5, 0.0, 0.5]),
                    ([0.0, 0.25, 0.75], [0.5, 0.25, 0.25]),
                ),
                agrees(reference),
            ),
            Property(
                "+∞ when q forbids what p draws",
                "There is no word for that symbol, however long. The answer is `np.inf`, not an error and not nan.",
                fixed(([0.5, 0.5], [1.0, 0.0]), ([0.25, 0.25, 0.5], [0.0, 0.5, 0.5])),
                lambda case, outputs: outputs[0] == np.inf,
            ),
        ),
    )


def _powers(rng):
    """Probabilities that are all powers of two: split one of them in halves, again and again."""
    powers = [1.0]
    for _ in range(int(rng.integers(1, 12))):
        at = int(rng.integers(len(powers)))
        powers[at : at + 1] = [powers[at] / 2] * 2
    return (powers,)


_DEEP = [2.0**-k for k in range(1, 48)] + [2.0**-47]


def _code_lengths(reference):
    return Exercise(
        name="A1/code_lengths",
        title="Whole bits",
        statement=(
            "A word has a whole number of bits. Write code_lengths(q): for each probability (all above zero) the "
            "smallest whole number of bits that is not below −log₂ q."
        ),
        reference=reference,
        returns=NUMBERS,
        forbids=FORBIDS,
        properties=(
            Property(
                "whole numbers, each within a bit of −log₂ q",
                "2.3 bits cannot be sent for one symbol. Round; and is your logarithm to base 2?",
                drawn(6, lambda rng: (probabilities(rng, 4),), ([0.5, 0.3, 0.2],)),
                lambda case, outputs: (
                    len(outputs[0]) == len(case[0][0])
                    and all(n == int(n) for n in outputs[0])
                    and bool(np.all(np.abs(np.array(outputs[0]) + np.log2(case[0][0])) < 1 + 1e-9))
                ),
            ),
            Property(
                "room for all words: the 2^−length add up to at most 1 (Kraft)",
                "A word of n bits takes the share 2^−n of all that can be written. Rounding down hands out more than "
                "there is.",
                drawn(8, lambda rng: (probabilities(rng, int(rng.integers(2, 9))),), ([0.4, 0.3, 0.3],)),
                lambda case, outputs: (
                    len(outputs[0]) == len(case[0][0]) and np.exp2(-np.array(outputs[0])).sum() <= 1
                ),
            ),
            Property(
                "nothing is lost where every probability is a power of two",
                "−log₂ 2^−29 is 29: nothing needs rounding, and nothing is added. `np.log(x) / np.log(2)` misses it by a hair, and the "
                "hair is rounded up to a bit. There is a logarithm made for this.",
                drawn(4, _powers, ([0.5, 0.25, 0.25],), (_DEEP,)),
                lambda case, outputs: close(outputs[0], [round(-np.log2(v)) for v in case[0][0]]),
            ),
            Property(
                "agrees: the smallest whole number not below −log₂ q",
                "First the bits that each probability deserves, then up to the next whole number.",
                drawn(6, lambda rng: (probabilities(rng, 5),), ([0.9, 0.1],)),
                agrees(reference),
            ),
        ),
    )


def _counts(rng, k=4):
    return [float(v) for v in rng.integers(0, 9, k)]


def _seen(rng):
    return _counts(rng), [v + 1 for v in _counts(rng)], float(np.round(rng.uniform(0.1, 3), 1))


def _three_texts(rng):
    """A new text, the same twice, and one that holds only the letter that was seen most."""
    seen, new, alpha = _seen(rng)
    seen[int(rng.integers(len(seen)))] += 20.0
    most = [4.0 * (v == max(seen)) for v in seen]
    return (seen, new, alpha), (seen, [2 * v for v in new], alpha), (seen, most, alpha)


def _smoothed_bits(reference):
    return Exercise(
        name="A1/smoothed_bits",
        title="A code learned from few letters",
        statement=(
            "You counted letters in a short text (`seen`), added α to every count, and made a code for the shares that "
            "came out. Write smoothed_bits(seen, new, alpha): the bits per letter that this code costs on another "
            "text, whose counts are `new` (at least one letter). With α = 0 a letter that was never seen costs +∞ if "
            "it comes up."
        ),
        reference=reference,
        forbids=FORBIDS,
        properties=(
            Property(
                "nothing seen: every letter costs log₂ k bits",
                "With no counts at all, α alone makes the shares: they are all equal. Did you divide by the sum "
                "*after* adding α, and is it a mean per letter of the new text?",
                fixed(([0.0, 0.0, 0.0, 0.0], [3.0, 1.0, 0.0, 2.0], 1.0), ([0.0, 0.0], [1.0, 1.0], 0.5)),
                lambda case, outputs: close(outputs[0], np.log2(len(case[0][0]))),
            ),
            Property(
                "without smoothing, an unseen letter costs +∞ only if it comes up",
                "α = 0 leaves shares of 0. A letter with share 0 that the new text does not hold costs nothing: 0 · ∞ "
                "counts as 0.",
                fixed(([2.0, 0.0, 2.0], [1.0, 1.0, 1.0], 0.0), ([2.0, 0.0, 2.0], [1.0, 0.0, 3.0], 0.0)),
                agrees(reference),
            ),
            Property(
                "a text twice as long costs the same per letter, another text does not",
                "Bits *per letter*: divide by the number of letters in the new text. Which letters it holds counts.",
                related(
                    4,
                    _three_texts,
                    (
                        ([3.0, 1.0], [1.0, 3.0], 1.0),
                        ([3.0, 1.0], [2.0, 6.0], 1.0),
                        ([3.0, 1.0], [3.0, 1.0], 1.0),
                    ),
                ),
                lambda case, outputs: close(outputs[0], outputs[1]) and not close(outputs[0], outputs[2]),
            ),
            Property(
                "agrees with the cross-entropy of new from smoothed seen",
                "Two distributions come out of the counts. Which one draws the letters, and for which was the code "
                "made? The function that you wrote first does the rest.",
                drawn(8, _seen, ([3.0, 1.0], [1.0, 1.0], 1.0)),
                agrees(reference),
                points=2,
            ),
        ),
    )


def _sources(rng):
    n, k = int(rng.integers(2, 5)), int(rng.integers(2, 6))
    return probabilities(rng, n), [probabilities(rng, k) for _ in range(n)]


def _different(rng):
    """Sources of which the first two are far from each other, and all hold every letter."""
    weights, sources = _sources(rng)
    k = len(sources[0])
    sources[0], sources[1] = [0.5] + [0.5 / (k - 1)] * (k - 1), [0.1] + [0.9 / (k - 1)] * (k - 1)
    return weights, sources


def _reordered(rng):
    weights, sources = _different(rng)
    order = [int(i) for i in rng.permutation(len(weights))]
    return (weights, sources), ([weights[i] for i in order], [sources[i] for i in order])


def _apart(rng):
    """Sources that share no symbol."""
    n = int(rng.integers(2, 5))
    sources = [[0.0] * (2 * n) for _ in range(n)]
    for i, source in enumerate(sources):
        source[2 * i : 2 * i + 2] = probabilities(rng, 2)
    return probabilities(rng, n), sources


def _shared_excess(reference):
    return Exercise(
        name="A1/shared_excess",
        title="One code for several languages",
        statement=(
            "A letter comes from source i with probability weights[i] (all above zero), and then from the distribution sources[i]. One "
            "code must do for all sources. Write shared_excess(weights, sources): how many bits per letter the best "
            "single code costs beyond a separate best code for each source."
        ),
        reference=reference,
        forbids=FORBIDS,
        properties=(
            Property(
                "nothing where all sources are the same, something where they differ",
                "If every language has the same letters, one code is as good as many. What do you compare with what?",
                related(
                    0,
                    _sources,
                    (([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]]), ([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]])),
                    (([0.2, 0.8], [[0.1, 0.9], [0.1, 0.9]]), ([0.2, 0.8], [[0.1, 0.9], [0.3, 0.7]])),
                ),
                lambda case, outputs: close(outputs[0], 0) and outputs[1] > 1e-6,
            ),
            Property(
                "above 0 and below the entropy of the weights where sources differ and share letters",
                "The worst that can be missing is the name of the language: H(weights) bits. Is your single code made "
                "for the mixture of the sources, with the same weights?",
                drawn(8, _different, ([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]])),
                lambda case, outputs: 1e-9 < outputs[0] < _entropy(case[0][0]) - 1e-9,
            ),
            Property(
                "the whole entropy of the weights where no two sources share a letter",
                "Each letter then gives its language away. Is the single code that of the mixture, with these weights? "
                "And zeros are everywhere here: do they cost nothing in your sum?",
                drawn(4, _apart, ([0.5, 0.5], [[1.0, 0.0], [0.0, 1.0]])),
                lambda case, outputs: close(outputs[0], _entropy(case[0][0])),
            ),
            Property(
                "the order of the sources does not matter",
                "Each weight belongs to its source. Do they stay together in your sum?",
                related(4, _reordered),
                lambda case, outputs: close(*outputs) and outputs[0] > 1e-9,
            ),
            Property(
                "agrees with Σ wᵢ KL(pᵢ‖mixture)",
                "For each source: what the mixture's code costs under it, less its own entropy. Then the weighted "
                "mean over the sources.",
                drawn(6, _sources, ([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]])),
                agrees(reference),
                points=2,
            ),
        ),
    )


def _any(rng):
    return (probabilities(rng, int(rng.integers(2, 12))),)


def _huffman_lengths(reference):
    def mean(p, lengths):
        return float(np.dot(p, lengths))

    return Exercise(
        name="A1/huffman_lengths",
        title="The best whole bits",
        statement=(
            "Rounding every length up by itself wastes bits. Write huffman_lengths(p) (at least two probabilities, all "
            "above zero): the lengths of a prefix code whose mean length is the smallest there is. Join the two least "
            "probable groups, add one bit to every symbol in them, and repeat until one group is left."
        ),
        reference=reference,
        returns=NUMBERS,
        forbids=FORBIDS,
        stretch=True,
        properties=(
            Property(
                "two symbols: one bit each",
                "However unequal they are: with two symbols there is nothing shorter than 0 and 1.",
                fixed(([0.5, 0.5],), ([0.99, 0.01],)),
                lambda case, outputs: outputs[0] == [1, 1],
            ),
            Property(
                "no room is left: the 2^−length add up to exactly 1",
                "Every joining makes one group out of two, and every symbol in both gets a bit. Does each symbol of "
                "the joined group get it, also those joined earlier?",
                drawn(8, _any, ([0.4, 0.3, 0.3],)),
                lambda case, outputs: (
                    len(outputs[0]) == len(case[0][0])
                    and min(outputs[0]) >= 1
                    and all(n == int(n) for n in outputs[0])
                    and np.exp2(-np.array(outputs[0])).sum() == 1
                ),
            ),
            Property(
                "the mean length is the smallest possible",
                "After each joining the new group takes part again, with the sum of its probabilities. Do you always "
                "take the two smallest *now*, the joined groups among them?",
                drawn(
                    8, _any, ([0.4, 0.3, 0.3],), ([0.25, 0.25, 0.25, 0.25],), ([0.3, 0.25, 0.2, 0.15, 0.1],)
                ),
                lambda case, outputs: (
                    len(outputs[0]) == len(case[0][0])
                    and min(outputs[0]) >= 1
                    and np.exp2(-np.array(outputs[0])).sum() <= 1
                    and close(mean(case[0][0], outputs[0]), mean(case[0][0], reference(*case[0])))
                ),
                points=2,
            ),
            Property(
                "two hundred symbols in no time",
                "Sorting anew at every step is fine; trying all pairs of groups is not.",
                drawn(1, lambda rng: ([float(v) for v in rng.dirichlet(np.ones(200))],)),
                lambda case, outputs: (
                    len(outputs[0]) == 200
                    and close(mean(case[0][0], outputs[0]), mean(case[0][0], reference(*case[0])))
                ),
            ),
        ),
    )
