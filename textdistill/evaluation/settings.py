"""Settings of the evaluation; every default of this room is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from textdistill.core.inner import InnerOptimizer

BASELINES = (
    "random_real",
    "best_random_real",
    "kmeans",
    "class_average",
    "knn_random_real",
    "knn_kmeans",
    "k_centers",
    "herding",
    "true_labels",
    "smoothed_labels",
)
BY = ("networks", "objective")
RECORDED, VALIDATED = "recorded", "validated"
STEPS = (RECORDED, VALIDATED)
LOSSES = ("cross_entropy", "squared")


@dataclass(frozen=True)
class Train:
    """How networks are trained on the finished set; what is left out is the set's own schedule and inner optimiser.

    `epochs` times through the set's batches at the rate `lr`, multiplied by `decay` at each of the shares `decay_at` of
    the way. `augment` transforms every sample at random, anew at each step (one of these ways, of its own strength).
    `loss` is the soft cross-entropy or the squared distance of the logits from the labels less 1/C (kernel methods).
    Whatever is given here is stored with the set.
    """

    optimizer: InnerOptimizer | None = None
    epochs: int | None = None
    lr: float | None = None
    decay: float = 0.1
    decay_at: tuple[float, ...] = ()
    augment: tuple[str, ...] = ()
    loss: str = "cross_entropy"

    choices: ClassVar[Mapping[str, Sequence[str]]] = {"loss": LOSSES}


@dataclass(frozen=True)
class Training:
    """Ordinary training with Adam: on all real rows (with early stopping by validation) or on a distilled set.

    `epochs` passes at most, stopping when validation has not risen for `patience` of them; `dropout` is the network's
    own. `rows` training rows at most, drawn at random; none: all of them, and for a kernel as many as this machine's
    memory and a few minutes allow, since its cost is quadratic in them.
    """

    epochs: int = 15
    batch: int = 64
    lr: float = 0.001
    weight_decay: float = 0.0
    dropout: bool = True
    patience: int = 3
    rows: int | None = None


@dataclass(frozen=True)
class Ordinary:
    """Training on the distilled samples, all at once, by Adam instead of by their own schedule."""

    steps: int = 100
    lr: float = 0.001


@dataclass(frozen=True)
class Evaluate:
    """The protocol: `nets` fresh networks (with a fixed start: that one) trained by the distilled set's own schedule.

    `by` says who classifies: networks trained on the set, or the objective itself (kernel regression), without any.
    `repeats` whole distillations with seeds seed, seed + 1, …; `full_nets` networks trained on all real rows; `draws`
    sets per baseline; `rates` are the constant inner learning rates from which each baseline's is chosen on validation
    rows, beside the distilled schedule's own. `steps` says for how many inner steps networks train: those `recorded`
    with the set, for it and for rows in its place, or the number with the best `validated` accuracy, chosen for each of
    them. Sets with true or smoothed labels always take the latter; `label_steps` is the most that may be chosen.
    `validation_rows` and `validation_nets` are what the outer loop's validation sees.
    """

    by: str = "networks"
    steps: str = RECORDED
    nets: int = 20
    repeats: int = 1
    full_nets: int = 3
    full: Training = field(default_factory=Training)
    ordinary: Ordinary = field(default_factory=Ordinary)
    baselines: tuple[str, ...] = BASELINES
    draws: int = 20
    rates: tuple[float, ...] = (0.01, 0.1, 1.0)
    traditional: bool = True
    snapped: bool = True
    label_steps: int = 2000
    validation_rows: int = 1000
    validation_nets: int = 2
    batch: int = 256

    choices: ClassVar[Mapping[str, Sequence[str]]] = {"steps": STEPS}
