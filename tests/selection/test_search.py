"""Choosing a set as a whole, on points whose good sets are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from textdistill.core import logistic_duals
from textdistill.core.logistic_duals import fitted_duals, newcomer_duals
from textdistill.learners.linear_head import fit_head
from textdistill.selection import SearchSettings, View, random_rows, search_set
from textdistill.selection.head_criterion import HeadCriterion
from textdistill.selection.ridge_criterion import RidgeCriterion
from textdistill.selection.search import CRITERIA

COUNTS = [2, 2, 2]
EVERY_CRITERION = pytest.mark.parametrize("criterion", CRITERIA)


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


@EVERY_CRITERION
def test_a_searched_set_teaches_a_linear_head_better_than_random_rows_do(points, criterion):
    settings = SearchSettings(criterion)
    pool, labels, real, real_labels, test, test_labels = points
    for seed in range(3):
        first = random_rows(pool.numpy(), labels, COUNTS, np.random.default_rng(seed))
        before = head_accuracy(pool, labels, first, test, test_labels)
        found = search_set(
            [View(pool, real)], labels, real_labels, COUNTS, np.random.default_rng(seed), settings, first
        )
        assert head_accuracy(pool, labels, found, test, test_labels) > before + 0.02


@EVERY_CRITERION
def test_the_set_has_distinct_rows_of_each_class_in_the_order_of_the_classes(points, criterion):
    pool, labels, real, real_labels, *_ = points
    settings = SearchSettings(criterion, screen=50, compare=3)
    found = search_set([View(pool, real)], labels, real_labels, [1, 0, 3], np.random.default_rng(0), settings)
    assert labels[found].tolist() == [0, 2, 2, 2]
    assert len(set(found.tolist())) == 4


@EVERY_CRITERION
def test_the_same_stream_gives_the_same_set_and_another_stream_another(points, criterion):
    pool, labels, real, real_labels, *_ = points
    settings = SearchSettings(criterion, sweeps=1)
    found = [
        search_set([View(pool, real)], labels, real_labels, COUNTS, np.random.default_rng(seed), settings).tolist()
        for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]


def test_a_swap_is_scored_as_the_swapped_set_would_be(points):
    """The ridge criterion against a plain ridge regression of each swapped set, in two views."""
    pool, labels, real, real_labels, *_ = points
    settings = SearchSettings("ridge", sweeps=1, candidates=8, rows=300, screen=None, ridge=0.5, sharpness=8.0)
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
    of = RidgeCriterion(views, torch.from_numpy(labels), torch.from_numpy(real_labels), torch.arange(300), 3, settings)
    for place in range(len(first)):
        others = np.setdiff1d(np.arange(len(labels)), first)[place::9]  # of other classes too
        swapped = [np.where(np.arange(len(first)) == place, other, first) for other in others]
        of.begin(first)
        assert of.losses(place, others).tolist() == pytest.approx([plain(one) for one in swapped], abs=1e-5)
    alone = np.array([[row] for row in (0, 1, 2)])  # a set of one sample has no rest
    of.begin(alone[0])
    assert of.losses(0, alone[:, 0]).tolist() == pytest.approx([plain(one) for one in alone], abs=1e-5)
    found = search_set(views, labels, real_labels, COUNTS, np.random.default_rng(4), settings, first)
    assert plain(found) < plain(first) - 1e-3
    # One sweep ends where no swap of the last place that was tried could do better: every swap taken had lowered it.
    everything = SearchSettings("ridge", 20, rows=300, screen=None, ridge=0.5, sharpness=8.0)
    final = search_set(views, labels, real_labels, COUNTS, np.random.default_rng(5), everything, first)
    least = plain(final)
    for place in range(len(final)):
        for other in np.setdiff1d(np.flatnonzero(labels == labels[final[place]]), final)[:6]:
            swapped = final.copy()
            swapped[place] = other
            assert plain(swapped) > least - 1e-4


PENALTY, SHARPNESS = 3e-3, 2.0


def head_loss(views, labels, real_labels, rows, classes):
    """The criterion in full: each view's head fitted by another method (L-BFGS on the weights)."""
    total = 0.0
    for view in views:
        mean = view.real.mean(0)
        inside, judges = (
            torch.cat([points - mean, torch.ones(len(points), 1)], 1).double()
            for points in (view.pool[rows], view.real)
        )
        weight = torch.zeros(classes, inside.shape[1], dtype=torch.float64, requires_grad=True)
        wanted = torch.from_numpy(labels[rows])
        optimizer = torch.optim.LBFGS([weight], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

        def loss(weight=weight, inside=inside, wanted=wanted, optimizer=optimizer):
            optimizer.zero_grad()
            value = F.cross_entropy(inside @ weight.T, wanted) + 0.5 * PENALTY * (weight**2).sum()
            value.backward()
            return value

        optimizer.step(loss)
        scores = SHARPNESS * judges @ weight.detach().T
        total += view.weight * float(F.cross_entropy(scores, torch.from_numpy(real_labels)))
    return total


@pytest.mark.parametrize("classes", [2, 3])
def test_a_set_is_judged_by_the_head_that_it_teaches_and_a_swap_is_foretold_closely(points, classes):
    pool, labels, real, real_labels, *_ = points
    pool, labels = pool[labels < classes], labels[labels < classes]
    real, real_labels = real[real_labels < classes], real_labels[real_labels < classes]
    views = [View(pool, real, 1.0), View(pool[:, :10], real[:, :10], 0.5)]
    settings = SearchSettings(rows=300, screen=None, penalty=PENALTY, sharpness=SHARPNESS)
    judges = torch.arange(len(real))
    of = HeadCriterion(views, torch.from_numpy(labels), torch.from_numpy(real_labels), judges, classes, settings)
    chosen = random_rows(pool.numpy(), labels, [4] * classes, np.random.default_rng(3))
    begun = of.begin(chosen)
    assert begun == pytest.approx(head_loss(views, labels, real_labels, chosen, classes), abs=1e-4)
    for place in range(len(chosen)):
        others = np.setdiff1d(np.flatnonzero(labels == labels[chosen[place]]), chosen)[:8]
        exact = [
            head_loss(views, labels, real_labels, np.where(np.arange(len(chosen)) == place, other, chosen), classes)
            for other in others
        ]
        foretold = of.losses(place, others).numpy()
        assert foretold == pytest.approx(exact, abs=0.06)
        assert np.corrcoef(foretold, exact)[0, 1] > 0.97  # the order of swaps is told, not their level alone
        assert of.take(place, int(others[0]), -1.0) is None  # nothing falls that low, and nothing is swapped
        assert of.losses(place, others).numpy() == pytest.approx(foretold)
        taken = of.take(place, int(others[0]), 100.0)
        assert taken == pytest.approx(exact[0], abs=1e-4)
        chosen[place] = others[0]


def test_a_set_of_one_sample_has_a_head_too_and_can_be_swapped(points):
    pool, labels, real, real_labels, *_ = points
    views, settings = [View(pool, real)], SearchSettings(penalty=PENALTY, sharpness=SHARPNESS)
    judges, classes = torch.arange(len(real)), 3
    of = HeadCriterion(views, torch.from_numpy(labels), torch.from_numpy(real_labels), judges, classes, settings)
    of.begin(np.array([0]))
    expected = [head_loss(views, labels, real_labels, np.array([row]), classes) for row in (0, 3, 6)]
    assert of.losses(0, np.array([0, 3, 6])).tolist() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("many", [0, 10])  # classes above which conjugate gradients solve for Newton's step
def test_the_duals_of_a_head_are_what_its_targets_leave_open_wherever_newton_begins(monkeypatch, many):
    monkeypatch.setattr(logistic_duals, "MANY", many)
    rng = torch.Generator().manual_seed(0)
    points = torch.randn(12, 5, generator=rng, dtype=torch.float64)
    targets = torch.eye(3, dtype=torch.float64)[torch.arange(12) % 3]
    for scale in (0.01, 1.0, 300.0):  # of penalties from strong to hardly any
        kernel = scale * (points @ points.T + 1)
        duals = fitted_duals(kernel, targets)
        assert (duals - (targets - torch.softmax(kernel @ duals, 1))).abs().max() < 1e-4
        far = fitted_duals(kernel, targets, 3 * torch.randn(12, 3, generator=rng, dtype=torch.float64))
        assert (kernel @ (far - duals)).softmax(1).allclose(torch.full((12, 3), 1 / 3, dtype=torch.float64), atol=0.05)


def test_newcomers_have_the_duals_that_their_own_scores_leave_open_however_far_these_are():
    scores = torch.tensor([[0.0, 0.0, 0.0], [20.0, -20.0, 0.0], [-15.0, 3.0, 2.0]])
    for own in (1e-3, 1.0, 50.0, 1000.0):
        duals = newcomer_duals(scores, 1, torch.full((3,), own))
        expected = torch.eye(3)[1] - torch.softmax(scores + own * duals, 1)
        assert torch.allclose(duals, expected, atol=5e-3)


@EVERY_CRITERION
def test_all_rows_as_candidates_find_a_better_set_than_a_few_do(points, criterion):
    pool, labels, real, real_labels, *_ = points
    judge = RidgeCriterion if criterion == "ridge" else HeadCriterion
    few = SearchSettings(criterion, sweeps=1, candidates=2, screen=None)
    wide = SearchSettings(criterion, sweeps=3, screen=60, compare=5)
    losses = []
    for settings in (few, wide):
        chosen = search_set([View(pool, real)], labels, real_labels, COUNTS, np.random.default_rng(0), settings)
        of = judge(
            [View(pool, real)], torch.from_numpy(labels), torch.from_numpy(real_labels), torch.arange(300), 3, wide
        )
        losses.append(of.begin(chosen))
    assert losses[1] < losses[0] - 0.01


@EVERY_CRITERION
def test_a_class_that_is_smaller_than_asked_gives_what_it_has(points, criterion):
    pool, labels, real, real_labels, *_ = points
    few = np.concatenate([np.flatnonzero(labels == 0)[:1], np.flatnonzero(labels == 1), np.flatnonzero(labels == 2)])
    found = search_set(
        [View(pool[few], real)],
        labels[few],
        real_labels,
        [3, 1, 1],
        np.random.default_rng(0),
        SearchSettings(criterion),
    )
    assert labels[few][found].tolist() == [0, 1, 2]


@EVERY_CRITERION
def test_of_several_starts_the_set_of_the_lowest_loss_is_kept(points, criterion):
    pool, labels, real, real_labels, *_ = points
    view, everyone = [View(pool, real)], torch.arange(len(real))
    wanted = torch.from_numpy(real_labels)

    def loss(tries: int, seed: int) -> float:
        settings = SearchSettings(criterion, tries=tries, sweeps=1, candidates=5)
        found = search_set(view, labels, real_labels, COUNTS, np.random.default_rng(seed), settings)
        judge = CRITERIA[criterion](view, torch.from_numpy(labels), wanted, everyone, 3, settings)
        return judge.begin(found)

    one, four = ([loss(tries, seed) for seed in range(4)] for tries in (1, 4))
    assert all(b <= a + 1e-4 for a, b in zip(one, four, strict=True))  # the first start is the same one
    assert sum(four) < sum(one) - 1e-3
