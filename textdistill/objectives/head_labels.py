"""Label distillation by a logistic head: what real rows say of it, differentiated through its minimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from textdistill.core.batch import RealData
from textdistill.core.inner import SGD
from textdistill.core.learner import Learner
from textdistill.core.logistic_duals import fitted_duals, slope_of_targets
from textdistill.core.schedule import Outcome, Synthetic
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner

CLOSE = 1e-7  # a dual's error


@dataclass(frozen=True)
class HeadLabels:
    """The real rows' cross-entropy under the logistic head that m samples with features X and labels Y teach.

    The head (`learners.linear_head`) minimises 1/m Σ_i Σ_c y_ic (−log softmax(W x_i + b)_c) + ½ λ (‖W‖² + h‖b‖²), where
    h is `bias`. With K = (X Xᵀ + 1/h)/(λm) its scores are K a, of duals a = Y − softmax(K a), and a real row t scores
    z(t) = K(t, X) a. The loss is the mean of −log softmax(β z(t))_y, β being the `sharpness`: a head's own scores, of
    few samples and a strong ridge, are not as sure as it is right. Inputs are features, and networks see nothing of it.
    """

    batch: int
    penalty: float
    bias: float
    sharpness: float

    name: ClassVar[str] = "head_labels"
    trains: ClassVar[frozenset[str]] = frozenset({"targets"})

    def inner(self, learner: Learner, streams: Streams) -> Inner:
        """Networks are trained by plain descent: the head trains none."""
        return Inner(learner, SGD())

    def evaluate(
        self, synthetic: Synthetic, real: RealData, learner: Learner, starts: Sequence[Start], streams: Streams
    ) -> list[Outcome]:
        """One outcome for each start, all on the same real rows."""
        rows = torch.randint(len(real), (min(self.batch, len(real)),), generator=streams.torch("real"))
        batch = real.batch(rows)
        outcomes = []
        for start in starts:
            draw = synthetic.draw(start.age)
            loss, slope = self.slope(draw.batch.inputs, draw.batch.targets, batch.inputs, batch.targets)
            outcomes.append(Outcome(loss, [(draw.step, {"targets": slope.to(draw.batch.targets)})]))
        return outcomes

    @torch.no_grad()
    def slope(
        self,
        features: Float[Tensor, "m f"],
        targets: Float[Tensor, "m c"],
        shown: Float[Tensor, "n f"],
        wanted: Float[Tensor, "n c"],
    ) -> tuple[float, Float[Tensor, "m c"]]:
        """The loss, and its derivative for the labels, along which each sample's sum to one: in float64."""
        samples, rows, labels = features.double(), shown.double(), targets.detach().double()
        scale = 1.0 / (self.penalty * len(samples))
        kernel, seen = (scale * (points @ samples.T + 1.0 / self.bias) for points in (samples, rows))
        duals = fitted_duals(kernel, labels, close=CLOSE)
        logs = torch.log_softmax(self.sharpness * (seen @ duals), 1)
        loss = -(wanted * logs).sum(1).mean()
        away = self.sharpness * (logs.exp() * wanted.sum(1, keepdim=True) - wanted) / len(rows)
        return float(loss), slope_of_targets(kernel, torch.softmax(kernel @ duals, 1), seen.T @ away)
