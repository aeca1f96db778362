"""Distribution matching: the features of each class have the same mean, and covariance, as those of real rows (DM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from textdistill.core.batch import Batch, RealData
from textdistill.core.bounds import Count, Doc
from textdistill.core.errors import RecipeError
from textdistill.core.inner import SGD, InnerOptimizer
from textdistill.core.learner import Learner, Params
from textdistill.core.precision import Precision
from textdistill.core.processes import count
from textdistill.core.schedule import Outcome, Synthetic
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.objectives.augment import augment, kinds_with, name_faults
from textdistill.objectives.moments import (
    class_covariance,
    class_means,
    differentiated,
    joined,
    matched_rows,
    own_classes,
    part_of,
    shares,
)
from textdistill.objectives.passes import Forward, sample_activations


@dataclass(frozen=True)
class DistributionMatching:
    """Σ_c ‖μ_c(real) − μ_c(synthetic)‖² of the features under the start's network (Zhao & Bilen 2023, Eq. 5).

    The paper's networks are random (`starts: fresh`); the report of Sonthalia et al. (Eq. 4) has the same sum, names
    covariances beside the means, and trains its networks (its steps 4 and 5: `starts: chain`, on the set alone). Real
    rows are drawn without replacement. `covariance` weighs Σ_c ‖C_c(real) − C_c(synthetic)‖²_F, which the paper does
    not have; one sample in a class has none, and learns nothing from it. `normalise` divides by the number of features
    f, and the covariances' distance by f². Of `augment` (DSA's transformations, as in the paper's code) one for each
    class is drawn anew at every step, the same for both sides.
    """

    batch: Annotated[Count, Doc("real rows of each class that a step sees")] = 256
    covariance: Annotated[float, Doc("weight of the distance between covariances")] = 0.0
    normalise: Annotated[bool, Doc("divide by the number of features")] = False
    augment: Annotated[tuple[str, ...], Doc("random transformations of both sides (DSA)")] = ()
    precision: Annotated[Precision, Doc("in which real rows, which need no gradient, are multiplied")] = "auto"
    optimizer: Annotated[InnerOptimizer, Doc("how starts that train do so")] = field(default_factory=SGD)

    name: ClassVar[str] = "distribution_matching"
    trains: ClassVar[frozenset[str]] = frozenset({"inputs", "weights"})
    # A pool grows old by the training that an objective does; this one does none.
    starts: ClassVar[frozenset[str]] = frozenset({"fixed", "fresh", "trained", "chain"})

    def __post_init__(self) -> None:
        if not self.takes:
            raise RecipeError(name_faults(self.augment))

    @property
    def takes(self) -> frozenset[str]:
        """The kinds of inputs that know all the transformations of `augment`."""
        return kinds_with(self.augment)

    def inner(self, learner: Learner, streams: Streams) -> Inner:
        """Plain training on the distilled set."""
        return Inner(learner, self.optimizer)

    def evaluate(
        self, synthetic: Synthetic, real: RealData, learner: Learner, starts: Sequence[Start], streams: Streams
    ) -> list[Outcome]:
        """One outcome for each start, all on the same real rows; classes are dealt out to the processes."""
        draws, chosen = matched_rows(synthetic, real, self.batch, streams.torch("real"))
        rows = {
            label: augment(real.batch(found), self.augment, streams.torch("augment", label))
            for label, found in own_classes(chosen).items()
        }
        outcomes = []
        for start in starts:
            batch = joined([draw.batch for draw in draws])
            if self.augment:
                batch = self._augmented(batch, list(chosen), streams)
            outcomes.append(differentiated(self.distance(batch, rows, learner, start.params), draws, self.trains))
        return outcomes

    def _augmented(self, batch: Batch, classes: Sequence[int], streams: Streams) -> Batch:
        """Each class after the very transformation of its real rows."""
        members = batch.targets.argmax(1)
        parts = [
            augment(
                part_of(batch, torch.nonzero(members == label)[:, 0]), self.augment, streams.torch("augment", label)
            )
            for label in classes
        ]
        return joined(parts)

    def distance(self, batch: Batch, real: dict[int, Batch], learner: Learner, params: Params) -> Tensor:
        """The distance, over the classes of `real`."""
        if count() > 1:  # samples of other classes are other processes' matter
            if not real:  # more processes than classes
                return batch.inputs.new_zeros(())
            members = batch.targets.argmax(1)
            own = torch.isin(members, torch.tensor(list(real), device=members.device))
            batch = part_of(batch, torch.nonzero(own)[:, 0])
        features = sample_activations(learner, params, batch)[-2].flatten(1)
        share = shares(batch)
        means = class_means(features, share)
        loss = features.new_zeros(())
        size = features.shape[1] if self.normalise else 1
        for label, rows in real.items():
            wanted = Forward(learner, params, self.precision).features(rows)
            mean = wanted.mean(0)
            loss = loss + (means[label] - mean).square().sum() / size
            if self.covariance:
                alike = wanted.new_full((len(wanted),), 1 / len(wanted))
                off = class_covariance(features, share[label], means[label]) - class_covariance(wanted, alike, mean)
                loss = loss + self.covariance * off.square().sum() / size**2
        return loss
