"""Nearest words are those scikit-learn finds by brute force, with exact distances."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

import embeddings.search
from embeddings import EmbeddingsError, WordVectors, nearest

METRICS = ["cosine", "euclidean"]


def names(count: int) -> list[str]:
    return [f"w{number}" for number in range(count)]


def oracle(points: np.ndarray, matrix: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    search = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(matrix.astype(np.float64))
    distances, indices = search.kneighbors(points.astype(np.float64))
    return indices, distances


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 7])
@pytest.mark.parametrize("batch", [1, 13, 1024])
@pytest.mark.parametrize("block", [50, 8192])
def test_real_words_have_the_neighbours_scikit_learn_finds(
    metric: str, k: int, batch: int, block: int, glove: WordVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings.search, "_BLOCK", block)
    points = glove.matrix[:40] + np.random.default_rng(0).normal(scale=0.3, size=(40, 50)).astype(np.float32)
    found = nearest(points, glove, k=k, metric=metric, batch=batch)
    indices, distances = oracle(points, glove.matrix, k, metric)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, atol=1e-6)
    assert found.words == [[glove.words[index] for index in row] for row in indices]
    assert (found.indices.dtype, found.distances.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("metric", METRICS)
def test_a_word_is_its_own_neighbour_at_distance_zero(metric: str, glove: WordVectors) -> None:
    found = nearest(glove.matrix[:500], glove, metric=metric)
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(500))
    np.testing.assert_allclose(found.distances, 0.0, atol=1e-7)


@pytest.mark.parametrize("offset", [0.0, 1e4, 1e20])
def test_far_from_the_origin_distances_stay_exact(offset: float) -> None:
    """|q|² - 2 q·v + |v|² would lose every digit here."""
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(400, 6)) * max(1.0, offset * 1e-4) + offset
    points = matrix[:50] + rng.normal(size=(50, 6)) * max(0.1, offset * 1e-5)
    found = nearest(points, (matrix, names(400)), k=3, metric="euclidean")
    expected = np.linalg.norm(points[:, None] - matrix[None], axis=2)
    np.testing.assert_array_equal(found.indices, np.argsort(expected, axis=1)[:, :3])
    np.testing.assert_allclose(found.distances, np.sort(expected, axis=1)[:, :3], rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_very_short_and_very_long_vectors_are_ranked(scale: float) -> None:
    matrix = (np.random.default_rng(2).normal(size=(100, 5)) * scale).astype(np.float32)
    for metric in METRICS:
        found = nearest(matrix, (matrix, names(100)), metric=metric)
        np.testing.assert_array_equal(found.indices[:, 0], np.arange(100))


def test_cosine_ignores_length_and_euclidean_does_not() -> None:
    matrix, words = np.float32([[1, 0], [0, 1], [-1, 0], [5, 5]]), ["east", "north", "west", "northeast"]
    point = np.float32([[1, 0.9]])
    assert nearest(point, (matrix, words)).words == [["northeast"]]
    assert nearest(point, (matrix, words), metric="euclidean").words == [["east"]]
    every = nearest(np.float32([[3, 0]]), (matrix, words), k=4)
    assert every.words == [["east", "northeast", "north", "west"]]
    np.testing.assert_allclose(every.distances, [[0, 1 - 0.5**0.5, 1, 2]], atol=1e-6)


def test_a_zero_query_is_at_cosine_distance_one_from_everything(glove: WordVectors) -> None:
    found = nearest(np.zeros((2, 50)), glove, k=3)
    np.testing.assert_array_equal(found.indices, [[0, 1, 2]] * 2)
    np.testing.assert_array_equal(found.distances, np.ones((2, 3)))


def test_a_zero_vector_is_at_cosine_distance_one() -> None:
    found = nearest(np.float32([[1, 0]]), (np.float32([[-1, 0], [0, 0], [1, 1]]), names(3)), k=3)
    assert found.words == [["w2", "w1", "w0"]]
    np.testing.assert_allclose(found.distances[0, 1:], [1, 2])


@pytest.mark.parametrize("metric", METRICS)
def test_among_equal_distances_the_lower_row_comes_first(metric: str) -> None:
    matrix = np.repeat(np.float32([[1, 2], [2, 1]]), 5, axis=0)
    found = nearest(np.float32([[1, 2]]), (matrix, names(10)), k=7, metric=metric)
    np.testing.assert_array_equal(found.indices, [[0, 1, 2, 3, 4, 5, 6]])


@pytest.mark.parametrize("metric", METRICS)
def test_all_rows_can_be_asked_for_and_none_repeats(metric: str, few: WordVectors) -> None:
    found = nearest(few.matrix, few, k=len(few), metric=metric)
    np.testing.assert_array_equal(np.sort(found.indices, axis=1), np.tile(np.arange(len(few)), (len(few), 1)))
    assert (np.diff(found.distances, axis=1) >= 0).all()


def test_no_query_is_no_mistake(few: WordVectors) -> None:
    found = nearest(np.zeros((0, 50), np.float32), few, k=2)
    assert (found.indices.shape, found.distances.shape, found.words) == ((0, 2), (0, 2), [])


def test_mistakes_are_explained(few: WordVectors) -> None:
    point = np.zeros((1, 50), np.float32)
    with pytest.raises(EmbeddingsError, match="k=41 neighbours were asked for, but there are only 40 words"):
        nearest(point, few, k=41)
    with pytest.raises(EmbeddingsError, match="k must be an integer of at least 1, found 0"):
        nearest(point, few, k=0)
    with pytest.raises(EmbeddingsError, match="metric 'cosin' is not known.*did you mean 'cosine'"):
        nearest(point, few, metric="cosin")
    with pytest.raises(EmbeddingsError, match=r"queries must be \(n, 50\).*found \(1, 49\)"):
        nearest(point[:, :49], few)
    with pytest.raises(EmbeddingsError, match=r"queries must be \(n, 50\).*found \(50,\)"):
        nearest(point[0], few)
    with pytest.raises(EmbeddingsError, match="query 1 holds NaN"):
        nearest(np.vstack([point, point * np.nan]), few)
    with pytest.raises(EmbeddingsError, match=r"V words, found \(40, 50\) and 3 words"):
        nearest(point, (few.matrix, names(3)))
