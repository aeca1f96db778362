"""Nearest words: batched search by cosine or Euclidean distance, always with the distance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import EmbeddingsError, at_least, nearest_names
from embeddings.vectors import Float32, WordVectors

_METRICS = ("cosine", "euclidean")
_BLOCK = 8_192  # rows of vectors compared at once; 1024 queries against them are 32 MiB of scores
_EXACT_VALUES = 1 << 22  # numbers held at once when candidates are measured again, 32 MiB
_SPARE = 16  # candidates beyond k that are ranked again exactly, so that float32 ties and rounding do not decide
_SAFE_IN_FLOAT32 = (1e-15, 1e15)  # squares of values outside leave float32's range


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each of n queries its k nearest rows, nearest first: row numbers, distances (both (n, k)) and words."""

    indices: NDArray[np.int64]
    distances: Float32
    words: list[list[str]]


def nearest(
    queries: np.ndarray,
    vectors: WordVectors | tuple[np.ndarray, Sequence[str]],
    *,
    k: int = 1,
    metric: str = "cosine",
    batch: int = 1024,
) -> Neighbours:
    """The k nearest words of each query.

    Cosine distance is 1 - q·v / (|q| |v|), from 0 to 2, and 1 where either is zero. Euclidean distance is |q - v|.
    Candidates come from float32 matrix products, `batch` queries against blocks of vectors; the best are measured
    again in float64, so that the distance of a vector to itself is 0. Among equal distances the lower row comes first.

    Args:
        queries: (n, d), finite; n may be 0.
        vectors: word vectors, or a pair of a matrix (V, d) and its V words.
        k: neighbours per query, 1 to V.
        metric: `"cosine"` or `"euclidean"`.
        batch: queries compared at once.

    Raises:
        EmbeddingsError: shapes that do not fit, a value that is not finite, k out of range, or an unknown metric.
    """
    at_least(1, k=k, batch=batch)
    if metric not in _METRICS:
        raise EmbeddingsError(f"metric {metric!r} is not known{nearest_names(metric, _METRICS)}; allowed: {_METRICS}")
    matrix, words = (vectors.matrix, vectors.words) if isinstance(vectors, WordVectors) else vectors
    points = np.asarray(queries)
    _check(points, matrix, words, k)
    indices = _candidates(points, matrix, min(k + _SPARE, len(words)), metric, batch)
    distances = np.empty((len(points), k), dtype=np.float32)
    winners = np.empty((len(points), k), dtype=np.int64)
    size = max(1, _EXACT_VALUES // indices.shape[1] // matrix.shape[1])
    for rows in _slices(len(points), min(batch, size)):
        exact = _exact(points[rows], matrix, indices[rows], metric)
        order = np.lexsort((indices[rows], exact), axis=1)[:, :k]
        winners[rows] = np.take_along_axis(indices[rows], order, axis=1)
        distances[rows] = np.take_along_axis(exact, order, axis=1)
    return Neighbours(winners, distances, [[words[index] for index in row] for row in winners.tolist()])


def _check(points: np.ndarray, matrix: np.ndarray, words: Sequence[str], k: int) -> None:
    """Refuse shapes, values and k that do not fit."""
    if matrix.ndim != 2 or len(words) != len(matrix):
        raise EmbeddingsError(f"the vectors must be (V, d) with V words, found {matrix.shape} and {len(words)} words")
    if points.ndim != 2 or points.shape[1] != matrix.shape[1]:
        raise EmbeddingsError(f"the queries must be (n, {matrix.shape[1]}) as the vectors are, found {points.shape}")
    if k > len(words):
        raise EmbeddingsError(f"k={k} neighbours were asked for, but there are only {len(words)} words")
    for name, values in (("query", points), ("vector", matrix)):
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            raise EmbeddingsError(f"{name} {int(np.argmin(finite))} holds NaN or infinity; drop it or find out why")


def _slices(count: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` that cover `range(count)`."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _unit(values: np.ndarray) -> np.ndarray:
    """Rows of length 1 in float64; a zero row stays zero."""
    wide = values.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(norms > 0, norms, 1.0)


def _candidates(points: np.ndarray, matrix: np.ndarray, count: int, metric: str, batch: int) -> NDArray[np.int64]:
    """The `count` best rows of each query by approximate score, in no order: (n, count).

    The score rises with nearness: cosine, or for Euclidean distance q·v - |v|²/2 after both are moved to the centre of
    the vectors, which changes no distance and keeps the difference of large numbers small.
    """
    largest = max((float(np.abs(values).max()) for values in (points, matrix) if values.size), default=0.0)
    low, high = _SAFE_IN_FLOAT32
    kind: type[Any] = np.float32 if metric == "cosine" or low < largest < high else np.float64
    centre = matrix.mean(axis=0, dtype=np.float64)
    sought = (_unit(points) if metric == "cosine" else points - centre).astype(kind)
    best = np.zeros((len(points), count), dtype=np.int64)
    scores = np.full((len(points), count), -np.inf, dtype=kind)
    for block in _slices(len(matrix), _BLOCK):
        against = (_unit(matrix[block]) if metric == "cosine" else matrix[block] - centre).astype(kind)
        handicap = 0.5 * np.square(against).sum(axis=1) if metric == "euclidean" else None
        for rows in _slices(len(points), batch):
            here = sought[rows] @ against.T
            if handicap is not None:
                here -= handicap
            new_scores, columns = _above(here, scores[rows].min(axis=1, keepdims=True), count)
            pool = np.concatenate([scores[rows], new_scores], axis=1)
            pool_rows = np.concatenate([best[rows], columns + block.start], axis=1)
            keep = _top(pool, count)
            scores[rows] = np.take_along_axis(pool, keep, axis=1)
            best[rows] = np.take_along_axis(pool_rows, keep, axis=1)
    if metric == "cosine":  # a zero query is equally far from all: the first rows, not whatever partitioning left
        best[~points.any(axis=1)] = np.arange(count)
    return best


def _above(scores: np.ndarray, bar: np.ndarray, count: int) -> tuple[np.ndarray, NDArray[np.int64]]:
    """Scores above each row's bar, with their columns, padded with minus infinity to the longest row.

    Once some vectors have been seen few others pass, which spares a partition of every block.
    """
    if not np.isfinite(bar).all():
        keep = _top(scores, count)
        return np.take_along_axis(scores, keep, axis=1), keep.astype(np.int64)
    row, column = np.divmod(np.flatnonzero(scores > bar), scores.shape[1])  # far quicker than nonzero
    passing = np.bincount(row, minlength=len(scores))
    place = np.arange(len(row)) - np.repeat(np.cumsum(passing) - passing, passing)
    found = np.full((len(scores), int(passing.max(initial=0))), -np.inf, dtype=scores.dtype)
    columns = np.zeros(found.shape, dtype=np.int64)
    found[row, place], columns[row, place] = scores[row, column], column
    return found, columns


def _top(scores: np.ndarray, count: int) -> NDArray[np.intp]:
    """Positions of the `count` largest scores of each row, in no order."""
    width = scores.shape[1]
    if width <= count:
        return np.broadcast_to(np.arange(width), scores.shape)
    return np.argpartition(scores, width - count, axis=1)[:, width - count :]


def _exact(points: np.ndarray, matrix: np.ndarray, indices: NDArray[np.int64], metric: str) -> NDArray[np.float64]:
    """Distances in float64 of each query to its candidates: (n, count)."""
    found = matrix[indices].astype(np.float64)
    wide = points.astype(np.float64)[:, None, :]
    if metric == "euclidean":
        return np.asarray(np.linalg.norm(wide - found, axis=2), dtype=np.float64)
    norms = np.linalg.norm(wide, axis=2) * np.linalg.norm(found, axis=2)
    cosine = (wide * found).sum(axis=2) / np.where(norms > 0, norms, 1.0)
    return np.asarray(np.clip(1.0 - cosine, 0.0, 2.0), dtype=np.float64)
