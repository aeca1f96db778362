"""Synthetic points that stand for a class: its k-means centroids, and its average."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from textdistill.selection.classes import Features, Labels, Share, points, shares, width


@dataclass(frozen=True)
class KMeansSettings:
    """How k-means is run on one class.

    `restarts` runs from other first centroids, the best kept. Up to `full_values` numbers (rows x features) all
    rows are used in every step (Lloyd); above that, mini-batches of `batch` rows. More than `most_values` numbers
    are never loaded: a seeded draw of the class's rows stands for it (at least ten rows per centroid).
    """

    restarts: int = 3
    full_values: int = 20_000_000
    most_values: int = 60_000_000
    batch: int = 1024


DEFAULT_KMEANS = KMeansSettings()


def fit_centroids(
    features: Features,
    rows: np.ndarray,
    count: int,
    rng: np.random.Generator,
    settings: KMeansSettings = DEFAULT_KMEANS,
) -> np.ndarray:
    """The k-means centroids (count, f) of these rows; with as many centroids as rows, the rows themselves.

    Rows with fewer distinct values than centroids give repeated centroids.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    most = max(settings.most_values // max(width(features), 1), 10 * count)
    if len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    matrix = points(features, rows)
    seed = int(rng.integers(2**31))
    if count >= len(rows):
        return matrix
    if matrix.size <= settings.full_values:
        model = KMeans(count, n_init=settings.restarts, random_state=seed)
    else:
        model = MiniBatchKMeans(count, n_init=settings.restarts, batch_size=settings.batch, random_state=seed)
    with warnings.catch_warnings():
        # Rows that repeat (the same short sentence twice) leave clusters empty; repeated centroids are documented.
        warnings.simplefilter("ignore", ConvergenceWarning)
        centroids: np.ndarray = model.fit(matrix).cluster_centers_
    return centroids.astype(matrix.dtype, copy=False)


def kmeans_centroids(
    features: Features,
    labels: Labels,
    counts: Sequence[int],
    rng: np.random.Generator,
    settings: KMeansSettings = DEFAULT_KMEANS,
) -> tuple[np.ndarray, np.ndarray]:
    """The k-means centroids of each class: a baseline of Sucholutsky & Schonlau (2019), section 4.

    `features` is (n, *shape) and the points are (sum of what each class gives, *shape), class by class, with their
    labels (int64). A class with fewer rows than asked gives its rows.
    """

    def of_class(share: Share) -> np.ndarray:
        return fit_centroids(features, share.rows, share.take, rng, settings)

    return _class_by_class(of_class, features, shares(labels, counts))


def class_average(
    features: Features, labels: Labels, counts: Sequence[int], rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each class, repeated as often as asked: a baseline of Sucholutsky & Schonlau (2019), section 4.

    Shapes as in `kmeans_centroids`. At most one copy for each row of the class, so that every method has the same
    budget. Nothing is drawn from `rng`.
    """
    step = max(1, 20_000_000 // max(width(features), 1))

    def of_class(share: Share) -> np.ndarray:
        total = np.zeros(width(features))
        for start in range(0, len(share.rows), step):
            total += points(features, share.rows[start : start + step]).sum(axis=0, dtype=np.float64)
        mean = (total / len(share.rows)).astype(points(features, share.rows[:1]).dtype)
        return np.repeat(mean[None], share.take, axis=0)

    return _class_by_class(of_class, features, shares(labels, counts))


def _class_by_class(
    of_class: Callable[[Share], np.ndarray], features: Features, parts: list[Share]
) -> tuple[np.ndarray, np.ndarray]:
    """The points of every class, one class after the other and in the features' own shape, with their labels."""
    shape = tuple(features.shape[1:])
    points = [of_class(part).reshape(part.take, *shape) for part in parts]
    labels = [np.full(part.take, part.label, np.int64) for part in parts]
    if not points:
        return np.zeros((0, *shape), np.float32), np.zeros(0, np.int64)
    return np.concatenate(points), np.concatenate(labels)
