"""Soft labels distilled for texts that stay as they are: label distillation by ridge regression on frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from textdistill.core.batch import Batch
from textdistill.core.distill import distill
from textdistill.core.learner import Learner
from textdistill.core.outer import Outer
from textdistill.core.schedule import Synthetic
from textdistill.core.starts import Memoryless, Start
from textdistill.core.unroll import Inner
from textdistill.learners import make_learner
from textdistill.learners.dense import Dense
from textdistill.objectives.ridge_labels import SCALE, RidgeLabels
from textdistill.synthetic.tensors import TensorData

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
    *,
    outer: Outer = OUTER,
) -> Float[Tensor, "m c"]:
    """The soft labels with which a ridge classifier on these samples classifies real rows best; each sums to one.

    Bohdal et al. 2020's ridge form (`RidgeLabels` with α = 1) on features that are fixed: one call of the one outer
    loop, from the samples' own classes, smoothed. The real rows are `ROWS` of the training rows at a time.
    """
    classes = len(real.classes)
    learner = make_learner(Dense, Dense.Settings(hidden=()), real.shape, classes)
    own = torch.nn.functional.one_hot(labels, classes).float()
    begun = SMOOTHED * own + (1 - SMOOTHED) / classes
    synthetic = TensorData(
        features.float()[None], begun[None], torch.ones(1, 1), learned=frozenset({"targets"}), labels="clamped"
    )
    objective = RidgeLabels(batch=ROWS, rate=1.0, penalty=PENALTY, pace=1.0)
    distilled = distill(
        synthetic, objective, real, learner=learner, starts=_Sharp(learner, SHARPNESS), outer=outer, seed=seed
    )
    return distilled.targets[0]
