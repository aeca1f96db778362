"""Choosing a set as a whole, on points whose good sets are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from textdistill.learners.linear_head import fit_head
from textdistill.selection import SearchSettings, View, random_rows, search_set
from textdistill.selection.search import _Criterion

COUNTS = [2, 2, 2]


@pytest.fixture(scope="module")
def points():
    """Three classes around three directions, a third of the rows of the pool far from their own class."""
    rng = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(3, 24, generator=rng), dim=1)

    def rows(n, noise):
        labels = torch.arange(n) % 3
        spread = noise * torch.randn(n, 24, generator=rng)
        return torch.nn.functional.normalize(centres[labels] + spread, dim=1), labels.numpy()

    pool, pool_labels = rows(120, 0.3)
    pool[::4] = torch.nn.functional.normalize(torch.randn(30, 24, generator=rng), dim=1)
    return pool, pool_labels, *rows(300, 0.4), *rows(300, 0.4)


def head_accuracy(pool, labels, chosen, test, test_labels):
    head = fit_head(pool[chosen], torch.eye(3)[labels[chosen]])
    return float((head.predict(test).numpy() == test_labels).mean())


def test_a_searched_set_teaches_a_linear_head_better_than_random_rows_do(points):
    pool, labels, real, real_labels, test, test_labels = points
    for seed in range(3):
        first = random_rows(pool.numpy(), labels, COUNTS, np.random.default_rng(seed))
        before = head_accuracy(pool, labels, first, test, test_labels)
        found = search_set([View(pool, real)], labels, real_labels, COUNTS, np.random.default_rng(seed), first=first)
        assert head_accuracy(pool, labels, found, test, test_labels) > before + 0.02


def test_the_set_has_distinct_rows_of_each_class_in_the_order_of_the_classes(points):
    pool, labels, real, real_labels, *_ = points
    found = search_set([View(pool, real)], labels, real_labels, [1, 0, 3], np.random.default_rng(0))
    assert labels[found].tolist() == [0, 2, 2, 2]
    assert len(set(found.tolist())) == 4


def test_the_same_stream_gives_the_same_set_and_another_stream_another(points):
    pool, labels, real, real_labels, *_ = points
    found = [
        search_set([View(pool, real)], labels, real_labels, COUNTS, np.random.default_rng(seed)).tolist()
        for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]


def test_a_swap_is_scored_as_the_swapped_set_would_be(points):
    """The fast criterion against a plain ridge regression of each swapped set, in two views."""
    pool, labels, real, real_labels, *_ = points
    settings = SearchSettings(sweeps=1, candidates=8, rows=300, ridge=0.5, sharpness=8.0)
    views = [View(pool, real, 1.0), View(pool[:, :10], real[:, :10], 0.5)]

    def plain(rows):
        total = 0.0
        for view in views:
            mean = view.real.mean(0)
            inside, judges = view.pool[rows] - mean, view.real - mean
            targets = torch.eye(3)[labels[rows]] - 1 / 3
            weight = torch.linalg.solve(inside.T @ inside + 0.5 * torch.eye(inside.shape[1]), inside.T @ targets)
            likely = torch.log_softmax(8.0 * judges @ weight, 1)
            total -= view.weight * float(likely[torch.arange(len(judges)), torch.from_numpy(real_labels)].mean())
        return total

    rng = np.random.default_rng(3)
    first = random_rows(pool.numpy(), labels, COUNTS, rng)
    of = _Criterion(views, torch.from_numpy(labels), torch.from_numpy(real_labels), torch.arange(300), 3, settings)
    for place in range(len(first)):
        others = np.setdiff1d(np.arange(len(labels)), first)[place::9]  # of other classes too
        swapped = [np.where(np.arange(len(first)) == place, other, first) for other in others]
        assert of.losses(first, place, others).tolist() == pytest.approx([plain(one) for one in swapped], abs=1e-5)
    alone = np.array([[row] for row in (0, 1, 2)])  # a set of one sample has no rest
    assert of.losses(alone[0], 0, alone[:, 0]).tolist() == pytest.approx([plain(one) for one in alone], abs=1e-5)
    found = search_set(views, labels, real_labels, COUNTS, np.random.default_rng(4), settings, first)
    assert plain(found) < plain(first) - 1e-3
    # One sweep ends where no swap of the last place that was tried could do better: every swap taken had lowered it.
    everything = SearchSettings(sweeps=20, candidates=1000, rows=300, ridge=0.5, sharpness=8.0)
    final = search_set(views, labels, real_labels, COUNTS, np.random.default_rng(5), everything, first)
    least = plain(final)
    for place in range(len(final)):
        for other in np.setdiff1d(np.flatnonzero(labels == labels[final[place]]), final)[:6]:
            swapped = final.copy()
            swapped[place] = other
            assert plain(swapped) > least - 1e-4


def test_a_class_that_is_smaller_than_asked_gives_what_it_has(points):
    pool, labels, real, real_labels, *_ = points
    few = np.concatenate([np.flatnonzero(labels == 0)[:1], np.flatnonzero(labels == 1), np.flatnonzero(labels == 2)])
    found = search_set([View(pool[few], real)], labels[few], real_labels, [3, 1, 1], np.random.default_rng(0))
    assert labels[few][found].tolist() == [0, 1, 2]
