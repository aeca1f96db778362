"""The outer optimiser: its settings, its learning-rate schedule, and one parameter group per learned field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import torch
from pydantic import AllowInfNan
from torch import Tensor

from textdistill.core.bounds import Count, Doc, Natural, NotNegative, OneOf, Positive, Share
from textdistill.core.schedule import TENSOR_FIELDS

OUTER_OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "step")


@dataclass(frozen=True)
class Outer:
    """Settings of the outer loop.

    Algorithm 1 of SLDD writes plain gradient steps; its authors' code takes Adam with these betas and clips nothing.
    `clip: null` is that, here the gradient's norm is at most 1 unless told. `stop_below` is the ε at which the report
    of Sonthalia et al. (II.A, step 8) stops: it is held against the loss of one step, on that step's real rows.
    """

    steps: Annotated[Count, Doc("outer steps")] = 500
    optimizer: Annotated[str, OneOf(OUTER_OPTIMIZERS), Doc("the outer update rule")] = "adam"
    lr: Annotated[Positive, Doc("rate for the inputs")] = 0.01
    betas: Annotated[tuple[Share, Share], Doc("of adam and adamw")] = (0.5, 0.999)
    momentum: Annotated[Share, Doc("of sgd")] = 0.0
    weight_decay: Annotated[NotNegative, Doc("of adamw, decoupled")] = 0.01
    scale: Annotated[
        Mapping[Annotated[str, OneOf(TENSOR_FIELDS)], float],
        Doc("multiplies the rate for other fields: {lr: 0.3}"),
    ] = field(default_factory=dict)
    schedule: Annotated[
        str, OneOf(SCHEDULES), Doc("cosine ends at lr × floor; step multiplies by decay every decay_every steps")
    ] = "cosine"
    decay: Annotated[NotNegative, Doc("of step; the paper's is 0.5 every 40 epochs")] = 0.5
    decay_every: Annotated[Count, Doc("of step")] = 200
    warmup: Annotated[Natural, Doc("steps in which the rate grows from zero")] = 0
    floor: Annotated[NotNegative, Doc("share of the rate at which cosine ends")] = 0.0
    clip: Annotated[Positive | None, Doc("the most that the gradient's global norm may be")] = 1.0
    average: Annotated[Share, Doc("rate of an exponential average of the parameters; 0 is none")] = 0.0
    keep: Annotated[str, OneOf(("last", "best")), Doc("which set is returned: the last, or the best by validation")] = (
        "last"
    )
    validate_every: Annotated[Count, Doc("steps between two looks at validation rows")] = 100
    runaway: Annotated[
        Positive, AllowInfNan(True), Doc("how many times its first value the loss may reach, .inf for any")
    ] = 1000.0
    stop_below: Annotated[Positive | None, Doc("the loss at which all is done")] = None


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
