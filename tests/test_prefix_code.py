"""Prefix codes: decodable, optimal, and dear exactly by the KL of the belief they are made for."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaecourse import kl_divergence as kl
from vaecourse import prefix_code


def distribution(seed: int, k: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.7))


@given(st.integers(0, 10**6), st.integers(2, 40))
def test_a_huffman_code_is_full_and_no_word_begins_another(seed, k):
    words = prefix_code.huffman(distribution(seed, k))
    assert prefix_code.implied_distribution(words).sum() == 1
    assert not any(b.startswith(a) for a, b in itertools.pairwise(sorted(words)))


@given(st.integers(0, 10**6), st.integers(2, 40))
def test_the_mean_length_is_entropy_plus_the_kl_of_the_implied_belief(seed, k):
    p, q = distribution(seed, k), distribution(seed + 1, k)
    words = prefix_code.huffman(q)
    account = kl.bits(kl.entropy(p) + kl.categorical(p, prefix_code.implied_distribution(words)))
    assert prefix_code.mean_length(p, words) == pytest.approx(float(account), rel=1e-12)


@given(st.integers(0, 10**6), st.integers(2, 40))
def test_the_right_code_stays_within_one_bit_of_the_entropy(seed, k):
    p = distribution(seed, k)
    mean, entropy = prefix_code.mean_length(p, prefix_code.huffman(p)), float(kl.bits(kl.entropy(p)))
    assert entropy - 1e-12 <= mean < entropy + 1


@pytest.mark.parametrize("seed", range(5))
def test_no_assignment_of_lengths_is_shorter_than_huffmans(seed):
    p = distribution(seed, 5)
    allowed = (
        lengths for lengths in itertools.product(range(1, 5), repeat=5) if sum(2.0**-n for n in lengths) <= 1
    )
    best = min(float(np.dot(p, lengths)) for lengths in allowed)
    assert prefix_code.mean_length(p, prefix_code.huffman(p)) == pytest.approx(best, rel=1e-12)


def test_four_letters_by_hand():
    words = prefix_code.huffman([0.5, 0.25, 0.125, 0.125])
    assert [len(word) for word in words] == [1, 2, 3, 3]
    assert prefix_code.mean_length([0.5, 0.25, 0.125, 0.125], words) == 1.75


def test_one_letter_alone_and_letters_that_never_come():
    assert prefix_code.huffman([1.0]) == ("0",)
    words = prefix_code.huffman([0.5, 0.0, 0.5])
    assert words[1] == "" and prefix_code.lengths(words)[1] == np.inf
    assert prefix_code.mean_length([0.2, 0.6, 0.2], words) == np.inf


@pytest.mark.parametrize("language", ["english", "french"])
def test_a_passage_survives_encoding(language):
    text = prefix_code.passage(language)
    assert len(text) > 1000 and set(text) <= set(prefix_code.ALPHABET)
    words = prefix_code.huffman(prefix_code.letter_frequencies(text))
    bits = prefix_code.encode(text, words)
    assert set(bits) == {"0", "1"} and prefix_code.decode(bits, words) == text
    assert len(bits) / len(text) == pytest.approx(
        prefix_code.mean_length(prefix_code.letter_frequencies(text), words)
    )


def test_accents_are_folded_and_everything_else_is_one_space():
    assert prefix_code.plain_letters("L'Œuvre, déjà  vue!\nÀ 3 h.") == "l oeuvre deja vue a h"


def test_frequencies_sum_to_one_and_the_extra_counts_fill_every_letter():
    share = prefix_code.letter_frequencies("abba", extra=0.5)
    assert share.sum() == pytest.approx(1) and share.min() == pytest.approx(0.5 / (4 + 27 * 0.5))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: prefix_code.passage("klingon"), "There is no passage in 'klingon'"),
        (lambda: prefix_code.letter_frequencies("123"), "text holds no letter"),
        (
            lambda: prefix_code.encode("aw", prefix_code.huffman(prefix_code.letter_frequencies("aab"))),
            "no word for 'w'",
        ),
        (lambda: prefix_code.decode("0", ("00", "01", "1", *[""] * 24)), "bits ends with '0'"),
        (lambda: prefix_code.huffman([0.5, 0.6]), "p sums to 1.1"),
        (lambda: prefix_code.mean_length([0.5, 0.5], ("0", "10", "11")), "p has 2 entries and words has 3"),
    ],
)
def test_bad_input_gets_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
