"""Which of k groups of alike rows each row is in: from each of them one sample makes a diverse batch (DiLM)."""

from __future__ import annotations

import numpy as np

from textdistill.selection.centroids import DEFAULT_KMEANS, KMeansSettings, fit_centroids
from textdistill.selection.classes import Features, points


def clusters(
    features: Features, count: int, rng: np.random.Generator, settings: KMeansSettings = DEFAULT_KMEANS
) -> np.ndarray:
    """The number of the k-means centroid nearest to each row, int64 (n,), below `count`.

    Rows with fewer distinct values than centroids leave some numbers unused.
    """
    from sklearn.metrics.pairwise import euclidean_distances

    rows = np.arange(features.shape[0])
    centroids = fit_centroids(features, rows, count, rng, settings)
    chunks = np.array_split(rows, max(1, len(rows) * len(centroids) // settings.full_values))
    nearest = [euclidean_distances(points(features, chunk), centroids).argmin(1) for chunk in chunks]
    return np.concatenate(nearest).astype(np.int64, copy=False)
