"""The outer optimiser: its settings, its learning-rate schedule, and one parameter group per learned field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Outer:
    """Settings of the outer loop.

    `optimizer` is `adam`, `adamw` (with `weight_decay`, decoupled) or `sgd` (with `momentum`). `lr` is the rate for the
    inputs; `scale` multiplies it for other fields (`{"lr": 0.3}`). `schedule` is `constant`, `cosine` (to `lr × floor`)
    or `step` (× `decay` every `decay_every` steps, the paper's 0.5 every 40 epochs).
    `clip` bounds the gradient's global norm; `average` is the rate of an exponential average of the parameters (0 for
    none); `keep` what is returned: the `last` set or the `best` by validation, looked at every `validate_every` steps;
    `runaway` how many times its first value the loss may reach; `stop_below` the loss at which all is done.
    """

    steps: int = 500
    optimizer: str = "adam"
    lr: float = 0.01
    betas: tuple[float, float] = (0.5, 0.999)
    momentum: float = 0.0
    weight_decay: float = 0.01
    scale: Mapping[str, float] = field(default_factory=dict)
    schedule: str = "cosine"
    decay: float = 0.5
    decay_every: int = 200
    warmup: int = 0
    floor: float = 0.0
    clip: float | None = 1.0
    average: float = 0.0
    keep: str = "last"
    validate_every: int = 100
    runaway: float = 1000.0
    stop_below: float | None = None


OUTER_OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "step")


def learning_rate(outer: Outer, step: int, field_name: str = "inputs") -> float:
    """The rate of `field_name` at outer step `step`."""
    rate = outer.lr * outer.scale.get(field_name, 1.0)
    if step < outer.warmup:
        return rate * (step + 1) / outer.warmup
    if outer.schedule == "step":
        return float(rate * outer.decay ** (step // outer.decay_every))
    if outer.schedule == "cosine":
        share = (step - outer.warmup) / max(1, outer.steps - outer.warmup)
        return rate * (outer.floor + (1 - outer.floor) * 0.5 * (1 + math.cos(math.pi * share)))
    return rate


def make_optimizer(parameters: Mapping[str, Tensor], outer: Outer) -> torch.optim.Optimizer:
    """The optimiser, with the field's name on each group so that the schedule can set its rate."""
    groups = [{"params": [value], "name": name} for name, value in parameters.items()]
    if outer.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=outer.lr, momentum=outer.momentum)
    if outer.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=outer.lr, betas=outer.betas, weight_decay=outer.weight_decay)
    return torch.optim.Adam(groups, lr=outer.lr, betas=outer.betas)
