"""Soft labels distilled for texts that stay as they are: label distillation on frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.distill import Objective, distill
from textdistill.core.learner import Learner
from textdistill.core.outer import Outer
from textdistill.core.schedule import Synthetic
from textdistill.core.starts import Memoryless, Start
from textdistill.core.unroll import Inner
from textdistill.learners import make_learner
from textdistill.learners.dense import Dense
from textdistill.learners.linear_head import BIAS
from textdistill.objectives.head_labels import HeadLabels
from textdistill.objectives.ridge_labels import SCALE, RidgeLabels
from textdistill.selection.methods.soft_labels import Criterion
from textdistill.synthetic.tensors import TensorData

# of the logistic head: as much ridge as the judge frozen has, and twice as sure as it is
HEAD_OUTER = Outer(steps=100, lr=0.05, betas=(0.9, 0.999), clip=None)
HEAD_ROWS, HEAD_PENALTY, HEAD_SHARPNESS = 8000, 1e-3, 2.0
# of the ridge classifier
OUTER = Outer(steps=200, lr=0.03, betas=(0.9, 0.999), clip=None)
SMOOTHED = 0.9  # of a label that begins at its sample's own class
SHARPNESS = 8.0  # the scale of the scores: a head that is trained to its minimum is about as sure
PENALTY = 0.5
ROWS = 2000


@dataclass
class FeatureRows:
    """Real rows as features (n, f) that never change (`RealData` of the core)."""

    features: Float[Tensor, "n f"]
    labels: Int[Tensor, " n"]
    classes: tuple[str, ...]
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.shape = tuple(self.features.shape[1:])

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: Int[Tensor, " b"]) -> Batch:
        """The rows with these indices and one-hot targets."""
        targets = torch.nn.functional.one_hot(self.labels[rows], len(self.classes)).to(self.features)
        return Batch(self.features[rows], targets)


@dataclass(frozen=True)
class _Sharp(Memoryless):
    """A classifier on the features alone: nothing but the scale of its scores is there to begin with."""

    learner: Learner
    sharpness: float

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """No weights: the ridge classifier follows from the labels."""
        own = {name: torch.zeros_like(value) for name, value in self.learner.module.named_parameters()}
        return [Start({**own, SCALE: torch.tensor(self.sharpness)})]


def distilled_labels(
    features: Float[Tensor, "m f"],
    labels: Int[Tensor, " m"],
    real: FeatureRows,
    seed: int,
    criterion: Criterion = "head",
) -> Float[Tensor, "m c"]:
    """The soft labels with which a classifier that learns from these samples classifies real rows best.

    `head`: the logistic head that they teach, differentiated through its minimum (`HeadLabels`). `ridge`: a ridge
    classifier, Bohdal et al. 2020's form (`RidgeLabels` with α = 1). Each is one call of the one outer loop on features
    that are fixed, from the samples' own classes, smoothed; the real rows are so many at a time. Labels sum to one.
    """
    classes = len(real.classes)
    learner = make_learner(Dense, Dense.Settings(hidden=()), real.shape, classes)
    own = torch.nn.functional.one_hot(labels, classes).float()
    begun = SMOOTHED * own + (1 - SMOOTHED) / classes
    head = criterion == "head"
    synthetic = TensorData(
        features.float()[None],
        (begun.log() if head else begun)[None],
        torch.ones(1, 1),
        learned=frozenset({"targets"}),
        labels="softmax" if head else "clamped",
    )
    objective: Objective = HeadLabels(HEAD_ROWS, HEAD_PENALTY, BIAS, HEAD_SHARPNESS)
    if not head:
        objective = RidgeLabels(batch=ROWS, rate=1.0, penalty=PENALTY, pace=1.0)
    starts = _Sharp(learner, SHARPNESS)
    outer = HEAD_OUTER if head else OUTER
    distilled = distill(synthetic, objective, real, learner=learner, starts=starts, outer=outer, seed=seed)
    return distilled.targets[0]
