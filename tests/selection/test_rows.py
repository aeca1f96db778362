"""Row selectors: distinct real rows of each class, as many as asked or as there are, the same for a seed."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from textdistill.core.errors import DataError
from textdistill.selection import SELECTORS, KMeansSettings, herding, k_center_greedy, k_centers, random_rows


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    features, labels = load_digits(return_X_y=True)
    return features[:600], labels[:600]


def blobs(centres: list[list[float]], each: int, seed: int = 0) -> np.ndarray:
    """`each` points within 0.5 of every centre."""
    rng = np.random.default_rng(seed)
    return np.concatenate([np.array(centre) + rng.uniform(-0.35, 0.35, (each, 2)) for centre in centres])


# what every selector promises


@pytest.mark.parametrize("name", SELECTORS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_rows_are_distinct_and_class_by_class_and_no_more_than_there_are(name: str, data: st.DataObject) -> None:
    labels = np.array([*data.draw(st.lists(st.integers(0, 2), max_size=25)), 0, 1, 2])
    counts = data.draw(st.lists(st.integers(0, 9), min_size=3, max_size=3))
    values = data.draw(st.integers(1, 3))  # few distinct values: ties and repeated rows
    features = np.random.default_rng(0).integers(0, values, (len(labels), 2)).astype(np.float32)
    rows = SELECTORS[name](features, labels, counts, np.random.default_rng(1))
    wanted = [min(count, int((labels == label).sum())) for label, count in enumerate(counts)]
    assert rows.dtype == np.int64
    assert len(set(rows.tolist())) == len(rows)
    assert labels[rows].tolist() == np.repeat([0, 1, 2], wanted).tolist()


@pytest.mark.parametrize("name", SELECTORS)
def test_the_same_seed_gives_the_same_rows(name: str, digits: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = (SELECTORS[name](*digits, [3] * 10, np.random.default_rng(5)) for _ in range(2))
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("name", ["random", "k_centers", "k_center_greedy"])
def test_another_seed_gives_other_rows(name: str, digits: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = (SELECTORS[name](*digits, [3] * 10, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize("name", SELECTORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensors_of_any_shape_and_precision_serve_as_arrays_do(
    name: str, dtype: torch.dtype, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    features, labels = digits  # whole numbers up to 16: exact in every type
    tensor = torch.tensor(features, dtype=dtype, requires_grad=True).reshape(-1, 8, 8)
    array = features.astype(np.float64 if dtype == torch.float64 else np.float32)
    got = SELECTORS[name](tensor, torch.tensor(labels), [2] * 10, np.random.default_rng(0))
    assert got.tolist() == SELECTORS[name](array, labels, [2] * 10, np.random.default_rng(0)).tolist()


@pytest.mark.parametrize("name", SELECTORS)
def test_bytes_of_pixels_are_features_too(name: str, digits: tuple[np.ndarray, np.ndarray]) -> None:
    features, labels = digits
    got = SELECTORS[name](features.astype(np.uint8), labels, [2] * 10, np.random.default_rng(0))
    wanted = SELECTORS[name](features.astype(np.float32), labels, [2] * 10, np.random.default_rng(0))
    assert got.tolist() == wanted.tolist()


@pytest.mark.parametrize("name", SELECTORS)
def test_nothing_asked_gives_nothing(name: str, digits: tuple[np.ndarray, np.ndarray]) -> None:
    assert SELECTORS[name](*digits, [0] * 10, np.random.default_rng(0)).tolist() == []


@pytest.mark.parametrize("name", SELECTORS)
def test_a_class_without_rows_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(DataError, match=r"class 1: 2 rows asked for and there are none"):
        SELECTORS[name](np.ones((3, 2)), [0, 0, 2], [1, 2, 1], np.random.default_rng(0))


@pytest.mark.parametrize("name", SELECTORS)
def test_a_negative_count_is_an_error(name: str) -> None:
    with pytest.raises(DataError, match="class 0: -1 rows"):
        SELECTORS[name](np.ones((3, 2)), [0, 0, 0], [-1], np.random.default_rng(0))


@pytest.mark.parametrize("name", ["herding", "k_centers", "k_center_greedy"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_is_an_error_that_names_the_row(name: str, value: float) -> None:
    features = np.ones((6, 2))
    features[4, 1] = value
    with pytest.raises(DataError, match="features of row 4 are not finite"):
        SELECTORS[name](features, [0, 1, 0, 1, 1, 1], [1, 2], np.random.default_rng(0))


# random


def test_random_rows_are_uniform() -> None:
    rng, labels = np.random.default_rng(0), np.array([0] * 5 + [1] * 5)
    seen = np.bincount(
        np.concatenate([random_rows(np.zeros((10, 1)), labels, [2, 1], rng) for _ in range(2000)]), minlength=10
    )
    assert seen[:5] == pytest.approx(800, abs=100)
    assert seen[5:] == pytest.approx(400, abs=80)


def test_a_larger_random_choice_begins_with_the_smaller() -> None:
    labels = np.arange(40) % 2
    few = random_rows(np.zeros((40, 1)), labels, [3, 3], np.random.default_rng(0))
    many = random_rows(np.zeros((40, 1)), labels, [8, 8], np.random.default_rng(0))
    assert many[:3].tolist() == few[:3].tolist()
    assert many[8:11].tolist() == few[3:].tolist()


# herding


def test_herding_takes_at_each_step_the_row_that_brings_the_mean_nearest() -> None:
    features = np.random.default_rng(0).normal(size=(40, 5)) + 100
    chosen = herding(features, np.zeros(40, int), [12], np.random.default_rng(0)).tolist()
    for step in range(12):
        left = [row for row in range(40) if row not in chosen[:step]]
        gaps = [np.linalg.norm(features.mean(0) - features[[*chosen[:step], row]].mean(0)) for row in left]
        assert chosen[step] == left[int(np.argmin(gaps))]


def test_herding_of_unit_vectors_is_wellings_update() -> None:
    features = np.random.default_rng(1).normal(size=(60, 4))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    mean = features.mean(0)
    w, wanted = mean.copy(), []
    for _ in range(10):
        products = features @ w
        products[wanted] = -np.inf
        wanted.append(int(products.argmax()))
        w += mean - features[wanted[-1]]
    assert herding(features, np.zeros(60, int), [10], np.random.default_rng(0)).tolist() == wanted


def test_herded_digits_match_the_class_mean_better_than_any_of_20_random_choices(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    features, labels = digits
    counts, rng = [0, 0, 0, 5], np.random.default_rng(0)

    def gap(rows: np.ndarray) -> float:
        return float(np.linalg.norm(features[labels == 3].mean(0) - features[rows].mean(0)))

    random = [gap(random_rows(features, labels, counts, rng)) for _ in range(20)]
    assert gap(herding(features, labels, counts, rng)) < min(random)


# k-centres


def test_k_centers_are_the_real_rows_nearest_to_the_centroids() -> None:
    centres = [[0.0, 0.0], [0.0, 9.0], [9.0, 0.0]]
    features = blobs(centres, 20)
    rows = k_centers(features, np.zeros(60, int), [3], np.random.default_rng(0))
    wanted = []
    for start in (0, 20, 40):
        blob = features[start : start + 20]
        wanted.append(start + int(np.linalg.norm(blob - blob.mean(0), axis=1).argmin()))
    assert sorted(rows.tolist()) == wanted


def test_k_centers_look_at_one_class_at_a_time() -> None:
    features = np.concatenate([blobs([[0.0, 0.0], [9.0, 9.0]], 10), blobs([[0.0, 9.0]], 20)])
    rows = k_centers(features, np.repeat([0, 1], 20), [2, 1], np.random.default_rng(0))
    assert sorted(row // 10 for row in rows[:2]) == [0, 1]
    assert rows[2] >= 20


def test_a_row_that_two_centroids_share_goes_to_the_first_and_the_other_takes_the_next() -> None:
    features = np.array([[0.0], [0.0], [0.0], [0.0], [5.0], [7.0]])  # 3 distinct values, 4 centres
    rows = k_centers(features, np.zeros(6, int), [4], np.random.default_rng(0))
    assert {4, 5} < set(rows.tolist())
    assert len(set(rows.tolist())) == 4


def test_rows_that_repeat_warn_of_nothing_and_leave_the_warnings_as_they_were() -> None:
    before = list(warnings.filters)
    k_centers(np.ones((8, 3)), np.zeros(8, int), [4], np.random.default_rng(0))
    assert warnings.filters == before


def test_k_centers_of_a_large_class_come_from_a_draw_but_may_be_any_row() -> None:
    features = blobs([[0.0, 0.0], [9.0, 0.0]], 500)
    small = KMeansSettings(full_values=30, most_values=80, batch=20)  # 40 rows of 1,000, in mini-batches
    rows = k_centers(features, np.zeros(1000, int), [2], np.random.default_rng(0), small)
    assert sorted(features[rows, 0].round(0).tolist()) == [0.0, 9.0]
    assert np.abs(features[rows] - features[rows].round(0)).max() < 0.2


def test_k_centers_of_a_digit_agree_with_scikit_learn(digits: tuple[np.ndarray, np.ndarray]) -> None:
    features, labels = digits
    ones = np.flatnonzero(labels == 1)
    seed = int(np.random.default_rng(3).integers(2**31))
    centroids = KMeans(3, n_init=2, random_state=seed).fit(features[ones]).cluster_centers_
    wanted = [ones[np.linalg.norm(features[ones] - centroid, axis=1).argmin()] for centroid in centroids]
    got = k_centers(features, labels, [0, 3], np.random.default_rng(3), KMeansSettings(restarts=2))
    assert got.tolist() == wanted


# farthest-first


def test_each_next_row_is_the_farthest_from_those_chosen() -> None:
    features = np.random.default_rng(0).normal(size=(50, 3)) + 1000
    chosen = k_center_greedy(features, np.zeros(50, int), [10], np.random.default_rng(0)).tolist()
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    for step in range(1, 10):
        nearest = distances[:, chosen[:step]].min(axis=1)
        assert chosen[step] == int(nearest.argmax())


def test_the_covered_radius_is_at_most_twice_the_least_possible() -> None:
    features = np.random.default_rng(2).normal(size=(14, 2))
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    least = min(distances[:, list(rows)].min(axis=1).max() for rows in combinations(range(14), 3))
    for seed in range(10):
        rows = k_center_greedy(features, np.zeros(14, int), [3], np.random.default_rng(seed))
        assert distances[:, rows].min(axis=1).max() <= 2 * least


def test_float32_far_from_the_origin_keeps_its_digits() -> None:
    line = (np.arange(32, dtype=np.float32) / 64)[:, None] + np.float32(4096)
    for seed in range(8):
        rows = k_center_greedy(line, np.zeros(32, int), [2], np.random.default_rng(seed))
        assert rows[1] == (31 if rows[0] < 16 else 0)
