"""Synthetic points of a class: k-means centroids and the average, with the labels they carry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from textdistill.core.errors import DataError
from textdistill.selection import KMeansSettings, class_average, kmeans_centroids

BOTH = [kmeans_centroids, class_average]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_centroids_of_a_digit_are_scikit_learns() -> None:
    features, labels = load_digits(return_X_y=True)
    found, _ = kmeans_centroids(features, labels, [0, 4], rng(3), KMeansSettings(restarts=2))
    seed = int(rng(3).integers(2**31))
    wanted = KMeans(4, n_init=2, random_state=seed).fit(features[labels == 1]).cluster_centers_
    np.testing.assert_allclose(found, wanted)


def test_one_centroid_is_the_mean_of_the_class() -> None:
    features, labels = load_digits(return_X_y=True)
    counts = [1] * 10
    np.testing.assert_allclose(
        kmeans_centroids(features, labels, counts, rng())[0], class_average(features, labels, counts, rng())[0]
    )


def test_the_average_is_the_mean_of_the_class_and_repeats() -> None:
    features = np.array([[0.0, 2.0], [5.0, 5.0], [4.0, 4.0], [2.0, 0.0]])
    points, labels = class_average(features, [0, 1, 0, 0], [2, 1], rng())
    np.testing.assert_allclose(points, [[2, 2], [2, 2], [5, 5]])
    assert labels.tolist() == [0, 0, 1]


def test_features_may_be_read_when_rows_of_them_are_asked_for() -> None:
    features, labels = load_digits(return_X_y=True)

    class OnDemand:
        shape = features.shape

        def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
            return features[rows]

    for make in BOTH:
        found, wanted = (make(values, labels, [2] * 10, rng()) for values in (OnDemand(), features))
        np.testing.assert_array_equal(found[0], wanted[0])
        assert found[1].tolist() == wanted[1].tolist()


def test_the_average_of_many_float32_values_loses_no_digits() -> None:
    features = np.full((300_000, 1), 0.1, np.float32)
    points, _ = class_average(features, np.zeros(300_000, int), [1], rng())
    assert points[0, 0] == np.float32(0.1)


@pytest.mark.parametrize("make", BOTH)
def test_points_keep_the_features_shape_and_precision(make: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    features = torch.randn(30, 4, 3, generator=torch.Generator().manual_seed(0))
    points, labels = make(features, torch.arange(30) % 2, [3, 2], rng())
    assert points.shape == (5, 4, 3)
    assert points.dtype == np.float32
    assert labels.tolist() == [0, 0, 0, 1, 1]
    assert labels.dtype == np.int64


@pytest.mark.parametrize("make", BOTH)
def test_a_small_class_gives_as_many_points_as_it_has_rows(
    make: Callable[..., tuple[np.ndarray, np.ndarray]],
) -> None:
    points, labels = make(np.arange(10.0).reshape(5, 2), [0, 0, 0, 1, 1], [2, 9], rng())
    assert labels.tolist() == [0, 0, 1, 1]
    assert len(points) == 4


def test_as_many_centroids_as_rows_are_the_rows() -> None:
    features = np.arange(10.0).reshape(5, 2)
    points, _ = kmeans_centroids(features, [0, 0, 0, 1, 1], [3, 2], rng())
    np.testing.assert_array_equal(points, features)


@pytest.mark.parametrize("make", BOTH)
def test_nothing_asked_gives_nothing(make: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    points, labels = make(np.ones((4, 2, 3)), [0, 0, 1, 1], [0, 0], rng())
    assert points.shape == (0, 2, 3)
    assert labels.shape == (0,)


@pytest.mark.parametrize("make", BOTH)
def test_a_class_without_rows_is_an_error(make: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    with pytest.raises(DataError, match="class 1: 1 rows asked for and there are none"):
        make(np.ones((2, 2)), [0, 0], [1, 1], rng())


@pytest.mark.parametrize("make", BOTH)
def test_a_value_that_is_not_finite_is_an_error(make: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    with pytest.raises(DataError, match="features of row 1 are not finite"):
        make(np.array([[1.0], [np.nan], [2.0]]), [0, 0, 0], [2], rng())


def test_repeated_rows_give_repeated_centroids_without_a_warning() -> None:
    points, _ = kmeans_centroids(np.array([[1.0]] * 5 + [[2.0]] * 5), [0] * 10, [4], rng())
    assert set(points[:, 0].tolist()) == {1.0, 2.0}
    assert len(points) == 4


def test_a_large_class_is_clustered_from_a_seeded_draw_in_mini_batches() -> None:
    features = np.concatenate([rng().normal(0, 0.1, (500, 2)), rng().normal(9, 0.1, (500, 2))])
    small = KMeansSettings(full_values=100, most_values=400, batch=50)
    first, second = (kmeans_centroids(features, np.zeros(1000, int), [2], rng(1), small)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(np.sort(first[:, 0]), [0, 9], atol=0.1)


def test_no_more_of_a_large_class_is_loaded_than_the_settings_allow() -> None:
    loaded: list[int] = []

    class Watched(np.ndarray):
        def __getitem__(self, key: object) -> np.ndarray:
            if isinstance(key, np.ndarray):
                loaded.append(len(key))
            return np.asarray(self)[key]  # type: ignore[index]

    features = rng().normal(size=(1000, 4)).view(Watched)
    kmeans_centroids(features, np.zeros(1000, int), [3], rng(), KMeansSettings(most_values=400))
    assert loaded == [100]
