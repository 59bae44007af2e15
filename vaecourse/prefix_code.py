"""Prefix codes: short words of bits for frequent letters, and what it costs to use a code that was made for other letters.

Source: D. Huffman, "A method for the construction of minimum-redundancy codes", Proc. IRE 40 (1952); Cover and Thomas,
"Elements of Information Theory" (2006), theorems 5.3.1 and 5.4.3.
"""

import heapq
import itertools
import unicodedata
from importlib import resources

import numpy as np

from vaecourse.validation import probabilities, same_length

ALPHABET = "abcdefghijklmnopqrstuvwxyz "


def passage(language: str) -> str:
    """One of the passages that come with the course, "english" or "french", reduced to ALPHABET."""
    file = resources.files("vaecourse") / "texts" / f"{language}.txt"
    if not file.is_file():
        raise ValueError(
            f"There is no passage in {language!r}; there is one in 'english' and one in 'french'."
        )
    return plain_letters(file.read_text(encoding="utf-8"))


def plain_letters(text: str) -> str:
    """`text` in small letters without accents (é becomes e, œ becomes oe); everything else becomes one space."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("œ", "oe").replace("æ", "ae"))
    letters = (c for c in decomposed if not unicodedata.combining(c))
    return " ".join("".join(c if c in ALPHABET else " " for c in letters).split())


def letter_frequencies(text: str, extra: float = 0.0) -> np.ndarray:
    """The share of each letter of ALPHABET in `text`, shape (27,), with `extra` added to every count."""
    counts = np.array([text.count(letter) for letter in ALPHABET], float) + extra
    if counts.sum() == 0:
        raise ValueError("text holds no letter of the alphabet, so there is nothing to count.")
    return counts / counts.sum()


def huffman(p) -> tuple[str, ...]:
    """The words of a prefix code with the smallest mean length for probabilities p, shape (k,); "" for probability 0.

    The two least probable nodes are joined until one is left; a letter's word is the way down to it.
    """
    p = probabilities("p", p)
    words = [""] * len(p)
    order = itertools.count()
    heap = [(share, next(order), [letter]) for letter, share in enumerate(p) if share > 0]
    heapq.heapify(heap)
    if len(heap) == 1:
        words[heap[0][2][0]] = "0"
    while len(heap) > 1:
        (share_0, _, zeros), (share_1, _, ones) = heapq.heappop(heap), heapq.heappop(heap)
        for letter in zeros:
            words[letter] = "0" + words[letter]
        for letter in ones:
            words[letter] = "1" + words[letter]
        heapq.heappush(heap, (share_0 + share_1, next(order), zeros + ones))
    return tuple(words)


def lengths(words) -> np.ndarray:
    """The length of each word in bits, shape (k,); +∞ where the code has no word."""
    return np.array([len(word) if word else np.inf for word in words])


def mean_length(p, words) -> float:
    """Σ p·length in bits per letter; +∞ if a letter with p > 0 has no word."""
    p, length = probabilities("p", p), lengths(words)
    same_length("p", p, "words", length)
    return float(length[p > 0] @ p[p > 0])


def implied_distribution(words) -> np.ndarray:
    """The distribution for which the code is exactly right: r = 2^(−length), shape (k,). A full code makes it sum to 1."""
    return np.exp2(-lengths(words))


def encode(text: str, words) -> str:
    """`text` as one string of bits; ValueError names a letter that the code cannot write."""
    table = dict(zip(ALPHABET, words, strict=True))
    for letter in text:
        if not table.get(letter):
            raise ValueError(
                f"This code has no word for {letter!r}; it was made from a text without that letter."
            )
    return "".join(table[letter] for letter in text)


def decode(bits: str, words) -> str:
    """The text behind a string of bits. No word begins another one, so no separators are needed."""
    letter_of = {word: letter for letter, word in zip(ALPHABET, words, strict=True) if word}
    text, word = [], ""
    for bit in bits:
        word += bit
        if word in letter_of:
            text.append(letter_of[word])
            word = ""
    if word:
        raise ValueError(
            f"bits ends with {word!r}, which is no whole word of this code; the message was cut."
        )
    return "".join(text)
