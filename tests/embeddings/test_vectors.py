"""Word vectors hold together: distinct words, one finite row each, a fingerprint, and several kinds side by side."""

from __future__ import annotations

import numpy as np
import pytest

from embeddings import EmbeddingsError, ReadReport, WordVectors, concatenate


def make(words: list[str], rows: list[list[float]], name: str = "made") -> WordVectors:
    return WordVectors(words, np.array(rows, dtype=np.float32), name, ReadReport(len(words), len(words)))


def test_words_and_rows_belong_together() -> None:
    vectors = make(["a", "b"], [[1, 2, 3], [4, 5, 6]])
    assert (len(vectors), vectors.dimension, vectors.index) == (2, 3, {"a": 0, "b": 1})
    assert "a" in vectors
    assert "A" not in vectors
    assert vectors.index is vectors.index


@pytest.mark.parametrize(
    ("words", "matrix", "message"),
    [
        (["a"], np.zeros((2, 3), np.float32), "1 words for 2 rows"),
        (["a", "b", "a"], np.zeros((3, 2), np.float32), "'a' has more than one row"),
        (["a", "b"], np.float32([[1, 2], [np.nan, 1]]), "vector of 'b' holds NaN"),
        (["a"], np.zeros((1, 2), np.float64), r"must be \(words, dimension\) float32, found \(1, 2\) float64"),
        (["a"], np.zeros(1, np.float32), r"found \(1,\) float32"),
        (["a"], np.zeros((1, 0), np.float32), r"found \(1, 0\)"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(words: list[str], matrix: np.ndarray, message: str) -> None:
    with pytest.raises(EmbeddingsError, match=f"mine: .*{message}"):
        WordVectors(words, matrix, "mine", ReadReport(1, 1))


def test_the_fingerprint_sees_words_numbers_and_shape_but_not_the_name() -> None:
    base = make(["a", "b"], [[1, 2], [3, 4]])
    assert base.fingerprint == make(["a", "b"], [[1, 2], [3, 4]], "other").fingerprint
    others = [
        make(["b", "a"], [[1, 2], [3, 4]]),
        make(["a", "c"], [[1, 2], [3, 4]]),
        make(["a", "b"], [[1, 2], [3, 5]]),
        make(["a", "b"], [[1], [2]]),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_the_fingerprint_does_not_depend_on_the_memory_layout() -> None:
    plain = make(["a", "b"], [[1, 2], [3, 4]])
    turned = WordVectors(["a", "b"], np.asfortranarray(plain.matrix), "turned", plain.report)
    assert turned.fingerprint == plain.fingerprint


def test_parts_are_put_side_by_side_with_zeros_where_one_lacks_a_word() -> None:
    left, right = make(["a", "b"], [[3, 4], [0, 5]]), make(["c", "a"], [[10], [30]], "right")
    both = concatenate([left, right], "both", normalise=False)
    assert (both.words, both.name, both.dimension) == (["a", "b", "c"], "both", 3)
    np.testing.assert_array_equal(both.matrix, [[3, 4, 30], [0, 5, 0], [0, 0, 10]])


def test_each_part_is_scaled_to_unit_mean_row_norm() -> None:
    left, right = make(["a", "b"], [[3, 4], [0, 5]]), make(["c", "a"], [[10], [30]], "right")
    both = concatenate([left, right], "both")
    np.testing.assert_allclose(both.matrix, [[0.6, 0.8, 1.5], [0, 1, 0], [0, 0, 0.5]], rtol=1e-6)
    assert both.report.examples[1] == "right: 2 words, 1 filled with zeros, scale 0.05"


def test_a_part_of_zeros_stays_zero() -> None:
    assert not concatenate([make(["a"], [[0, 0]])], "zeros").matrix.any()


def test_a_part_of_very_short_vectors_is_scaled_without_overflow() -> None:
    np.testing.assert_allclose(concatenate([make(["a"], [[1e-40]])], "short").matrix, [[1.0]], rtol=1e-4)


def test_nothing_cannot_be_concatenated() -> None:
    with pytest.raises(EmbeddingsError, match="nothing to concatenate"):
        concatenate([], "none")


def test_a_clean_report_says_so_in_one_line() -> None:
    assert str(ReadReport(5, 5)) == "kept 5 of 5 rows"
    assert str(ReadReport(5, 5, words_with_spaces=2)) == "kept 5 of 5 rows; 2 words with spaces"
