"""Soft-label nearest neighbours: scikit-learn's for hard labels, the weighted vote for soft ones, memory bounded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from textdistill.core.errors import DataError, UserError
from textdistill.evaluation.neighbours import knn_predict, knn_predict_batches


def digits() -> tuple[Tensor, Tensor]:
    features, labels = load_digits(return_X_y=True)
    noise = np.random.default_rng(0).normal(0, 1e-3, features.shape)  # no two distances are equal
    return torch.tensor(features + noise, dtype=torch.float32), torch.tensor(labels)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_hard_labels_give_scikit_learns_predictions(k: int, metric: str) -> None:
    features, labels = digits()
    support, targets = features[:100], torch.eye(10)[labels[:100]]
    theirs = KNeighborsClassifier(k, weights="distance", metric=metric).fit(support.double(), labels[:100])
    found = knn_predict(support, targets, features[100:], k=k, metric=metric)
    assert found.tolist() == theirs.predict(features[100:].double()).tolist()


@given(k=st.integers(1, 7), seed=st.integers(0, 10**6), metric=st.sampled_from(["euclidean", "cosine"]))
@settings(max_examples=30, deadline=None)
def test_soft_labels_vote_by_inverse_distance(k: int, seed: int, metric: str) -> None:
    draw = torch.Generator().manual_seed(seed)
    support, queries = torch.randn(6, 3, generator=draw).double(), torch.randn(9, 3, generator=draw).double()
    targets = torch.randn(6, 4, generator=draw)  # SLDD's labels are unconstrained: negative ones vote against
    wanted = []
    for query in queries:
        if metric == "euclidean":
            distances = torch.linalg.vector_norm(support - query, dim=1)
        else:
            distances = 1 - torch.cosine_similarity(support, query[None], dim=1)
        near = distances.argsort()[:k]
        wanted.append(int((targets[near] / distances[near, None]).sum(0).argmax()))
    assert knn_predict(support, targets, queries, k=k, metric=metric).tolist() == wanted


def test_two_soft_points_separate_three_classes() -> None:
    # less than one shot: between two points whose second choice is the same class, that class wins
    support = torch.tensor([[0.0], [1.0]])
    targets = torch.tensor([[0.6, 0.4, 0.0], [0.0, 0.4, 0.6]])
    assert knn_predict(support, targets, torch.tensor([[0.05], [0.5], [0.95]]), k=2).tolist() == [0, 1, 2]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_query_that_is_a_support_point_has_its_label_however_near_the_others_are(metric: str) -> None:
    draw = torch.Generator().manual_seed(0)
    for _ in range(20):
        point = torch.randn(401, generator=draw).double() * 100 + 50
        beside, far = point.clone(), torch.zeros(401).double()
        beside[0] += 1.0
        far[0] = 1.0
        # the point itself hardly prefers class 0; its neighbour, and one far off, are sure of class 1
        targets = torch.tensor([[0.0, 1.0], [0.5, 0.5], [0.0, 1.0]]).double()
        targets[1, 0] += 1e-12
        support = torch.stack([far, point, beside])
        assert knn_predict(support, targets, point[None], k=3, metric=metric).tolist() == [0]


def test_support_points_in_one_direction_are_at_one_cosine_distance() -> None:
    draw = torch.Generator().manual_seed(0)
    for _ in range(20):
        point = torch.randn(401, generator=draw).double()
        support = torch.stack([point * scale for scale in (1.0, 3.0, 0.7, 11.3, 1e-3)])
        targets = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.2, 0.8]])
        assert knn_predict(support, targets, point[None], k=5, metric="cosine").tolist() == [1]


def test_support_points_at_one_place_vote_together() -> None:
    support = torch.tensor([[1.0], [1.0], [1.0], [2.0]])
    targets = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [1.0, 0.0]])
    assert knn_predict(support, targets, torch.tensor([[1.0]]), k=4).tolist() == [1]
    assert knn_predict(support, targets, torch.tensor([[1.0]]), k=1).tolist() == [0]  # of equals, the first


def test_queries_may_come_batch_by_batch_and_only_one_is_held() -> None:
    features, labels = digits()
    support, targets = features[:50], torch.eye(10)[labels[:50]]
    alive = 0

    class Held:
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def batches() -> Iterator[Tensor]:
        nonlocal alive
        for start in range(50, 650, 100):
            rows = features[start : start + 100].clone().reshape(-1, 8, 8)
            rows.held = Held()  # type: ignore[attr-defined]
            alive += 1
            assert alive <= 2  # the one that comes, and at most the one before it
            yield rows
            del rows

    found = knn_predict_batches(support.reshape(-1, 8, 8), targets, batches(), k=3)
    assert found.tolist() == knn_predict(support, targets, features[50:650], k=3, batch=7).tolist()


def test_more_neighbours_than_points_means_all_points() -> None:
    support, targets = torch.tensor([[0.0], [1.0]]), torch.eye(2)
    queries = torch.tensor([[0.1], [0.9]])
    assert knn_predict(support, targets, queries, k=9).tolist() == knn_predict(support, targets, queries, k=2).tolist()


def test_no_queries_give_no_predictions() -> None:
    assert knn_predict(torch.ones(2, 3), torch.eye(2), torch.ones(0, 3)).tolist() == []
    assert knn_predict_batches(torch.ones(2, 3), torch.eye(2), iter([])).tolist() == []


def test_a_zero_vector_is_at_cosine_distance_one_from_everything() -> None:
    support = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    queries = torch.tensor([[1.0, 0.1], [-1.0, 0.0]])  # near the second; opposite to it
    assert knn_predict(support, torch.eye(2), queries, metric="cosine").tolist() == [1, 0]


def test_mistakes_are_refused_by_name() -> None:
    support, targets = torch.ones(2, 3), torch.eye(2)
    with pytest.raises(UserError, match=r"metric 'cosin' is unknown \(did you mean 'cosine'\?\)"):
        knn_predict(support, targets, support, metric="cosin")
    with pytest.raises(UserError, match="k = 0 neighbours"):
        knn_predict(support, targets, support, k=0)
    with pytest.raises(DataError, match="no points to be neighbours of"):
        knn_predict(support[:0], targets[:0], support)
