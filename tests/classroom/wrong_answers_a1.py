"""Wrong answers to the exercises of assignment A1, under the property that must catch each."""

import numpy as np


def cross_entropy(p, q):
    drawn = p > 0
    with np.errstate(all="ignore"):
        return p[drawn] @ -np.log2(q[drawn])


def entropy(p):
    return cross_entropy(p, p)


def excess(weights, sources):
    return cross_entropy(weights @ sources, weights @ sources) - sum(
        w * entropy(p) for w, p in zip(weights, sources, strict=True)
    )


def joined_once(p):
    """Huffman, but a joined group never takes part again: a comb."""
    order, lengths = np.argsort(p), np.zeros(len(p))
    group = [order[0]]
    for symbol in order[1:]:
        group.append(symbol)
        lengths[group] += 1
    return lengths


def slow(p):
    while len(p) > 100:
        pass
    return joined_once(p) if len(p) > 2 else [1, 1]


WRONG = {
    "A1/cross_entropy": {
        "the entropy when q = p": lambda p, q: cross_entropy(p, q) * np.log(2),  # nats
        "finite, and never below the entropy of p": lambda p, q: entropy(q),
        "symbols that p never draws cost nothing": lambda p, q: p @ -np.log2(q),
        "+∞ when q forbids what p draws": lambda p, q: cross_entropy(p, np.where(q > 0, q, 1)),
        "agrees with Σ p · (−log₂ q)": lambda p, q: cross_entropy(q, p),
    },
    "A1/code_lengths": {
        "whole numbers, each within a bit of −log₂ q": lambda q: -np.log2(q),
        "room for all words: the 2^−length add up to at most 1 (Kraft)": lambda q: np.floor(-np.log2(q)),
        "nothing is lost where every probability is a power of two": lambda q: np.ceil(
            -np.log(q) / np.log(2)
        ),
        "agrees: the smallest whole number not below −log₂ q": lambda q: np.ceil(-np.log2(q)) + (q < 0.3),
    },
    "A1/smoothed_bits": {
        "nothing seen: every letter costs log₂ k bits": lambda seen, new, a: cross_entropy(
            new / new.sum(), (seen + a) / max(seen.sum(), 1)
        ),
        "without smoothing, an unseen letter costs +∞ only if it comes up": lambda seen, new, a: (
            new / new.sum() @ -np.log2((seen + a) / (seen + a).sum())
        ),
        "a text twice as long costs the same per letter, another text does not": lambda seen, new, a: (
            cross_entropy(new, (seen + a) / (seen + a).sum())
        ),
        "agrees with the cross-entropy of new from smoothed seen": lambda seen, new, a: cross_entropy(
            (seen + a) / (seen + a).sum(), new / new.sum()
        ),
    },
    "A1/shared_excess": {
        "nothing where all sources are the same, something where they differ": lambda w, s: entropy(w @ s),
        "above 0 and below the entropy of the weights where sources differ and share letters": lambda w, s: (
            -excess(w, s)
        ),
        "the whole entropy of the weights where no two sources share a letter": lambda w, s: excess(
            np.ones(len(w)) / len(w), s
        ),
        "the order of the sources does not matter": lambda w, s: excess(np.sort(w), s),
        "agrees with Σ wᵢ KL(pᵢ‖mixture)": lambda w, s: sum(
            a * cross_entropy(w @ s, p) for a, p in zip(w, s, strict=True)
        ),
    },
    "A1/huffman_lengths": {
        "two symbols: one bit each": lambda p: np.ceil(-np.log2(p)),
        "no room is left: the 2^−length add up to exactly 1": lambda p: np.ceil(-np.log2(p)),
        "the mean length is the smallest possible": joined_once,
        "two hundred symbols in no time": slow,
    },
}
