"""Choosing real rows to stand for a class: at random, by herding, by k-means centres, by farthest-first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from textdistill.selection.centroids import DEFAULT_KMEANS, KMeansSettings, fit_centroids
from textdistill.selection.classes import Features, Labels, Share, points, shares, width

_CHUNK_VALUES = 20_000_000  # numbers held at once while distances to the centroids are measured


def random_rows(features: Features, labels: Labels, counts: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Rows of each class drawn uniformly without replacement; of the features only the number of rows matters.

    Returns int64 indices, class by class. From the same stream, a larger count begins with the smaller one's rows.
    """
    return _class_by_class(lambda share: rng.permutation(len(share.rows))[: share.take], shares(labels, counts))


def herding(features: Features, labels: Labels, counts: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Greedy mean matching in each class (Welling 2009).

    Row t + 1 is argmin over x not yet taken of ‖μ - (x_1 + … + x_t + x) / (t + 1)‖, with μ the mean of the class;
    for features of one norm this is Welling's argmax ⟨w, x⟩, w ← w + μ - x. Of equals, the first row.

    Returns int64 indices, class by class, in the order of choice. Nothing is drawn from `rng`.
    """

    def of_class(share: Share) -> np.ndarray:
        matrix = points(features, share.rows)
        matrix -= matrix.mean(axis=0)  # now μ = 0, and the criterion is ‖x‖² + 2⟨x, x_1 + … + x_t⟩
        norms = np.einsum("ij,ij->i", matrix, matrix)
        total = np.zeros(matrix.shape[1], matrix.dtype)
        chosen: list[int] = []
        for _ in range(share.take):
            cost = norms + 2 * (matrix @ total)
            cost[chosen] = np.inf
            best = int(np.argmin(cost))
            chosen.append(best)
            total += matrix[best]
        return np.array(chosen, np.int64)

    return _class_by_class(of_class, shares(labels, counts))


def k_centers(
    features: Features,
    labels: Labels,
    counts: Sequence[int],
    rng: np.random.Generator,
    settings: KMeansSettings = DEFAULT_KMEANS,
) -> np.ndarray:
    """The real row nearest to each k-means centroid of its class (Maekawa et al. 2024, DiLM: "K-centers").

    The rows are distinct: a row that two centroids share goes to the first, the other takes its next nearest.
    Returns int64 indices, class by class, in the order of the centroids.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    step = max(1, _CHUNK_VALUES // max(width(features), 1))

    def of_class(share: Share) -> np.ndarray:
        if share.take == len(share.rows):
            return np.arange(share.take)
        centroids = fit_centroids(features, share.rows, share.take, rng, settings)
        chunks = [share.rows[start : start + step] for start in range(0, len(share.rows), step)]
        distances = np.concatenate([euclidean_distances(points(features, chunk), centroids) for chunk in chunks])
        chosen: list[int] = []
        for column in distances.T:
            column[chosen] = np.inf
            chosen.append(int(np.argmin(column)))
        return np.array(chosen, np.int64)

    return _class_by_class(of_class, shares(labels, counts))


def k_center_greedy(features: Features, labels: Labels, counts: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Farthest-first in each class: each next row is the one farthest from those chosen (Sener & Savarese 2018).

    argmax_x min_{s chosen} ‖x - s‖, from a random first row (their initial pool); the radius it covers is at most
    twice the least possible. Returns distinct int64 indices, class by class, in the order of choice.
    """

    def of_class(share: Share) -> np.ndarray:
        matrix = points(features, share.rows)
        matrix -= matrix.mean(axis=0)  # distances stay; far from the origin they would lose their digits
        norms = np.einsum("ij,ij->i", matrix, matrix)
        chosen = [int(rng.integers(len(matrix)))]
        nearest = np.full(len(matrix), np.inf, matrix.dtype)
        while len(chosen) < share.take:
            last = chosen[-1]
            np.minimum(nearest, norms + norms[last] - 2 * (matrix @ matrix[last]), out=nearest)
            nearest[last] = -np.inf  # a chosen row stays out, even where all others equal it
            chosen.append(int(np.argmax(nearest)))
        return np.array(chosen, np.int64)

    return _class_by_class(of_class, shares(labels, counts))


def _class_by_class(of_class: Callable[[Share], np.ndarray], parts: list[Share]) -> np.ndarray:
    """The rows of the data that `of_class` picks, as positions within its class, one class after the other."""
    picked = [part.rows[of_class(part)] for part in parts]
    return np.concatenate(picked) if picked else np.zeros(0, np.int64)


SELECTORS: dict[str, Callable[..., np.ndarray]] = {
    "random": random_rows,
    "herding": herding,
    "k_centers": k_centers,
    "k_center_greedy": k_center_greedy,
}
