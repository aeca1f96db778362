"""Settings of the evaluation; every default of this room is here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from textdistill.core.bounds import Count, Doc, NotNegative, OneOf, Positive, Share
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

    Whatever is given here is stored with the set.
    """

    optimizer: Annotated[InnerOptimizer | None, Doc("in place of the objective's own")] = None
    epochs: Annotated[Count | None, Doc("times through the set's batches")] = None
    lr: Annotated[Positive | None, Doc("the rate")] = None
    decay: Annotated[NotNegative, Doc("by which it is multiplied")] = 0.1
    decay_at: Annotated[tuple[Share, ...], Doc("at these shares of the way")] = ()
    augment: Annotated[tuple[str, ...], Doc("random transformations, one for every sample, anew at each step")] = ()
    loss: Annotated[
        str, OneOf(LOSSES), Doc("soft cross-entropy, or squared distance from labels less 1/C (kernel methods)")
    ] = "cross_entropy"


@dataclass(frozen=True)
class Training:
    """Ordinary training with Adam: on all real rows (with early stopping by validation) or on a distilled set.

    Without a number of `rows`, a kernel takes as many as this machine's memory and a few minutes allow, since its cost
    is quadratic in them.
    """

    epochs: Annotated[Count, Doc("passes at most")] = 15
    batch: Annotated[Count, Doc("rows of a step")] = 64
    lr: Annotated[Positive, Doc("rate of Adam")] = 0.001
    weight_decay: Annotated[NotNegative, Doc("of AdamW")] = 0.0
    dropout: Annotated[bool, Doc("the network's own")] = True
    patience: Annotated[Count, Doc("passes without a better validation after which training stops")] = 3
    rows: Annotated[
        Count | None, Doc("training rows at most, drawn at random; none: all, or what a kernel affords")
    ] = None


@dataclass(frozen=True)
class Ordinary:
    """Training on the distilled samples, all at once, by Adam instead of by their own schedule."""

    steps: Annotated[Count, Doc("steps of Adam")] = 100
    lr: Annotated[Positive, Doc("its rate")] = 0.001


@dataclass(frozen=True)
class Evaluate:
    """The protocol: `nets` fresh networks (with a fixed start: that one) trained by the distilled set's own schedule.

    `by` says who classifies: networks trained on the set, or the objective itself (kernel regression), without any.
    `steps` says for how many inner steps networks train: those `recorded` with the set, for it and for rows in its
    place, or the number with the best `validated` accuracy, chosen for each of them. Sets with true or smoothed labels
    always take the latter.
    """

    by: Annotated[str, OneOf(BY), Doc("who classifies")] = "networks"
    steps: Annotated[str, OneOf(STEPS), Doc("for how many inner steps networks train")] = RECORDED
    nets: Annotated[Count, Doc("fresh networks")] = 20
    repeats: Annotated[Count, Doc("whole distillations, with seeds seed, seed + 1, …")] = 1
    full_nets: Annotated[Count, Doc("networks trained on all real rows")] = 3
    full: Annotated[Training, Doc("how they are trained")] = field(default_factory=Training)
    ordinary: Annotated[Ordinary, Doc("an ordinary optimiser on the distilled samples")] = field(
        default_factory=Ordinary
    )
    baselines: Annotated[tuple[Annotated[str, OneOf(BASELINES)], ...], Doc("at the same budget")] = BASELINES
    draws: Annotated[Count, Doc("sets of each baseline")] = 20
    rates: Annotated[
        tuple[Positive, ...], Doc("from which each baseline's is chosen by validation, beside the set's own schedule")
    ] = (0.01, 0.1, 1.0)
    traditional: Annotated[bool, Doc("TF-IDF classifiers of texts, beside them")] = True
    snapped: Annotated[bool, Doc("the set with every vector replaced by its nearest word's")] = True
    label_steps: Annotated[Count, Doc("the most steps that may be chosen for sets with true or smoothed labels")] = 2000
    validation_rows: Annotated[Count, Doc("validation rows that the outer loop looks at")] = 1000
    validation_nets: Annotated[Count, Doc("networks that it trains to look at them with")] = 2
    batch: Annotated[Count, Doc("rows classified at a time")] = 256
