"""Labels distilled by a logistic head: the derivative against finite differences, and what such labels teach."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.learners.linear_head import BIAS, fit_head
from textdistill.objectives.head_labels import HeadLabels
from textdistill.runs.readable.soft import FeatureRows, distilled_labels

CLASSES, WIDTH, SAMPLES = 3, 10, 7


def points(n: int, seed: int, noise: float = 0.5) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(CLASSES, WIDTH, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(n) % CLASSES
    return F.normalize(centres[labels] + noise * torch.randn(n, WIDTH, generator=rng), dim=1), labels


def plain_loss(objective: HeadLabels, features: Tensor, targets: Tensor, shown: Tensor, wanted: Tensor) -> float:
    """By the head itself, as judges fit it."""
    head = fit_head(features, targets, objective.penalty)
    logs = torch.log_softmax(objective.sharpness * head.logits(shown.double()), 1)
    return float(-(wanted * logs).sum(1).mean())


@pytest.mark.parametrize(("penalty", "sharpness"), [(1e-2, 1.0), (1e-2, 3.0), (0.3, 2.0)])
def test_the_loss_is_the_heads_own_and_the_slope_that_of_finite_differences(penalty: float, sharpness: float) -> None:
    objective = HeadLabels(batch=50, penalty=penalty, bias=BIAS, sharpness=sharpness)
    features, labels = points(SAMPLES, 1)
    shown, right = points(40, 2)
    rng = torch.Generator().manual_seed(3)
    targets = torch.softmax(2 * F.one_hot(labels, CLASSES) + torch.randn(SAMPLES, CLASSES, generator=rng), 1).double()
    wanted = F.one_hot(right, CLASSES).double()
    loss, slope = objective.slope(features, targets, shown, wanted)
    assert loss == pytest.approx(plain_loss(objective, features, targets, shown, wanted), rel=1e-5)
    for _ in range(4):
        way = torch.randn(SAMPLES, CLASSES, generator=rng, dtype=torch.float64)
        way = 1e-3 * (way - way.mean(1, keepdim=True))  # labels that sum to one still do
        ahead, behind = (plain_loss(objective, features, targets + sign * way, shown, wanted) for sign in (1.0, -1.0))
        assert float((slope * way).sum()) == pytest.approx((ahead - behind) / 2, rel=2e-3, abs=1e-8)


def test_distilled_labels_sum_to_one_and_teach_a_head_more_than_classes_do() -> None:
    features, labels = points(SAMPLES, 4, noise=1.0)
    real, right = points(600, 5, noise=0.7)
    rows = FeatureRows(real, right, tuple("abc"))
    soft = distilled_labels(features, labels, rows, seed=0)
    torch.testing.assert_close(soft.sum(1), torch.ones(SAMPLES))
    assert float(soft.min()) > 0
    unseen, wanted = points(600, 6, noise=0.7)

    def taught(targets: Tensor) -> float:
        return float((fit_head(features, targets).predict(unseen) == wanted).double().mean())

    assert taught(soft) > taught(F.one_hot(labels, CLASSES).float()) + 0.01


def test_the_same_seed_distils_the_same_labels_and_both_criteria_are_known() -> None:
    features, labels = points(SAMPLES, 4)
    rows = FeatureRows(*points(200, 5), tuple("abc"))
    first, again = (distilled_labels(features, labels, rows, seed=1) for _ in range(2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.allclose(first, distilled_labels(features, labels, rows, seed=1, criterion="ridge"), atol=1e-3)
