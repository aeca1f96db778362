"""CAFE: class means of every layer are aligned, and real features find their class among the synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from textdistill.core.batch import Batch, RealData
from textdistill.core.bounds import Count, Doc
from textdistill.core.inner import SGD, InnerOptimizer
from textdistill.core.learner import Learner, Params
from textdistill.core.precision import Precision
from textdistill.core.schedule import Outcome, Synthetic
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner
from textdistill.objectives.moments import class_means, differentiated, joined, matched_rows, own_classes, shares
from textdistill.objectives.passes import Forward, sample_activations


@dataclass(frozen=True)
class CAFE:
    """Σ_l mean (μ_lc(real) − μ_lc(synthetic))² + β · cross-entropy of real features to class means (Wang et al. 2022).

    The first term, feature alignment, goes over every layer l but the logits; its mean is over the classes c and all
    numbers of a layer's output, so that layers weigh alike whatever their size (the paper sums over each layer). The
    second, discrimination, takes the inner products of a real row's features h with the synthetic class means for its
    logits: −log softmax_c ⟨h, μ_c⟩, averaged over the real rows (summed in Eq. 6 of the report by Sonthalia et al.),
    with the weight `discrimination` (β). The paper's networks learn on the synthetic set between two matches
    (`starts: chain`); how long they do, which the paper decides by accuracies as it goes, is a setting here.
    """

    batch: Annotated[Count, Doc("real rows of each class that a step sees")] = 256
    discrimination: Annotated[float, Doc("β, the weight of the second term")] = 0.01
    precision: Annotated[Precision, Doc("in which real rows, which need no gradient, are multiplied")] = "auto"
    optimizer: Annotated[InnerOptimizer, Doc("how starts that train do so")] = field(default_factory=SGD)

    name: ClassVar[str] = "cafe"
    trains: ClassVar[frozenset[str]] = frozenset({"inputs", "weights"})
    takes: ClassVar[frozenset[str]] = frozenset({"words", "pixels"})
    # A pool grows old by the training that an objective does; this one does none.
    starts: ClassVar[frozenset[str]] = frozenset({"fixed", "fresh", "trained", "chain"})

    def inner(self, learner: Learner, streams: Streams) -> Inner:
        """Plain training on the distilled set."""
        return Inner(learner, self.optimizer)

    def evaluate(
        self, synthetic: Synthetic, real: RealData, learner: Learner, starts: Sequence[Start], streams: Streams
    ) -> list[Outcome]:
        """One outcome for each start, all on the same real rows; classes are dealt out to the processes."""
        draws, chosen = matched_rows(synthetic, real, self.batch, streams.torch("real"))
        rows = {label: real.batch(numbers) for label, numbers in own_classes(chosen).items()}
        sizes = {label: len(numbers) for label, numbers in chosen.items()}
        outcomes = []
        for start in starts:
            batch = joined([draw.batch for draw in draws])
            alignment, discrimination = self.terms(batch, rows, sizes, learner, start.params)
            outcomes.append(differentiated(alignment + self.discrimination * discrimination, draws, self.trains))
        return outcomes

    def terms(
        self, batch: Batch, real: dict[int, Batch], sizes: dict[int, int], learner: Learner, params: Params
    ) -> tuple[Tensor, Tensor]:
        """What the classes of `real` add to feature alignment and to discrimination; `sizes` has the rows of all."""
        labels = list(sizes)
        layers = sample_activations(learner, params, batch)[:-1]
        share = shares(batch)[labels]
        means = [class_means(layer, share) for layer in layers]
        alignment = means[-1].new_zeros(())
        discrimination = means[-1].new_zeros(())
        count = sum(sizes.values())
        for label in real:
            index = labels.index(label)
            totals = [torch.zeros_like(mean[0]) for mean in means]
            for activations in Forward(learner, params, self.precision).activations(real[label]):
                for total, layer in zip(totals, activations, strict=False):  # all but the logits
                    total += layer.flatten(1).sum(0, dtype=total.dtype)
                scores = activations[-2].flatten(1).to(means[-1].dtype) @ means[-1].t()
                of_class = torch.full((len(scores),), index, device=scores.device)
                discrimination = discrimination + F.cross_entropy(scores, of_class, reduction="sum") / count
            for mean, total in zip(means, totals, strict=True):
                alignment = alignment + (total / sizes[label] - mean[index]).square().mean() / len(labels)
        return alignment, discrimination
