"""The corpus decides the order, the vectors decide who is in, and the coverage says what is lost."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from embeddings import EmbeddingsError, ReadReport, WordVectors, align


def vectors_of(*words: str) -> WordVectors:
    matrix = np.arange(len(words), dtype=np.float32)[:, None] * np.ones((1, 2), np.float32)
    return WordVectors(list(words), matrix, "toy", ReadReport(len(words), len(words)))


def test_words_come_by_frequency_then_alphabet_with_their_own_rows() -> None:
    alignment = align(vectors_of("x", "b", "a", "c"), {"c": 5, "b": 2, "a": 2, "gone": 3})
    assert alignment.words == ["c", "a", "b"]
    np.testing.assert_array_equal(alignment.matrix[:, 0], [3, 2, 1])
    assert alignment.matrix.dtype == np.float32


def test_the_exact_spelling_wins_then_the_folded_one() -> None:
    vectors = vectors_of("Paris", "paris", "NASA", "Nasa", "strasse")
    counts = {"paris": 9, "Paris": 8, "PARIS": 7, "nasa": 6, "STRASSE": 5, "Straße": 4}
    alignment = align(vectors, counts)
    assert dict(zip(alignment.words, alignment.matrix[:, 0].astype(int), strict=True)) == {
        "paris": 1, "Paris": 0, "PARIS": 1, "nasa": 2, "STRASSE": 4, "Straße": 4,
    }  # fmt: skip
    assert alignment.coverage.case_folded_types == 4


def test_coverage_counts_tokens_and_types() -> None:
    coverage = align(vectors_of("a", "b"), {"a": 90, "B": 5, "x": 4, "y": 1, "never": 0}).coverage
    assert (coverage.tokens_total, coverage.tokens_found) == (100, 95)
    assert (coverage.types_total, coverage.types_found) == (4, 2)
    assert (coverage.token_share, coverage.type_share) == (0.95, 0.5)
    assert coverage.missing == (("x", 4), ("y", 1))
    assert str(coverage) == "vectors cover 95.0% of tokens, 50.0% of types, 1 by case folding"


def test_max_words_cuts_the_rarest_and_says_how_many() -> None:
    alignment = align(vectors_of("a", "b", "c"), {"a": 1, "b": 3, "c": 2, "x": 9}, max_words=2)
    assert alignment.words == ["b", "c"]
    assert len(alignment.matrix) == 2
    assert alignment.coverage.cut_types == 1
    assert alignment.coverage.types_found == 3
    assert str(alignment.coverage).endswith("; 1 rarer types cut")


def test_only_the_twenty_most_frequent_missing_words_are_listed() -> None:
    counts = {f"m{number:02}": 100 - number for number in range(30)} | {"a": 1}
    missing = align(vectors_of("a"), counts).coverage.missing
    assert [word for word, _ in missing] == [f"m{number:02}" for number in range(20)]


def test_a_real_corpus_is_covered_by_glove(glove: WordVectors) -> None:
    text = "The film is one of the best of the year , and nobody will forget zzyzzx ."
    alignment = align(glove, Counter(text.split()))
    assert alignment.words[0] == "of"
    assert alignment.coverage.missing[-1] == ("zzyzzx", 1)
    row = alignment.words.index("The")
    np.testing.assert_array_equal(alignment.matrix[row], glove.matrix[glove.index["the"]])


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"x": 3, "y": 9}, r"none of the 2 corpus words has a vector in toy \(most frequent: 'y', 'x'; .*'a'"),
        ({}, "the corpus has no words"),
        ({"a": 0}, "the corpus has no words"),
        ({"a": -1}, "the count of 'a' is -1"),
    ],
)
def test_a_corpus_that_cannot_be_aligned_is_refused(counts: dict[str, int], message: str) -> None:
    with pytest.raises(EmbeddingsError, match=message):
        align(vectors_of("a"), counts)


def test_max_words_must_be_positive() -> None:
    with pytest.raises(EmbeddingsError, match="max_words must be an integer of at least 1, found 0"):
        align(vectors_of("a"), {"a": 1}, max_words=0)
