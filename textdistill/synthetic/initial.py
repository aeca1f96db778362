"""The first values of a distilled set: classes dealt out over the steps, inputs from a given source, labels, rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from textdistill.synthetic.settings import SyntheticSettings
from textdistill.synthetic.tensors import TensorData


class Found(NamedTuple):
    """First inputs (M, *shape) and their classes (M,), class by class; `rows` (M,) where they are rows of real data."""

    values: Tensor
    owners: Tensor
    rows: Tensor | None = None


# Given how many samples each class should have.
Source = Callable[[list[int]], Found]


def class_plan(settings: SyntheticSettings, classes: int) -> Tensor:
    """The class of each sample, (steps, samples per step): balanced overall, and within a step as far as it goes."""
    total = settings.samples if settings.samples is not None else (settings.per_class or 0) * classes
    if settings.per_class is not None:
        order = torch.arange(classes).repeat_interleave(settings.per_class // settings.steps)
        return order.repeat(settings.steps, 1)
    return (torch.arange(total) % classes).view(settings.steps, -1)


def make_tensors(
    settings: SyntheticSettings, shape: tuple[int, ...], classes: int, source: Source | None, rng: torch.Generator
) -> TensorData:
    """The set before its first outer step. Without a `source`, inputs are standard normal times `noise`.

    A class with fewer real rows than asked repeats them; where inputs are learned each copy is moved by a little noise,
    so that it can become another sample.
    """
    plan = class_plan(settings, classes)
    steps, each = plan.shape
    inputs = torch.randn(steps, each, *shape, generator=rng) * settings.noise
    taken: Tensor | None = None
    if source is not None:
        counts = torch.bincount(plan.flatten(), minlength=classes).tolist()
        values, owners, numbers = source(counts)
        taken = None if numbers is None else torch.full((steps, each), -1, dtype=torch.long)
        shaken = torch.randn(steps, each, *shape, generator=rng) * 0.01
        for label in range(classes):
            places = (plan == label).nonzero()
            rows = (owners == label).nonzero()[:, 0]
            for k, (step, at) in enumerate(places.tolist()):
                if len(rows):
                    value = values[rows[k % len(rows)]]
                    moved = k >= len(rows) and "inputs" in settings.learn
                    inputs[step, at] = value + shaken[step, at] if moved else value
                    if taken is not None and numbers is not None:
                        taken[step, at] = numbers[rows[k % len(rows)]]
    targets = initial_labels(settings, plan, classes, rng)
    rates = torch.full((settings.epochs, steps), settings.lr)
    return TensorData(inputs, targets, rates, learned=frozenset(settings.learn), labels=settings.labels, rows=taken)


def initial_labels(settings: SyntheticSettings, plan: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """The labels' own numbers, (steps, samples per step, classes).

    Sucholutsky & Schonlau 2021, section III.C, find one-hot ones better than random ones, of which they do not say how
    they are drawn: here from a standard normal distribution.
    """
    hard = torch.nn.functional.one_hot(plan, classes).float()
    if settings.label_init == "random":
        return torch.randn(hard.shape, generator=rng) * settings.label_scale
    values = {
        "one_hot": hard,
        "uniform": torch.full_like(hard, 1.0 / classes),
        "smoothed": 0.9 * hard + 0.1 / classes,
    }[settings.label_init]
    return values * settings.label_scale
