"""One network at a time, matched and trained on real rows in turn, until a fresh one takes its place (DiLM)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

import torch

from textdistill.core.batch import RealData
from textdistill.core.bounds import Count, Doc, Natural, Positive
from textdistill.core.chain import Chain
from textdistill.core.inner import Adam, InnerOptimizer
from textdistill.core.learner import Learner
from textdistill.core.precision import Precision, products_in
from textdistill.core.schedule import Draw, Synthetic
from textdistill.core.starts import Start
from textdistill.core.streams import Streams
from textdistill.core.unroll import Inner

ADAMW = Adam(eps=1e-8, weight_decay=0.01)


class OnReal(Chain):
    """A fresh network every `matches` outer steps, trained `steps` steps on real rows between two of them.

    Maekawa et al. 2024, Algorithm 1, with T = 10 and K = 20. Of a pre-trained learner a fresh network is the one it
    was pre-trained to, with a new last layer. Rows are drawn without regard to their classes. Nothing is dropped out.
    """

    name: ClassVar[str] = "on_real"
    trains_on_set: ClassVar[bool] = False

    def __init__(
        self,
        learner: Learner,
        streams: Streams,
        matches: Annotated[Count, Doc("outer steps that a network is used for")] = 10,
        steps: Annotated[Natural, Doc("steps that it trains on real rows between two of them")] = 20,
        batch: Annotated[Count, Doc("real rows that a step sees")] = 64,
        lr: Annotated[Positive, Doc("the constant rate")] = 1e-4,
        optimizer: Annotated[InnerOptimizer, Doc("the networks' own; by default the paper's AdamW")] = ADAMW,
        precision: Annotated[Precision, Doc("in which matrices are multiplied")] = "auto",
    ):
        super().__init__(learner, streams, matches, steps)
        self.batch, self.lr, self.precision = batch, lr, precision
        self.inner = Inner(learner, optimizer)
        self._real: RealData | None = None

    def see(self, real: RealData) -> None:
        """Train on these rows from now on."""
        self._real = real

    def next(self, step: int, synthetic: Synthetic, inner: Inner) -> Sequence[Start]:
        """The network of this outer step; its optimiser's memory stays here, where alone it means anything."""
        return [replace(start, state=None) for start in super().next(step, synthetic, inner)]

    def trained(self, begun: Start, step: int, synthetic: Synthetic, inner: Inner) -> Start:
        """The network of the last match after `steps` steps on real rows."""
        if self._real is None:
            raise ValueError("networks that train on real rows were shown none: call see(real) first")
        params, state = begun.params, begun.state
        rate = torch.tensor(self.lr, device=self.learner.device, dtype=self.learner.dtype)
        for turn in range(self.steps):
            order = torch.randperm(len(self._real), generator=self.streams.torch("rows", step, turn))
            draw = Draw(begun.age + turn, self._real.batch(order[: self.batch]), rate)
            with products_in(self.learner.device, self.precision):  # anew at every step: it keeps copies of the weights
                params, state = self.inner.run(params, state, [draw])
        return Start(params, state, begun.age + self.steps)
