"""Distribution matching: the features of each class have the same mean, and covariance, as those of real rows (DM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from textdistill.core.batch import Batch, RealData
from textdistill.core.inner import SGD, InnerOptimizer
from textdistill.core.learner import Learner, Params
from textdistill.core.schedule import Outcome, Synthetic
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.objectives.moments import (
    RealType,
    class_covariance,
    class_means,
    joined,
    real_activations,
    rows_by_class,
    sent_back,
    shares,
    whole_set,
)


@dataclass(frozen=True)
class DistributionMatching:
    """Σ_c ‖μ_c(real) − μ_c(synthetic)‖² of the features under the start's network (Zhao & Bilen 2023, Eq. 5).

    The paper's networks are random (`starts: fresh`). `batch` is how many real rows of each class a step sees, drawn
    without replacement. `covariance` weighs Σ_c ‖C_c(real) − C_c(synthetic)‖²_F, which the paper does not have; one
    sample in a class has none, and learns nothing from it. `normalise` divides by the number of features f, and the
    covariances' distance by f². `real_dtype` `bfloat16` runs the real rows, which need no gradient, in that type.
    `optimizer` is how starts that train do so.
    """

    batch: int = 256
    covariance: float = 0.0
    normalise: bool = False
    real_dtype: RealType = "float32"
    optimizer: InnerOptimizer = field(default_factory=SGD)

    trains: ClassVar[frozenset[str]] = frozenset({"inputs", "weights"})
    takes: ClassVar[frozenset[str]] = frozenset({"words", "pixels"})

    def inner(self, learner: Learner, streams: Streams) -> Inner:
        """Plain training on the distilled set."""
        return Inner(learner, self.optimizer)

    def evaluate(
        self, synthetic: Synthetic, real: RealData, learner: Learner, starts: Sequence[Start], streams: Streams
    ) -> list[Outcome]:
        """One outcome for each start, all on the same real rows."""
        chosen = rows_by_class(real, self.batch, streams.torch("real"))
        rows = {label: real.batch(at) for label, at in chosen.items()}
        outcomes = []
        for start in starts:
            draws = whole_set(synthetic)
            loss = self.distance(joined([draw.batch for draw in draws]), rows, learner, start.params)
            outcomes.append(sent_back(loss, draws, self.trains))
        return outcomes

    def distance(self, batch: Batch, real: dict[int, Batch], learner: Learner, params: Params) -> Tensor:
        """The distance of the classes that both sides have."""
        present = set(batch.targets.argmax(1).tolist())
        features = learner.activations(params, batch)[-2].flatten(1)
        share = shares(batch)
        means = class_means(features, share)
        loss = features.new_zeros(())
        size = features.shape[1] if self.normalise else 1
        for label, rows in real.items():
            if label not in present:
                continue
            wanted = torch.cat(
                [layers[-2].flatten(1) for layers in real_activations(learner, params, rows, self.real_dtype)]
            )
            mean = wanted.mean(0)
            loss = loss + (means[label] - mean).square().sum() / size
            if self.covariance:
                alike = wanted.new_full((len(wanted),), 1 / len(wanted))
                off = class_covariance(features, share[label], means[label]) - class_covariance(wanted, alike, mean)
                loss = loss + self.covariance * off.square().sum() / size**2
        return loss
