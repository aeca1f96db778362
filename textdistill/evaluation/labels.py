"""The baselines of label distillation, the same samples with true or smoothed labels; how long to train on a set."""

from __future__ import annotations

from dataclasses import replace

import torch

from textdistill.core.schedule import DistilledSet
from textdistill.evaluation.protocol import Bench
from textdistill.evaluation.settings import VALIDATED

SMOOTHING = 0.1
LOOKS = 40  # how often, on the way to the most steps, the validation accuracy is taken
NETS = 3


def with_true_labels(distilled: DistilledSet, smoothed: bool = False) -> DistilledSet | None:
    """The set with the labels its samples came with (smoothed: 0.1 of the mass shared by all classes).

    `None` where samples are no real rows, or rows of a data set with other classes.
    """
    owners = distilled.meta.get("owners")
    if owners is None:
        return None
    classes = distilled.targets.shape[-1]
    hard = torch.nn.functional.one_hot(torch.tensor(owners), classes).to(distilled.targets)
    targets = (1 - SMOOTHING) * hard + SMOOTHING / classes if smoothed else hard
    return replace(distilled, targets=targets.view_as(distilled.targets))


def to_train_for(bench: Bench, distilled: DistilledSet) -> DistilledSet:
    """The set with the number of inner steps that `evaluate.steps` asks for: as recorded, or its own by validation."""
    if bench.settings.steps != VALIDATED:
        return distilled
    bench.tick("steps by validation")
    at = replace(bench, theta0=distilled.theta0)
    return distilled.lasting(tuned_steps(at, distilled))


def tuned_steps(bench: Bench, distilled: DistilledSet) -> int:
    """The number of inner steps, up to `evaluate.label_steps`, with the best mean validation accuracy of three nets.

    Forty looks on the way; Bohdal et al. 2020 try numbers between 10 and 1,000 (1,700 above 100 base examples).
    """
    return best_steps(bench, distilled)[0]


def best_steps(bench: Bench, distilled: DistilledSet) -> tuple[int, float]:
    """That number, and the accuracy (percent)."""
    every = max(1, bench.settings.label_steps // LOOKS)
    count = min(bench.settings.validation_rows, len(bench.validation))
    rows = torch.randperm(len(bench.validation), generator=bench.streams.torch("step-rows"))[:count]
    long = distilled.lasting(every * LOOKS)

    def looks(own: Bench, net: int) -> list[float]:
        moments = [every * (1 + look) for look in range(LOOKS)]
        return own.validated(long, own.start(2000 + net), own.streams.child("tuning", net), rows, moments)

    # From a fixed start, on samples that are not transformed, every network is the first one.
    alike = bench.theta0 is not None and not bench.plan.augment
    means = [sum(looked) / len(looked) for looked in zip(*bench.each(looks, range(1 if alike else NETS)), strict=True)]
    best = max(range(LOOKS), key=lambda look: means[look])
    return every * (1 + best), means[best]
